//! Sign-in of a person by device code (A.1): a client gets a code, a person enters it elsewhere and approves, the client
//! polls until it has a token. The rehearsal's person approves over `/_tenant/device-codes`. Keeps no password: nobody is
//! asked for one.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::clock::{Millis, SECOND_MS, graph_time};
use crate::guid::Guid;
use crate::token::{Refusal, refusal};

/// `grant_type` of the polls.
pub(crate) const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// First-party clients that every tenant knows without registration: Graph's and Azure's command line tools.
const PUBLIC_CLIENTS: [&str; 2] = ["14d82eec-204b-4c2f-b7e8-296a70dab67e", "04b07795-8ddb-461a-bbee-02f9e1bf7b46"];

/// What a client without a registration may be consented to in a rehearsal: what an administrator of synchronisation needs.
const CONSENTED: [&str; 4] = [
    "Organization.ReadWrite.All",
    "OnPremDirectorySynchronization.ReadWrite.All",
    "Directory.Read.All",
    "User.Read.All",
];

pub(crate) fn is_public_client(client_id: Guid) -> bool {
    PUBLIC_CLIENTS.iter().any(|known| Guid::parse(known) == Some(client_id))
}

/// Codes given out, by the secret that the client polls with.
#[derive(Debug, Default)]
pub(crate) struct DeviceCodes {
    given: BTreeMap<String, DeviceCode>,
}

#[derive(Debug)]
struct DeviceCode {
    user_code: String,
    client: Guid,
    scopes: Vec<String>,
    expires_ms: Millis,
    interval_ms: Millis,
    polled_ms: Option<Millis>,
    decision: Decision,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Decision {
    Open,
    Approved { user: Guid },
    Declined,
}

/// What an approved code gives a token for.
#[derive(Debug)]
pub(crate) struct Delegation {
    pub(crate) client: Guid,
    pub(crate) user: Guid,
    /// Scopes without their resource: `Organization.ReadWrite.All`.
    pub(crate) scopes: Vec<String>,
}

/// How a code is given out.
pub(crate) struct DeviceCodeSetting<'a> {
    pub(crate) base_url: &'a str,
    pub(crate) now: Millis,
    pub(crate) life_s: u64,
    pub(crate) interval_s: u64,
    /// 32 random bytes: the secret and the code that a person types.
    pub(crate) random: [u8; 32],
}

impl DeviceCodes {
    /// Gives out a code for checked scopes; the body of the 200.
    pub(crate) fn give(&mut self, client: Guid, scope: &str, setting: &DeviceCodeSetting<'_>) -> Value {
        self.given.retain(|_, code| code.expires_ms > setting.now);
        let secret: String = setting.random[..24].iter().map(|byte| format!("{byte:02x}")).collect();
        // Without letters and digits that are taken for one another.
        const ALPHABET: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
        let user_code: String =
            setting.random[24..].iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect();
        let code = DeviceCode {
            user_code: user_code.clone(),
            client,
            scopes: scopes(scope),
            expires_ms: setting.now.saturating_add(milliseconds(setting.life_s)),
            interval_ms: milliseconds(setting.interval_s),
            polled_ms: None,
            decision: Decision::Open,
        };
        self.given.insert(secret.clone(), code);
        let place = format!("{}/_tenant/device-codes", setting.base_url);
        json!({
            "user_code": user_code,
            "device_code": secret,
            "verification_uri": place,
            "expires_in": setting.life_s,
            "interval": setting.interval_s,
            "message": format!(
                "To sign in, use a web browser to open the page {place} and enter the code {user_code} to authenticate."
            ),
        })
    }

    /// A poll: the delegation once a person approved, else the refusal that says to go on or to stop (RFC 8628, 3.5).
    pub(crate) fn redeem(&mut self, secret: &str, client: Guid, now: Millis) -> Result<Delegation, Refusal> {
        let unknown = || {
            refusal(
                400,
                "invalid_grant",
                70_000,
                "The provided value for the input parameter 'device_code' is not valid.",
            )
        };
        let code = self.given.get_mut(secret).filter(|code| code.client == client).ok_or_else(unknown)?;
        if code.expires_ms <= now {
            self.given.remove(secret);
            return Err(refusal(400, "expired_token", 70_020, "The provided device code has expired."));
        }
        let early = code.polled_ms.is_some_and(|at| now < at.saturating_add(code.interval_ms));
        code.polled_ms = Some(now);
        match code.decision {
            Decision::Approved { user } => {
                let scopes = code.scopes.clone();
                self.given.remove(secret);
                Ok(Delegation { client, user, scopes })
            }
            Decision::Declined => {
                self.given.remove(secret);
                let message = "The end user denied the authorization request.";
                Err(refusal(400, "authorization_declined", 50_126, message))
            }
            Decision::Open if early => {
                Err(refusal(400, "slow_down", 70_016, "The client polls more often than the interval it was given."))
            }
            Decision::Open => {
                let message = "OAuth 2.0 device flow error. Authorization is pending. Continue polling.";
                Err(refusal(400, "authorization_pending", 70_016, message))
            }
        }
    }

    /// What the person at the other screen decides: approved as that user, or declined. `None`: no such open code.
    pub(crate) fn decide(&mut self, user_code: &str, user: Option<Guid>, now: Millis) -> Option<()> {
        let open = |code: &&mut DeviceCode| {
            code.user_code.eq_ignore_ascii_case(user_code.trim())
                && code.decision == Decision::Open
                && code.expires_ms > now
        };
        let code = self.given.values_mut().find(open)?;
        code.decision = user.map_or(Decision::Declined, |user| Decision::Approved { user });
        Some(())
    }

    /// The codes that wait for a person, without their secrets.
    pub(crate) fn open(&self, now: Millis) -> Value {
        let open = self.given.values().filter(|code| code.decision == Decision::Open && code.expires_ms > now);
        let rows = open.map(|code| {
            json!({
                "userCode": code.user_code,
                "client": code.client,
                "scopes": code.scopes,
                "expires": graph_time(code.expires_ms),
            })
        });
        Value::Array(rows.collect())
    }
}

fn milliseconds(seconds: u64) -> Millis {
    Millis::try_from(seconds).unwrap_or(Millis::MAX / SECOND_MS).saturating_mul(SECOND_MS)
}

/// `https://graph.microsoft.com/Organization.ReadWrite.All offline_access` = the permission; `.default` = all that is
/// consented. The scopes of OpenID Connect give nothing here.
pub(crate) fn scopes(scope: &str) -> Vec<String> {
    let mut scopes: Vec<String> = Vec::new();
    for one in scope.split_whitespace() {
        let name = one.rsplit('/').next().unwrap_or(one);
        match name {
            "openid" | "profile" | "email" | "offline_access" => {}
            ".default" => scopes.extend(CONSENTED.map(str::to_owned)),
            name => scopes.push(name.to_owned()),
        }
    }
    scopes
}
