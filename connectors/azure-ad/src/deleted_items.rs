//! The look into the recycle bin before any create (SF9): is there a deleted user with the same anchor, sign-in name or
//! primary address? Never restores or purges.
//!
//! The bin is listed whole and matched here rather than asked by filter: its sign-in names carry a prefix (A.9), which
//! only an advanced query could match, and advanced queries are answered from an index that lags. The list is kept for
//! half a minute, or ten times as long as reading it took.

use crate::client::GraphClient;
use crate::errors::problem;
use crate::model::{self, Entry};
use crate::pages::Pages;
use crate::schema::DELETED_USER;
use crate::urls;
use connector_contract::{ConnectorError, ExportProblem};
use jiff::Timestamp;
use metaverse_schema::Attributes;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

const FRESH_FOR: Duration = Duration::from_secs(30);
const SELECT: &str =
    "id,displayName,userPrincipalName,mail,proxyAddresses,onPremisesImmutableId,assignedLicenses,deletedDateTime";

/// A deleted user, as far as it is needed for the look-up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DeletedUser {
    id: String,
    name: String,
    deleted: Option<Timestamp>,
    licences: usize,
}

/// The bin by what a create would collide with; addresses and names in lower case.
#[derive(Debug, Default)]
pub(crate) struct Bin {
    users: Vec<DeletedUser>,
    by_anchor: HashMap<String, usize>,
    by_name: HashMap<String, usize>,
    by_address: HashMap<String, usize>,
}

/// The list and when it was read.
#[derive(Debug, Default)]
pub(crate) struct DeletedItems(Mutex<Option<(Arc<Bin>, Instant)>>);

impl DeletedItems {
    /// The bin as it is now, or was a moment ago.
    pub(crate) async fn current(&self, graph: &GraphClient) -> Result<Arc<Bin>, ConnectorError> {
        let mut held = self.0.lock().await;
        if let Some((bin, until)) = held.as_ref().filter(|(_, until)| *until > Instant::now()) {
            tracing::trace!(until = ?until, "the list of deleted users is fresh");
            return Ok(bin.clone());
        }
        let started = Instant::now();
        let bin = Arc::new(read(graph).await?);
        let fresh_for = FRESH_FOR.max(started.elapsed() * 10);
        *held = Some((bin.clone(), Instant::now() + fresh_for));
        Ok(bin)
    }

    /// Something was deleted or restored through this connector.
    pub(crate) async fn changed(&self) {
        *self.0.lock().await = None;
    }
}

async fn read(graph: &GraphClient) -> Result<Bin, ConnectorError> {
    let path = urls::deleted_users(SELECT);
    let mut pages = Pages::collection(graph, &path, "looking for deleted users", DELETED_USER.right)?;
    let mut bin = Bin::default();
    while let Some(page) = pages.next().await? {
        page.entries.iter().for_each(|entry| bin.add(entry));
    }
    Ok(bin)
}

impl Bin {
    pub(crate) fn add(&mut self, entry: &Entry) {
        let Some(id) = model::id(entry) else { return };
        let text = |name: &str| entry.get(name).and_then(Value::as_str);
        let list = |name: &str| entry.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let index = self.users.len();
        self.users.push(DeletedUser {
            id: id.to_owned(),
            name: text("displayName").unwrap_or(id).to_owned(),
            deleted: text("deletedDateTime").and_then(|time| time.parse().ok()),
            licences: list("assignedLicenses").len(),
        });
        if let Some(anchor) = text("onPremisesImmutableId") {
            self.by_anchor.insert(anchor.to_owned(), index);
        }
        if let Some(name) = text("userPrincipalName") {
            self.by_name.insert(model::name_in_bin(id, name).to_lowercase(), index);
        }
        let addresses = list("proxyAddresses").iter().filter_map(Value::as_str).filter_map(smtp);
        for address in addresses.chain(text("mail")) {
            self.by_address.insert(address.to_lowercase(), index);
        }
    }

    /// SF9, in its order: by anchor, then by sign-in name, then by primary address.
    pub(crate) fn twin_of(&self, attributes: &Attributes, now: Timestamp) -> Option<ExportProblem> {
        let text = |name: &str| attributes.text(name);
        if let Some(user) = text("onPremisesImmutableId").and_then(|anchor| self.user(&self.by_anchor, anchor)) {
            let message = format!("the deleted user {} carries this anchor", user.told(now));
            let remedy = "import and synchronise Azure AD: the deleted user is then restored instead of a new one made";
            return Some(problem("deleted-twin", Some("onPremisesImmutableId"), message, remedy, false));
        }
        let primary = attributes.get("proxyAddresses").into_iter().flatten().filter_map(|value| value.as_text());
        let primary = primary.filter_map(|address| address.strip_prefix("SMTP:"));
        let addresses = text("mail").into_iter().chain(primary);
        let by_name = text("userPrincipalName")
            .and_then(|name| self.user(&self.by_name, &name.to_lowercase()))
            .map(|user| ("userPrincipalName", user));
        let (attribute, user) = by_name.or_else(|| {
            addresses
                .filter_map(|address| self.user(&self.by_address, &address.to_lowercase()))
                .map(|user| ("mail", user))
                .next()
        })?;
        let message = format!("the deleted user {} has the same {attribute}", user.told(now));
        let remedy = "restore that user in Azure AD, so that it can be matched, or delete it permanently, so that a new one can be made";
        Some(problem("deleted-twin", Some(attribute), message, remedy, false))
    }

    fn user(&self, index: &HashMap<String, usize>, key: &str) -> Option<&DeletedUser> {
        self.users.get(*index.get(key)?)
    }
}

impl DeletedUser {
    /// Name, id, age and licences.
    fn told(&self, now: Timestamp) -> String {
        let age = match self.deleted {
            Some(deleted) => format!("deleted {} days ago", (now.as_second() - deleted.as_second()).max(0) / 86_400),
            None => "deleted at an unknown time".to_owned(),
        };
        let licences = match self.licences {
            0 => "no licence".to_owned(),
            1 => "1 licence".to_owned(),
            several => format!("{several} licences"),
        };
        format!("`{}` ({}, {age}, {licences})", self.name, self.id)
    }
}

fn smtp(address: &str) -> Option<&str> {
    address.get(..5).filter(|prefix| prefix.eq_ignore_ascii_case("smtp:")).and_then(|_| address.get(5..))
}

#[cfg(test)]
mod tests {
    use super::*;
    use metaverse_schema::Value as Held;
    use serde_json::json;

    fn bin() -> Bin {
        let mut bin = Bin::default();
        for user in [
            json!({"id": "aa-1", "displayName": "Ann", "userPrincipalName": "aa1Ann@contoso.com", "onPremisesImmutableId": "QUFB",
                "assignedLicenses": [{"skuId": "s"}], "deletedDateTime": "2026-01-01T00:00:00Z"}),
            json!({"id": "bb-2", "displayName": "Bob", "userPrincipalName": "bb2bob@contoso.com",
                "proxyAddresses": ["SMTP:Robert@contoso.com", "smtp:bob.old@contoso.com", "x500:/o=x"]}),
            json!({"displayName": "without id"}),
        ] {
            bin.add(user.as_object().unwrap());
        }
        bin
    }

    fn twin(pairs: &[(&str, &str)]) -> String {
        let mut attributes = Attributes::new();
        pairs.iter().for_each(|(name, value)| {
            attributes.add(*name, Held::text(*value));
        });
        let now = "2026-01-11T05:00:00Z".parse().unwrap();
        match bin().twin_of(&attributes, now) {
            Some(problem) => format!("{} {:?} {} {}", problem.code, problem.attribute, problem.message, problem.retry),
            None => "none".to_owned(),
        }
    }

    /// SF9: anchor before sign-in name before address; age and licence are told; nothing is tried again by itself.
    #[test]
    fn twins_by_anchor_name_and_address() {
        let by_anchor = twin(&[("onPremisesImmutableId", "QUFB"), ("userPrincipalName", "bob@contoso.com")]);
        assert_eq!(
            by_anchor,
            "deleted-twin Some(onPremisesImmutableId) the deleted user `Ann` (aa-1, deleted 10 days ago, 1 licence) carries this anchor false"
        );
        assert!(twin(&[("userPrincipalName", "ANN@contoso.com")]).contains("same userPrincipalName"));
        assert!(twin(&[("mail", "robert@CONTOSO.com")]).contains("`Bob`"));
        assert!(twin(&[("proxyAddresses", "SMTP:bob.old@contoso.com")]).contains("same mail"));
        assert_eq!(twin(&[("proxyAddresses", "smtp:robert@contoso.com")]), "none");
        assert_eq!(twin(&[("onPremisesImmutableId", "qufb"), ("mail", "new@contoso.com")]), "none");
    }
}
