//! Synchronisation's side of the store: what is to be looked at, answers to the kernel's questions, the application of plans,
//! and the reference step. Decides nothing itself.

mod apply;
mod look_ahead;
mod reference_step;
mod targets;

use crate::db::Db;
use crate::error::{Fault, Inner};
use crate::history::{PageMark, StepCounters, StepId};
use crate::{Store, StoreError};
use metaverse_schema::Dn;
use std::collections::BTreeMap;
use std::fmt;
use sync_kernel::{CsId, MvId, Neighbourhood, ObjectPlan, Question, ReadSet, RunInputs, Subject};

pub use look_ahead::StoreReader;
pub use reference_step::{ReferencePage, ReferencePreview};

/// What one plan made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AppliedPlan {
    /// The metaverse object that the plan created.
    pub metaverse: Option<MvId>,
    /// Target objects it created, in the order of its targets.
    pub targets: Vec<CsId>,
}

/// What a page came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AppliedPage {
    pub applied: u64,
    pub errors: u64,
}

/// A page of plans in one transaction. Dropped without `commit`, it leaves nothing behind.
///
/// Plans are made in parallel and applied in order; one whose reads were changed by an earlier plan of the same page is made
/// again with the page's own answers:
///
/// ```text
/// for plan in plans {
///     let plan = if page.is_stale(&plan.reads) { decide again, answering by page.answer } else { plan };
///     page.apply(&plan)?;
/// }
/// page.commit()?;
/// ```
pub struct PlanPage<'s> {
    store: &'s mut Store,
    mark: PageMark,
    applied: AppliedPage,
    open: bool,
}

impl Store {
    /// Objects of a connector that wait for delta synchronisation, ascending, after `after`. Objects in error stay queued (R76)
    /// and are returned again by the next step.
    pub fn dirty_page(&self, connector: &str, after: Option<CsId>, limit: usize) -> Result<Vec<CsId>, StoreError> {
        let query = "SELECT object FROM dirty WHERE connector = ?1 AND object > ?2 ORDER BY object LIMIT ?3";
        self.object_page("reading what is to be synchronised", query, connector, after, limit)
    }

    /// All objects of a connector that were ever imported, for full synchronisation, ascending.
    pub fn staging_page(&self, connector: &str, after: Option<CsId>, limit: usize) -> Result<Vec<CsId>, StoreError> {
        let query = "SELECT id FROM head WHERE connector = ?1 AND id > ?2 AND state NOT IN (5, 6) \
                     AND (synchronised_body IS NOT NULL OR staged <> 0) ORDER BY id LIMIT ?3";
        self.object_page("reading the connector space", query, connector, after, limit)
    }

    fn object_page(
        &self,
        doing: &str,
        query: &str,
        connector: &str,
        after: Option<CsId>,
        limit: usize,
    ) -> Result<Vec<CsId>, StoreError> {
        self.db.read(doing, |db| {
            let Some(connector) = db.find_connector(connector) else { return Ok(Vec::new()) };
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let ids = db.ids(query, (connector, after.map_or(0, |id| id.0), limit))?;
            Ok(ids.into_iter().map(CsId).collect())
        })
    }

    /// Metaverse objects that are to be decided by themselves (S68, O38, approvals, facts), ascending.
    pub fn dirty_metaverse_page(&self, after: Option<MvId>, limit: usize) -> Result<Vec<MvId>, StoreError> {
        self.db.read("reading what is to be synchronised", |db| {
            let ids = db.ids(
                "SELECT object FROM dirty_metaverse WHERE object > ?1 ORDER BY object LIMIT ?2",
                (after.map_or(0, |id| id.0), i64::try_from(limit).unwrap_or(i64::MAX)),
            )?;
            Ok(ids.into_iter().map(MvId).collect())
        })
    }

    pub fn dirty_count(&self, connector: &str) -> Result<u64, StoreError> {
        self.db.read("counting what is to be synchronised", |db| {
            let Some(connector) = db.find_connector(connector) else { return Ok(0) };
            db.count("SELECT count(*) FROM dirty WHERE connector = ?1", [connector])
        })
    }

    pub fn dirty_metaverse_count(&self) -> Result<u64, StoreError> {
        self.db.read("counting what is to be synchronised", |db| db.count("SELECT count(*) FROM dirty_metaverse", []))
    }

    /// Whether a delta synchronisation would decide an object: it waits itself, or the metaverse object that it is or is
    /// linked to does, now or because its instant has come by `now`.
    pub fn awaits_synchronisation(&self, subject: Subject, now: i64) -> Result<bool, StoreError> {
        self.db.read("reading what is to be synchronised", |db| {
            let mv = match subject {
                Subject::Metaverse(mv) => Some(mv.0),
                Subject::Connector(id) if db.exists("SELECT 1 FROM dirty WHERE object = ?1", [id.0])? => {
                    return Ok(true);
                }
                Subject::Connector(id) => db.find_head(id.0)?.and_then(|head| head.link).map(|link| link.mv),
            };
            let Some(mv) = mv else { return Ok(false) };
            Ok(db.exists("SELECT 1 FROM dirty_metaverse WHERE object = ?1", [mv])?
                || db.exists("SELECT 1 FROM due WHERE object = ?1 AND at <= ?2", (mv, now))?)
        })
    }

    /// Number of objects that `staging_page` returns.
    pub fn staging_count(&self, connector: &str) -> Result<u64, StoreError> {
        self.db.read("counting the connector space", |db| {
            let Some(connector) = db.find_connector(connector) else { return Ok(0) };
            db.count(
                "SELECT count(*) FROM head WHERE connector = ?1 AND state NOT IN (5, 6) AND (synchronised_body IS NOT NULL OR staged <> 0)",
                [connector],
            )
        })
    }

    /// Puts a metaverse object in the queue.
    pub fn mark_metaverse_dirty(&mut self, mv: MvId) -> Result<(), StoreError> {
        self.db.write("queueing a metaverse object", |db| db.mark_metaverse_dirty(mv.0))
    }

    /// Adds the answers to a page of questions, in one consistent view.
    pub fn answer(&self, questions: &[Question], neighbourhood: &mut Neighbourhood) -> Result<(), StoreError> {
        self.db.read("answering what a decision must know", |db| db.answer(questions, neighbourhood))
    }

    /// One consistent view for everything that `work` asks.
    pub fn view<T>(&self, work: impl FnOnce(&StoreView<'_>) -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.db.read("reading what decisions must know", |db| Ok(work(&StoreView { db })))?
    }

    /// Begins a page of plans. The rules must be those that were registered.
    pub fn begin_page(&mut self, inputs: &RunInputs, mark: PageMark) -> Result<PlanPage<'_>, StoreError> {
        let doing = "applying a page of plans";
        let registered = self.db.rule_set().map_err(|fault| fault.during(doing))?;
        if registered.hash != inputs.rules.hash {
            return Err(StoreError::Missing {
                what: "plans were made by other rules than those registered with the store".into(),
            });
        }
        self.db.begin().map_err(|fault| fault.during(doing))?;
        self.db.touch_nothing_yet();
        Ok(PlanPage { store: self, mark, applied: AppliedPage::default(), open: true })
    }
}

/// The store as it was at one moment, for as many questions as come: what was found for one of them, such as the place of a
/// container, serves the others.
pub struct StoreView<'s> {
    db: &'s Db,
}

impl fmt::Debug for StoreView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreView").finish_non_exhaustive()
    }
}

impl StoreView<'_> {
    /// As `Store::answer`.
    pub fn answer(&self, questions: &[Question], neighbourhood: &mut Neighbourhood) -> Result<(), StoreError> {
        let answered = self.db.answer(questions, neighbourhood);
        answered.map_err(|fault| fault.during("answering what a decision must know"))
    }
}

impl PlanPage<'_> {
    /// Whether something that a plan read was changed by a plan applied earlier in this page.
    pub fn is_stale(&self, reads: &ReadSet) -> bool {
        reads.0.iter().any(|question| self.store.db.is_touched(question))
    }

    /// Adds answers that see what this page has done so far.
    pub fn answer(&self, questions: &[Question], neighbourhood: &mut Neighbourhood) -> Result<(), StoreError> {
        self.store
            .db
            .answer(questions, neighbourhood)
            .map_err(|fault| fault.during("answering what a decision must know"))
    }

    /// Applies one plan whole (R77). A plan with an error records it, promotes nothing and keeps its subject queued (R78).
    /// An `Err` is a failure of the store: the page cannot be committed any more.
    pub fn apply(&mut self, plan: &ObjectPlan) -> Result<AppliedPlan, StoreError> {
        self.applied(plan, |db, mark| db.apply_plan(plan, mark))
    }

    /// As `apply`, of a plan that changes nothing of what it was made from (`ObjectPlan::changes_nothing_of`) and is not stale:
    /// only what no answer told is looked at.
    pub fn apply_unchanged(&mut self, plan: &ObjectPlan) -> Result<AppliedPlan, StoreError> {
        self.applied(plan, |db, mark| match db.is_at_rest(plan)? {
            true => Ok(AppliedPlan::default()),
            false => db.apply_plan(plan, mark),
        })
    }

    fn applied(
        &mut self,
        plan: &ObjectPlan,
        apply: impl FnOnce(&Db, &PageMark) -> Inner<AppliedPlan>,
    ) -> Result<AppliedPlan, StoreError> {
        let applied = apply(&self.store.db, &self.mark);
        let applied = applied.map_err(|fault| {
            self.abandon();
            fault.during("applying a plan")
        })?;
        self.applied.applied += 1;
        self.applied.errors += u64::from(plan.error.is_some());
        Ok(applied)
    }

    /// This page is one of a full synchronisation, which is through with all objects of the connector up to `last`: should
    /// it break off, the next one continues after it.
    pub fn full_sync_reached(&mut self, connector: &str, last: CsId) -> Result<(), StoreError> {
        let db = &self.store.db;
        let kept = db.connector_id(connector).and_then(|connector| {
            db.run("UPDATE connector_flags SET full_sync_after = ?2 WHERE connector = ?1", (connector, last.0))
        });
        kept.map(drop).map_err(|fault| {
            self.abandon();
            fault.during("keeping how far a full synchronisation came")
        })
    }

    /// Keeps with the page how far its step is, and the objects behind the step's counters (R31).
    pub fn record(
        &mut self,
        step: StepId,
        counters: &StepCounters,
        details: &BTreeMap<String, Vec<CsId>>,
    ) -> Result<(), StoreError> {
        let db = &self.store.db;
        let kept = db.save_details(step, details).and_then(|()| db.save_progress(step, counters));
        kept.map_err(|fault| {
            self.abandon();
            fault.during("recording the progress of a step")
        })
    }

    /// Commits the page.
    pub fn commit(mut self) -> Result<AppliedPage, StoreError> {
        let doing = "committing a page of plans";
        if !self.open {
            return Err(StoreError::Missing { what: "a page of plans failed and cannot be committed".into() });
        }
        let db = &self.store.db;
        match db.refresh_groups_if_stale().and_then(|()| db.settle_recent_keys()).and_then(|()| db.commit()) {
            Ok(()) => {
                self.open = false;
                self.store.db.page_ended();
                Ok(self.applied)
            }
            Err(fault) => {
                self.abandon();
                Err(fault.during(doing))
            }
        }
    }

    fn abandon(&mut self) {
        if self.open {
            self.open = false;
            self.store.db.roll_back();
            self.store.db.forget_touched();
        }
    }
}

impl Drop for PlanPage<'_> {
    fn drop(&mut self) {
        self.abandon();
    }
}

impl Db {
    fn is_touched(&self, question: &Question) -> bool {
        match question {
            Question::Connector(id) => self.any_touched(|touched| touched.objects.contains(&id.0)),
            Question::Metaverse(id) => self.any_touched(|touched| touched.metaverse.contains(&id.0)),
            Question::Key(key, value) => self.key_touched(*key, value),
            Question::Occupant(connector, _) => {
                let connector = self.find_connector(connector);
                connector.is_some_and(|id| self.any_touched(|touched| touched.places.contains(&id)))
            }
        }
    }

    pub(crate) fn answer(&self, questions: &[Question], neighbourhood: &mut Neighbourhood) -> Inner<()> {
        for question in questions {
            if neighbourhood.knows(question) {
                continue;
            }
            match question {
                Question::Connector(id) => neighbourhood.answer_connector(*id, self.load_object(id.0)?),
                Question::Metaverse(id) => neighbourhood.answer_metaverse(*id, self.load_metaverse(id.0)?),
                Question::Key(key, value) => neighbourhood.answer_key(*key, value.clone(), self.key_hits(*key, value)?),
                Question::Occupant(connector, dn) => {
                    neighbourhood.answer_occupant(connector.clone(), dn.clone(), self.occupant(connector, dn)?);
                }
            }
        }
        Ok(())
    }

    /// Who stands at a normalised DN. A placeholder without an anchor is nobody: the object that comes takes its place (O18).
    pub(crate) fn occupant(&self, connector: &str, normalised: &str) -> Inner<Option<CsId>> {
        let Some(connector) = self.find_connector(connector) else { return Ok(None) };
        let dn: Dn = normalised.parse().map_err(|error| {
            Fault::Store(StoreError::Missing { what: format!("a DN in a question is malformed: {error}") })
        })?;
        let Some(id) = self.find_place(connector, &dn)? else { return Ok(None) };
        let head = self.head(id)?;
        Ok(Some(CsId(id)).filter(|_| !(head.is_placeholder() && head.anchor.is_none())))
    }
}
