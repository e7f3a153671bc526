//! What the judge finds: one change to a good exchange, one sentence.

use expect_test::{Expect, expect};
use graph_contract::{Contract, Coverage, Exchange, Reasons};
use serde_json::{Value, json};

fn exchange(method: &str, target: &str, request: Value, status: u16, reply: Value) -> Exchange {
    let some = |value: Value| Some(value).filter(|value| !value.is_null());
    Exchange {
        method: method.to_owned(),
        target: target.to_owned(),
        request: some(request),
        status,
        reply: some(reply),
        ..Exchange::default()
    }
}

fn check(exchange: &Exchange, expected: Expect) {
    let judgement = Contract::read().judge(exchange);
    expected.assert_eq(&judgement.mismatches.join("\n"));
}

fn new_user() -> Value {
    json!({ "accountEnabled": true, "displayName": "Ann", "mailNickname": "ann", "userPrincipalName": "ann@contoso.com",
        "passwordProfile": { "password": "p", "forceChangePasswordNextSignIn": true } })
}

#[test]
fn every_addition_has_a_source_and_adds_something() {
    assert_eq!(Contract::read().mistakes, Vec::<String>::new());
}

#[test]
fn good_exchanges_are_found_nothing_wrong_with() {
    check(
        &exchange(
            "get",
            "/users/delta?$select=id,displayName,manager",
            Value::Null,
            200,
            json!({
        "@odata.context": "c", "@odata.deltaLink": "https://graph.microsoft.com/v1.0/users/delta?$deltatoken=1",
        "value": [{ "id": "1", "displayName": null, "manager@delta": [{ "id": "2", "@odata.type": "#microsoft.graph.user" }] },
                  { "id": "3", "@removed": { "reason": "changed" } }] }),
        ),
        expect![""],
    );
    check(&exchange("post", "/users", new_user(), 201, json!({ "id": "1", "@odata.context": "c" })), expect![""]);
    check(&exchange("delete", "/groups/1/members/2/$ref", Value::Null, 204, Value::Null), expect![""]);
    check(&exchange("post", "/users/1/revokeSignInSessions", Value::Null, 200, json!({ "value": true })), expect![""]);
    check(
        &exchange(
            "get",
            "/groups(uniqueName='ms-a''b')?$select=id",
            Value::Null,
            404,
            json!({
        "error": { "code": "Request_ResourceNotFound", "message": "m", "innerError": { "request-id": "1", "any": 1 } } }),
        ),
        expect![""],
    );
}

#[test]
fn paths_methods_and_query_options_are_closed() {
    check(
        &exchange("get", "/directory/deletedItems/microsoft.graph.user", Value::Null, 200, json!({ "value": [] })),
        expect![""],
    );
    check(
        &exchange("get", "/users/1/photo", Value::Null, 200, Value::Null),
        expect!["get /users/1/photo: the contract has no such path"],
    );
    check(
        &exchange("delete", "/groups/1/members/2", Value::Null, 204, Value::Null),
        expect!["delete /groups/1/members/2: the contract has no such path"],
    );
    check(
        &exchange("post", "/contacts", json!({}), 201, Value::Null),
        expect!["post /contacts: the path has no such method"],
    );
    check(
        &exchange("get", "/users?$select=id,shoeSize&$orderly=id", Value::Null, 200, json!({ "value": [] })),
        expect![[r#"
            get /users: $select names `shoeSize`, which the objects do not have
            get /users: the contract has no query option `$orderly` here"#]],
    );
}

#[test]
fn bodies_are_closed_typed_and_complete() {
    let mut user = new_user();
    user["shoeSize"] = json!(43);
    user["accountEnabled"] = json!("yes");
    user["proxyAddresses"] = json!(["smtp:a@b"]);
    user.as_object_mut().unwrap().remove("mailNickname");
    check(
        &exchange("post", "/users", user, 200, json!({ "id": 7, "createdDateTime": "yesterday" })),
        expect![[r#"
            post /users: request.accountEnabled: true or false is wanted, not a string
            post /users: request.shoeSize: the contract has no such property
            post /users: mailNickname is required
            post /users: proxyAddresses is read-only
            post /users: the documented success is not 200
            post /users: reply.id: a string is wanted, not a number
            post /users: reply.createdDateTime: `yesterday` is no date-time"#]],
    );
    check(
        &exchange("patch", "/users/1", json!({ "businessPhones": null }), 204, json!({})),
        expect![[r#"
            patch /users/{user-id}: request.businessPhones: null is not allowed
            patch /users/{user-id}: 204 with a body: {}"#]],
    );
    check(
        &exchange("get", "/users/1", Value::Null, 404, json!({ "error": { "code": "x" } })),
        expect!["get /users/{user-id}: reply.error: message is missing"],
    );
}

#[test]
fn a_batch_is_judged_with_everything_in_it() {
    let request = json!({ "requests": [
        { "id": "1", "method": "PATCH", "url": "/users/1", "headers": { "Content-Type": "application/json" }, "body": { "onPremisesSyncEnabled": true } },
        { "id": "2", "method": "GET", "url": "/users/2/drive" }] });
    let reply =
        json!({ "responses": [{ "id": "1", "status": 204, "headers": {} }, { "id": "2", "status": 200, "body": {} }] });
    check(
        &exchange("post", "/$batch", request, 200, reply),
        expect![[r#"
            patch /users/{user-id}: onPremisesSyncEnabled is read-only
            get /users/2/drive: the contract has no such path"#]],
    );
}

/// What is never sent is named with its reason; an operation without one, and one that is sent all the same, are mistakes.
#[test]
fn the_table_of_what_is_never_sent_is_held_against_what_was() {
    let (contract, reasons) = (Contract::read(), Reasons::read());
    let mut coverage = Coverage::default();
    let all = contract.operations().into_iter().map(|(method, path)| format!("{method} {path}"));
    let (never, sent): (Vec<String>, Vec<String>) = all
        .partition(|name| coverage.report(&contract, &reasons).contains(&format!("{name} (asked by no test): NOBODY")));
    assert!(never.len() > 30 && sent.len() > 10);
    coverage.calls.extend(never.iter().map(|name| (name.clone(), 1)));
    assert_eq!(coverage.unexplained(&contract, &reasons), Vec::<String>::new());
    coverage.calls.remove("get /users");
    coverage.calls.insert("post /groups".to_owned(), 1);
    expect![[r#"
        get /users: never sent, and nobody says why
        post /groups: sent, and said to be never sent"#]]
    .assert_eq(&coverage.unexplained(&contract, &reasons).join("\n"));
    coverage.by_tests.insert("get /domains/{domain-id}".to_owned(), 2);
    let report = coverage.report(&contract, &reasons);
    assert!(report.contains("get /domains/{domain-id} (asked 2 times by tests): the list tells all"), "{report}");
}
