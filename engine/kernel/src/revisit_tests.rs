//! Whom a plan makes due beside its subject: who shares a key with what changed, and nobody else (S64, invariant 4).

use crate::world::{World, flow, rule};
use crate::*;
use std::collections::BTreeSet;
use sync_rules::*;

fn person(guid: &str, mail: &str) -> String {
    format!("objectGUID={guid} displayName=N mail={mail} userPrincipalName={guid}@x enabled=yes")
}

fn mv_of(world: &World, id: CsId) -> MvId {
    world.objects[&id].link.as_ref().unwrap().mv
}

/// Who found nobody before is looked for by the keys that an object has from now on: old keys, other attributes and an object that
/// goes ask for nobody.
#[test]
fn s64_a_new_key_calls_those_who_found_nobody() {
    let mut world = World::with_hr(LinkType::Join);
    let mut by_number = world.group("hr", "[employeeID]", "[department]");
    by_number.criterion = Criterion::Plain("number".into());
    world.rule("in-hr").flows.clear();
    world.rule("in-hr").join.push(by_number);
    let by_mail = world.import("hr", "h1", "mail=ann@x");
    let by_other_mail = world.import("hr", "h2", "mail=other@x");
    let by_number = world.import("hr", "h3", "employeeID=7");
    let ann = world.import("ad", "a1", &person("g1", "ann@x"));
    let rejoin = |world: &mut World| world.sync(ann).rejoin;
    assert_eq!(rejoin(&mut world), BTreeSet::from([by_mail]));
    assert_eq!(rejoin(&mut world), BTreeSet::new(), "the key is not new any longer");
    world.import("ad", "a1", &person("g1", "ann@x").replace("displayName=N", "displayName=Ann"));
    assert_eq!(rejoin(&mut world), BTreeSet::new(), "no key");
    world.import("ad", "a1", &person("g1", "ANN@X"));
    assert_eq!(rejoin(&mut world), BTreeSet::new(), "another value, and the same key");
    world.import("ad", "a1", &person("g1", "other@x"));
    assert_eq!(rejoin(&mut world), BTreeSet::from([by_other_mail]), "the new key, and not the old one");
    world.import("ad", "a1", &format!("{} department=7", person("g1", "ann@x")));
    assert_eq!(rejoin(&mut world), BTreeSet::from([by_mail, by_number]));
    world.delete(ann);
    assert_eq!(rejoin(&mut world), BTreeSet::new(), "nobody can join what is gone");

    // Rules that go the other way, or to another type, look for nobody here.
    let mut world = World::with_hr(LinkType::Join);
    world.rule("in-hr").target_type = Some("group".into());
    world.import("hr", "h1", "mail=ann@x");
    let ann = world.import("ad", "a1", &person("g1", "ann@x"));
    assert_eq!(world.sync(ann).rejoin, BTreeSet::new());
}

/// Two persons with one key are each other's business: when the key comes and when it goes, on both sides of the change. Nobody is
/// his own business.
#[test]
fn s64_who_shares_a_key_is_looked_at_again() {
    let mut world = World::new(Matching::Automatic);
    let people: Vec<CsId> = [("a1", "g1", "ann@x"), ("a2", "g2", "bob@x"), ("a3", "g3", "carl@x")]
        .into_iter()
        .map(|(anchor, guid, mail)| world.import("ad", anchor, &person(guid, mail)))
        .collect();
    for id in &people {
        assert_eq!(world.sync(*id).revisit, BTreeSet::new(), "nobody else has this key");
    }
    let [ann, bob, carl] = [people[0], people[1], people[2]].map(|id| (id, mv_of(&world, id)));
    world.import("ad", "a2", &person("g2", "ann@x"));
    assert_eq!(world.sync(bob.0).revisit, BTreeSet::from([ann.1]), "he takes her key");
    world.import("ad", "a2", &person("g2", "ann@x").replace("displayName=N", "displayName=Bob"));
    assert_eq!(world.sync(bob.0).revisit, BTreeSet::new(), "no key changed");
    world.import("ad", "a2", &person("g2", "carl@x"));
    assert_eq!(world.sync(bob.0).revisit, BTreeSet::from([ann.1, carl.1]), "he gives it back and takes another's");
    world.delete(bob.0);
    assert_eq!(world.sync(bob.0).revisit, BTreeSet::from([carl.1]), "he goes, and carl is alone with it");
    // Another rule changes the key, with nothing imported: it is not his own business either.
    let mail = world.rule("in-user").flows.iter_mut().find(|flow| flow.target == *"mail").unwrap();
    *mail = flow("mail", "\"new.\" & [mail]");
    assert_eq!(world.sync(ann.0).revisit, BTreeSet::new());
    assert_eq!(world.plan(Subject::Metaverse(carl.1)).revisit, BTreeSet::new());
    // A rule for another type has no say.
    world.rule("out-user").source_type = Some("group".into());
    world.import("ad", "a3", &person("g3", "ann@x"));
    assert_eq!(world.sync(carl.0).revisit, BTreeSet::new());
}

/// A target object that came, changed its key or went is the business of who looks for it, by the old key and by the new one.
#[test]
fn s64_who_looks_for_a_target_object_is_looked_at_again() {
    let mut world = World::new(Matching::Closed);
    let mut inbound = rule("in-cloud", Direction::Inbound, "cloud", ("user", "person"), LinkType::Join, 300);
    inbound.join = vec![world.group("cloud", "[mail]", "[displayName]")];
    world.add_rule(inbound);
    let people: Vec<CsId> = [("a1", "g1", "ann@x"), ("a2", "g2", "bob@x"), ("a3", "g3", "carl@x")]
        .into_iter()
        .map(|(anchor, guid, mail)| world.import("ad", anchor, &person(guid, mail)))
        .collect();
    people.iter().for_each(|id| drop(world.sync(*id)));
    let [ann, bob] = [people[0], people[1]].map(|id| mv_of(&world, id));
    let cloud = world.import("cloud", "c1", "mail=ann@x");
    assert_eq!(world.sync(cloud).revisit, BTreeSet::from([ann]));
    assert_eq!(world.sync(cloud).revisit, BTreeSet::new(), "nothing was imported");
    world.import("cloud", "c1", "mail=bob@x");
    assert_eq!(world.sync(cloud).revisit, BTreeSet::from([ann, bob]), "the address it had, and the one that it has");
    world.delete(cloud);
    assert_eq!(world.sync(cloud).revisit, BTreeSet::from([bob]));
    // In a space to which no rule goes nobody looks for anything.
    let elsewhere = world.import("hr", "h1", "mail=ann@x");
    assert_eq!(world.sync(elsewhere).revisit, BTreeSet::new());

    // Its own metaverse object is decided in the same plan.
    let mut world = World::new(Matching::Automatic);
    let ann = world.import("ad", "a1", &person("g1", "ann@x"));
    let cloud = world.import("cloud", "c1", "mail=ann@x");
    world.sync(cloud);
    world.sync(ann);
    world.import("cloud", "c1", "mail=ann@x displayName=changed");
    let plan = world.sync(cloud);
    assert_eq!((plan.metaverse.len(), plan.revisit), (1, BTreeSet::new()));
}

/// Who looks for a target object that an import returned is asked before its metaverse object is computed, as that would be
/// computed once more with the answers.
#[test]
fn who_looks_for_a_target_object_is_asked_before_anything_else() {
    let mut world = World::new(Matching::Automatic);
    let ann = world.import("ad", "a1", &person("g1", "ann@x"));
    world.sync(ann);
    world.export();
    let cloud = *world.objects.iter().find(|(_, object)| &*object.connector == "cloud").unwrap().0;
    let anchor = world.objects[&cloud].anchor.clone().unwrap().to_string();
    assert_eq!(world.import("cloud", &anchor, "mail=ann@x onPremisesImmutableId=g1 displayName=N"), cloud);
    let (_, rounds) = world.plan_in_rounds(Subject::Connector(cloud));
    assert_eq!(rounds[0], BTreeSet::from([Question::Connector(cloud)]));
    let is_key = |question: &Question| matches!(question, Question::Key(..));
    assert!(rounds[1].iter().all(is_key) && !rounds[1].is_empty(), "{rounds:#?}");
    assert!(!rounds[2..].iter().flatten().any(is_key), "{rounds:#?}");
}

/// What one round can answer is asked in one round: whom a new person joins, then everything about its target and about those
/// who share its keys, and then all is known.
#[test]
fn a_created_person_is_decided_in_three_rounds_of_questions() {
    let mut world = World::new(Matching::Automatic);
    let mut group = world.group("ad", "[mail]", "[mail]");
    group.criterion = Criterion::Plain("mail".into());
    world.rule("in-user").join.push(group);
    let ann = world.import("ad", "a1", &person("g1", "ann@x"));
    let (plan, rounds) = world.plan_in_rounds(Subject::Connector(ann));
    assert_eq!(rounds.len(), 3, "{rounds:?}");
    assert_eq!(plan.join, Some(LinkReason::Projected { rule: "in-user".into() }));
}
