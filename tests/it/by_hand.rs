//! What an operator does by hand to a deployment from a file to a tenant: links of his own and back again, other rules tried
//! out before they are put in place.

use crate::files::{deployment, tenant};
use metasync_tests::people::{immutable_id, ldif};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Every file below a folder with its content.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        match path.is_dir() {
            true => found.extend(contents(&path)),
            false => {
                let bytes = std::fs::read(&path).expect("readable");
                found.insert(path, bytes);
            }
        }
    }
    found
}

/// Design, invariant 2, with the "what would this rule change do": one changed flow lists the objects whose value changes
/// and no other; nothing in the folder is touched; the digest is that of the run under the same rules.
#[test]
fn a_changed_flow_is_previewed_exactly_and_decided_the_same_by_the_run() {
    let tenant = tenant(json!([]));
    let deployment = deployment(&tenant, &ldif(1..=5), "automatic");
    deployment.run(&["cycle", "initial"]).expect(&[0]);
    deployment.run(&["cycle", "delta"]).expect(&[0]);
    let elsewhere = tempfile::tempdir().expect("a folder");
    let file = "rules/20-ad-users.toml";
    let flow = "displayName = 'IIF(IsPresent([displayName]), Trim([displayName]), Trim([cn]))'";
    // Of the two rules with this flow the second serves people without a mailbox.
    let text = deployment.read(file);
    let at = text.rfind(flow).expect("the shipped flow");
    let changed = format!(
        "{}displayName = 'IIF([cn] = \"Person 2\" || [cn] = \"Person 4\", \"Dr. \" & [displayName], [displayName])'{}",
        &text[..at],
        &text[at + flow.len()..]
    );
    for (path, bytes) in contents(&deployment.file("rules")) {
        std::fs::write(elsewhere.path().join(path.file_name().expect("a file")), bytes).expect("written");
    }
    std::fs::write(elsewhere.path().join("20-ad-users.toml"), &changed).expect("written");

    let before = contents(&deployment.folder);
    let rules = elsewhere.path().to_str().expect("a plain path");
    let previewed = deployment.json(&["preview", "--rules", rules], &[0]);
    assert!(before == contents(&deployment.folder), "the folder is byte for byte what it was");
    let change = &previewed["result"]["change"];
    assert_eq!((&change["objects"], &change["attributes"]), (&json!(2), &json!({ "displayName": 2 })));
    let lines = previewed["result"]["lines"].as_array().expect("lines");
    let mut told: Vec<String> = lines
        .iter()
        .map(|line| {
            format!("{} {} {} -> {}", line["kind"], line["attribute"], line["old"], line["new"]).replace('"', "")
        })
        .collect();
    told.sort();
    let lines_of = |number: usize, kind: &str| format!("{kind} displayName [Person {number}] -> [Dr. Person {number}]");
    let expected: Vec<String> = ["export null [] -> []".to_owned(), "export null [] -> []".to_owned()]
        .into_iter()
        .chain(["export-value", "value"].into_iter().flat_map(|kind| [2, 4].map(|number| lines_of(number, kind))))
        .collect();
    assert_eq!(told, expected);

    std::fs::write(deployment.file(file), changed).expect("written");
    for step in change["steps"].as_array().expect("steps") {
        let connector = step["connector"].as_str().expect("a name");
        let ran = deployment.json(&["run", connector, "full-synchronization"], &[0]);
        assert_eq!(ran["result"]["steps"][0]["digest"], step["digest"], "{connector}");
    }
    tenant.stop();
}

/// O20, SF5: what the rules only list for review, an operator joins; what he keeps apart stays apart; `--undo` gives both back to
/// the rules.
#[test]
fn links_made_and_broken_by_hand_are_carried_out_and_taken_back() {
    const ANN: &str = "person1@contoso.example";
    // The same sign-in name and another primary address: listed, never joined by itself.
    let tenant = tenant(json!([{ "userPrincipalName": ANN, "displayName": "Cloud One", "mail": "one@contoso.example",
        "mailNickname": "one", "accountEnabled": true }]));
    let deployment = deployment(&tenant, &ldif([1]), "automatic");
    let shown = || {
        let users = tenant.users();
        let user = &users[ANN];
        (users.len(), user["displayName"].clone(), user["onPremisesImmutableId"].clone())
    };
    let theirs = (1, json!("Cloud One"), Value::Null);
    let ours = (1, json!("Person 1"), json!(immutable_id(1)));
    let told = |arguments: &[&str], word: &str| {
        let ran = deployment.run(arguments).expect(&[0]);
        assert!(ran.out.contains(word), "{arguments:?} tells of {word}:\n{}", ran.out);
    };
    told(&["cycle", "initial"], "secondary-address-match");
    // Only shown, then taken back before anything came of it: the rules decide as they did.
    told(&["join", "cloud", ANN, "Person 1"], "nothing was changed; --yes does it");
    told(&["join", "cloud", ANN, "Person 1", "--yes"], "was joined to");
    told(&["join", "cloud", ANN, "--undo", "--yes"], "was undone");
    told(&["cycle", "delta"], "secondary-address-match");
    assert_eq!(shown(), theirs, "an undone join takes nobody over");

    told(&["join", "cloud", ANN, "Person 1", "--yes"], "was joined to");
    told(&["cycle", "delta"], "1 updated");
    assert_eq!(shown(), ours);
    told(&["history"], "was joined to");

    let people = deployment.file("people.ldif");
    let rename = |name: &str| {
        let changed = ldif([1]).replace("displayName: Person 1", &format!("displayName: {name}"));
        std::fs::write(&people, changed).expect("written");
    };
    told(&["disconnect", "cloud", ANN, "--yes"], "was disconnected");
    rename("Ann");
    told(&["cycle", "delta"], "explicitly-disconnected");
    assert_eq!(shown(), ours, "neither changed nor created a second time");
    told(&["disconnect", "cloud", ANN, "--undo", "--yes"], "was undone");
    told(&["cycle", "delta"], "1 updated");
    assert_eq!(shown(), (1, json!("Ann"), json!(immutable_id(1))), "found again by its anchor");
    tenant.forget_requests();
    told(&["cycle", "delta"], "nothing to do");
    assert_eq!(tenant.writes(), 0);
    tenant.stop();
}
