//! The scenario driver: runs the unmodified `metasync` executable through the scenarios S1-S9 against the load server and a
//! rehearsal tenant, each a process of its own, and measures in the same run what the same work costs with nothing around it.
//! [`passwords`] does the same for password hashes. Judges counts (rows, writes, evaluated objects); times and ratios it only tells.
//!
//! The modules stand in the order of the work: processes and what they cost, servers and deployment, the bare work that is
//! the limit, the scenarios, the report.

pub mod process;

pub mod http;
pub mod stage;

pub mod bare;
pub mod kernel;
pub mod passwords;
pub mod recorded;

pub mod report;
pub mod scenarios;

/// Why a measurement could not be made.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    #[error("{doing}: {source}")]
    Io { doing: String, source: std::io::Error },
    #[error("{0}")]
    Failed(String),
    #[error("reading the directory bare: {0}")]
    Ldap(#[from] crate::bare_client::BareError),
    #[error("the store: {0}")]
    Store(#[from] sync_store::StoreError),
    #[error("plain SQLite: {0}")]
    Sqlite(#[from] rusqlite::Error),
    #[error("JSON: {0}")]
    Json(#[from] serde_json::Error),
}

impl DriverError {
    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(std::io::Error) -> DriverError {
        let doing = doing.into();
        move |source| DriverError::Io { doing, source }
    }
}

pub type Measured<T> = Result<T, DriverError>;
