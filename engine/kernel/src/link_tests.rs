//! Links: who joins whom, what keeps a link, what keeps a metaverse object, and what becomes of its targets (S13-S39, O20).

use crate::world::{World, clause, flow, rule, show};
use crate::*;
use expect_test::{Expect, expect};
use sync_rules::*;

fn check(plan: &ObjectPlan, expect: Expect) {
    expect.assert_eq(&show(plan));
}

const ANN: &str = "objectGUID=g1 displayName=Ann mail=ann@x userPrincipalName=ann@x enabled=yes";
const BOB: &str = "objectGUID=g2 displayName=Bob mail=bob@x userPrincipalName=bob@x enabled=yes";

fn parsed(text: &str) -> Expression {
    Expression::parse(text).unwrap()
}

impl World {
    pub(crate) fn rule(&mut self, id: &str) -> &mut Rule {
        self.run.rules.rules.iter_mut().find(|rule| &*rule.id == id).unwrap()
    }

    pub(crate) fn add_rule(&mut self, rule: Rule) {
        self.run.rules.rules.push(rule);
        self.run.rules.rules.sort_by_key(|rule| rule.precedence);
    }

    pub(crate) fn key(&mut self, space: KeySpace, object_type: &str, text: &str) -> KeyId {
        let identity = format!("{space:?} {object_type} {text} false");
        let keys = &mut self.run.rules.keys;
        if let Some(known) = keys.iter().position(|key| key.identity == identity) {
            return KeyId(known);
        }
        let expression = parsed(text);
        keys.push(KeyDefinition { space, object_type: Some(object_type.into()), expression, exact: false, identity });
        KeyId(keys.len() - 1)
    }

    /// A join group of an inbound rule of `connector` to persons.
    pub(crate) fn group(&mut self, connector: &str, source: &str, target: &str) -> JoinGroup {
        let clause = JoinClause {
            source: parsed(source),
            target: parsed(target),
            exact: false,
            source_key: self.key(KeySpace::Connector(connector.into()), "user", source),
            target_key: self.key(KeySpace::Metaverse, "person", target),
        };
        let criterion = Criterion::Plain(source.trim_matches(['[', ']']).into());
        JoinGroup { criterion, target_type: None, clauses: vec![clause] }
    }

    /// A second source that joins persons by their address and tells their department; `active=no` leaves its scope.
    pub(crate) fn with_hr(link: LinkType) -> Self {
        let mut world = World::new(Matching::Automatic);
        let mut hr = rule("in-hr", Direction::Inbound, "hr", ("user", "person"), link, 50);
        hr.scope = vec![vec![clause("active", Operator::NotEqual, "no")]];
        hr.flows = vec![flow("department", "[department]")];
        hr.join = vec![world.group("hr", "[mail]", "[mail]")];
        world.add_rule(hr);
        world
    }

    /// Ann in both, joined.
    pub(crate) fn ann_and_hr(link: LinkType) -> (Self, CsId, CsId) {
        let mut world = World::with_hr(link);
        let ann = world.import("ad", "a1", ANN);
        world.sync(ann);
        let hr = world.import("hr", "h1", "mail=ann@x department=Sales");
        world.sync(hr);
        assert!(world.is_linked(hr));
        (world, ann, hr)
    }

    pub(crate) fn is_linked(&self, id: CsId) -> bool {
        self.objects[&id].link.is_some()
    }

    fn person(&self) -> Option<&MvObject> {
        self.metaverse.values().next()
    }

    fn department(&self) -> Option<String> {
        let value = self.person()?.attributes.get("department")?;
        value.values.first().map(ToString::to_string)
    }

    pub(crate) fn cloud(&self) -> Option<&CsObject> {
        self.objects.values().find(|object| &*object.connector == "cloud")
    }

    /// What an operator does with `metasync disconnect` and `metasync join`.
    fn disconnect(&mut self, id: CsId) {
        self.objects.get_mut(&id).unwrap().state = ConnectorState::ExplicitlyDisconnected;
    }

    pub(crate) fn join(&mut self, id: CsId, mv: MvId) {
        let object = self.objects.get_mut(&id).unwrap();
        object.state = ConnectorState::ExplicitlyConnected;
        object.link = Some(Link { mv, rule: OPERATOR_LINK.into(), ownership: Ownership::Joined });
        self.metaverse.get_mut(&mv).unwrap().links.push(id);
    }
}

/// S19, S36: a join is decided once. What it was decided by may change and the link stays; the rule that made it leaves scope,
/// and it goes with everything it contributed (S50).
#[test]
fn t07_a_link_outlives_its_join_and_ends_with_its_rule() {
    let (mut world, _, hr) = World::ann_and_hr(LinkType::Join);
    assert_eq!(world.department().as_deref(), Some("Sales"));
    world.import("hr", "h1", "mail=someone.else@x department=Marketing");
    let plan = world.sync(hr);
    assert_eq!(plan.join, Some(LinkReason::AlreadyLinked { rule: "in-hr".into() }));
    assert_eq!(world.department().as_deref(), Some("Marketing"));
    world.import("hr", "h1", "mail=someone.else@x department=Marketing active=no");
    let plan = world.sync(hr);
    assert_eq!(plan.counter, Some(InboundCounter::ConnectorFilteredLeaveMv));
    assert!(!world.is_linked(hr));
    assert_eq!(world.department(), None);
    // Back in scope, it is decided anew, and the address no longer fits.
    world.import("hr", "h1", "mail=someone.else@x department=Marketing");
    assert_eq!(world.sync(hr).counter, Some(InboundCounter::DisconnectorRemains));
}

/// S14: a group that finds several gives way to the next one; exactly one joins, without an error.
#[test]
fn t08_the_first_group_with_exactly_one_hit_joins() {
    let mut world = World::with_hr(LinkType::Join);
    let by_department = world.group("hr", "[department]", "[department]");
    let by_name = world.group("hr", "[displayName]", "[displayName]");
    world.rule("in-hr").join = vec![by_department, by_name];
    for (anchor, text) in [("a1", ANN), ("a2", BOB)] {
        let id = world.import("ad", anchor, &format!("{text} department=Sales"));
        world.sync(id);
    }
    let hr = world.import("hr", "h1", "department=Sales displayName=Bob");
    let plan = world.sync(hr);
    let Some(LinkReason::Joined { criterion, mv, .. }) = &plan.join else { panic!("{:?}", plan.join) };
    assert_eq!(criterion.to_string(), "displayName");
    assert_eq!(world.metaverse[mv].attributes.get("displayName").unwrap().values.first().unwrap().to_string(), "Bob");
    // Several in every group: an error, and nobody is linked (decision 0002).
    let twin = world.import("hr", "h2", "department=Sales displayName=Nobody");
    check(
        &world.sync(twin),
        expect![[r#"
            FlowFailure
            error ambiguous-import-flow-from-multiple-connectors: several metaverse objects match by department: mv:2, mv:5
        "#]],
    );
}

/// S22: nobody is projected who could never be joined: every attribute of the join is absent.
#[test]
fn t09_without_any_join_value_nobody_is_projected() {
    let mut world = World::new(Matching::Automatic);
    let groups = vec![world.group("ad", "[mail]", "[mail]"), world.group("ad", "[employeeID]", "[sourceAnchor]")];
    world.rule("in-user").join = groups;
    let nobody = world.import("ad", "a1", "objectGUID=g1 displayName=Nobody");
    let plan = world.sync(nobody);
    assert_eq!(plan.join, Some(LinkReason::NoJoinValue { rule: "in-user".into() }));
    assert_eq!(plan.counter, Some(InboundCounter::DisconnectorRemains));
    assert!(world.metaverse.is_empty());
    // One of them is enough.
    world.import("ad", "a1", "objectGUID=g1 displayName=Somebody employeeID=7");
    assert_eq!(world.sync(nobody).counter, Some(InboundCounter::DisconnectorProjectedFlow));
}

/// S21, O12: a metaverse object has one object of a connector space. The second is in error, the first is untouched.
#[test]
fn t10_a_second_object_of_one_space_is_an_error() {
    let (mut world, _, first) = World::ann_and_hr(LinkType::Join);
    let before = (world.objects[&first].clone(), world.metaverse.clone());
    let second = world.import("hr", "h2", "mail=ann@x department=Other");
    check(
        &world.sync(second),
        expect![[r#"
            FlowFailure
            error ambiguous-import-flow-from-multiple-connectors: mv:2 matches, but it already has cs:4 of the same connector space
        "#]],
    );
    assert_eq!(before, (world.objects[&first].clone(), world.metaverse.clone()));
    assert!(world.objects[&second].staged.is_some(), "its import stays pending (R78)");
}

/// S20 inbound: rules that repeat one join are one question; different joins of an unlinked object are an error of that object,
/// and none of an object that is linked already.
#[test]
fn t11_different_joins_in_scope_are_an_error_and_equal_ones_are_not() {
    let (mut world, _, hr) = World::ann_and_hr(LinkType::Join);
    let mut other = rule("in-hr-2", Direction::Inbound, "hr", ("user", "person"), LinkType::Join, 51);
    other.join = vec![world.group("hr", "[mail]", "[mail]")];
    other.join[0].criterion = Criterion::Plain("another name of the same".into());
    world.add_rule(other);
    let bob = world.import("ad", "a2", BOB);
    world.sync(bob);
    let second = world.import("hr", "h2", "mail=bob@x");
    assert_eq!(world.sync(second).counter, Some(InboundCounter::DisconnectorJoinedNoFlow));

    let by_name = world.group("hr", "[displayName]", "[displayName]");
    world.rule("in-hr-2").join = vec![by_name];
    let third = world.import("hr", "h3", "mail=nobody@x");
    check(
        &world.sync(third),
        expect![[r#"
            FlowFailure
            error ambiguous-join-rules: the rules `in-hr` and `in-hr-2` are both in scope and join in different ways; give them the same join, or keep one out of scope
        "#]],
    );
    world.import("hr", "h1", "mail=ann@x department=IT");
    assert_eq!(
        world.sync(hr).counter,
        Some(InboundCounter::ConnectorFlow),
        "it is linked, so nobody looks for a partner"
    );
}

/// S20 outbound, as the shipped group rules of Azure AD Connect have it: several with the same join; and held, when they differ.
#[test]
fn t11_outbound_rules_with_one_join_agree_and_others_are_held() {
    let mut world = World::new(Matching::Automatic);
    let mut second = rule("out-more", Direction::Outbound, "cloud", ("person", "user"), LinkType::Join, 210);
    second.join = world.rule("out-user").join.clone();
    second.flows = vec![flow("jobTitle", "[displayName]")];
    world.add_rule(second);
    let ann = world.import("ad", "a1", ANN);
    check(
        &world.sync(ann),
        expect![[r#"
            DisconnectorProjectedFlow
            mv set {accountEnabled, displayName, mail, sourceAnchor, userPrincipalName}
            cloud Provisioned by out-user
              Add { attributes: {accountEnabled: True, displayName: "Ann", jobTitle: "Ann", mail: "ann@x", onPremisesImmutableId: "g1", userPrincipalName: "ann@x"} } Pending
              held limitation-read-only proxyAddresses wanted "ann@x" present "": `proxyAddresses` cannot be written in this mode
        "#]],
    );
    world.rule("out-more").join.pop();
    let bob = world.import("ad", "a2", BOB);
    check(
        &world.sync(bob),
        expect![[r#"
            DisconnectorProjectedFlow
            mv set {accountEnabled, displayName, mail, sourceAnchor, userPrincipalName}
            cloud no link
              held ambiguous-join-rules: the rules `out-user` and `out-more` are both in scope and join in different ways; give them the same join, or keep one out of scope
        "#]],
    );
}

/// S28: a rule that only joins creates nothing, also when it stands before the one that provisions; that one does.
#[test]
fn a_join_rule_before_the_provisioning_one_does_not_keep_it_from_creating() {
    let mut world = World::new(Matching::Automatic);
    let mut first = rule("out-first", Direction::Outbound, "cloud", ("person", "user"), LinkType::Join, 150);
    first.join = world.rule("out-user").join.clone();
    world.add_rule(first);
    let ann = world.import("ad", "a1", ANN);
    world.sync(ann);
    assert_eq!(&*world.cloud().unwrap().link.as_ref().unwrap().rule, "out-user");
    world.rule("out-user").scope = vec![vec![clause("displayName", Operator::Equal, "Nobody")]];
    world.sync(ann);
    assert!(world.cloud().is_none(), "nothing provisions it any longer, so it is not created");
}

/// S36, D2: the provisioning rule leaves scope: a pending delete in the target, and the metaverse object stays with its source.
#[test]
fn t15_a_filtered_object_is_deleted_in_the_target_alone() {
    let mut world = World::new(Matching::Automatic);
    world.rule("out-user").scope[0].push(clause("department", Operator::NotEqual, "Filtered"));
    let ann = world.import("ad", "a1", ANN);
    world.sync(ann);
    world.export();
    world.confirm();
    world.import("ad", "a1", &format!("{ANN} department=Filtered"));
    check(
        &world.sync(ann),
        expect![[r#"
            ConnectorFlow
            mv set {department}
            cloud Provisioned by out-user
              Delete { cause: FilteredByRule, ownership: Provisioned } Pending
        "#]],
    );
    assert_eq!(world.metaverse.len(), 1);
}

/// S34, S35: an object that was only joined is unlinked when its rule leaves scope or the metaverse object goes; nothing is sent.
#[test]
fn t16_an_object_that_was_only_joined_is_let_go_without_a_trace() {
    let world = || {
        let mut world = World::new(Matching::Automatic);
        let out = world.rule("out-user");
        out.link = LinkType::Join;
        out.takeover = None;
        out.scope[0].push(clause("department", Operator::NotEqual, "Filtered"));
        let cloud = world.import("cloud", "c1", "mail=ann@x");
        world.sync(cloud);
        let ann = world.import("ad", "a1", ANN);
        world.sync(ann);
        assert_eq!(world.objects[&cloud].link.as_ref().unwrap().ownership, Ownership::Joined);
        world.export();
        world.confirm();
        (world, ann, cloud)
    };
    let (mut filtered, ann, cloud) = world();
    filtered.import("ad", "a1", &format!("{ANN} department=Filtered"));
    check(
        &filtered.sync(ann),
        expect![[r#"
            ConnectorFlow
            mv set {department}
            cloud no link
        "#]],
    );
    assert!(filtered.objects[&cloud].link.is_none() && filtered.objects[&cloud].pending.is_none());

    let (mut deleted, ann, cloud) = world();
    deleted.delete(ann);
    check(
        &deleted.sync(ann),
        expect![[r#"
            ConnectorDeleteRemoveMv
            mv delete: deleted in the source directory
            cloud no link
        "#]],
    );
    assert!(deleted.objects[&cloud].link.is_none() && deleted.objects[&cloud].pending.is_none());
}

/// S31, S32: a sticky join keeps the metaverse object when the one that projected it has gone; a plain join does not.
#[test]
fn t17_a_sticky_join_keeps_the_metaverse_object_and_a_plain_one_does_not() {
    let (mut sticky, ann, hr) = World::ann_and_hr(LinkType::StickyJoin);
    sticky.delete(ann);
    assert_eq!(sticky.sync(ann).counter, Some(InboundCounter::ConnectorDeleteLeaveMv));
    assert_eq!(sticky.department().as_deref(), Some("Sales"));
    sticky.delete(hr);
    assert_eq!(sticky.sync(hr).counter, Some(InboundCounter::ConnectorDeleteRemoveMv));
    // It may not project by itself.
    let alone = sticky.import("hr", "h9", "mail=nobody@x");
    assert_eq!(sticky.sync(alone).counter, Some(InboundCounter::DisconnectorRemains));

    let (mut plain, ann, hr) = World::ann_and_hr(LinkType::Join);
    plain.delete(ann);
    assert_eq!(plain.sync(ann).counter, Some(InboundCounter::ConnectorDeleteRemoveMv));
    assert!(!plain.is_linked(hr) && plain.metaverse.is_empty());
}

/// S38: what was never exported vanishes, and nothing is exported.
#[test]
fn t18_a_target_that_was_never_exported_vanishes() {
    let mut world = World::new(Matching::Automatic);
    let ann = world.import("ad", "a1", ANN);
    world.sync(ann);
    assert!(world.cloud().is_some());
    world.delete(ann);
    world.sync(ann);
    assert!(world.objects.is_empty() && world.metaverse.is_empty());
}

fn with_places(matching: Matching) -> World {
    let mut world = World::new(matching);
    world.rule("out-user").flows.push(flow("dn", "\"CN=\" & [displayName] & \",OU=Cloud\""));
    world
}

/// S27: who stands at the DN and belongs to nobody is linked instead of doubled, as `matching` says; the pending export is an
/// update, and no Add.
#[test]
fn t19_the_dn_is_occupied_so_the_occupant_is_taken_over() {
    const THERE: &str = "dn=CN=Ann,OU=Cloud mail=old@x userPrincipalName=ann@x";
    let mut automatic = with_places(Matching::Automatic);
    let cloud = automatic.import("cloud", "c1", THERE);
    automatic.sync(cloud);
    let ann = automatic.import("ad", "a1", ANN);
    check(
        &automatic.sync(ann),
        expect![[r#"
            DisconnectorProjectedFlow
            mv set {accountEnabled, displayName, mail, sourceAnchor, userPrincipalName}
            cloud Adopted by out-user
              Update { rename: None, changes: AttributesDelta({accountEnabled: Replace(True), displayName: Replace("Ann"), mail: Replace("ann@x")}), afterwards: AttributesDelta({onPremisesImmutableId: Replace("g1")}), takeover: true } Pending
              held limitation-read-only proxyAddresses wanted "ann@x" present "": `proxyAddresses` cannot be written in this mode
        "#]],
    );
    assert_eq!(automatic.objects.len(), 2);

    let held = |matching: Matching, there: &str, change: &dyn Fn(&mut CsObject), expect: Expect| {
        let mut world = with_places(matching);
        let cloud = world.import("cloud", "c1", there);
        world.sync(cloud);
        change(world.objects.get_mut(&cloud).unwrap());
        let ann = world.import("ad", "a1", ANN);
        let text = show(&world.sync(ann));
        expect.assert_eq(text.lines().last().unwrap().trim());
        assert_eq!(world.objects.len(), 2, "nothing is created beside it");
    };
    held(Matching::Review, THERE, &|_| {}, expect!["held match-candidate: it matches an existing object by place"]);
    held(
        Matching::Closed,
        THERE,
        &|_| {},
        expect!["held matching-closed: it matches an existing object by place, and matching is closed"],
    );
    held(
        Matching::Automatic,
        &format!("{THERE} userType=Guest"),
        &|_| {},
        expect!["held guest: the existing object is never matched: guest"],
    );
    held(
        Matching::Automatic,
        THERE,
        &|object| object.object_type = "group".into(),
        expect!["held dn-occupied: another object already stands at CN=Ann,OU=Cloud"],
    );
    held(
        Matching::Automatic,
        THERE,
        &|object| object.state = ConnectorState::ExplicitlyDisconnected,
        expect!["held explicitly-disconnected: it matches user ann@x (c1) by place, which an operator disconnected"],
    );
}

/// S27: a place that is another person's stays his.
#[test]
fn t19_an_occupant_that_belongs_to_somebody_stays_with_him() {
    let mut world = with_places(Matching::Automatic);
    for (anchor, text) in [("a1", ANN.to_owned()), ("a2", BOB.replace("displayName=Bob", "displayName=Ann"))] {
        let id = world.import("ad", anchor, &text);
        world.sync(id);
        world.export();
    }
    assert_eq!(world.objects.values().filter(|object| &*object.connector == "cloud").count(), 1);
    let bob = world.objects.values().find(|object| object.anchor == Some(metaverse_schema::Anchor::Text("a2".into())));
    let plan = world.plan(Subject::Connector(bob.unwrap().id));
    assert!(show(&plan).contains("held dn-occupied"), "{}", show(&plan));
}

/// O20: what an operator disconnected is let go with everything it contributed, and no rule joins it again, until that is undone.
#[test]
fn o20_an_explicitly_disconnected_source_is_never_reconsidered() {
    let (mut world, _, hr) = World::ann_and_hr(LinkType::Join);
    world.disconnect(hr);
    let plan = world.sync(hr);
    assert_eq!(plan.join, Some(LinkReason::ExplicitlyDisconnected));
    assert_eq!(plan.counter, Some(InboundCounter::ConnectorFilteredLeaveMv));
    assert_eq!((world.is_linked(hr), world.department()), (false, None));
    world.import("hr", "h1", "mail=ann@x department=IT");
    assert_eq!(world.sync(hr).counter, Some(InboundCounter::DisconnectorRemains));
    assert_eq!(world.objects[&hr].state, ConnectorState::ExplicitlyDisconnected);
    world.objects.get_mut(&hr).unwrap().state = ConnectorState::Disconnected;
    assert_eq!(world.sync(hr).counter, Some(InboundCounter::DisconnectorJoinedFlow));
}

/// O20: the target object that an operator disconnected gets nothing more, whoever is synchronised first, and is not created a
/// second time beside it.
#[test]
fn o20_an_explicitly_disconnected_target_is_neither_matched_nor_doubled() {
    for source_first in [true, false] {
        let mut world = World::new(Matching::Automatic);
        let cloud = world.import("cloud", "c1", "mail=ann@x userPrincipalName=ann@x");
        world.sync(cloud);
        let ann = world.import("ad", "a1", ANN);
        world.sync(ann);
        assert!(world.objects[&cloud].pending.is_some());
        world.disconnect(cloud);
        let subjects = if source_first { [ann, cloud, ann] } else { [cloud, ann, cloud] };
        subjects.into_iter().for_each(|id| drop(world.sync(id)));
        let object = &world.objects[&cloud];
        assert_eq!((object.link.clone(), object.pending.clone()), (None, None), "{source_first}");
        assert_eq!(object.state, ConnectorState::ExplicitlyDisconnected);
        assert_eq!(world.objects.len(), 2);
        let plan = world.plan(Subject::Connector(ann));
        check(
            &plan,
            expect![[r#"
                ConnectorNoFlow
                mv unchanged
                cloud no link
                  held explicitly-disconnected: it matches user ann@x (c1) by primary-smtp, which an operator disconnected
            "#]],
        );
    }
}

/// O20: a link that an operator made stays out of every scope and keeps the metaverse object; only SF20 is stronger.
#[test]
fn o20_an_explicit_link_outlives_scope_but_not_never_sync() {
    let mut world = World::with_hr(LinkType::Join);
    let ann = world.import("ad", "a1", ANN);
    world.sync(ann);
    let mv = *world.metaverse.keys().next().unwrap();
    let hr = world.import("hr", "h1", "mail=other@x department=Sales");
    world.sync(hr);
    assert!(!world.is_linked(hr));
    world.join(hr, mv);
    assert_eq!(world.sync(hr).counter, Some(InboundCounter::ConnectorFlow));
    assert_eq!(world.department().as_deref(), Some("Sales"));
    world.import("hr", "h1", "mail=other@x department=Sales active=no");
    world.sync(hr);
    assert!(world.is_linked(hr));
    assert_eq!(world.department(), None, "the rule is out of scope, so nothing flows");
    world.delete(ann);
    assert_eq!(world.sync(ann).counter, Some(InboundCounter::ConnectorDeleteLeaveMv));
    world.objects.get_mut(&hr).unwrap().in_never_sync_group = true;
    world.sync(hr);
    assert!(!world.is_linked(hr) && world.metaverse.is_empty());
    assert_eq!(world.objects[&hr].state, ConnectorState::DisconnectedByFilter);
}

/// An operator's join of a target object is the approval of the match, under every `matching` (SF5), and a takeover with all its
/// other holds (SF1-SF8).
#[test]
fn sf05_an_operators_join_is_the_approval_and_a_takeover_all_the_same() {
    let joined = |matching: Matching, there: &str| {
        let mut world = World::new(matching);
        let cloud = world.import("cloud", "c1", there);
        world.sync(cloud);
        world.rule("out-user").scope = vec![vec![clause("displayName", Operator::Equal, "Not yet")]];
        let ann = world.import("ad", "a1", ANN);
        world.sync(ann);
        world.rule("out-user").scope = Vec::new();
        let mv = *world.metaverse.keys().next().unwrap();
        world.join(cloud, mv);
        world.sync(ann);
        (world, ann, cloud)
    };
    for matching in [Matching::Review, Matching::Closed] {
        let (mut world, ann, cloud) = joined(matching, "mail=other@x userPrincipalName=ann@x department=Kept");
        let object = &world.objects[&cloud];
        assert_eq!(object.link.as_ref().unwrap().ownership, Ownership::Adopted);
        assert_eq!(object.state, ConnectorState::ExplicitlyConnected);
        let Some(PendingExport { operation: PendingOperation::Update { takeover: true, .. }, .. }) = object.pending
        else {
            panic!("{:?}", object.pending)
        };
        world.export();
        world.confirm();
        let plan = world.sync(ann);
        assert!(plan.targets[0].pending.is_none(), "the second plan is empty");
    }
    for (there, hold) in [
        ("mail=other@x userType=Guest", "guest"),
        ("mail=other@x onPremisesImmutableId=another", "stale-anchor"),
        ("mail=other@x accountEnabled=no", "would-enable"),
    ] {
        let (world, ann, cloud) = joined(Matching::Automatic, there);
        let plan = world.plan(Subject::Connector(ann));
        let codes: Vec<&str> = plan.targets[0].holds.iter().map(|hold| hold.code.as_str()).collect();
        assert_eq!(codes, [hold]);
        assert_eq!(world.objects[&cloud].link.as_ref().unwrap().ownership, Ownership::Joined, "still only linked");
        assert!(world.objects[&cloud].pending.is_none());
    }
}

/// S39: when a metaverse object is deleted, by rule and by what is disconnected first. `hr` only joins.
#[test]
fn s39_deletion_rules() {
    let last = |rule: DeletionRule, first_ad: bool| {
        let (mut world, ann, hr) = World::ann_and_hr(LinkType::Join);
        // A target that is not there cannot keep anybody.
        world.rule("out-user").scope = vec![vec![clause("displayName", Operator::Equal, "Nobody")]];
        world.run.rules.deletion.insert("person".into(), rule);
        world.sync(ann);
        let order = if first_ad { [ann, hr] } else { [hr, ann] };
        let mut alive = Vec::new();
        for id in order {
            world.delete(id);
            world.sync(id);
            alive.push(if world.metaverse.is_empty() { "gone" } else { "there" });
        }
        alive.join(", ")
    };
    let scripted = |text: &str| DeletionRule::Scripted(parsed(text));
    let named = |names: &[&str]| names.iter().map(|name| ConnectorName::from(*name)).collect::<Vec<_>>();
    for (rule, ad_first, hr_first) in [
        (DeletionRule::ProvisioningLink, "gone, gone", "there, gone"),
        (DeletionRule::LastConnector, "there, gone", "there, gone"),
        (DeletionRule::AnyOf(named(&["hr"])), "there, gone", "gone, gone"),
        (DeletionRule::AnyOf(named(&["ad", "hr"])), "gone, gone", "gone, gone"),
        (DeletionRule::LastOf(named(&["ad"])), "gone, gone", "there, gone"),
        (DeletionRule::LastOf(named(&["ad", "hr"])), "there, gone", "there, gone"),
        (scripted("IsNull([department])"), "there, gone", "gone, gone"),
        (scripted("False"), "there, gone", "there, gone"),
    ] {
        let text = format!("{rule:?}");
        assert_eq!(last(rule.clone(), true), ad_first, "{text}, ad first");
        assert_eq!(last(rule, false), hr_first, "{text}, hr first");
    }
}

/// S39: leaving scope and an operator's disconnect are disconnections too; the end of a link by provisioning is none.
#[test]
fn s39_what_counts_as_a_disconnection() {
    let world = |named: &str| {
        let (mut world, ann, hr) = World::ann_and_hr(LinkType::Join);
        world.export();
        world.confirm();
        world.run.rules.deletion.insert("person".into(), DeletionRule::AnyOf(vec![named.into()]));
        (world, ann, hr)
    };
    let (mut left_scope, _, hr) = world("hr");
    left_scope.import("hr", "h1", "mail=ann@x active=no");
    assert_eq!(left_scope.sync(hr).counter, Some(InboundCounter::ConnectorFilteredRemoveMv));

    let (mut by_operator, ann, hr) = world("hr");
    by_operator.disconnect(hr);
    // Whoever is synchronised first.
    by_operator.sync(ann);
    assert!(by_operator.metaverse.is_empty());
    assert!(!by_operator.is_linked(hr) && !by_operator.is_linked(ann));

    let (mut provisioning, ann, _) = world("cloud");
    provisioning.rule("out-user").scope = vec![vec![clause("displayName", Operator::Equal, "Nobody")]];
    provisioning.rule("out-user").leave.provisioned = DeprovisionAction::Disconnect;
    provisioning.sync(ann);
    assert!(provisioning.cloud().unwrap().link.is_none());
    assert_eq!(provisioning.metaverse.len(), 1);
}

/// O15: under a rule that looks at links, what provisioning leaves without any link goes too.
#[test]
fn o15_a_metaverse_object_without_links_is_deleted() {
    let mut world = World::new(Matching::Automatic);
    world.run.rules.deletion.insert("person".into(), DeletionRule::LastConnector);
    let ann = world.import("ad", "a1", ANN);
    world.sync(ann);
    // Not exported yet: without its source it is out of scope, so it vanishes, and nothing is left.
    world.delete(ann);
    check(
        &world.sync(ann),
        expect![[r#"
            ConnectorDeleteRemoveMv
            mv delete: deleted in the source directory
            cloud no link
        "#]],
    );
    assert!(world.objects.is_empty() && world.metaverse.is_empty());
}

/// S39: the four ends of a target's link, by what its rule says.
#[test]
fn s39_deprovision_actions() {
    let end = |action: DeprovisionAction| {
        let mut world = World::new(Matching::Automatic);
        world.rule("out-user").deprovision.provisioned = action;
        let ann = world.import("ad", "a1", ANN);
        world.sync(ann);
        world.export();
        world.confirm();
        world.delete(ann);
        world.sync(ann);
        let cloud = world.cloud().unwrap();
        let sent = match cloud.pending.as_ref().map(|pending| &pending.operation) {
            None => "nothing",
            Some(PendingOperation::Delete { .. }) => "delete",
            Some(PendingOperation::Detach { .. }) => "detach",
            Some(other) => panic!("{other:?}"),
        };
        let state = cloud.state;
        world.objects.values_mut().for_each(|object| object.privilege = Some(Privilege::None));
        // The same account again, as a new object of the directory.
        let again = world.import("ad", "a9", ANN);
        world.sync(again);
        let linked = world.objects.values().filter(|object| &*object.connector == "cloud" && object.link.is_some());
        format!("{sent}, {state:?}, then {} linked of {}", linked.count(), world.objects.len() - 1)
    };
    assert_eq!(end(DeprovisionAction::Delete), "delete, Disconnected, then 1 linked of 1");
    assert_eq!(end(DeprovisionAction::Detach), "detach, Disconnected, then 1 linked of 1");
    assert_eq!(end(DeprovisionAction::Disconnect), "nothing, Disconnected, then 1 linked of 1");
    assert_eq!(end(DeprovisionAction::ExplicitDisconnect), "nothing, ExplicitlyDisconnected, then 0 linked of 1");
}

/// SF5: `matching` decides about a hit by any evidence: review waits for the approved list, automatic joins, closed refuses. Only a key
/// that this engine wrote itself needs nobody's say.
#[test]
fn sf05_matching_decides_about_hits_of_every_criterion() {
    let outcome = |matching: Matching, criterion: &Criterion, approved: bool| {
        let mut world = World::new(matching);
        let group = JoinGroup { criterion: criterion.clone(), ..world.rule("out-user").join[1].clone() };
        world.rule("out-user").join = vec![group];
        let cloud = world.import("cloud", "c1", "mail=ann@x userPrincipalName=ann@x");
        world.sync(cloud);
        let ann = world.import("ad", "a1", ANN);
        world.sync(ann);
        if approved {
            let mv = *world.metaverse.keys().next().unwrap();
            let approval = Approval { kind: ApprovalKind::Match, mv, value: None };
            world.objects.get_mut(&cloud).unwrap().approvals.push(approval);
            world.sync(ann);
        }
        assert_eq!(world.objects.len(), 2, "nothing is created beside it");
        match world.objects[&cloud].link {
            Some(_) => "joined".to_owned(),
            None => world.plan(Subject::Connector(ann)).targets[0].holds[0].code.clone(),
        }
    };
    let own = Criterion::Plain("my own".into());
    for criterion in [Criterion::Anchor, Criterion::PrimarySmtp, Criterion::SignInName, own] {
        assert_eq!(outcome(Matching::Review, &criterion, false), "match-candidate", "{criterion}");
        assert_eq!(outcome(Matching::Review, &criterion, true), "joined", "{criterion}");
        assert_eq!(outcome(Matching::Automatic, &criterion, false), "joined", "{criterion}");
        assert_eq!(outcome(Matching::Closed, &criterion, false), "matching-closed", "{criterion}");
    }
    for matching in [Matching::Review, Matching::Automatic, Matching::Closed] {
        assert_eq!(outcome(matching, &Criterion::OwnKey, false), "joined");
    }
}

/// S8: a membership is that of exactly the group that the clause names, and the two operators are opposites.
#[test]
fn s08_scope_asks_for_the_group_that_a_clause_names() {
    let in_scope = |operator: Operator, groups: &[&str]| {
        let mut world = World::new(Matching::Automatic);
        world.rule("in-user").scope = vec![vec![clause("dn", operator, "CN=Sales")]];
        let ann = world.import("ad", "a1", ANN);
        let object = world.objects.get_mut(&ann).unwrap();
        object.member_of = groups.iter().map(|group| (*group).to_owned()).collect();
        world.sync(ann).scopes[0].in_scope
    };
    for (groups, member) in [(&["CN=Sales"][..], true), (&["CN=Other"], false), (&[], false)] {
        assert_eq!(in_scope(Operator::IsMemberOf, groups), member, "{groups:?}");
        assert_eq!(in_scope(Operator::IsNotMemberOf, groups), !member, "{groups:?}");
    }
}

/// Invariant 3: a link that stays what it was is no change, whoever is synchronised; neither is the one that a pending delete keeps.
#[test]
fn a_link_that_stays_is_no_change() {
    let mut world = World::new(Matching::Automatic);
    let ann = world.import("ad", "a1", ANN);
    assert_eq!(world.sync(ann).links.len(), 1, "projected; the new target brings its link with it");
    assert_eq!(world.sync(ann).links, [], "not exported yet");
    world.export();
    world.confirm();
    let cloud = world.cloud().unwrap().id;
    assert_eq!(world.sync(ann).links, []);
    assert_eq!(world.sync(cloud).links, []);
    world.rule("out-user").scope = vec![vec![clause("displayName", Operator::Equal, "Nobody")]];
    assert_eq!(world.sync(ann).links, [], "the link stays until the delete was sent (S38)");
}

/// S19: the rule that joined it leaves scope and another one that projects is in scope: the person is the same, and nobody is
/// created beside him. Whom an operator joined and lets go again (O20) is another person.
#[test]
fn s19_another_rule_takes_the_link_over_and_the_person_stays_the_same() {
    let mut world = World::with_hr(LinkType::Join);
    let mut projects = rule("in-hr-2", Direction::Inbound, "hr", ("user", "person"), LinkType::Provision, 60);
    projects.scope = vec![vec![clause("active", Operator::Equal, "no")]];
    world.add_rule(projects);
    let ann = world.import("ad", "a1", ANN);
    world.sync(ann);
    let hr = world.import("hr", "h1", "mail=ann@x department=Sales");
    world.sync(hr);
    let mv = world.objects[&hr].link.as_ref().unwrap().mv;
    world.import("hr", "h1", "mail=ann@x department=Sales active=no");
    let plan = world.sync(hr);
    assert_eq!(plan.join, Some(LinkReason::Projected { rule: "in-hr-2".into() }));
    assert_eq!(world.objects[&hr].link.as_ref().map(|link| (link.mv, &*link.rule)), Some((mv, "in-hr-2")));
    assert_eq!(world.metaverse.len(), 1);

    let object = world.objects.get_mut(&hr).unwrap();
    object.link.as_mut().unwrap().rule = OPERATOR_LINK.into();
    world.sync(hr);
    assert_eq!(world.metaverse.len(), 2, "the operator took his word back");
    assert_ne!(world.objects[&hr].link.as_ref().unwrap().mv, mv);
}

/// S4: an object that outbound processing links contributes in the same synchronisation, not in the next one.
#[test]
fn s04_who_is_taken_over_contributes_at_once() {
    let mut world = World::new(Matching::Automatic);
    let mut back = rule("in-cloud", Direction::Inbound, "cloud", ("user", "person"), LinkType::Join, 300);
    back.flows = vec![flow("department", "[office]")];
    world.add_rule(back);
    let cloud = world.import("cloud", "c1", "mail=ann@x userPrincipalName=ann@x office=Berlin");
    world.sync(cloud);
    let ann = world.import("ad", "a1", ANN);
    let plan = world.sync(ann);
    assert_eq!(world.department().as_deref(), Some("Berlin"));
    let changes = match plan.targets[0].pending.as_ref().map(|pending| &pending.operation) {
        Some(PendingOperation::Update { changes, .. }) => changes.0.contains_key("department"),
        other => panic!("{other:?}"),
    };
    assert!(changes, "and what it contributes flows out again");
    assert_eq!(world.sync(ann).metaverse[0].change, MetaverseChange::Unchanged);
}
