//! Windows security identifiers. Reads and prints them; never resolves one.

use std::fmt;
use std::str::FromStr;

/// A security identifier in its binary form (MS-DTYP 2.4.2.2): revision, count, 6-byte authority, sub-authorities.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sid(Vec<u8>);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SidError {
    #[error("{0} bytes are not a security identifier (revision 1, then 8 bytes and 4 for each sub-authority)")]
    Malformed(usize),
    #[error("`{0}` is not a security identifier of the form S-1-5-21-...")]
    NotASid(String),
}

impl Sid {
    /// From the bytes of `objectSid`.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, SidError> {
        let well_formed =
            bytes.len() >= 8 && bytes[0] == 1 && bytes[1] <= 15 && bytes.len() == 8 + 4 * bytes[1] as usize;
        if well_formed { Ok(Sid(bytes.to_vec())) } else { Err(SidError::Malformed(bytes.len())) }
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Sub-authorities, first to last; the last one is the relative identifier (RID).
    pub fn sub_authorities(&self) -> impl Iterator<Item = u32> + '_ {
        self.0[8..].chunks_exact(4).map(|c| u32::from_le_bytes([c[0], c[1], c[2], c[3]]))
    }

    /// The relative identifier within the issuing domain.
    pub fn rid(&self) -> Option<u32> {
        self.sub_authorities().last()
    }
}

impl fmt::Display for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let authority = self.0[2..8].iter().fold(0u64, |sum, byte| sum << 8 | u64::from(*byte));
        write!(f, "S-{}-{authority}", self.0[0])?;
        self.sub_authorities().try_for_each(|sub| write!(f, "-{sub}"))
    }
}

impl fmt::Debug for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Sid {
    type Err = SidError;

    fn from_str(text: &str) -> Result<Self, SidError> {
        let bad = || SidError::NotASid(text.to_owned());
        let mut fields = text.split('-');
        if fields.next() != Some("S") || fields.next() != Some("1") {
            return Err(bad());
        }
        let authority: u64 = fields.next().and_then(|field| field.parse().ok()).ok_or_else(bad)?;
        let subs: Vec<u32> = fields.map(str::parse).collect::<Result<_, _>>().map_err(|_| bad())?;
        if authority >= 1 << 48 || subs.len() > 15 {
            return Err(bad());
        }
        let mut bytes = vec![1, subs.len() as u8];
        bytes.extend_from_slice(&authority.to_be_bytes()[2..]);
        subs.iter().for_each(|sub| bytes.extend_from_slice(&sub.to_le_bytes()));
        Ok(Sid(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_rejects() {
        let text = "S-1-5-21-1004336348-1177238915-682003330-512";
        let sid: Sid = text.parse().unwrap();
        assert_eq!(Sid::from_slice(sid.as_bytes()).unwrap().to_string(), text);
        assert_eq!(sid.rid(), Some(512));
        assert!(Sid::from_slice(&sid.as_bytes()[..10]).is_err());
        assert!(Sid::from_slice(&[]).is_err());
        assert!("S-1-x".parse::<Sid>().is_err());
    }
}
