//! From bytes to typed values, by the kind that the schema gave the attribute. A value that does not fit its kind is a
//! result about that value, never a guess and never the end of the import.

use crate::entry::split_extended;
use metaverse_schema::{Anchor, Reference, Sid, Value, ValueKind};

/// Why a value was not understood, in the words of the discovery errors (R69).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadValue {
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

/// One value of an attribute of this kind.
pub(crate) fn value(kind: ValueKind, bytes: &[u8]) -> Result<Value, BadValue> {
    match kind {
        ValueKind::Binary => Ok(Value::Binary(bytes.to_vec())),
        ValueKind::Text => Ok(Value::text(text(bytes)?)),
        ValueKind::Integer => text(bytes)?.parse().map(Value::Integer).map_err(|_| BadValue {
            code: "invalid-numeric-value",
            message: "the value is not a whole number of 64 bits".to_owned(),
        }),
        ValueKind::Boolean => match bytes {
            b"TRUE" => Ok(Value::Boolean(true)),
            b"FALSE" => Ok(Value::Boolean(false)),
            _ => Err(BadValue {
                code: "invalid-boolean-value",
                message: "the value is neither TRUE nor FALSE".to_owned(),
            }),
        },
        ValueKind::Reference => reference(text(bytes)?).map(Value::Reference),
        ValueKind::Secret => {
            Err(BadValue { code: "unsupported-value-type", message: "a secret is never imported".to_owned() })
        }
    }
}

fn text(bytes: &[u8]) -> Result<&str, BadValue> {
    std::str::from_utf8(bytes).map_err(|error| BadValue {
        code: "invalid-attribute-value",
        message: format!("the value is not UTF-8 at byte {}", error.valid_up_to()),
    })
}

/// By the identity in the extended DN; a target without one (another server's form) by its DN.
fn reference(name: &str) -> Result<Reference, BadValue> {
    match split_extended(name) {
        (Some(guid), _) => Ok(Reference::Anchor(Anchor::Guid(guid))),
        (None, dn) => dn
            .parse()
            .map(Reference::Dn)
            .map_err(|error| BadValue { code: "invalid-reference-value", message: format!("{error}") }),
    }
}

/// The text that a write sends for a value; references are written as `<GUID=...>`, which a domain controller resolves.
pub(crate) fn to_wire(value: &Value) -> Vec<u8> {
    match value {
        Value::Text(text) => text.clone().into_bytes(),
        Value::Integer(number) => number.to_string().into_bytes(),
        Value::Boolean(true) => b"TRUE".to_vec(),
        Value::Boolean(false) => b"FALSE".to_vec(),
        Value::Binary(bytes) => bytes.clone(),
        Value::Reference(Reference::Anchor(Anchor::Guid(guid))) => format!("<GUID={guid}>").into_bytes(),
        Value::Reference(Reference::Anchor(Anchor::Text(text))) => text.clone().into_bytes(),
        Value::Reference(Reference::Dn(dn)) => dn.to_string().into_bytes(),
    }
}

/// The SID of a value of `objectSid` or `tokenGroups`.
pub(crate) fn sid(bytes: &[u8]) -> Option<Sid> {
    Sid::from_slice(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(kind: ValueKind, bytes: &[u8], expect: Expect) {
        let seen = match value(kind, bytes) {
            Ok(value) => {
                let again = super::value(kind, &to_wire(&value));
                assert_eq!(again.as_ref(), Ok(&value), "what is written reads back the same");
                format!("{value:?}")
            }
            Err(bad) => format!("{}: {}", bad.code, bad.message),
        };
        expect.assert_eq(&seen);
    }

    #[test]
    fn each_kind_and_what_does_not_fit_it() {
        check(ValueKind::Text, "Zoë Łukasz".as_bytes(), expect![[r#""Zoë Łukasz""#]]);
        check(ValueKind::Text, b"\xc5", expect!["invalid-attribute-value: the value is not UTF-8 at byte 0"]);
        check(ValueKind::Binary, b"text", expect!["b64(dGV4dA==)"]);
        check(ValueKind::Integer, b"9223372036854775807", expect!["9223372036854775807"]);
        check(ValueKind::Integer, b"-2147483646", expect!["-2147483646"]);
        check(
            ValueKind::Integer,
            b"9223372036854775808",
            expect!["invalid-numeric-value: the value is not a whole number of 64 bits"],
        );
        check(ValueKind::Boolean, b"TRUE", expect!["True"]);
        check(ValueKind::Boolean, b"yes", expect!["invalid-boolean-value: the value is neither TRUE nor FALSE"]);
        check(
            ValueKind::Reference,
            b"<GUID=00112233-4455-6677-8899-aabbccddeeff>;<SID=S-1-5-7>;CN=a\\,b,DC=x",
            expect!["00112233-4455-6677-8899-aabbccddeeff"],
        );
        check(ValueKind::Reference, b"CN=a,DC=x", expect!["CN=a,DC=x"]);
        check(
            ValueKind::Reference,
            b"nonsense",
            expect!["invalid-reference-value: invalid-dn: `nonsense`: `=` is expected at character 9"],
        );
        check(ValueKind::Secret, b"x", expect!["unsupported-value-type: a secret is never imported"]);
    }
}
