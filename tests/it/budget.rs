//! Issue 5, "Must show": with the budget of the service scaled down, an export of 5,000 objects takes the time that the
//! budget gives it and no more, and no write is lost or doubled (F 23; F4 of engine-semantics section 9).

use metasync_tests::budget::export;
use metasync_tests::crash::Mode;

const PEOPLE: usize = 5_000;

fn check(mode: Mode) {
    let export = export(mode, PEOPLE);
    assert_eq!((export.users, export.writes), (PEOPLE, PEOPLE as u64), "{export:?}");
    let (took, budgeted) = (export.took.as_secs_f64(), export.budgeted.as_secs_f64());
    assert!((budgeted * 0.95..=budgeted * 1.05).contains(&took), "{export:?}");
    // A refused write is sent a second time: the pace is there so that none is. A few at the edge of the bucket do no harm.
    assert!(export.refused <= PEOPLE / 100, "{export:?}");
}

#[test]
fn f23_five_thousand_objects_keep_to_the_budget_in_graph_mode() {
    check(Mode::Graph);
}

#[test]
fn f23_five_thousand_objects_keep_to_the_budget_in_connect_mode() {
    check(Mode::Connect);
}
