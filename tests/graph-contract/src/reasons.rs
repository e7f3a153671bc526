//! Why the connector never sends an operation that the contract has: one reviewed table, `never_sent.json`.

use serde_json::Value;

const TABLE: &str = include_str!("../never_sent.json");

/// Operations, such as `get /users`, with a reason each.
#[derive(Debug)]
pub struct Reasons(Value);

impl Reasons {
    pub fn read() -> Reasons {
        Reasons(serde_json::from_str(TABLE).unwrap_or(Value::Null))
    }

    pub(crate) fn of(&self, operation: &str) -> Option<&str> {
        self.0["operations"][operation].as_str().filter(|reason| !reason.is_empty())
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &String> {
        self.0["operations"].as_object().into_iter().flatten().map(|(name, _)| name)
    }
}
