//! Values that are only tried out: decided as if they had been imported, on a copy.

use super::setup::{Lab, object};
use crate::{CycleKind, EngineError, Preview, Reading, scratch_with_values};
use std::collections::BTreeMap;
use sync_kernel::Subject;

async fn settled() -> Lab {
    let lab = Lab::new();
    (1..=2).for_each(|number| lab.hr.put_person(number));
    lab.hr.set("p1", "title", &["clerk"]);
    lab.good_cycle(CycleKind::Initial).await;
    lab.good_cycle(CycleKind::Delta).await;
    lab
}

fn preview(lab: &Lab, set: &[&str]) -> Result<Preview, EngineError> {
    let (deployment, rules) = lab.configuration();
    let present = crate::open_for_reading(&deployment, &rules, lab.now).unwrap();
    let id = object(&Reading::new(&present, &rules, lab.now), "hr", "p1");
    let set: Vec<String> = set.iter().map(|text| (*text).to_owned()).collect();
    let store = scratch_with_values(&deployment, &rules, lab.now, id, &set)?;
    assert!(store.awaits_synchronisation(Subject::Connector(id), lab.now).unwrap());
    Reading::new(&store, &rules, lab.now).preview(Subject::Connector(id))
}

/// Old and new of what changes in the metaverse and in the target.
fn changes(preview: &Preview) -> String {
    let metaverse = preview.metaverse.iter().flat_map(|metaverse| &metaverse.attributes);
    let target = preview.targets.iter().flat_map(|target| &target.attributes);
    let line = |(space, line): (&str, &crate::AttributeLine)| {
        let winner = line.winner.as_ref().map_or("nobody", |winner| winner.rule.as_str());
        format!("{space} {}: {:?} -> {:?} by {winner}\n", line.attribute, line.old, line.new)
    };
    let lines = metaverse.map(|line| ("mv", line)).chain(target.map(|line| ("dir", line)));
    lines.filter(|(_, line)| line.changed).map(line).collect()
}

/// What is tried out is decided as if it had been imported: the plan is the one of a run after that import, and the
/// deployment is the same to the byte.
#[tokio::test]
async fn tried_values_are_decided_as_if_they_had_been_imported() {
    let lab = settled().await;
    let bytes = || -> BTreeMap<_, _> {
        let entries = std::fs::read_dir(lab.folder.path()).unwrap().map(|entry| entry.unwrap().path());
        entries.map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
    };
    let before = bytes();
    let tried = preview(&lab, &["title=boss", "mail=", "enabled=false"]).unwrap();
    expect_test::expect![[r#"
        mv enabled: True -> False by in-hr-user
        mv mail: "person1@contoso.example" -> [] by nobody
        mv title: "clerk" -> "boss" by in-hr-user
        dir enabled: True -> False by out-dir-user
        dir mail: "person1@contoso.example" -> [] by nobody
        dir title: "clerk" -> "boss" by out-dir-user
    "#]]
    .assert_eq(&changes(&tried));
    assert!(bytes() == before, "the deployment folder changed");

    lab.hr.set("p1", "title", &["boss"]);
    lab.hr.set("p1", "mail", &[]);
    lab.hr.set("p1", "enabled", &["false"]);
    lab.run("hr", "delta-import").await;
    let engine = lab.engine();
    let reading = engine.reading();
    let imported = reading.preview(Subject::Connector(object(&reading, "hr", "p1"))).unwrap();
    assert_eq!(changes(&imported), changes(&tried));
    assert_eq!(imported.digest, tried.digest);
}

/// A join key is looked up with the tried value, and a reference by the name of its target.
#[tokio::test]
async fn tried_references_and_keys_count() {
    let lab = settled().await;
    let tried = preview(&lab, &["manager=Person 2"]).unwrap();
    let manager = tried.targets[0].references.iter().find(|line| line.attribute == "manager").unwrap();
    assert_eq!((manager.values, tried.pending_import.as_str()), (1, "update"));
    let broken = preview(&lab, &["displayName=broken"]).unwrap();
    assert_eq!(broken.error.unwrap().code, "sync-rule-error-function-triggered");
}

#[tokio::test]
async fn values_that_no_import_could_tell_are_refused() {
    let lab = settled().await;
    let refusal = |set: &str| preview(&lab, &[set]).map(drop).unwrap_err().to_string();
    let refusals: Vec<String> = ["title", "titel=x", "enabled=perhaps", "manager=Nobody"].map(refusal).into();
    let several = preview(&lab, &["title=a", "title=b"]).map(drop).unwrap_err().to_string();
    expect_test::expect![[r#"
        `title` cannot be tried out: write ATTRIBUTE=VALUE; ATTRIBUTE= for no value
        `titel=x` cannot be tried out: `hr` has no attribute `titel`
        `enabled=perhaps` cannot be tried out: enabled: `perhaps` is neither true nor false
        `manager=Nobody` cannot be tried out: manager: `hr` has no object `Nobody`
        `title=b` cannot be tried out: `title` holds one value
    "#]]
    .assert_eq(&format!("{}\n{several}\n", refusals.join("\n")));
}
