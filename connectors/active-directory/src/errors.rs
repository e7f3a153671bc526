//! What a failure means for the operator: which thing failed, why, and what to do. Maps LDAP result codes, Active
//! Directory sub-codes and connection failures to the contract's error kinds.

use crate::directory::{
    DirectoryError, RC_ACCESS, RC_BUSY, RC_INVALID_CREDENTIALS, RC_NO_SUCH_OBJECT, RC_STRONGER_AUTH, RC_UNAVAILABLE,
};
use crate::settings::{Encryption, Settings};
use crate::tls::CertificateSeen;
use connector_contract::{ConnectorError, ErrorKind};
use ldap3::LdapError;
use std::io;
use std::time::Duration;

/// How long a busy domain controller is left alone before the next run.
const BUSY_WAIT: Duration = Duration::from_secs(60);

/// A partition or container that is not there (R24).
pub(crate) const NOT_CONFIGURED: ErrorKind = ErrorKind::CannotStart { status: "no-start-partition-not-configured" };

/// No TLS or TCP connection came about.
pub(crate) fn not_connected(
    attempted: &str,
    error: &LdapError,
    certificate: &CertificateSeen,
    settings: &Settings,
) -> ConnectorError {
    if let Some(distrust) = &certificate.distrust {
        let (_, message, remedy) = distrust.explain();
        let status = "no-start-untrusted-certificate";
        return ConnectorError::new(ErrorKind::CannotStart { status }, attempted, message, remedy);
    }
    let (message, remedy) = match error {
        LdapError::Timeout { .. } => (
            format!("no answer within {} s", settings.connect_timeout.as_secs()),
            "check that the host is up and that no firewall drops the port",
        ),
        LdapError::Io { source } => io_failure(source, settings.encryption),
        LdapError::LdapResult { result } => (
            format!("the server refused StartTLS: result {} {}", result.rc, result.text),
            "give the domain controller a certificate, or use encryption = \"ldaps\"",
        ),
        LdapError::DNSName { .. } => {
            ("this host name cannot stand in a certificate".to_owned(), "write the host by its DNS name or its address")
        }
        other => (other.to_string(), "check the host, the port and `encryption`"),
    };
    ConnectorError::new(ErrorKind::Connection, attempted, message, remedy)
}

fn io_failure(error: &io::Error, encryption: Encryption) -> (String, &'static str) {
    let text = error.to_string();
    if text.contains("lookup address") || text.contains("name resolution") || text.contains("not known") {
        return (
            "the host name has no address".to_owned(),
            "check the spelling in `servers` and the DNS of this machine",
        );
    }
    let tls = encryption != Encryption::None;
    match error.kind() {
        io::ErrorKind::ConnectionRefused => (
            "nothing listens on this port (connection refused)".to_owned(),
            "check that the host is a running domain controller and that it has a certificate for LDAPS",
        ),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            ("the host is not reachable".to_owned(), "check the network and the routes of this machine")
        }
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset if tls => (
            format!("the server does not speak TLS on this port ({text})"),
            "check the port (636 for ldaps, 389 for starttls) and that the domain controller has a certificate",
        ),
        _ => (text, "check the host, the port and the network"),
    }
}

/// The sub-code of a refused bind: the hexadecimal number after `data`.
pub(crate) fn sub_code(text: &str) -> Option<u32> {
    let after = text.split("data ").nth(1)?;
    let digits: String = after.chars().take_while(char::is_ascii_hexdigit).collect();
    u32::from_str_radix(&digits, 16).ok()
}

/// A bind that was answered with a refusal. None of these is tried again by itself (SF23).
/// `setting` is where the account is configured.
pub(crate) fn bind_refused(attempted: &str, code: u32, text: &str, setting: &str) -> ConnectorError {
    let error = DirectoryError::Refused { code, text: text.trim_end_matches('\0').to_owned() };
    match code {
        RC_INVALID_CREDENTIALS => {
            let (message, remedy) = bind_sub_code(sub_code(text), setting);
            ConnectorError::new(ErrorKind::Credential, attempted, message, remedy)
        }
        RC_STRONGER_AUTH => {
            let status = "no-start-encryption-required";
            ConnectorError::new(
                ErrorKind::CannotStart { status },
                attempted,
                "the domain controller accepts a password only on an encrypted connection",
                "use encryption = \"ldaps\" or \"starttls\"",
            )
        }
        _ => step_error(attempted, &error),
    }
}

/// The sub-codes of Active Directory (ad-protocols 1.6): name, number, remedy.
fn bind_sub_code(sub_code: Option<u32>, setting: &str) -> (String, String) {
    let check = format!("check `{setting}` and the password");
    let Some(number) = sub_code else {
        return ("the user name or the password was refused".to_owned(), check);
    };
    let (meaning, remedy) = match number {
        0x525 => ("there is no such user", format!("check `{setting}`")),
        0x52e => (
            "wrong password, or no such user",
            format!("{check}, then run `metasync check`; nothing is tried again until the password's source changes"),
        ),
        0x530 => ("the account may not sign in at this time of day", "widen its logon hours".to_owned()),
        0x531 => ("the account may not sign in from this machine", "widen its logon workstations".to_owned()),
        0x532 => {
            ("the account's password has expired", "give it a new password, or one that does not expire".to_owned())
        }
        0x533 => ("the account is disabled", "enable it".to_owned()),
        0x701 => ("the account has expired", "move its expiry date".to_owned()),
        0x773 => (
            "the account must change its password at the next logon",
            "clear \"user must change password at next logon\"".to_owned(),
        ),
        0x775 => ("the account is locked out", "unlock it, and find out who tried wrong passwords".to_owned()),
        _ => ("the user name or the password was refused", check),
    };
    (format!("{meaning} (data {number:x})"), remedy)
}

/// An operation of a step that failed. Result codes that a caller knows the meaning of are handled there.
pub(crate) fn step_error(attempted: &str, error: &DirectoryError) -> ConnectorError {
    let (kind, remedy) = match error {
        DirectoryError::Lost(_) | DirectoryError::Timeout(_) => {
            (ErrorKind::Connection, "nothing was lost: the next run continues from the last complete step")
        }
        DirectoryError::Malformed(_) => (
            ErrorKind::Protocol,
            "check that the server is a domain controller and what lies between it and this machine",
        ),
        DirectoryError::Refused { code, .. } => match *code {
            RC_BUSY | RC_UNAVAILABLE => {
                (ErrorKind::BackOff { wait: BUSY_WAIT }, "the domain controller is busy; try later")
            }
            RC_INVALID_CREDENTIALS => (ErrorKind::Credential, "check the account and its password"),
            RC_ACCESS => (ErrorKind::Permission, "give the account the right to read what is configured"),
            RC_NO_SUCH_OBJECT => (NOT_CONFIGURED, "check `base` and the containers"),
            _ => (ErrorKind::Protocol, ""),
        },
    };
    ConnectorError::new(kind, attempted, error.to_string(), remedy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(code: u32, text: &str, expect: Expect) {
        let error = bind_refused("signing in to ldaps://dc1:636 as CORP\\svc", code, text, "bind_user");
        expect.assert_eq(&format!("{} | {error}", error.step_status()));
    }

    #[test]
    fn active_directory_says_why_a_bind_failed() {
        let text = |data: &str| {
            format!("80090308: LdapErr: DSID-0C090439, comment: AcceptSecurityContext error, data {data}, v4563\0")
        };
        check(
            49,
            &text("775"),
            expect![[
                r"no-start-credentials | signing in to ldaps://dc1:636 as CORP\svc: the account is locked out (data 775); unlock it, and find out who tried wrong passwords"
            ]],
        );
        for (data, word) in [
            ("525", "no such user"),
            ("52e", "wrong password"),
            ("530", "time of day"),
            ("531", "from this machine"),
            ("532", "password has expired"),
            ("533", "disabled"),
            ("701", "account has expired"),
            ("773", "must change its password"),
        ] {
            let error = bind_refused("x", 49, &text(data), "bind_user");
            assert!(error.message.contains(word) && error.message.contains(data), "{error}");
            assert_eq!(error.kind, ErrorKind::Credential);
        }
        check(
            49,
            "",
            expect![[
                r"no-start-credentials | signing in to ldaps://dc1:636 as CORP\svc: the user name or the password was refused; check `bind_user` and the password"
            ]],
        );
        check(
            8,
            "",
            expect![[
                r#"no-start-encryption-required | signing in to ldaps://dc1:636 as CORP\svc: the domain controller accepts a password only on an encrypted connection; use encryption = "ldaps" or "starttls""#
            ]],
        );
        check(
            51,
            "",
            expect![[
                r"stopped-server | signing in to ldaps://dc1:636 as CORP\svc: the server refused: result 51 (busy); the domain controller is busy; try later"
            ]],
        );
    }
}
