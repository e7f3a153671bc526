//! GUIDs in Active Directory's byte order. Never makes one up; identifiers come in from outside.

use std::fmt;
use std::str::FromStr;

/// A GUID, kept as the 16 bytes that `objectGUID` holds: the first three fields are little endian
/// (MS-DTYP 2.3.4.2), so the text form swaps them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Guid([u8; 16]);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GuidError {
    #[error("a GUID has 16 bytes, this value has {0}")]
    WrongLength(usize),
    #[error("`{0}` is not a GUID of the form 00112233-4455-6677-8899-aabbccddeeff")]
    NotAGuid(String),
}

/// Position in the stored bytes of each byte of the text form.
const TEXT_ORDER: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];

/// Where in the text form the first digit of each byte stands, and where hyphens stand.
const TEXT_PLACES: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];
const HYPHENS: [usize; 4] = [8, 13, 18, 23];

impl Guid {
    /// From the bytes as a directory returns them.
    pub const fn from_directory_bytes(bytes: [u8; 16]) -> Self {
        Guid(bytes)
    }

    /// From the bytes as a directory returns them, checking the length.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, GuidError> {
        <[u8; 16]>::try_from(bytes).map(Guid).map_err(|_| GuidError::WrongLength(bytes.len()))
    }

    /// The bytes as a directory returns them.
    pub const fn as_directory_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The form in which an LDAP filter takes a GUID: every byte as `\xx`.
    pub fn to_ldap_filter(&self) -> String {
        self.0.iter().map(|byte| format!("\\{byte:02x}")).collect()
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, index) in TEXT_ORDER.iter().enumerate() {
            if matches!(position, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{:02x}", self.0[*index])?;
        }
        Ok(())
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Guid {
    type Err = GuidError;

    /// Takes the hyphenated form, with or without braces, in either case.
    fn from_str(text: &str) -> Result<Self, GuidError> {
        let bad = || GuidError::NotAGuid(text.to_owned());
        let inner = match text.strip_prefix('{') {
            Some(rest) => rest.strip_suffix('}').ok_or_else(bad)?,
            None => text,
        };
        let digits: &[u8; 36] = inner.as_bytes().try_into().map_err(|_| bad())?;
        let mut bytes = [0u8; 16];
        // By the place of each byte's first digit; hyphens stand between.
        for (first, index) in TEXT_PLACES.iter().zip(TEXT_ORDER) {
            let nibble = |digit: u8| char::from(digit).to_digit(16);
            let (Some(high), Some(low)) = (nibble(digits[*first]), nibble(digits[first + 1])) else {
                return Err(bad());
            };
            bytes[index] = (high << 4 | low) as u8;
        }
        if HYPHENS.iter().any(|place| digits[*place] != b'-') {
            return Err(bad());
        }
        Ok(Guid(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_swaps_the_first_three_fields() {
        let guid: Guid = "{00112233-4455-6677-8899-AABBCCDDEEFF}".parse().unwrap();
        assert_eq!(guid.as_directory_bytes()[..8], [0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66]);
        assert_eq!(guid.to_string(), "00112233-4455-6677-8899-aabbccddeeff");
        assert!("00112233-4455-6677-8899".parse::<Guid>().is_err());
        assert!("0011223g-4455-6677-8899-aabbccddeeff".parse::<Guid>().is_err());
        assert!("{00112233-4455-6677-8899-aabbccddeeff".parse::<Guid>().is_err());
        assert!("00112233-4455-6677-8899aabb-ccddeeff".parse::<Guid>().is_err());
        assert!("00112233445566778899aabbccddeeff0123".parse::<Guid>().is_err());
        assert!("0011223é-4455-6677-8899-aabbccddeef".parse::<Guid>().is_err());
    }
}
