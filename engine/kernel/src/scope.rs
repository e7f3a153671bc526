//! Scope: which rules apply to an object (S7-S12). Looks at values only; links do not matter here.

use metaverse_schema::{Value, Values};
use std::cmp::Ordering;
use sync_rules::{Clause, Operator, Rule};

/// Whether the object is in a rule's scope: any group of which every clause holds; no group is always in scope (S7).
pub fn rule_in_scope<'a>(rule: &Rule, attribute: impl Fn(&str) -> Option<std::borrow::Cow<'a, Values>>) -> bool {
    rule.scope.is_empty()
        || rule.scope.iter().any(|group| {
            group.iter().all(|clause| clause_holds(clause, attribute(clause.attribute.as_str()).as_deref()))
        })
}

/// One clause against the attribute's values; none is absent. Negated operators are true on an absent attribute, positive
/// ones false (S10). On several values a positive operator asks whether any holds.
pub fn clause_holds(clause: &Clause, values: Option<&Values>) -> bool {
    let values = values.map_or(&[][..], Values::as_slice);
    let operand = clause.operand.first();
    let any = |test: &dyn Fn(&Value, &Value) -> bool| {
        operand.is_some_and(|operand| values.iter().any(|value| test(value, operand)))
    };
    let compared = |wanted: &[Ordering]| {
        any(&|value, operand| compare(value, operand).is_some_and(|order| wanted.contains(&order)))
    };
    let contains = || any(&|value, operand| folded(value).contains(&folded(operand)));
    let starts = || any(&|value, operand| folded(value).starts_with(&folded(operand)));
    let ends = || any(&|value, operand| folded(value).ends_with(&folded(operand)));
    let is_in = || values.iter().any(|value| clause.operand.iter().any(|operand| equal(value, operand)));
    let bits =
        || any(&|value, mask| matches!((number(value), number(mask)), (Some(value), Some(mask)) if value & mask != 0));
    match clause.operator {
        Operator::Equal => any(&equal),
        Operator::NotEqual => !any(&equal),
        Operator::LessThan => compared(&[Ordering::Less]),
        Operator::LessThanOrEqual => compared(&[Ordering::Less, Ordering::Equal]),
        Operator::GreaterThan => compared(&[Ordering::Greater]),
        Operator::GreaterThanOrEqual => compared(&[Ordering::Greater, Ordering::Equal]),
        Operator::Contains => contains(),
        Operator::NotContains => !contains(),
        Operator::StartsWith => starts(),
        Operator::NotStartsWith => !starts(),
        Operator::EndsWith => ends(),
        Operator::NotEndsWith => !ends(),
        Operator::IsNull => values.is_empty(),
        Operator::IsNotNull => !values.is_empty(),
        Operator::IsIn => is_in(),
        Operator::IsNotIn => !is_in(),
        Operator::IsBitSet => bits(),
        Operator::IsNotBitSet => !bits(),
    }
}

/// S11: constants in scope ignore case; numbers are compared as numbers (S9).
fn equal(value: &Value, operand: &Value) -> bool {
    compare(value, operand) == Some(Ordering::Equal)
}

fn compare(value: &Value, operand: &Value) -> Option<Ordering> {
    match value {
        Value::Integer(value) => number(operand).map(|operand| value.cmp(&operand)),
        Value::Binary(_) => (value == operand).then_some(Ordering::Equal),
        _ => Some(folded(value).cmp(&folded(operand))),
    }
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

    fn check(operator: Operator, value: Option<Value>, operand: &str, holds: bool) {
        let clause = Clause { attribute: "a".into(), operator, operand: vec![Value::text(operand)] };
        let values = value.map(Values::single);
        assert_eq!(clause_holds(&clause, values.as_ref()), holds, "{operator:?} {values:?} {operand}");
    }

    /// T12 (S10), T13 (S9), T14 (S12).
    #[test]
    fn absent_numeric_and_bits() {
        check(Operator::NotEqual, None, "True", true);
        check(Operator::NotEqual, Some(Value::Boolean(true)), "TRUE", false);
        check(Operator::NotStartsWith, None, "User_", true);
        check(Operator::StartsWith, None, "User_", false);
        for (members, holds) in [(9, true), (49_999, true), (50_000, false), (50_001, false)] {
            check(Operator::LessThan, Some(Value::Integer(members)), "50000", holds);
        }
        for (control, holds) in [(512, true), (514, false), (66_048, true)] {
            check(Operator::IsNotBitSet, Some(Value::Integer(control)), "2", holds);
        }
        check(Operator::IsNotBitSet, None, "2", true);
        check(Operator::EndsWith, Some(Value::text("x@Contoso.LOCAL")), "@contoso.local", true);
    }
}
