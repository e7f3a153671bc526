//! Throttling, outages, broken replies and replication delay: nothing is lost, nothing is doubled, nothing is obsoleted.

use super::world::{World, anchor, connector, group, link, permissions, told, update, user, world, world_with};
use azure_ad_emulator::{FaultRule, Knobs, MailClash, ThrottleKnobs};
use connector_azure_ad::Settings;
use connector_contract::{Connector as _, ErrorKind, ExportOperation, PrivilegeFact};
use graph_contract::Watch;
use metaverse_schema::{Anchor, ObjectType};
use serde_json::json;
use std::time::{Duration, Instant};

fn people(count: usize) -> serde_json::Value {
    let user =
        |number| json!({"userPrincipalName": format!("u{number}@contoso.com"), "displayName": format!("U{number}")});
    json!({"users": (0..count).map(user).collect::<Vec<_>>()})
}

fn faults(world: &World, rules: serde_json::Value) {
    let rules: Vec<FaultRule> = serde_json::from_value(rules).unwrap();
    world.tenant.update_knobs(|knobs| knobs.faults = rules).unwrap();
}

fn new_users(count: usize) -> Vec<ExportOperation> {
    (0..count).map(|number| ExportOperation::Create(user(&format!("New{number}"), &[]))).collect()
}

/// F.22, F.23: throttled items of a batch wait as long as told and go again alone; all users exist once.
#[tokio::test]
async fn f22_f23_throttled_items_are_sent_again_alone() {
    let mut world = world(json!({})).await;
    faults(
        &world,
        json!([
        {"method": "POST", "path": "/users", "nth": 3, "times": 2, "action": {"kind": "status", "status": 429, "retry_after_s": 1}},
        {"method": "POST", "path": "/users", "nth": 9, "times": 3, "action": {"kind": "status", "status": 429}},
        {"method": "POST", "path": "/users", "nth": 15, "action": {"kind": "status", "status": 503, "retry_after_s": 1}}]),
    );
    let started = Instant::now();
    let outcomes = world.export("user", new_users(20)).await;
    assert!(outcomes.iter().all(|outcome| told(outcome) == "accepted"), "{outcomes:?}");
    assert!(started.elapsed() >= Duration::from_secs(1), "Retry-After was obeyed");
    assert_eq!(world.all_stored("users").len(), 20);
    let log = world.tenant.request_log();
    let applied = log.iter().filter(|request| request.applied).count();
    let posts = log.iter().filter(|request| request.method == "POST" && request.path.ends_with("/users")).count();
    assert_eq!((applied, posts), (20, 26), "20 creates and 6 repeated ones");
}

/// The real token bucket: a small one is waited for, and the whole lot arrives once.
#[tokio::test]
async fn f23_a_write_quota_is_waited_for() {
    let throttle = ThrottleKnobs { writes: 10, write_window_ms: 1500, ..ThrottleKnobs::default() };
    let knobs = Knobs { throttle, ..Knobs::default() };
    let mut world = world_with(json!({}), permissions(), knobs, |_| {}).await;
    let outcomes = world.export("user", new_users(20)).await;
    assert!(outcomes.iter().all(|outcome| told(outcome) == "accepted"), "{outcomes:?}");
    assert_eq!(world.all_stored("users").len(), 20);
}

/// S8: from the service's warning on, writes go at the rate of its bucket: none is refused, so none is sent twice.
#[tokio::test]
async fn f23_writes_keep_to_the_rate_of_the_bucket_once_the_service_warns() {
    let throttle = ThrottleKnobs {
        writes: 500,
        write_window_ms: 2_500,
        resource_units: Some(1_000_000),
        ..ThrottleKnobs::default()
    };
    let knobs = Knobs { throttle, ..Knobs::default() };
    let mut world = world_with(json!({}), permissions(), knobs, |settings| {
        (settings.write_limit, settings.write_window) = (500, Duration::from_millis(2_500));
    })
    .await;
    let started = Instant::now();
    let outcomes = world.export("user", new_users(900)).await;
    let seconds = started.elapsed().as_secs_f64();
    assert!(outcomes.iter().all(|outcome| told(outcome) == "accepted"), "{outcomes:?}");
    assert_eq!(world.all_stored("users").len(), 900);
    let log = world.tenant.request_log();
    let posts: Vec<u16> = log
        .iter()
        .filter(|request| request.method == "POST" && request.path.ends_with("/users"))
        .map(|request| request.status)
        .collect();
    assert_eq!((posts.len(), posts.iter().filter(|status| **status == 429).count()), (900, 0), "nothing is sent twice");
    // 500 at once and 200 a second.
    assert!(seconds >= 1.9, "the tenant's own bucket let no more through: {seconds}");
}

/// A.8: reads cost resource units. From the service's warning on they go at the rate at which those come back: nothing is refused,
/// and everything is read.
#[tokio::test]
async fn f23_reads_keep_to_the_resource_units_once_the_service_warns() {
    let throttle = ThrottleKnobs {
        writes: 1_000_000,
        resource_units: Some(500),
        resource_window_ms: 2_500,
        ..ThrottleKnobs::default()
    };
    let knobs = Knobs { throttle, ..Knobs::default() };
    let mut world = world_with(json!({}), permissions(), knobs, |settings| {
        settings.write_limit = 1_000_000;
        (settings.unit_limit, settings.unit_window) = (500, Duration::from_millis(2_500));
    })
    .await;
    let outcomes = world.export("user", new_users(600)).await;
    let anchors: Vec<_> = outcomes.iter().map(anchor).collect();
    let read = world.connector.object_reader().unwrap().read_objects(&anchors).await.unwrap();
    assert_eq!(read.len(), 600);
    let refused = world.tenant.request_log().iter().filter(|request| request.status == 429).count();
    assert_eq!(refused, 0, "nothing is asked twice");
}

/// Longer than the settings allow: not settled and certainly not arrived; the next call says when to come back.
#[tokio::test]
async fn f23_too_long_a_wait_is_handed_back() {
    let mut world =
        world_with(json!({}), permissions(), Knobs::default(), |settings| settings.max_wait = Duration::from_secs(2))
            .await;
    faults(
        &world,
        json!([{"method": "POST", "path": "/users", "action": {"kind": "status", "status": 429, "retry_after_s": 600}}]),
    );
    let outcome = world.export_one("user", ExportOperation::Create(user("A", &[]))).await;
    assert_eq!(told(&outcome), "not settled, may have arrived: false");
    let item = connector_contract::ExportItem {
        id: 7,
        object_type: ObjectType::new("user"),
        operation: ExportOperation::Create(user("A", &[])),
        named_by: metaverse_schema::Attributes::new(),
    };
    let error = world.connector.exporter().unwrap().export(&[item]).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::BackOff { wait } if wait > Duration::from_secs(500)), "{error:?}");
}

/// F.23: the connection breaks after the create was applied. The engine is told that it may have arrived, looks it up, and
/// finds it; a create that goes out again all the same meets itself and is recognised.
#[tokio::test]
async fn f23_a_create_that_was_applied_unseen_is_found_again() {
    let mut world = world(json!({})).await;
    faults(&world, json!([{"path": "$batch", "nth": 1, "action": {"kind": "reset_after"}}]));
    let request = user("Ann", &[]);
    let outcome = world.export_one("user", ExportOperation::Create(request.clone())).await;
    assert_eq!(told(&outcome), "not settled, may have arrived: true");
    assert_eq!(world.all_stored("users").len(), 1);
    let exporter = world.connector.exporter().unwrap();
    let found = exporter.find_created(&ObjectType::new("user"), &request).await.unwrap();
    assert_eq!(found.map(|anchor| anchor.to_string()), world.stored("users", "Ann")["id"].as_str().map(str::to_owned));
    let again = world.export_one("user", ExportOperation::Create(request)).await;
    assert_eq!(anchor(&again).to_string(), world.stored("users", "Ann")["id"]);
    assert_eq!(world.all_stored("users").len(), 1);
}

/// A gateway answers 503 or 504 for a create that went through behind it: no second user, and the first one is known.
#[tokio::test]
async fn f23_a_gateway_that_gave_up_makes_no_second_user() {
    for (status, first) in [(503, "accepted"), (504, "not settled, may have arrived: true")] {
        let mut world = world(json!({})).await;
        faults(
            &world,
            json!([{"method": "POST", "path": "/users", "nth": 1,
            "action": {"kind": "status", "status": status, "applied": true}}]),
        );
        let outcomes = world.export("user", new_users(3)).await;
        assert_eq!(told(&outcomes[0]), first);
        assert_eq!(world.all_stored("users").len(), 3);
        let again = world.export("user", new_users(1)).await;
        let known = if status == 503 { "AttributeValueMustBeUnique" } else { "accepted" };
        assert!(told(&again[0]).starts_with(known), "{again:?}");
        assert_eq!(world.all_stored("users").len(), 3);
    }
}

/// Updates, members, deletes and upserts are sent again when the connection breaks; "already so" is success.
#[tokio::test]
async fn f23_safe_writes_survive_broken_connections() {
    for kind in ["reset_before", "reset_after", "truncate_body", "bad_json"] {
        let mut world = world(people(25)).await;
        world.import_full().await.unwrap();
        // Every second batch breaks.
        let rules: Vec<_> =
            (0..8).map(|nth| json!({"path": "$batch", "nth": nth * 2 + 1, "action": {"kind": kind}})).collect();
        faults(&world, json!(rules));
        let members: Vec<Anchor> = (0..25).map(|number| world.space.anchor(&format!("U{number}"))).collect();
        let made = world.export_one("group", ExportOperation::Create(group("G", &members))).await;
        let made = anchor(&made);
        assert_eq!(world.members("G").len(), 25, "{kind}");
        let mut request = update(&made, &[("description", "new")]);
        request.references = members[..3].iter().map(|member| link("members", member, false)).collect();
        assert_eq!(told(&world.export_one("group", ExportOperation::Update(request)).await), "accepted", "{kind}");
        assert_eq!(world.members("G").len(), 22, "{kind}");
        let delete = ExportOperation::Delete { anchor: members[5].clone() };
        assert_eq!(told(&world.export_one("user", delete).await), "accepted", "{kind}");
        assert_eq!((world.all_stored("users").len(), world.all_stored("groups").len()), (24, 1), "{kind}");
    }
}

/// A page that breaks once or twice is read again; the import is whole.
#[tokio::test]
async fn broken_pages_are_read_again() {
    for action in [
        json!({"kind": "status", "status": 429, "retry_after_s": 1}),
        json!({"kind": "status", "status": 429}),
        json!({"kind": "status", "status": 503}),
        json!({"kind": "truncate_body"}),
        json!({"kind": "bad_json"}),
        json!({"kind": "reset_after"}),
        json!({"kind": "reset_before"}),
    ] {
        let knobs = Knobs { delta_page_size: 5, ..Knobs::default() };
        let mut world = world_with(people(23), permissions(), knobs, |_| {}).await;
        faults(&world, json!([{"path": "/users/delta", "nth": 3, "times": 2, "action": action}]));
        let imported = world.import_full().await.unwrap();
        assert_eq!((imported.objects, imported.duplicates.len()), (23, 0), "{action}");
    }
}

/// SF15: a page that stays broken ends the import with an error, full or delta; nothing is taken for gone.
#[tokio::test]
async fn a_page_that_stays_broken_ends_the_import() {
    for (action, kind) in [
        (json!({"kind": "truncate_body"}), ErrorKind::Connection),
        (json!({"kind": "bad_json"}), ErrorKind::Protocol),
        (json!({"kind": "status", "status": 503}), ErrorKind::Connection),
        (json!({"kind": "reset_after"}), ErrorKind::Connection),
    ] {
        let knobs = Knobs { delta_page_size: 5, ..Knobs::default() };
        let mut world = world_with(people(23), permissions(), knobs, |_| {}).await;
        world.import_full().await.unwrap();
        let (space, watermark) = (world.space.clone(), world.watermark.clone());
        faults(&world, json!([{"path": "skiptoken", "action": action}]));
        assert_eq!(world.import_full().await.unwrap_err().kind, kind, "{action}");
        faults(&world, json!([{"path": "deltatoken", "action": action}]));
        assert_eq!(world.import_delta().await.unwrap_err().kind, kind, "{action}");
        assert_eq!((world.space.clone(), world.watermark.clone()), (space, watermark));
        faults(&world, json!([]));
        world.import_delta().await.unwrap();
    }
}

/// F.24, H: fresh objects are 404, or 400 in references, for a while; the connector waits and succeeds.
#[tokio::test]
async fn f24_replication_delay_is_waited_out() {
    for status in [404, 400] {
        let knobs = Knobs { replication_delay_ms: 700, fresh_reference_status: status, ..Knobs::default() };
        let mut world = world_with(people(1), permissions(), knobs, |_| {}).await;
        assert!(world.connector.exporter().unwrap().references_follow_creates(), "so that it is waited out once");
        world.import_full().await.unwrap();
        let ids: Vec<Anchor> = world.export("user", new_users(3)).await.iter().map(anchor).collect();
        let made = anchor(&world.export_one("group", ExportOperation::Create(group("G", &ids))).await);
        assert_eq!(world.members("G").len(), 3);
        let mut request = update(&ids[0], &[("department", "X")]);
        request.references = vec![link("manager", &ids[1], true)];
        let fresh = anchor(&world.export_one("user", ExportOperation::Create(user("Later", &[]))).await);
        let mut more = update(&made, &[]);
        more.references = vec![link("members", &fresh, true)];
        assert_eq!(told(&world.export_one("user", ExportOperation::Update(request)).await), "accepted");
        assert_eq!(told(&world.export_one("group", ExportOperation::Update(more)).await), "accepted");
        assert_eq!(world.stored("users", "New0")["manager"], ids[1].to_string());
        assert_eq!(world.members("G").len(), 4);
    }
}

/// An answer that lags behind: the create is sent again, meets itself, and is recognised once it can be seen.
#[tokio::test]
async fn f24_a_lagging_look_up_makes_no_second_user() {
    let knobs = Knobs { replication_delay_ms: 600, ..Knobs::default() };
    let mut world = world_with(json!({}), permissions(), knobs, |_| {}).await;
    faults(&world, json!([{"path": "$batch", "nth": 1, "action": {"kind": "reset_after"}}]));
    let request = user("Ann", &[]);
    world.export_one("user", ExportOperation::Create(request.clone())).await;
    let exporter = world.connector.exporter().unwrap();
    exporter.find_created(&ObjectType::new("user"), &request).await.unwrap();
    let again = world.export_one("user", ExportOperation::Create(request)).await;
    assert_eq!(anchor(&again).to_string(), world.stored("users", "Ann")["id"]);
    assert_eq!(world.all_stored("users").len(), 1);
}

/// F.7, F.24: a create that may have arrived is refused because somebody else holds its address. This is seen, so that the answer
/// comes at once; a service that does not tell who holds it is waited for, as it may lag behind, and the answer is the same.
#[tokio::test]
async fn f24_a_conflict_with_somebody_who_is_seen_is_not_waited_for() {
    for tells in [true, false] {
        let seed = json!({"users": [
            {"userPrincipalName": "first@contoso.com", "displayName": "First", "mail": "Shared@contoso.com"}]});
        let wait = |settings: &mut Settings| {
            settings.replication_wait = Duration::from_secs(if tells { 3_600 } else { 1 });
        };
        let mut world = world_with(seed, permissions(), Knobs::default(), wait).await;
        let rules = [
            json!({"path": "$batch", "nth": 1, "action": {"kind": "reset_before"}}),
            json!({"path": "proxyAddresses%2Fany", "action": {"kind": "status", "status": 400}}),
        ];
        faults(&world, json!(rules[..if tells { 1 } else { 2 }]));
        let request = user("Second", &[("mail", "shared@contoso.com")]);
        let lost = world.export_one("user", ExportOperation::Create(request.clone())).await;
        assert_eq!(told(&lost), "not settled, may have arrived: true");
        let again = tokio::time::timeout(
            Duration::from_secs(300),
            world.export_one("user", ExportOperation::Create(request.clone())),
        );
        let again = again.await.expect("an answer without waiting for the replication");
        assert_eq!(told(&again), "AttributeValueMustBeUnique proxyAddresses", "tells: {tells}");
        let asked = world.tenant.request_log();
        let asked = asked.iter().filter(|asked| asked.path.contains("proxyAddresses%2Fany")).count();
        assert!(if tells { asked == 1 } else { asked > 1 }, "{asked}");
        assert_eq!(world.all_stored("users").len(), 1);
    }
}

/// A.3: a service that leaves out an address which somebody else has makes the user all the same. Its name then meets itself,
/// and that the address is another's says nothing of it.
#[tokio::test]
async fn f24_an_address_that_was_left_out_is_no_answer_about_the_name() {
    let seed = json!({"users": [
        {"userPrincipalName": "first@contoso.com", "displayName": "First", "mail": "shared@contoso.com"}]});
    let knobs = Knobs { replication_delay_ms: 600, mail_clash: MailClash::LeaveOut, ..Knobs::default() };
    let mut world = world_with(seed, permissions(), knobs, |_| {}).await;
    faults(&world, json!([{"path": "$batch", "nth": 1, "action": {"kind": "reset_after"}}]));
    let request = user("Second", &[("mail", "shared@contoso.com")]);
    let lost = world.export_one("user", ExportOperation::Create(request.clone())).await;
    assert_eq!(told(&lost), "not settled, may have arrived: true");
    let again = world.export_one("user", ExportOperation::Create(request)).await;
    assert_eq!(anchor(&again).to_string(), world.stored("users", "Second")["id"]);
    assert_eq!(world.all_stored("users").len(), 2);
}

/// Not sent at all: the tenant is gone before the export begins.
#[tokio::test]
async fn a_tenant_that_is_gone_gets_nothing() {
    let world = world(json!({})).await;
    let World { tenant, connector, .. } = world;
    tenant.shutdown().await.unwrap();
    let item = connector_contract::ExportItem {
        id: 1,
        object_type: ObjectType::new("user"),
        operation: ExportOperation::Create(user("A", &[])),
        named_by: metaverse_schema::Attributes::new(),
    };
    let error = connector.exporter().unwrap().export(&[item]).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Connection);
}

/// SF6: a tenant that is gone tells nothing about roles, which is not the same as a tenant that refuses to tell.
#[tokio::test]
async fn sf06_the_roles_of_a_tenant_that_is_gone_are_out_of_reach() {
    let mut world = world(json!({"users": [{"userPrincipalName": "a@contoso.com", "displayName": "A"}]})).await;
    world.import_full().await.unwrap();
    let anchors = [world.space.anchor("A")];
    let World { tenant, secret, .. } = world;
    let watch = Watch::before(tenant.address()).unwrap();
    let connector =
        connector(&tenant, &watch, secret.path(), |settings| settings.max_wait = Duration::from_millis(100));
    tenant.shutdown().await.unwrap();
    let facts = connector.match_facts().unwrap().privileges(&anchors).await;
    assert!(matches!(facts[0].privilege, PrivilegeFact::OutOfReach { .. }), "{facts:?}");
}
