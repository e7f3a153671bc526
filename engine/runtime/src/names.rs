//! Objects as an operator names and finds them. Reads the store; decides nothing.

use crate::engine::EngineError;
use crate::reading::Reading;
use metaverse_schema::{Attributes, Value};
use serde::Serialize;
use sync_kernel::{CsId, CsObject, MvId, MvObject, Subject};
use sync_rules::ConnectorName;
use sync_store::{Store, StoreError};

/// Attributes that people know an object by, best first.
const LABELS: [&str; 8] =
    ["displayName", "userPrincipalName", "mail", "cn", "name", "sAMAccountName", "accountName", "uid"];

/// Hits that an ambiguous name lists.
const LISTED: usize = 10;

/// Where an object is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Space {
    Metaverse,
    Connector(ConnectorName),
}

#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct ObjectName {
    /// None: a metaverse object.
    pub connector: Option<String>,
    /// The number `cs:N` or `mv:N` of messages.
    pub id: i64,
    pub object_type: String,
    pub anchor: Option<String>,
    pub dn: Option<String>,
    /// What people call it.
    pub name: String,
}

impl ObjectName {
    /// On one line.
    pub fn text(&self) -> String {
        match (&self.connector, &self.dn) {
            (Some(connector), Some(dn)) => format!("{connector}: {dn}"),
            (Some(connector), None) => format!("{connector}: {} {}", self.object_type, self.name),
            (None, _) => format!("metaverse: {} {}", self.object_type, self.name),
        }
    }
}

pub(crate) fn connector_object(object: &CsObject) -> ObjectName {
    let label = object.imported().and_then(label);
    // One that was not exported yet is known by what it is to hold.
    let label = label.or_else(|| match object.pending.as_ref().map(|pending| &pending.operation) {
        Some(sync_kernel::PendingOperation::Add { attributes }) => self::label(attributes),
        _ => None,
    });
    let rdn = || object.dn.as_ref().and_then(|dn| dn.rdn()).map(|rdn| rdn.value().to_owned());
    let anchor = object.anchor.as_ref().map(ToString::to_string);
    ObjectName {
        connector: Some(object.connector.to_string()),
        id: object.id.0,
        object_type: object.object_type.to_string(),
        name: label.or_else(rdn).or_else(|| anchor.clone()).unwrap_or_else(|| object.id.to_string()),
        dn: object.dn.as_ref().map(ToString::to_string),
        anchor,
    }
}

pub(crate) fn metaverse_object(object: &MvObject) -> ObjectName {
    let label = LABELS.iter().find_map(|name| {
        let values = &object.attributes.get(*name)?.values;
        values.first().and_then(Value::as_text).map(str::to_owned)
    });
    ObjectName {
        connector: None,
        id: object.id.0,
        object_type: object.object_type.to_string(),
        anchor: None,
        dn: None,
        name: label.unwrap_or_else(|| object.id.to_string()),
    }
}

fn label(image: &Attributes) -> Option<String> {
    LABELS.iter().find_map(|name| image.text(name)).map(str::to_owned)
}

pub(crate) fn name_by_id(store: &Store, id: CsId) -> Result<ObjectName, StoreError> {
    Ok(store.object(id)?.as_ref().map_or_else(
        || ObjectName {
            connector: None,
            id: id.0,
            object_type: String::new(),
            anchor: None,
            dn: None,
            name: id.to_string(),
        },
        connector_object,
    ))
}

pub(crate) fn name_by_mv(store: &Store, id: MvId) -> Result<ObjectName, StoreError> {
    Ok(store.metaverse(id)?.as_ref().map_or_else(
        || ObjectName {
            connector: None,
            id: id.0,
            object_type: String::new(),
            anchor: None,
            dn: None,
            name: id.to_string(),
        },
        metaverse_object,
    ))
}

impl Reading<'_> {
    /// The one object that a text names: a DN, an anchor, `cs:N` or `mv:N`, else a name that fits exactly one.
    pub fn find(&self, space: &Space, text: &str) -> Result<Subject, EngineError> {
        let subjects: Vec<Subject> = match (numbered(text), space) {
            (Some(subject), _) => self.existing(subject)?.into_iter().collect(),
            (None, Space::Metaverse) => self.store.find_metaverse(text)?.into_iter().map(Subject::Metaverse).collect(),
            (None, Space::Connector(connector)) => {
                self.store.find_object(connector, text)?.into_iter().map(Subject::Connector).collect()
            }
        };
        match subjects.as_slice() {
            [] => Err(EngineError::NotFound { what: text.to_owned() }),
            [one] => Ok(*one),
            several => Err(EngineError::Ambiguous {
                what: text.to_owned(),
                found: several
                    .iter()
                    .take(LISTED)
                    .map(|subject| Ok(format!("{} ({})", self.name(*subject)?.text(), id_text(*subject))))
                    .collect::<Result<_, StoreError>>()?,
            }),
        }
    }

    /// The one object that a text names in any space: the metaverse first, because that is where a person is one.
    pub fn find_anywhere(&self, text: &str) -> Result<Subject, EngineError> {
        match self.find(&Space::Metaverse, text) {
            Err(EngineError::NotFound { .. }) => {}
            other => return other,
        }
        for connector in self.store.connectors() {
            match self.find(&Space::Connector(connector), text) {
                Err(EngineError::NotFound { .. }) => {}
                other => return other,
            }
        }
        Err(EngineError::NotFound { what: text.to_owned() })
    }

    pub fn name(&self, subject: Subject) -> Result<ObjectName, StoreError> {
        match subject {
            Subject::Connector(id) => name_by_id(self.store, id),
            Subject::Metaverse(id) => name_by_mv(self.store, id),
        }
    }

    fn existing(&self, subject: Subject) -> Result<Option<Subject>, StoreError> {
        let is_there = match subject {
            Subject::Connector(id) => self.store.object(id)?.is_some(),
            Subject::Metaverse(id) => self.store.metaverse(id)?.is_some(),
        };
        Ok(is_there.then_some(subject))
    }
}

fn numbered(text: &str) -> Option<Subject> {
    let (space, number) = text.split_once(':')?;
    let number = number.parse().ok()?;
    match space {
        "cs" => Some(Subject::Connector(CsId(number))),
        "mv" => Some(Subject::Metaverse(MvId(number))),
        _ => None,
    }
}

pub(crate) fn id_text(subject: Subject) -> String {
    match subject {
        Subject::Connector(id) => id.to_string(),
        Subject::Metaverse(id) => id.to_string(),
    }
}
