//! A cycle over all connectors: import all sources, then the targets; synchronise in the same order; export; and confirm
//! what was exported by importing it again (G13, G14, R14). All imports stand before the first synchronisation, so that
//! a deletion in one part of a forest and the same object elsewhere are seen together (SF16).

use crate::engine::{Engine, EngineError};
use crate::event::Event;
use crate::profile::{Call, RunOptions};
use crate::report::{CycleReport, RunReport, SHOWN, Skipped, WaitingLine, WaitingList, waits_for_somebody};
use crate::status::{self, Severity, continues};
use crate::step::step_name;
use crate::system_state::told;
use std::collections::BTreeMap;
use sync_rules::{ConnectorName, StepType};
use sync_store::{Store, StoreError};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CycleKind {
    /// Full import and full synchronisation of everything.
    Initial,
    /// Changes only, where the connector and the store's requirements allow (G15).
    Delta,
}

impl CycleKind {
    pub fn name(self) -> &'static str {
        match self {
            CycleKind::Initial => "initial",
            CycleKind::Delta => "delta",
        }
    }
}

/// What a cycle gathers while it runs.
struct Progress {
    call: Call,
    runs: Vec<RunReport>,
    skipped: Vec<Skipped>,
    /// Connectors whose image of their system is not known to be whole: they are neither synchronised nor exported to.
    incomplete: BTreeMap<ConnectorName, String>,
    stopped: bool,
}

impl Progress {
    fn skip(&mut self, connector: &ConnectorName, step: StepType, reason: impl Into<String>) {
        self.skipped.push(Skipped { connector: connector.to_string(), step: step_name(step), reason: reason.into() });
    }
}

impl Engine {
    pub async fn cycle(&mut self, kind: CycleKind, options: &RunOptions) -> Result<CycleReport, EngineError> {
        let started = self.clock.now();
        self.silent.clear();
        self.events.emit(&Event::CycleStarted { kind: kind.name().to_owned() });
        let mut progress = Progress {
            call: Call { options: *options, full_in_place_of_delta: true, now: started },
            runs: Vec::new(),
            skipped: Vec::new(),
            incomplete: BTreeMap::new(),
            stopped: false,
        };
        let order = self.sources_first();
        let targets: Vec<ConnectorName> = order.iter().filter(|name| self.is_target(name)).cloned().collect();
        for connector in &order {
            self.cycle_import(&mut progress, kind, connector).await?;
        }
        for connector in &order {
            self.cycle_synchronise(&mut progress, kind, connector).await?;
        }
        let staging_mode = self.deployment.staging && !options.force_export;
        let mut exported = Vec::new();
        for connector in &targets {
            if staging_mode {
                progress.skip(connector, StepType::Export, "the deployment is in staging mode");
            } else if self.cycle_export(&mut progress, connector).await? {
                exported.push(connector.clone());
            }
        }
        for connector in &exported {
            self.cycle_import(&mut progress, CycleKind::Delta, connector).await?;
        }
        for connector in &exported {
            self.cycle_synchronise(&mut progress, CycleKind::Delta, connector).await?;
        }
        self.cycle_report(kind, started, staging_mode, progress, &targets)
    }

    /// Sources, then targets: the order in which a cycle synchronises.
    pub(crate) fn sources_first(&self) -> Vec<ConnectorName> {
        let (targets, sources): (Vec<_>, Vec<_>) =
            self.connector_order().into_iter().partition(|name| self.is_target(name));
        sources.into_iter().chain(targets).collect()
    }

    fn reads_changes(&self, connector: &ConnectorName) -> bool {
        self.connectors.get(connector).is_some_and(|connector| connector.delta_import().is_some())
    }

    async fn cycle_run(
        &mut self,
        progress: &mut Progress,
        connector: &ConnectorName,
        step: StepType,
    ) -> Result<(), EngineError> {
        let report = self.run_steps(connector, step_name(step), &[step], &progress.call).await?;
        progress.stopped |= report.severity == Severity::Interrupted || self.stop.is_stopped();
        progress.runs.push(report);
        Ok(())
    }

    async fn cycle_import(
        &mut self,
        progress: &mut Progress,
        kind: CycleKind,
        connector: &ConnectorName,
    ) -> Result<(), EngineError> {
        let step = match kind {
            CycleKind::Initial => StepType::FullImport,
            CycleKind::Delta if self.reads_changes(connector) => StepType::DeltaImport,
            CycleKind::Delta => StepType::FullImport,
        };
        if progress.stopped {
            progress.skip(connector, step, "the operator stopped the cycle");
            return Ok(());
        }
        self.cycle_run(progress, connector, step).await?;
        let Some(report) = progress.runs.last() else {
            return Ok(());
        };
        let whole = continues(&report.status)
            || (report.status == status::COMPLETED_NO_OBJECTS && report.severity < Severity::Warnings);
        if whole {
            progress.incomplete.remove(connector);
            self.silent.remove(connector);
        } else {
            self.silent.insert(connector.clone());
            // R7: a connector that was not read whole is not synchronised; the others go on (SF16).
            let reason = format!("its import ended with {}", report.status);
            progress.incomplete.insert(connector.clone(), reason);
        }
        Ok(())
    }

    async fn cycle_synchronise(
        &mut self,
        progress: &mut Progress,
        kind: CycleKind,
        connector: &ConnectorName,
    ) -> Result<(), EngineError> {
        let full = kind == CycleKind::Initial || self.store.requirements(connector)?.full_sync.is_some();
        let step = if full { StepType::FullSynchronization } else { StepType::DeltaSynchronization };
        if progress.stopped {
            progress.skip(connector, step, "the operator stopped the cycle");
            return Ok(());
        }
        if let Some(reason) = progress.incomplete.get(connector).cloned() {
            progress.skip(connector, step, reason);
            return Ok(());
        }
        self.cycle_run(progress, connector, step).await?;
        if let Some(report) = progress.runs.last()
            && !continues(&report.status)
        {
            let reason = format!("its synchronisation ended with {}", report.status);
            progress.incomplete.insert(connector.clone(), reason);
        }
        Ok(())
    }

    /// Whether something was sent, so that it has to be confirmed.
    async fn cycle_export(&mut self, progress: &mut Progress, connector: &ConnectorName) -> Result<bool, EngineError> {
        if progress.stopped {
            progress.skip(connector, StepType::Export, "the operator stopped the cycle");
            return Ok(false);
        }
        // A target that is not known whole may hold the very objects that would be created.
        if let Some(reason) = progress.incomplete.get(connector).cloned() {
            progress.skip(connector, StepType::Export, reason);
            return Ok(false);
        }
        self.cycle_run(progress, connector, StepType::Export).await?;
        Ok(progress.runs.last().is_some_and(|report| report.steps.iter().any(|step| step.processed > 0)))
    }

    fn cycle_report(
        &mut self,
        kind: CycleKind,
        started: i64,
        staging_mode: bool,
        progress: Progress,
        targets: &[ConnectorName],
    ) -> Result<CycleReport, EngineError> {
        let (mut pending, mut unconfirmed, mut errors) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut held = BTreeMap::new();
        let mut waiting = Vec::new();
        for connector in self.connectors.keys() {
            let counts = self.store.open_counts(connector)?;
            errors.insert(connector.to_string(), counts.errors);
            if targets.contains(connector) {
                pending.insert(connector.to_string(), counts.pending);
                unconfirmed.insert(connector.to_string(), counts.unconfirmed);
                held.insert(connector.to_string(), self.store.held_counts(connector)?);
                waiting.extend(waiting_lists(&self.store, connector)?);
            }
        }
        let worst = progress.runs.iter().max_by_key(|report| report.severity);
        let mut severity = worst.map_or(Severity::Success, |report| report.severity);
        let mut status = worst.map_or(status::SUCCESS.to_owned(), |report| report.status.clone());
        if progress.stopped && severity < Severity::Interrupted {
            (severity, status) = (Severity::Interrupted, status::STOPPED_BY_OPERATOR.to_owned());
        }
        // What an early step found held may be settled by a later one: only the end of the cycle counts.
        let waits = held
            .values()
            .any(|codes: &crate::report::Counters| codes.keys().any(|code| waits_for_somebody(&self.rules, code)));
        if severity <= Severity::Held {
            severity = if waits { Severity::Held } else { Severity::Success };
        }
        self.events.emit(&Event::CycleEnded { status: status.clone() });
        Ok(CycleReport {
            kind: kind.name(),
            status,
            severity,
            started,
            ended: self.clock.now(),
            runs: progress.runs,
            skipped: progress.skipped,
            staging_mode,
            pending,
            unconfirmed,
            errors,
            held,
            waiting,
        })
    }
}

/// Lists of one connector that wait for an operator: the guarded one, match candidates, and held values.
pub(crate) fn waiting_lists(store: &Store, connector: &ConnectorName) -> Result<Vec<WaitingList>, StoreError> {
    let mut lists = Vec::new();
    if let Some(list) = store.waiting_guard_list(connector)?
        && list.approved.is_none()
    {
        lists.push(WaitingList {
            digest: list.digest.to_string(),
            connector: connector.to_string(),
            kind: "guard".into(),
            lines: list.lines.len() as u64,
            first_lines: list
                .lines
                .iter()
                .take(SHOWN)
                .map(|line| WaitingLine {
                    name: line.name.clone(),
                    detail: format!("{}: {}", crate::step::counter_name(&line.kind), line.detail),
                })
                .collect(),
        });
    }
    if let Some(list) = store.waiting_password_guard(connector)?
        && list.approved.is_none()
    {
        let line = |line: &sync_kernel::GuardLine| WaitingLine { name: line.name.clone(), detail: line.detail.clone() };
        lists.push(WaitingList {
            digest: list.digest.to_string(),
            connector: connector.to_string(),
            kind: "first-password".into(),
            lines: list.lines.len() as u64,
            first_lines: list.lines.iter().take(SHOWN).map(line).collect(),
        });
    }
    if let Some(changed) = store.waiting_system_state(connector)? {
        let line = |fact| WaitingLine { name: connector.to_string(), detail: told(fact) };
        lists.push(WaitingList {
            digest: changed.digest.to_string(),
            connector: connector.to_string(),
            kind: "system-state".into(),
            lines: changed.changes.len() as u64,
            first_lines: changed.changes.iter().take(SHOWN).map(line).collect(),
        });
    }
    for list in store.approvable(connector)? {
        let kind = crate::step::counter_name(&list.kind);
        lists.push(WaitingList {
            digest: list.digest.to_string(),
            connector: connector.to_string(),
            kind,
            lines: list.lines.len() as u64,
            first_lines: list
                .lines
                .iter()
                .take(SHOWN)
                .map(|line| WaitingLine {
                    name: format!("{} <- {}", line.candidate, line.name),
                    detail: line.detail.clone(),
                })
                .collect(),
        });
    }
    Ok(lists)
}
