//! Duplicate-attribute resiliency: F.28 (D.4).

use std::time::Duration;

use azure_ad_emulator::Knobs;
use serde_json::{Value, json};

use crate::soap::*;
use crate::support::{Client, user};

const SHOWN: &str = "id,userPrincipalName,mail,proxyAddresses,onPremisesProvisioningErrors,onPremisesUserPrincipalName";

async fn shown(graph: &Client, id: &str) -> Value {
    graph.get(&format!("/users/{id}?$select={SHOWN}")).await.is(200).body
}

#[tokio::test]
async fn f28_conflicting_values_are_held_back_and_given_back() {
    let knobs = Knobs { token_life_s: 10_000_000, ..Knobs::default() };
    let (tenant, graph, service) = synced_with(json!({}), knobs).await;
    service.one(set("User", person("Zmlyc3Q=", "ann"))).await.id();
    let sent = with(
        person("c2Vjb25k", "ANN"),
        json!({ "proxyAddresses": ["SMTP:Ann@contoso.com", "smtp:ann.b@contoso.com"] }),
    );
    let second = service.one(set("User", sent.clone())).await.id();
    let held = shown(&graph, &second).await;
    let name = held["userPrincipalName"].as_str().unwrap();
    let digits = name.strip_prefix("ANN").and_then(|rest| rest.strip_suffix("@contoso.onmicrosoft.com"));
    assert!(digits.is_some_and(|digits| digits.len() == 4 && digits.parse::<u32>().is_ok()), "{name}");
    assert_eq!((&held["proxyAddresses"], &held["mail"]), (&json!(["smtp:ann.b@contoso.com"]), &json!(null)));
    let errors: Vec<_> = held["onPremisesProvisioningErrors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| {
            (
                error["category"].as_str().unwrap(),
                error["propertyCausingError"].as_str().unwrap(),
                error["value"].as_str().unwrap(),
            )
        })
        .collect();
    let expected = [
        ("PropertyConflict", "ProxyAddresses", "SMTP:Ann@contoso.com"),
        ("PropertyConflict", "UserPrincipalName", "ANN@contoso.com"),
    ];
    assert_eq!(errors, expected);

    // The same again: another name is not drawn, nothing else happens.
    service.one(set("User", sent)).await.id();
    assert_eq!(shown(&graph, &second).await["userPrincipalName"], name);

    service.one(delete("User", "Zmlyc3Q=")).await.id();
    tenant.advance_clock(Duration::from_secs(30 * 60));
    assert_eq!(shown(&graph, &second).await["userPrincipalName"], name, "the sweep comes by the hour");
    tenant.advance_clock(Duration::from_secs(31 * 60));
    let given_back = shown(&graph, &second).await;
    assert_eq!(given_back["userPrincipalName"], "ANN@contoso.com");
    assert_eq!(given_back["proxyAddresses"], json!(["smtp:ann.b@contoso.com", "SMTP:Ann@contoso.com"]));
    assert_eq!(
        (&given_back["mail"], &given_back["onPremisesProvisioningErrors"]),
        (&json!("Ann@contoso.com"), &json!([]))
    );
}

#[tokio::test]
async fn f28_each_of_many_with_one_name_gets_a_name_of_its_own() {
    let (_tenant, graph, service) = synced(json!({})).await;
    let people = (0..60).map(|number| set("User", person(&format!("a{number}"), "ann"))).collect();
    let mut names = Vec::new();
    for outcome in service.provision(people).await {
        let name = shown(&graph, &outcome.id()).await["userPrincipalName"].as_str().unwrap().to_lowercase();
        names.push(name);
    }
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 60);
}

#[tokio::test]
async fn f28_without_resiliency_a_conflict_is_refused() {
    let (tenant, _, service) = synced(json!({})).await;
    service.one(set("User", person("Zmlyc3Q=", "ann"))).await.id();
    tenant.update_knobs(|knobs| knobs.duplicate_resiliency = false).unwrap();
    let before = tenant.snapshot();
    let name = with(person("c2Vj", "ann"), json!({ "mail": null, "proxyAddresses": [] }));
    let text = service.one(set("User", name)).await.refused("InvalidSoftMatch");
    assert!(text.contains("[UserPrincipalName ann@contoso.com;]"), "{text}");
    let address =
        with(person("c2Vj", "bob"), json!({ "proxyAddresses": ["SMTP:bob@contoso.com", "smtp:ann@contoso.com"] }));
    let text = service.one(set("User", address)).await.refused("AttributeValueMustBeUnique");
    assert!(text.contains("[ProxyAddresses smtp:ann@contoso.com;]"), "{text}");
    let group = json!({ "SourceAnchor": "R3Jw", "displayName": "G", "proxyAddresses": ["SMTP:g@contoso.com", "smtp:ann@contoso.com"] });
    service.one(set("Group", group)).await.refused("AttributeValueMustBeUnique");
    assert_eq!(tenant.snapshot(), before);
    // A sign-in name that is no match: one that a synchronised user comes to have, or a new one while names do not match.
    service.one(set("User", person("dGhpcmQ=", "eve"))).await.id();
    let before = tenant.snapshot();
    let moved = json!({ "SourceAnchor": "dGhpcmQ=", "userPrincipalName": "Ann@contoso.com" });
    let text = service.one(set("User", moved)).await.refused("AttributeValueMustBeUnique");
    assert!(text.contains("[UserPrincipalName Ann@contoso.com;]"), "{text}");
    tenant
        .update_knobs(|knobs| {
            knobs.features.insert("softMatchOnUpnEnabled".to_owned(), false);
        })
        .unwrap();
    let name = with(person("c2Vj", "ann"), json!({ "mail": null, "proxyAddresses": [] }));
    service.one(set("User", name)).await.refused("AttributeValueMustBeUnique");
    assert_eq!(tenant.snapshot()["users"], before["users"]);
}

/// The known exception: a new user whose sign-in name and address are both a group's.
#[tokio::test]
async fn f28_both_values_of_one_group_are_a_hard_error() {
    let (tenant, _, service) = synced(json!({ "users": [user("ann")] })).await;
    let group = json!({ "SourceAnchor": "R3Jw", "displayName": "Info", "proxyAddresses": ["SMTP:box@contoso.com", "smtp:info@contoso.com"] });
    service.one(set("Group", group)).await.id();
    let before = tenant.snapshot();
    let sent =
        with(person("SW5m", "info"), json!({ "proxyAddresses": ["SMTP:i@contoso.com", "smtp:info@contoso.com"] }));
    service.one(set("User", sent)).await.refused("AttributeValueMustBeUnique");
    assert_eq!(tenant.snapshot(), before);
}

/// D.4: a security identifier is no value that can be held back.
#[tokio::test]
async fn a_security_identifier_belongs_to_one_object() {
    let (_tenant, _, service) = synced(json!({})).await;
    let sid = json!({ "onPremiseSecurityIdentifier": { "base64": "AQUAAAAAAAUVAAAAAQAAAAIAAAADAAAAUAQAAA==" } });
    service.one(set("User", with(person("QQ==", "ann"), sid.clone()))).await.id();
    service.one(set("User", with(person("QQ==", "ann"), sid.clone()))).await.id();
    let text = service.one(set("User", with(person("Qg==", "bob"), sid))).await.refused("AttributeValueMustBeUnique");
    assert!(text.contains("S-1-5-21-1-2-3-1104"), "{text}");
}
