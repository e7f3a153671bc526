//! What an evaluation passes around: one value, several, or one of the null family. Never stored.

use super::moment::Moment;
use super::types::Kind;
use metaverse_schema::{Value, Values};

/// One value. Dates exist only inside an expression (X12: not storable).
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Scalar {
    Value(Value),
    Date(Moment),
}

/// The result of a step. `Many` always holds at least two values; none is `Null`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Data {
    Null,
    AuthoritativeNull,
    IgnoreThisFlow,
    One(Scalar),
    Many(Vec<Scalar>),
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

impl Scalar {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Scalar::Value(Value::Text(text.into()))
    }

    pub(crate) fn kind(&self) -> Kind {
        match self {
            Scalar::Date(_) => Kind::Date,
            Scalar::Value(Value::Text(_)) => Kind::Text,
            Scalar::Value(Value::Integer(_)) => Kind::Integer,
            Scalar::Value(Value::Boolean(_)) => Kind::Boolean,
            Scalar::Value(Value::Binary(_)) => Kind::Binary,
            Scalar::Value(Value::Reference(_)) => Kind::Reference,
        }
    }

    /// Bytes that the value takes, for the work limit.
    pub(crate) fn weight(&self) -> u64 {
        match self {
            Scalar::Value(Value::Text(text)) => text.len() as u64 + 1,
            Scalar::Value(Value::Binary(bytes)) => bytes.len() as u64 + 1,
            _ => 1,
        }
    }
}

impl Data {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Data::One(Scalar::text(text))
    }

    pub(crate) fn integer(number: i64) -> Self {
        Data::One(Scalar::Value(Value::Integer(number)))
    }

    pub(crate) fn boolean(truth: bool) -> Self {
        Data::One(Scalar::Value(Value::Boolean(truth)))
    }

    pub(crate) fn binary(bytes: Vec<u8>) -> Self {
        Data::One(Scalar::Value(Value::Binary(bytes)))
    }

    pub(crate) fn date(moment: Moment) -> Self {
        Data::One(Scalar::Date(moment))
    }

    pub(crate) fn list(mut values: Vec<Scalar>) -> Self {
        match values.len() {
            0 => Data::Null,
            1 => values.pop().map_or(Data::Null, Data::One),
            _ => Data::Many(values),
        }
    }

    pub(crate) fn from_values(values: &Values) -> Self {
        match values.as_slice() {
            [] => Data::Null,
            [one] => Data::One(Scalar::Value(one.clone())),
            many => Data::Many(many.iter().cloned().map(Scalar::Value).collect()),
        }
    }

    /// The values there are; the null family has none.
    pub(crate) fn values(&self) -> &[Scalar] {
        match self {
            Data::One(scalar) => std::slice::from_ref(scalar),
            Data::Many(many) => many,
            _ => &[],
        }
    }

    pub(crate) fn into_values(self) -> Vec<Scalar> {
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
