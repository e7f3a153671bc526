//! Attribute values and the sets they form. Change detection here is exact, to the byte (SF27);
//! case and spacing rules live in `matching` and are never used to decide whether something changed.

use crate::{Anchor, Dn, ValueKind};
use base64::Engine as _;
use serde::{Serialize, Serializer};
use smallvec::{SmallVec, smallvec};
use std::fmt;

/// One value of an attribute.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    Text(String),
    Integer(i64),
    Boolean(bool),
    Binary(Vec<u8>),
    Reference(Reference),
}

/// What a reference value points at, as the connected system named it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reference {
    Anchor(Anchor),
    Dn(Dn),
}

impl Value {
    pub fn text(text: impl Into<String>) -> Self {
        Value::Text(text.into())
    }

    pub fn kind(&self) -> ValueKind {
        match self {
            Value::Text(_) => ValueKind::Text,
            Value::Integer(_) => ValueKind::Integer,
            Value::Boolean(_) => ValueKind::Boolean,
            Value::Binary(_) => ValueKind::Binary,
            Value::Reference(_) => ValueKind::Reference,
        }
    }

    pub fn as_text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reference::Anchor(anchor) => anchor.fmt(f),
            Reference::Dn(dn) => dn.fmt(f),
        }
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "->{self}")
    }
}

/// For people: binary as base64, everything else as it reads.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Text(text) => f.write_str(text),
            Value::Integer(number) => number.fmt(f),
            Value::Boolean(truth) => f.write_str(if *truth { "True" } else { "False" }),
            Value::Binary(bytes) => f.write_str(&base64::engine::general_purpose::STANDARD.encode(bytes)),
            Value::Reference(reference) => reference.fmt(f),
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Text(text) => write!(f, "{text:?}"),
            Value::Binary(_) => write!(f, "b64({self})"),
            other => write!(f, "{other}"),
        }
    }
}

/// JSON: strings, numbers and booleans as such, `{"binary": base64}`, `{"reference": name}`.
impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        match self {
            Value::Text(text) => serializer.serialize_str(text),
            Value::Integer(number) => serializer.serialize_i64(*number),
            Value::Boolean(truth) => serializer.serialize_bool(*truth),
            Value::Binary(_) | Value::Reference(_) => {
                let tag = if matches!(self, Value::Binary(_)) { "binary" } else { "reference" };
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry(tag, &self.to_string())?;
                map.end()
            }
        }
    }
}

/// The values of one attribute: a set, ordered by kind and then by bytes. The order is documented because
/// positional functions (`Item`, first value) read it (SF27); it is never the order of arrival. Most attributes have one
/// value, and that one stands in place.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
pub struct Values(SmallVec<[Value; 1]>);

impl Values {
    pub fn single(value: Value) -> Self {
        Values(smallvec![value])
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Value> {
        self.0.iter()
    }

    pub fn as_slice(&self) -> &[Value] {
        &self.0
    }

    pub fn first(&self) -> Option<&Value> {
        self.0.first()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// No value at all: the attribute is absent.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn contains(&self, value: &Value) -> bool {
        self.0.binary_search(value).is_ok()
    }

    /// Adds a value; `false` when it was already there.
    pub fn insert(&mut self, value: Value) -> bool {
        match self.0.binary_search(&value) {
            Ok(_) => false,
            Err(position) => {
                self.0.insert(position, value);
                true
            }
        }
    }

    /// Removes a value; `false` when it was not there.
    pub fn remove(&mut self, value: &Value) -> bool {
        match self.0.binary_search(value) {
            Ok(position) => {
                self.0.remove(position);
                true
            }
            Err(_) => false,
        }
    }
}

impl FromIterator<Value> for Values {
    fn from_iter<I: IntoIterator<Item = Value>>(values: I) -> Self {
        let mut values: SmallVec<[Value; 1]> = values.into_iter().collect();
        values.sort();
        values.dedup();
        Values(values)
    }
}

impl From<Value> for Values {
    fn from(value: Value) -> Self {
        Values::single(value)
    }
}

impl IntoIterator for Values {
    type Item = Value;
    type IntoIter = smallvec::IntoIter<[Value; 1]>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Values {
    type Item = &'a Value;
    type IntoIter = std::slice::Iter<'a, Value>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [single] => write!(f, "{single:?}"),
            many => f.debug_list().entries(many).finish(),
        }
    }
}
