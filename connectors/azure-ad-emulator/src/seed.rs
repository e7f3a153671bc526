//! The seed: what a tenant holds when it is started for the first time, as JSON or as a value. Turns it into a
//! directory, and reports every mistake it finds, not the first. Seeds describe an existing tenant, dirt included, so
//! values are checked for shape and uniqueness of keys only, not by the rules for new objects.
//!
//! ```json
//! {
//!   "tenant": { "id": "0f0e0d0c-0b0a-4908-8706-050403020100", "displayName": "Contoso" },
//!   "domains": [
//!     { "name": "contoso.onmicrosoft.com", "initial": true },
//!     { "name": "contoso.com", "default": true },
//!     { "name": "sso.contoso.com", "federated": true }
//!   ],
//!   "skus": [{ "skuPartNumber": "ENTERPRISEPACK", "enabledUnits": 100 }],
//!   "applications": [{
//!     "clientId": "11111111-2222-4333-8444-555555555555",
//!     "clientSecret": "for rehearsals only",
//!     "permissions": ["User.ReadWrite.All", "Group.ReadWrite.All", "Organization.Read.All"]
//!   }],
//!   "users": [{
//!     "userPrincipalName": "ann@contoso.com",
//!     "displayName": "Ann",
//!     "mail": "ann@contoso.com",
//!     "usageLocation": "DE",
//!     "assignedLicenses": ["ENTERPRISEPACK"],
//!     "roles": { "active": ["Global Administrator"], "eligible": [] },
//!     "manager": "bob@contoso.com"
//!   }],
//!   "groups": [{ "displayName": "Sales", "members": ["ann@contoso.com"], "assignedLicenses": ["ENTERPRISEPACK"] }],
//!   "contacts": [{ "displayName": "Supplier", "mail": "x@supplier.example" }],
//!   "deletedUsers": [{ "userPrincipalName": "old@contoso.com", "displayName": "Old", "deletedDaysAgo": 3 }]
//! }
//! ```
//!
//! Every part may be left out. Users, groups and contacts take any other property of their type under Graph's name.
//! `mail` without `proxyAddresses` gives the object that one `SMTP:` address. Members and managers are named by object
//! id, sign-in name, a contact's mail address or a group's display name. A user with `password` signs in with it. Roles are named by display name or role
//! definition id. Ids left out are derived from the tenant id, so the same seed always gives the same ids.

mod licences;

use std::collections::HashMap;
use std::fmt;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::clock::{DAY_MS, Millis, graph_time};
use crate::directory::Directory;
use crate::guid::Guid;
use crate::password::KeptPassword;
pub use crate::password::SeedPassword;
use crate::schema::{self, Kind, Shape};
use crate::synchronisation::DeletionPrevention;
use crate::tenant_facts::{Application, Domain, RoleGrant, SyncClient, TenantFacts, default_features, role_definition};

/// The content of a new tenant. `Seed::default()` is an empty tenant of the domain `contoso.onmicrosoft.com`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Seed {
    pub tenant: TenantSeed,
    /// Empty: `contoso.onmicrosoft.com`, initial and default.
    pub domains: Vec<DomainSeed>,
    /// Empty: none for sale.
    pub skus: Vec<SkuSeed>,
    /// Registered anew at each start, also when the state file already exists.
    pub applications: Vec<ApplicationSeed>,
    pub users: Vec<UserSeed>,
    pub groups: Vec<GroupSeed>,
    pub contacts: Vec<ContactSeed>,
    pub deleted_users: Vec<UserSeed>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct TenantSeed {
    pub id: Option<Guid>,
    pub display_name: Option<String>,
    pub technical_notification_mails: Vec<String>,
    /// null: never synchronised.
    pub on_premises_sync_enabled: Option<bool>,
    pub on_premises_last_sync_date_time: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DomainSeed {
    pub name: String,
    /// Unset: the first domain that is named `*.onmicrosoft.com`.
    #[serde(default)]
    pub initial: bool,
    /// Unset on all: the initial domain.
    #[serde(default)]
    pub default: bool,
    #[serde(default = "yes")]
    pub verified: bool,
    #[serde(default)]
    pub federated: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SkuSeed {
    pub sku_part_number: String,
    #[serde(default)]
    pub sku_id: Option<Guid>,
    #[serde(default = "many_units")]
    pub enabled_units: u64,
    /// Of a subscription that ended and is in its grace period.
    #[serde(default)]
    pub warning_units: u64,
    #[serde(default)]
    pub suspended_units: u64,
    #[serde(default)]
    pub locked_out_units: u64,
    /// `Enabled`, `Warning`, `Suspended`, `Deleted` or `LockedOut`.
    #[serde(default = "crate::tenant_facts::enabled")]
    pub capability_status: String,
    /// `User`, or `Company`: nobody is given it.
    #[serde(default = "crate::tenant_facts::user")]
    pub applies_to: String,
    /// Part numbers that no user has beside this one.
    #[serde(default)]
    pub excludes: Vec<String>,
    /// Usage locations where it is not sold.
    #[serde(default)]
    pub prohibited_in: Vec<String>,
    #[serde(default)]
    pub service_plans: Vec<ServicePlanSeed>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServicePlanSeed {
    pub service_plan_name: String,
    #[serde(default)]
    pub service_plan_id: Option<Guid>,
}

/// An application that may ask for tokens.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApplicationSeed {
    pub client_id: Guid,
    /// Kept as a salted digest only. Empty: the application has none.
    #[serde(default)]
    pub client_secret: String,
    /// Certificates that its assertions may be signed with, each in PEM form.
    #[serde(default)]
    pub certificates: Vec<String>,
    /// Granted application permissions, such as `User.ReadWrite.All`.
    #[serde(default)]
    pub permissions: Vec<String>,
    /// The secret is right but past its end date (AADSTS7000222).
    #[serde(default)]
    pub secret_expired: bool,
}

impl fmt::Debug for ApplicationSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApplicationSeed")
            .field("client_id", &self.client_id)
            .field("client_secret", &"[redacted]")
            .field("certificates", &self.certificates.len())
            .field("permissions", &self.permissions)
            .field("secret_expired", &self.secret_expired)
            .finish()
    }
}

/// A user; with `deletedDaysAgo` only among `deletedUsers`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserSeed {
    #[serde(default)]
    pub id: Option<Guid>,
    pub user_principal_name: String,
    /// SKU part numbers or SKU ids.
    #[serde(default)]
    pub assigned_licenses: Vec<String>,
    #[serde(default)]
    pub roles: RolesSeed,
    #[serde(default)]
    pub manager: Option<String>,
    /// Source of authority was moved to the cloud.
    #[serde(default)]
    pub is_cloud_managed: bool,
    /// How long a deleted user has been in the recycle bin; unset: one day.
    #[serde(default)]
    pub deleted_days_ago: Option<u32>,
    /// The password that the user has in the cloud; only a hash of it is kept.
    #[serde(default)]
    pub password: Option<SeedPassword>,
    /// Any other property of a user, under Graph's name.
    #[serde(flatten)]
    pub properties: Map<String, Value>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RolesSeed {
    pub active: Vec<String>,
    pub eligible: Vec<String>,
}

/// A group; a security group unless its properties say otherwise.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupSeed {
    #[serde(default)]
    pub id: Option<Guid>,
    pub display_name: String,
    #[serde(default)]
    pub members: Vec<String>,
    #[serde(default)]
    pub owners: Vec<String>,
    /// SKU part numbers or ids that every member that is a user is given.
    #[serde(default)]
    pub assigned_licenses: Vec<String>,
    #[serde(default)]
    pub roles: RolesSeed,
    #[serde(default)]
    pub is_cloud_managed: bool,
    /// Of a group that is or was synchronised.
    #[serde(default)]
    pub source_anchor: Option<String>,
    /// Any other property of a group, under Graph's name.
    #[serde(flatten)]
    pub properties: Map<String, Value>,
}

/// An organisational contact.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContactSeed {
    #[serde(default)]
    pub id: Option<Guid>,
    pub display_name: String,
    #[serde(default)]
    pub is_cloud_managed: bool,
    /// Of a contact that is or was synchronised.
    #[serde(default)]
    pub source_anchor: Option<String>,
    /// Any other property of a contact, under Graph's name.
    #[serde(flatten)]
    pub properties: Map<String, Value>,
}

fn yes() -> bool {
    true
}

fn many_units() -> u64 {
    1_000
}

/// The tenant id when the seed gives none.
const DEFAULT_TENANT_ID: Guid = Guid::from_bits(0xc0a1_0000_7e4a_4417_8e0a_5ea1_0000_0001);

/// Everything wrong with a seed.
pub(crate) struct SeedMistakes(pub(crate) Vec<String>);

impl Seed {
    /// Reads the JSON form.
    pub fn from_json(value: Value) -> Result<Seed, serde_json::Error> {
        serde_json::from_value(value)
    }
}

/// Builds the directory of a new tenant.
pub(crate) fn plant(
    seed: &Seed,
    instance: Guid,
    salt: Guid,
    id_seed: Option<u64>,
    now: Millis,
) -> Result<Directory, SeedMistakes> {
    let tenant_id = seed.tenant.id.unwrap_or(DEFAULT_TENANT_ID);
    let derived = (tenant_id.as_u128() ^ (tenant_id.as_u128() >> 64)) as u64;
    let mut planting = Planting {
        directory: Directory::new(instance, facts(seed, tenant_id, now), id_seed.unwrap_or(derived)),
        now,
        names: HashMap::new(),
        mistakes: Vec::new(),
    };
    planting.domains(seed);
    planting.skus(seed);
    register_applications(&mut planting.directory, seed, salt);
    // First, because a live user may carry the sign-in name of a deleted one.
    let deleted: Vec<_> = seed.deleted_users.iter().map(|user| planting.deleted_user(user)).collect();
    let users: Vec<_> = seed.users.iter().map(|user| planting.named_user(user)).collect();
    let contacts = seed.contacts.iter().map(|contact| planting.contact(contact)).count();
    let groups: Vec<_> = seed.groups.iter().map(|group| planting.group(group)).collect();
    tracing::debug!(users = users.len(), contacts, groups = groups.len(), "planted the seed's objects");
    for (user, id) in seed.users.iter().zip(users) {
        planting.user_links(user, id);
    }
    for (group, id) in seed.groups.iter().zip(&groups) {
        planting.group_links(group, *id);
    }
    for (group, id) in seed.groups.iter().zip(groups) {
        planting.group_licences(group, id);
    }
    for (user, id) in seed.deleted_users.iter().zip(deleted) {
        planting.user_links(user, id);
    }
    if planting.mistakes.is_empty() { Ok(planting.directory) } else { Err(SeedMistakes(planting.mistakes)) }
}

/// Registers the seed's applications, in place of those of the same id.
pub(crate) fn register_applications(directory: &mut Directory, seed: &Seed, salt: Guid) {
    for application in &seed.applications {
        let mut registered = Application::new(
            application.client_id,
            &application.client_secret,
            salt,
            application.secret_expired,
            application.permissions.clone(),
        );
        registered.certificates = application.certificates.iter().map(|pem| crate::assertion::pem_body(pem)).collect();
        let applications = &mut directory.facts.applications;
        applications.retain(|known| known.client_id != registered.client_id);
        applications.push(registered);
        directory.mark_changed();
    }
}

fn facts(seed: &Seed, tenant_id: Guid, now: Millis) -> TenantFacts {
    TenantFacts {
        tenant_id,
        display_name: seed.tenant.display_name.clone().unwrap_or_else(|| "Contoso".to_owned()),
        technical_notification_mails: seed.tenant.technical_notification_mails.clone(),
        created: graph_time(now),
        on_premises_sync_enabled: seed.tenant.on_premises_sync_enabled,
        on_premises_last_sync: seed.tenant.on_premises_last_sync_date_time.clone(),
        pending_switch: None,
        deletion_prevention: DeletionPrevention::default(),
        sync_client: SyncClient::default(),
        other_feature_bits: None,
        swept_ms: None,
        domains: Vec::new(),
        skus: Vec::new(),
        applications: Vec::new(),
        active_roles: Vec::new(),
        eligible_roles: Vec::new(),
        features: default_features(),
    }
}

struct Planting {
    directory: Directory,
    now: Millis,
    /// What members and managers may be named by, lower-cased.
    names: HashMap<String, Guid>,
    mistakes: Vec<String>,
}

impl Planting {
    fn mistake(&mut self, what: impl Into<String>) {
        self.mistakes.push(what.into());
    }

    fn domains(&mut self, seed: &Seed) {
        let mut domains: Vec<Domain> = seed.domains.iter().map(domain).collect();
        if domains.is_empty() {
            let name = "contoso.onmicrosoft.com".to_owned();
            domains.push(Domain { name, is_default: true, is_initial: true, is_verified: true, is_federated: false });
        }
        if !domains.iter().any(|domain| domain.is_initial) {
            let microsoft = domains.iter().position(|domain| domain.name.ends_with(".onmicrosoft.com"));
            if let Some(initial) = domains.get_mut(microsoft.unwrap_or(0)) {
                initial.is_initial = true;
            }
        }
        if !domains.iter().any(|domain| domain.is_default) {
            for domain in domains.iter_mut().filter(|domain| domain.is_initial) {
                domain.is_default = true;
            }
        }
        for (what, count) in [
            ("initial", domains.iter().filter(|domain| domain.is_initial).count()),
            ("default", domains.iter().filter(|domain| domain.is_default).count()),
        ] {
            if count > 1 {
                self.mistake(format!("domains: {count} domains are marked {what}; mark one"));
            }
        }
        self.directory.facts.domains = domains;
    }

    fn user(&mut self, seed: &UserSeed) -> Guid {
        let what = format!("user {}", seed.user_principal_name);
        let mut properties = self.properties(Kind::User, &what, &seed.properties);
        properties.insert("userPrincipalName".to_owned(), json!(seed.user_principal_name));
        if !seed.user_principal_name.contains('@') {
            self.mistake(format!("{what}: a sign-in name has the form local@domain"));
        }
        set_default(&mut properties, "accountEnabled", json!(true));
        set_default(&mut properties, "userType", json!("Member"));
        set_default(&mut properties, "createdDateTime", json!(graph_time(self.now)));
        let local = seed.user_principal_name.split('@').next().unwrap_or_default().to_owned();
        set_default(&mut properties, "displayName", json!(local));
        set_default(&mut properties, "mailNickname", json!(local));
        if let Some((in_force, states)) = self.given(&what, &seed.assigned_licenses) {
            properties.insert("assignedLicenses".to_owned(), in_force);
            properties.insert("licenseAssignmentStates".to_owned(), states);
        }
        let id = self.add(Kind::User, &what, seed.id, properties);
        self.directory.set_cloud_managed(id, seed.is_cloud_managed);
        id
    }

    fn named_user(&mut self, seed: &UserSeed) -> Guid {
        if seed.deleted_days_ago.is_some() {
            self.mistake(format!("user {}: deletedDaysAgo belongs among deletedUsers", seed.user_principal_name));
        }
        let id = self.user(seed);
        self.name(&seed.user_principal_name, id);
        match seed.password.as_ref().map(|clear| KeptPassword::of_cloud(&clear.0, self.now)) {
            None => {}
            Some(Ok(password)) => self.directory.set_password(id, password),
            Some(Err(error)) => self.mistake(format!("user {}: no random bytes: {error}", seed.user_principal_name)),
        }
        id
    }

    fn user_links(&mut self, seed: &UserSeed, id: Guid) {
        let what = format!("user {}", seed.user_principal_name);
        self.roles(&what, id, &seed.roles);
        if let Some(manager) = &seed.manager
            && let Some(manager) = self.resolve(&what, "manager", manager)
        {
            self.directory.set_manager(id, Some(manager));
        }
    }

    fn deleted_user(&mut self, seed: &UserSeed) -> Guid {
        let id = self.user(seed);
        let days = Millis::from(seed.deleted_days_ago.unwrap_or(1));
        self.directory.soft_delete(id, self.now - days * DAY_MS, true);
        id
    }

    fn group(&mut self, seed: &GroupSeed) -> Guid {
        let what = format!("group {}", seed.display_name);
        let mut properties = self.properties(Kind::Group, &what, &seed.properties);
        properties.insert("displayName".to_owned(), json!(seed.display_name));
        let nickname: String = seed.display_name.chars().filter(char::is_ascii_alphanumeric).collect();
        set_default(&mut properties, "mailNickname", json!(nickname));
        set_default(&mut properties, "groupTypes", json!([]));
        set_default(&mut properties, "mailEnabled", json!(false));
        set_default(&mut properties, "securityEnabled", json!(true));
        set_default(&mut properties, "createdDateTime", json!(graph_time(self.now)));
        let id = self.add(Kind::Group, &what, seed.id, properties);
        self.directory.set_cloud_managed(id, seed.is_cloud_managed);
        self.anchor(id, seed.source_anchor.as_ref());
        self.name(&seed.display_name, id);
        id
    }

    fn group_links(&mut self, seed: &GroupSeed, id: Guid) {
        let what = format!("group {}", seed.display_name);
        self.roles(&what, id, &seed.roles);
        for member in &seed.members {
            if let Some(member) = self.resolve(&what, "member", member) {
                self.directory.add_member(id, member);
            }
        }
        let owners: Vec<_> = seed.owners.iter().filter_map(|owner| self.resolve(&what, "owner", owner)).collect();
        self.directory.set_owners(id, owners);
    }

    fn contact(&mut self, seed: &ContactSeed) -> Guid {
        let what = format!("contact {}", seed.display_name);
        let mut properties = self.properties(Kind::Contact, &what, &seed.properties);
        properties.insert("displayName".to_owned(), json!(seed.display_name));
        let mail = properties.get("mail").and_then(Value::as_str).map(str::to_owned);
        let id = self.add(Kind::Contact, &what, seed.id, properties);
        self.directory.set_cloud_managed(id, seed.is_cloud_managed);
        self.anchor(id, seed.source_anchor.as_ref());
        if let Some(mail) = mail {
            self.name(&mail, id);
        }
        id
    }

    fn anchor(&mut self, id: Guid, anchor: Option<&String>) {
        if let Some(anchor) = anchor {
            self.directory.change_synced(id, |entry| entry.source_anchor = Some(anchor.clone()));
        }
    }

    /// Checks the free part of an object and completes `proxyAddresses` from `mail`.
    fn properties(&mut self, kind: Kind, what: &str, given: &Map<String, Value>) -> Map<String, Value> {
        let mut properties = Map::new();
        for (name, value) in given {
            match schema::find(kind, name).filter(|property| property.name == name) {
                None if schema::is_directory_extension(name) => {}
                None => {
                    self.mistake(format!("{what}: there is no property '{name}' on a {}", kind.resource()));
                    continue;
                }
                Some(property) if name == "id" || name == "passwordProfile" => {
                    self.mistake(format!("{what}: '{}' cannot be seeded", property.name));
                    continue;
                }
                Some(property) => {
                    if let Err(error) = schema::check_shape(kind, property, value) {
                        self.mistake(format!("{what}: {}", error.message));
                        continue;
                    }
                    if property.shape == Shape::Complex && name == "onPremisesExtensionAttributes" {
                        let set = schema::extension_attributes(value.as_object());
                        properties.insert(name.clone(), set);
                        continue;
                    }
                }
            }
            properties.insert(name.clone(), value.clone());
        }
        if let (Some(mail), None) = (properties.get("mail").and_then(Value::as_str), properties.get("proxyAddresses")) {
            let addresses = json!([format!("SMTP:{mail}")]);
            properties.insert("proxyAddresses".to_owned(), addresses);
        }
        properties
    }

    fn add(&mut self, kind: Kind, what: &str, id: Option<Guid>, properties: Map<String, Value>) -> Guid {
        let id = id.unwrap_or_else(|| self.directory.draw_id());
        if self.directory.any(id).is_some() {
            self.mistake(format!("{what}: the id {id} is taken by another object of the seed"));
            return id;
        }
        for (table, property) in UNIQUE_KEYS {
            let Some(value) = properties.get(property).and_then(Value::as_str) else {
                continue;
            };
            if self.directory.holders(table, value).next().is_some() {
                self.mistake(format!("{what}: another object of the seed has the same {property} '{value}'"));
            }
        }
        self.directory.create(id, kind, properties, 0);
        id
    }

    fn roles(&mut self, what: &str, principal: Guid, roles: &RolesSeed) {
        for (names, active) in [(&roles.active, true), (&roles.eligible, false)] {
            for name in names {
                let Some(role_definition) = role_definition(name) else {
                    self.mistake(format!("{what}: '{name}' is neither a known role name nor a role definition id"));
                    continue;
                };
                let grant = RoleGrant { id: self.directory.draw_id().without_dashes(), principal, role_definition };
                let facts = &mut self.directory.facts;
                if active { facts.active_roles.push(grant) } else { facts.eligible_roles.push(grant) }
            }
        }
    }

    fn name(&mut self, name: &str, id: Guid) {
        self.names.entry(name.to_lowercase()).or_insert(id);
    }

    fn resolve(&mut self, what: &str, part: &str, name: &str) -> Option<Guid> {
        let by_id = Guid::parse(name).filter(|id| self.directory.live(*id).is_some());
        let found = by_id.or_else(|| self.names.get(&name.to_lowercase()).copied());
        if found.is_none() {
            self.mistake(format!("{what}: no object of the seed is named '{name}' ({part})"));
        }
        found
    }
}

const UNIQUE_KEYS: [(crate::indexes::Table, &str); 3] = [
    (crate::indexes::Table::UserPrincipalName, "userPrincipalName"),
    (crate::indexes::Table::ImmutableId, "onPremisesImmutableId"),
    (crate::indexes::Table::UniqueName, "uniqueName"),
];

fn domain(seed: &DomainSeed) -> Domain {
    Domain {
        name: seed.name.to_lowercase(),
        is_default: seed.default,
        is_initial: seed.initial,
        is_verified: seed.verified,
        is_federated: seed.federated,
    }
}

fn set_default(properties: &mut Map<String, Value>, name: &str, value: Value) {
    if !properties.contains_key(name) {
        properties.insert(name.to_owned(), value);
    }
}
