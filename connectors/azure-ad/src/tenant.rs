//! The tenant's own state: who it is, its domains, whether another tool synchronises into it, and its clock (SF24-SF26).
//! Reads only.

use crate::client::GraphClient;
use crate::client::Reply;
use crate::model::Page;
use crate::urls;
use connector_contract::{Closed, ConnectorError, ErrorKind, ImportNote, StateOfSystem};
use jiff::Timestamp;
use reqwest::Url;
use serde_json::Value;
use std::collections::BTreeMap;

/// SF24: another writer counts as active this long after its last synchronisation.
const OTHER_WRITER_SECONDS: i64 = 24 * 3600;
pub(crate) const OTHER_WRITER_REMEDY: &str =
    "stop the other tool, or set allow_other_writer = true if both write different objects";
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
    of_page(reply, &graph.settings().graph_url)
}

/// The tenant that a page of organizations tells of.
pub(crate) fn of_page(reply: Reply, base: &Url) -> Result<Tenant, ConnectorError> {
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

/// Whether users are synchronised ones still: after the switch-off that takes up to 72 hours (A.10).
pub(crate) async fn has_synced_users(graph: &GraphClient) -> Result<bool, ConnectorError> {
    let attempted = "looking for synchronised users";
    let url = graph.url(&urls::any_synced_user(), attempted)?;
    let reply = graph.read(&url, attempted).await?;
    let page = Page::read(reply, &graph.settings().graph_url, false, attempted, "User.Read.All")?;
    Ok(!page.entries.is_empty())
}

impl Tenant {
    /// What does not change by itself, and is shown and approved when it does (SF25).
    pub(crate) fn facts(&self) -> BTreeMap<String, String> {
        let synchronisation = match self.sync_enabled {
            Some(true) => "on",
            Some(false) => "off",
            None => "never on",
        };
        let mut facts = BTreeMap::from([
            ("tenant".to_owned(), self.id.clone()),
            ("directory synchronisation".to_owned(), synchronisation.to_owned()),
        ]);
        for domain in &self.domains {
            let (name, kind) = domain.split_once(" (").unwrap_or((domain, ""));
            facts.insert(format!("verified domain {name}"), kind.trim_end_matches(')').to_owned());
        }
        facts
    }

    /// What an export looks at before it begins: the facts, and whether another tool writes too (SF24).
    pub(crate) fn state(&self, now: Timestamp, allow_other_writer: bool) -> StateOfSystem {
        let other = self.other_writer(now).filter(|_| !allow_other_writer);
        let closed = other.map(|message| Closed {
            status: "no-start-other-writer",
            message: format!("nothing was exported; {message}"),
            remedy: OTHER_WRITER_REMEDY.to_owned(),
        });
        StateOfSystem { facts: self.facts(), closed }
    }

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

    /// SF24, SF25: what is compared from run to run, and what closes the tenant.
    #[test]
    fn sf25_the_state_names_each_fact_of_the_tenant() {
        let now: Timestamp = "2026-01-02T12:00:00Z".parse().unwrap();
        let mut federated = tenant(Some(true), Some("2026-01-02T11:30:00Z"));
        federated.domains.push("fabrikam.com (Federated)".to_owned());
        let state = federated.state(now, false);
        let facts: Vec<String> = state.facts.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        assert_eq!(
            facts,
            [
                "directory synchronisation: on",
                "tenant: t",
                "verified domain contoso.com: Managed",
                "verified domain fabrikam.com: Federated",
            ]
        );
        assert_eq!(state.closed.unwrap().status, "no-start-other-writer");
        assert_eq!(federated.state(now, true).closed, None);
        assert_eq!(tenant(None, None).state(now, false).facts["directory synchronisation"], "never on");
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
