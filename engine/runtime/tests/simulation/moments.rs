//! The loss of a process: at a chosen moment of a run the store's files and the connected systems are kept as they are, and what
//! the run does afterwards happens in a world that is thrown away.

use crate::directory::{Directory, State, Watcher};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use sync_runtime::{Event, Events, StopSignal};

/// When a process is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// At the so manieth event, page or write.
    Any(u64),
    /// Before a write left, or after it arrived, whichever is the so manieth.
    Write(u64),
}

/// The world at the moment of the loss.
pub(crate) struct Lost {
    /// Files beside the store: the database and what of its log was written.
    files: Vec<(String, Vec<u8>)>,
    systems: Vec<State>,
}

#[derive(Default)]
struct Inner {
    passed: u64,
    /// Of these, the ones at a write.
    written: u64,
    lost_at: Option<Moment>,
    folder: PathBuf,
    stop: StopSignal,
    lost: Option<Lost>,
}

/// Counts the moments of a run, and takes the world down at one of them.
pub(crate) struct Moments {
    systems: Vec<Arc<Directory>>,
    inner: Mutex<Inner>,
}

impl Moments {
    pub(crate) fn new(systems: Vec<Arc<Directory>>) -> Arc<Self> {
        let moments = Arc::new(Moments { systems, inner: Mutex::default() });
        for system in &moments.systems {
            let watching = Arc::downgrade(&moments);
            let watcher: Watcher = Arc::new(move |writing| {
                if let Some(moments) = watching.upgrade() {
                    moments.pass(writing);
                }
            });
            *system.watcher.lock().unwrap_or_else(PoisonError::into_inner) = Some(watcher);
        }
        moments
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next run is lost at this moment, if it lasts that long.
    pub(crate) fn arm(&self, lost_at: Option<Moment>, folder: &Path, stop: StopSignal) {
        *self.inner() = Inner { passed: 0, written: 0, lost_at, folder: folder.to_owned(), stop, lost: None };
    }

    fn pass(&self, writing: bool) {
        let mut inner = self.inner();
        inner.passed += 1;
        inner.written += u64::from(writing);
        let is_now = match inner.lost_at {
            Some(Moment::Any(number)) => number == inner.passed,
            Some(Moment::Write(number)) => writing && number == inner.written,
            None => false,
        };
        if is_now && inner.lost.is_none() {
            let systems = self.systems.iter().map(|system| system.state().clone()).collect();
            inner.lost = Some(Lost { files: files_of(&inner.folder), systems });
            // Nobody needs the rest of it.
            inner.stop.stop();
        }
    }

    /// What was lost, with the systems as they were; the files go into `folder`.
    pub(crate) fn go_back(&self, folder: &Path) -> bool {
        let Some(lost) = self.inner().lost.take() else { return false };
        for (name, bytes) in &lost.files {
            std::fs::write(folder.join(name), bytes).unwrap();
        }
        for (system, state) in self.systems.iter().zip(lost.systems) {
            *system.state() = state;
        }
        true
    }
}

impl Events for Moments {
    fn emit(&self, _event: &Event) {
        self.pass(false);
    }

    fn wants_plans(&self) -> bool {
        true
    }
}

/// The index of the log is made anew from the log, as after a real loss.
fn files_of(folder: &Path) -> Vec<(String, Vec<u8>)> {
    ["metasync.db", "metasync.db-wal", "metasync.db-journal"]
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), std::fs::read(folder.join(name)).ok()?)))
        .collect()
}
