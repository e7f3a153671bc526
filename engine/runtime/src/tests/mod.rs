//! The promises of the engine, on systems in memory. Each test names the rule it proves.

#[path = "../../tests/systems/mod.rs"]
mod directory;
mod setup;

mod convergence;
mod crashes;
mod cycles;
mod explaining;
mod exports;
mod flows;
mod guards;
mod hierarchy;
mod hypotheses;
mod imports;
mod leaving;
mod links;
mod matching;
mod passwords;
mod reading;
mod rows;
mod rule_changes;
mod rule_tests;
mod selection;
mod sending;
mod small_changes;
mod synchronisations;
mod system_states;
mod time;
mod trials;
mod worlds;
