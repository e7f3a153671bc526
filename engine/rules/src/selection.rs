//! Who of a connector is synchronised, beside its containers and the scope of its rules: pilot groups and single people
//! (`[scope.CONNECTOR]`). The checked model; the kernel decides by it, the store keeps who is a member.

use crate::model::ConnectorName;
use std::collections::BTreeMap;

/// Objects by their anchor, as the connector writes it, with the name they had when they were listed. The anchor counts: an object
/// that is renamed or moved is the same one (SF13).
pub type Listed = BTreeMap<String, String>;

/// By connector; one that is not named has everybody in scope.
pub type Selections = BTreeMap<ConnectorName, Selection>;

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selection {
    /// Everybody but `without` is in scope; otherwise only members of `groups`, and `users`.
    pub everybody: bool,
    pub groups: Listed,
    /// Members of members count too.
    pub nested: bool,
    pub users: Listed,
    /// Out of scope whatever else is said.
    pub without: Listed,
}

impl Selection {
    /// Whether it leaves everybody in scope, as if nothing were written.
    pub fn is_open(&self) -> bool {
        self.everybody && self.without.is_empty()
    }
}

/// What a group is watched for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Watch {
    /// Scope clauses of rules: direct members, none of a group that is not there (S8).
    Clause,
    /// `[scope]`: its direct members are those that were last seen as long as the group cannot be read (SF13, SF15).
    Selection,
    /// The same, with the members of members.
    NestedSelection,
}
