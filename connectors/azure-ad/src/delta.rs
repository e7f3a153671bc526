//! Delta import: what changed since the watermark. An entry changes what it names and nothing else: absence from a
//! delta is not evidence (SF15). Never obsoletes.

use crate::client::GraphClient;
use crate::import::whole_object;
use crate::model::{self, Entry, Page, Standing};
use crate::pages::Pages;
use crate::schema::{CONTACT, Class, DELETED_USER, GROUP, USER};
use crate::tenant;
use crate::urls;
use crate::watermark::Mark;
use connector_contract::{
    Absence, ConnectorError, DeletionCause, ImportEnd, ImportItem, ImportPage, ImportSink, ImportedChange, ObjectIssue,
    Watermark,
};
use jiff::Timestamp;
use metaverse_schema::{Anchor, ObjectType};
use reqwest::Url;
use std::collections::HashMap;

pub(crate) async fn import_delta(
    graph: &GraphClient,
    since: &Watermark,
    sink: ImportSink,
) -> Result<ImportEnd, ConnectorError> {
    let mark = Mark::read(since)?;
    let tenant = tenant::read(graph).await?;
    mark.fits(graph, &tenant)?;
    let mut notes = tenant.notes(Some(&mark.domains), Timestamp::now());
    notes.extend(tenant::clock(graph)?);

    // The first page of every round is asked for before anything is handed over: a token that is gone ends the step
    // with nothing staged (F.21).
    let mut rounds: Vec<(&'static Class, Pages<'_>, Option<Page>)> = Vec::new();
    for class in [USER, GROUP, CONTACT] {
        if let Some(link) = mark.link(graph, class)? {
            let mut pages = Pages::next_round(graph, class, link);
            let first = pages.next().await?;
            rounds.push((class, pages, first));
        }
    }
    let mut links: HashMap<&'static str, Url> = HashMap::new();
    for (class, mut pages, mut page) in rounds {
        while let Some(current) = page {
            let items = read_page(graph, class, current.entries).await?;
            sink.send(ImportPage { items }).await?;
            page = pages.next().await?;
        }
        links.insert(class.name, pages.ended()?);
    }
    let link = |class: &Class| {
        links.get(class.name).ok_or_else(|| {
            let message = "a round is missing from the watermark";
            ConnectorError::new(connector_contract::ErrorKind::FullImportRequired, "reading changes", message, "")
        })
    };
    let mark = Mark::new(graph, &tenant, link(USER)?, link(GROUP)?, links.get(CONTACT.name))?;
    Ok(ImportEnd {
        watermark: Some(mark.to_watermark()?),
        filtered_objects: 0,
        filtered_deletions: 0,
        notes,
        absence: Absence::Deleted,
    })
}

async fn read_page(
    graph: &GraphClient,
    class: &'static Class,
    entries: Vec<Entry>,
) -> Result<Vec<ImportItem>, ConnectorError> {
    let removed = |entry: &&Entry| class.name == USER.name && model::standing(entry) == Standing::SoftDeleted;
    let ids: Vec<String> = entries.iter().filter(removed).filter_map(model::id).map(str::to_owned).collect();
    let mut bin = read_from_bin(graph, &ids).await?;
    let items = entries.iter().map(|entry| {
        let anchor = match model::anchor(class, entry) {
            Ok(anchor) => anchor,
            Err(issue) => return ImportItem::Unreadable(issue),
        };
        match model::standing(entry) {
            Standing::Present => changed(class, anchor, entry).unwrap_or_else(ImportItem::Unreadable),
            // In the bin it stays the same object, as a deleted user that can be restored (SF9).
            Standing::SoftDeleted if class.name == USER.name => bin
                .remove(&anchor.to_string())
                .unwrap_or(ImportItem::Deleted { anchor, cause: DeletionCause::DeletedInSource }),
            Standing::SoftDeleted | Standing::Gone => {
                ImportItem::Deleted { anchor, cause: DeletionCause::DeletedInSource }
            }
        }
    });
    Ok(items.collect())
}

fn changed(class: &'static Class, anchor: Anchor, entry: &Entry) -> Result<ImportItem, ObjectIssue> {
    let mut changes = model::changes(class, entry)?;
    if let Some(links) = model::link_changes(class, entry)? {
        model::link_delta(class, &links, &mut changes);
    }
    Ok(ImportItem::Change(ImportedChange {
        anchor,
        object_type: ObjectType::new(class.name),
        place: None,
        changes,
        // Without `Prefer: return=minimal` an entry repeats whatever was ever set (A.6); relationships alone name no property.
        whole_if_new: entry.contains_key(class.always),
    }))
}

/// The deleted users of these ids that are in the bin.
pub(crate) async fn read_from_bin(
    graph: &GraphClient,
    ids: &[String],
) -> Result<HashMap<String, ImportItem>, ConnectorError> {
    let select = DELETED_USER.select_properties();
    let paths = ids.iter().map(|id| urls::deleted_user(id, &select)).collect();
    let found = graph.find_all(paths, "reading deleted users", DELETED_USER.right).await?;
    let items = ids.iter().zip(found).filter_map(|(id, body)| {
        let body = body?;
        let item = match body.as_object().map(|entry| whole_object(DELETED_USER, entry)) {
            Some(Ok(object)) => ImportItem::Object(object),
            Some(Err(issue)) => ImportItem::Unreadable(issue),
            None => return None,
        };
        Some((id.clone(), item))
    });
    Ok(items.collect())
}
