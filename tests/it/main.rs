//! Everything that needs real servers or the whole product, in one binary: linking is the slow part of a test run.

mod demo;
mod files;
mod samba_connector;
mod story;
