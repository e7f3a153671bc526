//! Functions on texts. Lengths and positions count UTF-16 units, as directories do, and no character is ever split (SF27);
//! see characters.rs.

use super::characters::{offset, units};
use super::{
    Accepts, Arguments, Function, FunctionGroup, Gives, INTEGER, Sequence, TEXT, invalid_argument, one, optional,
    parameter,
};
use crate::expression::data::{Data, Fault};
use crate::expression::evaluate::Evaluator;
use crate::expression::types::{Kind, KindSet};
use std::borrow::Cow;
use std::collections::BTreeMap;

const SEQUENCE: KindSet = TEXT.and(Kind::Binary);
const COMPARE: Accepts = Accepts::Word(&["vbBinaryCompare", "vbTextCompare"]);

pub(super) fn functions() -> Vec<Function> {
    let text = Gives::Kind(Kind::Text);
    let number = Gives::Kind(Kind::Integer);
    let function =
        |name, parameters, gives, run, doc| Function::eager(name, FunctionGroup::Text, parameters, gives, run, doc);
    vec![
        Function::of_text("Trim", |text| text.trim().into(), "Without white space at both ends."),
        Function::of_text("LTrim", |text| text.trim_start().into(), "Without white space at the start."),
        Function::of_text("RTrim", |text| text.trim_end().into(), "Without white space at the end."),
        Function::of_text("LCase", |text| text.to_lowercase().into(), "In lower case."),
        Function::of_text("UCase", |text| text.to_uppercase().into(), "In upper case."),
        Function::of_text(
            "PCase",
            |text| pcase(text).into(),
            "Each word between spaces with its first letter in upper case and the rest in lower case.",
        ),
        function(
            "Left",
            const { &[one("text", SEQUENCE), one("count", INTEGER)] },
            Gives::KindOfFirst,
            left,
            "The first `count` characters, of a binary value its first bytes. A negative count gives the text itself, an absent text the empty one.",
        ),
        function(
            "Right",
            const { &[one("text", SEQUENCE), one("count", INTEGER)] },
            Gives::KindOfFirst,
            right,
            "The last `count` characters; edges as `Left`.",
        ),
        function(
            "Mid",
            const { &[one("text", SEQUENCE), one("start", INTEGER), optional(one("count", INTEGER))] },
            Gives::KindOfFirst,
            mid,
            "`count` characters from `start` (the first is 1), without `count` the rest. A start outside the text or a negative count gives the text itself; an absent text gives the empty one.",
        ),
        function(
            "Len",
            const { &[one("text", SEQUENCE)] },
            number,
            |_, a| {
                Ok(Data::integer(count(match a.sequence(0)? {
                    Sequence::Text(text) => units(text),
                    Sequence::Bytes(bytes) => bytes.len(),
                })))
            },
            "Number of characters (UTF-16 units), of a binary value its bytes; 0 when absent.",
        ),
        function(
            "InStr",
            const {
                &[
                    one("text", TEXT),
                    one("wanted", TEXT),
                    optional(one("start", INTEGER)),
                    optional(parameter("compare", COMPARE)),
                ]
            },
            number,
            in_str,
            "Position of the first occurrence at or after `start`, counted from 1; 0 when there is none. Case counts unless vbTextCompare is given.",
        ),
        function(
            "InStrRev",
            const {
                &[
                    one("text", TEXT),
                    one("wanted", TEXT),
                    optional(one("start", INTEGER)),
                    optional(parameter("compare", COMPARE)),
                ]
            },
            number,
            in_str_rev,
            "Position of the last occurrence that ends at or before `start`; 0 when there is none.",
        ),
        function(
            "Replace",
            const { &[one("text", TEXT), one("wanted", TEXT), one("by", TEXT)] },
            text,
            replace,
            "All occurrences replaced; case counts.",
        ),
        function(
            "ReplaceChars",
            const { &[one("text", TEXT), one("pattern", TEXT)] },
            text,
            replace_chars,
            "Single characters replaced as the pattern says: `ä:ae,ß:ss,':` replaces ä and ß and removes the apostrophe. Case counts, white space in the pattern is ignored, and comma and colon cannot be replaced.",
        ),
        function(
            "PadLeft",
            const { &[one("text", TEXT), one("length", INTEGER), one("character", TEXT)] },
            text,
            |evaluator, a| pad(evaluator, a, true),
            "Filled up at the left to `length` characters; longer texts stay as they are.",
        ),
        function(
            "PadRight",
            const { &[one("text", TEXT), one("length", INTEGER), one("character", TEXT)] },
            text,
            |evaluator, a| pad(evaluator, a, false),
            "Filled up at the right to `length` characters.",
        ),
        function(
            "Word",
            const { &[one("text", TEXT), one("number", INTEGER), one("delimiters", TEXT)] },
            text,
            word,
            "The word of that number, counted from 1; every character of `delimiters` separates words, and several in a row separate once. The empty text when there is no such word.",
        ),
    ]
}

pub(super) fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn pcase(text: &str) -> String {
    let mut cased = String::with_capacity(text.len());
    let mut at_start = true;
    for character in text.chars() {
        if at_start {
            cased.extend(character.to_uppercase());
        } else {
            cased.extend(character.to_lowercase());
        }
        at_start = character == ' ';
    }
    cased
}

fn left<'v>(_: &mut Evaluator<'v>, a: &Arguments<'_, 'v>) -> Result<Data<'v>, Fault> {
    let wanted = usize::try_from(a.integer(1)?.unwrap_or(0));
    let end = match (a.sequence(0)?, wanted) {
        (Sequence::Text(text), Ok(wanted)) => offset(text, wanted, false),
        (Sequence::Text(text), Err(_)) => text.len(),
        (Sequence::Bytes(bytes), wanted) => wanted.unwrap_or(bytes.len()).min(bytes.len()),
    };
    Ok(a.part(0, 0..end))
}

fn right<'v>(_: &mut Evaluator<'v>, a: &Arguments<'_, 'v>) -> Result<Data<'v>, Fault> {
    let wanted = usize::try_from(a.integer(1)?.unwrap_or(0));
    let (start, end) = match (a.sequence(0)?, wanted) {
        (Sequence::Text(text), Ok(wanted)) => (offset(text, units(text).saturating_sub(wanted), true), text.len()),
        (Sequence::Text(text), Err(_)) => (0, text.len()),
        (Sequence::Bytes(bytes), wanted) => (bytes.len().saturating_sub(wanted.unwrap_or(bytes.len())), bytes.len()),
    };
    Ok(a.part(0, start..end))
}

/// X62: out of range gives the input, not the empty text.
fn mid<'v>(_: &mut Evaluator<'v>, a: &Arguments<'_, 'v>) -> Result<Data<'v>, Fault> {
    let sequence = a.sequence(0)?;
    let length = match sequence {
        Sequence::Text(text) => units(text),
        Sequence::Bytes(bytes) => bytes.len(),
    };
    let start = a.integer(1)?.unwrap_or(0);
    let wanted = if a.is_null(2) { i64::MAX } else { a.integer(2)?.unwrap_or(0) };
    let outside = wanted < 0 || start <= 0 || start > count(length);
    let (skipped, taken) = match wanted {
        0 => (0, 0),
        _ if outside => (0, length),
        _ => (usize::try_from(start - 1).unwrap_or(usize::MAX), usize::try_from(wanted).unwrap_or(usize::MAX)),
    };
    let end = skipped.saturating_add(taken);
    let range = match sequence {
        Sequence::Text(text) => {
            let from = offset(text, skipped, true);
            from..offset(text, end, false).max(from)
        }
        Sequence::Bytes(bytes) => skipped..end.min(bytes.len()),
    };
    Ok(a.part(0, range))
}

/// One character for each character, so that positions stay: lower case where that is a single character.
fn folded(text: &str) -> String {
    text.chars()
        .map(|character| {
            let mut lower = character.to_lowercase();
            match (lower.next(), lower.next()) {
                (Some(only), None) => only,
                _ => character,
            }
        })
        .collect()
}

/// The text to look in, and the one to look for.
type Search<'a> = (Cow<'a, str>, Cow<'a, str>);

fn prepared<'a>(a: &'a Arguments<'_, '_>) -> Result<Option<Search<'a>>, Fault> {
    let (Some(text), Some(wanted)) = (a.text(0)?, a.text(1)?) else {
        return Ok(None);
    };
    Ok(Some(if a.word(3) == Some("vbTextCompare") {
        (folded(text).into(), folded(wanted).into())
    } else {
        (text.into(), wanted.into())
    }))
}

fn position(text: &str, offset: Option<usize>) -> Data<'static> {
    Data::integer(offset.map_or(0, |offset| count(units(&text[..offset])) + 1))
}

fn in_str(_: &mut Evaluator<'_>, a: &Arguments<'_, '_>) -> Result<Data<'static>, Fault> {
    let Some((text, wanted)) = prepared(a)? else {
        return Ok(Data::integer(0));
    };
    let skipped = usize::try_from(a.integer(2)?.unwrap_or(1).max(1) - 1).unwrap_or(usize::MAX);
    let from = offset(&text, skipped, true);
    if from == text.len() {
        return Ok(Data::integer(0));
    }
    let hit = text[from..].find(&*wanted).map(|at| at + from);
    Ok(position(&text, hit))
}

fn in_str_rev(_: &mut Evaluator<'_>, a: &Arguments<'_, '_>) -> Result<Data<'static>, Fault> {
    let Some((text, wanted)) = prepared(a)? else {
        return Ok(Data::integer(0));
    };
    let end = match a.integer(2)? {
        None => text.len(),
        Some(start) => usize::try_from(start).map_or(text.len(), |start| offset(&text, start, false)),
    };
    Ok(position(&text, text[..end].rfind(&*wanted)))
}

fn replace(evaluator: &mut Evaluator<'_>, a: &Arguments<'_, '_>) -> Result<Data<'static>, Fault> {
    let Some(text) = a.text(0)? else {
        return Ok(Data::Null);
    };
    let (wanted, by) = (a.text(1)?.unwrap_or(""), a.text(2)?.unwrap_or(""));
    if wanted.is_empty() {
        return Ok(Data::text(text.to_owned()));
    }
    let hits = text.matches(wanted).count() as u64;
    evaluator.charge(hits.saturating_mul(by.len() as u64))?;
    Ok(Data::text(text.replace(wanted, by)))
}

/// X67. The pattern is a dictionary, so a character that it names twice is a mistake in it.
fn replace_chars(evaluator: &mut Evaluator<'_>, a: &Arguments<'_, '_>) -> Result<Data<'static>, Fault> {
    let pattern: String = a.text(1)?.unwrap_or("").chars().filter(|c| !c.is_whitespace()).collect();
    let mut by: BTreeMap<char, &str> = BTreeMap::new();
    for pair in pattern.split(',').filter(|_| !pattern.is_empty()) {
        let bad = |what: &str| invalid_argument(a, format_args!("cannot read `{pair}` in its pattern: {what}"));
        let (source, target) = pair.split_once(':').ok_or_else(|| bad("write character:replacement"))?;
        let mut characters = source.chars();
        let (Some(character), None) = (characters.next(), characters.next()) else {
            return Err(bad("exactly one character is replaced"));
        };
        if target.contains(':') {
            return Err(bad("a colon cannot be part of it"));
        }
        if by.insert(character, target).is_some() {
            return Err(bad("the character is replaced already"));
        }
    }
    let Some(text) = a.text(0)? else {
        return Ok(Data::Null);
    };
    let mut replaced = String::with_capacity(text.len());
    for character in text.chars() {
        match by.get(&character) {
            Some(target) => {
                evaluator.charge(target.len() as u64)?;
                replaced.push_str(target);
            }
            None => replaced.push(character),
        }
    }
    Ok(Data::text(replaced))
}

fn pad(evaluator: &mut Evaluator<'_>, a: &Arguments<'_, '_>, at_left: bool) -> Result<Data<'static>, Fault> {
    let (text, length) = (a.text(0)?.unwrap_or(""), a.integer(1)?.unwrap_or(0));
    let filler = a.text(2)?.unwrap_or("");
    let mut characters = filler.chars();
    let (Some(filler), None) = (characters.next(), characters.next()) else {
        return Err(invalid_argument(a, "fills with exactly one character"));
    };
    if a.is_null(0) {
        return Ok(Data::text(""));
    }
    let missing = usize::try_from(length).unwrap_or(0).saturating_sub(units(text)) / filler.len_utf16();
    evaluator.charge(missing as u64)?;
    let padding: String = std::iter::repeat_n(filler, missing).collect();
    Ok(Data::text(if at_left { padding + text } else { text.to_owned() + &padding }))
}

fn word(_: &mut Evaluator<'_>, a: &Arguments<'_, '_>) -> Result<Data<'static>, Fault> {
    let (text, number, delimiters) = (a.text(0)?.unwrap_or(""), a.integer(1)?.unwrap_or(0), a.text(2)?.unwrap_or(""));
    let mut words = text.split(|character| delimiters.contains(character)).filter(|word| !word.is_empty());
    let wanted = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
    Ok(Data::text(wanted.and_then(|index| words.nth(index)).unwrap_or("").to_owned()))
}
