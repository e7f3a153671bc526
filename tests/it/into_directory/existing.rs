//! What stands in the directory already: it is joined where it may be, and never created beside itself.

use super::world::{NO_GUARDS, People, controller, deployment, directory, second_plan_is_empty};
use metasync_tests::lab::DOMAIN;
use serde_json::json;

/// T19 (S27): where the new object was to stand stands one of its type that belongs to nobody: it is joined, and written to
/// as one that existed before. A unit that was joined stays when its line goes.
#[test]
fn t19_what_stands_at_the_place_is_joined() {
    let more = [
        json!({ "dn": "OU=Staff,OU=Managed", "class": "organizationalUnit" }),
        json!({ "dn": "CN=Ann,OU=Staff,OU=Managed", "class": "user", "attributes": { "sAMAccountName": "ann", "title": "Old" } }),
        json!({ "dn": "CN=Bob,OU=Staff,OU=Managed", "class": "contact" }),
    ];
    let dc = controller("into_directory::t19_what_stands_at_the_place_is_joined", &more);
    dc.rights(&["write", "svc-metasync", "OU=Managed"]);
    let identity = |name: &str| {
        let dn = format!("CN={name},OU=Staff,OU=Managed,{DOMAIN}");
        super::world::dump(&dc, &dn, &["whenCreated", "objectSid"])[&dn].clone()
    };
    let ann = identity("Ann");
    let mut people = People::default();
    people.unit("u1", "Staff", "");
    people.person("ann", "Ann", "OU=Staff").title = "New".into();
    people.person("bob", "Bob", "OU=Staff");
    people.person("carl", "Carl", "OU=Staff");
    let deployment = deployment(&dc, &people, false, &format!("{NO_GUARDS}\n[matching]\nmode = \"automatic\""));
    deployment.run(&["cycle", "initial"]).expect(&[0]);
    let after = directory(&dc);
    assert_eq!(
        after.keys().collect::<Vec<_>>(),
        ["CN=Ann,OU=Staff", "CN=Bob,OU=Staff", "CN=Carl,OU=Staff", "OU=Staff"]
    );
    assert!(after["CN=Ann,OU=Staff"].contains("title=New"), "{after:?}");
    assert!(after["CN=Bob,OU=Staff"].contains("objectClass=contact"), "another type is not taken over: {after:?}");
    assert_eq!(identity("Ann"), ann, "the same object");
    let pending = deployment.run(&["pending", "ad"]).expect(&[0, 3]);
    assert!(pending.out.contains("dn-occupied"), "{}", pending.out);
    second_plan_is_empty(&dc, &deployment);

    for gone in ["u1", "carl"] {
        people.0.remove(gone);
    }
    people.write(&deployment);
    deployment.run(&["cycle", "delta"]).expect(&[0]);
    let after: Vec<String> = directory(&dc).into_keys().collect();
    assert_eq!(after, ["CN=Ann,OU=Staff", "CN=Bob,OU=Staff", "OU=Staff"], "what existed before is only let go");
    second_plan_is_empty(&dc, &deployment);
}

/// G10: without its store, metasync finds everything again where it stands, creates nothing twice and changes nothing.
#[test]
fn rebuilt_from_nothing() {
    let dc = controller("into_directory::rebuilt_from_nothing", &[]);
    dc.rights(&["write", "svc-metasync", "OU=Managed"]);
    let mut people = People::default();
    people.unit("u1", "Staff", "");
    people.unit("u2", "North", "OU=Staff");
    people.person("ann", "Ann", "OU=North,OU=Staff");
    people.person("bob", "Bob", "OU=Staff").manager = "ann".into();
    people.group("all", "All", "OU=Staff", &["ann", "bob"]);
    let deployment = deployment(&dc, &people, false, &format!("{NO_GUARDS}\n[matching]\nmode = \"automatic\""));
    deployment.run(&["cycle", "initial"]).expect(&[0]);
    let before = super::world::change_numbers(&dc);
    for name in ["metasync.db", "metasync.db-wal", "metasync.db-shm"] {
        let _gone = std::fs::remove_file(deployment.file(name));
    }
    deployment.run(&["cycle", "initial"]).expect(&[0]);
    assert_eq!(super::world::change_numbers(&dc), before, "nothing was written");
    second_plan_is_empty(&dc, &deployment);
}
