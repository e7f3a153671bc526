//! Secrets: where they come from, and a type that never shows, serialises or keeps them. Never reads a secret
//! that stands in a configuration file itself.

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
    /// Is another one when the source of the secret changed, as far as that shows without reading it: name, length and time of
    /// last change of a file; the name alone of an environment variable. Says nothing of the secret.
    pub fn stamp(&self) -> String {
        let path = match self {
            SecretReference::Environment(_) => None,
            SecretReference::File(path) => Some(path.clone()),
            SecretReference::SystemdCredential(name) => {
                std::env::var_os("CREDENTIALS_DIRECTORY").map(|folder| PathBuf::from(folder).join(name))
            }
        };
        let of_file = path.and_then(|path| std::fs::metadata(path).ok()).map(|metadata| {
            let modified = metadata.modified().ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
            format!(" {} {}", metadata.len(), modified.unwrap_or_default().as_nanos())
        });
        format!("{self}{}", of_file.unwrap_or_default())
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

    /// SF23: a secret in a file that was written anew may be another one.
    #[test]
    fn sf23_the_stamp_changes_with_the_file_and_says_nothing_of_the_secret() {
        let path = std::env::temp_dir().join(format!("metasync-stamp-{}", std::process::id()));
        std::fs::write(&path, "hunter2").unwrap();
        let reference = SecretReference::File(path.clone());
        let before = reference.stamp();
        assert_eq!(reference.stamp(), before);
        assert!(!before.contains("hunter2"));
        std::fs::write(&path, "hunter22").unwrap();
        assert_ne!(reference.stamp(), before);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(SecretReference::Environment("PW".into()).stamp(), "env:PW");
    }
}
