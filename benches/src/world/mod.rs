//! A directory of any size, computed: object `i` follows from the seed and its number alone, so that a million need no
//! memory. Knows users with their dirt, groups, managers, containers, contacts and computers, and what a step of churn
//! changes in them (docs of the numbers: `Options`). Writes no file and speaks no protocol; see ldif.rs, tenant_seed.rs and
//! `crate::load_server`.

pub mod attribute;
mod churn;
mod group;
pub mod ldif;
mod mix;
mod names;
mod person;
pub mod tenant_seed;
mod tree;
mod values;

pub use attribute::{ATTRIBUTES, Attribute, Definition};
pub use churn::{Applied, ChangeKind, Step};
pub use group::{Group, GroupKind};
pub use person::Person;
pub use tree::{Container, ContainerKind};
pub use values::{Collected, Facts, ValueSink};

pub(crate) use person::number as write_number;

use churn::StepRecord;
use mix::{Purpose, draw, mix, unmix};
use std::sync::Arc;

/// The domain; that of the lab's domain controllers, so that the same LDIF fits both.
pub const DOMAIN: &str = "DC=corp,DC=contoso,DC=example";
/// The suffix of addresses and sign-in names, a verified domain of the tenant.
pub const MAIL_DOMAIN: &str = "contoso.example";
/// The unit that a deployment selects with `include_containers`.
pub const SCOPE: &str = "OU=Corp,DC=corp,DC=contoso,DC=example";
/// The account that signs in to the load server, and its name in SAM.
pub const SERVICE_ACCOUNT: &str = "svc-load";

pub(crate) const AREAS: u8 = 10;
pub(crate) const TEAMS: u8 = 100;

/// How many groups, per 100 users.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum GroupSet {
    /// No group at all
    None,
    /// 5 with a long tail
    A,
    /// 50, as in the profile that FIM was measured with
    B,
}

/// What distinguishes one world from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    pub seed: u64,
    /// `FEWEST_USERS` to `MOST_USERS`.
    pub users: u64,
    pub groups: GroupSet,
    /// The 30 attributes of Exchange on 60 % of the users. A forest without Exchange has no such attributes in its schema.
    pub exchange: bool,
    /// thumbnailPhoto of 4 to 10 KB on 40 % of the users: it dominates the bytes.
    pub photos: bool,
    /// Leaves out what a domain controller refuses today, such as sign-in names given twice, and marks accounts as
    /// needing no password: the same world can then be put into a real one.
    pub strict: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options { seed: 1, users: 10_000, groups: GroupSet::A, exchange: true, photos: false, strict: false }
    }
}

/// The name of one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Object {
    Container(u32),
    /// The account of the synchronisation.
    Service,
    User(u64),
    Contact(u64),
    Computer(u64),
    Group(u64),
}

/// Fewer users have none of the rarer dirt.
pub const FEWEST_USERS: u64 = 100;
/// The most users that numbers are laid out for.
pub const MOST_USERS: u64 = 90_000_000;

/// All objects of one directory at one moment. Cheap to copy: what has changed is a list of steps, not of objects.
#[derive(Debug, Clone)]
pub struct World {
    options: Options,
    counts: Counts,
    containers: Arc<Vec<Container>>,
    journal: Vec<StepRecord>,
}

/// How many objects of each kind there are at the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    pub containers: u32,
    pub users: u64,
    /// Users `0..inside` are in the selected unit, the others outside it.
    pub inside: u64,
    pub contacts: u64,
    pub computers: u64,
    pub groups: u64,
}

impl World {
    pub fn new(options: Options) -> World {
        let users = options.users.clamp(FEWEST_USERS, MOST_USERS);
        let groups = match options.groups {
            GroupSet::None => 0,
            GroupSet::A => users / 20,
            GroupSet::B => users / 2,
        };
        let containers = tree::containers();
        let counts = Counts {
            containers: u32::try_from(containers.len()).unwrap_or(u32::MAX),
            users,
            inside: users - users / 20,
            contacts: users / 200,
            computers: users / 200,
            groups,
        };
        World { options: Options { users, ..options }, counts, containers: Arc::new(containers), journal: Vec::new() }
    }

    pub fn options(&self) -> &Options {
        &self.options
    }

    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Every object that is or was there, in the order in which searches return them; those that churn created come last.
    pub fn object_at(&self, ordinal: u64) -> Option<Object> {
        let counts = &self.counts;
        let mut rest = ordinal;
        let mut take = |count: u64| {
            if rest < count {
                return Some(rest);
            }
            rest -= count;
            None
        };
        if let Some(at) = take(u64::from(counts.containers)) {
            return u32::try_from(at).ok().map(tree::object);
        }
        if take(1).is_some() {
            return Some(Object::Service);
        }
        if let Some(at) = take(counts.users) {
            return Some(Object::User(at));
        }
        if let Some(at) = take(counts.contacts) {
            return Some(Object::Contact(at));
        }
        if let Some(at) = take(counts.computers) {
            return Some(Object::Computer(at));
        }
        if let Some(at) = take(counts.groups) {
            return Some(Object::Group(at));
        }
        take(self.created()).map(|at| Object::User(counts.users + at))
    }

    /// Where an object stands in that order.
    pub fn ordinal(&self, object: Object) -> u64 {
        let counts = &self.counts;
        let users = u64::from(counts.containers) + 1;
        let contacts = users + counts.users;
        let computers = contacts + counts.contacts;
        let groups = computers + counts.computers;
        match object {
            Object::Container(at) => u64::from(at),
            Object::Service => u64::from(counts.containers),
            Object::User(number) if number < counts.users => users + number,
            Object::User(number) => groups + counts.groups + (number - counts.users),
            Object::Contact(number) => contacts + number,
            Object::Computer(number) => computers + number,
            Object::Group(number) => groups + number,
        }
    }

    /// How many objects there are or were.
    pub fn len(&self) -> u64 {
        self.base_len() + self.created()
    }

    pub fn is_empty(&self) -> bool {
        false
    }

    /// How many there were at the beginning.
    pub fn base_len(&self) -> u64 {
        let counts = &self.counts;
        u64::from(counts.containers) + 1 + counts.users + counts.contacts + counts.computers + counts.groups
    }

    /// The `objectGUID` in the order of the directory's bytes. Looks random; the object can be found from it.
    pub fn guid(&self, object: Object) -> [u8; 16] {
        let code = code_of(object);
        let head = mix(code ^ draw(self.options.seed, Purpose::Guid, 0));
        let mut guid = [0; 16];
        guid[..8].copy_from_slice(&head.to_le_bytes());
        guid[8..].copy_from_slice(&draw(self.options.seed, Purpose::GuidTail, code).to_le_bytes());
        guid
    }

    /// The object of a GUID; `None` for one that is of no object, now or before.
    pub fn by_guid(&self, guid: &[u8; 16]) -> Option<Object> {
        let mut head = [0; 8];
        head.copy_from_slice(&guid[..8]);
        let code = unmix(u64::from_le_bytes(head)) ^ draw(self.options.seed, Purpose::Guid, 0);
        let object = object_of(code)?;
        (self.exists(object) && self.guid(object) == *guid).then_some(object)
    }

    /// Whether the object is or was there.
    pub fn exists(&self, object: Object) -> bool {
        let counts = &self.counts;
        match object {
            Object::Container(at) => at < counts.containers,
            Object::Service => true,
            Object::User(number) => number < counts.users + self.created(),
            Object::Contact(number) => number < counts.contacts,
            Object::Computer(number) => number < counts.computers,
            Object::Group(number) => number < counts.groups,
        }
    }

    /// The last part of the `objectSid`; `None` for what is no security principal.
    pub fn rid(&self, object: Object) -> Option<u32> {
        let narrow = |number: u64, from: u32| u32::try_from(number).ok().and_then(|number| number.checked_add(from));
        match object {
            Object::Service => Some(SERVICE_RID),
            Object::User(number) => narrow(number, FIRST_USER_RID),
            Object::Group(number) => narrow(number, FIRST_GROUP_RID),
            Object::Computer(number) => narrow(number, FIRST_COMPUTER_RID),
            Object::Contact(_) | Object::Container(_) => None,
        }
    }

    /// The three numbers of the domain in every SID.
    pub fn domain_sid(&self) -> [u32; 3] {
        let a = draw(self.options.seed, Purpose::Guid, 1);
        let b = draw(self.options.seed, Purpose::Guid, 2);
        [(a >> 32) as u32, a as u32, b as u32]
    }

    /// The `objectSid`, as the directory stores it.
    pub fn sid(&self, object: Object) -> Option<[u8; 28]> {
        self.rid(object).map(|rid| self.sid_of(rid))
    }

    pub(crate) fn sid_of(&self, rid: u32) -> [u8; 28] {
        let mut sid = [0; 28];
        sid[..12].copy_from_slice(&[1, 5, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0]);
        let [a, b, c] = self.domain_sid();
        for (place, number) in sid[12..].chunks_exact_mut(4).zip([a, b, c, rid]) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        sid
    }

    /// The object of a SID in text form.
    pub fn by_sid(&self, text: &str) -> Option<Object> {
        let [a, b, c] = self.domain_sid();
        let rid: u32 = text.strip_prefix(&format!("S-1-5-21-{a}-{b}-{c}-"))?.parse().ok()?;
        let object = match rid {
            SERVICE_RID => Object::Service,
            FIRST_COMPUTER_RID.. => Object::Computer(u64::from(rid - FIRST_COMPUTER_RID)),
            FIRST_GROUP_RID.. => Object::Group(u64::from(rid - FIRST_GROUP_RID)),
            FIRST_USER_RID.. => Object::User(u64::from(rid - FIRST_USER_RID)),
            _ => return None,
        };
        self.exists(object).then_some(object)
    }

    /// The container that an object stands in; `None` for the domain. Of a deleted object: where it went.
    pub fn parent(&self, object: Object) -> Option<u32> {
        match object {
            Object::Container(at) => self.container(at).and_then(|container| container.parent),
            Object::Service => Some(tree::USERS),
            Object::User(number) if self.is_deleted(number) => Some(tree::DELETED),
            Object::User(number) => Some(self.container_of(&self.person(number))),
            Object::Contact(_) => Some(tree::CONTACTS),
            Object::Computer(_) => Some(tree::MACHINES),
            Object::Group(_) => Some(tree::GROUPS),
        }
    }

    pub(crate) fn container_of(&self, person: &Person) -> u32 {
        person.team.map_or(tree::OUTSIDE, tree::team)
    }

    pub fn container(&self, at: u32) -> Option<&Container> {
        self.containers.get(at as usize)
    }

    /// Whether a container is another one, or below it.
    pub fn is_within(&self, at: u32, above: u32) -> bool {
        tree::is_within(&self.containers, at, above)
    }

    /// The DN of a container.
    pub fn container_dn(&self, at: u32) -> String {
        let mut out = Vec::new();
        tree::dn(&self.containers, at, &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    /// The DN as the directory writes it, escaped as RFC 4514 wants it.
    pub fn dn(&self, object: Object) -> String {
        let mut out = Vec::new();
        self.write_dn(object, &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    pub(crate) fn write_dn(&self, object: Object, out: &mut Vec<u8>) {
        if let Object::Container(at) = object {
            return tree::dn(&self.containers, at, out);
        }
        let place = match object {
            Object::User(number) => {
                let person = self.person(number);
                if person.deleted {
                    return self.write_tombstone_dn(&person, out);
                }
                out.extend_from_slice(b"CN=");
                person.write_escaped_name(out);
                self.container_of(&person)
            }
            other => {
                out.extend_from_slice(b"CN=");
                self.write_name(other, out);
                self.parent(other).unwrap_or(tree::ROOT)
            }
        };
        out.push(b',');
        tree::dn(&self.containers, place, out);
    }

    fn write_tombstone_dn(&self, person: &Person, out: &mut Vec<u8>) {
        out.extend_from_slice(b"CN=");
        person.write_escaped_name(out);
        out.extend_from_slice(b"\\0ADEL:");
        write_guid(&self.guid(Object::User(person.number)), out);
        out.push(b',');
        tree::dn(&self.containers, tree::DELETED, out);
    }

    /// The value of the naming attribute of anything but a user.
    pub(crate) fn write_name(&self, object: Object, out: &mut Vec<u8>) {
        match object {
            Object::Container(at) => {
                let name = self.container(at).map_or("", |container| container.name.as_str());
                out.extend_from_slice(name.as_bytes());
            }
            Object::Service => out.extend_from_slice(SERVICE_ACCOUNT.as_bytes()),
            Object::User(number) => self.person(number).write_name(out),
            Object::Contact(number) => out.extend_from_slice(format!("Supplier C{number}").as_bytes()),
            Object::Computer(number) => out.extend_from_slice(format!("PC{number}").as_bytes()),
            Object::Group(number) => self.group(number).write_name(out),
        }
    }

    /// The object of a DN, compared as the directory compares: without case, with any escaping.
    pub fn by_dn(&self, dn: &str) -> Option<Object> {
        let wanted: metaverse_schema::Dn = dn.parse().ok()?;
        let same = |object: Object| {
            let own = self.dn(object).parse::<metaverse_schema::Dn>();
            own.is_ok_and(|own| own.normalised() == wanted.normalised())
        };
        let name = wanted.rdn()?.assertions().first()?.value.clone();
        // A tombstone's name ends with its GUID on a line of its own.
        let last = name.split('\n').next()?.rsplit(' ').next()?.to_owned();
        let candidate = if name.eq_ignore_ascii_case(SERVICE_ACCOUNT) {
            Some(Object::Service)
        } else if let Some(number) = number_after(&last, "PC") {
            Some(Object::Computer(number))
        } else if let Some(number) = number_after(&last, "G") {
            Some(Object::Group(number))
        } else if let Some(number) = number_after(&last, "C") {
            Some(Object::Contact(number))
        } else {
            last.parse().ok().map(Object::User)
        };
        candidate
            .filter(|candidate| self.exists(*candidate) && same(*candidate))
            .or_else(|| (0..self.counts.containers).map(Object::Container).find(|object| same(*object)))
    }

    /// Whether two users claim this sign-in name, or the addresses of whoever has it.
    pub fn is_contested(&self, sign_in_name: &str) -> bool {
        let local = sign_in_name.split('@').next().unwrap_or_default();
        let number = local.rsplit('.').next().and_then(|number| number.parse::<u64>().ok());
        number.is_some_and(|number| [number, number + 1].iter().any(|number| self.person(*number).claims_another()))
    }

    pub fn person(&self, number: u64) -> Person {
        Person::of(self, number)
    }

    pub fn group(&self, number: u64) -> Group {
        Group::of(self, number)
    }

    /// Whether the object was deleted. Only users are.
    pub fn is_gone(&self, object: Object) -> bool {
        matches!(object, Object::User(number) if self.is_deleted(number))
    }
}

const SERVICE_RID: u32 = 1105;
const FIRST_USER_RID: u32 = 10_000;
const FIRST_GROUP_RID: u32 = 100_010_000;
const FIRST_COMPUTER_RID: u32 = 200_010_000;

fn number_after(text: &str, prefix: &str) -> Option<u64> {
    let (head, digits) = text.split_at_checked(prefix.len())?;
    if head.eq_ignore_ascii_case(prefix) { digits.parse().ok() } else { None }
}

fn code_of(object: Object) -> u64 {
    let (kind, number) = match object {
        Object::Container(at) => (1, u64::from(at)),
        Object::Service => (2, 0),
        Object::User(number) => (3, number),
        Object::Contact(number) => (4, number),
        Object::Computer(number) => (5, number),
        Object::Group(number) => (6, number),
    };
    (kind << 56) | number
}

fn object_of(code: u64) -> Option<Object> {
    let number = code & ((1 << 56) - 1);
    Some(match code >> 56 {
        1 => Object::Container(u32::try_from(number).ok()?),
        2 if number == 0 => Object::Service,
        3 => Object::User(number),
        4 => Object::Contact(number),
        5 => Object::Computer(number),
        6 => Object::Group(number),
        _ => return None,
    })
}

/// A GUID as text: the first three parts stand in little-endian order in the directory's bytes (MS-DTYP 2.3.4.2).
pub(crate) fn write_guid(bytes: &[u8; 16], out: &mut Vec<u8>) {
    const ORDER: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (place, at) in ORDER.into_iter().enumerate() {
        if matches!(place, 4 | 6 | 8 | 10) {
            out.push(b'-');
        }
        let byte = bytes[at];
        out.extend_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
}

#[cfg(test)]
mod tests;
