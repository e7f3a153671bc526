//! Deletes over the web service (D.6): a synchronised user goes to the recycle bin as a formerly synchronised one, groups
//! and contacts are gone for good, and what is not synchronised is not deleted.

use serde_json::json;

use super::matching::of_cloud_anchor;
use super::object::SyncObject;
use super::refusal::Refusal;
use super::write::Written;
use crate::context::Context;
use crate::entry::Entry;
use crate::schema::Kind;

pub(super) fn delete(cx: &mut Context<'_>, object: &SyncObject, kind: Kind) -> Result<Written, Refusal> {
    let entry = find(cx, object, kind).ok_or_else(Refusal::delete_not_valid)?;
    let id = entry.id;
    if entry.is_cloud_managed {
        return Ok(Written { id, applied: false });
    }
    if !entry.is_synced() {
        let was_synced = entry.flag("onPremisesSyncEnabled") == Some(false) || entry.source_anchor.is_some();
        return Err(if was_synced { Refusal::delete_not_valid() } else { Refusal::cloud_only_delete() });
    }
    let goes_to_bin = kind == Kind::User || (kind == Kind::Group && cx.knobs.security_groups_restorable);
    if goes_to_bin {
        cx.directory.update(id, vec![("onPremisesSyncEnabled".to_owned(), json!(false))]);
        cx.directory.soft_delete(id, cx.now, cx.knobs.prefix_deleted_sign_in_names);
    } else {
        cx.directory.purge(id, cx.now);
    }
    Ok(Written { id, applied: true })
}

/// By the source anchor, else by the cloud anchor.
fn find<'a>(cx: &'a Context<'_>, object: &SyncObject, kind: Kind) -> Option<&'a Entry> {
    if let Some(anchor) = object.source_anchor() {
        let mut held: Vec<&Entry> = cx
            .directory
            .holders(crate::indexes::Table::Anchor, anchor)
            .filter(|entry| entry.kind == kind && entry.anchor() == Some(anchor))
            .collect();
        held.sort_by_key(|entry| !entry.is_synced());
        return held.first().copied();
    }
    object.cloud_anchor().and_then(|anchor| of_cloud_anchor(cx, anchor)).filter(|entry| entry.kind == kind)
}
