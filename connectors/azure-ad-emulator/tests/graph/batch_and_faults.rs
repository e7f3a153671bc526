//! `$batch`, throttling, faults on the wire, replication delay: F.22 to F.24.

use std::time::{Duration, Instant};

use azure_ad_emulator::{FaultAction, FaultRule};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::*;

fn item(id: &str, method: &str, url: &str) -> Value {
    json!({ "id": id, "method": method, "url": url })
}

fn post_user(id: &str, name: &str) -> Value {
    json!({ "id": id, "method": "POST", "url": "/users", "headers": { "Content-Type": "application/json" }, "body": new_user(name) })
}

fn fault(method: &str, path: &str, action: FaultAction) -> FaultRule {
    FaultRule { method: Some(method.to_owned()), path: Some(path.to_owned()), nth: Some(1), times: None, action }
}

fn status(status: u16, retry_after_s: Option<u64>) -> FaultAction {
    FaultAction::Status { status, code: None, retry_after_s, applied: false }
}

#[tokio::test]
async fn f22_a_batch_is_limited_checked_shuffled_and_logged_item_by_item() {
    let (tenant, client) = tenant(json!({ "users": [user("ann")] })).await;
    let many =
        |count: usize| (0..count).map(|n| item(&n.to_string(), "GET", "/users/ann@contoso.com")).collect::<Vec<_>>();
    client.post("/$batch", json!({ "requests": many(21) })).await.refused(400, "BadRequest");
    let double = [item("a", "GET", "/users"), item("A", "GET", "/users")];
    client.post("/$batch", json!({ "requests": double })).await.refused(400, "BadRequest");
    let mut bare = post_user("1", "bob");
    bare.as_object_mut().unwrap().remove("headers");
    client.post("/$batch", json!({ "requests": [bare] })).await.refused(400, "BadRequest");

    tenant.clear_request_log();
    let got = client.post("/$batch", json!({ "requests": many(20) })).await.is(200);
    let order: Vec<&str> =
        got.body["responses"].as_array().unwrap().iter().map(|r| r["id"].as_str().unwrap()).collect();
    let sent: Vec<String> = (0..20).map(|n| n.to_string()).collect();
    assert_ne!(order, sent, "replies come in another order");
    assert_eq!(responses(&got).len(), 20);
    let log = tenant.request_log();
    assert_eq!(log.len(), 21);
    assert_eq!((log[0].path.as_str(), log[0].item.as_deref()), ("/v1.0/$batch", None));
    assert_eq!((log[1].item.as_deref(), log[1].batch), (Some("0"), Some(log[0].sequence)));
    assert_eq!(log[1].path, "/v1.0/users/ann@contoso.com");
}

#[tokio::test]
async fn f22_a_throttled_item_is_alone_and_a_failed_parent_fails_its_dependants_only() {
    let (tenant, client) = tenant(json!({ "users": [user("ann")] })).await;
    tenant.update_knobs(|knobs| knobs.faults = vec![fault("POST", "/users", status(429, Some(2)))]).unwrap();
    let got =
        client.post("/$batch", json!({ "requests": [post_user("1", "bob"), post_user("2", "cid")] })).await.is(200);
    let replies = responses(&got);
    assert_eq!((&replies["1"]["status"], &replies["1"]["headers"]["Retry-After"]), (&json!(429), &json!("2")));
    assert_eq!(replies["2"]["status"], 201);
    let again = client.post("/$batch", json!({ "requests": [post_user("1", "bob")] })).await.is(200);
    assert_eq!(responses(&again)["1"]["status"], 201);

    let mut child = item("child", "GET", "/users/ann@contoso.com");
    child["dependsOn"] = json!(["parent"]);
    let requests =
        [child, item("parent", "GET", "/users/none@contoso.com"), item("other", "GET", "/users/ann@contoso.com")];
    let replies = responses(&client.post("/$batch", json!({ "requests": requests })).await.is(200));
    let statuses = ["parent", "child", "other"].map(|id| replies[id]["status"].clone());
    assert_eq!(statuses, [json!(404), json!(424), json!(200)]);
    assert_eq!(replies["parent"]["body"]["error"]["code"], "Request_ResourceNotFound");
}

#[tokio::test]
async fn f23_the_write_bucket_throttles_and_no_write_is_lost_or_doubled() {
    let (tenant, client) = tenant(json!({})).await;
    tenant
        .update_knobs(|knobs| {
            knobs.throttle.writes = 5;
            knobs.throttle.write_window_ms = 5_000;
        })
        .unwrap();
    let started = Instant::now();
    let mut throttled = 0;
    for number in 0..8 {
        loop {
            let got = client.post("/users", new_user(&format!("u{number}"))).await;
            if got.status.as_u16() == 201 {
                break;
            }
            throttled += 1;
            let got = got.refused(429, "TooManyRequests");
            assert_eq!(got.header("x-ms-throttle-information"), Some("WriteLimitExceeded"));
            assert!(got.header("x-ms-throttle-scope").unwrap().starts_with("Tenant_Application/ReadWrite/"));
            let wait: u64 = got.header("retry-after").unwrap().parse().unwrap();
            let early = client.post("/users", new_user(&format!("u{number}"))).await;
            assert_eq!(early.status.as_u16(), 429, "an early retry is 429 again");
            // The tenant's clock waits in our place.
            tenant.advance_clock(Duration::from_secs(wait.max(early.header("retry-after").unwrap().parse().unwrap())));
        }
    }
    assert!(throttled >= 2, "{throttled}");
    assert!(started.elapsed() < Duration::from_secs(10));
    assert_eq!(client.all("/users").await.len(), 8);
    assert_eq!(tenant.successful_writes(), 8);

    tenant
        .update_knobs(|knobs| {
            knobs.throttle.retry_after = false;
            knobs.throttle.writes = 1;
        })
        .unwrap();
    client.post("/users", new_user("v0")).await.is(201);
    let got = client.post("/users", new_user("v1")).await.refused(429, "TooManyRequests");
    assert_eq!(got.header("retry-after"), None);
}

#[tokio::test]
async fn f23_resource_units_are_counted_and_warned_of() {
    let (tenant, client) = tenant(json!({ "users": [user("ann")] })).await;
    let cost = async |path: &str| client.get(path).await.is(200).header("x-ms-resource-unit").unwrap().to_owned();
    assert_eq!(cost("/users").await, "2");
    assert_eq!(cost("/users?$select=id").await, "1");
    assert_eq!(cost("/subscribedSkus").await, "3");
    tenant.update_knobs(|knobs| knobs.throttle.resource_units = Some(10)).unwrap();
    let mut warned = false;
    let got = loop {
        let got = client.get("/users").await;
        warned |= got.header("x-ms-throttle-limit-percentage").is_some();
        if got.status.as_u16() != 200 {
            break got;
        }
    };
    assert!(warned);
    let got = got.refused(429, "TooManyRequests");
    assert_eq!(got.header("x-ms-throttle-information"), Some("ResourceUnitLimitExceeded"));
}

#[tokio::test]
async fn f23_a_create_whose_reply_is_lost_has_happened_and_is_not_doubled() {
    let (tenant, client) = tenant(json!({})).await;
    tenant.update_knobs(|knobs| knobs.faults = vec![fault("POST", "/users", FaultAction::ResetAfter)]).unwrap();
    let lost = client.request(Method::POST, "/users").json(&new_user("ann")).send().await;
    assert!(lost.is_err(), "the connection is reset: {lost:?}");
    assert_eq!(tenant.successful_writes(), 1);
    client.post("/users", new_user("ann")).await.conflict("userPrincipalName");
    client.get("/users/ann@contoso.com").await.is(200);
    let log = tenant.request_log();
    let lost = log.iter().find(|request| request.fault.is_some()).unwrap();
    assert_eq!((lost.fault.as_deref(), lost.status, lost.applied), (Some("reset_after"), 201, true));
}

#[tokio::test]
async fn f23_faults_on_the_wire() {
    let (tenant, client) = tenant(json!({ "users": [user("ann")] })).await;
    let play = |method: &str, action: FaultAction| {
        tenant.update_knobs(|knobs| knobs.faults = vec![fault(method, "/users", action)]).unwrap();
    };
    play("POST", FaultAction::ResetBefore);
    assert!(client.request(Method::POST, "/users").json(&new_user("bob")).send().await.is_err());
    client.get("/users/bob@contoso.com").await.refused(404, "Request_ResourceNotFound");

    play("GET", status(503, None));
    let got = client.get("/users").await.refused(503, "ServiceUnavailable");
    assert_eq!(got.header("retry-after"), None);
    play("GET", status(429, Some(7)));
    assert_eq!(client.get("/users").await.refused(429, "TooManyRequests").header("retry-after"), Some("7"));

    play("GET", FaultAction::TruncateBody);
    let cut = client.request(Method::GET, "/users").send().await.unwrap();
    assert_eq!(cut.status().as_u16(), 200);
    assert!(cut.bytes().await.is_err(), "the body stops half-way");

    play("GET", FaultAction::BadJson);
    let text = client.request(Method::GET, "/users").send().await.unwrap().text().await.unwrap();
    assert!(serde_json::from_str::<Value>(&text).is_err(), "{text}");

    play("GET", FaultAction::Delay { delay_ms: 300 });
    let started = Instant::now();
    client.get("/users").await.is(200);
    assert!(started.elapsed() >= Duration::from_millis(300));

    let gave_up = FaultAction::Status { status: 504, code: None, retry_after_s: None, applied: true };
    play("POST", gave_up);
    client.post("/users", new_user("cid")).await.is(504);
    client.get("/users/cid@contoso.com").await.is(200);
}

#[tokio::test]
async fn f23_a_reset_inside_a_batch_takes_the_whole_reply_but_what_ran_has_run() {
    let (tenant, client) = tenant(json!({})).await;
    tenant.update_knobs(|knobs| knobs.faults = vec![fault("POST", "/users", FaultAction::ResetAfter)]).unwrap();
    let requests = json!({ "requests": [post_user("1", "bob"), post_user("2", "cid")] });
    assert!(client.request(Method::POST, "/$batch").json(&requests).send().await.is_err());
    assert_eq!(client.get("/users").await.rows().len(), 2);
}

#[tokio::test]
async fn f24_a_fresh_object_is_not_there_for_a_while() {
    let (tenant, client) = tenant(json!({ "users": [user("ann")] })).await;
    let group = client.post("/groups", new_group("sales")).await.is(201).id();
    tenant.update_knobs(|knobs| knobs.replication_delay_ms = 60_000).unwrap();
    tenant.advance_clock(Duration::from_secs(61));
    let (_, link) = client.round("/users/delta").await;
    let bob = client.post("/users", new_user("bob")).await.is(201).id();
    let reference = json!({ "@odata.id": format!("{}directoryObjects/{bob}", client.graph) });
    let add = format!("/groups/{group}/members/$ref");
    client.get(&format!("/users/{bob}")).await.refused(404, "Request_ResourceNotFound");
    client.get("/users/bob@contoso.com").await.is(404);
    client.post(&add, reference.clone()).await.refused(404, "Request_ResourceNotFound");
    tenant.update_knobs(|knobs| knobs.fresh_reference_status = 400).unwrap();
    client.post(&add, reference.clone()).await.refused(400, "Request_BadRequest");
    assert_eq!(client.get("/users").await.rows().len(), 1);
    let (rows, link) = client.round(&link).await;
    assert!(rows.is_empty(), "{rows:?}");
    // It is taken all the same.
    client.post("/users", new_user("bob")).await.conflict("userPrincipalName");

    tenant.advance_clock(Duration::from_secs(61));
    client.get(&format!("/users/{bob}")).await.is(200);
    client.post(&add, reference).await.is(204);
    let (rows, _) = client.round(&link).await;
    assert_eq!(rows.iter().filter(|row| row["id"] == bob).count(), 1, "the delta tells of it late, not never");
}
