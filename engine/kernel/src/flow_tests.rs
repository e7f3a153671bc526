//! Attribute flow as small stories: outcomes, merging, what a value may be. Each names the rule it proves.

use crate::world::{World, flow};
use crate::*;
use metaverse_schema::{Plurality, Value, Values};
use sync_rules::*;

const ANN: &str = "objectGUID=g1 displayName=Ann mail=ann@x userPrincipalName=ann@x enabled=yes";

fn texts(values: &[&str]) -> Values {
    values.iter().map(|value| Value::text(*value)).collect()
}

fn in_metaverse(world: &World, attribute: &str) -> Option<Values> {
    world.metaverse.values().next()?.attributes.get(attribute).map(|value| value.values.clone())
}

fn wanted(plan: &ObjectPlan, attribute: &str) -> Option<Values> {
    match &plan.targets.first()?.pending.as_ref()?.operation {
        PendingOperation::Add { attributes } => attributes.get(attribute).cloned(),
        PendingOperation::Update { changes, .. } => match changes.0.get(attribute)? {
            metaverse_schema::AttributeChange::Replace(values) => Some(values.clone()),
            metaverse_schema::AttributeChange::Update { .. } => None,
        },
        _ => None,
    }
}

/// A world whose inbound rule gives the department by these flows, in order.
fn departments(flows: &[&str]) -> World {
    let mut world = World::new(Matching::Automatic);
    let inbound = &mut world.run.rules.rules[0];
    inbound.flows.retain(|flow| flow.target != *"department");
    for (position, text) in (0..).zip(flows) {
        let mut more = world.run.rules.rules[0].clone();
        (more.id, more.precedence, more.join) = (format!("in-{position}").into(), 101 + position, Vec::new());
        more.link = LinkType::Join;
        more.flows = vec![flow("department", text)];
        world.run.rules.rules.push(more);
    }
    world
}

/// S46, S47: `IgnoreThisFlow` keeps the present value when it is the first word; behind a NULL it changes nothing; alone it
/// keeps, and a value of any other rule wins over it.
#[test]
fn s47_a_mixture_of_ignore_and_null_is_decided_by_the_first_word() {
    for (flows, kept) in [
        (["IIF([off] = \"1\", IgnoreThisFlow, [department])", "NULL"], Some("Sales")),
        (["IIF([off] = \"1\", NULL, [department])", "IgnoreThisFlow"], None),
        (["IIF([off] = \"1\", IgnoreThisFlow, [department])", "IgnoreThisFlow"], Some("Sales")),
        (["IIF([off] = \"1\", IgnoreThisFlow, [department])", "\"Other\""], Some("Other")),
        (["IIF([off] = \"1\", AuthoritativeNull, [department])", "\"Other\""], None),
        (["IIF([off] = \"1\", NULL, [department])", "\"Other\""], Some("Other")),
    ] {
        let mut world = departments(&flows);
        let ann = world.import("ad", "a1", &format!("{ANN} department=Sales"));
        world.sync(ann);
        assert_eq!(in_metaverse(&world, "department"), Some(texts(&["Sales"])));
        world.import("ad", "a1", &format!("{ANN} department=Marketing off=1"));
        world.sync(ann);
        assert_eq!(in_metaverse(&world, "department"), kept.map(|value| texts(&[value])), "{flows:?}");
    }
}

/// S46 against S50: a value that is left alone stays only while the flow it came from is in scope.
#[test]
fn s50_a_value_left_alone_is_recalled_with_its_flow() {
    let mut world = departments(&["IIF([off] = \"1\", IgnoreThisFlow, NULL)", "[department]"]);
    let second = world.run.rules.rules.iter_mut().find(|rule| &*rule.id == "in-1").unwrap();
    second.scope = vec![vec![crate::world::clause("off", Operator::NotEqual, "1")]];
    let ann = world.import("ad", "a1", &format!("{ANN} department=Sales"));
    world.sync(ann);
    assert_eq!(in_metaverse(&world, "department"), Some(texts(&["Sales"])));
    world.import("ad", "a1", &format!("{ANN} department=Sales off=1"));
    world.sync(ann);
    assert_eq!(in_metaverse(&world, "department"), None, "no flow in scope gives it any longer");
}

/// T35 (S55): rules in scope together that merge in different ways are an error, inbound and outbound.
#[test]
fn t35_a_mixture_of_merge_types_is_an_error_at_run_time() {
    let mut world = departments(&["[department]", "\"Other\""]);
    world.run.rules.rules.last_mut().unwrap().flows[0].merge = MergeType::Merge;
    let ann = world.import("ad", "a1", &format!("{ANN} department=Sales"));
    assert_eq!(world.sync(ann).error.unwrap().code, "ambiguous-merge-type");
    assert!(world.objects[&ann].staged.is_some() && world.metaverse.is_empty(), "nothing of it is applied (R78)");

    let mut world = World::new(Matching::Automatic);
    let mut second = world.run.rules.rules[1].clone();
    (second.id, second.precedence, second.join, second.link) = ("out-2".into(), 201, Vec::new(), LinkType::Join);
    second.flows = vec![Flow { merge: MergeType::Merge, ..flow("displayName", "\"Other\"") }];
    world.run.rules.rules.push(second);
    let ann = world.import("ad", "a1", ANN);
    assert_eq!(world.sync(ann).error.unwrap().code, "ambiguous-merge-type");
}

/// T36 (S52): a value that was sent and not imported again is seen by `[name]` and not by `ImportedValue`.
#[test]
fn t36_imported_value_does_not_see_what_is_only_sent() {
    let mut world = departments(&["ImportedValue(\"department\")"]);
    world.run.rules.rules[0].flows.retain(|flow| flow.target != *"displayName");
    world.run.rules.rules[0].flows.push(flow("displayName", "[department]"));
    let ann = world.import("ad", "a1", &format!("{ANN} department=Sales"));
    let sent = Remembered { wanted: texts(&["Written-back"]), state: MemoryState::Unconfirmed };
    world.objects.get_mut(&ann).unwrap().memory.attributes.insert("department".into(), sent);
    world.sync(ann);
    assert_eq!(in_metaverse(&world, "department"), Some(texts(&["Sales"])));
    assert_eq!(in_metaverse(&world, "displayName"), Some(texts(&["Written-back"])));
    // Imported again, both see it.
    world.import("ad", "a1", &format!("{ANN} department=Written-back"));
    world.sync(ann);
    assert_eq!(in_metaverse(&world, "department"), Some(texts(&["Written-back"])));
}

/// O10, R72: several values for an attribute that holds one, on either side of the metaverse; O9: a join key that is too long.
#[test]
fn o10_what_an_attribute_cannot_hold_is_the_objects_error() {
    let several = "Split(\"a,b\", \",\")";
    let mut world = departments(&[several]);
    let ann = world.import("ad", "a1", ANN);
    assert_eq!(world.sync(ann).error.unwrap().code, "flow-multi-values-to-single-value");

    let mut world = departments(&[several]);
    let person = world.run.rules.metaverse.types.get_mut("person").unwrap();
    person.get_mut("department").unwrap().plurality = Plurality::Multi;
    let ann = world.import("ad", "a1", ANN);
    assert_eq!(world.sync(ann).error.unwrap().code, "ambiguous-export-flow-to-single-valued-attribute");

    let mut world = World::new(Matching::Automatic);
    let address = |length: usize| format!("{}@x", "\u{10348}".repeat(length / 2 - 1));
    let ann = world.import("ad", "a1", &ANN.replace("ann@x", &address(448)));
    assert_eq!(world.sync(ann).error, None, "448 UTF-16 units, two for each of these characters");
    world.import("ad", "a1", &ANN.replace("ann@x", &address(450)));
    let error = world.sync(ann).error.unwrap();
    assert_eq!((error.code.as_str(), error.attribute.as_deref()), ("mv-constraint-violation", Some("mail")));
    // What is no key may be longer.
    world.import("ad", "a1", &ANN.replace("displayName=Ann", &format!("displayName={}", "x".repeat(449))));
    assert_eq!(world.sync(ann).error, None);
}

/// S53: what a flow gave once is not cleared by a better rule that gives nothing; an authoritative null does clear it.
#[test]
fn s53_a_value_given_once_outlives_a_null() {
    for (better, cleared) in [("NULL", false), ("AuthoritativeNull", true)] {
        let mut world = World::new(Matching::Automatic);
        let outbound = &mut world.run.rules.rules[1];
        outbound.flows.retain(|flow| flow.target != *"department");
        let mut second = outbound.clone();
        (second.id, second.precedence, second.join, second.link) = ("out-2".into(), 201, Vec::new(), LinkType::Join);
        second.flows = vec![Flow { once: true, ..flow("department", "\"first\"") }];
        outbound.flows.push(flow("department", &format!("IIF([displayName] = \"Anna\", {better}, NULL)")));
        world.run.rules.rules.push(second);
        let ann = world.import("ad", "a1", ANN);
        assert_eq!(wanted(&world.sync(ann), "department"), Some(texts(&["first"])));
        // Decided again before it was sent: still given (S29).
        assert_eq!(wanted(&world.sync(ann), "department"), Some(texts(&["first"])));
        world.export();
        world.confirm();
        world.import("ad", "a1", &ANN.replace("displayName=Ann", "displayName=Anna"));
        let plan = world.sync(ann);
        assert_eq!(wanted(&plan, "department"), cleared.then(Values::default), "{better}");
        assert_eq!(wanted(&plan, "displayName"), Some(texts(&["Anna"])));
    }
}

/// S53: the same when the flow's own source has no value any longer, on either side of the metaverse.
#[test]
fn s53_a_value_given_once_outlives_its_source() {
    for (rule_with_once, cleared) in [(None, true), (Some(0), false), (Some(1), false)] {
        let mut world = World::new(Matching::Automatic);
        if let Some(position) = rule_with_once {
            let flows = &mut world.run.rules.rules[position].flows;
            flows.iter_mut().filter(|flow| flow.target == *"department").for_each(|flow| flow.once = true);
        }
        let plain = ANN.split(' ').filter(|pair| !pair.starts_with("department=")).collect::<Vec<_>>().join(" ");
        let ann = world.import("ad", "a1", &format!("{plain} department=Sales"));
        assert_eq!(wanted(&world.sync(ann), "department"), Some(texts(&["Sales"])));
        world.export();
        world.confirm();
        world.import("ad", "a1", &plain);
        assert_eq!(wanted(&world.sync(ann), "department"), cleared.then(Values::default), "{rule_with_once:?}");
    }
}

/// SF18: the instant comes from the run; deletion has none, the first one stays, and a deletion ends it.
#[test]
fn sf18_the_first_date_stays_and_a_deletion_ends_it() {
    const DAY: i64 = 86_400_000_000;
    let mut world = World::new(Matching::Automatic);
    let ann = world.import("ad", "a1", ANN);
    world.sync(ann);
    world.export();
    world.confirm();
    let grace = |world: &World| {
        let cloud = world.objects.values().find(|object| &*object.connector == "cloud").unwrap();
        cloud.pending.as_ref().map(|pending| pending.grace.as_ref().map(|grace| grace.until))
    };
    world.run.now = 5 * DAY;
    world.run.rules.rules[1].scope = vec![vec![crate::world::clause("department", Operator::Equal, "Nobody")]];
    world.sync(ann);
    assert_eq!(grace(&world), Some(Some(12 * DAY)));
    world.run.now = 8 * DAY;
    world.run.rules_changed = true;
    world.sync(ann);
    assert_eq!(grace(&world), Some(Some(12 * DAY)), "found again for another reason");
    world.run.now = 12 * DAY;
    world.sync(ann);
    assert_eq!(grace(&world), Some(None), "due");
    world.run.now = 8 * DAY;
    world.run.rules.rules[1].scope = vec![vec![crate::world::clause("sourceAnchor", Operator::IsNotNull, "")]];
    world.sync(ann);
    assert_eq!(grace(&world), None, "back in scope, nothing to send");
    world.run.rules.rules[1].scope = vec![vec![crate::world::clause("department", Operator::Equal, "Nobody")]];
    world.sync(ann);
    assert_eq!(grace(&world), Some(Some(15 * DAY)));
    world.delete(ann);
    world.sync(ann);
    assert_eq!(grace(&world), Some(None), "deleted in the source");
}

/// SF28: a decision reads the instant of its run, inbound and outbound, and names the next one at which it would differ.
#[test]
fn sf28_a_decision_names_the_instant_at_which_it_would_differ() {
    const DAY: i64 = 86_400_000_000;
    let mut world = World::new(Matching::Automatic);
    let until = |day: i64| {
        format!(r#"IIF(Now() < DateFromNum({}), "before", "after")"#, 116_444_736_000_000_000 + day * DAY * 10)
    };
    world.run.rules.rules[0].flows.retain(|flow| flow.target != "department");
    world.run.rules.rules[0].flows.push(flow("department", &until(5)));
    world.run.rules.rules[1].flows.retain(|flow| flow.target != "displayName");
    world.run.rules.rules[1].flows.push(flow("displayName", &until(3)));
    let ann = world.import("ad", "a1", "objectGUID=g1 mail=ann@x userPrincipalName=ann@x enabled=yes");
    for (day, department, name, due) in
        [(1, "before", "before", Some(3)), (4, "before", "after", Some(5)), (6, "after", "after", None)]
    {
        world.run.now = day * DAY;
        let plan = world.sync(ann);
        let metaverse = plan.metaverse.first().expect("the person is decided");
        assert_eq!(metaverse.due, due.map(|day| day * DAY), "on day {day}");
        let person = world.metaverse.values().next().expect("the person is there");
        assert_eq!(person.attributes.get("department").unwrap().values, Value::text(department).into(), "on day {day}");
        let Some(PendingExport { operation: PendingOperation::Add { attributes }, .. }) =
            plan.targets.first().and_then(|target| target.pending.clone())
        else {
            panic!("a create is pending on day {day}");
        };
        assert_eq!(attributes.text("displayName"), Some(name), "on day {day}");
    }
}

/// An expression of either direction reads the parameters of the deployment, and the connector of its rule.
#[test]
fn parameters_are_read_inbound_and_outbound() {
    let mut world = World::new(Matching::Automatic);
    world.run.rules.parameters.insert("Site".into(), Value::text("east"));
    let inbound = world.rule("in-user");
    inbound.flows.retain(|flow| flow.target != *"department");
    inbound.flows.push(flow("department", "%Site% & \" of \" & %Connector.ID%"));
    let outbound = world.rule("out-user");
    outbound.flows.push(flow("office", "%Site% & \" to \" & %Connector.ID%"));
    let ann = world.import("ad", "a1", ANN);
    let plan = world.sync(ann);
    let Some(PendingExport { operation: PendingOperation::Add { attributes }, .. }) = &plan.targets[0].pending else {
        panic!("a create is pending");
    };
    assert_eq!(attributes.text("department"), Some("east of ad"));
    assert_eq!(attributes.text("office"), Some("east to cloud"));
}

/// S54, S56: flows that merge give the union, the best precedence first; without regard to case its spelling survives. A flow that
/// does not merge gives the best value alone.
#[test]
fn s54_flows_that_merge_give_the_union() {
    for (merge, given) in [
        (MergeType::Merge, &["Sales", "IT", "SALES"][..]),
        (MergeType::MergeCaseInsensitive, &["Sales", "IT"]),
        (MergeType::Update, &["Sales"]),
    ] {
        let mut world = departments(&["[department]", "\"IT\"", "\"SALES\""]);
        let person = world.run.rules.metaverse.types.get_mut("person").unwrap();
        person.get_mut("department").unwrap().plurality = Plurality::Multi;
        world.run.rules.rules.retain(|rule| rule.direction == Direction::Inbound);
        for flow in world.run.rules.rules.iter_mut().flat_map(|rule| &mut rule.flows) {
            if flow.target == *"department" {
                flow.merge = merge;
            }
        }
        let ann = world.import("ad", "a1", &format!("{ANN} department=Sales"));
        world.sync(ann);
        assert_eq!(in_metaverse(&world, "department"), Some(texts(given)), "{merge:?}");
    }
}

/// S56: one flow alone gives no two values that differ by case either.
#[test]
fn s56_values_of_one_flow_that_differ_by_case_are_one() {
    for (merge, given) in [
        (MergeType::Merge, &["SALES", "Sales"][..]),
        (MergeType::MergeCaseInsensitive, &["SALES"]),
        (MergeType::Update, &["SALES", "Sales"]),
    ] {
        let mut world = departments(&[r#"Split("SALES;Sales", ";")"#]);
        let person = world.run.rules.metaverse.types.get_mut("person").unwrap();
        person.get_mut("department").unwrap().plurality = Plurality::Multi;
        world.run.rules.rules.retain(|rule| rule.direction == Direction::Inbound);
        for flow in world.run.rules.rules.iter_mut().flat_map(|rule| &mut rule.flows) {
            if flow.target == *"department" {
                flow.merge = merge;
            }
        }
        let ann = world.import("ad", "a1", ANN);
        world.sync(ann);
        assert_eq!(in_metaverse(&world, "department"), Some(texts(given)), "{merge:?}");
    }
}
