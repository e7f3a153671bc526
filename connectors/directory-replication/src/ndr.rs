//! The transfer syntax NDR 2.0, little endian (C706 chapter 14): writing what we send, and reading what came with every length
//! checked against the bytes that are left. Knows no message.

use metaverse_schema::Guid;

/// An answer that is not what the protocol says: what was being read, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed {what} at byte {at}")]
pub struct Malformed {
    pub what: &'static str,
    pub at: usize,
}

/// A message under construction. Every number stands at a multiple of its size.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
    pointers: u32,
}

impl Writer {
    pub(crate) fn align(&mut self, size: usize) {
        self.bytes.resize(self.bytes.len().next_multiple_of(size), 0);
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.align(4);
        self.bytes.extend(value.to_le_bytes());
    }

    pub(crate) fn u64(&mut self, value: u64) {
        self.align(8);
        self.bytes.extend(value.to_le_bytes());
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// A pointer whose target follows later. The numbers mean nothing; they must differ.
    pub(crate) fn pointer(&mut self) {
        self.pointers += 1;
        self.u32(0x20000 + 4 * self.pointers);
    }

    pub(crate) fn null(&mut self) {
        self.u32(0);
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// A count that goes on the wire. What we send is far below 4 billion of anything.
pub(crate) fn count_of<T>(items: &[T]) -> u32 {
    u32::try_from(items.len()).unwrap_or(u32::MAX)
}

/// A message being read.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Reader { bytes, at: 0 }
    }

    /// From a place within a message: alignment counts from the message's first byte.
    pub(crate) fn from(bytes: &'a [u8], at: usize) -> Self {
        Reader { bytes, at }
    }

    pub(crate) fn malformed(&self, what: &'static str) -> Malformed {
        Malformed { what, at: self.at }
    }

    fn left(&self) -> usize {
        self.bytes.len().saturating_sub(self.at)
    }

    pub(crate) fn align(&mut self, size: usize, what: &'static str) -> Result<(), Malformed> {
        let next = self.at.next_multiple_of(size);
        if next > self.bytes.len() {
            return Err(self.malformed(what));
        }
        self.at = next;
        Ok(())
    }

    pub(crate) fn take(&mut self, length: usize, what: &'static str) -> Result<&'a [u8], Malformed> {
        let end = self.at.checked_add(length).ok_or_else(|| self.malformed(what))?;
        let taken = self.bytes.get(self.at..end).ok_or_else(|| self.malformed(what))?;
        self.at = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], Malformed> {
        let at = self.at;
        self.take(N, what)?.try_into().map_err(|_| Malformed { what, at })
    }

    pub(crate) fn u16(&mut self, what: &'static str) -> Result<u16, Malformed> {
        self.align(2, what)?;
        self.array(what).map(u16::from_le_bytes)
    }

    /// Not aligned: inside of towers, which are packed.
    pub(crate) fn packed_u16(&mut self, what: &'static str) -> Result<u16, Malformed> {
        self.array(what).map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self, what: &'static str) -> Result<u32, Malformed> {
        self.align(4, what)?;
        self.array(what).map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self, what: &'static str) -> Result<u64, Malformed> {
        self.align(8, what)?;
        self.array(what).map(u64::from_le_bytes)
    }

    pub(crate) fn guid(&mut self, what: &'static str) -> Result<Guid, Malformed> {
        self.align(4, what)?;
        self.array(what).map(Guid::from_directory_bytes)
    }

    /// Whether a pointer has a target.
    pub(crate) fn pointer(&mut self, what: &'static str) -> Result<bool, Malformed> {
        self.u32(what).map(|pointer| pointer != 0)
    }

    /// A number of elements that each take at least `size` bytes: refused unless so many bytes are left.
    pub(crate) fn count(&mut self, size: usize, what: &'static str) -> Result<usize, Malformed> {
        let at = self.at;
        let count = self.u32(what)? as usize;
        match count.checked_mul(size) {
            Some(bytes) if bytes <= self.left() => Ok(count),
            _ => Err(Malformed { what, at }),
        }
    }

    /// A counted string of bytes, and the padding after it.
    pub(crate) fn counted(&mut self, what: &'static str) -> Result<&'a [u8], Malformed> {
        let length = self.count(1, what)?;
        let bytes = self.take(length, what)?;
        self.skip_padding(4);
        Ok(bytes)
    }

    /// Padding after the last element of a message may be missing.
    pub(crate) fn skip_padding(&mut self, size: usize) {
        self.at = self.at.next_multiple_of(size).min(self.bytes.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_never_exceeds_the_bytes_that_are_left() {
        let mut message = 3u32.to_le_bytes().to_vec();
        message.extend([0; 12]);
        assert_eq!(Reader::new(&message).count(4, "things"), Ok(3));
        assert_eq!(Reader::new(&message).count(5, "things"), Err(Malformed { what: "things", at: 0 }));
        assert_eq!(Reader::new(&u32::MAX.to_le_bytes()).count(usize::MAX, "things").unwrap_err().what, "things");
    }

    #[test]
    fn numbers_stand_at_multiples_of_their_size() {
        let mut writer = Writer::default();
        writer.raw(&[1]);
        writer.u32(2);
        writer.raw(&[3]);
        writer.u64(4);
        let bytes = writer.finish();
        assert_eq!(bytes.len(), 24);
        let mut reader = Reader::new(&bytes);
        assert_eq!(reader.take(1, "x"), Ok(&[1][..]));
        assert_eq!(reader.u32("x"), Ok(2));
        assert_eq!(reader.take(1, "x"), Ok(&[3][..]));
        assert_eq!(reader.u64("x"), Ok(4));
        assert_eq!(reader.u32("end"), Err(Malformed { what: "end", at: 24 }));
    }
}
