//! Reads single objects whole, for the engine's `need-full-object` (R70): users with their manager, groups with all
//! members, contacts, deleted users. An id that is none of these is not there.

use crate::client::{GraphClient, Reply};
use crate::delta::read_from_bin;
use crate::import::whole_object;
use crate::model::{self, Entry, Page};
use crate::pages::Pages;
use crate::schema::{CONTACT, Class, GROUP, USER};
use crate::throttle::Patience;
use crate::urls;
use connector_contract::{ConnectorError, ErrorKind, ImportItem};
use metaverse_schema::Values;
use serde_json::Value;
use std::time::Duration;

/// Looks again at an id that nothing knows: a fresh object may be 404 on another replica (A.2). Short, as the id may
/// just as well be gone.
const LOOKS: u32 = 3;
const LONGEST_LOOK: Duration = Duration::from_secs(4);

/// One item for each id that exists.
pub(crate) async fn read_objects(graph: &GraphClient, ids: &[String]) -> Result<Vec<ImportItem>, ConnectorError> {
    let mut open: Vec<String> = ids.to_vec();
    let mut items = Vec::new();
    let mut patience = Patience::new(graph.settings());
    for look in 0..LOOKS {
        if open.is_empty() {
            break;
        }
        if look > 0 {
            match patience.unseen() {
                Some(pause) => tokio::time::sleep(pause.min(LONGEST_LOOK)).await,
                None => break,
            }
        }
        open = read_once(graph, open, &mut items).await?;
    }
    Ok(items)
}

/// One look at every class; the ids that are in none.
async fn read_once(
    graph: &GraphClient,
    mut open: Vec<String>,
    items: &mut Vec<ImportItem>,
) -> Result<Vec<String>, ConnectorError> {
    for class in [USER, GROUP, CONTACT] {
        if open.is_empty() || (class.name == CONTACT.name && !graph.settings().contacts) {
            continue;
        }
        let select = class.select_properties();
        let paths = open.iter().map(|id| urls::object_selecting(class, id, &select)).collect();
        let attempted = format!("reading single {}", class.collection);
        let bodies = graph.find_all(paths, &attempted, class.right).await?;
        let mut missing = Vec::new();
        let mut found = Vec::new();
        for (id, body) in open.into_iter().zip(bodies) {
            match body {
                Some(Value::Object(entry)) => found.push((id, entry)),
                Some(_) => return Err(ConnectorError::new(ErrorKind::Protocol, attempted, "not an object", "")),
                None => missing.push(id),
            }
        }
        items.extend(with_links(graph, class, found).await?);
        open = missing;
    }
    if open.is_empty() {
        return Ok(open);
    }
    let mut bin = read_from_bin(graph, &open).await?;
    open.retain(|id| match bin.remove(id) {
        Some(item) => {
            items.push(item);
            false
        }
        None => true,
    });
    Ok(open)
}

async fn with_links(
    graph: &GraphClient,
    class: &'static Class,
    found: Vec<(String, Entry)>,
) -> Result<Vec<ImportItem>, ConnectorError> {
    let links: Vec<Values> = match class.name {
        name if name == USER.name => managers(graph, &found).await?,
        name if name == GROUP.name => members(graph, &found).await?,
        _ => vec![Values::default(); found.len()],
    };
    let whole = |((_, entry), links): ((String, Entry), Values)| match whole_object(class, &entry) {
        Ok(mut object) => {
            if let Some(link) = &class.link {
                object.attributes.set(link.attribute, links);
            }
            ImportItem::Object(object)
        }
        Err(issue) => ImportItem::Unreadable(issue),
    };
    Ok(found.into_iter().zip(links).map(whole).collect())
}

/// A user without manager answers 404 (A.3).
async fn managers(graph: &GraphClient, users: &[(String, Entry)]) -> Result<Vec<Values>, ConnectorError> {
    let paths = users.iter().map(|(id, _)| urls::manager(id)).collect();
    let bodies = graph.find_all(paths, "reading managers", USER.right).await?;
    let value = |body: Option<Value>| {
        let id = body.as_ref().and_then(|body| body.get("id")).and_then(Value::as_str);
        id.map(|id| Values::single(model::reference(id))).unwrap_or_default()
    };
    Ok(bodies.into_iter().map(value).collect())
}

/// All members of each group: first pages in batches, the rest page by page.
async fn members(graph: &GraphClient, groups: &[(String, Entry)]) -> Result<Vec<Values>, ConnectorError> {
    let attempted = "reading members";
    let paths = groups.iter().map(|(id, _)| urls::members(id)).collect();
    let bodies = graph.find_all(paths, attempted, "GroupMember.Read.All").await?;
    let mut all = Vec::with_capacity(groups.len());
    for body in bodies {
        let mut values = Vec::new();
        if let Some(body) = body {
            let reply = Reply { status: 200, retry_after: None, body: Some(body), token_generation: 0 };
            let base = &graph.settings().graph_url;
            let first = Page::read(reply, base, false, attempted, "GroupMember.Read.All")?;
            let mut rest = Pages::continued(graph, first.next.clone(), attempted, "GroupMember.Read.All");
            let mut page = Some(first);
            while let Some(current) = page {
                values.extend(current.entries.iter().filter_map(model::id).map(model::reference));
                page = rest.next().await?;
            }
        }
        all.push(values.into_iter().collect());
    }
    Ok(all)
}

/// The ids of all members of one group.
pub(crate) async fn member_ids(graph: &GraphClient, group: &str) -> Result<Vec<String>, ConnectorError> {
    let mut pages = Pages::collection(graph, &urls::members(group), "reading members", "GroupMember.Read.All")?;
    let mut ids = Vec::new();
    while let Some(page) = pages.next().await? {
        ids.extend(page.entries.iter().filter_map(model::id).map(str::to_owned));
    }
    Ok(ids)
}
