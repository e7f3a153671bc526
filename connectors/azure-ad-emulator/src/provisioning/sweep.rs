//! The service's own task that gives back held back values once nobody else has them (D.4), every hour.

use serde_json::{Value, json};

use super::values::provisioning_errors;
use crate::clock::{Millis, SECOND_MS};
use crate::context::Context;
use crate::entry::{Entry, HeldBack, Unique, smtp_address};
use crate::guid::Guid;
use crate::user_rules::address_holder;

/// Sweeps if the last time is long enough ago.
pub(crate) fn sweep(cx: &mut Context<'_>) {
    let interval =
        Millis::try_from(cx.knobs.sweep_interval_s).unwrap_or(Millis::MAX / SECOND_MS).saturating_mul(SECOND_MS);
    match cx.directory.facts.swept_ms {
        Some(at) if at <= cx.now && cx.now < at.saturating_add(interval) => return,
        Some(_) => {}
        // The first hour of a tenant's life.
        None => {
            cx.directory.facts.swept_ms = Some(cx.now);
            return;
        }
    }
    cx.directory.facts.swept_ms = Some(cx.now);
    for id in cx.directory.with_held_back() {
        give_back(cx, id);
    }
}

fn give_back(cx: &mut Context<'_>, id: Guid) {
    let Some(entry) = cx.directory.live(id).filter(|entry| entry.is_synced()) else { return };
    let (free, still_held): (Vec<HeldBack>, Vec<HeldBack>) =
        entry.held_back.iter().cloned().partition(|held| is_free(cx, id, held));
    if free.is_empty() {
        return;
    }
    let mut changes = Vec::new();
    let mut proxies: Vec<String> = entry.list("proxyAddresses").map(str::to_owned).collect();
    for held in &free {
        match held.property {
            Unique::UserPrincipalName => changes.push(("userPrincipalName".to_owned(), json!(held.value))),
            Unique::ProxyAddresses => proxies.push(held.value.clone()),
        }
    }
    if free.iter().any(|held| held.property == Unique::ProxyAddresses) {
        changes.extend(mail_again(entry, &free));
        changes.push(("proxyAddresses".to_owned(), json!(proxies)));
    }
    changes.push(("onPremisesProvisioningErrors".to_owned(), provisioning_errors(&still_held)));
    cx.directory.update(id, changes);
    cx.directory.change_synced(id, |entry| entry.held_back = still_held);
}

fn is_free(cx: &Context<'_>, own: Guid, held: &HeldBack) -> bool {
    let address = match held.property {
        Unique::UserPrincipalName => Some(held.value.as_str()),
        Unique::ProxyAddresses => smtp_address(&held.value),
    };
    address.is_none_or(|address| address_holder(cx, Some(own), address).is_none())
}

/// A primary address that comes back is the mail address again, where there is none.
fn mail_again(entry: &Entry, free: &[HeldBack]) -> Option<(String, Value)> {
    if entry.text("mail").is_some() {
        return None;
    }
    let primary = free.iter().find_map(|held| held.value.strip_prefix("SMTP:"))?;
    Some(("mail".to_owned(), json!(primary)))
}
