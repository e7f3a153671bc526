//! Everything that needs real servers or the whole product, in one binary: linking is the slow part of a test run.

mod anchor_write_back;
mod budget;
mod by_hand;
mod connect_story;
mod crash;
mod demo;
mod faults;
mod files;
mod into_directory;
mod licenses;
mod load_server;
mod migration_guide;
mod password_sign_in;
mod passwords_source;
mod passwords_story;
mod readiness;
mod rehearsal;
mod safety;
mod samba_connector;
mod scope;
mod scope_directory;
mod story;
mod takeover_story;
mod takeovers;
mod tenant_state;
