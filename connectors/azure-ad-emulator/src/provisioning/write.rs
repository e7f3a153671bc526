//! Carries out one incoming object: decides which object of the tenant it is, judges it as a whole, then stores it. What
//! is refused leaves the tenant as it was.

use serde_json::{Map, json};

use super::links;
use super::matching::{self, Decision};
use super::object::{Operation, SyncObject, Version};
use super::refusal::Refusal;
use super::removal;
use super::values::{self, Plan};
use crate::clock::graph_time;
use crate::context::Context;
use crate::guid::Guid;
use crate::schema::Kind;

/// What became of the object; none where it was deleted for good.
pub(super) struct Written {
    pub(super) id: Guid,
    /// False where nothing of it was applied, because the source of authority is the cloud.
    pub(super) applied: bool,
}

pub(super) fn write(cx: &mut Context<'_>, object: &SyncObject, version: Version) -> Result<Written, Refusal> {
    let Some(kind) = object.kind() else {
        return Err(Refusal::unsupported("the rehearsal tenant has no devices."));
    };
    if object.operation == Operation::Delete {
        return removal::delete(cx, object, kind);
    }
    let decision = matching::decide(cx, object, kind)?;
    let (id, is_first) = match decision {
        Decision::Ignore(id) => return Ok(Written { id, applied: false }),
        Decision::Update(id) => (Some(id), false),
        Decision::TakeOver(id) | Decision::Restore(id) => (Some(id), true),
        Decision::Create => (None, true),
    };
    let existing = id.and_then(|id| cx.directory.any(id));
    links::check(cx, existing, object, version)?;
    let plan = values::plan(cx, existing, object, kind, is_first)?;
    let Plan { changes, held_back, synced, source_anchor } = plan;
    let changes = cx.knobs.stored_changes(changes);
    let id = match (decision, id) {
        (Decision::Restore(id), _) => {
            cx.directory.restore(id, changes);
            id
        }
        (_, Some(id)) => {
            cx.directory.update(id, changes);
            id
        }
        (_, None) => create(cx, kind, object, changes)?,
    };
    cx.directory.change_synced(id, |entry| {
        entry.source_anchor = source_anchor.or_else(|| entry.source_anchor.take());
        entry.synced = synced;
        entry.held_back = held_back;
        entry.is_returning = false;
    });
    links::apply(cx, id, object);
    Ok(Written { id, applied: true })
}

fn create(
    cx: &mut Context<'_>,
    kind: Kind,
    object: &SyncObject,
    changes: Vec<(String, serde_json::Value)>,
) -> Result<Guid, Refusal> {
    if cx.directory.object_count() >= cx.knobs.object_quota {
        return Err(Refusal::quota());
    }
    let now = graph_time(cx.now);
    let mut properties = Map::new();
    let named = object.text("displayName").or_else(|| object.text("commonName"));
    let named = named.or_else(|| object.text("userPrincipalName")).or_else(|| object.text("mail"));
    match (kind, named) {
        (Kind::Group | Kind::Contact, None) => {
            return Err(Refusal::invalid_data("DisplayName", "A value is required."));
        }
        (_, named) => {
            properties.insert("displayName".to_owned(), json!(named));
        }
    }
    match kind {
        Kind::User => {
            properties.insert("userType".to_owned(), json!("Member"));
            properties.insert("accountEnabled".to_owned(), json!(true));
            properties.insert("createdDateTime".to_owned(), json!(now));
        }
        Kind::Group => {
            properties.insert("groupTypes".to_owned(), json!([]));
            properties.insert("createdDateTime".to_owned(), json!(now));
            properties.insert("renewedDateTime".to_owned(), json!(now));
        }
        Kind::Contact => {}
    }
    let nothing = |value: &serde_json::Value| value.is_null() || value.as_array().is_some_and(Vec::is_empty);
    properties.extend(changes.into_iter().filter(|(_, value)| !nothing(value)));
    let id = cx.directory.draw_id();
    cx.directory.create(id, kind, properties, cx.now);
    Ok(id)
}
