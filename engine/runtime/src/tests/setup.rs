//! A small deployment for the tests: two sources of persons and groups, one directory to write to, rules as an operator
//! would write them. Each engine is opened anew on the same store file, as each command does.

use super::directory::Directory;
use crate::{
    CycleKind, CycleReport, Engine, EngineParts, Event, Events, FixedClock, Reading, RunOptions, RunReport, Severity,
};
use connector_contract::Connector;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use sync_kernel::{CsId, Digest, Subject};
use sync_rules::{ConnectorName, Deployment, FileText, Files, RuleSet, load};
use tempfile::TempDir;

pub(super) const RULES: &str = include_str!("../../tests/systems/rules.toml");

/// Knobs of the deployment.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) matching: &'static str,
    pub(super) staging: bool,
    pub(super) workers: usize,
    pub(super) error_limit: u64,
    pub(super) page: usize,
    /// Objects that the guard lets pass; the share is set so high that only this number counts.
    pub(super) guard_objects: u64,
    pub(super) guard_at_least: u64,
    pub(super) rules: String,
    /// SF18; most tests want the consequences at once.
    pub(super) grace_days: u32,
    /// `recall = false` for hr (S50).
    pub(super) without_recall: bool,
    /// Of metasync.toml, behind everything else.
    pub(super) more: String,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            matching: "automatic",
            staging: false,
            workers: 1,
            error_limit: 5_000,
            page: 1_000,
            guard_objects: 1_000_000,
            guard_at_least: 1_000_000,
            rules: RULES.to_owned(),
            grace_days: 0,
            without_recall: false,
            more: String::new(),
        }
    }
}

pub(super) struct Lab {
    pub(super) hr: Arc<Directory>,
    pub(super) crm: Arc<Directory>,
    pub(super) dir: Arc<Directory>,
    pub(super) settings: Settings,
    pub(super) folder: TempDir,
    pub(super) now: i64,
}

/// Collects what a test wants to see of the event stream.
#[derive(Default)]
pub(super) struct Recorder(Mutex<Vec<Event>>);

impl Events for Recorder {
    fn emit(&self, event: &Event) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(event.clone());
    }

    fn wants_plans(&self) -> bool {
        true
    }
}

impl Recorder {
    pub(super) fn take(&self) -> Vec<Event> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Lab {
    pub(super) fn new() -> Self {
        Lab::with(Settings::default())
    }

    pub(super) fn with(settings: Settings) -> Self {
        Lab {
            hr: Directory::new("employeeId"),
            crm: Directory::new("employeeId"),
            dir: Directory::new("stamp"),
            settings,
            folder: folder(),
            now: 1_000_000,
        }
    }

    pub(super) fn configuration(&self) -> (Deployment, RuleSet) {
        let settings = &self.settings;
        let configuration = format!(
            "[deployment]\nname = \"test\"\nstaging = {}\nworkers = {}\nerror_limit = {}\n\
             [matching]\nmode = \"{}\"\n[leaving]\ngrace_days = {}\n\
             [guards]\nobjects = {}\npercent = 100\nat_least = {}\n\
             [connector.hr]\nkind = \"text-file\"\nrecall = {}\n[connector.crm]\nkind = \"text-file\"\n[connector.dir]\nkind = \"text-file\"\n{}",
            settings.staging,
            settings.workers,
            settings.error_limit,
            settings.matching,
            settings.grace_days,
            settings.guard_objects,
            settings.guard_at_least.min(settings.guard_objects),
            !settings.without_recall,
            settings.more,
        );
        let files = Files {
            configuration: FileText::text("metasync.toml", configuration),
            rules: vec![FileText::text("rules/test.toml", settings.rules.clone())],
        };
        let loaded = load(&files, PathBuf::from(self.folder.path()));
        assert!(!loaded.has_errors(), "{:#?}", loaded.diagnostics);
        (loaded.deployment.unwrap(), loaded.rules.unwrap())
    }

    pub(super) fn connectors(&self) -> BTreeMap<ConnectorName, Arc<dyn Connector>> {
        let named = |name: &str, directory: &Arc<Directory>| {
            (ConnectorName::from(name), Arc::clone(directory) as Arc<dyn Connector>)
        };
        [named("hr", &self.hr), named("crm", &self.crm), named("dir", &self.dir)].into()
    }

    pub(super) fn parts(&self) -> EngineParts {
        let (deployment, rules) = self.configuration();
        let mut parts = EngineParts::new(deployment, rules, self.connectors());
        parts.clock = Arc::new(FixedClock(self.now));
        parts.limits.page = self.settings.page;
        // Pages of a system as they come: what happens between them shows.
        parts.limits.gather_items = 1;
        parts
    }

    pub(super) fn engine(&self) -> Engine {
        Engine::open(self.parts()).unwrap()
    }

    pub(super) async fn run(&self, connector: &str, profile: &str) -> RunReport {
        self.run_with(connector, profile, &RunOptions::default()).await
    }

    pub(super) async fn run_with(&self, connector: &str, profile: &str, options: &RunOptions) -> RunReport {
        self.engine().run_profile(connector, profile, options).await.unwrap()
    }

    pub(super) async fn cycle(&self, kind: CycleKind) -> CycleReport {
        self.engine().cycle(kind, &RunOptions::default()).await.unwrap()
    }

    /// An export during which the process is lost, at this point of the target.
    pub(super) async fn export_is_lost(&self, point: u64) {
        self.dir.behave(|behaviour| behaviour.crash_at = Some(point));
        let mut engine = self.engine();
        let options = RunOptions::default();
        tokio::select! {
            biased;
            () = self.dir.crashed.notified() => {}
            report = engine.run_profile("dir", "export", &options) => panic!("{report:#?}"),
        }
        drop(engine);
        self.dir.behave(|behaviour| behaviour.crash_at = None);
    }

    /// A cycle in which nothing goes wrong.
    pub(super) async fn good_cycle(&self, kind: CycleKind) -> CycleReport {
        let report = self.cycle(kind).await;
        assert!(report.severity <= Severity::Held, "{report:#?}");
        report
    }

    /// What reached the target since the last look.
    pub(super) fn written(&self) -> Vec<String> {
        std::mem::take(&mut self.dir.state().writes)
    }

    pub(super) fn approve_everything(&self) -> usize {
        let mut engine = self.engine();
        let lists = crate::cycle::waiting_lists(engine.store(), &"dir".into()).unwrap();
        for list in &lists {
            engine.approve(&Digest::from_text(&list.digest)).unwrap();
        }
        lists.len()
    }

    /// Invariant 3: after a confirming import nothing is left to send, and nothing is sent.
    pub(super) async fn second_plan_is_empty(&self) {
        self.written();
        for kind in [CycleKind::Delta, CycleKind::Initial] {
            let report = self.cycle(kind).await;
            assert_eq!(self.written(), Vec::<String>::new(), "{report:#?}");
            assert_eq!(report.pending["dir"], 0, "{report:#?}");
            assert_eq!(report.unconfirmed["dir"], 0, "{report:#?}");
        }
    }
}

/// In memory where the machine has such a place: these tests lose processes, not disks.
fn folder() -> TempDir {
    let memory = std::path::Path::new("/dev/shm");
    match memory.is_dir() {
        true => TempDir::new_in(memory).unwrap(),
        false => tempfile::tempdir().unwrap(),
    }
}

pub(super) fn person(number: usize) -> (String, [String; 3]) {
    (format!("p{number}"), [format!("{number}"), format!("Person {number}"), format!("person{number}@contoso.example")])
}

impl Directory {
    /// A person as a source keeps it.
    pub(super) fn put_person(&self, number: usize) {
        let (anchor, [id, name, mail]) = person(number);
        self.put(&anchor, "user", &[("employeeId", &id), ("displayName", &name), ("mail", &mail), ("enabled", "true")]);
    }
}

/// The object of a connector with this anchor.
pub(super) fn object(reading: &Reading<'_>, connector: &str, anchor: &str) -> CsId {
    match reading.find(&crate::Space::Connector(connector.into()), anchor).unwrap() {
        Subject::Connector(id) => id,
        Subject::Metaverse(id) => panic!("{id} is no connector-space object"),
    }
}
