//! The namespaces of the service's messages, each with the prefix that goes over the wire with it (B.2). Third-party readers
//! look elements up by prefixed name, so prefixes are part of the contract.

use super::binary::{Element, Name, Str};
use std::sync::{Arc, LazyLock};

/// A namespace and its prefix; an empty one makes it the default namespace.
pub(super) struct Namespace {
    prefix: &'static str,
    uri: LazyLock<Arc<str>>,
}

pub(super) static SOAP: Namespace = namespace("s", || "http://www.w3.org/2003/05/soap-envelope".into());
pub(super) static ADDRESSING: Namespace = namespace("a", || "http://www.w3.org/2005/08/addressing".into());
pub(super) static INSTANCE: Namespace = namespace("i", || "http://www.w3.org/2001/XMLSchema-instance".into());
pub(super) static SCHEMA: Namespace = namespace("d", || "http://www.w3.org/2001/XMLSchema".into());
/// Operations and the parts of the header's token.
pub(super) static SERVICE: Namespace =
    namespace("", || "http://schemas.microsoft.com/online/aws/change/2010/01".into());
/// Synchronised objects.
pub(super) static SYNC: Namespace = namespace("b", || "http://schemas.microsoft.com/online/aws/change/2014/06".into());
/// Password hashes.
pub(super) static CREDENTIALS: Namespace =
    namespace("b", || "http://schemas.datacontract.org/2004/07/Microsoft.Online.Coexistence.Schema".into());
pub(super) static ARRAYS: Namespace =
    namespace("c", || "http://schemas.microsoft.com/2003/10/Serialization/Arrays".into());
/// The header's token, and the role it names.
pub(super) static TOKEN: Namespace = namespace("", || TOKEN_ROLE.into());

pub(super) const TOKEN_ROLE: &str = "urn:microsoft.online.administrativeservice";

const fn namespace(prefix: &'static str, uri: fn() -> Arc<str>) -> Namespace {
    Namespace { prefix, uri: LazyLock::new(uri) }
}

impl Namespace {
    pub(super) fn uri(&self) -> &str {
        &self.uri
    }

    pub(super) fn name(&self, local: impl Into<Str>) -> Name {
        Name { prefix: self.prefix.into(), local: local.into(), namespace: self.uri.clone() }
    }

    pub(super) fn element(&self, local: impl Into<Str>) -> Element {
        Element::new(self.name(local))
    }

    /// The same element, declaring this namespace.
    pub(super) fn declared_on(&self, element: Element) -> Element {
        element.declaring(self.prefix, &self.uri)
    }
}
