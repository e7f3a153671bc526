//! Who is in the directory and in the tenant before the story, the deployment between them, and how two dumps of an object are
//! compared.

use base64::Engine as _;
use metasync_tests::lab::{DOMAIN, DomainController};
use metasync_tests::operator::{Deployment, Ran};
use metasync_tests::tenant::{CLIENT_ID, CLIENT_SECRET};
use metasync_tests::tenant_process::TenantProcess;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

const BIND_PASSWORD: &str = "svc-Passw0rd-2";
pub(crate) const ADMIN: &str = "admin@contoso.onmicrosoft.com";

/// A running story: both sides and what is between them.
pub(crate) struct World {
    pub(crate) controller: DomainController,
    pub(crate) tenant: TenantProcess,
    pub(crate) deployment: Deployment,
}

impl World {
    pub(crate) fn start(test: &str) -> Self {
        World::between(test, &directory(), &cloud())
    }

    /// The same deployment between others.
    pub(crate) fn between(test: &str, directory: &str, cloud: &Value) -> Self {
        let controller = DomainController::start(test, directory);
        controller.rights(&["replication", "svc-metasync"]);
        controller.rights(&["deleted-objects", "svc-metasync"]);
        let tenant = TenantProcess::start(cloud);
        let deployment = deployment(&controller, &tenant);
        World { controller, tenant, deployment }
    }

    /// Runs cycles, approving what each asks for but the kinds that are left alone, until nothing else waits and a cycle writes
    /// nothing any more; returns the kinds that were approved, in order.
    pub(crate) fn settle(&self, kind: &str, leave: &[&str]) -> Vec<String> {
        let mut approved = Vec::new();
        let mut kind = kind;
        for _ in 0..8 {
            self.tenant.forget_requests();
            let cycle = self.deployment.json(&["cycle", kind], &[0, 3, 4]);
            let mine: Vec<(String, String)> =
                waiting(&cycle).into_iter().filter(|(kind, _)| !leave.contains(&kind.as_str())).collect();
            if mine.is_empty() && self.tenant.writes() == 0 {
                return approved;
            }
            for (kind, digest) in mine {
                self.deployment.run(&["approve", &digest]).expect(&[0]);
                approved.push(kind);
            }
            kind = "delta";
        }
        panic!("not settled after eight cycles, approved: {approved:?}\n{}", self.pending());
    }

    /// Changes the directory as its administrator does.
    pub(crate) fn in_directory(&self, ldif: &str) {
        self.controller.seed(ldif);
    }

    /// What waits and what is held for a name, as `explain` tells it.
    pub(crate) fn explain(&self, object: &str) -> Ran {
        self.deployment.run(&["explain", object]).expect(&[0])
    }

    pub(crate) fn pending(&self) -> String {
        self.deployment.run(&["pending", "cloud"]).expect(&[0]).out
    }

    /// The anchors of the directory's users, groups and contacts by name, as the tenant shows them.
    pub(crate) fn anchors(&self) -> BTreeMap<String, String> {
        let filter = "(|(objectClass=user)(objectClass=group)(objectClass=contact))";
        let objects = self.dump(DOMAIN, filter, &["cn", "objectGUID"]);
        objects.into_iter().map(|object| (text(&object["cn"]).to_lowercase(), object["objectGUID"].clone())).collect()
    }

    /// First values of attributes of the directory's objects, as text; an attribute without a value is empty.
    pub(crate) fn objects(&self, base: &str, filter: &str, names: &[&str]) -> Vec<BTreeMap<String, String>> {
        let mut objects = self.dump(base, filter, names);
        objects.iter_mut().for_each(|object| object.values_mut().for_each(|value| *value = text(value)));
        objects
    }

    /// The same in base64.
    fn dump(&self, base: &str, filter: &str, names: &[&str]) -> Vec<BTreeMap<String, String>> {
        let folder = self.controller.folder_text();
        let arguments = [&[&*folder, "--base", base, "--filter", filter], names].concat();
        let dump = metasync_tests::lab::script("dump.py", &arguments, None);
        let object = |line: &str| {
            let object: Value = serde_json::from_str(line).expect("a JSON line");
            let value = |name: &str| object["attributes"][name][0].as_str().unwrap_or_default().to_owned();
            names.iter().map(|name| ((*name).to_owned(), value(name))).collect()
        };
        dump.lines().map(object).collect()
    }

    /// That no cycle, delta or full, writes anything now.
    pub(crate) fn expect_an_empty_plan(&self, when: &str) {
        self.tenant.forget_requests();
        for kind in ["delta", "initial"] {
            let ran = self.deployment.run(&["cycle", kind]);
            assert_eq!(
                self.tenant.writes(),
                0,
                "a {kind} cycle {when} writes nothing:\n{}\n{}",
                ran.out,
                self.pending()
            );
        }
    }
}

fn text(base64: &str) -> String {
    let bytes = base64::engine::general_purpose::STANDARD.decode(base64).expect("base64");
    String::from_utf8(bytes).expect("text")
}

/// The lists of a cycle's report that wait for an approval: kind and digest.
pub(crate) fn waiting(cycle: &Value) -> Vec<(String, String)> {
    let lists = cycle["result"]["waiting"].as_array().cloned().unwrap_or_default();
    let text = |list: &Value, name: &str| list[name].as_str().unwrap_or_default().to_owned();
    lists.iter().map(|list| (text(list, "kind"), text(list, "digest"))).collect()
}

/// A text without its layout.
pub(crate) fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

pub(crate) fn mail(name: &str) -> String {
    format!("{name}@contoso.example")
}

pub(crate) fn dn(name: &str, container: &str) -> String {
    format!("CN={name},OU={container},{DOMAIN}")
}

/// People of the directory, by the name that is theirs everywhere: `ann` signs in as `ann@contoso.example`.
const PEOPLE: [&str; 12] = ["ann", "ben", "cleo", "dora", "emil", "finn", "gus", "hanna", "ida", "jon", "kim", "lea"];

/// Units, and the account that reads: what every directory of these stories has.
pub(crate) fn units_and_account() -> Vec<Value> {
    let unit = |name: &str| json!({ "dn": format!("OU={name}"), "class": "organizationalUnit" });
    vec![
        unit("Staff"),
        unit("Groups"),
        unit("Partners"),
        json!({ "dn": "CN=svc-metasync,CN=Users", "class": "user", "enabled": true, "password": BIND_PASSWORD,
                "attributes": { "sAMAccountName": "svc-metasync", "userPrincipalName": "svc-metasync@contoso.example" } }),
    ]
}

fn directory() -> String {
    let mut objects = units_and_account();
    for name in PEOPLE {
        let mut attributes = json!({
            "sAMAccountName": name,
            "userPrincipalName": mail(name),
            "displayName": format!("{}{} of Contoso", name[..1].to_uppercase(), &name[1..]),
            "givenName": format!("{}{}", name[..1].to_uppercase(), &name[1..]),
            "sn": "of Contoso",
            "mail": mail(name),
            "department": "Sales",
            "proxyAddresses": [format!("SMTP:{}", mail(name)), format!("smtp:{name}.alias@contoso.example")],
        });
        match name {
            // The directory knows nobody above Ann and Ben; of the others it does.
            "ann" | "ben" => {}
            _ => attributes["manager"] = json!("CN=ann,OU=Staff"),
        }
        if name == "cleo" {
            // Known by `mail` alone.
            attributes["proxyAddresses"] = json!([]);
        }
        objects.push(
            json!({ "dn": format!("CN={name},OU=Staff"), "class": "user", "enabled": true, "attributes": attributes }),
        );
    }
    let staff = |names: &[&str]| names.iter().map(|name| format!("CN={name},OU=Staff")).collect::<Vec<_>>();
    let mut group = |name: &str, kind: i64, members: Vec<String>, mail: Option<&str>| {
        let mut attributes = json!({ "sAMAccountName": name, "displayName": name, "groupType": kind.to_string(),
            "member": members, "description": format!("The group {name}") });
        if let Some(mail) = mail {
            attributes["mail"] = json!(mail);
            attributes["proxyAddresses"] = json!([format!("SMTP:{mail}")]);
        }
        objects.push(json!({ "dn": format!("CN={name},OU=Groups"), "class": "group", "attributes": attributes }));
    };
    // Security groups of each scope, distribution lists of two, a security group that takes mail, one within the other.
    const SECURITY: i64 = -0x8000_0000;
    const GLOBAL: i64 = 2;
    const LOCAL: i64 = 4;
    const UNIVERSAL: i64 = 8;
    group("Team", SECURITY + GLOBAL, staff(&["ann", "ben", "kim"]), None);
    group("Printers", SECURITY + LOCAL, staff(&["lea"]), None);
    let mut company = staff(&["jon"]);
    company.push("CN=Team,OU=Groups".into());
    group("Company", SECURITY + UNIVERSAL, company, None);
    group("Sales", SECURITY + UNIVERSAL, staff(&["ann", "cleo", "dora"]), Some("sales@contoso.example"));
    group("Lunch", GLOBAL, staff(&["kim", "lea"]), Some("lunch@contoso.example"));
    group("No mail", UNIVERSAL, staff(&["kim"]), None);
    for (name, address) in
        [("Paula", Some("paula@partner.example")), ("Quentin", Some("quentin@partner.example")), ("Rosa", None)]
    {
        let mut attributes = json!({ "displayName": format!("{name} of Partner"), "givenName": name, "sn": "of Partner",
            "company": "Partner", "title": "Buyer" });
        if let Some(address) = address {
            attributes["mail"] = json!(address);
            attributes["proxyAddresses"] =
                json!([format!("SMTP:{address}"), format!("smtp:{}", address.replace('@', ".alias@"))]);
        }
        objects.push(json!({ "dn": format!("CN={name},OU=Partners"), "class": "contact", "attributes": attributes }));
    }
    let mut news = staff(&["ann", "hanna"]);
    news.push("CN=Paula,OU=Partners".into());
    objects.push(json!({ "dn": "CN=News,OU=Groups", "class": "group", "attributes": { "sAMAccountName": "News",
        "displayName": "News", "groupType": UNIVERSAL.to_string(), "member": news, "mail": "news@contoso.example",
        "proxyAddresses": ["SMTP:news@contoso.example", "smtp:news.alias@contoso.example"] } }));
    Value::Array(objects).to_string()
}

/// The tenant of the customer's document: people work in it already. Each of them holds something that only the cloud knows.
fn cloud() -> Value {
    let person = |name: &str, more: Value| {
        let mut user = json!({
            "userPrincipalName": mail(name), "displayName": format!("{name} (cloud)"), "mailNickname": name,
            "mail": mail(name), "accountEnabled": true, "usageLocation": "DE", "assignedLicenses": ["ENTERPRISEPACK"],
            "proxyAddresses": [format!("SMTP:{}", mail(name)), format!("smtp:{name}.alias@contoso.example")],
        });
        for (key, value) in more.as_object().expect("an object") {
            user[key] = value.clone();
        }
        user
    };
    json!({
        "tenant": { "displayName": "Contoso Example", "onPremisesSyncEnabled": true },
        "domains": [{ "name": "contoso.onmicrosoft.com", "initial": true }, { "name": "contoso.example", "default": true }],
        "skus": [{ "skuPartNumber": "ENTERPRISEPACK", "enabledUnits": 100,
                   "servicePlans": [{ "servicePlanName": "EXCHANGE_S_ENTERPRISE" }] },
                 { "skuPartNumber": "FLOW_FREE", "enabledUnits": 100 }],
        "users": [
            { "userPrincipalName": ADMIN, "displayName": "Admin", "roles": { "active": ["Hybrid Identity Administrator"] } },
            // What people give themselves for signing in again, and what licences hang on.
            person("ann", json!({ "assignedLicenses": ["ENTERPRISEPACK", "FLOW_FREE"], "usageLocation": "AT",
                "otherMails": ["ann@home.example"], "mobilePhone": "+43 660 1", "jobTitle": "Head of Sales" })),
            // Whom only the cloud has above him.
            person("ben", json!({ "manager": ADMIN, "officeLocation": "Room 7", "businessPhones": ["+49 30 7"],
                "passwordPolicies": "DisablePasswordExpiration" })),
            person("cleo", json!({ "onPremisesExtensionAttributes": { "extensionAttribute1": "only here" },
                "aboutMe": "Likes cats", "skills": ["Rust"], "preferredLanguage": "de-DE", "ageGroup": "adult" })),
            // An address that only the cloud knows, and of another kind.
            person("dora", json!({ "proxyAddresses": ["SMTP:dora@contoso.example", "smtp:dora.alias@contoso.example",
                "smtp:dora.old@contoso.example", "SIP:dora@contoso.example"] })),
            person("emil", json!({ "mail": "EMIL@contoso.example",
                "proxyAddresses": ["SMTP:EMIL@contoso.example", "smtp:emil.alias@contoso.example"] })),
            // Three whom nobody takes over: a blocked account, an administrator, a guest.
            person("finn", json!({ "accountEnabled": false })),
            person("gus", json!({ "roles": { "active": ["Global Administrator"], "eligible": [] } })),
            person("hanna", json!({ "userType": "Guest",
                "userPrincipalName": "hanna_contoso.example#EXT#@contoso.onmicrosoft.com" })),
            // Nobody of the directory.
            person("zoe", json!({})),
        ],
        "groups": [{ "displayName": "In the cloud", "members": [mail("ann"), mail("zoe")] }],
    })
}

fn deployment(controller: &DomainController, tenant: &TenantProcess) -> Deployment {
    let mut deployment = Deployment::new();
    deployment.variable("METASYNC_AD_PASSWORD", BIND_PASSWORD).variable("METASYNC_CLIENT_SECRET", CLIENT_SECRET);
    let ca = controller.ca_file();
    let containers = ["Staff", "Groups", "Partners"].map(|name| format!("OU={name},{DOMAIN}"));
    let graph = tenant.graph_url();
    #[rustfmt::skip]
    let mut line = vec![
        "init", "--yes", "--source", "active-directory", "--goal", "one-password", "--server", &controller.address,
        "--base", DOMAIN, "--bind-user", "CORP\\svc-metasync", "--password", "env:METASYNC_AD_PASSWORD",
        "--ca-file", ca.to_str().expect("a plain path"), "--tenant", tenant.tenant_id(), "--client-id", CLIENT_ID,
        "--client-secret", "env:METASYNC_CLIENT_SECRET", "--graph-url", &graph, "--authority-url",
        tenant.authority_url(), "--matching", "review", "--active",
    ];
    containers.iter().for_each(|container| line.extend(["--container", container]));
    deployment.run(&line).expect(&[0]);
    deployment
}

/// What is otherwise in the second dump of an object, a line for each property: what it was and what it is. Values that no two
/// runs have in common are named instead of shown.
pub(crate) fn differences(before: &Value, after: &Value) -> String {
    let keys = |object: &Value| object.as_object().map(|map| map.keys().cloned().collect()).unwrap_or_default();
    let all: BTreeSet<String> = BTreeSet::union(&keys(before), &keys(after)).cloned().collect();
    let mut told = String::new();
    for key in all {
        let (old, new) = (&before[&key], &after[&key]);
        if old != new {
            let _ = writeln!(told, "{key}: {} -> {}", shown(&key, old), shown(&key, new));
        }
    }
    told
}

fn shown(key: &str, value: &Value) -> String {
    match (key, value) {
        (_, Value::Null) => "-".to_owned(),
        ("onPremisesImmutableId" | "sourceAnchor", _) => "its objectGUID".to_owned(),
        ("onPremisesSecurityIdentifier", _) => "its objectSid".to_owned(),
        ("id" | "manager", _) => "an object id".to_owned(),
        (key, _) if key.ends_with("DateTime") => "a time".to_owned(),
        (_, value) => value.to_string(),
    }
}

/// The same for each object that both have under its name, those without a difference left out; and who is only in one of them.
pub(crate) fn all_differences(before: &BTreeMap<String, Value>, after: &BTreeMap<String, Value>) -> String {
    let mut told = String::new();
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for name in names {
        match (before.get(name), after.get(name)) {
            (Some(old), Some(new)) if old == new => {}
            (Some(old), Some(new)) => {
                let lines = differences(old, new).lines().map(|line| format!("  {line}\n")).collect::<String>();
                let _ = write!(told, "{name}\n{lines}");
            }
            (Some(_), None) => _ = writeln!(told, "{name} is gone"),
            (None, _) => _ = writeln!(told, "{name} is new"),
        }
    }
    told
}
