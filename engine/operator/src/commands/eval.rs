//! `metasync eval`: the expression bench. Computes one expression with the values given on the command line; needs no
//! deployment, connects to nothing and stores nothing. Bad input is an answer with a code, never a failure.

mod given;

use crate::cli::EvalArgs;
use crate::context::Context;
use crate::diagnostics;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Report;
use crate::text;
use given::Given;
use metaverse_schema::{Reference, Value};
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use sync_rules::{Computed, Diagnostic, Expression, Kind, Severity, Single, Sources, date_as_text};

/// Name under which the expression is drawn.
const EXPRESSION: &str = "expression";

pub(crate) fn run(context: &Context, args: &EvalArgs) -> Result<Report, Failure> {
    let mut seed = [0; 16];
    getrandom::fill(&mut seed).map_err(|error| {
        Failure::new("no-randomness", format!("the system gives no random bytes: {error}"), "try again")
    })?;
    Ok(answer(args, context.now(), &seed, context.colour()))
}

/// Mistakes in what was given, with the texts they stand in.
#[derive(Default)]
struct Mistakes {
    found: Vec<Diagnostic>,
    sources: Sources,
}

impl Mistakes {
    fn add(&mut self, code: &'static str, place: (&str, Range<usize>), message: String, help: impl Into<String>) {
        self.found.push(Diagnostic {
            code,
            severity: Severity::Error,
            file: Arc::from(place.0),
            span: place.1,
            message,
            label: "here".to_owned(),
            help: help.into(),
        });
    }
}

fn answer(args: &EvalArgs, now: i64, seed: &[u8], colour: bool) -> Report {
    let mut mistakes = Mistakes::default();
    mistakes.sources.add(Arc::from(EXPRESSION), &args.expression);
    let given = given::read(args, now, seed, &mut mistakes);
    let expression = parse(&args.expression, &given, &mut mistakes);
    let computed = match expression {
        Some(expression) if mistakes.found.is_empty() => compute(&expression, &given, &mut mistakes),
        _ => None,
    };
    match computed {
        Some(computed) => shown(&computed, &given),
        None => refused(&mistakes, colour),
    }
}

fn parse(text: &str, given: &Given, mistakes: &mut Mistakes) -> Option<Expression> {
    let parsed = Expression::parse_computation(text, None);
    let checked = parsed.and_then(|expression| expression.check_computation(given).map(|_| expression));
    checked
        .map_err(|problems| {
            for problem in problems {
                mistakes.add(problem.code, (EXPRESSION, problem.span), problem.message, problem.help);
            }
        })
        .ok()
}

fn compute(expression: &Expression, given: &Given, mistakes: &mut Mistakes) -> Option<Vec<Shown>> {
    let computed = match expression.compute(given) {
        Ok(computed) => computed,
        Err(error) => {
            mistakes.add(error.code, (EXPRESSION, error.span), error.message, remedy(error.code));
            return None;
        }
    };
    let values = match computed {
        Computed::Null => return Some(vec![Shown::nothing("null", "NULL")]),
        Computed::AuthoritativeNull => return Some(vec![Shown::nothing("authoritative-null", "AuthoritativeNull")]),
        Computed::IgnoreThisFlow => return Some(vec![Shown::nothing("ignore-this-flow", "IgnoreThisFlow")]),
        Computed::Values(values) => values,
    };
    let shown: Option<Vec<Shown>> = values.iter().map(Shown::of).collect();
    if shown.is_none() {
        let message = "the result is a date outside the years 1 to 9999, which cannot be written".to_owned();
        let help = "compare it with Now(), or leave out 9223372036854775807, which means never";
        mistakes.add("expression-conversion-failed", (EXPRESSION, 0..expression.text().len()), message, help);
    }
    shown
}

/// What helps against an error of this kind.
fn remedy(code: &str) -> &'static str {
    match code {
        "expression-unknown-parameter" => "give it a value: --param NAME=VALUE",
        "expression-conversion-failed" => "guard it with IsNumeric, IsDate, IsGuid or IsCert",
        "expression-index-out-of-bounds" => "ItemOrNull gives NULL instead",
        "expression-type-mismatch" => {
            "conversions are written: CStr, CNum, CBool, FormatDateTime; --attr NAME:KIND=VALUE gives another kind"
        }
        // The operator's own message says it all.
        "sync-rule-error-function-triggered" => "",
        other => sync_rules::codes::meaning(other).unwrap_or(""),
    }
}

/// One value for both kinds of reader.
struct Shown {
    kind: &'static str,
    text: String,
    json: Json,
}

impl Shown {
    fn nothing(kind: &'static str, text: &str) -> Self {
        Shown { kind, text: text.to_owned(), json: Json::Null }
    }

    /// None: a date that cannot be written.
    fn of(single: &Single) -> Option<Self> {
        let value = match single {
            Single::Date(date) => {
                let text = date_as_text(*date)?;
                return Some(Shown { kind: name(Kind::Date), json: json!(text), text });
            }
            Single::Value(value) => value,
        };
        let text = value.to_string();
        let json = match value {
            Value::Text(text) => json!(text),
            Value::Integer(number) => json!(number),
            Value::Boolean(truth) => json!(truth),
            Value::Binary(_) => json!({ "binary": text }),
            Value::Reference(Reference::Dn(_) | Reference::Anchor(_)) => json!(text),
        };
        let text = match value {
            Value::Text(text) if text.is_empty() => "\"\" (the empty text, which a flow takes for no value)".to_owned(),
            Value::Text(text) if text.chars().any(char::is_control) => format!("\"{}\"", text.escape_debug()),
            _ => text,
        };
        Some(Shown { kind: name(value.kind().into()), text, json })
    }
}

/// The documented name of a kind.
fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "text",
        Kind::Integer => "integer",
        Kind::Boolean => "boolean",
        Kind::Binary => "binary",
        Kind::Reference => "reference",
        Kind::Date => "date",
    }
}

fn shown(values: &[Shown], given: &Given) -> Report {
    let kinds: BTreeSet<&str> = values.iter().map(|value| value.kind).collect();
    let kind = match (values, kinds.len()) {
        ([only], _) => only.kind.to_owned(),
        ([first, ..], 1) => format!("multi {}", first.kind),
        _ => "multi mixed".to_owned(),
    };
    let json = match values {
        [only] => only.json.clone(),
        many => Json::Array(many.iter().map(|value| value.json.clone()).collect()),
    };
    let mut printed = String::new();
    for (index, value) in values.iter().enumerate() {
        printed.push_str(&format!("{:<8}{}\n", if index == 0 { "value" } else { "" }, value.text));
    }
    printed.push_str(&format!("{:<8}{kind}\n", "type"));
    if let Some(instant) = given.changes_at() {
        printed.push_str(&format!("{:<8}{}, when the answer may be another one\n", "until", text::time(instant)));
    }
    Report::bare(Exit::Success, printed, json!({ "value": json, "type": kind }))
}

/// All mistakes, drawn for people; the code of the first and the sentences of all for programs.
fn refused(mistakes: &Mistakes, colour: bool) -> Report {
    let sentences: Vec<String> = mistakes
        .found
        .iter()
        .map(|mistake| match mistake.help.as_str() {
            "" => mistake.message.clone(),
            help => format!("{} ({help})", mistake.message),
        })
        .collect();
    let code = mistakes.found.first().map_or("", |mistake| mistake.code);
    let drawn = diagnostics::draw(&mistakes.found, &mistakes.sources, colour);
    let json = json!({ "error": { "code": code, "message": sentences.join("; ") } });
    Report::bare(Exit::Failed, drawn.text, json)
}

#[cfg(test)]
mod tests;
