//! Full and delta imports.

use super::world::{World, group, link, permissions, update, user, world, world_with};
use azure_ad_emulator::Knobs;
use connector_contract::{Connector as _, CreateRequest, ErrorKind, ExportOperation, Watermark};
use expect_test::expect;
use metaverse_schema::{Anchor, Reference, Value};
use serde_json::json;
use std::time::Duration;

fn small_pages() -> Knobs {
    Knobs {
        page_size: 7,
        delta_page_size: 5,
        delta_member_page_size: 40,
        removed_in_first_round: true,
        ..Knobs::default()
    }
}

/// A tenant with everything in it: managers, nested groups, a big group, contacts, licences, the recycle bin.
fn full_seed() -> serde_json::Value {
    let mut users: Vec<serde_json::Value> = (0..60)
        .map(|number| json!({"userPrincipalName": format!("user{number}@contoso.com"), "displayName": format!("User {number}")}))
        .collect();
    users[1] = json!({
        "userPrincipalName": "Zoë@contoso.com", "displayName": "Zoë Ångström", "mail": "zoe@contoso.com", "givenName": "Zoë",
        "proxyAddresses": ["smtp:z.old@contoso.com", "SMTP:zoe@contoso.com"], "businessPhones": ["+1 555 0100"],
        "onPremisesImmutableId": "QUFB", "usageLocation": "SE", "accountEnabled": false,
        "onPremisesExtensionAttributes": {"extensionAttribute1": "one", "extensionAttribute15": "fifteen"},
        "identities": [{"signInType": "userPrincipalName", "issuer": "contoso.onmicrosoft.com", "issuerAssignedId": "x"}],
        "assignedLicenses": ["ENTERPRISEPACK"], "manager": "user5@contoso.com"});
    let everyone: Vec<String> =
        (0..60).filter(|number| *number != 1).map(|number| format!("user{number}@contoso.com")).collect();
    json!({
        "skus": [{"skuPartNumber": "ENTERPRISEPACK", "skuId": "6fd2c87f-b296-42f0-b197-1e91e994b900"}],
        "users": users,
        "groups": [
            {"displayName": "Big", "members": everyone, "uniqueName": "ms-big"},
            {"displayName": "Nested", "members": ["Big", "supplier@x.example"], "description": "holds Big"},
            {"displayName": "Empty"}],
        "contacts": [{"displayName": "Supplier", "mail": "supplier@x.example", "companyName": "X"}],
        "deletedUsers": [
            {"userPrincipalName": "old@contoso.com", "displayName": "Old", "deletedDaysAgo": 3, "onPremisesImmutableId": "T0xE"}]
    })
}

async fn full_world() -> World {
    world_with(full_seed(), permissions(), small_pages(), |_| {}).await
}

/// Every object once, whole, with the values the tenant stores; small pages, repeated groups and removals in the first
/// round change nothing about that (F.17, F.20).
#[tokio::test]
async fn a_full_import_reads_everything_once() {
    let mut world = full_world().await;
    let imported = world.import_full().await.unwrap();
    assert_eq!((imported.objects, imported.changes), (65, 0), "60 users, 3 groups, 1 contact, 1 deleted user");
    assert!(imported.duplicates.is_empty() && imported.deleted.is_empty() && imported.unreadable.is_empty());

    let (kind, zoe) = world.space.named("Zoë Ångström");
    assert_eq!(kind, "user");
    let mut shown = zoe.clone();
    let manager = shown.remove("manager").unwrap();
    expect![[r#"
        {
            accountEnabled: False,
            assignedSkus: "6fd2c87f-b296-42f0-b197-1e91e994b900",
            businessPhones: "+1 555 0100",
            displayName: "Zoë Ångström",
            extensionAttribute1: "one",
            extensionAttribute15: "fifteen",
            givenName: "Zoë",
            identityIssuers: "contoso.onmicrosoft.com",
            mail: "zoe@contoso.com",
            mailNickname: "Zoë",
            onPremisesImmutableId: "QUFB",
            proxyAddresses: [
                "SMTP:zoe@contoso.com",
                "smtp:z.old@contoso.com",
            ],
            usageLocation: "SE",
            userPrincipalName: "Zoë@contoso.com",
            userType: "Member",
        }"#]]
    .assert_eq(&format!("{shown:#?}"));
    assert_eq!(manager.first(), Some(&Value::Reference(Reference::Anchor(world.space.anchor("User 5")))));

    let (_, nested) = world.space.named("Nested");
    let wanted = ["Big", "Supplier"].map(|name| Value::Reference(Reference::Anchor(world.space.anchor(name))));
    assert_eq!(nested.get("members").unwrap().len(), 2);
    assert!(wanted.iter().all(|member| nested.get("members").unwrap().contains(member)));
    let (_, big) = world.space.named("Big");
    let stored = world.members("Big");
    assert_eq!(stored.len(), 59);
    let read: Vec<String> = big.get("members").unwrap().iter().map(Value::to_string).collect();
    let mut sorted = stored.clone();
    sorted.sort();
    assert_eq!(read, sorted);

    let (kind, old) = world.space.named("Old");
    assert_eq!((kind.as_str(), old.text("userPrincipalName")), ("deletedUser", Some("old@contoso.com")));
    assert!(old.text("deletedDateTime").is_some() && old.text("onPremisesImmutableId") == Some("T0xE"));
    let (kind, supplier) = world.space.named("Supplier");
    assert_eq!((kind.as_str(), supplier.text("companyName")), ("contact", Some("X")));
}

/// A.6: an entry of a new object names all that was ever set, so that the engine need not ask for what it has just created:
/// with links that come later, and over several pages, it is what a read of the object returns.
#[tokio::test]
async fn what_a_delta_tells_of_a_new_object_is_all_there_is() {
    let mut world = full_world().await;
    world.import_full().await.unwrap();
    let managed = CreateRequest {
        references: vec![link("manager", &world.space.anchor("User 6"), true)],
        ..user("New One", &[("mail", "new@contoso.com"), ("extensionAttribute3", "three"), ("usageLocation", "SE")])
    };
    let new_one = super::world::anchor(&world.export_one("user", ExportOperation::Create(managed)).await);
    let members: Vec<Anchor> = (2..52).map(|number| world.space.anchor(&format!("User {number}"))).collect();
    let created = world.export_one("group", ExportOperation::Create(group("Fifty", &members))).await;
    let fifty = super::world::anchor(&created);

    let delta = world.import_delta().await.unwrap();
    assert!(
        delta.need_full.contains(&new_one) && delta.need_full.contains(&fifty),
        "the space of the test asks anyway"
    );
    for anchor in [&new_one, &fifty] {
        let read = &world.space.0[&anchor.to_string()].1;
        assert_eq!(Some(read), delta.whole.get(&anchor.to_string()));
    }
    assert_eq!(delta.whole[&fifty.to_string()].get("members").map(|members| members.len()), Some(50));
    assert!(delta.whole[&new_one.to_string()].get("manager").is_some());
}

/// Nothing happened: an empty delta. Then every kind of change, each brought by one delta, ends where a full import
/// ends (invariant 4).
#[tokio::test]
async fn deltas_end_where_a_full_import_ends() {
    let mut world = full_world().await;
    world.import_full().await.unwrap();
    let quiet = world.import_delta().await.unwrap();
    assert_eq!((quiet.objects, quiet.changes, quiet.deleted.len()), (0, 0, 0));

    let at = |world: &World, name: &str| world.space.anchor(name);
    let (zoe, big, nested) = (at(&world, "Zoë Ångström"), at(&world, "Big"), at(&world, "Nested"));
    let changed = world
        .export_one(
            "user",
            ExportOperation::Update({
                let mut request =
                    update(&zoe, &[("department", "Sales"), ("givenName", ""), ("extensionAttribute1", "")]);
                request.references =
                    vec![link("manager", &at(&world, "User 6"), true), link("manager", &at(&world, "User 5"), false)];
                request
            }),
        )
        .await;
    assert_eq!(super::world::told(&changed), "accepted");
    let made = world.export_one("user", ExportOperation::Create(user("New One", &[("mail", "new@contoso.com")]))).await;
    let new_one = super::world::anchor(&made);
    let mut request = update(&big, &[("description", "everyone")]);
    request.references = vec![
        link("members", &at(&world, "User 2"), false),
        link("members", &at(&world, "User 3"), false),
        link("members", &new_one, true),
    ];
    assert_eq!(super::world::told(&world.export_one("group", ExportOperation::Update(request)).await), "accepted");
    let gone = at(&world, "User 9");
    world.export("user", vec![ExportOperation::Delete { anchor: gone.clone() }]).await;
    world.export("group", vec![ExportOperation::Delete { anchor: nested.clone() }]).await;
    let old = at(&world, "Old");
    let restored = world.export_one("user", ExportOperation::Restore(update(&old, &[("department", "Back")]))).await;
    assert_eq!(super::world::told(&restored), "accepted");

    let delta = world.import_delta().await.unwrap();
    assert_eq!(delta.deleted, [nested.to_string()], "a deleted user is a deleted user, not gone");
    assert!(delta.need_full.contains(&new_one) && delta.need_full.contains(&old), "{:?}", delta.need_full);
    assert_eq!(world.space.0[&gone.to_string()].0, "deletedUser");
    assert_eq!(world.space.0[&old.to_string()].0, "user");
    let (_, zoe) = world.space.named("Zoë Ångström");
    assert_eq!(
        (zoe.text("department"), zoe.text("givenName"), zoe.text("extensionAttribute1")),
        (Some("Sales"), None, None)
    );
    assert_eq!(zoe.text("extensionAttribute15"), Some("fifteen"));
    world.assert_delta_equals_full().await;
}

/// A manager that is taken away is cleared; a user that is purged is gone.
#[tokio::test]
async fn a_cleared_manager_and_a_purged_user() {
    let mut world = full_world().await;
    world.import_full().await.unwrap();
    let (zoe, boss) = (world.space.anchor("Zoë Ångström"), world.space.anchor("User 5"));
    let mut request = update(&zoe, &[]);
    request.references = vec![link("manager", &boss, false)];
    assert_eq!(super::world::told(&world.export_one("user", ExportOperation::Update(request)).await), "accepted");
    let victim = world.space.anchor("User 7");
    world.export("user", vec![ExportOperation::Delete { anchor: victim.clone() }]).await;
    world.import_delta().await.unwrap();
    assert_eq!(world.space.named("Zoë Ångström").1.get("manager"), None);
    assert_eq!(world.space.0[&victim.to_string()].0, "deletedUser");

    // Thirty days later the bin is emptied; the delta token is fresh enough to tell.
    for _ in 0..6 {
        world.tenant.advance_clock(Duration::from_secs(6 * 86_400));
        world.import_delta().await.unwrap();
    }
    assert!(!world.space.0.contains_key(&victim.to_string()), "purged");
    world.assert_delta_equals_full().await;
}

/// F.21: a token that is too old asks for a full import and hands over nothing; so does another tenant's watermark.
#[tokio::test]
async fn f21_a_token_that_grew_too_old_asks_for_a_full_import() {
    let mut world = full_world().await;
    world.import_full().await.unwrap();
    let before = world.space.clone();
    let anchor = world.space.anchor("User 4");
    world.export("user", vec![ExportOperation::Update(update(&anchor, &[("department", "X")]))]).await;
    world.tenant.advance_clock(Duration::from_secs(8 * 86_400));
    let error = world.import_delta().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::FullImportRequired, "{error}");
    assert_eq!(world.space, before, "nothing was staged");
    world.import_full().await.unwrap();
    assert_eq!(world.space.named("User 4").1.text("department"), Some("X"));

    let text = world.watermark.clone().unwrap().0;
    let foreign = text.replace(&world.tenant.tenant_id().to_string(), "99999999-2222-4333-8444-555555555555");
    assert_ne!(text, foreign);
    world.watermark = Some(Watermark(foreign));
    assert_eq!(world.import_delta().await.unwrap_err().kind, ErrorKind::FullImportRequired);
}

/// Single objects are read whole: a group with more members than a page, a user with manager, a deleted user, a contact;
/// an id that is nothing has no item.
#[tokio::test]
async fn single_objects_are_read_whole() {
    let mut world = full_world().await;
    world.import_full().await.unwrap();
    let names = ["Zoë Ångström", "Big", "Nested", "Supplier", "Old", "User 3"];
    let mut anchors: Vec<Anchor> = names.iter().map(|name| world.space.anchor(name)).collect();
    anchors.push(Anchor::Text("00000000-0000-4000-8000-000000000000".to_owned()));
    let items = world.connector.object_reader().unwrap().read_objects(&anchors).await.unwrap();
    assert_eq!(items.len(), names.len());
    let mut read = super::world::Space::default();
    items.into_iter().for_each(|item| read.apply(item, &mut Default::default(), true));
    for anchor in &anchors[..names.len()] {
        let id = anchor.to_string();
        assert_eq!(read.0[&id], world.space.0[&id]);
    }
}

/// F.3: a missing permission is named, and nothing is obsoleted because the import ends with an error.
#[tokio::test]
async fn a_missing_permission_ends_the_import_by_name() {
    let rights = permissions().into_iter().filter(|right| !right.starts_with("OrgContact")).collect();
    let mut world = world_with(full_seed(), rights, Knobs::default(), |_| {}).await;
    let error = world.import_full().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Permission);
    assert!(error.to_string().contains("OrgContact.Read.All"), "{error}");

    let rights = permissions().into_iter().filter(|right| !right.starts_with("OrgContact")).collect();
    let mut world = world_with(full_seed(), rights, Knobs::default(), |settings| settings.contacts = false).await;
    let imported = world.import_full().await.unwrap();
    assert_eq!(imported.objects, 64);
}

/// A tenant that changes its domains is reported by the next import (SF25); an engine that stops reading ends the import.
#[tokio::test]
async fn the_stream_ends_when_the_engine_stops_reading() {
    let world = world(full_seed()).await;
    let (sink, receiver) = connector_contract::ImportSink::new(1);
    drop(receiver);
    let error = world.connector.import_full(Default::default(), sink).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Cancelled);
}
