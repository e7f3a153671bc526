//! The rehearsal tenant: a real HTTP server on loopback that behaves like Microsoft Graph v1.0, the provisioning web
//! service and the token endpoint of a Microsoft Entra tenant, over one directory, with their refusals, limits and delays. It never talks to
//! Microsoft, and shares no code with the connector that is rehearsed against it.
//!
//! ```no_run
//! use azure_ad_emulator::{RehearsalTenant, SeedSource, TenantOptions};
//!
//! # async fn rehearse() -> Result<(), azure_ad_emulator::TenantError> {
//! let seed = serde_json::json!({
//!     "applications": [{
//!         "clientId": "11111111-2222-4333-8444-555555555555",
//!         "clientSecret": "for rehearsals only",
//!         "permissions": ["User.ReadWrite.All"],
//!     }],
//!     "users": [{ "userPrincipalName": "ann@contoso.onmicrosoft.com", "displayName": "Ann" }],
//! });
//! let tenant = RehearsalTenant::start(TenantOptions {
//!     seed: Some(SeedSource::Json(seed)),
//!     ..TenantOptions::default()
//! })
//! .await?;
//! println!("Graph at {}, tokens at {}", tenant.graph_url(), tenant.token_url());
//! tenant.shutdown().await
//! # }
//! ```
//!
//! - The content comes from a state file, or for a new tenant from a [`seed`].
//! - The behaviour is turned by [`Knobs`], in process or over HTTP under `/_tenant/` (knobs, state, log, clock).
//! - Access tokens are asked for at [`RunningTenant::token_url`] with the scope `https://graph.microsoft.com/.default`
//!   or the tenant's own address plus `/.default`.
//! - The web service is at [`RunningTenant::provisioning_url`]; its tokens have the scope
//!   `6bf85cfa-ac8a-4be5-b5de-425a0d0dc016/.default`, and directory synchronisation must be on ([`Knobs::sync`]).
//! - Users sign in at the token endpoint with name and password (`grant_type=password`); of a password only the string is kept
//!   that synchronisation sends, or that the tenant makes of one set in the cloud.

mod call;
mod clock;
mod guid;

pub mod seed;

pub mod binary_xml;

mod password;

mod entry;
mod schema;
mod tenant_facts;

mod directory;
mod indexes;
mod snapshot;
mod state_file;

mod errors;
mod permissions;

mod context;
mod filter;

mod collection;

mod user_rules;
mod users;

mod groups;
mod licences;
mod members;

mod deleted_items;
mod roles;
mod synchronisation;
mod tenant_objects;

mod delta;

mod provisioning;

mod routes;

mod assertion;
mod batch;
mod throttle;

mod device_code;
mod sign_in;
mod token;

mod faults;
mod knobs;
mod request_log;

mod admin_page;
mod control;
mod core;
mod server;
mod tenant;

pub use faults::{FaultAction, FaultRates, FaultRule, ProvisioningRedirect};
pub use guid::Guid;
pub use knobs::{
    Knobs, MailClash, NormalForm, Normalisation, ProvisioningThrottle, SilentRevert, SyncState, ThrottleKnobs,
};
pub use request_log::LoggedRequest;
pub use seed::Seed;
pub use tenant::{KeptTenant, RehearsalTenant, RunningTenant, SeedSource, TenantError, TenantOptions};
