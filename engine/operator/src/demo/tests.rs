//! What an operator does with the demo's folder afterwards, on the same rehearsal tenant: starting over without a store, and
//! going from Graph mode to Connect mode.

use super::run_by_way_of;
use crate::cli::{
    ApproveArgs, AssessArgs, CycleArgs, CycleKindArg, DemoArgs, ExplainArgs, HistoryArgs, ModeChoice, SwitchModeArgs,
    TenantArgs,
};
use crate::commands;
use crate::context::Context;
use crate::output::Output;
use azure_ad_emulator::{RunningTenant, SyncState};
use graph_contract::Watch;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use sync_runtime::StopSignal;

struct Deployment {
    context: Context,
    tenant: RunningTenant,
    /// Judges what is said to the tenant by the public contract of Graph, in the demo and after it.
    _watch: Watch,
    _below: tempfile::TempDir,
}

/// The demo was told, and its tenant runs again.
async fn told(graph: bool) -> Deployment {
    let below = tempfile::tempdir().unwrap();
    let output = || Output { json: true, quiet: true };
    let folder = below.path().join("demo");
    let context = Context { folder: folder.clone(), output: output(), stop: StopSignal::new() };
    let args = DemoArgs { folder: Some(folder), graph };
    let mut watch = None;
    let by_the_judge = |tenant: &RunningTenant| {
        let judge = Watch::before(tenant.address()).unwrap();
        let url = judge.url(&tenant.graph_url());
        watch = Some((judge, tenant.address()));
        url
    };
    let told = run_by_way_of(&context, &args, by_the_judge).await;
    told.map(drop).unwrap_or_else(|failure| panic!("{}", failure.text()));
    let (watch, address) = watch.expect("the demo was told");
    assert!(watch.seen().calls.values().sum::<u64>() > 50, "the demo went by the judge");
    // The deployment names the judge's address, behind which the tenant stands again.
    let args = TenantArgs { listen: Some(address), ..TenantArgs::default() };
    let options = commands::tenant::options(&context, &args);
    let options = options.unwrap_or_else(|failure| panic!("{}", failure.text()));
    let tenant = commands::tenant::start(options).await.unwrap_or_else(|failure| panic!("{}", failure.text()));
    Deployment { context, tenant, _watch: watch, _below: below }
}

/// The tenant's features, with or without the block of hard matches.
fn features(blocked: bool) -> std::collections::BTreeMap<String, bool> {
    [("blockCloudObjectTakeoverThroughHardMatchEnabled".to_owned(), blocked)].into()
}

/// Every file of a folder with its bytes, the store's aside.
fn contents(folder: &std::path::Path) -> std::collections::BTreeMap<std::path::PathBuf, Vec<u8>> {
    let mut all = std::collections::BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        let is_store = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("metasync.db"));
        if path.is_dir() {
            all.extend(contents(&path));
        } else if !is_store {
            all.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    all
}

impl Deployment {
    async fn switch(&self, yes: bool, clear_stamps: bool) -> Result<crate::output::Report, crate::failure::Failure> {
        let args = SwitchModeArgs {
            mode: ModeChoice::Connect,
            connector: None,
            yes,
            clear_stamps,
            replace_changed: false,
            offline: false,
        };
        commands::switch_mode::run(&self.context, &args).await
    }

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

/// Issue 7: after the story the report, on a copy of the store, tells of people who are synchronised, also of those whom only this
/// deployment writes; and of everybody what the engine decides.
#[tokio::test]
async fn after_the_story_the_report_tells_who_is_synchronised() {
    let (connect, graph) = (after(false).await, after(true).await);
    expect_test::expect![[r#"
        {"synchronised":32,"soft-match":1,"secondary-hit":1,"ambiguous":2,"stale-anchor":1,"privileged":1,"guest-twin":1,"deleted-twin":1,"left-out":1}
        {"synchronised":31,"soft-match":1,"secondary-hit":1,"ambiguous":2,"stale-anchor":1,"privileged":1,"guest-twin":1,"deleted-twin":1,"created":1,"left-out":1}"#]].assert_eq(&format!("{connect}\n{graph}"));
}

async fn after(graph: bool) -> String {
    let deployment = told(graph).await;
    let before = contents(&deployment.context.folder);
    let report = commands::assess::run(&deployment.context, &AssessArgs::default()).await;
    let report = report.unwrap_or_else(|failure| panic!("{}", failure.text()));
    assert!(report.json["remarks"]["rules-decide-otherwise"].is_null(), "{}", report.text);
    assert!(contents(&deployment.context.folder) == before);
    assert_eq!(deployment.tenant.successful_writes(), 0);
    report.json["classes"].to_string()
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
    // It shows before it writes: the switch that is in the way, who is matched by what, and nothing in the folder changes.
    deployment.tenant.update_knobs(|knobs| knobs.features = features(true)).unwrap();
    let before = contents(&deployment.context.folder);
    let shown = deployment.switch(false, false).await.unwrap().text;
    for text in [
        "hard-match-blocked",
        "31 users: ",
        "matched by the stamp",
        "nothing was changed",
        "rules/33-cloud-contacts.toml",
    ] {
        assert!(shown.contains(text), "{text} is missing:\n{shown}");
    }
    assert_eq!(contents(&deployment.context.folder), before);
    deployment.tenant.update_knobs(|knobs| knobs.features = features(false)).unwrap();
    // A rule of the operator's own stops it.
    let rules = deployment.context.folder.join("rules/31-cloud-users.toml");
    let shipped = fs::read_to_string(&rules).unwrap();
    fs::write(&rules, shipped.replace("Left([givenName], 64)", "Left([givenName], 60)")).unwrap();
    assert_eq!(deployment.switch(true, false).await.map(drop).unwrap_err().code, "rules-changed");
    fs::write(&rules, &shipped).unwrap();
    let done = deployment.switch(true, false).await.unwrap();
    assert_eq!(done.json["people"]["hard_match"].as_array().map(Vec::len), Some(31), "{}", done.json);
    let kept = deployment.context.folder.join("before-connect-mode/rules/31-cloud-users.toml");
    assert_eq!(fs::read_to_string(kept).unwrap(), shipped);
    let path = deployment.context.folder.join("metasync.toml");
    let configuration = fs::read_to_string(&path).unwrap();
    assert!(configuration.contains("staging = true") && configuration.contains("machine_id = "), "{configuration}");
    assert_eq!(deployment.switch(true, false).await.map(drop).unwrap_err().code, "mode-already");
    fs::write(&path, configuration.replace("staging = true", "staging = false")).unwrap();
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
    // M18-M26: what is refused is told with what to do, in the history as in `explain`.
    let args = HistoryArgs { run: None, errors: true, events: false, limit: 20 };
    let errors =
        commands::history::run(&deployment.context, &args).unwrap_or_else(|failure| panic!("{}", failure.text()));
    assert!(
        errors.text.contains("limitation-takeover:") && errors.text.contains("what to do: give both sides"),
        "{}",
        errors.text
    );
    let writes = deployment.tenant.successful_writes();
    deployment.cycle(CycleKindArg::Delta).await;
    assert_eq!(deployment.tenant.successful_writes(), writes, "the second plan is empty");
}

/// Where the block of hard matches must stay on, the stamps go: the same users are then matched by their addresses.
#[tokio::test]
async fn stamps_are_cleared_on_demand() {
    let deployment = told(true).await;
    let stamps = || {
        let users = deployment.tenant.snapshot()["users"].as_array().cloned().unwrap_or_default();
        users.iter().filter(|user| user["onPremisesImmutableId"].is_string()).count()
    };
    let before = stamps();
    let shown = deployment.switch(false, true).await.unwrap();
    assert!(shown.text.contains("the stamp is cleared; matched by primary"), "{}", shown.text);
    assert_eq!(stamps(), before, "nothing is written before it was shown and agreed to");
    let done = deployment.switch(true, true).await.unwrap();
    let cleared = done.json["stamps_cleared"].as_u64().unwrap();
    let clearable = done.json["people"]["hard_match"].as_array().unwrap().iter();
    let clearable = clearable.filter(|user| user["stamp_can_be_cleared"] == true).count();
    assert!(cleared > 0 && cleared == clearable as u64, "{}", done.json);
    assert_eq!(stamps() as u64, before as u64 - cleared);
}
