//! Groups and members: F.13 to F.16, and the upsert by unique name (section H).

use serde_json::{Value, json};

use crate::support::*;

/// A security group, made over Graph.
async fn group(client: &Client, name: &str) -> String {
    client.post("/groups", new_group(name)).await.is(201).id()
}

fn binding(ids: &[String]) -> Value {
    let urls: Vec<String> =
        ids.iter().map(|id| format!("https://graph.microsoft.com/v1.0/directoryObjects/{id}")).collect();
    json!({ "members@odata.bind": urls })
}

fn reference(id: &str) -> Value {
    json!({ "@odata.id": format!("https://graph.microsoft.com/v1.0/directoryObjects/{id}") })
}

async fn ids_of_users(client: &Client) -> Vec<String> {
    let rows = client.all("/users?$select=id").await;
    rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

async fn member_count(client: &Client, group: &str) -> usize {
    client.all(&format!("/groups/{group}/members?$select=id&$top=500")).await.len()
}

fn people(count: usize) -> Vec<Value> {
    (0..count).map(|number| user(&format!("u{number}"))).collect()
}

#[tokio::test]
async fn f13_only_two_kinds_of_group_can_be_created() {
    let (_tenant, client) = tenant(json!({ "users": [user("ann")], "groups": [
        { "displayName": "Synced", "onPremisesSyncEnabled": true, "members": ["ann@contoso.com"] },
        { "displayName": "List", "mailEnabled": true, "securityEnabled": false },
    ] }))
    .await;
    let created = client.post("/groups", new_group("sec")).await.is(201);
    assert_eq!(created.body["groupTypes"], json!([]));
    let mut unified = new_group("team");
    unified["groupTypes"] = json!(["Unified"]);
    unified["mailEnabled"] = json!(true);
    unified["securityEnabled"] = json!(false);
    let created = client.post("/groups", unified).await.is(201);
    assert_eq!(created.body["mail"], "team@contoso.onmicrosoft.com");

    for (mail, security) in [(true, true), (true, false), (false, false)] {
        let mut body = new_group("other");
        body["mailEnabled"] = json!(mail);
        body["securityEnabled"] = json!(security);
        client.post("/groups", body).await.refused(400, "Request_BadRequest");
    }
    for missing in ["displayName", "mailEnabled", "mailNickname", "securityEnabled"] {
        let mut body = new_group("other");
        body.as_object_mut().unwrap().remove(missing);
        client.post("/groups", body).await.refused(400, "Request_BadRequest");
    }
    let mut dotted = new_group("other");
    dotted["mailNickname"] = json!("a.b");
    client.post("/groups", dotted).await.refused(400, "Request_BadRequest");

    let ann = client.get("/users/ann@contoso.com").await.id();
    for name in ["Synced", "List"] {
        let found = client.get(&format!("/groups?$filter=displayName eq '{name}'&$select=id")).await;
        let id = found.rows()[0]["id"].as_str().unwrap().to_owned();
        client.patch(&format!("/groups/{id}"), json!({ "description": "x" })).await.refused(400, "Request_BadRequest");
        client.post(&format!("/groups/{id}/members/$ref"), reference(&ann)).await.refused(400, "Request_BadRequest");
        client.delete(&format!("/groups/{id}/members/{ann}/$ref")).await.refused(400, "Request_BadRequest");
        client.delete(&format!("/groups/{id}")).await.refused(400, "Request_BadRequest");
    }
}

#[tokio::test]
async fn f14_twenty_members_at_once_all_or_nothing() {
    let (_tenant, client) = tenant(json!({ "users": people(41) })).await;
    let ids = ids_of_users(&client).await;
    let group = group(&client, "sales").await;
    let path = format!("/groups/{group}");
    client.patch(&path, binding(&ids[..20])).await.is(204);
    assert_eq!(member_count(&client, &group).await, 20);
    client.patch(&path, binding(&ids[20..41])).await.refused(400, "Request_BadRequest");
    let got = client.patch(&path, binding(&ids[19..39])).await.refused(400, "Request_BadRequest");
    assert!(got.body["error"]["message"].as_str().unwrap().contains("already exist"), "{}", got.body);
    let mut unknown = ids[20..39].to_vec();
    unknown.push("99999999-9999-4999-8999-999999999999".to_owned());
    client.patch(&path, binding(&unknown)).await.refused(404, "Request_ResourceNotFound");
    let twice = [ids[20].clone(), ids[21].clone(), ids[20].clone()];
    client.patch(&path, binding(&twice)).await.refused(400, "Request_BadRequest");
    let mut with_name = binding(&ids[..1]);
    with_name["displayName"] = json!("New name");
    client.patch(&path, with_name).await.is(400);
    assert_eq!(member_count(&client, &group).await, 20);
    assert_eq!(client.property(&path, "displayName").await, "sales");

    let mut create = new_group("full");
    create["members@odata.bind"] = binding(&ids[..20])["members@odata.bind"].clone();
    let full = client.post("/groups", create.clone()).await.is(201).id();
    assert_eq!(member_count(&client, &full).await, 20);
    create["owners@odata.bind"] = binding(&ids[..1])["members@odata.bind"].clone();
    client.post("/groups", create).await.refused(400, "Request_BadRequest");
}

#[tokio::test]
async fn f15_adding_twice_unknown_and_removing_a_stranger() {
    let (_tenant, client) = tenant(json!({ "users": people(2) })).await;
    let ids = ids_of_users(&client).await;
    let group = group(&client, "sales").await;
    let members = format!("/groups/{group}/members/$ref");
    client.post(&members, reference(&ids[0])).await.is(204);
    let again = client.post(&members, reference(&ids[0])).await.refused(400, "Request_BadRequest");
    assert!(again.body["error"]["message"].as_str().unwrap().contains("already exist"), "{}", again.body);
    let unknown = reference("99999999-9999-4999-8999-999999999999");
    client.post(&members, unknown).await.refused(404, "Request_ResourceNotFound");
    let stranger = format!("/groups/{group}/members/{}/$ref", ids[1]);
    client.delete(&stranger).await.refused(404, "Request_ResourceNotFound");
    client.delete(&format!("/groups/{group}/members/{}/$ref", ids[0])).await.is(204);
    assert_eq!(member_count(&client, &group).await, 0);
}

#[tokio::test]
async fn f16_without_ref_the_member_itself_is_deleted() {
    let (tenant, client) = tenant(json!({ "users": people(2) })).await;
    let ids = ids_of_users(&client).await;
    let group = group(&client, "sales").await;
    client.patch(&format!("/groups/{group}"), binding(&ids)).await.is(204);
    client.delete(&format!("/groups/{group}/members/{}/$ref", ids[0])).await.is(204);
    client.get(&format!("/users/{}", ids[0])).await.is(200);
    client.delete(&format!("/groups/{group}/members/{}", ids[1])).await.is(204);
    client.get(&format!("/users/{}", ids[1])).await.refused(404, "Request_ResourceNotFound");
    client.get(&format!("/directory/deletedItems/{}", ids[1])).await.is(200);
    assert_eq!(member_count(&client, &group).await, 0);

    let limited = start_with(
        json!({ "applications": [{ "clientId": CLIENT, "clientSecret": SECRET, "permissions": ["GroupMember.ReadWrite.All"] }],
                "users": [user("ann")], "groups": [{ "displayName": "g", "members": ["ann@contoso.com"] }] }),
        azure_ad_emulator::Knobs::default(),
    )
    .await;
    let dump = limited.snapshot();
    let (group, ann) = (dump["groups"][0]["id"].as_str().unwrap(), dump["users"][0]["id"].as_str().unwrap());
    let client = Client::sign_in(&limited, CLIENT).await;
    client.delete(&format!("/groups/{group}/members/{ann}")).await.refused(403, "Authorization_RequestDenied");
    assert_eq!(limited.successful_writes(), 0);
    drop(tenant);
}

#[tokio::test]
async fn members_must_fit_the_group() {
    let (_tenant, client) = tenant(json!({
        "users": [user("ann")],
        "contacts": [{ "displayName": "Supplier", "mail": "s@supplier.example" }],
        "groups": [
            { "displayName": "Team", "groupTypes": ["Unified"], "mailEnabled": true, "securityEnabled": false },
            { "displayName": "Rule", "groupTypes": ["DynamicMembership"], "membershipRule": "true", "members": ["ann@contoso.com"] },
            { "displayName": "Admins", "isAssignableToRole": true },
            { "displayName": "Outer", "members": ["Inner", "s@supplier.example"] },
            { "displayName": "Inner", "members": ["ann@contoso.com"] },
        ],
    }))
    .await;
    let groups = client.all("/groups?$select=id,displayName").await;
    let id = |name: &str| {
        let row = groups.iter().find(|row| row["displayName"] == name).unwrap();
        row["id"].as_str().unwrap().to_owned()
    };
    let ann = client.get("/users/ann@contoso.com").await.id();
    client.post(&format!("/groups/{}/members/$ref", id("Team")), reference(&id("Inner"))).await.is(400);
    client.post(&format!("/groups/{}/members/$ref", id("Team")), reference(&ann)).await.is(204);
    client.delete(&format!("/groups/{}/members/{ann}/$ref", id("Rule"))).await.is(400);
    client
        .post(&format!("/groups/{}/members/$ref", id("Admins")), reference(&ann))
        .await
        .refused(403, "Authorization_RequestDenied");
    let typed: Vec<Value> = client.all(&format!("/groups/{}/members?$select=id", id("Outer"))).await;
    let mut types: Vec<&str> = typed.iter().map(|row| row["@odata.type"].as_str().unwrap()).collect();
    types.sort_unstable();
    assert_eq!(types, ["#microsoft.graph.group", "#microsoft.graph.orgContact"]);
    let direct = client.all("/users/ann@contoso.com/memberOf?$select=displayName").await.len();
    let transitive =
        client.all("/users/ann@contoso.com/transitiveMemberOf/microsoft.graph.group?$select=displayName").await;
    assert_eq!((direct, transitive.len()), (3, 4));
}

#[tokio::test]
async fn h_upsert_by_unique_name_is_an_idempotent_create() {
    let (tenant, client) = tenant(json!({})).await;
    let path = "/groups(uniqueName='ms-abc123')";
    client.patch(path, new_group("sales")).await.refused(404, "Request_ResourceNotFound");
    let upsert = async |body: Value| {
        let request = client.request(reqwest::Method::PATCH, path).header("Prefer", "create-if-missing").json(&body);
        read(request.send().await.unwrap()).await
    };
    upsert(json!({ "displayName": "sales" })).await.refused(400, "Request_BadRequest");
    let created = upsert(new_group("sales")).await.is(201).id();
    upsert(new_group("sales renamed")).await.refused(400, "Request_BadRequest");
    let mut renamed = new_group("sales");
    renamed["displayName"] = json!("Sales renamed");
    upsert(renamed).await.is(204);
    let found = client.get(&format!("{path}?$select=id,displayName,uniqueName")).await.is(200);
    assert_eq!((found.id(), &found.body["displayName"]), (created.clone(), &json!("Sales renamed")));
    assert_eq!(found.body["uniqueName"], "ms-abc123");
    client
        .patch(&format!("/groups/{created}"), json!({ "uniqueName": "other" }))
        .await
        .refused(400, "Request_BadRequest");
    assert_eq!(client.get("/groups").await.rows().len(), 1);
    assert_eq!(tenant.successful_writes(), 2);
}

#[tokio::test]
async fn distribution_lists_are_no_target_of_an_upsert() {
    let (_tenant, client) = tenant(json!({})).await;
    let mut list = new_group("list");
    list["mailEnabled"] = json!(true);
    list["securityEnabled"] = json!(false);
    let request =
        client.request(reqwest::Method::PATCH, "/groups(uniqueName='x')").header("Prefer", "create-if-missing");
    read(request.json(&list).send().await.unwrap()).await.refused(400, "Request_BadRequest");
}
