//! Measures how fast changed passwords reach a rehearsal tenant in a process of its own, beside hashing and posting alone in the
//! same run. Ends with 1 when a password did not arrive; times never do that.
//!
//!     passwords [--users N] [--rounds N] [--metasync FILE] [--folder DIR] [--json FILE]

use metasync_benches::arguments::Arguments;
use metasync_benches::driver::passwords::{self, Plan};
use metasync_benches::driver::report::{Report, commit, machine};
use metasync_benches::driver::stage::Programs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// As the executable, so that what is measured beside it has the same.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[expect(clippy::print_stderr, reason = "a program of its own")]
fn main() -> ExitCode {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let (programs, plan, json) = match read(&given) {
        Ok(read) => read,
        Err(error) => {
            eprintln!("passwords: {error}");
            return ExitCode::from(2);
        }
    };
    let mut report = Report { machine: machine(plan.cores), commit: commit(), ..Report::default() };
    let outcome = passwords::run(&programs, plan, &mut report, &|text| eprintln!("{text}"));
    report.end("passwords", json.as_deref(), outcome)
}

fn read(given: &[String]) -> Result<(Programs, Plan, Option<PathBuf>), String> {
    let mut arguments = Arguments::new(given);
    let number = |arguments: &mut Arguments, name, default| {
        usize::try_from(arguments.number(name, default)?).map_err(|_| format!("{name} is too large"))
    };
    let users = number(&mut arguments, "--users", 10_000)?;
    let rounds = number(&mut arguments, "--rounds", 3)?;
    let beside = std::env::current_exe().map_err(|error| error.to_string())?;
    let beside = beside.parent().unwrap_or(Path::new(".")).to_owned();
    let metasync = arguments.text("--metasync")?.map_or_else(|| beside.join("metasync"), PathBuf::from);
    let folder = arguments
        .text("--folder")?
        .map_or_else(|| std::env::temp_dir().join(format!("metasync-passwords-{}", std::process::id())), PathBuf::from);
    let json = arguments.text("--json")?.map(PathBuf::from);
    arguments.finish()?;
    if users == 0 || rounds == 0 {
        return Err("--users and --rounds are at least 1".to_owned());
    }
    if !metasync.is_file() {
        return Err(format!("{} is not built", metasync.display()));
    }
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let absolute = |path: PathBuf| std::path::absolute(path).map_err(|error| error.to_string());
    let programs = Programs { metasync: absolute(metasync)?, load_server: PathBuf::new(), folder: absolute(folder)? };
    Ok((programs, Plan { users, rounds, cores }, json))
}
