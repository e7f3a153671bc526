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

/// Connector, name and attribute.
type GroupKey = (i64, String, String);

impl Store {
    /// Sets the chosen groups and returns those that were not imported yet; they take effect once they are. Objects that became
    /// or ceased to be members are looked at again by the next synchronisation.
    pub fn set_never_sync_groups(&mut self, groups: &[NeverSyncGroup]) -> Result<Vec<NeverSyncGroup>, StoreError> {
        self.db.write("setting the never-sync groups", |db| {
            let mut wanted = BTreeSet::new();
            for group in groups {
                wanted.insert((db.connector_id(&group.connector)?, group.group.clone(), group.attribute.clone()));
            }
            let known: BTreeSet<_> = db.never_sync_groups()?.into_iter().map(|(group, _)| group).collect();
            if wanted != known {
                db.run("DELETE FROM never_sync_group", [])?;
                for group in wanted {
                    db.run("INSERT INTO never_sync_group (connector, name, attribute) VALUES (?1, ?2, ?3)", group)?;
                }
                db.refresh_never_sync()?;
            }
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

    /// The chosen groups, each with the object that it was when its members were computed last.
    fn never_sync_groups(&self) -> Inner<Vec<(GroupKey, Option<i64>)>> {
        self.all("SELECT connector, name, attribute, object FROM never_sync_group", [], |row| {
            Ok(((row.get(0)?, row.get(1)?, row.get(2)?), row.get(3)?))
        })
    }

    /// A chosen group came, went, or is another object by now: its name may be a DN.
    pub(crate) fn refresh_never_sync_if_moved(&self) -> Inner<()> {
        for ((connector, name, _), object) in self.never_sync_groups()? {
            if self.find_group(connector, &name)? != object {
                return self.refresh_never_sync();
            }
        }
        Ok(())
    }

    /// Whether the values of this object are members of a chosen group, or would be if the group were there already.
    pub(crate) fn is_never_sync_source(&self, source: i64, space: i64, attribute: &str) -> Inner<bool> {
        Ok(self.exists(
            "SELECT 1 FROM never_sync_group WHERE connector = ?1 AND attribute = ?2 AND coalesce(object, ?3) = ?3",
            (space, attribute, source),
        )? || self.exists("SELECT 1 FROM never_sync_member WHERE member = ?1", [source])?)
    }

    fn refresh_never_sync(&self) -> Inner<()> {
        self.never_sync_stale.set(false);
        let mut after: BTreeSet<i64> = BTreeSet::new();
        for (key, before) in self.never_sync_groups()? {
            let (connector, name, attribute) = &key;
            let group = self.find_group(*connector, name)?;
            if group != before {
                self.run(
                    "UPDATE never_sync_group SET object = ?4 WHERE connector = ?1 AND name = ?2 AND attribute = ?3",
                    (connector, name, attribute, group),
                )?;
            }
            let Some(attribute) = self.find_reference_attribute(*connector, attribute) else { continue };
            let Some(group) = group else { continue };
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
