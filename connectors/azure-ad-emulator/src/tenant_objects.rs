//! What a tenant shows of itself: organisation, domains, synchronisation settings, source-of-authority behaviour, and
//! objects by id whatever their type (A.10, A.11).

use serde_json::{Map, Value, json};

use crate::call::{Call, Reply};
use crate::collection;
use crate::context::Context;
use crate::errors::{GraphError, GraphResult};
use crate::guid::Guid;
use crate::permissions;
use crate::schema::Kind;
use crate::synchronisation;
use crate::tenant_facts::Domain;

/// Most ids in one `getByIds`.
const MOST_IDS: usize = 1_000;

fn organization(cx: &Context<'_>) -> Value {
    let facts = &cx.directory.facts;
    let domains: Vec<Value> = facts
        .domains
        .iter()
        .filter(|domain| domain.is_verified)
        .map(|domain| {
            json!({
                "capabilities": "Email, OfficeCommunicationsOnline",
                "isDefault": domain.is_default,
                "isInitial": domain.is_initial,
                "name": domain.name,
                "type": authentication(domain),
            })
        })
        .collect();
    json!({
        "id": facts.tenant_id,
        "deletedDateTime": null,
        "assignedPlans": [],
        "businessPhones": [],
        "city": null,
        "country": null,
        "countryLetterCode": null,
        "createdDateTime": facts.created,
        "displayName": facts.display_name,
        "marketingNotificationEmails": [],
        "onPremisesLastSyncDateTime": facts.on_premises_last_sync,
        "onPremisesSyncEnabled": synchronisation::shown_flag(cx.directory, cx.knobs),
        "postalCode": null,
        "preferredLanguage": null,
        "provisionedPlans": [],
        "securityComplianceNotificationMails": [],
        "securityComplianceNotificationPhones": [],
        "state": null,
        "street": null,
        "technicalNotificationMails": facts.technical_notification_mails,
        "tenantType": "AAD",
        "verifiedDomains": domains,
    })
}

fn authentication(domain: &Domain) -> &'static str {
    if domain.is_federated { "Federated" } else { "Managed" }
}

/// Keeps the selected properties; names that do not exist are refused.
fn select(call: &Call, object: Value) -> GraphResult<Value> {
    let Some((_, names)) = call.options().into_iter().find(|(name, _)| name == "$select") else {
        return Ok(object);
    };
    let mut selected = Map::new();
    for name in names.split(',').map(str::trim) {
        let value = object.get(name).ok_or_else(|| collection::unknown_property(name, &[]))?;
        selected.insert(name.to_owned(), value.clone());
    }
    Ok(Value::Object(selected))
}

pub(crate) fn list_organizations(cx: &Context<'_>, call: &Call) -> GraphResult<Reply> {
    let context = format!("{}$metadata#organization", cx.graph_url);
    Ok(Reply::ok(json!({ "@odata.context": context, "value": [select(call, organization(cx))?] })))
}

pub(crate) fn read_organization(cx: &Context<'_>, call: &Call, key: &str) -> GraphResult<Reply> {
    if Guid::parse(key) != Some(cx.directory.facts.tenant_id) {
        return Err(GraphError::not_found(key));
    }
    Ok(Reply::ok(select(call, organization(cx))?))
}

fn domain(domain: &Domain) -> Value {
    json!({
        "id": domain.name,
        "authenticationType": authentication(domain),
        "availabilityStatus": null,
        "isAdminManaged": true,
        "isDefault": domain.is_default,
        "isInitial": domain.is_initial,
        "isRoot": true,
        "isVerified": domain.is_verified,
        "supportedServices": ["Email", "OfficeCommunicationsOnline"],
        "passwordNotificationWindowInDays": null,
        "passwordValidityPeriodInDays": null,
        "state": null,
    })
}

pub(crate) fn list_domains(cx: &Context<'_>, call: &Call) -> GraphResult<Reply> {
    let domains: GraphResult<Vec<Value>> =
        cx.directory.facts.domains.iter().map(|known| select(call, domain(known))).collect();
    Ok(Reply::ok(json!({ "@odata.context": format!("{}$metadata#domains", cx.graph_url), "value": domains? })))
}

pub(crate) fn read_domain(cx: &Context<'_>, call: &Call, key: &str) -> GraphResult<Reply> {
    let known = cx.directory.facts.domain(key).ok_or_else(|| GraphError::not_found(key))?;
    Ok(Reply::ok(select(call, domain(known))?))
}

fn behaviour_permissions(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::User => permissions::SYNC_BEHAVIOUR_OF_USERS,
        Kind::Group => permissions::SYNC_BEHAVIOUR_OF_GROUPS,
        Kind::Contact => permissions::SYNC_BEHAVIOUR_OF_CONTACTS,
    }
}

pub(crate) fn read_sync_behaviour(cx: &Context<'_>, kind: Kind, key: &str) -> GraphResult<Reply> {
    cx.require(behaviour_permissions(kind))?;
    let entry = cx.of_kind(kind, key)?;
    let context = format!("{}$metadata#{}('{}')/onPremisesSyncBehavior/$entity", cx.graph_url, kind.set(), entry.id);
    Ok(Reply::ok(json!({
        "@odata.context": context,
        "id": entry.id,
        "isCloudManaged": entry.is_cloud_managed,
    })))
}

/// Moves the source of authority (A.11): to the cloud, which ends the synchronised state; or back, which takes effect
/// with the next synchronisation of the object.
pub(crate) fn change_sync_behaviour(cx: &mut Context<'_>, call: &Call, kind: Kind, key: &str) -> GraphResult<Reply> {
    cx.require(behaviour_permissions(kind))?;
    let id = cx.of_kind(kind, key)?.id;
    let wanted = call.json_object()?.get("isCloudManaged").and_then(Value::as_bool);
    let is_cloud_managed =
        wanted.ok_or_else(|| GraphError::missing_value("isCloudManaged", "OnPremisesSyncBehavior"))?;
    cx.directory.set_cloud_managed(id, is_cloud_managed);
    if is_cloud_managed {
        cx.directory.update(id, vec![("onPremisesSyncEnabled".to_owned(), Value::Null)]);
    }
    Ok(Reply::no_content())
}

/// `GET /directoryObjects/{id}`.
pub(crate) fn read_object(cx: &Context<'_>, call: &Call, key: &str) -> GraphResult<Reply> {
    let entry = Guid::parse(key).and_then(|id| cx.visible(id)).ok_or_else(|| GraphError::not_found(key))?;
    Ok(Reply::ok(collection::single_typed(cx, call, entry)?))
}

/// `POST /directoryObjects/getByIds`: those of the ids that exist, of the types asked for.
pub(crate) fn get_by_ids(cx: &Context<'_>, call: &Call) -> GraphResult<Reply> {
    let body = call.json_object()?;
    let texts = |name: &str| {
        body.get(name).and_then(Value::as_array).map(|items| items.iter().filter_map(Value::as_str).collect())
    };
    let ids: Vec<&str> = texts("ids").unwrap_or_default();
    if ids.is_empty() || ids.len() > MOST_IDS {
        return Err(GraphError::bad_request(format!("'ids' holds 1 to {MOST_IDS} object ids.")));
    }
    let types: Vec<&str> = texts("types").unwrap_or_default();
    let wanted = |kind: Kind| {
        let name = kind.odata_type().trim_start_matches("#microsoft.graph.");
        types.is_empty() || types.iter().any(|wanted| wanted.eq_ignore_ascii_case(name) || *wanted == "directoryObject")
    };
    let select = collection::Options::read(call, &[Kind::User, Kind::Group, Kind::Contact])?.select;
    let mut rows = Vec::new();
    for id in ids {
        let id = Guid::parse(id).ok_or_else(|| GraphError::bad_request(format!("'{id}' is not an object id.")))?;
        if let Some(entry) = cx.visible(id).filter(|entry| wanted(entry.kind)) {
            rows.push(Value::Object(cx.print_typed(entry, select.as_deref())));
        }
    }
    Ok(Reply::ok(json!({ "@odata.context": format!("{}$metadata#directoryObjects", cx.graph_url), "value": rows })))
}
