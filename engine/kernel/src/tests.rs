//! The decisions, told as small stories. Each names the rule it proves.

use crate::world::{World, clause, flow, rule, show};
use crate::*;
use expect_test::{Expect, expect};
use metaverse_schema::Value;
use sync_rules::*;

fn check(plan: &ObjectPlan, expect: Expect) {
    expect.assert_eq(&show(plan));
}

const ANN: &str = "objectGUID=g1 displayName=Ann mail=ann@x userPrincipalName=ann@x enabled=yes";

/// S22, S26: nobody matches, so the person is projected and provisioned; what cannot be written is named.
#[test]
fn project_and_provision() {
    let mut world = World::new(Matching::Review);
    let ann = world.import("ad", "a1", ANN);
    check(
        &world.sync(ann),
        expect![[r#"
        DisconnectorProjectedFlow
        mv set {accountEnabled, displayName, mail, sourceAnchor, userPrincipalName}
        cloud Provisioned by out-user
          Add { attributes: {accountEnabled: True, displayName: "Ann", mail: "ann@x", onPremisesImmutableId: "g1", userPrincipalName: "ann@x"} } Pending
          held limitation-read-only proxyAddresses wanted "ann@x" present "": `proxyAddresses` cannot be written in this mode
    "#]],
    );
}

/// SF5: under review a soft match is a candidate and nothing else; approved, it is adopted and the stamp comes last (SF2).
#[test]
fn soft_match_waits_for_approval_then_adopts() {
    let mut world = World::new(Matching::Review);
    let cloud = world.import(
        "cloud",
        "c1",
        "mail=ANN@X displayName=Ann_Cloud department=Sales userPrincipalName=Ann@x accountEnabled=yes",
    );
    world.sync(cloud);
    let ann = world.import("ad", "a1", ANN);
    check(
        &world.sync(ann),
        expect![[r#"
        DisconnectorProjectedFlow
        mv set {accountEnabled, displayName, mail, sourceAnchor, userPrincipalName}
        cloud no link
          held match-candidate: it matches an existing object by primary-smtp
    "#]],
    );
    let mv = *world.metaverse.keys().next().unwrap();
    let approval = Approval { kind: ApprovalKind::Match, mv, value: None };
    world.objects.get_mut(&cloud).unwrap().approvals.push(approval);
    check(
        &world.sync(ann),
        expect![[r#"
        ConnectorNoFlow
        mv unchanged
        cloud Adopted by out-user
          Update { rename: None, changes: AttributesDelta({displayName: Replace("Ann"), mail: Replace("ann@x"), userPrincipalName: Replace("ann@x")}), afterwards: AttributesDelta({onPremisesImmutableId: Replace("g1")}), takeover: true } Pending
          held limitation-read-only proxyAddresses wanted "ann@x" present "": `proxyAddresses` cannot be written in this mode
    "#]],
    );
    // SF1: AD is silent about the department, so it stays.
    world.export();
    world.confirm();
    check(
        &world.sync(ann),
        expect![[r#"
        ConnectorNoFlow
        mv unchanged
        cloud Adopted by out-user
          held limitation-read-only proxyAddresses wanted "ann@x" present "": `proxyAddresses` cannot be written in this mode
    "#]],
    );
    // SF1: once contributed, a cleared value clears.
    world.import("ad", "a1", &format!("{ANN} department=IT"));
    world.sync(ann);
    world.export();
    world.confirm();
    world.import("ad", "a1", ANN);
    check(
        &world.sync(ann),
        expect![[r#"
        ConnectorFlow
        mv set {department}
        cloud Adopted by out-user
          Update { rename: None, changes: AttributesDelta({department: Replace([])}), afterwards: AttributesDelta({}), takeover: false } Pending
          held limitation-read-only proxyAddresses wanted "ann@x" present "": `proxyAddresses` cannot be written in this mode
    "#]],
    );
    // SF4: an adopted object is detached, not deleted.
    world.export();
    world.confirm();
    world.delete(ann);
    check(
        &world.sync(ann),
        expect![[r#"
        ConnectorDeleteRemoveMv
        mv delete: deleted in the source directory
        cloud no link
          Detach { cause: DeletedInSource, ownership: Adopted } Pending
    "#]],
    );
}

/// SF6, SF7, SF3, SF8, SF2: each reason by its name; nothing is matched, nothing created.
#[test]
fn takeovers_that_are_held() {
    let held = |cloud_attributes: &str, privilege: Privilege, expect: Expect| {
        let mut world = World::new(Matching::Automatic);
        let cloud = world.import("cloud", "c1", cloud_attributes);
        world.objects.get_mut(&cloud).unwrap().privilege = Some(privilege);
        world.sync(cloud);
        let ann = world.import("ad", "a1", ANN);
        check(&world.sync(ann), expect);
    };
    held(
        "mail=ann@x userPrincipalName=ann@x",
        Privilege::Roles(vec!["Global Administrator".into()]),
        expect![[r#"
        DisconnectorProjectedFlow
        mv set {accountEnabled, displayName, mail, sourceAnchor, userPrincipalName}
        cloud no link
          held privileged: the existing account holds Global Administrator
    "#]],
    );
    held(
        "mail=ann@x userPrincipalName=ann@x",
        Privilege::Unreadable("403".into()),
        expect![[r#"
        DisconnectorProjectedFlow
        mv set {accountEnabled, displayName, mail, sourceAnchor, userPrincipalName}
        cloud no link
          held privileged-unreadable: its roles cannot be read, so it counts as privileged: 403
    "#]],
    );
    held(
        "mail=ann@x userPrincipalName=ann@x userType=Guest",
        Privilege::None,
        expect![[r#"
        DisconnectorProjectedFlow
        mv set {accountEnabled, displayName, mail, sourceAnchor, userPrincipalName}
        cloud no link
          held guest: the existing object is never matched: guest
    "#]],
    );
    held(
        "mail=ann@x userPrincipalName=ann@x accountEnabled=no",
        Privilege::None,
        expect![[r#"
        DisconnectorProjectedFlow
        mv set {accountEnabled, displayName, mail, sourceAnchor, userPrincipalName}
        cloud no link
          held would-enable accountEnabled wanted "True" present "False": the existing account is blocked and the takeover would enable it
    "#]],
    );
    held(
        "mail=ann@x userPrincipalName=ann@x onPremisesImmutableId=other",
        Privilege::None,
        expect![[r#"
        DisconnectorProjectedFlow
        mv set {accountEnabled, displayName, mail, sourceAnchor, userPrincipalName}
        cloud no link
          held stale-anchor onPremisesImmutableId wanted "g1" present "other": the existing object carries another anchor in `onPremisesImmutableId`
    "#]],
    );
    held(
        "mail=other@x secondary=ann@x",
        Privilege::None,
        expect![[r#"
        DisconnectorProjectedFlow
        mv set {accountEnabled, displayName, mail, sourceAnchor, userPrincipalName}
        cloud no link
          held secondary-address-match: one of its addresses belongs to an existing object: user other@x (c1)
    "#]],
    );
    // The sign-in name is held by itself; the takeover goes on.
    held(
        "mail=ann@x userPrincipalName=ann.cloud@x",
        Privilege::None,
        expect![[r#"
        DisconnectorProjectedFlow
        mv set {accountEnabled, displayName, mail, sourceAnchor, userPrincipalName}
        cloud Adopted by out-user
          Update { rename: None, changes: AttributesDelta({accountEnabled: Replace(True), displayName: Replace("Ann")}), afterwards: AttributesDelta({onPremisesImmutableId: Replace("g1")}), takeover: true } Pending
          held limitation-read-only proxyAddresses wanted "ann@x" present "": `proxyAddresses` cannot be written in this mode
          held signin-name-change userPrincipalName wanted "ann@x" present "ann.cloud@x": the takeover would change the name this person signs in with
    "#]],
    );
}

/// Two cloud users with the same address: nothing joined by a later criterion, nothing created, both listed.
#[test]
fn ambiguous_candidates_stop_everything() {
    let mut world = World::new(Matching::Automatic);
    for anchor in ["c1", "c2"] {
        let cloud = world.import("cloud", anchor, "mail=ann@x");
        world.sync(cloud);
    }
    let ann = world.import("ad", "a1", ANN);
    check(
        &world.sync(ann),
        expect![[r#"
        DisconnectorProjectedFlow
        mv set {accountEnabled, displayName, mail, sourceAnchor, userPrincipalName}
        cloud no link
          held ambiguous: it matches 2 existing objects by primary-smtp: user ann@x (c1), user ann@x (c2)
          held ambiguous: it matches 2 existing objects by primary-smtp: user ann@x (c1), user ann@x (c2)
    "#]],
    );
}

/// Two people of the source with the same address: neither is matched or created, whoever came first; mending one frees the other.
#[test]
fn ambiguous_sources_are_symmetric() {
    let mut world = World::new(Matching::Automatic);
    let ann = world.import("ad", "a1", ANN);
    world.sync(ann);
    let bob = world.import("ad", "a2", "objectGUID=g2 displayName=Bob mail=ann@x userPrincipalName=bob@x enabled=yes");
    check(
        &world.sync(bob),
        expect![[r#"
            DisconnectorProjectedFlow
            mv set {accountEnabled, displayName, mail, sourceAnchor, userPrincipalName}
            cloud no link
              held ambiguous-source: another person of the metaverse has the same primary-smtp key: ann@x (mv:2)
        "#]],
    );
    let pending = |world: &World| world.objects.values().filter(|object| object.pending.is_some()).count();
    assert_eq!(pending(&world), 0, "the first one's create is withdrawn too");
    world.import("ad", "a2", "objectGUID=g2 displayName=Bob mail=bob@x userPrincipalName=bob@x enabled=yes");
    world.sync(bob);
    assert_eq!(pending(&world), 2);
}

/// The order of the two connectors does not matter: a cloud user that arrives after the create was staged is matched instead.
#[test]
fn a_late_cloud_user_replaces_a_pending_create() {
    let mut world = World::new(Matching::Automatic);
    let ann = world.import("ad", "a1", ANN);
    world.sync(ann);
    let cloud = world.import("cloud", "c1", "mail=ann@x userPrincipalName=ann@x displayName=Old");
    world.sync(cloud);
    assert_eq!(world.objects[&cloud].link.as_ref().map(|link| link.ownership), Some(Ownership::Adopted));
    assert_eq!(world.objects.len(), 2, "the create that was never sent is gone (S38)");
}

/// Invariant 3: export, import, synchronise: nothing is pending; T25: a reverted value is held and not sent again by itself.
#[test]
fn the_second_plan_is_empty_and_reverted_values_are_held() {
    let mut world = World::new(Matching::Automatic);
    let ann = world.import("ad", "a1", ANN);
    world.sync(ann);
    world.export();
    world.confirm();
    check(
        &world.sync(ann),
        expect![[r#"
        ConnectorNoFlow
        mv unchanged
        cloud Provisioned by out-user
          held limitation-read-only proxyAddresses wanted "ann@x" present "": `proxyAddresses` cannot be written in this mode
    "#]],
    );
    world.import("ad", "a1", &ANN.replace("displayName=Ann", "displayName=Anna"));
    world.sync(ann);
    world.export();
    let anchor = world.objects.values().find(|object| &*object.connector == "cloud").unwrap().anchor.clone().unwrap();
    world.import(
        "cloud",
        &anchor.to_string(),
        "onPremisesImmutableId=g1 displayName=Ann mail=ann@x userPrincipalName=ann@x accountEnabled=yes",
    );
    check(
        &world.sync(ann),
        expect![[r#"
        ConnectorNoFlow
        mv unchanged
        cloud Provisioned by out-user
          held exported-change-not-reimported displayName wanted "Anna" present "Ann": the connected system accepted the value and returned another one
          held limitation-read-only proxyAddresses wanted "ann@x" present "": `proxyAddresses` cannot be written in this mode
    "#]],
    );
    // Another wanted value is another change, and is sent.
    world.import("ad", "a1", &ANN.replace("displayName=Ann", "displayName=Annie"));
    check(
        &world.sync(ann),
        expect![[r#"
        ConnectorFlow
        mv set {displayName}
        cloud Provisioned by out-user
          Update { rename: None, changes: AttributesDelta({displayName: Replace("Annie")}), afterwards: AttributesDelta({}), takeover: false } Pending
          held limitation-read-only proxyAddresses wanted "ann@x" present "": `proxyAddresses` cannot be written in this mode
    "#]],
    );
}

/// S33, S34, S36, S38: deletion and leaving scope, before and after the export.
#[test]
fn leaving() {
    let mut world = World::new(Matching::Automatic);
    let ann = world.import("ad", "a1", ANN);
    world.sync(ann);
    world.import("ad", "a1", &format!("{ANN} adminDescription=Hidden"));
    check(
        &world.sync(ann),
        expect![[r#"
            ConnectorFilteredRemoveMv
            mv delete: left the scope of the provisioning rule
            cloud no link
        "#]],
    );
    assert!(world.metaverse.is_empty());
    world.import("ad", "a1", ANN);
    world.sync(ann);
    world.export();
    world.confirm();
    world.delete(ann);
    check(
        &world.sync(ann),
        expect![[r#"
        ConnectorDeleteRemoveMv
        mv delete: deleted in the source directory
        cloud no link
          Delete { cause: DeletedInSource, ownership: Provisioned } Pending
    "#]],
    );
}

/// SF20: the account the deployment binds with is never synchronised, and the reason is told.
#[test]
fn own_accounts_stay_out() {
    let mut world = World::new(Matching::Automatic);
    world.run.own_accounts = vec![("objectGUID".into(), Value::text("g1"), "CORP\\svc-metasync".into())];
    let ann = world.import("ad", "a1", ANN);
    let plan = world.sync(ann);
    check(
        &plan,
        expect![[r#"
        DisconnectorFiltered
    "#]],
    );
    assert!(matches!(plan.join, Some(LinkReason::NeverSync { reason }) if reason.contains("svc-metasync")));
}

/// S41-S43: the lowest number wins whoever came last; a value that goes gives way to the next in the same pass.
#[test]
fn precedence_is_no_last_writer() {
    let mut world = World::new(Matching::Automatic);
    let mut second = rule("in-hr", Direction::Inbound, "hr", ("user", "person"), LinkType::Join, 50);
    second.flows = vec![flow("displayName", "[displayName]")];
    second.scope = vec![vec![clause("active", Operator::NotEqual, "no")]];
    let key = world.run.rules.keys.iter().position(|key| key.identity.contains("Metaverse person [mail]")).unwrap();
    second.join = vec![JoinGroup {
        criterion: Criterion::Plain("mail".into()),
        target_type: None,
        clauses: vec![JoinClause {
            source: Expression::parse("[mail]").unwrap(),
            target: Expression::parse("[mail]").unwrap(),
            exact: false,
            source_key: KeyId(99),
            target_key: KeyId(key),
        }],
    }];
    world.run.rules.rules.insert(0, second);
    let ann = world.import("ad", "a1", ANN);
    world.sync(ann);
    let hr = world.import("hr", "h1", "mail=ann@x displayName=Ann_Smith");
    check(
        &world.sync(hr),
        expect![[r#"
        DisconnectorJoinedFlow
        mv set {displayName}
        cloud Provisioned by out-user
          Add { attributes: {accountEnabled: True, displayName: "Ann Smith", mail: "ann@x", onPremisesImmutableId: "g1", userPrincipalName: "ann@x"} } Pending
          held limitation-read-only proxyAddresses wanted "ann@x" present "": `proxyAddresses` cannot be written in this mode
    "#]],
    );
    let name =
        |world: &World| world.metaverse.values().next().unwrap().attributes.get("displayName").unwrap().values.clone();
    assert_eq!(name(&world), Value::text("Ann Smith").into());
    world.import("ad", "a1", &ANN.replace("displayName=Ann", "displayName=Later"));
    world.sync(ann);
    assert_eq!(name(&world), Value::text("Ann Smith").into());
    world.import("hr", "h1", "mail=ann@x");
    world.sync(hr);
    assert_eq!(name(&world), Value::text("Later").into());
    // S21: a second object of the same space is an error and changes nothing.
    let twin = world.import("hr", "h2", "mail=ann@x displayName=Other");
    check(
        &world.sync(twin),
        expect![[r#"
        FlowFailure
        error ambiguous-import-flow-from-multiple-connectors: mv:2 matches, but it already has cs:4 of the same connector space
    "#]],
    );
}

/// SF9: an object in the recycle bin with our anchor is brought back instead of created, and is ours again when it returns
/// as a user; a twin with only the same address is held with its age.
#[test]
fn deleted_objects_are_restored_by_anchor_and_held_by_address() {
    let world = |criterion: Criterion, source: &str, target: &str| {
        let mut world = World::new(Matching::Automatic);
        let mut key = |space, object_type: &str, text: &str| {
            let expression = Expression::parse(text).unwrap();
            world.run.rules.keys.push(KeyDefinition {
                space,
                object_type: Some(object_type.into()),
                expression,
                exact: criterion.is_exact(),
                identity: text.into(),
            });
            KeyId(world.run.rules.keys.len() - 1)
        };
        let clause = JoinClause {
            source: Expression::parse(source).unwrap(),
            target: Expression::parse(target).unwrap(),
            exact: criterion.is_exact(),
            source_key: key(KeySpace::Metaverse, "person", source),
            target_key: key(KeySpace::Connector("cloud".into()), "deletedUser", target),
        };
        let group = JoinGroup { criterion, target_type: Some("deletedUser".into()), clauses: vec![clause] };
        world.run.rules.rules[1].join.push(group);
        world
    };
    const DELETED: &str =
        "onPremisesImmutableId=g1 mail=ann@x userPrincipalName=ann@x displayName=Ann deletedDateTime=2026-11-01";

    let mut restored = world(Criterion::DeletedAnchor, "[sourceAnchor]", "[onPremisesImmutableId]");
    let cloud = restored.import("cloud", "c1", DELETED);
    restored.objects.get_mut(&cloud).unwrap().object_type = "deletedUser".into();
    restored.sync(cloud);
    let ann = restored.import("ad", "a1", ANN);
    check(
        &restored.sync(ann),
        expect![[r#"
        DisconnectorProjectedFlow
        mv set {accountEnabled, displayName, mail, sourceAnchor, userPrincipalName}
        cloud Adopted by out-user
          Restore { changes: AttributesDelta({accountEnabled: Replace(True)}), afterwards: AttributesDelta({}) } Pending
          held limitation-read-only proxyAddresses wanted "ann@x" present "": `proxyAddresses` cannot be written in this mode
    "#]],
    );
    restored.export();
    restored.import("cloud", "c1", &DELETED.replace("displayName=Ann", "displayName=Ann accountEnabled=yes"));
    let object = restored.objects.get_mut(&cloud).unwrap();
    object.object_type = "user".into();
    let Some(Staged::Image(image)) = object.staged.take() else { panic!("staged") };
    object.staged = Some(Staged::Replaced(image));
    check(
        &restored.sync(cloud),
        expect![[r#"
        ConnectorNoFlow
        mv unchanged
        cloud Adopted by out-user
          held limitation-read-only proxyAddresses wanted "ann@x" present "": `proxyAddresses` cannot be written in this mode
    "#]],
    );

    let mut twin = world(Criterion::DeletedTwin, "[mail]", "[mail]");
    let cloud = twin.import("cloud", "c1", &DELETED.replace("=g1", "=another"));
    twin.objects.get_mut(&cloud).unwrap().object_type = "deletedUser".into();
    twin.sync(cloud);
    let ann = twin.import("ad", "a1", ANN);
    check(
        &twin.sync(ann),
        expect![[r#"
        DisconnectorProjectedFlow
        mv set {accountEnabled, displayName, mail, sourceAnchor, userPrincipalName}
        cloud no link
          held deleted-twin: an object with the same name or address is in the recycle bin: deletedUser ann@x (c1), deleted 2026-11-01, no licence
    "#]],
    );
}

/// D36: anchors are case-sensitive; two people whose base64 anchors differ by case alone are two people.
#[test]
fn anchors_that_differ_by_case_are_not_the_same() {
    let mut world = World::new(Matching::Automatic);
    for (anchor, guid, mail) in [("a1", "Wlpa", "ann@x"), ("a2", "WlpA", "bob@x")] {
        let id = world.import(
            "ad",
            anchor,
            &format!("objectGUID={guid} displayName=N mail={mail} userPrincipalName={mail} enabled=yes"),
        );
        world.sync(id);
    }
    assert_eq!(world.objects.values().filter(|object| object.pending.is_some()).count(), 2);
}

/// X49: what is drawn is drawn for one object and attribute. Deciding twice gives the same value, and the same again for
/// the metaverse object that has a number by then.
#[test]
fn x49_a_drawn_value_is_that_of_its_object_and_attribute() {
    let mut world = World::new(Matching::Review);
    for target in ["nickname", "alias"] {
        let drawn = Flow { once: true, ..flow(target, "Guid()") };
        world.run.rules.rules[1].flows.push(drawn);
    }
    let added = |plan: &ObjectPlan| {
        let Some(PendingExport { operation: PendingOperation::Add { attributes, .. }, .. }) = &plan.targets[0].pending
        else {
            panic!("{}", show(plan));
        };
        ["nickname", "alias"].map(|name| attributes.get(name).unwrap().first().unwrap().clone())
    };
    let ann = world.import("ad", "a1", ANN);
    let [nickname, alias] = added(&world.plan(Subject::Connector(ann)));
    assert_ne!(nickname, alias, "each attribute draws its own");
    assert_eq!(added(&world.sync(ann)), [nickname.clone(), alias.clone()], "preview is the run");
    world.import("ad", "a1", &ANN.replace("displayName=Ann", "displayName=Anna"));
    assert_eq!(added(&world.sync(ann)), [nickname.clone(), alias], "not exported yet, and decided again");
    let bob = world.import("ad", "b1", "objectGUID=g2 displayName=Bob mail=bob@x userPrincipalName=bob@x enabled=yes");
    assert_ne!(added(&world.sync(bob))[0], nickname, "another object draws another");
}

/// X49, SF28: an expression that draws reads the instant of its run as every other one does.
#[test]
fn sf28_what_draws_reads_the_clock_of_the_run() {
    let mut world = World::new(Matching::Review);
    world.run.now = 1_767_312_000_000_000; // 2026-01-02; the text names the day before
    let text = r#"IIF(Now() > DateFromNum(134116992000000000), "later", Guid())"#;
    world.run.rules.rules[1].flows.push(flow("nickname", text));
    let ann = world.import("ad", "a1", ANN);
    let plan = world.sync(ann);
    let Some(PendingExport { operation: PendingOperation::Add { attributes }, .. }) = &plan.targets[0].pending else {
        panic!("{}", show(&plan));
    };
    assert_eq!(attributes.text("nickname"), Some("later"));
}
