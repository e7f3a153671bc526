//! Licences: what is for sale and assigning it to users (A.3).

use serde_json::{Map, Value, json};

use crate::call::{Call, Reply};
use crate::context::Context;
use crate::entry::Entry;
use crate::errors::{GraphError, GraphResult};
use crate::guid::Guid;
use crate::schema::Kind;
use crate::tenant_facts::Sku;

pub(crate) fn subscribed_skus(cx: &Context<'_>) -> Value {
    let skus: Vec<Value> = cx.directory.facts.skus.iter().map(|sku| print(cx, sku)).collect();
    json!({ "@odata.context": format!("{}$metadata#subscribedSkus", cx.graph_url), "value": skus })
}

fn print(cx: &Context<'_>, sku: &Sku) -> Value {
    let tenant = cx.directory.facts.tenant_id;
    let plans: Vec<Value> = sku
        .service_plans
        .iter()
        .map(|plan| {
            json!({
                "appliesTo": "User",
                "provisioningStatus": "Success",
                "servicePlanId": plan.service_plan_id,
                "servicePlanName": plan.service_plan_name,
            })
        })
        .collect();
    json!({
        "accountId": tenant,
        "accountName": cx.directory.facts.display_name,
        "appliesTo": "User",
        "capabilityStatus": "Enabled",
        "consumedUnits": consumed(cx, sku.sku_id),
        "id": format!("{tenant}_{}", sku.sku_id),
        "prepaidUnits": { "enabled": sku.enabled_units, "lockedOut": 0, "suspended": 0, "warning": 0 },
        "servicePlans": plans,
        "skuId": sku.sku_id,
        "skuPartNumber": sku.sku_part_number,
        "subscriptionIds": [],
    })
}

fn consumed(cx: &Context<'_>, sku: Guid) -> usize {
    cx.directory.listing(Kind::User, None).filter(|(_, user)| holds(user, sku)).count()
}

fn licences(user: &Entry) -> &[Value] {
    user.properties.get("assignedLicenses").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn sku_of(licence: &Value) -> Option<Guid> {
    licence.get("skuId").and_then(Value::as_str).and_then(Guid::parse)
}

fn holds(user: &Entry, sku: Guid) -> bool {
    licences(user).iter().any(|licence| sku_of(licence) == Some(sku))
}

/// `POST /users/{id}/assignLicense`. Works on synchronised users too.
pub(crate) fn assign(cx: &mut Context<'_>, call: &Call, key: &str) -> GraphResult<Reply> {
    let body = call.json_object()?;
    let user = cx.user(key)?;
    let additions = array(body, "addLicenses")?;
    let removals = array(body, "removeLicenses")?;
    let mut held: Vec<Value> = licences(user).to_vec();
    for removal in removals {
        let sku = removal.as_str().and_then(Guid::parse).ok_or_else(|| invalid("removeLicenses"))?;
        if !holds(user, sku) {
            return Err(GraphError::bad_request("User does not have a corresponding license."));
        }
        held.retain(|licence| sku_of(licence) != Some(sku));
    }
    if !additions.is_empty() && user.text("usageLocation").is_none() {
        return Err(GraphError::bad_request("License assignment cannot be done for user with invalid usage location."));
    }
    for addition in additions {
        let sku_id = sku_of(addition).ok_or_else(|| invalid("addLicenses"))?;
        let Some(sku) = cx.directory.facts.sku(sku_id) else {
            return Err(GraphError::bad_request(format!(
                "License {sku_id} does not correspond to a valid company License."
            )));
        };
        let used = u64::try_from(consumed(cx, sku_id)).unwrap_or(u64::MAX);
        if !holds(user, sku_id) && used >= sku.enabled_units {
            return Err(GraphError::bad_request(format!(
                "Subscription with SKU {sku_id} does not have any available licenses."
            )));
        }
        let disabled = disabled_plans(sku, addition)?;
        held.retain(|licence| sku_of(licence) != Some(sku_id));
        held.push(json!({ "disabledPlans": disabled, "skuId": sku_id }));
    }
    let id = user.id;
    cx.directory.update(id, vec![("assignedLicenses".to_owned(), Value::Array(held))]);
    let user = cx.user(&id.to_string())?;
    let mut printed = Map::new();
    printed.insert("@odata.context".to_owned(), json!(format!("{}$metadata#users/$entity", cx.graph_url)));
    printed.extend(cx.print(user, None));
    printed.insert("assignedLicenses".to_owned(), cx.value_of(user, "assignedLicenses"));
    Ok(Reply::ok(Value::Object(printed)))
}

/// Both arrays have to be there, also when empty.
fn array<'a>(body: &'a Map<String, Value>, name: &str) -> GraphResult<&'a [Value]> {
    match body.get(name) {
        Some(Value::Array(items)) => Ok(items),
        _ => Err(invalid(name)),
    }
}

fn invalid(name: &str) -> GraphError {
    GraphError::bad_request(format!(
        "One or more parameters of the operation 'assignLicense' are missing or invalid: '{name}'."
    ))
}

fn disabled_plans(sku: &Sku, addition: &Value) -> GraphResult<Vec<Value>> {
    let wanted = addition.get("disabledPlans").and_then(Value::as_array).cloned().unwrap_or_default();
    for plan in &wanted {
        let id = plan.as_str().and_then(Guid::parse);
        if !sku.service_plans.iter().any(|known| Some(known.service_plan_id) == id) {
            return Err(GraphError::bad_request(format!(
                "The service plan {plan} is not part of license {}.",
                sku.sku_id
            )));
        }
    }
    Ok(wanted)
}
