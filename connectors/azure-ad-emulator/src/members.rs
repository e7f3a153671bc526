//! Group membership: list, add one, add up to twenty at once, remove, and the address without `/$ref` that deletes the
//! member itself (A.4).

use serde_json::{Map, Value, json};

use crate::call::{Call, Reply};
use crate::collection::{self, Source};
use crate::context::Context;
use crate::entry::Entry;
use crate::errors::{GraphError, GraphResult};
use crate::groups::{self, GroupClass};
use crate::guid::Guid;
use crate::schema::Kind;
use crate::users;

/// Most members in one `members@odata.bind`; on create, members and owners together.
pub(crate) const MOST_LINKS: usize = 20;

/// The `@odata.bind` arrays of a body, resolved.
#[derive(Debug, Default)]
pub(crate) struct Bindings {
    pub(crate) members: Vec<Guid>,
    pub(crate) owners: Vec<Guid>,
}

pub(crate) fn too_many_links() -> GraphError {
    GraphError::bad_request(format!(
        "The limit of {MOST_LINKS} relationships that can be added in one request was exceeded."
    ))
}

pub(crate) fn already_present(property: &str) -> GraphError {
    GraphError::bad_request(format!(
        "One or more added object references already exist for the following modified properties: '{property}'."
    ))
}

/// Reads `members@odata.bind` and `owners@odata.bind`. Unknown objects, doubles and more than twenty fail the whole.
pub(crate) fn read_bindings(cx: &Context<'_>, body: &Map<String, Value>) -> GraphResult<Bindings> {
    Ok(Bindings { members: read_binding(cx, body, "members")?, owners: read_binding(cx, body, "owners")? })
}

fn read_binding(cx: &Context<'_>, body: &Map<String, Value>, property: &str) -> GraphResult<Vec<Guid>> {
    let Some(value) = body.get(&format!("{property}@odata.bind")) else {
        return Ok(Vec::new());
    };
    let urls: Option<Vec<&str>> = value.as_array().and_then(|urls| urls.iter().map(Value::as_str).collect());
    let urls = urls.ok_or_else(|| {
        GraphError::malformed(format!("'{property}@odata.bind' is an array of addresses of objects."))
    })?;
    if urls.len() > MOST_LINKS {
        return Err(too_many_links());
    }
    let mut ids = Vec::new();
    for url in urls {
        let id = resolve(cx, url)?;
        if ids.contains(&id) {
            return Err(GraphError::bad_request(format!(
                "The object {id} can only be present once as an add/remove change of '{property}'."
            )));
        }
        ids.push(id);
    }
    Ok(ids)
}

fn resolve(cx: &Context<'_>, url: &str) -> GraphResult<Guid> {
    match cx.referenced(url) {
        Ok(entry) => Ok(entry.id),
        Err(error) => Err(fresh_reference(cx, url, error)),
    }
}

/// An object that exists but is not replicated yet is answered as the knob says: 404, or 400 (section H).
pub(crate) fn fresh_reference(cx: &Context<'_>, reference: &str, error: GraphError) -> GraphError {
    let key = reference.rsplit('/').next().unwrap_or(reference);
    let exists = Guid::parse(key).is_some_and(|id| cx.directory.live(id).is_some());
    if exists && cx.knobs.fresh_reference_status == 400 {
        return GraphError::bad_request(
            "The source resource object or one of the objects being referenced do not exist.",
        );
    }
    error
}

/// Whether members may be added: writable group, not computed by a rule, fitting types, none there yet.
pub(crate) fn check_additions(cx: &Context<'_>, group: &Entry, members: &[Guid]) -> GraphResult<()> {
    if members.is_empty() {
        return Ok(());
    }
    check_membership_writable(cx, group)?;
    for member in members {
        if group.has_member(*member) {
            return Err(already_present("members"));
        }
        if *member == group.id {
            return Err(GraphError::bad_request("A group cannot be a member of itself."));
        }
        check_member_type(cx, GroupClass::of_entry(group), group.is_role_assignable(), *member)?;
    }
    Ok(())
}

fn check_membership_writable(cx: &Context<'_>, group: &Entry) -> GraphResult<()> {
    groups::check_writable(group)?;
    groups::check_role_group(cx, group)?;
    if group.is_group_type("DynamicMembership") {
        return Err(GraphError::bad_request(
            "Insufficient privileges: the members of a dynamic group follow its rule.",
        ));
    }
    Ok(())
}

/// Microsoft 365 groups take users only; groups that can be assigned to roles take no groups.
pub(crate) fn check_member_type(
    cx: &Context<'_>,
    class: GroupClass,
    role_assignable: bool,
    member: Guid,
) -> GraphResult<()> {
    let kind = cx.directory.live(member).map(|entry| entry.kind);
    let refused = match kind {
        Some(Kind::User) | None => false,
        Some(Kind::Group) => class == GroupClass::Unified || role_assignable,
        Some(Kind::Contact) => class == GroupClass::Unified,
    };
    if refused {
        return Err(GraphError::bad_request("An object of this type cannot be a member of this group."));
    }
    Ok(())
}

pub(crate) fn add(cx: &mut Context<'_>, call: &Call, key: &str) -> GraphResult<Reply> {
    let group = cx.group(key).map_err(|error| fresh_reference(cx, key, error))?;
    let member = resolve(cx, users::reference_of(call)?)?;
    check_membership_writable(cx, group)?;
    check_additions(cx, group, &[member])?;
    let id = group.id;
    if !cx.knobs.drops("members") {
        cx.directory.add_member(id, member);
    }
    Ok(Reply::no_content())
}

pub(crate) fn remove(cx: &mut Context<'_>, key: &str, member: &str) -> GraphResult<Reply> {
    let group = cx.group(key)?;
    check_membership_writable(cx, group)?;
    let id = group.id;
    let member_id = Guid::parse(member).filter(|member| group.has_member(*member));
    let member_id = member_id.ok_or_else(|| GraphError::not_found(member))?;
    if !cx.knobs.drops("members") {
        cx.directory.remove_member(id, member_id);
    }
    Ok(Reply::no_content())
}

/// `DELETE /groups/{id}/members/{id}` without `/$ref`: deletes the member object, if the caller may (A.4, the trap).
pub(crate) fn delete_member_object(cx: &mut Context<'_>, key: &str, member: &str) -> GraphResult<Reply> {
    let group = cx.group(key)?;
    let id = Guid::parse(member).filter(|member| group.has_member(*member));
    let kind = id.and_then(|id| cx.visible(id)).map(|entry| entry.kind);
    match kind {
        Some(Kind::User) => users::delete(cx, member),
        Some(Kind::Group) => groups::delete(cx, member),
        Some(Kind::Contact) => Err(GraphError::denied()),
        None => Err(GraphError::not_found(member)),
    }
}

/// Members of a group, of all types or cast to one.
pub(crate) fn list(cx: &Context<'_>, call: &Call, key: &str, cast: Option<Kind>) -> GraphResult<Reply> {
    let group = cx.group(key)?;
    let live = group.members().filter_map(|id| cx.directory.live(id));
    let source = match cast {
        None => Source::Mixed(live.map(|entry| entry.id).collect()),
        Some(kind) => Source::Chosen(kind, live.filter(|entry| entry.kind == kind).map(|entry| entry.id).collect()),
    };
    collection::page(cx, call, &source)
}

/// `GET /groups/{id}/members/$ref`: addresses only, paged like the members.
pub(crate) fn list_references(cx: &Context<'_>, call: &Call, key: &str) -> GraphResult<Reply> {
    let mut reply = list(cx, call, key, None)?;
    if let crate::call::ReplyBody::Json(body) = &mut reply.body {
        if let Some(rows) = body.get_mut("value").and_then(Value::as_array_mut) {
            for row in rows {
                let id = row.get("id").and_then(Value::as_str).unwrap_or_default();
                *row = json!({ "@odata.id": format!("{}directoryObjects/{id}", cx.graph_url) });
            }
        }
        body["@odata.context"] = json!(format!("{}$metadata#Collection($ref)", cx.graph_url));
    }
    Ok(reply)
}

pub(crate) fn list_owners(cx: &Context<'_>, call: &Call, key: &str) -> GraphResult<Reply> {
    let mut owners: Vec<Guid> =
        cx.group(key)?.owners.iter().filter(|id| cx.directory.live(**id).is_some()).copied().collect();
    owners.sort();
    collection::page(cx, call, &Source::Mixed(owners))
}
