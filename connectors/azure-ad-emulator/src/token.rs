//! The token endpoint and tenant discovery (A.1): client credentials with a secret, the documented refusals, and which
//! tokens are good. Tokens live in memory: after a restart clients get a new one, as after an outage.
//!
//! Certificates cannot be registered with an application yet, so every client assertion is answered as one whose
//! certificate is not registered (AADSTS700027).

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::call::{decode, parse_form};
use crate::clock::{Millis, SECOND_MS, token_time};
use crate::guid::Guid;
use crate::tenant_facts::{Application, TenantFacts};

/// Resources that a Graph token may be asked for, next to the tenant's own address.
const GRAPH_RESOURCES: [&str; 5] = [
    "https://graph.microsoft.com",
    "https://graph.microsoft.us",
    "https://dod-graph.microsoft.us",
    "https://microsoftgraph.chinacloudapi.cn",
    "00000003-0000-0000-c000-000000000000",
];

/// Tokens in use.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    issued: HashMap<String, Grant>,
}

#[derive(Clone, Debug)]
pub(crate) struct Grant {
    pub(crate) application: Guid,
    pub(crate) permissions: Vec<String>,
    expires_ms: Millis,
}

/// A request to `POST /{tenant}/oauth2/v2.0/token`.
pub(crate) struct TokenRequest<'a> {
    pub(crate) tenant: &'a str,
    pub(crate) form: &'a str,
    /// Value of the `Authorization` header.
    pub(crate) authorization: Option<&'a str>,
}

/// Surroundings that go into a token or an error.
pub(crate) struct TokenSetting<'a> {
    pub(crate) facts: &'a TenantFacts,
    pub(crate) base_url: &'a str,
    pub(crate) now: Millis,
    pub(crate) life_s: u64,
    /// For `trace_id` and `correlation_id`.
    pub(crate) trace_id: Guid,
    pub(crate) correlation_id: Guid,
    /// 32 random bytes, the token's signature part.
    pub(crate) random: [u8; 32],
}

struct Refusal {
    status: u16,
    error: &'static str,
    code: u32,
    message: String,
}

fn refusal(status: u16, error: &'static str, code: u32, message: impl Into<String>) -> Refusal {
    Refusal { status, error, code, message: message.into() }
}

impl Tokens {
    /// Answers a token request: status and body.
    pub(crate) fn answer(&mut self, request: &TokenRequest<'_>, setting: &TokenSetting<'_>) -> (u16, Value) {
        match judge(request, setting) {
            Ok(application) => (200, self.issue(application, setting)),
            Err(refusal) => (refusal.status, refusal.body(setting)),
        }
    }

    fn issue(&mut self, application: &Application, setting: &TokenSetting<'_>) -> Value {
        self.issued.retain(|_, grant| grant.expires_ms > setting.now);
        let life_ms = Millis::try_from(setting.life_s).unwrap_or(Millis::MAX / 2_000).saturating_mul(SECOND_MS);
        let expires_ms = setting.now.saturating_add(life_ms);
        let now_s = setting.now / SECOND_MS;
        let tenant = setting.facts.tenant_id;
        let header = json!({ "typ": "JWT", "alg": "RS256", "kid": "rehearsal" });
        let claims = json!({
            "aud": GRAPH_RESOURCES[0],
            "iss": format!("https://sts.windows.net/{tenant}/"),
            "iat": now_s,
            "nbf": now_s,
            "exp": expires_ms / SECOND_MS,
            "appid": application.client_id,
            "idtyp": "app",
            "roles": application.permissions,
            "tid": tenant,
            "ver": "1.0",
        });
        let token = format!(
            "{}.{}.{}",
            URL_SAFE_NO_PAD.encode(header.to_string()),
            URL_SAFE_NO_PAD.encode(claims.to_string()),
            URL_SAFE_NO_PAD.encode(setting.random)
        );
        let grant =
            Grant { application: application.client_id, permissions: application.permissions.clone(), expires_ms };
        self.issued.insert(token.clone(), grant);
        json!({
            "token_type": "Bearer",
            "expires_in": setting.life_s,
            "ext_expires_in": setting.life_s,
            "access_token": token,
        })
    }

    /// The grant behind an `Authorization` header, or the message of the 401.
    pub(crate) fn grant(&self, authorization: Option<&str>, now: Millis) -> Result<&Grant, &'static str> {
        let Some(header) = authorization else {
            return Err("Access token is empty.");
        };
        let token = match header.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
            _ => return Err("Access token is empty."),
        };
        let grant = self.issued.get(token).ok_or("Access token validation failure. Invalid signature.")?;
        if grant.expires_ms <= now {
            return Err("Lifetime validation failed, the token is expired.");
        }
        Ok(grant)
    }
}

fn judge<'a>(request: &TokenRequest<'_>, setting: &TokenSetting<'a>) -> Result<&'a Application, Refusal> {
    let form = parse_form(request.form);
    let field = |name: &str| form.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    if !setting.facts.is_addressed_by(request.tenant) {
        return Err(unknown_tenant(request.tenant));
    }
    match field("grant_type") {
        Some("client_credentials") => {}
        None => return Err(missing("grant_type")),
        Some(other) => {
            let message = format!("The app requested an unsupported grant type '{other}'.");
            return Err(refusal(400, "unsupported_grant_type", 70003, message));
        }
    }
    let basic = request.authorization.and_then(read_basic);
    let client_id = field("client_id").map(str::to_owned).or_else(|| basic.as_ref().map(|(id, _)| id.clone()));
    let Some(client_id) = client_id.filter(|id| !id.is_empty()) else {
        return Err(missing("client_id"));
    };
    let Some(application) = Guid::parse(&client_id).and_then(|id| setting.facts.application(id)) else {
        let message = format!(
            "Application with identifier '{client_id}' was not found in the directory '{}'. This can happen if the \
             application has not been installed by the administrator of the tenant.",
            setting.facts.display_name
        );
        return Err(refusal(400, "unauthorized_client", 700016, message));
    };
    if field("client_assertion").is_some() || field("client_assertion_type").is_some() {
        return Err(refusal(
            401,
            "invalid_client",
            700027,
            "The certificate with identifier used to sign the client assertion is not registered on application.",
        ));
    }
    let secret = field("client_secret").map(str::to_owned).or_else(|| basic.map(|(_, secret)| secret));
    check_secret(application, secret.as_deref())?;
    check_scope(field("scope"), setting.base_url)?;
    Ok(application)
}

fn check_secret(application: &Application, secret: Option<&str>) -> Result<(), Refusal> {
    let client_id = application.client_id;
    let Some(secret) = secret.filter(|secret| !secret.is_empty()) else {
        return Err(refusal(
            401,
            "invalid_client",
            7000216,
            "'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant type.",
        ));
    };
    if !application.accepts(secret) {
        let message = format!(
            "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, \
             not the client secret ID, for a secret added to app '{client_id}'."
        );
        return Err(refusal(401, "invalid_client", 7000215, message));
    }
    if application.secret_expired {
        let message = format!("The provided client secret keys for app '{client_id}' are expired.");
        return Err(refusal(401, "invalid_client", 7000222, message));
    }
    Ok(())
}

fn check_scope(scope: Option<&str>, base_url: &str) -> Result<(), Refusal> {
    let Some(scope) = scope.filter(|scope| !scope.trim().is_empty()) else {
        return Err(missing("scope"));
    };
    let mut scopes = scope.split_whitespace();
    let first = scopes.next().unwrap_or_default();
    if scopes.next().is_some() {
        let message = format!(
            "Provided value for the input parameter scope is not valid because it contains more than one resource. \
             Scope {scope} is not valid."
        );
        return Err(refusal(400, "invalid_scope", 28000, message));
    }
    let resource = first.strip_suffix("/.default").map(|resource| resource.trim_end_matches('/'));
    let known = resource.is_some_and(|resource| {
        resource.eq_ignore_ascii_case(base_url)
            || GRAPH_RESOURCES.iter().any(|known| known.eq_ignore_ascii_case(resource))
    });
    if known {
        return Ok(());
    }
    let message = format!(
        "The provided request must include a 'scope' input parameter. The provided value for the input parameter \
         'scope' is not valid. The scope {scope} is not valid."
    );
    Err(refusal(400, "invalid_scope", 70011, message))
}

fn missing(parameter: &str) -> Refusal {
    let message = format!("The request body must contain the following parameter: '{parameter}'.");
    refusal(400, "invalid_request", 900144, message)
}

fn unknown_tenant(tenant: &str) -> Refusal {
    let message = format!(
        "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the correct \
         cloud."
    );
    refusal(400, "invalid_request", 90002, message)
}

/// `Basic` credentials; both parts are form-encoded inside the base64 (RFC 6749, 2.3.1).
fn read_basic(header: &str) -> Option<(String, String)> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((decode(id), decode(&secret.replace('+', " "))))
}

impl Refusal {
    fn body(&self, setting: &TokenSetting<'_>) -> Value {
        let timestamp = token_time(setting.now);
        json!({
            "error": self.error,
            "error_description": format!(
                "AADSTS{}: {}\r\nTrace ID: {}\r\nCorrelation ID: {}\r\nTimestamp: {timestamp}",
                self.code, self.message, setting.trace_id, setting.correlation_id
            ),
            "error_codes": [self.code],
            "timestamp": timestamp,
            "trace_id": setting.trace_id,
            "correlation_id": setting.correlation_id,
            "error_uri": format!("{}/error?code={}", setting.base_url, self.code),
        })
    }
}

/// Answers `GET /{tenant or domain}/.well-known/openid-configuration`.
pub(crate) fn discovery(tenant: &str, setting: &TokenSetting<'_>) -> (u16, Value) {
    if !setting.facts.is_addressed_by(tenant) {
        let mut unknown = unknown_tenant(tenant);
        unknown.error = "invalid_tenant";
        return (400, unknown.body(setting));
    }
    let base = format!("{}/{}", setting.base_url, setting.facts.tenant_id);
    let body = json!({
        "token_endpoint": format!("{base}/oauth2/v2.0/token"),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "issuer": format!("{base}/v2.0"),
        "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
        "subject_types_supported": ["pairwise"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "tenant_region_scope": "EU",
        "msgraph_host": setting.base_url.trim_start_matches("http://"),
    });
    (200, body)
}
