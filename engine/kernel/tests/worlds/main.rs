//! Promises of the kernel over random worlds: three sources, two targets, rules of every link type, and whatever happens in
//! directories. Worlds are drawn from a fixed seed (another one with WORLDS_SEED; more of them with PROPTEST_CASES), shrink
//! to the smallest that fails, and count what they held, so that no property passes on worlds in which nothing happens.

mod exceptions;
mod lineage;
mod looks;
mod rules;
mod system;
mod tally;
mod world;

use lineage::metaverse_follows_from_its_links;
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, RngSeed, TestRunner};
use rules::Variant;
use std::cell::{Cell, RefCell};
use system::{Event, event, population, variant};
use tally::Tally;
use world::{Scope, Way, World};

/// Worlds of each property.
const USUAL_CASES: u32 = 100;

fn number_from_environment(name: &str) -> Option<u32> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

thread_local! {
    /// This thread looks for the smallest world that fails: only the last failure is news.
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

fn hush() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let told = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !QUIET.get() {
                told(panic);
            }
        }));
    });
}

/// Runs a property over the usual number of worlds, or as many as the environment asks for, and returns what they held.
fn over_worlds<S: Strategy>(worlds: S, property: impl Fn(S::Value, &mut Tally)) -> Tally
where
    S::Value: std::fmt::Debug,
{
    let seed = number_from_environment("WORLDS_SEED").unwrap_or(3);
    let mut runner = TestRunner::new(ProptestConfig {
        cases: number_from_environment("PROPTEST_CASES").unwrap_or(USUAL_CASES),
        rng_algorithm: RngAlgorithm::ChaCha,
        rng_seed: RngSeed::Fixed(u64::from(seed)),
        failure_persistence: None,
        max_shrink_iters: 2_000,
        max_shrink_time: 30_000,
        ..ProptestConfig::default()
    });
    let whole = RefCell::new(Tally::default());
    hush();
    QUIET.set(true);
    let outcome = runner.run(&worlds, |world| {
        let mut tally = Tally::default();
        property(world, &mut tally);
        whole.borrow_mut().merge(&tally);
        Ok(())
    });
    QUIET.set(false);
    if let Err(failure) = outcome {
        panic!("WORLDS_SEED={seed}: {failure}");
    }
    whole.into_inner()
}

fn way(events: usize) -> impl Strategy<Value = Way> {
    (prop::collection::vec(prop::bool::weighted(0.15), events), 0..6usize, 1..5usize)
        .prop_map(|(cycles, order, page)| Way { cycles, order, page })
}

type History = (Variant, Vec<Event>, Way, Way);

/// A population, and what happens to it.
fn history(any_keys: bool) -> impl Strategy<Value = History> {
    (variant(any_keys), population(), prop::collection::vec(event(any_keys), 4..40)).prop_flat_map(
        |(variant, mut events, later)| {
            events.extend(later);
            let length = events.len();
            (Just(variant), Just(events), way(length), way(length))
        },
    )
}

/// Fails with the lines that only one of them has.
fn assert_same(one: &[String], other: &[String], promise: &str) {
    let only = |lines: &[String], others: &[String]| -> Vec<String> {
        lines.iter().filter(|line| !others.contains(line)).cloned().collect()
    };
    let (left, right) = (only(one, other), only(other, one));
    assert!(left.is_empty() && right.is_empty(), "{promise}\n- {}\n+ {}\n", left.join("\n- "), right.join("\n+ "));
}

/// Invariant 4 where join keys are unique and unchanged: the order of the sources, the moments of the cycles and the size
/// of the pages do not matter, nor whether there was a history at all.
#[test]
fn order_batches_and_history_do_not_matter_where_keys_are_unique() {
    let held = over_worlds(history(false), |(variant, events, way, other), tally| {
        let mut pictures = Vec::new();
        let fresh = Way { cycles: vec![false; events.len()], order: 0, page: 1 };
        for way in [&way, &other, &fresh] {
            let mut world = World::new(&variant, way);
            world.live(&events, way);
            assert!(world.errors.is_empty(), "{:#?}", world.errors);
            pictures.push(world.picture());
            tally.merge(&world.tally);
        }
        assert_same(&pictures[0], &pictures[1], "the order of connectors and batches does not matter");
        assert_same(&pictures[0], &pictures[2], "history does not matter");
    });
    held.at_least(
        "order does not matter",
        &[
            ("joins", 500),
            ("projections", 500),
            ("recalls", 500),
            ("renames", 50),
            ("creates", 500),
            ("deletes", 50),
            ("metaverse deletes", 50),
            ("merges", 500),
            ("authoritative nulls", 100),
            ("delete-adds", 50),
            ("filtered", 10),
        ],
    );
}

/// Invariants 1, 3, 4 and 8 in worlds where anything may happen: addresses and numbers that several have, objects that the
/// engine did not create, stale anchors, refusals, values that come back changed, flows that remember.
#[test]
fn full_equals_deltas_the_second_plan_is_empty_and_every_value_has_its_lineage() {
    let held = over_worlds(history(true), |(variant, events, way, _), tally| {
        let mut world = World::new(&variant, &way);
        world.live(&events, &way);
        let mut links = world.links();
        loop {
            let before = world.decided();
            world.cycle(Scope::All);
            if world.links() == links {
                assert_same(&before, &world.decided(), "deltas equal full");
                break;
            }
            // S19, S21: a full synchronisation joins what was ambiguous or taken when it was last looked at.
            world.tally.count("links made by a full synchronisation");
            links = world.links();
        }
        assert_eq!(world.would_be_sent(), Vec::<String>::new(), "the second plan is empty");
        metaverse_follows_from_its_links(&world);
        tally.merge(&world.tally);
    });
    held.at_least(
        "full equals deltas",
        &[
            ("joins", 300),
            ("outbound joins", 5),
            ("ambiguities", 10),
            ("occupied", 15),
            ("stale anchors", 15),
            ("recalls", 500),
            ("renames", 20),
            ("takeovers", 5),
            ("deletes", 30),
            ("merges", 500),
            ("ignored", 500),
            ("authoritative nulls", 200),
            ("no value", 1_000),
            ("errors", 30),
            ("refusals", 10),
            ("contradictions", 30),
            ("filtered", 5),
            ("decided again", 3),
        ],
    );
}
