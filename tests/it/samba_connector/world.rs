//! What the tests of the Active Directory connector share: a seeded domain, a connector to it, a connector space that
//! applies import items, and the oracle: the domain controller's own database, read without LDAP by `dump.py`.

use base64::Engine as _;
use connector_active_directory::{ActiveDirectory, Settings, settings_table};
use connector_contract::{
    Connector, ConnectorError, FullImport, ImportEnd, ImportItem, ImportSink, ImportedObject, Watermark,
};
use metasync_tests::lab::{DOMAIN, DomainController, script};
use metaverse_schema::{Anchor, Dn, Guid, Reference, Setting, SettingValue, Value, ValueKind};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

pub(crate) const PASSWORD: &str = "Svc-Pass-1";
pub(crate) const VIEWS: [&str; 3] = ["dirsync", "object-security", "usn"];

/// The service accounts: `svc-sync` may replicate, `svc-plain` only read. Both see deleted objects.
const ACCOUNTS: &str = r#"
 {"dn": "CN=svc-sync,CN=Users", "class": "user", "enabled": true, "password": "Svc-Pass-1",
  "attributes": {"sAMAccountName": "svc-sync", "userPrincipalName": "svc-sync@corp.contoso.example"}},
 {"dn": "CN=svc-plain,CN=Users", "class": "user", "enabled": true, "password": "Svc-Pass-1",
  "attributes": {"sAMAccountName": "svc-plain"}}"#;

/// Everything that has hurt an import once: non-ASCII and escaped names, binary values that are text and that are not,
/// several values, references, nested groups, objects that are users by inheritance only.
const PEOPLE: &str = r#"
 {"dn": "OU=Sales", "class": "organizationalUnit", "attributes": {"description": "Verkauf – продажи"}},
 {"dn": "OU=Team,OU=Sales", "class": "organizationalUnit"},
 {"dn": "OU=Sub,OU=Sales", "class": "organizationalUnit"},
 {"dn": "OU=Other", "class": "organizationalUnit"},
 {"dn": "CN=Zoë Łukasz,OU=Sales", "class": "user", "attributes": {"sAMAccountName": "zoe", "mail": "zoe@contoso.example",
   "givenName": "Zoë", "sn": "Łukasz", "displayName": "Zoë Łukasz 🚀", "proxyAddresses": ["SMTP:zoe@contoso.example", "smtp:Z@contoso.example"],
   "thumbnailPhoto": {"base64": "/9j/4AAQ"}, "mS-DS-ConsistencyGuid": {"base64": "QUJDREVGR0hJSktMTU5PUA=="},
   "userCertificate": [{"base64": "MIIB"}, {"base64": "AAECAwQ="}], "accountExpires": "9223372036854775807", "otherTelephone": ["1", "2", "10"]}},
 {"dn": "CN=Smith\\, Ann \\+ Co,OU=Sales", "class": "inetOrgPerson", "attributes": {"sAMAccountName": "ann", "manager": "CN=Zoë Łukasz,OU=Sales"}},
 {"dn": "CN=Contact,OU=Sales", "class": "contact", "attributes": {"mail": "c@partner.example", "description": "partner"}},
 {"dn": "CN=Hidden,OU=Sales", "class": "user", "attributes": {"sAMAccountName": "hidden"}},
 {"dn": "CN=PC1,OU=Sales", "class": "computer", "attributes": {"sAMAccountName": "PC1$", "userAccountControl": "4096"}},
 {"dn": "CN=gmsa,OU=Sales", "class": "msDS-GroupManagedServiceAccount", "attributes": {"sAMAccountName": "gmsa$",
   "userAccountControl": "4096", "dNSHostName": "g.corp.contoso.example", "msDS-ManagedPasswordInterval": "30"}},
 {"repeat": 50, "dn": "CN=t{n:02},OU=Team,OU=Sales", "class": "user", "attributes": {"sAMAccountName": "t{n:02}", "title": "T{n}"}},
 {"dn": "CN=Out,OU=Other", "class": "user", "attributes": {"sAMAccountName": "out"}},
 {"dn": "CN=Inner,OU=Sales", "class": "group", "attributes": {"sAMAccountName": "inner", "member": ["CN=Zoë Łukasz,OU=Sales", "CN=Out,OU=Other"]}},
 {"dn": "CN=Outer,OU=Sales", "class": "group", "attributes": {"sAMAccountName": "outer", "member": ["CN=Inner,OU=Sales", "CN=PC1,OU=Sales"], "managedBy": "CN=Zoë Łukasz,OU=Sales"}}"#;

/// A domain with these people and rights set.
pub(crate) fn domain(test: &str) -> DomainController {
    domain_with(test, "")
}

pub(crate) fn domain_with(test: &str, more: &str) -> DomainController {
    let comma = if more.is_empty() { "" } else { "," };
    let dc = DomainController::start(test, &format!("[{ACCOUNTS},{PEOPLE}{comma}{more}]"));
    dc.rights(&["replication", "svc-sync"]);
    dc.rights(&["deleted-objects", "svc-sync"]);
    dc.rights(&["deleted-objects", "svc-plain"]);
    dc
}

pub(crate) fn text(value: &str) -> SettingValue {
    SettingValue::Text(value.to_owned())
}

pub(crate) fn list(values: &[&str]) -> SettingValue {
    let setting = |value: &&str| Setting { value: text(value), span: 0..0 };
    SettingValue::List(values.iter().map(setting).collect())
}

pub(crate) fn sales() -> String {
    format!("OU=Sales,{DOMAIN}")
}

fn password_file(dc: &DomainController, password: &str) -> PathBuf {
    let path = dc.folder.join(format!("password-{}", password.len()));
    std::fs::write(&path, password).expect("the password file is written");
    path
}

/// A connector to this domain controller. `changes` replace the defaults: LDAPS with the lab's CA, `svc-sync`, OU=Sales.
pub(crate) fn connector(dc: &DomainController, changes: &[(&str, SettingValue)]) -> ActiveDirectory {
    connector_with_password(dc, PASSWORD, changes)
}

pub(crate) fn connector_with_password(
    dc: &DomainController,
    password: &str,
    changes: &[(&str, SettingValue)],
) -> ActiveDirectory {
    let password = format!("file:{}", password_file(dc, password).display());
    let mut entries: BTreeMap<&str, SettingValue> = [
        ("servers", list(&[&dc.address])),
        ("ca_files", list(&[dc.ca_file().to_str().expect("a plain path")])),
        ("bind_user", text("CORP\\svc-sync")),
        ("password", text(&password)),
        ("include_containers", list(&[&sales()])),
        ("connect_timeout_seconds", SettingValue::Integer(5)),
        ("timeout_seconds", SettingValue::Integer(60)),
    ]
    .into();
    for (name, value) in changes {
        entries.insert(name, value.clone());
    }
    let entries: Vec<(&str, SettingValue)> = entries.into_iter().collect();
    let settings = Settings::read(&settings_table(&entries), std::path::Path::new("/"));
    ActiveDirectory::new(settings.expect("the test's settings are right"))
}

/// The account that the view is for: DirSync without restriction needs the replication right.
pub(crate) fn viewing(view: &str) -> Vec<(&'static str, SettingValue)> {
    let account = if view == "dirsync" { "CORP\\svc-sync" } else { "CORP\\svc-plain" };
    vec![("view", text(view)), ("bind_user", text(account))]
}

pub(crate) struct Imported {
    pub(crate) items: Vec<ImportItem>,
    pub(crate) end: ImportEnd,
}

impl Imported {
    pub(crate) fn watermark(&self) -> &Watermark {
        self.end.watermark.as_ref().expect("an import ends with a watermark")
    }

    pub(crate) fn notes(&self) -> Vec<&'static str> {
        self.end.notes.iter().map(|note| note.code).collect()
    }
}

pub(crate) async fn full(
    connector: &ActiveDirectory,
    previous: Option<&Watermark>,
) -> Result<Imported, ConnectorError> {
    full_holding(connector, previous, connector_contract::Held::default()).await
}

/// The same where the engine holds objects by these prints.
pub(crate) async fn full_holding(
    connector: &ActiveDirectory,
    previous: Option<&Watermark>,
    held: connector_contract::Held,
) -> Result<Imported, ConnectorError> {
    let (sink, mut pages) = ImportSink::new(2);
    let request = FullImport { previous: previous.cloned(), held: held.into() };
    let collect = async {
        let mut items = Vec::new();
        while let Some(page) = pages.recv().await {
            items.extend(page.items);
        }
        items
    };
    let (end, items) = tokio::join!(connector.import_full(request, sink), collect);
    end.map(|end| Imported { items, end })
}

pub(crate) async fn delta(connector: &ActiveDirectory, since: &Watermark) -> Result<Imported, ConnectorError> {
    let (sink, mut pages) = ImportSink::new(2);
    let collect = async {
        let mut items = Vec::new();
        while let Some(page) = pages.recv().await {
            items.extend(page.items);
        }
        items
    };
    let reader = connector.delta_import().expect("Active Directory reports changes");
    let (end, items) = tokio::join!(reader.import_delta(since, sink), collect);
    end.map(|end| Imported { items, end })
}

/// A connector space that holds what the import items say, as an engine would.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Space(pub(crate) BTreeMap<Guid, Held>);

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Held {
    pub(crate) object: ImportedObject,
}

impl Space {
    pub(crate) async fn of_full(connector: &ActiveDirectory) -> (Space, Imported) {
        let imported = full(connector, None).await.unwrap_or_else(|error| panic!("full import: {error}"));
        let mut space = Space::default();
        let mut anchors = BTreeSet::new();
        for item in &imported.items {
            if let ImportItem::Object(object) = item {
                assert!(anchors.insert(object.anchor.clone()), "{object:?} came twice (R71)");
            }
        }
        space.apply(connector, &imported.items).await;
        (space, imported)
    }

    /// Applies the items of a stream in order; a change of what is not held is answered by a single read (R70).
    pub(crate) async fn apply(&mut self, connector: &ActiveDirectory, items: &[ImportItem]) {
        for item in items {
            match item {
                ImportItem::Object(object) => self.hold(object.clone()),
                ImportItem::Change(change) => {
                    let guid = *change.anchor.as_guid().expect("objects have GUIDs");
                    if !self.0.contains_key(&guid) {
                        let reader = connector.object_reader().expect("single objects can be read");
                        let read = reader.read_objects(std::slice::from_ref(&change.anchor)).await;
                        for item in read.unwrap_or_else(|error| panic!("reading one object: {error}")) {
                            if let ImportItem::Object(object) = item {
                                self.hold(object);
                            }
                        }
                        continue;
                    }
                    let held = self.0.get_mut(&guid).expect("it is held");
                    change.changes.apply(&mut held.object.attributes);
                    if change.place.is_some() {
                        held.object.place = change.place.clone();
                    }
                }
                ImportItem::Deleted { anchor, .. } => {
                    anchor.as_guid().map(|guid| self.0.remove(guid));
                }
                ImportItem::SubtreeLeft { container } => self.remove_below(container),
                ImportItem::Same { .. } => panic!("no print was held"),
                ImportItem::Unreadable(issue) => panic!("unreadable: {issue:?}"),
            }
        }
    }

    fn hold(&mut self, object: ImportedObject) {
        let guid = *object.anchor.as_guid().expect("objects have GUIDs");
        self.0.insert(guid, Held { object });
    }

    fn remove_below(&mut self, container: &Anchor) {
        let mut gone: BTreeSet<Guid> = container.as_guid().copied().into_iter().collect();
        loop {
            let more: Vec<Guid> = self
                .0
                .iter()
                .filter(|(guid, held)| {
                    let parent = held.object.place.as_ref().and_then(|place| place.parent.as_ref());
                    !gone.contains(*guid)
                        && parent.and_then(Anchor::as_guid).is_some_and(|parent| gone.contains(parent))
                })
                .map(|(guid, _)| *guid)
                .collect();
            if more.is_empty() {
                break;
            }
            gone.extend(more);
        }
        self.0.retain(|guid, _| !gone.contains(guid));
    }

    /// The DN as the parents say it, which is how the engine builds it.
    fn built_dn(&self, guid: &Guid) -> Dn {
        let place = self.0[guid].object.place.as_ref().expect("objects have places");
        match place.parent.as_ref().and_then(Anchor::as_guid).filter(|parent| self.0.contains_key(*parent)) {
            Some(parent) => self.built_dn(parent).child(place.dn.rdn().expect("an RDN").clone()),
            None => place.dn.clone(),
        }
    }

    pub(crate) fn find(&self, account: &str) -> Option<&ImportedObject> {
        self.0
            .values()
            .map(|held| &held.object)
            .find(|object| object.attributes.text("sAMAccountName") == Some(account))
    }

    /// Objects that are no containers, by type.
    pub(crate) fn counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for held in self.0.values() {
            *counts.entry(held.object.object_type.as_str().to_owned()).or_insert(0) += 1;
        }
        counts
    }

    /// In the oracle's form: DN and, per attribute, the bytes of the values; references as the target's GUID.
    pub(crate) fn rows(&self) -> BTreeMap<Guid, Row> {
        self.0
            .iter()
            .map(|(guid, held)| {
                let attributes = held
                    .object
                    .attributes
                    .iter()
                    .map(|(name, values)| (name.as_str().to_owned(), values.iter().map(bytes).collect()))
                    .collect();
                (*guid, Row { dn: self.built_dn(guid).to_string(), attributes })
            })
            .collect()
    }
}

fn bytes(value: &Value) -> Vec<u8> {
    match value {
        Value::Text(text) => text.clone().into_bytes(),
        Value::Integer(number) => number.to_string().into_bytes(),
        Value::Boolean(truth) => if *truth { "TRUE" } else { "FALSE" }.as_bytes().to_vec(),
        Value::Binary(bytes) => bytes.clone(),
        Value::Reference(Reference::Anchor(anchor)) => anchor.to_string().into_bytes(),
        Value::Reference(Reference::Dn(dn)) => panic!("a reference without identity: {dn}"),
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) dn: String,
    pub(crate) attributes: BTreeMap<String, BTreeSet<Vec<u8>>>,
}

const REFERENCES: &[&str] = &["member", "manager", "managedBy", "assistant"];
/// Classes that an import with the default settings brings, with what is derived from them but computers.
const IMPORTED: &[&str] =
    &["user", "group", "contact", "organizationalUnit", "container", "builtinDomain", "domainDNS", "lostAndFound"];

/// A DN and the values of each attribute, as `dump.py` prints them.
type Dumped = (String, BTreeMap<String, Vec<Vec<u8>>>);

fn dump(dc: &DomainController, arguments: &[&str]) -> Vec<Dumped> {
    let folder = dc.folder_text();
    let all: Vec<&str> = [folder.as_str()].into_iter().chain(arguments.iter().copied()).collect();
    script("dump.py", &all, None)
        .lines()
        .map(|line| {
            let object: serde_json::Value = serde_json::from_str(line).expect("dump.py prints JSON");
            let attributes = object["attributes"].as_object().expect("attributes");
            let decode = |value: &serde_json::Value| {
                let text = value.as_str().expect("base64 text");
                base64::engine::general_purpose::STANDARD.decode(text).expect("base64")
            };
            let attributes = attributes
                .iter()
                .map(|(name, values)| (name.clone(), values.as_array().expect("values").iter().map(decode).collect()))
                .collect();
            (object["dn"].as_str().expect("a DN").to_owned(), attributes)
        })
        .collect()
}

fn normal(dn: &str) -> String {
    dn.parse::<Dn>().expect("the database has well-formed DNs").normalised()
}

/// The names of the attributes that an import with the default settings brings; the same for every lab domain.
async fn imported_attributes(connector: &ActiveDirectory) -> &'static [String] {
    static NAMES: tokio::sync::OnceCell<Vec<String>> = tokio::sync::OnceCell::const_new();
    NAMES
        .get_or_init(|| async {
            let schema = connector.schema().await.expect("the schema is readable");
            let known = schema.attributes.values().filter(|attribute| attribute.kind != ValueKind::Secret);
            known.map(|attribute| attribute.name.as_str().to_owned()).collect()
        })
        .await
}

/// The imported attributes of everything below `base` as the database has them, and the containers above it by name.
pub(crate) async fn oracle(dc: &DomainController, connector: &ActiveDirectory, base: &str) -> BTreeMap<Guid, Row> {
    let names: Vec<&str> = imported_attributes(connector).await.iter().map(String::as_str).collect();
    let objects = dump(dc, &names);
    let guids: BTreeMap<String, Guid> = objects
        .iter()
        .map(|(dn, attributes)| (normal(dn), Guid::from_slice(&attributes["objectGUID"][0]).expect("a GUID")))
        .collect();
    let base: Dn = base.parse().expect("a DN");
    objects
        .into_iter()
        .filter(|(dn, attributes)| {
            let dn: Dn = dn.parse().expect("a DN");
            let is = |class: &str| attributes["objectClass"].iter().any(|value| value == class.as_bytes());
            IMPORTED.iter().any(|class| is(class)) && !is("computer") && (dn.is_within(&base) || base.is_within(&dn))
        })
        .map(|(dn, attributes)| {
            let by_guid = |value: Vec<u8>| {
                let dn = String::from_utf8(value).expect("a DN is text");
                guids[&normal(&dn)].to_string().into_bytes()
            };
            let row = |(name, values): (String, Vec<Vec<u8>>)| {
                let reference = REFERENCES.contains(&name.as_str());
                let values = values.into_iter().map(|value| if reference { by_guid(value) } else { value }).collect();
                (name, values)
            };
            let attributes = attributes.into_iter().map(row).collect();
            let guid = guids[&normal(&dn)];
            (guid, Row { dn: dn.parse::<Dn>().expect("a DN").to_string(), attributes })
        })
        .collect()
}

/// Fails with the first differences, object by object.
#[track_caller]
pub(crate) fn same(what: &str, seen: &BTreeMap<Guid, Row>, wanted: &BTreeMap<Guid, Row>) {
    let mut differences = Vec::new();
    for (guid, row) in wanted {
        match seen.get(guid) {
            None => differences.push(format!("missing: {}", row.dn)),
            Some(found) if found.dn != row.dn => differences.push(format!("named {} instead of {}", found.dn, row.dn)),
            Some(found) => {
                let names: BTreeSet<&String> = found.attributes.keys().chain(row.attributes.keys()).collect();
                for name in names {
                    if found.attributes.get(name) != row.attributes.get(name) {
                        let (one, other) = (found.attributes.get(name), row.attributes.get(name));
                        let count = |values: Option<&BTreeSet<Vec<u8>>>| values.map_or(0, BTreeSet::len);
                        differences.push(format!(
                            "{}: {name}: {} values instead of {}: {one:.200?} / {other:.200?}",
                            row.dn,
                            count(one),
                            count(other)
                        ));
                    }
                }
            }
        }
    }
    for (guid, row) in seen {
        if !wanted.contains_key(guid) {
            differences.push(format!("too much: {}", row.dn));
        }
    }
    assert!(
        differences.is_empty(),
        "{what}: {} differences\n{}",
        differences.len(),
        differences[..differences.len().min(10)].join("\n")
    );
}

/// Runs a delta import, applies it, and compares with a fresh full import (design: deltas equal full) and with the database.
pub(crate) async fn step(
    what: &str,
    database: &BTreeMap<Guid, Row>,
    connector: &ActiveDirectory,
    space: &mut Space,
    since: &Watermark,
) -> Imported {
    let imported = delta(connector, since).await.unwrap_or_else(|error| panic!("{what}: {error}"));
    space.apply(connector, &imported.items).await;
    let (fresh, _) = Space::of_full(connector).await;
    same(&format!("{what}: delta against full import"), &space.rows(), &fresh.rows());
    same(&format!("{what}: full import against the database"), &fresh.rows(), database);
    imported
}
