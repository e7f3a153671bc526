//! Writing back to the directory that an object comes from (D10, S24): an outbound rule over an object that an inbound
//! rule linked.

use crate::world::{World, clause, flow, rule, show};
use crate::*;
use expect_test::{Expect, expect};
use metaverse_schema::{ConnectorSchema, Plurality, ValueKind};
use sync_rules::*;

fn check(plan: &ObjectPlan, expect: Expect) {
    expect.assert_eq(&show(plan));
}

/// The shape of the shipped write-back: the identifier goes into an attribute of its own object.
fn world() -> World {
    let mut world = World::new(Matching::Automatic);
    let mut back = rule("out-ad", Direction::Outbound, "ad", ("person", "user"), LinkType::Join, 90);
    back.scope = vec![vec![clause("sourceAnchor", Operator::IsNotNull, "")]];
    back.flows.push(flow("stamp", "[sourceAnchor]"));
    let known = world.run.rules.keys.iter().position(|key| key.identity.contains("[sourceAnchor]")).unwrap();
    let target = Expression::parse("[objectGUID]").unwrap();
    world.run.rules.keys.push(KeyDefinition {
        space: KeySpace::Connector("ad".into()),
        object_type: Some("user".into()),
        expression: target.clone(),
        exact: true,
        identity: "ad user [objectGUID] exact".into(),
    });
    let clause = JoinClause {
        source: Expression::parse("[sourceAnchor]").unwrap(),
        target,
        exact: true,
        source_key: KeyId(known),
        target_key: KeyId(world.run.rules.keys.len() - 1),
    };
    back.join.push(JoinGroup { criterion: Criterion::OwnKey, target_type: None, clauses: vec![clause] });
    world.run.rules.rules.insert(0, back);
    let schema =
        ConnectorSchema::default().class("user", true).attribute("stamp", ValueKind::Text, Plurality::Single, true);
    world.run.schemas.insert("ad".into(), schema);
    world
}

const ANN: &str = "objectGUID=g1 displayName=Ann mail=ann@x userPrincipalName=ann@x enabled=yes";

/// The link stays the one of the inbound rule, or the next synchronisation would find the person without a source and
/// delete it everywhere.
#[test]
fn writing_to_a_source_leaves_its_link_alone() {
    let mut world = world();
    let ann = world.import("ad", "a1", ANN);
    world.sync(ann);
    check(
        &world.sync(ann),
        expect![[r#"
            ConnectorNoFlow
            mv unchanged
            ad Joined by in-user
              Update { rename: None, changes: AttributesDelta({stamp: Replace("g1")}), afterwards: AttributesDelta({}), takeover: false } Pending
            cloud Provisioned by out-user
              Add { attributes: {accountEnabled: True, displayName: "Ann", mail: "ann@x", onPremisesImmutableId: "g1", userPrincipalName: "ann@x"} } Pending
              held limitation-read-only proxyAddresses wanted "ann@x" present "": `proxyAddresses` cannot be written in this mode
        "#]],
    );
    let link = world.objects[&ann].link.clone().unwrap();
    assert_eq!((&*link.rule, link.ownership), ("in-user", Ownership::Joined));
    world.export();
    world.import("ad", "a1", &format!("{ANN} stamp=g1"));
    check(
        &world.sync(ann),
        expect![[r#"
            ConnectorNoFlow
            mv unchanged
            ad Joined by in-user
            cloud Provisioned by out-user
              held limitation-read-only proxyAddresses wanted "ann@x" present "": `proxyAddresses` cannot be written in this mode
        "#]],
    );
    assert_eq!(world.metaverse.len(), 1);
}

/// An update that no rule wants any longer is taken back, and the person stays.
#[test]
fn a_write_back_that_left_scope_is_not_sent() {
    let mut world = world();
    let ann = world.import("ad", "a1", ANN);
    world.sync(ann);
    world.sync(ann);
    assert!(world.objects[&ann].pending.is_some());
    world.run.rules.rules[0].scope = vec![vec![clause("sourceAnchor", Operator::IsNull, "")]];
    world.sync(ann);
    assert!(world.objects[&ann].pending.is_none());
    assert_eq!(world.metaverse.len(), 1);
    assert_eq!(&*world.objects[&ann].link.clone().unwrap().rule, "in-user");
}
