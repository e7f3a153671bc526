//! State file, seed, request log: what outlives a tenant, and what a broken file leads to.

use std::path::Path;

use azure_ad_emulator::{Knobs, RehearsalTenant, SeedSource, TenantError, TenantOptions};
use expect_test::expect;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::*;

fn options(folder: &Path, more: Value) -> TenantOptions {
    TenantOptions {
        state_file: Some(folder.join("tenant.json")),
        request_log: Some(folder.join("requests.jsonl")),
        seed: Some(SeedSource::Json(seed(more))),
        ..TenantOptions::default()
    }
}

#[tokio::test]
async fn a_restarted_tenant_is_the_same_and_delta_tokens_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let tenant = start(options(
        folder.path(),
        json!({
            "users": [user("ann"), user("bob")], "groups": [{ "displayName": "Sales", "members": ["ann@contoso.com"] }],
        }),
    ))
    .await;
    let client = Client::sign_in(&tenant, CLIENT).await;
    let bob = client.get("/users/bob@contoso.com").await.id();
    let (_, link) = client.round("/users/delta?$select=displayName").await;
    let (_, groups) = client.round("/groups/delta").await;
    client.patch("/users/ann@contoso.com", json!({ "displayName": "Ann B." })).await.is(204);
    client.delete(&format!("/users/{bob}")).await.is(204);
    tenant.advance_clock(std::time::Duration::from_secs(100));
    let before = tenant.snapshot();
    tenant.shutdown().await.unwrap();

    // The seed of the second start is not looked at, but for the applications.
    let tenant = start(options(folder.path(), json!({ "users": [user("cid")] }))).await;
    assert_eq!(tenant.snapshot(), before);
    assert_eq!(tenant.knobs().clock_offset_ms, Some(100_000));
    let client = Client::sign_in(&tenant, CLIENT).await;
    let here = |link: &str| format!("{}{}", tenant.graph_url(), link.split("/v1.0/").nth(1).unwrap());
    let (rows, _) = client.round(&here(&link)).await;
    assert_eq!(rows.len(), 2);
    assert_eq!((&rows[0]["displayName"], &rows[1]["@removed"]), (&json!("Ann B."), &json!({ "reason": "changed" })));
    assert!(client.round(&here(&groups)).await.0.is_empty());
    client.post(&format!("/directory/deletedItems/{bob}/restore"), json!({})).await.is(200);
    client.post("/users", new_user("dee")).await.is(201);
    tenant.shutdown().await.unwrap();
}

#[tokio::test]
async fn the_state_reaches_the_file_within_a_second_or_so_without_a_shutdown() {
    let folder = tempfile::tempdir().unwrap();
    let tenant = start(options(folder.path(), json!({}))).await;
    let client = Client::sign_in(&tenant, CLIENT).await;
    client.post("/users", new_user("ann")).await.is(201);
    tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
    drop(tenant);
    let tenant = start(options(folder.path(), json!({}))).await;
    assert_eq!(tenant.snapshot()["users"][0]["userPrincipalName"], "ann@contoso.com");
}

#[tokio::test]
async fn a_damaged_state_file_is_an_error_that_names_it_and_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("tenant.json");
    start(options(folder.path(), json!({ "users": [user("ann")] }))).await.shutdown().await.unwrap();
    let whole = std::fs::read(&state).unwrap();
    std::fs::write(&state, &whole[..whole.len() / 2]).unwrap();
    let error = RehearsalTenant::start(options(folder.path(), json!({}))).await.unwrap_err();
    assert!(matches!(error, TenantError::StateDamaged { .. }), "{error:?}");
    let text = error.to_string();
    assert!(
        text.contains(&state.display().to_string()) && text.contains("is damaged") && text.contains("move it away"),
        "{text}"
    );
    assert_eq!(std::fs::read(&state).unwrap(), whole[..whole.len() / 2], "the file is left as it was found");

    std::fs::write(&state, br#"{"format":"rehearsal tenant state","version":99}"#).unwrap();
    let error = RehearsalTenant::start(options(folder.path(), json!({}))).await.unwrap_err();
    assert!(matches!(error, TenantError::StateVersion { found: 99, .. }), "{error:?}");
    std::fs::write(&state, br#"{"format":"something else","version":1}"#).unwrap();
    let error = RehearsalTenant::start(options(folder.path(), json!({}))).await.unwrap_err();
    assert!(matches!(error, TenantError::StateDamaged { .. }), "{error:?}");
}

#[tokio::test]
async fn every_mistake_of_a_seed_is_told() {
    let mut one = user("ann");
    one["shoeSize"] = json!(43);
    one["assignedLicenses"] = json!(["E99"]);
    one["roles"] = json!({ "active": ["Emperor"] });
    let mut two = user("ANN");
    two["manager"] = json!("nobody@contoso.com");
    two["department"] = json!(5);
    let seed =
        seed(json!({ "users": [one, two], "groups": [{ "displayName": "Sales", "members": ["ghost@contoso.com"] }] }));
    let error =
        RehearsalTenant::start(TenantOptions { seed: Some(SeedSource::Json(seed)), ..TenantOptions::default() })
            .await
            .unwrap_err();
    expect![[r#"
        the seed has 7 mistake(s):
          user ann@contoso.com: there is no property 'shoeSize' on a User
          user ann@contoso.com: no SKU 'E99' among the seed's skus
          user ANN@contoso.com: A value of the wrong type was given for property 'department' of resource 'User'.
          user ANN@contoso.com: another object of the seed has the same userPrincipalName 'ANN@contoso.com'
          user ann@contoso.com: 'Emperor' is neither a known role name nor a role definition id
          user ANN@contoso.com: no object of the seed is named 'nobody@contoso.com' (manager)
          group Sales: no object of the seed is named 'ghost@contoso.com' (member)"#]]
    .assert_eq(&error.to_string());
}

#[tokio::test]
async fn passwords_and_secrets_are_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let tenant = start(options(folder.path(), json!({}))).await;
    let client = Client::sign_in(&tenant, CLIENT).await;
    let ann = client.post("/users", new_user("ann")).await.is(201).id();
    let profile = json!({ "passwordProfile": { "password": PASSWORD } });
    client.patch(&format!("/users/{ann}"), profile.clone()).await.is(204);
    let batch = json!({ "requests": [{ "id": "1", "method": "PATCH", "url": format!("/users/{ann}"),
        "headers": { "Content-Type": "application/json" }, "body": profile }] });
    client.post("/$batch", batch).await.is(200);
    let shown = client.property(&format!("/users/{ann}"), "passwordProfile").await;
    assert_eq!(shown["password"], json!(null));
    let log = serde_json::to_string(&tenant.request_log()).unwrap();
    assert!(log.contains("[redacted]"));
    let dump = tenant.snapshot().to_string();
    tenant.shutdown().await.unwrap();
    let state = std::fs::read_to_string(folder.path().join("tenant.json")).unwrap();
    let lines = std::fs::read_to_string(folder.path().join("requests.jsonl")).unwrap();
    assert_eq!(lines.lines().count(), 6, "one line per request, batch items one by one");
    for text in [&log, &dump, &state, &lines] {
        assert!(!text.contains(PASSWORD) && !text.contains(SECRET), "{text}");
    }
    let seed = format!("{:?}", azure_ad_emulator::Seed::from_json(crate::support::seed(json!({}))).unwrap());
    assert!(!seed.contains(SECRET), "{seed}");
}

/// Whoever asks for the log finds in its file what was asked before, to the last whole line.
#[tokio::test]
async fn the_request_log_is_in_its_file_when_it_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let tenant = start(options(folder.path(), json!({}))).await;
    let client = Client::sign_in(&tenant, CLIENT).await;
    client.post("/users", new_user("ann")).await.is(201);
    let log = client.control(Method::GET, "log", json!({})).await.is(200);
    let lines = std::fs::read_to_string(folder.path().join("requests.jsonl")).unwrap();
    assert!(lines.ends_with('\n'), "{lines}");
    assert_eq!(lines.lines().count(), log.body["requests"].as_array().unwrap().len());
}

#[tokio::test]
async fn the_same_seed_gives_the_same_tenant() {
    let content = json!({ "users": [user("ann"), user("bob")], "groups": [{ "displayName": "Sales", "members": ["bob@contoso.com"] }] });
    let ids = |dump: Value| dump["users"].as_array().unwrap().iter().map(|user| user["id"].clone()).collect::<Vec<_>>();
    let first = start_with(content.clone(), Knobs::default()).await.snapshot();
    let second = start_with(content, Knobs::default()).await.snapshot();
    assert_eq!(ids(first), ids(second));
}

#[tokio::test]
async fn only_loopback_is_served() {
    let options = TenantOptions { listen: "0.0.0.0:0".parse().unwrap(), ..TenantOptions::default() };
    let error = RehearsalTenant::start(options).await.unwrap_err();
    assert!(matches!(error, TenantError::NotLoopback(_)), "{error:?}");
}

#[tokio::test]
async fn ten_thousand_users_are_created_looked_up_and_paged_without_growing_cost() {
    let users: Vec<Value> = (0..10_000).map(|number| user(&format!("u{number}"))).collect();
    let tenant = start_with(json!({ "users": users }), Knobs::default()).await;
    tenant.update_knobs(|knobs| knobs.throttle.enabled = false).unwrap();
    let client = Client::sign_in(&tenant, CLIENT).await;
    let started = std::time::Instant::now();
    for round in 0..50 {
        let requests: Vec<Value> = (0..20)
            .map(|number| {
                let filter = format!("mail eq 'u{0}@contoso.com' or proxyAddresses/any(x:x eq 'smtp:u{0}@contoso.com')", round * 20 + number);
                let filter = filter.replace(' ', "%20");
                json!({ "id": number.to_string(), "method": "GET", "url": format!("/users?$select=id&$filter={filter}") })
            })
            .collect();
        let got = client.post("/$batch", json!({ "requests": requests })).await.is(200);
        assert!(responses(&got).values().all(|reply| reply["body"]["value"].as_array().unwrap().len() == 1));
    }
    assert_eq!(client.all("/users?$top=500&$select=id").await.len(), 10_000);
    assert_eq!(client.round("/users/delta?$select=id").await.0.len(), 10_000);
    assert!(started.elapsed() < std::time::Duration::from_secs(20), "{:?}", started.elapsed());
}
