//! The words of the report: what may become of a person (a class, exactly one), and what else is to be known of one (remarks).
//! One table of code, meaning and remedy, which the guide lists.

use serde::Serialize;

/// What would become of a person of the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Class {
    Synchronised,
    HardMatch,
    SoftMatch,
    UpnMatch,
    SecondaryHit,
    Ambiguous,
    StaleAnchor,
    AnchorOfAnother,
    Privileged,
    GuestTwin,
    ContactTwin,
    DeletedTwin,
    DeletedAnchor,
    Created,
    LeftOut,
}

/// What else is to be known of a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Remark {
    SignInNameChange,
    WouldEnable,
    WouldDisable,
    AddressesLost,
    FormerSync,
    AnchorUnknown,
    MailboxGuidLeft,
    Unlicensed,
    MissingMail,
    NoSignInName,
    SuffixNotRoutable,
    SuffixNotVerified,
    DuplicateAddress,
    InvalidCharacters,
    TooLong,
    RulesDecideOtherwise,
}

/// Whether somebody has to do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Weight {
    /// As it should be.
    Fine,
    /// Good to know before the first export.
    Look,
    /// The engine holds it, or the service refuses it, until it was mended or decided.
    Mend,
}

/// Code, weight, meaning, remedy.
type Words = (&'static str, Weight, &'static str, &'static str);

impl Class {
    pub(crate) const ALL: [Class; 15] = [
        Class::Synchronised,
        Class::HardMatch,
        Class::SoftMatch,
        Class::UpnMatch,
        Class::SecondaryHit,
        Class::Ambiguous,
        Class::StaleAnchor,
        Class::AnchorOfAnother,
        Class::Privileged,
        Class::GuestTwin,
        Class::ContactTwin,
        Class::DeletedTwin,
        Class::DeletedAnchor,
        Class::Created,
        Class::LeftOut,
    ];

    const fn words(self) -> Words {
        use Weight::{Fine, Look, Mend};
        match self {
            Class::Synchronised => ("synchronised", Fine, "is synchronised under this anchor already", "nothing"),
            Class::HardMatch => (
                "hard-match",
                Fine,
                "the cloud user carries this person's anchor",
                "nothing; the tenant's block of hard matches must be off for the takeover",
            ),
            Class::SoftMatch => (
                "soft-match",
                Fine,
                "the cloud user has this person's primary address",
                "look at the list, then `metasync approve`",
            ),
            Class::UpnMatch => (
                "upn-match",
                Look,
                "only the sign-in name is the same",
                "give both sides the same primary address, or switch `user_principal_name = true` on under [matching]",
            ),
            Class::SecondaryHit => (
                "secondary-hit",
                Mend,
                "an address is a secondary one on one of the sides: listed for review, never matched",
                "make it the primary address on both sides, or take it from one of them",
            ),
            Class::Ambiguous => (
                "ambiguous",
                Mend,
                "several match: nobody is joined, nobody is created",
                "leave the address or sign-in name with one of them",
            ),
            Class::StaleAnchor => (
                "stale-anchor",
                Mend,
                "the cloud user carries an anchor that nobody in the directory has",
                "write that value into mS-DS-ConsistencyGuid of the person, or clear it in the cloud",
            ),
            Class::AnchorOfAnother => (
                "anchor-of-another",
                Mend,
                "the cloud user carries the anchor of somebody else in the directory",
                "find out whose it is: correct the address on one side, or the anchor in the cloud",
            ),
            Class::Privileged => (
                "privileged",
                Mend,
                "the cloud user holds a directory role, and is never taken over",
                "take the role away for the takeover, or use a separate account for the role",
            ),
            Class::GuestTwin => (
                "guest-twin",
                Mend,
                "a guest has the address or sign-in name, and guests are never matched",
                "convert the account, or take the address from the source account",
            ),
            Class::ContactTwin => (
                "contact-twin",
                Mend,
                "a contact or group of the tenant has the address",
                "delete that contact, or take the address from one of them",
            ),
            Class::DeletedTwin => (
                "deleted-twin",
                Mend,
                "the recycle bin holds a user with the name or address",
                "restore it, or delete it for good",
            ),
            Class::DeletedAnchor => (
                "deleted-anchor",
                Look,
                "the recycle bin holds a user with this anchor, and it would be restored",
                "nothing, or delete it there for good",
            ),
            Class::Created => (
                "created",
                Fine,
                "nobody in the tenant is this person: a user would be created",
                "nothing; a licence is given afterwards",
            ),
            Class::LeftOut => (
                "left-out",
                Fine,
                "the deployment's rules take no notice of this account",
                "nothing, unless it belongs to somebody: `metasync preview` says which scope it is not in",
            ),
        }
    }

    pub(crate) fn code(self) -> &'static str {
        self.words().0
    }

    pub(crate) fn weight(self) -> Weight {
        self.words().1
    }

    pub(crate) fn meaning(self) -> &'static str {
        self.words().2
    }

    pub(crate) fn remedy(self) -> &'static str {
        self.words().3
    }
}

impl Remark {
    pub(crate) const ALL: [Remark; 16] = [
        Remark::SignInNameChange,
        Remark::WouldEnable,
        Remark::WouldDisable,
        Remark::AddressesLost,
        Remark::FormerSync,
        Remark::AnchorUnknown,
        Remark::MailboxGuidLeft,
        Remark::Unlicensed,
        Remark::MissingMail,
        Remark::NoSignInName,
        Remark::SuffixNotRoutable,
        Remark::SuffixNotVerified,
        Remark::DuplicateAddress,
        Remark::InvalidCharacters,
        Remark::TooLong,
        Remark::RulesDecideOtherwise,
    ];

    const fn words(self) -> Words {
        use Weight::{Look, Mend};
        match self {
            Remark::SignInNameChange => (
                "sign-in-name-change",
                Mend,
                "signs in today otherwise than the directory says",
                "make both sides agree, or approve the list of sign-in names",
            ),
            Remark::WouldEnable => (
                "would-enable",
                Mend,
                "is blocked in the cloud and enabled in the directory",
                "disable it in the directory, unblock it in the cloud, or approve the list",
            ),
            Remark::WouldDisable => (
                "would-disable",
                Look,
                "signs in to the cloud and is disabled in the directory: it would be blocked",
                "enable it in the directory if it is still in use",
            ),
            Remark::AddressesLost => (
                "addresses-lost",
                Mend,
                "the takeover would drop addresses that only the cloud knows",
                "add them in the directory (the fix file does), or set `addresses` under [matching]",
            ),
            Remark::FormerSync => (
                "former-sync",
                Look,
                "was synchronised before, and is a cloud user now",
                "see that the tool that did it is gone",
            ),
            Remark::AnchorUnknown => (
                "anchor-unknown",
                Look,
                "the cloud user carries an anchor, and the directory's file has none to compare",
                "export the directory with ObjectGUID and mS-DS-ConsistencyGuid",
            ),
            Remark::MailboxGuidLeft => (
                "mailbox-guid-left",
                Look,
                "a mailbox identifier is left from a former mailbox, and the cloud user is licensed",
                "clear msExchMailboxGuid if the mailbox on premises is gone",
            ),
            Remark::Unlicensed => {
                ("unlicensed", Look, "the cloud user has no licence", "license it afterwards, if it needs one")
            }
            Remark::MissingMail => (
                "missing-mail",
                Look,
                "has no mail address: nothing to be matched by",
                "fill in mail (the fix file proposes it where the cloud user is known)",
            ),
            Remark::NoSignInName => (
                "no-sign-in-name",
                Mend,
                "has no userPrincipalName, and a cloud user needs one",
                "give the account one",
            ),
            Remark::SuffixNotRoutable => (
                "suffix-not-routable",
                Mend,
                "the suffix of the sign-in name can never be a domain of the tenant",
                "add the tenant's domain as UPN suffix and change the sign-in name (the fix file does), or let another attribute be the sign-in name (`init --login-attribute mail`)",
            ),
            Remark::SuffixNotVerified => (
                "suffix-not-verified",
                Mend,
                "the suffix of the sign-in name is no verified domain of the tenant: the name would become one of onmicrosoft.com",
                "verify the domain, or change the sign-in name (the fix file does)",
            ),
            Remark::DuplicateAddress => (
                "duplicate-address",
                Mend,
                "somebody else in the directory has the same address or sign-in name",
                "leave it with one of them",
            ),
            Remark::InvalidCharacters => (
                "invalid-characters",
                Mend,
                "a value has characters that the service does not take",
                "correct it in the directory",
            ),
            Remark::TooLong => {
                ("too-long", Mend, "a value is longer than the service takes", "shorten it in the directory")
            }
            Remark::RulesDecideOtherwise => (
                "rules-decide-otherwise",
                Mend,
                "the rules of this deployment come to something else than the class says",
                "what they decide is what a run does: `metasync cycle` in staging mode, then `metasync explain`",
            ),
        }
    }

    pub(crate) fn code(self) -> &'static str {
        self.words().0
    }

    pub(crate) fn weight(self) -> Weight {
        self.words().1
    }

    pub(crate) fn meaning(self) -> &'static str {
        self.words().2
    }

    pub(crate) fn remedy(self) -> &'static str {
        self.words().3
    }
}
