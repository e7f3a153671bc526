//! Delta queries on users, groups and contacts (A.6): rounds of pages over the change log, ending in a link for the next
//! round. The state of a round travels in its opaque token, so rounds survive a restart of the tenant.
//!
//! The log holds each object once, at its last change. A round walks it in order and ends at its end: an object that
//! changes while the round is under way moves behind the walker and comes again, and none is missed.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::call::{Call, Reply};
use crate::clock::{Millis, SECOND_MS};
use crate::collection::{link, seal, unknown_property, unseal};
use crate::context::Context;
use crate::directory::LogItem;
use crate::entry::{Entry, Link};
use crate::errors::{GraphError, GraphResult};
use crate::filter::Filter;
use crate::guid::Guid;
use crate::schema::{self, Kind};

/// Most ids in the `$filter` of a delta.
const MOST_IDS: usize = 50;

/// Where a round stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Round {
    /// The directory that minted the token.
    instance: Guid,
    kind: Kind,
    minted: Millis,
    /// The round tells of changes behind this number; 0 for a first round.
    since: u64,
    /// Place in the log up to which the round has been walked.
    at: u64,
    /// First change that was passed over because its object is not replicated yet: the next round starts before it.
    held: Option<u64>,
    /// A group whose members go on on the next page, and the last link told.
    group: Option<(Guid, u64, Guid)>,
    select: Option<Vec<String>>,
    ids: Vec<Guid>,
    /// `Prefer: return=minimal`.
    minimal: bool,
}

pub(crate) fn query(cx: &Context<'_>, call: &Call, kind: Kind) -> GraphResult<Reply> {
    let options = call.options();
    let option = |name: &str| options.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    match (option("$skiptoken"), option("$deltatoken")) {
        (Some(token), _) => page(cx, call, resume(cx, call, kind, token)?),
        (None, Some("latest")) => {
            let round = first_round(cx, call, kind, &options)?;
            let end = Round { at: cx.directory.change_number(), ..round };
            Ok(last_page(cx, call, &end, Vec::new()))
        }
        (None, Some("") | None) => page(cx, call, first_round(cx, call, kind, &options)?),
        (None, Some(token)) => {
            let mut round = resume(cx, call, kind, token)?;
            round.minimal = call.prefers("return=minimal");
            page(cx, call, round)
        }
    }
}

fn first_round(cx: &Context<'_>, call: &Call, kind: Kind, options: &[(String, String)]) -> GraphResult<Round> {
    let mut round = Round {
        instance: cx.directory.instance,
        kind,
        minted: cx.now,
        since: 0,
        at: 0,
        held: None,
        group: None,
        select: None,
        ids: Vec::new(),
        minimal: call.prefers("return=minimal"),
    };
    for (name, value) in options {
        match name.as_str() {
            "$select" => round.select = Some(read_select(kind, value)?),
            "$filter" => round.ids = read_ids(value)?,
            "$deltatoken" => {}
            other if other.starts_with('$') => {
                return Err(GraphError::unsupported_query(format!("'{other}' is not supported in a delta query.")));
            }
            _ => {}
        }
    }
    Ok(round)
}

/// `$select` of a delta also takes the tracked links.
fn read_select(kind: Kind, value: &str) -> GraphResult<Vec<String>> {
    let mut names = Vec::new();
    for name in value.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        let is_link = matches!((kind, name), (Kind::Group, "members") | (Kind::User, "manager"));
        match schema::find(kind, name) {
            Some(property) => names.push(property.name.to_owned()),
            None if is_link || schema::is_directory_extension(name) => names.push(name.to_owned()),
            None => return Err(unknown_property(name, &[kind])),
        }
    }
    Ok(names)
}

fn read_ids(filter: &str) -> GraphResult<Vec<Guid>> {
    let unsupported = || GraphError::unsupported_query("A delta query takes no $filter but 'id eq ... or id eq ...'.");
    let filter = Filter::parse(filter)?;
    let ids: Option<Vec<Guid>> =
        filter.pinned(&["id"]).ok_or_else(unsupported)?.into_iter().map(|(_, id)| Guid::parse(id)).collect();
    let ids = ids.ok_or_else(unsupported)?;
    if ids.len() > MOST_IDS {
        return Err(GraphError::unsupported_query(format!("A delta query takes at most {MOST_IDS} ids.")));
    }
    Ok(ids)
}

/// Opens a token. One that is too old, or of another directory, sends the client back to a full read (A.6).
fn resume(cx: &Context<'_>, call: &Call, kind: Kind, token: &str) -> GraphResult<Round> {
    let life = Millis::try_from(cx.knobs.delta_token_life_s).unwrap_or(Millis::MAX).saturating_mul(SECOND_MS);
    let round: Option<Round> = unseal(token);
    let round = round.filter(|round| round.instance == cx.directory.instance && round.kind == kind);
    match round {
        Some(round) if round.minted.saturating_add(life) > cx.now => Ok(round),
        found => {
            let mut options = Vec::new();
            if let Some(names) = found.as_ref().and_then(|round| round.select.as_ref()) {
                options.push(("$select".to_owned(), names.join(",")));
            }
            options.push(("$deltatoken".to_owned(), String::new()));
            let (code, message) = match found {
                Some(_) => ("resyncRequired", "Resync required. Replace any local items with the server's version."),
                None => ("syncStateNotFound", "The sync state generation is not found."),
            };
            Err(GraphError::new(410, code, message).with_header("location", link(cx, call.path(), &options)))
        }
    }
}

/// Walks the log for one page.
fn page(cx: &Context<'_>, call: &Call, mut round: Round) -> GraphResult<Reply> {
    let mut rows = Vec::new();
    let mut members_left = cx.knobs.delta_member_page_size.max(1);
    if let Some((group, changed, member)) = round.group.take()
        && let Some(entry) = cx.directory.live(group)
    {
        let ToldLinks { links, rest } = links_to_tell(entry, round.since, Some((changed, member)), &mut members_left);
        rows.push(Value::Object(row(cx, &round, entry, Some(links))));
        if let Some((changed, member)) = rest {
            round.group = Some((group, changed, member));
            return Ok(page_with_more(cx, call, &round, rows));
        }
    }
    let mut more = false;
    for (looked_at, (at, item)) in cx.directory.log(round.kind, round.at).enumerate() {
        if looked_at == cx.knobs.delta_page_size.max(1) {
            more = true;
            break;
        }
        round.at = at;
        match item {
            LogItem::Gone(id) => rows.extend(removed(cx, &round, id, "deleted")),
            LogItem::Object(entry) if !entry.is_live() => rows.extend(removed(cx, &round, entry.id, "changed")),
            LogItem::Object(entry) if !cx.is_replicated(entry) => round.held = round.held.or(Some(at)),
            LogItem::Object(entry) if !round.wants(entry.id) || !is_told(&round, entry) => {}
            LogItem::Object(entry) if tracks(&round, "members") => {
                let ToldLinks { links, rest } = links_to_tell(entry, round.since, None, &mut members_left);
                rows.push(Value::Object(row(cx, &round, entry, Some(links))));
                if let Some((changed, member)) = rest {
                    round.group = Some((entry.id, changed, member));
                    more = true;
                    break;
                }
            }
            LogItem::Object(entry) => rows.push(Value::Object(row(cx, &round, entry, None))),
        }
    }
    Ok(if more { page_with_more(cx, call, &round, rows) } else { last_page(cx, call, &round, rows) })
}

impl Round {
    fn wants(&self, id: Guid) -> bool {
        self.ids.is_empty() || self.ids.contains(&id)
    }
}

fn removed(cx: &Context<'_>, round: &Round, id: Guid, reason: &str) -> Option<Value> {
    let told = round.wants(id) && (round.since > 0 || cx.knobs.removed_in_first_round);
    told.then(|| json!({ "id": id, "@removed": { "reason": reason } }))
}

/// Whether the round follows that property or link. Without `$select`: the default properties, and members of groups.
fn tracks(round: &Round, name: &str) -> bool {
    match &round.select {
        Some(names) => names.iter().any(|selected| selected == name),
        None => match name {
            "members" => round.kind == Kind::Group,
            _ => schema::find(round.kind, name).is_some_and(|property| property.default),
        },
    }
}

/// Whether the object is new to the client, or something that the round follows has changed.
fn is_told(round: &Round, entry: &Entry) -> bool {
    if entry.born > round.since {
        return true;
    }
    let property_changed = entry.versions.iter().any(|(name, changed)| *changed > round.since && tracks(round, name));
    property_changed || tracks(round, "members") && entry.links.values().any(|link| link.changed > round.since)
}

/// Links that one page tells of.
struct ToldLinks {
    links: Vec<(Guid, Link)>,
    /// The last link told, if there are more for the next page.
    rest: Option<(u64, Guid)>,
}

/// Links to tell of, oldest change first, as far as the page has room; and where to go on if it has not.
fn links_to_tell(group: &Entry, since: u64, behind: Option<(u64, Guid)>, room: &mut usize) -> ToldLinks {
    let mut links: Vec<(Guid, Link)> = group
        .links
        .iter()
        .filter(|(id, link)| link.changed > since && behind.is_none_or(|behind| (link.changed, **id) > behind))
        // A first round has nothing to take back.
        .filter(|(_, link)| link.present || since > 0)
        .map(|(id, link)| (*id, *link))
        .collect();
    links.sort_by_key(|(id, link)| (link.changed, *id));
    let rest = links.len() > *room;
    links.truncate(*room);
    *room -= links.len();
    let last = links.last().map(|(id, link)| (link.changed, *id)).or(behind).unwrap_or((since, Guid::default()));
    ToldLinks { links, rest: rest.then_some(last) }
}

fn row(cx: &Context<'_>, round: &Round, entry: &Entry, links: Option<Vec<(Guid, Link)>>) -> Map<String, Value> {
    let is_new = entry.born > round.since;
    let mut row = Map::new();
    row.insert("id".to_owned(), json!(entry.id));
    for name in told_properties(round, entry) {
        let is_change = entry.version_of(&name) > round.since;
        if !round.minimal || is_new || is_change {
            row.insert(name.clone(), cx.value_of(entry, &name));
        }
    }
    if tracks(round, "manager") && (is_new || !round.minimal || entry.version_of("manager") > round.since) {
        row.extend(manager_delta(cx, entry));
    }
    if let Some(links) = links.filter(|links| !links.is_empty()) {
        let links: Vec<Value> = links.iter().map(|(id, link)| link_delta(*id, link)).collect();
        row.insert("members@delta".to_owned(), Value::Array(links));
    }
    row
}

/// Followed properties that were ever set, in the order of the selection.
fn told_properties(round: &Round, entry: &Entry) -> Vec<String> {
    // A user always has identities: where none were seeded they follow from the sign-in name.
    let is_computed = |name: &str| name == "identities" && entry.kind == Kind::User;
    let ever_set = |name: &str| {
        (entry.properties.contains_key(name) || is_computed(name))
            && schema::is_tracked(entry.kind, name)
            && name != "id"
    };
    match &round.select {
        Some(names) => names.iter().filter(|name| ever_set(name)).cloned().collect(),
        None => {
            let defaults = entry.kind.properties().iter().filter(|property| property.default);
            defaults.map(|property| property.name.to_owned()).filter(|name| ever_set(name)).collect()
        }
    }
}

fn manager_delta(cx: &Context<'_>, entry: &Entry) -> Option<(String, Value)> {
    let typed = |id: Guid| {
        let kind = cx.directory.any(id).map_or(Kind::User, |manager| manager.kind);
        json!({ "@odata.type": kind.odata_type(), "id": id })
    };
    let told = match (entry.manager, entry.former_manager) {
        (Some(manager), _) => typed(manager),
        (None, Some(former)) => {
            let mut told = typed(former);
            told["@removed"] = json!({ "reason": "deleted" });
            told
        }
        (None, None) => return None,
    };
    Some(("manager@delta".to_owned(), json!([told])))
}

fn link_delta(id: Guid, link: &Link) -> Value {
    let mut told = json!({ "@odata.type": link.kind.odata_type(), "id": id });
    if !link.present {
        told["@removed"] = json!({ "reason": "deleted" });
    }
    told
}

/// A page with a nextLink.
fn page_with_more(cx: &Context<'_>, call: &Call, round: &Round, rows: Vec<Value>) -> Reply {
    let next = Round { minted: cx.now, ..round.clone() };
    reply(cx, call, round, rows, ("@odata.nextLink", "$skiptoken"), &next)
}

/// The last page of a round, with the link for the next round. A page never has both links.
fn last_page(cx: &Context<'_>, call: &Call, round: &Round, rows: Vec<Value>) -> Reply {
    let since = round.held.map_or(cx.directory.change_number(), |held| held - 1);
    let next = Round { minted: cx.now, since, at: since, held: None, group: None, minimal: false, ..round.clone() };
    reply(cx, call, round, rows, ("@odata.deltaLink", "$deltatoken"), &next)
}

fn reply(
    cx: &Context<'_>,
    call: &Call,
    round: &Round,
    rows: Vec<Value>,
    (link_name, token_name): (&str, &str),
    next: &Round,
) -> Reply {
    let url = link(cx, call.path(), &[(token_name.to_owned(), seal(next))]);
    let context = format!("{}$metadata#{}", cx.graph_url, round.kind.set());
    let mut body = Map::new();
    body.insert("@odata.context".to_owned(), json!(context));
    body.insert(link_name.to_owned(), json!(url));
    body.insert("value".to_owned(), Value::Array(rows));
    let reply = Reply::ok(Value::Object(body));
    if round.minimal { reply.with_header("preference-applied", "return=minimal") } else { reply }
}
