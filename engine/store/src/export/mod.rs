//! Exports: what is to be sent, the mark that it left, and what came of it (O44-O51). `sent` is committed before the first byte
//! leaves; whatever is still in flight when a run begins is looked up before a create is sent again (O28).

mod kept;
mod settle;
mod undo;

pub use kept::KeptBefore;
pub use undo::{UndoOutcome, UndoRecord, UndoState};

use crate::codec::anchor_of;
use crate::codes;
use crate::db::Db;
use crate::error::Inner;
use crate::head::{Head, UNCONFIRMED_REFERENCES};
use crate::{Store, StoreError};
use metaverse_schema::{Anchor, AttributeName, Attributes, Dn, ObjectType};
use std::collections::BTreeMap;
use sync_kernel::planted::{Fault, is_planted};
use sync_kernel::{CsId, MvId, PendingExport, PendingOperation, SentState};

/// Rows of `pending_reference` that an export would send: neither refused for good, nor of an object whose create was (0: a
/// create) and that waits for a change as long as they do. Those queued before the refusal are kept back, and not even looked at.
pub(crate) const REFERENCES_TO_SEND: &str = "state <> 2 AND kept_back = 0 AND (state <> 3 OR retry = 1) AND NOT EXISTS (SELECT 1 \
     FROM pending_export e WHERE e.object = pending_reference.object AND e.operation = 0 AND e.to_send = 0)";

/// In which order exports go: removals apart, so that a name can be free before it is given again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportPhase {
    /// Deletes and detachments.
    Removals,
    /// Creates, updates, restores and reference changes. Run it again after creates: members that were created meanwhile can be
    /// referenced then.
    Writes,
}

/// Everything needed to send one object's export.
#[derive(Debug, Clone, PartialEq)]
pub struct ExportEntry {
    pub id: CsId,
    pub object_type: ObjectType,
    /// None: to be created.
    pub anchor: Option<Anchor>,
    pub dn: Option<Dn>,
    pub mv: Option<MvId>,
    /// None: only reference changes.
    pub pending: Option<PendingExport>,
    /// Those whose member is there (its anchor is known).
    pub references: Vec<ExportReference>,
    /// An earlier run sent it and never learned what became of it: look it up before creating it again.
    pub was_in_flight: bool,
    /// What its create sent, of an object that is to be removed and whose create was never answered; otherwise empty.
    pub unanswered: Attributes,
    /// More reference changes wait than this entry holds: ask for the page again when these are settled.
    pub more_references: bool,
    /// The container it is to stand in, while that one is itself only to be created: it goes first (S30, R75).
    pub waits_for: Option<CsId>,
    /// Other objects of the space stand in it: a delete of it waits for theirs, and for moves out of it.
    pub holds_others: bool,
    /// Created by an export, and returned by no import yet.
    pub unseen: bool,
    /// A takeover of what was taken over once and given back: an operator approved it anew (SF11).
    pub reclaims: bool,
}

/// One value of a reference attribute that is to be added or removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportReference {
    pub attribute: AttributeName,
    /// The member in the target space.
    pub member: CsId,
    pub target: Anchor,
    pub target_dn: Option<Dn>,
    pub target_type: ObjectType,
    pub add: bool,
}

/// Why something was refused, in the engine's error names (R74).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Refusal {
    pub code: String,
    pub attribute: Option<AttributeName>,
    pub message: String,
    pub remedy: String,
    /// Sent again with the next export without a change.
    pub retry: bool,
}

/// What became of one entry.
#[derive(Debug, Clone, PartialEq)]
pub struct Settlement {
    pub entry: ExportEntry,
    pub outcome: SettledOutcome,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettledOutcome {
    Accepted {
        /// Of a create, where the system tells it.
        anchor: Option<Anchor>,
        failed_references: Vec<(ExportReference, Refusal)>,
    },
    Refused(Refusal),
    /// A create that was never answered and is wanted no longer was looked up: it is there, and is removed from now on like
    /// any other, or it never came to be and is forgotten.
    LookedUp {
        anchor: Option<Anchor>,
    },
    /// Not sent or not answered. `may_have_arrived`: it stays in flight.
    NotSettled {
        may_have_arrived: bool,
    },
}

/// What a group of settlements came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settled {
    pub accepted: u64,
    pub refused: u64,
    pub not_settled: u64,
    /// R61-R66 by name: `export-add`, `export-update`, ...
    pub counters: BTreeMap<String, u64>,
}

impl Store {
    /// A page of what can be sent now, in order of number, after `after`; at most `references` reference changes per object.
    pub fn export_page(
        &self,
        connector: &str,
        phase: ExportPhase,
        after: Option<CsId>,
        limit: usize,
        references: usize,
    ) -> Result<Vec<ExportEntry>, StoreError> {
        self.db.read("reading what is to be exported", |db| {
            let Some(connector) = db.find_connector(connector) else { return Ok(Vec::new()) };
            let mut after = after.map_or(0, |id| id.0);
            let mut entries = Vec::new();
            while entries.len() < limit {
                let ids = db.export_candidates(connector, phase, after, limit - entries.len())?;
                let Some(last) = ids.last().copied() else { break };
                for id in ids {
                    entries.extend(db.export_entry(&db.head(id)?, phase, references)?);
                }
                after = last;
            }
            Ok(entries)
        })
    }

    /// What these objects hold of these attributes: as imported, with what was sent since and not yet seen again laid over it.
    /// An object that holds none of them is left out.
    pub fn held_values(&self, objects: &[CsId], names: &[&str]) -> Result<BTreeMap<CsId, Attributes>, StoreError> {
        if names.is_empty() {
            return Ok(BTreeMap::new());
        }
        self.db.read("reading what exports are named by", |db| {
            let mut held = BTreeMap::new();
            for id in objects {
                let Some(head) = db.find_head(id.0)? else { continue };
                let image = db.imported_image(&head)?.unwrap_or_default();
                let memory = db.memory(&head)?;
                let value = |name: &&str| {
                    let sent = memory.attributes.get(*name).map(|remembered| &remembered.wanted);
                    Some((AttributeName::new(*name), sent.or(image.get(name))?.clone()))
                };
                let named: Attributes = names.iter().filter_map(value).collect();
                if !named.is_empty() {
                    held.insert(*id, named);
                }
            }
            Ok(held)
        })
    }

    /// Number of objects that `export_page` would return for both phases, without what only waits for other objects.
    pub fn export_count(&self, connector: &str) -> Result<u64, StoreError> {
        self.db.read("counting what is to be exported", |db| {
            let Some(connector) = db.find_connector(connector) else { return Ok(0) };
            db.count(
                &format!(
                    "SELECT count(*) FROM (SELECT object FROM pending_export WHERE connector = ?1 AND to_send = 1 \
                     UNION SELECT object FROM pending_reference WHERE connector = ?1 AND {REFERENCES_TO_SEND})"
                ),
                [connector],
            )
        })
    }

    /// Number of objects that are to be created in a system of which no full import was ever finished: who stands there
    /// already is not known, and would be created a second time. 0 once it was read whole.
    pub fn creates_into_the_unknown(&self, connector: &str) -> Result<u64, StoreError> {
        self.db.read("counting what is to be created", |db| {
            let Some(connector) = db.find_connector(connector) else { return Ok(0) };
            db.count(
                "SELECT count(*) FROM pending_export WHERE connector = ?1 AND to_send = 1 AND operation = 0 \
                 AND NOT EXISTS (SELECT 1 FROM connector_flags f WHERE f.connector = ?1 AND f.read_whole = 1)",
                [connector],
            )
        })
    }

    /// Marks entries of one connector as sent. Committed before the first byte leaves.
    pub fn mark_in_flight(&mut self, entries: &[ExportEntry]) -> Result<(), StoreError> {
        let Some(first) = entries.first() else { return Ok(()) };
        self.db.write("marking exports as sent", |db| {
            let connector = db.head(first.id.0)?.connector;
            for entry in entries.iter().filter(|_| !is_planted(Fault::SkipSentMark)) {
                db.run("UPDATE pending_export SET state = 1 WHERE object = ?1", [entry.id.0])?;
                db.mark_references(connector, entry, codes::REFERENCE_IN_FLIGHT)?;
                if !entry.references.is_empty() {
                    db.set_flag(entry.id.0, UNCONFIRMED_REFERENCES)?;
                }
            }
            Ok(())
        })
    }

    /// Keeps what became of a group of entries, in one transaction (500 to 1,000 objects are a good size).
    pub fn settle(&mut self, settlements: &[Settlement], mark: &crate::PageMark) -> Result<Settled, StoreError> {
        self.db.write("keeping the outcome of exports", |db| {
            let mut settled = Settled::default();
            for settlement in settlements {
                db.settle_one(settlement, mark, &mut settled)?;
            }
            Ok(settled)
        })
    }

    /// Lets refused exports be sent again unchanged: of one object, or of all. Returns how many.
    pub fn retry_refused(&mut self, connector: &str, object: Option<CsId>) -> Result<u64, StoreError> {
        self.db.write("queueing refused exports", |db| {
            let Some(connector) = db.find_connector(connector) else { return Ok(0) };
            let object = object.map(|id| id.0);
            let exports = db.run(
                "UPDATE pending_export SET state = 0 WHERE connector = ?1 AND state = 2 AND (?2 IS NULL OR object = ?2)",
                (connector, object),
            )?;
            db.run(
                "UPDATE pending_reference SET kept_back = 0 WHERE connector = ?1 AND kept_back = 1 AND (?2 IS NULL OR object = ?2)",
                (connector, object),
            )?;
            let references = db.run(
                "UPDATE pending_reference SET state = 0 WHERE connector = ?1 AND state = 3 AND (?2 IS NULL OR object = ?2)",
                (connector, object),
            )?;
            Ok((exports + references) as u64)
        })
    }
}

impl Db {
    fn export_candidates(&self, connector: i64, phase: ExportPhase, after: i64, limit: usize) -> Inner<Vec<i64>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        match phase {
            ExportPhase::Removals => self.ids(
                "SELECT object FROM pending_export WHERE connector = ?1 AND to_send = 1 AND object > ?2 AND operation IN (3, 4) \
                 ORDER BY object LIMIT ?3",
                (connector, after, limit),
            ),
            ExportPhase::Writes => self.ids(
                &format!(
                    "SELECT object FROM pending_export \
                     WHERE connector = ?1 AND to_send = 1 AND object > ?2 AND operation NOT IN (3, 4) UNION \
                     SELECT object FROM pending_reference WHERE connector = ?1 AND object > ?2 AND {REFERENCES_TO_SEND} \
                     ORDER BY object LIMIT ?3"
                ),
                (connector, after, limit),
            ),
        }
    }

    /// None: nothing of it can be sent now.
    pub(crate) fn export_entry(
        &self,
        head: &Head,
        phase: ExportPhase,
        references: usize,
    ) -> Inner<Option<ExportEntry>> {
        let pending = self.load_pending(head.id, head.connector)?.filter(|pending| can_be_sent(&pending.state));
        // SF18: an object in its grace period is left as it is, its members too. Whether it is there at all may be looked up.
        if head.anchor.is_some() && pending.as_ref().is_some_and(|pending| pending.grace.is_some()) {
            return Ok(None);
        }
        let is_removal = matches!(
            pending.as_ref().map(|pending| &pending.operation),
            Some(PendingOperation::Delete { .. } | PendingOperation::Detach { .. })
        );
        if is_removal != (phase == ExportPhase::Removals) {
            return Ok(None);
        }
        // Whoever has neither an anchor nor a create on its way cannot be written to.
        let is_reachable = head.anchor.is_some() || pending.is_some();
        let mut sendable = match is_reachable && !is_removal {
            true => self.sendable_references(head.id, references.saturating_add(1))?,
            false => Vec::new(),
        };
        if pending.is_none() && sendable.is_empty() {
            return Ok(None);
        }
        let more_references = sendable.len() > references;
        sendable.truncate(references);
        let waits_for = match pending.as_ref().map(|pending| &pending.operation) {
            Some(PendingOperation::Add { .. }) => head.parent,
            Some(PendingOperation::Update { rename: Some(dn), .. }) => match dn.parent() {
                Some(container) => self.find_place(head.connector, &container)?,
                None => None,
            },
            _ => None,
        };
        let waits_for = match waits_for {
            Some(container) if self.is_to_be_created(container)? => Some(CsId(container)),
            _ => None,
        };
        let unanswered = match is_removal && head.anchor.is_none() {
            true => self.memory(head)?.attributes.into_iter().map(|(name, sent)| (name, sent.wanted)).collect(),
            false => Attributes::new(),
        };
        let is_takeover = matches!(
            pending.as_ref().map(|pending| &pending.operation),
            Some(PendingOperation::Update { takeover: true, .. })
        );
        Ok(Some(ExportEntry {
            reclaims: is_takeover && self.was_given_back(head)?,
            unseen: head.is_made_here(),
            id: CsId(head.id),
            object_type: self.type_name(head)?,
            anchor: head.anchor()?,
            dn: self.dn_of(head)?,
            mv: head.link.map(|link| MvId(link.mv)),
            was_in_flight: pending.as_ref().is_some_and(|pending| pending.state == SentState::InFlight),
            pending,
            unanswered,
            references: sendable,
            more_references,
            waits_for,
            holds_others: is_removal && self.holds_others(head)?,
        }))
    }

    fn is_to_be_created(&self, container: i64) -> Inner<bool> {
        let Some(head) = self.find_head(container)?.filter(|head| head.anchor.is_none()) else { return Ok(false) };
        let pending = self.load_pending(container, head.connector)?;
        Ok(pending.is_some_and(|pending| {
            matches!(pending.operation, PendingOperation::Add { .. }) && can_be_sent(&pending.state)
        }))
    }

    fn holds_others(&self, head: &Head) -> Inner<bool> {
        self.exists(
            "SELECT 1 FROM head WHERE connector = ?1 AND parent = ?2 AND state <> ?3 AND staged <> ?4 AND anchor IS NOT NULL",
            (head.connector, head.id, codes::PLACEHOLDER, codes::STAGED_DELETED),
        )
    }

    fn sendable_references(&self, object: i64, limit: usize) -> Inner<Vec<ExportReference>> {
        type Row = (i64, i64, bool, Vec<u8>, Option<i64>);
        let rows: Vec<Row> = self.all(
            "SELECT p.attribute, p.member, p.adds, h.anchor, h.object_type FROM pending_reference p JOIN head h ON h.id = p.member \
             WHERE p.object = ?1 AND (p.state IN (0, 1) OR (p.state = 3 AND p.retry = 1)) AND h.anchor IS NOT NULL \
             ORDER BY p.attribute, p.adds, p.member LIMIT ?2",
            (object, i64::try_from(limit).unwrap_or(i64::MAX)),
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)),
        )?;
        let mut references = Vec::with_capacity(rows.len());
        for (attribute, member, add, anchor, object_type) in rows {
            references.push(ExportReference {
                attribute: self.attribute_name(attribute)?,
                member: CsId(member),
                target: anchor_of(&anchor)?,
                target_dn: self.dn(member)?,
                target_type: object_type.map_or_else(|| Ok(ObjectType::new("")), |id| self.object_type(id))?,
                add,
            });
        }
        Ok(references)
    }

    /// Gives the entry's reference changes a state.
    pub(crate) fn mark_references(&self, connector: i64, entry: &ExportEntry, state: i64) -> Inner<()> {
        for reference in &entry.references {
            let name = reference.attribute.as_str();
            let Some(attribute) = self.find_reference_attribute(connector, name) else { continue };
            self.run(
                "UPDATE pending_reference SET state = ?5 WHERE object = ?1 AND attribute = ?2 AND member = ?3 AND adds = ?4",
                (entry.id.0, attribute, reference.member.0, reference.add, state),
            )?;
        }
        Ok(())
    }
}

/// What this export would send: not what was refused and waits for a change.
pub(crate) fn can_be_sent(state: &SentState) -> bool {
    match state {
        SentState::Pending | SentState::InFlight => true,
        SentState::Refused { retry, .. } => *retry,
    }
}
