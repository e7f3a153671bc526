//! Licences over Graph: subscriptions, who stands how, giving one with a location before it, and what a refusal comes to.

use super::world::{World, permissions, world_with};
use azure_ad_emulator::{FaultAction, FaultRule, Knobs};
use connector_azure_ad::Mode;
use connector_contract::{Connector as _, ExportOutcome, LicenceOrder, LicenceWay};
use metaverse_schema::Anchor;
use serde_json::{Value as Json, json};

const OURS: &str = "0f0e0d0c-0b0a-4908-8706-050403020100";
const E3: &str = "6fd2c87f-b296-42f0-b197-1e91e994b900";
const SWAY: &str = "a23b959c-7ce8-4e57-9140-b90eb88a9e97";
const STAFF: &str = "88888888-7777-4777-8777-777777777771";

fn id(number: usize) -> String {
    format!("77777777-7777-4777-8777-{number:012}")
}

fn person(number: usize, more: Json) -> Json {
    let mut user = json!({ "id": id(number), "userPrincipalName": format!("p{number}@contoso.com"), "displayName": format!("P{number}") });
    user.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    user
}

async fn tenant(users: Vec<Json>, rights: Vec<&str>, mode: Mode) -> World {
    let seed = json!({
        "tenant": { "onPremisesSyncEnabled": true },
        "skus": [{ "skuPartNumber": "ENTERPRISEPACK", "skuId": E3, "enabledUnits": 3,
                   "servicePlans": [{ "servicePlanName": "SWAY", "servicePlanId": SWAY }] }],
        "users": users,
        "groups": [{ "id": STAFF, "displayName": "Staff", "assignedLicenses": ["ENTERPRISEPACK"], "members": ["p1@contoso.com"] }],
    });
    world_with(seed, rights, Knobs::default(), |settings| {
        settings.mode = mode;
        settings.provisioning.machine_id = Some(OURS.to_owned());
        settings.replication_wait = std::time::Duration::from_millis(100);
    })
    .await
}

fn order(number: usize, location: Option<&str>) -> LicenceOrder {
    LicenceOrder {
        id: i64::try_from(number).unwrap(),
        user: Anchor::Text(id(number)),
        product: E3.to_owned(),
        without_plans: vec![SWAY.to_owned()],
        usage_location: location.map(str::to_owned),
    }
}

/// Outcomes in the order of their numbers.
async fn assign(world: &World, orders: &[LicenceOrder]) -> Vec<String> {
    let mut outcomes = world.connector.licences().unwrap().assign(orders).await.unwrap();
    outcomes.sort_by_key(|(number, _)| *number);
    let told = |(number, outcome): &(i64, ExportOutcome)| match outcome {
        ExportOutcome::Accepted { .. } => format!("{number} given"),
        ExportOutcome::Refused(problem) => {
            format!("{number} {}: {} | {}", problem.code, problem.message, problem.remedy)
        }
        ExportOutcome::NotSettled { message, .. } => format!("{number} not settled: {message}"),
    };
    outcomes.iter().map(told).collect()
}

fn user(world: &World, number: usize) -> Json {
    let users = world.tenant.snapshot()["users"].clone();
    users.as_array().unwrap().iter().find(|user| user["id"] == json!(id(number))).unwrap().clone()
}

#[tokio::test]
async fn subscriptions_and_ways_are_read() {
    let users = vec![person(1, json!({ "assignedLicenses": ["ENTERPRISEPACK"] })), person(2, json!({}))];
    let world = tenant(users, permissions(), Mode::Graph).await;
    let licences = world.connector.licences().unwrap();
    let products = licences.products().await.unwrap();
    assert_eq!(
        (products[0].name.as_str(), products[0].units.free(), products[0].plans[0].name.as_str()),
        ("ENTERPRISEPACK", 2, "SWAY")
    );
    let asked = [1, 2, 9].map(|number| Anchor::Text(id(number)));
    let standing = licences.standing(&asked).await.unwrap();
    assert_eq!(standing.len(), 2, "one that is not there has no answer");
    let ways: Vec<&LicenceWay> = standing[0].held.iter().map(|held| &held.way).collect();
    assert_eq!(ways, [&LicenceWay::Direct, &LicenceWay::Group(Anchor::Text(STAFF.to_owned()))]);
    assert!(standing[1].held.is_empty() && standing[1].synchronised.is_none());
}

/// Many are read as pages of all users, and come to the same.
#[tokio::test]
async fn hundreds_of_users_are_read_by_pages() {
    let users = (1..=450).map(|number| person(number, json!({ "usageLocation": "AT" }))).collect();
    let world = tenant(users, permissions(), Mode::Graph).await;
    world.tenant.clear_request_log();
    let asked: Vec<Anchor> = (2..=430).map(|number| Anchor::Text(id(number))).collect();
    let standing = world.connector.licences().unwrap().standing(&asked).await.unwrap();
    assert_eq!(standing.len(), 429);
    assert!(standing.iter().all(|user| user.usage_location.as_deref() == Some("AT")));
    assert!(world.tenant.request_log().len() < 5, "{} requests", world.tenant.request_log().len());
}

/// The location goes first; each refusal is its user's own, in the service's words; the same again changes nothing.
#[tokio::test]
async fn a_licence_is_given_with_a_location_before_it_and_each_refusal_is_one_user_s() {
    let users = vec![
        person(1, json!({ "usageLocation": "DE" })),
        person(2, json!({})),
        person(3, json!({})),
        person(4, json!({ "usageLocation": "DE" })),
    ];
    let world = tenant(users, permissions(), Mode::Graph).await;
    let told = assign(&world, &[order(2, Some("AT")), order(3, None), order(4, None), order(9, None)]).await;
    assert_eq!((told[0].as_str(), told[2].as_str()), ("2 given", "4 given"));
    assert!(
        told[1].starts_with("3 licence-refused: giving user") && told[1].contains("invalid usage location"),
        "{}",
        told[1]
    );
    assert!(told[3].starts_with("9 cd-missing-object"), "{}", told[3]);
    let ann = user(&world, 2);
    assert_eq!(
        (&ann["usageLocation"], &ann["assignedLicenses"][0]),
        (&json!("AT"), &json!({ "skuId": E3, "disabledPlans": [SWAY] }))
    );
    assert_eq!(user(&world, 3)["assignedLicenses"], Json::Null);
    let before = world.tenant.snapshot();
    assert_eq!(assign(&world, &[order(2, Some("AT")), order(4, None)]).await, ["2 given", "4 given"]);
    let states = |snapshot: &Json| {
        snapshot["users"].as_array().unwrap().iter().map(|user| user["assignedLicenses"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(states(&before), states(&world.tenant.snapshot()));
    // The third unit went to the group's member: nothing is left.
    let short = assign(&world, &[order(3, Some("DE"))]).await;
    assert!(short[0].contains("does not have any available licenses"), "{}", short[0]);
    assert_eq!(user(&world, 3)["usageLocation"], json!("DE"), "the location stays");
}

/// F.22: what is throttled is sent again when it is told to, and nobody is lost.
#[tokio::test]
async fn a_throttled_licence_is_sent_again() {
    let users = (1..=3).map(|number| person(number, json!({ "usageLocation": "DE" }))).collect();
    let world = tenant(users, permissions(), Mode::Graph).await;
    let action = FaultAction::Status { status: 429, code: None, retry_after_s: Some(1), applied: false };
    let path = Some("/assignLicense".to_owned());
    world.tenant.play_faults(vec![FaultRule { method: None, path, nth: Some(1), times: None, action }]);
    assert_eq!(assign(&world, &[order(2, None), order(3, None)]).await, ["2 given", "3 given"]);
}

#[tokio::test]
async fn a_missing_right_is_named() {
    let rights = vec!["User.Read.All", "Organization.Read.All"];
    let world =
        tenant(vec![person(1, json!({ "usageLocation": "DE" })), person(2, json!({}))], rights, Mode::Graph).await;
    let told = assign(&world, &[order(1, None), order(2, Some("DE"))]).await;
    assert!(told[0].contains("permission-issue") && told[0].contains("LicenseAssignment.ReadWrite.All"), "{}", told[0]);
    assert!(told[1].contains("permission-issue") && told[1].contains("User.ReadWrite.All"), "{}", told[1]);
    let refused = tenant(vec![person(1, json!({}))], vec!["User.Read.All"], Mode::Graph).await;
    let error = refused.connector.licences().unwrap().products().await.unwrap_err();
    assert!(error.to_string().contains("Organization.Read.All"), "{error}");
}

/// SF30: in Connect mode a user that somebody moved to the cloud is given nothing, not even a location.
#[tokio::test]
async fn sf30_a_user_that_was_moved_to_the_cloud_is_not_written() {
    let users = vec![
        person(1, json!({ "onPremisesSyncEnabled": true, "usageLocation": "DE" })),
        person(2, json!({ "isCloudManaged": true })),
        person(3, json!({ "onPremisesSyncEnabled": true, "usageLocation": "DE" })),
    ];
    let world = tenant(users, permissions(), Mode::Connect).await;
    let standing =
        world.connector.licences().unwrap().standing(&[Anchor::Text(id(2)), Anchor::Text(id(3))]).await.unwrap();
    let mut flags: Vec<Option<bool>> = standing.iter().map(|user| user.synchronised).collect();
    flags.sort();
    assert_eq!(flags, [Some(false), Some(true)]);
    let told = assign(&world, &[order(2, Some("DE")), order(3, None)]).await;
    assert!(told[0].starts_with("2 limitation-cloud-managed-object"), "{}", told[0]);
    assert_eq!(told[1], "3 given");
    assert_eq!(user(&world, 2)["usageLocation"], Json::Null);
}
