//! Rule sets as the store knows them: snapshots by hash, the numbers of join keys, and what a change of rules requires.
//! Never evaluates a rule; keys are computed by the kernel.

use crate::db::{Db, Rules};
use crate::error::Inner;
use crate::head::Head;
use crate::{Store, StoreError, codes};
use std::sync::Arc;
use sync_rules::RuleSet;

/// What registering a rule set came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RulesRegistration {
    /// Another rule set was in force before; every connector now requires a full synchronisation (S67).
    pub changed: bool,
    /// Hash of the rule set that was in force before, if any.
    pub previous: Option<String>,
    pub new_keys: usize,
    /// Objects whose new join keys were computed.
    pub rebuilt_objects: u64,
}

impl Store {
    /// Registers the rules that the following calls use; must be called once after opening, and again when the rules change.
    /// A hash that is not the one in force marks all connectors as requiring a full synchronisation; new join keys are computed
    /// for all objects. A read-only store only learns the rules: keys it does not know have no hits.
    pub fn register_rules(&mut self, rules: &RuleSet, now: i64) -> Result<RulesRegistration, StoreError> {
        let doing = "registering the rules";
        if self.db.read_only {
            return self.db.read(doing, |db| db.learn_rules(rules));
        }
        self.db.write(doing, |db| db.register_rules(rules, now))
    }

    /// Hash of the rule set in force.
    pub fn applied_rules(&self) -> Result<Option<String>, StoreError> {
        self.db.read("reading the rule sets", Db::applied_hash)
    }

    /// The canonical text of a rule set that was applied once.
    pub fn rule_set_text(&self, hash: &str) -> Result<Option<String>, StoreError> {
        self.db.read("reading the rule sets", |db| {
            db.one("SELECT text FROM rule_set WHERE hash = ?1", [hash], |row| row.get(0))
        })
    }

    /// Where the rules of that set stood in their files, as `RulePlaces` writes it.
    pub fn rule_set_places(&self, hash: &str) -> Result<Option<String>, StoreError> {
        self.db.read("reading the rule sets", |db| {
            db.one("SELECT places FROM rule_set WHERE hash = ?1", [hash], |row| row.get(0))
        })
    }
}

impl Db {
    fn applied_hash(&self) -> Inner<Option<String>> {
        self.one("SELECT hash FROM rule_set ORDER BY ordinal DESC LIMIT 1", [], |row| row.get(0))
    }

    fn key_row(&self, identity: &str) -> Inner<Option<(i64, bool)>> {
        self.one("SELECT id, active FROM key_definition WHERE identity = ?1", [identity], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
    }

    pub(crate) fn learn_rules(&self, rules: &RuleSet) -> Inner<RulesRegistration> {
        let mut keys = Vec::with_capacity(rules.keys.len());
        for definition in &rules.keys {
            keys.push(self.key_row(&definition.identity)?.filter(|(_, active)| *active).map(|(id, _)| id));
        }
        let previous = self.applied_hash()?;
        let snapshot = self.one("SELECT id FROM rule_set WHERE hash = ?1", [&rules.hash], |row| row.get(0))?;
        let new_keys = keys.iter().filter(|key| key.is_none()).count();
        *self.rules.borrow_mut() =
            Some(Rules { rules: Arc::new(rules.clone()), keys, snapshot, watched: rules.watched_groups() });
        let changed = previous.as_ref().is_some_and(|previous| *previous != rules.hash);
        Ok(RulesRegistration { changed, previous, new_keys, rebuilt_objects: 0 })
    }

    fn register_rules(&self, rules: &RuleSet, now: i64) -> Inner<RulesRegistration> {
        let previous = self.applied_hash()?;
        let (mut keys, mut fresh) = (Vec::new(), Vec::new());
        for definition in &rules.keys {
            let id = match self.key_row(&definition.identity)? {
                Some((id, true)) => id,
                Some((id, false)) => {
                    self.run("UPDATE key_definition SET active = 1 WHERE id = ?1", [id])?;
                    fresh.push(id);
                    id
                }
                None => {
                    self.run("INSERT INTO key_definition (identity, active) VALUES (?1, 1)", [&definition.identity])?;
                    let id = self.sql.last_insert_rowid();
                    fresh.push(id);
                    id
                }
            };
            keys.push(Some(id));
        }
        self.retire_keys(&keys)?;
        let same = previous.as_deref() == Some(rules.hash.as_str());
        let snapshot = self.snapshot(rules, same, now)?;
        *self.rules.borrow_mut() = Some(Rules {
            rules: Arc::new(rules.clone()),
            keys,
            snapshot: Some(snapshot),
            watched: rules.watched_groups(),
        });
        self.refresh_watched_if_moved()?;
        let changed = previous.is_some() && !same;
        if changed {
            for (connector, _) in self.connector_names() {
                self.require_full_sync(connector, "the synchronisation rules changed")?;
            }
        }
        let rebuilt_objects = if fresh.is_empty() { 0 } else { self.rebuild_keys()? };
        Ok(RulesRegistration { changed, previous, new_keys: fresh.len(), rebuilt_objects })
    }

    /// Keys that no rule uses any longer lose their rows; used again, they are computed anew.
    fn retire_keys(&self, used: &[Option<i64>]) -> Inner<()> {
        for id in self.ids("SELECT id FROM key_definition WHERE active = 1", [])? {
            if !used.contains(&Some(id)) {
                self.retire_key(id)?;
                self.run("UPDATE key_definition SET active = 0 WHERE id = ?1", [id])?;
            }
        }
        Ok(())
    }

    fn snapshot(&self, rules: &RuleSet, same: bool, now: i64) -> Inner<i64> {
        if !same {
            self.run(
                "INSERT INTO rule_set (hash, text, applied, ordinal) VALUES (?1, ?2, ?3, (SELECT coalesce(max(ordinal), 0) + 1 FROM rule_set)) \
                 ON CONFLICT (hash) DO UPDATE SET applied = excluded.applied, ordinal = excluded.ordinal",
                (&rules.hash, &rules.text, now),
            )?;
        }
        // The same rules may stand elsewhere by now.
        let places = rules.places.to_text();
        self.run("UPDATE rule_set SET places = ?2 WHERE hash = ?1 AND places <> ?2", (&rules.hash, &places))?;
        let id = self.one("SELECT id FROM rule_set WHERE hash = ?1", [&rules.hash], |row| row.get(0))?;
        Ok(id.unwrap_or_default())
    }

    /// Computes the keys of every object anew, in pages, so that memory stays flat.
    fn rebuild_keys(&self) -> Inner<u64> {
        self.remove_all_keys()?;
        let mut rebuilt = 0;
        let mut after = 0;
        loop {
            let page = self.ids(
                "SELECT id FROM head WHERE id > ?1 AND state NOT IN (5, 6) AND (synchronised_body IS NOT NULL OR staged_body IS NOT NULL) \
                 ORDER BY id LIMIT 1000",
                [after],
            )?;
            let Some(last) = page.last().copied() else { break };
            for id in &page {
                let head: Head = self.head(*id)?;
                if head.staged != codes::STAGED_DELETED {
                    self.index_object(&head)?;
                    rebuilt += 1;
                }
            }
            self.settle_recent_keys()?;
            after = last;
        }
        after = 0;
        loop {
            let page = self.ids("SELECT id FROM metaverse WHERE id > ?1 ORDER BY id LIMIT 1000", [after])?;
            let Some(last) = page.last().copied() else { break };
            for id in &page {
                if let Some(object) = self.load_metaverse(*id)? {
                    let keys = self.metaverse_keys_of(&object.object_type, &object.attributes)?;
                    self.replace_metaverse_keys(*id, keys)?;
                    rebuilt += 1;
                }
            }
            self.settle_recent_keys()?;
            after = last;
        }
        Ok(rebuilt)
    }
}
