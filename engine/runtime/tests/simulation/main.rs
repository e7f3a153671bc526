//! The simulation: thousands of small worlds, each drawn from its number alone. Sources and a target change, break and lie, the
//! process is lost at any moment, the clock moves, an operator changes rules and gives orders; then everything is mended, and the
//! invariants of the engine must hold. A seed that fails prints the command that replays it.

#[expect(dead_code, reason = "the engine's own tests use the rest")]
#[path = "../systems/mod.rs"]
mod directory;

mod arguments;
mod faults;
mod invariants;
mod moments;
mod operation;
mod random;
mod rules;
mod tally;
mod world;

use arguments::Arguments;
use operation::Plan;
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use tally::Tally;
use world::{Violation, broken};

/// What a thousand worlds hold at least, so that the generator cannot come to draw worlds in which nothing happens.
const AT_LEAST: [(&str, u64); 14] = [
    ("disconnector-joined-flow", 1_000),
    ("export-delete", 240),
    ("export-rename", 500),
    ("export-update", 2_000),
    ("guarded lists", 500),
    ("note created-before", 60),
    ("note exported-change-not-reimported", 200),
    ("note grace-period-over", 70),
    ("operator orders", 10),
    ("processes lost", 250),
    ("reads that missed an object", 3_000),
    ("recalls", 170),
    ("removed in the target", 120),
    ("rule changes", 160),
];

fn main() -> ExitCode {
    let arguments = match Arguments::read(std::env::args().skip(1)) {
        Ok(Some(arguments)) => arguments,
        Ok(None) => return ExitCode::SUCCESS,
        Err(message) => {
            tell(&message);
            return ExitCode::from(2);
        }
    };
    match &arguments.fault {
        Some(_) => faults::hunt(&arguments),
        None => simulate(&arguments),
    }
}

#[expect(clippy::print_stdout, reason = "what a simulation found is its result")]
fn tell(line: &str) {
    println!("{line}");
}

/// A world, with a panic of the engine as one more broken promise.
fn world(seed: u64, told: bool, planted: impl Fn(bool)) -> (Result<(), Violation>, Tally) {
    let plan = Plan::draw(seed);
    if told {
        tell(&format!("{:#?}", Plan { operations: Vec::new(), ..plan.clone() }));
    }
    match std::panic::catch_unwind(AssertUnwindSafe(|| invariants::check(&plan, told, planted))) {
        Ok(outcome) => outcome,
        Err(panic) => {
            let told = panic.downcast_ref::<String>().cloned();
            let told = told.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
            (broken("no step fails", format!("a panic: {}", told.unwrap_or_default())), Tally::default())
        }
    }
}

fn simulate(arguments: &Arguments) -> ExitCode {
    let began = std::time::Instant::now();
    let (whole, failures) = (Mutex::new(Tally::default()), Mutex::new(Vec::new()));
    let next = AtomicU64::new(arguments.seed);
    let end = arguments.seed + arguments.worlds;
    std::thread::scope(|scope| {
        for _ in 0..arguments.threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        return;
                    }
                    let (held, tally) = world(seed, arguments.told, |_| {});
                    if let Err(violation) = held {
                        failures.lock().unwrap().push((seed, violation));
                    }
                    whole.lock().unwrap().merge(&tally);
                }
            });
        }
    });
    let (whole, mut failures) = (whole.into_inner().unwrap(), failures.into_inner().unwrap());
    failures.sort_by_key(|(seed, _)| *seed);
    let seconds = began.elapsed().as_secs_f64();
    tell(&format!("simulated worlds: {} in {seconds:.1} s", arguments.worlds));
    for (what, number) in &whole.0 {
        tell(&format!("    {number:>8} {what}"));
    }
    for (seed, violation) in &failures {
        tell(&format!("seed {seed}: {}: {}", violation.invariant, violation.told));
        tell(&format!("    cargo test -p sync-runtime --test simulation -- --seed {seed} --worlds 1 --told"));
    }
    let missing = match arguments.worlds >= 100 {
        true => whole.missing(arguments.worlds, &AT_LEAST),
        false => Vec::new(),
    };
    missing.iter().for_each(|line| tell(line));
    match failures.is_empty() && missing.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
