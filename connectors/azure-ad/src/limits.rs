//! What a mode cannot do with objects of each class, by name: what `check` holds the rules against, so that nobody learns of it
//! from a refused export. Follows the table of properties; never talks to a service.

use crate::schema::{CONTACT, Class, EXTENSION_NAMES, GROUP, SOURCE_ANCHOR, USER, connector_schema, is_writable};
use crate::settings::Mode;
use metaverse_schema::{AttributeName, ConnectorSchema, ExportLimit, LimitedExport, ObjectType, ValueKind};

/// The schema of a mode with its limits.
pub(crate) fn limited_schema(mode: Mode) -> ConnectorSchema {
    let mut schema = connector_schema(mode);
    let mut limits = Vec::new();
    for class in [USER, GROUP, CONTACT] {
        of_class(class, mode, &schema, &mut limits);
    }
    limits.extend(packages(mode));
    schema.limits = limits;
    schema
}

fn limit(class: &str, what: LimitedExport, code: &'static str, message: String, remedy: &str) -> ExportLimit {
    ExportLimit { class: ObjectType::new(class), what, code, message, remedy: remedy.to_owned() }
}

fn of_class(class: &'static Class, mode: Mode, schema: &ConnectorSchema, limits: &mut Vec<ExportLimit>) {
    let name = class.name;
    if mode == Mode::Graph && name == CONTACT.name {
        let message =
            "over Microsoft Graph contacts can only be read: they are neither made nor changed nor deleted".into();
        let remedy = "keep them by hand in the cloud and remove the rule, or use Connect mode";
        limits.push(limit(name, LimitedExport::Anything, "limitation-contact", message, remedy));
        return;
    }
    for (attribute, definition) in &schema.attributes {
        if definition.kind == ValueKind::Secret {
            continue;
        }
        match standing(class, attribute, mode) {
            Standing::Written => {}
            Standing::ReadOnly { in_connect_mode } => {
                limits.push(read_only(name, attribute, mode, in_connect_mode));
            }
            Standing::Unknown => {
                let message =
                    format!("a {name} has no attribute `{attribute}`, and every export of one would be refused");
                let what = LimitedExport::Lacks(attribute.clone());
                limits.push(limit(name, what, "schema-violation", message, "remove the flow"));
            }
        }
    }
    match mode {
        Mode::Graph if name == GROUP.name => {
            let message = "a group has no stamp that could be cleared: one that was taken over cannot be let go".into();
            let remedy = "write adopted = \"disconnect\" or \"delete\" under [rule.deprovision]";
            limits.push(limit(name, LimitedExport::Detach, "limitation-group-detach", message, remedy));
        }
        Mode::Graph => {}
        Mode::Connect => {
            let message = format!("Connect mode cannot let go of a synchronised {name}: it is deleted, or it stays");
            let remedy = "write adopted = \"delete\" or \"disconnect\" under [rule.deprovision]";
            limits.push(limit(name, LimitedExport::Detach, "limitation-detach", message, remedy));
            let message = format!("the provisioning service takes a list of a {name} only as a whole");
            limits.push(limit(
                name,
                LimitedExport::Merge,
                "limitation-merge",
                message,
                "let the flow win: merge = \"update\"",
            ));
        }
    }
}

/// What a mode does with an attribute of a class.
enum Standing {
    Written,
    ReadOnly { in_connect_mode: bool },
    Unknown,
}

fn standing(class: &Class, attribute: &AttributeName, mode: Mode) -> Standing {
    let name = attribute.as_str();
    let is_link = class.link.as_ref().is_some_and(|link| link.attribute == name);
    if is_link || (class.extensions && EXTENSION_NAMES.contains(&name)) {
        return Standing::Written;
    }
    match class.property(name) {
        Some(property) if is_writable(property, mode) => Standing::Written,
        Some(property) => Standing::ReadOnly { in_connect_mode: is_writable(property, Mode::Connect) },
        // The anchor goes with every object that is sent, under whichever of its two names.
        None if mode == Mode::Connect && name == SOURCE_ANCHOR => Standing::Written,
        None => Standing::Unknown,
    }
}

fn read_only(class: &str, attribute: &AttributeName, mode: Mode, in_connect_mode: bool) -> ExportLimit {
    let (message, remedy) = match mode {
        Mode::Graph if in_connect_mode => (
            format!("Microsoft Graph cannot write `{attribute}` of a {class}; where it differs it is listed"),
            "keep the flow to have differences listed, remove it, or use Connect mode, which writes it",
        ),
        Mode::Graph => (
            format!("Microsoft Graph cannot write `{attribute}` of a {class}; where it differs it is listed"),
            "keep the flow to have differences listed, or remove it: the cloud alone decides about it",
        ),
        Mode::Connect => (
            format!("the provisioning service takes no `{attribute}` of a {class}; where it differs it is listed"),
            "keep the flow to have differences listed, or remove it: the cloud alone decides about it",
        ),
    };
    limit(class, LimitedExport::Write(attribute.clone()), "limitation-read-only", message, remedy)
}

/// What only packages of shipped rules ask for.
fn packages(mode: Mode) -> [ExportLimit; 2] {
    let exchange = match mode {
        Mode::Graph => {
            "Microsoft Graph has none of the attributes of Exchange (msExch*, targetAddress, legacyExchangeDN, ...)"
        }
        Mode::Connect => {
            "Connect mode of this version writes none of the attributes of Exchange (msExch*, targetAddress, \
             legacyExchangeDN, ...): Microsoft Graph does not show them, so no import could confirm them"
        }
    };
    let devices = match mode {
        Mode::Graph => "Microsoft Graph cannot make devices on behalf of a directory",
        Mode::Connect => {
            "Connect mode of this version writes no devices: it does not read them either, so it could neither match nor \
             confirm one"
        }
    };
    let mark = LimitedExport::Write("msExchMailboxGuid".into());
    let remedy = "nothing is lost: remove the package's rules (rules/4*) if nothing else reads what they bring";
    [
        limit(USER.name, mark, "limitation-exchange-attributes", exchange.to_owned(), remedy),
        limit("device", LimitedExport::Anything, "limitation-device", devices.to_owned(), remedy),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(mode: Mode, expected: Expect) {
        let schema = limited_schema(mode);
        let mut lines = String::new();
        for class in ["user", "group", "contact"] {
            let of = |wanted: fn(&LimitedExport) -> Option<String>| {
                let limits = schema.limits.iter().filter(|limit| limit.class == class);
                limits.filter_map(|limit| wanted(&limit.what)).collect::<Vec<_>>().join(" ")
            };
            let read_only = of(|what| match what {
                LimitedExport::Write(name) => Some(name.to_string()),
                _ => None,
            });
            let others = of(|what| match what {
                LimitedExport::Write(_) | LimitedExport::Lacks(_) => None,
                other => Some(format!("{other:?}")),
            });
            lines.push_str(&format!("{class} read-only: {read_only}\n{class} otherwise: {others}\n"));
        }
        expected.assert_eq(&lines);
    }

    /// Section 0, A.3-A.5, B.5: what each mode cannot do, class by class.
    #[test]
    fn limits_are_told_by_class() {
        check(
            Mode::Graph,
            expect![[r#"
            user read-only: assignedSkus identityIssuers onPremisesDistinguishedName onPremisesDomainName onPremisesProvisioningErrors onPremisesSamAccountName onPremisesSecurityIdentifier onPremisesSyncEnabled onPremisesUserPrincipalName proxyAddresses msExchMailboxGuid
            user otherwise: 
            group read-only: groupTypes isAssignableToRole mail membershipRule onPremisesDomainName onPremisesNetBiosName onPremisesProvisioningErrors onPremisesSamAccountName onPremisesSecurityIdentifier onPremisesSyncEnabled proxyAddresses securityIdentifier
            group otherwise: Detach
            contact read-only: 
            contact otherwise: Anything
        "#]],
        );
        check(
            Mode::Connect,
            expect![[r#"
            user read-only: assignedSkus blockOnPremisesSync identityIssuers onPremisesProvisioningErrors otherMails msExchMailboxGuid
            user otherwise: Detach Merge
            group read-only: blockOnPremisesSync groupTypes isAssignableToRole mailEnabled membershipRule onPremisesProvisioningErrors securityIdentifier uniqueName
            group otherwise: Detach Merge
            contact read-only: blockOnPremisesSync onPremisesProvisioningErrors
            contact otherwise: Detach Merge
        "#]],
        );
        let group =
            |name: &str| limited_schema(Mode::Graph).limit("group", &LimitedExport::Lacks(name.into())).is_some();
        assert!(group("jobTitle") && group("manager") && !group("mail") && !group("members"));
        let contact = limited_schema(Mode::Connect);
        assert!(contact.limit("contact", &LimitedExport::Lacks("accountEnabled".into())).is_some());
        assert!(contact.limit("contact", &LimitedExport::Lacks("homePhone".into())).is_none());
    }
}
