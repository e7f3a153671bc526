//! Issue 5, "Must show": with seeded random faults on both wires the whole product ends in the tenant state of a run
//! without any, and its second plan is empty.

use metasync_tests::crash::Mode;
use metasync_tests::faults::compare;

#[test]
fn f23_f30_graph_mode_with_faults_ends_like_its_twin() {
    let faults = compare(Mode::Graph, 60, 1..=20, 10);
    assert!(faults.len() >= 4 && faults.values().sum::<usize>() >= 100, "{faults:?} are no rehearsal");
}

#[test]
fn f23_f30_connect_mode_with_faults_ends_like_its_twin() {
    let faults = compare(Mode::Connect, 60, 1..=20, 10);
    assert!(faults.len() >= 4 && faults.values().sum::<usize>() >= 100, "{faults:?} are no rehearsal");
}
