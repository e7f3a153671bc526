//! Sign-in without a secret (A.1): a certificate against the rehearsal tenant, and a managed identity's token service on
//! loopback. The keys in `sign_in/` are good for nothing but these tests.

use super::hostile::Server;
use super::world::{CLIENT_ID, SECRET, permissions};
use azure_ad_emulator::{RehearsalTenant, RunningTenant, SeedSource, TenantOptions};
use connector_azure_ad::{AzureAd, Settings};
use connector_contract::{Connector as _, Severity};
use metaverse_schema::{Setting, SettingValue, SettingsTable};
use serde_json::json;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

fn file(name: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/graph/sign_in");
    format!("file:{}", folder.join(name).display())
}

/// A tenant that knows the application by its certificate; the secret serves the test itself.
async fn certified() -> RunningTenant {
    let pem = include_str!("sign_in/application.pem");
    let seed = json!({"applications": [{"clientId": CLIENT_ID, "clientSecret": SECRET, "certificates": [pem],
        "permissions": permissions()}]});
    let options = TenantOptions { seed: Some(SeedSource::Json(seed)), ..TenantOptions::default() };
    RehearsalTenant::start(options).await.unwrap()
}

/// A connector for that tenant whose credential is in `more`.
fn connector(tenant: &RunningTenant, more: &[(&str, &str)]) -> AzureAd {
    let mut table = SettingsTable::default();
    let id = tenant.tenant_id().to_string();
    let (graph, authority) = (tenant.graph_url(), tenant.base_url().to_owned());
    let common = [("tenant", id.as_str()), ("graph_url", graph.as_str()), ("authority_url", authority.as_str())];
    for (name, value) in common.iter().chain(more) {
        let setting = Setting { value: SettingValue::Text((*value).to_owned()), span: 0..0 };
        table.entries.insert((*name).to_owned(), setting);
    }
    let mut settings = Settings::read(&table).unwrap_or_else(|problems| panic!("{problems:#?}"));
    settings.backoff_base = Duration::from_millis(5);
    settings.attempts = 2;
    AzureAd::new(settings).unwrap()
}

async fn codes(connector: &AzureAd) -> Vec<(String, Severity, String)> {
    let findings = connector.check().await.findings;
    findings.into_iter().map(|it| (it.code.as_str().to_owned(), it.severity, it.message + " / " + &it.remedy)).collect()
}

/// F.2 through the connector, and the days that the certificate has left (SF26).
#[tokio::test]
async fn f02_a_certificate_stands_in_for_the_secret() {
    let tenant = certified().await;
    let (certificate, key) = (file("application.pem"), file("application.key.pem"));
    let application = [("client_id", CLIENT_ID), ("client_certificate", &certificate)];
    let signed_in = connector(&tenant, &[application[0], application[1], ("client_certificate_key", &key)]);
    let found = codes(&signed_in).await;
    assert_eq!((found[0].0.as_str(), found[0].1), ("certificate-days-left", Severity::Ok), "{found:#?}");
    assert_eq!((found[1].0.as_str(), found[1].1), ("connected", Severity::Ok), "{found:#?}");

    // A certificate that the tenant does not know, and a key that is another's.
    let (stranger, its_key) = (file("other.pem"), file("other.key.pem"));
    let unknown =
        connector(&tenant, &[application[0], ("client_certificate", &stranger), ("client_certificate_key", &its_key)]);
    let found = codes(&unknown).await;
    assert!(found[1].0 == "credential-rejected" && found[1].2.contains("AADSTS700027"), "{found:#?}");
    assert!(found[1].2.contains("upload client_certificate"), "{found:#?}");
    let swapped = connector(&tenant, &[application[0], application[1], ("client_certificate_key", &its_key)]);
    let found = codes(&swapped).await;
    assert!(found[0].0 == "credential-missing" && found[0].2.contains("does not belong"), "{found:#?}");
}

/// The virtual machine's metadata service: the identity's token is taken from it and used, and nothing else is asked.
#[tokio::test]
async fn a_managed_identity_needs_no_secret() {
    let tenant = certified().await;
    // The machine's service lends out a token that the tenant gave.
    let token = lent_token(&tenant).await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (log, body) = (seen.clone(), json!({"access_token": token, "expires_in": "3599", "token_type": "Bearer"}));
    let service = Server::serving(Arc::new(move |first: &str, _| {
        log.lock().unwrap().push(first.to_owned());
        Server::json(&body.to_string())
    }))
    .await;
    let url = format!("{}/identity", service.root());
    let connector =
        connector(&tenant, &[("managed_identity", "imds"), ("identity_url", &url), ("client_id", "an-identity")]);
    let found = codes(&connector).await;
    assert_eq!((found[0].0.as_str(), found[0].1), ("connected", Severity::Ok), "{found:#?}");
    let asked = seen.lock().unwrap().clone();
    assert_eq!(
        asked,
        [
            "GET /identity?api-version=2018-02-01&resource=https%3A%2F%2Fgraph.microsoft.com&client_id=an-identity HTTP/1.1"
        ]
    );
}

/// A token of the tenant, asked for with the application's secret.
async fn lent_token(tenant: &RunningTenant) -> String {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let form = [
        ("client_id", CLIENT_ID),
        ("client_secret", SECRET),
        ("grant_type", "client_credentials"),
        ("scope", "https://graph.microsoft.com/.default"),
    ];
    let reply = reqwest::Client::new().post(tenant.token_url()).form(&form).send().await.unwrap();
    let reply: serde_json::Value = reply.json().await.unwrap();
    reply["access_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_machine_without_an_identity_is_told_what_else_there_is() {
    let tenant = certified().await;
    let nobody = connector(&tenant, &[("managed_identity", "imds"), ("identity_url", "http://127.0.0.1:9/identity")]);
    let found = codes(&nobody).await;
    assert!(found[0].0 == "unreachable" && found[0].2.contains("client_certificate"), "{found:#?}");
    let refusing = Server::serving(Arc::new(|_: &str, _| {
        Server::refusal(
            "400 Bad Request",
            "{\"error\":\"invalid_request\",\"error_description\":\"Identity not found\"}",
        )
    }))
    .await;
    let url = format!("{}/identity", refusing.root());
    let found = codes(&connector(&tenant, &[("managed_identity", "imds"), ("identity_url", &url)])).await;
    assert!(found[0].0 == "credential-rejected" && found[0].2.contains("Identity not found"), "{found:#?}");
}
