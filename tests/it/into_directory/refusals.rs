//! What the directory refuses: each object by its own name and remedy, and all others go on.

use super::world::{NO_GUARDS, People, controller, deployment, directory, second_plan_is_empty};
use metasync_tests::lab::DOMAIN;
use serde_json::{Value, json};

/// `schemaIDGUID` of the class user.
const USER: &str = "bf967aba-0de6-11d0-a285-00aa003049e2";

fn problem<'a>(pending: &'a Value, name: &str) -> &'a Value {
    let exports = pending["result"]["pending"].as_array().expect("a list");
    let found = exports.iter().find(|export| export.to_string().contains(name));
    &found.unwrap_or_else(|| panic!("{name} is pending: {pending:#}"))["refused"]
}

/// R74: a value, a right, a container, a name. The rest of the export arrives; when the cause is mended, so do they.
#[test]
fn what_the_directory_refuses_is_named_and_the_rest_goes_on() {
    let more = [
        json!({ "dn": "OU=Open,OU=Managed", "class": "organizationalUnit" }),
        json!({ "dn": "OU=Closed,OU=Managed", "class": "organizationalUnit" }),
        json!({ "dn": "CN=foreign,CN=Users", "class": "user", "attributes": { "sAMAccountName": "p4" } }),
    ];
    let dc = controller("into_directory::what_the_directory_refuses_is_named", &more);
    let mut people = People::default();
    people.person("p1", "Good", "OU=Open");
    people.person("p2", "Wrong value", "OU=Open").title = "x".repeat(200);
    people.person("p3", "No container", "OU=Nowhere");
    people.person("p4", "Taken account", "OU=Open");
    people.person("p5", "No right", "OU=Closed");
    people.group("g1", "Team", "OU=Open", &["p1", "p5"]);
    let deployment = deployment(&dc, &people, false, NO_GUARDS);
    // The check says so before anything runs.
    let checked = deployment.json(&["check"], &[5])["result"]["connectors"]["ad"].to_string();
    for part in ["right-missing", "Create Child user on OU=Managed", "CC;user", "samba-tool dsacl set"] {
        assert!(checked.contains(part), "`check` names {part}:\n{checked}");
    }
    dc.rights(&["write", "svc-metasync", "OU=Open,OU=Managed"]);
    let checked = deployment.json(&["check"], &[0])["result"]["connectors"]["ad"].to_string();
    assert!(checked.contains("may not create user objects in OU=Managed,"), "{checked}");
    let ran = deployment.run(&["cycle", "initial"]).expect(&[4]);
    let there: Vec<String> = directory(&dc).into_keys().collect();
    assert_eq!(there, ["CN=Good,OU=Open", "CN=Team,OU=Open", "OU=Closed", "OU=Open"], "{}", ran.out);

    let pending = deployment.json(&["pending", "ad"], &[0, 3, 4]);
    let told = |name: &str| problem(&pending, name).to_string();
    for (name, parts) in [
        ("Wrong value", vec!["syntax-violation", "title", "0000200B"]),
        ("No container", vec!["non-existent-parent", "OU=Nowhere", "00002030"]),
        ("Taken account", vec!["cd-existing-object", "samAccountName", "00002071"]),
        (
            "No right",
            vec!["permission-issue", "Create Child user on OU=Closed", "dsacls", "samba-tool dsacl set", USER],
        ),
    ] {
        let told = told(name);
        for part in parts {
            assert!(told.contains(part), "{name}: {part} is named in {told}");
        }
    }

    // The right as the remedy says it, the container, the value, the name: everything else arrives by itself.
    dc.rights(&["allow", "svc-metasync", "OU=Closed,OU=Managed", &format!("(OA;CI;CC;{USER};;SID)")]);
    dc.seed(&json!([{ "dn": "OU=Nowhere,OU=Managed", "class": "organizationalUnit" }]).to_string());
    dc.rights(&["write", "svc-metasync", "OU=Nowhere,OU=Managed"]);
    dc.seed(&format!("dn: CN=foreign,CN=Users,{DOMAIN}\nchangetype: delete\n"));
    people.at("p2").title = "short".into();
    people.write(&deployment);
    deployment.run(&["cycle", "delta"]).expect(&[0]);
    assert_eq!(directory(&dc).len(), 9);
    // A member that was refused is decided about again once it is there: it goes with the next export.
    deployment.run(&["cycle", "delta"]).expect(&[0]);
    assert!(directory(&dc)["CN=Team,OU=Open"].contains("CN=No right,OU=Closed"), "the member that was missing came");
    second_plan_is_empty(&dc, &deployment);

    // The account may create there and write nothing else: the attribute is named, and only that one.
    let checked = deployment.json(&["check"], &[0])["result"]["connectors"]["ad"].to_string();
    assert!(checked.contains("Write Property department on CN=No right,OU=Closed"), "{checked}");
    assert!(!checked.contains("on CN=Good,OU=Open"), "nothing lacks where it may do everything: {checked}");
    people.at("p5").department = "Accounts".into();
    people.at("p1").department = "Accounts".into();
    people.write(&deployment);
    deployment.run(&["cycle", "delta"]).expect(&[4]);
    assert!(directory(&dc)["CN=Good,OU=Open"].contains("department=Accounts"));
    let pending = deployment.json(&["pending", "ad"], &[0, 3, 4]);
    let told = problem(&pending, "No right").to_string();
    for part in ["permission-issue", "Write Property department on CN=No right,OU=Closed", "WP;department;user"] {
        assert!(told.contains(part), "{part} is named in {told}");
    }
    dc.rights(&["write", "svc-metasync", "OU=Closed,OU=Managed"]);
    deployment.run(&["cycle", "delta"]).expect(&[0]);
    assert!(directory(&dc)["CN=No right,OU=Closed"].contains("department=Accounts"), "nobody had to say so again");
    second_plan_is_empty(&dc, &deployment);
}

/// An object that was changed or deleted behind the engine's back between import and export.
#[test]
fn what_changed_meanwhile_is_not_guessed_around() {
    let dc = controller("into_directory::what_changed_meanwhile", &[]);
    dc.rights(&["write", "svc-metasync", "OU=Managed"]);
    let mut people = People::default();
    for id in ["p1", "p2", "p3"] {
        people.person(id, &format!("Person {id}"), "");
    }
    people.group("g1", "Team", "", &["p1", "p2", "p3"]);
    let deployment = deployment(&dc, &people, false, NO_GUARDS);
    deployment.run(&["cycle", "initial"]).expect(&[0]);
    deployment.run(&["cycle", "delta"]).expect(&[0]);

    people.at("p1").title = "One".into();
    people.at("p2").title = "Two".into();
    people.at("p3").manager = "p1".into();
    people.at("g1").members = ["p1", "p3"].map(str::to_owned).to_vec();
    people.write(&deployment);
    deployment.run(&["run", "hr", "full-import"]).expect(&[0]);
    deployment.run(&["run", "hr", "delta-synchronization"]).expect(&[0]);
    let managed = super::world::managed();
    dc.seed(&format!(
        "dn: CN=Person p1,{managed}\nchangetype: modrdn\nnewrdn: CN=Renamed\ndeleteoldrdn: 1\n\n\
         dn: CN=Person p2,{managed}\nchangetype: delete\n\n\
         dn: CN=Person p3,{managed}\nchangetype: modify\nadd: manager\nmanager: CN=svc-metasync,CN=Users,{DOMAIN}\n"
    ));
    let ran = deployment.run(&["run", "ad", "export"]).expect(&[4]);
    assert!(ran.out.contains("cd-missing-object"), "{}", ran.out);
    let after = directory(&dc);
    assert!(after["CN=Renamed"].contains("title=One"), "it is found by its identity: {after:?}");
    assert!(after["CN=Person p3"].contains("manager=CN=Renamed "), "one value replaces another's: {after:?}");
    assert!(!after.contains_key("CN=Person p2"), "nothing is created in its place by an update");
    // The cycle learns it: the one is named as the rules say, the other is created again.
    deployment.run(&["cycle", "delta"]).expect(&[0]);
    deployment.run(&["cycle", "delta"]).expect(&[0]);
    let after = directory(&dc);
    assert!(after["CN=Person p1"].contains("title=One") && after["CN=Person p2"].contains("title=Two"), "{after:?}");
    second_plan_is_empty(&dc, &deployment);
}
