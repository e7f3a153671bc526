//! Whose an object is: one whose source of authority was moved to the cloud (`isCloudManaged`, A.11) is neither written nor
//! deleted (SF30). Asked only in tenants that take, or took, synchronised objects: nowhere else can there be any. Writes
//! nothing.

use crate::batch::{Call, Fresh};
use crate::client::GraphClient;
use crate::errors::problem;
use crate::export::{ExportDesk, accepted};
use crate::schema::{Class, GROUP, USER};
use crate::urls;
use connector_contract::{ConnectorError, ExportOutcome, ExportProblem};
use serde_json::Value;

/// One object that is about to be written: its class, its id, and where the decision goes.
pub(crate) type Asked<'a> = (&'static Class, &'a str, &'a mut Option<ExportOutcome>);

/// The permission that the question needs.
pub(crate) fn right(class: &Class) -> &'static str {
    if class.name == GROUP.name {
        "Group-OnPremisesSyncBehavior.ReadWrite.All"
    } else {
        "User-OnPremisesSyncBehavior.ReadWrite.All"
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
                let flag = answer.body.as_ref().and_then(|body| body.get("isCloudManaged")).and_then(Value::as_bool);
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

fn cloud_managed(class: &Class, id: &str) -> ExportProblem {
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
