//! Namespaces and prefixes of the messages (B.2). A client looks names up with their prefix, so these are part of the wire.

use crate::binary_xml::Element;

pub(super) const SOAP: &str = "http://www.w3.org/2003/05/soap-envelope";
pub(super) const ADDRESSING: &str = "http://www.w3.org/2005/08/addressing";
/// Operations and most of what they carry; the default namespace.
pub(super) const AWS: &str = "http://schemas.microsoft.com/online/aws/change/2010/01";
/// Objects and their results; prefix `b`.
pub(super) const SYNC: &str = "http://schemas.microsoft.com/online/aws/change/2014/06";
/// Password hashes and their results; prefix `b` too.
pub(super) const CREDENTIALS: &str = "http://schemas.datacontract.org/2004/07/Microsoft.Online.Coexistence.Schema";
/// Lists and key-value pairs; prefix `c`.
pub(super) const ARRAYS: &str = "http://schemas.microsoft.com/2003/10/Serialization/Arrays";
/// `i:type`, `i:nil`.
pub(super) const INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";
/// Types of values; prefix `d`.
pub(super) const SCHEMA: &str = "http://www.w3.org/2001/XMLSchema";
/// The header with the token.
pub(super) const TOKEN: &str = "urn:microsoft.online.administrativeservice";

/// What an action is made of, before the operation's name.
pub(super) const ACTION: &str = "http://schemas.microsoft.com/online/aws/change/2010/01/IProvisioningWebService/";

/// An element of the default namespace.
pub(super) fn aws(name: &str) -> Element {
    Element::new("", name, AWS)
}

/// An element `b:...` of that namespace.
pub(super) fn b(name: &str, namespace: &str) -> Element {
    Element::new("b", name, namespace)
}

/// The element with a text, or without a value.
pub(super) fn or_nil(element: Element, text: Option<impl Into<String>>) -> Element {
    match text {
        Some(text) => element.with_text(text),
        None => element.attribute("i", "nil", INSTANCE, "true"),
    }
}

pub(super) fn is_nil(element: &Element) -> bool {
    let nil = element.attributes.iter().find(|attribute| attribute.name == "nil" && &*attribute.namespace == INSTANCE);
    nil.is_some_and(|nil| matches!(nil.value.as_str(), "true" | "1"))
}

/// The text of a child; none where it is missing, nil or empty.
pub(super) fn text_of(parent: &Element, name: &str) -> Option<String> {
    let child = parent.child(name).filter(|child| !is_nil(child))?;
    Some(child.text()).filter(|text| !text.is_empty())
}

pub(super) fn flag_of(parent: &Element, name: &str) -> Option<bool> {
    match text_of(parent, name)?.to_ascii_lowercase().as_str() {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}
