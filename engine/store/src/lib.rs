//! The store of a deployment, in one SQLite file: connector spaces, metaverse, pending exports, queues, watermarks, approvals and
//! run history. It keeps what others decided and answers what they must know; it never evaluates a rule and never talks to a
//! connected system. The database library is named in this crate alone.
//!
//! The modules stand in the order of the data flow.

mod approvals;
mod codec;
mod codes;
mod db;
mod describe;
mod due;
mod error;
mod errors;
mod export;
mod guards;
mod head;
mod history;
mod import;
mod in_order;
mod key_trees;
mod keys;
mod link_order;
mod lock;
mod membership;
mod migrations;
mod names;
mod never_sync;
mod open;
mod pair_decision;
mod passwords;
mod pending;
mod place;
mod query;
mod references;
mod rules;
mod scan;
mod settings;
mod sync;
mod system_state;
#[cfg(test)]
mod tests;
mod view;
mod watched;

pub use approvals::{ApprovableLine, ApprovableList, Approved, StoredList};
pub use describe::{LinkLine, Member, MvDescription, ObjectDescription, PendingMember, WaitingMember};
pub use error::StoreError;
pub use errors::{ErrorFilter, ErrorLine, ErrorPhase, ErrorSubject, Problem, StepError};
pub use export::{
    ExportEntry, ExportPhase, ExportReference, KeptBefore, Refusal, Settled, SettledOutcome, Settlement, UndoOutcome,
    UndoRecord, UndoState,
};
pub use guards::GuardRoles;
pub use history::{
    EventLevel, EventRecord, IN_PROGRESS, NewEvent, PageMark, Run, RunFilter, RunId, RunRecord, StepCounters, StepEnd,
    StepId, StepNote, StepRecord,
};
pub use import::{
    FinishImport, HeldPrints, ImportMode, ImportSession, ImportSummary, StagedChange, StagedItem, StagedObject,
    StagedPage, StagedPlace, StagingCounters, StagingIssue,
};
pub use link_order::LinkOrder;
pub use membership::{FedAttribute, FedMember, FedState};
pub use never_sync::NeverSyncGroup;
pub use open::Store;
pub use pair_decision::{PairDecision, PairWord};
pub use passwords::{
    OpenBreaker, PasswordEvent, PasswordLine, PasswordLogLine, PasswordOutcomes, PasswordTotals, PasswordVersions,
    SettledPassword,
};
pub use pending::{HeldLine, HoldFilter, LEAVING_SCOPE, PendingFilter, PendingLine};
pub use query::{MvSummary, ObjectSummary, OpenCounts, PendingImport, SpaceCounts};
pub use rules::RulesRegistration;
pub use scan::ScannedImage;
pub use settings::{OwnAccountFact, Requirements, SchemaChange};
pub use sync::{AppliedPage, AppliedPlan, PlanPage, ReferencePage, ReferencePreview, StoreReader, StoreView};
pub use system_state::{ChangedFact, ChangedState};
pub use watched::SelectionProblem;

/// Shared names as plain text in JSON.
fn as_text<S: serde::Serializer>(name: &std::sync::Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(name)
}
