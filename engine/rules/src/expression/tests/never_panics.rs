//! A property: no text and no object makes parsing or evaluating panic, and an accepted expression has a place in
//! every error.

use super::{certificates, object};
use crate::expression::Expression;
use crate::expression::functions::{self, Accepts, FunctionGroup};
use metaverse_schema::Value;
use proptest::prelude::*;

fn leaf() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "[sn]",
        "[none]",
        "[empty]",
        "[smile]",
        "[proxyAddresses]",
        "[otherPhone]",
        "[userAccountControl]",
        "[objectGUID]",
        "[objectSid]",
        "[flag]",
        "[dn]",
        "NULL",
        "True",
        "IgnoreThisFlow",
        "AuthoritativeNull",
        "\"\"",
        "\"a,b\"",
        "\"\u{1F600}x\"",
        "0",
        "1",
        "-1",
        "2",
        "9223372036854775807",
        "-9223372036854775808",
        "&HFFFFFFFFFFFFFFFF",
        "%Domain.FQDN%",
        "Now()",
        "CDate(\"2013-01-10\")",
        "DateFromNum(9223372036854775807)",
        "DateFromNum(-9223372036854775808)",
        "CRef([dn])",
        "\"CN=a,DC=b\"",
        "\"2013-01-10 4:00 PM -8\"",
        "\"m\"",
        "\"ww\"",
        "\"yyyy-MM-dd fff\"",
        "\"a:b,c:\"",
        "[certificate]",
        "\"MIIB\"",
        "$v",
    ])
    .prop_map(str::to_owned)
}

fn expression() -> impl Strategy<Value = String> {
    leaf().prop_recursive(5, 40, 4, |inner| {
        let operators = prop::sample::select(vec!["+", "-", "*", "&", "=", "<>", "<", ">=", "&&", "||"]);
        prop_oneof![
            (inner.clone(), operators, inner.clone())
                .prop_map(|(left, operator, right)| format!("({left} {operator} {right})")),
            inner.clone().prop_map(|inner| format!("-{inner}")),
            (0..functions::all().len(), prop::collection::vec(inner, 6), 0..3usize).prop_map(
                |(index, arguments, more)| {
                    let function = &functions::all()[index];
                    let wanted = function.parameters.iter().filter(|parameter| !parameter.optional).count();
                    let count = match function.repeats {
                        0 => (wanted + more).min(function.parameters.len()),
                        step => wanted + more * step,
                    };
                    let given: Vec<String> = (0..count)
                        .map(|position| match function.parameter(position).map(|parameter| parameter.accepts) {
                            Some(Accepts::Variable) => "$v".to_owned(),
                            Some(Accepts::Name) => "\"proxyAddresses\"".to_owned(),
                            Some(Accepts::Word(words)) => words[more % words.len()].to_owned(),
                            _ => arguments[position % arguments.len()].clone(),
                        })
                        .collect();
                    format!("{}({})", function.name, given.join(","))
                }
            ),
        ]
    })
}

fn exercise(text: &str) -> Option<bool> {
    let parsed = match Expression::parse(text) {
        Ok(parsed) => parsed,
        Err(problems) => {
            assert!(!problems.is_empty());
            for problem in problems {
                assert!(text.get(problem.span.clone()).is_some(), "{problem:?} in {text}");
            }
            return None;
        }
    };
    let first = parsed.evaluate(&object());
    assert_eq!(first, parsed.evaluate(&object()), "the same inputs give the same outcome");
    if let Err(error) = &first {
        assert!(text.get(error.span.clone()).is_some(), "{error:?} in {text}");
    }
    Some(first.is_ok())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn generated_expressions(text in expression()) {
        exercise(&text);
    }

    #[test]
    fn any_text(text in "\\PC{0,60}") {
        exercise(&text);
    }

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        exercise(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn pieces_of_dates(pieces in prop::collection::vec(prop::sample::select(vec![
        "2013", "-", "/", "12", "1", "31", " ", "T", ":", ".", ",", "Z", "+", "PM", "January", "20140905081453", "999999999", "0",
    ]), 0..14)) {
        exercise(&format!("IsDate(\"{0}\") && FormatDateTime(CDate(\"{0}\"),\"s\") = \"0\"", pieces.concat()));
    }

    /// A certificate with some bytes changed, cut or doubled reaches every reader of certificates.
    #[test]
    fn damaged_certificates(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4), cut in 0..4usize) {
        let mut object = certificates::with_certificates();
        let mut bytes = certificates::ann_der();
        for (place, byte) in &changes {
            let place = place.index(bytes.len());
            bytes[place] = *byte;
        }
        if cut == 0 {
            bytes.truncate(bytes.len() / 2);
        }
        object.attributes.set("certificate", Value::Binary(bytes));
        for function in functions::all().iter().filter(|function| function.group == FunctionGroup::Certificate) {
            let text = match function.name {
                "CertNameInfo" => "CertNameInfo([certificate],\"UpnName\",False)".to_owned(),
                name => format!("{name}([certificate])"),
            };
            let _ = Expression::parse_computation(&text, None).unwrap().compute(&object);
        }
    }

    #[test]
    fn pieces_of_the_language(pieces in prop::collection::vec(prop::sample::select(vec![
        "(", ")", ",", "[sn]", "\"", "\\", "&", "&H", "&&", "||", "-", "1", "IIF", "Trim", "With", "$v", "%", "=", "<", ">", " ",
    ]), 0..30)) {
        exercise(&pieces.concat());
    }
}

#[test]
fn an_undamaged_certificate_is_read() {
    let mut object = certificates::with_certificates();
    object.attributes.set("certificate", Value::Binary(certificates::ann_der()));
    assert_eq!(super::evaluated_on(&object, "IsCert([certificate])"), "True");
}

/// The generator is of use only while a good part of what it makes is accepted and succeeds.
#[test]
fn the_generator_reaches_the_evaluator() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let (mut accepted, mut succeeded) = (0, 0);
    for _ in 0..1000 {
        let text = expression().new_tree(&mut runner).unwrap().current();
        match exercise(&text) {
            None => {}
            Some(ok) => {
                accepted += 1;
                succeeded += usize::from(ok);
            }
        }
    }
    assert!(accepted > 200 && succeeded > 100, "{accepted} accepted, {succeeded} succeeded");
}
