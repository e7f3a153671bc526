//! What came of what was sent, one outcome per object, and the pages of what is read back. Never a confirmation: only
//! reading it again is (O44).

use super::object::{CloudAnchor, SyncObject};
use connector_contract::ExportProblem;

/// What became of one object of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyncOutcome {
    /// Taken. For a new object the anchor tells which cloud object it became: after a match by the service, the one that
    /// was taken over.
    Accepted { cloud_anchor: Option<CloudAnchor> },
    /// Refused, in the engine's error names (M18-M26), with a remedy.
    Refused(ExportProblem),
    /// Not sent or not answered. Sending again is safe: the service knows the object by its anchor.
    NotSettled { may_have_arrived: bool, message: String },
}

/// One page of what the tenant holds of synchronised objects.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReadBackPage {
    pub objects: Vec<SyncObject>,
    /// Where the next page begins, or, after the last one, where the next delta does. Opaque.
    pub cookie: Option<String>,
    /// Whether to ask again at once.
    pub more: bool,
}
