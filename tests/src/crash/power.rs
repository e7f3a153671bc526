//! A loss of power, on SQLite's write-ahead log (sqlite.org/fileformat2.html, section 4): what was synced stays, what was
//! written after it may be there in part, torn in the middle of a frame, or not at all.

use std::path::Path;

const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;

/// Where the log ends after the loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// Behind the last commit, which was synced: of a transaction after it, half a frame is there.
    BehindLastCommit,
    /// Within the last transaction, which was written and not yet synced: so many of its frames are there, and half of the
    /// next.
    WithinLast { frames: usize },
}

/// The frames of a log that belong to it: a log that was begun anew keeps older ones behind.
pub(super) struct Log {
    bytes: Vec<u8>,
    frame: usize,
    /// For each frame, whether it ends a transaction.
    commits: Vec<bool>,
}

impl Log {
    /// None where there is no log, or nothing in it.
    pub(super) fn read(path: &Path) -> Option<Log> {
        let bytes = std::fs::read(path).ok().filter(|bytes| bytes.len() > HEADER)?;
        let number = |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let page = usize::try_from(number(8)).ok()?;
        let frame = FRAME_HEADER + page;
        let salts = (number(16), number(20));
        let mut commits = Vec::new();
        let mut at = HEADER;
        while at + frame <= bytes.len() && (number(at + 8), number(at + 12)) == salts {
            commits.push(number(at + 4) != 0);
            at += frame;
        }
        (!commits.is_empty()).then_some(Log { bytes, frame, commits })
    }

    /// Frames up to and with the last commit, and with the one before it.
    fn committed(&self) -> (usize, usize) {
        let mut ends = self.commits.iter().enumerate().filter(|(_, commit)| **commit).map(|(at, _)| at + 1).rev();
        let last = ends.next().unwrap_or(0);
        (last, ends.next().unwrap_or(0))
    }

    /// Frames of the last transaction.
    pub(super) fn last_transaction(&self) -> usize {
        let (last, before) = self.committed();
        last - before
    }

    /// The log as the loss leaves it.
    pub(super) fn cut(&self, cut: Cut) -> Vec<u8> {
        let (last, before) = self.committed();
        let whole = match cut {
            Cut::BehindLastCommit => last,
            Cut::WithinLast { frames } => before + frames,
        };
        let end = HEADER + whole * self.frame;
        let mut left = self.bytes[..end].to_vec();
        // The torn frame carries the right salts: only its checksum tells that it is not whole.
        let from = if whole < self.commits.len() { end } else { HEADER };
        left.extend_from_slice(&self.bytes[from..from + FRAME_HEADER + (self.frame - FRAME_HEADER) / 2]);
        left
    }
}
