//! What becomes of a target object: what is kept of it while it leaves, what it cannot be, whom it meets (S24-S38, SF9, D20).

use crate::world::{World, clause, flow, rule, show};
use crate::*;
use metaverse_schema::{ConnectorSchema, Plurality, ValueKind};
use sync_rules::*;

const ANN: &str = "objectGUID=g1 displayName=Ann mail=ann@x userPrincipalName=ann@x enabled=yes";

fn parsed(text: &str) -> Expression {
    Expression::parse(text).unwrap()
}

/// A target whose addresses are merged, so that all there is to know about it is known: sent and not confirmed, ours, contributed.
fn exported() -> (World, CsId, CsId) {
    let mut world = World::new(Matching::Automatic);
    let cloud: ConnectorSchema = world.run.schemas.remove("cloud").unwrap();
    let cloud = cloud.attribute("proxyAddresses", ValueKind::Text, Plurality::Multi, true);
    world.run.schemas.insert("cloud".into(), cloud);
    let outbound = world.rule("out-user");
    outbound.flows.retain(|flow| flow.target != *"proxyAddresses");
    outbound.flows.push(Flow { merge: MergeType::Merge, ..flow("proxyAddresses", "[mail]") });
    let ann = world.import("ad", "a1", ANN);
    world.sync(ann);
    world.export();
    let id = world.cloud().unwrap().id;
    let object = &world.objects[&id];
    assert!(!object.memory.attributes.is_empty() && !object.owned.is_empty() && !object.contributed.is_empty());
    (world, ann, id)
}

fn known(object: &CsObject) -> (ExportMemory, Vec<String>, Vec<String>) {
    let names =
        |names: &mut dyn Iterator<Item = &metaverse_schema::AttributeName>| names.map(ToString::to_string).collect();
    (object.memory.clone(), names(&mut object.owned.iter()), names(&mut object.contributed.keys()))
}

/// SF18: a target that is to leave may stay after all. What is known of it is not forgotten meanwhile.
#[test]
fn sf18_what_is_known_of_a_target_survives_its_leaving() {
    let (mut world, ann, id) = exported();
    let before = known(&world.objects[&id]);
    let scope = std::mem::replace(
        &mut world.rule("out-user").scope,
        vec![vec![clause("displayName", Operator::Equal, "Nobody")]],
    );
    let plan = world.sync(ann);
    assert_eq!(plan.targets[0].counter, Some(OutboundCounter::ProvisionedDisconnect));
    assert!(matches!(world.objects[&id].pending.as_ref().unwrap().operation, PendingOperation::Delete { .. }));
    assert_eq!(known(&world.objects[&id]), before);
    world.rule("out-user").scope = scope;
    world.sync(ann);
    assert_eq!((known(&world.objects[&id]), world.objects[&id].pending.is_none()), (before, true));
}

/// A target whose own delete was imported and waits for its turn is left as it is by everybody else.
#[test]
fn a_target_that_is_gone_waits_for_its_own_turn() {
    let (mut world, ann, id) = exported();
    world.import("ad", "a1", &format!("{ANN} department=IT"));
    world.sync(ann);
    let before = (known(&world.objects[&id]), world.objects[&id].pending.clone());
    assert!(before.1.is_some());
    world.objects.get_mut(&id).unwrap().staged = Some(Staged::Deleted(DeleteCause::DeletedInSource));
    world.import("ad", "a1", &format!("{ANN} department=Sales"));
    let plan = world.sync(ann);
    assert_eq!(plan.targets[0].counter, Some(OutboundCounter::ConnectorNoFlow));
    assert_eq!((known(&world.objects[&id]), world.objects[&id].pending.clone()), before);
    // And a target that nobody wants any longer is not deleted a second time.
    world.rule("out-user").scope = vec![vec![clause("displayName", Operator::Equal, "Nobody")]];
    assert_eq!(world.sync(ann).targets[0].pending, None);
}

/// S29: what was refused stays refused while it is the same; another operation is another attempt. A create in flight stays in
/// flight, whatever is wanted now.
#[test]
fn s29_an_attempt_is_one_of_its_operation() {
    let state = |before: SentState, change: bool| {
        let mut world = World::new(Matching::Automatic);
        let ann = world.import("ad", "a1", ANN);
        world.sync(ann);
        let id = world.cloud().unwrap().id;
        world.objects.get_mut(&id).unwrap().pending.as_mut().unwrap().state = before;
        if change {
            world.import("ad", "a1", &format!("{ANN} department=IT"));
        }
        world.sync(ann);
        world.cloud().unwrap().pending.clone().unwrap().state
    };
    let refused = SentState::Refused {
        code: "duplicate".into(),
        message: "taken".into(),
        remedy: String::new(),
        retry: false,
        count: 3,
    };
    assert_eq!(state(refused.clone(), false), refused);
    assert_eq!(state(refused, true), SentState::Pending);
    assert_eq!(state(SentState::InFlight, false), SentState::InFlight);
    assert_eq!(state(SentState::InFlight, true), SentState::InFlight);
}

/// S38: what is in flight may exist: it is not dropped when nobody wants it any longer, but deleted.
#[test]
fn s38_a_create_in_flight_is_not_forgotten() {
    let end = |state: SentState| {
        let mut world = World::new(Matching::Automatic);
        let ann = world.import("ad", "a1", ANN);
        world.sync(ann);
        let id = world.cloud().unwrap().id;
        world.objects.get_mut(&id).unwrap().pending.as_mut().unwrap().state = state;
        world.delete(ann);
        world.sync(ann);
        match world.cloud() {
            None => "dropped",
            Some(object) => match object.pending.as_ref().map(|pending| &pending.operation) {
                Some(PendingOperation::Delete { .. }) => "deleted",
                other => panic!("{other:?}"),
            },
        }
    };
    assert_eq!(end(SentState::Pending), "dropped");
    assert_eq!(end(SentState::InFlight), "deleted");
}

/// A limitation holds whoever is to be created or taken over; it names itself, and nothing is written.
#[test]
fn a_limitation_holds_creates_and_takeovers() {
    let held = |there: bool, change: &dyn Fn(&mut World)| {
        let mut world = World::new(Matching::Automatic);
        change(&mut world);
        if there {
            let cloud = world.import("cloud", "c1", "mail=ann@x userPrincipalName=ann@x");
            world.sync(cloud);
        }
        let ann = world.import("ad", "a1", ANN);
        let plan = world.sync(ann);
        let codes: Vec<&str> = plan.targets[0].holds.iter().map(|hold| hold.code.as_str()).collect();
        match plan.targets[0].pending {
            None => codes.join(" "),
            Some(_) => "written".to_owned(),
        }
    };
    let limit = |text: &'static str| {
        move |world: &mut World| {
            let when = parsed(text);
            world.rule("out-user").limitations = vec![Limitation { code: "no-ann".into(), when, message: "no".into() }];
        }
    };
    for there in [true, false] {
        assert_eq!(held(there, &limit("[displayName] = \"Ann\"")), "limitation-no-ann");
        assert_eq!(held(there, &limit("[displayName] = \"Bob\"")), "written");
    }
    let not_creatable = |world: &mut World| {
        let mut cloud = world.run.schemas.remove("cloud").unwrap();
        cloud.classes.get_mut("user").unwrap().creatable = false;
        world.run.schemas.insert("cloud".into(), cloud);
    };
    assert_eq!(held(false, &not_creatable), "limitation-not-creatable");
    assert_eq!(held(true, &not_creatable), "written", "what exists can be taken over");
    let both = |world: &mut World| {
        not_creatable(world);
        limit("True")(world);
    };
    assert_eq!(held(false, &both), "limitation-no-ann", "one reason is enough");
}

/// SF9: only a whole object is brought back: with a mail address, and with a sign-in name where the rule knows one. What it lacks
/// is named, also where the rule says that a new object could not be without it.
#[test]
fn sf09_only_a_whole_object_is_brought_back() {
    let outcome = |ann: &str, knows_sign_in_name: bool| {
        let mut world = World::new(Matching::Automatic);
        let outbound = world.rule("out-user");
        let when = parsed(if knows_sign_in_name { "IsPresent([userPrincipalName]) = False" } else { "False" });
        outbound.limitations = vec![Limitation { code: "no-sign-in-name".into(), when, message: "no".into() }];
        let mut deleted = outbound.join[0].clone();
        deleted.criterion = Criterion::DeletedAnchor;
        deleted.target_type = Some("deletedUser".into());
        outbound.join = vec![deleted];
        if !knows_sign_in_name {
            outbound.takeover.as_mut().unwrap().sign_in_name = None;
        }
        world.run.rules.keys.iter_mut().filter(|key| key.space != KeySpace::Metaverse).for_each(|key| {
            key.object_type = Some("deletedUser".into());
        });
        let cloud = world.import("cloud", "c1", "onPremisesImmutableId=g1");
        world.objects.get_mut(&cloud).unwrap().object_type = "deletedUser".into();
        world.sync(cloud);
        let ann = world.import("ad", "a1", &format!("objectGUID=g1 {ann}"));
        let plan = world.sync(ann);
        match plan.targets[0].pending.as_ref().map(|pending| &pending.operation) {
            Some(PendingOperation::Restore { .. }) => "restored".to_owned(),
            _ => plan.targets[0].holds.first().map_or_else(
                || show(&plan),
                |hold| {
                    let (_, lacks) = hold.message.split_once("without ").unwrap_or_default();
                    format!("{}: {}", hold.code, lacks.split(':').next().unwrap_or_default())
                },
            ),
        }
    };
    assert_eq!(outcome("mail=ann@x userPrincipalName=ann@x", true), "restored");
    assert_eq!(outcome("mail=ann@x", true), "reanimated-incomplete: userPrincipalName");
    assert_eq!(outcome("userPrincipalName=ann@x", true), "reanimated-incomplete: mail");
    assert_eq!(outcome("", true), "reanimated-incomplete: userPrincipalName and mail");
    assert_eq!(outcome("mail=ann@x", false), "restored");
}

/// SF5: an account whose delete was staged and not sent is still ours, and comes back without another approval; one that was only
/// let go does not.
#[test]
fn sf05_what_was_to_be_deleted_comes_back_without_approval() {
    let outcome = |staged: bool| {
        let mut world = World::new(Matching::Review);
        let ann = world.import("ad", "a1", ANN);
        world.sync(ann);
        world.export();
        world.confirm();
        world.delete(ann);
        world.sync(ann);
        let id = world.cloud().unwrap().id;
        assert!(world.cloud().unwrap().link.is_none());
        if !staged {
            world.objects.get_mut(&id).unwrap().pending = None;
        }
        let again = world.import("ad", "a9", ANN);
        world.objects.get_mut(&id).unwrap().privilege = Some(Privilege::None);
        let plan = world.sync(again);
        match &world.objects[&id].link {
            Some(link) => format!("{:?}", link.ownership),
            None => plan.targets[0].holds[0].code.clone(),
        }
    };
    assert_eq!(outcome(true), "Provisioned");
    assert_eq!(outcome(false), "match-candidate");
}

/// O20: while an operator's word that was taken back waits for its turn, the object is no reason to take anything over; two linked
/// objects of one space are exported to by nobody.
#[test]
fn o20_links_that_cannot_be_written_through() {
    let mut world = World::new(Matching::Automatic);
    let ann = world.import("ad", "a1", &ANN.replace("mail=ann@x", "mail=none@x"));
    let cloud = world.import("cloud", "c1", "mail=other@x userPrincipalName=ann@x");
    world.sync(cloud);
    world.rule("out-user").scope = vec![vec![clause("displayName", Operator::Equal, "Nobody")]];
    world.sync(ann);
    world.rule("out-user").scope = Vec::new();
    let mv = *world.metaverse.keys().next().unwrap();
    world.join(cloud, mv);
    world.objects.get_mut(&cloud).unwrap().state = ConnectorState::Connected;
    let plan = world.plan(Subject::Connector(ann));
    assert_eq!((plan.targets[0].pending.clone(), plan.targets[0].link.clone()), (None, None), "{}", show(&plan));
    // His word stands again.
    world.objects.get_mut(&cloud).unwrap().state = ConnectorState::ExplicitlyConnected;
    assert!(world.plan(Subject::Connector(ann)).targets[0].pending.is_some());
    let second = world.import("cloud", "c2", "mail=second@x");
    world.sync(second);
    world.join(second, mv);
    let plan = world.plan(Subject::Connector(ann));
    let hold = &plan.targets[0].holds[0];
    assert_eq!(hold.code, "ambiguous-link");
    assert!(hold.message.contains("user ann@x (c1), user second@x (c2)"), "{}", hold.message);
    assert_eq!(plan.targets[0].pending, None);
}

/// S24: flows go to objects of the type that their rule names, or of any; the rule that made the link keeps it.
#[test]
fn s24_rules_of_another_type_do_not_flow() {
    let mut world = World::new(Matching::Automatic);
    for (precedence, target_type, attribute) in [(210, Some("contact"), "contactOnly"), (220, None, "everybody")] {
        let id = format!("out-{precedence}");
        let mut more = rule(&id, Direction::Outbound, "cloud", ("person", "user"), LinkType::Join, precedence);
        more.target_type = target_type.map(Into::into);
        more.flows = vec![flow(attribute, "[displayName]")];
        world.add_rule(more);
    }
    let ann = world.import("ad", "a1", ANN);
    let plan = world.sync(ann);
    let text = show(&plan);
    assert!(text.contains("everybody: \"Ann\"") && !text.contains("contactOnly"), "{text}");
    world.export();
    world.confirm();
    // A rule with a better precedence that provisions as well does not take the link over.
    let mut better = world.rule("out-user").clone();
    (better.id, better.precedence, better.flows) = ("out-better".into(), 190, Vec::new());
    world.add_rule(better);
    let plan = world.sync(ann);
    assert_eq!(plan.targets[0].link.as_ref().map(|(rule, _)| &**rule), Some("out-user"));
    assert_eq!(plan.links, []);
    // And a rule of another metaverse type, or of another connector, has no say.
    world.rule("out-better").source_type = Some("group".into());
    world.rule("out-user").scope = vec![vec![clause("displayName", Operator::Equal, "Nobody")]];
    assert!(matches!(
        world.sync(ann).targets[0].pending.as_ref().map(|pending| &pending.operation),
        Some(PendingOperation::Delete { .. })
    ));
}

/// D20, S27: a DN that is none is the object's error and names its rule; a new DN is a rename, and the same one is none.
#[test]
fn a_dn_flow_places_renames_and_fails() {
    let mut world = World::new(Matching::Automatic);
    world.rule("out-user").flows.push(flow("dn", "\"CN=\" & [displayName] & \",OU=Cloud\""));
    let ann = world.import("ad", "a1", ANN);
    let plan = world.sync(ann);
    let Some(TargetRef::New { dn: Some(dn), .. }) = &plan.targets[0].target else { panic!("{}", show(&plan)) };
    assert_eq!(dn.to_string(), "CN=Ann,OU=Cloud");
    world.export();
    world.confirm();
    let id = world.cloud().unwrap().id;
    world.objects.get_mut(&id).unwrap().dn = Some("CN=Ann,ou=cloud".parse().unwrap());
    assert_eq!(world.sync(ann).targets[0].pending, None);
    world.import("ad", "a1", &ANN.replace("displayName=Ann", "displayName=Anna"));
    let plan = world.sync(ann);
    let Some(PendingOperation::Update { rename: Some(dn), .. }) =
        plan.targets[0].pending.as_ref().map(|pending| &pending.operation)
    else {
        panic!("{}", show(&plan))
    };
    assert_eq!(dn.to_string(), "CN=Anna,OU=Cloud");
    world.rule("out-user").flows.pop();
    world.rule("out-user").flows.push(flow("dn", "\"no name\""));
    let error = world.sync(ann).error.unwrap();
    assert_eq!(
        (error.code.as_str(), error.rule.as_deref(), error.attribute.as_deref()),
        ("invalid-dn", Some("out-user"), Some("dn"))
    );
}

/// The rename alone is sent as well.
#[test]
fn a_rename_alone_is_an_update() {
    let mut world = World::new(Matching::Automatic);
    world.rule("out-user").flows.push(flow("dn", "\"CN=Ann,OU=\" & [department]"));
    let ann = world.import("ad", "a1", &format!("{ANN} department=East"));
    world.sync(ann);
    world.rule("out-user").flows.retain(|flow| flow.target != *"department");
    world.export();
    world.confirm();
    let id = world.cloud().unwrap().id;
    world.objects.get_mut(&id).unwrap().dn = Some("CN=Ann,OU=East".parse().unwrap());
    world.import("ad", "a1", &format!("{ANN} department=West"));
    let plan = world.sync(ann);
    let Some(PendingOperation::Update { rename: Some(_), changes, afterwards, takeover: false }) =
        plan.targets[0].pending.as_ref().map(|pending| &pending.operation)
    else {
        panic!("{}", show(&plan))
    };
    assert!(changes.is_empty() && afterwards.is_empty());
}

/// SF12: what leaves says why, as the operator's list shows it: each way of leaving has its cause.
#[test]
fn sf12_each_way_of_leaving_has_its_cause() {
    let cause = |leave: &dyn Fn(&mut World, CsId)| {
        let mut world = World::new(Matching::Automatic);
        let ann = world.import("ad", "a1", ANN);
        world.sync(ann);
        world.export();
        world.confirm();
        leave(&mut world, ann);
        let plan = world.sync(ann);
        let MetaverseChange::Delete { cause } = &plan.metaverse[0].change else { panic!("{}", show(&plan)) };
        let Some(PendingOperation::Delete { cause: sent, .. }) =
            plan.targets[0].pending.as_ref().map(|pending| &pending.operation)
        else {
            panic!("{}", show(&plan))
        };
        assert_eq!(cause, sent);
        let waits = if plan.targets[0].pending.as_ref().unwrap().grace.is_some() { ", waits" } else { "" };
        format!("{cause}{waits}")
    };
    let hide = |world: &mut World, _: CsId| {
        world.import("ad", "a1", &format!("{ANN} adminDescription=Hidden"));
    };
    assert_eq!(cause(&|world, ann| world.delete(ann)), "deleted in the source directory");
    assert_eq!(cause(&hide), "left the scope of the provisioning rule, waits");
    assert_eq!(
        cause(&|world, ann| {
            hide(world, ann);
            world.run.rules_changed = true;
        }),
        "the rules changed, waits"
    );
    assert_eq!(
        cause(&|world, ann| world.objects.get_mut(&ann).unwrap().state = ConnectorState::ExplicitlyDisconnected),
        "disconnected by an operator, waits"
    );
    assert_eq!(
        cause(&|world, ann| world.objects.get_mut(&ann).unwrap().in_never_sync_group = true),
        "never synchronised"
    );
    let take_out = |world: &mut World, ann: CsId| {
        let anchor = world.objects[&ann].anchor.as_ref().unwrap().to_string();
        let selection = Selection { everybody: true, without: [(anchor, "Ann".into())].into(), ..Selection::default() };
        world.run.rules.selections.insert("ad".into(), selection);
        world.run.rules_changed = true;
    };
    assert_eq!(cause(&take_out), "no longer selected by [scope], waits");
    for (staged, text) in [
        (DeleteCause::LeftContainerScope, "left the selected containers, waits"),
        (DeleteCause::NotSeen, "not seen in a complete full import, waits"),
    ] {
        let leave = |world: &mut World, ann: CsId| {
            world.objects.get_mut(&ann).unwrap().staged = Some(Staged::Deleted(staged));
        };
        assert_eq!(cause(&leave), text);
    }
    let until = |days: i64| Grace { until: days * 86_400_000_000, if_deleted: DeprovisionAction::Delete };
    assert_eq!(until(20_789).date(), "2026-12-02");
    assert_eq!(until(i64::MAX / 86_400_000_000).date(), "a day that the calendar does not have");
}
