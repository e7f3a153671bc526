//! The expression language of flows, joins and conditions: lazy and typed, with spans in every error.
//! An expression reads what [`Inputs`] answers and nothing else; it never changes anything, and it never panics.

mod data;
mod evaluate;
mod functions;
mod lexer;
mod moment;
mod operators;
mod parser;
mod syntax;
#[cfg(test)]
mod tests;
mod types;
mod vocabulary;

use crate::model::SourcePlace;
use metaverse_schema::{AttributeName, Value, Values};
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

pub use functions::{Function, FunctionGroup, date_as_text, date_from_text, functions_reference};
pub use types::{AnyKinds, Kind, Kinds, KnownKind, Lookup};
pub use vocabulary::language_reference;

/// Longest expression, in bytes of its text.
pub const MAX_EXPRESSION_LENGTH: usize = 65_536;
/// Deepest nesting of calls and parentheses.
pub const MAX_EXPRESSION_DEPTH: usize = 64;
/// Work one evaluation may do: one unit per step and per byte of text it makes. The shipped rules stay below a
/// thousandth of it; it stops nested `Select` and doubling concatenations before they take the process with them.
pub const MAX_EXPRESSION_WORK: u64 = 16 << 20;

/// A parsed expression. Cloning is cheap.
#[derive(Clone)]
pub struct Expression(Arc<Parsed>);

struct Parsed {
    text: String,
    root: syntax::Node,
    /// Those in brackets, in the order of their first appearance.
    reads: Vec<AttributeName>,
    attributes: Vec<AttributeName>,
    uses_now: bool,
    draws: bool,
    reads_beside_values: bool,
    place: Option<SourcePlace>,
}

/// A mistake in the text of an expression; the span counts bytes of that text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpressionProblem {
    /// Stable code such as `expression-unknown-function`.
    pub code: &'static str,
    pub message: String,
    pub span: Range<usize>,
    /// What to write instead.
    pub help: String,
}

/// An evaluation that failed: the object's synchronisation fails with it (X14).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct EvaluationError {
    /// `sync-rule-error-function-triggered` (R73), `expression-type-mismatch`, `expression-index-out-of-bounds`, ...
    pub code: &'static str,
    pub message: String,
    /// Bytes of the expression's text.
    pub span: Range<usize>,
}

/// What an expression may read.
pub trait Inputs {
    /// The values of `[name]`; None or no values is absent. `dn` (a reference) and `rdn` (a text) are answered here too.
    fn attribute(&self, name: &str) -> Option<Cow<'_, Values>>;

    /// The same for whoever has looked the names up before: `position` is that of the name in [`Expression::reads`].
    fn attribute_at(&self, _position: usize, name: &str) -> Option<Cow<'_, Values>> {
        self.attribute(name)
    }

    /// `ImportedValue("name")`: only what an import has confirmed (S52).
    fn imported(&self, name: &str) -> Option<Cow<'_, Values>> {
        self.attribute(name)
    }

    /// `ValueCount("name")`. Multi-valued references are not in bodies, so they are counted and not read.
    fn count(&self, name: &str) -> usize {
        self.attribute(name).map_or(0, |values| values.len())
    }

    /// `%name%`.
    fn parameter(&self, name: &str) -> Option<Value>;

    /// Microseconds since 1970-01-01 UTC: an input of the run, not the clock (SF28).
    fn now(&self) -> i64;

    /// Told while it is evaluated: with a `now` at or after this instant (microseconds UTC, always later than `now`) the
    /// answer may be another one, and with any `now` from the present one up to it the answer is the same (SF28). It may
    /// be told several times, and the earliest counts; it may be earlier than the true instant, never later. Only what
    /// was evaluated counts, and an expression that failed is told of as well.
    fn answer_changes_at(&self, _instant: i64) {}

    /// What sets this object and attribute apart from others: `Guid()` and `RandomNum()` are derived from it, so that a
    /// decision taken twice is the same decision. Without it every object draws the same values.
    fn seed(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&[])
    }
}

/// All that an expression computed, as the expression bench shows it: what a flow could not store as well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Computed {
    Null,
    AuthoritativeNull,
    IgnoreThisFlow,
    /// At least one, in the order they were made.
    Values(Vec<Single>),
}

/// One computed value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Single {
    Value(Value),
    /// Microseconds since 1970-01-01 UTC.
    Date(i64),
}

/// What an expression contributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// At least one value. Empty texts are dropped: they count as no value (S49).
    Values(Values),
    /// Nothing to contribute: the next rule has its turn (S43).
    Null,
    /// The attribute is empty, and no lower rule may contribute (S45).
    AuthoritativeNull,
    /// As if this flow did not exist (S46).
    IgnoreThisFlow,
}

impl Expression {
    /// Parses and checks everything that can be known without a schema. All problems are returned, in order of place.
    pub fn parse(text: &str) -> Result<Expression, Vec<ExpressionProblem>> {
        Expression::parse_at(text, None)
    }

    /// The same for a text that stands in a rule file: the place covers exactly the text.
    pub fn parse_at(text: &str, place: Option<SourcePlace>) -> Result<Expression, Vec<ExpressionProblem>> {
        let expression = Expression::parse_computation(text, place)?;
        expression.check(&AnyKinds)?;
        Ok(expression)
    }

    /// The same for an expression that is only computed: its result may be a date, which no flow can store.
    pub fn parse_computation(text: &str, place: Option<SourcePlace>) -> Result<Expression, Vec<ExpressionProblem>> {
        let parser::Tree { root, reads } = parser::parse(text)?;
        let mut attributes = Vec::new();
        let (mut uses_now, mut draws, mut reads_beside_values) = (false, false, false);
        root.walk(&mut |node| match &node.kind {
            syntax::NodeKind::Attribute(name, _) => attributes.push(name.clone()),
            syntax::NodeKind::Name(name) => {
                attributes.push(name.clone());
                reads_beside_values = true;
            }
            syntax::NodeKind::Call { function, .. } => {
                uses_now |= function.reads_clock;
                draws |= function.draws;
            }
            _ => {}
        });
        attributes.sort();
        attributes.dedup();
        let parsed =
            Parsed { text: text.to_owned(), root, reads, attributes, uses_now, draws, reads_beside_values, place };
        let expression = Expression(Arc::new(parsed));
        expression.check_computation(&AnyKinds)?;
        Ok(expression)
    }

    /// The text as the operator wrote it.
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// Where the text stands, when it came from a rule file.
    pub fn place(&self) -> Option<&SourcePlace> {
        self.0.place.as_ref()
    }

    /// The attribute, when the expression is `[attribute]` alone.
    pub fn as_direct(&self) -> Option<&AttributeName> {
        match &self.0.root.kind {
            syntax::NodeKind::Attribute(name, _) => Some(name),
            _ => None,
        }
    }

    /// Every attribute that it may read, those of `ImportedValue` and `ValueCount` included; sorted.
    pub fn attributes(&self) -> Vec<AttributeName> {
        self.0.attributes.clone()
    }

    /// The attributes in brackets, each at the position under which [`Inputs::attribute_at`] is asked for it.
    pub fn reads(&self) -> &[AttributeName] {
        &self.0.reads
    }

    /// Whether it may read an attribute of which this holds.
    pub fn reads_any(&self, test: impl FnMut(&AttributeName) -> bool) -> bool {
        self.0.attributes.iter().any(test)
    }

    /// The attributes that it reads as they stand, without those that only `ImportedValue` reads; sorted.
    pub fn live_attributes(&self) -> Vec<AttributeName> {
        let mut attributes = Vec::new();
        self.0.root.walk(&mut |node| match &node.kind {
            syntax::NodeKind::Attribute(name, _) => attributes.push(name.clone()),
            syntax::NodeKind::Call { function, arguments } if function.name == "ValueCount" => {
                if let Some(syntax::NodeKind::Name(name)) = arguments.first().map(|node| &node.kind) {
                    attributes.push(name.clone());
                }
            }
            _ => {}
        });
        attributes.sort();
        attributes.dedup();
        attributes
    }

    /// Every `%parameter%` that it may read, with its place.
    pub fn parameters(&self) -> Vec<(Arc<str>, Range<usize>)> {
        let mut parameters = Vec::new();
        self.0.root.walk(&mut |node| {
            if let syntax::NodeKind::Parameter(name) = &node.kind {
                parameters.push((name.clone(), node.span.clone()));
            }
        });
        parameters
    }

    /// Whether the answer depends on the time of the run (SF28).
    pub fn uses_now(&self) -> bool {
        self.0.uses_now
    }

    /// Whether it calls `Guid` or `RandomNum`: the answer is drawn once and then kept.
    pub fn draws(&self) -> bool {
        self.0.draws
    }

    /// Whether the answer depends on nothing but the values of `attributes()` as they stand, and on parameters: no clock, no
    /// drawn value, nothing that is only imported, and no count of what is not in a body.
    pub fn reads_values_alone(&self) -> bool {
        !self.0.uses_now && !self.0.draws && !self.0.reads_beside_values
    }

    /// Checks types against what is known of the attributes; returns the kind of the result.
    pub fn check(&self, kinds: &dyn Kinds) -> Result<KnownKind, Vec<ExpressionProblem>> {
        types::check(&self.0.root, kinds, types::Use::Flow)
    }

    /// The same where the result may be a date.
    pub fn check_computation(&self, kinds: &dyn Kinds) -> Result<KnownKind, Vec<ExpressionProblem>> {
        types::check(&self.0.root, kinds, types::Use::Computation)
    }

    /// Computes the outcome. The same inputs always give the same outcome.
    pub fn evaluate(&self, inputs: &dyn Inputs) -> Result<Outcome, EvaluationError> {
        evaluate::evaluate(&self.0.root, &self.0.text, inputs).map_err(|failed| *failed)
    }

    /// Computes everything, also what a flow could not store.
    pub fn compute(&self, inputs: &dyn Inputs) -> Result<Computed, EvaluationError> {
        evaluate::compute(&self.0.root, &self.0.text, inputs).map_err(|failed| *failed)
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Expression({})", self.0.text)
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text)
    }
}
