//! A function of one text over one attribute is computed without an evaluator; it must be what the evaluator computes, errors
//! included.

use super::{Object, object};
use crate::expression::functions::{self, Run};
use crate::expression::{Expression, Outcome};
use metaverse_schema::{Value, Values};

/// The functions that have the shorter way.
fn of_text() -> Vec<&'static str> {
    let all = functions::all().iter();
    all.filter(|function| matches!(function.run, Run::Text(_))).map(|function| function.name).collect()
}

fn holding(values: Values) -> Object {
    let mut object = object();
    object.attributes.set("given", values);
    object
}

fn texts(texts: &[&str]) -> Values {
    texts.iter().map(|text| Value::text(*text)).collect()
}

/// Of an error its code and message: the two texts differ.
fn outcome(text: &str, object: &Object) -> Result<Outcome, (&'static str, String)> {
    Expression::parse(text).unwrap().evaluate(object).map_err(|error| (error.code, error.message))
}

#[test]
fn the_shorter_way_gives_what_the_evaluator_gives() {
    let long = " Long ".repeat(400_000);
    let held = [
        Values::default(),
        texts(&[" Ann  Smith "]),
        texts(&[""]),
        texts(&[" \t "]),
        texts(&["STRASSE", "straße", "Straße "]),
        // What is left of them is the same, or nothing.
        texts(&["b", "a ", "a", " a", " "]),
        texts(&["  ", ""]),
        texts(&[&long]),
        Value::Integer(5).into(),
        Value::Boolean(true).into(),
        Value::Binary(vec![1, 2]).into(),
        [Value::text(" a "), Value::Integer(5)].into_iter().collect(),
    ];
    assert_eq!(of_text(), ["LCase", "LTrim", "PCase", "RTrim", "Trim", "UCase"]);
    for name in of_text() {
        for values in &held {
            let object = holding(values.clone());
            let shorter = outcome(&format!("{name}([given])"), &object);
            assert_eq!(shorter, outcome(&format!("With($it,[given],{name}($it))"), &object), "{name} {values:?}");
        }
    }
}

/// X14: the work is bounded on the shorter way too.
#[test]
fn too_long_a_text_is_too_much_work() {
    let object = holding(texts(&[&"x".repeat(9 << 20)]));
    for name in of_text() {
        assert_eq!(outcome(&format!("{name}([given])"), &object).unwrap_err().0, "expression-too-much-work", "{name}");
    }
}

#[test]
fn the_error_names_the_function_and_what_it_got() {
    let object = holding(Value::Integer(5).into());
    let error = Expression::parse("Trim([given])").unwrap().evaluate(&object).unwrap_err();
    let shown = format!("{error} at {:?}", error.span);
    expect_test::expect!["expression-type-mismatch: `Trim` takes a text as `text`, and this is a number at 0..13"]
        .assert_eq(&shown);
}
