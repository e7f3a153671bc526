//! Ordinary searches of the domain: which objects a base, a scope and a filter mean, page by page. A page's cookie is a
//! position, so that nothing is kept between two pages.

use super::encode::{self, AnswerControl, Style, write_name};
use super::filter::Values;
use super::request::{Asked, PAGED, Scope, Search};
use super::special;
use super::{NO_SUCH_OBJECT, PAGE_LIMIT, SIZE_LIMIT_EXCEEDED};
use crate::world::{ContainerKind, Facts, Object, World};

/// What becomes of a search.
pub(crate) struct Outcome {
    pub(crate) code: i64,
    pub(crate) text: String,
    pub(crate) controls: Vec<AnswerControl>,
}

impl Outcome {
    pub(crate) fn success() -> Outcome {
        Outcome::of(0, "")
    }

    pub(crate) fn of(code: i64, text: &str) -> Outcome {
        Outcome { code, text: text.to_owned(), controls: Vec::new() }
    }
}

/// A search in progress: writes entries piece by piece, so that the answer need not be held in memory.
pub(crate) struct Running<'a> {
    world: &'a World,
    search: &'a Search,
    id: i64,
    style: Style,
    source: Source,
    base: Object,
    /// Where the next candidate stands.
    position: u64,
    written: u64,
    limit: u64,
    kinds: Kinds,
}

/// The objects that may match.
enum Source {
    Named(Vec<Object>),
    /// Everything, in order.
    All,
    /// What was touched by steps from this one on: step and place in it.
    Touched {
        lengths: Vec<(usize, u64)>,
    },
}

impl Source {
    fn touched(world: &World, from: usize) -> Source {
        Source::Touched { lengths: (from..world.steps()).map(|step| (step, world.touched_len(step))).collect() }
    }

    fn len(&self, world: &World) -> u64 {
        match self {
            Source::Named(objects) => objects.len() as u64,
            Source::All => world.len(),
            Source::Touched { lengths } => 1 + lengths.iter().map(|(_, length)| length).sum::<u64>(),
        }
    }

    fn at(&self, world: &World, position: u64) -> Option<Object> {
        match self {
            Source::Named(objects) => objects.get(usize::try_from(position).ok()?).copied(),
            Source::All => world.object_at(position),
            Source::Touched { lengths } => {
                let Some(mut rest) = position.checked_sub(1) else { return deleted_objects(world) };
                for (step, length) in lengths {
                    if rest < *length {
                        let object = world.touched(*step, rest)?;
                        return (!world.is_touched_later(object, *step, world.steps())).then_some(object);
                    }
                    rest -= length;
                }
                None
            }
        }
    }
}

/// What the filter says of each kind of object, where the kind decides.
struct Kinds {
    user: Option<bool>,
    tombstone: Option<bool>,
    contact: Option<bool>,
    computer: Option<bool>,
    group: Option<bool>,
}

impl Kinds {
    fn of(world: &World, search: &Search) -> Kinds {
        let decide = |object, deleted| search.filter.by_kind(Facts::of(world, object).classes(world), deleted);
        Kinds {
            user: decide(Object::Service, false),
            tombstone: decide(Object::Service, true),
            contact: decide(Object::Contact(0), false),
            computer: decide(Object::Computer(0), false),
            group: decide(Object::Group(0), false),
        }
    }
}

/// Whether an object matches a filter.
pub(crate) fn matches(world: &World, search: &Search, facts: &Facts) -> bool {
    let decided = search.filter.by_kind(facts.classes(world), facts.is_deleted());
    decided.unwrap_or_else(|| search.filter.matches(&|name| Values::of(world, facts, name)))
}

/// The object that a base names, in any of the ways in which Active Directory lets one be named.
pub(crate) fn resolve(world: &World, base: &str) -> Option<Object> {
    let inner = base.strip_prefix('<').and_then(|rest| rest.strip_suffix('>'));
    let Some((kind, name)) = inner.and_then(|inner| inner.split_once('=')) else {
        return world.by_dn(base);
    };
    match kind.to_ascii_uppercase().as_str() {
        "GUID" => world.by_guid(name.parse::<metaverse_schema::Guid>().ok()?.as_directory_bytes()),
        "SID" => world.by_sid(name),
        "WKGUID" => {
            let (well_known, _) = name.split_once(',')?;
            let wanted = match well_known.to_ascii_lowercase().as_str() {
                "18e2ea80684f11d2b9aa00c04f79f805" => "Deleted Objects",
                "a9d1ca15768811d1aded00c04fd8d5cd" => "Users",
                "aa312825768811d1aded00c04fd8d5cd" => "Computers",
                _ => return None,
            };
            (0..world.counts().containers)
                .find(|at| world.container(*at).is_some_and(|container| container.name == wanted))
                .map(Object::Container)
        }
        _ => None,
    }
}

/// Whether an object shows only to who asks for deleted ones.
fn is_hidden(world: &World, object: Object) -> bool {
    matches!(object, Object::Container(at) if is_deleted_objects(world, at)) || world.is_gone(object)
}

fn is_deleted_objects(world: &World, at: u32) -> bool {
    world.container(at).is_some_and(|container| container.kind == ContainerKind::DeletedObjects)
}

/// The container of deleted objects, which counts as one of them.
fn deleted_objects(world: &World) -> Option<Object> {
    (0..world.counts().containers).find(|at| is_deleted_objects(world, *at)).map(Object::Container)
}

impl<'a> Running<'a> {
    /// Begins; the error is the whole answer.
    pub(crate) fn begin(world: &'a World, search: &'a Search, id: i64, style: Style) -> Result<Running<'a>, Outcome> {
        let base = resolve(world, &search.base)
            .filter(|object| search.controls.show_deleted || !is_hidden(world, *object))
            .ok_or_else(|| Outcome::of(NO_SUCH_OBJECT, "there is no object of this name"))?;
        let source = match (search.scope, base) {
            (Scope::Base, base) => Source::Named(vec![base]),
            (Scope::One, Object::Container(_)) | (Scope::Subtree, Object::Container(_)) => {
                Running::source(world, search)
            }
            (Scope::One, _) => Source::Named(Vec::new()),
            (Scope::Subtree, base) => Source::Named(vec![base]),
        };
        let position = match &search.controls.paged {
            Some(paged) if !paged.cookie.is_empty() => {
                let cookie: Option<[u8; 8]> = paged.cookie.as_slice().try_into().ok();
                cookie
                    .map(u64::from_le_bytes)
                    .ok_or_else(|| Outcome::of(12, "this cookie is not one of this server"))?
            }
            _ => 0,
        };
        let limit = match &search.controls.paged {
            Some(paged) if paged.size > 0 => paged.size.min(PAGE_LIMIT),
            _ => PAGE_LIMIT,
        };
        let kinds = Kinds::of(world, search);
        Ok(Running { world, search, id, style, source, base, position, written: 0, limit, kinds })
    }

    fn source(world: &World, search: &Search) -> Source {
        if let Some(named) = search.filter.named(world) {
            return Source::Named(named);
        }
        if search.filter.wants_deleted() {
            return Source::touched(world, 0);
        }
        // Steps have USNs of their own: what none of them touched keeps one from before the first.
        match search.filter.least_usn().and_then(|usn| world.steps_from_usn(usn)) {
            Some(from) => Source::touched(world, from),
            None => Source::All,
        }
    }

    /// Writes entries until about so many bytes stand in `out`; the outcome when that was the last of them.
    pub(crate) fn write(&mut self, out: &mut Vec<u8>, enough: usize) -> Option<Outcome> {
        let end = self.source.len(self.world);
        while self.position < end {
            if self.written == self.limit {
                return Some(self.page_is_full());
            }
            let candidate = self.source.at(self.world, self.position);
            self.position += 1;
            if let Some(facts) = candidate.and_then(|object| self.select(object)) {
                self.written += 1;
                if self.search.size_limit > 0 && self.written > self.search.size_limit as u64 {
                    return Some(Outcome::of(SIZE_LIMIT_EXCEEDED, "more objects than asked for"));
                }
                write_entry(out, self.id, self.world, &facts, &self.search.asked, self.style);
                if out.len() >= enough {
                    return None;
                }
            }
        }
        let mut outcome = Outcome::success();
        if self.search.controls.paged.is_some() {
            outcome.controls.push(AnswerControl { oid: PAGED, value: encode::cookie_value(&[0], b"") });
        }
        Some(outcome)
    }

    fn page_is_full(&self) -> Outcome {
        if self.search.controls.paged.is_none() {
            // As Windows does it: an unpaged search ends at the page limit.
            return Outcome::of(SIZE_LIMIT_EXCEEDED, "more objects than one page holds; use paged results");
        }
        let value = encode::cookie_value(&[0], &self.position.to_le_bytes());
        Outcome { controls: vec![AnswerControl { oid: PAGED, value }], ..Outcome::success() }
    }

    fn select(&self, object: Object) -> Option<Facts> {
        let decided = match object {
            Object::User(_) if !self.world.is_gone(object) => self.kinds.user,
            Object::User(_) => self.kinds.tombstone,
            Object::Contact(_) => self.kinds.contact,
            Object::Computer(_) => self.kinds.computer,
            Object::Group(_) => self.kinds.group,
            Object::Service | Object::Container(_) => None,
        };
        if decided == Some(false) || (!self.search.controls.show_deleted && is_hidden(self.world, object)) {
            return None;
        }
        let facts = Facts::of(self.world, object);
        let matches = decided.unwrap_or_else(|| matches(self.world, self.search, &facts));
        (matches && self.is_in_scope(&facts)).then_some(facts)
    }

    fn is_in_scope(&self, facts: &Facts) -> bool {
        if self.search.scope == Scope::Base {
            return true;
        }
        let Object::Container(base) = self.base else { return true };
        if base == 0 && self.search.scope == Scope::Subtree {
            return true;
        }
        let parent = match facts {
            Facts::Person(person) if !person.deleted => Some(self.world.container_of(person)),
            other => self.world.parent(other.object()),
        };
        match (self.search.scope, facts.object()) {
            (Scope::One, _) => parent == Some(base),
            (_, Object::Container(at)) => self.world.is_within(at, base),
            _ => parent.is_some_and(|parent| self.world.is_within(parent, base)),
        }
    }
}

pub(crate) fn write_entry(out: &mut Vec<u8>, id: i64, world: &World, facts: &Facts, asked: &Asked, style: Style) {
    encode::entry(
        out,
        id,
        |out| write_name(world, facts.object(), style.extended_dn, out),
        |out| encode::plain_attributes(out, world, facts, asked, style),
    );
}

/// Answers a search for one of the domain controller's own objects; `None` when it is of the domain.
pub(crate) fn special(world: &World, search: &Search, id: i64, style: Style, out: &mut Vec<u8>) -> Option<Outcome> {
    let objects = special::objects(world, search)?;
    // Small: always one page.
    objects.iter().filter(|object| object.matches(search)).for_each(|object| object.write(out, id, search, style));
    let mut outcome = Outcome::success();
    if search.controls.paged.is_some() {
        outcome.controls.push(AnswerControl { oid: PAGED, value: encode::cookie_value(&[0], b"") });
    }
    Some(outcome)
}
