//! Reads a directory as changed settings would read it and compares with what the store holds: who comes, who goes.
//! Keeps anchors and names, stores nothing.

use crate::failure::Failure;
use connector_contract::{Connector, FullImport, ImportItem, ImportSink, ImportedObject};
use metaverse_schema::ConnectorSchema;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use sync_kernel::MvId;
use sync_store::{ObjectSummary, PendingImport, Store};

/// Pages that the reader may be ahead.
const PAGES: usize = 4;
const STORE_PAGE: usize = 1_000;

#[derive(Debug, Default)]
pub(crate) struct Trial {
    pub(crate) comes: Vec<Person>,
    pub(crate) goes: Vec<Person>,
    pub(crate) stays: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Person {
    pub(crate) name: String,
    pub(crate) object_type: String,
    pub(crate) dn: String,
    /// Targets that hold an object for it.
    pub(crate) exported: Vec<String>,
}

impl Person {
    pub(crate) fn exported_to(&self) -> String {
        if self.exported.is_empty() { String::new() } else { format!("in {}", self.exported.join(", ")) }
    }

    pub(crate) fn json(&self) -> Value {
        json!({ "name": self.name, "object_type": self.object_type, "dn": self.dn, "exported_to": self.exported })
    }
}

pub(crate) async fn run(connector: &impl Connector, store: Option<&Store>, name: &str) -> Result<Trial, Failure> {
    let schema = connector.schema().await?;
    let seen = read(connector, &schema).await?;
    compare(seen, store, name)
}

/// Everything in the new scope, by anchor; containers are left out.
async fn read(connector: &impl Connector, schema: &ConnectorSchema) -> Result<BTreeMap<String, Person>, Failure> {
    let (sink, mut pages) = ImportSink::new(PAGES);
    let mut seen = BTreeMap::new();
    let collect = async {
        while let Some(page) = pages.recv().await {
            for item in page.items {
                if let ImportItem::Object(object) = item
                    && !is_container(schema, &object)
                {
                    seen.insert(object.anchor.to_string(), person(&object));
                }
            }
        }
    };
    // The sink goes with the import, so that collecting ends with it.
    let (end, ()) = tokio::join!(connector.import_full(FullImport::default(), sink), collect);
    end?;
    Ok(seen)
}

fn is_container(schema: &ConnectorSchema, object: &ImportedObject) -> bool {
    schema.classes.get(&object.object_type).is_some_and(|class| class.container)
}

fn person(object: &ImportedObject) -> Person {
    let label = ["displayName", "cn", "sAMAccountName"].iter().find_map(|name| object.attributes.text(name));
    Person {
        name: label.map_or_else(|| object.anchor.to_string(), str::to_owned),
        object_type: object.object_type.to_string(),
        dn: object.place.as_ref().map(|place| place.dn.to_string()).unwrap_or_default(),
        exported: Vec::new(),
    }
}

fn compare(mut seen: BTreeMap<String, Person>, store: Option<&Store>, connector: &str) -> Result<Trial, Failure> {
    let mut trial = Trial::default();
    let mut after = None;
    while let Some(store) = store {
        let page = store.list_objects(connector, after, STORE_PAGE)?;
        let Some(last) = page.last().map(|object| object.id) else { break };
        after = Some(last);
        for object in page {
            // What is about to leave already does not leave because of this.
            let anchor = object.anchor.as_deref().filter(|_| object.pending_import != Some(PendingImport::Delete));
            let Some(anchor) = anchor else { continue };
            match seen.remove(anchor) {
                Some(_) => trial.stays += 1,
                None => trial.goes.push(leaving(store, object)?),
            }
        }
    }
    trial.comes = seen.into_values().collect();
    trial.comes.sort();
    trial.goes.sort();
    Ok(trial)
}

fn leaving(store: &Store, object: ObjectSummary) -> Result<Person, Failure> {
    let exported = match object.link {
        Some(link) => exported(store, link, &object)?,
        None => Vec::new(),
    };
    Ok(Person {
        name: object.name,
        object_type: object.object_type.to_string(),
        dn: object.dn.unwrap_or_default(),
        exported,
    })
}

/// Other systems that hold an object of the same person.
fn exported(store: &Store, metaverse: MvId, source: &ObjectSummary) -> Result<Vec<String>, Failure> {
    let links = store.metaverse(metaverse)?.map(|object| object.links).unwrap_or_default();
    let mut targets = BTreeSet::new();
    for id in links {
        if let Some(other) = store.summary(id)?
            && other.connector != source.connector
            && other.anchor.is_some()
        {
            targets.insert(other.connector.to_string());
        }
    }
    Ok(targets.into_iter().collect())
}
