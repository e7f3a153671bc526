//! Import matching, O37-O43, and placeholders, O16-O19.

use super::support::*;
use crate::*;
use expect_test::{Expect, expect};
use metaverse_schema::AttributesDelta;

fn check(world: &World, expect: Expect) {
    expect.assert_eq(&world.show("ad"));
}

fn counted(page: &StagedPage) -> String {
    let named: Vec<String> = page
        .counters
        .named()
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(name, count)| format!("{name}={count}"))
        .collect();
    named.join(" ")
}

/// O42: anchor found under another DN is a rename, values and all.
#[test]
fn an_anchor_under_another_dn_is_a_rename() {
    let mut world = World::new();
    world.full("ad", &["a user cn=Ann,dc=x mail=a@x"]);
    let (page, _) = world.delta("ad", vec![object("a user cn=Anna,dc=x mail=a@x")]);
    assert_eq!(counted(&page), "stage-rename=1");
    let (page, _) = world.delta("ad", vec![object("a user CN=anna,dc=x mail=a@x")]);
    assert_eq!(counted(&page), "stage-rename=1", "a change of case alone is another DN");
    let (page, _) = world.delta("ad", vec![object("a user CN=anna,dc=x mail=a@x")]);
    assert_eq!(counted(&page), "stage-no-change=1");
    check(
        &world,
        expect![[r#"
             - Placeholder [dc=x]
            user a Disconnected [CN=anna,dc=x] +staged
        "#]],
    );
}

/// O38: a provisioned object that was never exported gives way, and its metaverse object provisions again.
#[test]
fn an_imported_object_takes_the_dn_of_an_unexported_one() {
    let mut world = World::new();
    world.full("ad", &["a user cn=Ann,dc=x mail=a@x"]);
    let mv = world.project("ad", "a");
    let target = create(mv, "user", image(&[("displayName", "Ann")]));
    let target = sync_kernel::TargetPlan {
        target: Some(sync_kernel::TargetRef::New { object_type: "user".into(), dn: Some(dn("cn=Ann,o=cloud")) }),
        ..target
    };
    let created = world.target(mv, target).unwrap();
    let (page, _) = world.delta("cloud", vec![object("c1 user cn=ann,o=cloud mail=a@x")]);
    assert_eq!(counted(&page), "stage-add=1");
    assert_eq!(world.store.object(created).unwrap(), None);
    assert_eq!(world.store.dirty_metaverse_page(None, 10).unwrap(), vec![mv]);
    assert_eq!(world.object("cloud", "c1").link, None);
}

/// T26, O50: an object that was sent, and whose anchor nobody learned, is recognised by its DN and is not there twice.
#[test]
fn a_create_in_flight_comes_back_by_its_dn() {
    let mut world = World::new();
    world.full("ad", &["a user cn=Ann,dc=x mail=a@x"]);
    let mv = world.project("ad", "a");
    let target = sync_kernel::TargetPlan {
        target: Some(sync_kernel::TargetRef::New { object_type: "user".into(), dn: Some(dn("cn=Ann,o=cloud")) }),
        ..create(mv, "user", image(&[("displayName", "Ann")]))
    };
    let created = world.target(mv, target).unwrap();
    let entries = world.store.export_page("cloud", ExportPhase::Writes, None, 10, 10).unwrap();
    world.store.mark_in_flight(&entries).unwrap();
    let (page, _) = world.delta("cloud", vec![object("c1 user cn=Ann,o=cloud displayName=Ann")]);
    assert_eq!(counted(&page), "stage-update=1");
    let object = world.object("cloud", "c1");
    assert_eq!((object.id, object.pending, object.memory.attributes.len()), (created, None, 0));
    assert_eq!(object.link.unwrap().mv, mv);
}

/// T20, O39: deleted and created anew under the same DN, in either order, in a delta and in a full import.
#[test]
fn the_same_dn_with_another_anchor() {
    for items in [
        vec![deleted("old"), object("new user cn=Ann,dc=x mail=n@x")],
        vec![object("new user cn=Ann,dc=x mail=n@x"), deleted("old")],
    ] {
        let mut world = World::new();
        world.full("ad", &["old user cn=Ann,dc=x mail=o@x"]);
        world.promote_all("ad");
        let (page, summary) = world.delta("ad", items);
        assert_eq!(counted(&page), "stage-add=1 stage-delete=1");
        assert_eq!(summary.transient, 0);
        check(
            &world,
            expect![[r#"
                 - Placeholder [dc=x]
                user old Disconnected [cn=Ann,dc=x] -deleted (deleted in the source directory)
                user new Disconnected [cn=Ann,dc=x] +staged
            "#]],
        );
        world.promote_all("ad");
        check(
            &world,
            expect![[r#"
                 - Placeholder [dc=x]
                user new Disconnected [cn=Ann,dc=x]
            "#]],
        );
    }
    let mut world = World::new();
    world.full("ad", &["old user cn=Ann,dc=x mail=o@x"]);
    let summary = world.full("ad", &["new user cn=Ann,dc=x mail=n@x"]);
    assert_eq!((summary.counters.add, summary.counters.delete, summary.transient), (1, 1, 0));
}

/// O39, O40: an object whose place was taken and of which nothing more is said stays transient.
#[test]
fn a_displaced_object_stays_transient_until_something_is_said_of_it() {
    let mut world = World::new();
    world.full("ad", &["old user cn=Ann,dc=x mail=o@x"]);
    let (page, summary) = world.delta("ad", vec![object("new user cn=Ann,dc=x mail=n@x")]);
    assert_eq!((counted(&page).as_str(), summary.transient), ("stage-add=1", 1));
    let (page, summary) = world.delta("ad", vec![object("old user cn=Old,dc=x mail=o@x")]);
    assert_eq!((counted(&page).as_str(), summary.transient), ("stage-rename=1", 0));
}

/// T21: A becomes B and B becomes A in one delta.
#[test]
fn two_objects_swap_their_names() {
    let mut world = World::new();
    world.full("ad", &["a user cn=A,dc=x mail=a@x", "b user cn=B,dc=x mail=b@x", "g group cn=G,dc=x member>a"]);
    world.promote_all("ad");
    let (page, summary) =
        world.delta("ad", vec![object("a user cn=B,dc=x mail=a@x"), object("b user cn=A,dc=x mail=b@x")]);
    assert_eq!((counted(&page).as_str(), summary.transient), ("stage-rename=2", 0));
    check(
        &world,
        expect![[r#"
             - Placeholder [dc=x]
            user a Disconnected [cn=B,dc=x]
            user b Disconnected [cn=A,dc=x]
            group g Disconnected [cn=G,dc=x] member:1
        "#]],
    );
    let group = world.id("ad", "g");
    let members = world.store.members(group, "member", None, 10).unwrap();
    assert_eq!(members[0].dn.as_deref(), Some("cn=B,dc=x"), "the reference follows the object, not the name");
}

/// O43: another object type under the same anchor is a delete-add; an object that was just brought back is not.
#[test]
fn another_type_under_the_same_anchor() {
    let mut world = World::new();
    world.full("ad", &["a contact cn=Ann,dc=x mail=a@x"]);
    world.promote_all("ad");
    let (page, _) = world.delta("ad", vec![object("a user cn=Ann,dc=x mail=a@x")]);
    assert_eq!(counted(&page), "stage-delete-add=1");
    check(
        &world,
        expect![[r#"
             - Placeholder [dc=x]
            user a Disconnected [cn=Ann,dc=x] ~replaced
        "#]],
    );
    world.promote_all("ad");
    check(
        &world,
        expect![[r#"
             - Placeholder [dc=x]
            user a Disconnected [cn=Ann,dc=x]
        "#]],
    );
}

/// T22: renaming an OU touches one row; the DNs of what stands in it, and of members that live there, follow.
#[test]
fn renaming_an_ou_touches_one_row() {
    let mut world = World::new();
    let mut lines = vec!["ou organizationalUnit ou=Sales,dc=x".to_owned()];
    lines.extend((0..50).map(|n| format!("u{n} user cn=U{n},ou=Sales,dc=x mail=u{n}@x")));
    lines.push("g group cn=G,dc=x member>u7".into());
    world.full("ad", &lines.iter().map(String::as_str).collect::<Vec<_>>());
    world.promote_all("ad");
    let before: Vec<_> = (0..50).map(|n| world.object("ad", &format!("u{n}")).generation).collect();
    let (page, _) = world.delta("ad", vec![object("ou organizationalUnit ou=Vertrieb,dc=x")]);
    assert_eq!(counted(&page), "stage-rename=1");
    let after: Vec<_> = (0..50).map(|n| world.object("ad", &format!("u{n}"))).collect();
    assert_eq!(before, after.iter().map(|object| object.generation).collect::<Vec<_>>());
    assert!(after.iter().all(|object| object.dn.as_ref().unwrap().to_string().ends_with(",ou=Vertrieb,dc=x")));
    let members = world.store.members(world.id("ad", "g"), "member", None, 1).unwrap();
    assert_eq!(members[0].dn.as_deref(), Some("cn=U7,ou=Vertrieb,dc=x"));
    assert_eq!(world.store.dirty_count("ad").unwrap(), 0);
    // A full import that reads the children before their container finds everything where it is.
    let mut lines: Vec<String> = (0..50).map(|n| format!("u{n} user cn=U{n},ou=Vertrieb,dc=x mail=u{n}@x")).collect();
    lines.extend(["ou organizationalUnit ou=Vertrieb,dc=x".to_owned(), "g group cn=G,dc=x member>u7".into()]);
    let summary = world.full("ad", &lines.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(summary.counters, StagingCounters { no_change: 52, ..StagingCounters::default() });
}

/// T22: the same when the children arrive first under the new name and no container was told apart.
#[test]
fn children_that_arrive_before_their_renamed_container() {
    let mut world = World::new();
    world.full("ad", &["ou organizationalUnit ou=Sales,dc=x", "a user cn=A,ou=Sales,dc=x mail=a@x"]);
    let summary = world.full("ad", &["a user cn=A,ou=New,dc=x mail=a@x", "ou organizationalUnit ou=New,dc=x"]);
    assert_eq!((summary.counters.rename, summary.counters.delete, summary.transient), (2, 0, 0));
    check(
        &world,
        expect![[r#"
             - Placeholder [dc=x]
            organizationalUnit ou Container [ou=New,dc=x]
            user a Disconnected [cn=A,ou=New,dc=x] +staged
        "#]],
    );
}

/// T23, O18: a member that was not imported is a placeholder; the real object replaces it in place, by anchor or by DN.
#[test]
fn placeholders_are_replaced_in_place() {
    let mut world = World::new();
    world.full("ad", &["g group cn=G,dc=x member>bob member>>cn=Eve;ou=far;dc=x"]);
    check(
        &world,
        expect![[r#"
             - Placeholder [dc=x]
            group g Disconnected [cn=G,dc=x] +staged member:2
             bob Placeholder [-]
             - Placeholder [ou=far,dc=x]
             - Placeholder [cn=Eve,ou=far,dc=x]
        "#]],
    );
    let (bob, eve) = (world.id("ad", "bob"), world.id("ad", "cn=Eve,ou=far,dc=x"));
    let (page, _) = world
        .delta("ad", vec![object("bob user cn=Bob,dc=x mail=b@x"), object("eve user cn=eve,ou=far,dc=x mail=e@x")]);
    assert_eq!(counted(&page), "stage-add=2");
    assert_eq!((world.id("ad", "bob"), world.id("ad", "eve")), (bob, eve));
    let group = world.object("ad", "g");
    assert_eq!(group.reference_counts["member"], 2);
    // The group itself was not touched, and importing it again is no change.
    let (page, _) = world.delta("ad", vec![object("g group cn=G,dc=x member>bob member>eve")]);
    assert_eq!(counted(&page), "stage-no-change=1");
}

/// O18: two placeholders for one object, one known by anchor and one by DN, become one.
#[test]
fn two_placeholders_become_one_object() {
    let mut world = World::new();
    world.full("ad", &["g group cn=G,dc=x member>bob", "h group cn=H,dc=x member>>cn=Bob;dc=x"]);
    let (page, _) = world.delta("ad", vec![object("bob user cn=Bob,dc=x mail=b@x")]);
    assert_eq!(counted(&page), "stage-add=1");
    let bob = world.id("ad", "bob");
    for group in ["g", "h"] {
        let members = world.store.members(world.id("ad", group), "member", None, 10).unwrap();
        assert_eq!(members.iter().map(|member| member.id).collect::<Vec<_>>(), vec![bob]);
    }
    let (page, _) = world.delta("ad", vec![object("g group cn=G,dc=x member>>cn=Bob;dc=x")]);
    assert_eq!(counted(&page), "stage-no-change=1");
}

/// O19: placeholders that nothing needs go at the end of an import.
#[test]
fn unneeded_placeholders_go() {
    let mut world = World::new();
    world.full("ad", &["g group cn=G,ou=a,dc=x member>bob"]);
    world.full("ad", &["g group cn=G,dc=x"]);
    check(
        &world,
        expect![[r#"
             - Placeholder [dc=x]
            group g Disconnected [cn=G,dc=x] +staged
        "#]],
    );
}

/// R70: changes of an unknown object, or of a placeholder, ask for the whole one.
#[test]
fn changes_of_unknown_objects_ask_for_the_whole() {
    let mut world = World::new();
    world.full("ad", &["a user cn=A,dc=x mail=a@x displayName=A", "g group cn=G,dc=x member>bob"]);
    let unknown = |id: &str| changed(id, "user", None, set("mail", "z@x"));
    let (page, _) =
        world.delta("ad", vec![unknown("nobody"), unknown("bob"), changed("a", "user", None, set("mail", ""))]);
    assert_eq!(page.need_full_object, vec![anchor("nobody"), anchor("bob")]);
    assert_eq!(counted(&page), "stage-update=1");
    let ann = world.object("ad", "a");
    assert_eq!(ann.imported(), Some(&image(&[("displayName", "A")])));
    let (page, _) = world.delta("ad", vec![changed("a", "user", None, AttributesDelta::default())]);
    assert_eq!(counted(&page), "stage-no-change=1");
}

fn under(id: &str, object_type: &str, place: &str, parent: &str) -> StagedItem {
    StagedItem::Object(StagedObject {
        anchor: anchor(id),
        object_type: object_type.into(),
        place: Some(StagedPlace { dn: dn(place), parent: Some(anchor(parent)) }),
        attributes: image(&[("mail", "m@x")]),
        print: None,
    })
}

/// Parents are followed by anchor: a child that arrives first holds its container's place, and a DN that is out of date does
/// no harm.
#[test]
fn parents_are_followed_by_anchor() {
    let mut world = World::new();
    let child = |place| under("a", "user", place, "ou");
    let container = |place| under("ou", "organizationalUnit", place, "top");
    let (page, _) = world.delta("ad", vec![child("cn=A,ou=Sales,dc=x"), container("ou=Sales,dc=x")]);
    assert_eq!(counted(&page), "stage-add=2");
    check(
        &world,
        expect![[r#"
             top Placeholder [dc=x]
            organizationalUnit ou Container [ou=Sales,dc=x]
            user a Disconnected [cn=A,ou=Sales,dc=x] +staged
        "#]],
    );
    // The container is renamed; a child that was read before says so with its old DN, and stays where it is.
    let (page, _) = world.delta("ad", vec![container("ou=New,dc=x"), child("cn=A,ou=Sales,dc=x")]);
    assert_eq!(counted(&page), "stage-no-change=1 stage-rename=1");
    assert_eq!(world.object("ad", "a").dn, Some(dn("cn=A,ou=New,dc=x")));
    // Deleted and made anew under the same name: the child arrives under the new one.
    let (page, summary) = world.delta(
        "ad",
        vec![
            under("a", "user", "cn=A,ou=New,dc=x", "ou2"),
            deleted("ou"),
            under("ou2", "organizationalUnit", "ou=New,dc=x", "top"),
        ],
    );
    assert_eq!((counted(&page).as_str(), summary.transient), ("stage-add=1 stage-rename=1 stage-delete=1", 0));
    assert_eq!(world.object("ad", "a").dn, Some(dn("cn=A,ou=New,dc=x")));
}

/// A container moves below a new one that takes its old name, told in either order.
#[test]
fn a_container_moves_below_its_successor() {
    for reversed in [false, true] {
        let mut world = World::new();
        world.full("ad", &["old organizationalUnit ou=A,dc=x", "u user cn=U,ou=A,dc=x mail=u@x"]);
        world.promote_all("ad");
        let mut items =
            vec![object("old organizationalUnit ou=Old,ou=A,dc=x"), object("new organizationalUnit ou=A,dc=x")];
        if reversed {
            items.reverse();
        }
        let (page, summary) = world.delta("ad", items);
        assert_eq!((counted(&page).as_str(), summary.transient), ("stage-add=1 stage-rename=1", 0));
        assert_eq!(world.object("ad", "u").dn, Some(dn("cn=U,ou=Old,ou=A,dc=x")));
        assert_eq!(world.object("ad", "new").dn, Some(dn("ou=A,dc=x")));
        assert_eq!(world.store.dirty_count("ad").unwrap(), 0);
    }
}

/// Damaged input that makes a circle is kept out of the way: no endless walk, no DN, and the next import mends it.
#[test]
fn circles_end() {
    let mut world = World::new();
    let place = |id: &str, parent: &str| under(id, "organizationalUnit", &format!("ou={id},ou={parent},dc=x"), parent);
    world.delta("ad", vec![place("a", "b"), place("b", "a"), under("u", "user", "cn=U,ou=a,dc=x", "a")]);
    assert_eq!(world.object("ad", "u").dn, None);
    world.delta("ad", vec![StagedItem::SubtreeLeft { container: anchor("a") }]);
    assert_eq!(
        world.object("ad", "u").staged,
        Some(sync_kernel::Staged::Deleted(sync_kernel::DeleteCause::LeftContainerScope))
    );
    world.delta(
        "ad",
        vec![under("a", "organizationalUnit", "ou=a,dc=x", "top"), under("u", "user", "cn=U,ou=a,dc=x", "a")],
    );
    assert_eq!(world.object("ad", "u").dn, Some(dn("cn=U,ou=a,dc=x")));
}
