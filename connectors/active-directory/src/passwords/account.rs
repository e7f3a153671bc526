//! What kind of account an object is, and so whether it can be a person's at all (ad-protocols 2.5, SF20, SF21). Replication
//! returns every account of the domain: machines, domain controllers, trusts, and the key of all tickets.

/// Flags of `userAccountControl` (MS-ADTS 2.2.16).
mod flag {
    pub(super) const NORMAL_ACCOUNT: u32 = 0x200;
    pub(super) const INTERDOMAIN_TRUST_ACCOUNT: u32 = 0x800;
    pub(super) const WORKSTATION_TRUST_ACCOUNT: u32 = 0x1000;
    pub(super) const SERVER_TRUST_ACCOUNT: u32 = 0x2000;
}

/// What is known of an account. A change of a password repeats little of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct AccountFacts<'a> {
    pub(super) rid: Option<u32>,
    /// `userAccountControl`.
    pub(super) control: Option<u32>,
    /// `sAMAccountName`.
    pub(super) name: Option<&'a str>,
    pub(super) deleted: bool,
}

/// Why this account's password is nobody's, whatever the rules say; `None` where nothing speaks against it.
pub(super) fn excluded(facts: &AccountFacts<'_>) -> Option<&'static str> {
    match facts.rid {
        Some(500) => return Some("the built-in administrator"),
        Some(501) => return Some("the built-in guest"),
        Some(502) => return Some("krbtgt"),
        _ => {}
    }
    // A read-only domain controller has a key of its own, krbtgt_NUMBER.
    if facts.name.is_some_and(|name| name.to_ascii_lowercase().starts_with("krbtgt_")) {
        return Some("krbtgt of a read-only domain controller");
    }
    if facts.deleted {
        return Some("deleted");
    }
    let control = facts.control?;
    let is = |flag: u32| control & flag != 0;
    if is(flag::SERVER_TRUST_ACCOUNT) {
        Some("domain controller account")
    } else if is(flag::INTERDOMAIN_TRUST_ACCOUNT) {
        Some("trust account")
    } else if is(flag::WORKSTATION_TRUST_ACCOUNT) {
        Some("computer account or managed service account")
    } else if !is(flag::NORMAL_ACCOUNT) {
        Some("not a user account")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SF20, SF21: machines, trusts, krbtgt and the built-in accounts are nobody's.
    #[test]
    fn sf21_what_is_nobodys_password() {
        let person = AccountFacts { rid: Some(1_104), control: Some(0x200), name: Some("zoe"), deleted: false };
        assert_eq!(excluded(&person), None);
        assert_eq!(excluded(&AccountFacts { control: Some(0x10202), ..person }), None, "disabled: a rule decides");
        assert_eq!(excluded(&AccountFacts { control: None, name: None, ..person }), None, "nothing is known");
        for (facts, word) in [
            (AccountFacts { rid: Some(500), ..person }, "administrator"),
            (AccountFacts { rid: Some(501), ..person }, "guest"),
            (AccountFacts { rid: Some(502), control: None, name: None, ..person }, "krbtgt"),
            (AccountFacts { name: Some("krbtgt_20124"), ..person }, "read-only"),
            (AccountFacts { deleted: true, ..person }, "deleted"),
            (AccountFacts { control: Some(0x1000), ..person }, "computer"),
            (AccountFacts { control: Some(0x1020), ..person }, "computer"),
            (AccountFacts { control: Some(0x82000), ..person }, "domain controller"),
            (AccountFacts { control: Some(0x820), ..person }, "trust"),
            (AccountFacts { control: Some(0x100), ..person }, "not a user"),
        ] {
            assert!(excluded(&facts).is_some_and(|reason| reason.contains(word)), "{word}: {:?}", excluded(&facts));
        }
    }
}
