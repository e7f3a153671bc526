//! One step while it runs: its record for the history, its part of the event stream, and how it ends. Decides nothing.

use crate::event::{Event, Events};
use crate::report::{Counters, ErrorNote, Note, SHOWN, StepReport};
use crate::status::{self, severity_of_status};
use connector_contract::ConnectorError;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;
use sync_kernel::{CsId, Subject};
use sync_rules::{ConnectorName, StepType};
use sync_store::{PageMark, RunId, StepCounters, StepId, Store, StoreError};

/// The name of a step type, in profiles, history and events (R2).
pub fn step_name(step: StepType) -> &'static str {
    match step {
        StepType::FullImport => "full-import",
        StepType::DeltaImport => "delta-import",
        StepType::FullSynchronization => "full-synchronization",
        StepType::DeltaSynchronization => "delta-synchronization",
        StepType::Export => "export",
        StepType::FullImportAndDeltaSynchronization => "full-import-and-delta-synchronization",
        StepType::FullImportAndFullSynchronization => "full-import-and-full-synchronization",
        StepType::DeltaImportAndDeltaSynchronization => "delta-import-and-delta-synchronization",
    }
}

/// How a step ended.
#[derive(Debug, Clone)]
pub(crate) struct End {
    pub(crate) status: String,
    pub(crate) message: String,
    pub(crate) remedy: String,
}

impl End {
    pub(crate) fn with(status: &str) -> Self {
        End { status: status.to_owned(), message: String::new(), remedy: String::new() }
    }

    pub(crate) fn because(status: &str, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        End { status: status.to_owned(), message: message.into(), remedy: remedy.into() }
    }

    pub(crate) fn by_operator() -> Self {
        End::because(
            status::STOPPED_BY_OPERATOR,
            "stopped by the operator; what was done stays",
            "run it again to carry on",
        )
    }

    pub(crate) fn over_the_error_limit(errors: u64) -> Self {
        End::because(
            status::STOPPED_ERROR_LIMIT,
            format!("{errors} objects were in error"),
            "correct the cause the errors share, or raise `error_limit`",
        )
    }
}

impl From<&ConnectorError> for End {
    fn from(error: &ConnectorError) -> Self {
        End::because(error.step_status(), format!("{}: {}", error.attempted, error.message), error.remedy.clone())
    }
}

impl From<&StoreError> for End {
    fn from(error: &StoreError) -> Self {
        End::because(error.status(), error.to_string(), "")
    }
}

/// A step that runs.
pub(crate) struct StepRun {
    pub(crate) connector: ConnectorName,
    pub(crate) run: RunId,
    pub(crate) id: StepId,
    /// The run's one reading of the clock (SF28).
    pub(crate) now: i64,
    pub(crate) report: StepReport,
    events: Arc<dyn Events>,
    began: Instant,
    phase: (&'static str, Instant),
}

impl StepRun {
    pub(crate) fn new(
        connector: &ConnectorName,
        step: &'static str,
        run: RunId,
        id: StepId,
        now: i64,
        events: Arc<dyn Events>,
    ) -> Self {
        let began = Instant::now();
        events.emit(&Event::StepStarted { connector: connector.to_string(), step });
        StepRun {
            connector: connector.clone(),
            run,
            id,
            now,
            report: StepReport::new(step),
            events,
            began,
            phase: ("", began),
        }
    }

    pub(crate) fn mark(&self) -> PageMark {
        PageMark { run: Some(self.run), step: Some(self.id), now: self.now }
    }

    /// Something that is not about one object.
    pub(crate) fn note(&mut self, code: &str, message: impl Into<String>) {
        let message = message.into();
        tracing::info!(connector = %self.connector, step = self.report.step_type, code, "{message}");
        self.events.emit(&Event::Note {
            connector: self.connector.to_string(),
            code: code.to_owned(),
            message: message.clone(),
        });
        self.report.notes.push(Note { code: code.to_owned(), message });
    }

    /// An error of one object. Counted; the first ones are shown, all of them are in the store.
    pub(crate) fn object_error(&mut self, error: ErrorNote) {
        tracing::debug!(connector = %self.connector, code = %error.code, object = %error.object, "{}", error.message);
        self.events.emit(&Event::ObjectError {
            connector: self.connector.to_string(),
            object: error.object.clone(),
            code: error.code.clone(),
            message: error.message.clone(),
        });
        self.report.errors += 1;
        if self.report.first_errors.len() < SHOWN {
            self.report.first_errors.push(error);
        }
    }

    pub(crate) fn progress(&mut self, phase: &'static str, done: u64, total: Option<u64>) {
        if self.phase.0 != phase {
            self.phase = (phase, Instant::now());
        }
        let seconds = self.phase.1.elapsed().as_secs_f64();
        let rate = if seconds > 0.0 { done as f64 / seconds } else { 0.0 };
        self.events.emit(&Event::Progress {
            connector: self.connector.to_string(),
            step: self.report.step_type,
            phase,
            done,
            total,
            rate,
        });
    }

    pub(crate) fn emit(&self, event: &Event) {
        self.events.emit(event);
    }

    pub(crate) fn wants_plans(&self) -> bool {
        self.events.wants_plans()
    }

    /// The counters as the history keeps them.
    pub(crate) fn counters(&self) -> StepCounters {
        let mut counters = StepCounters::default();
        let own = [&self.report.staging, &self.report.inbound, &self.report.export, &self.report.references];
        for (name, count) in own.into_iter().flatten() {
            *counters.values.entry(name.clone()).or_default() += count;
        }
        for (connector, flows) in &self.report.outbound {
            counters.outbound.insert(connector.clone(), flows.clone());
        }
        counters
    }

    pub(crate) fn end(&mut self, end: End) {
        self.report.severity = severity_of_status(&end.status);
        self.report.status = end.status;
        self.report.message = end.message;
        self.report.remedy = end.remedy;
        self.report.seconds = self.began.elapsed().as_secs_f64();
    }

    pub(crate) fn emit_end(&self) {
        tracing::info!(connector = %self.connector, step = self.report.step_type, status = %self.report.status, "step ended");
        self.events.emit(&Event::StepEnded {
            connector: self.connector.to_string(),
            step: self.report.step_type,
            status: self.report.status.clone(),
            report: Box::new(self.report.clone()),
        });
    }
}

pub(crate) fn count(counters: &mut Counters, name: &str, by: u64) {
    if by > 0 {
        *counters.entry(name.to_owned()).or_default() += by;
    }
}

/// The kebab-case name of a counter of the kernel.
pub(crate) fn counter_name(counter: &impl serde::Serialize) -> String {
    match serde_json::to_value(counter) {
        Ok(serde_json::Value::String(name)) => name,
        _ => String::new(),
    }
}

/// How an operator finds the object of a decision.
pub(crate) fn subject_name(store: &Store, subject: Subject) -> Result<String, StoreError> {
    Ok(match subject {
        Subject::Connector(id) => object_name(store, id)?,
        Subject::Metaverse(id) => {
            store.metaverse_summary(id)?.map_or_else(|| id.to_string(), |summary| format!("{} ({id})", summary.name))
        }
    })
}

pub(crate) fn object_name(store: &Store, id: CsId) -> Result<String, StoreError> {
    Ok(store.summary(id)?.map_or_else(
        || id.to_string(),
        |summary| match &summary.dn {
            Some(dn) => dn.to_string(),
            None => summary.name.clone(),
        },
    ))
}

/// Ids of objects by the counter they were counted under (R31).
pub(crate) type Details = BTreeMap<String, Vec<CsId>>;

/// Counters without a drill-down: they would list the whole space (R31).
pub(crate) fn has_details(counter: &str) -> bool {
    !matches!(counter, "stage-no-change" | "disconnector-remains" | "connector-no-flow")
}
