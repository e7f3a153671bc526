//! Puts the table of additions over the contract. Only adds: what the contract says itself is never changed.

use serde_json::{Map, Value};

/// Query options and annotations that are allowed besides, by their entries' names.
#[derive(Debug)]
pub(crate) struct Additions(Value);

impl Additions {
    pub(crate) fn read(text: &str) -> Additions {
        Additions(serde_json::from_str(text).unwrap_or(Value::Null))
    }

    /// Adds paths and properties that are not there. Gives back what is there already, or has no source.
    pub(crate) fn put_over(&self, contract: &mut Value) -> Vec<String> {
        let mut mistakes = Vec::new();
        for (path, item) in self.0["paths"].as_object().into_iter().flatten() {
            if !has_source(item, "x-source") || !contract["paths"][path].is_null() {
                mistakes.push(format!("path {path}"));
            }
            contract["paths"][path] = item.clone();
        }
        for entry in self.entries("properties") {
            let (schema, name) = (text(entry, "schema"), text(entry, "name"));
            let Some(properties) = own_properties(&mut contract["components"]["schemas"][schema]) else {
                mistakes.push(format!("property {schema}.{name}"));
                continue;
            };
            if !has_source(entry, "source") || properties.contains_key(name) {
                mistakes.push(format!("property {schema}.{name}"));
            }
            properties.insert(name.to_owned(), entry["type"].clone());
        }
        for entry in self.entries("statuses") {
            let statuses =
                &mut contract["paths"][text(entry, "path")][text(entry, "method")]["x-contract-success-status"];
            match statuses.as_array_mut() {
                Some(known) if has_source(entry, "source") && !known.contains(&entry["status"]) => {
                    known.push(entry["status"].clone());
                }
                _ => mistakes.push(format!("status {}", entry["status"])),
            }
        }
        for kind in ["annotations", "queryOptions"] {
            let without = self.entries(kind).filter(|entry| !has_source(entry, "source"));
            mistakes.extend(without.map(|entry| format!("{kind} {}", text(entry, "name"))));
        }
        mistakes
    }

    pub(crate) fn allows_annotation(&self, name: &str) -> bool {
        self.entries("annotations").any(|entry| text(entry, "name") == name)
    }

    pub(crate) fn allows_option(&self, method: &str, path: &str, name: &str) -> bool {
        self.entries("queryOptions").any(|entry| {
            text(entry, "name") == name
                && text(entry, "method") == method
                && matches!(text(entry, "path"), wanted if wanted == "*" || wanted == path)
        })
    }

    fn entries(&self, kind: &str) -> impl Iterator<Item = &Value> {
        self.0[kind].as_array().into_iter().flatten()
    }
}

fn text<'a>(entry: &'a Value, name: &str) -> &'a str {
    entry[name].as_str().unwrap_or_default()
}

fn has_source(entry: &Value, name: &str) -> bool {
    !text(entry, name).is_empty()
}

/// The properties that a schema adds to those it inherits.
fn own_properties(schema: &mut Value) -> Option<&mut Map<String, Value>> {
    let own = if schema["allOf"].is_array() {
        schema["allOf"].as_array_mut()?.iter_mut().find(|part| part["properties"].is_object())?
    } else {
        schema
    };
    own.get_mut("properties")?.as_object_mut()
}
