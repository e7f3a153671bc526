//! Mail and proxy addresses of an incoming object (D.3, D.4): what the object will have, and which addresses are held back
//! because another object has them. Changes nothing.

use serde_json::{Value, json};

use super::matching::is_resilient;
use super::object::{SyncObject, SyncValue};
use super::refusal::Refusal;
use crate::context::Context;
use crate::entry::{Entry, HeldBack, Unique, smtp_address};
use crate::guid::Guid;
use crate::user_rules::address_holder;

/// Addresses after the change.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    /// Unset: not touched.
    pub(super) proxies: Option<Vec<String>>,
    /// Unset: not touched. Null: cleared.
    pub(super) mail: Option<Value>,
    /// In place of the addresses held back before; unset: those stay.
    pub(super) held_back: Option<Vec<HeldBack>>,
    /// Who has the first address that is held back.
    pub(super) holder: Option<Guid>,
}

impl Addresses {
    /// The address behind `SMTP:` after the change, and the first behind `smtp:`.
    pub(super) fn primary(&self) -> Option<&str> {
        self.proxies.iter().flatten().find_map(|proxy| proxy.strip_prefix("SMTP:"))
    }

    pub(super) fn secondary(&self) -> Option<&str> {
        self.proxies.iter().flatten().find_map(|proxy| proxy.strip_prefix("smtp:"))
    }
}

pub(super) fn settle(cx: &Context<'_>, existing: Option<&Entry>, object: &SyncObject) -> Result<Addresses, Refusal> {
    let own = existing.map(|entry| entry.id);
    let sent = object.texts("proxyAddresses");
    let mail = object.value("mail");
    let wanted: Vec<String> = match (&sent, mail) {
        (None, None) => return Ok(Addresses::default()),
        (Some(sent), _) => distinct(sent),
        (None, Some(SyncValue::Text(mail))) if !mail.is_empty() => with_primary(existing, mail),
        (None, Some(_)) => return Ok(Addresses { mail: Some(Value::Null), ..Addresses::default() }),
    };
    let wanted = as_the_service_would(cx, existing, wanted);
    let most = cx.knobs.most_proxy_addresses;
    if wanted.len() > most {
        return Err(Refusal::large_object("ProxyAddresses", wanted.len(), most));
    }
    let mut settled = Addresses::default();
    let (mut kept, mut held_back) = (Vec::new(), Vec::new());
    for proxy in wanted {
        match smtp_address(&proxy).and_then(|address| address_holder(cx, own, address)) {
            None => kept.push(proxy),
            Some(_) if !is_resilient(cx, Unique::ProxyAddresses) => {
                return Err(Refusal::must_be_unique("ProxyAddresses", &proxy));
            }
            Some(holder) => {
                settled.holder = settled.holder.or(Some(holder.id));
                held_back.push(held(cx, existing, Unique::ProxyAddresses, proxy));
            }
        }
    }
    settled.proxies = Some(kept);
    settled.held_back = Some(held_back);
    settled.mail = match mail {
        Some(SyncValue::Text(mail)) if !mail.is_empty() => {
            let is_free = address_holder(cx, own, mail).is_none();
            Some(if is_free { json!(mail) } else { Value::Null })
        }
        Some(_) => Some(Value::Null),
        None => settled.primary().map(|primary| json!(primary)),
    };
    Ok(settled)
}

/// A value that is held back now; since when, if it was before.
pub(super) fn held(cx: &Context<'_>, existing: Option<&Entry>, property: Unique, value: String) -> HeldBack {
    let before = existing.and_then(|entry| {
        entry.held_back.iter().find(|held| held.property == property && held.value == value).map(|held| held.since_ms)
    });
    HeldBack { property, value, since_ms: before.unwrap_or(cx.now) }
}

/// Each address once, whatever its case; one without a kind is an SMTP address.
fn distinct(sent: &[&str]) -> Vec<String> {
    let mut wanted: Vec<String> = Vec::new();
    for proxy in sent.iter().map(|proxy| proxy.trim()).filter(|proxy| !proxy.is_empty()) {
        let proxy = if proxy.contains(':') { proxy.to_owned() } else { format!("smtp:{proxy}") };
        if !wanted.iter().any(|known| known.eq_ignore_ascii_case(&proxy)) {
            wanted.push(proxy);
        }
    }
    wanted
}

/// What a live service may do besides (D.3, unconfirmed): addresses of unverified domains are dropped for licensed users, and
/// whoever has an address gets one of the initial domain.
fn as_the_service_would(cx: &Context<'_>, existing: Option<&Entry>, wanted: Vec<String>) -> Vec<String> {
    let facts = &cx.directory.facts;
    let licences = existing.and_then(|entry| entry.properties.get("assignedLicenses")).and_then(Value::as_array);
    let mut wanted = wanted;
    if cx.knobs.drop_unverified_addresses && licences.is_some_and(|licences| !licences.is_empty()) {
        wanted.retain(|proxy| {
            let domain = smtp_address(proxy).and_then(|address| address.rsplit_once('@')).map(|(_, domain)| domain);
            domain.is_none_or(|domain| facts.domain(domain).is_some_and(|domain| domain.is_verified))
        });
    }
    let initial = facts.initial_domain();
    let has_initial = wanted.iter().any(|proxy| proxy.to_lowercase().ends_with(&format!("@{initial}")));
    let primary = wanted.iter().find_map(|proxy| proxy.strip_prefix("SMTP:"));
    if let (true, false, Some(primary)) = (cx.knobs.add_initial_domain_address, has_initial, primary) {
        let local = primary.split('@').next().unwrap_or_default();
        let address = format!("{local}@{initial}");
        if address_holder(cx, existing.map(|entry| entry.id), &address).is_none() {
            wanted.push(format!("smtp:{address}"));
        }
    }
    wanted
}

/// The addresses that the object has, with this one in front.
fn with_primary(existing: Option<&Entry>, mail: &str) -> Vec<String> {
    let mut wanted = vec![format!("SMTP:{mail}")];
    for proxy in existing.iter().flat_map(|entry| entry.list("proxyAddresses")) {
        match smtp_address(proxy) {
            Some(held) if held.eq_ignore_ascii_case(mail) => {}
            Some(held) => wanted.push(format!("smtp:{held}")),
            None => wanted.push(proxy.to_owned()),
        }
    }
    wanted
}
