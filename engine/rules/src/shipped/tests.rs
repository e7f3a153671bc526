//! The shipped rules load without a word, fit the schemas they are for, and say what the safety rules ask.

use super::{CloudSchema, ShippedOptions, shipped_rules};
use crate::diagnostic::Diagnostic;
use crate::document::{FileText, Files, load};
use crate::{Criterion, DeprovisionAction, Expression, Inputs, Loaded, Outcome, RuleSet, check_against};
use expect_test::{Expect, expect};
use metaverse_schema::{
    Attributes, ConnectorSchema, Guid, Plurality, Reference, Value, ValueKind, Values, active_directory,
};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

fn loaded(pairs: &[(&str, &str)], matching: &str) -> Loaded {
    loaded_with(pairs, matching, &ShippedOptions::default())
}

pub(super) fn loaded_with(pairs: &[(&str, &str)], matching: &str, options: &ShippedOptions) -> Loaded {
    let mut configuration = format!("[deployment]\nname = \"test\"\n[matching]\n{matching}\n");
    let mut connectors: Vec<(&str, &str)> = pairs.iter().map(|(source, _)| (*source, "active-directory")).collect();
    connectors.extend(pairs.iter().map(|(_, cloud)| (*cloud, "azure-ad")));
    connectors.sort();
    connectors.dedup();
    for (name, kind) in connectors {
        let _ = writeln!(configuration, "[connector.{name}]\nkind = \"{kind}\"");
    }
    let files = Files {
        configuration: FileText::text("metasync.toml", configuration),
        rules: shipped_rules(pairs, options).into_iter().map(|(name, text)| FileText::text(name, text)).collect(),
    };
    load(&files, PathBuf::from("/deployment"))
}

pub(super) fn rules() -> RuleSet {
    let loaded = loaded(&[("ad", "cloud")], "");
    assert_eq!(loaded.diagnostics, []);
    loaded.rules.unwrap()
}

/// The names and kinds that the connector for Azure AD offers in Graph mode.
pub(super) fn graph_schema() -> ConnectorSchema {
    let mut schema = ConnectorSchema::default()
        .class("user", true)
        .class("group", true)
        .class("contact", false)
        .class("deletedUser", false);
    let single = "userPrincipalName displayName givenName surname mail mailNickname userType onPremisesImmutableId \
        department jobTitle companyName officeLocation streetAddress city state postalCode country usageLocation \
        mobilePhone faxNumber employeeId employeeType preferredLanguage deletedDateTime description uniqueName \
        membershipRule";
    for name in single.split_whitespace() {
        schema = schema.attribute(name, ValueKind::Text, Plurality::Single, true);
    }
    for number in 1..=15 {
        schema = schema.attribute(&format!("extensionAttribute{number}"), ValueKind::Text, Plurality::Single, true);
    }
    for name in ["businessPhones", "otherMails"] {
        schema = schema.attribute(name, ValueKind::Text, Plurality::Multi, true);
    }
    for name in ["proxyAddresses", "identityIssuers", "assignedSkus", "groupTypes"] {
        schema = schema.attribute(name, ValueKind::Text, Plurality::Multi, false);
    }
    for name in ["accountEnabled", "mailEnabled", "securityEnabled"] {
        schema = schema.attribute(name, ValueKind::Boolean, Plurality::Single, true);
    }
    for name in ["onPremisesSyncEnabled", "isAssignableToRole"] {
        schema = schema.attribute(name, ValueKind::Boolean, Plurality::Single, false);
    }
    schema.attribute("manager", ValueKind::Reference, Plurality::Single, true).attribute(
        "members",
        ValueKind::Reference,
        Plurality::Multi,
        true,
    )
}

/// The same in Connect mode.
pub(super) fn connect_schema() -> ConnectorSchema {
    let mut schema = graph_schema().class("contact", true);
    schema = schema.attribute("proxyAddresses", ValueKind::Text, Plurality::Multi, true);
    let single = "sourceAnchor onPremisesSamAccountName onPremisesDomainName onPremisesSecurityIdentifier \
        onPremisesUserPrincipalName info homePhone pager ipPhone";
    for name in single.split_whitespace() {
        schema = schema.attribute(name, ValueKind::Text, Plurality::Single, true);
    }
    schema.attribute("onPremisesSyncEnabled", ValueKind::Boolean, Plurality::Single, true).attribute(
        "blockOnPremisesSync",
        ValueKind::Boolean,
        Plurality::Single,
        false,
    )
}

fn checked(schemas: &[(&str, ConnectorSchema)]) -> Vec<Diagnostic> {
    checked_rules(&rules(), schemas)
}

pub(super) fn checked_rules(rules: &RuleSet, schemas: &[(&str, ConnectorSchema)]) -> Vec<Diagnostic> {
    let schemas: BTreeMap<Arc<str>, ConnectorSchema> =
        schemas.iter().map(|(name, schema)| (Arc::from(*name), schema.clone())).collect();
    check_against(rules, &schemas)
}

pub(super) fn rules_with(options: &ShippedOptions) -> RuleSet {
    let loaded = loaded_with(&[("ad", "cloud")], "", options);
    assert_eq!(loaded.diagnostics, []);
    let rules = loaded.rules.unwrap();
    assert_eq!(checked_rules(&rules, &[("ad", active_directory::schema()), ("cloud", graph_schema())]), []);
    rules
}

#[test]
fn they_load_and_fit_both_schemas_without_a_word() {
    assert_eq!(checked(&[("ad", active_directory::schema()), ("cloud", graph_schema())]), []);
    let options = ShippedOptions { cloud: CloudSchema::Connect, ..ShippedOptions::default() };
    let synchronised = loaded_with(&[("ad", "cloud")], "", &options);
    assert_eq!(synchronised.diagnostics, []);
    let schemas = [("ad", active_directory::schema()), ("cloud", connect_schema())];
    assert_eq!(checked_rules(&synchronised.rules.unwrap(), &schemas), []);
}

/// SF4, SF30, section 0: what Connect mode does otherwise. A synchronised object goes with its object in the directory, also one
/// that existed before; whoever the cloud masters again is left alone; every kind of object asks to be synchronised.
#[test]
fn connect_mode_masters_what_it_takes_over() {
    let options = ShippedOptions { cloud: CloudSchema::Connect, ..ShippedOptions::default() };
    let rules = loaded_with(&[("ad", "cloud")], "", &options).rules.unwrap();
    for id in ["out-to-cloud-user-join", "out-to-cloud-contact-join", "out-to-cloud-group-join"] {
        let rule = rules.rules.iter().find(|rule| &*rule.id == id).unwrap();
        assert_eq!(rule.deprovision.adopted, DeprovisionAction::Delete, "{id}");
        let takeover = rule.takeover.as_ref().unwrap();
        assert!(takeover.never.iter().any(|never| &*never.code == "cloud-mastered"), "{id}");
        assert_eq!(takeover.addresses, Some("proxyAddresses".into()), "{id}");
        assert!(rule.flows.iter().any(|flow| flow.target == "onPremisesSyncEnabled"), "{id}");
        let stamp = if id.contains("user") { "onPremisesImmutableId" } else { "sourceAnchor" };
        assert_eq!(takeover.stamp, Some(stamp.into()), "{id}");
        // The service matches by primary address itself; what it would do is seen before.
        assert!(rule.join.iter().any(|group| group.criterion == Criterion::PrimarySmtp), "{id}");
    }
    let limits = rules.rules.iter().flat_map(|rule| &rule.limitations).map(|limitation| limitation.code.to_string());
    assert_eq!(limits.collect::<Vec<_>>(), ["no-sign-in-name", "group-too-large"]);
}

/// A directory whose schema was never extended by Exchange lacks what the rules read; that is no mistake.
#[test]
fn a_directory_without_exchange_is_no_mistake() {
    let mut plain = active_directory::schema();
    plain.attributes.retain(|name, _| {
        let name = name.as_str();
        !(name.starts_with("msExch") || name.starts_with("extensionAttribute") || name == "mailNickname")
    });
    assert_eq!(checked(&[("ad", plain)]), []);
}

#[test]
fn precedence_follows_the_rule_set_they_come_from() {
    let listed: String = rules()
        .rules
        .iter()
        .map(|rule| format!("{} {} ({:?}, {} flows)\n", rule.precedence, rule.name, rule.link, rule.flows.len()))
        .collect();
    expect![[r#"
        100 In from ad - User Join (Provision, 1 flows)
        101 In from ad - InetOrgPerson Join (Provision, 1 flows)
        102 In from ad - User AccountEnabled (Join, 10 flows)
        103 In from ad - InetOrgPerson AccountEnabled (Join, 10 flows)
        104 In from ad - User Common from Exchange (Join, 61 flows)
        105 In from ad - InetOrgPerson Common from Exchange (Join, 61 flows)
        106 In from ad - User Common (Join, 72 flows)
        107 In from ad - InetOrgPerson Common (Join, 72 flows)
        112 In from ad - Group Join (Provision, 2 flows)
        114 In from ad - Group Common (Join, 15 flows)
        115 In from ad - Contact Join (Provision, 1 flows)
        116 In from ad - Contact Common (Join, 31 flows)
        119 In from cloud - User (Join, 2 flows)
        120 In from cloud - Contact (Join, 1 flows)
        121 In from cloud - Group (Join, 1 flows)
        123 Out to cloud - User Join (Provision, 3 flows)
        124 Out to cloud - User Identity (Join, 39 flows)
        130 Out to cloud - Contact Join (Provision, 0 flows)
        139 Out to cloud - Group Join (Provision, 4 flows)
        140 Out to cloud - Group Identity (Join, 3 flows)
    "#]]
    .assert_eq(&listed);
}

#[test]
fn two_forests_stand_together_in_each_group() {
    let loaded = loaded(&[("east", "cloud"), ("west", "cloud")], "");
    assert_eq!(loaded.diagnostics, []);
    let names: Vec<String> =
        loaded.rules.unwrap().rules.iter().take(6).map(|rule| format!("{} {}", rule.precedence, rule.name)).collect();
    expect![[r#"
        100 In from east - User Join
        101 In from west - User Join
        102 In from east - InetOrgPerson Join
        103 In from west - InetOrgPerson Join
        104 In from east - User AccountEnabled
        105 In from west - User AccountEnabled"#]]
    .assert_eq(&names.join("\n"));
}

/// SF5, SF9, SF10: in which order an existing user is looked for, and by what.
#[test]
fn users_are_looked_for_in_this_order() {
    let order = |matching: &str| {
        let rules = loaded(&[("ad", "cloud")], matching).rules.unwrap();
        let rule = rules.rules.into_iter().find(|rule| &*rule.id == "out-to-cloud-user-join").unwrap();
        let groups: Vec<String> = rule
            .join
            .iter()
            .map(|group| match &group.target_type {
                Some(object_type) => format!("{} ({object_type})", group.criterion),
                None => group.criterion.to_string(),
            })
            .collect();
        groups.join(", ")
    };
    expect!["anchor, primary-smtp, deleted-anchor (deletedUser), deleted-twin (deletedUser), deleted-twin (deletedUser), review-only, review-only, review-only (contact), review-only (group)"].assert_eq(&order(""));
    assert!(order("user_principal_name = true").contains("primary-smtp, sign-in-name, sign-in-name, deleted-anchor"));
}

struct Image(Attributes);

impl Inputs for Image {
    fn attribute(&self, name: &str) -> Option<Cow<'_, Values>> {
        self.0.get(name).map(Cow::Borrowed)
    }

    fn parameter(&self, _: &str) -> Option<Value> {
        None
    }

    fn now(&self) -> i64 {
        0
    }
}

fn image(text: &str) -> Image {
    let mut attributes = Attributes::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(": ").unwrap();
        let value = match (name, value) {
            ("objectGUID" | "mS-DS-ConsistencyGuid" | "sourceAnchorBinary", guid) => {
                let guid: Guid = guid.parse().unwrap();
                Value::Binary(guid.as_directory_bytes().to_vec())
            }
            ("dn", dn) => Value::Reference(Reference::Dn(dn.parse().unwrap())),
            (_, "TRUE") => Value::Boolean(true),
            (_, "FALSE") => Value::Boolean(false),
            (_, number) if number.parse::<i64>().is_ok() => Value::Integer(number.parse().unwrap()),
            (_, text) => Value::text(text),
        };
        attributes.add(name, value);
    }
    Image(attributes)
}

fn shown(expression: &Expression, image: &Image) -> String {
    match expression.evaluate(image) {
        Ok(Outcome::Values(values)) => format!("{values:?}"),
        Ok(other) => format!("{other:?}"),
        Err(error) => error.to_string(),
    }
}

/// The flows of one rule over one object.
fn flows(rule: &str, names: &[&str], object: &str, expect: Expect) {
    expect.assert_eq(&flow_text(&rules(), rule, names, object));
}

pub(super) fn flow_text(rules: &RuleSet, rule: &str, names: &[&str], object: &str) -> String {
    let rule = rules.rules.iter().find(|candidate| &*candidate.id == rule).unwrap();
    let image = image(object);
    let mut seen = String::new();
    for name in names {
        let flow = rule.flows.iter().find(|flow| flow.target == **name).unwrap();
        let outcome = match &flow.source {
            crate::FlowSource::Expression(expression) => shown(expression, &image),
            crate::FlowSource::Direct(name) => format!("{:?}", image.0.get(name.as_str())),
            crate::FlowSource::Constant(value) => format!("{value:?}"),
        };
        let _ = writeln!(seen, "{name} = {outcome}");
    }
    seen
}

/// D2, D9-D16: an ordinary account, a linked mailbox, and one that is known by `mail` alone.
#[test]
fn accounts_come_in() {
    let names = [
        "sourceObjectType",
        "sourceAnchor",
        "accountEnabled",
        "primarySmtp",
        "proxyAddresses",
        "displayName",
        "department",
        "usageLocation",
    ];
    flows(
        "in-from-ad-user-common",
        &names,
        "objectGUID: 00112233-4455-6677-8899-aabbccddeeff
         userAccountControl: 514
         cn: Ann
         c: de
         mail: other@x.example
         proxyAddresses: smtp:ann.smith@x.example
         proxyAddresses: SMTP:Ann@x.example
         proxyAddresses: x500:/o=Org SMTP:no",
        expect![[r#"
            sourceObjectType = "User"
            sourceAnchor = "MyIRAFVEd2aImaq7zN3u/w=="
            accountEnabled = False
            primarySmtp = "Ann@x.example"
            proxyAddresses = ["SMTP:Ann@x.example", "smtp:ann.smith@x.example", "x500:/o=Org SMTP:no"]
            displayName = "Ann"
            department = Null
            usageLocation = "DE"
        "#]],
    );
    flows(
        "in-from-ad-user-common",
        &names,
        "objectGUID: 00112233-4455-6677-8899-aabbccddeeff
         mS-DS-ConsistencyGuid: ffeeddcc-bbaa-9988-7766-554433221100
         userAccountControl: 512
         displayName: Ann Smith
         mail: ann@x.example",
        expect![[r#"
            sourceObjectType = "User"
            sourceAnchor = "zN3u/6q7iJl3ZlVEMyIRAA=="
            accountEnabled = True
            primarySmtp = "ann@x.example"
            proxyAddresses = Null
            displayName = "Ann Smith"
            department = Null
            usageLocation = Null
        "#]],
    );
    flows(
        "in-from-ad-user-common",
        &names,
        "objectGUID: 00112233-4455-6677-8899-aabbccddeeff
         msExchRecipientTypeDetails: 2",
        expect![[r#"
            sourceObjectType = Null
            sourceAnchor = Null
            accountEnabled = IgnoreThisFlow
            primarySmtp = Null
            proxyAddresses = Null
            displayName = Null
            department = Null
            usageLocation = Null
        "#]],
    );
}

#[test]
fn system_objects_are_filtered() {
    let filtered = |rule: &str, object: &str| {
        let rules = rules();
        let rule = rules.rules.iter().find(|candidate| &*candidate.id == rule).unwrap();
        let flow = rule.flows.iter().find(|flow| flow.target == "cloudFiltered").unwrap();
        match &flow.source {
            crate::FlowSource::Expression(expression) => shown(expression, &image(object)),
            other => panic!("{other:?}"),
        }
    };
    let user = |object: &str| filtered("in-from-ad-user-join", object);
    assert_eq!(user("sAMAccountName: ann"), "Null");
    assert_eq!(user("sAMAccountName: ann\nisCriticalSystemObject: FALSE"), "Null");
    for object in [
        "cn: x",
        "sAMAccountName: SUPPORT_388945a0",
        "sAMAccountName: MSOL_0123",
        "sAMAccountName: AAD_0123",
        "sAMAccountName: CAS_{1}",
        "sAMAccountName: a\nmailNickname: SystemMailbox{1}",
        "sAMAccountName: a\nmsExchRecipientTypeDetails: 536870912",
        "sAMAccountName: a\nrdn: CN=Ann\\0ACNF:0a",
        "sAMAccountName: a\nisCriticalSystemObject: TRUE",
    ] {
        assert_eq!(user(object), "True", "{object}");
    }
    assert_eq!(filtered("in-from-ad-group-join", "sAMAccountName: a\nmsExchRecipientTypeDetails: 1073741824"), "True");
    assert_eq!(filtered("in-from-ad-contact-join", "displayName: x (MSOL)"), "Null");
    assert_eq!(filtered("in-from-ad-contact-join", "displayName: x (MSOL)\nmsExchHideFromAddressLists: TRUE"), "True");
}

/// D17-D19: which groups take mail and which are security groups, by their numbers in the directory.
#[test]
fn groups_come_in() {
    let check = |rule, name, object, expect| flows(rule, &[name], object, expect);
    check(
        "in-from-ad-group-common",
        "securityEnabled",
        "groupType: -2147483646",
        expect![[r#"
            securityEnabled = True
        "#]],
    );
    check(
        "in-from-ad-group-common",
        "securityEnabled",
        "groupType: 2",
        expect![[r#"
        securityEnabled = False
    "#]],
    );
    check(
        "in-from-ad-group-join",
        "mailEnabled",
        "proxyAddresses: x500:/o=x",
        expect![[r#"
            mailEnabled = Null
        "#]],
    );
    // X.500 alone is no mail address, whatever `mail` says; a secondary address is one.
    check(
        "in-from-ad-group-join",
        "mailEnabled",
        "proxyAddresses: x500:/o=x\nmail: sales@x.example",
        expect![[r#"
            mailEnabled = Null
        "#]],
    );
    check(
        "in-from-ad-group-join",
        "mailEnabled",
        "proxyAddresses: x500:/o=x\nproxyAddresses: smtp:sales@x.example",
        expect![[r#"
            mailEnabled = True
        "#]],
    );
    check(
        "in-from-ad-group-join",
        "mailEnabled",
        "proxyAddresses: SMTP:sales@x.example",
        expect![[r#"
            mailEnabled = True
        "#]],
    );
    check(
        "in-from-ad-group-join",
        "mailEnabled",
        "mail: sales@x.example",
        expect![[r#"
        mailEnabled = True
    "#]],
    );
    flows(
        "out-to-cloud-group-join",
        &["uniqueName", "mailNickname", "mailEnabled"],
        "sourceAnchorBinary: 00112233-4455-6677-8899-aabbccddeeff\nmemberCount: 3",
        expect![[r#"
            uniqueName = "ms-gmrbcacvir3wncezvk54zxpo74"
            mailNickname = "ms-gmrbcacvir3wncezvk54zxpo74"
            mailEnabled = False
        "#]],
    );
    flows(
        "out-to-cloud-group-join",
        &["uniqueName"],
        "sourceAnchorBinary: 00112233-4455-6677-8899-aabbccddeeff\nmemberCount: 250001",
        expect![[r#"
            uniqueName = sync-rule-error-function-triggered: The group has more than 250000 members.
        "#]],
    );
}

/// D31, D32: a new group at the limit is a limitation; one that exists stops only beyond it.
#[test]
fn groups_at_the_member_limit() {
    let rules = rules();
    let rule = rules.rules.iter().find(|rule| &*rule.id == "out-to-cloud-group-join").unwrap();
    let limited = |object: &str| {
        let image = image(object);
        let holds = rule.limitations.iter().filter(|limitation| shown(&limitation.when, &image) == "True");
        holds.map(|limitation| limitation.code.to_string()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(limited("securityEnabled: TRUE\nmemberCount: 249999"), "");
    assert_eq!(limited("securityEnabled: TRUE\nmemberCount: 250000"), "group-too-large");
    flows(
        "out-to-cloud-group-join",
        &["uniqueName"],
        "sourceAnchorBinary: 00112233-4455-6677-8899-aabbccddeeff\nmemberCount: 250000",
        expect![[r#"
            uniqueName = "ms-gmrbcacvir3wncezvk54zxpo74"
        "#]],
    );
}

/// SF7: guests and foreign identities; SF10: addresses; D29: a changed anchor.
#[test]
fn existing_users_are_judged() {
    let rules = rules();
    let rule = rules.rules.iter().find(|rule| &*rule.id == "out-to-cloud-user-join").unwrap();
    let never = |object: &str| {
        let image = image(object);
        let hits: Vec<&str> = rule
            .takeover
            .iter()
            .flat_map(|takeover| &takeover.never)
            .filter(|never| shown(&never.when, &image) == "True")
            .map(|never| &*never.code)
            .collect();
        hits.join(" ")
    };
    assert_eq!(never("userType: Member\nuserPrincipalName: a@x\nidentityIssuers: x.onmicrosoft.com"), "");
    assert_eq!(never("userType: Guest\nuserPrincipalName: a@x"), "guest");
    assert_eq!(never("userType: Member\nuserPrincipalName: a_y.com#ext#@x.onmicrosoft.com"), "guest");
    assert_eq!(never("identityIssuers: google.com"), "foreign-identity");
    assert_eq!(never("identityIssuers: x.onmicrosoft.com\nidentityIssuers: other.example"), "foreign-identity");
    assert_eq!(never("onPremisesSyncEnabled: TRUE"), "synchronised-elsewhere");

    let target = |criterion: Criterion, position: usize, object: &str| {
        let group = rule.join.iter().filter(|group| group.criterion == criterion).nth(position).unwrap();
        shown(&group.clauses[0].target, &image(object))
    };
    let mailbox = "mail: ann@x\nproxyAddresses: SMTP:Ann@x\nproxyAddresses: smtp:a.smith@x\nproxyAddresses: SIP:ann@x";
    assert_eq!(target(Criterion::PrimarySmtp, 0, mailbox), r#""Ann@x""#);
    assert_eq!(target(Criterion::PrimarySmtp, 0, "mail: ann@x\nproxyAddresses: smtp:z@x"), r#""ann@x""#);
    assert_eq!(target(Criterion::PrimarySmtp, 0, "displayName: x"), "Null");
    assert_eq!(target(Criterion::ReviewOnly, 1, mailbox), r#"["Ann@x", "a.smith@x", "ann@x"]"#);
    assert_eq!(target(Criterion::ReviewOnly, 1, "mail: ann@x"), r#""ann@x""#);
    assert_eq!(target(Criterion::ReviewOnly, 1, "displayName: x"), "Null");
    let deleted = "userPrincipalName: 00112233445566778899aabbccddeeffann@x.example";
    assert_eq!(target(Criterion::DeletedTwin, 0, deleted), r#""ann@x.example""#);
    assert_eq!(target(Criterion::DeletedTwin, 0, "userPrincipalName: ann@x.example"), r#""ann@x.example""#);

    flows(
        "out-to-cloud-user-join",
        &["onPremisesImmutableId", "mailNickname", "usageLocation"],
        "sourceAnchor: AAA=\nuserPrincipalName: ann@x.example",
        expect![[r#"
            onPremisesImmutableId = "AAA="
            mailNickname = "ann"
            usageLocation = IgnoreThisFlow
        "#]],
    );
    flows(
        "out-to-cloud-user-join",
        &["onPremisesImmutableId"],
        "sourceAnchor: AAA=\ncloudObjectType: User\ncloudSourceAnchor: BBB=",
        expect![[r#"
            onPremisesImmutableId = sync-rule-error-function-triggered: SourceAnchor attribute has changed.
        "#]],
    );
}

/// SF1: an attribute that the directory does not have is Null on the way out, so that the kernel decides whether it is
/// owned; only what says so is left alone.
#[test]
fn an_absent_attribute_is_null_on_the_way_out() {
    let rules = rules();
    let empty = image("sourceObjectType: User");
    for rule in rules.rules.iter().filter(|rule| rule.name.contains("Identity")) {
        for flow in &rule.flows {
            if let crate::FlowSource::Expression(expression) = &flow.source {
                let outcome = expression.evaluate(&empty);
                let expected = if flow.target == "mailNickname" { Outcome::IgnoreThisFlow } else { Outcome::Null };
                assert_eq!(outcome, Ok(expected), "{}", flow.target);
            }
        }
    }
}

/// P12, P13, P11: of enabled accounts of class user, on their way to a tenant that takes passwords; nothing else is switched on.
#[test]
fn p12_the_shipped_rules_switch_passwords_on_for_enabled_users() {
    let switched = |cloud: CloudSchema| {
        let options = ShippedOptions { cloud, ..ShippedOptions::default() };
        let mut rules: Vec<String> = Vec::new();
        for (_, text) in shipped_rules(&[("ad", "cloud")], &options) {
            let mut id = String::new();
            for line in text.lines() {
                if let Some(found) = line.strip_prefix("id = ") {
                    id = found.trim_matches('"').to_owned();
                }
                if line == "password_sync = true" {
                    rules.push(id.clone());
                }
            }
        }
        rules
    };
    assert_eq!(switched(CloudSchema::Connect), ["in-from-ad-user-account-enabled", "out-to-cloud-user-join"]);
    assert_eq!(switched(CloudSchema::Graph), Vec::<String>::new());
}
