//! A preview of a rule change over the whole metaverse: exactly what changes, by the run's own decisions, nothing written.

use super::setup::{Lab, RULES, Settings};
use crate::{ChangeLine, CycleKind, NoEvents, RuleChange, RuleChangeRequest, RuleComparison, RunOptions, StopSignal};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use sync_rules::RuleSet;

/// The rules of a lab with one text replaced.
fn changed(lab: &Lab, from: &str, to: &str) -> RuleSet {
    assert!(RULES.contains(from));
    let settings = Settings { rules: RULES.replace(from, to), ..lab.settings.clone() };
    Lab::with(settings).configuration().1
}

async fn compare(lab: &Lab, proposed: &RuleSet) -> (RuleChange, Vec<ChangeLine>) {
    let (deployment, present) = lab.configuration();
    let request = RuleChangeRequest {
        deployment: &deployment,
        present: &present,
        proposed,
        connectors: lab.connectors(),
        reads: None,
        offline: false,
        now: lab.now,
        events: Arc::new(NoEvents),
        stop: StopSignal::new(),
    };
    let mut lines = Vec::new();
    let comparison = RuleComparison::make(&request).await.unwrap();
    let report = comparison.walk(&mut |line| lines.push(line.clone())).unwrap();
    (report, lines)
}

/// One line each: kind, object, connector, attribute, old and new.
fn shown(lines: &[ChangeLine]) -> String {
    let line = |line: &ChangeLine| {
        let words = [
            crate::step::counter_name(&line.kind),
            line.connector.clone().unwrap_or_default(),
            line.object.name.clone(),
            line.attribute.clone().unwrap_or_default(),
        ];
        let words: Vec<String> = words.into_iter().filter(|word| !word.is_empty()).collect();
        let values = match line.from.is_empty() && line.to.is_empty() {
            true => format!("{:?} -> {:?}", line.old, line.new),
            false => format!("{} -> {}", line.from, line.to),
        };
        format!("{}: {values}\n", words.join(" "))
    };
    lines.iter().map(line).collect()
}

fn files(lab: &Lab) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = std::fs::read_dir(lab.folder.path()).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| (path.clone(), std::fs::read(&path).unwrap())).collect()
}

/// Three persons, of whom two have a title, and a group; everything exported and confirmed.
async fn settled() -> Lab {
    let lab = Lab::new();
    (1..=3).for_each(|number| lab.hr.put_person(number));
    lab.hr.set("p1", "title", &["clerk"]);
    lab.hr.set("p2", "title", &["BOSS"]);
    lab.hr.put("g", "group", &[("employeeId", "g"), ("displayName", "All"), ("member", "p1"), ("member", "p2")]);
    lab.good_cycle(CycleKind::Initial).await;
    lab.good_cycle(CycleKind::Delta).await;
    lab
}

const TITLE: &str = "title = \"[title]\"\nsignInName = \"[signInName]\"\nenabled = \"[enabled]\"\nkind = ";
const UPPER: &str = "title = \"UCase([title])\"\nsignInName = \"[signInName]\"\nenabled = \"[enabled]\"\nkind = ";

/// One changed flow lists exactly the objects whose value changes, and what would be sent for them.
#[tokio::test]
async fn one_changed_flow_lists_exactly_the_objects_whose_value_changes() {
    let lab = settled().await;
    let before = files(&lab);
    let (report, lines) = compare(&lab, &changed(&lab, TITLE, UPPER)).await;
    expect_test::expect![[r#"
        value Person 1 title: "clerk" -> "CLERK"
        export dir Person 1: none -> update
        export-value dir Person 1 title: "clerk" -> "CLERK"
    "#]]
    .assert_eq(&shown(&lines));
    assert_eq!((report.objects, report.attributes.clone()), (1, [("title".to_owned(), 1)].into()));
    assert!(!report.pending_settled && !report.same_rules);
    assert_eq!(report.targets[0].after["update"], 1);
    assert!(files(&lab) == before, "the deployment folder changed");
}

/// Invariant 2: the digest of each step is the run's, once the rules are in place.
#[tokio::test]
async fn the_digest_of_a_rule_change_is_the_runs() {
    let mut lab = settled().await;
    let proposed = changed(&lab, TITLE, UPPER);
    let (report, _) = compare(&lab, &proposed).await;
    let (unchanged, lines) = compare(&lab, &lab.configuration().1).await;
    assert!(unchanged.same_rules && lines.is_empty(), "{}", shown(&lines));
    lab.settings.rules = RULES.replace(TITLE, UPPER);
    // The preview asks no target for roles that it has read once; a run whose target is out of reach cannot.
    lab.dir.behave(|behaviour| behaviour.roles_out_of_reach = true);
    let mut digests = Vec::new();
    for step in &report.steps {
        let run = lab.run(&step.connector, "full-synchronization").await;
        digests.push(run.steps[0].digest.clone().unwrap());
    }
    let previewed: Vec<String> = report.steps.iter().map(|step| step.digest.clone()).collect();
    assert_eq!(digests, previewed);
    // The digest is of what is decided: other rules give another one.
    let otherwise: Vec<String> = unchanged.steps.iter().map(|step| step.digest.clone()).collect();
    assert_ne!(previewed, otherwise);
}

/// What was pending anyway is no effect of the rules: a pending title and a pending person are shown with neither.
#[tokio::test]
async fn what_is_pending_anyway_is_not_shown_as_an_effect_of_the_rules() {
    let lab = settled().await;
    lab.hr.set("p3", "displayName", &["Person Three"]);
    lab.hr.put_person(4);
    lab.hr.set("p4", "title", &["new"]);
    lab.hr.remove("p2");
    lab.run("hr", "delta-import").await;
    let (report, lines) = compare(&lab, &changed(&lab, TITLE, UPPER)).await;
    assert!(report.pending_settled);
    expect_test::expect![[r#"
        value Person 1 title: "clerk" -> "CLERK"
        value Person 4 title: "new" -> "NEW"
        export-value dir Person 4 title: "new" -> "NEW"
        export dir Person 1: none -> update
        export-value dir Person 1 title: "clerk" -> "CLERK"
    "#]]
    .assert_eq(&shown(&lines));
}

/// A scope that lets persons out: links, metaverse objects, exports and members; and how the guard would judge.
#[tokio::test]
async fn a_narrower_scope_tells_who_leaves_and_what_the_guard_would_say() {
    let mut lab = settled().await;
    (lab.settings.guard_objects, lab.settings.guard_at_least) = (1, 1);
    let narrower = changed(&lab, "scope = [[\"kind NOTEQUAL filtered\"]]", "scope = [[\"title ISNULL\"]]");
    let (report, lines) = compare(&lab, &narrower).await;
    expect_test::expect![[r#"
        unlinked hr Person 1: metaverse: person Person 1 -> nothing
        deleted Person 1: [] -> []
        unlinked hr Person 2: metaverse: person Person 2 -> nothing
        deleted Person 2: [] -> []
        export dir All: none -> update
        export-references dir All member: 0 to add, 0 to remove -> 0 to add, 2 to remove
        unlinked dir Person 1: metaverse: person Person 1 -> nothing
        export dir Person 1: none -> delete
        unlinked dir Person 2: metaverse: person Person 2 -> nothing
        export dir Person 2: none -> delete
    "#]]
    .assert_eq(&shown(&lines));
    let guard = report.targets[0].guard.as_ref().unwrap();
    let stopped: Vec<String> =
        guard.verdicts.iter().map(|verdict| format!("{:?} {}", verdict.kind, verdict.count)).collect();
    expect_test::expect!["Delete 2, MemberRemove 2, GroupEmptied 1"].assert_eq(&stopped.join(", "));
    assert_eq!(report.steps.len(), 3);
    // Nothing of it has happened.
    let report = lab.engine().run_profile("dir", "export", &RunOptions::default()).await.unwrap();
    assert_eq!(report.steps[0].processed, 0, "{report:#?}");
}
