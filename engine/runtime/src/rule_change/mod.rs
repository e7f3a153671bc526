//! What a change of rules would do, over the whole metaverse: the run's own full synchronisation under either rule set, on
//! private copies of the store that are removed afterwards. Writes nothing into the deployment and sends nothing.

mod compare;
mod exports;

use crate::digest::PlanSum;
use crate::engine::{Clock, Engine, EngineError, EngineParts, FixedClock};
use crate::event::Events;
use crate::names::ObjectName;
use crate::profile::{Call, RunOptions};
use crate::reading::open_for_reading;
use crate::report::{Counters, GuardReport};
use crate::status::Severity;
use crate::step::step_name;
use crate::stop::StopSignal;
use compare::Walk;
use connector_contract::Connector;
use metaverse_schema::Values;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use sync_kernel::MvId;
use sync_rules::{ConnectorName, Deployment, RuleSet, StepType};
use sync_store::{Store, StoreError};

/// What a comparison is asked for.
pub struct RuleChangeRequest<'a> {
    pub deployment: &'a Deployment,
    /// The rules of the deployment's folder.
    pub present: &'a RuleSet,
    /// The rules to try.
    pub proposed: &'a RuleSet,
    pub connectors: BTreeMap<ConnectorName, Arc<dyn Connector>>,
    /// A connector that reads another part of its system than it did: it is read in full under the proposed rules first.
    pub reads: Option<(ConnectorName, Arc<dyn Connector>)>,
    /// Roles of match candidates are not read at all; otherwise only those that no run has read yet.
    pub offline: bool,
    /// Microseconds since 1970-01-01 UTC: one reading for both sides (SF28).
    pub now: i64,
    pub events: Arc<dyn Events>,
    pub stop: StopSignal,
}

/// One thing that is another under the proposed rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChangeLine {
    pub kind: ChangeKind,
    /// The metaverse object, or for a link the connector's object.
    pub object: ObjectName,
    /// Of a link or an export.
    pub connector: Option<String>,
    /// Of a value.
    pub attribute: Option<String>,
    pub old: Values,
    pub new: Values,
    /// Where it is not about values: an operation, a code, a number of references.
    pub from: String,
    pub to: String,
    /// Rule that gives the old value, and the new one.
    pub old_rule: Option<String>,
    pub new_rule: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    /// A metaverse value.
    Value,
    /// The metaverse object would be made.
    Created,
    Deleted,
    /// A connector's object would get a link, lose it, or get another one.
    Linked,
    Unlinked,
    Relinked,
    /// Another operation would be sent to a target, or none any more.
    Export,
    /// A value that the target would have afterwards.
    ExportValue,
    /// Members and other references to be added and removed.
    ExportReferences,
    /// What is held for a target.
    Held,
    /// The object would be in error, or no longer.
    Error,
}

/// A full synchronisation of one connector under the proposed rules.
#[derive(Debug, Clone, Serialize)]
pub struct ChangeStep {
    pub connector: String,
    /// The run's step report shows the same when the rules are in place and nothing else has changed (invariant 2).
    pub digest: String,
    pub objects: u64,
    pub errors: u64,
    pub status: String,
    /// Why it could not be done.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
}

#[derive(Debug, Clone, Serialize)]
pub struct TargetChange {
    pub connector: String,
    /// What is pending, by kind: `add`, `update`, `delete`, `references`, `held`.
    pub before: Counters,
    pub after: Counters,
    /// The guard would stop the export; None: it would let it pass.
    pub guard: Option<GuardReport>,
}

/// The counts of a comparison.
#[derive(Debug, Clone, Default, Serialize)]
pub struct RuleChange {
    pub proposed_hash: String,
    /// The two rule sets say the same.
    pub same_rules: bool,
    /// Something was pending, so the present rules were synchronised too: none of it is shown as an effect of the rules.
    pub pending_settled: bool,
    /// Metaverse objects of which a value changes; created and deleted ones not counted.
    pub objects: u64,
    /// Changed values by metaverse attribute.
    pub attributes: Counters,
    /// Lines by kind.
    pub lines: Counters,
    pub steps: Vec<ChangeStep>,
    pub targets: Vec<TargetChange>,
}

/// Both sides, synchronised, ready to be walked through.
pub struct RuleComparison {
    before: Before,
    present: RuleSet,
    after: Engine,
    /// Metaverse objects up to this number are the same ones on both sides.
    shared: MvId,
    steps: Vec<ChangeStep>,
    same_rules: bool,
    now: i64,
}

const DAY: i64 = 86_400_000_000;

/// Where nothing is pending, the deployment's own store is what its rules say.
enum Before {
    AsStored(Box<Store>),
    Synchronised(Box<Engine>),
}

impl Before {
    fn store(&self) -> &Store {
        match self {
            Before::AsStored(store) => store,
            Before::Synchronised(engine) => engine.store(),
        }
    }
}

impl RuleComparison {
    /// Synchronises under the proposed rules, and under the present ones where something is pending. An error of the store
    /// or an early end (`EngineError::Interrupted`) leaves nothing behind.
    pub async fn make(request: &RuleChangeRequest<'_>) -> Result<Self, EngineError> {
        let stored = open_for_reading(request.deployment, request.present, request.now)?;
        let shared = stored.last_metaverse_number()?;
        let settled = is_settled(&stored, request)?;
        let before = match settled {
            true => Before::AsStored(Box::new(stored)),
            false => {
                drop(stored);
                Before::Synchronised(Box::new(synchronised(request, request.present, None).await?.0))
            }
        };
        let (after, steps) = synchronised(request, request.proposed, request.reads.as_ref()).await?;
        let same_rules = request.present.hash == request.proposed.hash;
        let (present, now) = (request.present.clone(), request.now);
        Ok(RuleComparison { before, present, after, shared, steps, same_rules, now })
    }

    /// The store under the present rules, and under the proposed ones.
    pub fn stores(&self) -> (&Store, &Store) {
        (self.before.store(), self.after.store())
    }

    /// The steps that were done under the proposed rules.
    pub fn steps(&self) -> &[ChangeStep] {
        &self.steps
    }

    /// What would be pending for each target, and the guard's word about it.
    pub fn targets(&self) -> Result<Vec<TargetChange>, EngineError> {
        let (before, after) = self.stores();
        let targets = after.connectors().into_iter().filter(|connector| self.after.is_target(connector));
        targets
            .map(|connector| {
                Ok(TargetChange {
                    before: pending(before, &connector)?,
                    after: pending(after, &connector)?,
                    guard: self.after.guard_report(&connector)?,
                    connector: connector.to_string(),
                })
            })
            .collect()
    }

    /// The same on the day on which everybody who left scope until now leaves the targets, as if nothing else happened until then
    /// (SF18). The comparison stands at that day from here on.
    pub fn targets_after_grace(&mut self) -> Result<Vec<TargetChange>, EngineError> {
        let days = i64::from(self.after.rules().grace_days) + 1;
        self.after.store.end_grace(self.now.saturating_add(days.saturating_mul(DAY)))?;
        self.targets()
    }

    /// Tells every difference, object by object in order of number, a page of objects at a time.
    pub fn walk(&self, tell: &mut dyn FnMut(&ChangeLine)) -> Result<RuleChange, EngineError> {
        let mut report = RuleChange {
            proposed_hash: self.after.rules().hash.clone(),
            same_rules: self.same_rules,
            pending_settled: matches!(self.before, Before::Synchronised(_)),
            steps: self.steps.clone(),
            ..RuleChange::default()
        };
        let (before, after) = (self.before.store(), self.after.store());
        let walk = Walk {
            before,
            after,
            old_rules: &self.present,
            rules: self.after.rules(),
            shared: self.shared,
            report: &mut report,
            tell,
        };
        walk.all()?;
        report.targets = self.targets()?;
        Ok(report)
    }
}

/// Nothing waits to be synchronised, and the stored state is that of the present rules.
fn is_settled(store: &Store, request: &RuleChangeRequest<'_>) -> Result<bool, StoreError> {
    if store.applied_rules()?.as_deref() != Some(request.present.hash.as_str())
        || store.dirty_metaverse_count()? > 0
        || store.is_due(request.now)?
    {
        return Ok(false);
    }
    for connector in store.connectors() {
        if store.dirty_count(&connector)? > 0 || store.requirements(&connector)?.full_sync.is_some() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A private copy of the store after a full synchronisation of every connector, sources first.
async fn synchronised(
    request: &RuleChangeRequest<'_>,
    rules: &RuleSet,
    reads: Option<&(ConnectorName, Arc<dyn Connector>)>,
) -> Result<(Engine, Vec<ChangeStep>), EngineError> {
    let store = Store::scratch_copy(&request.deployment.store)?;
    let mut deployment = request.deployment.clone();
    deployment.store = store.path().to_owned();
    // Nothing may be sent from here, whatever is called.
    deployment.staging = true;
    let mut connectors = request.connectors.clone();
    connectors.extend(reads.cloned());
    let mut parts = EngineParts::new(deployment, rules.clone(), connectors);
    let clock = FixedClock(request.now);
    parts.clock = Arc::new(clock);
    parts.events = Arc::clone(&request.events);
    parts.stop = request.stop.clone();
    let mut engine = Engine::with_store(parts, store)?;
    engine.roles_stand = true;
    if request.offline {
        engine.silent = request.connectors.keys().cloned().collect();
    }
    let mut planned: Vec<(ConnectorName, StepType)> =
        engine.sources_first().into_iter().map(|connector| (connector, StepType::FullSynchronization)).collect();
    if let Some((connector, _)) = reads {
        planned.insert(0, (connector.clone(), StepType::FullImport));
    }
    // Fewer objects than before may be the very thing that is tried.
    let options = RunOptions { accept_shrunken_read: true, ..RunOptions::default() };
    let mut steps = Vec::new();
    for (connector, step) in planned {
        let call = Call { options, full_in_place_of_delta: true, now: clock.now() };
        let run = engine.run_steps(&connector, step_name(step), &[step], &call).await?;
        for report in &run.steps {
            steps.push(ChangeStep {
                connector: connector.to_string(),
                digest: report.digest.clone().unwrap_or_else(|| PlanSum::default().text()),
                objects: report.processed,
                errors: report.errors,
                status: report.status.clone(),
                message: report.message.clone(),
            });
        }
        if request.stop.is_stopped() || run.severity == Severity::Interrupted {
            return Err(EngineError::Interrupted);
        }
        // What was not read says nothing about who comes and goes.
        if step == StepType::FullImport && run.severity >= Severity::Stopped {
            break;
        }
    }
    Ok((engine, steps))
}

fn pending(store: &Store, connector: &str) -> Result<Counters, StoreError> {
    let counts = store.counts(connector)?;
    let named = [
        ("add", counts.export_add),
        ("update", counts.export_update),
        ("delete", counts.export_delete),
        ("references", counts.export_references),
        ("held", counts.held),
        ("members-held", counts.members_held),
    ];
    Ok(named.into_iter().map(|(name, count)| (name.to_owned(), count)).collect())
}
