//! Further views of an open store, for threads that make the plans of the next page while this one is applied. They see whole
//! transactions and write nothing. What the writer changes meanwhile is remembered by the store, and such a plan is stale
//! (`PlanPage::is_stale`).

use super::StoreView;
use crate::db::Db;
use crate::error::Inner;
use crate::open::{LONGEST_LOG, PATIENCE, beside};
use crate::{Store, StoreError};
use rusqlite::{Connection, OpenFlags};
use std::fmt;
use std::time::Duration;

/// Cache of all views together, in KiB: pages of the next objects, which are read once.
const CACHE_KIB: i64 = 16 * 1024;
/// Least cache of one.
const SMALLEST_CACHE_KIB: i64 = 2 * 1024;

/// Reads the store beside its writer. Belongs to one thread at a time.
pub struct StoreReader {
    db: Db,
}

impl fmt::Debug for StoreReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreReader").finish_non_exhaustive()
    }
}

impl Store {
    /// So many further views of this store, with the rules that were registered. From here to `end_look_ahead` each page also
    /// remembers what the one before it changed.
    pub fn look_ahead(&mut self, views: usize) -> Result<Vec<StoreReader>, StoreError> {
        let cache = CACHE_KIB / i64::try_from(views.max(1)).unwrap_or(i64::MAX);
        let views = (0..views).map(|_| self.further_view(cache.max(SMALLEST_CACHE_KIB)));
        let views = views.collect::<Result<_, _>>()?;
        self.db.looks_ahead.set(true);
        Ok(views)
    }

    fn further_view(&self, cache_kib: i64) -> Result<StoreReader, StoreError> {
        let opened = || -> Inner<Db> {
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let sql = Connection::open_with_flags(self.path(), flags)?;
            sql.busy_timeout(PATIENCE)?;
            sql.pragma_update(None, "cache_size", -cache_kib)?;
            Db::new(sql, true)
        };
        let db = opened().map_err(|fault| fault.during("opening a second view of the store"))?;
        *db.rules.borrow_mut() = self.db.rules.borrow().clone();
        Ok(StoreReader { db })
    }

    pub fn end_look_ahead(&mut self) {
        self.db.looks_ahead.set(false);
        self.db.forget_touched();
    }

    /// Moves a long log into the file. A view that is nearly always open keeps SQLite from starting the log anew by itself, so
    /// this is called between two of them.
    pub fn trim_log(&mut self) -> Result<(), StoreError> {
        let length = beside(self.path(), "-wal").metadata().map_or(0, |log| log.len());
        if length <= LONGEST_LOG {
            return Ok(());
        }
        let move_it = || -> Inner<()> {
            // Another process that reads is not waited for; the next call tries again.
            self.db.sql.busy_timeout(Duration::ZERO)?;
            self.db.sql.pragma_update_and_check(None, "wal_checkpoint", "TRUNCATE", |_| Ok(()))?;
            self.db.sql.busy_timeout(PATIENCE)?;
            Ok(())
        };
        move_it().map_err(|fault| fault.during("moving the log into the store"))
    }
}

impl StoreReader {
    /// One consistent view for everything that `work` asks.
    pub fn view<T>(&self, work: impl FnOnce(&StoreView<'_>) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let outcome = self.db.read("reading ahead", |db| {
            // Names that the writer gave since the last view.
            db.names.reload(&db.sql)?;
            Ok(work(&StoreView { db }))
        });
        outcome?
    }
}
