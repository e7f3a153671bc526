//! What a step, a run and a cycle came to, as values for the command line. Built while a step runs; nothing here is
//! read back to decide anything.

use crate::status::Severity;
use serde::Serialize;
use std::collections::BTreeMap;
use sync_kernel::{GuardLine, GuardVerdict};
use sync_rules::RuleSet;

/// Errors and guard lines that a report shows itself; the store has them all.
pub(crate) const SHOWN: usize = 20;

/// Counters by the names of R33-R66.
pub type Counters = BTreeMap<String, u64>;

#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct Note {
    /// Stable code such as `full-import-required`.
    pub code: String,
    pub message: String,
}

#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct ErrorNote {
    pub code: String,
    pub object: String,
    pub message: String,
    pub attribute: Option<String>,
}

/// What the guard stage of an export found (SF12).
#[derive(Debug, Clone, Serialize)]
pub struct GuardReport {
    /// Lets exactly this list through (`metasync approve`).
    pub digest: String,
    /// The list was approved, so the export went on.
    pub approved: bool,
    /// The kinds that are over their limit.
    pub verdicts: Vec<GuardVerdict>,
    pub lines: u64,
    pub first_lines: Vec<GuardLine>,
}

#[derive(Debug, Clone, Serialize)]
pub struct StepReport {
    pub step_type: &'static str,
    pub status: String,
    pub severity: Severity,
    /// Why it ended so, where the status alone does not say; may be empty.
    pub message: String,
    pub remedy: String,
    pub seconds: f64,
    /// R33-R40.
    pub staging: Counters,
    /// R41-R53.
    pub inbound: Counters,
    /// R55-R60, by target connector.
    pub outbound: BTreeMap<String, Counters>,
    /// R61-R66.
    pub export: Counters,
    /// Reference rows decided at the end of a synchronisation: added, removed, held, waiting.
    pub references: Counters,
    /// Objects read, synchronised or sent.
    pub processed: u64,
    /// Rows of the store that the step inserted, changed and removed, its own record in run history excepted. A step that
    /// finds nothing new writes a handful for its watermark, whatever the number of objects.
    pub rows_written: u64,
    /// What the step's statements cost, in steps of the database's virtual machine: the same on any machine. A step that has
    /// little to do costs the same in a store of any size.
    pub store_steps: u64,
    pub errors: u64,
    pub first_errors: Vec<ErrorNote>,
    pub notes: Vec<Note>,
    pub guard: Option<GuardReport>,
    /// Of a synchronisation: the digest over its plans, as `preview --rules` shows it for the same rules and state.
    pub digest: Option<String>,
    /// What is held in the spaces this step decided about, by code.
    pub held: Counters,
    /// Another step of the same run did this one's work (a full import in place of a delta).
    pub replaced: bool,
}

impl StepReport {
    pub(crate) fn new(step_type: &'static str) -> Self {
        StepReport {
            step_type,
            status: crate::status::SUCCESS.to_owned(),
            severity: Severity::Success,
            message: String::new(),
            remedy: String::new(),
            seconds: 0.0,
            staging: Counters::new(),
            inbound: Counters::new(),
            outbound: BTreeMap::new(),
            export: Counters::new(),
            references: Counters::new(),
            processed: 0,
            rows_written: 0,
            store_steps: 0,
            errors: 0,
            first_errors: Vec::new(),
            notes: Vec::new(),
            guard: None,
            digest: None,
            held: Counters::new(),
            replaced: false,
        }
    }
}

#[derive(Debug, Clone, Serialize)]
pub struct RunReport {
    pub connector: String,
    pub profile: String,
    /// The number of this run, as `metasync history` shows it.
    pub run: u64,
    pub status: String,
    pub severity: Severity,
    /// Microseconds since 1970-01-01 UTC.
    pub started: i64,
    pub ended: i64,
    pub steps: Vec<StepReport>,
    /// Held decisions after the run, by code.
    pub held: Counters,
}

impl RunReport {
    /// The step that decided the run's status.
    pub fn gravest_step(&self) -> Option<&StepReport> {
        self.steps.iter().filter(|step| !step.replaced).max_by_key(|step| step.severity)
    }
}

/// A list that waits for an operator.
#[derive(Debug, Clone, Serialize)]
pub struct WaitingList {
    pub digest: String,
    pub connector: String,
    /// `guard`, `system-state`, `match`, `sign-in-name`, `would-enable`.
    pub kind: String,
    pub lines: u64,
    pub first_lines: Vec<WaitingLine>,
}

#[derive(Debug, Clone, Serialize)]
pub struct WaitingLine {
    pub name: String,
    pub detail: String,
}

/// A step of a cycle that was not run, and why.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct Skipped {
    pub connector: String,
    pub step: &'static str,
    pub reason: String,
}

#[derive(Debug, Clone, Serialize)]
pub struct CycleReport {
    /// `initial` or `delta`.
    pub kind: &'static str,
    pub status: String,
    pub severity: Severity,
    /// Microseconds since 1970-01-01 UTC.
    pub started: i64,
    pub ended: i64,
    pub runs: Vec<RunReport>,
    pub skipped: Vec<Skipped>,
    /// The deployment is in staging mode: nothing was exported (G7).
    pub staging_mode: bool,
    /// Objects with something to send, by connector.
    pub pending: BTreeMap<String, u64>,
    /// Objects with sent values that no import has confirmed, by connector.
    pub unconfirmed: BTreeMap<String, u64>,
    /// Objects in error, by connector.
    pub errors: BTreeMap<String, u64>,
    /// Held decisions by connector and code.
    pub held: BTreeMap<String, Counters>,
    /// Lists that wait for an approval.
    pub waiting: Vec<WaitingList>,
}

/// Whether a code of a hold is a named limitation of the target system: nobody can let it through. The rules name their
/// own, the engine's begin with `limitation`.
pub fn is_limitation(rules: &RuleSet, code: &str) -> bool {
    code.starts_with("limitation")
        || rules.rules.iter().flat_map(|rule| &rule.limitations).any(|limitation| &*limitation.code == code)
}

/// Whether somebody has to do something about it: not a limitation, not a member that only follows its object, and not what
/// leaves scope, which time alone settles.
pub(crate) fn waits_for_somebody(rules: &RuleSet, code: &str) -> bool {
    !is_limitation(rules, code) && !code.starts_with("members-held") && code != sync_store::LEAVING_SCOPE
}
