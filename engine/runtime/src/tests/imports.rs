//! Imports: what may obsolete, what a rename is, and how a broken read leaves everything as it was.

use super::setup::{Lab, Settings, object};
use crate::status;
use crate::{CycleKind, RunOptions, Severity};
use sync_kernel::Subject;

/// T28 (R9, R10): unchanged data is `stage-no-change`, and the following delta synchronisation touches nothing.
#[tokio::test]
async fn an_unchanged_full_import_gives_a_delta_synchronisation_nothing_to_do() {
    let lab = Lab::new();
    (1..=30).for_each(|number| lab.hr.put_person(number));
    lab.good_cycle(CycleKind::Initial).await;
    let import = lab.run("hr", "full-import").await;
    assert_eq!(import.steps[0].staging, [("stage-no-change".to_owned(), 30)].into());
    let sync = lab.run("hr", "delta-synchronization").await;
    assert_eq!((sync.steps[0].processed, sync.steps[0].inbound.len()), (0, 0));
}

/// S2 of the performance goals: what did not change writes no row of an object, however many there are; only the watermark moves.
#[tokio::test]
async fn steps_without_a_change_write_the_same_few_rows_for_any_number_of_objects() {
    let mut idle = Vec::new();
    for people in [10, 300] {
        let lab = Lab::new();
        (1..=people).for_each(|number| lab.hr.put_person(number));
        let first = lab.good_cycle(CycleKind::Initial).await;
        let read = first.runs.iter().find(|run| run.connector == "hr").unwrap();
        assert!(read.steps[0].rows_written > people as u64, "{:?}", read.steps[0]);
        let import = lab.run("hr", "full-import").await;
        let sync = lab.run("hr", "delta-synchronization").await;
        let full = lab.run("hr", "full-synchronization").await;
        idle.push([&import, &sync, &full].map(|run| run.steps[0].rows_written));
        lab.hr.set("p3", "displayName", &["Someone else"]);
        let changed = lab.run("hr", "full-import").await;
        assert!(changed.steps[0].rows_written > import.steps[0].rows_written, "{changed:?}");
    }
    assert_eq!(idle[0], idle[1]);
    assert!(idle[0].iter().all(|rows| *rows <= 8), "{idle:?}");
}

/// T29 (R11): the combined step synchronises what was imported, changed or not; the separate ones do not.
#[tokio::test]
async fn a_combined_step_also_synchronises_what_did_not_change() {
    let lab = Lab::new();
    (1..=5).for_each(|number| lab.hr.put_person(number));
    lab.good_cycle(CycleKind::Initial).await;
    lab.hr.put_person(1);
    let combined = lab.run("hr", "delta-import-and-delta-synchronization").await;
    assert_eq!(combined.steps[0].staging["stage-no-change"], 1);
    assert_eq!(combined.steps[0].inbound, [("connector-no-flow".to_owned(), 1)].into());
    lab.hr.put_person(1);
    lab.run("hr", "delta-import").await;
    let separate = lab.run("hr", "delta-synchronization").await;
    assert_eq!(separate.steps[0].processed, 0);
    let full = lab.run("hr", "full-import-and-delta-synchronization").await;
    assert_eq!(full.steps[0].processed, 5);
}

/// T27 (R7): a full import that breaks half-way deletes nothing, and one discovery error deletes nothing either; errors of
/// a synchronisation in the same step do not keep it from obsoleting.
#[tokio::test]
async fn only_a_whole_read_obsoletes() {
    let lab = Lab::new();
    (1..=10).for_each(|number| lab.hr.put_person(number));
    lab.good_cycle(CycleKind::Initial).await;

    lab.hr.remove("p1");
    lab.hr.behave(|behaviour| behaviour.breaks_after = Some(4));
    let broken = lab.run("hr", "full-import").await;
    assert_eq!((broken.status.as_str(), broken.severity), ("stopped-connectivity", Severity::Stopped));
    assert_eq!(broken.steps[0].staging.get("stage-delete"), None);

    lab.hr.behave(|behaviour| {
        behaviour.breaks_after = None;
        behaviour.unreadable = ["p2".to_owned()].into();
    });
    let unreadable = lab.run("hr", "full-import").await;
    assert_eq!(unreadable.status, status::COMPLETED_DISCOVERY_ERRORS);
    assert_eq!(unreadable.steps[0].staging.get("stage-delete"), None);
    assert_eq!(unreadable.steps[0].first_errors[0].code, "parse-error");

    lab.hr.behave(|behaviour| behaviour.unreadable.clear());
    lab.hr.set("p3", "displayName", &["broken"]);
    let errors = lab.run("hr", "full-import-and-delta-synchronization").await;
    assert_eq!(errors.status, status::COMPLETED_SYNC_ERRORS);
    assert_eq!(errors.steps[0].staging["stage-delete"], 1);
    assert_eq!(errors.steps[0].first_errors[0].code, "sync-rule-error-function-triggered");
}

/// R7, R8: after a discovery error the profile ends, and the next delta starts where this one did.
#[tokio::test]
async fn a_discovery_error_ends_the_profile_and_keeps_the_watermark() {
    let lab = Lab::new();
    (1..=3).for_each(|number| lab.hr.put_person(number));
    lab.good_cycle(CycleKind::Initial).await;
    let before = lab.engine().store().watermark("hr").unwrap();
    lab.hr.put_person(4);
    lab.hr.behave(|behaviour| {
        behaviour.partial_deltas = true;
        behaviour.reads_objects = false;
    });
    let delta = lab.run("hr", "delta-import").await;
    assert_eq!(delta.status, status::COMPLETED_DISCOVERY_ERRORS);
    assert_eq!(delta.steps[0].first_errors[0].code, "need-full-object");
    assert_eq!(lab.engine().store().watermark("hr").unwrap(), before);

    // A cycle synchronises the others and skips this one.
    let cycle = lab.cycle(CycleKind::Delta).await;
    assert!(cycle.skipped.iter().any(|skipped| skipped.connector == "hr" && skipped.step == "delta-synchronization"));
    assert!(cycle.runs.iter().any(|run| run.connector == "crm" && run.profile == "delta-synchronization"));

    // R70: with a reader the object is read whole, and nothing is lost.
    lab.hr.behave(|behaviour| behaviour.reads_objects = true);
    lab.good_cycle(CycleKind::Delta).await;
    assert!(lab.dir.texts("displayName").contains(&"Person 4".to_owned()));
}

/// SF15: an empty read deletes nothing, and a far too short one is refused until the operator says that it is true.
#[tokio::test]
async fn an_empty_or_shrunken_read_deletes_nothing() {
    let lab = Lab::new();
    (1..=40).for_each(|number| lab.hr.put_person(number));
    lab.good_cycle(CycleKind::Initial).await;
    lab.written();

    let all: Vec<String> = lab.hr.state().objects.keys().cloned().collect();
    lab.hr.behave(|behaviour| behaviour.hidden = all.iter().cloned().collect());
    let empty = lab.run("hr", "full-import").await;
    assert_eq!((empty.status.as_str(), empty.severity), (status::COMPLETED_NO_OBJECTS, Severity::Warnings));
    assert_eq!(empty.steps[0].staging.get("stage-delete"), None);

    lab.hr.behave(|behaviour| behaviour.hidden = all.iter().take(21).cloned().collect());
    let shrunken = lab.run("hr", "full-import").await;
    assert_eq!(shrunken.status, status::STOPPED_SHRUNKEN_READ);
    assert_eq!(shrunken.steps[0].staging.get("stage-delete"), None);

    lab.hr.behave(|behaviour| behaviour.hidden = all.iter().take(20).cloned().collect());
    let half = lab.run("hr", "full-import").await;
    assert_eq!((half.status.as_str(), half.steps[0].staging["stage-delete"]), (status::SUCCESS, 20));

    lab.hr.behave(|behaviour| behaviour.hidden = all.iter().take(35).cloned().collect());
    let options = RunOptions { accept_shrunken_read: true, ..RunOptions::default() };
    let accepted = lab.run_with("hr", "full-import", &options).await;
    assert_eq!((accepted.status.as_str(), accepted.steps[0].staging["stage-delete"]), (status::SUCCESS, 15));
}

/// A system that was always empty is no reason to stop.
#[tokio::test]
async fn an_empty_system_stops_nothing() {
    let lab = Lab::new();
    lab.hr.put_person(1);
    let report = lab.good_cycle(CycleKind::Initial).await;
    assert!(report.runs.iter().any(|run| run.connector == "dir" && run.status == status::COMPLETED_NO_OBJECTS));
    assert_eq!(lab.dir.texts("displayName"), ["Person 1"]);
}

/// G15: a cycle makes the full import by itself, and says so; a profile says what is missing instead.
#[tokio::test]
async fn a_delta_that_cannot_be_made_becomes_a_full_import_in_a_cycle() {
    let lab = Lab::new();
    lab.hr.put_person(1);
    let first = lab.run("hr", "delta-import").await;
    assert_eq!(first.status, status::NO_START_FULL_IMPORT_REQUIRED);
    let report = lab.good_cycle(CycleKind::Delta).await;
    let first = report.runs.iter().find(|run| run.connector == "hr").unwrap();
    let steps: Vec<&str> = first.steps.iter().map(|step| step.step_type).collect();
    assert_eq!(steps, ["delta-import", "full-import"]);
    assert_eq!(first.status, status::SUCCESS);

    lab.hr.put_person(2);
    lab.hr.behave(|behaviour| behaviour.forgets_watermarks = true);
    let report = lab.good_cycle(CycleKind::Delta).await;
    let import = report.runs.iter().find(|run| run.connector == "hr").unwrap();
    assert_eq!(import.steps.len(), 2);
    assert!(import.steps[0].message.contains("change log"), "{import:#?}");
    assert_eq!(lab.dir.texts("displayName").len(), 2);
}

/// T20 (O39): delete and recreate at the same DN between two imports ends with one live object, by delta and by full.
#[tokio::test]
async fn recreated_at_the_same_dn() {
    for profile in ["delta-import", "full-import"] {
        let lab = Lab::new();
        lab.hr.put_at("ou", "ou", Some("OU=People,DC=x"), &[]);
        let dn = Some("CN=Ann,OU=People,DC=x");
        lab.hr.put_at("a1", "user", dn, &[("employeeId", "1"), ("displayName", "Ann")]);
        lab.good_cycle(CycleKind::Initial).await;
        lab.hr.remove("a1");
        lab.hr.put_at("a2", "user", dn, &[("employeeId", "1"), ("displayName", "Ann again")]);
        let import = lab.run("hr", profile).await;
        assert_eq!(import.status, status::SUCCESS, "{profile}: {import:#?}");
        lab.run("hr", "delta-synchronization").await;
        let engine = lab.engine();
        let reading = engine.reading();
        assert!(reading.find(&crate::Space::Connector("hr".into()), "a1").is_err());
        let ann = object(&reading, "hr", "a2");
        assert_eq!(reading.name(Subject::Connector(ann)).unwrap().dn.as_deref(), dn);
    }
}

/// T21 (O39, O42): A and B change places in one delta.
#[tokio::test]
async fn a_rename_chain() {
    for shuffle in [0, 1, 2, 3] {
        let lab = Lab::new();
        lab.hr.put_at("ou", "ou", Some("OU=People,DC=x"), &[]);
        lab.hr.put_at("a", "user", Some("CN=A,OU=People,DC=x"), &[("employeeId", "1"), ("displayName", "A")]);
        lab.hr.put_at("b", "user", Some("CN=B,OU=People,DC=x"), &[("employeeId", "2"), ("displayName", "B")]);
        lab.good_cycle(CycleKind::Initial).await;
        lab.hr.rename("a", "CN=B,OU=People,DC=x");
        lab.hr.rename("b", "CN=A,OU=People,DC=x");
        lab.hr.behave(|behaviour| behaviour.shuffle = shuffle);
        let import = lab.run("hr", "delta-import").await;
        assert_eq!((import.status.as_str(), import.steps[0].errors), (status::SUCCESS, 0), "{import:#?}");
        assert_eq!(import.steps[0].staging["stage-rename"], 2);
        let engine = lab.engine();
        let reading = engine.reading();
        let dn = |anchor| reading.name(Subject::Connector(object(&reading, "hr", anchor))).unwrap().dn.unwrap();
        assert_eq!((dn("a"), dn("b")), ("CN=B,OU=People,DC=x".into(), "CN=A,OU=People,DC=x".into()));
    }
}

/// T22 (O42): a container is renamed with a thousand objects below it: one rename, no delete, and every DN follows.
#[tokio::test]
async fn a_container_is_renamed() {
    let lab = Lab::new();
    lab.hr.put_at("ou", "ou", Some("OU=Sales,DC=x"), &[]);
    for number in 1..=1_000 {
        let dn = format!("CN=User {number},OU=Sales,DC=x");
        let id = number.to_string();
        lab.hr.put_at(&format!("u{number}"), "user", Some(&dn), &[("employeeId", &id), ("displayName", &id)]);
    }
    lab.good_cycle(CycleKind::Initial).await;
    lab.written();
    lab.hr.rename_tree("ou", "OU=Marketing,DC=x");
    let import = lab.run("hr", "delta-import").await;
    assert_eq!(import.steps[0].staging, [("stage-rename".to_owned(), 1)].into());
    lab.good_cycle(CycleKind::Delta).await;
    let full = lab.run("hr", "full-import").await;
    assert_eq!(full.steps[0].staging, [("stage-no-change".to_owned(), 1_001)].into());
    assert_eq!(lab.written(), Vec::<String>::new());
    let engine = lab.engine();
    let reading = engine.reading();
    let user = reading.name(Subject::Connector(object(&reading, "hr", "u7"))).unwrap();
    assert_eq!(user.dn.as_deref(), Some("CN=User 7,OU=Marketing,DC=x"));
}

/// G17: a stop ends an import between pages; what was staged stays, and the next run carries on.
#[tokio::test]
async fn a_stopped_import_is_carried_on() {
    let lab = Lab::new();
    (1..=50).for_each(|number| lab.hr.put_person(number));
    lab.hr.behave(|behaviour| behaviour.page = 10);
    let mut parts = lab.parts();
    let stop = parts.stop.clone();
    parts.events = std::sync::Arc::new(move |event: &crate::Event| {
        if let crate::Event::Progress { done: 20, .. } = event {
            stop.stop();
        }
    });
    let mut engine = crate::Engine::open(parts).unwrap();
    let report = engine.run_profile("hr", "full-import", &RunOptions::default()).await.unwrap();
    assert_eq!((report.status.as_str(), report.severity), (status::STOPPED_BY_OPERATOR, Severity::Interrupted));
    assert_eq!(report.steps[0].staging["stage-add"], 20);
    engine.close().unwrap();
    let again = lab.run("hr", "full-import").await;
    assert_eq!(again.steps[0].staging, [("stage-add".to_owned(), 30), ("stage-no-change".to_owned(), 20)].into());
}

/// Spec 10.1: small pages that follow one another are staged together, up to a bound, and the last ones whatever they hold.
#[tokio::test]
async fn small_pages_of_a_reader_are_one_transaction() {
    let lab = Lab::new();
    (1..=50).for_each(|number| lab.hr.put_person(number));
    lab.hr.behave(|behaviour| behaviour.page = 10);
    let mut parts = lab.parts();
    parts.limits.gather_items = 30;
    parts.limits.gather_ms = 600_000;
    let staged = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = std::sync::Arc::clone(&staged);
    parts.events = std::sync::Arc::new(move |event: &crate::Event| {
        if let crate::Event::Progress { done, phase: "reading", .. } = event {
            seen.lock().unwrap().push(*done);
        }
    });
    let mut engine = crate::Engine::open(parts).unwrap();
    let report = engine.run_profile("hr", "full-import", &RunOptions::default()).await.unwrap();
    assert_eq!((report.status.as_str(), report.steps[0].staging["stage-add"]), (status::SUCCESS, 50));
    assert_eq!(*staged.lock().unwrap(), [30, 50]);
}

/// Spec 10.10: while the store is at work, the reader goes on to the end of the next transaction, however small its pages are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_goes_on_while_the_store_is_at_work() {
    let lab = Lab::new();
    (1..=200).for_each(|number| lab.hr.put_person(number));
    lab.hr.behave(|behaviour| behaviour.page = 10);
    let mut parts = lab.parts();
    parts.limits.import_pages = 1;
    parts.limits.gather_items = 50;
    parts.limits.gather_ms = 600_000;
    let read = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let pages = std::sync::Arc::clone(&read);
    *lab.hr.watcher.lock().unwrap() = Some(std::sync::Arc::new(move |_| {
        pages.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    }));
    let meanwhile = std::sync::Arc::new(std::sync::Mutex::new(None));
    let seen = std::sync::Arc::clone(&meanwhile);
    parts.events = std::sync::Arc::new(move |event: &crate::Event| {
        if let crate::Event::Progress { done: 50, phase: "reading", .. } = event {
            // Whoever listens holds the step up, as the store does.
            let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
            while read.load(std::sync::atomic::Ordering::SeqCst) < 10 && std::time::Instant::now() < end {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            *seen.lock().unwrap() = Some(read.load(std::sync::atomic::Ordering::SeqCst));
        }
    });
    let mut engine = crate::Engine::open(parts).unwrap();
    let report = engine.run_profile("hr", "full-import", &RunOptions::default()).await.unwrap();
    assert_eq!((report.status.as_str(), report.steps[0].staging["stage-add"]), (status::SUCCESS, 200));
    let meanwhile = meanwhile.lock().unwrap().unwrap();
    assert!(meanwhile >= 10, "{meanwhile} pages were read when the first five were stored");
}

/// O42: where rules read the DN, the objects below a renamed container are due again, also in a delta.
#[tokio::test]
async fn rules_that_read_the_dn_follow_a_renamed_container() {
    let mut lab = Lab::new();
    lab.settings.rules = lab.settings.rules.replace(
        "title = \"[title]\"\nsignInName",
        "title = 'IIF(InStr(CStr([dn]), \"Sales\") > 0, \"Seller\", \"Maker\")'\nsignInName",
    );
    lab.hr.put_at("ou", "ou", Some("OU=Sales,DC=x"), &[]);
    lab.hr.put_at("u1", "user", Some("CN=User 1,OU=Sales,DC=x"), &[("employeeId", "1"), ("displayName", "One")]);
    lab.good_cycle(CycleKind::Initial).await;
    assert_eq!(lab.dir.texts("title"), ["Seller"]);
    lab.hr.rename_tree("ou", "OU=Works,DC=x");
    lab.good_cycle(CycleKind::Delta).await;
    assert_eq!(lab.dir.texts("title"), ["Maker"]);
    let engine = lab.engine();
    let containers = engine.reading().containers("hr").unwrap();
    let lines: Vec<String> =
        containers.iter().map(|line| format!("{} {} {}", line.dn, line.objects, line.below)).collect();
    assert_eq!(lines, ["DC=x 0 1", "OU=Works,DC=x 1 1"]);
}

/// SF20: members of a never-sync group, direct and nested, stay; one that leaves the group comes in.
#[tokio::test]
async fn members_of_a_never_sync_group_stay() {
    let lab = Lab::new();
    (1..=3).for_each(|number| lab.hr.put_person(number));
    lab.hr.put(
        "never",
        "group",
        &[("employeeId", "n"), ("displayName", "Never"), ("member", "inner"), ("member", "p1")],
    );
    lab.hr.put("inner", "group", &[("employeeId", "i"), ("displayName", "Inner"), ("member", "p2")]);
    let cycle = async |lab: &Lab| {
        let mut parts = lab.parts();
        parts.deployment.never_sync_groups = vec![("hr".into(), "never".into())];
        let report = crate::Engine::open(parts).unwrap().cycle(CycleKind::Delta, &RunOptions::default()).await.unwrap();
        assert!(report.severity <= Severity::Held, "{report:#?}");
    };
    cycle(&lab).await;
    let users = |lab: &Lab| {
        let mut stamps = lab.dir.texts("stamp");
        stamps.retain(|stamp| stamp.parse::<u32>().is_ok());
        stamps
    };
    assert_eq!(users(&lab), ["3"]);
    lab.hr.set("inner", "member", &[]);
    cycle(&lab).await;
    assert_eq!(users(&lab), ["3", "2"]);
    lab.hr.set("never", "member", &["inner", "p1", "p3"]);
    cycle(&lab).await;
    assert_eq!(users(&lab), ["2"]);
}

/// S8: scope by group: who becomes a member comes in with the next delta, who leaves goes, and a group that is not there is named.
#[tokio::test]
async fn scope_follows_the_members_of_a_group() {
    let rules = super::setup::RULES.replace("kind NOTEQUAL filtered", "dn ISMEMBEROF sync");
    assert_ne!(rules, super::setup::RULES);
    let lab = Lab::with(Settings { rules, ..Settings::default() });
    (1..=3).for_each(|number| lab.hr.put_person(number));
    let report = lab.run("hr", "full-import").await;
    let notes: Vec<&str> = report.steps[0].notes.iter().map(|note| note.code.as_str()).collect();
    assert_eq!(notes, ["scope-group-not-found"]);

    let users = |lab: &Lab| -> std::collections::BTreeSet<String> {
        lab.dir.texts("stamp").into_iter().filter(|stamp| stamp.parse::<u32>().is_ok()).collect()
    };
    let expect = |numbers: &[&str]| numbers.iter().map(|number| (*number).to_owned()).collect();
    lab.good_cycle(CycleKind::Delta).await;
    assert_eq!(users(&lab), expect(&[]));
    lab.hr.put("sync", "group", &[("employeeId", "s"), ("displayName", "Sync"), ("member", "p1"), ("member", "inner")]);
    lab.hr.put("inner", "group", &[("employeeId", "i"), ("displayName", "Inner"), ("member", "p2")]);
    lab.good_cycle(CycleKind::Delta).await;
    assert_eq!(users(&lab), expect(&["1"]), "direct members only");
    lab.hr.set("sync", "member", &["p2", "p3"]);
    lab.good_cycle(CycleKind::Delta).await;
    assert_eq!(users(&lab), expect(&["2", "3"]));
    lab.second_plan_is_empty().await;
    lab.hr.remove("sync");
    lab.good_cycle(CycleKind::Delta).await;
    assert_eq!(users(&lab), expect(&[]));
}
