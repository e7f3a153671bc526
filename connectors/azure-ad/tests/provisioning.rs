//! The client of the provisioning web service, seen from outside: against a service that answers by script, and against the
//! rehearsal tenant.

#[path = "provisioning/faults.rs"]
mod faults;
#[path = "provisioning/service.rs"]
mod service;
#[path = "provisioning/tenant.rs"]
mod tenant;
