//! The control port: plain HTTP on loopback, for scripts and the scenario driver. `POST /churn/STEP` applies a step (see
//! `crate::arguments::step`) and says what changed; `POST /latency/MS` sets the wait before each answer; `GET /` says what the
//! server holds and has done; `POST /stop` ends it.

use super::Shared;
use crate::arguments;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Json;
use axum::routing::{get, post};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::net::TcpListener;

pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut stop = shared.stop.subscribe();
    let routes = Router::new()
        .route("/", get(state))
        .route("/churn/{step}", post(churn))
        .route("/latency/{ms}", post(latency))
        .route("/stop", post(end))
        .with_state(shared);
    let ended = async move {
        // The sender outlives the server.
        let _stopped = stop.wait_for(|stop| *stop).await;
    };
    // A listener that fails ends the control port; LDAP goes on.
    let _served = axum::serve(listener, routes).with_graceful_shutdown(ended).await;
}

async fn state(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let world = shared.world();
    let counts = world.counts();
    Json(json!({
        "users": counts.users, "inside": counts.inside, "contacts": counts.contacts, "computers": counts.computers,
        "groups": counts.groups, "containers": counts.containers, "created": world.created(), "steps": world.steps(),
        "usn": world.usn(), "searches": shared.searches.load(Ordering::Relaxed),
        "bytes": shared.bytes.load(Ordering::Relaxed),
    }))
}

async fn churn(
    State(shared): State<Arc<Shared>>,
    Path(text): Path<String>,
) -> Result<Json<Value>, (StatusCode, String)> {
    let step = arguments::step(&text).map_err(|error| (StatusCode::BAD_REQUEST, format!("{error}\n")))?;
    let applied = shared.apply(step);
    Ok(Json(json!({
        "created": applied.created, "deleted": applied.deleted, "modifiedUsers": applied.modified_users,
        "unselectedUsers": applied.unselected_users, "modifiedGroups": applied.modified_groups,
        "membersAdded": applied.members_added, "membersRemoved": applied.members_removed,
        "renamedContainers": applied.renamed_containers, "usn": applied.usn,
    })))
}

async fn latency(State(shared): State<Arc<Shared>>, Path(ms): Path<u64>) -> Json<Value> {
    shared.latency_ms.store(ms, Ordering::Relaxed);
    Json(json!({ "latencyMs": ms }))
}

async fn end(State(shared): State<Arc<Shared>>) -> Json<Value> {
    shared.stop.send_replace(true);
    Json(json!({ "stopping": true }))
}
