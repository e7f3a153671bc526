//! Deletes users and groups, and ends the hold on adopted users: block, revoke sessions, clear the stamp (SF4). What
//! another tool synchronises is neither deleted nor detached; what is gone already counts as done.

use crate::batch::{Call, Fresh, Settled};
use crate::export::{ExportDesk, Outcomes, accepted, synced};
use crate::schema::{Class, GROUP, USER};
use crate::source_of_authority::refuse_cloud_managed;
use crate::urls;
use connector_contract::{ExportItem, ExportOperation, ExportOutcome};
use serde_json::{Map, Value};

/// One object on its way; `outcome` is set once it is decided.
struct Work {
    id: i64,
    class: &'static Class,
    anchor: String,
    outcome: Option<ExportOutcome>,
}

pub(crate) async fn delete(desk: &ExportDesk, items: &[ExportItem]) -> Outcomes {
    let mut works = works(items);
    read_state(desk, &mut works).await;
    let call = |work: &Work| Call::delete(urls::object(work.class, &work.anchor));
    step(desk, &mut works, call, "deleting", "").await;
    // The list of deleted users is behind now.
    desk.bin.changed().await;
    done(works)
}

/// The three steps of SF4, each for all objects before the next; a step that fails ends that object's, and says which
/// steps were done. All of them may be repeated.
pub(crate) async fn detach(desk: &ExportDesk, items: &[ExportItem]) -> Outcomes {
    let mut works = works(items);
    read_state(desk, &mut works).await;
    let field = |name: &str, value: Value| Map::from_iter([(name.to_owned(), value)]);
    let block =
        |work: &Work| Call::patch(urls::object(USER, &work.anchor), field("accountEnabled", Value::Bool(false)));
    step(desk, &mut works, block, "blocking the sign-in of", "").await;
    let revoke = |work: &Work| Call::action(urls::revoke_sessions(&work.anchor));
    step(desk, &mut works, revoke, "revoking the sessions of", "; the sign-in is blocked").await;
    let clear =
        |work: &Work| Call::patch(urls::object(USER, &work.anchor), field("onPremisesImmutableId", Value::Null));
    let so_far = "; the sign-in is blocked and the sessions are revoked";
    step(desk, &mut works, clear, "clearing the anchor stamp of", so_far).await;
    done(works)
}

fn works(items: &[ExportItem]) -> Vec<Work> {
    let work = |item: &ExportItem| {
        let (ExportOperation::Delete { anchor } | ExportOperation::Detach { anchor }) = &item.operation else {
            return None;
        };
        let class = if item.object_type == GROUP.name { GROUP } else { USER };
        Some(Work { id: item.id, class, anchor: anchor.to_string(), outcome: None })
    };
    items.iter().filter_map(work).collect()
}

/// Objects that another tool synchronises are refused; an object that is not there is left to the write to tell.
async fn read_state(desk: &ExportDesk, works: &mut [Work]) {
    let path = |work: &Work| urls::object_selecting(work.class, &work.anchor, "id,onPremisesSyncEnabled");
    let calls: Vec<Call> = works.iter().map(|work| Call::get(path(work)).fresh(freshness(desk, work))).collect();
    for (work, settled) in works.iter_mut().zip(desk.graph.send_all(&calls).await) {
        let attempted = format!("reading {} {} before writing it", work.class.name, work.anchor);
        work.outcome = match accepted(&settled, &attempted) {
            Ok(answer) => {
                let flag = answer.body.as_ref().and_then(|body| body.get("onPremisesSyncEnabled"));
                let held = flag.and_then(Value::as_bool) == Some(true);
                held.then(|| ExportOutcome::Refused(synced(work.class, &work.anchor)))
            }
            Err(ExportOutcome::Refused(refusal)) if refusal.code == "cd-missing-object" => None,
            Err(ExportOutcome::NotSettled { message, .. }) => {
                Some(ExportOutcome::NotSettled { may_have_arrived: false, message })
            }
            Err(outcome) => Some(outcome),
        };
    }
    let open = works.iter_mut().filter(|work| work.outcome.is_none());
    let asked = open.map(|work| (work.class, work.anchor.as_str(), &mut work.outcome)).collect();
    refuse_cloud_managed(desk, asked).await;
}

fn freshness(desk: &ExportDesk, work: &Work) -> Fresh {
    if desk.is_fresh(&work.anchor) { Fresh::Missing } else { Fresh::No }
}

/// One write for every open object. 404: it is gone, and there is nothing left to do for it.
async fn step(desk: &ExportDesk, works: &mut [Work], call: impl Fn(&Work) -> Call, doing: &str, so_far: &str) {
    let mut open: Vec<&mut Work> = works.iter_mut().filter(|work| work.outcome.is_none()).collect();
    let calls: Vec<Call> = open.iter().map(|work| call(work).fresh(freshness(desk, work))).collect();
    for (work, settled) in open.iter_mut().zip(desk.graph.send_all(&calls).await) {
        let gone = matches!(&settled, Settled::Answered(answer) if answer.status == 404);
        let attempted = format!("{doing} {} {}", work.class.name, work.anchor);
        work.outcome = match accepted(&settled, &attempted) {
            Ok(_) => None,
            Err(_) if gone => Some(ExportOutcome::Accepted { anchor: None, failed_references: Vec::new() }),
            Err(ExportOutcome::Refused(mut refusal)) => {
                refusal.message.push_str(so_far);
                Some(ExportOutcome::Refused(refusal))
            }
            Err(outcome) => Some(outcome),
        };
    }
}

fn done(works: Vec<Work>) -> Outcomes {
    let outcome = |work: Work| {
        let done = ExportOutcome::Accepted { anchor: None, failed_references: Vec::new() };
        (work.id, work.outcome.unwrap_or(done))
    };
    works.into_iter().map(outcome).collect()
}
