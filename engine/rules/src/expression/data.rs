//! What an evaluation passes around: one value, several, or one of the null family. Never stored. What an object or an
//! expression holds is borrowed for as long as it stays as it is (`'v`); only what is made anew is owned.

use super::moment::Moment;
use super::types::Kind;
use metaverse_schema::{Reference, Value, Values};
use std::borrow::Cow;
use std::ops::Range;

/// One value. Dates exist only inside an expression (X12: not storable).
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Scalar<'v> {
    Text(Cow<'v, str>),
    Integer(i64),
    Boolean(bool),
    Binary(Cow<'v, [u8]>),
    Reference(Cow<'v, Reference>),
    Date(Moment),
}

/// The result of a step. `Many` always holds at least two values; none is `Null`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Data<'v> {
    Null,
    AuthoritativeNull,
    IgnoreThisFlow,
    One(Scalar<'v>),
    Many(Vec<Scalar<'v>>),
}

/// A failure before it has a place: the evaluator adds the span.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fault {
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

impl Fault {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Fault { code, message }
    }

    pub(crate) fn type_mismatch(message: impl Into<String>) -> Self {
        Fault::new("expression-type-mismatch", message)
    }
}

impl<'v> Scalar<'v> {
    pub(crate) fn text(text: impl Into<Cow<'v, str>>) -> Self {
        Scalar::Text(text.into())
    }

    pub(crate) fn kind(&self) -> Kind {
        match self {
            Scalar::Text(_) => Kind::Text,
            Scalar::Integer(_) => Kind::Integer,
            Scalar::Boolean(_) => Kind::Boolean,
            Scalar::Binary(_) => Kind::Binary,
            Scalar::Reference(_) => Kind::Reference,
            Scalar::Date(_) => Kind::Date,
        }
    }

    /// Bytes that the value takes, for the work limit.
    pub(crate) fn weight(&self) -> u64 {
        match self {
            Scalar::Text(text) => text.len() as u64 + 1,
            Scalar::Binary(bytes) => bytes.len() as u64 + 1,
            _ => 1,
        }
    }

    /// A part of a text (bytes at the borders of characters) or of a binary value; anything else is whole.
    pub(crate) fn part(&self, range: Range<usize>) -> Self {
        match self {
            Scalar::Text(Cow::Borrowed(text)) => Scalar::text(&text[range]),
            Scalar::Text(Cow::Owned(text)) => Scalar::text(text[range].to_owned()),
            Scalar::Binary(Cow::Borrowed(bytes)) => Scalar::Binary(Cow::Borrowed(&bytes[range])),
            Scalar::Binary(Cow::Owned(bytes)) => Scalar::Binary(Cow::Owned(bytes[range].to_vec())),
            whole => whole.clone(),
        }
    }

    /// The same value, borrowed from this one.
    pub(crate) fn borrowed(&'v self) -> Scalar<'v> {
        match self {
            Scalar::Text(text) => Scalar::text(&**text),
            Scalar::Binary(bytes) => Scalar::Binary(Cow::Borrowed(bytes)),
            Scalar::Reference(reference) => Scalar::Reference(Cow::Borrowed(reference)),
            Scalar::Integer(number) => Scalar::Integer(*number),
            Scalar::Boolean(truth) => Scalar::Boolean(*truth),
            Scalar::Date(moment) => Scalar::Date(*moment),
        }
    }

    /// The value by itself, as it can be stored; a date cannot.
    pub(crate) fn into_value(self) -> Result<Value, Moment> {
        Ok(match self {
            Scalar::Text(text) => Value::Text(text.into_owned()),
            Scalar::Integer(number) => Value::Integer(number),
            Scalar::Boolean(truth) => Value::Boolean(truth),
            Scalar::Binary(bytes) => Value::Binary(bytes.into_owned()),
            Scalar::Reference(reference) => Value::Reference(reference.into_owned()),
            Scalar::Date(moment) => return Err(moment),
        })
    }
}

impl<'v> From<&'v Value> for Scalar<'v> {
    fn from(value: &'v Value) -> Self {
        match value {
            Value::Text(text) => Scalar::text(text.as_str()),
            Value::Integer(number) => Scalar::Integer(*number),
            Value::Boolean(truth) => Scalar::Boolean(*truth),
            Value::Binary(bytes) => Scalar::Binary(Cow::Borrowed(bytes)),
            Value::Reference(reference) => Scalar::Reference(Cow::Borrowed(reference)),
        }
    }
}

impl From<Value> for Scalar<'_> {
    fn from(value: Value) -> Self {
        match value {
            Value::Text(text) => Scalar::text(text),
            Value::Integer(number) => Scalar::Integer(number),
            Value::Boolean(truth) => Scalar::Boolean(truth),
            Value::Binary(bytes) => Scalar::Binary(Cow::Owned(bytes)),
            Value::Reference(reference) => Scalar::Reference(Cow::Owned(reference)),
        }
    }
}

impl<'v> Data<'v> {
    pub(crate) fn text(text: impl Into<Cow<'v, str>>) -> Self {
        Data::One(Scalar::text(text))
    }

    pub(crate) fn integer(number: i64) -> Self {
        Data::One(Scalar::Integer(number))
    }

    pub(crate) fn boolean(truth: bool) -> Self {
        Data::One(Scalar::Boolean(truth))
    }

    pub(crate) fn binary(bytes: Vec<u8>) -> Self {
        Data::One(Scalar::Binary(Cow::Owned(bytes)))
    }

    pub(crate) fn date(moment: Moment) -> Self {
        Data::One(Scalar::Date(moment))
    }

    pub(crate) fn list(mut values: Vec<Scalar<'v>>) -> Self {
        match values.len() {
            0 => Data::Null,
            1 => values.pop().map_or(Data::Null, Data::One),
            _ => Data::Many(values),
        }
    }

    /// The values of an attribute; what the inputs made for the occasion is taken over.
    pub(crate) fn from_values(values: Cow<'v, Values>) -> Self {
        match values {
            Cow::Borrowed(values) => match values.as_slice() {
                [] => Data::Null,
                [one] => Data::One(one.into()),
                many => Data::Many(many.iter().map(Scalar::from).collect()),
            },
            Cow::Owned(values) => Data::list(values.into_iter().map(Scalar::from).collect()),
        }
    }

    /// The same, borrowed from this one.
    pub(crate) fn borrowed(&'v self) -> Data<'v> {
        match self {
            Data::Null => Data::Null,
            Data::AuthoritativeNull => Data::AuthoritativeNull,
            Data::IgnoreThisFlow => Data::IgnoreThisFlow,
            Data::One(scalar) => Data::One(scalar.borrowed()),
            Data::Many(many) => Data::Many(many.iter().map(Scalar::borrowed).collect()),
        }
    }

    /// The values there are; the null family has none.
    pub(crate) fn values(&self) -> &[Scalar<'v>] {
        match self {
            Data::One(scalar) => std::slice::from_ref(scalar),
            Data::Many(many) => many,
            _ => &[],
        }
    }

    pub(crate) fn into_values(self) -> Vec<Scalar<'v>> {
        match self {
            Data::One(scalar) => vec![scalar],
            Data::Many(many) => many,
            _ => Vec::new(),
        }
    }

    pub(crate) fn weight(&self) -> u64 {
        1 + self.values().iter().map(Scalar::weight).sum::<u64>()
    }

    /// How it is called in an error message.
    pub(crate) fn describe(&self) -> String {
        match self {
            Data::Null => "NULL".to_owned(),
            Data::AuthoritativeNull => "AuthoritativeNull".to_owned(),
            Data::IgnoreThisFlow => "IgnoreThisFlow".to_owned(),
            Data::One(scalar) => scalar.kind().with_article().to_owned(),
            Data::Many(many) => format!("{} values", many.len()),
        }
    }
}
