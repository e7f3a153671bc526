//! The checked model of a deployment's `metasync.toml`. Never opens a connection or a secret.

use crate::model::ConnectorName;
use metaverse_schema::SettingsTable;
use std::path::PathBuf;
use std::sync::Arc;

#[derive(Debug, Clone)]
pub struct Deployment {
    /// The folder that holds `metasync.toml`, `rules/` and the store.
    pub folder: PathBuf,
    pub name: String,
    /// The store file, absolute or relative to the process, ready to open.
    pub store: PathBuf,
    pub connectors: Vec<ConnectorConfig>,
    pub profiles: Vec<RunProfile>,
    pub guards: Guards,
    /// Imports and synchronises, exports nothing (G7).
    pub staging: bool,
    /// Errors after which a step stops with `stopped-error-limit` (R22).
    pub error_limit: u64,
    /// Threads that decide; results are the same for any number.
    pub workers: usize,
    /// Days that run history is kept (R32).
    pub history_days: u32,
    /// Groups, by DN or anchor text in a source connector's space, whose members are never synchronised (SF20).
    pub never_sync_groups: Vec<(ConnectorName, String)>,
    pub passwords: PasswordSettings,
}

/// Which passwords are synchronised: from every connector of `from` to every one of `to`. Nothing named is off, the default.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PasswordSettings {
    /// Connectors whose password hashes are read.
    pub from: Vec<ConnectorName>,
    /// Connectors that are given them.
    pub to: Vec<ConnectorName>,
    /// Those of privileged accounts too (SF21).
    pub privileged: bool,
}

impl PasswordSettings {
    pub fn is_on(&self) -> bool {
        !self.from.is_empty() && !self.to.is_empty()
    }
}

#[derive(Debug, Clone)]
pub struct ConnectorConfig {
    pub name: ConnectorName,
    /// `active-directory`, `azure-ad` or `text-file`.
    pub kind: String,
    /// Read by the connector itself; spans point into `metasync.toml`.
    pub settings: SettingsTable,
}

/// An ordered list of steps on one connector (R1).
#[derive(Debug, Clone)]
pub struct RunProfile {
    pub name: Arc<str>,
    pub connector: ConnectorName,
    pub steps: Vec<StepType>,
}

/// R2. Only single-purpose steps and the two combined ones that differ in effect (R11).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StepType {
    FullImport,
    DeltaImport,
    FullSynchronization,
    DeltaSynchronization,
    Export,
    FullImportAndDeltaSynchronization,
    FullImportAndFullSynchronization,
    DeltaImportAndDeltaSynchronization,
}

/// The guard stage (SF12). Each kind is counted by itself against the smaller of `objects` and `percent` of what the
/// space holds, but never below `at_least`; more than that stops the export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guards {
    pub objects: u64,
    pub percent: u64,
    pub at_least: u64,
}

impl Default for Guards {
    fn default() -> Self {
        Guards { objects: 500, percent: 10, at_least: 5 }
    }
}

impl Guards {
    /// Highest count of one kind that passes in a space that holds `held` objects.
    pub fn limit(&self, held: u64) -> u64 {
        self.objects.min((held.saturating_mul(self.percent) / 100).max(self.at_least))
    }
}
