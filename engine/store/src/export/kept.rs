//! What an object held before it was taken over (SF11): kept when its takeover is about to be sent, for 30 days. Never taken
//! back from here by itself.

use super::ExportEntry;
use crate::codec::anchor_of;
use crate::db::Db;
use crate::error::Inner;
use crate::{Store, StoreError};
use metaverse_schema::{Attributes, Reference, Value, Values};
use sync_kernel::{CsId, KEPT_FOR, PendingOperation};

/// An object as it was last imported before its takeover.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptBefore {
    /// When the takeover was about to be sent, in microseconds since 1970.
    pub at: i64,
    pub attributes: Attributes,
    /// Its single-valued references. None: the version that took it over kept none.
    pub references: Option<Attributes>,
}

impl Store {
    /// Keeps what the entries that are takeovers hold now; what was kept of an object already stays, unless that takeover was
    /// undone. Forgets what is old.
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
            // Of an undo that is not through its kept values are needed, however old they are.
            db.run(
                "DELETE FROM kept_before WHERE at < ?1 AND NOT EXISTS (SELECT 1 FROM undone_takeover u \
                 WHERE u.connector = kept_before.connector AND u.anchor = kept_before.anchor AND u.state <> 2)",
                [now.saturating_sub(KEPT_FOR)],
            )?;
            for id in &taken_over {
                let Some(head) = db.find_head(id.0)? else { continue };
                let (Some(anchor), Some(image)) = (&head.anchor, db.imported_image(&head)?) else { continue };
                let image = db.encode_image(head.connector, &image)?;
                let links = db.single_references(head.id)?;
                let links = db.encode_image(head.connector, &links)?;
                db.run(
                    "DELETE FROM kept_before WHERE connector = ?1 AND anchor = ?2 AND EXISTS (SELECT 1 FROM undone_takeover u \
                     WHERE u.connector = ?1 AND u.anchor = ?2 AND u.state = 2 AND u.ended >= kept_before.at)",
                    (head.connector, anchor.as_slice()),
                )?;
                db.run(
                    "INSERT OR IGNORE INTO kept_before (connector, anchor, at, image, links) VALUES (?1, ?2, ?3, ?4, ?5)",
                    (head.connector, anchor.as_slice(), now, image, links),
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
            type Row = (i64, Vec<u8>, Option<Vec<u8>>);
            let kept: Option<Row> = db.one(
                "SELECT at, image, links FROM kept_before WHERE connector = ?1 AND anchor = ?2",
                (head.connector, anchor.as_slice()),
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
            )?;
            match kept {
                Some((at, image, links)) => Ok(Some(KeptBefore {
                    at,
                    attributes: db.decode_image(head.connector, &image)?,
                    references: links.map(|links| db.decode_image(head.connector, &links)).transpose()?,
                })),
                None => Ok(None),
            }
        })
    }
}

impl Db {
    /// Imported references of which the object has one, by attribute.
    fn single_references(&self, object: i64) -> Inner<Attributes> {
        let rows: Vec<(i64, Vec<u8>)> = self.all(
            "SELECT r.attribute, h.anchor FROM reference_total t JOIN reference r ON r.source = t.source AND r.attribute = t.attribute \
             JOIN head h ON h.id = r.target WHERE t.source = ?1 AND t.total = 1 AND r.state IN (0, 1) AND h.anchor IS NOT NULL",
            [object],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        let mut references = Attributes::new();
        for (attribute, anchor) in rows {
            let target = Value::Reference(Reference::Anchor(anchor_of(&anchor)?));
            references.set(self.attribute_name(attribute)?, Values::single(target));
        }
        Ok(references)
    }
}
