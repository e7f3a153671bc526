//! `check`: tries everything that a run needs and says what is missing, writes nothing. Also lists what Graph mode
//! cannot write, by name, so that nobody learns of it from a held export.

use crate::client::GraphClient;
use crate::credential::{Credential, Proof};
use crate::licences;
use crate::roles;
use crate::schema::{CONTACT, DELETED_USER, GROUP, USER};
use crate::settings::Mode;
use crate::source_of_authority;
use crate::tenant::{self, SKEW_STOP_SECONDS, SKEW_WARNING_SECONDS, Tenant};
use crate::urls;
use connector_contract::{Check, ConnectorError, ErrorKind, Severity};
use jiff::Timestamp;

/// SF26: warned of from here on.
const CERTIFICATE_WARNING_DAYS: i64 = 30;
/// SF26: an error from here on.
const CERTIFICATE_URGENT_DAYS: i64 = 7;

/// What Graph mode cannot do (section 0, A.4, A.5): code and sentence. The codes are those of refused exports.
pub const LIMITATIONS: [(&str, &str); 11] = [
    ("limitation-contact", "contacts are read only: they can be neither made nor changed nor deleted"),
    ("limitation-read-only", "proxyAddresses, onPremisesSyncEnabled and other read-only attributes are never sent"),
    ("limitation-distribution-group", "distribution lists cannot be made or changed"),
    ("limitation-mail-enabled-security-group", "mail-enabled security groups cannot be made or changed"),
    ("limitation-microsoft-365-group", "Microsoft 365 groups are not made, and never targets for members"),
    ("limitation-dynamic-group", "members of groups with a membership rule are never written"),
    ("limitation-role-assignable-group", "members of groups that directory roles can be assigned to are never written"),
    ("limitation-group-restore", "deleted security groups cannot be restored"),
    ("limitation-synced-object", "objects that another tool synchronises from Active Directory are never written"),
    (
        "limitation-cloud-managed-object",
        "objects whose source of authority was moved to the cloud are never written or deleted",
    ),
    (
        "limitation-password",
        "password hashes cannot be synchronised; created users get a random password that nobody knows",
    ),
];

pub(crate) async fn check(graph: &GraphClient) -> Check {
    let mut check = Check::default();
    // SF23: the operator's own check is what gives a rejected credential another try.
    graph.tokens().forgive().await;
    certificate(&graph.settings().credential, Timestamp::now(), &mut check);
    if !connects(graph, &mut check).await {
        return check;
    }
    match tenant::read(graph).await {
        Ok(tenant) => {
            describe_tenant(&tenant, graph, &mut check);
            if graph.settings().mode == Mode::Graph && tenant.sync_enabled.is_some() {
                sources_of_authority(graph, &mut check).await;
            }
        }
        Err(error) => failed(&mut check, "Organization.Read.All", error),
    }
    for (right, path, attempted) in reads(graph) {
        match graph.must_find(&path, attempted, right).await {
            Ok(_) => check.add(Severity::Ok, "readable", format!("{attempted}: {right} is granted"), ""),
            Err(error) => failed(&mut check, right, error),
        }
    }
    match roles::probe(graph).await {
        Ok(()) => check.add(Severity::Ok, "readable", "reading roles: RoleManagement.Read.Directory is granted", ""),
        Err(error) if error.kind == ErrorKind::Permission => check.add(
            Severity::Warning,
            "permission-missing",
            format!("{error} (every match candidate counts as privileged until then)"),
            "grant the application permission RoleManagement.Read.Directory and give admin consent",
        ),
        Err(error) => failed(&mut check, "RoleManagement.Read.Directory", error),
    }
    check.add(Severity::Ok, "licences", licences::probe(graph).await, "");
    clock(graph, &mut check);
    if graph.settings().mode == Mode::Connect {
        return check;
    }
    for (code, message) in LIMITATIONS {
        check.add(Severity::Ok, code, format!("Graph mode: {message}"), "");
    }
    let message = "write permissions (User.ReadWrite.All, Group.ReadWrite.All, User.RevokeSessions.All) are not tried, as check writes nothing";
    check.add(Severity::Ok, "writes-not-tried", message, "");
    check
}

/// SF30: whose an object is must be readable where some may have been moved to the cloud.
async fn sources_of_authority(graph: &GraphClient, check: &mut Check) {
    for class in [USER, GROUP] {
        let right = source_of_authority::right(class);
        match source_of_authority::probe(graph, class).await {
            Ok(()) => check.add(Severity::Ok, "readable", format!("whose a {} is: {right} is granted", class.name), ""),
            Err(error) => failed(check, right, error),
        }
    }
}

/// Whether the service answers and takes the credential.
async fn connects(graph: &GraphClient, check: &mut Check) -> bool {
    let attempted = "connecting";
    let url = match graph.url("/organization?$select=id", attempted) {
        Ok(url) => url,
        Err(error) => {
            check.add(Severity::Error, "setting-invalid", error.message, error.remedy);
            return false;
        }
    };
    match graph.exchange(reqwest::Method::GET, &url, attempted, &[], None).await {
        Ok(reply) if reply.status == 401 => {
            let error = crate::errors::GraphError::read(reply.body.as_ref()).ends_step(401, attempted, "");
            check.add(Severity::Error, "token-refused", error.message, error.remedy);
            false
        }
        Ok(_) => {
            let message = format!("{} answers, and the credential is accepted", graph.settings().graph_url);
            check.add(Severity::Ok, "connected", message, "");
            true
        }
        Err(broken) => {
            let message = format!("{}: {}", broken.error.attempted, broken.error.message);
            check.add(Severity::Error, broken.cause, message, broken.error.remedy);
            false
        }
    }
}

/// Cheap reads, one for each permission that a run needs.
fn reads(graph: &GraphClient) -> Vec<(&'static str, String, &'static str)> {
    let one = |collection: &str| format!("/{collection}?$select=id&$top=1");
    let mut reads = vec![
        (USER.right, one("users"), "reading users"),
        (GROUP.right, one("groups"), "reading groups"),
        (DELETED_USER.right, urls::deleted_users("id").replace("$top=999", "$top=1"), "reading deleted users"),
        ("Domain.Read.All", "/domains?$select=id,isVerified".to_owned(), "reading domains"),
    ];
    if graph.settings().contacts {
        reads.push((CONTACT.right, one("contacts"), "reading contacts"));
    }
    reads
}

fn failed(check: &mut Check, right: &str, error: ConnectorError) {
    let code = match error.kind {
        ErrorKind::Permission => "permission-missing",
        ErrorKind::Credential => "credential-rejected",
        ErrorKind::BackOff { .. } => "throttled",
        _ => "unreadable",
    };
    let remedy = if error.remedy.is_empty() { format!("the request needs {right}") } else { error.remedy.clone() };
    check.add(Severity::Error, code, format!("{}: {}", error.attempted, error.message), remedy);
}

fn describe_tenant(tenant: &Tenant, graph: &GraphClient, check: &mut Check) {
    let message = format!("tenant {} ({}), verified domains: {}", tenant.name, tenant.id, tenant.domains.join(", "));
    check.add(Severity::Ok, "tenant", message, "");
    let is_graph = graph.settings().mode == Mode::Graph;
    match tenant.sync_enabled {
        Some(true) if !is_graph => {
            check.add(Severity::Ok, "synchronisation-on", "directory synchronisation is switched on", "");
        }
        Some(true) => check.add(
            Severity::Warning,
            "synchronisation-on",
            "directory synchronisation is switched on in this tenant: synchronised objects are never written in Graph mode",
            "use Graph mode beside another tool only for objects that it does not synchronise",
        ),
        Some(false) => check.add(Severity::Ok, "synchronisation-off", "directory synchronisation was switched off", ""),
        None => check.add(Severity::Ok, "synchronisation-never", "the tenant was never synchronised", ""),
    }
    // In Connect mode the last writer may be this deployment itself, which the provisioning service tells.
    if let Some(message) = tenant.other_writer(Timestamp::now()).filter(|_| is_graph) {
        let severity = if graph.settings().allow_other_writer { Severity::Warning } else { Severity::Error };
        check.add(severity, "other-writer", message, "stop the other tool, or set allow_other_writer = true");
    }
}

/// The application's certificate and the days it has left (SF26). What cannot be read is told by signing in.
fn certificate(credential: &Credential, now: Timestamp, check: &mut Check) {
    let Ok(Proof::Certificate(certificate)) = credential.resolve() else {
        return;
    };
    let (days, severity) = days_left(certificate.not_after(), now);
    let message = format!("the application's certificate is valid for {days} more days");
    let remedy = if severity == Severity::Ok {
        ""
    } else {
        "make a new certificate, upload it to the app registration, then name it in client_certificate"
    };
    check.add(severity, "certificate-days-left", message, remedy);
}

/// Whole days until then, negative once it is over, and how urgent that is.
fn days_left(not_after: Timestamp, now: Timestamp) -> (i64, Severity) {
    let days = (not_after.as_second() - now.as_second()).div_euclid(86_400);
    let severity = match days {
        ..CERTIFICATE_URGENT_DAYS => Severity::Error,
        CERTIFICATE_URGENT_DAYS..CERTIFICATE_WARNING_DAYS => Severity::Warning,
        _ => Severity::Ok,
    };
    (days, severity)
}

fn clock(graph: &GraphClient, check: &mut Check) {
    let Some(skew) = graph.skew_seconds() else {
        check.add(Severity::Warning, "clock-unknown", "the service's replies carry no date", "");
        return;
    };
    let severity = match skew.abs() {
        small if small <= SKEW_WARNING_SECONDS => Severity::Ok,
        medium if medium <= SKEW_STOP_SECONDS => Severity::Warning,
        _ => Severity::Error,
    };
    let message = format!("the clocks differ by {} s", skew.abs());
    check.add(severity, "clock-skew", message, if severity == Severity::Ok { "" } else { "set this machine's clock" });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SF26: 30 days warn, 7 are an error.
    #[test]
    fn sf26_a_certificate_is_renewed_in_time() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let after = |hours: i64| now + jiff::SignedDuration::from_hours(hours);
        assert_eq!(days_left(after(31 * 24), now), (31, Severity::Ok));
        assert_eq!(days_left(after(30 * 24 - 1), now), (29, Severity::Warning));
        assert_eq!(days_left(after(7 * 24 - 1), now), (6, Severity::Error));
        assert_eq!(days_left(after(-1), now), (-1, Severity::Error));
    }
}
