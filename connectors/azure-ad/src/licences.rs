//! Licences over Graph (A.3), in both modes: what the tenant subscribed to, who holds what and by which way, and giving one. Takes
//! none away, and decides about nobody: whom to give one is the engine's decision.

use crate::batch::{BATCH, Call, Fresh};
use crate::client::GraphClient;
use crate::errors::problem;
use crate::export::accepted;
use crate::pages::Pages;
use crate::schema::USER;
use crate::settings::Mode;
use crate::source_of_authority::{cloud_managed, is_moved};
use crate::urls;
use connector_contract::{
    ConnectorError, ExportOutcome, ExportProblem, LicenceHeld, LicenceOrder, LicencePlan, LicenceProduct, LicenceUnits,
    LicenceWay, LicensedUser,
};
use metaverse_schema::Anchor;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The least that reading subscriptions needs; a synchronisation has it anyway.
const READ_PRODUCTS: &str = "Organization.Read.All";
/// The least that giving a licence needs.
pub(crate) const ASSIGN: &str = "LicenseAssignment.ReadWrite.All";
const SELECT: &str = "id,accountEnabled,usageLocation,onPremisesSyncEnabled,assignedLicenses,licenseAssignmentStates";
/// More users than this are read as pages of all users: a request for each would cost more than what is read for nothing.
const SINGLY: usize = 400;

/// What the tenant has subscribed to.
pub(crate) async fn products(graph: &GraphClient) -> Result<Vec<LicenceProduct>, ConnectorError> {
    let mut pages = Pages::collection(graph, urls::subscribed_skus(), "reading subscriptions", READ_PRODUCTS)?;
    let mut found = Vec::new();
    while let Some(page) = pages.next().await? {
        found.extend(page.entries.iter().filter_map(product));
    }
    Ok(found)
}

/// How users stand. One that is not there has no answer.
pub(crate) async fn standing(graph: &GraphClient, users: &[Anchor]) -> Result<Vec<LicensedUser>, ConnectorError> {
    let mode = graph.settings().mode;
    if users.len() > SINGLY {
        return among_all(graph, users).await;
    }
    let paths = users.iter().map(|user| urls::object_selecting(USER, &user.to_string(), SELECT)).collect();
    let bodies = graph.find_all(paths, "reading licences of users", USER.right).await?;
    Ok(bodies.iter().flatten().filter_map(Value::as_object).filter_map(|entry| licensed(entry, mode)).collect())
}

async fn among_all(graph: &GraphClient, users: &[Anchor]) -> Result<Vec<LicensedUser>, ConnectorError> {
    let (wanted, mode): (BTreeSet<&Anchor>, Mode) = (users.iter().collect(), graph.settings().mode);
    let mut pages = Pages::collection(graph, &urls::users_selecting(SELECT), "reading licences of users", USER.right)?;
    let mut found = Vec::new();
    while let Some(page) = pages.next().await? {
        let users = page.entries.iter().filter_map(|entry| licensed(entry, mode));
        found.extend(users.filter(|user| wanted.contains(&user.anchor)));
    }
    Ok(found)
}

/// As many as fill the connections once.
pub(crate) fn batch_size(graph: &GraphClient) -> usize {
    BATCH * graph.settings().concurrency.max(1)
}

/// Gives the licences, a usage location before where one is asked for.
pub(crate) async fn assign(
    graph: &GraphClient,
    orders: &[LicenceOrder],
) -> Result<Vec<(i64, ExportOutcome)>, ConnectorError> {
    if orders.is_empty() {
        return Ok(Vec::new());
    }
    graph.ready().await?;
    let mut outcomes = cloud_managed_ones(graph, orders).await;
    let ours: Vec<&LicenceOrder> = orders.iter().filter(|order| !outcomes.contains_key(&order.id)).collect();
    outcomes.extend(locate(graph, &ours).await);
    let placed: Vec<&LicenceOrder> = orders.iter().filter(|order| !outcomes.contains_key(&order.id)).collect();
    let call = |order: &&LicenceOrder| {
        // A location that was written a moment ago may not be there for this request yet (A.2).
        let fresh = if order.usage_location.is_some() { Fresh::MissingOrRefused } else { Fresh::No };
        Call::post(urls::assign_license(&order.user.to_string()), body(order)).fresh(fresh)
    };
    let calls: Vec<Call> = placed.iter().map(call).collect();
    for (order, settled) in placed.iter().zip(graph.send_all(&calls).await) {
        let outcome = match accepted(&settled, &format!("giving user {} a licence", order.user)) {
            Ok(_) => ExportOutcome::Accepted { anchor: None, failed_references: Vec::new() },
            Err(outcome) => explained(outcome, ASSIGN),
        };
        outcomes.insert(order.id, outcome);
    }
    Ok(outcomes.into_iter().collect())
}

/// SF30: whoever somebody moved to the cloud meanwhile is not written. Asked where users are synchronised; elsewhere all are the
/// cloud's.
async fn cloud_managed_ones(graph: &GraphClient, orders: &[LicenceOrder]) -> BTreeMap<i64, ExportOutcome> {
    if graph.settings().mode == Mode::Graph {
        return BTreeMap::new();
    }
    let ids: Vec<String> = orders.iter().map(|order| order.user.to_string()).collect();
    let asked: Vec<_> = ids.iter().map(|id| (USER, id.as_str())).collect();
    let moved = is_moved(graph, &asked).await;
    let refused = orders.iter().zip(&ids).zip(moved).filter_map(|((order, id), moved)| {
        let outcome = match moved {
            Ok(false) => return None,
            Ok(true) => ExportOutcome::Refused(cloud_managed(USER, id)),
            Err(outcome) => outcome,
        };
        Some((order.id, outcome))
    });
    refused.collect()
}

/// Writes usage locations; what it came to where it was not written.
async fn locate(graph: &GraphClient, orders: &[&LicenceOrder]) -> BTreeMap<i64, ExportOutcome> {
    let wanted: Vec<(&LicenceOrder, &String)> =
        orders.iter().filter_map(|order| Some((*order, order.usage_location.as_ref()?))).collect();
    let call = |(order, location): &(&LicenceOrder, &String)| {
        let body = Map::from_iter([("usageLocation".to_owned(), json!(location))]);
        Call::patch(urls::object(USER, &order.user.to_string()), body)
    };
    let calls: Vec<Call> = wanted.iter().map(call).collect();
    let answers = graph.send_all(&calls).await;
    let failed = wanted.iter().zip(answers).filter_map(|((order, _), settled)| {
        let outcome = accepted(&settled, &format!("writing the usage location of user {}", order.user)).err()?;
        Some((order.id, explained(outcome, "User.ReadWrite.All")))
    });
    failed.collect()
}

/// Both lists have to be there, also when empty.
fn body(order: &LicenceOrder) -> Map<String, Value> {
    let added = json!([{ "skuId": order.product, "disabledPlans": order.without_plans }]);
    Map::from_iter([("addLicenses".to_owned(), added), ("removeLicenses".to_owned(), json!([]))])
}

/// What the service says of a licence it says in words alone: they are passed on, and what helps is named for all of them.
fn explained(outcome: ExportOutcome, right: &str) -> ExportOutcome {
    let ExportOutcome::Refused(refusal) = outcome else { return outcome };
    ExportOutcome::Refused(match refusal.code.as_str() {
        "permission-issue" => {
            let remedy = format!("grant the application permission {right} and give admin consent");
            ExportProblem { remedy, ..refusal }
        }
        "constraint-violation" => {
            let remedy = "read what the service says: another licence of the user excludes this one, a plan needs another plan, \
                 or the units were taken meanwhile; then run the command again";
            problem("licence-refused", None, refusal.message, remedy, refusal.retry)
        }
        _ => refusal,
    })
}

fn text(entry: &Map<String, Value>, name: &str) -> Option<String> {
    entry.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}

fn objects<'a>(entry: &'a Map<String, Value>, name: &str) -> impl Iterator<Item = &'a Map<String, Value>> {
    entry.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object)
}

fn ids(entry: &Map<String, Value>, name: &str) -> Vec<String> {
    let list = entry.get(name).and_then(Value::as_array).into_iter().flatten();
    list.filter_map(Value::as_str).map(str::to_lowercase).collect()
}

fn product(entry: &Map<String, Value>) -> Option<LicenceProduct> {
    let id = text(entry, "skuId")?.to_lowercase();
    let prepaid = entry.get("prepaidUnits").and_then(Value::as_object);
    let units = |name: &str| prepaid.and_then(|units| units.get(name)).and_then(Value::as_u64).unwrap_or(0);
    let plan = |plan: &Map<String, Value>| {
        let id = text(plan, "servicePlanId")?.to_lowercase();
        Some(LicencePlan { name: text(plan, "servicePlanName").unwrap_or_else(|| id.clone()), id })
    };
    Some(LicenceProduct {
        name: text(entry, "skuPartNumber").unwrap_or_else(|| id.clone()),
        id,
        status: text(entry, "capabilityStatus").unwrap_or_default(),
        for_users: text(entry, "appliesTo").is_none_or(|applies| applies.eq_ignore_ascii_case("user")),
        units: LicenceUnits {
            enabled: units("enabled"),
            consumed: entry.get("consumedUnits").and_then(Value::as_u64).unwrap_or(0),
            warning: units("warning"),
            suspended: units("suspended"),
            locked_out: units("lockedOut"),
        },
        plans: objects(entry, "servicePlans").filter_map(plan).collect(),
    })
}

fn licensed(entry: &Map<String, Value>, mode: Mode) -> Option<LicensedUser> {
    let anchor = Anchor::text(&text(entry, "id")?).ok()?;
    let flag = |name: &str| entry.get(name).and_then(Value::as_bool);
    let mut held: Vec<LicenceHeld> = objects(entry, "licenseAssignmentStates").filter_map(state).collect();
    // Whoever tells no ways tells at least what is in force.
    for licence in objects(entry, "assignedLicenses") {
        let Some(product) = text(licence, "skuId").map(|id| id.to_lowercase()) else { continue };
        if !held.iter().any(|known| known.product == product) {
            let without_plans = ids(licence, "disabledPlans");
            let (way, state) = (LicenceWay::Direct, "Active".to_owned());
            held.push(LicenceHeld { product, way, state, error: None, without_plans });
        }
    }
    held.sort_by(|a, b| (&a.product, &a.way).cmp(&(&b.product, &b.way)));
    Some(LicensedUser {
        anchor,
        enabled: flag("accountEnabled"),
        usage_location: text(entry, "usageLocation"),
        // In Graph mode users stay the cloud's, whoever writes them.
        synchronised: (mode == Mode::Connect).then(|| flag("onPremisesSyncEnabled") == Some(true)),
        held,
    })
}

fn state(entry: &Map<String, Value>) -> Option<LicenceHeld> {
    let group = text(entry, "assignedByGroup").map(|group| Anchor::text(&group));
    let way = match group {
        None => LicenceWay::Direct,
        Some(group) => LicenceWay::Group(group.ok()?),
    };
    Some(LicenceHeld {
        product: text(entry, "skuId")?.to_lowercase(),
        way,
        state: text(entry, "state").unwrap_or_default(),
        // Without an error the service says `None`, or nothing.
        error: text(entry, "error").filter(|error| !error.eq_ignore_ascii_case("none")),
        without_plans: ids(entry, "disabledPlans"),
    })
}

/// For `check`: whether subscriptions can be read. Licences are nobody's duty, so that nothing here is a fault.
pub(crate) async fn probe(graph: &GraphClient) -> String {
    let needs = format!(
        "`metasync licenses` needs {READ_PRODUCTS} for reading subscriptions, {} for users and {ASSIGN} for giving licences",
        USER.right
    );
    match products(graph).await {
        Ok(products) => format!(
            "optional: {needs}; {} subscriptions can be read, giving is not tried, as check writes nothing",
            products.len()
        ),
        Err(error) => format!("optional: {needs}; subscriptions cannot be read now: {}", error.message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    /// A.3, and learn.microsoft.com/graph/api/resources/licenseassignmentstate: ways, states and errors.
    #[test]
    fn a_user_s_licences_are_read_with_their_ways_and_errors() {
        let user = json!({
            "id": "u-1", "accountEnabled": true, "usageLocation": "DE", "onPremisesSyncEnabled": null,
            "assignedLicenses": [
                { "skuId": "AAAAAAAA-0000-4000-8000-000000000001", "disabledPlans": [] },
                { "skuId": "aaaaaaaa-0000-4000-8000-000000000009", "disabledPlans": ["P-9"] },
            ],
            "licenseAssignmentStates": [
                { "skuId": "aaaaaaaa-0000-4000-8000-000000000001", "assignedByGroup": "g-1", "state": "Active", "error": "None",
                  "disabledPlans": [] },
                { "skuId": "aaaaaaaa-0000-4000-8000-000000000002", "assignedByGroup": "g-1", "state": "Error",
                  "error": "CountViolation", "disabledPlans": [] },
                { "skuId": "aaaaaaaa-0000-4000-8000-000000000001", "assignedByGroup": null, "state": "Active", "error": null,
                  "disabledPlans": ["P-1"] },
                7, { "state": "Active" },
            ],
        });
        let read = |mode: Mode| licensed(user.as_object().unwrap(), mode).unwrap();
        let (user, synced) = (read(Mode::Graph), read(Mode::Connect).synchronised);
        let told: String = user
            .held
            .iter()
            .map(|held| {
                let error = held.error.as_deref().unwrap_or("-");
                let plans = held.without_plans.join(",");
                format!(
                    "{} {:?} {} {error} [{plans}] {}\n",
                    &held.product[34..],
                    held.way,
                    held.state,
                    held.is_in_force()
                )
            })
            .collect();
        expect![[r#"
            01 Direct Active - [p-1] true
            01 Group(g-1) Active - [] true
            02 Group(g-1) Error CountViolation [] false
            09 Direct Active - [p-9] true
        "#]]
        .assert_eq(&told);
        assert_eq!((user.enabled, user.usage_location.as_deref(), user.synchronised), (Some(true), Some("DE"), None));
        assert_eq!(synced, Some(false), "what somebody moved to the cloud says nothing of synchronisation (A.11)");
        assert_eq!(licensed(json!({ "accountEnabled": true }).as_object().unwrap(), Mode::Graph), None);
    }

    /// learn.microsoft.com/graph/api/resources/subscribedsku: what is in its grace period can still be given.
    #[test]
    fn free_units_are_those_enabled_and_in_grace_less_those_in_use() {
        let read = |units: Value, consumed: u64| {
            let entry = json!({ "skuId": "S-1", "skuPartNumber": "E3", "capabilityStatus": "Enabled", "appliesTo": "User",
                "prepaidUnits": units, "consumedUnits": consumed,
                "servicePlans": [{ "servicePlanId": "P-1", "servicePlanName": "EXCHANGE" }, {}] });
            product(entry.as_object().unwrap()).unwrap()
        };
        let both = read(json!({ "enabled": 10, "warning": 5, "suspended": 100, "lockedOut": 3 }), 12);
        assert_eq!((both.id.as_str(), both.units.free(), both.for_users), ("s-1", 3, true));
        assert_eq!(both.plans, [LicencePlan { id: "p-1".to_owned(), name: "EXCHANGE".to_owned() }]);
        assert_eq!(read(json!({ "enabled": 10 }), 12).units.free(), 0, "more in use than paid for");
        assert_eq!(read(Value::Null, 0).units, LicenceUnits::default());
        let tenant = json!({ "skuId": "s", "appliesTo": "Company" });
        assert!(!product(tenant.as_object().unwrap()).unwrap().for_users);
    }

    /// Both lists are always sent, and nothing is ever taken away.
    #[test]
    fn an_order_adds_and_removes_nothing() {
        let order = LicenceOrder {
            id: 1,
            user: Anchor::text("u-1").unwrap(),
            product: "s-1".to_owned(),
            without_plans: vec!["p-1".to_owned()],
            usage_location: None,
        };
        let sent = json!({ "addLicenses": [{ "skuId": "s-1", "disabledPlans": ["p-1"] }], "removeLicenses": [] });
        assert_eq!(Value::Object(body(&order)), sent);
    }
}
