//! What the clock alone brings about: metaverse objects whose rules answer differently from an instant on (SF28), and exports
//! whose grace period ends (SF18). Keeps the instants that decisions named; never works one out.

use crate::codec::anchor_bytes;
use crate::db::Db;
use crate::error::Inner;
use crate::head::Head;
use crate::{Store, StoreError};
use metaverse_schema::Anchor;
use sync_kernel::planted::{Fault, is_planted};
use sync_kernel::{DeleteCause, PendingExport, PendingOperation};
use sync_rules::DeprovisionAction;

impl Store {
    /// Queues the metaverse objects whose instant has come by `now` (microseconds UTC). Returns how many. The first thing a
    /// synchronisation step does, so that a delta at any time equals a full synchronisation at that time.
    pub fn queue_due(&mut self, now: i64) -> Result<u64, StoreError> {
        if is_planted(Fault::IgnoreClock) {
            return Ok(0);
        }
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

    /// Ends the grace periods that are over at `now` (microseconds UTC): the objects leave with the next export. Returns how many.
    pub fn end_grace(&mut self, now: i64) -> Result<u64, StoreError> {
        if is_planted(Fault::ForgetGraceDate) {
            return Ok(0);
        }
        self.db.write("ending grace periods", |db| {
            let over = db.ids(
                "SELECT object FROM pending_export INDEXED BY pending_export_in_grace \
                 WHERE not_before IS NOT NULL AND not_before <= ?1 ORDER BY object",
                [now],
            )?;
            for object in &over {
                db.run("UPDATE pending_export SET not_before = NULL, if_deleted = NULL WHERE object = ?1", [object])?;
                db.run("DELETE FROM left_source WHERE object = ?1", [object])?;
                db.bump(*object)?;
                // Members that stayed because of the grace period go now.
                db.member_changed(*object, db.head(*object)?.link.map(|link| link.mv))?;
            }
            Ok(over.len() as u64)
        })
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

    pub(crate) fn is_in_grace(&self, object: i64) -> Inner<bool> {
        self.exists("SELECT 1 FROM pending_export WHERE object = ?1 AND not_before IS NOT NULL", [object])
    }

    /// Remembers which source object a target object in its grace period came from, once the source object is out of sight.
    pub(crate) fn remember_source(&self, target: i64, source: &Head) -> Inner<()> {
        if let Some(anchor) = &source.anchor
            && self.is_in_grace(target)?
        {
            self.run(
                "INSERT OR REPLACE INTO left_source (object, connector, anchor) VALUES (?1, ?2, ?3)",
                (target, source.connector, anchor),
            )?;
        }
        Ok(())
    }

    /// SF18: a source object that had left scope was deleted: its targets have nothing left to wait for.
    pub(crate) fn deleted_after_leaving(&self, connector: i64, anchor: &Anchor) -> Inner<()> {
        let targets = self.ids(
            "SELECT object FROM left_source WHERE connector = ?1 AND anchor = ?2 ORDER BY object",
            (connector, anchor_bytes(anchor)),
        )?;
        for target in targets {
            let head = self.head(target)?;
            let Some(pending) = self.load_pending(target, head.connector)? else { continue };
            let (Some(grace), PendingOperation::Delete { ownership, .. } | PendingOperation::Detach { ownership, .. }) =
                (pending.grace, pending.operation)
            else {
                continue;
            };
            let cause = DeleteCause::DeletedInSource;
            let operation = match grace.if_deleted {
                DeprovisionAction::Delete => Some(PendingOperation::Delete { cause, ownership }),
                DeprovisionAction::Detach => Some(PendingOperation::Detach { cause, ownership }),
                DeprovisionAction::Disconnect | DeprovisionAction::ExplicitDisconnect | DeprovisionAction::Keep => None,
            };
            let pending = operation.map(|operation| PendingExport { operation, state: pending.state, grace: None });
            self.save_pending(target, head.connector, pending.as_ref())?;
            self.bump(target)?;
            self.member_changed(target, None)?;
        }
        Ok(())
    }
}
