//! Writes references: members of groups in chunks of 20, one by one where a chunk was refused, and managers of users.
//! "Already so" is success. Members are removed only by `urls::remove_member`, which never forgets the `/$ref` (A.4).

use crate::batch::{Call, Fresh, Settled};
use crate::errors::problem;
use crate::export::ExportDesk;
use crate::objects;
use crate::schema::{Class, GROUP};
use crate::urls;
use connector_contract::{ExportProblem, ReferenceChange};
use metaverse_schema::AttributeName;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashSet};

/// Most members in one `members@odata.bind` (A.4).
const CHUNK: usize = 20;

/// The reference changes of one object that exists.
pub(crate) struct LinkWork {
    pub(crate) owner: String,
    pub(crate) class: &'static Class,
    pub(crate) changes: Vec<ReferenceChange>,
}

pub(crate) type Failed = Vec<(ReferenceChange, ExportProblem)>;

/// Writes all changes; for each work, what was refused. The order within one object: removals, then additions.
pub(crate) async fn write_links(desk: &ExportDesk, works: &[LinkWork]) -> Vec<Failed> {
    let mut failed: Vec<Failed> = works.iter().map(|_| Failed::new()).collect();
    let mut managers = Vec::new();
    let mut removals = Vec::new();
    let mut additions: BTreeMap<usize, Vec<&ReferenceChange>> = BTreeMap::new();
    for (index, work) in works.iter().enumerate() {
        let link = work.class.link.as_ref().map(|link| link.attribute);
        let is_group = work.class.name == GROUP.name;
        let mut seen = HashSet::new();
        for change in &work.changes {
            if Some(change.attribute.as_str()) != link {
                failed[index].push((change.clone(), unknown_attribute(&change.attribute, work.class)));
            } else if !is_group {
                managers.push((index, change));
            } else if !change.add {
                removals.push((index, change));
            } else if seen.insert(&change.target) {
                // The same id twice in one request is refused as a whole (A.4).
                additions.entry(index).or_default().push(change);
            }
        }
    }
    write_managers(desk, works, &managers, &mut failed).await;
    remove_members(desk, works, &removals, &mut failed).await;
    add_members(desk, works, additions, &mut failed).await;
    failed
}

fn unknown_attribute(attribute: &AttributeName, class: &Class) -> ExportProblem {
    let message = format!("`{attribute}` is not a reference of a {} that can be exported", class.name);
    problem("schema-violation", Some(attribute.as_str()), message, "remove the flow to this attribute", false)
}

/// A change of a single-valued reference is one removal and one addition: the addition alone says it all.
async fn write_managers(
    desk: &ExportDesk,
    works: &[LinkWork],
    changes: &[(usize, &ReferenceChange)],
    failed: &mut [Failed],
) {
    let replaced: HashSet<usize> = changes.iter().filter(|(_, change)| change.add).map(|(index, _)| *index).collect();
    let wanted: Vec<_> = changes.iter().filter(|(index, change)| change.add || !replaced.contains(index)).collect();
    let call = |(index, change): &&(usize, &ReferenceChange)| {
        let path = urls::manager_ref(&works[*index].owner);
        let fresh = freshness(desk, &works[*index].owner, [*change].into_iter());
        if change.add {
            let target = urls::user_object(&desk.graph.settings().graph_url, &change.target.to_string());
            Call::put(path, odata_id(target)).fresh(fresh)
        } else {
            Call::delete(path)
        }
    };
    let calls: Vec<Call> = wanted.iter().map(call).collect();
    for ((index, change), settled) in wanted.iter().zip(desk.graph.send_all(&calls).await) {
        record(&mut failed[*index], change, &settled);
    }
}

async fn remove_members(
    desk: &ExportDesk,
    works: &[LinkWork],
    changes: &[(usize, &ReferenceChange)],
    failed: &mut [Failed],
) {
    let call = |(index, change): &(usize, &ReferenceChange)| {
        Call::delete(urls::remove_member(&works[*index].owner, &change.target.to_string()))
    };
    let calls: Vec<Call> = changes.iter().map(call).collect();
    for ((index, change), settled) in changes.iter().zip(desk.graph.send_all(&calls).await) {
        record(&mut failed[*index], change, &settled);
    }
}

/// Chunk after chunk for each group, groups side by side: writers of one group at a time do not meet.
async fn add_members(
    desk: &ExportDesk,
    works: &[LinkWork],
    additions: BTreeMap<usize, Vec<&ReferenceChange>>,
    failed: &mut [Failed],
) {
    let mut suspects: BTreeMap<usize, Vec<Suspect<'_>>> = BTreeMap::new();
    let longest = additions.values().map(|changes| changes.len().div_ceil(CHUNK)).max().unwrap_or(0);
    for round in 0..longest {
        let chunks: Vec<(usize, &[&ReferenceChange])> = additions
            .iter()
            .filter_map(|(index, changes)| changes.chunks(CHUNK).nth(round).map(|chunk| (*index, chunk)))
            .collect();
        let calls: Vec<Call> = chunks.iter().map(|(index, chunk)| bind(desk, &works[*index].owner, chunk)).collect();
        for ((index, chunk), settled) in chunks.iter().zip(desk.graph.send_all(&calls).await) {
            match &settled {
                Settled::Answered(answer) if answer.is_success() => {}
                // All or nothing: one member that exists or is unknown fails the chunk. Which one, single additions tell.
                Settled::Answered(answer) if matches!(answer.status, 400 | 404) => {
                    let doubtful = answer.doubtful;
                    let suspects = suspects.entry(*index).or_default();
                    suspects.extend(chunk.iter().map(|change| Suspect { change, doubtful }));
                }
                other => chunk.iter().for_each(|change| record(&mut failed[*index], change, other)),
            }
        }
    }
    for (index, suspects) in suspects {
        add_one_by_one(desk, &works[index].owner, suspects, &mut failed[index]).await;
    }
}

/// A member whose chunk was refused.
struct Suspect<'a> {
    change: &'a ReferenceChange,
    /// An earlier sending of the chunk may have been applied; the chunk was not waited for as a fresh one then.
    doubtful: bool,
}

fn bind(desk: &ExportDesk, group: &str, chunk: &[&ReferenceChange]) -> Call {
    let base = &desk.graph.settings().graph_url;
    let targets = chunk.iter().map(|change| urls::directory_object(base, &change.target.to_string()));
    let mut body = Map::new();
    body.insert("members@odata.bind".to_owned(), targets.map(Value::String).collect());
    let fresh = freshness(desk, group, chunk.iter().copied());
    Call::patch(urls::object(GROUP, group), body).fresh(fresh)
}

/// A 400 may say "is a member already", which only its text tells; the group's members tell it reliably. They are read
/// before, to spare writes, and after, for what is refused still.
async fn add_one_by_one(desk: &ExportDesk, group: &str, mut suspects: Vec<Suspect<'_>>, failed: &mut Failed) {
    let held = held_members(desk, group).await;
    suspects.retain(|suspect| !held.contains(&suspect.change.target.to_string()));
    let base = &desk.graph.settings().graph_url;
    let call = |suspect: &Suspect<'_>| {
        let target = urls::directory_object(base, &suspect.change.target.to_string());
        // The chunk has waited for fresh objects already, unless it was in doubt.
        let fresh = if suspect.doubtful { freshness(desk, group, [suspect.change].into_iter()) } else { Fresh::No };
        Call::post(urls::add_member(group), odata_id(target)).fresh(fresh)
    };
    let calls: Vec<Call> = suspects.iter().map(call).collect();
    let mut refused = Vec::new();
    for (suspect, settled) in suspects.iter().zip(desk.graph.send_all(&calls).await) {
        match settled {
            Settled::Answered(answer) if answer.status == 400 => refused.push((suspect.change, answer)),
            other => record(failed, suspect.change, &other),
        }
    }
    if refused.is_empty() {
        return;
    }
    let held = held_members(desk, group).await;
    for (change, answer) in refused.into_iter().filter(|(change, _)| !held.contains(&change.target.to_string())) {
        record(failed, change, &Settled::Answered(answer));
    }
}

/// Nobody, when they cannot be read: the write itself decides then.
async fn held_members(desk: &ExportDesk, group: &str) -> HashSet<String> {
    match objects::member_ids(&desk.graph, group).await {
        Ok(ids) => ids.into_iter().collect(),
        Err(error) => {
            tracing::warn!(%error, group, "the members of the group cannot be read");
            HashSet::new()
        }
    }
}

/// Keeps a failure; "already so" is none.
fn record(failed: &mut Failed, change: &ReferenceChange, settled: &Settled) {
    let attribute = change.attribute.as_str();
    let verb = if change.add { "adding" } else { "removing" };
    let attempted = format!("{verb} {attribute} {}", change.target);
    let problem = match settled {
        Settled::Answered(answer) if answer.is_success() => return,
        // Not a member, no manager, or the target is gone: what was to be removed is not there.
        Settled::Answered(answer) if answer.status == 404 && !change.add => return,
        Settled::Answered(answer) if answer.status == 404 => {
            let message = format!("{attempted}: {}", answer.error().told(404));
            let remedy = "the target is not there, or not there yet; it is tried again by itself";
            problem("dn-attributes-failure", Some(attribute), message, remedy, true)
        }
        Settled::Answered(answer) => {
            let mut refusal = answer.error().refuses_object(answer.status, &attempted);
            refusal.attribute = Some(change.attribute.clone());
            refusal
        }
        Settled::Unsettled { message, .. } => problem(
            "not-settled",
            Some(attribute),
            format!("{attempted}: {message}"),
            "it is sent again by itself",
            true,
        ),
    };
    failed.push((change.clone(), problem));
}

fn odata_id(target: String) -> Map<String, Value> {
    match json!({ "@odata.id": target }) {
        Value::Object(body) => body,
        _ => Map::new(),
    }
}

/// Owner or target was made a moment ago (A.2, H).
fn freshness<'a>(desk: &ExportDesk, owner: &str, changes: impl Iterator<Item = &'a ReferenceChange>) -> Fresh {
    let mut targets = changes.map(|change| change.target.to_string());
    if desk.is_fresh(owner) || targets.any(|target| desk.is_fresh(&target)) {
        Fresh::MissingOrRefused
    } else {
        Fresh::No
    }
}
