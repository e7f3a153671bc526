//! Cycles: their order, what is skipped and why, and what history keeps of them.

use super::setup::Lab;
use crate::{CycleKind, EngineError, RunOptions, Severity};
use sync_store::RunFilter;

/// G13, R14: sources are imported before targets, everything before the first synchronisation, and what was exported is
/// confirmed at the end.
#[tokio::test]
async fn the_order_of_a_cycle() {
    let lab = Lab::new();
    lab.hr.put_person(1);
    lab.crm.put_person(1);
    let report = lab.good_cycle(CycleKind::Initial).await;
    let order: Vec<String> = report.runs.iter().map(|run| format!("{} {}", run.connector, run.profile)).collect();
    expect_test::expect![[r#"
        crm full-import
        hr full-import
        dir full-import
        crm full-synchronization
        hr full-synchronization
        dir full-synchronization
        dir export
        dir delta-import
        dir delta-synchronization"#]]
    .assert_eq(&order.join("\n"));
    // Nothing to export: nothing to confirm.
    let report = lab.good_cycle(CycleKind::Delta).await;
    assert_eq!(report.runs.len(), 7);
}

/// SF16: a source that cannot be reached obsoletes nothing and the others go on; a target that cannot be read is not
/// written to, because it may hold the very objects that would be created.
#[tokio::test]
async fn a_target_that_was_not_read_whole_is_not_written_to() {
    let lab = Lab::new();
    (1..=3).for_each(|number| lab.hr.put_person(number));
    lab.dir.put("twin", "user", &[("mail", "person1@contoso.example"), ("displayName", "One"), ("enabled", "true")]);
    lab.dir.behave(|behaviour| behaviour.breaks_after = Some(0));
    let report = lab.cycle(CycleKind::Initial).await;
    assert_eq!((report.status.as_str(), report.severity), ("stopped-connectivity", Severity::Stopped));
    assert!(report.skipped.iter().any(|skipped| skipped.connector == "dir" && skipped.step == "export"));
    assert_eq!(lab.written(), Vec::<String>::new());
    lab.dir.behave(|behaviour| behaviour.breaks_after = None);
    lab.hr.behave(|behaviour| behaviour.breaks_after = Some(1));
    let report = lab.cycle(CycleKind::Initial).await;
    assert_eq!(report.severity, Severity::Stopped);
    // The one that had been provisioned beside its twin was taken over instead.
    assert_eq!(lab.dir.state().objects.len(), 3);
    assert_eq!(lab.dir.state().objects["twin"].attributes.text("stamp"), Some("1"));
}

/// R28-R30: runs are numbered per connector and keep their counters and errors.
#[tokio::test]
async fn history_keeps_runs_steps_and_counters() {
    let lab = Lab::new();
    (1..=3).for_each(|number| lab.hr.put_person(number));
    let first = lab.run("hr", "full-import").await;
    let second = lab.run("hr", "full-synchronization").await;
    assert_eq!((first.run, second.run), (1, 2));
    let engine = lab.engine();
    let filter = RunFilter { limit: 10, ..RunFilter::default() };
    let runs = engine.store().runs(&filter).unwrap();
    assert_eq!(runs.len(), 2);
    assert_eq!(runs[1].steps[0].counters.get("stage-add"), 3);
    assert_eq!(runs[0].steps[0].counters.get("disconnector-projected-flow"), 3);
    assert_eq!(runs[0].steps[0].counters.outbound["dir"]["provisioned-add-flow"], 3);
    let objects = engine.store().details(runs[0].steps[0].id, "disconnector-projected-flow", 10).unwrap();
    assert_eq!(objects.len(), 3);
}

/// R32: history is kept for the configured days.
#[tokio::test]
async fn old_history_is_purged() {
    let mut lab = Lab::new();
    lab.hr.put_person(1);
    lab.run("hr", "full-import").await;
    lab.now += 8 * 86_400_000_000;
    lab.run("hr", "full-import").await;
    let filter = RunFilter { limit: 10, ..RunFilter::default() };
    assert_eq!(lab.engine().store().runs(&filter).unwrap().len(), 1);
}

/// A scheduler may run a cycle on any thread.
#[tokio::test]
async fn a_cycle_may_be_moved_to_another_thread() {
    let lab = Lab::new();
    lab.hr.put_person(1);
    let mut engine = lab.engine();
    let cycle = tokio::spawn(async move { engine.cycle(CycleKind::Initial, &RunOptions::default()).await });
    assert_eq!(cycle.await.unwrap().unwrap().severity, Severity::Success);
}

#[tokio::test]
async fn mistakes_name_what_there_is() {
    let lab = Lab::new();
    let mut engine = lab.engine();
    let options = RunOptions::default();
    let unknown = engine.run_profile("ad", "full-import", &options).await;
    assert!(
        matches!(&unknown, Err(EngineError::UnknownConnector { known, .. }) if known == "crm, dir, hr"),
        "{unknown:?}"
    );
    let unknown = engine.run_profile("hr", "everything", &options).await;
    assert!(
        matches!(&unknown, Err(EngineError::UnknownProfile { known, .. }) if known.contains("full-import")),
        "{unknown:?}"
    );
}
