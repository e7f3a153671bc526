//! What protects people: twins in the recycle bin, roles, credentials, clocks, other tools, and `check`.

use super::world::{anchor, connector, permissions, told, user, world, world_with};
use azure_ad_emulator::Knobs;
use connector_contract::{
    Connector as _, ErrorKind, ExportItem, ExportOperation, ExportOutcome, PrivilegeFact, Severity,
};
use metaverse_schema::{Anchor, ObjectType, Value};
use serde_json::json;
use std::time::Duration;

/// SF9: nothing is created beside a deleted twin; each way it is known is named, with age and licence.
#[tokio::test]
async fn sf09_no_user_is_created_beside_a_deleted_twin() {
    let mut world = world(json!({"skus": [{"skuPartNumber": "E3"}], "deletedUsers": [
        {"userPrincipalName": "ann@contoso.com", "displayName": "Ann", "onPremisesImmutableId": "anchor-of-Ann", "deletedDaysAgo": 4},
        {"userPrincipalName": "bob@contoso.com", "displayName": "Bob", "assignedLicenses": ["E3"], "deletedDaysAgo": 2},
        {"userPrincipalName": "c@contoso.com", "displayName": "Carl", "mail": "carl@contoso.com"}]})).await;
    let requests =
        [user("Ann", &[]), user("Bob", &[]), user("Carla", &[("mail", "CARL@contoso.com")]), user("Dora", &[])];
    let outcomes = world.export("user", requests.into_iter().map(ExportOperation::Create).collect()).await;
    let told: Vec<String> = outcomes.iter().map(told).collect();
    assert_eq!(
        told,
        ["deleted-twin onPremisesImmutableId", "deleted-twin userPrincipalName", "deleted-twin mail", "accepted"]
    );
    let ExportOutcome::Refused(bob) = &outcomes[1] else { panic!() };
    assert!(bob.message.contains("2 days ago") && bob.message.contains("1 licence") && !bob.retry, "{}", bob.message);
    assert_eq!(world.all_stored("users").len(), 1);

    // Deleted by this connector a moment ago: the look is not fooled by the list it keeps.
    let dora = anchor(&outcomes[3]);
    world.export("user", vec![ExportOperation::Delete { anchor: dora }]).await;
    let again = world.export_one("user", ExportOperation::Create(user("Dora", &[]))).await;
    assert_eq!(super::world::told(&again), "deleted-twin onPremisesImmutableId");
}

/// SF6: active, eligible, and through a group inside a group; names where they can be read.
#[tokio::test]
async fn sf06_roles_are_found_every_way() {
    let mut world = world(json!({
        "users": [
            {"userPrincipalName": "plain@contoso.com", "displayName": "Plain"},
            {"userPrincipalName": "admin@contoso.com", "displayName": "Admin", "roles": {"active": ["Global Administrator"]}},
            {"userPrincipalName": "may@contoso.com", "displayName": "May", "roles": {"eligible": ["User Administrator"]}},
            {"userPrincipalName": "grouped@contoso.com", "displayName": "Grouped"}],
        "groups": [
            {"displayName": "Ops", "isAssignableToRole": true, "members": ["grouped@contoso.com"],
             "roles": {"active": ["Helpdesk Administrator"]}},
            {"displayName": "Harmless", "members": ["plain@contoso.com"]}]})).await;
    world.import_full().await.unwrap();
    let names = ["Plain", "Admin", "May", "Grouped"];
    let anchors: Vec<Anchor> = names.iter().map(|name| world.space.anchor(name)).collect();
    let facts = world.connector.match_facts().unwrap().privileges(&anchors).await;
    assert_eq!(facts.iter().map(|fact| fact.anchor.clone()).collect::<Vec<_>>(), anchors);
    let privileged = |role: &str| PrivilegeFact::Privileged { roles: vec![role.to_owned()] };
    let found: Vec<PrivilegeFact> = facts.into_iter().map(|fact| fact.privilege).collect();
    assert_eq!(
        found,
        [
            PrivilegeFact::None,
            privileged("Global Administrator"),
            privileged("User Administrator"),
            privileged("Helpdesk Administrator"),
        ]
    );

    world.tenant.update_knobs(|knobs| knobs.roles_denied = true).unwrap();
    for fact in world.connector.match_facts().unwrap().privileges(&anchors).await {
        let PrivilegeFact::Unreadable { reason } = fact.privilege else { panic!("{fact:?}") };
        assert!(reason.contains("RoleManagement.Read.Directory"), "{reason}");
    }
}

/// SF6, SF9: of a user in the recycle bin the tenant tells no memberships, which is no reason not to bring it back; of one that it
/// does not know at all nothing may be assumed.
#[tokio::test]
async fn sf06_who_lies_in_the_recycle_bin_is_a_member_of_nothing() {
    let id = "00000000-0000-4000-8000-0000000000b1";
    let world = world(json!({"deletedUsers": [
        {"id": id, "userPrincipalName": "plain@contoso.com", "displayName": "Plain"}]}))
    .await;
    let anchors = [id, "00000000-0000-4000-8000-0000000000b2"].map(|id| Anchor::Text(id.to_owned()));
    let facts = world.connector.match_facts().unwrap().privileges(&anchors).await;
    assert_eq!(facts[0].privilege, PrivilegeFact::None);
    assert!(matches!(facts[1].privilege, PrivilegeFact::Unreadable { .. }), "{:?}", facts[1]);
}

/// A candidate that is not there has roles that cannot be read, not none.
#[tokio::test]
async fn sf06_an_unknown_candidate_is_unreadable() {
    let world = world(json!({})).await;
    let nobody = Anchor::Text("00000000-0000-4000-8000-000000000001".to_owned());
    let facts = world.connector.match_facts().unwrap().privileges(&[nobody]).await;
    assert!(matches!(facts[0].privilege, PrivilegeFact::Unreadable { .. }), "{facts:?}");
}

/// SF23: one attempt with a wrong secret, however often the engine asks; a changed secret, or the operator's check, tries again.
#[tokio::test]
async fn sf23_a_rejected_credential_is_tried_once() {
    let mut world = world(json!({"users": [{"userPrincipalName": "a@contoso.com", "displayName": "A"}]})).await;
    std::fs::write(world.secret.path(), "wrong").unwrap();
    world.connector = connector(&world.tenant, &world.watch, world.secret.path(), |_| {});
    for _ in 0..3 {
        let error = world.import_full().await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Credential);
        assert!(error.to_string().contains("7000215") && !error.to_string().contains("wrong\""), "{error}");
    }
    let item = ExportItem {
        id: 1,
        object_type: ObjectType::new("user"),
        operation: ExportOperation::Create(user("B", &[])),
        named_by: metaverse_schema::Attributes::new(),
    };
    let error = world.connector.exporter().unwrap().export(&[item]).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Credential);
    assert_eq!(world.requests("POST", "/oauth2/v2.0/token"), 1);

    let check = world.connector.check().await;
    assert_eq!(check.findings[0].code, "credential-rejected");
    assert_eq!(world.requests("POST", "/oauth2/v2.0/token"), 2, "the operator asked");
    std::fs::write(world.secret.path(), super::world::SECRET).unwrap();
    assert_eq!(world.import_full().await.unwrap().objects, 1);
}

/// F.1: a token that the service no longer takes is renewed once, and the request goes on; one fetch serves all.
#[tokio::test]
async fn f01_a_token_past_its_end_is_renewed_once_and_the_request_goes_on() {
    let knobs = Knobs { token_life_s: 3600, ..Knobs::default() };
    let mut world = world_with(
        json!({"users": [{"userPrincipalName": "a@contoso.com", "displayName": "A"}]}),
        permissions(),
        knobs,
        |_| {},
    )
    .await;
    world.import_full().await.unwrap();
    assert_eq!(world.requests("POST", "/oauth2/v2.0/token"), 1);
    // The tenant's clock runs ahead: the token is over there, not here.
    world.tenant.advance_clock(Duration::from_secs(4000));
    world.import_delta().await.unwrap();
    assert_eq!(world.requests("POST", "/oauth2/v2.0/token"), 2);
    world.tenant.advance_clock(Duration::from_secs(4000));
    assert_eq!(told(&world.export_one("user", ExportOperation::Create(user("B", &[]))).await), "accepted");
}

/// SF24: another tool that synchronised today stops the export, unless the operator allows it.
#[tokio::test]
async fn sf24_another_writer_stops_the_export() {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let recent = jiff::Timestamp::from_second(now as i64 - 3600).unwrap().to_string();
    let seed = json!({"tenant": {"onPremisesSyncEnabled": true, "onPremisesLastSyncDateTime": recent}});
    let item = ExportItem {
        id: 1,
        object_type: ObjectType::new("user"),
        operation: ExportOperation::Create(user("B", &[])),
        named_by: metaverse_schema::Attributes::new(),
    };
    let mut world = world(seed.clone()).await;
    let error = world.connector.exporter().unwrap().export(std::slice::from_ref(&item)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::CannotStart { status: "no-start-other-writer" });
    assert_eq!(world.tenant.successful_writes(), 0);
    let notes = world.import_full().await.unwrap().end.unwrap().notes;
    assert!(notes.iter().any(|note| note.code == "other-writer"), "imports go on and say so");

    let allowed =
        world_with(seed, permissions(), Knobs::default(), |settings| settings.allow_other_writer = true).await;
    let outcomes = allowed.connector.exporter().unwrap().export(&[item]).await.unwrap();
    assert_eq!(told(&outcomes[0].1), "accepted");
}

/// SF24, SF25: what was read of the tenant before an export guards it too. One that may not be written to is looked at again.
#[tokio::test]
async fn sf24_the_tenant_is_read_once_before_an_export() {
    let mut open = world(json!({})).await;
    let state = open.connector.system_state().unwrap().system_state().await.unwrap();
    assert_eq!(state.closed, None);
    assert_eq!(told(&open.export_one("user", ExportOperation::Create(user("B", &[]))).await), "accepted");
    assert_eq!(open.requests("GET", "/organization"), 1);

    let recent = jiff::Timestamp::now().to_string();
    let seed = json!({"tenant": {"onPremisesSyncEnabled": true, "onPremisesLastSyncDateTime": recent}});
    let closed = world(seed).await;
    let state = closed.connector.system_state().unwrap().system_state().await.unwrap();
    assert!(state.closed.is_some());
    let item = ExportItem {
        id: 1,
        object_type: ObjectType::new("user"),
        operation: ExportOperation::Create(user("B", &[])),
        named_by: metaverse_schema::Attributes::new(),
    };
    closed.connector.exporter().unwrap().export(&[item]).await.unwrap_err();
    assert_eq!((closed.requests("GET", "/organization"), closed.tenant.successful_writes()), (2, 0));
}

/// `check` names every missing permission at once, the limitations of Graph mode, and writes nothing.
#[tokio::test]
async fn check_names_what_is_missing() {
    let all = world(json!({})).await;
    let good = all.connector.check().await;
    assert!(good.findings.iter().all(|finding| finding.severity == Severity::Ok), "{good:#?}");
    assert!(good.findings.iter().any(|finding| finding.code == "limitation-contact"));
    assert_eq!(all.tenant.successful_writes(), 0);

    let poor = world_with(json!({}), vec!["User.Read.All"], Knobs::default(), |_| {}).await;
    let check = poor.connector.check().await;
    let missing: Vec<&str> = check
        .findings
        .iter()
        .filter(|finding| finding.code == "permission-missing")
        .map(|finding| finding.remedy.as_str())
        .collect();
    for right in ["Group.Read.All", "OrgContact.Read.All", "Domain.Read.All", "RoleManagement.Read.Directory"] {
        assert!(missing.iter().any(|remedy| remedy.contains(right)), "{right} is not named in {missing:#?}");
    }
    assert!(!missing.iter().any(|remedy| remedy.contains("User.Read.All")), "{missing:#?}");
}

/// An unreachable tenant says so, and that nothing answered.
#[tokio::test]
async fn an_unreachable_tenant_is_named() {
    let world = world(json!({})).await;
    let connector = connector(&world.tenant, &world.watch, world.secret.path(), |settings| {
        settings.attempts = 2;
        settings.authority_url = "http://127.0.0.1:9/".parse().unwrap();
    });
    let check = connector.check().await;
    assert_eq!((check.findings.len(), check.findings[0].code.as_str()), (1, "unreachable"), "{check:#?}");
    assert!(check.findings[0].message.contains("127.0.0.1:9"), "{check:#?}");
}

/// What is not known cannot be found: a create without anchor is not guessed by its name.
#[tokio::test]
async fn created_users_are_found_by_their_anchor_only() {
    let mut world = world(json!({"users": [{"userPrincipalName": "ann@contoso.com", "displayName": "Ann"}]})).await;
    let request = user("Ann", &[]);
    let class = ObjectType::new("user");
    assert_eq!(world.connector.exporter().unwrap().find_created(&class, &request).await.unwrap(), None);
    let mut other = user("O'Neil", &[]);
    other.attributes.set("onPremisesImmutableId", Value::text("a+b/c=="));
    other.attributes.set("userPrincipalName", Value::text("oneil@contoso.com"));
    let made = anchor(&world.export_one("user", ExportOperation::Create(other.clone())).await);
    assert_eq!(world.connector.exporter().unwrap().find_created(&class, &other).await.unwrap(), Some(made));
}
