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

/// Something that no export does with objects of a class, although a rule may ask for it: the mode of a connector, or its
/// system, has no way to do it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportLimit {
    pub class: ObjectType,
    pub what: LimitedExport,
    /// The code under which an export would be refused, such as `limitation-read-only`.
    pub code: &'static str,
    /// The whole sentence, with the mode in it.
    pub message: String,
    pub remedy: String,
}

/// What an export cannot do with an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LimitedExport {
    /// Anything: the object is neither made nor changed nor deleted.
    Anything,
    /// Write this attribute, which objects of the class have.
    Write(AttributeName),
    /// Write this attribute, because objects of the class have no such attribute.
    Lacks(AttributeName),
    /// Add single values to a list: the system takes lists as a whole.
    Merge,
    /// Let go of an object that stays.
    Detach,
}

/// The schema that a connector offers to the engine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConnectorSchema {
    pub classes: BTreeMap<ObjectType, ObjectClass>,
    pub attributes: BTreeMap<AttributeName, AttributeDefinition>,
    /// Attributes that no export ever writes, each with the reason: back links, computed values, the name. Not kept with a
    /// stored schema: it is for telling an operator what is wrong with a rule.
    pub never_written: BTreeMap<AttributeName, String>,
    /// What exports cannot do with objects of a class. Not kept with a stored schema, for the same reason.
    pub limits: Vec<ExportLimit>,
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

    /// The limit for objects of a class.
    pub fn limit(&self, class: &str, what: &LimitedExport) -> Option<&ExportLimit> {
        self.limits.iter().find(|limit| limit.class == class && limit.what == *what)
    }

    pub fn kind_of(&self, attribute: &str) -> Option<ValueKind> {
        self.attributes.get(attribute).map(|definition| definition.kind)
    }

    pub fn is_container(&self, class: &str) -> bool {
        self.classes.get(class).is_some_and(|class| class.container)
    }
}
