//! Credentials that a system refused (SF23): tried once, and then not again until the source of the secret changed or an
//! operator checked. Keeps the name of a credential and the stamp of its secret's source, never the secret.

use crate::{Store, StoreError};
use serde::Serialize;

/// A credential that is not tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OpenBreaker {
    pub credential: String,
    /// Since when, microseconds UTC.
    pub opened: i64,
    /// Of the secret's source at that time.
    #[serde(skip)]
    pub stamp: String,
    pub message: String,
    pub remedy: String,
}

impl Store {
    pub fn breaker(&self, credential: &str) -> Result<Option<OpenBreaker>, StoreError> {
        Ok(self.breakers()?.into_iter().find(|breaker| breaker.credential == credential))
    }

    /// All credentials that are not tried now.
    pub fn breakers(&self) -> Result<Vec<OpenBreaker>, StoreError> {
        self.db.read("reading refused credentials", |db| {
            db.all(
                "SELECT credential, opened, stamp, message, remedy FROM credential_breaker ORDER BY credential",
                [],
                |row| {
                    Ok(OpenBreaker {
                        credential: row.get(0)?,
                        opened: row.get(1)?,
                        stamp: row.get(2)?,
                        message: row.get(3)?,
                        remedy: row.get(4)?,
                    })
                },
            )
        })
    }

    pub fn open_breaker(&mut self, breaker: &OpenBreaker) -> Result<(), StoreError> {
        self.db.write("noting a refused credential", |db| {
            db.run(
                "INSERT OR REPLACE INTO credential_breaker (credential, opened, stamp, message, remedy) VALUES (?1, ?2, ?3, ?4, ?5)",
                (&breaker.credential, breaker.opened, &breaker.stamp, &breaker.message, &breaker.remedy),
            )
            .map(drop)
        })
    }

    /// The credential may be tried again.
    pub fn close_breaker(&mut self, credential: &str) -> Result<(), StoreError> {
        if self.breaker(credential)?.is_none() {
            return Ok(());
        }
        self.db.write("trying a credential again", |db| {
            db.run("DELETE FROM credential_breaker WHERE credential = ?1", [credential]).map(drop)
        })
    }
}
