//! Tries what a read of password hashes needs, against every domain controller that may serve one, and says plainly what the
//! account is worth. Opens no hash.

use super::source::{PasswordReader, reach};
use crate::check::failure;
use crate::settings::Settings;
use connector_contract::{Check, ConnectorError, ErrorKind, Severity};
use directory_replication::drsuapi::{Of, UsnVector};

/// Beside what `check` says of imports, where reading password hashes is configured.
pub(crate) async fn check(check: &mut Check, connector: &Settings) {
    let Some(passwords) = &connector.passwords else {
        return;
    };
    if let Err(error) = passwords.password.resolve() {
        check.add(Severity::Error, "secret-missing", error.to_string(), "");
        return;
    }
    let reader = PasswordReader::new(connector, passwords);
    let settings = passwords.over(connector);
    for server in &settings.servers {
        let tried = async {
            let reached = reach(&settings, server).await?;
            one_object(&reader, &reached).await?;
            Ok::<String, ConnectorError>(reached.controller.host)
        };
        match tried.await {
            Ok(host) => {
                let message = format!("{} can read password hashes from {host}", passwords.account);
                check.add(Severity::Ok, "passwords", message, "");
            }
            Err(error) => {
                let stop = error.kind == ErrorKind::Credential;
                failure(check, &error);
                if stop {
                    break;
                }
            }
        }
    }
    check.add(
        Severity::Warning,
        "passwords-account",
        format!(
            "{}: an account with Replicating Directory Changes All can read the password hash of everyone in the domain; \
             whoever has its password is as powerful as a domain administrator",
            passwords.account
        ),
        "guard it, its secret and this machine like a domain administrator; use it for nothing else",
    );
    if connector.bind_user.eq_ignore_ascii_case(&passwords.account.to_string()) {
        check.add(
            Severity::Warning,
            "passwords-account-shared",
            format!(
                "{} also imports and exports: every use of it exposes the right to read passwords",
                passwords.account
            ),
            "use an account of its own in `passwords.account`",
        );
    }
}

/// The first object of the domain, with everything that a read asks for.
async fn one_object(reader: &PasswordReader, reached: &super::source::Reached) -> Result<(), ConnectorError> {
    let mut service = reader.service(reached).await?;
    let context = reached.controller.naming_context.to_string();
    let invocation = reached.controller.invocation;
    let of = Of::NamingContext { dn: &context, invocation, from: UsnVector::default(), seen: &[] };
    match service.changes(of, 1).await {
        Ok(_) => {
            service.close().await;
            Ok(())
        }
        Err(error) => Err(reader.explain(reached, error).await),
    }
}
