//! Access tokens: fetched with the application's credential (A.1), one for each audience, kept until shortly before they
//! expire, fetched once for all who wait. A rejected credential is not tried again by itself (SF23). Never logs or keeps
//! the credential.

use crate::client::{Broken, describe, read_limited, request_id};
use crate::credential::{Credential, Proof};
use crate::errors::shortened;
use crate::managed_identity;
use crate::settings::Settings;
use crate::throttle::{Patience, retry_after};
use bytes::Bytes;
use connector_contract::{ConnectorError, ErrorKind, Secret};
use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use zeroize::Zeroizing;

/// A token is renewed this long before it expires, or after four fifths of a shorter life.
const RENEW_BEFORE: Duration = Duration::from_secs(300);
const MAX_TOKEN_REPLY: usize = 1024 * 1024;
/// Where a certificate stands in for the secret.
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// Refusals of a scope, which say nothing against the credential: other audiences may still be asked for.
const SCOPE_REFUSALS: [i64; 3] = [70_011, 28_000, 500_011];

#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) bearer: Arc<Secret>,
    /// Which fetch it came from: a request that gets a 401 names it, so that only that token is dropped.
    pub(crate) generation: u64,
    renew_at: Instant,
}

#[derive(Debug, Default)]
struct State {
    /// By scope, such as `https://graph.microsoft.com/.default`.
    tokens: BTreeMap<String, Token>,
    generation: u64,
    rejections: Vec<Rejection>,
}

/// A credential that the token service refused: its digest and what was said.
#[derive(Debug)]
struct Rejection {
    credential: [u8; 32],
    /// Only for this scope; none: whatever it is asked for.
    scope: Option<String>,
    error: ConnectorError,
}

#[derive(Debug, Default)]
pub(crate) struct TokenSource(Mutex<State>);

#[derive(Deserialize)]
struct TokenReply {
    access_token: String,
    expires_in: Option<Value>,
    expires_on: Option<Value>,
}

impl TokenSource {
    /// A token for `scope` that is good for a while. One fetch at a time: whoever waits takes the result.
    pub(crate) async fn current(
        &self,
        http: &reqwest::Client,
        settings: &Settings,
        scope: &str,
    ) -> Result<Token, Broken> {
        let mut state = self.0.lock().await;
        if let Some(token) = state.tokens.get(scope).filter(|token| token.renew_at > Instant::now()) {
            return Ok(token.clone());
        }
        let attempted = attempted(settings);
        let proof = settings.credential.resolve().map_err(|error| {
            let remedy = format!("make the {} readable and whole for metasync", settings.credential.noun());
            Broken::hopeless(
                "credential-missing",
                ConnectorError::new(ErrorKind::Credential, &attempted, error.to_string(), remedy),
            )
        })?;
        let credential = proof.digest(&settings.tenant, &settings.client_id);
        let applies = |rejection: &&Rejection| {
            rejection.credential == credential && rejection.scope.as_ref().is_none_or(|refused| refused == scope)
        };
        if let Some(rejection) = state.rejections.iter().find(applies) {
            return Err(Broken::hopeless("credential-rejected", rejection.error.clone()));
        }
        match fetch(http, settings, &proof, scope).await {
            Ok((bearer, life)) => {
                state.generation += 1;
                state.rejections.retain(|rejection| rejection.scope.as_ref().is_some_and(|refused| refused != scope));
                let margin = RENEW_BEFORE.min(life / 5);
                let token = Token {
                    bearer: Arc::new(bearer),
                    generation: state.generation,
                    renew_at: Instant::now() + (life - margin),
                };
                tracing::debug!(scope, life_seconds = life.as_secs(), "access token fetched");
                state.tokens.insert(scope.to_owned(), token.clone());
                Ok(token)
            }
            Err(refused) => {
                state.tokens.remove(scope);
                if refused.broken.error.kind == ErrorKind::Credential {
                    let error = refused.broken.error.clone();
                    tracing::error!(%error, "the credential was rejected; it is not tried again by itself");
                    let scope = refused.of_scope.then(|| scope.to_owned());
                    state.rejections.retain(|known| known.credential == credential);
                    state.rejections.push(Rejection { credential, scope, error });
                }
                Err(refused.broken)
            }
        }
    }

    /// Drops the token of that fetch, if it is still a current one.
    pub(crate) async fn drop_generation(&self, generation: u64) {
        self.0.lock().await.tokens.retain(|_, token| token.generation != generation);
    }

    /// Forgets rejections, so that the credential is tried once more (SF23): an operator asked, or the engine, which knows of none that
    /// still stands.
    pub(crate) async fn forgive(&self) {
        self.0.lock().await.rejections.clear();
    }
}

fn attempted(settings: &Settings) -> String {
    let Settings { authority_url, tenant, client_id, .. } = settings;
    match &settings.credential {
        Credential::ManagedIdentity(_) if client_id.is_empty() => "signing in as this machine's identity".to_owned(),
        Credential::ManagedIdentity(_) => format!("signing in as the managed identity {client_id}"),
        _ => format!("signing in to {authority_url}{tenant} as application {client_id}"),
    }
}

/// A fetch without a token.
struct Refused {
    broken: Broken,
    /// The scope was refused, not the credential.
    of_scope: bool,
}

impl From<Broken> for Refused {
    fn from(broken: Broken) -> Refused {
        Refused { broken, of_scope: false }
    }
}

/// One token, outages and throttling of the token service waited out.
async fn fetch(
    http: &reqwest::Client,
    settings: &Settings,
    proof: &Proof,
    scope: &str,
) -> Result<(Secret, Duration), Refused> {
    let attempted = attempted(settings);
    let identity = matches!(proof, Proof::ManagedIdentity { .. });
    let mut patience = Patience::new(settings);
    loop {
        let sent = match proof {
            Proof::ManagedIdentity { url, header } => {
                managed_identity::request(http, url, header.as_ref(), &settings.client_id, scope).send().await
            }
            _ => {
                let endpoint = endpoint(settings);
                let body = form(settings, proof, scope, &endpoint, &attempted)?;
                let kind = "application/x-www-form-urlencoded";
                http.post(endpoint).header("content-type", kind).body(body).send().await
            }
        };
        let broken = match sent {
            Ok(mut reply) => {
                let status = reply.status().as_u16();
                let asked = reply.headers().get("retry-after").and_then(|value| retry_after(value.to_str().ok()?));
                match read_limited(&mut reply, MAX_TOKEN_REPLY, &attempted).await {
                    Ok(bytes) => match judge(status, identity, &Zeroizing::new(bytes), &attempted) {
                        Verdict::Token(bearer, life) => return Ok((bearer, life)),
                        Verdict::Refused(refused) => return Err(refused),
                        Verdict::Throttled => match patience.throttled(asked) {
                            Ok(pause) => {
                                tokio::time::sleep(pause).await;
                                continue;
                            }
                            Err(wait) => {
                                let message = "the token service throttles this application";
                                let error = ConnectorError::new(ErrorKind::BackOff { wait }, &attempted, message, "");
                                return Err(Broken::hopeless("throttled", error).into());
                            }
                        },
                        Verdict::Fault(broken) => broken,
                    },
                    Err(broken) => broken,
                }
            }
            Err(error) => describe(&error, &attempted),
        };
        match patience.fault(None).filter(|_| !broken.hopeless) {
            Some(pause) => tokio::time::sleep(pause).await,
            // The sign-in is not the write that a caller asks about: nothing of that has left yet.
            None => {
                let broken = Broken { may_have_arrived: false, ..broken };
                return Err(if identity { without_identity(broken) } else { broken }.into());
            }
        }
    }
}

/// The metadata service is there on Azure's own machines only.
fn without_identity(mut broken: Broken) -> Broken {
    broken.error.remedy =
        "a managed identity is there on Azure's own machines only: elsewhere use client_certificate or client_secret"
            .to_owned();
    broken
}

/// Reads any body as the answer to a request for a token: for the fuzz targets.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn read_any(status: u16, bytes: &[u8]) {
    for identity in [false, true] {
        let _ = judge(status, identity, bytes, "fuzzing");
    }
}

enum Verdict {
    Token(Secret, Duration),
    Refused(Refused),
    Throttled,
    Fault(Broken),
}

/// `identity`: the reply comes from the machine's metadata service.
fn judge(status: u16, identity: bool, bytes: &[u8], attempted: &str) -> Verdict {
    let protocol = |message: &str| {
        let remedy = "check authority_url and any proxy in between";
        Broken::new("unexpected-reply", ConnectorError::new(ErrorKind::Protocol, attempted, message, remedy))
    };
    match status {
        200 => match serde_json::from_slice::<TokenReply>(bytes) {
            Ok(reply) if !reply.access_token.is_empty() => {
                let life = life(&reply, Timestamp::now());
                Verdict::Token(Secret::new(reply.access_token), life)
            }
            _ => Verdict::Fault(protocol("the reply holds no access token")),
        },
        429 => Verdict::Throttled,
        // The metadata service answers so while it starts or is updated.
        404 | 410 if identity => Verdict::Fault(Broken::new(
            "unavailable",
            ConnectorError::new(ErrorKind::Connection, attempted, format!("HTTP {status}"), "try again later"),
        )),
        400..=499 => match serde_json::from_slice::<Value>(bytes) {
            Ok(reply) if reply.get("error").is_some() => {
                let of_scope = code(&reply).is_some_and(|code| SCOPE_REFUSALS.contains(&code));
                let broken = Broken::hopeless("credential-rejected", rejected(&reply, identity, attempted));
                Verdict::Refused(Refused { broken, of_scope })
            }
            _ => {
                let error = protocol(&format!("HTTP {status}")).error;
                Verdict::Refused(Broken::hopeless("unexpected-reply", error).into())
            }
        },
        500.. => {
            let message = format!("HTTP {status} from the token service");
            Verdict::Fault(Broken::new(
                "unavailable",
                ConnectorError::new(ErrorKind::Connection, attempted, message, "try again later"),
            ))
        }
        // Redirects are not followed: the secret would travel to another place.
        _ => {
            let error = protocol(&format!("HTTP {status}")).error;
            Verdict::Refused(Broken::hopeless("unexpected-reply", error).into())
        }
    }
}

/// How long the token is good for. Managed identities send numbers as strings, App Service only the end (A.1).
fn life(reply: &TokenReply, now: Timestamp) -> Duration {
    let number = |value: &Option<Value>| match value {
        Some(Value::String(text)) => text.parse::<i64>().ok(),
        Some(value) => value.as_i64(),
        None => None,
    };
    let seconds = number(&reply.expires_in).or_else(|| number(&reply.expires_on).map(|end| end - now.as_second()));
    Duration::from_secs(u64::try_from(seconds.unwrap_or(600)).unwrap_or(0))
}

/// The first AADSTS number.
fn code(reply: &Value) -> Option<i64> {
    reply.get("error_codes").and_then(|codes| codes.get(0)).and_then(Value::as_i64)
}

/// The AADSTS code and what to do about it.
fn rejected(reply: &Value, identity: bool, attempted: &str) -> ConnectorError {
    let number = code(reply);
    let error = reply.get("error").and_then(Value::as_str).unwrap_or("error");
    let description = reply.get("error_description").and_then(Value::as_str).unwrap_or_default();
    // The first line says what; trace id, correlation id and time follow it.
    let first_line = shortened(description.lines().next().unwrap_or_default());
    let remedy = match number {
        Some(7_000_215) => "the client secret is wrong: store the secret's value, not its ID",
        Some(7_000_222) => "the client secret has expired: make a new one in the app registration and store it",
        Some(700_027) => "the certificate is not known: upload client_certificate to the app registration",
        Some(700_023) => "the assertion was meant for another token service: check authority_url and tenant",
        Some(700_024) => "the assertion's time was refused: set this machine's clock",
        Some(700_016) => "the application is not in this tenant: check client_id and tenant",
        Some(90_002) => "there is no such tenant: check the setting tenant",
        Some(500_011) => "the resource is not in this tenant: check scope and cloud",
        Some(70_011) => "the scope is not valid: check graph_url and scope",
        None if identity => "assign a managed identity to this machine, or name the right one in client_id",
        _ => "check tenant, client_id and credential",
    };
    let message = match number {
        Some(number) if first_line.starts_with("AADSTS") => format!("{error} ({number}): {first_line}"),
        Some(number) => format!("{error} (AADSTS{number}): {first_line}"),
        None => format!("{error}: {first_line}"),
    };
    let remedy = format!("{remedy}; then run `metasync check`");
    ConnectorError::new(ErrorKind::Credential, attempted, message, remedy)
}

/// The token endpoint; also the audience of an assertion.
fn endpoint(settings: &Settings) -> String {
    format!("{}{}/oauth2/v2.0/token", settings.authority_url, settings.tenant)
}

/// The form of A.1, wiped when the connection has let go of it.
fn form(settings: &Settings, proof: &Proof, scope: &str, endpoint: &str, attempted: &str) -> Result<Bytes, Broken> {
    let assertion;
    let mut fields =
        vec![("client_id", settings.client_id.as_str()), ("scope", scope), ("grant_type", "client_credentials")];
    match proof {
        Proof::Secret(secret) => fields.push(("client_secret", secret.expose())),
        Proof::Certificate(certificate) => {
            let signed = certificate.assertion(&settings.client_id, endpoint, &request_id(), Timestamp::now());
            assertion = signed.map_err(|problem| {
                let error = ConnectorError::new(ErrorKind::Credential, attempted, problem, "make a new certificate");
                Broken::hopeless("credential-missing", error)
            })?;
            fields.push(("client_assertion_type", ASSERTION_TYPE));
            fields.push(("client_assertion", assertion.expose()));
        }
        // It is asked for in another way and has no form.
        Proof::ManagedIdentity { .. } => {}
    }
    Ok(encoded(&fields))
}

/// Form fields, wiped when the connection has let go of them.
pub(crate) fn encoded(fields: &[(&str, &str)]) -> Bytes {
    // Three bytes for each in the worst case: no reallocation leaves a copy behind.
    let room = fields.iter().map(|(name, value)| name.len() + value.len() * 3 + 2).sum();
    let mut body = Zeroizing::new(Vec::with_capacity(room));
    for (name, value) in fields {
        if !body.is_empty() {
            body.push(b'&');
        }
        body.extend_from_slice(name.as_bytes());
        body.push(b'=');
        for piece in utf8_percent_encode(value, NON_ALPHANUMERIC) {
            body.extend_from_slice(piece.as_bytes());
        }
    }
    Bytes::from_owner(body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn judged(status: u16, body: Value) -> Verdict {
        judge(status, false, body.to_string().as_bytes(), "signing in")
    }

    /// A.1: the AADSTS code is named, and each known one has its own remedy.
    #[test]
    fn rejections_name_their_code() {
        for (status, code, word) in [
            (401, 7_000_215, "wrong"),
            (401, 7_000_222, "expired"),
            (401, 700_027, "certificate"),
            (400, 700_016, "client_id"),
            (400, 90_002, "no such tenant"),
        ] {
            let body = json!({"error": "invalid_client", "error_codes": [code],
                "error_description": format!("AADSTS{code}: text.\r\nTrace ID: 1\r\nCorrelation ID: 2")});
            let Verdict::Refused(refused) = judged(status, body) else { panic!("{code} was not refused") };
            assert_eq!(refused.broken.error.kind, ErrorKind::Credential);
            let text = refused.broken.error.to_string();
            assert!(text.contains(&format!("AADSTS{code}")) && text.contains(word), "{text}");
            assert!(!text.contains("Trace ID"), "{text}");
        }
    }

    #[test]
    fn replies_that_are_no_token() {
        assert!(matches!(judged(200, json!({"token_type": "Bearer"})), Verdict::Fault(_)));
        assert!(matches!(judged(200, json!([])), Verdict::Fault(_)));
        assert!(matches!(judged(503, json!({})), Verdict::Fault(_)));
        assert!(matches!(judged(429, json!({})), Verdict::Throttled));
        assert!(matches!(judged(302, json!({})), Verdict::Refused(_)));
        let Verdict::Token(_, life) = judged(200, json!({"access_token": "t", "expires_in": "3599"})) else {
            panic!("no token")
        };
        assert_eq!(life, Duration::from_secs(3599));
    }

    /// A.1: App Service tells the end only, as text.
    #[test]
    fn the_end_of_a_token_counts_where_no_life_is_told() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let reply = |body: Value| serde_json::from_value::<TokenReply>(body).unwrap();
        let end = (now.as_second() + 86_399).to_string();
        assert_eq!(life(&reply(json!({"access_token": "t", "expires_on": end})), now).as_secs(), 86_399);
        assert_eq!(life(&reply(json!({"access_token": "t", "expires_on": "7"})), now).as_secs(), 0);
        assert_eq!(life(&reply(json!({"access_token": "t"})), now).as_secs(), 600);
    }

    /// A metadata service that starts is waited for; a machine without an identity is told what to do.
    #[test]
    fn a_metadata_service_has_its_own_refusals() {
        let judged = |status, body: Value| judge(status, true, body.to_string().as_bytes(), "signing in");
        assert!(matches!(judged(404, json!({"error": "not_found"})), Verdict::Fault(_)));
        let none = json!({"error": "invalid_request", "error_description": "Identity not found"});
        let Verdict::Refused(refused) = judged(400, none) else { panic!("not refused") };
        assert!(refused.broken.error.to_string().contains("assign a managed identity"));
    }
}
