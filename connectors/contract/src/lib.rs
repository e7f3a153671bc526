//! What the engine may ask of a connector. Outside authors of connectors depend on this crate and on
//! `metaverse-schema`, and on nothing else of metasync. No engine decision lives here.
//!
//! A connector implements [`Connector`] and, by returning itself from the capability methods, whichever of
//! [`DeltaImport`], [`ObjectReader`], [`Exporter`], [`HandBack`], [`Licences`], [`MatchFacts`], [`SystemState`], [`PasswordSource`] and
//! [`PasswordTarget`] it can truly do.

mod connector;
mod credential;
mod error;
mod export;
mod hand_back;
mod import;
mod licences;
mod password;
mod secret;
mod state;

pub use connector::{
    Check, CheckFinding, Connector, DeltaImport, Fact, MatchFacts, ObjectReader, OwnAccount, PrivilegeFact, Severity,
};
pub use credential::CredentialMark;
pub use error::{ConnectorError, ErrorKind};
pub use export::{
    CreateRequest, ExportItem, ExportOperation, ExportOutcome, ExportProblem, Exporter, IntendedExport,
    ReferenceChange, UpdateRequest,
};
pub use hand_back::{Authority, HandBack, HandBackReach, HandBackRequest};
pub use import::{
    Absence, DeletionCause, FullImport, Held, HeldPrints, HeldPromise, HeldSoon, ImportEnd, ImportItem, ImportNote,
    ImportPage, ImportSink, ImportedChange, ImportedObject, ObjectIssue, Place, Print, Watermark,
};
pub use licences::{
    LicenceHeld, LicenceOrder, LicencePlan, LicenceProduct, LicenceUnits, LicenceWay, Licences, LicensedUser,
};
pub use password::{
    NtHash, PasswordChange, PasswordOutcome, PasswordPush, PasswordReadEnd, PasswordSink, PasswordSource,
    PasswordTarget, SealedHash,
};
pub use secret::{Secret, SecretError, SecretReference};
pub use state::{Closed, StateOfSystem, SystemState};
