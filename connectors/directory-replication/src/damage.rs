//! Recorded answers of a domain controller, and what damage does to them: for the tests of every parser here.

use crate::auth::SessionKey;
use proptest::test_runner::{Config, TestRunner};
use std::path::Path;
use zeroize::Zeroizing;

/// A recorded answer of a Samba domain controller of the lab; see `examples/record.rs`.
pub(crate) fn golden(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The key that the recorder drew.
pub(crate) fn conversation_key() -> SessionKey {
    Zeroizing::new(*b"recorded session")
}

/// Every beginning of a message.
pub(crate) fn cut(message: &[u8], mut judge: impl FnMut(&[u8])) {
    for length in 0..message.len() {
        judge(&message[..length]);
    }
}

/// A message with some of its bits turned, and with some of its words replaced by numbers that are too large: nothing is
/// judged but that the reader returns.
pub(crate) fn flipped(message: &[u8], judge: impl Fn(&[u8])) {
    let places = proptest::collection::vec((0..message.len(), 0u8..=255), 1..8);
    let words = proptest::collection::vec((0..message.len().div_ceil(4), proptest::sample::select(LARGE)), 0..3);
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&(places, words), |(places, words)| {
        let mut damaged = message.to_vec();
        for (at, mask) in places {
            damaged[at] ^= mask;
        }
        for (word, value) in words {
            for (byte, value) in damaged.iter_mut().skip(word * 4).take(4).zip(value.to_le_bytes()) {
                *byte = value;
            }
        }
        judge(&damaged);
        Ok(())
    });
    outcome.unwrap();
}

const LARGE: &[u32] = &[u32::MAX, u32::MAX / 2 + 1, 0x1000_0000, 0xffff, 0];
