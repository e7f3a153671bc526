//! Giving objects back that the engine took over (SF11): what a system lets be put back, in which order, and doing it. Which
//! values an object is to have again is the engine's decision.

use crate::{ConnectorError, ExportOutcome, ExportProblem, ReferenceChange};
use async_trait::async_trait;
use metaverse_schema::{Anchor, AttributeName, Attributes, AttributesDelta, ObjectType};
use std::collections::{BTreeMap, BTreeSet};

/// A system whose objects can be given back to its own administration one by one.
#[async_trait]
pub trait HandBack: Send + Sync {
    /// What of objects of this type can be put back. None: such objects cannot be given back.
    fn reach(&self, object_type: &ObjectType) -> Option<HandBackReach>;

    /// Whose the objects are now; reads only. One answer for each.
    async fn authority(&self, objects: &[(ObjectType, Anchor)]) -> Vec<(Anchor, Result<Authority, ExportProblem>)>;

    /// Gives the objects back. Of one object: `first` while the engine still masters it; then its source of authority; then
    /// `afterwards`, and last the stamp. A step that fails ends that object's. What an earlier call did already is success, so
    /// that every request may be sent again. An error is only returned when nothing of this call was sent.
    async fn hand_back(&self, requests: &[HandBackRequest]) -> Result<Vec<(i64, ExportOutcome)>, ConnectorError>;
}

/// What a system lets be put back of one type of objects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HandBackReach {
    /// Attributes that are written before the object changes hands.
    pub first: BTreeSet<AttributeName>,
    /// Attributes that are written when it is the system's own again; references too.
    pub afterwards: BTreeSet<AttributeName>,
    /// Attributes that nobody but the engine can change while the object is taken over: whatever differs there came by it.
    pub mastered: BTreeSet<AttributeName>,
    /// The attribute that ties the object to its source. None: the system has nothing to clear.
    pub stamp: Option<AttributeName>,
    /// Why some attributes cannot be put back.
    pub never: BTreeMap<AttributeName, String>,
    /// What else stays as it is, for the operator: what, and what to do about it.
    pub stays: Vec<(String, String)>,
    /// Whether the object has a source of authority that is handed back, in the operator's words (`isCloudManaged`).
    pub authority: Option<String>,
}

/// Whose an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authority {
    /// It is synchronised: its values are written by the engine alone.
    Engine,
    /// It is the system's own.
    System,
    /// Somebody moved it from the engine to the system: it is neither written nor deleted (SF30).
    MovedAway,
}

/// One object that is to be given back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandBackRequest {
    pub id: i64,
    pub object_type: ObjectType,
    pub anchor: Anchor,
    /// What the engine holds of the attributes that `Exporter::named_by` lists.
    pub named_by: Attributes,
    pub first: AttributesDelta,
    pub afterwards: AttributesDelta,
    /// Written with `afterwards`.
    pub references: Vec<ReferenceChange>,
    /// The last write. Empty: the stamp stays as it is.
    pub stamp: AttributesDelta,
}
