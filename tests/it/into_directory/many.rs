//! A group of 2,500, and a process that is killed while it writes.

use super::world::{BIND_PASSWORD, NO_GUARDS, People, controller, deployment, directory, rules, second_plan_is_empty};
use metasync_tests::crash::binary as crash_binary;
use metasync_tests::operator::binary;
use serde_json::json;
use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

fn members(text: &str) -> usize {
    let members = text.split_once("member=").map_or("", |(_, rest)| rest);
    members.split('|').filter(|member| member.starts_with("CN=")).count()
}

/// Two and a half requests of 1,000 members; then one member more and one less.
#[test]
fn a_group_of_2500_members() {
    const PEOPLE: usize = 2_500;
    let existing = json!({ "repeat": PEOPLE, "dn": "CN=m{n:04},OU=Managed", "class": "user", "attributes": { "sAMAccountName": "m{n:04}" } });
    let dc = controller("into_directory::a_group_of_2500_members", &[existing]);
    dc.rights(&["write", "svc-metasync", "OU=Managed"]);
    let mut people = People::default();
    let all: Vec<String> = (1..=PEOPLE).map(|number| format!("m{number:04}")).collect();
    all.iter().for_each(|id| {
        people.person(id, id, "");
    });
    people.group("g1", "Everybody", "", &all[1..].iter().map(String::as_str).collect::<Vec<_>>());
    let deployment = deployment(&dc, &people, false, NO_GUARDS);
    // The people exist already: they are found by their account names, and nothing flows to them.
    let rules = rules();
    let (before, rest) = rules.split_once("[[rule]]\nid = \"out-person\"").expect("the rule");
    let (_, after) = rest.split_once("[[rule]]").expect("another rule");
    let joins = "[[rule]]\nid = \"out-person\"\nname = \"Out to ad - person\"\ndirection = \"outbound\"\nconnector = \"ad\"\n\
                 source_type = \"person\"\ntarget_type = \"user\"\nlink = \"join\"\nprecedence = 20\n[[rule.join]]\n\
                 criterion = \"own-key\"\nsource = \"[account]\"\ntarget = \"[sAMAccountName]\"\n\n";
    std::fs::write(deployment.file("rules/rules.toml"), format!("{before}{joins}[[rule]]{after}")).expect("written");
    deployment.run(&["cycle", "initial"]).expect(&[0]);
    let group = &directory(&dc)["CN=Everybody"];
    assert_eq!(members(group), PEOPLE - 1);
    second_plan_is_empty(&dc, &deployment);

    people.at("g1").members[0] = "m0001".into();
    people.write(&deployment);
    deployment.run(&["cycle", "delta"]).expect(&[0]);
    let group = &directory(&dc)["CN=Everybody"];
    assert_eq!(members(group), PEOPLE - 1);
    assert!(group.contains("CN=m0001") && !group.contains("CN=m0002"), "one value each");
}

/// Invariant 5, O28, T26: killed while it creates 300 people and fills a group of them, nobody is there twice, nobody is missing.
#[test]
fn killed_while_writing_nobody_is_there_twice() {
    const PEOPLE: usize = 300;
    let dc = controller("into_directory::killed_while_writing_nobody_is_there_twice", &[]);
    dc.rights(&["write", "svc-metasync", "OU=Managed"]);
    let mut people = People::default();
    let mut all: Vec<String> = Vec::new();
    for number in 1..=PEOPLE {
        let id = format!("n{number:04}");
        people.person(&id, &format!("New {number:04}"), "");
        all.push(id);
    }
    people.group("g1", "Everybody", "", &all.iter().map(String::as_str).collect::<Vec<_>>());
    let deployment = deployment(&dc, &people, false, NO_GUARDS);
    deployment.run(&["run", "ad", "full-import"]).expect(&[0]);
    deployment.run(&["run", "hr", "full-import"]).expect(&[0]);
    deployment.run(&["run", "hr", "full-synchronization"]).expect(&[0]);
    for stop_at in [20, 120, 250] {
        let mut child = Command::new(binary())
            .arg("--deployment")
            .arg(&deployment.folder)
            .args(["run", "ad", "export"])
            .env("METASYNC_AD_PASSWORD", BIND_PASSWORD)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary runs");
        let until = Instant::now() + Duration::from_secs(120);
        let there = || directory(&dc).keys().filter(|dn| dn.starts_with("CN=New")).count();
        while there() < stop_at && child.try_wait().expect("its state").is_none() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        // SIGKILL: no chance to clean up.
        let _killed = child.kill();
        child.wait().expect("it ends");
    }
    deployment.run(&["cycle", "delta"]).expect(&[0]);
    let after = directory(&dc);
    assert_eq!(after.keys().filter(|dn| dn.starts_with("CN=New")).count(), PEOPLE);
    assert_eq!(
        (after.len(), members(&after["CN=Everybody"])),
        (PEOPLE + 1, PEOPLE),
        "nobody twice, and everybody a member"
    );
    second_plan_is_empty(&dc, &deployment);
}

/// Invariant 5, O28: killed at every kind of request to the directory, before it leaves, after it was answered and between
/// the pages of a read, run after run: in the end everybody is there once, and nothing is left to do.
#[test]
fn killed_at_the_fail_points_of_the_directory() {
    const PEOPLE: usize = 60;
    let dc = controller("into_directory::killed_at_the_fail_points_of_the_directory", &[]);
    dc.rights(&["write", "svc-metasync", "OU=Managed"]);
    let mut people = People::default();
    people.unit("u1", "Unit", "");
    let all: Vec<String> = (1..=PEOPLE).map(|number| format!("n{number:04}")).collect();
    for id in &all {
        people.person(id, &format!("New {id}"), "OU=Unit");
        people.at(id).manager = all[PEOPLE - 1].clone();
    }
    people.group("g1", "Everybody", "", &all.iter().map(String::as_str).collect::<Vec<_>>());
    let deployment = deployment(&dc, &people, false, NO_GUARDS);
    let configuration = deployment.read("metasync.toml");
    // Several pages even of so few.
    std::fs::write(deployment.file("metasync.toml"), format!("{configuration}page_size = 10\n")).expect("written");
    let mut killed = BTreeMap::<&str, usize>::new();
    for round in 0..12 {
        for (point, count) in [("ldap-send", 9 + 5 * round), ("ldap-page", 3 + 2 * round), ("ldap-reply", 1 + round)] {
            let ended = Command::new(crash_binary())
                .arg("--deployment")
                .arg(&deployment.folder)
                .args(["cycle", if round % 2 == 0 { "initial" } else { "delta" }])
                .env("METASYNC_AD_PASSWORD", BIND_PASSWORD)
                .env("METASYNC_FAIL_POINT", format!("{point}:{count}"))
                .stdin(Stdio::null())
                .output()
                .expect("the binary runs");
            let code = ended.status.code();
            assert!(
                matches!(code, None | Some(0)),
                "{point}:{count}: {code:?} {}",
                String::from_utf8_lossy(&ended.stderr)
            );
            *killed.entry(point).or_default() += usize::from(code.is_none());
        }
        // The next round has something to write.
        for id in all.iter().skip(round * 5).take(5) {
            people.at(id).title = format!("Title {round}");
        }
        people.write(&deployment);
    }
    assert!(killed.values().all(|kills| *kills >= 10), "{killed:?}");
    deployment.run(&["cycle", "delta"]).expect(&[0]);
    let found = directory(&dc);
    assert_eq!(found.len(), PEOPLE + 2, "{:?}", found.keys());
    assert_eq!(members(&found["CN=Everybody"]), PEOPLE);
    for (number, id) in all.iter().enumerate() {
        let person = &found[&format!("CN=New {id},OU=Unit")];
        let title = format!("title=Title {}", number / 5);
        assert!(person.contains(&title), "{person} has no {title}");
        assert!(person.contains("manager=CN=New n0060"), "{person}");
    }
    second_plan_is_empty(&dc, &deployment);
}
