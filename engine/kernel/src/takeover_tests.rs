//! Who may be matched, and what a takeover may clear, as small stories (SF1, decision 0002).

use crate::world::{World, flow, show};
use crate::*;
use metaverse_schema::{AttributeChange, Plurality, Value, ValueKind, Values};
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

/// A person with one address, and a cloud account with these; the rule says what becomes of addresses that only the cloud knows.
fn addresses(choice: AddressesChoice, given: &str, present: &[&str]) -> String {
    let mut world = World::new(Matching::Automatic);
    let cloud = world.run.schemas.remove("cloud").unwrap();
    let cloud = cloud.attribute("proxyAddresses", ValueKind::Text, Plurality::Multi, true);
    world.run.schemas.insert("cloud".into(), cloud);
    let outbound = world.rule("out-user");
    outbound.takeover.as_mut().unwrap().addresses_choice = choice;
    outbound.flows.retain(|flow| !["proxyAddresses", "department"].contains(&flow.target.as_str()));
    outbound.flows.push(flow("proxyAddresses", "[department]"));
    let cloud = world.import("cloud", "c1", "mail=ann@x userPrincipalName=ann@x displayName=Ann accountEnabled=yes");
    let Some(Staged::Image(image)) = &mut world.objects.get_mut(&cloud).unwrap().staged else { panic!("staged") };
    image.set("proxyAddresses", present.iter().map(|value| Value::text(*value)).collect::<Values>());
    world.sync(cloud);
    let ann = world.import("ad", "a1", &format!("{ANN} department={given}"));
    let plan = world.sync(ann);
    if let Some(hold) = plan.targets[0].holds.first() {
        return format!("{}: {}", hold.code, hold.present.as_deref().unwrap_or_default());
    }
    match plan.targets[0].pending.as_ref().map(|pending| &pending.operation) {
        Some(PendingOperation::Update { changes, .. }) => match changes.0.get("proxyAddresses") {
            None => "left as they are".to_owned(),
            Some(AttributeChange::Replace(values)) => {
                values.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
            }
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

/// SF1: addresses that only the cloud knows are never dropped silently: held, kept as secondary ones, or dropped where the operator
/// said so. An address is the same whatever its case.
#[test]
fn sf01_addresses_that_only_the_cloud_knows() {
    const BOTH: [&str; 2] = ["SMTP:old@x", "smtp:ann@x"];
    assert_eq!(addresses(AddressesChoice::Hold, "SMTP:ann@x", &BOTH), "addresses-lost: SMTP:old@x");
    assert_eq!(addresses(AddressesChoice::Hold, "SMTP:Ann@x", &["smtp:ANN@x"]), "SMTP:Ann@x", "nothing is lost");
    assert_eq!(addresses(AddressesChoice::Hold, "SMTP:ann@x", &[]), "SMTP:ann@x");
    assert_eq!(addresses(AddressesChoice::KeepCloud, "SMTP:ann@x", &BOTH), "SMTP:ann@x smtp:old@x");
    let three = ["SMTP:old@x", "smtp:older@x", "x500:/o=x"];
    assert_eq!(
        addresses(AddressesChoice::KeepCloud, "SMTP:ann@x", &three),
        "SMTP:ann@x smtp:old@x smtp:older@x x500:/o=x"
    );
    assert_eq!(addresses(AddressesChoice::KeepCloud, "SMTP:ann@x", &["SMTP:ann@x"]), "left as they are");
    assert_eq!(addresses(AddressesChoice::ActiveDirectoryWins, "SMTP:ann@x", &BOTH), "SMTP:ann@x");
}

/// SF1-SF3: an approval lets exactly this pair, kind and value through.
#[test]
fn sf02_an_approval_is_for_one_pair_kind_and_value() {
    let outcome = |there: &str, approval: &dyn Fn(MvId) -> Approval| {
        let mut world = World::new(Matching::Automatic);
        let cloud = world.import("cloud", "c1", &format!("mail=ann@x {there}"));
        world.sync(cloud);
        let ann = world.import("ad", "a1", ANN);
        world.sync(ann);
        let mv = *world.metaverse.keys().next().unwrap();
        world.objects.get_mut(&cloud).unwrap().approvals = vec![approval(mv)];
        let plan = world.sync(ann);
        let holds: Vec<&str> = plan.targets[0].holds.iter().map(|hold| hold.code.as_str()).collect();
        holds.join(" ").replace("limitation-read-only", "").trim().to_owned()
    };
    let value = |text: &str| Some(text.to_owned());
    let name = "userPrincipalName=ann.cloud@x";
    for (kind, text, held) in [
        (ApprovalKind::SignInName, value("ann@x"), ""),
        (ApprovalKind::SignInName, value("other@x"), "signin-name-change"),
        (ApprovalKind::SignInName, None, "signin-name-change"),
        (ApprovalKind::WouldEnable, value("ann@x"), "signin-name-change"),
    ] {
        let found = outcome(name, &|mv| Approval { kind, mv, value: text.clone() });
        assert_eq!(found, held, "{kind:?} {text:?}");
    }
    let another =
        outcome(name, &|mv| Approval { kind: ApprovalKind::SignInName, mv: MvId(mv.0 + 1000), value: value("ann@x") });
    assert_eq!(another, "signin-name-change", "for another person");
    let blocked = "userPrincipalName=ann@x accountEnabled=no";
    assert_eq!(outcome(blocked, &|mv| Approval { kind: ApprovalKind::WouldEnable, mv, value: None }), "");
    assert_eq!(outcome(blocked, &|mv| Approval { kind: ApprovalKind::Match, mv, value: None }), "would-enable");
    // SF3 is about enabling: what is disabled on both sides, or enabled on both, is no question.
    let none = |mv| Approval { kind: ApprovalKind::Match, mv, value: None };
    assert_eq!(outcome("userPrincipalName=ann@x accountEnabled=yes", &none), "");
    assert_eq!(outcome("userPrincipalName=ann@x", &none), "");
    // SF2: a change of case alone is no other name.
    assert_eq!(outcome("userPrincipalName=ANN@x", &none), "");
}
