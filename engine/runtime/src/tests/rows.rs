//! What an object costs in rows: a row more for each of a million objects shows here, and not on the day of the first load.

use super::setup::Lab;
use crate::CycleKind;
use expect_test::expect;

/// Rows of each step of a cycle, run history apart.
async fn rows(lab: &Lab, kind: CycleKind) -> Vec<(String, u64)> {
    let report = lab.good_cycle(kind).await;
    let steps = report.runs.iter().flat_map(|run| run.steps.iter().map(move |step| (run, step)));
    steps.map(|(run, step)| (format!("{} {}", run.connector, step.step_type), step.rows_written)).collect()
}

/// A first load of so many persons, all of whom have one manager.
async fn first_load(persons: usize) -> Vec<(String, u64)> {
    let lab = Lab::new();
    for number in 1..=persons {
        lab.hr.put_person(number);
        lab.hr.set(&format!("p{number}"), "manager", &["p1"]);
    }
    rows(&lab, CycleKind::Initial).await
}

/// S1: image, row, queue entry, key and list of keys of each object, and of its reference what is to be sent and what came back; nothing is
/// written twice within a step, and what an export or its confirmation settles is not queued to be decided again, nor written
/// once more by the synchronisation after it.
#[tokio::test]
async fn a_first_load_writes_what_is_new_once() {
    let (few, many) = (first_load(20).await, first_load(40).await);
    let lines: Vec<String> = few
        .iter()
        .zip(&many)
        .filter(|((_, few), (_, many))| many > few)
        .map(|((step, few), (_, many))| format!("{step}: {:.1}", (many - few) as f64 / 20.0))
        .collect();
    expect![[r#"
        hr full-import: 7.0
        hr full-synchronization: 16.0
        dir export: 7.0
        dir delta-import: 10.0
        dir delta-synchronization: 2.0"#]]
    .assert_eq(&lines.join("\n"));
}
