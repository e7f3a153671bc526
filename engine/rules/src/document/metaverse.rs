//! Reads the metaverse's attributes, `[metaverse.person]`, and answers what kind they are.

use super::reader::{Report, as_table, read_text};
use crate::expression::{Kinds, Lookup};
use crate::model::{MetaverseAttribute, MetaverseSchema};
use crate::suggest::did_you_mean;
use metaverse_schema::{AttributeName, ObjectType, Plurality, Value, ValueKind};
use std::collections::BTreeMap;
use toml::de::DeTable;

const KINDS: [(&str, ValueKind); 5] = [
    ("text", ValueKind::Text),
    ("integer", ValueKind::Integer),
    ("boolean", ValueKind::Boolean),
    ("binary", ValueKind::Binary),
    ("reference", ValueKind::Reference),
];

/// Adds the declarations of one file.
pub(crate) fn read(report: &mut Report<'_>, root: &DeTable<'_>, schema: &mut MetaverseSchema) {
    let Some(value) = root.get("metaverse") else {
        return;
    };
    let Some(types) = as_table(report, "metaverse", value, "[metaverse]") else {
        return;
    };
    for (type_name, _, attributes) in types.entries() {
        let Some(attributes) = as_table(report, type_name, attributes, "this metaverse type") else {
            continue;
        };
        let known = schema.types.entry(ObjectType::new(type_name)).or_default();
        for (name, span, value) in attributes.entries() {
            let Some(text) = read_text(report, name, value) else {
                continue;
            };
            let Some(attribute) = read_attribute(&text.value) else {
                let message = format!("`{}` is not a kind of attribute", text.value);
                let help =
                    "write text, integer, boolean, binary or reference, with `multi` before it for several values";
                report.error("metaverse-kind-unknown", text.inner(), message, "unknown kind", help);
                continue;
            };
            let before = known.insert(AttributeName::new(name), attribute);
            if before.is_some_and(|before| before != attribute) {
                let message = format!("`{name}` of {type_name} is declared twice, with different kinds");
                let help = "declare it once; a metaverse attribute has one kind";
                report.error("metaverse-attribute-conflict", span, message, "the second declaration", help);
            }
        }
    }
}

fn read_attribute(text: &str) -> Option<MetaverseAttribute> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let (plurality, kind) = match words.as_slice() {
        ["multi", kind] => (Plurality::Multi, *kind),
        [kind] => (Plurality::Single, *kind),
        _ => return None,
    };
    let kind = KINDS.iter().find(|(name, _)| *name == kind).map(|(_, kind)| *kind)?;
    Some(MetaverseAttribute { kind, plurality })
}

/// How a declaration is written.
pub(crate) fn attribute_text(attribute: MetaverseAttribute) -> String {
    match attribute.plurality {
        Plurality::Single => attribute.kind.to_string(),
        Plurality::Multi => format!("multi {}", attribute.kind),
    }
}

/// `%name%` as far as the deployment is known.
#[derive(Clone, Copy)]
pub(crate) struct Parameters<'a>(pub(crate) Option<&'a BTreeMap<String, Value>>);

impl Parameters<'_> {
    pub(crate) fn lookup(self, name: &str) -> Lookup {
        let Some(known) = self.0 else {
            return Lookup::Unknown;
        };
        match known.get(name) {
            _ if name == "Connector.ID" => Lookup::Known(ValueKind::Text, Plurality::Single),
            Some(value) => Lookup::Known(value.kind(), Plurality::Single),
            None => Lookup::Missing { help: self.help(name) },
        }
    }

    pub(crate) fn help(self, name: &str) -> String {
        let known = self.0.into_iter().flatten().map(|(name, _)| name.as_str());
        let names: Vec<&str> = known.chain(["Connector.ID"]).collect();
        let hint = did_you_mean(name, names);
        format!("{hint}; parameters are set under [parameters] in metasync.toml")
    }
}

/// What is known of the metaverse's attributes of one type; of no particular type, those of any.
pub(crate) struct MetaverseKinds<'a> {
    pub(crate) schema: &'a MetaverseSchema,
    pub(crate) object_type: Option<&'a ObjectType>,
    pub(crate) parameters: Parameters<'a>,
}

impl MetaverseKinds<'_> {
    pub(crate) fn find(&self, name: &str) -> Option<MetaverseAttribute> {
        match self.object_type {
            Some(object_type) => self.schema.attribute(object_type.as_str(), name),
            None => self.schema.types.values().find_map(|attributes| attributes.get(name).copied()),
        }
    }

    /// The type is not declared: that is reported where it is named, and nothing else can be told.
    fn is_blind(&self) -> bool {
        self.object_type.is_some_and(|object_type| !self.schema.types.contains_key(object_type))
    }

    pub(crate) fn help(&self, name: &str) -> String {
        let names: Vec<&str> = match self.object_type.and_then(|object_type| self.schema.types.get(object_type)) {
            Some(attributes) => attributes.keys().map(AttributeName::as_str).collect(),
            None => self.schema.types.values().flatten().map(|(name, _)| name.as_str()).collect(),
        };
        let hint = did_you_mean(name, names);
        let object_type = self.object_type.map_or("person", ObjectType::as_str);
        format!("{hint}; or declare it under [metaverse.{object_type}]")
    }
}

impl Kinds for MetaverseKinds<'_> {
    fn attribute(&self, name: &str) -> Lookup {
        match self.find(name) {
            Some(attribute) => Lookup::Known(attribute.kind, attribute.plurality),
            None if self.is_blind() => Lookup::Unknown,
            None => Lookup::Missing { help: self.help(name) },
        }
    }

    fn parameter(&self, name: &str) -> Lookup {
        self.parameters.lookup(name)
    }
}

/// A connector's side while its schema is not at hand: only parameters are known.
pub(crate) struct BlindKinds<'a>(pub(crate) Parameters<'a>);

impl Kinds for BlindKinds<'_> {
    fn attribute(&self, _: &str) -> Lookup {
        Lookup::Unknown
    }

    fn parameter(&self, name: &str) -> Lookup {
        self.0.lookup(name)
    }
}
