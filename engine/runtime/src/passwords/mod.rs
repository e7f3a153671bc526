//! Synchronises passwords: reads hashes from the sources of `[passwords]`, decides about each user, and hands the hashes of those
//! in scope to the targets. Beside the object cycle and independent of it. A hash is opened only after the decision on its user
//! (SF21), and lives in memory alone (P8); what is not delivered stays owed by its version (SF22).
//!
//! The modules stand in the order of a pass.

mod breaker;
mod events;
mod guard;
mod ledger;
mod owed;
mod push;
mod read;
mod ready;
mod report;
mod retries;
mod scope;
mod status;
mod watch;

use crate::applied::applied_rules;
use crate::decide_page::run_inputs;
use crate::engine::{Clock, EngineError};
use crate::stop::StopSignal;
use connector_contract::Connector;
use events::Journal;
use ledger::Ledger;
use metaverse_schema::Anchor;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use sync_kernel::RunInputs;
use sync_rules::{ConnectorName, Deployment, RuleSet};
use sync_store::Store;

pub use report::{PasswordReport, Paused, SourceReport, TargetReport};
pub use status::{PairStatus, PasswordStatus, UserPassword, UserVersions, password_status, user_passwords};
pub use watch::{Watch, watch_passwords};

/// Days that the log of what became of passwords is kept (P43).
const LOG_DAYS: i64 = 7;
const DAY: i64 = 86_400_000_000;

/// Bounds of what can grow while passwords are synchronised.
#[derive(Debug, Clone)]
pub struct PasswordLimits {
    /// Users that are decided about together.
    pub page: usize,
    /// Pages that a source may be ahead.
    pub pages: usize,
    /// Users of one request for single passwords.
    pub singles: usize,
    /// Batches on their way to one target at the same time.
    pub batches_in_flight: usize,
    /// A read of everything says how far it is after so many accounts (619).
    pub told_after: u64,
    /// A target that was given nothing for so long is asked whether it is ready (654).
    pub heartbeat: Duration,
}

impl Default for PasswordLimits {
    fn default() -> Self {
        PasswordLimits {
            page: 500,
            pages: 2,
            singles: 500,
            batches_in_flight: 16,
            told_after: 5_000,
            heartbeat: Duration::from_secs(30 * 60),
        }
    }
}

/// What passwords are synchronised with.
#[derive(Clone)]
pub struct PasswordParts {
    pub deployment: Deployment,
    /// Of the files; passwords go by the rules that were applied last.
    pub rules: RuleSet,
    pub connectors: BTreeMap<ConnectorName, Arc<dyn Connector>>,
    pub clock: Arc<dyn Clock>,
    pub stop: StopSignal,
    pub limits: PasswordLimits,
}

/// What a pass is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PassKind {
    /// What changed since the last pass, and what is owed.
    Changes,
    /// Everything again (P20).
    Full,
    /// One user, whatever its target has.
    User { source: ConnectorName, anchor: Anchor },
}

/// One pass over all sources. Holds the lock of password synchronisation while it lives.
pub(crate) struct Pass {
    parts: PasswordParts,
    store: Store,
    inputs: RunInputs,
    journal: Journal,
    ledger: Ledger,
}

/// Reads, decides and pushes once. A source or target that cannot be used is told in the report; others go on.
pub async fn synchronise_passwords(parts: &PasswordParts, kind: &PassKind) -> Result<PasswordReport, EngineError> {
    let mut pass = Pass::open(parts)?;
    let report = pass.run(kind).await;
    let report = match report {
        Ok(report) => report,
        Err(error) => {
            let number = if matches!(error, EngineError::Store(_)) { 665 } else { 603 };
            pass.journal.error(number, format!("the pass broke off: {error}"));
            // The first error is the one that counts.
            let _told = pass.keep();
            return Err(error);
        }
    };
    pass.close()?;
    Ok(report)
}

impl Pass {
    fn open(parts: &PasswordParts) -> Result<Self, EngineError> {
        let mut store = Store::open_for_passwords(&parts.deployment.store)?;
        let applied = applied_rules(&store, &parts.rules)?;
        store.learn_rules(&applied.rules)?;
        let inputs = run_inputs(&store, &applied.rules, parts.clock.now(), false)?;
        let journal = Journal::new(Arc::clone(&parts.clock));
        Ok(Pass { parts: parts.clone(), store, inputs, journal, ledger: Ledger::default() })
    }

    async fn run(&mut self, kind: &PassKind) -> Result<PasswordReport, EngineError> {
        let mut report = PasswordReport::new(self.now());
        for source in self.parts.deployment.passwords.from.clone() {
            if matches!(kind, PassKind::User { source: wanted, .. } if *wanted != source) {
                continue;
            }
            let mut found = SourceReport::new(&source);
            self.source_pass(&source, kind, &mut found).await?;
            report.sources.push(found);
            self.keep()?;
        }
        let now = self.now();
        let days = i64::from(self.parts.deployment.history_days);
        self.store.purge_passwords(now - LOG_DAYS * DAY, now - days * DAY)?;
        report.end(now, self.parts.stop.is_stopped());
        Ok(report)
    }

    async fn source_pass(
        &mut self,
        source: &ConnectorName,
        kind: &PassKind,
        report: &mut SourceReport,
    ) -> Result<(), EngineError> {
        if let Some(paused) = self.source_paused(source).await? {
            report.paused = Some(paused);
            return Ok(());
        }
        let targets = self.ready_targets(report).await?;
        if targets.is_empty() {
            return Ok(());
        }
        for target in &targets {
            self.let_through(source, target, kind, report)?;
        }
        let opened = self.opened(source);
        let mut pushers = self.pushers(source, &targets);
        match kind {
            PassKind::User { anchor, .. } => self.push_user(source, anchor, &mut pushers, report).await?,
            PassKind::Full => {
                self.store.start_passwords_over(source)?;
                self.read_and_push(source, &mut pushers, report).await?;
                self.push_owed(source, &mut pushers, report).await?;
            }
            PassKind::Changes => {
                self.read_and_push(source, &mut pushers, report).await?;
                self.push_owed(source, &mut pushers, report).await?;
            }
        }
        report.opened = self.opened(source).saturating_sub(opened);
        self.tell_of_retries(source, report);
        self.keep()?;
        for target in &targets {
            report.target(target).owed = self.store.passwords_owed(source, target)?;
            self.heartbeat(target, report).await?;
        }
        Ok(())
    }

    pub(crate) fn now(&self) -> i64 {
        self.parts.clock.now()
    }

    fn connector(&self, name: &ConnectorName) -> Option<Arc<dyn Connector>> {
        self.parts.connectors.get(name).map(Arc::clone)
    }

    /// Hashes that this source has decrypted so far (SF21).
    fn opened(&self, source: &ConnectorName) -> u64 {
        let connector = self.connector(source);
        connector.as_ref().and_then(|connector| connector.password_source()).map_or(0, |source| source.opened())
    }

    /// Where this source reads its passwords, as far as it can tell before it is through.
    fn reads_from(&self, source: &ConnectorName) -> Option<String> {
        self.connector(source)?.password_source()?.reads_from()
    }

    fn close(mut self) -> Result<(), EngineError> {
        self.keep()?;
        Ok(self.store.close()?)
    }
}
