//! Updates and restores. What another tool synchronises is never written; the anchor stamp of a takeover is the last
//! write and is not sent when anything before it failed (SF2).

use crate::batch::{Call, Fresh, Settled};
use crate::body;
use crate::create::restore_is_off;
use crate::errors::problem;
use crate::export::{ExportDesk, Outcomes, accepted, synced};
use crate::members::{self, Failed, LinkWork};
use crate::schema::{Class, DELETED_USER, GROUP, USER};
use crate::source_of_authority::refuse_cloud_managed;
use crate::urls;
use connector_contract::{ExportItem, ExportOperation, ExportOutcome, ExportProblem, UpdateRequest};
use metaverse_schema::{AttributeChange, Attributes, AttributesDelta, Value as Held, Values};
use serde_json::{Map, Value};

/// What is read of an object before it is written.
const USER_STATE: &str = "id,onPremisesSyncEnabled,businessPhones,otherMails";
const GROUP_STATE: &str = "id,onPremisesSyncEnabled,groupTypes,mailEnabled,isAssignableToRole";

/// One object on its way; `outcome` is set once it is decided.
struct Work<'a> {
    id: i64,
    class: &'static Class,
    anchor: String,
    request: &'a UpdateRequest,
    restore: bool,
    current: Map<String, Value>,
    failed: Failed,
    outcome: Option<ExportOutcome>,
}

pub(crate) async fn write(desk: &ExportDesk, items: &[ExportItem]) -> Outcomes {
    let mut works: Vec<Work<'_>> = items.iter().filter_map(work).collect();
    read_state(desk, &mut works).await;
    // What lies in the bin is nobody's yet.
    let live = works.iter_mut().filter(|work| work.outcome.is_none() && !work.restore);
    let asked = live.map(|work| (work.class, work.anchor.as_str(), &mut work.outcome)).collect();
    refuse_cloud_managed(desk, asked).await;
    write_works(desk, works).await
}

/// The same for objects that this process gave to the cloud itself, a moment ago (SF11).
pub(crate) async fn write_handed_back(desk: &ExportDesk, items: &[ExportItem]) -> Outcomes {
    let mut works: Vec<Work<'_>> = items.iter().filter_map(work).collect();
    read_state(desk, &mut works).await;
    write_works(desk, works).await
}

async fn write_works(desk: &ExportDesk, mut works: Vec<Work<'_>>) -> Outcomes {
    restore(desk, &mut works).await;
    patch(desk, &mut works, |request| &request.changes, "updating").await;
    write_references(desk, &mut works).await;
    hold_stamps(&mut works);
    patch(desk, &mut works, |request| &request.afterwards, "everything else was written; stamping the anchor of").await;
    let outcome = |work: Work<'_>| {
        let done = ExportOutcome::Accepted { anchor: None, failed_references: work.failed };
        (work.id, work.outcome.unwrap_or(done))
    };
    works.into_iter().map(outcome).collect()
}

fn work(item: &ExportItem) -> Option<Work<'_>> {
    let (request, restore) = match &item.operation {
        ExportOperation::Update(request) => (request, false),
        ExportOperation::Restore(request) => (request, true),
        _ => return None,
    };
    // A deleted user becomes a user by the restore.
    let class = if item.object_type == GROUP.name { GROUP } else { USER };
    Some(Work {
        id: item.id,
        class,
        anchor: request.anchor.to_string(),
        request,
        restore,
        current: Map::new(),
        failed: Failed::new(),
        outcome: None,
    })
}

fn open<'w, 'a>(works: &'w mut [Work<'a>]) -> impl Iterator<Item = &'w mut Work<'a>> {
    works.iter_mut().filter(|work| work.outcome.is_none())
}

/// Sends one call for each open work that has one, and hands each result to its work.
async fn send<'a>(
    desk: &ExportDesk,
    works: &mut [Work<'a>],
    call: impl Fn(&mut Work<'a>) -> Option<Call>,
    take: impl Fn(&mut Work<'a>, Settled),
) {
    let mut calls = Vec::new();
    let mut senders = Vec::new();
    for work in open(works) {
        if let Some(call) = call(work) {
            calls.push(call);
            senders.push(work);
        }
    }
    for (work, settled) in senders.into_iter().zip(desk.graph.send_all(&calls).await) {
        take(work, settled);
    }
}

/// Reads what decides whether the object may be written.
async fn read_state(desk: &ExportDesk, works: &mut [Work<'_>]) {
    let call = |work: &mut Work<'_>| {
        let path = if work.restore {
            urls::deleted_user(&work.anchor, USER_STATE)
        } else {
            let select = if work.class.name == GROUP.name { GROUP_STATE } else { USER_STATE };
            urls::object_selecting(work.class, &work.anchor, select)
        };
        let fresh = if desk.is_fresh(&work.anchor) { Fresh::Missing } else { Fresh::No };
        Some(Call::get(path).fresh(fresh))
    };
    let take = |work: &mut Work<'_>, settled: Settled| {
        let attempted = format!("reading {} {} before writing it", work.class.name, work.anchor);
        match accepted(&settled, &attempted) {
            Ok(answer) => {
                work.current = answer.body.as_ref().and_then(Value::as_object).cloned().unwrap_or_default();
                work.outcome = forbidden(work).map(ExportOutcome::Refused);
            }
            // The bin may not have it because an earlier sending of this restore went through: the restore tells.
            Err(ExportOutcome::Refused(refusal)) if work.restore && refusal.code == "cd-missing-object" => {}
            // Nothing was written by reading.
            Err(ExportOutcome::NotSettled { message, .. }) => {
                work.outcome = Some(ExportOutcome::NotSettled { may_have_arrived: false, message });
            }
            Err(outcome) => work.outcome = Some(outcome),
        }
    };
    send(desk, works, call, take).await;
}

/// Objects that Graph mode does not write at all.
fn forbidden(work: &Work<'_>) -> Option<ExportProblem> {
    let is = |name: &str| work.current.get(name).and_then(Value::as_bool) == Some(true);
    if is("onPremisesSyncEnabled") {
        return Some(synced(work.class, &work.anchor));
    }
    if work.class.name == GROUP.name && is("mailEnabled") && !has_type(work, "Unified") {
        let message = format!("Graph mode cannot write the mail-enabled group {}", work.anchor);
        let remedy = "exclude it by scope, or use the connect mode";
        return Some(problem("limitation-mail-enabled-security-group", None, message, remedy, false));
    }
    None
}

fn has_type(work: &Work<'_>, kind: &str) -> bool {
    let types = work.current.get("groupTypes").and_then(Value::as_array);
    types.into_iter().flatten().any(|known| known.as_str() == Some(kind))
}

/// SF19: groups whose membership is never a target.
fn closed_membership(work: &Work<'_>) -> Option<ExportProblem> {
    let (code, what) = if has_type(work, "DynamicMembership") {
        ("limitation-dynamic-group", "the group's members are computed by a rule in the tenant")
    } else if has_type(work, "Unified") {
        ("limitation-microsoft-365-group", "the group is a Microsoft 365 group")
    } else if work.current.get("isAssignableToRole").and_then(Value::as_bool) == Some(true) {
        ("limitation-role-assignable-group", "directory roles can be assigned to the group")
    } else {
        return None;
    };
    Some(problem(code, Some("members"), what, "its members are never written; exclude it by scope", false))
}

async fn restore(desk: &ExportDesk, works: &mut [Work<'_>]) {
    let allowed = desk.graph.settings().restore_deleted;
    for work in open(works).filter(|work| work.restore && !allowed) {
        work.outcome = Some(restore_is_off());
    }
    let call = |work: &mut Work<'_>| work.restore.then(|| Call::post(urls::restore(&work.anchor), Map::new()));
    let missing = std::sync::Mutex::new(Vec::new());
    let take = |work: &mut Work<'_>, settled: Settled| match accepted(&settled, &format!("restoring {}", work.anchor)) {
        Ok(_) => desk.made(&work.anchor),
        Err(ExportOutcome::Refused(refusal)) if refusal.code == "cd-missing-object" => {
            missing.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((work.id, refusal));
        }
        Err(outcome) => work.outcome = Some(outcome),
    };
    let any = works.iter().any(|work| work.restore && work.outcome.is_none());
    send(desk, works, call, take).await;
    if any {
        desk.bin.changed().await;
    }
    let missing = missing.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    for (id, refusal) in missing {
        let Some(work) = works.iter_mut().find(|work| work.id == id) else {
            continue;
        };
        // Not in the bin: restored already, or purged.
        let path = urls::object_selecting(USER, &work.anchor, USER_STATE);
        match desk.graph.find(&path, "looking for a restored user", DELETED_USER.right).await {
            Ok(Some(found)) => {
                work.current = found.as_object().cloned().unwrap_or_default();
                work.outcome = forbidden(work).map(ExportOutcome::Refused);
            }
            Ok(None) => work.outcome = Some(ExportOutcome::Refused(refusal)),
            Err(error) => work.outcome = Some(crate::export::not_settled(&error)),
        }
    }
}

/// One PATCH per object, with the changed attributes; none where nothing changes.
async fn patch(
    desk: &ExportDesk,
    works: &mut [Work<'_>],
    which: impl Fn(&UpdateRequest) -> &AttributesDelta,
    doing: &str,
) {
    let call = |work: &mut Work<'_>| match changed_properties(work, which(work.request)) {
        Ok(body) if body.is_empty() => None,
        Ok(body) => {
            let fresh = if desk.is_fresh(&work.anchor) { Fresh::Missing } else { Fresh::No };
            Some(Call::patch(urls::object(work.class, &work.anchor), body).fresh(fresh))
        }
        Err(refusal) => {
            work.outcome = Some(ExportOutcome::Refused(refusal));
            None
        }
    };
    let take = |work: &mut Work<'_>, settled: Settled| {
        let attempted = format!("{doing} {} {}", work.class.name, work.anchor);
        work.outcome = accepted(&settled, &attempted).err();
    };
    send(desk, works, call, take).await;
}

fn changed_properties(work: &Work<'_>, delta: &AttributesDelta) -> Result<Map<String, Value>, ExportProblem> {
    if delta.is_empty() {
        return Ok(Map::new());
    }
    let turns_mail_on = delta.0.get("mailEnabled").is_some_and(|change| match change {
        AttributeChange::Replace(values) => values.contains(&Held::Boolean(true)),
        AttributeChange::Update { add, .. } => add.contains(&Held::Boolean(true)),
    });
    if work.class.name == GROUP.name && turns_mail_on {
        let remedy = "exclude the group by scope, or use the connect mode";
        let message = "Graph mode cannot turn a group into a mail-enabled one";
        return Err(problem("limitation-mail-enabled-security-group", Some("mailEnabled"), message, remedy, false));
    }
    // Graph replaces lists as a whole: single additions and removals are applied to what the object holds.
    let mut wanted = Attributes::new();
    let held = crate::model::attributes(work.class, &work.current)
        .map_err(|issue| problem("schema-violation", None, issue.message, "", true))?;
    for name in delta.0.keys() {
        wanted.set(name.clone(), held.get(name.as_str()).cloned().unwrap_or_default());
    }
    delta.apply(&mut wanted);
    let empty = Values::default();
    let named = delta.0.keys().map(|name| (name.as_str(), wanted.get(name.as_str()).unwrap_or(&empty)));
    body::properties(work.class, named)
}

async fn write_references(desk: &ExportDesk, works: &mut [Work<'_>]) {
    let mut senders = Vec::new();
    let mut links = Vec::new();
    for work in open(works).filter(|work| !work.request.references.is_empty()) {
        if let Some(closed) = closed_membership(work) {
            work.failed = work.request.references.iter().map(|change| (change.clone(), closed.clone())).collect();
            continue;
        }
        links.push(LinkWork {
            owner: work.anchor.clone(),
            class: work.class,
            changes: work.request.references.clone(),
        });
        senders.push(work);
    }
    for (work, failed) in senders.into_iter().zip(members::write_links(desk, &links).await) {
        work.failed = failed;
    }
}

/// SF2: a failed write leaves no stamp.
fn hold_stamps(works: &mut [Work<'_>]) {
    for work in open(works).filter(|work| !work.request.afterwards.is_empty() && !work.failed.is_empty()) {
        let first = work.failed.first().map(|(_, refusal)| refusal.message.clone()).unwrap_or_default();
        let retry = work.failed.iter().all(|(_, refusal)| refusal.retry);
        let message = format!(
            "the attributes were written; the anchor was not stamped, because {} references were refused, first: {first}",
            work.failed.len()
        );
        let refusal = problem("dn-attributes-failure", None, message, "correct or exclude the references", retry);
        work.outcome = Some(ExportOutcome::Refused(refusal));
    }
}
