//! Direct members of the groups that scope clauses name (S8): kept as a set per group, so that an object that becomes or
//! ceases to be a member is looked at again and deltas equal full. Decides nothing; the kernel compares.

use crate::codes;
use crate::db::Db;
use crate::error::Inner;
use crate::head::Head;
use crate::{Store, StoreError};
use std::collections::BTreeSet;
use sync_rules::WatchedGroup;

impl Store {
    /// The groups named in scope clauses that were not imported yet, or are gone: nobody counts as their member.
    pub fn watched_groups_missing(&self) -> Result<Vec<WatchedGroup>, StoreError> {
        self.db.read("looking for the groups that scope clauses name", |db| {
            let mut missing = Vec::new();
            for group in db.watched() {
                if db.rows_of_watched(&group)?.is_none() {
                    missing.push(group);
                }
            }
            Ok(missing)
        })
    }
}

impl Db {
    fn watched(&self) -> Vec<WatchedGroup> {
        self.rules.borrow().as_ref().map(|rules| rules.watched.clone()).unwrap_or_default()
    }

    /// Where a group's members stand: the group's number and its attribute's. None: the group is not there.
    fn rows_of_watched(&self, group: &WatchedGroup) -> Inner<Option<(i64, Option<i64>)>> {
        let Some(connector) = self.find_connector(&group.connector) else { return Ok(None) };
        let Some(id) = self.find_named(connector, &group.group)? else { return Ok(None) };
        let is_there = self.find_head(id)?.is_some_and(|head| {
            // A group whose delete was imported has no members any longer, whether that was synchronised or not.
            head.is_staging_object() && head.staged != codes::STAGED_DELETED
        });
        Ok(is_there.then(|| (id, self.find_reference_attribute(connector, group.attribute.as_str()))))
    }

    /// The watched groups of which an object is a member as imported, by the names that clauses give them.
    pub(crate) fn member_of(&self, head: &Head) -> Inner<BTreeSet<String>> {
        let mut groups = BTreeSet::new();
        for group in self.watched() {
            if self.find_connector(&group.connector) != Some(head.connector) {
                continue;
            }
            if let Some((id, Some(attribute))) = self.rows_of_watched(&group)?
                && self.exists(
                    "SELECT 1 FROM reference WHERE source = ?1 AND attribute = ?2 AND target = ?3 AND state <> 2",
                    (id, attribute, head.id),
                )?
            {
                groups.insert(group.group);
            }
        }
        Ok(groups)
    }

    /// A watched group came, went, or is another object by now: clauses may name it by DN. Or others are watched.
    pub(crate) fn refresh_watched_if_moved(&self) -> Inner<()> {
        let known: Vec<(i64, Option<i64>)> =
            self.all("SELECT id, object FROM watched_group", [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let watched = self.watched();
        let mut moved = watched.len() != known.len();
        for group in &watched {
            let object = match self.rows_of_watched(group)? {
                Some((id, Some(_))) => Some(id),
                _ => None,
            };
            let number = self.find_watched(group)?;
            moved |= !known.iter().any(|(id, before)| Some(*id) == number && *before == object);
        }
        if moved { self.refresh_watched() } else { Ok(()) }
    }

    /// Whether the values of this object are members of a watched group, or would be if the group were there already.
    pub(crate) fn is_watched_source(&self, source: i64, space: i64, attribute: &str) -> Inner<bool> {
        self.exists(
            "SELECT 1 FROM watched_group WHERE connector = ?1 AND attribute = ?2 AND coalesce(object, ?3) = ?3",
            (space, attribute, source),
        )
    }

    /// Compares the members with those of the last time; who came or went is looked at again.
    pub(crate) fn refresh_watched(&self) -> Inner<()> {
        self.watched_stale.set(false);
        let watched = self.watched();
        let mut used = BTreeSet::new();
        for group in &watched {
            let number = self.watched_number(group)?;
            used.insert(number);
            let rows = match self.rows_of_watched(group)? {
                Some((id, Some(attribute))) => Some((id, attribute)),
                _ => None,
            };
            let object = rows.map(|(id, _)| id);
            self.run("UPDATE watched_group SET object = ?2 WHERE id = ?1 AND object IS NOT ?2", (number, object))?;
            // No row has the number 0: everybody who was a member has left.
            let (id, attribute) = rows.unwrap_or_default();
            let came = self.ids(
                "SELECT target FROM reference WHERE source = ?1 AND attribute = ?2 AND state <> 2 \
                 EXCEPT SELECT member FROM watched_member WHERE watched = ?3",
                (id, attribute, number),
            )?;
            let went = self.ids(
                "SELECT member FROM watched_member WHERE watched = ?3 \
                 EXCEPT SELECT target FROM reference WHERE source = ?1 AND attribute = ?2 AND state <> 2",
                (id, attribute, number),
            )?;
            for member in &came {
                self.run("INSERT INTO watched_member (watched, member) VALUES (?1, ?2)", (number, member))?;
            }
            for member in &went {
                self.run("DELETE FROM watched_member WHERE watched = ?1 AND member = ?2", (number, member))?;
            }
            for member in came.into_iter().chain(went) {
                if let Some(head) = self.find_head(member)?
                    && head.is_staging_object()
                {
                    self.bump(member)?;
                    self.mark_dirty(member, head.connector)?;
                }
            }
        }
        // Groups that no rule names any longer; the change of rules has everything synchronised in full.
        for number in self.ids("SELECT id FROM watched_group", [])? {
            if !used.contains(&number) {
                self.run("DELETE FROM watched_member WHERE watched = ?1", [number])?;
                self.run("DELETE FROM watched_group WHERE id = ?1", [number])?;
            }
        }
        Ok(())
    }

    fn find_watched(&self, group: &WatchedGroup) -> Inner<Option<i64>> {
        let Some(connector) = self.find_connector(&group.connector) else { return Ok(None) };
        let query = "SELECT id FROM watched_group WHERE connector = ?1 AND name = ?2 AND attribute = ?3";
        self.one(query, (connector, &group.group, group.attribute.as_str()), |row| row.get(0))
    }

    fn watched_number(&self, group: &WatchedGroup) -> Inner<i64> {
        if let Some(id) = self.find_watched(group)? {
            return Ok(id);
        }
        let key = (self.connector_id(&group.connector)?, &group.group, group.attribute.as_str());
        self.run("INSERT INTO watched_group (connector, name, attribute) VALUES (?1, ?2, ?3)", key)?;
        Ok(self.sql.last_insert_rowid())
    }
}
