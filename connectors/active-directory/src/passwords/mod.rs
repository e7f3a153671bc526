//! Reading password hashes from a domain controller by replication (MS-DRSR; the bytes are `directory-replication`). In the
//! order of a read: its settings, where the last one ended, the calls, what becomes of each object, the read itself, what
//! failures mean, the check. Opens no hash by itself, and decides about no user beyond what an account is.

mod account;
mod check;
mod course;
mod failure;
mod item;
mod mark;
mod service;
mod settings;
mod source;
mod transport;

pub(crate) use check::check;
pub use settings::PASSWORD_SETTINGS_HELP;
pub(crate) use settings::PasswordSettings;
pub(crate) use source::{PasswordReader, own_account};
