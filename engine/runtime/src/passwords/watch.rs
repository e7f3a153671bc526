//! The loop: a pass every two minutes (P10), whatever the object cycle does, until somebody stops it; and the heartbeat of a
//! target that was given nothing for half an hour (654). Decides nothing about passwords.

use super::{Pass, PassKind, PasswordParts, PasswordReport, Paused, SourceReport, synchronise_passwords};
use crate::engine::EngineError;
use crate::stop::StopSignal;
use std::time::Duration;
use sync_rules::ConnectorName;
use sync_store::StoreError;

/// How often passes are made.
#[derive(Debug, Clone, Copy)]
pub struct Watch {
    pub every: Duration,
}

impl Default for Watch {
    fn default() -> Self {
        Watch { every: Duration::from_secs(120) }
    }
}

/// Makes passes until it is stopped; each one is handed to `told`. A pass that fails is told and followed by the next one; only a
/// store that is not to be had at all ends the loop.
pub async fn watch_passwords(
    parts: &PasswordParts,
    watch: Watch,
    mut told: impl FnMut(Result<&PasswordReport, &EngineError>),
) -> Result<(), EngineError> {
    begin(parts).inspect_err(|error| tracing::error!(event = 607, "password synchronisation cannot start: {error}"))?;
    while !parts.stop.is_stopped() {
        match synchronise_passwords(parts, &PassKind::Changes).await {
            Ok(report) => told(Ok(&report)),
            // Another process synchronises passwords, or the disk is full: that passes.
            Err(
                error @ EngineError::Store(
                    StoreError::Locked { .. } | StoreError::Busy { .. } | StoreError::DiskFull { .. },
                ),
            ) => {
                told(Err(&error));
            }
            Err(error) => return Err(error),
        }
        pause(&parts.stop, watch.every).await;
    }
    note(parts, 602, "password synchronisation is stopping")?;
    note(parts, 609, "password synchronisation has stopped")
}

/// Looks at the stop signal while it waits.
async fn pause(stop: &StopSignal, for_how_long: Duration) {
    let ends = tokio::time::Instant::now() + for_how_long;
    while !stop.is_stopped() && tokio::time::Instant::now() < ends {
        let left = ends.saturating_duration_since(tokio::time::Instant::now());
        tokio::time::sleep(left.min(Duration::from_millis(100))).await;
    }
}

/// 601; and 614 where the loop before did not come to its end.
fn begin(parts: &PasswordParts) -> Result<(), EngineError> {
    let mut pass = Pass::open(parts)?;
    let (began, ended) = (pass.store.last_password_event(&[601])?, pass.store.last_password_event(&[609])?);
    if began > ended {
        pass.journal.warn(614, "password synchronisation was not shut down in order the last time".to_owned());
    }
    pass.journal.note(601, "password synchronisation starts".to_owned());
    pass.close()
}

fn note(parts: &PasswordParts, number: u16, message: &str) -> Result<(), EngineError> {
    let mut pass = Pass::open(parts)?;
    pass.journal.note(number, message.to_owned());
    pass.close()
}

impl Pass {
    /// Asks a target that was given nothing for half an hour whether it is ready.
    pub(super) async fn heartbeat(
        &mut self,
        target: &ConnectorName,
        report: &mut SourceReport,
    ) -> Result<(), EngineError> {
        // What this pass has told so far counts too.
        self.keep()?;
        let heard = self.store.last_password_event(&[651, 654])?;
        let every = i64::try_from(self.parts.limits.heartbeat.as_micros()).unwrap_or(i64::MAX);
        let is_due = heard.is_none_or(|at| self.now().saturating_sub(at) >= every);
        if !is_due || report.target(target).paused.is_some() {
            return Ok(());
        }
        let Some(connector) = self.connector(target) else { return Ok(()) };
        let Some(taker) = connector.password_target() else { return Ok(()) };
        self.journal.note(653, format!("asking {target} whether it takes passwords"));
        match taker.ping().await {
            Ok(()) => self.journal.note(654, format!("{target} takes passwords")),
            Err(error) => {
                self.journal.error(655, format!("{target} does not answer: {error}"));
                self.refused(taker.credential().as_ref(), &error)?;
                report.target(target).paused = Some(Paused::from(&error));
            }
        }
        Ok(())
    }
}
