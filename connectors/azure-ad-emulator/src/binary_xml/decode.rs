//! From records to a tree. Every count is checked against the bytes that are left, every growth against a bound; whatever
//! arrives is a tree or an error with its place, never a panic.

use std::sync::Arc;

use super::{Attribute, Element, Node, XML, dictionary, text};

/// Elements inside one another.
const DEEPEST: usize = 64;
/// Elements and attributes of one message. An export of 15,000 links stays far below.
const MOST_NODES: usize = 1_000_000;
/// Bytes of names and texts that come out of one message: an array or dictionary string says much in few bytes.
const MOST_TEXT: usize = 64 * 1024 * 1024;
/// Prefixes in scope at one place.
const MOST_PREFIXES: usize = 256;

/// Why bytes are no message. `at` is the offset where reading stopped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("the message ends early, at byte {at}")]
    Truncated { at: usize },
    #[error("there is no record type {record:#04x} at byte {at}")]
    UnknownRecord { record: u8, at: usize },
    #[error("the text at byte {at} has no such form: {why}")]
    BadText { at: usize, why: &'static str },
    #[error("the static dictionary has no string {number} (byte {at})")]
    UnknownString { number: u32, at: usize },
    #[error("the prefix '{prefix}' is not declared where it is used (byte {at})")]
    UndeclaredPrefix { prefix: String, at: usize },
    #[error("a message is one element with nothing before or behind it (byte {at})")]
    NotOneElement { at: usize },
    #[error("the message is too deep, too long or declares too much (byte {at})")]
    TooLarge { at: usize },
}

/// Reads one message.
pub fn decode(bytes: &[u8]) -> Result<Element, DecodeError> {
    let mut reader = Reader { bytes, at: 0, nodes: 0, text: 0 };
    let mut scope = Scope { prefixes: vec![("xml".to_owned(), Arc::from(XML)), (String::new(), Arc::from(""))] };
    let mut open: Vec<Open> = Vec::new();
    loop {
        let record = reader.record()?;
        let closed = match record {
            0x40..=0x77 => {
                if open.len() >= DEEPEST {
                    return Err(reader.too_large());
                }
                let outside = scope.prefixes.len();
                let element = start_element(record, &mut reader, &mut scope)?;
                open.push(Open { element, outside });
                None
            }
            0x01 => Some(open.pop().ok_or_else(|| reader.not_one_element())?),
            0x02 => {
                reader.name()?;
                None
            }
            0x03 => {
                let items = array(&mut reader, &mut scope)?;
                let parent = open.last_mut().ok_or_else(|| reader.not_one_element())?;
                parent.element.children.extend(items.into_iter().map(Node::Element));
                None
            }
            _ => {
                let (text, ends) = content(record, &mut reader)?;
                let parent = open.last_mut().ok_or_else(|| reader.not_one_element())?;
                parent.element.push_text(text);
                if ends { open.pop() } else { None }
            }
        };
        let Some(Open { element, outside }) = closed else { continue };
        scope.prefixes.truncate(outside);
        match open.last_mut() {
            Some(parent) => parent.element.children.push(Node::Element(element)),
            None if reader.at == bytes.len() => return Ok(element),
            None => return Err(reader.not_one_element()),
        }
    }
}

struct Open {
    element: Element,
    /// Prefixes in scope around it.
    outside: usize,
}

/// Prefixes in scope, the innermost last.
struct Scope {
    prefixes: Vec<(String, Arc<str>)>,
}

impl Scope {
    fn resolve(&self, prefix: &str, reader: &Reader<'_>) -> Result<Arc<str>, DecodeError> {
        let found = self.prefixes.iter().rev().find(|(known, _)| known == prefix);
        found
            .map(|(_, namespace)| Arc::clone(namespace))
            .ok_or_else(|| DecodeError::UndeclaredPrefix { prefix: prefix.to_owned(), at: reader.at })
    }
}

/// An element record with the attributes and declarations behind it; its prefixes come into scope.
fn start_element(record: u8, reader: &mut Reader<'_>, scope: &mut Scope) -> Result<Element, DecodeError> {
    reader.count_node()?;
    let (prefix, name) = match record {
        0x40 => (String::new(), reader.name()?),
        0x41 => (reader.name()?, reader.name()?),
        0x42 => (String::new(), reader.dictionary_name()?),
        0x43 => (reader.name()?, reader.dictionary_name()?),
        0x44..=0x5D => (letter(record - 0x44), reader.dictionary_name()?),
        0x5E..=0x77 => (letter(record - 0x5E), reader.name()?),
        _ => return Err(reader.unknown_record(record)),
    };
    let mut declarations = Vec::new();
    let mut attributes = Vec::new();
    while let Some(record @ 0x04..=0x3F) = reader.peek() {
        reader.at += 1;
        reader.count_node()?;
        match record {
            0x08..=0x0B => {
                let prefix = if matches!(record, 0x09 | 0x0B) { reader.name()? } else { String::new() };
                let namespace = if record < 0x0A { reader.name()? } else { reader.dictionary_name()? };
                declarations.push((prefix, Arc::from(namespace)));
            }
            _ => attributes.push(attribute(record, reader)?),
        }
    }
    scope.prefixes.extend(declarations.iter().cloned());
    if scope.prefixes.len() > MOST_PREFIXES {
        return Err(reader.too_large());
    }
    for attribute in &mut attributes {
        if !attribute.prefix.is_empty() {
            attribute.namespace = scope.resolve(&attribute.prefix, reader)?;
        }
    }
    let namespace = scope.resolve(&prefix, reader)?;
    Ok(Element { prefix, name, namespace, declarations, attributes, children: Vec::new() })
}

fn attribute(record: u8, reader: &mut Reader<'_>) -> Result<Attribute, DecodeError> {
    let (prefix, name) = match record {
        0x04 => (String::new(), reader.name()?),
        0x05 => (reader.name()?, reader.name()?),
        0x06 => (String::new(), reader.dictionary_name()?),
        0x07 => (reader.name()?, reader.dictionary_name()?),
        0x0C..=0x25 => (letter(record - 0x0C), reader.dictionary_name()?),
        0x26..=0x3F => (letter(record - 0x26), reader.name()?),
        _ => return Err(reader.unknown_record(record)),
    };
    let kind = reader.record()?;
    match content(kind, reader)? {
        (value, false) => Ok(Attribute { prefix, name, namespace: Arc::from(""), value }),
        // No attribute can end its element.
        (_, true) => Err(reader.unknown_record(kind)),
    }
}

/// One text record or a whole list; and whether the element ends with it.
fn content(record: u8, reader: &mut Reader<'_>) -> Result<(String, bool), DecodeError> {
    if record != 0xA4 {
        if record < 0x80 {
            return Err(reader.unknown_record(record));
        }
        let ends = record & 1 == 1;
        return match text::read(record & !1, reader) {
            Err(DecodeError::UnknownRecord { at, .. }) => Err(DecodeError::UnknownRecord { record, at }),
            read => Ok((read?, ends)),
        };
    }
    let mut list = String::new();
    let mut is_first = true;
    loop {
        let record = reader.record()?;
        match record {
            0xA6 | 0xA7 => return Ok((list, record & 1 == 1)),
            // No list inside a list, and only its end can end the element.
            0xA4 => return Err(reader.unknown_record(record)),
            _ if record & 1 == 1 || record < 0x80 => return Err(reader.unknown_record(record)),
            _ => {}
        }
        if !is_first {
            list.push(' ');
            reader.charge(1)?;
        }
        is_first = false;
        list.push_str(&text::read(record, reader)?);
    }
}

/// An element once for each of many values.
fn array(reader: &mut Reader<'_>, scope: &mut Scope) -> Result<Vec<Element>, DecodeError> {
    let outside = scope.prefixes.len();
    let record = reader.record()?;
    let pattern = start_element(record, reader, scope)?;
    scope.prefixes.truncate(outside);
    let end = reader.record()?;
    if end != 0x01 {
        return Err(reader.unknown_record(end));
    }
    let kind = reader.record()?;
    if !text::fits_array(kind) {
        return Err(reader.unknown_record(kind));
    }
    let count = reader.multi_byte_int()?;
    // Each value takes at least a byte.
    if count as usize > reader.left() {
        return Err(DecodeError::Truncated { at: reader.bytes.len() });
    }
    let attribute_text: usize = pattern.attributes.iter().map(|one| one.name.len() + one.value.len()).sum();
    let mut items = Vec::new();
    for _ in 0..count {
        reader.count_node()?;
        reader.charge(pattern.name.len() + attribute_text)?;
        let mut item = pattern.clone();
        item.push_text(text::read(kind & !1, reader)?);
        items.push(item);
    }
    Ok(items)
}

fn letter(place: u8) -> String {
    char::from(b'a' + place).to_string()
}

/// The bytes and how much has come out of them.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    nodes: usize,
    text: usize,
}

impl<'a> Reader<'a> {
    fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn record(&mut self) -> Result<u8, DecodeError> {
        let [record] = self.array()?;
        Ok(record)
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        let end = self.at.checked_add(count).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or(DecodeError::Truncated { at: self.bytes.len() })?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    /// A length of one, two or four bytes; the last is signed.
    pub(super) fn length(&mut self, bytes: usize) -> Result<usize, DecodeError> {
        match bytes {
            1 => Ok(usize::from(u8::from_le_bytes(self.array()?))),
            2 => Ok(usize::from(u16::from_le_bytes(self.array()?))),
            _ => {
                let length = i32::from_le_bytes(self.array()?);
                usize::try_from(length).map_err(|_| self.bad_text("a length is not negative"))
            }
        }
    }

    /// [MC-NBFX] 2.1.2: seven bits a byte, the lowest first, at most 31 bits.
    fn multi_byte_int(&mut self) -> Result<u32, DecodeError> {
        let mut value: u64 = 0;
        for place in 0..5 {
            let [byte] = self.array()?;
            value |= u64::from(byte & 0x7F) << (7 * place);
            if byte & 0x80 == 0 {
                let value = u32::try_from(value).ok().filter(|value| *value <= 0x7FFF_FFFF);
                return value.ok_or_else(|| self.bad_text("a number has at most 31 bits"));
            }
        }
        Err(self.bad_text("a number takes at most five bytes"))
    }

    /// A string with its length in front.
    fn name(&mut self) -> Result<String, DecodeError> {
        let length = self.multi_byte_int()? as usize;
        self.charge(length)?;
        let bytes = self.take(length)?;
        std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| self.bad_text("a name is UTF-8"))
    }

    pub(super) fn dictionary_string(&mut self) -> Result<&'static str, DecodeError> {
        let number = self.multi_byte_int()?;
        dictionary::string(number).ok_or(DecodeError::UnknownString { number, at: self.at })
    }

    fn dictionary_name(&mut self) -> Result<String, DecodeError> {
        let name = self.dictionary_string()?;
        self.charge(name.len())?;
        Ok(name.to_owned())
    }

    fn count_node(&mut self) -> Result<(), DecodeError> {
        self.nodes += 1;
        if self.nodes > MOST_NODES { Err(self.too_large()) } else { Ok(()) }
    }

    pub(super) fn charge(&mut self, text: usize) -> Result<(), DecodeError> {
        self.text = self.text.saturating_add(text);
        if self.text > MOST_TEXT { Err(self.too_large()) } else { Ok(()) }
    }

    pub(super) fn unknown_record(&self, record: u8) -> DecodeError {
        DecodeError::UnknownRecord { record, at: self.at.saturating_sub(1) }
    }

    pub(super) fn bad_text(&self, why: &'static str) -> DecodeError {
        DecodeError::BadText { at: self.at, why }
    }

    fn not_one_element(&self) -> DecodeError {
        DecodeError::NotOneElement { at: self.at }
    }

    fn too_large(&self) -> DecodeError {
        DecodeError::TooLarge { at: self.at }
    }
}
