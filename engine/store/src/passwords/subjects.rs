//! What the decision about a password needs, for a page of users in one look: the account, its person, the object of the
//! target, protected groups, and the versions. Reads only.

use super::versions::PasswordVersions;
use crate::codec::anchor_bytes;
use crate::codes;
use crate::db::Db;
use crate::error::Inner;
use crate::head::Head;
use crate::{Store, StoreError};
use metaverse_schema::{Anchor, Sid, Value};
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use sync_kernel::{PasswordEnd, PasswordSubject, PendingOperation, has_password, is_protected_group};

/// One user and one target.
#[derive(Debug, Clone, PartialEq)]
pub struct PasswordLine {
    pub anchor: Anchor,
    /// As an operator finds it: the DN, or the name.
    pub name: String,
    pub subject: PasswordSubject,
    /// None: its first password was not let through yet.
    pub versions: Option<PasswordVersions>,
}

/// Protected groups that were looked at, by their number.
type Protected = HashMap<i64, Option<String>>;

impl Store {
    /// Everything that is known of these users, in their order. `members`: the attribute that holds a group's members.
    pub fn password_subjects(
        &self,
        source: &str,
        target: &str,
        users: &[Anchor],
        members: &str,
    ) -> Result<Vec<PasswordLine>, StoreError> {
        self.db.read("reading about passwords", |db| {
            // A run that goes on meanwhile gives new numbers to new names.
            db.names.reload(&db.sql)?;
            let mut protected = Protected::new();
            users.iter().map(|user| db.password_line(source, target, user, members, &mut protected)).collect()
        })
    }

    /// Users of a source that have an object in the target, and whose password is owed or was never let through: a page of
    /// them in order of their anchors, from behind `after`. Groups and contacts have no password.
    pub fn password_candidates(
        &self,
        source: &str,
        target: &str,
        after: Option<&Anchor>,
        limit: usize,
    ) -> Result<Vec<Anchor>, StoreError> {
        self.db.read("looking for owed passwords", |db| {
            let (Some(source), Some(target)) = (db.find_connector(source), db.find_connector(target)) else {
                return Ok(Vec::new());
            };
            let types = db.types_without_password();
            let rows: Vec<Vec<u8>> = db.all(
                &format!("SELECT s.anchor FROM head s INDEXED BY head_by_anchor \
                 CROSS JOIN head t INDEXED BY head_by_link ON t.link_mv = s.link_mv AND t.connector = ?2 AND t.anchor IS NOT NULL \
                 LEFT JOIN password p ON p.source = ?1 AND p.target = ?2 AND p.anchor = s.anchor \
                 WHERE s.connector = ?1 AND s.anchor > ?3 AND s.anchor IS NOT NULL AND s.link_mv IS NOT NULL \
                 AND s.object_type NOT IN ({types}) \
                 AND (p.anchor IS NULL OR p.pushed IS NOT p.seen OR p.pushed_to IS NOT t.anchor) \
                 ORDER BY s.anchor LIMIT ?4"),
                (source, target, after.map(anchor_bytes).unwrap_or_default(), i64::try_from(limit).unwrap_or(i64::MAX)),
                |row| row.get(0),
            )?;
            let mut found: Vec<Anchor> =
                rows.iter().map(|bytes| crate::codec::anchor_of(bytes)).collect::<Inner<_>>()?;
            // Two objects of the target at one person: the same user twice in a row.
            found.dedup();
            Ok(found)
        })
    }
}

impl Db {
    /// Their numbers, for a list in SQL.
    fn types_without_password(&self) -> String {
        let types = self.object_types().into_iter().filter(|(_, name)| !has_password(name));
        let numbers: BTreeSet<i64> = types.map(|(id, _)| id).collect();
        numbers.iter().map(i64::to_string).collect::<Vec<_>>().join(", ")
    }

    fn password_line(
        &self,
        source: &str,
        target: &str,
        user: &Anchor,
        members: &str,
        protected: &mut Protected,
    ) -> Inner<PasswordLine> {
        let nobody = PasswordSubject { account: None, person: None, end: None, protected_by: None };
        let mut line = PasswordLine { anchor: user.clone(), name: user.to_string(), subject: nobody, versions: None };
        let Some(source) = self.find_connector(source) else { return Ok(line) };
        let target = self.find_connector(target);
        let mut end_anchor = None;
        if let Some(head) = self.head_by_anchor(source, user)?.filter(Head::is_staging_object) {
            let account = self.view(&head)?;
            line.name = match &account.dn {
                Some(dn) => dn.to_string(),
                None => self.label(head.id)?,
            };
            if let Some(link) = &account.link {
                line.subject.person = self.load_metaverse(link.mv.0)?;
                if let Some(end) = target.map(|target| self.head_linked(link.mv.0, target)).transpose()?.flatten() {
                    line.subject.end = Some(self.password_end(&end)?);
                    end_anchor = end.anchor;
                }
            }
            line.subject.protected_by = self.protected_group_of(&head, members, protected)?;
            line.subject.account = Some(account);
        }
        if let Some(target) = target {
            line.versions = self
                .one(
                    "SELECT seen, pushed, pushed_to IS ?4 FROM password WHERE source = ?1 AND target = ?2 AND anchor = ?3",
                    (source, target, anchor_bytes(user), end_anchor),
                    |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
                )?
                .map(|(seen, pushed, same)| PasswordVersions::read(seen, pushed, same))
                .transpose()?;
        }
        Ok(line)
    }

    fn password_end(&self, head: &Head) -> Inner<PasswordEnd> {
        let pending = self.load_pending(head.id, head.connector)?.map(|pending| pending.operation);
        Ok(match (pending, head.anchor()?) {
            (Some(PendingOperation::Delete { .. } | PendingOperation::Detach { .. }), _) => PasswordEnd::Leaving,
            (
                Some(
                    PendingOperation::Add { .. }
                    | PendingOperation::Restore { .. }
                    | PendingOperation::Update { takeover: true, .. },
                ),
                _,
            ) => PasswordEnd::NotExported,
            (_, Some(anchor)) if head.staged != codes::STAGED_DELETED => PasswordEnd::Exported(anchor),
            _ => PasswordEnd::NotExported,
        })
    }

    /// SF21: by the groups that were imported. The rows of a group's members are walked upwards from the account.
    fn protected_group_of(&self, account: &Head, members: &str, known: &mut Protected) -> Inner<Option<String>> {
        let Some(attribute) = self.find_reference_attribute(account.connector, members) else { return Ok(None) };
        let groups = self.ids(
            "WITH RECURSIVE up (id) AS (SELECT source FROM reference WHERE target = ?1 AND attribute = ?2 AND state <> 2 \
             UNION SELECT r.source FROM up CROSS JOIN reference r INDEXED BY reference_by_target \
             ON r.target = up.id AND r.attribute = ?2 AND r.state <> 2) SELECT id FROM up ORDER BY id",
            (account.id, attribute),
        )?;
        for group in groups {
            let name = match known.entry(group) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(fresh) => fresh.insert(self.protected_name(group)?),
            };
            if name.is_some() {
                return Ok(name.clone());
            }
        }
        Ok(None)
    }

    /// The name of a group that the directory protects; None for any other.
    fn protected_name(&self, group: i64) -> Inner<Option<String>> {
        let Some(head) = self.find_head(group)? else { return Ok(None) };
        let image = self.known_image(&head)?;
        let sid = image.get("objectSid").and_then(|values| match values.first() {
            Some(Value::Binary(bytes)) => Sid::from_slice(bytes).ok(),
            Some(Value::Text(text)) => text.parse().ok(),
            _ => None,
        });
        if !sid.is_some_and(|sid| is_protected_group(&sid)) {
            return Ok(None);
        }
        self.label(group).map(Some)
    }
}
