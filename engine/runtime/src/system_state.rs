//! Looks at a connected system as a whole before anything is exported to it (SF24, SF25): whether it may be written to at
//! all, and whether it is still the system that the operator let through. Imports do not ask; nothing is deprovisioned
//! because of it.

use crate::engine::Engine;
use crate::status;
use crate::step::{End, StepRun};
use connector_contract::Connector;
use sync_store::{ChangedFact, StoreError};

impl Engine {
    /// None: the export may go on.
    pub(crate) async fn look_at_system(
        &mut self,
        step: &StepRun,
        connector: &dyn Connector,
    ) -> Result<Option<End>, StoreError> {
        self.look_at_system_of(&step.connector, connector).await
    }

    /// The same for what an operator has written outside of a run.
    pub(crate) async fn look_at_system_of(
        &mut self,
        name: &str,
        connector: &dyn Connector,
    ) -> Result<Option<End>, StoreError> {
        let Some(system) = connector.system_state() else {
            return Ok(None);
        };
        let state = match system.system_state().await {
            Ok(state) => state,
            Err(error) => return Ok(Some(End::from(&error))),
        };
        // A closed system is not let through as it is: that it opens again is no change of what was.
        if let Some(closed) = state.closed {
            return Ok(Some(End::because(closed.status, closed.message, closed.remedy)));
        }
        let changed = self.store.compare_system_state(name, &state.facts)?;
        Ok(changed.map(|changed| {
            let told: Vec<String> = changed.changes.iter().map(told).collect();
            End::because(
                status::NO_START_SYSTEM_CHANGED,
                format!("nothing was exported; the connected system is not as it was: {}", told.join("; ")),
                format!("find out who changed it; if it is meant, `metasync approve {}`", changed.digest),
            )
        }))
    }
}

/// `verified domain contoso.com: Managed -> Federated`.
pub(crate) fn told(fact: &ChangedFact) -> String {
    let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "(none)".to_owned());
    format!("{}: {} -> {}", fact.name, shown(&fact.before), shown(&fact.now))
}
