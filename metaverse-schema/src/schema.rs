//! Schemas: which attributes and object classes a connected system has, and of what kind.

use crate::{AttributeName, ObjectType};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// The kind of an attribute's values (O9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ValueKind {
    Text,
    Integer,
    Boolean,
    Binary,
    Reference,
    /// A password or hash. Never in an import stream, a body, a plan, lineage or a preview: it is drawn or read by
    /// the connector while it is being sent.
    Secret,
}

impl fmt::Display for ValueKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ValueKind::Text => "text",
            ValueKind::Integer => "integer",
            ValueKind::Boolean => "boolean",
            ValueKind::Binary => "binary",
            ValueKind::Reference => "reference",
            ValueKind::Secret => "secret",
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Plurality {
    Single,
    Multi,
}

/// One attribute of a connected system or of the metaverse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttributeDefinition {
    pub name: AttributeName,
    pub kind: ValueKind,
    pub plurality: Plurality,
    /// Whether an export may write it.
    pub writable: bool,
}

/// An object class: its name, and whether an export may create objects of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectClass {
    pub name: ObjectType,
    pub creatable: bool,
    /// A container holds other objects in its DN and is not synchronised itself, unless an export created it.
    pub container: bool,
}

/// The schema that a connector offers to the engine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConnectorSchema {
    pub classes: BTreeMap<ObjectType, ObjectClass>,
    pub attributes: BTreeMap<AttributeName, AttributeDefinition>,
    /// Attributes that no export ever writes, each with the reason: back links, computed values, the name. Not kept with a
    /// stored schema: it is for telling an operator what is wrong with a rule.
    pub never_written: BTreeMap<AttributeName, String>,
}

impl ConnectorSchema {
    pub fn class(mut self, name: &str, creatable: bool) -> Self {
        let name = ObjectType::new(name);
        self.classes.insert(name.clone(), ObjectClass { name, creatable, container: false });
        self
    }

    pub fn container(mut self, name: &str) -> Self {
        let name = ObjectType::new(name);
        self.classes.insert(name.clone(), ObjectClass { name, creatable: false, container: true });
        self
    }

    /// A container that an export may create; such a one, once created, is an object like any other.
    pub fn creatable_container(mut self, name: &str) -> Self {
        let name = ObjectType::new(name);
        self.classes.insert(name.clone(), ObjectClass { name, creatable: true, container: true });
        self
    }

    pub fn attribute(mut self, name: &str, kind: ValueKind, plurality: Plurality, writable: bool) -> Self {
        let name = AttributeName::new(name);
        self.attributes.insert(name.clone(), AttributeDefinition { name, kind, plurality, writable });
        self
    }

    pub fn kind_of(&self, attribute: &str) -> Option<ValueKind> {
        self.attributes.get(attribute).map(|definition| definition.kind)
    }

    pub fn is_container(&self, class: &str) -> bool {
        self.classes.get(class).is_some_and(|class| class.container)
    }
}
