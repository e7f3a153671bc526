//! Asks the breaker of SF23 for the credentials of password synchronisation, and tells it of refusals; each is an event of its own.

use super::{Pass, Paused};
use crate::breaker::{self, Standing};
use crate::engine::EngineError;
use crate::status;
use connector_contract::{Connector, ConnectorError, CredentialMark, ErrorKind};

impl Pass {
    /// Some: the credential is not to be tried.
    pub(super) async fn breaker_open(
        &mut self,
        mark: Option<&CredentialMark>,
        connector: &dyn Connector,
    ) -> Result<Option<Paused>, EngineError> {
        let Some(mark) = mark else { return Ok(None) };
        match breaker::standing(&mut self.store, mark)? {
            Standing::Refused(open) => {
                let (message, remedy) = Standing::told(&open);
                return Ok(Some(Paused::because(status::NO_START_CREDENTIALS, message, remedy)));
            }
            Standing::Renewed => {
                self.journal.note(612, format!("the secret of {} was changed: it is tried again", mark.name));
            }
            Standing::Good => {}
        }
        connector.forget_refusals().await;
        Ok(None)
    }

    /// Opens the breaker where the error is about the credential.
    pub(super) fn refused(&mut self, mark: Option<&CredentialMark>, error: &ConnectorError) -> Result<(), EngineError> {
        let Some(mark) = mark.filter(|_| error.kind == ErrorKind::Credential) else { return Ok(()) };
        let message = format!("{}: {}", error.attempted, error.message);
        self.journal.error(612, format!("{} was refused and is not tried again: {message}", mark.name));
        let now = self.now();
        Ok(breaker::open(&mut self.store, mark, &message, &error.remedy, now)?)
    }
}
