//! What a decision began is taken up again for what it was begun for, and for nothing else.

use crate::inbound::Contribution;
use crate::inputs::Run;
use crate::world::{World, clause, flow, rule};
use crate::*;
use metaverse_schema::Attributes;
use sync_rules::*;

/// An object that leaves one person for another in one plan computes both of them, and asks about both in between. The fixture
/// compares each plan with one that is made anew.
#[test]
fn of_two_persons_in_one_plan_each_is_taken_up_as_itself() {
    let mut world = World::with_hr(LinkType::Join);
    // Nobody has an object in the target, and each decision looks for one.
    world.rule("out-user").link = LinkType::Join;
    let mut other = rule("in-hr-too", Direction::Inbound, "hr", ("user", "person"), LinkType::Join, 60);
    other.scope = vec![vec![clause("active", Operator::Equal, "no")]];
    other.flows = vec![flow("department", "[department]")];
    other.join = vec![world.group("hr", "[mail]", "[mail]")];
    world.add_rule(other);
    let person = |name: &str| format!("objectGUID={name} displayName={name} mail={name}@x userPrincipalName={name}@x");
    let people = ["ann", "bob"].map(|name| world.import("ad", name, &person(name)));
    people.into_iter().for_each(|id| drop(world.sync(id)));
    let told = |world: &World| {
        let of = |id: CsId| &world.metaverse[&world.objects[&id].link.as_ref().unwrap().mv].attributes;
        people.map(|id| {
            let text = |name: &str| of(id).get(name).and_then(|value| value.values.first()).map(ToString::to_string);
            (text("displayName").unwrap_or_default(), text("department"))
        })
    };
    let named = |ann: Option<&str>, bob: Option<&str>| {
        [("ann".to_owned(), ann.map(str::to_owned)), ("bob".to_owned(), bob.map(str::to_owned))]
    };
    let hr = world.import("hr", "h", "mail=ann@x department=Sales");
    world.sync(hr);
    assert_eq!(told(&world), named(Some("Sales"), None));
    world.import("hr", "h", "mail=bob@x department=Sales active=no");
    let (plan, rounds) = world.plan_in_rounds(Subject::Connector(hr));
    assert!(rounds.len() > 1 && plan.metaverse.len() == 2, "{rounds:?} {plan:#?}");
    world.sync(hr);
    assert_eq!(told(&world), named(None, Some("Sales")));
}

/// What was computed for one object, from these contributions under these rules, serves no other: not another person, not
/// another type, not with somebody more or less, not with a rule more or less in scope.
#[test]
fn what_was_begun_is_taken_up_for_the_same_alone_and_once() {
    let mut world = World::with_hr(LinkType::Join);
    let ann = world.import("ad", "ann", "mail=ann@x");
    let hr = world.import("hr", "h", "mail=ann@x department=Sales");
    let left = world.import("hr", "l", "mail=ann@x department=Sales active=no");
    let run = Run::new(&world.run);
    let contributions = |ids: &[CsId]| -> Vec<Contribution<'_>> {
        let objects = ids.iter().map(|id| &world.objects[id]);
        objects.filter_map(|object| Some(Contribution::new(object, object.imported()?, &[], &run))).collect()
    };
    let (person, group) = ("person".into(), "group".into());
    let one = MvRef::Existing(MvId(1));
    let begun = || {
        let mut begun = Begun::default();
        begun.keep((one, &person), &contributions(&[ann, hr]), Default::default(), Some(7));
        begun
    };
    for (object, object_type, ids) in [
        (MvRef::Existing(MvId(2)), &person, &[ann, hr][..]),
        (MvRef::New, &person, &[ann, hr]),
        (one, &group, &[ann, hr]),
        (one, &person, &[ann]),
        (one, &person, &[hr, ann]),
        (one, &person, &[ann, hr, left]),
        (one, &person, &[ann, left]),
    ] {
        assert!(
            begun().resume((object, object_type), &contributions(ids)).is_none(),
            "{object:?} {object_type} {ids:?}"
        );
    }
    let mut begun = begun();
    let resumed = begun.resume((one, &person), &contributions(&[ann, hr]));
    assert_eq!(resumed.map(|(_, next_change)| next_change), Some(Some(7)));
    assert!(begun.resume((one, &person), &contributions(&[ann, hr])).is_none());
    // The same object under another rule.
    let mut begun = Begun::default();
    begun.keep((one, &person), &contributions(&[left]), Default::default(), None);
    let scoped = contributions(&[left]).into_iter().map(|one| one.scope().to_vec()).collect::<Vec<_>>();
    assert_eq!(scoped, [[false]]);
    let mut changed = world.objects[&left].clone();
    changed.staged = Some(Staged::Image(Attributes::new()));
    let image = changed.imported().cloned().unwrap_or_default();
    let again = [Contribution::new(&changed, &image, &[], &run)];
    assert_eq!(again[0].scope(), [true]);
    assert!(begun.resume((one, &person), &again).is_none());
}
