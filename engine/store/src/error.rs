//! What can go wrong with the store, in the operator's words: what was attempted, on what, and what to do.
//! No type of the database library leaves the crate.

use rusqlite::ErrorCode;
use std::path::PathBuf;

/// What to do when stored data cannot be trusted.
const REMEDY: &str = "restore a backup, or delete the store and import again (existing links are found \
                      again by anchor; their ownership then counts as adopted)";

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("there is no store at {}; `metasync init` or the first run creates it", .path.display())]
    NotFound { path: PathBuf },

    #[error("there is already a store at {}", .path.display())]
    AlreadyExists { path: PathBuf },

    /// Another process runs on this deployment.
    #[error("{} is in use by {}; one run at a time, wait for it or stop it", .path.display(), owner(*.pid))]
    Locked { path: PathBuf, pid: Option<u32> },

    /// A crash left unfinished work beside the file; reading it would have to write first.
    #[error("{} was not closed cleanly; the next `metasync run` or `cycle` recovers it, then read again", .path.display())]
    NeedsRecovery { path: PathBuf },

    #[error("{} was written by a newer metasync (layout {found}, this one knows {known}); use that version", .path.display())]
    Newer { path: PathBuf, found: i64, known: i64 },

    /// For readers only: a writer brings it up to date by itself.
    #[error("{} was written by an older metasync (layout {found}, this one reads {known}); the next `metasync run` or `cycle` brings it up to date", .path.display())]
    Older { path: PathBuf, found: i64, known: i64 },

    #[error("the store is damaged: {what}; {remedy}")]
    Damaged { what: String, remedy: &'static str },

    #[error("stopped-disk-full: {doing}: the disk is full; committed work is safe, make room and run again")]
    DiskFull { doing: String },

    #[error("{doing}: the store is open for reading only")]
    ReadOnly { doing: String },

    #[error("{doing}: another process kept the store locked; try again")]
    Busy { doing: String },

    #[error("{doing} {}: {message}", .path.display())]
    Io { doing: &'static str, path: PathBuf, message: String },

    /// A caller's mistake, such as rules that were not registered.
    #[error("{what}")]
    Missing { what: String },

    #[error("{doing}: {message}")]
    Database { doing: String, message: String },
}

fn owner(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

impl StoreError {
    /// The run status this error stands for (R24), where there is one.
    pub fn status(&self) -> &'static str {
        match self {
            StoreError::DiskFull { .. } => "stopped-disk-full",
            _ => "stopped-database-connection-lost",
        }
    }

    pub(crate) fn damaged(what: impl Into<String>) -> Self {
        StoreError::Damaged { what: what.into(), remedy: REMEDY }
    }

    pub(crate) fn io(doing: &'static str, path: impl Into<PathBuf>, error: &std::io::Error) -> Self {
        StoreError::Io { doing, path: path.into(), message: error.to_string() }
    }
}

/// Inside the crate: a database error that does not know yet what was attempted, or a finished one.
#[derive(Debug)]
pub(crate) enum Fault {
    Sql(rusqlite::Error),
    Store(StoreError),
}

pub(crate) type Inner<T> = Result<T, Fault>;

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Fault::Sql(error)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Fault::Store(error)
    }
}

impl Fault {
    pub(crate) fn damaged(what: impl Into<String>) -> Self {
        Fault::Store(StoreError::damaged(what))
    }

    /// Says what was attempted.
    pub(crate) fn during(self, doing: &str) -> StoreError {
        let error = match self {
            Fault::Store(StoreError::ReadOnly { doing: inner }) if inner.is_empty() => {
                return StoreError::ReadOnly { doing: doing.to_owned() };
            }
            Fault::Store(error) => return error,
            Fault::Sql(error) => error,
        };
        let doing = doing.to_owned();
        match &error {
            rusqlite::Error::SqliteFailure(failure, message) => match failure.code {
                ErrorCode::DiskFull => StoreError::DiskFull { doing },
                ErrorCode::ReadOnly => StoreError::ReadOnly { doing },
                ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => StoreError::Busy { doing },
                ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => {
                    StoreError::damaged(format!("{doing}: {error}"))
                }
                // A statement that does not fit the tables: the file claims a layout that it does not have.
                ErrorCode::Unknown if message.as_deref().is_some_and(|text| text.starts_with("no such")) => {
                    StoreError::damaged(format!("{doing}: {error}"))
                }
                _ => StoreError::Database { doing, message: error.to_string() },
            },
            rusqlite::Error::SqlInputError { msg, .. } if msg.starts_with("no such") => {
                StoreError::damaged(format!("{doing}: {msg}"))
            }
            rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::Utf8Error(..) => StoreError::damaged(format!("{doing}: {error}")),
            _ => StoreError::Database { doing, message: error.to_string() },
        }
    }
}
