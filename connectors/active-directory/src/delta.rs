//! The delta import: what changed since the watermark. Objects that moved or were renamed come with their new place, and whoever
//! does not know them asks for the whole; what was converted or restored is handed over whole. A container that left takes its
//! subtree along, one that entered brings it. Absence says nothing (SF15).

use crate::containers::{self, Scope};
use crate::directory::DirectoryError;
use crate::domain_controller::Continuity;
use crate::entry::Entry;
use crate::errors;
use crate::full::{kind_of, mark, place_of};
use crate::object::{self, Kind, Reading};
use crate::outbox::Outbox;
use crate::session::{Session, candidates, cannot_see_deleted, missing_view, refuses_view};
use crate::settings::{Settings, View};
use crate::watermark::{Conditions, Mark, refuses_cookie};
use connector_contract::{Absence, ConnectorError, DeletionCause, ErrorKind, ImportEnd, ImportItem, ImportSink};
use metaverse_schema::{Anchor, Guid};
use std::collections::{BTreeSet, HashMap, HashSet};

/// Change entries looked up together.
const BATCH: usize = 200;

/// How many objects a change of view names before it counts the rest.
const NAMED_DIFFERENCES: usize = 20;

/// Reads what changed since `mark`.
pub(crate) async fn import(
    session: &Session,
    settings: &Settings,
    mark_before: &Mark,
    sink: ImportSink,
) -> Result<ImportEnd, ConnectorError> {
    refuse_discontinuity(session, mark_before)?;
    let view = view_of(settings, mark_before);
    refuse_other_conditions(session, settings, mark_before, view).await?;
    refuse_blindness(session, settings, view).await?;
    let (selected, notes) = containers::resolve(
        session.directory.as_ref(),
        &session.controller.naming_context,
        &settings.containers,
        Some(mark_before),
    )
    .await?;
    let scope = Scope::read(
        session.directory.as_ref(),
        &session.controller.naming_context,
        selected,
        &session.attributes.names(),
        session.page_size,
    )
    .await
    .map_err(|error| failed(session, &error))?;
    let in_scope = scope.in_scope();
    let mut delta = DeltaImport {
        session,
        view,
        entered: in_scope
            .difference(&mark_before.scope)
            .filter(|container| !scope.is_created_after(container, mark_before.usn))
            .copied()
            .collect(),
        before: &mark_before.scope,
        scope,
        outbox: Outbox::new(sink),
        deleted: HashSet::new(),
    };
    if !notes.is_empty() {
        delta.ancestors().await?;
    }
    let cookie = match view {
        View::Usn => delta.by_usn(mark_before.usn).await?,
        View::DirSync | View::ObjectSecurity => delta.by_dirsync(mark_before.cookie.clone(), settings).await?,
    };
    let unseen = delta.containers_left(&in_scope).await?;
    delta.containers_entered().await?;
    delta.outbox.flush().await?;
    let next_scope: BTreeSet<Guid> = in_scope.into_iter().chain(unseen).collect();
    let mark = mark(session, settings, view, cookie, &delta.scope, next_scope);
    Ok(ImportEnd {
        watermark: Some(mark.encode()),
        filtered_objects: delta.outbox.filtered_objects,
        filtered_deletions: 0,
        notes,
        absence: Absence::OutOfSight,
    })
}

fn failed(session: &Session, error: &DirectoryError) -> ConnectorError {
    let attempted = format!("reading changes of {} from {}", session.controller.naming_context, session.controller.url);
    errors::step_error(&attempted, error)
}

fn full_import_required(session: &Session, reason: impl Into<String>) -> ConnectorError {
    ConnectorError::new(
        ErrorKind::FullImportRequired,
        format!("continuing the import from {}", session.controller.url),
        reason,
        "run a full import; nothing was staged",
    )
}

/// SF17: a domain controller that was rolled back or replaced cannot continue.
fn refuse_discontinuity(session: &Session, mark: &Mark) -> Result<(), ConnectorError> {
    let host = &session.controller.host;
    match session.controller.continuity(mark) {
        Continuity::Same => Ok(()),
        behind @ Continuity::Behind { .. } => session.controller.refuse_behind(&behind),
        Continuity::RolledBack { from, to } => Err(full_import_required(
            session,
            format!("{host} was at change {from} and is now at {to}: it was rolled back to an older state"),
        )),
        Continuity::OtherInvocation => Err(full_import_required(
            session,
            format!(
                "the last import was from {} ({}), and {host} ({}) is another domain controller or was restored",
                mark.host, mark.invocation, session.controller.invocation
            ),
        )),
    }
}

/// The view of this step: the one of the last import wherever the settings allow it.
fn view_of(settings: &Settings, mark: &Mark) -> View {
    candidates(settings.view, Some(mark.view)).first().copied().unwrap_or(mark.view)
}

async fn refuse_other_conditions(
    session: &Session,
    settings: &Settings,
    mark: &Mark,
    view: View,
) -> Result<(), ConnectorError> {
    let naming_context = session.controller.naming_context.to_string();
    let mut containers: Vec<(&str, bool)> =
        settings.containers.iter().map(|container| (container.configured.as_str(), container.include)).collect();
    if !containers.iter().any(|(_, include)| *include) {
        containers.push((&naming_context, true));
    }
    containers.sort_unstable();
    let attributes = session.attributes.names();
    let now = Conditions {
        view,
        naming_context: &naming_context,
        containers,
        classes: &settings.classes,
        attributes: &attributes,
    };
    let Some(mut reason) = mark.outdated_by(&now) else {
        return Ok(());
    };
    if mark.view != view {
        reason.push_str(&view_difference(session, mark.view, view).await);
    }
    Err(full_import_required(session, reason))
}

/// SF14: a change of view stops with the list of objects that only one view shows.
async fn view_difference(session: &Session, before: View, now: View) -> String {
    let mut shown = Vec::new();
    for view in [before, now] {
        match names(session, view).await {
            Ok(names) => shown.push(names),
            Err(error) => return format!("; objects in the view `{view}` could not be listed for comparison: {error}"),
        }
    }
    let [before_names, now_names] = shown.as_slice() else {
        return String::new();
    };
    let only = |one: &HashMap<Guid, String>, other: &HashMap<Guid, String>, view: View| {
        let mut names: Vec<&str> =
            one.iter().filter(|(guid, _)| !other.contains_key(guid)).map(|(_, name)| name.as_str()).collect();
        names.sort_unstable();
        let rest = names.len().saturating_sub(NAMED_DIFFERENCES);
        names.truncate(NAMED_DIFFERENCES);
        match names.as_slice() {
            [] => format!("; no object is shown by `{view}` alone"),
            names if rest == 0 => format!("; only `{view}` shows {}", names.join(" ; ")),
            names => format!("; only `{view}` shows {} and {rest} more", names.join(" ; ")),
        }
    };
    only(before_names, now_names, before) + &only(now_names, before_names, now)
}

async fn names(session: &Session, view: View) -> Result<HashMap<Guid, String>, DirectoryError> {
    let mut scan = session.scan(view);
    let mut names = HashMap::new();
    while let Some(entry) = scan.next().await? {
        if let (Some(guid), Kind::Selected(_), false) =
            (entry.object_guid(), kind_of(&entry, &session.classes), entry.is_deleted())
        {
            names.insert(guid, entry.dn);
        }
    }
    Ok(names)
}

/// A delta import that cannot see deletions would keep deleted people for ever; it does not run.
async fn refuse_blindness(session: &Session, settings: &Settings, view: View) -> Result<(), ConnectorError> {
    let controller = &session.controller;
    // On Windows the replication right shows deletions; Samba filters DirSync answers by the account's own rights.
    if view == View::DirSync && !controller.samba {
        return Ok(());
    }
    let sees =
        controller.sees_deleted_objects(session.directory.as_ref()).await.map_err(|error| failed(session, &error))?;
    if sees { Ok(()) } else { Err(cannot_see_deleted(controller, &settings.bind_user)) }
}

struct DeltaImport<'a> {
    session: &'a Session,
    view: View,
    scope: Scope,
    outbox: Outbox,
    /// Containers in scope at the last import.
    before: &'a BTreeSet<Guid>,
    /// Containers in scope now that were not then, but existed: what is in them is in no change entry. (What is in a
    /// container that is new was created or moved there, and is reported by itself.)
    entered: BTreeSet<Guid>,
    deleted: HashSet<Guid>,
}

impl DeltaImport<'_> {
    /// A selected container that was moved may stand below containers that were never handed over: their names are needed.
    async fn ancestors(&mut self) -> Result<(), ConnectorError> {
        for container in self.scope.with_ancestors() {
            let Some(entry) = self.scope.entry(&container).filter(|_| self.scope.is_ancestor_only(&container)) else {
                continue;
            };
            if let Kind::Container(class) = kind_of(entry, &self.session.classes) {
                let item = object::whole(entry, &class, &self.session.attributes, Reading::Plain);
                self.outbox.push(item).await?;
            }
        }
        Ok(())
    }

    async fn by_dirsync(&mut self, cookie: Vec<u8>, settings: &Settings) -> Result<Vec<u8>, ConnectorError> {
        let mut scan = self.session.changes(self.view, cookie);
        let mut batch = Vec::new();
        let mut begun = false;
        loop {
            let next = match scan.next().await {
                Ok(next) => next,
                Err(error) if !begun && refuses_cookie(&error) => {
                    let reason = format!("the domain controller does not accept where the last import ended ({error})");
                    return Err(full_import_required(self.session, reason));
                }
                Err(error) if !begun && refuses_view(&error) => {
                    let missing = missing_view(&self.session.controller, self.view, &settings.bind_user, &error);
                    return Err(missing);
                }
                Err(error) => return Err(failed(self.session, &error)),
            };
            begun = true;
            let ended = next.is_none();
            batch.extend(next);
            if batch.len() >= BATCH || ended {
                self.batch(&std::mem::take(&mut batch)).await?;
            }
            if ended {
                return Ok(scan.into_cookie());
            }
        }
    }

    async fn batch(&mut self, entries: &[Entry]) -> Result<(), ConnectorError> {
        let unknown: Vec<Guid> = entries
            .iter()
            .filter(|entry| !entry.is_deleted() && !is_created(entry))
            .filter_map(Entry::object_guid)
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        let facts: HashMap<Guid, Entry> = self
            .session
            .facts(self.view, &unknown)
            .await
            .map_err(|error| failed(self.session, &error))?
            .into_iter()
            .filter_map(|entry| entry.object_guid().map(|guid| (guid, entry)))
            .collect();
        let mut whole: Vec<Guid> = Vec::new();
        for entry in entries {
            let guid = match object::identity(entry) {
                Ok(guid) => guid,
                Err(issue) => {
                    self.outbox.push(ImportItem::Unreadable(issue)).await?;
                    continue;
                }
            };
            if entry.is_deleted() {
                self.deleted(guid).await?;
            } else if let Some(about) = if is_created(entry) { Some(entry) } else { facts.get(&guid) } {
                self.changed(guid, entry, about, &mut whole).await?;
            }
            // An object without facts was deleted or hidden after this answer: the next delta has the deletion.
        }
        self.hand_over_whole(&whole).await
    }

    async fn deleted(&mut self, guid: Guid) -> Result<(), ConnectorError> {
        self.deleted.insert(guid);
        self.outbox
            .push(ImportItem::Deleted { anchor: Anchor::Guid(guid), cause: DeletionCause::DeletedInSource })
            .await
    }

    /// One change entry; `about` tells the object's class and present place.
    async fn changed(
        &mut self,
        guid: Guid,
        entry: &Entry,
        about: &Entry,
        whole: &mut Vec<Guid>,
    ) -> Result<(), ConnectorError> {
        let kind = kind_of(about, &self.session.classes);
        let created = is_created(entry);
        let is_container = matches!(kind, Kind::Container(_));
        let (Kind::Selected(class) | Kind::Container(class)) = kind else {
            return Ok(());
        };
        let inside = self.is_inside(guid, about).await?;
        let moved = !created && is_moved(entry);
        if inside && self.comes_with_a_container(guid, about, is_container) {
            return Ok(());
        }
        if inside || (is_container && self.scope.is_ancestor_only(&guid)) {
            return if is_remade(entry) && !created {
                whole.push(guid);
                Ok(())
            } else if created {
                let item = object::whole(entry, &class, &self.session.attributes, Reading::Incremental);
                self.outbox.push(item).await
            } else {
                match object::change(entry, moved.then_some(about), &class, &self.session.attributes) {
                    Some(item) => self.outbox.push(item).await,
                    None => Ok(()),
                }
            };
        }
        if is_container {
            // What left as a container leaves with its subtree, at the end.
            return Ok(());
        }
        self.outbox.filtered_objects += 1;
        if moved { self.left(guid).await } else { Ok(()) }
    }

    async fn left(&mut self, guid: Guid) -> Result<(), ConnectorError> {
        self.outbox.push(ImportItem::Deleted { anchor: Anchor::Guid(guid), cause: DeletionCause::LeftScope }).await
    }

    async fn is_inside(&mut self, guid: Guid, about: &Entry) -> Result<bool, ConnectorError> {
        let Ok(dn) = object::dn(about, guid) else {
            return Ok(true);
        };
        let at = place_of(about, guid, &self.scope);
        self.scope.decide(self.session.directory.as_ref(), at, &dn).await.map_err(|error| failed(self.session, &error))
    }

    /// Whether the object is read anyway with a container that entered the scope.
    fn comes_with_a_container(&self, guid: Guid, about: &Entry, is_container: bool) -> bool {
        if is_container {
            return self.entered.contains(&guid);
        }
        about.first_guid("parentGUID").is_some_and(|parent| self.entered.contains(&parent))
    }

    /// Restored or converted: the object as it is now, in the same view. Never for a mere rename: a domain controller looks
    /// through the whole domain to answer it.
    async fn hand_over_whole(&mut self, guids: &[Guid]) -> Result<(), ConnectorError> {
        if guids.is_empty() {
            return Ok(());
        }
        let reading = reading_of(self.view);
        let entries = self.session.read_whole(self.view, guids).await.map_err(|error| failed(self.session, &error))?;
        for entry in entries.iter().filter(|entry| !entry.is_deleted()) {
            let (Kind::Selected(class) | Kind::Container(class)) = kind_of(entry, &self.session.classes) else {
                continue;
            };
            let item = object::whole(entry, &class, &self.session.attributes, reading);
            self.outbox.push(item).await?;
        }
        Ok(())
    }

    /// Rows come whole and without saying what changed.
    async fn by_usn(&mut self, usn: u64) -> Result<Vec<u8>, ConnectorError> {
        let mut scan = self.session.changes_by_usn(usn);
        while let Some(entry) = scan.next().await.map_err(|error| failed(self.session, &error))? {
            let guid = match object::identity(&entry) {
                Ok(guid) => guid,
                Err(issue) => {
                    self.outbox.push(ImportItem::Unreadable(issue)).await?;
                    continue;
                }
            };
            if entry.is_deleted() {
                self.deleted(guid).await?;
                continue;
            }
            let kind = kind_of(&entry, &self.session.classes);
            let is_container = matches!(kind, Kind::Container(_));
            let (Kind::Selected(class) | Kind::Container(class)) = kind else {
                continue;
            };
            let created = entry
                .first_text("uSNCreated")
                .and_then(|text| text.parse::<u64>().ok())
                .is_some_and(|created| created > usn);
            let inside = self.is_inside(guid, &entry).await?;
            if inside && self.comes_with_a_container(guid, &entry, is_container) {
                continue;
            }
            if inside || (is_container && self.scope.is_ancestor_only(&guid)) {
                let item = object::whole(&entry, &class, &self.session.attributes, Reading::Plain);
                self.outbox.push(item).await?;
            } else if !is_container {
                self.outbox.filtered_objects += 1;
                // It may have been in scope before: an ordinary search does not say what changed.
                if !created {
                    self.left(guid).await?;
                }
            }
        }
        Ok(Vec::new())
    }

    /// Containers that are no longer in scope. One that cannot be seen any more, and of which no deletion was reported,
    /// proves nothing (SF15): it stays in the watermark until it is seen again.
    async fn containers_left(&mut self, in_scope: &BTreeSet<Guid>) -> Result<Vec<Guid>, ConnectorError> {
        let gone: BTreeSet<Guid> = self.before.difference(in_scope).copied().collect();
        let (moved, unseen): (BTreeSet<Guid>, BTreeSet<Guid>) =
            gone.into_iter().partition(|container| self.scope.knows(container));
        for container in self.scope.topmost(&moved) {
            let item = ImportItem::SubtreeLeft { container: Anchor::Guid(container) };
            self.outbox.push(item).await?;
        }
        Ok(unseen.into_iter().filter(|container| !self.deleted.contains(container)).collect())
    }

    /// Containers that came into scope with what is in them, which no change entry mentions.
    async fn containers_entered(&mut self) -> Result<(), ConnectorError> {
        let entered = std::mem::take(&mut self.entered);
        if entered.is_empty() {
            return Ok(());
        }
        let reading = reading_of(self.view);
        let mut ordered: Vec<Guid> = self.scope.with_ancestors();
        ordered.retain(|container| entered.contains(container));
        for container in ordered {
            let Some(entry) = self.scope.entry(&container) else {
                continue;
            };
            if let Kind::Container(class) = kind_of(entry, &self.session.classes) {
                let item = object::whole(entry, &class, &self.session.attributes, Reading::Plain);
                self.outbox.push(item).await?;
            }
        }
        let scans = match self.view {
            View::Usn => self.scope.topmost(&entered).iter().map(|root| self.session.below(root)).collect(),
            View::DirSync | View::ObjectSecurity => vec![self.session.scan(self.view)],
        };
        for mut scan in scans {
            while let Some(entry) = scan.next().await.map_err(|error| failed(self.session, &error))? {
                let parent = entry.first_guid("parentGUID");
                let Kind::Selected(class) = kind_of(&entry, &self.session.classes) else {
                    continue;
                };
                if !entry.is_deleted() && parent.is_some_and(|parent| entered.contains(&parent)) {
                    let item = object::whole(&entry, &class, &self.session.attributes, reading);
                    self.outbox.push(item).await?;
                }
            }
        }
        Ok(())
    }
}

pub(crate) fn reading_of(view: View) -> Reading {
    match view {
        View::Usn => Reading::Plain,
        View::DirSync | View::ObjectSecurity => Reading::Incremental,
    }
}

/// A change entry of an object that did not exist before holds all of it: `whenCreated` never changes afterwards.
fn is_created(entry: &Entry) -> bool {
    entry.first("whenCreated").is_some() && entry.first("objectClass").is_some() && entry.first("parentGUID").is_some()
}

/// Renamed or moved (`name`, `parentGUID`), converted to another class, or brought back from deletion.
fn is_moved(entry: &Entry) -> bool {
    is_remade(entry) || ["name", "parentGUID"].iter().any(|name| entry.mentions(name))
}

/// Converted to another class, or brought back from deletion: what was known of it is no base for a change.
fn is_remade(entry: &Entry) -> bool {
    ["objectClass", "isDeleted"].iter().any(|name| entry.mentions(name))
}
