//! What is wrong with a name by itself: characters, lengths (A.3) and suffixes. Looks at one value at a time.

use std::collections::BTreeSet;

/// UTF-16 units, as the service counts (SF27).
fn length(text: &str) -> usize {
    text.encode_utf16().count()
}

/// Longest sign-in name, and of it what stands before the `@`.
const SIGN_IN_NAME: usize = 113;
const LOCAL_PART: usize = 64;
const DISPLAY_NAME: usize = 256;
const ALIAS: usize = 64;
const ALIAS_FORBIDDEN: &str = "@()\\[]\";:<>, ";

/// Top-level names that no public registry gives out, and by which networks at home and at work are called.
const NEVER_PUBLIC: [&str; 14] = [
    "local",
    "lan",
    "localdomain",
    "internal",
    "intranet",
    "corp",
    "home",
    "private",
    "domain",
    "ad",
    "test",
    "invalid",
    "localhost",
    "arpa",
];

/// `corp.local` of `ann@corp.local`, lower case.
pub(super) fn suffix(name: &str) -> Option<String> {
    name.rsplit_once('@').map(|(_, suffix)| suffix.to_lowercase()).filter(|suffix| !suffix.is_empty())
}

pub(super) fn is_routable(suffix: &str) -> bool {
    match suffix.rsplit_once('.') {
        Some((before, last)) => !before.is_empty() && !NEVER_PUBLIC.contains(&last),
        None => false,
    }
}

/// Characters that the service does not take, each told once with what it stands in.
pub(super) fn invalid_characters(sign_in_name: &str, mail: &str, alias: &str) -> Option<String> {
    let taken = |c: char| c.is_ascii_alphanumeric() || "'.-_!#^~".contains(c);
    let mut told: Vec<String> = Vec::new();
    if let Some((local, domain)) = sign_in_name.rsplit_once('@') {
        let of_domain = domain.chars().filter(|c| !c.is_ascii_alphanumeric() && !"-.".contains(*c));
        let bad = local.chars().filter(|c| !taken(*c)).chain(of_domain);
        told.extend(named("sign-in name", sign_in_name, bad.collect()));
    } else if !sign_in_name.is_empty() {
        told.push(format!("sign-in name {sign_in_name}: there is no @ in it"));
    }
    if !mail.is_empty() {
        let forbidden = |c: &char| c.is_whitespace() || c.is_control() || !c.is_ascii() || "\"(),:;<>[]\\".contains(*c);
        told.extend(named("mail", mail, mail.chars().filter(forbidden).collect()));
        if mail.matches('@').count() != 1 {
            told.push(format!("mail {mail}: it is no address"));
        }
    }
    let forbidden = |c: &char| !c.is_ascii() || ALIAS_FORBIDDEN.contains(*c);
    told.extend(named("alias", alias, alias.chars().filter(forbidden).collect()));
    (!told.is_empty()).then(|| told.join("; "))
}

/// `sign-in name ann m@x: a space`.
fn named(what: &str, value: &str, bad: BTreeSet<char>) -> Option<String> {
    let named = |c: char| if c == ' ' { "a space".to_owned() } else { format!("`{c}`") };
    let all: Vec<String> = bad.into_iter().map(named).collect();
    (!all.is_empty()).then(|| format!("{what} {value}: {}", all.join(", ")))
}

/// Values that are longer than the service takes.
pub(super) fn too_long(sign_in_name: &str, display_name: &str, alias: &str) -> Option<String> {
    let local = sign_in_name.rsplit_once('@').map_or(sign_in_name, |(local, _)| local);
    let told: Vec<String> = [
        ("sign-in name", length(sign_in_name), SIGN_IN_NAME),
        ("sign-in name before the @", length(local), LOCAL_PART),
        ("display name", length(display_name), DISPLAY_NAME),
        ("alias", length(alias), ALIAS),
    ]
    .into_iter()
    .filter(|(_, length, most)| length > most)
    .map(|(what, length, most)| format!("{what}: {length} characters, at most {most}"))
    .collect();
    (!told.is_empty()).then(|| told.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_that_can_never_be_verified() {
        for (name, expected) in [
            ("ann@corp.local", false),
            ("ann@corp", false),
            ("ann@AD.LAN", false),
            ("ann@contoso.com", true),
            ("ann@sub.contoso.co.uk", true),
            ("ann@.com", false),
        ] {
            assert_eq!(is_routable(&suffix(name).unwrap()), expected, "{name}");
        }
        assert_eq!(suffix("ann"), None);
    }

    /// A.3: characters and lengths, counted in UTF-16 units.
    #[test]
    fn names_that_the_service_does_not_take() {
        let bad = |upn: &str, mail: &str, alias: &str| invalid_characters(upn, mail, alias).unwrap_or_default();
        assert_eq!(bad("ann.o'neil_1@contoso.com", "ann@contoso.com", "ann"), "");
        assert_eq!(bad("jürgen m@contoso.com", "", ""), "sign-in name jürgen m@contoso.com: a space, `ü`");
        assert_eq!(bad("", "ann@@contoso.com", ""), "mail ann@@contoso.com: it is no address");
        assert_eq!(bad("ann", "", "a b"), "sign-in name ann: there is no @ in it; alias a b: a space");
        assert_eq!(too_long("ann@contoso.com", "Ann", "ann"), None);
        let long = format!("{}@contoso.com", "a".repeat(65));
        assert_eq!(too_long(&long, "", "").unwrap(), "sign-in name before the @: 65 characters, at most 64");
        assert!(too_long("", &"🔑".repeat(129), "").unwrap().contains("258"));
    }
}
