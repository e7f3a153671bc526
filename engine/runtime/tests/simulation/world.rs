//! A world: two sources, a target and a deployment between them, and what its plan lets happen to them. Looks at each step for
//! what must hold while things go on; what must hold afterwards stands in invariants.rs.

use crate::directory::{Directory, Weather};
use crate::moments::Moments;
use crate::operation::{CONNECTORS, Change, DAY, Fault, Operation, Order, PERSONS, Plan, Step, TITLES, UNITS};
use crate::rules::rules;
use crate::tally::Tally;
use connector_contract::Connector;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use sync_kernel::MvId;
use sync_rules::{ConnectorName, Deployment, FileText, Files, RuleSet, load};
use sync_runtime::{CycleKind, Engine, EngineError, EngineParts, FixedClock, RunOptions, RunReport, StopSignal};
use sync_store::LinkOrder;
use tempfile::TempDir;

/// A promise that a world broke.
#[derive(Debug, Clone)]
pub(crate) struct Violation {
    pub(crate) invariant: &'static str,
    pub(crate) told: String,
}

pub(crate) type Held = Result<(), Violation>;

pub(crate) fn broken(invariant: &'static str, told: impl Into<String>) -> Held {
    Err(Violation { invariant, told: told.into() })
}

impl From<EngineError> for Violation {
    fn from(error: EngineError) -> Self {
        Violation { invariant: "no step fails", told: error.to_string() }
    }
}

impl From<sync_store::StoreError> for Violation {
    fn from(error: sync_store::StoreError) -> Self {
        Violation { invariant: "no step fails", told: error.to_string() }
    }
}

/// Whether a world has the faults of its plan, and those planted in the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nature {
    /// The world itself.
    Faulty,
    /// Lives through the same, and nothing ever goes wrong.
    Twin,
}

pub(crate) struct World {
    pub(crate) hr: Arc<Directory>,
    pub(crate) crm: Arc<Directory>,
    pub(crate) dir: Arc<Directory>,
    pub(crate) plan: Plan,
    pub(crate) tally: Tally,
    pub(crate) now: i64,
    nature: Nature,
    version: usize,
    loaded: (Deployment, RuleSet),
    folder: TempDir,
    moments: Arc<Moments>,
    runtime: tokio::runtime::Runtime,
    stays: BTreeSet<String>,
    units: [(bool, usize); UNITS],
    names: [usize; PERSONS + 1],
    strangers: usize,
    pub(crate) told: bool,
}

/// In memory where the machine has such a place: real files, and no disk to wear out.
fn folder() -> TempDir {
    let memory = std::path::Path::new("/dev/shm");
    match memory.is_dir() {
        true => TempDir::new_in(memory).unwrap(),
        false => tempfile::tempdir().unwrap(),
    }
}

fn loaded(plan: &Plan, version: usize) -> (Deployment, RuleSet) {
    let guard = plan.guard.unwrap_or(1_000_000);
    let configuration = format!(
        "[deployment]\nname = \"simulation\"\n[matching]\nmode = \"{}\"\n[leaving]\ngrace_days = {}\n\
         [guards]\nobjects = {guard}\npercent = 100\nat_least = {guard}\n\
         [connector.hr]\nkind = \"text-file\"\nrecall = {}\n[connector.crm]\nkind = \"text-file\"\n[connector.dir]\nkind = \"text-file\"\n",
        if plan.reviews { "review" } else { "automatic" },
        plan.grace_days,
        plan.recalls,
    );
    let files = Files {
        configuration: FileText::text("metasync.toml", configuration),
        rules: vec![FileText::text("rules/simulation.toml", rules(plan, version))],
    };
    let loaded = load(&files, PathBuf::from("."));
    assert!(!loaded.has_errors(), "{:#?}", loaded.diagnostics);
    (loaded.deployment.unwrap(), loaded.rules.unwrap())
}

impl World {
    pub(crate) fn new(plan: &Plan, nature: Nature, told: bool) -> Self {
        let (hr, crm, dir) = (Directory::new("employeeId"), Directory::new("employeeId"), Directory::new("stamp"));
        for system in [&hr, &crm, &dir] {
            system.behave(|behaviour| {
                behaviour.page = plan.read;
                behaviour.shuffle = plan.shuffle;
            });
        }
        for source in [&hr, &crm] {
            source.behave(|behaviour| behaviour.tells_changes = plan.tells_changes);
        }
        dir.behave(|behaviour| {
            behaviour.batch = plan.batch;
            behaviour.matches_itself = plan.matches_itself;
            // Azure AD does both.
            behaviour.references_apart = plan.matches_itself;
            behaviour.unique_places = true;
            if nature == Nature::Faulty {
                behaviour.delay = plan.delay;
            }
            if plan.shouts {
                behaviour.shouts.insert("title".into());
            }
        });
        dir.put_at("home", "ou", Some("OU=home"), &[]);
        let moments = Moments::new(vec![Arc::clone(&hr), Arc::clone(&crm), Arc::clone(&dir)]);
        World {
            hr,
            crm,
            dir,
            plan: plan.clone(),
            tally: Tally::default(),
            now: 20_000 * DAY,
            nature,
            version: 0,
            loaded: loaded(plan, 0),
            folder: folder(),
            moments,
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap(),
            stays: if plan.calm { plan.stays() } else { BTreeSet::new() },
            units: [(false, 0); UNITS],
            names: [0; PERSONS + 1],
            strangers: 0,
            told,
        }
    }

    /// A deployment that never saw this world before, with its systems as they are at the end of it.
    pub(crate) fn fresh(&self) -> Self {
        let mut plan = self.plan.clone();
        plan.operations.clear();
        let mut fresh = World::new(&plan, Nature::Twin, false);
        *fresh.hr.state() = self.hr.state().clone();
        *fresh.crm.state() = self.crm.state().clone();
        for person in 1..=plan.adopted {
            fresh.happen(&Change::Existing { person, stamp: None });
        }
        fresh.now = self.now;
        fresh.set_rules(self.version);
        fresh
    }

    fn set_rules(&mut self, version: usize) {
        self.version = version;
        self.loaded = loaded(&self.plan, version);
    }

    /// A command begins: the store is opened anew.
    pub(crate) fn engine(&self) -> Result<(Engine, StopSignal), EngineError> {
        let (mut deployment, rules) = self.loaded.clone();
        deployment.store = self.folder.path().join("metasync.db");
        // A planted fault is one of this thread; a twin decides everything on one.
        let is_alone = sync_kernel::planted::POSSIBLE || self.nature == Nature::Twin;
        deployment.workers = if is_alone { 1 } else { self.plan.workers };
        let named =
            |name: &str, system: &Arc<Directory>| (ConnectorName::from(name), Arc::clone(system) as Arc<dyn Connector>);
        let connectors: BTreeMap<_, _> =
            [named("hr", &self.hr), named("crm", &self.crm), named("dir", &self.dir)].into();
        let mut parts = EngineParts::new(deployment, rules, connectors);
        parts.clock = Arc::new(FixedClock(self.now));
        parts.events = self.moments.clone();
        parts.limits.page = self.plan.page;
        parts.limits.smallest_part = 1;
        parts.limits.gather_items = 1;
        parts.limits.export_page = self.plan.export_page;
        parts.limits.references_per_object = 2;
        parts.limits.reference_page = 3;
        // Outcomes are kept as they come, so that no timer decides where a moment falls.
        parts.limits.settle_objects = 1;
        let stop = parts.stop.clone();
        Ok((Engine::open(parts)?, stop))
    }

    pub(crate) fn live(&mut self) -> Held {
        for operation in self.plan.operations.clone() {
            self.say(&format!("{operation:?}"));
            self.operate(&operation)?;
        }
        Ok(())
    }

    #[expect(clippy::print_stdout, reason = "a replayed world tells what happens in it")]
    pub(crate) fn say(&self, what: &str) {
        if self.told {
            println!("{:?}: {what}", self.nature);
        }
    }

    fn operate(&mut self, operation: &Operation) -> Held {
        match operation {
            Operation::Change(change) => {
                self.happen(change);
                Ok(())
            }
            Operation::Step(step, fault) => self.step(step, fault.as_ref().filter(|_| self.nature == Nature::Faulty)),
            Operation::Wait { time } => {
                self.now += time;
                Ok(())
            }
            Operation::Approve => {
                let (mut engine, _) = self.engine()?;
                self.approve(&mut engine).map(drop)
            }
            Operation::Rules { version } => {
                if *version != self.version {
                    self.tally.add("rule changes", 1);
                    self.set_rules(*version);
                }
                Ok(())
            }
            Operation::Order(order) => self.order(order),
        }
    }

    /// Runs a step with what goes wrong in it; then nothing of that is left but its traces.
    fn step(&mut self, step: &Step, fault: Option<&Fault>) -> Held {
        let stamps = self.stamps();
        self.dir.state().writes.clear();
        let (mut engine, stop) = self.engine()?;
        let moment = match fault {
            Some(Fault::Lost { moment }) => Some(*moment),
            _ => None,
        };
        self.moments.arm(moment, self.folder.path(), stop);
        self.go_wrong(fault);
        let reports = self.run(&mut engine, step)?;
        drop(engine);
        let another = folder();
        let lost = self.moments.go_back(another.path());
        if lost {
            self.folder = another;
            self.tally.add("processes lost", 1);
            self.say("lost");
        }
        self.go_right();
        self.look_back(&stamps, if lost { &[] } else { &reports })
    }

    /// A step in which nothing goes wrong, by an engine that stays open.
    pub(crate) fn calm_step(&mut self, engine: &mut Engine, step: &Step) -> Held {
        let stamps = self.stamps();
        self.dir.state().writes.clear();
        let reports = self.run(engine, step)?;
        self.look_back(&stamps, &reports)
    }

    fn run(&self, engine: &mut Engine, step: &Step) -> Result<Vec<RunReport>, EngineError> {
        let options = RunOptions::default();
        Ok(match step {
            Step::Profile { connector, profile } => {
                vec![self.runtime.block_on(engine.run_profile(connector, profile, &options))?]
            }
            Step::Cycle { initial } => {
                let kind = if *initial { CycleKind::Initial } else { CycleKind::Delta };
                self.runtime.block_on(engine.cycle(kind, &options))?.runs
            }
        })
    }

    fn look_back(&mut self, stamps: &BTreeMap<String, String>, reports: &[RunReport]) -> Held {
        for line in &self.dir.state().writes {
            self.say(&format!("  {line}"));
        }
        self.look_at_writes(stamps)?;
        for report in reports {
            for step in &report.steps {
                self.say(&format!("  {} {}: {} {}", report.connector, step.step_type, step.status, step.message));
                step.first_errors.iter().for_each(|error| self.say(&format!("    {error:?}")));
            }
            self.count(report);
            self.look_at(report)?;
        }
        Ok(())
    }

    fn go_wrong(&self, fault: Option<&Fault>) {
        match fault {
            Some(Fault::BrokenRead { after }) => {
                for system in [&self.hr, &self.crm, &self.dir] {
                    system.behave(|behaviour| behaviour.breaks_after = Some(*after));
                }
            }
            Some(Fault::Unreadable { crm, person }) => self.source(*crm).behave(|behaviour| {
                behaviour.unreadable.insert(format!("p{person}"));
            }),
            Some(Fault::ForgottenWatermark { connector }) => {
                self.system(connector).behave(|behaviour| behaviour.forgets_watermarks = true);
            }
            Some(Fault::Weather { draws, busy, bad }) => self.dir.behave(|behaviour| {
                behaviour.weather = Some(Weather { draws: *draws, busy: *busy, bad: *bad });
            }),
            Some(Fault::RolesOutOfReach) => self.dir.behave(|behaviour| behaviour.roles_out_of_reach = true),
            Some(Fault::Lost { .. }) | None => {}
        }
    }

    fn go_right(&self) {
        for system in [&self.hr, &self.crm, &self.dir] {
            system.behave(|behaviour| {
                behaviour.breaks_after = None;
                behaviour.unreadable.clear();
                behaviour.forgets_watermarks = false;
                behaviour.weather = None;
                behaviour.roles_out_of_reach = false;
            });
        }
    }

    /// Stamps by anchor, as they are before a step.
    fn stamps(&self) -> BTreeMap<String, String> {
        let state = self.dir.state();
        let stamp = |(anchor, entry): (&String, &crate::directory::Entry)| {
            Some((anchor.clone(), entry.attributes.text("stamp")?.to_owned()))
        };
        state.objects.iter().filter_map(stamp).collect()
    }

    /// What reached the target.
    fn look_at_writes(&mut self, stamps: &BTreeMap<String, String>) -> Held {
        let (writes, doubled) = {
            let mut state = self.dir.state();
            (state.writes.clone(), std::mem::take(&mut state.doubled))
        };
        // A unit that went and came back is another object: no join rule of units finds the one that is about to be deleted.
        let doubled: Vec<String> = doubled.into_iter().filter(|created| !created.starts_with("ou ")).collect();
        if self.plan.calm && !doubled.is_empty() {
            return broken("nothing is created twice", doubled.join(", "));
        }
        for line in writes {
            let removed = line.strip_prefix("delete ").or_else(|| line.strip_prefix("detach "));
            if let Some(stamp) = removed.and_then(|anchor| stamps.get(anchor))
                && self.stays.contains(stamp)
            {
                return broken("nothing leaves without a cause", format!("{line}: {stamp} never left its source"));
            }
        }
        Ok(())
    }

    /// Invariants 6 and 7, as far as the report of one run tells.
    fn look_at(&self, report: &RunReport) -> Held {
        for step in &report.steps {
            if step.status.starts_with("stopped-database") {
                if self.told {
                    let kept = std::env::temp_dir().join("kept.db");
                    std::fs::copy(self.folder.path().join("metasync.db"), kept).unwrap();
                }
                return broken("no step fails", format!("{} {}: {}", report.connector, step.step_type, step.message));
            }
            let whole = matches!(step.status.as_str(), "success" | "completed-no-objects" | "completed-warnings")
                || step.status == "completed-transient-objects";
            let deletes = step.staging.get("stage-delete").copied().unwrap_or(0);
            if step.step_type == "full-import" && !whole && deletes > 0 {
                return broken(
                    "partial reads delete nothing",
                    format!("{deletes} by a step that ended {}", step.status),
                );
            }
            if step.step_type != "export" {
                continue;
            }
            let state = self.dir.state();
            let guarded = step.guard.as_ref().is_some_and(|guard| !guard.approved);
            if guarded && !state.writes.is_empty() {
                return broken("guards before the first write", state.writes.join(", "));
            }
            let approved = step.guard.as_ref().is_some_and(|guard| guard.approved);
            let Some(limit) = self.plan.guard.filter(|_| !approved) else { continue };
            for kind in ["create ", "delete "] {
                let lines: BTreeSet<&String> = state.writes.iter().filter(|line| line.starts_with(kind)).collect();
                if lines.len() as u64 > limit {
                    let told = format!("{} times {kind}, and at most {limit} may pass", lines.len());
                    return broken("guards before the first write", told);
                }
            }
        }
        Ok(())
    }

    fn count(&mut self, report: &RunReport) {
        for step in &report.steps {
            let outbound = step.outbound.values().flatten();
            let counters = step.staging.iter().chain(&step.inbound).chain(outbound).chain(&step.export);
            counters.for_each(|(name, number)| self.tally.add(name, *number));
            self.tally.add("errors", step.errors);
            step.first_errors.iter().for_each(|error| self.tally.add(&format!("error {}", error.code), 1));
            step.notes.iter().for_each(|note| self.tally.add(&format!("note {}", note.code), 1));
            self.tally.add(&format!("status {}", step.status), 1);
            if step.guard.is_some() {
                self.tally.add("guarded lists", 1);
            }
        }
        report.held.iter().for_each(|(code, number)| self.tally.add(&format!("held {code}"), *number));
    }

    /// Lets everything through that waits for an operator. Returns the number of lists.
    pub(crate) fn approve(&mut self, engine: &mut Engine) -> Result<usize, Violation> {
        let mut digests = Vec::new();
        if let Some(list) = engine.store().waiting_guard_list("dir")?
            && list.approved.is_none()
        {
            digests.push(list.digest);
        }
        digests.extend(engine.store().approvable("dir")?.into_iter().map(|list| list.digest));
        for digest in &digests {
            engine.approve(digest)?;
        }
        self.tally.add("approvals", digests.len() as u64);
        Ok(digests.len())
    }

    fn order(&mut self, order: &Order) -> Held {
        let (mut engine, _) = self.engine()?;
        let (Order::Join { connector, person, .. }
        | Order::UndoJoin { connector, person }
        | Order::Disconnect { connector, person }
        | Order::UndoDisconnect { connector, person }) = order;
        let Some(object) = self.object(&engine, connector, *person)? else { return Ok(()) };
        let order = match order {
            Order::Join { to, .. } => match self.metaverse(&engine, *to)? {
                Some(metaverse) => LinkOrder::Join { object, metaverse },
                None => return Ok(()),
            },
            Order::UndoJoin { .. } => LinkOrder::UndoJoin { object },
            Order::Disconnect { .. } => LinkOrder::Disconnect { object },
            Order::UndoDisconnect { .. } => LinkOrder::UndoDisconnect { object },
        };
        match engine.order_link(&order) {
            Ok(_) => self.tally.add("operator orders", 1),
            Err(EngineError::LinkRefused { .. }) => self.tally.add("refused orders", 1),
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// The object by which a connector knows a person.
    fn object(&self, engine: &Engine, connector: &str, person: usize) -> Result<Option<sync_kernel::CsId>, Violation> {
        let anchor = match connector {
            "dir" => self.dir.anchor_of("stamp", &person.to_string()),
            _ => Some(format!("p{person}")),
        };
        let Some(anchor) = anchor else { return Ok(None) };
        Ok(engine.store().find_object(connector, &anchor)?.first().copied())
    }

    fn metaverse(&self, engine: &Engine, person: usize) -> Result<Option<MvId>, Violation> {
        for connector in CONNECTORS {
            if let Some(object) = self.object(engine, connector, person)?
                && let Some(object) = engine.store().object(object)?
                && let Some(link) = object.link
            {
                return Ok(Some(link.mv));
            }
        }
        Ok(None)
    }

    fn source(&self, crm: bool) -> &Arc<Directory> {
        if crm { &self.crm } else { &self.hr }
    }

    fn system(&self, connector: &str) -> &Arc<Directory> {
        match connector {
            "hr" => &self.hr,
            "crm" => &self.crm,
            _ => &self.dir,
        }
    }

    fn exists(&self, crm: bool, person: usize) -> bool {
        self.source(crm).state().objects.contains_key(&format!("p{person}"))
    }

    fn set(&self, crm: bool, person: usize, name: &str, values: &[&str]) {
        if self.exists(crm, person) {
            self.source(crm).set(&format!("p{person}"), name, values);
        }
    }

    fn name_of(&self, person: usize) -> String {
        match self.names[person] {
            0 => format!("Person {person}"),
            version => format!("Person {person}, {version}."),
        }
    }

    pub(crate) fn rename(&mut self, person: usize, version: usize) {
        self.names[person] = version;
        let name = self.name_of(person);
        for crm in [false, true] {
            self.set(crm, person, "displayName", &[&name]);
        }
    }

    fn unit_name(&self, unit: usize) -> String {
        let letter = ["a", "b", "c"][unit];
        if self.units[unit].1 == 0 { letter.to_owned() } else { format!("{letter}{}", self.units[unit].1) }
    }

    /// The second container stands in the first.
    fn unit_place(&self, unit: usize) -> String {
        match unit {
            1 => format!("OU={},OU={}", self.unit_name(1), self.unit_name(0)),
            _ => format!("OU={}", self.unit_name(unit)),
        }
    }

    pub(crate) fn put_unit(&mut self, unit: usize) {
        self.units[unit].0 = true;
        let id = format!("u{unit}");
        let (name, above) = (self.unit_name(unit), self.unit_place(0));
        let mut attributes = vec![("employeeId", id.as_str()), ("displayName", name.as_str())];
        if unit == 1 {
            attributes.push(("department", above.as_str()));
        }
        self.hr.put(&id, "contact", &attributes);
    }

    /// Persons say where they stand by name: whoever renames a container tells them.
    fn tell_places(&self, before: &[String]) {
        for person in 1..=PERSONS {
            let anchor = format!("p{person}");
            let place = self
                .hr
                .state()
                .objects
                .get(&anchor)
                .and_then(|entry| entry.attributes.text("place").map(str::to_owned));
            let unit = place.and_then(|place| before.iter().position(|name| *name == place));
            if let Some(unit) = unit
                && before[unit] != self.unit_place(unit)
            {
                self.hr.set(&anchor, "place", &[&self.unit_place(unit)]);
            }
        }
    }

    pub(crate) fn happen(&mut self, change: &Change) {
        match change {
            Change::Bare { person } if self.exists(true, *person) && !self.exists(false, *person) => {
                self.hr.put(&format!("p{person}"), "user", &[("employeeId", &person.to_string())]);
            }
            Change::Bare { person } => self.happen(&Change::Put { crm: false, person: *person }),
            Change::Put { crm, person } => {
                let (id, name) = (person.to_string(), self.name_of(*person));
                let mail = format!("person{person}@contoso.example");
                let place = self
                    .hr
                    .state()
                    .objects
                    .get(&format!("p{person}"))
                    .and_then(|entry| entry.attributes.text("place").map(str::to_owned));
                let mut attributes =
                    vec![("employeeId", id.as_str()), ("displayName", &name), ("mail", &mail), ("enabled", "true")];
                if let Some(place) = &place {
                    attributes.push(("place", place));
                }
                self.source(*crm).put(&format!("p{person}"), "user", &attributes);
            }
            Change::Remove { crm, person } => {
                if self.exists(*crm, *person) && self.exists(!crm, *person) {
                    self.tally.add("recalls", 1);
                }
                self.source(*crm).remove(&format!("p{person}"));
            }
            Change::Title { crm, person, title } => {
                let title = TITLES[*title];
                self.set(*crm, *person, "title", if title.is_empty() { &[] } else { std::slice::from_ref(&title) });
            }
            Change::Department { person, department } => {
                let department = ["Sales", "Purchase", ""][*department];
                let values: &[&str] = if department.is_empty() { &[] } else { std::slice::from_ref(&department) };
                self.set(true, *person, "department", values);
            }
            Change::Kind { person, kind } => {
                self.set(false, *person, "kind", [&["local"][..], &["filtered"], &[], &[]][*kind]);
            }
            Change::Hide { person, hidden } => match hidden {
                true => self.hr.hide(&format!("p{person}")),
                false => self.hr.show(&format!("p{person}")),
            },
            Change::Until { person, day } => {
                // Active Directory's dates: 100 nanoseconds since 1601.
                let at = 116_444_736_000_000_000 + (20_000 + day) * DAY * 10;
                self.set(false, *person, "until", &[&at.to_string()]);
            }
            Change::Manager { person, manager: 0 } => self.set(false, *person, "manager", &[]),
            Change::Manager { person, manager } => self.set(false, *person, "manager", &[&format!("p{manager}")]),
            Change::Members { group, members } => {
                let name = |member: &usize| match member.checked_sub(PERSONS + 1) {
                    Some(group) => format!("g{group}"),
                    None => format!("p{member}"),
                };
                let members: Vec<String> = members.iter().map(name).collect();
                let (id, title) = (format!("g{group}"), format!("Group {group}"));
                self.hr.put(&id, "group", &[("employeeId", &id), ("displayName", &title)]);
                self.hr.set(&id, "member", &members.iter().map(String::as_str).collect::<Vec<_>>());
            }
            Change::RemoveGroup { group } => self.hr.remove(&format!("g{group}")),
            Change::Name { person, version } => self.rename(*person, *version),
            Change::Place { person, unit } => {
                let place = (*unit < UNITS).then(|| self.unit_place(*unit));
                self.set(false, *person, "place", &place.as_deref().into_iter().collect::<Vec<_>>());
            }
            Change::Unit { unit, exists: true } => self.put_unit(*unit),
            Change::Unit { unit, exists: false } => {
                self.units[*unit].0 = false;
                self.hr.remove(&format!("u{unit}"));
            }
            Change::RenameUnit { unit, version } => {
                let before: Vec<String> = (0..UNITS).map(|unit| self.unit_place(unit)).collect();
                self.units[*unit].1 = *version;
                for unit in 0..UNITS {
                    if self.units[unit].0 {
                        self.put_unit(unit);
                    }
                }
                self.tell_places(&before);
            }
            Change::Broken { person } => self.set(false, *person, "displayName", &["broken"]),
            Change::Drift { person, title } => {
                // A takeover clears no value of others before it gave one itself (SF1), so nobody adds one there.
                if let Some(anchor) = self.dir.anchor_of("stamp", &person.to_string()) {
                    self.dir.set(&anchor, "title", &[["Clerk", "Cook", "Chef"][*title]]);
                }
            }
            Change::TargetRemoved { person } => {
                if let Some(anchor) = self.dir.anchor_of("stamp", &person.to_string()) {
                    self.dir.remove(&anchor);
                    self.tally.add("removed in the target", 1);
                }
            }
            Change::Refuse { person } => {
                let name = self.name_of(*person);
                self.dir.behave(|behaviour| {
                    if behaviour.refuses.remove(&name).is_none() {
                        behaviour.refuses.insert(name, ("refused".into(), false));
                    }
                });
            }
            Change::Mail { person, other } => {
                self.set(false, *person, "mail", &[&format!("person{other}@contoso.example")]);
            }
            Change::Number { crm, person, other } => self.set(*crm, *person, "employeeId", &[&other.to_string()]),
            Change::Double { crm, person, exists: true } => {
                let (id, name) = (person.to_string(), format!("Double of {person}"));
                let mail = format!("person{person}@contoso.example");
                let attributes =
                    [("employeeId", id.as_str()), ("displayName", &name), ("mail", &mail), ("enabled", "true")];
                self.source(*crm).put(&format!("q{person}"), "user", &attributes);
            }
            Change::Double { crm, person, exists: false } => self.source(*crm).remove(&format!("q{person}")),
            Change::Existing { person, stamp } => self.put_stranger(*person, *stamp),
            Change::Role { person, has } => {
                if let Some(anchor) = self.dir.anchor_of("mail", &format!("person{person}@contoso.example")) {
                    let role = connector_contract::PrivilegeFact::Privileged { roles: vec!["Helper".into()] };
                    self.dir.behave(|behaviour| {
                        behaviour.roles.remove(&anchor);
                        if *has {
                            behaviour.roles.insert(anchor, role);
                        }
                    });
                }
            }
        }
    }

    fn put_stranger(&mut self, person: usize, stamp: Option<usize>) {
        self.strangers += 1;
        let (mail, stamp) = (format!("person{person}@contoso.example"), stamp.map(|stamp| stamp.to_string()));
        let name = format!("Old {person}, {}.", self.strangers);
        let mut attributes = vec![("mail", mail.as_str()), ("displayName", name.as_str()), ("enabled", "true")];
        if let Some(stamp) = &stamp {
            attributes.push(("stamp", stamp));
        }
        let place = format!("CN=old{},OU=home", self.strangers);
        self.dir.put_at(&format!("old{}", self.strangers), "user", Some(&place), &attributes);
    }

    /// A reference that only waits leaves what the target holds as it is (SF19): what is there then tells of the past, and twins may
    /// differ. So nobody waits in the end.
    fn mend_references(&self) {
        for person in 1..=PERSONS {
            let anchor = format!("p{person}");
            if self.exists(true, person) {
                self.hr.show(&anchor);
                let filtered = |entry: &crate::directory::Entry| entry.attributes.text("kind") == Some("filtered");
                if self.hr.state().objects.get(&anchor).is_some_and(filtered) {
                    self.hr.set(&anchor, "kind", &[]);
                }
            }
        }
        let waits = |manager: usize| !self.stays.contains(&manager.to_string()) || !self.exists(false, manager);
        for person in 1..=PERSONS {
            let state = self.hr.state();
            let manager = state.objects.get(&format!("p{person}")).and_then(|entry| entry.attributes.first("manager"));
            let number = manager.and_then(|manager| manager.to_string().trim_start_matches('p').parse().ok());
            drop(state);
            if self.plan.calm && number.is_some_and(waits) {
                self.set(false, person, "manager", &[]);
            }
        }
    }

    /// Nothing goes wrong any more, and what people broke is mended: what is left is for the engine to do.
    pub(crate) fn mend(&mut self) {
        self.dir.behave(|behaviour| behaviour.delay = 0);
        self.dir.behave(|behaviour| behaviour.refuses.clear());
        let hurt: BTreeSet<usize> = self
            .plan
            .operations
            .iter()
            .filter_map(|operation| match operation {
                Operation::Change(Change::Broken { person } | Change::Refuse { person }) => Some(*person),
                _ => None,
            })
            .collect();
        let drifted: BTreeSet<usize> = self
            .plan
            .operations
            .iter()
            .filter_map(|operation| match operation {
                Operation::Change(Change::Drift { person, .. }) => Some(*person),
                _ => None,
            })
            .collect();
        for person in hurt {
            self.rename(person, 9);
        }
        for person in drifted {
            // What somebody wrote between an export and its import came back as a changed value, and waits for a change (O47).
            self.set(false, person, "title", &["Porter"]);
            self.set(true, person, "title", &["Porter"]);
        }
        if self.plan.has_units {
            (0..UNITS).for_each(|unit| self.put_unit(unit));
        }
        self.mend_references();
        self.tally.add("worlds", 1);
        self.tally.add(&format!("worlds with {:?} keys", self.plan.keys).to_lowercase(), 1);
        let met = std::mem::take(&mut self.dir.state().met);
        met.iter().for_each(|(name, number)| self.tally.add(name, *number));
    }
}
