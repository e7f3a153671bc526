//! The knobs: everything about the tenant's behaviour that a test or an operator may turn while it runs, with the
//! values a live tenant is documented to have as defaults. Only settings; the surfaces read them at each request.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::faults::{FaultRates, FaultRule, ProvisioningRedirect};
use crate::token::PROVISIONING_RESOURCE;

/// All knobs. In JSON (`/_tenant/knobs`) the names are as here; a PATCH changes the ones it names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Knobs {
    /// Added to system time, in milliseconds. Unset in a change: as it stands.
    pub clock_offset_ms: Option<i64>,
    /// Fresh objects are 404 for reads and for references this long (A.2, eventual consistency).
    pub replication_delay_ms: u64,
    /// What a reference to a not yet replicated object or group is answered with: 404 or 400 (section H).
    pub fresh_reference_status: u16,
    /// Objects on a page of a collection when the request has no `$top`.
    pub page_size: usize,
    /// Upper bound for any page; `$top` above 999 is refused all the same.
    pub max_page_size: usize,
    /// Changes looked at for one page of a delta. Changes outside `$select` count, so pages may come out empty.
    pub delta_page_size: usize,
    /// Members of groups on one page of a delta; a bigger group is repeated on the next page (A.6).
    pub delta_member_page_size: usize,
    /// Life of `$skiptoken`s of collections, in seconds.
    pub page_token_life_s: u64,
    /// Life of delta tokens, in seconds (7 days).
    pub delta_token_life_s: u64,
    /// Stay in the recycle bin, in seconds (30 days).
    pub deleted_item_life_s: u64,
    /// Life of access tokens, in seconds.
    pub token_life_s: u64,
    /// Life of device codes, in seconds.
    pub device_code_life_s: u64,
    /// Shortest pause between two polls for a device code, in seconds; an earlier poll is told to slow down.
    pub device_code_interval_s: u64,
    /// Audiences whose tokens the provisioning web service takes (section 0, unconfirmed for a live tenant).
    pub provisioning_audiences: Vec<String>,
    pub throttle: ThrottleKnobs,
    /// Faults to act out, first match wins; see [`FaultRule`].
    pub faults: Vec<FaultRule>,
    /// Faults at random by a seed, for requests that no rule picks.
    pub fault_rates: FaultRates,
    /// Replies inside a `$batch` come in another order than the requests.
    pub shuffle_batch: bool,
    /// Role reads are refused with 403 whatever the application's permissions.
    pub roles_denied: bool,
    /// Directory synchronisation of the tenant. Unset in a change: as it stands.
    pub sync: Option<SyncState>,
    /// Seconds until directory synchronisation is on after it was asked for over Graph.
    pub sync_on_delay_s: u64,
    /// Seconds until it is off: documented as up to 72 hours (A.10).
    pub sync_off_delay_s: u64,
    /// Whether the organisation still shows `onPremisesSyncEnabled` true while it is being switched off (A.10, unconfirmed).
    pub pending_off_shows_enabled: bool,
    /// Directory synchronisation features by name (A.10); a change names only those it changes.
    pub features: BTreeMap<String, bool>,
    /// Writes that are answered with success and not, or otherwise, stored.
    pub silent_reverts: Vec<SilentRevert>,
    /// Values that the service stores in another form than sent.
    pub normalisations: Vec<Normalisation>,
    /// Objects that the tenant takes, recycle bin included (D.7).
    pub object_quota: usize,
    /// Status of Graph's refusal of more: 400, or 403 as some report (A.2).
    pub quota_status: u16,
    /// Whether deleted security groups can be restored. Documented as not (A.9).
    pub security_groups_restorable: bool,
    /// `accountEnabled`, `mobilePhone`, `otherMails` and `businessPhones` of role holders are refused to applications (A.3).
    pub protect_privileged_users: bool,
    /// `passwordProfile` changes need `User-PasswordProfile.ReadWrite.All` (A.3, unconfirmed).
    pub password_profile_permission: bool,
    /// Wrong passwords after which an account is locked (smart lockout: 10).
    pub lockout_threshold: u32,
    /// The first lockout, in seconds; each further one lasts twice as long (60).
    pub lockout_s: u64,
    /// Users of federated domains sign in with the password that was synchronised (a home realm discovery policy).
    pub cloud_passwords_of_federated_users: bool,
    /// What a `mail` whose address another object holds leads to (A.3).
    pub mail_clash: MailClash,
    /// The recycle bin prefixes sign-in names with the object id (A.9, unconfirmed).
    pub prefix_deleted_sign_in_names: bool,
    /// The first round of a delta tells of deleted objects too (A.6: it may).
    pub removed_in_first_round: bool,
    /// Oldest build of a synchronising client that the web service takes (B.1).
    pub minimum_build: String,
    /// HTTP status of a refused token on the web service (unconfirmed); the body is a fault in any case.
    pub provisioning_unauthorised_status: u16,
    /// Sends requests for the web service elsewhere.
    pub provisioning_redirect: Option<ProvisioningRedirect>,
    /// Objects that the web service takes per window, over all clients.
    pub provisioning_throttle: ProvisioningThrottle,
    /// `AnchorAttribute` of the company configuration; unset: none was set yet.
    pub anchor_attribute: Option<String>,
    /// `MaxLinksSupportedAcrossBatchInProvision2` (B.4).
    pub most_links_in_request: usize,
    /// Objects on a page of a read-back.
    pub read_back_page_size: usize,
    /// Names of the cookie and of the flag that says that more is there (B.4, unconfirmed).
    pub read_back_cookie_element: String,
    pub read_back_more_element: String,
    /// Life of a read-back's cookie, in seconds (unconfirmed).
    pub read_back_cookie_life_s: u64,
    /// A read-back tells of objects too that were never synchronised (unconfirmed).
    pub read_back_cloud_objects: bool,
    /// An object that the web service created is found by its anchor as a member, a manager or a password's owner only after
    /// this long (B.5, B.6: about 30 seconds on a live tenant).
    pub anchor_delay_ms: u64,
    /// An incoming primary address matches any address of an existing object, not its primary one alone (D.1).
    pub soft_match_any_address: bool,
    /// An incoming object without primary address is matched by its mail attribute (unconfirmed).
    pub soft_match_on_mail: bool,
    /// Guests may be taken over (unconfirmed).
    pub match_guests: bool,
    /// No hard match onto holders of a directory role (section H).
    pub block_hard_match_of_role_holders: bool,
    /// The anchor of a synchronised object is not changed (section H).
    pub block_anchor_change: bool,
    /// An object in the recycle bin comes back when its anchor is synchronised again (D.6).
    pub restore_by_anchor: bool,
    /// Groups and contacts are found by their anchor again after synchronisation was off in between (unconfirmed).
    pub anchors_survive_sync_off: bool,
    /// Conflicting sign-in names and addresses are held back rather than refused (D.4).
    pub duplicate_resiliency: bool,
    /// Pause between two looks at what is held back, in seconds (D.4).
    pub sweep_interval_s: u64,
    /// An object with an address gets one of the initial domain too (D.3, unconfirmed).
    pub add_initial_domain_address: bool,
    /// Addresses of unverified domains are dropped for licensed users (D.3, unconfirmed).
    pub drop_unverified_addresses: bool,
    /// Most proxy addresses of an object (D.5).
    pub most_proxy_addresses: usize,
    /// An object whose manager is not there is refused; else only the manager is left out (D.5, unconfirmed).
    pub unknown_manager_refused: bool,
    /// Requests kept in memory for `/_tenant/log`; the oldest fall out first.
    pub request_log_limit: usize,
}

impl Default for Knobs {
    fn default() -> Knobs {
        Knobs {
            clock_offset_ms: None,
            replication_delay_ms: 0,
            fresh_reference_status: 404,
            page_size: 100,
            max_page_size: 999,
            delta_page_size: 200,
            delta_member_page_size: 1_000,
            page_token_life_s: 3_600,
            delta_token_life_s: 7 * 86_400,
            deleted_item_life_s: 30 * 86_400,
            token_life_s: 3_599,
            device_code_life_s: 900,
            device_code_interval_s: 5,
            provisioning_audiences: vec![PROVISIONING_RESOURCE.to_owned()],
            throttle: ThrottleKnobs::default(),
            faults: Vec::new(),
            fault_rates: FaultRates::default(),
            shuffle_batch: true,
            roles_denied: false,
            sync: None,
            sync_on_delay_s: 0,
            sync_off_delay_s: 72 * 3_600,
            pending_off_shows_enabled: false,
            features: BTreeMap::new(),
            silent_reverts: Vec::new(),
            normalisations: Vec::new(),
            object_quota: 300_000,
            quota_status: 400,
            security_groups_restorable: false,
            protect_privileged_users: true,
            password_profile_permission: true,
            lockout_threshold: 10,
            lockout_s: 60,
            cloud_passwords_of_federated_users: false,
            mail_clash: MailClash::Refuse,
            prefix_deleted_sign_in_names: true,
            removed_in_first_round: false,
            minimum_build: "2.5.79.0".to_owned(),
            provisioning_unauthorised_status: 401,
            provisioning_redirect: None,
            provisioning_throttle: ProvisioningThrottle::default(),
            anchor_attribute: Some("mS-DS-ConsistencyGuid".to_owned()),
            most_links_in_request: 15_000,
            read_back_page_size: 500,
            read_back_cookie_element: "NextPageCookie".to_owned(),
            read_back_more_element: "MoreAvailable".to_owned(),
            read_back_cookie_life_s: 30 * 86_400,
            read_back_cloud_objects: false,
            anchor_delay_ms: 0,
            soft_match_any_address: true,
            soft_match_on_mail: false,
            match_guests: false,
            block_hard_match_of_role_holders: true,
            block_anchor_change: true,
            restore_by_anchor: true,
            anchors_survive_sync_off: true,
            duplicate_resiliency: true,
            sweep_interval_s: 3_600,
            add_initial_domain_address: false,
            drop_unverified_addresses: false,
            most_proxy_addresses: 300,
            unknown_manager_refused: false,
            request_log_limit: 200_000,
        }
    }
}

/// Token buckets for one application in the tenant (A.8).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ThrottleKnobs {
    pub enabled: bool,
    /// Resource units per window; unset: by the number of users (3,500, 5,000 or 8,000).
    pub resource_units: Option<u32>,
    pub resource_window_ms: u64,
    /// Writes per window.
    pub writes: u32,
    pub write_window_ms: u64,
    /// Whether a 429 carries `Retry-After`. Live ones may lack it.
    pub retry_after: bool,
}

impl Default for ThrottleKnobs {
    fn default() -> ThrottleKnobs {
        ThrottleKnobs {
            enabled: true,
            resource_units: None,
            resource_window_ms: 10_000,
            writes: 3_000,
            write_window_ms: 150_000,
            retry_after: true,
        }
    }
}

/// Token bucket of the provisioning web service; what a live tenant takes is not published (7,000 objects in five minutes
/// are what a client is advised to stay below).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProvisioningThrottle {
    pub enabled: bool,
    /// Objects per window.
    pub objects: u32,
    pub window_ms: u64,
    /// Whether a 429 carries `Retry-After`.
    pub retry_after: bool,
}

impl Default for ProvisioningThrottle {
    fn default() -> ProvisioningThrottle {
        ProvisioningThrottle { enabled: true, objects: 7_000, window_ms: 300_000, retry_after: true }
    }
}

/// State of directory synchronisation of the tenant (`organization.onPremisesSyncEnabled`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SyncState {
    /// null
    Never,
    /// true
    On,
    /// false: was on
    Off,
}

impl SyncState {
    pub(crate) fn from_flag(flag: Option<bool>) -> SyncState {
        match flag {
            None => SyncState::Never,
            Some(true) => SyncState::On,
            Some(false) => SyncState::Off,
        }
    }

    pub(crate) fn flag(self) -> Option<bool> {
        match self {
            SyncState::Never => None,
            SyncState::On => Some(true),
            SyncState::Off => Some(false),
        }
    }
}

/// A write of `attribute` (a property name, or `members`, or `manager`) succeeds without being stored as sent: with
/// `drop` the old value stays, else `value` is stored (for links only `drop` has a meaning).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SilentRevert {
    pub attribute: String,
    #[serde(default)]
    pub drop: bool,
    #[serde(default)]
    pub value: Value,
}

/// The service stores the text of `attribute` in another form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Normalisation {
    pub attribute: String,
    pub form: NormalForm,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NormalForm {
    LowerCase,
    UpperCase,
    /// Without blanks at both ends.
    Trim,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MailClash {
    /// 400 `ObjectConflict` on `proxyAddresses`, as real replies are.
    Refuse,
    /// The address is left out of `proxyAddresses`, as the documentation says.
    LeaveOut,
}

impl Knobs {
    /// What is stored when a body sets `attribute` to `value`; `None` when the write is silently dropped.
    pub(crate) fn stored_value(&self, attribute: &str, value: Value) -> Option<Value> {
        if let Some(revert) = self.silent_reverts.iter().find(|revert| revert.attribute == attribute) {
            return if revert.drop { None } else { Some(revert.value.clone()) };
        }
        let form = self.normalisations.iter().find(|rule| rule.attribute == attribute).map(|rule| rule.form);
        match (form, value) {
            (Some(form), Value::String(text)) => Some(Value::String(form.apply(&text))),
            (_, value) => Some(value),
        }
    }

    /// Applies reverts and normalisations to a set of checked changes.
    pub(crate) fn stored_changes(&self, changes: Vec<(String, Value)>) -> Vec<(String, Value)> {
        let stored = changes.into_iter().filter_map(|(name, value)| {
            let value = self.stored_value(&name, value)?;
            Some((name, value))
        });
        stored.collect()
    }

    /// Whether link writes (`members`, `manager`) are dropped.
    pub(crate) fn drops(&self, attribute: &str) -> bool {
        self.silent_reverts.iter().any(|revert| revert.drop && revert.attribute == attribute)
    }
}

impl NormalForm {
    fn apply(self, text: &str) -> String {
        match self {
            NormalForm::LowerCase => text.to_lowercase(),
            NormalForm::UpperCase => text.to_uppercase(),
            NormalForm::Trim => text.trim().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of the operator guide names knobs that there are, and every knob of the provisioning web service.
    #[test]
    fn the_operator_guide_names_the_knobs() {
        let guide = include_str!("../../../docs/operator-guide.md");
        let table = guide.split_once("| Knob | Default |").expect("the table").1;
        let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
        let named: Vec<&str> = rows
            .filter_map(|row| row.split('|').nth(1))
            .flat_map(|names| names.split(',').map(|name| name.trim().trim_matches('`')))
            .collect();
        let knobs = serde_json::to_value(Knobs::default()).unwrap();
        let known: Vec<&str> = knobs.as_object().unwrap().keys().map(String::as_str).collect();
        let unknown: Vec<_> = named.iter().filter(|name| !known.contains(name)).collect();
        assert!(unknown.is_empty(), "no knobs: {unknown:?}");
        let first = known.iter().position(|name| *name == "minimum_build").unwrap();
        let last = known.iter().position(|name| *name == "request_log_limit").unwrap();
        let missing: Vec<_> = known[first..last].iter().filter(|name| !named.contains(name)).collect();
        assert!(missing.is_empty(), "not in the guide: {missing:?}");
    }
}
