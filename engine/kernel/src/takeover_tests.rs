//! Who may be matched, and what a takeover may clear, as small stories (SF1, decision 0002).

use crate::world::{World, show};
use crate::*;
use metaverse_schema::AttributeChange;
use sync_rules::*;

const ANN: &str = "objectGUID=g1 displayName=Ann mail=ann@x userPrincipalName=ann@x enabled=yes";

/// Decision 0002: a rival is who could claim the same account. Somebody with the same address whom the rule does not provision
/// claims nothing, and neither does an object of another type.
#[test]
fn only_who_could_claim_the_account_is_a_rival() {
    let outcome = |other: &str, other_type: &str| {
        let mut world = World::new(Matching::Automatic);
        // A rule for objects of every type: the keys are everybody's.
        world.run.rules.rules[1].source_type = None;
        world.run.rules.keys.iter_mut().for_each(|key| key.object_type = None);
        let mut inbound = world.run.rules.rules[0].clone();
        (inbound.id, inbound.source_type) = ("in-other".into(), Some(other_type.into()));
        inbound.target_type = Some(if other_type == "user" { "person".into() } else { other_type.into() });
        world.run.rules.rules[0] = inbound;
        let id = world.import("ad", "a2", other);
        world.objects.get_mut(&id).unwrap().object_type = other_type.into();
        world.sync(id);
        world.run.rules.rules.insert(0, World::new(Matching::Automatic).run.rules.rules[0].clone());
        let ann = world.import("ad", "a1", ANN);
        let plan = world.sync(ann);
        match (&plan.targets[0].pending, plan.targets[0].holds.first()) {
            (Some(PendingExport { operation: PendingOperation::Add { .. }, .. }), _) => "created".to_owned(),
            (_, Some(hold)) => hold.code.clone(),
            _ => show(&plan),
        }
    };
    const TWIN: &str = "objectGUID=g2 displayName=Twin mail=ann@x userPrincipalName=twin@x enabled=yes";
    assert_eq!(outcome(TWIN, "user"), "ambiguous-source");
    assert_eq!(outcome(&TWIN.replace("objectGUID=g2 ", ""), "user"), "created", "out of the scope of the rule");
    assert_eq!(outcome(TWIN, "group"), "created", "another type");
}

/// SF1: a value counts as contributed from the moment it is decided, by a change or because both sides had it already; from
/// then on the source's silence clears it. What the source never had is never cleared.
#[test]
fn sf01_what_was_contributed_once_is_cleared_and_nothing_else() {
    let cleared = |in_cloud: &str, contributed: &str| {
        let mut world = World::new(Matching::Automatic);
        let there = format!("mail=ann@x userPrincipalName=ann@x displayName=Ann accountEnabled=yes {in_cloud}");
        let cloud = world.import("cloud", "c1", &there);
        world.sync(cloud);
        let ann = world.import("ad", "a1", &format!("{ANN} {contributed}"));
        world.sync(ann);
        assert_eq!(world.objects[&cloud].link.as_ref().unwrap().ownership, Ownership::Adopted);
        world.export();
        // The target has it all, and nobody was synchronised since: only what the takeover itself decided is known.
        let image = overlay(world.objects[&cloud].imported().unwrap(), &world.objects[&cloud].memory);
        let object = world.objects.get_mut(&cloud).unwrap();
        (object.memory, object.synchronised) = (ExportMemory::default(), Some(image));
        world.import("ad", "a1", ANN);
        match world.sync(ann).targets[0].pending.as_ref().map(|pending| &pending.operation) {
            None => "nothing",
            Some(PendingOperation::Update { changes, .. }) => match changes.0.get("department") {
                Some(AttributeChange::Replace(values)) if values.is_empty() => "cleared",
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(cleared("department=Sales", "department=IT"), "cleared", "changed by the takeover");
    assert_eq!(cleared("", "department=IT"), "cleared", "given by the takeover");
    assert_eq!(cleared("department=IT", "department=IT"), "cleared", "the same on both sides");
    assert_eq!(cleared("department=Sales", ""), "nothing", "the source never had one");
}
