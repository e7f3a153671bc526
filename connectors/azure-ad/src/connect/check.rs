//! `check` in Connect mode: whether the provisioning service can be reached, what state the tenant's synchronisation is in,
//! and which of its switches stand in the way of a takeover. Writes nothing.

use super::guard::other_writer;
use super::service::Service;
use crate::client::GraphClient;
use crate::provisioning::{CompanyConfiguration, DirSyncFeatures};
use crate::tenant;
use connector_contract::{Check, ErrorKind, Severity};
use jiff::Timestamp;

/// What Connect mode cannot do: code and sentence. The codes are those of refused exports and of holds.
pub const CONNECT_LIMITATIONS: [(&str, &str); 7] = [
    ("limitation-read-only", "licences, roles and what only the cloud knows of an object are never sent"),
    ("limitation-microsoft-365-group", "Microsoft 365 groups are neither made nor taken over"),
    ("limitation-dynamic-group", "groups with a membership rule are never taken over"),
    ("limitation-role-assignable-group", "groups that directory roles can be assigned to are never taken over"),
    (
        "limitation-cloud-mastered",
        "objects whose source of authority was moved to the cloud are neither written nor deleted",
    ),
    ("limitation-detach", "a synchronised object cannot be let go by itself: it is deleted, or it stays"),
    (
        "limitation-takeover",
        "an existing object is taken over only where the service itself can match it: by anchor or address",
    ),
];

/// What an operator does where the tenant does not take password hashes.
pub(super) const SWITCH_PASSWORDS_ON: &str = "switch it on: `metasync passwords switch-on`";

const RIGHT: &str = "ADSynchronization.ReadWrite.All";

pub(super) async fn check(graph: &GraphClient, service: &dyn Service, check: &mut Check) {
    // First: a build that is too old may be why nothing else is answered.
    weigh_build(service, &graph.settings().provisioning.build, check).await;
    let company = match service.company().await {
        Ok(company) => company,
        Err(error) => {
            let code = match error.kind {
                ErrorKind::Permission => "permission-missing",
                ErrorKind::Credential => "credential-rejected",
                ErrorKind::BackOff { .. } => "throttled",
                _ => "provisioning-unreachable",
            };
            let remedy = match error.remedy.is_empty() {
                true => format!("grant the application {RIGHT}, and check the table `provisioning` of the settings"),
                false => error.remedy.clone(),
            };
            check.add(Severity::Error, code, format!("{}: {}", error.attempted, error.message), remedy);
            return;
        }
    };
    check.add(Severity::Ok, "provisioning", format!("the provisioning service answers: {RIGHT} is granted"), "");
    let settings = graph.settings();
    if let Ok(tenant) = tenant::read(graph).await
        && let Some(message) =
            other_writer(&company, &tenant, settings.provisioning.machine_id.as_deref(), Timestamp::now())
    {
        let severity = if settings.allow_other_writer { Severity::Warning } else { Severity::Error };
        check.add(severity, "other-writer", message, "stop the other tool, or set allow_other_writer = true");
    }
    switches(&company, check);
    for (code, message) in CONNECT_LIMITATIONS {
        check.add(Severity::Ok, code, format!("Connect mode: {message}"), "");
    }
}

/// Whether the service takes the build that requests name (B.1). One that cannot be asked says nothing: the next question will.
async fn weigh_build(service: &dyn Service, build: &str, check: &mut Check) {
    let Ok(capabilities) = service.capabilities().await else { return };
    let Some(message) = capabilities.refuses(build) else { return };
    let remedy = match &capabilities.latest_version {
        Some(latest) => format!("write build = \"{latest}\" into the table `provisioning` of the connector"),
        None => "write the number of a newer build into the table `provisioning` of the connector".to_owned(),
    };
    check.add(Severity::Error, "client-build-refused", message, remedy);
}

/// What the tenant's synchronisation is set to.
fn switches(company: &CompanyConfiguration, check: &mut Check) {
    if company.is_dir_syncing == Some(false) {
        let message = "directory synchronisation is switched off in this tenant: nothing can be exported";
        check.add(Severity::Warning, "synchronisation-off", message, "switch it on: `metasync tenant-sync on`");
    }
    for (switch, code, message, remedy) in [
        (
            DirSyncFeatures::BLOCK_SOFT_MATCH,
            "soft-match-blocked",
            "BlockSoftMatch is on: existing objects without an anchor cannot be taken over",
            "switch it off for the time of the takeover",
        ),
        (
            DirSyncFeatures::BLOCK_TAKEOVER_BY_HARD_MATCH,
            "hard-match-blocked",
            "BlockCloudObjectTakeoverThroughHardMatch is on: cloud users that carry their anchor already (stamped in Graph \
             mode, or synchronised before) cannot be taken over",
            "switch it off for the time of the takeover, and on again behind it",
        ),
    ] {
        if company.features.contains(switch) {
            check.add(Severity::Warning, code, message, remedy);
        }
    }
    passwords(company.features, check);
    if let Some(prevention) = company.deletion_prevention.as_ref().filter(|prevention| prevention.kind != "Disabled") {
        let threshold = prevention.threshold_count.or(prevention.threshold_percentage).unwrap_or_default();
        let message = format!(
            "the tenant asks its clients to stop at {threshold} deletions ({}); [guards] is what stops this one",
            prevention.kind
        );
        check.add(Severity::Ok, "deletion-prevention", message, "");
    }
}

/// Whether the tenant takes password hashes, and temporary ones (P25). No fault in either case: not everybody sends them.
fn passwords(features: DirSyncFeatures, check: &mut Check) {
    if !features.contains(DirSyncFeatures::PASSWORD_HASH_SYNC) {
        let message = "password hash synchronisation is switched off in this tenant: no password is sent";
        check.add(Severity::Ok, "password-sync-off", message, SWITCH_PASSWORDS_ON);
        return;
    }
    let message = match features.contains(DirSyncFeatures::FORCE_PASSWORD_CHANGE_ON_LOGON) {
        true => "password hashes are taken, temporary passwords too (EnableUserForcePasswordChangeOnLogon)",
        false => {
            "password hashes are taken; temporary passwords, which must be changed at the next sign-in, are not \
             (EnableUserForcePasswordChangeOnLogon is off)"
        }
    };
    check.add(Severity::Ok, "password-sync-on", message, "");
}

#[cfg(test)]
mod tests {
    use super::super::scripted::Scripted;
    use super::*;
    use crate::provisioning::ServiceCapabilities;

    /// B.1, B.4: a build that the service refuses is an error with the number that it would take.
    #[tokio::test]
    async fn a_build_that_the_service_refuses_is_named() {
        let capabilities = ServiceCapabilities {
            latest_version: Some("2.6.3.0".to_owned()),
            minimum_version: Some("2.5.79.0".to_owned()),
            blocked_versions: Vec::new(),
        };
        let service = Scripted::default().with_capabilities(capabilities);
        let mut found = Check::default();
        weigh_build(&service, "2.5.190.0", &mut found).await;
        assert!(found.findings.is_empty());
        weigh_build(&service, "2.4.21.0", &mut found).await;
        let finding = &found.findings[0];
        assert_eq!((finding.code.as_str(), finding.severity), ("client-build-refused", Severity::Error));
        assert!(finding.message.contains("2.5.79.0") && finding.remedy.contains("2.6.3.0"), "{finding:?}");
    }

    /// P25: what the tenant does with passwords is said by name, with the way to change it.
    #[test]
    fn p25_whether_passwords_are_taken_is_told() {
        let told = |features| {
            let mut found = Check::default();
            passwords(DirSyncFeatures(features), &mut found);
            let shown = found.findings.iter().map(|finding| format!("{} {}", finding.code, finding.remedy));
            shown.collect::<Vec<_>>().join("\n") + "| " + &found.findings[0].message[..48]
        };
        assert_eq!(
            told(41_016),
            "password-sync-off switch it on: `metasync passwords switch-on`| password hash synchronisation is switched off in"
        );
        assert_eq!(told(41_017), "password-sync-on | password hashes are taken; temporary passwords, ");
        assert_eq!(told(41_017 + 16_384), "password-sync-on | password hashes are taken, temporary passwords t");
    }

    /// Which switch must be off for the window of a takeover is named, and only those that are on.
    #[test]
    fn switches_in_the_way_are_named() {
        let warned = |features| {
            let mut found = Check::default();
            switches(&CompanyConfiguration { features, ..CompanyConfiguration::default() }, &mut found);
            let warnings = found.findings.iter().filter(|finding| finding.severity != Severity::Ok);
            warnings.map(|finding| finding.code.clone()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(warned(DirSyncFeatures(41_016)), "");
        assert_eq!(warned(DirSyncFeatures::BLOCK_SOFT_MATCH), "soft-match-blocked");
        let both =
            DirSyncFeatures(DirSyncFeatures::BLOCK_SOFT_MATCH.0 | DirSyncFeatures::BLOCK_TAKEOVER_BY_HARD_MATCH.0);
        assert_eq!(warned(both), "soft-match-blocked hard-match-blocked");
    }
}
