//! The crash harness in its long form: `crash --people 20000 --kills 500`, with `--connect` in Connect mode. Prints the table of kills by fail point and step;
//! ends with 1 when anything was lost, doubled or corrupted, or a fail point was hit less than ten times.

#![expect(clippy::print_stdout, reason = "a program for people at a terminal")]

use metasync_tests::crash::{Harness, Mode, Settings};
use std::process::ExitCode;
use std::time::Instant;

/// Every fail point of the tenant and the store is to be hit so often; those of LDAP have a test on a real directory.
const AT_LEAST: usize = 10;

fn main() -> ExitCode {
    let mut settings = Settings {
        mode: Mode::Graph,
        people: 20_000,
        kills: 500,
        seed: 1,
        replication_ms: 300,
        tell: |line| println!("{line}"),
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if argument == "--connect" {
            settings.mode = Mode::Connect;
            continue;
        }
        let value = arguments.next().and_then(|value| value.parse::<u64>().ok());
        match (argument.as_str(), value) {
            ("--people", Some(value)) => settings.people = value as usize,
            ("--kills", Some(value)) => settings.kills = value as usize,
            ("--seed", Some(value)) => settings.seed = value,
            ("--replication-ms", Some(value)) => settings.replication_ms = value,
            _ => {
                println!("usage: crash [--connect] [--people N] [--kills N] [--seed N] [--replication-ms N]");
                return ExitCode::from(2);
            }
        }
    }
    println!("{:?} mode, {} people, {} kills, seed {}", settings.mode, settings.people, settings.kills, settings.seed);
    let began = Instant::now();
    let least = if settings.kills >= 500 { AT_LEAST } else { 1 };
    let harness = Harness::new(settings);
    let points: Vec<String> = harness.points().to_vec();
    let tally = harness.run();
    println!("\n{}", tally.text());
    println!("{:.0} s", began.elapsed().as_secs_f64());
    let rare: Vec<&String> = points.iter().filter(|point| tally.hits_of(point) < least).collect();
    if !rare.is_empty() {
        println!("hit less than {least} times: {rare:?}");
    }
    if tally.is_clean() && rare.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
