//! Licences of a target's users, on an operator's word: reads who stands how, has the kernel decide about each, and gives what
//! was agreed to. Never part of a cycle, takes no licence away, and touches nobody whom this engine does not write.

mod assign;
mod listing;
mod location;
mod plan;
mod selection;
mod users;

pub use assign::{LicenceEnd, LicenceReport, LicenceResult};
pub use listing::{LicenceHolding, LicenceLine, LicenceOverview, LicenceProductLine, licence_overview};
pub use location::{UnknownLocation, UsageLocation};
pub use plan::{LicencePlan, LicencePlanLine, LicenceRequest, plan_licences};
pub use selection::LicenceSelection;
