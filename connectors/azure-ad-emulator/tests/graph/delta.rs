//! Delta queries: F.17 to F.21.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::*;

fn people(count: usize) -> Vec<Value> {
    (0..count).map(|number| user(&format!("u{number}"))).collect()
}

fn ids(rows: &[Value]) -> BTreeSet<String> {
    rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

/// Applies the rows of a group delta to a set of members.
fn merge_members(members: &mut BTreeMap<String, BTreeSet<String>>, rows: &[Value]) {
    for row in rows {
        let set = members.entry(row["id"].as_str().unwrap().to_owned()).or_default();
        for link in row["members@delta"].as_array().into_iter().flatten() {
            let id = link["id"].as_str().unwrap().to_owned();
            if link.get("@removed").is_some() {
                set.remove(&id)
            } else {
                set.insert(id)
            };
        }
    }
}

#[tokio::test]
async fn f17_the_first_round_is_the_full_list_and_the_next_is_empty() {
    let (tenant, client) = tenant(json!({ "users": people(23) })).await;
    tenant.update_knobs(|knobs| knobs.delta_page_size = 5).unwrap();
    let (rows, link) = client.round("/users/delta?$select=id,userPrincipalName").await;
    assert_eq!(rows.len(), 23);
    assert_eq!(ids(&rows), ids(&client.all("/users?$select=id").await));
    let (rows, next) = client.round(&link).await;
    assert_eq!(rows, Vec::<Value>::new());
    // Unselected changes leave empty pages with a nextLink.
    for number in 0..12 {
        client.patch(&format!("/users/u{number}@contoso.com"), json!({ "jobTitle": "x" })).await.is(204);
    }
    let page = client.get(&next).await.is(200);
    assert_eq!(page.rows().len(), 0);
    assert!(page.body["@odata.nextLink"].is_string() && page.body.get("@odata.deltaLink").is_none(), "{}", page.body);
    let (rows, _) = client.round(&next).await;
    assert_eq!(rows, Vec::<Value>::new());
}

#[tokio::test]
async fn f17_latest_starts_from_now_and_changes_during_a_round_are_not_lost() {
    let (tenant, client) = tenant(json!({ "users": people(6) })).await;
    let (rows, link) = client.round("/users/delta?$deltatoken=latest").await;
    assert!(rows.is_empty());
    client.patch("/users/u1@contoso.com", json!({ "displayName": "one" })).await.is(204);
    let (rows, _) = client.round(&link).await;
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["displayName"], "one");

    tenant.update_knobs(|knobs| knobs.delta_page_size = 2).unwrap();
    let first = client.get("/users/delta").await.is(200);
    // Told on the first page, and then changed: it comes again at the end of the round.
    let told = first.rows()[0]["id"].as_str().unwrap().to_owned();
    client.patch(&format!("/users/{told}"), json!({ "displayName": "again" })).await.is(204);
    let next = first.body["@odata.nextLink"].as_str().unwrap().to_owned();
    let (rows, link) = client.round(&next).await;
    assert!(rows.iter().any(|row| row["id"] == told && row["displayName"] == "again"), "{rows:?}");
    assert_eq!(ids(&rows).len() + 1, 6, "two on the first page, one of them again");
    assert!(client.round(&link).await.0.is_empty());
}

#[tokio::test]
async fn f18_removed_says_changed_or_deleted_and_a_restore_is_a_normal_entry() {
    let (_tenant, client) = tenant(json!({ "users": people(2) })).await;
    let (rows, link) = client.round("/users/delta").await;
    let id = rows[0]["id"].as_str().unwrap().to_owned();
    client.delete(&format!("/users/{id}")).await.is(204);
    let (rows, link) = client.round(&link).await;
    assert_eq!(rows, [json!({ "id": id, "@removed": { "reason": "changed" } })]);
    client.post(&format!("/directory/deletedItems/{id}/restore"), json!({})).await.is(200);
    let (rows, link) = client.round(&link).await;
    assert!(
        rows.len() == 1 && rows[0].get("@removed").is_none() && rows[0]["userPrincipalName"].is_string(),
        "{rows:?}"
    );
    client.delete(&format!("/users/{id}")).await.is(204);
    client.delete(&format!("/directory/deletedItems/{id}")).await.is(204);
    let (rows, link) = client.round(&link).await;
    assert_eq!(rows, [json!({ "id": id, "@removed": { "reason": "deleted" } })]);
    assert!(client.round(&link).await.0.is_empty());
}

#[tokio::test]
async fn f19_select_and_minimal() {
    let (_tenant, client) = tenant(json!({ "users": [user("ann")] })).await;
    client.patch("/users/ann@contoso.com", json!({ "jobTitle": "Boss", "department": "Sales" })).await.is(204);
    let (_, link) = client.round("/users/delta?$select=displayName,jobTitle,department,city,manager").await;
    client.patch("/users/ann@contoso.com", json!({ "country": "Germany" })).await.is(204);
    let (rows, link) = client.round(&link).await;
    assert!(rows.is_empty(), "{rows:?}");
    client.patch("/users/ann@contoso.com", json!({ "jobTitle": null })).await.is(204);
    let (minimal, _) = client.round_with(&link, Some("return=minimal")).await;
    let id = minimal[0]["id"].clone();
    assert_eq!(minimal, [json!({ "id": id, "jobTitle": null })]);
    // The default repeats all selected properties that were ever set; city never was.
    let (rows, link) = client.round(&link).await;
    assert_eq!(rows, [json!({ "id": id, "displayName": "ann", "jobTitle": null, "department": "Sales" })]);

    let bob = client.post("/users", new_user("bob")).await.is(201).id();
    let reference = json!({ "@odata.id": format!("{}directoryObjects/{bob}", client.graph) });
    client.put("/users/ann@contoso.com/manager/$ref", reference).await.is(204);
    let (rows, link) = client.round_with(&link, Some("return=minimal")).await;
    let ann = rows.iter().find(|row| row["id"] == id).unwrap();
    assert_eq!(ann["manager@delta"], json!([{ "@odata.type": "#microsoft.graph.user", "id": bob }]));
    client.delete("/users/ann@contoso.com/manager/$ref").await.is(204);
    let (rows, _) = client.round_with(&link, Some("return=minimal")).await;
    assert_eq!(rows[0]["manager@delta"][0]["@removed"], json!({ "reason": "deleted" }));
}

#[tokio::test]
async fn f20_a_group_of_5000_is_split_over_pages() {
    let names: Vec<String> = (0..5_000).map(|number| format!("u{number}@contoso.com")).collect();
    let (tenant, client) = tenant(json!({
        "users": people(5_000),
        "groups": [
            { "displayName": "Everyone", "members": names },
            { "displayName": "Few", "members": ["u1@contoso.com", "u2@contoso.com"] },
        ],
    }))
    .await;
    let first = client.get("/groups/delta?$select=displayName,members").await.is(200);
    assert_eq!(first.rows()[0]["members@delta"].as_array().unwrap().len(), 1_000);
    let (rows, link) = client.round("/groups/delta?$select=displayName,members").await;
    let big = rows.iter().filter(|row| row["displayName"] == "Everyone").count();
    assert_eq!(big, 5, "the group is repeated on each of its pages");
    let mut members = BTreeMap::new();
    merge_members(&mut members, &rows);
    let dump = tenant.snapshot();
    for group in dump["groups"].as_array().unwrap() {
        let held: BTreeSet<String> =
            group["members"].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect();
        assert_eq!(members[group["id"].as_str().unwrap()], held);
    }
    let everyone = rows[0]["id"].as_str().unwrap().to_owned();
    let leaver = members[&everyone].iter().next().unwrap().clone();
    client.delete(&format!("/groups/{everyone}/members/{leaver}/$ref")).await.is(204);
    let (rows, link) = client.round_with(&link, Some("return=minimal")).await;
    let removed = json!({ "@odata.type": "#microsoft.graph.user", "id": leaver, "@removed": { "reason": "deleted" } });
    assert_eq!(rows, [json!({ "id": everyone, "members@delta": [removed] })]);

    // A deleted user leaves its groups, and comes back with a restore.
    let gone = members[&everyone].iter().last().unwrap().clone();
    client.delete(&format!("/users/{gone}")).await.is(204);
    let (rows, link) = client.round(&link).await;
    assert_eq!(rows[0]["members@delta"][0]["@removed"], json!({ "reason": "deleted" }));
    client.post(&format!("/directory/deletedItems/{gone}/restore"), json!({})).await.is(200);
    let (rows, _) = client.round(&link).await;
    assert_eq!(rows[0]["members@delta"], json!([{ "@odata.type": "#microsoft.graph.user", "id": gone }]));
}

#[tokio::test]
async fn f20_without_select_members_are_told_and_with_a_select_only_if_named() {
    let (_tenant, client) = tenant(json!({
        "users": people(1), "groups": [{ "displayName": "Few", "members": ["u0@contoso.com"] }],
    }))
    .await;
    let (rows, _) = client.round("/groups/delta").await;
    assert_eq!(rows[0]["members@delta"].as_array().unwrap().len(), 1);
    let (rows, _) = client.round("/groups/delta()?$select=displayName").await;
    assert_eq!(rows[0], json!({ "id": rows[0]["id"], "displayName": "Few" }));
}

#[tokio::test]
async fn f21_a_token_of_seven_days_sends_the_client_back_to_a_full_read() {
    let (tenant, client) = tenant(json!({ "users": people(3) })).await;
    tenant.update_knobs(|knobs| knobs.token_life_s = 10_000_000).unwrap();
    let mut client = client;
    client.renew(CLIENT).await;
    let (first, link) = client.round("/users/delta?$select=displayName").await;
    tenant.advance_clock(Duration::from_secs(7 * 86_400 - 60));
    client.get(&link).await.is(200);
    tenant.advance_clock(Duration::from_secs(120));
    let gone = client.get(&link).await.refused(410, "resyncRequired");
    let location = gone.header("location").unwrap().to_owned();
    let (again, _) = client.round(&location).await;
    assert_eq!(first, again);
    client.get("/users/delta?$deltatoken=nonsense").await.refused(410, "syncStateNotFound");
}

#[tokio::test]
async fn delta_refuses_what_it_does_not_take() {
    let (_tenant, client) =
        tenant(json!({ "users": people(3), "contacts": [{ "displayName": "C", "mail": "c@x.example" }] })).await;
    for query in ["$top=5", "$orderby=displayName", "$expand=manager", "$filter=displayName eq 'x'"] {
        client.get(&format!("/users/delta?{query}")).await.refused(400, "Request_UnsupportedQuery");
    }
    let id = client.get("/users/u1@contoso.com").await.id();
    let (rows, link) = client.round(&format!("/users/delta?$filter=id eq '{id}'")).await;
    assert_eq!(ids(&rows), BTreeSet::from([id]));
    client.patch("/users/u2@contoso.com", json!({ "displayName": "two" })).await.is(204);
    assert!(client.round(&link).await.0.is_empty());
    let (rows, link) = client.round("/contacts/delta").await;
    assert_eq!(rows[0]["mail"], "c@x.example");
    assert!(client.round(&link).await.0.is_empty());
}
