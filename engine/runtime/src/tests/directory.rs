//! A connected system in memory, for the tests of this crate: it keeps objects, logs every write that reaches it, tells
//! changes since a watermark, and breaks where a test says so. It shares no code with a real connector.

use async_trait::async_trait;
use connector_contract::{
    Absence, Check, Connector, ConnectorError, CreateRequest, DeletionCause, DeltaImport, ErrorKind, ExportItem,
    ExportOperation, ExportOutcome, ExportProblem, Exporter, Fact, FullImport, ImportEnd, ImportItem, ImportPage,
    ImportSink, ImportedObject, MatchFacts, ObjectIssue, ObjectReader, OwnAccount, Place, PrivilegeFact,
    ReferenceChange, UpdateRequest, Watermark,
};
use metaverse_schema::{
    Anchor, AttributeChange, AttributeName, Attributes, ConnectorSchema, Dn, ObjectType, Plurality, Reference, Value,
    ValueKind, Values,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) object_type: ObjectType,
    pub(super) dn: Option<Dn>,
    /// References stand here as anchors.
    pub(super) attributes: Attributes,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) objects: BTreeMap<String, Entry>,
    /// Anchors that changed, oldest first; a watermark is a position in it.
    changes: Vec<String>,
    /// One line per write that arrived, refused ones included.
    pub(super) writes: Vec<String>,
    next: u64,
    pub(super) behaviour: Behaviour,
    /// Calls to read roles.
    pub(super) role_calls: usize,
    /// Crash points that were passed.
    points: u64,
}

/// What a test may ask of the system.
#[derive(Clone)]
pub(super) struct Behaviour {
    pub(super) page: usize,
    /// Objects are told in an order that depends on it.
    pub(super) shuffle: u64,
    pub(super) reads_changes: bool,
    pub(super) reads_objects: bool,
    /// Deltas tell only the attributes that an object has now, not the whole object.
    pub(super) partial_deltas: bool,
    /// A full read breaks after so many objects.
    pub(super) breaks_after: Option<usize>,
    /// Told as unreadable instead of as objects.
    pub(super) unreadable: BTreeSet<String>,
    /// Out of the selected containers: a full read returns nothing of these, a delta says that they left.
    pub(super) hidden: BTreeSet<String>,
    /// What a full read does not return may be out of sight only.
    pub(super) out_of_sight: bool,
    /// The first delta answers that its watermark is no longer usable.
    pub(super) forgets_watermarks: bool,
    pub(super) batch: usize,
    /// Objects whose name attribute has one of these values are refused, with this code and `retry`.
    pub(super) refuses: BTreeMap<String, (String, bool)>,
    /// Written values of these attributes come back in upper case (T25).
    pub(super) shouts: BTreeSet<String>,
    pub(super) roles: BTreeMap<String, PrivilegeFact>,
    /// Every call to read roles fails.
    pub(super) roles_unreadable: bool,
    /// No call to read roles is answered.
    pub(super) roles_out_of_reach: bool,
    /// The crash point at which the process is lost.
    pub(super) crash_at: Option<u64>,
    pub(super) own_accounts: Vec<OwnAccount>,
}

impl Default for Behaviour {
    fn default() -> Self {
        Behaviour {
            page: 100,
            shuffle: 0,
            reads_changes: true,
            reads_objects: true,
            partial_deltas: false,
            breaks_after: None,
            unreadable: BTreeSet::new(),
            hidden: BTreeSet::new(),
            out_of_sight: false,
            forgets_watermarks: false,
            batch: 20,
            refuses: BTreeMap::new(),
            shouts: BTreeSet::new(),
            roles: BTreeMap::new(),
            roles_unreadable: false,
            roles_out_of_reach: false,
            crash_at: None,
            own_accounts: Vec::new(),
        }
    }
}

/// The connector to it.
pub(super) struct Directory {
    schema: ConnectorSchema,
    /// The attribute by which a created object is found again.
    key: &'static str,
    state: Mutex<State>,
    /// Told when the process is to be lost.
    pub(super) crashed: Arc<Notify>,
}

/// Attributes that every test directory knows.
pub(super) fn schema() -> ConnectorSchema {
    let mut schema = ConnectorSchema::default()
        .class("user", true)
        .class("group", true)
        .class("contact", true)
        .creatable_container("ou");
    for name in ["employeeId", "displayName", "mail", "signInName", "title", "stamp", "kind", "department"] {
        schema = schema.attribute(name, ValueKind::Text, Plurality::Single, true);
    }
    schema
        .attribute("enabled", ValueKind::Boolean, Plurality::Single, true)
        .attribute("addresses", ValueKind::Text, Plurality::Multi, true)
        .attribute("manager", ValueKind::Reference, Plurality::Single, true)
        .attribute("member", ValueKind::Reference, Plurality::Multi, true)
}

impl Directory {
    pub(super) fn new(key: &'static str) -> Arc<Self> {
        Arc::new(Directory { schema: schema(), key, state: Mutex::default(), crashed: Arc::new(Notify::new()) })
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn behave(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut self.state().behaviour);
    }

    /// Puts an object there, or replaces it, as somebody other than the engine would.
    pub(super) fn put(&self, anchor: &str, object_type: &str, attributes: &[(&str, &str)]) {
        self.put_at(anchor, object_type, None, attributes);
    }

    pub(super) fn put_at(&self, anchor: &str, object_type: &str, dn: Option<&str>, attributes: &[(&str, &str)]) {
        let mut values = Attributes::new();
        for (name, value) in attributes {
            values.add(*name, self.value(name, value));
        }
        let entry = Entry { object_type: object_type.into(), dn: dn.map(|dn| dn.parse().unwrap()), attributes: values };
        let mut state = self.state();
        state.objects.insert(anchor.to_owned(), entry);
        state.changes.push(anchor.to_owned());
    }

    fn value(&self, name: &str, value: &str) -> Value {
        match self.schema.kind_of(name) {
            Some(ValueKind::Reference) => Value::Reference(Reference::Anchor(Anchor::Text(value.to_owned()))),
            Some(ValueKind::Boolean) => Value::Boolean(value == "true"),
            _ => Value::text(value),
        }
    }

    pub(super) fn set(&self, anchor: &str, name: &str, values: &[&str]) {
        let values: Values = values.iter().map(|value| self.value(name, value)).collect();
        let mut state = self.state();
        if let Some(entry) = state.objects.get_mut(anchor) {
            entry.attributes.set(name, values);
        }
        state.changes.push(anchor.to_owned());
    }

    pub(super) fn rename(&self, anchor: &str, dn: &str) {
        let mut state = self.state();
        if let Some(entry) = state.objects.get_mut(anchor) {
            entry.dn = Some(dn.parse().unwrap());
        }
        state.changes.push(anchor.to_owned());
    }

    /// Renames a container, and what stands below it with it; only the container itself is told as changed (T22).
    pub(super) fn rename_tree(&self, anchor: &str, dn: &str) {
        let mut state = self.state();
        let new: Dn = dn.parse().unwrap();
        let old = state.objects[anchor].dn.clone().unwrap();
        for entry in state.objects.values_mut() {
            let Some(place) = &entry.dn else { continue };
            if place.is_within(&old) {
                let below = &place.rdns()[..place.rdns().len() - old.rdns().len()];
                entry.dn = Some(Dn::from_rdns(below.iter().chain(new.rdns()).cloned().collect()));
            }
        }
        state.changes.push(anchor.to_owned());
    }

    pub(super) fn remove(&self, anchor: &str) {
        let mut state = self.state();
        state.objects.remove(anchor);
        remove_references_to(&mut state, anchor);
        state.changes.push(anchor.to_owned());
    }

    pub(super) fn dn_of(&self, name: &str, text: &str) -> Option<String> {
        let state = self.state();
        let found = state.objects.values().find(|entry| entry.attributes.text(name) == Some(text));
        found.and_then(|entry| entry.dn.as_ref()).map(ToString::to_string)
    }

    /// Where everything stands.
    pub(super) fn names(&self) -> Vec<String> {
        let state = self.state();
        let mut names: Vec<String> =
            state.objects.values().filter_map(|entry| entry.dn.as_ref()).map(ToString::to_string).collect();
        names.sort();
        names
    }

    /// Moves an object out of the selected containers.
    pub(super) fn hide(&self, anchor: &str) {
        let mut state = self.state();
        state.behaviour.hidden.insert(anchor.to_owned());
        state.changes.push(anchor.to_owned());
    }

    /// Moves it back.
    pub(super) fn show(&self, anchor: &str) {
        let mut state = self.state();
        state.behaviour.hidden.remove(anchor);
        state.changes.push(anchor.to_owned());
    }

    /// The object that carries this text.
    pub(super) fn anchor_of(&self, name: &str, text: &str) -> Option<String> {
        let state = self.state();
        let found = state.objects.iter().find(|(_, entry)| entry.attributes.text(name) == Some(text));
        found.map(|(anchor, _)| anchor.clone())
    }

    pub(super) fn texts(&self, name: &str) -> Vec<String> {
        let state = self.state();
        state.objects.values().filter_map(|entry| entry.attributes.text(name)).map(str::to_owned).collect()
    }

    /// Every object on a line, for comparing whole systems. Without anchors, which are drawn in the order of arrival:
    /// references are shown by the key attribute of their target.
    pub(super) fn picture(&self) -> Vec<String> {
        let state = self.state();
        let mut lines: Vec<String> = state.objects.values().map(|entry| self.line(&state, entry)).collect();
        lines.sort();
        lines
    }

    fn line(&self, state: &State, entry: &Entry) -> String {
        let mut line = entry.object_type.to_string();
        for (name, values) in entry.attributes.iter() {
            let mut shown: Vec<String> = values
                .iter()
                .map(|value| match value {
                    Value::Reference(Reference::Anchor(anchor)) => state
                        .objects
                        .get(&anchor.to_string())
                        .and_then(|target| target.attributes.text(self.key))
                        .map_or_else(|| format!("gone {anchor}"), |key| format!("->{key}")),
                    other => other.to_string(),
                })
                .collect();
            shown.sort();
            line.push_str(&format!(" {name}={}", shown.join("|")));
        }
        line
    }

    /// A place where the process may be lost: nothing after it happens.
    async fn point(&self) {
        let lost = {
            let mut state = self.state();
            state.points += 1;
            state.behaviour.crash_at == Some(state.points)
        };
        if lost {
            self.crashed.notify_one();
            std::future::pending::<()>().await;
        }
    }

    fn item(entry: &Entry, anchor: &str, state: &State) -> ImportItem {
        ImportItem::Object(ImportedObject {
            anchor: Anchor::Text(anchor.to_owned()),
            object_type: entry.object_type.clone(),
            place: entry
                .dn
                .clone()
                .map(|dn| Place { parent: dn.parent().and_then(|parent| anchor_at(state, &parent)), dn }),
            attributes: entry.attributes.clone(),
        })
    }

    async fn send(&self, items: Vec<ImportItem>, sink: &ImportSink) -> Result<(), ConnectorError> {
        let page = self.state().behaviour.page.max(1);
        for items in items.chunks(page) {
            self.point().await;
            sink.send(ImportPage { items: items.to_vec() }).await?;
        }
        Ok(())
    }

    fn end(&self) -> ImportEnd {
        let state = self.state();
        ImportEnd {
            watermark: Some(Watermark(state.changes.len().to_string())),
            filtered_objects: 0,
            filtered_deletions: 0,
            notes: Vec::new(),
            absence: match state.behaviour.out_of_sight {
                true => Absence::OutOfSight,
                false => Absence::Deleted,
            },
        }
    }
}

fn anchor_at(state: &State, dn: &Dn) -> Option<Anchor> {
    let wanted = dn.normalised();
    state
        .objects
        .iter()
        .find(|(_, entry)| entry.dn.as_ref().is_some_and(|dn| dn.normalised() == wanted))
        .map(|(anchor, _)| Anchor::Text(anchor.clone()))
}

/// A directory that keeps references whole.
fn remove_references_to(state: &mut State, anchor: &str) {
    let gone = Value::Reference(Reference::Anchor(Anchor::Text(anchor.to_owned())));
    let mut touched = Vec::new();
    for (other, entry) in &mut state.objects {
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
    state.changes.extend(touched);
}

/// A small, fixed generator: the same seed gives the same order.
fn shuffled<T>(mut items: Vec<T>, seed: u64) -> Vec<T> {
    if seed == 0 {
        return items;
    }
    let mut random = seed;
    for last in (1..items.len()).rev() {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let other = usize::try_from(random >> 33).unwrap_or(0) % (last + 1);
        items.swap(last, other);
    }
    items
}

#[async_trait]
impl Connector for Directory {
    async fn schema(&self) -> Result<ConnectorSchema, ConnectorError> {
        Ok(self.schema.clone())
    }

    async fn check(&self) -> Check {
        Check::default()
    }

    async fn import_full(&self, _request: FullImport, sink: ImportSink) -> Result<ImportEnd, ConnectorError> {
        let (items, breaks_after) = {
            let state = self.state();
            let behaviour = &state.behaviour;
            let items: Vec<ImportItem> = state
                .objects
                .iter()
                .filter(|(anchor, _)| !behaviour.hidden.contains(*anchor))
                .map(|(anchor, entry)| {
                    if behaviour.unreadable.contains(anchor) {
                        ImportItem::Unreadable(ObjectIssue {
                            code: "parse-error",
                            object: anchor.clone(),
                            anchor: Some(Anchor::Text(anchor.clone())),
                            message: "cannot be understood".into(),
                        })
                    } else {
                        Directory::item(entry, anchor, &state)
                    }
                })
                .collect();
            (shuffled(items, behaviour.shuffle), behaviour.breaks_after)
        };
        // The end is told from before the first object: what changes meanwhile is told by the next delta.
        let end = self.end();
        if let Some(most) = breaks_after {
            let items = items.into_iter().take(most).collect();
            self.send(items, &sink).await?;
            let lost = ConnectorError::new(ErrorKind::Connection, "reading", "the connection broke", "try again");
            return Err(lost);
        }
        self.send(items, &sink).await?;
        Ok(end)
    }

    fn delta_import(&self) -> Option<&dyn DeltaImport> {
        self.state().behaviour.reads_changes.then_some(self as &dyn DeltaImport)
    }

    fn object_reader(&self) -> Option<&dyn ObjectReader> {
        self.state().behaviour.reads_objects.then_some(self as &dyn ObjectReader)
    }

    fn exporter(&self) -> Option<&dyn Exporter> {
        Some(self)
    }

    fn match_facts(&self) -> Option<&dyn MatchFacts> {
        Some(self)
    }

    async fn own_accounts(&self) -> Result<Vec<OwnAccount>, ConnectorError> {
        Ok(self.state().behaviour.own_accounts.clone())
    }
}

#[async_trait]
impl DeltaImport for Directory {
    async fn import_delta(&self, since: &Watermark, sink: ImportSink) -> Result<ImportEnd, ConnectorError> {
        let items = {
            let mut state = self.state();
            if std::mem::take(&mut state.behaviour.forgets_watermarks) {
                let message = "the change log does not reach back that far";
                return Err(ConnectorError::new(ErrorKind::FullImportRequired, "reading changes", message, ""));
            }
            let from: usize = since.0.parse().unwrap();
            let changed: BTreeSet<String> = state.changes[from..].iter().cloned().collect();
            let items = changed.into_iter().map(|anchor| match state.objects.get(&anchor) {
                Some(_) if state.behaviour.hidden.contains(&anchor) => {
                    ImportItem::Deleted { anchor: Anchor::Text(anchor), cause: DeletionCause::LeftScope }
                }
                Some(entry) if state.behaviour.partial_deltas => change_of(entry, &anchor),
                Some(entry) => Directory::item(entry, &anchor, &state),
                None => ImportItem::Deleted { anchor: Anchor::Text(anchor), cause: DeletionCause::DeletedInSource },
            });
            shuffled(items.collect(), state.behaviour.shuffle)
        };
        let end = self.end();
        self.send(items, &sink).await?;
        Ok(end)
    }
}

fn change_of(entry: &Entry, anchor: &str) -> ImportItem {
    let mut changes = metaverse_schema::AttributesDelta::default();
    for (name, values) in entry.attributes.iter() {
        changes.set(name.clone(), values.clone());
    }
    ImportItem::Change(connector_contract::ImportedChange {
        anchor: Anchor::Text(anchor.to_owned()),
        object_type: entry.object_type.clone(),
        place: None,
        changes,
    })
}

#[async_trait]
impl ObjectReader for Directory {
    async fn read_objects(&self, anchors: &[Anchor]) -> Result<Vec<ImportItem>, ConnectorError> {
        let state = self.state();
        Ok(anchors
            .iter()
            .filter_map(|anchor| {
                let anchor = anchor.to_string();
                Some(Directory::item(state.objects.get(&anchor)?, &anchor, &state))
            })
            .collect())
    }
}

#[async_trait]
impl MatchFacts for Directory {
    async fn privileges(&self, anchors: &[Anchor]) -> Vec<Fact> {
        let mut state = self.state();
        state.role_calls += 1;
        let behaviour = &state.behaviour;
        anchors
            .iter()
            .map(|anchor| Fact {
                anchor: anchor.clone(),
                privilege: if behaviour.roles_unreadable {
                    PrivilegeFact::Unreadable { reason: "forbidden".into() }
                } else if behaviour.roles_out_of_reach {
                    PrivilegeFact::OutOfReach { reason: "no answer".into() }
                } else {
                    behaviour.roles.get(&anchor.to_string()).cloned().unwrap_or(PrivilegeFact::None)
                },
            })
            .collect()
    }
}

#[async_trait]
impl Exporter for Directory {
    fn batch_size(&self) -> usize {
        self.state().behaviour.batch
    }

    async fn export(&self, items: &[ExportItem]) -> Result<Vec<(i64, ExportOutcome)>, ConnectorError> {
        let mut outcomes = Vec::new();
        for item in items {
            self.point().await;
            let outcome = self.write(&item.object_type, &item.operation);
            self.point().await;
            outcomes.push((item.id, outcome));
        }
        Ok(outcomes)
    }

    async fn find_created(
        &self,
        object_type: &ObjectType,
        create: &CreateRequest,
    ) -> Result<Option<Anchor>, ConnectorError> {
        let key = create.attributes.text(self.key);
        let state = self.state();
        Ok(state
            .objects
            .iter()
            .find(|(_, entry)| {
                entry.object_type == *object_type && key.is_some() && entry.attributes.text(self.key) == key
            })
            .map(|(anchor, _)| Anchor::Text(anchor.clone())))
    }
}

impl Directory {
    fn write(&self, object_type: &ObjectType, operation: &ExportOperation) -> ExportOutcome {
        let mut state = self.state();
        match operation {
            ExportOperation::Create(create) => self.create(&mut state, object_type, create),
            ExportOperation::Update(update) | ExportOperation::Restore(update) => self.update(&mut state, update),
            ExportOperation::Delete { anchor } => {
                state.writes.push(format!("delete {anchor}"));
                if let Some(problem) = occupied(&state, &anchor.to_string()) {
                    return ExportOutcome::Refused(problem);
                }
                // What is gone is gone: that is success.
                if state.objects.remove(&anchor.to_string()).is_some() {
                    remove_references_to(&mut state, &anchor.to_string());
                    state.changes.push(anchor.to_string());
                }
                accepted(None)
            }
            ExportOperation::Detach { anchor } => {
                state.writes.push(format!("detach {anchor}"));
                if let Some(entry) = state.objects.get_mut(&anchor.to_string()) {
                    entry.attributes.set("enabled", Value::Boolean(false));
                    entry.attributes.remove("stamp");
                }
                state.changes.push(anchor.to_string());
                accepted(None)
            }
        }
    }

    fn create(&self, state: &mut State, object_type: &ObjectType, create: &CreateRequest) -> ExportOutcome {
        let key = create.attributes.text(self.key).unwrap_or_default().to_owned();
        state.writes.push(format!("create {object_type} {key}"));
        if let Some(problem) = refusal(state, &create.attributes).or_else(|| orphaned(state, create.dn.as_ref())) {
            return ExportOutcome::Refused(problem);
        }
        state.next += 1;
        let anchor = format!("new-{}", state.next);
        let mut entry =
            Entry { object_type: object_type.clone(), dn: create.dn.clone(), attributes: Attributes::new() };
        for (name, values) in create.attributes.iter() {
            entry.attributes.set(name.clone(), written(&state.behaviour, name.as_str(), values));
        }
        state.objects.insert(anchor.clone(), entry);
        state.changes.push(anchor.clone());
        let failed = write_references(state, &anchor, &create.references);
        ExportOutcome::Accepted { anchor: Some(Anchor::Text(anchor)), failed_references: failed }
    }

    fn update(&self, state: &mut State, update: &UpdateRequest) -> ExportOutcome {
        let anchor = update.anchor.to_string();
        let Some(entry) = state.objects.get(&anchor) else {
            state.writes.push(format!("update {anchor} (gone)"));
            return ExportOutcome::Refused(problem("cd-missing-object", "there is no such object", false));
        };
        let key = entry.attributes.text(self.key).unwrap_or(&anchor).to_owned();
        let names: Vec<String> = update
            .changes
            .0
            .keys()
            .chain(update.afterwards.0.keys())
            .map(ToString::to_string)
            .chain(update.references.iter().map(|change| {
                let sign = if change.add { '+' } else { '-' };
                format!("{sign}{}", change.attribute)
            }))
            .collect();
        state.writes.push(format!("update {key} {}", names.join(" ")));
        let mut changed = entry.attributes.clone();
        for delta in [&update.changes, &update.afterwards] {
            delta.apply(&mut changed);
            for (name, change) in &delta.0 {
                if let AttributeChange::Update { add, remove } = change {
                    let add = add.iter().map(|value| format!(" +{value}"));
                    let remove = remove.iter().map(|value| format!(" -{value}"));
                    state.writes.push(format!("values {name}{}", remove.chain(add).collect::<String>()));
                }
                let values = changed.get(name.as_str()).cloned().unwrap_or_default();
                changed.set(name.clone(), written(&state.behaviour, name.as_str(), &values));
            }
        }
        if let Some(problem) = refusal(state, &changed).or_else(|| orphaned(state, update.dn.as_ref())) {
            return ExportOutcome::Refused(problem);
        }
        if let Some(entry) = state.objects.get_mut(&anchor) {
            entry.attributes = changed;
        }
        if let Some(dn) = &update.dn {
            carry(state, &anchor, dn);
        }
        state.changes.push(anchor.clone());
        let failed = write_references(state, &anchor, &update.references);
        ExportOutcome::Accepted { anchor: None, failed_references: failed }
    }
}

/// Gives an object another DN, and what stands below it with it.
fn carry(state: &mut State, anchor: &str, to: &Dn) {
    let old = state.objects.get_mut(anchor).and_then(|entry| entry.dn.replace(to.clone()));
    for entry in state.objects.values_mut() {
        if let (Some(old), Some(place)) = (&old, &mut entry.dn)
            && place != to
            && place.is_within(old)
        {
            let below = &place.rdns()[..place.rdns().len() - old.rdns().len()];
            *place = Dn::from_rdns(below.iter().chain(to.rdns()).cloned().collect());
        }
    }
}

fn accepted(anchor: Option<Anchor>) -> ExportOutcome {
    ExportOutcome::Accepted { anchor, failed_references: Vec::new() }
}

fn written(behaviour: &Behaviour, name: &str, values: &Values) -> Values {
    if !behaviour.shouts.contains(name) {
        return values.clone();
    }
    values
        .iter()
        .map(|value| match value.as_text() {
            Some(text) => Value::text(text.to_uppercase()),
            None => value.clone(),
        })
        .collect()
}

fn refusal(state: &State, attributes: &Attributes) -> Option<ExportProblem> {
    let name = attributes.text("displayName")?;
    let (code, retry) = state.behaviour.refuses.get(name)?;
    Some(problem(code, "refused by the test", *retry))
}

/// Nothing is created in a container that is not there; what has one RDN stands at the root.
fn orphaned(state: &State, dn: Option<&Dn>) -> Option<ExportProblem> {
    let parent = dn?.parent().filter(|parent| !parent.rdns().is_empty())?;
    let stands = state.objects.values().any(|entry| entry.dn.as_ref() == Some(&parent));
    (!stands).then(|| problem("non-existent-parent", "the container is not there", true))
}

/// No container goes while something stands in it.
fn occupied(state: &State, anchor: &str) -> Option<ExportProblem> {
    let dn = state.objects.get(anchor)?.dn.as_ref()?;
    let is_inside = |entry: &Entry| entry.dn.as_ref().and_then(Dn::parent).as_ref() == Some(dn);
    let any = state.objects.values().any(is_inside);
    any.then(|| problem("unsupported-container-delete", "the container is not empty", true))
}

fn problem(code: &str, message: &str, retry: bool) -> ExportProblem {
    ExportProblem { code: code.to_owned(), attribute: None, message: message.to_owned(), remedy: String::new(), retry }
}

/// Adds and removes references; one to an object that is not there fails by itself.
fn write_references(
    state: &mut State,
    anchor: &str,
    changes: &[ReferenceChange],
) -> Vec<(ReferenceChange, ExportProblem)> {
    let mut failed = Vec::new();
    for change in changes {
        if change.add && !state.objects.contains_key(&change.target.to_string()) {
            failed.push((change.clone(), problem("dn-attributes-failure", "the target is not there", true)));
            continue;
        }
        let value = Value::Reference(Reference::Anchor(change.target.clone()));
        if let Some(entry) = state.objects.get_mut(anchor) {
            let mut values = entry.attributes.get(change.attribute.as_str()).cloned().unwrap_or_default();
            if change.add {
                values.insert(value);
            } else {
                values.remove(&value);
            }
            entry.attributes.set(change.attribute.clone(), values);
        }
    }
    failed
}
