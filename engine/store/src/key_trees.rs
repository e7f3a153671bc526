//! Where join keys lie: on each side a large tree ordered by value, a small one before it with what was written lately, and a
//! row for each object that lists what it carries. Values lie in random order: a key that went into the large tree by itself
//! would write a page of it. What the small tree has collected goes over in the order of the large one, each page once.
//! Knows nothing of what a key means.

use crate::codec::{decode_keys, encode_keys};
use crate::db::Db;
use crate::error::Inner;
use sync_rules::KeySpace;

/// The number of a key's definition, and its value as it is stored.
pub(crate) type StoredKey = (i64, Vec<u8>);

/// So many keys in the small tree go over: a few MiB, which stay in the cache of the writer.
pub(crate) const MANY: u64 = 128 * 1024;

/// A transaction that writes fewer does not count what lies there already: that would cost more than its own work.
const NOTICED: u64 = 1_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Connector,
    Metaverse,
}

/// The statements of one side.
struct Trees {
    add: &'static str,
    remove_recent: &'static str,
    remove_settled: &'static str,
    carriers: &'static str,
    carriers_settled: &'static str,
    is_carried: &'static str,
    any_recent: &'static str,
    count_recent: &'static str,
    settle: &'static str,
    empty_recent: &'static str,
    carried: &'static str,
    list: &'static str,
    unlist: &'static str,
    page: &'static str,
    retire_recent: &'static str,
    retire_settled: &'static str,
    empty_settled: &'static str,
    empty_lists: &'static str,
    count_active: &'static str,
}

macro_rules! trees {
    ($side:literal) => {
        Trees {
            add: concat!("INSERT OR IGNORE INTO ", $side, "_recent (key, value, object) VALUES (?1, ?2, ?3)"),
            remove_recent: concat!("DELETE FROM ", $side, "_recent WHERE key = ?1 AND value = ?2 AND object = ?3"),
            remove_settled: concat!("DELETE FROM ", $side, " WHERE key = ?1 AND value = ?2 AND object = ?3"),
            carriers: concat!(
                "SELECT object FROM ",
                $side,
                " WHERE key = ?1 AND value = ?2 UNION ALL ",
                "SELECT object FROM ",
                $side,
                "_recent WHERE key = ?1 AND value = ?2"
            ),
            carriers_settled: concat!("SELECT object FROM ", $side, " WHERE key = ?1 AND value = ?2"),
            is_carried: concat!(
                "SELECT 1 FROM ",
                $side,
                " WHERE key = ?1 UNION ALL SELECT 1 FROM ",
                $side,
                "_recent WHERE key = ?1"
            ),
            any_recent: concat!("SELECT 1 FROM ", $side, "_recent"),
            count_recent: concat!("SELECT count(*) FROM ", $side, "_recent"),
            settle: concat!(
                "INSERT OR IGNORE INTO ",
                $side,
                " (key, value, object) ",
                "SELECT key, value, object FROM ",
                $side,
                "_recent ORDER BY key, value, object"
            ),
            empty_recent: concat!("DELETE FROM ", $side, "_recent"),
            carried: concat!("SELECT keys FROM ", $side, "_carried WHERE object = ?1"),
            list: concat!(
                "INSERT INTO ",
                $side,
                "_carried (object, keys) VALUES (?1, ?2) ",
                "ON CONFLICT (object) DO UPDATE SET keys = excluded.keys"
            ),
            unlist: concat!("DELETE FROM ", $side, "_carried WHERE object = ?1"),
            page: concat!("SELECT object, keys FROM ", $side, "_carried WHERE object > ?1 ORDER BY object LIMIT 1000"),
            retire_recent: concat!("DELETE FROM ", $side, "_recent WHERE key = ?1"),
            retire_settled: concat!("DELETE FROM ", $side, " WHERE key = ?1"),
            empty_settled: concat!("DELETE FROM ", $side),
            empty_lists: concat!("DELETE FROM ", $side, "_carried"),
            count_active: concat!(
                "SELECT (SELECT count(*) FROM ",
                $side,
                " JOIN key_definition ON id = key WHERE active = 1) + ",
                "(SELECT count(*) FROM ",
                $side,
                "_recent JOIN key_definition ON id = key WHERE active = 1)"
            ),
        }
    };
}

const CONNECTOR: Trees = trees!("connector_key");
const METAVERSE: Trees = trees!("metaverse_key");

impl Side {
    const BOTH: [Side; 2] = [Side::Connector, Side::Metaverse];

    pub(crate) fn of(space: &KeySpace) -> Self {
        match space {
            KeySpace::Connector(_) => Side::Connector,
            KeySpace::Metaverse => Side::Metaverse,
        }
    }

    fn trees(self) -> &'static Trees {
        match self {
            Side::Connector => &CONNECTOR,
            Side::Metaverse => &METAVERSE,
        }
    }
}

/// What is known of one side's small tree.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Recent {
    /// Keys in it, as far as they were counted: tells when they go over, and nothing else.
    count: Option<u64>,
    /// Written in this transaction.
    added: u64,
    /// Whether this view or transaction sees any.
    any: Option<bool>,
}

impl Recent {
    /// Another view of the data begins.
    fn of_next_view(self) -> Self {
        Recent { any: None, ..self }
    }
}

impl Db {
    fn recent(&self, side: Side) -> Recent {
        self.recent_keys.get()[side as usize]
    }

    fn set_recent(&self, side: Side, recent: Recent) {
        let mut both = self.recent_keys.get();
        both[side as usize] = recent;
        self.recent_keys.set(both);
    }

    pub(crate) fn forget_view_of_keys(&self) {
        self.recent_keys.set(self.recent_keys.get().map(Recent::of_next_view));
    }

    pub(crate) fn forget_recent_keys(&self) {
        self.recent_keys.set(Default::default());
    }

    fn add_key(&self, side: Side, id: i64, key: i64, value: &[u8]) -> Inner<()> {
        self.run(side.trees().add, (key, value, id))?;
        let recent = self.recent(side);
        self.set_recent(side, Recent { added: recent.added + 1, any: Some(true), ..recent });
        self.carried_keys.borrow_mut().insert(key, true);
        self.touch_key(key, value);
        Ok(())
    }

    fn remove_key(&self, side: Side, id: i64, key: i64, value: &[u8]) -> Inner<()> {
        let trees = side.trees();
        if self.run(trees.remove_recent, (key, value, id))? == 0 {
            self.run(trees.remove_settled, (key, value, id))?;
        }
        self.touch_key(key, value);
        Ok(())
    }

    /// The keys of an object that has none yet.
    pub(crate) fn add_keys(&self, side: Side, id: i64, mut keys: Vec<StoredKey>) -> Inner<()> {
        keys.sort_unstable();
        keys.dedup();
        for (key, value) in &keys {
            self.add_key(side, id, *key, value)?;
        }
        self.list_keys(side, id, &keys)
    }

    pub(crate) fn replace_keys(&self, side: Side, id: i64, mut keys: Vec<StoredKey>) -> Inner<()> {
        keys.sort_unstable();
        keys.dedup();
        let before = self.keys_carried(side, id)?;
        if before == keys {
            return Ok(());
        }
        for (key, value) in before.iter().filter(|key| keys.binary_search(key).is_err()) {
            self.remove_key(side, id, *key, value)?;
        }
        for (key, value) in keys.iter().filter(|key| before.binary_search(key).is_err()) {
            self.add_key(side, id, *key, value)?;
        }
        match keys.is_empty() {
            true => self.run(side.trees().unlist, [id]).map(drop),
            false => self.list_keys(side, id, &keys),
        }
    }

    fn list_keys(&self, side: Side, id: i64, keys: &[StoredKey]) -> Inner<()> {
        if !keys.is_empty() {
            self.run(side.trees().list, (id, encode_keys(keys)?))?;
        }
        Ok(())
    }

    /// Ascending.
    fn keys_carried(&self, side: Side, id: i64) -> Inner<Vec<StoredKey>> {
        let listed: Option<Vec<u8>> = self.one(side.trees().carried, [id], |row| row.get(0))?;
        listed.map_or_else(|| Ok(Vec::new()), |keys| decode_keys(&keys))
    }

    /// The objects that carry a key with this value, ascending.
    pub(crate) fn carriers(&self, side: Side, key: i64, value: &[u8]) -> Inner<Vec<i64>> {
        let trees = side.trees();
        if !self.any_recent(side)? {
            return self.ids(trees.carriers_settled, (key, value));
        }
        let mut carriers = self.ids(trees.carriers, (key, value))?;
        carriers.sort_unstable();
        Ok(carriers)
    }

    fn any_recent(&self, side: Side) -> Inner<bool> {
        let recent = self.recent(side);
        if let Some(any) = recent.any {
            return Ok(any);
        }
        let any = self.exists(side.trees().any_recent, [])?;
        self.set_recent(side, Recent { any: Some(any), ..recent });
        Ok(any)
    }

    /// Whether any object carries a key, with whatever value.
    pub(crate) fn is_carried(&self, side: Side, key: i64) -> Inner<bool> {
        if let Some(known) = self.carried_keys.borrow().get(&key) {
            return Ok(*known);
        }
        let is_carried = self.exists(side.trees().is_carried, [key])?;
        self.carried_keys.borrow_mut().insert(key, is_carried);
        Ok(is_carried)
    }

    /// Keys that were written since the last time: they go over when they have become many. In the transaction that writes.
    pub(crate) fn settle_recent_keys(&self) -> Inner<()> {
        for side in Side::BOTH {
            let Recent { count, added, any } = self.recent(side);
            let count = match count {
                Some(count) => Some(count + added),
                None if added < NOTICED => None,
                None => Some(self.count(side.trees().count_recent, [])?),
            };
            self.set_recent(side, Recent { count, added: 0, any });
            if count.is_some_and(|count| count >= MANY) {
                self.settle_keys(side)?;
            }
        }
        Ok(())
    }

    /// Counts them, whatever was written: what small steps leave behind does not grow without end.
    pub(crate) fn count_recent_keys(&self) -> Inner<()> {
        for side in Side::BOTH {
            let count = self.count(side.trees().count_recent, [])?;
            self.set_recent(side, Recent { count: Some(count), added: 0, ..self.recent(side) });
        }
        Ok(())
    }

    pub(crate) fn settle_keys(&self, side: Side) -> Inner<()> {
        let before = self.sql.total_changes();
        self.run(side.trees().settle, [])?;
        self.run(side.trees().empty_recent, [])?;
        // They were counted when they were written for an object.
        self.count_as_history(self.sql.total_changes().saturating_sub(before));
        self.set_recent(side, Recent { count: Some(0), added: 0, any: Some(false) });
        Ok(())
    }

    /// A key that no rule uses leaves both trees. It stays in the lists: when it is used again, all of them are made anew.
    pub(crate) fn retire_key(&self, key: i64) -> Inner<()> {
        for side in Side::BOTH {
            self.run(side.trees().retire_recent, [key])?;
            self.run(side.trees().retire_settled, [key])?;
        }
        Ok(())
    }

    pub(crate) fn remove_all_keys(&self) -> Inner<()> {
        for side in Side::BOTH {
            let trees = side.trees();
            for statement in [trees.empty_recent, trees.empty_settled, trees.empty_lists] {
                self.run(statement, [])?;
            }
        }
        self.forget_recent_keys();
        self.carried_keys.borrow_mut().clear();
        Ok(())
    }

    /// What the lists name is what the trees hold.
    pub(crate) fn check_keys(&self) -> Inner<Vec<String>> {
        let active = self.ids("SELECT id FROM key_definition WHERE active = 1", [])?;
        let mut findings = Vec::new();
        for side in Side::BOTH {
            let trees = side.trees();
            let (mut after, mut listed) = (i64::MIN, 0);
            loop {
                let page: Vec<(i64, Vec<u8>)> = self.all(trees.page, [after], |row| Ok((row.get(0)?, row.get(1)?)))?;
                let Some((last, _)) = page.last() else { break };
                after = *last;
                for (id, keys) in &page {
                    let keys = match decode_keys(keys) {
                        Ok(keys) => keys,
                        Err(fault) => {
                            findings.push(format!("keys of object {id}: {}", fault.during("reading them")));
                            continue;
                        }
                    };
                    for (key, value) in keys.iter().filter(|(key, _)| active.contains(key)) {
                        listed += 1;
                        if self.carriers(side, *key, value)?.iter().filter(|carrier| *carrier == id).count() != 1 {
                            findings.push(format!("object {id} is not found by its key {key} ({side:?})"));
                        }
                    }
                }
            }
            let held = self.count(trees.count_active, [])?;
            if held != listed {
                findings.push(format!("{held} keys are held and {listed} are listed ({side:?})"));
            }
        }
        Ok(findings)
    }
}
