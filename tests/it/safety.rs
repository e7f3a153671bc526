//! Safety rules as an operator meets them, by number, on the rehearsal tenant: whom nobody matches, and which address
//! counts. What decides is tested in the kernel; here it is what reaches a tenant, and what is told.

use metasync_tests::crash::{Mode, deployment};
use metasync_tests::operator::Deployment;
use metasync_tests::people::ldif;
use metasync_tests::tenant::Tenant;
use serde_json::{Value, json};

const ID: &str = "77777771-7777-4777-8777-777777777777";

/// A tenant with this user besides, and a deployment with person 1 and person 2 in its directory.
fn world(mode: Mode, user: &Value, change: impl Fn(String) -> String) -> (Tenant, Deployment) {
    let mut seeded = json!({ "id": ID, "userPrincipalName": "somebody@contoso.example", "displayName": "Somebody" });
    for (name, value) in user.as_object().expect("properties") {
        seeded[name] = value.clone();
    }
    let synchronised = if mode == Mode::Connect { Value::Bool(true) } else { Value::Null };
    let tenant = Tenant::start(json!({
        "tenant": { "onPremisesSyncEnabled": synchronised },
        "domains": [{ "name": "contoso.onmicrosoft.com", "initial": true }, { "name": "contoso.example", "default": true }],
        "users": [seeded],
    }));
    let deployment = deployment(&tenant, mode, &change(ldif(1..=2)));
    (tenant, deployment)
}

fn of_the_cloud(tenant: &Tenant) -> Value {
    let snapshot = tenant.running.snapshot();
    let users = snapshot["users"].as_array().cloned().unwrap_or_default();
    users.into_iter().find(|user| user["id"] == ID).expect("the user of the cloud is there")
}

/// Two cycles later: the user of the cloud as it was, nobody made beside it, person 2 created, and the reason in the list.
#[track_caller]
fn left_alone(mode: Mode, user: &Value, reason: &str) {
    let (tenant, deployment) = world(mode, user, |ldif| ldif);
    let before = of_the_cloud(&tenant);
    deployment.run(&["cycle", "initial"]).expect(&[0, 3]);
    deployment.run(&["cycle", "delta"]).expect(&[0, 3]);
    assert_eq!(of_the_cloud(&tenant), before, "{mode:?} {reason}");
    let users = tenant.users();
    assert!(users.contains_key("person2@contoso.example"), "{mode:?} {reason}: {:?}", users.keys());
    assert_eq!(users.len(), 2, "{mode:?} {reason}: {:?}", users.keys());
    let pending = deployment.run(&["pending", "cloud"]).expect(&[0, 3]).out;
    assert!(pending.contains(reason) && pending.contains("Person 1"), "{mode:?}:\n{pending}");
    tenant.stop();
}

/// SF7: a guest is never matched, by whichever of its three signs: neither over Graph nor by the provisioning service.
#[test]
fn sf07_guests_are_never_matched() {
    let mail = "person1@contoso.example";
    for mode in [Mode::Graph, Mode::Connect] {
        left_alone(mode, &json!({ "mail": mail, "userType": "Guest" }), "guest");
        let upn = "person1_contoso.example#EXT#@contoso.onmicrosoft.com";
        left_alone(mode, &json!({ "mail": mail, "userPrincipalName": upn }), "guest");
    }
}

/// SF8: an immutable id that nobody in the directory carries is a class of its own, and never "would be created".
#[test]
fn sf08_a_stamp_that_nobody_carries_is_a_stale_anchor() {
    let user = json!({ "mail": "person1@contoso.example", "onPremisesImmutableId": "c29tZWJvZHkgZWxzZQ==" });
    for mode in [Mode::Graph, Mode::Connect] {
        left_alone(mode, &user, "stale-anchor");
    }
}

/// SF10: primary address to primary address; a hit on a secondary one is listed and changes nothing.
#[test]
fn sf10_a_secondary_address_is_listed_for_review() {
    let addresses = json!({ "mail": "somebody@contoso.example",
        "proxyAddresses": ["SMTP:somebody@contoso.example", "smtp:person1@contoso.example"] });
    for mode in [Mode::Graph, Mode::Connect] {
        left_alone(mode, &addresses, "secondary-address-match");
    }
}

/// SF10: a person with a mail attribute and no primary address. Whether the tenant matches by `mail` itself or not, there is
/// one user afterwards: the one who was there.
#[test]
fn sf10_both_outcomes_of_matching_by_mail_end_without_a_duplicate() {
    for tenant_matches in [false, true] {
        let user = json!({ "mail": "person1@contoso.example" });
        let without_addresses = |ldif: String| {
            let kept = ldif.lines().filter(|line| !line.starts_with("proxyAddresses:"));
            kept.map(|line| format!("{line}\n")).collect::<String>()
        };
        let (tenant, deployment) = world(Mode::Connect, &user, without_addresses);
        tenant.running.update_knobs(|knobs| knobs.soft_match_on_mail = tenant_matches).expect("knobs");
        deployment.run(&["cycle", "initial"]).expect(&[0, 3]);
        deployment.run(&["cycle", "delta"]).expect(&[0, 3]);
        let adopted = of_the_cloud(&tenant);
        assert_eq!(adopted["onPremisesSyncEnabled"], true, "{tenant_matches}: {adopted}");
        assert_eq!(tenant.users().len(), 2, "{tenant_matches}: {:?}", tenant.users().keys());
        tenant.stop();
    }
}
