//! Where the order does matter, by design: each exception of invariant 4 as a story that says which order gives what.

use crate::rules::Variant;
use crate::system::Event;
use crate::world::{Scope, Way, World};
use expect_test::{Expect, expect};

const PLAIN: Variant =
    Variant { hr_link: "provision", hr_first: false, merge: "update", cloud_link: "join", remembers: false };

const WAY: Way = Way { cycles: Vec::new(), order: 0, page: 1 };

/// Who is linked to whom, and who is in error.
fn check(world: &World, expect: Expect) {
    let mut lines: Vec<String> = world
        .metaverse
        .values()
        .map(|object| {
            let linked = object.links.iter().filter_map(|id| world.objects.get(id));
            let mut names: Vec<String> = linked
                .filter(|object| *object.connector != *"dir" && *object.connector != *"cloud")
                .map(|object| {
                    format!(
                        "{}:{}",
                        object.connector,
                        object.anchor.as_ref().map(ToString::to_string).unwrap_or_default()
                    )
                })
                .collect();
            names.sort();
            format!("person {}\n", names.join(" "))
        })
        .collect();
    lines.extend(world.errors.values().map(|error| format!("error {}\n", error.code)));
    expect.assert_eq(&lines.concat());
}

fn put(world: &mut World, source: usize, person: usize, changes: &[(&str, &str)]) {
    world.systems.happen(&Event::Put { source, person });
    changes.iter().for_each(|(name, value)| world.systems.text(source, person, name, value));
}

/// S6: a contact and a user whose only common key is the contact's address. The user first: the contact joins. The contact
/// first: the user, who is looked for by employee number, is another person, and stays one.
#[test]
fn s06_a_contact_before_its_user_is_another_person() {
    let contact = |world: &mut World| {
        put(world, 0, 1, &[("employeeId", "")]);
        world.systems.happen(&Event::Retype { person: 1 });
        world.cycle(Scope::Due);
    };
    let user = |world: &mut World| {
        put(world, 1, 1, &[]);
        world.cycle(Scope::Due);
    };
    let mut world = World::new(&PLAIN, &WAY);
    user(&mut world);
    contact(&mut world);
    check(
        &world,
        expect![[r#"
        person ad:p1 hr:p1
    "#]],
    );
    let mut world = World::new(&PLAIN, &WAY);
    contact(&mut world);
    user(&mut world);
    world.cycle(Scope::All);
    check(
        &world,
        expect![[r#"
        person ad:p1
        person hr:p1
    "#]],
    );
}

/// S19: a join is decided once. Joined before its key changed, an object stays; the same two objects read for the first time
/// after the change are two persons.
#[test]
fn s19_a_joined_object_stays_when_its_key_changes() {
    let arrive = |world: &mut World| {
        put(world, 0, 1, &[]);
        put(world, 1, 1, &[]);
    };
    let change = |world: &mut World| {
        world.systems.text(1, 1, "employeeId", "77");
        world.systems.text(1, 1, "mail", "other@x");
    };
    let mut world = World::new(&PLAIN, &WAY);
    arrive(&mut world);
    world.cycle(Scope::Due);
    change(&mut world);
    world.cycle(Scope::Due);
    world.cycle(Scope::All);
    check(
        &world,
        expect![[r#"
        person ad:p1 hr:p1
    "#]],
    );
    let mut world = World::new(&PLAIN, &WAY);
    arrive(&mut world);
    change(&mut world);
    world.cycle(Scope::Due);
    check(
        &world,
        expect![[r#"
        person ad:p1
        person hr:p1
    "#]],
    );
}

/// S21: two objects of one space claim the same person. Whoever came first has it, the other one is in error and changes
/// nothing, also after a full synchronisation; when the first one goes, the other one is joined by itself.
#[test]
fn s21_the_first_of_two_claimants_is_linked_and_the_second_in_error() {
    for (first, second, expect) in [
        (
            1,
            2,
            expect![[r#"
            person ad:p1 hr:p1
            error ambiguous-import-flow-from-multiple-connectors
        "#]],
        ),
        (
            2,
            1,
            expect![[r#"
            person ad:p2 hr:p1
            error ambiguous-import-flow-from-multiple-connectors
        "#]],
        ),
    ] {
        let mut world = World::new(&PLAIN, &WAY);
        put(&mut world, 1, 1, &[]);
        for person in [first, second] {
            put(&mut world, 0, person, &[("employeeId", "1"), ("mail", "p1@x")]);
            world.cycle(Scope::Due);
        }
        world.cycle(Scope::All);
        check(&world, expect);
        world.systems.happen(&Event::Remove { source: 0, person: first });
        world.cycle(Scope::Due);
        world.cycle(Scope::Due);
        assert!(world.errors.is_empty());
        let left = format!("p{second}");
        assert!(world.objects.values().all(|object| *object.connector != *"ad"
            || object.link.is_some() && object.anchor.as_ref().is_some_and(|anchor| anchor.to_string() == left)));
    }
}

/// A source that only joins and was read before the person was there is joined as soon as the person comes, by deltas alone.
#[test]
fn an_object_that_found_nobody_is_joined_when_somebody_comes() {
    let mut world = World::new(&PLAIN, &WAY);
    put(&mut world, 2, 1, &[("department", "IT")]);
    world.cycle(Scope::Due);
    check(&world, expect![""]);
    put(&mut world, 0, 1, &[]);
    world.cycle(Scope::Due);
    world.cycle(Scope::Due);
    check(
        &world,
        expect![[r#"
        person ad:p1 crm:p1
    "#]],
    );
}

/// Somebody deletes an object in a target that has a DN flow: it is created again at the same place, which its own remains
/// do not occupy.
#[test]
fn an_object_deleted_in_the_target_is_created_again_at_its_place() {
    let mut world = World::new(&PLAIN, &WAY);
    put(&mut world, 0, 1, &[]);
    world.cycle(Scope::Due);
    let before = world.systems.picture("dir");
    assert_eq!(before.len(), 1);
    world.systems.happen(&Event::TargetRemoved { cloud: false, person: 1 });
    world.cycle(Scope::Due);
    assert_eq!(world.systems.picture("dir"), before);
}
