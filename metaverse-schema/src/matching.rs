//! Matching rules: when two values count as equal for joins, uniqueness and sets. Never for change detection (SF27).

use crate::{Reference, Value};
use std::fmt;

/// The form in which values are compared for a join or for uniqueness. Two values match when their keys are equal.
/// Text ignores case (S15) and keeps everything else: trimming is the rule author's choice, not the engine's.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MatchKey(Vec<u8>);

impl MatchKey {
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        MatchKey(bytes)
    }
}

impl fmt::Debug for MatchKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match std::str::from_utf8(&self.0) {
            Ok(text) => write!(f, "{text:?}"),
            Err(_) => f.debug_list().entries(&self.0).finish(),
        }
    }
}

/// The match key of one value where case matters: anchors, whose base64 text differs by case alone (D36).
pub fn exact_match_key(value: &Value) -> MatchKey {
    match value {
        Value::Text(text) => MatchKey([b"T", text.as_bytes()].concat()),
        other => match_key(other),
    }
}

/// The match key of one value. Kinds never match each other: the number 5 is not the text `5`.
pub fn match_key(value: &Value) -> MatchKey {
    let (tag, bytes) = match value {
        Value::Text(text) => (b't', text.to_lowercase().into_bytes()),
        Value::Integer(number) => (b'i', number.to_be_bytes().to_vec()),
        Value::Boolean(truth) => (b'b', vec![u8::from(*truth)]),
        Value::Binary(bytes) => (b'x', bytes.clone()),
        Value::Reference(Reference::Anchor(anchor)) => (b'a', anchor.to_string().into_bytes()),
        Value::Reference(Reference::Dn(dn)) => (b'd', dn.normalised().into_bytes()),
    };
    let mut key = Vec::with_capacity(bytes.len() + 1);
    key.push(tag);
    key.extend_from_slice(&bytes);
    MatchKey(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_matches_without_case_and_kinds_stay_apart() {
        let key = |text: &str| match_key(&Value::text(text));
        assert_eq!(key("SMTP:Ann@Contoso.example"), key("smtp:ann@contoso.example"));
        assert_eq!(key("MÜLLER"), key("müller"));
        assert_ne!(key("a "), key("a"));
        assert_ne!(key("5"), match_key(&Value::Integer(5)));
        assert_ne!(exact_match_key(&Value::text("WloAb")), exact_match_key(&Value::text("WloAB")));
    }
}
