//! Whether the password of one account goes to one target, and why not (P12, SF20, SF21). Looks at what is linked, at the
//! rules' switches and at who the account is; never sees a hash, and decides before one is opened.

use crate::decide::never_sync_reason;
use crate::evaluate::{ConnectorInputs, MetaverseInputs};
use crate::inputs::{Run, RunInputs};
use crate::scope::rule_in_scope;
use crate::selection::decide_selection;
use crate::view::{CsObject, MvObject};
use metaverse_schema::{Anchor, Attributes, ObjectType, Sid, Value};
use serde::{Deserialize, Serialize};
use std::fmt;
use sync_rules::{Direction, Inputs, Rule, RuleId};

/// What became of a user's password (P43), and `NotInScope`: it is nobody's business to send it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum PasswordState {
    Success,
    FilteredByTarget,
    NoTargetConnection,
    SourceConnectorNotPresent,
    TargetNotExportedToDirectory,
    NotInScope,
    MissingAttribute,
    RetryRequestedByTarget,
    Error,
    Unknown,
}

impl PasswordState {
    pub const ALL: [PasswordState; 10] = [
        PasswordState::Success,
        PasswordState::FilteredByTarget,
        PasswordState::NoTargetConnection,
        PasswordState::SourceConnectorNotPresent,
        PasswordState::TargetNotExportedToDirectory,
        PasswordState::NotInScope,
        PasswordState::MissingAttribute,
        PasswordState::RetryRequestedByTarget,
        PasswordState::Error,
        PasswordState::Unknown,
    ];

    pub fn name(self) -> &'static str {
        match self {
            PasswordState::Success => "Success",
            PasswordState::FilteredByTarget => "FilteredByTarget",
            PasswordState::NoTargetConnection => "NoTargetConnection",
            PasswordState::SourceConnectorNotPresent => "SourceConnectorNotPresent",
            PasswordState::TargetNotExportedToDirectory => "TargetNotExportedToDirectory",
            PasswordState::NotInScope => "NotInScope",
            PasswordState::MissingAttribute => "MissingAttribute",
            PasswordState::RetryRequestedByTarget => "RetryRequestedByTarget",
            PasswordState::Error => "Error",
            PasswordState::Unknown => "Unknown",
        }
    }
}

impl fmt::Display for PasswordState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The object of the target that stands for the account, as far as a password needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PasswordEnd {
    /// The target has it, under this anchor, and nothing of its own is still to be done first.
    Exported(Anchor),
    /// It is to be created, brought back or taken over by the next export.
    NotExported,
    /// It is to be removed or let go.
    Leaving,
}

/// Everything that the decision about one account and one target sees.
#[derive(Debug, Clone, PartialEq)]
pub struct PasswordSubject {
    /// The account in the source's space; none: it was never imported.
    pub account: Option<CsObject>,
    /// The person that it is linked to.
    pub person: Option<MvObject>,
    /// The person's object in the target's space.
    pub end: Option<PasswordEnd>,
    /// A protected group that the account is a member of, direct or nested, as far as its groups were imported (SF21).
    pub protected_by: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PasswordDecision {
    /// The password goes to the target's object with this anchor, by these two rules.
    Push {
        target: Anchor,
        inbound: RuleId,
        outbound: RuleId,
    },
    Not {
        state: PasswordState,
        reason: String,
    },
}

/// Kinds of a directory's objects that nobody signs in as.
const WITHOUT_PASSWORD: [&str; 5] = ["group", "contact", "container", "organizationalUnit", "foreignSecurityPrincipal"];

/// Whether objects of this type can have a password at all; there is nothing to tell of the passwords of others.
pub fn has_password(object_type: &ObjectType) -> bool {
    !WITHOUT_PASSWORD.iter().any(|without| object_type.as_str().eq_ignore_ascii_case(without))
}

fn not(state: PasswordState, reason: impl Into<String>) -> PasswordDecision {
    PasswordDecision::Not { state, reason: reason.into() }
}

/// Decides about one account and one target. `privileged`: passwords of privileged accounts go too.
pub fn decide_password(
    subject: &PasswordSubject,
    target: &str,
    privileged: bool,
    inputs: &RunInputs,
) -> PasswordDecision {
    use PasswordState::{NoTargetConnection, NotInScope, SourceConnectorNotPresent, TargetNotExportedToDirectory};
    let run = Run::new(inputs);
    let Some(account) = &subject.account else {
        return not(SourceConnectorNotPresent, "the connector space does not hold this account");
    };
    // Who the account is counts as it was imported last, synchronised or not: it is known earlier to be out than to be in.
    let Some(imported) = account.imported() else {
        return not(SourceConnectorNotPresent, "the account is deleted or left the selected containers");
    };
    if !has_password(&account.object_type) {
        return not(NotInScope, format!("a {} has no password", account.object_type));
    }
    if account.object_type == "inetOrgPerson" {
        return not(NotInScope, "passwords of inetOrgPersons are not synchronised");
    }
    if let Some(reason) = never_sync_reason(account, imported, &run) {
        return not(NotInScope, format!("never synchronised: {reason}"));
    }
    let selection = decide_selection(account, &run.rules);
    if !selection.is_selected() {
        return not(NotInScope, selection.to_string());
    }
    let Some(synchronised) = account.synchronised.as_ref().filter(|_| account.link.is_some()) else {
        return not(NoTargetConnection, "the account is not joined to a metaverse object");
    };
    let Some(inbound) = inbound_rule(account, synchronised, &run) else {
        return not(NotInScope, "no inbound rule with `password_sync = true` applies to the account");
    };
    if !privileged && let Some(reason) = privilege_of(imported, subject.protected_by.as_deref()) {
        return not(NotInScope, format!("privileged account: {reason}"));
    }
    let Some(person) = &subject.person else {
        return not(NoTargetConnection, "the account is not joined to a metaverse object");
    };
    let Some(outbound) = outbound_rule(person, target, &run) else {
        return not(NotInScope, format!("no outbound rule to `{target}` with `password_sync = true` applies"));
    };
    let (inbound, outbound) = (inbound.id.clone(), outbound.id.clone());
    match &subject.end {
        None => not(NoTargetConnection, format!("there is no object in `{target}`")),
        Some(PasswordEnd::Leaving) => not(NoTargetConnection, format!("the object in `{target}` is to be removed")),
        Some(PasswordEnd::NotExported) => {
            not(TargetNotExportedToDirectory, format!("the object in `{target}` was not exported yet"))
        }
        Some(PasswordEnd::Exported(anchor)) => PasswordDecision::Push { target: anchor.clone(), inbound, outbound },
    }
}

fn inbound_rule<'r>(account: &CsObject, image: &Attributes, run: &'r Run<'_>) -> Option<&'r Rule> {
    let reader = ConnectorInputs::of(account, image, run);
    let mut rules = run.rules.rules.iter().filter(|rule| {
        rule.password_sync
            && rule.direction == Direction::Inbound
            && rule.connector == account.connector
            && rule.source_type.as_ref().is_none_or(|wanted| *wanted == account.object_type)
    });
    rules.find(|rule| rule_in_scope(rule, |name| reader.attribute(name), |group| account.member_of.contains(group)))
}

fn outbound_rule<'r>(person: &MvObject, target: &str, run: &'r Run<'_>) -> Option<&'r Rule> {
    let reader = MetaverseInputs::of(&person.attributes, target, run);
    let mut rules = run.rules.rules.iter().filter(|rule| {
        rule.password_sync
            && rule.direction == Direction::Outbound
            && *rule.connector == *target
            && rule.source_type.as_ref().is_none_or(|wanted| *wanted == person.object_type)
    });
    rules.find(|rule| rule_in_scope(rule, |name| reader.attribute(name), |_| false))
}

/// Groups of a domain whose members are privileged, by their RID: domain admins, domain controllers, schema and enterprise admins,
/// read-only domain controllers, key and enterprise key admins.
const PROTECTED_GROUPS: [u32; 7] = [512, 516, 518, 519, 521, 526, 527];

/// Operators and administrators of every domain, by their RID below S-1-5-32: administrators, account, server, print and backup
/// operators, replicator.
const PROTECTED_BUILT_IN: [u32; 6] = [544, 548, 549, 550, 551, 552];

/// Whether the directory protects the members of the group with this SID, and sets `adminCount` on them (MS-ADTS 3.1.1.6.1.1).
pub fn is_protected_group(sid: &Sid) -> bool {
    let authorities: Vec<u32> = sid.sub_authorities().collect();
    match authorities.as_slice() {
        [32, rid] => PROTECTED_BUILT_IN.contains(rid),
        [21, .., rid] => PROTECTED_GROUPS.contains(rid),
        _ => false,
    }
}

/// SF21. `adminCount` is what the directory itself sets on members of protected groups; it stays behind when somebody left.
fn privilege_of(image: &Attributes, protected_by: Option<&str>) -> Option<String> {
    let number = |name: &str| match image.get(name).and_then(|values| values.first()) {
        Some(Value::Integer(number)) => Some(*number),
        Some(Value::Text(text)) => text.trim().parse().ok(),
        _ => None,
    };
    if number("adminCount").is_some_and(|count| count != 0) {
        return Some("adminCount is set".to_owned());
    }
    if let Some(group) =
        number("primaryGroupID").filter(|group| PROTECTED_GROUPS.iter().any(|known| i64::from(*known) == *group))
    {
        return Some(format!("its primary group is {group}"));
    }
    protected_by.map(|group| format!("it is a member of the protected group {group}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::{ConnectorState, CsId, ExportMemory, Link, MvId, MvValue, Ownership, Staged};
    use expect_test::{Expect, expect};
    use metaverse_schema::{ByName, Values};
    use std::collections::{BTreeMap, BTreeSet};
    use sync_rules::{FileText, Files, Selection, load};

    const CONFIGURATION: &str = r#"
[deployment]
name = "x"
[connector.ad]
kind = "text-file"
[connector.cloud]
kind = "text-file"
"#;

    /// P12: one switch on the way in, for enabled accounts, and one on the way out.
    const RULES: &str = r#"
[metaverse.person]
kind = "text"
[[rule]]
id = "in-join"
name = "In"
direction = "inbound"
connector = "ad"
source_type = "*"
target_type = "person"
link = "provision"
precedence = 100
[[rule]]
id = "in-enabled"
name = "Enabled"
direction = "inbound"
connector = "ad"
source_type = "user"
target_type = "person"
precedence = 102
password_sync = true
scope = [["userAccountControl ISNOTNULL", "userAccountControl ISNOTBITSET 2"]]
[[rule]]
id = "out-join"
name = "Out"
direction = "outbound"
connector = "cloud"
source_type = "person"
target_type = "user"
link = "provision"
precedence = 123
password_sync = true
scope = [["kind EQUAL User"]]
"#;

    struct World {
        subject: PasswordSubject,
        inputs: RunInputs,
        privileged: bool,
    }

    fn attributes(pairs: &[(&str, Value)]) -> Attributes {
        let mut attributes = Attributes::new();
        pairs.iter().for_each(|(name, value)| attributes.set(*name, Values::single(value.clone())));
        attributes
    }

    fn world() -> World {
        let files = Files {
            configuration: FileText::text("metasync.toml", CONFIGURATION),
            rules: vec![FileText::text("rules/r.toml", RULES)],
        };
        let rules = load(&files, "/d".into()).rules.unwrap();
        let account = CsObject {
            id: CsId(1),
            connector: "ad".into(),
            object_type: "user".into(),
            anchor: Some(Anchor::Text("a1".into())),
            dn: None,
            state: ConnectorState::Connected,
            link: Some(Link { mv: MvId(1), rule: "in-join".into(), ownership: Ownership::Joined }),
            synchronised: Some(attributes(&[("userAccountControl", Value::Integer(512))])),
            staged: None,
            pending: None,
            memory: ExportMemory::default(),
            owned: Default::default(),
            contributed: BTreeMap::new(),
            reference_counts: BTreeMap::new(),
            privilege: None,
            approvals: Vec::new(),
            match_decisions: Vec::new(),
            in_never_sync_group: false,
            member_of: BTreeSet::new(),
            selected_by: BTreeSet::new(),
            generation: 1,
        };
        let kind = MvValue { values: Value::text("User").into(), contributor: CsId(1), rule: "in-join".into() };
        let attributes: ByName<MvValue> = [("kind".into(), kind)].into_iter().collect();
        let person = MvObject { id: MvId(1), object_type: "person".into(), attributes, links: vec![CsId(1), CsId(2)] };
        World {
            subject: PasswordSubject {
                account: Some(account),
                person: Some(person),
                end: Some(PasswordEnd::Exported(Anchor::Text("c1".into()))),
                protected_by: None,
            },
            inputs: RunInputs {
                rules: rules.into(),
                schemas: BTreeMap::new(),
                now: 0,
                rules_changed: false,
                trace: false,
                own_accounts: Vec::new(),
            },
            privileged: false,
        }
    }

    impl World {
        fn account(&mut self) -> &mut CsObject {
            self.subject.account.as_mut().unwrap()
        }

        fn image(&mut self, name: &str, value: Value) {
            self.account().synchronised.as_mut().unwrap().set(name, Values::single(value));
        }
    }

    /// A change to a world in which the password is pushed, and its name.
    type Change<'a> = (&'a str, &'a dyn Fn(&mut World));

    /// What comes of one change to a world in which the password is pushed.
    fn check(changes: &[Change<'_>], expect: Expect) {
        let mut text = String::new();
        for (name, change) in changes {
            let mut world = world();
            change(&mut world);
            let decided = match decide_password(&world.subject, "cloud", world.privileged, &world.inputs) {
                PasswordDecision::Push { target, inbound, outbound } => {
                    format!("push to {target} by {inbound}, {outbound}")
                }
                PasswordDecision::Not { state, reason } => format!("{state}: {reason}"),
            };
            text.push_str(&format!("{name} -> {decided}\n"));
        }
        expect.assert_eq(&text);
    }

    #[test]
    fn p12_p43_a_password_goes_when_everything_holds_and_otherwise_the_reason_is_told() {
        check(
            &[
                ("all is well", &|_| {}),
                ("never imported", &|world| world.subject.account = None),
                ("deleted", &|world| {
                    world.account().staged = Some(Staged::Deleted(crate::DeleteCause::DeletedInSource));
                }),
                ("a group", &|world| world.account().object_type = "group".into()),
                ("inetOrgPerson (P11)", &|world| world.account().object_type = "inetOrgPerson".into()),
                ("not joined", &|world| world.account().link = None),
                ("disabled (P13)", &|world| world.image("userAccountControl", Value::Integer(514))),
                ("no switch on the way in", &|world| {
                    world.inputs.rules.rules[1].password_sync = false;
                }),
                ("no switch on the way out", &|world| {
                    world.inputs.rules.rules[2].password_sync = false;
                }),
                ("out of the outbound scope", &|world| {
                    let person = world.subject.person.as_mut().unwrap();
                    person.attributes = ByName::default();
                }),
                ("nothing in the target", &|world| world.subject.end = None),
                ("not exported", &|world| world.subject.end = Some(PasswordEnd::NotExported)),
                ("leaving", &|world| world.subject.end = Some(PasswordEnd::Leaving)),
            ],
            expect![[r#"
                all is well -> push to c1 by in-enabled, out-join
                never imported -> SourceConnectorNotPresent: the connector space does not hold this account
                deleted -> SourceConnectorNotPresent: the account is deleted or left the selected containers
                a group -> NotInScope: a group has no password
                inetOrgPerson (P11) -> NotInScope: passwords of inetOrgPersons are not synchronised
                not joined -> NoTargetConnection: the account is not joined to a metaverse object
                disabled (P13) -> NotInScope: no inbound rule with `password_sync = true` applies to the account
                no switch on the way in -> NotInScope: no inbound rule with `password_sync = true` applies to the account
                no switch on the way out -> NotInScope: no outbound rule to `cloud` with `password_sync = true` applies
                out of the outbound scope -> NotInScope: no outbound rule to `cloud` with `password_sync = true` applies
                nothing in the target -> NoTargetConnection: there is no object in `cloud`
                not exported -> TargetNotExportedToDirectory: the object in `cloud` was not exported yet
                leaving -> NoTargetConnection: the object in `cloud` is to be removed
            "#]],
        );
    }

    #[test]
    fn sf20_sf21_own_and_privileged_accounts_keep_their_passwords() {
        check(
            &[
                ("adminCount", &|world| world.image("adminCount", Value::Integer(1))),
                ("adminCount 0", &|world| world.image("adminCount", Value::Integer(0))),
                ("adminCount, imported and not synchronised", &|world| {
                    let image =
                        attributes(&[("userAccountControl", Value::Integer(512)), ("adminCount", Value::Integer(1))]);
                    world.account().staged = Some(Staged::Image(image));
                }),
                ("domain admins as primary group", &|world| world.image("primaryGroupID", Value::Integer(512))),
                ("domain users as primary group", &|world| world.image("primaryGroupID", Value::Integer(513))),
                ("member of a protected group", &|world| world.subject.protected_by = Some("Backup Operators".into())),
                ("the same, and switched on", &|world| {
                    world.subject.protected_by = Some("Backup Operators".into());
                    world.privileged = true;
                }),
                ("own account", &|world| {
                    world.image("objectSid", Value::text("s1"));
                    world.privileged = true;
                    world.inputs.own_accounts = vec![("objectSid".into(), Value::text("s1"), "CORP\\svc".into())];
                }),
                ("never-sync group", &|world| world.account().in_never_sync_group = true),
                ("not in the pilot group", &|world| {
                    let pilot = Selection { groups: [("g".into(), "Pilot".into())].into(), ..Selection::default() };
                    let connector = world.account().connector.clone();
                    world.inputs.rules.selections.insert(connector, pilot);
                }),
            ],
            expect![[r#"
                adminCount -> NotInScope: privileged account: adminCount is set
                adminCount 0 -> push to c1 by in-enabled, out-join
                adminCount, imported and not synchronised -> NotInScope: privileged account: adminCount is set
                domain admins as primary group -> NotInScope: privileged account: its primary group is 512
                domain users as primary group -> push to c1 by in-enabled, out-join
                member of a protected group -> NotInScope: privileged account: it is a member of the protected group Backup Operators
                the same, and switched on -> push to c1 by in-enabled, out-join
                own account -> NotInScope: never synchronised: it is CORP\svc, an account that this deployment signs in with
                never-sync group -> NotInScope: never synchronised: it is a member of a never-sync group
                not in the pilot group -> NotInScope: out of scope: it is a member of no group of [scope], and not listed there by name
            "#]],
        );
    }
}
