//! Feeds what a fuzz target promises with its saved corpus, and with what becomes of each file by a fixed seed: cut, flipped,
//! overwritten, repeated, joined with another one. For plain tests (`#[path]`); a real fuzzer finds more, and what it finds
//! joins the corpus. A promise that is broken panics, and the file and the number of its change are told.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

/// Values that lengths, counts and types like to go wrong with.
const EDGES: [u8; 8] = [0x00, 0x01, 0x7f, 0x80, 0xff, b'"', b'\\', b'{'];
/// Of a file, so much is changed.
const LONGEST: usize = 16 * 1024;

/// Runs `promise` on every file of `corpus/TARGET` and on `changes` changed forms of each. How many inputs that were.
#[track_caller]
pub(crate) fn feed(target: &str, changes: u64, promise: impl Fn(&[u8])) -> usize {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fuzz/corpus")).join(target);
    let listed = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = listed.flatten().map(|entry| entry.path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    let corpus: Vec<Vec<u8>> = files.iter().map(|file| std::fs::read(file).expect("a file of the corpus")).collect();
    let mut fed = 0;
    for (file, bytes) in files.iter().zip(&corpus) {
        for number in 0..=changes {
            let input = if number == 0 { bytes.clone() } else { changed(bytes, &corpus, number) };
            let held = catch_unwind(AssertUnwindSafe(|| promise(&input)));
            assert!(held.is_ok(), "{}, change {number}: {}", file.display(), input.escape_ascii());
            fed += 1;
        }
    }
    fed
}

/// A changed form of a file; the same number, the same change.
fn changed(bytes: &[u8], corpus: &[Vec<u8>], number: u64) -> Vec<u8> {
    let mut random = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ bytes.len() as u64;
    // SplitMix64.
    let mut draw = |bound: usize| {
        random = random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound.max(1) as u64) as usize
    };
    let mut input = bytes[..bytes.len().min(LONGEST)].to_vec();
    for _ in 0..=draw(3) {
        let at = draw(input.len());
        match draw(6) {
            0 => input.truncate(at),
            1 if !input.is_empty() => input[at] ^= 1 << draw(8),
            2 if !input.is_empty() => input[at] = EDGES[draw(EDGES.len())],
            3 if !input.is_empty() => {
                let end = (at + draw(32) + 1).min(input.len());
                let part = input[at..end].to_vec();
                input.splice(at..at, part);
            }
            4 if !input.is_empty() => {
                let end = (at + draw(16) + 1).min(input.len());
                input.drain(at..end);
            }
            _ => {
                let other = &corpus[draw(corpus.len())];
                let from = draw(other.len());
                let end = (from + draw(64) + 1).min(other.len());
                input.splice(at..at, other[from..end].iter().copied());
            }
        }
    }
    input
}
