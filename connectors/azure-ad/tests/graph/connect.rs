//! Connect mode against the rehearsal tenant, both wires of it: what an export leaves there, and that an import brings it
//! back. The tenant's own snapshot is the witness.

use super::world::{World, attributes, delta, link, permissions, update, world_with};
use azure_ad_emulator::{FaultAction, FaultRule, Knobs};
use connector_azure_ad::Mode;
use connector_contract::{
    Connector as _, CreateRequest, ExportItem, ExportOperation, ExportOutcome, ReferenceChange, UpdateRequest,
};
use metaverse_schema::{Anchor, ObjectType};
use serde_json::json;

const OURS: &str = "0f0e0d0c-0b0a-4908-8706-050403020100";
const ANN: &str = "77777771-7777-4777-8777-777777777777";

/// A tenant with one licensed user of the cloud, synchronisation switched on, and a connector in Connect mode.
async fn connect_world() -> World {
    connect_world_with(Knobs::default()).await
}

async fn connect_world_with(knobs: Knobs) -> World {
    let ann = json!({"id": ANN, "userPrincipalName": "ann@contoso.com", "displayName": "Ann", "mail": "ann@contoso.com",
        "jobTitle": "As the cloud says", "usageLocation": "DE", "assignedLicenses": ["ENTERPRISEPACK"]});
    let seed = json!({"tenant": {"onPremisesSyncEnabled": true}, "skus": [{"skuPartNumber": "ENTERPRISEPACK"}],
        "users": [ann]});
    let mut all = permissions();
    all.push("ADSynchronization.ReadWrite.All");
    world_with(seed, all, knobs, |settings| {
        settings.mode = Mode::Connect;
        settings.provisioning.machine_id = Some(OURS.to_owned());
    })
    .await
}

/// Exports one operation, with what the engine brings along of the object that it holds; the anchor of what was made.
async fn export(world: &World, class: &str, operation: ExportOperation) -> Option<Anchor> {
    let target = match &operation {
        ExportOperation::Update(request) | ExportOperation::Restore(request) => Some(request.anchor.to_string()),
        ExportOperation::Delete { anchor } | ExportOperation::Detach { anchor } => Some(anchor.to_string()),
        ExportOperation::Create(_) => None,
    };
    let exporter = world.connector.exporter().unwrap();
    let mut named_by = metaverse_schema::Attributes::new();
    if let Some((_, held)) = target.and_then(|id| world.space.0.get(&id)) {
        for name in exporter.named_by() {
            held.get(name).into_iter().for_each(|values| named_by.set(*name, values.clone()));
        }
    }
    let item = ExportItem { id: 1, object_type: ObjectType::new(class), operation, named_by };
    let mut outcomes = exporter.export(&[item]).await.unwrap();
    match outcomes.remove(0) {
        (1, ExportOutcome::Accepted { anchor, failed_references }) if failed_references.is_empty() => anchor,
        other => panic!("{other:?}"),
    }
}

fn create(pairs: &[(&str, &str)]) -> CreateRequest {
    CreateRequest { dn: None, attributes: attributes(pairs), references: Vec::new() }
}

/// A user and a contact made, a cloud user taken over, a group of both users, changes, a deletion; imports in between.
async fn story(world: &mut World) {
    world.import_full().await.unwrap();
    let bob = create(&[
        ("onPremisesImmutableId", "Qm9iQm9iQm9iQm9iQm9iQg=="),
        ("onPremisesSyncEnabled", "true"),
        ("userPrincipalName", "bob@contoso.com"),
        ("displayName", "Bob & <Söhne>"),
        ("accountEnabled", "true"),
        ("department", "Sales"),
    ]);
    let bob = export(world, "user", ExportOperation::Create(bob)).await.unwrap();
    let pat = [
        ("sourceAnchor", "UGF0"),
        ("displayName", "Pat"),
        ("mail", "pat@supplier.example"),
        ("businessPhones", "+49 1"),
        ("officeLocation", "B 12"),
        ("pager", "7"),
    ];
    let pat = export(world, "contact", ExportOperation::Create(create(&pat))).await.unwrap();
    let ann = Anchor::Text(ANN.to_owned());
    let takeover = UpdateRequest {
        afterwards: delta(&[("onPremisesImmutableId", "QW5uQW5uQW5uQW5uQW5uQQ==")]),
        ..update(&ann, &[("department", "Board")])
    };
    export(world, "user", ExportOperation::Update(takeover)).await;
    world.import_delta().await.unwrap();
    let mut crew = create(&[("sourceAnchor", "Q3Jldw=="), ("displayName", "Crew"), ("securityEnabled", "true")]);
    crew.references = vec![link("members", &ann, true), link("members", &bob, true)];
    let crew = export(world, "group", ExportOperation::Create(crew)).await.unwrap();
    world.import_delta().await.unwrap();
    export(world, "user", ExportOperation::Update(update(&bob, &[("department", ""), ("jobTitle", "Chef")]))).await;
    let less = UpdateRequest { references: vec![link("members", &ann, false)], ..update(&crew, &[]) };
    export(world, "group", ExportOperation::Update(less)).await;
    export(world, "contact", ExportOperation::Update(update(&pat, &[("pager", ""), ("city", "Ulm")]))).await;
    world.import_delta().await.unwrap();
}

/// What the space holds, ids aside.
fn told(world: &World) -> Vec<String> {
    let names =
        ["displayName", "onPremisesImmutableId", "sourceAnchor", "onPremisesSyncEnabled", "department", "jobTitle"];
    let shown = |(kind, held): &(String, metaverse_schema::Attributes)| {
        let values = names.map(|name| format!("{:?}", held.get(name).map(|values| values.as_slice().to_vec())));
        let members = held.get("members").map_or(0, |members| members.as_slice().len());
        format!("{kind} {} {members} members", values.join(" "))
    };
    let mut lines: Vec<String> = world.space.0.values().map(shown).collect();
    lines.sort();
    lines
}

/// Issue 5: cloud users become synchronised with id and licence kept, contacts are made, groups anchored; what an import
/// brings back is what was sent, over both wires, and a delta is a full import.
#[tokio::test]
async fn a_tenant_in_connect_mode_holds_what_was_sent() {
    let mut world = connect_world().await;
    story(&mut world).await;
    let ann = world.stored("users", "Ann");
    assert_eq!((&ann["id"], &ann["onPremisesSyncEnabled"]), (&json!(ANN), &json!(true)));
    assert_eq!(ann["onPremisesImmutableId"], "QW5uQW5uQW5uQW5uQW5uQQ==");
    assert_eq!((&ann["department"], &ann["jobTitle"]), (&json!("Board"), &json!("As the cloud says")));
    assert_eq!(ann["assignedLicenses"].as_array().map(Vec::len), Some(1), "{ann}");
    let bob = world.stored("users", "Bob & <Söhne>");
    assert_eq!((&bob["department"], &bob["jobTitle"]), (&json!(null), &json!("Chef")));
    assert_eq!(world.members("Crew"), [bob["id"].as_str().unwrap()]);
    let anchored = |world: &World, name: &str| world.space.named(name).1.text("sourceAnchor").map(str::to_owned);
    assert_eq!(anchored(&world, "Crew").as_deref(), Some("Q3Jldw=="));
    assert_eq!(anchored(&world, "Pat").as_deref(), Some("UGF0"));
    // D39: Graph shows none of these of a contact; ReadBack does, also that one was cleared.
    let pat = &world.space.named("Pat").1;
    let of_pat = ["businessPhones", "officeLocation", "pager", "city"].map(|name| pat.text(name));
    assert_eq!(of_pat, [Some("+49 1"), Some("B 12"), None, Some("Ulm")]);
    world.assert_delta_equals_full().await;

    let writes = world.tenant.successful_writes();
    let bob = world.space.anchor("Bob & <Söhne>");
    export(&world, "user", ExportOperation::Delete { anchor: bob.clone() }).await;
    assert_eq!(world.tenant.successful_writes(), writes + 1);
    // A run that died before the answer sends it again: nothing is left to delete, and that is what was wanted.
    export(&world, "user", ExportOperation::Delete { anchor: bob }).await;
    world.import_delta().await.unwrap();
    world.assert_delta_equals_full().await;
    assert_eq!(world.space.named("Bob & <Söhne>").0, "deletedUser");
}

/// F 30 through the connector: faults of the provisioning wire by seed leave the tenant as without any.
#[tokio::test]
async fn f30_faults_of_the_provisioning_wire_change_nothing() {
    let mut twin = connect_world().await;
    story(&mut twin).await;
    let expected = told(&twin);
    assert_eq!(expected.len(), 4, "{expected:#?}");
    let mut played = 0;
    for seed in 0..8usize {
        let mut world = connect_world().await;
        let actions = [
            FaultAction::ResetBefore,
            FaultAction::ResetAfter,
            FaultAction::TruncateBody,
            FaultAction::Status { status: 503, code: None, retry_after_s: None, applied: true },
        ];
        let rule = |nth: usize| FaultRule {
            method: Some("POST".to_owned()),
            path: Some("provisioningservice".to_owned()),
            nth: Some(nth as u64),
            times: None,
            action: actions[(nth + seed) % actions.len()].clone(),
        };
        // Every third request of the wire goes wrong, another one and in another way from seed to seed.
        world.tenant.play_faults((1..60).filter(|nth| (nth + seed) % 3 == 0).map(rule).collect());
        story(&mut world).await;
        played += world.tenant.request_log().iter().filter(|request| request.fault.is_some()).count();
        assert_eq!(told(&world), expected, "seed {seed}");
    }
    assert!(played >= 30, "{played} faults are no rehearsal");
}

/// B.5, B.6: an anchor that the service does not know yet is passed over without a word. A manager and the members of a group
/// that were made a moment ago are looked for, and sent again until they are there; few and many, by their own groups or by
/// the group's members. Where they never come, each is told as a reference that failed.
#[tokio::test]
async fn references_to_fresh_objects_are_sent_again_until_they_are_there() {
    let knobs = Knobs { anchor_delay_ms: 500, replication_delay_ms: 100, ..Knobs::default() };
    let mut world = connect_world_with(knobs).await;
    world.import_full().await.unwrap();
    let mut made: Vec<Anchor> = Vec::new();
    for number in 0..14 {
        let (stamp, name) = (format!("TTT{number:02}w=="), format!("m{number}@contoso.com"));
        let mut request = create(&[
            ("onPremisesImmutableId", &stamp),
            ("onPremisesSyncEnabled", "true"),
            ("userPrincipalName", &name),
            ("displayName", &name),
            ("accountEnabled", "true"),
        ]);
        // By then the manager can be read over Graph, and the service does not know it by its anchor.
        if let Some(first) = made.first().filter(|_| number == 13) {
            world.tenant.update_knobs(|knobs| knobs.anchor_delay_ms = 2_500).unwrap();
            tokio::time::sleep(std::time::Duration::from_millis(150)).await;
            request.references = vec![link("manager", first, true)];
        }
        made.push(export(&world, "user", ExportOperation::Create(request)).await.unwrap());
    }
    let managers: Vec<String> =
        world.all_stored("users").iter().filter_map(|user| user["manager"].as_str().map(str::to_owned)).collect();
    assert_eq!(managers, [made[0].to_string()]);
    world.tenant.update_knobs(|knobs| knobs.anchor_delay_ms = 60_000).unwrap();
    for (name, members) in [("Few", &made[..3]), ("Many", &made[..])] {
        let mut group =
            create(&[("sourceAnchor", &format!("{name}AAA=")), ("displayName", name), ("securityEnabled", "true")]);
        group.references = members.iter().map(|member| link("members", member, true)).collect();
        let item = ExportItem {
            id: 1,
            object_type: ObjectType::new("group"),
            operation: ExportOperation::Create(group),
            named_by: metaverse_schema::Attributes::new(),
        };
        let exporter = world.connector.exporter().unwrap();
        let outcome = exporter.export(std::slice::from_ref(&item)).await.unwrap().remove(0).1;
        let ExportOutcome::Accepted { failed_references, .. } = outcome else { panic!("{outcome:?}") };
        assert_eq!(failed_references.len(), members.len(), "{name}");
        assert!(failed_references.iter().all(|(_, problem)| problem.code == "dn-attributes-failure" && problem.retry));
        world.tenant.update_knobs(|knobs| knobs.anchor_delay_ms = 0).unwrap();
        let outcome = exporter.export(&[item]).await.unwrap().remove(0).1;
        assert!(matches!(&outcome, ExportOutcome::Accepted { failed_references, .. } if failed_references.is_empty()));
        assert_eq!(world.members(name).len(), members.len());
        world.tenant.update_knobs(|knobs| knobs.anchor_delay_ms = 60_000).unwrap();
    }
    // A group is asked for its groups like a user.
    world.tenant.update_knobs(|knobs| knobs.anchor_delay_ms = 0).unwrap();
    let few = Anchor::Text(world.stored("groups", "Few")["id"].as_str().unwrap().to_owned());
    let mut outer = create(&[("sourceAnchor", "T3V0ZXI="), ("displayName", "Outer"), ("securityEnabled", "true")]);
    outer.references = vec![ReferenceChange { target_type: ObjectType::new("group"), ..link("members", &few, true) }];
    export(&world, "group", ExportOperation::Create(outer)).await;
    assert!(world.watch.seen().calls.contains_key("get /groups/{group-id}/memberOf"));
}
