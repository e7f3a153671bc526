//! A session with the replication service of one domain controller: finding its port, signing in, asking for changes. What a
//! failure means for the operator is failure.rs.

use super::settings::{Account, PasswordSettings};
use super::transport::{TimeLimits, Transport, TransportError};
use crate::settings::Settings;
use connector_contract::Secret;
use directory_replication::Malformed;
use directory_replication::auth::SessionKey;
use directory_replication::drsuapi::{
    self, Changes, ChangesRequest, DRSUAPI, DrsError, Of, bind_request, bound, operation, unbind_request,
};
use directory_replication::endpoint_mapper::{self, ENDPOINT_MAPPER};
use directory_replication::ntlm::{Credential, Drawn, NtlmLogon};
use directory_replication::rpc::{RpcError, fault};
use std::sync::Arc;
use zeroize::Zeroizing;

/// Objects in one answer, about: what servers give at most.
pub(super) const PAGE: u32 = 1_000;

/// What went wrong, and at which step.
#[derive(Debug)]
pub(super) enum ServiceError {
    /// The port of the endpoint mapper, or of the service itself.
    Unreachable {
        port: u16,
        error: TransportError,
    },
    Mapper(TransportError),
    /// The endpoint mapper knows no such service.
    NotOffered,
    /// The domain controller took the account and password over LDAP, and not here.
    SignInRefused(String),
    NoRandomness,
    Transport(TransportError),
    Drs(DrsError),
}

impl From<TransportError> for ServiceError {
    fn from(error: TransportError) -> Self {
        ServiceError::Transport(error)
    }
}

impl From<DrsError> for ServiceError {
    fn from(error: DrsError) -> Self {
        ServiceError::Drs(error)
    }
}

/// Who signs in to what.
pub(super) struct Target<'a> {
    /// Where the domain controller was reached over LDAP: a name may stand for several of them.
    pub(super) address: &'a str,
    /// Its own DNS name.
    pub(super) host: &'a str,
    pub(super) settings: &'a Settings,
    pub(super) passwords: &'a PasswordSettings,
    pub(super) secret: &'a Secret,
}

pub(super) struct Service {
    transport: Transport,
    handle: [u8; 20],
    key: Arc<SessionKey>,
}

impl Service {
    pub(super) async fn open(target: &Target<'_>) -> Result<Service, ServiceError> {
        let limits = TimeLimits { connect: target.settings.connect_timeout, answer: target.settings.timeout };
        let port = match target.passwords.rpc_port {
            Some(port) => port,
            None => ask_for_port(target.address, limits).await?,
        };
        let mut epoch = 0;
        loop {
            let logon = Box::new(logon(target)?);
            let mut transport = Transport::open(target.address, port, &DRSUAPI, Some(logon), limits)
                .await
                .map_err(|error| not_bound(port, error))?;
            // The first call: a sign-in that was refused shows here.
            let answer = transport.call(operation::BIND, &bind_request(epoch)).await.map_err(first_call)?;
            let answer = bound(&answer)?;
            // A server refuses calls under another epoch than its own; it tells its own, once.
            if answer.epoch != epoch && epoch == 0 {
                epoch = answer.epoch;
                continue;
            }
            let key = transport.session_key().ok_or(DrsError::Malformed(Malformed { what: "session", at: 0 }))?;
            return Ok(Service { transport, handle: answer.handle, key: Arc::new(key) });
        }
    }

    /// Under which the secrets of this session's answers are encrypted.
    pub(super) fn key(&self) -> Arc<SessionKey> {
        Arc::clone(&self.key)
    }

    pub(super) async fn changes(&mut self, of: Of<'_>, most_objects: u32) -> Result<Changes, ServiceError> {
        let request = ChangesRequest { handle: &self.handle, of, most_objects };
        let answer = self.transport.call(operation::GET_CHANGES, &request.encode()).await?;
        Ok(drsuapi::changes(&answer)?)
    }

    /// Ends the session. Whatever comes of it, everything was read.
    pub(super) async fn close(mut self) {
        if let Err(error) = self.transport.call(operation::UNBIND, &unbind_request(&self.handle)).await {
            tracing::debug!(?error, "a session with the replication service did not end in order");
        }
    }
}

async fn ask_for_port(address: &str, limits: TimeLimits) -> Result<u16, ServiceError> {
    let mut mapper = match Transport::open(address, endpoint_mapper::PORT, &ENDPOINT_MAPPER, None, limits).await {
        Ok(mapper) => mapper,
        Err(error @ TransportError::NoConnection(_)) => {
            return Err(ServiceError::Unreachable { port: endpoint_mapper::PORT, error });
        }
        Err(error) => return Err(ServiceError::Mapper(error)),
    };
    let request = endpoint_mapper::request(&DRSUAPI);
    let answer = mapper.call(endpoint_mapper::MAP, &request).await.map_err(ServiceError::Mapper)?;
    let port = endpoint_mapper::port(&answer).map_err(|error| ServiceError::Mapper(error.into()))?;
    port.ok_or(ServiceError::NotOffered)
}

fn logon(target: &Target<'_>) -> Result<NtlmLogon, ServiceError> {
    let mut drawn = Drawn { client_challenge: [0; 8], session_key: Zeroizing::new([0; 16]) };
    for drawn in [&mut drawn.client_challenge[..], &mut drawn.session_key[..]] {
        getrandom::fill(drawn).map_err(|_| ServiceError::NoRandomness)?;
    }
    let (domain, user) = match &target.passwords.account {
        Account::InDomain { domain, user } => (domain.clone(), user.clone()),
        // The domain is empty then, and the server finds the account by the whole name.
        Account::Principal(name) => (String::new(), name.clone()),
    };
    let password = Zeroizing::new(target.secret.expose().to_owned());
    let service = format!("ldap/{}", target.host);
    Ok(NtlmLogon::new(Credential { domain, user, password }, &this_machine(), &service, drawn))
}

/// The name that the domain controller's log shows, and that an account's list of workstations is compared with.
fn this_machine() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let first: String = name.trim().split('.').next().unwrap_or_default().chars().take(15).collect();
    if first.is_empty() { "METASYNC".to_owned() } else { first.to_uppercase() }
}

/// Refusals of a bind that mean the way of signing in.
fn not_bound(port: u16, error: TransportError) -> ServiceError {
    /// `authentication type not recognized` (C706 12.6.4.5, MS-RPCE 2.2.2.5).
    const UNKNOWN_AUTHENTICATION: u16 = 8;
    match error {
        TransportError::NoConnection(_) => ServiceError::Unreachable { port, error },
        TransportError::Rpc(
            RpcError::BindRefused(UNKNOWN_AUTHENTICATION)
            | RpcError::NoAuthentication
            | RpcError::Auth(_)
            | RpcError::Fault(fault::ACCESS_DENIED),
        ) => ServiceError::SignInRefused(told(&error)),
        other => ServiceError::Transport(other),
    }
}

fn first_call(error: TransportError) -> ServiceError {
    match error {
        TransportError::Rpc(RpcError::Fault(fault::ACCESS_DENIED | fault::PROTOCOL_ERROR)) => {
            ServiceError::SignInRefused(told(&error))
        }
        other => ServiceError::Transport(other),
    }
}

/// In words, without what was attempted.
pub(super) fn told(error: &TransportError) -> String {
    match error {
        TransportError::NoConnection(None) => "no answer".to_owned(),
        TransportError::NoConnection(Some(error)) => error.to_string(),
        TransportError::Lost(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            "the server closed the connection".to_owned()
        }
        TransportError::Lost(error) => format!("the connection broke: {error}"),
        TransportError::Silent(limit) => format!("no answer within {} s", limit.as_secs()),
        TransportError::Rpc(error) => error.to_string(),
    }
}
