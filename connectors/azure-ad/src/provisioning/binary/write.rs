//! Writes a tree. One form of each thing: strings in full, texts as UTF-8 characters. Other encoders choose other records for
//! the same document (B.3). What is written may hold a secret: no copy of it stays behind.

use super::tree::{Element, Node};
use zeroize::Zeroizing;

/// Room for a small request without growing.
const FIRST_ROOM: usize = 8 * 1024;

const END_ELEMENT: u8 = 0x01;
const EMPTY_TEXT: u8 = 0xA8;

/// The document of this root.
pub(crate) fn encode(root: &Element) -> Zeroizing<Vec<u8>> {
    let mut writer = Writer { out: Zeroizing::new(Vec::with_capacity(FIRST_ROOM)) };
    writer.element(root);
    writer.out
}

struct Writer {
    out: Zeroizing<Vec<u8>>,
}

impl Writer {
    fn element(&mut self, element: &Element) {
        self.name(element.name.prefix.as_ref(), element.name.local.as_ref(), 0x40, 0x5E);
        for declaration in &element.declarations {
            match declaration.prefix.as_ref() {
                "" => self.put(&[0x08]),
                prefix => {
                    self.put(&[0x09]);
                    self.string(prefix);
                }
            }
            self.string(&declaration.namespace);
        }
        for attribute in &element.attributes {
            self.name(attribute.name.prefix.as_ref(), attribute.name.local.as_ref(), 0x04, 0x26);
            self.text(&attribute.value, false);
        }
        let Some((last, before)) = element.children.split_last() else {
            self.put(&[END_ELEMENT]);
            return;
        };
        for child in before {
            self.node(child);
        }
        match last {
            Node::Text(text) => self.text(text.as_str(), true),
            Node::Element(child) => {
                self.element(child);
                self.put(&[END_ELEMENT]);
            }
        }
    }

    fn node(&mut self, node: &Node) {
        match node {
            Node::Element(element) => self.element(element),
            Node::Text(text) => self.text(text.as_str(), false),
        }
    }

    /// A name's record: `short` without prefix, the next number with one, `letters` and up for a prefix of one letter.
    fn name(&mut self, prefix: &str, local: &str, short: u8, letters: u8) {
        match prefix.as_bytes() {
            [] => self.put(&[short]),
            [letter @ b'a'..=b'z'] => self.put(&[letters + (letter - b'a')]),
            _ => {
                self.put(&[short + 1]);
                self.string(prefix);
            }
        }
        self.string(local);
    }

    fn text(&mut self, text: &str, ends_element: bool) {
        let end = u8::from(ends_element);
        let bytes = text.as_bytes();
        match bytes.len() {
            0 => self.put(&[EMPTY_TEXT + end]),
            length => {
                if let Ok(length) = u8::try_from(length) {
                    self.put(&[0x98 + end, length]);
                } else if let Ok(length) = u16::try_from(length) {
                    self.put(&[0x9A + end]);
                    self.put(&length.to_le_bytes());
                } else {
                    self.put(&[0x9C + end]);
                    // Requests are bounded far below 2 GiB (`batches`).
                    self.put(&(length as u32).to_le_bytes());
                }
                self.put(bytes);
            }
        }
    }

    /// A string with its length as a MultiByteInt31.
    fn string(&mut self, text: &str) {
        let mut length = text.len();
        while length >= 0x80 {
            self.put(&[length as u8 & 0x7F | 0x80]);
            length >>= 7;
        }
        self.put(&[length as u8]);
        self.put(text.as_bytes());
    }

    /// Grows by moving into a larger buffer: the old one is wiped, which a vector that grows by itself would not do.
    fn put(&mut self, bytes: &[u8]) {
        let needed = self.out.len() + bytes.len();
        if needed > self.out.capacity() {
            let mut larger = Zeroizing::new(Vec::with_capacity(needed.max(self.out.capacity() * 2)));
            larger.extend_from_slice(&self.out);
            self.out = larger;
        }
        self.out.extend_from_slice(bytes);
    }
}
