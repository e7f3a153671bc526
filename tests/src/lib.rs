//! What the integration tests share: the built binary as an operator runs it, domain controllers of the lab, rehearsal
//! tenants. No test lives here, and nothing here decides what is right.

pub mod budget;
pub mod crash;
pub mod faults;
pub mod guide;
pub mod lab;
pub mod operator;
pub mod people;
pub mod secrets;
pub mod tenant;
pub mod tenant_process;
