//! Cloud users become synchronised ones, and what the tenant lacked is made: groups of every kind, contacts.

use super::world::{World, all_differences, mail};
use expect_test::expect;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The first cycles: the matches wait for the operator, then what is written and made waits at the guard. Of a cloud user
/// everything stays but what is listed here: id, licences, aliases, who is above it in the cloud, and all that only the cloud
/// knows.
pub(super) fn cloud_users_become_synchronised(world: &World) {
    let checked = world.deployment.run(&["check"]).expect(&[0]).out;
    assert!(checked.contains("the provisioning service answers"), "{checked}");
    let before = world.tenant.users();
    let approved = world.settle("initial", &["would-enable"]);
    expect!["guard match guard"].assert_eq(&approved.join(" "));
    let after = world.tenant.users();
    expect![[r#"
        ann@contoso.example
          department: - -> "Sales"
          displayName: "ann (cloud)" -> "Ann of Contoso"
          givenName: - -> "Ann"
          onPremisesDomainName: - -> "corp.contoso.example"
          onPremisesImmutableId: - -> its objectGUID
          onPremisesLastSyncDateTime: - -> a time
          onPremisesProvisioningErrors: - -> []
          onPremisesSamAccountName: - -> "ann"
          onPremisesSecurityIdentifier: - -> its objectSid
          onPremisesSyncEnabled: - -> true
          onPremisesUserPrincipalName: - -> "ann@contoso.example"
          surname: - -> "of Contoso"
        ben@contoso.example
          department: - -> "Sales"
          displayName: "ben (cloud)" -> "Ben of Contoso"
          givenName: - -> "Ben"
          onPremisesDomainName: - -> "corp.contoso.example"
          onPremisesImmutableId: - -> its objectGUID
          onPremisesLastSyncDateTime: - -> a time
          onPremisesProvisioningErrors: - -> []
          onPremisesSamAccountName: - -> "ben"
          onPremisesSecurityIdentifier: - -> its objectSid
          onPremisesSyncEnabled: - -> true
          onPremisesUserPrincipalName: - -> "ben@contoso.example"
          surname: - -> "of Contoso"
        emil@contoso.example
          department: - -> "Sales"
          displayName: "emil (cloud)" -> "Emil of Contoso"
          givenName: - -> "Emil"
          mail: "EMIL@contoso.example" -> "emil@contoso.example"
          manager: - -> an object id
          onPremisesDomainName: - -> "corp.contoso.example"
          onPremisesImmutableId: - -> its objectGUID
          onPremisesLastSyncDateTime: - -> a time
          onPremisesProvisioningErrors: - -> []
          onPremisesSamAccountName: - -> "emil"
          onPremisesSecurityIdentifier: - -> its objectSid
          onPremisesSyncEnabled: - -> true
          onPremisesUserPrincipalName: - -> "emil@contoso.example"
          proxyAddresses: ["SMTP:EMIL@contoso.example","smtp:emil.alias@contoso.example"] -> ["SMTP:emil@contoso.example","smtp:emil.alias@contoso.example"]
          surname: - -> "of Contoso"
        ida@contoso.example is new
        jon@contoso.example is new
        kim@contoso.example is new
        lea@contoso.example is new
    "#]].assert_eq(&all_differences(&before, &after));
    let anchors = world.anchors();
    for name in ["ann", "ben", "emil", "ida", "jon", "kim", "lea"] {
        assert_eq!(after[&mail(name)]["onPremisesImmutableId"], anchors[name], "{name}");
    }
    let above = |name: &str| &after[&mail(name)]["manager"];
    assert_eq!(above("emil"), &after[&mail("ann")]["id"]);
    assert_eq!(above("ben"), &before[&mail("ben")]["manager"], "whom the directory does not know stays");

    expect![[r#"
        Company: security group, synchronised; Jon of Contoso, Team
        In the cloud: security group, in cloud; Ann of Contoso, zoe (cloud)
        Lunch: distribution list, synchronised; Kim of Contoso, Lea of Contoso
        News: distribution list, synchronised; Ann of Contoso, Paula of Partner
        Printers: security group, synchronised; Lea of Contoso
        Sales: security group with mail, synchronised; Ann of Contoso
        Team: security group, synchronised; Ann of Contoso, Ben of Contoso, Kim of Contoso
    "#]]
    .assert_eq(&groups_told(world));
    expect![[r#"
        paula
          companyName: "Partner"
          displayName: "Paula of Partner"
          givenName: "Paula"
          jobTitle: "Buyer"
          mail: "paula@partner.example"
          mailNickname: "Paula"
          onPremisesSyncEnabled: true
          proxyAddresses: ["SMTP:paula@partner.example","smtp:paula.alias@partner.example"]
          surname: "of Partner"
        quentin
          companyName: "Partner"
          displayName: "Quentin of Partner"
          givenName: "Quentin"
          jobTitle: "Buyer"
          mail: "quentin@partner.example"
          mailNickname: "Quentin"
          onPremisesSyncEnabled: true
          proxyAddresses: ["SMTP:quentin@partner.example","smtp:quentin.alias@partner.example"]
          surname: "of Partner"
    "#]]
    .assert_eq(&contacts_told(world));
    expect![[r#"
        Cleo of Contoso: addresses-lost: the takeover would drop smtp:cleo.alias@contoso.example that only the existing object has (cleo (cloud))
        Dora of Contoso: addresses-lost: the takeover would drop SIP:dora@contoso.example, smtp:dora.old@contoso.example that only the existing object has (dora (cloud))
        Finn of Contoso: would-enable: the existing account is blocked and the takeover would enable it (finn (cloud))
        Gus of Contoso: privileged: the existing account holds Global Administrator (gus (cloud))
        Hanna of Contoso: guest: the existing object is never matched: guest (hanna (cloud))
    "#]].assert_eq(&held_told(world));
    world.expect_an_empty_plan("after the takeover");
}

/// A group a line: kind, whether it is synchronised under its directory's anchor, members by name.
fn groups_told(world: &World) -> String {
    let (state, anchors) = (world.tenant.state(), world.anchors());
    let mut names = BTreeMap::new();
    for collection in ["users", "groups", "contacts"] {
        for object in state[collection].as_array().into_iter().flatten() {
            names.insert(object["id"].to_string(), object["displayName"].as_str().unwrap_or_default().to_owned());
        }
    }
    let mut lines: Vec<String> = state["groups"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|group| {
            let name = group["displayName"].as_str().unwrap_or_default();
            let kind = match (group["securityEnabled"] == true, group["mailEnabled"] == true) {
                (true, true) => "security group with mail",
                (true, false) => "security group",
                (false, true) => "distribution list",
                (false, false) => "no kind",
            };
            let anchored = group["sourceAnchor"].as_str() == anchors.get(&name.to_lowercase()).map(String::as_str);
            let synchronised = match (group["onPremisesSyncEnabled"] == true, anchored) {
                (true, true) => "synchronised",
                (true, false) => "synchronised under another anchor",
                _ => "in cloud",
            };
            let mut members: Vec<&str> =
                group["members"].as_array().into_iter().flatten().map(|id| names[&id.to_string()].as_str()).collect();
            members.sort_unstable();
            format!("{name}: {kind}, {synchronised}; {}\n", members.join(", "))
        })
        .collect();
    lines.sort();
    lines.concat()
}

fn contacts_told(world: &World) -> String {
    let anchors = world.anchors();
    let mut told = String::new();
    for (name, contact) in world.tenant.objects("contacts", "givenName") {
        assert_eq!(contact["sourceAnchor"], anchors[&name], "{name} stands under its directory's anchor");
        let line = |(key, value): (&String, &Value)| match key.as_str() {
            "id" | "sourceAnchor" => None,
            key if key.ends_with("DateTime") => None,
            key => Some(format!("  {key}: {value}\n")),
        };
        let values: String = contact.as_object().into_iter().flatten().filter_map(line).collect();
        let _ = write!(told, "{name}\n{values}");
    }
    told
}

/// Who is held, a line each: code, and what it is about.
fn held_told(world: &World) -> String {
    let pending = world.deployment.json(&["pending", "cloud"], &[0]);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let line = |held: &Value| {
        let hold = &held["hold"];
        format!(
            "{}: {}: {} ({})\n",
            text(&held["name"]),
            text(&hold["code"]),
            text(&hold["message"]),
            text(&held["candidate"])
        )
    };
    let mut lines: Vec<String> = pending["result"]["held"].as_array().into_iter().flatten().map(line).collect();
    lines.sort();
    lines.concat()
}

/// What was held is let through one by one: addresses that only the cloud knows are kept beside the directory's, a blocked
/// account is enabled because somebody said so. Who is privileged and who is a guest stays as he is.
pub(super) fn an_operator_lets_through_what_was_held(world: &World) {
    let before = world.tenant.users();
    world.deployment.replace("metasync.toml", "addresses = \"hold\"", "addresses = \"keep-cloud\"");
    let approved = world.settle("delta", &[]);
    expect!["match would-enable"].assert_eq(&approved.join(" "));
    expect![[r#"
        cleo@contoso.example
          department: - -> "Sales"
          displayName: "cleo (cloud)" -> "Cleo of Contoso"
          givenName: - -> "Cleo"
          manager: - -> an object id
          onPremisesDomainName: - -> "corp.contoso.example"
          onPremisesImmutableId: - -> its objectGUID
          onPremisesLastSyncDateTime: - -> a time
          onPremisesProvisioningErrors: - -> []
          onPremisesSamAccountName: - -> "cleo"
          onPremisesSecurityIdentifier: - -> its objectSid
          onPremisesSyncEnabled: - -> true
          onPremisesUserPrincipalName: - -> "cleo@contoso.example"
          surname: - -> "of Contoso"
        dora@contoso.example
          department: - -> "Sales"
          displayName: "dora (cloud)" -> "Dora of Contoso"
          givenName: - -> "Dora"
          manager: - -> an object id
          onPremisesDomainName: - -> "corp.contoso.example"
          onPremisesImmutableId: - -> its objectGUID
          onPremisesLastSyncDateTime: - -> a time
          onPremisesProvisioningErrors: - -> []
          onPremisesSamAccountName: - -> "dora"
          onPremisesSecurityIdentifier: - -> its objectSid
          onPremisesSyncEnabled: - -> true
          onPremisesUserPrincipalName: - -> "dora@contoso.example"
          proxyAddresses: ["SMTP:dora@contoso.example","smtp:dora.alias@contoso.example","smtp:dora.old@contoso.example","SIP:dora@contoso.example"] -> ["SIP:dora@contoso.example","SMTP:dora@contoso.example","smtp:dora.alias@contoso.example","smtp:dora.old@contoso.example"]
          surname: - -> "of Contoso"
        finn@contoso.example
          accountEnabled: false -> true
          department: - -> "Sales"
          displayName: "finn (cloud)" -> "Finn of Contoso"
          givenName: - -> "Finn"
          manager: - -> an object id
          onPremisesDomainName: - -> "corp.contoso.example"
          onPremisesImmutableId: - -> its objectGUID
          onPremisesLastSyncDateTime: - -> a time
          onPremisesProvisioningErrors: - -> []
          onPremisesSamAccountName: - -> "finn"
          onPremisesSecurityIdentifier: - -> its objectSid
          onPremisesSyncEnabled: - -> true
          onPremisesUserPrincipalName: - -> "finn@contoso.example"
          surname: - -> "of Contoso"
    "#]].assert_eq(&all_differences(&before, &world.tenant.users()));
    world.expect_an_empty_plan("after what was held");
}
