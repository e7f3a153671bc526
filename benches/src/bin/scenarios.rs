//! Runs the scenarios S1-S9 with the executable `metasync` as it is, and prints what they cost beside the same work with nothing
//! around it. Ends with 1 when a count does not hold; times never do that.

use clap::Parser;
use metasync_benches::arguments::{self, MeasureArguments};
use metasync_benches::driver::report::{Report, commit, machine};
use metasync_benches::driver::scenarios::{self, Plan, Scenario};
use metasync_benches::world::GroupSet;
use std::process::ExitCode;

/// As the executable, so that what is measured beside it has the same.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Runs the scenarios S1-S9 with the executable as it is, and prints what they cost beside the same work with nothing around it
#[derive(Debug, Parser)]
#[command(
    after_help = "S1 is always run: the others stand on what it leaves. Rows, and S9, compare the given numbers of users. Ends with 1 when a \
    count does not hold; times never do that."
)]
struct Scenarios {
    /// How many users the directory has; several numbers, with commas between, are compared
    #[arg(long, value_name = "N,...", default_value = "10000", value_delimiter = ',', value_parser = arguments::users)]
    users: Vec<u64>,
    /// Only these [default: all but S9]
    #[arg(long, value_enum, ignore_case = true, value_delimiter = ',')]
    only: Vec<Scenario>,
    /// How many groups the directory has for a hundred users
    #[arg(long, value_enum, default_value = "a")]
    groups: GroupSet,
    #[command(flatten)]
    measure: MeasureArguments,
}

#[expect(clippy::print_stderr, reason = "a program of its own")]
fn main() -> ExitCode {
    let Scenarios { users, only, groups, measure } = Scenarios::parse();
    let programs = match measure.programs("scenarios") {
        Ok(programs) => programs,
        Err(error) => {
            eprintln!("scenarios: {error}");
            return ExitCode::from(2);
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut report = Report { machine: machine(cores), commit: commit(), ..Report::default() };
    let scenarios = if only.is_empty() { Scenario::STANDARD.to_vec() } else { only };
    let plan = Plan { users, rounds: measure.rounds, scenarios, groups, cores };
    let outcome = scenarios::run(&programs, &plan, &mut report, &|text| eprintln!("{text}"));
    report.end("scenarios", measure.json.as_deref(), outcome)
}
