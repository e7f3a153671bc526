//! The layout of the file, as linear SQL scripts. Each is applied once, in one transaction with the number that says so.

use crate::error::{Fault, Inner, StoreError};
use rusqlite::{Connection, OpenFlags};
use std::path::Path;

/// `application_id` of a store: the letters `meta`.
pub(crate) const APPLICATION_ID: i64 = 0x6d65_7461;

const MIGRATIONS: &[(&str, &str)] = &[
    ("names", include_str!("../migrations/0001_names.sql")),
    ("connector space", include_str!("../migrations/0002_connector_space.sql")),
    ("metaverse", include_str!("../migrations/0003_metaverse.sql")),
    ("export", include_str!("../migrations/0004_export.sql")),
    ("history", include_str!("../migrations/0005_history.sql")),
    ("watched groups", include_str!("../migrations/0006_watched_groups.sql")),
    ("what is due", include_str!("../migrations/0007_due.sql")),
    ("leaving scope", include_str!("../migrations/0008_leaving.sql")),
    ("rule places", include_str!("../migrations/0009_rule_places.sql")),
    ("contributed values", include_str!("../migrations/0010_contributed.sql")),
    ("how far a full synchronisation came", include_str!("../migrations/0011_full_sync_position.sql")),
    ("item prints", include_str!("../migrations/0012_item_print.sql")),
    ("what is remembered", include_str!("../migrations/0013_remembered.sql")),
    ("no generation of metaverse objects", include_str!("../migrations/0014_metaverse_generation.sql")),
    ("what is open", include_str!("../migrations/0015_what_is_open.sql")),
    ("the state of connected systems", include_str!("../migrations/0016_system_state.sql")),
    ("what was before a takeover", include_str!("../migrations/0017_kept_before.sql")),
    ("whether a system was read whole", include_str!("../migrations/0018_read_whole.sql")),
    ("passwords", include_str!("../migrations/0019_passwords.sql")),
    ("short keys", include_str!("../migrations/0020_short_keys.sql")),
    ("words about pairs", include_str!("../migrations/0021_pair_decision.sql")),
    ("groups that select", include_str!("../migrations/0022_selected_groups.sql")),
    ("undone takeovers", include_str!("../migrations/0023_undone_takeover.sql")),
    ("trees of keys", include_str!("../migrations/0024_key_trees.sql")),
    ("references that are kept back", include_str!("../migrations/0025_kept_back.sql")),
];

/// What all of them come to, as [`layout`] tells it; a test says that it is so. Making a database in memory to find out would be
/// most of what opening a store costs.
pub(crate) const KNOWN_LAYOUT: &str = include_str!("../schema.sql");

/// Between two statements of it.
const BETWEEN: &str = ";\n\n";

/// Number of the newest layout that this program knows.
pub(crate) fn known_version() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

/// The layout of a file, checked: ours, and not newer than this program. 0: an empty file.
pub(crate) fn version(sql: &Connection, path: &Path) -> Inner<i64> {
    let pragma = |name: &str| sql.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0));
    let found = pragma("user_version")?;
    let tables: i64 = sql.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))?;
    if tables == 0 && found == 0 {
        return Ok(0);
    }
    if pragma("application_id")? != APPLICATION_ID {
        return Err(Fault::damaged(format!("{} is a database of another program", path.display())));
    }
    let known = known_version();
    if found > known {
        return Err(StoreError::Newer { path: path.to_owned(), found, known }.into());
    }
    if found < 1 {
        return Err(Fault::damaged(format!("{} has no layout number", path.display())));
    }
    Ok(found)
}

/// The same of a file that is not open yet.
pub(crate) fn version_of_file(path: &Path) -> Result<i64, StoreError> {
    let looked = || -> Inner<i64> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let sql = Connection::open_with_flags(path, flags)?;
        sql.busy_timeout(crate::open::PATIENCE)?;
        version(&sql, path)
    };
    looked().map_err(|fault| fault.during("opening the store"))
}

/// Applies what is missing, up to `target`.
pub(crate) fn migrate_to(sql: &Connection, from: i64, target: i64) -> Inner<()> {
    for (position, (name, script)) in (1..).zip(MIGRATIONS) {
        if position <= from || position > target {
            continue;
        }
        // Not of the layout in memory, to which that of a file is compared.
        #[cfg(feature = "fail-points")]
        fail::fail_point!("store-layout", sql.path().is_some_and(|path| !path.is_empty()), |_| Ok(()));
        let applied = sql.execute_batch(&format!(
            "BEGIN IMMEDIATE; {script}; PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {position}; COMMIT"
        ));
        if let Err(error) = applied {
            // Without a transaction left open, the error above is the one that counts.
            let _rolled_back = sql.execute_batch("ROLLBACK");
            return Err(Fault::from(error).during(&format!("preparing the layout of the store ({name})")).into());
        }
    }
    Ok(())
}

/// Every table and index, one statement each, in order of name: the layout as a text.
pub(crate) fn layout(sql: &Connection) -> Inner<String> {
    let mut statement = sql.prepare(
        "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY type DESC, name",
    )?;
    let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
    let statements: Vec<String> = rows.collect::<Result<_, _>>()?;
    Ok(statements.join(BETWEEN) + ";\n")
}
