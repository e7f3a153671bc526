//! What these tests share: the table, the rules, the deployment, and the directory as its own database has it.

use base64::Engine as _;
use metasync_tests::lab::{DOMAIN, DomainController, script};
use metasync_tests::operator::{Deployment, Ran};
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt::Write as _;

pub(crate) const BIND_PASSWORD: &str = "svc-Passw0rd-1";

/// The container that the rules fill.
pub(crate) fn managed() -> String {
    format!("OU=Managed,{DOMAIN}")
}

/// A domain controller with an empty container for the rules and a service account that may do everything there, and
/// nothing elsewhere. `more` is the JSON of further objects.
pub(crate) fn controller(test: &str, more: &[serde_json::Value]) -> DomainController {
    let mut objects = vec![
        json!({ "dn": "OU=Managed", "class": "organizationalUnit" }),
        json!({ "dn": "CN=svc-metasync,CN=Users", "class": "user", "enabled": true, "password": BIND_PASSWORD,
                "attributes": { "sAMAccountName": "svc-metasync" } }),
    ];
    objects.extend_from_slice(more);
    let controller = DomainController::start(test, &serde_json::Value::Array(objects).to_string());
    controller.rights(&["replication", "svc-metasync"]);
    controller.rights(&["deleted-objects", "svc-metasync"]);
    controller
}

/// One line of the table.
#[derive(Debug, Clone, Default)]
pub(crate) struct Line {
    pub(crate) kind: &'static str,
    pub(crate) name: String,
    pub(crate) container: String,
    pub(crate) title: String,
    pub(crate) department: String,
    pub(crate) account: String,
    pub(crate) manager: String,
    pub(crate) members: Vec<String>,
}

/// The table of the human-resources department, by its own number.
#[derive(Debug, Clone, Default)]
pub(crate) struct People(pub(crate) BTreeMap<String, Line>);

impl People {
    pub(crate) fn unit(&mut self, id: &str, name: &str, container: &str) {
        let line = Line { kind: "unit", name: name.into(), container: container.into(), ..Line::default() };
        self.0.insert(id.into(), line);
    }

    pub(crate) fn person(&mut self, id: &str, name: &str, container: &str) -> &mut Line {
        let line = Line {
            kind: "person",
            name: name.into(),
            container: container.into(),
            account: id.into(),
            department: "Sales".into(),
            ..Line::default()
        };
        self.0.entry(id.into()).or_insert(line)
    }

    pub(crate) fn group(&mut self, id: &str, name: &str, container: &str, members: &[&str]) {
        let members = members.iter().map(|member| (*member).to_owned()).collect();
        let (name, container, account) = (name.into(), container.into(), id.into());
        self.0.insert(id.into(), Line { kind: "group", name, container, account, members, ..Line::default() });
    }

    pub(crate) fn at(&mut self, id: &str) -> &mut Line {
        self.0.get_mut(id).expect("a line of the table")
    }

    fn csv(&self) -> String {
        let mut text = String::from("id,kind,name,container,title,department,account,manager,members\n");
        for (id, line) in &self.0 {
            let Line { kind, name, container, title, department, account, manager, members } = line;
            let members = members.join(";");
            let _ = writeln!(
                text,
                "{id},{kind},\"{name}\",\"{container}\",{title},{department},{account},{manager},{members}"
            );
        }
        text
    }

    pub(crate) fn write(&self, deployment: &Deployment) {
        std::fs::write(deployment.file("people.csv"), self.csv()).expect("the table is written");
    }
}

const RULES: &str = r#"
[metaverse.person]
id = "text"
name = "text"
container = "text"
title = "text"
department = "text"
account = "text"
manager = "reference"

[metaverse.group]
id = "text"
name = "text"
container = "text"
account = "text"
members = "multi reference"

[metaverse.unit]
id = "text"
name = "text"
container = "text"
"#;

fn inbound(kind: &str, precedence: u32, flows: &[&str]) -> String {
    let mut text = format!(
        "[[rule]]\nid = \"in-{kind}\"\nname = \"In from hr - {kind}\"\ndirection = \"inbound\"\nconnector = \"hr\"\nsource_type = \"{kind}\"\n\
         target_type = \"{kind}\"\nlink = \"provision\"\nprecedence = {precedence}\n[[rule.join]]\ncriterion = \"id\"\nsource = \"[id]\"\n\
         target = \"[id]\"\n[rule.flow]\n"
    );
    for flow in ["id", "name", "container"].iter().chain(flows) {
        let _ = writeln!(text, "{flow} = \"[{flow}]\"");
    }
    text + "\n"
}

fn outbound(kind: &str, class: &str, naming: &str, precedence: u32, flows: &str) -> String {
    format!(
        "[[rule]]\nid = \"out-{kind}\"\nname = \"Out to ad - {kind}\"\ndirection = \"outbound\"\nconnector = \"ad\"\nsource_type = \"{kind}\"\n\
         target_type = \"{class}\"\nlink = \"provision\"\nprecedence = {precedence}\n[rule.deprovision]\nprovisioned = \"delete\"\n[rule.flow]\n\
         dn = 'EscapeDNComponent(\"{naming}=\" & [name]) & \",\" & IIF(IsPresent([container]), [container] & \",\", \"\") & %Managed%'\n{flows}\n\n"
    )
}

/// The rules of this scenario, as an operator would write them.
pub(crate) fn rules() -> String {
    let person = "sAMAccountName = \"[account]\"\nuserPrincipalName = '[account] & \"@corp.contoso.example\"'\ndisplayName = \"[name]\"\n\
                  title = \"[title]\"\ndepartment = \"[department]\"\nmanager = { direct = \"manager\" }\n\
                  userAccountControl = { constant = 514, once = true }";
    let group = "sAMAccountName = \"[account]\"\ndisplayName = \"[name]\"\ngroupType = -2147483646\nmember = { direct = \"members\" }";
    [
        RULES.to_owned(),
        inbound("person", 10, &["title", "department", "account", "manager"]),
        inbound("group", 11, &["account", "members"]),
        inbound("unit", 12, &[]),
        outbound("person", "user", "CN", 20, person),
        outbound("group", "group", "CN", 21, group),
        outbound("unit", "organizationalUnit", "OU", 22, ""),
    ]
    .concat()
}

/// A deployment from the table into the directory. `guards` is the content of that section.
pub(crate) fn deployment(controller: &DomainController, people: &People, staging: bool, guards: &str) -> Deployment {
    let mut deployment = Deployment::new();
    deployment.variable("METASYNC_AD_PASSWORD", BIND_PASSWORD);
    std::fs::create_dir_all(deployment.file("rules")).expect("a folder");
    let configuration = format!(
        r#"[deployment]
name = "into-directory"
staging = {staging}

[guards]
{guards}

# What leaves scope leaves at once; a line that is missing in the table is deleted anyway.
[leaving]
grace_days = 0

[parameters]
Managed = "{managed}"

[connector.hr]
kind = "text-file"
[connector.hr.settings]
format = "csv"
path = "people.csv"
anchor = "id"
reference_by = "anchor"
object_type_attribute = "kind"
object_types = ["person", "group", "unit"]
multi_value_separator = ";"
[connector.hr.settings.attributes]
id = "text"
kind = "text"
name = "text"
container = "text"
title = "text"
department = "text"
account = "text"
manager = "reference"
members = "multi reference"

[connector.ad]
kind = "active-directory"
[connector.ad.settings]
servers = ["{server}"]
base = "{DOMAIN}"
ca_files = ["{ca}"]
bind_user = 'CORP\svc-metasync'
password = "env:METASYNC_AD_PASSWORD"
include_containers = ["{managed}"]
"#,
        managed = managed(),
        server = controller.address,
        ca = controller.ca_file().display(),
    );
    std::fs::write(deployment.file("metasync.toml"), configuration).expect("written");
    std::fs::write(deployment.file("rules/rules.toml"), rules()).expect("written");
    people.write(&deployment);
    deployment
}

/// No guard stops these: they are about something else.
pub(crate) const NO_GUARDS: &str = "objects = 100000\npercent = 100\nat_least = 100000";

/// The objects below the managed container by DN, each with the attributes that the rules write; references by DN.
pub(crate) fn directory(controller: &DomainController) -> BTreeMap<String, String> {
    let attributes = [
        "objectClass",
        "sAMAccountName",
        "userPrincipalName",
        "displayName",
        "title",
        "department",
        "manager",
        "userAccountControl",
        "groupType",
        "member",
        "proxyAddresses",
    ];
    dump(controller, &managed(), &attributes)
        .into_iter()
        .filter(|(dn, _)| *dn != managed())
        .map(|(dn, values)| {
            let shown: Vec<String> = values
                .into_iter()
                .map(|(name, mut values)| {
                    match name.as_str() {
                        // The most specific class says it all.
                        "objectClass" => values = values.split_off(values.len() - 1),
                        _ => values.sort(),
                    }
                    let values: Vec<String> =
                        values.iter().map(|value| value.replace(&format!(",{}", managed()), "")).collect();
                    format!("{name}={}", values.join("|"))
                })
                .collect();
            (dn.replace(&format!(",{}", managed()), ""), shown.join(" "))
        })
        .collect()
}

/// Lines for comparing with what is wanted.
pub(crate) fn picture(controller: &DomainController) -> String {
    directory(controller).iter().map(|(dn, values)| format!("{dn}: {values}\n")).collect()
}

/// What `dump.py` says of an object's attributes, as texts.
pub(crate) fn dump(
    controller: &DomainController,
    base: &str,
    attributes: &[&str],
) -> BTreeMap<String, BTreeMap<String, Vec<String>>> {
    let folder = controller.folder_text();
    let mut arguments = vec![folder.as_str(), "--base", base];
    arguments.extend(attributes);
    let text = |value: &serde_json::Value| {
        let bytes = base64::engine::general_purpose::STANDARD.decode(value.as_str().expect("base64")).expect("base64");
        String::from_utf8_lossy(&bytes).into_owned()
    };
    script("dump.py", &arguments, None)
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("a JSON line"))
        .map(|object| {
            let attributes = object["attributes"].as_object().expect("attributes").iter();
            let attributes = attributes
                .map(|(name, values)| (name.clone(), values.as_array().expect("values").iter().map(text).collect()));
            (object["dn"].as_str().expect("a DN").to_owned(), attributes.collect())
        })
        .collect()
}

/// Every object's own change number: equal before and after means that nothing was written.
pub(crate) fn change_numbers(controller: &DomainController) -> BTreeMap<String, BTreeMap<String, Vec<String>>> {
    dump(controller, &managed(), &["uSNChanged"])
}

/// Invariant 3: another cycle of either kind writes nothing, and nothing is pending.
#[track_caller]
pub(crate) fn second_plan_is_empty(controller: &DomainController, deployment: &Deployment) {
    let before = change_numbers(controller);
    for kind in ["delta", "initial"] {
        let ran = deployment.run(&["cycle", kind]).expect(&[0]);
        assert_eq!(change_numbers(controller), before, "a second {kind} cycle writes nothing\n{}", ran.out);
        let pending = deployment.json(&["pending", "ad"], &[0]);
        assert_eq!(pending["result"]["pending"].as_array().expect("a list").len(), 0, "{pending:#}");
    }
}

/// The digests that the output asks the operator to approve.
pub(crate) fn digests(ran: &Ran) -> Vec<String> {
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
