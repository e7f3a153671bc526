//! What an incoming object makes of a tenant's object: computed values, kinds of groups, contacts, links, limits (D.2, D.3,
//! D.5, D.7, B.5).

use azure_ad_emulator::Knobs;
use serde_json::{Value, json};

use crate::soap::*;
use crate::support::{Client, user};

async fn shown(graph: &Client, path: &str, select: &str) -> Value {
    let mut body = graph.get(&format!("{path}?$select={select}")).await.is(200).body;
    body.as_object_mut().unwrap().shift_remove("@odata.context");
    body
}

#[tokio::test]
async fn attributes_arrive_under_the_names_of_graph() {
    let (_tenant, graph, service) = synced(json!({})).await;
    let sent = with(
        person("QQ==", "ann"),
        json!({
            "givenName": "Ann", "surname": "Lee & <Co>", "mobile": "+49 1", "telephoneNumber": "+49 2",
            "facsimileTelephoneNumber": "+49 3", "title": "Boss", "department": "Sales", "company": "Contoso",
            "employeeId": "7", "physicalDeliveryOfficeName": "HQ", "streetAddress": "1 Road", "city": "Bonn", "state": "NW",
            "postalCode": "53111", "country": "Germany", "countryCode": 276, "usageLocation": "de", "extensionAttribute7": "seven",
            "dnsDomainName": "ad.contoso.com", "onPremisesSamAccountName": "ann", "onPremisesDistinguishedName": "CN=Ann,DC=ad",
            "lastPasswordChangeTimestamp": "20190801164342.0Z",
        }),
    );
    let id = service.one(set("User", sent)).await.id();
    let select = "givenName,surname,mobilePhone,businessPhones,faxNumber,jobTitle,department,companyName,employeeId,\
                  officeLocation,streetAddress,city,state,postalCode,country,usageLocation,onPremisesDomainName,\
                  onPremisesSamAccountName,onPremisesDistinguishedName,lastPasswordChangeDateTime,userType,mailNickname,\
                  accountEnabled,onPremisesUserPrincipalName";
    let ann = shown(&graph, &format!("/users/{id}"), select).await;
    let expected = json!({
        "givenName": "Ann", "surname": "Lee & <Co>", "mobilePhone": "+49 1", "businessPhones": ["+49 2"],
        "faxNumber": "+49 3", "jobTitle": "Boss", "department": "Sales", "companyName": "Contoso", "employeeId": "7",
        "officeLocation": "HQ", "streetAddress": "1 Road", "city": "Bonn", "state": "NW", "postalCode": "53111",
        "country": "Germany", "usageLocation": "DE", "onPremisesDomainName": "ad.contoso.com",
        "onPremisesSamAccountName": "ann", "onPremisesDistinguishedName": "CN=Ann,DC=ad",
        "lastPasswordChangeDateTime": "2019-08-01T16:43:42Z", "userType": "Member", "mailNickname": "ann",
        "accountEnabled": true, "onPremisesUserPrincipalName": "ann@contoso.com",
    });
    assert_eq!(ann, expected);
    let extension = graph.property(&format!("/users/{id}"), "onPremisesExtensionAttributes").await;
    assert_eq!(extension["extensionAttribute7"], "seven");

    // What is not sent stays, nil clears.
    let change = json!({ "SourceAnchor": "QQ==", "title": null, "department": "Marketing", "extensionAttribute8": "eight", "displayName": null });
    service.one(set("User", change)).await.id();
    let ann = shown(&graph, &format!("/users/{id}"), "jobTitle,department,companyName,displayName").await;
    let expected =
        json!({ "jobTitle": null, "department": "Marketing", "companyName": "Contoso", "displayName": "ann" });
    assert_eq!(ann, expected);
    let extension = graph.property(&format!("/users/{id}"), "onPremisesExtensionAttributes").await;
    assert_eq!(
        (&extension["extensionAttribute7"], &extension["extensionAttribute8"]),
        (&json!("seven"), &json!("eight"))
    );
}

/// D.3: nickname at the first synchronisation, sign-in name by suffix.
#[tokio::test]
async fn nickname_and_sign_in_name_are_computed() {
    let (tenant, graph, service) = synced(json!({})).await;
    let base =
        |anchor: &str, more: Value| set("User", with(json!({ "SourceAnchor": anchor, "displayName": "x" }), more));
    let cases = [
        (
            json!({ "userPrincipalName": "u1@contoso.com", "mailNickname": "nick", "proxyAddresses": ["SMTP:p1@contoso.com"] }),
            "nick",
            "u1@contoso.com",
        ),
        (
            json!({ "userPrincipalName": "u2@contoso.com", "mail": "m2@contoso.com", "proxyAddresses": ["smtp:s2@contoso.com", "SMTP:p2@contoso.com"] }),
            "p2",
            "u2@contoso.com",
        ),
        (json!({ "userPrincipalName": "u3@contoso.com", "mail": "m3@contoso.com" }), "m3", "u3@contoso.com"),
        (
            json!({ "userPrincipalName": "u4@contoso.com", "proxyAddresses": ["smtp:s4@contoso.com"] }),
            "u4",
            "u4@contoso.com",
        ),
        (json!({ "userPrincipalName": "u5@ad.local", "mailNickname": "five" }), "five", "five@contoso.onmicrosoft.com"),
        (
            json!({ "userPrincipalName": "u 6@contoso.com", "mailNickname": "six" }),
            "six",
            "six@contoso.onmicrosoft.com",
        ),
    ];
    for (place, (sent, nickname, name)) in cases.into_iter().enumerate() {
        let id = service.one(base(&format!("a{place}"), sent)).await.id();
        let made = shown(&graph, &format!("/users/{id}"), "mailNickname,userPrincipalName").await;
        assert_eq!(made, json!({ "mailNickname": nickname, "userPrincipalName": name }));
    }
    // Later, the nickname follows only its own attribute, the sign-in name only its own.
    service.one(base("a3", json!({ "proxyAddresses": ["SMTP:other@contoso.com"] }))).await.id();
    service.one(base("a4", json!({ "mailNickname": "fünf", "userPrincipalName": "u5@ad.local" }))).await.id();
    let fourth = shown(&graph, "/users/u4@contoso.com", "mailNickname").await;
    assert_eq!(fourth["mailNickname"], "u4");
    let fifth = shown(&graph, "/users/five@contoso.onmicrosoft.com", "mailNickname").await;
    assert_eq!(fifth["mailNickname"], "fünf");

    // A licensed user keeps its name while the feature is off.
    let licensed = with(
        user("lic"),
        json!({ "usageLocation": "DE", "assignedLicenses": ["ENTERPRISEPACK"], "onPremisesImmutableId": "TGlj" }),
    );
    let (tenant2, graph2, service2) = synced(json!({ "users": [licensed] })).await;
    service2.one(set("User", person("TGlj", "lic"))).await.id();
    let renamed = json!({ "SourceAnchor": "TGlj", "userPrincipalName": "new@contoso.com" });
    tenant2
        .update_knobs(|knobs| {
            knobs.features.insert("synchronizeUpnForManagedUsersEnabled".to_owned(), false);
        })
        .unwrap();
    let id = service2.one(set("User", renamed)).await.id();
    assert_eq!(graph2.property(&format!("/users/{id}"), "userPrincipalName").await, "lic@contoso.com");
    tenant2
        .update_knobs(|knobs| {
            knobs.features.insert("synchronizeUpnForManagedUsersEnabled".to_owned(), true);
        })
        .unwrap();
    service2.one(set("User", json!({ "SourceAnchor": "TGlj", "userPrincipalName": "newer@contoso.com" }))).await.id();
    assert_eq!(graph2.property(&format!("/users/{id}"), "userPrincipalName").await, "newer@contoso.com");
    drop(tenant);
}

#[tokio::test]
async fn groups_of_every_kind_and_contacts_come_with_anchors() {
    let (tenant, graph, service) = synced(json!({})).await;
    let groups = [
        ("UzE=", json!({ "displayName": "Security", "SecurityEnabled": true }), (false, true)),
        ("UzI=", json!({ "displayName": "Says nothing" }), (false, true)),
        (
            "RDE=",
            json!({ "displayName": "List", "SecurityEnabled": false, "mail": "list@contoso.com", "proxyAddresses": ["SMTP:list@contoso.com"] }),
            (true, false),
        ),
        (
            "TTE=",
            json!({ "displayName": "Both", "SecurityEnabled": true, "proxyAddresses": ["SMTP:both@contoso.com"] }),
            (true, true),
        ),
    ];
    for (anchor, sent, (mail_enabled, security_enabled)) in groups {
        let id = service.one(set("Group", with(sent, json!({ "SourceAnchor": anchor })))).await.id();
        let made = shown(&graph, &format!("/groups/{id}"), "mailEnabled,securityEnabled,onPremisesSyncEnabled").await;
        assert_eq!(
            made,
            json!({ "mailEnabled": mail_enabled, "securityEnabled": security_enabled, "onPremisesSyncEnabled": true })
        );
        graph.patch(&format!("/groups/{id}"), json!({ "description": "x" })).await.refused(400, "Request_BadRequest");
    }
    let contact = json!({
        "SourceAnchor": "Q28=", "displayName": "Supplier", "givenName": "Sue", "company": "Vendor", "telephoneNumber": "+1",
        "city": "Rome", "mail": "s@vendor.example", "proxyAddresses": ["SMTP:s@vendor.example"],
    });
    let id = service.one(set("Contact", contact)).await.id();
    let made = shown(
        &graph,
        &format!("/contacts/{id}"),
        "displayName,companyName,mail,phones,addresses,onPremisesSyncEnabled",
    )
    .await;
    assert_eq!((&made["companyName"], &made["mail"]), (&json!("Vendor"), &json!("s@vendor.example")));
    assert_eq!(made["phones"], json!([{ "type": "business", "number": "+1" }]));
    assert_eq!(made["addresses"][0]["city"], "Rome");
    assert_eq!(tenant.snapshot()["contacts"][0]["sourceAnchor"], "Q28=");
}

#[tokio::test]
async fn a_list_of_members_replaces_and_changes_change() {
    let (_tenant, graph, service) = synced(json!({})).await;
    let people = ["ann", "bob", "eve"].map(|name| set("User", person(name, name)));
    let ids: Vec<String> = service.provision(people.to_vec()).await.iter().map(Outcome::id).collect();
    let group = |more: Value| set("Group", with(json!({ "SourceAnchor": "R3Jw", "displayName": "G" }), more));
    let id = service.one(group(json!({ "member": ["ann", "bob", "nobody"] }))).await.id();
    let members = async || {
        let rows = graph.all(&format!("/groups/{id}/members?$select=id")).await;
        let mut names: Vec<usize> =
            rows.iter().map(|row| ids.iter().position(|id| row["id"] == **id).unwrap()).collect();
        names.sort_unstable();
        names
    };
    assert_eq!(members().await, [0, 1], "an anchor that nobody has is passed over");
    service.one(group(json!({ "description": "no word of members" }))).await.id();
    assert_eq!(members().await, [0, 1]);
    service.one(group(json!({ "member": ["eve", "bob"] }))).await.id();
    assert_eq!(members().await, [1, 2]);
    let by_cloud_anchor = format!("User_{}", ids[0]);
    let links = json!([[by_cloud_anchor, true], ["bob", false], ["bob", false], ["eve", true], ["nobody", true]]);
    service.one(group(json!({ "member": { "links": links } }))).await.id();
    assert_eq!(members().await, [0, 2]);
    let refused = service
        .provision_by("ProvisionAzureADSyncObjects", vec![group(json!({ "member": { "links": [["bob", true]] } }))])
        .await;
    refused[0].refused("IdentityDataValidationFailed");
    service.one(group(json!({ "member": [] }))).await.id();
    assert_eq!(members().await, [0; 0]);
}

#[tokio::test]
async fn a_manager_is_named_by_anchor() {
    let (tenant, graph, service) = synced(json!({})).await;
    service.one(set("User", person("boss", "boss"))).await.id();
    let ann = service.one(set("User", with(person("ann", "ann"), json!({ "manager": "boss" })))).await.id();
    let manager = async || graph.get(&format!("/users/{ann}/manager")).await;
    assert_eq!(manager().await.is(200).body["displayName"], "boss");
    service.one(set("User", json!({ "SourceAnchor": "ann", "manager": "nobody" }))).await.id();
    assert_eq!(manager().await.is(200).body["displayName"], "boss");
    tenant.update_knobs(|knobs| knobs.unknown_manager_refused = true).unwrap();
    service
        .one(set("User", json!({ "SourceAnchor": "ann", "manager": "nobody" })))
        .await
        .refused("dn-attributes-failure");
    service.one(set("User", json!({ "SourceAnchor": "ann", "manager": null }))).await.id();
    manager().await.is(404);
}

#[tokio::test]
async fn bad_data_refuses_the_object_and_no_other() {
    let (tenant, _, service) = synced(json!({})).await;
    let many: Vec<String> = (0..301).map(|n| format!("smtp:a{n}@contoso.com")).collect();
    let certificates = vec!["AQI="; 16];
    let before = tenant.snapshot();
    let cases = [
        (json!({ "userPrincipalName": "no domain" }), "IdentityDataValidationFailed"),
        (json!({ "userPrincipalName": "@contoso.com" }), "IdentityDataValidationFailed"),
        (json!({ "userPrincipalName": null }), "IdentityDataValidationFailed"),
        (json!({ "userPrincipalName": format!("{}@contoso.com", "x".repeat(65)) }), "ExceededAllowedLength"),
        (json!({ "SourceAnchor": null }), "IdentityDataValidationFailed"),
        (json!({ "department": "x".repeat(65) }), "ExceededAllowedLength"),
        (json!({ "displayName": "🔑".repeat(129) }), "ExceededAllowedLength"),
        (json!({ "usageLocation": "Germany" }), "ExceededAllowedLength"),
        (json!({ "usageLocation": "1x" }), "IdentityDataValidationFailed"),
        (json!({ "accountEnabled": "perhaps" }), "IdentityDataValidationFailed"),
        (json!({ "onPremiseSecurityIdentifier": { "base64": "AQI=" } }), "IdentityDataValidationFailed"),
        (json!({ "lastPasswordChangeTimestamp": "yesterday" }), "IdentityDataValidationFailed"),
        (json!({ "proxyAddresses": many }), "LargeObject"),
        (json!({ "userCertificate": { "base64": certificates } }), "LargeObject"),
    ];
    for (wrong, error) in cases {
        service.one(set("User", with(person("QQ==", "ann"), wrong))).await.refused(error);
    }
    service.one(set("Group", json!({ "SourceAnchor": "R3Jw" }))).await.refused("IdentityDataValidationFailed");
    service.one(set("Device", json!({ "SourceAnchor": "RGV2" }))).await.refused("NotSupported");
    assert_eq!(tenant.snapshot(), before);
    let mixed = vec![
        set("User", person("QQ==", "ann")),
        set("User", with(person("Qg==", "bob"), json!({ "userPrincipalName": "nothing" }))),
        set("User", person("Qw==", "eve")),
    ];
    let outcomes = service.provision(mixed).await;
    let codes: Vec<(&str, Option<&str>)> =
        outcomes.iter().map(|outcome| (outcome.code.as_str(), outcome.source_anchor.as_deref())).collect();
    assert_eq!(codes, [("Success", Some("QQ==")), ("Failure", Some("Qg==")), ("Success", Some("Qw=="))]);
}

#[tokio::test]
async fn a_full_tenant_refuses_what_is_new_and_takes_what_it_knows() {
    let knobs = Knobs { object_quota: 2, ..Knobs::default() };
    let (_tenant, _, service) = synced_with(json!({ "users": [user("cloud")] }), knobs).await;
    service.one(set("User", person("QQ==", "ann"))).await.id();
    service.one(set("User", person("Qg==", "bob"))).await.refused("Directory_QuotaExceeded");
    service.one(set("User", person("QQ==", "ann"))).await.id();
    service.one(set("User", person("Qw==", "cloud"))).await.id();
}

/// D.3, unconfirmed: knobs.
#[tokio::test]
async fn addresses_of_the_initial_and_of_unverified_domains_by_knob() {
    let licensed = with(user("lic"), json!({ "usageLocation": "DE", "assignedLicenses": ["ENTERPRISEPACK"] }));
    let (tenant, graph, service) = synced(json!({ "users": [licensed] })).await;
    let addresses = json!({ "proxyAddresses": ["SMTP:lic@contoso.com", "smtp:lic@unverified.example", "x500:/o=x"] });
    let id = service.one(set("User", with(person("QQ==", "lic"), addresses.clone()))).await.id();
    let shown = async || graph.property(&format!("/users/{id}"), "proxyAddresses").await;
    assert_eq!(shown().await, addresses["proxyAddresses"]);
    tenant
        .update_knobs(|knobs| (knobs.add_initial_domain_address, knobs.drop_unverified_addresses) = (true, true))
        .unwrap();
    service.one(set("User", with(person("QQ==", "lic"), addresses))).await.id();
    assert_eq!(shown().await, json!(["SMTP:lic@contoso.com", "x500:/o=x", "smtp:lic@contoso.onmicrosoft.com"]));
}

#[tokio::test]
async fn a_batch_has_its_most_links() {
    let (tenant, _, service) = synced(json!({})).await;
    tenant.update_knobs(|knobs| knobs.most_links_in_request = 3).unwrap();
    let group = |anchor: &str, members: &[&str]| {
        set("Group", json!({ "SourceAnchor": anchor, "displayName": anchor, "member": members }))
    };
    let objects = vec![group("g1", &["a", "b"]), group("g2", &["c", "d"])];
    let text = service.call("ProvisionAzureADSyncObjects2", vec![request(objects)]).await.fault(500);
    assert!(text.contains("4 links"), "{text}");
    assert_eq!(tenant.successful_writes(), 0);
    service.provision(vec![group("g1", &["a", "b"]), group("g2", &["c"])]).await;
    assert_eq!(tenant.successful_writes(), 2);
}
