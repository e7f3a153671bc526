//! F.2: sign-in with a certificate. The assertions are made here, each broken in one place. The keys in `keys/` are good
//! for nothing but these tests.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use azure_ad_emulator::RunningTenant;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::rsa::KeyPair;
use ring::signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding};
use serde_json::{Value, json};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::support::*;

const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

fn pem(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/graph/keys").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn der(pem: &str) -> Vec<u8> {
    let base64: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    STANDARD.decode(base64).unwrap()
}

/// A good assertion, for one change before it is signed.
struct Assertion {
    key: &'static str,
    padding: &'static dyn RsaEncoding,
    header: Value,
    claims: Value,
}

impl Assertion {
    fn good(tenant: &RunningTenant) -> Assertion {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        Assertion {
            key: "application.key.pem",
            padding: &RSA_PSS_SHA256,
            header: json!({ "alg": "PS256", "typ": "JWT", "x5t#S256": sha256_of("application.pem") }),
            claims: json!({ "aud": tenant.token_url(), "iss": CLIENT, "sub": CLIENT, "jti": "1", "nbf": now, "exp": now + 600 }),
        }
    }

    fn signed(&self) -> String {
        let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let text = format!("{}.{}", encode(&self.header), encode(&self.claims));
        let key = KeyPair::from_pkcs8(&der(&pem(self.key))).unwrap();
        let mut signature = vec![0; key.public().modulus_len()];
        key.sign(self.padding, &SystemRandom::new(), text.as_bytes(), &mut signature).unwrap();
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

fn sha256_of(certificate: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(der(&pem(certificate))))
}

async fn ask(client: &Client, assertion: &str) -> Got {
    ask_as(client, TYPE, assertion).await
}

async fn ask_as(client: &Client, kind: &str, assertion: &str) -> Got {
    let scope = "https://graph.microsoft.com/.default";
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", CLIENT),
        ("scope", scope),
        ("client_assertion_type", kind),
        ("client_assertion", assertion),
    ];
    client.ask_token(&form).await
}

/// A tenant whose application has two certificates, one of them over, and no secret.
async fn certified() -> (RunningTenant, Client) {
    let application = json!({ "clientId": CLIENT, "permissions": ALL,
        "certificates": [pem("application.pem"), pem("expired.pem")] });
    let tenant = start_with(json!({ "applications": [application], "users": [user("ann")] }), Default::default()).await;
    let client = Client::anonymous(&tenant);
    (tenant, client)
}

#[tokio::test]
async fn f02_an_assertion_signed_with_a_registered_certificate_gets_a_token_that_works() {
    let (tenant, mut client) = certified().await;
    let got = ask(&client, &Assertion::good(&tenant).signed()).await.is(200);
    client.token = got.body["access_token"].as_str().unwrap().to_owned();
    assert_eq!(client.get("/users").await.is(200).rows().len(), 1);
    // The older form, still widely sent: RS256 with the SHA-1 thumbprint.
    let sha1 = URL_SAFE_NO_PAD.encode(Sha1::digest(der(&pem("application.pem"))));
    let mut older = Assertion::good(&tenant);
    older.header = json!({ "alg": "RS256", "typ": "JWT", "x5t": sha1 });
    older.padding = &RSA_PKCS1_SHA256;
    ask(&client, &older.signed()).await.is(200);
    // The tenant may be named by a verified domain.
    let mut by_domain = Assertion::good(&tenant);
    by_domain.claims["aud"] = json!(format!("{}/contoso.com/oauth2/v2.0/token", tenant.base_url()));
    ask(&client, &by_domain.signed()).await.is(200);
    // It has no secret, and an empty one is none.
    let got = client.ask_token(&token_form(CLIENT, "")).await.is(401);
    assert_eq!(got.body["error_codes"], json!([7_000_216]));
}

#[tokio::test]
async fn f02_each_broken_part_of_an_assertion_is_refused() {
    let (tenant, client) = certified().await;
    let now = Assertion::good(&tenant).claims["nbf"].as_u64().unwrap();
    type Break = fn(&mut Assertion, u64);
    let cases: [(&str, u32, Break); 10] = [
        ("another key", 700_027, |it, _| it.key = "other.key.pem"),
        ("a thumbprint nobody registered", 700_027, |it, _| it.header["x5t#S256"] = json!(sha256_of("other.pem"))),
        ("no thumbprint", 700_027, |it, _| it.header = json!({ "alg": "PS256" })),
        ("another algorithm than was signed with", 700_027, |it, _| it.header["alg"] = json!("RS256")),
        ("no algorithm at all", 700_027, |it, _| it.header["alg"] = json!("none")),
        ("a certificate that is over", 700_027, |it, _| {
            it.key = "expired.key.pem";
            it.header["x5t#S256"] = json!(sha256_of("expired.pem"));
        }),
        ("another audience", 700_023, |it, _| it.claims["aud"] = json!("https://login.example/x/oauth2/v2.0/token")),
        ("past its end", 700_024, |it, now| it.claims["exp"] = json!(now - 301)),
        ("before its begin", 700_024, |it, now| it.claims["nbf"] = json!(now + 400)),
        ("another application", 700_021, |it, _| it.claims["sub"] = json!(READER)),
    ];
    let code = async |assertion: &str| {
        let got = ask(&client, assertion).await.is(401);
        assert_eq!(got.body["error"], "invalid_client");
        got.body["error_codes"][0].as_u64().unwrap()
    };
    for (what, expected, change) in cases {
        let mut assertion = Assertion::good(&tenant);
        change(&mut assertion, now);
        assert_eq!(code(&assertion.signed()).await, u64::from(expected), "{what}");
    }
    // Claims changed after signing.
    let signed = Assertion::good(&tenant).signed();
    let mut parts: Vec<&str> = signed.split('.').collect();
    let other = URL_SAFE_NO_PAD
        .encode(json!({ "aud": tenant.token_url(), "iss": CLIENT, "sub": CLIENT, "exp": now + 9_999 }).to_string());
    parts[1] = &other;
    assert_eq!(code(&parts.join(".")).await, 700_027);
    assert_eq!(code(&signed[..signed.rfind('.').unwrap()]).await, 50_027);
    let got = ask_as(&client, "urn:ietf:params:oauth:grant-type:jwt-bearer", &signed).await.is(401);
    assert_eq!(got.body["error_codes"], json!([700_030]));
}

#[tokio::test]
async fn f02_an_assertion_grows_old_with_the_tenants_clock_and_never_stands_in_the_log() {
    let (tenant, client) = certified().await;
    let signed = Assertion::good(&tenant).signed();
    ask(&client, &signed).await.is(200);
    tenant.advance_clock(Duration::from_secs(901));
    let got = ask(&client, &signed).await.is(401);
    assert_eq!(got.body["error_codes"], json!([700_024]));
    let log = client.control(reqwest::Method::GET, "log", Value::Null).await.is(200).body.to_string();
    assert!(log.contains("client_assertion") && !log.contains(&signed), "{log}");
}
