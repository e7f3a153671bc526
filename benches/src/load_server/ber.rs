//! As much BER (X.690) as LDAP needs: reading a message that was received whole, and writing answers straight into the bytes
//! that are sent. Lengths of sets and sequences are written in four bytes, as a Windows domain controller writes them, so that
//! they can be filled in afterwards.

pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const OCTETS: u8 = 0x04;
pub(crate) const ENUMERATED: u8 = 0x0a;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;

/// What was received is no BER, or not what was expected in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the message cannot be read")]
pub(crate) struct Malformed;

/// Reads elements one after the other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// The next element: its tag and its content.
    pub(crate) fn next(&mut self) -> Result<(u8, &'a [u8]), Malformed> {
        let (tag, head, length) = header(self.rest).ok_or(Malformed)?;
        let content = self.rest.get(head..head.checked_add(length).ok_or(Malformed)?).ok_or(Malformed)?;
        self.rest = self.rest.get(head + length..).unwrap_or_default();
        Ok((tag, content))
    }

    pub(crate) fn expect(&mut self, tag: u8) -> Result<&'a [u8], Malformed> {
        match self.next()? {
            (found, content) if found == tag => Ok(content),
            _ => Err(Malformed),
        }
    }

    pub(crate) fn integer(&mut self, tag: u8) -> Result<i64, Malformed> {
        integer_of(self.expect(tag)?)
    }

    pub(crate) fn text(&mut self, tag: u8) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.expect(tag)?).map_err(|_| Malformed)
    }
}

pub(crate) fn integer_of(bytes: &[u8]) -> Result<i64, Malformed> {
    let first = bytes.first().ok_or(Malformed)?;
    if bytes.len() > 8 {
        return Err(Malformed);
    }
    let start = if first & 0x80 == 0 { 0 } else { -1 };
    Ok(bytes.iter().fold(start, |number: i64, byte| (number << 8) | i64::from(*byte)))
}

/// Tag, length of the header and length of the content; `None` when there are not enough bytes yet.
pub(crate) fn header(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let tag = *bytes.first()?;
    let first = usize::from(*bytes.get(1)?);
    if first < 0x80 {
        return Some((tag, 2, first));
    }
    let count = first & 0x7f;
    let digits = bytes.get(2..2 + count)?;
    // An indefinite length, or one that no machine holds: no LDAP message has either.
    let length = if count == 0 || count > 4 {
        usize::MAX >> 1
    } else {
        digits.iter().fold(0, |length, byte| (length << 8) | usize::from(*byte))
    };
    Some((tag, 2 + count, length))
}

/// Begins an element whose length is not known yet. [`end`] takes what this returns.
pub(crate) fn begin(out: &mut Vec<u8>, tag: u8) -> usize {
    out.extend_from_slice(&[tag, 0x84, 0, 0, 0, 0]);
    out.len()
}

pub(crate) fn end(out: &mut [u8], begun: usize) {
    let length = u32::try_from(out.len() - begun).unwrap_or(u32::MAX);
    if let Some(place) = out.get_mut(begun - 4..begun) {
        place.copy_from_slice(&length.to_be_bytes());
    }
}

pub(crate) fn octets(out: &mut Vec<u8>, tag: u8, content: &[u8]) {
    out.push(tag);
    length(out, content.len());
    out.extend_from_slice(content);
}

/// A value that `write` writes: one byte of length is enough for almost all.
pub(crate) fn written(out: &mut Vec<u8>, tag: u8, write: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(&[tag, 0]);
    let begun = out.len();
    write(out);
    let long = out.len() - begun;
    if long < 0x80 {
        if let Some(place) = out.get_mut(begun - 1) {
            *place = long as u8;
        }
        return;
    }
    let mut digits = Vec::with_capacity(5);
    length(&mut digits, long);
    out.splice(begun - 1..begun, digits);
}

fn length(out: &mut Vec<u8>, length: usize) {
    if length < 0x80 {
        out.push(length as u8);
    } else {
        let digits = (length as u64).to_be_bytes();
        let from = digits.iter().position(|digit| *digit != 0).unwrap_or(7);
        out.push(0x80 | (8 - from) as u8);
        out.extend_from_slice(&digits[from..]);
    }
}

pub(crate) fn integer(out: &mut Vec<u8>, tag: u8, number: i64) {
    let digits = number.to_be_bytes();
    let spare = if number < 0 { 0xff } else { 0 };
    // The shortest form that keeps the sign.
    let mut from = 0;
    while from < 7 && digits[from] == spare && (digits[from + 1] & 0x80 == spare & 0x80) {
        from += 1;
    }
    octets(out, tag, &digits[from..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_lengths_read_back() {
        for number in [0, 1, 127, 128, 255, 256, -1, -128, -129, i64::from(i32::MIN), i64::MAX, i64::MIN] {
            let mut out = Vec::new();
            integer(&mut out, INTEGER, number);
            assert_eq!(Reader::new(&out).integer(INTEGER), Ok(number));
        }
        for size in [0, 1, 127, 128, 255, 256, 70_000] {
            let (mut plain, mut late) = (Vec::new(), Vec::new());
            octets(&mut plain, OCTETS, &vec![7; size]);
            written(&mut late, OCTETS, |out| out.extend(std::iter::repeat_n(7, size)));
            assert_eq!(plain, late);
            assert_eq!(Reader::new(&plain).expect(OCTETS).map(<[u8]>::len), Ok(size));
            assert_eq!(Reader::new(&plain[..plain.len() - 1]).expect(OCTETS), Err(Malformed));
        }
    }
}
