//! Exports: what is sent, in which order, and what becomes of refusals. An import confirms, nothing else does.

use super::setup::{Lab, Settings};
use crate::{CycleKind, RunOptions, Severity, status};
use sync_store::{ExportPhase, PendingFilter};

/// Invariant 3: export, import, synchronise again: nothing is left, by delta and by full.
#[tokio::test]
async fn the_second_plan_is_empty() {
    let lab = Lab::new();
    (1..=40).for_each(|number| lab.hr.put_person(number));
    lab.hr.set("p1", "manager", &["p40"]);
    lab.hr.put("g1", "group", &[("employeeId", "g1"), ("displayName", "Inner"), ("member", "p1"), ("member", "p2")]);
    lab.hr.put("g0", "group", &[("employeeId", "g0"), ("displayName", "Outer"), ("member", "g1"), ("member", "p3")]);
    let report = lab.good_cycle(CycleKind::Initial).await;
    assert_eq!(report.severity, Severity::Success);
    let picture = lab.dir.picture();
    assert!(picture.contains(&"group displayName=Outer member=->3|->g1 stamp=g0".to_owned()), "{picture:#?}");
    assert!(picture.iter().any(|line| line.contains("manager=->40")));
    // O56: references to objects of the same export go with a later pass, and nothing is created twice.
    let writes = lab.written();
    assert_eq!(writes.iter().filter(|write| write.starts_with("create")).count(), 42);
    lab.second_plan_is_empty().await;

    lab.hr.set("p5", "title", &["Chef"]);
    lab.hr.set("p6", "mail", &[]);
    lab.hr.set("g1", "member", &["p1", "p7"]);
    lab.hr.remove("p8");
    lab.good_cycle(CycleKind::Delta).await;
    let mut writes = lab.written();
    writes.sort();
    assert_eq!(writes.len(), 4, "{writes:?}");
    assert!(writes[0].starts_with("delete new-"));
    assert_eq!(writes[1..], ["update 5 title", "update 6 mail", "update g1 -member +member"]);
    lab.second_plan_is_empty().await;
}

/// A system that knows its objects by another key when it is written gets that key with each write: as imported, or as the
/// create of this very export gave it.
#[tokio::test]
async fn a_write_brings_along_what_the_system_knows_the_object_by() {
    let lab = Lab::new();
    lab.dir.behave(|behaviour| behaviour.wants_stamps = true);
    (1..=3).for_each(|number| lab.hr.put_person(number));
    // The members are written after the creates, before any import has shown the new objects.
    lab.hr.put("g0", "group", &[("employeeId", "g0"), ("displayName", "Outer"), ("member", "p1"), ("member", "p2")]);
    lab.good_cycle(CycleKind::Initial).await;
    assert!(lab.dir.picture().iter().any(|line| line.contains("member=->")), "{:#?}", lab.dir.picture());
    lab.hr.set("p1", "title", &["Chef"]);
    lab.hr.remove("p3");
    lab.good_cycle(CycleKind::Delta).await;
    lab.second_plan_is_empty().await;
}

/// T25 (O47, invariant 3): a value that comes back changed is held, counted once, and not sent again by itself.
#[tokio::test]
async fn a_reverted_value_is_held_and_not_sent_again() {
    let lab = Lab::new();
    (1..=3).for_each(|number| lab.hr.put_person(number));
    lab.good_cycle(CycleKind::Initial).await;
    lab.dir.behave(|behaviour| {
        behaviour.shouts.insert("title".into());
    });
    lab.hr.set("p2", "title", &["Chef"]);
    let report = lab.cycle(CycleKind::Delta).await;
    assert_eq!(report.severity, Severity::Warnings);
    assert_eq!(report.held["dir"].get("exported-change-not-reimported"), Some(&1), "{:?}", report.held);
    assert_eq!(lab.written().last().map(String::as_str), Some("update 2 title"));
    for kind in [CycleKind::Delta, CycleKind::Initial, CycleKind::Delta] {
        let report = lab.good_cycle(kind).await;
        assert_eq!(report.severity, Severity::Held);
        assert_eq!((report.pending["dir"], lab.written()), (0, Vec::<String>::new()));
    }
    // Either side changing sends it again.
    lab.hr.set("p2", "title", &["Cook"]);
    lab.cycle(CycleKind::Delta).await;
    assert_eq!(lab.written(), ["update 2 title"]);
}

/// R74, R76: a refusal stays with its object; it is not sent again until it changes or the operator says so.
#[tokio::test]
async fn a_refused_object_waits_for_a_change() {
    let lab = Lab::new();
    (1..=5).for_each(|number| lab.hr.put_person(number));
    lab.dir.behave(|behaviour| {
        behaviour.refuses.insert("Person 3".into(), ("AttributeValueMustBeUnique".into(), false));
    });
    let report = lab.cycle(CycleKind::Initial).await;
    let export = report.runs.iter().find(|run| run.profile == "export").unwrap();
    assert_eq!((export.status.as_str(), export.severity), (status::COMPLETED_EXPORT_ERRORS, Severity::Errors));
    assert_eq!(export.steps[0].export, [("export-add".to_owned(), 4), ("export-failure".to_owned(), 1)].into());
    assert_eq!(export.steps[0].first_errors[0].code, "AttributeValueMustBeUnique");
    lab.written();
    lab.run("dir", "export").await;
    assert_eq!(lab.written(), Vec::<String>::new());

    lab.dir.behave(|behaviour| behaviour.refuses.clear());
    lab.hr.set("p3", "displayName", &["Person Three"]);
    lab.good_cycle(CycleKind::Delta).await;
    assert_eq!(lab.written(), ["create user 3"]);
    lab.second_plan_is_empty().await;
}

/// O56: a refusal that is worth another try gets it in the same step, a few times, and with the next export.
#[tokio::test]
async fn a_refusal_worth_another_try_is_sent_again() {
    let lab = Lab::new();
    lab.run("dir", "full-import").await;
    (1..=2).for_each(|number| lab.hr.put_person(number));
    lab.dir.behave(|behaviour| {
        behaviour.refuses.insert("Person 2".into(), ("dn-attributes-failure".into(), true));
    });
    lab.run("hr", "full-import").await;
    lab.run("hr", "full-synchronization").await;
    let export = lab.run("dir", "export").await;
    assert_eq!(export.steps[0].export["export-failure"], 1);
    let tries = lab.written().iter().filter(|write| *write == "create user 2").count();
    assert!((1..=3).contains(&tries), "{tries}");
    lab.dir.behave(|behaviour| behaviour.refuses.clear());
    assert_eq!(lab.run("dir", "export").await.status, status::SUCCESS);
    assert_eq!(lab.written(), ["create user 2"]);
}

/// G7: staging mode imports and synchronises and exports nothing; one export can be forced.
#[tokio::test]
async fn staging_mode_exports_nothing() {
    let lab = Lab::with(Settings { staging: true, ..Settings::default() });
    lab.hr.put_person(1);
    let report = lab.good_cycle(CycleKind::Initial).await;
    assert!(report.staging_mode);
    assert_eq!((report.pending["dir"], lab.written().len()), (1, 0));
    let refused = lab.run("dir", "export").await;
    assert_eq!((refused.status.as_str(), lab.written().len()), (status::NO_START_STAGING_MODE, 0));
    let options = RunOptions { force_export: true, ..RunOptions::default() };
    assert_eq!(lab.run_with("dir", "export", &options).await.status, status::SUCCESS);
    assert_eq!(lab.written(), ["create user 1"]);
}

/// Who stands in a system that was never read whole is not known, and would be created a second time: nothing is sent, also when a
/// read of it broke off. Once it was read, matching finds who is there.
#[tokio::test]
async fn nothing_is_created_in_a_system_that_was_never_read_whole() {
    let lab = Lab::new();
    lab.hr.put_person(1);
    lab.run("hr", "full-import").await;
    lab.run("hr", "full-synchronization").await;
    let stopped = |report: &crate::RunReport| (report.status.clone(), report.steps[0].message.clone());
    let told = "1 objects are to be created, and dir was never read whole: who stands there already would be created a second time";
    assert_eq!(stopped(&lab.run("dir", "export").await), ("no-start-full-import-required".into(), told.into()));
    lab.dir.behave(|behaviour| behaviour.breaks_after = Some(0));
    lab.run("dir", "full-import").await;
    lab.dir.behave(|behaviour| behaviour.breaks_after = None);
    assert_eq!(stopped(&lab.run("dir", "export").await), ("no-start-full-import-required".into(), told.into()));
    assert_eq!(lab.written(), Vec::<String>::new());

    lab.run("dir", "full-import").await;
    lab.run("dir", "export").await;
    assert_eq!(lab.written(), ["create user 1"]);
}

/// S38: what was never exported is dropped without a word to the target.
#[tokio::test]
async fn what_was_never_exported_is_dropped() {
    let lab = Lab::new();
    lab.run("dir", "full-import").await;
    lab.hr.put_person(1);
    lab.hr.put_person(2);
    lab.run("hr", "full-import").await;
    lab.run("hr", "full-synchronization").await;
    lab.hr.remove("p2");
    lab.run("hr", "delta-import").await;
    lab.run("hr", "delta-synchronization").await;
    lab.run("dir", "export").await;
    assert_eq!(lab.written(), ["create user 1"]);
}

/// G17: a stop ends an export between batches; what was sent is settled, the rest goes with the next export.
#[tokio::test]
async fn a_stopped_export_is_carried_on() {
    let lab = Lab::new();
    lab.run("dir", "full-import").await;
    (1..=30).for_each(|number| lab.hr.put_person(number));
    lab.dir.behave(|behaviour| behaviour.batch = 1);
    lab.run("hr", "full-import").await;
    lab.run("hr", "full-synchronization").await;
    let mut parts = lab.parts();
    parts.limits.export_page = 10;
    let stop = parts.stop.clone();
    parts.events = std::sync::Arc::new(move |event: &crate::Event| {
        if let crate::Event::Progress { phase: "exporting", .. } = event {
            stop.stop();
        }
    });
    let mut engine = crate::Engine::open(parts).unwrap();
    let report = engine.run_profile("dir", "export", &RunOptions::default()).await.unwrap();
    assert_eq!((report.status.as_str(), report.steps[0].export["export-add"]), (status::STOPPED_BY_OPERATOR, 10));
    engine.close().unwrap();
    lab.good_cycle(CycleKind::Delta).await;
    let mut created = lab.written();
    created.sort();
    created.dedup();
    assert_eq!(created.len(), 30);
    assert_eq!(lab.dir.texts("stamp").len(), 30);
}

/// A member of a group of a thousand changes: one reference is sent.
#[tokio::test]
async fn one_changed_member_sends_one_reference() {
    let lab = Lab::new();
    let mut group: Vec<(String, String)> =
        vec![("employeeId".into(), "g".into()), ("displayName".into(), "All".into())];
    for number in 1..=1_000 {
        lab.hr.put_person(number);
        group.push(("member".into(), format!("p{number}")));
    }
    let group: Vec<(&str, &str)> = group.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    lab.hr.put("g", "group", &group);
    lab.good_cycle(CycleKind::Initial).await;
    let members =
        |lab: &Lab| lab.dir.picture().iter().find(|line| line.starts_with("group")).unwrap().matches("->").count();
    assert_eq!(members(&lab), 1_000);
    lab.written();
    lab.hr.remove("p500");
    lab.good_cycle(CycleKind::Delta).await;
    assert_eq!(members(&lab), 999);
    let members: Vec<String> = (1..=400).map(|number| format!("p{number}")).collect();
    lab.written();
    lab.hr.set("g", "member", &members.iter().map(String::as_str).collect::<Vec<_>>());
    lab.good_cycle(CycleKind::Delta).await;
    lab.second_plan_is_empty().await;
}

/// What is pending is listed for the operator, with its operation.
#[tokio::test]
async fn pending_exports_are_listed() {
    let lab = Lab::new();
    lab.hr.put_person(1);
    lab.run("hr", "full-import").await;
    lab.run("hr", "full-synchronization").await;
    let engine = lab.engine();
    let pending = engine.store().pending("dir", &PendingFilter::default(), None, 10).unwrap();
    assert_eq!(pending.len(), 1);
}

/// O47: somebody removes a member before the group that was created with it was ever read. The import tells what did not come
/// back, and goes on.
#[tokio::test]
async fn a_created_group_whose_member_went_before_the_first_import_is_read() {
    let lab = Lab::new();
    lab.hr.put_person(1);
    lab.hr.put("g", "group", &[("employeeId", "g"), ("displayName", "All"), ("member", "p1")]);
    for (connector, profile) in
        [("hr", "full-import"), ("hr", "full-synchronization"), ("dir", "full-import"), ("dir", "export")]
    {
        lab.run(connector, profile).await;
    }
    let person = lab.dir.anchor_of("stamp", "1").unwrap();
    lab.dir.remove(&person);
    let report = lab.run("dir", "delta-import").await;
    let note = report.steps[0].notes.first().map(|note| note.code.as_str());
    assert_eq!((report.severity, note), (Severity::Warnings, Some("exported-change-not-reimported")), "{report:#?}");
    lab.good_cycle(CycleKind::Delta).await;
    lab.good_cycle(CycleKind::Delta).await;
    assert!(lab.dir.picture()[0].contains("member=->1"), "{:?}", lab.dir.picture());
    lab.second_plan_is_empty().await;
}

/// O56: a manager that was refused because of what else the object holds is sent again when that was corrected.
#[tokio::test]
async fn a_reference_refused_with_its_object_goes_with_the_corrected_object() {
    let lab = Lab::new();
    (1..=2).for_each(|number| lab.hr.put_person(number));
    lab.good_cycle(CycleKind::Initial).await;
    lab.dir.behave(|behaviour| {
        behaviour.refuses.insert("Person 1".into(), ("refused".into(), false));
    });
    lab.hr.set("p1", "manager", &["p2"]);
    for _ in 0..2 {
        lab.cycle(CycleKind::Delta).await;
    }
    assert_eq!(lab.written().iter().filter(|line| *line == "update 1 +manager").count(), 1, "not worth another try");
    lab.hr.set("p1", "displayName", &["Person One"]);
    lab.good_cycle(CycleKind::Delta).await;
    assert_eq!(lab.written(), ["update 1 displayName", "update 1 +manager"]);
    lab.second_plan_is_empty().await;
}

/// A.2: where what was just made cannot be seen for a while, references of new objects go when all creates have gone, once, and
/// count as part of their create.
#[tokio::test]
async fn references_of_new_objects_follow_all_creates() {
    let lab = Lab::new();
    lab.dir.behave(|behaviour| {
        behaviour.batch = 1;
        behaviour.references_apart = true;
    });
    (1..=3).for_each(|number| lab.hr.put_person(number));
    lab.hr.set("p2", "manager", &["p1"]);
    lab.hr.set("p3", "manager", &["p2"]);
    lab.run("dir", "full-import").await;
    lab.run("hr", "full-import").await;
    lab.run("hr", "full-synchronization").await;
    let report = lab.run("dir", "export").await;
    let written = lab.written();
    let managers =
        written.iter().skip_while(|line| line.starts_with("create")).filter(|line| line.contains("+manager"));
    assert_eq!((written.len(), managers.count()), (5, 2), "{written:?}");
    assert_eq!(report.steps[0].export.get("export-add"), Some(&3));
    assert_eq!(report.steps[0].export.get("export-update"), None, "{report:#?}");
    lab.good_cycle(CycleKind::Delta).await;
    lab.second_plan_is_empty().await;
}

/// Spec 10.9: while the rest of a page is on its way, the next one is read and marked as sent, so that the system is kept busy; and
/// only where nothing of it can wait for an object that is under way.
#[tokio::test]
async fn the_next_page_is_prepared_while_one_is_on_its_way() {
    for (references_apart, marked) in [(true, 2 + 4), (false, 2)] {
        let lab = Lab::new();
        lab.dir.behave(|behaviour| {
            behaviour.batch = 1;
            behaviour.references_apart = references_apart;
            // Each create has a point before it and one behind it: the third of the first page is about to be made.
            behaviour.crash_at = Some(5);
        });
        (1..=10).for_each(|number| lab.hr.put_person(number));
        lab.run("dir", "full-import").await;
        lab.run("hr", "full-import").await;
        lab.run("hr", "full-synchronization").await;
        let mut parts = lab.parts();
        parts.limits.export_page = 4;
        parts.limits.settle_objects = 1;
        parts.limits.batches_in_flight = 1;
        let mut engine = crate::Engine::open(parts).unwrap();
        let options = RunOptions::default();
        tokio::select! {
            report = engine.run_profile("dir", "export", &options) => panic!("{report:#?}"),
            () = async {
                lab.dir.crashed.notified().await;
                // The engine has all the time it wants before it is lost.
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            } => {}
        }
        drop(engine);
        lab.dir.behave(|behaviour| behaviour.crash_at = None);
        let engine = lab.engine();
        let left = engine.store().export_page("dir", ExportPhase::Writes, None, 100, 10).unwrap();
        let in_flight = left.iter().filter(|entry| entry.was_in_flight).count();
        assert_eq!((left.len(), in_flight), (8, marked), "references apart: {references_apart}");
        drop(engine);
        lab.good_cycle(CycleKind::Delta).await;
        assert_eq!(lab.dir.picture().len(), 10, "each once");
        lab.second_plan_is_empty().await;
    }
}
