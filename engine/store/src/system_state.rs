//! The state of connected systems (SF25): the facts that exports may go on with, and changed ones that wait for an operator.
//! Compares nothing with the system itself.

use crate::db::Db;
use crate::error::{Fault, Inner};
use crate::{Store, StoreError};
use serde::Serialize;
use std::collections::BTreeMap;
use sync_kernel::Digest;
use sync_rules::ConnectorName;

/// Facts by name.
type Facts = BTreeMap<String, String>;

/// Changed facts that wait for an operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChangedState {
    pub digest: Digest,
    #[serde(serialize_with = "crate::as_text")]
    pub connector: ConnectorName,
    pub changes: Vec<ChangedFact>,
}

/// One fact that is another than the one let through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChangedFact {
    pub name: String,
    /// None: it was not there.
    pub before: Option<String>,
    /// None: it is gone.
    pub now: Option<String>,
}

impl Store {
    /// Compares facts with those let through; the first ones ever seen are let through. Changed ones are kept as what waits.
    pub fn compare_system_state(&mut self, connector: &str, facts: &Facts) -> Result<Option<ChangedState>, StoreError> {
        if self.is_as_accepted(connector, facts)? {
            return Ok(None);
        }
        self.db.write("comparing the state of a connected system", |db| {
            let id = db.connector_id(connector)?;
            let text = serde_json::to_string(facts)
                .map_err(|error| Fault::damaged(format!("the facts of {connector} cannot be kept ({error})")))?;
            let Some((accepted, _)) = db.system_state(id)? else {
                db.run("INSERT INTO system_state (connector, accepted) VALUES (?1, ?2)", (id, text))?;
                return Ok(None);
            };
            if accepted == *facts {
                db.run("UPDATE system_state SET waiting = NULL, digest = NULL WHERE connector = ?1", [id])?;
                return Ok(None);
            }
            let changed = changed(db.connector_name(id)?, &accepted, facts);
            db.run(
                "UPDATE system_state SET waiting = ?2, digest = ?3 WHERE connector = ?1",
                (id, text, changed.digest.as_str()),
            )?;
            Ok(Some(changed))
        })
    }

    /// Nothing changed and nothing waits: the usual case, without a write.
    fn is_as_accepted(&self, connector: &str, facts: &Facts) -> Result<bool, StoreError> {
        self.db.read("reading the state of a connected system", |db| match db.find_connector(connector) {
            Some(id) => {
                Ok(db.system_state(id)?.is_some_and(|(accepted, waiting)| accepted == *facts && waiting.is_none()))
            }
            None => Ok(false),
        })
    }

    /// The changed state of a connector that waits.
    pub fn waiting_system_state(&self, connector: &str) -> Result<Option<ChangedState>, StoreError> {
        self.db.read("reading the state of a connected system", |db| {
            let Some(id) = db.find_connector(connector) else { return Ok(None) };
            match db.system_state(id)? {
                Some((accepted, Some(waiting))) => Ok(Some(changed(db.connector_name(id)?, &accepted, &waiting))),
                _ => Ok(None),
            }
        })
    }
}

impl Db {
    /// Facts let through, and those that wait.
    fn system_state(&self, connector: i64) -> Inner<Option<(Facts, Option<Facts>)>> {
        let row: Option<(String, Option<String>)> =
            self.one("SELECT accepted, waiting FROM system_state WHERE connector = ?1", [connector], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
        let read = |text: String| {
            serde_json::from_str::<Facts>(&text)
                .map_err(|error| Fault::damaged(format!("the state of a connected system is malformed ({error})")))
        };
        row.map(|(accepted, waiting)| Ok((read(accepted)?, waiting.map(read).transpose()?))).transpose()
    }

    /// Lets the waiting facts with that digest through: how many changed.
    pub(crate) fn approve_system_state(&self, digest: &Digest) -> Inner<Option<(ConnectorName, u64)>> {
        let connector: Option<i64> =
            self.one("SELECT connector FROM system_state WHERE digest = ?1", [digest.as_str()], |row| row.get(0))?;
        let Some(id) = connector else { return Ok(None) };
        let Some((accepted, Some(waiting))) = self.system_state(id)? else { return Ok(None) };
        let name = self.connector_name(id)?;
        let changes = changed(name.clone(), &accepted, &waiting).changes.len() as u64;
        self.run(
            "UPDATE system_state SET accepted = waiting, waiting = NULL, digest = NULL WHERE connector = ?1",
            [id],
        )?;
        Ok(Some((name, changes)))
    }
}

fn changed(connector: ConnectorName, accepted: &Facts, facts: &Facts) -> ChangedState {
    let mut names: Vec<&String> = accepted.keys().chain(facts.keys()).collect();
    names.sort();
    names.dedup();
    let fact = |name: &&String| ChangedFact {
        name: (*name).clone(),
        before: accepted.get(*name).cloned(),
        now: facts.get(*name).cloned(),
    };
    let changes: Vec<ChangedFact> = names.iter().map(fact).filter(|fact| fact.before != fact.now).collect();
    let line = |fact: &ChangedFact| format!("{}|{:?}|{:?}", fact.name, fact.before, fact.now);
    let digest = Digest::of_lines(&format!("state of {connector}"), changes.iter().map(line));
    ChangedState { digest, connector, changes }
}
