//! The run lock: one process at a time writes objects of a deployment; and the one of password synchronisation, which goes on
//! beside a run. Readers never take either and never create their files.

use crate::StoreError;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Held while it lives; the operating system releases it when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct RunLock {
    _file: File,
}

pub(crate) fn lock_path(store: &Path) -> PathBuf {
    let mut name = store.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

fn passwords_lock_path(store: &Path) -> PathBuf {
    let mut name = store.as_os_str().to_owned();
    name.push(".passwords.lock");
    PathBuf::from(name)
}

impl RunLock {
    /// Takes the lock, or names the process that holds it.
    pub(crate) fn take(store: &Path) -> Result<Self, StoreError> {
        RunLock::take_file(lock_path(store), store)
    }

    /// Takes the lock of password synchronisation, or names the process that holds it.
    pub(crate) fn take_for_passwords(store: &Path) -> Result<Self, StoreError> {
        RunLock::take_file(passwords_lock_path(store), store)
    }

    fn take_file(path: PathBuf, store: &Path) -> Result<Self, StoreError> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|error| StoreError::io("opening the run lock", &path, &error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::Locked { path: store.to_owned(), pid: read_pid(&mut file) });
            }
            Err(TryLockError::Error(error)) => return Err(StoreError::io("locking", &path, &error)),
        }
        let written = file
            .set_len(0)
            .and_then(|()| file.seek(SeekFrom::Start(0)))
            .and_then(|_| file.write_all(format!("{}\n", std::process::id()).as_bytes()));
        written.map_err(|error| StoreError::io("writing the run lock", &path, &error))?;
        Ok(RunLock { _file: file })
    }

    /// Whether somebody writes now: a run, or password synchronisation. Opens files for reading only.
    pub(crate) fn is_held(store: &Path) -> bool {
        is_locked(&lock_path(store)) || is_locked(&passwords_lock_path(store))
    }

    /// Whether a run goes on.
    pub(crate) fn is_run_held(store: &Path) -> bool {
        is_locked(&lock_path(store))
    }

    /// Whether passwords are being synchronised.
    pub(crate) fn is_passwords_held(store: &Path) -> bool {
        is_locked(&passwords_lock_path(store))
    }
}

fn is_locked(path: &Path) -> bool {
    let Ok(file) = File::open(path) else { return false };
    matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
