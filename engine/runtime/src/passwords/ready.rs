//! Whether a source may be read and a target be given passwords at all: staging mode (P17), a full synchronisation that is still
//! to be done (P16), the state of the target's system (SF24, SF25), and refused credentials (SF23). Reads no password.

use super::Pass;
use super::report::{Paused, SourceReport};
use crate::engine::EngineError;
use crate::status;
use connector_contract::Connector;
use sync_rules::ConnectorName;

/// A pause because of a full synchronisation that is still to come (P16).
const FULL_SYNC_REQUIRED: &str = "no-start-full-synchronization-required";
/// The connector does not do what `[passwords]` asks of it.
const NO_SUCH_CAPABILITY: &str = "no-start-no-passwords";

impl Pass {
    /// None: the source may be read.
    pub(super) async fn source_paused(&mut self, source: &ConnectorName) -> Result<Option<Paused>, EngineError> {
        if self.parts.deployment.staging {
            return Ok(Some(Paused::because(
                status::NO_START_STAGING_MODE,
                "nothing was pushed: the deployment is in staging mode",
                "switch staging off in metasync.toml; passwords then go on where they stopped",
            )));
        }
        if let Some(reason) = self.full_sync_missing(source)? {
            self.journal.note(613, format!("passwords of {source} wait: {reason}"));
            return Ok(Some(Paused::because(
                FULL_SYNC_REQUIRED,
                format!("passwords wait: {reason}"),
                "run `metasync cycle`; passwords go on by themselves when it has ended",
            )));
        }
        let Some(connector) = self.connector(source) else { return Ok(None) };
        let Some(reader) = connector.password_source() else {
            let message = format!("`{source}` is named in [passwords] and is not set up to read passwords");
            return Ok(Some(Paused::because(NO_SUCH_CAPABILITY, message, "see `metasync check`")));
        };
        let mark = reader.credential();
        self.breaker_open(mark.as_ref(), &*connector).await
    }

    /// P16: what the metaverse says of scope and links must be whole before passwords go by it.
    fn full_sync_missing(&self, source: &ConnectorName) -> Result<Option<String>, EngineError> {
        if self.store.applied_rules()?.is_none() {
            return Ok(Some("nothing was synchronised yet".to_owned()));
        }
        let required = self.store.requirements(source)?.full_sync;
        Ok(required.map(|reason| format!("the full synchronisation of {source} has not finished ({reason})")))
    }

    /// The targets that passwords can be pushed to now; what stands in the way of the others is in the report.
    pub(super) async fn ready_targets(&mut self, report: &mut SourceReport) -> Result<Vec<ConnectorName>, EngineError> {
        let mut ready = Vec::new();
        for target in self.parts.deployment.passwords.to.clone() {
            let Some(connector) = self.connector(&target) else { continue };
            match self.target_paused(&target, &*connector).await? {
                Some(paused) => {
                    self.journal.warn(611, format!("no passwords to {target}: {}", paused.message));
                    report.target(&target).paused = Some(paused);
                }
                None => {
                    report.target(&target);
                    ready.push(target);
                }
            }
        }
        Ok(ready)
    }

    async fn target_paused(
        &mut self,
        target: &ConnectorName,
        connector: &dyn Connector,
    ) -> Result<Option<Paused>, EngineError> {
        let Some(taker) = connector.password_target() else {
            let message = format!("`{target}` is named in [passwords] and takes no passwords");
            return Ok(Some(Paused::because(NO_SUCH_CAPABILITY, message, "see `metasync check`")));
        };
        let mark = taker.credential();
        if let Some(paused) = self.breaker_open(mark.as_ref(), connector).await? {
            return Ok(Some(paused));
        }
        let Some(system) = connector.system_state() else { return Ok(None) };
        let state = match system.system_state().await {
            Ok(state) => state,
            Err(error) => {
                self.refused(mark.as_ref(), &error)?;
                return Ok(Some(Paused::from(&error)));
            }
        };
        if let Some(closed) = state.closed {
            return Ok(Some(Paused::because(closed.status, closed.message, closed.remedy)));
        }
        if !self.store.is_system_as_accepted(target, &state.facts)? {
            return Ok(Some(Paused::because(
                status::NO_START_SYSTEM_CHANGED,
                format!("the connected system {target} is not as it was when it was let through"),
                "run `metasync cycle`: its export shows what changed, and how to approve it",
            )));
        }
        Ok(None)
    }
}
