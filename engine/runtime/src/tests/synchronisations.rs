//! Synchronisation steps: counters, errors that stay with their object, references that wait, and any number of workers.

use super::setup::{Lab, Settings};
use crate::{CycleKind, EngineParts, RunOptions, Severity, status};
use std::collections::BTreeMap;
use sync_store::ErrorFilter;

/// T30 (R67, R41): the inbound counters add up to the objects of the step.
#[tokio::test]
async fn inbound_counters_add_up() {
    let lab = Lab::new();
    (1..=8).for_each(|number| lab.hr.put_person(number));
    lab.hr.put("p9", "user", &[("employeeId", "9"), ("kind", "filtered")]);
    lab.hr.put("g1", "group", &[("employeeId", "g1"), ("displayName", "All"), ("member", "p1")]);
    (1..=3).for_each(|number| lab.crm.put_person(number));
    lab.run("hr", "full-import").await;
    lab.run("crm", "full-import").await;
    let hr = lab.run("hr", "full-synchronization").await;
    let step = &hr.steps[0];
    assert_eq!(step.inbound.values().sum::<u64>(), step.processed);
    assert_eq!(
        step.inbound,
        BTreeMap::from([("disconnector-projected-flow".to_owned(), 9), ("disconnector-remains".to_owned(), 1)])
    );
    assert_eq!(step.outbound["dir"], BTreeMap::from([("provisioned-add-flow".to_owned(), 9)]));
    let crm = lab.run("crm", "delta-synchronization").await;
    let step = &crm.steps[0];
    assert_eq!(step.inbound.values().sum::<u64>(), step.processed);
    assert_eq!(step.inbound, BTreeMap::from([("disconnector-joined-no-flow".to_owned(), 3)]));
}

/// T40 (R76-R78): one bad object of many leaves the others done, and is tried again with its import still pending.
#[tokio::test]
async fn errors_stay_with_their_object() {
    let lab = Lab::new();
    (1..=500).for_each(|number| lab.hr.put_person(number));
    lab.hr.set("p77", "displayName", &["broken"]);
    let report = lab.cycle(CycleKind::Initial).await;
    assert_eq!((report.status.as_str(), report.severity), (status::COMPLETED_SYNC_ERRORS, Severity::Errors));
    assert_eq!(lab.dir.texts("displayName").len(), 499);
    lab.run("hr", "delta-synchronization").await;
    let again = lab.run("hr", "delta-synchronization").await;
    assert_eq!((again.steps[0].processed, again.steps[0].errors), (1, 1));
    {
        let engine = lab.engine();
        let errors = engine.store().errors(&ErrorFilter::default(), 10).unwrap();
        assert_eq!(errors.len(), 1);
        assert_eq!(errors[0].retry_count, 2);
        assert_eq!(errors[0].code, "sync-rule-error-function-triggered");
    }
    lab.hr.set("p77", "displayName", &["Person 77"]);
    lab.good_cycle(CycleKind::Delta).await;
    assert_eq!(lab.dir.texts("displayName").len(), 500);
    assert!(lab.engine().store().errors(&ErrorFilter::default(), 10).unwrap().is_empty());
}

/// T40 (R22): one more error than the limit stops the step.
#[tokio::test]
async fn the_error_limit_stops_a_synchronisation() {
    let broken = |count: usize| {
        let lab = Lab::with(Settings { error_limit: 20, ..Settings::default() });
        for number in 1..=count {
            lab.hr.put_person(number);
            lab.hr.set(&format!("p{number}"), "displayName", &["broken"]);
        }
        (101..=110).for_each(|number| lab.hr.put_person(number));
        lab
    };
    let lab = broken(20);
    lab.run("hr", "full-import").await;
    let report = lab.run("hr", "delta-synchronization").await;
    assert_eq!((report.status.as_str(), report.steps[0].errors), (status::COMPLETED_SYNC_ERRORS, 20));

    let lab = broken(21);
    lab.run("hr", "full-import").await;
    let report = lab.run("hr", "delta-synchronization").await;
    assert_eq!((report.status.as_str(), report.steps[0].errors), (status::STOPPED_ERROR_LIMIT, 21));
    assert_eq!(report.severity, Severity::Stopped);
}

/// T23 (O16, O18, O54): a member that is imported before its target flows once the target is there, without the group
/// being imported again.
#[tokio::test]
async fn t23_a_member_flows_when_its_target_arrives() {
    let lab = Lab::new();
    lab.hr.put_person(1);
    lab.hr.put("g1", "group", &[("employeeId", "g1"), ("displayName", "All"), ("member", "p1"), ("member", "p2")]);
    let report = lab.good_cycle(CycleKind::Initial).await;
    let members = |lab: &Lab| lab.dir.picture().into_iter().find(|line| line.starts_with("group")).unwrap();
    assert_eq!(members(&lab), "group displayName=All member=->1 stamp=g1");
    // SF19: the one that does not flow is counted with its reason.
    assert!(report.held["dir"].contains_key("members-held/not-imported"), "{:?}", report.held);

    lab.hr.put_person(2);
    lab.good_cycle(CycleKind::Delta).await;
    assert_eq!(members(&lab), "group displayName=All member=->1|->2 stamp=g1");
    lab.second_plan_is_empty().await;
}

/// O54: a member that joins somebody who is in the target already flows, although its link is all that changed.
#[tokio::test]
async fn a_member_flows_when_it_joins_somebody_who_is_there() {
    let lab = Lab::new();
    lab.crm.put_person(2);
    lab.hr.put("g1", "group", &[("employeeId", "g1"), ("displayName", "All"), ("member", "p2")]);
    lab.good_cycle(CycleKind::Initial).await;
    let members = |lab: &Lab| lab.dir.picture().into_iter().find(|line| line.starts_with("group")).unwrap();
    assert_eq!(members(&lab), "group displayName=All stamp=g1");
    lab.written();
    lab.hr.put("p2", "user", &[("employeeId", "2")]);
    lab.good_cycle(CycleKind::Delta).await;
    assert_eq!(members(&lab), "group displayName=All member=->2 stamp=g1");
    assert_eq!(lab.written(), ["update g1 +member"], "only the member was written");
    lab.second_plan_is_empty().await;
}

/// One worker and eight give the same result: the same systems, the same counters, the same digests in the same order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_number_of_workers_changes_nothing() {
    let mut results = Vec::new();
    for (workers, page) in [(1, 1_000), (8, 1_000), (8, 37), (1, 37)] {
        let lab = Lab::with(Settings { workers, page, ..Settings::default() });
        for number in 1..=300 {
            lab.hr.put_person(number);
            if number % 2 == 0 {
                lab.crm.put_person(number);
            }
            // Several that match the same key within one page: plans that make each other stale.
            if number % 10 == 0 {
                lab.hr.set(&format!("p{number}"), "mail", &["shared@contoso.example"]);
            }
        }
        lab.hr.put(
            "g1",
            "group",
            &[("employeeId", "g1"), ("displayName", "All"), ("member", "p1"), ("member", "p299")],
        );
        lab.dir.put(
            "old",
            "user",
            &[("mail", "person7@contoso.example"), ("displayName", "Seven"), ("enabled", "true")],
        );
        let recorder = std::sync::Arc::new(super::setup::Recorder::default());
        let mut parts: EngineParts = lab.parts();
        parts.events = recorder.clone();
        let mut engine = crate::Engine::open(parts).unwrap();
        let report = engine.cycle(CycleKind::Initial, &RunOptions::default()).await.unwrap();
        let counters: Vec<_> = report
            .runs
            .iter()
            .flat_map(|run| &run.steps)
            .map(|step| (step.step_type, step.inbound.clone(), step.outbound.clone(), step.export.clone()))
            .collect();
        let digests: Vec<String> = recorder
            .take()
            .into_iter()
            .filter_map(|event| match event {
                crate::Event::Decided { subject, digest } => Some(format!("{subject} {digest}")),
                _ => None,
            })
            .collect();
        assert!(digests.len() > 400);
        results.push((page, lab.dir.picture(), counters, digests));
    }
    assert_eq!(results[0].1, results[1].1);
    assert_eq!(results[0].2, results[1].2);
    assert_eq!(results[0].3, results[1].3);
    // Plans that were made a page ahead are those that are made when their turn comes.
    assert!(results[2] == results[3], "one page ahead something else was decided");
    // Another split into pages may decide some objects in another round, and ends the same.
    assert_eq!(results[0].1, results[2].1);
}

/// S67: a change of rules is applied to everything by the next cycle, and deletes say that the rules changed.
#[tokio::test]
async fn changed_rules_require_a_full_synchronisation() {
    let mut lab = Lab::new();
    (1..=3).for_each(|number| lab.hr.put_person(number));
    lab.hr.set("p2", "kind", &["temporary"]);
    lab.good_cycle(CycleKind::Initial).await;
    lab.settings.rules = lab.settings.rules.replace("kind NOTEQUAL local", "kind NOTEQUAL temporary");
    lab.settings.guard_objects = 0;
    let report = lab.cycle(CycleKind::Delta).await;
    assert!(report.runs.iter().any(|run| run.connector == "hr" && run.profile == "full-synchronization"));
    let export = report.runs.iter().find(|run| run.profile == "export").unwrap();
    assert_eq!(export.status, status::STOPPED_DELETION_THRESHOLD);
    let guard = export.steps[0].guard.as_ref().unwrap();
    assert!(guard.first_lines[0].detail.contains("the rules changed"), "{guard:?}");
}

/// G17: a full synchronisation that was stopped is made again by the next cycle.
#[tokio::test]
async fn a_stopped_full_synchronisation_is_not_forgotten() {
    let lab = Lab::with(Settings { page: 10, ..Settings::default() });
    (1..=50).for_each(|number| lab.hr.put_person(number));
    lab.run("hr", "full-import").await;
    let mut parts = lab.parts();
    let stop = parts.stop.clone();
    parts.events = std::sync::Arc::new(move |event: &crate::Event| {
        if let crate::Event::Progress { done: 20, phase: "synchronising", .. } = event {
            stop.stop();
        }
    });
    let mut engine = crate::Engine::open(parts).unwrap();
    let report = engine.run_profile("hr", "full-synchronization", &RunOptions::default()).await.unwrap();
    assert_eq!((report.status.as_str(), report.steps[0].processed), (status::STOPPED_BY_OPERATOR, 20));
    engine.close().unwrap();
    assert!(lab.engine().store().requirements("hr").unwrap().full_sync.is_some());
    lab.good_cycle(CycleKind::Delta).await;
    assert_eq!(lab.dir.texts("displayName").len(), 50);
    assert!(lab.engine().store().requirements("hr").unwrap().full_sync.is_none());
}

/// Stops a full synchronisation of `hr` when 20 objects are through.
async fn stopped_after_twenty(lab: &Lab) {
    let mut parts = lab.parts();
    let stop = parts.stop.clone();
    parts.events = std::sync::Arc::new(move |event: &crate::Event| {
        if let crate::Event::Progress { done: 20, phase: "synchronising", .. } = event {
            stop.stop();
        }
    });
    let mut engine = crate::Engine::open(parts).unwrap();
    let report = engine.run_profile("hr", "full-synchronization", &RunOptions::default()).await.unwrap();
    assert_eq!((report.status.as_str(), report.steps[0].processed), (status::STOPPED_BY_OPERATOR, 20));
}

/// Invariant 5: a full synchronisation that broke off is continued where it was, and what changed behind it is decided
/// too; other rules make it begin at the first object.
#[tokio::test]
async fn a_full_synchronisation_that_broke_off_continues() {
    let mut lab = Lab::with(Settings { page: 10, ..Settings::default() });
    lab.run("dir", "full-import").await;
    (1..=50).for_each(|number| lab.hr.put_person(number));
    lab.run("hr", "full-import").await;

    stopped_after_twenty(&lab).await;
    lab.hr.set("p1", "displayName", &["Another"]);
    lab.run("hr", "delta-import").await;
    let report = lab.run("hr", "full-synchronization").await;
    let step = &report.steps[0];
    assert_eq!(step.processed, 31, "30 that were left, and the one that changed");
    assert!(step.notes.iter().any(|note| note.code == "full-synchronization-continued"), "{:?}", step.notes);
    lab.run("dir", "export").await;
    let names = lab.dir.texts("displayName");
    assert_eq!((names.len(), names.iter().filter(|name| *name == "Another").count()), (50, 1));

    assert_eq!(lab.run("hr", "full-synchronization").await.steps[0].processed, 50, "the next one is whole again");
    stopped_after_twenty(&lab).await;
    assert_eq!(
        lab.run("hr", "full-synchronization").await.steps[0].processed,
        30,
        "nothing waits in the queue this time"
    );
    stopped_after_twenty(&lab).await;
    lab.settings.rules = lab.settings.rules.replace("kind NOTEQUAL local", "kind NOTEQUAL temporary");
    assert_eq!(lab.run("hr", "full-synchronization").await.steps[0].processed, 50, "other rules hold for all objects");
}
