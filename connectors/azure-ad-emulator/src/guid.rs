//! Object ids: 128-bit GUIDs in the hyphenated lower-case form that Graph prints. Parses and prints; draws nothing by
//! itself, the caller brings the 128 bits.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A 128-bit id. Printed as `8-4-4-4-12` lower-case hex digits, read in either case.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Guid(u128);

impl Guid {
    /// Reads the hyphenated form; anything else is `None`.
    pub fn parse(text: &str) -> Option<Guid> {
        let bytes = text.as_bytes();
        if bytes.len() != 36 {
            return None;
        }
        let mut value: u128 = 0;
        for (place, byte) in bytes.iter().enumerate() {
            if matches!(place, 8 | 13 | 18 | 23) {
                if *byte != b'-' {
                    return None;
                }
                continue;
            }
            let digit = char::from(*byte).to_digit(16)?;
            value = (value << 4) | u128::from(digit);
        }
        Some(Guid(value))
    }

    pub(crate) const fn from_bits(bits: u128) -> Guid {
        Guid(bits)
    }

    /// Makes a random-form (version 4) GUID out of 128 given bits.
    pub(crate) fn from_random_bits(bits: u128) -> Guid {
        let version = (bits & !(0xf << 76)) | (0x4 << 76);
        Guid((version & !(0x3 << 62)) | (0x2 << 62))
    }

    pub(crate) fn as_u128(self) -> u128 {
        self.0
    }

    /// The 32 hex digits without hyphens, as the recycle bin prefixes sign-in names with (A.9).
    pub(crate) fn without_dashes(self) -> String {
        format!("{:032x}", self.0)
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = format!("{:032x}", self.0);
        write!(f, "{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Guid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Guid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Guid, D::Error> {
        let text = String::deserialize(deserializer)?;
        Guid::parse(&text).ok_or_else(|| D::Error::custom(format!("'{text}' is not a GUID of the form 8-4-4-4-12")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_cases_and_prints_lower_case() {
        let guid = Guid::parse("6BF85CFA-AC8A-4BE5-B5DE-425A0D0DC016").unwrap();
        assert_eq!(guid.to_string(), "6bf85cfa-ac8a-4be5-b5de-425a0d0dc016");
        assert_eq!(Guid::parse("6bf85cfa-ac8a-4be5-b5de-425a0d0dc01"), None);
        assert_eq!(Guid::parse("6bf85cfa_ac8a-4be5-b5de-425a0d0dc016"), None);
    }

    #[test]
    fn random_bits_become_version_4() {
        let text = Guid::from_random_bits(u128::MAX).to_string();
        assert_eq!(text, "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }
}
