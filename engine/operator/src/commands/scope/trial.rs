//! Who comes and who goes: between the store and a copy of it on which a change was tried, or, before the first import, what a
//! directory has. Keeps anchors and names, stores nothing.

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

/// Before the first import: everybody comes.
pub(crate) async fn run(connector: &impl Connector, name: &str) -> Result<Trial, Failure> {
    let schema = connector.schema().await.map_err(Failure::from)?;
    let mut comes: Vec<Person> = read(connector, &schema).await?.into_values().collect();
    tracing::debug!(connector = name, objects = comes.len(), "read as it would be read");
    comes.sort();
    Ok(Trial { comes, ..Trial::default() })
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

/// Which objects of a connector count: those that are read, or those that are synchronised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counted {
    Read,
    Linked,
}

/// Who comes and goes between two states of the same space.
pub(crate) fn compare(before: &Store, after: &Store, connector: &str, counted: Counted) -> Result<Trial, Failure> {
    let mut trial = Trial::default();
    let mut seen = BTreeMap::new();
    each(after, connector, counted, |object| {
        seen.insert(object.anchor.clone().unwrap_or_default(), object);
        Ok(())
    })?;
    each(before, connector, counted, |object| {
        match seen.remove(object.anchor.as_deref().unwrap_or_default()) {
            Some(_) => trial.stays += 1,
            None => trial.goes.push(told(before, object)?),
        }
        Ok(())
    })?;
    for object in seen.into_values() {
        trial.comes.push(told(after, object)?);
    }
    trial.comes.sort();
    trial.goes.sort();
    Ok(trial)
}

fn each(
    store: &Store,
    connector: &str,
    counted: Counted,
    mut tell: impl FnMut(ObjectSummary) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut after = None;
    loop {
        let page = store.list_objects(connector, after, STORE_PAGE)?;
        let Some(last) = page.last().map(|object| object.id) else { return Ok(()) };
        after = Some(last);
        for object in page {
            // What is about to leave already does not leave because of this.
            let is_there = object.anchor.is_some() && object.pending_import != Some(PendingImport::Delete);
            if is_there && (counted == Counted::Read || object.link.is_some()) {
                tell(object)?;
            }
        }
    }
}

fn told(store: &Store, object: ObjectSummary) -> Result<Person, Failure> {
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
