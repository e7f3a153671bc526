//! The full import: every object of the selected classes in the selected containers, once. Its last cookie is where the
//! next delta import continues (SF14). Returns an error, and so obsoletes nothing, unless the last page was read (SF15).

use crate::containers::{self, Scope};
use crate::directory::DirectoryError;
use crate::domain_controller::Continuity;
use crate::entry::Entry;
use crate::errors;
use crate::object::{self, Kind, Reading};
use crate::outbox::Outbox;
use crate::print::print;
use crate::scan::Scan;
use crate::session::{Session, candidates, missing_view, refuses_view};
use crate::settings::{Settings, View};
use crate::watermark::Mark;
use connector_contract::{
    Absence, ConnectorError, DeletionCause, Held, HeldSoon, ImportEnd, ImportItem, ImportNote, ImportSink, ObjectIssue,
};
use metaverse_schema::{Anchor, Guid};
use std::collections::HashSet;

/// Reads everything in scope. `previous` is the last committed watermark; what is `held` is told by its print alone.
pub(crate) async fn import(
    session: &Session,
    settings: &Settings,
    previous: Option<&Mark>,
    held: HeldSoon,
    sink: ImportSink,
) -> Result<ImportEnd, ConnectorError> {
    let attempted = format!("reading {} from {}", session.controller.naming_context, session.controller.url);
    let failed = |error: DirectoryError| errors::step_error(&attempted, &error);
    let mut notes = continuity_notes(session, previous);
    let (selected, moved) = containers::resolve(
        session.directory.as_ref(),
        &session.controller.naming_context,
        &settings.containers,
        previous,
    )
    .await?;
    notes.extend(moved);
    let scope = Scope::read(
        session.directory.as_ref(),
        &session.controller.naming_context,
        selected,
        &session.attributes.names(),
        session.page_size,
    )
    .await
    .map_err(failed)?;
    let (view, mut scan, first) = begin(session, settings, previous).await?;
    notes.extend(view_note(previous, view));
    notes.extend(skipped_attributes(session));
    let mut full = FullImport {
        session,
        in_scope: scope.in_scope().into_iter().collect(),
        scope,
        outbox: Outbox::new(sink),
        // Not before the first page is on its way.
        held: held.loaded().await,
        seen: HashSet::new(),
        reading: scan.reading(),
        tells_deletions: previous.is_some(),
    };
    full.containers().await?;
    let mut next = first;
    while let Some(entry) = next {
        full.entry(&entry).await?;
        next = scan.next().await.map_err(failed)?;
    }
    if previous.is_some() && view == View::Usn {
        full.tombstones().await?;
    }
    full.outbox.flush().await?;
    let mark = mark(session, settings, view, scan.into_cookie(), &full.scope, full.in_scope.into_iter().collect());
    Ok(ImportEnd {
        watermark: Some(mark.encode()),
        filtered_objects: full.outbox.filtered_objects,
        filtered_deletions: 0,
        notes,
        absence: Absence::OutOfSight,
    })
}

/// The watermark of a step that was read to its end.
pub(crate) fn mark(
    session: &Session,
    settings: &Settings,
    view: View,
    cookie: Vec<u8>,
    scope: &Scope,
    in_scope: std::collections::BTreeSet<Guid>,
) -> Mark {
    let mut containers = scope.marked();
    containers.sort_by(|a, b| (&a.configured, a.include).cmp(&(&b.configured, b.include)));
    Mark {
        view,
        naming_context: session.controller.naming_context.to_string(),
        host: session.controller.host.clone(),
        invocation: session.controller.invocation,
        usn: session.controller.usn,
        cookie,
        cursors: session.controller.cursors(),
        containers,
        classes: settings.classes.clone(),
        attributes: session.attributes.names(),
        scope: in_scope,
    }
}

/// Begins to read in the first view that the server allows. The first entry is read here, as a refusal comes instead of it.
async fn begin<'a>(
    session: &'a Session,
    settings: &Settings,
    previous: Option<&Mark>,
) -> Result<(View, Scan<'a>, Option<Entry>), ConnectorError> {
    let views = candidates(settings.view, previous.map(|mark| mark.view));
    let mut refused: Option<ConnectorError> = None;
    for view in views {
        let mut scan = session.scan(view);
        match scan.next().await {
            Ok(first) => return Ok((view, scan.ahead(), first)),
            Err(error) if refuses_view(&error) => {
                let error = missing_view(&session.controller, view, &settings.bind_user, &error);
                refused.get_or_insert(error);
            }
            Err(error) => {
                let attempted = format!("reading in the view `{view}` from {}", session.controller.url);
                return Err(errors::step_error(&attempted, &error));
            }
        }
    }
    // The list of views is never empty, so a refusal is at hand.
    Err(refused.unwrap_or_else(|| errors::step_error("choosing a view", &DirectoryError::Malformed(String::new()))))
}

/// SF17: a rolled-back or replaced domain controller is read in full, and the history says so.
fn continuity_notes(session: &Session, previous: Option<&Mark>) -> Vec<ImportNote> {
    let Some(mark) = previous else {
        return Vec::new();
    };
    let host = &session.controller.host;
    let note = match session.controller.continuity(mark) {
        Continuity::RolledBack { from, to } => ImportNote {
            code: "domain-controller-rolled-back",
            message: format!(
                "{host} was at change {from} and is now at {to}: it was rolled back, so everything was read again"
            ),
        },
        Continuity::OtherInvocation => ImportNote {
            code: "domain-controller-changed",
            message: format!(
                "the last import was from {} ({}), this one from {host} ({}): everything was read again",
                mark.host, mark.invocation, session.controller.invocation
            ),
        },
        Continuity::Same | Continuity::Behind { .. } => return Vec::new(),
    };
    vec![note]
}

fn view_note(previous: Option<&Mark>, view: View) -> Option<ImportNote> {
    let before = previous?.view;
    (before != view).then(|| ImportNote {
        code: "view-changed",
        message: format!("objects are now read in the view `{view}`, before it was `{before}`"),
    })
}

fn skipped_attributes(session: &Session) -> Option<ImportNote> {
    let skipped: Vec<&str> = session.attributes.not_imported.iter().map(|not| not.name.as_str()).collect();
    (!skipped.is_empty()).then(|| ImportNote {
        code: "attributes-not-imported",
        message: format!("not imported: {}; `check` says why", skipped.join(", ")),
    })
}

struct FullImport<'a> {
    session: &'a Session,
    scope: Scope,
    /// As the tree was at the start: what the watermark will say.
    in_scope: HashSet<Guid>,
    outbox: Outbox,
    held: Held,
    /// Anchors handed over, so that none comes twice (R71) and later slices of a large group become changes of it.
    seen: HashSet<Guid>,
    reading: Reading,
    /// An import came before this one, so that somebody may hold what has been deleted since.
    tells_deletions: bool,
}

impl FullImport<'_> {
    /// Containers first, parents before children, and those above the selected ones for their names only.
    async fn containers(&mut self) -> Result<(), ConnectorError> {
        for container in self.scope.with_ancestors() {
            let Some(entry) = self.scope.entry(&container) else {
                continue;
            };
            if let Kind::Container(class) = kind_of(entry, &self.session.classes) {
                let item = object::whole(entry, &class, &self.session.attributes, Reading::Plain);
                self.seen.insert(container);
                self.outbox.push(item).await?;
            }
        }
        Ok(())
    }

    async fn entry(&mut self, entry: &Entry) -> Result<(), ConnectorError> {
        if entry.is_deleted() {
            return self.tombstone(entry).await;
        }
        let class = match kind_of(entry, &self.session.classes) {
            Kind::Selected(class) | Kind::Container(class) => class,
            Kind::Other => return self.later_slice(entry).await,
        };
        let guid = match object::identity(entry) {
            Ok(guid) => guid,
            Err(issue) => return self.outbox.push(ImportItem::Unreadable(issue)).await,
        };
        if self.seen.contains(&guid) {
            return self.later_slice(entry).await;
        }
        let inside = match self.is_inside(entry, guid).await? {
            Ok(inside) => inside,
            Err(issue) => return self.outbox.push(ImportItem::Unreadable(issue)).await,
        };
        if !inside {
            let counted = matches!(kind_of(entry, &self.session.classes), Kind::Selected(_));
            self.outbox.filtered_objects += u64::from(counted);
            return Ok(());
        }
        self.seen.insert(guid);
        let print = print(entry, guid, &class, &self.session.attributes, self.reading);
        let item = match self.held.holds(&print) {
            true => ImportItem::Same { anchor: Anchor::Guid(guid), print },
            false => object::whole_as(entry, guid, print, &class, &self.session.attributes, self.reading),
        };
        self.outbox.push(item).await
    }

    /// Whether the object stands in a selected container. The name is taken apart only where the container is not known.
    async fn is_inside(&mut self, entry: &Entry, guid: Guid) -> Result<Result<bool, ObjectIssue>, ConnectorError> {
        let at = place_of(entry, guid, &self.scope);
        if let Some(Ok(inside)) = at.map(|at| self.scope.contains(at)) {
            return Ok(Ok(inside));
        }
        let dn = match object::dn(entry, guid) {
            Ok(dn) => dn,
            Err(issue) => return Ok(Err(issue)),
        };
        match self.scope.decide(self.session.directory.as_ref(), at, &dn).await {
            Ok(inside) => Ok(Ok(inside)),
            Err(error) => Err(errors::step_error(&format!("finding the container of {dn}"), &error)),
        }
    }

    /// A tombstone says that the object was deleted, which its absence alone would not (SF18).
    async fn tombstone(&mut self, entry: &Entry) -> Result<(), ConnectorError> {
        let Some(guid) = entry.object_guid().filter(|_| self.tells_deletions) else {
            return Ok(());
        };
        let deleted = ImportItem::Deleted { anchor: Anchor::Guid(guid), cause: DeletionCause::DeletedInSource };
        self.outbox.push(deleted).await
    }

    /// DirSync shows tombstones among the other objects; an ordinary search must be asked for them.
    async fn tombstones(&mut self) -> Result<(), ConnectorError> {
        let mut scan = self.session.tombstones();
        let failed = |error: DirectoryError| errors::step_error("reading what was deleted", &error);
        while let Some(entry) = scan.next().await.map_err(failed)? {
            self.tombstone(&entry).await?;
        }
        Ok(())
    }

    /// More linked values of an object that was handed over: DirSync may spread a large group over several answers.
    async fn later_slice(&mut self, entry: &Entry) -> Result<(), ConnectorError> {
        let Some(guid) = entry.object_guid().filter(|guid| self.seen.contains(guid)) else {
            return Ok(());
        };
        let class = match kind_of(entry, &self.session.classes) {
            Kind::Selected(class) => class,
            // Without its class the slice can only be of a class that has links that long.
            Kind::Other => "group".into(),
            Kind::Container(_) => return Ok(()),
        };
        if let Some(ImportItem::Change(mut change)) = object::change(entry, None, &class, &self.session.attributes) {
            change.changes.0.retain(
                |_, change| matches!(change, metaverse_schema::AttributeChange::Update { add, .. } if !add.is_empty()),
            );
            if !change.changes.is_empty() {
                change.anchor = Anchor::Guid(guid);
                self.outbox.push(ImportItem::Change(change)).await?;
            }
        }
        Ok(())
    }
}

/// The container whose being in scope decides: a container decides for itself, any other object by its parent.
pub(crate) fn place_of(entry: &Entry, guid: Guid, scope: &Scope) -> Option<Guid> {
    if scope.knows(&guid) { Some(guid) } else { entry.first_guid("parentGUID") }
}

pub(crate) fn kind_of(entry: &Entry, classes: &[String]) -> Kind {
    object::kind(&entry.texts("objectClass"), entry.first("sAMAccountType"), classes)
}
