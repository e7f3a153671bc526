//! Pages of plans: promotion, links, keys, lineage, staleness, errors, rules.

use super::support::*;
use crate::*;
use metaverse_schema::{AttributeName, MatchKey, Value, match_key};
use sync_kernel::*;

fn mail(text: &str) -> MatchKey {
    match_key(&Value::text(text))
}

fn hits(store: &Store, key: sync_rules::KeyId, value: &str) -> Vec<KeyHit> {
    store.db.key_hits(key, &mail(value)).unwrap()
}

/// Promotion moves a pointer: the staged body becomes the synchronised one, and the old one is gone.
#[test]
fn promotion_moves_the_pointer() {
    let mut world = World::new();
    world.full("ad", &["a user cn=A,dc=x mail=a@x"]);
    world.promote_all("ad");
    world.delta("ad", vec![object("a user cn=A,dc=x mail=b@x")]);
    let id = world.id("ad", "a").0;
    let (before, staged) = {
        let head = world.store.db.head(id).unwrap();
        (head.synchronised_body.unwrap(), head.staged_body.unwrap())
    };
    world.promote_all("ad");
    let head = world.store.db.head(id).unwrap();
    assert_eq!((head.synchronised_body, head.staged_body), (Some(staged), None));
    assert!(world.store.db.body(before).is_err());
    assert_eq!(world.object("ad", "a").synchronised, Some(image(&[("mail", "b@x")])));
}

/// Keys follow the imported image and the metaverse object, and are gone with them.
#[test]
fn keys_follow_images() {
    let mut world = World::new();
    world.full("ad", &["a user cn=A,dc=x mail=A@x"]);
    let id = world.id("ad", "a");
    assert_eq!(hits(&world.store, MAIL_IN_AD, "a@X"), vec![KeyHit::Connector(id)]);
    assert_eq!(hits(&world.store, MAIL_IN_CLOUD, "a@x"), vec![]);
    let mv = world.project("ad", "a");
    assert_eq!(hits(&world.store, MAIL_IN_METAVERSE, "a@x"), vec![KeyHit::Metaverse(mv)]);
    let long = format!("{}@x", "b".repeat(200));
    world.delta("ad", vec![object(&format!("a user cn=A,dc=x mail={long}"))]);
    assert_eq!((hits(&world.store, MAIL_IN_AD, "a@x"), hits(&world.store, MAIL_IN_AD, &long).len()), (vec![], 1));
    world.delta("ad", vec![deleted("a")]);
    assert_eq!(hits(&world.store, MAIL_IN_AD, &long), vec![]);
    let remove = ObjectPlan {
        promote: true,
        remove_subject: true,
        links: vec![LinkChange { object: id, link: None, explicitly: false }],
        metaverse: vec![MetaversePlan {
            object: MvRef::Existing(mv),
            object_type: "person".into(),
            change: MetaverseChange::Delete { cause: DeleteCause::DeletedInSource },
            decisions: Vec::new(),
            due: None,
        }],
        ..plan(Subject::Connector(id))
    };
    world.apply(&remove);
    assert_eq!(hits(&world.store, MAIL_IN_METAVERSE, "a@x"), vec![]);
    assert_eq!((world.store.object(id).unwrap(), world.store.metaverse(mv).unwrap()), (None, None));
    // Numbers are never reused.
    world.full("ad", &["b user cn=B,dc=x mail=b@x"]);
    assert!(world.id("ad", "b") > id && world.project("ad", "b") > mv);
}

/// A plan whose reads were changed by an earlier plan of the page is stale: objects, metaverse, keys (absent ones too), places.
#[test]
fn later_plans_see_what_earlier_ones_touched() {
    let mut world = World::new();
    world.full("ad", &["a user cn=A,dc=x mail=a@x", "b user cn=B,dc=x mail=b@x"]);
    let mv = world.project("ad", "a");
    let (a, b) = (world.id("ad", "a"), world.id("ad", "b"));
    let inputs = inputs();
    let mut page = world.store.begin_page(&inputs, PageMark::default()).unwrap();
    let reads = |question: Question| ReadSet(vec![question]);
    let questions = [
        Question::Connector(a),
        Question::Connector(b),
        Question::Metaverse(mv),
        Question::Key(MAIL_IN_METAVERSE, mail("b@x")),
        Question::Key(MAIL_IN_METAVERSE, mail("a@x")),
        Question::Occupant("ad".into(), "cn=z,dc=x".into()),
    ];
    assert!(questions.iter().all(|question| !page.is_stale(&reads(question.clone()))));
    let value = MvValue { values: Value::text("b@x").into(), contributor: b, rule: "in".into() };
    let created = page
        .apply(&ObjectPlan {
            promote: true,
            links: vec![LinkChange {
                object: b,
                link: Some((MvRef::New, "in".into(), Ownership::Joined)),
                explicitly: false,
            }],
            metaverse: vec![MetaversePlan {
                object: MvRef::New,
                object_type: "person".into(),
                change: MetaverseChange::Set {
                    attributes: [("mail".into(), value)].into_iter().collect(),
                    changed: Vec::new(),
                },
                decisions: Vec::new(),
                due: None,
            }],
            ..plan(Subject::Connector(b))
        })
        .unwrap()
        .metaverse
        .unwrap();
    let stale: Vec<bool> = questions.iter().map(|question| page.is_stale(&reads(question.clone()))).collect();
    assert_eq!(stale, [false, true, false, true, false, false]);
    // The page answers with what it has done; a rolled back page leaves nothing.
    let mut answers = Neighbourhood::default();
    page.answer(&[Question::Connector(b)], &mut answers).unwrap();
    assert_eq!(answers.known_connector(b).unwrap().link.as_ref().unwrap().mv, created);
    drop(page);
    assert_eq!(world.store.metaverse(created).unwrap(), None);
    assert_eq!(world.object("ad", "b").link, None);
}

/// R76-R78, T40: an error keeps the pending import, is counted, and is cleared when the object succeeds.
#[test]
fn errors_keep_the_object_pending() {
    let mut world = World::new();
    world.full("ad", &["a user cn=A,dc=x mail=a@x"]);
    let id = world.id("ad", "a");
    let error = ObjectError {
        code: "flow".into(),
        message: "no".into(),
        rule: Some("in".into()),
        attribute: Some("mail".into()),
    };
    let failed = ObjectPlan { error: Some(error), ..plan(Subject::Connector(id)) };
    let run = world.store.begin_run("ad", "Delta Synchronization", NOW).unwrap();
    let step = world.store.begin_step(run.id, "apply-rules", NOW).unwrap();
    for now in [NOW, NOW + 5] {
        let mut page =
            world.store.begin_page(&inputs(), PageMark { run: Some(run.id), step: Some(step), now }).unwrap();
        page.apply(&failed).unwrap();
        assert_eq!(page.commit().unwrap().errors, 1);
    }
    assert!(world.object("ad", "a").staged.is_some());
    assert_eq!(world.store.dirty_page("ad", None, 9).unwrap(), vec![id]);
    let errors = world
        .store
        .errors(&ErrorFilter { phase: Some(ErrorPhase::Synchronization), ..ErrorFilter::default() }, 9)
        .unwrap();
    assert_eq!(errors.len(), 1);
    assert_eq!((errors[0].first_occurred, errors[0].last_occurred, errors[0].retry_count), (NOW, NOW + 5, 1));
    assert_eq!(world.store.step_errors(step).unwrap().len(), 2);
    world.promote_all("ad");
    assert_eq!(world.store.errors(&ErrorFilter::default(), 9).unwrap(), vec![]);
    assert_eq!(world.store.step_errors(step).unwrap().len(), 2, "history keeps what was reported");
    // The error of a metaverse object can be listed too.
    let mv = world.project("ad", "a");
    let failed = ObjectPlan { error: failed.error, ..plan(Subject::Metaverse(mv)) };
    world.apply(&failed);
    assert_eq!(world.store.errors(&ErrorFilter::default(), 9).unwrap()[0].subject, ErrorSubject::Metaverse(mv));
    assert_eq!(world.store.dirty_metaverse_page(None, 9).unwrap(), vec![mv]);
}

/// A plan that changes nothing of what it read costs no row; what no answer told it (queues, errors, holds, reference flows,
/// instants) is made as it says all the same.
#[test]
fn an_unchanged_plan_writes_what_no_answer_told_and_nothing_else() {
    let mut world = World::new();
    world.full("ad", &["a user cn=A,dc=x mail=a@x displayName=A"]);
    let (mv, target) = world.provision("a", "user");
    let a = world.id("ad", "a");
    let pending = world.store.object(target).unwrap().unwrap().pending;
    let settled = ObjectPlan {
        metaverse: vec![MetaversePlan {
            object: MvRef::Existing(mv),
            object_type: "person".into(),
            change: MetaverseChange::Unchanged,
            decisions: Vec::new(),
            due: None,
        }],
        targets: vec![TargetPlan { pending, ..keep(mv, target, Ownership::Provisioned) }],
        ..plan(Subject::Connector(a))
    };
    world.apply(&settled);
    world.references();
    let apply = |world: &mut World, plan: &ObjectPlan| {
        let before = world.store.rows_written();
        let mut page = world.store.begin_page(&inputs(), PageMark { now: NOW, ..PageMark::default() }).unwrap();
        page.apply_unchanged(plan).unwrap();
        page.commit().unwrap();
        world.store.rows_written() - before
    };
    assert_eq!(apply(&mut world, &settled), 0);

    let space = world.store.db.connector_id("ad").unwrap();
    world.store.db.mark_dirty(a.0, space).unwrap();
    world.store.mark_metaverse_dirty(mv).unwrap();
    apply(&mut world, &settled);
    assert_eq!(world.store.dirty_page("ad", None, 9).unwrap(), vec![]);
    assert_eq!(world.store.dirty_metaverse_page(None, 9).unwrap(), vec![]);
    world.store.mark_metaverse_dirty(mv).unwrap();
    apply(&mut world, &settled);
    assert_eq!(world.store.dirty_metaverse_page(None, 9).unwrap(), vec![], "queued by itself");

    let error = ObjectError { code: "flow".into(), message: "no".into(), rule: None, attribute: None };
    world.apply(&ObjectPlan { error: Some(error), ..plan(Subject::Connector(a)) });
    apply(&mut world, &settled);
    assert_eq!(world.store.errors(&ErrorFilter::default(), 9).unwrap(), vec![]);

    let mut other = settled.clone();
    other.targets[0].holds = vec![hold("guest", None, None)];
    other.targets[0].references = vec![member_flow(a, false)];
    other.metaverse[0].due = Some(NOW + 5);
    let told = |world: &World| {
        let holds = world.store.holds(&HoldFilter::default(), 9).unwrap().len();
        (holds, world.store.fed_attributes(target).unwrap().len())
    };
    for part in 0..3 {
        let mut one = settled.clone();
        match part {
            0 => one.targets[0].holds = other.targets[0].holds.clone(),
            1 => one.targets[0].references = other.targets[0].references.clone(),
            _ => one.metaverse[0].due = other.metaverse[0].due,
        }
        assert!(apply(&mut world, &one) > 0, "part {part} is overlooked when it comes");
        assert_eq!(apply(&mut world, &one), 0);
        assert_eq!(told(&world), (usize::from(part == 0), usize::from(part == 1)));
        assert!(apply(&mut world, &settled) > 0, "part {part} is overlooked when it goes");
        assert_eq!(told(&world), (0, 0));
    }

    // One that differs in any thing is another one, and so is one more or less.
    let with_holds = |holds: &[Hold]| {
        let mut plan = settled.clone();
        plan.targets[0].holds = holds.to_vec();
        plan
    };
    let guest = || hold("guest", Some(a), Some(ApprovalKind::Match));
    let others = [
        Hold { code: "privileged".into(), ..guest() },
        Hold { attribute: Some("mail".into()), ..guest() },
        Hold { wanted: None, ..guest() },
        Hold { present: Some("old".into()), ..guest() },
        Hold { message: "another".into(), ..guest() },
        Hold { remedy: "another".into(), ..guest() },
        Hold { candidate: None, ..guest() },
        Hold { candidate: Some(target), ..guest() },
        Hold { approvable: None, ..guest() },
        Hold { approvable: Some(ApprovalKind::SignInName), ..guest() },
    ];
    let lists = others.into_iter().map(|other| vec![other]).chain([vec![guest(), guest()], vec![]]);
    for holds in lists {
        apply(&mut world, &with_holds(&[guest()]));
        assert!(apply(&mut world, &with_holds(&holds)) > 0, "overlooked: {holds:?}");
        assert_eq!(apply(&mut world, &with_holds(&holds)), 0);
    }
    let with_flows = |flows: &[ReferenceFlow]| {
        let mut plan = settled.clone();
        plan.targets[0].references = flows.to_vec();
        plan
    };
    let members = || member_flow(a, false);
    let others = [
        ReferenceFlow { target_attribute: "owners".into(), ..members() },
        ReferenceFlow { source: ReferenceFlow::NOBODY, ..members() },
        ReferenceFlow { source_attribute: "managedBy".into(), ..members() },
        ReferenceFlow { rule: "another".into(), ..members() },
        ReferenceFlow { single: true, ..members() },
        ReferenceFlow { keep_foreign: true, ..members() },
    ];
    let lists = others.iter().map(|other| vec![other.clone()]).chain([vec![others[0].clone(), members()], vec![]]);
    for flows in lists {
        apply(&mut world, &with_flows(&[members()]));
        assert!(apply(&mut world, &with_flows(&flows)) > 0, "overlooked: {flows:?}");
        assert_eq!(apply(&mut world, &with_flows(&flows)), 0);
    }
    // A list that names one twice is no other one than the set that stands.
    apply(&mut world, &with_flows(&[members()]));
    assert_eq!(apply(&mut world, &with_flows(&[members(), members()])), 0);
}

/// Lineage: contributor, rule and run are kept per attribute, and the run changes only with them.
#[test]
fn lineage_names_the_run_of_each_value() {
    let mut world = World::new();
    world.full("ad", &["a user cn=A,dc=x mail=a@x displayName=A"]);
    let mv = world.project("ad", "a");
    let before = world.store.metaverse(mv).unwrap().unwrap();
    let mut attributes = before.attributes.clone();
    attributes.get_mut("mail").unwrap().values = Value::text("new@x").into();
    let run = world.store.begin_run("ad", "x", NOW).unwrap().id;
    let set = ObjectPlan {
        metaverse: vec![MetaversePlan {
            object: MvRef::Existing(mv),
            object_type: "person".into(),
            change: MetaverseChange::Set { attributes, changed: Vec::new() },
            decisions: Vec::new(),
            due: None,
        }],
        ..plan(Subject::Metaverse(mv))
    };
    let mut page = world.store.begin_page(&inputs(), PageMark { run: Some(run), step: None, now: NOW }).unwrap();
    page.apply(&set).unwrap();
    page.commit().unwrap();
    let described = world.store.describe_metaverse(mv).unwrap().unwrap();
    assert_eq!(described.since["mail"], Some(run));
    assert_eq!(described.since["displayName"], None);
    assert_eq!(described.rule_set.as_deref(), Some("first"));
    assert_eq!((described.name.as_str(), described.links.len(), &*described.links[0].rule), ("A", 1, "in"));
}

/// S67: other rules require a full synchronisation and rebuild what they newly look up; the old ones can still be read.
#[test]
fn other_rules_are_registered() {
    let mut world = World::new();
    world.full("ad", &["a user cn=A,dc=x mail=a@x employeeID=7"]);
    let mv = world.project("ad", "a");
    let same = world.store.register_rules(&rules(), NOW).unwrap();
    assert!(!same.changed && same.new_keys == 0);
    assert_eq!(world.store.requirements("ad").unwrap().full_sync, None);
    let mut other = rules();
    other.hash = "second".into();
    other.keys = vec![key(sync_rules::KeySpace::Connector("ad".into()), "[employeeID]"), other.keys[0].clone()];
    let registered = world.store.register_rules(&other, NOW).unwrap();
    assert_eq!((registered.changed, registered.previous.as_deref(), registered.new_keys), (true, Some("first"), 1));
    assert!(world.store.requirements("ad").unwrap().full_sync.is_some());
    let a = world.id("ad", "a");
    assert_eq!(hits(&world.store, sync_rules::KeyId(0), "7"), vec![KeyHit::Connector(a)]);
    assert_eq!(hits(&world.store, sync_rules::KeyId(1), "a@x"), vec![KeyHit::Connector(a)]);
    assert_eq!(world.store.rule_set_text("first").unwrap().as_deref(), Some("the first rules"));
    assert!(world.store.begin_page(&inputs(), PageMark::default()).is_err(), "plans of other rules are refused");
    // Back again: the retired key is computed anew.
    let back = world.store.register_rules(&rules(), NOW).unwrap();
    assert_eq!((back.changed, back.new_keys), (true, 2));
    assert_eq!(hits(&world.store, MAIL_IN_METAVERSE, "a@x"), vec![KeyHit::Metaverse(mv)]);
    world.store.full_sync_done("ad").unwrap();
    assert_eq!(world.store.requirements("ad").unwrap(), Requirements::default());
}

/// The queue of one connector in pages; full synchronisation sees what was imported, and nothing else.
#[test]
fn pages_of_work_are_ascending() {
    let mut world = World::new();
    let lines: Vec<String> = (0..5).map(|n| format!("u{n} user cn=U{n},ou=o,dc=x mail=u{n}@x")).collect();
    world.full("ad", &lines.iter().map(String::as_str).collect::<Vec<_>>());
    let first = world.store.dirty_page("ad", None, 3).unwrap();
    let rest = world.store.dirty_page("ad", first.last().copied(), 3).unwrap();
    assert_eq!((first.len(), rest.len(), first.is_sorted()), (3, 2, true));
    assert_eq!(world.store.staging_page("ad", None, 99).unwrap(), [first, rest].concat());
    assert_eq!(world.store.staging_count("ad").unwrap(), 5);
    world.provision("u1", "user");
    assert_eq!(world.store.staging_page("cloud", None, 99).unwrap(), vec![], "provisioned and never imported");
}

/// SF5, SF6: what is read about a candidate, or approved, puts its metaverse object in the queue.
#[test]
fn facts_and_approvals_queue_the_metaverse_object() {
    let mut world = World::new();
    world.full("ad", &["a user cn=A,dc=x mail=a@x"]);
    world.full("cloud", &["c user - mail=a@x"]);
    let mv = world.project("ad", "a");
    let candidate = world.id("cloud", "c");
    let holds = vec![hold("match-candidate", Some(candidate), Some(ApprovalKind::Match))];
    world.target(mv, TargetPlan { holds, ..nothing(mv) });
    let dirty = |world: &World| world.store.dirty_metaverse_page(None, 9).unwrap();
    assert_eq!(dirty(&world), vec![]);
    world.store.save_privileges(&[(candidate, Privilege::Roles(vec!["Global Administrator".into()]))], NOW).unwrap();
    assert_eq!(dirty(&world), vec![mv]);
    assert_eq!(world.object("cloud", "c").privilege, Some(Privilege::Roles(vec!["Global Administrator".into()])));
    world.apply(&plan(Subject::Metaverse(mv)));
    world.store.save_privileges(&[(candidate, Privilege::Roles(vec!["Global Administrator".into()]))], NOW).unwrap();
    assert_eq!(dirty(&world), vec![], "the same fact is no news");
    let lists = world.store.approvable("cloud").unwrap();
    assert_eq!((lists.len(), lists[0].kind, lists[0].lines[0].object), (1, ApprovalKind::Match, candidate));
    assert_eq!(world.store.approve(&Digest::from_text("0000"), NOW).unwrap(), None);
    let approved = world.store.approve(&lists[0].digest, NOW).unwrap();
    assert_eq!(approved, Some(Approved::Decisions { connector: "cloud".into(), kind: ApprovalKind::Match, count: 1 }));
    assert_eq!(world.object("cloud", "c").approvals, vec![Approval { kind: ApprovalKind::Match, mv, value: None }]);
    assert_eq!(dirty(&world), vec![mv]);
}

/// Another object's plan ended the link: a delta looks at the object again, as a full synchronisation would. O20, S39: the end may
/// be said to last.
#[test]
fn an_object_that_lost_its_link_is_looked_at_again() {
    for (explicitly, state) in [(false, ConnectorState::Disconnected), (true, ConnectorState::ExplicitlyDisconnected)] {
        let mut world = World::new();
        world.full("ad", &["a user cn=A,dc=x mail=a@x", "b user cn=B,dc=x mail=b@x"]);
        world.project("ad", "a");
        world.promote_all("ad");
        let (a, b) = (world.id("ad", "a"), world.id("ad", "b"));
        assert_eq!(world.store.dirty_count("ad").unwrap(), 0);
        let links = vec![LinkChange { object: a, link: None, explicitly }];
        world.apply(&ObjectPlan { links, ..plan(Subject::Connector(b)) });
        assert_eq!(world.store.dirty_page("ad", None, 9).unwrap(), vec![a]);
        assert_eq!(world.store.object(a).unwrap().unwrap().state, state);
        // What an operator said outlives later plans about the link.
        world.apply(&ObjectPlan {
            links: vec![LinkChange { object: a, link: None, explicitly: false }],
            ..plan(Subject::Connector(a))
        });
        assert_eq!(world.store.object(a).unwrap().unwrap().state, state);
        assert_eq!(world.store.dirty_count("ad").unwrap(), 0);
    }
}

/// Whoever is held because of an object is decided anew when that object moves, is linked, is let go or goes: deltas equal full.
#[test]
fn what_becomes_of_a_candidate_queues_whom_it_holds() {
    let mut world = World::new();
    world.full("ad", &["a user cn=A,dc=x mail=a@x", "b user cn=B,dc=x mail=b@x"]);
    world.full("cloud", &["c user cn=C,dc=y mail=c@x"]);
    world.promote_all("cloud");
    let (mv, other) = (world.project("ad", "a"), world.project("ad", "b"));
    let candidate = world.id("cloud", "c");
    world.target(mv, TargetPlan { holds: vec![hold("dn-occupied", Some(candidate), None)], ..nothing(mv) });
    let settle = |world: &mut World| {
        let dirty = world.store.dirty_metaverse_page(None, 9).unwrap();
        dirty.iter().for_each(|mv| drop(world.apply(&plan(Subject::Metaverse(*mv)))));
        dirty
    };
    assert_eq!(settle(&mut world), vec![]);
    world.delta("cloud", vec![object("c user cn=Moved,dc=y mail=c@x")]);
    assert_eq!(settle(&mut world), vec![mv]);
    let change = |link| vec![LinkChange { object: candidate, link, explicitly: false }];
    let linked = Some((MvRef::Existing(other), "out".into(), Ownership::Adopted));
    world.apply(&ObjectPlan { links: change(linked), ..plan(Subject::Metaverse(other)) });
    assert_eq!(settle(&mut world), vec![mv]);
    world.apply(&ObjectPlan { links: change(None), ..plan(Subject::Metaverse(other)) });
    assert_eq!(settle(&mut world), vec![mv]);
    world.promote_all("cloud");
    assert_eq!(settle(&mut world), vec![]);
    world.delta("cloud", vec![deleted("c")]);
    world.promote_all("cloud");
    assert_eq!(settle(&mut world), vec![mv]);
}

/// A hold that says something else under the same code is one row written, and is counted once.
#[test]
fn a_hold_with_other_words_is_written_in_place() {
    let mut world = World::new();
    world.full("ad", &["a user - mail=a@x"]);
    let mv = world.project("ad", "a");
    let held = |present: Option<&str>, codes: &[&str]| {
        let holds = codes.iter().map(|code| Hold { present: present.map(str::to_owned), ..hold(code, None, None) });
        TargetPlan { holds: holds.collect(), ..nothing(mv) }
    };
    let counted = |world: &World| format!("{:?}", world.store.held_counts("cloud").unwrap());
    world.target(mv, held(None, &["limit", "sign-in"]));
    assert_eq!(counted(&world), r#"{"limit": 1, "sign-in": 1}"#);
    let rows = world.store.rows_written();
    let mut changed = held(None, &["limit", "sign-in"]);
    changed.holds[1].present = Some("old".into());
    world.target(mv, changed.clone());
    assert_eq!(world.store.rows_written() - rows, 1);
    let connector = world.store.db.connector_id("cloud").unwrap();
    assert_eq!(world.store.db.load_holds(mv.0, connector).unwrap(), changed.holds);
    assert_eq!(counted(&world), r#"{"limit": 1, "sign-in": 1}"#);
    world.target(mv, held(None, &["limit"]));
    assert_eq!(counted(&world), r#"{"limit": 1}"#);
    world.target(mv, held(None, &["another"]));
    assert_eq!(counted(&world), r#"{"another": 1}"#);
    assert_eq!(world.store.check_integrity().unwrap(), Vec::<String>::new());
}

/// Spec 10.4: a key that nobody carries is not looked through for each value, until somebody does, in the same page too.
#[test]
fn a_key_without_carriers_costs_nothing_and_is_found_once_there_is_one() {
    let mut world = World::new();
    world.full("ad", &["a user - mail=a@x"]);
    let questions: Vec<Question> =
        (0..1_000).map(|number| Question::Key(MAIL_IN_CLOUD, mail(&format!("{number}@x")))).collect();
    let steps = world.store.steps();
    world.store.answer(&questions, &mut Neighbourhood::default()).unwrap();
    let cost = world.store.steps() - steps;
    assert!(cost < 100, "{cost} steps for a thousand questions");
    // A page that has asked in vain learns of a carrier that it makes itself.
    let mut page = world.store.begin_page(&inputs(), PageMark { now: NOW, ..PageMark::default() }).unwrap();
    let asked = [Question::Key(MAIL_IN_METAVERSE, mail("a@x"))];
    let hits = |page: &PlanPage<'_>| {
        let mut answers = Neighbourhood::default();
        page.answer(&asked, &mut answers).unwrap();
        format!("{:?}", answers.known_hits(&asked[0]))
    };
    assert_eq!(hits(&page), "[]");
    let id = CsId(1);
    let attributes = [("mail", "a@x")].map(|(name, value)| {
        let values = metaverse_schema::Values::single(Value::text(value));
        (AttributeName::new(name), MvValue { values, contributor: id, rule: "in".into() })
    });
    let plan = ObjectPlan {
        metaverse: vec![MetaversePlan {
            object: MvRef::New,
            object_type: "person".into(),
            change: MetaverseChange::Set { attributes: attributes.into_iter().collect(), changed: Vec::new() },
            decisions: Vec::new(),
            due: None,
        }],
        ..plan(Subject::Connector(id))
    };
    page.apply(&plan).unwrap();
    assert_eq!(hits(&page), "[Metaverse(MvId(1))]");
    page.commit().unwrap();
}

/// Keys follow the values that they read; a plan that changes others leaves them alone, and one under other rules does not.
#[test]
fn keys_of_a_metaverse_object_are_looked_at_when_a_value_that_they_read_changes() {
    let mut world = World::new();
    world.full("ad", &["a user - mail=a@x displayName=Ann"]);
    let mv = world.project("ad", "a");
    let id = world.id("ad", "a");
    let with = |pairs: &[(&str, &str)]| ObjectPlan {
        metaverse: vec![MetaversePlan {
            object: MvRef::Existing(mv),
            object_type: "person".into(),
            change: MetaverseChange::Set {
                attributes: image(pairs)
                    .iter()
                    .map(|(name, values)| {
                        (name.clone(), MvValue { values: values.clone(), contributor: id, rule: "in".into() })
                    })
                    .collect(),
                changed: Vec::new(),
            },
            decisions: Vec::new(),
            due: None,
        }],
        ..plan(Subject::Connector(id))
    };
    world.apply(&with(&[("mail", "b@x"), ("displayName", "Ann")]));
    let found = |world: &World, value: &str| hits(&world.store, MAIL_IN_METAVERSE, value).len();
    assert_eq!((found(&world, "a@x"), found(&world, "b@x")), (0, 1));
    let rows = world.store.rows_written();
    world.apply(&with(&[("mail", "b@x"), ("displayName", "Anna")]));
    assert_eq!((world.store.rows_written() - rows, found(&world, "b@x")), (1, 1));
    world.apply(&with(&[("displayName", "Anna")]));
    assert_eq!(found(&world, "b@x"), 0);
}
