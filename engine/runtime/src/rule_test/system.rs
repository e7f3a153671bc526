//! A connected system in memory, for rule tests: it holds the given objects with the schema of the real one, tells what
//! changed, and accepts every export. It reaches nothing outside the process.

use async_trait::async_trait;
use connector_contract::{
    Absence, Check, Connector, ConnectorError, CreateRequest, DeletionCause, DeltaImport, ExportItem, ExportOperation,
    ExportOutcome, Exporter, Fact, FullImport, ImportEnd, ImportItem, ImportPage, ImportSink, ImportedObject,
    MatchFacts, ObjectReader, Place, PrivilegeFact, ReferenceChange, UpdateRequest, Watermark,
};
use metaverse_schema::{
    Anchor, AttributeName, Attributes, ConnectorSchema, Dn, Guid, ObjectType, Reference, Value, ValueKind, Values,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use sync_rules::{GivenChange, GivenObject, GivenReference, GivenValues};

/// Objects of one page of an import.
const PAGE: usize = 500;

/// Anchors of the test's objects by their names.
pub(super) type Anchors = BTreeMap<String, Anchor>;

/// What ending the engine's hold on an object means in this system (SF4): the attributes that its rules name for it.
#[derive(Debug, Clone, Default)]
pub(super) struct Detaching {
    pub(super) enabled: Option<AttributeName>,
    pub(super) stamp: Option<AttributeName>,
}

pub(super) struct MemorySystem {
    schema: ConnectorSchema,
    detaching: Detaching,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    objects: BTreeMap<Anchor, Entry>,
    /// Oldest first; a watermark is a position in it.
    changes: Vec<(Anchor, DeletionCause)>,
    created: u64,
}

#[derive(Clone)]
struct Entry {
    object_type: ObjectType,
    dn: Option<Dn>,
    attributes: Attributes,
    roles: Vec<String>,
}

impl MemorySystem {
    pub(super) fn new(schema: ConnectorSchema, detaching: Detaching) -> Self {
        MemorySystem { schema, detaching, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere left the state as it was: every change of it is one assignment.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add(&self, object: &GivenObject, anchors: &Anchors) {
        let mut attributes = Attributes::new();
        set_all(&mut attributes, &object.attributes, anchors);
        let entry = Entry {
            object_type: object.object_type.clone(),
            dn: object.dn.clone(),
            attributes,
            roles: object.roles.clone(),
        };
        let mut state = self.state();
        state.objects.insert(object.anchor.clone(), entry);
        state.changed(&object.anchor);
    }

    pub(super) fn change(&self, anchor: &Anchor, change: &GivenChange, anchors: &Anchors) {
        let mut state = self.state();
        let Some(entry) = state.objects.get_mut(anchor) else { return };
        set_all(&mut entry.attributes, &change.attributes, anchors);
        if let Some(object_type) = &change.object_type {
            entry.object_type = object_type.clone();
        }
        if let Some(dn) = &change.dn {
            entry.dn = Some(dn.clone());
        }
        if let Some(roles) = &change.roles {
            entry.roles.clone_from(roles);
        }
        state.changed(anchor);
    }

    /// The object is gone, and with it every reference to it.
    pub(super) fn delete(&self, anchor: &Anchor) {
        self.state().remove(anchor);
    }

    /// The object lives on outside the selected containers; who refers to it still does.
    pub(super) fn leave(&self, anchor: &Anchor) {
        let mut state = self.state();
        state.objects.remove(anchor);
        state.changes.push((anchor.clone(), DeletionCause::LeftScope));
    }
}

fn set_all(attributes: &mut Attributes, given: &BTreeMap<AttributeName, GivenValues>, anchors: &Anchors) {
    for (name, values) in given {
        let values: Values = match values {
            GivenValues::Values(values) => values.clone(),
            GivenValues::References(references) => {
                references.iter().filter_map(|reference| resolved(reference, anchors)).collect()
            }
        };
        attributes.set(name.clone(), values);
    }
}

/// The checked test has only names that it gives.
fn resolved(reference: &GivenReference, anchors: &Anchors) -> Option<Value> {
    Some(Value::Reference(match reference {
        GivenReference::Object(name) => Reference::Anchor(anchors.get(name)?.clone()),
        GivenReference::Dn(dn) => Reference::Dn(dn.clone()),
    }))
}

impl State {
    fn changed(&mut self, anchor: &Anchor) {
        self.changes.push((anchor.clone(), DeletionCause::DeletedInSource));
    }

    fn remove(&mut self, anchor: &Anchor) {
        if self.objects.remove(anchor).is_none() {
            return;
        }
        self.changed(anchor);
        let gone = Value::Reference(Reference::Anchor(anchor.clone()));
        let mut touched = Vec::new();
        for (other, entry) in &mut self.objects {
            let holding: Vec<(AttributeName, Values)> = entry
                .attributes
                .iter()
                .filter(|(_, values)| values.contains(&gone))
                .map(|(name, values)| (name.clone(), values.clone()))
                .collect();
            for (name, mut values) in holding {
                values.remove(&gone);
                entry.attributes.set(name, values);
                touched.push(other.clone());
            }
        }
        touched.iter().for_each(|other| self.changed(other));
    }

    fn item(&self, anchor: &Anchor) -> Option<ImportItem> {
        let entry = self.objects.get(anchor)?;
        Some(ImportItem::Object(ImportedObject {
            anchor: anchor.clone(),
            object_type: entry.object_type.clone(),
            place: entry.dn.clone().map(|dn| Place { parent: None, dn }),
            attributes: entry.attributes.clone(),
            print: None,
        }))
    }

    fn end(&self) -> ImportEnd {
        ImportEnd {
            watermark: Some(Watermark(self.changes.len().to_string())),
            filtered_objects: 0,
            filtered_deletions: 0,
            notes: Vec::new(),
            absence: Absence::Deleted,
        }
    }

    fn create(&mut self, schema: &ConnectorSchema, object_type: &ObjectType, create: &CreateRequest) -> Anchor {
        self.created += 1;
        let mut attributes = create.attributes.clone();
        let anchor = if schema.kind_of("objectGUID") == Some(ValueKind::Binary) {
            let guid = Guid::from_directory_bytes((u128::from(self.created) | 0xC0DE << 64).to_be_bytes());
            attributes.set("objectGUID", Value::Binary(guid.as_directory_bytes().to_vec()));
            Anchor::Guid(guid)
        } else {
            Anchor::Text(format!("created-{}", self.created))
        };
        let entry = Entry { object_type: object_type.clone(), dn: create.dn.clone(), attributes, roles: Vec::new() };
        self.objects.insert(anchor.clone(), entry);
        self.refer(&anchor, &create.references);
        self.changed(&anchor);
        anchor
    }

    fn update(&mut self, update: &UpdateRequest) {
        let Some(entry) = self.objects.get_mut(&update.anchor) else { return };
        update.changes.apply(&mut entry.attributes);
        update.afterwards.apply(&mut entry.attributes);
        if let Some(dn) = &update.dn {
            entry.dn = Some(dn.clone());
        }
        self.refer(&update.anchor, &update.references);
        self.changed(&update.anchor);
    }

    /// Out of the recycle bin: `deletedUser` is a `user` again.
    fn restore(&mut self, update: &UpdateRequest) {
        if let Some(entry) = self.objects.get_mut(&update.anchor)
            && let Some(live) = entry.object_type.as_str().strip_prefix("deleted")
        {
            entry.object_type = ObjectType::new(live.to_lowercase());
        }
        self.update(update);
    }

    fn detach(&mut self, anchor: &Anchor, detaching: &Detaching) {
        let Some(entry) = self.objects.get_mut(anchor) else { return };
        if let Some(enabled) = &detaching.enabled {
            entry.attributes.set(enabled.clone(), Value::Boolean(false));
        }
        if let Some(stamp) = &detaching.stamp {
            entry.attributes.remove(stamp.as_str());
        }
        self.changed(anchor);
    }

    fn refer(&mut self, anchor: &Anchor, changes: &[ReferenceChange]) {
        let Some(entry) = self.objects.get_mut(anchor) else { return };
        for change in changes {
            let mut values = entry.attributes.get(change.attribute.as_str()).cloned().unwrap_or_default();
            let value = Value::Reference(Reference::Anchor(change.target.clone()));
            if change.add {
                values.insert(value);
            } else {
                values.remove(&value);
            }
            entry.attributes.set(change.attribute.clone(), values);
        }
    }
}

async fn send(items: Vec<ImportItem>, sink: &ImportSink) -> Result<(), ConnectorError> {
    for items in items.chunks(PAGE) {
        sink.send(ImportPage { items: items.to_vec() }).await?;
    }
    Ok(())
}

#[async_trait]
impl Connector for MemorySystem {
    async fn schema(&self) -> Result<ConnectorSchema, ConnectorError> {
        Ok(self.schema.clone())
    }

    async fn check(&self) -> Check {
        Check::default()
    }

    async fn import_full(&self, _request: FullImport, sink: ImportSink) -> Result<ImportEnd, ConnectorError> {
        let (items, end) = {
            let state = self.state();
            (state.objects.keys().filter_map(|anchor| state.item(anchor)).collect(), state.end())
        };
        send(items, &sink).await?;
        Ok(end)
    }

    fn delta_import(&self) -> Option<&dyn DeltaImport> {
        Some(self)
    }

    fn object_reader(&self) -> Option<&dyn ObjectReader> {
        Some(self)
    }

    fn exporter(&self) -> Option<&dyn Exporter> {
        Some(self)
    }

    fn match_facts(&self) -> Option<&dyn MatchFacts> {
        Some(self)
    }
}

#[async_trait]
impl DeltaImport for MemorySystem {
    async fn import_delta(&self, since: &Watermark, sink: ImportSink) -> Result<ImportEnd, ConnectorError> {
        let (items, end) = {
            let state = self.state();
            let from = since.0.parse().unwrap_or(0);
            let changed = state.changes.get(from..).unwrap_or_default();
            // An object that changed several times is told once, as it is now.
            let mut told = BTreeSet::new();
            let latest = changed.iter().rev().filter(|(anchor, _)| told.insert(anchor.clone()));
            let items: Vec<ImportItem> = latest
                .map(|(anchor, cause)| {
                    state.item(anchor).unwrap_or(ImportItem::Deleted { anchor: anchor.clone(), cause: *cause })
                })
                .collect();
            (items.into_iter().rev().collect(), state.end())
        };
        send(items, &sink).await?;
        Ok(end)
    }
}

#[async_trait]
impl ObjectReader for MemorySystem {
    async fn read_objects(&self, anchors: &[Anchor]) -> Result<Vec<ImportItem>, ConnectorError> {
        let state = self.state();
        Ok(anchors.iter().filter_map(|anchor| state.item(anchor)).collect())
    }
}

#[async_trait]
impl MatchFacts for MemorySystem {
    async fn privileges(&self, anchors: &[Anchor]) -> Vec<Fact> {
        let state = self.state();
        let roles = |anchor: &Anchor| state.objects.get(anchor).map(|entry| entry.roles.clone()).unwrap_or_default();
        let fact = |anchor: &Anchor| match roles(anchor) {
            roles if roles.is_empty() => PrivilegeFact::None,
            roles => PrivilegeFact::Privileged { roles },
        };
        anchors.iter().map(|anchor| Fact { anchor: anchor.clone(), privilege: fact(anchor) }).collect()
    }
}

#[async_trait]
impl Exporter for MemorySystem {
    fn batch_size(&self) -> usize {
        20
    }

    async fn export(&self, items: &[ExportItem]) -> Result<Vec<(i64, ExportOutcome)>, ConnectorError> {
        let mut state = self.state();
        let outcomes = items.iter().map(|item| {
            let mut anchor = None;
            match &item.operation {
                ExportOperation::Create(create) => {
                    anchor = Some(state.create(&self.schema, &item.object_type, create));
                }
                ExportOperation::Update(update) => state.update(update),
                ExportOperation::Restore(update) => state.restore(update),
                ExportOperation::Delete { anchor } => state.remove(anchor),
                ExportOperation::Detach { anchor } => state.detach(anchor, &self.detaching),
            }
            (item.id, ExportOutcome::Accepted { anchor, failed_references: Vec::new() })
        });
        Ok(outcomes.collect())
    }

    /// Every create is answered, so that none is ever looked for.
    async fn find_created(&self, _: &ObjectType, _: &CreateRequest) -> Result<Option<Anchor>, ConnectorError> {
        Ok(None)
    }
}
