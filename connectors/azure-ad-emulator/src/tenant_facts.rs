//! What a tenant is apart from its objects: organisation, domains, licences for sale, registered applications, role
//! assignments, synchronisation features. Plain data with the look-ups that several surfaces share.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::clock::Millis;
use crate::guid::Guid;
use crate::synchronisation::{DeletionPrevention, PendingSwitch};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct TenantFacts {
    pub(crate) tenant_id: Guid,
    pub(crate) display_name: String,
    pub(crate) technical_notification_mails: Vec<String>,
    pub(crate) created: String,
    /// `null` = never synchronised, `true` = on, `false` = was on (A.10).
    pub(crate) on_premises_sync_enabled: Option<bool>,
    pub(crate) on_premises_last_sync: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pending_switch: Option<PendingSwitch>,
    #[serde(default)]
    pub(crate) deletion_prevention: DeletionPrevention,
    /// Who synchronised last.
    #[serde(default)]
    pub(crate) sync_client: SyncClient,
    /// Bits of `DirSyncFeatures` that no feature of Graph stands for; unset: those of a new tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) other_feature_bits: Option<u32>,
    /// When held back values were last looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) swept_ms: Option<Millis>,
    pub(crate) domains: Vec<Domain>,
    pub(crate) skus: Vec<Sku>,
    pub(crate) applications: Vec<Application>,
    pub(crate) active_roles: Vec<RoleGrant>,
    pub(crate) eligible_roles: Vec<RoleGrant>,
    /// The twenty switches of A.10.
    pub(crate) features: BTreeMap<String, bool>,
}

/// What the last synchronising client said of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SyncClient {
    pub(crate) machine: Option<String>,
    pub(crate) build: Option<String>,
    pub(crate) objects: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Domain {
    pub(crate) name: String,
    pub(crate) is_default: bool,
    pub(crate) is_initial: bool,
    pub(crate) is_verified: bool,
    pub(crate) is_federated: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Sku {
    pub(crate) sku_id: Guid,
    pub(crate) sku_part_number: String,
    pub(crate) enabled_units: u64,
    /// In the grace period of an ended subscription: still of use.
    #[serde(default)]
    pub(crate) warning_units: u64,
    #[serde(default)]
    pub(crate) suspended_units: u64,
    #[serde(default)]
    pub(crate) locked_out_units: u64,
    #[serde(default = "enabled")]
    pub(crate) capability_status: String,
    #[serde(default = "user")]
    pub(crate) applies_to: String,
    /// Part numbers that no user has beside this one.
    #[serde(default)]
    pub(crate) excludes: Vec<String>,
    /// Usage locations where it is not sold.
    #[serde(default)]
    pub(crate) prohibited_in: Vec<String>,
    pub(crate) service_plans: Vec<ServicePlan>,
}

impl Sku {
    /// Whether its units can be given.
    pub(crate) fn is_usable(&self) -> bool {
        matches!(self.capability_status.as_str(), "Enabled" | "Warning")
    }
}

/// The state of most subscriptions.
pub(crate) fn enabled() -> String {
    "Enabled".to_owned()
}

/// Whom most of what is sold is for.
pub(crate) fn user() -> String {
    "User".to_owned()
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ServicePlan {
    pub(crate) service_plan_id: Guid,
    pub(crate) service_plan_name: String,
}

/// A registered application. Its secret is kept as a salted digest only.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Application {
    pub(crate) client_id: Guid,
    secret_salt: Guid,
    secret_digest: String,
    pub(crate) secret_expired: bool,
    /// DER, base64: what an assertion may be signed with.
    #[serde(default)]
    pub(crate) certificates: Vec<String>,
    pub(crate) permissions: Vec<String>,
}

impl Application {
    pub(crate) fn new(
        client_id: Guid,
        secret: &str,
        salt: Guid,
        secret_expired: bool,
        permissions: Vec<String>,
    ) -> Self {
        let secret_digest = digest(salt, secret);
        let certificates = Vec::new();
        Application { client_id, secret_salt: salt, secret_digest, secret_expired, certificates, permissions }
    }

    pub(crate) fn accepts(&self, secret: &str) -> bool {
        digest(self.secret_salt, secret) == self.secret_digest
    }
}

fn digest(salt: Guid, secret: &str) -> String {
    let mut hasher = Sha256::new();
    hasher.update(salt.as_u128().to_be_bytes());
    hasher.update(secret.as_bytes());
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A directory role held, or available for activation, by a user or group.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RoleGrant {
    pub(crate) id: String,
    pub(crate) principal: Guid,
    pub(crate) role_definition: Guid,
}

impl TenantFacts {
    /// The domain of that name, whether verified or not.
    pub(crate) fn domain(&self, name: &str) -> Option<&Domain> {
        self.domains.iter().find(|domain| domain.name.eq_ignore_ascii_case(name))
    }

    /// The tenant is addressed by its id or by one of its verified domains (A.1).
    pub(crate) fn is_addressed_by(&self, tenant: &str) -> bool {
        Guid::parse(tenant) == Some(self.tenant_id) || self.domain(tenant).is_some_and(|domain| domain.is_verified)
    }

    pub(crate) fn initial_domain(&self) -> &str {
        let initial = self.domains.iter().find(|domain| domain.is_initial);
        initial.or(self.domains.first()).map_or("", |domain| domain.name.as_str())
    }

    pub(crate) fn application(&self, client_id: Guid) -> Option<&Application> {
        self.applications.iter().find(|application| application.client_id == client_id)
    }

    pub(crate) fn sku(&self, sku_id: Guid) -> Option<&Sku> {
        self.skus.iter().find(|sku| sku.sku_id == sku_id)
    }
}

/// Names of the directory synchronisation features (A.10), with the value a new tenant has.
pub(crate) const FEATURES: [(&str, bool); 20] = [
    ("allowOnPremUpdateOfOnPremisesObjectIdentifierEnabled", false),
    ("blockCloudObjectTakeoverThroughHardMatchEnabled", false),
    ("blockSoftMatchEnabled", false),
    ("bypassDirSyncOverridesEnabled", false),
    ("cloudPasswordPolicyForPasswordSyncedUsersEnabled", false),
    ("concurrentCredentialUpdateEnabled", false),
    ("concurrentOrgIdProvisioningEnabled", true),
    ("deviceWritebackEnabled", false),
    ("directoryExtensionsEnabled", false),
    ("fopeConflictResolutionEnabled", false),
    ("groupWriteBackEnabled", false),
    ("passwordSyncEnabled", false),
    ("passwordWritebackEnabled", false),
    ("quarantineUponProxyAddressesConflictEnabled", true),
    ("quarantineUponUpnConflictEnabled", true),
    ("softMatchOnUpnEnabled", true),
    ("synchronizeUpnForManagedUsersEnabled", true),
    ("unifiedGroupWritebackEnabled", false),
    ("userForcePasswordChangeOnLogonEnabled", false),
    ("userWritebackEnabled", false),
];

pub(crate) fn default_features() -> BTreeMap<String, bool> {
    FEATURES.iter().map(|(name, on)| ((*name).to_owned(), *on)).collect()
}

/// Built-in directory roles by name: template id, which is the role definition id in every tenant.
pub(crate) const ROLES: [(&str, &str); 18] = [
    ("Application Administrator", "9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3"),
    ("Authentication Administrator", "c4e39bd9-1100-46d3-8c65-fb160da0071f"),
    ("Billing Administrator", "b0f54661-2d74-4c50-afa3-1ec803f12efe"),
    ("Cloud Application Administrator", "158c047a-c907-4556-b7ef-446551a6b5f7"),
    ("Conditional Access Administrator", "b1be1c3e-b65d-4f19-8427-f6fa0d97feb9"),
    ("Directory Readers", "88d8e3e3-8f55-4a1e-953a-9b9898b8876b"),
    ("Directory Synchronization Accounts", "d29b2b05-8046-44ba-8758-1e26182fcf32"),
    ("Exchange Administrator", "29232cdf-9323-42fd-ade2-1d097af3e4de"),
    ("Global Administrator", "62e90394-69f5-4237-9190-012177145e10"),
    ("Global Reader", "f2ef992c-3afb-46b9-b7cf-a126ee74c451"),
    ("Groups Administrator", "fdd7a751-b60b-444a-984c-02652fe8fa1c"),
    ("Helpdesk Administrator", "729827e3-9c14-49f7-bb1b-9608f156bbb8"),
    ("Hybrid Identity Administrator", "8ac3fc64-6eca-42ea-9e69-59f4c7b60eb2"),
    ("License Administrator", "4d6ac14f-3453-41d0-bef9-a3e0c569773a"),
    ("Privileged Role Administrator", "e8611ab8-c189-46e8-94e1-60213ab1f814"),
    ("Security Administrator", "194ae4cb-b126-40b2-bd5b-6091b380977d"),
    ("SharePoint Administrator", "f28a1f50-f6e7-4571-818b-6a12f2af6b6c"),
    ("User Administrator", "fe930be7-5e62-47db-91af-98c3a49a38b1"),
];

/// A role by its name or by its definition id.
pub(crate) fn role_definition(name_or_id: &str) -> Option<Guid> {
    let by_name = ROLES.iter().find(|(name, _)| name.eq_ignore_ascii_case(name_or_id));
    Guid::parse(by_name.map_or(name_or_id, |(_, id)| id))
}

pub(crate) fn role_name(definition: Guid) -> Option<&'static str> {
    ROLES.iter().find(|(_, id)| Guid::parse(id) == Some(definition)).map(|(name, _)| *name)
}

/// Names that are no feature, for settings that name some.
pub(crate) fn unknown_features(features: &BTreeMap<String, bool>) -> Vec<String> {
    features.keys().filter(|name| FEATURES.iter().all(|(known, _)| known != name)).cloned().collect()
}
