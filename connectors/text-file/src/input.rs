//! Opens a file and turns its bytes into UTF-8; writes a file whole or not at all. Never interprets what is in it.

use crate::Encoding;
use connector_contract::{ConnectorError, ErrorKind};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use std::time::SystemTime;

/// Length and time of last change: when they move while a file is read, the reading is worth nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) length: u64,
    pub(crate) modified: Option<SystemTime>,
}

impl Stamp {
    pub(crate) fn of(path: &Path) -> io::Result<Stamp> {
        std::fs::metadata(path).map(|metadata| Stamp::from(&metadata))
    }

    fn from(metadata: &std::fs::Metadata) -> Stamp {
        Stamp { length: metadata.len(), modified: metadata.modified().ok() }
    }
}

/// An open file, decoded.
pub(crate) struct Input {
    pub(crate) text: Box<dyn BufRead>,
    pub(crate) stamp: Stamp,
    handle: File,
}

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "an open file of {} bytes", self.stamp.length)
    }
}

impl Input {
    pub(crate) fn open(path: &Path, encoding: Encoding) -> Result<Input, ConnectorError> {
        let handle = File::open(path).map_err(|error| cannot_open(path, &error))?;
        let metadata = handle.metadata().map_err(|error| cannot_open(path, &error))?;
        if !metadata.is_file() {
            let what = if metadata.is_dir() { "is a directory" } else { "is not a regular file" };
            return Err(cannot_start(path, "no-start-file-open", what, "name the file itself in `path`"));
        }
        let reading = handle.try_clone().map_err(|error| cannot_open(path, &error))?;
        let mut bytes = BufReader::with_capacity(1 << 16, reading);
        let start = bytes.fill_buf().map_err(|error| broken(path, &error))?;
        let (little, big) = (start.starts_with(&[0xff, 0xfe]), start.starts_with(&[0xfe, 0xff]));
        let text: Box<dyn BufRead> = match encoding {
            Encoding::Utf8 if little || big || start.iter().take(4).any(|byte| *byte == 0) => {
                return Err(cannot_start(
                    path,
                    "no-start-file-format",
                    "is not UTF-8; it begins like UTF-16",
                    "set encoding = \"utf-16\" for this connector, or save the file as UTF-8",
                ));
            }
            Encoding::Utf8 => {
                if start.starts_with(&[0xef, 0xbb, 0xbf]) {
                    bytes.consume(3);
                }
                Box::new(bytes)
            }
            Encoding::Utf16 if start.is_empty() => Box::new(bytes),
            Encoding::Utf16 if little || big => {
                bytes.consume(2);
                Box::new(BufReader::new(Utf16::new(bytes, big)))
            }
            Encoding::Utf16 => {
                return Err(cannot_start(
                    path,
                    "no-start-file-format",
                    "has no UTF-16 byte order mark",
                    "save it as UTF-16 with a byte order mark, or set encoding = \"utf-8\"",
                ));
            }
        };
        let stamp = Stamp::from(&metadata);
        Ok(Input { text, stamp, handle })
    }

    /// A check to be made after the last record: that nobody wrote into the file meanwhile (SF15).
    pub(crate) fn witness(&self, path: &Path) -> Result<Witness, ConnectorError> {
        let handle = self.handle.try_clone().map_err(|error| broken(path, &error))?;
        let stamp = self.stamp;
        Ok(Witness { handle, stamp })
    }
}

pub(crate) struct Witness {
    handle: File,
    stamp: Stamp,
}

impl Witness {
    pub(crate) fn unchanged(&self, path: &Path) -> Result<(), ConnectorError> {
        let now = self.handle.metadata().map_err(|error| broken(path, &error))?;
        if Stamp::from(&now) == self.stamp {
            return Ok(());
        }
        let message = "the file was written to while it was being read";
        let remedy = "write it under another name and rename it when it is complete, then run again";
        Err(ConnectorError::new(ErrorKind::Connection, reading(path), message, remedy))
    }
}

/// Replaces `path` by what `write` writes: temporary file in the same folder, flushed to disk, renamed over it. Fails
/// with nothing written; `Ok(false)` when the file is in place but the folder could not be flushed.
pub(crate) fn replace(
    path: &Path,
    expected: Option<Stamp>,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<bool, ConnectorError> {
    let attempted = || format!("writing {}", path.display());
    let failed = |error: io::Error| {
        ConnectorError::new(
            ErrorKind::CannotStart { status: "no-start-file-access-denied" },
            attempted(),
            error.to_string(),
            "make the folder writable for this user and see that the disk has room; the old file is untouched",
        )
    };
    // A link stays a link: what it points at is replaced.
    let real = if path.exists() { path.canonicalize().map_err(failed)? } else { path.to_owned() };
    let folder = match real.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => ".".into(),
    };
    let mut temporary = tempfile::Builder::new().prefix(".metasync-").tempfile_in(&folder).map_err(failed)?;
    let mut buffer = io::BufWriter::new(temporary.as_file_mut());
    write(&mut buffer).and_then(|()| buffer.flush()).map_err(failed)?;
    drop(buffer);
    if let Ok(metadata) = std::fs::metadata(&real) {
        temporary.as_file().set_permissions(metadata.permissions()).map_err(failed)?;
    }
    temporary.as_file().sync_all().map_err(failed)?;
    if Stamp::of(&real).ok() != expected {
        let kind = ErrorKind::Connection;
        let message = "somebody else changed the file during the export; nothing was written";
        return Err(ConnectorError::new(kind, attempted(), message, "run the export again"));
    }
    temporary.persist(&real).map_err(|error| failed(error.error))?;
    Ok(File::open(&folder).and_then(|folder| folder.sync_all()).is_ok())
}

/// Text in the encoding of the file; UTF-16 little endian with its byte order mark, as Windows writes it.
pub(crate) fn encode(utf8: Vec<u8>, encoding: Encoding) -> Vec<u8> {
    match encoding {
        Encoding::Utf8 => utf8,
        Encoding::Utf16 => {
            let text = String::from_utf8_lossy(&utf8);
            let units = std::iter::once(0xfeff).chain(text.encode_utf16());
            units.flat_map(u16::to_le_bytes).collect()
        }
    }
}

pub(crate) fn reading(path: &Path) -> String {
    format!("reading {}", path.display())
}

/// An error that stops a step before anything was taken from the file.
pub(crate) fn cannot_start(path: &Path, status: &'static str, problem: &str, remedy: &str) -> ConnectorError {
    ConnectorError::new(ErrorKind::CannotStart { status }, reading(path), format!("the file {problem}"), remedy)
}

/// An error of the disk in the middle of a file.
pub(crate) fn broken(path: &Path, error: &io::Error) -> ConnectorError {
    ConnectorError::new(ErrorKind::Connection, reading(path), error.to_string(), "run again when the disk answers")
}

fn cannot_open(path: &Path, error: &io::Error) -> ConnectorError {
    match error.kind() {
        io::ErrorKind::NotFound => cannot_start(
            path,
            "no-start-file-not-found",
            "does not exist",
            "put it there or correct `path`; a target that starts empty needs an empty file and allow_empty = true",
        ),
        io::ErrorKind::PermissionDenied => cannot_start(
            path,
            "no-start-file-access-denied",
            "may not be read by this user",
            "grant read permission on it and on its folders",
        ),
        _ => cannot_start(path, "no-start-file-open", &format!("cannot be opened: {error}"), "check the path"),
    }
}

/// UTF-16 to UTF-8. What is no character becomes the byte FF, which is in no UTF-8 text: the record it stands in is
/// then reported like any other that is not text.
struct Utf16<R> {
    bytes: R,
    big: bool,
    /// First byte of a unit whose second one has not come yet.
    half: Option<u8>,
    high: Option<u16>,
    ended: bool,
    ready: io::Cursor<Vec<u8>>,
}

impl<R: BufRead> Utf16<R> {
    fn new(bytes: R, big: bool) -> Self {
        Utf16 { bytes, big, half: None, high: None, ended: false, ready: io::Cursor::default() }
    }

    fn fill(&mut self) -> io::Result<()> {
        let mut out = Vec::new();
        let chunk = self.bytes.fill_buf()?;
        let taken = chunk.len();
        for byte in chunk {
            let Some(first) = self.half.take() else {
                self.half = Some(*byte);
                continue;
            };
            let pair = [first, *byte];
            let unit = if self.big { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) };
            match (self.high.take(), unit) {
                (None, 0xd800..0xdc00) => self.high = Some(unit),
                (None, _) => push_units(&[unit], &mut out),
                (Some(_), 0xd800..0xdc00) => {
                    out.push(0xff);
                    self.high = Some(unit);
                }
                (Some(high), _) => push_units(&[high, unit], &mut out),
            }
        }
        if taken == 0 {
            self.ended = true;
            if self.half.is_some() || self.high.is_some() {
                out.push(0xff);
            }
        }
        self.bytes.consume(taken);
        self.ready = io::Cursor::new(out);
        Ok(())
    }
}

fn push_units(units: &[u16], out: &mut Vec<u8>) {
    for decoded in char::decode_utf16(units.iter().copied()) {
        match decoded {
            Ok(character) => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
            Err(_) => out.push(0xff),
        }
    }
}

impl<R: BufRead> Read for Utf16<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.ready.read(into)?;
            if count > 0 || into.is_empty() {
                return Ok(count);
            }
            if self.ended {
                return Ok(0);
            }
            self.fill()?;
        }
    }
}
