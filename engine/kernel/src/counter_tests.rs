//! Under what each synchronised object is counted (R41-R60): exactly one inbound counter for each, one outbound for each target.

use crate::world::{World, clause, rule};
use crate::*;
use sync_rules::*;

const ANN: &str = "objectGUID=g1 displayName=Ann mail=ann@x userPrincipalName=ann@x enabled=yes";

fn counted(plan: &ObjectPlan) -> InboundCounter {
    plan.counter.unwrap()
}

/// What is imported next is a new object with the anchor of this one (a delete and an add, or another type).
fn replace(world: &mut World, id: CsId) {
    let object = world.objects.get_mut(&id).unwrap();
    let Some(Staged::Image(image)) = object.staged.take() else { panic!("staged") };
    object.staged = Some(Staged::Replaced(image));
}

/// R41, R43, R46-R48: with a change of the metaverse object, and without.
#[test]
fn r41_projected_and_joined_with_and_without_flow() {
    let mut world = World::with_hr(LinkType::Join);
    let ann = world.import("ad", "a1", ANN);
    assert_eq!(counted(&world.sync(ann)), InboundCounter::DisconnectorProjectedFlow);
    assert_eq!(counted(&world.sync(ann)), InboundCounter::ConnectorNoFlow);
    world.import("ad", "a1", &format!("{ANN} description=unread"));
    assert_eq!(counted(&world.sync(ann)), InboundCounter::ConnectorNoFlow);
    world.import("ad", "a1", &format!("{ANN} department=IT"));
    assert_eq!(counted(&world.sync(ann)), InboundCounter::ConnectorFlow);
    world.import("ad", "a1", ANN);
    assert_eq!(counted(&world.sync(ann)), InboundCounter::ConnectorFlow, "a value that goes is a change");
    let nobody = world.import("ad", "a2", "description=unread");
    assert_eq!(counted(&world.sync(nobody)), InboundCounter::DisconnectorProjectedNoFlow);

    let silent = world.import("hr", "h1", "mail=ann@x");
    assert_eq!(counted(&world.sync(silent)), InboundCounter::DisconnectorJoinedNoFlow);
    world.delete(silent);
    assert_eq!(counted(&world.sync(silent)), InboundCounter::ConnectorDeleteLeaveMv);
    let telling = world.import("hr", "h2", "mail=ann@x department=Sales");
    assert_eq!(counted(&world.sync(telling)), InboundCounter::DisconnectorJoinedFlow);
    let stranger = world.import("hr", "h3", "mail=stranger@x");
    assert_eq!(counted(&world.sync(stranger)), InboundCounter::DisconnectorRemains);
    world.delete(stranger);
    assert_eq!(counted(&world.sync(stranger)), InboundCounter::DisconnectorRemains, "nothing was linked");
    assert!(!world.objects.contains_key(&stranger));
}

/// R45, R49-R51: who leaves, and whether the metaverse object goes with him.
#[test]
fn r50_filtered_deleted_and_what_becomes_of_the_metaverse_object() {
    let (mut world, ann, hr) = World::ann_and_hr(LinkType::Join);
    world.import("hr", "h1", "mail=ann@x active=no");
    assert_eq!(counted(&world.sync(hr)), InboundCounter::ConnectorFilteredLeaveMv);
    world.objects.get_mut(&hr).unwrap().in_never_sync_group = true;
    assert_eq!(counted(&world.sync(hr)), InboundCounter::DisconnectorFiltered);
    world.import("ad", "a1", &format!("{ANN} adminDescription=Hidden"));
    assert_eq!(counted(&world.sync(ann)), InboundCounter::ConnectorFilteredRemoveMv);
    world.import("ad", "a1", ANN);
    world.sync(ann);
    world.delete(ann);
    assert_eq!(counted(&world.sync(ann)), InboundCounter::ConnectorDeleteRemoveMv);

    // An operator let go of whom the object cannot live without.
    let (mut world, ann, hr) = World::ann_and_hr(LinkType::Join);
    world.run.rules.deletion.insert("person".into(), DeletionRule::AnyOf(vec!["hr".into()]));
    world.objects.get_mut(&hr).unwrap().state = ConnectorState::ExplicitlyDisconnected;
    assert_eq!(counted(&world.sync(ann)), InboundCounter::ConnectorFlowRemoveMv);
}

/// `[scope]` is a filter before all rules: whoever it does not select is filtered, and no rule is in scope for it.
#[test]
fn whom_scope_does_not_select_is_filtered() {
    let (mut world, ann, hr) = World::ann_and_hr(LinkType::Join);
    let nobody = Selection { groups: [("g".into(), "Pilot".into())].into(), ..Selection::default() };
    world.run.rules.selections.insert("hr".into(), nobody.clone());
    let plan = world.sync(hr);
    assert_eq!(counted(&plan), InboundCounter::ConnectorFilteredLeaveMv);
    assert!(plan.scopes.iter().all(|scope| !scope.in_scope));
    assert!(matches!(plan.join, Some(LinkReason::NotSelected { reason: SelectionDecision::NotListed })));
    assert_eq!(counted(&world.sync(hr)), InboundCounter::DisconnectorFiltered);
    assert_eq!(world.objects[&hr].state, ConnectorState::DisconnectedByFilter);
    world.run.rules.selections.insert("ad".into(), nobody);
    assert_eq!(counted(&world.sync(ann)), InboundCounter::ConnectorFilteredRemoveMv);
    world.objects.get_mut(&ann).unwrap().selected_by = ["g".to_owned()].into();
    assert_eq!(counted(&world.sync(ann)), InboundCounter::DisconnectorProjectedFlow);
}

/// R52, O33: a delete and an add of one anchor are one step. The link goes as for a delete, and the new object is judged anew.
#[test]
fn r52_a_delete_add_is_counted_once() {
    let (mut world, ann, hr) = World::ann_and_hr(LinkType::Join);
    world.export();
    world.confirm();
    world.import("hr", "h1", "mail=ann@x department=Marketing");
    replace(&mut world, hr);
    assert_eq!(counted(&world.sync(hr)), InboundCounter::ConnectorDeleteAddProcessed);
    assert!(world.is_linked(hr), "it joins again");
    world.import("hr", "h1", "mail=stranger@x");
    replace(&mut world, hr);
    assert_eq!(counted(&world.sync(hr)), InboundCounter::ConnectorDeleteAddProcessed);
    assert!(!world.is_linked(hr), "it is somebody else");
    world.import("hr", "h1", "mail=ann@x");
    replace(&mut world, hr);
    assert_eq!(counted(&world.sync(hr)), InboundCounter::DisconnectorJoinedNoFlow, "nothing was linked that could go");

    // What only was replaced is deleted, not out of scope: nobody waits for it to return (SF18).
    world.import("ad", "a1", &format!("{ANN} adminDescription=Hidden"));
    replace(&mut world, ann);
    let plan = world.sync(ann);
    assert_eq!(counted(&plan), InboundCounter::ConnectorDeleteAddProcessed);
    let Some(PendingExport { operation: PendingOperation::Delete { cause, .. }, grace, .. }) = &plan.targets[0].pending
    else {
        panic!("{:?}", plan.targets[0].pending)
    };
    assert_eq!((*cause, grace), (DeleteCause::DeletedInSource, &None));
}

/// R55-R60: a create is counted when it is made, its later changes are flows; what leaves is disconnected.
#[test]
fn r55_outbound_counters() {
    let counter = |plan: &ObjectPlan| plan.targets[0].counter;
    let mut world = World::new(Matching::Automatic);
    let ann = world.import("ad", "a1", ANN);
    assert_eq!(counter(&world.sync(ann)), Some(OutboundCounter::ProvisionedAddFlow));
    assert_eq!(counter(&world.sync(ann)), Some(OutboundCounter::ConnectorNoFlow), "decided again");
    world.import("ad", "a1", &format!("{ANN} department=IT"));
    assert_eq!(counter(&world.sync(ann)), Some(OutboundCounter::ConnectorFlow), "changed before it was sent");
    world.export();
    world.confirm();
    assert_eq!(counter(&world.sync(ann)), Some(OutboundCounter::ConnectorNoFlow));
    world.import("ad", "a1", ANN);
    assert_eq!(counter(&world.sync(ann)), Some(OutboundCounter::ConnectorFlow));
    assert_eq!(counter(&world.sync(ann)), Some(OutboundCounter::ConnectorNoFlow), "pending already");
    world.delete(ann);
    assert_eq!(counter(&world.sync(ann)), Some(OutboundCounter::ProvisionedDisconnect));

    let mut bare = World::new(Matching::Automatic);
    bare.rule("out-user").flows.clear();
    let ann = bare.import("ad", "a1", ANN);
    assert_eq!(counter(&bare.sync(ann)), Some(OutboundCounter::ProvisionedAddNoFlow));

    let mut held = World::new(Matching::Closed);
    let cloud = held.import("cloud", "c1", "mail=ann@x");
    held.sync(cloud);
    let ann = held.import("ad", "a1", ANN);
    assert_eq!(counter(&held.sync(ann)), None, "what is held is counted among what is held");
}

/// R60 with write-back: an export that no rule wants any longer is taken back.
#[test]
fn r59_a_write_back_that_is_taken_back_is_a_flow() {
    let (mut world, ann, hr) = World::ann_and_hr(LinkType::Join);
    let mut back = rule("out-hr", Direction::Outbound, "hr", ("person", "user"), LinkType::Provision, 90);
    back.scope = vec![vec![clause("department", Operator::Equal, "Sales")]];
    back.flows = vec![crate::world::flow("stamp", "[sourceAnchor]")];
    world.add_rule(back);
    world.sync(ann);
    assert!(world.objects[&hr].pending.is_some());
    let of_hr = |plan: &ObjectPlan| {
        let target = plan.targets.iter().find(|target| &*target.connector == "hr");
        target.map(|target| (target.counter, target.pending.is_some(), target.link.is_some()))
    };
    world.import("hr", "h1", "mail=ann@x department=IT");
    assert_eq!(of_hr(&world.sync(hr)), Some((Some(OutboundCounter::ConnectorFlow), false, true)));
    assert_eq!(of_hr(&world.sync(hr)), None, "nothing is left to take back");
}
