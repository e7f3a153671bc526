//! Two systems in memory with passwords: a directory whose hashes can be read, and one that takes them. Around the small
//! deployment of the other tests.

use super::super::directory::Directory;
use super::super::setup::{Lab, RULES, Settings};
use crate::{
    CycleKind, EngineError, FixedClock, PassKind, PasswordLimits, PasswordParts, PasswordReport, StopSignal,
    synchronise_passwords,
};
use async_trait::async_trait;
use connector_contract::{
    Check, Connector, ConnectorError, CredentialMark, DeltaImport, ErrorKind, Exporter, FullImport, ImportEnd,
    ImportSink, MatchFacts, NtHash, ObjectReader, OwnAccount, PasswordChange, PasswordOutcome, PasswordPush,
    PasswordReadEnd, PasswordSink, PasswordSource, PasswordTarget, SealedHash, SystemState, Watermark,
};
use metaverse_schema::{Anchor, ConnectorSchema};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use sync_kernel::PasswordState;
use sync_store::{PasswordEvent, Store};

/// A password of a source.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) text: String,
    pub(super) version: u64,
    pub(super) must_change: bool,
    pub(super) excluded: Option<String>,
}

/// MD4 is the directory's business; here a hash is 16 bytes that a test can tell apart, and that stand nowhere else.
pub(super) fn hash_of(text: &str) -> [u8; 16] {
    let mut bytes = [0u8; 16];
    for (at, byte) in bytes.iter_mut().enumerate() {
        let letters = text.bytes().enumerate();
        let mixed = letters.fold(0xA5u64 + at as u64, |sum, (place, byte)| {
            sum.wrapping_mul(1_099_511_628_211).wrapping_add(u64::from(byte) ^ (place as u64 + at as u64))
        });
        *byte = (mixed >> 24) as u8;
    }
    bytes
}

struct Sealed(String, Arc<AtomicU64>);

impl SealedHash for Sealed {
    fn open(self: Box<Self>) -> Result<NtHash, ConnectorError> {
        self.1.fetch_add(1, Ordering::Relaxed);
        match self.0.as_str() {
            "damaged" => Err(error(ErrorKind::Protocol, "the hash does not fit its check sum")),
            text => Ok(NtHash::new(hash_of(text))),
        }
    }
}

pub(super) fn error(kind: ErrorKind, message: &str) -> ConnectorError {
    ConnectorError::new(kind, "asking dc1", message, "look at dc1")
}

#[derive(Default)]
pub(super) struct SourceState {
    pub(super) users: BTreeMap<String, Entry>,
    changes: Vec<(String, bool)>,
    /// Reads of everything, of changes, and of single users that reached the source.
    pub(super) calls: Vec<String>,
    /// A read breaks with this error after so many pages.
    pub(super) breaks: Option<(usize, ConnectorError)>,
    pub(super) stamp: String,
    pub(super) page: usize,
    /// A password's own item was made before its user was told to change it.
    pub(super) flags_come_later: bool,
}

#[derive(Default)]
pub(super) struct Source {
    state: Mutex<SourceState>,
    opened: Arc<AtomicU64>,
}

impl Source {
    pub(super) fn state(&self) -> MutexGuard<'_, SourceState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The user sets this password.
    pub(super) fn set(&self, user: &str, text: &str) {
        let mut state = self.state();
        let version = state.users.get(user).map_or(1, |entry| entry.version + 1);
        let excluded = state.users.get(user).and_then(|entry| entry.excluded.clone());
        state.users.insert(user.to_owned(), Entry { text: text.to_owned(), version, must_change: false, excluded });
        state.changes.push((user.to_owned(), true));
    }

    /// "User must change password at next logon" is ticked, or not: no new password (P27).
    pub(super) fn must_change(&self, user: &str, must_change: bool) {
        let mut state = self.state();
        state.users.get_mut(user).unwrap().must_change = must_change;
        state.changes.push((user.to_owned(), false));
    }

    pub(super) fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.state().calls)
    }

    fn change(&self, user: &str, entry: &Entry, of_the_password: bool) -> PasswordChange {
        let sealed = Sealed(entry.text.clone(), Arc::clone(&self.opened));
        PasswordChange {
            anchor: Anchor::Text(user.to_owned()),
            object: format!("cn={user}"),
            excluded: entry.excluded.clone(),
            version: if of_the_password { entry.version } else { 0 },
            changed: of_the_password.then_some(1_700_000_000 + i64::try_from(entry.version).unwrap()),
            must_change: Some(entry.must_change),
            hash: (of_the_password && !entry.text.is_empty()).then(|| Box::new(sealed) as Box<dyn SealedHash>),
        }
    }
}

#[async_trait]
impl PasswordSource for Source {
    async fn read_passwords(
        &self,
        since: Option<&Watermark>,
        sink: PasswordSink,
    ) -> Result<PasswordReadEnd, ConnectorError> {
        let (items, end, page, breaks) = {
            let mut state = self.state();
            state.calls.push(if since.is_some() { "changes" } else { "everything" }.to_owned());
            let from: Option<usize> = since.map(|mark| mark.0.parse().unwrap());
            let told: Vec<(String, bool)> = match from {
                Some(from) => state.changes[from..].to_vec(),
                None => state.users.keys().map(|user| (user.clone(), true)).collect(),
            };
            let item = |(user, own): &(String, bool)| {
                let change = self.change(user, &state.users[user], *own);
                let earlier = *own && state.flags_come_later;
                PasswordChange { must_change: change.must_change.filter(|_| !earlier), ..change }
            };
            let items: Vec<PasswordChange> = told.iter().map(item).collect();
            (items, state.changes.len(), state.page.max(1), state.breaks.clone())
        };
        let mut pages = 0;
        let mut left = items.into_iter().peekable();
        while left.peek().is_some() {
            if let Some((after, error)) = &breaks
                && pages == *after
            {
                return Err(error.clone());
            }
            sink.send(left.by_ref().take(page).collect()).await?;
            pages += 1;
        }
        match breaks {
            Some((_, error)) => Err(error),
            None => Ok(PasswordReadEnd {
                watermark: Watermark(end.to_string()),
                full_because: None,
                source: "dc1.corp.example".into(),
            }),
        }
    }

    async fn read_passwords_of(&self, anchors: &[Anchor]) -> Result<Vec<PasswordChange>, ConnectorError> {
        let mut state = self.state();
        let names: Vec<String> = anchors.iter().map(ToString::to_string).collect();
        state.calls.push(format!("single {}", names.join(" ")));
        if let Some((_, error)) = &state.breaks {
            return Err(error.clone());
        }
        let found = names.iter().filter_map(|user| Some(self.change(user, state.users.get(user)?, true)));
        Ok(found.collect())
    }

    fn reads_from(&self) -> Option<String> {
        Some("dc1.corp.example".into())
    }

    fn opened(&self) -> u64 {
        self.opened.load(Ordering::Relaxed)
    }

    fn credential(&self) -> Option<CredentialMark> {
        Some(CredentialMark { name: "CORP\\svc-passwords".into(), stamp: self.state().stamp.clone() })
    }
}

#[derive(Default)]
pub(super) struct TargetState {
    /// What each object has now.
    pub(super) has: BTreeMap<String, [u8; 16]>,
    /// One line for each password that arrived, refused ones too.
    pub(super) arrived: Vec<String>,
    pub(super) batches: usize,
    pub(super) not_there: BTreeSet<String>,
    pub(super) refuses: BTreeMap<String, bool>,
    /// Passwords that must be changed are not taken (P25).
    pub(super) filters: bool,
    pub(super) fails: Option<ConnectorError>,
    pub(super) pings: usize,
    pub(super) stops: Option<StopSignal>,
}

#[derive(Default)]
pub(super) struct Target(Mutex<TargetState>);

impl Target {
    pub(super) fn state(&self) -> MutexGuard<'_, TargetState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl PasswordTarget for Target {
    fn batch_size(&self) -> usize {
        2
    }

    async fn set_passwords(&self, batch: Vec<PasswordPush>) -> Result<Vec<(i64, PasswordOutcome)>, ConnectorError> {
        let mut state = self.state();
        state.batches += 1;
        if let Some(stop) = &state.stops {
            stop.stop();
        }
        if let Some(error) = &state.fails {
            return Err(error.clone());
        }
        let mut outcomes = Vec::new();
        for push in batch {
            let anchor = push.anchor.to_string();
            let flag = if push.must_change { " must change" } else { "" };
            state.arrived.push(format!("{anchor}{flag}"));
            let outcome = if state.not_there.contains(&anchor) {
                PasswordOutcome::NotThere { message: "the object was not found".into() }
            } else if state.filters && push.must_change {
                PasswordOutcome::Filtered { message: "temporary passwords are not taken".into() }
            } else if let Some(retry) = state.refuses.get(&anchor) {
                PasswordOutcome::Refused {
                    code: "result-5".into(),
                    message: "not today".into(),
                    remedy: String::new(),
                    retry: *retry,
                }
            } else {
                state.has.insert(anchor, *push.hash.expose());
                PasswordOutcome::Accepted
            };
            outcomes.push((push.id, outcome));
        }
        Ok(outcomes)
    }

    async fn ping(&self) -> Result<(), ConnectorError> {
        let mut state = self.state();
        state.pings += 1;
        state.fails.clone().map_or(Ok(()), Err)
    }

    async fn switch_on(&self) -> Result<bool, ConnectorError> {
        Ok(false)
    }

    fn credential(&self) -> Option<CredentialMark> {
        Some(CredentialMark { name: "application 1".into(), stamp: String::new() })
    }
}

/// A directory of the other tests, and what it does with passwords.
struct WithPasswords {
    inner: Arc<Directory>,
    source: Option<Arc<Source>>,
    target: Option<Arc<Target>>,
}

#[async_trait]
impl Connector for WithPasswords {
    async fn schema(&self) -> Result<ConnectorSchema, ConnectorError> {
        self.inner.schema().await
    }

    async fn check(&self) -> Check {
        self.inner.check().await
    }

    async fn import_full(&self, request: FullImport, sink: ImportSink) -> Result<ImportEnd, ConnectorError> {
        self.inner.import_full(request, sink).await
    }

    fn makes_prints(&self) -> bool {
        self.inner.makes_prints()
    }

    fn delta_import(&self) -> Option<&dyn DeltaImport> {
        self.inner.delta_import()
    }

    fn object_reader(&self) -> Option<&dyn ObjectReader> {
        self.inner.object_reader()
    }

    fn exporter(&self) -> Option<&dyn Exporter> {
        self.inner.exporter()
    }

    fn match_facts(&self) -> Option<&dyn MatchFacts> {
        self.inner.match_facts()
    }

    fn system_state(&self) -> Option<&dyn SystemState> {
        Connector::system_state(&*self.inner)
    }

    fn credential(&self) -> Option<CredentialMark> {
        self.inner.credential()
    }

    async fn forget_refusals(&self) {
        self.inner.forget_refusals().await;
    }

    fn password_source(&self) -> Option<&dyn PasswordSource> {
        self.source.as_ref().map(|source| &**source as &dyn PasswordSource)
    }

    fn password_target(&self) -> Option<&dyn PasswordTarget> {
        self.target.as_ref().map(|target| &**target as &dyn PasswordTarget)
    }

    async fn own_accounts(&self) -> Result<Vec<OwnAccount>, ConnectorError> {
        self.inner.own_accounts().await
    }
}

/// P12: the switch for enabled accounts, and the one on the way out.
pub(super) fn rules() -> String {
    let outward = "id = \"out-dir-user\"\n";
    assert!(RULES.contains(outward));
    format!(
        "{}\n[[rule]]\nid = \"in-hr-enabled\"\nname = \"In from hr - Enabled\"\ndirection = \"inbound\"\nconnector = \"hr\"\n\
         source_type = \"user\"\ntarget_type = \"person\"\nprecedence = 102\npassword_sync = true\nscope = [[\"enabled EQUAL True\"]]\n",
        RULES.replace(outward, &format!("{outward}password_sync = true\n"))
    )
}

pub(super) struct World {
    pub(super) lab: Lab,
    pub(super) source: Arc<Source>,
    pub(super) target: Arc<Target>,
    pub(super) stop: StopSignal,
}

impl World {
    pub(super) fn new() -> Self {
        World::with("[passwords]\nfrom = [\"hr\"]\nto = [\"dir\"]\n")
    }

    pub(super) fn with(more: &str) -> Self {
        let settings = Settings { rules: rules(), more: more.to_owned(), ..Settings::default() };
        World { lab: Lab::with(settings), source: Arc::default(), target: Arc::default(), stop: StopSignal::new() }
    }

    /// People 1 to `count` are synchronised, each with a password of their own.
    pub(super) async fn settled(count: usize) -> Self {
        let world = World::new();
        for number in 1..=count {
            world.lab.hr.put_person(number);
            world.source.set(&format!("p{number}"), &format!("secret {number}"));
        }
        world.lab.good_cycle(CycleKind::Initial).await;
        world
    }

    pub(super) fn parts(&self) -> PasswordParts {
        let (deployment, rules) = self.lab.configuration();
        let mut connectors = self.lab.connectors();
        let hr =
            WithPasswords { inner: Arc::clone(&self.lab.hr), source: Some(Arc::clone(&self.source)), target: None };
        let dir =
            WithPasswords { inner: Arc::clone(&self.lab.dir), source: None, target: Some(Arc::clone(&self.target)) };
        connectors.insert("hr".into(), Arc::new(hr));
        connectors.insert("dir".into(), Arc::new(dir));
        PasswordParts {
            deployment,
            rules,
            connectors,
            clock: Arc::new(FixedClock(self.lab.now)),
            stop: self.stop.clone(),
            limits: PasswordLimits { page: 3, pages: 1, singles: 2, ..PasswordLimits::default() },
        }
    }

    pub(super) async fn try_pass(&self, kind: &PassKind) -> Result<PasswordReport, EngineError> {
        synchronise_passwords(&self.parts(), kind).await
    }

    pub(super) async fn pass(&self) -> PasswordReport {
        self.try_pass(&PassKind::Changes).await.unwrap()
    }

    /// What arrived at the target since the last look, by the stamp of each object.
    pub(super) fn arrived(&self) -> Vec<String> {
        let lines = std::mem::take(&mut self.target.state().arrived);
        let mut named: Vec<String> = lines
            .into_iter()
            .map(|line| {
                let (anchor, flag) = line.split_once(' ').map_or((line.as_str(), ""), |(anchor, flag)| (anchor, flag));
                let state = self.lab.dir.state();
                let stamp = state.objects.get(anchor).and_then(|entry| entry.attributes.text("stamp"));
                format!("{} {flag}", stamp.unwrap_or(anchor)).trim_end().to_owned()
            })
            .collect();
        named.sort();
        named
    }

    /// Whether the target's object of this person has this password.
    pub(super) fn signs_in(&self, number: usize, text: &str) -> bool {
        let Some(anchor) = self.lab.dir.anchor_of("stamp", &number.to_string()) else { return false };
        self.target.state().has.get(&anchor) == Some(&hash_of(text))
    }

    pub(super) fn store(&self) -> Store {
        Store::open_read_only(&self.lab.configuration().0.store).unwrap()
    }

    pub(super) fn events(&self) -> Vec<PasswordEvent> {
        let mut events = self.store().password_events(1_000).unwrap();
        events.reverse();
        events
    }

    pub(super) fn numbers(&self) -> Vec<u16> {
        self.events().iter().map(|event| event.number).collect()
    }

    /// What is logged of a person last.
    pub(super) fn last(&self, number: usize) -> (PasswordState, String) {
        let log = self.store().password_log("hr", "dir", &Anchor::Text(format!("p{number}")), 1).unwrap();
        log.into_iter().next().map(|line| (line.state, line.reason)).unwrap()
    }
}

pub(super) fn states(report: &PasswordReport) -> String {
    let lines = report.sources.iter().flat_map(|source| &source.targets).map(|target| {
        let states: Vec<String> = target.states.iter().map(|(state, number)| format!("{state} {number}")).collect();
        format!("{}: {}; owed {}", target.target, states.join(", "), target.owed)
    });
    lines.collect::<Vec<_>>().join("\n")
}
