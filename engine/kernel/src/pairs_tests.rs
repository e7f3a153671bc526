//! An operator's word about a pair, and what becomes of both objects (SF5, SF11).

use crate::world::{World, clause, show};
use crate::*;
use sync_rules::*;

const ANN: &str = "objectGUID=g1 displayName=Ann mail=ann@x userPrincipalName=ann@x enabled=yes";

fn end(object: &CsObject) -> PairEnd {
    PairEnd { connector: object.connector.clone(), anchor: object.anchor.clone().unwrap() }
}

/// As a store would answer it: both objects know of the pair.
fn say(world: &mut World, source: CsId, target: CsId, verdict: MatchVerdict) {
    let decision =
        MatchDecision { source: end(&world.objects[&source]), target: end(&world.objects[&target]), verdict };
    for id in [source, target] {
        let decisions = &mut world.objects.get_mut(&id).unwrap().match_decisions;
        decisions.retain(|known| (&known.source, &known.target) != (&decision.source, &decision.target));
        decisions.push(decision.clone());
    }
}

fn outcome(plan: &ObjectPlan) -> String {
    let target = plan.targets.last().unwrap();
    match (&target.pending, target.holds.first()) {
        (Some(PendingExport { operation: PendingOperation::Add { .. }, .. }), _) => "created".to_owned(),
        (Some(PendingExport { operation: PendingOperation::Update { takeover: true, .. }, .. }), _) => {
            "taken over".to_owned()
        }
        (None, Some(hold)) => hold.code.clone(),
        _ => show(plan),
    }
}

/// SF5: a rejected pair is no candidate by any key and under any `matching`, and nothing is created beside it, until it is approved.
/// An approval is a pair's own, and says nothing while matching is closed.
#[test]
fn sf05_a_rejected_pair_is_no_candidate_until_it_is_approved() {
    let after = |matching: Matching, there: &str, verdicts: &[MatchVerdict]| {
        let mut world = World::new(matching);
        let cloud = world.import("cloud", "c1", there);
        world.sync(cloud);
        let ann = world.import("ad", "a1", ANN);
        world.sync(ann);
        verdicts.iter().for_each(|verdict| say(&mut world, ann, cloud, *verdict));
        outcome(&world.sync(ann))
    };
    let soft = "mail=ann@x userPrincipalName=ann@x displayName=Cloud accountEnabled=yes";
    let hard = &format!("{soft} onPremisesImmutableId=g1");
    use MatchVerdict::{Approved, Rejected, Undone};
    for there in [soft, hard] {
        for matching in [Matching::Review, Matching::Automatic, Matching::Closed] {
            for no in [Rejected, Undone] {
                assert_eq!(after(matching, there, &[no]), "match-rejected", "{matching:?} {there}");
                assert_eq!(after(matching, there, &[Approved, no]), "match-rejected", "the later word");
            }
        }
        assert_eq!(after(Matching::Review, there, &[]), "match-candidate");
        assert_eq!(after(Matching::Review, there, &[Approved]), "taken over");
        assert_eq!(after(Matching::Review, there, &[Rejected, Approved]), "taken over");
        assert_eq!(after(Matching::Closed, there, &[Approved]), "matching-closed");
    }
    // What else speaks against a takeover is not approved with the match.
    assert_eq!(after(Matching::Review, &soft.replace("Enabled=yes", "Enabled=no"), &[Approved]), "would-enable");
}

/// SF5: the word is about one pair, by what outlives an import; of two accounts that became one person the one that says no decides.
#[test]
fn sf05_the_word_is_about_one_pair() {
    let mut world = World::new(Matching::Automatic);
    let cloud = world.import("cloud", "c1", "mail=ann@x userPrincipalName=ann@x displayName=Ann accountEnabled=yes");
    world.sync(cloud);
    let other = world.import("cloud", "c2", "mail=other@x");
    let ann = world.import("ad", "a1", ANN);
    say(&mut world, ann, other, MatchVerdict::Rejected);
    assert_eq!(outcome(&world.plan(Subject::Connector(ann))), "taken over", "another cloud object was meant");
    let bob = world.import("ad", "a2", "objectGUID=g2 displayName=Bob mail=bob@x");
    say(&mut world, bob, cloud, MatchVerdict::Rejected);
    assert_eq!(outcome(&world.plan(Subject::Connector(ann))), "taken over", "another account was meant");

    let (world, ann, hr) = World::ann_and_hr(LinkType::Join);
    let linked: Vec<CsId> = world.metaverse.values().next().unwrap().links.clone();
    assert!(linked.contains(&ann) && linked.contains(&hr));
    for (first, second) in [(ann, hr), (hr, ann)] {
        let (mut world, _, _) = World::ann_and_hr(LinkType::Join);
        let cloud =
            world.import("cloud", "c9", "mail=ann@x userPrincipalName=ann@x displayName=Ann accountEnabled=yes");
        world.objects.get_mut(&cloud).unwrap().privilege = Some(Privilege::None);
        say(&mut world, first, cloud, MatchVerdict::Approved);
        say(&mut world, second, cloud, MatchVerdict::Rejected);
        let plan = world.plan(Subject::Connector(ann));
        assert_eq!(outcome(&plan), "match-rejected", "{}", show(&plan));
    }
}

fn taken_over() -> (World, CsId, CsId) {
    let mut world = World::new(Matching::Automatic);
    let cloud = world.import("cloud", "c1", "mail=ann@x userPrincipalName=ann@x displayName=Ann accountEnabled=yes");
    world.sync(cloud);
    let ann = world.import("ad", "a1", ANN);
    assert_eq!(outcome(&world.sync(ann)), "taken over");
    (world, ann, cloud)
}

/// SF11: whose takeover is undone is let go of without a write, whichever of its objects is looked at; nothing more is known of it, and
/// the next plan changes nothing. What is on its way is settled first.
#[test]
fn sf11_an_undone_takeover_is_let_go_of() {
    for sent in [true, false] {
        for by_the_person in [true, false] {
            let (mut world, ann, cloud) = taken_over();
            if sent {
                world.export();
                world.confirm();
                world.sync(cloud);
                world.sync(ann);
            }
            say(&mut world, ann, cloud, MatchVerdict::Undone);
            let subject = if by_the_person { ann } else { cloud };
            let plan = world.sync(subject);
            assert_eq!(plan.rejoin.contains(&cloud), !by_the_person, "it is looked at by itself");
            let object = &world.objects[&cloud];
            assert_eq!((&object.link, &object.pending, object.state), (&None, &None, ConnectorState::Disconnected));
            assert!(object.memory.attributes.is_empty() && object.owned.is_empty());
            assert_eq!(outcome(&plan), "match-rejected");
            let again = world.sync(ann);
            assert_eq!((outcome(&again), again.links.len()), ("match-rejected".to_owned(), 0));
        }
    }
    let (mut world, ann, cloud) = taken_over();
    world.objects.get_mut(&cloud).unwrap().pending.as_mut().unwrap().state = SentState::InFlight;
    say(&mut world, ann, cloud, MatchVerdict::Rejected);
    world.sync(ann);
    assert!(world.objects[&cloud].link.is_some() && world.objects[&cloud].is_in_flight());
}

/// SF11: when nothing is common to the two any longer, a person whose match was rejected is somebody else and is created; one whose
/// takeover was undone is not made a second time. Neither is ever deleted for it.
#[test]
fn sf11_who_was_undone_is_not_created_beside_it() {
    let after = |verdict: MatchVerdict| {
        let (mut world, ann, cloud) = taken_over();
        world.export();
        world.confirm();
        world.sync(cloud);
        say(&mut world, ann, cloud, verdict);
        world.import("ad", "a1", &ANN.replace("ann@x", "else@x").replace("g1", "g9"));
        let plan = world.sync(ann);
        assert!(world.objects[&cloud].link.is_none() && world.objects[&cloud].pending.is_none(), "{}", show(&plan));
        outcome(&plan)
    };
    assert_eq!(after(MatchVerdict::Rejected), "created");
    assert_eq!(after(MatchVerdict::Undone), "match-rejected");

    let (mut world, ann, cloud) = taken_over();
    world.export();
    world.confirm();
    world.sync(cloud);
    say(&mut world, ann, cloud, MatchVerdict::Undone);
    world.rule("out-user").scope = vec![vec![clause("displayName", Operator::Equal, "Nobody")]];
    world.sync(ann);
    let object = &world.objects[&cloud];
    assert_eq!((&object.link, &object.pending), (&None, &None), "out of scope it is not detached either");
    world.delete(ann);
    world.sync(ann);
    assert_eq!(world.objects[&cloud].pending, None);
}

/// What the rules created is no match, and no word about a pair ends it.
#[test]
fn a_created_object_is_no_match() {
    let mut world = World::new(Matching::Automatic);
    let ann = world.import("ad", "a1", ANN);
    world.sync(ann);
    world.export();
    world.confirm();
    let cloud = world.cloud().unwrap().id;
    world.sync(cloud);
    say(&mut world, ann, cloud, MatchVerdict::Rejected);
    world.sync(ann);
    assert_eq!(world.objects[&cloud].link.as_ref().unwrap().ownership, Ownership::Provisioned);
}
