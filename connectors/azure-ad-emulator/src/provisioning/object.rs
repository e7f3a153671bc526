//! The objects that requests carry (B.5): type, operation and typed values, read strictly. Knows no directory.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::envelope::{Fault, in_order};
use super::names::{ARRAYS, AWS, SYNC, is_nil, text_of};
use crate::binary_xml::Element;
use crate::schema::Kind;

/// Which of the two generations of an operation was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    One,
    Two,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Set,
    Add,
    Delete,
}

impl Operation {
    pub(super) fn name(self) -> &'static str {
        match self {
            Operation::Set => "Set",
            Operation::Add => "Add",
            Operation::Delete => "Delete",
        }
    }
}

/// One change of a link, by the anchor of the other end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LinkChange {
    pub(super) anchor: String,
    pub(super) is_cloud_anchor: bool,
    pub(super) add: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SyncValue {
    /// Clears.
    Nil,
    Text(String),
    Texts(Vec<String>),
    Flag(bool),
    Long(i64),
    /// Base64.
    Binary(String),
    Binaries(Vec<String>),
    /// Changes of a list of links, of version 2 alone.
    Links(Vec<LinkChange>),
}

#[derive(Clone, Debug)]
pub(super) struct SyncObject {
    /// As sent: `User`, `Group`, `Contact`, `Device`.
    pub(super) kind_name: String,
    pub(super) operation: Operation,
    /// In the order sent; keys compare without case.
    pub(super) properties: Vec<(String, SyncValue)>,
}

impl SyncObject {
    pub(super) fn kind(&self) -> Option<Kind> {
        kind_of(&self.kind_name)
    }

    pub(super) fn value(&self, key: &str) -> Option<&SyncValue> {
        self.properties.iter().find(|(known, _)| known.eq_ignore_ascii_case(key)).map(|(_, value)| value)
    }

    /// A text that is there and not empty.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        match self.value(key)? {
            SyncValue::Text(text) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    pub(super) fn flag(&self, key: &str) -> Option<bool> {
        match self.value(key)? {
            SyncValue::Flag(flag) => Some(*flag),
            SyncValue::Text(text) if text.eq_ignore_ascii_case("true") => Some(true),
            SyncValue::Text(text) if text.eq_ignore_ascii_case("false") => Some(false),
            _ => None,
        }
    }

    /// The texts of a list; none where it was not sent.
    pub(super) fn texts(&self, key: &str) -> Option<Vec<&str>> {
        match self.value(key)? {
            SyncValue::Texts(texts) => Some(texts.iter().map(String::as_str).collect()),
            SyncValue::Text(text) => Some(vec![text]),
            SyncValue::Nil => Some(Vec::new()),
            _ => None,
        }
    }

    pub(super) fn source_anchor(&self) -> Option<&str> {
        self.text("SourceAnchor")
    }

    pub(super) fn cloud_anchor(&self) -> Option<&str> {
        self.text("CloudAnchor")
    }

    /// Members and other links that the object carries.
    pub(super) fn link_count(&self) -> usize {
        let counts = self.properties.iter().map(|(key, value)| match value {
            SyncValue::Links(changes) => changes.len(),
            SyncValue::Texts(texts) if key.eq_ignore_ascii_case("member") => texts.len(),
            _ => 0,
        });
        counts.sum()
    }

    /// For the request log.
    pub(super) fn logged(&self) -> Value {
        let properties = self.properties.iter().map(|(key, value)| (key.clone(), stored(value)));
        json!({
            "type": self.kind_name,
            "operation": self.operation.name(),
            "properties": properties.collect::<serde_json::Map<_, _>>(),
        })
    }
}

pub(super) fn kind_of(name: &str) -> Option<Kind> {
    match name {
        "User" => Some(Kind::User),
        "Group" => Some(Kind::Group),
        "Contact" => Some(Kind::Contact),
        _ => None,
    }
}

pub(super) fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::User => "User",
        Kind::Group => "Group",
        Kind::Contact => "Contact",
    }
}

/// A value as JSON, to store and to log.
pub(super) fn stored(value: &SyncValue) -> Value {
    match value {
        SyncValue::Nil => Value::Null,
        SyncValue::Text(text) => json!(text),
        SyncValue::Texts(texts) => json!(texts),
        SyncValue::Flag(flag) => json!(flag),
        SyncValue::Long(number) => json!(number),
        SyncValue::Binary(binary) => json!({ "base64": binary }),
        SyncValue::Binaries(binaries) => json!({ "base64": binaries }),
        SyncValue::Links(changes) => {
            let change = |change: &LinkChange| json!({ "anchor": change.anchor, "add": change.add });
            json!(changes.iter().map(change).collect::<Vec<_>>())
        }
    }
}

/// The objects of a `ProvisionAzureADSyncObjects` request.
pub(super) fn read_all(operation: &Element) -> Result<Vec<SyncObject>, Fault> {
    in_order(operation, AWS, &["syncRequest"])?;
    let Some(request) = operation.child("syncRequest") else {
        return Err(Fault::sender("The operation has no syncRequest."));
    };
    in_order(request, SYNC, &["SyncObjects"])?;
    let objects = request.child("SyncObjects").into_iter().flat_map(Element::elements);
    objects.map(read).collect()
}

fn read(element: &Element) -> Result<SyncObject, Fault> {
    if element.name != "AzureADSyncObject" {
        return Err(Fault::sender(format!("'{}' is not an AzureADSyncObject.", element.name)));
    }
    in_order(element, SYNC, &["PropertyValues", "SyncObjectType", "SyncOperation"])?;
    let operation = match text_of(element, "SyncOperation").as_deref() {
        Some("Set") => Operation::Set,
        Some("Add") => Operation::Add,
        Some("Delete") => Operation::Delete,
        other => return Err(Fault::sender(format!("There is no SyncOperation '{}'.", other.unwrap_or_default()))),
    };
    let kind_name = text_of(element, "SyncObjectType").unwrap_or_default();
    if !matches!(kind_name.as_str(), "User" | "Group" | "Contact" | "Device") {
        return Err(Fault::sender(format!("There is no SyncObjectType '{kind_name}'.")));
    }
    let pairs = element.child("PropertyValues").into_iter().flat_map(Element::elements);
    let properties = pairs.map(read_pair).collect::<Result<Vec<_>, Fault>>()?;
    for (place, (key, _)) in properties.iter().enumerate() {
        if properties[..place].iter().any(|(other, _)| other.eq_ignore_ascii_case(key)) {
            return Err(Fault::sender(format!("An item with the same key has already been added: '{key}'.")));
        }
    }
    Ok(SyncObject { kind_name, operation, properties })
}

fn read_pair(pair: &Element) -> Result<(String, SyncValue), Fault> {
    if pair.name != "KeyValueOfstringanyType" || &*pair.namespace != ARRAYS {
        return Err(Fault::sender(format!("'{}' is not a KeyValueOfstringanyType of '{ARRAYS}'.", pair.name)));
    }
    in_order(pair, ARRAYS, &["Key", "Value"])?;
    let key = text_of(pair, "Key").ok_or_else(|| Fault::sender("A property has no key."))?;
    let value = pair.child("Value").ok_or_else(|| Fault::sender(format!("The property '{key}' has no value.")))?;
    let value = read_value(value).map_err(|why| Fault::sender(format!("The value of '{key}' {why}.")))?;
    Ok((key, value))
}

fn read_value(element: &Element) -> Result<SyncValue, String> {
    if is_nil(element) {
        return Ok(SyncValue::Nil);
    }
    let text = element.text();
    let kind = element.attribute_value("type").ok_or("has no i:type")?;
    match kind.rsplit(':').next().unwrap_or(kind) {
        "string" => Ok(SyncValue::Text(text)),
        "boolean" => match text.trim() {
            "true" | "1" => Ok(SyncValue::Flag(true)),
            "false" | "0" => Ok(SyncValue::Flag(false)),
            other => Err(format!("is not a boolean: '{other}'")),
        },
        "long" | "int" => {
            text.trim().parse().map(SyncValue::Long).map_err(|_| format!("is not a whole number: '{text}'"))
        }
        "base64Binary" => binary(&text).map(SyncValue::Binary),
        "ArrayOfstring" => items(element, "string").map(SyncValue::Texts),
        "ArrayOfbase64Binary" => {
            let items = items(element, "base64Binary")?;
            Ok(SyncValue::Binaries(items.iter().map(|item| binary(item)).collect::<Result<_, _>>()?))
        }
        "SyncReferenceChangeCollection" => link_changes(element).map(SyncValue::Links),
        other => Err(format!("has the type '{other}', which is not known")),
    }
}

fn items(element: &Element, name: &str) -> Result<Vec<String>, String> {
    let read = |item: &Element| {
        if item.name == name && &*item.namespace == ARRAYS {
            Ok(item.text())
        } else {
            Err(format!("holds '{}', not '{name}' of '{ARRAYS}'", item.name))
        }
    };
    element.elements().map(read).collect()
}

fn binary(text: &str) -> Result<String, String> {
    let text: String = text.split_whitespace().collect();
    let bytes = STANDARD.decode(text).map_err(|error| format!("is not base64: {error}"))?;
    Ok(STANDARD.encode(bytes))
}

/// `referenceChanges/SyncReferenceChange{Reference{Anchor, referenceTypeInt}, operationInt}`.
fn link_changes(element: &Element) -> Result<Vec<LinkChange>, String> {
    let changes = element.child("referenceChanges").ok_or("has no referenceChanges")?;
    let read = |change: &Element| {
        let reference = change.child("Reference").ok_or("has a change without a Reference")?;
        let anchor = text_of(reference, "Anchor").ok_or("has a Reference without an Anchor")?;
        let is_cloud_anchor = match text_of(reference, "referenceTypeInt").as_deref() {
            Some("1") => true,
            Some("2") => false,
            _ => return Err("has a referenceTypeInt other than 1 and 2".to_owned()),
        };
        let add = match text_of(change, "operationInt").as_deref() {
            Some("1") => true,
            Some("2") => false,
            _ => return Err("has an operationInt other than 1 and 2".to_owned()),
        };
        Ok(LinkChange { anchor, is_cloud_anchor, add })
    };
    changes.elements().map(read).collect()
}
