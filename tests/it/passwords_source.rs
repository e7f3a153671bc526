//! Password hashes read from real Samba domain controllers. Every expectation comes from the domain controller's own database or
//! from what was done to it, never from the connector.

mod failures;
mod reading;
mod rights;
mod world;
