//! A tenant, a connector pointed at it, and the engine's part played in miniature: a connector space that items are
//! applied to. The helpers alone know the APIs.

use azure_ad_emulator::{Knobs, RehearsalTenant, RunningTenant, SeedSource, TenantOptions};
use connector_azure_ad::{AzureAd, Settings};
use connector_contract::{
    Connector, ConnectorError, CreateRequest, ExportItem, ExportOperation, ExportOutcome, FullImport, ImportEnd,
    ImportItem, ImportPage, ImportSink, ReferenceChange, UpdateRequest, Watermark,
};
use graph_contract::Watch;
use metaverse_schema::{
    Anchor, Attributes, AttributesDelta, ObjectType, Setting, SettingValue, SettingsTable, Value, Values,
};
use std::collections::BTreeMap;
use std::time::Duration;

pub(crate) const CLIENT_ID: &str = "11111111-2222-4333-8444-555555555555";
pub(crate) const SECRET: &str = "for rehearsals only";

pub(crate) struct World {
    /// Judges all that is said to the tenant by the public contract; the test fails when it was not kept.
    pub(crate) watch: Watch,
    pub(crate) tenant: RunningTenant,
    pub(crate) connector: AzureAd,
    pub(crate) space: Space,
    pub(crate) watermark: Option<Watermark>,
    pub(crate) secret: tempfile::NamedTempFile,
    next_id: i64,
}

/// Everything that this connector needs.
pub(crate) fn permissions() -> Vec<&'static str> {
    vec![
        "User.ReadWrite.All",
        "Group.ReadWrite.All",
        "OrgContact.Read.All",
        "Organization.Read.All",
        "Domain.Read.All",
        "RoleManagement.Read.Directory",
        "User.RevokeSessions.All",
        "User-OnPremisesSyncBehavior.ReadWrite.All",
        "Group-OnPremisesSyncBehavior.ReadWrite.All",
    ]
}

/// A tenant of `contoso.com` with the parts of `seed`.
pub(crate) async fn world(seed: serde_json::Value) -> World {
    world_with(seed, permissions(), Knobs::default(), |_| {}).await
}

pub(crate) async fn world_with(
    mut seed: serde_json::Value,
    permissions: Vec<&str>,
    knobs: Knobs,
    change: impl FnOnce(&mut Settings),
) -> World {
    seed["domains"] = serde_json::json!([
        {"name": "contoso.onmicrosoft.com", "initial": true}, {"name": "contoso.com", "default": true}]);
    seed["applications"] =
        serde_json::json!([{"clientId": CLIENT_ID, "clientSecret": SECRET, "permissions": permissions}]);
    let options = TenantOptions { seed: Some(SeedSource::Json(seed)), knobs, ..TenantOptions::default() };
    let tenant = RehearsalTenant::start(options).await.unwrap();
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), SECRET).unwrap();
    let watch = Watch::before(tenant.address()).unwrap();
    let connector = connector(&tenant, &watch, secret.path(), change);
    World { watch, tenant, connector, space: Space::default(), watermark: None, secret, next_id: 0 }
}

/// Speaks to Graph by way of the watch. Waits in milliseconds where an operator's settings wait in seconds.
pub(crate) fn connector(
    tenant: &RunningTenant,
    watch: &Watch,
    secret: &std::path::Path,
    change: impl FnOnce(&mut Settings),
) -> AzureAd {
    let mut table = SettingsTable::default();
    for (name, value) in [
        ("tenant", tenant.tenant_id().to_string()),
        ("client_id", CLIENT_ID.to_owned()),
        ("client_secret", format!("file:{}", secret.display())),
        ("graph_url", watch.url(&tenant.graph_url())),
        ("authority_url", tenant.base_url().to_owned()),
    ] {
        table.entries.insert(name.to_owned(), Setting { value: SettingValue::Text(value), span: 0..0 });
    }
    let mut settings = Settings::read(&table).unwrap();
    settings.backoff_base = Duration::from_millis(20);
    settings.replication_wait = Duration::from_secs(3);
    settings.request_timeout = Duration::from_secs(10);
    change(&mut settings);
    AzureAd::new(settings).unwrap()
}

/// Objects by anchor, as the engine would hold them.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Space(pub(crate) BTreeMap<String, (String, Attributes)>);

/// What one import handed over, for tests of the stream itself.
#[derive(Debug, Default)]
pub(crate) struct Imported {
    pub(crate) end: Option<ImportEnd>,
    pub(crate) objects: usize,
    pub(crate) changes: usize,
    pub(crate) deleted: Vec<String>,
    pub(crate) unreadable: Vec<String>,
    /// Anchors that came as whole objects more than once.
    pub(crate) duplicates: Vec<String>,
    /// Changes of objects that are not held, or are held as another type.
    pub(crate) need_full: Vec<Anchor>,
    /// What the changes of objects that are said to be whole, if new, amount to.
    pub(crate) whole: BTreeMap<String, Attributes>,
}

impl Space {
    pub(crate) fn apply(&mut self, item: ImportItem, imported: &mut Imported, full: bool) {
        match item {
            ImportItem::Object(object) => {
                imported.objects += 1;
                let entry = (object.object_type.to_string(), object.attributes);
                if self.0.insert(object.anchor.to_string(), entry).is_some() && full {
                    imported.duplicates.push(object.anchor.to_string());
                }
            }
            ImportItem::Change(change) => {
                imported.changes += 1;
                let id = change.anchor.to_string();
                if change.whole_if_new || imported.whole.contains_key(&id) {
                    change.changes.apply(imported.whole.entry(id).or_default());
                }
                match self.0.get_mut(&change.anchor.to_string()) {
                    Some((kind, attributes)) if change.object_type == kind.as_str() => change.changes.apply(attributes),
                    _ => imported.need_full.push(change.anchor),
                }
            }
            ImportItem::Deleted { anchor, .. } => {
                self.0.remove(&anchor.to_string());
                imported.deleted.push(anchor.to_string());
            }
            ImportItem::Unreadable(issue) => imported.unreadable.push(format!("{} {}", issue.code, issue.message)),
            ImportItem::SubtreeLeft { .. } => panic!("Azure AD has no containers"),
            ImportItem::Same { .. } => panic!("no print was held"),
        }
    }

    pub(crate) fn named(&self, display_name: &str) -> &(String, Attributes) {
        let mut found = self.0.values().filter(|(_, attributes)| attributes.text("displayName") == Some(display_name));
        match (found.next(), found.next()) {
            (Some(object), None) => object,
            _ => panic!("not exactly one object is named {display_name}"),
        }
    }

    pub(crate) fn anchor(&self, display_name: &str) -> Anchor {
        let found = self.0.iter().find(|(_, (_, attributes))| attributes.text("displayName") == Some(display_name));
        Anchor::Text(found.unwrap_or_else(|| panic!("nobody is named {display_name}")).0.clone())
    }
}

impl World {
    /// A full import into an empty space.
    pub(crate) async fn import_full(&mut self) -> Result<Imported, ConnectorError> {
        let (sink, receiver) = ImportSink::new(4);
        let request = FullImport { previous: self.watermark.clone(), ..FullImport::default() };
        let mut space = Space::default();
        let collect = collect(receiver);
        let (end, pages) = tokio::join!(self.connector.import_full(request, sink), collect);
        let mut imported = Imported::default();
        pages.into_iter().flat_map(|page| page.items).for_each(|item| space.apply(item, &mut imported, true));
        let end = end?;
        self.watermark.clone_from(&end.watermark);
        self.space = space;
        imported.end = Some(end);
        Ok(imported)
    }

    /// A delta import into the space; unknown objects are asked for as the engine does (R70).
    pub(crate) async fn import_delta(&mut self) -> Result<Imported, ConnectorError> {
        let (sink, receiver) = ImportSink::new(4);
        let since = self.watermark.clone().unwrap();
        let delta = self.connector.delta_import().unwrap();
        let (end, pages) = tokio::join!(delta.import_delta(&since, sink), collect(receiver));
        let mut imported = Imported::default();
        for item in pages.into_iter().flat_map(|page| page.items) {
            self.space.apply(item, &mut imported, false);
        }
        let end = end?;
        if !imported.need_full.is_empty() {
            let anchors = std::mem::take(&mut imported.need_full);
            let mut ignored = Imported::default();
            for item in self.connector.object_reader().unwrap().read_objects(&anchors).await? {
                self.space.apply(item, &mut ignored, false);
            }
            imported.need_full = anchors;
        }
        self.watermark.clone_from(&end.watermark);
        imported.end = Some(end);
        Ok(imported)
    }

    /// Exports operations on objects of one type; one outcome each, in order.
    pub(crate) async fn export(&mut self, class: &str, operations: Vec<ExportOperation>) -> Vec<ExportOutcome> {
        let items: Vec<ExportItem> = operations
            .into_iter()
            .map(|operation| {
                self.next_id += 1;
                ExportItem {
                    id: self.next_id,
                    object_type: ObjectType::new(class),
                    operation,
                    named_by: metaverse_schema::Attributes::new(),
                }
            })
            .collect();
        let mut outcomes: BTreeMap<i64, ExportOutcome> =
            self.connector.exporter().unwrap().export(&items).await.unwrap().into_iter().collect();
        assert_eq!(outcomes.len(), items.len(), "one outcome for each item");
        items.iter().map(|item| outcomes.remove(&item.id).unwrap()).collect()
    }

    pub(crate) async fn export_one(&mut self, class: &str, operation: ExportOperation) -> ExportOutcome {
        self.export(class, vec![operation]).await.remove(0)
    }

    /// The tenant's own view of an object, by display name.
    pub(crate) fn stored(&self, collection: &str, display_name: &str) -> serde_json::Value {
        let found = self.all_stored(collection);
        let mut named = found.into_iter().filter(|object| object["displayName"] == display_name);
        match (named.next(), named.next()) {
            (Some(object), None) => object,
            _ => panic!("not exactly one of {collection} is named {display_name}"),
        }
    }

    pub(crate) fn all_stored(&self, collection: &str) -> Vec<serde_json::Value> {
        self.tenant.snapshot()[collection].as_array().cloned().unwrap_or_default()
    }

    pub(crate) fn members(&self, group: &str) -> Vec<String> {
        let members = self.stored("groups", group)["members"].as_array().cloned().unwrap_or_default();
        members.iter().map(|id| id.as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Requests with this method whose path contains the text.
    pub(crate) fn requests(&self, method: &str, path: &str) -> usize {
        let log = self.tenant.request_log();
        log.iter().filter(|request| request.method == method && request.path.contains(path)).count()
    }

    /// Delta imports must lead to the same space as a full import (invariant 4).
    pub(crate) async fn assert_delta_equals_full(&mut self) {
        let space = self.space.clone();
        self.import_full().await.unwrap();
        let ids = |space: &Space| space.0.iter().map(|(id, (kind, _))| format!("{kind} {id}")).collect::<Vec<_>>();
        assert_eq!(ids(&space), ids(&self.space));
        for (id, held) in &space.0 {
            assert_eq!(held, &self.space.0[id], "{id}");
        }
    }
}

async fn collect(mut receiver: tokio::sync::mpsc::Receiver<ImportPage>) -> Vec<ImportPage> {
    let mut pages = Vec::new();
    while let Some(page) = receiver.recv().await {
        pages.push(page);
    }
    pages
}

/// Attributes from `name = text` pairs; `true` and `false` are booleans.
pub(crate) fn attributes(pairs: &[(&str, &str)]) -> Attributes {
    let mut attributes = Attributes::new();
    for (name, value) in pairs {
        attributes.set(*name, value_of(value));
    }
    attributes
}

fn value_of(text: &str) -> Value {
    match text {
        "true" => Value::Boolean(true),
        "false" => Value::Boolean(false),
        text => Value::text(text),
    }
}

pub(crate) fn user(name: &str, more: &[(&str, &str)]) -> CreateRequest {
    let upn = format!("{}@contoso.com", name.to_lowercase().replace(' ', "."));
    let immutable_id = format!("anchor-of-{}", name.replace(' ', "-"));
    let mut pairs = vec![
        ("userPrincipalName", upn.as_str()),
        ("displayName", name),
        ("onPremisesImmutableId", immutable_id.as_str()),
        ("accountEnabled", "true"),
    ];
    pairs.extend_from_slice(more);
    CreateRequest { dn: None, attributes: attributes(&pairs), references: Vec::new() }
}

pub(crate) fn group(name: &str, members: &[Anchor]) -> CreateRequest {
    let unique_name = format!("ms-{}", name.to_lowercase());
    let pairs = [
        ("displayName", name),
        ("uniqueName", unique_name.as_str()),
        ("mailEnabled", "false"),
        ("securityEnabled", "true"),
    ];
    let references = members.iter().map(|member| link("members", member, true)).collect();
    CreateRequest { dn: None, attributes: attributes(&pairs), references }
}

pub(crate) fn link(attribute: &str, target: &Anchor, add: bool) -> ReferenceChange {
    ReferenceChange {
        attribute: attribute.into(),
        target: target.clone(),
        target_dn: None,
        target_type: ObjectType::new("user"),
        add,
    }
}

/// An update that replaces single values; an empty text clears.
pub(crate) fn update(anchor: &Anchor, changes: &[(&str, &str)]) -> UpdateRequest {
    UpdateRequest {
        anchor: anchor.clone(),
        dn: None,
        changes: delta(changes),
        references: Vec::new(),
        afterwards: AttributesDelta::default(),
        reclaims: false,
    }
}

pub(crate) fn delta(changes: &[(&str, &str)]) -> AttributesDelta {
    let mut delta = AttributesDelta::default();
    for (name, value) in changes {
        let values = if value.is_empty() { Values::default() } else { Values::single(value_of(value)) };
        delta.set(*name, values);
    }
    delta
}

pub(crate) fn anchor(outcome: &ExportOutcome) -> Anchor {
    match outcome {
        ExportOutcome::Accepted { anchor: Some(anchor), failed_references } if failed_references.is_empty() => {
            anchor.clone()
        }
        other => panic!("not created: {other:?}"),
    }
}

/// The outcome in one line: code and attribute, or what was accepted.
pub(crate) fn told(outcome: &ExportOutcome) -> String {
    match outcome {
        ExportOutcome::Accepted { failed_references, .. } if failed_references.is_empty() => "accepted".to_owned(),
        ExportOutcome::Accepted { failed_references, .. } => {
            let mut codes: Vec<&str> = failed_references.iter().map(|(_, problem)| problem.code.as_str()).collect();
            codes.dedup();
            format!("accepted but {} references: {}", failed_references.len(), codes.join(", "))
        }
        ExportOutcome::Refused(problem) => {
            let attribute = problem.attribute.as_ref().map(|name| format!(" {name}")).unwrap_or_default();
            format!("{}{attribute}", problem.code)
        }
        ExportOutcome::NotSettled { may_have_arrived, .. } => {
            format!("not settled, may have arrived: {may_have_arrived}")
        }
    }
}
