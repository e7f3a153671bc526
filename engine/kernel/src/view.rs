//! What the kernel sees of stored objects. Plain values: the store fills them, the kernel only reads them.

use metaverse_schema::{Anchor, AttributeName, Attributes, AttributesDelta, ByName, Dn, ObjectType, Values};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use sync_rules::{ConnectorName, DeprovisionAction, RuleId};

/// Number of an object in a connector space; given by the store, never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CsId(pub i64);

/// Number of a metaverse object; given by the store, never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MvId(pub i64);

impl fmt::Display for CsId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cs:{}", self.0)
    }
}

impl fmt::Display for MvId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mv:{}", self.0)
    }
}

/// A metaverse object that exists, or the one that this plan creates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MvRef {
    Existing(MvId),
    New,
}

/// The states of O20. Placeholders and containers are never handed to the kernel as subjects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConnectorState {
    Connected,
    ExplicitlyConnected,
    Disconnected,
    DisconnectedByFilter,
    ExplicitlyDisconnected,
    Placeholder,
    /// An organizational unit or another container: it gives objects their place and is not synchronised.
    Container,
}

/// How a link came to be (SF4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ownership {
    /// This engine created the object.
    Provisioned,
    /// It existed and was taken over.
    Adopted,
    /// It is only linked.
    Joined,
}

/// In the place of a rule's id: an operator made the link (`metasync join`). No rule can have this id.
pub const OPERATOR_LINK: &str = "(operator)";

/// A connector-space object's link to the metaverse. State: changed by decisions only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    pub mv: MvId,
    /// The rule that made the link, or [`OPERATOR_LINK`].
    pub rule: RuleId,
    pub ownership: Ownership,
}

/// A pending import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Staged {
    /// New or changed; the whole image as last imported.
    Image(Attributes),
    /// Gone, and why.
    Deleted(DeleteCause),
    /// Gone, and at once there again as another object type (delete-add, O43); the image is the new object's.
    Replaced(Attributes),
}

/// Why an object is to be deleted (SF12: each guarded line carries its cause).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeleteCause {
    DeletedInSource,
    LeftContainerScope,
    /// Not seen in a complete full import (obsoleted).
    NotSeen,
    /// No rule provisions it any longer because its attributes changed.
    FilteredByRule,
    /// The rules changed since it was provisioned.
    RuleChanged,
    /// It is one of the deployment's own accounts or in a never-sync group.
    NeverSync,
    /// An operator disconnected it.
    DisconnectedByOperator,
    /// It left the pilot group, or was taken off the list of those who are synchronised (`[scope]`).
    NotSelected,
}

impl DeleteCause {
    /// The source object left what is synchronised, and nobody said that it was deleted (SF18). Not to be returned by the full
    /// import of a system that may hide objects is leaving too (SF13, SF15).
    pub fn is_leaving(self) -> bool {
        match self {
            DeleteCause::LeftContainerScope
            | DeleteCause::NotSeen
            | DeleteCause::FilteredByRule
            | DeleteCause::RuleChanged
            | DeleteCause::DisconnectedByOperator
            | DeleteCause::NotSelected => true,
            DeleteCause::DeletedInSource | DeleteCause::NeverSync => false,
        }
    }
}

impl fmt::Display for DeleteCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DeleteCause::DeletedInSource => "deleted in the source directory",
            DeleteCause::LeftContainerScope => "left the selected containers",
            DeleteCause::NotSeen => "not seen in a complete full import",
            DeleteCause::FilteredByRule => "left the scope of the provisioning rule",
            DeleteCause::RuleChanged => "the rules changed",
            DeleteCause::NeverSync => "never synchronised",
            DeleteCause::DisconnectedByOperator => "disconnected by an operator",
            DeleteCause::NotSelected => "no longer selected by [scope]",
        })
    }
}

/// Names of attributes; one set for all objects of which they are the same.
pub type OwnedNames = Arc<BTreeSet<AttributeName>>;

/// A connector-space object.
#[derive(Debug, Clone, PartialEq)]
pub struct CsObject {
    pub id: CsId,
    pub connector: ConnectorName,
    pub object_type: ObjectType,
    /// None: provisioned and not yet exported (O5).
    pub anchor: Option<Anchor>,
    pub dn: Option<Dn>,
    pub state: ConnectorState,
    pub link: Option<Link>,
    /// The image as last synchronised; none: never synchronised. Holds no reference attributes.
    pub synchronised: Option<Attributes>,
    pub staged: Option<Staged>,
    pub pending: Option<PendingExport>,
    pub memory: ExportMemory,
    /// Target attributes to which a source has contributed a value at least once (SF1).
    pub owned: OwnedNames,
    /// Values of merged target attributes that this engine put there, and has not seen gone again (S57).
    pub contributed: BTreeMap<AttributeName, Values>,
    /// Number of imported values of each reference attribute.
    pub reference_counts: BTreeMap<AttributeName, u64>,
    pub privilege: Option<Privilege>,
    pub approvals: Vec<Approval>,
    /// What operators decided about pairs in which this object is one of the two.
    pub match_decisions: Vec<MatchDecision>,
    /// The object is a member, direct or nested, of a never-sync group of its space (SF20).
    pub in_never_sync_group: bool,
    /// The groups of its space, as scope clauses name them, of which the object is a direct member (S8).
    pub member_of: BTreeSet<String>,
    /// The groups of `[scope]`, by anchor, that select the object; while one cannot be read, as it was last seen (SF13).
    pub selected_by: BTreeSet<String>,
    /// Rises whenever the object's own row is stored anew.
    pub generation: u64,
}

impl CsObject {
    /// The image as last imported, synchronised or not: what the connected system holds as far as is known.
    pub fn imported(&self) -> Option<&Attributes> {
        match &self.staged {
            Some(Staged::Image(image) | Staged::Replaced(image)) => Some(image),
            Some(Staged::Deleted(_)) => None,
            None => self.synchronised.as_ref(),
        }
    }

    /// Something was sent for it and not answered yet.
    pub fn is_in_flight(&self) -> bool {
        matches!(&self.pending, Some(PendingExport { state: SentState::InFlight, .. }))
    }
}

/// An operator's decision about one pair: an object of a source, and an existing object of a target. It names both by what outlives
/// every import, so that neither another import nor another rule brings a rejected pair back (SF5).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct MatchDecision {
    pub source: PairEnd,
    pub target: PairEnd,
    pub verdict: MatchVerdict,
}

/// One of the two objects of a pair.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PairEnd {
    pub connector: ConnectorName,
    pub anchor: Anchor,
}

impl PairEnd {
    pub fn is(&self, object: &CsObject) -> bool {
        self.connector == object.connector && object.anchor.as_ref() == Some(&self.anchor)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MatchVerdict {
    /// It may be taken over.
    Approved,
    /// They are not the same, or not to be: never a candidate again.
    Rejected,
    /// It was taken over, and that was taken back (SF11): never a candidate again, and nothing is created beside it.
    Undone,
}

impl MatchVerdict {
    pub fn says_no(self) -> bool {
        matches!(self, MatchVerdict::Rejected | MatchVerdict::Undone)
    }
}

/// What was read about a match candidate's roles (SF6).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Privilege {
    None,
    Roles(Vec<String>),
    Unreadable(String),
}

/// Something an operator let through for this object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    pub kind: ApprovalKind,
    pub mv: MvId,
    /// The exact value that was approved, where the kind is about a value.
    pub value: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ApprovalKind {
    /// This candidate may be joined (SF5).
    Match,
    /// This sign-in name may be written (SF2).
    SignInName,
    /// This blocked account may be taken over by an enabled one (SF3).
    WouldEnable,
}

/// A metaverse object as last decided.
#[derive(Debug, Clone, PartialEq)]
pub struct MvObject {
    pub id: MvId,
    pub object_type: ObjectType,
    pub attributes: ByName<MvValue>,
    /// All connector-space objects that are linked to it.
    pub links: Vec<CsId>,
}

/// A metaverse attribute: its values, and who contributed them by which rule (S51). For a reference attribute the
/// values are empty: its rows are those of the contributor.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MvValue {
    pub values: Values,
    pub contributor: CsId,
    pub rule: RuleId,
}

/// What is to be sent for one object.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PendingExport {
    pub operation: PendingOperation,
    pub state: SentState,
    /// The source object only left scope: until then nothing of this is sent, and nothing else either (SF18).
    pub grace: Option<Grace>,
}

impl PendingExport {
    /// The first write to an existing object.
    pub fn is_takeover(&self) -> bool {
        matches!(&self.operation, PendingOperation::Update { takeover: true, .. })
    }
}

/// The grace period of one target object: it is left as it is, and returns without another approval when its source does.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Grace {
    /// Microseconds UTC.
    pub until: i64,
    /// What is done at once when the source object turns out to be deleted.
    pub if_deleted: DeprovisionAction,
}

impl Grace {
    /// The day on which the period ends, in UTC: `2026-12-02`.
    pub fn date(&self) -> String {
        match jiff::Timestamp::from_microsecond(self.until) {
            Ok(until) => until.strftime("%Y-%m-%d").to_string(),
            Err(_) => "a day that the calendar does not have".to_owned(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PendingOperation {
    Add {
        attributes: Attributes,
    },
    /// `afterwards` is written only when everything else succeeded: the anchor stamp of a takeover (SF2).
    Update {
        rename: Option<Dn>,
        changes: AttributesDelta,
        afterwards: AttributesDelta,
        takeover: bool,
    },
    /// Bring back from the recycle bin, then write.
    Restore {
        changes: AttributesDelta,
        afterwards: AttributesDelta,
    },
    /// `ownership` is kept here, because the link is gone when the metaverse object is: an object that comes back before
    /// the delete was sent is ours again and not a new match.
    Delete {
        cause: DeleteCause,
        ownership: Ownership,
    },
    Detach {
        cause: DeleteCause,
        ownership: Ownership,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SentState {
    Pending,
    /// Committed before the first byte left; after a crash a create is looked up before it is sent again.
    InFlight,
    /// The system refused it. Sent again when the operation changes or the operator says so; `retry` sends it with the next export.
    Refused {
        code: String,
        message: String,
        remedy: String,
        retry: bool,
        count: u64,
    },
}

/// Exported values that no import has confirmed (O44).
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash)]
pub struct ExportMemory {
    pub attributes: BTreeMap<AttributeName, Remembered>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Remembered {
    /// What was sent; empty: cleared.
    pub wanted: Values,
    pub state: MemoryState,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum MemoryState {
    Unconfirmed,
    /// An import returned something else: `exported-change-not-reimported` (O47). Not sent again while both sides stay.
    Held {
        returned: Values,
    },
}

/// A decision that was made and is not written until an operator says so or its cause goes away.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Hold {
    /// Such as `match-candidate`, `guest`, `privileged`, `signin-name-change`, `limitation-read-only`.
    pub code: String,
    pub attribute: Option<String>,
    /// For people, as text.
    pub wanted: Option<String>,
    pub present: Option<String>,
    pub message: String,
    pub remedy: String,
    /// The existing object this is about, where there is one.
    pub candidate: Option<CsId>,
    /// What an operator may approve, if anything.
    pub approvable: Option<ApprovalKind>,
}

/// Rows of `source_attribute` of `source` flow to `target_attribute` of the target object, each row by itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReferenceFlow {
    pub target_attribute: AttributeName,
    /// [`ReferenceFlow::NOBODY`]: the attribute is managed and nobody contributes to it any longer, so it is to be empty (S44, S50).
    pub source: CsId,
    pub source_attribute: AttributeName,
    pub rule: RuleId,
    /// One value at most: another wanted target replaces what is there.
    pub single: bool,
    /// Values in the target that this engine did not add stay (SF19, SF1).
    pub keep_foreign: bool,
}

impl ReferenceFlow {
    /// No object: numbers given by the store begin at one.
    pub const NOBODY: CsId = CsId(0);
}
