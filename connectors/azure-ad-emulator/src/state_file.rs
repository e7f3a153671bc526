//! The state file: the whole directory as JSON, written to a temporary file beside it, synced and renamed, so that it is
//! whole at every instant. A file that cannot be read is an error, never a fresh start.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::directory::Directory;
use crate::tenant::TenantError;

const FORMAT: &str = "rehearsal tenant state";
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Written<'a> {
    format: &'static str,
    version: u32,
    directory: &'a Directory,
}

#[derive(Deserialize)]
struct Header {
    format: String,
    version: u32,
}

#[derive(Deserialize)]
struct Read {
    directory: Directory,
}

/// Reads the file; `None` if there is none yet.
pub(crate) fn read(path: &Path) -> Result<Option<Directory>, TenantError> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            return Err(TenantError::StateUnreadable { path: path.to_owned(), source });
        }
    };
    let damaged = |detail: String| TenantError::StateDamaged { path: path.to_owned(), detail };
    let header: Header = serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
    if header.format != FORMAT {
        return Err(damaged(format!("its format is '{}', not '{FORMAT}'", header.format)));
    }
    if header.version != VERSION {
        return Err(TenantError::StateVersion { path: path.to_owned(), found: header.version, known: VERSION });
    }
    let mut read: Read = serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
    read.directory.rebuild_indexes();
    Ok(Some(read.directory))
}

/// The bytes to write.
pub(crate) fn render(directory: &Directory) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&Written { format: FORMAT, version: VERSION, directory })
}

/// Puts the bytes in place of the file.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), TenantError> {
    let failed = |source| TenantError::StateUnwritable { path: path.to_owned(), source };
    let folder = folder_of(path);
    let mut temporary = tempfile::NamedTempFile::new_in(&folder).map_err(failed)?;
    {
        let mut writer = BufWriter::new(temporary.as_file_mut());
        writer.write_all(bytes).and_then(|()| writer.flush()).map_err(failed)?;
    }
    temporary.as_file().sync_all().map_err(failed)?;
    temporary.persist(path).map_err(|error| failed(error.error))?;
    // The rename itself reaches the disk with the folder.
    File::open(&folder).and_then(|folder| folder.sync_all()).map_err(failed)
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}
