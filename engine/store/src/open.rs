//! Opening and closing the file: who may, in which state it must be, and that reading leaves it as it was.

use crate::db::Db;
use crate::error::{Fault, Inner};
use crate::lock::RunLock;
use crate::{StoreError, migrations};
use rusqlite::{Connection, OpenFlags};
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// Cache of the database, in KiB. What it does not hold, the operating system does.
const CACHE_KIB: i64 = 24 * 1024;

/// Size of a page, in bytes.
const PAGE: u32 = 8192;

/// A log that has grown to so many pages (256 MiB) is moved into the file. A page that many transactions write goes there once for
/// all of them.
const LONGEST_LOG_PAGES: u32 = 32_768;

/// The same in bytes.
pub(crate) const LONGEST_LOG: u64 = PAGE as u64 * LONGEST_LOG_PAGES as u64;

/// How long a statement waits for a lock that another process holds for a moment.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// The store of a deployment: connector spaces, metaverse, pending exports, history. One writer, on one thread.
pub struct Store {
    pub(crate) db: Db,
    path: PathBuf,
    _lock: Option<RunLock>,
    _scratch: Option<TempDir>,
    beside: Beside,
}

/// Whose lock a store is open under: the other one may be held too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beside {
    /// The run lock; passwords may be synchronised meanwhile.
    Passwords,
    /// The lock of password synchronisation; a run may go on meanwhile.
    ARun,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("path", &self.path).field("read_only", &self.db.read_only).finish_non_exhaustive()
    }
}

impl Store {
    /// Creates the store of a new deployment and takes the run lock. The file is readable by its owner alone: it holds
    /// people's data.
    pub fn create(path: &Path) -> Result<Store, StoreError> {
        if path.exists() {
            return Err(StoreError::AlreadyExists { path: path.to_owned() });
        }
        let lock = RunLock::take(path)?;
        create_private(path)?;
        Store::open_locked(path, Some(lock), None)
    }

    /// Opens an existing store for writing: takes the run lock, recovers what a crash left, and brings an older layout up
    /// to date.
    pub fn open(path: &Path) -> Result<Store, StoreError> {
        if !path.is_file() {
            return Err(StoreError::NotFound { path: path.to_owned() });
        }
        let lock = RunLock::take(path)?;
        Store::open_locked(path, Some(lock), None)
    }

    /// Opens a store for writing, creating it where there is none.
    pub fn open_or_create(path: &Path) -> Result<Store, StoreError> {
        if path.exists() { Store::open(path) } else { Store::create(path) }
    }

    /// Opens a store for reading. Writes nothing, takes no lock and leaves no file beside it; a run may go on at the same time.
    pub fn open_read_only(path: &Path) -> Result<Store, StoreError> {
        let sql = open_for_reading(path)?;
        let ready = |sql: Connection| -> Inner<Db> {
            let found = migrations::version(&sql, path)?;
            let known = migrations::known_version();
            if found < known {
                return Err(StoreError::Older { path: path.to_owned(), found, known }.into());
            }
            check_layout(&sql, found)?;
            sql.pragma_update(None, "cache_size", -CACHE_KIB)?;
            Db::new(sql, true)
        };
        let db = ready(sql).map_err(|fault| fault.during("opening the store"))?;
        Ok(Store { db, path: path.to_owned(), _lock: None, _scratch: None, beside: Beside::Passwords })
    }

    /// A private temporary store, removed when it is dropped.
    pub fn scratch() -> Result<Store, StoreError> {
        let (folder, path) = scratch_folder()?;
        create_private(&path)?;
        Store::open_locked(&path, None, Some(folder))
    }

    /// A private temporary copy of a deployment's store. A preview runs the real code on it; the deployment stays as it is,
    /// to the byte.
    pub fn scratch_copy(path: &Path) -> Result<Store, StoreError> {
        let source = open_for_reading(path)?;
        let (folder, copy) = scratch_folder()?;
        create_private(&copy)?;
        let copied = || -> Inner<()> {
            migrations::version(&source, path)?;
            let mut target = Connection::open(&copy)?;
            let backup = rusqlite::backup::Backup::new(&source, &mut target)?;
            backup.run_to_completion(4096, Duration::from_millis(1), None)?;
            Ok(())
        };
        copied().map_err(|fault| fault.during("copying the store for a preview"))?;
        Store::open_locked(&copy, None, Some(folder))
    }

    fn open_locked(path: &Path, lock: Option<RunLock>, scratch: Option<TempDir>) -> Result<Store, StoreError> {
        let is_scratch = scratch.is_some();
        let ready = || -> Inner<Db> {
            let sql =
                Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
            sql.busy_timeout(PATIENCE)?;
            // Before the first table: 8 KiB pages make random updates cheaper and the file smaller.
            sql.pragma_update(None, "page_size", PAGE)?;
            let found = migrations::version(&sql, path)?;
            check_size(&sql, path)?;
            sql.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
            // FULL costs nothing at about 10,000 rows a transaction, and a committed page is never lost.
            sql.pragma_update(None, "synchronous", if is_scratch { "OFF" } else { "FULL" })?;
            sql.pragma_update(None, "wal_autocheckpoint", LONGEST_LOG_PAGES)?;
            sql.pragma_update(None, "cache_size", -CACHE_KIB)?;
            sql.pragma_update(None, "foreign_keys", "OFF")?;
            sql.pragma_update(None, "temp_store", "MEMORY")?;
            if found > 0 {
                check_layout(&sql, found)?;
            }
            migrations::migrate_to(&sql, found, migrations::known_version())?;
            let mut db = Db::new(sql, false)?;
            db.waits_for_disk = !is_scratch;
            Ok(db)
        };
        let db = ready().map_err(|fault| fault.during("opening the store"))?;
        Ok(Store { db, path: path.to_owned(), _lock: lock, _scratch: scratch, beside: Beside::Passwords })
    }

    /// Under the lock of password synchronisation.
    pub(crate) fn open_beside_a_run(path: &Path, lock: RunLock) -> Result<Store, StoreError> {
        let mut store = Store::open_locked(path, Some(lock), None)?;
        store.beside = Beside::ARun;
        Ok(store)
    }

    /// Somebody else has the file open for writing: it is theirs to move the log into the file.
    fn is_left_to_others(&self) -> bool {
        match self.beside {
            Beside::ARun => RunLock::is_run_held(&self.path),
            Beside::Passwords => RunLock::is_passwords_held(&self.path),
        }
    }

    /// Where the store lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Rows that this opening of the store has inserted, changed and removed, run history excepted: what a step cost, and
    /// zero objects' worth of it when nothing changed. Keys that move from one tree into another count once.
    pub fn rows_written(&self) -> u64 {
        self.db.rows_written()
    }

    /// What the statements of this opening have cost so far, in steps of SQLite's virtual machine: the same on any machine, and
    /// the same in a store of any size where nothing looks through all of it.
    pub fn steps(&self) -> u64 {
        self.db.steps()
    }

    /// Closes the store and leaves one file, which readers can open without writing. Dropping it does the same, but tells
    /// no error.
    pub fn close(self) -> Result<(), StoreError> {
        if self.is_left_to_others() {
            return Ok(());
        }
        match self.db.settle_file().map_err(|fault| fault.during("closing the store")) {
            // A reader that is still open keeps the log in use; everything is committed, and the next writer settles it.
            Err(StoreError::Busy { .. }) => Ok(()),
            outcome => outcome,
        }
    }

    /// Looks at every page and every reference between rows; slow on a large store. Returns what is wrong, nothing when
    /// all is well.
    pub fn check_integrity(&self) -> Result<Vec<String>, StoreError> {
        self.db.read("checking the store", |db| {
            let mut findings: Vec<String> = db.all("PRAGMA integrity_check(100)", [], |row| row.get(0))?;
            findings.retain(|finding| finding != "ok");
            findings.extend(db.check_bodies()?);
            findings.extend(db.check_held_counts()?);
            findings.extend(db.check_keys()?);
            findings.extend(db.check_kept_back()?);
            Ok(findings)
        })
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if !self.db.read_only && !self.is_left_to_others() {
            // A reader that is still open keeps the log; the next writer settles it.
            let _left_for_the_next = self.db.settle_file();
        }
    }
}

impl Db {
    /// Moves the log into the file and switches it off, so that one file remains and a reader need not write.
    fn settle_file(&self) -> Inner<()> {
        if self.read_only {
            return Ok(());
        }
        if !self.sql.is_autocommit() {
            self.roll_back();
        }
        self.sql.flush_prepared_statement_cache();
        self.sql.busy_timeout(Duration::from_millis(500))?;
        #[cfg(feature = "fail-points")]
        fail::fail_point!("store-close");
        self.sql.pragma_update_and_check(None, "wal_checkpoint", "TRUNCATE", |_| Ok(()))?;
        #[cfg(feature = "fail-points")]
        fail::fail_point!("store-settled");
        self.sql.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(()))?;
        Ok(())
    }

    /// What is counted as held is what is held.
    fn check_held_counts(&self) -> Inner<Vec<String>> {
        self.all(
            "WITH counted AS (SELECT connector, members, code, number FROM held_count WHERE number <> 0), \
             held AS (SELECT connector, 0, code, count(*) FROM hold GROUP BY connector, code UNION ALL \
             SELECT connector, 1, code, count(*) FROM waiting_reference GROUP BY connector, code) \
             SELECT connector, code, 'counted' FROM (SELECT * FROM counted EXCEPT SELECT * FROM held) UNION ALL \
             SELECT connector, code, 'held' FROM (SELECT * FROM held EXCEPT SELECT * FROM counted)",
            [],
            |row| {
                let (connector, code, side): (i64, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
                Ok(format!("connector {connector}: what is held as {code} is not as often {side} as it should be"))
            },
        )
    }

    /// Only a refused create keeps references back: others would never be sent.
    fn check_kept_back(&self) -> Inner<Vec<String>> {
        let objects = self.ids(
            "SELECT DISTINCT object FROM pending_reference WHERE kept_back = 1 AND NOT EXISTS (SELECT 1 FROM pending_export e \
             WHERE e.object = pending_reference.object AND e.operation = 0 AND e.state = 2 AND e.retry = 0)",
            [],
        )?;
        Ok(objects
            .into_iter()
            .map(|id| format!("object {id}: its references wait for a create that is not refused"))
            .collect())
    }

    /// Every body that a head points at can be read.
    fn check_bodies(&self) -> Inner<Vec<String>> {
        let mut findings = Vec::new();
        let mut after = 0;
        loop {
            let page = self.ids("SELECT id FROM head WHERE id > ?1 ORDER BY id LIMIT 1000", [after])?;
            let Some(last) = page.last().copied() else { break };
            findings.extend(
                page.into_iter().filter_map(|id| problem(&format!("object {id}"), self.load_object(id).map(drop))),
            );
            after = last;
        }
        for id in self.ids("SELECT id FROM metaverse ORDER BY id", [])? {
            findings.extend(problem(&format!("metaverse object {id}"), self.load_metaverse(id).map(drop)));
        }
        Ok(findings)
    }
}

fn problem(what: &str, outcome: Inner<()>) -> Option<String> {
    outcome.err().map(|fault| format!("{what}: {}", fault.during("reading it")))
}

fn scratch_folder() -> Result<(TempDir, PathBuf), StoreError> {
    let folder = tempfile::Builder::new()
        .prefix("metasync-")
        .tempdir()
        .map_err(|error| StoreError::io("making a temporary folder in", std::env::temp_dir(), &error))?;
    let path = folder.path().join("scratch.db");
    Ok((folder, path))
}

fn create_private(path: &Path) -> Result<(), StoreError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop).map_err(|error| StoreError::io("creating the store", path, &error))
}

/// Bytes 18 and 19 of the file: 1 a rollback journal, 2 a write-ahead log. A file that was closed cleanly says 1.
fn says_log(path: &Path) -> Result<bool, StoreError> {
    let mut header = [0; 20];
    let mut file = File::open(path).map_err(|error| StoreError::io("opening the store", path, &error))?;
    match file.read_exact(&mut header) {
        Ok(()) => Ok(header[18] == 2),
        // Shorter than a header: SQLite itself says what it is.
        Err(_) => Ok(false),
    }
}

pub(crate) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

fn has_content(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.len() > 0)
}

/// A connection that writes nothing: not the file, and no log or lock file beside it.
fn open_for_reading(path: &Path) -> Result<Connection, StoreError> {
    if !path.is_file() {
        return Err(StoreError::NotFound { path: path.to_owned() });
    }
    let running = RunLock::is_held(path);
    let left_over = has_content(&beside(path, "-wal")) || has_content(&beside(path, "-journal"));
    if left_over && !running {
        return Err(StoreError::NeedsRecovery { path: path.to_owned() });
    }
    // With a writer running, its log and shared index are there and are used. Without one, a file that was not switched back
    // (a reader was open when it was closed) is complete by itself; SQLite must be told that nobody will change it.
    let immutable = !running && says_log(path)?;
    let parameters = if immutable { "mode=ro&immutable=1" } else { "mode=ro" };
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let opened = || -> Inner<Connection> {
        let sql = Connection::open_with_flags(uri(path, parameters)?, flags)?;
        sql.busy_timeout(PATIENCE)?;
        check_size(&sql, path)?;
        Ok(sql)
    };
    opened().map_err(|fault| fault.during("opening the store for reading"))
}

fn uri(path: &Path, parameters: &str) -> Inner<String> {
    let absolute = std::path::absolute(path).map_err(|error| StoreError::io("finding the store", path, &error))?;
    let Some(text) = absolute.to_str() else {
        return Err(StoreError::Missing { what: format!("the path {} is not readable as text", path.display()) }.into());
    };
    let escaped: String = text
        .chars()
        .map(|character| match character {
            '%' => "%25".to_owned(),
            '?' => "%3f".to_owned(),
            '#' => "%23".to_owned(),
            plain => plain.to_string(),
        })
        .collect();
    Ok(format!("file:{escaped}?{parameters}"))
}

/// A file that is shorter than its own header says was cut off.
fn check_size(sql: &Connection, path: &Path) -> Inner<()> {
    if has_content(&beside(path, "-wal")) {
        return Ok(());
    }
    let pragma = |name: &str| -> Inner<u64> {
        let value: i64 = sql.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0))?;
        Ok(u64::try_from(value).unwrap_or(0))
    };
    let wanted = pragma("page_count")?.saturating_mul(pragma("page_size")?);
    let mut header = [0; 32];
    let claimed = File::open(path)
        .and_then(|mut file| file.read_exact(&mut header))
        .map_or(0, |()| u64::from(u32::from_be_bytes([header[28], header[29], header[30], header[31]])));
    let claimed = claimed.saturating_mul(pragma("page_size")?);
    let length = path.metadata().map(|metadata| metadata.len()).unwrap_or(0);
    if length > 0 && length < wanted.max(claimed) {
        return Err(Fault::damaged(format!(
            "{} has {length} bytes and should have {}",
            path.display(),
            wanted.max(claimed)
        )));
    }
    Ok(())
}

/// The tables are those of the layout that the file claims.
fn check_layout(sql: &Connection, version: i64) -> Inner<()> {
    let is_as_it_should = match version == migrations::known_version() {
        true => migrations::layout(sql)? == migrations::KNOWN_LAYOUT,
        false => {
            let model = Connection::open_in_memory()?;
            migrations::migrate_to(&model, 0, version)?;
            migrations::layout(sql)? == migrations::layout(&model)?
        }
    };
    if is_as_it_should {
        return Ok(());
    }
    Err(Fault::damaged(format!("its tables are not those of layout {version}")))
}
