//! Runs the scenarios S1-S9 with the executable `metasync` as it is, and prints what they cost beside the same work with nothing
//! around it. Ends with 1 when a count does not hold; times never do that.
//!
//!     scenarios [--users N[,N...]] [--rounds N] [--only S1,S2,...] [--metasync FILE] [--folder DIR] [--json FILE] [--groups none|a|b]
//!
//! S9 counts instructions by callgrind (fifty times slower), only where it is named: --users 2000,20000 --rounds 1 --only S9.
//! S1 is always run, the others stand on what it leaves: S2, S2b, S8, S3a, S3, S5, S6, S7. Rows, and S9, compare the given numbers of users.

use metasync_benches::arguments::Arguments;
use metasync_benches::driver::report::{Report, commit, machine};
use metasync_benches::driver::scenarios::{self, Plan};
use metasync_benches::driver::stage::Programs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// As the executable, so that what is measured beside it has the same.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ALL: &str = "S1,S2,S2b,S8,S3a,S3,S5,S6,S7";

#[expect(clippy::print_stderr, reason = "a program of its own")]
fn main() -> ExitCode {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let (programs, plan, json) = match read(&given) {
        Ok(read) => read,
        Err(error) => {
            eprintln!("scenarios: {error}");
            return ExitCode::from(2);
        }
    };
    let mut report = Report { machine: machine(plan.cores), commit: commit(), ..Report::default() };
    let outcome = scenarios::run(&programs, &plan, &mut report, &|text| eprintln!("{text}"));
    report.end("scenarios", json.as_deref(), outcome)
}

fn read(given: &[String]) -> Result<(Programs, Plan, Option<PathBuf>), String> {
    let mut arguments = Arguments::new(given);
    let users = arguments.text("--users")?.unwrap_or_else(|| "10000".to_owned());
    let users: Result<Vec<u64>, _> = users.split(',').map(|number| number.trim().replace('_', "").parse()).collect();
    let users = users.map_err(|_| "--users is a list of whole numbers".to_owned())?;
    let rounds = usize::try_from(arguments.number("--rounds", 3)?).map_err(|_| "--rounds is too large")?;
    let only = arguments.text("--only")?.unwrap_or_else(|| ALL.to_owned());
    let beside = std::env::current_exe().map_err(|error| error.to_string())?;
    let beside = beside.parent().unwrap_or(Path::new(".")).to_owned();
    let metasync = arguments.text("--metasync")?.map_or_else(|| beside.join("metasync"), PathBuf::from);
    let folder = arguments
        .text("--folder")?
        .map_or_else(|| std::env::temp_dir().join(format!("metasync-scenarios-{}", std::process::id())), PathBuf::from);
    let json = arguments.text("--json")?.map(PathBuf::from);
    let world: Vec<String> =
        arguments.text("--groups")?.into_iter().flat_map(|groups| ["--groups".to_owned(), groups]).collect();
    arguments.finish()?;
    let known: Vec<&str> = ALL.split(',').chain(["S9"]).collect();
    if let Some(unknown) = only.split(',').find(|name| !known.contains(name)) {
        return Err(format!("--only {unknown}: there are {ALL},S9"));
    }
    let load_server = beside.join("ldap_load_server");
    for program in [&metasync, &load_server] {
        if !program.is_file() {
            return Err(format!("{} is not built", program.display()));
        }
    }
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let absolute = |path: PathBuf| std::path::absolute(path).map_err(|error| error.to_string());
    let programs = Programs { metasync: absolute(metasync)?, load_server, folder: absolute(folder)? };
    let plan = Plan { users, rounds, scenarios: only.split(',').map(str::to_owned).collect(), world, cores };
    Ok((programs, plan, json))
}
