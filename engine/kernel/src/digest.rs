//! Digests that an approval is bound to: the same list, in whatever order it was found, has the same digest.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// The first 16 bytes of SHA-256 over the sorted lines, as 32 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Digest(String);

impl Digest {
    /// Of a list of lines. Each line is length-prefixed, so that no two lists run together.
    pub fn of_lines<T: AsRef<str>>(heading: &str, lines: impl IntoIterator<Item = T>) -> Self {
        let mut lines: Vec<String> = lines.into_iter().map(|line| line.as_ref().to_owned()).collect();
        lines.sort();
        let mut hasher = Sha256::new();
        for line in std::iter::once(heading).chain(lines.iter().map(String::as_str)) {
            hasher.update((line.len() as u64).to_be_bytes());
            hasher.update(line.as_bytes());
        }
        Digest(hasher.finalize()[..16].iter().map(|byte| format!("{byte:02x}")).collect())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// From text; what an operator typed. Only compared, so anything is taken.
    pub fn from_text(text: &str) -> Self {
        Digest(text.trim().to_ascii_lowercase())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
