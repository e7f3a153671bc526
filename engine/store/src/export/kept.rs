//! What an object held before it was taken over (SF11): kept when its takeover is about to be sent, for 30 days. Never taken
//! back from here by itself.

use super::ExportEntry;
use crate::{Store, StoreError};
use metaverse_schema::Attributes;
use sync_kernel::{CsId, PendingOperation};

/// In microseconds.
const KEPT_FOR: i64 = 30 * 86_400_000_000;

/// An object as it was last imported before its takeover.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptBefore {
    /// When the takeover was about to be sent, in microseconds since 1970.
    pub at: i64,
    pub attributes: Attributes,
}

impl Store {
    /// Keeps what the entries that are takeovers hold now; what was kept of an object already stays. Forgets what is old.
    pub fn keep_before_takeover(&mut self, entries: &[ExportEntry], now: i64) -> Result<(), StoreError> {
        let is_takeover = |entry: &&ExportEntry| {
            let operation = entry.pending.as_ref().map(|pending| &pending.operation);
            matches!(operation, Some(PendingOperation::Update { takeover: true, .. }))
        };
        let taken_over: Vec<CsId> = entries.iter().filter(is_takeover).map(|entry| entry.id).collect();
        if taken_over.is_empty() {
            return Ok(());
        }
        self.db.write("keeping what was before a takeover", |db| {
            db.run("DELETE FROM kept_before WHERE at < ?1", [now.saturating_sub(KEPT_FOR)])?;
            for id in &taken_over {
                let Some(head) = db.find_head(id.0)? else { continue };
                let (Some(anchor), Some(image)) = (&head.anchor, db.imported_image(&head)?) else { continue };
                let image = db.encode_image(head.connector, &image)?;
                db.run(
                    "INSERT OR IGNORE INTO kept_before (connector, anchor, at, image) VALUES (?1, ?2, ?3, ?4)",
                    (head.connector, anchor.as_slice(), now, image),
                )?;
            }
            Ok(())
        })
    }

    /// The objects of a space whose takeover was sent not long ago, with when, in the order of time.
    pub fn taken_over(&self, connector: &str) -> Result<Vec<(CsId, i64)>, StoreError> {
        self.db.read("listing takeovers", |db| {
            let Some(connector) = db.find_connector(connector) else { return Ok(Vec::new()) };
            db.all(
                "SELECT head.id, kept.at FROM kept_before kept JOIN head ON head.connector = kept.connector AND head.anchor = kept.anchor \
                 WHERE kept.connector = ?1 ORDER BY kept.at, head.id",
                [connector],
                |row| Ok((CsId(row.get(0)?), row.get(1)?)),
            )
        })
    }

    /// What the object held before it was taken over, if that was not long ago.
    pub fn kept_before(&self, object: CsId) -> Result<Option<KeptBefore>, StoreError> {
        self.db.read("reading what was before a takeover", |db| {
            let Some(head) = db.find_head(object.0)? else { return Ok(None) };
            let Some(anchor) = &head.anchor else { return Ok(None) };
            let kept: Option<(i64, Vec<u8>)> = db.one(
                "SELECT at, image FROM kept_before WHERE connector = ?1 AND anchor = ?2",
                (head.connector, anchor.as_slice()),
                |row| Ok((row.get(0)?, row.get(1)?)),
            )?;
            match kept {
                Some((at, image)) => Ok(Some(KeptBefore { at, attributes: db.decode_image(head.connector, &image)? })),
                None => Ok(None),
            }
        })
    }
}
