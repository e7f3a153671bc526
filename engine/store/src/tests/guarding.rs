//! Guard lines of every kind (SF12), and lists that wait for an operator.

use super::support::*;
use crate::*;
use expect_test::{Expect, expect};
use metaverse_schema::{Attributes, AttributesDelta, Value};
use sync_kernel::*;
use sync_rules::Guards;

fn roles() -> GuardRoles {
    GuardRoles {
        enabled: Some("accountEnabled".into()),
        sign_in_name: Some("userPrincipalName".into()),
        addresses: Some("proxyAddresses".into()),
        mail: Some("mail".into()),
        stamp: Some("immutableId".into()),
        small_group: 2,
    }
}

fn check(world: &World, expect: Expect) {
    let lines = all_lines(world);
    let shown: Vec<String> = lines
        .iter()
        .map(|line| format!("{:?} {:?} {} ({}): {}\n", line.kind, line.counted_by, line.object, line.name, line.detail))
        .collect();
    expect.assert_eq(&shown.concat());
}

/// Every kind at once; the counts are those of the lines.
fn all_lines(world: &World) -> Vec<GuardLine> {
    let mut counts = world.store.guard_counts("cloud", &roles()).unwrap();
    let kinds = counts.verdicts(0, &Default::default()).into_iter().map(|verdict| verdict.kind).collect();
    let lines = world.store.guard_lines("cloud", &roles(), &kinds).unwrap();
    let mut counted = GuardCounts::default();
    lines.iter().for_each(|line| counted.add(line));
    assert_eq!(std::mem::take(&mut counts), counted);
    lines
}

/// A cloud object with this image, linked to a person, with this operation pending.
fn with_operation(line: &str, enabled: Option<bool>, operation: PendingOperation) -> World {
    let mut world = World::new();
    world.full("ad", &["a user cn=A,dc=x mail=a@x"]);
    let mv = world.project("ad", "a");
    let StagedItem::Object(mut staged) = object(line) else { unreachable!() };
    if let Some(enabled) = enabled {
        staged.attributes.set("accountEnabled", Value::Boolean(enabled));
    }
    world.delta("cloud", vec![StagedItem::Object(staged)]);
    world.promote_all("cloud");
    let id = world.id("cloud", "c");
    let pending = PendingExport { operation, state: SentState::Pending, grace: None };
    world.target(mv, TargetPlan { pending: Some(pending), ..keep(mv, id, Ownership::Adopted) });
    world
}

fn change(pairs: &[(&str, Value)]) -> AttributesDelta {
    let mut delta = AttributesDelta::default();
    pairs.iter().for_each(|(name, value)| delta.set(*name, value.clone()));
    delta
}

#[test]
fn a_takeover_is_of_many_kinds() {
    let mut changes = change(&[
        ("accountEnabled", Value::Boolean(false)),
        ("userPrincipalName", Value::text("new@x")),
        ("proxyAddresses", Value::text("SMTP:new@x")),
    ]);
    changes.set("title", metaverse_schema::Values::default());
    let afterwards = change(&[("immutableId", Value::text("AAA="))]);
    let operation = PendingOperation::Update { rename: None, changes, afterwards, takeover: true };
    let line = "c user - displayName=Ann userPrincipalName=old@x proxyAddresses=SMTP:Old@x proxyAddresses=smtp:new@x title=Chef";
    check(
        &with_operation(line, Some(true), operation),
        expect![[r#"
            Takeover "" c (Ann): taken over
            Disable "" c (Ann): 
            SignInNameChange "" c (Ann): old@x -> new@x
            PrimaryAddressChange "" c (Ann): old@x -> new@x
            AnchorWrite "" c (Ann): (none) -> AAA=
            AttributeWipe "title" c (Ann): Chef
        "#]],
    );
}

/// Case alone is no change of a sign-in name or a primary address; enabling is its own kind.
#[test]
fn case_alone_is_not_guarded() {
    let changes = change(&[
        ("accountEnabled", Value::Boolean(true)),
        ("userPrincipalName", Value::text("Old@X")),
        ("mail", Value::text("A@x")),
    ]);
    let operation =
        PendingOperation::Update { rename: None, changes, afterwards: AttributesDelta::default(), takeover: false };
    check(
        &with_operation("c user - displayName=Ann userPrincipalName=old@x mail=a@x", Some(false), operation),
        expect![[r#"
            Enable "" c (Ann): 
        "#]],
    );
}

/// Each line carries its cause; letting go blocks the sign-in and clears the stamp (SF4).
#[test]
fn removals_carry_their_cause() {
    let (cause, ownership) = (DeleteCause::LeftContainerScope, Ownership::Adopted);
    let line = "c user - displayName=Ann immutableId=AAA=";
    check(
        &with_operation(line, None, PendingOperation::Delete { cause, ownership }),
        expect![[r#"
            Delete "" c (Ann): left the selected containers
        "#]],
    );
    check(
        &with_operation(line, None, PendingOperation::Detach { cause, ownership }),
        expect![[r#"
            Disable "" c (Ann): let go: left the selected containers
            AnchorWrite "" c (Ann): AAA= -> (none)
        "#]],
    );
    check(
        &with_operation(
            line,
            None,
            PendingOperation::Restore { changes: AttributesDelta::default(), afterwards: AttributesDelta::default() },
        ),
        expect![[r#"
            Add "" c (Ann): brought back from the recycle bin
        "#]],
    );
}

/// T32: the same source object, deleted as a contact and created as a user. What was refused for good is not counted.
#[test]
fn a_replaced_object_is_a_delete_add() {
    let (cause, ownership) = (DeleteCause::DeletedInSource, Ownership::Provisioned);
    let mut world = with_operation(
        "c contact - displayName=Ann immutableId=AAA=",
        None,
        PendingOperation::Delete { cause, ownership },
    );
    world.full("ad", &["a user cn=A,dc=x mail=a@x", "b user cn=B,dc=x mail=b@x", "d user cn=D,dc=x mail=d@x"]);
    let mv = world.project("ad", "b");
    world.target(mv, create(mv, "user", image(&[("displayName", "Ann"), ("immutableId", "AAA=")])));
    let mv = world.project("ad", "d");
    let state =
        SentState::Refused { code: "x".into(), message: "x".into(), remedy: "x".into(), retry: false, count: 1 };
    let operation = PendingOperation::Add { attributes: Attributes::new() };
    world.target(
        mv,
        TargetPlan {
            pending: Some(PendingExport { operation, state, grace: None }),
            ..create(mv, "user", Attributes::new())
        },
    );
    check(
        &world,
        expect![[r#"
            Delete "" c (Ann): deleted in the source directory
            DeleteAdd "" AAA= (Ann): replaces c
            Add "" AAA= (Ann): created
        "#]],
    );
}

/// Member changes are counted each, and a group that loses more than half of its members by itself.
#[test]
fn emptied_groups_stop_by_themselves() {
    let mut world = World::new();
    let people: Vec<String> = (0..5).map(|n| format!("u{n} user cn=U{n},dc=x displayName=U{n}")).collect();
    let mut lines: Vec<&str> = people.iter().map(String::as_str).collect();
    lines.push("g group cn=G,dc=x displayName=G member>u0");
    world.full("ad", &lines);
    let cloud: Vec<String> = (0..5).map(|n| format!("c{n} user - displayName=C{n}")).collect();
    let mut lines: Vec<&str> = cloud.iter().map(String::as_str).collect();
    lines.push("cg group - displayName=G members>c1 members>c2 members>c3 members>c4");
    world.full("cloud", &lines);
    world.promote_all("cloud");
    for n in 0..5 {
        let mv = world.project("ad", &format!("u{n}"));
        let id = world.id("cloud", &format!("c{n}"));
        world.target(mv, keep(mv, id, Ownership::Adopted));
    }
    let source = world.id("ad", "g");
    let mv = world.project("ad", "g");
    let group = world.id("cloud", "cg");
    world.target(
        mv,
        TargetPlan { references: vec![member_flow(source, false)], ..keep(mv, group, Ownership::Provisioned) },
    );
    world.references();
    check(
        &world,
        expect![[r#"
            MemberAdd "" cg (G: C0): members: c0
            MemberRemove "" cg (G: C1): members: c1
            MemberRemove "" cg (G: C2): members: c2
            MemberRemove "" cg (G: C3): members: c3
            MemberRemove "" cg (G: C4): members: c4
            GroupEmptied "cg" cg (G): members: 4 of 4
        "#]],
    );
    assert_eq!(world.store.space_size("cloud").unwrap(), 6);
}

/// An approval is bound to exactly one list, is used once, and is gone when the list changes.
#[test]
fn approvals_are_of_one_list_and_used_once() {
    let (cause, ownership) = (DeleteCause::DeletedInSource, Ownership::Adopted);
    let mut world = with_operation("c user - displayName=Ann", None, PendingOperation::Delete { cause, ownership });
    let lines = all_lines(&world);
    let strict = Guards { objects: 0, percent: 0, at_least: 0 };
    let list = judge("cloud", &lines, 1, &strict).1.unwrap();
    world.store.record_guard_list("cloud", &list, NOW).unwrap();
    assert!(!world.store.consume_guard_approval("cloud", &list.digest).unwrap(), "nobody has approved it");
    let approved = world.store.approve(&list.digest, NOW + 1).unwrap();
    assert_eq!(approved, Some(Approved::GuardList { connector: "cloud".into(), lines: 1 }));
    world.store.record_guard_list("cloud", &list, NOW + 2).unwrap();
    let stored = world.store.waiting_guard_list("cloud").unwrap().unwrap();
    assert_eq!(
        (stored.approved, stored.lines, stored.verdicts),
        (Some(NOW + 1), list.lines.clone(), list.verdicts.clone())
    );
    let mut other = list.clone();
    other.digest = Digest::from_text("other");
    world.store.record_guard_list("cloud", &other, NOW + 3).unwrap();
    assert!(!world.store.consume_guard_approval("cloud", &list.digest).unwrap(), "superseded");
    world.store.record_guard_list("cloud", &list, NOW + 4).unwrap();
    assert!(!world.store.consume_guard_approval("cloud", &list.digest).unwrap(), "its approval is gone with it");
    world.store.approve(&list.digest, NOW + 5).unwrap();
    assert!(world.store.consume_guard_approval("cloud", &list.digest).unwrap());
    assert!(!world.store.consume_guard_approval("cloud", &list.digest).unwrap(), "used once");
    assert_eq!(world.store.waiting_guard_list("cloud").unwrap(), None);
}

/// SF2, SF5, SF6: sign-in names are approved by value; what is held for another reason too is not offered.
#[test]
fn only_what_can_be_approved_is_offered() {
    let mut world = World::new();
    world.full("ad", &["a user cn=A,dc=x mail=a@x", "b user cn=B,dc=x mail=b@x"]);
    world.full("cloud", &["c user - displayName=C", "admin user - displayName=Admin"]);
    let (c, admin) = (world.id("cloud", "c"), world.id("cloud", "admin"));
    let first = world.project("ad", "a");
    let second = world.project("ad", "b");
    let holds = vec![
        hold("signin-name-change", Some(c), Some(ApprovalKind::SignInName)),
        hold("match-candidate", Some(c), Some(ApprovalKind::Match)),
    ];
    world.target(first, TargetPlan { holds, ..nothing(first) });
    let holds =
        vec![hold("privileged", Some(admin), None), hold("match-candidate", Some(admin), Some(ApprovalKind::Match))];
    world.target(second, TargetPlan { holds, ..nothing(second) });
    let lists = world.store.approvable("cloud").unwrap();
    let shown: Vec<_> = lists
        .iter()
        .map(|list| (list.kind, list.lines.len(), list.lines[0].object, list.lines[0].value.clone()))
        .collect();
    assert_eq!(shown, [(ApprovalKind::Match, 1, c, None), (ApprovalKind::SignInName, 1, c, Some("new".into()))]);
    world.store.approve(&lists[1].digest, NOW).unwrap();
    let approval = Approval { kind: ApprovalKind::SignInName, mv: first, value: Some("new".into()) };
    assert_eq!(world.object("cloud", "c").approvals, vec![approval]);
    assert_eq!(world.store.withdraw_approvals(c).unwrap(), 1);
    assert_eq!(world.object("cloud", "c").approvals, vec![]);
    // The digest names people and objects, not numbers: a store that was built anew offers the same list.
    let again = world.store.approvable("cloud").unwrap();
    assert_eq!(again[0].digest, lists[0].digest);
}
