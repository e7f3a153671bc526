//! Questions to a store that stands still: preview, explain, status, scope. Writes nothing, so that it also works on a
//! store that was opened for reading only.

use crate::decide_page::{decide_one, run_inputs};
use crate::engine::EngineError;
use crate::facts::{candidates, read_facts};
use crate::preview::Preview;
use connector_contract::Connector;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use sync_kernel::{Approval, ApprovalKind, CsId, MvId, ObjectPlan, Privilege, Question, RunInputs, Subject};
use sync_rules::{ConnectorName, Deployment, Matching, RuleSet};
use sync_store::{Store, StoreError};

/// Candidates whose roles one preview asks for at once.
const FACTS: usize = 200;

/// A store, the rules to read it with, and the time it is read at.
#[derive(Clone, Copy)]
pub struct Reading<'a> {
    pub store: &'a Store,
    pub rules: &'a RuleSet,
    /// Microseconds since 1970-01-01 UTC.
    pub now: i64,
}

/// Opens a deployment's store for reading only: no lock is taken, nothing is written, no file is left behind.
pub fn open_for_reading(deployment: &Deployment, rules: &RuleSet, now: i64) -> Result<Store, EngineError> {
    let mut store = Store::open_read_only(&deployment.store)?;
    register(&mut store, rules, now)?;
    Ok(store)
}

/// A private copy of a deployment's store under other rules: what `preview --rules` decides on.
pub fn scratch_with_rules(deployment: &Deployment, rules: &RuleSet, now: i64) -> Result<Store, EngineError> {
    let mut store = Store::scratch_copy(&deployment.store)?;
    register(&mut store, rules, now)?;
    Ok(store)
}

fn register(store: &mut Store, rules: &RuleSet, now: i64) -> Result<(), StoreError> {
    store.register_rules(rules, now)?;
    Ok(())
}

impl<'a> Reading<'a> {
    pub fn new(store: &'a Store, rules: &'a RuleSet, now: i64) -> Self {
        Reading { store, rules, now }
    }

    pub(crate) fn inputs(&self) -> Result<RunInputs, StoreError> {
        run_inputs(self.store, self.rules, self.now, true)
    }

    /// The plan of one object, by the code that a run decides with. `facts` are roles read for this question and not stored.
    pub fn decide(&self, subject: Subject, facts: &BTreeMap<CsId, Privilege>) -> Result<ObjectPlan, EngineError> {
        let run = self.inputs()?;
        Ok(decide_one(subject, &run, |questions, answers| {
            self.store.answer(questions, answers)?;
            for question in questions {
                let Question::Connector(id) = question else { continue };
                let Some(privilege) = facts.get(id) else { continue };
                if let Some(object) = answers.known_connector(*id).cloned() {
                    let privilege = Some(privilege.clone());
                    answers.answer_connector(*id, Some(sync_kernel::CsObject { privilege, ..object }));
                }
            }
            Ok(())
        })?
        .plan)
    }

    /// The plan of a metaverse object as if the match with this object were approved, whatever was decided about it and whatever
    /// `matching` says; `run` is [`Reading::inputs_for_approved`]. What else speaks against the takeover still does, but for
    /// enabling: that is shown.
    pub(crate) fn decide_as_approved(
        &self,
        run: &RunInputs,
        mv: MvId,
        candidate: CsId,
    ) -> Result<ObjectPlan, EngineError> {
        Ok(decide_one(Subject::Metaverse(mv), run, |questions, answers| {
            self.store.answer(questions, answers)?;
            if questions.contains(&Question::Connector(candidate))
                && let Some(mut object) = answers.known_connector(candidate).cloned()
            {
                object.match_decisions.clear();
                // A takeover that was decided and not sent is decided anew.
                if object.link.as_ref().is_some_and(|link| link.mv == mv)
                    && matches!(&object.pending, Some(pending) if pending.is_takeover())
                {
                    (object.link, object.pending) = (None, None);
                }
                object.approvals.push(Approval { kind: ApprovalKind::WouldEnable, mv, value: None });
                answers.answer_connector(candidate, Some(object));
            }
            Ok(())
        })?
        .plan)
    }

    pub(crate) fn inputs_for_approved(&self) -> Result<RunInputs, StoreError> {
        let rules = RuleSet { matching: Matching::Automatic, ..self.rules.clone() };
        run_inputs(self.store, &rules, self.now, true)
    }

    /// What synchronising this object would do, from what is stored.
    pub fn preview(&self, subject: Subject) -> Result<Preview, EngineError> {
        let plan = self.decide(subject, &BTreeMap::new())?;
        crate::preview::render(self, &plan)
    }

    /// As `preview`, with the roles of match candidates read from their connectors first, as a run does (SF6).
    pub async fn preview_with_facts(
        &self,
        connectors: &BTreeMap<ConnectorName, Arc<dyn Connector>>,
        subject: Subject,
    ) -> Result<Preview, EngineError> {
        let mut facts: BTreeMap<CsId, Privilege> = BTreeMap::new();
        let mut asked: BTreeSet<CsId> = BTreeSet::new();
        let mut plan = self.decide(subject, &facts)?;
        for _ in 0..crate::decide_page::MAX_ROUNDS {
            let wanted: BTreeSet<CsId> = plan.facts_wanted.difference(&asked).copied().collect();
            if wanted.is_empty() {
                break;
            }
            let read = read_facts(connectors, candidates(self.store, wanted.iter().copied())?, FACTS).await;
            asked.extend(wanted);
            facts.extend(read.facts);
            plan = self.decide(subject, &facts)?;
        }
        crate::preview::render(self, &plan)
    }
}
