//! Users: F.4 to F.12.

use azure_ad_emulator::{Knobs, MailClash, NormalForm, Normalisation, SilentRevert};
use serde_json::{Value, json};

use crate::support::*;

const DEFAULT_SET: [&str; 11] = [
    "businessPhones",
    "displayName",
    "givenName",
    "id",
    "jobTitle",
    "mail",
    "mobilePhone",
    "officeLocation",
    "preferredLanguage",
    "surname",
    "userPrincipalName",
];

fn synced(name: &str) -> Value {
    let mut synced = user(name);
    synced["onPremisesSyncEnabled"] = json!(true);
    synced["onPremisesImmutableId"] = json!(format!("{name}Anchor=="));
    synced
}

#[tokio::test]
async fn f04_without_select_only_the_default_set_comes_back() {
    let mut ann = user("ann");
    ann["onPremisesImmutableId"] = json!("YW5u");
    let (_tenant, client) = tenant(json!({ "users": [ann] })).await;
    let rows = client.get("/users").await.is(200).rows().to_vec();
    let names: Vec<&str> = rows[0].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, DEFAULT_SET);
    let one = client.get("/users/ANN@contoso.com").await.is(200);
    assert!(one.body.get("onPremisesImmutableId").is_none(), "{}", one.body);
    let selected = client.get("/users?$select=id,onPremisesImmutableId,proxyAddresses").await.is(200);
    assert_eq!(selected.rows()[0]["onPremisesImmutableId"], "YW5u");
    assert_eq!(selected.rows()[0]["proxyAddresses"], json!(["SMTP:ann@contoso.com"]));
    client.get("/users?$select=shoeSize").await.is(400);
}

#[tokio::test]
async fn f05_pages_give_each_object_once_and_a_stale_page_is_refused() {
    let users: Vec<Value> = (0..25).map(|number| user(&format!("u{number}"))).collect();
    let (tenant, client) = tenant(json!({ "users": users })).await;
    let rows = client.all("/users?$top=7&$select=userPrincipalName").await;
    let mut names: Vec<&str> = rows.iter().map(|row| row["userPrincipalName"].as_str().unwrap()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!((rows.len(), names.len()), (25, 25));

    let link = client.get("/users?$top=7").await.body["@odata.nextLink"].as_str().unwrap().to_owned();
    client.get("/users?$skiptoken=nonsense").await.refused(400, "Directory_ExpiredPageToken");
    tenant.update_knobs(|knobs| knobs.token_life_s = 100_000).unwrap();
    let client = Client::sign_in(&tenant, CLIENT).await;
    tenant.advance_clock(std::time::Duration::from_secs(3_601));
    client.get(&link).await.refused(400, "Directory_ExpiredPageToken");
    client.get("/users?$top=1000").await.is(400);
}

#[tokio::test]
async fn f06_each_required_property_and_the_domain_are_checked() {
    let (tenant, client) = tenant(json!({})).await;
    for name in ["accountEnabled", "displayName", "mailNickname", "userPrincipalName", "passwordProfile"] {
        let mut body = new_user("ann");
        body.as_object_mut().unwrap().remove(name);
        client.post("/users", body).await.refused(400, "Request_BadRequest");
    }
    let with = |name: &str, value: Value| {
        let mut body = new_user("ann");
        body[name] = value;
        body
    };
    for body in [
        with("userPrincipalName", json!("ann@fabrikam.com")),
        with("userPrincipalName", json!("ann@unverified.example")),
        with("userPrincipalName", json!("ann@sso.contoso.com")),
        with("userPrincipalName", json!("änn@contoso.com")),
        with("userPrincipalName", json!("ann")),
        with("mailNickname", json!("a nn")),
        with("department", json!("x".repeat(65))),
        with("businessPhones", json!(["1", "2"])),
        with("usageLocation", json!("DEU")),
        with("accountEnabled", json!("yes")),
        with("passwordProfile", json!({ "password": "short" })),
        with("shoeSize", json!(43)),
        with("jobTitle", json!("")),
    ] {
        client.post("/users", body).await.refused(400, "Request_BadRequest");
    }
    assert_eq!(tenant.successful_writes(), 0);
    let mut federated = new_user("ann");
    federated["userPrincipalName"] = json!("ann@sso.contoso.com");
    federated["onPremisesImmutableId"] = json!("YW5u");
    let created = client.post("/users", federated).await.is(201);
    assert!(created.header("location").unwrap().ends_with(&created.id()));
}

#[tokio::test]
async fn f07_a_taken_sign_in_name_is_a_conflict_never_a_merge() {
    let (_tenant, client) = tenant(json!({ "users": [user("ann")] })).await;
    let mut body = new_user("ann");
    body["userPrincipalName"] = json!("ANN@Contoso.com");
    let got = client.post("/users", body).await;
    assert_eq!(got.body["error"]["details"][1]["code"], "ConflictingObjects");
    got.conflict("userPrincipalName");
    assert_eq!(client.get("/users").await.rows().len(), 1);
    // A sign-in name is taken by another object's address too.
    let (_tenant, client) = tenant_with_address("smtp:bob@contoso.com").await;
    client.post("/users", new_user("bob")).await.conflict("userPrincipalName");
}

async fn tenant_with_address(address: &str) -> (azure_ad_emulator::RunningTenant, Client) {
    let mut ann = user("ann");
    ann["proxyAddresses"] = json!(["SMTP:ann@contoso.com", address]);
    tenant(json!({ "users": [ann] })).await
}

#[tokio::test]
async fn f08_read_only_properties_are_refused_and_nothing_else_is_applied() {
    let (_tenant, client) = tenant(json!({ "users": [user("ann")] })).await;
    for (name, value) in [
        ("proxyAddresses", json!(["SMTP:x@contoso.com"])),
        ("onPremisesSyncEnabled", json!(true)),
        ("onPremisesSamAccountName", json!("ann")),
    ] {
        let mut body = json!({ "jobTitle": "Boss" });
        body[name] = value;
        client.patch("/users/ann@contoso.com", body).await.refused(400, "Request_BadRequest");
        assert_eq!(client.property("/users/ann@contoso.com", "jobTitle").await, json!(null));
    }
}

#[tokio::test]
async fn f09_the_immutable_id_is_settable_clearable_and_unique() {
    let (_tenant, client) = tenant(json!({ "users": [user("ann"), user("bob"), synced("syd")] })).await;
    let set = |id: Value| json!({ "onPremisesImmutableId": id });
    client.patch("/users/ann@contoso.com", set(json!("AAAA"))).await.is(204);
    assert_eq!(client.property("/users/ann@contoso.com", "onPremisesImmutableId").await, "AAAA");
    client.patch("/users/bob@contoso.com", set(json!("AAAA"))).await.conflict("onPremisesImmutableId");
    for bad in ["A$A", "A_A"] {
        client.patch("/users/bob@contoso.com", set(json!(bad))).await.refused(400, "Request_BadRequest");
    }
    client.patch("/users/syd@contoso.com", set(json!("BBBB"))).await.refused(400, "Request_BadRequest");
    client.patch("/users/ann@contoso.com", set(json!(null))).await.is(204);
    client.patch("/users/bob@contoso.com", set(json!("AAAA"))).await.is(204);
    // Base64 is case-sensitive.
    client.patch("/users/ann@contoso.com", set(json!("aaaa"))).await.is(204);
    let found = client.get("/users?$filter=onPremisesImmutableId eq 'AAAA'&$select=id,onPremisesImmutableId").await;
    assert!(found.rows().iter().any(|row| row["onPremisesImmutableId"] == "AAAA"), "{}", found.body);
}

#[tokio::test]
async fn f10_mail_moves_the_primary_address_and_clashes_are_conflicts() {
    let (tenant, client) = tenant(json!({ "users": [user("ann"), user("bob")] })).await;
    client.patch("/users/ann@contoso.com", json!({ "mail": "new@contoso.com" })).await.is(204);
    let addresses = client.property("/users/ann@contoso.com", "proxyAddresses").await;
    assert_eq!(addresses, json!(["SMTP:new@contoso.com", "smtp:ann@contoso.com"]));
    client.patch("/users/ann@contoso.com", json!({ "mail": "ann@contoso.com" })).await.is(204);
    let addresses = client.property("/users/ann@contoso.com", "proxyAddresses").await;
    assert_eq!(addresses, json!(["SMTP:ann@contoso.com", "smtp:new@contoso.com"]));
    client.patch("/users/bob@contoso.com", json!({ "mail": "NEW@contoso.com" })).await.conflict("proxyAddresses");
    assert_eq!(client.property("/users/bob@contoso.com", "mail").await, "bob@contoso.com");

    tenant.update_knobs(|knobs| knobs.mail_clash = MailClash::LeaveOut).unwrap();
    client.patch("/users/bob@contoso.com", json!({ "mail": "new@contoso.com" })).await.is(204);
    assert_eq!(client.property("/users/bob@contoso.com", "proxyAddresses").await, json!(["smtp:bob@contoso.com"]));
    client.patch("/users/bob@contoso.com", json!({ "mail": null })).await.is(204);
    assert_eq!(client.property("/users/bob@contoso.com", "mail").await, json!(null));
}

#[tokio::test]
async fn f11_extension_attributes_merge_one_by_one() {
    let (_tenant, client) = tenant(json!({ "users": [user("ann"), synced("syd")] })).await;
    let set = |attributes: Value| json!({ "onPremisesExtensionAttributes": attributes });
    let first = set(json!({ "extensionAttribute1": "a", "extensionAttribute2": "b" }));
    client.patch("/users/ann@contoso.com", first).await.is(204);
    let second = set(json!({ "extensionAttribute2": null, "extensionAttribute15": "c" }));
    client.patch("/users/ann@contoso.com", second).await.is(204);
    let held = client.property("/users/ann@contoso.com", "onPremisesExtensionAttributes").await;
    assert_eq!(held.as_object().unwrap().len(), 15);
    let values = [&held["extensionAttribute1"], &held["extensionAttribute2"], &held["extensionAttribute15"]];
    assert_eq!(values, [&json!("a"), &json!(null), &json!("c")]);
    client.patch("/users/ann@contoso.com", set(json!({ "extensionAttribute16": "x" }))).await.is(400);
    let refused = client.patch("/users/syd@contoso.com", set(json!({ "extensionAttribute1": "a" }))).await;
    refused.refused(400, "Request_BadRequest");
}

#[tokio::test]
async fn f12_mastered_properties_of_synced_users_are_refused_others_are_not() {
    let (_tenant, client) = tenant(json!({ "users": [synced("syd")] })).await;
    let refused = client.patch("/users/syd@contoso.com", json!({ "displayName": "Sydney" })).await;
    let refused = refused.refused(400, "Request_BadRequest");
    let message = refused.body["error"]["message"].as_str().unwrap();
    assert!(message.starts_with("Unable to update the specified properties for on-premises mastered"), "{message}");
    client.patch("/users/syd@contoso.com", json!({ "usageLocation": "de" })).await.is(204);
    assert_eq!(client.property("/users/syd@contoso.com", "usageLocation").await, "DE");
    let licence = json!({ "addLicenses": [{ "skuId": E3, "disabledPlans": [] }], "removeLicenses": [] });
    let assigned = client.post("/users/syd@contoso.com/assignLicense", licence).await.is(200);
    assert_eq!(assigned.body["assignedLicenses"][0]["skuId"], E3);
    let skus = client.get("/subscribedSkus").await.is(200);
    assert_eq!(skus.rows()[0]["consumedUnits"], 1);
    client.put("/users/syd@contoso.com/manager/$ref", json!({ "@odata.id": "x" })).await.is(400);
}

#[tokio::test]
async fn licences_need_a_place_and_free_units() {
    let users: Vec<Value> = ["a1", "a2", "a3", "a4"].map(user).into_iter().collect();
    let (_tenant, client) = tenant(json!({ "users": users })).await;
    let add = json!({ "addLicenses": [{ "skuId": E3 }], "removeLicenses": [] });
    client.post("/users/a1@contoso.com/assignLicense", add.clone()).await.refused(400, "Request_BadRequest");
    for name in ["a1", "a2", "a3", "a4"] {
        client.patch(&format!("/users/{name}@contoso.com"), json!({ "usageLocation": "DE" })).await.is(204);
    }
    for name in ["a1", "a2", "a3"] {
        client.post(&format!("/users/{name}@contoso.com/assignLicense"), add.clone()).await.is(200);
    }
    client.post("/users/a4@contoso.com/assignLicense", add.clone()).await.is(400);
    let remove = json!({ "addLicenses": [], "removeLicenses": [E3] });
    client.post("/users/a1@contoso.com/assignLicense", remove.clone()).await.is(200);
    client.post("/users/a1@contoso.com/assignLicense", remove).await.is(400);
    client.post("/users/a4@contoso.com/assignLicense", add).await.is(200);
    client.post("/users/a4@contoso.com/assignLicense", json!({ "addLicenses": [] })).await.is(400);
    client.patch("/users/a4@contoso.com", json!({ "usageLocation": null })).await.is(400);
}

#[tokio::test]
async fn null_clears_but_not_the_display_name() {
    let mut ann = user("ann");
    ann["jobTitle"] = json!("Boss");
    let (_tenant, client) = tenant(json!({ "users": [ann] })).await;
    client.patch("/users/ann@contoso.com", json!({ "jobTitle": null })).await.is(204);
    assert_eq!(client.property("/users/ann@contoso.com", "jobTitle").await, json!(null));
    client.patch("/users/ann@contoso.com", json!({ "displayName": null })).await.refused(400, "Request_BadRequest");
}

#[tokio::test]
async fn managers_are_set_read_expanded_and_removed() {
    let (_tenant, client) = tenant(json!({ "users": [user("ann"), user("bob")] })).await;
    client.get("/users/ann@contoso.com/manager").await.refused(404, "Request_ResourceNotFound");
    let bob = client.get("/users/bob@contoso.com").await.id();
    let reference = json!({ "@odata.id": format!("https://graph.microsoft.com/v1.0/users/{bob}") });
    client.put("/users/ann@contoso.com/manager/$ref", reference).await.is(204);
    assert_eq!(client.get("/users/ann@contoso.com/manager?$select=id").await.is(200).id(), bob);
    let listed = client.get("/users?$expand=manager($select=id)&$filter=userPrincipalName eq 'ann@contoso.com'").await;
    assert_eq!(listed.is(200).rows()[0]["manager"]["id"], bob);
    client.delete("/users/ann@contoso.com/manager/$ref").await.is(204);
    client.delete("/users/ann@contoso.com/manager/$ref").await.refused(404, "Request_ResourceNotFound");
}

#[tokio::test]
async fn filters_find_and_unsupported_ones_are_refused() {
    let mut guest = user("guest");
    guest["userPrincipalName"] = json!("guest_partner.com#EXT#@contoso.onmicrosoft.com");
    guest["userType"] = json!("Guest");
    guest["proxyAddresses"] = json!(["SMTP:guest@partner.com", "smtp:g@partner.com"]);
    let (_tenant, client) = tenant(json!({ "users": [user("ann"), user("bob"), guest] })).await;
    let found = async |filter: &str| {
        let got = client.get(&format!("/users?$select=displayName&$filter={filter}")).await.is(200);
        got.rows().iter().map(|row| row["displayName"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(found("mail eq 'ANN@contoso.com'").await, ["ann"]);
    assert_eq!(found("proxyAddresses/any(x:x eq 'smtp:g@partner.com')").await, ["guest"]);
    assert_eq!(
        found("proxyAddresses/any(x:x eq 'SMTP:guest@partner.com') or mail eq 'bob@contoso.com'").await,
        ["bob", "guest"]
    );
    assert_eq!(found("userType eq 'Guest' and accountEnabled eq true").await, ["guest"]);
    assert_eq!(found("startsWith(userPrincipalName,'b')").await, ["bob"]);
    assert_eq!(found("userPrincipalName in ('ann@contoso.com','bob@contoso.com')").await, ["ann", "bob"]);
    assert_eq!(found("mail eq 'nobody@contoso.com'").await, Vec::<String>::new());

    client.get("/users?$filter=userType ne 'Guest'").await.refused(400, "Request_UnsupportedQuery");
    client.get("/users?$count=true").await.refused(400, "Request_UnsupportedQuery");
    client.get("/users?$filter=aboutMe eq 'x'").await.refused(400, "Request_UnsupportedQuery");
    let request = client.request(reqwest::Method::GET, "/users?$count=true&$filter=userType ne 'Guest'");
    let got = read(request.header("ConsistencyLevel", "eventual").send().await.unwrap()).await.is(200);
    assert_eq!((got.rows().len(), &got.body["@odata.count"]), (2, &json!(2)));
    let key = "guest_partner.com%23EXT%23@contoso.onmicrosoft.com";
    assert_eq!(client.property(&format!("/users/{key}"), "userType").await, "Guest");
}

#[tokio::test]
async fn privileged_users_are_protected() {
    let mut admin = user("admin");
    admin["roles"] = json!({ "active": ["Global Administrator"] });
    let (_tenant, client) = tenant(json!({ "users": [admin] })).await;
    client
        .patch("/users/admin@contoso.com", json!({ "accountEnabled": false }))
        .await
        .refused(403, "Authorization_RequestDenied");
    client.delete("/users/admin@contoso.com").await.refused(403, "Authorization_RequestDenied");
    client.patch("/users/admin@contoso.com", json!({ "jobTitle": "Admin" })).await.is(204);
}

#[tokio::test]
async fn sessions_are_revoked_and_the_directory_shows_it() {
    let (tenant, client) = tenant(json!({ "users": [user("ann")] })).await;
    let path = "/users/ann@contoso.com";
    assert_eq!(client.property(path, "signInSessionsValidFromDateTime").await, json!(null));
    let got =
        client.request(reqwest::Method::POST, "/users/ann@contoso.com/revokeSignInSessions").send().await.unwrap();
    assert_eq!(read(got).await.is(200).body["value"], true);
    assert!(client.property(path, "signInSessionsValidFromDateTime").await.is_string());
    assert_eq!(tenant.successful_writes(), 1);
}

#[tokio::test]
async fn silent_reverts_and_normalisations_are_answered_with_success() {
    let knobs = Knobs {
        silent_reverts: vec![
            SilentRevert { attribute: "jobTitle".to_owned(), drop: true, value: json!(null) },
            SilentRevert { attribute: "department".to_owned(), drop: false, value: json!("Cloud") },
        ],
        normalisations: vec![Normalisation { attribute: "city".to_owned(), form: NormalForm::UpperCase }],
        ..Knobs::default()
    };
    let tenant = start_with(json!({ "users": [user("ann")] }), knobs).await;
    let client = Client::sign_in(&tenant, CLIENT).await;
    let sent = json!({ "jobTitle": "Boss", "department": "Sales", "city": "Bonn", "country": "Germany" });
    client.patch("/users/ann@contoso.com", sent).await.is(204);
    let held = client.get("/users/ann@contoso.com?$select=jobTitle,department,city,country").await.is(200).body;
    let values = [&held["jobTitle"], &held["department"], &held["city"], &held["country"]];
    assert_eq!(values, [&json!(null), &json!("Cloud"), &json!("BONN"), &json!("Germany")]);
}

#[tokio::test]
async fn the_object_quota_is_kept() {
    let tenant = start_with(json!({ "users": [user("ann")] }), Knobs { object_quota: 2, ..Knobs::default() }).await;
    let client = Client::sign_in(&tenant, CLIENT).await;
    client.post("/users", new_user("bob")).await.is(201);
    client.post("/users", new_user("cid")).await.refused(400, "Directory_QuotaExceeded");
}
