//! Where a text may be cut. Positions are UTF-16 units; a character is what a reader takes for one: a surrogate pair, a
//! letter with its combining marks, an emoji of several code points (grapheme clusters of Unicode annex 29). Only CR LF
//! stays two characters, as everywhere in VBA.

use unicode_segmentation::UnicodeSegmentation as _;

/// Length in UTF-16 units.
pub(super) fn units(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.encode_utf16().count() }
}

/// Byte offset of the UTF-16 position; inside a character it is the start of that character, or its end.
pub(super) fn offset(text: &str, wanted: usize, inside_is_end: bool) -> usize {
    if text.is_ascii() {
        return wanted.min(text.len());
    }
    let mut passed = 0;
    for (offset, character) in text.grapheme_indices(true) {
        if passed >= wanted {
            return offset;
        }
        passed += units(character);
        if passed > wanted {
            return match character {
                "\r\n" => offset + 1,
                _ if inside_is_end => offset + character.len(),
                _ => offset,
            };
        }
    }
    text.len()
}
