//! "Does my AD password work in the cloud?" (F.29): signing in at the token endpoint with name and password, by plain HTTP.

use std::time::Duration;

use azure_ad_emulator::{Knobs, RehearsalTenant, RunningTenant, SeedSource, TenantOptions};
use reqwest::Method;
use serde_json::{Value, json};

use crate::credentials::push;
use crate::soap::*;
use crate::support::*;

/// Graph's own command line client, which every tenant knows.
const PUBLIC: &str = "14d82eec-204b-4c2f-b7e8-296a70dab67e";

fn contract() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/contracts/pph1-md4-vectors.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// A tenant that takes hashes, with a synchronised user `ann` (anchor `QQ==`).
async fn world(more: Value) -> (RunningTenant, Client, Service) {
    let (tenant, graph, service) = synced(more).await;
    turn(&tenant, "passwordSyncEnabled", true);
    service.one(set("User", person("QQ==", "ann"))).await.id();
    (tenant, graph, service)
}

fn turn(tenant: &RunningTenant, feature: &str, on: bool) {
    tenant.update_knobs(|knobs| _ = knobs.features.insert(feature.to_owned(), on)).unwrap();
}

/// Signs in; `200`, or the number of the refusal.
async fn sign_in(client: &Client, name: &str, password: &str) -> u64 {
    let form = [
        ("grant_type", "password"),
        ("client_id", PUBLIC),
        ("scope", "User.Read openid"),
        ("username", name),
        ("password", password),
    ];
    let got = client.ask_token(&form).await;
    if got.status == 200 {
        assert!(got.body["access_token"].as_str().is_some_and(|token| token.len() > 100), "{}", got.body);
        return 200;
    }
    assert_eq!((got.status.as_u16(), &got.body["error"]), (400, &json!("invalid_grant")), "{}", got.body);
    let code = got.body["error_codes"][0].as_u64().unwrap();
    let text = got.body["error_description"].as_str().unwrap();
    assert!(text.starts_with(&format!("AADSTS{code}: ")) && !text.contains(password), "{text}");
    code
}

/// F.29: what was hashed by the contract's three clear passwords lets their owner in, and nobody else.
#[tokio::test]
async fn f29_a_synchronised_password_signs_in() {
    let (_tenant, graph, service) = world(json!({})).await;
    assert_eq!(sign_in(&graph, "ann@contoso.com", "Password1!").await, 50_056, "there is none yet");
    let contract = contract();
    let vectors = contract["vectors"].as_array().unwrap();
    let clear: Vec<&Value> = vectors.iter().filter(|vector| vector["password"] != "").collect();
    assert_eq!(clear.len(), 3);
    for vector in clear {
        let (password, data) = (vector["password"].as_str().unwrap(), vector["credentialData"].as_str().unwrap());
        assert_eq!(push(&service, "QQ==", data).await, ("0".to_owned(), None));
        assert_eq!(sign_in(&graph, "ANN@contoso.com", password).await, 200, "{password}");
        assert_eq!(sign_in(&graph, "ann@contoso.com", &format!("{password} ")).await, 50_126, "{password}");
        assert_eq!(sign_in(&graph, "ann@contoso.com", &password.to_uppercase()).await, 50_126, "{password}");
    }
    assert_eq!(graph.property("/users/ann@contoso.com", "passwordPolicies").await, "DisablePasswordExpiration");
    assert_eq!(sign_in(&graph, "nobody@contoso.com", "Password1!").await, 50_034);
}

/// F.29: a hash over lower-case digits is taken, as the service cannot know, and lets nobody in.
#[tokio::test]
async fn f29_the_lower_case_variant_lets_nobody_in() {
    let (_tenant, graph, service) = world(json!({})).await;
    let negative = &contract()["negative"];
    let (salt, hash) = (negative["salt"].as_str().unwrap(), negative["hash"].as_str().unwrap());
    assert_eq!(push(&service, "QQ==", &format!("v1;PPH1_MD4,{salt},1000,{hash};")).await.0, "0");
    assert_eq!(sign_in(&graph, "ann@contoso.com", negative["password"].as_str().unwrap()).await, 50_126);
}

/// F.29: whose hash is not taken, has the password of before, or none.
#[tokio::test]
async fn f29_refused_hashes_change_nothing() {
    let cloud = with(user("cid"), json!({ "password": "Of-the-cloud-1", "onPremisesImmutableId": "Q2xv" }));
    let (tenant, graph, service) = world(json!({ "users": [cloud] })).await;
    let data = contract()["vectors"][0]["credentialData"].as_str().unwrap().to_owned();
    for (anchor, expected) in [("unknown", "2"), ("Q2xv", "4")] {
        assert_eq!(push(&service, anchor, &data).await.0, expected);
    }
    turn(&tenant, "passwordSyncEnabled", false);
    assert_eq!(push(&service, "QQ==", &data).await.0, "3", "the feature is off");
    turn(&tenant, "passwordSyncEnabled", true);
    tenant.update_knobs(|knobs| knobs.anchor_delay_ms = 30_000).unwrap();
    service.one(set("User", person("Qg==", "bob"))).await.id();
    assert_eq!(push(&service, "Qg==", &data).await.0, "2", "created a second ago");
    for name in ["ann", "bob"] {
        assert_eq!(sign_in(&graph, &format!("{name}@contoso.com"), "Password1!").await, 50_056);
    }
    assert_eq!(sign_in(&graph, "cid@contoso.com", "Of-the-cloud-1").await, 200);
    assert_eq!(sign_in(&graph, "cid@contoso.com", "Password1!").await, 50_126);
    tenant.advance_clock(Duration::from_secs(31));
    assert_eq!(push(&service, "Qg==", &data).await.0, "0");
    assert_eq!(sign_in(&graph, "bob@contoso.com", "Password1!").await, 200);
}

/// F.29, P24: the cloud's policy keeps passwords from expiring unless the tenant asks for its own policy.
#[tokio::test]
async fn f29_p24_the_policy_follows_the_feature() {
    let (tenant, graph, service) = world(json!({})).await;
    turn(&tenant, "cloudPasswordPolicyForPasswordSyncedUsersEnabled", true);
    let data = contract()["vectors"][0]["credentialData"].as_str().unwrap().to_owned();
    assert_eq!(push(&service, "QQ==", &data).await.0, "0");
    assert_eq!(graph.property("/users/ann@contoso.com", "passwordPolicies").await, Value::Null);
}

/// P25, C: a temporary password signs in only to be changed; a blocked account not at all; the directory's next password ends both.
#[tokio::test]
async fn p25_must_change_and_blocked_accounts_are_told_apart() {
    let (tenant, graph, service) = world(json!({})).await;
    let data = contract()["vectors"][0]["credentialData"].as_str().unwrap().to_owned();
    turn(&tenant, "userForcePasswordChangeOnLogonEnabled", true);
    push(&service, "QQ==", &data).await;
    assert_eq!(sign_in(&graph, "ann@contoso.com", "Password1!").await, 50_055);
    assert_eq!(sign_in(&graph, "ann@contoso.com", "wrong").await, 50_126, "only the right one is told to be changed");
    turn(&tenant, "userForcePasswordChangeOnLogonEnabled", false);
    push(&service, "QQ==", &data).await;
    assert_eq!(sign_in(&graph, "ann@contoso.com", "Password1!").await, 200, "the order was not honoured, and is gone");
    let blocked = with(person("QQ==", "ann"), json!({ "accountEnabled": false }));
    service.one(set("User", blocked)).await.id();
    assert_eq!(sign_in(&graph, "ann@contoso.com", "Password1!").await, 50_057);
    service.one(set("User", person("QQ==", "ann"))).await.id();
    assert_eq!(sign_in(&graph, "ann@contoso.com", "Password1!").await, 200);
    service.one(delete("User", "QQ==")).await;
    assert_eq!(sign_in(&graph, "ann@contoso.com", "Password1!").await, 50_034);
}

/// Smart lockout: ten different wrong passwords lock for a minute, each further one for longer; the right one ends it.
#[tokio::test]
async fn many_wrong_passwords_lock_the_account() {
    let (tenant, graph, service) = world(json!({})).await;
    push(&service, "QQ==", contract()["vectors"][0]["credentialData"].as_str().unwrap()).await;
    for _ in 0..12 {
        assert_eq!(sign_in(&graph, "ann@contoso.com", "the same").await, 50_126, "a repeated one counts once");
    }
    for number in 0..9 {
        assert_eq!(sign_in(&graph, "ann@contoso.com", &format!("wrong {number}")).await, 50_126);
    }
    assert_eq!(sign_in(&graph, "ann@contoso.com", "Password1!").await, 50_053);
    tenant.advance_clock(Duration::from_secs(61));
    assert_eq!(sign_in(&graph, "ann@contoso.com", "wrong again").await, 50_126);
    tenant.advance_clock(Duration::from_secs(61));
    assert_eq!(sign_in(&graph, "ann@contoso.com", "Password1!").await, 50_053, "two minutes now");
    tenant.advance_clock(Duration::from_secs(60));
    assert_eq!(sign_in(&graph, "ann@contoso.com", "Password1!").await, 200);
    tenant.update_knobs(|knobs| knobs.lockout_threshold = 1).unwrap();
    assert_eq!(sign_in(&graph, "ann@contoso.com", "wrong").await, 50_126);
    assert_eq!(sign_in(&graph, "ann@contoso.com", "Password1!").await, 50_053);
}

/// What Graph sets signs in too, and is to be changed as it says; P22, P28: whoever set it last wins.
#[tokio::test]
async fn p28_a_password_of_the_cloud_lasts_until_the_next_of_the_directory() {
    let (tenant, graph, service) = world(json!({})).await;
    let created = graph.post("/users", new_user("dee")).await.is(201).id();
    assert_eq!(sign_in(&graph, "dee@contoso.com", PASSWORD).await, 50_055);
    let reset =
        |password: &str| json!({ "passwordProfile": { "password": password, "forceChangePasswordNextSignIn": false } });
    graph.patch(&format!("/users/{created}"), reset("Another-1")).await.is(204);
    assert_eq!(sign_in(&graph, "dee@contoso.com", "Another-1").await, 200);
    assert_eq!(sign_in(&graph, "dee@contoso.com", PASSWORD).await, 50_126);

    let data = contract()["vectors"][0]["credentialData"].as_str().unwrap().to_owned();
    push(&service, "QQ==", &data).await;
    graph.patch("/users/ann@contoso.com", reset("Helpdesk-1")).await.is(204);
    assert_eq!(sign_in(&graph, "ann@contoso.com", "Password1!").await, 50_126);
    assert_eq!(sign_in(&graph, "ann@contoso.com", "Helpdesk-1").await, 200);
    push(&service, "QQ==", &data).await;
    assert_eq!(sign_in(&graph, "ann@contoso.com", "Password1!").await, 200);
    let page = graph.http.get(format!("{}/_tenant/", tenant.base_url())).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("Password hash synchronisation, 20") && page.contains("In cloud, 20"), "{page}");
    assert!(!page.contains("PPH1"));
}

/// A federated domain sends its people elsewhere, unless its policy lets them use what was synchronised.
#[tokio::test]
async fn a_federated_user_signs_in_here_by_policy_only() {
    let (tenant, graph, service) = world(json!({})).await;
    let there = with(person("Qg==", "bob"), json!({ "userPrincipalName": "bob@sso.contoso.com" }));
    service.one(set("User", there)).await.id();
    push(&service, "Qg==", contract()["vectors"][0]["credentialData"].as_str().unwrap()).await;
    assert_eq!(sign_in(&graph, "bob@sso.contoso.com", "Password1!").await, 50_126);
    tenant.update_knobs(|knobs| knobs.cloud_passwords_of_federated_users = true).unwrap();
    assert_eq!(sign_in(&graph, "bob@sso.contoso.com", "Password1!").await, 200);
}

/// The grant itself: what must stand in the form, who the client is, and what the token is good for.
#[tokio::test]
async fn the_password_grant_has_its_form() {
    let (tenant, graph, service) = world(json!({})).await;
    push(&service, "QQ==", contract()["vectors"][0]["credentialData"].as_str().unwrap()).await;
    let form = |client: &'static str, more: &[(&'static str, &'static str)]| {
        let mut form =
            vec![("grant_type", "password"), ("client_id", client), ("scope", "https://graph.microsoft.com/User.Read")];
        form.extend(more);
        form
    };
    let person = [("username", "ann@contoso.com"), ("password", "Password1!")];
    for (form, code) in [
        (form(PUBLIC, &person[..1]), 900_144),
        (form(PUBLIC, &person[1..]), 900_144),
        (form("99999999-2222-4333-8444-555555555555", &person), 700_016),
        (form(CLIENT, &person), 7_000_218),
        (form(CLIENT, &[person[0], person[1], ("client_secret", "wrong")]), 7_000_215),
    ] {
        let got = graph.ask_token(&form).await;
        assert_eq!(got.body["error_codes"], json!([code]), "{}", got.body);
    }
    let got = graph.ask_token(&form(CLIENT, &[person[0], person[1], ("client_secret", SECRET)])).await.is(200);
    assert_eq!(got.body["scope"], "User.Read");
    let ann = Client { token: got.body["access_token"].as_str().unwrap().to_owned(), ..graph.clone() };
    ann.delete("/users/ann@contoso.com").await.refused(403, "Authorization_RequestDenied");
    let told = format!("{:?}", tenant.request_log());
    assert!(told.contains("ann@contoso.com") && !told.contains("Password1!") && !told.contains("PPH1"), "{told}");
}

/// Many at once, for tests of whole directories.
#[tokio::test]
async fn many_sign_ins_are_checked_in_one_request() {
    let (_tenant, graph, service) = world(json!({})).await;
    push(&service, "QQ==", contract()["vectors"][0]["credentialData"].as_str().unwrap()).await;
    let one = |user: &str, password: &str| json!({ "user": user, "password": password });
    let body = json!({ "signIns": [
        one("ann@contoso.com", "Password1!"), one("ann@contoso.com", "other"), one("nobody@contoso.com", "x")
    ] });
    let got = graph.control(Method::POST, "sign-ins", body).await.is(200);
    let codes: Vec<u64> =
        got.body["results"].as_array().unwrap().iter().map(|result| result["code"].as_u64().unwrap()).collect();
    assert_eq!(codes, [0, 50_126, 50_034]);
    let wrong =
        graph.control(Method::POST, "sign-ins", json!({ "signIns": [{ "user": "a", "password": 7171 }] })).await;
    assert!(wrong.status == 400 && !wrong.body.to_string().contains("7171"), "{}", wrong.body);
}

/// Of a password the state file has the string of section C and nothing else, and it outlives a restart; the log has neither.
#[tokio::test]
async fn the_state_file_keeps_the_hash_alone() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = with(user("cid"), json!({ "password": "Of-the-cloud-1" }));
    let options = || TenantOptions {
        state_file: Some(folder.path().join("tenant.json")),
        request_log: Some(folder.path().join("requests.jsonl")),
        seed: Some(SeedSource::Json(seed(json!({ "users": [cloud.clone()] })))),
        knobs: Knobs::default(),
        ..TenantOptions::default()
    };
    let tenant = RehearsalTenant::start(options()).await.unwrap();
    let graph = Client::sign_in(&tenant, CLIENT).await;
    graph.post("/users", new_user("dee")).await.is(201);
    assert_eq!(sign_in(&graph, "cid@contoso.com", "Of-the-cloud-1").await, 200);
    tenant.shutdown().await.unwrap();
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    let (state, log) = (read("tenant.json"), read("requests.jsonl"));
    assert_eq!(state.matches("v1;PPH1_MD4,").count(), 2);
    for text in [&state, &log] {
        assert!(!text.contains("Of-the-cloud-1") && !text.contains(PASSWORD), "{text}");
    }
    assert!(!log.contains("PPH1"));
    let tenant = RehearsalTenant::start(options()).await.unwrap();
    let graph = Client::sign_in(&tenant, CLIENT).await;
    assert_eq!(sign_in(&graph, "cid@contoso.com", "Of-the-cloud-1").await, 200);
    assert_eq!(sign_in(&graph, "dee@contoso.com", PASSWORD).await, 50_055);
}
