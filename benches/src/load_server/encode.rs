//! Search results as bytes: an object's asked attributes written without anything in between, ranges of long attributes,
//! names with the identity in front. Does not decide which objects are answered.

use super::ber::{self, ENUMERATED, INTEGER, OCTETS, SEQUENCE, SET};
use super::request::{Asked, AskedAttribute};
use crate::world::{ATTRIBUTES, Attribute, Facts, Object, ValueSink, World, write_guid};

/// How answers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Style {
    /// Identities before DNs: as text, or as hexadecimal digits.
    pub(crate) extended_dn: Option<bool>,
    /// Most values of a linked attribute in one answer; none: no limit.
    pub(crate) max_values: Option<u64>,
    pub(crate) types_only: bool,
}

/// Writes values as BER.
pub(crate) struct BerValues<'a> {
    out: &'a mut Vec<u8>,
    style: Style,
    skip: u64,
    take: u64,
}

impl ValueSink for BerValues<'_> {
    fn value(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        if self.skip > 0 {
            self.skip -= 1;
        } else if self.take > 0 {
            self.take -= 1;
            ber::written(self.out, OCTETS, write);
        }
    }

    fn reference(&mut self, world: &World, target: Object) {
        let extended = self.style.extended_dn;
        self.value(|out| write_name(world, target, extended, out));
    }
}

/// The DN of an object, its identity in front where asked for.
pub(crate) fn write_name(world: &World, object: Object, extended: Option<bool>, out: &mut Vec<u8>) {
    match extended {
        None => {}
        Some(true) => {
            out.extend_from_slice(b"<GUID=");
            write_guid(&world.guid(object), out);
            out.extend_from_slice(b">;");
            if let Some(rid) = world.rid(object) {
                out.extend_from_slice(b"<SID=S-1-5-21");
                for part in world.domain_sid().into_iter().chain([rid]) {
                    out.push(b'-');
                    crate::world::write_number(out, u64::from(part));
                }
                out.extend_from_slice(b">;");
            }
        }
        Some(false) => {
            out.extend_from_slice(b"<GUID=");
            hex(&world.guid(object), out);
            out.extend_from_slice(b">;");
            if let Some(sid) = world.sid(object) {
                out.extend_from_slice(b"<SID=");
                hex(&sid, out);
                out.extend_from_slice(b">;");
            }
        }
    }
    world.write_dn(object, out);
}

fn hex(bytes: &[u8], out: &mut Vec<u8>) {
    bytes.iter().for_each(|byte| out.extend_from_slice(format!("{byte:02x}").as_bytes()));
}

/// Begins a message of this id; [`end_message`] takes what this returns.
fn begin_message(out: &mut Vec<u8>, id: i64, tag: u8) -> (usize, usize) {
    let message = ber::begin(out, SEQUENCE);
    ber::integer(out, INTEGER, id);
    let operation = ber::begin(out, tag);
    (message, operation)
}

/// One entry, with the attributes that `write` writes.
pub(crate) fn entry(out: &mut Vec<u8>, id: i64, name: impl FnOnce(&mut Vec<u8>), write: impl FnOnce(&mut Vec<u8>)) {
    let (message, operation) = begin_message(out, id, 0x64);
    ber::written(out, OCTETS, name);
    let attributes = ber::begin(out, SEQUENCE);
    write(out);
    ber::end(out, attributes);
    ber::end(out, operation);
    ber::end(out, message);
}

/// One attribute. `values` writes them; one without any is left out unless `keep_empty`.
pub(crate) fn attribute(
    out: &mut Vec<u8>,
    name: &str,
    option: Option<&str>,
    style: Style,
    keep_empty: bool,
    values: impl FnOnce(&mut BerValues<'_>),
) {
    limited(out, name, option, style, keep_empty, (0, u64::MAX), values);
}

fn limited(
    out: &mut Vec<u8>,
    name: &str,
    option: Option<&str>,
    style: Style,
    keep_empty: bool,
    (skip, take): (u64, u64),
    values: impl FnOnce(&mut BerValues<'_>),
) {
    let before = out.len();
    let sequence = ber::begin(out, SEQUENCE);
    ber::written(out, OCTETS, |out| {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(option.unwrap_or_default().as_bytes());
    });
    let set = ber::begin(out, SET);
    values(&mut BerValues { out, style, skip, take });
    if out.len() == set && !keep_empty {
        return out.truncate(before);
    }
    if style.types_only {
        out.truncate(set);
    }
    ber::end(out, set);
    ber::end(out, sequence);
}

/// The asked attributes of an object as an ordinary search answers them.
pub(crate) fn plain_attributes(out: &mut Vec<u8>, world: &World, facts: &Facts, asked: &Asked, style: Style) {
    for one in &asked.named {
        plain(out, world, facts, *one, style);
    }
    if !asked.all {
        return;
    }
    for definition in ATTRIBUTES {
        let named = asked.named.iter().any(|one| one.attribute == definition.attribute);
        // What the server computes must be asked for by name.
        if !named && definition.system_flags & 4 == 0 {
            plain(out, world, facts, AskedAttribute { attribute: definition.attribute, range: None }, style);
        }
    }
}

fn plain(out: &mut Vec<u8>, world: &World, facts: &Facts, one: AskedAttribute, style: Style) {
    let name = one.attribute.name();
    let most = style.max_values.unwrap_or(u64::MAX);
    if one.attribute == Attribute::Member
        && let Facts::Group(group) = facts
        && (one.range.is_some() || style.max_values.is_some())
    {
        let count = group.members(world).count() as u64;
        if let Some((from, to)) = one.range {
            let wanted = to.map_or(u64::MAX, |to| to.saturating_sub(from).saturating_add(1)).min(most);
            let last = from.saturating_add(wanted - 1);
            let option = if last >= count.saturating_sub(1) {
                format!(";range={from}-*")
            } else {
                format!(";range={from}-{last}")
            };
            let some = |values: &mut BerValues<'_>| facts.emit(world, one.attribute, values);
            return limited(out, name, Some(&option), style, count > 0, (from, wanted), some);
        }
        if count > most {
            // As Windows: the attribute itself without values, and its first part.
            attribute(out, name, None, style, true, |_| {});
            let option = format!(";range=0-{}", most - 1);
            let some = |values: &mut BerValues<'_>| facts.emit(world, one.attribute, values);
            return limited(out, name, Some(&option), style, true, (0, most), some);
        }
    }
    attribute(out, name, None, style, false, |values| facts.emit(world, one.attribute, values));
}

/// A control of an answer.
pub(crate) struct AnswerControl {
    pub(crate) oid: &'static str,
    pub(crate) value: Vec<u8>,
}

/// The last word of an operation.
pub(crate) fn done(out: &mut Vec<u8>, id: i64, tag: u8, code: i64, text: &str, controls: &[AnswerControl]) {
    let (message, operation) = begin_message(out, id, tag);
    ber::integer(out, ENUMERATED, code);
    ber::octets(out, OCTETS, b"");
    ber::octets(out, OCTETS, text.as_bytes());
    ber::end(out, operation);
    if !controls.is_empty() {
        let list = ber::begin(out, 0xa0);
        for control in controls {
            let one = ber::begin(out, SEQUENCE);
            ber::octets(out, OCTETS, control.oid.as_bytes());
            ber::octets(out, OCTETS, &control.value);
            ber::end(out, one);
        }
        ber::end(out, list);
    }
    ber::end(out, message);
}

/// `SEQUENCE { INTEGER, ..., OCTET STRING }`: the value of both controls that carry a cookie.
pub(crate) fn cookie_value(numbers: &[i64], cookie: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let sequence = ber::begin(&mut out, SEQUENCE);
    numbers.iter().for_each(|number| ber::integer(&mut out, INTEGER, *number));
    ber::octets(&mut out, OCTETS, cookie);
    ber::end(&mut out, sequence);
    out
}
