//! Errors that stand on objects (R30, R76): first and last time, number of retries, cleared when the object succeeds; and their
//! copies in the history of the step that reported them.

use crate::db::Db;
use crate::error::{Fault, Inner};
use crate::history::{PageMark, StepId};
use crate::names::METAVERSE_ERRORS;
use crate::{Store, StoreError};
use serde::Serialize;
use sync_kernel::{CsId, MvId};
use sync_rules::ConnectorName;

/// The kind of step that reports an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorPhase {
    Import,
    Synchronization,
    Export,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorSubject {
    Object(CsId),
    Metaverse(MvId),
}

/// An error to be recorded on an object.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Problem {
    pub code: String,
    pub message: String,
    pub attribute: Option<String>,
    pub rule: Option<String>,
}

impl Problem {
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Problem { code: code.into(), message: message.into(), attribute: None, rule: None }
    }
}

/// An error that stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ErrorLine {
    pub subject: ErrorSubject,
    #[serde(serialize_with = "crate::as_text")]
    pub connector: ConnectorName,
    /// As the operator knows the object.
    pub name: String,
    pub phase: ErrorPhase,
    pub code: String,
    pub message: String,
    pub attribute: Option<String>,
    pub rule: Option<String>,
    pub first_occurred: i64,
    pub last_occurred: i64,
    pub retry_count: u64,
}

/// Which errors to list; `None` is any.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ErrorFilter {
    pub connector: Option<ConnectorName>,
    pub phase: Option<ErrorPhase>,
    pub code: Option<String>,
    pub subject: Option<ErrorSubject>,
}

/// An error as one step reported it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StepError {
    /// None: an item that is no object of the space.
    pub subject: Option<ErrorSubject>,
    pub name: String,
    pub phase: ErrorPhase,
    pub code: String,
    pub message: String,
    pub occurred: i64,
}

fn phase_code(phase: ErrorPhase) -> i64 {
    match phase {
        ErrorPhase::Import => 0,
        ErrorPhase::Synchronization => 1,
        ErrorPhase::Export => 2,
    }
}

fn phase_of(code: i64) -> Inner<ErrorPhase> {
    Ok(match code {
        0 => ErrorPhase::Import,
        1 => ErrorPhase::Synchronization,
        2 => ErrorPhase::Export,
        other => return Err(Fault::damaged(format!("unknown phase of an error {other}"))),
    })
}

fn subject_code(subject: ErrorSubject) -> (i64, i64) {
    match subject {
        ErrorSubject::Object(id) => (0, id.0),
        ErrorSubject::Metaverse(id) => (1, id.0),
    }
}

fn subject_of(side: i64, id: i64) -> Inner<ErrorSubject> {
    match side {
        0 => Ok(ErrorSubject::Object(CsId(id))),
        1 => Ok(ErrorSubject::Metaverse(MvId(id))),
        other => Err(Fault::damaged(format!("unknown subject of an error {other}"))),
    }
}

impl Store {
    /// Records an error about something that is no object of the space: an unreadable entry of an import.
    pub fn record_step_error(
        &mut self,
        step: StepId,
        name: &str,
        phase: ErrorPhase,
        problem: &Problem,
        now: i64,
    ) -> Result<(), StoreError> {
        self.db.write("recording an error", |db| {
            db.add_step_error(step, None, name, phase, &problem.code, &problem.message, now)
        })
    }

    /// Errors that stand, in order of connector and object.
    pub fn errors(&self, filter: &ErrorFilter, limit: usize) -> Result<Vec<ErrorLine>, StoreError> {
        self.db.read("reading the errors", |db| db.load_errors(filter, limit))
    }

    pub fn error_count(&self, connector: &str) -> Result<u64, StoreError> {
        self.db.read("counting the errors", |db| {
            let Some(id) = db.find_connector(connector) else { return Ok(0) };
            db.count("SELECT count(*) FROM object_error WHERE connector = ?1", [id])
        })
    }

    /// What a step reported, in the order of reporting.
    pub fn step_errors(&self, step: StepId) -> Result<Vec<StepError>, StoreError> {
        type Row = (i64, Option<i64>, String, i64, String, String, i64);
        self.db.read("reading the errors of a step", |db| {
            let rows: Vec<Row> = db.all(
                "SELECT side, object, name, phase, code, message, occurred FROM run_step_error WHERE step = ?1 ORDER BY id",
                [step.0],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?)),
            )?;
            rows.into_iter()
                .map(|(side, object, name, phase, code, message, occurred)| {
                    let subject = object.map(|id| subject_of(side, id)).transpose()?;
                    Ok(StepError { subject, name, phase: phase_of(phase)?, code, message, occurred })
                })
                .collect()
        })
    }
}

impl Db {
    pub(crate) fn raise(
        &self,
        subject: ErrorSubject,
        connector: i64,
        phase: ErrorPhase,
        problem: &Problem,
        mark: &PageMark,
    ) -> Inner<()> {
        let (side, object) = subject_code(subject);
        self.run(
            "INSERT INTO object_error (side, object, phase, connector, code, message, attribute, rule, first_occurred, last_occurred, retry_count) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9, 0) ON CONFLICT (side, object, phase) DO UPDATE SET \
             retry_count = CASE WHEN code = excluded.code THEN retry_count + 1 ELSE 0 END, \
             first_occurred = CASE WHEN code = excluded.code THEN first_occurred ELSE excluded.first_occurred END, \
             connector = excluded.connector, code = excluded.code, message = excluded.message, attribute = excluded.attribute, \
             rule = excluded.rule, last_occurred = excluded.last_occurred",
            rusqlite::params![
                side,
                object,
                phase_code(phase),
                connector,
                problem.code,
                problem.message,
                problem.attribute,
                problem.rule,
                mark.now
            ],
        )?;
        if let Some(step) = mark.step {
            let name = self.subject_name(subject)?;
            self.add_step_error(step, Some(subject), &name, phase, &problem.code, &problem.message, mark.now)?;
        }
        Ok(())
    }

    pub(crate) fn clear_errors(&self, subject: ErrorSubject, phase: ErrorPhase) -> Inner<()> {
        let (side, object) = subject_code(subject);
        self.run(
            "DELETE FROM object_error WHERE side = ?1 AND object = ?2 AND phase = ?3",
            (side, object, phase_code(phase)),
        )?;
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "one column each")]
    pub(crate) fn add_step_error(
        &self,
        step: StepId,
        subject: Option<ErrorSubject>,
        name: &str,
        phase: ErrorPhase,
        code: &str,
        message: &str,
        now: i64,
    ) -> Inner<()> {
        let (side, object) = subject.map_or((0, None), |subject| {
            let (side, object) = subject_code(subject);
            (side, Some(object))
        });
        self.run(
            "INSERT INTO run_step_error (step, side, object, name, phase, code, message, occurred) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            (step.0, side, object, name, phase_code(phase), code, message, now),
        )?;
        Ok(())
    }

    fn subject_name(&self, subject: ErrorSubject) -> Inner<String> {
        match subject {
            ErrorSubject::Object(id) => self.label(id.0),
            ErrorSubject::Metaverse(id) => self.metaverse_label(id.0),
        }
    }

    pub(crate) fn load_errors(&self, filter: &ErrorFilter, limit: usize) -> Inner<Vec<ErrorLine>> {
        type Row = (i64, i64, i64, i64, String, String, Option<String>, Option<String>, i64, i64, i64);
        let connector = match &filter.connector {
            Some(name) => match self.find_connector(name) {
                Some(id) => Some(id),
                None => return Ok(Vec::new()),
            },
            None => None,
        };
        let (side, object) =
            filter.subject.map(subject_code).map_or((None, None), |(side, object)| (Some(side), Some(object)));
        let rows: Vec<Row> = self.all(
            "SELECT side, object, phase, connector, code, message, attribute, rule, first_occurred, last_occurred, retry_count \
             FROM object_error WHERE (?1 IS NULL OR connector = ?1) AND (?2 IS NULL OR phase = ?2) AND (?3 IS NULL OR code = ?3) \
             AND (?4 IS NULL OR side = ?4) AND (?5 IS NULL OR object = ?5) ORDER BY connector, side, object, phase LIMIT ?6",
            rusqlite::params![connector, filter.phase.map(phase_code), filter.code, side, object, i64::try_from(limit).unwrap_or(i64::MAX)],
            |row| {
                Ok((
                    row.get(0)?,
                    row.get(1)?,
                    row.get(2)?,
                    row.get(3)?,
                    row.get(4)?,
                    row.get(5)?,
                    row.get(6)?,
                    row.get(7)?,
                    row.get(8)?,
                    row.get(9)?,
                    row.get(10)?,
                ))
            },
        )?;
        let mut lines = Vec::with_capacity(rows.len());
        for (side, object, phase, connector, code, message, attribute, rule, first_occurred, last_occurred, retries) in
            rows
        {
            let subject = subject_of(side, object)?;
            lines.push(ErrorLine {
                subject,
                connector: match connector {
                    METAVERSE_ERRORS => ConnectorName::from("metaverse"),
                    connector => self.connector_name(connector)?,
                },
                name: self.subject_name(subject)?,
                phase: phase_of(phase)?,
                code,
                message,
                attribute,
                rule,
                first_occurred,
                last_occurred,
                retry_count: u64::try_from(retries).unwrap_or(0),
            });
        }
        Ok(lines)
    }
}
