//! Drawn values (X49, X65): the same for the same object and attribute, others for others.

use super::object;
use crate::expression::{Expression, Inputs, Outcome};
use metaverse_schema::{Guid, Value, Values};
use std::borrow::Cow;
use std::collections::BTreeSet;

struct Seeded(&'static str);

impl Inputs for Seeded {
    fn attribute(&self, name: &str) -> Option<Cow<'_, Values>> {
        object().attributes.get(name).cloned().map(Cow::Owned)
    }

    fn parameter(&self, _: &str) -> Option<Value> {
        None
    }

    fn now(&self) -> i64 {
        0
    }

    fn seed(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(self.0.as_bytes())
    }
}

fn values(text: &str, seed: &'static str) -> Vec<Value> {
    match Expression::parse(text).unwrap().evaluate(&Seeded(seed)) {
        Ok(Outcome::Values(values)) => values.into_iter().collect(),
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn x49_a_guid_is_that_of_its_object() {
    let guid = values("Guid()", "ann");
    assert_eq!(guid, values("Guid()", "ann"));
    assert_ne!(guid, values("Guid()", "bob"));
    assert_ne!(guid, values("LCase(Guid())", "ann"), "another expression draws another value");
    let text = guid[0].as_text().unwrap();
    assert!(text.parse::<Guid>().is_ok() && *text == text.to_lowercase(), "{text}");
    assert_eq!(&text[14..15], "8", "the version of values of one's own making: {text}");
    assert_eq!(values("Guid() = Guid()", "ann"), [Value::Boolean(false)], "each call draws anew");
    assert_eq!(values("Select($i,[otherPhone],Guid())", "ann").len(), 3, "and each value of a list");
}

#[test]
fn x65_a_number_lies_within_its_bounds() {
    let seeds = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q", "r", "s", "t"];
    let drawn: BTreeSet<Value> = seeds.iter().flat_map(|seed| values("RandomNum(1,3)", seed)).collect();
    assert_eq!(drawn.into_iter().collect::<Vec<_>>(), [1, 2, 3].map(Value::Integer));
    assert_eq!(values("RandomNum(7,7)", "a"), [Value::Integer(7)]);
    assert_eq!(values("RandomNum(-9223372036854775808,9223372036854775807)", "a").len(), 1);
    let error = Expression::parse("RandomNum(2,1)").unwrap().evaluate(&Seeded("a")).unwrap_err();
    assert_eq!(error.to_string(), "expression-invalid-argument: `RandomNum` has no number from 2 to 1");
}

#[test]
fn drawing_is_known_before_it_happens() {
    assert!(Expression::parse("IIF([flag],\"x\",Guid())").unwrap().draws());
    assert!(Expression::parse("CStr(RandomNum(1,2))").unwrap().draws());
    assert!(!Expression::parse("FormatDateTime(Now(),\"yyyy\")").unwrap().draws());
}

/// Without anything that tells objects apart every object draws the same, as the expression bench does.
#[test]
fn x49_without_a_seed_everybody_draws_the_same() {
    let drawn = Expression::parse("Guid()").unwrap().evaluate(&object()).unwrap();
    assert_eq!(drawn, Outcome::Values(values("Guid()", "").into_iter().collect()));
}
