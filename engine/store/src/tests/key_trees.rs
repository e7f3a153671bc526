//! The trees of keys: an object is found by its keys wherever they lie, and they lie where they should.

use super::support::*;
use crate::Store;
use crate::key_trees::{MANY, Side, StoredKey};

fn key(number: i64, value: &str) -> StoredKey {
    (number, value.as_bytes().to_vec())
}

fn counts(store: &Store) -> (u64, u64) {
    let of = |table: &str| store.db.count(&format!("SELECT count(*) FROM {table}"), []).unwrap();
    (of("connector_key"), of("connector_key_recent"))
}

/// What an object carries is found in the large tree, in the small one, and in both at once, in the order of the objects; what
/// it carries no longer is found in neither. It is the same after the small tree went over.
#[test]
fn an_object_is_found_wherever_its_keys_lie() {
    let world = World::new();
    let db = &world.store.db;
    let carriers = |value: &str| db.carriers(Side::Connector, 1, value.as_bytes()).unwrap();
    let settle = || db.write("testing", |db| db.settle_keys(Side::Connector)).unwrap();
    db.write("testing", |db| db.add_keys(Side::Connector, 7, vec![key(1, "b"), key(1, "a"), key(1, "b")])).unwrap();
    assert_eq!(
        (carriers("a"), carriers("b"), counts(&world.store)),
        (vec![7], vec![7], (0, 2)),
        "a value that came twice"
    );
    settle();
    assert_eq!((carriers("a"), carriers("b"), counts(&world.store)), (vec![7], vec![7], (2, 0)));
    db.write("testing", |db| db.add_keys(Side::Connector, 3, vec![key(1, "a")])).unwrap();
    assert_eq!((carriers("a"), counts(&world.store)), (vec![3, 7], (2, 1)), "in the order of the objects");
    // One that lies in the large tree goes, one comes.
    db.write("testing", |db| db.replace_keys(Side::Connector, 7, vec![key(1, "c"), key(1, "b")])).unwrap();
    assert_eq!((carriers("a"), carriers("b"), carriers("c")), (vec![3], vec![7], vec![7]));
    // One that lies in the small tree goes before it went over.
    db.write("testing", |db| db.replace_keys(Side::Connector, 3, Vec::new())).unwrap();
    assert_eq!((carriers("a"), counts(&world.store)), (vec![], (1, 1)));
    settle();
    assert_eq!((carriers("a"), carriers("b"), carriers("c"), counts(&world.store)), (vec![], vec![7], vec![7], (2, 0)));
    assert_eq!(db.carriers(Side::Metaverse, 1, b"b").unwrap(), Vec::<i64>::new(), "the other side");
}

/// Spec 10: the small tree goes over when it holds many keys, with the transaction that made it so; a transaction that is
/// undone leaves it as it was.
#[test]
fn many_keys_go_over_together() {
    let mut world = World::new();
    let fill = |db: &crate::db::Db, from: u64, to: u64| {
        (from..to).try_for_each(|n| db.add_keys(Side::Connector, n as i64, vec![key(1, &format!("{n:08x}"))]))
    };
    world.store.db.write("testing", |db| fill(db, 0, MANY - 1)).unwrap();
    assert_eq!(counts(&world.store), (0, MANY - 1));
    let rows = world.store.rows_written();
    let broken = world.store.db.write("testing", |db| {
        fill(db, MANY - 1, MANY)?;
        db.settle_recent_keys()?;
        Err::<(), _>(crate::error::Fault::damaged("the power is gone"))
    });
    assert!(broken.is_err());
    assert_eq!(counts(&world.store), (0, MANY - 1), "undone");
    world.store.db.write("testing", |db| fill(db, MANY, MANY + 1)).unwrap();
    assert_eq!(counts(&world.store), (0, MANY), "a small transaction does not count them");
    // A new opening does not know how many there are; a full import counts them.
    let path = world.path();
    let stand_in = Store::scratch().unwrap();
    std::mem::replace(&mut world.store, stand_in).close().unwrap();
    world.store = Store::open(&path).unwrap();
    world.store.register_rules(&rules(), NOW).unwrap();
    world.store.db.write("testing", |db| db.count_recent_keys()).unwrap();
    assert_eq!(counts(&world.store), (MANY, 0));
    assert!(world.store.rows_written() < rows, "what goes over was counted when it was written");
}

/// A list and the trees that do not agree are told by the check of the store.
#[test]
fn keys_that_are_not_where_they_should_be_are_told() {
    let mut world = World::new();
    world.full("ad", &["a user - mail=a@x", "b user - mail=b@x"]);
    let findings = |world: &World| world.store.check_integrity().unwrap().join("\n");
    assert_eq!(findings(&world), "");
    let sql = &world.store.db.sql;
    sql.execute("DELETE FROM connector_key_recent WHERE value LIKE '%a@x%'", []).unwrap();
    let told = findings(&world);
    assert!(
        told.contains("is not found by its key 1 (Connector)") && told.contains("1 keys are held and 2 are listed"),
        "{told}"
    );
    sql.execute("UPDATE connector_key_carried SET keys = x'0107ff'", []).unwrap();
    assert!(findings(&world).contains("keys of object 1"), "{}", findings(&world));
}
