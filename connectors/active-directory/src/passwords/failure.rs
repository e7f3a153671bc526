//! What a failure of reading password hashes means for the operator: which thing failed, why, and what to do (ad-protocols 3).

use super::course::Astray;
use super::service::{ServiceError, told};
use super::transport::TransportError;
use crate::controls;
use crate::directory::{Directory, DirectoryError, RC_ACCESS, SearchRequest};
use crate::domain_controller::DomainController;
use crate::errors::{self, NOT_CONFIGURED};
use connector_contract::{ConnectorError, ErrorKind};
use directory_replication::drsuapi::{DrsError, refusal};
use directory_replication::endpoint_mapper;
use metaverse_schema::{Guid, Sid};
use std::io;
use std::time::Duration;

/// How long a busy domain controller is left alone.
const BUSY_WAIT: Duration = Duration::from_secs(60);

/// The rights of replication (MS-ADTS 5.1.3.2.1), by the GUIDs that stand in permissions.
const GET_CHANGES: Right =
    Right { name: "Replicating Directory Changes", guid: "1131f6aa-9c07-11d1-f79f-00c04fc2dcd2" };
const GET_CHANGES_ALL: Right =
    Right { name: "Replicating Directory Changes All", guid: "1131f6ad-9c07-11d1-f79f-00c04fc2dcd2" };

struct Right {
    name: &'static str,
    guid: &'static str,
}

/// Whose failure it is.
pub(super) struct Circumstances<'a> {
    pub(super) directory: &'a dyn Directory,
    pub(super) controller: &'a DomainController,
    pub(super) account: &'a str,
    /// Of the account, where it is known.
    pub(super) sid: Option<Sid>,
}

impl Circumstances<'_> {
    /// The error that the engine is told. A refusal for want of a right asks the directory which one it is.
    pub(super) async fn explain(&self, error: ServiceError) -> ConnectorError {
        let host = &self.controller.host;
        let attempted = format!("reading password hashes from {host} as {}", self.account);
        let of_kind =
            |kind, message: String, remedy: &str| ConnectorError::new(kind, attempted.clone(), message, remedy);
        let connection = |message: String, remedy: &str| of_kind(ErrorKind::Connection, message, remedy);
        match error {
            ServiceError::Unreachable { port, error } => {
                let (message, remedy) = unreachable(host, port, &error);
                connection(message, remedy)
            }
            ServiceError::Mapper(error) => connection(
                format!(
                    "the endpoint mapper at port {} did not answer as one: {}",
                    endpoint_mapper::PORT,
                    told(&error)
                ),
                "check that the host is a domain controller, and what lies between it and this machine",
            ),
            ServiceError::NotOffered => connection(
                format!(
                    "{host} offers no replication service over TCP: it is no domain controller, or remote calls are closed"
                ),
                "name a domain controller in `servers`, and let remote calls (RPC) in on it",
            ),
            ServiceError::SignInRefused(error) => of_kind(
                ErrorKind::Credential,
                format!(
                    "{host} accepts this account and password over LDAP and refuses them with NTLM ({error}): NTLM is refused by \
                     policy"
                ),
                "let this account use NTLM on the domain controllers: it must not be in Protected Users, and \"Network \
                 security: Restrict NTLM: NTLM authentication in this domain\" needs an exception or must be off (Samba: \
                 `ntlm auth` in smb.conf)",
            ),
            ServiceError::NoRandomness => of_kind(
                ErrorKind::Protocol,
                "this machine gives no random numbers, and there is no signing in without".to_owned(),
                "",
            ),
            ServiceError::Transport(TransportError::Rpc(error)) => of_kind(
                ErrorKind::Protocol,
                error.to_string(),
                "check that the server is a domain controller and what lies between it and this machine",
            ),
            ServiceError::Transport(error) => {
                connection(told(&error), "nothing was lost: the next pass begins where the last complete one ended")
            }
            ServiceError::Drs(DrsError::Refused(refusal::ACCESS_DENIED)) => self.missing_right(attempted).await,
            ServiceError::Drs(error) => self.refused(&error, attempted),
        }
    }

    fn refused(&self, error: &DrsError, attempted: String) -> ConnectorError {
        let base = &self.controller.naming_context;
        let of_kind = |kind, message: String, remedy: &str| ConnectorError::new(kind, attempted, message, remedy);
        match error {
            DrsError::Refused(refusal::BAD_NAMING_CONTEXT) => of_kind(
                NOT_CONFIGURED,
                format!("it does not replicate the naming context {base} (error 8440)"),
                "check `base`",
            ),
            DrsError::Refused(refusal::BUSY) => of_kind(
                ErrorKind::BackOff { wait: BUSY_WAIT },
                "it is busy with another replication (error 8430)".to_owned(),
                "try later",
            ),
            DrsError::Refused(refusal::SOURCE_DISABLED) => of_kind(
                ErrorKind::CannotStart { status: "no-start-replication-disabled" },
                "outbound replication is switched off on it (error 8456)".to_owned(),
                "switch it on again: repadmin /options DC -DISABLE_OUTBOUND_REPL; or name another domain controller",
            ),
            DrsError::Refused(refusal::INVALID_PARAMETER) => of_kind(
                ErrorKind::Protocol,
                "it does not accept the list of attributes or the table of prefixes (error 87)".to_owned(),
                "report this with the version of the domain controller",
            ),
            other => {
                of_kind(ErrorKind::Protocol, other.to_string(), "report this with the version of the domain controller")
            }
        }
    }

    /// Which of the two rights is missing: the first one shows by itself in DirSync, which needs nothing else. Without it, the
    /// second one cannot be told.
    async fn missing_right(&self, attempted: String) -> ConnectorError {
        let base = self.controller.naming_context.to_string();
        let (message, rights) = match self.may_get_changes().await {
            Ok(true) => {
                let message = format!(
                    "the account has the right {} on {base} and lacks {}, without which no password hash is sent",
                    GET_CHANGES.name, GET_CHANGES_ALL.name
                );
                (message, &[GET_CHANGES_ALL][..])
            }
            Ok(false) => {
                let message = format!(
                    "the account lacks the right {} on {base}; whether it has {} shows only then",
                    GET_CHANGES.name, GET_CHANGES_ALL.name
                );
                (message, &[GET_CHANGES, GET_CHANGES_ALL][..])
            }
            Err(error) => {
                let message = format!(
                    "the account lacks {} or {} on {base}; which of them could not be asked ({error})",
                    GET_CHANGES.name, GET_CHANGES_ALL.name
                );
                (message, &[GET_CHANGES, GET_CHANGES_ALL][..])
            }
        };
        ConnectorError::new(ErrorKind::Permission, attempted, message, self.grants(&base, rights))
    }

    async fn may_get_changes(&self) -> Result<bool, DirectoryError> {
        // Nothing has this GUID: only the right is asked about.
        let nothing = Guid::from_directory_bytes([0xff; 16]).to_ldap_filter();
        let base = self.controller.naming_context.to_string();
        let request = SearchRequest::subtree(base, format!("(objectGUID={nothing})"), vec!["objectGUID".to_owned()])
            .with(controls::dirsync(false, &[]));
        let outcome = async {
            let mut entries = self.directory.search(&request).await?;
            while entries.next().await?.is_some() {}
            Ok(())
        };
        match outcome.await {
            Ok(()) => Ok(true),
            Err(DirectoryError::Refused { code: RC_ACCESS, .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn grants(&self, base: &str, rights: &[Right]) -> String {
        let names: Vec<&str> = rights.iter().map(|right| right.name).collect();
        let windows: Vec<String> =
            rights.iter().map(|right| format!("\"{}:CA;{}\"", self.account, right.name)).collect();
        let sid = self.sid.as_ref().map_or_else(|| "SID".to_owned(), ToString::to_string);
        let entries: String = rights.iter().map(|right| format!("(OA;;CR;{};;{sid})", right.guid)).collect();
        format!(
            "grant {} on {base}: Windows: dsacls \"{base}\" /G {}; Samba: samba-tool dsacl set --objectdn=\"{base}\" \
             --sddl=\"{entries}\". Whoever holds both can read every password of the domain, like a domain administrator: \
             use an account for this alone",
            names.join(" and "),
            windows.join(" ")
        )
    }
}

fn unreachable(host: &str, port: u16, error: &TransportError) -> (String, &'static str) {
    let mapper = port == endpoint_mapper::PORT;
    let what = if mapper { "the endpoint mapper" } else { "the replication service" };
    let reason = match error {
        TransportError::NoConnection(Some(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
            "nothing listens there (connection refused)".to_owned()
        }
        TransportError::NoConnection(None) => "no answer".to_owned(),
        other => told(other),
    };
    let remedy = if mapper {
        "check that the host is a domain controller and that a firewall lets TCP port 135 through; or name the service's own port \
         in `passwords.rpc_port`"
    } else {
        "let TCP ports 49152-65535 of the domain controller through the firewall, or fix the service's port on it (registry: \
         NTDS\\Parameters, \"TCP/IP Port\"; Samba: `rpc server port`) and let that one through"
    };
    (format!("{what} of {host} cannot be reached at TCP port {port}: {reason}"), remedy)
}

/// An answer that the read cannot have got.
pub(super) fn astray(controller: &DomainController, astray: Astray) -> ConnectorError {
    let (message, remedy) = match astray {
        Astray::Elsewhere(invocation) => (
            format!(
                "the replication service belongs to another domain controller ({invocation}) than LDAP ({})",
                controller.invocation
            ),
            "name each domain controller by a name of its own in `servers`",
        ),
        Astray::Stuck => {
            ("it announces more, and gives nothing".to_owned(), "report this with the version of the domain controller")
        }
    };
    let attempted = format!("reading password hashes from {}", controller.host);
    ConnectorError::new(ErrorKind::Protocol, attempted, message, remedy)
}

/// An operation over LDAP that failed.
pub(super) fn over_ldap(controller: &DomainController, error: &DirectoryError) -> ConnectorError {
    errors::step_error(&format!("looking up accounts on {}", controller.host), error)
}

#[cfg(test)]
mod tests;
