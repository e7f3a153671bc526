//! The provisioning web service as a client sees it: the channel of the official tool, through which objects become
//! synchronised objects. SOAP in WCF's binary XML over HTTPS; the service is not a documented public interface, so
//! everything that may change stands in settings. Decides nothing about objects: what to send, and what a taken-over
//! object means, is for Connect mode's export.

mod company;
mod credentials;
mod object;
mod outcome;

pub use company::{CompanyConfiguration, DeletionPrevention, DirSyncFeatures};
pub use credentials::{CredentialChange, CredentialOutcome};
pub use object::{CloudAnchor, ReferenceAnchor, ReferenceDelta, SyncKind, SyncObject, SyncOperation, SyncValue};
pub use outcome::{ReadBackPage, SyncOutcome};
