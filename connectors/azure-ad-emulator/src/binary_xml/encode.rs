//! From a tree to records, as the service writes them: static strings by number, prefixes of one letter in their own
//! record types, numbers, booleans and GUIDs as values where that says the same text. Decodes to the same tree.

use super::{Element, Node, XML, dictionary, text};
use crate::guid::Guid;

/// Writes one message.
pub fn encode(root: &Element) -> Vec<u8> {
    let mut writer = Writer { bytes: Vec::new(), scope: vec![("xml".to_owned(), XML.to_owned())] };
    writer.scope.push((String::new(), String::new()));
    writer.element(root);
    writer.bytes
}

struct Writer {
    bytes: Vec<u8>,
    /// Prefixes in scope, the innermost last.
    scope: Vec<(String, String)>,
}

impl Writer {
    fn element(&mut self, element: &Element) {
        let outside = self.scope.len();
        let number = dictionary::number(&element.name);
        match (single_letter(&element.prefix), number) {
            (Some(letter), Some(_)) => self.bytes.push(0x44 + letter),
            (Some(letter), None) => self.bytes.push(0x5E + letter),
            (None, Some(_)) if element.prefix.is_empty() => self.bytes.push(0x42),
            (None, None) if element.prefix.is_empty() => self.bytes.push(0x40),
            (None, number) => {
                self.bytes.push(if number.is_some() { 0x43 } else { 0x41 });
                self.string(&element.prefix);
            }
        }
        self.name(&element.name, number);
        for attribute in &element.attributes {
            self.attribute(&attribute.prefix, &attribute.name, &attribute.value);
        }
        for (prefix, namespace) in &element.declarations {
            self.declare(prefix, namespace);
        }
        // Whatever nobody declared so far.
        let used = element.attributes.iter().filter(|attribute| !attribute.prefix.is_empty());
        let used = used.map(|attribute| (&attribute.prefix, &attribute.namespace));
        for (prefix, namespace) in used.chain([(&element.prefix, &element.namespace)]) {
            let held = self.scope.iter().rev().find(|(known, _)| known == prefix);
            if held.is_none_or(|(_, held)| **held != **namespace) {
                self.declare(prefix, namespace);
            }
        }
        self.content(element);
        self.scope.truncate(outside);
    }

    fn content(&mut self, element: &Element) {
        let last = element.children.len().checked_sub(1);
        for (place, child) in element.children.iter().enumerate() {
            match child {
                Node::Element(child) => self.element(child),
                Node::Text(text) => {
                    let ends = Some(place) == last;
                    self.text(text, u8::from(ends));
                    if ends {
                        return;
                    }
                }
            }
        }
        self.bytes.push(0x01);
    }

    fn attribute(&mut self, prefix: &str, name: &str, value: &str) {
        let number = dictionary::number(name);
        match (single_letter(prefix), number) {
            (Some(letter), Some(_)) => self.bytes.push(0x0C + letter),
            (Some(letter), None) => self.bytes.push(0x26 + letter),
            (None, Some(_)) if prefix.is_empty() => self.bytes.push(0x06),
            (None, None) if prefix.is_empty() => self.bytes.push(0x04),
            (None, number) => {
                self.bytes.push(if number.is_some() { 0x07 } else { 0x05 });
                self.string(prefix);
            }
        }
        self.name(name, number);
        self.text(value, 0);
    }

    fn declare(&mut self, prefix: &str, namespace: &str) {
        let number = dictionary::number(namespace);
        let by_number = if number.is_some() { 2 } else { 0 };
        if prefix.is_empty() {
            self.bytes.push(0x08 + by_number);
        } else {
            self.bytes.push(0x09 + by_number);
            self.string(prefix);
        }
        self.name(namespace, number);
        self.scope.push((prefix.to_owned(), namespace.to_owned()));
    }

    fn name(&mut self, name: &str, number: Option<u32>) {
        match number {
            Some(number) => self.multi_byte_int(number),
            None => self.string(name),
        }
    }

    fn string(&mut self, string: &str) {
        self.multi_byte_int(u32::try_from(string.len()).unwrap_or(u32::MAX >> 1));
        self.bytes.extend_from_slice(string.as_bytes());
    }

    fn multi_byte_int(&mut self, mut value: u32) {
        loop {
            let low = u8::try_from(value & 0x7F).unwrap_or_default();
            value >>= 7;
            if value == 0 {
                self.bytes.push(low);
                return;
            }
            self.bytes.push(low | 0x80);
        }
    }

    /// A text record; `end` is 1 where the element ends with it.
    fn text(&mut self, text: &str, end: u8) {
        if let Some((record, value)) = typed(text) {
            self.bytes.push(record | end);
            self.bytes.extend_from_slice(&value);
            return;
        }
        let length = text.len();
        if let Ok(length) = u8::try_from(length) {
            self.bytes.push(0x98 | end);
            self.bytes.push(length);
        } else if let Ok(length) = u16::try_from(length) {
            self.bytes.push(0x9A | end);
            self.bytes.extend_from_slice(&length.to_le_bytes());
        } else {
            self.bytes.push(0x9C | end);
            self.bytes.extend_from_slice(&i32::try_from(length).unwrap_or(i32::MAX).to_le_bytes());
        }
        self.bytes.extend_from_slice(text.as_bytes());
    }
}

fn single_letter(prefix: &str) -> Option<u8> {
    match prefix.as_bytes() {
        [letter @ b'a'..=b'z'] => Some(letter - b'a'),
        _ => None,
    }
}

/// The record and bytes of a text that is the lexical form of a value; any other is written as characters.
fn typed(text: &str) -> Option<(u8, Vec<u8>)> {
    match text {
        "" => return Some((0xA8, Vec::new())),
        "0" => return Some((0x80, Vec::new())),
        "1" => return Some((0x82, Vec::new())),
        "false" => return Some((0x84, Vec::new())),
        "true" => return Some((0x86, Vec::new())),
        _ => {}
    }
    if let Some(guid) = text.strip_prefix("urn:uuid:").and_then(Guid::parse) {
        return (format!("urn:uuid:{guid}") == text).then(|| (0xAC, guid_bytes(guid)));
    }
    if let Some(guid) = Guid::parse(text) {
        return (guid.to_string() == text).then(|| (0xB0, guid_bytes(guid)));
    }
    let number: i64 = text.parse().ok().filter(|number: &i64| number.to_string() == text)?;
    Some(if let Ok(number) = i8::try_from(number) {
        (0x88, number.to_le_bytes().to_vec())
    } else if let Ok(number) = i16::try_from(number) {
        (0x8A, number.to_le_bytes().to_vec())
    } else if let Ok(number) = i32::try_from(number) {
        (0x8C, number.to_le_bytes().to_vec())
    } else {
        (0x8E, number.to_le_bytes().to_vec())
    })
}

fn guid_bytes(guid: Guid) -> Vec<u8> {
    text::swapped(guid.as_u128().to_be_bytes()).to_vec()
}
