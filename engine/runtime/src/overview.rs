//! A deployment at a glance: what each space holds, what is pending, held, limited and in error, and what waits for an
//! operator. Reads; decides nothing.

use crate::cycle::waiting_lists;
use crate::engine::EngineError;
use crate::reading::Reading;
use crate::report::{Counters, WaitingList, is_limitation};
use serde::Serialize;
use sync_rules::{ConnectorName, Deployment, Direction, Matching};
use sync_store::{RunFilter, SpaceCounts};

#[derive(Debug, Clone, Serialize)]
pub struct Status {
    pub deployment: String,
    pub staging_mode: bool,
    /// `review`, `automatic`, `closed` (SF5).
    pub matching: &'static str,
    pub connectors: Vec<ConnectorStatus>,
}

#[derive(Debug, Clone, Serialize)]
pub struct ConnectorStatus {
    pub name: String,
    /// Rules write to it.
    pub is_target: bool,
    pub counts: SpaceCounts,
    pub pending_exports: u64,
    pub unconfirmed: u64,
    /// Waiting for somebody, by code.
    pub held: Counters,
    /// What the connected system cannot hold, by code.
    pub limitations: Counters,
    pub full_import_required: Option<String>,
    pub full_sync_required: Option<String>,
    pub last_run: Option<LastRun>,
    pub waiting: Vec<WaitingList>,
}

#[derive(Debug, Clone, Serialize)]
pub struct LastRun {
    pub run: u64,
    pub profile: String,
    pub status: String,
    pub started: i64,
    pub ended: Option<i64>,
}

impl Reading<'_> {
    pub fn status(&self, deployment: &Deployment) -> Result<Status, EngineError> {
        Ok(Status {
            deployment: deployment.name.clone(),
            staging_mode: deployment.staging,
            matching: match self.rules.matching {
                Matching::Review => "review",
                Matching::Automatic => "automatic",
                Matching::Closed => "closed",
            },
            connectors: deployment
                .connectors
                .iter()
                .map(|config| self.connector_status(&config.name))
                .collect::<Result<_, _>>()?,
        })
    }

    fn connector_status(&self, name: &ConnectorName) -> Result<ConnectorStatus, EngineError> {
        let counts = self.store.counts(name)?;
        let open = self.store.open_counts(name)?;
        let requirements = self.store.requirements(name)?;
        let (limitations, held): (Counters, Counters) =
            self.store.held_counts(name)?.into_iter().partition(|(code, _)| is_limitation(self.rules, code));
        let filter = RunFilter { connector: Some(name.clone()), limit: 1, ..RunFilter::default() };
        let last_run = self.store.runs(&filter)?.into_iter().next().map(|run| LastRun {
            run: run.number,
            profile: run.profile,
            status: run.status,
            started: run.started,
            ended: run.ended,
        });
        Ok(ConnectorStatus {
            name: name.to_string(),
            is_target: self
                .rules
                .rules
                .iter()
                .any(|rule| rule.direction == Direction::Outbound && rule.connector == *name),
            pending_exports: open.pending,
            unconfirmed: open.unconfirmed,
            counts,
            held,
            limitations,
            full_import_required: requirements.full_import,
            full_sync_required: requirements.full_sync,
            last_run,
            waiting: waiting_lists(self.store, name)?,
        })
    }
}
