//! Export steps: the guard stage, then removals, then writes, pass by pass until nothing is left that can be sent (R13).
//! What comes of each object is settled in the store; an export confirms nothing, only an import does (O44).

use crate::engine::Engine;
use crate::export_order::{Together, layers};
use crate::profile::RunOptions;
use crate::report::ErrorNote;
use crate::send::{Outcome, Sending, unanswered_create};
use crate::status;
use crate::step::{End, StepRun};
use connector_contract::{Connector, ConnectorError, ErrorKind, ExportItem, Exporter};
use metaverse_schema::{Anchor, Attributes};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use sync_kernel::{CsId, PendingExport, PendingOperation};
use sync_store::{ExportEntry, ExportPhase, ExportReference, Refusal, SettledOutcome, Settlement, StoreError};

/// How often one step sends an object whose refusal says that it is worth sending again (O56).
const MAX_ATTEMPTS: u32 = 3;

/// The counter of creates (R61).
const EXPORT_ADD: &str = "export-add";
/// The counter of changes that neither make, move nor remove an object (R62).
const EXPORT_UPDATE: &str = "export-update";

/// What one export step has done so far.
#[derive(Default)]
struct Tally {
    accepted: u64,
    not_settled: u64,
    /// Outcomes that changed something; a pass without any is the last.
    progress: u64,
    /// Refused objects, and refused references of others, with the last refusal of each.
    refused: BTreeMap<CsId, Vec<ErrorNote>>,
    attempts: HashMap<CsId, u32>,
    /// The last reason for which something was not settled.
    reason: String,
    /// Objects by counter (R31).
    details: BTreeMap<&'static str, BTreeSet<CsId>>,
    /// Objects that were to be sent when the step began.
    total: u64,
}

impl Tally {
    fn settled(&self) -> u64 {
        self.accepted + self.refused.len() as u64
    }

    /// Grows with everything that was settled, to whatever end.
    fn outcomes(&self) -> u64 {
        self.settled() + self.progress + u64::from(self.attempts.values().sum::<u32>())
    }

    /// A container that was refused is not waited for: who is to stand in it is then refused by its own name.
    fn may_still_come(&self, container: CsId) -> bool {
        !self.refused.contains_key(&container)
    }

    fn was_created(&self, id: CsId) -> bool {
        self.details.get(EXPORT_ADD).is_some_and(|created| created.contains(&id))
    }

    fn may_be_sent(&self, id: CsId) -> bool {
        self.attempts.get(&id).is_none_or(|attempts| *attempts < MAX_ATTEMPTS)
    }
}

/// What one pass sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Deletes and detachments, but of nothing in which others still stand.
    RemoveEmpty,
    Write,
    /// Containers too that seem not to be empty: the system knows better, and refuses by name.
    RemoveAll,
}

impl Stage {
    fn phase(self) -> ExportPhase {
        match self {
            Stage::Write => ExportPhase::Writes,
            Stage::RemoveEmpty | Stage::RemoveAll => ExportPhase::Removals,
        }
    }

    fn takes(self, entry: &ExportEntry) -> bool {
        self != Stage::RemoveEmpty || !entry.holds_others
    }

    /// What of a page goes now.
    fn sendable(self, page: Vec<ExportEntry>, tally: &Tally) -> Vec<ExportEntry> {
        let in_page: BTreeSet<CsId> = page.iter().map(|entry| entry.id).collect();
        page.into_iter()
            .filter(|entry| self.takes(entry) && tally.may_be_sent(entry.id))
            // Its container comes with this page, or has to come with a later one of this pass.
            .filter(|entry| entry.waits_for.is_none_or(|id| in_page.contains(&id) || !tally.may_still_come(id)))
            .filter(|entry| entry.pending.is_some() || !entry.references.is_empty())
            .collect()
    }
}

/// How far a pass is.
struct Pass {
    stage: Stage,
    /// The last object that was read.
    after: Option<CsId>,
    /// Nothing is left to be read.
    is_read: bool,
    /// Of the last page, what was not put into batches yet.
    layers: VecDeque<Vec<Together>>,
    /// `Tally::outcomes` when the last page was taken; none before the first.
    outcomes_before: Option<u64>,
    /// Objects of it stand in containers, and take and leave names there.
    has_places: bool,
}

impl Pass {
    fn of(stage: Stage) -> Self {
        Pass { stage, after: None, is_read: false, layers: VecDeque::new(), outcomes_before: None, has_places: false }
    }

    /// Whether the next page is to be taken now: when nothing is on its way; or when little is, the system has answered, and
    /// nothing can wait for what is under way, neither a reference for the object that it names, nor an object for its container,
    /// nor a name for who leaves it. So it is where references follow creates by themselves, and nothing has a place.
    fn takes_a_page(&self, exporter: &dyn Exporter, sending: &Sending, tally: &Tally, page: usize) -> bool {
        if self.is_read || !self.layers.is_empty() {
            return false;
        }
        let has_answered = self.outcomes_before.is_some_and(|before| tally.outcomes() > before);
        let waits_for_nothing = exporter.references_follow_creates() && !self.has_places;
        !sending.is_under_way() || (has_answered && waits_for_nothing && sending.unanswered() <= page / 2)
    }
}

fn creates(entry: &ExportEntry) -> bool {
    matches!(entry.pending.as_ref().map(|pending| &pending.operation), Some(PendingOperation::Add { .. }))
}

/// Why an export ends before everything was sent.
enum Halt {
    Operator,
    Connector(ConnectorError),
    ErrorLimit,
    /// A whole page came back unsettled: the system takes nothing at present.
    NothingGoes,
}

impl Engine {
    pub(crate) async fn export(&mut self, step: &mut StepRun, options: &RunOptions) -> Result<End, StoreError> {
        if self.deployment.staging && !options.force_export {
            return Ok(End::because(
                status::NO_START_STAGING_MODE,
                "this deployment is in staging mode: it imports and synchronises, and exports nothing",
                "set `staging = false` in metasync.toml, or force this one export",
            ));
        }
        let Some(connector) = self.connectors.get(&step.connector).cloned() else {
            return Ok(End::because(status::STOPPED_NOT_IMPLEMENTED, "the connector is not configured", ""));
        };
        if connector.exporter().is_none() {
            return Ok(End::because(
                status::STOPPED_NOT_IMPLEMENTED,
                "this connector cannot be written to",
                "remove the export step from the profile",
            ));
        }
        if let Some(stopped) = self.look_at_system(step, connector.as_ref()).await? {
            return Ok(stopped);
        }
        let unknown = self.store.creates_into_the_unknown(&step.connector)?;
        if unknown > 0 {
            let name = &step.connector;
            return Ok(End::because(
                status::NO_START_FULL_IMPORT_REQUIRED,
                format!(
                    "{unknown} objects are to be created, and {name} was never read whole: who stands there already would be created a second time"
                ),
                format!("`metasync run {name} full-import`, synchronise, and look at `metasync pending {name}` again"),
            ));
        }
        self.end_grace(step)?;
        if let Some(stopped) = self.guard(step)? {
            return Ok(stopped);
        }
        let number = self.store.begin_export_step(&step.connector)?;
        let mut tally = Tally { total: self.store.export_count(&step.connector)?, ..Tally::default() };
        let halt = self.export_all(step, &connector, &mut tally).await?;
        if tally.settled() > 0
            && let Some(exporter) = connector.exporter()
            && let Err(error) = exporter.export_ended(tally.settled(), tally.accepted).await
        {
            step.note("export-not-closed", error.to_string());
        }
        let refused = std::mem::take(&mut tally.refused);
        step.report.processed = tally.accepted + refused.len() as u64;
        if !refused.is_empty() {
            // Counted once per object, however often it was sent (R66).
            step.report.export.insert("export-failure".into(), refused.len() as u64);
            tally.details.insert("export-failure", refused.keys().copied().collect());
        }
        let refused_objects = refused.len();
        refused.into_values().flatten().for_each(|error| step.object_error(error));
        let details = std::mem::take(&mut tally.details).into_iter();
        let details = details.map(|(counter, objects)| (counter.to_owned(), objects.into_iter().collect())).collect();
        self.store.record_details(step.id, &details)?;
        let end = match halt {
            Some(Halt::Operator) => End::by_operator(),
            Some(Halt::Connector(error)) => End::from(&error),
            Some(Halt::ErrorLimit) => End::over_the_error_limit(step.report.errors),
            Some(Halt::NothingGoes) => End::because(
                status::STOPPED_SERVER,
                format!("the connected system settled nothing: {}", tally.reason),
                "export again later; what was not settled is sent again",
            ),
            None if refused_objects > 0 => End::because(
                status::COMPLETED_EXPORT_ERRORS,
                format!("{refused_objects} objects were refused"),
                "see `metasync pending` for each reason",
            ),
            None if tally.not_settled > 0 => End::because(
                status::COMPLETED_WARNINGS,
                format!("{} objects were not settled: {}", tally.not_settled, tally.reason),
                "they are sent again with the next export",
            ),
            None => End::with(status::SUCCESS),
        };
        if end.status == status::SUCCESS || end.status == status::COMPLETED_EXPORT_ERRORS {
            self.store.export_step_done(&step.connector, number)?;
        }
        Ok(end)
    }

    async fn export_all(
        &mut self,
        step: &mut StepRun,
        connector: &Arc<dyn Connector>,
        tally: &mut Tally,
    ) -> Result<Option<Halt>, StoreError> {
        // A container goes after what stands in it, which leaves by its own delete or by a move.
        for stage in [Stage::RemoveEmpty, Stage::Write, Stage::RemoveEmpty, Stage::RemoveAll] {
            // References to what a pass created go with the next one (O56); a pass that settles nothing new is the last.
            let mut passes = self.limits.export_passes.max(1);
            loop {
                let before = tally.progress;
                let halt = self.export_pass(step, connector, stage, tally).await?;
                if halt.is_some() {
                    return Ok(halt);
                }
                if tally.progress == before {
                    break;
                }
                passes -= 1;
                if passes == 0 {
                    step.note(
                        "export-goes-on",
                        "this step has made all the passes it may; the next export sends the rest",
                    );
                    break;
                }
            }
        }
        Ok(None)
    }

    /// One pass over everything that is pending in a phase. Where nothing of a page can wait for the one before it, it is prepared
    /// while that one is still on its way, so that the system is kept busy.
    async fn export_pass(
        &mut self,
        step: &mut StepRun,
        connector: &Arc<dyn Connector>,
        stage: Stage,
        tally: &mut Tally,
    ) -> Result<Option<Halt>, StoreError> {
        let Some(exporter) = connector.exporter() else {
            return Ok(None);
        };
        let batch_size = exporter.batch_size().max(1);
        let wait = Duration::from_millis(self.limits.settle_ms);
        let mut sending = Sending::new(Arc::clone(connector), self.limits.batches_in_flight);
        let mut pass = Pass::of(stage);
        let mut halt = None;
        loop {
            if halt.is_none() && self.stop.is_stopped() {
                halt = Some(Halt::Operator);
            }
            if halt.is_none() && pass.takes_a_page(exporter, &sending, tally, self.limits.export_page) {
                halt = self.next_page(step, exporter, &mut pass, &mut sending, tally).await?;
                if let Some(layer) = pass.layers.pop_front() {
                    sending.enqueue(&layer, batch_size);
                }
            }
            if halt.is_some() {
                pass.layers.clear();
                sending.stop_sending();
            }
            let more = sending.advance(wait).await;
            if let Some(error) = sending.take_failure() {
                halt.get_or_insert(Halt::Connector(error));
            }
            if !more || sending.waiting() >= self.limits.settle_objects || sending.is_overdue(wait) {
                self.settle(step, sending.take_outcomes(), tally)?;
            }
            if more {
                continue;
            }
            match pass.layers.pop_front() {
                // A layer waits for the one before.
                Some(layer) => sending.enqueue(&layer, batch_size),
                None if halt.is_some() || pass.is_read => break,
                None => {}
            }
        }
        let unsent = sending.take_unsent("not sent");
        self.settle(step, unsent, tally)?;
        if pass.outcomes_before.is_some() {
            self.tell_progress(step, tally)?;
        }
        Ok(halt.or_else(|| self.too_many_refused(tally)))
    }

    /// Reads the next page that holds anything to send, marks it, and hands it over.
    async fn next_page(
        &mut self,
        step: &mut StepRun,
        exporter: &dyn Exporter,
        pass: &mut Pass,
        sending: &mut Sending,
        tally: &mut Tally,
    ) -> Result<Option<Halt>, StoreError> {
        if let Some(before) = pass.outcomes_before {
            self.tell_progress(step, tally)?;
            if tally.outcomes() == before {
                return Ok(Some(Halt::NothingGoes));
            }
            if let Some(halt) = self.too_many_refused(tally) {
                return Ok(Some(halt));
            }
            // Whoever listened may have stopped it.
            if self.stop.is_stopped() {
                return Ok(Some(Halt::Operator));
            }
        }
        let entries = loop {
            let page = self.store.export_page(
                &step.connector,
                pass.stage.phase(),
                pass.after,
                self.limits.export_page,
                self.limits.references_per_object,
            )?;
            let Some(last) = page.last().map(|entry| entry.id) else {
                pass.is_read = true;
                return Ok(None);
            };
            pass.after = Some(last);
            let entries = pass.stage.sendable(page, tally);
            if !entries.is_empty() {
                break entries;
            }
        };
        pass.outcomes_before = Some(tally.outcomes());
        let (mut entries, halt) = self.adopt_created(step, exporter, entries, tally).await?;
        if halt.is_some() {
            return Ok(halt);
        }
        if exporter.references_follow_creates() {
            // They stay pending, and go with the next pass.
            entries.iter_mut().filter(|entry| creates(entry)).for_each(|entry| entry.references.clear());
        }
        let unseen: Vec<Anchor> =
            entries.iter().filter(|entry| entry.unseen).filter_map(|entry| entry.anchor.clone()).collect();
        exporter.not_yet_seen(&unseen);
        // SF11: what a takeover changes can be looked at afterwards.
        self.store.keep_before_takeover(&entries, self.clock.now())?;
        // Committed before the first byte leaves: whatever happens now, the next run knows what may have arrived.
        self.store.mark_in_flight(&entries)?;
        #[cfg(feature = "fail-points")]
        fail::fail_point!("export-marked");
        pass.layers = layers(&entries, pass.stage.phase()).into();
        pass.has_places |= entries.iter().any(|entry| entry.dn.is_some());
        // Of what is to be created nothing is known but what goes with it.
        let is_known = |entry: &&ExportEntry| !creates(entry) || entry.was_in_flight;
        let ids: Vec<CsId> = entries.iter().filter(is_known).map(|entry| entry.id).collect();
        let named_by = self.store.held_values(&ids, exporter.named_by())?;
        sending.add(entries, named_by);
        Ok(None)
    }

    fn tell_progress(&mut self, step: &mut StepRun, tally: &Tally) -> Result<(), StoreError> {
        step.report.processed = tally.settled();
        self.store.step_progress(step.id, &step.counters())?;
        step.progress("exporting", tally.settled(), Some(tally.total.max(tally.settled())));
        Ok(())
    }

    fn too_many_refused(&self, tally: &Tally) -> Option<Halt> {
        (tally.refused.len() as u64 > status::error_limit(self.deployment.error_limit)).then_some(Halt::ErrorLimit)
    }

    /// O28: a create that may have arrived before a crash is looked up before it is sent again, or removed. What is found is ours.
    async fn adopt_created(
        &mut self,
        step: &mut StepRun,
        exporter: &dyn Exporter,
        entries: Vec<ExportEntry>,
        tally: &mut Tally,
    ) -> Result<(Vec<ExportEntry>, Option<Halt>), StoreError> {
        let mut left = Vec::with_capacity(entries.len());
        let mut looked_up = Vec::new();
        let mut found = 0;
        let mut halt = None;
        for entry in entries {
            let Some(create) = unanswered_create(&entry).filter(|_| halt.is_none()) else {
                left.push(entry);
                continue;
            };
            if self.stop.is_stopped() {
                halt = Some(Halt::Operator);
                continue;
            }
            let is_wanted = creates(&entry);
            match exporter.find_created(&entry.object_type, &create).await {
                Ok(Some(anchor)) if is_wanted => {
                    found += 1;
                    // Which of its references arrived is not known: they are sent again, and "already so" is success.
                    // The same is true of its values, which may have been decided anew since; but it was found by those that
                    // name it, and what follows has to bring them along.
                    let names = exporter.named_by();
                    let held = create.attributes.iter().filter(|(name, _)| names.contains(&name.as_str()));
                    let attributes: Attributes = held.map(|(name, values)| (name.clone(), values.clone())).collect();
                    let pending = entry
                        .pending
                        .map(|pending| PendingExport { operation: PendingOperation::Add { attributes }, ..pending });
                    let entry = ExportEntry { pending, references: Vec::new(), ..entry };
                    let outcome = SettledOutcome::Accepted { anchor: Some(anchor), failed_references: Vec::new() };
                    looked_up.push(Settlement { entry, outcome });
                }
                Ok(None) if is_wanted => left.push(entry),
                Ok(anchor) => {
                    found += u64::from(anchor.is_some());
                    looked_up.push(Settlement { entry, outcome: SettledOutcome::LookedUp { anchor } });
                }
                // Left in flight, so that it is looked up again.
                Err(error) => halt = Some(Halt::Connector(error)),
            }
        }
        if found > 0 {
            step.note("created-before", format!("{found} objects had been created before the last run broke off"));
        }
        self.settle(step, looked_up.into_iter().map(Outcome::quiet).collect(), tally)?;
        Ok((left, halt))
    }

    fn settle(&mut self, step: &mut StepRun, outcomes: Vec<Outcome>, tally: &mut Tally) -> Result<(), StoreError> {
        if outcomes.is_empty() {
            return Ok(());
        }
        let mut settlements = Vec::with_capacity(outcomes.len());
        let mut followed = 0;
        for outcome in outcomes {
            let settlement = outcome.settlement;
            let id = settlement.entry.id;
            match &settlement.outcome {
                SettledOutcome::Accepted { failed_references, .. } => {
                    // References that follow a create are part of it.
                    if settlement.entry.pending.is_none() && tally.was_created(id) {
                        followed += 1;
                    } else {
                        tally.details.entry(counter_of(&settlement.entry)).or_default().insert(id);
                    }
                    tally.refused.remove(&id);
                    if failed_references.is_empty() {
                        tally.progress += 1;
                    } else {
                        let moved = settlement.entry.pending.is_some()
                            || failed_references.len() < settlement.entry.references.len();
                        tally.progress += u64::from(moved);
                        *tally.attempts.entry(id).or_default() += u32::from(!moved);
                        let name = self.store.label(id)?;
                        let notes = failed_references
                            .iter()
                            .map(|(reference, refusal)| reference_error(&name, reference, refusal));
                        tally.refused.insert(id, notes.collect());
                    }
                }
                SettledOutcome::Refused(refusal) => {
                    *tally.attempts.entry(id).or_default() += 1;
                    tally.refused.insert(
                        id,
                        vec![ErrorNote {
                            code: refusal.code.clone(),
                            object: self.store.label(id)?,
                            message: refusal.message.clone(),
                            attribute: refusal.attribute.as_ref().map(ToString::to_string),
                        }],
                    );
                }
                SettledOutcome::LookedUp { .. } => tally.progress += 1,
                SettledOutcome::NotSettled { .. } => tally.reason = outcome.reason,
            }
            settlements.push(settlement);
        }
        #[cfg(feature = "fail-points")]
        fail::fail_point!("export-outcomes");
        let settled = self.store.settle(&settlements, &step.mark())?;
        tally.accepted += settled.accepted.saturating_sub(followed);
        tally.not_settled += settled.not_settled;
        for (counter, number) in settled.counters {
            let of_creates = if counter == EXPORT_UPDATE { followed } else { 0 };
            if number > of_creates {
                *step.report.export.entry(counter).or_default() += number - of_creates;
            }
        }
        Ok(())
    }
}

fn reference_error(name: &str, reference: &ExportReference, refusal: &Refusal) -> ErrorNote {
    ErrorNote {
        code: refusal.code.clone(),
        object: name.to_owned(),
        message: format!("{} {}: {}", reference.attribute, reference.target, refusal.message),
        attribute: Some(reference.attribute.to_string()),
    }
}

/// R61-R65.
fn counter_of(entry: &ExportEntry) -> &'static str {
    match entry.pending.as_ref().map(|pending| &pending.operation) {
        Some(PendingOperation::Add { .. }) => EXPORT_ADD,
        Some(PendingOperation::Update { rename: Some(_), .. }) => "export-rename",
        Some(PendingOperation::Delete { .. } | PendingOperation::Detach { .. }) => "export-delete",
        _ => EXPORT_UPDATE,
    }
}

/// A batch that may or may not have been sent when its task ended.
pub(crate) fn lost_batch(items: &[ExportItem], message: &str) -> ConnectorError {
    ConnectorError::new(
        ErrorKind::CannotStart { status: status::STOPPED_EXTENSION },
        format!("exporting {} objects", items.len()),
        message,
        "report this to the connector's author",
    )
}
