//! Functions that decide what is evaluated at all, and those that ask whether something is there.

use super::{Accepts, Arguments, Function, FunctionGroup, Gives, TEXT, list, one, parameter};
use crate::expression::data::{Data, Fault, Scalar};
use crate::expression::evaluate::{Evaluator, Failed, place};
use crate::expression::syntax::{Node, NodeKind, Source};
use crate::expression::types::{Kind, KindSet};

pub(super) fn functions() -> Vec<Function> {
    use FunctionGroup::{Flow, Presence};
    let boolean = Gives::Kind(Kind::Boolean);
    let mut switch = Function::lazy(
        "Switch",
        Flow,
        const { &[parameter("condition", Accepts::Condition), parameter("value", Accepts::Result)] },
        Gives::Results,
        switch,
        "The value behind the first condition that is True; NULL when none is. All conditions are evaluated, but only the chosen value.",
    );
    switch.repeats = 2;
    vec![
        Function::lazy(
            "IIF",
            Flow,
            const {
                &[
                    parameter("condition", Accepts::Condition),
                    parameter("then", Accepts::Result),
                    parameter("else", Accepts::Result),
                ]
            },
            Gives::Results,
            iif,
            "`then` when the condition is True, otherwise `else`; only that one is evaluated. A condition on an attribute with several values is asked for each value, and NULL drops that value.",
        ),
        switch,
        Function::lazy(
            "With",
            Flow,
            const {
                &[
                    parameter("name", Accepts::Variable),
                    parameter("value", Accepts::Whole),
                    parameter("result", Accepts::Result),
                ]
            },
            Gives::Last,
            with,
            "Gives `value` a name for use in `result`.",
        ),
        Function::lazy(
            "Select",
            FunctionGroup::List,
            const {
                &[
                    parameter("item", Accepts::Variable),
                    list("values", KindSet::ANY),
                    parameter("result", Accepts::Whole),
                ]
            },
            Gives::ListOf(2),
            select,
            "`result` for each of the values; NULL drops that value.",
        ),
        Function::lazy(
            "Where",
            FunctionGroup::List,
            const {
                &[
                    parameter("item", Accepts::Variable),
                    list("values", KindSet::ANY),
                    parameter("condition", Accepts::Condition),
                ]
            },
            Gives::ListOf(1),
            where_,
            "The values for which the condition is True.",
        ),
        Function::eager(
            "Error",
            Flow,
            const { &[one("message", TEXT)] },
            Gives::Nothing,
            error,
            "Fails the synchronisation of this object with the message (`sync-rule-error-function-triggered`).",
        ),
        Function::lazy(
            "ImportedValue",
            Flow,
            const { &[parameter("attribute", Accepts::Name)] },
            Gives::Attribute,
            imported_value,
            "The attribute as an import confirmed it, without pending exports.",
        ),
        Function::eager(
            "IsPresent",
            Presence,
            const { &[parameter("value", Accepts::Whole)] },
            boolean,
            |_, arguments| Ok(Data::boolean(!is_null_or_empty(arguments))),
            "True unless the value is absent or empty.",
        ),
        Function::eager(
            "IsNullOrEmpty",
            Presence,
            const { &[parameter("value", Accepts::Whole)] },
            boolean,
            |_, arguments| Ok(Data::boolean(is_null_or_empty(arguments))),
            "True when the value is absent or empty.",
        ),
        Function::eager(
            "IsNull",
            Presence,
            const { &[parameter("value", Accepts::Whole)] },
            boolean,
            |_, arguments| Ok(Data::boolean(arguments.is_null(0))),
            "True when the value is absent.",
        ),
        Function::eager(
            "IsEmpty",
            Presence,
            const { &[parameter("value", Accepts::Whole)] },
            boolean,
            |_, arguments| Ok(Data::boolean(!arguments.is_null(0) && is_null_or_empty(arguments))),
            "True when the value is there and is the empty text.",
        ),
    ]
}

fn is_null_or_empty(arguments: &Arguments<'_, '_>) -> bool {
    arguments.list(0).iter().all(|scalar| matches!(scalar, Scalar::Text(text) if text.is_empty()))
}

fn error(_: &mut Evaluator<'_>, arguments: &Arguments<'_, '_>) -> Result<Data<'static>, Fault> {
    let message = arguments.text(0)?.unwrap_or("no message").to_owned();
    Err(Fault::new("sync-rule-error-function-triggered", message))
}

/// The parser has checked the count; a missing argument can only be the remains of a reported mistake.
fn missing(node: &Node) -> Failed {
    place(Fault::new("expression-argument-count", "an argument is missing"), &node.span)
}

fn iif<'v>(evaluator: &mut Evaluator<'v>, node: &'v Node, arguments: &'v [Node]) -> Result<Data<'v>, Failed> {
    let [condition, then, otherwise] = arguments else {
        return Err(missing(node));
    };
    if let Some(source) = evaluator.several([condition], &condition.span)? {
        return evaluator.for_each_value(source, &node.span, |evaluator| evaluator.node(node));
    }
    let chosen = if evaluator.truth(condition)? { then } else { otherwise };
    evaluator.node(chosen)
}

fn switch<'v>(evaluator: &mut Evaluator<'v>, node: &'v Node, arguments: &'v [Node]) -> Result<Data<'v>, Failed> {
    let conditions = arguments.iter().step_by(2);
    if let Some(source) = evaluator.several(conditions, &node.span)? {
        return evaluator.for_each_value(source, &node.span, |evaluator| evaluator.node(node));
    }
    let mut chosen = None;
    for pair in arguments.chunks_exact(2) {
        if let [condition, value] = pair
            && evaluator.truth(condition)?
            && chosen.is_none()
        {
            chosen = Some(value);
        }
    }
    chosen.map_or(Ok(Data::Null), |value| evaluator.node(value))
}

fn with<'v>(evaluator: &mut Evaluator<'v>, node: &'v Node, arguments: &'v [Node]) -> Result<Data<'v>, Failed> {
    let [Node { kind: NodeKind::Variable(name), .. }, value, result] = arguments else {
        return Err(missing(node));
    };
    let value = evaluator.node(value)?;
    evaluator.with_variable(name, value, |evaluator| evaluator.node(result))
}

fn select<'v>(evaluator: &mut Evaluator<'v>, node: &'v Node, arguments: &'v [Node]) -> Result<Data<'v>, Failed> {
    let [Node { kind: NodeKind::Variable(name), .. }, values, result] = arguments else {
        return Err(missing(node));
    };
    let mut collected = Vec::new();
    for value in evaluator.node(values)?.into_values() {
        match evaluator.with_variable(name, Data::One(value), |evaluator| evaluator.node(result))? {
            flow @ (Data::AuthoritativeNull | Data::IgnoreThisFlow) => {
                let message = format!("{} stands for a whole attribute, not for one of its values", flow.describe());
                return Err(place(Fault::type_mismatch(message), &result.span));
            }
            data => collected.extend(data.into_values()),
        }
    }
    Ok(Data::list(collected))
}

fn where_<'v>(evaluator: &mut Evaluator<'v>, node: &'v Node, arguments: &'v [Node]) -> Result<Data<'v>, Failed> {
    let [Node { kind: NodeKind::Variable(name), .. }, values, condition] = arguments else {
        return Err(missing(node));
    };
    let mut kept = Vec::new();
    for value in evaluator.node(values)?.into_values() {
        let keep = evaluator.with_variable(name, Data::One(value.clone()), |evaluator| evaluator.truth(condition))?;
        if keep {
            kept.push(value);
        }
    }
    Ok(Data::list(kept))
}

fn imported_value<'v>(
    evaluator: &mut Evaluator<'v>,
    node: &'v Node,
    arguments: &'v [Node],
) -> Result<Data<'v>, Failed> {
    let [Node { kind: NodeKind::Name(name), .. }] = arguments else {
        return Err(missing(node));
    };
    Ok(evaluator.source(Source::Imported(name)))
}
