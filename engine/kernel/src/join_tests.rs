//! What joins, on both sides: all clauses of a group at once, and when two rules mean the same join (S13-S20).

use crate::world::{World, rule};
use crate::*;
use sync_rules::*;

const ANN: &str = "objectGUID=g1 displayName=Ann mail=ann@x userPrincipalName=ann@x enabled=yes";
const BOB: &str = "objectGUID=g2 displayName=Bob mail=bob@x userPrincipalName=bob@x enabled=yes";

fn parsed(text: &str) -> Expression {
    Expression::parse(text).unwrap()
}

/// S20: what makes two joins the same: evidence, types, clauses and case. How an operator calls his own evidence does not matter.
#[test]
fn s20_two_joins_are_the_same_when_they_would_find_the_same() {
    let are_the_same = |change: &dyn Fn(&mut Rule)| {
        let mut world = World::new(Matching::Automatic);
        let first = world.rule("out-user");
        first.join[1].criterion = Criterion::Plain("one name".into());
        let repeated = first.join[0].clauses[0].clone();
        first.join[0].clauses.push(repeated);
        let mut second = rule("out-more", Direction::Outbound, "cloud", ("person", "user"), LinkType::Join, 210);
        second.join = world.rule("out-user").join.clone();
        change(&mut second);
        world.add_rule(second);
        let ann = world.import("ad", "a1", ANN);
        let plan = world.sync(ann);
        !plan.targets[0].holds.iter().any(|hold| hold.code == "ambiguous-join-rules")
    };
    assert!(are_the_same(&|_| {}));
    assert!(are_the_same(&|rule| rule.join[1].criterion = Criterion::Plain("another name".into())));
    assert!(are_the_same(&|rule| rule.join[0].clauses[0].source = parsed(" [sourceAnchor] ")));
    assert!(are_the_same(&|rule| rule.join[0].clauses[0].target = parsed(" [onPremisesImmutableId] ")));
    assert!(are_the_same(&|rule| rule.join[0].target_type = Some("user".into())), "the type of the rule, written out");
    assert!(are_the_same(&|rule| rule.join.clear()), "without any join it looks for nobody");
    type Change<'a> = (&'a str, &'a dyn Fn(&mut Rule));
    let others: [Change<'_>; 10] = [
        ("evidence", &|rule| rule.join[0].criterion = Criterion::SignInName),
        ("own evidence", &|rule| rule.join[1].criterion = Criterion::SignInName),
        ("type of the group", &|rule| rule.join[0].target_type = Some("deletedUser".into())),
        ("type of the rule", &|rule| rule.target_type = Some("contact".into())),
        ("source", &|rule| rule.join[0].clauses[0].source = parsed("[mail]")),
        ("target", &|rule| rule.join[0].clauses[0].target = parsed("[mail]")),
        ("case", &|rule| rule.join[0].clauses[1].exact ^= true),
        ("fewer clauses", &|rule| drop(rule.join[0].clauses.pop())),
        ("fewer groups", &|rule| drop(rule.join.pop())),
        ("order", &|rule| rule.join.swap(0, 1)),
    ];
    for (what, change) in others {
        assert!(!are_the_same(change), "{what}");
    }
}

/// S13, S16 inbound: one object must carry the values of all clauses; a clause without a value matches nobody.
#[test]
fn s16_all_clauses_of_a_group_hit_one_metaverse_object() {
    let mut world = World::with_hr(LinkType::Join);
    let mut both = world.group("hr", "[mail]", "[mail]");
    both.clauses.extend(world.group("hr", "[displayName]", "[displayName]").clauses);
    world.rule("in-hr").join = vec![both];
    for (anchor, text) in [("a1", ANN), ("a2", BOB)] {
        let id = world.import("ad", anchor, text);
        world.sync(id);
    }
    for (position, (text, joins)) in
        [("mail=ann@x displayName=Bob", false), ("mail=ann@x", false), ("displayName=Ann", false), ("", false)]
            .into_iter()
            .chain([("mail=ann@x displayName=ANN", true)])
            .enumerate()
    {
        let hr = world.import("hr", &format!("h{position}"), text);
        let counter = world.sync(hr).counter;
        let expected =
            if joins { InboundCounter::DisconnectorJoinedNoFlow } else { InboundCounter::DisconnectorRemains };
        assert_eq!((counter, world.is_linked(hr)), (Some(expected), joins), "{text}");
    }
}

/// S13, S16 outbound: the same for an existing object of the target, and for a rival: somebody who shares one key and not the other.
#[test]
fn s16_all_clauses_of_a_group_hit_one_target_object() {
    let outcome = |there: &str, rival: &str| {
        let mut world = World::new(Matching::Automatic);
        let mut by_name = world.rule("out-user").join[1].clone();
        by_name.clauses[0].source = parsed("[displayName]");
        by_name.clauses[0].target = parsed("[displayName]");
        by_name.clauses[0].source_key = world.key(KeySpace::Metaverse, "person", "[displayName]");
        by_name.clauses[0].target_key = world.key(KeySpace::Connector("cloud".into()), "user", "[displayName]");
        let join = &mut world.rule("out-user").join;
        join[1].clauses.extend(by_name.clauses);
        join.truncate(2);
        let cloud = world.import("cloud", "c1", there);
        world.sync(cloud);
        let other = world.import("ad", "a2", rival);
        world.sync(other);
        let ann = world.import("ad", "a1", ANN);
        let plan = world.sync(ann);
        match (plan.targets[0].pending.as_ref().map(|pending| &pending.operation), plan.targets[0].holds.first()) {
            (Some(PendingOperation::Add { .. }), _) => "created".to_owned(),
            (Some(PendingOperation::Update { .. }), _) => "matched".to_owned(),
            (_, Some(hold)) => hold.code.clone(),
            other => panic!("{other:?}"),
        }
    };
    let nobody = "objectGUID=g9 displayName=Nobody mail=nobody@x";
    assert_eq!(outcome("mail=ann@x displayName=Ann", nobody), "matched");
    assert_eq!(outcome("mail=ann@x displayName=Other", nobody), "created");
    assert_eq!(outcome("displayName=Ann", nobody), "created");
    assert_eq!(
        outcome("mail=other@x displayName=Other", "objectGUID=g9 displayName=Ann mail=ann@x"),
        "ambiguous-source"
    );
    assert_eq!(outcome("mail=other@x displayName=Other", "objectGUID=g9 displayName=Ann mail=b@x"), "created");
    assert_eq!(outcome("mail=other@x displayName=Other", "objectGUID=g9 displayName=B mail=ann@x"), "created");
}

/// S17: a key with several values is an error of the object and no guess; with one value it joins.
#[test]
fn s17_a_join_key_with_several_values_is_an_error() {
    let mut world = World::with_hr(LinkType::Join);
    let several = world.group("hr", "Split([mail],\",\")", "[mail]");
    world.rule("in-hr").join = vec![several];
    let ann = world.import("ad", "a1", ANN);
    world.sync(ann);
    let hr = world.import("hr", "h1", "mail=ann@x,bob@x");
    let error = world.sync(hr).error.unwrap();
    assert_eq!((error.code.as_str(), error.rule.as_deref()), ("join-object-id-must-be-single-valued", Some("in-hr")));
    assert!(error.message.contains("has 2 values"), "{}", error.message);
    world.import("hr", "h1", "mail=ann@x");
    assert_eq!(world.sync(hr).counter, Some(InboundCounter::DisconnectorJoinedNoFlow));
}

/// How an operator recognises who is named in a hold: by what people call it, and by its anchor.
#[test]
fn who_matches_is_named_by_what_people_know() {
    let message = |there: [&str; 2]| {
        let mut world = World::new(Matching::Automatic);
        for (anchor, text) in ["c1", "c2"].into_iter().zip(there) {
            let cloud = world.import("cloud", anchor, text);
            world.sync(cloud);
        }
        let ann = world.import("ad", "a1", ANN);
        world.sync(ann).targets[0].holds[0].message.clone()
    };
    assert_eq!(
        message(["mail=ann@x userPrincipalName=ann@y displayName=Ann", "mail=ann@x displayName=Ann"]),
        "it matches 2 existing objects by primary-smtp: user ann@y (c1), user ann@x (c2)"
    );
    assert_eq!(
        message(["onPremisesImmutableId=g1 displayName=Ann", "onPremisesImmutableId=g1"]),
        "it matches 2 existing objects by anchor: user Ann (c1), user c2"
    );
}

/// SF5: somebody else's account is no candidate, and is named with whom it belongs to.
#[test]
fn an_account_that_is_taken_is_held_for_the_second() {
    let mut world = World::new(Matching::Automatic);
    let cloud = world.import("cloud", "c1", "mail=ann@x userPrincipalName=ann@x");
    world.sync(cloud);
    let ann = world.import("ad", "a1", ANN);
    world.sync(ann);
    world.export();
    world.confirm();
    // Her address goes to Bob, and the cloud account keeps it for now.
    world.import("ad", "a1", &ANN.replace("mail=ann@x", "mail=new@x"));
    world.sync(ann);
    let bob = world.import("ad", "a2", &BOB.replace("mail=bob@x", "mail=ann@x"));
    let plan = world.sync(bob);
    let hold = &plan.targets[0].holds[0];
    assert_eq!(hold.code, "candidate-taken");
    let owner = world.objects[&cloud].link.as_ref().unwrap().mv;
    assert_eq!(hold.message, format!("it matches user ann@x (c1) by primary-smtp, which is linked to {owner}"));
    assert_eq!(hold.candidate, Some(cloud));
}
