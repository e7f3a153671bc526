//! Functions on all values of an attribute at once. Values come in the fixed order of a value set (by bytes), those of
//! `Split`, `Select` and `Where` in the order they were made.

use super::text::count;
use super::{Accepts, Arguments, Function, FunctionGroup, Gives, INTEGER, TEXT, list, one, optional, parameter};
use crate::expression::data::{Data, Fault, Scalar};
use crate::expression::evaluate::{Evaluator, Failed, place};
use crate::expression::syntax::{Node, NodeKind};
use crate::expression::types::{Kind, KindSet};
use std::collections::HashSet;

pub(super) fn functions() -> Vec<Function> {
    let number = Gives::Kind(Kind::Integer);
    let function =
        |name, parameters, gives, run, doc| Function::eager(name, FunctionGroup::List, parameters, gives, run, doc);
    vec![
        function(
            "Item",
            const { &[list("values", KindSet::ANY), one("number", INTEGER)] },
            Gives::ValueOf(0),
            item,
            "The value of that number, counted from 1; an error when there is none.",
        ),
        function(
            "ItemOrNull",
            const { &[list("values", KindSet::ANY), one("number", INTEGER)] },
            Gives::ValueOf(0),
            |_, a| Ok(nth(a)?.map_or(Data::Null, Data::One)),
            "The value of that number, or NULL.",
        ),
        function(
            "Contains",
            const {
                &[
                    list("values", TEXT.and(Kind::Reference)),
                    one("wanted", TEXT),
                    optional(parameter("compare", Accepts::Word(&["CaseInsensitive", "CaseSensitive"]))),
                ]
            },
            number,
            contains,
            "Number of the first value that holds the wanted text anywhere in it; 0 when none does. Case counts unless CaseInsensitive is given. References are compared whole.",
        ),
        function(
            "Count",
            const { &[list("values", KindSet::ANY)] },
            number,
            |_, a| Ok(Data::integer(count(a.list(0).len()))),
            "Number of values; 0 when absent.",
        ),
        Function::lazy(
            "ValueCount",
            FunctionGroup::List,
            const { &[parameter("attribute", Accepts::Name)] },
            Gives::Count,
            value_count,
            "Number of values of the attribute named in quotes, members of a group included.",
        ),
        function(
            "RemoveDuplicates",
            const { &[list("values", KindSet::ANY)] },
            Gives::ListOf(0),
            remove_duplicates,
            "Each value once, texts without regard to case; the first spelling stays, so `SMTP:` wins over `smtp:`.",
        ),
        function(
            "Join",
            const { &[list("values", TEXT), optional(one("delimiter", TEXT))] },
            Gives::Kind(Kind::Text),
            join,
            "All values as one text with the delimiter between them, a space when it is left out; an empty or absent one is none. NULL when there are no values.",
        ),
        function(
            "Split",
            const { &[one("text", TEXT), one("delimiter", TEXT), optional(one("limit", INTEGER))] },
            Gives::Many(Kind::Text),
            split,
            "The parts between the delimiter, which is one character; at most `limit` of them, the last one with the rest.",
        ),
    ]
}

fn nth<'v>(a: &Arguments<'_, 'v>) -> Result<Option<Scalar<'v>>, Fault> {
    let number = a.integer(1)?.unwrap_or(0);
    let index = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
    Ok(index.and_then(|index| a.list(0).get(index)).cloned())
}

fn item<'v>(_: &mut Evaluator<'v>, a: &Arguments<'_, 'v>) -> Result<Data<'v>, Fault> {
    match nth(a)? {
        Some(scalar) => Ok(Data::One(scalar)),
        None => {
            let (number, length) = (a.integer(1)?.unwrap_or(0), a.list(0).len());
            let message = format!("there is no value number {number}; there are {length}, counted from 1");
            Err(Fault::new("expression-index-out-of-bounds", message))
        }
    }
}

fn contains(_: &mut Evaluator<'_>, a: &Arguments<'_, '_>) -> Result<Data<'static>, Fault> {
    let Some(wanted) = a.text(1)? else {
        return Ok(Data::integer(0));
    };
    let ignore_case = a.word(2) == Some("CaseInsensitive");
    let wanted_lower = wanted.to_lowercase();
    for (index, scalar) in a.list(0).iter().enumerate() {
        let hit = match scalar {
            Scalar::Text(text) if ignore_case => text.to_lowercase().contains(&wanted_lower),
            Scalar::Text(text) => text.contains(wanted),
            Scalar::Reference(reference) => reference.to_string() == wanted,
            other => return Err(a.mismatch(0, other, "texts")),
        };
        if hit {
            return Ok(Data::integer(count(index + 1)));
        }
    }
    Ok(Data::integer(0))
}

fn value_count(evaluator: &mut Evaluator<'_>, node: &Node, arguments: &[Node]) -> Result<Data<'static>, Failed> {
    match arguments {
        [Node { kind: NodeKind::Name(name), .. }] => Ok(Data::integer(evaluator.count(name.as_str()))),
        _ => {
            let fault = Fault::new("expression-argument-count", "an attribute name in quotes is missing");
            Err(place(fault, &node.span))
        }
    }
}

fn remove_duplicates<'v>(evaluator: &mut Evaluator<'v>, a: &Arguments<'_, 'v>) -> Result<Data<'v>, Fault> {
    let mut seen_texts = HashSet::new();
    let mut kept: Vec<Scalar<'v>> = Vec::new();
    for scalar in a.list(0) {
        let new = match scalar {
            Scalar::Text(text) => seen_texts.insert(text.to_lowercase()),
            // Whether two dates are one may change with time.
            Scalar::Date(date) => {
                evaluator.clock().shows(*date);
                !kept.contains(scalar)
            }
            other => !kept.contains(other),
        };
        if new {
            kept.push(scalar.clone());
        }
    }
    Ok(Data::list(kept))
}

fn join(evaluator: &mut Evaluator<'_>, a: &Arguments<'_, '_>) -> Result<Data<'static>, Fault> {
    // X37: one that was left out is a space; one that is absent or empty is none.
    let delimiter = if a.data.len() < 2 { " " } else { a.text(1)?.unwrap_or("") };
    let texts = a.texts(0)?;
    if texts.is_empty() {
        return Ok(Data::Null);
    }
    evaluator.charge((texts.len() as u64).saturating_mul(delimiter.len() as u64))?;
    Ok(Data::text(texts.join(delimiter)))
}

fn split(_: &mut Evaluator<'_>, a: &Arguments<'_, '_>) -> Result<Data<'static>, Fault> {
    let Some(text) = a.text(0)? else {
        return Ok(Data::Null);
    };
    let mut delimiter = a.text(1)?.unwrap_or("").chars();
    let (Some(delimiter), None) = (delimiter.next(), delimiter.next()) else {
        return Err(Fault::new("expression-invalid-argument", "`Split` takes a delimiter of exactly one character"));
    };
    let limit = a.integer(2)?.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(0).max(1));
    Ok(Data::list(text.splitn(limit, delimiter).map(|part| Scalar::text(part.to_owned())).collect()))
}
