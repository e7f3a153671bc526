//! The rules that the product brings: for Active Directory (or a file with its schema) and Azure AD in either mode.
//! Fills in connector names and numbers; `init` writes the texts out, and from then on they belong to the operator.

mod another;
#[cfg(test)]
mod choice_tests;
mod cloud;
mod packages;
mod rule_tests;
#[cfg(test)]
mod tests;

pub use another::shipped_rules_for_another;
pub use packages::Package;
pub use rule_tests::shipped_tests;

use crate::document::fingerprint;
use std::collections::{BTreeMap, BTreeSet};
use toml::de::{DeTable, DeValue};

const METAVERSE: &str = include_str!("metaverse.toml");
const SOURCE_PERSON: &str = include_str!("source-person.toml");
const SOURCE_GROUP: &str = include_str!("source-group.toml");
const SOURCE_CONTACT: &str = include_str!("source-contact.toml");
const SOURCE_ANCHOR_WRITE_BACK: &str = include_str!("source-anchor-write-back.toml");
const SOURCE_PERSON_GAL: &str = include_str!("source-person-gal.toml");

/// What may differ between deployments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShippedOptions {
    /// Members of a group that the service takes at most (F5).
    pub member_limit: u64,
    pub source_anchor: SourceAnchor,
    /// The attribute that people sign in to the cloud with, where it is not `userPrincipalName` (D42), such as `mail`.
    pub login_attribute: Option<String>,
    /// An account without a sign-in name is given `sAMAccountName@domain` (D11) instead of being listed.
    pub sign_in_name_fallback: bool,
    /// Rules beyond those that every deployment has.
    pub packages: BTreeSet<Package>,
    pub cloud: CloudSchema,
}

impl Default for ShippedOptions {
    fn default() -> Self {
        ShippedOptions {
            member_limit: 250_000,
            source_anchor: SourceAnchor::ConsistencyGuid,
            login_attribute: None,
            sign_in_name_fallback: false,
            packages: BTreeSet::new(),
            cloud: CloudSchema::Graph,
        }
    }
}

/// What the mode of the cloud connector can hold; what it cannot hold, no package writes rules for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloudSchema {
    /// Microsoft Graph: no attribute of Exchange, no devices.
    Graph,
    /// Connect mode: synchronised users, contacts and groups of every kind, and no attribute of Exchange, no devices.
    Connect,
    /// The provisioning service of synchronised objects, with the attributes of D37-D40 and devices.
    Provisioning,
}

/// What identifies an account in the cloud for all its life (D9, D10). Contacts and groups always have `objectGUID`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceAnchor {
    ObjectGuid,
    /// `mS-DS-ConsistencyGuid` where somebody has set it, otherwise `objectGUID`.
    ConsistencyGuid,
    /// The same, and an account without it is given its `objectGUID` there, before it is exported to the cloud.
    ConsistencyGuidWriteBack,
}

/// How the templates say an anchor.
struct AnchorTexts {
    meaning: &'static str,
    /// Finds the person on the way in.
    key: &'static str,
    /// What the cloud gets.
    text: &'static str,
    /// What it should be.
    binary: &'static str,
}

impl SourceAnchor {
    fn texts(self) -> AnchorTexts {
        match self {
            SourceAnchor::ObjectGuid => AnchorTexts {
                meaning: "objectGUID, which an account keeps while it stays in its forest",
                key: "[objectGUID]",
                text: "ConvertToBase64([objectGUID])",
                binary: "[objectGUID]",
            },
            SourceAnchor::ConsistencyGuid => AnchorTexts {
                meaning: "mS-DS-ConsistencyGuid where somebody has set it, otherwise objectGUID",
                key: "IIF(IsPresent([mS-DS-ConsistencyGuid]), [mS-DS-ConsistencyGuid], [objectGUID])",
                text: "ConvertToBase64(IIF(IsPresent([mS-DS-ConsistencyGuid]), [mS-DS-ConsistencyGuid], [objectGUID]))",
                binary: "IIF(IsPresent([mS-DS-ConsistencyGuid]), [mS-DS-ConsistencyGuid], [objectGUID])",
            },
            // Only what an import confirmed counts for the cloud; an anchor that is cleared in the directory stays what
            // it was until it is written again, so that clearing it deletes nobody.
            SourceAnchor::ConsistencyGuidWriteBack => AnchorTexts {
                meaning: "mS-DS-ConsistencyGuid, into which an account without it is given its objectGUID",
                key: "IIF(IsPresent([mS-DS-ConsistencyGuid]), [mS-DS-ConsistencyGuid], [objectGUID])",
                text: "IIF(IsPresent(ImportedValue(\"mS-DS-ConsistencyGuid\")),\n        \
                    ConvertToBase64(ImportedValue(\"mS-DS-ConsistencyGuid\")), IgnoreThisFlow)",
                binary: "IIF(IsPresent(ImportedValue(\"mS-DS-ConsistencyGuid\")),\n        \
                    ImportedValue(\"mS-DS-ConsistencyGuid\"), [objectGUID])",
            },
        }
    }
}

/// `corp.example.com` of `CN=Ann,OU=Staff,DC=corp,DC=example,DC=com`.
const DOMAIN: &str = r#"With($dn, LCase(CStr([dn])), IIF(InStr($dn, ",dc=") > 0, Replace(Mid($dn, InStr($dn, ",dc=") + 4), ",dc=", "."), NULL))"#;
const PASSWORD_TIME: &str =
    r#"'IIF(IsPresent([pwdLastSet]), FormatDateTime(DateFromNum([pwdLastSet]), "yyyyMMddHHmmss.0Z"), NULL)'"#;

/// The flows to the sign-in name, with the comment that says which attribute it is.
fn sign_in_name(options: &ShippedOptions) -> String {
    let attribute = options.login_attribute.as_deref().unwrap_or("userPrincipalName");
    let mut text = String::new();
    let value = if options.sign_in_name_fallback {
        text.push_str("# An account without a sign-in name is given its account name in its domain.\n");
        format!(
            "userPrincipalName = '''\nSwitch(\n    IsPresent([{attribute}]), Trim([{attribute}]),\n    \
             IsPresent([sAMAccountName]) && InStr(LCase(CStr([dn])), \",dc=\") > 0,\n        \
             Trim([sAMAccountName]) & \"@\" & {DOMAIN})'''\n"
        )
    } else {
        text.push_str("# An account without a sign-in name is listed as `no-sign-in-name` and not invented one.\n");
        format!("userPrincipalName = \"Trim([{attribute}])\"\n")
    };
    text.push_str(&value);
    if options.login_attribute.is_some() {
        text.push_str("# People sign in to the cloud with another attribute than in the directory.\n");
        text.push_str("onPremisesUserPrincipalName = \"Trim([userPrincipalName])\"\n");
    }
    text
}

/// The shipped rule files for these pairs of (source connector, cloud connector): name in the deployment folder, and
/// text. Precedence numbers start at 100 and, with one pair, are those of the rule set they come from (D1-D31). With
/// more connectors the rules of one kind stand together, by connector in the order given (S60).
pub fn shipped_rules(pairs: &[(&str, &str)], options: &ShippedOptions) -> Vec<(String, String)> {
    let sources = distinct(pairs.iter().map(|(source, _)| *source));
    let clouds = distinct(pairs.iter().map(|(_, cloud)| *cloud));
    let mut files = vec![("rules/10-metaverse.toml".to_owned(), METAVERSE.to_owned())];
    for source in &sources {
        files.extend(source_rules(source, options));
    }
    for cloud in &clouds {
        files.extend(cloud::rules(cloud, options));
    }
    files.extend(packages::rules(&sources, &clouds, options));
    if sources.len() > 1 || clouds.len() > 1 {
        renumber(&mut files);
    }
    files.into_iter().map(|(name, text)| (name, tagged(&text))).collect()
}

/// The fingerprint of a rule as it is written: a shipped rule carries it as its `tag` (S65).
pub fn fingerprint_of(rule: &DeTable<'_>) -> String {
    fingerprint(rule)
}

/// The text with the fingerprint of each rule behind its number (S65).
fn tagged(text: &str) -> String {
    // What a template that is no TOML comes to is told where the rules are loaded.
    let (root, _) = DeTable::parse_recoverable(text);
    let rules = match root.get_ref().get("rule").map(toml::Spanned::get_ref) {
        Some(DeValue::Array(rules)) => rules.iter(),
        _ => [].iter(),
    };
    let mut tags = rules.filter_map(|rule| match rule.get_ref() {
        DeValue::Table(rule) => Some(fingerprint(rule)),
        _ => None,
    });
    let mut tagged = String::with_capacity(text.len() + 1024);
    for line in text.split_inclusive('\n') {
        tagged.push_str(line);
        let is_place = precedence_of(line).is_some() || line.starts_with("before = ") || line.starts_with("after = ");
        if let Some(tag) = is_place.then(|| tags.next()).flatten() {
            tagged.push_str(&format!(
                "tag = \"{tag}\"  # of the rule as it was shipped; delete it to make the rule yours\n"
            ));
        }
    }
    tagged
}

/// The rules of one source, with the numbers of a single one.
fn source_rules(source: &str, options: &ShippedOptions) -> Vec<(String, String)> {
    let anchor = options.source_anchor.texts();
    let fill = |template: &str| template.replace("@SOURCE@", source);
    let person = |class: &str, title: &str| {
        for_class(&fill(SOURCE_PERSON), class, title)
            .replace("@GAL@", SOURCE_PERSON_GAL)
            .replace("@ANCHOR_IS@", anchor.meaning)
            .replace("@ANCHOR_KEY@", anchor.key)
            .replace("@ANCHOR_TEXT@", anchor.text)
            .replace("@ANCHOR_BINARY@", anchor.binary)
            .replace("@SIGN_IN_NAME@", &sign_in_name(options))
            .replace("@DOMAIN@", DOMAIN)
            .replace("@PASSWORD_TIME@", PASSWORD_TIME)
            .replace("@PASSWORD_SYNC@", password_sync(class, options))
    };
    // The twin of each rule for inetOrgPerson has the next number.
    let twin = shifted(&person("inetOrgPerson", "InetOrgPerson"), |number| number + 1);
    let mut files = vec![
        (format!("rules/20-{source}-users.toml"), person("user", "User")),
        (format!("rules/21-{source}-inetorgpersons.toml"), twin),
        (format!("rules/22-{source}-groups.toml"), fill(SOURCE_GROUP)),
        (format!("rules/23-{source}-contacts.toml"), fill(SOURCE_CONTACT)),
    ];
    if options.source_anchor == SourceAnchor::ConsistencyGuidWriteBack {
        files.push((format!("rules/24-{source}-source-anchor.toml"), fill(SOURCE_ANCHOR_WRITE_BACK)));
    }
    files
}

/// The passwords of enabled accounts (P12, P13); those of inetOrgPersons are never synchronised (P11), and over Graph none are.
fn password_sync(class: &str, options: &ShippedOptions) -> &'static str {
    match (class, options.cloud) {
        ("user", CloudSchema::Connect | CloudSchema::Provisioning) => {
            "# Passwords follow where metasync.toml switches that on: [passwords].\npassword_sync = true\n"
        }
        _ => "",
    }
}

/// The template for one class of accounts.
fn for_class(template: &str, class: &str, title: &str) -> String {
    template.replace("@CLASS@", class).replace("@TITLE@", title).replace("@ID@", &class.to_ascii_lowercase())
}

fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut distinct = Vec::new();
    for name in names {
        if !distinct.contains(&name) {
            distinct.push(name);
        }
    }
    distinct
}

/// The number of a line `precedence = 123`.
fn precedence_of(line: &str) -> Option<u32> {
    line.strip_prefix("precedence = ")?.trim().parse().ok()
}

fn shifted(text: &str, mut change: impl FnMut(u32) -> u32) -> String {
    text.split_inclusive('\n')
        .map(|line| match precedence_of(line) {
            Some(number) => format!("precedence = {}\n", change(number)),
            None => line.to_owned(),
        })
        .collect()
}

/// Gives each rule a number of its own, in order of its template's number and then of its file.
fn renumber(files: &mut [(String, String)]) {
    let mut uses: BTreeMap<u32, u32> = BTreeMap::new();
    for (_, text) in files.iter() {
        text.lines().filter_map(precedence_of).for_each(|number| *uses.entry(number).or_default() += 1);
    }
    let mut next = 100;
    let mut first_of: BTreeMap<u32, u32> = BTreeMap::new();
    for (number, count) in uses {
        first_of.insert(number, next);
        next += count;
    }
    for (_, text) in files {
        *text = shifted(text, |number| {
            let slot = first_of.entry(number).or_insert(number);
            *slot += 1;
            *slot - 1
        });
    }
}
