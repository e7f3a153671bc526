//! A connected system in memory, and what happens in it.

use crate::rules::Variant;
use metaverse_schema::{Attributes, Dn, Value, Values};
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) object_type: &'static str,
    pub(crate) dn: Option<Dn>,
    pub(crate) attributes: Attributes,
    /// Number of values by reference attribute; which ones they are is no matter of a plan.
    pub(crate) references: BTreeMap<&'static str, u64>,
}

/// Objects by anchor.
pub(crate) type System = BTreeMap<String, Entry>;

pub(crate) const SOURCES: [&str; 3] = ["ad", "hr", "crm"];
const TITLES: [&str; 4] = ["Chef", "Cook", "Baker", ""];
const NOTES: [&str; 4] = ["", "null", "clear", "ignore"];
const KINDS: [&str; 4] = ["", "filtered", "local", "left"];
const LEVELS: [&str; 4] = ["", "vip", "gold", "silver"];
const DEPARTMENTS: [&str; 4] = ["", "sales", "secret", "IT"];

/// Something that happens in a connected system.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    Put {
        source: usize,
        person: usize,
    },
    Remove {
        source: usize,
        person: usize,
    },
    Set {
        source: usize,
        person: usize,
        what: usize,
        value: usize,
    },
    Addresses {
        source: usize,
        person: usize,
        addresses: u8,
    },
    /// A new display name in ad, which is a new DN in dir.
    Rename {
        person: usize,
        version: usize,
    },
    Move {
        person: usize,
        container: usize,
    },
    Manager {
        source: usize,
        person: usize,
        has: bool,
    },
    /// A user becomes a contact or a user again, with the same anchor (delete-add).
    Retype {
        person: usize,
    },
    Group {
        group: usize,
        members: u64,
    },
    RemoveGroup {
        group: usize,
    },
    /// Somebody else writes to a target.
    Drift {
        cloud: bool,
        person: usize,
        value: usize,
    },
    TargetRemoved {
        cloud: bool,
        person: usize,
    },

    // From here on join keys are no longer unique and unchanged.
    /// ad's or hr's object gets the employee number or the address of somebody else.
    Key {
        source: usize,
        person: usize,
        other: usize,
        mail: bool,
    },
    /// An object of dir that the engine did not create, with an address and perhaps a stamp.
    Existing {
        person: usize,
        stamp: Option<usize>,
    },
    Broken {
        person: usize,
    },
    /// The target refuses this person's name from now on, or takes it again.
    Refuse {
        person: usize,
    },
    /// The target returns titles in upper case from now on (T25).
    Shout,
}

pub(crate) const PERSONS: usize = 4;

pub(crate) fn variant(any_keys: bool) -> impl Strategy<Value = Variant> {
    let hr = if any_keys { vec!["provision", "join", "sticky-join"] } else { vec!["provision", "join"] };
    (
        prop::sample::select(hr),
        any::<bool>(),
        prop::sample::select(vec!["update", "merge", "merge-case-insensitive"]),
        prop::sample::select(vec!["provision", "join"]),
        any::<bool>(),
    )
        .prop_map(move |(hr_link, hr_first, merge, cloud_link, remembers)| Variant {
            hr_link,
            hr_first,
            merge,
            cloud_link,
            remembers: remembers && any_keys,
        })
}

/// Most persons stand in most sources, with something to tell.
pub(crate) fn population() -> impl Strategy<Value = Vec<Event>> {
    prop::collection::vec((0..10u8, 0..5usize, 0..4usize, 0..8u8), 3 * PERSONS).prop_map(|drawn| {
        let of = |position: usize| (position % 3, position / 3 + 1);
        let there = drawn.into_iter().enumerate().filter(|(_, (chance, ..))| *chance < 6);
        there
            .flat_map(|(position, (_, what, value, addresses))| {
                let (source, person) = of(position);
                [
                    Event::Put { source, person },
                    Event::Set { source, person, what, value },
                    Event::Addresses { source, person, addresses },
                ]
            })
            .collect()
    })
}

pub(crate) fn event(any_keys: bool) -> BoxedStrategy<Event> {
    let (source, person) = (|| 0..3usize, || 1..=PERSONS);
    let calm = prop_oneof![
        6 => (source(), person()).prop_map(|(source, person)| Event::Put { source, person }),
        2 => (source(), person()).prop_map(|(source, person)| Event::Remove { source, person }),
        6 => (source(), person(), 0..5usize, 0..4usize)
            .prop_map(|(source, person, what, value)| Event::Set { source, person, what, value }),
        2 => (source(), person(), 0..8u8)
            .prop_map(|(source, person, addresses)| Event::Addresses { source, person, addresses }),
        2 => (person(), 0..3usize).prop_map(|(person, version)| Event::Rename { person, version }),
        1 => (person(), 0..3usize).prop_map(|(person, container)| Event::Move { person, container }),
        1 => (0..2usize, person(), any::<bool>())
            .prop_map(|(source, person, has)| Event::Manager { source, person, has }),
        // An object in error that was retyped contributes by its new type and its old image until it is mended: not there.
        1 => person().prop_map(move |person| if any_keys { Event::Put { source: 0, person } } else { Event::Retype { person } }),
        1 => (0..2usize, 0..4u64).prop_map(|(group, members)| Event::Group { group, members }),
        1 => (0..2usize).prop_map(|group| Event::RemoveGroup { group }),
        1 => (any::<bool>(), person(), 0..4usize)
            .prop_map(|(cloud, person, value)| Event::Drift { cloud, person, value }),
        1 => (any::<bool>(), person()).prop_map(|(cloud, person)| Event::TargetRemoved { cloud, person }),
    ];
    if !any_keys {
        return calm.boxed();
    }
    prop_oneof![
        5 => calm,
        1 => prop_oneof![
            3 => (0..2usize, person(), person(), any::<bool>())
                .prop_map(|(source, person, other, mail)| Event::Key { source, person, other, mail }),
            2 => (person(), prop::option::of(1..=PERSONS + 2)).prop_map(|(person, stamp)| Event::Existing { person, stamp }),
            1 => person().prop_map(|person| Event::Broken { person }),
            1 => person().prop_map(|person| Event::Refuse { person }),
            1 => Just(Event::Shout),
        ],
    ]
    .boxed()
}

/// The systems of one world, and how its targets behave.
#[derive(Debug, Clone, Default)]
pub(crate) struct Systems {
    pub(crate) of: BTreeMap<&'static str, System>,
    /// Names that the targets refuse.
    pub(crate) refused: Vec<String>,
    pub(crate) shouts: bool,
    next: u64,
}

fn anchor(person: usize) -> String {
    format!("p{person}")
}

fn person_name(person: usize, version: usize) -> String {
    if version == 0 { format!("Person {person}") } else { format!("Person {person}, {version}.") }
}

fn place(person: usize, container: usize) -> Option<Dn> {
    format!("CN=p{person},OU=Area {container},DC=corp").parse().ok()
}

impl Systems {
    pub(crate) fn system(&mut self, connector: &'static str) -> &mut System {
        self.of.entry(connector).or_default()
    }

    fn entry(&mut self, source: usize, person: usize) -> Option<&mut Entry> {
        self.system(SOURCES[source]).get_mut(&anchor(person))
    }

    pub(crate) fn text(&mut self, source: usize, person: usize, name: &str, value: &str) {
        if let Some(entry) = self.entry(source, person) {
            let values = if value.is_empty() { Values::default() } else { Value::text(value).into() };
            entry.attributes.set(name, values);
        }
    }

    pub(crate) fn happen(&mut self, event: &Event) {
        match *event {
            Event::Put { source, person } => {
                let mut attributes = Attributes::new();
                attributes.set("employeeId", Value::text(person.to_string()));
                attributes.set("mail", Value::text(format!("p{person}@x")));
                attributes.set("displayName", Value::text(person_name(person, 0)));
                let dn = if source == 0 { place(person, 0) } else { None };
                let entry = Entry { object_type: "user", dn, attributes, references: BTreeMap::new() };
                self.system(SOURCES[source]).insert(anchor(person), entry);
            }
            Event::Remove { source, person } => drop(self.system(SOURCES[source]).remove(&anchor(person))),
            Event::Set { source, person, what, value } => {
                let (name, values) = [
                    ("title", TITLES),
                    ("note", NOTES),
                    ("kind", KINDS),
                    ("level", LEVELS),
                    ("department", DEPARTMENTS),
                ][what];
                self.text(source, person, name, values[value]);
            }
            Event::Addresses { source, person, addresses } => {
                // The same addresses in two spellings, so that merging with and without case differ.
                let all =
                    [format!("smtp:p{person}@x"), format!("SMTP:P{person}@x"), format!("smtp:{source}-{person}@x")];
                let chosen = all.iter().enumerate().filter(|(bit, _)| addresses & (1 << bit) != 0);
                let values: Values = chosen.map(|(_, address)| Value::text(address.as_str())).collect();
                if let Some(entry) = self.entry(source, person) {
                    entry.attributes.set("addresses", values);
                }
            }
            Event::Rename { person, version } => self.text(0, person, "displayName", &person_name(person, version)),
            Event::Move { person, container } => {
                if let Some(entry) = self.entry(0, person) {
                    entry.dn = place(person, container);
                }
            }
            Event::Manager { source, person, has } => {
                if let Some(entry) = self.entry(source, person) {
                    entry.references.insert("manager", u64::from(has));
                }
            }
            Event::Retype { person } => {
                if let Some(entry) = self.entry(0, person) {
                    entry.object_type = if entry.object_type == "user" { "contact" } else { "user" };
                }
            }
            Event::Group { group, members } => {
                let mut attributes = Attributes::new();
                attributes.set("employeeId", Value::text(format!("g{group}")));
                attributes.set("displayName", Value::text(format!("Group {group}")));
                let references = [("member", members)].into();
                self.system("ad")
                    .insert(format!("g{group}"), Entry { object_type: "group", dn: None, attributes, references });
            }
            Event::RemoveGroup { group } => drop(self.system("ad").remove(&format!("g{group}"))),
            Event::Drift { cloud, person, value } => {
                if let Some(entry) = self.target(cloud, person) {
                    entry.attributes.set("title", Value::text(["Clerk", "Chef", "Baker", "Very important"][value]));
                }
            }
            Event::TargetRemoved { cloud, person } => {
                let stamp = Some(person.to_string());
                self.system(if cloud { "cloud" } else { "dir" })
                    .retain(|_, entry| entry.attributes.text("stamp").map(str::to_owned) != stamp);
            }
            Event::Key { source, person, other, mail } => match mail {
                true => self.text(source, person, "mail", &format!("p{other}@x")),
                false => self.text(source, person, "employeeId", &other.to_string()),
            },
            Event::Existing { person, stamp } => {
                let mut attributes = Attributes::new();
                attributes.set("mail", Value::text(format!("P{person}@X")));
                attributes.set("displayName", Value::text(format!("Old {person}")));
                attributes.set("department", Value::text("Archive"));
                if let Some(stamp) = stamp {
                    attributes.set("stamp", Value::text(stamp.to_string()));
                }
                let entry = Entry { object_type: "user", dn: None, attributes, references: BTreeMap::new() };
                self.create("dir", entry);
            }
            Event::Broken { person } => self.text(0, person, "displayName", "broken"),
            Event::Refuse { person } => {
                let name = person_name(person, 0);
                match self.refused.iter().position(|refused| *refused == name) {
                    Some(position) => drop(self.refused.remove(position)),
                    None => self.refused.push(name),
                }
            }
            Event::Shout => self.shouts = true,
        }
    }

    fn target(&mut self, cloud: bool, person: usize) -> Option<&mut Entry> {
        let stamp = person.to_string();
        self.system(if cloud { "cloud" } else { "dir" })
            .values_mut()
            .find(|entry| entry.attributes.text("stamp") == Some(&stamp))
    }

    /// A new object under an anchor of the system's own choice.
    pub(crate) fn create(&mut self, connector: &'static str, entry: Entry) -> String {
        self.next += 1;
        let anchor = format!("{connector}-{}", self.next);
        self.system(connector).insert(anchor.clone(), entry);
        anchor
    }

    /// The target as somebody sees it who does not know anchors.
    pub(crate) fn picture(&self, connector: &str) -> Vec<String> {
        let entries = self.of.get(connector).into_iter().flat_map(BTreeMap::values);
        let mut lines: Vec<String> = entries
            .map(|entry| {
                format!(
                    "{connector} {} {:?} {:?}",
                    entry.object_type,
                    entry.dn.as_ref().map(Dn::to_string),
                    entry.attributes
                )
            })
            .collect();
        lines.sort();
        lines
    }
}
