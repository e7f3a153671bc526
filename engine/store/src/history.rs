//! The record of runs: steps, counters, notes, events, and how long they are kept (R28-R32). Records; never starts anything.

use crate::db::Db;
use crate::error::{Fault, Inner};
use crate::{Store, StoreError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use sync_kernel::CsId;
use sync_rules::ConnectorName;

/// Status of a run or step that has not ended (R24).
pub const IN_PROGRESS: &str = "in-progress";

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct RunId(pub i64);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct StepId(pub i64);

/// On whose behalf something is written, and when (microseconds since 1970-01-01 UTC).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PageMark {
    pub run: Option<RunId>,
    pub step: Option<StepId>,
    pub now: i64,
}

/// Counters of a step by their names in run history, those of outbound synchronisation by target connector.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StepCounters {
    #[serde(default)]
    pub values: BTreeMap<String, u64>,
    #[serde(default)]
    pub outbound: BTreeMap<String, BTreeMap<String, u64>>,
}

impl StepCounters {
    pub fn add(&mut self, name: &str, count: u64) {
        *self.values.entry(name.to_owned()).or_default() += count;
    }

    pub fn add_outbound(&mut self, connector: &str, name: &str, count: u64) {
        *self.outbound.entry(connector.to_owned()).or_default().entry(name.to_owned()).or_default() += count;
    }

    pub fn get(&self, name: &str) -> u64 {
        self.values.get(name).copied().unwrap_or(0)
    }
}

/// Something worth knowing of a step that is not about one object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepNote {
    pub code: String,
    pub message: String,
}

/// A run that began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    pub id: RunId,
    /// From 1, per connector (R29).
    pub number: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunRecord {
    pub id: RunId,
    #[serde(serialize_with = "crate::as_text")]
    pub connector: ConnectorName,
    pub number: u64,
    pub profile: String,
    pub started: i64,
    pub ended: Option<i64>,
    pub status: String,
    pub steps: Vec<StepRecord>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StepRecord {
    pub id: StepId,
    pub number: u64,
    pub step_type: String,
    pub started: i64,
    pub ended: Option<i64>,
    pub status: String,
    pub counters: StepCounters,
    pub notes: Vec<StepNote>,
    pub error_count: u64,
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StepEnd {
    pub status: String,
    pub counters: StepCounters,
    pub notes: Vec<StepNote>,
}

/// Which runs to list, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RunFilter {
    pub connector: Option<ConnectorName>,
    /// Only runs with this number or a lower one (paging).
    pub before: Option<RunId>,
    pub limit: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventLevel {
    Information,
    Warning,
    Error,
}

/// Something to be told between runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    pub level: EventLevel,
    pub code: String,
    pub message: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EventRecord {
    pub run: Option<RunId>,
    pub level: EventLevel,
    pub code: String,
    pub message: String,
    pub occurred: i64,
}

fn json<T: Serialize>(value: &T) -> Inner<String> {
    serde_json::to_string(value)
        .map_err(|error| StoreError::Missing { what: format!("a record cannot be kept: {error}") }.into())
}

fn from_json<T: for<'de> Deserialize<'de>>(text: &str) -> Inner<T> {
    serde_json::from_str(text)
        .map_err(|error| Fault::damaged(format!("a record of run history is malformed ({error})")))
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

impl Store {
    pub fn begin_run(&mut self, connector: &str, profile: &str, now: i64) -> Result<Run, StoreError> {
        self.db.record("beginning a run", |db| {
            let connector = db.connector_id(connector)?;
            let number: i64 = db
                .one("SELECT coalesce(max(number), 0) + 1 FROM run WHERE connector = ?1", [connector], |row| {
                    row.get(0)
                })?
                .unwrap_or(1);
            db.run(
                "INSERT INTO run (connector, number, profile, started, status) VALUES (?1, ?2, ?3, ?4, ?5)",
                (connector, number, profile, now, IN_PROGRESS),
            )?;
            Ok(Run { id: RunId(db.sql.last_insert_rowid()), number: unsigned(number) })
        })
    }

    pub fn begin_step(&mut self, run: RunId, step_type: &str, now: i64) -> Result<StepId, StoreError> {
        self.db.record("beginning a run step", |db| {
            db.run(
                "INSERT INTO run_step (run, number, step_type, started, status, counters, notes) VALUES \
                 (?1, (SELECT coalesce(max(number), 0) + 1 FROM run_step WHERE run = ?1), ?2, ?3, ?4, '{}', '[]')",
                (run.0, step_type, now, IN_PROGRESS),
            )?;
            Ok(StepId(db.sql.last_insert_rowid()))
        })
    }

    /// Keeps how far a step has come; an import does so by itself with every page.
    pub fn step_progress(&mut self, step: StepId, counters: &StepCounters) -> Result<(), StoreError> {
        self.db.note("recording the progress of a step", |db| db.save_progress(step, counters))
    }

    pub fn end_step(&mut self, step: StepId, end: &StepEnd, now: i64) -> Result<(), StoreError> {
        self.db.record("ending a run step", |db| {
            db.run(
                "UPDATE run_step SET ended = ?2, status = ?3, counters = ?4, notes = ?5 WHERE id = ?1",
                (step.0, now, &end.status, json(&end.counters)?, json(&end.notes)?),
            )
            .map(drop)
        })
    }

    pub fn end_run(&mut self, run: RunId, status: &str, now: i64) -> Result<(), StoreError> {
        self.db.record_for_good("ending a run", |db| {
            db.run("UPDATE run SET ended = ?2, status = ?3 WHERE id = ?1", (run.0, now, status)).map(drop)
        })
    }

    /// Gives runs that a crash left `in-progress` the status `stopped-database-connection-lost`; returns how many there were.
    /// To be called by the process that holds the run lock, before it begins a run.
    pub fn close_interrupted_runs(&mut self, now: i64) -> Result<u64, StoreError> {
        self.db.record("closing interrupted runs", |db| {
            let status = "stopped-database-connection-lost";
            db.run(
                "UPDATE run_step INDEXED BY run_step_open SET ended = ?1, status = ?2 WHERE ended IS NULL",
                (now, status),
            )?;
            let runs = db
                .run("UPDATE run INDEXED BY run_open SET ended = ?1, status = ?2 WHERE ended IS NULL", (now, status))?;
            Ok(runs as u64)
        })
    }

    /// Keeps the objects behind counters (R31).
    pub fn record_details(&mut self, step: StepId, details: &BTreeMap<String, Vec<CsId>>) -> Result<(), StoreError> {
        if details.is_empty() {
            return Ok(());
        }
        self.db.note("recording the objects of counters", |db| db.save_details(step, details))
    }

    pub fn details(&self, step: StepId, counter: &str, limit: usize) -> Result<Vec<CsId>, StoreError> {
        self.db.read("reading the objects of a counter", |db| {
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let ids = db.ids(
                "SELECT object FROM run_step_object WHERE step = ?1 AND counter = ?2 ORDER BY object LIMIT ?3",
                (step.0, counter, limit),
            )?;
            Ok(ids.into_iter().map(CsId).collect())
        })
    }

    pub fn add_event(
        &mut self,
        run: Option<RunId>,
        level: EventLevel,
        code: &str,
        message: &str,
        now: i64,
    ) -> Result<(), StoreError> {
        self.db.record_for_good("recording an event", |db| db.insert_event(run, level, code, message, now))
    }

    /// Keeps several events between runs, all of them or none.
    pub fn add_events(&mut self, events: &[NewEvent], now: i64) -> Result<(), StoreError> {
        self.db.record_for_good("recording events", |db| {
            events.iter().try_for_each(|event| db.insert_event(None, event.level, &event.code, &event.message, now))
        })
    }

    /// Events, newest first; of one run, or of all.
    pub fn events(&self, run: Option<RunId>, limit: usize) -> Result<Vec<EventRecord>, StoreError> {
        self.db.read("reading the events", |db| {
            let rows: Vec<(Option<i64>, i64, String, String, i64)> = db.all(
                "SELECT run, level, code, message, occurred FROM event WHERE ?1 IS NULL OR run = ?1 ORDER BY id DESC LIMIT ?2",
                (run.map(|run| run.0), i64::try_from(limit).unwrap_or(i64::MAX)),
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)),
            )?;
            rows.into_iter()
                .map(|(run, level, code, message, occurred)| {
                    Ok(EventRecord { run: run.map(RunId), level: level_of(level)?, code, message, occurred })
                })
                .collect()
        })
    }

    /// Runs with their steps, newest first.
    pub fn runs(&self, filter: &RunFilter) -> Result<Vec<RunRecord>, StoreError> {
        self.db.read("reading run history", |db| {
            let connector = match &filter.connector {
                Some(name) => match db.find_connector(name) {
                    Some(id) => Some(id),
                    None => return Ok(Vec::new()),
                },
                None => None,
            };
            let ids = db.ids(
                "SELECT id FROM run WHERE (?1 IS NULL OR connector = ?1) AND (?2 IS NULL OR id <= ?2) ORDER BY id DESC LIMIT ?3",
                (connector, filter.before.map(|run| run.0), i64::try_from(filter.limit).unwrap_or(i64::MAX)),
            )?;
            let mut runs = Vec::new();
            for id in ids {
                runs.extend(db.load_run(id)?);
            }
            Ok(runs)
        })
    }

    pub fn run(&self, run: RunId) -> Result<Option<RunRecord>, StoreError> {
        self.db.read("reading run history", |db| db.load_run(run.0))
    }

    /// Removes ended runs, and events, from before an instant; returns the number of runs (R32).
    pub fn purge_history(&mut self, before: i64) -> Result<u64, StoreError> {
        self.db.record("removing old run history", |db| {
            // Runs and events are numbered as they come: where the first ones are recent, so are all.
            let old = "SELECT 1 WHERE (SELECT ended FROM run ORDER BY id LIMIT 1) < ?1 \
                       OR (SELECT occurred FROM event ORDER BY id LIMIT 1) < ?1";
            if !db.exists(old, [before])? {
                return Ok(0);
            }
            let steps = "SELECT s.id FROM run_step s JOIN run r ON r.id = s.run WHERE r.ended < ?1";
            db.run(&format!("DELETE FROM run_step_object WHERE step IN ({steps})"), [before])?;
            db.run(&format!("DELETE FROM run_step_error WHERE step IN ({steps})"), [before])?;
            db.run("DELETE FROM run_step WHERE run IN (SELECT id FROM run WHERE ended < ?1)", [before])?;
            db.run("DELETE FROM event WHERE occurred < ?1", [before])?;
            // The newest run of each connector stays: its number is the last one given.
            let runs = db.run(
                "DELETE FROM run WHERE ended < ?1 AND number < (SELECT max(number) FROM run newest WHERE newest.connector = run.connector)",
                [before],
            )?;
            Ok(runs as u64)
        })
    }

    /// Begins an export step of a connector and returns its number (O51).
    pub fn begin_export_step(&mut self, connector: &str) -> Result<u64, StoreError> {
        self.db.record("beginning an export step", |db| {
            let id = db.connector_id(connector)?;
            db.run(
                "INSERT INTO connector_flags (connector, export_step_current) VALUES (?1, 1) \
                 ON CONFLICT (connector) DO UPDATE SET export_step_current = export_step_current + 1",
                [id],
            )?;
            db.count("SELECT export_step_current FROM connector_flags WHERE connector = ?1", [id])
        })
    }

    /// That export step completed in full.
    pub fn export_step_done(&mut self, connector: &str, number: u64) -> Result<(), StoreError> {
        self.db.record("ending an export step", |db| {
            let id = db.connector_id(connector)?;
            let number = i64::try_from(number).unwrap_or(i64::MAX);
            db.run("UPDATE connector_flags SET export_step_successful = ?2 WHERE connector = ?1", (id, number))
                .map(drop)
        })
    }

    /// Current and last successful export step (O51).
    pub fn export_step_counters(&self, connector: &str) -> Result<(u64, u64), StoreError> {
        self.db.read("reading the export step counters", |db| {
            let Some(id) = db.find_connector(connector) else { return Ok((0, 0)) };
            let row: Option<(i64, i64)> = db.one(
                "SELECT export_step_current, export_step_successful FROM connector_flags WHERE connector = ?1",
                [id],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )?;
            Ok(row.map_or((0, 0), |(current, successful)| (unsigned(current), unsigned(successful))))
        })
    }
}

pub(crate) fn level_code(level: EventLevel) -> i64 {
    match level {
        EventLevel::Information => 0,
        EventLevel::Warning => 1,
        EventLevel::Error => 2,
    }
}

pub(crate) fn level_of(code: i64) -> Inner<EventLevel> {
    Ok(match code {
        0 => EventLevel::Information,
        1 => EventLevel::Warning,
        2 => EventLevel::Error,
        other => return Err(Fault::damaged(format!("unknown level of an event {other}"))),
    })
}

impl Db {
    pub(crate) fn save_details(&self, step: StepId, details: &BTreeMap<String, Vec<CsId>>) -> Inner<()> {
        let mut rows = 0;
        for (counter, objects) in details {
            for object in objects {
                rows += self.run(
                    "INSERT OR IGNORE INTO run_step_object (step, counter, object) VALUES (?1, ?2, ?3)",
                    (step.0, counter, object.0),
                )?;
            }
        }
        self.count_as_history(rows as u64);
        Ok(())
    }

    pub(crate) fn save_progress(&self, step: StepId, counters: &StepCounters) -> Inner<()> {
        let rows = self.run("UPDATE run_step SET counters = ?2 WHERE id = ?1", (step.0, json(counters)?))?;
        self.count_as_history(rows as u64);
        Ok(())
    }

    fn load_run(&self, id: i64) -> Inner<Option<RunRecord>> {
        type Row = (i64, i64, String, i64, Option<i64>, String);
        let row: Option<Row> = self.one(
            "SELECT connector, number, profile, started, ended, status FROM run WHERE id = ?1",
            [id],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?)),
        )?;
        let Some((connector, number, profile, started, ended, status)) = row else { return Ok(None) };
        let connector = self.connector_name(connector)?;
        Ok(Some(RunRecord {
            id: RunId(id),
            connector,
            number: unsigned(number),
            profile,
            started,
            ended,
            status,
            steps: self.load_steps(id)?,
        }))
    }

    fn load_steps(&self, run: i64) -> Inner<Vec<StepRecord>> {
        type Row = (i64, i64, String, i64, Option<i64>, String, String, String, i64);
        let rows: Vec<Row> = self.all(
            "SELECT id, number, step_type, started, ended, status, counters, notes, \
             (SELECT count(*) FROM run_step_error e WHERE e.step = run_step.id) FROM run_step WHERE run = ?1 ORDER BY number",
            [run],
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
                ))
            },
        )?;
        rows.into_iter()
            .map(|(id, number, step_type, started, ended, status, counters, notes, errors)| {
                Ok(StepRecord {
                    id: StepId(id),
                    number: unsigned(number),
                    step_type,
                    started,
                    ended,
                    status,
                    counters: from_json(&counters)?,
                    notes: from_json(&notes)?,
                    error_count: unsigned(errors),
                })
            })
            .collect()
    }
}

impl Db {
    pub(crate) fn insert_event(
        &self,
        run: Option<RunId>,
        level: EventLevel,
        code: &str,
        message: &str,
        now: i64,
    ) -> Inner<()> {
        self.run(
            "INSERT INTO event (run, level, code, message, occurred) VALUES (?1, ?2, ?3, ?4, ?5)",
            (run.map(|run| run.0), level_code(level), code, message, now),
        )
        .map(drop)
    }
}
