//! Which version of each user's password was seen, and which one each target has. A version that was seen and not pushed is
//! owed: it outlives the process, and no hash is needed for that (SF22).

use super::log::{PasswordEvent, PasswordLogLine};
use crate::codec::anchor_bytes;
use crate::error::Fault;
use crate::{Store, StoreError};
use metaverse_schema::Anchor;

/// What is known of one user's password and one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordVersions {
    /// 0: let through, and not seen yet.
    pub seen: u64,
    /// None: owed.
    pub pushed: Option<u64>,
    /// The version was pushed to the object that stands for the user now.
    pub same_object: bool,
}

impl PasswordVersions {
    pub fn is_owed(&self) -> bool {
        self.pushed != Some(self.seen) || !self.same_object
    }
}

/// What a target has settled: it took the password, or took note and wants no repetition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettledPassword {
    pub anchor: Anchor,
    pub version: u64,
    /// The object in the target.
    pub to: Anchor,
}

fn stored(version: u64) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}

impl Store {
    /// Where the next read of this source continues, and since when (microseconds UTC).
    pub fn password_watermark(&self, source: &str) -> Result<Option<(String, i64)>, StoreError> {
        self.db.read("reading the watermark of passwords", |db| {
            let Some(id) = db.find_connector(source) else { return Ok(None) };
            db.one("SELECT value, committed FROM password_watermark WHERE source = ?1", [id], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
        })
    }

    /// Lets the first passwords of these users through: from now on each is owed until it was pushed.
    pub fn let_passwords_through(&mut self, source: &str, target: &str, users: &[Anchor]) -> Result<(), StoreError> {
        self.db.write("letting passwords through", |db| {
            let (source, target) = (db.connector_id(source)?, db.connector_id(target)?);
            for user in users {
                db.run(
                    "INSERT OR IGNORE INTO password (source, target, anchor, seen) VALUES (?1, ?2, ?3, 0)",
                    (source, target, anchor_bytes(user)),
                )?;
            }
            Ok(())
        })
    }

    /// Notes what a page of a read says: the version of each user's password; None where only something beside it changed, which
    /// makes the password owed again (P27). Users whose first password was not let through are not noted.
    pub fn note_passwords(&mut self, source: &str, page: &[(Anchor, Option<u64>)]) -> Result<(), StoreError> {
        if page.is_empty() {
            return Ok(());
        }
        self.db.write("noting passwords that were read", |db| {
            let source = db.connector_id(source)?;
            let targets: Vec<i64> = db.ids("SELECT DISTINCT target FROM password WHERE source = ?1", [source])?;
            for (user, version) in page {
                let anchor = anchor_bytes(user);
                for target in &targets {
                    match version {
                        Some(version) => db.run(
                            "UPDATE password SET seen = ?4 WHERE source = ?1 AND target = ?2 AND anchor = ?3 AND seen <> ?4",
                            (source, target, &anchor, stored(*version)),
                        )?,
                        None => db.run(
                            "UPDATE password SET pushed = NULL WHERE source = ?1 AND target = ?2 AND anchor = ?3",
                            (source, target, &anchor),
                        )?,
                    };
                }
            }
            Ok(())
        })
    }

    /// Keeps what a target made of a batch, in one transaction with the log and the events of it. What was seen stays: a version
    /// that was noted while an older one was on its way is owed.
    pub fn settle_passwords(
        &mut self,
        source: &str,
        target: &str,
        settled: &[SettledPassword],
        log: &[PasswordLogLine],
        events: &[PasswordEvent],
    ) -> Result<(), StoreError> {
        self.db.write("keeping what became of passwords", |db| {
            let (source, target) = (db.connector_id(source)?, db.connector_id(target)?);
            for one in settled {
                db.run(
                    "UPDATE password SET pushed = ?4, pushed_to = ?5 WHERE source = ?1 AND target = ?2 AND anchor = ?3",
                    (source, target, anchor_bytes(&one.anchor), stored(one.version), anchor_bytes(&one.to)),
                )?;
            }
            log.iter().try_for_each(|line| db.insert_password_line(source, target, line))?;
            db.insert_password_events(events)
        })
    }

    /// A read has ended: the next one continues here. To be called when the last page of it was noted. Lines that were logged
    /// before it was known where the source reads learn that now.
    pub fn password_read_ended(
        &mut self,
        source: &str,
        watermark: &str,
        read_from: &str,
        now: i64,
    ) -> Result<(), StoreError> {
        self.db.write("moving the watermark of passwords", |db| {
            let source = db.connector_id(source)?;
            db.run(
                "UPDATE password_log INDEXED BY password_log_unplaced SET read_from = ?2 WHERE source = ?1 AND read_from IS NULL",
                (source, read_from),
            )?;
            db.run(
                "INSERT INTO password_watermark (source, value, committed) VALUES (?1, ?2, ?3) \
                 ON CONFLICT (source) DO UPDATE SET value = excluded.value, committed = excluded.committed",
                (source, watermark, now),
            )
            .map(drop)
        })
    }

    /// Every password of this source is owed again, and the next read is of everything (P20).
    pub fn start_passwords_over(&mut self, source: &str) -> Result<(), StoreError> {
        self.db.write("starting passwords over", |db| {
            let source = db.connector_id(source)?;
            db.run("DELETE FROM password_watermark WHERE source = ?1", [source])?;
            db.run("UPDATE password SET pushed = NULL WHERE source = ?1", [source]).map(drop)
        })
    }

    /// The password of one user is owed again.
    pub fn owe_password(&mut self, source: &str, target: &str, user: &Anchor) -> Result<(), StoreError> {
        self.db.write("owing a password again", |db| {
            let (source, target) = (db.connector_id(source)?, db.connector_id(target)?);
            let key = (source, target, anchor_bytes(user));
            db.run("UPDATE password SET pushed = NULL WHERE source = ?1 AND target = ?2 AND anchor = ?3", key).map(drop)
        })
    }

    /// Removes log lines and events from before an instant, and rows of users that their space holds no longer.
    pub fn purge_passwords(&mut self, log_before: i64, events_before: i64) -> Result<(), StoreError> {
        self.db.write("removing old password records", |db| {
            let old = "SELECT 1 WHERE (SELECT at FROM password_log ORDER BY id LIMIT 1) < ?1 \
                       OR (SELECT at FROM password_event ORDER BY id LIMIT 1) < ?2";
            if !db.exists(old, (log_before, events_before))? {
                return Ok(());
            }
            db.run("DELETE FROM password_log WHERE at < ?1", [log_before])?;
            db.run("DELETE FROM password_event WHERE at < ?1", [events_before])?;
            db.run(
                "DELETE FROM password WHERE NOT EXISTS (SELECT 1 FROM head WHERE head.connector = password.source \
                 AND head.anchor = password.anchor)",
                [],
            )
            .map(drop)
        })
    }
}

impl PasswordVersions {
    pub(super) fn read(seen: i64, pushed: Option<i64>, same_object: bool) -> Result<Self, Fault> {
        let version = |number: i64| {
            u64::try_from(number).map_err(|_| Fault::damaged(format!("the version {number} of a password")))
        };
        Ok(PasswordVersions { seen: version(seen)?, pushed: pushed.map(version).transpose()?, same_object })
    }
}
