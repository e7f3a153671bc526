//! Whose password hashes the tenant takes, and what becomes of the user (B.6, section C). Signing in with them: `sign_in`.

use std::time::Duration;

use azure_ad_emulator::binary_xml::Element;
use serde_json::json;

use crate::soap::*;
use crate::support::user;

const HASH: &str =
    "v1;PPH1_MD4,00010203040506070809,1000,b6aaf0e7abbeeab83c17c7b7340b900902d66614d8a59d4800aec04ffb26fd8d;";

/// Sends one hash; `Result` and the text of a refusal.
pub(crate) async fn push(service: &Service, anchor: &str, data: &str) -> (String, Option<String>) {
    let b = |name: &str| Element::new("b", name, CREDENTIALS);
    let item = b("SyncCredentialsChangeItem")
        .with(b("ChangeDate").with_text("2026-01-02T03:04:05.1234567Z"))
        .with(nil(b("CloudAnchor")))
        .with(b("CredentialData").with_text(data))
        .with(b("ForcePasswordChangeOnLogon").with_text("true"))
        .with(b("SourceAnchor").with_text(anchor))
        .with(nil(b("WindowsLegacyCredentials")))
        .with(nil(b("WindowsSupplementalCredentials")));
    let request = Element::new("", "request", AWS).declare("b", CREDENTIALS).with(b("RequestItems").with(item));
    let result = service.call("ProvisionCredentials", vec![request]).await.result("ProvisionCredentials");
    let one = result.child("Results").unwrap().child("SyncCredentialsChangeResult").unwrap();
    let names: Vec<&str> = one.elements().map(|child| child.name.as_str()).collect();
    assert_eq!(names, ["CloudAnchor", "ExtendedErrorInformation", "Result", "SourceAnchor"]);
    assert_eq!(one.child("SourceAnchor").unwrap().text(), anchor);
    let text = one.child("ExtendedErrorInformation").unwrap();
    let refusal = text.attribute_value("nil").is_none().then(|| text.text());
    (one.child("Result").unwrap().text(), refusal)
}

#[tokio::test]
async fn a_hash_is_taken_for_a_synchronised_user_of_a_tenant_that_wants_it() {
    let stamped = with(user("cloud"), json!({ "onPremisesImmutableId": "Q2xv" }));
    let (tenant, graph, service) = synced(json!({ "users": [stamped] })).await;
    let id = service.one(set("User", person("QQ==", "ann"))).await.id();
    let (result, text) = push(&service, "QQ==", HASH).await;
    assert_ne!(result, "0");
    assert!(text.unwrap().contains("not enabled"));

    let feature = |name: &str| {
        tenant
            .update_knobs(|knobs| {
                knobs.features.insert(name.to_owned(), true);
            })
            .unwrap()
    };
    feature("passwordSyncEnabled");
    assert_eq!(push(&service, "QQ==", HASH).await, ("0".to_owned(), None));
    let shown = graph
        .get(&format!("/users/{id}?$select=passwordPolicies,lastPasswordChangeDateTime,passwordProfile"))
        .await
        .body;
    assert_eq!(shown["passwordPolicies"], "DisablePasswordExpiration");
    assert_eq!(shown["lastPasswordChangeDateTime"], "2026-01-02T03:04:05Z");
    assert_eq!(shown["passwordProfile"], json!(null), "the flag counts only with its feature");
    feature("userForcePasswordChangeOnLogonEnabled");
    push(&service, "QQ==", HASH).await;
    let profile = graph.property(&format!("/users/{id}"), "passwordProfile").await;
    assert_eq!(profile["forceChangePasswordNextSignIn"], true);
    assert!(!tenant.snapshot().to_string().contains("PPH1_MD4"), "no client sees the hash");

    for (anchor, data, expected) in [
        ("unknown", HASH, "not found"),
        ("Q2xv", HASH, "cloud only"),
        ("QQ==", "v1;PPH1_MD4,0001,1000,beef;", "does not have the form"),
        ("QQ==", "Password1!", "does not have the form"),
    ] {
        let (result, text) = push(&service, anchor, data).await;
        assert_ne!(result, "0");
        assert!(text.as_ref().is_some_and(|text| text.contains(expected)), "{text:?}");
    }
}

/// B.6: an error right after the creation is common.
#[tokio::test]
async fn a_user_created_a_moment_ago_is_not_found_yet() {
    let (tenant, _, service) = synced(json!({})).await;
    tenant
        .update_knobs(|knobs| {
            knobs.anchor_delay_ms = 30_000;
            knobs.features.insert("passwordSyncEnabled".to_owned(), true);
        })
        .unwrap();
    service.one(set("User", person("QQ==", "ann"))).await.id();
    assert_ne!(push(&service, "QQ==", HASH).await.0, "0");
    tenant.advance_clock(Duration::from_secs(31));
    assert_eq!(push(&service, "QQ==", HASH).await.0, "0");
}
