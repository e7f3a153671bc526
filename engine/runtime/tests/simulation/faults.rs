//! Faults planted in the engine: each must be noticed within a few hundred worlds, or the simulation is worth nothing.

use crate::arguments::Arguments;
use std::process::ExitCode;

#[cfg(not(feature = "planted-faults"))]
pub(crate) fn hunt(_arguments: &Arguments) -> ExitCode {
    crate::tell("this build has no planted faults; build it with --features planted-faults");
    ExitCode::from(2)
}

/// Looks for the first world that notices each fault, and prints which promise was seen to be broken.
#[cfg(feature = "planted-faults")]
pub(crate) fn hunt(arguments: &Arguments) -> ExitCode {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use sync_kernel::planted::{FAULTS, plant};

    let asked = arguments.fault.as_deref().unwrap_or("all");
    let faults: Vec<_> = FAULTS.into_iter().filter(|(name, _)| asked == "all" || asked == *name).collect();
    if faults.is_empty() {
        let names: Vec<&str> = FAULTS.into_iter().map(|(name, _)| name).collect();
        crate::tell(&format!("there is no planted fault `{asked}`; there are {}", names.join(", ")));
        return ExitCode::from(2);
    }
    crate::tell(&format!("{:<30} {:>7}  {}", "planted fault", "worlds", "noticed by"));
    let (next, missed) = (AtomicUsize::new(0), Mutex::new(0));
    std::thread::scope(|scope| {
        for _ in 0..arguments.threads {
            scope.spawn(|| {
                while let Some((name, fault)) = faults.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let planted = |on: bool| plant(on.then_some(*fault));
                    let caught = (0..arguments.worlds).find_map(|world| {
                        let (held, _) = crate::world(arguments.seed + world, arguments.told, planted);
                        plant(None);
                        held.err().map(|violation| (world + 1, violation))
                    });
                    match caught {
                        Some((worlds, violation)) => {
                            crate::tell(&format!("{name:<30} {worlds:>7}  {}", violation.invariant));
                            if arguments.told || faults.len() == 1 {
                                crate::tell(&violation.told);
                            }
                        }
                        None => {
                            crate::tell(&format!("{name:<30} {:>7}  nobody", arguments.worlds));
                            *missed.lock().unwrap() += 1;
                        }
                    }
                }
            });
        }
    });
    match missed.into_inner().unwrap() {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}
