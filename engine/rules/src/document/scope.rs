//! Reads scope clauses: `userAccountControl ISNOTBITSET 2`, and says which of them can never mean what they say. Decides
//! nothing; the kernel compares.

use super::reader::{Report, Text};
use crate::model::{Clause, Direction, Operator};
use crate::suggest::did_you_mean;
use metaverse_schema::{AttributeName, Value, ValueKind};
use std::ops::Range;

/// S8, with both spellings of the negated bit test. The first spelling of each is the canonical one.
pub(crate) const OPERATORS: [(&str, Operator); 21] = [
    ("EQUAL", Operator::Equal),
    ("NOTEQUAL", Operator::NotEqual),
    ("LESSTHAN", Operator::LessThan),
    ("LESSTHAN_OR_EQUAL", Operator::LessThanOrEqual),
    ("GREATERTHAN", Operator::GreaterThan),
    ("GREATERTHAN_OR_EQUAL", Operator::GreaterThanOrEqual),
    ("CONTAINS", Operator::Contains),
    ("NOTCONTAINS", Operator::NotContains),
    ("STARTSWITH", Operator::StartsWith),
    ("NOTSTARTSWITH", Operator::NotStartsWith),
    ("ENDSWITH", Operator::EndsWith),
    ("NOTENDSWITH", Operator::NotEndsWith),
    ("ISNULL", Operator::IsNull),
    ("ISNOTNULL", Operator::IsNotNull),
    ("ISIN", Operator::IsIn),
    ("ISNOTIN", Operator::IsNotIn),
    ("ISBITSET", Operator::IsBitSet),
    ("ISNOTBITSET", Operator::IsNotBitSet),
    ("ISBITNOTSET", Operator::IsNotBitSet),
    ("ISMEMBEROF", Operator::IsMemberOf),
    ("ISNOTMEMBEROF", Operator::IsNotMemberOf),
];

/// The canonical word of an operator.
pub(crate) fn operator_word(operator: Operator) -> &'static str {
    OPERATORS.iter().find(|(_, known)| *known == operator).map_or("", |(word, _)| word)
}

/// Reads one clause. `parameter` answers `%name%` operands.
pub(crate) fn read_clause(
    report: &mut Report<'_>,
    text: &Text,
    direction: Direction,
    parameter: &dyn Fn(&str) -> Result<Value, String>,
) -> Option<Clause> {
    let words = words(&text.value);
    let Some(attribute) = words.first().cloned() else {
        let help = "write ATTRIBUTE OPERATOR VALUE, such as \"mailNickname ISNOTNULL\"";
        report.error("scope-syntax", text.span.clone(), "this clause is empty", "empty", help);
        return None;
    };
    let Some(word) = words.get(1).cloned() else {
        let help = format!("known operators: {}", OPERATORS.map(|(word, _)| word).join(", "));
        report.error("scope-syntax", text.span.clone(), "this clause has no operator", "no operator", help);
        return None;
    };
    let attribute_text = &text.value[attribute.clone()];
    let well_named = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ';');
    if !attribute_text.chars().all(well_named) {
        let message = format!("`{attribute_text}` is not an attribute name");
        let help = "the attribute stands first, without brackets: \"mailNickname ISNOTNULL\"";
        report.error("scope-syntax", text.part(attribute.clone()), message, "not an attribute name", help);
        return None;
    }
    let operator = read_operator(report, text, word.clone())?;
    if operator.is_about_membership() {
        if direction == Direction::Outbound {
            let message = "an outbound rule reads the metaverse, and groups have members in a connector space";
            let help = "ask for the group in an inbound rule, let that rule flow a mark, and scope by the mark";
            report.error("scope-membership-outbound", text.part(word), message, "on an outbound rule", help);
            return None;
        }
        if attribute_text != "dn" {
            let message = "a membership is the object's own, not that of one of its attributes";
            let help = "write \"dn ISMEMBEROF CN=Group,DC=contoso,DC=com\"";
            report.error("scope-syntax", text.part(attribute), message, "not `dn`", help);
            return None;
        }
    }
    let rest = word.end..text.value.len();
    let operands = read_operands(report, text, rest.clone(), operator)?;
    let takes_none = matches!(operator, Operator::IsNull | Operator::IsNotNull);
    if takes_none != operands.is_empty() {
        let (message, help) = if takes_none {
            ("this operator takes no value", "leave the value out")
        } else {
            ("this operator needs a value", "write it behind the operator; for the empty text write \"\"")
        };
        let span = if takes_none { text.part(rest) } else { text.part(word) };
        report.error("scope-syntax", span, message, message, help);
        return None;
    }
    let mut operand = Vec::new();
    for (raw, span) in operands {
        operand.push(read_operand(report, text, raw, span, operator, parameter)?);
    }
    Some(Clause { attribute: AttributeName::new(attribute_text), operator, operand })
}

/// The first two words, by their place.
fn words(text: &str) -> Vec<Range<usize>> {
    let mut words = Vec::new();
    let mut start = None;
    for (offset, character) in text.char_indices().chain([(text.len(), ' ')]) {
        match (start, character.is_whitespace()) {
            (None, false) => start = Some(offset),
            (Some(from), true) => {
                words.push(from..offset);
                start = None;
                if words.len() == 2 {
                    break;
                }
            }
            _ => {}
        }
    }
    words
}

fn read_operator(report: &mut Report<'_>, text: &Text, word: Range<usize>) -> Option<Operator> {
    let written = &text.value[word.clone()];
    let known = OPERATORS.iter().find(|(name, _)| *name == written);
    if known.is_none() {
        let help = did_you_mean(written, OPERATORS.iter().map(|(name, _)| *name));
        let message = format!("there is no operator `{written}`");
        report.error("scope-operator-unknown", text.part(word), message, "unknown operator", help);
    }
    known.map(|(_, operator)| *operator)
}

/// The values behind the operator; ISIN and ISNOTIN take several, with `;` between them. A value in double quotes may
/// hold anything, `\"` and `\\` included.
fn read_operands(
    report: &mut Report<'_>,
    text: &Text,
    rest: Range<usize>,
    operator: Operator,
) -> Option<Vec<(String, Range<usize>)>> {
    let several = matches!(operator, Operator::IsIn | Operator::IsNotIn);
    let mut operands = Vec::new();
    let mut position = rest.start;
    let skip_spaces = |position: usize| {
        let rest = &text.value[position..];
        position + (rest.len() - rest.trim_start().len())
    };
    loop {
        position = skip_spaces(position);
        let left = &text.value[position..];
        if left.is_empty() {
            return Some(operands);
        }
        let (value, end) = if let Some(quoted) = left.strip_prefix('"') {
            match unquote(quoted) {
                Some((value, length)) => (value, position + 1 + length),
                None => {
                    let span = text.part(position..text.value.len());
                    report.error(
                        "scope-syntax",
                        span,
                        "this value is not closed",
                        "no closing quote",
                        "close it with \"",
                    );
                    return None;
                }
            }
        } else {
            let length = if several { left.find(';').unwrap_or(left.len()) } else { left.len() };
            (left[..length].trim_end().to_owned(), position + left[..length].trim_end().len())
        };
        operands.push((value, position..end));
        position = skip_spaces(end);
        match text.value[position..].chars().next() {
            None => return Some(operands),
            Some(';') if several => position += 1,
            Some(_) => {
                let span = text.part(position..text.value.len());
                let help = "one value stands behind the operator; put quotes around all of it";
                report.error("scope-syntax", span, "this does not belong to the clause", "behind the value", help);
                return None;
            }
        }
    }
}

/// The text up to the closing quote, and how many bytes it takes with it.
fn unquote(quoted: &str) -> Option<(String, usize)> {
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((offset, character)) = characters.next() {
        match character {
            '"' => return Some((value, offset + 1)),
            '\\' => value.push(characters.next()?.1),
            plain => value.push(plain),
        }
    }
    None
}

fn read_operand(
    report: &mut Report<'_>,
    text: &Text,
    raw: String,
    span: Range<usize>,
    operator: Operator,
    parameter: &dyn Fn(&str) -> Result<Value, String>,
) -> Option<Value> {
    let name = raw.strip_prefix('%').and_then(|rest| rest.strip_suffix('%')).filter(|name| !name.is_empty());
    let value = match name {
        None => Value::text(raw),
        Some(name) => match parameter(name) {
            Ok(value) => value,
            Err(help) => {
                let message = format!("there is no parameter `{name}`");
                report.error("parameter-unknown", text.part(span), message, "unknown parameter", help);
                return None;
            }
        },
    };
    if !matches!(operator, Operator::IsBitSet | Operator::IsNotBitSet) {
        return Some(value);
    }
    // S12: a mask, in decimal or hexadecimal.
    let mask = match &value {
        Value::Integer(mask) => Some(*mask),
        Value::Text(text) => match text.strip_prefix("&H").or_else(|| text.strip_prefix("&h")) {
            Some(hexadecimal) => u64::from_str_radix(hexadecimal, 16).ok().map(u64::cast_signed),
            None => text.parse().ok(),
        },
        _ => None,
    };
    let mask = mask.filter(|mask| *mask != 0);
    if mask.is_none() {
        let help = "a mask is a number such as 2 or &H2; bit 2 of userAccountControl is \"account disabled\"";
        report.error("scope-syntax", text.part(span), "a bit test needs a mask", "not a mask", help);
    }
    mask.map(Value::Integer)
}

/// Code, message, label and help for a clause that cannot mean what it says on an attribute of this kind (S9-S12): it would
/// hold for nobody, or for everybody, without a word.
pub(crate) fn unfit(clause: &Clause, kind: ValueKind) -> Option<(&'static str, String, &'static str, String)> {
    use Operator::*;
    let Clause { attribute, operator, operand } = clause;
    let word = operator_word(*operator);
    if operator.is_about_membership() || *attribute == "dn" {
        return None;
    }
    let is_equality = matches!(operator, Equal | NotEqual | IsIn | IsNotIn);
    let is_order = matches!(operator, LessThan | LessThanOrEqual | GreaterThan | GreaterThanOrEqual);
    let is_presence = matches!(operator, IsNull | IsNotNull);
    let operator_unfit = |what: &str, help: &str| {
        let message = format!("`{attribute}` holds {what}, and {word} says nothing about that");
        Some(("scope-operator-unfit", message, "not for this attribute", help.to_owned()))
    };
    let operand_unfit = |what: &str, fits: &dyn Fn(&Value) -> bool| {
        let odd = operand.iter().find(|operand| !fits(operand))?;
        let message = format!("`{attribute}` holds {what}, and `{odd}` is none: the clause would compare with nothing");
        Some((
            "scope-operand-unfit",
            message,
            "never equal, never greater or smaller",
            format!("compare it with {what}"),
        ))
    };
    match kind {
        ValueKind::Integer if is_equality || is_order => operand_unfit("a number", &|operand| match operand {
            Value::Integer(_) => true,
            operand => operand.to_string().trim().parse::<i64>().is_ok(),
        }),
        ValueKind::Boolean if is_equality => operand_unfit("True or False", &|operand| {
            matches!(operand.to_string().to_lowercase().as_str(), "true" | "false")
        }),
        ValueKind::Boolean if !is_presence => operator_unfit("True or False", "use EQUAL or NOTEQUAL"),
        ValueKind::Binary if !is_equality && !is_presence => {
            operator_unfit("bytes", "use EQUAL or NOTEQUAL with their base64, or ISNULL or ISNOTNULL")
        }
        ValueKind::Reference => operator_unfit(
            "references, which flow one by one",
            "for the members of a group use \"dn ISMEMBEROF GROUP\"; otherwise flow a mark with ValueCount and scope by it",
        ),
        _ => None,
    }
}
