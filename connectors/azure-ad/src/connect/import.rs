//! Imports in Connect mode: what Graph tells, completed with what only ReadBack tells. The watermark continues both. A
//! reading that breaks on either side ends the import and obsoletes nothing (SF15).

use super::guard::without_own_writes;
use super::overlay::{Overlays, Reading, add_to_change, change, is_anchored};
use super::service::Service;
use crate::client::GraphClient;
use crate::provisioning::SYNCHRONISATION_OFF;
use crate::schema::Class;
use crate::watermark::Mark;
use crate::{delta, import, objects};
use connector_contract::{
    ConnectorError, ErrorKind, FullImport, ImportEnd, ImportItem, ImportNote, ImportPage, ImportSink, Watermark,
};
use metaverse_schema::Anchor;
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Changes handed over in one page.
const CHANGES_PER_PAGE: usize = 1_000;

/// SF25: a tenant whose synchronisation is off reads nothing back, and imports go on: Graph tells what it always tells. `cookie`
/// is where a later reading continues; without one it reads everything.
fn unless_off(
    reading: Result<Reading, ConnectorError>,
    cookie: Option<String>,
) -> Result<(Reading, Option<ImportNote>), ConnectorError> {
    match reading {
        Err(error) if error.kind == (ErrorKind::CannotStart { status: SYNCHRONISATION_OFF }) => {
            let message = "directory synchronisation is off in this tenant: what only the provisioning service tells (the anchors of \
                           groups and contacts) was not read";
            let note = ImportNote { code: "synchronisation-off", message: message.to_owned() };
            Ok((Reading { overlays: BTreeMap::new(), cookie }, Some(note)))
        }
        other => Ok((other?, None)),
    }
}

fn noted(mut end: ImportEnd, note: Option<ImportNote>) -> ImportEnd {
    end.notes.extend(note);
    end
}

/// What ReadBack told lately. A whole reading replaces it, deltas add to it; single reads look here first.
#[derive(Debug, Default)]
pub(crate) struct Known {
    overlays: Mutex<Overlays>,
}

impl Known {
    fn locked(&self) -> MutexGuard<'_, Overlays> {
        self.overlays.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) async fn import_full(
    graph: &GraphClient,
    service: &dyn Service,
    known: &Known,
    request: FullImport,
    sink: ImportSink,
) -> Result<ImportEnd, ConnectorError> {
    // Before Graph's objects: what changes in between, the next delta tells.
    let (reading, note) = unless_off(Reading::whole(service).await, None)?;
    let mut overlays = Overlays::default();
    reading.overlays.into_iter().for_each(|(id, overlay)| overlays.insert(id, overlay));
    *known.locked() = overlays;
    let complete = |item: &mut ImportItem| known.locked().lay_over(item);
    let end = overlaid(complete, sink, |sink| import::import_full(graph, request, sink)).await?;
    without_own_writes(noted(continued(end, reading.cookie)?, note), graph, service).await
}

pub(crate) async fn import_delta(
    graph: &GraphClient,
    service: &dyn Service,
    known: &Known,
    since: &Watermark,
    sink: ImportSink,
) -> Result<ImportEnd, ConnectorError> {
    let cookie = Mark::read(since)?.read_back.ok_or_else(|| {
        let message = "the watermark was made in Graph mode, or the service gave no place to continue from";
        ConnectorError::new(ErrorKind::FullImportRequired, "reading changes", message, "run a full import")
    })?;
    let (reading, note) = unless_off(Reading::since(service, &cookie).await, Some(cookie))?;
    for (id, overlay) in &reading.overlays {
        known.locked().insert(*id, overlay.clone());
    }
    // What Graph tells of the same object takes it along: told in two items, the first would contradict what was exported.
    let told = Mutex::new(reading.overlays);
    let complete = |item: &mut ImportItem| {
        known.locked().lay_over(item);
        add_to_change(item, &mut told.lock().unwrap_or_else(PoisonError::into_inner));
    };
    let end = overlaid(complete, sink.clone(), |sink| delta::import_delta(graph, since, sink)).await?;
    let left = told.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut items: Vec<ImportItem> = left.iter().filter_map(|(id, overlay)| change(*id, overlay)).collect();
    while !items.is_empty() {
        let rest = items.split_off(items.len().min(CHANGES_PER_PAGE));
        sink.send(ImportPage { items: std::mem::replace(&mut items, rest) }).await?;
    }
    without_own_writes(noted(continued(end, reading.cookie)?, note), graph, service).await
}

/// Whole objects. An object whose class has an anchor that nobody has told lately costs a reading of all of them: only
/// after a restart in the middle of things.
pub(crate) async fn read_objects(
    graph: &GraphClient,
    service: &dyn Service,
    known: &Known,
    anchors: &[Anchor],
) -> Result<Vec<ImportItem>, ConnectorError> {
    let ids: Vec<String> = anchors.iter().map(Anchor::to_string).collect();
    let mut items = objects::read_objects(graph, &ids).await?;
    if items.iter().any(|item| lacks_its_anchor(item, &known.locked())) {
        let (reading, _) = unless_off(Reading::whole(service).await, None)?;
        let mut overlays = known.locked();
        reading.overlays.into_iter().for_each(|(id, overlay)| overlays.insert(id, overlay));
    }
    let overlays = known.locked();
    items.iter_mut().for_each(|item| overlays.lay_over(item));
    Ok(items)
}

/// A synchronised group or contact of which nothing is known.
fn lacks_its_anchor(item: &ImportItem, overlays: &Overlays) -> bool {
    let ImportItem::Object(object) = item else { return false };
    let anchored = Class::named(object.object_type.as_str()).is_some_and(is_anchored);
    let synced = object.attributes.first(crate::schema::SYNC_ENABLED) == Some(&metaverse_schema::Value::Boolean(true));
    anchored && synced && !overlays.knows(&object.anchor)
}

/// Runs an import whose items are completed on their way.
async fn overlaid<C, F, R>(complete: C, sink: ImportSink, import: F) -> Result<ImportEnd, ConnectorError>
where
    C: Fn(&mut ImportItem),
    F: FnOnce(ImportSink) -> R,
    R: Future<Output = Result<ImportEnd, ConnectorError>>,
{
    let (inner, mut pages) = ImportSink::new(1);
    let forward = async move {
        while let Some(mut page) = pages.recv().await {
            page.items.iter_mut().for_each(&complete);
            sink.send(page).await?;
        }
        Ok(())
    };
    let (end, forwarded) = tokio::join!(import(inner), forward);
    forwarded?;
    end
}

/// The end of the import, its watermark continued by ReadBack's cookie.
fn continued(end: ImportEnd, cookie: Option<String>) -> Result<ImportEnd, ConnectorError> {
    let watermark = match &end.watermark {
        Some(watermark) => Some(Mark::read(watermark)?.continued_by(cookie).to_watermark()?),
        None => None,
    };
    Ok(ImportEnd { watermark, ..end })
}

/// The group or contact that carries this source anchor, read from the service.
pub(crate) async fn find_anchored(
    service: &dyn Service,
    known: &Known,
    kind: crate::provisioning::SyncKind,
    source_anchor: &str,
) -> Result<Option<Anchor>, ConnectorError> {
    let reading = Reading::whole(service).await?;
    let mut overlays = known.locked();
    reading.overlays.into_iter().for_each(|(id, overlay)| overlays.insert(id, overlay));
    Ok(overlays.holder(kind, source_anchor).map(|id| Anchor::Text(id.to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SF25: a tenant whose synchronisation is off does not end an import, and the next one continues where this one stood; any
    /// other refusal ends it.
    #[test]
    fn sf25_a_tenant_that_is_off_is_read_over_graph_alone() {
        let refused = |kind| Err(ConnectorError::new(kind, "reading", "no", ""));
        let off = ErrorKind::CannotStart { status: SYNCHRONISATION_OFF };
        let (reading, note) = unless_off(refused(off), Some("7".to_owned())).unwrap();
        assert_eq!((reading.overlays.len(), reading.cookie.as_deref()), (0, Some("7")));
        assert_eq!(note.unwrap().code, "synchronisation-off");
        assert!(unless_off(refused(ErrorKind::Protocol), None).is_err());
        let (_, note) = unless_off(Ok(Reading::default()), Some("7".to_owned())).unwrap();
        assert!(note.is_none());
    }
}
