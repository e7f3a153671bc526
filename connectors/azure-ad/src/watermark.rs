//! The watermark: where each delta round continues, and in which tenant and view it was made. A watermark of another
//! tenant or view is refused (SF14). Holds no secret; delta links are opaque and are kept unchanged below the root URL.

use crate::client::GraphClient;
use crate::schema::{CONTACT, Class, GROUP, USER};
use crate::tenant::Tenant;
use crate::urls;
use connector_contract::{ConnectorError, ErrorKind, Watermark};
use reqwest::Url;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

const VERSION: u32 = 1;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mark {
    version: u32,
    tenant: String,
    /// Digest of the select lists.
    view: String,
    users: String,
    groups: String,
    contacts: Option<String>,
    /// The verified domains when it was made (SF25).
    pub(crate) domains: Vec<String>,
    /// Connect mode: where ReadBack continues.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) read_back: Option<String>,
}

/// Digest of what is asked for: a changed list means that values were never requested (SF27).
fn view(contacts: bool) -> String {
    let mut hasher = Sha256::new();
    for class in [USER, GROUP, CONTACT] {
        hasher.update(class.select());
        hasher.update([0]);
    }
    hasher.update([u8::from(contacts)]);
    hasher.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

impl Mark {
    pub(crate) fn new(
        graph: &GraphClient,
        tenant: &Tenant,
        users: &Url,
        groups: &Url,
        contacts: Option<&Url>,
    ) -> Result<Mark, ConnectorError> {
        let base = &graph.settings().graph_url;
        let kept = |link: &Url| {
            urls::relative(base, link).ok_or_else(|| {
                let message = "a delta link does not begin with the configured root";
                ConnectorError::new(ErrorKind::Protocol, "keeping the watermark", message, "")
            })
        };
        Ok(Mark {
            version: VERSION,
            tenant: tenant.id.clone(),
            view: view(graph.settings().contacts),
            users: kept(users)?,
            groups: kept(groups)?,
            contacts: contacts.map(kept).transpose()?,
            domains: tenant.domains.clone(),
            read_back: None,
        })
    }

    /// The same, with the place where ReadBack continues.
    pub(crate) fn continued_by(self, read_back: Option<String>) -> Mark {
        Mark { read_back, ..self }
    }

    pub(crate) fn to_watermark(&self) -> Result<Watermark, ConnectorError> {
        serde_json::to_string(self)
            .map(Watermark)
            .map_err(|error| ConnectorError::new(ErrorKind::Protocol, "keeping the watermark", error.to_string(), ""))
    }

    /// Reads a watermark, whatever tenant and view it is of.
    pub(crate) fn read(watermark: &Watermark) -> Result<Mark, ConnectorError> {
        let mark: Result<Mark, _> = serde_json::from_str(&watermark.0);
        match mark {
            Ok(mark) if mark.version == VERSION => Ok(mark),
            Ok(mark) => Err(full_import(format!("it is of version {}", mark.version))),
            Err(error) => Err(full_import(format!("it cannot be read: {error}"))),
        }
    }

    /// Refuses a watermark that does not fit this tenant and view.
    pub(crate) fn fits(&self, graph: &GraphClient, tenant: &Tenant) -> Result<(), ConnectorError> {
        if self.tenant != tenant.id {
            return Err(full_import(format!("it is of tenant {}, this is {}", self.tenant, tenant.id)));
        }
        if self.view != view(graph.settings().contacts) {
            return Err(full_import("other attributes or classes are read now".to_owned()));
        }
        Ok(())
    }

    /// The link of a class, under the root that is configured now.
    pub(crate) fn link(&self, graph: &GraphClient, class: &Class) -> Result<Option<Url>, ConnectorError> {
        let kept = match class.name {
            name if name == USER.name => Some(&self.users),
            name if name == GROUP.name => Some(&self.groups),
            _ => self.contacts.as_ref(),
        };
        let url = |path: &String| urls::absolute(&graph.settings().graph_url, path);
        kept.map(url).transpose().map_err(|problem| full_import(format!("its link is not usable: {problem}")))
    }
}

fn full_import(why: String) -> ConnectorError {
    let message = format!("the watermark cannot be continued: {why}");
    ConnectorError::new(ErrorKind::FullImportRequired, "continuing from the watermark", message, "run a full import")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(contacts: bool) -> GraphClient {
        let mut settings = crate::settings::tests::example();
        settings.contacts = contacts;
        GraphClient::new(settings).unwrap()
    }

    fn tenant(id: &str) -> Tenant {
        Tenant { id: id.to_owned(), name: String::new(), domains: Vec::new(), sync_enabled: None, last_sync: None }
    }

    #[test]
    fn links_survive_unchanged_and_fit_their_tenant_and_view_only() {
        let link = |name: &str| {
            Url::parse(&format!("https://graph.microsoft.com/v1.0/{name}/delta?$deltatoken=a%2B_b")).unwrap()
        };
        let graph = graph(true);
        let mark = Mark::new(&graph, &tenant("t1"), &link("users"), &link("groups"), Some(&link("contacts"))).unwrap();
        let read = Mark::read(&mark.to_watermark().unwrap()).unwrap();
        assert_eq!(read.link(&graph, USER).unwrap(), Some(link("users")));
        assert_eq!(read.link(&graph, CONTACT).unwrap(), Some(link("contacts")));
        assert!(read.fits(&graph, &tenant("t1")).is_ok());
        for error in [
            read.fits(&graph, &tenant("t2")).unwrap_err(),
            read.fits(&self::graph(false), &tenant("t1")).unwrap_err(),
            Mark::read(&Watermark("{}".to_owned())).unwrap_err(),
            Mark::read(&Watermark("half".to_owned())).unwrap_err(),
        ] {
            assert_eq!(error.kind, ErrorKind::FullImportRequired, "{error}");
        }
        let foreign = Url::parse("https://evil.example/v1.0/users/delta").unwrap();
        assert!(Mark::new(&graph, &tenant("t1"), &foreign, &link("groups"), None).is_err());
    }
}
