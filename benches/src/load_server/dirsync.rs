//! The DirSync control (MS-ADTS 3.1.1.3.4.1.3): everything, then what changed since a cookie, linked attributes as values added
//! and removed. A cookie holds the steps of churn that it has seen and a position, so that nothing is kept for a client.

use super::encode::{self, AnswerControl, Style, write_name};
use super::request::{DIRSYNC, DirSync, Scope, Search};
use super::search::{self, Outcome};
use super::{INSUFFICIENT_RIGHTS, PAGE_LIMIT, UNAVAILABLE_CRITICAL_EXTENSION};
use crate::world::{ATTRIBUTES, Attribute, ChangeKind, Facts, Object, World};

/// Values added and removed.
const ADDED: &str = ";range=1-1";
const REMOVED: &str = ";range=0-0";
/// Always answered.
const ALWAYS: [Attribute; 2] = [Attribute::ObjectGUID, Attribute::InstanceType];
/// Names of objects: their changes show in `name`.
const NAMING: [Attribute; 3] = [Attribute::Cn, Attribute::Ou, Attribute::Dc];
/// The least that one answer holds, whatever is asked for.
const LEAST_BYTES: u64 = 64 * 1024;

/// Where a client stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cookie {
    /// The world that it is of.
    world: u64,
    /// Changes from this step on are told; `None`: everything is.
    from: Option<usize>,
    /// What was there when this reading began.
    to: usize,
    /// In a reading of everything an ordinal, in one of changes a step and a place in it.
    step: usize,
    position: u64,
}

const MARK: &[u8; 8] = b"LOADDS01";

impl Cookie {
    fn encode(&self) -> Vec<u8> {
        let mut out = MARK.to_vec();
        let from = self.from.map_or(u64::MAX, |from| from as u64);
        for number in [self.world, from, self.to as u64, self.step as u64, self.position] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out
    }

    fn decode(bytes: &[u8], world: &World) -> Option<Cookie> {
        let numbers = bytes.strip_prefix(MARK).filter(|rest| rest.len() == 40)?;
        let number = |at: usize| {
            let digits = numbers.get(8 * at..8 * at + 8)?;
            digits.try_into().ok().map(u64::from_le_bytes)
        };
        let small = |at: usize| usize::try_from(number(at)?).ok();
        let from = match number(1)? {
            u64::MAX => None,
            from => Some(usize::try_from(from).ok()?),
        };
        let cookie = Cookie { world: number(0)?, from, to: small(2)?, step: small(3)?, position: number(4)? };
        let valid = cookie.world == identity(world) && cookie.to <= world.steps() && from <= Some(world.steps());
        valid.then_some(cookie)
    }
}

/// A cookie of one world is none of another.
fn identity(world: &World) -> u64 {
    let guid = world.guid(Object::Service);
    let [a, b, c, d, e, f, g, h, ..] = guid;
    u64::from_le_bytes([a, b, c, d, e, f, g, h]) ^ world.base_len()
}

/// A DirSync search in progress.
pub(crate) struct Running<'a> {
    world: &'a World,
    search: &'a Search,
    id: i64,
    style: Style,
    incremental: bool,
    cookie: Cookie,
    written: u64,
    bytes: u64,
    most_bytes: u64,
}

impl<'a> Running<'a> {
    /// Begins; the error is the whole answer.
    pub(crate) fn begin(
        world: &'a World,
        search: &'a Search,
        control: &DirSync,
        id: i64,
        style: Style,
    ) -> Result<Running<'a>, Outcome> {
        if search::resolve(world, &search.base) != Some(Object::Container(0)) || search.scope != Scope::Subtree {
            return Err(Outcome::of(INSUFFICIENT_RIGHTS, "DirSync reads a whole naming context"));
        }
        let begun = Cookie { world: identity(world), from: None, to: world.steps(), step: 0, position: 0 };
        let cookie = if control.cookie.is_empty() {
            begun
        } else {
            let refused = || Outcome::of(UNAVAILABLE_CRITICAL_EXTENSION, "Unable to unmarshall cookie");
            Cookie::decode(&control.cookie, world).ok_or_else(refused)?
        };
        // A cookie from the end of a reading: what came since is read now.
        let cookie = match cookie.from {
            Some(from) if cookie.position == 0 && cookie.step == from => Cookie { to: world.steps(), ..cookie },
            _ => cookie,
        };
        let most_bytes = control.max_bytes.max(LEAST_BYTES);
        let incremental = control.incremental;
        Ok(Running { world, search, id, style, incremental, cookie, written: 0, bytes: 0, most_bytes })
    }

    /// Writes entries until about so many bytes stand in `out`; the outcome when the answer is complete.
    pub(crate) fn write(&mut self, out: &mut Vec<u8>, enough: usize) -> Option<Outcome> {
        loop {
            if self.written == PAGE_LIMIT || self.bytes >= self.most_bytes {
                return Some(self.outcome(true, self.cookie));
            }
            let Some(next) = self.advance() else {
                let to = self.cookie.to;
                let rest = Cookie { from: Some(to), step: to, position: 0, ..self.cookie };
                return Some(self.outcome(false, rest));
            };
            let Some(object) = next else { continue };
            let before = out.len();
            let facts = Facts::of(self.world, object);
            if search::matches(self.world, self.search, &facts) && self.write_entry(out, &facts) {
                self.written += 1;
                self.bytes += (out.len() - before) as u64;
            }
            if out.len() >= enough {
                return None;
            }
        }
    }

    fn outcome(&self, more: bool, cookie: Cookie) -> Outcome {
        let value = encode::cookie_value(&[i64::from(more), 0], &cookie.encode());
        Outcome { controls: vec![AnswerControl { oid: DIRSYNC, value }], ..Outcome::success() }
    }

    /// The next candidate; `None` at the end, `Some(None)` when there is nothing in that place.
    fn advance(&mut self) -> Option<Option<Object>> {
        let world = self.world;
        let Some(_) = self.cookie.from else {
            // Whom a later step created is told of by the next reading; telling now is harmless, and simpler to resume.
            let object = world.object_at(self.cookie.position)?;
            self.cookie.position += 1;
            return Some(Some(object));
        };
        while self.cookie.step < self.cookie.to {
            if self.cookie.position >= world.touched_len(self.cookie.step) {
                self.cookie.step += 1;
                self.cookie.position = 0;
                continue;
            }
            let at = self.cookie.position;
            self.cookie.position += 1;
            let object = world.touched(self.cookie.step, at);
            // Told once, with all that happened to it, where it was touched last.
            let last = |object: &Object| !world.is_touched_later(*object, self.cookie.step, self.cookie.to);
            return Some(object.filter(last));
        }
        None
    }

    /// Writes an entry, unless nothing that was asked for has changed.
    fn write_entry(&self, out: &mut Vec<u8>, facts: &Facts) -> bool {
        let before = out.len();
        let mut told = 0;
        encode::entry(
            out,
            self.id,
            |out| write_name(self.world, facts.object(), self.style.extended_dn, out),
            |out| {
                let from = self.cookie.from.filter(|from| !self.world.is_created_since(facts.object(), *from));
                match from {
                    None => told = 1 + self.everything(out, facts),
                    Some(_) if facts.is_deleted() => told = 1 + self.deleted(out, facts),
                    Some(from) => told = self.changes(out, facts, from),
                }
                if told > 0 {
                    ALWAYS.into_iter().for_each(|attribute| self.whole(out, facts, attribute, false));
                }
            },
        );
        if told == 0 {
            out.truncate(before);
        }
        told > 0
    }

    fn whole(&self, out: &mut Vec<u8>, facts: &Facts, attribute: Attribute, keep_empty: bool) {
        encode::attribute(out, attribute.name(), None, self.style, keep_empty, |values| {
            facts.emit(self.world, attribute, values);
        });
    }

    fn everything(&self, out: &mut Vec<u8>, facts: &Facts) -> usize {
        for attribute in self.asked() {
            match attribute.definition().link {
                Some(_) if self.incremental => {
                    encode::attribute(out, attribute.name(), Some(ADDED), self.style, false, |values| {
                        facts.emit(self.world, attribute, values);
                    });
                }
                _ => self.whole(out, facts, attribute, false),
            }
        }
        0
    }

    /// What is asked for and can be told of.
    fn asked(&self) -> impl Iterator<Item = Attribute> {
        let asked = &self.search.asked;
        let all = ATTRIBUTES.iter().map(|known| known.attribute).filter(|_| asked.all);
        let named = asked.named.iter().map(|one| one.attribute).filter(|_| !asked.all);
        all.chain(named).filter(|attribute| {
            let tells = attribute.definition().is_replicated() || *attribute == Attribute::ParentGUID;
            tells && !ALWAYS.contains(attribute) && !NAMING.contains(attribute)
        })
    }

    /// What a deletion changed: the marks of a tombstone, the new name and place, everything else cleared.
    fn deleted(&self, out: &mut Vec<u8>, facts: &Facts) -> usize {
        let Facts::Person(person) = facts else { return 0 };
        let mut alive = *person;
        alive.deleted = false;
        let alive = Facts::Person(alive);
        let (mut then, mut now) = (Vec::new(), Vec::new());
        for attribute in self.asked() {
            let marks = [
                Attribute::IsDeleted,
                Attribute::IsRecycled,
                Attribute::LastKnownParent,
                Attribute::Name,
                Attribute::ParentGUID,
            ];
            if marks.contains(&attribute) {
                self.whole(out, facts, attribute, false);
                continue;
            }
            if attribute.definition().link.is_some() {
                continue;
            }
            then.clear();
            now.clear();
            encode::attribute(&mut then, attribute.name(), None, self.style, false, |values| {
                alive.emit(self.world, attribute, values);
            });
            encode::attribute(&mut now, attribute.name(), None, self.style, false, |values| {
                facts.emit(self.world, attribute, values);
            });
            if !then.is_empty() && now.is_empty() {
                self.whole(out, facts, attribute, true);
            }
        }
        0
    }

    /// What changed of an object that was there; how many attributes that is.
    fn changes(&self, out: &mut Vec<u8>, facts: &Facts, from: usize) -> usize {
        match facts {
            Facts::Person(person) => {
                let kinds = self.world.changes_since(person, from);
                let changed: Vec<Attribute> = kinds.iter().flat_map(|kind| kind.attributes()).copied().collect();
                let moved = changed.contains(&Attribute::Name);
                let manager = kinds.contains(&ChangeKind::Manager);
                let mut told = 0;
                for attribute in self.asked() {
                    if attribute == Attribute::Manager && manager && self.incremental {
                        told += self.other_manager(out, facts, person, from);
                    } else if changed.contains(&attribute) {
                        self.whole(out, facts, attribute, true);
                        told += 1;
                    }
                }
                told + if moved { self.place(out, facts) } else { 0 }
            }
            Facts::Group(group) if self.asked().any(|attribute| attribute == Attribute::Member) => {
                let name = Attribute::Member.name();
                if !self.incremental {
                    self.whole(out, facts, Attribute::Member, true);
                    return 1;
                }
                let (added, removed) = group.changes(self.world, from);
                let before = out.len();
                for (option, members) in
                    [(ADDED, added.collect::<Vec<Object>>()), (REMOVED, removed.collect::<Vec<Object>>())]
                {
                    encode::attribute(out, name, Some(option), self.style, false, |values| {
                        members.iter().for_each(|member| {
                            crate::world::ValueSink::reference(values, self.world, *member);
                        });
                    });
                }
                usize::from(out.len() > before)
            }
            Facts::Other(Object::Container(_)) => {
                let mut told = 0;
                if self.asked().any(|attribute| attribute == Attribute::Name) {
                    self.whole(out, facts, Attribute::Name, false);
                    told = 1 + self.place(out, facts);
                }
                told
            }
            _ => 0,
        }
    }

    /// A name's change brings the place along.
    fn place(&self, out: &mut Vec<u8>, facts: &Facts) -> usize {
        if self.asked().any(|attribute| attribute == Attribute::ParentGUID) {
            self.whole(out, facts, Attribute::ParentGUID, false);
        }
        0
    }

    fn other_manager(&self, out: &mut Vec<u8>, facts: &Facts, person: &crate::world::Person, from: usize) -> usize {
        let name = Attribute::Manager.name();
        let (before, now) = (person.manager_before(self.world, from), person.manager(self.world));
        if before == now {
            return 0;
        }
        if let Some(before) = before {
            encode::attribute(out, name, Some(REMOVED), self.style, false, |values| {
                crate::world::ValueSink::reference(values, self.world, before);
            });
        }
        encode::attribute(out, name, Some(ADDED), self.style, false, |values| {
            facts.emit(self.world, Attribute::Manager, values);
        });
        1
    }
}
