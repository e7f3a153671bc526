//! Creates, updates, deletes, detaches, restores, members and managers, as the tenant stored them.

use super::world::{World, anchor, attributes, delta, group, link, permissions, told, update, user, world, world_with};
use azure_ad_emulator::Knobs;
use connector_contract::{Connector as _, CreateRequest, ExportOperation, ExportOutcome};
use metaverse_schema::{Anchor, AttributeChange, ObjectType, Value, Values};
use serde_json::json;

fn people(count: usize) -> serde_json::Value {
    let user =
        |number| json!({"userPrincipalName": format!("u{number}@contoso.com"), "displayName": format!("U{number}")});
    (0..count).map(user).collect()
}

async fn imported(seed: serde_json::Value) -> World {
    let mut world = world(seed).await;
    world.import_full().await.unwrap();
    world.tenant.clear_request_log();
    world
}

fn create(request: CreateRequest) -> ExportOperation {
    ExportOperation::Create(request)
}

/// The immutable id is in the create itself, the password nowhere but on the wire, and two users need one batch.
#[tokio::test]
async fn users_are_created_with_their_anchor() {
    let mut world = imported(json!({"users": people(2)})).await;
    let mut ann =
        user("Ann Lee", &[("mail", "Ann@contoso.com"), ("department", "Sales"), ("extensionAttribute3", "x")]);
    ann.references = vec![link("manager", &world.space.anchor("U1"), true)];
    let outcomes = world.export("user", vec![create(ann), create(user("Bob", &[("accountEnabled", "false")]))]).await;
    let ids: Vec<Anchor> = outcomes.iter().map(anchor).collect();

    let stored = world.stored("users", "Ann Lee");
    assert_eq!(stored["id"], ids[0].to_string());
    assert_eq!(stored["onPremisesImmutableId"], "anchor-of-Ann-Lee");
    assert_eq!(stored["mailNickname"], "Ann", "the prefix of mail");
    assert_eq!(stored["onPremisesExtensionAttributes"]["extensionAttribute3"], "x");
    assert_eq!(stored["manager"], world.space.anchor("U1").to_string());
    let log = world.tenant.request_log();
    let posts: Vec<_> =
        log.iter().filter(|request| request.method == "POST" && request.path.ends_with("/users")).collect();
    assert_eq!(posts.len(), 2);
    assert_eq!(posts[0].batch, posts[1].batch, "one batch");
    assert!(posts.iter().all(|post| post.client_request_id.is_some() || post.batch.is_some()));
    let body = posts[0].body.clone().unwrap();
    assert_eq!(body["onPremisesImmutableId"], "anchor-of-Ann-Lee");
    assert_eq!(body["passwordProfile"]["forceChangePasswordNextSignIn"], true);
    let bin = log.iter().position(|request| request.path.contains("deletedItems")).unwrap();
    let first = log.iter().position(|request| request.path.ends_with("/users")).unwrap();
    assert!(bin < first, "SF9: the bin is looked into before the create");
}

/// F.7: a taken sign-in name in another case is a conflict with its attribute named; nothing is merged or doubled.
#[tokio::test]
async fn a_taken_name_is_refused_by_attribute() {
    let mut world = imported(json!({"users": people(1)})).await;
    let upn = user("U0 Twin", &[]);
    let mut taken = upn.clone();
    taken.attributes.set("userPrincipalName", Value::text("U0@CONTOSO.com"));
    let outcomes = world.export("user", vec![create(taken), create(upn)]).await;
    assert_eq!(told(&outcomes[0]), "AttributeValueMustBeUnique userPrincipalName");
    assert_eq!(told(&outcomes[1]), "accepted");
    assert_eq!(world.all_stored("users").len(), 2);
    let unverified = user("Eve", &[]);
    let mut unverified = unverified;
    unverified.attributes.set("userPrincipalName", Value::text("eve@fabrikam.example"));
    assert!(matches!(world.export_one("user", create(unverified)).await, ExportOutcome::Refused(_)));
}

/// A security group by its unique name, with 45 members in chunks; a second create is the same group.
#[tokio::test]
async fn groups_are_created_once_with_all_members() {
    let mut world = imported(json!({"users": people(45)})).await;
    let everyone: Vec<Anchor> = (0..45).map(|number| world.space.anchor(&format!("U{number}"))).collect();
    let first = anchor(&world.export_one("group", create(group("Sales", &everyone))).await);
    let mut wanted: Vec<String> = everyone.iter().map(Anchor::to_string).collect();
    let mut members = world.members("Sales");
    wanted.sort();
    members.sort();
    assert_eq!(members, wanted);
    assert_eq!(world.requests("PATCH", &format!("/groups/{first}")), 3, "three chunks of at most 20");
    assert_eq!(world.requests("POST", "/members/$ref"), 0);

    let again = world.export_one("group", create(group("Sales", &everyone[..3]))).await;
    assert_eq!(anchor(&again), first, "already so is success");
    assert_eq!(world.all_stored("groups").len(), 1);
    let exporter = world.connector.exporter().unwrap();
    let found = exporter.find_created(&ObjectType::new("group"), &group("Sales", &[])).await.unwrap();
    assert_eq!(found, Some(first));
    assert_eq!(exporter.find_created(&ObjectType::new("group"), &group("Other", &[])).await.unwrap(), None);
}

/// Named limitations, never another kind and never dropped.
#[tokio::test]
async fn what_graph_mode_cannot_write_is_refused_by_name() {
    let mut world =
        imported(json!({"users": people(1), "contacts": [{"displayName": "C", "mail": "c@x.example"}]})).await;
    let with = |request: CreateRequest, name: &str, value: &str| {
        let mut request = request;
        request.attributes.set(name, attributes(&[(name, value)]).get(name).unwrap().clone());
        create(request)
    };
    let outcomes = world
        .export(
            "group",
            vec![with(group("DL", &[]), "mailEnabled", "true"), with(group("Office", &[]), "securityEnabled", "false")],
        )
        .await;
    assert_eq!(told(&outcomes[0]), "limitation-mail-enabled-security-group");
    assert_eq!(told(&outcomes[1]), "limitation-distribution-group");
    let proxies = with(user("P", &[]), "proxyAddresses", "SMTP:p@contoso.com");
    assert_eq!(told(&world.export_one("user", proxies).await), "limitation-read-only proxyAddresses");
    assert_eq!(told(&world.export_one("contact", create(user("C2", &[]))).await), "limitation-contact");
    let contact = world.space.anchor("C");
    assert_eq!(
        told(&world.export_one("contact", ExportOperation::Delete { anchor: contact }).await),
        "limitation-contact"
    );
    let anchor = world.space.anchor("U0");
    let synced = ExportOperation::Update(update(&anchor, &[("department", "X"), ("onPremisesSyncEnabled", "true")]));
    assert_eq!(told(&world.export_one("user", synced).await), "limitation-read-only onPremisesSyncEnabled");
    assert_eq!(world.tenant.successful_writes(), 0);
}

/// Changed attributes and nothing else; clears; extension attributes merge; lists are written whole.
#[tokio::test]
async fn updates_change_what_they_name() {
    let mut seed = json!({"users": people(2)});
    seed["users"][0] = json!({"userPrincipalName": "u0@contoso.com", "displayName": "U0", "jobTitle": "Boss", "city": "Bern",
        "otherMails": ["a@x.example", "b@x.example"], "usageLocation": "CH",
        "onPremisesExtensionAttributes": {"extensionAttribute1": "keep", "extensionAttribute2": "clear"}});
    let mut world = imported(seed).await;
    let anchor = world.space.anchor("U0");
    let mut request = update(
        &anchor,
        &[("jobTitle", "Chief"), ("city", ""), ("extensionAttribute2", ""), ("extensionAttribute9", "9")],
    );
    let values = |text: &str| Values::single(Value::text(text));
    let change = AttributeChange::Update { add: values("c@x.example"), remove: values("a@x.example") };
    request.changes.0.insert("otherMails".into(), change);
    request.afterwards = delta(&[("onPremisesImmutableId", "U1RBTVA=")]);
    assert_eq!(told(&world.export_one("user", ExportOperation::Update(request)).await), "accepted");
    let stored = world.stored("users", "U0");
    assert_eq!((&stored["jobTitle"], &stored["usageLocation"]), (&json!("Chief"), &json!("CH")));
    assert_eq!(stored.get("city"), None);
    assert_eq!(stored["otherMails"], json!(["b@x.example", "c@x.example"]));
    let extensions = &stored["onPremisesExtensionAttributes"];
    assert_eq!((&extensions["extensionAttribute1"], &extensions["extensionAttribute9"]), (&json!("keep"), &json!("9")));
    assert!(extensions["extensionAttribute2"].is_null());
    assert_eq!(stored["onPremisesImmutableId"], "U1RBTVA=");
    assert_eq!(world.requests("PATCH", "/users/"), 2, "one for the changes, one for the stamp");
}

/// SF2: a failed attribute write leaves no stamp.
#[tokio::test]
async fn sf02_a_refused_change_leaves_no_stamp() {
    let mut world = imported(json!({"users": people(2)})).await;
    let anchor = world.space.anchor("U0");
    let mut request = update(&anchor, &[("userPrincipalName", "u1@contoso.com")]);
    request.afterwards = delta(&[("onPremisesImmutableId", "U1RBTVA=")]);
    let outcome = world.export_one("user", ExportOperation::Update(request)).await;
    assert_eq!(told(&outcome), "AttributeValueMustBeUnique userPrincipalName");
    assert_eq!(world.stored("users", "U0").get("onPremisesImmutableId"), None);

    let mut request = update(&anchor, &[("department", "X")]);
    request.references = vec![link("manager", &Anchor::Text("00000000-0000-4000-8000-000000000001".to_owned()), true)];
    request.afterwards = delta(&[("onPremisesImmutableId", "U1RBTVA=")]);
    let outcome = world.export_one("user", ExportOperation::Update(request)).await;
    assert_eq!(told(&outcome), "dn-attributes-failure");
    let stored = world.stored("users", "U0");
    assert_eq!((stored.get("onPremisesImmutableId"), &stored["department"]), (None, &json!("X")));
}

/// All or nothing per chunk: the unknown member is found and named, the others go in, those that were in count as done;
/// removals go by reference only, and the removed user lives on (F.14 to F.16).
#[tokio::test]
async fn members_are_added_and_removed_one_way() {
    let mut world = imported(
        json!({"users": people(30), "groups": [{"displayName": "G", "members": ["u0@contoso.com", "u1@contoso.com"]}]}),
    )
    .await;
    let at = |world: &World, number: usize| world.space.anchor(&format!("U{number}"));
    let unknown = Anchor::Text("00000000-0000-4000-8000-000000000001".to_owned());
    let mut request = update(&world.space.anchor("G"), &[]);
    request.references = (1..30).map(|number| link("members", &at(&world, number), true)).collect();
    request.references.push(link("members", &unknown, true));
    request.references.push(link("members", &at(&world, 0), false));
    request.references.push(link("members", &at(&world, 29), true));
    let outcome = world.export_one("group", ExportOperation::Update(request)).await;
    let ExportOutcome::Accepted { failed_references, .. } = &outcome else { panic!("{outcome:?}") };
    assert_eq!(failed_references.len(), 1, "{failed_references:?}");
    let (change, problem) = &failed_references[0];
    assert_eq!((&change.target, problem.code.as_str(), problem.retry), (&unknown, "dn-attributes-failure", true));
    assert_eq!(world.members("G").len(), 29);
    assert_eq!(world.all_stored("users").len(), 30, "nobody was deleted");
    let log = world.tenant.request_log();
    let removals: Vec<_> = log.iter().filter(|request| request.method == "DELETE").collect();
    assert!(!removals.is_empty() && removals.iter().all(|request| request.path.ends_with("/$ref")), "{removals:?}");

    // Removing whom the group does not have is done already.
    let mut request = update(&world.space.anchor("G"), &[]);
    request.references = vec![link("members", &at(&world, 0), false)];
    assert_eq!(told(&world.export_one("group", ExportOperation::Update(request)).await), "accepted");
}

/// SF19: membership of such groups is never a target.
#[tokio::test]
async fn closed_groups_keep_their_members() {
    let seed = json!({"users": people(1), "groups": [
        {"displayName": "Dynamic", "groupTypes": ["DynamicMembership"], "membershipRule": "user.department -eq \"x\""},
        {"displayName": "Office", "groupTypes": ["Unified"], "mailEnabled": true, "securityEnabled": false, "mail": "office@contoso.com"},
        {"displayName": "Admins", "isAssignableToRole": true},
        {"displayName": "List", "mailEnabled": true, "securityEnabled": false, "mail": "list@contoso.com"},
        {"displayName": "Synced", "onPremisesSyncEnabled": true}]});
    let mut world = imported(seed).await;
    let mut told_of = Vec::new();
    for name in ["Dynamic", "Office", "Admins", "List", "Synced"] {
        let mut request = update(&world.space.anchor(name), &[]);
        request.references = vec![link("members", &world.space.anchor("U0"), true)];
        told_of.push(told(&world.export_one("group", ExportOperation::Update(request)).await));
    }
    assert_eq!(
        told_of,
        [
            "accepted but 1 references: limitation-dynamic-group",
            "accepted but 1 references: limitation-microsoft-365-group",
            "accepted but 1 references: limitation-role-assignable-group",
            "limitation-mail-enabled-security-group",
            "limitation-synced-object",
        ]
    );
    assert_eq!(world.tenant.successful_writes(), 0);
}

/// What another tool synchronises is neither written nor deleted nor detached, though the service would let some of it.
#[tokio::test]
async fn synced_users_are_never_written() {
    let mut seed = json!({"users": people(1)});
    seed["users"][0]["onPremisesSyncEnabled"] = json!(true);
    let mut world = imported(seed).await;
    let anchor = world.space.anchor("U0");
    for operation in [
        ExportOperation::Update(update(&anchor, &[("usageLocation", "DE")])),
        ExportOperation::Delete { anchor: anchor.clone() },
        ExportOperation::Detach { anchor: anchor.clone() },
    ] {
        assert_eq!(told(&world.export_one("user", operation).await), "limitation-synced-object");
    }
    assert_eq!(world.tenant.successful_writes(), 0);
}

/// SF30: what was moved to the cloud is neither written nor deleted nor detached; whose a group is is asked too, and where the
/// tenant does not tell, nothing is written either.
#[tokio::test]
async fn sf30_what_is_managed_in_the_cloud_is_never_written() {
    let seed = || {
        json!({"tenant": {"onPremisesSyncEnabled": true},
            "users": [
                {"userPrincipalName": "moved@contoso.com", "displayName": "Moved", "isCloudManaged": true},
                {"userPrincipalName": "native@contoso.com", "displayName": "Native"}],
            "groups": [{"displayName": "Moved group", "isCloudManaged": true}]})
    };
    let mut world = imported(seed()).await;
    let (moved, native) = (world.space.anchor("Moved"), world.space.anchor("Native"));
    let group = world.space.anchor("Moved group");
    for operation in [
        ExportOperation::Update(update(&moved, &[("department", "X")])),
        ExportOperation::Delete { anchor: moved.clone() },
        ExportOperation::Detach { anchor: moved.clone() },
    ] {
        assert_eq!(told(&world.export_one("user", operation).await), "limitation-cloud-managed-object");
    }
    for operation in [
        ExportOperation::Update(update(&group, &[("description", "X")])),
        ExportOperation::Delete { anchor: group.clone() },
    ] {
        assert_eq!(told(&world.export_one("group", operation).await), "limitation-cloud-managed-object");
    }
    assert_eq!(world.tenant.successful_writes(), 0);
    let change = || ExportOperation::Update(update(&native, &[("department", "X")]));
    assert_eq!(told(&world.export_one("user", change()).await), "accepted");

    let without: Vec<&str> = permissions().into_iter().filter(|right| !right.contains("SyncBehavior")).collect();
    let mut blind = world_with(seed(), without, Knobs::default(), |_| {}).await;
    blind.import_full().await.unwrap();
    let native = blind.space.anchor("Native");
    let change = ExportOperation::Update(update(&native, &[("department", "X")]));
    assert_eq!(told(&blind.export_one("user", change).await), "permission-issue");
    assert_eq!(blind.tenant.successful_writes(), 0);
    let check = blind.connector.check().await;
    let missing = check.findings.iter().filter(|it| it.code == "permission-missing").map(|it| it.remedy.as_str());
    assert!(missing.clone().any(|it| it.contains("User-OnPremisesSyncBehavior.ReadWrite.All")), "{check:#?}");
}

/// Deleted into the bin; a second time it is gone already, which is success.
#[tokio::test]
async fn deletes_are_done_once_and_again() {
    let mut world = imported(json!({"users": people(2), "groups": [{"displayName": "G"}]})).await;
    let user = ExportOperation::Delete { anchor: world.space.anchor("U0") };
    let group = ExportOperation::Delete { anchor: world.space.anchor("G") };
    for _ in 0..2 {
        assert_eq!(told(&world.export_one("user", user.clone()).await), "accepted");
        assert_eq!(told(&world.export_one("group", group.clone()).await), "accepted");
    }
    assert_eq!((world.all_stored("users").len(), world.all_stored("groups").len()), (1, 0));
    assert_eq!(world.all_stored("deletedItems").len(), 1);
}

/// SF4: blocked, sessions revoked, stamp cleared, object kept.
#[tokio::test]
async fn sf04_a_detached_user_is_blocked_and_unstamped() {
    let mut seed = json!({"users": people(1)});
    seed["users"][0]["onPremisesImmutableId"] = json!("QUFB");
    let mut world = imported(seed).await;
    let anchor = world.space.anchor("U0");
    assert_eq!(told(&world.export_one("user", ExportOperation::Detach { anchor: anchor.clone() }).await), "accepted");
    let stored = world.stored("users", "U0");
    assert_eq!((&stored["accountEnabled"], stored.get("onPremisesImmutableId")), (&json!(false), None));
    assert_eq!(world.requests("POST", "revokeSignInSessions"), 1);
    // A step that is refused is named with what was done before it.
    let fault = json!({"method": "POST", "path": "revokeSignInSessions", "action": {"kind": "status", "status": 403}});
    let fault = serde_json::from_value(fault).unwrap();
    world.tenant.update_knobs(|knobs| knobs.faults = vec![fault]).unwrap();
    let outcome = world.export_one("user", ExportOperation::Detach { anchor }).await;
    let ExportOutcome::Refused(problem) = outcome else { panic!("{outcome:?}") };
    assert_eq!(problem.code, "permission-issue");
    assert!(
        problem.message.contains("revoking the sessions") && problem.message.ends_with("the sign-in is blocked"),
        "{}",
        problem.message
    );
}

/// F.25: a restore keeps id and anchor, then writes the changes; sent again it is still success; a taken name is refused.
#[tokio::test]
async fn sf09_a_deleted_user_is_restored() {
    let seed = json!({"users": people(1), "deletedUsers": [
        {"userPrincipalName": "old@contoso.com", "displayName": "Old", "onPremisesImmutableId": "T0xE"},
        {"userPrincipalName": "u0@contoso.com", "displayName": "Taken"}]});
    let mut world = imported(seed).await;
    let old = world.space.anchor("Old");
    let restore = ExportOperation::Restore(update(&old, &[("department", "Back")]));
    for _ in 0..2 {
        assert_eq!(told(&world.export_one("deletedUser", restore.clone()).await), "accepted");
    }
    let stored = world.stored("users", "Old");
    assert_eq!((&stored["id"], &stored["department"]), (&json!(old.to_string()), &json!("Back")));
    assert_eq!(
        (&stored["onPremisesImmutableId"], &stored["userPrincipalName"]),
        (&json!("T0xE"), &json!("old@contoso.com"))
    );
    let taken = ExportOperation::Restore(update(&world.space.anchor("Taken"), &[]));
    assert_eq!(told(&world.export_one("deletedUser", taken).await), "AttributeValueMustBeUnique userPrincipalName");
    let nobody = Anchor::Text("00000000-0000-4000-8000-000000000001".to_owned());
    assert_eq!(
        told(&world.export_one("user", ExportOperation::Restore(update(&nobody, &[]))).await),
        "cd-missing-object"
    );
}

/// Items keep the engine's order where it matters: a name freed by a delete is taken by the create behind it.
#[tokio::test]
async fn operations_of_one_call_keep_their_order() {
    let mut world = imported(json!({"users": people(1)})).await;
    let mut successor = user("Successor", &[]);
    successor.attributes.set("userPrincipalName", Value::text("successor@contoso.com"));
    successor.attributes.set("mail", Value::text("u0@contoso.com"));
    let rename =
        ExportOperation::Update(update(&world.space.anchor("U0"), &[("userPrincipalName", "gone@contoso.com")]));
    let outcomes = world.export("user", vec![rename, create(successor)]).await;
    assert_eq!(outcomes.iter().map(told).collect::<Vec<_>>(), ["accepted", "accepted"]);
}
