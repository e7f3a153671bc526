//! Which operation a method and path mean, what it costs, whether it writes, and which permissions it needs. The
//! operations themselves are in the modules it names.

use crate::call::{Call, Method, Reply, ReplyBody, unknown_segment};
use crate::collection::{self, Source};
use crate::context::Context;
use crate::delta;
use crate::errors::{GraphError, GraphResult};
use crate::permissions as may;
use crate::roles::RoleList;
use crate::schema::Kind;
use crate::throttle::Cost;
use crate::{deleted_items, groups, licences, members, roles, synchronisation, tenant_objects, users};

type Handler<'a> = Box<dyn FnOnce(&mut Context<'_>, &Call) -> GraphResult<Reply> + 'a>;

pub(crate) struct Route<'a> {
    needs: Needs,
    resource_units: u32,
    pub(crate) is_write: bool,
    handler: Handler<'a>,
}

enum Needs {
    /// One of these application permissions.
    One(&'static [&'static str]),
    /// It depends on the object or the body; the operation asks.
    AskedInside,
}

impl Route<'_> {
    /// The cost with the surcharges and rebates of A.8.
    pub(crate) fn cost(&self, call: &Call) -> Cost {
        let mut units = i64::from(self.resource_units);
        for (name, value) in call.options() {
            match name.as_str() {
                "$select" => units -= 1,
                "$expand" => units += 1,
                "$top" if value.parse::<u32>().is_ok_and(|top| top < 20) => units -= 1,
                _ => {}
            }
        }
        Cost { resource_units: u32::try_from(units.max(1)).unwrap_or(1), is_write: self.is_write }
    }

    pub(crate) fn answer(self, cx: &mut Context<'_>, call: &Call) -> GraphResult<Reply> {
        match self.needs {
            Needs::One(alternatives) => cx.require(alternatives)?,
            Needs::AskedInside => {}
        }
        (self.handler)(cx, call)
    }
}

fn read<'a>(
    permissions: &'static [&'static str],
    resource_units: u32,
    handler: impl FnOnce(&Context<'_>, &Call) -> GraphResult<Reply> + 'a,
) -> Option<Route<'a>> {
    let handler: Handler<'a> = Box::new(move |cx, call| handler(cx, call));
    Some(Route { needs: Needs::One(permissions), resource_units, is_write: false, handler })
}

fn write<'a>(
    needs: Needs,
    handler: impl FnOnce(&mut Context<'_>, &Call) -> GraphResult<Reply> + 'a,
) -> Option<Route<'a>> {
    Some(Route { needs, resource_units: 1, is_write: true, handler: Box::new(handler) })
}

/// A read of which the operation decides who may do it.
fn asking_read<'a>(handler: impl FnOnce(&Context<'_>, &Call) -> GraphResult<Reply> + 'a) -> Option<Route<'a>> {
    let handler: Handler<'a> = Box::new(move |cx, call| handler(cx, call));
    Some(Route { needs: Needs::AskedInside, resource_units: 1, is_write: false, handler })
}

/// Finds the operation. An unknown path is a 400 as Graph answers it, a known one with another method a 405.
pub(crate) fn find<'a>(method: Method, segments: &[&'a str]) -> GraphResult<Route<'a>> {
    if let Some(route) = route(method, segments) {
        return Ok(route);
    }
    let others = [Method::Get, Method::Post, Method::Patch, Method::Put, Method::Delete];
    if others.iter().any(|other| route(*other, segments).is_some()) {
        return Err(GraphError::method_not_allowed());
    }
    Err(unknown_segment(segments.last().copied().unwrap_or_default()))
}

fn route<'a>(method: Method, segments: &[&'a str]) -> Option<Route<'a>> {
    match segments.first().copied()? {
        "users" => user_route(method, segments),
        "groups" | "groups(uniqueName)" => group_route(method, segments),
        "contacts" => contact_route(method, segments),
        "directory" => recycle_bin_route(method, segments),
        _ => tenant_route(method, segments),
    }
}

fn user_route<'a>(method: Method, segments: &[&'a str]) -> Option<Route<'a>> {
    use Method::{Delete, Get, Patch, Post, Put};
    match (method, segments) {
        (Get, ["users"]) => read(may::READ_USERS, 2, |cx, call| collection::page(cx, call, &Source::All(Kind::User))),
        (Post, ["users"]) => write(Needs::One(may::WRITE_USERS), users::create),
        (Get, ["users", "$count"]) => read(may::READ_USERS, 2, |cx, call| count(cx, call, Kind::User)),
        (Get, ["users", "delta" | "microsoft.graph.delta"]) => {
            read(may::READ_USERS, 2, |cx, call| delta::query(cx, call, Kind::User))
        }
        (_, ["users", "delta" | "$count" | "$ref"]) => None,
        (Get, &["users", key]) => read(may::READ_USERS, 1, move |cx, call| users::read(cx, call, key)),
        (Patch, &["users", key]) => write(Needs::AskedInside, move |cx, call| users::update(cx, call, key)),
        (Delete, &["users", key]) => write(Needs::AskedInside, move |cx, _| users::delete(cx, key)),
        (Get, &["users", key, "manager"]) => {
            read(may::READ_USERS, 1, move |cx, call| users::read_manager(cx, call, key, false))
        }
        (Get, &["users", key, "manager", "$ref"]) => {
            read(may::READ_USERS, 1, move |cx, call| users::read_manager(cx, call, key, true))
        }
        (Put, &["users", key, "manager", "$ref"]) => {
            write(Needs::One(may::WRITE_USERS), move |cx, call| users::put_manager(cx, call, key))
        }
        (Delete, &["users", key, "manager", "$ref"]) => {
            write(Needs::One(may::WRITE_USERS), move |cx, _| users::delete_manager(cx, key))
        }
        (Post, &["users", key, "assignLicense" | "microsoft.graph.assignLicense"]) => {
            write(Needs::One(may::ASSIGN_LICENCES), move |cx, call| licences::assign(cx, call, key))
        }
        (Post, &["users", key, "revokeSignInSessions" | "microsoft.graph.revokeSignInSessions"]) => {
            write(Needs::One(may::REVOKE_SESSIONS), move |cx, _| users::revoke_sessions(cx, key))
        }
        _ => common_route(method, Kind::User, segments),
    }
}

fn group_route<'a>(method: Method, segments: &[&'a str]) -> Option<Route<'a>> {
    use Method::{Delete, Get, Patch, Post};
    match (method, segments) {
        (Get, &["groups(uniqueName)", name]) => {
            read(may::READ_GROUPS, 1, move |cx, call| groups::read_by_unique_name(cx, call, name))
        }
        (Patch, &["groups(uniqueName)", name]) => {
            write(Needs::One(may::WRITE_GROUPS), move |cx, call| groups::upsert(cx, call, name))
        }
        (Get, ["groups"]) => {
            read(may::READ_GROUPS, 2, |cx, call| collection::page(cx, call, &Source::All(Kind::Group)))
        }
        (Post, ["groups"]) => write(Needs::One(may::CREATE_GROUPS), groups::create),
        (Get, ["groups", "$count"]) => read(may::READ_GROUPS, 2, |cx, call| count(cx, call, Kind::Group)),
        (Get, ["groups", "delta" | "microsoft.graph.delta"]) => {
            read(may::READ_GROUPS, 2, |cx, call| delta::query(cx, call, Kind::Group))
        }
        (_, ["groups", "delta" | "$count" | "$ref"]) => None,
        (Get, &["groups", key]) => read(may::READ_GROUPS, 1, move |cx, call| groups::read(cx, call, key)),
        (Patch, &["groups", key]) => write(Needs::AskedInside, move |cx, call| groups::update(cx, call, key)),
        (Delete, &["groups", key]) => write(Needs::AskedInside, move |cx, _| groups::delete(cx, key)),
        (Get, &["groups", key, "members"]) => {
            read(may::READ_MEMBERS, 3, move |cx, call| members::list(cx, call, key, None))
        }
        (Get, &["groups", key, "members", "$ref"]) => {
            read(may::READ_MEMBERS, 3, move |cx, call| members::list_references(cx, call, key))
        }
        (Get, &["groups", key, "owners"]) => {
            read(may::READ_GROUPS, 2, move |cx, call| members::list_owners(cx, call, key))
        }
        (Get, &["groups", key, "members", cast]) => {
            let kind = kind_of_cast(cast)?;
            read(may::READ_MEMBERS, 3, move |cx, call| members::list(cx, call, key, Some(kind)))
        }
        (Post, &["groups", key, "members", "$ref"]) => {
            write(Needs::One(may::WRITE_MEMBERS), move |cx, call| members::add(cx, call, key))
        }
        (Delete, &["groups", key, "members", member, "$ref"]) => {
            write(Needs::One(may::WRITE_MEMBERS), move |cx, _| members::remove(cx, key, member))
        }
        (_, ["groups", _, "members", "$ref"]) => None,
        (Delete, &["groups", key, "members", member]) => {
            write(Needs::AskedInside, move |cx, _| members::delete_member_object(cx, key, member))
        }
        _ => common_route(method, Kind::Group, segments),
    }
}

fn contact_route<'a>(method: Method, segments: &[&'a str]) -> Option<Route<'a>> {
    use Method::Get;
    match (method, segments) {
        (Get, ["contacts"]) => {
            read(may::READ_CONTACTS, 1, |cx, call| collection::page(cx, call, &Source::All(Kind::Contact)))
        }
        (Get, ["contacts", "delta" | "microsoft.graph.delta"]) => {
            read(may::READ_CONTACTS, 1, |cx, call| delta::query(cx, call, Kind::Contact))
        }
        (Get, &["contacts", key]) => read(may::READ_CONTACTS, 1, move |cx, call| {
            Ok(Reply::ok(collection::single(cx, call, cx.of_kind(Kind::Contact, key)?)?))
        }),
        _ => common_route(method, Kind::Contact, segments),
    }
}

/// What users, groups and contacts have in common.
fn common_route<'a>(method: Method, kind: Kind, segments: &[&'a str]) -> Option<Route<'a>> {
    use Method::{Get, Patch};
    match (method, segments) {
        (Get, &[_, key, "memberOf"]) => {
            read(may::READ_MEMBERSHIPS, 2, move |cx, call| users::memberships(cx, call, kind, key, false, false))
        }
        (Get, &[_, key, "transitiveMemberOf"]) => {
            read(may::READ_MEMBERSHIPS, 2, move |cx, call| users::memberships(cx, call, kind, key, true, false))
        }
        (Get, &[_, key, name @ ("memberOf" | "transitiveMemberOf"), cast]) => {
            let transitive = name == "transitiveMemberOf";
            (kind_of_cast(cast)? == Kind::Group).then_some(())?;
            read(may::READ_MEMBERSHIPS, 2, move |cx, call| users::memberships(cx, call, kind, key, transitive, true))
        }
        (Get, &[_, key, "onPremisesSyncBehavior"]) => {
            asking_read(move |cx, _| tenant_objects::read_sync_behaviour(cx, kind, key))
        }
        (Patch, &[_, key, "onPremisesSyncBehavior"]) => {
            write(Needs::AskedInside, move |cx, call| tenant_objects::change_sync_behaviour(cx, call, kind, key))
        }
        _ => None,
    }
}

fn recycle_bin_route<'a>(method: Method, segments: &[&'a str]) -> Option<Route<'a>> {
    use Method::{Delete, Get, Patch, Post};
    match (method, segments) {
        (Get, ["directory", "deletedItems"]) => {
            read(may::READ_OBJECTS, 1, |cx, call| deleted_items::list(cx, call, None))
        }
        (Get, &["directory", "deletedItems", key]) => match kind_of_cast(key) {
            Some(kind) => read(permission_to_read(kind), 1, move |cx, call| deleted_items::list(cx, call, Some(kind))),
            None => read(may::READ_OBJECTS, 1, move |cx, call| deleted_items::read(cx, call, key, None)),
        },
        (Get, &["directory", "deletedItems", key, cast]) => {
            let kind = kind_of_cast(cast)?;
            read(permission_to_read(kind), 1, move |cx, call| deleted_items::read(cx, call, key, Some(kind)))
        }
        (Delete, &["directory", "deletedItems", key]) => {
            write(Needs::AskedInside, move |cx, _| deleted_items::delete(cx, key))
        }
        (Post, &["directory", "deletedItems", key, "restore" | "microsoft.graph.restore"]) => {
            write(Needs::AskedInside, move |cx, call| deleted_items::restore(cx, call, key))
        }
        (Get, ["directory", "onPremisesSynchronization"]) => {
            asking_read(|cx, _| synchronisation::read_settings(cx, None))
        }
        (Get, &["directory", "onPremisesSynchronization", key]) => {
            asking_read(move |cx, _| synchronisation::read_settings(cx, Some(key)))
        }
        (Patch, &["directory", "onPremisesSynchronization", key]) => {
            write(Needs::AskedInside, move |cx, call| synchronisation::change_settings(cx, call, key))
        }
        _ => None,
    }
}

fn tenant_route<'a>(method: Method, segments: &[&'a str]) -> Option<Route<'a>> {
    use Method::{Get, Patch, Post};
    match (method, segments) {
        (Get, ["organization"]) => read(may::READ_ORGANIZATION, 1, tenant_objects::list_organizations),
        (Get, &["organization", key]) => {
            read(may::READ_ORGANIZATION, 1, move |cx, call| tenant_objects::read_organization(cx, call, key))
        }
        (Patch, &["organization", key]) => {
            write(Needs::AskedInside, move |cx, call| synchronisation::change_organization(cx, call, key))
        }
        (Get, ["domains"]) => read(may::READ_DOMAINS, 1, tenant_objects::list_domains),
        (Get, &["domains", key]) => {
            read(may::READ_DOMAINS, 1, move |cx, call| tenant_objects::read_domain(cx, call, key))
        }
        (Get, ["subscribedSkus"]) => read(may::READ_SKUS, 3, |cx, _| Ok(Reply::ok(licences::subscribed_skus(cx)))),
        (Get, &["directoryObjects", key]) if key != "getByIds" => {
            read(may::READ_OBJECTS, 1, move |cx, call| tenant_objects::read_object(cx, call, key))
        }
        (Post, ["directoryObjects", "getByIds" | "microsoft.graph.getByIds"]) => {
            read(may::READ_OBJECTS, 3, tenant_objects::get_by_ids)
        }
        (Get, ["roleManagement", "directory", "roleAssignments"]) => {
            read(may::READ_ROLES, 1, |cx, call| roles::list(cx, call, RoleList::Active))
        }
        (Get, ["roleManagement", "directory", "roleEligibilityScheduleInstances"]) => {
            read(may::READ_ELIGIBILITY, 1, |cx, call| roles::list(cx, call, RoleList::Eligible))
        }
        _ => None,
    }
}

/// A type cast in a path; `graph.user` is the official spelling, `microsoft.graph.user` the same (A.9).
fn kind_of_cast(segment: &str) -> Option<Kind> {
    match segment.strip_prefix("microsoft.").unwrap_or(segment) {
        "graph.user" => Some(Kind::User),
        "graph.group" => Some(Kind::Group),
        "graph.orgContact" => Some(Kind::Contact),
        _ => None,
    }
}

fn permission_to_read(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::User => may::READ_USERS,
        Kind::Group => may::READ_GROUPS,
        Kind::Contact => may::READ_CONTACTS,
    }
}

fn count(cx: &Context<'_>, call: &Call, kind: Kind) -> GraphResult<Reply> {
    let count = collection::count(cx, call, &Source::All(kind))?;
    Ok(Reply { status: 200, headers: Vec::new(), body: ReplyBody::Text(count.to_string()) })
}
