//! Measures how fast changed passwords reach a rehearsal tenant in a process of its own, beside hashing and posting alone in the
//! same run. Ends with 1 when a password did not arrive; times never do that.

use clap::Parser;
use metasync_benches::arguments::MeasureArguments;
use metasync_benches::driver::passwords::{self, Plan};
use metasync_benches::driver::report::{Report, commit, machine};
use std::process::ExitCode;

/// As the executable, so that what is measured beside it has the same.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures how fast changed passwords reach a rehearsal tenant, beside hashing and posting alone in the same run
#[derive(Debug, Parser)]
#[command(after_help = "Ends with 1 when a password did not arrive; times never do that.")]
struct Passwords {
    /// How many passwords are changed
    #[arg(long, value_name = "N", default_value = "10000", value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..))]
    users: usize,
    #[command(flatten)]
    measure: MeasureArguments,
}

#[expect(clippy::print_stderr, reason = "a program of its own")]
fn main() -> ExitCode {
    let Passwords { users, measure } = Passwords::parse();
    let programs = match measure.programs("passwords") {
        Ok(programs) => programs,
        Err(error) => {
            eprintln!("passwords: {error}");
            return ExitCode::from(2);
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut report = Report { machine: machine(cores), commit: commit(), ..Report::default() };
    let plan = Plan { users, rounds: measure.rounds, cores };
    let outcome = passwords::run(&programs, plan, &mut report, &|text| eprintln!("{text}"));
    report.end("passwords", measure.json.as_deref(), outcome)
}
