//! The breaker of SF23: a credential that was refused is not tried again, by no loop, until the secret at its source changed or an
//! operator's `check` succeeded. A wrong password that is tried every few minutes locks an account. Imports, exports and password
//! synchronisation ask here before they sign in, and tell here what was refused; the name and the stamp alone are kept.

use crate::engine::Engine;
use crate::status;
use crate::step::End;
use connector_contract::{Connector, CredentialMark};
use sync_rules::{ConnectorName, StepType};
use sync_store::{OpenBreaker, Store, StoreError};

/// Whether a credential may be tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nothing is known against it.
    Good,
    /// It was refused, and its secret has changed since.
    Renewed,
    /// It was refused and is what it was.
    Refused(OpenBreaker),
}

impl Standing {
    /// What an operator is told of a refusal that stands.
    pub(crate) fn told(refused: &OpenBreaker) -> (String, &'static str) {
        (
            format!("{} was refused and is not tried again: {}", refused.credential, refused.message),
            "change the secret where metasync.toml says that it is, or run `metasync check` when the account is in order",
        )
    }
}

/// Forgets a refusal whose secret has changed since.
pub(crate) fn standing(store: &mut Store, mark: &CredentialMark) -> Result<Standing, StoreError> {
    match store.breaker(&mark.name)? {
        None => Ok(Standing::Good),
        Some(open) if open.stamp == mark.stamp => Ok(Standing::Refused(open)),
        Some(_) => {
            store.close_breaker(&mark.name)?;
            Ok(Standing::Renewed)
        }
    }
}

/// A system refused it. `mark` is as it was before it was tried: a secret that was exchanged meanwhile is tried again.
pub(crate) fn open(
    store: &mut Store,
    mark: &CredentialMark,
    message: &str,
    remedy: &str,
    now: i64,
) -> Result<(), StoreError> {
    store.open_breaker(&OpenBreaker {
        credential: mark.name.clone(),
        opened: now,
        stamp: mark.stamp.clone(),
        message: message.to_owned(),
        remedy: remedy.to_owned(),
    })
}

/// An operator has checked this connector, and its credentials were taken: they may be tried again.
pub fn close_breakers(store: &mut Store, connector: &dyn Connector) -> Result<(), StoreError> {
    let source = connector.password_source().and_then(|source| source.credential());
    let target = connector.password_target().and_then(|target| target.credential());
    let all = connector.credential().into_iter().chain(source).chain(target);
    all.into_iter().try_for_each(|mark| store.close_breaker(&mark.name))
}

impl Engine {
    /// The credential that a step is about to use, as it is before it is tried; or the end of the step, which tries nothing.
    pub(crate) async fn credential_for(
        &mut self,
        connector: &ConnectorName,
        step: StepType,
    ) -> Result<Result<Option<CredentialMark>, End>, StoreError> {
        let Some(connected) = self.connectors.get(connector).cloned().filter(|_| reaches_out(step)) else {
            return Ok(Ok(None));
        };
        let Some(mark) = connected.credential() else { return Ok(Ok(None)) };
        if let Standing::Refused(open) = standing(&mut self.store, &mark)? {
            let (message, remedy) = Standing::told(&open);
            return Ok(Err(End::because(status::NO_START_CREDENTIALS, message, remedy)));
        }
        connected.forget_refusals().await;
        Ok(Ok(Some(mark)))
    }

    /// Opens the breaker where a step has ended because of its credential.
    pub(crate) fn credential_was(&mut self, mark: Option<&CredentialMark>, end: &End) -> Result<(), StoreError> {
        let Some(mark) = mark.filter(|_| end.status == status::NO_START_CREDENTIALS) else { return Ok(()) };
        self.credential_refused(mark, &end.message, &end.remedy)
    }

    /// Opens the breaker.
    pub(crate) fn credential_refused(
        &mut self,
        mark: &CredentialMark,
        message: &str,
        remedy: &str,
    ) -> Result<(), StoreError> {
        tracing::error!(credential = mark.name, "refused, and not tried again: {message}");
        open(&mut self.store, mark, message, remedy, self.clock.now())
    }

    /// Whether a connector may be asked for roles, and what it signs in with, where it does; None: it was refused and is what it was.
    pub(crate) async fn credential_for_roles(
        &mut self,
        connector: &ConnectorName,
    ) -> Result<Option<Option<CredentialMark>>, StoreError> {
        let Some(connected) = self.connectors.get(connector).cloned() else { return Ok(Some(None)) };
        let Some(mark) = connected.credential() else { return Ok(Some(None)) };
        if let Standing::Refused(_) = standing(&mut self.store, &mark)? {
            return Ok(None);
        }
        connected.forget_refusals().await;
        Ok(Some(Some(mark)))
    }
}

/// A synchronisation reads roles at most, and asks [`Engine::credential_for_roles`].
fn reaches_out(step: StepType) -> bool {
    !matches!(step, StepType::FullSynchronization | StepType::DeltaSynchronization)
}
