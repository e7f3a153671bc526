//! What the clock alone brings about: metaverse objects whose rules answer differently from an instant on (SF28). Keeps the
//! instants that decisions named; never works one out.

use crate::db::Db;
use crate::error::Inner;
use crate::{Store, StoreError};

impl Store {
    /// Queues the metaverse objects whose instant has come by `now` (microseconds UTC). Returns how many. The first thing a
    /// synchronisation step does, so that a delta at any time equals a full synchronisation at that time.
    pub fn queue_due(&mut self, now: i64) -> Result<u64, StoreError> {
        self.db.write("queueing what is due", |db| {
            let queued =
                db.run("INSERT OR IGNORE INTO dirty_metaverse (object) SELECT object FROM due WHERE at <= ?1", [now])?;
            db.run("DELETE FROM due WHERE at <= ?1", [now])?;
            Ok(queued as u64)
        })
    }

    /// Whether the instant of any metaverse object has come by `now`.
    pub fn is_due(&self, now: i64) -> Result<bool, StoreError> {
        self.db.read("looking for what is due", |db| db.exists("SELECT 1 FROM due WHERE at <= ?1 LIMIT 1", [now]))
    }
}

impl Db {
    /// Replaces the instant at which a metaverse object is decided again by the clock alone.
    pub(crate) fn set_due(&self, mv: i64, at: Option<i64>) -> Inner<()> {
        match at {
            Some(at) => self.run("INSERT OR REPLACE INTO due (object, at) VALUES (?1, ?2)", (mv, at))?,
            None => self.run("DELETE FROM due WHERE object = ?1", [mv])?,
        };
        Ok(())
    }
}
