//! Password hashes on their way to the service: the call alone. Where a hash comes from and whether it may leave is
//! decided elsewhere; here it is never printed, kept or logged.

use super::object::CloudAnchor;
use connector_contract::Secret;
use jiff::Timestamp;

/// One user's new password hash (B.6). One of the two anchors is enough.
#[derive(Debug, Clone)]
pub struct CredentialChange {
    pub source_anchor: Option<String>,
    pub cloud_anchor: Option<CloudAnchor>,
    /// When the password was changed in the directory.
    pub changed_at: Timestamp,
    /// `v1;PPH1_MD4,<salt>,<iterations>,<hash>;` (C).
    pub credential_data: Secret,
    /// Honoured by the service only with the feature `EnableUserForcePasswordChangeOnLogon`.
    pub force_change_on_logon: bool,
}

/// What the service said to one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialOutcome {
    Accepted,
    /// The service's result, never 0, and what it says about it. Common within half a minute of the user's creation.
    Refused {
        result: String,
        message: String,
    },
    /// Not sent or not answered; sending again is safe.
    NotSettled {
        may_have_arrived: bool,
        message: String,
    },
}
