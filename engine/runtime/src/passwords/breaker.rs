//! The breaker of SF23: a credential that was refused is not tried again until its secret's source changed or an operator's
//! `check` succeeded. A wrong password that is tried every two minutes locks an account.

use super::{Pass, Paused};
use crate::engine::EngineError;
use connector_contract::{Connector, ConnectorError, ErrorKind};
use sync_store::{OpenBreaker, Store, StoreError};

impl Pass {
    /// Some: the credential is not to be tried.
    pub(super) fn breaker_open(&mut self, credential: &str, stamp: &str) -> Result<Option<Paused>, EngineError> {
        let Some(open) = self.store.breaker(credential)? else { return Ok(None) };
        if open.stamp != stamp {
            self.journal.note(612, format!("the secret of {credential} was changed: it is tried again"));
            self.store.close_breaker(credential)?;
            return Ok(None);
        }
        Ok(Some(Paused::because(
            "no-start-credentials",
            format!("{credential} was refused and is not tried again: {}", open.message),
            "change the secret where metasync.toml says that it is, or run `metasync check` when the account is in order",
        )))
    }

    /// Opens the breaker where the error is about the credential.
    pub(super) fn refused(&mut self, credential: &str, stamp: &str, error: &ConnectorError) -> Result<(), EngineError> {
        if error.kind != ErrorKind::Credential {
            return Ok(());
        }
        let message = format!("{}: {}", error.attempted, error.message);
        self.journal.error(612, format!("{credential} was refused and is not tried again: {message}"));
        Ok(self.store.open_breaker(&OpenBreaker {
            credential: credential.to_owned(),
            opened: self.now(),
            stamp: stamp.to_owned(),
            message,
            remedy: error.remedy.clone(),
        })?)
    }
}

/// An operator has checked this connector, and its credentials were taken: they may be tried again.
pub fn close_breakers(store: &mut Store, connector: &dyn Connector) -> Result<(), StoreError> {
    let source = connector.password_source().map(|source| source.credential());
    let target = connector.password_target().map(|target| target.credential());
    source.into_iter().chain(target).try_for_each(|credential| store.close_breaker(&credential))
}
