//! What if an object had other values: the values are imported into a private copy of the store, as its connector would
//! tell them, and the copy is decided on. The deployment never sees them.

use crate::engine::EngineError;
use crate::names::{Space, connector_object};
use crate::reading::{Reading, scratch_with_rules};
use metaverse_schema::{AttributeName, AttributesDelta, Dn, Plurality, Reference, Value, ValueKind, Values};
use std::collections::BTreeMap;
use sync_kernel::{CsId, Subject};
use sync_rules::{Deployment, RuleSet, binary_from_text};
use sync_store::{ImportMode, StagedChange, StagedItem, Store};

/// A copy of the deployment's store under `rules`, in which `object` was imported with these attributes set. Each is
/// `ATTRIBUTE=VALUE`; the same attribute several times has several values, `ATTRIBUTE=` has none. Typed by the connector's
/// schema: true or false, whole numbers, base64 or GUID or SID for bytes, a name or DN for references.
pub fn scratch_with_values(
    deployment: &Deployment,
    rules: &RuleSet,
    now: i64,
    object: CsId,
    assignments: &[String],
) -> Result<Store, EngineError> {
    let mut store = scratch_with_rules(deployment, rules, now)?;
    let Some(present) = store.object(object)? else {
        return Err(EngineError::NotFound { what: object.to_string() });
    };
    let Some(anchor) = present.anchor.clone() else {
        let name = connector_object(&present).text();
        return Err(refused(name, "it was not exported yet, so no import could tell other values of it"));
    };
    let schema = store.schema(&present.connector)?.unwrap_or_default();
    let mut wanted: BTreeMap<AttributeName, Vec<Value>> = BTreeMap::new();
    for assignment in assignments {
        let Some((name, text)) = assignment.split_once('=') else {
            return Err(refused(assignment, "write ATTRIBUTE=VALUE; ATTRIBUTE= for no value"));
        };
        let Some(definition) = schema.attributes.get(name) else {
            return Err(refused(assignment, format!("`{}` has no attribute `{name}`", present.connector)));
        };
        let values = wanted.entry(definition.name.clone()).or_default();
        if !text.is_empty() {
            let reading = Reading::new(&store, rules, now);
            let value = typed(&reading, &present.connector, definition.kind, text);
            values.push(value.map_err(|message| refused(assignment, format!("{name}: {message}")))?);
        }
        if definition.plurality == Plurality::Single && values.len() > 1 {
            return Err(refused(assignment, format!("`{name}` holds one value")));
        }
    }
    let mut changes = AttributesDelta::default();
    for (name, values) in wanted {
        changes.set(name, values.into_iter().collect::<Values>());
    }
    let change =
        StagedChange { anchor, object_type: present.object_type.clone(), place: None, changes, whole_if_new: false };
    let mut session = store.begin_import(&present.connector, ImportMode::Delta, &schema, None)?;
    let page = store.stage_page(&mut session, vec![StagedItem::Change(change)], now)?;
    if let Some(issue) = page.issues.first() {
        return Err(refused(assignments.join(" "), format!("{}: {}", issue.code, issue.message)));
    }
    Ok(store)
}

fn refused(what: impl Into<String>, why: impl Into<String>) -> EngineError {
    EngineError::Hypothesis { what: what.into(), why: why.into() }
}

fn typed(reading: &Reading<'_>, connector: &str, kind: ValueKind, text: &str) -> Result<Value, String> {
    match kind {
        ValueKind::Text => Ok(Value::text(text)),
        ValueKind::Integer => {
            text.parse().map(Value::Integer).map_err(|_| format!("`{text}` is no whole number of 64 bits"))
        }
        ValueKind::Boolean if text.eq_ignore_ascii_case("true") => Ok(Value::Boolean(true)),
        ValueKind::Boolean if text.eq_ignore_ascii_case("false") => Ok(Value::Boolean(false)),
        ValueKind::Boolean => Err(format!("`{text}` is neither true nor false")),
        ValueKind::Binary => binary_from_text(text)
            .map(Value::Binary)
            .ok_or_else(|| format!("`{text}` is no GUID, no SID and no base64")),
        ValueKind::Reference => reference(reading, connector, text).map(Value::Reference),
        ValueKind::Secret => Err("a secret is never imported".to_owned()),
    }
}

/// An object of the same connector, by any name; a DN may also be of something that is not there.
fn reference(reading: &Reading<'_>, connector: &str, text: &str) -> Result<Reference, String> {
    match reading.find(&Space::Connector(connector.into()), text) {
        Ok(Subject::Connector(id)) => {
            let object = reading.store.object(id).map_err(|error| error.to_string())?;
            let anchor = object.and_then(|object| object.anchor);
            anchor.map(Reference::Anchor).ok_or_else(|| format!("`{text}` was not exported yet"))
        }
        Ok(Subject::Metaverse(_)) => {
            Err(format!("`{text}` is a metaverse object, and a reference stays in its connector"))
        }
        Err(EngineError::NotFound { .. }) => {
            text.parse::<Dn>().map(Reference::Dn).map_err(|_| format!("`{connector}` has no object `{text}`"))
        }
        Err(error) => Err(error.to_string()),
    }
}
