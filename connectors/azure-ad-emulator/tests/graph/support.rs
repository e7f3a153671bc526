//! What the tests share: a tenant with a small seed, and a client that speaks plain HTTP to it. The client knows nothing
//! of the tenant's insides.

use std::sync::{Arc, Once};

use azure_ad_emulator::{Knobs, RehearsalTenant, RunningTenant, SeedSource, TenantOptions};
use graph_contract::Watch;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

pub(crate) const CLIENT: &str = "11111111-2222-4333-8444-555555555555";
pub(crate) const READER: &str = "22222222-2222-4333-8444-555555555555";
pub(crate) const SECRET: &str = "s3cret for+rehearsals&only=";
pub(crate) const PASSWORD: &str = "Initial-Passw0rd";
pub(crate) const E3: &str = "6fd2c87f-b296-42f0-b197-1e91e994b900";

/// All permissions that a synchronising application has.
pub(crate) const ALL: [&str; 12] = [
    "User.ReadWrite.All",
    "User-PasswordProfile.ReadWrite.All",
    "User.DeleteRestore.All",
    "User.RevokeSessions.All",
    "Group.ReadWrite.All",
    "OrgContact.Read.All",
    "Organization.Read.All",
    "Domain.Read.All",
    "RoleManagement.Read.Directory",
    "LicenseAssignment.ReadWrite.All",
    "User-OnPremisesSyncBehavior.ReadWrite.All",
    "Group-OnPremisesSyncBehavior.ReadWrite.All",
];

/// A seed with the domains, one licence and two applications, plus what the test adds.
pub(crate) fn seed(more: Value) -> Value {
    let mut seed = json!({
        "tenant": { "displayName": "Contoso" },
        "domains": [
            { "name": "contoso.onmicrosoft.com", "initial": true },
            { "name": "contoso.com", "default": true },
            { "name": "sso.contoso.com", "federated": true },
            { "name": "unverified.example", "verified": false },
        ],
        "skus": [{ "skuPartNumber": "ENTERPRISEPACK", "skuId": E3, "enabledUnits": 3 }],
        "applications": [
            { "clientId": CLIENT, "clientSecret": SECRET, "permissions": ALL },
            { "clientId": READER, "clientSecret": SECRET, "permissions": ["User.Read.All"] },
            { "clientId": "33333333-2222-4333-8444-555555555555", "clientSecret": SECRET, "permissions": ["ADSynchronization.ReadWrite.All"] },
        ],
    });
    if let (Some(seed), Value::Object(more)) = (seed.as_object_mut(), more) {
        seed.extend(more);
    }
    seed
}

/// The seed's shape of a user.
pub(crate) fn user(name: &str) -> Value {
    json!({ "userPrincipalName": format!("{name}@contoso.com"), "displayName": name, "mail": format!("{name}@contoso.com") })
}

/// A complete create body.
pub(crate) fn new_user(name: &str) -> Value {
    json!({
        "accountEnabled": true,
        "displayName": name,
        "mailNickname": name,
        "userPrincipalName": format!("{name}@contoso.com"),
        "passwordProfile": { "password": PASSWORD, "forceChangePasswordNextSignIn": true },
    })
}

pub(crate) fn new_group(name: &str) -> Value {
    json!({ "displayName": name, "mailEnabled": false, "mailNickname": name, "securityEnabled": true })
}

pub(crate) async fn start(options: TenantOptions) -> RunningTenant {
    RehearsalTenant::start(options).await.unwrap_or_else(|error| panic!("the tenant does not start: {error}"))
}

pub(crate) async fn start_with(more: Value, knobs: Knobs) -> RunningTenant {
    start(TenantOptions { seed: Some(SeedSource::Json(seed(more))), knobs, ..TenantOptions::default() }).await
}

/// A tenant in memory and a client signed in to it.
pub(crate) async fn tenant(more: Value) -> (RunningTenant, Client) {
    let tenant = start_with(more, Knobs::default()).await;
    let client = Client::sign_in(&tenant, CLIENT).await;
    (tenant, client)
}

/// A reply as the tests look at it.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Value,
}

impl Got {
    /// `error.code`.
    pub(crate) fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_default()
    }

    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Got {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        self
    }

    #[track_caller]
    pub(crate) fn refused(self, status: u16, code: &str) -> Got {
        assert_eq!((self.status.as_u16(), self.code()), (status, code), "{}", self.body);
        self
    }

    /// Refused as a uniqueness conflict on that property.
    #[track_caller]
    pub(crate) fn conflict(self, property: &str) {
        let got = self.refused(400, "Request_BadRequest");
        let detail = &got.body["error"]["details"][0];
        assert_eq!((&detail["code"], &detail["target"]), (&json!("ObjectConflict"), &json!(property)), "{}", got.body);
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub(crate) fn rows(&self) -> &[Value] {
        self.body["value"].as_array().map_or(&[], Vec::as_slice)
    }

    pub(crate) fn id(&self) -> String {
        self.body["id"].as_str().unwrap_or_default().to_owned()
    }
}

#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) http: reqwest::Client,
    pub(crate) base: String,
    pub(crate) graph: String,
    pub(crate) token_url: String,
    pub(crate) token: String,
    /// Judges the tenant's replies by the public contract.
    pub(crate) _watch: Arc<Watch>,
}

fn http() -> reqwest::Client {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        rustls::crypto::ring::default_provider().install_default().expect("the first provider of this process");
    });
    reqwest::Client::builder().no_proxy().build().expect("a plain client")
}

impl Client {
    pub(crate) fn anonymous(tenant: &RunningTenant) -> Client {
        let watch = Watch::of_replies(tenant.address()).expect("a relay in front of the tenant");
        Client {
            http: http(),
            base: tenant.base_url().to_owned(),
            graph: watch.url(&tenant.graph_url()),
            token_url: tenant.token_url(),
            token: String::new(),
            _watch: Arc::new(watch),
        }
    }

    pub(crate) async fn sign_in(tenant: &RunningTenant, client_id: &str) -> Client {
        let mut client = Client::anonymous(tenant);
        client.renew(client_id).await;
        client
    }

    pub(crate) async fn renew(&mut self, client_id: &str) {
        let got = self.ask_token(&token_form(client_id, SECRET)).await.is(200);
        self.token = got.body["access_token"].as_str().expect("a token").to_owned();
    }

    pub(crate) async fn ask_token(&self, form: &[(&str, &str)]) -> Got {
        read(self.http.post(&self.token_url).form(form).send().await.expect("a reply")).await
    }

    /// `path` is below the version root, or an absolute link.
    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let url = if path.starts_with("http") {
            path.to_owned()
        } else {
            format!("{}{}", self.graph, path.trim_start_matches('/'))
        };
        self.http.request(method, url).bearer_auth(&self.token)
    }

    pub(crate) async fn get(&self, path: &str) -> Got {
        read(self.request(Method::GET, path).send().await.expect("a reply")).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Got {
        read(self.request(Method::POST, path).json(&body).send().await.expect("a reply")).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Got {
        read(self.request(Method::PATCH, path).json(&body).send().await.expect("a reply")).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Got {
        read(self.request(Method::PUT, path).json(&body).send().await.expect("a reply")).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Got {
        read(self.request(Method::DELETE, path).send().await.expect("a reply")).await
    }

    /// An object's property as a later reader sees it.
    pub(crate) async fn property(&self, path: &str, name: &str) -> Value {
        self.get(&format!("{path}?$select={name}")).await.is(200).body[name].clone()
    }

    /// Follows nextLinks to the end.
    pub(crate) async fn all(&self, path: &str) -> Vec<Value> {
        let mut rows = Vec::new();
        let mut next = Some(path.to_owned());
        while let Some(link) = next {
            let got = self.get(&link).await.is(200);
            rows.extend(got.rows().to_vec());
            next = got.body["@odata.nextLink"].as_str().map(str::to_owned);
        }
        rows
    }

    /// Runs a delta round to its end: rows and deltaLink. Checks on the way that no page has both links.
    pub(crate) async fn round(&self, path: &str) -> (Vec<Value>, String) {
        self.round_with(path, None).await
    }

    pub(crate) async fn round_with(&self, path: &str, prefer: Option<&str>) -> (Vec<Value>, String) {
        let mut rows = Vec::new();
        let mut link = path.to_owned();
        loop {
            let mut request = self.request(Method::GET, &link);
            if let Some(prefer) = prefer {
                request = request.header("Prefer", prefer);
            }
            let got = read(request.send().await.expect("a reply")).await.is(200);
            rows.extend(got.rows().to_vec());
            match (got.body["@odata.nextLink"].as_str(), got.body["@odata.deltaLink"].as_str()) {
                (Some(next), None) => link = next.to_owned(),
                (None, Some(delta)) => return (rows, delta.to_owned()),
                links => panic!("a page has one of the links: {links:?}"),
            }
        }
    }

    pub(crate) async fn control(&self, method: Method, path: &str, body: Value) -> Got {
        let request = self.http.request(method, format!("{}/_tenant/{path}", self.base)).json(&body);
        read(request.send().await.expect("a reply")).await
    }
}

pub(crate) fn token_form<'a>(client_id: &'a str, secret: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("grant_type", "client_credentials"),
        ("client_id", client_id),
        ("client_secret", secret),
        ("scope", "https://graph.microsoft.com/.default"),
    ]
}

pub(crate) async fn read(response: reqwest::Response) -> Got {
    let (status, headers) = (response.status(), response.headers().clone());
    let text = response.text().await.expect("a whole body");
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    Got { status, headers, body }
}

/// The bodies of a `$batch` reply by item id.
pub(crate) fn responses(got: &Got) -> std::collections::BTreeMap<String, Value> {
    let responses = got.body["responses"].as_array().expect("responses");
    responses
        .iter()
        .map(|response| (response["id"].as_str().unwrap_or_default().to_owned(), response.clone()))
        .collect()
}
