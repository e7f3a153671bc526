//! XML as a tree: elements with resolved names, attributes and text. No comments, no processing instructions: the binary
//! format has none of the latter, and nobody reads the former.

use connector_contract::Secret;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// A name or a short text; static where the dictionary or the code holds it.
pub(crate) type Str = Cow<'static, str>;

/// A qualified name and what its prefix stood for. An attribute without prefix is in no namespace (empty).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) prefix: Str,
    pub(crate) local: Str,
    pub(crate) namespace: Arc<str>,
}

/// `xmlns:prefix="namespace"`; an empty prefix declares the default namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Declaration {
    pub(crate) prefix: Str,
    pub(crate) namespace: Arc<str>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attribute {
    pub(crate) name: Name,
    pub(crate) value: Str,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Element {
    pub(crate) name: Name,
    pub(crate) declarations: Vec<Declaration>,
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) children: Vec<Node>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Node {
    Element(Element),
    Text(Text),
}

/// Text content. A secret is shared, not copied, until it is written.
#[derive(Clone)]
pub(crate) enum Text {
    Plain(Str),
    Secret(Arc<Secret>),
}

impl Text {
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Text::Plain(text) => text,
            Text::Secret(secret) => secret.expose(),
        }
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Text) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Text {}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Text::Plain(text) => write!(f, "{text:?}"),
            Text::Secret(secret) => write!(f, "{secret:?}"),
        }
    }
}

impl Element {
    pub(crate) fn new(name: Name) -> Element {
        Element { name, declarations: Vec::new(), attributes: Vec::new(), children: Vec::new() }
    }

    pub(crate) fn declaring(mut self, prefix: &'static str, namespace: &Arc<str>) -> Element {
        self.declarations.push(Declaration { prefix: prefix.into(), namespace: namespace.clone() });
        self
    }

    pub(crate) fn attribute(mut self, name: Name, value: impl Into<Str>) -> Element {
        self.attributes.push(Attribute { name, value: value.into() });
        self
    }

    pub(crate) fn child(mut self, child: Element) -> Element {
        self.children.push(Node::Element(child));
        self
    }

    pub(crate) fn children(mut self, children: impl IntoIterator<Item = Element>) -> Element {
        self.children.extend(children.into_iter().map(Node::Element));
        self
    }

    /// An empty text is no content at all.
    pub(crate) fn text(mut self, text: impl Into<Str>) -> Element {
        let text = text.into();
        if !text.is_empty() {
            self.children.push(Node::Text(Text::Plain(text)));
        }
        self
    }

    pub(crate) fn secret(mut self, secret: Arc<Secret>) -> Element {
        self.children.push(Node::Text(Text::Secret(secret)));
        self
    }

    /// Whether this is that element of that namespace.
    pub(crate) fn is(&self, namespace: &str, local: &str) -> bool {
        self.name.local == local && *self.name.namespace == *namespace
    }

    pub(crate) fn elements(&self) -> impl Iterator<Item = &Element> {
        self.children.iter().filter_map(|child| match child {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        })
    }

    /// The first child of that local name, in whatever namespace.
    pub(crate) fn find(&self, local: &str) -> Option<&Element> {
        self.elements().find(|child| child.name.local == local)
    }

    /// The first element of that local name below this one, depth first.
    pub(crate) fn find_below(&self, local: &str) -> Option<&Element> {
        self.elements().find_map(|child| if child.name.local == local { Some(child) } else { child.find_below(local) })
    }

    /// All text directly in this element, joined.
    pub(crate) fn content(&self) -> Cow<'_, str> {
        let mut texts = self.children.iter().filter_map(|child| match child {
            Node::Text(text) => Some(text.as_str()),
            Node::Element(_) => None,
        });
        let first = texts.next().unwrap_or_default();
        match texts.next() {
            None => Cow::Borrowed(first),
            Some(second) => Cow::Owned([first, second].into_iter().chain(texts).collect()),
        }
    }

    /// The value of an attribute by local name, in whatever namespace.
    pub(crate) fn attribute_value(&self, local: &str) -> Option<&str> {
        self.attributes.iter().find(|attribute| attribute.name.local == local).map(|attribute| &*attribute.value)
    }

    /// `i:nil="true"`.
    pub(crate) fn is_nil(&self) -> bool {
        matches!(self.attribute_value("nil"), Some("true" | "1"))
    }
}
