//! Members and manager of an incoming object, by anchors (B.5): a list replaces, changes change, and an anchor that nobody
//! has is passed over, as the live service does; the client sends it again when there is somebody.

use std::collections::BTreeSet;

use super::matching::{by_anchor, of_cloud_anchor};
use super::object::{LinkChange, SyncObject, SyncValue, Version};
use super::refusal::Refusal;
use crate::clock::Millis;
use crate::context::Context;
use crate::entry::Entry;
use crate::guid::Guid;
use crate::schema::Kind;

/// Most members of a group, by version (B.5).
const MOST_MEMBERS_ONE: usize = 50_000;
const MOST_MEMBERS_TWO: usize = 250_000;

/// Judges the links before anything of the object is stored.
pub(super) fn check(
    cx: &Context<'_>,
    existing: Option<&Entry>,
    object: &SyncObject,
    version: Version,
) -> Result<(), Refusal> {
    let most = if version == Version::One { MOST_MEMBERS_ONE } else { MOST_MEMBERS_TWO };
    match object.value("member") {
        Some(SyncValue::Texts(members)) if members.len() > most => {
            Err(Refusal::large_object("member", members.len(), most))
        }
        Some(SyncValue::Links(_)) if version == Version::One => {
            Err(Refusal::invalid_data("member", "Changes of a list belong to ProvisionAzureADSyncObjects2."))
        }
        Some(SyncValue::Links(changes)) => {
            let added = changes.iter().filter(|change| change.add).count();
            let held = existing.map_or(0, |group| group.members().count());
            if held + added > most { Err(Refusal::large_object("member", held + added, most)) } else { Ok(()) }
        }
        Some(SyncValue::Nil | SyncValue::Texts(_) | SyncValue::Text(_)) | None => check_manager(cx, object),
        Some(_) => Err(Refusal::invalid_data("member", "It is a list of anchors.")),
    }
}

fn check_manager(cx: &Context<'_>, object: &SyncObject) -> Result<(), Refusal> {
    let Some(anchor) = object.text("manager").filter(|_| cx.knobs.unknown_manager_refused) else { return Ok(()) };
    match find(cx, anchor, false) {
        Some(_) => Ok(()),
        None => Err(Refusal::bad_reference(format!("[manager {anchor};] refers to an object that is not there."))),
    }
}

pub(super) fn apply(cx: &mut Context<'_>, id: Guid, object: &SyncObject) {
    if object.kind() == Some(Kind::Group) && !cx.knobs.drops("members") {
        apply_members(cx, id, object);
    }
    if object.kind() == Some(Kind::User) && !cx.knobs.drops("manager") {
        match object.value("manager") {
            Some(SyncValue::Nil) => cx.directory.set_manager(id, None),
            Some(SyncValue::Text(anchor)) if anchor.is_empty() => cx.directory.set_manager(id, None),
            Some(SyncValue::Text(anchor)) => {
                if let Some(manager) = find(cx, anchor, false) {
                    cx.directory.set_manager(id, Some(manager));
                }
            }
            _ => {}
        }
    }
}

fn apply_members(cx: &mut Context<'_>, id: Guid, object: &SyncObject) {
    if let Some(SyncValue::Links(changes)) = object.value("member") {
        let settled: Vec<(bool, Guid)> =
            changes.iter().filter_map(|change| Some((change.add, of(cx, change)?))).collect();
        for (add, member) in settled {
            let has = cx.directory.live(id).is_some_and(|group| group.has_member(member));
            match (add, has) {
                (true, false) if member != id => cx.directory.add_member(id, member),
                (false, true) => cx.directory.remove_member(id, member),
                _ => {}
            }
        }
        return;
    }
    let Some(anchors) = object.texts("member") else { return };
    let wanted: BTreeSet<Guid> =
        anchors.into_iter().filter_map(|anchor| find(cx, anchor, false)).filter(|member| *member != id).collect();
    let held: BTreeSet<Guid> = cx.directory.live(id).map(|group| group.members().collect()).unwrap_or_default();
    for member in held.difference(&wanted) {
        cx.directory.remove_member(id, *member);
    }
    for member in wanted.difference(&held) {
        cx.directory.add_member(id, *member);
    }
}

fn of(cx: &Context<'_>, change: &LinkChange) -> Option<Guid> {
    find(cx, &change.anchor, change.is_cloud_anchor)
}

/// The object that an anchor names, if it is old enough to be found.
fn find(cx: &Context<'_>, anchor: &str, is_cloud_anchor: bool) -> Option<Guid> {
    let found = if is_cloud_anchor {
        of_cloud_anchor(cx, anchor)
    } else {
        // Of several types with that anchor, the synchronised one.
        by_anchor(cx, anchor).min_by_key(|entry| !entry.is_synced())
    };
    found.filter(|entry| is_settled(cx, entry)).map(|entry| entry.id)
}

/// Whether the web service finds the object by its anchor yet (B.5, B.6: about 30 seconds on a live tenant).
pub(super) fn is_settled(cx: &Context<'_>, entry: &Entry) -> bool {
    let delay = Millis::try_from(cx.knobs.anchor_delay_ms).unwrap_or(Millis::MAX);
    entry.created_ms == 0 || entry.created_ms.saturating_add(delay) <= cx.now
}
