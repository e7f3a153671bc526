//! The customer's story on real parts: people in a Samba AD domain and in a tenant, one of each afterwards.
//!
//! 30 people in scope and 3 in a filtered container; 8 have a cloud account with the same primary address (two differ in
//! case, one is known by `mail` alone), 2 have a twin that is privileged or a guest, 20 have none. 5 security groups (two of
//! them nested), a distribution list and 3 contacts.

use base64::Engine as _;
use metasync_tests::lab::{DOMAIN, DomainController};
use metasync_tests::operator::{Deployment, Ran};
use metasync_tests::tenant::{CLIENT_ID, CLIENT_SECRET, Tenant};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const BIND_PASSWORD: &str = "svc-Passw0rd-1";

fn mail(number: usize) -> String {
    format!("user{number:02}@contoso.example")
}

fn directory() -> String {
    let mut objects = vec![
        json!({ "dn": "OU=Staff", "class": "organizationalUnit" }),
        json!({ "dn": "OU=Filtered", "class": "organizationalUnit" }),
        json!({ "dn": "OU=Groups", "class": "organizationalUnit" }),
        json!({ "dn": "OU=Contacts", "class": "organizationalUnit" }),
        json!({ "dn": "CN=svc-metasync,CN=Users", "class": "user", "enabled": true, "password": BIND_PASSWORD,
                "attributes": { "sAMAccountName": "svc-metasync", "userPrincipalName": "svc-metasync@contoso.example" } }),
    ];
    for number in 1..=33 {
        let container = if number <= 30 { "Staff" } else { "Filtered" };
        let address = match number {
            1 | 2 => mail(number).to_uppercase(),
            _ => mail(number),
        };
        let mut attributes = json!({
            "sAMAccountName": format!("user{number:02}"),
            "userPrincipalName": mail(number),
            "displayName": format!("User {number:02}"),
            "givenName": "User",
            "sn": format!("{number:02}"),
            "mail": address,
            "department": "Sales",
        });
        if number != 3 {
            attributes["proxyAddresses"] =
                json!([format!("SMTP:{address}"), format!("smtp:u{number}@contoso.example")]);
        }
        if number > 1 && number <= 30 {
            attributes["manager"] = json!("CN=User 01,OU=Staff");
        }
        objects.push(json!({ "dn": format!("CN=User {number:02},OU={container}"), "class": "user", "enabled": true, "attributes": attributes }));
    }
    let members =
        |range: std::ops::RangeInclusive<usize>| range.map(|n| format!("CN=User {n:02},OU=Staff")).collect::<Vec<_>>();
    let mut group = |name: &str, kind: i64, members: Vec<String>, mail: Option<&str>| {
        let mut attributes =
            json!({ "sAMAccountName": name, "displayName": name, "groupType": kind.to_string(), "member": members });
        if let Some(mail) = mail {
            attributes["mail"] = json!(mail);
            attributes["proxyAddresses"] = json!([format!("SMTP:{mail}")]);
        }
        objects.push(json!({ "dn": format!("CN={name},OU=Groups"), "class": "group", "attributes": attributes }));
    };
    const SECURITY: i64 = -2147483646;
    group("Team A", SECURITY, members(1..=10), None);
    group("Team B", SECURITY, members(11..=20), None);
    group("Team C", SECURITY, members(21..=30), None);
    group("Region", SECURITY, vec!["CN=Team A,OU=Groups".into(), "CN=Team B,OU=Groups".into()], None);
    group("Company", SECURITY, vec!["CN=Region,OU=Groups".into(), "CN=Team C,OU=Groups".into()], None);
    group("News", 2, members(1..=5), Some("news@contoso.example"));
    for number in 1..=3 {
        let address = format!("partner{number}@partner.example");
        objects.push(json!({ "dn": format!("CN=Partner {number},OU=Contacts"), "class": "contact",
            "attributes": { "displayName": format!("Partner {number}"), "mail": address, "proxyAddresses": [format!("SMTP:{address}")] } }));
    }
    Value::Array(objects).to_string()
}

fn cloud() -> Value {
    let mut users: Vec<Value> = (1..=10)
        .map(|number| {
            json!({
                "userPrincipalName": mail(number), "mail": mail(number), "displayName": format!("Cloud {number:02}"),
                "mailNickname": format!("user{number:02}"), "accountEnabled": true, "usageLocation": "DE",
                "assignedLicenses": ["ENTERPRISEPACK"], "mobilePhone": format!("+49 170 {number:07}"),
                "officeLocation": format!("Room {number}"), "jobTitle": "Kept by the cloud",
            })
        })
        .collect();
    users[8]["roles"] = json!({ "active": ["Global Administrator"], "eligible": [] });
    users[9]["userType"] = json!("Guest");
    users[9]["userPrincipalName"] = json!("user10_contoso.example#EXT#@contoso.onmicrosoft.com");
    json!({
        "tenant": { "displayName": "Contoso Example" },
        "domains": [{ "name": "contoso.onmicrosoft.com", "initial": true }, { "name": "contoso.example", "default": true }],
        "skus": [{ "skuPartNumber": "ENTERPRISEPACK", "enabledUnits": 100 }],
        "users": users,
    })
}

/// A deployment between the domain controller and the tenant, made by `init`.
fn deployment(controller: &DomainController, tenant: &Tenant) -> Deployment {
    let mut deployment = Deployment::new();
    deployment.variable("METASYNC_AD_PASSWORD", BIND_PASSWORD).variable("METASYNC_CLIENT_SECRET", CLIENT_SECRET);
    let containers = ["Staff", "Groups", "Contacts"].map(|name| format!("OU={name},{DOMAIN}"));
    let ca = controller.ca_file();
    deployment
        .run(&[
            "init",
            "--yes",
            "--source",
            "active-directory",
            "--goal",
            "attributes",
            "--server",
            &controller.address,
            "--base",
            DOMAIN,
            "--bind-user",
            "CORP\\svc-metasync",
            "--password",
            "env:METASYNC_AD_PASSWORD",
            "--ca-file",
            ca.to_str().expect("a plain path"),
            "--container",
            &containers[0],
            "--container",
            &containers[1],
            "--container",
            &containers[2],
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
            "review",
            "--active",
        ])
        .expect(&[0]);
    deployment
}

/// The digests that the output asks the operator to approve.
fn digests(ran: &Ran) -> Vec<String> {
    let words: Vec<&str> = ran.out.split_whitespace().chain(ran.err.split_whitespace()).collect();
    let mut found: Vec<String> = words
        .windows(2)
        .filter(|pair| pair[0] == "approve")
        .map(|pair| pair[1].trim_matches(|c: char| !c.is_ascii_hexdigit()).to_owned())
        .filter(|digest| digest.len() == 32)
        .collect();
    found.sort();
    found.dedup();
    found
}

/// Runs cycles, approving what each asks for, until nothing waits; returns how many lists were approved.
fn cycle_with_approvals(deployment: &Deployment, kind: &str) -> usize {
    let mut approved = 0;
    for _ in 0..5 {
        let ran = deployment.run(&["cycle", kind]).expect(&[0, 3]);
        let waiting = digests(&ran);
        if waiting.is_empty() {
            assert_eq!(ran.code, 0, "nothing waits, so the cycle is a success\n{}\n{}", ran.out, ran.err);
            return approved;
        }
        for digest in waiting {
            deployment.run(&["approve", &digest]).expect(&[0]);
            approved += 1;
        }
    }
    panic!("still waiting after five cycles");
}

/// The tenant's users as the operator would compare them: sign-in name to everything but what time alone changes.
fn user(users: &BTreeMap<String, Value>, number: usize) -> &Value {
    &users[&mail(number)]
}

fn immutable_ids(controller: &DomainController) -> BTreeMap<String, String> {
    let dump = metasync_tests::lab::script(
        "dump.py",
        &[
            &controller.folder_text(),
            "--base",
            &format!("OU=Staff,{DOMAIN}"),
            "--filter",
            "(objectClass=user)",
            "mail",
            "objectGUID",
        ],
        None,
    );
    let decode = |value: &Value| {
        let text = value[0].as_str().expect("a base64 value");
        base64::engine::general_purpose::STANDARD.decode(text).expect("base64")
    };
    dump.lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("a JSON line"))
        .map(|object| {
            let mail = String::from_utf8(decode(&object["attributes"]["mail"])).expect("text").to_lowercase();
            let guid = decode(&object["attributes"]["objectGUID"]);
            (mail, base64::engine::general_purpose::STANDARD.encode(guid))
        })
        .collect()
}

/// The whole story: SF1-SF7, SF12 and SF19 as an operator meets them.
#[test]
fn the_story_on_samba_and_the_tenant() {
    let controller = DomainController::start("story::the_story_on_samba_and_the_tenant", &directory());
    controller.rights(&["replication", "svc-metasync"]);
    controller.rights(&["deleted-objects", "svc-metasync"]);
    let tenant = Tenant::start(cloud());
    let before = tenant.users();
    let deployment = deployment(&controller, &tenant);
    deployment.run(&["check"]).expect(&[0]);

    // The first cycle: the matches wait for the operator, then the creates wait at the guard.
    let approved = cycle_with_approvals(&deployment, "initial");
    assert!(approved >= 2, "the candidates and the guarded creates each wait once, seen {approved}");

    let after = tenant.users();
    let ids = immutable_ids(&controller);
    for number in 1..=8 {
        let (old, new) = (user(&before, number), user(&after, number));
        assert_eq!(new["id"], old["id"], "user{number:02} is the same cloud object");
        assert_eq!(new["onPremisesImmutableId"], json!(ids[&mail(number)]));
        assert_eq!(new["displayName"], json!(format!("User {number:02}")));
        for kept in [
            "assignedLicenses",
            "mobilePhone",
            "officeLocation",
            "jobTitle",
            "usageLocation",
            "userPrincipalName",
            "mailNickname",
        ] {
            assert_eq!(new[kept], old[kept], "AD is silent about {kept} of user{number:02}");
        }
    }
    for number in 11..=30 {
        assert_eq!(
            user(&after, number)["onPremisesImmutableId"],
            json!(ids[&mail(number)]),
            "user{number:02} was created"
        );
    }
    assert_eq!(user(&after, 9), user(&before, 9), "the administrator was not touched");
    let guest = "user10_contoso.example#ext#@contoso.onmicrosoft.com";
    assert_eq!(after[guest], before[guest], "the guest was not touched");
    assert_eq!(
        after.len(),
        30,
        "8 taken over, 20 created, 2 left alone, nobody from the filtered container: {:?}",
        after.keys()
    );
    assert_eq!(tenant.running.snapshot()["contacts"], json!([]), "contacts cannot be written in Graph mode");

    let groups = tenant.groups();
    assert_eq!(
        groups.keys().map(String::as_str).collect::<Vec<_>>(),
        ["company", "region", "team a", "team b", "team c"]
    );
    let id = |value: &Value| value["id"].as_str().expect("an id").to_owned();
    let members = |name: &str| {
        let mut members: Vec<String> = groups[name]["members"]
            .as_array()
            .expect("members")
            .iter()
            .map(|member| member.as_str().expect("an id").to_owned())
            .collect();
        members.sort();
        members
    };
    let mut expected: Vec<String> = (1..=8).map(|number| id(user(&after, number))).collect();
    expected.sort();
    assert_eq!(members("team a"), expected, "the two held people are not members yet");
    let mut expected = vec![id(&groups["team a"]), id(&groups["team b"])];
    expected.sort();
    assert_eq!(members("region"), expected);

    // What is held is listed with its reason.
    let pending = deployment.run(&["pending", "cloud"]).expect(&[0, 3]);
    for reason in ["privileged", "guest", "limitation"] {
        assert!(pending.out.contains(reason), "`pending` names {reason}:\n{}", pending.out);
    }

    // The second cycle exports nothing, full and delta.
    for kind in ["delta", "initial"] {
        tenant.forget_requests();
        deployment.run(&["cycle", kind]).expect(&[0]);
        assert_eq!(tenant.writes(), 0, "a second {kind} cycle writes nothing");
    }

    everyday_changes(&controller, &tenant, &deployment);
    deletes_and_the_guard(&controller, &tenant, &deployment);
    rebuilt_from_nothing(&tenant, &deployment);
    tenant.stop();
}

/// Change, clear, rename, disable and delete arrive with one delta cycle, deletes as the ownership rule says (SF4).
fn everyday_changes(controller: &DomainController, tenant: &Tenant, deployment: &Deployment) {
    let modify = |number: usize, change: &str| {
        format!("dn: CN=User {number:02},OU=Staff,{DOMAIN}\nchangetype: modify\n{change}\n\n")
    };
    let mut ldif = modify(11, "replace: displayName\ndisplayName: Changed");
    ldif += &modify(12, "delete: department");
    ldif += &modify(14, "replace: userAccountControl\nuserAccountControl: 514");
    ldif +=
        &format!("dn: CN=User 13,OU=Staff,{DOMAIN}\nchangetype: modrdn\nnewrdn: CN=Renamed 13\ndeleteoldrdn: 1\n\n");
    ldif += &format!("dn: CN=User 15,OU=Staff,{DOMAIN}\nchangetype: delete\n\n");
    ldif += &format!("dn: CN=User 08,OU=Staff,{DOMAIN}\nchangetype: delete\n\n");
    controller.seed(&ldif);
    let adopted = user(&tenant.users(), 8)["id"].clone();
    deployment.run(&["cycle", "delta"]).expect(&[0]);
    let users = tenant.users();
    assert_eq!(user(&users, 11)["displayName"], json!("Changed"));
    assert_eq!(user(&users, 12).get("department"), None, "a cleared value that we contributed is cleared");
    assert_eq!(
        user(&users, 13)["displayName"],
        json!("User 13"),
        "a new name of the object changes nothing it does not flow to"
    );
    assert_eq!(user(&users, 14)["accountEnabled"], json!(false));
    assert!(!users.contains_key(&mail(15)), "we created it, so it is deleted");
    let left = user(&users, 8);
    assert_eq!(left["id"], adopted, "an adopted account is never deleted in Graph mode");
    assert_eq!(left["accountEnabled"], json!(false), "its sign-in is blocked");
    assert_eq!(left.get("onPremisesImmutableId"), None, "its stamp is cleared");
}

/// SF12: four deletes pass; seven more stop before the first byte, until exactly that list is approved.
fn deletes_and_the_guard(controller: &DomainController, tenant: &Tenant, deployment: &Deployment) {
    let delete = |numbers: std::ops::RangeInclusive<usize>| {
        numbers.map(|n| format!("dn: CN=User {n:02},OU=Staff,{DOMAIN}\nchangetype: delete\n\n")).collect::<String>()
    };
    controller.seed(&delete(16..=19));
    deployment.run(&["cycle", "delta"]).expect(&[0]);
    assert!((16..=19).all(|number| !tenant.users().contains_key(&mail(number))));

    controller.seed(&delete(20..=26));
    tenant.forget_requests();
    let stopped = deployment.run(&["cycle", "delta"]).expect(&[3]);
    assert!(stopped.out.contains("stopped-deletion-threshold-exceeded"), "{}", stopped.out);
    assert_eq!(tenant.writes(), 0, "the guard stops before the first write");
    let waiting = digests(&stopped);
    assert!(!waiting.is_empty(), "the list can be approved:\n{}", stopped.out);
    for digest in &waiting {
        deployment.run(&["approve", digest]).expect(&[0]);
    }
    deployment.run(&["cycle", "delta"]).expect(&[0]);
    assert!((20..=26).all(|number| !tenant.users().contains_key(&mail(number))));
}

/// G10: without its store, metasync finds its objects by their anchors again, creates nothing twice and changes nothing.
fn rebuilt_from_nothing(tenant: &Tenant, deployment: &Deployment) {
    let before = tenant.running.snapshot();
    for name in ["metasync.db", "metasync.db-wal", "metasync.db-shm"] {
        let _gone = std::fs::remove_file(deployment.file(name));
    }
    cycle_with_approvals(deployment, "initial");
    let after = tenant.running.snapshot();
    assert_eq!(after, before, "the tenant is the same to the byte");
    tenant.forget_requests();
    deployment.run(&["cycle", "delta"]).expect(&[0]);
    assert_eq!(tenant.writes(), 0);
}
