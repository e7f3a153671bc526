//! First passwords that are more than the guard lets pass by itself (SF12): the list that waits, and the word that lets exactly
//! it through. Counts nothing itself.

use crate::approvals::{StoredList, list_from_text, list_to_text};
use crate::db::Db;
use crate::error::Inner;
use crate::{Store, StoreError};
use sync_kernel::{ApprovalList, Digest};
use sync_rules::ConnectorName;

impl Store {
    /// Keeps the list that stopped first passwords; the same list keeps its approval, another one supersedes it.
    pub fn record_password_guard(&mut self, target: &str, list: &ApprovalList, now: i64) -> Result<(), StoreError> {
        self.db.write("keeping a guarded list of passwords", |db| {
            let id = db.connector_id(target)?;
            db.run(
                "INSERT INTO password_guard (target, digest, list, recorded) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (target) DO UPDATE \
                 SET approved = CASE WHEN digest = excluded.digest THEN approved END, digest = excluded.digest, list = excluded.list, \
                 recorded = excluded.recorded",
                (id, list.digest.as_str(), list_to_text(list)?, now),
            )
            .map(drop)
        })
    }

    /// The list of a target that waits, or was approved.
    pub fn waiting_password_guard(&self, target: &str) -> Result<Option<StoredList>, StoreError> {
        self.db.read("reading a guarded list of passwords", |db| {
            let Some(id) = db.find_connector(target) else { return Ok(None) };
            let row: Option<(String, String, i64, Option<i64>)> =
                db.one("SELECT digest, list, recorded, approved FROM password_guard WHERE target = ?1", [id], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
                })?;
            let Some((digest, list, recorded, approved)) = row else { return Ok(None) };
            let (lines, verdicts) = list_from_text(&list)?;
            let connector = db.connector_name(id)?;
            Ok(Some(StoredList { digest: Digest::from_text(&digest), connector, lines, verdicts, recorded, approved }))
        })
    }

    /// Nothing is over the limit any more.
    pub fn clear_password_guard(&mut self, target: &str) -> Result<(), StoreError> {
        let has_list = self.db.read("reading a guarded list of passwords", |db| match db.find_connector(target) {
            Some(id) => db.exists("SELECT 1 FROM password_guard WHERE target = ?1", [id]),
            None => Ok(false),
        })?;
        if !has_list {
            return Ok(());
        }
        self.db.write("dropping a guarded list of passwords", |db| {
            let id = db.connector_id(target)?;
            db.run("DELETE FROM password_guard WHERE target = ?1", [id]).map(drop)
        })
    }
}

impl Db {
    /// Lets the list with that digest through: how many first passwords it holds.
    pub(crate) fn approve_passwords(&self, digest: &Digest, now: i64) -> Inner<Option<(ConnectorName, u64)>> {
        let row: Option<(i64, String)> =
            self.one("SELECT target, list FROM password_guard WHERE digest = ?1", [digest.as_str()], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
        let Some((target, list)) = row else { return Ok(None) };
        self.run("UPDATE password_guard SET approved = ?2 WHERE target = ?1", (target, now))?;
        let lines = list_from_text(&list)?.0.len() as u64;
        Ok(Some((self.connector_name(target)?, lines)))
    }
}
