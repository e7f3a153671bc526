//! The client of the provisioning web service, seen from outside.

#[path = "provisioning/faults.rs"]
mod faults;
#[path = "provisioning/service.rs"]
mod service;
