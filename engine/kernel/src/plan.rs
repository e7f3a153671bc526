//! A plan: what one decision changes, and why. A value; the store applies it, preview prints it.

use crate::neighbourhood::Question;
use crate::selection::SelectionDecision;
use crate::view::{
    ConnectorState, CsId, DeleteCause, ExportMemory, Hold, Link, MvId, MvRef, MvValue, OwnedNames, Ownership,
    PendingExport, ReferenceFlow,
};
use metaverse_schema::{AttributeName, ByName, Dn, ObjectType, Values};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use sync_rules::{ConnectorName, Criterion, RuleId};

/// Everything that synchronising one object decides. Applied whole or not at all (R77).
#[derive(Debug, Clone, PartialEq)]
pub struct ObjectPlan {
    pub subject: Subject,
    /// The one inbound counter this object lands in (R67); none when the subject is a metaverse object.
    pub counter: Option<InboundCounter>,
    /// The subject's pending import becomes its synchronised image; false when an error keeps it pending (R78).
    pub promote: bool,
    /// The subject is removed from its connector space (its import was a delete).
    pub remove_subject: bool,
    /// New state of the subject, when it is a connector-space object.
    pub state: Option<ConnectorState>,
    pub links: Vec<LinkChange>,
    pub metaverse: Vec<MetaversePlan>,
    pub targets: Vec<TargetPlan>,
    pub error: Option<ObjectError>,
    /// Inbound rules of the subject and whether each was in scope.
    pub scopes: Vec<RuleScope>,
    pub join: Option<LinkReason>,
    /// Metaverse objects whose outbound decision may change because of this one: they share a join key with it.
    pub revisit: BTreeSet<MvId>,
    /// Connector-space objects that carry a join key which a metaverse object has from now on: whoever of them found nobody
    /// to join finds somebody now (invariant 4). May name objects that are linked; they need nothing.
    pub rejoin: BTreeSet<CsId>,
    /// Match candidates whose roles must be read before this plan may be applied (SF6). The plan is made as if they were
    /// privileged; once read, it is decided again.
    pub facts_wanted: BTreeSet<CsId>,
    pub reads: ReadSet,
}

/// The subject of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    Connector(CsId),
    Metaverse(MvId),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleScope {
    pub rule: RuleId,
    pub in_scope: bool,
}

/// Why the subject is or is not linked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum LinkReason {
    Joined {
        rule: RuleId,
        criterion: Criterion,
        mv: MvId,
    },
    Projected {
        rule: RuleId,
    },
    AlreadyLinked {
        rule: RuleId,
    },
    /// More than one object matched.
    Ambiguous {
        rule: RuleId,
        criterion: Criterion,
        candidates: Vec<MvId>,
    },
    /// The metaverse object already has an object of this connector space (S21, O12).
    Occupied {
        rule: RuleId,
        mv: MvId,
        by: CsId,
    },
    /// No in-scope rule joins or projects.
    NoRule,
    /// Every join attribute is absent (S22).
    NoJoinValue {
        rule: RuleId,
    },
    NeverSync {
        reason: String,
    },
    /// `[scope]` does not select it.
    NotSelected {
        reason: SelectionDecision,
    },
    Deleted,
    ExplicitlyDisconnected,
}

/// A link made, changed or removed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LinkChange {
    pub object: CsId,
    /// None: unlinked.
    pub link: Option<(MvRef, RuleId, Ownership)>,
    /// With no link: it stays unlinked until an operator says otherwise (O20, S39).
    pub explicitly: bool,
}

impl LinkChange {
    pub(crate) fn cut(object: CsId) -> Self {
        LinkChange { object, link: None, explicitly: false }
    }

    pub(crate) fn made(object: CsId, mv: MvRef, rule: RuleId, ownership: Ownership) -> Self {
        LinkChange { object, link: Some((mv, rule, ownership)), explicitly: false }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct MetaversePlan {
    pub object: MvRef,
    pub object_type: ObjectType,
    pub change: MetaverseChange,
    /// Per attribute: who won, who lost and why. Recomputed by `explain`, not stored.
    pub decisions: Vec<AttributeDecision>,
    /// The next instant (microseconds UTC) at which this object may be decided differently without any other change: a flow,
    /// limitation or condition reads the clock (SF28). Earlier than the true one is possible, later is not.
    pub due: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Hash)]
pub enum MetaverseChange {
    /// The attributes after this plan, whole; `changed` names those that differ in value from before, in order.
    Set {
        attributes: ByName<MvValue>,
        changed: Vec<AttributeName>,
    },
    Unchanged,
    Delete {
        cause: DeleteCause,
    },
}

/// How one attribute got its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AttributeDecision {
    pub attribute: AttributeName,
    pub values: Values,
    /// None: no candidate gave a value.
    pub winner: Option<Candidate>,
    pub losers: Vec<Candidate>,
}

/// One flow that could have set the attribute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Candidate {
    #[serde(serialize_with = "as_text")]
    pub rule: RuleId,
    pub precedence: u32,
    pub contributor: Option<CsId>,
    /// What it would have given; empty when nothing.
    pub values: Values,
    /// Such as `won`, `lower precedence`, `no value`, `ignored`, `authoritative null`.
    pub verdict: String,
}

fn as_text<S: serde::Serializer>(text: &RuleId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

/// The state of one target after this plan, whole: applying it twice changes nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetPlan {
    pub connector: ConnectorName,
    pub mv: MvRef,
    /// None: no object, only holds (a takeover or a create that is held).
    pub target: Option<TargetRef>,
    /// Never exported objects of this connector space that are dropped again (S38).
    pub dropped: Vec<CsId>,
    /// Link after this plan.
    pub link: Option<(RuleId, Ownership)>,
    /// None: nothing to send.
    pub pending: Option<PendingExport>,
    pub memory: ExportMemory,
    pub owned: OwnedNames,
    pub contributed: BTreeMap<AttributeName, Values>,
    pub references: Vec<ReferenceFlow>,
    pub holds: Vec<Hold>,
    pub decisions: Vec<AttributeDecision>,
    pub counter: Option<OutboundCounter>,
    /// Which join group found the object that this plan links, or that is held.
    pub matched_by: Option<Criterion>,
}

#[derive(Debug, Clone, PartialEq, Hash)]
pub enum TargetRef {
    Existing(CsId),
    /// To be created in the connector space, with no anchor until it is exported.
    New {
        object_type: ObjectType,
        dn: Option<Dn>,
    },
}

/// R41-R53; each object of a synchronisation step lands in exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum InboundCounter {
    DisconnectorProjectedFlow,
    DisconnectorProjectedNoFlow,
    DisconnectorProjectedRemoveMv,
    DisconnectorJoinedFlow,
    DisconnectorJoinedNoFlow,
    DisconnectorJoinedRemoveMv,
    DisconnectorFiltered,
    DisconnectorRemains,
    ConnectorFlow,
    ConnectorNoFlow,
    ConnectorFlowRemoveMv,
    ConnectorFilteredLeaveMv,
    ConnectorFilteredRemoveMv,
    ConnectorDeleteLeaveMv,
    ConnectorDeleteRemoveMv,
    ConnectorDeleteAddProcessed,
    FlowFailure,
}

/// R55-R60, per target connector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutboundCounter {
    ProvisionedAddFlow,
    ProvisionedAddNoFlow,
    ProvisionedRenameFlow,
    ProvisionedRenameNoFlow,
    ProvisionedDeleteAddFlow,
    ProvisionedDeleteAddNoFlow,
    ProvisionedDisconnect,
    ConnectorFlow,
    ConnectorNoFlow,
}

/// A synchronisation error of one object (R72): nothing of the plan but this is applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Hash)]
pub struct ObjectError {
    pub code: String,
    pub message: String,
    #[serde(serialize_with = "maybe_text")]
    pub rule: Option<RuleId>,
    pub attribute: Option<String>,
}

fn maybe_text<S: serde::Serializer>(text: &Option<RuleId>, serializer: S) -> Result<S::Ok, S::Error> {
    match text {
        Some(text) => serializer.serialize_some(&**text),
        None => serializer.serialize_none(),
    }
}

/// What a plan was made from, each once, in an order that only depends on the decision. If one of these changes before it is applied, it is decided again.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReadSet(pub Vec<Question>);

impl From<&Link> for MvRef {
    fn from(link: &Link) -> Self {
        MvRef::Existing(link.mv)
    }
}
