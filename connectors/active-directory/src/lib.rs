//! The connector to Active Directory (Windows or Samba) over LDAP: full import, delta import through DirSync or by USN,
//! reading single objects, export; and reading password hashes by replication. Never decides what is joined or written: it reports and carries out.
//!
//! Modules in the order of the data flow: settings and trust, the wire, who answers, what is in scope, how entries
//! become items, the imports, the export, passwords, the check.

mod settings;
mod tls;

mod ber;
mod connection;
mod controls;
mod directory;
mod entry;
mod errors;
mod message;
mod searches;
mod time;
mod wire;

mod decode;
mod domain_controller;
mod scan;
mod schema;
mod session;
mod watermark;

mod containers;
mod object;
mod outbox;
mod print;

mod delta;
mod export;
mod full;

mod passwords;

mod check;
mod check_rights;
mod connector;

#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;

pub use connector::ActiveDirectory;
pub use containers::ContainerInfo;
pub use passwords::PASSWORD_SETTINGS_HELP;
pub use settings::{SETTINGS_HELP, Settings, settings_table};

#[cfg(test)]
mod scripted;
