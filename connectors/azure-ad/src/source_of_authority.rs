//! Whose an object is: one whose source of authority was moved to the cloud (`isCloudManaged`, A.11) is neither written nor
//! deleted (SF30). Asked only in tenants that take, or took, synchronised objects: nowhere else can there be any. Moved by
//! nobody but an operator's own word: an undone takeover, and the takeover that he approves after it.

use crate::batch::{Call, Fresh};
use crate::client::GraphClient;
use crate::errors::problem;
use crate::export::{ExportDesk, accepted};
use crate::schema::{CONTACT, Class, GROUP, USER};
use crate::urls;
use connector_contract::{ConnectorError, ExportOutcome, ExportProblem};
use serde_json::Value;

/// One object that is about to be written: its class, its id, and where the decision goes.
pub(crate) type Asked<'a> = (&'static Class, &'a str, &'a mut Option<ExportOutcome>);

/// The permission that the question needs.
pub(crate) fn right(class: &Class) -> &'static str {
    match class.name {
        name if name == GROUP.name => "Group-OnPremisesSyncBehavior.ReadWrite.All",
        name if name == CONTACT.name => "Contacts-OnPremisesSyncBehavior.ReadWrite.All",
        _ => "User-OnPremisesSyncBehavior.ReadWrite.All",
    }
}

const FLAG: &str = "isCloudManaged";

/// Whether the source of authority of each object was moved to the cloud, or what the question came to.
pub(crate) async fn is_moved(
    graph: &GraphClient,
    objects: &[(&'static Class, &str)],
) -> Vec<Result<bool, ExportOutcome>> {
    let calls: Vec<Call> = objects.iter().map(|(class, id)| Call::get(urls::sync_behaviour(class, id))).collect();
    let answers = graph.send_all(&calls).await;
    let answered = |((class, id), settled): (&(&'static Class, &str), _)| {
        let attempted = format!("reading whose {} {id} is", class.name);
        let answer = accepted(&settled, &attempted).map_err(|outcome| explained(class, nothing_sent(outcome)))?;
        Ok(answer.body.as_ref().and_then(|body| body.get(FLAG)).and_then(Value::as_bool) == Some(true))
    };
    objects.iter().zip(answers).map(answered).collect()
}

/// Moves the source of authority of each object; already so is success.
pub(crate) async fn move_authority(
    graph: &GraphClient,
    objects: &[(&'static Class, &str)],
    to_cloud: bool,
) -> Vec<Result<(), ExportOutcome>> {
    let body = || serde_json::Map::from_iter([(FLAG.to_owned(), Value::Bool(to_cloud))]);
    let calls: Vec<Call> = objects.iter().map(|(class, id)| Call::patch(urls::authority(class, id), body())).collect();
    let answers = graph.send_all(&calls).await;
    let moved = |((class, id), settled): (&(&'static Class, &str), _)| {
        let attempted = format!("moving the source of authority of {} {id}", class.name);
        accepted(&settled, &attempted).map(drop).map_err(|outcome| explained(class, outcome))
    };
    objects.iter().zip(answers).map(moved).collect()
}

/// A question that was not answered wrote nothing.
fn nothing_sent(outcome: ExportOutcome) -> ExportOutcome {
    match outcome {
        ExportOutcome::NotSettled { message, .. } => ExportOutcome::NotSettled { may_have_arrived: false, message },
        other => other,
    }
}

/// Names the permission where that is what is missing.
fn explained(class: &Class, outcome: ExportOutcome) -> ExportOutcome {
    match outcome {
        ExportOutcome::Refused(refusal) if refusal.code == "permission-issue" => {
            let remedy = format!("grant the application permission {} and give admin consent", right(class));
            ExportOutcome::Refused(ExportProblem { remedy, ..refusal })
        }
        other => other,
    }
}

/// Decides about those that must not be written; the others stay open.
pub(crate) async fn refuse_cloud_managed(desk: &ExportDesk, asked: Vec<Asked<'_>>) {
    if asked.is_empty() || !desk.has_synced_objects() {
        return;
    }
    let call = |(class, id, _): &Asked<'_>| {
        let fresh = if desk.is_fresh(id) { Fresh::Missing } else { Fresh::No };
        Call::get(urls::sync_behaviour(class, id)).fresh(fresh)
    };
    let calls: Vec<Call> = asked.iter().map(call).collect();
    for ((class, id, outcome), settled) in asked.into_iter().zip(desk.graph.send_all(&calls).await) {
        let attempted = format!("reading whose {} {id} is", class.name);
        *outcome = match accepted(&settled, &attempted) {
            Ok(answer) => {
                let flag = answer.body.as_ref().and_then(|body| body.get(FLAG)).and_then(Value::as_bool);
                (flag == Some(true)).then(|| ExportOutcome::Refused(cloud_managed(class, id)))
            }
            // An object that is not there is left to the write to tell.
            Err(ExportOutcome::Refused(refusal)) if refusal.code == "cd-missing-object" => None,
            Err(ExportOutcome::Refused(refusal)) if refusal.code == "permission-issue" => {
                let remedy = format!("grant the application permission {} and give admin consent", right(class));
                Some(ExportOutcome::Refused(ExportProblem { remedy, ..refusal }))
            }
            Err(ExportOutcome::NotSettled { message, .. }) => {
                Some(ExportOutcome::NotSettled { may_have_arrived: false, message })
            }
            Err(outcome) => Some(outcome),
        };
    }
}

pub(crate) fn cloud_managed(class: &Class, id: &str) -> ExportProblem {
    let message = format!(
        "the source of authority of the {} {id} was moved to the cloud (isCloudManaged): it is managed there",
        class.name
    );
    let remedy = "exclude it by scope, or move its source of authority back";
    problem("limitation-cloud-managed-object", None, message, remedy, false)
}

/// Whether the question may be asked at all, for `check`: by an id that nobody has. 404 is a yes.
pub(crate) async fn probe(graph: &GraphClient, class: &'static Class) -> Result<(), ConnectorError> {
    let attempted = if class.name == USER.name { "reading whose a user is" } else { "reading whose a group is" };
    let nobody = "00000000-0000-0000-0000-000000000000";
    graph.find(&urls::sync_behaviour(class, nobody), attempted, right(class)).await.map(drop)
}
