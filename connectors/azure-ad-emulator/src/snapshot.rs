//! The dump of a tenant: everything a client can see, in a fixed order and without change numbers, secrets or passwords,
//! so that two dumps differ only where the tenant does.

use serde_json::{Map, Value, json};

use crate::directory::Directory;
use crate::entry::Entry;
use crate::guid::Guid;
use crate::schema::Kind;
use crate::tenant_facts::{RoleGrant, role_name};

/// `{"organization", "domains", "subscribedSkus", "users", "groups", "contacts", "deletedItems", "roleAssignments",
/// "roleEligibilities"}`; objects are sorted by id, properties by name.
pub(crate) fn take(directory: &Directory) -> Value {
    let facts = &directory.facts;
    let mut deleted: Vec<&Entry> = directory.recycle_bin().collect();
    deleted.sort_by_key(|entry| entry.id);
    json!({
        "organization": {
            "id": facts.tenant_id,
            "displayName": facts.display_name,
            "onPremisesSyncEnabled": facts.on_premises_sync_enabled,
            "onPremisesLastSyncDateTime": facts.on_premises_last_sync,
            "features": facts.features,
        },
        "domains": facts.domains,
        "subscribedSkus": facts.skus,
        "users": of_kind(directory, Kind::User),
        "groups": of_kind(directory, Kind::Group),
        "contacts": of_kind(directory, Kind::Contact),
        "deletedItems": deleted.into_iter().map(|entry| object(directory, entry)).collect::<Vec<_>>(),
        "roleAssignments": roles(&facts.active_roles),
        "roleEligibilities": roles(&facts.eligible_roles),
    })
}

fn of_kind(directory: &Directory, kind: Kind) -> Vec<Value> {
    let live = directory.all().filter(|entry| entry.is_live() && entry.kind == kind);
    live.map(|entry| object(directory, entry)).collect()
}

fn object(directory: &Directory, entry: &Entry) -> Value {
    let mut properties: Vec<(&String, &Value)> =
        entry.properties.iter().filter(|(_, value)| !value.is_null()).collect();
    properties.sort_by_key(|(name, _)| *name);
    let mut printed = Map::new();
    printed.insert("id".to_owned(), json!(entry.id));
    printed.extend(properties.into_iter().map(|(name, value)| (name.clone(), value.clone())));
    if let (Some(anchor), true) = (&entry.source_anchor, entry.kind != Kind::User) {
        printed.insert("sourceAnchor".to_owned(), json!(anchor));
    }
    if entry.is_cloud_managed {
        printed.insert("isCloudManaged".to_owned(), json!(true));
    }
    if let Some(manager) = entry.manager.filter(|manager| directory.live(*manager).is_some()) {
        printed.insert("manager".to_owned(), json!(manager));
    }
    if entry.kind == Kind::Group {
        let members: Vec<Guid> = entry.members().filter(|member| directory.live(*member).is_some()).collect();
        printed.insert("members".to_owned(), json!(members));
    }
    if let Some(deletion) = &entry.deleted {
        printed.insert("memberOf".to_owned(), json!(deletion.member_of));
    }
    Value::Object(printed)
}

fn roles(grants: &[RoleGrant]) -> Vec<Value> {
    let print = |grant: &RoleGrant| json!({ "principalId": grant.principal, "roleDefinitionId": grant.role_definition, "role": role_name(grant.role_definition) });
    grants.iter().map(print).collect()
}
