//! What a person with an administrator's role does and no application may (A.10): switching directory synchronisation on and
//! off. Signs in by device code (A.1); the token lives as long as the command and is kept nowhere.

use crate::client::{GraphClient, describe, read_limited};
use crate::errors::{GraphError, shortened};
use crate::settings::Settings;
use crate::tenant::{self, Tenant};
use crate::token::encoded;
use bytes::Bytes;
use connector_contract::{ConnectorError, ErrorKind, Secret};
use reqwest::{Method, Url};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// Graph's own command line client: every tenant knows it, nobody has to register it.
pub const PUBLIC_CLIENT: &str = "14d82eec-204b-4c2f-b7e8-296a70dab67e";
/// The delegated permission that the switch needs.
const PERMISSION: &str = "Organization.ReadWrite.All";
const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";
const MAX_REPLY: usize = 1024 * 1024;
/// RFC 8628, 3.5: so much longer between two polls after `slow_down`.
const SLOWER: Duration = Duration::from_secs(5);

/// How far directory synchronisation is switched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Synchronisation {
    Never,
    On,
    /// Switched off, while objects are still synchronised ones: up to 72 hours, and it cannot be taken back (A.10).
    PendingOff,
    Off,
}

/// The tenant as `tenant-sync status` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantReport {
    pub id: String,
    pub name: String,
    pub synchronisation: Synchronisation,
    /// RFC 3339; none: never.
    pub last_sync: Option<String>,
    /// `contoso.com (Managed)`.
    pub domains: Vec<String>,
}

/// The switch of one tenant.
#[derive(Debug)]
pub struct Administrator {
    graph: GraphClient,
    client_id: String,
}

/// What the person is told, and what the command polls with.
#[derive(Debug)]
pub struct DeviceCode {
    /// The service's own sentence: which page to open and which code to enter.
    pub message: String,
    code: Secret,
    interval: Duration,
    expires: Instant,
}

/// A signed-in person.
#[derive(Debug)]
pub struct SignedIn(Secret);

#[derive(Deserialize)]
struct DeviceCodeReply {
    device_code: String,
    message: String,
    #[serde(default)]
    interval: Option<u64>,
    #[serde(default)]
    expires_in: Option<u64>,
}

impl Administrator {
    /// `client_id`: the public client that asks on the person's behalf, by itself `PUBLIC_CLIENT`.
    pub fn new(settings: Settings, client_id: &str) -> Result<Administrator, ConnectorError> {
        Ok(Administrator { graph: GraphClient::new(settings)?, client_id: client_id.to_owned() })
    }

    /// Reads the tenant as the application: nobody signs in for it.
    pub async fn report(&self) -> Result<TenantReport, ConnectorError> {
        let Tenant { id, name, domains, sync_enabled, last_sync } = tenant::read(&self.graph).await?;
        let synchronisation = match sync_enabled {
            None => Synchronisation::Never,
            Some(true) => Synchronisation::On,
            Some(false) if tenant::has_synced_users(&self.graph).await? => Synchronisation::PendingOff,
            Some(false) => Synchronisation::Off,
        };
        let last_sync = last_sync.map(|time| time.to_string());
        Ok(TenantReport { id, name, synchronisation, last_sync, domains })
    }

    /// Asks for a code.
    pub async fn device_code(&self) -> Result<DeviceCode, ConnectorError> {
        let attempted = "asking for a device code";
        let settings = self.graph.settings();
        let resource = settings.scope.strip_suffix("/.default").unwrap_or(&settings.scope);
        let scope = format!("{resource}/{PERMISSION}");
        let fields = [("client_id", self.client_id.as_str()), ("scope", scope.as_str())];
        let (status, body) = self.post("devicecode", &fields, attempted).await?;
        let reply = serde_json::from_slice::<DeviceCodeReply>(&body);
        let Some(reply) = reply.ok().filter(|_| status == 200) else {
            return Err(refused(status, &body, attempted));
        };
        Ok(DeviceCode {
            message: shortened(&reply.message),
            code: Secret::new(reply.device_code),
            interval: Duration::from_secs(reply.interval.unwrap_or(5)),
            expires: Instant::now() + Duration::from_secs(reply.expires_in.unwrap_or(900).min(86_400)),
        })
    }

    /// Waits until the person has signed in, declined, or let the code expire.
    pub async fn signed_in(&self, code: &DeviceCode) -> Result<SignedIn, ConnectorError> {
        let attempted = "waiting for the sign-in";
        let mut interval = code.interval;
        loop {
            let fields = [
                ("grant_type", DEVICE_CODE),
                ("client_id", self.client_id.as_str()),
                ("device_code", code.code.expose()),
            ];
            let (status, body) = self.post("token", &fields, attempted).await?;
            let reply: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
            match (status, reply["access_token"].as_str(), reply["error"].as_str()) {
                (200, Some(token), _) if !token.is_empty() => return Ok(SignedIn(Secret::new(token))),
                (400, _, Some("authorization_pending")) => {}
                (400, _, Some("slow_down")) => interval += SLOWER,
                _ => return Err(refused(status, &body, attempted)),
            }
            if Instant::now() + interval > code.expires {
                let message = "nobody signed in before the code expired";
                return Err(ConnectorError::new(ErrorKind::Credential, attempted, message, "run the command again"));
            }
            tokio::time::sleep(interval).await;
        }
    }

    /// Switches directory synchronisation. Done means that the service took it: `report` tells how far it is.
    pub async fn switch(&self, person: &SignedIn, on: bool) -> Result<(), ConnectorError> {
        let attempted = if on { "switching synchronisation on" } else { "switching synchronisation off" };
        let id = tenant::read(&self.graph).await?.id;
        let url = self.graph.url(&crate::urls::organization(&id), attempted)?;
        let body = Bytes::from(json!({ "onPremisesSyncEnabled": on }).to_string());
        let request = self
            .graph
            .http()
            .map_err(|broken| broken.error)?
            .request(Method::PATCH, url)
            .bearer_auth(person.0.expose())
            .header("content-type", "application/json")
            .body(body);
        let mut reply = request.send().await.map_err(|error| describe(&error, attempted).error)?;
        let status = reply.status().as_u16();
        let body = read_limited(&mut reply, MAX_REPLY, attempted).await.map_err(|broken| broken.error)?;
        if (200..300).contains(&status) {
            return Ok(());
        }
        let told = GraphError::read(serde_json::from_slice(&body).ok().as_ref()).told(status);
        let (kind, remedy) = match status {
            401 | 403 => {
                let remedy = "sign in as a Hybrid Identity Administrator or Global Administrator, and consent to \
                    Organization.ReadWrite.All";
                (ErrorKind::Permission, remedy)
            }
            400 => {
                let remedy = "a switch-off that is under way takes up to 72 hours and cannot be taken back: `metasync tenant-sync status`";
                (ErrorKind::CannotStart { status: "no-start-refused" }, remedy)
            }
            _ => (ErrorKind::Connection, "try again later"),
        };
        Err(ConnectorError::new(kind, attempted, told, remedy))
    }

    async fn post(
        &self,
        endpoint: &str,
        fields: &[(&str, &str)],
        attempted: &str,
    ) -> Result<(u16, Zeroizing<Vec<u8>>), ConnectorError> {
        let Settings { authority_url, tenant, .. } = self.graph.settings();
        let address = format!("{authority_url}{tenant}/oauth2/v2.0/{endpoint}");
        let url = Url::parse(&address)
            .map_err(|error| ConnectorError::new(ErrorKind::Protocol, attempted, error.to_string(), ""))?;
        let http = self.graph.http().map_err(|broken| broken.error)?;
        let request = http.post(url).header("content-type", "application/x-www-form-urlencoded");
        let sent = request.body(encoded(fields)).send().await;
        let mut reply = sent.map_err(|error| describe(&error, attempted).error)?;
        let status = reply.status().as_u16();
        let body = read_limited(&mut reply, MAX_REPLY, attempted).await.map_err(|broken| broken.error)?;
        Ok((status, Zeroizing::new(body)))
    }
}

/// The token service's refusal, without what follows its first line.
fn refused(status: u16, body: &[u8], attempted: &str) -> ConnectorError {
    let reply: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    let error = reply["error"].as_str().unwrap_or("no error code");
    let description = reply["error_description"].as_str().unwrap_or_default();
    let message = format!("HTTP {status} {error}: {}", shortened(description.lines().next().unwrap_or_default()));
    let (kind, remedy) = match error {
        "authorization_declined" => (ErrorKind::Credential, "the sign-in was declined: run the command again"),
        "expired_token" => (ErrorKind::Credential, "the code expired: run the command again"),
        "unauthorized_client" => (ErrorKind::Credential, "name a public client of this tenant with --sign-in-client"),
        _ if status >= 500 => (ErrorKind::Connection, "try again later"),
        _ => (ErrorKind::Credential, "check tenant and authority_url"),
    };
    ConnectorError::new(kind, attempted, message, remedy)
}
