//! The state of a connected system as a whole, beside its objects: what is looked at before anything is written (SF24, SF25).

use crate::ConnectorError;
use async_trait::async_trait;
use std::collections::BTreeMap;

/// A system that has a state of its own: a tenant's domains, whether it takes synchronised objects, who writes to it besides.
#[async_trait]
pub trait SystemState: Send + Sync {
    /// Reads it; writes nothing. An error stops the export that asked.
    async fn system_state(&self) -> Result<StateOfSystem, ConnectorError>;
}

/// What was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StateOfSystem {
    /// What does not change by itself, by name: `verified domain contoso.com` -> `Managed`. An export stops when a fact is
    /// another than the one that was let through, until an operator approves exactly that.
    pub facts: BTreeMap<String, String>,
    /// Why nothing may be written now, whatever is approved.
    pub closed: Option<Closed>,
}

/// A system that must not be written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// The status that an export ends with: `no-start-other-writer`.
    pub status: &'static str,
    pub message: String,
    /// What the operator can do.
    pub remedy: String,
}
