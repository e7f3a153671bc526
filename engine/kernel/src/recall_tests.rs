//! Connectors without recall (S50) as small stories: what they contributed stays when they no longer contribute it.

use crate::world::{World, clause, flow, rule};
use crate::*;
use metaverse_schema::{Plurality, ValueKind};
use sync_rules::*;

const ANN: &str = "objectGUID=g1 displayName=Ann mail=ann@x userPrincipalName=ann@x enabled=yes";
const HR: &str = "mail=ann@x department=Sales";

/// Ann, and what `hr`, which is never recalled, tells about her. A second rule of `ad` tells her title while she is no trainee.
fn story() -> (World, CsId, CsId) {
    let (mut world, ann, hr) = World::ann_and_hr(LinkType::Join);
    world.run.rules.without_recall.insert("hr".into());
    let mut title = rule("in-title", Direction::Inbound, "ad", ("user", "person"), LinkType::Join, 110);
    title.scope = vec![vec![clause("trainee", Operator::NotEqual, "yes")]];
    title.flows = vec![flow("title", "[title]")];
    world.add_rule(title);
    world.import("ad", "a1", &format!("{ANN} title=Head"));
    world.sync(ann);
    assert_eq!(told(&world), "department Sales, title Head");
    (world, ann, hr)
}

/// What is known of Ann beside her name.
fn told(world: &World) -> String {
    let person = world.metaverse.values().next().unwrap();
    let values = ["department", "title"].iter().filter_map(|name| {
        person.attributes.get(*name).map(|value| format!("{name} {}", value.values.first().unwrap()))
    });
    values.collect::<Vec<_>>().join(", ")
}

/// S50: deleted, or out of scope: the value stays, and the name of who gave it. What is in scope and has no value gives none.
#[test]
fn s50_a_value_without_recall_outlives_its_link_and_its_rule_but_not_its_owners_word() {
    let (mut deleted, ann, hr) = story();
    let from = deleted.metaverse.values().next().unwrap().attributes.get("department").unwrap().clone();
    deleted.delete(hr);
    deleted.sync(hr);
    deleted.sync(ann);
    assert_eq!(told(&deleted), "department Sales, title Head");
    assert_eq!(*deleted.metaverse.values().next().unwrap().attributes.get("department").unwrap(), from);

    let (mut out_of_scope, ann, hr) = story();
    out_of_scope.import("hr", "h1", &format!("{HR} active=no"));
    out_of_scope.sync(hr);
    assert!(!out_of_scope.is_linked(hr));
    out_of_scope.sync(ann);
    assert_eq!(told(&out_of_scope), "department Sales, title Head");

    // Still linked, and the rule that gave the value out of scope; or linked by that rule, and another object.
    let (mut by_another_rule, _, hr) = story();
    let flows = std::mem::take(&mut by_another_rule.rule("in-hr").flows);
    let mut second = rule("in-hr-2", Direction::Inbound, "hr", ("user", "person"), LinkType::Join, 51);
    second.flows = flows;
    second.scope = vec![vec![clause("temporary", Operator::NotEqual, "yes")]];
    by_another_rule.add_rule(second);
    by_another_rule.sync(hr);
    by_another_rule.import("hr", "h1", &format!("{HR} temporary=yes"));
    by_another_rule.sync(hr);
    assert!(by_another_rule.is_linked(hr));
    assert_eq!(told(&by_another_rule), "department Sales, title Head");

    let (mut successor, _, hr) = story();
    successor.delete(hr);
    successor.sync(hr);
    let next = successor.import("hr", "h2", "mail=ann@x");
    successor.sync(next);
    assert!(successor.is_linked(next));
    assert_eq!(told(&successor), "department Sales, title Head");

    let (mut silent, _, hr) = story();
    silent.import("hr", "h1", "mail=ann@x");
    silent.sync(hr);
    assert_eq!(told(&silent), "title Head", "it still contributes, and says that there is none");
}

/// S50: the others are recalled as ever, whether another flow for the attribute is left or none.
#[test]
fn s50_other_connectors_are_recalled_beside_one_that_is_not() {
    let (mut world, ann, _) = story();
    world.import("ad", "a1", &format!("{ANN} title=Head trainee=yes"));
    world.sync(ann);
    assert_eq!(told(&world), "department Sales", "no flow for the title is left");

    let (mut world, ann, hr) = story();
    world.import("hr", "h1", "mail=ann@x");
    world.sync(hr);
    world.rule("in-title").flows = vec![flow("department", "[title]")];
    world.sync(ann);
    assert_eq!(told(&world), "department Head");
    world.import("ad", "a1", &format!("{ANN} title=Head trainee=yes"));
    world.sync(ann);
    assert_eq!(told(&world), "", "the flows that are left give nothing");
}

/// S50: what stays gives way to any value, and to the word that there is to be none (S45).
#[test]
fn s50_what_stays_gives_way_to_a_value() {
    for (flows, department) in [("[department]", "IT"), ("AuthoritativeNull", ""), ("NULL", "Sales"), ("\"\"", "Sales")]
    {
        let (mut world, ann, hr) = story();
        world.delete(hr);
        world.sync(hr);
        let inbound = world.rule("in-user");
        inbound.flows.retain(|flow| flow.target != *"department");
        inbound.flows.push(flow("department", flows));
        world.run.trace = true;
        world.import("ad", "a1", &format!("{ANN} department=IT"));
        let plan = world.sync(ann);
        let expected = if department.is_empty() { String::new() } else { format!("department {department}") };
        assert_eq!(told(&world), expected, "{flows}");
        let decided = plan.metaverse[0].decisions.iter().find(|decision| decision.attribute == *"department").unwrap();
        let shown: Vec<String> = decided.values.iter().map(ToString::to_string).collect();
        assert_eq!(shown.join(" "), department, "what is told is what was decided");
    }
}

/// S50: rows of a reference attribute are those of their contributor and go with it.
#[test]
fn s50_references_go_with_their_contributor() {
    let (mut world, ann, hr) = story();
    let reference = MetaverseAttribute { kind: ValueKind::Reference, plurality: Plurality::Single };
    world.run.rules.metaverse.types.get_mut("person").unwrap().insert("manager".into(), reference);
    world.rule("in-hr").flows.push(flow("manager", "[boss]"));
    world.objects.get_mut(&hr).unwrap().reference_counts.insert("boss".into(), 1);
    world.sync(hr);
    let is_known = |world: &World| world.metaverse.values().next().unwrap().attributes.contains_key("manager");
    assert!(is_known(&world));
    world.delete(hr);
    world.sync(hr);
    world.sync(ann);
    assert!(!is_known(&world));
}
