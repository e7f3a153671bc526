//! The people and groups of the crash harness: an LDIF directory that exists in several generations, the tenant that a
//! tenth of them are in already, and the deployment between both. The same number of people gives the same world.

use crate::operator::{self, Deployment};
use crate::people::guid;
use crate::tenant::{CLIENT_ID, CLIENT_SECRET, Tenant};
use base64::Engine as _;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// People up to whom every exchange is judged by the public contract.
const MOST_JUDGED: usize = 2_000;
/// Members of a group, and people for each group.
const MEMBERS: usize = 20;
const PEOPLE_PER_GROUP: usize = 40;
/// Groups have numbers from here on.
const GROUPS: usize = 10_000_000;

/// How the tenant is written to; the provisioning service takes contacts too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Graph,
    Connect,
}

impl Mode {
    /// Whether a fail point lies on the way of this mode. Those of LDAP have a test on a real directory.
    pub(crate) fn passes(self, point: &str) -> bool {
        !(point.starts_with("ldap-") || self == Mode::Graph && point.starts_with("provisioning-"))
    }

    fn goal(self) -> &'static str {
        match self {
            Mode::Graph => "attributes",
            Mode::Connect => "one-password",
        }
    }
}

/// The directory after so many rounds of change.
pub(crate) fn directory(mode: Mode, people: usize, generation: usize) -> String {
    let mut ldif = String::from("version: 1\n\n");
    for (number, name) in [(1, "People"), (2, "Works"), (3, "Groups")] {
        let _ = writeln!(
            ldif,
            "dn: OU={name},DC=corp,DC=contoso,DC=example\nobjectClass: top\nobjectClass: organizationalUnit\nobjectGUID:: {}\nou: {name}\n",
            base64(&guid(GROUPS * 2 + number)),
        );
    }
    let exists = |number: usize| number <= people + generation * joiners(people) && left_in(number) > generation;
    let last = people + generation * joiners(people);
    for number in (1..=last).filter(|number| exists(*number)) {
        person(&mut ldif, number, generation, exists);
    }
    for number in (1..=contacts(mode, people)).filter(|number| left_in(*number) > generation) {
        contact(&mut ldif, number, generation);
    }
    for group in 0..(people / PEOPLE_PER_GROUP).max(3) {
        let first = group * PEOPLE_PER_GROUP;
        // Every third group loses a member and wins another with each generation.
        let shift = if group % 3 == 0 { generation } else { 0 };
        let members: Vec<usize> =
            (first + shift..first + shift + MEMBERS).map(|n| n % people + 1).filter(|n| exists(*n)).collect();
        let _ = writeln!(
            ldif,
            "dn: CN=Group {group},OU=Groups,DC=corp,DC=contoso,DC=example\nobjectClass: top\nobjectClass: group\nobjectGUID:: {}\n\
             objectSid:: {}\ncn: Group {group}\ndisplayName: Group {group}\nsAMAccountName: group{group}\ngroupType: -2147483646",
            base64(&guid(GROUPS + group)),
            base64(&sid(GROUPS + group)),
        );
        for member in members {
            let _ = writeln!(ldif, "member: {}", dn(member, generation));
        }
        if group > 0 {
            let _ = writeln!(ldif, "member: CN=Group {},OU=Groups,DC=corp,DC=contoso,DC=example", group - 1);
        }
        ldif.push('\n');
    }
    ldif
}

fn contacts(mode: Mode, people: usize) -> usize {
    match mode {
        Mode::Graph => 0,
        Mode::Connect => (people / 20).max(3),
    }
}

fn contact(ldif: &mut String, number: usize, generation: usize) {
    let title = if generation >= 1 && number.is_multiple_of(3) { "Buyer" } else { "Supplier" };
    let _ = writeln!(
        ldif,
        "dn: CN=Contact {number},OU=People,DC=corp,DC=contoso,DC=example\nobjectClass: top\nobjectClass: person\n\
         objectClass: organizationalPerson\nobjectClass: contact\nobjectGUID:: {}\ncn: Contact {number}\n\
         displayName: Contact {number}\nmail: contact{number}@supplier.example\n\
         proxyAddresses: SMTP:contact{number}@supplier.example\ntargetAddress: SMTP:contact{number}@supplier.example\n\
         mailNickname: contact{number}\ntitle: {title}\n",
        base64(&guid(GROUPS * 3 + number)),
    );
}

fn joiners(people: usize) -> usize {
    (people / 200).max(3)
}

/// The generation in which somebody is no longer there.
fn left_in(number: usize) -> usize {
    match number % 211 {
        7 => 1,
        18 => 2,
        _ => usize::MAX,
    }
}

fn dn(number: usize, generation: usize) -> String {
    let moved = generation >= 1 && number % 157 == 5 || generation >= 2 && number % 157 == 9;
    let container = if moved { "Works" } else { "People" };
    format!("CN=Person {number},OU={container},DC=corp,DC=contoso,DC=example")
}

fn person(ldif: &mut String, number: usize, generation: usize, exists: impl Fn(usize) -> bool) {
    let title = match number % 101 {
        3 if generation >= 1 => "Promoted",
        4 if generation >= 2 => "Promoted again",
        _ => "Engineer",
    };
    let disabled = generation >= 1 && number % 233 == 11;
    let _ = writeln!(
        ldif,
        "dn: {}\nobjectClass: top\nobjectClass: person\nobjectClass: organizationalPerson\nobjectClass: user\nobjectGUID:: {}\n\
         objectSid:: {}\ncn: Person {number}\ndisplayName: Person {number}\nsAMAccountName: person{number}\n\
         userPrincipalName: person{number}@contoso.example\nmail: person{number}@contoso.example\n\
         proxyAddresses: SMTP:person{number}@contoso.example\nuserAccountControl: {}\ntitle: {title}\ndepartment: Team {}",
        dn(number, generation),
        base64(&guid(number)),
        base64(&sid(number)),
        if disabled { 514 } else { 512 },
        number % 13,
    );
    let manager = number / 10;
    if manager > 0 && exists(manager) {
        let _ = writeln!(ldif, "manager: {}", dn(manager, generation));
    }
    ldif.push('\n');
}

fn sid(number: usize) -> Vec<u8> {
    let mut sid = vec![1, 5, 0, 0, 0, 0, 0, 5];
    for part in [21u32, 11, 22, 33, 1000 + u32::try_from(number).expect("a small number")] {
        sid.extend_from_slice(&part.to_le_bytes());
    }
    sid
}

fn base64(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// A tenant in which a tenth of the people are, and some that no directory knows. What it makes is visible only after a while.
pub(crate) fn tenant(mode: Mode, people: usize, replication_ms: u64) -> Tenant {
    let existing = (1..=people).filter(|number| number % 10 == 0);
    let mut users: Vec<Value> = existing
        .map(|number| {
            json!({
                "userPrincipalName": format!("person{number}@contoso.example"), "mail": format!("person{number}@contoso.example"),
                "displayName": format!("Cloud {number}"), "mailNickname": format!("person{number}"), "accountEnabled": true,
                "mobilePhone": "+49 170 0000000",
            })
        })
        .collect();
    users.extend((1..=5).map(|number| {
        json!({
            "userPrincipalName": format!("cloud{number}@contoso.onmicrosoft.com"), "displayName": format!("Cloud only {number}"),
            "mailNickname": format!("cloud{number}"), "accountEnabled": true,
        })
    }));
    let synchronised = if mode == Mode::Connect { Value::Bool(true) } else { Value::Null };
    let tenant = Tenant::start(json!({
        "tenant": { "onPremisesSyncEnabled": synchronised },
        "domains": [{ "name": "contoso.onmicrosoft.com", "initial": true }, { "name": "contoso.example", "default": true }],
        "users": users,
    }));
    tenant
        .running
        .update_knobs(|knobs| {
            knobs.throttle.enabled = false;
            knobs.provisioning_throttle.enabled = false;
            knobs.replication_delay_ms = replication_ms;
            knobs.anchor_delay_ms = replication_ms;
            knobs.request_log_limit = 1_000;
        })
        .expect("knobs");
    tenant
}

/// Graph by way of the judge, who is slow for whole cities.
fn graph_url(tenant: &Tenant, people: usize) -> String {
    if people <= MOST_JUDGED { tenant.graph_url() } else { tenant.running.graph_url() }
}

/// A deployment as an operator makes it, with this directory.
pub fn deployment(tenant: &Tenant, mode: Mode, directory: &str) -> Deployment {
    let mut deployment = Deployment::new();
    deployment.variable("METASYNC_CLIENT_SECRET", CLIENT_SECRET);
    deploy(&deployment.folder, tenant, mode, SMALLEST, &operator::binary());
    std::fs::write(deployment.file(DIRECTORY), directory).expect("the directory is written");
    deployment
}

/// People of a world whose directory is replaced by another.
const SMALLEST: usize = 3;
/// The name of the directory's file in the deployment.
pub(crate) const DIRECTORY: &str = "people.ldif";

/// A deployment without a store, as an operator makes it; guards and matching let everything through.
pub(crate) fn deploy(folder: &Path, tenant: &Tenant, mode: Mode, people: usize, program: &Path) {
    std::fs::create_dir_all(folder).expect("a folder");
    std::fs::write(folder.join(DIRECTORY), directory(mode, people, 0)).expect("the directory is written");
    let tenant_id = tenant.tenant_id();
    let graph = graph_url(tenant, people);
    #[rustfmt::skip]
    let arguments = [
        "init", "--yes", "--source", "ldif", "--goal", mode.goal(), "--file", DIRECTORY, "--tenant", &tenant_id, "--client-id", CLIENT_ID,
        "--client-secret", "env:METASYNC_CLIENT_SECRET", "--graph-url", &graph, "--authority-url", tenant.running.base_url(),
        "--matching", "automatic", "--active",
    ];
    let made = Command::new(program)
        // The file is named as seen from the deployment, which is copied to and fro.
        .current_dir(folder)
        .args(["--deployment", "."])
        .args(arguments)
        .env("METASYNC_CLIENT_SECRET", CLIENT_SECRET)
        .stdin(Stdio::null())
        .output()
        .expect("the binary runs");
    assert!(made.status.success(), "init: {}", String::from_utf8_lossy(&made.stderr));
    let file = folder.join("metasync.toml");
    let text = std::fs::read_to_string(&file).expect("init wrote it");
    assert!(text.contains("objects = 500") && text.contains("at_least = 5"), "{text}");
    let open = text.replace("objects = 500", "objects = 10000000").replace("at_least = 5", "at_least = 10000000");
    std::fs::write(&file, open).expect("the file is writable");
}
