//! Where the next delta import continues, and under which conditions: the view, the domain controller, the containers
//! and the attributes it was made with. A change of any of them asks for a full import, with the reason (SF14).

use crate::directory::DirectoryError;
use crate::settings::View;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use connector_contract::Watermark;
use metaverse_schema::Guid;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

const VERSION: u32 = 1;

/// A watermark, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) view: View,
    pub(crate) naming_context: String,
    /// For people: the domain controller's DNS name.
    pub(crate) host: String,
    pub(crate) invocation: Guid,
    pub(crate) usn: u64,
    /// DirSync's own state; opaque.
    pub(crate) cookie: Vec<u8>,
    /// How far every domain controller was seen (SF17).
    pub(crate) cursors: BTreeMap<Guid, u64>,
    pub(crate) containers: Vec<MarkedContainer>,
    pub(crate) classes: Vec<String>,
    pub(crate) attributes: Vec<String>,
    /// Every container in scope: what left or entered since is found by comparing.
    pub(crate) scope: BTreeSet<Guid>,
}

/// A selected container as it was resolved (SF13).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MarkedContainer {
    pub(crate) configured: String,
    pub(crate) include: bool,
    pub(crate) guid: String,
    /// Last known DN.
    pub(crate) dn: String,
}

impl MarkedContainer {
    pub(crate) fn guid(&self) -> Option<Guid> {
        self.guid.parse().ok()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MarkError {
    #[error("the watermark cannot be read ({0})")]
    Unreadable(String),
    #[error("the watermark is of version {0}, this program writes version {VERSION}")]
    Version(u32),
}

/// The text form: JSON, GUIDs as text, bytes and the long list of containers as base64.
#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    view: String,
    naming_context: String,
    host: String,
    invocation: String,
    usn: u64,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    cookie: String,
    cursors: BTreeMap<String, u64>,
    containers: Vec<MarkedContainer>,
    classes: Vec<String>,
    attributes: Vec<String>,
    scope: String,
}

impl Mark {
    pub(crate) fn encode(&self) -> Watermark {
        let scope: Vec<u8> = self.scope.iter().flat_map(|guid| *guid.as_directory_bytes()).collect();
        let stored = Stored {
            version: VERSION,
            view: self.view.name().to_owned(),
            naming_context: self.naming_context.clone(),
            host: self.host.clone(),
            invocation: self.invocation.to_string(),
            usn: self.usn,
            cookie: BASE64.encode(&self.cookie),
            cursors: self.cursors.iter().map(|(guid, usn)| (guid.to_string(), *usn)).collect(),
            containers: self.containers.clone(),
            classes: self.classes.clone(),
            attributes: self.attributes.clone(),
            scope: BASE64.encode(scope),
        };
        // Maps with text keys, numbers and texts: serialising them cannot fail, and an empty mark would be refused.
        Watermark(serde_json::to_string(&stored).unwrap_or_default())
    }

    pub(crate) fn decode(watermark: &Watermark) -> Result<Mark, MarkError> {
        let unreadable = |what: &str| MarkError::Unreadable(what.to_owned());
        let stored: Stored =
            serde_json::from_str(&watermark.0).map_err(|error| MarkError::Unreadable(error.to_string()))?;
        if stored.version != VERSION {
            return Err(MarkError::Version(stored.version));
        }
        let guid = |text: &str| text.parse::<Guid>().map_err(|error| MarkError::Unreadable(error.to_string()));
        let cursors = stored.cursors.iter().map(|(id, usn)| Ok((guid(id)?, *usn))).collect::<Result<_, MarkError>>()?;
        let scope = BASE64.decode(&stored.scope).map_err(|_| unreadable("scope"))?;
        if scope.len() % 16 != 0 {
            return Err(unreadable("scope"));
        }
        if stored.containers.iter().any(|container| container.guid().is_none()) {
            return Err(unreadable("containers"));
        }
        Ok(Mark {
            view: View::from_name(&stored.view).ok_or_else(|| unreadable("view"))?,
            invocation: guid(&stored.invocation)?,
            cookie: BASE64.decode(&stored.cookie).map_err(|_| unreadable("cookie"))?,
            cursors,
            scope: scope.chunks_exact(16).filter_map(|bytes| Guid::from_slice(bytes).ok()).collect(),
            naming_context: stored.naming_context,
            host: stored.host,
            usn: stored.usn,
            containers: stored.containers,
            classes: stored.classes,
            attributes: stored.attributes,
        })
    }

    /// Why a delta import with these settings cannot continue from here; `None` when it can.
    pub(crate) fn outdated_by(&self, now: &Conditions<'_>) -> Option<String> {
        if self.naming_context.to_lowercase() != now.naming_context.to_lowercase() {
            return Some(format!(
                "the last import was of `{}`, the settings now say `{}`",
                self.naming_context, now.naming_context
            ));
        }
        if self.view != now.view {
            return Some(format!(
                "the last import used the view `{}`, this one would use `{}`, and they may show different objects",
                self.view, now.view
            ));
        }
        let before: Vec<(&str, bool)> =
            self.containers.iter().map(|container| (container.configured.as_str(), container.include)).collect();
        if before != now.containers {
            return Some("the selected containers were changed in the settings".to_owned());
        }
        if self.classes != now.classes {
            return Some("the selected object types were changed in the settings".to_owned());
        }
        if self.attributes != now.attributes {
            let names = |list: &[String], other: &[String]| {
                let missing: Vec<&str> = list.iter().filter(|name| !other.contains(name)).map(String::as_str).collect();
                if missing.is_empty() { "none".to_owned() } else { missing.join(", ") }
            };
            return Some(format!(
                "the imported attributes changed (new: {}; gone: {})",
                names(now.attributes, &self.attributes),
                names(&self.attributes, now.attributes)
            ));
        }
        None
    }
}

/// What a delta import would be made with.
pub(crate) struct Conditions<'a> {
    pub(crate) view: View,
    pub(crate) naming_context: &'a str,
    pub(crate) containers: Vec<(&'a str, bool)>,
    pub(crate) classes: &'a [String],
    pub(crate) attributes: &'a [String],
}

/// Whether a server's refusal means that its own cookie is of no more use: Samba answers 12 to one that it cannot read,
/// other servers 53. Either way the cookie is dropped and everything is read.
pub(crate) fn refuses_cookie(error: &DirectoryError) -> bool {
    use crate::directory::{RC_CRITICAL_EXTENSION, RC_UNWILLING};
    matches!(error.code(), Some(RC_CRITICAL_EXTENSION | RC_UNWILLING))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn mark() -> Mark {
        let guid: Guid = "00112233-4455-6677-8899-aabbccddeeff".parse().unwrap();
        Mark {
            view: View::DirSync,
            naming_context: "DC=corp,DC=example,DC=com".to_owned(),
            host: "dc1.corp.example.com".to_owned(),
            invocation: guid,
            usn: 4_711,
            cookie: vec![0, 255, 7],
            cursors: [(guid, 4_711)].into(),
            containers: vec![MarkedContainer {
                configured: "OU=Zoë,DC=corp,DC=example,DC=com".to_owned(),
                include: true,
                guid: guid.to_string(),
                dn: "OU=Zoé,DC=corp,DC=example,DC=com".to_owned(),
            }],
            classes: vec!["user".to_owned()],
            attributes: vec!["mail".to_owned(), "sn".to_owned()],
            scope: [guid].into(),
        }
    }

    #[test]
    fn a_watermark_comes_back_as_it_was() {
        let mark = mark();
        assert_eq!(Mark::decode(&mark.encode()), Ok(mark));
    }

    #[test]
    fn a_damaged_watermark_is_an_error() {
        let whole = mark().encode().0;
        for broken in [
            String::new(),
            whole[..whole.len() - 1].to_owned(),
            whole.replace("\"version\":1", "\"version\":2"),
            whole.replace("dirsync", "all"),
            whole.replace("00112233-4455-6677-8899-aabbccddeeff", "x"),
            whole.replace("AP8H", "!"),
        ] {
            assert!(Mark::decode(&Watermark(broken.clone())).is_err(), "{broken}");
        }
    }

    /// SF14: the view, the selection and the attributes of the last import must be those of this one.
    #[test]
    fn every_change_of_conditions_has_a_reason() {
        let mark = mark();
        let classes = mark.classes.clone();
        let attributes = mark.attributes.clone();
        let conditions = || Conditions {
            view: View::DirSync,
            naming_context: "dc=corp,dc=example,dc=com",
            containers: vec![("OU=Zoë,DC=corp,DC=example,DC=com", true)],
            classes: &classes,
            attributes: &attributes,
        };
        assert_eq!(mark.outdated_by(&conditions()), None);
        let reason = |now: Conditions<'_>| mark.outdated_by(&now).unwrap();
        assert!(reason(Conditions { view: View::Usn, ..conditions() }).contains("view"));
        assert!(reason(Conditions { naming_context: "DC=x", ..conditions() }).contains("DC=x"));
        assert!(reason(Conditions { containers: vec![], ..conditions() }).contains("containers"));
        assert!(reason(Conditions { classes: &[], ..conditions() }).contains("types"));
        let fewer = ["mail".to_owned(), "title".to_owned()];
        assert!(reason(Conditions { attributes: &fewer, ..conditions() }).contains("new: title; gone: sn"));
    }
}
