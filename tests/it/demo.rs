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
    no_secret_lies_there(&deployment.folder, &out);
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

/// P8: of the sample's passwords and their hashes nothing lies in the store, in what is printed, or in the tenant's files: raw, as
/// digits of either case, in base64, or as UTF-16. The one file that holds hashes is the one they were read from.
fn no_secret_lies_there(folder: &std::path::Path, printed: &str) {
    use base64::Engine as _;
    let source = std::fs::read_to_string(folder.join("passwords.ldif")).expect("the file of hashes");
    let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let mut forms: Vec<Vec<u8>> = Vec::new();
    for digits in source.lines().filter_map(|line| line.strip_prefix("ntHash: ")) {
        let raw: Vec<u8> =
            (0..32).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).expect("a digit")).collect();
        let base64 = base64::engine::general_purpose::STANDARD.encode(&raw);
        let lower = digits.to_lowercase();
        forms.extend([raw, base64.into_bytes(), wide(digits), wide(&lower), lower.into_bytes(), digits.into()]);
    }
    assert!(forms.len() > 200, "the sample has {} hashes", forms.len() / 6);
    // By their first bytes: the store is looked through once, whatever is looked for.
    let mut by_head: std::collections::HashMap<&[u8], Vec<&[u8]>> = std::collections::HashMap::new();
    forms.iter().for_each(|form| by_head.entry(&form[..8]).or_default().push(form));
    let found = |text: &[u8]| {
        let mut places = text.windows(8).enumerate();
        places.any(|(at, head)| {
            by_head.get(head).is_some_and(|forms| forms.iter().any(|form| text[at..].starts_with(form)))
        })
    };
    assert!(found(source.as_bytes()), "the scan finds what is there");
    assert!(!found(printed.as_bytes()), "in what the demo printed");
    for name in ["metasync.db", "tenant/state.json", "metasync.toml"] {
        let bytes = std::fs::read(folder.join(name)).expect("a file of the deployment");
        assert!(!found(&bytes), "in {name}");
        let is_credential = name != "tenant/state.json" && bytes.windows(8).any(|window| window == b"PPH1_MD4");
        assert!(!is_credential, "a credential in {name}");
        for password in ["ann.archer-in-AD-1", "ann.archer-in-AD-2"] {
            let forms = [password.as_bytes().to_vec(), wide(password)];
            assert!(
                !forms.iter().any(|form| bytes.windows(form.len()).any(|window| window == form)),
                "{password} in {name}"
            );
        }
    }
}
