//! One password on real parts: a Samba domain controller, the rehearsal tenant in Connect mode, and the executable as an operator
//! types it. Whether a password works is asked of the tenant's own sign-in.

use metasync_tests::lab::{DOMAIN, DomainController};
use metasync_tests::operator::Deployment;
use metasync_tests::tenant::{CLIENT_ID, CLIENT_SECRET, Tenant};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

const TEST: &str = "passwords_story";
const BIND_PASSWORD: &str = "svc-Passw0rd-1";
const READER_PASSWORD: &str = "svc-Passw0rd-2";
/// Right, wrong, and no password at all.
const SIGNED_IN: i64 = 0;
const WRONG: i64 = 50126;
const NONE: i64 = 50056;

fn directory() -> String {
    let account = |name: &str, password: &str| {
        json!({ "dn": format!("CN={name},CN=Users"), "class": "user", "enabled": true, "password": password,
                "attributes": { "sAMAccountName": name, "userPrincipalName": format!("{name}@contoso.example") } })
    };
    let person = |name: &str, enabled: bool, description: Option<&str>| {
        let mut attributes = json!({ "sAMAccountName": name, "userPrincipalName": format!("{name}@contoso.example"),
            "displayName": name, "mail": format!("{name}@contoso.example") });
        if let Some(description) = description {
            attributes["adminDescription"] = json!(description);
        }
        json!({ "dn": format!("CN={name},OU=Staff"), "class": "user", "enabled": enabled, "password": format!("First-{name}-1"),
                "attributes": attributes })
    };
    json!([
        { "dn": "OU=Staff", "class": "organizationalUnit" },
        account("svc-metasync", BIND_PASSWORD),
        account("svc-passwords", READER_PASSWORD),
        person("ann", true, None),
        person("bob", false, None),
        person("cy", true, Some("User_later")),
        person("dee", true, None),
    ])
    .to_string()
}

fn deployment(controller: &DomainController, tenant: &Tenant) -> Deployment {
    let mut deployment = Deployment::new();
    deployment
        .variable("METASYNC_AD_PASSWORD", BIND_PASSWORD)
        .variable("METASYNC_PASSWORDS", READER_PASSWORD)
        .variable("METASYNC_CLIENT_SECRET", CLIENT_SECRET);
    let (ca, container) = (controller.ca_file(), format!("OU=Staff,{DOMAIN}"));
    let answers = [
        ("--source", "active-directory"),
        ("--goal", "one-password"),
        ("--server", &controller.address),
        ("--base", DOMAIN),
        ("--bind-user", "CORP\\svc-metasync"),
        ("--password", "env:METASYNC_AD_PASSWORD"),
        ("--ca-file", ca.to_str().expect("a plain path")),
        ("--container", &container),
        ("--tenant", &tenant.tenant_id()),
        ("--client-id", CLIENT_ID),
        ("--client-secret", "env:METASYNC_CLIENT_SECRET"),
        ("--graph-url", &tenant.running.graph_url()),
        ("--authority-url", tenant.running.base_url()),
        ("--matching", "automatic"),
    ];
    let mut line = vec!["init", "--yes", "--active"];
    line.extend(answers.iter().flat_map(|(key, value)| [*key, *value]));
    deployment.run(&line).expect(&[0]);
    let mut settings = deployment.read("metasync.toml");
    settings.push_str(
        "\n[connector.ad.settings.passwords]\naccount = 'CORP\\svc-passwords'\npassword = \"env:METASYNC_PASSWORDS\"\n\
         \n[passwords]\nfrom = [\"ad\"]\nto = [\"cloud\"]\n",
    );
    std::fs::write(deployment.file("metasync.toml"), settings).expect("the folder is writable");
    deployment
}

struct Story {
    controller: DomainController,
    tenant: Tenant,
    deployment: Deployment,
}

impl Story {
    fn cycle(&self, kind: &str) {
        self.deployment.run(&["cycle", kind]).expect(&[0]);
    }

    /// One pass; the hashes that it opened.
    fn pass(&self) -> u64 {
        let pass = self.deployment.json(&["passwords", "sync"], &[0]);
        pass["result"]["sources"][0]["opened"].as_u64().unwrap_or_else(|| panic!("{pass:#}"))
    }

    fn set_password(&self, name: &str, password: &str) {
        let database = format!("{}/private/sam.ldb", self.controller.folder_text());
        let set = Command::new("samba-tool")
            .args(["user", "setpassword", name, &format!("--newpassword={password}"), "-H", &database])
            .arg(format!("--configfile={}/etc/smb.conf", self.controller.folder_text()))
            .output()
            .expect("samba-tool runs");
        assert!(set.status.success(), "{}", String::from_utf8_lossy(&set.stderr));
    }

    fn change(&self, name: &str, change: &str) {
        self.controller.seed(&format!("dn: CN={name},OU=Staff,{DOMAIN}\nchangetype: modify\n{change}\n"));
    }

    /// What the tenant answers: 0, or the number of the refusal.
    fn signs_in(&self, name: &str, password: &str) -> i64 {
        let body =
            json!({ "signIns": [{ "user": format!("{name}@contoso.example"), "password": password }] }).to_string();
        let mut stream = TcpStream::connect(self.tenant.running.address()).expect("the tenant listens");
        write!(
            stream,
            "POST /_tenant/sign-ins HTTP/1.1\r\nHost: tenant\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .expect("the tenant reads");
        let mut reply = String::new();
        stream.read_to_string(&mut reply).expect("the tenant answers");
        let answer: Value = reply
            .split("\r\n\r\n")
            .nth(1)
            .and_then(|body| serde_json::from_str(body).ok())
            .unwrap_or_else(|| panic!("{reply}"));
        answer.pointer("/results/0/code").and_then(Value::as_i64).unwrap_or_else(|| panic!("{answer:#}"))
    }
}

/// A user of the directory signs in to the tenant with the directory's password; a changed one follows with the next pass; and
/// each who becomes eligible later (SF22: enabled, moved into scope, exported, a rule switched on) has the right one.
#[test]
fn sf22_the_directorys_password_is_that_of_the_cloud() {
    let controller = DomainController::start(TEST, &directory());
    controller.rights(&["passwords", "svc-passwords"]);
    controller.rights(&["replication", "svc-metasync"]);
    controller.rights(&["deleted-objects", "svc-metasync"]);
    let tenant = Tenant::start(json!({
        "tenant": { "displayName": "Contoso Example", "onPremisesSyncEnabled": true },
        "domains": [{ "name": "contoso.onmicrosoft.com", "initial": true }, { "name": "contoso.example", "default": true }],
        "users": [],
    }));
    let deployment = deployment(&controller, &tenant);
    let story = Story { controller, tenant, deployment };
    story.deployment.run(&["passwords", "switch-on"]).expect(&[0]);
    story.cycle("initial");
    assert_eq!(story.signs_in("ann", "First-ann-1"), NONE);

    // Of the whole domain, with its administrator, krbtgt and service accounts, two hashes are opened.
    assert_eq!(story.pass(), 2);
    assert_eq!(story.signs_in("ann", "First-ann-1"), SIGNED_IN);
    assert_eq!(story.signs_in("dee", "First-dee-1"), SIGNED_IN);
    assert_eq!(story.pass(), 0, "nothing changed");

    story.set_password("ann", "Second-ann-2");
    assert_eq!(story.signs_in("ann", "First-ann-1"), SIGNED_IN, "until the next pass");
    assert_eq!(story.pass(), 1, "the changed one alone");
    assert_eq!((story.signs_in("ann", "First-ann-1"), story.signs_in("ann", "Second-ann-2")), (WRONG, SIGNED_IN));
    let status = story.deployment.run(&["passwords", "status", "ann"]).expect(&[0]);
    assert!(status.out.contains("Success") && status.out.contains("dc1.corp.contoso.example"), "{}", status.out);

    // Disabled, given a password, enabled.
    story.set_password("bob", "While-disabled-2");
    assert_eq!(story.pass(), 0);
    story.change("bob", "replace: userAccountControl\nuserAccountControl: 512");
    story.cycle("delta");
    assert_eq!(story.pass(), 1);
    assert_eq!(story.signs_in("bob", "While-disabled-2"), SIGNED_IN);

    // Kept out of the cloud, given a password, let in: created by the cycle, and its password after it.
    story.set_password("cy", "While-outside-2");
    assert_eq!(story.pass(), 0);
    story.change("cy", "delete: adminDescription");
    story.cycle("delta");
    assert_eq!(story.pass(), 1);
    assert_eq!(story.signs_in("cy", "While-outside-2"), SIGNED_IN);

    // P19: a rule switched off, a password changed, the rule switched on.
    let rules = "rules/31-cloud-users.toml";
    story.deployment.replace(rules, "password_sync = true", "password_sync = false");
    story.cycle("delta");
    story.set_password("dee", "While-switched-off-2");
    assert_eq!(story.pass(), 0);
    assert_eq!(story.signs_in("dee", "First-dee-1"), SIGNED_IN);
    story.deployment.replace(rules, "password_sync = false", "password_sync = true");
    story.cycle("delta");
    assert_eq!(story.pass(), 1);
    assert_eq!(
        (story.signs_in("dee", "First-dee-1"), story.signs_in("dee", "While-switched-off-2")),
        (WRONG, SIGNED_IN)
    );
    story.tenant.stop();
}
