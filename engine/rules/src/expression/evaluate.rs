//! Evaluates a syntax tree: lazily (X8, X9), value by value over lists (X13), within a bound of work. Never panics and
//! never reads anything but its inputs.

use super::data::{Data, Fault, Scalar};
use super::functions::{Accepts, Arguments, Function, Run};
use super::syntax::{Arithmetic, Comparison, Node, NodeKind, Source};
use super::{EvaluationError, Inputs, MAX_EXPRESSION_WORK, Outcome};
use metaverse_schema::{Reference, Value, Values};
use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

pub(crate) fn evaluate(root: &Node, inputs: &dyn Inputs) -> Result<Outcome, EvaluationError> {
    let mut evaluator = Evaluator { inputs, work: MAX_EXPRESSION_WORK, variables: Vec::new(), lifted: Vec::new() };
    let scalars = match evaluator.node(root)? {
        Data::Null => return Ok(Outcome::Null),
        Data::AuthoritativeNull => return Ok(Outcome::AuthoritativeNull),
        Data::IgnoreThisFlow => return Ok(Outcome::IgnoreThisFlow),
        data => data.into_values(),
    };
    let mut kept = Vec::with_capacity(scalars.len());
    for scalar in scalars {
        match scalar {
            // S49: an empty text is no value.
            Scalar::Value(Value::Text(text)) if text.is_empty() => {}
            Scalar::Value(value) => kept.push(value),
            Scalar::Date(_) => {
                let fault = Fault::type_mismatch("a date cannot be stored; use FormatDateTime");
                return Err(place(fault, &root.span));
            }
        }
    }
    if kept.is_empty() { Ok(Outcome::Null) } else { Ok(Outcome::Values(kept.into_iter().collect::<Values>())) }
}

pub(crate) fn place(fault: Fault, span: &Range<usize>) -> EvaluationError {
    EvaluationError { code: fault.code, message: fault.message, span: span.clone() }
}

pub(crate) struct Evaluator<'a> {
    inputs: &'a dyn Inputs,
    work: u64,
    /// Bound variables, innermost last.
    variables: Vec<(Arc<str>, Data)>,
    /// Multi-valued sources that stand for one of their values just now.
    lifted: Vec<(Source, Scalar)>,
}

impl Evaluator<'_> {
    /// The present. Whatever is computed from it may be another at the very next instant.
    pub(crate) fn now(&self) -> i64 {
        let now = self.inputs.now();
        self.inputs.answer_changes_at(now.saturating_add(1));
        now
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

    pub(crate) fn node(&mut self, node: &Node) -> Result<Data, EvaluationError> {
        let data = self.node_unaccounted(node)?;
        self.charge(data.weight()).map_err(|fault| place(fault, &node.span))?;
        Ok(data)
    }

    fn node_unaccounted(&mut self, node: &Node) -> Result<Data, EvaluationError> {
        match &node.kind {
            NodeKind::Literal(data) => Ok(data.clone()),
            NodeKind::Attribute(name) => Ok(self.source(&Source::Attribute(name.clone()))),
            NodeKind::Name(name) => Ok(Data::text(name.as_str())),
            NodeKind::Word(word) => Ok(Data::text(&**word)),
            NodeKind::Parameter(name) => match self.inputs.parameter(name) {
                Some(value) => Ok(Data::One(Scalar::Value(value))),
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
                    Scalar::Value(Value::Integer(number)) => {
                        number.checked_neg().map(Data::integer).ok_or_else(overflow)
                    }
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
                let mut left = self.node(first)?;
                for (operator, right) in rest {
                    let right = self.node(right)?;
                    if both_many(&left, &right) {
                        return self.lift(node);
                    }
                    left = pairwise(left, right, |l, r| compare(*operator, l, r))
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
                Run::Lazy(run) => run(self, node, arguments),
                Run::Eager(_) => self.call(node, function, arguments),
            },
        }
    }

    fn variable(&self, name: &str) -> Option<&Data> {
        let bound = self.variables.iter().rev().find(|(bound, _)| &**bound == name);
        bound.map(|(_, data)| data)
    }

    /// What a source stands for now: one of its values while it is gone through, all of them otherwise.
    pub(crate) fn source(&self, source: &Source) -> Data {
        if let Some((_, scalar)) = self.lifted.iter().rev().find(|(lifted, _)| lifted == source) {
            return Data::One(scalar.clone());
        }
        let values = match source {
            Source::Attribute(name) => self.inputs.attribute(name.as_str()),
            Source::Imported(name) => self.inputs.imported(name.as_str()),
            Source::Variable(name) => return self.variable(name).cloned().unwrap_or(Data::Null),
        };
        values.map_or(Data::Null, |values| Data::from_values(&values))
    }

    pub(crate) fn count(&self, name: &str) -> i64 {
        i64::try_from(self.inputs.count(name)).unwrap_or(i64::MAX)
    }

    /// One truth value; absent is False (X22).
    pub(crate) fn truth(&mut self, node: &Node) -> Result<bool, EvaluationError> {
        let fault = match self.node(node)? {
            Data::Null => return Ok(false),
            Data::One(Scalar::Value(Value::Boolean(truth))) => return Ok(truth),
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
        name: &Arc<str>,
        data: Data,
        run: impl FnOnce(&mut Self) -> Result<T, EvaluationError>,
    ) -> Result<T, EvaluationError> {
        self.variables.push((name.clone(), data));
        let result = run(self);
        self.variables.pop();
        result
    }

    /// The one source under these nodes that has several values now; an error when there are more.
    pub(crate) fn several<'n>(
        &self,
        nodes: impl IntoIterator<Item = &'n Node>,
        span: &Range<usize>,
    ) -> Result<Option<Source>, EvaluationError> {
        let mut sources = Vec::new();
        nodes.into_iter().for_each(|node| node.scalar_sources(&mut sources));
        sources.retain(|source| matches!(self.source(source), Data::Many(_)));
        match sources.len() {
            0 | 1 => Ok(sources.pop()),
            _ => Err(place(several_lists(), span)),
        }
    }

    /// Evaluates for each value of a source in turn, and collects; a NULL drops that value (X13).
    pub(crate) fn for_each_value(
        &mut self,
        source: &Source,
        span: &Range<usize>,
        mut run: impl FnMut(&mut Self) -> Result<Data, EvaluationError>,
    ) -> Result<Data, EvaluationError> {
        let mut collected = Vec::new();
        for scalar in self.source(source).into_values() {
            let result = match source {
                Source::Variable(name) => self.with_variable(name, Data::One(scalar), &mut run),
                _ => {
                    self.lifted.push((source.clone(), scalar));
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
    fn lift(&mut self, node: &Node) -> Result<Data, EvaluationError> {
        match self.several([node], &node.span)? {
            Some(source) => self.for_each_value(&source, &node.span, |evaluator| evaluator.node(node)),
            None => Err(place(several_lists(), &node.span)),
        }
    }

    fn call(&mut self, node: &Node, function: &'static Function, nodes: &[Node]) -> Result<Data, EvaluationError> {
        let mut data = Vec::with_capacity(nodes.len());
        for argument in nodes {
            let value = self.node(argument)?;
            if matches!(value, Data::AuthoritativeNull | Data::IgnoreThisFlow) {
                let message = format!("{} is a result of a flow and no argument", value.describe());
                return Err(place(Fault::type_mismatch(message), &argument.span));
            }
            data.push(value);
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

    fn apply(&mut self, function: &'static Function, data: &[Data]) -> Result<Data, Fault> {
        match function.run {
            Run::Eager(run) => run(self, &Arguments { function, data }),
            Run::Lazy(_) => Ok(Data::Null),
        }
    }

    fn apply_to_each(
        &mut self,
        function: &'static Function,
        mut data: Vec<Data>,
        position: usize,
    ) -> Result<Data, Fault> {
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

fn both_many(left: &Data, right: &Data) -> bool {
    matches!((left, right), (Data::Many(_), Data::Many(_)))
}

fn several_lists() -> Fault {
    Fault::new("expression-several-lists", "two lists of different origin meet where values are taken one by one")
}

fn collect(collected: &mut Vec<Scalar>, result: Data) -> Result<(), Fault> {
    match result {
        Data::AuthoritativeNull | Data::IgnoreThisFlow => Err(Fault::type_mismatch(format!(
            "{} stands for a whole attribute, not for one of its values",
            result.describe()
        ))),
        other => {
            collected.extend(other.into_values());
            Ok(())
        }
    }
}

/// Applies a step to each value; NULL stays NULL.
fn map_one(data: Data, step: impl Fn(Scalar) -> Result<Data, Fault>) -> Result<Data, Fault> {
    match data {
        Data::AuthoritativeNull | Data::IgnoreThisFlow => Err(not_an_operand(&data)),
        data => {
            let mut collected = Vec::new();
            for scalar in data.into_values() {
                collect(&mut collected, step(scalar)?)?;
            }
            Ok(Data::list(collected))
        }
    }
}

/// Applies a step to one value on one side and each value on the other. NULL takes part as a value.
fn pairwise(
    left: Data,
    right: Data,
    step: impl Fn(Option<&Scalar>, Option<&Scalar>) -> Result<Data, Fault>,
) -> Result<Data, Fault> {
    for data in [&left, &right] {
        if matches!(data, Data::AuthoritativeNull | Data::IgnoreThisFlow) {
            return Err(not_an_operand(data));
        }
    }
    let mut collected = Vec::new();
    match (&left, &right) {
        (Data::Many(many), other) => {
            for scalar in many {
                collect(&mut collected, step(Some(scalar), other.values().first())?)?;
            }
            Ok(Data::list(collected))
        }
        (other, Data::Many(many)) => {
            for scalar in many {
                collect(&mut collected, step(other.values().first(), Some(scalar))?)?;
            }
            Ok(Data::list(collected))
        }
        _ => step(left.values().first(), right.values().first()),
    }
}

fn not_an_operand(data: &Data) -> Fault {
    Fault::type_mismatch(format!("{} is a result of a flow and no operand", data.describe()))
}

fn operand_mismatch(operator: &str, wanted: &str, given: &Scalar) -> Fault {
    Fault::type_mismatch(format!("`{operator}` takes {wanted}, and this is {}", given.kind().with_article()))
}

fn overflow() -> Fault {
    Fault::new("expression-overflow", "the result does not fit into a 64-bit number")
}

/// Arithmetic on an absent number is absent; concatenation takes an absent text as empty, and two absent ones as absent.
fn calculate(operator: Arithmetic, left: Option<&Scalar>, right: Option<&Scalar>) -> Result<Data, Fault> {
    if operator == Arithmetic::Concatenate {
        let mut joined = String::new();
        for side in [left, right].into_iter().flatten() {
            match side {
                Scalar::Value(Value::Text(text)) => joined.push_str(text),
                other => return Err(operand_mismatch("&", "texts", other)),
            }
        }
        let absent = left.is_none() && right.is_none();
        return Ok(if absent { Data::Null } else { Data::text(joined) });
    }
    let symbol = match operator {
        Arithmetic::Plus => "+",
        Arithmetic::Minus => "-",
        _ => "*",
    };
    let mut numbers = [0i64; 2];
    let mut absent = false;
    for (side, number) in [left, right].into_iter().zip(&mut numbers) {
        match side {
            None => absent = true,
            Some(Scalar::Value(Value::Integer(given))) => *number = *given,
            Some(other) => return Err(operand_mismatch(symbol, "numbers", other)),
        }
    }
    if absent {
        return Ok(Data::Null);
    }
    let [left, right] = numbers;
    match operator {
        Arithmetic::Plus => left.checked_add(right),
        Arithmetic::Minus => left.checked_sub(right),
        _ => left.checked_mul(right),
    }
    .map(Data::integer)
    .ok_or_else(overflow)
}

/// X10: text compares with case. X11: with an absent side only `<>` holds.
fn compare(operator: Comparison, left: Option<&Scalar>, right: Option<&Scalar>) -> Result<Data, Fault> {
    let (Some(left), Some(right)) = (left, right) else {
        return Ok(Data::boolean(operator == Comparison::NotEqual));
    };
    let ordering = match (left, right) {
        (Scalar::Value(Value::Text(l)), Scalar::Value(Value::Text(r))) => l.cmp(r),
        (Scalar::Value(Value::Integer(l)), Scalar::Value(Value::Integer(r))) => l.cmp(r),
        (Scalar::Date(l), Scalar::Date(r)) => l.cmp(r),
        (Scalar::Value(l @ (Value::Boolean(_) | Value::Binary(_))), Scalar::Value(r))
            if l.kind() == r.kind() && is_equality(operator) =>
        {
            l.cmp(r)
        }
        (Scalar::Value(Value::Reference(l)), Scalar::Value(Value::Reference(r))) if is_equality(operator) => {
            reference_order(l, r)
        }
        _ => {
            let (left, right) = (left.kind().with_article(), right.kind().with_article());
            return Err(Fault::type_mismatch(format!("{left} and {right} cannot be compared so")));
        }
    };
    Ok(Data::boolean(match operator {
        Comparison::Equal => ordering == Ordering::Equal,
        Comparison::NotEqual => ordering != Ordering::Equal,
        Comparison::Less => ordering == Ordering::Less,
        Comparison::LessOrEqual => ordering != Ordering::Greater,
        Comparison::Greater => ordering == Ordering::Greater,
        Comparison::GreaterOrEqual => ordering != Ordering::Less,
    }))
}

fn is_equality(operator: Comparison) -> bool {
    matches!(operator, Comparison::Equal | Comparison::NotEqual)
}

fn reference_order(left: &Reference, right: &Reference) -> Ordering {
    match (left, right) {
        (Reference::Dn(left), Reference::Dn(right)) => left.normalised().cmp(&right.normalised()),
        _ => left.cmp(right),
    }
}
