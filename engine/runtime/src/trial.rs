//! A whole cycle on a private store: every system is read in full, everything is decided, and nothing is sent or kept. What a
//! deployment would come to, before it has read anything or after it has run for years. The deployment's own store is copied
//! where there is one, so that what an operator joined, let through or took apart counts as it does in a run.

use crate::cycle::CycleKind;
use crate::engine::{Engine, EngineError, EngineParts, FixedClock};
use crate::event::Events;
use crate::profile::RunOptions;
use crate::reading::Reading;
use crate::report::{CycleReport, RunReport};
use crate::status::{COMPLETED_NO_OBJECTS, Severity, continues};
use crate::stop::StopSignal;
use connector_contract::Connector;
use std::collections::BTreeMap;
use std::sync::Arc;
use sync_rules::{ConnectorName, Deployment, RuleSet};
use sync_store::Store;

/// What a trial is made of.
pub struct TrialRequest<'a> {
    pub deployment: &'a Deployment,
    pub rules: &'a RuleSet,
    pub connectors: BTreeMap<ConnectorName, Arc<dyn Connector>>,
    /// Microseconds since 1970-01-01 UTC: one reading for all of it (SF28).
    pub now: i64,
    pub events: Arc<dyn Events>,
    pub stop: StopSignal,
}

/// A cycle that was only tried; its store goes with it.
pub struct Trial {
    engine: Engine,
    pub report: CycleReport,
}

/// A connector whose system was not read whole, with what its step said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotRead {
    pub connector: String,
    pub status: String,
    /// May be empty.
    pub message: String,
    /// May be empty.
    pub remedy: String,
}

impl Trial {
    /// Reads and decides. A system that cannot be read is no error: see [`Trial::not_read`].
    pub async fn make(request: &TrialRequest<'_>) -> Result<Self, EngineError> {
        let store = match request.deployment.store.exists() {
            true => Store::scratch_copy(&request.deployment.store)?,
            false => Store::scratch()?,
        };
        let mut deployment = request.deployment.clone();
        deployment.store = store.path().to_owned();
        // Nothing may be sent from here, whatever is called.
        deployment.staging = true;
        let mut parts = EngineParts::new(deployment, request.rules.clone(), request.connectors.clone());
        parts.clock = Arc::new(FixedClock(request.now));
        parts.events = Arc::clone(&request.events);
        parts.stop = request.stop.clone();
        let mut engine = Engine::with_store(parts, store)?;
        let report = engine.cycle(CycleKind::Initial, &RunOptions::default()).await?;
        if request.stop.is_stopped() || report.severity == Severity::Interrupted {
            return Err(EngineError::Interrupted);
        }
        Ok(Trial { engine, report })
    }

    /// Systems that were not read whole: about them nothing was decided that could be believed.
    pub fn not_read(&self) -> Vec<NotRead> {
        let is_whole = |run: &&RunReport| {
            continues(&run.status) || (run.status == COMPLETED_NO_OBJECTS && run.severity < Severity::Warnings)
        };
        let broken = self.report.runs.iter().filter(|run| !is_whole(run)).filter_map(|run| {
            let step = run.gravest_step()?;
            Some(NotRead {
                connector: run.connector.clone(),
                status: step.status.clone(),
                message: step.message.clone(),
                remedy: step.remedy.clone(),
            })
        });
        broken.collect()
    }

    pub fn store(&self) -> &Store {
        self.engine.store()
    }

    /// Questions to what the trial came to.
    pub fn reading(&self) -> Reading<'_> {
        self.engine.reading()
    }
}
