//! The Active Directory connector against real Samba domain controllers. Every expectation comes from the domain
//! controller's own database or from what was done to it, never from the connector.

mod containers;
mod failures;
mod reading;
mod world;
mod writing;
