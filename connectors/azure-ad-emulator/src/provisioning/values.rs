//! What an incoming object makes of the properties that Graph shows (D.2, D.3): mapped attributes, computed nickname and
//! sign-in name, the marks of synchronisation, and what is held back. Judges the whole object before anything is stored;
//! what was not sent stays.

use serde_json::{Map, Value, json};

use super::addresses::{self, Addresses, held};
use super::attributes::{self, Mapped};
use super::matching::{feature, is_resilient};
use super::object::{SyncObject, SyncValue, stored};
use super::refusal::Refusal;
use crate::clock::graph_time;
use crate::context::Context;
use crate::entry::{Entry, HeldBack, Unique};
use crate::indexes::Table;
use crate::schema::{self, Kind, utf16_length};
use crate::user_rules::address_holder;

/// Longest local part and longest sign-in name (A.3).
const LONGEST_LOCAL: usize = 64;
const LONGEST_SIGN_IN_NAME: usize = 113;
/// Most certificates (D.5).
const MOST_CERTIFICATES: usize = 15;
/// Largest photo, in bytes (D.5 names the limit, not its size).
const LARGEST_PHOTO: usize = 100 * 1024;

/// All that is to be stored of an incoming object, links aside.
pub(super) struct Plan {
    /// Under Graph's names.
    pub(super) changes: Vec<(String, Value)>,
    pub(super) held_back: Vec<HeldBack>,
    /// By the keys of this wire.
    pub(super) synced: Map<String, Value>,
    pub(super) source_anchor: Option<String>,
}

/// `is_first`: a create, takeover or restore, for which nickname and sign-in name are computed anew.
pub(super) fn plan(
    cx: &Context<'_>,
    existing: Option<&Entry>,
    object: &SyncObject,
    kind: Kind,
    is_first: bool,
) -> Result<Plan, Refusal> {
    let mut changes = mapped_changes(object, existing, kind)?;
    let synced = synced_values(existing, object)?;
    let addresses = addresses::settle(cx, existing, object)?;
    let nickname = nickname(object, existing, &addresses, kind, is_first);
    if let Some(nickname) = &nickname {
        changes.push(("mailNickname".to_owned(), json!(nickname)));
    }
    let mut held_back: Vec<HeldBack> = match &addresses.held_back {
        Some(held_back) => held_back.clone(),
        None => kept(existing, Unique::ProxyAddresses),
    };
    if kind == Kind::User {
        let name = sign_in_name(cx, existing, object, &addresses, nickname.as_deref(), is_first)?;
        changes.extend(name.changes);
        held_back.extend(name.held_back);
        check_security_identifier(cx, existing, &changes)?;
    }
    if let Some(mail) = &addresses.mail {
        changes.push(("mail".to_owned(), mail.clone()));
    }
    if let Some(proxies) = &addresses.proxies {
        changes.push(("proxyAddresses".to_owned(), json!(proxies)));
    }
    match kind {
        Kind::User => {}
        Kind::Group => group_flags(&mut changes, existing, object, &addresses),
        Kind::Contact => {
            changes.push(("phones".to_owned(), phones(&synced)));
            changes.push(("addresses".to_owned(), postal_addresses(&synced)));
        }
    }
    let source_anchor = object.source_anchor().map(str::to_owned);
    changes.push(("onPremisesSyncEnabled".to_owned(), json!(true)));
    changes.push(("onPremisesLastSyncDateTime".to_owned(), json!(graph_time(cx.now))));
    changes.push(("onPremisesProvisioningErrors".to_owned(), provisioning_errors(&held_back)));
    if let (Kind::User, Some(anchor)) = (kind, &source_anchor) {
        changes.push(("onPremisesImmutableId".to_owned(), json!(anchor)));
    }
    Ok(Plan { changes, held_back, synced, source_anchor })
}

/// `onPremisesProvisioningErrors` of what is held back (A.3).
pub(super) fn provisioning_errors(held_back: &[HeldBack]) -> Value {
    let errors = held_back.iter().map(|held| {
        json!({
            "category": "PropertyConflict",
            "occurredDateTime": graph_time(held.since_ms),
            "propertyCausingError": held.property.name(),
            "value": held.value,
        })
    });
    Value::Array(errors.collect())
}

fn kept(existing: Option<&Entry>, property: Unique) -> Vec<HeldBack> {
    let held = existing.into_iter().flat_map(|entry| &entry.held_back);
    held.filter(|held| held.property == property).cloned().collect()
}

fn mapped_changes(object: &SyncObject, existing: Option<&Entry>, kind: Kind) -> Result<Vec<(String, Value)>, Refusal> {
    let mut changes = Vec::new();
    let held = existing.and_then(|entry| entry.properties.get("onPremisesExtensionAttributes"));
    let mut extension: Map<String, Value> = held.and_then(Value::as_object).cloned().unwrap_or_default();
    let mut extension_changed = false;
    for (key, value) in &object.properties {
        if let Some(mapped) = attributes::find(kind, key) {
            changes.extend(mapped_change(mapped, value, kind)?);
        } else if let (Kind::User, Some(name)) = (kind, attributes::extension_attribute(key)) {
            extension.insert(name, extension_value(key, value)?);
            extension_changed = true;
        } else if schema::is_directory_extension(key) {
            changes.push((key.clone(), stored(value)));
        }
    }
    if extension_changed {
        changes.push(("onPremisesExtensionAttributes".to_owned(), Value::Object(extension)));
    }
    Ok(changes)
}

fn mapped_change(mapped: &Mapped, value: &SyncValue, kind: Kind) -> Result<Option<(String, Value)>, Refusal> {
    let value = attributes::to_graph(mapped.form, value)
        .map_err(|why| Refusal::invalid_data(mapped.key, &format!("It {why}.")))?;
    // These cannot be cleared; what they are stays.
    let is_lasting = matches!(mapped.property, "displayName" | "accountEnabled" | "usageLocation" | "securityEnabled");
    if value.is_null() && is_lasting {
        return Ok(None);
    }
    if let Some(property) = schema::find(kind, mapped.property) {
        schema::check_shape(kind, property, &value)
            .map_err(|error| Refusal::exceeded_length(mapped.key, &error.message))?;
    }
    if mapped.property == "usageLocation" {
        let code = value.as_str().unwrap_or_default();
        if code.len() != 2 || !code.bytes().all(|letter| letter.is_ascii_alphabetic()) {
            return Err(Refusal::invalid_data(mapped.key, "It is a two-letter country code."));
        }
        return Ok(Some((mapped.property.to_owned(), json!(code.to_ascii_uppercase()))));
    }
    Ok(Some((mapped.property.to_owned(), value)))
}

fn extension_value(key: &str, value: &SyncValue) -> Result<Value, Refusal> {
    match value {
        SyncValue::Nil => Ok(Value::Null),
        SyncValue::Text(text) if text.is_empty() => Ok(Value::Null),
        SyncValue::Text(text) if utf16_length(text) <= 1_024 => Ok(json!(text)),
        SyncValue::Text(_) => Err(Refusal::exceeded_length(key, "The value is longer than 1024 characters.")),
        _ => Err(Refusal::invalid_data(key, "It is a text.")),
    }
}

/// What this wire keeps as it was sent, with the sizes that an object may have (D.5).
fn synced_values(existing: Option<&Entry>, object: &SyncObject) -> Result<Map<String, Value>, Refusal> {
    let mut synced = existing.map(|entry| entry.synced.clone()).unwrap_or_default();
    for (key, value) in &object.properties {
        match value {
            SyncValue::Binaries(items) if items.len() > MOST_CERTIFICATES => {
                return Err(Refusal::large_object(key, items.len(), MOST_CERTIFICATES));
            }
            SyncValue::Binary(base64) if base64.len() / 4 * 3 > LARGEST_PHOTO => {
                return Err(Refusal::large_object(key, base64.len() / 4 * 3, LARGEST_PHOTO));
            }
            _ => {}
        }
        let is_kept_elsewhere = ["SourceAnchor", "CloudAnchor", "member", "manager"];
        if is_kept_elsewhere.iter().any(|name| name.eq_ignore_ascii_case(key)) {
            continue;
        }
        let known = synced.keys().find(|known| known.eq_ignore_ascii_case(key)).cloned();
        let key = known.unwrap_or_else(|| key.clone());
        match stored(value) {
            Value::Null => {
                synced.shift_remove(&key);
            }
            value => {
                synced.insert(key, value);
            }
        }
    }
    Ok(synced)
}

/// The first of what D.3 lists at the first synchronisation; later only a nickname from on premises that is another one.
fn nickname(
    object: &SyncObject,
    existing: Option<&Entry>,
    addresses: &Addresses,
    kind: Kind,
    is_first: bool,
) -> Option<String> {
    let sent = object.text("mailNickname").or_else(|| object.text("alias"));
    if !is_first {
        let before = existing.and_then(|entry| synced_text(&entry.synced, "mailNickname"));
        return sent.filter(|sent| before != Some(sent)).map(str::to_owned);
    }
    let prefix = |address: &str| address.split('@').next().unwrap_or_default().to_owned();
    let candidates = [
        sent.map(str::to_owned),
        addresses.primary().map(prefix),
        object.text("mail").map(prefix),
        object.text("userPrincipalName").map(prefix),
        addresses.secondary().map(prefix),
        // A group or contact without any address.
        (kind != Kind::User).then(|| object.text("displayName").unwrap_or_default().to_owned()),
    ];
    let clean =
        |text: String| -> String { text.chars().filter(|c| !"@()\\[]\";:<>, ".contains(*c)).take(64).collect() };
    candidates.into_iter().flatten().map(clean).find(|nickname| !nickname.is_empty())
}

fn synced_text<'a>(synced: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    synced.iter().find(|(known, _)| known.eq_ignore_ascii_case(key)).and_then(|(_, value)| value.as_str())
}

/// What becomes of the sign-in name.
#[derive(Default)]
struct SignInName {
    changes: Vec<(String, Value)>,
    held_back: Vec<HeldBack>,
}

fn sign_in_name(
    cx: &Context<'_>,
    existing: Option<&Entry>,
    object: &SyncObject,
    addresses: &Addresses,
    nickname: Option<&str>,
    is_first: bool,
) -> Result<SignInName, Refusal> {
    let unchanged = || SignInName { changes: Vec::new(), held_back: kept(existing, Unique::UserPrincipalName) };
    // The recycle bin remembers the name that a deleted user had.
    let former = existing.and_then(|entry| entry.deleted.as_ref()?.user_principal_name.as_deref());
    let Some(sent) = object.text("userPrincipalName").or(former) else {
        return match existing {
            Some(_) => Ok(unchanged()),
            None => Err(Refusal::invalid_data("UserPrincipalName", "A value is required.")),
        };
    };
    let before = existing.and_then(|entry| entry.text("onPremisesUserPrincipalName"));
    if !is_first && before == Some(sent) {
        return Ok(unchanged());
    }
    let (local, domain) = split_name(sent)?;
    let mut changes = vec![("onPremisesUserPrincipalName".to_owned(), json!(sent))];
    if !is_first && existing.is_some_and(|entry| keeps_its_name(cx, entry)) {
        return Ok(SignInName { changes, ..unchanged() });
    }
    let is_allowed = local.chars().all(|c| c.is_ascii_alphanumeric() || "'.-_!#^~".contains(c));
    let is_verified = cx.directory.facts.domain(domain).is_some_and(|domain| domain.is_verified);
    let nickname = nickname.or_else(|| existing.and_then(|entry| entry.text("mailNickname"))).unwrap_or(local);
    let initial = cx.directory.facts.initial_domain();
    let wanted = if is_allowed && is_verified { sent.to_owned() } else { format!("{nickname}@{initial}") };
    let own = existing.map(|entry| entry.id);
    let Some(holder) = address_holder(cx, own, &wanted) else {
        changes.push(("userPrincipalName".to_owned(), json!(wanted)));
        return Ok(SignInName { changes, held_back: Vec::new() });
    };
    // The one case that is refused all the same (D.4).
    let group_has_both = existing.is_none() && holder.kind == Kind::Group && addresses.holder == Some(holder.id);
    if group_has_both || !is_resilient(cx, Unique::UserPrincipalName) {
        return Err(Refusal::must_be_unique("UserPrincipalName", &wanted));
    }
    let held_back = vec![held(cx, existing, Unique::UserPrincipalName, wanted.clone())];
    let local = wanted.split('@').next().unwrap_or(local);
    let number =
        free_number(cx, local, initial).ok_or_else(|| Refusal::must_be_unique("UserPrincipalName", &wanted))?;
    changes.push(("userPrincipalName".to_owned(), json!(format!("{local}{number}@{initial}"))));
    Ok(SignInName { changes, held_back })
}

/// Four digits that nobody has behind that prefix yet; from the number of changes, so that a rehearsal repeats itself.
fn free_number(cx: &Context<'_>, local: &str, initial: &str) -> Option<u64> {
    let start = cx.directory.change_number().wrapping_mul(7_919) % 9_000;
    let numbers = (0..9_000).map(|step| 1_000 + (start + step) % 9_000);
    let is_free = |number: &u64| address_holder(cx, None, &format!("{local}{number}@{initial}")).is_none();
    numbers.into_iter().find(is_free)
}

fn split_name(name: &str) -> Result<(&str, &str), Refusal> {
    let invalid = |why: &str| Refusal::invalid_data("UserPrincipalName", why);
    let (local, domain) = name.rsplit_once('@').ok_or_else(|| invalid("It has the form local@domain."))?;
    if local.is_empty() || domain.is_empty() || local.contains('@') {
        return Err(invalid("It has the form local@domain."));
    }
    if utf16_length(local) > LONGEST_LOCAL || utf16_length(name) > LONGEST_SIGN_IN_NAME {
        return Err(Refusal::exceeded_length(
            "UserPrincipalName",
            "The local part has at most 64 characters, the whole at most 113.",
        ));
    }
    Ok((local, domain))
}

/// A licensed user of a managed domain keeps its name while the feature is off (D.3).
fn keeps_its_name(cx: &Context<'_>, entry: &Entry) -> bool {
    let domain =
        entry.text("userPrincipalName").and_then(|name| name.rsplit_once('@')).map_or("", |(_, domain)| domain);
    let is_federated = cx.directory.facts.domain(domain).is_some_and(|domain| domain.is_federated);
    let is_licensed =
        entry.properties.get("assignedLicenses").and_then(Value::as_array).is_some_and(|list| !list.is_empty());
    is_licensed && !is_federated && !feature(cx, "synchronizeUpnForManagedUsersEnabled")
}

fn check_security_identifier(
    cx: &Context<'_>,
    existing: Option<&Entry>,
    changes: &[(String, Value)],
) -> Result<(), Refusal> {
    let sid = changes.iter().find(|(name, _)| name == "onPremisesSecurityIdentifier");
    let Some(sid) = sid.and_then(|(_, value)| value.as_str()) else { return Ok(()) };
    let mut holders = cx.directory.holders(Table::SecurityIdentifier, sid);
    match holders.find(|holder| Some(holder.id) != existing.map(|entry| entry.id) && holder.is_synced()) {
        Some(_) => Err(Refusal::must_be_unique("OnPremiseSecurityIdentifier", sid)),
        None => Ok(()),
    }
}

/// A group with an address is mail-enabled; one without is a security group unless it says otherwise.
fn group_flags(
    changes: &mut Vec<(String, Value)>,
    existing: Option<&Entry>,
    object: &SyncObject,
    addresses: &Addresses,
) {
    let touched = addresses.mail.is_some() || addresses.proxies.is_some();
    let mail_enabled = match existing {
        Some(group) if !touched => group.flag("mailEnabled") == Some(true),
        _ => addresses.mail.as_ref().is_some_and(|mail| !mail.is_null()) || addresses.primary().is_some(),
    };
    changes.push(("mailEnabled".to_owned(), json!(mail_enabled)));
    if existing.is_none() && object.flag("SecurityEnabled").is_none() {
        changes.push(("securityEnabled".to_owned(), json!(!mail_enabled)));
    }
}

fn phones(synced: &Map<String, Value>) -> Value {
    let kinds = [("telephoneNumber", "business"), ("mobile", "mobile"), ("facsimileTelephoneNumber", "businessFax")];
    let phones = kinds.iter().filter_map(|(key, kind)| {
        let number = synced_text(synced, key)?;
        Some(json!({ "type": kind, "number": number }))
    });
    Value::Array(phones.collect())
}

fn postal_addresses(synced: &Map<String, Value>) -> Value {
    let parts = [
        ("city", "city"),
        ("country", "countryOrRegion"),
        ("physicalDeliveryOfficeName", "officeLocation"),
        ("postalCode", "postalCode"),
        ("state", "state"),
        ("streetAddress", "street"),
    ];
    let address: Map<String, Value> = parts
        .iter()
        .map(|(key, name)| ((*name).to_owned(), synced_text(synced, key).map_or(Value::Null, |text| json!(text))))
        .collect();
    if address.values().all(Value::is_null) { json!([]) } else { json!([address]) }
}
