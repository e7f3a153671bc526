//! The choices among the shipped rules: anchors, sign-in names, packages, and a source that comes later.

use super::tests::{checked_rules, connect_schema, flow_text, graph_schema, loaded_with, rules, rules_with};
use super::{
    CloudSchema, Package, ShippedOptions, SourceAnchor, shipped_rules, shipped_rules_for_another, shipped_tests,
};
use crate::document::{FileText, Files, load};
use crate::{Direction, Loaded, RuleSet};
use expect_test::{Expect, expect};
use metaverse_schema::{ConnectorSchema, Plurality, ValueKind, active_directory};
use std::fmt::Write as _;
use std::path::PathBuf;

fn load_files(sources: &[&str], files: &[(String, String)]) -> Loaded {
    let mut configuration = "[deployment]\nname = \"test\"\n[connector.cloud]\nkind = \"azure-ad\"\n".to_owned();
    for source in sources {
        let _ = writeln!(configuration, "[connector.{source}]\nkind = \"active-directory\"");
    }
    let rules = files.iter().map(|(name, text)| FileText::text(name.as_str(), text.as_str())).collect();
    load(&Files { configuration: FileText::text("metasync.toml", configuration), rules }, PathBuf::from("/deployment"))
}

/// S60: a forest that comes later stands last in each group, and what was there keeps its order.
#[test]
fn s60_a_later_forest_stands_last_in_each_group() {
    let options = packages(&Package::ALL, CloudSchema::Graph);
    let mut files = shipped_rules(&[("ad", "cloud")], &options);
    let mut names = String::new();
    for source in ["west", "east"] {
        let known = load_files(&["ad", "west", "east"], &files);
        assert_eq!(known.diagnostics, []);
        let more = shipped_rules_for_another(source, &known.rules.unwrap(), &options);
        files.extend(
            more.into_iter().filter(|(name, _)| !name.ends_with("-hybrid.toml") && !name.ends_with("43-devices.toml")),
        );
    }
    let loaded = load_files(&["ad", "west", "east"], &files);
    assert_eq!(loaded.diagnostics, []);
    let rules = loaded.rules.unwrap();
    for rule in rules.rules.iter().take(6) {
        let _ = writeln!(names, "{} {}", rule.precedence, rule.name);
    }
    expect![[r#"
        100 In from ad - User Join
        101 In from west - User Join
        102 In from east - User Join
        103 In from ad - InetOrgPerson Join
        104 In from west - InetOrgPerson Join
        105 In from east - InetOrgPerson Join
    "#]]
    .assert_eq(&names);
    // The same order as if all three had been there from the start.
    let ids = |rules: &RuleSet| rules.rules.iter().map(|rule| rule.id.to_string()).collect::<Vec<_>>();
    let together = loaded_with(&[("ad", "cloud"), ("west", "cloud"), ("east", "cloud")], "", &options).rules.unwrap();
    assert_eq!(ids(&rules), ids(&together));
}

const GUID: &str = "objectGUID: 00112233-4455-6677-8899-aabbccddeeff";
const CONSISTENCY: &str = "mS-DS-ConsistencyGuid: ffeeddcc-bbaa-9988-7766-554433221100";

/// D9, D10: what the anchor is under each choice, with and without mS-DS-ConsistencyGuid, and for a linked mailbox.
#[test]
fn the_source_anchor_is_chosen() {
    let check = |source_anchor, object: &str, expect: Expect| {
        let rules = rules_with(&ShippedOptions { source_anchor, ..ShippedOptions::default() });
        let text = |rule| flow_text(&rules, rule, &["sourceAnchor", "sourceAnchorBinary"], object);
        let enabled = text("in-from-ad-user-account-enabled");
        assert_eq!(enabled, text("in-from-ad-inetorgperson-common"), "both rules say the same");
        expect.assert_eq(&enabled);
    };
    let both = format!("{GUID}\n{CONSISTENCY}");
    check(
        SourceAnchor::ObjectGuid,
        &both,
        expect![[r#"
        sourceAnchor = "MyIRAFVEd2aImaq7zN3u/w=="
        sourceAnchorBinary = b64(MyIRAFVEd2aImaq7zN3u/w==)
    "#]],
    );
    check(
        SourceAnchor::ConsistencyGuid,
        &both,
        expect![[r#"
        sourceAnchor = "zN3u/6q7iJl3ZlVEMyIRAA=="
        sourceAnchorBinary = b64(zN3u/6q7iJl3ZlVEMyIRAA==)
    "#]],
    );
    check(
        SourceAnchor::ConsistencyGuid,
        GUID,
        expect![[r#"
        sourceAnchor = "MyIRAFVEd2aImaq7zN3u/w=="
        sourceAnchorBinary = b64(MyIRAFVEd2aImaq7zN3u/w==)
    "#]],
    );
    check(
        SourceAnchor::ConsistencyGuidWriteBack,
        &both,
        expect![[r#"
        sourceAnchor = "zN3u/6q7iJl3ZlVEMyIRAA=="
        sourceAnchorBinary = b64(zN3u/6q7iJl3ZlVEMyIRAA==)
    "#]],
    );
    // Nothing for the cloud before the value stands in the directory.
    check(
        SourceAnchor::ConsistencyGuidWriteBack,
        GUID,
        expect![[r#"
        sourceAnchor = IgnoreThisFlow
        sourceAnchorBinary = b64(MyIRAFVEd2aImaq7zN3u/w==)
    "#]],
    );
    let linked = format!("{both}\nmsExchRecipientTypeDetails: 2");
    check(
        SourceAnchor::ConsistencyGuidWriteBack,
        &linked,
        expect![[r#"
        sourceAnchor = Null
        sourceAnchorBinary = Null
    "#]],
    );
}

/// D10: only with the write-back is there a rule to the directory, for accounts of the connector that decides.
#[test]
fn the_write_back_is_a_choice() {
    let to_directory = |source_anchor| {
        let rules = rules_with(&ShippedOptions { source_anchor, ..ShippedOptions::default() });
        let rules = rules.rules.into_iter().filter(|rule| rule.direction == Direction::Outbound);
        rules.filter(|rule| &*rule.connector == "ad").map(|rule| rule.id.to_string()).collect::<Vec<_>>()
    };
    assert!(to_directory(SourceAnchor::ConsistencyGuid).is_empty());
    assert_eq!(to_directory(SourceAnchor::ConsistencyGuidWriteBack), ["out-to-ad-source-anchor"]);
}

/// The names and kinds of the provisioning service (D37-D40), as far as the packages write them, besides those of Graph.
fn provisioning_schema() -> ConnectorSchema {
    let mut schema = connect_schema().class("device", true);
    let text = "targetAddress legacyExchangeDN telephoneAssistant msExchAssistantName msExchImmutableId \
        msExchElcExpirySuspensionStart msExchElcExpirySuspensionEnd msExchLitigationHoldDate msExchLitigationHoldOwner \
        msExchRetentionComment msExchRetentionUrl msExchResourceDisplay msExchTeamMailboxExpiration \
        msExchTeamMailboxSharePointUrl deviceTrustType";
    let texts = "msExchExtensionCustomAttribute1 msExchExtensionCustomAttribute2 msExchExtensionCustomAttribute3 \
        msExchExtensionCustomAttribute4 msExchExtensionCustomAttribute5 msExchSenderHintTranslations msExchArchiveName \
        msExchUserHoldPolicies msExchResourceMetadata msExchResourceSearchProperties";
    let integer = "msExchRecipientDisplayType msExchRecipientTypeDetails msExchRemoteRecipientType msDsHabSeniorityIndex \
        msExchMailboxAuditLogAgeLimit msExchAuditAdmin msExchAuditDelegate msExchAuditDelegateAdmin msExchAuditOwner \
        msExchElcMailboxFlags msExchResourceCapacity msExchModerationFlags";
    let boolean = "msExchHideFromAddressLists msExchMailboxAuditEnable msExchBypassAudit msExchEnableModeration \
        msExchRequireAuthToSendTo hideDLMembership msOrgIsOrganizational oOFReplyToOriginator reportToOriginator \
        reportToOwner";
    let binary = "msExchMailboxGuid msExchArchiveGuid msExchSafeSendersHash msExchSafeRecipientsHash \
        msExchBlockedSendersHash deviceId";
    let references = "msExchTeamMailboxOwners msExchTeamMailboxSharePointLinkedBy msExchModeratedByLink \
        msExchCoManagedByLink authOrig unauthOrig dLMemSubmitPerms dLMemRejectPerms publicDelegates \
        msExchDelegateListLink";
    let (single, multi) = (Plurality::Single, Plurality::Multi);
    for (names, kind, plurality) in [
        (text, ValueKind::Text, single),
        (texts, ValueKind::Text, multi),
        (integer, ValueKind::Integer, single),
        (boolean, ValueKind::Boolean, single),
        (binary, ValueKind::Binary, single),
        ("userCertificate userSMIMECertificate", ValueKind::Binary, multi),
        (references, ValueKind::Reference, multi),
        ("altRecipient", ValueKind::Reference, single),
    ] {
        for name in names.split_whitespace() {
            schema = schema.attribute(name, kind, plurality, true);
        }
    }
    schema
}

fn packages(names: &[Package], cloud: CloudSchema) -> ShippedOptions {
    ShippedOptions { packages: names.iter().copied().collect(), cloud, ..ShippedOptions::default() }
}

/// SF29: each package loads by itself and with the others, for one source and for three, and fits the schemas.
#[test]
fn sf29_packages_load_and_fit() {
    let sets: Vec<Vec<Package>> =
        Package::ALL.iter().map(|package| vec![*package]).chain([Package::ALL.to_vec()]).collect();
    for set in sets {
        for (cloud, schema) in [
            (CloudSchema::Graph, graph_schema()),
            (CloudSchema::Connect, connect_schema()),
            (CloudSchema::Provisioning, provisioning_schema()),
        ] {
            for pairs in [&[("ad", "cloud")][..], &[("ad", "cloud"), ("east", "cloud"), ("west", "cloud")]] {
                let loaded = loaded_with(pairs, "", &packages(&set, cloud));
                assert_eq!(loaded.diagnostics, [], "{set:?}");
                let rules = loaded.rules.unwrap();
                let sources = pairs.iter().map(|(source, _)| (*source, active_directory::schema()));
                let schemas: Vec<(&str, ConnectorSchema)> = sources.chain([("cloud", schema.clone())]).collect();
                assert_eq!(checked_rules(&rules, &schemas), [], "{set:?}");
            }
        }
    }
    // None of it is there unless it was asked for.
    let plain = rules();
    assert!(!plain.text.contains("msExchMailboxGuid") && !plain.text.contains("accountExpires"));
}

/// A package whose objects the connector does not import says which setting to change.
#[test]
fn a_package_names_the_object_type_that_is_not_imported() {
    let rules = rules_with(&packages(&[Package::ForeignPrincipals], CloudSchema::Graph));
    let mut schema = active_directory::schema();
    schema.classes.remove("foreignSecurityPrincipal");
    let found = checked_rules(&rules, &[("ad", schema)]);
    let said: Vec<String> = found.iter().map(|found| format!("{}: {}", found.code, found.help)).collect();
    expect![[
        r#"class-unknown: import it: add "foreignSecurityPrincipal" to object_classes under [connector.ad.settings]"#
    ]]
    .assert_eq(&said.join("\n"));
}

/// How many flows are in scope for a user with a mailbox, inbound and outbound, with everything on: the figure that the
/// benchmark is measured over.
#[test]
fn flows_in_scope_of_a_mail_user() {
    let count = |options: &ShippedOptions| {
        let rules = loaded_with(&[("ad", "cloud")], "", options).rules.unwrap().rules;
        let of = |direction: Direction, types: [&str; 2]| {
            let applies = |rule: &&crate::Rule| {
                rule.direction == direction
                    && rule.source_type.as_ref().is_some_and(|found| *found == types[0])
                    && rule.target_type.as_ref().is_some_and(|found| *found == types[1])
            };
            let mail_user = |rule: &&crate::Rule| !rule.id.contains("contact");
            rules.iter().filter(applies).filter(mail_user).map(|rule| rule.flows.len()).sum::<usize>()
        };
        (of(Direction::Inbound, ["user", "person"]), of(Direction::Outbound, ["person", "user"]))
    };
    let exchange = |cloud| count(&packages(&[Package::ExchangeHybrid], cloud));
    expect!["(146, 42) (205, 42) (205, 105)"].assert_eq(&format!(
        "{:?} {:?} {:?}",
        count(&ShippedOptions::default()),
        exchange(CloudSchema::Graph),
        exchange(CloudSchema::Provisioning)
    ));
}

/// D41: the package puts its rule before the one that says "enabled".
#[test]
fn d41_an_expired_account_counts_as_disabled() {
    let rules = rules_with(&packages(&[Package::AccountExpires], CloudSchema::Graph));
    let place = |id: &str| rules.rules.iter().position(|rule| &*rule.id == id).unwrap();
    assert_eq!(place("in-from-ad-user-account-expires") + 1, place("in-from-ad-user-account-enabled"));
    // The clock of these tests stands at 1970.
    let enabled = |value: &str| {
        let object = format!("accountExpires: {value}");
        flow_text(&rules, "in-from-ad-user-account-expires", &["accountEnabled"], &object).trim().to_owned()
    };
    assert_eq!(enabled("116444735990000000"), "accountEnabled = False", "a second before 1970");
    assert_eq!(enabled("116444736000000000"), "accountEnabled = False", "the instant itself");
    assert_eq!(enabled("116444736010000000"), "accountEnabled = Null", "not yet");
    assert_eq!(enabled("0"), "accountEnabled = Null", "never");
    assert_eq!(enabled("9223372036854775807"), "accountEnabled = Null", "never");
}

/// D5, D11, D42: the domain, the time of the last password change, and the sign-in name under each choice.
#[test]
fn sign_in_names_are_chosen() {
    let check = |login_attribute: Option<&str>, sign_in_name_fallback, names: &[&str], object: &str, expect: Expect| {
        let login_attribute = login_attribute.map(str::to_owned);
        let rules = rules_with(&ShippedOptions { login_attribute, sign_in_name_fallback, ..ShippedOptions::default() });
        let text = |rule| flow_text(&rules, rule, names, object);
        let enabled = text("in-from-ad-user-account-enabled");
        assert_eq!(enabled, text("in-from-ad-inetorgperson-common"), "both rules say the same");
        expect.assert_eq(&enabled);
    };
    let ann = "dn: CN=Ann,OU=Staff,DC=corp,DC=example\nsAMAccountName: ann\nmail: ann@x.example\npwdLastSet: 133485408000000000";
    check(
        None,
        false,
        &["userPrincipalName", "domainFQDN", "pwdLastSet"],
        ann,
        expect![[r#"
        userPrincipalName = Null
        domainFQDN = "corp.example"
        pwdLastSet = "20240101000000.0Z"
    "#]],
    );
    check(
        None,
        true,
        &["userPrincipalName"],
        ann,
        expect![[r#"
        userPrincipalName = "ann@corp.example"
    "#]],
    );
    check(
        None,
        true,
        &["userPrincipalName"],
        "dn: CN=Ann,OU=Staff,DC=corp,DC=example",
        expect![[r#"
        userPrincipalName = Null
    "#]],
    );
    check(
        None,
        true,
        &["userPrincipalName", "domainFQDN"],
        "sAMAccountName: ann",
        expect![[r#"
        userPrincipalName = Null
        domainFQDN = Null
    "#]],
    );
    let named = format!("{ann}\nuserPrincipalName: ann@corp.local");
    check(
        None,
        true,
        &["userPrincipalName"],
        &named,
        expect![[r#"
        userPrincipalName = "ann@corp.local"
    "#]],
    );
    check(
        Some("mail"),
        false,
        &["userPrincipalName", "onPremisesUserPrincipalName"],
        &named,
        expect![[r#"
        userPrincipalName = "ann@x.example"
        onPremisesUserPrincipalName = "ann@corp.local"
    "#]],
    );
}

/// The examples that come with each choice: those that hold under it, for each source, with nothing left to fill in.
#[test]
fn the_examples_fit_the_choice() {
    let everything = || packages(&Package::ALL, CloudSchema::Graph);
    let named = |sources: &[&str], options: ShippedOptions| {
        let pairs: Vec<(&str, &str)> = sources.iter().map(|source| (*source, "cloud")).collect();
        let files = shipped_tests(&pairs, &options);
        let short = files.iter().map(|(name, text)| {
            assert!(!["@SOURCE@", "@OTHER@", "@CLOUD@"].iter().any(|hole| text.contains(hole)), "{name}");
            let tests = text.matches("[[test]]").count();
            format!("{} {tests}", name.trim_start_matches("tests/").trim_end_matches(".toml"))
        });
        short.collect::<Vec<_>>().join(", ")
    };
    let mut text = String::new();
    let mut add = |what: &str, names: String| text.push_str(&format!("{what}: {names}\n"));
    add("plain", named(&["ad"], ShippedOptions::default()));
    assert_eq!(shipped_tests(&[], &everything()), [], "nobody to synchronise");
    add(
        "object GUID",
        named(&["ad"], ShippedOptions { source_anchor: SourceAnchor::ObjectGuid, ..ShippedOptions::default() }),
    );
    add("fallback", named(&["ad"], ShippedOptions { sign_in_name_fallback: true, ..ShippedOptions::default() }));
    add("everything", named(&["ad"], everything()));
    let connect = |packages: &[Package]| self::packages(packages, CloudSchema::Connect);
    add("Connect mode", named(&["ad"], connect(&[])));
    add("everything in Connect mode", named(&["ad"], connect(&Package::ALL)));
    add("everything that the service has", named(&["ad"], packages(&Package::ALL, CloudSchema::Provisioning)));
    let write_back = SourceAnchor::ConsistencyGuidWriteBack;
    add("write-back", named(&["ad"], ShippedOptions { source_anchor: write_back, ..everything() }));
    let by_mail = || ShippedOptions { login_attribute: Some("mail".into()), ..everything() };
    add("by mail", named(&["ad"], by_mail()));
    add("by mail, with write-back", named(&["ad"], ShippedOptions { source_anchor: write_back, ..by_mail() }));
    add("two forests", named(&["ad", "west"], ShippedOptions::default()));
    add("two forests, everything", named(&["ad", "west"], everything()));
    add("two forests by mail", named(&["ad", "west"], by_mail()));
    expect![[r#"
        plain: 10-ad-accounts 7, 12-ad-groups 3, 13-ad-contacts 1
        object GUID: 10-ad-accounts 6, 12-ad-groups 3, 13-ad-contacts 1
        fallback: 10-ad-accounts 6, 12-ad-groups 3, 13-ad-contacts 1
        everything: 10-ad-accounts 7, 12-ad-groups 3, 13-ad-contacts 1, 40-ad-exchange-hybrid 1, 41-ad-account-expires 1, 43-ad-devices 1
        Connect mode: 10-ad-accounts 7, 12-ad-groups 3, 13-ad-contacts 2
        everything in Connect mode: 10-ad-accounts 7, 12-ad-groups 3, 13-ad-contacts 2, 40-ad-exchange-hybrid 1, 41-ad-account-expires 1, 43-ad-devices 1
        everything that the service has: 10-ad-accounts 7, 12-ad-groups 3, 13-ad-contacts 2, 40-ad-exchange-hybrid 1, 41-ad-account-expires 1
        write-back: 13-ad-contacts 1, 14-ad-source-anchor 1, 40-ad-exchange-hybrid 1, 43-ad-devices 1
        by mail: 13-ad-contacts 1, 40-ad-exchange-hybrid 1, 43-ad-devices 1
        by mail, with write-back: 13-ad-contacts 1, 40-ad-exchange-hybrid 1, 43-ad-devices 1
        two forests: 10-ad-accounts 7, 12-ad-groups 3, 13-ad-contacts 1, 10-west-accounts 7, 12-west-groups 3, 13-west-contacts 1, 20-two-forests 4
        two forests, everything: 10-ad-accounts 7, 12-ad-groups 3, 13-ad-contacts 1, 40-ad-exchange-hybrid 1, 41-ad-account-expires 1, 43-ad-devices 1, 10-west-accounts 7, 12-west-groups 3, 13-west-contacts 1, 40-west-exchange-hybrid 1, 41-west-account-expires 1, 43-west-devices 1, 20-two-forests 4, 42-foreign-principals 1
        two forests by mail: 13-ad-contacts 1, 40-ad-exchange-hybrid 1, 43-ad-devices 1, 13-west-contacts 1, 40-west-exchange-hybrid 1, 43-west-devices 1
    "#]]
    .assert_eq(&text);
}
