//! Delete, recycle bin and restore, sources of authority that move, and synchronisation that is off for a while (D.6, A.10,
//! A.11, SF30).

use azure_ad_emulator::{SeedSource, SyncState, TenantOptions};
use serde_json::{Value, json};

use crate::soap::*;
use crate::support::{CLIENT, Client, seed, start, user};

async fn user_by_id(graph: &Client, id: &str) -> Value {
    let select = "id,userPrincipalName,onPremisesSyncEnabled,onPremisesImmutableId,department";
    graph.get(&format!("/users/{id}?$select={select}")).await.is(200).body
}

#[tokio::test]
async fn a_deleted_user_goes_to_the_bin_and_comes_back_by_its_anchor() {
    let (tenant, graph, service) = synced(json!({})).await;
    let id = service.one(set("User", with(person("QQ==", "ann"), json!({ "department": "Sales" })))).await.id();
    let group = json!({ "SourceAnchor": "R3Jw", "displayName": "G", "member": ["QQ=="] });
    let group = service.one(set("Group", group)).await.id();
    service.one(delete("User", "QQ==")).await.id();
    graph.get(&format!("/users/{id}")).await.is(404);
    let bin =
        graph.get("/directory/deletedItems/graph.user?$select=id,onPremisesSyncEnabled,onPremisesImmutableId").await;
    assert_eq!(bin.rows()[0]["id"], id);
    assert_eq!(
        (&bin.rows()[0]["onPremisesSyncEnabled"], &bin.rows()[0]["onPremisesImmutableId"]),
        (&json!(false), &json!("QQ=="))
    );
    service.one(delete("User", "QQ==")).await.refused("DeleteNotValid");

    let kept = tenant.keep();
    let sent = with(person("QQ==", "ann"), json!({ "title": "Back" }));
    assert_eq!(service.one(set("User", sent.clone())).await.id(), id);
    let ann = user_by_id(&graph, &id).await;
    assert_eq!((&ann["onPremisesSyncEnabled"], &ann["department"]), (&json!(true), &json!("Sales")));
    assert_eq!(ann["userPrincipalName"], "ann@contoso.com");
    assert_eq!(graph.get(&format!("/groups/{group}/members?$select=id")).await.rows()[0]["id"], id);

    // The name was taken meanwhile: it comes back with another.
    tenant.go_back(&kept);
    service.one(set("User", person("Qg==", "ann"))).await.id();
    assert_eq!(service.one(set("User", sent.clone())).await.id(), id);
    let name = user_by_id(&graph, &id).await["userPrincipalName"].as_str().unwrap().to_owned();
    assert!(name.starts_with("ann") && name.ends_with("@contoso.onmicrosoft.com"), "{name}");

    // By knob a new user is made instead; by feature nobody.
    tenant.go_back(&kept);
    tenant.update_knobs(|knobs| knobs.restore_by_anchor = false).unwrap();
    assert_ne!(service.one(set("User", sent.clone())).await.id(), id);
    tenant.go_back(&kept);
    tenant
        .update_knobs(|knobs| {
            knobs.restore_by_anchor = true;
            knobs.features.insert("blockCloudObjectTakeoverThroughHardMatchEnabled".to_owned(), true);
        })
        .unwrap();
    service.one(set("User", sent)).await.refused("InvalidHardMatch");
}

/// Section H: a re-created user is another person to the tenant.
#[tokio::test]
async fn a_new_anchor_gets_a_new_user() {
    let (_tenant, graph, service) = synced(json!({})).await;
    let old = service.one(set("User", person("b2xk", "ann"))).await.id();
    service.one(delete("User", "b2xk")).await.id();
    let new = service.one(set("User", person("bmV3", "ann"))).await.id();
    assert_ne!(new, old);
    assert_eq!(user_by_id(&graph, &new).await["userPrincipalName"], "ann@contoso.com");
}

#[tokio::test]
async fn an_administrators_restore_is_hard_matched_by_the_next_export() {
    let (_tenant, graph, service) = synced(json!({})).await;
    let id = service.one(set("User", person("QQ==", "ann"))).await.id();
    service.one(delete("User", "QQ==")).await.id();
    graph.post(&format!("/directory/deletedItems/{id}/restore"), json!({})).await.is(200);
    assert_eq!(user_by_id(&graph, &id).await["onPremisesSyncEnabled"], false);
    service.one(delete("User", "QQ==")).await.refused("DeleteNotValid");
    assert_eq!(service.one(set("User", person("QQ==", "ann"))).await.id(), id);
    assert_eq!(user_by_id(&graph, &id).await["onPremisesSyncEnabled"], true);
}

#[tokio::test]
async fn groups_and_contacts_are_gone_for_good_and_cloud_objects_are_not_deleted() {
    let stamped = with(user("cloud"), json!({ "onPremisesImmutableId": "Q2xv" }));
    let (tenant, graph, service) = synced(json!({ "users": [stamped] })).await;
    let group = service.one(set("Group", json!({ "SourceAnchor": "R3Jw", "displayName": "G" }))).await.id();
    let contact = service.one(set("Contact", json!({ "SourceAnchor": "Q28=", "displayName": "C" }))).await.id();
    service.one(delete("Group", "R3Jw")).await.id();
    service.one(object("Contact", "Delete", json!({ "CloudAnchor": format!("Contact_{contact}") }))).await.id();
    assert_eq!(tenant.snapshot()["deletedItems"], json!([]));
    graph.get(&format!("/groups/{group}")).await.is(404);
    graph.get(&format!("/contacts/{contact}")).await.is(404);
    let text = service.one(delete("User", "Q2xv")).await.refused("DeletingCloudOnlyObjectNotAllowed");
    assert_eq!(text, "Deleting a cloud-only object isn't supported.");
    service.one(delete("User", "nobody")).await.refused("DeleteNotValid");
    service.one(delete("Contact", "Q2xv")).await.refused("DeleteNotValid");
}

/// A.11 and SF30: while the source of authority is the cloud, synchronisation changes nothing; after the way back, the next
/// export takes the object again.
#[tokio::test]
async fn an_object_whose_authority_moved_to_the_cloud_is_left_alone() {
    let (tenant, graph, service) = synced(json!({})).await;
    let id = service.one(set("User", person("QQ==", "ann"))).await.id();
    let behaviour = format!("/users/{id}/onPremisesSyncBehavior");
    graph.patch(&behaviour, json!({ "isCloudManaged": true })).await;
    assert_eq!(graph.get(&behaviour).await.is(200).body["isCloudManaged"], true);
    assert_eq!(user_by_id(&graph, &id).await["onPremisesSyncEnabled"], json!(null));
    graph.patch(&format!("/users/{id}"), json!({ "department": "Cloud" })).await.is(204);
    let before = tenant.snapshot();
    let sent = with(person("QQ==", "ann"), json!({ "department": "On premises" }));
    assert_eq!(service.one(set("User", sent.clone())).await.id(), id);
    assert_eq!(service.one(delete("User", "QQ==")).await.id(), id);
    assert_eq!(tenant.snapshot(), before);

    tenant
        .update_knobs(|knobs| {
            knobs.features.insert("blockCloudObjectTakeoverThroughHardMatchEnabled".to_owned(), true);
        })
        .unwrap();
    graph.patch(&behaviour, json!({ "isCloudManaged": false })).await;
    assert_eq!(user_by_id(&graph, &id).await["onPremisesSyncEnabled"], json!(null));
    assert_eq!(service.one(set("User", sent)).await.id(), id);
    let ann = user_by_id(&graph, &id).await;
    assert_eq!((&ann["onPremisesSyncEnabled"], &ann["department"]), (&json!(true), &json!("On premises")));
}

/// A.3, A.11: a user that was handed back to the cloud lets its immutable id be cleared, and is nobody's then; while its source of
/// authority is the cloud no address leads to it either. Moved back, it is matched by its address like any cloud user.
#[tokio::test]
async fn a_user_that_was_handed_back_is_found_by_nothing_until_it_is_moved_back() {
    let (tenant, graph, service) = synced(json!({})).await;
    let sent = with(person("QQ==", "ann"), json!({ "proxyAddresses": ["SMTP:ann@contoso.com"] }));
    let id = service.one(set("User", sent.clone())).await.id();
    let (user, behaviour) = (format!("/users/{id}"), format!("/users/{id}/onPremisesSyncBehavior"));
    let clear = json!({ "onPremisesImmutableId": null });
    graph.patch(&user, clear.clone()).await.refused(400, "Request_BadRequest");
    graph.patch(&behaviour, json!({ "isCloudManaged": true })).await.is(204);
    graph.patch(&user, clear).await.is(204);
    graph.patch(&user, json!({ "proxyAddresses": [] })).await.refused(400, "Request_BadRequest");
    let before = tenant.snapshot();
    for anchor in ["QQ==", "Qg=="] {
        let another = with(sent.clone(), json!({ "SourceAnchor": anchor, "department": "On premises" }));
        assert_eq!(service.one(set("User", another)).await.id(), id);
    }
    assert_eq!(tenant.snapshot()["users"], before["users"]);
    graph.patch(&behaviour, json!({ "isCloudManaged": false })).await.is(204);
    assert_eq!(service.one(set("User", sent)).await.id(), id);
    let ann = user_by_id(&graph, &id).await;
    assert_eq!((&ann["onPremisesSyncEnabled"], &ann["onPremisesImmutableId"]), (&json!(true), &json!("QQ==")));
}

#[tokio::test]
async fn synchronisation_off_and_on_again_ends_with_the_same_objects() {
    let (tenant, graph, service) = synced(json!({})).await;
    let objects = || {
        vec![
            set("User", person("QQ==", "ann")),
            set("Group", json!({ "SourceAnchor": "R3Jw", "displayName": "G", "member": ["QQ=="] })),
            set(
                "Contact",
                json!({ "SourceAnchor": "Q28=", "displayName": "C", "proxyAddresses": ["SMTP:c@vendor.example"] }),
            ),
        ]
    };
    let ids: Vec<String> = service.provision(objects()).await.iter().map(Outcome::id).collect();
    let sync = |state| tenant.update_knobs(|knobs| knobs.sync = Some(state)).unwrap();
    sync(SyncState::Off);
    for path in [format!("/users/{}", ids[0]), format!("/groups/{}", ids[1]), format!("/contacts/{}", ids[2])] {
        assert_eq!(graph.property(&path, "onPremisesSyncEnabled").await, false, "{path}");
    }
    sync(SyncState::On);
    let kept = tenant.keep();
    assert_eq!(service.provision(objects()).await.iter().map(Outcome::id).collect::<Vec<_>>(), ids);
    assert_eq!(graph.property(&format!("/groups/{}", ids[1]), "onPremisesSyncEnabled").await, true);
    // Where anchors are forgotten, a group without an address is made anew.
    tenant.go_back(&kept);
    tenant.update_knobs(|knobs| knobs.anchors_survive_sync_off = false).unwrap();
    assert_ne!(service.provision(objects()).await[1].id(), ids[1]);
}

/// A contact that becomes a user keeps its anchor; the export may delete after it created.
#[tokio::test]
async fn an_anchor_names_one_object_of_each_type() {
    let (tenant, graph, service) = synced(json!({})).await;
    let contact = json!({ "SourceAnchor": "QQ==", "displayName": "C" });
    service.one(set("Contact", contact)).await.id();
    let group = json!({ "SourceAnchor": "R3Jw", "displayName": "G", "member": ["QQ=="] });
    let user = person("QQ==", "ann");
    let outcomes = service.provision(vec![set("User", user), delete("Contact", "QQ=="), set("Group", group)]).await;
    let ids: Vec<String> = outcomes.iter().map(Outcome::id).collect();
    assert_eq!(tenant.snapshot()["contacts"], json!([]));
    assert_eq!(graph.get(&format!("/groups/{}/members?$select=id", ids[2])).await.rows()[0]["id"], ids[0]);
}

/// Graph's deltas tell of what synchronisation does, and of nothing that it only knows by itself.
#[tokio::test]
async fn deltas_of_graph_tell_of_takeovers_and_deletes() {
    let (_tenant, graph, service) = synced(json!({ "users": [user("ann")] })).await;
    let select = "/users/delta?$select=id,jobTitle,onPremisesSyncEnabled,onPremisesImmutableId";
    let (_, link) = graph.round(select).await;
    let id = service.one(set("User", with(person("QQ==", "ann"), json!({ "title": "Boss" })))).await.id();
    let (rows, link) = graph.round(&link).await;
    let expected =
        json!({ "id": id, "jobTitle": "Boss", "onPremisesSyncEnabled": true, "onPremisesImmutableId": "QQ==" });
    assert_eq!(rows, [expected]);
    service.one(set("User", json!({ "SourceAnchor": "QQ==", "commonName": "of no property" }))).await.id();
    let (rows, link) = graph.round(&link).await;
    assert_eq!(rows, [] as [Value; 0]);
    service.one(delete("User", "QQ==")).await.id();
    let (rows, _) = graph.round(&link).await;
    assert_eq!(rows, [json!({ "id": id, "@removed": { "reason": "changed" } })]);
}

/// What synchronisation knows is in the state file too: anchors, held back values, the recycle bin's anchors, a pending switch.
#[tokio::test]
async fn a_restarted_tenant_knows_what_was_synchronised() {
    let folder = tempfile::tempdir().unwrap();
    let options = || TenantOptions {
        seed: Some(SeedSource::Json(seed(
            json!({ "tenant": { "displayName": "Contoso", "onPremisesSyncEnabled": true } }),
        ))),
        state_file: Some(folder.path().join("state.json")),
        ..TenantOptions::default()
    };
    let tenant = start(options()).await;
    let graph = Client::sign_in(&tenant, CLIENT).await;
    let service = Service::sign_in(&tenant, &graph).await;
    let group = || set("Group", json!({ "SourceAnchor": "R3Jw", "displayName": "G" }));
    let objects = vec![
        set("User", person("QQ==", "ann")),
        set("User", person("Qg==", "ann")),
        set("User", person("Qw==", "eve")),
        group(),
    ];
    let ids: Vec<String> = service.provision(objects).await.iter().map(Outcome::id).collect();
    service.one(delete("User", "Qw==")).await.id();
    let before = tenant.snapshot();
    tenant.shutdown().await.unwrap();

    let tenant = start(options()).await;
    assert_eq!(tenant.snapshot(), before);
    let graph = Client::sign_in(&tenant, CLIENT).await;
    let service = Service::sign_in(&tenant, &graph).await;
    assert_eq!(service.one(set("User", person("Qw==", "eve"))).await.id(), ids[2]);
    assert_eq!(service.one(group()).await.id(), ids[3]);
    service.one(delete("User", "QQ==")).await.id();
    tenant.advance_clock(std::time::Duration::from_secs(3_601));
    let graph = Client::sign_in(&tenant, CLIENT).await;
    assert_eq!(user_by_id(&graph, &ids[1]).await["userPrincipalName"], "ann@contoso.com", "the sweep goes on");
}

/// Running the same twice changes nothing but the time of the last synchronisation.
#[tokio::test]
async fn the_same_again_changes_nothing() {
    let (tenant, _, service) = synced(json!({ "users": [user("cloud")] })).await;
    let objects = || {
        vec![
            set("User", with(person("QQ==", "cloud"), json!({ "manager": "Qg==" }))),
            set("User", person("Qg==", "bob")),
            set("Group", json!({ "SourceAnchor": "R3Jw", "displayName": "G", "member": ["QQ==", "Qg=="] })),
        ]
    };
    let state = || {
        let text = tenant.snapshot().to_string();
        let time = tenant.snapshot()["organization"]["onPremisesLastSyncDateTime"].as_str().unwrap().to_owned();
        text.replace(&time, "now")
    };
    service.provision(objects()).await;
    service.provision(objects()).await;
    let before = state();
    service.provision(objects()).await;
    assert_eq!(state(), before);
}
