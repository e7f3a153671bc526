//! Whether this deployment may write to the tenant at all: synchronisation switched on (SF25), no other writer within a day
//! (SF24), clocks that agree (SF26). Reads only; what it found stands for a while.

use super::service::Service;
use crate::client::GraphClient;
use crate::provisioning::CompanyConfiguration;
use crate::tenant::{self, Tenant};
use connector_contract::{Closed, ConnectorError, ErrorKind, ImportEnd, StateOfSystem};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// The tenant's state is read again after this long.
const STANDS_FOR: Duration = Duration::from_secs(300);

#[derive(Debug, Default)]
pub(super) struct Guard(Mutex<Option<Instant>>);

impl Guard {
    pub(super) async fn pass(&self, graph: &GraphClient, service: &dyn Service) -> Result<(), ConnectorError> {
        // One at a time: a batch that is let through writes, and one that looks meanwhile would take that for another tool's.
        let mut until = self.0.lock().await;
        if until.is_some_and(|until| until > Instant::now()) {
            return Ok(());
        }
        let company = service.company().await?;
        let tenant = tenant::read(graph).await?;
        tenant::clock(graph)?;
        let settings = graph.settings();
        judge(&company, &tenant, settings.provisioning.machine_id.as_deref(), settings.allow_other_writer)?;
        *until = Instant::now().checked_add(STANDS_FOR);
        Ok(())
    }
}

/// The tenant as an export looks at it before it begins: Graph's facts and the attribute that anchors come from.
pub(super) async fn state(graph: &GraphClient, service: &dyn Service) -> Result<StateOfSystem, ConnectorError> {
    let company = service.company().await?;
    let tenant = tenant::read(graph).await?;
    let settings = graph.settings();
    let ours = settings.provisioning.machine_id.as_deref();
    let closed = match judge(&company, &tenant, ours, settings.allow_other_writer) {
        Ok(()) => None,
        Err(ConnectorError { kind: ErrorKind::CannotStart { status }, message, remedy, .. }) => {
            Some(Closed { status, message, remedy })
        }
        Err(other) => return Err(other),
    };
    Ok(StateOfSystem { facts: facts(&company, &tenant), closed })
}

fn facts(company: &CompanyConfiguration, tenant: &Tenant) -> BTreeMap<String, String> {
    let mut facts = tenant.facts();
    let anchor = company.anchor_attribute.as_ref().filter(|name| !name.is_empty());
    facts.extend(anchor.map(|name| ("anchor attribute".to_owned(), name.clone())));
    facts
}

pub(super) fn judge(
    company: &CompanyConfiguration,
    tenant: &Tenant,
    ours: Option<&str>,
    allow_other_writer: bool,
) -> Result<(), ConnectorError> {
    let stop = |status, message: String, remedy: &str| {
        Err(ConnectorError::new(ErrorKind::CannotStart { status }, "exporting", message, remedy))
    };
    if company.is_dir_syncing == Some(false) {
        let message = "directory synchronisation is switched off in this tenant: imports go on, nothing is exported";
        let remedy = "switch it on (`metasync tenant-sync on`), and wait until the tenant says that it is";
        return stop("no-start-synchronisation-off", message.to_owned(), remedy);
    }
    match other_writer(company, tenant, ours, Timestamp::now()) {
        Some(message) if !allow_other_writer => {
            let remedy = "stop the other tool; or set allow_other_writer = true if both write different objects";
            stop("no-start-other-writer", message, remedy)
        }
        _ => Ok(()),
    }
}

/// SF24: somebody synchronised within a day, and the tenant's last writer is not this deployment.
pub(super) fn other_writer(
    company: &CompanyConfiguration,
    tenant: &Tenant,
    ours: Option<&str>,
    now: Timestamp,
) -> Option<String> {
    let recent = tenant.other_writer(now)?;
    match (company.client_machine.as_deref(), ours) {
        (Some(last), Some(ours)) if last.eq_ignore_ascii_case(ours) => None,
        (Some(last), _) => Some(format!("{recent}; it calls itself {last}")),
        (None, _) => Some(recent),
    }
}

/// A recent synchronisation that was our own is no news.
pub(super) async fn without_own_writes(
    end: ImportEnd,
    graph: &GraphClient,
    service: &dyn Service,
) -> Result<ImportEnd, ConnectorError> {
    if !end.notes.iter().any(|note| note.code == "other-writer") {
        return Ok(end);
    }
    let company = service.company().await?;
    let ours = graph.settings().provisioning.machine_id.as_deref();
    let is_ours =
        company.client_machine.as_deref().zip(ours).is_some_and(|(last, ours)| last.eq_ignore_ascii_case(ours));
    let notes = end.notes.into_iter().filter(|note| !is_ours || note.code != "other-writer").collect();
    Ok(ImportEnd { notes, ..end })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "0f0e0d0c-0b0a-4908-8706-050403020100";

    fn judged(machine: Option<&str>, hours_ago: i64, is_dir_syncing: Option<bool>) -> String {
        let last = Timestamp::now().as_second() - hours_ago * 3600;
        let tenant = Tenant {
            id: "t".to_owned(),
            name: String::new(),
            domains: Vec::new(),
            sync_enabled: Some(true),
            last_sync: Timestamp::from_second(last).ok(),
        };
        let company = CompanyConfiguration {
            client_machine: machine.map(str::to_owned),
            is_dir_syncing,
            ..CompanyConfiguration::default()
        };
        match judge(&company, &tenant, Some(OURS), false) {
            Ok(()) => "goes".to_owned(),
            Err(ConnectorError { kind: ErrorKind::CannotStart { status }, .. }) => status.to_owned(),
            Err(other) => format!("{other:?}"),
        }
    }

    /// SF24: another writer within a day stops an export, our own last one does not.
    #[test]
    fn sf24_another_writer_stops_an_export() {
        assert_eq!(judged(Some(&OURS.to_uppercase()), 1, Some(true)), "goes");
        assert_eq!(judged(Some("AADC01"), 1, Some(true)), "no-start-other-writer");
        assert_eq!(judged(None, 1, Some(true)), "no-start-other-writer");
        assert_eq!(judged(Some("AADC01"), 25, Some(true)), "goes");
    }

    /// SF25: another source of anchors is a change of the tenant.
    #[test]
    fn sf25_the_anchor_attribute_is_a_fact_of_the_tenant() {
        let tenant = Tenant {
            id: "t".to_owned(),
            name: String::new(),
            domains: vec!["contoso.com (Federated)".to_owned()],
            sync_enabled: Some(true),
            last_sync: None,
        };
        let named = |name: &str| CompanyConfiguration {
            anchor_attribute: Some(name.to_owned()),
            ..CompanyConfiguration::default()
        };
        assert_eq!(facts(&named("mS-DS-ConsistencyGuid"), &tenant)["anchor attribute"], "mS-DS-ConsistencyGuid");
        assert_eq!(facts(&named(""), &tenant), tenant.facts());
        assert_eq!(tenant.facts()["verified domain contoso.com"], "Federated");
    }

    /// SF25: with synchronisation switched off nothing is exported.
    #[test]
    fn sf25_synchronisation_that_is_off_stops_an_export() {
        assert_eq!(judged(Some(OURS), 1, Some(false)), "no-start-synchronisation-off");
        assert_eq!(judged(Some(OURS), 1, None), "goes");
    }
}
