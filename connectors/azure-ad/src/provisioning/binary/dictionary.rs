//! The strings that both sides know without sending them: the 487 of [MC-NBFS] 2.1. The even number 2n stands for line n of
//! the file; odd numbers would belong to a session, and there is none.

use std::sync::OnceLock;

/// One string a line, in the order of the specification's table; the 82nd is empty.
const STRINGS: &str = include_str!("dictionary.txt");

/// The string of a number; none for one that the table lacks.
pub(super) fn string(number: u32) -> Option<&'static str> {
    static LINES: OnceLock<Vec<&'static str>> = OnceLock::new();
    let lines = LINES.get_or_init(|| STRINGS.lines().collect());
    if number.is_multiple_of(2) { lines.get(number as usize / 2).copied() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Landmarks all over the table: a line too many or too few moves those behind it.
    #[test]
    fn numbers_are_those_of_the_specification() {
        for (number, text) in [
            (0x00, "mustUnderstand"),
            (0x02, "Envelope"),
            (0x1A, "MessageID"),
            (0x3A, "http://schemas.xmlsoap.org/ws/2005/02/rm/SequenceAcknowledgement"),
            (0x5E, "EncryptedData"),
            (0x84, "s"),
            (0xA2, ""),
            (0xA4, "From"),
            (0xE4, "ec"),
            (0x102, "c"),
            (0x148, "o"),
            (0x184, "AUTH-HASH"),
            (0x1D6, "t"),
            (0x200, "Attribute"),
            (0x23C, "saml"),
            (0x262, "u"),
            (0x2B4, "r"),
            (0x300, "http://schemas.xmlsoap.org/ws/2004/10/wsat/Completion"),
            (0x332, "mstx"),
            (0x372, "http://www.w3.org/2001/XMLSchema-instance"),
            (0x398, "base64Binary"),
            (0x3CC, "detail"),
        ] {
            assert_eq!(string(number), Some(text), "{number:#x}");
        }
        for number in [0x3CE, 0x01, 0x3CD, u32::MAX, u32::MAX - 1] {
            assert_eq!(string(number), None, "{number:#x}");
        }
    }
}
