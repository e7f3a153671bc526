//! The arguments that the programs of this package share: which world, which steps of churn, where a measurement is made.

use crate::driver::stage::Programs;
use crate::world::{FEWEST_USERS, GroupSet, MOST_USERS, Options, Step, World};
use clap::Args;
use std::path::{Path, PathBuf};

/// Which directory is meant: everything of it follows from these.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "The directory")]
pub struct WorldArguments {
    /// How many users it has
    #[arg(long, value_name = "N", default_value = "10000", value_parser = users)]
    users: u64,
    /// What everything is computed from
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// How many groups it has for a hundred users
    #[arg(long, value_enum, default_value = "a")]
    groups: GroupSet,
    /// Photos of 4 to 10 KB on 40 % of the users
    #[arg(long)]
    photos: bool,
    /// No attributes of Exchange
    #[arg(long)]
    no_exchange: bool,
    /// Only what a domain controller takes today; accounts need no password
    #[arg(long)]
    strict: bool,
    /// A step of change, may be repeated: delta1 (1 % modified), deltaMS (1 % deleted, 1 % created, 5 % modified), users:N,
    /// members:GROUP:ADD:REMOVE (group 0 is the largest) or rename-area:N
    #[arg(long = "churn", value_name = "STEP", value_parser = step)]
    steps: Vec<Step>,
}

impl WorldArguments {
    /// The world with all steps taken.
    pub fn world(&self) -> World {
        let mut world = World::new(Options {
            users: self.users,
            seed: self.seed,
            groups: self.groups,
            photos: self.photos,
            exchange: !self.no_exchange,
            strict: self.strict,
        });
        for step in &self.steps {
            world.apply(*step);
        }
        world
    }
}

/// A number of users that a world can have; `1_000_000` is one too.
///
/// # Errors
/// When it is none, or too small or too large for the mixture of a directory.
pub fn users(text: &str) -> Result<u64, String> {
    let number: u64 = text.replace('_', "").parse().map_err(|_| "not a whole number".to_owned())?;
    if (FEWEST_USERS..=MOST_USERS).contains(&number) {
        Ok(number)
    } else {
        Err(format!("a directory has {FEWEST_USERS} to {MOST_USERS} users"))
    }
}

/// Where a measurement is made, and how often.
#[derive(Debug, Clone, Args)]
pub struct MeasureArguments {
    /// How often everything is measured; medians are told
    #[arg(long, value_name = "N", default_value = "3", value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..))]
    pub rounds: usize,
    /// The executable that is measured [default: the one beside this program]
    #[arg(long, value_name = "FILE")]
    metasync: Option<PathBuf>,
    /// Where all that is made lies [default: a folder below the one for temporary files]
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Write the figures as JSON too
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

impl MeasureArguments {
    /// The programs that the measurement `name` runs, and its folder, which is made.
    ///
    /// # Errors
    /// When one of the programs is not built, or the folder cannot be made.
    pub fn programs(&self, name: &str) -> Result<Programs, String> {
        let this = std::env::current_exe().map_err(|error| error.to_string())?;
        let beside = this.parent().unwrap_or(Path::new("."));
        let metasync = self.metasync.clone().unwrap_or_else(|| beside.join("metasync"));
        let load_server = beside.join("ldap_load_server");
        for program in [&metasync, &load_server] {
            if !program.is_file() {
                return Err(format!(
                    "{} is not built; `cargo build --release -p metasync -p metasync-benches --bins` does that",
                    program.display()
                ));
            }
        }
        let own = || std::env::temp_dir().join(format!("metasync-{name}-{}", std::process::id()));
        let folder = self.folder.clone().unwrap_or_else(own);
        std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let absolute = |path: PathBuf| std::path::absolute(path).map_err(|error| error.to_string());
        Ok(Programs { metasync: absolute(metasync)?, load_server, folder: absolute(folder)? })
    }
}

/// A step of churn: `delta1`, `deltaMS`, `users:N`, `members:GROUP:ADD:REMOVE` or `rename-area:N`.
///
/// # Errors
/// When it is none of these.
pub fn step(text: &str) -> Result<Step, String> {
    let wrong =
        || format!("`{text}` is no step; write delta1, deltaMS, users:N, members:GROUP:ADD:REMOVE or rename-area:N");
    let parts: Vec<&str> = text.split(':').collect();
    let number = |at: usize| parts.get(at).and_then(|part| part.parse::<u64>().ok()).ok_or_else(wrong);
    match (parts.first().map(|name| name.to_ascii_lowercase()).as_deref(), parts.len()) {
        (Some("delta1"), 1) => Ok(Step::Delta1),
        (Some("deltams"), 1) => Ok(Step::DeltaMs),
        (Some("users"), 2) => Ok(Step::Users(number(1)?)),
        (Some("members"), 4) => Ok(Step::Members { group: number(1)?, add: number(2)?, remove: number(3)? }),
        (Some("rename-area"), 2) => Ok(Step::RenameArea((number(1)? % 10) as u8)),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{FromArgMatches as _, error::ErrorKind};

    fn world(given: &[&str]) -> Result<World, clap::Error> {
        let command = WorldArguments::augment_args(clap::Command::new("world"));
        let matches = command.try_get_matches_from([&["world"], given].concat())?;
        Ok(WorldArguments::from_arg_matches(&matches)?.world())
    }

    #[test]
    fn a_world_is_what_its_arguments_say_and_no_other_one_in_silence() {
        let given = world(&["--users", "1_000", "--groups", "b", "--churn", "delta1", "--churn", "rename-area:3"]);
        assert_eq!(given.expect("all of it can be").counts().groups, 500);
        for wrong in [
            ["--users", "99"],
            ["--users", "100000000"],
            ["--users", "ten"],
            ["--groups", "c"],
            ["--churn", "members:1"],
            ["--churn", "delta2"],
        ] {
            let error = world(&wrong).expect_err("no such world");
            assert!(matches!(error.kind(), ErrorKind::ValueValidation | ErrorKind::InvalidValue), "{wrong:?}: {error}");
        }
    }
}
