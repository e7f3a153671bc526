//! The demo as a newcomer runs it, and every reading command on the folder it leaves.

use metasync_tests::operator::{Deployment, binary};
use metasync_tests::secrets::Secrets;
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
    // One password: the tenant itself says which one signs in, before and after it was changed in the directory.
    for line in [
        "with `ann.archer-in-AD-1`: signed in",
        "with `ann.archer-in-AD-2`: refused, AADSTS50126",
        "with `ann.archer-in-AD-1`: refused, AADSTS50126",
        "with `ann.archer-in-AD-2`: signed in",
    ] {
        assert!(out.contains(line), "{line}\n{out}");
    }
    let status = deployment.run(&["passwords", "status", "ann.archer@contoso.example"]).expect(&[0]);
    assert!(status.out.contains("Success") && status.out.contains("passwords.ldif"), "{}", status.out);
    let events = deployment.run(&["history", "--events"]).expect(&[0]);
    assert!(events.out.contains("657") && events.out.contains("Success"), "{}", events.out);

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
    no_secret_lies_there(&deployment, &out);
}

/// P8: of the sample's passwords and their hashes nothing lies in the store, in what was printed, or in the tenant's files, and outside
/// of the tenant nothing of what it keeps. The one file that holds hashes is the one they were read from.
#[expect(clippy::print_stdout, reason = "what was looked through is told with the test run")]
fn no_secret_lies_there(deployment: &Deployment, printed: &str) {
    let source = deployment.read("passwords.ldif");
    let mut secrets = Secrets::default();
    for (number, digits) in source.lines().filter_map(|line| line.strip_prefix("ntHash: ")).enumerate() {
        let byte = |at: usize| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).expect("a digit");
        secrets.hash(&format!("person {number} of the sample"), &std::array::from_fn(byte));
    }
    for password in ["ann.archer-in-AD-1", "ann.archer-in-AD-2"] {
        secrets.password("Ann Archer", password);
    }
    let mut scan = secrets.scan();
    assert!(!secrets.scan().text("its source", source.as_bytes()).found().is_empty(), "the scan finds what is there");
    // The story tells Ann's passwords to whoever rehearses: they are no secret there.
    let told = printed.replace("ann.archer-in-AD-", "");
    scan.deployment(deployment, &["passwords.ldif"]).text("what the demo printed", told.as_bytes()).expect_none();
    println!("demo: {scan}");
    let mut secrets = Secrets::default();
    let mut scan = secrets.any_credential().scan();
    scan.deployment(deployment, &["tenant"]).text("what the demo printed", printed.as_bytes()).expect_none();
    println!("demo: {scan}");
}
