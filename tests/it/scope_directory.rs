//! `metasync scope` on a real domain controller: a pilot group that is changed, renamed, moved and deleted there, and a container
//! that is tried out.

use crate::files;
use metasync_tests::lab::{DOMAIN, DomainController};
use metasync_tests::operator::Deployment;
use metasync_tests::tenant::{CLIENT_ID, CLIENT_SECRET, Tenant};
use serde_json::{Value, json};

const BIND_PASSWORD: &str = "svc-Passw0rd-1";
const PEOPLE: usize = 4;

fn directory() -> String {
    let user = |name: &str, container: &str| {
        let mail = format!("{name}@contoso.example");
        json!({ "dn": format!("CN={name},OU={container}"), "class": "user", "enabled": true, "attributes": {
            "sAMAccountName": name, "userPrincipalName": mail, "displayName": name, "mail": mail } })
    };
    json!([
        { "dn": "OU=Staff", "class": "organizationalUnit" },
        { "dn": "OU=Extra", "class": "organizationalUnit" },
        { "dn": "OU=Groups", "class": "organizationalUnit" },
        { "dn": "CN=svc-metasync,CN=Users", "class": "user", "enabled": true, "password": BIND_PASSWORD,
          "attributes": { "sAMAccountName": "svc-metasync" } },
        user("ann", "Staff"),
        user("bob", "Staff"),
        user("carl", "Staff"),
        user("dora", "Extra"),
        { "dn": "CN=Pilot,OU=Groups", "class": "group", "attributes": {
            "sAMAccountName": "Pilot", "groupType": -2147483646i64, "member": ["CN=ann,OU=Staff", "CN=bob,OU=Staff"] } },
    ])
    .to_string()
}

fn deployment(controller: &DomainController, tenant: &Tenant) -> Deployment {
    let mut deployment = Deployment::new();
    deployment.variable("METASYNC_AD_PASSWORD", BIND_PASSWORD).variable("METASYNC_CLIENT_SECRET", CLIENT_SECRET);
    let containers = ["Staff", "Extra", "Groups"].map(|name| format!("OU={name},{DOMAIN}"));
    let (ca, tenant_id, graph) = (controller.ca_file(), tenant.tenant_id(), tenant.graph_url());
    let mut arguments = vec!["init", "--yes", "--source", "active-directory", "--goal", "attributes", "--base", DOMAIN];
    arguments.extend(["--server", &controller.address, "--bind-user", "CORP\\svc-metasync"]);
    arguments.extend(["--password", "env:METASYNC_AD_PASSWORD", "--ca-file", ca.to_str().expect("a plain path")]);
    containers.iter().for_each(|container| arguments.extend(["--container", container.as_str()]));
    arguments.extend([
        "--tenant",
        &tenant_id,
        "--client-id",
        CLIENT_ID,
        "--client-secret",
        "env:METASYNC_CLIENT_SECRET",
    ]);
    arguments.extend(["--graph-url", &graph, "--authority-url", tenant.running.base_url()]);
    arguments.extend(["--matching", "automatic", "--active"]);
    deployment.run(&arguments).expect(&[0]);
    deployment
}

fn names(list: &Value) -> Vec<&str> {
    let list = list.as_array().expect("a list");
    list.iter().map(|line| line["name"].as_str().expect("a name")).collect()
}

/// SF13, SF18: the group is known by its objectGUID, a delta of its members moves those people alone, a deleted one makes nobody
/// leave. A container that is tried out shows who goes, and when.
#[test]
fn sf13_sf18_a_pilot_group_of_a_real_directory() {
    let controller = DomainController::start("sf13_sf18_a_pilot_group_of_a_real_directory", &directory());
    controller.rights(&["replication", "svc-metasync"]);
    controller.rights(&["deleted-objects", "svc-metasync"]);
    let tenant = files::tenant(json!([]));
    let deployment = deployment(&controller, &tenant);
    let explained = |who: &str| {
        let ran = deployment.run(&["explain", &format!("ad:{who}")]).expect(&[0]);
        ran.out.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    deployment.run(&["cycle", "initial"]).expect(&[0, 3]);
    assert_eq!(tenant.users().len(), PEOPLE);
    let shown = deployment.json(&["scope", "add-group", "ad", "Pilot", "--yes"], &[0])["result"].clone();
    let mut goes = names(&shown["goes"]);
    goes.sort_unstable();
    assert_eq!(goes, ["Pilot", "carl", "dora"], "{shown:#}");
    deployment.run(&["cycle", "delta"]).expect(&[0, 3]);
    assert!(explained("ann").contains("in scope: it is a member of `Pilot`"), "{}", explained("ann"));
    assert!(explained("carl").contains("out of scope: it is a member of no group"), "{}", explained("carl"));

    let group = format!("CN=Pilot,OU=Groups,{DOMAIN}");
    controller.seed(&format!(
        "dn: {group}\nchangetype: modify\nadd: member\nmember: CN=carl,OU=Staff,{DOMAIN}\n-\ndelete: member\nmember: CN=ann,OU=Staff,{DOMAIN}\n-\n\n\
         dn: {group}\nchangetype: modrdn\nnewrdn: CN=Wave\ndeleteoldrdn: 1\nnewsuperior: OU=Staff,{DOMAIN}\n"
    ));
    deployment.run(&["cycle", "delta"]).expect(&[0, 3]);
    assert!(explained("carl").contains("in scope: it is a member of `Wave`"), "{}", explained("carl"));
    assert!(explained("ann").contains("out of scope"), "{}", explained("ann"));
    let list = deployment.run(&["scope", "list", "ad"]).expect(&[0]).out;
    let list = list.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(list.contains(&format!("CN=Wave,OU=Staff,{DOMAIN} (2 members); listed as {group}")), "{list}");

    controller.seed(&format!("dn: CN=Wave,OU=Staff,{DOMAIN}\nchangetype: delete\n"));
    let stopped = deployment.run(&["cycle", "delta"]);
    assert!(stopped.code != 0 && stopped.out.contains("no-start-scope-group-unreadable"), "{stopped:?}");
    assert!(explained("bob").contains("in scope"), "{}", explained("bob"));
    assert_eq!(tenant.users().len(), PEOPLE, "nobody left");
    deployment.run(&["scope", "everybody", "ad", "--yes"]).expect(&[0]);
    deployment.run(&["cycle", "delta"]).expect(&[0, 3]);

    // A container, read as it would be and synchronised on a copy.
    let configuration = deployment.read("metasync.toml");
    let container = format!("OU=Extra,{DOMAIN}");
    let shown = deployment.json(&["scope", "remove-ou", "ad", &container, "--dry-run"], &[0])["result"].clone();
    assert_eq!((names(&shown["goes"]), names(&shown["comes"])), (vec!["dora"], vec![]), "{shown:#}");
    assert_eq!(shown["goes"][0]["exported_to"], json!(["cloud"]));
    assert!(shown["leaves_on"].is_string() && shown["saved"] == false, "{shown:#}");
    let text = deployment.run(&["scope", "remove", "ad", &container]).expect(&[0]).out;
    assert!(text.contains("the guard would let the export pass") && text.contains("not saved"), "{text}");
    assert_eq!(deployment.read("metasync.toml"), configuration);
    deployment.run(&["scope", "remove-ou", "ad", &container, "--yes"]).expect(&[0]);
    deployment.run(&["cycle", "delta"]).expect(&[0, 3]);
    let pending = deployment.run(&["pending", "cloud"]).expect(&[0, 3]).out;
    assert!(pending.contains("dora"), "{pending}");
    assert_eq!(tenant.users().len(), PEOPLE, "the grace period");
    tenant.stop();
}
