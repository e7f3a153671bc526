//! Export pages, the mark that they left, and what came of them (O28, O44-O51).

use super::support::*;
use crate::*;
use metaverse_schema::{AttributeChange, AttributesDelta, Value, Values};
use sync_kernel::*;

fn mark() -> PageMark {
    PageMark { now: NOW, ..PageMark::default() }
}

fn page(world: &World) -> Vec<ExportEntry> {
    world.store.export_page("cloud", ExportPhase::Writes, None, 99, 99).unwrap()
}

/// One person in `ad`, adopted in `cloud`, with this pending.
fn adopted(pending: PendingExport) -> (World, MvId, CsId) {
    let mut world = World::new();
    world.full("ad", &["a user cn=A,dc=x mail=a@x"]);
    let mv = world.project("ad", "a");
    world.full("cloud", &["c user - mail=a@x displayName=Old proxy=smtp:1 proxy=smtp:2"]);
    world.promote_all("cloud");
    let id = world.id("cloud", "c");
    world.target(mv, TargetPlan { pending: Some(pending), ..keep(mv, id, Ownership::Adopted) });
    (world, mv, id)
}

/// A create gets its anchor and waits for its import; placeholders that knew the anchor become the object.
#[test]
fn an_accepted_create_is_remembered() {
    let mut world = World::new();
    world.full("ad", &["a user cn=A,dc=x mail=a@x"]);
    let (mv, id) = world.provision("a", "user");
    world.delta("cloud", vec![object("g group - members>c-a")]);
    let before = page(&world);
    assert_eq!(
        (before.len(), before[0].anchor.clone(), before[0].was_in_flight, before[0].mv),
        (1, None, false, Some(mv))
    );
    world.export_all();
    let object = world.store.object(id).unwrap().unwrap();
    assert_eq!((object.anchor, object.pending), (Some(anchor("c-a")), None));
    assert_eq!(
        object.memory.attributes["displayName"],
        Remembered { wanted: Value::text("a").into(), state: MemoryState::Unconfirmed }
    );
    let members = world.store.members(world.id("cloud", "g"), "members", None, 9).unwrap();
    assert_eq!(members.iter().map(|member| member.id).collect::<Vec<_>>(), vec![id]);
    assert_eq!(page(&world), vec![]);
}

/// R70: what is told of an object that was created here, and that no import has returned yet, is the whole object where the
/// connector says so: it need not be asked for. A value that is not named was not taken (O47); a reference may still follow.
#[test]
fn what_is_told_of_an_object_made_here_is_the_whole() {
    let told = |id: &str, whole_if_new: bool, name: &str| match changed(id, "user", None, set("displayName", name)) {
        StagedItem::Change(change) => StagedItem::Change(StagedChange { whole_if_new, ..change }),
        other => other,
    };
    let made = || {
        let mut world = World::new();
        world.full("ad", &["a user cn=A,dc=x mail=a@x"]);
        let (_, id) = world.provision("a", "user");
        world.export_all();
        (world, id)
    };

    let (mut world, id) = made();
    let items = vec![told("c-a", false, "a"), told("nobody", true, "a")];
    let (page, _) = world.delta("cloud", items);
    assert_eq!(page.need_full_object, [anchor("c-a"), anchor("nobody")], "not said to be whole; not made here");
    let (page, _) = world.delta("cloud", vec![told("c-a", true, "a")]);
    assert_eq!((page.counters.update, page.need_full_object.len(), page.contradictions), (1, 0, 0));
    let object = world.store.object(id).unwrap().unwrap();
    assert_eq!(object.imported(), Some(&image(&[("displayName", "a")])));
    assert!(object.memory.attributes.is_empty(), "{:?}", object.memory);
    // The next full import knows it again.
    let rows = world.store.rows_written();
    let again = world.full("cloud", &["c-a user - displayName=a"]);
    assert_eq!(
        (again.counters.no_change, world.store.rows_written() - rows),
        (1, 2),
        "two rows: the watermark, and that it was read whole"
    );
    // From now on a change is a change.
    let (page, _) = world.delta("cloud", vec![told("c-a", true, "b")]);
    assert_eq!((page.counters.update, page.need_full_object.len()), (1, 0));

    let (mut world, _) = made();
    let StagedItem::Change(change) = changed("c-a", "user", None, set("mail", "a@x")) else { unreachable!() };
    let (page, _) = world.delta("cloud", vec![StagedItem::Change(StagedChange { whole_if_new: true, ..change })]);
    assert_eq!((page.need_full_object.len(), page.contradictions), (0, 1), "the display name was not taken");
}

/// O28: what was sent is known to have been sent, also by the next process; nothing is lost when it was not.
#[test]
fn in_flight_is_committed_before_sending() {
    let mut world = World::new();
    world.full("ad", &["a user cn=A,dc=x mail=a@x", "b user cn=B,dc=x mail=b@x"]);
    world.provision("a", "user");
    world.provision("b", "user");
    let entries = page(&world);
    world.store.mark_in_flight(&entries).unwrap();
    let path = world.path();
    let World { store, folder } = world;
    drop(store);
    let mut store = Store::open(&path).unwrap();
    store.register_rules(&rules(), NOW).unwrap();
    let mut world = World { store, folder };
    let entries = page(&world);
    assert!(entries.len() == 2 && entries.iter().all(|entry| entry.was_in_flight));
    let outcomes = [false, true];
    let settlements: Vec<Settlement> = entries
        .into_iter()
        .zip(outcomes)
        .map(|(entry, may_have_arrived)| Settlement { entry, outcome: SettledOutcome::NotSettled { may_have_arrived } })
        .collect();
    let settled = world.store.settle(&settlements, &mark()).unwrap();
    assert_eq!((settled.not_settled, settled.counters.len()), (2, 0));
    assert_eq!(page(&world).iter().map(|entry| entry.was_in_flight).collect::<Vec<_>>(), outcomes);
}

/// T26: an import brought the created object before the look-up found it. One object remains, with the link.
#[test]
fn a_created_object_that_an_import_brought_first_is_not_doubled() {
    let mut world = World::new();
    world.full("ad", &["a user cn=A,dc=x mail=a@x"]);
    let (mv, provisioned) = world.provision("a", "user");
    let entries = page(&world);
    world.store.mark_in_flight(&entries).unwrap();
    world.delta("cloud", vec![object("c-a user - displayName=a")]);
    let imported = world.id("cloud", "c-a");
    assert_ne!(imported, provisioned);
    let entry = page(&world).remove(0);
    assert!(entry.was_in_flight);
    world.store.settle(&[accepted(entry)], &mark()).unwrap();
    assert_eq!(world.store.object(provisioned).unwrap(), None);
    let object = world.object("cloud", "c-a");
    assert_eq!(
        (object.id, object.link.unwrap().ownership, object.memory),
        (imported, Ownership::Provisioned, ExportMemory::default())
    );
    assert_eq!(world.store.metaverse(mv).unwrap().unwrap().links.len(), 2);
    assert_eq!(world.store.counts("cloud").unwrap().objects, 1);
}

/// An anchor that belongs to another person's object is refused and changes nothing.
#[test]
fn an_anchor_of_another_person_is_refused() {
    let (mut world, mv, id) = adopted(update(set("displayName", "New")));
    world.full("ad", &["a user cn=A,dc=x mail=a@x", "b user cn=B,dc=x mail=b@x"]);
    let (_, provisioned) = world.provision("b", "user");
    let entry = page(&world).into_iter().find(|entry| entry.id == provisioned).unwrap();
    let stolen = SettledOutcome::Accepted { anchor: Some(anchor("c")), failed_references: Vec::new() };
    world.store.settle(&[Settlement { entry, outcome: stolen }], &mark()).unwrap();
    assert_eq!(world.object("cloud", "c").link.unwrap().mv, mv);
    assert_eq!(world.object("cloud", "c").id, id);
    let error = &world.store.errors(&ErrorFilter::default(), 9).unwrap()[0];
    assert_eq!((error.code.as_str(), error.subject), ("duplicate-anchor", ErrorSubject::Object(provisioned)));
}

/// What is refused is not sent again by itself, unless a retry helps; it is counted, and an operator can ask for it.
#[test]
fn refused_exports_wait() {
    let (mut world, _, id) = adopted(update(set("displayName", "New")));
    let refuse = |world: &mut World, retry| {
        let entry = page(world).remove(0);
        world.store.mark_in_flight(std::slice::from_ref(&entry)).unwrap();
        let outcome = SettledOutcome::Refused(refusal("permission-issue", retry));
        let settled = world.store.settle(&[Settlement { entry, outcome }], &mark()).unwrap();
        assert_eq!(settled.counters["export-failure"], 1);
    };
    let state = |world: &World| world.store.object(id).unwrap().unwrap().pending.unwrap().state;
    refuse(&mut world, true);
    assert!(matches!(state(&world), SentState::Refused { count: 1, retry: true, .. }));
    refuse(&mut world, false);
    assert!(matches!(state(&world), SentState::Refused { count: 2, retry: false, .. }));
    assert_eq!((page(&world), world.store.export_count("cloud").unwrap()), (vec![], 0));
    let errors =
        world.store.errors(&ErrorFilter { phase: Some(ErrorPhase::Export), ..ErrorFilter::default() }, 9).unwrap();
    assert_eq!((errors.len(), errors[0].retry_count, errors[0].name.as_str()), (1, 1, "Old"));
    let listed =
        world.store.pending("cloud", &PendingFilter { refused: true, ..PendingFilter::default() }, None, 9).unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(world.store.retry_refused("cloud", Some(id)).unwrap(), 1);
    assert_eq!(state(&world), SentState::Pending);
    world.export_all();
    assert_eq!(world.store.errors(&ErrorFilter::default(), 9).unwrap(), vec![]);
}

/// Single values that were added and removed are remembered as the whole that is wanted.
#[test]
fn value_changes_are_remembered_as_wholes() {
    let mut delta = AttributesDelta::default();
    let change = AttributeChange::Update { add: Value::text("smtp:3").into(), remove: Value::text("smtp:1").into() };
    delta.0.insert("proxy".into(), change);
    let (mut world, _, id) = adopted(update(delta));
    world.export_all();
    let memory = world.store.object(id).unwrap().unwrap().memory;
    let wanted = [Value::text("smtp:2"), Value::text("smtp:3")].into_iter().collect();
    assert_eq!(memory.attributes["proxy"].wanted, wanted);
}

/// S57: the values that a plan says are this engine's are kept through other plans' reads, told from the attributes that it owns, and
/// what others do between an export and its import contradicts none of them.
#[test]
fn s57_contributed_values_are_kept_and_alone_can_be_contradicted() {
    let change = AttributeChange::Update { add: Value::text("smtp:3").into(), remove: Values::default() };
    let delta = AttributesDelta([("proxy".into(), change)].into());
    let (mut world, mv, id) = adopted(update(delta.clone()));
    let own: Values = [Value::text("smtp:3"), Value::text("SMTP:3")].into_iter().collect();
    let plan = |own: &Values| TargetPlan {
        pending: Some(update(delta.clone())),
        owned: std::sync::Arc::new(["proxy".into(), "mail".into()].into()),
        contributed: [("proxy".into(), own.clone())].into(),
        ..keep(mv, id, Ownership::Adopted)
    };
    world.target(mv, plan(&own));
    let object = world.store.object(id).unwrap().unwrap();
    assert_eq!((object.contributed["proxy"].clone(), object.owned.len()), (own, 2));
    world.target(mv, plan(&Value::text("smtp:3").into()));
    world.export_all();
    // One is gone and one came; the own one is there.
    let contradictions = |world: &mut World, line: &str| world.full("cloud", &[line]).contradictions;
    let returned = "c user - mail=a@x displayName=Old proxy=smtp:2 proxy=smtp:9 proxy=smtp:3";
    assert_eq!(contradictions(&mut world, returned), 0);
    assert_eq!(world.store.object(id).unwrap().unwrap().memory, ExportMemory::default());
    // And where the own one is missing, that is told.
    world.target(mv, plan(&Value::text("smtp:3").into()));
    world.export_all();
    assert_eq!(contradictions(&mut world, "c user - mail=a@x displayName=Old proxy=smtp:2"), 1);
    // None left: nothing is kept of them, and what is owned stays.
    world.target(mv, TargetPlan { pending: None, contributed: Default::default(), ..plan(&Values::default()) });
    let object = world.store.object(id).unwrap().unwrap();
    assert_eq!((object.contributed.len(), object.owned.len()), (0, 2));
}

/// An accepted rename moves the object at once; the import that follows finds nothing to do.
#[test]
fn an_accepted_rename_takes_its_place() {
    let mut world = World::new();
    world.full("ad", &["a user cn=A,dc=x mail=a@x"]);
    let mv = world.project("ad", "a");
    world.full("cloud", &["c user cn=Old,o=y displayName=A"]);
    world.promote_all("cloud");
    let id = world.id("cloud", "c");
    let operation = PendingOperation::Update {
        rename: Some(dn("cn=New,ou=new,o=y")),
        changes: AttributesDelta::default(),
        afterwards: AttributesDelta::default(),
        takeover: false,
    };
    let pending = PendingExport { operation, state: SentState::Pending, grace: None };
    world.target(mv, TargetPlan { pending: Some(pending), ..keep(mv, id, Ownership::Provisioned) });
    assert_eq!(world.export_all().counters["export-rename"], 1);
    assert_eq!(world.store.object(id).unwrap().unwrap().dn, Some(dn("cn=New,ou=new,o=y")));
    let (page, _) = world.delta("cloud", vec![object("c user cn=New,ou=new,o=y displayName=A")]);
    assert_eq!(page.counters.no_change, 1);
}

/// SF4: what is let go stays in the space, unlinked; what is deleted leaves it.
#[test]
fn detached_objects_stay_and_deleted_ones_go() {
    let cause = DeleteCause::DeletedInSource;
    let ownership = Ownership::Adopted;
    let (mut world, mv, id) = adopted(PendingExport {
        operation: PendingOperation::Detach { cause, ownership },
        state: SentState::Pending,
        grace: None,
    });
    assert!(page(&world).is_empty(), "removals are a phase of their own");
    world.export_all();
    let object = world.store.object(id).unwrap().unwrap();
    assert_eq!((object.state, object.link, object.pending), (ConnectorState::Disconnected, None, None));
    assert_eq!(world.store.dirty_metaverse_page(None, 9).unwrap(), vec![mv]);

    let (mut world, _, id) = adopted(PendingExport {
        operation: PendingOperation::Delete { cause, ownership },
        state: SentState::Pending,
        grace: None,
    });
    assert_eq!(world.export_all().counters["export-delete"], 1);
    assert_eq!(world.store.object(id).unwrap(), None);
    assert_eq!(world.full("cloud", &[]).counters, StagingCounters::default());
}

/// SF9: an object that was brought back may come as another type; that is no delete-add.
#[test]
fn a_restored_object_may_change_its_type() {
    let mut world = World::new();
    world.full("ad", &["a user cn=A,dc=x mail=a@x"]);
    let mv = world.project("ad", "a");
    world.full("cloud", &["c contact - mail=a@x"]);
    world.promote_all("cloud");
    let id = world.id("cloud", "c");
    let operation =
        PendingOperation::Restore { changes: set("displayName", "A"), afterwards: AttributesDelta::default() };
    let pending = PendingExport { operation, state: SentState::Pending, grace: None };
    world.target(mv, TargetPlan { pending: Some(pending), ..keep(mv, id, Ownership::Adopted) });
    world.export_all();
    let (page, _) = world.delta("cloud", vec![object("c user - mail=a@x displayName=A")]);
    assert_eq!((page.counters.update, page.counters.delete_add), (1, 0));
    let object = world.object("cloud", "c");
    assert_eq!(
        (object.object_type.as_str(), object.link.is_some(), object.memory),
        ("user", true, ExportMemory::default())
    );
}

/// Reference changes that were refused while the rest went through are kept with their reason.
#[test]
fn refused_members_do_not_hold_up_the_rest() {
    let mut world = World::new();
    world.full(
        "ad",
        &[
            "a user cn=A,dc=x mail=a@x",
            "b user cn=B,dc=x mail=b@x",
            "g group cn=G,dc=x displayName=G member>a member>b",
        ],
    );
    world.provision("a", "user");
    world.provision("b", "user");
    let source = world.id("ad", "g");
    let (mv, group) = world.provision("g", "group");
    world.export_all();
    world.target(
        mv,
        TargetPlan { references: vec![member_flow(source, false)], ..keep(mv, group, Ownership::Provisioned) },
    );
    world.references();
    // One reference at a time: the entry says that there are more.
    let short = world.store.export_page("cloud", ExportPhase::Writes, None, 9, 1).unwrap();
    assert_eq!((short.len(), short[0].references.len(), short[0].more_references), (1, 1, true));
    let entry = page(&world).remove(0);
    assert_eq!((entry.references.len(), entry.more_references), (2, false));
    world.store.mark_in_flight(std::slice::from_ref(&entry)).unwrap();
    let failed_references = vec![(entry.references[1].clone(), refusal("dn-attributes-failure", false))];
    let outcome = SettledOutcome::Accepted { anchor: None, failed_references };
    world.store.settle(&[Settlement { entry, outcome }], &mark()).unwrap();
    let states: Vec<&str> =
        world.store.pending_members(group, None, 9).unwrap().iter().map(|member| member.state).collect();
    assert_eq!(states, ["unconfirmed", "refused"]);
    assert_eq!(world.store.errors(&ErrorFilter::default(), 9).unwrap()[0].code, "dn-attributes-failure");
    assert_eq!(page(&world), vec![]);
}

/// O51.
#[test]
fn export_steps_are_numbered() {
    let mut world = World::new();
    assert_eq!(world.store.begin_export_step("cloud").unwrap(), 1);
    assert_eq!(world.store.begin_export_step("cloud").unwrap(), 2);
    world.store.export_step_done("cloud", 2).unwrap();
    assert_eq!(world.store.begin_export_step("cloud").unwrap(), 3);
    assert_eq!(world.store.export_step_counters("cloud").unwrap(), (3, 2));
}

/// Invariant 5: a delete was sent and its answer lost; the next import finds the object in the system's recycle bin, as
/// another type. The delete arrived: it is not sent to what lies there.
#[test]
fn a_delete_in_flight_is_settled_by_what_lies_in_the_recycle_bin() {
    let operation = PendingOperation::Delete { cause: DeleteCause::DeletedInSource, ownership: Ownership::Adopted };
    let pending = |operation| PendingExport { operation, state: SentState::Pending, grace: None };
    for was_sent in [true, false] {
        let (mut world, mv, id) = adopted(pending(operation.clone()));
        let removals = world.store.export_page("cloud", ExportPhase::Removals, None, 9, 9).unwrap();
        if was_sent {
            world.store.mark_in_flight(&removals).unwrap();
        }
        let (page, _) = world.delta("cloud", vec![object("c deletedUser - mail=a@x")]);
        let found = world.object("cloud", "c");
        assert_eq!(found.object_type.as_str(), "deletedUser");
        assert_eq!((page.counters.add, page.counters.delete_add), if was_sent { (1, 0) } else { (0, 1) });
        assert_eq!((found.link.is_none(), found.pending.is_none()), (was_sent, was_sent));
        assert_eq!(world.store.object(id).unwrap().is_none(), was_sent);
        let due = world.store.dirty_metaverse_page(None, 9).unwrap();
        assert_eq!(due.contains(&mv), was_sent, "the metaverse object is decided without it");
    }
}

/// The same when nobody is behind the object any more, and its link is gone: what lies in the bin is not deleted once more.
#[test]
fn a_delete_in_flight_is_settled_without_a_person_too() {
    let operation = PendingOperation::Delete { cause: DeleteCause::DeletedInSource, ownership: Ownership::Provisioned };
    let (mut world, _, id) = adopted(PendingExport { operation, state: SentState::Pending, grace: None });
    let removals = world.store.export_page("cloud", ExportPhase::Removals, None, 9, 9).unwrap();
    world.store.mark_in_flight(&removals).unwrap();
    let unlink = "UPDATE head SET link_mv = NULL, link_rule = NULL, ownership = NULL WHERE id = ?1";
    world.store.db.write("ending a link", |db| db.run(unlink, [id.0])).unwrap();
    let (page, _) = world.delta("cloud", vec![object("c deletedUser - mail=a@x")]);
    assert_eq!((page.counters.add, page.counters.delete_add), (1, 0));
    assert_eq!(world.object("cloud", "c").pending, None);
    assert_eq!(world.store.object(id).unwrap(), None);
}

/// SF11: what an object held is kept when its takeover is about to be sent: the first time, for 30 days, and of takeovers alone.
#[test]
fn sf11_what_was_before_a_takeover_is_kept() {
    let update = |takeover| PendingExport {
        operation: PendingOperation::Update {
            rename: None,
            changes: AttributesDelta::default(),
            afterwards: delta("displayName", "B"),
            takeover,
        },
        state: SentState::Pending,
        grace: None,
    };
    let (mut world, _, id) = adopted(update(false));
    let entries = page(&world);
    world.store.keep_before_takeover(&entries, NOW).unwrap();
    assert_eq!(world.store.kept_before(id).unwrap(), None, "no takeover");
    let (mut world, _, id) = adopted(update(true));
    let entries = page(&world);
    world.store.keep_before_takeover(&entries, NOW).unwrap();
    let kept = world.store.kept_before(id).unwrap().unwrap();
    assert_eq!((kept.at, kept.attributes.text("mail")), (NOW, Some("a@x")));
    world.store.keep_before_takeover(&entries, NOW + 1).unwrap();
    assert_eq!(world.store.kept_before(id).unwrap().unwrap().at, NOW, "the first one stays");
    let later = NOW + 31 * 86_400_000_000;
    world.store.keep_before_takeover(&entries, later).unwrap();
    assert_eq!(world.store.kept_before(id).unwrap().unwrap().at, later, "what is old was forgotten");
}

fn delta(name: &str, value: &str) -> AttributesDelta {
    let mut delta = AttributesDelta::default();
    delta.set(name, Value::text(value));
    delta
}

/// SF11: once its undo is intended the object is nobody's: nothing is sent to it, the operator's word stands, and what a later
/// run needs is kept. What came of it follows; taken over again, it is kept anew and the undo is forgotten with the first answer.
#[test]
fn sf11_an_undo_is_intended_then_sent_then_settled() {
    let takeover = PendingExport {
        operation: PendingOperation::Update {
            rename: None,
            changes: AttributesDelta::default(),
            afterwards: delta("displayName", "B"),
            takeover: true,
        },
        state: SentState::Pending,
        grace: None,
    };
    let (mut world, mv, id) = adopted(takeover.clone());
    let entries = page(&world);
    assert!(!entries[0].reclaims);
    world.store.keep_before_takeover(&entries, NOW).unwrap();
    assert_eq!(world.store.taken_over("cloud").unwrap(), [(id, NOW)]);
    assert_eq!(world.store.undo_of(id).unwrap(), None);
    let word = PairWord { verdict: MatchVerdict::Undone, by: "jo".into(), note: String::new() };
    world.store.begin_undo(&[(id, Some(mv))], &["mail"], &word, NOW + 5).unwrap();
    let begun = world.store.undo_of(id).unwrap().unwrap();
    assert_eq!((&begun.state, begun.named_by.text("mail")), (&UndoState::Intended, Some("a@x")));
    let object = world.store.object(id).unwrap().unwrap();
    assert_eq!((object.link, object.pending, object.state), (None, None, ConnectorState::Disconnected));
    assert_eq!(object.match_decisions[0].verdict, MatchVerdict::Undone);
    assert_eq!(world.store.export_count("cloud").unwrap(), 0);
    assert!(world.store.dirty_metaverse_page(None, 9).unwrap().contains(&mv));

    world.store.mark_undo_sent(&[id]).unwrap();
    assert_eq!(world.store.undo_of(id).unwrap().unwrap().state, UndoState::Sent);
    world.store.settle_undo(&[(id, UndoOutcome::NotSettled)], NOW + 6).unwrap();
    assert_eq!(world.store.undo_of(id).unwrap().unwrap().state, UndoState::Sent);
    // Begun again, nothing of what was known is lost, although the object belongs to nobody by now.
    world.store.begin_undo(&[(id, None)], &["mail"], &word, NOW + 7).unwrap();
    let again = world.store.undo_of(id).unwrap().unwrap();
    assert_eq!((again.began, again.named_by, again.owned), (NOW + 5, begun.named_by, begun.owned));
    world.store.settle_undo(&[(id, UndoOutcome::Done)], NOW + 8).unwrap();
    assert_eq!(world.store.undo_of(id).unwrap().unwrap().state, UndoState::Done);

    let cloud = TargetPlan { pending: Some(takeover), ..keep(mv, id, Ownership::Adopted) };
    world.target(mv, cloud);
    let entries = page(&world);
    assert!(entries[0].reclaims, "an operator's word takes it over again");
    world.store.keep_before_takeover(&entries, NOW + 9).unwrap();
    assert_eq!(world.store.kept_before(id).unwrap().unwrap().at, NOW + 9, "what it held before this takeover");
    world.store.mark_in_flight(&entries).unwrap();
    let outcome = SettledOutcome::Accepted { anchor: None, failed_references: Vec::new() };
    let settlements: Vec<Settlement> =
        entries.into_iter().map(|entry| Settlement { entry, outcome: outcome.clone() }).collect();
    world.store.settle(&settlements, &mark()).unwrap();
    assert_eq!(world.store.undo_of(id).unwrap(), None);
}
