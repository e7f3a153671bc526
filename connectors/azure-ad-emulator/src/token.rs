//! The token endpoint and tenant discovery (A.1): client credentials with a secret or an assertion (verified in
//! `assertion`), a person's sign-in by device code or by name and password (verified in `sign_in`), the documented refusals, and which tokens are good for what. Tokens
//! live in memory: after a restart clients get a new one, as after an outage.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::assertion::{self, Given};
use crate::call::{decode, parse_form};
use crate::clock::{Millis, SECOND_MS, token_time};
use crate::device_code::{self, Delegation, DeviceCodeSetting, DeviceCodes};
use crate::guid::Guid;
use crate::sign_in;
use crate::tenant_facts::{Application, TenantFacts};

/// Resources that a Graph token may be asked for, next to the tenant's own address.
const GRAPH_RESOURCES: [&str; 5] = [
    "https://graph.microsoft.com",
    "https://graph.microsoft.us",
    "https://dod-graph.microsoft.us",
    "https://microsoftgraph.chinacloudapi.cn",
    "00000003-0000-0000-c000-000000000000",
];

/// The provisioning web service as a resource, the same id in all clouds (section 0).
pub(crate) const PROVISIONING_RESOURCE: &str = "6bf85cfa-ac8a-4be5-b5de-425a0d0dc016";
/// The resource that clients of the web service named before; its tokens are still given out, whether the web service
/// takes them is a knob.
const OLD_RESOURCE: &str = "https://graph.windows.net";

/// Tokens in use.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    issued: HashMap<String, Grant>,
    pub(crate) device_codes: DeviceCodes,
}

#[derive(Clone, Debug)]
pub(crate) struct Grant {
    pub(crate) application: Guid,
    /// Application permissions, or the scopes of a person's token.
    pub(crate) permissions: Vec<String>,
    /// The person who signed in; none: the application itself.
    pub(crate) user: Option<Guid>,
    /// The `aud` of the token.
    pub(crate) audience: String,
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
    /// Audiences that the provisioning web service takes, for which tokens are therefore given out.
    pub(crate) provisioning_audiences: &'a [String],
    /// For `trace_id` and `correlation_id`.
    pub(crate) trace_id: Guid,
    pub(crate) correlation_id: Guid,
    /// 32 random bytes, the token's signature part.
    pub(crate) random: [u8; 32],
}

#[derive(Debug)]
pub(crate) struct Refusal {
    status: u16,
    error: &'static str,
    code: u32,
    message: String,
}

pub(crate) fn refusal(status: u16, error: &'static str, code: u32, message: impl Into<String>) -> Refusal {
    Refusal { status, error, code, message: message.into() }
}

impl Tokens {
    /// Answers a token request: status and body. `sign_in` verifies name and password of a person.
    pub(crate) fn answer(
        &mut self,
        request: &TokenRequest<'_>,
        setting: &TokenSetting<'_>,
        sign_in: impl FnOnce(&str, &str) -> Result<Guid, Refusal>,
    ) -> (u16, Value) {
        let form = parse_form(request.form);
        let granted = match field(&form, "grant_type") {
            Some(device_code::GRANT_TYPE) => self.redeem(request, &form, setting),
            Some(sign_in::GRANT_TYPE) => by_password(request, &form, setting, sign_in),
            _ => judge(request, &form, setting).map(|(application, audience)| Grant {
                application: application.client_id,
                permissions: application.permissions.clone(),
                user: None,
                audience,
                expires_ms: setting.expires_ms(),
            }),
        };
        match granted {
            Ok(grant) => (200, self.issue(grant, setting)),
            Err(refusal) => (refusal.status, refusal.body(setting)),
        }
    }

    /// Answers `POST /{tenant}/oauth2/v2.0/devicecode`: status and body.
    pub(crate) fn give_device_code(
        &mut self,
        request: &TokenRequest<'_>,
        codes: &DeviceCodeSetting<'_>,
        setting: &TokenSetting<'_>,
    ) -> (u16, Value) {
        let form = parse_form(request.form);
        let checked = person_client(request, &form, setting).and_then(|client| {
            let scope =
                field(&form, "scope").filter(|scope| !scope.trim().is_empty()).ok_or_else(|| missing("scope"))?;
            Ok((client, scope))
        });
        match checked {
            Ok((client, scope)) => (200, self.device_codes.give(client, scope, codes)),
            Err(refusal) => (refusal.status, refusal.body(setting)),
        }
    }

    fn redeem(
        &mut self,
        request: &TokenRequest<'_>,
        form: &[(String, String)],
        setting: &TokenSetting<'_>,
    ) -> Result<Grant, Refusal> {
        let client = person_client(request, form, setting)?;
        let secret = field(form, "device_code").ok_or_else(|| missing("device_code"))?;
        let Delegation { client, user, scopes } = self.device_codes.redeem(secret, client, setting.now)?;
        Ok(Grant {
            application: client,
            permissions: scopes,
            user: Some(user),
            audience: GRAPH_RESOURCES[0].to_owned(),
            expires_ms: setting.expires_ms(),
        })
    }

    fn issue(&mut self, grant: Grant, setting: &TokenSetting<'_>) -> Value {
        self.issued.retain(|_, grant| grant.expires_ms > setting.now);
        let now_s = setting.now / SECOND_MS;
        let tenant = setting.facts.tenant_id;
        let header = json!({ "typ": "JWT", "alg": "RS256", "kid": "rehearsal" });
        let mut claims = json!({
            "aud": grant.audience,
            "iss": format!("https://sts.windows.net/{tenant}/"),
            "iat": now_s,
            "nbf": now_s,
            "exp": grant.expires_ms / SECOND_MS,
            "appid": grant.application,
            "tid": tenant,
            "ver": "1.0",
        });
        match grant.user {
            None => {
                claims["idtyp"] = json!("app");
                claims["roles"] = json!(grant.permissions);
            }
            Some(user) => {
                claims["idtyp"] = json!("user");
                claims["oid"] = json!(user);
                claims["scp"] = json!(grant.permissions.join(" "));
            }
        }
        let token = format!(
            "{}.{}.{}",
            URL_SAFE_NO_PAD.encode(header.to_string()),
            URL_SAFE_NO_PAD.encode(claims.to_string()),
            URL_SAFE_NO_PAD.encode(setting.random)
        );
        let scope = grant.user.map(|_| grant.permissions.join(" "));
        self.issued.insert(token.clone(), grant);
        let mut body = json!({
            "token_type": "Bearer",
            "expires_in": setting.life_s,
            "ext_expires_in": setting.life_s,
            "access_token": token,
        });
        if let Some(scope) = scope {
            body["scope"] = json!(scope);
        }
        body
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
        let grant = self.grant_of(token, now)?;
        if grant.audience != GRAPH_RESOURCES[0] {
            return Err("Access token validation failure. Invalid audience.");
        }
        Ok(grant)
    }

    /// The grant behind a token, whatever resource it is for.
    pub(crate) fn grant_of(&self, token: &str, now: Millis) -> Result<&Grant, &'static str> {
        let grant = self.issued.get(token).ok_or("Access token validation failure. Invalid signature.")?;
        if grant.expires_ms <= now {
            return Err("Lifetime validation failed, the token is expired.");
        }
        Ok(grant)
    }
}

impl TokenSetting<'_> {
    fn expires_ms(&self) -> Millis {
        let life_ms = Millis::try_from(self.life_s).unwrap_or(Millis::MAX / 2_000).saturating_mul(SECOND_MS);
        self.now.saturating_add(life_ms)
    }
}

fn field<'a>(form: &'a [(String, String)], name: &str) -> Option<&'a str> {
    form.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// The client of a person's sign-in: a registered application, or one that every tenant knows.
fn person_client(
    request: &TokenRequest<'_>,
    form: &[(String, String)],
    setting: &TokenSetting<'_>,
) -> Result<Guid, Refusal> {
    if !setting.facts.is_addressed_by(request.tenant) {
        return Err(unknown_tenant(request.tenant));
    }
    let named = field(form, "client_id").filter(|id| !id.is_empty()).ok_or_else(|| missing("client_id"))?;
    let known = |id: &Guid| device_code::is_public_client(*id) || setting.facts.application(*id).is_some();
    Guid::parse(named).filter(known).ok_or_else(|| unknown_application(named, setting))
}

/// A person's grant by name and password. A registered application that has a secret proves itself with it; a client that every
/// tenant knows has none.
fn by_password(
    request: &TokenRequest<'_>,
    form: &[(String, String)],
    setting: &TokenSetting<'_>,
    sign_in: impl FnOnce(&str, &str) -> Result<Guid, Refusal>,
) -> Result<Grant, Refusal> {
    let client = person_client(request, form, setting)?;
    if let Some(application) = setting.facts.application(client) {
        if field(form, "client_secret").is_none() {
            let message =
                "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.";
            return Err(refusal(401, "invalid_client", 7_000_218, message));
        }
        check_secret(application, field(form, "client_secret"))?;
    }
    let needed = |name| field(form, name).filter(|value| !value.trim().is_empty()).ok_or_else(|| missing(name));
    let (scope, name, password) = (needed("scope")?, needed("username")?, needed("password")?);
    let user = sign_in(name, password)?;
    Ok(Grant {
        application: client,
        permissions: device_code::scopes(scope),
        user: Some(user),
        audience: GRAPH_RESOURCES[0].to_owned(),
        expires_ms: setting.expires_ms(),
    })
}

/// The registered application and the audience of its token, or why there is none.
fn judge<'a>(
    request: &TokenRequest<'_>,
    form: &[(String, String)],
    setting: &TokenSetting<'a>,
) -> Result<(&'a Application, String), Refusal> {
    let field = |name: &str| field(form, name);
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
        return Err(unknown_application(&client_id, setting));
    };
    if field("client_assertion").is_some() || field("client_assertion_type").is_some() {
        let given = Given {
            kind: field("client_assertion_type").unwrap_or_default(),
            assertion: field("client_assertion").unwrap_or_default(),
            now_s: setting.now / SECOND_MS,
        };
        assertion::verify(&given, application, &audiences(setting))
            .map_err(|(code, message)| refusal(401, "invalid_client", code, message))?;
    } else {
        let secret = field("client_secret").map(str::to_owned).or_else(|| basic.map(|(_, secret)| secret));
        check_secret(application, secret.as_deref())?;
    }
    let audience = check_scope(field("scope"), setting)?;
    Ok((application, audience))
}

fn unknown_application(client_id: &str, setting: &TokenSetting<'_>) -> Refusal {
    let message = format!(
        "Application with identifier '{client_id}' was not found in the directory '{}'. This can happen if the \
         application has not been installed by the administrator of the tenant.",
        setting.facts.display_name
    );
    refusal(400, "unauthorized_client", 700016, message)
}

/// The token endpoint's URL, with the tenant's id and with each of its verified domains.
fn audiences(setting: &TokenSetting<'_>) -> Vec<String> {
    let names = setting.facts.domains.iter().filter(|domain| domain.is_verified).map(|domain| domain.name.clone());
    let endpoint = |name: String| format!("{}/{name}/oauth2/v2.0/token", setting.base_url);
    std::iter::once(setting.facts.tenant_id.to_string()).chain(names).map(endpoint).collect()
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

/// The audience that the scope asks a token for.
fn check_scope(scope: Option<&str>, setting: &TokenSetting<'_>) -> Result<String, Refusal> {
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
    if let Some(audience) = resource.and_then(|resource| audience_of(resource, setting)) {
        return Ok(audience);
    }
    let message = format!(
        "The provided request must include a 'scope' input parameter. The provided value for the input parameter \
         'scope' is not valid. The scope {scope} is not valid."
    );
    Err(refusal(400, "invalid_scope", 70011, message))
}

/// One audience for all names of a resource.
fn audience_of(resource: &str, setting: &TokenSetting<'_>) -> Option<String> {
    let is = |known: &str| resource.eq_ignore_ascii_case(known);
    if is(setting.base_url) || GRAPH_RESOURCES.iter().any(|known| is(known)) {
        return Some(GRAPH_RESOURCES[0].to_owned());
    }
    let others = [PROVISIONING_RESOURCE, OLD_RESOURCE];
    let mut others = others.into_iter().chain(setting.provisioning_audiences.iter().map(String::as_str));
    others.find(|known| is(known)).map(str::to_owned)
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
    /// Number and text.
    pub(crate) fn told(self) -> (u32, String) {
        (self.code, self.message)
    }

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
        "device_authorization_endpoint": format!("{base}/oauth2/v2.0/devicecode"),
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
