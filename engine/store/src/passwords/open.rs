//! Opens the store for password synchronisation: beside a run, never beside another password synchronisation.

use crate::error::Fault;
use crate::lock::RunLock;
use crate::{Store, StoreError, migrations};
use std::path::Path;
use sync_rules::RuleSet;

impl Store {
    /// Opens an existing store to synchronise passwords. A run may go on at the same time; it alone writes objects.
    pub fn open_for_passwords(path: &Path) -> Result<Store, StoreError> {
        if !path.is_file() {
            return Err(StoreError::NotFound { path: path.to_owned() });
        }
        let lock = RunLock::take_for_passwords(path)?;
        // An older layout is brought up to date by whoever holds the run lock.
        if migrations::version_of_file(path)? < migrations::known_version() {
            Store::open(path)?.close()?;
        }
        Store::open_beside_a_run(path, lock)
    }

    /// The rules that decisions go by; as [`Store::register_rules`] on a store for reading, nothing is written.
    pub fn learn_rules(&mut self, rules: &RuleSet) -> Result<(), StoreError> {
        self.db.read("learning the rules", |db| db.learn_rules(rules).map(drop))
    }

    /// Whether facts of a connected system are those that exports go on with (SF25). Unlike an export, it records nothing; of a
    /// system that nothing was exported to nothing is known.
    pub fn is_system_as_accepted(
        &self,
        connector: &str,
        facts: &std::collections::BTreeMap<String, String>,
    ) -> Result<bool, StoreError> {
        self.db.read("reading the state of a connected system", |db| {
            let Some(id) = db.find_connector(connector) else { return Ok(true) };
            let accepted: Option<String> =
                db.one("SELECT accepted FROM system_state WHERE connector = ?1", [id], |row| row.get(0))?;
            let Some(accepted) = accepted else { return Ok(true) };
            let accepted: std::collections::BTreeMap<String, String> = serde_json::from_str(&accepted)
                .map_err(|error| Fault::damaged(format!("the state of a connected system is malformed ({error})")))?;
            Ok(accepted == *facts)
        })
    }
}
