//! Opening: fresh, older, newer, foreign, damaged, locked, crashed, read-only.

use super::support::*;
use crate::*;
use expect_test::expect_file;
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::path::Path;

fn refused(path: &Path) -> String {
    match Store::open(path) {
        Ok(_) => panic!("{} opened", path.display()),
        Err(error) => error.to_string(),
    }
}

/// Name, length, content and time of change of every file of a folder.
fn folder(path: &Path) -> BTreeMap<String, (Vec<u8>, std::time::SystemTime)> {
    let files = std::fs::read_dir(path).unwrap().map(|entry| {
        let entry = entry.unwrap();
        let changed = entry.metadata().unwrap().modified().unwrap();
        (entry.file_name().into_string().unwrap(), (std::fs::read(entry.path()).unwrap(), changed))
    });
    files.collect()
}

/// A closed store with something in it.
fn closed() -> World {
    let mut world = World::new();
    let lines: Vec<String> =
        (0..300).map(|n| format!("u{n} user cn=U{n},ou=o,dc=x mail=u{n}@x displayName=User-{n}")).collect();
    world.full("ad", &lines.iter().map(String::as_str).collect::<Vec<_>>());
    world.promote_all("ad");
    let path = world.path();
    let other = tempfile::tempdir().unwrap();
    let stand_in = Store::create(&other.path().join("other.db")).unwrap();
    std::mem::replace(&mut world.store, stand_in).close().unwrap();
    assert!(path.is_file());
    World { store: Store::scratch().unwrap(), ..world }
}

/// The current layout is all migrations applied, and it is this text.
#[test]
fn the_layout_is_all_migrations_applied() {
    let world = World::new();
    let layout = crate::migrations::layout(&world.store.db.sql).unwrap();
    expect_file!["../../schema.sql"].assert_eq(&layout);
    let version: i64 = world.store.db.sql.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    assert_eq!(version, crate::migrations::known_version());
}

/// A file of any older layout is brought up to date, with what it holds; a reader says so instead of writing.
#[test]
fn older_layouts_are_brought_up_to_date() {
    let folder = tempfile::tempdir().unwrap();
    for version in 1..crate::migrations::known_version() {
        let path = folder.path().join(format!("{version}.db"));
        let sql = Connection::open(&path).unwrap();
        crate::migrations::migrate_to(&sql, 0, version).unwrap();
        sql.execute("INSERT INTO connector (name) VALUES ('ad')", []).unwrap();
        drop(sql);
        assert!(matches!(Store::open_read_only(&path), Err(StoreError::Older { found, .. }) if found == version));
        let store = Store::open(&path).unwrap();
        assert_eq!(store.connectors(), vec!["ad".into()]);
        drop(store);
        assert!(Store::open_read_only(&path).is_ok());
    }
}

/// Design: what was committed stands on the disk, but for what only tells how a run is doing; and each transaction finds the
/// level that it needs, also after one that failed.
#[test]
fn nobody_waits_for_run_history_and_everything_else_is_on_the_disk() {
    let level = |db: &crate::db::Db| db.count("PRAGMA synchronous", []);
    let (off, normal, full) = (0, 1, 2);
    let store = World::new().store;
    let db = &store.db;
    assert_eq!(db.write("testing", level).unwrap(), full);
    assert_eq!(db.record("testing", level).unwrap(), normal);
    assert_eq!(db.record_for_good("testing", level).unwrap(), full);
    assert_eq!(db.note("testing", level).unwrap(), normal);
    assert!(db.note("testing", |db| db.count("SELECT count(*) FROM no_such_table", [])).is_err());
    assert_eq!(db.write("testing", level).unwrap(), full);
    let scratch = Store::scratch().unwrap();
    assert_eq!(scratch.db.record("testing", level).unwrap(), off, "a copy that is thrown away waits for nothing");
    assert_eq!(scratch.db.write("testing", level).unwrap(), off);
}

/// S18: who carries a long key value is found by it after the change of how such values are kept, and by no other.
#[test]
fn keys_of_an_older_store_are_computed_anew() {
    let long = "a.name.that.is.longer.than.a.hash@contoso.example";
    let mut world = World::new();
    world.full("ad", &[&format!("a user - mail={long}")]);
    let mv = world.project("ad", "a");
    let path = world.path();
    world.store.close().unwrap();
    let sql = Connection::open(&path).unwrap();
    // As an older program kept them.
    for table in ["connector_key_recent", "metaverse_key_recent"] {
        sql.execute(&format!("UPDATE {table} SET value = ?1"), [long.as_bytes()]).unwrap();
    }
    sql.execute_batch(include_str!("../../migrations/0020_short_keys.sql")).unwrap();
    drop(sql);
    let mut store = Store::open(&path).unwrap();
    let registered = store.register_rules(&rules(), NOW).unwrap();
    assert_eq!((registered.changed, registered.rebuilt_objects), (false, 2), "no full synchronisation for it");
    let value = metaverse_schema::match_key(&metaverse_schema::Value::text(long));
    let hits = |key| store.db.key_hits(key, &value).unwrap();
    assert_eq!(hits(MAIL_IN_METAVERSE), [sync_kernel::KeyHit::Metaverse(mv)]);
    assert_eq!((hits(MAIL_IN_AD).len(), hits(MAIL_IN_CLOUD).len()), (1, 0));
    assert_eq!(store.check_integrity().unwrap(), Vec::<String>::new());
}

#[test]
fn newer_and_foreign_files_are_refused() {
    let world = closed();
    let path = world.path();
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    assert!(matches!(Store::open(&path), Err(StoreError::Newer { found: 99, .. })));
    assert!(matches!(Store::open_read_only(&path), Err(StoreError::Newer { found: 99, .. })));
    assert!(refused(&path).contains("newer metasync"));

    let foreign = world.folder.path().join("foreign.db");
    Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    assert!(refused(&foreign).contains("another program"));

    let missing = world.folder.path().join("missing.db");
    assert!(matches!(Store::open(&missing), Err(StoreError::NotFound { .. })));
    assert!(matches!(Store::create(&foreign), Err(StoreError::AlreadyExists { .. })));
}

/// Not a database, cut off, tables missing, bytes flipped: damage, with what to do about it; never a panic, never a guess.
#[test]
fn damage_is_told() {
    let world = closed();
    let path = world.path();
    let good = std::fs::read(&path).unwrap();
    let spoilt = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        refused(&path)
    };
    let noise: Vec<u8> = (0..5000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    assert!(spoilt(&noise).contains("the store is damaged"));
    assert!(spoilt(&good[..good.len() / 2]).contains("the store is damaged"));
    assert!(spoilt(&good[..100]).contains("the store is damaged"));
    std::fs::write(&path, &good).unwrap();
    Connection::open(&path).unwrap().execute_batch("DROP TABLE reference_flow").unwrap();
    assert!(refused(&path).contains("its tables are not those of layout"));

    // A page overwritten somewhere in the middle: opening, reading everything or the check must notice.
    let mut noticed = 0;
    for page in 1..good.len() / 8192 {
        let mut bytes = good.clone();
        bytes[page * 8192..(page + 1) * 8192].iter_mut().for_each(|byte| *byte = !*byte);
        std::fs::write(&path, &bytes).unwrap();
        let told = match Store::open(&path) {
            Err(error) => Some(error.to_string()),
            Ok(store) => match store.check_integrity() {
                Err(error) => Some(error.to_string()),
                Ok(findings) => findings.first().cloned(),
            },
        };
        noticed += usize::from(told.is_some());
    }
    assert_eq!(noticed, good.len() / 8192 - 1);
}

/// A body of an unknown codec version is damage where it is read, and the check names the object.
#[test]
fn an_unknown_body_is_damage() {
    let mut world = World::new();
    world.full("ad", &["a user cn=A,dc=x mail=a@x"]);
    let id = world.id("ad", "a");
    world.store.db.run("UPDATE body SET image = x'0901'", []).unwrap();
    let error = world.store.object(id).unwrap_err();
    assert!(matches!(&error, StoreError::Damaged { what, .. } if what.contains("codec version 9")), "{error}");
    let findings = world.store.check_integrity().unwrap();
    assert_eq!(findings.len(), 1);
    assert!(findings[0].starts_with(&format!("object {}", id.0)), "{findings:?}");
    // An unknown state, too, is never guessed around.
    world.store.db.run("UPDATE head SET state = 77 WHERE id = ?1", [id.0]).unwrap();
    assert!(matches!(world.store.object(id), Err(StoreError::Damaged { .. })));
}

/// One run at a time; the other one is named. Readers come in all the same, and write nothing.
#[test]
fn the_run_lock_names_its_holder() {
    let mut world = World::new();
    world.full("ad", &["a user cn=A,dc=x mail=a@x"]);
    let path = world.path();
    let error = Store::open(&path).unwrap_err();
    assert!(matches!(error, StoreError::Locked { pid: Some(pid), .. } if pid == std::process::id()));
    assert!(error.to_string().contains(&format!("process {}", std::process::id())));
    let mut reader = Store::open_read_only(&path).unwrap();
    assert_eq!(reader.counts("ad").unwrap().objects, 1);
    world.full("ad", &["a user cn=A,dc=x mail=a@x", "b user cn=B,dc=x mail=b@x"]);
    assert_eq!(reader.counts("ad").unwrap().objects, 2);
    let refused = reader.begin_run("ad", "x", NOW).unwrap_err();
    assert!(matches!(&refused, StoreError::ReadOnly { doing } if doing == "beginning a run"), "{refused}");
    drop(reader);
    drop(world.store);
    assert!(Store::open(&path).is_ok());
}

/// Preview's promise: the folder is byte-identical before and after, whatever is read, also by a copy that runs the real code.
#[test]
fn reading_leaves_the_folder_as_it_is() {
    let world = closed();
    let path = world.path();
    let before = folder(world.folder.path());
    assert_eq!(before.keys().collect::<Vec<_>>(), ["metasync.db", "metasync.db.lock"]);
    let mut reader = Store::open_read_only(&path).unwrap();
    reader.register_rules(&rules(), NOW).unwrap();
    assert_eq!(reader.search_objects("ad", "user-171", 9).unwrap().len(), 1);
    let mut copy = Store::scratch_copy(&path).unwrap();
    copy.register_rules(&rules(), NOW).unwrap();
    let mut session = copy.begin_import("ad", ImportMode::Delta, &schema(), None).unwrap();
    copy.stage_page(&mut session, vec![object("u1 user cn=Other,dc=x mail=o@x")], NOW).unwrap();
    assert_eq!(copy.counts("ad").unwrap().import_update, 1);
    assert_eq!(reader.counts("ad").unwrap().import_update, 0);
    let copied = copy.path().to_owned();
    drop((reader, copy));
    assert!(!copied.exists(), "the copy goes with its store");
    assert_eq!(folder(world.folder.path()), before);
    // Read-only folders can be read as well.
    assert!(std::fs::metadata(&path).unwrap().len() > 0);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

/// Kill at any point: the file and its log as they were at that moment open with every committed page, and nothing else.
#[test]
fn a_killed_process_loses_no_committed_page() {
    let mut world = World::new();
    let mut session = world.store.begin_import("ad", ImportMode::Full, &schema(), None).unwrap();
    let crashed = tempfile::tempdir().unwrap();
    for page in 0..5usize {
        let items =
            (0..40).map(|n| object(&format!("p{page}-{n} user cn=P{page}-{n},dc=x mail=p{page}-{n}@x"))).collect();
        world.store.stage_page(&mut session, items, NOW).unwrap();
        // A page that is only half written when the process dies.
        world.store.db.sql.execute_batch("BEGIN IMMEDIATE; DELETE FROM dirty; UPDATE head SET state = 0").unwrap();
        let copy = crashed.path().join(format!("{page}.db"));
        for ending in ["", "-wal", "-shm"] {
            let from = world.folder.path().join(format!("metasync.db{ending}"));
            std::fs::copy(from, crashed.path().join(format!("{page}.db{ending}"))).unwrap();
        }
        world.store.db.sql.execute_batch("ROLLBACK").unwrap();
        let before = folder(crashed.path());
        assert!(matches!(Store::open_read_only(&copy), Err(StoreError::NeedsRecovery { .. })));
        assert!(matches!(Store::scratch_copy(&copy), Err(StoreError::NeedsRecovery { .. })));
        assert_eq!(folder(crashed.path()), before, "a reader does not repair");
        let store = Store::open(&copy).unwrap();
        let counts = store.counts("ad").unwrap();
        assert_eq!((counts.objects, counts.disconnectors), (40 * (page as u64 + 1), 40 * (page as u64 + 1)));
        assert_eq!(store.dirty_count("ad").unwrap(), counts.objects, "data and queue come together");
        assert_eq!(store.watermark("ad").unwrap(), None, "the step is not done");
        assert_eq!(store.check_integrity().unwrap(), Vec::<String>::new());
        drop(store);
        assert!(Store::open_read_only(&copy).is_ok());
    }
}

/// A log cut off in the middle, as a power failure leaves it, loses at most the last page.
#[test]
fn a_torn_log_keeps_what_was_complete() {
    let mut world = World::new();
    let mut session = world.store.begin_import("ad", ImportMode::Full, &schema(), None).unwrap();
    for page in 0..3 {
        let items =
            (0..40).map(|n| object(&format!("p{page}-{n} user cn=P{page}-{n},dc=x mail=p{page}-{n}@x"))).collect();
        world.store.stage_page(&mut session, items, NOW).unwrap();
    }
    let crashed = tempfile::tempdir().unwrap();
    let log = std::fs::read(world.folder.path().join("metasync.db-wal")).unwrap();
    let file = std::fs::read(world.path()).unwrap();
    let mut seen = Vec::new();
    for cut in [log.len(), log.len() - 5, log.len() * 9 / 10, log.len() * 2 / 3] {
        let copy = crashed.path().join(format!("{cut}.db"));
        std::fs::write(&copy, &file).unwrap();
        std::fs::write(crashed.path().join(format!("{cut}.db-wal")), &log[..cut]).unwrap();
        let store = Store::open(&copy).unwrap();
        assert_eq!(store.check_integrity().unwrap(), Vec::<String>::new());
        seen.push(store.counts("ad").unwrap().objects);
    }
    assert_eq!(seen[0], 120);
    assert!(seen.iter().all(|objects| objects % 40 == 0) && seen.is_sorted_by(|left, right| left >= right), "{seen:?}");
    assert!(seen[1] < 120);
}

/// A full disk stops the run by name and keeps what was committed.
#[test]
fn a_full_disk_is_told_and_keeps_what_was_committed() {
    let mut world = World::new();
    world.full("ad", &["a user cn=A,dc=x mail=a@x"]);
    let pages: i64 = world.store.db.sql.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
    world.store.db.sql.query_row(&format!("PRAGMA max_page_count = {}", pages + 2), [], |_| Ok(())).unwrap();
    let mut session = world.store.begin_import("ad", ImportMode::Delta, &schema(), None).unwrap();
    let items = (0..2000).map(|n| object(&format!("n{n} user cn=N{n},dc=x mail=n{n}@x other{n}=1"))).collect();
    let error = world.store.stage_page(&mut session, items, NOW).unwrap_err();
    assert_eq!(error.status(), "stopped-disk-full");
    assert!(error.to_string().contains("make room"));
    assert_eq!(world.store.counts("ad").unwrap().objects, 1);
    world.store.db.sql.query_row("PRAGMA max_page_count = 1000000", [], |_| Ok(())).unwrap();
    // The names that the failed page had interned are given anew, and everything can be read.
    world.delta("ad", vec![object("z user cn=Z,dc=x other7=1 other8=1")]);
    assert_eq!(world.object("ad", "z").imported(), Some(&image(&[("other7", "1"), ("other8", "1")])));
    assert_eq!(world.store.check_integrity().unwrap(), Vec::<String>::new());
}

/// A reader that is open while a run ends disturbs neither: both go on, and the next reader and writer open as usual.
#[test]
fn a_reader_outlives_the_run() {
    let mut world = World::new();
    world.full("ad", &["a user cn=A,dc=x mail=a@x"]);
    let path = world.path();
    let reader = Store::open_read_only(&path).unwrap();
    assert_eq!(reader.counts("ad").unwrap().objects, 1);
    world.full("ad", &["a user cn=A,dc=x mail=a@x", "b user cn=B,dc=x mail=b@x"]);
    world.store.close().unwrap();
    assert_eq!(reader.counts("ad").unwrap().objects, 2);
    let second = Store::open_read_only(&path).unwrap();
    assert_eq!(second.counts("ad").unwrap().objects, 2);
    drop((reader, second));
    Store::open(&path).unwrap().close().unwrap();
    let before = folder(world.folder.path());
    assert_eq!(Store::open_read_only(&path).unwrap().counts("ad").unwrap().objects, 2);
    assert_eq!(folder(world.folder.path()), before);
}
