//! Groups: list, read, create, change, delete, and the upsert by `uniqueName` (A.4, section H). Membership is in
//! `members`.

use serde_json::{Map, Value, json};

use crate::call::{Call, Reply};
use crate::clock::graph_time;
use crate::collection;
use crate::context::Context;
use crate::entry::Entry;
use crate::errors::{GraphError, GraphResult};
use crate::guid::Guid;
use crate::indexes::Table;
use crate::members;
use crate::permissions;
use crate::schema::{self, Kind};
use crate::users;

const REQUIRED: [&str; 4] = ["displayName", "mailEnabled", "mailNickname", "securityEnabled"];
const NICKNAME_FORBIDDEN: &str = "@()\\[]\";:.<>, ";

/// What a group is, by its three type properties.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GroupClass {
    Security,
    /// Microsoft 365.
    Unified,
    MailEnabledSecurity,
    Distribution,
}

impl GroupClass {
    fn of(unified: bool, mail_enabled: bool, security_enabled: bool) -> GroupClass {
        match (unified, mail_enabled, security_enabled) {
            (true, _, _) => GroupClass::Unified,
            (false, true, true) => GroupClass::MailEnabledSecurity,
            (false, true, false) => GroupClass::Distribution,
            (false, false, _) => GroupClass::Security,
        }
    }

    pub(crate) fn of_entry(group: &Entry) -> GroupClass {
        let flag = |name| group.flag(name) == Some(true);
        GroupClass::of(group.is_group_type("Unified"), flag("mailEnabled"), flag("securityEnabled"))
    }
}

/// Groups that Graph may read but not write: those of Exchange, and synchronised ones.
pub(crate) fn check_writable(group: &Entry) -> GraphResult<()> {
    if group.is_synced() {
        return Err(GraphError::mastered_on_premises());
    }
    match GroupClass::of_entry(group) {
        GroupClass::Security | GroupClass::Unified => Ok(()),
        GroupClass::MailEnabledSecurity | GroupClass::Distribution => {
            Err(GraphError::bad_request("Cannot Update a mail-enabled security groups and or distribution list."))
        }
    }
}

/// Groups that can be assigned to roles need the role permission on top.
pub(crate) fn check_role_group(cx: &Context<'_>, group: &Entry) -> GraphResult<()> {
    if group.is_role_assignable() { cx.require(permissions::WRITE_ROLE_GROUPS) } else { Ok(()) }
}

pub(crate) fn read(cx: &Context<'_>, call: &Call, key: &str) -> GraphResult<Reply> {
    Ok(Reply::ok(collection::single(cx, call, cx.group(key)?)?))
}

pub(crate) fn create(cx: &mut Context<'_>, call: &Call) -> GraphResult<Reply> {
    let body = call.json_object()?;
    create_from(cx, body, None)
}

fn create_from(cx: &mut Context<'_>, body: &Map<String, Value>, unique_name: Option<&str>) -> GraphResult<Reply> {
    for name in REQUIRED {
        if body.get(name).is_none_or(Value::is_null) {
            return Err(GraphError::missing_value(name, "Group"));
        }
    }
    let mut changes = schema::read_body(Kind::Group, body, true)?;
    if let Some(unique_name) = unique_name {
        changes.retain(|(name, _)| name != "uniqueName");
        changes.push(("uniqueName".to_owned(), json!(unique_name)));
    }
    check_values(cx, None, &changes)?;
    let class = class_after(None, &changes);
    check_creatable(cx, class, &changes)?;
    let links = members::read_bindings(cx, body)?;
    if links.members.len() + links.owners.len() > members::MOST_LINKS {
        return Err(members::too_many_links());
    }
    for member in &links.members {
        members::check_member_type(cx, class, false, *member)?;
    }
    users::check_quota(cx)?;

    let id = cx.directory.draw_id();
    let mut properties = Map::new();
    properties.insert("groupTypes".to_owned(), json!([]));
    properties.insert("createdDateTime".to_owned(), json!(graph_time(cx.now)));
    properties.insert("renewedDateTime".to_owned(), json!(graph_time(cx.now)));
    properties.insert("securityIdentifier".to_owned(), json!(security_identifier(id)));
    let stored = cx.knobs.stored_changes(changes);
    properties.extend(stored.into_iter().filter(|(_, value)| !value.is_null()));
    if class == GroupClass::Unified {
        let nickname = properties.get("mailNickname").and_then(Value::as_str).unwrap_or_default();
        let mail = format!("{nickname}@{}", cx.directory.facts.initial_domain());
        properties.insert("proxyAddresses".to_owned(), json!([format!("SMTP:{mail}")]));
        properties.insert("mail".to_owned(), json!(mail));
    }
    cx.directory.create(id, Kind::Group, properties, cx.now);
    if !cx.knobs.drops("members") {
        for member in links.members {
            cx.directory.add_member(id, member);
        }
    }
    cx.directory.set_owners(id, links.owners);
    users::created(cx, id)
}

/// A cloud group's SID is made of its object id, in four 32-bit parts.
fn security_identifier(id: Guid) -> String {
    let bits = id.as_u128();
    let part = |shift: u32| (bits >> shift) as u32;
    format!("S-1-12-1-{}-{}-{}-{}", part(96), part(64), part(32), part(0))
}

fn check_creatable(cx: &Context<'_>, class: GroupClass, changes: &[(String, Value)]) -> GraphResult<()> {
    let mail_enabled = changed(changes, "mailEnabled").and_then(Value::as_bool) == Some(true);
    let security_enabled = changed(changes, "securityEnabled").and_then(Value::as_bool) == Some(true);
    match class {
        GroupClass::Unified if !mail_enabled => {
            return Err(GraphError::invalid_value("mailEnabled", "Group", "A Microsoft 365 group is mail-enabled."));
        }
        GroupClass::Security if !security_enabled => {
            return Err(GraphError::invalid_value("securityEnabled", "Group", "A security group is security-enabled."));
        }
        GroupClass::Unified | GroupClass::Security => {}
        GroupClass::MailEnabledSecurity | GroupClass::Distribution => {
            return Err(GraphError::bad_request(
                "The service does not currently support writes of mail-enabled groups. Please ensure that the \
                 mail-enablement property is unset and the security-enablement property is set.",
            ));
        }
    }
    let types: Vec<&str> = texts(changed(changes, "groupTypes")).collect();
    if types.contains(&"DynamicMembership") && changed(changes, "membershipRule").is_none_or(Value::is_null) {
        return Err(GraphError::missing_value("membershipRule", "Group"));
    }
    if changed(changes, "isAssignableToRole").and_then(Value::as_bool) == Some(true) {
        cx.require(permissions::WRITE_ROLE_GROUPS)?;
    }
    Ok(())
}

fn changed<'a>(changes: &'a [(String, Value)], name: &str) -> Option<&'a Value> {
    changes.iter().find(|(changed, _)| changed == name).map(|(_, value)| value)
}

fn texts(value: Option<&Value>) -> impl Iterator<Item = &str> {
    value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// The class the group would have with the changes.
fn class_after(existing: Option<&Entry>, changes: &[(String, Value)]) -> GroupClass {
    let flag = |name: &str| match changed(changes, name) {
        Some(value) => value.as_bool() == Some(true),
        None => existing.is_some_and(|group| group.flag(name) == Some(true)),
    };
    let unified = texts(changed(changes, "groupTypes")).any(|kind| kind == "Unified")
        || existing.is_some_and(|group| group.is_group_type("Unified"));
    GroupClass::of(unified, flag("mailEnabled"), flag("securityEnabled"))
}

fn check_values(cx: &Context<'_>, existing: Option<&Entry>, changes: &[(String, Value)]) -> GraphResult<()> {
    for (name, value) in changes {
        if value.as_str() == Some("") {
            return Err(GraphError::invalid_value(name, "Group", "An empty string is not a value; null clears."));
        }
        match name.as_str() {
            "displayName" | "mailEnabled" | "securityEnabled" if value.is_null() => {
                return Err(GraphError::invalid_value(name, "Group", "It cannot be cleared."));
            }
            "mailNickname" => check_nickname(cx, existing, changes, value)?,
            "uniqueName" => check_unique_name(cx, existing, value)?,
            "groupTypes" => {
                if let Some(other) = texts(Some(value)).find(|kind| !matches!(*kind, "Unified" | "DynamicMembership")) {
                    return Err(GraphError::invalid_value(name, "Group", &format!("'{other}' is not a group type.")));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn check_nickname(
    cx: &Context<'_>,
    existing: Option<&Entry>,
    changes: &[(String, Value)],
    value: &Value,
) -> GraphResult<()> {
    let Some(nickname) = value.as_str() else {
        return Err(GraphError::missing_value("mailNickname", "Group"));
    };
    if !nickname.is_ascii() || nickname.chars().any(|c| NICKNAME_FORBIDDEN.contains(c) || c.is_control()) {
        return Err(GraphError::invalid_value("mailNickname", "Group", "It contains characters that are not allowed."));
    }
    // A Microsoft 365 group takes its address from the nickname; security groups may share nicknames.
    if class_after(existing, changes) == GroupClass::Unified {
        let address = format!("smtp:{nickname}@{}", cx.directory.facts.initial_domain());
        let mut holders = cx.directory.holders(Table::Proxy, &address);
        if let Some(holder) = holders.find(|holder| Some(holder.id) != existing.map(|group| group.id)) {
            return Err(GraphError::conflict(
                "mailNickname",
                Some(format!("{}_{}", holder.kind.resource(), holder.id)),
            ));
        }
    }
    Ok(())
}

/// `uniqueName` is unique and, once set, stays (section H).
fn check_unique_name(cx: &Context<'_>, existing: Option<&Entry>, value: &Value) -> GraphResult<()> {
    let held = existing.and_then(|group| group.text("uniqueName"));
    if held.is_some() && held != value.as_str() {
        return Err(GraphError::bad_request("Property 'uniqueName' is immutable once it is set."));
    }
    let Some(name) = value.as_str() else { return Ok(()) };
    let mut holders = cx.directory.holders(Table::UniqueName, name);
    match holders.find(|holder| Some(holder.id) != existing.map(|group| group.id)) {
        Some(holder) => Err(GraphError::conflict("uniqueName", Some(format!("Group_{}", holder.id)))),
        None => Ok(()),
    }
}

pub(crate) fn update(cx: &mut Context<'_>, call: &Call, key: &str) -> GraphResult<Reply> {
    let id = cx.group(key).map_err(|error| members::fresh_reference(cx, key, error))?.id;
    update_from(cx, id, call.json_object()?)
}

fn update_from(cx: &mut Context<'_>, id: Guid, body: &Map<String, Value>) -> GraphResult<Reply> {
    let Some(group) = cx.directory.live(id) else {
        return Err(GraphError::not_found(&id.to_string()));
    };
    check_writable(group)?;
    check_role_group(cx, group)?;
    let changes = schema::read_body(Kind::Group, body, false)?;
    if changes.is_empty() {
        cx.require(permissions::WRITE_MEMBERS)?;
    } else {
        cx.require(permissions::WRITE_GROUPS)?;
    }
    check_values(cx, Some(group), &changes)?;
    if class_after(Some(group), &changes) != GroupClass::of_entry(group) {
        return Err(GraphError::bad_request("The kind of a group (security, mail-enabled) cannot be changed."));
    }
    let links = members::read_bindings(cx, body)?;
    members::check_additions(cx, group, &links.members)?;
    if links.owners.iter().any(|owner| group.owners.contains(owner)) {
        return Err(members::already_present("owners"));
    }

    let mut owners = group.owners.clone();
    owners.extend(links.owners);
    let owners_change = owners.len() != group.owners.len();
    let stored = cx.knobs.stored_changes(changes);
    cx.directory.update(id, stored);
    if !cx.knobs.drops("members") {
        for member in links.members {
            cx.directory.add_member(id, member);
        }
    }
    if owners_change {
        cx.directory.set_owners(id, owners);
    }
    Ok(Reply::no_content())
}

/// `GET /groups(uniqueName='x')`.
pub(crate) fn read_by_unique_name(cx: &Context<'_>, call: &Call, name: &str) -> GraphResult<Reply> {
    let mut holders = cx.directory.holders(Table::UniqueName, name);
    let group = holders.find(|group| cx.is_replicated(group)).ok_or_else(|| GraphError::not_found(name))?;
    Ok(Reply::ok(collection::single(cx, call, group)?))
}

/// `PATCH /groups(uniqueName='x')`: changes the group of that name; with `Prefer: create-if-missing` creates it where
/// there is none, so that a repeated create finds its group (section H). Looks at the writing replica, not at what has
/// been replicated.
pub(crate) fn upsert(cx: &mut Context<'_>, call: &Call, name: &str) -> GraphResult<Reply> {
    let body = call.json_object()?;
    if body.get("uniqueName").is_some_and(|sent| sent.as_str() != Some(name)) {
        return Err(GraphError::bad_request("Property 'uniqueName' differs from the key in the address."));
    }
    let found = cx.directory.holders(Table::UniqueName, name).next().map(|group| group.id);
    match found {
        Some(id) => {
            let kind_of_group =
                ["groupTypes", "isAssignableToRole", "resourceBehaviorOptions", "resourceProvisioningOptions"];
            // A repeated create carries create-only properties; they are not changes when they are already so.
            let mut changes = body.clone();
            changes.retain(|name, value| {
                let held = cx.directory.live(id).map(|group| cx.value_of(group, name)).unwrap_or_default();
                !(kind_of_group.contains(&name.as_str()) && held == *value)
            });
            update_from(cx, id, &changes)
        }
        None if call.prefers("create-if-missing") => {
            cx.require(permissions::CREATE_GROUPS)?;
            create_from(cx, body, Some(name))
        }
        None => Err(GraphError::not_found(name)),
    }
}

/// Microsoft 365 groups go to the recycle bin; security groups are gone for good, unless the knob says otherwise (A.9).
pub(crate) fn delete(cx: &mut Context<'_>, key: &str) -> GraphResult<Reply> {
    cx.require(permissions::WRITE_GROUPS)?;
    let group = cx.group(key)?;
    check_writable(group)?;
    check_role_group(cx, group)?;
    let id = group.id;
    if GroupClass::of_entry(group) == GroupClass::Unified || cx.knobs.security_groups_restorable {
        cx.directory.soft_delete(id, cx.now, false);
    } else {
        cx.directory.purge(id, cx.now);
    }
    Ok(Reply::no_content())
}
