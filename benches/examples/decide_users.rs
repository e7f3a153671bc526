//! Decides users of the shipped rule set and says how long one takes. One line of JSON on stdout; called by
//! `benches/decide-a-user`, also under callgrind.
//!
//!     decide_users SCENARIO USERS ROUNDS     SCENARIO: created, changed, created-in-rounds, changed-in-rounds

use metasync_benches::deciding::{Case, changed, created, flows_in_scope, run, shipped};
use std::hint::black_box;
use std::time::Instant;

/// As the executable, so that what is measured beside it has the same.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[expect(clippy::print_stdout, reason = "a program of its own, and its result")]
fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let scenario = arguments.first().map_or("created", String::as_str);
    let number = |position: usize, otherwise: u32| {
        arguments.get(position).and_then(|text| text.parse().ok()).unwrap_or(otherwise)
    };
    let (users, rounds) = (number(1, 1_000), number(2, 5));
    let inputs = run(shipped());
    let make = if scenario.starts_with("changed") { changed } else { created };
    // Few different users, decided again and again: what is measured is the decision and not the memory of a thousand users.
    let cases: Vec<Case> = (0..50).map(|number| make(number, &inputs)).collect();
    let in_rounds = scenario.ends_with("in-rounds");
    let (mut decided, mut cloned) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let started = Instant::now();
        for case in cases.iter().cycle().take(users as usize) {
            match in_rounds {
                true => drop(black_box(case.decide_in_rounds(&inputs))),
                false => drop(black_box(case.decide(&inputs))),
            }
        }
        decided.push(started.elapsed().as_nanos() as u64 / u64::from(users));
        let started = Instant::now();
        for case in cases.iter().cycle().take(users as usize) {
            drop(black_box(case.image.clone()));
        }
        cloned.push(started.elapsed().as_nanos() as u64 / u64::from(users));
    }
    let first = &cases[0];
    println!(
        "{{\"scenario\":\"{scenario}\",\"attributes\":{},\"flows\":{},\"rounds\":{},\"ns_per_user\":{},\"ns_per_clone\":{}}}",
        first.image.len(),
        flows_in_scope(first, &inputs),
        first.rounds.len(),
        median(decided),
        median(cloned),
    );
}

fn median(mut numbers: Vec<u64>) -> u64 {
    numbers.sort_unstable();
    numbers.get(numbers.len() / 2).copied().unwrap_or(0)
}
