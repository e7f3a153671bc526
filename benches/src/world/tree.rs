//! The containers of the domain: few, and the only objects that are kept in memory. Ten areas of ten teams hold the people;
//! groups, contacts and machines have units of their own; one unit is outside what is synchronised.

use super::{AREAS, DOMAIN, Object, TEAMS};

/// A container that exists before anything is generated.
#[derive(Debug, Clone)]
pub struct Container {
    /// Its place among the containers.
    pub parent: Option<u32>,
    /// `CN`, `OU` or `DC`.
    pub naming: &'static str,
    pub name: String,
    /// From the most general to the most specific.
    pub classes: &'static [&'static str],
    pub kind: ContainerKind,
}

/// What a container is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContainerKind {
    Domain,
    /// Made by the domain controller itself.
    BuiltIn,
    DeletedObjects,
    /// The unit that a deployment selects.
    Corp,
    /// The unit that it leaves out.
    Outside,
    Groups,
    Contacts,
    Machines,
    Area(u8),
    Team(u8),
}

pub(super) const ROOT: u32 = 0;
pub(super) const USERS: u32 = 1;
pub(super) const DELETED: u32 = 5;
pub(super) const CORP: u32 = 6;
pub(super) const OUTSIDE: u32 = 7;
pub(super) const GROUPS: u32 = 8;
pub(super) const CONTACTS: u32 = 9;
pub(super) const MACHINES: u32 = 10;
const FIRST_AREA: u32 = 11;

/// The place of a team's container. Teams are counted through all areas.
pub(super) fn team(team: u8) -> u32 {
    FIRST_AREA + u32::from(AREAS) + u32::from(team)
}

pub(super) fn area(area: u8) -> u32 {
    FIRST_AREA + u32::from(area)
}

const UNIT: &[&str] = &["top", "organizationalUnit"];
const PLAIN: &[&str] = &["top", "container"];

/// All containers, parents before children.
pub(super) fn containers() -> Vec<Container> {
    let one = |parent, naming, name: &str, classes, kind| Container {
        parent: Some(parent),
        naming,
        name: name.to_owned(),
        classes,
        kind,
    };
    let mut all = vec![
        Container { parent: None, ..one(0, "DC", "corp", &["top", "domain", "domainDNS"], ContainerKind::Domain) },
        one(ROOT, "CN", "Users", PLAIN, ContainerKind::BuiltIn),
        one(ROOT, "CN", "Computers", PLAIN, ContainerKind::BuiltIn),
        one(ROOT, "CN", "Builtin", &["top", "builtinDomain"], ContainerKind::BuiltIn),
        one(ROOT, "CN", "LostAndFound", &["top", "lostAndFound"], ContainerKind::BuiltIn),
        one(ROOT, "CN", "Deleted Objects", PLAIN, ContainerKind::DeletedObjects),
        one(ROOT, "OU", "Corp", UNIT, ContainerKind::Corp),
        one(ROOT, "OU", "Outside", UNIT, ContainerKind::Outside),
        one(CORP, "OU", "Groups", UNIT, ContainerKind::Groups),
        one(CORP, "OU", "Contacts", UNIT, ContainerKind::Contacts),
        one(CORP, "OU", "Machines", UNIT, ContainerKind::Machines),
    ];
    for number in 0..AREAS {
        all.push(one(CORP, "OU", &format!("Area {number}"), UNIT, ContainerKind::Area(number)));
    }
    for number in 0..TEAMS {
        all.push(one(
            area(number % AREAS),
            "OU",
            &format!("Team {}", number / AREAS),
            UNIT,
            ContainerKind::Team(number),
        ));
    }
    all
}

/// The DN of a container, built from its parents' names.
pub(super) fn dn(containers: &[Container], at: u32, out: &mut Vec<u8>) {
    let mut at = at as usize;
    while let Some(container) = containers.get(at) {
        let Some(parent) = container.parent else { break };
        out.extend_from_slice(container.naming.as_bytes());
        out.push(b'=');
        out.extend_from_slice(container.name.as_bytes());
        out.push(b',');
        at = parent as usize;
    }
    out.extend_from_slice(DOMAIN.as_bytes());
}

/// Whether `at` is `above` or below it.
pub(super) fn is_within(containers: &[Container], at: u32, above: u32) -> bool {
    let mut at = Some(at);
    while let Some(place) = at {
        if place == above {
            return true;
        }
        at = containers.get(place as usize).and_then(|container| container.parent);
    }
    false
}

/// What stands in a container's stead among all objects.
pub(super) fn object(at: u32) -> Object {
    Object::Container(at)
}
