//! Promises over random deployments on a real store: a preview is what the run decides, and neither the number of workers nor
//! a repetition changes anything. Each world is drawn from its number alone, which a failure names; what all of them held is
//! counted, printed, and may not be too little.

use super::setup::{Lab, RULES, Recorder, Settings};
use crate::{CycleKind, Engine, Event, Reading, RunOptions, RunReport, Severity, open_for_reading};
use std::collections::BTreeMap;
use std::sync::Arc;
use sync_kernel::{CsId, Subject};

/// The same number gives the same world, on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) >> 33).unwrap_or(0) % limit
    }

    fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }
}

const PERSONS: usize = 70;

/// The usual rules, with a place in the target.
fn rules() -> String {
    let stamp = "[rule.flow]\nstamp = \"[employeeId]\"\ndisplayName = \"[displayName]\"\nmail";
    let changed = RULES.replace(
        stamp,
        &stamp.replace("stamp =", "dn = 'EscapeDNComponent(\"CN=\" & [displayName]) & \",OU=People,DC=x\"'\nstamp ="),
    );
    assert_ne!(changed, RULES);
    changed
}

fn lab(workers: usize) -> Lab {
    let lab = Lab::with(Settings { workers, rules: rules(), ..Settings::default() });
    // One batch at a time: the system gives anchors in the order in which creates arrive, which is nobody's decision.
    lab.dir.behave(|behaviour| behaviour.batch = 1_000);
    lab.dir.put_at("people", "ou", Some("OU=People,DC=x"), &[("displayName", "People")]);
    lab
}

/// Persons in both sources, groups, and objects of the target that stood there before.
fn populate(lab: &Lab, random: &mut Random, wild: bool) {
    for person in 1..=PERSONS {
        let anchor = format!("p{person}");
        if !random.one_in(5) {
            lab.hr.put_person(person);
            lab.hr.set(&anchor, "title", &[["Chef", "Cook", "Baker"][random.below(3)]]);
        }
        if random.one_in(2) {
            lab.crm.put_person(person);
            lab.crm.set(&anchor, "department", &["Sales"]);
        }
        if random.one_in(6) {
            lab.hr.set(&anchor, "kind", &[["local", "filtered"][random.below(2)]]);
        }
        if random.one_in(3) {
            lab.hr.set(&anchor, "manager", &[&format!("p{}", 1 + random.below(PERSONS))]);
        }
        if wild && random.one_in(8) {
            lab.hr.set(&anchor, "mail", &[&format!("person{}@contoso.example", 1 + random.below(PERSONS))]);
        }
        if wild && random.one_in(20) {
            lab.hr.set(&anchor, "displayName", &["broken"]);
        }
        if wild && random.one_in(8) {
            let mail = format!("person{person}@contoso.example");
            let mut attributes = vec![("mail", mail.as_str()), ("displayName", "Old"), ("enabled", "true")];
            if random.one_in(3) {
                attributes.push(("stamp", "stale"));
            }
            lab.dir.put(&format!("old{person}"), "user", &attributes);
        }
    }
    for group in 0..3 {
        let id = format!("g{group}");
        lab.hr.put(&id, "group", &[("employeeId", &id), ("displayName", &format!("Group {group}"))]);
        let members: Vec<String> = (0..8).map(|_| format!("p{}", 1 + random.below(PERSONS))).collect();
        lab.hr.set(&id, "member", &members.iter().map(String::as_str).collect::<Vec<_>>());
    }
}

/// What happens in hr and in the target until the next import.
fn change(lab: &Lab, random: &mut Random) {
    for _ in 0..25 {
        let person = 1 + random.below(PERSONS);
        let anchor = format!("p{person}");
        match random.below(7) {
            0 => lab.hr.put_person(person),
            1 => lab.hr.remove(&anchor),
            2 => lab.hr.set(&anchor, "displayName", &[&format!("Person {person}, called {}", random.below(9))]),
            3 => lab.hr.set(&anchor, "title", &[]),
            4 => lab.hr.set(&anchor, "kind", &[["local", "filtered", "", "x"][random.below(4)]]),
            5 => {
                if let Some(anchor) = lab.dir.anchor_of("stamp", &person.to_string()) {
                    lab.dir.set(&anchor, "title", &["Clerk"]);
                }
            }
            _ => {
                if let Some(anchor) = lab.dir.anchor_of("stamp", &person.to_string()) {
                    lab.dir.remove(&anchor);
                }
            }
        }
    }
}

type Counts = BTreeMap<String, u64>;

fn count(counts: &mut Counts, report: &RunReport) {
    for step in &report.steps {
        let outbound = step.outbound.values().flatten();
        for (name, number) in step.inbound.iter().chain(outbound).chain(&step.export) {
            *counts.entry(name.clone()).or_default() += number;
        }
        *counts.entry("errors".into()).or_default() += step.errors;
    }
}

#[expect(clippy::print_stdout, reason = "the counts of a run are part of what a property shows")]
fn at_least(property: &str, counts: &Counts, wanted: &[(&str, u64)]) {
    println!("{property}: {counts:?}");
    for (name, least) in wanted {
        let number = counts.get(*name).copied().unwrap_or(0);
        assert!(number >= *least, "{property}: only {number} of {name}, at least {least} wanted: {counts:?}");
    }
}

/// As many worlds as the environment asks for, within reason: each is a deployment of its own.
fn worlds(otherwise: u64) -> u64 {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse::<u64>().ok());
    asked.map_or(otherwise, |asked| (asked / 10).max(otherwise))
}

fn digests(recorder: &Recorder) -> Vec<(String, String)> {
    let decided = recorder.take().into_iter().filter_map(|event| match event {
        Event::Decided { subject, digest } => Some((subject, digest)),
        _ => None,
    });
    decided.collect()
}

fn engine(lab: &Lab) -> (Engine, Arc<Recorder>) {
    let recorder = Arc::new(Recorder::default());
    let mut parts = lab.parts();
    parts.events = recorder.clone();
    (Engine::open(parts).unwrap(), recorder)
}

/// Invariant 2: whatever is due, its preview shows the digest of the run, and looking writes nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_preview_is_the_run() {
    let mut counts = Counts::new();
    for world in 1..=worlds(3) {
        let random = &mut Random(world);
        let lab = lab(2);
        populate(&lab, random, false);
        for run in lab.cycle(CycleKind::Initial).await.runs {
            count(&mut counts, &run);
        }
        change(&lab, random);
        for connector in ["hr", "dir"] {
            lab.run(connector, "delta-import").await;
            let bytes = || std::fs::read(lab.folder.path().join("metasync.db")).unwrap();
            let before = bytes();
            let mut previews = BTreeMap::new();
            {
                let (deployment, rules) = lab.configuration();
                let store = open_for_reading(&deployment, &rules, lab.now).unwrap();
                let reading = Reading::new(&store, &rules, lab.now);
                for id in store.dirty_page(connector, None, 1_000).unwrap() {
                    let subject = Subject::Connector(id);
                    let preview = reading.preview_with_facts(&lab.connectors(), subject).await.unwrap();
                    previews.insert(crate::names::id_text(subject), preview.digest);
                }
            }
            assert!(bytes() == before, "world {world}: a preview wrote into the deployment");
            let (mut engine, recorder) = engine(&lab);
            let report = engine.run_profile(connector, "delta-synchronization", &RunOptions::default()).await.unwrap();
            count(&mut counts, &report);
            let mut decided = BTreeMap::new();
            for (subject, digest) in digests(&recorder) {
                decided.entry(subject).or_insert(digest);
            }
            for (subject, digest) in &previews {
                assert_eq!(decided.get(subject), Some(digest), "world {world}, {connector}: {subject}");
            }
            *counts.entry("previews".into()).or_default() += previews.len() as u64;
        }
    }
    let wanted = [
        ("previews", 40),
        ("disconnector-projected-flow", 100),
        ("disconnector-joined-flow", 30),
        ("connector-flow", 10),
        ("connector-delete-leave-mv", 3),
        ("provisioned-add-flow", 100),
    ];
    at_least("every preview is the run", &counts, &wanted);
}

/// Everything the store holds about every object, to the letter.
fn contents(lab: &Lab) -> Vec<String> {
    let engine = lab.engine();
    let store = engine.store();
    let mut lines = Vec::new();
    for connector in ["hr", "crm", "dir"] {
        for id in store.staging_page(connector, None, 10_000).unwrap() {
            lines.push(format!("{:?}", store.describe(CsId(id.0)).unwrap()));
        }
    }
    for summary in store.search_metaverse("", 10_000).unwrap() {
        lines.push(format!("{:?}", store.describe_metaverse(summary.id).unwrap()));
    }
    lines
}

/// One worker and eight decide the same, in the same order, and leave the same store behind; and a full cycle after it sends
/// nothing (invariants 3 and 4), whatever is ambiguous, stale, broken or held.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_worker_equals_eight_and_a_full_cycle_sends_nothing() {
    let mut counts = Counts::new();
    for world in 1..=worlds(2) {
        let mut results = Vec::new();
        for workers in [1, 8] {
            let random = &mut Random(1_000 + world);
            let lab = lab(workers);
            populate(&lab, random, true);
            let mut decided = Vec::new();
            for round in 0..3 {
                let (mut engine, recorder) = engine(&lab);
                let kind = if round == 0 { CycleKind::Initial } else { CycleKind::Delta };
                let report = engine.cycle(kind, &RunOptions::default()).await.unwrap();
                assert!(report.severity <= Severity::Errors, "{report:#?}");
                report.runs.iter().for_each(|run| count(&mut counts, run));
                decided.extend(digests(&recorder));
                if round == 0 {
                    change(&lab, random);
                }
            }
            results.push((decided, contents(&lab), lab.dir.picture()));
            lab.cycle(CycleKind::Delta).await;
            lab.written();
            let report = lab.cycle(CycleKind::Initial).await;
            assert_eq!(lab.written(), Vec::<String>::new(), "world {world}: {report:#?}");
            assert_eq!(report.pending["dir"], 0, "world {world}: {report:#?}");
            for (code, number) in &report.held["dir"] {
                *counts.entry(format!("held {code}")).or_default() += number;
            }
        }
        let (eight, one) = (results.pop().unwrap(), results.pop().unwrap());
        assert!(one.0 == eight.0, "world {world}: the decisions differ");
        let differing: Vec<_> = one.1.iter().zip(&eight.1).filter(|(one, eight)| one != eight).take(3).collect();
        assert!(
            differing.is_empty() && one.1.len() == eight.1.len(),
            "world {world}: the stores differ: {differing:#?}"
        );
        assert_eq!(one.2, eight.2, "world {world}: the targets differ");
    }
    let wanted = [
        ("errors", 4),
        ("disconnector-projected-flow", 100),
        ("disconnector-joined-flow", 30),
        ("connector-flow", 20),
        ("export-add", 100),
        ("export-update", 10),
        ("export-delete", 5),
        ("export-rename", 5),
        ("held ambiguous-source", 10),
        ("held stale-anchor", 2),
    ];
    at_least("one worker equals eight", &counts, &wanted);
}
