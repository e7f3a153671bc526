//! Secrets: where they come from, and a type that never shows, serialises or keeps them. Never reads a secret
//! that stands in a configuration file itself.

use sha2::{Digest, Sha256};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use zeroize::Zeroizing;

/// A secret in memory: wiped on drop, printed as a placeholder, never serialised.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Secret(Zeroizing::new(text.into()))
    }

    /// The secret itself, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

/// Where a secret is read from when it is needed: `env:NAME`, `file:PATH` or `credential:NAME`
/// (a systemd credential: a file in `$CREDENTIALS_DIRECTORY`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretReference {
    Environment(String),
    File(PathBuf),
    SystemdCredential(String),
}

#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error(
        "a secret is named by `env:NAME`, `file:PATH` or `credential:NAME`; a secret itself does not belong in a configuration file"
    )]
    NotAReference,
    #[error("the environment variable `{0}` is not set; set it for the process that runs metasync")]
    NoVariable(String),
    #[error("the secret file `{path}` cannot be read: {source}; check the path and that this user may read it")]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error(
        "the systemd credential `{0}` is not there: CREDENTIALS_DIRECTORY is not set; add LoadCredential= to the unit"
    )]
    NoCredentials(String),
    #[error("the secret from {0} is empty")]
    Empty(String),
}

impl FromStr for SecretReference {
    type Err = SecretError;

    fn from_str(text: &str) -> Result<Self, SecretError> {
        let (kind, name) = text.split_once(':').ok_or(SecretError::NotAReference)?;
        match (kind, name) {
            (_, "") => Err(SecretError::NotAReference),
            ("env", name) => Ok(SecretReference::Environment(name.to_owned())),
            ("file", path) => Ok(SecretReference::File(PathBuf::from(path))),
            // A credential's name is a file name: a path would leave the directory.
            ("credential", name) if !name.contains(['/', '\\']) && name != ".." => {
                Ok(SecretReference::SystemdCredential(name.to_owned()))
            }
            _ => Err(SecretError::NotAReference),
        }
    }
}

impl fmt::Display for SecretReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SecretReference::Environment(name) => write!(f, "env:{name}"),
            SecretReference::File(path) => write!(f, "file:{}", path.display()),
            SecretReference::SystemdCredential(name) => write!(f, "credential:{name}"),
        }
    }
}

impl SecretReference {
    /// Is another one when the secret at this source changed, whoever wrote it and whenever: the reference, and sixteen bits of a
    /// hash over both. So few that nobody finds a secret by them, and one new secret in 65,536 passes for the old one (an
    /// operator's check then helps). A source that cannot be read has a stamp of its own.
    pub fn stamp(&self) -> String {
        let Ok(secret) = self.resolve() else { return format!("{self} unreadable") };
        let mut hash = Sha256::new();
        // The reference stands in for a salt: the same secret elsewhere has another stamp.
        for part in ["metasync secret stamp 1", &self.to_string(), secret.expose()] {
            hash.update(part);
            hash.update([0]);
        }
        let [first, second, ..] = <[u8; 32]>::from(hash.finalize());
        format!("{self} {first:02x}{second:02x}")
    }

    /// Reads the secret; one line ending at the end of a file does not belong to it.
    pub fn resolve(&self) -> Result<Secret, SecretError> {
        let text = match self {
            SecretReference::Environment(name) => {
                Zeroizing::new(std::env::var(name).map_err(|_| SecretError::NoVariable(name.clone()))?)
            }
            SecretReference::File(path) => read(path.clone())?,
            SecretReference::SystemdCredential(name) => {
                let folder = std::env::var_os("CREDENTIALS_DIRECTORY")
                    .ok_or_else(|| SecretError::NoCredentials(name.clone()))?;
                read(PathBuf::from(folder).join(name))?
            }
        };
        let trimmed = text.strip_suffix('\n').unwrap_or(&text);
        let trimmed = trimmed.strip_suffix('\r').unwrap_or(trimmed);
        if trimmed.is_empty() { Err(SecretError::Empty(self.to_string())) } else { Ok(Secret::new(trimmed)) }
    }
}

fn read(path: PathBuf) -> Result<Zeroizing<String>, SecretError> {
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Zeroizing::new(text)),
        Err(source) => Err(SecretError::Unreadable { path, source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_in_the_file_itself_is_refused_and_never_printed() {
        assert!(matches!("hunter2".parse::<SecretReference>(), Err(SecretError::NotAReference)));
        assert!(matches!("credential:../x".parse::<SecretReference>(), Err(SecretError::NotAReference)));
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "<secret>");
    }

    /// SF23: the stamp goes by the secret itself, not by when its file was touched, and says nothing of it.
    #[test]
    fn sf23_the_stamp_changes_with_the_secret_and_says_nothing_of_it() {
        let path = std::env::temp_dir().join(format!("metasync-stamp-{}", std::process::id()));
        let reference = SecretReference::File(path.clone());
        let missing = reference.stamp();
        std::fs::write(&path, "hunter2").unwrap();
        let before = reference.stamp();
        assert_ne!(before, missing, "a file that is there at last is tried");
        std::fs::write(&path, "hunter2\n").unwrap();
        assert_eq!(reference.stamp(), before, "written anew with the same secret");
        std::fs::write(&path, "hunter3").unwrap();
        assert_ne!(reference.stamp(), before);
        std::fs::remove_file(&path).unwrap();
        // A name and sixteen bits are all there is.
        assert_eq!(before.len(), reference.to_string().len() + 5);
        assert!(!before.contains("hunter2"));
        assert_eq!(SecretReference::Environment("METASYNC_NOT_SET".into()).stamp(), "env:METASYNC_NOT_SET unreadable");
    }
}
