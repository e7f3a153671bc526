//! Requests as they come over the wire (RFC 4511), taken apart. Answers nothing.

use super::ber::{ENUMERATED, INTEGER, Malformed, OCTETS, Reader, SEQUENCE};
use super::filter::Filter;
use crate::world::Attribute;

pub(crate) const PAGED: &str = "1.2.840.113556.1.4.319";
pub(crate) const DIRSYNC: &str = "1.2.840.113556.1.4.841";
pub(crate) const EXTENDED_DN: &str = "1.2.840.113556.1.4.529";
pub(crate) const SHOW_DELETED: &str = "1.2.840.113556.1.4.417";
pub(crate) const SHOW_RECYCLED: &str = "1.2.840.113556.1.4.2064";
/// Accepted and without effect: this server orders and refers nothing, and changes nothing.
pub(crate) const WITHOUT_EFFECT: &[&str] =
    &["1.2.840.113556.1.4.1339", "1.2.840.113556.1.4.801", "1.2.840.113556.1.4.1413", "2.16.840.1.113730.3.4.2"];

/// One request.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) id: i64,
    pub(crate) operation: Operation,
}

#[derive(Debug)]
pub(crate) enum Operation {
    Bind {
        name: String,
        password: Vec<u8>,
        simple: bool,
    },
    Unbind,
    Search(Box<Search>),
    Extended(String),
    Abandon,
    /// Something that changes or compares; by the tag of its answer.
    Refused(u8),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    Base,
    One,
    Subtree,
}

#[derive(Debug)]
pub(crate) struct Search {
    pub(crate) base: String,
    pub(crate) scope: Scope,
    pub(crate) size_limit: usize,
    pub(crate) types_only: bool,
    pub(crate) filter: Filter,
    pub(crate) asked: Asked,
    pub(crate) controls: Controls,
}

/// The attributes that a search asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    /// All that are there, besides the named ones.
    pub(crate) all: bool,
    pub(crate) named: Vec<AskedAttribute>,
    /// As written, for objects that are not of the world.
    pub(crate) words: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AskedAttribute {
    pub(crate) attribute: Attribute,
    /// First and last place, the last absent for `*`.
    pub(crate) range: Option<(u64, Option<u64>)>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Controls {
    pub(crate) paged: Option<Paged>,
    pub(crate) dirsync: Option<DirSync>,
    /// Whether identities stand before DNs, and whether as text (1) or as hexadecimal digits (0).
    pub(crate) extended_dn: Option<bool>,
    pub(crate) show_deleted: bool,
    /// A critical one that is not known.
    pub(crate) unknown: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Paged {
    pub(crate) size: u64,
    pub(crate) cookie: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DirSync {
    pub(crate) incremental: bool,
    pub(crate) max_bytes: u64,
    pub(crate) cookie: Vec<u8>,
}

impl Message {
    /// Takes a message apart that was received whole.
    pub(crate) fn read(bytes: &[u8]) -> Result<Message, Malformed> {
        let mut message = Reader::new(Reader::new(bytes).expect(SEQUENCE)?);
        let id = message.integer(INTEGER)?;
        let (tag, content) = message.next()?;
        let controls =
            if message.peek() == Some(0xa0) { Controls::read(message.next()?.1)? } else { Controls::default() };
        let mut inner = Reader::new(content);
        let operation = match tag {
            0x60 => {
                inner.integer(INTEGER)?;
                let name = inner.text(OCTETS)?.to_owned();
                let (method, password) = inner.next()?;
                Operation::Bind { name, password: password.to_vec(), simple: method == 0x80 }
            }
            0x42 => Operation::Unbind,
            0x50 => Operation::Abandon,
            0x63 => Operation::Search(Box::new(Search::read(inner, controls)?)),
            0x77 => Operation::Extended(inner.text(0x80)?.to_owned()),
            0x66 => Operation::Refused(0x67),
            0x68 => Operation::Refused(0x69),
            0x4a => Operation::Refused(0x6b),
            0x6c => Operation::Refused(0x6d),
            0x6e => Operation::Refused(0x6f),
            _ => return Err(Malformed),
        };
        Ok(Message { id, operation })
    }
}

impl Search {
    fn read(mut inner: Reader<'_>, controls: Controls) -> Result<Search, Malformed> {
        let base = inner.text(OCTETS)?.to_owned();
        let scope = match inner.integer(ENUMERATED)? {
            0 => Scope::Base,
            1 => Scope::One,
            2 => Scope::Subtree,
            _ => return Err(Malformed),
        };
        inner.integer(ENUMERATED)?;
        let size_limit = usize::try_from(inner.integer(INTEGER)?).map_err(|_| Malformed)?;
        inner.integer(INTEGER)?;
        let types_only = inner.expect(0x01)? != [0];
        let filter = Filter::read(&mut inner)?;
        let mut names = Reader::new(inner.expect(SEQUENCE)?);
        let mut asked = Asked::default();
        while !names.is_empty() {
            asked.add(names.text(OCTETS)?);
        }
        asked.all |= asked.words.is_empty();
        Ok(Search { base, scope, size_limit, types_only, filter, asked, controls })
    }
}

impl Asked {
    fn add(&mut self, word: &str) {
        self.words.push(word.to_owned());
        if word == "*" {
            self.all = true;
            return;
        }
        let mut parts = word.split(';');
        let attribute = parts.next().and_then(Attribute::find);
        let range = parts.find_map(range);
        if let Some(attribute) = attribute
            && !self.named.iter().any(|known| known.attribute == attribute)
        {
            self.named.push(AskedAttribute { attribute, range });
        }
    }

    /// Whether a special object's attribute was asked for.
    pub(crate) fn names(&self, name: &str) -> bool {
        self.words.iter().any(|word| word.eq_ignore_ascii_case(name))
    }
}

/// `range=0-1499` or `range=1500-*`.
fn range(option: &str) -> Option<(u64, Option<u64>)> {
    let (head, bounds) = option.split_at_checked(6)?;
    let (from, to) = bounds.split_once('-').filter(|_| head.eq_ignore_ascii_case("range="))?;
    let to = if to == "*" { None } else { Some(to.parse().ok()?) };
    Some((from.parse().ok()?, to))
}

impl Controls {
    fn read(bytes: &[u8]) -> Result<Controls, Malformed> {
        let mut list = Reader::new(bytes);
        let mut controls = Controls::default();
        while !list.is_empty() {
            let mut control = Reader::new(list.expect(SEQUENCE)?);
            let oid = control.text(OCTETS)?;
            let critical = if control.peek() == Some(0x01) { control.next()?.1 != [0] } else { false };
            let value = if control.is_empty() { &[][..] } else { control.expect(OCTETS)? };
            let sequence = |value| Reader::new(value).expect(SEQUENCE).map(Reader::new);
            match oid {
                PAGED => {
                    let mut content = sequence(value)?;
                    let size = u64::try_from(content.integer(INTEGER)?).map_err(|_| Malformed)?;
                    controls.paged = Some(Paged { size, cookie: content.expect(OCTETS)?.to_vec() });
                }
                DIRSYNC => {
                    let mut content = sequence(value)?;
                    let flags = content.integer(INTEGER)?;
                    let max_bytes = u64::try_from(content.integer(INTEGER)?).unwrap_or(0);
                    let cookie = content.expect(OCTETS)?.to_vec();
                    controls.dirsync =
                        Some(DirSync { incremental: flags & INCREMENTAL_VALUES != 0, max_bytes, cookie });
                }
                EXTENDED_DN => {
                    let text = if value.is_empty() { false } else { sequence(value)?.integer(INTEGER)? == 1 };
                    controls.extended_dn = Some(text);
                }
                SHOW_DELETED | SHOW_RECYCLED => controls.show_deleted = true,
                known if WITHOUT_EFFECT.contains(&known) => {}
                other if critical => controls.unknown = Some(other.to_owned()),
                _ => {}
            }
        }
        Ok(controls)
    }
}

/// LDAP_DIRSYNC_INCREMENTAL_VALUES.
const INCREMENTAL_VALUES: i64 = 0x8000_0000;
