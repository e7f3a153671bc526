//! What operators decided about pairs is kept by what outlives both objects (SF5).

use super::support::*;
use crate::*;
use sync_kernel::*;

fn word(verdict: MatchVerdict, note: &str) -> PairWord {
    PairWord { verdict, by: "jo".into(), note: note.into() }
}

fn world() -> (World, MvId, CsId) {
    let mut world = World::new();
    world.full("ad", &["a user cn=A,dc=x mail=a@x displayName=Ann"]);
    let mv = world.project("ad", "a");
    world.full("cloud", &["c user - displayName=Cloudy"]);
    world.promote_all("cloud");
    let cloud = world.id("cloud", "c");
    world.references();
    (world, mv, cloud)
}

fn verdicts(object: &CsObject) -> Vec<MatchVerdict> {
    object.match_decisions.iter().map(|decision| decision.verdict).collect()
}

/// SF5: the word stays when both objects were deleted, imported again under other numbers, and projected anew.
#[test]
fn sf05_a_word_about_a_pair_outlives_both_objects() {
    let (mut world, mv, cloud) = world();
    world.store.record_pair_decision(cloud, mv, &word(MatchVerdict::Rejected, "two people"), NOW).unwrap();
    let said = [MatchDecision {
        source: PairEnd { connector: "ad".into(), anchor: anchor("a") },
        target: PairEnd { connector: "cloud".into(), anchor: anchor("c") },
        verdict: MatchVerdict::Rejected,
    }];
    assert_eq!(world.object("cloud", "c").match_decisions, said);
    assert_eq!(world.object("ad", "a").match_decisions, said);

    let before = (world.id("ad", "a"), cloud);
    for (space, id) in [("ad", "a"), ("cloud", "c")] {
        world.delta(space, vec![deleted(id)]);
        world.promote_all(space);
    }
    world.full("ad", &["a user cn=A,dc=x mail=other@x"]);
    world.full("cloud", &["c user - displayName=Else"]);
    assert!(before.0 != world.id("ad", "a") && before.1 != world.id("cloud", "c"), "other objects, the same anchors");
    assert_eq!(world.object("cloud", "c").match_decisions, said);
    assert_eq!(world.object("ad", "a").match_decisions, said);
}

/// The last word counts and is told with who said it and why; both objects are looked at again, and an approved list says no more.
#[test]
fn the_last_word_counts_and_is_told() {
    let (mut world, mv, cloud) = world();
    let waiting = hold("match-candidate", Some(cloud), Some(ApprovalKind::Match));
    world.target(mv, TargetPlan { holds: vec![waiting], ..nothing(mv) });
    let digest = world.store.approvable("cloud").unwrap()[0].digest.clone();
    world.store.approve(&digest, NOW).unwrap().unwrap();
    assert_eq!(world.object("cloud", "c").approvals.len(), 1);
    let settle = |world: &mut World| {
        world.apply(&plan(Subject::Metaverse(mv)));
        let before = (world.object("ad", "a").generation, world.object("cloud", "c").generation);
        assert!(world.store.dirty_metaverse_page(None, 9).unwrap().is_empty());
        before
    };
    for (verdict, note) in
        [(MatchVerdict::Approved, ""), (MatchVerdict::Rejected, "two people"), (MatchVerdict::Undone, "wrong account")]
    {
        let before = settle(&mut world);
        world.store.record_pair_decision(cloud, mv, &word(verdict, note), NOW + 5).unwrap();
        assert_eq!(verdicts(&world.object("cloud", "c")), [verdict]);
        assert_eq!(world.store.dirty_metaverse_page(None, 9).unwrap(), [mv]);
        assert!(world.object("ad", "a").generation > before.0 && world.object("cloud", "c").generation > before.1);
        assert_eq!(world.object("cloud", "c").approvals.is_empty(), verdict.says_no());
    }
    let kept = world.store.pair_decisions("cloud").unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!((kept[0].by.as_str(), kept[0].note.as_str(), kept[0].at), ("jo", "wrong account", NOW + 5));
    assert_eq!(world.store.object_by_anchor(&kept[0].decision.target).unwrap(), Some(cloud));
    let told: Vec<String> = world
        .store
        .events(None, 9)
        .unwrap()
        .into_iter()
        .map(|event| format!("{}: {}\n", event.code, event.message))
        .collect();
    expect_test::expect![[r#"
        takeover-undone: jo undid the takeover for Ann and Cloudy: wrong account
        match-rejected: jo rejected the match of Ann and Cloudy: two people
        match-approved: jo approved the match of Ann and Cloudy
    "#]]
    .assert_eq(&told.concat());
}

/// What has no anchor on one of the two sides is no pair; of several pairs all are kept, or none.
#[test]
fn of_several_pairs_all_are_kept_or_none() {
    let (mut world, mv, cloud) = world();
    let created = world.target(mv, create(mv, "user", image(&[("displayName", "New")]))).unwrap();
    let approved = word(MatchVerdict::Approved, "");
    let said = [(cloud, mv, approved.clone()), (created, mv, approved)];
    let refused = world.store.record_pair_decisions(&said, NOW).unwrap_err();
    assert!(refused.to_string().contains("never exported"), "{refused}");
    assert!(world.store.pair_decisions("cloud").unwrap().is_empty());
    assert!(verdicts(&world.object("ad", "a")).is_empty());
}
