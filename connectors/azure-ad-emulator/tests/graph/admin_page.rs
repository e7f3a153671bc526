//! The admin page, as a browser gets it: what the customer's story ends with.

use serde_json::json;

use crate::support::*;

async fn page(client: &Client, query: &str) -> String {
    let reply = client.http.get(format!("{}/_tenant/{query}", client.base)).send().await.unwrap();
    assert_eq!(reply.status(), 200);
    assert!(reply.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
    reply.text().await.unwrap()
}

/// The cells of each row of the table.
fn rows(page: &str) -> Vec<Vec<String>> {
    let body = page.split_once("<tbody>").expect("a table").1.split_once("</tbody>").expect("its end").0;
    let cells = |row: &str| {
        let cells =
            row.split("</td>").filter_map(|cell| cell.split_once("<td")?.1.split_once('>').map(|(_, text)| text));
        cells.map(str::to_owned).collect()
    };
    body.split("</tr>").filter(|row| row.contains("<td")).map(cells).collect()
}

#[tokio::test]
async fn the_admin_page_tells_who_is_synced_and_who_has_no_licence() {
    let mut ann = user("ann");
    ann["usageLocation"] = json!("DE");
    ann["assignedLicenses"] = json!(["ENTERPRISEPACK"]);
    ann["onPremisesSyncEnabled"] = json!(true);
    let mut bob = user("bob");
    bob["displayName"] = json!("Bob <b>&\"");
    bob["accountEnabled"] = json!(false);
    let (_tenant, client) = tenant(json!({
        "users": [ann, bob],
        "groups": [{ "displayName": "List", "mailEnabled": true, "securityEnabled": false, "mail": "list@contoso.com", "members": ["ann@contoso.com"] }],
        "contacts": [{ "displayName": "Supplier", "mail": "s@vendor.example" }],
        "deletedUsers": [{ "userPrincipalName": "old@contoso.com", "displayName": "Old" }],
    }))
    .await;
    let users = page(&client, "").await;
    let expected = [
        ["ann", "ann@contoso.com", "Synced with Active Directory", "ENTERPRISEPACK", "Allowed", "Nobody", ""],
        ["Bob &lt;b&gt;&amp;&quot;", "bob@contoso.com", "In cloud", "Unlicensed", "Blocked", "Nobody", ""],
    ];
    assert_eq!(rows(&users), expected);
    assert!(users.contains("Unlicensed (1)") && users.contains("Synced with Active Directory (1)"), "{users}");
    assert!(
        !users.contains("src=") && !users.contains("http://") && !users.contains("https://"),
        "nothing from elsewhere"
    );

    let names = async |query: &str| -> Vec<String> {
        rows(&page(&client, query).await).into_iter().map(|row| row[0].clone()).collect()
    };
    assert_eq!(names("?show=users&filter=unlicensed").await, ["Bob &lt;b&gt;&amp;&quot;"]);
    assert_eq!(names("?show=users&filter=synced").await, ["ann"]);
    assert_eq!(names("?show=users&search=ANN%40").await, ["ann"]);
    assert_eq!(
        rows(&page(&client, "?show=groups").await),
        [["List", "Distribution list", "list@contoso.com", "In cloud", "1"]]
    );
    assert_eq!(rows(&page(&client, "?show=contacts").await), [["Supplier", "s@vendor.example", "", "In cloud"]]);
    assert_eq!(rows(&page(&client, "?show=deleted").await)[0][..2], ["Old", "old@contoso.com"]);
    // The same page for those who look for /admin.
    assert_eq!(client.http.get(format!("{}/admin", client.base)).send().await.unwrap().text().await.unwrap(), users);
}

#[tokio::test]
async fn the_admin_page_shows_the_requests_without_secrets() {
    let (_tenant, client) = tenant(json!({ "users": [user("ann")] })).await;
    client.post("/users", new_user("bob")).await.is(201);
    client.get("/users/nobody@contoso.com").await.is(404);
    let log = page(&client, "?show=log").await;
    let shown: Vec<(String, String)> = rows(&log).into_iter().map(|row| (row[2].clone(), row[4].clone())).collect();
    assert_eq!(shown[0], ("GET /v1.0/users/nobody@contoso.com".to_owned(), "404".to_owned()));
    assert_eq!(shown[1], ("POST /v1.0/users".to_owned(), "201".to_owned()));
    assert!(log.contains("[redacted]") && !log.contains(PASSWORD) && !log.contains(SECRET));
    assert!(log.contains("1 writes carried out, 1 asked for"));
}

#[tokio::test]
async fn long_lists_come_in_pages() {
    let users: Vec<_> = (0..450).map(|number| user(&format!("u{number:03}"))).collect();
    let (_tenant, client) = tenant(json!({ "users": users })).await;
    let first = page(&client, "").await;
    assert_eq!(rows(&first).len(), 200);
    assert!(first.contains(">Next</a>") && !first.contains(">Previous</a>"));
    let last = page(&client, "?show=users&page=3").await;
    assert_eq!((rows(&last).len(), rows(&last)[0][0].as_str()), (50, "u400"));
    assert!(!last.contains(">Next</a>") && last.contains(">Previous</a>"));
    assert_eq!(rows(&page(&client, "?page=99999999999999999999").await).len(), 200);
    assert_eq!(rows(&page(&client, "?page=9999").await).len(), 0);
}
