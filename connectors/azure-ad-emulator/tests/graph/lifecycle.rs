//! Delete, recycle bin, restore: F.25 (A.9).

use std::time::Duration;

use azure_ad_emulator::Knobs;
use serde_json::{Value, json};

use crate::support::*;

fn licensed(name: &str) -> Value {
    let mut user = user(name);
    user["usageLocation"] = json!("DE");
    user["assignedLicenses"] = json!(["ENTERPRISEPACK"]);
    user["onPremisesImmutableId"] = json!("QW5u");
    user
}

#[tokio::test]
async fn f25_a_restored_user_keeps_id_licences_memberships_and_immutable_id() {
    let (_tenant, client) = tenant(json!({
        "users": [licensed("ann"), user("bob")],
        "groups": [{ "displayName": "Sales", "members": ["ann@contoso.com"] }],
    }))
    .await;
    let id = client.get("/users/ann@contoso.com").await.id();
    client.delete("/users/ann@contoso.com").await.is(204);
    client.get(&format!("/users/{id}")).await.refused(404, "Request_ResourceNotFound");
    let bin = client
        .get("/directory/deletedItems/graph.user?$select=id,userPrincipalName,onPremisesImmutableId,deletedDateTime")
        .await;
    assert_eq!(bin.rows().len(), 1);
    assert_eq!(bin.rows()[0]["userPrincipalName"], format!("{}ann@contoso.com", id.replace('-', "")));
    assert!(bin.rows()[0]["deletedDateTime"].is_string());
    let found = client
        .get("/directory/deletedItems/microsoft.graph.user?$filter=onPremisesImmutableId eq 'QW5u'&$select=id")
        .await;
    assert_eq!(found.is(200).rows().len(), 1);
    let groups = client.get("/groups?$select=id").await;
    let group = groups.rows()[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(client.get(&format!("/groups/{group}/members")).await.rows().len(), 0);

    let restored = client.post(&format!("/directory/deletedItems/{id}/restore"), json!({})).await.is(200);
    assert_eq!((restored.id(), &restored.body["userPrincipalName"]), (id.clone(), &json!("ann@contoso.com")));
    let ann = client
        .get(&format!("/users/{id}?$select=assignedLicenses,onPremisesImmutableId,deletedDateTime"))
        .await
        .is(200)
        .body;
    assert_eq!((&ann["assignedLicenses"][0]["skuId"], &ann["onPremisesImmutableId"]), (&json!(E3), &json!("QW5u")));
    assert_eq!(ann["deletedDateTime"], json!(null));
    assert_eq!(client.get(&format!("/groups/{group}/members?$select=id")).await.rows()[0]["id"], id);
}

#[tokio::test]
async fn f25_a_restore_conflicts_with_what_was_taken_meanwhile() {
    let (_tenant, client) = tenant(json!({ "users": [licensed("ann")] })).await;
    let id = client.get("/users/ann@contoso.com").await.id();
    client.delete("/users/ann@contoso.com").await.is(204);
    let mut twin = new_user("ann");
    twin["mail"] = json!("ann@contoso.com");
    client.post("/users", twin).await.is(201);
    let restore = format!("/directory/deletedItems/{id}/restore");
    client.post(&restore, json!({})).await.conflict("userPrincipalName");
    client.post(&restore, json!({ "newUserPrincipalName": "ann2@contoso.com" })).await.conflict("proxyAddresses");
    client
        .post(&restore, json!({ "newUserPrincipalName": "ann2@fabrikam.com" }))
        .await
        .refused(400, "Request_BadRequest");
    let body = json!({ "newUserPrincipalName": "ann2@contoso.com", "autoReconcileProxyConflict": true });
    let restored = client.post(&restore, body).await.is(200);
    assert_eq!((restored.id(), &restored.body["userPrincipalName"]), (id.clone(), &json!("ann2@contoso.com")));
    assert_eq!(client.property(&format!("/users/{id}"), "proxyAddresses").await, json!([]));
}

#[tokio::test]
async fn f25_the_bin_is_emptied_after_thirty_days() {
    let (tenant, client) = tenant(json!({
        "users": [user("ann")],
        "deletedUsers": [{ "userPrincipalName": "ann@contoso.com", "displayName": "Former Ann", "deletedDaysAgo": 20 }],
    }))
    .await;
    tenant.update_knobs(|knobs| knobs.token_life_s = 10_000_000).unwrap();
    let client = {
        let mut client = client;
        client.renew(CLIENT).await;
        client
    };
    let former = client.get("/directory/deletedItems/graph.user").await.rows()[0]["id"].as_str().unwrap().to_owned();
    let (_, link) = client.round("/users/delta").await;
    tenant.advance_clock(Duration::from_secs(6 * 86_400));
    client.get(&format!("/directory/deletedItems/{former}")).await.is(200);
    let (_, link) = client.round(&link).await;
    tenant.advance_clock(Duration::from_secs(5 * 86_400));
    client.get(&format!("/directory/deletedItems/{former}")).await.refused(404, "Request_ResourceNotFound");
    client.post(&format!("/directory/deletedItems/{former}/restore"), json!({})).await.is(404);
    let (rows, _) = client.round(&link).await;
    assert_eq!(rows, [json!({ "id": former, "@removed": { "reason": "deleted" } })]);
}

#[tokio::test]
async fn f25_security_groups_are_gone_for_good_microsoft_365_groups_are_not() {
    let groups = json!({ "users": [user("ann")], "groups": [
        { "displayName": "Security", "members": ["ann@contoso.com"] },
        { "displayName": "Team", "groupTypes": ["Unified"], "mailEnabled": true, "securityEnabled": false, "members": ["ann@contoso.com"] },
    ] });
    let (_tenant, client) = tenant(groups.clone()).await;
    let rows = client.all("/groups?$select=id,displayName").await;
    for row in &rows {
        client.delete(&format!("/groups/{}", row["id"].as_str().unwrap())).await.is(204);
    }
    let bin = client.get("/directory/deletedItems/graph.group?$select=id,displayName").await;
    assert_eq!((bin.rows().len(), &bin.rows()[0]["displayName"]), (1, &json!("Team")));
    let team = bin.rows()[0]["id"].as_str().unwrap().to_owned();
    client.post(&format!("/directory/deletedItems/{team}/restore"), json!({})).await.is(200);
    assert_eq!(client.get(&format!("/groups/{team}/members")).await.rows().len(), 1);
    assert_eq!(client.get("/users/ann@contoso.com/memberOf").await.rows().len(), 1);

    let tenant = start_with(groups, Knobs { security_groups_restorable: true, ..Knobs::default() }).await;
    let client = Client::sign_in(&tenant, CLIENT).await;
    let id = client.get("/groups?$select=id").await.rows()[0]["id"].as_str().unwrap().to_owned();
    client.delete(&format!("/groups/{id}")).await.is(204);
    client.post(&format!("/directory/deletedItems/{id}/restore"), json!({})).await.is(200);
}
