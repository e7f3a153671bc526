//! The demo as a newcomer runs it, and every reading command on the folder it leaves.

use metasync_tests::operator::{Deployment, binary};
use std::process::{Command, Stdio};

/// What the demo says, told in a fresh folder.
fn told(deployment: &Deployment, flags: &[&str]) -> String {
    let output = Command::new(binary())
        .arg("demo")
        .args(flags)
        .arg("--folder")
        .arg(&deployment.folder)
        .stdin(Stdio::null())
        .output()
        .expect("the binary runs");
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "exit {:?}\n{out}\n{}",
        output.status.code(),
        String::from_utf8_lossy(&output.stderr)
    );
    out.into_owned()
}

/// In Graph mode the cloud's users stay its own, and what Graph cannot write is listed.
#[test]
fn the_demo_in_graph_mode_names_what_it_cannot_write() {
    let deployment = Deployment::new();
    let out = told(&deployment, &["--graph"]);
    assert!(out.contains("limitation-contact-not-writable") && !out.contains("Synced with"), "{out}");
    let pending = deployment.run(&["pending", "cloud"]).expect(&[0, 3]);
    assert!(pending.out.contains("limitation"), "{}", pending.out);
}

/// Exit 0, a summary with reasons, and a folder on which the commands work although the tenant is gone.
#[test]
fn the_demo_tells_the_story_and_leaves_a_folder_that_works() {
    let deployment = Deployment::new();
    let out = told(&deployment, &[]);
    assert!(out.contains("synced    39  users, groups and contacts that the tenant shows as"), "{out}");
    assert!(out.contains("News") && out.contains("2 contacts were created"), "{out}");
    for word in [
        "matched",
        "created",
        "held",
        "guest",
        "privileged",
        "ambiguous",
        "deleted-twin",
        "would-enable",
        "stale-anchor",
    ] {
        assert!(out.contains(word), "the summary tells of {word}:\n{out}");
    }
    let found = deployment.run(&["search", "mv", "archer"]).expect(&[0]);
    assert!(found.out.contains("Ann Archer"), "{}", found.out);
    let explained = deployment.run(&["explain", "ann.archer@contoso.example", "displayName"]).expect(&[0]);
    assert!(explained.out.contains("Ann Archer"), "{}", explained.out);
    let held = deployment.run(&["explain", "gus.admin@contoso.example"]).expect(&[0]);
    assert!(held.out.contains("privileged"), "{}", held.out);
    deployment.run(&["preview", "ad", "ann.archer@contoso.example"]).expect(&[0]);
    let pending = deployment.run(&["pending", "cloud"]).expect(&[0, 3]);
    assert!(pending.out.contains("signin-name-change"), "{}", pending.out);
    deployment.run(&["history"]).expect(&[0]);
    for command in [
        &["search", "mv", "archer"][..],
        &["explain", "ann.archer@contoso.example"],
        &["pending", "cloud"],
        &["history"],
    ] {
        assert!(deployment.json(command, &[0, 3]).is_object(), "{command:?} --json is an object");
    }
}
