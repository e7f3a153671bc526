//! The vocabulary that every other crate speaks: typed values, names, anchors, schemas, deltas.
//! Pure: no I/O, no clock, no randomness, and nothing that knows a particular connected system's wire.

pub mod active_directory;
mod anchor;
mod by_name;
mod delta;
mod dn;
mod guid;
mod matching;
mod object;
mod schema;
mod settings;
mod sid;
mod value;

pub use anchor::{Anchor, AnchorError, MAX_ANCHOR_LENGTH};
pub use by_name::ByName;
pub use delta::{AttributeChange, AttributesDelta};
pub use dn::{AttributeValueAssertion, Dn, DnError, Rdn};
pub use guid::{Guid, GuidError};
pub use matching::{MatchKey, exact_match_key, match_key};
pub use object::{AttributeName, Attributes, ObjectType};
pub use schema::{AttributeDefinition, ConnectorSchema, ExportLimit, LimitedExport, ObjectClass, Plurality, ValueKind};
pub use settings::{Setting, SettingProblem, SettingValue, SettingsReader, SettingsTable};
pub use sid::{Sid, SidError};
pub use value::{Reference, Value, Values};
