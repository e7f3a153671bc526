//! The engine around the kernel, in memory and as plain as possible: it stages what systems hold, answers questions, applies
//! plans in order, and exports. It stands for store and runtime; it shares no code with them and decides nothing.

use crate::rules::{CONNECTORS, Variant, rules};
use crate::system::{Entry, Event, Systems};
use crate::tally::Tally;
use metaverse_schema::{Anchor, AttributesDelta, MatchKey};
use std::collections::{BTreeMap, BTreeSet};
use sync_kernel::*;
use sync_rules::KeyId;

/// How one history is synchronised: nothing of it may matter.
#[derive(Debug, Clone)]
pub(crate) struct Way {
    /// After which events a delta cycle runs.
    pub(crate) cycles: Vec<bool>,
    /// Order of the sources: one of the six.
    pub(crate) order: usize,
    /// Subjects that are decided together before any of them is applied.
    pub(crate) page: usize,
}

pub(crate) struct World {
    pub(crate) run: RunInputs,
    /// The same, recording how each value came to be: a preview.
    pub(crate) traced: RunInputs,
    pub(crate) systems: Systems,
    pub(crate) objects: BTreeMap<CsId, CsObject>,
    pub(crate) metaverse: BTreeMap<MvId, MvObject>,
    pub(crate) holds: BTreeMap<(MvId, String), Vec<Hold>>,
    pub(crate) errors: BTreeMap<Subject, ObjectError>,
    pub(crate) dirty: BTreeSet<CsId>,
    pub(crate) dirty_metaverse: BTreeSet<MvId>,
    pub(crate) tally: Tally,
    next: i64,
    page: usize,
    order: [&'static str; 3],
    /// What plans of the current page have changed so far.
    touched: BTreeSet<Question>,
}

/// What is due, or everything.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Scope {
    Due,
    All,
}

/// The keys that one stored object carries.
type Carried = BTreeSet<(KeyId, MatchKey)>;

impl World {
    pub(crate) fn new(variant: &Variant, way: &Way) -> Self {
        let run = RunInputs {
            rules: rules(variant).into(),
            schemas: BTreeMap::new(),
            now: 0,
            rules_changed: false,
            trace: false,
            own_accounts: Vec::new(),
        };
        let orders = [
            ["ad", "hr", "crm"],
            ["ad", "crm", "hr"],
            ["hr", "ad", "crm"],
            ["hr", "crm", "ad"],
            ["crm", "ad", "hr"],
            ["crm", "hr", "ad"],
        ];
        World {
            traced: RunInputs { trace: true, ..run.clone() },
            run,
            systems: Systems::default(),
            objects: BTreeMap::new(),
            metaverse: BTreeMap::new(),
            holds: BTreeMap::new(),
            errors: BTreeMap::new(),
            dirty: BTreeSet::new(),
            dirty_metaverse: BTreeSet::new(),
            tally: Tally::default(),
            next: 1,
            page: way.page,
            order: orders[way.order],
            touched: BTreeSet::new(),
        }
    }

    /// The events with delta cycles between them as the way says, and then until nothing moves.
    pub(crate) fn live(&mut self, events: &[Event], way: &Way) {
        for (event, cycle) in events.iter().zip(&way.cycles) {
            self.systems.happen(event);
            if *cycle {
                self.cycle(Scope::Due);
            }
        }
        self.cycle(Scope::Due);
        self.cycle(Scope::Due);
    }

    pub(crate) fn cycle(&mut self, scope: Scope) {
        let connectors: Vec<&'static str> = self.order.into_iter().chain(["dir", "cloud"]).collect();
        connectors.iter().for_each(|connector| self.import(connector));
        connectors.iter().for_each(|connector| self.synchronise(connector, scope));
        for target in ["dir", "cloud"] {
            self.export(target);
            self.import(target);
            self.synchronise(target, Scope::Due);
        }
    }

    fn number(&mut self) -> i64 {
        self.next += 1;
        self.next
    }

    /// Stages what the system holds and the space does not.
    pub(crate) fn import(&mut self, connector: &'static str) {
        let system = self.systems.system(connector).clone();
        let known: BTreeMap<String, CsId> = self
            .objects
            .values()
            .filter(|object| *object.connector == *connector)
            .filter_map(|object| Some((object.anchor.as_ref()?.to_string(), object.id)))
            .collect();
        for (anchor, entry) in &system {
            let id = known.get(anchor).copied().unwrap_or_else(|| self.appear(connector, anchor, entry));
            self.stage(id, entry);
        }
        for id in known.iter().filter(|(anchor, _)| !system.contains_key(*anchor)).map(|(_, id)| *id) {
            if let Some(object) = self.objects.get_mut(&id)
                && !matches!(object.staged, Some(Staged::Deleted(_)))
            {
                object.staged = Some(Staged::Deleted(DeleteCause::DeletedInSource));
                self.dirty.insert(id);
            }
        }
    }

    fn appear(&mut self, connector: &str, anchor: &str, entry: &Entry) -> CsId {
        let id = CsId(self.number());
        let object =
            CsObject { anchor: Some(Anchor::Text(anchor.to_owned())), ..nothing(id, connector, entry.object_type) };
        self.objects.insert(id, object);
        id
    }

    fn stage(&mut self, id: CsId, entry: &Entry) {
        let Some(object) = self.objects.get_mut(&id) else { return };
        let references: BTreeMap<_, _> = entry
            .references
            .iter()
            .filter(|(_, count)| **count > 0)
            .map(|(name, count)| ((*name).into(), *count))
            .collect();
        let same_type = object.object_type.as_str() == entry.object_type;
        let same = object.imported() == Some(&entry.attributes)
            && object.dn == entry.dn
            && object.reference_counts == references;
        let (memory, contradictions) = confirm_import(&object.memory, &object.contributed, &entry.attributes);
        self.tally.add("contradictions", contradictions.len() as u64);
        if same && same_type && memory == object.memory {
            return;
        }
        let replaced = !same_type || matches!(object.staged, Some(Staged::Replaced(_)));
        object.object_type = entry.object_type.into();
        object.dn = entry.dn.clone();
        object.reference_counts = references;
        object.memory = memory;
        object.staged = Some(match replaced {
            true => Staged::Replaced(entry.attributes.clone()),
            false => Staged::Image(entry.attributes.clone()),
        });
        self.dirty.insert(id);
    }

    /// One synchronisation step: the connector's objects, what that made due, and the metaverse objects that became due.
    pub(crate) fn synchronise(&mut self, connector: &str, scope: Scope) {
        let mut subjects: Vec<Subject> = match scope {
            Scope::All => self
                .of(connector)
                .filter(|object| object.staged.is_some() || object.synchronised.is_some())
                .map(|object| object.id)
                .collect(),
            Scope::Due => self.due(connector),
        }
        .into_iter()
        .map(Subject::Connector)
        .collect();
        let mut failed = BTreeSet::new();
        for _ in 0..20 {
            for page in subjects.chunks(self.page) {
                self.decide_and_apply(page);
            }
            failed.extend(subjects.iter().filter(|subject| self.errors.contains_key(subject)).copied());
            subjects = self
                .due(connector)
                .into_iter()
                .map(Subject::Connector)
                .filter(|subject| !failed.contains(subject))
                .collect();
            if subjects.is_empty() {
                let due = self.dirty_metaverse.iter().map(|id| Subject::Metaverse(*id));
                subjects = due.filter(|subject| !failed.contains(subject)).collect();
            }
            if subjects.is_empty() {
                return;
            }
        }
        panic!("still due after 20 sweeps: {subjects:?}");
    }

    fn of<'a>(&'a self, connector: &'a str) -> impl Iterator<Item = &'a CsObject> {
        self.objects.values().filter(move |object| *object.connector == *connector)
    }

    fn due(&self, connector: &str) -> Vec<CsId> {
        self.of(connector).map(|object| object.id).filter(|id| self.dirty.contains(id)).collect()
    }

    fn decide_and_apply(&mut self, subjects: &[Subject]) {
        let plans = self.decide_page(subjects, &self.run);
        self.touched.clear();
        for mut plan in plans {
            if plan.reads.0.iter().any(|question| self.touched.contains(question)) {
                self.tally.count("decided again");
                plan = self.decide(plan.subject, &self.run);
            }
            // Invariant 2: a preview by itself, with its records, is this plan.
            let preview = self.decide(plan.subject, &self.traced);
            assert_eq!(without_records(&preview), without_records(&plan), "preview is the run");
            let seen = crate::looks::look(self, &preview);
            self.tally.merge(&seen);
            crate::lineage::exported_values_have_lineage(self, &preview);
            self.apply(&plan);
        }
    }

    fn decide(&self, subject: Subject, run: &RunInputs) -> ObjectPlan {
        self.decide_page(&[subject], run).remove(0)
    }

    /// All subjects against one neighbourhood, which knows more than each of them asked for.
    fn decide_page(&self, subjects: &[Subject], run: &RunInputs) -> Vec<ObjectPlan> {
        let mut answers = Neighbourhood::default();
        let mut begun: Vec<Begun> = subjects.iter().map(|_| Begun::default()).collect();
        for _ in 0..12 {
            // A run takes up what it had begun, a preview begins anew each time.
            let outcomes: Vec<_> = subjects
                .iter()
                .zip(&mut begun)
                .map(|(subject, begun)| match run.trace {
                    true => decide(*subject, &answers, run),
                    false => decide_further(*subject, &answers, run, begun),
                })
                .collect();
            let missing: BTreeSet<Question> = outcomes
                .iter()
                .filter_map(|outcome| outcome.as_ref().err())
                .flat_map(|undecided| undecided.0.clone())
                .collect();
            if missing.is_empty() {
                return outcomes.into_iter().flatten().collect();
            }
            missing.iter().for_each(|question| self.answer(question, &mut answers));
        }
        panic!("not decided after twelve rounds");
    }

    fn answer(&self, question: &Question, answers: &mut Neighbourhood) {
        match question {
            Question::Connector(id) => answers.answer_connector(*id, self.objects.get(id).cloned()),
            Question::Metaverse(id) => answers.answer_metaverse(*id, self.metaverse.get(id).cloned()),
            Question::Key(key, value) => {
                let carries = |keys: Carried| keys.contains(&(*key, value.clone()));
                let mut hits: Vec<KeyHit> = self
                    .objects
                    .keys()
                    .filter(|id| carries(self.keys_of(**id)))
                    .map(|id| KeyHit::Connector(*id))
                    .collect();
                hits.extend(
                    self.metaverse
                        .keys()
                        .filter(|id| carries(self.metaverse_keys_of(**id)))
                        .map(|id| KeyHit::Metaverse(*id)),
                );
                answers.answer_key(*key, value.clone(), hits);
            }
            Question::Occupant(connector, dn) => {
                let occupant =
                    self.of(connector).find(|object| object.dn.as_ref().is_some_and(|own| own.normalised() == *dn));
                answers.answer_occupant(connector.clone(), dn.clone(), occupant.map(|object| object.id));
            }
        }
    }

    fn keys_of(&self, id: CsId) -> Carried {
        let object = self.objects.get(&id);
        let image = object.and_then(|object| Some((object, object.imported()?)));
        image.map_or_else(Carried::new, |(object, image)| {
            connector_keys(&self.run.rules, &object.connector, &object.object_type, image).into_iter().collect()
        })
    }

    fn metaverse_keys_of(&self, id: MvId) -> Carried {
        self.metaverse.get(&id).map_or_else(Carried::new, |object| {
            metaverse_keys(&self.run.rules, &object.object_type, &object.attributes).into_iter().collect()
        })
    }

    /// Applies a plan whole, and notes whatever it changed.
    fn apply(&mut self, plan: &ObjectPlan) {
        let before = (self.objects.clone(), self.metaverse.clone());
        self.apply_untouched(plan);
        let objects: BTreeSet<CsId> = before.0.keys().chain(self.objects.keys()).copied().collect();
        let metaverse: BTreeSet<MvId> = before.1.keys().chain(self.metaverse.keys()).copied().collect();
        let after = (std::mem::replace(&mut self.objects, before.0), std::mem::replace(&mut self.metaverse, before.1));
        let old: Vec<Carried> = objects
            .iter()
            .map(|id| self.keys_of(*id))
            .chain(metaverse.iter().map(|id| self.metaverse_keys_of(*id)))
            .collect();
        let before = (std::mem::replace(&mut self.objects, after.0), std::mem::replace(&mut self.metaverse, after.1));
        let new: Vec<Carried> = objects
            .iter()
            .map(|id| self.keys_of(*id))
            .chain(metaverse.iter().map(|id| self.metaverse_keys_of(*id)))
            .collect();
        for (old, new) in old.iter().zip(&new) {
            self.touched.extend(old.symmetric_difference(new).map(|(key, value)| Question::Key(*key, value.clone())));
        }
        for id in objects {
            let (old, new) = (before.0.get(&id), self.objects.get(&id));
            if old == new {
                continue;
            }
            self.touched.insert(Question::Connector(id));
            let places = [old, new]
                .into_iter()
                .flatten()
                .filter_map(|object| Some((object.connector.clone(), object.dn.as_ref()?.normalised())));
            self.touched.extend(places.map(|(connector, dn)| Question::Occupant(connector, dn)));
        }
        self.touched.extend(
            metaverse.into_iter().filter(|id| before.1.get(id) != self.metaverse.get(id)).map(Question::Metaverse),
        );
    }

    fn apply_untouched(&mut self, plan: &ObjectPlan) {
        if let Some(error) = &plan.error {
            self.errors.insert(plan.subject, error.clone());
            match plan.subject {
                Subject::Connector(id) => self.dirty.insert(id),
                Subject::Metaverse(id) => self.dirty_metaverse.insert(id),
            };
            return;
        }
        self.errors.remove(&plan.subject);
        match plan.subject {
            Subject::Connector(id) => drop(self.dirty.remove(&id)),
            Subject::Metaverse(id) => drop(self.dirty_metaverse.remove(&id)),
        }
        let created = MvId(self.number());
        let number = |mv: MvRef| match mv {
            MvRef::Existing(id) => id,
            MvRef::New => created,
        };
        if let (Subject::Connector(id), true) = (plan.subject, plan.promote)
            && let Some(object) = self.objects.get_mut(&id)
            && matches!(object.staged, Some(Staged::Image(_) | Staged::Replaced(_)))
            && let Some(Staged::Image(image) | Staged::Replaced(image)) = object.staged.take()
        {
            object.synchronised = Some(image);
        }
        for change in &plan.links {
            let link = change.link.as_ref().map(|(mv, rule, ownership)| (number(*mv), rule.clone(), *ownership));
            self.link(change.object, link);
        }
        for metaverse in &plan.metaverse {
            let id = number(metaverse.object);
            self.dirty_metaverse.remove(&id);
            match &metaverse.change {
                MetaverseChange::Set { attributes, .. } => {
                    let object = self.metaverse.entry(id).or_insert_with(|| MvObject {
                        id,
                        object_type: metaverse.object_type.clone(),
                        attributes: Default::default(),
                        links: Vec::new(),
                    });
                    object.attributes = attributes.clone();
                }
                MetaverseChange::Unchanged => {}
                MetaverseChange::Delete { .. } => {
                    self.metaverse.remove(&id);
                    self.holds.retain(|(mv, _), _| *mv != id);
                    self.errors.remove(&Subject::Metaverse(id));
                    let linked: Vec<CsId> = self.linked_to(id);
                    linked.into_iter().for_each(|object| self.link(object, None));
                }
            }
        }
        for target in &plan.targets {
            self.apply_target(target, number(target.mv));
        }
        if let Subject::Connector(id) = plan.subject {
            if plan.remove_subject {
                self.remove(id);
            } else if let (Some(state), Some(object)) = (plan.state, self.objects.get_mut(&id)) {
                object.state = state;
            }
        }
        let unlinked = |id: &&CsId| self.objects.get(*id).is_some_and(|object| object.link.is_none());
        self.dirty.extend(plan.rejoin.iter().filter(unlinked));
        self.dirty_metaverse.extend(plan.revisit.iter().filter(|id| self.metaverse.contains_key(id)));
        let links: Vec<(MvId, CsId)> =
            self.objects.values().filter_map(|object| Some((object.link.as_ref()?.mv, object.id))).collect();
        for object in self.metaverse.values_mut() {
            object.links = links.iter().filter(|(mv, _)| *mv == object.id).map(|(_, id)| *id).collect();
        }
    }

    fn apply_target(&mut self, target: &TargetPlan, mv: MvId) {
        target.dropped.iter().for_each(|id| self.remove(*id));
        if self.metaverse.contains_key(&mv) {
            self.holds.insert((mv, target.connector.to_string()), target.holds.clone());
        }
        let id = match &target.target {
            None => return,
            Some(TargetRef::Existing(id)) => *id,
            Some(TargetRef::New { object_type, dn }) => {
                let id = CsId(self.number());
                let object = CsObject { dn: dn.clone(), ..nothing(id, &target.connector, object_type.as_str()) };
                self.objects.insert(id, object);
                id
            }
        };
        if let Some((rule, ownership)) = &target.link {
            self.link(id, Some((mv, rule.clone(), *ownership)));
        }
        if let Some(object) = self.objects.get_mut(&id) {
            object.pending = target.pending.clone();
            object.memory = target.memory.clone();
            object.owned = target.owned.clone();
            object.contributed = target.contributed.clone();
        }
    }

    fn link(&mut self, id: CsId, link: Option<(MvId, sync_rules::RuleId, Ownership)>) {
        if let Some(object) = self.objects.get_mut(&id) {
            object.state = if link.is_some() { ConnectorState::Connected } else { ConnectorState::Disconnected };
            object.link = link.map(|(mv, rule, ownership)| Link { mv, rule, ownership });
        }
    }

    fn remove(&mut self, id: CsId) {
        self.objects.remove(&id);
        self.dirty.remove(&id);
        self.errors.remove(&Subject::Connector(id));
    }

    pub(crate) fn linked_to(&self, mv: MvId) -> Vec<CsId> {
        self.objects
            .values()
            .filter(|object| object.link.as_ref().is_some_and(|link| link.mv == mv))
            .map(|object| object.id)
            .collect()
    }

    /// Sends everything pending. A refused operation waits for a change.
    pub(crate) fn export(&mut self, connector: &'static str) {
        let sendable = |object: &&CsObject| {
            object.pending.as_ref().is_some_and(|pending| !matches!(pending.state, SentState::Refused { .. }))
        };
        let pending: Vec<CsId> = self.of(connector).filter(sendable).map(|object| object.id).collect();
        for id in pending {
            self.export_one(connector, id);
        }
        let links: Vec<(MvId, CsId)> =
            self.objects.values().filter_map(|object| Some((object.link.as_ref()?.mv, object.id))).collect();
        for object in self.metaverse.values_mut() {
            object.links = links.iter().filter(|(mv, _)| *mv == object.id).map(|(_, id)| *id).collect();
        }
    }

    fn export_one(&mut self, connector: &'static str, id: CsId) {
        let Some(object) = self.objects.get_mut(&id) else { return };
        let Some(PendingExport { operation, state, grace }) = object.pending.take() else { return };
        let mv = object.link.as_ref().map(|link| link.mv);
        let anchor = object.anchor.as_ref().map(Anchor::to_string);
        let sent: Vec<AttributesDelta> = match &operation {
            PendingOperation::Add { attributes } => vec![AttributesDelta::diff(&Default::default(), attributes)],
            PendingOperation::Update { changes, afterwards, .. }
            | PendingOperation::Restore { changes, afterwards } => {
                vec![changes.clone(), afterwards.clone()]
            }
            PendingOperation::Delete { .. } | PendingOperation::Detach { .. } => Vec::new(),
        };
        let mut image = overlay(object.imported().unwrap_or(&Default::default()), &object.memory);
        sent.iter().for_each(|delta| delta.apply(&mut image));
        let refused =
            image.text("displayName").is_some_and(|name| self.systems.refused.iter().any(|refused| refused == name));
        if refused && !sent.is_empty() {
            let count = if let SentState::Refused { count, .. } = state { count } else { 0 };
            let state = SentState::Refused {
                code: "invalid-attribute-value".into(),
                message: "refused".into(),
                remedy: "another name".into(),
                retry: false,
                count: count + 1,
            };
            object.pending = Some(PendingExport { operation, state, grace });
            self.tally.count("refusals");
            return;
        }
        for name in sent.iter().flat_map(|delta| delta.0.keys()) {
            let wanted = image.get(name.as_str()).cloned().unwrap_or_default();
            object.memory.attributes.insert(name.clone(), Remembered { wanted, state: MemoryState::Unconfirmed });
        }
        let mut written = Entry {
            object_type: if object.object_type.as_str() == "group" { "group" } else { "user" },
            dn: object.dn.clone(),
            attributes: image,
            references: BTreeMap::new(),
        };
        if self.systems.shouts
            && let Some(title) = written.attributes.text("title")
        {
            let title = metaverse_schema::Value::text(title.to_uppercase());
            written.attributes.set("title", title);
        }
        if let PendingOperation::Update { rename: Some(dn), .. } = &operation {
            object.dn = Some(dn.clone());
            written.dn = Some(dn.clone());
            self.tally.count("renames");
        }
        match operation {
            PendingOperation::Add { .. } => {
                object.anchor = Some(Anchor::Text(self.systems.create(connector, written)));
                self.tally.count("creates");
            }
            PendingOperation::Update { takeover, .. } => {
                self.tally.add("takeovers", u64::from(takeover));
                if let Some(entry) = anchor.and_then(|anchor| self.systems.system(connector).get_mut(&anchor)) {
                    *entry = written;
                }
            }
            PendingOperation::Restore { .. } => {}
            PendingOperation::Delete { .. } => {
                self.tally.count("deletes");
                anchor.and_then(|anchor| self.systems.system(connector).remove(&anchor));
                self.remove(id);
                self.revisit(mv);
            }
            PendingOperation::Detach { .. } => {
                self.tally.count("detaches");
                if let Some(entry) = anchor.and_then(|anchor| self.systems.system(connector).get_mut(&anchor)) {
                    entry.attributes.remove("stamp");
                }
                object.memory = ExportMemory::default();
                self.link(id, None);
                self.revisit(mv);
            }
        }
    }

    fn revisit(&mut self, mv: Option<MvId>) {
        self.dirty_metaverse.extend(mv.filter(|mv| self.metaverse.contains_key(mv)));
    }

    /// What is pending and would be sent by the next export, as text.
    pub(crate) fn would_be_sent(&self) -> Vec<String> {
        let sendable = |object: &&CsObject| {
            object.pending.as_ref().is_some_and(|pending| !matches!(pending.state, SentState::Refused { .. }))
        };
        self.objects
            .values()
            .filter(sendable)
            .map(|object| format!("{} {:?}", object.connector, object.pending))
            .collect()
    }

    /// Everything decided, without the numbers that depend on the order of arrival.
    pub(crate) fn picture(&self) -> Vec<String> {
        let name = |id: &CsId| {
            let object = self.objects.get(id);
            object.map_or_else(
                || "gone".to_owned(),
                |object| {
                    format!(
                        "{}:{}",
                        object.connector,
                        object.anchor.as_ref().map(Anchor::to_string).unwrap_or_default()
                    )
                },
            )
        };
        let mut lines: Vec<String> = self
            .metaverse
            .values()
            .map(|object| {
                let values: Vec<String> = object
                    .attributes
                    .iter()
                    .map(|(attribute, value)| {
                        let contributor = self
                            .objects
                            .get(&value.contributor)
                            .filter(|object| crate::system::SOURCES.contains(&&*object.connector));
                        format!(
                            "{attribute}={:?} by {} {}",
                            value.values,
                            value.rule,
                            contributor.map(|object| name(&object.id)).unwrap_or_default()
                        )
                    })
                    .collect();
                let mut links: Vec<String> = object
                    .links
                    .iter()
                    .filter(|id| self.objects.contains_key(id))
                    .map(|id| self.objects[id].connector.to_string())
                    .collect();
                links.sort();
                format!("mv {} {} links {links:?}", object.object_type, values.join(", "))
            })
            .collect();
        lines.sort();
        for connector in CONNECTORS.iter().skip(3) {
            lines.extend(self.systems.picture(connector));
        }
        lines
    }

    /// Everything decided, to the letter: for comparing one world with itself.
    pub(crate) fn decided(&self) -> Vec<String> {
        let objects = self.objects.values().map(|object| {
            format!(
                "{} {} {:?} {:?} {:?} {:?} {:?} {:?}",
                object.id,
                object.connector,
                object.state,
                object.link,
                object.pending,
                object.memory,
                object.owned,
                object.contributed
            )
        });
        let metaverse =
            self.metaverse.values().map(|object| format!("{} {:?} {:?}", object.id, object.attributes, object.links));
        let holds = self.holds.iter().filter(|(_, holds)| !holds.is_empty()).map(|held| format!("{held:?}"));
        let errors = self.errors.iter().map(|error| format!("{error:?}"));
        objects.chain(metaverse).chain(holds).chain(errors).collect()
    }

    pub(crate) fn links(&self) -> Vec<String> {
        self.objects.values().map(|object| format!("{} {:?}", object.id, object.link)).collect()
    }
}

/// An object of which nothing is known yet.
fn nothing(id: CsId, connector: &str, object_type: &str) -> CsObject {
    CsObject {
        id,
        connector: connector.into(),
        object_type: object_type.into(),
        anchor: None,
        dn: None,
        state: ConnectorState::Disconnected,
        link: None,
        synchronised: None,
        staged: None,
        pending: None,
        memory: ExportMemory::default(),
        owned: Default::default(),
        contributed: Default::default(),
        reference_counts: BTreeMap::new(),
        privilege: Some(Privilege::None),
        approvals: Vec::new(),
        match_decisions: Vec::new(),
        in_never_sync_group: false,
        member_of: Default::default(),
        selected_by: Default::default(),
        generation: 0,
    }
}

/// A plan without what only explains it.
fn without_records(plan: &ObjectPlan) -> ObjectPlan {
    let mut plan = plan.clone();
    plan.reads = ReadSet::default();
    plan.metaverse.iter_mut().for_each(|metaverse| metaverse.decisions.clear());
    plan.targets.iter_mut().for_each(|target| target.decisions.clear());
    plan
}
