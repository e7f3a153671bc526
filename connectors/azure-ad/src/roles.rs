//! Directory roles of match candidates (SF6): active and eligible, direct and through groups. What cannot be read is
//! `Unreadable`, or `OutOfReach` and `Refused` when the tenant told nothing at all; never "none". Reads only.

use crate::batch::{Call, Settled};
use crate::client::GraphClient;
use crate::model::{Entry, Page};
use crate::pages::Pages;
use crate::schema::DELETED_USER;
use crate::urls;
use connector_contract::{ConnectorError, ErrorKind, Fact, PrivilegeFact};
use metaverse_schema::Anchor;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};

const RIGHT: &str = "RoleManagement.Read.Directory";

/// Role ids or names of one principal, or why they cannot be read.
type Roles = Result<BTreeSet<String>, ConnectorError>;

/// One fact for each anchor.
pub(crate) async fn privileges(graph: &GraphClient, anchors: &[Anchor]) -> Vec<Fact> {
    let ids: Vec<String> = anchors.iter().map(Anchor::to_string).collect();
    let mut roles = assigned(graph, &ids).await;
    let mut memberships = memberships(graph, &ids).await;
    judge_deleted(graph, &ids, &mut memberships).await;

    let group_ids: BTreeSet<String> = memberships.iter().flatten().flat_map(|found| found.groups.clone()).collect();
    let group_ids: Vec<String> = group_ids.into_iter().collect();
    let group_roles: HashMap<String, Roles> =
        group_ids.iter().cloned().zip(assigned(graph, &group_ids).await).collect();
    for (roles, memberships) in roles.iter_mut().zip(memberships) {
        let through_groups = memberships.and_then(|found| {
            let mut all = found.roles;
            for group in &found.groups {
                match group_roles.get(group) {
                    Some(Ok(roles)) => all.extend(roles.iter().cloned()),
                    Some(Err(error)) => return Err(error.clone()),
                    None => return Err(not_read(group)),
                }
            }
            Ok(all)
        });
        let direct = std::mem::replace(roles, Ok(BTreeSet::new()));
        *roles = direct.and_then(|mut direct| {
            direct.extend(through_groups?);
            Ok(direct)
        });
    }
    let held = |roles: &Roles| roles.as_ref().is_ok_and(|roles| !roles.is_empty());
    let users = ids.iter().zip(&roles).filter(|(_, roles)| held(roles)).map(|(id, _)| id.clone());
    let groups = group_roles.iter().filter(|(_, roles)| held(roles)).map(|(id, _)| id.clone());
    let holders: Vec<String> = users.chain(groups).collect();
    let names = names(graph, &holders).await;
    let named = |role: String| names.get(&role).cloned().unwrap_or(role);
    let fact = |(anchor, roles): (&Anchor, Roles)| Fact {
        anchor: anchor.clone(),
        privilege: match roles {
            Ok(roles) if roles.is_empty() => PrivilegeFact::None,
            Ok(roles) => {
                let roles: BTreeSet<String> = roles.into_iter().map(named).collect();
                PrivilegeFact::Privileged { roles: roles.into_iter().collect() }
            }
            Err(error) => unknown(&error),
        },
    };
    anchors.iter().zip(roles).map(fact).collect()
}

/// A tenant that could not be reached said nothing, nor did one that let nobody in; one that refused this question alone, or
/// answered something else, did not tell.
fn unknown(error: &ConnectorError) -> PrivilegeFact {
    let reason = error.to_string();
    match error.kind {
        ErrorKind::Connection | ErrorKind::BackOff { .. } => PrivilegeFact::OutOfReach { reason },
        ErrorKind::Credential => PrivilegeFact::Refused { reason, remedy: error.remedy.clone() },
        _ => PrivilegeFact::Unreadable { reason },
    }
}

fn not_read(group: &str) -> ConnectorError {
    ConnectorError::new(
        ErrorKind::Protocol,
        "reading role assignments",
        format!("the roles of group {group} were not read"),
        "",
    )
}

/// Active and eligible assignments of each principal.
async fn assigned(graph: &GraphClient, ids: &[String]) -> Vec<Roles> {
    let active = ids.iter().map(|id| urls::role_assignments(id)).collect();
    let eligible = ids.iter().map(|id| urls::role_eligibilities(id)).collect();
    let active = collections(graph, active, "reading role assignments", RIGHT).await;
    let eligible = collections(graph, eligible, "reading eligible roles", RIGHT).await;
    let definition = |entry: &Entry| {
        // An assignment whose role is not told is still an assignment.
        entry.get("roleDefinitionId").and_then(Value::as_str).unwrap_or("a role without id").to_owned()
    };
    let merge = |(active, eligible): (Found, Found)| -> Roles {
        Ok(active?.iter().chain(&eligible?).map(definition).collect())
    };
    active.into_iter().zip(eligible).map(merge).collect()
}

type Found = Result<Vec<Entry>, ConnectorError>;

/// What a user is in: groups that may hold roles, and roles that are listed as memberships.
struct Memberships {
    groups: Vec<String>,
    roles: BTreeSet<String>,
}

async fn memberships(graph: &GraphClient, ids: &[String]) -> Vec<Result<Memberships, ConnectorError>> {
    let paths = ids.iter().map(|id| urls::transitive_member_of(id)).collect();
    let found = collections(graph, paths, "reading memberships", "Directory.Read.All").await;
    let read = |entries: Vec<Entry>| {
        let mut memberships = Memberships { groups: Vec::new(), roles: BTreeSet::new() };
        for entry in entries {
            let text = |name: &str| entry.get(name).and_then(Value::as_str);
            let kind = text("@odata.type").unwrap_or_default();
            if kind.eq_ignore_ascii_case("#microsoft.graph.directoryRole") {
                memberships.roles.insert(text("displayName").or(text("id")).unwrap_or("a role").to_owned());
            } else if entry.get("isAssignableToRole").and_then(Value::as_bool) == Some(true) {
                memberships.groups.extend(text("id").map(str::to_owned));
            }
        }
        memberships
    };
    found.into_iter().map(|entries| entries.map(read)).collect()
}

/// SF9: who lies in the recycle bin is a member of nothing, and the tenant answers as if it knew no such user. That it lies there
/// tells it from one that does not exist, of which nothing may be assumed. What a restore gives it back is the tenant's to
/// refuse: it takes no holder of a role over by its anchor.
async fn judge_deleted(graph: &GraphClient, ids: &[String], memberships: &mut [Result<Memberships, ConnectorError>]) {
    let unread: Vec<(usize, String)> = memberships
        .iter()
        .zip(ids)
        .enumerate()
        .filter(|(_, (found, _))| {
            found.as_ref().is_err_and(|error| matches!(unknown(error), PrivilegeFact::Unreadable { .. }))
        })
        .map(|(place, (_, id))| (place, urls::deleted_user(id, "id")))
        .collect();
    if unread.is_empty() {
        return;
    }
    let paths = unread.iter().map(|(_, path)| path.clone()).collect();
    // What cannot be told of the bin leaves the first refusal standing.
    let Ok(bin) = graph.find_all(paths, "looking for deleted users", DELETED_USER.right).await else { return };
    for ((place, _), found) in unread.into_iter().zip(bin) {
        if found.is_some() {
            memberships[place] = Ok(Memberships { groups: Vec::new(), roles: BTreeSet::new() });
        }
    }
}

/// Many small collections, read in batches; further pages one by one.
async fn collections(graph: &GraphClient, paths: Vec<String>, attempted: &str, right: &'static str) -> Vec<Found> {
    let calls: Vec<Call> = paths.into_iter().map(Call::get).collect();
    let mut all = Vec::with_capacity(calls.len());
    for settled in graph.send_all(&calls).await {
        all.push(collection(graph, settled, attempted, right).await);
    }
    all
}

async fn collection(graph: &GraphClient, settled: Settled, attempted: &str, right: &'static str) -> Found {
    let answer = match settled {
        Settled::Answered(answer) => answer,
        Settled::Unsettled { message, .. } => {
            return Err(ConnectorError::new(ErrorKind::Connection, attempted, message, ""));
        }
    };
    let reply =
        crate::client::Reply { status: answer.status, retry_after: None, body: answer.body, token_generation: 0 };
    let first = Page::read(reply, &graph.settings().graph_url, false, attempted, right)?;
    let mut pages = Pages::continued(graph, first.next, attempted, right);
    let mut entries = first.entries;
    while let Some(page) = pages.next().await? {
        entries.extend(page.entries);
    }
    Ok(entries)
}

/// Role names by id, asked for only when somebody holds a role. What is not readable is missing: ids serve as well.
async fn names(graph: &GraphClient, holders: &[String]) -> BTreeMap<String, String> {
    let named = |path: String| urls::with_role_definitions(&path);
    let active = holders.iter().map(|id| named(urls::role_assignments(id)));
    let paths = active.chain(holders.iter().map(|id| named(urls::role_eligibilities(id)))).collect();
    let found = collections(graph, paths, "reading role names", RIGHT).await;
    let name = |entry: Entry| {
        let definition = entry.get("roleDefinition")?;
        let text = |name: &str| definition.get(name).and_then(Value::as_str).map(str::to_owned);
        Some((text("id")?, text("displayName")?))
    };
    found.into_iter().flatten().flatten().filter_map(name).collect()
}

/// Reads the roles of nobody: whether they could be read at all.
pub(crate) async fn probe(graph: &GraphClient) -> Result<(), ConnectorError> {
    let nobody = "00000000-0000-0000-0000-000000000000";
    for (path, attempted) in [
        (urls::role_assignments(nobody), "reading role assignments"),
        (urls::role_eligibilities(nobody), "reading eligible roles"),
    ] {
        graph.must_find(&path, attempted, RIGHT).await?;
    }
    Ok(())
}
