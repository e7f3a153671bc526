//! The few BER and DER elements that LDAP messages, directory controls and certificates are made of. Every length is checked against
//! the bytes that are there; nothing is parsed recursively.

/// Bytes that are not the BER they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed BER at byte {at} of {length}")]
pub(crate) struct BerError {
    pub(crate) at: usize,
    pub(crate) length: usize,
}

pub(crate) const BOOLEAN: u8 = 0x01;
pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const ENUMERATED: u8 = 0x0a;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;

/// One element: tag, length, content.
pub(crate) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut encoded = vec![tag];
    match u32::try_from(content.len()) {
        Ok(short @ 0..=0x7f) => encoded.push(short as u8),
        _ => {
            let bytes = (content.len() as u64).to_be_bytes();
            let significant = bytes.iter().position(|byte| *byte != 0).map_or(&bytes[7..], |first| &bytes[first..]);
            encoded.push(0x80 | significant.len() as u8);
            encoded.extend_from_slice(significant);
        }
    }
    encoded.extend_from_slice(content);
    encoded
}

/// An INTEGER in the fewest bytes, two's complement: 0x80000000 as a flag word is -2147483648 (MS-ADTS 3.1.1.3.4.1.3).
pub(crate) fn integer(number: i64) -> Vec<u8> {
    number_as(INTEGER, number)
}

pub(crate) fn enumerated(number: i64) -> Vec<u8> {
    number_as(ENUMERATED, number)
}

fn number_as(tag: u8, number: i64) -> Vec<u8> {
    let bytes = number.to_be_bytes();
    let mut start = 0;
    while start < 7 {
        let redundant = match bytes[start] {
            0x00 => bytes[start + 1] < 0x80,
            0xff => bytes[start + 1] >= 0x80,
            _ => false,
        };
        if !redundant {
            break;
        }
        start += 1;
    }
    element(tag, &bytes[start..])
}

/// Reads elements one after the other.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Reader { bytes, at: 0 }
    }

    fn error(&self) -> BerError {
        BerError { at: self.at, length: self.bytes.len() }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], BerError> {
        let end = self.at.checked_add(count).ok_or_else(|| self.error())?;
        let taken = self.bytes.get(self.at..end).ok_or_else(|| self.error())?;
        self.at = end;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, BerError> {
        let error = self.error();
        self.take(1)?.first().copied().ok_or(error)
    }

    /// The next element's tag and content.
    pub(crate) fn next(&mut self) -> Result<(u8, &'a [u8]), BerError> {
        let tag = self.byte()?;
        let length = match self.byte()? {
            short @ 0..=0x7f => usize::from(short),
            long => {
                let count = usize::from(long & 0x7f);
                if count == 0 || count > 4 {
                    return Err(self.error());
                }
                self.take(count)?.iter().fold(0usize, |sum, byte| sum << 8 | usize::from(*byte))
            }
        };
        Ok((tag, self.take(length)?))
    }

    /// The content of the next element, which must have this tag.
    pub(crate) fn expect(&mut self, tag: u8) -> Result<&'a [u8], BerError> {
        let error = self.error();
        match self.next()? {
            (found, content) if found == tag => Ok(content),
            _ => Err(error),
        }
    }

    pub(crate) fn integer(&mut self) -> Result<i64, BerError> {
        self.number(INTEGER)
    }

    /// A whole number under this tag.
    pub(crate) fn number(&mut self, tag: u8) -> Result<i64, BerError> {
        let error = self.error();
        let content = self.expect(tag)?;
        let negative = match content.first() {
            Some(first) if content.len() <= 8 => *first >= 0x80,
            _ => return Err(error),
        };
        let start = if negative { -1i64 } else { 0 };
        Ok(content.iter().fold(start, |sum, byte| sum << 8 | i64::from(*byte)))
    }

    pub(crate) fn peek_tag(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// How many bytes were read so far.
    pub(crate) fn at(&self) -> usize {
        self.at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_take_the_fewest_bytes_and_come_back() {
        assert_eq!(integer(0), [2, 1, 0]);
        assert_eq!(integer(127), [2, 1, 0x7f]);
        assert_eq!(integer(128), [2, 2, 0, 0x80]);
        assert_eq!(integer(-2_147_483_648), [2, 4, 0x80, 0, 0, 0]);
        assert_eq!(integer(i64::from(0x0000_0800)), [2, 2, 8, 0]);
        for number in [0, 1, -1, 127, 128, -128, -129, 1 << 31, -(1 << 31), i64::MAX, i64::MIN] {
            assert_eq!(Reader::new(&integer(number)).integer(), Ok(number));
        }
    }

    #[test]
    fn lengths_of_every_form() {
        for length in [0usize, 1, 127, 128, 255, 256, 65_535, 65_536] {
            let encoded = element(OCTET_STRING, &vec![7; length]);
            assert_eq!(Reader::new(&encoded).expect(OCTET_STRING).map(<[u8]>::len), Ok(length));
        }
    }

    #[test]
    fn truncated_and_lying_lengths_are_errors() {
        let whole = element(SEQUENCE, &[integer(5), element(OCTET_STRING, b"cookie")].concat());
        for cut in 0..whole.len() {
            assert!(Reader::new(&whole[..cut]).next().is_err(), "cut at {cut}");
        }
        assert!(Reader::new(&[0x04, 0x84, 0xff, 0xff, 0xff, 0xff, 1]).next().is_err());
        assert!(Reader::new(&[0x04, 0x80]).next().is_err());
        assert!(Reader::new(&[0x04, 0x89, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1]).next().is_err());
        assert!(Reader::new(&[2, 0]).integer().is_err());
        assert!(Reader::new(&[2, 9, 1, 1, 1, 1, 1, 1, 1, 1, 1]).integer().is_err());
    }
}
