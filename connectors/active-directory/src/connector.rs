//! The connector as the engine sees it. Opens a connection when a step begins and keeps the last one for single reads of the
//! same run, and another one for its writes; every step of an import asks the domain controller anew who it is.

use crate::check;
use crate::check_rights;
use crate::containers::{self, ContainerInfo, Scope};
use crate::delta;
use crate::directory::{SearchRequest, read_object};
use crate::domain_controller::Continuity;
use crate::errors;
use crate::export::{self, Writer};
use crate::full;
use crate::object::{self, Kind};
use crate::passwords::{self, PasswordReader};
use crate::schema::Attributes;
use crate::session::{Session, WritingSession, candidates, refuses_view};
use crate::settings::{Settings, View, ViewChoice};
use crate::watermark::Mark;
use async_trait::async_trait;
use connector_contract::{
    Check, Connector, ConnectorError, CreateRequest, CredentialMark, DeltaImport, ErrorKind, ExportItem, ExportOutcome,
    Exporter, FullImport, ImportEnd, ImportItem, ImportSink, IntendedExport, ObjectReader, OwnAccount, PasswordSource,
    Watermark,
};
use metaverse_schema::{Anchor, ConnectorSchema, Guid, ObjectType};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// Exports of one call (R3).
const EXPORT_BATCH: usize = 30;

/// How long a connection that a step has begun with counts as its own: far less than any server's limit for idle ones.
const BEGINNING: Duration = Duration::from_secs(10);

/// One Active Directory domain, as configured.
pub struct ActiveDirectory {
    settings: Settings,
    /// The connection over which a step asked what comes before its import: the schema, and who signs in.
    beginning: Mutex<Option<(Instant, Session)>>,
    /// The connection of the last import.
    current: Mutex<Option<Arc<Current>>>,
    /// The connection of the last export.
    writing: Mutex<Option<Arc<WritingSession>>>,
    /// Where the last import of this process began or ended: single reads use its view and follow its containers.
    basis: Mutex<Option<Mark>>,
    passwords: Option<PasswordReader>,
}

/// What single reads need of a step.
struct Current {
    session: Session,
    reading: Mutex<Option<ReadingState>>,
}

struct ReadingState {
    view: View,
    scope: Scope,
}

impl ActiveDirectory {
    /// Connects to nothing yet.
    pub fn new(settings: Settings) -> Self {
        let passwords = settings.passwords.as_ref().map(|passwords| PasswordReader::new(&settings, passwords));
        ActiveDirectory {
            passwords,
            settings,
            beginning: Mutex::new(None),
            current: Mutex::new(None),
            writing: Mutex::new(None),
            basis: Mutex::new(None),
        }
    }

    /// All containers of the domain, for an operator who chooses among them.
    pub async fn containers(&self) -> Result<Vec<ContainerInfo>, ConnectorError> {
        let session = Session::open(&self.settings, None).await?;
        Ok(scope(&session, &self.settings, None).await?.list())
    }

    async fn open(&self, previous: Option<&Mark>) -> Result<Arc<Current>, ConnectorError> {
        // Dropped before the new one is opened: a step uses one connection.
        *self.current.lock().await = None;
        let session = match self.begun(previous).await {
            Some((_, session)) => session,
            None => Session::open(&self.settings, previous).await?,
        };
        let current = Arc::new(Current { session, reading: Mutex::new(None) });
        *self.current.lock().await = Some(current.clone());
        Ok(current)
    }

    /// The session that this step has begun with, if it is of now and continues what was imported last. What was asked of it
    /// then, who answers and how far it is, was asked before anything is read, as it has to be.
    async fn begun(&self, previous: Option<&Mark>) -> Option<(Instant, Session)> {
        let (opened, session) = self.beginning.lock().await.take()?;
        let continues = previous.is_none_or(|mark| session.controller.continuity(mark) == Continuity::Same);
        (continues && opened.elapsed() < BEGINNING).then_some((opened, session))
    }

    /// The connection of the running step, or a new one to the domain controller that the last import read from.
    async fn current(&self) -> Result<Arc<Current>, ConnectorError> {
        if let Some(current) = self.current.lock().await.clone() {
            return Ok(current);
        }
        let basis = self.basis.lock().await.clone();
        let current = self.open(basis.as_ref()).await?;
        if let Some(mark) = basis
            && let Err(error) = current.session.controller.refuse_other(&mark)
        {
            *self.current.lock().await = None;
            return Err(error);
        }
        Ok(current)
    }

    /// A connection for writing that answers: one that was closed while idle would leave a write in doubt that was never sent.
    async fn answering(&self) -> Result<Arc<WritingSession>, ConnectorError> {
        let kept = self.writing.lock().await.clone();
        let root = SearchRequest { controls: Vec::new(), ..SearchRequest::object("", &["currentTime"]) };
        if let Some(writing) = kept
            && read_object(writing.session.directory.as_ref(), &root).await.is_ok()
        {
            return Ok(writing);
        }
        // Dropped before the new one is opened.
        *self.writing.lock().await = None;
        let writing = Arc::new(WritingSession::open(&self.settings).await?);
        *self.writing.lock().await = Some(writing.clone());
        Ok(writing)
    }

    /// Forgets a connection that turned out to be lost, so that the next call opens a new one.
    async fn forget_after(&self, error: &ConnectorError) {
        if error.kind == ErrorKind::Connection {
            *self.current.lock().await = None;
        }
    }

    async fn read_in_scope(&self, current: &Current, guids: &[Guid]) -> Result<Vec<ImportItem>, ConnectorError> {
        let session = &current.session;
        let attempted = format!("reading {} objects from {}", guids.len(), session.controller.url);
        let mut reading = current.reading.lock().await;
        let state = match &mut *reading {
            Some(state) => state,
            None => {
                let basis = self.basis.lock().await.clone();
                let view = match &basis {
                    Some(mark) => mark.view,
                    None => working_view(session, &self.settings).await?,
                };
                let scope = scope(session, &self.settings, basis.as_ref()).await?;
                reading.insert(ReadingState { view, scope })
            }
        };
        let entries =
            session.read_whole(state.view, guids).await.map_err(|error| errors::step_error(&attempted, &error))?;
        let how = delta::reading_of(state.view);
        let mut items = Vec::new();
        for entry in entries.iter().filter(|entry| !entry.is_deleted()) {
            let (Kind::Selected(class) | Kind::Container(class)) = full::kind_of(entry, &session.classes) else {
                continue;
            };
            let inside = match object::identity(entry).and_then(|guid| Ok((guid, object::dn(entry, guid)?))) {
                Ok((guid, dn)) => {
                    let at = full::place_of(entry, guid, &state.scope);
                    state
                        .scope
                        .decide(session.directory.as_ref(), at, &dn)
                        .await
                        .map_err(|error| errors::step_error(&attempted, &error))?
                }
                // It becomes an unreadable item below.
                Err(_) => true,
            };
            if inside {
                items.push(object::whole(entry, &class, &session.attributes, how));
            }
        }
        Ok(items)
    }
}

pub(crate) async fn scope(
    session: &Session,
    settings: &Settings,
    previous: Option<&Mark>,
) -> Result<Scope, ConnectorError> {
    let controller = &session.controller;
    let (selected, _) =
        containers::resolve(session.directory.as_ref(), &controller.naming_context, &settings.containers, previous)
            .await?;
    let attempted = format!("reading the containers of {}", controller.naming_context);
    Scope::read(
        session.directory.as_ref(),
        &controller.naming_context,
        selected,
        &session.attributes.names(),
        session.page_size,
    )
    .await
    .map_err(|error| errors::step_error(&attempted, &error))
}

/// The first view that the server serves to this account; tried on the domain's own object, which is one entry.
pub(crate) async fn working_view(session: &Session, settings: &Settings) -> Result<View, ConnectorError> {
    let views = match settings.view {
        ViewChoice::Fixed(view) => vec![view],
        ViewChoice::Auto => candidates(settings.view, None),
    };
    let attempted = format!("trying how {} may be read", session.controller.naming_context);
    for view in views.iter().copied() {
        match check::try_view(session, view).await {
            Ok(()) => return Ok(view),
            Err(error) if refuses_view(&error) && views.len() > 1 => {}
            Err(error) if refuses_view(&error) => {
                return Err(crate::session::missing_view(&session.controller, view, &settings.bind_user, &error));
            }
            Err(error) => return Err(errors::step_error(&attempted, &error)),
        }
    }
    Ok(View::Usn)
}

fn previous_mark(previous: Option<&Watermark>) -> Option<Mark> {
    let watermark = previous?;
    match Mark::decode(watermark) {
        Ok(mark) => Some(mark),
        Err(error) => {
            tracing::warn!(%error, "the former watermark is not used");
            None
        }
    }
}

#[async_trait]
impl Connector for ActiveDirectory {
    async fn schema(&self) -> Result<ConnectorSchema, ConnectorError> {
        // A connection of its own: a step may be running.
        let (opened, session) = (Instant::now(), Session::open(&self.settings, None).await?);
        let controller = &session.controller;
        let attempted = format!("reading the schema of {}", controller.url);
        let never_written =
            Attributes::never_written(session.directory.as_ref(), &controller.schema_context, session.page_size)
                .await
                .map_err(|error| errors::step_error(&attempted, &error))?;
        let mut schema = session.attributes.connector_schema(&self.settings.classes);
        for (name, reason) in never_written {
            schema.never_written.entry(name).or_insert(reason);
        }
        *self.beginning.lock().await = Some((opened, session));
        Ok(schema)
    }

    async fn check(&self) -> Check {
        let mut check = check::check(&self.settings).await;
        passwords::check(&mut check, &self.settings).await;
        check
    }

    async fn import_full(&self, request: FullImport, sink: ImportSink) -> Result<ImportEnd, ConnectorError> {
        let mark = previous_mark(request.previous.as_ref());
        let current = self.open(mark.as_ref()).await?;
        let end = full::import(&current.session, &self.settings, mark.as_ref(), request.held, sink).await;
        if let Ok(end) = &end {
            *self.basis.lock().await = previous_mark(end.watermark.as_ref());
        }
        end
    }

    fn makes_prints(&self) -> bool {
        true
    }

    fn delta_import(&self) -> Option<&dyn DeltaImport> {
        Some(self)
    }

    fn object_reader(&self) -> Option<&dyn ObjectReader> {
        Some(self)
    }

    fn exporter(&self) -> Option<&dyn Exporter> {
        Some(self)
    }

    fn password_source(&self) -> Option<&dyn PasswordSource> {
        self.passwords.as_ref().map(|passwords| passwords as &dyn PasswordSource)
    }

    fn credential(&self) -> Option<CredentialMark> {
        let Settings { bind_user, password, .. } = &self.settings;
        Some(CredentialMark { name: format!("{bind_user} ({password})"), stamp: password.stamp() })
    }

    async fn own_accounts(&self) -> Result<Vec<OwnAccount>, ConnectorError> {
        let (opened, session) = match self.begun(None).await {
            Some(begun) => begun,
            None => (Instant::now(), Session::open(&self.settings, None).await?),
        };
        let account = session.controller.own_account(session.directory.as_ref(), &self.settings.bind_user).await?;
        let mut accounts = vec![account];
        if let Some(passwords) = &self.settings.passwords {
            accounts.extend(passwords::own_account(&session, passwords).await?);
        }
        *self.beginning.lock().await = Some((opened, session));
        Ok(accounts)
    }
}

#[async_trait]
impl DeltaImport for ActiveDirectory {
    async fn import_delta(&self, since: &Watermark, sink: ImportSink) -> Result<ImportEnd, ConnectorError> {
        let mark = Mark::decode(since).map_err(|error| {
            ConnectorError::new(
                ErrorKind::FullImportRequired,
                "reading where the last import ended",
                error.to_string(),
                "run a full import",
            )
        })?;
        let current = self.open(Some(&mark)).await?;
        // Single reads asked for while this import runs must use its view and its containers.
        *self.basis.lock().await = Some(mark.clone());
        delta::import(&current.session, &self.settings, &mark, sink).await
    }
}

#[async_trait]
impl ObjectReader for ActiveDirectory {
    async fn read_objects(&self, anchors: &[Anchor]) -> Result<Vec<ImportItem>, ConnectorError> {
        let guids: Vec<Guid> = anchors.iter().filter_map(Anchor::as_guid).copied().collect();
        if guids.is_empty() {
            return Ok(Vec::new());
        }
        let current = self.current().await?;
        let read = self.read_in_scope(&current, &guids).await;
        let Err(error) = &read else {
            return read;
        };
        if error.kind != ErrorKind::Connection {
            return read;
        }
        // The kept connection may have been closed while nothing was read (MaxConnIdleTime, 900 s): once more.
        self.forget_after(error).await;
        let current = self.current().await?;
        self.read_in_scope(&current, &guids).await
    }
}

#[async_trait]
impl Exporter for ActiveDirectory {
    fn batch_size(&self) -> usize {
        EXPORT_BATCH
    }

    async fn export(&self, items: &[ExportItem]) -> Result<Vec<(i64, ExportOutcome)>, ConnectorError> {
        let writing = self.answering().await?;
        let outcomes = export::export(&Writer::of(&writing, &self.settings.bind_user), items).await;
        if outcomes.iter().any(|(_, outcome)| matches!(outcome, ExportOutcome::NotSettled { .. })) {
            *self.writing.lock().await = None;
        }
        Ok(outcomes)
    }

    async fn check_rights(&self, intended: &[IntendedExport]) -> Check {
        check_rights::check_rights(&self.settings, intended).await
    }

    async fn find_created(
        &self,
        object_type: &ObjectType,
        create: &CreateRequest,
    ) -> Result<Option<Anchor>, ConnectorError> {
        let writing = self.answering().await?;
        let found = export::find_created(&writing.session, object_type, create).await;
        if found.as_ref().is_err_and(|error| error.kind == ErrorKind::Connection) {
            *self.writing.lock().await = None;
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain_controller::tests::guid;
    use crate::scripted;
    use crate::watermark::tests::mark;

    /// SF17: the connection that a step has begun with serves its import only while it is of now, and only where it continues
    /// what was imported last; otherwise the servers are asked anew.
    #[tokio::test]
    async fn sf17_a_step_goes_on_over_the_connection_it_began_with() {
        let connector = ActiveDirectory::new(scripted::settings("usn"));
        let begin = async |opened: Instant| {
            let (session, _) = scripted::session(|_| Ok((vec![], vec![])));
            *connector.beginning.lock().await = Some((opened, session));
        };
        let now = Instant::now();
        begin(now).await;
        assert!(connector.begun(None).await.is_some());
        assert!(connector.begun(None).await.is_none(), "it was handed over");

        let same = Mark { invocation: guid(1), usn: 90, cursors: [(guid(1), 90)].into(), ..mark() };
        let other = Mark { invocation: guid(2), ..same.clone() };
        let newer = Mark { cursors: [(guid(1), 101)].into(), ..same.clone() };
        for (mark, continues) in [(same, true), (other, false), (newer, false)] {
            begin(now).await;
            assert_eq!(connector.begun(Some(&mark)).await.is_some(), continues, "{mark:?}");
        }
        begin(now.checked_sub(BEGINNING).unwrap()).await;
        assert!(connector.begun(None).await.is_none(), "of another step");
    }
}
