//! Run profiles: an ordered list of steps on one connector, run one after the other until one of them forbids the next
//! (R1, R7). Writes the run's history.

use crate::engine::{Engine, EngineError, listed};
use crate::event::Event;
use crate::import::Kind;
use crate::report::{Counters, RunReport, StepReport, waits_for_somebody};
use crate::status::{self, Severity, continues};
use crate::step::{End, StepRun, step_name};
use crate::synchronise::{Scope, held_of};
use std::collections::VecDeque;
use std::sync::Arc;
use sync_rules::{ConnectorName, StepType};
use sync_store::{Run, StepEnd, StepNote, StoreError};

const DAY: i64 = 86_400_000_000;

/// What an operator may ask for beside the profile.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RunOptions {
    /// Export although the deployment is in staging mode (G7).
    pub force_export: bool,
    /// The connected system really holds so much less than before (SF15).
    pub accept_shrunken_read: bool,
}

/// How the steps of one run are called.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    pub(crate) options: RunOptions,
    /// A cycle makes a full import by itself where a delta is impossible (G15).
    pub(crate) full_in_place_of_delta: bool,
    /// One reading of the clock for the whole run (SF28).
    pub(crate) now: i64,
}

/// The steps every connector has without being configured (R3).
pub const BUILT_IN_STEPS: [StepType; 8] = [
    StepType::FullImport,
    StepType::DeltaImport,
    StepType::FullSynchronization,
    StepType::DeltaSynchronization,
    StepType::Export,
    StepType::FullImportAndDeltaSynchronization,
    StepType::FullImportAndFullSynchronization,
    StepType::DeltaImportAndDeltaSynchronization,
];

impl Engine {
    /// Runs a profile of the configuration, or a single step by its own name.
    pub async fn run_profile(
        &mut self,
        connector: &str,
        profile: &str,
        options: &RunOptions,
    ) -> Result<RunReport, EngineError> {
        let (connector, _) = self.known_connector(connector)?;
        let steps = self.profile_steps(&connector, profile)?;
        let call = Call { options: *options, full_in_place_of_delta: false, now: self.clock.now() };
        self.run_steps(&connector, profile, &steps, &call).await
    }

    fn profile_steps(&self, connector: &ConnectorName, name: &str) -> Result<Vec<StepType>, EngineError> {
        let configured = || self.deployment.profiles.iter().filter(|profile| profile.connector == *connector);
        if let Some(profile) = configured().find(|profile| &*profile.name == name) {
            return Ok(profile.steps.clone());
        }
        if let Some(step) = BUILT_IN_STEPS.into_iter().find(|step| step_name(*step) == name) {
            return Ok(vec![step]);
        }
        let mut names: Vec<&str> = configured().map(|profile| &*profile.name).collect();
        for step in BUILT_IN_STEPS.map(step_name) {
            if !names.contains(&step) {
                names.push(step);
            }
        }
        Err(EngineError::UnknownProfile {
            connector: connector.to_string(),
            name: name.to_owned(),
            known: listed(names.into_iter()),
        })
    }

    pub(crate) async fn run_steps(
        &mut self,
        connector: &ConnectorName,
        profile: &str,
        steps: &[StepType],
        call: &Call,
    ) -> Result<RunReport, EngineError> {
        let started = self.clock.now();
        let run = self.store.begin_run(connector, profile, started)?;
        self.events.emit(&Event::RunStarted {
            connector: connector.to_string(),
            profile: profile.to_owned(),
            run: run.number,
        });
        let mut reports: Vec<StepReport> = Vec::new();
        let mut queue: VecDeque<StepType> = steps.iter().copied().collect();
        while let Some(step) = queue.pop_front() {
            let mut report = self.run_step(&run, connector, step, call).await?;
            let needs_full = report.status == status::NO_START_FULL_IMPORT_REQUIRED;
            if needs_full
                && call.full_in_place_of_delta
                && let Some(full) = full_form(step)
            {
                report.replaced = true;
                reports.push(report);
                queue.push_front(full);
                continue;
            }
            let goes_on = continues(&report.status)
                // A system that was and is empty stops nothing.
                || (report.status == status::COMPLETED_NO_OBJECTS && report.severity == Severity::Success);
            reports.push(report);
            if !goes_on {
                break;
            }
        }
        let mut report = RunReport {
            connector: connector.to_string(),
            profile: profile.to_owned(),
            run: run.number,
            status: status::SUCCESS.to_owned(),
            severity: Severity::Success,
            started,
            ended: self.clock.now(),
            held: reports.last().map(|step| step.held.clone()).unwrap_or_default(),
            steps: reports,
        };
        if let Some(gravest) = report.gravest_step() {
            (report.status, report.severity) = (gravest.status.clone(), gravest.severity);
        }
        if report.severity == Severity::Success && report.held.keys().any(|code| waits_for_somebody(&self.rules, code))
        {
            report.severity = Severity::Held;
        }
        self.store.end_run(run.id, &report.status, report.ended)?;
        let kept = i64::from(self.deployment.history_days).saturating_mul(DAY);
        self.store.purge_history(report.ended.saturating_sub(kept))?;
        self.events.emit(&Event::RunEnded {
            connector: connector.to_string(),
            profile: profile.to_owned(),
            status: report.status.clone(),
        });
        Ok(report)
    }

    async fn run_step(
        &mut self,
        run: &Run,
        connector: &ConnectorName,
        step_type: StepType,
        call: &Call,
    ) -> Result<StepReport, EngineError> {
        let name = step_name(step_type);
        let id = self.store.begin_step(run.id, name, self.clock.now())?;
        let mut step = StepRun::new(connector, name, run.id, id, call.now, Arc::clone(&self.events));
        let (rows_before, steps_before) = (self.store.rows_written(), self.store.steps());
        let outcome = match self.credential_for(connector, step_type).await? {
            Err(refused) => Ok(refused),
            Ok(credential) => {
                let outcome = self.run_step_type(&mut step, step_type, call).await;
                if let Ok(end) = &outcome {
                    self.credential_was(credential.as_ref(), end)?;
                }
                outcome
            }
        };
        step.report.rows_written = self.store.rows_written().saturating_sub(rows_before);
        let end = match &outcome {
            Ok(end) => end.clone(),
            Err(error) => {
                tracing::error!(connector = %connector, step = name, "{error}");
                End::from(error)
            }
        };
        step.end(end);
        if step.report.status == status::COMPLETED_NO_OBJECTS && step.report.message.is_empty() {
            step.report.severity = Severity::Success;
        }
        step.report.held = self.held_after(&step.connector, step.report.step_type)?;
        step.report.store_steps = self.store.steps().saturating_sub(steps_before);
        match self.close_step(&mut step) {
            Ok(()) => {}
            // The store that failed the step cannot be expected to note it; the next opening marks the run as interrupted.
            Err(error) if outcome.is_err() => tracing::error!("{error}"),
            Err(error) => return Err(error.into()),
        }
        step.emit_end();
        Ok(step.report)
    }

    async fn run_step_type(&mut self, step: &mut StepRun, step_type: StepType, call: &Call) -> Result<End, StoreError> {
        let accept = call.options.accept_shrunken_read;
        match step_type {
            StepType::FullImport => Ok(self.import(step, Kind::Full, accept, false).await?.end),
            StepType::DeltaImport => Ok(self.import(step, Kind::Delta, accept, false).await?.end),
            StepType::FullSynchronization => self.synchronise(step, Scope::All, true).await,
            StepType::DeltaSynchronization => self.synchronise(step, Scope::Due, false).await,
            StepType::Export => self.export(step, &call.options).await,
            StepType::FullImportAndFullSynchronization => {
                let end = self.import(step, Kind::Full, accept, false).await?.end;
                self.then_synchronise(step, end, Scope::All, true).await
            }
            // Everything that exists was imported by this step, so all of it is synchronised (R11).
            StepType::FullImportAndDeltaSynchronization => {
                let end = self.import(step, Kind::Full, accept, false).await?.end;
                self.then_synchronise(step, end, Scope::All, false).await
            }
            StepType::DeltaImportAndDeltaSynchronization => {
                let imported = self.import(step, Kind::Delta, accept, true).await?;
                self.then_synchronise(step, imported.end, Scope::DueAnd(imported.touched), false).await
            }
        }
    }

    async fn then_synchronise(
        &mut self,
        step: &mut StepRun,
        imported: End,
        scope: Scope,
        completes_full: bool,
    ) -> Result<End, StoreError> {
        let empty = imported.status == status::COMPLETED_NO_OBJECTS && imported.message.is_empty();
        if !continues(&imported.status) && !empty {
            return Ok(imported);
        }
        step.report.processed = 0;
        let synchronised = self.synchronise(step, scope, completes_full).await?;
        let graver = status::severity_of_status(&synchronised.status) >= status::severity_of_status(&imported.status);
        Ok(if graver && !empty { synchronised } else { imported })
    }

    /// Writes the step's record to the history.
    fn close_step(&mut self, step: &mut StepRun) -> Result<(), StoreError> {
        let note = |code: &str, message: &str| StepNote { code: code.to_owned(), message: message.to_owned() };
        let mut notes: Vec<StepNote> = step.report.notes.iter().map(|told| note(&told.code, &told.message)).collect();
        if !step.report.message.is_empty() {
            notes.push(note("ended", &step.report.message));
        }
        if !step.report.remedy.is_empty() {
            notes.push(note("remedy", &step.report.remedy));
        }
        self.store.end_step(
            step.id,
            &StepEnd { status: step.report.status.clone(), counters: step.counters(), notes },
            self.clock.now(),
        )
    }

    /// What waits for somebody after a step: in every target space after a synchronisation, in its own after an export.
    fn held_after(&self, connector: &ConnectorName, step: &str) -> Result<Counters, StoreError> {
        if step.ends_with("synchronization") {
            let targets: Vec<ConnectorName> =
                self.connector_order().into_iter().filter(|name| self.is_target(name)).collect();
            held_of(&self.store, &targets)
        } else if step == "export" {
            held_of(&self.store, std::slice::from_ref(connector))
        } else {
            Ok(Counters::new())
        }
    }
}

/// The full form of a step that a delta could not be made for.
fn full_form(step: StepType) -> Option<StepType> {
    match step {
        StepType::DeltaImport => Some(StepType::FullImport),
        StepType::DeltaImportAndDeltaSynchronization => Some(StepType::FullImportAndDeltaSynchronization),
        _ => None,
    }
}
