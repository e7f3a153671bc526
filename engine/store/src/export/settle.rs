//! Keeps the outcome of one export: what was accepted waits in the export memory for its import, what was refused waits for a
//! change, what may have arrived stays in flight.

use super::{ExportEntry, ExportReference, Refusal, Settled, SettledOutcome, Settlement};
use crate::codec::anchor_bytes;
use crate::codes::{REFERENCE_PENDING, REFERENCE_REFUSED, REFERENCE_UNCONFIRMED};
use crate::db::Db;
use crate::error::Inner;
use crate::errors::{ErrorPhase, ErrorSubject, Problem};
use crate::head::{CREATED, Head, RESTORED, UNCONFIRMED_REFERENCES};
use crate::history::PageMark;
use metaverse_schema::{Anchor, AttributeChange, AttributesDelta};
use sync_kernel::planted::{Fault, is_planted};
use sync_kernel::{ConnectorState, ExportMemory, MemoryState, PendingExport, PendingOperation, Remembered, SentState};

impl Db {
    pub(crate) fn settle_one(&self, settlement: &Settlement, mark: &PageMark, settled: &mut Settled) -> Inner<()> {
        let entry = &settlement.entry;
        let Some(head) = self.find_head(entry.id.0)? else { return Ok(()) };
        match &settlement.outcome {
            SettledOutcome::Accepted { anchor, failed_references } => {
                let other = self.other_with(&head, anchor.as_ref())?;
                if let (Some(anchor), Some(other)) = (anchor, &other)
                    && let Some(refusal) = self.anchor_conflict(&head, anchor, other)?
                {
                    return self.refuse(head, entry, &refusal, mark, settled);
                }
                settled.accepted += 1;
                count(settled, counter(entry));
                let anchor = anchor.as_ref().map(|anchor| (anchor, other.is_some()));
                self.accept(head, entry, anchor, failed_references, mark)
            }
            SettledOutcome::Refused(refusal) => self.refuse(head, entry, refusal, mark, settled),
            SettledOutcome::LookedUp { anchor } => {
                let other = self.other_with(&head, anchor.as_ref())?;
                let is_anothers = match (anchor, &other) {
                    (Some(anchor), Some(other)) => self.anchor_conflict(&head, anchor, other)?.is_some(),
                    _ => false,
                };
                match anchor {
                    Some(anchor) if !is_anothers => self.remove_what_was_found(head, anchor, other.is_some()),
                    // It never came to be, or belongs to somebody else by now, who keeps it.
                    _ => {
                        self.remove_deleted(head.id)?;
                        self.revisit(head.link.map(|link| link.mv))
                    }
                }
            }
            SettledOutcome::NotSettled { .. } if is_planted(Fault::SettleWithoutAnswer) => {
                self.accept(head, entry, None, &[], mark)
            }
            SettledOutcome::NotSettled { may_have_arrived } => {
                settled.not_settled += 1;
                if !may_have_arrived {
                    self.run("UPDATE pending_export SET state = 0 WHERE object = ?1 AND state = 1", [head.id])?;
                    self.mark_references(head.connector, entry, REFERENCE_PENDING)?;
                }
                Ok(())
            }
        }
    }

    /// Another row with the anchor that the system named.
    fn other_with(&self, head: &Head, anchor: Option<&Anchor>) -> Inner<Option<Head>> {
        let Some(anchor) = anchor else { return Ok(None) };
        Ok(self.head_by_anchor(head.connector, anchor)?.filter(|other| other.id != head.id))
    }

    /// Another linked object has the anchor that the system named.
    fn anchor_conflict(&self, head: &Head, anchor: &Anchor, other: &Head) -> Inner<Option<Refusal>> {
        let own = head.link.map(|link| link.mv);
        if other.is_placeholder() || other.link.is_none_or(|link| Some(link.mv) == own) {
            return Ok(None);
        }
        Ok(Some(Refusal {
            code: "duplicate-anchor".into(),
            attribute: None,
            message: format!("the system answered with {anchor}, which belongs to {}", self.label(other.id)?),
            remedy: "look at both objects in the connected system; two source objects claim the same one".into(),
            retry: false,
        }))
    }

    fn accept(
        &self,
        mut head: Head,
        entry: &ExportEntry,
        anchor: Option<(&Anchor, bool)>,
        failed: &[(ExportReference, Refusal)],
        mark: &PageMark,
    ) -> Inner<()> {
        let subject = ErrorSubject::Object(sync_kernel::CsId(head.id));
        let mv = head.link.map(|link| link.mv);
        self.clear_errors(subject, ErrorPhase::Export)?;
        let operation = entry.pending.as_ref().map(|pending| &pending.operation);
        match operation {
            Some(PendingOperation::Delete { .. }) => {
                self.remove_deleted(head.id)?;
                return self.revisit(mv);
            }
            Some(PendingOperation::Detach { .. }) => {
                self.clear_pending(head.id)?;
                self.set_link(&mut head, None)?;
                self.put_memory(&mut head, &ExportMemory::default())?;
                head.state = crate::codes::state(ConnectorState::Disconnected);
                self.save_head(&mut head)?;
                return self.revisit(mv);
            }
            _ => {}
        }
        let before = head.clone();
        let mut memory = self.memory(&head)?;
        let was_anchored = head.anchor.is_some();
        match operation {
            Some(PendingOperation::Add { attributes }) => {
                remember(&mut memory, attributes.iter().map(|(name, values)| (name.clone(), values.clone())));
                if anchor.is_none() && !was_anchored {
                    head.flags |= CREATED;
                }
            }
            Some(PendingOperation::Update { rename, changes, afterwards, takeover, .. }) => {
                if *takeover {
                    self.forget_undo(&head)?;
                }
                self.remember_changes(&head, &mut memory, [changes, afterwards])?;
                if let Some(dn) = rename
                    && let Some(rdn) = dn.rdn()
                {
                    let parent = self.parent_of_place(head.connector, dn)?;
                    match self.find_child(head.connector, parent, &rdn.normalised())? {
                        Some(other) if other != head.id => self.make_room(other, head.id)?,
                        _ => {}
                    }
                    self.occupy(&mut head, parent, rdn);
                    self.candidate_changed(head.id)?;
                }
            }
            Some(PendingOperation::Restore { changes, afterwards }) => {
                self.remember_changes(&head, &mut memory, [changes, afterwards])?;
                head.flags |= RESTORED;
            }
            _ => {}
        }
        if operation.is_some() {
            self.put_memory(&mut head, &memory)?;
            self.clear_pending(head.id)?;
            // What was refused with the object as it was is tried again with the object as it is.
            self.run(
                "UPDATE OR FAIL pending_reference SET state = ?2 WHERE object = ?1 AND state = ?3",
                (head.id, REFERENCE_PENDING, REFERENCE_REFUSED),
            )?;
        }
        if !entry.references.is_empty() {
            self.mark_references(head.connector, entry, REFERENCE_UNCONFIRMED)?;
            head.flags |= UNCONFIRMED_REFERENCES;
            for (reference, refusal) in failed {
                self.refuse_reference(head.id, head.connector, reference, refusal)?;
            }
            if let Some((reference, refusal)) = failed.first() {
                let message = match failed.len() {
                    1 => format!("{} of {}: {}", verb(reference), reference.target, refusal.message),
                    more => format!(
                        "{more} reference changes were refused, the first ({} of {}): {}",
                        verb(reference),
                        reference.target,
                        refusal.message
                    ),
                };
                self.raise(subject, head.connector, ErrorPhase::Export, &problem(refusal, message), mark)?;
            }
        }
        let was_known = match anchor {
            Some((anchor, is_taken)) => self.assign_anchor(head, anchor, is_taken)?,
            None => {
                // Of reference changes alone the row knows since they were marked.
                if operation.is_some() || head != before {
                    self.save_head(&mut head)?;
                }
                false
            }
        };
        // A row that was to flow once the object exists flows as before; one that waited is decided again.
        let waits = match mv {
            Some(mv) => self.is_waited_for(mv)?,
            None => true,
        };
        if was_known || (waits && (!was_anchored || operation.is_some())) {
            self.member_changed(entry.id.0, mv)?;
        }
        Ok(())
    }

    /// The metaverse object lost a target: it may need another one (S68).
    pub(crate) fn revisit(&self, mv: Option<i64>) -> Inner<()> {
        match mv {
            Some(mv) if self.exists("SELECT 1 FROM metaverse WHERE id = ?1", [mv])? => self.mark_metaverse_dirty(mv),
            _ => Ok(()),
        }
    }

    fn remember_changes(&self, head: &Head, memory: &mut ExportMemory, deltas: [&AttributesDelta; 2]) -> Inner<()> {
        // Single values are added to and removed from what the system holds as far as is known.
        let mut image = sync_kernel::overlay(&self.imported_image(head)?.unwrap_or_default(), memory);
        for delta in deltas {
            delta.apply(&mut image);
            let sent = delta.0.iter().map(|(name, change)| {
                let wanted = match change {
                    AttributeChange::Replace(values) => values.clone(),
                    AttributeChange::Update { .. } => image.get(name.as_str()).cloned().unwrap_or_default(),
                };
                (name.clone(), wanted)
            });
            remember(memory, sent);
        }
        Ok(())
    }

    /// Gives a created object its anchor. Where an import brought the same object before the answer was known, that one stays and
    /// takes over the link (T26): nothing is there twice. `is_taken`: another row had this anchor when the answer
    /// was looked at. Returns whether one has it.
    fn assign_anchor(&self, mut head: Head, anchor: &Anchor, is_taken: bool) -> Inner<bool> {
        head.flags &= !CREATED;
        let other = if is_taken { self.other_with(&head, Some(anchor))? } else { None };
        let Some(mut other) = other else {
            head.anchor = Some(anchor_bytes(anchor));
            self.save_head(&mut head)?;
            return Ok(false);
        };
        if other.is_placeholder() {
            other.anchor = None;
            self.save_head(&mut other)?;
            head.anchor = Some(anchor_bytes(anchor));
            self.save_head(&mut head)?;
            self.merge_placeholder(other.id, head.id)?;
            return Ok(true);
        }
        let mut memory = self.memory(&head)?;
        if let Some(image) = self.imported_image(&other)? {
            memory
                .attributes
                .retain(|name, remembered| image.get(name.as_str()).cloned().unwrap_or_default() != remembered.wanted);
        }
        self.put_memory(&mut other, &memory)?;
        let owned = self.load_owned(head.id, head.connector)?;
        self.save_owned(other.id, other.connector, &owned)?;
        for table in ["reference_flow", "pending_reference", "owned_reference", "waiting_reference"] {
            self.run(&format!("UPDATE OR IGNORE {table} SET object = ?2 WHERE object = ?1"), (head.id, other.id))?;
        }
        for table in ["pending_reference", "owned_reference"] {
            self.run(&format!("UPDATE OR IGNORE {table} SET member = ?2 WHERE member = ?1"), (head.id, other.id))?;
        }
        let link = head.link;
        self.save_head(&mut head)?;
        self.move_children(head.connector, head.id, other.id)?;
        self.remove_object(head.id)?;
        other.flags |= head.flags & UNCONFIRMED_REFERENCES;
        self.set_link(&mut other, link)?;
        self.save_head(&mut other)?;
        self.mark_dirty(other.id, other.connector)?;
        Ok(true)
    }

    /// A create that nobody wants any longer had arrived: its removal goes to the object that was found.
    fn remove_what_was_found(&self, head: Head, anchor: &Anchor, is_taken: bool) -> Inner<()> {
        let (object, connector) = (head.id, head.connector);
        let removal =
            self.load_pending(object, connector)?.map(|pending| PendingExport { state: SentState::Pending, ..pending });
        self.save_pending(object, connector, removal.as_ref())?;
        self.assign_anchor(head, anchor, is_taken)?;
        if let Some(found) = self.head_by_anchor(connector, anchor)?.filter(|found| found.id != object) {
            self.save_pending(found.id, connector, removal.as_ref())?;
        }
        Ok(())
    }

    fn refuse(
        &self,
        head: Head,
        entry: &ExportEntry,
        refusal: &Refusal,
        mark: &PageMark,
        settled: &mut Settled,
    ) -> Inner<()> {
        settled.refused += 1;
        count(settled, "export-failure");
        match self.load_pending(head.id, head.connector)? {
            Some(pending) if entry.pending.is_some() => {
                let attempts = match entry.pending.as_ref().map(|pending| &pending.state) {
                    Some(SentState::Refused { count, .. }) => count + 1,
                    _ => 1,
                };
                let state = SentState::Refused {
                    code: refusal.code.clone(),
                    message: refusal.message.clone(),
                    remedy: refusal.remedy.clone(),
                    retry: refusal.retry && !is_planted(Fault::DropRetry),
                    count: attempts,
                };
                self.save_pending(
                    head.id,
                    head.connector,
                    Some(&PendingExport { operation: pending.operation, state, grace: None }),
                )?;
                self.mark_references(head.connector, entry, REFERENCE_PENDING)?;
            }
            _ => {
                for reference in &entry.references {
                    self.refuse_reference(head.id, head.connector, reference, refusal)?;
                }
            }
        }
        let subject = ErrorSubject::Object(sync_kernel::CsId(head.id));
        self.raise(subject, head.connector, ErrorPhase::Export, &problem(refusal, refusal.message.clone()), mark)?;
        let mv = head.link.map(|link| link.mv);
        if entry.was_in_flight && entry.anchor.is_none() {
            // It is known now that nothing of it stands in the system: it may be wanted in another place since.
            self.revisit(mv)?;
        }
        // Whoever waits for this object waits for another reason now.
        self.member_changed(head.id, mv)
    }

    fn refuse_reference(
        &self,
        object: i64,
        connector: i64,
        reference: &ExportReference,
        refusal: &Refusal,
    ) -> Inner<()> {
        let Some(attribute) = self.find_reference_attribute(connector, reference.attribute.as_str()) else {
            return Ok(());
        };
        self.run(
            "UPDATE pending_reference SET state = 3, code = ?5, message = ?6, remedy = ?7, retry = ?8, attempts = attempts + 1 \
             WHERE object = ?1 AND attribute = ?2 AND member = ?3 AND adds = ?4",
            rusqlite::params![
                object,
                attribute,
                reference.member.0,
                reference.add,
                refusal.code,
                refusal.message,
                refusal.remedy,
                refusal.retry
            ],
        )?;
        Ok(())
    }
}

fn verb(reference: &ExportReference) -> &'static str {
    if reference.add { "the addition" } else { "the removal" }
}

fn problem(refusal: &Refusal, message: String) -> Problem {
    Problem {
        code: refusal.code.clone(),
        message,
        attribute: refusal.attribute.as_ref().map(ToString::to_string),
        rule: None,
    }
}

fn remember(
    memory: &mut ExportMemory,
    sent: impl Iterator<Item = (metaverse_schema::AttributeName, metaverse_schema::Values)>,
) {
    for (name, wanted) in sent {
        memory.attributes.insert(name, Remembered { wanted, state: MemoryState::Unconfirmed });
    }
}

fn count(settled: &mut Settled, counter: &str) {
    *settled.counters.entry(counter.to_owned()).or_default() += 1;
}

/// R61-R65. A detachment changes an object and removes none.
fn counter(entry: &ExportEntry) -> &'static str {
    match entry.pending.as_ref().map(|pending| &pending.operation) {
        Some(PendingOperation::Add { .. }) => "export-add",
        Some(PendingOperation::Delete { .. }) => "export-delete",
        Some(PendingOperation::Update { rename: Some(_), .. }) => "export-rename",
        _ => "export-update",
    }
}
