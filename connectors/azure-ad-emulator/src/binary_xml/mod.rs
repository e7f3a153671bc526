//! The binary XML of the provisioning web service (`application/soap+msbin1`): [MC-NBFX] records with the static strings
//! of [MC-NBFS], to and from a tree of elements. Knows no message and no namespace; bounded in depth, size and count
//! against what a hostile sender may write. Its own reading of the format: the connector has another.

mod decode;
mod dictionary;
mod encode;
mod text;

use std::sync::Arc;

pub use decode::{DecodeError, decode};
pub use encode::encode;

/// The namespace of `xml:lang`, whose prefix needs no declaration.
const XML: &str = "http://www.w3.org/XML/1998/namespace";

/// An element with everything inside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    /// Empty for the default namespace.
    pub prefix: String,
    pub name: String,
    pub namespace: Arc<str>,
    /// Prefixes declared on this element, the empty one for the default namespace, in order.
    pub declarations: Vec<(String, Arc<str>)>,
    pub attributes: Vec<Attribute>,
    /// Neighbouring texts are one.
    pub children: Vec<Node>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    pub prefix: String,
    pub name: String,
    /// Empty where there is no prefix.
    pub namespace: Arc<str>,
    pub value: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    Element(Element),
    Text(String),
}

impl Element {
    /// An empty element. [`encode`] declares its prefix where nobody around it did.
    pub fn new(prefix: &str, name: &str, namespace: &str) -> Element {
        Element {
            prefix: prefix.to_owned(),
            name: name.to_owned(),
            namespace: Arc::from(namespace),
            declarations: Vec::new(),
            attributes: Vec::new(),
            children: Vec::new(),
        }
    }

    /// Declares a prefix here, where its users stand further in or inside a value.
    #[must_use]
    pub fn declare(mut self, prefix: &str, namespace: &str) -> Element {
        self.declarations.push((prefix.to_owned(), Arc::from(namespace)));
        self
    }

    #[must_use]
    pub fn attribute(mut self, prefix: &str, name: &str, namespace: &str, value: impl Into<String>) -> Element {
        let (prefix, name) = (prefix.to_owned(), name.to_owned());
        self.attributes.push(Attribute { prefix, name, namespace: Arc::from(namespace), value: value.into() });
        self
    }

    #[must_use]
    pub fn with(mut self, child: Element) -> Element {
        self.children.push(Node::Element(child));
        self
    }

    #[must_use]
    pub fn with_all(mut self, children: impl IntoIterator<Item = Element>) -> Element {
        self.children.extend(children.into_iter().map(Node::Element));
        self
    }

    #[must_use]
    pub fn with_text(mut self, text: impl Into<String>) -> Element {
        self.push_text(text.into());
        self
    }

    fn push_text(&mut self, text: String) {
        if text.is_empty() {
            return;
        }
        match self.children.last_mut() {
            Some(Node::Text(held)) => held.push_str(&text),
            _ => self.children.push(Node::Text(text)),
        }
    }

    /// Child elements, in order.
    pub fn elements(&self) -> impl Iterator<Item = &Element> {
        self.children.iter().filter_map(|child| match child {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        })
    }

    /// The first child of that local name.
    pub fn child(&self, name: &str) -> Option<&Element> {
        self.elements().find(|child| child.name == name)
    }

    /// The text directly inside.
    pub fn text(&self) -> String {
        let texts = self.children.iter().filter_map(|child| match child {
            Node::Text(text) => Some(text.as_str()),
            Node::Element(_) => None,
        });
        texts.collect()
    }

    /// The value of the attribute of that local name.
    pub fn attribute_value(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|attribute| attribute.name == name).map(|attribute| attribute.value.as_str())
    }
}
