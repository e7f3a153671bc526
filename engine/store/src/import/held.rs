//! What a full import need not look at: the prints of the objects that are held as they came last, loaded once. An object that
//! comes with one of them costs no look at the store. Never judges what an object is; see stage.rs.

use super::{ImportMode, ImportSession, StagedItem, StagedPage, StagingIssue};
use crate::Store;
use crate::codes;
use crate::db::Db;
use crate::error::{Inner, StoreError};
use metaverse_schema::Anchor;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

/// Objects by their print: 24 bytes for each. Of an object that is not here, an import looks closer.
#[derive(Debug, Default)]
pub struct HeldPrints(HashMap<[u8; 16], i64, BuildHasherDefault<FirstBytes>>);

impl HeldPrints {
    pub fn holds(&self, print: &[u8; 16]) -> bool {
        self.0.contains_key(print)
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A print is a piece of a cryptographic hash: any eight bytes of it spread as well as a hash of it would.
#[derive(Debug, Default)]
struct FirstBytes(u64);

impl Hasher for FirstBytes {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_le_bytes(*first);
        }
    }

    /// The length that precedes the bytes says nothing.
    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

impl Store {
    /// Loads the prints of what the connector space holds as it came last, for a full import that is told of them.
    pub fn hold_prints(&self, session: &mut ImportSession) -> Result<Arc<HeldPrints>, StoreError> {
        session.held = Arc::new(self.db.read("reading the prints of a connector space", |db| db.held_prints(session))?);
        session.has_staged = false;
        Ok(Arc::clone(&session.held))
    }
}

impl ImportSession {
    /// Every item is one that is held, and none can have been changed since that was found.
    pub(super) fn all_held(&self, items: &[StagedItem]) -> bool {
        !self.has_staged
            && items.iter().all(|item| matches!(item, StagedItem::Same { print, .. } if self.held.holds(print)))
    }

    /// Passes a page of held objects: how many, and those that had come before, which are an error to be told.
    pub(super) fn pass_held(&mut self, items: Vec<StagedItem>) -> (u64, Vec<StagedItem>) {
        let (held, seen) = (&self.held, &mut self.seen);
        let count = items.len();
        let again: Vec<StagedItem> = items
            .into_iter()
            .filter(|item| match item {
                StagedItem::Same { print, .. } => held.0.get(print).is_none_or(|id| !seen.insert(*id)),
                _ => true,
            })
            .collect();
        ((count - again.len()) as u64, again)
    }
}

impl Db {
    /// An object with an export to confirm, or with a mark of an import that broke off, is looked at in any case.
    fn held_prints(&self, session: &ImportSession) -> Inner<HeldPrints> {
        // The whole table in its own order: an index would be gone through in random order.
        let rows = self.all(
            "SELECT id, item_print, object_type, state, link_mv IS NOT NULL FROM head NOT INDEXED \
             WHERE connector = ?1 AND item_print IS NOT NULL AND flags = 0 AND memory_body IS NULL",
            [session.connector],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)),
        )?;
        let mut prints = HashMap::with_capacity_and_hasher(rows.len(), BuildHasherDefault::default());
        let mut classes: HashMap<i64, bool> = HashMap::new();
        for (id, print, object_type, state, is_linked) in rows {
            let (object_type, state, is_linked): (Option<i64>, i64, bool) = (object_type, state, is_linked);
            let Some(object_type) = object_type else { continue };
            let is_container_class = match classes.get(&object_type) {
                Some(known) => *known,
                None => {
                    let is_container = session.schema.is_container(self.object_type(object_type)?.as_str());
                    *classes.entry(object_type).or_insert(is_container)
                }
            };
            if (state == codes::CONTAINER) == (is_container_class && !is_linked) {
                prints.insert(print, id);
            }
        }
        Ok(HeldPrints(prints))
    }

    /// One such object among others. What was staged since the prints were read may have changed it: then it is asked for.
    pub(super) fn stage_same(
        &self,
        session: &mut ImportSession,
        anchor: Anchor,
        print: [u8; 16],
        page: &mut StagedPage,
    ) -> Inner<()> {
        let held = session.held.0.get(&print).copied();
        let stands = match held {
            Some(id) if session.has_staged => self.exists(
                "SELECT 1 FROM head WHERE id = ?1 AND item_print = ?2 AND flags = 0 AND memory_body IS NULL",
                (id, print),
            )?,
            other => other.is_some(),
        };
        match held.filter(|_| stands) {
            Some(id) => pass(session, id, anchor, page),
            None => page.need_full_object.push(anchor),
        }
        Ok(())
    }
}

fn pass(session: &mut ImportSession, id: i64, anchor: Anchor, page: &mut StagedPage) {
    if session.seen.insert(id) || session.mode != ImportMode::Full {
        page.counters.no_change += 1;
        return;
    }
    page.counters.failure += 1;
    page.issues.push(StagingIssue::twice(anchor.to_string(), anchor));
}
