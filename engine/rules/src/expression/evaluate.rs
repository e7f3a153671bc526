//! Evaluates a syntax tree: lazily (X8, X9), value by value over lists (X13), within a bound of work. Never panics and
//! never reads anything but its inputs.

use super::data::{Data, Fault, Scalar};
use super::functions::{Accepts, Arguments, Function, OfText, Run};
use super::moment::Clock;
use super::operators::{
    both_many, calculate, collect, compare, map_one, operand_mismatch, overflow, pairwise, several_lists,
};
use super::syntax::{Node, NodeKind, Source};
use super::{Computed, EvaluationError, Inputs, MAX_EXPRESSION_WORK, Outcome, Single};
use metaverse_schema::{Value, Values};
use smallvec::SmallVec;
use std::borrow::Cow;
use std::ops::Range;

pub(crate) fn evaluate(root: &Node, text: &str, inputs: &dyn Inputs) -> Result<Outcome, Failed> {
    if let Some(outcome) = text_of_attribute(root, inputs) {
        return Ok(outcome);
    }
    let storable = |scalar: Scalar<'_>| {
        let no_date = |_| place(Fault::type_mismatch("a date cannot be stored; use FormatDateTime"), &root.span);
        scalar.into_value().map_err(no_date)
    };
    Ok(match Evaluator::new(text, inputs).node(root)? {
        Data::Null => Outcome::Null,
        Data::AuthoritativeNull => Outcome::AuthoritativeNull,
        Data::IgnoreThisFlow => Outcome::IgnoreThisFlow,
        Data::One(scalar) if is_empty(&scalar) => Outcome::Null,
        Data::One(scalar) => Outcome::Values(Values::single(storable(scalar)?)),
        Data::Many(many) => {
            let kept = many.into_iter().filter(|scalar| !is_empty(scalar)).map(storable);
            let kept: Values = kept.collect::<Result<_, _>>()?;
            if kept.is_empty() { Outcome::Null } else { Outcome::Values(kept) }
        }
    })
}

/// Most texts together that are changed without an account of the work: none of the functions makes that much of them.
const UNACCOUNTED: usize = 1 << 20;

/// `Trim([cn])`: one function of one text over one attribute is what most flows are, so it is computed without all that
/// others need. None: it is another expression, or one of the values asks for more than this.
fn text_of_attribute(root: &Node, inputs: &dyn Inputs) -> Option<Outcome> {
    let NodeKind::Call { function: Function { run: Run::Text(of), .. }, arguments } = &root.kind else {
        return None;
    };
    let [Node { kind: NodeKind::Attribute(name, position), .. }] = arguments.as_slice() else {
        return None;
    };
    let Some(values) = inputs.attribute_at(*position, name.as_str()) else {
        return Some(Outcome::Null);
    };
    let texts = || values.iter().map(Value::as_text);
    if texts().try_fold(0, |length, text| Some(length + text?.len()))? > UNACCOUNTED {
        return None;
    }
    let mut made = texts().flatten().map(of).filter(|text| !text.is_empty());
    let value = |text: Cow<'_, str>| Value::Text(text.into_owned());
    Some(match (values.len(), made.next()) {
        (_, None) => Outcome::Null,
        (1, Some(text)) => Outcome::Values(Values::single(value(text))),
        (_, Some(first)) => Outcome::Values(std::iter::once(first).chain(made).map(value).collect()),
    })
}

/// S49: an empty text is no value, and neither are no bytes.
fn is_empty(scalar: &Scalar<'_>) -> bool {
    match scalar {
        Scalar::Text(text) => text.is_empty(),
        Scalar::Binary(bytes) => bytes.is_empty(),
        _ => false,
    }
}

/// Everything as it was computed: dates, empty texts, and values in the order they were made.
pub(crate) fn compute(root: &Node, text: &str, inputs: &dyn Inputs) -> Result<Computed, Failed> {
    let mut evaluator = Evaluator::new(text, inputs);
    Ok(match evaluator.node(root)? {
        Data::Null => Computed::Null,
        Data::AuthoritativeNull => Computed::AuthoritativeNull,
        Data::IgnoreThisFlow => Computed::IgnoreThisFlow,
        data => Computed::Values(
            data.into_values()
                .into_iter()
                .map(|scalar| match scalar.into_value() {
                    Ok(value) => Single::Value(value),
                    Err(moment) => {
                        evaluator.clock().shows(moment);
                        Single::Date(moment.at)
                    }
                })
                .collect(),
        ),
    })
}

/// A failure on its way out. Boxed, because it is rare and every result of every step has room for it.
pub(crate) type Failed = Box<EvaluationError>;

pub(crate) fn place(fault: Fault, span: &Range<usize>) -> Failed {
    Box::new(EvaluationError { code: fault.code, message: fault.message, span: span.clone() })
}

/// The arguments of a call; most functions take few.
type Given<'v> = SmallVec<[Data<'v>; 3]>;

pub(crate) struct Evaluator<'a> {
    inputs: &'a dyn Inputs,
    text: &'a str,
    work: u64,
    /// How many random values were drawn.
    draws: u64,
    /// Bound variables, innermost last.
    variables: Vec<(&'a str, Data<'a>)>,
    /// Multi-valued sources that stand for one of their values just now.
    lifted: Vec<(Source<'a>, Scalar<'a>)>,
}

impl<'a> Evaluator<'a> {
    fn new(text: &'a str, inputs: &'a dyn Inputs) -> Self {
        let (variables, lifted) = (Vec::new(), Vec::new());
        Evaluator { inputs, text, work: MAX_EXPRESSION_WORK, draws: 0, variables, lifted }
    }

    /// The present, and where to tell that an answer depends on it.
    pub(crate) fn clock(&self) -> Clock<'a> {
        Clock(self.inputs)
    }

    /// The seed of the object and attribute, the expression, and the number of this draw: what a random value is made of.
    pub(crate) fn draw(&mut self) -> (Cow<'a, [u8]>, &'a str, u64) {
        self.draws += 1;
        (self.inputs.seed(), self.text, self.draws)
    }

    /// Accounts for work before it is done: steps, or bytes of what is going to be made.
    pub(crate) fn charge(&mut self, work: u64) -> Result<(), Fault> {
        match self.work.checked_sub(work) {
            Some(left) => {
                self.work = left;
                Ok(())
            }
            None => Err(Fault::new(
                "expression-too-much-work",
                format!("the expression needs more than {MAX_EXPRESSION_WORK} steps and bytes"),
            )),
        }
    }

    pub(crate) fn node(&mut self, node: &'a Node) -> Result<Data<'a>, Failed> {
        let data = self.node_unaccounted(node)?;
        self.charge(data.weight()).map_err(|fault| place(fault, &node.span))?;
        Ok(data)
    }

    fn node_unaccounted(&mut self, node: &'a Node) -> Result<Data<'a>, Failed> {
        match &node.kind {
            NodeKind::Literal(data) => Ok(data.borrowed()),
            NodeKind::Attribute(name, position) if self.lifted.is_empty() => {
                Ok(self.inputs.attribute_at(*position, name.as_str()).map_or(Data::Null, Data::from_values))
            }
            NodeKind::Attribute(name, position) => Ok(self.source(Source::Attribute(name, *position))),
            NodeKind::Name(name) => Ok(Data::text(name.as_str())),
            NodeKind::Word(word) => Ok(Data::text(&**word)),
            NodeKind::Parameter(name) => match self.inputs.parameter(name) {
                Some(value) => Ok(Data::One(value.into())),
                None => {
                    let message = format!("the parameter %{name}% has no value here");
                    Err(place(Fault::new("expression-unknown-parameter", message), &node.span))
                }
            },
            NodeKind::Variable(name) => match self.variable(name) {
                Some(data) => Ok(data.clone()),
                None => {
                    let message = format!("the variable ${name} has no value here");
                    Err(place(Fault::new("expression-unknown-variable", message), &node.span))
                }
            },
            NodeKind::Negate(inner) => {
                let data = self.node(inner)?;
                map_one(data, |scalar| match scalar {
                    Scalar::Integer(number) => number.checked_neg().map(Data::integer).ok_or_else(overflow),
                    other => Err(operand_mismatch("-", "a number", &other)),
                })
                .map_err(|fault| place(fault, &node.span))
            }
            NodeKind::Arithmetic(first, rest) => {
                let mut left = self.node(first)?;
                for (operator, right) in rest {
                    let right = self.node(right)?;
                    if both_many(&left, &right) {
                        return self.lift(node);
                    }
                    left = pairwise(left, right, |l, r| calculate(*operator, l, r))
                        .map_err(|fault| place(fault, &node.span))?;
                    self.charge(left.weight()).map_err(|fault| place(fault, &node.span))?;
                }
                Ok(left)
            }
            NodeKind::Comparison(first, rest) => {
                let clock = self.clock();
                let mut left = self.node(first)?;
                for (operator, right) in rest {
                    let right = self.node(right)?;
                    if both_many(&left, &right) {
                        return self.lift(node);
                    }
                    left = pairwise(left, right, |l, r| compare(*operator, l, r, clock))
                        .map_err(|fault| place(fault, &node.span))?;
                }
                Ok(left)
            }
            NodeKind::All(nodes) => {
                for part in nodes {
                    if !self.truth(part)? {
                        return Ok(Data::boolean(false));
                    }
                }
                Ok(Data::boolean(true))
            }
            NodeKind::Any(nodes) => {
                for part in nodes {
                    if self.truth(part)? {
                        return Ok(Data::boolean(true));
                    }
                }
                Ok(Data::boolean(false))
            }
            NodeKind::Call { function, arguments } => match function.run {
                Run::Text(of) => self.of_text(node, (function, of), arguments),
                Run::Lazy(run) => run(self, node, arguments),
                Run::Eager(_) => self.call(node, function, arguments),
            },
        }
    }

    fn variable(&self, name: &str) -> Option<&Data<'a>> {
        let bound = self.variables.iter().rev().find(|(bound, _)| *bound == name);
        bound.map(|(_, data)| data)
    }

    /// What a source stands for now: one of its values while it is gone through, all of them otherwise.
    pub(crate) fn source(&self, source: Source<'_>) -> Data<'a> {
        if let Some((_, scalar)) = self.lifted.iter().rev().find(|(lifted, _)| *lifted == source) {
            return Data::One(scalar.clone());
        }
        let values = match source {
            Source::Attribute(name, position) => self.inputs.attribute_at(position, name.as_str()),
            Source::Imported(name) => self.inputs.imported(name.as_str()),
            Source::Variable(name) => return self.variable(name).cloned().unwrap_or(Data::Null),
        };
        values.map_or(Data::Null, Data::from_values)
    }

    /// Whether a source stands for several values now.
    fn is_several(&self, source: Source<'_>) -> bool {
        let is_lifted = self.lifted.iter().any(|(lifted, _)| *lifted == source);
        let many = |values: Option<Cow<'_, Values>>| values.is_some_and(|values| values.len() > 1);
        !is_lifted
            && match source {
                Source::Attribute(name, position) => many(self.inputs.attribute_at(position, name.as_str())),
                Source::Imported(name) => many(self.inputs.imported(name.as_str())),
                Source::Variable(name) => matches!(self.variable(name), Some(Data::Many(_))),
            }
    }

    pub(crate) fn count(&self, name: &str) -> i64 {
        i64::try_from(self.inputs.count(name)).unwrap_or(i64::MAX)
    }

    /// One truth value; absent is False (X22).
    pub(crate) fn truth(&mut self, node: &'a Node) -> Result<bool, Failed> {
        let fault = match self.node(node)? {
            Data::Null => return Ok(false),
            Data::One(Scalar::Boolean(truth)) => return Ok(truth),
            Data::Many(many) => Fault::type_mismatch(format!(
                "True or False is wanted, and there are {} values; use Contains, Count or Where",
                many.len()
            )),
            other => Fault::type_mismatch(format!("True or False is wanted, and this is {}", other.describe())),
        };
        Err(place(fault, &node.span))
    }

    /// Evaluates with a variable bound.
    pub(crate) fn with_variable<T>(
        &mut self,
        name: &'a str,
        data: Data<'a>,
        run: impl FnOnce(&mut Self) -> Result<T, Failed>,
    ) -> Result<T, Failed> {
        self.variables.push((name, data));
        let result = run(self);
        self.variables.pop();
        result
    }

    /// The one source under these nodes that has several values now; an error when there are more.
    pub(crate) fn several(
        &self,
        nodes: impl IntoIterator<Item = &'a Node>,
        span: &Range<usize>,
    ) -> Result<Option<Source<'a>>, Failed> {
        let mut one = None;
        let mut further = false;
        for node in nodes {
            node.scalar_sources(&mut |source| match one {
                Some(known) if known == source => {}
                _ if !self.is_several(source) => {}
                Some(_) => further = true,
                None => one = Some(source),
            });
        }
        if further { Err(place(several_lists(), span)) } else { Ok(one) }
    }

    /// Evaluates for each value of a source in turn, and collects; a NULL drops that value (X13).
    pub(crate) fn for_each_value(
        &mut self,
        source: Source<'a>,
        span: &Range<usize>,
        mut run: impl FnMut(&mut Self) -> Result<Data<'a>, Failed>,
    ) -> Result<Data<'a>, Failed> {
        let mut collected = Vec::new();
        for scalar in self.source(source).into_values() {
            let result = match source {
                Source::Variable(name) => self.with_variable(name, Data::One(scalar), &mut run),
                _ => {
                    self.lifted.push((source, scalar));
                    let result = run(self);
                    self.lifted.pop();
                    result
                }
            };
            collect(&mut collected, result?).map_err(|fault| place(fault, span))?;
        }
        Ok(Data::list(collected))
    }

    /// Two lists met where values are taken one by one: that has a meaning when both come from the same source.
    fn lift(&mut self, node: &'a Node) -> Result<Data<'a>, Failed> {
        match self.several([node], &node.span)? {
            Some(source) => self.for_each_value(source, &node.span, |evaluator| evaluator.node(node)),
            None => Err(place(several_lists(), &node.span)),
        }
    }

    fn argument(&mut self, argument: &'a Node) -> Result<Data<'a>, Failed> {
        let value = self.node(argument)?;
        if matches!(value, Data::AuthoritativeNull | Data::IgnoreThisFlow) {
            let message = format!("{} is a result of a flow and no argument", value.describe());
            return Err(place(Fault::type_mismatch(message), &argument.span));
        }
        Ok(value)
    }

    /// A function of one text, over all values that there are.
    fn of_text(
        &mut self,
        node: &'a Node,
        (function, of): (&'static Function, OfText),
        nodes: &'a [Node],
    ) -> Result<Data<'a>, Failed> {
        let of_one = |scalar| match scalar {
            Scalar::Text(Cow::Borrowed(text)) => Ok(Scalar::Text(of(text))),
            Scalar::Text(Cow::Owned(text)) => Ok(Scalar::text(of(&text).into_owned())),
            other => Err(place(function.mismatch(0, &other, "a text"), &node.span)),
        };
        let Some(argument) = nodes.first() else {
            return Ok(Data::Null);
        };
        match self.argument(argument)? {
            Data::One(scalar) => of_one(scalar).map(Data::One),
            Data::Many(many) => {
                let mut made = Vec::with_capacity(many.len());
                for scalar in many {
                    let scalar = of_one(scalar)?;
                    self.charge(1 + scalar.weight()).map_err(|fault| place(fault, &node.span))?;
                    made.push(scalar);
                }
                Ok(Data::list(made))
            }
            _ => Ok(Data::Null),
        }
    }

    fn call(&mut self, node: &'a Node, function: &'static Function, nodes: &'a [Node]) -> Result<Data<'a>, Failed> {
        let mut data = Given::new();
        for argument in nodes {
            data.push(self.argument(argument)?);
        }
        if !data.iter().any(|value| matches!(value, Data::Many(_))) {
            return self.apply(function, &data).map_err(|fault| place(fault, &node.span));
        }
        let accepts_one = |position: usize| {
            matches!(function.parameter(position).map(|parameter| parameter.accepts), Some(Accepts::One(_)))
        };
        let lists: Vec<usize> = (0..data.len())
            .filter(|position| accepts_one(*position) && matches!(data.get(*position), Some(Data::Many(_))))
            .collect();
        let result = match lists.as_slice() {
            [] => self.apply(function, &data),
            [position] => self.apply_to_each(function, data, *position),
            _ => return self.lift(node),
        };
        result.map_err(|fault| place(fault, &node.span))
    }

    fn apply(&mut self, function: &'static Function, data: &[Data<'a>]) -> Result<Data<'a>, Fault> {
        match function.run {
            Run::Eager(run) => run(self, &Arguments { function, data }),
            Run::Lazy(_) | Run::Text(_) => Ok(Data::Null),
        }
    }

    fn apply_to_each(
        &mut self,
        function: &'static Function,
        mut data: Given<'a>,
        position: usize,
    ) -> Result<Data<'a>, Fault> {
        let mut collected = Vec::new();
        let Some(slot) = data.get_mut(position) else {
            return Ok(Data::Null);
        };
        let values = std::mem::replace(slot, Data::Null).into_values();
        for value in values {
            if let Some(slot) = data.get_mut(position) {
                *slot = Data::One(value);
            }
            let result = self.apply(function, &data)?;
            self.charge(result.weight())?;
            collect(&mut collected, result)?;
        }
        Ok(Data::list(collected))
    }
}
