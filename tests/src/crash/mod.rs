//! The crash harness: kills the real executable at fail points and at random times, cuts its log as a loss of power does,
//! lets the next run carry on, and compares what came of it with a run that nobody disturbed. `tests/src/bin/crash.rs` is
//! its long form, `tests/it/crash.rs` the quick one.

mod child;
mod harness;
pub(crate) mod picture;
mod power;
mod report;
mod stages;
pub(crate) mod world;

pub use child::binary;
pub use harness::{Harness, Settings};
pub use report::Tally;
pub use stages::STAGES;
pub use world::{Mode, deployment};
