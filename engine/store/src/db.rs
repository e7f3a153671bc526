//! The open database with its caches: the names, the registered rules, the places of this call, and what the current page
//! of plans has touched. Runs statements; decides nothing.

use crate::error::{Fault, Inner, StoreError};
use crate::key_trees::Recent;
use crate::names::Names;
use foldhash::fast::FixedState;
use metaverse_schema::Dn;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, Params, Row, Statement, StatementStatus};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use sync_rules::{RuleSet, WatchedGroup};

/// Rules as registered, with the interned number of each join key.
#[derive(Clone)]
pub(crate) struct Rules {
    pub(crate) rules: Arc<RuleSet>,
    /// By position in `RuleSet::keys`; None: not known to a read-only store.
    pub(crate) keys: Vec<Option<i64>>,
    /// Number of the snapshot.
    pub(crate) snapshot: Option<i64>,
    /// Groups that scope clauses name.
    pub(crate) watched: Vec<WatchedGroup>,
}

/// What plans of one page have changed so far: asked for everything that each plan has read.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    pub(crate) objects: HashSet<i64, FixedState>,
    pub(crate) metaverse: HashSet<i64, FixedState>,
    pub(crate) keys: HashSet<(i64, Vec<u8>), FixedState>,
    /// Connectors in which a place changed.
    pub(crate) places: HashSet<i64, FixedState>,
}

/// Objects, each with the metaverse object whose other objects are meant too.
pub(crate) type ChangedMembers = BTreeSet<(i64, Option<i64>)>;

pub(crate) struct Db {
    pub(crate) sql: Connection,
    pub(crate) names: Names,
    pub(crate) rules: RefCell<Option<Rules>>,
    pub(crate) places: RefCell<HashMap<i64, Option<Dn>>>,
    pub(crate) touched: RefCell<Option<Touched>>,
    /// The same of the page before, and of what was written since; kept while plans are made a page ahead.
    pub(crate) touched_before: RefCell<Option<Touched>>,
    /// Of which objects the plan that is being applied changed what their rows depend on; none outside of one.
    pub(crate) changed_members: RefCell<Option<ChangedMembers>>,
    /// Plans of the next page are made while one is applied.
    pub(crate) looks_ahead: Cell<bool>,
    pub(crate) read_only: bool,
    /// A commit returns when it stands on the disk: not so in a scratch store.
    pub(crate) waits_for_disk: bool,
    /// Attributes of never-sync groups changed members in this transaction.
    pub(crate) never_sync_stale: Cell<bool>,
    /// The same for groups that scope clauses name.
    pub(crate) watched_stale: Cell<bool>,
    /// Whether anybody carries a key, by its number, as far as it was asked in this view or transaction.
    pub(crate) carried_keys: RefCell<HashMap<i64, bool, FixedState>>,
    /// The small trees of keys, by side.
    pub(crate) recent_keys: Cell<[Recent; 2]>,
    /// The object asked last for its connector, which it never changes.
    pub(crate) last_connector: Cell<Option<(i64, i64)>>,
    /// Rows among those that this connection has written that are no object's: run history, and keys that go from the small tree
    /// into the large one.
    history_rows: Cell<u64>,
    steps: Cell<u64>,
}

impl Db {
    pub(crate) fn new(sql: Connection, read_only: bool) -> Inner<Self> {
        sql.set_prepared_statement_cache_capacity(256);
        // Plans must not depend on the values bound: otherwise statements over partial indexes are prepared anew at every call.
        sql.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        let names = Names::load(&sql)?;
        Ok(Db {
            sql,
            names,
            rules: RefCell::new(None),
            places: RefCell::default(),
            touched: RefCell::default(),
            touched_before: RefCell::default(),
            changed_members: RefCell::default(),
            looks_ahead: Cell::new(false),
            read_only,
            waits_for_disk: false,
            never_sync_stale: Cell::new(false),
            watched_stale: Cell::new(false),
            carried_keys: RefCell::default(),
            recent_keys: Cell::default(),
            last_connector: Cell::new(None),
            history_rows: Cell::new(0),
            steps: Cell::new(0),
        })
    }

    /// Runs a statement; returns the number of rows it changed.
    ///
    /// SQLite undoes by itself what a failing statement has changed. For that it copies each page of the file before a statement
    /// that may change several rows, or has triggers, writes to it. A failure undoes the whole transaction here, so statements
    /// that run for every object say `OR FAIL` and spare the copies. Not where a trigger relies on `OR IGNORE`, which the word of
    /// the statement takes the place of.
    pub(crate) fn run(&self, statement: &str, parameters: impl Params) -> Inner<usize> {
        let mut statement = self.sql.prepare_cached(statement)?;
        let changed = statement.execute(parameters)?;
        self.count_steps(&statement);
        Ok(changed)
    }

    /// At most one row.
    pub(crate) fn one<T>(
        &self,
        query: &str,
        parameters: impl Params,
        map: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Inner<Option<T>> {
        let mut statement = self.sql.prepare_cached(query)?;
        let mut rows = statement.query(parameters)?;
        let found = match rows.next()? {
            Some(row) => Some(map(row)?),
            None => None,
        };
        drop(rows);
        self.count_steps(&statement);
        Ok(found)
    }

    /// As [`Db::one`], where what is made of the row may be damaged too: it is read where it stands, without a copy.
    pub(crate) fn taken<T>(
        &self,
        query: &str,
        parameters: impl Params,
        take: impl FnOnce(&Row<'_>) -> Inner<T>,
    ) -> Inner<Option<T>> {
        let taken = self.one(query, parameters, |row| Ok(take(row)))?;
        taken.transpose()
    }

    /// Visits each row where it stands.
    pub(crate) fn each(
        &self,
        query: &str,
        parameters: impl Params,
        mut visit: impl FnMut(&Row<'_>) -> Inner<()>,
    ) -> Inner<()> {
        let mut statement = self.sql.prepare_cached(query)?;
        let mut rows = statement.query(parameters)?;
        while let Some(row) = rows.next()? {
            visit(row)?;
        }
        drop(rows);
        self.count_steps(&statement);
        Ok(())
    }

    /// Whether rows, in the order of a query, are what is expected of them, one for each.
    pub(crate) fn each_is<E>(
        &self,
        query: &str,
        parameters: impl Params,
        expected: &[E],
        mut is: impl FnMut(&Row<'_>, &E) -> Inner<bool>,
    ) -> Inner<bool> {
        let mut statement = self.sql.prepare_cached(query)?;
        let mut rows = statement.query(parameters)?;
        let mut expected = expected.iter();
        let same = loop {
            match (rows.next()?, expected.next()) {
                (None, None) => break true,
                (Some(row), Some(expected)) if is(row, expected)? => {}
                _ => break false,
            }
        };
        drop(rows);
        self.count_steps(&statement);
        Ok(same)
    }

    pub(crate) fn all<T>(
        &self,
        query: &str,
        parameters: impl Params,
        map: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Inner<Vec<T>> {
        let mut statement = self.sql.prepare_cached(query)?;
        let rows = statement.query_map(parameters, map)?.collect::<Result<_, _>>()?;
        self.count_steps(&statement);
        Ok(rows)
    }

    /// Numbers in the first column.
    pub(crate) fn ids(&self, query: &str, parameters: impl Params) -> Inner<Vec<i64>> {
        self.all(query, parameters, |row| row.get(0))
    }

    pub(crate) fn count(&self, query: &str, parameters: impl Params) -> Inner<u64> {
        let number: i64 = self.one(query, parameters, |row| row.get(0))?.unwrap_or(0);
        u64::try_from(number).map_err(|_| Fault::damaged(format!("a count of {number}")))
    }

    pub(crate) fn exists(&self, query: &str, parameters: impl Params) -> Inner<bool> {
        let mut statement = self.sql.prepare_cached(query)?;
        let exists = statement.exists(parameters)?;
        self.count_steps(&statement);
        Ok(exists)
    }

    /// A statement that fails is not counted: it ends its transaction.
    fn count_steps(&self, statement: &Statement<'_>) {
        let steps = u64::try_from(statement.reset_status(StatementStatus::VmStep)).unwrap_or(0);
        self.steps.set(self.steps.get().saturating_add(steps));
    }

    /// Steps of SQLite's virtual machine since the store was opened (`SQLITE_STMTSTATUS_VM_STEP`): what the statements looked at
    /// and changed, the same on any machine. A view that looks ahead is not part of it.
    pub(crate) fn steps(&self) -> u64 {
        self.steps.get()
    }

    pub(crate) fn begin(&self) -> Inner<()> {
        if self.read_only {
            return Err(StoreError::ReadOnly { doing: String::new() }.into());
        }
        self.forget_view();
        self.sql.execute_batch("BEGIN IMMEDIATE")?;
        Ok(())
    }

    pub(crate) fn commit(&self) -> Inner<()> {
        #[cfg(feature = "fail-points")]
        fail::fail_point!("store-commit");
        self.sql.execute_batch("COMMIT")?;
        // Passed only by a connection that syncs each commit: what stands in the log now survives a loss of power.
        #[cfg(feature = "fail-points")]
        fail::fail_point!("store-committed", self.syncs_commits(), |_| Ok(()));
        Ok(())
    }

    #[cfg(feature = "fail-points")]
    fn syncs_commits(&self) -> bool {
        const FULL: i64 = 2;
        self.sql.pragma_query_value(None, "synchronous", |row| row.get::<_, i64>(0)).is_ok_and(|level| level >= FULL)
    }

    /// Undoes the open transaction; the caches forget what it had added.
    pub(crate) fn roll_back(&self) {
        // Some errors (a full disk) have already rolled back; then there is nothing left to undo.
        let _already_undone = self.sql.execute_batch("ROLLBACK");
        self.forget_view();
        self.forget_recent_keys();
        self.never_sync_stale.set(false);
        self.watched_stale.set(false);
        // When the names cannot be read again, every later use of a new number is reported as damage: nothing is guessed.
        let _kept = self.names.reload(&self.sql);
    }

    /// One transaction: all of `work` or nothing.
    pub(crate) fn write<T>(&self, doing: &str, work: impl FnOnce(&Db) -> Inner<T>) -> Result<T, StoreError> {
        self.begin().map_err(|fault| fault.during(doing))?;
        let outcome = work(self).and_then(|value| {
            self.refresh_groups_if_stale()?;
            self.settle_recent_keys()?;
            self.commit()?;
            Ok(value)
        });
        outcome.map_err(|fault| {
            self.roll_back();
            fault.during(doing)
        })
    }

    /// As [`Db::write`], for what only tells how far a step is. It is not waited for until it stands on the disk: the next
    /// transaction that is takes it along, as the log is written in order, and closing does. A loss of power in between takes
    /// nothing but this.
    pub(crate) fn note<T>(&self, doing: &str, work: impl FnOnce(&Db) -> Inner<T>) -> Result<T, StoreError> {
        let level = |level: &str| {
            let set = self.sql.pragma_update(None, "synchronous", level);
            set.map_err(|error| Fault::from(error).during(doing))
        };
        if !self.waits_for_disk {
            return self.write(doing, work);
        }
        level("NORMAL")?;
        let outcome = self.write(doing, work);
        level("FULL")?;
        outcome
    }

    /// As [`Db::note`], for what belongs to run history: its rows do not count as written for an object.
    pub(crate) fn record<T>(&self, doing: &str, work: impl FnOnce(&Db) -> Inner<T>) -> Result<T, StoreError> {
        self.counted_as_history(|| self.note(doing, work))
    }

    /// As [`Db::record`], of what an operator was told: it stands on the disk then.
    pub(crate) fn record_for_good<T>(&self, doing: &str, work: impl FnOnce(&Db) -> Inner<T>) -> Result<T, StoreError> {
        self.counted_as_history(|| self.write(doing, work))
    }

    fn counted_as_history<T>(&self, work: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
        let before = self.sql.total_changes();
        let outcome = work();
        self.count_as_history(self.sql.total_changes().saturating_sub(before));
        outcome
    }

    pub(crate) fn count_as_history(&self, rows: u64) {
        self.history_rows.set(self.history_rows.get().saturating_add(rows));
    }

    /// Rows inserted, changed and removed since the store was opened, without those of run history and without keys that go
    /// from the small tree into the large one. Rows of a transaction that was undone count: they were written.
    pub(crate) fn rows_written(&self) -> u64 {
        self.sql.total_changes().saturating_sub(self.history_rows.get())
    }

    /// One consistent view of the data.
    pub(crate) fn read<T>(&self, doing: &str, work: impl FnOnce(&Db) -> Inner<T>) -> Result<T, StoreError> {
        self.forget_view();
        if !self.sql.is_autocommit() {
            return work(self).map_err(|fault| fault.during(doing));
        }
        self.sql.execute_batch("BEGIN DEFERRED").map_err(|error| Fault::from(error).during(doing))?;
        let outcome = work(self);
        let ended = self.sql.execute_batch("ROLLBACK");
        let value = outcome.map_err(|fault| fault.during(doing))?;
        ended.map_err(|error| Fault::from(error).during(doing))?;
        Ok(value)
    }

    /// What was remembered of one view of the data is not true of the next one.
    fn forget_view(&self) {
        self.places.borrow_mut().clear();
        self.carried_keys.borrow_mut().clear();
        self.forget_view_of_keys();
        self.last_connector.set(None);
    }

    pub(crate) fn touch_object(&self, id: i64) {
        if let Some(touched) = self.touched.borrow_mut().as_mut() {
            touched.objects.insert(id);
        }
    }

    pub(crate) fn touch_metaverse(&self, id: i64) {
        if let Some(touched) = self.touched.borrow_mut().as_mut() {
            touched.metaverse.insert(id);
        }
    }

    pub(crate) fn touch_key(&self, key: i64, value: &[u8]) {
        if let Some(touched) = self.touched.borrow_mut().as_mut() {
            touched.keys.insert((key, value.to_vec()));
        }
    }

    pub(crate) fn touch_places(&self, connector: i64) {
        self.places.borrow_mut().clear();
        if let Some(touched) = self.touched.borrow_mut().as_mut() {
            touched.places.insert(connector);
        }
    }

    /// A page of plans begins.
    pub(crate) fn touch_nothing_yet(&self) {
        let before = self.touched.borrow_mut().replace(Touched::default());
        *self.touched_before.borrow_mut() = before;
    }

    /// A page of plans is committed. What it changed is remembered while the next one was made without seeing it.
    pub(crate) fn page_ended(&self) {
        if !self.looks_ahead.get() {
            self.forget_touched();
        }
    }

    pub(crate) fn forget_touched(&self) {
        self.touched.borrow_mut().take();
        self.touched_before.borrow_mut().take();
    }

    /// Whether a question about what the page, or the one before it, has changed answers yes.
    pub(crate) fn any_touched(&self, is_touched: impl Fn(&Touched) -> bool) -> bool {
        self.touched.borrow().as_ref().is_some_and(&is_touched)
            || self.touched_before.borrow().as_ref().is_some_and(&is_touched)
    }

    pub(crate) fn rule_set(&self) -> Inner<Arc<RuleSet>> {
        match self.rules.borrow().as_ref() {
            Some(rules) => Ok(Arc::clone(&rules.rules)),
            None => Err(StoreError::Missing {
                what: "the rules were not registered with the store before it was used".into(),
            }
            .into()),
        }
    }
}
