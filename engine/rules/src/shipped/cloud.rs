//! The rules for the cloud's side, in the words of its mode: the same where the modes agree, others where one of them can do
//! more. Fills texts in and decides nothing.

use super::{CloudSchema, ShippedOptions};

const CLOUD_IN: &str = include_str!("cloud-in.toml");
const USER: &str = include_str!("cloud-user.toml");
const GROUP: &str = include_str!("cloud-group.toml");
const GROUP_CONNECT: &str = include_str!("cloud-group-connect.toml");
const CONTACT: &str = include_str!("cloud-contact.toml");
const CONTACT_CONNECT: &str = include_str!("cloud-contact-connect.toml");

/// How the rules for users say what differs by mode.
struct UserTexts {
    elsewhere: &'static str,
    deprovision: &'static str,
    synchronised: &'static str,
    addresses: &'static str,
    passwords: &'static str,
}

const OVER_GRAPH: UserTexts = UserTexts {
    elsewhere: r#"[[rule.takeover.never]]
code = "synchronised-elsewhere"
when = "[onPremisesSyncEnabled] = True"
remedy = "another synchronisation tool owns this account: take it out of that tool's scope first"
"#,
    deprovision: r#"# A user that this engine created is deleted with its person. A user that existed before is blocked and let go
# (`on_deprovision_adopted` under [matching]).
[rule.deprovision]
provisioned = "delete"
"#,
    synchronised: "",
    addresses: r#"# Read-only in Graph mode: kept, so that a difference is listed as a limitation and not lost.
proxyAddresses = "[proxyAddresses]"
"#,
    passwords: "",
};

const SYNCHRONISED: UserTexts = UserTexts {
    elsewhere: r#"[[rule.takeover.never]]
code = "synchronised-elsewhere"
when = "[onPremisesSyncEnabled] = True && IsPresent([onPremisesImmutableId]) = False"
remedy = "it is synchronised, and under which anchor is not known: run a full import"

[[rule.takeover.never]]
code = "cloud-mastered"
when = "[blockOnPremisesSync] = True"
remedy = "its source of authority was moved to the cloud: move it back, or take the person out of scope"
"#,
    deprovision: r#"# A user that is synchronised is deleted with its person, also one that existed before: it lies in the recycle bin for 30
# days and comes back with its account.
[rule.deprovision]
provisioned = "delete"
adopted = "delete"
"#,
    synchronised: r#"# What makes it a synchronised user, and again one should it have become a cloud user.
onPremisesSyncEnabled = true
onPremisesSamAccountName = "[accountName]"
onPremisesDomainName = "[domainFQDN]"
onPremisesSecurityIdentifier = "[objectSidString]"
# Where people sign in with another attribute; otherwise the service takes the sign-in name.
onPremisesUserPrincipalName = 'IIF(IsPresent([onPremisesUserPrincipalName]), [onPremisesUserPrincipalName], IgnoreThisFlow)'
"#,
    addresses: r#"# Without addresses, the one that the service would make of `mail`.
proxyAddresses = '''
IIF(Count([proxyAddresses]) > 0, [proxyAddresses], IIF(IsPresent([mail]), "SMTP:" & [mail], NULL))'''
"#,
    passwords: "# Passwords follow where metasync.toml switches that on: [passwords].\npassword_sync = true\n",
};

/// The files of one cloud connector.
pub(super) fn rules(cloud: &str, options: &ShippedOptions) -> Vec<(String, String)> {
    let (user, group, contact) = match options.cloud {
        CloudSchema::Graph => (OVER_GRAPH, GROUP, CONTACT),
        CloudSchema::Connect | CloudSchema::Provisioning => (SYNCHRONISED, GROUP_CONNECT, CONTACT_CONNECT),
    };
    let limit = options.member_limit.to_string();
    let fill = |template: &str| template.replace("@CLOUD@", cloud).replace("@MEMBER_LIMIT@", &limit);
    let users = USER
        .replace("@ELSEWHERE@\n", user.elsewhere)
        .replace("@DEPROVISION@\n", user.deprovision)
        .replace("@SYNCHRONISED@", user.synchronised)
        .replace("@ADDRESSES@\n", user.addresses)
        .replace("@PASSWORD_SYNC@", user.passwords);
    vec![
        (format!("rules/30-{cloud}-in.toml"), fill(CLOUD_IN)),
        (format!("rules/31-{cloud}-users.toml"), fill(&users)),
        (format!("rules/32-{cloud}-groups.toml"), fill(group)),
        (format!("rules/33-{cloud}-contacts.toml"), fill(contact)),
    ]
}
