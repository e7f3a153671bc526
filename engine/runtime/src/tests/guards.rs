//! The guard stage: the limit passes, one more stops everything, and only the very list that was approved goes through.

use super::setup::{Lab, Settings};
use crate::{CycleKind, Severity, status};
use sync_kernel::{Digest, GuardKind};

/// T31 (G1-G4, SF12), in a space of 10,000: 500 deletes pass; 501 stop, and not even an add reaches the target.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_deletes_pass_and_one_more_stops_even_the_adds() {
    let lab = Lab::with(Settings { guard_objects: 1_000_000, ..Settings::default() });
    (1..=10_000).for_each(|number| lab.hr.put_person(number));
    lab.dir.behave(|behaviour| {
        behaviour.batch = 500;
        behaviour.page = 2_000;
    });
    lab.hr.behave(|behaviour| behaviour.page = 2_000);
    lab.good_cycle(CycleKind::Initial).await;
    assert_eq!(lab.dir.state().objects.len(), 10_000);

    // From here on with the default limits: the smaller of 500 and 10 per cent.
    let mut lab = lab;
    lab.settings.guard_objects = 500;
    lab.written();
    (1..=500).for_each(|number| lab.hr.remove(&format!("p{number}")));
    let report = lab.good_cycle(CycleKind::Delta).await;
    assert_eq!(report.severity, Severity::Success);
    assert_eq!(lab.written().len(), 500);
    assert_eq!(lab.dir.state().objects.len(), 9_500);

    (501..=1_001).for_each(|number| lab.hr.remove(&format!("p{number}")));
    lab.hr.put_person(20_000);
    let report = lab.cycle(CycleKind::Delta).await;
    assert_eq!((report.status.as_str(), report.severity), (status::STOPPED_DELETION_THRESHOLD, Severity::GuardStopped));
    assert_eq!(lab.written(), Vec::<String>::new());
    let export = report.runs.iter().find(|run| run.profile == "export").unwrap();
    let guard = export.steps[0].guard.as_ref().unwrap();
    assert_eq!((guard.verdicts.len(), guard.verdicts[0].kind, guard.verdicts[0].count), (1, GuardKind::Delete, 501));
    assert!(guard.first_lines.iter().all(|line| line.detail.contains("deleted in the source directory")));

    // It stays stopped, under the same digest, until that digest is approved.
    let again = lab.run("dir", "export").await;
    assert_eq!(again.steps[0].guard.as_ref().unwrap().digest, guard.digest);
    assert_eq!(lab.written(), Vec::<String>::new());
    assert!(lab.engine().approve(&Digest::from_text("00")).is_err());
    lab.engine().approve(&Digest::from_text(&guard.digest)).unwrap();
    let approved = lab.run("dir", "export").await;
    assert_eq!(approved.status, status::SUCCESS);
    assert!(approved.steps[0].guard.as_ref().unwrap().approved);
    assert_eq!(lab.written().len(), 502);
}

fn guarded(objects: u64) -> Lab {
    Lab::with(Settings { guard_objects: objects, ..Settings::default() })
}

/// An approval is for exactly that list: one object more, and it is asked for again.
#[tokio::test]
async fn an_approval_is_for_exactly_one_list() {
    let lab = guarded(3);
    (1..=4).for_each(|number| lab.hr.put_person(number));
    let report = lab.cycle(CycleKind::Initial).await;
    assert_eq!(report.status, status::STOPPED_GUARD);
    let digest = report.waiting[0].digest.clone();
    lab.engine().approve(&Digest::from_text(&digest)).unwrap();
    lab.hr.put_person(5);
    let report = lab.cycle(CycleKind::Delta).await;
    assert_eq!((report.status.as_str(), lab.written().len()), (status::STOPPED_GUARD, 0));
    assert_ne!(report.waiting[0].digest, digest);
    assert!(lab.engine().approve(&Digest::from_text(&digest)).is_err());
    lab.approve_everything();
    lab.good_cycle(CycleKind::Delta).await;
    assert_eq!(lab.written().len(), 5);
    lab.second_plan_is_empty().await;
}

/// SF12: each kind is counted by itself; three adds and three wiped titles pass a limit of three, four wiped titles do not.
#[tokio::test]
async fn kinds_are_counted_by_themselves() {
    let lab = guarded(3);
    for number in 1..=3 {
        lab.hr.put_person(number);
        lab.hr.set(&format!("p{number}"), "title", &["Chef"]);
    }
    lab.good_cycle(CycleKind::Initial).await;
    for number in 4..=6 {
        lab.hr.put_person(number);
        lab.hr.set(&format!("p{number}"), "title", &["Chef"]);
    }
    (1..=3).for_each(|number| lab.hr.set(&format!("p{number}"), "title", &[]));
    lab.good_cycle(CycleKind::Delta).await;
    (1..=3).for_each(|number| lab.hr.set(&format!("p{number}"), "title", &["Cook"]));
    lab.good_cycle(CycleKind::Delta).await;
    lab.written();
    (1..=4).for_each(|number| lab.hr.set(&format!("p{number}"), "title", &[]));
    let report = lab.cycle(CycleKind::Delta).await;
    assert_eq!((report.status.as_str(), lab.written().len()), (status::STOPPED_GUARD, 0));
    let export = report.runs.iter().find(|run| run.profile == "export").unwrap();
    let verdict = &export.steps[0].guard.as_ref().unwrap().verdicts[0];
    assert_eq!((verdict.kind, verdict.counted_by.as_str(), verdict.count), (GuardKind::AttributeWipe, "title", 4));
}

/// SF12: a group that loses more than half of its members stops by itself.
#[tokio::test]
async fn an_emptied_group_stops() {
    let lab = Lab::with(Settings { guard_at_least: 1, ..Settings::default() });
    (1..=10).for_each(|number| lab.hr.put_person(number));
    let members: Vec<String> = (1..=10).map(|number| format!("p{number}")).collect();
    lab.hr.put("g", "group", &[("employeeId", "g"), ("displayName", "All")]);
    lab.hr.set("g", "member", &members.iter().map(String::as_str).collect::<Vec<_>>());
    lab.cycle(CycleKind::Initial).await;
    lab.approve_everything();
    lab.good_cycle(CycleKind::Delta).await;
    lab.written();
    lab.hr.set("g", "member", &["p1", "p2", "p3", "p4", "p5"]);
    lab.good_cycle(CycleKind::Delta).await;
    assert_eq!(lab.written().len(), 1);
    lab.hr.set("g", "member", &["p1"]);
    let report = lab.cycle(CycleKind::Delta).await;
    assert_eq!((report.status.as_str(), lab.written().len()), (status::STOPPED_GUARD, 0));
    lab.approve_everything();
    lab.good_cycle(CycleKind::Delta).await;
    assert_eq!(lab.written().len(), 1);
}
