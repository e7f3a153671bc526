//! A plan is left out only when every word of it stands already.

use crate::plan::{LinkChange, MetaverseChange, ObjectError, ObjectPlan, Subject, TargetRef};
use crate::view::{
    ConnectorState, CsId, DeleteCause, MemoryState, MvId, Ownership, PendingExport, PendingOperation, Remembered,
    SentState, Staged,
};
use crate::world::World;
use metaverse_schema::{Value, Values};
use sync_rules::Matching;

const ANN: &str = "objectGUID=g1 displayName=Ann mail=ann@x userPrincipalName=ann@x enabled=yes";

/// Someone who was exported, confirmed and synchronised again: nothing is left to be done.
fn at_rest() -> (World, Subject) {
    let mut world = World::new(Matching::Automatic);
    let ann = world.import("ad", "a1", ANN);
    world.sync(ann);
    world.export();
    world.confirm();
    world.sync(ann);
    (world, Subject::Connector(ann))
}

#[test]
fn what_stands_already_changes_nothing_and_each_word_counts() {
    let (world, subject) = at_rest();
    let (settled, answers) = world.plan_with_answers(subject);
    assert!(settled.changes_nothing_of(&answers), "{settled:#?}");
    assert!(settled.targets.iter().any(|target| target.target.is_some()), "a target is compared: {settled:#?}");
    let values = || Values::single(Value::text("x"));
    let remembered = || Remembered { wanted: values(), state: MemoryState::Unconfirmed };
    let delete = || PendingExport {
        operation: PendingOperation::Delete { cause: DeleteCause::NotSeen, ownership: Ownership::Provisioned },
        state: SentState::Pending,
        grace: None,
    };
    let error = || ObjectError { code: "x".into(), message: String::new(), rule: None, attribute: None };
    type Word = (&'static str, fn(&mut ObjectPlan));
    let plain: [Word; 10] = [
        ("removal", |plan| plan.remove_subject = true),
        ("state", |plan| plan.state = Some(ConnectorState::Disconnected)),
        ("link of another", |plan| plan.links.push(LinkChange::cut(CsId(7)))),
        ("metaverse", |plan| plan.metaverse[0].change = MetaverseChange::Delete { cause: DeleteCause::NotSeen }),
        ("revisit", |plan| {
            plan.revisit.insert(MvId(7));
        }),
        ("rejoin", |plan| {
            plan.rejoin.insert(CsId(7));
        }),
        ("facts", |plan| {
            plan.facts_wanted.insert(CsId(7));
        }),
        ("dropped", |plan| plan.targets[0].dropped.push(CsId(7))),
        ("new target", |plan| plan.targets[0].target = Some(TargetRef::New { object_type: "user".into(), dn: None })),
        ("unknown target", |plan| plan.targets[0].target = Some(TargetRef::Existing(CsId(999)))),
    ];
    let told = |word: &str, change: &dyn Fn(&mut ObjectPlan)| {
        let mut plan = settled.clone();
        change(&mut plan);
        assert!(!plan.changes_nothing_of(&answers), "{word} is overlooked");
    };
    plain.iter().for_each(|(word, change)| told(word, change));
    told("error", &|plan| plan.error = Some(error()));
    told("ownership", &|plan| plan.targets[0].link = Some(("out-user".into(), Ownership::Adopted)));
    told("rule of the link", &|plan| plan.targets[0].link = Some(("another".into(), Ownership::Provisioned)));
    told("pending export", &|plan| plan.targets[0].pending = Some(delete()));
    told("memory", &|plan| drop(plan.targets[0].memory.attributes.insert("mail".into(), remembered())));
    told("owned", &|plan| {
        std::sync::Arc::make_mut(&mut plan.targets[0].owned).insert("anotherAttribute".into());
    });
    told("contributed", &|plan| drop(plan.targets[0].contributed.insert("mail".into(), values())));
}

/// A pending import becomes the synchronised image, also where nothing follows from it.
#[test]
fn a_pending_import_is_promoted_and_so_changes_something() {
    let (mut world, subject) = at_rest();
    let Subject::Connector(ann) = subject else { unreachable!() };
    let image = world.objects[&ann].synchronised.clone().unwrap();
    world.objects.get_mut(&ann).unwrap().staged = Some(Staged::Image(image));
    let (plan, answers) = world.plan_with_answers(subject);
    assert!(!plan.changes_nothing_of(&answers), "{plan:#?}");
}
