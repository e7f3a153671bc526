//! Import steps: a reader fills a bounded channel, the engine stages page after page. Decides whether what was read may
//! obsolete what was not seen (R7, SF15). Touches no metaverse object and sends nothing.

use crate::engine::{Engine, Limits};
use crate::places::reads_dn;
use crate::report::ErrorNote;
use crate::status;
use crate::step::{End, StepRun, count};
use crate::text::counted;
use connector_contract::{
    Absence, Connector, ConnectorError, DeletionCause, ErrorKind, FullImport, Held, HeldSoon, ImportEnd, ImportItem,
    ImportPage, ImportSink, ObjectIssue, Print, Watermark,
};
use metaverse_schema::{Anchor, ConnectorSchema};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use sync_kernel::planted::{Fault, is_planted};
use sync_kernel::{CsId, DeleteCause};
use sync_store::{
    ErrorPhase, FinishImport, HeldPrints, ImportMode, ImportSession, NeverSyncGroup, OwnAccountFact, Problem,
    StagedChange, StagedItem, StagedObject, StagedPlace, StagingCounters, StoreError,
};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Codes of discovery errors that this module raises itself (R69).
const NEED_FULL_OBJECT: &str = "need-full-object";

/// What an import step is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Full,
    Delta,
}

/// How an import came out, beside its end: what a combined step has to synchronise (R11).
pub(crate) struct Imported {
    pub(crate) end: End,
    pub(crate) touched: BTreeSet<CsId>,
}

impl From<End> for Imported {
    fn from(end: End) -> Self {
        Imported { end, touched: BTreeSet::new() }
    }
}

/// A failure that ends an import: of the connected system, or of the store.
enum Failure {
    Connector(ConnectorError),
    Store(StoreError),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Failure::Store(error)
    }
}

impl From<ConnectorError> for Failure {
    fn from(error: ConnectorError) -> Self {
        Failure::Connector(error)
    }
}

/// An import under way.
struct Incoming {
    session: ImportSession,
    /// Objects that came in, changed or not, where a combined step wants to know them (R11).
    touched: Option<BTreeSet<CsId>>,
}

/// What the reading loop came to.
struct Read {
    end: Result<ImportEnd, ConnectorError>,
    stopped: Option<End>,
}

impl Engine {
    /// `accept_shrunken`: the operator says that the system really holds so little.
    pub(crate) async fn import(
        &mut self,
        step: &mut StepRun,
        kind: Kind,
        accept_shrunken: bool,
        keep_touched: bool,
    ) -> Result<Imported, StoreError> {
        let Some(connector) = self.connectors.get(&step.connector).cloned() else {
            return Ok(End::because(status::STOPPED_NOT_IMPLEMENTED, "the connector is not configured", "").into());
        };
        let schema = match self.prepare(step, connector.as_ref()).await {
            Ok(schema) => schema,
            Err(Failure::Connector(error)) => return Ok(End::from(&error).into()),
            Err(Failure::Store(error)) => return Err(error),
        };
        let watermark = self.store.watermark(&step.connector)?.map(Watermark);
        let since = match kind {
            Kind::Full => None,
            Kind::Delta => match self.delta_start(step, connector.as_ref(), watermark.clone())? {
                Ok(since) => Some(since),
                Err(end) => return Ok(end.into()),
            },
        };
        let mode = if kind == Kind::Full { ImportMode::Full } else { ImportMode::Delta };
        let mut session = self.store.begin_import(&step.connector, mode, &schema, Some(step.id))?;
        if reads_dn(&self.rules, &step.connector) {
            session.follow_containers();
        }
        let (promise, held) = match kind {
            Kind::Full if connector.makes_prints() => {
                let (promise, held) = HeldSoon::promised();
                (Some(promise), held)
            }
            Kind::Full | Kind::Delta => (None, HeldSoon::default()),
        };
        let (sink, pages) = ImportSink::new(self.limits.import_pages);
        let reader = start_reader(Arc::clone(&connector), FullImport { previous: watermark, held }, since, sink);
        // While the reader begins.
        if let Some(promise) = promise {
            promise.keep(Held::of(Arc::new(Prints(self.store.hold_prints(&mut session)?))));
        }
        // What a full import is measured against (SF15). A delta is not: the space need not be counted.
        let held_before = if kind == Kind::Full { self.store.imported_count(&step.connector)? } else { 0 };
        let mut incoming = Incoming { session, touched: keep_touched.then(BTreeSet::new) };
        let total = (kind == Kind::Full && held_before > 0).then_some(held_before);
        let read = self.read(step, connector.as_ref(), &mut incoming, pages, reader, total).await;
        let read = match read {
            Ok(read) => read,
            Err(Failure::Store(error)) => return Err(error),
            Err(Failure::Connector(error)) => Read { end: Err(error), stopped: None },
        };
        let Incoming { session, touched, .. } = incoming;
        copy_counters(step, session.counters());
        let end = match (read.stopped, read.end) {
            (Some(end), _) => end,
            (None, Err(error)) => self.broken(step, &error)?,
            (None, Ok(end)) => self.finish(step, kind, session, end, held_before, accept_shrunken)?,
        };
        Ok(Imported { end, touched: touched.unwrap_or_default() })
    }

    /// What must be known before the first object is staged: the schema, the own accounts and the never-sync groups (SF20).
    async fn prepare(&mut self, step: &mut StepRun, connector: &dyn Connector) -> Result<ConnectorSchema, Failure> {
        let schema = connector.schema().await?;
        let change = self.store.save_schema(&step.connector, &schema)?;
        if !change.kinds_changed.is_empty() {
            let names = crate::engine::listed(change.kinds_changed.iter().map(|name| name.as_str()));
            step.note("schema-changed", format!("the kind of {names} changed; a full import is required"));
        }
        let accounts: Vec<OwnAccountFact> = connector
            .own_accounts()
            .await?
            .into_iter()
            .map(|account| OwnAccountFact { attribute: account.attribute, value: account.value, name: account.name })
            .collect();
        self.store.save_own_accounts(&step.connector, &accounts)?;
        self.store.set_never_sync_groups(&self.never_sync_groups())?;
        Ok(schema)
    }

    /// Where a delta import continues, or why it cannot (R5).
    fn delta_start(
        &mut self,
        step: &StepRun,
        connector: &dyn Connector,
        watermark: Option<Watermark>,
    ) -> Result<Result<Watermark, End>, StoreError> {
        let full = "run a full import; a cycle does so by itself";
        if connector.delta_import().is_none() {
            let message = "this connector reads no changes, only everything";
            return Ok(Err(End::because(status::STOPPED_NOT_IMPLEMENTED, message, full)));
        }
        if let Some(reason) = self.store.requirements(&step.connector)?.full_import {
            return Ok(Err(End::because(status::NO_START_FULL_IMPORT_REQUIRED, reason, full)));
        }
        Ok(watermark.ok_or_else(|| {
            End::because(status::NO_START_FULL_IMPORT_REQUIRED, "no import has left a place to continue from", full)
        }))
    }

    /// Stages pages until the stream ends, breaks, or somebody stops it.
    async fn read(
        &mut self,
        step: &mut StepRun,
        connector: &dyn Connector,
        incoming: &mut Incoming,
        pages: mpsc::Receiver<ImportPage>,
        reader: AbortOnDrop,
        total: Option<u64>,
    ) -> Result<Read, Failure> {
        let limit = status::error_limit(self.deployment.error_limit);
        let mut pages = gathered(pages, self.limits.clone());
        loop {
            let items = tokio::select! {
                biased;
                () = self.stop.stopped() => {
                    return Ok(Read { end: Err(ConnectorError::cancelled("importing")), stopped: Some(End::by_operator()) });
                }
                items = pages.recv() => items,
            };
            let Some(items) = items else { break };
            #[cfg(feature = "fail-points")]
            fail::fail_point!("import-page");
            self.stage(step, connector, incoming, items).await?;
            step.report.processed = incoming.session.seen();
            step.progress("reading", step.report.processed, total);
            if step.report.errors > limit {
                return Ok(Read {
                    end: Err(ConnectorError::cancelled("importing")),
                    stopped: Some(End::over_the_error_limit(step.report.errors)),
                });
            }
        }
        Ok(Read { end: reader.outcome().await, stopped: None })
    }

    /// Stages one page, and reads whole those objects of which only a change arrived (R70).
    async fn stage(
        &mut self,
        step: &mut StepRun,
        connector: &dyn Connector,
        incoming: &mut Incoming,
        items: Vec<ImportItem>,
    ) -> Result<(), Failure> {
        let mut wanted = self.stage_items(step, incoming, items)?;
        // Several changes of one object ask for it once.
        let mut asked = BTreeSet::new();
        wanted.retain(|anchor| asked.insert(anchor.clone()));
        let mut whole = Vec::new();
        for anchors in wanted.chunks(self.limits.full_objects.max(1)) {
            let Some(reader) = connector.object_reader() else {
                for anchor in anchors {
                    let issue = ObjectIssue {
                        code: NEED_FULL_OBJECT,
                        object: anchor.to_string(),
                        anchor: Some(anchor.clone()),
                        message: "a change arrived for an object that was never imported, and this connector cannot \
                                  read single objects"
                            .into(),
                    };
                    self.discovery_error(step, issue)?;
                }
                continue;
            };
            // An anchor that comes back without an item is not in scope any more: nothing to stage.
            whole.extend(reader.read_objects(anchors).await?);
        }
        if whole.is_empty() {
            return Ok(());
        }
        for anchor in self.stage_items(step, incoming, whole)? {
            let issue = ObjectIssue {
                code: NEED_FULL_OBJECT,
                object: anchor.to_string(),
                anchor: Some(anchor),
                message: "the connector answered the request for a whole object with a change".into(),
            };
            self.discovery_error(step, issue)?;
        }
        Ok(())
    }

    fn stage_items(
        &mut self,
        step: &mut StepRun,
        incoming: &mut Incoming,
        items: Vec<ImportItem>,
    ) -> Result<Vec<Anchor>, StoreError> {
        let anchors: Vec<Anchor> = match &incoming.touched {
            Some(_) => items.iter().filter_map(anchor_of).cloned().collect(),
            None => Vec::new(),
        };
        let mut staged = Vec::with_capacity(items.len());
        for item in items {
            match staged_item(item) {
                Ok(item) => staged.push(item),
                Err(issue) => self.discovery_error(step, issue)?,
            }
        }
        let page = self.store.stage_page(&mut incoming.session, staged, step.now)?;
        // The store has these in the history already.
        for issue in page.issues {
            step.object_error(ErrorNote {
                code: issue.code.to_owned(),
                object: issue.object,
                message: issue.message,
                attribute: None,
            });
        }
        if let Some(touched) = &mut incoming.touched {
            for anchor in anchors {
                touched.extend(self.store.find_object(&step.connector, &anchor.to_string())?);
            }
        }
        copy_counters(step, incoming.session.counters());
        Ok(page.need_full_object)
    }

    /// Into the history, by the name the connected system gives it: there may be no object of ours.
    fn discovery_error(&mut self, step: &mut StepRun, issue: ObjectIssue) -> Result<(), StoreError> {
        let name = match &issue.anchor {
            Some(anchor) if anchor.to_string() != issue.object => format!("{} ({anchor})", issue.object),
            _ => issue.object.clone(),
        };
        let problem = Problem::new(issue.code, issue.message.as_str());
        self.store.record_step_error(step.id, &name, ErrorPhase::Import, &problem, step.now)?;
        step.object_error(ErrorNote {
            code: issue.code.to_owned(),
            object: issue.object,
            message: issue.message,
            attribute: None,
        });
        Ok(())
    }

    /// The stream broke: committed pages stay, nothing is obsoleted, the watermark stays where it was (SF15, R8).
    fn broken(&mut self, step: &mut StepRun, error: &ConnectorError) -> Result<End, StoreError> {
        if error.kind == ErrorKind::FullImportRequired {
            self.store.require_full_import(&step.connector, &error.message)?;
        }
        if error.kind == ErrorKind::Cancelled && self.stop.is_stopped() {
            return Ok(End::by_operator());
        }
        Ok(End::from(error))
    }

    /// The last page was reached. Whether what was not seen is gone depends on how well everything was read.
    fn finish(
        &mut self,
        step: &mut StepRun,
        kind: Kind,
        session: ImportSession,
        end: ImportEnd,
        held_before: u64,
        accept_shrunken: bool,
    ) -> Result<End, StoreError> {
        for note in end.notes {
            step.note(note.code, note.message);
        }
        let (seen, errors) = (session.seen(), step.report.errors);
        let clean = errors == 0;
        let is_measured = kind == Kind::Full && clean && !accept_shrunken;
        if let Some(refused) = self.shrunken(seen, held_before).filter(|_| is_measured) {
            return Ok(refused);
        }
        #[cfg(feature = "fail-points")]
        fail::fail_point!("import-end");
        let summary = self.store.finish_import(
            session,
            FinishImport {
                obsolete: kind == Kind::Full && (clean || is_planted(Fault::ObsoleteAfterErrors)),
                absence: match end.absence {
                    Absence::Deleted => DeleteCause::DeletedInSource,
                    Absence::OutOfSight => DeleteCause::NotSeen,
                },
                cleanup: clean,
                watermark: end
                    .watermark
                    .filter(|_| clean || is_planted(Fault::MoveWatermarkEarly))
                    .map(|watermark| watermark.0),
            },
            step.now,
        )?;
        copy_counters(step, &summary.counters);
        // What the connector itself left out, beside what the store did (R33).
        count(&mut step.report.staging, "filtered-objects", end.filtered_objects);
        count(&mut step.report.staging, "filtered-deletions", end.filtered_deletions);
        self.resolve_never_sync_groups(step)?;
        self.name_missing_groups(step)?;
        if summary.contradictions > 0 {
            step.note(
                "exported-change-not-reimported",
                counted(
                    summary.contradictions,
                    "exported value came back as something else and is held (`metasync pending`)",
                    "exported values came back as something else and are held (`metasync pending`)",
                ),
            );
        }
        Ok(if !clean {
            End::because(
                status::COMPLETED_DISCOVERY_ERRORS,
                format!(
                    "{} could not be read; nothing was obsoleted and the next import starts where this one did",
                    counted(errors, "object", "objects")
                ),
                "correct them in the connected system and import again",
            )
        } else if kind == Kind::Full && seen == 0 {
            End::with(status::COMPLETED_NO_OBJECTS)
        } else if summary.transient > 0 {
            End::because(
                status::COMPLETED_TRANSIENT_OBJECTS,
                counted(
                    summary.transient,
                    "object lost its place to another one and waits for its own import",
                    "objects lost their place to another one and wait for their own import",
                ),
                "",
            )
        } else if summary.contradictions > 0 {
            End::with(status::COMPLETED_WARNINGS)
        } else {
            End::with(status::SUCCESS)
        })
    }

    /// SF15: an empty or far too short read deletes nothing. Returns why it is refused.
    fn shrunken(&self, seen: u64, held_before: u64) -> Option<End> {
        let remedy = "look at the connected system and at the rights of the account that reads it; if it really holds so \
                      little, import again with --accept-shrunken-read";
        if seen == 0 && held_before > 0 {
            return Some(End::because(
                status::COMPLETED_NO_OBJECTS,
                format!(
                    "the connected system returned nothing, and {held_before} objects were known; nothing was deleted"
                ),
                remedy,
            ));
        }
        let enough = held_before.saturating_mul(self.limits.shrunken_percent) / 100;
        (held_before > self.limits.shrunken_objects && seen < enough).then(|| {
            End::because(
                status::STOPPED_SHRUNKEN_READ,
                format!(
                    "the connected system returned {seen} objects, and {held_before} were known (limit {}%); nothing was deleted",
                    self.limits.shrunken_percent
                ),
                remedy,
            )
        })
    }

    /// SF20: chosen groups and their members, direct and nested. A group that was not imported yet protects nobody, so
    /// it is said.
    fn resolve_never_sync_groups(&mut self, step: &mut StepRun) -> Result<(), StoreError> {
        let groups = self.never_sync_groups();
        for group in self.store.set_never_sync_groups(&groups)? {
            if group.connector == step.connector {
                step.note(
                    "never-sync-group-not-found",
                    format!("the never-sync group `{}` was not imported; its members are not protected", group.group),
                );
            }
        }
        Ok(())
    }

    /// S8: a group that a scope clause names and that is not there has no members, so it is said.
    fn name_missing_groups(&self, step: &mut StepRun) -> Result<(), StoreError> {
        for missing in self.store.watched_groups_missing()? {
            if missing.connector == step.connector {
                let message =
                    format!("the group `{}` of a scope clause was not imported; nobody is its member", missing.group);
                step.note("scope-group-not-found", message);
            }
        }
        Ok(())
    }

    fn never_sync_groups(&self) -> Vec<NeverSyncGroup> {
        self.deployment
            .never_sync_groups
            .iter()
            .map(|(connector, group)| NeverSyncGroup {
                connector: connector.clone(),
                group: group.clone(),
                attribute: self.rules.member_attribute(connector).to_string(),
            })
            .collect()
    }
}

/// What a reader reads, in pages as they are staged. They are gathered by a task of their own: while the store is at work, the
/// reader goes on, however small its pages are.
fn gathered(mut pages: mpsc::Receiver<ImportPage>, limits: Limits) -> mpsc::Receiver<Vec<ImportItem>> {
    let (staging, gathered) = mpsc::channel(1);
    tokio::spawn(async move {
        while let Some(page) = pages.recv().await {
            let items = gather(page.items, &mut pages, &limits).await;
            if staging.send(items).await.is_err() {
                // Nobody stages any more.
                return;
            }
        }
    });
    gathered
}

/// Small pages that follow one another soon become one: a transaction writes the same pages of the indexes anew, however few
/// objects it holds.
async fn gather(
    mut items: Vec<ImportItem>,
    pages: &mut mpsc::Receiver<ImportPage>,
    limits: &Limits,
) -> Vec<ImportItem> {
    let end = tokio::time::Instant::now() + Duration::from_millis(limits.gather_ms);
    while items.len() < limits.gather_items {
        match tokio::time::timeout_at(end, pages.recv()).await {
            Ok(Some(page)) => items.extend(page.items),
            // The caller sees the end of the stream again.
            Ok(None) | Err(_) => break,
        }
    }
    items
}

/// The prints that the store holds, as a connector asks for them.
struct Prints(Arc<HeldPrints>);

impl connector_contract::HeldPrints for Prints {
    fn holds(&self, print: &Print) -> bool {
        self.0.holds(&print.0)
    }
}

/// Ends the reading task with the step, whatever ends the step.
struct AbortOnDrop(JoinHandle<Result<ImportEnd, ConnectorError>>);

impl AbortOnDrop {
    async fn outcome(mut self) -> Result<ImportEnd, ConnectorError> {
        match (&mut self.0).await {
            Ok(end) => end,
            Err(error) => Err(ConnectorError::new(
                ErrorKind::CannotStart { status: status::STOPPED_EXTENSION },
                "reading",
                format!("the connector ended unexpectedly: {error}"),
                "report this to the connector's author",
            )),
        }
    }
}

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn start_reader(
    connector: Arc<dyn Connector>,
    full: FullImport,
    since: Option<Watermark>,
    sink: ImportSink,
) -> AbortOnDrop {
    AbortOnDrop(tokio::spawn(async move {
        match since {
            None => connector.import_full(full, sink).await,
            Some(since) => match connector.delta_import() {
                Some(delta) => delta.import_delta(&since, sink).await,
                None => Err(ConnectorError::new(
                    ErrorKind::FullImportRequired,
                    "reading changes",
                    "this connector reads no changes",
                    "",
                )),
            },
        }
    }))
}

fn anchor_of(item: &ImportItem) -> Option<&Anchor> {
    match item {
        ImportItem::Object(object) => Some(&object.anchor),
        ImportItem::Change(change) => Some(&change.anchor),
        ImportItem::Same { anchor, .. } => Some(anchor),
        _ => None,
    }
}

/// The store's form of an item; an object that could not be read is an error of its own.
fn staged_item(item: ImportItem) -> Result<StagedItem, ObjectIssue> {
    let place = |place: connector_contract::Place| StagedPlace { dn: place.dn, parent: place.parent };
    Ok(match item {
        ImportItem::Object(object) => StagedItem::Object(StagedObject {
            anchor: object.anchor,
            object_type: object.object_type,
            place: object.place.map(place),
            attributes: object.attributes,
            print: object.print.map(|print| print.0),
        }),
        ImportItem::Same { anchor, print } => StagedItem::Same { anchor, print: print.0 },
        ImportItem::Change(change) => StagedItem::Change(StagedChange {
            anchor: change.anchor,
            object_type: change.object_type,
            place: change.place.map(place),
            changes: change.changes,
            whole_if_new: change.whole_if_new,
        }),
        ImportItem::Deleted { anchor, cause } => StagedItem::Deleted {
            anchor,
            cause: match cause {
                DeletionCause::DeletedInSource => DeleteCause::DeletedInSource,
                DeletionCause::LeftScope => DeleteCause::LeftContainerScope,
            },
        },
        ImportItem::SubtreeLeft { container } => StagedItem::SubtreeLeft { container },
        ImportItem::Unreadable(issue) => return Err(issue),
    })
}

/// R33-R40, as the store counted them.
fn copy_counters(step: &mut StepRun, staged: &StagingCounters) {
    for (name, number) in staged.named() {
        if number > 0 {
            step.report.staging.insert(name.to_owned(), number);
        }
    }
}
