//! What a store and a tenant hold, as lines that are the same for two runs that came to the same: numbers and the tenant's
//! own ids are replaced by the names of the people, times are left out.

use crate::tenant::Tenant;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use sync_kernel::{CsId, MvId};
use sync_store::{SpaceCounts, Store, StoreError};

/// The tenant's ids by the object's own key: immutable id, unique name, or sign-in name.
pub(crate) type Names = HashMap<String, String>;

/// Objects of one page of the space.
const PAGE: usize = 1_000;

pub(crate) fn names(snapshot: &Value) -> Names {
    let mut names = Names::new();
    for kind in ["users", "groups", "contacts", "deletedItems"] {
        for object in snapshot[kind].as_array().into_iter().flatten() {
            let text = |name: &str| object[name].as_str().filter(|text| !text.is_empty());
            let key = text("onPremisesImmutableId")
                .or(text("uniqueName"))
                .or(text("sourceAnchor"))
                .or(text("userPrincipalName"))
                .or(text("displayName"));
            let id = text("id").expect("every object has an id");
            names.insert(id.to_owned(), format!("<{}>", key.unwrap_or("nameless")));
        }
    }
    names
}

/// Every object of the tenant, one line each.
pub(crate) fn of_tenant(tenant: &Tenant) -> (Vec<String>, Names) {
    of_snapshot(&tenant.running.snapshot())
}

/// The same of a tenant as it was.
pub(crate) fn of_snapshot(snapshot: &Value) -> (Vec<String>, Names) {
    let names = names(snapshot);
    let mut lines = Vec::new();
    for kind in ["users", "groups", "contacts", "deletedItems"] {
        for object in snapshot[kind].as_array().into_iter().flatten() {
            let mut object = object.clone();
            // A sign-in name in the recycle bin begins with the object's id.
            let id = object["id"].as_str().unwrap_or_default().replace('-', "");
            if let Some(name) = object["userPrincipalName"].as_str().and_then(|name| name.strip_prefix(&id)) {
                object["userPrincipalName"] = format!("<id>{name}").into();
            }
            if let Some(fields) = object.as_object_mut() {
                // An empty list says no more than none: which of the two depends on whether an object was sent twice.
                fields.retain(|name, value| {
                    !name.ends_with("DateTime") && name != "securityIdentifier" && *value != Value::Array(Vec::new())
                });
                for list in ["members", "memberOf"] {
                    if let Some(Value::Array(values)) = fields.get_mut(list) {
                        let mut named: Vec<String> =
                            values.iter().map(|value| named(value.as_str().unwrap_or_default(), &names)).collect();
                        named.sort();
                        *values = named.into_iter().map(Value::String).collect();
                    }
                }
            }
            lines.push(format!("{kind} {}", named(&object.to_string(), &names)));
        }
    }
    lines.sort();
    (lines, names)
}

/// The text with every id of the tenant replaced by its object's key, and without times.
fn named(text: &str, names: &Names) -> String {
    const GUID: usize = 36;
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let candidate = bytes.get(at + 8) == Some(&b'-') && bytes.get(at + 13) == Some(&b'-');
        let found = if candidate {
            text.get(at..at + GUID).and_then(|id| names.get(id).or(names.get(&id.to_lowercase())))
        } else {
            None
        };
        let time =
            bytes.get(at + 4) == Some(&b'-') && bytes.get(at + 10) == Some(&b'T') && bytes.get(at + 13) == Some(&b':');
        if let Some(name) = found {
            out.push_str(name);
            at += GUID;
        } else if time && let Some(length) = text[at..].find('Z') {
            at += length + 1;
        } else {
            let next = text[at..].chars().next().expect("not at the end");
            out.push(next);
            at += next.len_utf8();
        }
    }
    out
}

/// Everything of a store that matters, one line for each object and each metaverse object.
pub(crate) fn of_store(path: &Path, names: &Names) -> Result<Vec<String>, StoreError> {
    let store = Store::open_read_only(path)?;
    let mut lines = Vec::new();
    let mut keys: BTreeMap<MvId, String> = BTreeMap::new();
    for connector in store.connectors() {
        let mut after: Option<CsId> = None;
        loop {
            let page = store.list_objects(&connector, after, PAGE)?;
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            for summary in page {
                let Some(object) = store.object(summary.id)? else { continue };
                let anchor = object.anchor.as_ref().map(ToString::to_string);
                let key = match (&object.link, &anchor) {
                    (Some(link), Some(anchor)) => keys.entry(link.mv).or_insert_with(|| anchor.clone()).clone(),
                    (Some(link), None) => keys.get(&link.mv).cloned().unwrap_or_default(),
                    (None, anchor) => anchor.clone().unwrap_or_else(|| "nobody".to_owned()),
                };
                let link = object.link.as_ref().map(|link| (&link.rule, link.ownership));
                // A created object that no import has returned yet: after a lost answer nothing counts as sent, so its memory
                // tells how it was found, not what it is.
                let memory = object.imported().map(|_| &object.memory);
                let line = format!(
                    "{connector} {key}: {} {:?} anchor {anchor:?} at {:?} link {link:?} image {:?} staged {:?} pending {:?} memory {:?} \
                     owned {:?} contributed {:?} references {:?} privilege {:?}",
                    object.object_type,
                    object.state,
                    object.dn,
                    object.synchronised,
                    object.staged,
                    object.pending,
                    memory,
                    object.owned,
                    object.contributed,
                    object.reference_counts,
                    object.privilege,
                );
                lines.push(named(&line, names));
            }
        }
        let requirements = store.requirements(&connector)?;
        // Placeholders that nothing needs go with the next full import, of which a killed run needs one more.
        let counts = SpaceCounts { placeholders: 0, ..store.counts(&connector)? };
        lines.push(format!(
            "{connector} {counts:?} held {:?} due {} requires {requirements:?} watermark {}",
            store.held_counts(&connector)?,
            store.dirty_count(&connector)?,
            store.watermark(&connector)?.is_some(),
        ));
    }
    let mut after: Option<MvId> = None;
    loop {
        let page = store.list_metaverse(after, PAGE)?;
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        for summary in page {
            let Some(object) = store.metaverse(summary.id)? else { continue };
            let key = keys.get(&object.id).map_or("nobody", String::as_str);
            let values: Vec<String> = object
                .attributes
                .iter()
                .map(|(name, value)| format!("{name}={:?} by {}", value.values, value.rule))
                .collect();
            let line =
                format!("metaverse {key}: {} {} links {}", object.object_type, values.join(" "), object.links.len());
            lines.push(named(&line, names));
        }
    }
    lines.push(format!("metaverse due {}", store.dirty_metaverse_count()?));
    lines.sort();
    Ok(lines)
}

/// What one has and the other has not; nothing when they are equal.
pub(crate) fn differences(expected: &[String], found: &[String]) -> Vec<String> {
    let mut missing = Vec::new();
    let (mut left, mut right) = (expected.iter().peekable(), found.iter().peekable());
    loop {
        match (left.peek(), right.peek()) {
            (None, None) => return missing,
            (Some(a), Some(b)) if a == b => {
                left.next();
                right.next();
            }
            (Some(a), b) if b.is_none_or(|b| *a < *b) => {
                missing.push(format!("- {a}"));
                left.next();
            }
            (_, Some(b)) => {
                missing.push(format!("+ {b}"));
                right.next();
            }
            (Some(_), None) => return missing,
        }
    }
}
