//! Reading back: all of it, page by page, and what changed since (B.4).

use std::collections::BTreeMap;

use azure_ad_emulator::binary_xml::Element;
use serde_json::{Value, json};

use crate::soap::*;
use crate::support::user;

/// Operation and properties of each object, texts and lists as JSON.
type Told = Vec<(String, BTreeMap<String, Value>)>;

struct Page {
    told: Told,
    cookie: String,
    more: bool,
}

async fn read(service: &Service, operation: &str, cookie: Option<&str>, full: bool) -> Page {
    let cookie_element = Element::new("", "inputCookie", AWS);
    let cookie = match cookie {
        Some(cookie) => cookie_element.with_text(cookie),
        None => nil(cookie_element),
    };
    let children = vec![aws("includeLicenseInformation", "true"), cookie, aws("isFullSync", &full.to_string())];
    let result = service.call(operation, children).await.result(operation);
    let told = result.child("ResultObjects").unwrap().elements().map(|object| {
        let pairs = object.child("PropertyValues").unwrap().elements().map(|pair| {
            let value = pair.child("Value").unwrap();
            let items: Vec<String> = value.elements().map(Element::text).collect();
            let json = match value.attribute_value("type") {
                None => Value::Null,
                Some(kind) if kind.starts_with("c:ArrayOf") => json!(items),
                Some(_) => json!(value.text()),
            };
            (pair.child("Key").unwrap().text(), json)
        });
        (object.child("SyncOperation").unwrap().text(), pairs.collect())
    });
    Page {
        told: told.collect(),
        cookie: result.child("NextPageCookie").unwrap().text(),
        more: result.child("MoreAvailable").unwrap().text() == "true",
    }
}

const TWO: &str = "ReadBackAzureADSyncObjects2";

/// Follows the pages to the end.
async fn read_all(service: &Service, cookie: Option<&str>, full: bool) -> Page {
    let mut page = read(service, TWO, cookie, full).await;
    while page.more {
        let next = read(service, TWO, Some(&page.cookie), full).await;
        page.told.extend(next.told);
        (page.cookie, page.more) = (next.cookie, next.more);
    }
    page
}

fn names(page: &Page) -> Vec<(&str, &str)> {
    let name = |object: &BTreeMap<String, Value>| object["SourceAnchor"].as_str().unwrap().to_owned();
    let mut names: Vec<(&str, String)> =
        page.told.iter().map(|(operation, object)| (operation.as_str(), name(object))).collect();
    names.sort();
    names.into_iter().map(|(operation, name)| (operation, &*name.leak())).collect()
}

#[tokio::test]
async fn a_full_reading_tells_of_what_is_synchronised_page_by_page() {
    let (tenant, graph, service) = synced(json!({ "users": [user("cloud")] })).await;
    tenant.update_knobs(|knobs| knobs.read_back_page_size = 2).unwrap();
    let objects = vec![
        set("User", with(person("u1", "ann"), json!({ "countryCode": 276, "ThumbnailPhoto": { "base64": "AQID" } }))),
        set("User", person("u2", "bob")),
        set("User", with(person("u3", "eve"), json!({ "manager": "u1" }))),
        set("Group", json!({ "SourceAnchor": "g1", "displayName": "G", "member": ["u1", "u2"], "Description": "d" })),
        set(
            "Contact",
            json!({ "SourceAnchor": "c1", "displayName": "C", "proxyAddresses": ["SMTP:c@vendor.example"] }),
        ),
    ];
    let ids: Vec<String> = service.provision(objects).await.iter().map(Outcome::id).collect();
    let first = read(&service, TWO, None, true).await;
    assert!(first.more && first.told.len() == 2);
    let all = read_all(&service, None, true).await;
    assert_eq!(names(&all), [("Set", "c1"), ("Set", "g1"), ("Set", "u1"), ("Set", "u2"), ("Set", "u3")]);
    let object = |anchor: &str| all.told.iter().find(|(_, object)| object["SourceAnchor"] == anchor).unwrap().1.clone();
    let ann = object("u1");
    assert_eq!(ann["CloudAnchor"], format!("User_{}", ids[0]));
    assert_eq!(ann["ProxyAddresses"], json!(["SMTP:ann@contoso.com"]));
    assert_eq!((&ann["CountryCode"], &ann["ThumbnailPhoto"]), (&json!("276"), &json!("AQID")));
    assert_eq!(object("u3")["Manager"], "u1");
    assert_eq!((&object("g1")["Member"], &object("g1")["SecurityEnabled"]), (&json!(["u1", "u2"]), &json!("true")));
    assert!(!ann.contains_key("Department"), "version 2 tells only what is there");

    let one = read(&service, "ReadBackAzureADSyncObjects", None, true).await;
    assert_eq!(one.told[0].1["Department"], Value::Null, "version 1 tells of empty attributes too");
    tenant.update_knobs(|knobs| knobs.read_back_cloud_objects = true).unwrap();
    assert_eq!(read_all(&service, None, true).await.told.len(), 6);
    drop(graph);
}

#[tokio::test]
async fn a_delta_tells_what_changed_and_what_is_gone() {
    let (tenant, graph, service) = synced(json!({})).await;
    let objects = ["u1", "u2", "u3", "u4"].map(|anchor| set("User", person(anchor, anchor)));
    let ids: Vec<String> = service.provision(objects.to_vec()).await.iter().map(Outcome::id).collect();
    service.one(set("Group", json!({ "SourceAnchor": "g1", "displayName": "G" }))).await.id();
    tenant.update_knobs(|knobs| knobs.read_back_page_size = 2).unwrap();
    // What changes while a full reading is under way comes with the first delta.
    let first = read(&service, TWO, None, true).await;
    service.one(set("User", json!({ "SourceAnchor": "u1", "title": "Boss" }))).await.id();
    let full = read_all(&service, Some(&first.cookie), true).await;
    let delta = read_all(&service, Some(&full.cookie), false).await;
    assert_eq!(names(&delta), [("Set", "u1")]);
    assert_eq!(delta.told[0].1["Title"], "Boss");
    let none = read_all(&service, Some(&delta.cookie), false).await;
    assert_eq!(none.told.len(), 0);

    service.one(delete("User", "u2")).await.id();
    service.one(delete("Group", "g1")).await.id();
    graph.patch(&format!("/users/{}/onPremisesSyncBehavior", ids[2]), json!({ "isCloudManaged": true })).await;
    service.one(set("User", json!({ "SourceAnchor": "u4", "commonName": "known here alone" }))).await.id();
    let delta = read_all(&service, Some(&none.cookie), false).await;
    assert_eq!(names(&delta), [("Delete", "g1"), ("Delete", "u2"), ("Set", "u3"), ("Set", "u4")]);
    let moved = delta.told.iter().find(|(_, object)| object["SourceAnchor"] == "u3").unwrap();
    assert_eq!((&moved.1["BlockOnPremisesSync"], &moved.1["CloudMastered"]), (&json!("true"), &json!("true")));
    assert_eq!(read_all(&service, Some(&delta.cookie), false).await.told.len(), 0);

    // A full reading begins anew whatever the cookie of a delta says.
    assert_eq!(read_all(&service, Some(&delta.cookie), true).await.told.len(), 3);
    tenant.update_knobs(|knobs| knobs.read_back_cookie_life_s = 0).unwrap();
    let children =
        vec![aws("includeLicenseInformation", "true"), aws("inputCookie", &delta.cookie), aws("isFullSync", "false")];
    let text = service.call(TWO, children).await.fault(500);
    assert!(text.contains("cookie is not valid"), "{text}");
    let children =
        vec![aws("includeLicenseInformation", "true"), aws("inputCookie", "bm9uZQ=="), aws("isFullSync", "false")];
    service.call(TWO, children).await.fault(500);
}
