//! Names the right whose absence made a domain controller refuse a write: which right, on what, and how to grant it on
//! either kind of server. Reads what the server says this account may do there; changes nothing.

use crate::decode;
use crate::directory::{DirectoryError, SearchRequest, read_all, read_object};
use crate::entry::Entry;
use crate::session::Session;
use metaverse_schema::{Dn, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Constructed by the server for the account that asks (MS-ADTS 3.1.1.4.5.8 and 3.1.1.4.5.9).
const CHILD_CLASSES: &str = "allowedChildClassesEffective";
const ATTRIBUTES: &str = "allowedAttributesEffective";

/// Reanimate-Tombstones (MS-ADTS 5.1.3.2.1).
const REANIMATE: &str = "45ec5156-db7e-47bb-b53f-dbeb2d03c40f";

/// Something that was to be done, or will be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Deed<'a> {
    Create {
        class: &'a str,
        container: &'a Dn,
    },
    /// `name` is a DN or `<GUID=...>`.
    Write {
        name: &'a str,
        attributes: &'a [String],
    },
    /// A new name, a new container, or both.
    Rename {
        from: &'a Dn,
        to: &'a Dn,
    },
    Delete {
        name: &'a str,
    },
    Reanimate,
}

/// A right that the account does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MissingRight {
    /// Such as `Write Property department on CN=Ann,OU=Sales,DC=corp,DC=example`.
    pub(crate) right: String,
    /// The attribute it is about.
    pub(crate) attribute: Option<String>,
    grant: Grant,
}

impl MissingRight {
    /// Equal for rights that one grant gives.
    pub(crate) fn grant_text(&self) -> String {
        let Grant { on, dsacls: (inheritance, what), .. } = &self.grant;
        format!("{on}{inheritance} {what}")
    }
}

/// An access control entry, to be written for the account.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Grant {
    on: String,
    /// What dsacls takes: inheritance, then rights behind the account's name.
    dsacls: (&'static str, String),
    /// The rights of the entry in SDDL, and what they are about: the name of a class or an attribute, or a GUID.
    letters: &'static str,
    subject: String,
}

/// What a refusal comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Missing {
    pub(crate) message: String,
    pub(crate) remedy: String,
    /// When exactly one attribute is meant.
    pub(crate) attribute: Option<String>,
}

/// The rights that the deed needs and the account lacks, as far as the server tells; for a deed that was refused and of
/// which the server shows nothing missing, see [`explain`].
pub(crate) async fn missing(session: &Session, deed: Deed<'_>) -> Result<Vec<MissingRight>, DirectoryError> {
    Ok(match deed {
        Deed::Create { class, container } => {
            let allowed = allowed(session, &container.to_string(), CHILD_CLASSES).await?;
            if allowed.is_some_and(|allowed| !allowed.names.contains(&class.to_ascii_lowercase())) {
                vec![create_child(class, container)]
            } else {
                Vec::new()
            }
        }
        Deed::Write { name, attributes } => match allowed(session, name, ATTRIBUTES).await? {
            Some(object) => attributes
                .iter()
                .filter(|attribute| !object.names.contains(&attribute.to_ascii_lowercase()))
                .map(|attribute| write_property(attribute, &object.class, &object.dn))
                .collect(),
            None => Vec::new(),
        },
        Deed::Rename { from, to } => rename(session, from, to).await?,
        Deed::Delete { .. } | Deed::Reanimate => Vec::new(),
    })
}

/// For a deed that the server refused for want of a right. Where the server does not show which one is missing, the one
/// that the deed needs is named.
pub(crate) async fn explain(session: &Session, account: &str, deed: Deed<'_>) -> Result<Missing, DirectoryError> {
    let mut rights = missing(session, deed).await?;
    if rights.is_empty() {
        rights = needed(session, deed).await?;
    }
    let grants = grants(session, account, &rights).await?;
    let attribute = match rights.as_slice() {
        [right] => right.attribute.clone(),
        _ => None,
    };
    Ok(Missing { message: listed(account, &rights), remedy: grants, attribute })
}

/// `the account X lacks: ...`.
fn listed(account: &str, rights: &[MissingRight]) -> String {
    let names: Vec<&str> = rights.iter().map(|right| right.right.as_str()).collect();
    format!("the account {account} lacks: {}", names.join("; "))
}

async fn rename(session: &Session, from: &Dn, to: &Dn) -> Result<Vec<MissingRight>, DirectoryError> {
    let mut rights = Vec::new();
    let Some(object) = allowed(session, &from.to_string(), ATTRIBUTES).await? else {
        return Ok(rights);
    };
    let naming = from.rdn().and_then(|rdn| rdn.assertions().first()).map_or("cn", |pair| pair.attribute.as_str());
    // Servers do not list `name`, which goes with the naming attribute: it is written by the system only.
    let naming = naming.to_ascii_lowercase();
    if !object.names.contains(&naming) {
        rights.extend([&naming, "name"].map(|attribute| write_property(attribute, &object.class, &object.dn)));
    }
    let (before, after) = (from.parent().unwrap_or_default(), to.parent().unwrap_or_default());
    if before.normalised() != after.normalised() {
        rights.extend(Box::pin(missing(session, Deed::Create { class: &object.class, container: &after })).await?);
    }
    Ok(rights)
}

/// The rights that a deed takes, whatever the account has.
async fn needed(session: &Session, deed: Deed<'_>) -> Result<Vec<MissingRight>, DirectoryError> {
    Ok(match deed {
        Deed::Create { class, container } => vec![create_child(class, container)],
        Deed::Write { name, attributes } => {
            let object = object(session, name).await?;
            attributes.iter().map(|attribute| write_property(attribute, &object.class, &object.dn)).collect()
        }
        // Everything that the server shows is there, so it is one of those that it does not show.
        Deed::Rename { from, to } => {
            let object = object(session, &from.to_string()).await?;
            let moves = from.parent().map(|dn| dn.normalised()) != to.parent().map(|dn| dn.normalised());
            let name = write_property("name", &object.class, &object.dn);
            if moves { vec![name, delete(&object)] } else { vec![name] }
        }
        Deed::Delete { name } => vec![delete(&object(session, name).await?)],
        Deed::Reanimate => {
            let on = session.controller.naming_context.to_string();
            vec![MissingRight {
                right: format!("Reanimate Tombstones on {on}"),
                attribute: None,
                grant: Grant {
                    on,
                    dsacls: ("", "CA;Reanimate Tombstones".to_owned()),
                    letters: "CR",
                    subject: REANIMATE.to_owned(),
                },
            }]
        }
    })
}

fn create_child(class: &str, container: &Dn) -> MissingRight {
    MissingRight {
        right: format!("Create Child {class} on {container}"),
        attribute: None,
        grant: Grant {
            on: container.to_string(),
            dsacls: (" /I:T", format!("CC;{class}")),
            letters: "CC",
            subject: class.to_owned(),
        },
    }
}

fn write_property(attribute: &str, class: &str, dn: &str) -> MissingRight {
    MissingRight {
        right: format!("Write Property {attribute} on {dn}"),
        attribute: Some(attribute.to_owned()),
        grant: Grant {
            on: container_of(dn),
            dsacls: (" /I:S", format!("WP;{attribute};{class}")),
            letters: "WP",
            subject: attribute.to_owned(),
        },
    }
}

fn delete(object: &Allowed) -> MissingRight {
    let on = container_of(&object.dn);
    MissingRight {
        right: format!("Delete on {}, or Delete Child {} on {on}", object.dn, object.class),
        attribute: None,
        grant: Grant {
            on,
            dsacls: (" /I:T", format!("DC;{}", object.class)),
            letters: "DC",
            subject: object.class.clone(),
        },
    }
}

fn container_of(dn: &str) -> String {
    dn.parse::<Dn>().ok().and_then(|dn| dn.parent()).map_or_else(|| dn.to_owned(), |parent| parent.to_string())
}

/// How to grant the rights, on Windows and on Samba; each grant once.
pub(crate) async fn grants(
    session: &Session,
    account: &str,
    rights: &[MissingRight],
) -> Result<String, DirectoryError> {
    let sid = match session.controller.own_account(session.directory.as_ref(), account).await {
        Ok(own) => match &own.value {
            Value::Binary(bytes) => decode::sid(bytes).map(|sid| sid.to_string()),
            _ => None,
        },
        // Only its place in the example is left open.
        Err(_) => None,
    }
    .unwrap_or_else(|| "SID".to_owned());
    let ids = schema_ids(session, rights).await?;
    let (mut windows, mut samba) = (BTreeSet::new(), BTreeMap::<&str, String>::new());
    for right in rights {
        let Grant { on, dsacls: (inheritance, what), letters, subject } = &right.grant;
        windows.insert(format!("dsacls \"{on}\"{inheritance} /G \"{account}:{what}\""));
        let id = ids.get(&subject.to_ascii_lowercase()).map_or(subject.as_str(), String::as_str);
        let flags = if *letters == "CR" { "" } else { "CI" };
        let entry = format!("(OA;{flags};{letters};{id};;{sid})");
        let entries = samba.entry(on).or_default();
        if !entries.contains(&entry) {
            entries.push_str(&entry);
        }
    }
    let windows: Vec<String> = windows.into_iter().collect();
    let samba: Vec<String> = samba
        .into_iter()
        .map(|(on, entries)| format!("samba-tool dsacl set --objectdn=\"{on}\" --sddl=\"{entries}\""))
        .collect();
    Ok(format!("grant it: Windows: {}; Samba: {}", windows.join(" && "), samba.join(" && ")))
}

/// `schemaIDGUID` of the classes and attributes that the grants name, by lower-case name.
async fn schema_ids(session: &Session, rights: &[MissingRight]) -> Result<BTreeMap<String, String>, DirectoryError> {
    let names: BTreeSet<&str> =
        rights.iter().map(|right| right.grant.subject.as_str()).filter(|name| *name != REANIMATE).collect();
    if names.is_empty() {
        return Ok(BTreeMap::new());
    }
    let terms: String = names.iter().map(|name| format!("(lDAPDisplayName={})", ldap3::ldap_escape(*name))).collect();
    let request = SearchRequest::subtree(
        session.controller.schema_context.clone(),
        format!("(|{terms})"),
        ["lDAPDisplayName", "schemaIDGUID"].map(str::to_owned).to_vec(),
    );
    let found = read_all(session.directory.as_ref(), request, session.page_size).await?;
    Ok(found
        .iter()
        .filter_map(|entry| {
            let name = entry.first_text("lDAPDisplayName")?.to_ascii_lowercase();
            Some((name, entry.first_guid("schemaIDGUID")?.to_string()))
        })
        .collect())
}

/// What the account may do at one object.
struct Allowed {
    dn: String,
    class: String,
    /// In lower case.
    names: BTreeSet<String>,
}

async fn allowed(session: &Session, name: &str, list: &str) -> Result<Option<Allowed>, DirectoryError> {
    let request = SearchRequest::object(name, &["objectClass", list]);
    let found = read_object(session.directory.as_ref(), &request).await?;
    Ok(found.map(|entry| allowed_by(&entry, list)))
}

fn allowed_by(entry: &Entry, list: &str) -> Allowed {
    Allowed {
        dn: entry.dn.clone(),
        class: entry.texts("objectClass").last().map_or_else(|| "object".to_owned(), |class| (*class).to_owned()),
        names: entry.texts(list).iter().map(|name| name.to_ascii_lowercase()).collect(),
    }
}

/// The object itself; by the name it was asked for when the account may not see it.
async fn object(session: &Session, name: &str) -> Result<Allowed, DirectoryError> {
    let found = allowed(session, name, ATTRIBUTES).await?;
    Ok(found.unwrap_or_else(|| Allowed { dn: name.to_owned(), class: "object".to_owned(), names: BTreeSet::new() }))
}
