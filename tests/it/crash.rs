//! The quick part of the crash harness: forty kills of every step on a small world. `tests/run --long` has five hundred.

use metasync_tests::crash::{Harness, Mode, Settings};
use metasync_tests::operator::binary;

#[track_caller]
fn kill(settings: Settings) {
    let kills = settings.kills;
    let harness = Harness::new(settings);
    let points = harness.points().to_vec();
    let tally = harness.run();
    assert!(tally.is_clean(), "{}", tally.text());
    assert_eq!(tally.kills, kills, "{}", tally.text());
    for point in &points {
        assert!(tally.hits_of(point) > 0, "{point} was not hit\n{}", tally.text());
    }
}

/// Invariant 5, T26 (O28): killed at every fail point of store and tenant, at random times and by a loss of power, every step
/// is carried on by the next run: nothing lost, nothing doubled, the store whole and its content that of a run that nobody
/// disturbed.
#[test]
fn forty_kills_lose_nothing_and_double_nothing() {
    kill(Settings { mode: Mode::Graph, people: 240, kills: 40, seed: 7, replication_ms: 200, tell: |_| {} });
}

/// The same in Connect mode, with the fail points of the provisioning wire.
#[test]
fn forty_kills_in_connect_mode_lose_nothing_and_double_nothing() {
    kill(Settings { mode: Mode::Connect, people: 120, kills: 40, seed: 7, replication_ms: 200, tell: |_| {} });
}

/// The executable that is shipped knows no fail point: their names stand nowhere in it.
#[test]
fn the_shipped_executable_has_no_fail_points() {
    let program = std::fs::read(binary()).expect("the binary");
    for name in ["store-committed", "METASYNC_FAIL_POINT"] {
        assert!(
            !program.windows(name.len()).any(|window| window == name.as_bytes()),
            "{name} stands in the executable"
        );
    }
}
