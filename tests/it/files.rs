//! From files to a tenant: two sources that differ, ten thousand people at the guard, a process killed while it exports.

use metasync_tests::operator::{Deployment, Ran, binary};
use metasync_tests::people::{immutable_id, ldif};
use metasync_tests::tenant::{CLIENT_ID, CLIENT_SECRET, Tenant};
use serde_json::{Value, json};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

pub(crate) fn tenant(users: Value) -> Tenant {
    let tenant = Tenant::start(json!({
        "domains": [{ "name": "contoso.onmicrosoft.com", "initial": true }, { "name": "contoso.example", "default": true }],
        "users": users,
    }));
    tenant.running.update_knobs(|knobs| knobs.throttle.enabled = false).expect("knobs");
    tenant
}

/// A deployment from an LDIF file to the tenant.
pub(crate) fn deployment(tenant: &Tenant, ldif: &str, matching: &str) -> Deployment {
    let mut deployment = Deployment::new();
    deployment.variable("METASYNC_CLIENT_SECRET", CLIENT_SECRET);
    std::fs::create_dir_all(&deployment.folder).expect("a folder");
    let file = deployment.file("people.ldif");
    std::fs::write(&file, ldif).expect("the file is written");
    deployment
        .run(&[
            "init",
            "--yes",
            "--source",
            "ldif",
            "--goal",
            "attributes",
            "--file",
            file.to_str().expect("a plain path"),
            "--tenant",
            &tenant.tenant_id(),
            "--client-id",
            CLIENT_ID,
            "--client-secret",
            "env:METASYNC_CLIENT_SECRET",
            "--graph-url",
            &tenant.graph_url(),
            "--authority-url",
            tenant.running.base_url(),
            "--matching",
            matching,
            "--active",
        ])
        .expect(&[0]);
    deployment
}

fn digest(ran: &Ran) -> String {
    let words: Vec<&str> = ran.out.split_whitespace().collect();
    let pair = words.windows(2).find(|pair| pair[0] == "approve" && pair[1].len() >= 8);
    pair.map(|pair| pair[1].to_owned()).unwrap_or_else(|| panic!("no digest in:\n{}", ran.out))
}

/// S41, S51: the value says who contributed it by which rule, and who lost.
#[test]
fn explain_names_the_contributor_the_rule_and_the_losers() {
    let tenant = tenant(json!([]));
    let deployment = deployment(&tenant, &ldif([1]), "automatic");
    std::fs::write(
        deployment.file("hr.csv"),
        "employee,mail,displayName\ne1,person1@contoso.example,Person One (HR)\n",
    )
    .expect("written");
    let mut config = deployment.read("metasync.toml");
    config.push_str(
        "\n[connector.hr]\nkind = \"text-file\"\n[connector.hr.settings]\nformat = \"csv\"\npath = \"hr.csv\"\nanchor = \"employee\"\n\
         object_type = \"employee\"\n[connector.hr.settings.attributes]\nemployee = \"text\"\nmail = \"text\"\ndisplayName = \"text\"\n",
    );
    std::fs::write(deployment.file("metasync.toml"), config).expect("written");
    std::fs::write(
        deployment.file("rules/50-hr.toml"),
        "[[rule]]\nid = \"in-from-hr\"\nname = \"In from hr - Employee\"\ndirection = \"inbound\"\nconnector = \"hr\"\nsource_type = \"employee\"\n\
         target_type = \"person\"\nlink = \"join\"\nprecedence = 50\n\n[[rule.join]]\ncriterion = \"mail\"\nsource = \"[mail]\"\ntarget = \"[mail]\"\n\n\
         [rule.flow]\ndisplayName = \"[displayName]\"\n",
    )
    .expect("written");
    deployment.run(&["check"]).expect(&[0]);
    deployment.run(&["cycle", "initial"]).expect(&[0]);
    let users = tenant.users();
    assert_eq!(users["person1@contoso.example"]["displayName"], json!("Person One (HR)"));
    let explained = deployment.run(&["explain", "person1@contoso.example", "displayName"]).expect(&[0]);
    for part in ["Person One (HR)", "In from hr - Employee", "hr", "Person 1", "User Common"] {
        assert!(explained.out.contains(part), "explain names {part}:\n{}", explained.out);
    }
    let dumped = |space: &str| -> Vec<Value> {
        let lines = deployment.run(&["dump", space]).expect(&[0]).out;
        lines.lines().map(|line| serde_json::from_str(line).expect("each line is a document")).collect()
    };
    let [person] = dumped("mv").try_into().expect("one person");
    assert_eq!(person["attributes"]["displayName"]["values"], json!(["Person One (HR)"]));
    assert_eq!(person["attributes"]["displayName"]["rule"], json!("in-from-hr"));
    assert_eq!(person["links"].as_array().map(Vec::len), Some(3));
    let account = dumped("hr").remove(0);
    assert_eq!(
        (&account["attributes"]["displayName"], &account["metaverse"]),
        (&json!(["Person One (HR)"]), &person["id"])
    );
    assert!(dumped("ad").iter().any(|line| line["dn"].as_str().is_some_and(|dn| dn.contains("Person 1"))));
    let refused = deployment.run(&["--json", "dump", "mv"]).expect(&[1]);
    assert!(refused.out.contains("leave out --json"), "{}", refused.out);
    tenant.stop();
}

/// T31, SF12, G1-G4: in a space of 10,000, 500 staged deletes pass and 501 stop; in the stopped run no write leaves, not even an update.
#[test]
fn five_hundred_deletes_pass_and_one_more_stops() {
    let tenant = tenant(json!([]));
    let deployment = deployment(&tenant, &ldif(1..=10_000), "automatic");
    let waits = deployment.run(&["cycle", "initial"]).expect(&[3]);
    assert_eq!(tenant.writes(), 0, "ten thousand creates wait for the operator");
    deployment.run(&["approve", &digest(&waits)]).expect(&[0]);
    let exported = deployment.run(&["cycle", "delta"]).expect(&[0]);
    assert_eq!(tenant.users().len(), 10_000, "{}", exported.out);

    std::fs::write(deployment.file("people.ldif"), ldif(501..=10_000)).expect("written");
    deployment.run(&["cycle", "initial"]).expect(&[0]);
    assert_eq!(tenant.users().len(), 9_500);

    let mut changed = ldif(1_002..=10_000);
    changed = changed.replace("displayName: Person 10000\n", "displayName: Changed\n");
    std::fs::write(deployment.file("people.ldif"), changed).expect("written");
    tenant.forget_requests();
    let stopped = deployment.run(&["cycle", "initial"]).expect(&[3]);
    assert!(stopped.out.contains("stopped-deletion-threshold-exceeded"), "{}", stopped.out);
    assert_eq!(tenant.writes(), 0);
    assert!(tenant.running.request_log().iter().all(|request| !request.write), "no write reached the tenant's log");
    assert_eq!(tenant.users().len(), 9_500);
    tenant.stop();
}

/// T26, invariant 5: killed while it exports, the next run finishes; nobody is created twice and nothing is lost.
#[test]
fn killed_while_exporting_nobody_is_created_twice() {
    let tenant = tenant(json!([]));
    let deployment = deployment(&tenant, &ldif(1..=400), "automatic");
    deployment.replace("metasync.toml", "at_least = 5", "at_least = 1000");
    for kill_after in [5, 60, 200] {
        let before = tenant.writes();
        let mut child = Command::new(binary())
            .arg("--deployment")
            .arg(&deployment.folder)
            .args(["cycle", "delta"])
            .env("METASYNC_CLIENT_SECRET", CLIENT_SECRET)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary runs");
        let until = Instant::now() + Duration::from_secs(120);
        while tenant.writes() < before + kill_after
            && child.try_wait().expect("its state").is_none()
            && Instant::now() < until
        {
            std::thread::sleep(Duration::from_millis(1));
        }
        // SIGKILL: no chance to clean up. A run that was faster than this test has simply finished.
        let _killed = child.kill();
        child.wait().expect("it ends");
    }
    deployment.run(&["cycle", "delta"]).expect(&[0]);
    let users = tenant.users();
    assert_eq!(users.len(), 400);
    for number in 1..=400 {
        assert_eq!(
            users[&format!("person{number}@contoso.example")]["onPremisesImmutableId"],
            json!(immutable_id(number))
        );
    }
    assert_eq!(tenant.running.snapshot()["users"].as_array().map(Vec::len), Some(400), "and nobody under another name");
    tenant.forget_requests();
    deployment.run(&["cycle", "delta"]).expect(&[0]);
    assert_eq!(tenant.writes(), 0);
    tenant.stop();
}

/// R7, SF15: a broken record skips that object and deletes nobody; an empty file is no evidence that everybody left.
#[test]
fn a_broken_or_empty_file_deletes_nobody() {
    let tenant = tenant(json!([]));
    let deployment = deployment(&tenant, &ldif(1..=5), "automatic");
    deployment.run(&["cycle", "initial"]).expect(&[0]);
    assert_eq!(tenant.users().len(), 5);
    let broken = ldif(1..=3).replace("objectGUID:: ", "objectGUID:: !").replacen("objectGUID:: !", "objectGUID:: ", 3);
    std::fs::write(deployment.file("people.ldif"), broken).expect("written");
    tenant.forget_requests();
    let ran = deployment.run(&["cycle", "initial"]).expect(&[4]);
    let told = format!("{}{}", ran.out, ran.err);
    assert!(told.contains("people.ldif") && told.contains("line"), "file and line are named:\n{told}");
    assert_eq!((tenant.users().len(), tenant.writes()), (5, 0));
    std::fs::write(deployment.file("people.ldif"), "").expect("written");
    deployment.run(&["cycle", "initial"]).expect(&[5]);
    assert_eq!((tenant.users().len(), tenant.writes()), (5, 0));
    tenant.stop();
}

/// Two cloud users with the same address: nothing is joined by any later criterion and nothing created; both are listed.
#[test]
fn two_cloud_users_with_one_address_are_held() {
    let twin = |n: u8| {
        json!({ "userPrincipalName": format!("twin{n}@contoso.example"), "displayName": format!("Twin {n}"), "mail": "person1@contoso.example",
                "mailNickname": format!("twin{n}"), "accountEnabled": true })
    };
    let tenant = tenant(json!([twin(1), twin(2)]));
    let deployment = deployment(&tenant, &ldif([1]), "automatic");
    deployment.run(&["cycle", "initial"]).expect(&[0, 3]);
    assert_eq!((tenant.users().len(), tenant.writes()), (2, 0));
    let pending = deployment.run(&["pending", "cloud"]).expect(&[0, 3]);
    for part in ["ambiguous", "twin1@contoso.example", "twin2@contoso.example"] {
        assert!(pending.out.contains(part), "`pending` names {part}:\n{}", pending.out);
    }
    tenant.stop();
}
