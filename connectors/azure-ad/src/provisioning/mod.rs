//! The provisioning web service as a client sees it: the channel of the official tool, through which objects become
//! synchronised objects. SOAP in WCF's binary XML over HTTPS; the service is not a documented public interface, so
//! everything that may change stands in settings. Decides nothing about objects: what to send, and what a taken-over
//! object means, is for Connect mode's export.

mod settings;
// What is said.
mod capabilities;
mod company;
mod credentials;
mod object;
mod outcome;
// How it is written and read.
mod binary;
mod envelope;
mod names;
mod replies;
mod requests;
// How it is sent.
mod batches;
mod channel;
mod client;
mod refusals;
mod settle;

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
#[cfg(test)]
mod vectors;

pub use capabilities::ServiceCapabilities;
pub(crate) use channel::SYNCHRONISATION_OFF;
pub use client::ProvisioningClient;
pub use company::{CompanyConfiguration, DeletionPrevention, DirSyncFeatures};
pub use credentials::{CredentialChange, CredentialOutcome};
pub use object::{CloudAnchor, ReferenceAnchor, ReferenceDelta, SyncKind, SyncObject, SyncOperation, SyncValue};
pub use outcome::{ReadBackPage, SyncOutcome};
pub use settings::{ApiVersion, ProvisioningSettings};
