//! Imports: matches each incoming object with what the connector space holds (O37-O43), stages what differs, settles exports
//! against it (O44-O50), and ends the step. A page is one transaction with its queue entries and progress.

mod confirm;
mod finish;
mod held;
mod matching;
pub(crate) mod stage;

pub use held::HeldPrints;

use crate::history::{StepCounters, StepId};
use crate::{Store, StoreError};
use metaverse_schema::{Anchor, Attributes, AttributesDelta, ConnectorSchema, Dn, ObjectType};
use std::sync::Arc;
use sync_kernel::DeleteCause;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportMode {
    Full,
    Delta,
}

/// One thing an import says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StagedItem {
    /// The whole object as it is now.
    Object(StagedObject),
    /// The object is as it was when it came with this print.
    Same { anchor: Anchor, print: [u8; 16] },
    /// Changes of an object that was imported before; of an unknown one the whole object is asked for (R70).
    Change(StagedChange),
    /// The object is gone.
    Deleted { anchor: Anchor, cause: DeleteCause },
    /// A container left the scope, with everything below it.
    SubtreeLeft { container: Anchor },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagedObject {
    pub anchor: Anchor,
    pub object_type: ObjectType,
    /// None: the system has no hierarchy.
    pub place: Option<StagedPlace>,
    pub attributes: Attributes,
    /// The connector's own print of it; none: one is made of what it says here.
    pub print: Option<[u8; 16]>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagedChange {
    pub anchor: Anchor,
    pub object_type: ObjectType,
    /// The new place, when the object was renamed or moved.
    pub place: Option<StagedPlace>,
    pub changes: AttributesDelta,
    /// Whether `changes` names every value, references excepted, should the object be new since the last import.
    pub whole_if_new: bool,
}

/// Where an object stands: its DN as returned, and its container's anchor where the system tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagedPlace {
    pub dn: Dn,
    pub parent: Option<Anchor>,
}

/// R33-R40; each item of an import lands in exactly one of the staging counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StagingCounters {
    pub no_change: u64,
    pub add: u64,
    pub update: u64,
    pub rename: u64,
    pub delete: u64,
    pub delete_add: u64,
    pub failure: u64,
    /// Told by the connector; the store only adds what deltas delete without holding it.
    pub filtered_objects: u64,
    pub filtered_deletions: u64,
}

impl StagingCounters {
    /// By their names in run history.
    pub fn named(&self) -> [(&'static str, u64); 9] {
        [
            ("stage-no-change", self.no_change),
            ("stage-add", self.add),
            ("stage-update", self.update),
            ("stage-rename", self.rename),
            ("stage-delete", self.delete),
            ("stage-delete-add", self.delete_add),
            ("stage-failure", self.failure),
            ("filtered-objects", self.filtered_objects),
            ("filtered-deletions", self.filtered_deletions),
        ]
    }

    pub fn add_all(&mut self, other: &StagingCounters) {
        self.no_change += other.no_change;
        self.add += other.add;
        self.update += other.update;
        self.rename += other.rename;
        self.delete += other.delete;
        self.delete_add += other.delete_add;
        self.failure += other.failure;
        self.filtered_objects += other.filtered_objects;
        self.filtered_deletions += other.filtered_deletions;
    }

    /// For the record of the run step.
    pub fn step_counters(&self) -> StepCounters {
        let mut counters = StepCounters::default();
        for (name, count) in self.named() {
            counters.values.insert(name.to_owned(), count);
        }
        counters
    }
}

/// An item that could not be staged (R69). It counts as `stage-failure`; the rest of the page is staged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagingIssue {
    pub code: &'static str,
    /// As the operator can find it.
    pub object: String,
    pub anchor: Option<Anchor>,
    pub message: String,
}

impl StagingIssue {
    fn twice(object: String, anchor: Anchor) -> Self {
        StagingIssue {
            code: "duplicate-object",
            object,
            anchor: Some(anchor),
            message: "the same anchor came twice within one full import; the first one was kept".into(),
        }
    }
}

/// What became of one page.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StagedPage {
    /// Of this page alone.
    pub counters: StagingCounters,
    /// Changes of objects that the space does not hold: read them whole and stage them in the same session (R70).
    pub need_full_object: Vec<Anchor>,
    pub issues: Vec<StagingIssue>,
    /// Exported values that came back as something else (O47); each is recorded on its object.
    pub contradictions: u64,
}

/// How an import ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinishImport {
    /// Stage the deletion of what a full import did not return. Only when R7 allows it: the last page arrived and nothing was
    /// unreadable. Ignored for a delta.
    pub obsolete: bool,
    /// What it says of an object that this full import did not return it (SF18).
    pub absence: DeleteCause,
    /// Remove placeholders that nothing needs; not after discovery errors (O19).
    pub cleanup: bool,
    /// Where the next delta continues; none keeps the earlier one (R8).
    pub watermark: Option<String>,
}

impl Default for FinishImport {
    fn default() -> Self {
        FinishImport { obsolete: false, absence: DeleteCause::NotSeen, cleanup: false, watermark: None }
    }
}

/// The import as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImportSummary {
    pub counters: StagingCounters,
    /// Objects that lost their place to another and were not told where they went (O40: `completed-transient-objects`).
    pub transient: u64,
    pub contradictions: u64,
    /// Created by export and not returned by this full import; the next one that misses them deletes them.
    pub missed: u64,
    pub placeholders_removed: u64,
}

/// A running import. A plain value: dropping it keeps the pages that were staged and ends nothing.
#[derive(Debug)]
pub struct ImportSession {
    pub(crate) connector: i64,
    pub(crate) mode: ImportMode,
    pub(crate) schema: ConnectorSchema,
    pub(crate) step: Option<StepId>,
    pub(crate) rules_read_dn: bool,
    pub(crate) seen: Seen,
    pub(crate) held: Arc<HeldPrints>,
    /// A row was written since the prints were read: one of them may no longer stand.
    pub(crate) has_staged: bool,
    pub(crate) counters: StagingCounters,
    pub(crate) contradictions: u64,
}

impl ImportSession {
    /// Of all pages so far.
    pub fn counters(&self) -> &StagingCounters {
        &self.counters
    }

    /// Objects that this import has returned so far.
    pub fn seen(&self) -> u64 {
        self.seen.count
    }

    pub fn mode(&self) -> ImportMode {
        self.mode
    }

    /// Rules read where objects stand: when a container moves, everything below it is due with the same page.
    pub fn follow_containers(&mut self) {
        self.rules_read_dn = true;
    }
}

/// Which objects a full import has returned: one bit each, in memory only.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    bits: Vec<u64>,
    count: u64,
}

impl Seen {
    /// `false` when it was there already.
    pub(crate) fn insert(&mut self, id: i64) -> bool {
        let Ok(id) = usize::try_from(id) else { return true };
        let (word, bit) = (id / 64, 1u64 << (id % 64));
        if self.bits.len() <= word {
            self.bits.resize(word + 1, 0);
        }
        let fresh = self.bits[word] & bit == 0;
        self.bits[word] |= bit;
        self.count += u64::from(fresh);
        fresh
    }

    pub(crate) fn contains(&self, id: i64) -> bool {
        let word = usize::try_from(id / 64).ok().and_then(|word| self.bits.get(word));
        word.is_some_and(|word| word & (1 << (id % 64)) != 0)
    }
}

impl Store {
    /// Begins an import. The schema tells containers and reference attributes; it is the one the connector offers now.
    pub fn begin_import(
        &mut self,
        connector: &str,
        mode: ImportMode,
        schema: &ConnectorSchema,
        step: Option<StepId>,
    ) -> Result<ImportSession, StoreError> {
        let connector = self.db.write("beginning an import", |db| {
            db.rule_set()?;
            db.connector_id(connector)
        })?;
        Ok(ImportSession {
            connector,
            mode,
            schema: schema.clone(),
            step,
            rules_read_dn: false,
            seen: Seen::default(),
            held: Arc::default(),
            has_staged: false,
            counters: StagingCounters::default(),
            contradictions: 0,
        })
    }

    /// How many objects and containers the connected system returned as far as is known, those not counted of which it said that
    /// they are gone.
    pub fn imported_count(&self, connector: &str) -> Result<u64, StoreError> {
        self.db.read("counting what was imported", |db| {
            let Some(connector) = db.find_connector(connector) else { return Ok(0) };
            // Once through the table in its own order: by an index it would be gone through in random order.
            db.count(
                "SELECT count(*) FROM head NOT INDEXED WHERE connector = ?1 \
                 AND (state = 6 OR (anchor IS NOT NULL AND state <> 5 AND staged <> 2))",
                [connector],
            )
        })
    }

    /// Stages a page: one transaction with the images, the queue entries and the step's progress. About 10,000 items at most
    /// keep memory and the log small.
    pub fn stage_page(
        &mut self,
        session: &mut ImportSession,
        items: Vec<StagedItem>,
        now: i64,
    ) -> Result<StagedPage, StoreError> {
        // For these there is nothing to write, and so nothing to commit: the next page that stages something tells how far the
        // step is.
        let (held, items) = if session.all_held(&items) { session.pass_held(items) } else { (0, items) };
        session.counters.no_change += held;
        let mut page = match items.is_empty() {
            true => StagedPage::default(),
            false => self.db.write("staging a page of the import", |db| db.stage_page(session, items, now))?,
        };
        session.counters.add_all(&page.counters);
        session.contradictions += page.contradictions;
        page.counters.no_change += held;
        Ok(page)
    }

    /// Ends the import in one transaction: obsoletion where it is allowed, the watermark, placeholders, transient objects.
    pub fn finish_import(
        &mut self,
        session: ImportSession,
        ending: FinishImport,
        now: i64,
    ) -> Result<ImportSummary, StoreError> {
        self.db.write("ending the import", |db| db.finish_import(session, &ending, now))
    }
}
