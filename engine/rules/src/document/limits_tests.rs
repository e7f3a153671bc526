//! What rules ask and a connected system cannot do, as lines of text: each with its rule and place.

use super::tests::{CONFIGURATION, METAVERSE, loaded, outbound, shown};
use crate::{check_against, check_limits};
use expect_test::{Expect, expect};
use metaverse_schema::{ConnectorSchema, ExportLimit, LimitedExport, ObjectType, Plurality, ValueKind};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A target that holds users, reads contacts, and knows neither mailboxes nor devices.
fn schema() -> ConnectorSchema {
    let limit = |class: &str, what: LimitedExport, code: &'static str| ExportLimit {
        class: ObjectType::new(class),
        what,
        code,
        message: format!("this mode says no to a {class}"),
        remedy: "use the other mode".to_owned(),
    };
    let mut schema = ConnectorSchema::default()
        .class("user", true)
        .class("contact", false)
        .attribute("displayName", ValueKind::Text, Plurality::Single, true)
        .attribute("mail", ValueKind::Text, Plurality::Single, false)
        .attribute("proxyAddresses", ValueKind::Text, Plurality::Multi, false)
        .attribute("phones", ValueKind::Text, Plurality::Multi, true)
        .attribute("pager", ValueKind::Text, Plurality::Single, true);
    schema.limits = vec![
        limit("user", LimitedExport::Write("mail".into()), "limitation-read-only"),
        limit("user", LimitedExport::Write("proxyAddresses".into()), "limitation-read-only"),
        limit("user", LimitedExport::Lacks("pager".into()), "schema-violation"),
        limit("user", LimitedExport::Merge, "limitation-merge"),
        limit("user", LimitedExport::Detach, "limitation-detach"),
        limit("contact", LimitedExport::Anything, "limitation-contact"),
        limit("user", LimitedExport::Write("msExchMailboxGuid".into()), "limitation-exchange-attributes"),
        limit("device", LimitedExport::Anything, "limitation-device"),
    ];
    schema
}

fn check(rules: &[String], expected: Expect) {
    let loaded = loaded(CONFIGURATION, &[("rules/m.toml", METAVERSE), ("rules/r.toml", &rules.concat())]);
    assert_eq!(shown(&loaded.diagnostics, &loaded.sources), "");
    let rules = loaded.rules.unwrap();
    let schemas: BTreeMap<Arc<str>, ConnectorSchema> = [(Arc::from("cloud"), schema())].into();
    assert_eq!(shown(&check_against(&rules, &schemas), &loaded.sources), "", "told once, with its reason");
    expected.assert_eq(&shown(&check_limits(&rules, &schemas), &loaded.sources));
}

fn contact(more: &str) -> String {
    outbound("contact", 2, more).replace("target_type = \"user\"", "target_type = \"contact\"")
}

/// Attribute, object type and operation: each demand that meets a limit is told with rule, place, reason and remedy.
#[test]
fn what_a_mode_cannot_do_is_told_by_rule_and_place() {
    let user = "[rule.takeover]\naddresses = \"proxyAddresses\"\n[rule.deprovision]\nadopted = \"detach\"\n[rule.flow]\n\
        displayName = \"[displayName]\"\nmail = \"[mail]\"\npager = \"[mail]\"\nproxyAddresses = \"[proxyAddresses]\"\n\
        phones = { expression = \"[proxyAddresses]\", merge = \"merge\" }";
    let user =
        outbound("user", 1, user).replace("target_type = \"user\"", "target_type = \"user\"\nlink = \"provision\"");
    check(
        &[user, contact("[rule.flow]\nmail = \"[mail]\"")],
        expect![[r#"
        rules/r.toml:1:1 note deprovision-cannot-detach <[[rule]]> limitation-detach: this mode says no to a user (rule `person`) (use the other mode)
        rules/r.toml:16:9 warning flow-target-read-only <[mail]> limitation-read-only: this mode says no to a user (rule `person`) (use the other mode)
        rules/r.toml:17:10 error flow-target-not-of-type <[mail]> schema-violation: this mode says no to a user (rule `person`) (use the other mode)
        rules/r.toml:18:19 note flow-target-read-only <[proxyAddresses]> limitation-read-only: this mode says no to a user (rule `person`) (use the other mode)
        rules/r.toml:19:26 warning flow-cannot-merge <[proxyAddresses]> limitation-merge: this mode says no to a user (rule `person`) (use the other mode)
        rules/r.toml:20:1 warning class-not-writable <[[rule]]> limitation-contact: this mode says no to a contact (rule `contact`) (use the other mode)
    "#]],
    );
}

/// A rule that names the limitation itself is as it should be, and is listed as a note.
#[test]
fn what_a_rule_names_itself_is_a_note() {
    let named = "[[rule.limitation]]\ncode = \"no-contacts\"\nwhen = \"True\"\nmessage = \"there are no contacts\"";
    check(
        &[contact(named)],
        expect![[r#"
        rules/r.toml:1:1 note class-not-writable <[[rule]]> limitation-contact: this mode says no to a contact (rule `contact`) (use the other mode)
        rules/r.toml:11:9 note limitation-named <True> no-contacts: there are no contacts (rule `contact`) (`metasync pending cloud` counts them)
    "#]],
    );
}

/// A package whose other half this target's mode cannot hold is named with the reason.
#[test]
fn a_package_that_is_not_written_is_named() {
    let inbound = |id: &str, place: u32, target: &str, flow: &str| {
        format!(
            "[[rule]]\nid = \"{id}\"\nname = \"{id}\"\ndirection = \"inbound\"\nconnector = \"ad\"\nsource_type = \"user\"\n\
             target_type = \"{target}\"\nlink = \"join\"\nprecedence = {place}\n[rule.flow]\n{flow}\n"
        )
    };
    let rules = [
        "[metaverse.person]\nmsExchMailboxGuid = \"text\"\n[metaverse.device]\ndeviceId = \"text\"\n".to_owned(),
        inbound("mailbox", 10, "person", "msExchMailboxGuid = \"[msExchMailboxGuid]\""),
        inbound("computer", 11, "device", "deviceId = \"[cn]\""),
        outbound("user", 1, "[rule.flow]\ndisplayName = \"[displayName]\""),
    ];
    check(
        &rules,
        expect![[r#"
        rules/r.toml:5:1 note package-not-written <[[rule]]> limitation-exchange-attributes: what the package `exchange-hybrid` brings into the metaverse is not written to `cloud`: this mode says no to a user (use the other mode)
        rules/r.toml:16:1 note package-not-written <[[rule]]> limitation-device: what the package `devices` brings into the metaverse is not written to `cloud`: this mode says no to a device (use the other mode)
    "#]],
    );
}
