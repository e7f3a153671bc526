//! Random directories: after any delta, in whatever order its items arrive, a full import of the same directory finds nothing to
//! do (invariant 4, for imports).

use super::support::*;
use crate::*;
use metaverse_schema::{Attributes, Reference, Value};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// A small directory. Numbers are anchors; the first three objects are containers.
#[derive(Debug, Clone)]
struct Directory {
    objects: BTreeMap<u8, Entry>,
    next: u8,
    /// Names are never used twice: then DNs alone identify objects and containers, in any order of arrival.
    fresh_names: bool,
    names: u32,
}

#[derive(Debug, Clone, PartialEq)]
struct Entry {
    name: u32,
    parent: Option<u8>,
    value: u8,
    members: BTreeSet<u8>,
}

const CONTAINERS: u8 = 3;

#[derive(Debug, Clone)]
enum Change {
    Rename(u8, u8),
    Move(u8, u8),
    SwapNames(u8, u8),
    Value(u8, u8),
    Member(u8, u8),
    Delete(u8),
    Create(u8, u8),
}

impl Directory {
    fn new(fresh_names: bool) -> Self {
        let mut directory = Directory { objects: BTreeMap::new(), next: 0, fresh_names, names: 100 };
        for _ in 0..CONTAINERS {
            directory.create(None, u32::from(directory.next));
        }
        for number in 0..6 {
            directory.create(Some(number % CONTAINERS), u32::from(directory.next));
        }
        directory
    }

    fn create(&mut self, parent: Option<u8>, name: u32) {
        self.objects.insert(self.next, Entry { name, parent, value: 0, members: BTreeSet::new() });
        self.next += 1;
    }

    fn name(&mut self, wanted: u8) -> u32 {
        self.names += 1;
        if self.fresh_names { self.names } else { u32::from(wanted % 8) }
    }

    fn is_free(&self, parent: Option<u8>, name: u32) -> bool {
        self.objects.values().all(|entry| (entry.parent, entry.name) != (parent, name))
    }

    fn pick(&self, from: u8, containers: bool) -> Option<u8> {
        let of: Vec<u8> = self.objects.keys().copied().filter(|id| containers || *id >= CONTAINERS).collect();
        of.get(usize::from(from) % of.len().max(1)).copied()
    }

    fn apply(&mut self, change: &Change) {
        match *change {
            Change::Rename(which, name) => {
                let name = self.name(name);
                let Some(id) = self.pick(which, true) else { return };
                if self.is_free(self.objects[&id].parent, name) {
                    self.objects.get_mut(&id).unwrap().name = name;
                }
            }
            Change::Move(which, parent) => {
                let Some(id) = self.pick(which, false) else { return };
                let parent = Some(parent % CONTAINERS);
                if self.is_free(parent, self.objects[&id].name) {
                    self.objects.get_mut(&id).unwrap().parent = parent;
                }
            }
            Change::SwapNames(left, right) => {
                let (Some(left), Some(right)) = (self.pick(left, true), self.pick(right, true)) else { return };
                if self.fresh_names || (left < CONTAINERS) != (right < CONTAINERS) {
                    return;
                }
                let (one, other) = (self.objects[&left].name, self.objects[&right].name);
                if self.objects[&left].parent == self.objects[&right].parent {
                    self.objects.get_mut(&left).unwrap().name = other;
                    self.objects.get_mut(&right).unwrap().name = one;
                }
            }
            Change::Value(which, value) => {
                if let Some(id) = self.pick(which, false) {
                    self.objects.get_mut(&id).unwrap().value = value % 3;
                }
            }
            Change::Member(which, member) => {
                let (Some(id), Some(member)) = (self.pick(which, false), self.pick(member, false)) else { return };
                let members = &mut self.objects.get_mut(&id).unwrap().members;
                if !members.remove(&member) {
                    members.insert(member);
                }
            }
            Change::Delete(which) => {
                let Some(id) = self.pick(which, false) else { return };
                self.objects.remove(&id);
                self.objects.values_mut().for_each(|entry| {
                    entry.members.remove(&id);
                });
            }
            Change::Create(parent, name) => {
                let (parent, name) = (Some(parent % CONTAINERS), self.name(name));
                if self.is_free(parent, name) {
                    self.create(parent, name);
                }
            }
        }
    }

    fn dn(&self, id: u8) -> String {
        let entry = &self.objects[&id];
        match entry.parent {
            None => format!("ou=n{},dc=x", entry.name),
            Some(parent) => format!("cn=n{},{}", entry.name, self.dn(parent)),
        }
    }

    fn item(&self, id: u8) -> StagedItem {
        let entry = &self.objects[&id];
        let mut attributes = Attributes::new();
        attributes.set("value", Value::Integer(i64::from(entry.value)));
        for member in &entry.members {
            let reference = match self.fresh_names {
                true => Reference::Dn(dn(&self.dn(*member))),
                false => Reference::Anchor(anchor(&member.to_string())),
            };
            attributes.add("member", Value::Reference(reference));
        }
        let parent = entry.parent.filter(|_| !self.fresh_names).map(|parent| anchor(&parent.to_string()));
        StagedItem::Object(StagedObject {
            anchor: anchor(&id.to_string()),
            object_type: if id < CONTAINERS { "organizationalUnit".into() } else { "user".into() },
            place: Some(StagedPlace { dn: dn(&self.dn(id)), parent }),
            attributes,
            print: None,
        })
    }

    /// What a directory reports: objects that changed themselves. What moved with its container did not.
    fn changes_since(&self, before: &Directory) -> Vec<StagedItem> {
        let changed = self
            .objects
            .iter()
            .filter(|(id, entry)| before.objects.get(id) != Some(entry))
            .map(|(id, _)| self.item(*id));
        let gone = before.objects.keys().filter(|id| !self.objects.contains_key(id)).map(|id| deleted(&id.to_string()));
        changed.chain(gone).collect()
    }
}

fn change() -> impl Strategy<Value = Change> {
    let two = || (any::<u8>(), any::<u8>());
    prop_oneof![
        two().prop_map(|(which, name)| Change::Rename(which, name)),
        two().prop_map(|(which, parent)| Change::Move(which, parent)),
        two().prop_map(|(left, right)| Change::SwapNames(left, right)),
        two().prop_map(|(which, value)| Change::Value(which, value)),
        two().prop_map(|(which, member)| Change::Member(which, member)),
        any::<u8>().prop_map(Change::Delete),
        two().prop_map(|(parent, name)| Change::Create(parent, name)),
    ]
}

/// A delta: its changes, and the order in which its items arrive.
fn round() -> impl Strategy<Value = (Vec<Change>, Vec<u64>)> {
    (proptest::collection::vec(change(), 1..8), proptest::collection::vec(any::<u64>(), 24))
}

fn full(store: &mut Store, directory: &Directory) -> ImportSummary {
    let mut session = store.begin_import("ad", ImportMode::Full, &schema(), None).unwrap();
    let items = directory.objects.keys().map(|id| directory.item(*id)).collect();
    store.stage_page(&mut session, items, NOW).unwrap();
    store
        .finish_import(session, FinishImport { obsolete: true, cleanup: true, ..FinishImport::default() }, NOW)
        .unwrap()
}

fn seen(store: &Store, directory: &Directory) -> Vec<String> {
    let shown = directory.objects.keys().map(|id| {
        let found =
            store.db.head_by_anchor(store.db.find_connector("ad").unwrap(), &anchor(&id.to_string())).unwrap().unwrap();
        let object = store.db.view(&found).unwrap();
        let members: BTreeSet<String> = store
            .members(object.id, "member", None, 99)
            .unwrap()
            .into_iter()
            .filter(|member| member.unsynchronised != Some("removed"))
            .map(|member| member.anchor.unwrap_or_default())
            .collect();
        format!(
            "{id} {} {:?} {members:?}",
            object.dn.as_ref().map(ToString::to_string).unwrap_or_default(),
            object.imported()
        )
    });
    shown.collect()
}

fn wanted(directory: &Directory) -> Vec<String> {
    let shown = directory.objects.iter().map(|(id, entry)| {
        let mut image = Attributes::new();
        image.set("value", Value::Integer(i64::from(entry.value)));
        let members: BTreeSet<String> = entry.members.iter().map(u8::to_string).collect();
        format!("{id} {} {:?} {members:?}", directory.dn(*id), Some(&image))
    });
    shown.collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_full_import_after_deltas_finds_nothing_to_do(fresh_names: bool, promotes: bool, rounds in proptest::collection::vec(round(), 1..5)) {
        let mut store = Store::scratch().unwrap();
        store.register_rules(&rules(), NOW).unwrap();
        let mut directory = Directory::new(fresh_names);
        full(&mut store, &directory);
        for (changes, order) in rounds {
            let before = directory.clone();
            changes.iter().for_each(|change| directory.apply(change));
            let mut items: Vec<(u64, StagedItem)> = order.iter().copied().chain(0..).zip(directory.changes_since(&before)).collect();
            items.sort_by_key(|(order, _)| *order);
            let mut session = store.begin_import("ad", ImportMode::Delta, &schema(), None).unwrap();
            store.stage_page(&mut session, items.into_iter().map(|(_, item)| item).collect(), NOW).unwrap();
            let summary = store.finish_import(session, FinishImport { cleanup: true, ..FinishImport::default() }, NOW).unwrap();
            prop_assert_eq!(summary.transient, 0);
            prop_assert_eq!(seen(&store, &directory), wanted(&directory));
            if promotes {
                let mut world = World { store, folder: tempfile::tempdir().unwrap() };
                world.promote_all("ad");
                store = world.store;
            }
        }
        let summary = full(&mut store, &directory);
        let counters = StagingCounters { no_change: directory.objects.len() as u64, ..StagingCounters::default() };
        prop_assert_eq!(summary.counters, counters);
        prop_assert_eq!(store.check_integrity().unwrap(), Vec::<String>::new());
    }
}

/// A group in the source, its counterpart in the target, and a target system that takes what it is sent.
struct Groups {
    world: World,
    mv: sync_kernel::MvId,
    wanted: BTreeSet<u8>,
    provisioned: BTreeSet<u8>,
    /// Members as the target system holds them, by anchor.
    held: BTreeSet<String>,
    created: BTreeSet<String>,
}

#[derive(Debug, Clone)]
enum Step {
    Toggle(u8),
    Provision(u8),
    Synchronise,
    Export,
    /// The entries are marked and sent, and the process dies before it learns what became of them.
    CrashAfterSending(bool),
    Import,
    /// Somebody else changes the members in the target.
    Foreign(u8),
}

const PEOPLE: u8 = 5;

impl Groups {
    fn new() -> Self {
        let mut world = World::new();
        let mut lines: Vec<String> = (0..PEOPLE).map(|n| format!("u{n} user cn=U{n},dc=x mail=u{n}@x")).collect();
        lines.push("g group cn=G,dc=x displayName=g".into());
        world.full("ad", &lines.iter().map(String::as_str).collect::<Vec<_>>());
        let source = world.id("ad", "g");
        let (mv, group) = world.provision("g", "group");
        let target = sync_kernel::TargetPlan {
            references: vec![member_flow(source, false)],
            pending: world.store.object(group).unwrap().unwrap().pending,
            ..keep(mv, group, sync_kernel::Ownership::Provisioned)
        };
        world.target(mv, target);
        let none = || BTreeSet::new();
        Groups { world, mv, wanted: BTreeSet::new(), provisioned: BTreeSet::new(), held: none(), created: none() }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Toggle(person) => {
                let person = person % PEOPLE;
                if !self.wanted.remove(&person) {
                    self.wanted.insert(person);
                }
                let list: String = self.wanted.iter().map(|person| format!(" member>u{person}")).collect();
                self.world.delta("ad", vec![object(&format!("g group cn=G,dc=x displayName=g{list}"))]);
            }
            Step::Provision(person) => {
                if self.provisioned.insert(person % PEOPLE) {
                    self.world.provision(&format!("u{}", person % PEOPLE), "user");
                }
            }
            Step::Synchronise => {
                self.world.promote_all("ad");
                self.world.promote_all("cloud");
                self.world.references();
            }
            Step::Export => self.export(true, true),
            Step::CrashAfterSending(arrived) => self.export(arrived, false),
            Step::Import => {
                let mut items: Vec<StagedItem> = self
                    .created
                    .iter()
                    .filter(|id| *id != "c-g")
                    .map(|id| object(&format!("{id} user - displayName={}", &id[2..])))
                    .collect();
                if self.created.contains("c-g") {
                    let list: String = self.held.iter().map(|id| format!(" members>{id}")).collect();
                    items.push(object(&format!("c-g group - displayName=g{list}")));
                }
                self.world.import("cloud", ImportMode::Full, items);
            }
            Step::Foreign(person) => {
                let id = format!("c-u{}", person % PEOPLE);
                if self.created.contains("c-g") && self.created.contains(&id) && !self.held.remove(&id) {
                    self.held.insert(id);
                }
            }
        }
    }

    fn export(&mut self, arrives: bool, settles: bool) {
        let mark = PageMark { now: NOW, ..PageMark::default() };
        // Twice: members that the first pass creates are referenced by the second.
        for _ in 0..2 {
            let entries = self.world.store.export_page("cloud", ExportPhase::Writes, None, 99, 99).unwrap();
            self.world.store.mark_in_flight(&entries).unwrap();
            for entry in &entries {
                let name = entry.anchor.as_ref().map_or_else(|| format!("c-{}", named(entry)), ToString::to_string);
                // A create that may have arrived is looked up: it is there once, whatever happened.
                if entry.pending.is_some() && (arrives || settles) {
                    self.created.insert(name);
                }
                if arrives {
                    for reference in &entry.references {
                        let member = reference.target.to_string();
                        let _already_so =
                            if reference.add { self.held.insert(member) } else { self.held.remove(&member) };
                    }
                }
            }
            if !settles {
                return;
            }
            let settlements: Vec<Settlement> = entries.into_iter().map(accepted).collect();
            self.world.store.settle(&settlements, &mark).unwrap();
        }
    }
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => any::<u8>().prop_map(Step::Toggle),
        2 => any::<u8>().prop_map(Step::Provision),
        2 => Just(Step::Synchronise),
        2 => Just(Step::Export),
        1 => any::<bool>().prop_map(Step::CrashAfterSending),
        2 => Just(Step::Import),
        1 => any::<u8>().prop_map(Step::Foreign),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Whatever happened in between, also a crash between sending and knowing: two cycles bring the target to what is wanted, and
    /// the next one sends nothing (invariant 3, T23, T26).
    #[test]
    fn memberships_converge(steps in proptest::collection::vec(step(), 1..25)) {
        let mut groups = Groups::new();
        steps.iter().for_each(|step| groups.step(step));
        for _ in 0..2 {
            for step in [Step::Import, Step::Synchronise, Step::Export, Step::Import, Step::Synchronise] {
                groups.step(&step);
            }
        }
        let wanted: BTreeSet<String> = groups.wanted.intersection(&groups.provisioned).map(|person| format!("c-u{person}")).collect();
        // An object that an import brought while its create was in flight has taken the place of the provisioned one.
        let links = groups.world.store.metaverse(groups.mv).unwrap().unwrap().links;
        prop_assert_eq!(links.len(), 2);
        let group = links[1];
        let refused = groups.world.store.pending_members(group, None, 99).unwrap();
        // What somebody else took back after it was sent is held and not sent again by itself; everything else is as wanted.
        let held: BTreeSet<String> = refused.iter().filter(|member| member.state == "refused").map(|member| format!("c-{}", member.name)).collect();
        let differing: BTreeSet<String> = groups.held.symmetric_difference(&wanted).cloned().collect();
        prop_assert_eq!(&differing, &held, "{:?}", refused);
        prop_assert_eq!(groups.world.store.export_count("cloud").unwrap(), 0);
        let waiting = groups.world.store.waiting_members(group, None, 99).unwrap().len();
        prop_assert_eq!(waiting, groups.wanted.difference(&groups.provisioned).count());
    }
}
