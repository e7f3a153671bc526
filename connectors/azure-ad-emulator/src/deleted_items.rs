//! The recycle bin: list, read, delete for good, restore with its conflicts (A.9).

use serde_json::{Value, json};

use crate::call::{Body, Call, Reply};
use crate::collection::{self, Source};
use crate::context::Context;
use crate::entry::{Entry, smtp_address};
use crate::errors::{GraphError, GraphResult};
use crate::guid::Guid;
use crate::indexes::Table;
use crate::permissions;
use crate::schema::Kind;
use crate::user_rules;

/// All deleted objects, or those of one type (`/directory/deletedItems/graph.user`).
pub(crate) fn list(cx: &Context<'_>, call: &Call, cast: Option<Kind>) -> GraphResult<Reply> {
    let mut ids: Vec<Guid> = cx
        .directory
        .recycle_bin()
        .filter(|entry| cast.is_none_or(|kind| entry.kind == kind))
        .map(|entry| entry.id)
        .collect();
    ids.sort();
    let source = match cast {
        Some(kind) => Source::Chosen(kind, ids),
        None => Source::Mixed(ids),
    };
    collection::page(cx, call, &source)
}

fn find<'a>(cx: &'a Context<'_>, key: &str) -> GraphResult<&'a Entry> {
    let found = Guid::parse(key).and_then(|id| cx.directory.any(id)).filter(|entry| !entry.is_live());
    found.ok_or_else(|| GraphError::not_found(key))
}

pub(crate) fn read(cx: &Context<'_>, call: &Call, key: &str, cast: Option<Kind>) -> GraphResult<Reply> {
    let entry = find(cx, key)?;
    if cast.is_some_and(|kind| entry.kind != kind) {
        return Err(GraphError::not_found(key));
    }
    Ok(Reply::ok(collection::single_typed(cx, call, entry)?))
}

fn check_caller(cx: &Context<'_>, entry: &Entry) -> GraphResult<()> {
    cx.require(if entry.kind == Kind::User { permissions::RESTORE_USERS } else { permissions::WRITE_GROUPS })
}

pub(crate) fn delete(cx: &mut Context<'_>, key: &str) -> GraphResult<Reply> {
    let entry = find(cx, key)?;
    check_caller(cx, entry)?;
    let id = entry.id;
    cx.directory.purge(id, cx.now);
    Ok(Reply::no_content())
}

/// `POST .../restore`. Sign-in name, immutable id and addresses may have been taken meanwhile: 400, unless the body
/// brings a new sign-in name or gives up the conflicting addresses.
pub(crate) fn restore(cx: &mut Context<'_>, call: &Call, key: &str) -> GraphResult<Reply> {
    let entry = find(cx, key)?;
    check_caller(cx, entry)?;
    let body = match &call.body {
        Body::Empty => Value::Null,
        _ => Value::Object(call.json_object()?.clone()),
    };
    let mut changes = Vec::new();
    if entry.kind == Kind::User {
        check_sign_in_name(cx, entry, body.get("newUserPrincipalName"), &mut changes)?;
        check_immutable_id(cx, entry)?;
    }
    let drop_conflicts = body.get("autoReconcileProxyConflict").and_then(Value::as_bool) == Some(true);
    check_addresses(cx, entry, drop_conflicts, &mut changes)?;

    let id = entry.id;
    cx.directory.restore(id, changes);
    let entry = cx.directory.live(id).ok_or_else(|| GraphError::not_found(key))?;
    let mut printed = cx.print_typed(entry, None);
    let context = format!("{}$metadata#directoryObjects/$entity", cx.graph_url);
    printed.shift_insert(0, "@odata.context".to_owned(), json!(context));
    Ok(Reply::ok(Value::Object(printed)))
}

fn check_sign_in_name(
    cx: &Context<'_>,
    entry: &Entry,
    new_name: Option<&Value>,
    changes: &mut Vec<(String, Value)>,
) -> GraphResult<()> {
    if let Some(new_name) = new_name.filter(|name| !name.is_null()) {
        user_rules::check_sign_in_name(cx, Some(entry.id), new_name)?;
        changes.push(("userPrincipalName".to_owned(), new_name.clone()));
        return Ok(());
    }
    let name = entry.deleted.as_ref().and_then(|deletion| deletion.user_principal_name.as_deref()).unwrap_or_default();
    match cx.directory.holders(Table::UserPrincipalName, name).next() {
        Some(holder) => Err(GraphError::conflict("userPrincipalName", Some(format!("User_{}", holder.id)))),
        None => Ok(()),
    }
}

fn check_immutable_id(cx: &Context<'_>, entry: &Entry) -> GraphResult<()> {
    let Some(id) = entry.text("onPremisesImmutableId") else {
        return Ok(());
    };
    let mut holders = cx.directory.holders(Table::ImmutableId, id);
    match holders.find(|holder| holder.text("onPremisesImmutableId") == Some(id)) {
        Some(holder) => Err(GraphError::conflict("onPremisesImmutableId", Some(format!("User_{}", holder.id)))),
        None => Ok(()),
    }
}

fn check_addresses(
    cx: &Context<'_>,
    entry: &Entry,
    drop_conflicts: bool,
    changes: &mut Vec<(String, Value)>,
) -> GraphResult<()> {
    let taken = |proxy: &str| {
        smtp_address(proxy)
            .and_then(|address| user_rules::address_holder(cx, Some(entry.id), address))
            .map(|holder| holder.id)
    };
    let Some(holder) = entry.list("proxyAddresses").find_map(taken) else {
        return Ok(());
    };
    if !drop_conflicts {
        return Err(GraphError::conflict("proxyAddresses", Some(holder.to_string())));
    }
    let kept: Vec<&str> = entry.list("proxyAddresses").filter(|proxy| taken(proxy).is_none()).collect();
    let primary = kept.iter().find_map(|proxy| proxy.strip_prefix("SMTP:"));
    if primary.is_none() && entry.text("mail").is_some() {
        changes.push(("mail".to_owned(), Value::Null));
    }
    changes.push(("proxyAddresses".to_owned(), json!(kept)));
    Ok(())
}
