//! The log of what became of passwords (P43), kept for seven days, and the numbered events (7.4). Names, times and reasons; never
//! anything of a password itself.

use crate::codec::{anchor_bytes, anchor_of};
use crate::db::Db;
use crate::error::{Fault, Inner};
use crate::history::EventLevel;
use crate::{Store, StoreError};
use metaverse_schema::Anchor;
use serde::Serialize;
use std::collections::BTreeMap;
use sync_kernel::PasswordState;

/// What became of one user's password, once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordLogLine {
    pub anchor: Anchor,
    pub name: String,
    /// Microseconds UTC.
    pub at: i64,
    /// When the password was changed at its origin, in seconds since 1970, UTC.
    pub changed: Option<i64>,
    /// Where it was read: the domain controller.
    pub read_from: Option<String>,
    pub state: PasswordState,
    pub reason: String,
}

/// A numbered event of 7.4.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PasswordEvent {
    /// Microseconds UTC.
    pub at: i64,
    pub number: u16,
    pub level: EventLevel,
    pub message: String,
}

/// How passwords of one source and one target stand.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct PasswordTotals {
    /// Users whose first password was let through.
    pub users: u64,
    /// Of them, those whose target does not have the version that was seen last.
    pub owed: u64,
    /// Users by what became of their passwords last, within the days that the log is kept.
    pub states: BTreeMap<&'static str, u64>,
}

fn state_code(state: PasswordState) -> i64 {
    match state {
        PasswordState::Success => 0,
        PasswordState::FilteredByTarget => 1,
        PasswordState::NoTargetConnection => 2,
        PasswordState::SourceConnectorNotPresent => 3,
        PasswordState::TargetNotExportedToDirectory => 4,
        PasswordState::NotInScope => 5,
        PasswordState::MissingAttribute => 6,
        PasswordState::RetryRequestedByTarget => 7,
        PasswordState::Error => 8,
        PasswordState::Unknown => 9,
    }
}

fn state_of(code: i64) -> Inner<PasswordState> {
    PasswordState::ALL
        .into_iter()
        .find(|state| state_code(*state) == code)
        .ok_or_else(|| Fault::damaged(format!("unknown state of a password {code}")))
}

impl Store {
    pub fn add_password_events(&mut self, events: &[PasswordEvent]) -> Result<(), StoreError> {
        if events.is_empty() {
            return Ok(());
        }
        self.db.record_for_good("recording events", |db| db.insert_password_events(events))
    }

    /// When one of these events was recorded last.
    pub fn last_password_event(&self, numbers: &[u16]) -> Result<Option<i64>, StoreError> {
        self.db.read("reading the events", |db| {
            let mut last: Option<i64> = None;
            for number in numbers {
                let at: Option<i64> = db.one(
                    "SELECT at FROM password_event WHERE number = ?1 ORDER BY id DESC LIMIT 1",
                    [i64::from(*number)],
                    |row| row.get(0),
                )?;
                last = last.max(at);
            }
            Ok(last)
        })
    }

    /// Events, newest first.
    pub fn password_events(&self, limit: usize) -> Result<Vec<PasswordEvent>, StoreError> {
        self.db.read("reading the events", |db| {
            let rows: Vec<(i64, i64, i64, String)> = db.all(
                "SELECT at, number, level, message FROM password_event ORDER BY id DESC LIMIT ?1",
                [i64::try_from(limit).unwrap_or(i64::MAX)],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
            )?;
            rows.into_iter()
                .map(|(at, number, level, message)| {
                    let number = u16::try_from(number).map_err(|_| Fault::damaged(format!("an event {number}")))?;
                    Ok(PasswordEvent { at, number, level: crate::history::level_of(level)?, message })
                })
                .collect()
        })
    }

    /// What is logged of one user, newest first.
    pub fn password_log(
        &self,
        source: &str,
        target: &str,
        user: &Anchor,
        limit: usize,
    ) -> Result<Vec<PasswordLogLine>, StoreError> {
        self.db.read("reading the log of passwords", |db| {
            let (Some(source), Some(target)) = (db.find_connector(source), db.find_connector(target)) else {
                return Ok(Vec::new());
            };
            db.password_lines(
                "source = ?1 AND target = ?2 AND anchor = ?3 ORDER BY id DESC LIMIT ?4",
                (source, target, anchor_bytes(user), i64::try_from(limit).unwrap_or(i64::MAX)),
            )
        })
    }

    /// The last line of every user of whom something else than `Success` is logged last.
    pub fn open_passwords(&self, source: &str, target: &str, limit: usize) -> Result<Vec<PasswordLogLine>, StoreError> {
        self.db.read("reading the log of passwords", |db| {
            let (Some(source), Some(target)) = (db.find_connector(source), db.find_connector(target)) else {
                return Ok(Vec::new());
            };
            db.password_lines(
                "id IN (SELECT max(id) FROM password_log WHERE source = ?1 AND target = ?2 GROUP BY anchor) AND state <> 0 \
                 ORDER BY name LIMIT ?3",
                (source, target, i64::try_from(limit).unwrap_or(i64::MAX)),
            )
        })
    }

    /// Users whose target does not have the version that was seen last.
    pub fn passwords_owed(&self, source: &str, target: &str) -> Result<u64, StoreError> {
        self.db.read("counting owed passwords", |db| match (db.find_connector(source), db.find_connector(target)) {
            (Some(source), Some(target)) => db.passwords_owed(source, target),
            _ => Ok(0),
        })
    }

    pub fn password_totals(&self, source: &str, target: &str) -> Result<PasswordTotals, StoreError> {
        self.db.read("counting passwords", |db| {
            let (Some(source), Some(target)) = (db.find_connector(source), db.find_connector(target)) else {
                return Ok(PasswordTotals::default());
            };
            let pair = (source, target);
            let states: Vec<(i64, i64)> = db.all(
                "SELECT state, count(*) FROM password_log WHERE id IN \
                 (SELECT max(id) FROM password_log WHERE source = ?1 AND target = ?2 GROUP BY anchor) GROUP BY state",
                pair,
                |row| Ok((row.get(0)?, row.get(1)?)),
            )?;
            let mut totals = PasswordTotals {
                users: db.count("SELECT count(*) FROM password WHERE source = ?1 AND target = ?2", pair)?,
                owed: db.passwords_owed(source, target)?,
                states: BTreeMap::new(),
            };
            for (state, number) in states {
                totals.states.insert(state_of(state)?.name(), u64::try_from(number).unwrap_or(0));
            }
            Ok(totals)
        })
    }
}

impl Db {
    fn passwords_owed(&self, source: i64, target: i64) -> Inner<u64> {
        let owed = "SELECT count(*) FROM password WHERE source = ?1 AND target = ?2 AND pushed IS NOT seen";
        self.count(owed, (source, target))
    }

    /// A line that says the same as the user's last one is left out, but for a success, which is news each time.
    pub(super) fn insert_password_line(&self, source: i64, target: i64, line: &PasswordLogLine) -> Inner<()> {
        let anchor = anchor_bytes(&line.anchor);
        let state = state_code(line.state);
        if line.state != PasswordState::Success {
            let last: Option<(i64, String)> = self.one(
                "SELECT state, reason FROM password_log WHERE source = ?1 AND target = ?2 AND anchor = ?3 ORDER BY id DESC LIMIT 1",
                (source, target, &anchor),
                |row| Ok((row.get(0)?, row.get(1)?)),
            )?;
            if last.is_some_and(|(last, reason)| last == state && reason == line.reason) {
                return Ok(());
            }
        }
        self.run(
            "INSERT INTO password_log (source, target, anchor, name, at, changed, read_from, state, reason) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            (source, target, anchor, &line.name, line.at, line.changed, &line.read_from, state, &line.reason),
        )
        .map(drop)
    }

    pub(super) fn insert_password_events(&self, events: &[PasswordEvent]) -> Inner<()> {
        for event in events {
            self.run(
                "INSERT INTO password_event (at, number, level, message) VALUES (?1, ?2, ?3, ?4)",
                (event.at, i64::from(event.number), crate::history::level_code(event.level), &event.message),
            )?;
        }
        Ok(())
    }

    fn password_lines(&self, which: &str, parameters: impl rusqlite::Params) -> Inner<Vec<PasswordLogLine>> {
        type Row = (Vec<u8>, String, i64, Option<i64>, Option<String>, i64, String);
        let rows: Vec<Row> = self.all(
            &format!("SELECT anchor, name, at, changed, read_from, state, reason FROM password_log WHERE {which}"),
            parameters,
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?)),
        )?;
        rows.into_iter()
            .map(|(anchor, name, at, changed, read_from, state, reason)| {
                let (anchor, state) = (anchor_of(&anchor)?, state_of(state)?);
                Ok(PasswordLogLine { anchor, name, at, changed, read_from, state, reason })
            })
            .collect()
    }
}
