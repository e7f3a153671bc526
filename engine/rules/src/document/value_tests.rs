//! What is read from the files, down to the value: numbers at their bounds, parameters of every kind, profiles, the attribute that
//! holds members.

use super::tests::{CONFIGURATION, METAVERSE, check, check_rules, loaded, rule, shown};
use crate::{Deployment, Loaded, RuleSet};
use expect_test::expect;
use std::fmt::Write as _;

fn good(configuration: &str, rules: &str) -> Loaded {
    let loaded = loaded(configuration, &[("rules/m.toml", METAVERSE), ("rules/r.toml", rules)]);
    assert_eq!(shown(&loaded.diagnostics, &loaded.sources), "");
    loaded
}

fn deployment(more: &str) -> Deployment {
    let configuration = CONFIGURATION.replace("name = \"contoso\"", &format!("name = \"contoso\"\n{more}"));
    good(&configuration, "").deployment.unwrap()
}

fn rules(configuration: &str, rules: &str) -> RuleSet {
    good(&format!("{CONFIGURATION}{configuration}"), rules).rules.unwrap()
}

#[test]
fn a_parameter_is_a_text_a_number_or_a_truth() {
    let read = rules(
        "Floor = 3\nMask = 0x10\nLow = -9223372036854775808\nIsTest = true\n\"With.Dots-and_more\" = \"x\"\n",
        "",
    );
    let mut text = String::new();
    read.parameters.iter().for_each(|(name, value)| {
        let _ = writeln!(text, "{name} {value:?}");
    });
    expect![[r#"
        Floor 3
        IsTest True
        Low -9223372036854775808
        Mask 16
        Matching.UserPrincipalName False
        Site "east"
        With.Dots-and_more "x"
    "#]]
    .assert_eq(&text);
    check(
        &format!(
            "{CONFIGURATION}Big = 9223372036854775808\nWhen = 2020-01-01\nHalf = 0.5\n\"a b\" = 1\n\"\" = 1\n\"Matching.X\" = 1\n"
        ),
        &[("rules/m.toml", METAVERSE)],
        expect![[r#"
            metasync.toml:10:7 error wrong-kind <9223372036854775808> `Big` must be a text, a whole number, or true or false (write a text, a whole number, or true or false)
            metasync.toml:11:8 error wrong-kind <2020-01-01> `When` must be a text, a whole number, or true or false (write a text, a whole number, or true or false)
            metasync.toml:12:8 error wrong-kind <0.5> `Half` must be a text, a whole number, or true or false (write a text, a whole number, or true or false)
            metasync.toml:13:1 error parameter-name-invalid <"a b"> a parameter cannot be called `a b` (Connector.ID and Matching.* are set by the engine; others have letters, digits, `.`, `_` and `-`)
            metasync.toml:14:1 error parameter-name-invalid <""> a parameter cannot be called `` (Connector.ID and Matching.* are set by the engine; others have letters, digits, `.`, `_` and `-`)
            metasync.toml:15:1 error parameter-name-invalid <"Matching.X"> a parameter cannot be called `Matching.X` (Connector.ID and Matching.* are set by the engine; others have letters, digits, `.`, `_` and `-`)
        "#]],
    );
}

#[test]
fn numbers_of_the_deployment_and_their_bounds() {
    let read = |more: &str| {
        let read = deployment(more);
        format!(
            "{} workers, {} errors, {} days, staging {}",
            read.workers, read.error_limit, read.history_days, read.staging
        )
    };
    assert_eq!(read(""), "4 workers, 5000 errors, 7 days, staging false");
    assert_eq!(
        read("workers = 256\nerror_limit = 1\nhistory_days = 3650\nstaging = true"),
        "256 workers, 1 errors, 3650 days, staging true"
    );
    assert_eq!(read("workers = 1\nhistory_days = 1"), "1 workers, 5000 errors, 1 days, staging false");
    // R22: 0 and everything from 100,000 up is 100,000.
    for (limit, read_as) in [(0, 100_000), (99_999, 99_999), (100_000, 100_000), (100_001, 100_000)] {
        assert_eq!(deployment(&format!("error_limit = {limit}")).error_limit, read_as);
    }
    assert_eq!(deployment("").store, std::path::Path::new("/deployment/metasync.db"));
    check(
        &CONFIGURATION.replace("name =", "workers = 257\nhistory_days = 0\nerror_limit = -1\nstaging = 1\nname ="),
        &[("rules/m.toml", METAVERSE)],
        expect![[r#"
            metasync.toml:3:11 error out-of-range <257> `workers` lies between 1 and 256 (choose a number within the bounds)
            metasync.toml:4:16 error out-of-range <0> `history_days` lies between 1 and 3650 (choose a number within the bounds)
            metasync.toml:5:15 error out-of-range <-1> `error_limit` lies between 0 and 9223372036854775807 (choose a number within the bounds)
            metasync.toml:6:11 error wrong-kind <1> `staging` must be true or false (write true or false)
        "#]],
    );
}

/// SF12: each bound of the guards is its own, and percents end at 100.
#[test]
fn sf12_guards_are_read_one_by_one() {
    let read = |guards: &str| {
        let guards = good(&format!("{CONFIGURATION}[guards]\n{guards}"), "").deployment.unwrap().guards;
        (guards.objects, guards.percent, guards.at_least)
    };
    assert_eq!(read(""), (500, 10, 5));
    assert_eq!(read("objects = 0"), (0, 10, 5));
    assert_eq!(read("percent = 100"), (500, 100, 5));
    assert_eq!(read("at_least = 50"), (500, 10, 50));
    check(
        &format!("{CONFIGURATION}[guards]\npercent = 101\nobjects = -1\nat_leest = 5\n"),
        &[("rules/m.toml", METAVERSE)],
        expect![[r#"
            metasync.toml:11:11 error out-of-range <101> `percent` lies between 0 and 100 (choose a number within the bounds)
            metasync.toml:12:11 error out-of-range <-1> `objects` lies between 0 and 9223372036854775807 (choose a number within the bounds)
            metasync.toml:13:1 error key-unknown <at_leest> [guards] has no key `at_leest` (did you mean `at_least`?)
        "#]],
    );
}

/// R1, R3: a profile is known by its connector and its name; who has one of his own has no default ones.
#[test]
fn r03_profiles_are_known_by_connector_and_name() {
    let profile = |connector: &str, name: &str| {
        format!("[[profile]]\nname = \"{name}\"\nconnector = \"{connector}\"\nsteps = [\"export\"]\n")
    };
    let all = ["ad nightly", "ad hourly", "cloud nightly"].map(|both| {
        let (connector, name) = both.split_once(' ').unwrap();
        profile(connector, name)
    });
    let read = good(&format!("{CONFIGURATION}{}", all.concat()), "").deployment.unwrap();
    let names: Vec<String> = read.profiles.iter().map(|read| format!("{} {}", read.connector, read.name)).collect();
    assert_eq!(names, ["ad nightly", "ad hourly", "cloud nightly"]);
    check(
        &format!("{CONFIGURATION}{}{}", all.concat(), profile("ad", "nightly")),
        &[("rules/m.toml", METAVERSE)],
        expect![[r#"
            metasync.toml:23:8 error profile-duplicate <"nightly"> connector `ad` has two profiles `nightly` (give it another name)
        "#]],
    );
}

/// S8: the members of a group stand in the attribute that the inbound rules of its connector read a list of references from.
#[test]
fn s08_members_stand_where_the_rules_read_them() {
    const GROUPS: &str =
        "[metaverse.group]\nmembers = \"multi reference\"\nowner = \"reference\"\naddresses = \"multi text\"\n";
    let group = |connector: &str, direction: &str, precedence: u32, flows: &str| {
        let types = if direction == "inbound" { ("team", "group") } else { ("group", "team") };
        let (source, target) = types;
        format!(
            "[[rule]]\nid = \"r{precedence}\"\nname = \"r{precedence}\"\ndirection = \"{direction}\"\nconnector = \"{connector}\"\nsource_type = \"{source}\"\ntarget_type = \"{target}\"\nprecedence = {precedence}\n[rule.flow]\n{flows}\n"
        )
    };
    let member = |text: &str| rules("", &format!("{GROUPS}{text}")).member_attribute("ad").to_string();
    let others = "owner = \"[managedBy]\"\naddresses = \"[proxyAddresses]\"";
    assert_eq!(member(""), "member");
    assert_eq!(member(&group("ad", "inbound", 1, others)), "member", "one reference, and many texts");
    assert_eq!(member(&group("ad", "inbound", 1, &format!("{others}\nmembers = \"[uniqueMember]\""))), "uniqueMember");
    assert_eq!(member(&group("cloud", "inbound", 1, "members = \"[uniqueMember]\"")), "member", "of another connector");
    assert_eq!(member(&group("ad", "outbound", 1, "members = \"[members]\"")), "member", "written there, not read");
}

/// ISIN and ISNOTIN take several values; behind every other operator stands one.
#[test]
fn one_value_stands_behind_an_operator() {
    check_rules(
        &rule(
            "s",
            1,
            r#"scope = [['a EQUAL "x"; "y"', 'a EQUAL "x" y', 'a ISIN "x" y', 'a ISIN "x', 'dn ISMEMBEROF "CN=a"; "CN=b"']]"#,
        ),
        expect![[r#"
            rules/r.toml:9:23 error scope-syntax <; "y"> this does not belong to the clause (one value stands behind the operator; put quotes around all of it)
            rules/r.toml:9:44 error scope-syntax <y> this does not belong to the clause (one value stands behind the operator; put quotes around all of it)
            rules/r.toml:9:60 error scope-syntax <y> this does not belong to the clause (one value stands behind the operator; put quotes around all of it)
            rules/r.toml:9:72 error scope-syntax <"x> this value is not closed (close it with ")
            rules/r.toml:9:98 error scope-syntax <; "CN=b"> this does not belong to the clause (one value stands behind the operator; put quotes around all of it)
        "#]],
    );
    let clauses =
        rules("", &rule("s", 1, r#"scope = [["a EQUAL x; y", "b ISNOTIN  x ;y", 'c ISIN "x";', "d ISIN x;;y"]]"#));
    let mut text = String::new();
    for clause in clauses.rules[0].scope.iter().flatten() {
        let _ = writeln!(text, "{} {:?} {:?}", clause.attribute, clause.operator, clause.operand);
    }
    expect![[r#"
        a Equal ["x; y"]
        b IsNotIn ["x", "y"]
        c IsIn ["x"]
        d IsIn ["x", "", "y"]
    "#]]
    .assert_eq(&text);
}
