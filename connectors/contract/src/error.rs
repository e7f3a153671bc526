//! Connector errors, sorted by what to do next.

use std::time::Duration;

/// What the engine does about an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErrorKind {
    /// The system did not answer or the connection broke (`failed-connection`, `dropped-connection`): a later run may succeed.
    Connection,
    /// The system asks to wait; the connector has already waited as long as its settings allow.
    BackOff { wait: Duration },
    /// The credential was refused (`failed-authentication`). Not tried again by itself (SF23).
    Credential,
    /// The credential lacks a right (`failed-permission`).
    Permission,
    /// The system refuses because its state or the configuration makes the step unsafe (`no-start-...`): wrong base,
    /// container not found, a domain controller that is behind.
    CannotStart { status: &'static str },
    /// The watermark is no longer usable, or was made with another view: a full import is needed, nothing was staged.
    FullImportRequired,
    /// The system answered something that is not its protocol.
    Protocol,
    /// The engine asked to stop.
    Cancelled,
}

/// An error that ends a step. An error of one object is an [`crate::ObjectIssue`] or an [`crate::ExportProblem`] instead.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{attempted}: {message}{}{remedy}", if remedy.is_empty() { "" } else { "; " })]
pub struct ConnectorError {
    pub kind: ErrorKind,
    /// What was attempted, and on what: `binding to ldaps://dc1.corp.example as CORP\svc`.
    pub attempted: String,
    pub message: String,
    /// What the operator can do; may be empty.
    pub remedy: String,
}

impl ConnectorError {
    pub fn new(
        kind: ErrorKind,
        attempted: impl Into<String>,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        ConnectorError { kind, attempted: attempted.into(), message: message.into(), remedy: remedy.into() }
    }

    pub fn cancelled(attempted: impl Into<String>) -> Self {
        ConnectorError::new(ErrorKind::Cancelled, attempted, "stopped by the operator", "")
    }

    /// The step status that this error ends a step with (R24).
    pub fn step_status(&self) -> &'static str {
        match &self.kind {
            ErrorKind::Connection | ErrorKind::Protocol => "stopped-connectivity",
            ErrorKind::BackOff { .. } => "stopped-server",
            ErrorKind::Credential => "no-start-credentials",
            ErrorKind::Permission => "no-start-permission",
            ErrorKind::CannotStart { status } => status,
            ErrorKind::FullImportRequired => "no-start-full-import-required",
            ErrorKind::Cancelled => "stopped-user-termination-from-wmi-or-ui",
        }
    }
}
