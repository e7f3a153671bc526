//! Search filters (RFC 4511 4.5.1.7) over generated objects. What follows from the kind of an object alone is decided once
//! for all of its kind; names by GUID and lower bounds of `uSNChanged` are found without looking at every object.

use super::ber::{Malformed, Reader};
use crate::world::{Attribute, Collected, Facts, Object, World};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Filter {
    And(Vec<Filter>),
    Or(Vec<Filter>),
    Not(Box<Filter>),
    Equal(String, Vec<u8>),
    AtLeast(String, Vec<u8>),
    AtMost(String, Vec<u8>),
    Present(String),
    /// Beginning, parts in between, end.
    Parts(String, Vec<u8>, Vec<Vec<u8>>, Vec<u8>),
    /// All of these bits (803), or one of them (804), are set.
    Bits {
        attribute: String,
        mask: i64,
        all: bool,
    },
    /// A rule that this server does not know: matches nothing, as RFC 4511 wants it of undefined ones.
    Undefined,
}

const BIT_AND: &str = "1.2.840.113556.1.4.803";
const BIT_OR: &str = "1.2.840.113556.1.4.804";
/// How deep filters nest; deeper ones are refused.
const MAX_DEPTH: usize = 64;

impl Filter {
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Filter, Malformed> {
        Filter::read_at(reader, 0)
    }

    fn read_at(reader: &mut Reader<'_>, depth: usize) -> Result<Filter, Malformed> {
        if depth > MAX_DEPTH {
            return Err(Malformed);
        }
        let (tag, content) = reader.next()?;
        let mut inner = Reader::new(content);
        let all = |mut inner: Reader<'_>| {
            let mut filters = Vec::new();
            while !inner.is_empty() {
                filters.push(Filter::read_at(&mut inner, depth + 1)?);
            }
            Ok(filters)
        };
        let pair = |inner: &mut Reader<'_>| Ok((inner.text(0x04)?.to_owned(), inner.expect(0x04)?.to_vec()));
        Ok(match tag {
            0xa0 => Filter::And(all(inner)?),
            0xa1 => Filter::Or(all(inner)?),
            0xa2 => Filter::Not(Box::new(Filter::read_at(&mut inner, depth + 1)?)),
            0xa3 | 0xa8 => {
                let (name, value) = pair(&mut inner)?;
                Filter::Equal(name, value)
            }
            0xa4 => Filter::read_parts(&mut inner)?,
            0xa5 => {
                let (name, value) = pair(&mut inner)?;
                Filter::AtLeast(name, value)
            }
            0xa6 => {
                let (name, value) = pair(&mut inner)?;
                Filter::AtMost(name, value)
            }
            0x87 => Filter::Present(std::str::from_utf8(content).map_err(|_| Malformed)?.to_owned()),
            0xa9 => Filter::read_extensible(inner)?,
            _ => return Err(Malformed),
        })
    }

    fn read_parts(inner: &mut Reader<'_>) -> Result<Filter, Malformed> {
        let name = inner.text(0x04)?.to_owned();
        let mut parts = Reader::new(inner.expect(0x30)?);
        let (mut begin, mut middle, mut end) = (Vec::new(), Vec::new(), Vec::new());
        while !parts.is_empty() {
            match parts.next()? {
                (0x80, part) => begin = part.to_vec(),
                (0x81, part) => middle.push(part.to_vec()),
                (0x82, part) => end = part.to_vec(),
                _ => return Err(Malformed),
            }
        }
        Ok(Filter::Parts(name, begin, middle, end))
    }

    fn read_extensible(mut inner: Reader<'_>) -> Result<Filter, Malformed> {
        let (mut rule, mut attribute, mut value) = (String::new(), String::new(), Vec::new());
        while !inner.is_empty() {
            let (tag, content) = inner.next()?;
            let text = || std::str::from_utf8(content).map(str::to_owned).map_err(|_| Malformed);
            match tag {
                0x81 => rule = text()?,
                0x82 => attribute = text()?,
                0x83 => value = content.to_vec(),
                _ => {}
            }
        }
        let mask = std::str::from_utf8(&value).ok().and_then(|text| text.parse().ok());
        Ok(match (rule.as_str(), mask) {
            (BIT_AND, Some(mask)) => Filter::Bits { attribute, mask, all: true },
            (BIT_OR, Some(mask)) => Filter::Bits { attribute, mask, all: false },
            _ => Filter::Undefined,
        })
    }

    /// What the kind of an object decides: `None` when its values must be looked at. `classes` and whether it is deleted are
    /// all that is known.
    pub(crate) fn by_kind(&self, classes: &[&str], deleted: bool) -> Option<bool> {
        match self {
            Filter::And(filters) => {
                let decided: Vec<_> = filters.iter().map(|filter| filter.by_kind(classes, deleted)).collect();
                if decided.contains(&Some(false)) {
                    Some(false)
                } else {
                    decided.iter().all(Option::is_some).then_some(true)
                }
            }
            Filter::Or(filters) => {
                let decided: Vec<_> = filters.iter().map(|filter| filter.by_kind(classes, deleted)).collect();
                if decided.contains(&Some(true)) {
                    Some(true)
                } else {
                    decided.iter().all(Option::is_some).then_some(false)
                }
            }
            Filter::Not(filter) => filter.by_kind(classes, deleted).map(|decided| !decided),
            Filter::Equal(name, value) if name.eq_ignore_ascii_case("objectClass") => {
                Some(classes.iter().any(|class| class.as_bytes().eq_ignore_ascii_case(value)))
            }
            Filter::Present(name) if name.eq_ignore_ascii_case("objectClass") => Some(true),
            Filter::Equal(name, _) if name.eq_ignore_ascii_case("isDeleted") && !deleted => {
                // Of the containers one says TRUE as well; it is looked at.
                let leaf = classes.last().is_some_and(|class| *class != "container");
                leaf.then_some(false)
            }
            Filter::Undefined => Some(false),
            _ => None,
        }
    }

    /// The objects that this filter names by their GUIDs, when it can match no others.
    pub(crate) fn named(&self, world: &World) -> Option<Vec<Object>> {
        match self {
            Filter::Equal(name, value) if name.eq_ignore_ascii_case("objectGUID") => {
                let guid: Option<[u8; 16]> = value.as_slice().try_into().ok();
                Some(guid.and_then(|guid| world.by_guid(&guid)).into_iter().collect())
            }
            Filter::And(filters) => filters.iter().find_map(|filter| filter.named(world)),
            Filter::Or(filters) => {
                let mut all = Vec::new();
                for filter in filters {
                    all.extend(filter.named(world)?);
                }
                Some(all)
            }
            _ => None,
        }
    }

    /// The least `uSNChanged` that this filter lets through.
    pub(crate) fn least_usn(&self) -> Option<u64> {
        match self {
            Filter::AtLeast(name, value) if name.eq_ignore_ascii_case("uSNChanged") => {
                std::str::from_utf8(value).ok()?.parse().ok()
            }
            Filter::And(filters) => filters.iter().find_map(Filter::least_usn),
            _ => None,
        }
    }

    /// Whether only deleted objects can match.
    pub(crate) fn wants_deleted(&self) -> bool {
        match self {
            Filter::Equal(name, value) => name.eq_ignore_ascii_case("isDeleted") && value.eq_ignore_ascii_case(b"TRUE"),
            Filter::And(filters) => filters.iter().any(Filter::wants_deleted),
            _ => false,
        }
    }

    /// Whether an object's values match.
    pub(crate) fn matches(&self, of: &dyn Fn(&str) -> Values) -> bool {
        let any = |name: &str, test: &dyn Fn(&[u8]) -> bool| of(name).values.iter().any(|value| test(value));
        let number = |bytes: &[u8]| std::str::from_utf8(bytes).ok().and_then(|text| text.parse::<i64>().ok());
        match self {
            Filter::And(filters) => filters.iter().all(|filter| filter.matches(of)),
            Filter::Or(filters) => filters.iter().any(|filter| filter.matches(of)),
            Filter::Not(filter) => !filter.matches(of),
            Filter::Equal(name, wanted) => {
                let values = of(name);
                values.values.iter().any(|value| same(value, wanted, values.binary))
            }
            Filter::AtLeast(name, bound) => any(name, &|value| match (number(value), number(bound)) {
                (Some(value), Some(bound)) => value >= bound,
                _ => folded(value) >= folded(bound),
            }),
            Filter::AtMost(name, bound) => any(name, &|value| match (number(value), number(bound)) {
                (Some(value), Some(bound)) => value <= bound,
                _ => folded(value) <= folded(bound),
            }),
            Filter::Present(name) => !of(name).values.is_empty(),
            Filter::Parts(name, begin, middle, end) => {
                any(name, &|value| has_parts(&folded(value), begin, middle, end))
            }
            Filter::Bits { attribute, mask, all } => any(attribute, &|value| {
                number(value).is_some_and(|value| if *all { value & mask == *mask } else { value & mask != 0 })
            }),
            Filter::Undefined => false,
        }
    }
}

/// The values that a filter looks at.
#[derive(Debug, Default)]
pub(crate) struct Values {
    pub(crate) values: Vec<Vec<u8>>,
    pub(crate) binary: bool,
}

impl Values {
    /// Of a generated object.
    pub(crate) fn of(world: &World, facts: &Facts, name: &str) -> Values {
        let Some(attribute) = Attribute::find(name) else {
            return Values::default();
        };
        let mut values = Collected::default();
        facts.emit(world, attribute, &mut values);
        Values { values: values.0, binary: attribute.definition().is_binary() }
    }
}

fn folded(value: &[u8]) -> String {
    String::from_utf8_lossy(value).to_lowercase()
}

fn same(value: &[u8], wanted: &[u8], binary: bool) -> bool {
    value == wanted || (!binary && folded(value) == folded(wanted))
}

fn has_parts(value: &str, begin: &[u8], middle: &[Vec<u8>], end: &[u8]) -> bool {
    let (begin, end) = (folded(begin), folded(end));
    let Some(mut rest) = value.strip_prefix(&begin).and_then(|rest| rest.strip_suffix(&end)) else {
        return false;
    };
    middle.iter().all(|part| match rest.find(&folded(part)) {
        Some(at) => {
            rest = rest.get(at + folded(part).len()..).unwrap_or_default();
            true
        }
        None => false,
    })
}
