//! The bench that a rule test runs on: systems in memory, an engine on a store of its own, and which stored object is
//! which object of the test.

use super::compare::compare;
use super::system::{Anchors, Detaching, MemorySystem};
use super::{Because, Mismatch};
use crate::cycle::CycleKind;
use crate::engine::{Clock, Engine, EngineError, EngineParts};
use crate::profile::RunOptions;
use crate::status::Severity;
use connector_contract::Connector;
use metaverse_schema::{Anchor, ConnectorSchema};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use sync_kernel::{CsId, Digest, MvId};
use sync_rules::{ConnectorName, Deployment, Direction, Guards, RuleSet, SourcePlace, TestStep};
use sync_store::{PendingFilter, Store, StoreError};

/// Approving one list may bring up another: as many rounds.
const APPROVALS: usize = 10;

/// An object of the test, and where it is in the store.
#[derive(Debug, Clone)]
pub(super) struct Tracked {
    pub(super) connector: ConnectorName,
    pub(super) anchor: Anchor,
    pub(super) object: Option<CsId>,
    /// The metaverse object it is linked to now.
    pub(super) mv: Option<MvId>,
    /// The object of each other connector that was last linked to the same metaverse object: an object to be deleted is
    /// linked to nothing any more.
    pub(super) elsewhere: BTreeMap<ConnectorName, CsId>,
}

pub(super) struct Bench {
    pub(super) engine: Engine,
    systems: BTreeMap<ConnectorName, Arc<MemorySystem>>,
    clock: Arc<TestClock>,
    anchors: Anchors,
    pub(super) objects: BTreeMap<String, Tracked>,
    started: bool,
}

/// The time as the steps say it.
#[derive(Default)]
struct TestClock(AtomicI64);

impl Clock for TestClock {
    fn now(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Bench {
    pub(super) fn new(
        deployment: &Deployment,
        rules: RuleSet,
        schemas: &BTreeMap<ConnectorName, ConnectorSchema>,
    ) -> Result<Self, EngineError> {
        let systems: BTreeMap<ConnectorName, Arc<MemorySystem>> = schemas
            .iter()
            .map(|(name, schema)| (name.clone(), Arc::new(MemorySystem::new(schema.clone(), detaching(&rules, name)))))
            .collect();
        let connectors =
            systems.iter().map(|(name, system)| (name.clone(), Arc::clone(system) as Arc<dyn Connector>)).collect();
        let store = Store::scratch()?;
        let mut deployment = deployment.clone();
        // Every step is first decided and looked at; `export` sends. A handful of objects is more than any share.
        deployment.staging = true;
        deployment.guards = Guards { objects: u64::MAX, percent: 100, at_least: u64::MAX };
        deployment.store = store.path().to_owned();
        let clock = Arc::new(TestClock::default());
        let mut parts = EngineParts::new(deployment, rules, connectors);
        parts.clock = clock.clone();
        // A test may delete all it has.
        parts.limits.shrunken_objects = u64::MAX;
        let engine = Engine::with_store(parts, store)?;
        Ok(Bench { engine, systems, clock, anchors: Anchors::new(), objects: BTreeMap::new(), started: false })
    }

    /// Makes the step happen, synchronises, and compares.
    pub(super) async fn carry_out(&mut self, step: &TestStep) -> Result<Vec<Mismatch>, EngineError> {
        self.clock.0.store(step.now, Ordering::Relaxed);
        self.happen(step);
        let kind = if self.started { CycleKind::Delta } else { CycleKind::Initial };
        self.started = true;
        if step.approve {
            self.approve_everything()?;
        }
        let mut mismatches = self.cycle(step, kind, false).await?;
        // What the step itself brought up is let through too.
        for _ in 0..APPROVALS {
            if !step.approve || self.approve_everything()? == 0 {
                break;
            }
            mismatches.extend(self.cycle(step, CycleKind::Delta, false).await?);
        }
        self.track()?;
        mismatches.extend(compare(self, step)?);
        Ok(mismatches)
    }

    /// Sends what is pending and confirms it by importing it again.
    pub(super) async fn export(&mut self, step: &TestStep) -> Result<Vec<Mismatch>, EngineError> {
        let mismatches = self.cycle(step, CycleKind::Delta, true).await?;
        self.track()?;
        Ok(mismatches)
    }

    /// Invariant 3: after export, import and synchronisation nothing is to be sent, whatever is synchronised.
    pub(super) async fn second_plan(&mut self, step: &TestStep) -> Result<Vec<Mismatch>, EngineError> {
        let mut mismatches = Vec::new();
        for kind in [CycleKind::Delta, CycleKind::Initial] {
            mismatches.extend(self.cycle(step, kind, false).await?);
            for connector in self.systems.keys() {
                let mut pending = self.engine.store().pending(connector, &PendingFilter::default(), None, 20)?;
                // What only waits for its day is not to be sent.
                pending.retain(|line| line.pending.as_ref().is_none_or(|pending| pending.grace.is_none()));
                if pending.is_empty() {
                    continue;
                }
                let found: Vec<String> = pending
                    .iter()
                    .map(|line| {
                        let operation = line.pending.as_ref().map(|pending| &pending.operation);
                        let operation = operation.map_or("references", crate::preview::operation_name);
                        format!("{operation} {}", line.name)
                    })
                    .collect();
                let what = format!("second plan of {connector}");
                mismatches.push(about_the_test(step, what, "nothing to send", found.join(", ")));
            }
            if !mismatches.is_empty() {
                break;
            }
        }
        Ok(mismatches)
    }

    fn happen(&mut self, step: &TestStep) {
        for object in &step.given {
            self.anchors.insert(object.name.clone(), object.anchor.clone());
            let tracked = Tracked {
                connector: object.connector.clone(),
                anchor: object.anchor.clone(),
                object: None,
                mv: None,
                elsewhere: BTreeMap::new(),
            };
            self.objects.insert(object.name.clone(), tracked);
        }
        for object in &step.given {
            if let Some(system) = self.systems.get(&object.connector) {
                system.add(object, &self.anchors);
            }
        }
        for change in &step.change {
            if let Some((system, anchor)) = self.system_of(&change.name) {
                system.change(anchor, change, &self.anchors);
            }
        }
        for name in &step.delete {
            if let Some((system, anchor)) = self.system_of(name) {
                system.delete(anchor);
            }
        }
        for name in &step.leave {
            if let Some((system, anchor)) = self.system_of(name) {
                system.leave(anchor);
            }
        }
    }

    fn system_of(&self, name: &str) -> Option<(&MemorySystem, &Anchor)> {
        let tracked = self.objects.get(name)?;
        Some((self.systems.get(&tracked.connector)?, &tracked.anchor))
    }

    fn approve_everything(&mut self) -> Result<usize, EngineError> {
        let mut approved = 0;
        let connectors: Vec<ConnectorName> = self.systems.keys().cloned().collect();
        for connector in connectors {
            for list in crate::cycle::waiting_lists(self.engine.store(), &connector)? {
                self.engine.approve(&Digest::from_text(&list.digest))?;
                approved += 1;
            }
        }
        Ok(approved)
    }

    /// One cycle; what keeps it from its end is told.
    async fn cycle(&mut self, step: &TestStep, kind: CycleKind, exports: bool) -> Result<Vec<Mismatch>, EngineError> {
        let options = RunOptions { force_export: exports, ..RunOptions::default() };
        let report = self.engine.cycle(kind, &options).await?;
        let stopped = report.runs.iter().filter(|run| run.severity > Severity::Errors);
        Ok(stopped
            .map(|run| {
                let message = run.gravest_step().map(|step| step.message.clone()).unwrap_or_default();
                let what = format!("{} of {}", run.profile, run.connector);
                about_the_test(step, what, "success", format!("{}: {message}", run.status))
            })
            .collect())
    }

    /// Finds the test's objects in the store.
    fn track(&mut self) -> Result<(), StoreError> {
        let given: Vec<(String, Option<CsId>)> = self
            .objects
            .iter()
            .map(|(name, tracked)| {
                let found = self.engine.store().find_object(&tracked.connector, &tracked.anchor.to_string())?;
                Ok((name.clone(), found.first().copied()))
            })
            .collect::<Result<_, StoreError>>()?;
        for (name, object) in given {
            let store = self.engine.store();
            let link = object.map(|id| store.object(id)).transpose()?.flatten().and_then(|object| object.link);
            let mv = link.map(|link| link.mv);
            let mut linked = Vec::new();
            for id in mv.map(|mv| store.metaverse(mv)).transpose()?.flatten().into_iter().flat_map(|mv| mv.links) {
                linked.extend(store.object(id)?.map(|object| (object.connector, id)));
            }
            if let Some(tracked) = self.objects.get_mut(&name) {
                (tracked.object, tracked.mv) = (object, mv);
                for (connector, id) in linked {
                    if connector != tracked.connector {
                        tracked.elsewhere.insert(connector, id);
                    }
                }
            }
        }
        Ok(())
    }

    /// The object of a connector that stands for an object of the test: itself, or what is linked to the same person.
    pub(super) fn stands_for(&self, name: &str, connector: &str) -> Option<CsId> {
        let tracked = self.objects.get(name)?;
        if *tracked.connector == *connector { tracked.object } else { tracked.elsewhere.get(connector).copied() }
    }

    /// What the test calls an object of the store: its own name first, then the one it stands for.
    pub(super) fn called(&self, object: CsId) -> Option<&str> {
        let own = self.objects.iter().find(|(_, tracked)| tracked.object == Some(object));
        let other = || self.objects.iter().find(|(_, tracked)| tracked.elsewhere.values().any(|id| *id == object));
        own.or_else(other).map(|(name, _)| name.as_str())
    }

    pub(super) fn rule(&self, id: &str) -> Option<&sync_rules::Rule> {
        self.engine.rules().rules.iter().find(|rule| *rule.id == *id)
    }

    /// The flows behind a value, as a preview tells them.
    pub(super) fn because(&self, line: Option<&crate::preview::AttributeLine>) -> Vec<Because> {
        let candidates = line.into_iter().flat_map(|line| line.winner.iter().chain(&line.losers));
        candidates
            .map(|candidate| {
                let rule = self.rule(&candidate.rule);
                let flow = |rule: &sync_rules::Rule| {
                    let wanted = line.map(|line| line.attribute.as_str());
                    rule.flows
                        .iter()
                        .find(|flow| Some(flow.target.as_str()) == wanted)
                        .map_or_else(|| rule.place.clone(), |flow| flow.place.clone())
                };
                Because {
                    rule: candidate.rule.clone(),
                    rule_name: candidate.rule_name.clone(),
                    place: rule.map(flow).unwrap_or_default(),
                    verdict: candidate.verdict.clone(),
                    source: candidate.source.clone(),
                    values: super::compare::shown(candidate.values.iter().map(ToString::to_string)),
                }
            })
            .collect()
    }
}

fn about_the_test(step: &TestStep, what: String, wanted: &str, found: String) -> Mismatch {
    Mismatch {
        step: step.name.clone(),
        object: String::new(),
        what,
        place: SourcePlace { file: step.place.file.clone(), span: step.place.span.clone() },
        wanted: wanted.to_owned(),
        found,
        because: Vec::new(),
    }
}

fn detaching(rules: &RuleSet, connector: &str) -> Detaching {
    let takeovers = || {
        let outbound =
            rules.rules.iter().filter(|rule| rule.direction == Direction::Outbound && *rule.connector == *connector);
        outbound.filter_map(|rule| rule.takeover.as_ref())
    };
    Detaching {
        enabled: takeovers().find_map(|takeover| takeover.enabled.clone()),
        stamp: takeovers().find_map(|takeover| takeover.stamp.clone()),
    }
}
