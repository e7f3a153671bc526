//! Synchronisation steps: decides every object that is due, page by page, and applies the plans in the order of their
//! numbers; then the metaverse objects that became due with them, then the references (R10, S4). Writes to no
//! connected system: exports are staged, never sent (R13).

use crate::decide_page::{Decided, decide_one, decide_page};
use crate::digest::PlanSum;
use crate::engine::Engine;
use crate::event::Event;
use crate::facts::{OutOfReach, candidates, read_facts};
use crate::look_ahead::{LookAhead, MAX_THREADS};
use crate::report::ErrorNote;
use crate::status;
use crate::step::{Details, End, StepRun, count, counter_name, has_details, subject_name};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use sync_kernel::planted::{Fault, is_planted};
use sync_kernel::{CsId, Digest, MvId, ObjectPlan, RunInputs, Subject};
use sync_rules::ConnectorName;
use sync_store::{Store, StoreError};

/// Sweeps over the queues of one step: an object that makes others due again comes to rest, or stays due and is said so.
const MAX_SWEEPS: usize = 10;
/// The reason that a change of rules leaves with every connector.
const RULES_CHANGED: &str = "the synchronisation rules changed";
/// Held candidates whose roles one step reads again.
const REFRESHED: usize = 1_000;

/// Which objects of the connector a step synchronises.
#[derive(Debug, Clone)]
pub(crate) enum Scope {
    /// All of them (full synchronisation, and the combined step with a full import).
    All,
    /// Those with a pending import, and those in error (R10).
    Due,
    /// Those, and the ones an import of the same step returned unchanged (R11).
    DueAnd(BTreeSet<CsId>),
}

/// What one step remembers between pages.
struct Sync {
    run: Arc<RunInputs>,
    workers: usize,
    limit: u64,
    /// Candidates whose roles were read in this step.
    asked: BTreeSet<CsId>,
    /// Connectors whose system did not answer when it was asked for roles: it is not waited for twice in a step.
    out_of_reach: BTreeMap<ConnectorName, OutOfReach>,
    /// Subjects that are in error after this step looked at them; they stay in the queues (R76).
    failed: HashSet<Subject>,
    redecided: u64,
    plans: PlanSum,
    /// What is expected after the page at hand.
    next: Vec<CsId>,
    /// Makes plans a page ahead; none until a second page is expected, or with one worker.
    ahead: Option<LookAhead>,
    /// A full synchronisation keeps with each page how far it has come: when it breaks off, the next one continues there.
    is_full: bool,
}

/// Why a loop ended early.
enum Early {
    Operator,
    ErrorLimit,
}

impl Engine {
    /// `completes_full`: this step is the full synchronisation that a rule change or an operator asked for.
    pub(crate) async fn synchronise(
        &mut self,
        step: &mut StepRun,
        scope: Scope,
        completes_full: bool,
    ) -> Result<End, StoreError> {
        if let Some(end) = self.unreadable_selection()? {
            return Ok(end);
        }
        let mut run = self.run_inputs(step.now)?;
        let required = self.store.requirements(&step.connector)?;
        run.rules_changed = completes_full && self.rules_pending(&step.connector)?;
        if completes_full && required.full_sync.is_none() {
            // Until it is through, a delta would take half of the objects for done (G17).
            self.store.require_full_sync(&step.connector, "a full synchronisation did not reach its end")?;
        }
        let mut sync = Sync {
            run: Arc::new(run),
            workers: self.deployment.workers.max(1),
            limit: status::error_limit(self.deployment.error_limit),
            asked: BTreeSet::new(),
            out_of_reach: BTreeMap::new(),
            failed: HashSet::new(),
            redecided: 0,
            plans: PlanSum::default(),
            next: Vec::new(),
            ahead: None,
            is_full: completes_full,
        };
        let due = self.store.queue_due(step.now)?;
        if due > 0 {
            step.note(
                "due-by-the-clock",
                format!("metaverse objects decided again because their time has come: {due}"),
            );
        }
        self.end_grace(step)?;
        let outcome = self.synchronise_connector(step, &mut sync, &scope).await;
        if sync.ahead.take().is_some() {
            self.store.end_look_ahead();
        }
        let early = match outcome? {
            None => self.synchronise_metaverse(step, &mut sync).await?,
            early => early,
        };
        let early = match early {
            None => self.settle_references(step)?,
            early => early,
        };
        step.report.digest = Some(sync.plans.text());
        for (connector, out_of_reach) in &sync.out_of_reach {
            let reason = &out_of_reach.reason;
            step.note(
                "roles-not-read",
                format!("`{connector}` could not be asked for roles, so those that were read last stand: {reason}"),
            );
        }
        if sync.redecided > 0 {
            tracing::debug!(connector = %step.connector, objects = sync.redecided, "decided again");
        }
        match early {
            Some(Early::Operator) => return Ok(End::by_operator()),
            Some(Early::ErrorLimit) => return Ok(End::over_the_error_limit(step.report.errors)),
            None => {}
        }
        if completes_full {
            self.store.full_sync_done(&step.connector)?;
        }
        Ok(End::with(if step.report.errors > 0 { status::COMPLETED_SYNC_ERRORS } else { status::SUCCESS }))
    }

    /// SF18: what left scope long enough ago leaves the targets with the next export.
    pub(crate) fn end_grace(&mut self, step: &mut StepRun) -> Result<(), StoreError> {
        let over = self.store.end_grace(step.now)?;
        if over > 0 {
            step.note("grace-period-over", format!("objects that left scope and leave the targets now: {over}"));
        }
        Ok(())
    }

    async fn synchronise_connector(
        &mut self,
        step: &mut StepRun,
        sync: &mut Sync,
        scope: &Scope,
    ) -> Result<Option<Early>, StoreError> {
        let connector = step.connector.clone();
        let total = match scope {
            Scope::All => self.store.staging_count(&connector)?,
            Scope::Due | Scope::DueAnd(_) => self.store.dirty_count(&connector)?,
        };
        // What the one before was through with and what changed since is in the queue, and is decided below.
        let mut after = if sync.is_full { self.store.full_sync_position(&connector)? } else { None };
        if let Some(last) = after {
            step.note(
                "full-synchronization-continued",
                format!("the last full synchronisation broke off after object {last}; this one continues there"),
            );
        }
        let mut limit = match sync.workers > 1 && total > self.limits.page as u64 {
            true => self.limits.first_page(),
            false => self.limits.page,
        };
        loop {
            let page = self.page_after(&connector, scope, after, limit)?;
            let Some(last) = page.last().copied() else { break };
            after = Some(last);
            limit = self.limits.page;
            let subjects: Vec<Subject> = page.into_iter().map(Subject::Connector).collect();
            sync.next = match sync.workers {
                0 | 1 => Vec::new(),
                _ => self.page_after(&connector, scope, after, limit)?,
            };
            let early = self.synchronise_page(step, sync, &subjects, Some(last).filter(|_| sync.is_full)).await?;
            step.progress("synchronising", step.report.processed, Some(total.max(step.report.processed)));
            if early.is_some() {
                return Ok(early);
            }
        }
        // What this step itself made due behind its back: once more, until nothing is left but what is in error.
        for _ in 0..MAX_SWEEPS {
            let mut after = None;
            let mut any = false;
            loop {
                let page = self.store.dirty_page(&connector, after, self.limits.page)?;
                let Some(last) = page.last().copied() else { break };
                after = Some(last);
                let subjects: Vec<Subject> =
                    page.into_iter().map(Subject::Connector).filter(|subject| !sync.failed.contains(subject)).collect();
                if subjects.is_empty() {
                    continue;
                }
                any = true;
                let early = self.synchronise_page(step, sync, &subjects, None).await?;
                if early.is_some() {
                    return Ok(early);
                }
            }
            if !any {
                return Ok(None);
            }
        }
        step.note(
            "objects-still-due",
            format!("some objects were still due after {MAX_SWEEPS} sweeps; the next synchronisation goes on"),
        );
        Ok(None)
    }

    /// The objects of a step that follow `after`: at most so many, by their numbers.
    fn page_after(
        &self,
        connector: &str,
        scope: &Scope,
        after: Option<CsId>,
        limit: usize,
    ) -> Result<Vec<CsId>, StoreError> {
        Ok(match scope {
            Scope::All => self.store.staging_page(connector, after, limit)?,
            Scope::Due => self.store.dirty_page(connector, after, limit)?,
            Scope::DueAnd(others) => merged(self.store.dirty_page(connector, after, limit)?, others, after, limit),
        })
    }

    /// Metaverse objects that became due: by shared keys, by read roles, by an approval, by own accounts.
    async fn synchronise_metaverse(
        &mut self,
        step: &mut StepRun,
        sync: &mut Sync,
    ) -> Result<Option<Early>, StoreError> {
        self.refresh_held_candidates(sync).await?;
        let mut done = 0;
        for _ in 0..MAX_SWEEPS {
            let mut after: Option<MvId> = None;
            let mut any = false;
            loop {
                let page = self.store.dirty_metaverse_page(after, self.limits.page)?;
                let Some(last) = page.last().copied() else { break };
                after = Some(last);
                let subjects: Vec<Subject> =
                    page.into_iter().map(Subject::Metaverse).filter(|subject| !sync.failed.contains(subject)).collect();
                if subjects.is_empty() {
                    continue;
                }
                any = true;
                let early = self.synchronise_page(step, sync, &subjects, None).await?;
                done += subjects.len() as u64;
                step.progress("metaverse", done, None);
                if early.is_some() {
                    return Ok(early);
                }
            }
            if !any {
                return Ok(None);
            }
        }
        step.note(
            "metaverse-still-due",
            format!(
                "some metaverse objects were still due after {MAX_SWEEPS} sweeps; the next synchronisation goes on"
            ),
        );
        Ok(None)
    }

    /// Decides a page, reads the roles it asks for, and applies it: one transaction. `full_sync_reaches`: the object up to
    /// which a full synchronisation is through with this page.
    async fn synchronise_page(
        &mut self,
        step: &mut StepRun,
        sync: &mut Sync,
        subjects: &[Subject],
        full_sync_reaches: Option<CsId>,
    ) -> Result<Option<Early>, StoreError> {
        if self.stop.is_stopped() {
            return Ok(Some(Early::Operator));
        }
        let plans = self.decide_with_facts(sync, subjects).await?;
        self.look_ahead(sync)?;
        let mut details = Details::new();
        let mut errors: Vec<(Subject, ErrorNote)> = Vec::new();
        let mut over_limit = false;
        let mut late: BTreeSet<CsId> = BTreeSet::new();
        #[cfg(feature = "fail-points")]
        fail::fail_point!("sync-page");
        let mut page = self.store.begin_page(&sync.run, step.mark())?;
        for mut decided in plans {
            if page.is_stale(&decided.plan.reads) && !is_planted(Fault::ApplyStalePlan) {
                let subject = decided.plan.subject;
                decided = decide_one(subject, &sync.run, |questions, answers| page.answer(questions, answers))?;
                sync.redecided += 1;
                late.extend(decided.plan.facts_wanted.difference(&sync.asked));
            }
            let Decided { plan, number, changes_nothing } = decided;
            match changes_nothing {
                true => page.apply_unchanged(&plan)?,
                false => page.apply(&plan)?,
            };
            step.report.processed += u64::from(matches!(plan.subject, Subject::Connector(_)));
            sync.plans.add(number);
            if step.wants_plans() {
                let digest = Digest::of_number(number);
                step.emit(&Event::Decided { subject: name_of(plan.subject), digest: digest.to_string() });
            }
            tally(step, &plan, &mut details);
            match &plan.error {
                Some(error) => {
                    sync.failed.insert(plan.subject);
                    errors.push((
                        plan.subject,
                        ErrorNote {
                            code: error.code.clone(),
                            object: String::new(),
                            message: error.message.clone(),
                            attribute: error.attribute.clone(),
                        },
                    ));
                    over_limit = step.report.errors + errors.len() as u64 > sync.limit;
                    if over_limit {
                        break;
                    }
                }
                None => {
                    sync.failed.remove(&plan.subject);
                }
            }
        }
        if let Some(last) = full_sync_reaches.filter(|_| !over_limit) {
            page.full_sync_reached(&step.connector, last)?;
        }
        page.record(step.id, &step.counters(), &details)?;
        page.commit()?;
        // Candidates that came up while applying: held for now, due again as soon as their roles are known.
        self.learn_facts(sync, &late).await?;
        for (subject, mut error) in errors {
            error.object = subject_name(&self.store, subject)?;
            step.object_error(error);
        }
        Ok(over_limit.then_some(Early::ErrorLimit))
    }

    /// Begins with the plans of the page that is expected next. From here on the store remembers what changes.
    fn look_ahead(&mut self, sync: &mut Sync) -> Result<(), StoreError> {
        let next: Vec<Subject> = std::mem::take(&mut sync.next).into_iter().map(Subject::Connector).collect();
        if next.is_empty() {
            return Ok(());
        }
        if sync.ahead.is_none() {
            let views = self.store.look_ahead(sync.workers.min(MAX_THREADS))?;
            sync.ahead = Some(LookAhead::new(views, &sync.run, self.limits.smallest_part));
        }
        if let Some(ahead) = &mut sync.ahead {
            self.store.trim_log()?;
            ahead.begin(&next);
        }
        Ok(())
    }

    /// The plans of a page: those that were made ahead, and the others.
    async fn plans_of(&mut self, sync: &mut Sync, subjects: &[Subject]) -> Result<Vec<Decided>, StoreError> {
        let mut made = match &mut sync.ahead {
            Some(ahead) => ahead.plans().await?,
            None => HashMap::new(),
        };
        let missing: Vec<Subject> = subjects.iter().filter(|subject| !made.contains_key(subject)).copied().collect();
        let plans = self.decide(sync, &missing)?;
        made.extend(plans.into_iter().map(|decided| (decided.plan.subject, decided)));
        Ok(subjects.iter().filter_map(|subject| made.remove(subject)).collect())
    }

    /// Plans from what the store holds now.
    fn decide(&self, sync: &Sync, subjects: &[Subject]) -> Result<Vec<Decided>, StoreError> {
        self.store.view(|view| {
            decide_page(subjects, &sync.run, sync.workers, |questions, answers| view.answer(questions, answers))
        })
    }

    /// SF6: the roles of candidates are read before the plans that name them are applied, once in a step. Plans made
    /// from what is known now are made again when that changed.
    async fn decide_with_facts(&mut self, sync: &mut Sync, subjects: &[Subject]) -> Result<Vec<Decided>, StoreError> {
        let mut plans = self.plans_of(sync, subjects).await?;
        // A takeover that roles no longer forbid may lead to another candidate: as many rounds as for questions.
        for _ in 0..crate::decide_page::MAX_ROUNDS {
            let wanted: BTreeSet<CsId> = plans
                .iter()
                .flat_map(|decided| &decided.plan.facts_wanted)
                .filter(|candidate| !sync.asked.contains(candidate))
                .copied()
                .collect();
            if wanted.is_empty() {
                break;
            }
            self.learn_facts(sync, &wanted).await?;
            let again: Vec<usize> =
                (0..plans.len()).filter(|position| !plans[*position].plan.facts_wanted.is_disjoint(&wanted)).collect();
            let subjects: Vec<Subject> = again.iter().map(|position| plans[*position].plan.subject).collect();
            let decided = self.decide(sync, &subjects)?;
            for (position, plan) in again.into_iter().zip(decided) {
                plans[position] = plan;
            }
        }
        Ok(plans)
    }

    /// Of these candidates the ones whose roles are asked for.
    fn to_be_read(&self, wanted: &BTreeSet<CsId>) -> Result<Vec<CsId>, StoreError> {
        let mut to_be_read = Vec::new();
        for candidate in wanted {
            let is_known = || Ok(self.store.object(*candidate)?.is_some_and(|object| object.privilege.is_some()));
            if !self.roles_stand || !is_known()? {
                to_be_read.push(*candidate);
            }
        }
        Ok(to_be_read)
    }

    async fn learn_facts(&mut self, sync: &mut Sync, wanted: &BTreeSet<CsId>) -> Result<(), StoreError> {
        if wanted.is_empty() {
            return Ok(());
        }
        let mut candidates = candidates(&self.store, self.to_be_read(wanted)?)?;
        let mut marks = BTreeMap::new();
        for connector in candidates.keys().cloned().collect::<Vec<_>>() {
            let is_left_alone = self.silent.contains(&connector) || sync.out_of_reach.contains_key(&connector);
            match if is_left_alone { None } else { self.credential_for_roles(&connector).await? } {
                Some(mark) => drop(marks.insert(connector, mark)),
                None => drop(candidates.remove(&connector)),
            }
        }
        let learned = read_facts(&self.connectors, candidates, self.limits.facts).await;
        let facts: Vec<_> = learned.facts.into_iter().collect();
        self.store.save_privileges(&facts, sync.run.now)?;
        for (connector, out_of_reach) in &learned.out_of_reach {
            if let (Some(Some(mark)), Some(remedy)) = (marks.get(connector), &out_of_reach.refused) {
                self.credential_refused(mark, &out_of_reach.reason, remedy)?;
            }
        }
        sync.out_of_reach.extend(learned.out_of_reach);
        sync.asked.extend(wanted.iter().copied());
        Ok(())
    }

    /// Roles that kept a takeover from being made are read again: what changed makes its metaverse object due.
    async fn refresh_held_candidates(&mut self, sync: &mut Sync) -> Result<(), StoreError> {
        let mut candidates = BTreeSet::new();
        for connector in self.connectors.keys() {
            for code in ["privileged", "privileged-unreadable"] {
                candidates.extend(self.store.held_candidates(connector, code, REFRESHED)?);
            }
        }
        candidates.retain(|candidate| !sync.asked.contains(candidate));
        self.learn_facts(sync, &candidates).await
    }

    /// The references of everything that changed, row by row (O54).
    fn settle_references(&mut self, step: &mut StepRun) -> Result<Option<Early>, StoreError> {
        let mut rows = 0;
        loop {
            if self.stop.is_stopped() {
                return Ok(Some(Early::Operator));
            }
            #[cfg(feature = "fail-points")]
            fail::fail_point!("references-page");
            let page = self.store.settle_references(self.limits.reference_page)?;
            rows += page.rows;
            count(&mut step.report.references, "references-added", page.added);
            count(&mut step.report.references, "references-removed", page.removed);
            count(&mut step.report.references, "references-held", page.held);
            if page.rows > 0 {
                step.progress("references", rows, None);
            }
            if !page.more {
                return Ok(None);
            }
        }
    }

    /// The registered rules were not yet applied to all objects of this connector.
    fn rules_pending(&self, connector: &str) -> Result<bool, StoreError> {
        let reason = self.store.requirements(connector)?.full_sync;
        Ok(reason.as_deref() == Some(RULES_CHANGED))
    }
}

/// Counts what a plan did, under the names of R41-R60.
fn tally(step: &mut StepRun, plan: &ObjectPlan, details: &mut Details) {
    if let Some(counter) = &plan.counter {
        let name = counter_name(counter);
        count(&mut step.report.inbound, &name, 1);
        if let Subject::Connector(id) = plan.subject
            && has_details(&name)
        {
            details.entry(name).or_default().push(id);
        }
    }
    if plan.error.is_some() {
        return;
    }
    for target in &plan.targets {
        if let Some(counter) = &target.counter {
            let flows = step.report.outbound.entry(target.connector.to_string()).or_default();
            count(flows, &counter_name(counter), 1);
        }
    }
}

/// The next page of two ascending lists.
fn merged(due: Vec<CsId>, others: &BTreeSet<CsId>, after: Option<CsId>, limit: usize) -> Vec<CsId> {
    let from = after.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
    let mut page: BTreeSet<CsId> = due.into_iter().collect();
    page.extend(others.range((from, std::ops::Bound::Unbounded)).take(limit).copied());
    page.into_iter().take(limit).collect()
}

pub(crate) fn name_of(subject: Subject) -> String {
    match subject {
        Subject::Connector(id) => id.to_string(),
        Subject::Metaverse(id) => id.to_string(),
    }
}

/// Number of things that would be exported for a connector now; none when it has no rules.
pub(crate) fn held_of(
    store: &Store,
    connectors: &[sync_rules::ConnectorName],
) -> Result<crate::report::Counters, StoreError> {
    let mut held = crate::report::Counters::new();
    for connector in connectors {
        for (code, number) in store.held_counts(connector)? {
            *held.entry(code).or_default() += number;
        }
    }
    Ok(held)
}
