//! Which version of each user's password was seen, and which one each target has. A version that was seen and not pushed is
//! owed: it outlives the process, and no hash is needed for that (SF22).

use super::log::{PasswordEvent, PasswordLogLine};
use crate::codec::anchor_bytes;
use crate::db::Db;
use crate::error::{Fault, Inner};
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
    /// As if a read had told of this version, or of something beside the password.
    pub fn note(&mut self, version: Option<u64>) {
        match version {
            Some(version) => self.seen = version,
            None => self.pushed = None,
        }
    }

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

/// What became of passwords at one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordOutcomes {
    pub target: String,
    pub settled: Vec<SettledPassword>,
    pub log: Vec<PasswordLogLine>,
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

    /// Keeps what a pass has learned of a source, in one transaction: first the versions that reads have told of, None where only
    /// something beside the password changed, which makes it owed again (P27); then what targets made of batches, with the log; and the
    /// events. Users whose first password was not let through are not noted. What was seen stays: a version that was noted while an
    /// older one was on its way is owed.
    pub fn keep_passwords(
        &mut self,
        source: &str,
        noted: &[(Anchor, Option<u64>)],
        outcomes: &[PasswordOutcomes],
        events: &[PasswordEvent],
    ) -> Result<(), StoreError> {
        if noted.is_empty() && outcomes.is_empty() && events.is_empty() {
            return Ok(());
        }
        self.db.write("keeping what became of passwords", |db| {
            let source = db.connector_id(source)?;
            db.note_passwords(source, noted)?;
            for kept in outcomes {
                let target = db.connector_id(&kept.target)?;
                for one in &kept.settled {
                    db.run(
                        "UPDATE password SET pushed = ?4, pushed_to = ?5 WHERE source = ?1 AND target = ?2 AND anchor = ?3",
                        (source, target, anchor_bytes(&one.anchor), stored(one.version), anchor_bytes(&one.to)),
                    )?;
                }
                kept.log.iter().try_for_each(|line| db.insert_password_line(source, target, line))?;
            }
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

impl Db {
    fn note_passwords(&self, source: i64, noted: &[(Anchor, Option<u64>)]) -> Inner<()> {
        if noted.is_empty() {
            return Ok(());
        }
        let targets: Vec<i64> = self.ids("SELECT DISTINCT target FROM password WHERE source = ?1", [source])?;
        for (user, version) in noted {
            let anchor = anchor_bytes(user);
            for target in &targets {
                match version {
                    Some(version) => self.run(
                        "UPDATE password SET seen = ?4 WHERE source = ?1 AND target = ?2 AND anchor = ?3 AND seen <> ?4",
                        (source, target, &anchor, stored(*version)),
                    )?,
                    None => self.run(
                        "UPDATE password SET pushed = NULL WHERE source = ?1 AND target = ?2 AND anchor = ?3",
                        (source, target, &anchor),
                    )?,
                };
            }
        }
        Ok(())
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
