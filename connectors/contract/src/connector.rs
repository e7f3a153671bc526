//! The capability traits. A connector that cannot do something does not implement it.

use crate::{
    ConnectorError, CredentialMark, Exporter, FullImport, HandBack, ImportEnd, ImportItem, ImportSink, Licences,
    PasswordSource, PasswordTarget, SystemState, Watermark,
};
use async_trait::async_trait;
use metaverse_schema::{Anchor, ConnectorSchema, Value};
use serde::Serialize;

/// A connected system, as configured.
#[async_trait]
pub trait Connector: Send + Sync {
    /// The schema of what is imported and may be exported. Asks the system where it has one.
    async fn schema(&self) -> Result<ConnectorSchema, ConnectorError>;

    /// Tries everything that a run would need and says what is missing; writes nothing.
    async fn check(&self) -> Check;

    /// Reads everything in scope, page by page. Returns an error when the last page was not reached.
    async fn import_full(&self, request: FullImport, sink: ImportSink) -> Result<ImportEnd, ConnectorError>;

    /// Whether full imports hand over prints and ask for those that are held; otherwise nothing is prepared for that.
    fn makes_prints(&self) -> bool {
        false
    }

    fn delta_import(&self) -> Option<&dyn DeltaImport> {
        None
    }

    fn object_reader(&self) -> Option<&dyn ObjectReader> {
        None
    }

    fn exporter(&self) -> Option<&dyn Exporter> {
        None
    }

    /// Whether what was taken over can be given back (SF11).
    fn hand_back(&self) -> Option<&dyn HandBack> {
        None
    }

    fn match_facts(&self) -> Option<&dyn MatchFacts> {
        None
    }

    /// Whether its users need licences that can be given.
    fn licences(&self) -> Option<&dyn Licences> {
        None
    }

    fn system_state(&self) -> Option<&dyn SystemState> {
        None
    }

    /// Where password hashes are read; none where the deployment does not ask for it.
    fn password_source(&self) -> Option<&dyn PasswordSource> {
        None
    }

    fn password_target(&self) -> Option<&dyn PasswordTarget> {
        None
    }

    /// What everything but password synchronisation signs in with; none where nobody is signed in. A refused one is not tried
    /// again by any loop until its stamp changes or an operator's check succeeds (SF23).
    fn credential(&self) -> Option<CredentialMark> {
        None
    }

    /// Forgets refusals that the connector itself remembers: the engine knows of none that still stands. Called before a step.
    async fn forget_refusals(&self) {}

    /// The accounts this connector signs in with, as attribute values of objects in its own space (`objectSid`):
    /// they are never synchronised (SF20).
    async fn own_accounts(&self) -> Result<Vec<OwnAccount>, ConnectorError> {
        Ok(Vec::new())
    }
}

/// Reads changes since a watermark.
#[async_trait]
pub trait DeltaImport: Send + Sync {
    async fn import_delta(&self, since: &Watermark, sink: ImportSink) -> Result<ImportEnd, ConnectorError>;
}

/// Reads single objects whole: answers `need-full-object` (R70).
#[async_trait]
pub trait ObjectReader: Send + Sync {
    /// One item for each anchor that exists in scope; an anchor without an item is not there.
    async fn read_objects(&self, anchors: &[Anchor]) -> Result<Vec<ImportItem>, ConnectorError>;
}

/// Reads what must be known of a match candidate before it is decided about (SF6).
#[async_trait]
pub trait MatchFacts: Send + Sync {
    /// One fact per anchor asked for. A failure to read is `Unreadable`, and counts as privileged.
    async fn privileges(&self, anchors: &[Anchor]) -> Vec<Fact>;
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    pub anchor: Anchor,
    pub privilege: PrivilegeFact,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PrivilegeFact {
    /// No role, active or eligible, direct or through a group.
    None,
    /// Names of the roles, or their ids where names are not readable.
    Privileged { roles: Vec<String> },
    /// The system answered, and did not tell. The account counts as privileged (SF6).
    Unreadable { reason: String },
    /// The system could not be reached. Nothing was learned: what was read last stands, and an account whose roles were
    /// never read counts as privileged.
    OutOfReach { reason: String },
    /// The system refused the credential that it was asked with. As `OutOfReach`, and the credential is not tried again (SF23).
    Refused { reason: String, remedy: String },
}

/// An account that the deployment signs in with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnAccount {
    /// The attribute that identifies it in the connector space, such as `objectSid`.
    pub attribute: String,
    pub value: Value,
    /// For the operator: `CORP\svc-metasync`.
    pub name: String,
}

/// What `check` found.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Check {
    pub findings: Vec<CheckFinding>,
}

#[derive(Debug, Clone, Serialize)]
pub struct CheckFinding {
    pub severity: Severity,
    /// Stable code such as `untrusted-certificate`.
    pub code: String,
    pub message: String,
    pub remedy: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    Ok,
    Warning,
    Error,
}

impl Check {
    pub fn add(&mut self, severity: Severity, code: &str, message: impl Into<String>, remedy: impl Into<String>) {
        let (message, remedy) = (message.into(), remedy.into());
        self.findings.push(CheckFinding { severity, code: code.to_owned(), message, remedy });
    }
}
