//! Literals and operators, one table of each: the parser reads them and the manual prints them, so that a word is added in
//! one place. Functions have a table of their own.

use super::data::Data;
use super::syntax::{Arithmetic, Comparison};
use std::fmt::Write as _;

pub(super) struct Literal {
    pub(super) word: &'static str,
    pub(super) data: fn() -> Data<'static>,
    doc: &'static str,
}

/// Bare words that are values; case-sensitive (X2).
pub(super) const LITERALS: [Literal; 6] = [
    Literal { word: "True", data: || Data::boolean(true), doc: "The truth value." },
    Literal { word: "False", data: || Data::boolean(false), doc: "The other one." },
    Literal { word: "NULL", data: || Data::Null, doc: "No value: the flow of the next precedence has its turn." },
    Literal {
        word: "AuthoritativeNull",
        data: || Data::AuthoritativeNull,
        doc: "No value, and no other flow has a turn. Only as the result of an expression.",
    },
    Literal {
        word: "IgnoreThisFlow",
        data: || Data::IgnoreThisFlow,
        doc: "As if this flow did not exist. Only as the result of an expression.",
    },
    Literal { word: "CRLF", data: || Data::text("\r\n"), doc: "A line break: carriage return and line feed." },
];

/// The tightest tier, left to right, all alike (X7).
pub(super) const ARITHMETIC: [(&str, Arithmetic, &str); 4] = [
    ("+", Arithmetic::Plus, "Sum of two numbers."),
    ("-", Arithmetic::Minus, "Difference of two numbers; before one number its negative."),
    ("*", Arithmetic::Times, "Product of two numbers."),
    (
        "&",
        Arithmetic::Concatenate,
        "Two texts as one, or two binary values. Before hexadecimal digits `&H` begins a number, except behind a value.",
    ),
];

pub(super) const COMPARISONS: [(&str, Comparison, &str); 6] = [
    ("=", Comparison::Equal, "Equal; texts with regard to case, DNs without."),
    ("<>", Comparison::NotEqual, "Not equal; holds too when one side or both are absent."),
    ("<", Comparison::Less, "Smaller: numbers, dates, and texts by their characters."),
    ("<=", Comparison::LessOrEqual, "Smaller or equal."),
    (">", Comparison::Greater, "Greater."),
    (">=", Comparison::GreaterOrEqual, "Greater or equal."),
];

pub(super) const AND: (&str, &str) = ("&&", "Both hold; the right side is computed only when the left one holds.");
pub(super) const OR: (&str, &str) =
    ("||", "One of them holds; the right side is computed only when the left one does not.");

/// What a value can be written as, for the manual; each example is a whole expression.
const FORMS: [(&str, &str); 9] = [
    (
        "[displayName]",
        "An attribute; absent when the object has no value. `[dn]` is the object's DN, a reference; `[rdn]` its first part, a text with DN escapes.",
    ),
    ("%Domain.FQDN%", "A parameter."),
    ("$item", "A variable that With, Select or Where declares."),
    (
        r#""text""#,
        r#"A text, in straight double quotes; `\\` is a backslash, `\"` or `""` a quote, `\n` `\r` `\t` line feed, carriage return and tab."#,
    ),
    ("512", "A whole number of at most 64 bits."),
    ("-2147483648", "A negative one."),
    ("&H200", "A hexadecimal number of at most 16 digits; all sixteen reach the sign, so `&HFFFFFFFFFFFFFFFF` is -1."),
    ("Trim([cn])", "A call of a function; white space and line breaks may stand anywhere between the parts."),
    ("([a] & [b])", "Parentheses: computed first."),
];

/// Literals and operators as Markdown; `docs/rules-reference.md` carries it.
pub fn language_reference() -> String {
    let mut text = String::from("\n| Value | |\n|---|---|\n");
    for (form, doc) in FORMS {
        let _ = writeln!(text, "| `{form}` | {doc} |");
    }
    for literal in &LITERALS {
        let _ = writeln!(text, "| `{}` | {} |", literal.word, literal.doc);
    }
    text.push_str("\n| Operator, tightest first | |\n|---|---|\n");
    let tiers = ARITHMETIC
        .map(|(symbol, _, doc)| (1, symbol, doc))
        .into_iter()
        .chain(COMPARISONS.map(|(symbol, _, doc)| (2, symbol, doc)))
        .chain([(3, AND.0, AND.1), (4, OR.0, OR.1)]);
    for (tier, symbol, doc) in tiers {
        // A bar would end the cell of the table.
        let _ = writeln!(text, "| {tier}: `{}` | {doc} |", symbol.replace('|', "\\|"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expression::Expression;

    /// Each tier binds tighter than the next: `a op1 b op2 c` with the looser first is `a op1 (b op2 c)`.
    #[test]
    fn x7_the_printed_tiers_are_those_of_the_parser() {
        let shape = |text: &str| format!("{:?}", Expression::parse(text).unwrap().0.root.kind);
        let without_spans = |text: &str| {
            let mut shape = shape(text);
            while let Some(start) = shape.find("span: ") {
                let end = shape[start..].find(" }").map_or(shape.len(), |end| start + end);
                shape.replace_range(start..end, "");
            }
            shape
        };
        for (comparison, ..) in COMPARISONS {
            for (arithmetic, ..) in ARITHMETIC {
                let (plain, grouped) = (
                    format!("[a] {comparison} [b] {arithmetic} [c]"),
                    format!("[a] {comparison} ([b] {arithmetic} [c])"),
                );
                assert_eq!(without_spans(&plain), without_spans(&grouped), "{plain}");
            }
            for logical in [AND.0, OR.0] {
                let (plain, grouped) =
                    (format!("[a] {logical} [b] {comparison} [c]"), format!("[a] {logical} ([b] {comparison} [c])"));
                assert_eq!(without_spans(&plain), without_spans(&grouped), "{plain}");
            }
        }
        assert_eq!(without_spans("[a] || [b] && [c]"), without_spans("[a] || ([b] && [c])"));
        assert_ne!(without_spans("[a] && [b] || [c]"), without_spans("[a] && ([b] || [c])"));
    }

    #[test]
    fn every_printed_form_is_read() {
        for (form, _) in FORMS {
            let text = if form.starts_with('$') { format!("With({form},[a],{form})") } else { form.to_owned() };
            assert!(Expression::parse(&text).is_ok(), "{text}");
        }
        for literal in &LITERALS {
            assert!(Expression::parse(literal.word).is_ok(), "{}", literal.word);
            let wrong = literal.word.to_lowercase();
            let problems = Expression::parse(&wrong).unwrap_err();
            assert!(problems[0].help.contains(literal.word), "{wrong}: {}", problems[0].help);
        }
    }
}
