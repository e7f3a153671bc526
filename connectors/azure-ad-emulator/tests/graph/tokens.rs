//! Tokens and permissions: F.1, F.3, and the refusals of the token endpoint (A.1).

use std::time::Duration;

use serde_json::json;

use crate::support::*;

#[tokio::test]
async fn f01_a_token_is_given_expires_and_is_renewed() {
    let (tenant, mut client) = tenant(json!({ "users": [user("ann")] })).await;
    let got = client.ask_token(&token_form(CLIENT, SECRET)).await.is(200);
    assert_eq!(got.body["token_type"], "Bearer");
    assert_eq!(got.body["expires_in"], 3599);
    client.get("/users").await.is(200);

    tenant.advance_clock(Duration::from_secs(3_600));
    client.get("/users").await.refused(401, "InvalidAuthenticationToken");
    client.renew(CLIENT).await;
    assert_eq!(client.get("/users").await.is(200).rows().len(), 1);
}

#[tokio::test]
async fn f01_the_token_endpoint_refuses_as_documented() {
    let (tenant, client) = tenant(json!({ "applications": [
        { "clientId": CLIENT, "clientSecret": SECRET, "secretExpired": false },
        { "clientId": READER, "clientSecret": SECRET, "secretExpired": true },
    ] }))
    .await;
    let stranger = "99999999-2222-4333-8444-555555555555";
    let scope = "https://graph.microsoft.com/.default";
    let graph = |client_id, secret, scope| {
        vec![
            ("grant_type", "client_credentials"),
            ("client_id", client_id),
            ("client_secret", secret),
            ("scope", scope),
        ]
    };
    let assertion = vec![
        ("grant_type", "client_credentials"),
        ("client_id", CLIENT),
        ("scope", scope),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", "a.b.c"),
    ];
    let cases = [
        (graph(CLIENT, "wrong", scope), 401, "invalid_client", 7_000_215),
        (graph(READER, SECRET, scope), 401, "invalid_client", 7_000_222),
        (graph(stranger, SECRET, scope), 400, "unauthorized_client", 700_016),
        (graph(CLIENT, SECRET, "https://graph.microsoft.com/User.Read"), 400, "invalid_scope", 70_011),
        (
            graph(CLIENT, SECRET, "https://graph.microsoft.com/.default https://x/.default"),
            400,
            "invalid_scope",
            28_000,
        ),
        (vec![("grant_type", "magic"), ("client_id", CLIENT)], 400, "unsupported_grant_type", 70_003),
        (assertion, 401, "invalid_client", 50_027),
    ];
    for (form, status, error, code) in cases {
        let got = client.ask_token(&form).await.is(status);
        assert_eq!(got.body["error"], error, "{}", got.body);
        assert_eq!(got.body["error_codes"], json!([code]));
        let description = got.body["error_description"].as_str().unwrap();
        assert!(description.starts_with(&format!("AADSTS{code}: ")), "{description}");
        assert!(description.contains("\r\nTrace ID: "), "{description}");
    }
    let elsewhere = format!("{}/fabrikam.com/oauth2/v2.0/token", tenant.base_url());
    let got = read(client.http.post(elsewhere).form(&token_form(CLIENT, SECRET)).send().await.unwrap()).await.is(400);
    assert_eq!((&got.body["error"], &got.body["error_codes"]), (&json!("invalid_request"), &json!([90_002])));
}

#[tokio::test]
async fn f01_the_secret_is_accepted_as_http_basic_and_by_domain() {
    let (tenant, client) = tenant(json!({})).await;
    let url = format!("{}/contoso.com/oauth2/v2.0/token", tenant.base_url());
    // Both parts are form-encoded before they are joined (RFC 6749, 2.3.1).
    let secret = "s3cret%20for%2Brehearsals%26only%3D";
    let scope = format!("{}/.default", tenant.base_url());
    let form = [("grant_type", "client_credentials"), ("scope", scope.as_str())];
    let request = client.http.post(url).basic_auth(CLIENT, Some(secret)).form(&form);
    read(request.send().await.unwrap()).await.is(200);
}

#[tokio::test]
async fn discovery_names_the_tenant() {
    let (tenant, client) = tenant(json!({})).await;
    let url = format!("{}/contoso.com/.well-known/openid-configuration", tenant.base_url());
    let got = read(client.http.get(url).send().await.unwrap()).await.is(200);
    assert_eq!(got.body["token_endpoint"], tenant.token_url());
    let url = format!("{}/fabrikam.com/.well-known/openid-configuration", tenant.base_url());
    let got = read(client.http.get(url).send().await.unwrap()).await.is(400);
    assert_eq!(got.body["error"], "invalid_tenant");
}

#[tokio::test]
async fn f03_writes_without_the_permission_are_denied_and_reads_still_work() {
    let (tenant, client) = tenant(json!({ "users": [user("ann")] })).await;
    let reader = Client::sign_in(&tenant, READER).await;
    assert_eq!(reader.get("/users").await.is(200).rows().len(), 1);
    let denied = |got: Got| got.refused(403, "Authorization_RequestDenied");
    denied(reader.patch("/users/ann@contoso.com", json!({ "jobTitle": "Boss" })).await);
    denied(reader.post("/users", new_user("bob")).await);
    denied(reader.delete("/users/ann@contoso.com").await);
    denied(reader.get("/groups").await);
    denied(reader.get("/contacts").await);
    denied(reader.get("/domains").await);
    denied(reader.get("/roleManagement/directory/roleAssignments").await);
    assert_eq!(client.get("/users").await.rows().len(), 1);
    assert_eq!(client.property("/users/ann@contoso.com", "jobTitle").await, json!(null));
    assert_eq!(tenant.successful_writes(), 0);
}

#[tokio::test]
async fn requests_without_a_good_token_are_401_and_carry_request_ids() {
    let (tenant, client) = tenant(json!({})).await;
    let anonymous = Client::anonymous(&tenant);
    anonymous.get("/users").await.refused(401, "InvalidAuthenticationToken");
    let request = client.request(reqwest::Method::GET, "/users/none@contoso.com");
    let id = "0f8fad5b-d9cb-469f-a165-70867728950e";
    let got = read(request.header("client-request-id", id).send().await.unwrap()).await;
    let got = got.refused(404, "Request_ResourceNotFound");
    assert_eq!(got.header("client-request-id"), Some(id));
    assert_eq!(got.body["error"]["innerError"]["client-request-id"], id);
    assert_eq!(got.body["error"]["innerError"]["request-id"].as_str(), got.header("request-id"));
}
