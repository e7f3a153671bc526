//! Scope: which rules apply to an object (S7-S12). Looks at values and at memberships of the groups that rules name; links
//! do not matter here.

use metaverse_schema::{Value, Values};
use std::borrow::Cow;
use std::cmp::Ordering;
use sync_rules::{Clause, Operator, Rule};

/// Whether the object is in a rule's scope: any group of which every clause holds; no group is always in scope (S7).
/// `is_member` answers for the groups that clauses name, as they are written there.
pub fn rule_in_scope<'a>(
    rule: &Rule,
    attribute: impl Fn(&str) -> Option<Cow<'a, Values>>,
    is_member: impl Fn(&str) -> bool,
) -> bool {
    let holds =
        |clause: &Clause| clause_of_object_holds(clause, attribute(clause.attribute.as_str()).as_deref(), &is_member);
    rule.scope.is_empty() || rule.scope.iter().any(|group| group.iter().all(holds))
}

/// One clause in full: about a membership, or about the attribute's values.
pub(crate) fn clause_of_object_holds(
    clause: &Clause,
    values: Option<&Values>,
    is_member: &impl Fn(&str) -> bool,
) -> bool {
    match clause.operator {
        Operator::IsMemberOf => names_group(clause, is_member),
        Operator::IsNotMemberOf => !names_group(clause, is_member),
        _ => clause_holds(clause, values),
    }
}

fn names_group(clause: &Clause, is_member: &impl Fn(&str) -> bool) -> bool {
    clause.operand.first().and_then(Value::as_text).is_some_and(is_member)
}

/// One clause against the attribute's values; none is absent. Negated operators are the exact opposite of the positive
/// ones: true on an absent attribute, and on several values only when the positive one holds for none of them (S10).
/// A clause about a membership holds for nobody here; it looks at no attribute.
pub fn clause_holds(clause: &Clause, values: Option<&Values>) -> bool {
    let values = values.map_or(&[][..], Values::as_slice);
    let operand = clause.operand.first();
    let any = |test: fn(&Value, &Value) -> bool| {
        operand.is_some_and(|operand| values.iter().any(|value| test(value, operand)))
    };
    let is_in = || values.iter().any(|value| clause.operand.iter().any(|operand| equal(value, operand)));
    match clause.operator {
        Operator::Equal => any(equal),
        Operator::NotEqual => !any(equal),
        Operator::LessThan => any(|value, operand| order(value, operand).is_some_and(Ordering::is_lt)),
        Operator::LessThanOrEqual => any(|value, operand| order(value, operand).is_some_and(Ordering::is_le)),
        Operator::GreaterThan => any(|value, operand| order(value, operand).is_some_and(Ordering::is_gt)),
        Operator::GreaterThanOrEqual => any(|value, operand| order(value, operand).is_some_and(Ordering::is_ge)),
        Operator::Contains => any(contains),
        Operator::NotContains => !any(contains),
        Operator::StartsWith => any(starts_with),
        Operator::NotStartsWith => !any(starts_with),
        Operator::EndsWith => any(ends_with),
        Operator::NotEndsWith => !any(ends_with),
        Operator::IsNull => values.is_empty(),
        Operator::IsNotNull => !values.is_empty(),
        Operator::IsIn => is_in(),
        Operator::IsNotIn => !is_in(),
        Operator::IsBitSet => any(has_bits),
        Operator::IsNotBitSet => !any(has_bits),
        Operator::IsMemberOf => false,
        Operator::IsNotMemberOf => true,
    }
}

/// S11: text ignores case; numbers are compared as numbers (S9), bytes as their base64 to the letter.
fn equal(value: &Value, operand: &Value) -> bool {
    match value {
        Value::Integer(value) => number(operand) == Some(*value),
        Value::Binary(_) => value.to_string() == operand.to_string(),
        // Without a letter outside ASCII nothing needs to be written anew to be compared.
        Value::Text(text) if text.is_ascii() => match operand {
            Value::Text(operand) if operand.is_ascii() => text.eq_ignore_ascii_case(operand),
            _ => folded(value) == folded(operand),
        },
        _ => folded(value) == folded(operand),
    }
}

/// Greater or smaller is known of numbers and of texts alone; a number has no order with what is no number.
fn order(value: &Value, operand: &Value) -> Option<Ordering> {
    match value {
        Value::Integer(value) => number(operand).map(|operand| value.cmp(&operand)),
        Value::Text(_) => Some(folded(value).cmp(&folded(operand))),
        _ => None,
    }
}

fn contains(value: &Value, operand: &Value) -> bool {
    part(value).is_some_and(|value| value.contains(&folded(operand)))
}

fn starts_with(value: &Value, operand: &Value) -> bool {
    if let (Value::Text(text), Value::Text(operand)) = (value, operand)
        && text.is_ascii()
        && operand.is_ascii()
    {
        return text.get(..operand.len()).is_some_and(|beginning| beginning.eq_ignore_ascii_case(operand));
    }
    part(value).is_some_and(|value| value.starts_with(&folded(operand)))
}

fn ends_with(value: &Value, operand: &Value) -> bool {
    part(value).is_some_and(|value| value.ends_with(&folded(operand)))
}

/// Bytes have no parts that a text could name.
fn part(value: &Value) -> Option<String> {
    (!matches!(value, Value::Binary(_))).then(|| folded(value))
}

/// S12: the operand is a mask; all of its bits must be there, as in the function `IsBitSet`.
fn has_bits(value: &Value, mask: &Value) -> bool {
    matches!((number(value), number(mask)), (Some(value), Some(mask)) if mask != 0 && value & mask == mask)
}

fn folded(value: &Value) -> String {
    value.to_string().to_lowercase()
}

fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Integer(number) => Some(*number),
        Value::Text(text) => text.trim().parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};
    use std::fmt::Write as _;

    fn holds(operator: Operator, values: Option<&Values>, operand: &[Value]) -> bool {
        clause_holds(&Clause { attribute: "a".into(), operator, operand: operand.to_vec() }, values)
    }

    fn check(operator: Operator, value: Option<Value>, operand: &str, expected: bool) {
        let values = value.map(Values::single);
        let found = holds(operator, values.as_ref(), &[Value::text(operand)]);
        assert_eq!(found, expected, "{operator:?} {values:?} {operand}");
    }

    /// S10: what is absent is not equal to anything and begins with nothing.
    #[test]
    fn t12_negated_operators_hold_on_an_absent_attribute() {
        check(Operator::NotEqual, None, "True", true);
        check(Operator::NotEqual, Some(Value::Boolean(false)), "TRUE", true);
        check(Operator::NotEqual, Some(Value::Boolean(true)), "true", false);
        check(Operator::NotEqual, Some(Value::text("")), "True", true);
        check(Operator::NotStartsWith, None, "User_", true);
        check(Operator::NotStartsWith, Some(Value::text("user_x")), "User_", false);
        check(Operator::StartsWith, None, "User_", false);
    }

    /// S9: a number is compared as a number; as texts, 9 would stand behind 50000.
    #[test]
    fn t13_numbers_are_compared_as_numbers() {
        for (members, expected) in [(9, true), (49_999, true), (50_000, false), (50_001, false)] {
            check(Operator::LessThan, Some(Value::Integer(members)), "50000", expected);
        }
        check(Operator::LessThan, None, "50000", false);
        // Nothing is greater or smaller than what is no number, and nothing equals it.
        for operator in [Operator::LessThan, Operator::GreaterThan, Operator::LessThanOrEqual, Operator::Equal] {
            check(operator, Some(Value::Integer(9)), "many", false);
        }
        check(Operator::NotEqual, Some(Value::Integer(9)), "many", true);
    }

    /// S12: the operand is the mask of the bit, 2, and not its number.
    #[test]
    fn t14_bits_are_named_by_their_mask() {
        for (control, expected) in [(512, true), (514, false), (66_048, true)] {
            check(Operator::IsNotBitSet, Some(Value::Integer(control)), "2", expected);
        }
        check(Operator::IsNotBitSet, None, "2", true);
        check(Operator::IsBitSet, None, "2", false);
        // Of a mask of several bits, all must be there.
        check(Operator::IsBitSet, Some(Value::Integer(514)), "514", true);
        check(Operator::IsBitSet, Some(Value::Integer(512)), "514", false);
        check(Operator::IsNotBitSet, Some(Value::Integer(512)), "514", true);
    }

    /// Every operator against every kind of value. `x` holds.
    fn table(operand: &[Value], expect: Expect) {
        let binary = Value::Binary(vec![0, 16, 131]); // base64 ABCD
        let columns: [(&str, Option<Values>); 8] = [
            ("absent", None),
            ("Ann", Some(Value::text("Ann").into())),
            ("9", Some(Value::text("9").into())),
            ("#9", Some(Value::Integer(9).into())),
            ("#70", Some(Value::Integer(70).into())),
            ("True", Some(Value::Boolean(true).into())),
            ("b64ABCD", Some(binary.into())),
            ("Ann,Bob", Some([Value::text("Ann"), Value::text("Bob")].into_iter().collect())),
        ];
        let operators = [
            Operator::Equal,
            Operator::NotEqual,
            Operator::LessThan,
            Operator::LessThanOrEqual,
            Operator::GreaterThan,
            Operator::GreaterThanOrEqual,
            Operator::Contains,
            Operator::NotContains,
            Operator::StartsWith,
            Operator::NotStartsWith,
            Operator::EndsWith,
            Operator::NotEndsWith,
            Operator::IsNull,
            Operator::IsNotNull,
            Operator::IsIn,
            Operator::IsNotIn,
            Operator::IsBitSet,
            Operator::IsNotBitSet,
        ];
        let mut text = format!("{:<20}", "");
        columns.iter().for_each(|(name, _)| write!(text, "{name:>8}").unwrap());
        for operator in operators {
            write!(text, "\n{:<20}", format!("{operator:?}")).unwrap();
            for (_, values) in &columns {
                write!(text, "{:>8}", if holds(operator, values.as_ref(), operand) { "x" } else { "." }).unwrap();
            }
        }
        text.push('\n');
        expect.assert_eq(&text);
    }

    #[test]
    fn every_operator_against_a_text() {
        table(
            &[Value::text("ann")],
            expect![[r#"
                                  absent     Ann       9      #9     #70    True b64ABCD Ann,Bob
            Equal                      .       x       .       .       .       .       .       x
            NotEqual                   x       .       x       x       x       x       x       .
            LessThan                   .       .       x       .       .       .       .       .
            LessThanOrEqual            .       x       x       .       .       .       .       x
            GreaterThan                .       .       .       .       .       .       .       x
            GreaterThanOrEqual         .       x       .       .       .       .       .       x
            Contains                   .       x       .       .       .       .       .       x
            NotContains                x       .       x       x       x       x       x       .
            StartsWith                 .       x       .       .       .       .       .       x
            NotStartsWith              x       .       x       x       x       x       x       .
            EndsWith                   .       x       .       .       .       .       .       x
            NotEndsWith                x       .       x       x       x       x       x       .
            IsNull                     x       .       .       .       .       .       .       .
            IsNotNull                  .       x       x       x       x       x       x       x
            IsIn                       .       x       .       .       .       .       .       x
            IsNotIn                    x       .       x       x       x       x       x       .
            IsBitSet                   .       .       .       .       .       .       .       .
            IsNotBitSet                x       x       x       x       x       x       x       x
        "#]],
        );
    }

    #[test]
    fn every_operator_against_a_number() {
        table(
            &[Value::text("9")],
            expect![[r#"
                                  absent     Ann       9      #9     #70    True b64ABCD Ann,Bob
            Equal                      .       .       x       x       .       .       .       .
            NotEqual                   x       x       .       .       x       x       x       x
            LessThan                   .       .       .       .       .       .       .       .
            LessThanOrEqual            .       .       x       x       .       .       .       .
            GreaterThan                .       x       .       .       x       .       .       x
            GreaterThanOrEqual         .       x       x       x       x       .       .       x
            Contains                   .       .       x       x       .       .       .       .
            NotContains                x       x       .       .       x       x       x       x
            StartsWith                 .       .       x       x       .       .       .       .
            NotStartsWith              x       x       .       .       x       x       x       x
            EndsWith                   .       .       x       x       .       .       .       .
            NotEndsWith                x       x       .       .       x       x       x       x
            IsNull                     x       .       .       .       .       .       .       .
            IsNotNull                  .       x       x       x       x       x       x       x
            IsIn                       .       .       x       x       .       .       .       .
            IsNotIn                    x       x       .       .       x       x       x       x
            IsBitSet                   .       .       x       x       .       .       .       .
            IsNotBitSet                x       x       .       .       x       x       x       x
        "#]],
        );
    }

    #[test]
    fn every_operator_against_a_truth_value() {
        table(
            &[Value::text("TRUE")],
            expect![[r#"
                                  absent     Ann       9      #9     #70    True b64ABCD Ann,Bob
            Equal                      .       .       .       .       .       x       .       .
            NotEqual                   x       x       x       x       x       .       x       x
            LessThan                   .       x       x       .       .       .       .       x
            LessThanOrEqual            .       x       x       .       .       .       .       x
            GreaterThan                .       .       .       .       .       .       .       .
            GreaterThanOrEqual         .       .       .       .       .       .       .       .
            Contains                   .       .       .       .       .       x       .       .
            NotContains                x       x       x       x       x       .       x       x
            StartsWith                 .       .       .       .       .       x       .       .
            NotStartsWith              x       x       x       x       x       .       x       x
            EndsWith                   .       .       .       .       .       x       .       .
            NotEndsWith                x       x       x       x       x       .       x       x
            IsNull                     x       .       .       .       .       .       .       .
            IsNotNull                  .       x       x       x       x       x       x       x
            IsIn                       .       .       .       .       .       x       .       .
            IsNotIn                    x       x       x       x       x       .       x       x
            IsBitSet                   .       .       .       .       .       .       .       .
            IsNotBitSet                x       x       x       x       x       x       x       x
        "#]],
        );
    }

    /// Parameters keep their kind, and it makes no difference (S12).
    #[test]
    fn operands_of_parameters_compare_as_their_text_does() {
        let columns = [Value::text("9"), Value::Integer(9), Value::Integer(70), Value::Boolean(true)];
        for operator in [Operator::Equal, Operator::NotEqual, Operator::LessThan, Operator::IsIn, Operator::IsBitSet] {
            for value in &columns {
                let values = Values::single(value.clone());
                for (typed, text) in [(Value::Integer(9), "9"), (Value::Boolean(true), "true")] {
                    assert_eq!(
                        holds(operator, Some(&values), &[typed]),
                        holds(operator, Some(&values), &[Value::text(text)]),
                        "{operator:?} {values:?} {text}"
                    );
                }
            }
        }
    }

    #[test]
    fn binary_values_equal_their_base64_to_the_letter() {
        check(Operator::Equal, Some(Value::Binary(vec![0, 16, 131])), "abcd", false);
        check(Operator::Equal, Some(Value::Binary(vec![0, 16, 131])), "ABCD", true);
    }
}
