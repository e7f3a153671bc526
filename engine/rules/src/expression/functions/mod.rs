//! The one table of functions: name, parameters, result, what it does. Parser, type check, evaluator and the printed
//! reference all read it, so a function is added in one place.

mod calendar;
mod certificate;
mod certificate_names;
mod characters;
mod conversion;
mod date_text;
mod directory;
mod flow;
mod list;
mod random;
mod text;
mod time;

use super::data::{Data, Fault, Scalar};
use super::evaluate::{Evaluator, Failed};
use super::syntax::Node;
use super::types::{Kind, KindSet};
use std::borrow::Cow;
use std::fmt::Write as _;
use std::ops::Range;
use std::sync::LazyLock;

/// Under which heading the reference lists a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FunctionGroup {
    Flow,
    Presence,
    Text,
    List,
    Conversion,
    Number,
    Directory,
    Time,
    Certificate,
    Random,
}

impl FunctionGroup {
    pub fn title(self) -> &'static str {
        match self {
            FunctionGroup::Flow => "Choosing and binding",
            FunctionGroup::Presence => "Presence",
            FunctionGroup::Text => "Text",
            FunctionGroup::List => "Several values",
            FunctionGroup::Conversion => "Conversion",
            FunctionGroup::Number => "Bits",
            FunctionGroup::Directory => "Directory names and identifiers",
            FunctionGroup::Time => "Time",
            FunctionGroup::Certificate => "Certificates",
            FunctionGroup::Random => "Drawn values",
        }
    }
}

/// One function of the expression language.
#[derive(Debug)]
pub struct Function {
    pub name: &'static str,
    pub group: FunctionGroup,
    /// One or two sentences for the operator, with what happens at the edges.
    pub doc: &'static str,
    /// Depends on the time of the run (SF28).
    pub reads_clock: bool,
    /// Gives a value drawn for the object and attribute.
    pub draws: bool,
    pub(crate) parameters: &'static [Parameter],
    /// How many parameters at the end may repeat together.
    pub(crate) repeats: usize,
    pub(crate) gives: Gives,
    pub(crate) run: Run,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    pub(crate) accepts: Accepts,
    pub(crate) optional: bool,
}

/// What may stand at a parameter.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Accepts {
    /// One value or NULL; over several values the function is applied to each (X13).
    One(KindSet),
    /// All values at once.
    List(KindSet),
    /// Anything, as it is.
    Whole,
    /// A truth value that decides what is evaluated next.
    Condition,
    /// A result that is passed on, flow literals included.
    Result,
    /// An attribute's name in quotes.
    Name,
    /// Declares `$name`.
    Variable,
    /// A bare word of this choice.
    Word(&'static [&'static str]),
}

/// What comes out.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Gives {
    /// One value for each one given.
    Kind(Kind),
    /// One value for each one given, of the kind of the first argument.
    KindOfFirst,
    Many(Kind),
    /// One of the values of this argument.
    ValueOf(usize),
    /// Several of the values of this argument.
    ListOf(usize),
    /// One of the arguments that are results.
    Results,
    /// What the last argument gives.
    Last,
    /// Never a value.
    Nothing,
    /// The values of the named attribute.
    Attribute,
    /// Their number.
    Count,
}

type Eager = for<'v> fn(&mut Evaluator<'v>, &Arguments<'_, 'v>) -> Result<Data<'v>, Fault>;
type Lazy = for<'v> fn(&mut Evaluator<'v>, &'v Node, &'v [Node]) -> Result<Data<'v>, Failed>;
/// A text made of another one, or the part of it that is left.
pub(crate) type OfText = for<'t> fn(&'t str) -> Cow<'t, str>;

#[derive(Debug, Clone, Copy)]
pub(crate) enum Run {
    /// One text for one text, and NULL for NULL; knows nothing else.
    Text(OfText),
    Eager(Eager),
    Lazy(Lazy),
}

static FUNCTIONS: LazyLock<Vec<Function>> = LazyLock::new(|| {
    let mut all: Vec<Function> = [
        flow::functions(),
        text::functions(),
        list::functions(),
        conversion::functions(),
        directory::functions(),
        time::functions(),
        certificate::functions(),
        random::functions(),
    ]
    .into_iter()
    .flatten()
    .collect();
    all.sort_by_key(|function| (function.group, function.name));
    all
});

/// All functions, by group and name.
pub(crate) fn all() -> &'static [Function] {
    &FUNCTIONS
}

/// The function of exactly this name (X2).
pub(crate) fn find(name: &str) -> Option<&'static Function> {
    all().iter().find(|function| function.name == name)
}

/// The date in a text, in the forms that `CDate` reads: microseconds since 1970-01-01 UTC.
pub fn date_from_text(text: &str) -> Option<i64> {
    date_text::parse(text)
}

/// Microseconds since 1970-01-01 UTC in ISO 8601, such as `2013-01-11T00:00:00Z`; None outside the years 1 to 9999.
pub fn date_as_text(microseconds: i64) -> Option<String> {
    calendar::iso(microseconds)
}

/// The function reference as Markdown; `docs/rules-reference.md` carries it.
pub fn functions_reference() -> String {
    let mut text = String::new();
    let mut group = None;
    for function in all() {
        if group != Some(function.group) {
            group = Some(function.group);
            let _ = write!(text, "\n### {}\n\n| Function | |\n|---|---|\n", function.group.title());
        }
        let _ = writeln!(text, "| `{}` | {} |", function.signature(), function.doc);
    }
    text
}

impl Function {
    pub(crate) fn eager(
        name: &'static str,
        group: FunctionGroup,
        parameters: &'static [Parameter],
        gives: Gives,
        run: Eager,
        doc: &'static str,
    ) -> Self {
        Function {
            name,
            group,
            doc,
            reads_clock: false,
            draws: false,
            parameters,
            repeats: 0,
            gives,
            run: Run::Eager(run),
        }
    }

    /// A function of one text that gives another one.
    pub(crate) fn of_text(name: &'static str, run: OfText, doc: &'static str) -> Self {
        let parameters = const { &[one("text", TEXT)] };
        let gives = Gives::Kind(Kind::Text);
        let function = Function::eager(name, FunctionGroup::Text, parameters, gives, |_, _| Ok(Data::Null), doc);
        Function { run: Run::Text(run), ..function }
    }

    /// One that decides itself which of its arguments are evaluated (X9, X71).
    pub(crate) fn lazy(
        name: &'static str,
        group: FunctionGroup,
        parameters: &'static [Parameter],
        gives: Gives,
        run: Lazy,
        doc: &'static str,
    ) -> Self {
        Function { run: Run::Lazy(run), ..Function::eager(name, group, parameters, gives, |_, _| Ok(Data::Null), doc) }
    }

    pub(crate) fn parameter(&self, position: usize) -> Option<&'static Parameter> {
        let count = self.parameters.len();
        if position < count {
            self.parameters.get(position)
        } else if self.repeats > 0 {
            self.parameters.get(count - self.repeats + (position - count) % self.repeats)
        } else {
            None
        }
    }

    pub(crate) fn mismatch(&self, position: usize, given: &Scalar<'_>, wanted: &str) -> Fault {
        let name = self.parameter(position).map_or("", |parameter| parameter.name);
        let given = given.kind().with_article();
        Fault::type_mismatch(format!("`{}` takes {wanted} as `{name}`, and this is {given}", self.name))
    }

    /// Whether this argument is taken value by value.
    pub(crate) fn maps_over(&self, position: usize) -> bool {
        matches!(
            self.parameter(position).map(|parameter| parameter.accepts),
            Some(Accepts::One(_) | Accepts::Condition | Accepts::Result)
        )
    }

    /// A message when this many arguments do not fit.
    pub(crate) fn wrong_count(&self, given: usize) -> Option<String> {
        let most = self.parameters.len();
        let least = self.parameters.iter().filter(|parameter| !parameter.optional).count();
        let repeats_badly = self.repeats > 0 && given > most && !(given - most).is_multiple_of(self.repeats);
        if given >= least && (given <= most || self.repeats > 0) && !repeats_badly {
            return None;
        }
        let wanted = match (self.repeats, least == most) {
            (0, true) => format!("{most}"),
            (0, false) => format!("{least} to {most}"),
            (step, _) => format!("{least} or more, in steps of {step}"),
        };
        Some(format!("`{}` takes {wanted} arguments, and {given} are given", self.name))
    }

    /// `Left(text, count)`; optional parameters in brackets.
    pub fn signature(&self) -> String {
        let mut text = format!("{}(", self.name);
        for (position, parameter) in self.parameters.iter().enumerate() {
            let comma = if position == 0 { "" } else { ", " };
            let name = match parameter.accepts {
                Accepts::Variable => format!("${}", parameter.name),
                Accepts::Name => format!("\"{}\"", parameter.name),
                Accepts::Word(words) => words.join("/"),
                _ => parameter.name.to_owned(),
            };
            if parameter.optional {
                let _ = write!(text, "[{comma}{name}]");
            } else {
                let _ = write!(text, "{comma}{name}");
            }
        }
        if self.repeats > 0 {
            text.push_str(", ...");
        }
        text.push(')');
        text
    }
}

pub(crate) const TEXT: KindSet = KindSet::of(Kind::Text);
pub(crate) const INTEGER: KindSet = KindSet::of(Kind::Integer);
pub(crate) const BINARY: KindSet = KindSet::of(Kind::Binary);

pub(crate) const fn one(name: &'static str, kinds: KindSet) -> Parameter {
    parameter(name, Accepts::One(kinds))
}

pub(crate) const fn list(name: &'static str, kinds: KindSet) -> Parameter {
    parameter(name, Accepts::List(kinds))
}

pub(crate) const fn parameter(name: &'static str, accepts: Accepts) -> Parameter {
    Parameter { name, accepts, optional: false }
}

pub(crate) const fn optional(parameter: Parameter) -> Parameter {
    Parameter { optional: true, ..parameter }
}

/// What Left, Right, Mid and Len cut: the rules of key write-back cut bytes as well (X75).
#[derive(Debug, Clone, Copy)]
pub(crate) enum Sequence<'a> {
    Text(&'a str),
    Bytes(&'a [u8]),
}

/// The evaluated arguments of an eager function. Where one value is wanted there is one value or NULL.
#[derive(Debug)]
pub(crate) struct Arguments<'a, 'v> {
    pub(crate) function: &'static Function,
    pub(crate) data: &'a [Data<'v>],
}

impl<'v> Arguments<'_, 'v> {
    /// NULL for an argument that was left out.
    pub(crate) fn data(&self, position: usize) -> &Data<'v> {
        self.data.get(position).unwrap_or(&Data::Null)
    }

    pub(crate) fn is_null(&self, position: usize) -> bool {
        self.data(position).values().is_empty()
    }

    pub(crate) fn list(&self, position: usize) -> &[Scalar<'v>] {
        self.data(position).values()
    }

    pub(crate) fn scalar(&self, position: usize) -> Option<&Scalar<'v>> {
        self.list(position).first()
    }

    pub(crate) fn text(&self, position: usize) -> Result<Option<&str>, Fault> {
        match self.scalar(position) {
            None => Ok(None),
            Some(Scalar::Text(text)) => Ok(Some(text)),
            Some(other) => Err(self.mismatch(position, other, "a text")),
        }
    }

    /// A text or bytes; NULL is the empty text.
    pub(crate) fn sequence(&self, position: usize) -> Result<Sequence<'_>, Fault> {
        match self.scalar(position) {
            Some(Scalar::Binary(bytes)) => Ok(Sequence::Bytes(bytes)),
            _ => Ok(Sequence::Text(self.text(position)?.unwrap_or(""))),
        }
    }

    /// A part of what `sequence` gives there; the empty text for NULL.
    pub(crate) fn part(&self, position: usize, range: Range<usize>) -> Data<'v> {
        self.scalar(position).map_or_else(|| Data::text(""), |scalar| Data::One(scalar.part(range)))
    }

    pub(crate) fn integer(&self, position: usize) -> Result<Option<i64>, Fault> {
        match self.scalar(position) {
            None => Ok(None),
            Some(Scalar::Integer(number)) => Ok(Some(*number)),
            Some(other) => Err(self.mismatch(position, other, "a number")),
        }
    }

    pub(crate) fn binary(&self, position: usize) -> Result<Option<&[u8]>, Fault> {
        match self.scalar(position) {
            None => Ok(None),
            Some(Scalar::Binary(bytes)) => Ok(Some(bytes)),
            Some(other) => Err(self.mismatch(position, other, "a binary value")),
        }
    }

    /// A bare word; it arrives as a text.
    pub(crate) fn word(&self, position: usize) -> Option<&str> {
        match self.scalar(position) {
            Some(Scalar::Text(word)) => Some(word),
            _ => None,
        }
    }

    /// The texts of a list.
    pub(crate) fn texts(&self, position: usize) -> Result<Vec<&str>, Fault> {
        self.list(position)
            .iter()
            .map(|scalar| match scalar {
                Scalar::Text(text) => Ok(&**text),
                other => Err(self.mismatch(position, other, "texts")),
            })
            .collect()
    }

    pub(crate) fn mismatch(&self, position: usize, given: &Scalar<'_>, wanted: &str) -> Fault {
        self.function.mismatch(position, given, wanted)
    }
}

/// A value that a function cannot convert; it is shown cut.
pub(crate) fn unconvertible(a: &Arguments<'_, '_>, text: &str, wanted: &str) -> Fault {
    let shown: String = text.chars().take(40).collect();
    let name = a.function.name;
    Fault::new("expression-conversion-failed", format!("`{name}`: `{shown}` is not {wanted}"))
}

pub(crate) fn invalid_argument(a: &Arguments<'_, '_>, what: impl std::fmt::Display) -> Fault {
    Fault::new("expression-invalid-argument", format!("`{}` {what}", a.function.name))
}
