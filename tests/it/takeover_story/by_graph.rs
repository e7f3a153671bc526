//! Graph mode, from a file: values and the anchor go back, what a cycle would do again it does not, and a process that is killed
//! anywhere is run again and ends the same.

use crate::files::{deployment, tenant};
use metasync_tests::operator::{Deployment, binary};
use metasync_tests::people::ldif;
use metasync_tests::tenant::{CLIENT_SECRET, Tenant};
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const ONE: &str = "person1@contoso.example";

/// Person 1 and 2 work in the cloud already; person 3 does not.
fn cloud() -> Tenant {
    let person = |number: usize| {
        json!({ "userPrincipalName": format!("person{number}@contoso.example"), "displayName": format!("Cloud {number}"),
            "mail": format!("person{number}@contoso.example"), "jobTitle": "Of the cloud", "department": "Before",
            "proxyAddresses": [format!("SMTP:person{number}@contoso.example"), format!("smtp:alias{number}@contoso.example")],
            "onPremisesExtensionAttributes": { "extensionAttribute1": "only here" } })
    };
    tenant(json!([person(1), person(2)]))
}

fn taken_over() -> (Tenant, Deployment, Value) {
    let tenant = cloud();
    let before = tenant.users()[ONE].clone();
    let deployment = deployment(&tenant, &ldif(1..=3), "automatic");
    deployment.replace("metasync.toml", "addresses = \"hold\"", "addresses = \"keep-cloud\"");
    deployment.run(&["cycle", "initial"]).expect(&[0]);
    let after = tenant.users()[ONE].clone();
    assert_eq!(after["displayName"], "Person 1");
    assert!(after["onPremisesImmutableId"].is_string());
    (tenant, deployment, before)
}

/// As the tenant held it, cleared properties counted as none.
fn settled(user: &Value) -> Value {
    let mut user = user.clone();
    if let Some(map) = user.as_object_mut() {
        map.retain(|_, value| !value.is_null());
        if let Some(extensions) = map.get_mut("onPremisesExtensionAttributes").and_then(Value::as_object_mut) {
            extensions.retain(|_, value| !value.is_null());
        }
    }
    user
}

/// SF11: shown first, done with the digest that was shown, equal to what it was; the next cycles leave it alone, and whom this
/// engine made has nothing to go back to.
#[test]
fn sf11_a_takeover_over_graph_is_undone() {
    let (tenant, deployment, before) = taken_over();
    tenant.forget_requests();
    let shown = deployment.run(&["undo-takeover", ONE]).expect(&[0]).out;
    assert_eq!(tenant.writes(), 0);
    for part in ["displayName", "Cloud 1", "Person 1", "onPremisesImmutableId, the anchor, last"] {
        assert!(shown.contains(part), "{part} is missing:\n{shown}");
    }
    let digest = shown.split_whitespace().last().expect("a digest").to_owned();
    assert_eq!(digest.len(), 32, "{shown}");
    let refused = deployment.run(&["undo-takeover", ONE, "--apply", "0123456789"]).expect(&[1]);
    assert!(refused.err.contains("is not what has the digest"), "{}", refused.err);
    assert_eq!(tenant.writes(), 0);

    deployment.replace("metasync.toml", "staging = false", "staging = true");
    let staging = deployment.run(&["undo-takeover", ONE, "--yes"]).expect(&[1]);
    assert!(staging.err.contains("staging mode"), "{}", staging.err);
    assert_eq!(tenant.writes(), 0);
    deployment.replace("metasync.toml", "staging = true", "staging = false");

    let done = deployment.run(&["undo-takeover", ONE, "--apply", &digest]).expect(&[0]).out;
    assert!(done.contains("undone") && done.contains("match approve"), "{done}");
    assert_eq!(settled(&tenant.users()[ONE]), settled(&before));

    for kind in ["delta", "initial"] {
        tenant.forget_requests();
        deployment.run(&["cycle", kind]).expect(&[0, 3]);
        assert_eq!(tenant.writes(), 0, "a {kind} cycle leaves it alone");
    }
    assert_eq!(tenant.users().len(), 3, "nothing is created beside it");
    let pending = deployment.run(&["pending", "cloud"]).expect(&[0]).out;
    assert!(pending.contains("match-rejected"), "{pending}");

    let again = deployment.json(&["undo-takeover", ONE], &[1, 4]);
    assert!(again.to_string().contains("undo-done"), "{again}");
    let made = deployment.json(&["undo-takeover", "person3@contoso.example"], &[1, 4]);
    assert!(made.to_string().contains("undo-not-adopted"), "{made}");
}

/// A run's takeovers are undone together, and each is told.
#[test]
fn sf11_all_takeovers_of_a_run_are_undone() {
    let (tenant, deployment, before) = taken_over();
    let history = deployment.json(&["history"], &[0]);
    let runs = history["result"]["runs"].as_array().expect("runs");
    let of_cloud = runs.iter().filter(|run| run["connector"] == "cloud");
    let numbers: Vec<String> = of_cloud.map(|run| format!("cloud/{}", run["number"])).collect();
    let took_over = |number: &&String| deployment.run(&["undo-takeover", number]).code == 0;
    let found: Vec<&String> = numbers.iter().filter(took_over).collect();
    assert_eq!(found.len(), 1, "one of {numbers:?} took over");
    let done = deployment.json(&["undo-takeover", found[0], "--yes"], &[0]);
    let results = done["result"]["results"].as_array().expect("results");
    assert_eq!(results.iter().filter(|result| result["outcome"] == "undone").count(), 2, "{done}");
    assert_eq!(settled(&tenant.users()[ONE]), settled(&before));
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).expect("copied");
        }
    }
}

/// Killed at many moments between its beginning and its end, and run again: it ends the same, and a cycle in between does not
/// work against it.
#[test]
fn sf11_an_undo_that_was_killed_is_run_again_and_ends_the_same() {
    let (tenant, deployment, before) = taken_over();
    let kept = tenant.running.keep();
    let saved = tempfile::tempdir().expect("a folder");
    copy(&deployment.folder, saved.path());
    let mut broken = 0;
    for step in 0..14_u64 {
        tenant.running.go_back(&kept);
        tenant.forget_requests();
        std::fs::remove_dir_all(&deployment.folder).expect("removed");
        copy(saved.path(), &deployment.folder);
        let mut child = Command::new(binary())
            .arg("--deployment")
            .arg(&deployment.folder)
            .args(["undo-takeover", ONE, "--yes"])
            .env("METASYNC_CLIENT_SECRET", CLIENT_SECRET)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary runs");
        // Sooner or later than whatever it does: what it leaves behind is looked at, not when.
        let until = std::time::Instant::now() + Duration::from_secs(20);
        while tenant.writes() < step % 4
            && std::time::Instant::now() < until
            && child.try_wait().expect("a child").is_none()
        {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(step * 9));
        let _ended = child.kill();
        let status = child.wait().expect("a child");
        broken += usize::from(!status.success());
        if step % 2 == 1 {
            deployment.run(&["cycle", "delta"]).expect(&[0, 3, 4]);
        }
        // One that was through already is told so.
        deployment.run(&["undo-takeover", ONE, "--yes"]).expect(&[0, 4]);
        assert_eq!(settled(&tenant.users()[ONE]), settled(&before), "killed in round {step}");
        deployment.run(&["cycle", "delta"]).expect(&[0, 3, 4]);
        assert_eq!(settled(&tenant.users()[ONE]), settled(&before), "a cycle after round {step}");
    }
    assert!(broken >= 3, "only {broken} were killed before their end");
}
