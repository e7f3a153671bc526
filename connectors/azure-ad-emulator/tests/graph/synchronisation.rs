//! An administrator's sign-in by device code, and what only an administrator may do: switch directory synchronisation, and
//! its settings (A.1, A.10).

use std::time::Duration;

use azure_ad_emulator::{RunningTenant, SyncState};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::*;

/// Graph's own command line client, which no tenant has to register.
const PUBLIC_CLIENT: &str = "14d82eec-204b-4c2f-b7e8-296a70dab67e";

async fn admins(more: Value) -> (RunningTenant, Client) {
    let mut admin = user("admin");
    admin["roles"] = json!({ "active": ["Hybrid Identity Administrator"] });
    let mut seed = json!({ "users": [admin, user("ann")] });
    if let (Some(seed), Value::Object(more)) = (seed.as_object_mut(), more) {
        seed.extend(more);
    }
    tenant(seed).await
}

async fn device_code(client: &Client, scope: &str) -> Value {
    let url = client.token_url.replace("/token", "/devicecode");
    let form = [("client_id", PUBLIC_CLIENT), ("scope", scope)];
    read(client.http.post(url).form(&form).send().await.unwrap()).await.is(200).body
}

async fn poll(client: &Client, code: &Value) -> Got {
    let form = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
        ("client_id", PUBLIC_CLIENT),
        ("device_code", code["device_code"].as_str().unwrap()),
    ];
    client.ask_token(&form).await
}

async fn approve(client: &Client, code: &Value, who: &str) {
    let body = json!({ "userCode": code["user_code"], "user": who });
    client.control(Method::POST, "device-codes", body).await.is(200);
}

/// A client that acts for the person.
async fn delegate(client: &Client, who: &str, scope: &str) -> Client {
    let code = device_code(client, scope).await;
    approve(client, &code, who).await;
    let token = poll(client, &code).await.is(200).body["access_token"].as_str().unwrap().to_owned();
    Client { token, ..client.clone() }
}

#[tokio::test]
async fn a_device_code_gives_a_token_once_it_is_approved() {
    let (tenant, client) = admins(json!({})).await;
    tenant.update_knobs(|knobs| knobs.device_code_interval_s = 5).unwrap();
    let code = device_code(&client, "https://graph.microsoft.com/Organization.ReadWrite.All offline_access").await;
    assert_eq!((&code["expires_in"], &code["interval"]), (&json!(900), &json!(5)));
    assert_eq!(code["user_code"].as_str().unwrap().len(), 8);

    assert_eq!(poll(&client, &code).await.is(400).body["error"], "authorization_pending");
    assert_eq!(poll(&client, &code).await.is(400).body["error"], "slow_down", "the interval has not passed");
    let open = client.control(Method::GET, "device-codes", json!({})).await.is(200).body;
    assert_eq!(open["open"][0]["userCode"], code["user_code"]);
    assert!(!open.to_string().contains(code["device_code"].as_str().unwrap()), "{open}");

    let stranger = json!({ "userCode": code["user_code"], "user": "nobody@contoso.com" });
    client.control(Method::POST, "device-codes", stranger).await.is(404);
    approve(&client, &code, "admin@contoso.com").await;
    let got = poll(&client, &code).await.is(200);
    assert_eq!(got.body["scope"], "Organization.ReadWrite.All");
    assert_eq!(poll(&client, &code).await.is(400).body["error"], "invalid_grant", "a code is used once");
    assert!(
        tenant
            .request_log()
            .iter()
            .all(|request| { !format!("{:?}", request.body).contains(code["device_code"].as_str().unwrap()) })
    );
}

#[tokio::test]
async fn a_device_code_ends_declined_or_expired() {
    let (tenant, client) = admins(json!({})).await;
    let code = device_code(&client, "https://graph.microsoft.com/.default").await;
    let body = json!({ "userCode": code["user_code"], "decline": true });
    client.control(Method::POST, "device-codes", body).await.is(200);
    assert_eq!(poll(&client, &code).await.is(400).body["error"], "authorization_declined");

    let code = device_code(&client, "https://graph.microsoft.com/.default").await;
    tenant.advance_clock(Duration::from_secs(901));
    assert_eq!(poll(&client, &code).await.is(400).body["error"], "expired_token");
    let body = json!({ "userCode": code["user_code"], "user": "admin@contoso.com" });
    client.control(Method::POST, "device-codes", body).await.is(404);
    let stranger = "99999999-2222-4333-8444-555555555555";
    let url = client.token_url.replace("/token", "/devicecode");
    let form = [("client_id", stranger), ("scope", "https://graph.microsoft.com/.default")];
    let got = read(client.http.post(url).form(&form).send().await.unwrap()).await.is(400);
    assert_eq!(got.body["error_codes"], json!([700_016]));
}

/// The page that the client tells the person to open.
#[tokio::test]
async fn a_person_approves_on_the_page_that_the_code_names() {
    let (_tenant, client) = admins(json!({})).await;
    let code = device_code(&client, "https://graph.microsoft.com/.default").await;
    let place = code["verification_uri"].as_str().unwrap();
    assert!(code["message"].as_str().unwrap().contains(place));
    let page = client.http.get(place).header("Accept", "text/html").send().await.unwrap().text().await.unwrap();
    assert!(page.contains("name=\"userCode\"") && page.contains("name=\"user\""), "{page}");
    let post =
        async |form: &[(&str, &str)]| client.http.post(place).form(form).send().await.unwrap().text().await.unwrap();
    let typed = code["user_code"].as_str().unwrap();
    assert!(post(&[("userCode", typed), ("user", "")]).await.contains("Say who signs in."));
    assert!(post(&[("userCode", "<x>"), ("user", "admin@contoso.com")]).await.contains("the code &#39;&lt;x&gt;&#39;"));
    assert_eq!(poll(&client, &code).await.is(400).body["error"], "authorization_pending");
    assert!(post(&[("userCode", &typed.to_lowercase()), ("user", "admin@contoso.com")]).await.contains("Done."));
    poll(&client, &code).await.is(200);
}

#[tokio::test]
async fn only_an_administrator_switches_synchronisation() {
    let (tenant, client) = admins(json!({})).await;
    let path = format!("/organization/{}", tenant.tenant_id());
    let on = json!({ "onPremisesSyncEnabled": true });
    let denied = |got: Got| got.refused(403, "Authorization_RequestDenied");
    denied(client.patch(&path, on.clone()).await);
    let ann = delegate(&client, "ann@contoso.com", "https://graph.microsoft.com/.default").await;
    denied(ann.patch(&path, on.clone()).await);
    let reader = delegate(&client, "admin@contoso.com", "https://graph.microsoft.com/Directory.Read.All").await;
    denied(reader.patch(&path, on.clone()).await);
    assert_eq!(tenant.knobs().sync, Some(SyncState::Never));

    let admin = delegate(&client, "admin@contoso.com", "https://graph.microsoft.com/Organization.ReadWrite.All").await;
    admin.patch(&path, on).await.is(204);
    assert_eq!(admin.property(&path, "onPremisesSyncEnabled").await, true);
    admin.patch(&path, json!({ "displayName": "Other" })).await.refused(400, "Request_BadRequest");
}

#[tokio::test]
async fn switching_off_takes_its_time_cannot_be_taken_back_and_makes_cloud_objects() {
    let mut bob = user("bob");
    bob["onPremisesSyncEnabled"] = json!(true);
    bob["onPremisesImmutableId"] = json!("Qm9i");
    let mut admin = user("admin");
    admin["roles"] = json!({ "active": ["Global Administrator"] });
    let (tenant, client) = admins(json!({
        "tenant": { "onPremisesSyncEnabled": true },
        "users": [admin, bob],
        "groups": [{ "displayName": "Synced", "onPremisesSyncEnabled": true }],
    }))
    .await;
    tenant.update_knobs(|knobs| knobs.token_life_s = 10_000_000).unwrap();
    let mut client = client;
    client.renew(CLIENT).await;
    let admin = delegate(&client, "admin@contoso.com", "https://graph.microsoft.com/.default").await;
    let path = format!("/organization/{}", tenant.tenant_id());
    let state = async || client.control(Method::GET, "synchronisation", json!({})).await.is(200).body["state"].clone();

    admin.patch(&path, json!({ "onPremisesSyncEnabled": false })).await.is(204);
    assert_eq!(state().await, "pending_off");
    assert_eq!(admin.property(&path, "onPremisesSyncEnabled").await, false);
    assert_eq!(client.property("/users/bob@contoso.com", "onPremisesSyncEnabled").await, true);
    admin.patch(&path, json!({ "onPremisesSyncEnabled": true })).await.refused(400, "Request_BadRequest");

    tenant.advance_clock(Duration::from_secs(71 * 3_600));
    assert_eq!(state().await, "pending_off");
    tenant.advance_clock(Duration::from_secs(2 * 3_600));
    assert_eq!(state().await, "off");
    let bob =
        client.get("/users/bob@contoso.com?$select=onPremisesSyncEnabled,onPremisesImmutableId").await.is(200).body;
    assert_eq!((&bob["onPremisesSyncEnabled"], &bob["onPremisesImmutableId"]), (&json!(false), &json!("Qm9i")));
    client.patch("/users/bob@contoso.com", json!({ "jobTitle": "Now of the cloud" })).await.is(204);
    let groups = client.get("/groups?$select=onPremisesSyncEnabled").await;
    assert_eq!(groups.rows()[0]["onPremisesSyncEnabled"], false);

    tenant.update_knobs(|knobs| knobs.sync_on_delay_s = 600).unwrap();
    admin.patch(&path, json!({ "onPremisesSyncEnabled": true })).await.is(204);
    assert_eq!(state().await, "pending_on");
    assert_eq!(admin.property(&path, "onPremisesSyncEnabled").await, false);
    tenant.advance_clock(Duration::from_secs(600));
    assert_eq!(admin.property(&path, "onPremisesSyncEnabled").await, true);
}

#[tokio::test]
async fn an_administrator_reads_and_changes_the_settings_of_synchronisation() {
    let (tenant, client) = admins(json!({})).await;
    let admin = delegate(&client, "admin@contoso.com", "https://graph.microsoft.com/.default").await;
    let item = admin.get("/directory/onPremisesSynchronization").await.is(200).rows()[0].clone();
    let prevention = &item["configuration"]["accidentalDeletionPrevention"];
    assert_eq!(*prevention, json!({ "synchronizationPreventionType": "enabledForCount", "alertThreshold": 500 }));
    assert_eq!(item["features"].as_object().unwrap().len(), 20);

    let path = format!("/directory/onPremisesSynchronization/{}", tenant.tenant_id());
    let change = json!({
        "configuration": { "accidentalDeletionPrevention": { "alertThreshold": 50 } },
        "features": { "blockSoftMatchEnabled": true },
    });
    admin.patch(&path, change).await.is(204);
    let item = admin.get(&path).await.is(200).body;
    assert_eq!(item["configuration"]["accidentalDeletionPrevention"]["alertThreshold"], 50);
    assert_eq!(item["features"]["blockSoftMatchEnabled"], true);
    let wrong = json!({ "features": { "blockSoftMatchEnabled": false, "nonsense": true } });
    admin.patch(&path, wrong).await.refused(400, "Request_BadRequest");
    assert_eq!(admin.get(&path).await.body["features"]["blockSoftMatchEnabled"], true, "nothing of it was applied");
}
