//! What the directory should hold instead, as files that an operator reads and runs there: PowerShell and LDIF. Quotes what
//! comes from the inventories, so that no name can become a command. Runs nothing.

use super::judge::{Assessment, Fix, Line};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeSet;

/// For a PowerShell with the module ActiveDirectory. Each line shows with -WhatIf what it would do.
pub(crate) fn powershell(assessment: &Assessment) -> String {
    let mut text = String::from(
        "# Changes in Active Directory that metasync assess proposes. Read them, delete what is not meant, then run the file.\n\
         # With $WhatIfPreference = $true in front it shows what it would do.\n#Requires -Modules ActiveDirectory\n\n",
    );
    let suffixes: BTreeSet<&str> = fixes(assessment)
        .filter_map(|(_, fix)| match fix {
            Fix::SignInName { to, .. } => to.rsplit_once('@').map(|(_, suffix)| suffix),
            _ => None,
        })
        .collect();
    if !suffixes.is_empty() {
        text.push_str("# The suffixes that sign-in names get; a suffix that is there already stays as it is.\n");
        for suffix in suffixes {
            text.push_str(&format!("Get-ADForest | Set-ADForest -UPNSuffixes @{{Add={}}}\n", literal(suffix)));
        }
        text.push('\n');
    }
    for (line, fix) in fixes(assessment) {
        let identity = literal(identity(line));
        text.push_str(&match fix {
            Fix::SignInName { from, to } => {
                format!(
                    "# {}: {}\nSet-ADUser -Identity {identity} -UserPrincipalName {}\n",
                    comment(&line.name),
                    comment(from),
                    literal(to)
                )
            }
            Fix::Mail { to } => {
                format!("# {}\nSet-ADUser -Identity {identity} -EmailAddress {}\n", comment(&line.name), literal(to))
            }
            Fix::AddAddresses { add } => {
                let list = add.iter().map(|address| literal(address)).collect::<Vec<_>>().join(",");
                format!("# {}\nSet-ADUser -Identity {identity} -Add @{{proxyAddresses={list}}}\n", comment(&line.name))
            }
        });
    }
    text
}

/// For ldifde or ldapmodify. People whose DN the inventory does not have are left out, and counted in a comment.
pub(crate) fn ldif(assessment: &Assessment) -> String {
    let mut text = String::from("# Changes in Active Directory that metasync assess proposes.\n");
    let without = fixes(assessment).filter(|(line, _)| line.dn.is_empty()).count();
    if without > 0 {
        text.push_str(&format!(
            "# {without} changes are not in it: the directory's file has no DistinguishedName of the people.\n"
        ));
    }
    for (line, fix) in fixes(assessment).filter(|(line, _)| !line.dn.is_empty()) {
        let (how, attribute, values) = match fix {
            Fix::SignInName { to, .. } => ("replace", "userPrincipalName", std::slice::from_ref(to)),
            Fix::Mail { to } => ("replace", "mail", std::slice::from_ref(to)),
            Fix::AddAddresses { add } => ("add", "proxyAddresses", add.as_slice()),
        };
        text.push_str(&format!("\n{}\nchangetype: modify\n{how}: {attribute}\n", said("dn", &line.dn)));
        values.iter().for_each(|value| text.push_str(&format!("{}\n", said(attribute, value))));
        text.push_str("-\n");
    }
    text
}

fn fixes(assessment: &Assessment) -> impl Iterator<Item = (&Line, &Fix)> {
    assessment.lines.iter().flat_map(|line| line.fixes.iter().map(move |fix| (line, fix)))
}

/// By what a cmdlet finds the account.
fn identity(line: &Line) -> &str {
    if line.account.is_empty() { &line.dn } else { &line.account }
}

/// A text in single quotes, in which nothing has a meaning but the quote itself; PowerShell takes typographic ones for it too.
fn literal(text: &str) -> String {
    let mut quoted = String::from("'");
    for c in text.chars().filter(|c| !c.is_control()) {
        if matches!(c, '\'' | '\u{2018}' | '\u{2019}' | '\u{201a}' | '\u{201b}') {
            quoted.push(c);
        }
        quoted.push(c);
    }
    quoted.push('\'');
    quoted
}

/// A comment ends with its line.
fn comment(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}')).collect()
}

/// A line of LDIF (RFC 2849): base64 for what is no plain text.
fn said(attribute: &str, value: &str) -> String {
    let plain = value.bytes().all(|byte| (0x20..0x7f).contains(&byte))
        && !value.starts_with([' ', ':', '<'])
        && !value.ends_with(' ');
    if plain { format!("{attribute}: {value}") } else { format!("{attribute}:: {}", STANDARD.encode(value)) }
}
