//! Digests that an approval is bound to: the same list, in whatever order it was found, has the same digest.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::hash::{Hash, Hasher};

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
        Digest::of_number(first_half(hasher))
    }

    /// Of a number that is such a digest already.
    pub fn of_number(number: u128) -> Self {
        Digest(format!("{number:032x}"))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// From text; what an operator typed. Only compared, so anything is taken.
    pub fn from_text(text: &str) -> Self {
        Digest(text.trim().to_ascii_lowercase())
    }
}

/// The first 16 bytes of the finished hash, as a number.
fn first_half(hasher: Sha256) -> u128 {
    hasher.finalize()[..16].iter().fold(0, |number, byte| number << 8 | u128::from(*byte))
}

/// The first 16 bytes of SHA-256 over a value, fed in as the value's own `Hash` feeds it: exact to the letter, the same on
/// every machine for the same version of this program, and never stored.
pub fn fingerprint(value: &impl Hash) -> u128 {
    let mut canonical = Canonical(Vec::with_capacity(4096));
    value.hash(&mut canonical);
    first_half(Sha256::new_with_prefix(&canonical.0))
}

/// Collects what a value feeds into its hash; numbers in one width and one order of bytes.
struct Canonical(Vec<u8>);

impl Hasher for Canonical {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn write_u16(&mut self, number: u16) {
        self.write(&number.to_le_bytes());
    }

    fn write_u32(&mut self, number: u32) {
        self.write(&number.to_le_bytes());
    }

    fn write_u64(&mut self, number: u64) {
        self.write(&number.to_le_bytes());
    }

    fn write_u128(&mut self, number: u128) {
        self.write(&number.to_le_bytes());
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    fn write_isize(&mut self, number: isize) {
        self.write_u64(number as u64);
    }

    /// Of no use here: the whole hash is taken from what was collected.
    fn finish(&self) -> u64 {
        self.0.len() as u64
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{Digest, fingerprint};

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

    /// Two plans that differ in a letter, or in where one value ends, have two fingerprints; shared and owned text have one.
    #[test]
    fn a_fingerprint_is_of_the_value_to_the_letter() {
        assert_eq!(fingerprint(&("ab", 1u64)), fingerprint(&(String::from("ab"), 1u64)));
        let all =
            [fingerprint(&["ab", "c"]), fingerprint(&["a", "bc"]), fingerprint(&["Ab", "c"]), fingerprint(&["ab"])];
        assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>().len(), all.len());
    }
}
