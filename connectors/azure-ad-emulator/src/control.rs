//! Steering a tenant over HTTP, for tests and operators in another process: `/_tenant/...` on the same loopback
//! listener. Not part of Graph: needs no token, is not logged, meets no faults.
//!
//! | request | does |
//! | --- | --- |
//! | `GET /_tenant/` | the admin page, for a browser |
//! | `GET /_tenant/knobs` | all knobs as they stand |
//! | `PATCH /_tenant/knobs` | changes the knobs that the body names, answers all; naming `faults` starts the script anew |
//! | `GET /_tenant/state` | the dump of the tenant, for byte diffs |
//! | `GET /_tenant/log` | `{"successfulWrites", "writes", "requests"}`; `writes` counts the refused ones too |
//! | `DELETE /_tenant/log` | forgets the requests and sets the counters to 0 |
//! | `GET /_tenant/synchronisation` | `{"state", "takesEffect"}`: `never`, `pending_on`, `on`, `pending_off` or `off` |
//! | `GET /_tenant/device-codes` | sign-ins by device code that wait for a person |
//! | `POST /_tenant/device-codes` | `{"userCode", "user": "admin@contoso.com"}` approves as that user, `{"userCode", "decline": true}` declines |
//! | `POST /_tenant/sign-ins` | `{"signIns": [{"user", "password"}]}` signs each in, without a token: `{"results": [{"user", "code", "message"}]}`, code 0 is success |
//! | `POST /_tenant/clock` | `{"advanceSeconds": n}` or `{"offsetSeconds": n}`, answers `{"offsetSeconds", "now"}` |

use serde::Deserialize;
use serde_json::{Value, json};

use crate::clock::{SECOND_MS, graph_time};
use crate::knobs::Knobs;
use crate::snapshot;
use crate::synchronisation;
use crate::tenant::{Shared, seconds_to_ms};
use crate::tenant_facts::unknown_features;

pub(crate) fn answer(shared: &Shared, method: &str, path: &str, body: &[u8]) -> (u16, Value) {
    let part = path.trim_start_matches("/_tenant").trim_matches('/');
    match (method, part) {
        ("GET", "knobs") => (200, json!(shared.core().effective_knobs())),
        ("PATCH", "knobs") => change_knobs(shared, body),
        ("GET", "state") => (200, snapshot::take(&shared.core().directory)),
        ("GET", "log") => {
            let mut core = shared.core();
            // Whoever asks may read the file next.
            core.log.flush();
            let (successful, writes) = (core.log.successful_writes(), core.log.writes());
            (200, json!({ "successfulWrites": successful, "writes": writes, "requests": core.log.requests() }))
        }
        ("DELETE", "log") => {
            shared.core().log.clear();
            (200, json!({ "successfulWrites": 0, "writes": 0, "requests": [] }))
        }
        ("POST", "clock") => move_clock(shared, body),
        ("GET", "synchronisation") => {
            let mut core = shared.core();
            core.expire();
            (200, synchronisation::tell(&core.directory))
        }
        ("GET", "device-codes") => (200, json!({ "open": shared.core().open_device_codes() })),
        ("POST", "device-codes") => decide_device_code(shared, body),
        ("POST", "sign-ins") => sign_in_all(shared, body),
        (_, "knobs" | "state" | "log" | "clock" | "synchronisation" | "device-codes" | "sign-ins") => {
            (405, json!({ "error": format!("/_tenant/{part} has no {method}") }))
        }
        _ => {
            let parts = "knobs, state, log, clock, synchronisation, device-codes and sign-ins";
            (404, json!({ "error": format!("/_tenant/ is the admin page, and below it there are {parts}") }))
        }
    }
}

fn refused(why: impl std::fmt::Display) -> (u16, Value) {
    (400, json!({ "error": why.to_string() }))
}

fn change_knobs(shared: &Shared, body: &[u8]) -> (u16, Value) {
    let changes: Value = match serde_json::from_slice(body) {
        Ok(changes @ Value::Object(_)) => changes,
        Ok(_) => return refused("the body is an object of knobs"),
        Err(error) => return refused(error),
    };
    let mut core = shared.core();
    let mut knobs = json!(core.effective_knobs());
    // The throttle's settings can be changed one by one too; everything else is replaced by what the body names.
    for (name, value) in changes.as_object().into_iter().flatten() {
        match (knobs.get_mut(name), value) {
            (Some(Value::Object(held)), Value::Object(sent)) => held.extend(sent.clone()),
            _ => knobs[name] = value.clone(),
        }
    }
    let knobs: Knobs = match serde_json::from_value(knobs) {
        Ok(knobs) => knobs,
        Err(error) => return refused(error),
    };
    let unknown = unknown_features(&knobs.features);
    if !unknown.is_empty() {
        return refused(format!("no such features: {}", unknown.join(", ")));
    }
    core.set_knobs(knobs);
    if changes.get("faults").is_some() {
        core.restart_faults();
    }
    (200, json!(core.effective_knobs()))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct DeviceCodeDecision {
    user_code: String,
    /// Sign-in name or object id of the person.
    #[serde(default)]
    user: Option<String>,
    #[serde(default)]
    decline: bool,
}

fn decide_device_code(shared: &Shared, body: &[u8]) -> (u16, Value) {
    let decision: DeviceCodeDecision = match serde_json::from_slice(body) {
        Ok(decision) => decision,
        Err(error) => return refused(error),
    };
    if decision.user.is_some() == decision.decline {
        return refused("either the user who approves, or \"decline\": true");
    }
    let mut core = shared.core();
    match core.decide_device_code(&decision.user_code, decision.user.as_deref()) {
        Ok(()) => (200, json!({ "open": core.open_device_codes() })),
        Err(why) => (404, json!({ "error": why })),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ManySignIns {
    sign_ins: Vec<OneSignIn>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OneSignIn {
    user: String,
    password: String,
}

/// Each under the lock by itself: checking a password takes a fraction of a millisecond, and others are served in between.
fn sign_in_all(shared: &Shared, body: &[u8]) -> (u16, Value) {
    let many: ManySignIns = match serde_json::from_slice(body) {
        Ok(many) => many,
        // What serde tells of a wrong body may repeat it.
        Err(error) => {
            return refused(format!("no list of sign-ins, at line {} column {}", error.line(), error.column()));
        }
    };
    let one = |one: OneSignIn| {
        let (code, message) = shared.core().try_sign_in(&one.user, &one.password);
        json!({ "user": one.user, "code": code, "message": message })
    };
    (200, json!({ "results": many.sign_ins.into_iter().map(one).collect::<Vec<_>>() }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ClockRequest {
    #[serde(default)]
    advance_seconds: Option<i64>,
    #[serde(default)]
    offset_seconds: Option<i64>,
}

fn move_clock(shared: &Shared, body: &[u8]) -> (u16, Value) {
    let request: ClockRequest = match serde_json::from_slice(body) {
        Ok(request) => request,
        Err(error) => return refused(error),
    };
    let mut core = shared.core();
    let offset = match (request.advance_seconds, request.offset_seconds) {
        (Some(advance), None) => core.directory.clock_offset_ms.saturating_add(seconds_to_ms(advance)),
        (None, Some(offset)) => seconds_to_ms(offset),
        _ => return refused("either advanceSeconds or offsetSeconds"),
    };
    core.move_clock(offset);
    (200, json!({ "offsetSeconds": offset / SECOND_MS, "now": graph_time(core.now()) }))
}
