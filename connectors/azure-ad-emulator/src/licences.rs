//! Licences: what is for sale, who has what by which way, and giving it to users (A.3). A user has a licence directly, by a group, or
//! both ways at once for one unit; what a group gave is not taken away from the user alone.

use serde_json::{Map, Value, json};

use crate::call::{Call, Reply};
use crate::clock::{Millis, graph_time};
use crate::context::Context;
use crate::directory::Directory;
use crate::entry::Entry;
use crate::errors::{GraphError, GraphResult};
use crate::guid::Guid;
use crate::schema::Kind;
use crate::tenant_facts::Sku;

/// How a user comes to a licence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Direct,
    Group(Guid),
}

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
        "appliesTo": sku.applies_to,
        "capabilityStatus": sku.capability_status,
        "consumedUnits": consumed(cx.directory, sku.sku_id),
        "id": format!("{tenant}_{}", sku.sku_id),
        "prepaidUnits": {
            "enabled": sku.enabled_units,
            "lockedOut": sku.locked_out_units,
            "suspended": sku.suspended_units,
            "warning": sku.warning_units,
        },
        "servicePlans": plans,
        "skuId": sku.sku_id,
        "skuPartNumber": sku.sku_part_number,
        "subscriptionIds": [],
    })
}

fn consumed(directory: &Directory, sku: Guid) -> u64 {
    let users = directory.listing(Kind::User, None).filter(|(_, user)| holds(&in_force(&states(user)), sku));
    u64::try_from(users.count()).unwrap_or(u64::MAX)
}

/// The ways of a user, and how each stands. A user that was kept before there were any has its licences directly.
pub(crate) fn states(user: &Entry) -> Vec<Value> {
    let list = |name: &str| user.properties.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let states = list("licenseAssignmentStates");
    let unexplained = list("assignedLicenses").into_iter().filter_map(|licence| {
        let sku = sku_of(&licence).filter(|sku| !states.iter().any(|state| sku_of(state) == Some(*sku)))?;
        let disabled = licence.get("disabledPlans").and_then(Value::as_array).cloned().unwrap_or_default();
        Some(state(sku, &Way::Direct, None, &disabled, 0))
    });
    let unexplained: Vec<Value> = unexplained.collect();
    states.into_iter().chain(unexplained).collect()
}

/// One way of a licence, as `licenseAssignmentStates` lists it.
pub(crate) fn state(sku: Guid, way: &Way, error: Option<&str>, disabled_plans: &[Value], now: Millis) -> Value {
    let group = match way {
        Way::Direct => Value::Null,
        Way::Group(group) => json!(group),
    };
    json!({
        "assignedByGroup": group,
        "disabledPlans": disabled_plans,
        "error": error.unwrap_or("None"),
        "lastUpdatedDateTime": graph_time(now),
        "skuId": sku,
        "state": if error.is_some() { "Error" } else { "Active" },
    })
}

/// `assignedLicenses`: each licence once, without the plans that every way of it leaves out.
pub(crate) fn in_force(states: &[Value]) -> Vec<Value> {
    let mut licences: Vec<(Guid, Vec<Value>)> = Vec::new();
    for state in states.iter().filter(|state| state["state"] == "Active") {
        let Some(sku) = sku_of(state) else { continue };
        let disabled = state["disabledPlans"].as_array().cloned().unwrap_or_default();
        match licences.iter_mut().find(|(known, _)| *known == sku) {
            Some((_, kept)) => kept.retain(|plan| disabled.contains(plan)),
            None => licences.push((sku, disabled)),
        }
    }
    licences.into_iter().map(|(sku, disabled)| json!({ "disabledPlans": disabled, "skuId": sku })).collect()
}

/// Both properties of a user.
pub(crate) fn properties(states: &[Value]) -> Vec<(String, Value)> {
    vec![
        ("assignedLicenses".to_owned(), Value::Array(in_force(states))),
        ("licenseAssignmentStates".to_owned(), Value::Array(states.to_vec())),
    ]
}

fn sku_of(licence: &Value) -> Option<Guid> {
    licence.get("skuId").and_then(Value::as_str).and_then(Guid::parse)
}

fn holds(licences: &[Value], sku: Guid) -> bool {
    licences.iter().any(|licence| sku_of(licence) == Some(sku))
}

fn is_direct(state: &Value, sku: Guid) -> bool {
    sku_of(state) == Some(sku) && state["assignedByGroup"].is_null()
}

/// Why a user cannot have a licence beside those of its states, in the words of `licenseAssignmentState.error`.
pub(crate) fn violation(directory: &Directory, user: &Entry, states: &[Value], sku: Guid) -> Option<&'static str> {
    let facts = &directory.facts;
    let known = facts.sku(sku)?;
    let held = in_force(states);
    if holds(&held, sku) {
        return None;
    }
    if user
        .text("usageLocation")
        .is_some_and(|place| known.prohibited_in.iter().any(|no| no.eq_ignore_ascii_case(place)))
    {
        return Some("ProhibitedInUsageLocationViolation");
    }
    if held.iter().filter_map(sku_of).filter_map(|held| facts.sku(held)).any(|held| excludes(held, known)) {
        return Some("MutuallyExclusiveViolation");
    }
    let usable = if known.is_usable() { known.enabled_units + known.warning_units } else { 0 };
    // What the states in hand hold besides is not in the directory yet, and is another licence.
    (consumed(directory, sku) >= usable).then_some("CountViolation")
}

fn excludes(one: &Sku, other: &Sku) -> bool {
    let names =
        |sku: &Sku, other: &Sku| sku.excludes.iter().any(|name| name.eq_ignore_ascii_case(&other.sku_part_number));
    names(one, other) || names(other, one)
}

/// `POST /users/{id}/assignLicense`. Works on synchronised users too.
pub(crate) fn assign(cx: &mut Context<'_>, call: &Call, key: &str) -> GraphResult<Reply> {
    let body = call.json_object()?;
    let user = cx.user(key)?;
    let additions = array(body, "addLicenses")?;
    let removals = array(body, "removeLicenses")?;
    let mut held = states(user);
    for removal in removals {
        let sku = removal.as_str().and_then(Guid::parse).ok_or_else(|| invalid("removeLicenses"))?;
        if !held.iter().any(|state| is_direct(state, sku)) {
            return Err(GraphError::bad_request(match held.iter().any(|state| sku_of(state) == Some(sku)) {
                true => {
                    "User license is inherited from a group membership and it cannot be removed directly from the user."
                }
                false => "User does not have a corresponding license.",
            }));
        }
        held.retain(|state| !is_direct(state, sku));
    }
    if !additions.is_empty() && user.text("usageLocation").is_none() {
        return Err(GraphError::bad_request("License assignment cannot be done for user with invalid usage location."));
    }
    for addition in additions {
        let sku_id = sku_of(addition).ok_or_else(|| invalid("addLicenses"))?;
        let Some(sku) = cx.directory.facts.sku(sku_id).filter(|sku| sku.applies_to.eq_ignore_ascii_case("user")) else {
            return Err(GraphError::bad_request(format!(
                "License {sku_id} does not correspond to a valid company License."
            )));
        };
        if let Some(violation) = violation(cx.directory, user, &held, sku_id) {
            return Err(refusal(sku, violation));
        }
        let disabled = disabled_plans(sku, addition)?;
        held.retain(|state| !is_direct(state, sku_id));
        held.push(state(sku_id, &Way::Direct, None, &disabled, cx.now));
    }
    let id = user.id;
    cx.directory.update(id, properties(&held));
    let user = cx.user(&id.to_string())?;
    let mut printed = Map::new();
    printed.insert("@odata.context".to_owned(), json!(format!("{}$metadata#users/$entity", cx.graph_url)));
    printed.extend(cx.print(user, None));
    printed.insert("assignedLicenses".to_owned(), cx.value_of(user, "assignedLicenses"));
    Ok(Reply::ok(Value::Object(printed)))
}

/// The same cause in the words of the direct request.
fn refusal(sku: &Sku, violation: &str) -> GraphError {
    let id = sku.sku_id;
    GraphError::bad_request(match violation {
        "CountViolation" => format!("Subscription with SKU {id} does not have any available licenses."),
        "MutuallyExclusiveViolation" => {
            let plans: Vec<String> = sku.service_plans.iter().map(|plan| plan.service_plan_id.to_string()).collect();
            format!("License assignment failed because service plans {} are mutually exclusive.", plans.join(", "))
        }
        _ => format!("License {id} cannot be assigned in the usage location of the user ({violation})."),
    })
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
