//! Users: list, read, create, change, delete, manager, memberships, session revocation (A.3).

use serde_json::{Map, Value, json};

use crate::call::{Call, Reply};
use crate::clock::graph_time;
use crate::collection::{self, Source};
use crate::context::Context;
use crate::entry::Entry;
use crate::errors::{GraphError, GraphResult};
use crate::guid::Guid;
use crate::password::KeptPassword;
use crate::permissions;
use crate::schema::{self, Kind, Writable};
use crate::user_rules;

const REQUIRED: [&str; 5] = ["accountEnabled", "displayName", "mailNickname", "userPrincipalName", "passwordProfile"];

pub(crate) fn read(cx: &Context<'_>, call: &Call, key: &str) -> GraphResult<Reply> {
    Ok(Reply::ok(collection::single(cx, call, cx.user(key)?)?))
}

pub(crate) fn create(cx: &mut Context<'_>, call: &Call) -> GraphResult<Reply> {
    let body = call.json_object()?;
    for name in REQUIRED {
        if body.get(name).is_none_or(Value::is_null) {
            return Err(GraphError::missing_value(name, "User"));
        }
    }
    let password = new_password(cx, body)?.ok_or_else(|| GraphError::missing_value("passwordProfile", "User"))?;
    let changes = schema::read_body(Kind::User, body, true)?;
    user_rules::check(cx, None, &changes)?;
    let manager = bound_manager(cx, body)?;
    check_quota(cx)?;

    let now = graph_time(cx.now);
    let mut properties = Map::new();
    properties.insert("userType".to_owned(), json!("Member"));
    properties.insert("createdDateTime".to_owned(), json!(now));
    properties.insert("lastPasswordChangeDateTime".to_owned(), json!(now));
    properties.insert("signInSessionsValidFromDateTime".to_owned(), json!(now));
    // Never-set properties stay out: deltas repeat only what was ever set.
    let stored = user_rules::stored(cx, None, changes);
    properties.extend(stored.into_iter().filter(|(_, value)| !value.is_null()));
    let id = cx.directory.draw_id();
    cx.directory.create(id, Kind::User, properties, cx.now);
    cx.directory.set_password(id, password);
    if manager.is_some() && !cx.knobs.drops("manager") {
        cx.directory.set_manager(id, manager);
    }
    created(cx, id)
}

/// What is kept of the password in a body.
fn new_password(cx: &Context<'_>, body: &Map<String, Value>) -> GraphResult<Option<KeptPassword>> {
    let sent = body.get("passwordProfile").and_then(|profile| profile.get("password")).and_then(Value::as_str);
    let kept = sent.map(|clear| KeptPassword::of_cloud(clear, cx.now)).transpose();
    kept.map_err(|error| GraphError::new(500, "InternalServerError", format!("There are no random bytes: {error}.")))
}

/// The 201 with the new object, which the writing replica knows at once.
pub(crate) fn created(cx: &Context<'_>, id: Guid) -> GraphResult<Reply> {
    let entry = cx.directory.live(id).ok_or_else(|| GraphError::not_found(&id.to_string()))?;
    let mut body = Map::new();
    body.insert("@odata.context".to_owned(), json!(format!("{}$metadata#{}/$entity", cx.graph_url, entry.kind.set())));
    body.extend(cx.print(entry, None));
    Ok(Reply::created(cx.entity_url(entry), Value::Object(body)))
}

pub(crate) fn check_quota(cx: &Context<'_>) -> GraphResult<()> {
    if cx.directory.object_count() < cx.knobs.object_quota {
        return Ok(());
    }
    Err(GraphError::new(
        cx.knobs.quota_status,
        "Directory_QuotaExceeded",
        "The directory object quota limit for the Tenant has been exceeded.",
    ))
}

fn bound_manager(cx: &Context<'_>, body: &Map<String, Value>) -> GraphResult<Option<Guid>> {
    match body.get("manager@odata.bind") {
        None => Ok(None),
        Some(Value::String(url)) => Ok(Some(cx.referenced(url)?.id)),
        Some(_) => Err(GraphError::malformed("'manager@odata.bind' is the address of an object.")),
    }
}

pub(crate) fn update(cx: &mut Context<'_>, call: &Call, key: &str) -> GraphResult<Reply> {
    let body = call.json_object()?;
    let user = cx.user(key)?;
    let changes = schema::read_body(Kind::User, body, false)?;
    check_caller(cx, user, &changes)?;
    if user.is_synced() && changes.iter().any(|(name, _)| is_mastered(name)) {
        return Err(GraphError::mastered_on_premises());
    }
    user_rules::check(cx, Some(user), &changes)?;
    let manager = bound_manager(cx, body)?;
    let password = new_password(cx, body)?;

    let id = user.id;
    let mut stored = user_rules::stored(cx, Some(user), changes);
    if password.is_some() {
        stored.push(("lastPasswordChangeDateTime".to_owned(), json!(graph_time(cx.now))));
    }
    cx.directory.update(id, stored);
    if let Some(password) = password {
        cx.directory.set_password(id, password);
    }
    if manager.is_some() && !cx.knobs.drops("manager") {
        cx.directory.set_manager(id, manager);
    }
    Ok(Reply::no_content())
}

fn is_mastered(name: &str) -> bool {
    schema::find(Kind::User, name).is_some_and(|property| property.writable == Writable::Mastered)
}

/// The permissions that single properties need on top (A.3).
fn check_caller(cx: &Context<'_>, user: &Entry, changes: &[(String, Value)]) -> GraphResult<()> {
    const SENSITIVE: [&str; 5] = ["accountEnabled", "mobilePhone", "otherMails", "businessPhones", "passwordProfile"];
    let changes_any = |names: &[&str]| changes.iter().any(|(name, _)| names.contains(&name.as_str()));
    let only_enables = changes.iter().all(|(name, _)| name == "accountEnabled");
    cx.require(if only_enables { permissions::ENABLE_USERS } else { permissions::WRITE_USERS })?;
    if cx.knobs.password_profile_permission && changes_any(&["passwordProfile"]) {
        cx.require(permissions::CHANGE_PASSWORDS)?;
    }
    if cx.knobs.protect_privileged_users && changes_any(&SENSITIVE) && user_rules::is_privileged(cx, user) {
        return Err(GraphError::denied());
    }
    Ok(())
}

pub(crate) fn delete(cx: &mut Context<'_>, key: &str) -> GraphResult<Reply> {
    cx.require(permissions::WRITE_USERS)?;
    let user = cx.user(key)?;
    if cx.knobs.protect_privileged_users && user_rules::is_privileged(cx, user) {
        return Err(GraphError::denied());
    }
    let id = user.id;
    // In the recycle bin a synchronised user counts as formerly synchronised (D.6).
    if user.is_synced() {
        cx.directory.update(id, vec![("onPremisesSyncEnabled".to_owned(), json!(false))]);
    }
    cx.directory.soft_delete(id, cx.now, cx.knobs.prefix_deleted_sign_in_names);
    Ok(Reply::no_content())
}

pub(crate) fn read_manager(cx: &Context<'_>, call: &Call, key: &str, reference_only: bool) -> GraphResult<Reply> {
    let user = cx.user(key)?;
    let manager =
        user.manager.and_then(|manager| cx.visible(manager)).ok_or_else(|| GraphError::not_found("manager"))?;
    if reference_only {
        let context = format!("{}$metadata#$ref", cx.graph_url);
        return Ok(Reply::ok(json!({ "@odata.context": context, "@odata.id": object_url(cx, manager.id) })));
    }
    Ok(Reply::ok(collection::single_typed(cx, call, manager)?))
}

/// Address of an object of any type.
pub(crate) fn object_url(cx: &Context<'_>, id: Guid) -> String {
    format!("{}directoryObjects/{id}", cx.graph_url)
}

/// The `@odata.id` of a reference body.
pub(crate) fn reference_of(call: &Call) -> GraphResult<&str> {
    let body = call.json_object()?;
    body.get("@odata.id")
        .and_then(Value::as_str)
        .ok_or_else(|| GraphError::malformed("An entity reference needs '@odata.id' with the address of an object."))
}

pub(crate) fn put_manager(cx: &mut Context<'_>, call: &Call, key: &str) -> GraphResult<Reply> {
    let user = cx.user(key)?;
    if user.is_synced() {
        return Err(GraphError::mastered_on_premises());
    }
    let id = user.id;
    let manager = cx.referenced(reference_of(call)?)?;
    if manager.kind == Kind::Group {
        return Err(GraphError::invalid_value("manager", "User", "It is a user or a contact."));
    }
    let manager = manager.id;
    if !cx.knobs.drops("manager") {
        cx.directory.set_manager(id, Some(manager));
    }
    Ok(Reply::no_content())
}

pub(crate) fn delete_manager(cx: &mut Context<'_>, key: &str) -> GraphResult<Reply> {
    let user = cx.user(key)?;
    if user.is_synced() {
        return Err(GraphError::mastered_on_premises());
    }
    let id = user.id;
    user.manager.and_then(|manager| cx.directory.live(manager)).ok_or_else(|| GraphError::not_found("manager"))?;
    if !cx.knobs.drops("manager") {
        cx.directory.set_manager(id, None);
    }
    Ok(Reply::no_content())
}

/// `memberOf` and `transitiveMemberOf` of any object, optionally cast to groups.
pub(crate) fn memberships(
    cx: &Context<'_>,
    call: &Call,
    kind: Kind,
    key: &str,
    transitive: bool,
    cast: bool,
) -> GraphResult<Reply> {
    let entry = cx.of_kind(kind, key)?;
    let ids: Vec<Guid> = if transitive {
        cx.directory.transitive_groups_of(entry.id).into_iter().map(|group| group.id).collect()
    } else {
        cx.directory.groups_of(entry.id).map(|group| group.id).collect()
    };
    let source = if cast { Source::Chosen(Kind::Group, ids) } else { Source::Mixed(ids) };
    collection::page(cx, call, &source)
}

/// Ends all sessions: refresh tokens issued before now are void. The directory shows it as
/// `signInSessionsValidFromDateTime`.
pub(crate) fn revoke_sessions(cx: &mut Context<'_>, key: &str) -> GraphResult<Reply> {
    let id = cx.user(key)?.id;
    let now = json!(graph_time(cx.now));
    cx.directory.update(id, vec![("signInSessionsValidFromDateTime".to_owned(), now)]);
    let context = format!("{}$metadata#Edm.Boolean", cx.graph_url);
    Ok(Reply::ok(json!({ "@odata.context": context, "value": true })))
}
