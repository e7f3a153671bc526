//! Why a command could not do its work, with what to do about it. Errors of single objects are results, not failures.

use crate::diagnostics::Drawn;
use crate::exit::Exit;
use connector_contract::{ConnectorError, ErrorKind};
use serde_json::{Value, json};
use sync_runtime::EngineError;
use sync_store::StoreError;

#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    /// Stable, for programs.
    pub(crate) code: &'static str,
    pub(crate) message: String,
    /// May be empty.
    pub(crate) remedy: String,
    /// Mistakes in the configuration, drawn with their places.
    pub(crate) drawn: Option<Box<Drawn>>,
}

impl Failure {
    pub(crate) fn new(code: &'static str, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Failure { exit: Exit::Failed, code, message: message.into(), remedy: remedy.into(), drawn: None }
    }

    pub(crate) fn with_exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    /// Something about a file: what was attempted, on which, and what the system said.
    pub(crate) fn file(doing: &str, path: &std::path::Path, error: &std::io::Error) -> Self {
        Failure::new(
            "file",
            format!("{doing} {}: {error}", path.display()),
            "check the path and the rights of this user",
        )
    }

    pub(crate) fn text(&self) -> String {
        let mut text = self.drawn.as_ref().map(|drawn| drawn.text.clone()).unwrap_or_default();
        text.push_str(&crate::text::paragraph(&format!("error: {}", self.message), 0));
        if !self.remedy.is_empty() {
            text.push_str(&crate::text::paragraph(&format!("what to do: {}", self.remedy), 2));
        }
        text
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "code": self.code,
            "message": self.message,
            "remedy": self.remedy,
            "diagnostics": self.drawn.as_ref().map_or(Value::Array(Vec::new()), |drawn| drawn.json.clone()),
        })
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let (code, exit, remedy) = match &error {
            StoreError::NotFound { .. } => {
                ("no-store", Exit::Failed, "nothing was imported yet; run `metasync cycle initial` first")
            }
            StoreError::Locked { .. } => ("store-locked", Exit::Failed, ""),
            StoreError::NeedsRecovery { .. } => ("store-needs-recovery", Exit::Failed, ""),
            StoreError::DiskFull { .. } => ("disk-full", Exit::Stopped, ""),
            _ => ("store", Exit::Failed, ""),
        };
        Failure::new(code, error.to_string(), remedy).with_exit(exit)
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        let code = match error {
            EngineError::Store(error) => return error.into(),
            EngineError::LinkRefused { code, message, remedy } => return Failure::new(code, message, remedy),
            EngineError::UnknownConnector { .. } => "connector-unknown",
            EngineError::UnknownProfile { .. } => "profile-unknown",
            EngineError::NotFound { .. } => "not-found",
            EngineError::Ambiguous { .. } => "ambiguous",
            EngineError::NoSuchList { .. } => "no-such-list",
            EngineError::Undecided { .. } => "undecided",
            EngineError::Hypothesis { .. } => "hypothesis",
            EngineError::Interrupted => {
                return Failure::new("interrupted", error.to_string(), "").with_exit(Exit::Interrupted);
            }
        };
        Failure::new(code, error.to_string(), "")
    }
}

impl From<ConnectorError> for Failure {
    fn from(error: ConnectorError) -> Self {
        let exit = match error.kind {
            ErrorKind::Cancelled => Exit::Interrupted,
            _ => Exit::Stopped,
        };
        Failure::new("connector", format!("{}: {}", error.attempted, error.message), error.remedy).with_exit(exit)
    }
}
