//! Judges what connector and rehearsal tenant say to each other by the public contract of Microsoft Graph
//! (`tests/contracts/graph-v1-subset.openapi.json`, unchanged), so that two readings of ours that agree on one mistake are
//! found out. A relay between the two records every exchange; nothing here knows either side's code.
//!
//! Schemas count as closed: a property, a query option or a path that the contract does not have is a mismatch, on both
//! sides. What else is allowed stands in one table, `additions.json`, each with its source; what the connector never sends in
//! another, `never_sent.json`, each with its reason.

mod additions;
mod contract;
mod coverage;
mod http;
mod reasons;
mod relay;
mod schema;
mod writing;

pub use contract::{Contract, Exchange, Judgement};
pub use coverage::{Coverage, FOLDER};
pub use reasons::Reasons;
pub use relay::Watch;
