//! What a report says beside people: the connected systems as a whole, and the groups and contacts. Known where the systems
//! were read. Values only.

use super::finding::Weight;
use serde::Serialize;
use std::collections::BTreeMap;

/// One connected system: what its check and its import said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct System {
    /// The connector's name.
    pub(crate) name: String,
    /// `active-directory`, `azure-ad`, `text-file`.
    pub(crate) kind: String,
    /// Objects that were read.
    pub(crate) objects: u64,
    pub(crate) findings: Vec<SystemFinding>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct SystemFinding {
    pub(crate) weight: Weight,
    /// Stable code such as `clock-skew`.
    pub(crate) code: String,
    pub(crate) message: String,
    /// May be empty.
    pub(crate) remedy: String,
}

/// Groups, contacts and whatever else the rules bring to the tenant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Others {
    /// By type and by what would become of them: `group`, `create`.
    pub(crate) counts: BTreeMap<String, BTreeMap<String, u64>>,
    pub(crate) held: Vec<HeldOther>,
}

/// One that is held, or that the tenant cannot hold at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct HeldOther {
    pub(crate) weight: Weight,
    pub(crate) object_type: String,
    pub(crate) name: String,
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) remedy: String,
}
