//! Reading password hashes: everything, what changed, single users. One domain controller for each read; pages are handed over
//! as they come, and where the next read continues is known only after the last one.

use super::course::{Course, Next};
use super::failure::{Circumstances, astray, over_ldap};
use super::item::{Looked, LookedUp, Opener, password_change, unknown_accounts};
use super::mark::{Beginning, PasswordMark, beginning, without_common_past};
use super::service::{PAGE, Service, ServiceError, Target};
use super::settings::{Account, PasswordSettings};
use crate::directory::{Directory, GUIDS_PER_FILTER, SearchRequest, guid_filter, read_all};
use crate::domain_controller::DomainController;
use crate::errors;
use crate::searches::ReadingDirectory;
use crate::session::{Session, all_failed, who_answers};
use crate::settings::Settings;
use crate::wire::{Connected, SignIn};
use async_trait::async_trait;
use connector_contract::{
    ConnectorError, CredentialMark, ErrorKind, OwnAccount, PasswordChange, PasswordReadEnd, PasswordSink,
    PasswordSource, Watermark,
};
use directory_replication::drsuapi::{ChangedObject, DrsError, Of, refusal};
use metaverse_schema::{Anchor, Guid, Sid, Value};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What an answer about one object says when it is what was asked for (EXOP_ERR_SUCCESS, MS-DRSR 4.1.10.4.21).
const SUCCESS: u32 = 1;

/// The password hashes of one domain.
pub(crate) struct PasswordReader {
    /// The connector's settings with the account of passwords.
    settings: Settings,
    passwords: PasswordSettings,
    opened: Arc<AtomicU64>,
    /// The domain controller of the last read.
    from: Mutex<Option<String>>,
}

/// A domain controller that LDAP was signed in to.
pub(super) struct Reached {
    directory: ReadingDirectory,
    pub(super) controller: DomainController,
    address: String,
}

impl PasswordReader {
    /// Connects to nothing yet.
    pub(crate) fn new(connector: &Settings, passwords: &PasswordSettings) -> Self {
        let settings = passwords.over(connector);
        PasswordReader { settings, passwords: passwords.clone(), opened: Arc::default(), from: Mutex::default() }
    }

    fn now_from(&self, reached: &Reached) {
        *self.from.lock().unwrap_or_else(PoisonError::into_inner) = Some(reached.controller.host.clone());
    }

    /// The domain controller that serves a read: the one that continues the last read from its own numbers, else one that
    /// continues it at all, else the first. A refused credential ends the attempt: others would only count up to a lockout
    /// (SF23).
    async fn reach(&self, since: Option<&Watermark>) -> Result<(Reached, Beginning), ConnectorError> {
        let mut failures = Vec::new();
        let mut best: Option<(Reached, Beginning)> = None;
        let rank = |beginning: &Beginning| match beginning {
            Beginning::Same(_) | Beginning::Everything { because: None } => 2,
            Beginning::Other(_) => 1,
            Beginning::Everything { because: Some(_) } => 0,
        };
        for server in &self.settings.servers {
            match reach(&self.settings, server).await {
                Ok(reached) => {
                    let begins = beginning(since, &reached.controller);
                    let better = best.as_ref().is_none_or(|(_, known)| rank(&begins) > rank(known));
                    if better {
                        let found = rank(&begins) == 2;
                        best = Some((reached, begins));
                        if found {
                            break;
                        }
                    }
                }
                Err(error) if error.kind == ErrorKind::Credential => return Err(error),
                Err(error) => failures.push(error),
            }
        }
        best.ok_or_else(|| all_failed(failures))
    }

    pub(super) async fn service(&self, reached: &Reached) -> Result<Service, ConnectorError> {
        let attempted = format!("signing in to {} as {}", reached.controller.host, self.settings.bind_user);
        let secret = (self.passwords.password.resolve())
            .map_err(|error| ConnectorError::new(ErrorKind::Credential, attempted, error.to_string(), ""))?;
        let target = Target {
            address: &reached.address,
            host: &reached.controller.host,
            settings: &self.settings,
            passwords: &self.passwords,
            secret: &secret,
        };
        match Service::open(&target).await {
            Ok(service) => Ok(service),
            Err(error) => Err(self.explain(reached, error).await),
        }
    }

    pub(super) async fn explain(&self, reached: &Reached, error: ServiceError) -> ConnectorError {
        let account = reached.controller.own_account(&reached.directory, &self.settings.bind_user).await;
        let sid = account.ok().and_then(|account| match account.value {
            Value::Binary(bytes) => Sid::from_slice(&bytes).ok(),
            _ => None,
        });
        let circumstances = Circumstances {
            directory: &reached.directory,
            controller: &reached.controller,
            account: &self.settings.bind_user,
            sid,
        };
        circumstances.explain(error).await
    }

    fn opener(&self, service: &Service) -> Opener {
        Opener { key: service.key(), opened: Arc::clone(&self.opened) }
    }

    async fn read(
        &self,
        reached: &Reached,
        begins: Beginning,
        sink: &PasswordSink,
    ) -> Result<PasswordReadEnd, ConnectorError> {
        let controller = &reached.controller;
        let (before, mut full_because) = match &begins {
            Beginning::Everything { because } => (None, because.clone()),
            Beginning::Same(mark) | Beginning::Other(mark) => (Some(mark), None),
        };
        let mut course = Course::new(controller.naming_context.to_string(), controller.invocation, &begins);
        let mut service = self.service(reached).await?;
        let opener = self.opener(&service);
        let last = loop {
            let answer = match service.changes(course.request(), PAGE).await {
                Ok(answer) => answer,
                Err(error) => return Err(self.explain(reached, error).await),
            };
            course.check(&answer).map_err(|found| astray(controller, found))?;
            let page = changes_of(reached, &answer.objects, &opener).await?;
            if !page.is_empty() {
                sink.send(page).await?;
            }
            if course.advance(&answer) == Next::End {
                break answer;
            }
        };
        service.close().await;
        if let Beginning::Other(mark) = &begins {
            full_because = without_common_past(mark, &controller.host, &last);
        }
        let watermark = PasswordMark::after(before, controller, &last).encode();
        Ok(PasswordReadEnd { watermark, full_because, source: controller.host.clone() })
    }
}

/// Signs in to one server over LDAP: who answers, how far it is, and why a sign-in is refused, is told there only.
pub(super) async fn reach(settings: &Settings, server: &crate::settings::Server) -> Result<Reached, ConnectorError> {
    let connected: Connected<ReadingDirectory> = ReadingDirectory::sign_in(settings, server).await?;
    let controller = who_answers(&connected, settings, None).await?;
    let address = connected.peer.map_or_else(|| server.host.clone(), |peer| peer.to_string());
    Ok(Reached { directory: connected.directory, controller, address })
}

/// What a page says of passwords.
async fn changes_of(
    reached: &Reached,
    objects: &[ChangedObject],
    opener: &Opener,
) -> Result<Vec<PasswordChange>, ConnectorError> {
    let unknown = unknown_accounts(objects);
    let looked = look_up(reached, &unknown).await?;
    Ok(objects.iter().filter_map(|object| password_change(object, &looked, opener)).collect())
}

/// What kind of accounts these are: a change of a password does not repeat it.
async fn look_up(reached: &Reached, guids: &[Guid]) -> Result<Looked, ConnectorError> {
    /// Entries of one page; there is one for each GUID at most.
    const PAGE_SIZE: u32 = 500;
    let attributes = ["objectGUID", "userAccountControl", "sAMAccountName"].map(str::to_owned);
    let base = reached.controller.naming_context.to_string();
    let mut looked = Looked::new();
    for some in guids.chunks(GUIDS_PER_FILTER) {
        let request = SearchRequest::subtree(base.clone(), guid_filter(some), attributes.to_vec());
        let found = read_all(&reached.directory, request, PAGE_SIZE)
            .await
            .map_err(|error| over_ldap(&reached.controller, &error))?;
        for entry in found {
            let Some(guid) = entry.object_guid() else { continue };
            // Written as a signed number.
            let control = entry.first_text("userAccountControl").and_then(|text| text.parse::<i32>().ok());
            let name = entry.first_text("sAMAccountName").map(str::to_owned);
            looked.insert(guid, LookedUp { control: control.map(i32::cast_unsigned), name });
        }
    }
    Ok(looked)
}

#[async_trait]
impl PasswordSource for PasswordReader {
    async fn read_passwords(
        &self,
        since: Option<&Watermark>,
        sink: PasswordSink,
    ) -> Result<PasswordReadEnd, ConnectorError> {
        let reading = async {
            let (reached, begins) = self.reach(since).await?;
            self.now_from(&reached);
            self.read(&reached, begins, &sink).await
        };
        tokio::select! {
            ended = reading => ended,
            // Dropping the read closes its connections, in the middle of an answer too.
            stopped = sink.stopped() => Err(stopped),
        }
    }

    async fn read_passwords_of(&self, anchors: &[Anchor]) -> Result<Vec<PasswordChange>, ConnectorError> {
        let guids: Vec<Guid> = anchors.iter().filter_map(Anchor::as_guid).copied().collect();
        if guids.is_empty() {
            return Ok(Vec::new());
        }
        let (reached, _) = self.reach(None).await?;
        self.now_from(&reached);
        let mut service = self.service(&reached).await?;
        let opener = self.opener(&service);
        let mut found = Vec::new();
        for guid in guids {
            let answer = match service.changes(Of::Object(guid), 1).await {
                Ok(answer) => answer,
                // There is no such object any more.
                Err(ServiceError::Drs(DrsError::Refused(refusal::BAD_DN | refusal::OBJECT_NOT_FOUND))) => continue,
                Err(error) => return Err(self.explain(&reached, error).await),
            };
            if answer.extended != SUCCESS {
                let refused = ServiceError::Drs(DrsError::Refused(answer.extended));
                return Err(self.explain(&reached, refused).await);
            }
            let of_it: Vec<ChangedObject> = answer.objects.into_iter().filter(|object| object.guid == guid).collect();
            found.extend(changes_of(&reached, &of_it, &opener).await?);
        }
        service.close().await;
        Ok(found)
    }

    fn reads_from(&self) -> Option<String> {
        self.from.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn opened(&self) -> u64 {
        self.opened.load(Ordering::Relaxed)
    }

    fn credential(&self) -> Option<CredentialMark> {
        let PasswordSettings { account, password, .. } = &self.passwords;
        Some(CredentialMark { name: format!("{account} ({password})"), stamp: password.stamp() })
    }
}

/// The account of passwords as an object of the domain, found over the connection of imports: it is never synchronised (SF20).
/// `None` where it is an account of another domain, whose objects are not in this connector's space.
pub(crate) async fn own_account(
    session: &Session,
    passwords: &PasswordSettings,
) -> Result<Option<OwnAccount>, ConnectorError> {
    let controller = &session.controller;
    let attempted = format!("looking for the account {} on {}", passwords.account, controller.url);
    let filter = match &passwords.account {
        Account::InDomain { user, .. } => format!("(sAMAccountName={})", ldap3::ldap_escape(user.as_str())),
        // A principal name that nobody has written down is made of the account's name and the domain's.
        Account::Principal(name) => {
            let (user, suffix) = name.rsplit_once('@').unwrap_or((name, ""));
            let written = format!("(userPrincipalName={})", ldap3::ldap_escape(name.as_str()));
            if suffix.eq_ignore_ascii_case(&dns_name(&controller.naming_context.to_string())) {
                format!("(|{written}(sAMAccountName={}))", ldap3::ldap_escape(user))
            } else {
                written
            }
        }
    };
    let base = controller.naming_context.to_string();
    let request = SearchRequest::subtree(base, filter, vec!["objectSid".to_owned(), "userPrincipalName".to_owned()]);
    let directory: &dyn Directory = session.directory.as_ref();
    let mut found = read_all(directory, request, session.page_size)
        .await
        .map_err(|error| errors::step_error(&attempted, &error))?;
    // Who has the whole name before who has the account's name.
    let whole = |entry: &crate::entry::Entry| {
        let name = passwords.account.to_string();
        entry.first_text("userPrincipalName").is_some_and(|text| text.eq_ignore_ascii_case(&name))
    };
    found.sort_by_key(|entry| !whole(entry));
    let account = found.first().and_then(|entry| {
        let sid = entry.first("objectSid")?;
        Some(OwnAccount {
            attribute: "objectSid".to_owned(),
            value: Value::Binary(sid.to_vec()),
            name: format!("{} ({})", passwords.account, entry.dn),
        })
    });
    Ok(account)
}

/// `DC=corp,DC=example` -> `corp.example`.
fn dns_name(naming_context: &str) -> String {
    let parts = naming_context.split(',').filter_map(|part| part.split_once('='));
    parts.map(|(_, value)| value).collect::<Vec<_>>().join(".")
}
