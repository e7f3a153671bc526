//! Tries everything that a run would need and names what is missing, with the remedy. Writes nothing.

use crate::connector::scope;
use crate::directory::{DirectoryError, RC_NO_SUCH_OBJECT};
use crate::schema::NotImportedReason;
use crate::session::{
    SKEW_LIMIT, SKEW_WARNING, Session, candidates, cannot_see_deleted, clock_skew, missing_view, refuses_view,
};
use crate::settings::{Encryption, Settings, View, ViewChoice};
use crate::tls;
use connector_contract::{Check, ConnectorError, ErrorKind, Severity};
use std::time::{SystemTime, UNIX_EPOCH};

/// Days before the end of a certificate at which a warning begins (SF26: 30, 7, 1).
const CERTIFICATE_WARNING_DAYS: i64 = 30;
const CERTIFICATE_URGENT_DAYS: i64 = 7;

/// Everything, in the order in which a run would need it.
pub(crate) async fn check(settings: &Settings) -> Check {
    let mut check = Check::default();
    if settings.encryption == Encryption::None {
        check.add(
            Severity::Warning,
            "unencrypted",
            "the connection is not encrypted: the password and everything read can be seen on the network",
            "use encryption = \"ldaps\" or \"starttls\"",
        );
    }
    if let Err(error) = settings.password.resolve() {
        check.add(Severity::Error, "secret-missing", error.to_string(), "");
        return check;
    }
    if settings.encryption != Encryption::None
        && let Err(error) = tls::trust(settings)
    {
        check.add(
            Severity::Error,
            "certificate-authority",
            error.to_string(),
            "name a readable PEM file in `ca_files`",
        );
        return check;
    }
    // Every server, one after the other: a second one that does not work is found before the first one fails.
    let mut working = None;
    for server in &settings.servers {
        let alone = Settings { servers: vec![server.clone()], ..settings.clone() };
        match Session::open(&alone, None).await {
            Ok(session) => {
                let severity = Severity::Ok;
                let message = format!(
                    "{} answers as {}, the account {} is accepted",
                    session.controller.url, session.controller.host, settings.bind_user
                );
                check.add(severity, "domain-controller", message, "");
                connection(&mut check, &session);
                working.get_or_insert(session);
            }
            Err(error) => {
                let stop = error.kind == ErrorKind::Credential;
                failure(&mut check, &error);
                if stop {
                    break;
                }
            }
        }
    }
    if let Some(session) = working {
        reading(&mut check, settings, &session).await;
    }
    check
}

pub(crate) fn failure(check: &mut Check, error: &ConnectorError) {
    let code = match &error.kind {
        ErrorKind::Connection => "unreachable",
        ErrorKind::Credential => "credential-refused",
        ErrorKind::Permission => "right-missing",
        ErrorKind::CannotStart { status } => status.strip_prefix("no-start-").unwrap_or(status),
        ErrorKind::BackOff { .. } => "busy",
        ErrorKind::FullImportRequired | ErrorKind::Protocol | ErrorKind::Cancelled => "protocol",
    };
    let message = format!("{}: {}", error.attempted, error.message);
    check.add(Severity::Error, code, message, error.remedy.clone());
}

/// The certificate's days and the clocks (SF26).
fn connection(check: &mut Check, session: &Session) {
    let url = &session.controller.url;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok().and_then(|now| i64::try_from(now.as_secs()).ok());
    if let (Some(not_after), Some(now)) = (session.certificate.not_after, now) {
        let days = (not_after - now).div_euclid(86_400);
        let severity = if days < CERTIFICATE_URGENT_DAYS {
            Severity::Error
        } else if days < CERTIFICATE_WARNING_DAYS {
            Severity::Warning
        } else {
            Severity::Ok
        };
        let remedy = if severity == Severity::Ok { "" } else { "renew the domain controller's certificate" };
        check.add(
            severity,
            "certificate-days-left",
            format!("the certificate of {url} is valid for {days} more days"),
            remedy,
        );
    }
    if let Some(skew) = clock_skew(&session.controller) {
        let severity = match skew.abs() {
            small if small <= SKEW_WARNING => Severity::Ok,
            large if large <= SKEW_LIMIT => Severity::Warning,
            _ => Severity::Error,
        };
        let remedy = if severity == Severity::Ok { "" } else { "let both machines follow the same time source" };
        let message = format!("this machine's clock is {skew} s ahead of that of {url}");
        check.add(severity, "clock-skew", message, remedy);
    }
}

async fn reading(check: &mut Check, settings: &Settings, session: &Session) {
    let controller = &session.controller;
    match scope(session, settings, None).await {
        Ok(scope) => {
            let selected = scope.in_scope().len();
            let message = format!("{selected} containers of {} are in scope", scope.naming_context());
            check.add(Severity::Ok, "containers", message, "");
        }
        Err(error) => failure(check, &error),
    }
    attributes(check, session);
    let mut view_found = None;
    for view in candidates(settings.view, None) {
        match try_view(session, view).await {
            Ok(()) => {
                view_found = Some(view);
                break;
            }
            Err(error) if refuses_view(&error) => {
                let missing = missing_view(controller, view, &settings.bind_user, &error);
                let severity = match settings.view {
                    ViewChoice::Fixed(_) => Severity::Error,
                    ViewChoice::Auto => Severity::Warning,
                };
                check.add(severity, "right-missing", missing.message, missing.remedy);
            }
            Err(error) => {
                let attempted = format!("trying the view `{view}`");
                failure(check, &crate::errors::step_error(&attempted, &error));
                break;
            }
        }
    }
    if let Some(view) = view_found {
        let message = format!("full and delta imports read in the view `{view}`");
        check.add(Severity::Ok, "view", message, "");
        if view != View::DirSync || controller.samba {
            match controller.sees_deleted_objects(session.directory.as_ref()).await {
                Ok(true) => check.add(Severity::Ok, "deletions", "deleted objects are visible", ""),
                Ok(false) => {
                    let error = cannot_see_deleted(controller, &settings.bind_user);
                    check.add(Severity::Error, "right-missing", error.message, error.remedy);
                }
                Err(error) => failure(check, &crate::errors::step_error("looking for deleted objects", &error)),
            }
        }
    }
    match controller.own_account(session.directory.as_ref(), &settings.bind_user).await {
        Ok(account) => {
            let message = format!("{} is never synchronised", account.name);
            check.add(Severity::Ok, "own-account", message, "");
        }
        Err(error) => failure(check, &error),
    }
}

fn attributes(check: &mut Check, session: &Session) {
    let known = session.attributes.names().len();
    check.add(Severity::Ok, "attributes", format!("{known} attributes are imported"), "");
    for not in &session.attributes.not_imported {
        // The shipped list names Exchange attributes that most forests lack: nothing is wrong there.
        let (severity, remedy) = match not.reason {
            NotImportedReason::Unknown => (Severity::Ok, ""),
            _ => (Severity::Warning, "take it out of `attributes`"),
        };
        let message = format!("the attribute `{}` is not imported: {}", not.name, not.reason.explain());
        check.add(severity, "attribute-not-imported", message, remedy);
    }
}

/// Reads the domain's own object in a view: enough for the server to refuse it.
pub(crate) async fn try_view(session: &Session, view: View) -> Result<(), DirectoryError> {
    let base = session.controller.naming_context.to_string();
    let request = crate::directory::SearchRequest::object(base.clone(), &["objectGUID"]);
    let domain = crate::directory::read_object(session.directory.as_ref(), &request).await?;
    let guid = domain.and_then(|entry| entry.object_guid()).ok_or_else(|| DirectoryError::Refused {
        code: RC_NO_SUCH_OBJECT,
        text: format!("the account may not read {base}"),
    })?;
    session.read_whole(view, &[guid]).await.map(|_| ())
}
