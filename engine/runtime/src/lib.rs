//! Puts rules, kernel, store and connectors to work: import, synchronise, guard, export, in run profiles and cycles, with
//! one event stream and a history. Never names a kind of connector, and never touches the database itself.
//!
//! The modules stand in the order of the data flow.

mod breaker;
mod engine;
mod event;
mod report;
pub mod status;
mod step;
mod stop;
mod text;

mod profile;

mod cycle;

mod import;
mod places;

mod decide_page;
mod facts;
mod synchronise;

mod export;
mod export_order;
mod guard;
mod selection;
mod send;
mod system_state;
mod undo;

mod licences;

mod applied;
mod digest;
mod explain;
mod explain_members;
mod explain_rules;
mod hypothesis;
mod links;
mod look_ahead;
mod names;
mod overview;
mod pairs;
mod preview;
mod reading;
mod rule_change;
mod sheet;
mod trial;

mod rule_test;

mod passwords;

#[cfg(test)]
mod tests;

pub use applied::{AppliedRules, open_as_applied};
pub use breaker::close_breakers;
pub use cycle::CycleKind;
pub use digest::plan_digest;
pub use engine::{Clock, Engine, EngineError, EngineParts, FixedClock, Limits, SystemClock};
pub use event::{Event, Events, NoEvents};
pub use explain::{
    ChangedSince, Explanation, ExportState, LinkedObject, PageOf, StandingError, TakenOver, privilege_text,
};
pub use explain_members::{Membership, MissingMember};
pub use explain_rules::{FailingClause, LookupExplanation, ScopeExplanation, SelectionExplanation};
pub use hypothesis::scratch_with_values;
pub use licences::{
    LicenceEnd, LicenceHolding, LicenceLine, LicenceOverview, LicencePlan, LicencePlanLine, LicenceProductLine,
    LicenceReport, LicenceRequest, LicenceResult, LicenceSelection, UnknownLocation, UsageLocation, licence_overview,
    plan_licences,
};
pub use links::LinkOrdered;
pub use names::{ObjectName, Space};
pub use overview::{ConnectorStatus, LastRun, Status};
pub use pairs::{PairLine, PairSide, PairState, WordSaid};
pub use passwords::{
    PairStatus, PassKind, PasswordLimits, PasswordParts, PasswordReport, PasswordStatus, Paused, SourceReport,
    TargetReport, UserPassword, UserVersions, Watch, password_status, synchronise_passwords, user_passwords,
    watch_passwords,
};
pub use places::ContainerLine;
pub use preview::{
    AttributeLine, CandidateLine, InputLine, JoinLine, LinkLine, MetaversePreview, Preview, ReferenceLine, ScopeLine,
    TargetPreview,
};
pub use profile::{BUILT_IN_STEPS, RunOptions};
pub use reading::{Reading, open_for_reading, scratch_with_rules};
pub use report::{
    Counters, CycleReport, ErrorNote, GuardReport, Note, RunReport, Skipped, StepReport, WaitingLine, WaitingList,
    is_limitation,
};
pub use rule_change::{
    ChangeKind, ChangeLine, ChangeStep, RuleChange, RuleChangeRequest, RuleComparison, TargetChange,
};
pub use rule_test::{Because, Mismatch, TestOutcome, run_rule_test};
pub use selection::selection_problem;
pub use sheet::{Sheet, SheetChange, SheetLine};
pub use status::{Severity, severity_of_status};
pub use step::step_name;
pub use stop::StopSignal;
pub use trial::{NotRead, Trial, TrialRequest};
pub use undo::{UndoEnd, UndoObject, UndoReport, UndoResult, UndoSheet, UndoTarget};
