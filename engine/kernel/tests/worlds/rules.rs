//! Rule sets for the random worlds: three sources and two targets, as an operator would write them, in variants.

use std::path::PathBuf;
use sync_rules::{FileText, Files, RuleSet, load};

pub(crate) const CONNECTORS: [&str; 5] = ["ad", "hr", "crm", "dir", "cloud"];

/// What differs between rule sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Variant {
    /// `provision`, `join` or `sticky-join`.
    pub(crate) hr_link: &'static str,
    /// hr's numbers stand before ad's, or behind.
    pub(crate) hr_first: bool,
    /// `update`, `merge` or `merge-case-insensitive`.
    pub(crate) merge: &'static str,
    /// `provision` or `join`.
    pub(crate) cloud_link: &'static str,
    /// With flows whose outcome depends on what was there before: IgnoreThisFlow, once.
    pub(crate) remembers: bool,
}

const METAVERSE: &str = r#"
[metaverse.person]
employeeId = "text"
mail = "text"
displayName = "text"
title = "text"
department = "text"
nickname = "text"
kind = "text"
level = "text"
place = "text"
seen = "text"
addresses = "multi text"
manager = "reference"

[metaverse.group]
employeeId = "text"
displayName = "text"
member = "multi reference"
"#;

/// `[note]` chooses between the four outcomes of a flow.
const TITLE: &str = r#"'Switch([note] = "null", NULL, [note] = "clear", AuthoritativeNull, True, [title])'"#;
const TITLE_THAT_REMEMBERS: &str = r#"'Switch([note] = "null", NULL, [note] = "clear", AuthoritativeNull, [note] = "ignore", IgnoreThisFlow, True, [title])'"#;

const RULES: &str = r#"
[[rule]]
id = "in-ad-user"
name = "In from ad - User"
direction = "inbound"
connector = "ad"
source_type = "user"
target_type = "person"
link = "provision"
precedence = 100
scope = [["kind NOTEQUAL filtered"]]
[[rule.join]]
criterion = "employee"
source = "[employeeId]"
target = "[employeeId]"
[[rule.join]]
criterion = "mail"
source = "[mail]"
target = "[mail]"
[rule.flow]
employeeId = "[employeeId]"
mail = "[mail]"
displayName = 'IIF([displayName] = "broken", Error("a broken name"), [displayName])'
title = @TITLE@
department = "[department]"
kind = "[kind]"
level = "[level]"
place = 'CStr([dn])'
addresses = { direct = "addresses", merge = "@MERGE@" }
manager = "[manager]"

[[rule]]
id = "in-ad-level"
name = "In from ad - Level"
direction = "inbound"
connector = "ad"
source_type = "user"
target_type = "person"
precedence = 90
scope = [["level EQUAL vip", "kind NOTEQUAL filtered"], ["level EQUAL gold"]]
[rule.flow]
title = 'IIF([level] = "gold", "VIP", NULL)'
department = 'IIF([department] = "secret", AuthoritativeNull, NULL)'

[[rule]]
id = "in-ad-contact"
name = "In from ad - Contact"
direction = "inbound"
connector = "ad"
source_type = "contact"
target_type = "person"
link = "provision"
precedence = 101
[[rule.join]]
criterion = "mail"
source = "[mail]"
target = "[mail]"
[rule.flow]
employeeId = "[employeeId]"
mail = "[mail]"
displayName = "[displayName]"

[[rule]]
id = "in-ad-group"
name = "In from ad - Group"
direction = "inbound"
connector = "ad"
source_type = "group"
target_type = "group"
link = "provision"
precedence = 102
[[rule.join]]
criterion = "employee"
source = "[employeeId]"
target = "[employeeId]"
[rule.flow]
employeeId = "[employeeId]"
displayName = "[displayName]"
member = "[member]"

[[rule]]
id = "in-hr-user"
name = "In from hr - User"
direction = "inbound"
connector = "hr"
source_type = "user"
target_type = "person"
link = "@HR_LINK@"
precedence = @HR@
scope = [["kind NOTEQUAL left"]]
[[rule.join]]
clauses = [{ source = "[employeeId]", target = "[employeeId]" }]
criterion = "employee"
[rule.flow]
employeeId = "[employeeId]"
mail = "[mail]"
displayName = "[displayName]"
title = @TITLE@
department = { expression = 'IIF(IsPresent([department]), UCase([department]), NULL)' }
addresses = { direct = "addresses", merge = "@MERGE@" }
manager = "[manager]"
@NICKNAME@

[[rule]]
id = "in-crm-user"
name = "In from crm - User"
direction = "inbound"
connector = "crm"
source_type = "user"
target_type = "person"
precedence = 160
[[rule.join]]
criterion = "two"
clauses = [{ source = "[mail]", target = "[mail]" }, { source = "[employeeId]", target = "[employeeId]" }]
[[rule.join]]
criterion = "mail"
source = "[mail]"
target = "[mail]"
[rule.flow]
department = "[department]"
level = "[level]"
title = { constant = "Somebody" }
addresses = { direct = "addresses", merge = "@MERGE@" }

[[rule]]
id = "in-dir-seen"
name = "In from dir - What it holds"
direction = "inbound"
connector = "dir"
source_type = "user"
target_type = "person"
precedence = 170
[rule.flow]
seen = "[displayName]"

[[rule]]
id = "out-dir-user"
name = "Out to dir - User"
direction = "outbound"
connector = "dir"
source_type = "person"
target_type = "user"
link = "provision"
precedence = 200
scope = [["employeeId ISNOTNULL", "kind NOTEQUAL local"]]
[[rule.join]]
criterion = "anchor"
source = "[employeeId]"
target = "[stamp]"
[[rule.join]]
criterion = "primary-smtp"
source = "[mail]"
target = "[mail]"
[rule.takeover]
stamp = "stamp"
refuse_privileged = true
[rule.deprovision]
provisioned = "delete"
adopted = "detach"
[rule.flow]
dn = 'EscapeDNComponent("CN=" & [displayName]) & ",OU=People,DC=x"'
stamp = "[employeeId]"
displayName = "[displayName]"
mail = "[mail]"
title = "[title]"
department = "[department]"
addresses = "[addresses]"
manager = "[manager]"
@OUT_NICKNAME@

[[rule]]
id = "out-dir-group"
name = "Out to dir - Group"
direction = "outbound"
connector = "dir"
source_type = "group"
target_type = "group"
link = "provision"
precedence = 201
[[rule.join]]
criterion = "own-key"
source = "[employeeId]"
target = "[stamp]"
[rule.deprovision]
provisioned = "delete"
[rule.flow]
stamp = "[employeeId]"
displayName = "[displayName]"
member = "[member]"

[[rule]]
id = "out-cloud-user"
name = "Out to cloud - User"
direction = "outbound"
connector = "cloud"
source_type = "person"
target_type = "user"
link = "@CLOUD_LINK@"
precedence = 210
scope = [["level ISIN vip;gold"], ["department EQUAL SALES"]]
[[rule.join]]
criterion = "anchor"
source = "[employeeId]"
target = "[stamp]"
[rule.takeover]
stamp = "stamp"
[rule.deprovision]
provisioned = "delete"
adopted = "disconnect"
[rule.flow]
stamp = "[employeeId]"
displayName = 'UCase([displayName])'
title = @OUT_TITLE@

[[rule]]
id = "out-cloud-level"
name = "Out to cloud - Level"
direction = "outbound"
connector = "cloud"
source_type = "person"
target_type = "user"
precedence = 205
scope = [["level EQUAL vip"]]
[rule.flow]
title = { constant = "Very important" }
"#;

/// The checked rules of a variant.
pub(crate) fn rules(variant: &Variant) -> RuleSet {
    let nickname = |line: &'static str| if variant.remembers { line } else { "" };
    let text = RULES
        .replace("@TITLE@", if variant.remembers { TITLE_THAT_REMEMBERS } else { TITLE })
        .replace(
            "@OUT_TITLE@",
            match variant.remembers {
                true => r#"'IIF([title] = "Baker", IgnoreThisFlow, [title])'"#,
                false => r#"'IIF([title] = "Baker", NULL, [title])'"#,
            },
        )
        .replace("@MERGE@", variant.merge)
        .replace("@HR_LINK@", variant.hr_link)
        .replace("@HR@", if variant.hr_first { "50" } else { "150" })
        .replace("@CLOUD_LINK@", variant.cloud_link)
        .replace("@NICKNAME@", nickname("nickname = { expression = '[displayName]', once = true }"))
        .replace("@OUT_NICKNAME@", nickname("nickname = { expression = '[nickname]', once = true }"));
    let connectors: String =
        CONNECTORS.iter().map(|name| format!("[connector.{name}]\nkind = \"text-file\"\n")).collect();
    let files = Files {
        configuration: FileText::text(
            "metasync.toml",
            format!(
                "[deployment]\nname = \"worlds\"\n[leaving]\ngrace_days = 0\n[matching]\nmode = \"automatic\"\n{connectors}"
            ),
        ),
        rules: vec![FileText::text("rules/worlds.toml", format!("{METAVERSE}{text}"))],
    };
    let loaded = load(&files, PathBuf::from("."));
    assert!(!loaded.has_errors(), "{:#?}", loaded.diagnostics);
    loaded.rules.unwrap_or_else(|| panic!("no rules"))
}
