//! Members of never-sync groups, direct and nested (SF20): kept as a set, computed from the imported reference rows whenever
//! those of such a group changed. Decides nothing; the kernel reads the mark.

use crate::db::Db;
use crate::error::Inner;
use crate::{Store, StoreError};
use metaverse_schema::{Anchor, Dn};
use std::collections::BTreeSet;
use sync_rules::ConnectorName;

/// A chosen group: its DN or its anchor as text, and the attribute that holds its members.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NeverSyncGroup {
    pub connector: ConnectorName,
    pub group: String,
    pub attribute: String,
}

impl Store {
    /// Sets the chosen groups and returns those that were not imported yet; they take effect once they are. Objects that became
    /// or ceased to be members are looked at again by the next synchronisation.
    pub fn set_never_sync_groups(&mut self, groups: &[NeverSyncGroup]) -> Result<Vec<NeverSyncGroup>, StoreError> {
        self.db.write("setting the never-sync groups", |db| {
            db.run("DELETE FROM never_sync_group", [])?;
            for group in groups {
                db.run(
                    "INSERT OR IGNORE INTO never_sync_group (connector, name, attribute) VALUES (?1, ?2, ?3)",
                    (db.connector_id(&group.connector)?, &group.group, &group.attribute),
                )?;
            }
            db.refresh_never_sync()?;
            let mut missing = Vec::new();
            for group in groups {
                if db.find_group(db.connector_id(&group.connector)?, &group.group)?.is_none() {
                    missing.push(group.clone());
                }
            }
            Ok(missing)
        })
    }
}

impl Db {
    fn find_group(&self, connector: i64, name: &str) -> Inner<Option<i64>> {
        let found = self.find_named(connector, name)?;
        Ok(match found {
            Some(id) => Some(id)
                .filter(|id| self.find_head(*id).is_ok_and(|head| head.is_some_and(|head| head.is_staging_object()))),
            None => None,
        })
    }

    /// By DN, or by anchor.
    pub(crate) fn find_named(&self, connector: i64, text: &str) -> Inner<Option<i64>> {
        if text.contains('=')
            && let Ok(dn) = text.parse::<Dn>()
            && let Some(id) = self.find_place(connector, &dn)?
        {
            return Ok(Some(id));
        }
        if let Ok(guid) = text.parse()
            && let Some(head) = self.head_by_anchor(connector, &Anchor::Guid(guid))?
        {
            return Ok(Some(head.id));
        }
        match Anchor::text(text) {
            Ok(anchor) => Ok(self.head_by_anchor(connector, &anchor)?.map(|head| head.id)),
            Err(_) => Ok(None),
        }
    }

    /// Computes the members again, of these groups and of those that scope clauses name, when a group's rows changed in
    /// this transaction.
    pub(crate) fn refresh_groups_if_stale(&self) -> Inner<()> {
        if self.never_sync_stale.get() {
            self.refresh_never_sync()?;
        }
        if self.watched_stale.get() { self.refresh_watched() } else { Ok(()) }
    }

    pub(crate) fn refresh_never_sync(&self) -> Inner<()> {
        self.never_sync_stale.set(false);
        let groups: Vec<(i64, String, String)> =
            self.all("SELECT connector, name, attribute FROM never_sync_group", [], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })?;
        let mut after: BTreeSet<i64> = BTreeSet::new();
        for (connector, name, attribute) in groups {
            let Some(attribute) = self.find_reference_attribute(connector, &attribute) else { continue };
            let Some(group) = self.find_group(connector, &name)? else { continue };
            after.extend(self.ids(
                "WITH RECURSIVE member (id) AS (\
                 SELECT target FROM reference WHERE source = ?1 AND attribute = ?2 AND state <> 2 \
                 UNION SELECT r.target FROM reference r JOIN member m ON r.source = m.id AND r.attribute = ?2 AND r.state <> 2) \
                 SELECT id FROM member",
                (group, attribute),
            )?);
        }
        let before: BTreeSet<i64> = self.ids("SELECT member FROM never_sync_member", [])?.into_iter().collect();
        for member in before.symmetric_difference(&after) {
            match after.contains(member) {
                true => self.run("INSERT INTO never_sync_member (member) VALUES (?1)", [member])?,
                false => self.run("DELETE FROM never_sync_member WHERE member = ?1", [member])?,
            };
            if let Some(head) = self.find_head(*member)?
                && head.is_staging_object()
            {
                self.bump(*member)?;
                self.mark_dirty(*member, head.connector)?;
            }
        }
        Ok(())
    }
}
