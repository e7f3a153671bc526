//! What the engine sends and what comes of it. An export is never a confirmation: only an import is (O44).

use crate::{Check, ConnectorError};
use async_trait::async_trait;
use metaverse_schema::{Anchor, AttributeName, Attributes, AttributesDelta, Dn, ObjectType};
use std::collections::BTreeSet;

/// One object of an export batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportItem {
    /// The engine's number for this object; outcomes name it.
    pub id: i64,
    pub object_type: ObjectType,
    pub operation: ExportOperation,
    /// What the engine holds of the attributes that `Exporter::named_by` lists: as imported, or as sent and not yet seen
    /// again. Empty for a create.
    pub named_by: Attributes,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExportOperation {
    Create(CreateRequest),
    Update(UpdateRequest),
    /// Brings an object back from the system's recycle bin, then writes the changes (SF9).
    Restore(UpdateRequest),
    /// Removes the object.
    Delete {
        anchor: Anchor,
    },
    /// Ends the engine's hold on an object that it took over, without removing it: Azure AD blocks the sign-in, revokes
    /// sessions and clears the anchor stamp (SF4).
    Detach {
        anchor: Anchor,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CreateRequest {
    /// Where the system has a hierarchy.
    pub dn: Option<Dn>,
    pub attributes: Attributes,
    /// References whose targets exist in the system; the rest follows as updates.
    pub references: Vec<ReferenceChange>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateRequest {
    pub anchor: Anchor,
    /// The new DN, when the object is renamed or moved.
    pub dn: Option<Dn>,
    pub changes: AttributesDelta,
    pub references: Vec<ReferenceChange>,
    /// Written after everything else succeeded, and not at all otherwise: the anchor stamp of a takeover (SF2).
    pub afterwards: AttributesDelta,
    /// The engine gave the object back to the system once, and an operator approved taking it over again: whatever the system
    /// set up against that is taken away first (SF11).
    pub reclaims: bool,
}

/// One value of a reference attribute. A single-valued attribute that changes its target is one removal and one addition.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReferenceChange {
    pub attribute: AttributeName,
    pub target: Anchor,
    /// The target's DN, for systems that reference by name.
    pub target_dn: Option<Dn>,
    pub target_type: ObjectType,
    pub add: bool,
}

/// What became of one item. "Already so" (a member that was there, a deletion of what is gone) is success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExportOutcome {
    /// Accepted. `anchor` is given for a create; `failed_references` are reference changes of this item that were refused
    /// while the rest went through.
    Accepted { anchor: Option<Anchor>, failed_references: Vec<(ReferenceChange, ExportProblem)> },
    /// Refused; nothing of this item is known to have been written beyond what `problem` says.
    Refused(ExportProblem),
    /// Not sent or not answered (connection, throttling, cancellation): it stays as it is and is sent again.
    /// `may_have_arrived` tells whether it left the process, so that a create is looked up first.
    NotSettled { may_have_arrived: bool, message: String },
}

/// Why an export of one object was refused, in the engine's error names (R74, M18-M26).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportProblem {
    /// Such as `cd-existing-object`, `AttributeValueMustBeUnique`, `permission-issue`, `deleted-twin`.
    pub code: String,
    /// The attribute that caused it, when the system says so.
    pub attribute: Option<AttributeName>,
    pub message: String,
    pub remedy: String,
    /// Worth sending again without a change (a reference target not yet replicated). Others wait for a change or the operator.
    pub retry: bool,
}

/// What the rules would have a connector write to objects of one type: for finding out before the first export whether it
/// may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntendedExport {
    pub object_type: ObjectType,
    pub creates: bool,
    pub renames: bool,
    pub deletes: bool,
    /// Attributes of objects that exist; those that are only given to new ones are not among them.
    pub attributes: BTreeSet<AttributeName>,
}

impl IntendedExport {
    /// Nothing yet, for objects of this type.
    pub fn of(object_type: ObjectType) -> Self {
        let attributes = BTreeSet::new();
        IntendedExport { object_type, creates: false, renames: false, deletes: false, attributes }
    }
}

/// A connected system that can be written to.
#[async_trait]
pub trait Exporter: Send + Sync {
    /// Most items that one call of `export` takes with profit (Graph: 20 in a batch).
    fn batch_size(&self) -> usize;

    /// Attributes whose values an item has to bring along (`ExportItem::named_by`), because the system knows an object by
    /// them when it is written, and by its anchor when it is read.
    fn named_by(&self) -> &'static [&'static str] {
        &[]
    }

    /// Whether references of an object that is to be created wait until all creates of the step have gone. So it is where
    /// references are requests of their own and what was just made cannot be seen for a while: that while is then waited for
    /// once, and not once for each batch of creates. Nothing of an export page then waits for the one before it, so the two may be
    /// on their way together.
    fn references_follow_creates(&self) -> bool {
        false
    }

    /// Told before objects are written that the engine created and no import has returned yet, perhaps by a process that broke
    /// off a moment ago: the system may not show them for a while.
    fn not_yet_seen(&self, _anchors: &[Anchor]) {}

    /// Sends the items. Returns one outcome per item, by its number, in any order; an item without an outcome counts as
    /// not settled. An error ends the step after the outcomes already known were kept, so it is only returned when
    /// nothing of this call was sent.
    async fn export(&self, items: &[ExportItem]) -> Result<Vec<(i64, ExportOutcome)>, ConnectorError>;

    /// Told when an export is over, with the number of objects that were sent and of those that were accepted. Nothing hangs
    /// on it: what an error says is noted.
    async fn export_ended(&self, _sent: u64, _accepted: u64) -> Result<(), ConnectorError> {
        Ok(())
    }

    /// Asks the system whether the account may write what the rules intend, and names each missing right with the way to
    /// grant it; writes nothing. A system that cannot be asked says nothing.
    async fn check_rights(&self, _intended: &[IntendedExport]) -> Check {
        Check::default()
    }

    /// Looks in the system, not in any cache, for the object that a create would make: by its anchor stamp or own key.
    /// Asked after a crash, before a create is sent again.
    async fn find_created(
        &self,
        object_type: &ObjectType,
        create: &CreateRequest,
    ) -> Result<Option<Anchor>, ConnectorError>;
}
