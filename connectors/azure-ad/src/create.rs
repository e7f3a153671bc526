//! Creates users and security groups. A user is looked for in the recycle bin first (SF9), gets its anchor in the create
//! itself and an initial password drawn for this one sending; a group is an idempotent upsert by its unique name (H).

use crate::batch::{Answer, Body, Call, Replay, Settled};
use crate::body;
use crate::errors::problem;
use crate::export::{ExportDesk, Outcomes, accepted, not_settled};
use crate::members::{self, LinkWork};
use crate::password::Password;
use crate::schema::{GROUP, USER};
use crate::throttle::Patience;
use crate::urls;
use connector_contract::{
    ConnectorError, CreateRequest, ErrorKind, ExportItem, ExportOperation, ExportOutcome, ReferenceChange,
};
use jiff::Timestamp;
use metaverse_schema::{Anchor, Attributes};
use serde_json::Value;

/// An item on its way: either its outcome is known, or its call is sent.
struct Draft<'a> {
    id: i64,
    request: &'a CreateRequest,
    state: Result<Call, ExportOutcome>,
}

pub(crate) async fn users(desk: &ExportDesk, items: &[ExportItem]) -> Outcomes {
    let bin = match desk.bin.current(&desk.graph).await {
        Ok(bin) => bin,
        // Without the look into the bin nothing is created (SF9).
        Err(error) => return items.iter().map(|item| (item.id, not_settled(&error))).collect(),
    };
    let now = Timestamp::now();
    let prepare = |request: &CreateRequest| {
        let json = body::new_user(USER, &request.attributes).map_err(ExportOutcome::Refused)?;
        if let Some(twin) = bin.twin_of(&request.attributes, now) {
            return Err(ExportOutcome::Refused(twin));
        }
        let message = "this system gives no randomness for an initial password".to_owned();
        let password = Password::draw().ok_or(ExportOutcome::NotSettled { may_have_arrived: false, message })?;
        let mut call = Call::post("/users".to_owned(), serde_json::Map::new());
        call.body = Some(Body { json, password: Some(password) });
        call.replay = Replay::Create;
        Ok(call)
    };
    let drafts = drafts(items, prepare);
    settle(desk, drafts, Kind::User).await
}

pub(crate) async fn groups(desk: &ExportDesk, items: &[ExportItem]) -> Outcomes {
    let prepare = |request: &CreateRequest| {
        let (unique_name, json) = body::new_group(GROUP, &request.attributes).map_err(ExportOutcome::Refused)?;
        let mut call = Call::patch(urls::group_by_unique_name(&unique_name), json);
        call.headers.push(("Prefer", "create-if-missing"));
        Ok(call)
    };
    let drafts = drafts(items, prepare);
    settle(desk, drafts, Kind::Group).await
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    User,
    Group,
}

fn drafts<'a>(
    items: &'a [ExportItem],
    prepare: impl Fn(&CreateRequest) -> Result<Call, ExportOutcome>,
) -> Vec<Draft<'a>> {
    let draft = |item: &'a ExportItem| match &item.operation {
        ExportOperation::Create(request) => Some(Draft { id: item.id, request, state: prepare(request) }),
        _ => None,
    };
    items.iter().filter_map(draft).collect()
}

/// Sends the drafts, then the references of what was made.
async fn settle(desk: &ExportDesk, drafts: Vec<Draft<'_>>, kind: Kind) -> Outcomes {
    let mut outcomes = Outcomes::new();
    let mut sent: Vec<(i64, &CreateRequest)> = Vec::new();
    let mut calls = Vec::new();
    for draft in drafts {
        match draft.state {
            Ok(call) => {
                sent.push((draft.id, draft.request));
                calls.push(call);
            }
            Err(outcome) => outcomes.push((draft.id, outcome)),
        }
    }
    let settled = desk.graph.send_all(&calls).await;
    drop(calls);
    let mut made: Vec<(i64, String, &[ReferenceChange])> = Vec::new();
    for ((id, request), settled) in sent.into_iter().zip(settled) {
        let result = match kind {
            Kind::User => made_user(desk, request, settled).await,
            Kind::Group => made_group(desk, request, settled).await,
        };
        match result {
            Ok(object) => made.push((id, object, &request.references)),
            Err(outcome) => outcomes.push((id, outcome)),
        }
    }
    let class = if kind == Kind::User { USER } else { GROUP };
    let work = |(_, object, changes): &(i64, String, &'_ [ReferenceChange])| LinkWork {
        owner: object.clone(),
        class,
        changes: changes.to_vec(),
    };
    let works: Vec<LinkWork> = made.iter().map(work).collect();
    let failed = members::write_links(desk, &works).await;
    for ((id, object, _), failed_references) in made.into_iter().zip(failed) {
        outcomes.push((id, ExportOutcome::Accepted { anchor: Some(Anchor::Text(object)), failed_references }));
    }
    outcomes
}

/// The object id of a created user, or the outcome.
async fn made_user(desk: &ExportDesk, request: &CreateRequest, settled: Settled) -> Result<String, ExportOutcome> {
    let name = request.attributes.text("userPrincipalName").unwrap_or("a user");
    let attempted = format!("creating {name}");
    let immutable_id = request.attributes.text("onPremisesImmutableId");
    let answer = match accepted(&settled, &attempted) {
        Ok(answer) => answer,
        Err(outcome) => {
            if let (ExportOutcome::NotSettled { may_have_arrived: true, .. }, Some(anchor)) = (&outcome, immutable_id) {
                desk.doubt(anchor);
            }
            return own_conflict(desk, &settled, &request.attributes, outcome).await;
        }
    };
    let id = match answer.text("id") {
        Some(id) => Some(id.to_owned()),
        None => match immutable_id {
            Some(anchor) => find_user(desk, anchor).await.ok().flatten().map(|anchor| anchor.to_string()),
            None => None,
        },
    };
    match id {
        Some(id) => {
            immutable_id.into_iter().for_each(|anchor| desk.settle_doubt(anchor));
            desk.made(&id);
            Ok(id)
        }
        None => {
            immutable_id.into_iter().for_each(|anchor| desk.doubt(anchor));
            let message = format!("{attempted}: accepted, but the reply does not tell the object's id");
            Err(ExportOutcome::NotSettled { may_have_arrived: true, message })
        }
    }
}

/// A conflict after an earlier sending that may have been applied: the other object may be ours. It is, if it carries
/// the anchor that this create was to stamp. It is not, if somebody with another anchor is seen to hold the value: then the
/// earlier sending was refused for the same reason. While neither is seen, the service may lag behind, which is waited for.
async fn own_conflict(
    desk: &ExportDesk,
    settled: &Settled,
    attributes: &Attributes,
    outcome: ExportOutcome,
) -> Result<String, ExportOutcome> {
    let Settled::Answered(answer) = settled else {
        return Err(outcome);
    };
    let Some(anchor) = attributes.text("onPremisesImmutableId") else {
        return Err(outcome);
    };
    let doubtful = answer.doubtful || desk.is_doubtful(anchor);
    let error = answer.error();
    let Some(conflict) = error.conflict().filter(|_| doubtful) else {
        return Err(outcome);
    };
    desk.doubt(anchor);
    let mut patience = Patience::new(desk.graph.settings());
    loop {
        match find_user(desk, anchor).await {
            Ok(Some(found)) => {
                let id = found.to_string();
                desk.settle_doubt(anchor);
                desk.made(&id);
                return Ok(id);
            }
            Ok(None) if held_by_another(desk, attributes, conflict, anchor).await => {
                desk.settle_doubt(anchor);
                return Err(outcome);
            }
            Ok(None) => match patience.unseen() {
                Some(pause) => tokio::time::sleep(pause).await,
                // Nobody carries our anchor: the conflict is with another object.
                None => return Err(outcome),
            },
            Err(error) => {
                let message = error.to_string();
                return Err(ExportOutcome::NotSettled { may_have_arrived: true, message });
            }
        }
    }
}

async fn made_group(desk: &ExportDesk, request: &CreateRequest, settled: Settled) -> Result<String, ExportOutcome> {
    let name = request.attributes.text("displayName").unwrap_or("a group");
    let attempted = format!("creating group {name}");
    let answer: &Answer = accepted(&settled, &attempted)?;
    if let Some(id) = answer.text("id") {
        desk.made(id);
        return Ok(id.to_owned());
    }
    // 204: it was there already, from an earlier sending (H).
    let unique_name = request.attributes.text("uniqueName").unwrap_or_default();
    let mut patience = Patience::new(desk.graph.settings());
    loop {
        match find_group(desk, unique_name).await {
            Ok(Some(anchor)) => {
                let id = anchor.to_string();
                desk.made(&id);
                return Ok(id);
            }
            Ok(None) => match patience.unseen() {
                Some(pause) => tokio::time::sleep(pause).await,
                None => {
                    let message = format!("{attempted}: accepted, but the group is not found by its uniqueName");
                    return Err(ExportOutcome::NotSettled { may_have_arrived: true, message });
                }
            },
            Err(error) => {
                return Err(ExportOutcome::NotSettled { may_have_arrived: true, message: error.to_string() });
            }
        }
    }
}

/// Whether users hold the value that a create met, and none of them is the one that it was to make. Of the attribute in conflict
/// alone: a service may have left an address out that somebody else has, and made the user all the same (A.3). Who is not told
/// which attribute it is looks for the name. A service that does not answer the question tells nothing.
async fn held_by_another(
    desk: &ExportDesk,
    attributes: &Attributes,
    conflict: Option<&str>,
    immutable_id: &str,
) -> bool {
    let path = match conflict {
        None | Some("userPrincipalName") => attributes.text("userPrincipalName").map(urls::users_by_name),
        Some("mail" | "proxyAddresses") => attributes.text("mail").map(urls::users_by_address),
        Some(_) => None,
    };
    let Some(path) = path else {
        return false;
    };
    let holders = list_users(desk, &path, "looking for who holds a name or an address").await.unwrap_or_default();
    !holders.is_empty() && holders.iter().all(|user| immutable_id_of(user) != Some(immutable_id))
}

fn immutable_id_of(user: &Value) -> Option<&str> {
    user.get("onPremisesImmutableId").and_then(Value::as_str)
}

async fn list_users(desk: &ExportDesk, path: &str, attempted: &str) -> Result<Vec<Value>, ConnectorError> {
    let body = desk.graph.find(path, attempted, USER.right).await?;
    match body.and_then(|mut body| body.get_mut("value").map(Value::take)) {
        Some(Value::Array(users)) => Ok(users),
        _ => Err(ConnectorError::new(ErrorKind::Protocol, attempted, "the reply holds no `value` list", "")),
    }
}

/// The user that carries this immutable id, read from the system.
pub(crate) async fn find_user(desk: &ExportDesk, immutable_id: &str) -> Result<Option<Anchor>, ConnectorError> {
    let attempted = "looking a user up by its immutable id";
    let broken = |message: &str| ConnectorError::new(ErrorKind::Protocol, attempted, message, "");
    let mut users = list_users(desk, &urls::users_by_immutable_id(immutable_id), attempted).await?;
    // `$filter` ignores case, and immutable ids are base64: two of them may differ by case alone.
    users.retain(|user| immutable_id_of(user) == Some(immutable_id));
    match users.as_slice() {
        [] => Ok(None),
        [user] => {
            let id = user.get("id").and_then(Value::as_str).ok_or_else(|| broken("the user has no id"))?;
            Anchor::text(id).map(Some).map_err(|error| broken(&error.to_string()))
        }
        several => Err(broken(&format!("{} users carry the same immutable id", several.len()))),
    }
}

/// The group with this unique name, read from the system.
pub(crate) async fn find_group(desk: &ExportDesk, unique_name: &str) -> Result<Option<Anchor>, ConnectorError> {
    let attempted = "looking a group up by its unique name";
    let path = format!("{}?$select=id", urls::group_by_unique_name(unique_name));
    let Some(body) = desk.graph.find(&path, attempted, GROUP.right).await? else {
        return Ok(None);
    };
    let broken = |message: &str| ConnectorError::new(ErrorKind::Protocol, attempted, message, "");
    let id = body.get("id").and_then(Value::as_str).ok_or_else(|| broken("the group has no id"))?;
    Anchor::text(id).map(Some).map_err(|error| broken(&error.to_string()))
}

/// A restore is switched off by the operator.
pub(crate) fn restore_is_off() -> ExportOutcome {
    let message = "the object is in the recycle bin, and restoring is switched off";
    let remedy = "set restore_deleted = true, or restore or purge it by hand";
    ExportOutcome::Refused(problem("deleted-twin", None, message, remedy, false))
}
