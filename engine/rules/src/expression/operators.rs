//! What operators do with values: arithmetic and concatenation, comparison, and how both go through a list value by
//! value (X13). Never evaluates a node; see evaluate.rs.

use super::data::{Data, Fault, Scalar};
use super::moment::Clock;
use super::syntax::{Arithmetic, Comparison};
use metaverse_schema::Reference;
use std::cmp::Ordering;

pub(super) fn both_many(left: &Data<'_>, right: &Data<'_>) -> bool {
    matches!((left, right), (Data::Many(_), Data::Many(_)))
}

pub(super) fn several_lists() -> Fault {
    Fault::new("expression-several-lists", "two lists of different origin meet where values are taken one by one")
}

pub(super) fn collect<'v>(collected: &mut Vec<Scalar<'v>>, result: Data<'v>) -> Result<(), Fault> {
    match result {
        Data::AuthoritativeNull | Data::IgnoreThisFlow => Err(Fault::type_mismatch(format!(
            "{} stands for a whole attribute, not for one of its values",
            result.describe()
        ))),
        Data::Null => Ok(()),
        Data::One(scalar) => {
            collected.push(scalar);
            Ok(())
        }
        Data::Many(many) => {
            collected.extend(many);
            Ok(())
        }
    }
}

/// Applies a step to each value; NULL stays NULL.
pub(super) fn map_one<'v>(
    data: Data<'v>,
    step: impl Fn(Scalar<'v>) -> Result<Data<'v>, Fault>,
) -> Result<Data<'v>, Fault> {
    match data {
        Data::AuthoritativeNull | Data::IgnoreThisFlow => Err(not_an_operand(&data)),
        data => {
            let mut collected = Vec::new();
            for scalar in data.into_values() {
                collect(&mut collected, step(scalar)?)?;
            }
            Ok(Data::list(collected))
        }
    }
}

/// Applies a step to one value on one side and each value on the other. NULL takes part as a value.
pub(super) fn pairwise<'v>(
    left: Data<'v>,
    right: Data<'v>,
    step: impl Fn(Option<&Scalar<'v>>, Option<&Scalar<'v>>) -> Result<Data<'v>, Fault>,
) -> Result<Data<'v>, Fault> {
    for data in [&left, &right] {
        if matches!(data, Data::AuthoritativeNull | Data::IgnoreThisFlow) {
            return Err(not_an_operand(data));
        }
    }
    let mut collected = Vec::new();
    match (&left, &right) {
        (Data::Many(many), other) => {
            for scalar in many {
                collect(&mut collected, step(Some(scalar), other.values().first())?)?;
            }
            Ok(Data::list(collected))
        }
        (other, Data::Many(many)) => {
            for scalar in many {
                collect(&mut collected, step(other.values().first(), Some(scalar))?)?;
            }
            Ok(Data::list(collected))
        }
        _ => step(left.values().first(), right.values().first()),
    }
}

fn not_an_operand(data: &Data<'_>) -> Fault {
    Fault::type_mismatch(format!("{} is a result of a flow and no operand", data.describe()))
}

pub(super) fn operand_mismatch(operator: &str, wanted: &str, given: &Scalar<'_>) -> Fault {
    Fault::type_mismatch(format!("`{operator}` takes {wanted}, and this is {}", given.kind().with_article()))
}

pub(super) fn overflow() -> Fault {
    Fault::new("expression-overflow", "the result does not fit into a 64-bit number")
}

/// Arithmetic on an absent number is absent; concatenation takes an absent text as empty, and two absent ones as absent.
pub(super) fn calculate<'v>(
    operator: Arithmetic,
    left: Option<&Scalar<'v>>,
    right: Option<&Scalar<'v>>,
) -> Result<Data<'v>, Fault> {
    if operator == Arithmetic::Concatenate {
        return concatenate(left, right);
    }
    let symbol = match operator {
        Arithmetic::Plus => "+",
        Arithmetic::Minus => "-",
        _ => "*",
    };
    let mut numbers = [0i64; 2];
    let mut absent = false;
    for (side, number) in [left, right].into_iter().zip(&mut numbers) {
        match side {
            None => absent = true,
            Some(Scalar::Integer(given)) => *number = *given,
            Some(other) => return Err(operand_mismatch(symbol, "numbers", other)),
        }
    }
    if absent {
        return Ok(Data::Null);
    }
    let [left, right] = numbers;
    match operator {
        Arithmetic::Plus => left.checked_add(right),
        Arithmetic::Minus => left.checked_sub(right),
        _ => left.checked_mul(right),
    }
    .map(Data::integer)
    .ok_or_else(overflow)
}

fn concatenate<'v>(left: Option<&Scalar<'v>>, right: Option<&Scalar<'v>>) -> Result<Data<'v>, Fault> {
    let (Some(first), second) = (left.or(right), left.and(right)) else {
        return Ok(Data::Null);
    };
    match (first, second) {
        (only @ (Scalar::Text(_) | Scalar::Binary(_)), None) => Ok(Data::One(only.clone())),
        (Scalar::Text(text), Some(Scalar::Text(more))) => Ok(Data::text(format!("{text}{more}"))),
        (Scalar::Binary(bytes), Some(Scalar::Binary(more))) => Ok(Data::binary([&**bytes, more].concat())),
        (Scalar::Text(_), Some(other)) => Err(operand_mismatch("&", "texts", other)),
        (Scalar::Binary(_), Some(other)) => Err(operand_mismatch("&", "binary values", other)),
        (other, _) => Err(operand_mismatch("&", "texts", other)),
    }
}

/// X10: text compares with case. X11: with an absent side only `<>` holds.
pub(super) fn compare(
    operator: Comparison,
    left: Option<&Scalar<'_>>,
    right: Option<&Scalar<'_>>,
    clock: Clock<'_>,
) -> Result<Data<'static>, Fault> {
    let (Some(left), Some(right)) = (left, right) else {
        return Ok(Data::boolean(operator == Comparison::NotEqual));
    };
    let ordering = match (left, right) {
        (Scalar::Text(l), Scalar::Text(r)) => l.cmp(r),
        (Scalar::Integer(l), Scalar::Integer(r)) => l.cmp(r),
        (Scalar::Date(l), Scalar::Date(r)) => clock.compares(operator, *l, *r),
        (Scalar::Boolean(l), Scalar::Boolean(r)) if is_equality(operator) => l.cmp(r),
        (Scalar::Binary(l), Scalar::Binary(r)) if is_equality(operator) => l.cmp(r),
        (Scalar::Reference(l), Scalar::Reference(r)) if is_equality(operator) => reference_order(l, r),
        _ => {
            let (left, right) = (left.kind().with_article(), right.kind().with_article());
            return Err(Fault::type_mismatch(format!("{left} and {right} cannot be compared so")));
        }
    };
    Ok(Data::boolean(match operator {
        Comparison::Equal => ordering == Ordering::Equal,
        Comparison::NotEqual => ordering != Ordering::Equal,
        Comparison::Less => ordering == Ordering::Less,
        Comparison::LessOrEqual => ordering != Ordering::Greater,
        Comparison::Greater => ordering == Ordering::Greater,
        Comparison::GreaterOrEqual => ordering != Ordering::Less,
    }))
}

fn is_equality(operator: Comparison) -> bool {
    matches!(operator, Comparison::Equal | Comparison::NotEqual)
}

fn reference_order(left: &Reference, right: &Reference) -> Ordering {
    match (left, right) {
        (Reference::Dn(left), Reference::Dn(right)) => left.normalised().cmp(&right.normalised()),
        _ => left.cmp(right),
    }
}
