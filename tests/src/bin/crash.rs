//! The crash harness in its long form: `crash --people 20000 --kills 500`, with `--connect` in Connect mode. Prints the table of kills by fail point and step;
//! ends with 1 when anything was lost, doubled or corrupted, or a fail point was hit less than ten times.

#![expect(clippy::print_stdout, reason = "a program for people at a terminal")]

use clap::Parser;
use metasync_tests::crash::{Harness, Mode, Settings};
use std::process::ExitCode;
use std::time::Instant;

/// Kills the executable at fail points and at random times over import, synchronisation and export, and compares what is left with a
/// load that nobody interrupted
#[derive(Debug, Parser)]
#[command(after_help = "What is killed is METASYNC_CRASH_BIN, or fail-points/metasync beside this program:\n  \
    cargo build --release --workspace --bin metasync --features metasync/fail-points\n  \
    mkdir -p target/release/fail-points && cp target/release/metasync target/release/fail-points/\n\n\
    Prints the kills by fail point and step. Ends with 1 when anything was lost, doubled or corrupted, or a fail point was hit too rarely\n\
    (ten times from 500 kills on).")]
struct Crash {
    /// In Connect mode; otherwise in Graph mode
    #[arg(long)]
    connect: bool,
    /// How many people the directory has
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    people: usize,
    /// How many kills, over all steps
    #[arg(long, value_name = "N", default_value_t = 500)]
    kills: usize,
    /// What the kills follow from
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Milliseconds until a write of the tenant is seen everywhere
    #[arg(long, value_name = "MS", default_value_t = 300)]
    replication_ms: u64,
}

/// Every fail point of the tenant and the store is to be hit so often; those of LDAP have a test on a real directory.
const AT_LEAST: usize = 10;

fn main() -> ExitCode {
    let Crash { connect, people, kills, seed, replication_ms } = Crash::parse();
    let mode = if connect { Mode::Connect } else { Mode::Graph };
    let settings = Settings { mode, people, kills, seed, replication_ms, tell: |line| println!("{line}") };
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
