//! A rehearsal tenant in this process, over real HTTP, with short ways to look at what it holds.

use azure_ad_emulator::{RehearsalTenant, RunningTenant, SeedSource, TenantOptions};
use graph_contract::Watch;
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub const CLIENT_ID: &str = "11111111-2222-4333-8444-555555555555";
/// Made up, and good for nothing but the rehearsal tenant.
pub const CLIENT_SECRET: &str = "rehearsal-secret-for-tests";

/// All that the connector asks for.
pub const PERMISSIONS: &[&str] = &[
    "User.ReadWrite.All",
    "Group.ReadWrite.All",
    "OrgContact.Read.All",
    "Organization.Read.All",
    "Domain.Read.All",
    "RoleManagement.Read.Directory",
    "User.RevokeSessions.All",
    "User-OnPremisesSyncBehavior.ReadWrite.All",
    "Group-OnPremisesSyncBehavior.ReadWrite.All",
    "ADSynchronization.ReadWrite.All",
];

pub struct Tenant {
    /// Judges what is said to the tenant at `graph_url` by the public contract.
    watch: Watch,
    pub running: RunningTenant,
    runtime: tokio::runtime::Runtime,
}

impl Tenant {
    /// Starts a tenant with this seed; the test application is added to it.
    pub fn start(mut seed: Value) -> Self {
        seed["applications"] =
            json!([{ "clientId": CLIENT_ID, "clientSecret": CLIENT_SECRET, "permissions": PERMISSIONS }]);
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        let options = TenantOptions { seed: Some(SeedSource::Json(seed)), ..TenantOptions::default() };
        let running = runtime.block_on(RehearsalTenant::start(options)).expect("the tenant starts");
        let inside = runtime.enter();
        let watch = Watch::before(running.address()).expect("a relay in front of the tenant");
        drop(inside);
        Tenant { watch, running, runtime }
    }

    /// Graph by way of the judge.
    pub fn graph_url(&self) -> String {
        self.watch.url(&self.running.graph_url())
    }

    pub fn tenant_id(&self) -> String {
        self.running.tenant_id().to_string()
    }

    /// Users by sign-in name in lower case.
    pub fn users(&self) -> BTreeMap<String, Value> {
        self.list("users", "userPrincipalName")
    }

    pub fn groups(&self) -> BTreeMap<String, Value> {
        self.list("groups", "displayName")
    }

    fn list(&self, kind: &str, key: &str) -> BTreeMap<String, Value> {
        let snapshot = self.running.snapshot();
        let objects = snapshot[kind].as_array().cloned().unwrap_or_default();
        objects.into_iter().map(|object| (object[key].as_str().unwrap_or_default().to_lowercase(), object)).collect()
    }

    /// Writes since the log was last cleared.
    pub fn writes(&self) -> u64 {
        self.running.successful_writes()
    }

    pub fn forget_requests(&self) {
        self.running.clear_request_log();
    }

    pub fn stop(self) {
        self.runtime.block_on(self.running.shutdown()).expect("the tenant stops");
    }
}
