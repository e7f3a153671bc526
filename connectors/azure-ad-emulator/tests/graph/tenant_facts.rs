//! Organisation, domains, roles, contacts, source of authority, and steering over HTTP (A.5, A.10, A.11, section H).

use azure_ad_emulator::SyncState;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::*;

#[tokio::test]
async fn organization_and_domains() {
    let (tenant, client) = tenant(json!({})).await;
    let organization = client.get("/organization").await.is(200).rows()[0].clone();
    assert_eq!(
        (&organization["id"], &organization["onPremisesSyncEnabled"]),
        (&json!(tenant.tenant_id()), &json!(null))
    );
    let domains: Vec<(&str, &str)> = organization["verifiedDomains"]
        .as_array()
        .unwrap()
        .iter()
        .map(|domain| (domain["name"].as_str().unwrap(), domain["type"].as_str().unwrap()))
        .collect();
    assert_eq!(
        domains,
        [("contoso.onmicrosoft.com", "Managed"), ("contoso.com", "Managed"), ("sso.contoso.com", "Federated")]
    );
    tenant.update_knobs(|knobs| knobs.sync = Some(SyncState::On)).unwrap();
    assert_eq!(client.get("/organization").await.rows()[0]["onPremisesSyncEnabled"], true);
    let path = format!("/organization/{}", tenant.tenant_id());
    client.patch(&path, json!({ "onPremisesSyncEnabled": true })).await.refused(403, "Authorization_RequestDenied");
    client.get("/directory/onPremisesSynchronization").await.refused(403, "Authorization_RequestDenied");
    let listed = client.get("/domains").await.is(200);
    assert_eq!(listed.rows().len(), 4);
    assert_eq!(client.get("/domains/unverified.example").await.is(200).body["isVerified"], false);
    client.get("/domains/fabrikam.com").await.is(404);
}

#[tokio::test]
async fn roles_by_principal_direct_eligible_and_denied() {
    let mut admin = user("admin");
    admin["roles"] = json!({ "active": ["Global Administrator"], "eligible": ["User Administrator"] });
    let (tenant, client) = tenant(json!({
        "users": [admin, user("ann")],
        "groups": [{ "displayName": "Helpers", "isAssignableToRole": true, "members": ["ann@contoso.com"], "roles": { "active": ["Helpdesk Administrator"] } }],
    }))
    .await;
    let of = async |list: &str, id: &str| {
        let got = client
            .get(&format!("/roleManagement/directory/{list}?$filter=principalId eq '{id}'&$expand=roleDefinition"))
            .await;
        got.is(200)
            .rows()
            .iter()
            .map(|row| row["roleDefinition"]["displayName"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let admin = client.get("/users/admin@contoso.com").await.id();
    let ann = client.get("/users/ann@contoso.com").await.id();
    assert_eq!(of("roleAssignments", &admin).await, ["Global Administrator"]);
    assert_eq!(of("roleEligibilityScheduleInstances", &admin).await, ["User Administrator"]);
    assert_eq!(of("roleAssignments", &ann).await, Vec::<String>::new());
    let groups = client
        .get("/users/ann@contoso.com/transitiveMemberOf/microsoft.graph.group?$select=id,isAssignableToRole")
        .await;
    assert_eq!(groups.rows()[0]["isAssignableToRole"], true);
    assert_eq!(of("roleAssignments", groups.rows()[0]["id"].as_str().unwrap()).await, ["Helpdesk Administrator"]);
    // A privilege through a group protects too.
    client.delete("/users/ann@contoso.com").await.refused(403, "Authorization_RequestDenied");
    tenant.update_knobs(|knobs| knobs.roles_denied = true).unwrap();
    client.get("/roleManagement/directory/roleAssignments").await.refused(403, "Authorization_RequestDenied");
}

#[tokio::test]
async fn contacts_can_be_read_but_not_written() {
    let (_tenant, client) =
        tenant(json!({ "contacts": [{ "displayName": "Supplier", "mail": "s@supplier.example" }] })).await;
    let rows = client.get("/contacts").await.is(200).rows().to_vec();
    assert_eq!(rows[0]["proxyAddresses"], json!(["SMTP:s@supplier.example"]));
    let path = format!("/contacts/{}", rows[0]["id"].as_str().unwrap());
    client.get(&path).await.is(200);
    client.post("/contacts", json!({ "displayName": "x" })).await.refused(405, "Request_BadRequest");
    client.patch(&path, json!({ "displayName": "x" })).await.refused(405, "Request_BadRequest");
    client.delete(&path).await.refused(405, "Request_BadRequest");
    client.get("/devices").await.refused(400, "BadRequest");
}

#[tokio::test]
async fn the_source_of_authority_moves() {
    let mut syd = user("syd");
    syd["onPremisesSyncEnabled"] = json!(true);
    let (_tenant, client) = tenant(json!({ "users": [syd] })).await;
    let path = "/users/syd@contoso.com/onPremisesSyncBehavior";
    assert_eq!(client.get(path).await.is(200).body["isCloudManaged"], false);
    client.patch(path, json!({ "isCloudManaged": true })).await.is(204);
    assert_eq!(client.get(path).await.body["isCloudManaged"], true);
    assert_eq!(client.property("/users/syd@contoso.com", "onPremisesSyncEnabled").await, json!(null));
    client.patch("/users/syd@contoso.com", json!({ "displayName": "Sydney" })).await.is(204);
}

#[tokio::test]
async fn objects_by_id_whatever_their_type() {
    let (_tenant, client) = tenant(json!({ "users": [user("ann")], "groups": [{ "displayName": "Sales" }] })).await;
    let ann = client.get("/users/ann@contoso.com").await.id();
    let group = client.get("/groups?$select=id").await.rows()[0]["id"].as_str().unwrap().to_owned();
    let unknown = "99999999-9999-4999-8999-999999999999";
    let got = client.post("/directoryObjects/getByIds", json!({ "ids": [ann, group, unknown] })).await.is(200);
    let types: Vec<&Value> = got.rows().iter().map(|row| &row["@odata.type"]).collect();
    assert_eq!(types, ["#microsoft.graph.user", "#microsoft.graph.group"]);
    let got =
        client.post("/directoryObjects/getByIds", json!({ "ids": [ann, group], "types": ["group"] })).await.is(200);
    assert_eq!(got.rows().len(), 1);
    assert_eq!(client.get(&format!("/directoryObjects/{ann}")).await.is(200).id(), ann);
}

#[tokio::test]
async fn a_tenant_is_steered_over_http() {
    let (tenant, mut client) = tenant(json!({ "users": [user("ann")] })).await;
    let knobs = client.control(
        Method::PATCH,
        "knobs",
        json!({
            "replication_delay_ms": 5,
            "throttle": { "writes": 7 },
            "sync": "on",
            "features": { "blockSoftMatchEnabled": true },
            "silent_reverts": [{ "attribute": "city", "drop": true }],
            "faults": [{ "path": "/users", "nth": 1, "action": { "kind": "status", "status": 503 } }],
        }),
    );
    let knobs = knobs.await.is(200).body;
    assert_eq!((&knobs["throttle"]["writes"], &knobs["throttle"]["enabled"]), (&json!(7), &json!(true)));
    assert_eq!((&knobs["sync"], &knobs["features"]["blockSoftMatchEnabled"]), (&json!("on"), &json!(true)));
    assert_eq!(tenant.knobs().replication_delay_ms, 5);
    client.get("/users").await.refused(503, "ServiceUnavailable");
    client.get("/users").await.is(200);
    for wrong in
        [json!({ "page_sise": 5 }), json!({ "features": { "x": true } }), json!({ "page_size": "many" }), json!([])]
    {
        client.control(Method::PATCH, "knobs", wrong).await.is(400);
    }

    let clock = client.control(Method::POST, "clock", json!({ "advanceSeconds": 86_400 })).await.is(200);
    assert_eq!(clock.body["offsetSeconds"], 86_400);
    client.renew(CLIENT).await;
    client.control(Method::DELETE, "log", json!({})).await.is(200);
    client.patch("/users/ann@contoso.com", json!({ "city": "Bonn", "jobTitle": "Boss" })).await.is(204);
    client.patch("/users/nobody@contoso.com", json!({ "jobTitle": "Boss" })).await.is(404);
    let log = client.control(Method::GET, "log", json!({})).await.is(200).body;
    assert_eq!((&log["successfulWrites"], &log["requests"][0]["body"]["city"]), (&json!(1), &json!("Bonn")));
    assert_eq!(log["writes"], 2);
    let state = client.control(Method::GET, "state", json!({})).await.is(200).body;
    assert_eq!((&state["users"][0]["jobTitle"], state["users"][0].get("city")), (&json!("Boss"), None));
    assert_eq!(state, tenant.snapshot());
    client.control(Method::GET, "everything", json!({})).await.is(404);
}
