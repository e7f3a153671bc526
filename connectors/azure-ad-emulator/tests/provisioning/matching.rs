//! Matching and takeover: F.27 (D.1, D.2, section H).

use azure_ad_emulator::RunningTenant;
use serde_json::{Value, json};

use crate::soap::*;
use crate::support::{Client, E3, user};

/// A licensed user of the cloud with what only the cloud knows, in a group.
fn world(more: Value) -> Value {
    let ann = with(
        user("ann"),
        json!({
            "department": "Cloud only",
            "jobTitle": "As the cloud says",
            "usageLocation": "DE",
            "assignedLicenses": ["ENTERPRISEPACK"],
        }),
    );
    with(json!({ "users": [ann], "groups": [{ "displayName": "Sales", "members": ["ann@contoso.com"] }] }), more)
}

const SHOWN: &str = "id,displayName,userPrincipalName,department,jobTitle,assignedLicenses,onPremisesSyncEnabled,\
                     onPremisesImmutableId,onPremisesLastSyncDateTime,proxyAddresses";

async fn shown(graph: &Client, key: &str) -> Value {
    graph.get(&format!("/users/{key}?$select={SHOWN}")).await.is(200).body
}

/// The user was taken over: the same object, with what was sent and what was not.
async fn check_taken_over(graph: &Client, id: &str, taken: &Value, anchor: &str) {
    assert_eq!(taken["id"], id);
    assert_eq!((&taken["onPremisesSyncEnabled"], &taken["onPremisesImmutableId"]), (&json!(true), &json!(anchor)));
    assert!(taken["onPremisesLastSyncDateTime"].is_string());
    assert_eq!(taken["assignedLicenses"][0]["skuId"], E3);
    assert_eq!((&taken["department"], &taken["jobTitle"]), (&json!("Cloud only"), &json!("From on premises")));
    let groups = graph.get(&format!("/users/{id}/memberOf")).await;
    assert_eq!(groups.rows()[0]["displayName"], "Sales");
    assert_eq!(graph.all("/users").await.len(), 1, "nobody else came to be");
    let patch = graph.patch(&format!("/users/{id}"), json!({ "department": "Other" })).await;
    patch.refused(400, "Request_BadRequest");
}

#[tokio::test]
async fn f27_a_hard_match_takes_a_cloud_user_over() {
    let (tenant, graph, service) = synced(world(json!({}))).await;
    let id = graph.get("/users/ann@contoso.com").await.id();
    graph.patch("/users/ann@contoso.com", json!({ "onPremisesImmutableId": "QW5u" })).await.is(204);
    // Neither address nor sign-in name are those of the cloud user.
    let sent = with(person("QW5u", "anna"), json!({ "title": "From on premises" }));
    assert_eq!(service.one(set("User", sent)).await.id(), id);
    let taken = shown(&graph, &id).await;
    check_taken_over(&graph, &id, &taken, "QW5u").await;
    assert_eq!(
        (&taken["userPrincipalName"], &taken["proxyAddresses"]),
        (&json!("anna@contoso.com"), &json!(["SMTP:anna@contoso.com"]))
    );
    assert_eq!(tenant.snapshot()["organization"]["onPremisesLastSyncDateTime"], taken["onPremisesLastSyncDateTime"]);
}

#[tokio::test]
async fn f27_a_soft_match_by_primary_address_takes_a_cloud_user_over() {
    let (_tenant, graph, service) = synced(world(json!({}))).await;
    let id = graph.get("/users/ann@contoso.com").await.id();
    let sent = with(
        person("QW5u", "anna"),
        json!({
            "title": "From on premises",
            "proxyAddresses": ["SMTP:ANN@contoso.com", "smtp:anna@contoso.com"],
        }),
    );
    assert_eq!(service.one(set("User", sent)).await.id(), id);
    let taken = shown(&graph, &id).await;
    check_taken_over(&graph, &id, &taken, "QW5u").await;
    assert_eq!(taken["displayName"], "anna");
}

#[tokio::test]
async fn f27_a_soft_match_by_sign_in_name_takes_a_cloud_user_over() {
    let (tenant, graph, service) = synced(world(json!({}))).await;
    let id = graph.get("/users/ann@contoso.com").await.id();
    let sent = with(person("QW5u", "ann"), json!({ "title": "From on premises", "mail": null, "proxyAddresses": [] }));
    let kept = tenant.keep();
    assert_eq!(service.one(set("User", sent.clone())).await.id(), id);
    let taken = shown(&graph, &id).await;
    check_taken_over(&graph, &id, &taken, "QW5u").await;
    assert_eq!(taken["proxyAddresses"], json!([]), "what is sent overwrites");

    tenant.go_back(&kept);
    tenant
        .update_knobs(|knobs| {
            knobs.features.insert("softMatchOnUpnEnabled".to_owned(), false);
        })
        .unwrap();
    let other = service.one(set("User", sent)).await.id();
    assert_ne!(other, id, "without the feature a sign-in name matches nobody");
}

#[tokio::test]
async fn f27_a_secondary_address_alone_does_not_match() {
    let (_tenant, graph, service) = synced(world(json!({}))).await;
    let id = graph.get("/users/ann@contoso.com").await.id();
    let sent =
        with(person("QW5u", "anna"), json!({ "proxyAddresses": ["smtp:ann@contoso.com", "SMTP:anna@contoso.com"] }));
    let other = service.one(set("User", sent)).await.id();
    assert_ne!(other, id);
    assert_eq!(shown(&graph, &id).await["onPremisesSyncEnabled"], json!(null));
    let anna = graph.get(&format!("/users/{other}?$select=proxyAddresses,onPremisesProvisioningErrors")).await.body;
    assert_eq!(anna["proxyAddresses"], json!(["SMTP:anna@contoso.com"]));
    assert_eq!(anna["onPremisesProvisioningErrors"][0]["value"], "smtp:ann@contoso.com");
}

/// D.1: whether an existing object's secondary address counts is not stated.
#[tokio::test]
async fn an_existing_objects_secondary_address_counts_by_knob() {
    let ann = with(user("ann"), json!({ "proxyAddresses": ["SMTP:ann@contoso.com", "smtp:a.b@contoso.com"] }));
    let (tenant, graph, service) = synced(json!({ "users": [ann] })).await;
    let id = graph.get("/users/ann@contoso.com").await.id();
    let sent = with(person("QW5u", "a.b"), json!({}));
    let kept = tenant.keep();
    assert_eq!(service.one(set("User", sent.clone())).await.id(), id);
    tenant.go_back(&kept);
    tenant.update_knobs(|knobs| knobs.soft_match_any_address = false).unwrap();
    assert_ne!(service.one(set("User", sent)).await.id(), id);
}

async fn unchanged_after(tenant: &RunningTenant, service: &Service, object: Value, error: &str) -> String {
    let before = tenant.snapshot();
    let text = service.one(set("User", object)).await.refused(error);
    assert_eq!(tenant.snapshot(), before, "a refused object changes nothing");
    text
}

#[tokio::test]
async fn f27_each_block_gives_its_error_and_changes_nothing() {
    let stamped = with(user("bob"), json!({ "onPremisesImmutableId": "Qm9i" }));
    let (tenant, graph, service) = synced(world(json!({ "users": [user("ann"), stamped] }))).await;
    let feature = |name: &str, on: bool| {
        tenant
            .update_knobs(|knobs| {
                knobs.features.insert(name.to_owned(), on);
            })
            .unwrap()
    };
    feature("blockSoftMatchEnabled", true);
    let text = unchanged_after(&tenant, &service, person("QW5u", "ann"), "InvalidSoftMatch").await;
    assert!(text.contains("[ProxyAddresses SMTP:ann@contoso.com;]"), "{text}");
    feature("blockCloudObjectTakeoverThroughHardMatchEnabled", true);
    unchanged_after(&tenant, &service, person("Qm9i", "bob"), "InvalidHardMatch").await;
    feature("blockSoftMatchEnabled", false);
    feature("blockCloudObjectTakeoverThroughHardMatchEnabled", false);
    for (anchor, name) in [("QW5u", "ann"), ("Qm9i", "bob")] {
        let id = graph.get(&format!("/users/{name}@contoso.com")).await.id();
        assert_eq!(service.one(set("User", person(anchor, name))).await.id(), id);
    }
}

#[tokio::test]
async fn f27_a_role_holder_is_never_taken_over() {
    let admin = with(user("admin"), json!({ "roles": { "active": ["User Administrator"] } }));
    let helper = with(user("helper"), json!({ "onPremisesImmutableId": "SGVs" }));
    let (tenant, graph, service) = synced(json!({
        "users": [admin, helper],
        "groups": [{ "displayName": "Helpers", "isAssignableToRole": true, "members": ["helper@contoso.com"],
                     "roles": { "active": ["Helpdesk Administrator"] } }],
    }))
    .await;
    // Softly: another object with the admin's values held back.
    let id = graph.get("/users/admin@contoso.com").await.id();
    let other = service.one(set("User", person("QWRt", "admin"))).await.id();
    assert_ne!(other, id);
    assert_eq!(shown(&graph, &id).await["onPremisesSyncEnabled"], json!(null));
    let made = graph
        .get(&format!("/users/{other}?$select=userPrincipalName,proxyAddresses,onPremisesProvisioningErrors"))
        .await
        .body;
    assert!(made["userPrincipalName"].as_str().unwrap().ends_with("@contoso.onmicrosoft.com"), "{made}");
    assert_eq!(made["onPremisesProvisioningErrors"].as_array().unwrap().len(), 2);
    // Without resiliency it is an error.
    tenant.update_knobs(|knobs| knobs.duplicate_resiliency = false).unwrap();
    unchanged_after(&tenant, &service, person("QWRn", "admin"), "ExistingAdminRoleConflict").await;
    // Hard: refused since June 2026 (section H), through a group too.
    unchanged_after(&tenant, &service, person("SGVs", "helper"), "InvalidHardMatch").await;
    tenant.update_knobs(|knobs| knobs.block_hard_match_of_role_holders = false).unwrap();
    service.one(set("User", person("SGVs", "helper"))).await.id();
}

#[tokio::test]
async fn f27_guests_are_not_taken_over() {
    let guest = with(user("guest"), json!({ "userType": "Guest" }));
    let (tenant, graph, service) = synced(json!({ "users": [guest] })).await;
    let id = graph.get("/users/guest@contoso.com").await.id();
    let kept = tenant.keep();
    assert_ne!(service.one(set("User", person("R3Vl", "guest"))).await.id(), id);
    tenant.go_back(&kept);
    tenant.update_knobs(|knobs| knobs.match_guests = true).unwrap();
    assert_eq!(service.one(set("User", person("R3Vl", "guest"))).await.id(), id);
}

#[tokio::test]
async fn f27_what_has_another_anchor_or_type_is_not_taken_over() {
    let bound = with(user("bound"), json!({ "onPremisesImmutableId": "b3RoZXI=" }));
    let (tenant, graph, service) = synced(json!({
        "users": [bound],
        "contacts": [{ "displayName": "Supplier", "mail": "supplier@contoso.com" }],
        "groups": [
            { "displayName": "List", "mailEnabled": true, "securityEnabled": false, "mail": "list@contoso.com" },
            { "displayName": "Team", "groupTypes": ["Unified"], "mailEnabled": true, "securityEnabled": false, "mail": "team@contoso.com" },
        ],
    }))
    .await;
    let id = graph.get("/users/bound@contoso.com").await.id();
    unchanged_after(&tenant, &service, person("U3Vw", "supplier"), "ObjectTypeMismatch").await;
    unchanged_after(&tenant, &service, person("TGlz", "list"), "ObjectTypeMismatch").await;
    let kept = tenant.keep();
    assert_ne!(service.one(set("User", person("bmV3", "bound"))).await.id(), id, "its values are held back");
    tenant.go_back(&kept);
    tenant.update_knobs(|knobs| knobs.duplicate_resiliency = false).unwrap();
    unchanged_after(&tenant, &service, person("bmV3", "bound"), "InvalidSoftMatch").await;
}

/// M12: mail-enabled groups and contacts by address, other groups never.
#[tokio::test]
async fn f27_mail_enabled_groups_and_contacts_match_by_address_and_others_never() {
    let (_tenant, graph, service) = synced(json!({
        "contacts": [{ "displayName": "Supplier", "mail": "supplier@vendor.example" }],
        "groups": [
            { "displayName": "List", "mailEnabled": true, "securityEnabled": false, "mail": "list@contoso.com" },
            { "displayName": "Plain" },
            { "displayName": "Team", "groupTypes": ["Unified"], "mailEnabled": true, "securityEnabled": false, "mail": "team@contoso.com" },
        ],
    }))
    .await;
    let ids: Vec<String> =
        graph.all("/groups?$select=id").await.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect();
    let group = |anchor: &str, name: &str, mail: Value| {
        set("Group", json!({ "SourceAnchor": anchor, "displayName": name, "mail": mail, "SecurityEnabled": false }))
    };
    let list = with(
        json!({}),
        json!({ "SourceAnchor": "TGlz", "displayName": "List", "proxyAddresses": ["SMTP:list@contoso.com"] }),
    );
    assert_eq!(service.one(set("Group", list)).await.id(), ids[0]);
    let made = service.one(group("UGxh", "Plain", json!(null))).await.id();
    assert!(!ids.contains(&made), "no group is matched by name");
    let team = json!({ "SourceAnchor": "VGVh", "displayName": "Team", "proxyAddresses": ["SMTP:team@contoso.com"] });
    assert!(!ids.contains(&service.one(set("Group", team)).await.id()), "a Microsoft 365 group is not taken over");
    let contact = graph.get("/contacts").await.rows()[0]["id"].as_str().unwrap().to_owned();
    let sent = json!({ "SourceAnchor": "U3Vw", "displayName": "Supplier Ltd", "proxyAddresses": ["SMTP:supplier@vendor.example"] });
    assert_eq!(service.one(set("Contact", sent)).await.id(), contact);
    let taken = graph.get(&format!("/contacts/{contact}")).await.is(200).body;
    assert_eq!((&taken["displayName"], &taken["onPremisesSyncEnabled"]), (&json!("Supplier Ltd"), &json!(true)));
}

/// M8: only what is new matches; a synchronised object that comes to collide is not merged.
#[tokio::test]
async fn a_synchronised_object_is_never_merged_with_another() {
    let (tenant, graph, service) = synced(json!({ "users": [user("ann")] })).await;
    let bob = service.one(set("User", person("Qm9i", "bob"))).await.id();
    let ann = graph.get("/users/ann@contoso.com").await.id();
    let moved = with(person("Qm9i", "bob"), json!({ "proxyAddresses": ["SMTP:ann@contoso.com"] }));
    assert_eq!(service.one(set("User", moved.clone())).await.id(), bob);
    assert_eq!(shown(&graph, &ann).await["onPremisesSyncEnabled"], json!(null));
    assert_eq!(shown(&graph, &bob).await["proxyAddresses"], json!([]));
    tenant.update_knobs(|knobs| knobs.duplicate_resiliency = false).unwrap();
    let text = service.one(set("User", moved)).await.refused("AttributeValueMustBeUnique");
    assert!(text.contains("[ProxyAddresses SMTP:ann@contoso.com;]"), "{text}");
}

/// Section H, MC1263280.
#[tokio::test]
async fn the_anchor_of_a_synchronised_user_is_not_changed_unless_the_tenant_allows_it() {
    let (tenant, _, service) = synced(json!({})).await;
    let id = service.one(set("User", person("b2xk", "ann"))).await.id();
    let moved = with(person("bmV3", "ann"), json!({ "CloudAnchor": format!("User_{id}") }));
    unchanged_after(&tenant, &service, moved.clone(), "InvalidHardMatch").await;
    let feature = "allowOnPremUpdateOfOnPremisesObjectIdentifierEnabled".to_owned();
    tenant
        .update_knobs(|knobs| {
            knobs.features.insert(feature, true);
        })
        .unwrap();
    assert_eq!(service.one(set("User", moved)).await.id(), id);
}
