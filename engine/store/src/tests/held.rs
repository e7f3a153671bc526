//! Full imports that tell an object by its print: what is held as it came costs nothing, and nothing is taken for held that is not.

use super::support::*;
use crate::import::{FinishImport, ImportMode, ImportSession, ImportSummary, StagedItem, StagedPage};

/// The objects of the lines, each with a print of its number.
fn printed(lines: &[&str]) -> Vec<StagedItem> {
    let with_print = |(number, line): (usize, &&str)| match object(line) {
        StagedItem::Object(mut object) => {
            object.print = Some([number as u8; 16]);
            StagedItem::Object(object)
        }
        other => other,
    };
    lines.iter().enumerate().map(with_print).collect()
}

fn same(id: &str, number: u8) -> StagedItem {
    StagedItem::Same { anchor: anchor(id), print: [number; 16] }
}

fn begun(world: &mut World) -> (ImportSession, usize) {
    let mut session = world.store.begin_import("ad", ImportMode::Full, &schema(), None).unwrap();
    let held = world.store.hold_prints(&mut session).unwrap().len();
    (session, held)
}

fn staged(world: &mut World, session: &mut ImportSession, items: Vec<StagedItem>) -> StagedPage {
    world.store.stage_page(session, items, NOW).unwrap()
}

fn finished(world: &mut World, session: ImportSession) -> ImportSummary {
    let ending = FinishImport { obsolete: true, cleanup: true, watermark: None, ..FinishImport::default() };
    world.store.finish_import(session, ending, NOW).unwrap()
}

const LINES: [&str; 3] =
    ["a user - mail=a@x", "b user - mail=b@x manager>a", "ou organizationalUnit - displayName=Sales"];

/// R9: objects that are told by their prints are seen, so that nothing is deleted, and no row is written for them.
#[test]
fn what_is_held_is_seen_and_costs_no_row() {
    let by_name = "c user - manager>>cn=Bob";
    let mut world = World::new();
    world.import("ad", ImportMode::Full, printed(&[LINES[0], LINES[1], LINES[2], by_name]));
    world.promote_all("ad");
    let (mut session, held) = begun(&mut world);
    assert_eq!(held, 3);
    let rows = world.store.rows_written();
    // An object that must be looked at, and is as it was, leaves the prints as good as they were.
    let looked_at = staged(&mut world, &mut session, vec![object(by_name)]);
    assert_eq!((looked_at.counters.no_change, session.has_staged), (1, false));
    let page = staged(&mut world, &mut session, vec![same("a", 0), same("b", 1), same("ou", 2)]);
    assert_eq!((page.counters.no_change, page.need_full_object.len()), (3, 0));
    assert_eq!((session.seen(), world.store.rows_written()), (4, rows));
    let summary = finished(&mut world, session);
    assert_eq!((summary.counters.delete, summary.counters.no_change), (0, 4));
    // One that is not told is gone.
    let (mut session, _) = begun(&mut world);
    staged(&mut world, &mut session, vec![same("a", 0), same("ou", 2), object(by_name)]);
    assert_eq!(finished(&mut world, session).counters.delete, 1);
}

/// R71: an object that comes twice is kept once, whichever way it is told.
#[test]
fn an_object_that_is_told_twice_is_an_error_of_its_own() {
    let mut world = World::new();
    world.import("ad", ImportMode::Full, printed(&LINES));
    let run = world.store.begin_run("ad", "full-import", NOW).unwrap();
    let step = world.store.begin_step(run.id, "full-import", NOW).unwrap();
    let mut session = world.store.begin_import("ad", ImportMode::Full, &schema(), Some(step)).unwrap();
    world.store.hold_prints(&mut session).unwrap();
    let page = staged(&mut world, &mut session, vec![same("a", 0), same("a", 0), same("b", 1)]);
    assert_eq!((page.counters.no_change, page.counters.failure), (2, 1));
    assert_eq!((session.counters().no_change, session.counters().failure), (2, 1));
    let told: Vec<String> = world.store.step_errors(step).unwrap().into_iter().map(|error| error.name).collect();
    assert_eq!(told, ["a"], "in the history, by its name");
    let again = staged(&mut world, &mut session, printed(&LINES[..1]));
    assert_eq!((again.counters.failure, again.issues[0].code), (1, "duplicate-object"));
}

/// A print that does not stand any more is no answer: the whole object is asked for (R70), also when this very import changed
/// it after the prints were read.
#[test]
fn what_is_not_as_it_came_is_asked_for() {
    let mut world = World::new();
    world.import("ad", ImportMode::Full, printed(&LINES));
    let (mut session, _) = begun(&mut world);
    let page = staged(&mut world, &mut session, vec![same("a", 9), same("b", 1)]);
    assert_eq!(page.need_full_object, [anchor("a")], "a print that nobody handed over");
    // This very import changes `b` before it is told as held; `a` it leaves alone.
    let page =
        staged(&mut world, &mut session, vec![changed("b", "user", None, mail("new@x")), same("b", 1), same("a", 0)]);
    assert_eq!(page.need_full_object, [anchor("b")]);
    assert_eq!(page.counters.no_change, 1, "`a` is still what it was");
    drop(session);
    let (mut session, held) = begun(&mut world);
    assert_eq!(held, 2, "after a change, the next full import looks at the object");
    let mut whole = printed(&["a user - mail=a@x", "b user - mail=new@x manager>a"]);
    let looked_at = staged(&mut world, &mut session, vec![whole.remove(1)]);
    assert_eq!(looked_at.counters.no_change, 1);
    assert_eq!(begun(&mut world).1, 3, "and remembers the print under which it is no change");
}

/// An object with an export to confirm is looked at, and so is one whose reference is known by name alone.
#[test]
fn what_must_be_looked_at_is_not_held() {
    let mut world = World::new();
    let items = printed(&[LINES[0], LINES[1], LINES[2], "c user - manager>>cn=Bob"]);
    world.import("ad", ImportMode::Full, items);
    assert_eq!(begun(&mut world).1, 3);
    let a = world.id("ad", "a");
    world.store.db.run("UPDATE head SET flags = 2 WHERE id = ?1", [a.0]).unwrap();
    assert_eq!(begun(&mut world).1, 2);
    let body = world.store.db.one("SELECT max(id) FROM body", [], |row| row.get::<_, i64>(0)).unwrap();
    world.store.db.run("UPDATE head SET flags = 0, memory_body = ?2 WHERE id = ?1", (a.0, body)).unwrap();
    assert_eq!(begun(&mut world).1, 2);
}

fn mail(value: &str) -> metaverse_schema::AttributesDelta {
    let mut delta = metaverse_schema::AttributesDelta::default();
    let values = metaverse_schema::Values::single(metaverse_schema::Value::text(value));
    delta.0.insert("mail".into(), metaverse_schema::AttributeChange::Replace(values));
    delta
}
