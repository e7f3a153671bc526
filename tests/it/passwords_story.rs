//! One password on real parts: a Samba domain controller, the rehearsal tenant in Connect mode, and the executable as an operator
//! types it. Whether a password works is asked of the tenant's own sign-in.

use metasync_tests::lab::{DOMAIN, DomainController};
use metasync_tests::operator::Deployment;
use metasync_tests::secrets::Secrets;
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
        self.samba_tool(&["user", "setpassword", name, &format!("--newpassword={password}")]);
    }

    /// `samba-tool` on the domain controller's own database.
    fn samba_tool(&self, arguments: &[&str]) -> String {
        let done = Command::new("samba-tool")
            .args(arguments)
            .args(["-H", &format!("{}/private/sam.ldb", self.controller.folder_text())])
            .arg(format!("--configfile={}/etc/smb.conf", self.controller.folder_text()))
            .output()
            .expect("samba-tool runs");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8_lossy(&done.stdout).into_owned()
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
    let mut story = Story { controller, tenant, deployment };
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
    story.a_restored_user_has_the_password_it_was_given_then();
    story.refused_credentials_lock_nobody_out();
    story.no_secret_lies_there();
    story.tenant.stop();
}

impl Story {
    /// SF22: deleted, brought back without a password, and given another one: with the cloud user comes the new one.
    fn a_restored_user_has_the_password_it_was_given_then(&self) {
        self.controller.seed(&format!("dn: CN=dee,OU=Staff,{DOMAIN}\nchangetype: delete\n\n"));
        self.cycle("delta");
        assert_eq!(self.pass(), 0);
        assert_ne!(self.signs_in("dee", "While-switched-off-2"), SIGNED_IN, "the user lies in the recycle bin");
        self.controller.seed(&format!("dn: CN=dee,OU=Staff,{DOMAIN}\nchangetype: reanimate\n\n"));
        self.set_password("dee", "After-restore-3");
        assert_eq!(self.pass(), 0);
        self.change(
            "dee",
            "replace: userPrincipalName\nuserPrincipalName: dee@contoso.example\n-\nreplace: mail\nmail: dee@contoso.example\n-\n\
             replace: displayName\ndisplayName: dee\n-\nreplace: userAccountControl\nuserAccountControl: 512",
        );
        self.cycle("delta");
        assert_eq!(self.pass(), 1);
        assert_eq!(
            (self.signs_in("dee", "While-switched-off-2"), self.signs_in("dee", "After-restore-3")),
            (WRONG, SIGNED_IN)
        );
    }

    /// SF23, LDAP 49: in a domain that locks an account after two wrong passwords, neither account of the deployment is locked by any
    /// number of cycles and passes with a wrong one.
    fn refused_credentials_lock_nobody_out(&mut self) {
        self.samba_tool(&["domain", "passwordsettings", "set", "--account-lockout-threshold=2"]);
        for (variable, right) in [("METASYNC_AD_PASSWORD", BIND_PASSWORD), ("METASYNC_PASSWORDS", READER_PASSWORD)] {
            self.deployment.variable(variable, "Wrong-and-made-up-1");
            for _ in 0..3 {
                self.deployment.run(&["cycle", "delta"]);
                self.deployment.run(&["run", "ad", "full-import"]);
                self.deployment.run(&["passwords", "sync"]);
            }
            let told = self.deployment.run(&["passwords", "status"]).out;
            assert!(told.contains("was refused at") && told.contains(variable), "{told}");
            self.deployment.variable(variable, right);
            self.cycle("delta");
            self.pass();
            let told = self.deployment.run(&["passwords", "status"]).out;
            assert!(!told.contains("was refused at"), "{told}");
        }
    }

    /// P8 after all of that: no password of the directory, of its users or of the deployment's accounts, no hash and no credential.
    #[expect(clippy::print_stdout, reason = "what was looked through is told with the test run")]
    fn no_secret_lies_there(&self) {
        let mut secrets = Secrets::default();
        for name in ["ann", "bob", "cy", "dee"] {
            secrets.password(name, &format!("First-{name}-1"));
        }
        let changed =
            ["Second-ann-2", "While-disabled-2", "While-outside-2", "While-switched-off-2", "After-restore-3"];
        for password in
            changed.into_iter().chain([BIND_PASSWORD, READER_PASSWORD, CLIENT_SECRET, "Wrong-and-made-up-1"])
        {
            secrets.password("somebody", password);
        }
        for command in [&["history"][..], &["history", "--events"], &["passwords", "status"], &["dump"], &["check"]] {
            self.deployment.run(&[&["-vv", "--json"][..], command].concat());
        }
        self.deployment.run(&["-vv", "passwords", "sync", "--full"]).expect(&[0]);
        self.deployment.run(&["-vv", "cycle", "initial"]).expect(&[0]);
        let mut scan = secrets.any_credential().scan();
        scan.deployment(&self.deployment, &[]).expect_none();
        println!("passwords of a Samba directory: {scan}");
    }
}
