//! Groups that scope clauses name (S8): who is a member, and who is looked at again when that changes.

use super::importing::member_change;
use super::support::*;
use crate::Store;
use std::collections::BTreeSet;
use sync_kernel::CsId;
use sync_rules::RuleSet;

const SALES: &str = "CN=Sales,DC=x";

/// The rules of the other tests, and an inbound rule that asks for the members of each group.
fn rules_about(groups: &[&str]) -> RuleSet {
    let text = groups
        .iter()
        .map(|group| format!("dn ISMEMBEROF \\\"{group}\\\""))
        .map(|clause| format!("[\"{clause}\"]"))
        .collect::<Vec<_>>()
        .join(", ");
    let rule = format!(
        "[metaverse.person]\nmail = \"text\"\n[[rule]]\nid = \"in\"\nname = \"In\"\ndirection = \"inbound\"\nconnector = \"ad\"\n\
         source_type = \"user\"\ntarget_type = \"person\"\nlink = \"provision\"\nprecedence = 1\nscope = [{text}]\n"
    );
    let read = sync_rules::read_canonical(&rule).unwrap();
    RuleSet { rules: read.rules, ..rules() }
}

fn members(world: &World, group: &str) -> BTreeSet<&'static str> {
    let is_there = |id: &&str| !world.store.find_object("ad", id).unwrap().is_empty();
    let is_member = |id: &&str| world.object("ad", id).member_of.contains(group);
    ["a", "b", "c"].into_iter().filter(is_there).filter(is_member).collect()
}

fn queued(world: &World) -> BTreeSet<CsId> {
    world.store.dirty_page("ad", None, 10).unwrap().into_iter().collect()
}

/// Only direct members; a group that comes later, moves away or goes is noticed, by DN and by anchor.
#[test]
fn direct_members_are_known_and_looked_at_again() {
    let mut world = World::new();
    world.store.register_rules(&rules_about(&[SALES, "sales"]), NOW).unwrap();
    world.full("ad", &["a user cn=A,dc=x mail=a@x", "b user cn=B,dc=x mail=b@x", "nested group cn=N,dc=x member>b"]);
    world.promote_all("ad");
    assert_eq!(world.store.watched_groups_missing().unwrap().len(), 2);

    world.delta("ad", vec![object("sales group cn=Sales,dc=x member>a member>nested")]);
    assert_eq!(world.store.watched_groups_missing().unwrap(), Vec::new());
    assert_eq!(members(&world, SALES), BTreeSet::from(["a"]), "b is a member of a member");
    assert_eq!(members(&world, "sales"), BTreeSet::from(["a"]));
    assert!(queued(&world).contains(&world.id("ad", "a")) && !queued(&world).contains(&world.id("ad", "b")));
    world.promote_all("ad");

    world.delta("ad", vec![changed("sales", "group", None, member_change(&["b"], &["a"]))]);
    assert_eq!(members(&world, SALES), BTreeSet::from(["b"]));
    assert!([world.id("ad", "a"), world.id("ad", "b")].iter().all(|id| queued(&world).contains(id)));
    world.promote_all("ad");

    // Moved away from the DN that one clause names; the other one knows it by its anchor.
    world.delta("ad", vec![changed("sales", "group", Some("cn=Vendors,dc=x"), member_change(&[], &[]))]);
    assert_eq!(members(&world, SALES), BTreeSet::new());
    assert_eq!(members(&world, "sales"), BTreeSet::from(["b"]));
    assert_eq!(world.store.watched_groups_missing().unwrap().len(), 1);
    assert!(queued(&world).contains(&world.id("ad", "b")));
    world.promote_all("ad");

    world.delta("ad", vec![deleted("sales")]);
    assert_eq!(members(&world, "sales"), BTreeSet::new());
    assert!(queued(&world).contains(&world.id("ad", "b")));
    world.promote_all("ad");
    assert_eq!(members(&world, "sales"), BTreeSet::new());
}

/// A member that is imported after its group is one from its first synchronisation on.
#[test]
fn a_member_may_come_after_its_group() {
    let mut world = World::new();
    world.store.register_rules(&rules_about(&[SALES]), NOW).unwrap();
    world.full("ad", &["sales group cn=Sales,dc=x member>c member>>cn=A;dc=x"]);
    world.promote_all("ad");
    world.delta("ad", vec![object("a user cn=A,dc=x mail=a@x"), object("c user cn=C,dc=x mail=c@x")]);
    assert_eq!(members(&world, SALES), BTreeSet::from(["a", "c"]));
    assert!([world.id("ad", "a"), world.id("ad", "c")].iter().all(|id| queued(&world).contains(id)));
}

/// Rules that begin to name a group know its members at once, also where the store is only read.
#[test]
fn new_rules_know_the_members() {
    let mut world = World::new();
    world.full("ad", &["a user cn=A,dc=x mail=a@x", "sales group cn=Sales,dc=x member>a"]);
    world.promote_all("ad");
    assert_eq!(members(&world, SALES), BTreeSet::new(), "nobody asks for it");
    let mut reader = Store::open_read_only(&world.path()).unwrap();
    reader.register_rules(&rules_about(&[SALES]), NOW).unwrap();
    let a = reader.object(world.id("ad", "a")).unwrap().unwrap();
    assert_eq!(a.member_of, BTreeSet::from([SALES.to_owned()]));
    drop(reader);
    world.store.register_rules(&rules_about(&[SALES]), NOW).unwrap();
    assert_eq!(members(&world, SALES), BTreeSet::from(["a"]));
    assert_eq!(queued(&world), BTreeSet::from([world.id("ad", "a")]));
    world.promote_all("ad");
    world.store.register_rules(&rules_about(&[SALES]), NOW).unwrap();
    assert_eq!(queued(&world), BTreeSet::new(), "nothing changed");
}
