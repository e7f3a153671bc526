//! The tenant's own state: who it is, its domains, whether another tool synchronises into it, and its clock (SF24-SF26).
//! Reads only.

use crate::client::GraphClient;
use crate::model::Page;
use connector_contract::{ConnectorError, ErrorKind, ImportNote};
use jiff::Timestamp;
use serde_json::Value;

/// SF24: another writer counts as active this long after its last synchronisation.
const OTHER_WRITER_SECONDS: i64 = 24 * 3600;
/// SF26.
pub(crate) const SKEW_WARNING_SECONDS: i64 = 60;
pub(crate) const SKEW_STOP_SECONDS: i64 = 300;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tenant {
    pub(crate) id: String,
    pub(crate) name: String,
    /// Verified domains with their kind, `contoso.com (Managed)`, in order.
    pub(crate) domains: Vec<String>,
    /// null: never synchronised.
    pub(crate) sync_enabled: Option<bool>,
    pub(crate) last_sync: Option<Timestamp>,
}

const PATH: &str =
    "/organization?$select=id,displayName,verifiedDomains,onPremisesSyncEnabled,onPremisesLastSyncDateTime";
const ATTEMPTED: &str = "reading the tenant's state";

/// Reads `/organization` (A.10).
pub(crate) async fn read(graph: &GraphClient) -> Result<Tenant, ConnectorError> {
    let url = graph.url(PATH, ATTEMPTED)?;
    let reply = graph.read(&url, ATTEMPTED).await?;
    let base = &graph.settings().graph_url;
    let page = Page::read(reply, base, false, ATTEMPTED, "Organization.Read.All")?;
    let broken = |message: &str| ConnectorError::new(ErrorKind::Protocol, ATTEMPTED, message, "");
    let organization = page.entries.into_iter().next().ok_or_else(|| broken("the tenant has no organization"))?;
    let text = |name: &str| organization.get(name).and_then(Value::as_str);
    let mut domains: Vec<String> = organization
        .get("verifiedDomains")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|domain| {
            let name = domain.get("name")?.as_str()?.to_lowercase();
            let kind = domain.get("type").and_then(Value::as_str).unwrap_or("Managed");
            Some(format!("{name} ({kind})"))
        })
        .collect();
    domains.sort();
    Ok(Tenant {
        id: text("id").ok_or_else(|| broken("the organization has no id"))?.to_owned(),
        name: text("displayName").unwrap_or_default().to_owned(),
        domains,
        sync_enabled: organization.get("onPremisesSyncEnabled").and_then(Value::as_bool),
        last_sync: text("onPremisesLastSyncDateTime").and_then(|time| time.parse().ok()),
    })
}

impl Tenant {
    /// SF24: another tool synchronised into this tenant within a day. In Graph mode this product never moves the
    /// tenant's last synchronisation time, so any recent one is someone else's.
    pub(crate) fn other_writer(&self, now: Timestamp) -> Option<String> {
        let last = self.last_sync.filter(|_| self.sync_enabled == Some(true))?;
        let age = now.as_second() - last.as_second();
        (age < OTHER_WRITER_SECONDS).then(|| format!("another tool synchronised into this tenant at {last}"))
    }

    /// What the operator should see of changes since `before` (SF25).
    pub(crate) fn notes(&self, before: Option<&[String]>, now: Timestamp) -> Vec<ImportNote> {
        let mut notes = Vec::new();
        if let Some(before) = before.filter(|before| *before != self.domains.as_slice()) {
            let message = format!("the verified domains changed: {} -> {}", before.join(", "), self.domains.join(", "));
            notes.push(ImportNote { code: "tenant-changed", message });
        }
        if let Some(message) = self.other_writer(now) {
            notes.push(ImportNote { code: "other-writer", message });
        }
        notes
    }
}

/// SF26: stops on a clock that is more than 300 s off, notes more than 60 s.
pub(crate) fn clock(graph: &GraphClient) -> Result<Option<ImportNote>, ConnectorError> {
    let Some(skew) = graph.skew_seconds() else {
        return Ok(None);
    };
    let message = format!(
        "this machine's clock is {} s {} the service's",
        skew.abs(),
        if skew > 0 { "behind" } else { "ahead of" }
    );
    if skew.abs() > SKEW_STOP_SECONDS {
        let kind = ErrorKind::CannotStart { status: "no-start-clock-skew" };
        return Err(ConnectorError::new(kind, "comparing clocks", message, "set this machine's clock"));
    }
    Ok((skew.abs() > SKEW_WARNING_SECONDS).then_some(ImportNote { code: "clock-skew", message }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(sync_enabled: Option<bool>, last_sync: Option<&str>) -> Tenant {
        Tenant {
            id: "t".to_owned(),
            name: "Contoso".to_owned(),
            domains: vec!["contoso.com (Managed)".to_owned()],
            sync_enabled,
            last_sync: last_sync.map(|time| time.parse().unwrap()),
        }
    }

    /// SF24: a recent synchronisation by another tool, and only that.
    #[test]
    fn another_writer_within_a_day() {
        let now: Timestamp = "2026-01-02T12:00:00Z".parse().unwrap();
        assert!(tenant(Some(true), Some("2026-01-02T11:30:00Z")).other_writer(now).is_some());
        assert!(tenant(Some(true), Some("2026-01-01T11:30:00Z")).other_writer(now).is_none());
        assert!(tenant(Some(false), Some("2026-01-02T11:30:00Z")).other_writer(now).is_none());
        assert!(tenant(None, None).other_writer(now).is_none());
    }

    /// SF25: a change of the verified domains is shown.
    #[test]
    fn changed_domains_are_noted() {
        let now: Timestamp = "2026-01-02T12:00:00Z".parse().unwrap();
        let before = ["contoso.com (Federated)".to_owned()];
        assert_eq!(tenant(None, None).notes(Some(&before), now)[0].code, "tenant-changed");
        let same = tenant(None, None);
        assert!(same.notes(Some(&same.domains), now).is_empty() && same.notes(None, now).is_empty());
    }
}
