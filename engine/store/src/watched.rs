//! Members of the groups that scope clauses and `[scope]` name (S8): kept as a set per group, so that an object that becomes or
//! ceases to be a member is looked at again and deltas equal full. Of a group of `[scope]` the set stays as it was while the group
//! is gone or has no member any longer: nobody leaves because something could not be read (SF13, SF15). Decides nothing; the
//! kernel compares.

use crate::codes;
use crate::db::Db;
use crate::error::Inner;
use crate::head::Head;
use crate::{Store, StoreError};
use std::collections::BTreeSet;
use sync_rules::{ConnectorName, Watch, WatchedGroup};

/// A group of `[scope]` whose members cannot be told: who is in scope stays as it was, and nothing is synchronised until the
/// operator or the directory mends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelectionProblem {
    pub connector: ConnectorName,
    /// Its anchor.
    pub group: String,
    /// Members when it was last seen whole; 0: it was never seen.
    pub known_members: u64,
    /// It is there and has no member; otherwise it was not imported or is gone.
    pub is_empty: bool,
}

const DIRECT_MEMBERS: &str = "SELECT target FROM reference WHERE source = ?1 AND attribute = ?2 AND state <> 2";
const ALL_MEMBERS: &str = "SELECT id FROM (WITH RECURSIVE member (id) AS (\
     SELECT target FROM reference WHERE source = ?1 AND attribute = ?2 AND state <> 2 UNION \
     SELECT r.target FROM reference r JOIN member m ON r.source = m.id WHERE r.attribute = ?2 AND r.state <> 2) \
     SELECT id FROM member WHERE id <> ?1)";
const DIRECT_MEMBER: &str =
    "SELECT 1 FROM reference WHERE source = ?1 AND attribute = ?2 AND target = ?3 AND state <> 2";

impl Store {
    /// The groups of `[scope]` that are gone, were never imported, or have lost all members at once.
    pub fn selection_problems(&self) -> Result<Vec<SelectionProblem>, StoreError> {
        self.db.read("looking for the groups that select who is synchronised", |db| {
            let mut problems = Vec::new();
            for group in db.watched().into_iter().filter(|group| group.watch != Watch::Clause) {
                let known_members = match db.find_watched(&group)? {
                    Some(number) => db.count("SELECT count(*) FROM watched_member WHERE watched = ?1", [number])?,
                    None => 0,
                };
                let rows = db.rows_of_watched(&group)?;
                let is_empty = rows.is_some();
                if rows.is_none() || (known_members > 0 && db.readable_rows(&group)?.is_none()) {
                    problems.push(SelectionProblem {
                        connector: group.connector,
                        group: group.group,
                        known_members,
                        is_empty,
                    });
                }
            }
            Ok(problems)
        })
    }

    /// How many objects a group of `[scope]` selects now.
    pub fn selected_members(&self, connector: &str, group: &str) -> Result<u64, StoreError> {
        self.db.read("counting whom a group selects", |db| {
            let Some(space) = db.find_connector(connector) else { return Ok(0) };
            db.count(
                "SELECT count(DISTINCT m.member) FROM watched_group g JOIN watched_member m ON m.watched = g.id \
                 WHERE g.connector = ?1 AND g.name = ?2 AND g.watch > 0",
                (space, group),
            )
        })
    }

    /// The groups named in scope clauses that were not imported yet, or are gone: nobody counts as their member.
    pub fn watched_groups_missing(&self) -> Result<Vec<WatchedGroup>, StoreError> {
        self.db.read("looking for the groups that scope clauses name", |db| {
            let mut missing = Vec::new();
            for group in db.watched().into_iter().filter(|group| group.watch == Watch::Clause) {
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

    /// The rows of a group that say who its members are. None: of a group of `[scope]` that has none left, so that those of the
    /// last time stand.
    fn readable_rows(&self, group: &WatchedGroup) -> Inner<Option<(i64, Option<i64>)>> {
        let rows = self.rows_of_watched(group)?;
        let Some((id, attribute)) = rows.filter(|_| group.watch != Watch::Clause) else { return Ok(rows) };
        let has_member = self
            .exists("SELECT 1 FROM reference WHERE source = ?1 AND attribute IS ?2 AND state <> 2", (id, attribute))?;
        Ok(rows.filter(|_| has_member))
    }

    /// The groups of `[scope]` that select an object. Read from the rows themselves, so that a store that is only read knows them
    /// too.
    pub(crate) fn selected_by(&self, head: &Head) -> Inner<BTreeSet<String>> {
        let mut groups = BTreeSet::new();
        for group in self.watched().into_iter().filter(|group| group.watch != Watch::Clause) {
            if self.find_connector(&group.connector) != Some(head.connector) {
                continue;
            }
            let selects = match self.readable_rows(&group)? {
                Some((id, Some(attribute))) if group.watch == Watch::NestedSelection => self.exists(
                    "WITH RECURSIVE above (id) AS (SELECT ?3 UNION SELECT r.source FROM reference r JOIN above a ON r.target = a.id \
                     WHERE r.attribute = ?2 AND r.state <> 2) SELECT 1 FROM above WHERE id = ?1 AND id <> ?3",
                    (id, attribute, head.id),
                )?,
                Some((id, Some(attribute))) => self.exists(DIRECT_MEMBER, (id, attribute, head.id))?,
                _ => match self.find_watched(&group)? {
                    Some(number) => self.exists(
                        "SELECT 1 FROM watched_member WHERE watched = ?1 AND member = ?2",
                        (number, head.id),
                    )?,
                    None => false,
                },
            };
            if selects {
                groups.insert(group.group);
            }
        }
        Ok(groups)
    }

    /// The groups of scope clauses of which an object is a member as imported, by the names that clauses give them.
    pub(crate) fn member_of(&self, head: &Head) -> Inner<BTreeSet<String>> {
        let mut groups = BTreeSet::new();
        for group in self.watched().into_iter().filter(|group| group.watch == Watch::Clause) {
            if self.find_connector(&group.connector) != Some(head.connector) {
                continue;
            }
            if let Some((id, Some(attribute))) = self.rows_of_watched(&group)?
                && self.exists(DIRECT_MEMBER, (id, attribute, head.id))?
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
        // Whoever is selected through a nested group is watched, and so is that group.
        let nested = || {
            let rules = self.rules.borrow();
            rules.iter().any(|rules| rules.watched.iter().any(|group| group.watch == Watch::NestedSelection))
        };
        Ok(self.exists(
            "SELECT 1 FROM watched_group WHERE connector = ?1 AND attribute = ?2 AND coalesce(object, ?3) = ?3",
            (space, attribute, source),
        )? || nested() && self.exists(
            "SELECT 1 FROM watched_member m JOIN watched_group g ON g.id = m.watched WHERE m.member = ?1 AND g.watch = 2",
            [source],
        )?)
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
            if group.watch != Watch::Clause && self.readable_rows(group)?.is_none() {
                continue;
            }
            // No row has the number 0: everybody who was a member has left.
            let (id, attribute) = rows.unwrap_or_default();
            let is_there = match group.watch {
                Watch::Clause | Watch::Selection => DIRECT_MEMBERS,
                Watch::NestedSelection => ALL_MEMBERS,
            };
            let came = self.ids(
                &format!("{is_there} EXCEPT SELECT member FROM watched_member WHERE watched = ?3"),
                (id, attribute, number),
            )?;
            let went = self.ids(
                &format!("SELECT member FROM watched_member WHERE watched = ?3 EXCEPT {is_there}"),
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
        let query = "SELECT id FROM watched_group WHERE connector = ?1 AND name = ?2 AND attribute = ?3 AND watch = ?4";
        self.one(query, (connector, &group.group, group.attribute.as_str(), code(group.watch)), |row| row.get(0))
    }

    fn watched_number(&self, group: &WatchedGroup) -> Inner<i64> {
        if let Some(id) = self.find_watched(group)? {
            return Ok(id);
        }
        let key = (self.connector_id(&group.connector)?, &group.group, group.attribute.as_str(), code(group.watch));
        self.run("INSERT INTO watched_group (connector, name, attribute, watch) VALUES (?1, ?2, ?3, ?4)", key)?;
        Ok(self.sql.last_insert_rowid())
    }
}

fn code(watch: Watch) -> i64 {
    match watch {
        Watch::Clause => 0,
        Watch::Selection => 1,
        Watch::NestedSelection => 2,
    }
}
