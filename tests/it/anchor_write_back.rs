//! D10 on a real domain controller: the source anchor is written back to mS-DS-ConsistencyGuid, and nobody reaches the cloud
//! before an import has returned it.

use base64::Engine as _;
use metasync_tests::lab::{DOMAIN, DomainController, script};
use metasync_tests::operator::Deployment;
use metasync_tests::tenant::{CLIENT_ID, CLIENT_SECRET, Tenant};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const BIND_PASSWORD: &str = "svc-Passw0rd-1";

/// `schemaIDGUID` of mS-DS-ConsistencyGuid.
const CONSISTENCY_GUID: &str = "23773dc2-b63a-11d2-90e1-00c04fd91ab1";

fn mail(name: &str) -> String {
    format!("{name}@contoso.example")
}

fn directory() -> String {
    let user = |name: &str, container: &str| {
        json!({ "dn": format!("CN={name},OU={container}"), "class": "user", "enabled": true, "attributes": {
            "sAMAccountName": name, "userPrincipalName": mail(name), "displayName": name, "mail": mail(name) } })
    };
    let mut marked = user("marked", "Staff");
    marked["attributes"]["mS-DS-ConsistencyGuid"] = json!({ "base64": "QUJDREVGR0hJSktMTU5PUA==" });
    json!([
        { "dn": "OU=Staff", "class": "organizationalUnit" },
        { "dn": "OU=Locked", "class": "organizationalUnit" },
        { "dn": "CN=svc-metasync,CN=Users", "class": "user", "enabled": true, "password": BIND_PASSWORD,
          "attributes": { "sAMAccountName": "svc-metasync" } },
        user("ann", "Staff"),
        user("bob", "Staff"),
        marked,
        user("eve", "Locked"),
    ])
    .to_string()
}

/// Account name to objectGUID and mS-DS-ConsistencyGuid, both in base64, as the database has them.
fn anchors(controller: &DomainController) -> BTreeMap<String, (String, Option<String>)> {
    let folder = controller.folder_text();
    let filter = ["--filter", "(mail=*)", "sAMAccountName", "objectGUID", "mS-DS-ConsistencyGuid"];
    let arguments: Vec<&str> = [folder.as_str()].into_iter().chain(filter).collect();
    let text = |value: &Value| value[0].as_str().map(str::to_owned);
    script("dump.py", &arguments, None)
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("a JSON line")["attributes"].take())
        .map(|attributes| {
            let account = text(&attributes["sAMAccountName"]).expect("an account");
            let account = base64::engine::general_purpose::STANDARD.decode(account).expect("base64");
            let guid = text(&attributes["objectGUID"]).expect("an identity");
            (String::from_utf8(account).expect("text"), (guid, text(&attributes["mS-DS-ConsistencyGuid"])))
        })
        .collect()
}

fn deployment(controller: &DomainController, tenant: &Tenant) -> Deployment {
    let mut deployment = Deployment::new();
    deployment.variable("METASYNC_AD_PASSWORD", BIND_PASSWORD).variable("METASYNC_CLIENT_SECRET", CLIENT_SECRET);
    let containers = ["Staff", "Locked"].map(|name| format!("OU={name},{DOMAIN}"));
    let ca = controller.ca_file();
    let (tenant_id, graph) = (tenant.tenant_id(), tenant.graph_url());
    let flags = [
        ("--source", "active-directory"),
        ("--goal", "attributes"),
        ("--server", &controller.address),
        ("--base", DOMAIN),
        ("--bind-user", "CORP\\svc-metasync"),
        ("--password", "env:METASYNC_AD_PASSWORD"),
        ("--ca-file", ca.to_str().expect("a plain path")),
        ("--container", &containers[0]),
        ("--container", &containers[1]),
        ("--tenant", &tenant_id),
        ("--client-id", CLIENT_ID),
        ("--client-secret", "env:METASYNC_CLIENT_SECRET"),
        ("--graph-url", &graph),
        ("--authority-url", tenant.running.base_url()),
        ("--matching", "automatic"),
        ("--source-anchor", "consistency-guid-writeback"),
    ];
    let mut arguments = vec!["init", "--yes", "--active"];
    arguments.extend(flags.iter().flat_map(|(flag, value)| [*flag, *value]));
    deployment.run(&arguments).expect(&[0]);
    deployment
}

/// D10: written, confirmed, and only then exported; a missing right is named, nothing of that person reaches the cloud, and
/// the others go on.
#[test]
fn d10_the_anchor_is_written_back_and_confirmed_before_the_cloud() {
    let controller = DomainController::start("anchor_write_back::d10", &directory());
    controller.rights(&["replication", "svc-metasync"]);
    controller.rights(&["deleted-objects", "svc-metasync"]);
    let right = format!("(OA;CI;WP;{CONSISTENCY_GUID};;SID)");
    controller.rights(&["allow", "svc-metasync", "OU=Staff", &right]);
    let tenant = Tenant::start(json!({
        "domains": [{ "name": "contoso.onmicrosoft.com", "initial": true }, { "name": "contoso.example", "default": true }],
        "users": [],
    }));
    let deployment = deployment(&controller, &tenant);
    let checked = deployment.json(&["check"], &[0])["result"]["connectors"]["ad"].to_string();
    let named = format!("Write Property mS-DS-ConsistencyGuid on CN=eve,OU=Locked,{DOMAIN}");
    assert!(checked.contains(&named), "`check` names the right:\n{checked}");

    // Synchronised and not yet confirmed: only the one whose anchor an import has returned is on its way to the cloud.
    for (connector, profile) in [
        ("ad", "full-import"),
        ("cloud", "full-import"),
        ("ad", "full-synchronization"),
        ("cloud", "full-synchronization"),
    ] {
        deployment.run(&["run", connector, profile]).expect(&[0, 3, 4]);
    }
    let ran = deployment.json(&["run", "ad", "export"], &[4]).to_string();
    assert!(ran.contains("permission-issue") && ran.contains(&named), "{ran}");
    deployment.run(&["run", "cloud", "export"]).expect(&[0, 3]);
    let sees = |tenant: &Tenant| tenant.users().keys().cloned().collect::<Vec<_>>();
    assert_eq!(sees(&tenant), [mail("marked")], "nobody goes to the cloud by an anchor that only was sent");
    let written = anchors(&controller);
    for name in ["ann", "bob"] {
        assert_eq!(written[name].1.as_ref(), Some(&written[name].0), "{name} has its objectGUID there");
    }
    assert_eq!(written["marked"].1.as_deref(), Some("QUJDREVGR0hJSktMTU5PUA=="), "what is there stays");
    assert_eq!(written["eve"].1, None);

    for _ in 0..2 {
        deployment.run(&["cycle", "delta"]).expect(&[4]);
    }
    assert_eq!(sees(&tenant), [mail("ann"), mail("bob"), mail("marked")], "eve waits for the right");
    let users = tenant.users();
    for (name, (_, anchor)) in written.iter().filter(|(_, (_, anchor))| anchor.is_some()) {
        assert_eq!(users[&mail(name)]["onPremisesImmutableId"], json!(anchor), "{name}");
    }

    controller.rights(&["allow", "svc-metasync", "OU=Locked", &right]);
    for _ in 0..2 {
        deployment.run(&["cycle", "delta"]).expect(&[0]);
    }
    assert_eq!(sees(&tenant), ["ann", "bob", "eve", "marked"].map(mail), "the granted right is enough");
    tenant.forget_requests();
    let before = anchors(&controller);
    deployment.run(&["cycle", "initial"]).expect(&[0]);
    assert_eq!((tenant.writes(), anchors(&controller)), (0, before), "the second plan is empty on both sides");
    tenant.stop();
}
