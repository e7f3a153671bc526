//! What an operator does with the demo's folder afterwards, on the same rehearsal tenant: starting over without a store, and
//! going from Graph mode to Connect mode.

use super::run;
use crate::cli::{ApproveArgs, CycleArgs, CycleKindArg, DemoArgs, ExplainArgs, TenantArgs};
use crate::commands;
use crate::context::Context;
use crate::output::Output;
use azure_ad_emulator::{RunningTenant, SyncState};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use sync_rules::shipped::CloudSchema;
use sync_rules::{ShippedOptions, shipped_rules};
use sync_runtime::StopSignal;

struct Deployment {
    context: Context,
    tenant: RunningTenant,
    _below: tempfile::TempDir,
}

/// The demo was told, and its tenant runs again.
async fn told(graph: bool) -> Deployment {
    let below = tempfile::tempdir().unwrap();
    let output = || Output { json: true, quiet: true };
    let folder = below.path().join("demo");
    let context = Context { folder: folder.clone(), output: output(), stop: StopSignal::new() };
    let args = DemoArgs { folder: Some(folder), graph };
    run(&context, &args).await.map(drop).unwrap_or_else(|failure| panic!("{}", failure.text()));
    let options = commands::tenant::options(&context, &TenantArgs::default());
    let options = options.unwrap_or_else(|failure| panic!("{}", failure.text()));
    let tenant = commands::tenant::start(options).await.unwrap_or_else(|failure| panic!("{}", failure.text()));
    Deployment { context, tenant, _below: below }
}

impl Deployment {
    /// One cycle; the lists that wait, as kind and digest.
    async fn cycle(&self, kind: CycleKindArg) -> Vec<(String, String)> {
        let report = commands::run::cycle(&self.context, &CycleArgs { kind, ..CycleArgs::default() }).await;
        let report = report.unwrap_or_else(|failure| panic!("{}", failure.text()));
        let text = |list: &Value, name: &str| list[name].as_str().unwrap_or_default().to_owned();
        let waiting = report.json["waiting"].as_array().cloned().unwrap_or_default();
        waiting.iter().map(|list| (text(list, "kind"), text(list, "digest"))).collect()
    }

    fn approve(&self, digest: &str) {
        let approved = commands::approve::run(&self.context, &ApproveArgs { digest: digest.to_owned() });
        approved.map(drop).unwrap_or_else(|failure| panic!("{}", failure.text()));
    }

    /// Ids of a collection's objects, those alone that are synchronised where asked for.
    fn ids(&self, collection: &str, only_synchronised: bool) -> BTreeSet<String> {
        let snapshot = self.tenant.snapshot();
        let objects = snapshot[collection].as_array().cloned().unwrap_or_default();
        let counts = |object: &&Value| !only_synchronised || object["onPremisesSyncEnabled"] == true;
        objects.iter().filter(counts).map(|object| object["id"].as_str().unwrap_or_default().to_owned()).collect()
    }
}

/// Issue 5: without the store everything is found again by its anchor, approved once where `matching` asks, and nothing is
/// created or changed.
#[tokio::test]
async fn starting_over_in_connect_mode_writes_nothing() {
    let deployment = told(false).await;
    let before = deployment.tenant.snapshot();
    for file in ["metasync.db", "metasync.db-wal", "metasync.db-shm"] {
        let _ = fs::remove_file(deployment.context.folder.join(file));
    }
    let waiting = deployment.cycle(CycleKindArg::Initial).await;
    let (_, digest) = waiting.iter().find(|(kind, _)| kind == "match").expect("the matches wait");
    deployment.approve(digest);
    let waiting = deployment.cycle(CycleKindArg::Delta).await;
    assert!(!waiting.iter().any(|(kind, _)| kind == "guard"), "{waiting:?}");
    deployment.cycle(CycleKindArg::Initial).await;
    assert_eq!(deployment.tenant.successful_writes(), 0);
    for collection in ["users", "groups", "contacts"] {
        assert_eq!(deployment.tenant.snapshot()[collection], before[collection], "{collection}");
    }
    let matched = commands::pending::run(&deployment.context, &super::pending_args());
    let pending = matched.map_or_else(|failure| panic!("{}", failure.text()), |report| report.json);
    assert!(pending["held_counts"]["match-candidate"].is_null(), "{}", pending["held_counts"]);
}

/// Build 3: users that carry the stamp of Graph mode are matched by it, so every object id stays; contacts and lists are made;
/// what the service would not find, a security group, is refused by name and not doubled.
#[tokio::test]
async fn from_graph_mode_to_connect_mode_the_same_objects_become_synchronised() {
    let deployment = told(true).await;
    // SF11: the before/after sheet of a takeover.
    let args = ExplainArgs { object: "Carla Díaz".to_owned(), what: None, limit: 50, skip: 0 };
    let explained = commands::explain::run(&deployment.context, &args);
    let text = explained.map_or_else(|failure| panic!("{}", failure.text()), |report| report.text);
    assert!(text.contains("was taken over") && text.contains("Carla Diaz (Sales) -> Carla Díaz"), "{text}");
    let (users, groups) = (deployment.ids("users", false), deployment.ids("groups", false));
    assert!(deployment.ids("users", true).is_empty());
    deployment.tenant.update_knobs(|knobs| knobs.sync = Some(SyncState::On)).unwrap();
    let path = deployment.context.folder.join("metasync.toml");
    let configuration = fs::read_to_string(&path).unwrap().replace("mode = \"graph\"", "mode = \"connect\"");
    let own = "\n[connector.cloud.settings.provisioning]\nmachine_id = \"of-this-test\"\n";
    fs::write(&path, format!("{configuration}{own}")).unwrap();
    let options = ShippedOptions { cloud: CloudSchema::Connect, ..ShippedOptions::default() };
    for (name, text) in shipped_rules(&[("ad", "cloud")], &options).iter().filter(|(name, _)| name.contains("/3")) {
        fs::write(deployment.context.folder.join(name), text).unwrap();
    }
    let mut waiting = deployment.cycle(CycleKindArg::Initial).await;
    for _ in 0..8 {
        let wanted = |(kind, _): &&(String, String)| !matches!(kind.as_str(), "sign-in-name" | "would-enable");
        let Some((_, digest)) = waiting.iter().find(wanted) else { break };
        deployment.approve(digest);
        waiting = deployment.cycle(CycleKindArg::Delta).await;
    }
    let after = deployment.ids("users", false);
    assert!(users.is_subset(&after), "no user is lost");
    // Emil's sign-in name, which Graph refuses, is one that the service makes another of.
    assert_eq!(after.difference(&users).count(), 1, "{waiting:?}");
    assert_eq!(deployment.ids("users", true).len(), 32, "20 were matched, 11 made in Graph mode, Emil");
    assert_eq!(deployment.ids("contacts", true).len(), 2);
    let made: Vec<String> = deployment.ids("groups", false).difference(&groups).cloned().collect();
    assert_eq!(made.len(), 1, "the distribution list");
    let writes = deployment.tenant.successful_writes();
    deployment.cycle(CycleKindArg::Delta).await;
    assert_eq!(deployment.tenant.successful_writes(), writes, "the second plan is empty");
}
