//! F.30: what holds of a whole deployment against a tenant, whatever happens on the way. Each exchange is judged by the public
//! contract besides (`graph-contract`).

use super::files::tenant;
use azure_ad_emulator::{FaultAction, FaultRule};
use metasync_tests::operator::Deployment;
use metasync_tests::people::{immutable_id, ldif};
use metasync_tests::tenant::Tenant;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Every tenth request is one at which the run is cut.
const CUT_EACH: u64 = 10;

/// A deployment whose first load is not guarded.
fn deployment(tenant: &Tenant, ldif: &str) -> Deployment {
    let deployment = super::files::deployment(tenant, ldif, "automatic");
    deployment.replace("metasync.toml", "at_least = 5", "at_least = 1000");
    deployment
}

/// Users as they are, without what no two tenants have in common.
fn picture(tenant: &Tenant) -> BTreeMap<String, Value> {
    let mut users = tenant.users();
    for user in users.values_mut().filter_map(Value::as_object_mut) {
        user.retain(|name, _| {
            let name = name.to_lowercase();
            !(name == "id" || name.ends_with("datetime") || name.contains("password") || name == "securityidentifier")
        });
    }
    users
}

fn requests(tenant: &Tenant, method: &str) -> Vec<String> {
    let log = tenant.running.request_log();
    let matching = log.iter().filter(|request| request.method == method);
    matching.map(|request| request.path.clone()).collect()
}

#[test]
fn f30_the_same_cycle_again_writes_nothing() {
    let tenant = tenant(
        json!([{ "userPrincipalName": "person1@contoso.example", "mail": "person1@contoso.example", "displayName": "One" }]),
    );
    let deployment = deployment(&tenant, &ldif(1..=12));
    deployment.run(&["cycle", "initial"]).expect(&[0]);
    assert!(tenant.writes() >= 12);
    tenant.forget_requests();
    for kind in ["delta", "initial", "delta"] {
        deployment.run(&["cycle", kind]).expect(&[0]);
        assert_eq!(tenant.writes(), 0, "cycle {kind}");
    }
}

#[test]
fn f30_a_run_that_is_cut_anywhere_ends_in_the_same_tenant() {
    let seed = || json!([{ "userPrincipalName": "person1@contoso.example", "mail": "person1@contoso.example", "displayName": "One", "department": "Kept" }]);
    let people = ldif(1..=30);
    let undisturbed = tenant(seed());
    deployment(&undisturbed, &people).run(&["cycle", "initial"]).expect(&[0]);
    let (wanted, all) = (picture(&undisturbed), undisturbed.running.request_log().len() as u64);
    assert!(wanted.len() == 30 && all > 2 * CUT_EACH, "{all} requests");
    let mut cut = 0;
    for (position, nth) in (1..all).step_by(usize::try_from(CUT_EACH).unwrap()).enumerate() {
        let tenant = tenant(seed());
        let deployment = deployment(&tenant, &people);
        // One attempt, so that a broken request ends the run instead of being sent again.
        deployment.replace("metasync.toml", "mode = \"graph\"", "mode = \"graph\"\nattempts = 1");
        let action = if position % 2 == 0 { FaultAction::ResetBefore } else { FaultAction::ResetAfter };
        let rule = FaultRule { method: None, path: Some("/v1.0/".to_owned()), nth: Some(nth), times: Some(1), action };
        tenant.running.play_faults(vec![rule]);
        let first = deployment.run(&["cycle", "initial"]);
        tenant.running.play_faults(Vec::new());
        cut += u64::from(first.code != 0);
        // A guarded list or a match may not come of it: the second run is like the first.
        deployment.run(&["cycle", "initial"]).expect(&[0]);
        assert_eq!(picture(&tenant), wanted, "cut at request {nth}");
        tenant.forget_requests();
        deployment.run(&["cycle", "delta"]).expect(&[0]);
        assert_eq!(tenant.writes(), 0, "the second plan is empty after a cut at request {nth}");
    }
    assert!(cut > 0, "no run was cut");
}

#[test]
fn f30_more_deletes_than_the_guard_allows_send_none() {
    let tenant = tenant(json!([]));
    let deployment = deployment(&tenant, &ldif(1..=20));
    deployment.run(&["cycle", "initial"]).expect(&[0]);
    deployment.replace("metasync.toml", "at_least = 1000", "at_least = 5");
    std::fs::write(deployment.file("people.ldif"), ldif(1..=12)).expect("written");
    tenant.forget_requests();
    let stopped = deployment.run(&["cycle", "delta"]).expect(&[3]);
    assert!(stopped.out.contains("approve"), "{}", stopped.out);
    assert_eq!((requests(&tenant, "DELETE"), tenant.writes()), (Vec::new(), 0));
    assert_eq!(tenant.users().len(), 20);
}

/// SF30: an object that was moved to the cloud is neither written nor deleted, also when its source object goes.
#[test]
fn f30_sf30_what_is_managed_in_the_cloud_is_left_alone() {
    let moved = json!({ "userPrincipalName": "person1@contoso.example", "displayName": "Managed in the cloud",
        "mail": "person1@contoso.example", "onPremisesImmutableId": immutable_id(1), "isCloudManaged": true });
    let tenant = Tenant::start(json!({
        "tenant": { "onPremisesSyncEnabled": true },
        "domains": [{ "name": "contoso.onmicrosoft.com", "initial": true }, { "name": "contoso.example", "default": true }],
        "users": [moved],
    }));
    let deployment = deployment(&tenant, &ldif(1..=3));
    let before = picture(&tenant)["person1@contoso.example"].clone();
    deployment.run(&["cycle", "initial"]);
    assert_eq!(picture(&tenant).len(), 3, "the others are created");
    assert_eq!(picture(&tenant)["person1@contoso.example"], before);
    std::fs::write(deployment.file("people.ldif"), ldif(2..=3)).expect("written");
    deployment.run(&["cycle", "delta"]);
    assert_eq!(picture(&tenant)["person1@contoso.example"], before, "neither blocked nor unstamped nor deleted");
    assert_eq!(requests(&tenant, "DELETE"), Vec::<String>::new());
}
