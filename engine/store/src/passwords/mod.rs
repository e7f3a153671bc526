//! What is kept of password synchronisation: versions, watermarks, the log of seven days, the numbered events, first passwords
//! that wait for an approval, and refused credentials. Never a hash or a secret (SF22, P8); decides nothing.
//!
//! Passwords are synchronised beside the object cycle and by another process: this part of the store is written under a lock
//! of its own, in short transactions, while a run may hold the run lock.

mod breaker;
mod guard;
mod log;
mod open;
mod subjects;
mod versions;

pub use breaker::OpenBreaker;
pub use log::{PasswordEvent, PasswordLogLine, PasswordTotals};
pub use subjects::PasswordLine;
pub use versions::{PasswordOutcomes, PasswordVersions, SettledPassword};
