//! The decisions of the engine, as pure functions over values: scope, join, project, inbound flow, precedence,
//! provision, outbound flow, deprovision, references. No I/O, no clock, no randomness: what is not in the
//! [`Neighbourhood`] is asked for, never fetched.
//!
//! The modules stand in the order of the data flow (S1, S4).

mod at_rest;
#[cfg(test)]
mod at_rest_tests;
mod begun;
#[cfg(test)]
mod begun_tests;
mod confirm;
#[cfg(test)]
mod counter_tests;
mod decide;
mod desired;
mod digest;
mod evaluate;
#[cfg(test)]
mod evaluate_tests;
#[cfg(test)]
mod flow_tests;
mod guard;
mod inbound;
mod index;
mod inputs;
mod join;
#[cfg(test)]
mod join_tests;
mod keys;
mod leaving;
mod licences;
mod life;
#[cfg(test)]
mod link_tests;
mod merge;
#[cfg(test)]
mod merge_tests;
mod neighbourhood;
mod outbound;
#[cfg(test)]
mod outbound_tests;
mod pairs;
#[cfg(test)]
mod pairs_tests;
mod passwords;
mod plan;
pub mod planted;
mod prepared;
#[cfg(test)]
mod prepared_tests;
#[cfg(test)]
mod recall_tests;
#[cfg(test)]
mod reference_tests;
mod references;
mod revisit;
#[cfg(test)]
mod revisit_tests;
mod scope;
mod search;
mod selection;
mod takeover;
#[cfg(test)]
mod takeover_tests;
#[cfg(test)]
mod tests;
mod trace;
#[cfg(test)]
mod trace_tests;
mod undo;
#[cfg(test)]
mod undo_tests;
mod view;
#[cfg(test)]
mod world;
#[cfg(test)]
mod write_back_tests;

pub use begun::Begun;
pub use confirm::{Contradiction, confirm_import};
pub use decide::{Undecided, decide, decide_further};
pub use desired::overlay;
pub use digest::{Digest, fingerprint};
pub use guard::{ApprovalList, GuardCounts, GuardKind, GuardLine, GuardVerdict, judge};
pub use inputs::RunInputs;
pub use keys::{ObjectKeys, connector_keys, metaverse_keys};
pub use licences::{
    HeldLicence, LicenceDecision, LicenceObstacle, LicencePresent, LicenceSubject, LicenceWish, decide_licence,
    licence_obstacle, licence_units,
};
pub use neighbourhood::{KeyHit, Neighbourhood, Question};
pub use passwords::{
    PasswordDecision, PasswordEnd, PasswordState, PasswordSubject, decide_password, has_password, is_protected_group,
};
pub use plan::{
    AttributeDecision, Candidate, InboundCounter, LinkChange, LinkReason, MetaverseChange, MetaversePlan, ObjectError,
    ObjectPlan, OutboundCounter, ReadSet, RuleScope, Subject, TargetPlan, TargetRef,
};
pub use prepared::PreparedRules;
pub use references::{EndPending, ReferenceRow, ReferenceVerdict, TargetEnd, decide_reference, decide_removal};
pub use scope::{clause_holds, rule_in_scope};
pub use selection::{SelectionDecision, decide_selection};
pub use trace::{ClauseTrace, JoinTrace, Lookup, ScopeTrace, trace_joins, trace_scopes};
pub use undo::{
    KEPT_FOR, KeptFacts, UndoAuthority, UndoFacts, UndoLine, UndoPlan, UndoReach, UndoReference, UndoRefusal, UndoWay,
    decide_undo,
};
pub use view::{
    Approval, ApprovalKind, ConnectorState, CsId, CsObject, DeleteCause, ExportMemory, Grace, Hold, Link,
    MatchDecision, MatchVerdict, MemoryState, MvId, MvObject, MvRef, MvValue, OPERATOR_LINK, OwnedNames, Ownership,
    PairEnd, PendingExport, PendingOperation, Privilege, ReferenceFlow, Remembered, SentState, Staged,
};
