//! Staging, its counters R33-R40, obsoletion R6-R7, and confirmation of exports O44-O50.

use super::support::*;
use crate::*;
use metaverse_schema::{AttributeChange, AttributeName, AttributesDelta, Reference, Value, Values};
use std::collections::BTreeSet;
use sync_kernel::*;

fn refers(targets: &[&str]) -> Values {
    targets.iter().map(|target| Value::Reference(Reference::Anchor(anchor(target)))).collect()
}

pub(super) fn member_change(add: &[&str], remove: &[&str]) -> AttributesDelta {
    let mut delta = AttributesDelta::default();
    delta.0.insert("member".into(), AttributeChange::Update { add: refers(add), remove: refers(remove) });
    delta
}

/// T28, R9: a full import of unchanged data stages nothing, writes nothing, and leaves nothing for delta synchronisation.
#[test]
fn an_unchanged_full_import_changes_nothing() {
    let mut world = World::new();
    let lines = [
        "ou organizationalUnit ou=o,dc=x",
        "a user cn=A,ou=o,dc=x mail=a@x",
        "g group cn=G,dc=x member>a member>>cn=B;dc=x",
    ];
    let first = world.full("ad", &lines);
    assert_eq!(first.counters, StagingCounters { add: 3, ..StagingCounters::default() });
    world.promote_all("ad");
    let before = world.show("ad");
    let generation = world.object("ad", "g").generation;
    let second = world.full("ad", &lines);
    assert_eq!(second.counters, StagingCounters { no_change: 3, ..StagingCounters::default() });
    assert_eq!((world.show("ad"), world.object("ad", "g").generation), (before, generation));
    assert_eq!(world.store.dirty_count("ad").unwrap(), 0);
}

/// The same item again is passed over only while nothing else has happened to its object: a delta that said otherwise, or
/// that deleted it, makes the next full import compare.
#[test]
fn an_item_that_came_before_is_compared_when_something_else_came_between() {
    let mut world = World::new();
    let lines = ["a user - mail=a@x", "b user - mail=b@x", "g group - member>a"];
    world.full("ad", &lines);
    world.promote_all("ad");
    let rows = world.store.db.sql.total_changes();
    assert_eq!(world.full("ad", &lines).counters.no_change, 3);
    assert_eq!(world.store.db.sql.total_changes() - rows, 1, "the watermark");
    let mut mail = AttributesDelta::default();
    mail.0.insert("mail".into(), AttributeChange::Replace([Value::text("other@x")].into_iter().collect()));
    world.delta(
        "ad",
        vec![changed("a", "user", None, mail), changed("g", "group", None, member_change(&["b"], &[])), deleted("b")],
    );
    assert_eq!(world.full("ad", &lines).counters, StagingCounters { update: 3, ..StagingCounters::default() });
    for id in ["a", "b", "g"] {
        assert_eq!(world.object("ad", id).staged, None, "{id} is again what was synchronised");
    }
    assert_eq!(world.object("ad", "g").reference_counts["member"], 1);
}

/// An image that is again what was synchronised is no pending import.
#[test]
fn going_back_to_the_synchronised_image_unstages() {
    let mut world = World::new();
    world.full("ad", &["a user cn=A,dc=x mail=a@x", "g group cn=G,dc=x member>a"]);
    world.promote_all("ad");
    world.delta(
        "ad",
        vec![object("a user cn=A,dc=x mail=other@x"), changed("g", "group", None, member_change(&["b"], &["a"]))],
    );
    assert!(world.object("ad", "a").staged.is_some() && world.object("ad", "g").staged.is_some());
    let bodies = |world: &World| world.store.db.count("SELECT count(*) FROM body", []).unwrap();
    assert_eq!(bodies(&world), 3, "the group has no second body: only its rows differ");
    world.delta(
        "ad",
        vec![object("a user cn=A,dc=x mail=a@x"), changed("g", "group", None, member_change(&["a"], &["b"]))],
    );
    assert_eq!((world.object("ad", "a").staged, world.object("ad", "g").staged), (None, None));
    assert_eq!((bodies(&world), world.object("ad", "g").reference_counts["member"]), (2, 1));
}

/// T27, R7: without the say of the run nothing is obsoleted; with it, what was not seen is.
#[test]
fn only_a_complete_full_import_obsoletes() {
    let mut world = World::new();
    world.full("ad", &["a user cn=A,dc=x mail=a@x", "b user cn=B,dc=x mail=b@x"]);
    world.promote_all("ad");
    world.store.require_full_import("ad", "the view changed").unwrap();
    let mut session = world.store.begin_import("ad", ImportMode::Full, &schema(), None).unwrap();
    world.store.stage_page(&mut session, vec![object("a user cn=A,dc=x mail=new@x")], NOW).unwrap();
    let ending = FinishImport::default();
    let summary = world.store.finish_import(session, ending, NOW).unwrap();
    assert_eq!((summary.counters.delete, summary.counters.update), (0, 1));
    assert_eq!(world.object("ad", "b").staged, None);
    assert_eq!(world.store.watermark("ad").unwrap().as_deref(), Some("w"), "R8: the earlier watermark stays");
    assert!(world.store.requirements("ad").unwrap().full_import.is_some());

    // A session that is dropped keeps its pages and obsoletes nothing.
    let mut session = world.store.begin_import("ad", ImportMode::Full, &schema(), None).unwrap();
    world.store.stage_page(&mut session, vec![object("c user cn=C,dc=x mail=c@x")], NOW).unwrap();
    drop(session);
    assert_eq!((world.object("ad", "b").staged, world.object("ad", "c").dn), (None, Some(dn("cn=C,dc=x"))));

    let summary = world.full("ad", &["a user cn=A,dc=x mail=new@x"]);
    assert_eq!(summary.counters.delete, 2);
    assert_eq!(world.object("ad", "b").staged, Some(Staged::Deleted(DeleteCause::NotSeen)));
    assert_eq!(world.store.requirements("ad").unwrap().full_import, None);
}

/// R33, R38, R71: deletions, those of unknown objects, and an anchor that comes twice.
#[test]
fn deletions_and_duplicates_are_counted() {
    let mut world = World::new();
    world.full("ad", &["a user cn=A,dc=x mail=a@x", "g group cn=G,dc=x member>ghost"]);
    let (page, _) = world.delta("ad", vec![deleted("a"), deleted("a"), deleted("nobody"), deleted("ghost")]);
    assert_eq!((page.counters.delete, page.counters.no_change, page.counters.filtered_deletions), (1, 1, 2));
    let (page, _) = world.delta("ad", vec![object("a user cn=A,dc=x mail=a@x")]);
    assert_eq!(page.counters.update, 1, "it is there again");
    assert!(matches!(world.object("ad", "a").staged, Some(Staged::Image(_))));

    let mut session = world.store.begin_import("ad", ImportMode::Full, &schema(), None).unwrap();
    let twice = vec![object("z user cn=Z,dc=x mail=1@x"), object("z user cn=Z2,dc=x mail=2@x")];
    let page = world.store.stage_page(&mut session, twice, NOW).unwrap();
    assert_eq!((page.issues[0].code, page.counters.failure, page.counters.add), ("duplicate-object", 1, 1));
    assert_eq!(world.object("ad", "z").dn, Some(dn("cn=Z,dc=x")));
}

/// A container that left takes everything below it along; the container itself stays as a place.
#[test]
fn a_subtree_leaves_as_a_whole() {
    let mut world = World::new();
    world.full(
        "ad",
        &[
            "top organizationalUnit ou=Top,dc=x",
            "sub organizationalUnit ou=Sub,ou=Top,dc=x",
            "a user cn=A,ou=Sub,ou=Top,dc=x mail=a@x",
            "b user cn=B,dc=x mail=b@x",
        ],
    );
    world.promote_all("ad");
    let (page, _) = world.delta("ad", vec![StagedItem::SubtreeLeft { container: anchor("top") }]);
    assert_eq!(page.counters.delete, 3);
    assert_eq!(world.object("ad", "a").staged, Some(Staged::Deleted(DeleteCause::LeftContainerScope)));
    assert_eq!(world.object("ad", "b").staged, None);
    // Moved back in before anyone synchronised: nothing happened.
    let back = vec![
        object("top organizationalUnit ou=Top,dc=x"),
        object("sub organizationalUnit ou=Sub,ou=Top,dc=x"),
        object("a user cn=A,ou=Sub,ou=Top,dc=x mail=a@x"),
    ];
    world.delta("ad", back);
    assert_eq!(world.object("ad", "a").staged, None);
    assert_eq!(world.store.counts("ad").unwrap().containers, 2);
}

/// A secret never reaches a body.
#[test]
fn secrets_are_not_kept() {
    let mut world = World::new();
    world.full("ad", &["a user cn=A,dc=x mail=a@x unicodePwd=hunter2"]);
    assert_eq!(world.object("ad", "a").imported(), Some(&image(&[("mail", "a@x")])));
    let path = world.path();
    drop(world.store);
    let bytes = std::fs::read(path).unwrap();
    assert!(!bytes.windows(7).any(|window| window == b"hunter2"));
}

/// The progress of a step is committed with its pages.
#[test]
fn progress_is_committed_with_each_page() {
    let mut world = World::new();
    let run = world.store.begin_run("ad", "Full Import", NOW).unwrap();
    let step = world.store.begin_step(run.id, "full-import", NOW).unwrap();
    let mut session = world.store.begin_import("ad", ImportMode::Full, &schema(), Some(step)).unwrap();
    for line in ["a user cn=A,dc=x mail=a@x", "b user cn=B,dc=x mail=b@x"] {
        world.store.stage_page(&mut session, vec![object(line)], NOW).unwrap();
    }
    let record = world.store.run(run.id).unwrap().unwrap();
    assert_eq!((record.steps[0].counters.get("stage-add"), record.steps[0].status.as_str()), (2, IN_PROGRESS));
}

/// O44-O47, T25: a value that comes back is confirmed; another one is told once and then only held; silence says nothing.
#[test]
fn exports_are_confirmed_by_import() {
    let mut world = World::new();
    world.full("ad", &["a user cn=A,dc=x mail=a@x"]);
    let mv = world.project("ad", "a");
    world.full("cloud", &["c user - mail=a@x displayName=Old"]);
    world.promote_all("cloud");
    let id = world.id("cloud", "c");
    let mut changes = set("displayName", "New");
    changes.0.extend(set("mail", "b@x").0);
    world.target(mv, TargetPlan { pending: Some(update(changes)), ..keep(mv, id, Ownership::Adopted) });
    assert_eq!(world.export_all().counters["export-update"], 1);
    let memory = |world: &World| world.object("cloud", "c").memory;
    assert_eq!(memory(&world).attributes.len(), 2);
    assert_eq!(world.object("cloud", "c").pending, None);

    // A change that speaks of another attribute is no evidence about these.
    let (page, _) = world.delta("cloud", vec![changed("c", "user", None, set("title", "Chef"))]);
    assert_eq!((page.contradictions, memory(&world).attributes.len()), (0, 2));
    // One is confirmed, the other came back as something else.
    let (page, _) = world.delta("cloud", vec![object("c user - mail=b@x displayName=Reverted title=Chef")]);
    assert_eq!(page.contradictions, 1);
    let held = memory(&world);
    assert_eq!(held.attributes["displayName"].state, MemoryState::Held { returned: Value::text("Reverted").into() });
    let errors = world.store.errors(&ErrorFilter::default(), 10).unwrap();
    assert_eq!(
        (errors.len(), errors[0].code.as_str(), errors[0].retry_count),
        (1, "exported-change-not-reimported", 0)
    );
    // The same answer again is no news.
    let (page, _) = world.delta("cloud", vec![object("c user - mail=b@x displayName=Reverted title=Chef")]);
    assert_eq!((page.contradictions, page.counters.no_change), (0, 1));
    // And when it comes after all, the error goes.
    world.delta("cloud", vec![object("c user - mail=b@x displayName=New title=Chef")]);
    assert_eq!(
        (memory(&world), world.store.errors(&ErrorFilter::default(), 10).unwrap()),
        (ExportMemory::default(), Vec::new())
    );
}

/// O47 without any change of the image: the system kept its value. The metaverse object is looked at again.
#[test]
fn a_value_that_was_never_taken_is_told_by_a_full_import() {
    let mut world = World::new();
    world.full("ad", &["a user cn=A,dc=x mail=a@x"]);
    let mv = world.project("ad", "a");
    world.full("cloud", &["c user - displayName=Old"]);
    world.promote_all("cloud");
    let id = world.id("cloud", "c");
    world.target(
        mv,
        TargetPlan { pending: Some(update(set("displayName", "New"))), ..keep(mv, id, Ownership::Adopted) },
    );
    world.export_all();
    let summary = world.full("cloud", &["c user - displayName=Old"]);
    assert_eq!((summary.counters.no_change, summary.contradictions), (1, 1));
    assert_eq!(world.store.dirty_metaverse_page(None, 9).unwrap(), vec![mv]);
    assert_eq!(world.store.dirty_count("cloud").unwrap(), 0);
}

/// A created object that a full import does not show yet is not deleted by the first one: it would be created twice.
#[test]
fn a_fresh_object_survives_one_full_import_that_misses_it() {
    let mut world = World::new();
    world.full("ad", &["a user cn=A,dc=x mail=a@x"]);
    let (_, created) = world.provision("a", "user");
    world.export_all();
    assert_eq!(world.store.object(created).unwrap().unwrap().anchor, Some(anchor("c-a")));
    let summary = world.full("cloud", &[]);
    assert_eq!((summary.missed, summary.counters.delete), (1, 0));
    let summary = world.full("cloud", &["c-a user - displayName=a"]);
    assert_eq!((summary.missed, summary.counters.update), (0, 1));
    assert_eq!(world.id("cloud", "c-a"), created);
    assert_eq!(world.store.object(created).unwrap().unwrap().memory, ExportMemory::default());

    let (_, other) = {
        world.full("ad", &["a user cn=A,dc=x mail=a@x", "b user cn=B,dc=x mail=b@x"]);
        world.provision("b", "user")
    };
    world.export_all();
    world.full("cloud", &["c-a user - displayName=a"]);
    let summary = world.full("cloud", &["c-a user - displayName=a"]);
    assert_eq!((summary.missed, summary.counters.delete), (0, 1));
    assert_eq!(world.store.object(other).unwrap().unwrap().staged, Some(Staged::Deleted(DeleteCause::NotSeen)));
}

/// SF20: members of a never-sync group, direct and nested, carry the mark; joining or leaving puts them in the queue.
#[test]
fn never_sync_groups_reach_nested_members() {
    let mut world = World::new();
    let group = |name: &str| NeverSyncGroup { connector: "ad".into(), group: name.into(), attribute: "member".into() };
    let missing = world.store.set_never_sync_groups(&[group("cn=Admins,dc=x"), group("other")]).unwrap();
    assert_eq!(missing.len(), 2);
    world.full(
        "ad",
        &[
            "admins group cn=Admins,dc=x member>nested",
            "nested group cn=N,dc=x member>a",
            "a user cn=A,dc=x mail=a@x",
            "b user cn=B,dc=x mail=b@x",
        ],
    );
    let marked = |world: &World| -> BTreeSet<&'static str> {
        ["a", "b", "nested", "admins"].into_iter().filter(|id| world.object("ad", id).in_never_sync_group).collect()
    };
    assert_eq!(marked(&world), BTreeSet::from(["a", "nested"]), "the group came with this import");
    world.promote_all("ad");
    world.delta("ad", vec![changed("nested", "group", None, member_change(&["b"], &["a"]))]);
    assert_eq!(marked(&world), BTreeSet::from(["b", "nested"]));
    let queued: BTreeSet<CsId> = world.store.dirty_page("ad", None, 10).unwrap().into_iter().collect();
    assert!(queued.contains(&world.id("ad", "a")) && queued.contains(&world.id("ad", "b")));
    world.promote_all("ad");
    assert_eq!(world.store.set_never_sync_groups(&[]).unwrap(), Vec::new());
    assert_eq!(marked(&world), BTreeSet::new());
    assert_eq!(world.store.dirty_count("ad").unwrap(), 2);
}

/// SF20: a change of the deployment's own accounts is looked at by the next synchronisation.
#[test]
fn own_accounts_are_looked_at_again() {
    let mut world = World::new();
    world.full("ad", &["svc user cn=Svc,dc=x mail=svc@x sid=S-1", "b user cn=B,dc=x mail=b@x sid=S-2"]);
    world.promote_all("ad");
    let fact = OwnAccountFact { attribute: "sid".into(), value: Value::text("S-1"), name: "X\\svc".into() };
    world.store.save_own_accounts("ad", std::slice::from_ref(&fact)).unwrap();
    assert_eq!(world.store.own_accounts().unwrap(), vec![fact.clone()]);
    assert_eq!(world.store.dirty_page("ad", None, 9).unwrap(), vec![world.id("ad", "svc")]);
    world.promote_all("ad");
    world.store.save_own_accounts("ad", &[fact]).unwrap();
    assert_eq!(world.store.dirty_count("ad").unwrap(), 0, "the same list is no change");
}

/// An attribute whose kind changes gets a new number, and the connector needs a full import.
#[test]
fn a_change_of_kind_requires_a_full_import() {
    let mut world = World::new();
    world.full("ad", &["a user cn=A,dc=x employeeID=7", "b user cn=B,dc=x employeeID=8"]);
    let mut whole = image(&[]);
    whole.set("employeeID", Value::Integer(7));
    let item = StagedItem::Object(StagedObject {
        anchor: anchor("a"),
        object_type: "user".into(),
        place: Some(StagedPlace { dn: dn("cn=A,dc=x"), parent: None }),
        attributes: whole.clone(),
        print: None,
    });
    world.delta("ad", vec![item]);
    assert_eq!(world.object("ad", "a").imported(), Some(&whole));
    assert_eq!(world.object("ad", "b").imported(), Some(&image(&[("employeeID", "8")])));
    let reason = world.store.requirements("ad").unwrap().full_import.unwrap();
    assert_eq!(reason, "the values of `employeeID` were text and are now integer");

    let before = world.store.save_schema("cloud", &schema()).unwrap();
    assert!(before.kinds_changed.is_empty());
    let other =
        schema().attribute("mail", metaverse_schema::ValueKind::Binary, metaverse_schema::Plurality::Single, true);
    assert_eq!(world.store.save_schema("cloud", &other).unwrap().kinds_changed, vec![AttributeName::new("mail")]);
    assert_eq!(world.store.schema("cloud").unwrap(), Some(other));
}

/// Invariant 5: where rules read the DN, what stands below a moved container is queued in the transaction that moves it: a
/// crash right after the page loses nothing, and the next import, which finds the container in place, need not know.
#[test]
fn what_stands_below_a_moved_container_is_due_with_the_page_that_moves_it() {
    let mut world = World::new();
    world.full("ad", &["ou organizationalUnit ou=Sales -", "a user cn=Ann,ou=Sales mail=ann@x"]);
    world.store.db.run("DELETE FROM dirty", []).unwrap();
    for (follows, due) in [(false, 0), (true, 1)] {
        let mut session = world.store.begin_import("ad", ImportMode::Delta, &schema(), None).unwrap();
        if follows {
            session.follow_containers();
        }
        let place = if follows { "ou=Works" } else { "ou=Plants" };
        world.store.stage_page(&mut session, vec![object(&format!("ou organizationalUnit {place} -"))], NOW).unwrap();
        assert_eq!(world.store.dirty_count("ad").unwrap(), due, "follows: {follows}");
    }
}

/// Invariant 5, R9: an import that broke off after some pages is begun anew, and writes nothing for what they hold: neither
/// image nor queue nor head.
#[test]
fn an_import_that_broke_off_is_resumed_without_writing_its_pages_again() {
    let mut world = World::new();
    let people = |numbers: std::ops::Range<u32>| -> Vec<StagedItem> {
        numbers.map(|n| object(&format!("p{n} user cn=P{n} mail=p{n}@x member>p{}", n + 1))).collect()
    };
    let mut session = world.store.begin_import("ad", ImportMode::Full, &schema(), None).unwrap();
    world.store.stage_page(&mut session, people(0..50), NOW).unwrap();
    world.store.stage_page(&mut session, people(50..100), NOW).unwrap();
    drop(session);
    let mut session = world.store.begin_import("ad", ImportMode::Full, &schema(), None).unwrap();
    let before = world.store.db.sql.total_changes();
    for page in [0..50, 50..100] {
        let page = world.store.stage_page(&mut session, people(page), NOW).unwrap();
        assert_eq!(page.counters.named().map(|(_, count)| count), [50, 0, 0, 0, 0, 0, 0, 0, 0]);
    }
    assert_eq!(world.store.db.sql.total_changes(), before, "rows written for what was committed before");
    let page = world.store.stage_page(&mut session, people(100..150), NOW).unwrap();
    assert_eq!(page.counters.add, 50);
}

/// S6 of the performance goals: what stands below a container is found by its place. Looking at every object for each of them took
/// 40 seconds for 10,000 of 100,000.
#[test]
fn what_stands_below_a_container_is_found_by_its_place() {
    let mut world = World::new();
    world.full("ad", &["ou organizationalUnit ou=People,dc=x", "a user cn=Ann,ou=People,dc=x"]);
    let plan = |statement: &str| -> Vec<String> {
        let mut explain = world.store.db.sql.prepare(&format!("EXPLAIN QUERY PLAN {statement}")).unwrap();
        let lines = explain.query_map([1, 1], |row| row.get::<_, String>(3)).unwrap();
        lines.map(Result::unwrap).filter(|line| line.starts_with("SEARCH")).collect()
    };
    let by_place = |name: &str| format!("SEARCH {name} USING COVERING INDEX head_by_place (connector=? AND parent=?)");
    let searches = plan(&format!("{} SELECT id FROM below", crate::import::stage::BELOW));
    assert_eq!(searches, [by_place("head"), by_place("h")]);
}
