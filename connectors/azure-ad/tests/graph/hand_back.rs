//! SF11: objects that were taken over are given back. In Connect mode what only synchronisation can write goes first, then the
//! source of authority, the anchor last; in Graph mode values, then the anchor. The tenant's own snapshot is the witness.

use super::world::{World, attributes, delta, link, permissions, told, update, world_with};
use azure_ad_emulator::{FaultAction, FaultRule, Knobs};
use connector_azure_ad::Mode;
use connector_contract::{
    Authority, Connector as _, ExportItem, ExportOperation, ExportOutcome, HandBackRequest, UpdateRequest,
};
use metaverse_schema::{Anchor, AttributesDelta, ObjectType, Value, Values};
use serde_json::{Value as Json, json};

const OURS: &str = "0f0e0d0c-0b0a-4908-8706-050403020100";
const ANN: &str = "77777771-7777-4777-8777-777777777771";
const BOSS: &str = "77777771-7777-4777-8777-777777777772";
const LIST: &str = "77777771-7777-4777-8777-777777777773";
const PAT: &str = "77777771-7777-4777-8777-777777777774";

async fn world(mode: Mode) -> World {
    let seed = json!({"tenant": {"onPremisesSyncEnabled": true},
        "users": [
            {"id": ANN, "userPrincipalName": "ann@contoso.com", "displayName": "Ann (cloud)", "mail": "ann@contoso.com",
                "mailNickname": "annie", "jobTitle": "As the cloud says", "usageLocation": "DE", "manager": BOSS,
                "proxyAddresses": ["SMTP:ann@contoso.com", "smtp:old@contoso.com"]},
            {"id": BOSS, "userPrincipalName": "boss@contoso.com", "displayName": "Boss"}],
        "groups": [{"id": LIST, "displayName": "List (cloud)", "mailNickname": "list", "mailEnabled": true,
            "securityEnabled": false, "mail": "list@contoso.com", "proxyAddresses": ["SMTP:list@contoso.com"], "members": [ANN]}],
        "contacts": [{"id": PAT, "displayName": "Pat (cloud)", "mail": "pat@vendor.example"}]});
    let mut all = permissions();
    all.extend(["ADSynchronization.ReadWrite.All", "Contacts-OnPremisesSyncBehavior.ReadWrite.All"]);
    world_with(seed, all, Knobs::default(), |settings| {
        settings.mode = mode;
        settings.provisioning.machine_id = Some(OURS.to_owned());
        settings.allow_other_writer = true;
        settings.replication_wait = std::time::Duration::from_millis(100);
    })
    .await
}

fn texts(texts: &[&str]) -> Values {
    texts.iter().map(|text| Value::text(*text)).collect()
}

async fn export(world: &World, class: &str, request: UpdateRequest) -> String {
    let item = ExportItem {
        id: 1,
        object_type: ObjectType::new(class),
        operation: ExportOperation::Update(request),
        named_by: attributes(&[]),
    };
    told(&world.connector.exporter().unwrap().export(&[item]).await.unwrap().remove(0).1)
}

/// Ann becomes what the directory says of her.
fn takeover() -> UpdateRequest {
    let ann = Anchor::Text(ANN.to_owned());
    let mut request =
        update(&ann, &[("displayName", "Ann of AD"), ("department", "Board"), ("extensionAttribute1", "x")]);
    request.changes.set("proxyAddresses", texts(&["SMTP:ann@contoso.com", "smtp:new@contoso.com"]));
    request.afterwards = delta(&[("onPremisesImmutableId", "QW5u")]);
    request
}

/// And is to be again what she was.
fn undo() -> HandBackRequest {
    let mut first = delta(&[
        ("displayName", "Ann (cloud)"),
        ("department", ""),
        ("extensionAttribute1", ""),
        ("mailNickname", "annie"),
    ]);
    first.set("proxyAddresses", texts(&["SMTP:ann@contoso.com", "smtp:old@contoso.com"]));
    HandBackRequest {
        id: 7,
        object_type: ObjectType::new("user"),
        anchor: Anchor::Text(ANN.to_owned()),
        named_by: attributes(&[]),
        first,
        afterwards: AttributesDelta::default(),
        references: vec![link("manager", &Anchor::Text(BOSS.to_owned()), true)],
        stamp: delta(&[("onPremisesImmutableId", "")]),
    }
}

async fn hand_back(world: &World, request: HandBackRequest) -> String {
    let outcomes = world.connector.hand_back().unwrap().hand_back(&[request]).await.unwrap();
    assert_eq!((outcomes.len(), outcomes[0].0), (1, 7));
    told(&outcomes[0].1)
}

/// A user as the tenant holds it, but for what is never put back.
fn kept(world: &World, id: &str) -> Json {
    let mut user = world.all_stored("users").into_iter().find(|user| user["id"] == id).unwrap();
    let map = user.as_object_mut().unwrap();
    map.retain(|name, value| {
        let is_empty = value.as_array().is_some_and(Vec::is_empty)
            || value.as_object().is_some_and(|parts| parts.values().all(Json::is_null));
        let is_stamp = name == "onPremisesImmutableId";
        !is_empty
            && (is_stamp || (!name.starts_with("onPremises") || name == "onPremisesExtensionAttributes"))
            && name != "isCloudManaged"
    });
    user
}

/// Writes that the tenant carried out, in their order.
fn writes(world: &World) -> Vec<String> {
    let log = world.tenant.request_log();
    let told = log.iter().filter(|request| request.applied).map(|request| {
        let path = request.path.rsplit('/').next().unwrap_or_default();
        let path = if path == ANN { "user" } else { path };
        format!("{} {}", request.method, path.split('?').next().unwrap_or_default())
    });
    told.filter(|line| !line.contains("$batch")).collect()
}

#[tokio::test]
async fn sf11_a_synchronised_user_is_given_back_as_it_was() {
    let world = world(Mode::Connect).await;
    let before = kept(&world, ANN);
    assert_eq!(export(&world, "user", takeover()).await, "accepted");
    assert_eq!(world.stored("users", "Ann of AD")["onPremisesSyncEnabled"], true);
    let hand_back_of = world.connector.hand_back().unwrap();
    let asked = [(ObjectType::new("user"), Anchor::Text(ANN.to_owned()))];
    assert_eq!(hand_back_of.authority(&asked).await[0].1, Ok(Authority::Engine));
    let so_far = writes(&world).len();
    assert_eq!(hand_back(&world, undo()).await, "accepted");
    assert_eq!(kept(&world, ANN), before);
    let ann = world.stored("users", "Ann (cloud)");
    assert_eq!((&ann["isCloudManaged"], &ann["onPremisesSyncEnabled"]), (&json!(true), &json!(null)));
    // Addresses before the hand-back, the stamp behind everything.
    let order = writes(&world)[so_far..].join(", ");
    assert_eq!(
        order,
        "Set provisioningservice.svc#ProvisionAzureADSyncObjects2, PATCH onPremisesSyncBehavior, PUT $ref, PATCH user"
    );
    assert_eq!(hand_back_of.authority(&asked).await[0].1, Ok(Authority::MovedAway));
    // Once more: nothing is sent to the service, and nothing changes.
    assert_eq!(hand_back(&world, undo()).await, "accepted");
    assert_eq!(kept(&world, ANN), before);
}

/// Broken off at any of its requests and begun again, it ends the same.
#[tokio::test]
async fn sf11_an_undo_that_breaks_off_anywhere_ends_the_same() {
    let mut broken = 0;
    for (method, path) in
        [("POST", "provisioningservice"), ("PATCH", "onPremisesSyncBehavior"), ("PUT", "$ref"), ("PATCH", "users/")]
    {
        for applied in [false, true] {
            let world = world(Mode::Connect).await;
            let before = kept(&world, ANN);
            assert_eq!(export(&world, "user", takeover()).await, "accepted");
            let action = FaultAction::Status { status: 403, code: None, retry_after_s: None, applied };
            world.tenant.play_faults(vec![FaultRule {
                method: Some(method.to_owned()),
                path: Some(path.to_owned()),
                nth: Some(1),
                times: Some(1),
                action,
            }]);
            let first = hand_back(&world, undo()).await;
            broken += usize::from(first != "accepted");
            world.tenant.play_faults(Vec::new());
            assert_eq!(hand_back(&world, undo()).await, "accepted", "{method} {path} {applied}: first {first}");
            assert_eq!(kept(&world, ANN), before, "{method} {path} {applied}");
        }
    }
    assert!(broken >= 6, "only {broken} were broken off");
}

/// D.4: an address that somebody else has by now is left out without a word; then nothing changes hands.
#[tokio::test]
async fn sf11_nothing_is_handed_back_while_an_address_is_missing() {
    let world = world(Mode::Connect).await;
    assert_eq!(export(&world, "user", takeover()).await, "accepted");
    let boss = update(&Anchor::Text(BOSS.to_owned()), &[]);
    let mut boss = UpdateRequest { afterwards: delta(&[("onPremisesImmutableId", "Qm9zcw==")]), ..boss };
    boss.changes.set("proxyAddresses", texts(&["SMTP:boss@contoso.com", "smtp:old@contoso.com"]));
    boss.changes.set("userPrincipalName", texts(&["boss@contoso.com"]));
    assert_eq!(export(&world, "user", boss).await, "accepted");
    let outcomes = world.connector.hand_back().unwrap().hand_back(&[undo()]).await.unwrap();
    let ExportOutcome::Refused(refusal) = &outcomes[0].1 else { panic!("{outcomes:?}") };
    assert_eq!(refusal.code, "undo-values-not-taken");
    assert!(refusal.message.contains("smtp:old@contoso.com"), "{}", refusal.message);
    let ann = world.stored("users", "Ann (cloud)");
    assert_eq!((&ann["isCloudManaged"], &ann["onPremisesSyncEnabled"]), (&json!(null), &json!(true)));
}

/// Groups and contacts change hands too; what ties them to the directory the service remembers.
#[tokio::test]
async fn sf11_groups_and_contacts_are_given_back() {
    let world = world(Mode::Connect).await;
    for (class, collection, id, anchor, name, address) in [
        ("group", "groups", LIST, "TGlzdA==", "List (cloud)", "SMTP:list@contoso.com"),
        ("contact", "contacts", PAT, "UGF0", "Pat (cloud)", "SMTP:pat@vendor.example"),
    ] {
        let mut request = update(&Anchor::Text(id.to_owned()), &[("displayName", "Of AD")]);
        request.changes.set("proxyAddresses", texts(&[address, "smtp:more@contoso.com"]));
        request.afterwards = delta(&[("sourceAnchor", anchor)]);
        assert_eq!(export(&world, class, request).await, "accepted");
        let mut first = delta(&[("displayName", name)]);
        first.set("proxyAddresses", texts(&[address]));
        let request = HandBackRequest {
            object_type: ObjectType::new(class),
            anchor: Anchor::Text(id.to_owned()),
            named_by: attributes(&[("sourceAnchor", anchor)]),
            first,
            references: Vec::new(),
            stamp: AttributesDelta::default(),
            ..undo()
        };
        assert_eq!(hand_back(&world, request).await, "accepted");
        let object = world.stored(collection, name);
        assert_eq!(
            (&object["isCloudManaged"], &object["onPremisesSyncEnabled"]),
            (&json!(true), &json!(null)),
            "{class}"
        );
        assert_eq!(object["proxyAddresses"], json!([address]));
    }
}

/// What was given back is taken over again by nothing but an operator's word, and then the authority moves first.
#[tokio::test]
async fn sf11_what_was_given_back_is_reclaimed_by_word_only() {
    let world = world(Mode::Connect).await;
    assert_eq!(export(&world, "user", takeover()).await, "accepted");
    assert_eq!(hand_back(&world, undo()).await, "accepted");
    let before = world.all_stored("users");
    export(&world, "user", takeover()).await;
    assert_eq!(world.all_stored("users"), before, "the service takes nothing of an object that is the cloud's");
    assert_eq!(export(&world, "user", UpdateRequest { reclaims: true, ..takeover() }).await, "accepted");
    let ann = world.stored("users", "Ann of AD");
    assert_eq!((&ann["isCloudManaged"], &ann["onPremisesSyncEnabled"]), (&json!(null), &json!(true)));
}

/// Graph mode: values and the manager, then the stamp; addresses follow `mail` alone.
#[tokio::test]
async fn sf11_in_graph_mode_values_go_back_and_the_stamp_last() {
    let world = world(Mode::Graph).await;
    let before = kept(&world, ANN);
    let mut request = takeover();
    request.changes.0.remove("proxyAddresses");
    assert_eq!(export(&world, "user", request).await, "accepted");
    let so_far = writes(&world).len();
    let mut request = undo();
    request.first.0.remove("proxyAddresses");
    request.afterwards = std::mem::take(&mut request.first);
    assert_eq!(hand_back(&world, request).await, "accepted");
    assert_eq!(kept(&world, ANN), before);
    assert_eq!(writes(&world)[so_far..].join(", "), "PATCH user, PUT $ref, PATCH user");
    let reach = world.connector.hand_back().unwrap().reach(&ObjectType::new("user")).unwrap();
    assert!(reach.never.contains_key("proxyAddresses") && reach.authority.is_none());
    assert!(world.connector.hand_back().unwrap().reach(&ObjectType::new("contact")).is_none());
}
