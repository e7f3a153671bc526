//! The process is lost at every place where it can be lost: a new one finishes the work, and nothing is created twice.

use super::leaving::DAY;
use super::setup::{Lab, Settings};
use crate::{CycleKind, Engine, Event, RunOptions, Severity};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

fn world() -> Lab {
    let lab = Lab::new();
    (1..=12).for_each(|number| lab.hr.put_person(number));
    lab.hr.set("p1", "manager", &["p12"]);
    lab.hr.put("g", "group", &[("employeeId", "g"), ("displayName", "All"), ("member", "p1"), ("member", "p2")]);
    lab.dir.put("twin", "user", &[("mail", "person3@contoso.example"), ("displayName", "Three"), ("enabled", "true")]);
    for directory in [&lab.hr, &lab.dir] {
        directory.behave(|behaviour| {
            behaviour.page = 5;
            behaviour.batch = 3;
        });
    }
    lab
}

fn small(lab: &Lab) -> Engine {
    let mut parts = lab.parts();
    parts.limits.export_page = 6;
    parts.limits.settle_objects = 1;
    parts.limits.page = 4;
    Engine::open(parts).unwrap()
}

/// Runs a cycle that may be lost on the way. True: it reached its end.
async fn cycle_until_lost(lab: &Lab) -> bool {
    let mut engine = small(lab);
    let options = RunOptions::default();
    tokio::select! {
        biased;
        () = lab.dir.crashed.notified() => false,
        () = lab.hr.crashed.notified() => false,
        report = engine.cycle(CycleKind::Initial, &options) => {
            report.unwrap();
            true
        }
    }
}

async fn expected() -> Vec<String> {
    let lab = world();
    lab.good_cycle(CycleKind::Initial).await;
    let mut picture = lab.dir.picture();
    picture.sort();
    picture
}

async fn finishes(lab: &Lab, expected: &[String], what: &str) {
    for _ in 0..2 {
        let report = lab.engine().cycle(CycleKind::Delta, &RunOptions::default()).await.unwrap();
        assert!(report.severity <= Severity::Held, "{what}: {report:#?}");
    }
    assert_eq!(lab.dir.picture(), expected, "{what}");
    lab.second_plan_is_empty().await;
}

/// T26 (O28, invariant 5): lost before or after any write to the target, before its answer was kept.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_around_any_write() {
    let expected = expected().await;
    // Where references follow creates, a page is marked while the one before it is on its way.
    for references_apart in [false, true] {
        let mut point = 0;
        loop {
            point += 1;
            let lab = world();
            lab.dir.behave(|behaviour| {
                behaviour.references_apart = references_apart;
                behaviour.crash_at = Some(point);
            });
            if cycle_until_lost(&lab).await {
                break;
            }
            lab.dir.behave(|behaviour| behaviour.crash_at = None);
            finishes(&lab, &expected, &format!("lost at point {point}, references apart: {references_apart}")).await;
        }
        assert!(point > 30, "only {point} points");
    }
}

/// Invariant 5: lost between any two pages of a read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_while_reading() {
    let expected = expected().await;
    for point in 1..=3 {
        let lab = world();
        lab.hr.behave(|behaviour| behaviour.crash_at = Some(point));
        assert!(!cycle_until_lost(&lab).await);
        lab.hr.behave(|behaviour| behaviour.crash_at = None);
        finishes(&lab, &expected, &format!("lost at page {point}")).await;
    }
}

/// Invariant 5: lost at any event of the stream, that is after any committed page of any step.
#[test]
fn lost_after_any_page() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let expected = runtime.block_on(expected());
    // The panics below are the loss; they need not be printed.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let mut lost_at = 0;
    let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| {
        loop {
            lost_at += 1;
            let lab = world();
            let seen = Arc::new(AtomicU64::new(0));
            let lost = std::panic::catch_unwind(AssertUnwindSafe(|| {
                let mut parts = lab.parts();
                parts.limits.page = 4;
                parts.limits.export_page = 6;
                let seen = Arc::clone(&seen);
                parts.events = Arc::new(move |_: &Event| {
                    assert!(seen.fetch_add(1, Ordering::SeqCst) + 1 != lost_at, "lost");
                });
                let mut engine = Engine::open(parts).unwrap();
                runtime.block_on(engine.cycle(CycleKind::Initial, &RunOptions::default())).unwrap();
            }));
            if lost.is_ok() {
                return;
            }
            runtime.block_on(finishes(&lab, &expected, &format!("lost at event {lost_at}")));
        }
    }));
    std::panic::set_hook(hook);
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
    assert!(lost_at > 40, "only {lost_at} events");
}

/// T26, O28: a create arrived and nobody heard of it, and the person changed before anybody looked. Found again by an import or by
/// the look-up, it gets what it was not created with: nothing counts as sent that may have been decided later.
#[tokio::test]
async fn what_changed_after_a_lost_create_is_sent() {
    for imported_first in [false, true] {
        let lab = Lab::new();
        lab.run("dir", "full-import").await;
        lab.hr.put_person(1);
        for profile in ["full-import", "full-synchronization"] {
            lab.run("hr", profile).await;
        }
        lab.export_is_lost(2).await;
        lab.hr.set("p1", "title", &["Chef"]);
        lab.run("hr", "delta-import").await;
        lab.run("hr", "delta-synchronization").await;
        if imported_first {
            lab.run("dir", "full-import").await;
        } else {
            lab.run("dir", "export").await;
        }
        // Found by this cycle's export at the latest, compared by its import, and completed by the next one.
        lab.good_cycle(CycleKind::Delta).await;
        lab.good_cycle(CycleKind::Delta).await;
        assert_eq!(lab.dir.texts("title"), ["Chef"], "imported first: {imported_first}");
        lab.second_plan_is_empty().await;
    }
}

/// O28: what an earlier run created is named in the writes that follow at once, before any import, by what it was found by.
#[tokio::test]
async fn what_is_found_again_is_named_in_what_follows() {
    for point in [2, 4] {
        let lab = Lab::new();
        lab.dir.behave(|behaviour| behaviour.wants_stamps = true);
        lab.run("dir", "full-import").await;
        lab.hr.put_person(1);
        lab.hr.put("g0", "group", &[("employeeId", "g0"), ("displayName", "Outer"), ("member", "p1")]);
        for profile in ["full-import", "full-synchronization"] {
            lab.run("hr", profile).await;
        }
        lab.export_is_lost(point).await;
        for _ in 0..2 {
            let report = lab.run("dir", "export").await;
            assert!(report.severity <= Severity::Held, "lost at {point}: {report:#?}");
        }
        assert!(lab.dir.picture().iter().any(|line| line.contains("member=->")), "{:#?}", lab.dir.picture());
        lab.good_cycle(CycleKind::Delta).await;
        lab.second_plan_is_empty().await;
    }
}

/// O28, S38: nobody heard whether a create arrived, and its person left before anybody looked. What arrived is deleted, what did
/// not is forgotten, and nothing waits for an anchor that will never come.
#[tokio::test]
async fn a_lost_create_that_nobody_wants_any_longer_is_looked_up() {
    for (point, imported_first) in [(1, false), (1, true), (2, false), (2, true)] {
        let lab = Lab::new();
        lab.run("dir", "full-import").await;
        lab.hr.put_person(1);
        for profile in ["full-import", "full-synchronization"] {
            lab.run("hr", profile).await;
        }
        lab.export_is_lost(point).await;
        assert_eq!(lab.dir.picture().len() as u64, point - 1, "the create arrived at the second point alone");
        lab.hr.remove("p1");
        lab.run("hr", "full-import").await;
        lab.run("hr", "delta-synchronization").await;
        if imported_first {
            lab.run("dir", "full-import").await;
            lab.run("dir", "delta-synchronization").await;
        }
        lab.good_cycle(CycleKind::Delta).await;
        lab.good_cycle(CycleKind::Delta).await;
        let what = format!("lost at {point}, imported first: {imported_first}");
        assert_eq!(lab.dir.picture(), Vec::<String>::new(), "{what}");
        let left = lab.engine().store().list_objects("dir", None, 10).unwrap();
        assert!(left.is_empty(), "{what}: {left:?}");
        lab.second_plan_is_empty().await;
    }
}

/// O28, SF18: whether a create arrived is looked up in the grace period as well; what arrived then has the rest of it.
#[tokio::test]
async fn a_lost_create_is_looked_up_in_its_grace_period() {
    for point in [1, 2] {
        let mut lab = Lab::with(Settings { grace_days: 7, ..Settings::default() });
        lab.run("dir", "full-import").await;
        lab.hr.put_person(1);
        for profile in ["full-import", "full-synchronization"] {
            lab.run("hr", profile).await;
        }
        lab.export_is_lost(point).await;
        lab.hr.set("p1", "kind", &["local"]);
        lab.run("hr", "delta-import").await;
        lab.run("hr", "delta-synchronization").await;
        lab.good_cycle(CycleKind::Delta).await;
        let held = |lab: &Lab| lab.engine().store().list_objects("dir", None, 10).unwrap().len() as u64;
        assert_eq!((held(&lab), lab.dir.picture().len() as u64), (point - 1, point - 1), "lost at {point}");
        lab.now += 8 * DAY;
        lab.good_cycle(CycleKind::Delta).await;
        assert_eq!((held(&lab), lab.dir.picture().len()), (0, 0), "lost at {point}");
        lab.second_plan_is_empty().await;
    }
}
