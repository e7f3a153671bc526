//! Rule tests are carried out by the real engine, and fail when what they expect does not come true.

use super::directory::schema;
use super::setup::{Lab, Settings};
use crate::{TestOutcome, run_rule_test};
use metaverse_schema::ConnectorSchema;
use std::collections::BTreeMap;
use sync_rules::{ConnectorName, FileText, load_tests};

async fn outcomes(lab: &Lab, text: &str) -> Vec<TestOutcome> {
    let (deployment, rules) = lab.configuration();
    let schemas: BTreeMap<ConnectorName, ConnectorSchema> =
        ["hr", "crm", "dir"].map(|name| (name.into(), schema())).into();
    let loaded = load_tests(&[FileText::text("tests/t.toml", text)], &rules, &schemas);
    assert_eq!(loaded.diagnostics, []);
    let mut outcomes = Vec::new();
    for test in &loaded.files[0].tests {
        outcomes.push(run_rule_test(&deployment, &rules, &schemas, test).await.unwrap());
    }
    assert!(!lab.folder.path().join("metasync.db").exists(), "a rule test made a store in the deployment");
    outcomes
}

/// One line for each expectation that did not come true: step, object, what, wanted, found; and the flows behind it.
async fn check(text: &str, expect: expect_test::Expect) {
    check_in(&Lab::new(), text, expect).await;
}

async fn check_in(lab: &Lab, text: &str, expect: expect_test::Expect) {
    let mut shown = String::new();
    for outcome in outcomes(lab, text).await {
        let verdict = if outcome.mismatches.is_empty() { "passed" } else { "failed" };
        shown.push_str(&format!("{verdict}: {}\n", outcome.name));
        for found in outcome.mismatches {
            let line = text[..found.place.span.start].matches('\n').count() + 1;
            let step = if found.step.is_empty() { "" } else { " " };
            shown.push_str(&format!(
                "  {line}:{step}{} {} {}: {} <> {}\n",
                found.step, found.object, found.what, found.wanted, found.found
            ));
            for because in found.because {
                shown.push_str(&format!("    {} {} = {}\n", because.verdict, because.rule, because.values));
            }
        }
    }
    expect.assert_eq(&shown);
}

const STORY: &str = r#"
[[test]]
name = "a person of two sources, matched in the target, promoted, moved out and deleted"
settles = true

[test.given.one]
connector = "hr"
type = "user"
[test.given.one.attributes]
employeeId = "1"
displayName = "One"
title = "Clerk"
mail = "one@contoso.example"
enabled = true
manager = "boss"
[test.given.one-crm]
connector = "crm"
type = "user"
[test.given.one-crm.attributes]
employeeId = "1"
title = "Agent"
department = "Sales"
[test.given.boss]
connector = "hr"
type = "user"
[test.given.boss.attributes]
employeeId = "2"
displayName = "Boss"
[test.given.team]
connector = "hr"
type = "group"
[test.given.team.attributes]
employeeId = "g"
displayName = "Team"
member = ["one", "boss"]
[test.given.twin]
connector = "dir"
type = "user"
[test.given.twin.attributes]
mail = "one@contoso.example"
displayName = "Twin"
enabled = true

[test.expect.one]
joined = ["one-crm", "twin"]
type = "person"
in_scope = ["in-hr-user"]
not_in_scope = ["in-hr-group"]
[test.expect.one.metaverse]
title = "Clerk"
department = "Sales"
kind = []
manager = "boss"
mail = { present = true }
[test.expect.one.export.dir]
operation = "takeover"
held = []
[test.expect.one.export.dir.attributes]
displayName = "One"
stamp = "1"
[test.expect.boss.export.dir]
operation = "add"
complete = true
[test.expect.boss.export.dir.attributes]
displayName = "Boss"
stamp = "2"
[test.expect.team.export.dir]
operation = "add"
[test.expect.team.export.dir.attributes]
member = ["one", "boss"]

[[test.step]]
name = "the title of the better source goes"
[test.step.change.one.attributes]
title = []
[test.step.expect.one]
metaverse = { title = "Agent" }
export = { dir = "update", crm = "none" }
[test.step.expect.boss]
export = { dir = "none" }

[[test.step]]
name = "boss leaves the containers"
leave = ["boss"]
[test.step.expect.boss]
linked = false
export = { dir = "delete" }
[test.step.expect.team.export.dir]
operation = "update"
[test.step.expect.team.export.dir.attributes]
member = ["one"]

[[test.step]]
name = "one is deleted"
delete = ["one", "one-crm"]
[test.step.expect.one]
linked = false
export = { dir = "detach" }
"#;

#[tokio::test]
async fn a_story_of_several_steps_is_carried_out_by_the_engine() {
    check(
        STORY,
        expect_test::expect![[r#"
        passed: a person of two sources, matched in the target, promoted, moved out and deleted
    "#]],
    )
    .await;
}

/// Each kind of expectation can fail, and says what was found; a value with the flows that were weighed for it.
#[tokio::test]
async fn what_does_not_come_true_is_told() {
    let given = r#"
[test.given.one]
connector = "hr"
type = "user"
attributes = { employeeId = "1", displayName = "One", title = "Clerk" }
[test.given.one-crm]
connector = "crm"
type = "user"
attributes = { employeeId = "1", title = "Agent" }
"#;
    let test = |name: &str, rest: &str| format!("[[test]]\nname = \"{name}\"\n{given}{rest}\n");
    let text = [
        test("link", "[test.expect.one]\nlinked = false\njoined = []\ntype = \"group\""),
        test("scope", "[test.expect.one]\nin_scope = [\"in-hr-group\"]\nnot_in_scope = [\"in-hr-user\"]"),
        test("metaverse", "[test.expect.one.metaverse]\ntitle = \"Agent\"\nkind = { present = true }"),
        test(
            "export",
            "[test.expect.one.export.dir]\noperation = \"update\"\ncomplete = true\nheld = [\"guest\"]\nattributes = { title = \"x\" }",
        ),
        test("error", "[test.expect.one]\nerror = \"never-seen\""),
        test(
            "unexpected error",
            "[test.given.bad]\nconnector = \"hr\"\ntype = \"user\"\nattributes = { employeeId = \"3\", displayName = \"broken\" }\n\
             [test.expect.one]\nlinked = true",
        ),
        test(
            "expected error",
            "[test.given.bad]\nconnector = \"hr\"\ntype = \"user\"\nattributes = { employeeId = \"3\", displayName = \"broken\" }\n\
             [test.expect.bad]\nerror = \"sync-rule-error-function-triggered\"",
        ),
    ];
    check(
        &text.concat(),
        expect_test::expect![[r#"
            failed: link
              13: one link: not linked <> linked to a metaverse object
              14: one joined with: nothing <> one-crm
              15: one metaverse type: group <> person
            failed: scope
              28: one rule in-hr-group: in scope <> a rule for other objects
              29: one rule in-hr-user: not in scope <> in scope
            failed: metaverse
              42: one metaverse title: Agent <> Clerk
                won in-hr-user = Clerk
                lower precedence in-crm-user = Agent
              43: one metaverse kind: any value <> nothing
                no value in-hr-user = nothing
            failed: export
              56: one export to dir: update <> add
              59: one title in dir: x <> Clerk
                won out-dir-user = Clerk
              55: one other attributes sent to dir: nothing <> displayName, stamp
              58: one held for dir: guest <> nothing
            failed: error
              72: one error: never-seen <> nothing
            failed: unexpected error
              73: bad error: none <> sync-rule-error-function-triggered: a broken name (in `IIF([displayName] = "broken", Error("a broken name"), [displayName])`)
            passed: expected error
        "#]],
    )
    .await;
}

/// In review a candidate waits; `approve` lets it through, and `matching` overrules the deployment.
#[tokio::test]
async fn a_test_chooses_how_matches_are_made() {
    check(
        r#"
[[test]]
name = "review"
matching = "review"
settles = true
[test.given.one]
connector = "hr"
type = "user"
attributes = { employeeId = "1", displayName = "One", mail = "one@contoso.example", enabled = true }
[test.given.twin]
connector = "dir"
type = "user"
attributes = { displayName = "Twin", mail = "one@contoso.example", enabled = true }
[test.expect.one]
joined = []
export.dir = { operation = "none", held = ["match-candidate"] }
[[test.step]]
name = "somebody looks at it"
approve = true
[test.step.expect.one]
joined = ["twin"]
export.dir = { operation = "takeover", held = [] }

[[test]]
name = "privileged"
[test.given.one]
connector = "hr"
type = "user"
attributes = { employeeId = "1", displayName = "One", mail = "one@contoso.example", enabled = true }
[test.given.twin]
connector = "dir"
type = "user"
roles = ["Global Administrator"]
attributes = { displayName = "Twin", mail = "one@contoso.example", enabled = true }
[test.expect.one]
joined = []
export.dir = { operation = "none", held = ["privileged"] }
"#,
        expect_test::expect![[r#"
            passed: review
            passed: privileged
        "#]],
    )
    .await;
}

/// SF18: who leaves the containers goes after the grace period, and the time of a step is what the engine goes by.
#[tokio::test]
async fn sf18_a_test_tells_who_leaves_and_when() {
    let lab = Lab::with(Settings { grace_days: 7, ..Settings::default() });
    check_in(
        &lab,
        r#"
[[test]]
name = "leaving"
now = "2026-01-01T08:00:00Z"
settles = true
[test.given.one]
connector = "hr"
type = "user"
attributes = { employeeId = "1", displayName = "One" }
[test.expect.one]
export = { dir = "add" }
[[test.step]]
name = "moved out"
leave = ["one"]
[test.step.expect.one]
linked = false
export = { dir = "leaving" }
[[test.step]]
name = "a week later"
now = "2026-01-09T08:00:00Z"
[test.step.expect.one]
export = { dir = "delete" }
"#,
        expect_test::expect![[r#"
            passed: leaving
        "#]],
    )
    .await;
}
