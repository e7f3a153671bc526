//! A connected system in memory, for the tests of this crate and for its simulation: it keeps objects, logs every write that
//! reaches it, tells changes since a watermark, and breaks where a test says so. It shares no code with a real connector.

mod weather;
mod writes;

use async_trait::async_trait;
use connector_contract::{
    Absence, Check, Connector, ConnectorError, CredentialMark, DeletionCause, DeltaImport, ErrorKind, Exporter, Fact,
    FullImport, Held, ImportEnd, ImportItem, ImportPage, ImportSink, ImportedObject, MatchFacts, ObjectIssue,
    ObjectReader, OwnAccount, Place, Print, PrivilegeFact, StateOfSystem, SystemState, Watermark,
};
use metaverse_schema::{
    Anchor, AttributeName, Attributes, ConnectorSchema, Dn, ObjectType, Plurality, Reference, Value, ValueKind, Values,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
pub(super) use weather::Weather;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) object_type: ObjectType,
    pub(super) dn: Option<Dn>,
    /// References stand here as anchors.
    pub(super) attributes: Attributes,
}

#[derive(Default, Clone)]
pub(super) struct State {
    pub(super) objects: BTreeMap<String, Entry>,
    /// Anchors that changed, oldest first; a watermark is a position in it.
    changes: Vec<String>,
    /// One line per write that arrived, refused ones included.
    pub(super) writes: Vec<String>,
    next: u64,
    pub(super) behaviour: Behaviour,
    /// Times that somebody signed in, or tried to.
    pub(super) sign_ins: usize,
    /// Calls to read roles.
    pub(super) role_calls: usize,
    /// Crash points that were passed.
    points: u64,
    /// Created objects that reads do not show yet, with the number of reads that still miss them.
    unseen: BTreeMap<String, u32>,
    /// Creates that arrived while an object with the same key stood there.
    pub(super) doubled: Vec<String>,
    /// What the faults of this system came to, by name.
    pub(super) met: BTreeMap<&'static str, u64>,
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
    /// Deltas tell every attribute as a change, one that is gone too.
    pub(super) tells_changes: bool,
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
    /// So many reads miss a created object.
    pub(super) delay: u32,
    /// A create with the primary address of an unstamped object becomes that object, as Azure AD does it.
    pub(super) matches_itself: bool,
    /// A write of an object must bring along the object's `stamp`.
    pub(super) wants_stamps: bool,
    /// References of a new object are requests of their own, after all creates.
    pub(super) references_apart: bool,
    /// Two objects cannot stand at one place.
    pub(super) unique_places: bool,
    /// Faults that come and go.
    pub(super) weather: Option<Weather>,
    /// The state of the system as a whole; none: it has none.
    pub(super) system: Option<StateOfSystem>,
    /// What it is signed in to with; none: nothing.
    pub(super) credential: Option<CredentialMark>,
    /// Every sign-in is refused.
    pub(super) refuses_sign_in: bool,
}

impl Default for Behaviour {
    fn default() -> Self {
        Behaviour {
            page: 100,
            shuffle: 0,
            reads_changes: true,
            reads_objects: true,
            partial_deltas: false,
            tells_changes: false,
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
            delay: 0,
            matches_itself: false,
            wants_stamps: false,
            references_apart: false,
            unique_places: false,
            weather: None,
            system: None,
            credential: None,
            refuses_sign_in: false,
        }
    }
}

/// Told of each place where the process may be lost, and whether a write is on its way there.
pub(super) type Watcher = Arc<dyn Fn(bool) + Send + Sync>;

/// The connector to it.
pub(super) struct Directory {
    schema: ConnectorSchema,
    /// The attribute by which a created object is found again.
    key: &'static str,
    state: Mutex<State>,
    /// Told when the process is to be lost.
    pub(super) crashed: Arc<Notify>,
    /// Told of every place where the process may be lost.
    pub(super) watcher: Mutex<Option<Watcher>>,
}

/// Attributes that every test directory knows.
pub(super) fn schema() -> ConnectorSchema {
    let mut schema = ConnectorSchema::default()
        .class("user", true)
        .class("group", true)
        .class("contact", true)
        .creatable_container("ou");
    let texts =
        ["employeeId", "displayName", "mail", "signInName", "title", "stamp", "kind", "department", "place", "until"];
    for name in texts {
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
        Arc::new(Directory {
            schema: schema(),
            key,
            state: Mutex::default(),
            crashed: Arc::new(Notify::new()),
            watcher: Mutex::default(),
        })
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

    pub(super) fn line(&self, state: &State, entry: &Entry) -> String {
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
    async fn point(&self, writing: bool) {
        let watcher = self.watcher.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(watcher) = watcher {
            watcher(writing);
        }
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
        let place =
            entry.dn.clone().map(|dn| Place { parent: dn.parent().and_then(|parent| anchor_at(state, &parent)), dn });
        let words = place.as_ref().map(|place| (&place.dn, &place.parent));
        let print = sync_kernel::fingerprint(&(anchor, &entry.object_type, words, &entry.attributes));
        ImportItem::Object(ImportedObject {
            anchor: Anchor::Text(anchor.to_owned()),
            object_type: entry.object_type.clone(),
            place,
            attributes: entry.attributes.clone(),
            print: state.behaviour.reads_objects.then_some(Print(print.to_be_bytes())),
        })
    }

    /// What the engine holds is told by its print alone.
    fn told(item: ImportItem, held: &Held) -> ImportItem {
        match item {
            ImportItem::Object(ImportedObject { anchor, print: Some(print), .. }) if held.holds(&print) => {
                ImportItem::Same { anchor, print }
            }
            item => item,
        }
    }

    async fn send(&self, items: Vec<ImportItem>, sink: &ImportSink) -> Result<(), ConnectorError> {
        let page = self.state().behaviour.page.max(1);
        for items in items.chunks(page) {
            self.point(false).await;
            sink.send(ImportPage { items: items.to_vec() }).await?;
        }
        Ok(())
    }

    fn every_attribute_of(&self, entry: &Entry, anchor: &str) -> ImportItem {
        let mut item = change_of(entry, anchor);
        if let ImportItem::Change(change) = &mut item {
            let gone = self.schema.attributes.keys().filter(|name| entry.attributes.get(name.as_str()).is_none());
            gone.for_each(|name| change.changes.set(name.clone(), Values::default()));
        }
        item
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

    /// Where single objects can be read: one that the engine has changed meanwhile is asked for.
    fn makes_prints(&self) -> bool {
        self.state().behaviour.reads_objects
    }

    fn credential(&self) -> Option<CredentialMark> {
        self.state().behaviour.credential.clone()
    }

    async fn import_full(&self, request: FullImport, sink: ImportSink) -> Result<ImportEnd, ConnectorError> {
        self.sign_in()?;
        let held = request.held.loaded().await;
        let (items, breaks_after) = {
            let mut state = self.state();
            let unseen = replicate(&mut state, true);
            let behaviour = &state.behaviour;
            let items: Vec<ImportItem> = state
                .objects
                .iter()
                .filter(|(anchor, _)| !behaviour.hidden.contains(*anchor) && !unseen.contains(*anchor))
                .map(|(anchor, entry)| {
                    if behaviour.unreadable.contains(anchor) {
                        unreadable(anchor)
                    } else {
                        Directory::told(Directory::item(entry, anchor, &state), &held)
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

    fn system_state(&self) -> Option<&dyn SystemState> {
        self.state().behaviour.system.is_some().then_some(self)
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
        self.sign_in()?;
        let items = {
            let mut state = self.state();
            if std::mem::take(&mut state.behaviour.forgets_watermarks) {
                let message = "the change log does not reach back that far";
                return Err(ConnectorError::new(ErrorKind::FullImportRequired, "reading changes", message, ""));
            }
            let from: usize = since.0.parse().unwrap();
            let unseen = replicate(&mut state, false);
            let changed: BTreeSet<String> =
                state.changes[from..].iter().filter(|anchor| !unseen.contains(*anchor)).cloned().collect();
            let items = changed.into_iter().map(|anchor| match state.objects.get(&anchor) {
                Some(_) if state.behaviour.hidden.contains(&anchor) => {
                    ImportItem::Deleted { anchor: Anchor::Text(anchor), cause: DeletionCause::LeftScope }
                }
                Some(_) if state.behaviour.unreadable.contains(&anchor) => unreadable(&anchor),
                Some(entry) if state.behaviour.partial_deltas => change_of(entry, &anchor),
                Some(entry) if state.behaviour.tells_changes => self.every_attribute_of(entry, &anchor),
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

fn unreadable(anchor: &str) -> ImportItem {
    ImportItem::Unreadable(ObjectIssue {
        code: "parse-error",
        object: anchor.to_owned(),
        anchor: Some(Anchor::Text(anchor.to_owned())),
        message: "cannot be understood".into(),
    })
}

/// One more read happens: which objects it still misses. No object is missed by two full reads (O28).
fn replicate(state: &mut State, full: bool) -> BTreeSet<String> {
    let mut shown = Vec::new();
    for (anchor, reads) in &mut state.unseen {
        *reads -= 1;
        if *reads == 0 {
            shown.push(anchor.clone());
        }
    }
    for anchor in shown {
        state.unseen.remove(&anchor);
        state.changes.push(anchor);
    }
    if full {
        state.unseen.values_mut().for_each(|reads| *reads = 1);
    }
    *state.met.entry("reads that missed an object").or_default() += state.unseen.len() as u64;
    state.unseen.keys().cloned().collect()
}

impl Directory {
    fn sign_in(&self) -> Result<(), ConnectorError> {
        let mut state = self.state();
        state.sign_ins += 1;
        let refused = || ConnectorError::new(ErrorKind::Credential, "signing in", "data 52e", "check the password");
        if state.behaviour.refuses_sign_in { Err(refused()) } else { Ok(()) }
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
        whole_if_new: true,
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
                let entry = state.objects.get(&anchor).filter(|_| !state.unseen.contains_key(&anchor))?;
                Some(Directory::item(entry, &anchor, &state))
            })
            .collect())
    }
}

#[async_trait]
impl SystemState for Directory {
    async fn system_state(&self) -> Result<StateOfSystem, ConnectorError> {
        self.sign_in()?;
        Ok(self.state().behaviour.system.clone().unwrap_or_default())
    }
}

#[async_trait]
impl MatchFacts for Directory {
    async fn privileges(&self, anchors: &[Anchor]) -> Vec<Fact> {
        let signed_in = self.sign_in();
        let mut state = self.state();
        state.role_calls += 1;
        let behaviour = &state.behaviour;
        anchors
            .iter()
            .map(|anchor| Fact {
                anchor: anchor.clone(),
                privilege: if let Err(error) = &signed_in {
                    PrivilegeFact::Refused { reason: error.message.clone(), remedy: error.remedy.clone() }
                } else if behaviour.roles_unreadable {
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
