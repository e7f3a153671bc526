//! What a pass came to, for the command, for programs and for the exit code. Holds names and counts, never a hash.

use crate::report::{ErrorNote, GuardReport, SHOWN};
use crate::status::{self, Severity};
use connector_contract::{ConnectorError, ErrorKind};
use serde::Serialize;
use std::collections::BTreeMap;
use sync_kernel::PasswordState;
use sync_rules::ConnectorName;

/// Why a source or a target is left alone for now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Paused {
    /// As a run step would end: `no-start-staging-mode`, `no-start-credentials`.
    pub status: String,
    pub message: String,
    pub remedy: String,
}

impl Paused {
    pub(super) fn because(status: &str, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Paused { status: status.to_owned(), message: message.into(), remedy: remedy.into() }
    }
}

impl From<&ConnectorError> for Paused {
    fn from(error: &ConnectorError) -> Self {
        let message = format!("{}: {}", error.attempted, error.message);
        // The watermark is dropped, and the next read is of everything: nothing for an operator to do.
        let status = match error.kind {
            ErrorKind::FullImportRequired => status::COMPLETED_WARNINGS,
            _ => error.step_status(),
        };
        Paused::because(status, message, error.remedy.clone())
    }
}

#[derive(Debug, Clone, Serialize)]
pub struct PasswordReport {
    pub status: String,
    pub severity: Severity,
    /// Microseconds UTC.
    pub started: i64,
    pub ended: i64,
    pub sources: Vec<SourceReport>,
}

/// One source in a pass.
#[derive(Debug, Clone, Serialize)]
pub struct SourceReport {
    pub source: String,
    /// Where passwords were read: the domain controller; none: nothing was read.
    pub read_from: Option<String>,
    /// Everything was read, and why.
    pub full_because: Option<String>,
    /// What the read told of, users or not.
    pub read: u64,
    /// Of them, those of which only something beside the password changed (P27).
    pub time_only: u64,
    /// Hashes that were decrypted: of users in scope alone (SF21).
    pub opened: u64,
    pub paused: Option<Paused>,
    pub targets: Vec<TargetReport>,
}

/// What became of the passwords of one source at one target.
#[derive(Debug, Clone, Default, Serialize)]
pub struct TargetReport {
    pub target: String,
    /// Users by what became of their passwords in this pass (P43).
    pub states: BTreeMap<&'static str, u64>,
    /// Users whose target does not have the version that was seen last.
    pub owed: u64,
    /// First passwords that wait for an operator (SF12).
    pub guard: Option<GuardReport>,
    pub paused: Option<Paused>,
    pub first_errors: Vec<ErrorNote>,
    /// Of the states `Error` those that stand until the password changes; the others are tried again.
    #[serde(skip)]
    pub(super) refused_for_good: u64,
}

impl PasswordReport {
    pub(super) fn new(now: i64) -> Self {
        PasswordReport {
            status: status::SUCCESS.to_owned(),
            severity: Severity::Success,
            started: now,
            ended: now,
            sources: Vec::new(),
        }
    }

    /// The gravest of everything is the status.
    pub(super) fn end(&mut self, now: i64, stopped: bool) {
        self.ended = now;
        let mut worst = (Severity::Success, status::SUCCESS.to_owned());
        let mut take = |found: &str| {
            let severity = status::severity_of_status(found);
            if severity > worst.0 {
                worst = (severity, found.to_owned());
            }
        };
        for source in &self.sources {
            source.paused.iter().for_each(|paused| take(&paused.status));
            for target in &source.targets {
                target.paused.iter().for_each(|paused| take(&paused.status));
                if target.guard.is_some() {
                    take(status::STOPPED_GUARD);
                }
                if target.count(PasswordState::Error) > 0 || target.count(PasswordState::Unknown) > 0 {
                    take(status::COMPLETED_EXPORT_ERRORS);
                }
            }
        }
        if stopped {
            take(status::STOPPED_BY_OPERATOR);
        }
        (self.severity, self.status) = worst;
    }
}

impl SourceReport {
    pub(super) fn new(source: &ConnectorName) -> Self {
        SourceReport {
            source: source.to_string(),
            read_from: None,
            full_because: None,
            read: 0,
            time_only: 0,
            opened: 0,
            paused: None,
            targets: Vec::new(),
        }
    }

    pub(super) fn target(&mut self, name: &str) -> &mut TargetReport {
        let position = self.targets.iter().position(|target| target.target == name).unwrap_or_else(|| {
            self.targets.push(TargetReport { target: name.to_owned(), ..TargetReport::default() });
            self.targets.len() - 1
        });
        &mut self.targets[position]
    }
}

impl TargetReport {
    pub fn count(&self, state: PasswordState) -> u64 {
        self.states.get(state.name()).copied().unwrap_or(0)
    }

    pub(super) fn add(&mut self, state: PasswordState) {
        *self.states.entry(state.name()).or_default() += 1;
    }

    pub(super) fn error(&mut self, object: &str, code: &str, message: &str) {
        if self.first_errors.len() < SHOWN {
            self.first_errors.push(ErrorNote {
                code: code.to_owned(),
                object: object.to_owned(),
                message: message.to_owned(),
                attribute: None,
            });
        }
    }
}
