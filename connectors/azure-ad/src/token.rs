//! The access token: fetched with the client credential (A.1), kept until shortly before it expires, fetched once for
//! all who wait. A rejected credential is not tried again by itself (SF23). Never logs or keeps the secret.

use crate::client::{Broken, describe, read_limited};
use crate::errors::shortened;
use crate::settings::Settings;
use crate::throttle::{Patience, retry_after};
use bytes::Bytes;
use connector_contract::{ConnectorError, ErrorKind, Secret};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use zeroize::Zeroizing;

/// A token is renewed this long before it expires, or after four fifths of a shorter life.
const RENEW_BEFORE: Duration = Duration::from_secs(300);
const MAX_TOKEN_REPLY: usize = 1024 * 1024;

#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) bearer: Arc<Secret>,
    /// Which fetch it came from: a request that gets a 401 names it, so that only that token is dropped.
    pub(crate) generation: u64,
    renew_at: Instant,
}

#[derive(Debug, Default)]
struct State {
    token: Option<Token>,
    generation: u64,
    rejected: Option<Rejection>,
}

/// A credential that the token service refused: its digest and what was said.
#[derive(Debug)]
struct Rejection {
    credential: [u8; 32],
    error: ConnectorError,
}

#[derive(Debug, Default)]
pub(crate) struct TokenSource(Mutex<State>);

#[derive(Deserialize)]
struct TokenReply {
    access_token: String,
    expires_in: Option<Value>,
}

impl TokenSource {
    /// A token that is good for a while. One fetch at a time: whoever waits takes the result.
    pub(crate) async fn current(&self, http: &reqwest::Client, settings: &Settings) -> Result<Token, Broken> {
        let mut state = self.0.lock().await;
        if let Some(token) = state.token.as_ref().filter(|token| token.renew_at > Instant::now()) {
            return Ok(token.clone());
        }
        let attempted = attempted(settings);
        let secret = settings.client_secret.resolve().map_err(|error| {
            let remedy = "make the client secret readable for metasync";
            Broken::hopeless(
                "credential-missing",
                ConnectorError::new(ErrorKind::Credential, &attempted, error.to_string(), remedy),
            )
        })?;
        let credential = digest(settings, &secret);
        if let Some(rejection) = state.rejected.as_ref().filter(|rejection| rejection.credential == credential) {
            return Err(Broken::hopeless("credential-rejected", rejection.error.clone()));
        }
        match fetch(http, settings, &secret).await {
            Ok((bearer, life)) => {
                state.generation += 1;
                state.rejected = None;
                let margin = RENEW_BEFORE.min(life / 5);
                let token = Token {
                    bearer: Arc::new(bearer),
                    generation: state.generation,
                    renew_at: Instant::now() + (life - margin),
                };
                tracing::debug!(life_seconds = life.as_secs(), "access token fetched");
                state.token = Some(token.clone());
                Ok(token)
            }
            Err(broken) => {
                state.token = None;
                if broken.error.kind == ErrorKind::Credential {
                    tracing::error!(error = %broken.error, "the credential was rejected; it is not tried again by itself");
                    state.rejected = Some(Rejection { credential, error: broken.error.clone() });
                }
                Err(broken)
            }
        }
    }

    /// Drops the token of that fetch, if it is still the current one.
    pub(crate) async fn drop_generation(&self, generation: u64) {
        let mut state = self.0.lock().await;
        if state.token.as_ref().is_some_and(|token| token.generation == generation) {
            state.token = None;
        }
    }

    /// The operator asked: forgets a rejection, so that the credential is tried once more (SF23).
    pub(crate) async fn forgive(&self) {
        self.0.lock().await.rejected = None;
    }
}

fn attempted(settings: &Settings) -> String {
    format!("signing in to {}{} as application {}", settings.authority_url, settings.tenant, settings.client_id)
}

/// What the breaker remembers of a credential: a digest, so that a changed secret is seen without keeping it.
fn digest(settings: &Settings, secret: &Secret) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in [settings.tenant.as_str(), settings.client_id.as_str(), secret.expose()] {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.finalize().into()
}

/// One token, outages and throttling of the token service waited out.
async fn fetch(http: &reqwest::Client, settings: &Settings, secret: &Secret) -> Result<(Secret, Duration), Broken> {
    let attempted = attempted(settings);
    let url = format!("{}{}/oauth2/v2.0/token", settings.authority_url, settings.tenant);
    let mut patience = Patience::new(settings);
    loop {
        let sent = http
            .post(&url)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form(settings, secret))
            .send()
            .await;
        let broken = match sent {
            Ok(mut reply) => {
                let status = reply.status().as_u16();
                let asked = reply.headers().get("retry-after").and_then(|value| retry_after(value.to_str().ok()?));
                match read_limited(&mut reply, MAX_TOKEN_REPLY, &attempted).await {
                    Ok(bytes) => match judge(status, &Zeroizing::new(bytes), &attempted) {
                        Verdict::Token(bearer, life) => return Ok((bearer, life)),
                        Verdict::Refused(broken) => return Err(broken),
                        Verdict::Throttled => match patience.throttled(asked) {
                            Ok(pause) => {
                                tokio::time::sleep(pause).await;
                                continue;
                            }
                            Err(wait) => {
                                let message = "the token service throttles this application";
                                let error = ConnectorError::new(ErrorKind::BackOff { wait }, &attempted, message, "");
                                return Err(Broken::hopeless("throttled", error));
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
                return Err(Broken { may_have_arrived: false, ..broken });
            }
        }
    }
}

enum Verdict {
    Token(Secret, Duration),
    Refused(Broken),
    Throttled,
    Fault(Broken),
}

fn judge(status: u16, bytes: &[u8], attempted: &str) -> Verdict {
    let protocol = |message: &str| {
        let remedy = "check authority_url and any proxy in between";
        Broken::new("unexpected-reply", ConnectorError::new(ErrorKind::Protocol, attempted, message, remedy))
    };
    match status {
        200 => match serde_json::from_slice::<TokenReply>(bytes) {
            Ok(reply) if !reply.access_token.is_empty() => {
                let life = match &reply.expires_in {
                    // Managed identities send it as a string (A.1).
                    Some(Value::String(text)) => text.parse().ok(),
                    Some(value) => value.as_u64(),
                    None => None,
                };
                Verdict::Token(Secret::new(reply.access_token), Duration::from_secs(life.unwrap_or(600)))
            }
            _ => Verdict::Fault(protocol("the reply holds no access token")),
        },
        429 => Verdict::Throttled,
        400..=499 => match serde_json::from_slice::<Value>(bytes) {
            Ok(reply) if reply.get("error").is_some() => {
                Verdict::Refused(Broken::hopeless("credential-rejected", rejected(&reply, attempted)))
            }
            _ => Verdict::Refused(Broken::hopeless("unexpected-reply", protocol(&format!("HTTP {status}")).error)),
        },
        500.. => {
            let message = format!("HTTP {status} from the token service");
            Verdict::Fault(Broken::new(
                "unavailable",
                ConnectorError::new(ErrorKind::Connection, attempted, message, "try again later"),
            ))
        }
        // Redirects are not followed: the secret would travel to another place.
        _ => Verdict::Refused(Broken::hopeless("unexpected-reply", protocol(&format!("HTTP {status}")).error)),
    }
}

/// The AADSTS code and what to do about it.
fn rejected(reply: &Value, attempted: &str) -> ConnectorError {
    let number = reply.get("error_codes").and_then(|codes| codes.get(0)).and_then(Value::as_i64);
    let error = reply.get("error").and_then(Value::as_str).unwrap_or("error");
    let description = reply.get("error_description").and_then(Value::as_str).unwrap_or_default();
    // The first line says what; trace id, correlation id and time follow it.
    let first_line = shortened(description.lines().next().unwrap_or_default());
    let remedy = match number {
        Some(7_000_215) => "the client secret is wrong: store the secret's value, not its ID",
        Some(7_000_222) => "the client secret has expired: make a new one in the app registration and store it",
        Some(700_027 | 700_023 | 700_024) => "the certificate's assertion was refused: check certificate and clock",
        Some(700_016) => "the application is not in this tenant: check client_id and tenant",
        Some(90_002) => "there is no such tenant: check the setting tenant",
        Some(70_011) => "the scope is not valid: check graph_url and scope",
        _ => "check tenant, client_id and client_secret",
    };
    let message = match number {
        Some(number) if first_line.starts_with("AADSTS") => format!("{error} ({number}): {first_line}"),
        Some(number) => format!("{error} (AADSTS{number}): {first_line}"),
        None => format!("{error}: {first_line}"),
    };
    let remedy = format!("{remedy}; then run `metasync check`");
    ConnectorError::new(ErrorKind::Credential, attempted, message, remedy)
}

/// The form of A.1, wiped when the connection has let go of it.
fn form(settings: &Settings, secret: &Secret) -> Bytes {
    let fields = [
        ("client_id", settings.client_id.as_str()),
        ("scope", settings.scope.as_str()),
        ("grant_type", "client_credentials"),
        ("client_secret", secret.expose()),
    ];
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
        judge(status, body.to_string().as_bytes(), "signing in")
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
            let Verdict::Refused(broken) = judged(status, body) else { panic!("{code} was not refused") };
            assert_eq!(broken.error.kind, ErrorKind::Credential);
            let text = broken.error.to_string();
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
}
