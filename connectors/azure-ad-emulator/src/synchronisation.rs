//! Directory synchronisation of the tenant as a whole: on, off, and on the way between (A.10). Switching on takes effect
//! after a while, switching off after up to 72 hours, cannot be taken back on the way, and makes cloud objects of all
//! synchronised ones. Also the settings that only an administrator may read and write. Single objects are in
//! `provisioning`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::call::{Call, Reply};
use crate::clock::{Millis, SECOND_MS, graph_time};
use crate::context::Context;
use crate::directory::Directory;
use crate::errors::{GraphError, GraphResult};
use crate::guid::Guid;
use crate::knobs::Knobs;

/// Who may switch synchronisation and change its settings.
const ADMINISTRATORS: [&str; 2] = ["Global Administrator", "Hybrid Identity Administrator"];
const SWITCH: &[&str] = &["Organization.ReadWrite.All", "Directory.ReadWrite.All"];
const READ_SETTINGS: &[&str] =
    &["OnPremDirectorySynchronization.Read.All", "OnPremDirectorySynchronization.ReadWrite.All"];
const WRITE_SETTINGS: &[&str] = &["OnPremDirectorySynchronization.ReadWrite.All"];

/// A switch that was asked for and has not taken effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PendingSwitch {
    pub(crate) enable: bool,
    pub(crate) at_ms: Millis,
}

/// When the client should stop a run for its deletions. The service keeps it and enforces nothing (D.6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DeletionPrevention {
    /// `disabled`, `enabledForCount` or `enabledForPercentage`.
    pub(crate) kind: String,
    pub(crate) threshold: u32,
}

impl Default for DeletionPrevention {
    fn default() -> Self {
        DeletionPrevention { kind: "enabledForCount".to_owned(), threshold: 500 }
    }
}

/// Where synchronisation stands, for the two surfaces and whoever rehearses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Synchronisation {
    Never,
    PendingOn,
    On,
    PendingOff,
    Off,
}

impl Synchronisation {
    pub(crate) fn of(directory: &Directory) -> Synchronisation {
        let facts = &directory.facts;
        match (facts.on_premises_sync_enabled, facts.pending_switch) {
            (_, Some(PendingSwitch { enable: true, .. })) => Synchronisation::PendingOn,
            (_, Some(PendingSwitch { enable: false, .. })) => Synchronisation::PendingOff,
            (None, None) => Synchronisation::Never,
            (Some(true), None) => Synchronisation::On,
            (Some(false), None) => Synchronisation::Off,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Synchronisation::Never => "never",
            Synchronisation::PendingOn => "pending_on",
            Synchronisation::On => "on",
            Synchronisation::PendingOff => "pending_off",
            Synchronisation::Off => "off",
        }
    }
}

/// `{"state", "takesEffect"}` for `/_tenant/synchronisation`.
pub(crate) fn tell(directory: &Directory) -> Value {
    json!({
        "state": Synchronisation::of(directory).name(),
        "takesEffect": directory.facts.pending_switch.map(|switch| graph_time(switch.at_ms)),
    })
}

/// What `organization.onPremisesSyncEnabled` shows.
pub(crate) fn shown_flag(directory: &Directory, knobs: &Knobs) -> Option<bool> {
    match Synchronisation::of(directory) {
        Synchronisation::PendingOff => Some(knobs.pending_off_shows_enabled),
        _ => directory.facts.on_premises_sync_enabled,
    }
}

/// Lets a switch that is due take effect.
pub(crate) fn settle(directory: &mut Directory, now: Millis) {
    let Some(switch) = directory.facts.pending_switch.filter(|switch| switch.at_ms <= now) else { return };
    if switch.enable { switch_on(directory) } else { switch_off(directory) }
}

pub(crate) fn switch_on(directory: &mut Directory) {
    directory.facts.pending_switch = None;
    directory.facts.on_premises_sync_enabled = Some(true);
    directory.mark_changed();
}

/// From now on all objects are cloud objects; what was synchronised stays as it is, anchors included.
pub(crate) fn switch_off(directory: &mut Directory) {
    directory.facts.pending_switch = None;
    directory.facts.on_premises_sync_enabled = Some(false);
    directory.mark_changed();
    let synced: Vec<Guid> = directory.all().filter(|entry| entry.is_synced()).map(|entry| entry.id).collect();
    for id in synced {
        directory.update(id, vec![("onPremisesSyncEnabled".to_owned(), json!(false))]);
    }
}

/// `PATCH /organization/{id}`: asks for the switch.
pub(crate) fn change_organization(cx: &mut Context<'_>, call: &Call, key: &str) -> GraphResult<Reply> {
    cx.require_administrator(SWITCH, &ADMINISTRATORS)?;
    if Guid::parse(key) != Some(cx.directory.facts.tenant_id) {
        return Err(GraphError::not_found(key));
    }
    let body = call.json_object()?;
    if let Some(other) = body.keys().find(|name| !name.contains('@') && *name != "onPremisesSyncEnabled") {
        return Err(GraphError::read_only(other));
    }
    let Some(enable) = body.get("onPremisesSyncEnabled").and_then(Value::as_bool) else {
        return Err(GraphError::invalid_value("onPremisesSyncEnabled", "Organization", "It is true or false."));
    };
    request_switch(cx, enable)?;
    Ok(Reply::no_content())
}

fn request_switch(cx: &mut Context<'_>, enable: bool) -> GraphResult<()> {
    let delay_s = if enable { cx.knobs.sync_on_delay_s } else { cx.knobs.sync_off_delay_s };
    match (Synchronisation::of(cx.directory), enable) {
        (Synchronisation::PendingOff, true) => {
            return Err(GraphError::bad_request(
                "Directory synchronization is being turned off for this company. It can be turned on again when that has \
                 completed.",
            ));
        }
        (Synchronisation::On | Synchronisation::PendingOn, true)
        | (Synchronisation::Never | Synchronisation::Off | Synchronisation::PendingOff, false) => return Ok(()),
        (Synchronisation::PendingOn, false) => {
            cx.directory.facts.pending_switch = None;
            cx.directory.mark_changed();
            return Ok(());
        }
        (Synchronisation::Never | Synchronisation::Off, true) | (Synchronisation::On, false) => {}
    }
    let delay_ms = Millis::try_from(delay_s).unwrap_or(Millis::MAX / SECOND_MS).saturating_mul(SECOND_MS);
    cx.directory.facts.pending_switch = Some(PendingSwitch { enable, at_ms: cx.now.saturating_add(delay_ms) });
    cx.directory.mark_changed();
    settle(cx.directory, cx.now);
    Ok(())
}

fn settings(cx: &Context<'_>) -> Value {
    let facts = &cx.directory.facts;
    json!({
        "id": facts.tenant_id,
        "configuration": {
            "accidentalDeletionPrevention": {
                "synchronizationPreventionType": facts.deletion_prevention.kind,
                "alertThreshold": facts.deletion_prevention.threshold,
            },
        },
        "features": facts.features,
    })
}

/// `GET /directory/onPremisesSynchronization` and, with a key, its one item.
pub(crate) fn read_settings(cx: &Context<'_>, key: Option<&str>) -> GraphResult<Reply> {
    cx.require_administrator(READ_SETTINGS, &ADMINISTRATORS)?;
    let context = format!("{}$metadata#directory/onPremisesSynchronization", cx.graph_url);
    match key {
        None => Ok(Reply::ok(json!({ "@odata.context": context, "value": [settings(cx)] }))),
        Some(key) if Guid::parse(key) == Some(cx.directory.facts.tenant_id) => {
            let mut item = settings(cx);
            item["@odata.context"] = json!(format!("{context}/$entity"));
            Ok(Reply::ok(item))
        }
        Some(key) => Err(GraphError::not_found(key)),
    }
}

/// `PATCH /directory/onPremisesSynchronization/{id}`: judged as a whole, then applied.
pub(crate) fn change_settings(cx: &mut Context<'_>, call: &Call, key: &str) -> GraphResult<Reply> {
    cx.require_administrator(WRITE_SETTINGS, &ADMINISTRATORS)?;
    if Guid::parse(key) != Some(cx.directory.facts.tenant_id) {
        return Err(GraphError::not_found(key));
    }
    let body = call.json_object()?;
    let features = changed_features(cx, body)?;
    let prevention = changed_prevention(cx, body)?;
    let facts = &mut cx.directory.facts;
    facts.features.extend(features);
    facts.deletion_prevention = prevention;
    cx.directory.mark_changed();
    Ok(Reply::no_content())
}

fn changed_features(cx: &Context<'_>, body: &Map<String, Value>) -> GraphResult<Vec<(String, bool)>> {
    let mut changes = Vec::new();
    for (name, value) in body.get("features").and_then(Value::as_object).into_iter().flatten() {
        if name.contains('@') {
            continue;
        }
        let known = cx.directory.facts.features.contains_key(name);
        let value = value
            .as_bool()
            .filter(|_| known)
            .ok_or_else(|| GraphError::bad_request(format!("There is no feature '{name}' with such a value.")))?;
        changes.push((name.clone(), value));
    }
    Ok(changes)
}

fn changed_prevention(cx: &Context<'_>, body: &Map<String, Value>) -> GraphResult<DeletionPrevention> {
    let mut prevention = cx.directory.facts.deletion_prevention.clone();
    let Some(sent) = body.get("configuration").and_then(|sent| sent.get("accidentalDeletionPrevention")) else {
        return Ok(prevention);
    };
    let wrong =
        |what: &str| GraphError::bad_request(format!("'{what}' of accidentalDeletionPrevention has no such value."));
    if let Some(kind) = sent.get("synchronizationPreventionType") {
        let kind =
            kind.as_str().filter(|kind| matches!(*kind, "disabled" | "enabledForCount" | "enabledForPercentage"));
        prevention.kind = kind.ok_or_else(|| wrong("synchronizationPreventionType"))?.to_owned();
    }
    if let Some(threshold) = sent.get("alertThreshold") {
        let threshold = threshold.as_u64().and_then(|threshold| u32::try_from(threshold).ok());
        prevention.threshold = threshold.ok_or_else(|| wrong("alertThreshold"))?;
    }
    Ok(prevention)
}
