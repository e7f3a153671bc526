//! Every code of a held decision: what it means and what to do. The operator guide's table is tested against this one.
//! A code that an operator's own rule invents is shown with the rule's own words.

use crate::text::{Table, count};
use std::collections::BTreeMap;
use sync_rules::RuleSet;
use sync_runtime::is_limitation;

pub(crate) struct HoldMeaning {
    pub(crate) code: &'static str,
    pub(crate) meaning: &'static str,
    pub(crate) remedy: &'static str,
}

const fn hold(code: &'static str, meaning: &'static str, remedy: &'static str) -> HoldMeaning {
    HoldMeaning { code, meaning, remedy }
}

pub(crate) const HOLDS: [HoldMeaning; 39] = [
    // Waiting for an approval.
    hold("match-candidate", "matches an existing cloud object", "look at the list, then `metasync approve DIGEST`"),
    hold(
        "signin-name-change",
        "the takeover would change the sign-in name",
        "make both sides agree, or approve the list",
    ),
    hold(
        "would-enable",
        "the existing account is blocked, the takeover would enable it",
        "disable it in the source, unblock it in the cloud, or approve the list",
    ),
    // Time settles it.
    hold(
        "leaving-scope",
        "it left scope and stays as it is until its day",
        "nothing, or bring it back into scope before that day",
    ),
    // A match that is not made.
    hold("guest", "the match is a guest account", "convert the account, or take the address from the source account"),
    hold(
        "foreign-identity",
        "the match signs in with an identity of another issuer",
        "convert it to an account of this tenant first",
    ),
    hold("synchronised-elsewhere", "another tool synchronises the match", "take it out of that tool's scope first"),
    hold(
        "privileged",
        "the match holds a directory role",
        "take the role away for the takeover, or use a separate account for the role",
    ),
    hold(
        "privileged-unreadable",
        "the roles of the match cannot be read",
        "grant RoleManagement.Read.Directory, then synchronise again",
    ),
    hold(
        "stale-anchor",
        "the match carries an anchor that no source object has",
        "write that value into mS-DS-ConsistencyGuid of the person, or clear it in the cloud",
    ),
    hold(
        "addresses-lost",
        "the takeover would drop addresses that only the cloud knows",
        "add them in the source, or set `addresses` under [matching]",
    ),
    hold(
        "matching-closed",
        "matches an existing object, and matching is closed",
        "set `mode = \"review\"` for the time of the takeover",
    ),
    hold(
        "match-rejected",
        "an operator rejected the match, or undid the takeover",
        "`metasync match approve`, or give each of the two its own address and sign-in name",
    ),
    hold(
        "secondary-address-match",
        "an existing object has the address as a secondary one",
        "correct the primary address on either side",
    ),
    hold(
        "candidate-taken",
        "the match is linked to somebody else",
        "two source accounts claim one cloud object: correct the key on one",
    ),
    hold("ambiguous", "several existing objects match", "leave the address with one of them"),
    hold(
        "ambiguous-source",
        "several source objects claim the same key",
        "leave the key (address, sign-in name) with one of them",
    ),
    hold("ambiguous-link", "several objects of the target are linked to it", "disconnect all but one"),
    hold(
        "deleted-twin",
        "the recycle bin holds an object with its name or address",
        "restore it, or delete it for good",
    ),
    hold(
        "reanimated-incomplete",
        "the account came back without its mail address or sign-in name, its cloud object is in the recycle bin",
        "fill them in again in the source, with all that was lost there, and enable the account",
    ),
    hold(
        "dn-occupied",
        "somebody else's object stands at its place in the target",
        "rename one of them, or change the rule that places it",
    ),
    hold(
        "explicitly-disconnected",
        "the match was disconnected by an operator, or by a rule that says `explicit-disconnect`",
        "`metasync disconnect CONNECTOR OBJECT --undo`, or join it to somebody",
    ),
    hold(
        "ambiguous-join-rules",
        "two rules in scope look for its object in different ways",
        "give both the same join, or keep one out of scope",
    ),
    hold("dynamic-group", "the match computes its members by a rule", "make it an assigned group, or delete it"),
    hold("role-assignable-group", "the match gives its members directory roles", "keep such groups in the cloud"),
    hold("microsoft-365-group", "the match is a Microsoft 365 group", "keep such groups in the cloud"),
    hold(
        "cloud-mastered",
        "the source of authority of the match was moved to the cloud",
        "move it back, or take the object out of scope",
    ),
    // Sent, and not kept by the target.
    hold(
        "exported-change-not-reimported",
        "the target accepted the value and returned another",
        "find the other writer; it is sent again when either side changes",
    ),
    // Members that do not flow (SF19). They can also carry the code that holds the member itself.
    hold("not-imported", "the member is outside of what is imported", "widen the scope, or take it out of the group"),
    hold("not-in-metaverse", "the member is not joined or projected", "see `metasync explain MEMBER`"),
    hold(
        "not-in-target",
        "the member has no object in the target",
        "see `metasync explain MEMBER` for why it is not there",
    ),
    hold("leaving-target", "the member is about to leave the target", "nothing: it goes with the next export"),
    // Limitations of Microsoft Graph: nobody can let them through.
    hold(
        "limitation-read-only",
        "the attribute cannot be written over Microsoft Graph",
        "set it where the cloud masters it",
    ),
    hold(
        "limitation-contact-not-writable",
        "contacts cannot be written over Microsoft Graph",
        "keep them by hand in the cloud",
    ),
    hold(
        "limitation-distribution-group",
        "distribution lists cannot be written over Microsoft Graph",
        "keep them by hand in the cloud",
    ),
    hold(
        "limitation-mail-enabled-security-group",
        "mail-enabled security groups cannot be written over Microsoft Graph",
        "keep them by hand in the cloud",
    ),
    hold("limitation-group-too-large", "the group has more members than the service takes", "split the group"),
    hold(
        "limitation-no-sign-in-name",
        "a cloud user needs a userPrincipalName, and the account has none",
        "give the account a userPrincipalName",
    ),
    hold(
        "limitation-not-creatable",
        "objects of this type cannot be created over Microsoft Graph",
        "create it by hand; it is matched then",
    ),
];

/// Held members are counted as `members-held/REASON`.
const MEMBERS: &str = "members-held";

pub(crate) fn meaning(code: &str) -> Option<&'static HoldMeaning> {
    let code = code.rsplit_once('/').map_or(code, |(_, reason)| reason);
    HOLDS.iter().find(|hold| hold.code == code)
}

/// How much a table of holds says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    /// One line a code, for the summary of a cycle.
    Reasons,
    WithRemedies,
}

/// Counts by code: what waits for somebody, members that do not flow, and what the target's mode cannot hold at all.
pub(crate) fn tables(space: &str, held: &BTreeMap<String, u64>, rules: &RuleSet, detail: Detail) -> String {
    let mut text = String::new();
    let counted = || held.iter().filter(|(code, number)| **number > 0 && *code != MEMBERS);
    let (members, decisions): (Vec<_>, Vec<_>) = counted().partition(|(code, _)| code.starts_with(MEMBERS));
    let (limitations, holds): (Vec<_>, Vec<_>) =
        decisions.into_iter().partition(|(code, _)| is_limitation(rules, code));
    let mut part = |title: &str, codes: Vec<(&String, &u64)>, has_remedy: bool| {
        if codes.is_empty() {
            return;
        }
        let mut table = Table::new(&[">count", "code", "because", "what to do"]);
        for (code, number) in codes {
            let known = meaning(code);
            let shown = code.rsplit_once('/').map_or(code.as_str(), |(_, reason)| reason);
            let because = known.map_or_else(|| other_reason(rules, code), |hold| hold.meaning.to_owned());
            let remedy = match known {
                _ if !(has_remedy && detail == Detail::WithRemedies) => String::new(),
                Some(hold) => hold.remedy.to_owned(),
                None => format!("see `metasync pending {space}`"),
            };
            table.row([count(*number), shown.to_owned(), because, remedy]);
        }
        text.push_str(&format!("{title}\n{}\n", table.render()));
    };
    part(&format!("Held in {space}: decided, and not written until the cause goes away or you say so"), holds, true);
    part(&format!("Members that are not exported to {space}"), members, false);
    part(&format!("Limitations of {space}: what this mode cannot write"), limitations, false);
    text
}

/// A code that is not in the table: what an operator's own rule says about it, or what keeps a member out.
fn other_reason(rules: &RuleSet, code: &str) -> String {
    if code.starts_with(MEMBERS) {
        return "the target refused to create the member".to_owned();
    }
    let mut limitations = rules.rules.iter().flat_map(|rule| &rule.limitations);
    limitations
        .find(|limitation| limitation_code(&limitation.code) == code)
        .map_or(String::new(), |limitation| limitation.message.clone())
}

/// The code of a rule's limitation as it is held: the kernel puts `limitation-` before it.
fn limitation_code(code: &str) -> String {
    if code.starts_with("limitation-") { code.to_owned() } else { format!("limitation-{code}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guide_has_every_code_with_its_meaning_and_remedy() {
        let guide = include_str!("../../../../docs/operator-guide.md");
        for hold in HOLDS {
            let row = format!("| `{}` | {} | {} |", hold.code, hold.meaning, hold.remedy);
            assert!(guide.contains(&row), "the operator guide lacks the row\n{row}");
        }
    }

    /// What a shipped rule can hold is explained here.
    #[test]
    fn the_codes_of_the_shipped_rules_are_known() {
        let files = sync_rules::Files {
            configuration: sync_rules::FileText::text(
                "metasync.toml",
                "[deployment]\nname = 'x'\n[connector.ad]\nkind = 'text-file'\n[connector.cloud]\nkind = 'azure-ad'\n",
            ),
            rules: sync_rules::shipped_rules(&[("ad", "cloud")], &sync_rules::ShippedOptions::default())
                .into_iter()
                .map(|(name, text)| sync_rules::FileText::text(name, text))
                .collect(),
        };
        let rules = sync_rules::load(&files, "x".into()).rules.expect("the shipped rules load");
        let limitations = rules.rules.iter().flat_map(|rule| &rule.limitations);
        let limitations = limitations.map(|limitation| limitation_code(&limitation.code));
        let never = rules.rules.iter().filter_map(|rule| rule.takeover.as_ref()).flat_map(|takeover| &takeover.never);
        let codes: Vec<String> = limitations.chain(never.map(|never| never.code.to_string())).collect();
        assert!(codes.len() > 8, "{codes:?}");
        for code in codes {
            assert!(meaning(&code).is_some(), "a shipped rule holds by {code}, which has no meaning here");
        }
    }

    #[test]
    fn codes_are_named_once() {
        let mut codes: Vec<&str> = HOLDS.iter().map(|hold| hold.code).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), HOLDS.len());
    }
}
