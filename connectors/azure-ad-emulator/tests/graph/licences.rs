//! Licences: ways, units, and the refusals that an administrator meets.

use serde_json::{Value, json};

use super::support::{Client, E3, READER, start_with, tenant, user};
use azure_ad_emulator::Knobs;

const SMALL: &str = "11111111-0000-4000-8000-000000000001";
const WHOLE: &str = "11111111-0000-4000-8000-000000000002";
const ENDED: &str = "11111111-0000-4000-8000-000000000003";
const SWAY: &str = "22222222-0000-4000-8000-000000000001";

fn located(name: &str) -> Value {
    let mut user = user(name);
    user["usageLocation"] = json!("DE");
    user
}

fn skus() -> Value {
    json!([
        { "skuPartNumber": "ENTERPRISEPACK", "skuId": E3, "enabledUnits": 2, "warningUnits": 1, "suspendedUnits": 9,
          "servicePlans": [{ "servicePlanName": "SWAY", "servicePlanId": SWAY }] },
        { "skuPartNumber": "STANDARDPACK", "skuId": SMALL, "enabledUnits": 9, "excludes": ["ENTERPRISEPACK"], "prohibitedIn": ["KP"] },
        { "skuPartNumber": "TENANTWIDE", "skuId": WHOLE, "appliesTo": "Company" },
        { "skuPartNumber": "ENDED", "skuId": ENDED, "enabledUnits": 9, "capabilityStatus": "Suspended" },
    ])
}

async fn states(client: &Client, name: &str) -> Vec<String> {
    let path = format!("/users/{name}@contoso.com");
    let states = client.property(&path, "licenseAssignmentStates").await;
    let mut told: Vec<String> = states
        .as_array()
        .unwrap()
        .iter()
        .map(|state| {
            let sku = if state["skuId"] == E3 { "E3" } else { "other" };
            let way = if state["assignedByGroup"].is_null() { "direct" } else { "group" };
            format!("{sku} {way} {} {}", state["state"].as_str().unwrap(), state["error"].as_str().unwrap())
        })
        .collect();
    told.sort();
    told
}

fn add(sku: &str) -> Value {
    json!({ "addLicenses": [{ "skuId": sku, "disabledPlans": [] }], "removeLicenses": [] })
}

/// A user that has a licence by a group and directly uses one unit; what a group cannot give stays on its member as an error.
#[tokio::test]
async fn group_licences_are_inherited_count_once_and_leave_errors_on_members() {
    let mut away = located("away");
    away["usageLocation"] = json!("KP");
    let mut both = located("both");
    both["assignedLicenses"] = json!(["ENTERPRISEPACK"]);
    let (_tenant, client) = tenant(json!({
        "skus": skus(),
        "users": [both, user("one"), user("two"), user("late"), away],
        "groups": [
            { "displayName": "Staff", "assignedLicenses": ["ENTERPRISEPACK"],
              "members": ["both@contoso.com", "one@contoso.com", "two@contoso.com", "late@contoso.com"] },
            { "displayName": "Small", "assignedLicenses": [SMALL], "members": ["one@contoso.com", "away@contoso.com"] },
        ],
    }))
    .await;
    assert_eq!(states(&client, "both").await, ["E3 direct Active None", "E3 group Active None"]);
    assert_eq!(states(&client, "one").await, ["E3 group Active None", "other group Error MutuallyExclusiveViolation"]);
    assert_eq!(states(&client, "late").await, ["E3 group Error CountViolation"]);
    assert_eq!(states(&client, "away").await, ["other group Error ProhibitedInUsageLocationViolation"]);
    let skus = client.get("/subscribedSkus").await.is(200);
    let e3 = &skus.rows()[0];
    assert_eq!(e3["consumedUnits"], 3, "three users hold it, one of them twice");
    assert_eq!(e3["prepaidUnits"], json!({ "enabled": 2, "warning": 1, "suspended": 9, "lockedOut": 0 }));
    assert_eq!(
        (&skus.rows()[2]["appliesTo"], &skus.rows()[3]["capabilityStatus"]),
        (&json!("Company"), &json!("Suspended"))
    );
    // What a group gave is not taken away from the user alone; what is direct beside it is, and the unit stays in use.
    let remove = json!({ "addLicenses": [], "removeLicenses": [E3] });
    let refused =
        client.post("/users/one@contoso.com/assignLicense", remove.clone()).await.refused(400, "Request_BadRequest");
    assert!(refused.body["error"]["message"].as_str().unwrap().contains("inherited from a group"), "{}", refused.body);
    client.post("/users/both@contoso.com/assignLicense", remove).await.is(200);
    assert_eq!(states(&client, "both").await, ["E3 group Active None"]);
    assert_eq!(client.property("/users/both@contoso.com", "assignedLicenses").await[0]["skuId"], E3);
    assert_eq!(client.get("/subscribedSkus").await.rows()[0]["consumedUnits"], 3);
}

#[tokio::test]
async fn each_refusal_of_a_licence_has_its_words_and_changes_nothing() {
    let mut away = located("away");
    away["usageLocation"] = json!("KP");
    let mut rich = located("rich");
    rich["assignedLicenses"] = json!(["ENTERPRISEPACK"]);
    let users = json!([located("ann"), user("nowhere"), away, rich, located("b1"), located("b2")]);
    let (_tenant, client) = tenant(json!({ "skus": skus(), "users": users })).await;
    for name in ["b1", "b2"] {
        client.post(&format!("/users/{name}@contoso.com/assignLicense"), add(E3)).await.is(200);
    }
    let unknown = "99999999-0000-4000-8000-000000000009";
    let plan = json!({ "addLicenses": [{ "skuId": SMALL, "disabledPlans": [SWAY] }], "removeLicenses": [] });
    for (name, body, words) in [
        ("nowhere", add(SMALL), "License assignment cannot be done for user with invalid usage location."),
        ("ann", add(E3), "does not have any available licenses."),
        ("ann", add(ENDED), "does not have any available licenses."),
        ("ann", add(unknown), "does not correspond to a valid company License."),
        ("ann", add(WHOLE), "does not correspond to a valid company License."),
        ("rich", add(SMALL), "are mutually exclusive."),
        ("away", add(SMALL), "ProhibitedInUsageLocationViolation"),
        ("ann", plan, "is not part of license"),
        ("ann", json!({ "addLicenses": [{ "skuId": SMALL }] }), "missing or invalid: 'removeLicenses'"),
    ] {
        let refused = client.post(&format!("/users/{name}@contoso.com/assignLicense"), body).await;
        let refused = refused.refused(400, "Request_BadRequest");
        let message = refused.body["error"]["message"].as_str().unwrap();
        assert!(message.contains(words), "{name}: {message}");
    }
    assert_eq!(client.property("/users/ann@contoso.com", "assignedLicenses").await, json!([]));
    assert_eq!(client.get("/subscribedSkus").await.rows()[1]["consumedUnits"], 0);
}

#[tokio::test]
async fn licences_need_their_rights() {
    let tenant = start_with(json!({ "users": [located("ann")] }), Knobs::default()).await;
    let client = Client::sign_in(&tenant, READER).await;
    client.get("/subscribedSkus").await.refused(403, "Authorization_RequestDenied");
    client.post("/users/ann@contoso.com/assignLicense", add(E3)).await.refused(403, "Authorization_RequestDenied");
    client.get("/users/ann@contoso.com?$select=licenseAssignmentStates").await.is(200);
}
