//! What to simulate.

/// Worlds of a run that says nothing about it, as `cargo test --workspace` does.
const USUAL_WORLDS: u64 = 200;

const USAGE: &str = "\
simulation [--seed N] [--worlds N] [--threads N] [--told] [--fault NAME|all]

    --seed N      the first world (1)
    --worlds N    worlds, each with the number after the last one's (200; of a planted fault, at most 500)
    --threads N   worlds at the same time (2)
    --told        tells what happens in each world
    --fault NAME  plants a fault in the engine and looks for the first world that notices; `all` does it for each
                  (cargo test -p sync-runtime --features planted-faults --test simulation -- --fault all)";

#[derive(Debug, Clone)]
pub(crate) struct Arguments {
    pub(crate) seed: u64,
    pub(crate) worlds: u64,
    pub(crate) threads: u64,
    pub(crate) told: bool,
    pub(crate) fault: Option<String>,
}

impl Arguments {
    /// None: only told how to use it, or asked by a test runner for something that this is not.
    pub(crate) fn read(mut given: impl Iterator<Item = String>) -> Result<Option<Self>, String> {
        let mut arguments = Arguments { seed: 1, worlds: 0, threads: 2, told: false, fault: None };
        let mut filtered = false;
        while let Some(argument) = given.next() {
            let mut number = || {
                let value = given.next().and_then(|value| value.parse().ok());
                value.ok_or_else(|| format!("{argument} wants a number\n\n{USAGE}"))
            };
            match argument.as_str() {
                "--seed" => arguments.seed = number()?,
                "--worlds" => arguments.worlds = number()?,
                "--threads" => arguments.threads = number()?,
                "--told" => arguments.told = true,
                "--fault" => arguments.fault = Some(given.next().ok_or_else(|| format!("which fault?\n\n{USAGE}"))?),
                "--help" => {
                    crate::tell(USAGE);
                    return Ok(None);
                }
                // `cargo test NAME` asks every test program for the tests of that name; there is only one thing here.
                name if !name.starts_with('-') => filtered = !"simulation".contains(name),
                // What cargo and its users say to test programs: --quiet, --nocapture, --list ...
                "--list" => return Ok(None),
                "--skip" | "--test-threads" | "--format" | "--color" => drop(given.next()),
                _ => {}
            }
        }
        if filtered {
            return Ok(None);
        }
        if arguments.worlds == 0 {
            arguments.worlds = if arguments.fault.is_some() { 500 } else { USUAL_WORLDS };
        }
        if arguments.told {
            arguments.threads = 1;
        }
        Ok(Some(arguments))
    }
}
