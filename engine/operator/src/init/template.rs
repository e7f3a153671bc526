//! The text of a fresh `metasync.toml`: commented, so that an operator can change it without a manual. Holds no secret.

use super::answers::{Answers, CloudAnswers, CloudMode, CsvAnswers, DirectoryAnswers, SourceAnswers};
use crate::cli::{EncryptionMode, MatchingMode};
use std::path::Path;
use sync_rules::ShippedOptions;

/// Names of the connectors that `init` writes; the shipped rules are written for them.
pub(crate) const SOURCE: &str = "ad";
pub(crate) const TARGET: &str = "cloud";

pub(crate) fn configuration(answers: &Answers) -> String {
    let matching = match answers.matching {
        MatchingMode::Review => "review",
        MatchingMode::Automatic => "automatic",
        MatchingMode::Closed => "closed",
    };
    format!(
        "# A metasync deployment. `metasync check` shows every mistake in this folder; `metasync cycle` runs it.

[deployment]
name = {name}
# In staging mode a cycle imports and synchronises, and exports nothing: look at `metasync pending {TARGET}`,
# change scope and rules until it is right, then write false here. Exactly one deployment per tenant may
# have false.
staging = {staging}
# Errors of single objects after which a step stops.
error_limit = 5000
# Days that the history of runs is kept.
history_days = 7

# Existing cloud users are found by the anchor stamp and by their primary SMTP address.
[matching]
# review: candidates are listed, and joined only from a list that you approve (`metasync approve DIGEST`).
# automatic: they are joined as they are found. closed: a new candidate is an error on that object.
mode = \"{matching}\"
# Also by sign-in name, when nobody has the address.
user_principal_name = false
# When a takeover would lose addresses that only the cloud knows: hold it, keep-cloud (both), or ad-wins.
addresses = \"hold\"
# When a taken-over user leaves: detach (block sign-in, revoke sessions, clear the stamp), or delete. In Connect mode the
# shipped rules say `adopted = \"delete\"` themselves: a synchronised object cannot be let go by itself.
on_deprovision_adopted = \"detach\"

# Who leaves scope (moved out of the containers, filtered, a rule changed) stays in the cloud as it is for so many days,
# and is kept if it returns. What is deleted in the source has no such period.
[leaving]
grace_days = 7

# Before the first byte of an export, each kind of change is counted by itself. More than `objects`, or more
# than `percent` of what the target holds (never below `at_least`), whichever is smaller, stops the export
# until you approve exactly that list.
[guards]
objects = 500
percent = 10
at_least = 5

{source}
{cloud}
{passwords}# Accounts that must never leave: members of these groups. The accounts that metasync signs in with are always
# left out.
# [never_sync]
# groups = [{{ connector = \"{SOURCE}\", group = \"CN=Never Sync,OU=Groups,DC=corp,DC=example,DC=com\" }}]
",
        name = quoted(&answers.name),
        staging = answers.staging,
        source = source(&answers.source, &answers.rules, SOURCE),
        cloud = cloud(&answers.cloud),
        passwords = passwords(answers),
    )
}

/// What synchronises passwords once its marks of a comment are gone: an operator has read the guide by then.
fn passwords(answers: &Answers) -> String {
    let reads_hashes = matches!(answers.source, SourceAnswers::ActiveDirectory(_));
    if !reads_hashes || !matches!(answers.cloud.mode, CloudMode::Connect { .. }) {
        return String::new();
    }
    format!(
        "# The password of Active Directory becomes that of the cloud: off until both tables are here. Read the chapter
# \"Passwords\" of the operator guide first: what the account may read, and what is sent where.
# [passwords]
# from = [\"{SOURCE}\"]
# to = [\"{TARGET}\"]
# [connector.{SOURCE}.settings.passwords]
# account = 'CORP\\svc-metasync-passwords'
# password = \"env:METASYNC_AD_PASSWORDS\"

"
    )
}

/// The connector of a source, under this name.
pub(super) fn source(source: &SourceAnswers, options: &ShippedOptions, name: &str) -> String {
    match source {
        SourceAnswers::ActiveDirectory(directory) => active_directory(directory, name) + &object_classes(options),
        SourceAnswers::Ldif { file } => format!(
            "# A file with the content of an Active Directory, as ldifde or ldapsearch write it.
[connector.{name}]
kind = \"text-file\"

[connector.{name}.settings]
format = \"ldif\"
path = {}
schema = \"active-directory\"
",
            quoted_path(file)
        ),
        SourceAnswers::Csv(table) => csv(table, name),
    }
}

fn active_directory(directory: &DirectoryAnswers, name: &str) -> String {
    let encryption = match directory.encryption {
        EncryptionMode::Ldaps => "ldaps",
        EncryptionMode::Starttls => "starttls",
    };
    let optional = |line: Option<String>, otherwise: &str| line.unwrap_or_else(|| otherwise.to_owned());
    let ca = optional(
        directory.ca_file.as_ref().map(|file| format!("ca_files = [{}]", quoted_path(file))),
        "# ca_files = [\"ca.pem\"]",
    );
    let base = optional(
        directory.base.as_ref().map(|base| format!("base = {}", quoted(base))),
        "# base = \"DC=corp,DC=example,DC=com\"",
    );
    let containers = if directory.containers.is_empty() {
        "# include_containers = [\"OU=Staff,DC=corp,DC=example,DC=com\"]".to_owned()
    } else {
        let lines: Vec<String> = directory.containers.iter().map(|dn| format!("    {},\n", quoted(dn))).collect();
        format!("include_containers = [\n{}]", lines.concat())
    };
    format!(
        "# Where people, groups and contacts are mastered.
[connector.{name}]
kind = \"active-directory\"

[connector.{name}.settings]
# Domain controllers in order of preference; one of them serves each step.
servers = [{servers}]
# ldaps or starttls.
encryption = \"{encryption}\"
# Authorities that sign the domain controllers' certificates, as PEM files; without it the system's.
{ca}
# The domain; without this line the one that the domain controller names.
{base}
# With the right Replicating Directory Changes it sees everything; without, what it may read.
bind_user = {user}
# env:NAME, file:PATH (relative to this folder) or credential:NAME (systemd); never itself.
password = {password}
# Containers that are read with everything below; without this line the whole domain. `metasync scope` lists
# and changes them.
{containers}
",
        servers = directory.servers.iter().map(|server| quoted(server)).collect::<Vec<_>>().join(", "),
        user = quoted(&directory.bind_user),
        password = quoted(&directory.password),
    )
}

/// The setting that a package needs, behind the others.
fn object_classes(options: &ShippedOptions) -> String {
    let more: Vec<&str> = options.packages.iter().filter_map(|package| package.source_class()).collect();
    if more.is_empty() {
        return String::new();
    }
    let classes: Vec<String> =
        ["user", "inetOrgPerson", "group", "contact"].iter().chain(&more).map(|class| quoted(class)).collect();
    format!(
        "# What is imported; the packages of rules need more than the usual four.\nobject_classes = [{}]\n",
        classes.join(", ")
    )
}

fn csv(table: &CsvAnswers, name: &str) -> String {
    let types = if table.has_classes {
        "# The column that says of which type an object is.\nobject_type_attribute = \"objectClass\"\n"
    } else {
        "object_type = \"user\"\n"
    };
    let anchor = if table.anchor == "objectGUID" {
        String::new()
    } else {
        format!("# The column that identifies an object all its life.\nanchor = {}\n", quoted(&table.anchor))
    };
    format!(
        "# A table with a title line; columns are named as in Active Directory.
[connector.{name}]
kind = \"text-file\"

[connector.{name}.settings]
format = \"csv\"
path = {path}
schema = \"active-directory\"
{types}{anchor}# Between the values of one field.
multi_value_separator = \";\"
",
        path = quoted_path(&table.file),
    )
}

fn cloud(cloud: &CloudAnswers) -> String {
    let url = |name: &str, value: &Option<String>| {
        value.as_ref().map(|value| format!("{name} = {}\n", quoted(value))).unwrap_or_default()
    };
    let (heading, mode, own) = match &cloud.mode {
        CloudMode::Graph => (
            "# Azure AD (Microsoft Entra ID) over Microsoft Graph. What Graph cannot write (contacts, proxyAddresses,
# distribution and mail-enabled security groups, passwords) is listed as a limitation and never dropped
# silently.",
            "graph",
            String::new(),
        ),
        CloudMode::Connect { machine_id } => (
            "# Azure AD (Microsoft Entra ID) in Connect mode: users, groups and contacts become objects that Active Directory
# masters, through the provisioning service that the official tool uses. It is not a documented interface: what may
# change stands in the table `provisioning` (the operator guide lists it). Everything is read over Microsoft Graph.",
            "connect",
            format!(
                "
[connector.{TARGET}.settings.provisioning]
# By this id this deployment knows its own writes: another tool that synchronises into the tenant stops an export.
machine_id = {}
",
                quoted(machine_id)
            ),
        ),
    };
    format!(
        "{heading}
[connector.{TARGET}]
kind = \"azure-ad\"

[connector.{TARGET}.settings]
mode = \"{mode}\"
tenant = {tenant}
client_id = {client_id}
# env:NAME, file:PATH (relative to this folder) or credential:NAME (systemd); never itself.
client_secret = {client_secret}
{graph}{authority}{own}",
        tenant = quoted(&cloud.tenant),
        client_id = quoted(&cloud.client_id),
        client_secret = quoted(&cloud.client_secret),
        graph = url("graph_url", &cloud.graph_url),
        authority = url("authority_url", &cloud.authority_url),
    )
}

/// A TOML string: a literal one for names with backslashes, such as `CORP\svc`.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn quoted_path(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}

/// What does not belong into version control.
pub(crate) const GITIGNORE: &str =
    "# The store is rebuilt from the connected systems; secrets belong nowhere but where they are used.
metasync.db
metasync.db-*
metasync.db.*
*.secret
/tenant/
/tenant-sync.json
";
