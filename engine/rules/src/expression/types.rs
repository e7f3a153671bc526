//! Finds mistakes of kind before anything runs: a text where a number is wanted, a list where members are not at hand.
//! What is not known (an attribute without a schema) is never guessed to be wrong.

use super::ExpressionProblem;
use super::data::Data;
use super::functions::{Accepts, Function, Gives};
use super::syntax::{Arithmetic, Node, NodeKind};
use metaverse_schema::{AttributeName, Plurality, ValueKind};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// The kinds of values inside an expression (X12).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    Text,
    Integer,
    Boolean,
    Binary,
    Reference,
    /// Only inside an expression: it flows as the text that `FormatDateTime` makes of it.
    Date,
}

impl Kind {
    pub fn with_article(self) -> &'static str {
        match self {
            Kind::Text => "a text",
            Kind::Integer => "a number",
            Kind::Boolean => "True or False",
            Kind::Binary => "a binary value",
            Kind::Reference => "a reference",
            Kind::Date => "a date",
        }
    }
}

impl From<ValueKind> for Kind {
    fn from(kind: ValueKind) -> Self {
        match kind {
            ValueKind::Text | ValueKind::Secret => Kind::Text,
            ValueKind::Integer => Kind::Integer,
            ValueKind::Boolean => Kind::Boolean,
            ValueKind::Binary => Kind::Binary,
            ValueKind::Reference => Kind::Reference,
        }
    }
}

/// A set of kinds, for parameters that take several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KindSet(u8);

impl KindSet {
    pub(crate) const ANY: KindSet = KindSet(0xff);

    pub(crate) const fn of(kind: Kind) -> Self {
        KindSet(1 << kind as u8)
    }

    pub(crate) const fn and(self, kind: Kind) -> Self {
        KindSet(self.0 | 1 << kind as u8)
    }

    pub(crate) const fn holds(self, kind: Kind) -> bool {
        self.0 & (1 << kind as u8) != 0
    }
}

impl fmt::Display for KindSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == KindSet::ANY {
            return f.write_str("a value");
        }
        let all = [Kind::Text, Kind::Integer, Kind::Boolean, Kind::Binary, Kind::Reference, Kind::Date];
        let names: Vec<&str> = all.into_iter().filter(|kind| self.holds(*kind)).map(Kind::with_article).collect();
        f.write_str(&names.join(" or "))
    }
}

/// What is known of a result before it is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KnownKind {
    /// None: not known, or nothing at all.
    pub kind: Option<Kind>,
    /// None: not known.
    pub plurality: Option<Plurality>,
    /// It is NULL, an error, or a flow literal, and never a value.
    pub nothing: bool,
}

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    Known(ValueKind, Plurality),
    /// There is no schema to ask.
    Unknown,
    /// There is a schema, and it has no such name; the help says what it has.
    Missing {
        help: String,
    },
}

/// What is known of the attributes and parameters that an expression may read.
pub trait Kinds {
    fn attribute(&self, name: &str) -> Lookup;
    fn parameter(&self, name: &str) -> Lookup;
}

/// Knows nothing: every name may be anything.
#[derive(Debug, Clone, Copy)]
pub struct AnyKinds;

impl Kinds for AnyKinds {
    fn attribute(&self, _: &str) -> Lookup {
        Lookup::Unknown
    }

    fn parameter(&self, _: &str) -> Lookup {
        Lookup::Unknown
    }
}

/// What becomes of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// It is stored or compared with what is stored, and so cannot be a date.
    Flow,
    Computation,
}

pub(crate) fn check(root: &Node, kinds: &dyn Kinds, result: Use) -> Result<KnownKind, Vec<ExpressionProblem>> {
    let mut checker = Checker { kinds, variables: Vec::new(), asked: Vec::new(), problems: Vec::new() };
    let known = checker.node(root);
    if known.kind == Some(Kind::Date) && result == Use::Flow {
        let help = "write FormatDateTime(..., \"yyyyMMddHHmmss.0Z\")";
        checker.problem("expression-type-mismatch", "a date cannot be stored", &root.span, help);
    }
    checker.problems.sort_by_key(|problem| (problem.span.start, problem.span.end));
    checker.problems.dedup();
    if checker.problems.is_empty() { Ok(known) } else { Err(checker.problems) }
}

struct Checker<'a> {
    kinds: &'a dyn Kinds,
    variables: Vec<(Arc<str>, KnownKind)>,
    /// Attributes whose kind a condition around this place asks for: what a branch does with them may be right.
    asked: Vec<AttributeName>,
    problems: Vec<ExpressionProblem>,
}

fn single(kind: Kind) -> KnownKind {
    KnownKind { kind: Some(kind), plurality: Some(Plurality::Single), nothing: false }
}

/// Plurality of a scalar step over operands: it goes through a list value by value (X13).
fn mapped(kind: Option<Kind>, operands: &[KnownKind]) -> KnownKind {
    let plurality = if operands.iter().any(|operand| operand.plurality == Some(Plurality::Multi)) {
        Some(Plurality::Multi)
    } else if operands.iter().any(|operand| operand.plurality.is_none() && !operand.nothing) {
        None
    } else {
        Some(Plurality::Single)
    };
    KnownKind { kind, plurality, nothing: false }
}

/// The kind that all results share, as far as they are values.
fn unified(results: &[KnownKind]) -> KnownKind {
    let values: Vec<&KnownKind> = results.iter().filter(|result| !result.nothing).collect();
    let Some(first) = values.first() else {
        return KnownKind { nothing: true, ..KnownKind::default() };
    };
    let same_kind = values.iter().all(|value| value.kind == first.kind);
    let many = values.iter().any(|value| value.plurality == Some(Plurality::Multi));
    let known = values.iter().all(|value| value.plurality.is_some());
    KnownKind {
        kind: first.kind.filter(|_| same_kind),
        plurality: match (many, known) {
            (true, _) => Some(Plurality::Multi),
            (false, true) => Some(Plurality::Single),
            (false, false) => None,
        },
        nothing: false,
    }
}

/// `IIF(IsString([objectGUID]), CStr([objectGUID]), ...)` is written for attributes of either kind (D9).
fn asks_for_the_kind_of(node: &Node) -> Option<AttributeName> {
    let NodeKind::Call { function, arguments } = &node.kind else {
        return None;
    };
    match arguments.first().map(|argument| &argument.kind) {
        Some(NodeKind::Attribute(name, _))
            if matches!(function.name, "IsString" | "IsNumeric" | "IsGuid" | "IsDate" | "IsCert") =>
        {
            Some(name.clone())
        }
        _ => None,
    }
}

impl Checker<'_> {
    fn problem(
        &mut self,
        code: &'static str,
        message: impl Into<String>,
        span: &Range<usize>,
        help: impl Into<String>,
    ) {
        self.problems.push(ExpressionProblem { code, message: message.into(), span: span.clone(), help: help.into() });
    }

    fn lookup(&mut self, node: &Node, what: &str, name: &str, lookup: Lookup) -> KnownKind {
        match lookup {
            Lookup::Known(kind, plurality) => {
                KnownKind { kind: Some(kind.into()), plurality: Some(plurality), nothing: false }
            }
            Lookup::Unknown => KnownKind::default(),
            Lookup::Missing { help } => {
                let code =
                    if what == "attribute" { "expression-unknown-attribute" } else { "expression-unknown-parameter" };
                self.problem(code, format!("there is no {what} `{name}` here"), &node.span, help);
                KnownKind::default()
            }
        }
    }

    /// An attribute whose values are read. Members are counted and flow row by row, they are not at hand as a list.
    fn attribute(&mut self, node: &Node, name: &str) -> KnownKind {
        let lookup = self.kinds.attribute(name);
        if lookup == Lookup::Known(ValueKind::Reference, Plurality::Multi) {
            let message = format!("`{name}` holds many references, which an expression cannot read");
            let help = format!("flow it directly: {{ direct = \"{name}\" }}; count it with ValueCount(\"{name}\")");
            self.problem("expression-needs-all-members", message, &node.span, help);
        }
        let known = self.lookup(node, "attribute", name, lookup);
        if self.asked.iter().any(|asked| asked == name) { KnownKind { kind: None, ..known } } else { known }
    }

    fn node(&mut self, node: &Node) -> KnownKind {
        match &node.kind {
            NodeKind::Literal(Data::One(scalar)) => single(scalar.kind()),
            NodeKind::Literal(_) => KnownKind { nothing: true, ..KnownKind::default() },
            NodeKind::Attribute(name, _) => self.attribute(node, name.as_str()),
            NodeKind::Parameter(name) => {
                let lookup = self.kinds.parameter(name);
                self.lookup(node, "parameter", name, lookup)
            }
            NodeKind::Variable(name) => {
                let bound = self.variables.iter().rev().find(|(bound, _)| bound == name);
                bound.map_or(KnownKind::default(), |(_, known)| *known)
            }
            NodeKind::Name(_) | NodeKind::Word(_) => single(Kind::Text),
            NodeKind::Negate(inner) => {
                let known = self.wanted(inner, KindSet::of(Kind::Integer), "`-` takes");
                mapped(Some(Kind::Integer), &[known])
            }
            NodeKind::Arithmetic(first, rest) => self.arithmetic(first, rest),
            NodeKind::Comparison(first, rest) => {
                let mut left = (first.as_ref(), self.node(first));
                for (_, right) in rest {
                    let right = (right, self.node(right));
                    self.compare(left, right);
                    left = (right.0, mapped(Some(Kind::Boolean), &[left.1, right.1]));
                }
                left.1
            }
            NodeKind::All(nodes) | NodeKind::Any(nodes) => {
                for part in nodes {
                    self.wanted(part, KindSet::of(Kind::Boolean), "`&&` and `||` take");
                }
                single(Kind::Boolean)
            }
            NodeKind::Call { function, arguments } => self.call(function, arguments),
        }
    }

    fn arithmetic(&mut self, first: &Node, rest: &[(Arithmetic, Node)]) -> KnownKind {
        let takes = |operator: Arithmetic| match operator {
            Arithmetic::Concatenate => (KindSet::of(Kind::Text).and(Kind::Binary), "`&` joins"),
            _ => (KindSet::of(Kind::Integer), "`+`, `-` and `*` take"),
        };
        let mut known = self.wanted(first, KindSet::ANY, "");
        let mut left_span = first.span.clone();
        for (operator, right) in rest {
            let (kinds, verb) = takes(*operator);
            let fits = self.fits(known, kinds, verb, &left_span);
            let right_known = self.wanted(right, kinds, verb);
            let span = first.span.start..right.span.end;
            let kind = match (operator, known.kind.filter(|_| fits), right_known.kind) {
                (Arithmetic::Concatenate, Some(left), Some(right)) if left != right && kinds.holds(right) => {
                    let message = format!("{} and {} are never joined", left.with_article(), right.with_article());
                    let help = "convert one side: ConvertToBase64, StringFromGuid or StringFromSid";
                    self.problem("expression-type-mismatch", message, &span, help);
                    None
                }
                (Arithmetic::Concatenate, left, right) => left.or(right).filter(|kind| kinds.holds(*kind)),
                _ => Some(Kind::Integer),
            };
            known = mapped(kind, &[known, right_known]);
            left_span = span;
        }
        known
    }

    fn compare(&mut self, left: (&Node, KnownKind), right: (&Node, KnownKind)) {
        let is_null = |node: &Node| matches!(node.kind, NodeKind::Literal(Data::Null));
        let span = left.0.span.start..right.0.span.end;
        if is_null(left.0) || is_null(right.0) {
            let help = "use IsNull(...) or IsPresent(...)";
            self.problem("expression-compares-null", "nothing is ever equal to NULL", &span, help);
        } else if let (Some(left), Some(right)) = (left.1.kind, right.1.kind)
            && left != right
        {
            let message = format!("{} is never compared with {}", left.with_article(), right.with_article());
            let help = "convert one side: CStr, CNum, CBool, StringFromGuid, StringFromSid";
            self.problem("expression-type-mismatch", message, &span, help);
        }
    }

    fn wanted(&mut self, node: &Node, wanted: KindSet, verb: &str) -> KnownKind {
        let known = self.node(node);
        self.fits(known, wanted, verb, &node.span);
        if let NodeKind::Literal(literal @ (Data::AuthoritativeNull | Data::IgnoreThisFlow)) = &node.kind {
            let message = format!("{} is a result of a flow and no operand", literal.describe());
            let help = "use it as a branch of IIF or Switch, or as the whole expression";
            self.problem("expression-type-mismatch", message, &node.span, help);
        }
        known
    }

    /// Whether the kind, as far as it is known, is a wanted one; reports it when not.
    fn fits(&mut self, known: KnownKind, wanted: KindSet, verb: &str, span: &Range<usize>) -> bool {
        if let Some(kind) = known.kind.filter(|kind| !wanted.holds(*kind)) {
            let message = format!("{verb} {wanted}, and this is {}", kind.with_article());
            let help = match kind {
                Kind::Integer | Kind::Boolean | Kind::Reference if wanted.holds(Kind::Text) => "convert it: CStr(...)",
                Kind::Binary if wanted.holds(Kind::Text) => {
                    "convert it: ConvertToBase64, StringFromGuid or StringFromSid"
                }
                Kind::Date if wanted.holds(Kind::Text) => "convert it: FormatDateTime(..., \"yyyy-MM-dd\")",
                Kind::Text if wanted.holds(Kind::Integer) => "convert it: CNum(...)",
                Kind::Integer if wanted.holds(Kind::Boolean) => "convert it: CBool(...), or compare it",
                // X12
                _ => "there is no conversion without a function",
            };
            self.problem("expression-type-mismatch", message, span, help);
            return false;
        }
        true
    }

    fn call(&mut self, function: &'static Function, arguments: &[Node]) -> KnownKind {
        let (declared_before, asked_before) = (self.variables.len(), self.asked.len());
        let mut known = Vec::new();
        for (position, argument) in arguments.iter().enumerate() {
            let Some(parameter) = function.parameter(position) else {
                continue;
            };
            let verb = format!("`{}` takes as `{}`", function.name, parameter.name);
            known.push(match parameter.accepts {
                Accepts::One(kinds) | Accepts::List(kinds) => self.wanted(argument, kinds, &verb),
                Accepts::Whole => self.wanted(argument, KindSet::ANY, &verb),
                Accepts::Condition => {
                    let condition = self.wanted(argument, KindSet::of(Kind::Boolean), &verb);
                    argument.walk(&mut |node| self.asked.extend(asks_for_the_kind_of(node)));
                    condition
                }
                Accepts::Result => self.node(argument),
                Accepts::Name | Accepts::Word(_) => single(Kind::Text),
                Accepts::Variable => KnownKind::default(),
            });
            // The list of Select and Where, and the value of With, is what the variable stands for behind it.
            if position == 1
                && let Some(NodeKind::Variable(name)) = arguments.first().map(|first| &first.kind)
                && matches!(function.parameter(0).map(|first| first.accepts), Some(Accepts::Variable))
            {
                let mut bound = known.last().copied().unwrap_or_default();
                if matches!(parameter.accepts, Accepts::List(_)) {
                    bound.plurality = Some(Plurality::Single);
                }
                self.variables.push((name.clone(), bound));
            }
        }
        self.variables.truncate(declared_before);
        self.asked.truncate(asked_before);
        let at = |position: usize| known.get(position).copied().unwrap_or_default();
        let scalars: Vec<KnownKind> = known
            .iter()
            .enumerate()
            .filter(|(position, _)| matches!(function.parameter(*position).map(|p| p.accepts), Some(Accepts::One(_))))
            .map(|(_, known)| *known)
            .collect();
        match function.gives {
            Gives::Kind(kind) => mapped(Some(kind), &scalars),
            Gives::KindOfFirst => mapped(at(0).kind, &scalars),
            Gives::Many(kind) => KnownKind { kind: Some(kind), plurality: Some(Plurality::Multi), nothing: false },
            Gives::ValueOf(position) => KnownKind { plurality: Some(Plurality::Single), ..at(position) },
            Gives::ListOf(position) => KnownKind { plurality: Some(Plurality::Multi), ..at(position) },
            Gives::Results => {
                let results: Vec<KnownKind> = known
                    .iter()
                    .enumerate()
                    .filter(|(position, _)| {
                        matches!(function.parameter(*position).map(|p| p.accepts), Some(Accepts::Result))
                    })
                    .map(|(_, known)| *known)
                    .collect();
                let mut result = unified(&results);
                // A condition on a list goes through the list, and so does its result.
                let conditions_many = known.iter().enumerate().any(|(position, known)| {
                    matches!(function.parameter(position).map(|p| p.accepts), Some(Accepts::Condition))
                        && known.plurality != Some(Plurality::Single)
                });
                if conditions_many && result.plurality == Some(Plurality::Single) {
                    result.plurality = None;
                }
                result
            }
            Gives::Last => at(known.len().saturating_sub(1)),
            Gives::Nothing => KnownKind { nothing: true, ..KnownKind::default() },
            Gives::Attribute => match arguments.first() {
                Some(node @ Node { kind: NodeKind::Name(name), .. }) => self.attribute(node, name.as_str()),
                _ => KnownKind::default(),
            },
            Gives::Count => {
                if let Some(node @ Node { kind: NodeKind::Name(name), .. }) = arguments.first() {
                    let lookup = self.kinds.attribute(name.as_str());
                    self.lookup(node, "attribute", name.as_str(), lookup);
                }
                single(Kind::Integer)
            }
        }
    }
}
