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

#[cfg(test)]
mod tests {
    use super::Digest;

    /// An approval of this list was stored under this digest: another reading of the same list would lose it.
    #[test]
    fn a_digest_is_the_same_in_every_version_and_names_one_list() {
        let digest = Digest::of_lines("heading", ["b", "a"]);
        assert_eq!(digest, Digest::of_lines("heading", ["a", "b"]));
        assert_eq!(digest.as_str(), "22518a57e2ae25685f452c86ef1314b3");
        assert_eq!(digest.to_string(), digest.as_str());
        assert_eq!(format!("{digest:>34}"), format!("  {digest}"), "in a column");
        assert_eq!(
            Digest::from_text(&format!(" {} ", digest.as_str().to_uppercase())),
            digest,
            "as an operator types it"
        );
        for other in [Digest::of_lines("heading", ["ba"]), Digest::of_lines("headinga", ["b"])] {
            assert_ne!(other, digest);
        }
    }
}
