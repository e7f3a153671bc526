//! References to objects that became synchronised a moment ago. The service passes over an anchor that it does not know yet,
//! without a word (B.5): what was added is looked for in the tenant, and sent again until it is there or the patience ends.
//! Decides nothing about which references are wanted.

use super::references::{Failed, Managers, with_references};
use super::service::Service;
use crate::client::{GraphClient, Reply};
use crate::errors::problem;
use crate::model::{self, Page};
use crate::pages::Pages;
use crate::provisioning::{SyncObject, SyncOutcome};
use crate::schema::{CONTACT, Class, GROUP, USER};
use crate::throttle::Patience;
use crate::urls;
use connector_contract::{ConnectorError, ExportProblem, ReferenceChange};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Up to so many new members are asked which groups they are in; more are looked for among the members of the group, whose
/// number has no bound.
const FEW: usize = 10;
const ATTEMPTED: &str = "looking for references that were added";

/// Additions to one object that may have been passed over.
#[derive(Debug)]
pub(super) struct Addition {
    /// Of the item that asked for them.
    pub(super) item: i64,
    pub(super) class: &'static Class,
    pub(super) object_id: String,
    /// The object by its anchor alone, to send it again.
    pub(super) object: SyncObject,
    pub(super) changes: Vec<ReferenceChange>,
}

/// Looks for all of them and sends again what is missing. What is missing at the end, by item.
pub(super) async fn settle(
    graph: &GraphClient,
    service: &dyn Service,
    mut open: Vec<Addition>,
    managers: &Managers,
) -> BTreeMap<i64, Failed> {
    let mut patience = Patience::new(graph.settings());
    loop {
        if let Err(error) = keep_missing(graph, &mut open).await {
            return told(&open, |change| not_settled(change, &error.to_string()));
        }
        if open.is_empty() {
            return BTreeMap::new();
        }
        let Some(pause) = patience.unseen() else { return told(&open, passed_over) };
        tracing::info!(objects = open.len(), "references to fresh objects are not seen yet; they are sent again");
        tokio::time::sleep(pause).await;
        let again: Vec<SyncObject> =
            open.iter().map(|one| with_references(one.object.clone(), one.class, &one.changes, managers).0).collect();
        let outcomes = match service.provision(&again).await {
            Ok(outcomes) => outcomes,
            Err(error) => return told(&open, |change| not_settled(change, &error.to_string())),
        };
        for (one, outcome) in open.iter().zip(outcomes) {
            // What the service refuses it refuses next time too, and then by name.
            if let SyncOutcome::Refused(refusal) = outcome {
                tracing::warn!(object = one.object_id, code = refusal.code, "references were refused");
            }
        }
    }
}

/// Leaves what the tenant does not show.
async fn keep_missing(graph: &GraphClient, open: &mut Vec<Addition>) -> Result<(), ConnectorError> {
    let managers = managers(graph, open).await?;
    let groups = open.iter().filter(|one| one.class.name == GROUP.name);
    let (few, many): (Vec<&Addition>, Vec<&Addition>) = groups.partition(|one| asks_members(one));
    let class = |change: &ReferenceChange| if change.target_type.as_str() == GROUP.name { GROUP } else { USER };
    let asked = few.iter().flat_map(|one| &one.changes).map(|change| {
        let target = change.target.to_string();
        let path = urls::member_of(class(change), &target);
        (target, path)
    });
    let groups_of = listed(graph, asked.collect()).await?;
    let whole = many.iter().map(|one| (one.object_id.clone(), urls::members(&one.object_id)));
    let members_of = listed(graph, whole.collect()).await?;
    for one in open.iter_mut() {
        let owner = one.object_id.as_str();
        one.changes.retain(|change| {
            let target = change.target.to_string();
            let is_there = match members_of.get(owner) {
                _ if one.class.name == USER.name => managers.get(owner) == Some(&target),
                Some(members) => members.contains(&target),
                None => groups_of.get(&target).is_some_and(|groups| groups.contains(owner)),
            };
            !is_there
        });
    }
    open.retain(|one| !one.changes.is_empty());
    Ok(())
}

/// Few members, of kinds that can be asked for their groups.
fn asks_members(one: &Addition) -> bool {
    one.changes.len() <= FEW && one.changes.iter().all(|change| change.target_type.as_str() != CONTACT.name)
}

/// The present manager of each user among them.
async fn managers(graph: &GraphClient, open: &[Addition]) -> Result<BTreeMap<String, String>, ConnectorError> {
    let users: Vec<&String> = open.iter().filter(|one| one.class.name == USER.name).map(|one| &one.object_id).collect();
    if users.is_empty() {
        return Ok(BTreeMap::new());
    }
    let bodies = graph.find_all(users.iter().map(|id| urls::manager(id)).collect(), ATTEMPTED, USER.right).await?;
    let id = |body: Option<Value>| body?.get("id")?.as_str().map(str::to_owned);
    Ok(users.into_iter().zip(bodies).filter_map(|(user, body)| Some((user.clone(), id(body)?))).collect())
}

/// The ids of each collection, by the key of its path. One of an object that is not seen yet is empty.
async fn listed(
    graph: &GraphClient,
    paths: BTreeMap<String, String>,
) -> Result<BTreeMap<String, BTreeSet<String>>, ConnectorError> {
    let right = "GroupMember.Read.All";
    let mut all = BTreeMap::new();
    if paths.is_empty() {
        return Ok(all);
    }
    let bodies = graph.find_all(paths.values().cloned().collect(), ATTEMPTED, right).await?;
    for (key, body) in paths.into_keys().zip(bodies) {
        let mut found = BTreeSet::new();
        if let Some(body) = body {
            let reply = Reply { status: 200, retry_after: None, body: Some(body), token_generation: 0 };
            let first = Page::read(reply, &graph.settings().graph_url, false, ATTEMPTED, right)?;
            let mut rest = Pages::continued(graph, first.next.clone(), ATTEMPTED, right);
            let mut page = Some(first);
            while let Some(current) = page {
                found.extend(current.entries.iter().filter_map(model::id).map(str::to_owned));
                page = rest.next().await?;
            }
        }
        all.insert(key, found);
    }
    Ok(all)
}

fn told(open: &[Addition], why: impl Fn(&ReferenceChange) -> ExportProblem) -> BTreeMap<i64, Failed> {
    let failed = |one: &Addition| one.changes.iter().map(|change| (change.clone(), why(change))).collect();
    open.iter().map(|one| (one.item, failed(one))).collect()
}

fn passed_over(change: &ReferenceChange) -> ExportProblem {
    let message = format!(
        "the service took {} {} and does not show it: it was made a moment ago",
        change.attribute, change.target
    );
    problem("dn-attributes-failure", Some(change.attribute.as_str()), message, "it is sent again by itself", true)
}

fn not_settled(change: &ReferenceChange, message: &str) -> ExportProblem {
    problem("not-settled", Some(change.attribute.as_str()), message, "it is sent again by itself", true)
}
