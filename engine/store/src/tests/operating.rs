//! What operators read: finding, describing, counting, listing, history.

use super::support::*;
use crate::*;
use metaverse_schema::Values;
use sync_kernel::*;

fn world() -> World {
    let mut world = World::new();
    world.full(
        "ad",
        &[
            "ou organizationalUnit ou=People,dc=x",
            "a user cn=Ann,ou=People,dc=x displayName=Ann mail=Ann@x sAMAccountName=ann",
            "b user cn=Bob,ou=People,dc=x displayName=Bob mail=bob@x proxyAddresses=SMTP:bob@x proxyAddresses=smtp:robert@x",
            "g group cn=G,dc=x displayName=Staff member>a member>stranger",
        ],
    );
    world
}

#[test]
fn objects_are_found_by_place_anchor_number_and_name() {
    let mut world = world();
    let a = world.id("ad", "a");
    for text in ["a", "CN=ann,OU=people,DC=X", "ann@X", "ANN", &a.to_string()] {
        assert_eq!(world.store.find_object("ad", text).unwrap(), vec![a], "{text}");
    }
    assert_eq!(world.store.find_object("ad", "robert@x").unwrap(), vec![world.id("ad", "b")]);
    assert_eq!(world.store.find_object("ad", "nobody").unwrap(), vec![]);
    assert_eq!(world.store.find_object("elsewhere", "a").unwrap(), vec![]);
    let names = |found: Vec<ObjectSummary>| found.into_iter().map(|summary| summary.name).collect::<Vec<_>>();
    assert_eq!(names(world.store.search_objects("ad", "nn", 9).unwrap()), ["Ann"]);
    assert_eq!(names(world.store.search_objects("ad", "@x", 1).unwrap()), ["Ann"]);
    assert_eq!(names(world.store.list_objects("ad", Some(a), 9).unwrap()), ["Bob", "Staff"]);
    let mv = world.project("ad", "a");
    for text in ["ann@x", "Ann", &mv.to_string()] {
        assert_eq!(world.store.find_metaverse(text).unwrap(), vec![mv], "{text}");
    }
    assert_eq!(world.store.search_metaverse("NN@", 9).unwrap()[0].name, "Ann");
    assert_eq!(world.store.list_metaverse(None, 9).unwrap().len(), 1);
}

/// S27: who stands at a DN is asked by its normal form; a placeholder without an anchor is nobody.
#[test]
fn occupants_are_found_by_the_normal_form() {
    let world = world();
    let occupant = |text: &str| world.store.db.occupant("ad", &dn(text).normalised()).unwrap();
    assert_eq!(occupant("CN=ann,  OU=People,DC=X"), Some(world.id("ad", "a")));
    assert_eq!((occupant("dc=x"), occupant("cn=nobody,dc=x")), (None, None));
    assert_eq!(world.store.db.occupant("elsewhere", "dc=x").unwrap(), None);
}

/// Every image once, staged ones too, with the bytes that are kept of it; reading changes no row.
#[test]
fn a_scan_hands_over_every_image_with_its_bytes() {
    let mut world = world();
    world.project("ad", "a");
    let rows = world.store.rows_written();
    let (mut seen, mut bytes) = (Vec::new(), 0);
    let count = world.store.scan_images(|kept, image| {
        bytes += kept.len();
        let mut named = |name: &str, value: Option<&Values>| {
            let first = value.and_then(|values| values.iter().next());
            seen.push(format!("{name} {}", first.map(ToString::to_string).unwrap_or_default()));
        };
        match image {
            ScannedImage::Connector(attributes) => named("object", attributes.get("displayName")),
            ScannedImage::Metaverse(values) => named("metaverse", values.get("displayName")),
        }
    });
    assert_eq!(count.unwrap(), seen.len() as u64);
    expect_test::expect![[r#"
        object 
        object Ann
        object Bob
        object Staff
        metaverse Ann"#]]
    .assert_eq(&seen.join("\n"));
    assert!(bytes > 60, "{bytes}");
    assert_eq!(world.store.rows_written(), rows);
}

/// What run history writes of itself is not what a step wrote.
#[test]
fn rows_of_run_history_do_not_count_as_written() {
    let mut world = world();
    let before = world.store.rows_written();
    let run = world.store.begin_run("ad", "full-import", 1).unwrap();
    let step = world.store.begin_step(run.id, "full-import", 1).unwrap();
    world.store.record_details(step, &[("stage-add".to_owned(), vec![world.id("ad", "a")])].into()).unwrap();
    world.store.end_run(run.id, "success", 2).unwrap();
    assert_eq!(world.store.rows_written(), before);
    world.full("ad", &["a user cn=Ann,ou=People,dc=x displayName=Anna"]);
    assert!(world.store.rows_written() > before);
}

/// O22.
#[test]
fn spaces_are_counted() {
    let mut world = world();
    let counts = world.store.counts("ad").unwrap();
    assert_eq!((counts.objects, counts.disconnectors, counts.connectors, counts.import_add), (3, 3, 0, 3));
    assert_eq!((counts.containers, counts.placeholders), (1, 2));
    let imported = |world: &World, name| world.store.imported_count(name).unwrap();
    assert_eq!(imported(&world, "ad"), 4, "three objects and a container");
    world.provision("a", "user");
    world.promote_all("ad");
    world.delta("ad", vec![object("a user cn=Ann,ou=People,dc=x displayName=Anna"), deleted("b")]);
    let counts = world.store.counts("ad").unwrap();
    assert_eq!((counts.connectors, counts.disconnectors), (1, 2));
    assert_eq!((counts.import_add, counts.import_update, counts.import_delete), (0, 1, 1));
    let counts = world.store.counts("cloud").unwrap();
    assert_eq!((counts.objects, counts.connectors, counts.export_add), (1, 1, 1));
    // One is gone; what is only to be created came from nowhere.
    assert_eq!((imported(&world, "ad"), imported(&world, "cloud"), imported(&world, "elsewhere")), (3, 0, 0));
    assert_eq!(world.store.counts("elsewhere").unwrap(), SpaceCounts::default());
    assert_eq!(world.store.metaverse_count().unwrap(), 1);
}

#[test]
fn descriptions_hold_everything() {
    let mut world = world();
    let (mv, created) = world.provision("a", "user");
    world.target(
        mv,
        TargetPlan { holds: vec![hold("limitation", None, None)], ..keep(mv, created, Ownership::Provisioned) },
    );
    let described = world.store.describe(created).unwrap().unwrap();
    assert_eq!((described.holds.len(), described.transient, described.object.pending), (1, false, None));
    assert_eq!(described.summary.link, Some(mv));
    let group = world.id("ad", "g");
    let members = world.store.members(group, "member", None, 9).unwrap();
    let shown: Vec<_> =
        members.iter().map(|member| (member.name.as_str(), member.placeholder, member.unsynchronised)).collect();
    assert_eq!(shown, [("Ann", false, Some("added")), ("stranger", true, Some("added"))]);
    assert_eq!(world.store.members(group, "member", Some(members[0].id), 9).unwrap().len(), 1);
    let described = world.store.describe_metaverse(mv).unwrap().unwrap();
    assert_eq!((described.links.len(), described.holds.len()), (2, 1));
    assert_eq!(world.store.describe(CsId(9999)).unwrap(), None);
}

#[test]
fn pending_and_held_are_listed() {
    let mut world = world();
    let (mv, created) = world.provision("a", "user");
    let (other, _) = world.provision("b", "user");
    let listed = |world: &World, filter: PendingFilter| -> Vec<CsId> {
        world.store.pending("cloud", &filter, None, 9).unwrap().into_iter().map(|line| line.object).collect()
    };
    assert_eq!(listed(&world, PendingFilter::default()).len(), 2);
    assert_eq!(listed(&world, PendingFilter { object: Some(created), ..PendingFilter::default() }), vec![created]);
    assert_eq!(listed(&world, PendingFilter { operation: Some("delete".into()), ..PendingFilter::default() }), vec![]);
    assert_eq!(listed(&world, PendingFilter { operation: Some("add".into()), ..PendingFilter::default() }).len(), 2);
    let first = world.store.pending("cloud", &PendingFilter::default(), None, 1).unwrap();
    assert_eq!((first.len(), first[0].name.as_str(), first[0].mv), (1, "a", Some(mv)));
    world.target(other, TargetPlan { holds: vec![hold("deleted-twin", None, None)], ..nothing(other) });
    let held =
        world.store.holds(&HoldFilter { code: Some("deleted-twin".into()), ..HoldFilter::default() }, 9).unwrap();
    assert_eq!((held.len(), held[0].mv, held[0].name.as_str(), &*held[0].connector), (1, other, "Bob", "cloud"));
    assert_eq!(world.store.held_counts("cloud").unwrap(), [("deleted-twin".to_owned(), 1)].into());
    // Holds are replaced as a whole.
    world.target(other, nothing(other));
    assert_eq!(world.store.holds(&HoldFilter::default(), 9).unwrap(), vec![]);
}

/// R28-R32: numbers per connector, steps with counters and notes, what a crash left, and what is old.
#[test]
fn history_is_kept_and_purged() {
    let mut world = World::new();
    let store = &mut world.store;
    let first = store.begin_run("ad", "Full Import", NOW).unwrap();
    let step = store.begin_step(first.id, "full-import", NOW).unwrap();
    let mut counters = StepCounters::default();
    counters.add("stage-add", 3);
    counters.add_outbound("cloud", "provisioned-add-flow", 2);
    let notes = vec![StepNote { code: "container-renamed".into(), message: "ou=a is now ou=b".into() }];
    store
        .end_step(
            step,
            &StepEnd { status: "success".into(), counters: counters.clone(), notes: notes.clone() },
            NOW + 10,
        )
        .unwrap();
    store.end_run(first.id, "success", NOW + 10).unwrap();
    store.record_details(step, &[("stage-add".to_owned(), vec![CsId(3), CsId(1)])].into()).unwrap();
    assert_eq!(store.details(step, "stage-add", 9).unwrap(), vec![CsId(1), CsId(3)]);
    store.add_event(Some(first.id), EventLevel::Warning, "clock-skew", "70 s", NOW).unwrap();
    assert_eq!(store.events(Some(first.id), 9).unwrap()[0].code, "clock-skew");
    let told = |number: u64| NewEvent {
        level: EventLevel::Information,
        code: "licence-given".into(),
        message: format!("user {number}"),
    };
    store.add_events(&[told(1), told(2)], NOW + 1).unwrap();
    let newest = store.events(None, 2).unwrap();
    assert_eq!(newest.iter().map(|event| event.message.as_str()).collect::<Vec<_>>(), ["user 2", "user 1"]);
    assert!(newest.iter().all(|event| event.run.is_none() && event.occurred == NOW + 1));
    store.record_step_error(step, "line 7", ErrorPhase::Import, &Problem::new("parse-error", "no colon"), NOW).unwrap();
    assert_eq!(store.begin_run("cloud", "Full Import", NOW + 20).unwrap().number, 1);
    let second = store.begin_run("ad", "Delta Import", NOW + 20).unwrap();
    store.begin_step(second.id, "delta-import", NOW + 20).unwrap();
    assert_eq!((first.number, second.number), (1, 2));
    let record = store.run(first.id).unwrap().unwrap();
    assert_eq!((record.status.as_str(), record.ended, record.steps.len()), ("success", Some(NOW + 10), 1));
    assert_eq!(
        (&record.steps[0].counters, &record.steps[0].notes, record.steps[0].error_count),
        (&counters, &notes, 1)
    );
    let listed = store.runs(&RunFilter { connector: Some("ad".into()), before: None, limit: 9 }).unwrap();
    assert_eq!(listed.iter().map(|run| run.number).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(store.close_interrupted_runs(NOW + 30).unwrap(), 2);
    assert_eq!(store.run(second.id).unwrap().unwrap().steps[0].status, "stopped-database-connection-lost");
    assert_eq!(store.purge_history(NOW + 15).unwrap(), 1);
    assert_eq!(
        (store.run(first.id).unwrap(), store.step_errors(step).unwrap(), store.events(None, 9).unwrap()),
        (None, vec![], vec![])
    );
    // Even when everything is old, the next run gets the next number.
    assert_eq!(store.purge_history(NOW + 99).unwrap(), 0);
    assert_eq!(store.begin_run("ad", "x", NOW + 99).unwrap().number, 3);
}
