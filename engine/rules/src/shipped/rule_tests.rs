//! The tests that come with the shipped rules, in the form of the operator's own: what the rules promise, as examples that
//! `metasync test` carries out. They are written for what the options choose, so that all of them hold.

use super::{CloudSchema, Package, ShippedOptions, SourceAnchor, distinct};

const ACCOUNTS: &str = include_str!("rule-tests/accounts.toml");
const NO_SIGN_IN_NAME: &str = include_str!("rule-tests/no-sign-in-name.toml");
const CHANGED_ANCHOR: &str = include_str!("rule-tests/changed-anchor.toml");
const GROUPS: &str = include_str!("rule-tests/groups.toml");
const GROUPS_CONNECT: &str = include_str!("rule-tests/groups-connect.toml");
const CONTACTS: &str = include_str!("rule-tests/contacts.toml");
const CONTACTS_CONNECT: &str = include_str!("rule-tests/contacts-connect.toml");
const WRITE_BACK: &str = include_str!("rule-tests/source-anchor-write-back.toml");
const ACCOUNT_EXPIRES: &str = include_str!("rule-tests/account-expires.toml");
const TWO_FORESTS: &str = include_str!("rule-tests/two-forests.toml");
const EXCHANGE_HYBRID: &str = include_str!("rule-tests/exchange-hybrid.toml");
const DEVICES: &str = include_str!("rule-tests/devices.toml");
const FOREIGN_PRINCIPALS: &str = include_str!("rule-tests/foreign-principals.toml");

/// Test files for the rules that [`super::shipped_rules`] gives for the same pairs and options: name and text.
pub fn shipped_tests(pairs: &[(&str, &str)], options: &ShippedOptions) -> Vec<(String, String)> {
    let sources = distinct(pairs.iter().map(|(source, _)| *source));
    let Some((_, cloud)) = pairs.first() else {
        return Vec::new();
    };
    // Most examples sign in by userPrincipalName, and reach the cloud in the first step.
    let is_direct =
        options.login_attribute.is_none() && options.source_anchor != SourceAnchor::ConsistencyGuidWriteBack;
    // Addresses are read-only over Graph, where a difference is listed.
    let (held_addresses, groups, contacts) = match options.cloud {
        CloudSchema::Graph => (r#"held = ["limitation-read-only"]            # proxyAddresses"#, GROUPS, CONTACTS),
        CloudSchema::Connect | CloudSchema::Provisioning => ("held = []", GROUPS_CONNECT, CONTACTS_CONNECT),
    };
    let mut files = Vec::new();
    for source in &sources {
        let mut add = |number: u32, name: &str, text: &str| {
            let text = text.replace("@SOURCE@", source).replace("@CLOUD@", cloud);
            files.push((format!("tests/{number}-{source}-{name}.toml"), text));
        };
        if is_direct {
            let mut accounts = ACCOUNTS.replace("@HELD_ADDRESSES@", held_addresses);
            if !options.sign_in_name_fallback {
                accounts.push_str(NO_SIGN_IN_NAME);
            }
            if options.source_anchor == SourceAnchor::ConsistencyGuid {
                accounts.push_str(CHANGED_ANCHOR);
            }
            add(10, "accounts", &accounts);
            add(12, "groups", groups);
        }
        add(13, "contacts", contacts);
        if options.source_anchor == SourceAnchor::ConsistencyGuidWriteBack && options.login_attribute.is_none() {
            add(14, "source-anchor", WRITE_BACK);
        }
        if options.packages.contains(&Package::ExchangeHybrid) {
            add(40, "exchange-hybrid", EXCHANGE_HYBRID);
        }
        if is_direct && options.packages.contains(&Package::AccountExpires) {
            add(41, "account-expires", ACCOUNT_EXPIRES);
        }
        // A target that takes devices is given them.
        if options.packages.contains(&Package::Devices) && options.cloud != CloudSchema::Provisioning {
            add(43, "devices", DEVICES);
        }
    }
    if let ([source, other, ..], true) = (sources.as_slice(), is_direct) {
        let fill = |text: &str| text.replace("@SOURCE@", source).replace("@OTHER@", other).replace("@CLOUD@", cloud);
        files.push(("tests/20-two-forests.toml".to_owned(), fill(TWO_FORESTS)));
        if options.packages.contains(&Package::ForeignPrincipals) {
            files.push(("tests/42-foreign-principals.toml".to_owned(), fill(FOREIGN_PRINCIPALS)));
        }
    }
    files
}
