//! `metasync scope` as an operator types it, from a file to a tenant: who comes and goes, the guard's word and the day, before
//! anything is saved; pilot groups and people by name.

use crate::files::{deployment, tenant};
use metasync_tests::operator::Deployment;
use metasync_tests::people::ldif;
use serde_json::{Value, json};

const PEOPLE: usize = 12;
const GUID: &str = "00000000-0000-4000-8000-0000000000aa";

/// Twelve people and a group of some of them; none: no group.
fn directory(members: Option<&[usize]>) -> String {
    let mut text = ldif(1..=PEOPLE);
    if let Some(members) = members {
        let rows: String = members
            .iter()
            .map(|number| format!("member: CN=Person {number},OU=People,DC=corp,DC=contoso,DC=example\n"))
            .collect();
        text.push_str(&format!(
            "dn: CN=Pilot,OU=People,DC=corp,DC=contoso,DC=example\nobjectClass: top\nobjectClass: group\ncn: Pilot\n\
             sAMAccountName: Pilot\nobjectGUID:: AAAAAAAAAECAAAAAAAAAqg==\ngroupType: -2147483646\n{rows}\n"
        ));
    }
    text
}

fn names(list: &Value) -> Vec<&str> {
    let list = list.as_array().expect("a list");
    list.iter().map(|line| line["name"].as_str().expect("a name")).collect()
}

fn explained(deployment: &Deployment, who: &str) -> String {
    let ran = deployment.run(&["explain", &format!("ad:{who}")]).expect(&[0]);
    ran.out.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// SF12, SF18: before it is saved, a pilot group shows who goes, when, and that the guard would stop the deletes of that day.
/// Afterwards the group is followed by deltas, people are taken out and in by name, a group that is gone makes nobody leave
/// (SF13), and a word ends the pilot.
#[test]
fn sf12_sf13_sf18_a_pilot_group_from_its_first_look_to_its_end() {
    let tenant = tenant(json!([]));
    let deployment = deployment(&tenant, &directory(Some(&[1, 2])), "automatic");
    let write = |members: Option<&[usize]>| {
        std::fs::write(deployment.file("people.ldif"), directory(members)).expect("the file is written");
    };
    deployment.replace("metasync.toml", "at_least = 5", "at_least = 50");
    deployment.run(&["cycle", "initial"]).expect(&[0, 3]);
    assert_eq!(tenant.users().len(), PEOPLE);
    deployment.replace("metasync.toml", "at_least = 50", "at_least = 5");
    let configuration = deployment.read("metasync.toml");

    // Shown, and nothing saved.
    let shown = deployment.json(&["scope", "add-group", "ad", "pilot", "--dry-run"], &[0])["result"].clone();
    assert_eq!(shown["saved"], false);
    assert_eq!((names(&shown["comes"]).len(), shown["stays"].as_u64()), (0, Some(2)), "{shown:#}");
    let mut goes = names(&shown["goes"]);
    goes.sort_unstable();
    assert_eq!(goes.len(), PEOPLE - 2 + 1, "the others, and the group itself: {goes:?}");
    assert!(goes.contains(&"Pilot") && goes.contains(&"Person 3") && !goes.contains(&"Person 1"));
    assert_eq!(shown["targets"][0]["guard"], Value::Null, "nobody leaves today");
    let then = &shown["targets_after_grace"][0]["guard"]["verdicts"];
    let deletes = then.as_array().expect("verdicts").iter().find(|verdict| verdict["kind"] == "delete");
    assert_eq!(
        deletes.map(|verdict| (verdict["count"].as_u64(), verdict["limit"].as_u64())),
        Some((Some(11), Some(5)))
    );
    let text = deployment.run(&["scope", "add-group", "ad", "pilot"]).expect(&[0]).out;
    let day = shown["leaves_on"].as_str().expect("a day");
    for part in [
        "ad: in scope: 2 objects stay, 0 come, 11 go",
        &format!("leaves on {day}"),
        "the guard would let the export pass",
        &format!("on {day} the guard would stop the export:"),
        "delete: 11 (limit 5)",
        "not saved; --yes saves it",
    ] {
        assert!(text.split_whitespace().collect::<Vec<_>>().join(" ").contains(part), "{part}:\n{text}");
    }
    assert_eq!(deployment.read("metasync.toml"), configuration, "nothing is saved by looking");

    // Saved: by anchor, and everything else of the file as it was.
    deployment.run(&["scope", "add-group", "ad", "pilot", "--yes"]).expect(&[0]);
    let saved = deployment.read("metasync.toml");
    let mut rest = saved.lines();
    assert!(configuration.lines().all(|line| rest.any(|other| other == line)), "{saved}");
    assert!(saved.contains(&format!("{{ id = \"{GUID}\", name = \"CN=Pilot,")), "{saved}");
    deployment.run(&["cycle", "delta"]).expect(&[0, 3]);
    assert!(explained(&deployment, "person1").contains("in scope: it is a member of `Pilot`"));
    let out = "out of scope: it is a member of no group of [scope], and not listed there by name";
    assert!(explained(&deployment, "person3").contains(out), "{}", explained(&deployment, "person3"));
    assert_eq!(tenant.users().len(), PEOPLE, "the grace period");

    // The group is followed; a person is taken out although he is a member, and comes back.
    write(Some(&[1, 2, 3]));
    deployment.run(&["cycle", "delta"]).expect(&[0, 3]);
    assert!(explained(&deployment, "person3").contains("in scope: it is a member of `Pilot`"));
    let shown =
        deployment.json(&["scope", "remove-user", "ad", "person2@contoso.example", "--yes"], &[0])["result"].clone();
    assert_eq!((names(&shown["goes"]), names(&shown["comes"])), (vec!["Person 2"], vec![]));
    assert!(deployment.read("metasync.toml").contains("without = ["));
    deployment.run(&["cycle", "delta"]).expect(&[0, 3]);
    assert!(explained(&deployment, "person2").contains("out of scope: [scope] takes it out by name"));
    let shown = deployment.json(&["scope", "add-user", "ad", "person2", "Person 9", "--yes"], &[0])["result"].clone();
    assert_eq!(names(&shown["comes"]), ["Person 2", "Person 9"]);
    let list = deployment.run(&["scope", "list", "ad"]).expect(&[0]).out;
    let list = list.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [
        "Of those who are read, in scope are members of CN=Pilot,",
        "(3 members) CN=Person 9,",
        "Filtered by attributes",
    ] {
        assert!(list.contains(part), "{part}:\n{list}");
    }

    // SF13: gone is not empty.
    write(None);
    let stopped = deployment.run(&["cycle", "delta"]);
    assert_ne!(stopped.code, 0);
    assert!(stopped.out.contains("no-start-scope-group-unreadable"), "{}{}", stopped.out, stopped.err);
    assert!(explained(&deployment, "person1").contains("in scope"), "{}", explained(&deployment, "person1"));
    assert_eq!(tenant.users().len(), PEOPLE);
    let list = deployment.run(&["scope", "list", "ad"]).expect(&[0]).out;
    let list = list.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(list.contains("cannot be read: nothing is synchronised"), "{list}");

    // The pilot ends, and everybody returns before anybody left.
    deployment.run(&["scope", "everybody", "ad", "--yes"]).expect(&[0]);
    deployment.run(&["cycle", "delta"]).expect(&[0, 3]);
    assert_eq!(tenant.users().len(), PEOPLE);
    assert!(!explained(&deployment, "person4").contains("out of scope"));
    let pending = deployment.run(&["pending", "cloud"]).expect(&[0, 3]).out;
    assert!(!pending.contains("Person"), "{pending}");
    tenant.stop();
}

/// Whoever is not meant is told so, and nothing is saved.
#[test]
fn names_that_mean_nobody_are_refused() {
    let tenant = tenant(json!([]));
    let deployment = deployment(&tenant, &directory(Some(&[1])), "automatic");
    let refused = |arguments: &[&str]| {
        let ran = deployment.run(&[&["scope"], arguments, &["--yes"]].concat());
        assert_ne!(ran.code, 0, "{arguments:?}: {}", ran.out);
        ran.err
    };
    assert!(refused(&["add-user", "ad", "person1"]).contains("nothing of ad was imported yet"));
    deployment.run(&["run", "ad", "full-import"]).expect(&[0]);
    let configuration = deployment.read("metasync.toml");
    for (arguments, told) in [
        (&["add-user", "ad", "nobody"][..], "nothing that was imported from ad is called `nobody`"),
        (&["add-user", "ad", "person1"], "is in scope already: everybody is"),
        (&["add-group", "ad", "person1"], "has no member, as it was imported"),
        (&["add-user", "ad", "OU=People,DC=corp,DC=contoso,DC=example"], "is a container"),
        (&["remove-group", "ad", "pilot"], "is no pilot group of ad"),
        (&["everybody", "ad"], "everybody is in scope already"),
        (&["add-user", "xx", "person1"], "there is no connector `xx`"),
        (&["add-ou", "ad", "OU=People,DC=corp,DC=contoso,DC=example"], "reads no containers"),
    ] {
        let error = refused(arguments);
        assert!(error.contains(told), "{arguments:?}: {error}");
        assert_eq!(deployment.read("metasync.toml"), configuration);
    }
    // A pilot of one person, which nobody can leave alone.
    deployment.run(&["scope", "add-user", "ad", "person1", "--only", "--yes"]).expect(&[0]);
    let error = refused(&["remove-user", "ad", "person1"]);
    assert!(error.contains("nobody of ad would be in scope"), "{error}");
    deployment.run(&["cycle", "initial"]).expect(&[0, 3]);
    assert_eq!(tenant.users().into_keys().collect::<Vec<_>>(), ["person1@contoso.example"]);
    tenant.stop();
}
