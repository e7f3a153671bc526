//! One signed-in connection to one domain controller for the length of a step, and reading through the step's view.
//! Every read of objects goes through here, so that no import mixes two views (SF14) or two servers (SF17).

use crate::controls;
use crate::directory::{
    Directory, DirectoryError, DirectoryWrites, GUIDS_PER_FILTER, RC_ACCESS, RC_CRITICAL_EXTENSION, RC_STRONGER_AUTH,
    RC_UNWILLING, SearchRequest, guid_filter, guid_name, read_all, read_object,
};
use crate::domain_controller::DomainController;
use crate::entry::Entry;
use crate::errors;
use crate::object::{self, Reading};
use crate::scan::Scan;
use crate::schema::Attributes;
use crate::searches::ReadingDirectory;
use crate::settings::{Settings, View, ViewChoice};
use crate::tls::CertificateSeen;
use crate::watermark::Mark;
use crate::wire::{Connected, LdapDirectory, SignIn};
use connector_contract::{ConnectorError, ErrorKind};
use metaverse_schema::Guid;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Clock differences, in seconds, from which on the operator is warned and steps are refused (SF26).
pub(crate) const SKEW_WARNING: i64 = 60;
pub(crate) const SKEW_LIMIT: i64 = 300;

/// Asked for in every read besides the selected attributes: identity, place, class, and what kind of change it is.
const INTERNAL: &[&str] =
    &["objectGUID", "objectClass", "parentGUID", "name", "isDeleted", "whenCreated", "sAMAccountType"];

/// A connection with what a step needs to know.
pub(crate) struct Session {
    pub(crate) directory: Arc<dyn Directory>,
    pub(crate) controller: DomainController,
    pub(crate) attributes: Attributes,
    pub(crate) classes: Vec<String>,
    pub(crate) page_size: u32,
    pub(crate) certificate: CertificateSeen,
}

/// A session on a connection that is also written to.
pub(crate) struct WritingSession {
    pub(crate) session: Session,
    pub(crate) writes: Box<dyn DirectoryWrites>,
}

impl WritingSession {
    /// Connects as [`Session::open`] does.
    pub(crate) async fn open(settings: &Settings) -> Result<WritingSession, ConnectorError> {
        let (connected, controller) = choose::<LdapDirectory>(settings, None).await?;
        let writes = Box::new(connected.directory.clone());
        Ok(WritingSession { session: Session::over(connected, controller, settings).await?, writes })
    }
}

impl Session {
    /// Connects for reading to the first configured server that may serve the step. With a watermark, one that continues it is
    /// preferred. A refused credential ends the attempt at once: other servers would only count up to a lockout (SF23).
    pub(crate) async fn open(settings: &Settings, previous: Option<&Mark>) -> Result<Session, ConnectorError> {
        let (connected, controller) = choose::<ReadingDirectory>(settings, previous).await?;
        Session::over(connected, controller, settings).await
    }

    async fn over(
        connected: Connected<impl Directory + 'static>,
        controller: DomainController,
        settings: &Settings,
    ) -> Result<Session, ConnectorError> {
        let directory: Arc<dyn Directory> = Arc::new(connected.directory);
        let attempted = format!("reading the schema of {}", controller.url);
        let attributes =
            Attributes::read(directory.as_ref(), &controller.schema_context, &settings.attributes, settings.page_size)
                .await
                .map_err(|error| errors::step_error(&attempted, &error))?;
        Ok(Session {
            directory,
            controller,
            attributes,
            classes: settings.classes.clone(),
            page_size: settings.page_size,
            certificate: connected.certificate,
        })
    }

    /// The attributes that a read asks for.
    fn asked(&self) -> Vec<String> {
        let mut asked: Vec<String> = INTERNAL.iter().map(|&name| name.to_owned()).collect();
        let selected = self.attributes.names();
        asked
            .extend(selected.into_iter().filter(|name| !INTERNAL.iter().any(|known| known.eq_ignore_ascii_case(name))));
        asked
    }

    fn base(&self) -> String {
        self.controller.naming_context.to_string()
    }

    /// Everything of the selected classes and all containers, as the view shows it.
    pub(crate) fn scan(&self, view: View) -> Scan<'_> {
        self.scan_with(view, object::class_filter(&self.classes), Vec::new())
    }

    /// Changes since a cookie. Only for the two DirSync views.
    pub(crate) fn changes(&self, view: View, cookie: Vec<u8>) -> Scan<'_> {
        self.scan_with(view, object::class_filter(&self.classes), cookie)
    }

    /// Objects changed after `usn`, deleted ones included, whole.
    pub(crate) fn changes_by_usn(&self, usn: u64) -> Scan<'_> {
        let filter = format!(
            "(&(uSNChanged>={})(|(isDeleted=TRUE){}))",
            usn.saturating_add(1),
            object::class_filter(&self.classes)
        );
        let mut attributes = self.asked();
        attributes.push("uSNCreated".to_owned());
        let request = SearchRequest::subtree(self.base(), filter, attributes).with(controls::show_deleted());
        Scan::paged(self, request)
    }

    /// What was deleted and is still told of, by its GUID.
    pub(crate) fn tombstones(&self) -> Scan<'_> {
        let attributes = ["objectGUID", "isDeleted"].map(str::to_owned).to_vec();
        let request =
            SearchRequest::subtree(self.base(), "(isDeleted=TRUE)", attributes).with(controls::show_deleted());
        Scan::paged(self, request)
    }

    /// Everything below one container, by an ordinary search.
    pub(crate) fn below(&self, container: &Guid) -> Scan<'_> {
        let filter = object::class_filter(&self.classes);
        let request = SearchRequest::subtree(guid_name(container), filter, self.asked());
        Scan::paged(self, request)
    }

    fn scan_with(&self, view: View, filter: String, cookie: Vec<u8>) -> Scan<'_> {
        let request = SearchRequest::subtree(self.base(), filter, self.asked());
        match view {
            View::Usn => Scan::paged(self, request),
            View::DirSync | View::ObjectSecurity => Scan::dirsync(self, request, view == View::ObjectSecurity, cookie),
        }
    }

    /// These objects whole, in the same view as everything else: a plain read could show less than DirSync does.
    pub(crate) async fn read_whole(&self, view: View, guids: &[Guid]) -> Result<Vec<Entry>, DirectoryError> {
        let mut entries = Vec::new();
        for some in guids.chunks(GUIDS_PER_FILTER) {
            let mut scan = self.scan_with(view, guid_filter(some), Vec::new());
            while let Some(entry) = scan.next().await? {
                entries.push(entry);
            }
        }
        Ok(entries)
    }

    /// Class and place of these objects as they are now: DirSync's change entries do not repeat them. Objects that an
    /// ordinary search does not show are asked for in the view itself.
    pub(crate) async fn facts(&self, view: View, guids: &[Guid]) -> Result<Vec<Entry>, DirectoryError> {
        let attributes = ["objectGUID", "objectClass", "parentGUID", "sAMAccountType"].map(str::to_owned);
        let mut facts = Vec::new();
        for some in guids.chunks(GUIDS_PER_FILTER) {
            let request = SearchRequest::subtree(self.base(), guid_filter(some), attributes.to_vec());
            let found = read_all(self.directory.as_ref(), request, self.page_size).await?;
            let missing: Vec<Guid> = some
                .iter()
                .filter(|guid| !found.iter().any(|entry| entry.object_guid() == Some(**guid)))
                .copied()
                .collect();
            facts.extend(found);
            if view == View::DirSync && !missing.is_empty() {
                facts.extend(self.read_whole(view, &missing).await?);
            }
        }
        Ok(facts)
    }

    /// Asks for the rest of every attribute that came as a slice (1,500 values and more on Windows).
    pub(crate) async fn complete(&self, entry: &mut Entry, reading: Reading) -> Result<(), DirectoryError> {
        let slices: Vec<(usize, String, u32)> = entry
            .attributes()
            .enumerate()
            .filter_map(|(index, attribute)| match attribute.range {
                Some((0 | 1, Some(0 | 1))) if reading == Reading::Incremental => None,
                Some((_, Some(last))) => Some((index, attribute.name().to_owned(), last)),
                _ => None,
            })
            .collect();
        for (index, name, last) in slices {
            let Some(guid) = entry.object_guid() else {
                return Ok(());
            };
            let rest = self.rest_of(&guid, &name, last).await?;
            entry.complete(index, &rest).map_err(|error| DirectoryError::Malformed(error.to_string()))?;
        }
        entry.drop_empty_twins();
        Ok(())
    }

    async fn rest_of(&self, guid: &Guid, name: &str, mut last: u32) -> Result<Vec<Vec<u8>>, DirectoryError> {
        let mut values = Vec::new();
        loop {
            let asked = format!("{name};range={}-*", u64::from(last) + 1);
            let request = SearchRequest::object(guid_name(guid), &[&asked]);
            let found = read_object(self.directory.as_ref(), &request).await?;
            let slice = found.as_ref().and_then(|entry| {
                entry.attributes().find(|slice| slice.name().eq_ignore_ascii_case(name) && slice.range.is_some())
            });
            // Gone in the meantime, or nothing after the last value: the next delta has what changed.
            let Some(slice) = slice else {
                return Ok(values);
            };
            values.extend(slice.values.map(<[u8]>::to_vec));
            match slice.range {
                Some((_, Some(end))) if end > last => last = end,
                _ => return Ok(values),
            }
        }
    }
}

/// The first configured server that may serve the step, or that comes nearest.
async fn choose<D: SignIn>(
    settings: &Settings,
    previous: Option<&Mark>,
) -> Result<(Connected<D>, DomainController), ConnectorError> {
    let mut failures: Vec<ConnectorError> = Vec::new();
    let mut usable: Option<(Connected<D>, DomainController)> = None;
    for server in &settings.servers {
        let reached = async {
            let connected = D::sign_in(settings, server).await?;
            let controller = who_answers(&connected, settings, previous).await?;
            Ok::<_, ConnectorError>((connected, controller))
        };
        match reached.await {
            Ok((connected, controller)) => {
                if previous.is_none_or(|mark| mark.invocation == controller.invocation) {
                    return Ok((connected, controller));
                }
                usable.get_or_insert((connected, controller));
            }
            Err(error) if error.kind == ErrorKind::Credential => return Err(error),
            Err(error) => failures.push(error),
        }
    }
    usable.ok_or_else(|| all_failed(failures))
}

/// The domain controller at the other end, unless it may not serve the step.
pub(crate) async fn who_answers<D: Directory>(
    connected: &Connected<D>,
    settings: &Settings,
    previous: Option<&Mark>,
) -> Result<DomainController, ConnectorError> {
    let controller = DomainController::read(&connected.directory, &connected.url, settings.base.as_ref()).await?;
    controller.refuse_read_only()?;
    refuse_skew(&controller)?;
    if let Some(mark) = previous {
        controller.refuse_behind(&controller.continuity(mark))?;
    }
    Ok(controller)
}

pub(crate) fn all_failed(mut failures: Vec<ConnectorError>) -> ConnectorError {
    if failures.len() > 1 {
        let others: Vec<String> = failures.iter().skip(1).map(ToString::to_string).collect();
        let mut first = failures.swap_remove(0);
        first.message = format!("{} (and: {})", first.message, others.join(" | "));
        return first;
    }
    failures.pop().unwrap_or_else(|| {
        ConnectorError::new(
            ErrorKind::Connection,
            "choosing a domain controller",
            "no server is configured",
            "name one in `servers`",
        )
    })
}

/// How far this machine's clock is ahead of the domain controller's, in seconds.
pub(crate) fn clock_skew(controller: &DomainController) -> Option<i64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    Some(i64::try_from(now.as_secs()).ok()? - controller.time?)
}

fn refuse_skew(controller: &DomainController) -> Result<(), ConnectorError> {
    match clock_skew(controller) {
        Some(skew) if skew.abs() > SKEW_LIMIT => Err(ConnectorError::new(
            ErrorKind::CannotStart { status: "no-start-clock-skew" },
            format!("comparing the clock with that of {}", controller.url),
            format!("this machine's clock differs by {skew} s; more than {SKEW_LIMIT} s is not accepted"),
            "let both machines follow the same time source",
        )),
        _ => Ok(()),
    }
}

/// The views that a step may try, in order: the configured one; by itself the one of the last import if it still works,
/// then the one that sees most.
pub(crate) fn candidates(choice: ViewChoice, previous: Option<View>) -> Vec<View> {
    match choice {
        ViewChoice::Fixed(view) => vec![view],
        ViewChoice::Auto => {
            let mut views: Vec<View> = previous.into_iter().collect();
            for view in [View::DirSync, View::ObjectSecurity, View::Usn] {
                if !views.contains(&view) {
                    views.push(view);
                }
            }
            views
        }
    }
}

/// Whether the server refused the view itself: the right is missing (50), the control is unknown (12) or not allowed.
pub(crate) fn refuses_view(error: &DirectoryError) -> bool {
    matches!(error.code(), Some(RC_ACCESS | RC_CRITICAL_EXTENSION | RC_UNWILLING | RC_STRONGER_AUTH))
}

/// The missing right, and how to grant it on either server.
pub(crate) fn missing_view(
    controller: &DomainController,
    view: View,
    account: &str,
    error: &DirectoryError,
) -> ConnectorError {
    let base = &controller.naming_context;
    let (message, remedy) = match view {
        View::DirSync => (
            format!("the account {account} lacks the right Replicating Directory Changes on {base} ({error})"),
            format!(
                "grant it: Windows: dsacls \"{base}\" /G \"{account}:CA;Replicating Directory Changes\"; Samba: samba-tool dsacl \
                 set --objectdn=\"{base}\" --sddl=\"(OA;;CR;1131f6aa-9c07-11d1-f79f-00c04fc2dcd2;;SID)\"; or use view = \"auto\""
            ),
        ),
        View::ObjectSecurity | View::Usn => (
            format!("the domain controller does not serve the view `{view}` ({error})"),
            "use view = \"auto\"".to_owned(),
        ),
    };
    ConnectorError::new(ErrorKind::Permission, format!("reading changes of {base}"), message, remedy)
}

/// The missing right to see deletions, and how to grant it.
pub(crate) fn cannot_see_deleted(controller: &DomainController, account: &str) -> ConnectorError {
    let base = &controller.naming_context;
    ConnectorError::new(
        ErrorKind::Permission,
        format!("looking for deleted objects of {base}"),
        format!(
            "the account {account} may not list the container CN=Deleted Objects,{base}, so a delta import would never \
             notice a deletion"
        ),
        format!(
            "grant List Contents and Read Property there: Windows: dsacls \"CN=Deleted Objects,{base}\" /takeOwnership, then \
             dsacls \"CN=Deleted Objects,{base}\" /G \"{account}:LCRP\"; until then only full imports see deletions"
        ),
    )
}
