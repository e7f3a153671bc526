//! Reads a document. Everything in it is hostile until read: lengths are held against the bytes that are left, depth,
//! nodes and namespaces against bounds, before anything is allocated for them.

use super::dictionary;
use super::text;
use super::tree::{Attribute, Declaration, Element, Name, Node, Str, Text};
use std::sync::Arc;

/// Elements open at a time. The service's replies are about ten deep.
const MAX_DEPTH: usize = 64;
/// Elements, attributes, declarations and texts of one document: some 600 MB at the worst. A page that is read back has some
/// tens of thousands, and a group of 250,000 members half a million.
const MAX_NODES: usize = 4_000_000;
/// Namespaces in scope at a time: each name is looked up among them.
const MAX_NAMESPACES: usize = 256;
/// Repeated names and values count as one more node for each so many bytes.
const BYTES_PER_NODE: usize = 64;

const XML_NAMESPACE: &str = "http://www.w3.org/XML/1998/namespace";

/// What is wrong with a document, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the binary XML is not readable at byte {offset}: {problem}")]
pub(crate) struct BinaryXmlError {
    pub(crate) offset: usize,
    pub(crate) problem: Problem,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Problem {
    #[error("it ends too early")]
    Truncated,
    #[error("it goes on after its end")]
    Trailing,
    #[error("there is no record of type {0:#04x}")]
    Reserved(u8),
    #[error("a record of type {0:#04x} cannot stand here")]
    Misplaced(u8),
    #[error("a number is longer than 31 bits")]
    Number,
    #[error("the shared string {0} does not exist")]
    UnknownString(u32),
    #[error("a text is not valid UTF-8 or UTF-16")]
    Encoding,
    #[error("a {0} has a value that it cannot have")]
    Value(&'static str),
    #[error("the prefix `{0}` is not declared")]
    UnboundPrefix(String),
    #[error("a name is empty")]
    EmptyName,
    #[error("elements are nested more than {MAX_DEPTH} deep")]
    TooDeep,
    #[error("it has more than {MAX_NODES} nodes")]
    TooManyNodes,
    #[error("more than {MAX_NAMESPACES} namespaces are in scope")]
    TooManyNamespaces,
}

/// The root element of a document.
pub(crate) fn decode(bytes: &[u8]) -> Result<Element, BinaryXmlError> {
    let mut reader = Reader { bytes, at: 0, nodes: 0 };
    let mut document = Document::default();
    let read = reader.document(&mut document);
    read.map_err(|problem| BinaryXmlError { offset: reader.at, problem })
}

/// The elements that are open, and the namespaces in scope.
#[derive(Default)]
struct Document {
    /// Each with the number of namespaces that were in scope before it.
    open: Vec<(Element, usize)>,
    scope: Vec<(Str, Arc<str>)>,
}

impl Document {
    fn resolve(&self, prefix: &str) -> Result<Arc<str>, Problem> {
        let found = self.scope.iter().rev().find(|(known, _)| known == prefix);
        match (found, prefix) {
            (Some((_, namespace)), _) => Ok(namespace.clone()),
            (None, "") => Ok("".into()),
            (None, "xml") => Ok(XML_NAMESPACE.into()),
            (None, other) => Err(Problem::UnboundPrefix(other.to_owned())),
        }
    }

    /// Puts a node into the innermost open element. Text at the top has no place.
    fn push(&mut self, node: Node, record: u8) -> Result<(), Problem> {
        match self.open.last_mut() {
            Some((parent, _)) => adopt(parent, node),
            None => return Err(Problem::Misplaced(record)),
        }
        Ok(())
    }

    /// Closes the innermost open element; gives it back when it was the root.
    fn close(&mut self) -> Result<Option<Element>, Problem> {
        let (element, scope) = self.open.pop().ok_or(Problem::Misplaced(0x01))?;
        self.scope.truncate(scope);
        match self.open.last_mut() {
            Some((parent, _)) => adopt(parent, Node::Element(element)),
            None => return Ok(Some(element)),
        }
        Ok(None)
    }
}

/// Most elements have one child, a text: room for the usual four would be most of a document's memory.
fn adopt(parent: &mut Element, child: Node) {
    if parent.children.is_empty() {
        parent.children.reserve_exact(1);
    }
    parent.children.push(child);
}

pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    nodes: usize,
}

impl<'a> Reader<'a> {
    fn document(&mut self, document: &mut Document) -> Result<Element, Problem> {
        loop {
            let record = self.byte()?;
            let closed = match record {
                0x01 => document.close()?,
                0x02 => {
                    self.node(1)?;
                    self.string()?;
                    None
                }
                0x03 => {
                    self.array(document)?;
                    None
                }
                0x40..=0x77 => {
                    let opened = self.element(record, document)?;
                    document.open.push(opened);
                    None
                }
                // A list ends no element: these two would be its beginning and end with one.
                0xA5 | 0xA7 => return Err(Problem::Reserved(record)),
                0x80..=0xBD => {
                    self.node(1)?;
                    let text = self.text(record & !1)?;
                    if !text.is_empty() {
                        document.push(Node::Text(Text::Plain(text)), record)?;
                    } else if document.open.is_empty() {
                        return Err(Problem::Misplaced(record));
                    }
                    if record % 2 == 1 { document.close()? } else { None }
                }
                0x04..=0x3F => return Err(Problem::Misplaced(record)),
                other => return Err(Problem::Reserved(other)),
            };
            if let Some(root) = closed {
                return if self.at == self.bytes.len() { Ok(root) } else { Err(Problem::Trailing) };
            }
        }
    }

    /// An element's name, attributes and declarations; its namespaces are in scope from here on.
    fn element(&mut self, record: u8, document: &mut Document) -> Result<(Element, usize), Problem> {
        if document.open.len() >= MAX_DEPTH {
            return Err(Problem::TooDeep);
        }
        self.node(1)?;
        let (prefix, local) = match record {
            0x40 => (Str::Borrowed(""), self.string()?.into()),
            0x41 => (self.string()?.into(), self.string()?.into()),
            0x42 => (Str::Borrowed(""), self.shared()?),
            0x43 => (self.string()?.into(), self.shared()?),
            0x44..=0x5D => (letter(record - 0x44), self.shared()?),
            _ => (letter(record - 0x5E), self.string()?.into()),
        };
        let scope = document.scope.len();
        let mut attributes = Vec::new();
        let mut declarations = Vec::new();
        while let Some(record @ 0x04..=0x3F) = self.bytes.get(self.at).copied() {
            self.at += 1;
            self.node(1)?;
            match record {
                0x08..=0x0B => {
                    let declaration = self.declaration(record)?;
                    if document.scope.len() >= MAX_NAMESPACES {
                        return Err(Problem::TooManyNamespaces);
                    }
                    document.scope.push((declaration.prefix.clone(), declaration.namespace.clone()));
                    declarations.push(declaration);
                }
                _ => attributes.push(self.attribute(record)?),
            }
        }
        // Declarations may stand behind what uses them.
        let attributes = attributes.into_iter().map(|(prefix, local, value): (Str, Str, Str)| {
            let namespace = if prefix.is_empty() { "".into() } else { document.resolve(&prefix)? };
            Ok(Attribute { name: named(prefix, local, namespace)?, value })
        });
        let attributes = attributes.collect::<Result<Vec<Attribute>, Problem>>()?;
        let namespace = document.resolve(&prefix)?;
        let name = named(prefix, local, namespace)?;
        Ok((Element { name, declarations, attributes, children: Vec::new() }, scope))
    }

    fn declaration(&mut self, record: u8) -> Result<Declaration, Problem> {
        let prefix = if record % 2 == 1 { self.string()?.into() } else { Str::Borrowed("") };
        let namespace = if record < 0x0A { self.string()?.into() } else { self.shared()? };
        Ok(Declaration { prefix, namespace: namespace.into() })
    }

    /// Prefix, local name and value.
    fn attribute(&mut self, record: u8) -> Result<(Str, Str, Str), Problem> {
        let (prefix, local) = match record {
            0x04 => (Str::Borrowed(""), self.string()?.into()),
            0x05 => (self.string()?.into(), self.string()?.into()),
            0x06 => (Str::Borrowed(""), self.shared()?),
            0x07 => (self.string()?.into(), self.shared()?),
            0x0C..=0x25 => (letter(record - 0x0C), self.shared()?),
            _ => (letter(record - 0x26), self.string()?.into()),
        };
        let kind = self.byte()?;
        match kind {
            // A text that ends an element has no place in an attribute (2.2.3.31).
            0x80..=0xBD if kind % 2 == 0 => Ok((prefix, local, self.text(kind)?)),
            _ => Err(Problem::Misplaced(kind)),
        }
    }

    /// One element for each value of a row of numbers (2.3.3).
    fn array(&mut self, document: &mut Document) -> Result<(), Problem> {
        if document.open.is_empty() {
            return Err(Problem::Misplaced(0x03));
        }
        let record = self.byte()?;
        if !(0x40..=0x77).contains(&record) {
            return Err(Problem::Misplaced(record));
        }
        let (element, scope) = self.element(record, document)?;
        document.scope.truncate(scope);
        let end = self.byte()?;
        if end != 0x01 {
            return Err(Problem::Misplaced(end));
        }
        let kind = self.byte()?;
        let size = match kind {
            0xB5 => 1,
            0x8B => 2,
            0x8D | 0x91 => 4,
            0x8F | 0x93 | 0x97 | 0xAF => 8,
            0x95 | 0xB1 => 16,
            other => return Err(Problem::Misplaced(other)),
        };
        let count = self.number()? as usize;
        if count == 0 {
            return Err(Problem::Value("row of elements"));
        }
        if self.bytes.len() - self.at < count.saturating_mul(size) {
            return Err(Problem::Truncated);
        }
        self.node(count.saturating_mul(cost_of(&element)))?;
        for _ in 0..count {
            let mut copy = element.clone();
            adopt(&mut copy, Node::Text(Text::Plain(self.text(kind & !1)?)));
            document.push(Node::Element(copy), 0x03)?;
        }
        Ok(())
    }

    /// The characters of a text record, in their canonical form. `record` is even.
    fn text(&mut self, record: u8) -> Result<Str, Problem> {
        if record != 0xA4 {
            return text::read(self, record);
        }
        let mut joined = String::new();
        let mut first = true;
        loop {
            match self.byte()? {
                0xA6 => return Ok(joined.into()),
                item @ 0x80..=0xBD if item % 2 == 0 && item != 0xA4 => {
                    self.node(1)?;
                    if !first {
                        joined.push(' ');
                    }
                    first = false;
                    joined.push_str(&text::read(self, item)?);
                }
                other => return Err(Problem::Misplaced(other)),
            }
        }
    }

    fn node(&mut self, count: usize) -> Result<(), Problem> {
        self.nodes = self.nodes.saturating_add(count);
        if self.nodes > MAX_NODES { Err(Problem::TooManyNodes) } else { Ok(()) }
    }

    pub(super) fn byte(&mut self) -> Result<u8, Problem> {
        let byte = *self.bytes.get(self.at).ok_or(Problem::Truncated)?;
        self.at += 1;
        Ok(byte)
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], Problem> {
        let end = self.at.checked_add(length).ok_or(Problem::Truncated)?;
        let taken = self.bytes.get(self.at..end).ok_or(Problem::Truncated)?;
        self.at = end;
        Ok(taken)
    }

    pub(super) fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Problem> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.take(N)?);
        Ok(bytes)
    }

    /// A MultiByteInt31 (2.1.2): seven bits a byte, the lowest first.
    fn number(&mut self) -> Result<u32, Problem> {
        let mut number = 0u64;
        for position in 0..5 {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7F) << (7 * position);
            if byte & 0x80 == 0 {
                return u32::try_from(number).ok().filter(|number| *number <= i32::MAX as u32).ok_or(Problem::Number);
            }
        }
        Err(Problem::Number)
    }

    fn string(&mut self) -> Result<String, Problem> {
        let length = self.number()? as usize;
        text::utf8(self.take(length)?)
    }

    pub(super) fn shared(&mut self) -> Result<Str, Problem> {
        let number = self.number()?;
        dictionary::string(number).map(Str::Borrowed).ok_or(Problem::UnknownString(number))
    }
}

fn named(prefix: Str, local: Str, namespace: Arc<str>) -> Result<Name, Problem> {
    if local.is_empty() { Err(Problem::EmptyName) } else { Ok(Name { prefix, local, namespace }) }
}

/// Prefixes of one letter are part of the record type.
pub(super) fn letter(number: u8) -> Str {
    const LETTERS: &str = "abcdefghijklmnopqrstuvwxyz";
    let number = usize::from(number);
    Str::Borrowed(LETTERS.get(number..number + 1).unwrap_or_default())
}

/// What one copy of an element counts as.
fn cost_of(element: &Element) -> usize {
    let owned = |text: &Str| if matches!(text, Str::Owned(_)) { text.len() } else { 0 };
    let attributes = element.attributes.iter();
    let bytes: usize = owned(&element.name.prefix)
        + owned(&element.name.local)
        + element.declarations.iter().map(|declaration| owned(&declaration.prefix)).sum::<usize>()
        + attributes.map(|a| owned(&a.name.prefix) + owned(&a.name.local) + owned(&a.value)).sum::<usize>();
    2 + element.attributes.len() + element.declarations.len() + bytes / BYTES_PER_NODE
}
