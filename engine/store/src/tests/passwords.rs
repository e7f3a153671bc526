//! Versions of passwords: what is owed after what a target settled.

use super::support::*;
use crate::{PasswordOutcomes, SettledPassword};
use expect_test::expect;
use metaverse_schema::{AttributeChange, AttributesDelta, Reference, Value, Values};
use sync_kernel::{LinkChange, MvRef, ObjectPlan, Ownership, Subject};

/// SF22: a password that changes while its earlier version is on its way stays owed when that one arrives.
#[test]
fn sf22_a_version_that_was_noted_meanwhile_stays_owed() {
    let mut world = World::new();
    world.full("ad", &["a user cn=A,dc=x mail=a@x"]);
    world.full("cloud", &["c-a user - displayName=a"]);
    let store = &mut world.store;
    store.let_passwords_through("ad", "cloud", &[anchor("a")]).unwrap();
    store.keep_passwords("ad", &[(anchor("a"), Some(1)), (anchor("a"), Some(2))], &[], &[]).unwrap();
    for (version, owed) in [(1, 1), (2, 0)] {
        let settled = SettledPassword { anchor: anchor("a"), version, to: anchor("c-a") };
        let outcomes = PasswordOutcomes { target: "cloud".into(), settled: vec![settled], log: Vec::new() };
        store.keep_passwords("ad", &[], &[outcomes], &[]).unwrap();
        assert_eq!(store.password_totals("ad", "cloud").unwrap().owed, owed, "version {version} arrived");
    }
}

/// What protects each user.
fn protected(world: &World, users: &[&str]) -> String {
    let anchors: Vec<_> = users.iter().map(|user| anchor(user)).collect();
    let lines = world.store.password_subjects("ad", "cloud", &anchors, "member").unwrap();
    let told = lines.iter().zip(users).map(|(line, user)| format!("{user}: {:?}\n", line.subject.protected_by));
    told.collect()
}

/// SF21: a member of a protected group is one however deep it is nested, and where groups are members of each other; a group with a
/// number of its own protects nobody, and who was taken out is free with the import that says so.
#[test]
fn sf21_protected_groups_are_found_through_nested_and_cyclic_memberships() {
    let mut world = World::new();
    let users = ["direct", "nested", "cyclic", "lone", "nobody"];
    let people: Vec<String> = users.iter().map(|user| format!("{user} user cn={user},dc=x")).collect();
    let mut lines: Vec<&str> = people.iter().map(String::as_str).collect();
    lines.extend([
        "backup group cn=Backup,dc=x objectSid=S-1-5-32-551 member>direct member>outer",
        "outer group cn=Outer,dc=x objectSid=S-1-5-21-1-2-3-1105 member>inner",
        "inner group cn=Inner,dc=x objectSid=S-1-5-21-1-2-3-1106 member>nested",
        "admins group cn=Admins,dc=x objectSid=S-1-5-21-1-2-3-512 member>two",
        "one group cn=One,dc=x objectSid=S-1-5-21-1-2-3-1107 member>two member>cyclic",
        "two group cn=Two,dc=x objectSid=S-1-5-21-1-2-3-1108 member>one",
        "ring group cn=Ring,dc=x objectSid=S-1-5-21-1-2-3-1109 member>back member>lone",
        "back group cn=Back,dc=x objectSid=S-1-5-21-1-2-3-1110 member>ring",
    ]);
    world.full("ad", &lines);
    expect![[r#"
        direct: Some("cn=Backup,dc=x")
        nested: Some("cn=Backup,dc=x")
        cyclic: Some("cn=Admins,dc=x")
        lone: None
        nobody: None
    "#]]
    .assert_eq(&protected(&world, &users));

    let gone = |member: &str| Values::single(Value::Reference(Reference::Anchor(anchor(member))));
    let without = |member: &str| {
        let mut delta = AttributesDelta::default();
        delta.0.insert("member".into(), AttributeChange::Update { add: Values::default(), remove: gone(member) });
        delta
    };
    world.delta(
        "ad",
        vec![changed("backup", "group", None, without("direct")), changed("outer", "group", None, without("inner"))],
    );
    expect![[r#"
        direct: None
        nested: None
        cyclic: Some("cn=Admins,dc=x")
    "#]]
    .assert_eq(&protected(&world, &users[..3]));
}

/// Groups and contacts have no password: nobody looks for theirs.
#[test]
fn candidates_are_users_alone() {
    let mut world = World::new();
    world.full("ad", &["a user cn=A,dc=x mail=a@x", "c contact cn=C,dc=x mail=c@x", "g group cn=G,dc=x mail=g@x"]);
    world.full("cloud", &["c-a user - mail=a@x", "c-c contact - mail=c@x", "c-g group - mail=g@x"]);
    for object in ["a", "c", "g"] {
        let person = MvRef::Existing(world.project("ad", object));
        let id = world.id("cloud", &format!("c-{object}"));
        let joined = LinkChange { object: id, link: Some((person, "in".into(), Ownership::Joined)), explicitly: false };
        world.apply(&ObjectPlan { promote: true, links: vec![joined], ..plan(Subject::Connector(id)) });
    }
    let found = world.store.password_candidates("ad", "cloud", None, 10).unwrap();
    assert_eq!(found, [anchor("a")]);
}
