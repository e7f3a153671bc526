//! Preview and explain: the same decision as the run, and a store that is not touched.

use super::setup::{Lab, Recorder, Settings, object};
use crate::{CycleKind, Engine, EngineError, Event, Reading, RunOptions, Space, open_for_reading, scratch_with_rules};
use connector_contract::PrivilegeFact;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use sync_kernel::Subject;

/// Invariant 2: preview and run show the same digest, for a create, a takeover, a change and a delete; the deployment folder
/// is byte-identical before and after.
#[tokio::test]
async fn a_preview_is_the_run() {
    let lab = Lab::new();
    (1..=4).for_each(|number| lab.hr.put_person(number));
    lab.good_cycle(CycleKind::Initial).await;
    lab.hr.put_person(5);
    lab.hr.set("p1", "title", &["Chef"]);
    lab.hr.remove("p2");
    lab.hr.put_person(6);
    lab.dir.put("twin", "user", &[("mail", "person6@contoso.example"), ("displayName", "Six"), ("enabled", "true")]);
    lab.run("hr", "delta-import").await;
    lab.run("dir", "delta-import").await;

    let bytes = || std::fs::read(lab.folder.path().join("metasync.db")).unwrap();
    let files = || -> BTreeSet<_> {
        std::fs::read_dir(lab.folder.path()).unwrap().map(|file| file.unwrap().file_name()).collect()
    };
    let before = (bytes(), files());
    let (deployment, rules) = lab.configuration();
    let mut previewed = BTreeMap::new();
    {
        let store = open_for_reading(&deployment, &rules, lab.now).unwrap();
        let reading = Reading::new(&store, &rules, lab.now);
        for anchor in ["p1", "p2", "p5", "p6"] {
            let subject = Subject::Connector(object(&reading, "hr", anchor));
            let preview = reading.preview_with_facts(&lab.connectors(), subject).await.unwrap();
            let operations: Vec<&str> = preview.targets.iter().map(|target| target.operation).collect();
            let expected = match anchor {
                "p1" => "update",
                "p2" => "delete",
                "p5" => "add",
                _ => "takeover",
            };
            assert_eq!(operations, [expected], "{anchor}: {preview:#?}");
            previewed.insert(crate::names::id_text(subject), preview.digest);
        }
    }
    assert!((bytes(), files()) == before, "the deployment folder changed: {:?}", files());

    let recorder = Arc::new(Recorder::default());
    let mut parts = lab.parts();
    parts.events = recorder.clone();
    let mut engine = Engine::open(parts).unwrap();
    engine.run_profile("hr", "delta-synchronization", &RunOptions::default()).await.unwrap();
    let decided: BTreeMap<String, String> = recorder
        .take()
        .into_iter()
        .filter_map(|event| match event {
            Event::Decided { subject, digest } => Some((subject, digest)),
            _ => None,
        })
        .collect();
    for (subject, digest) in &previewed {
        assert_eq!(decided.get(subject), Some(digest), "{subject}");
    }
}

/// Invariant 8: contributor, rule and losers of a value, with two sources that differ.
#[tokio::test]
async fn explain_names_contributor_rule_and_losers() {
    let lab = Lab::new();
    lab.hr.put_person(1);
    lab.crm.put_person(1);
    lab.crm.set("p1", "displayName", &["Person One"]);
    lab.good_cycle(CycleKind::Initial).await;
    let engine = lab.engine();
    let reading = engine.reading();
    let explanation =
        reading.explain_named(Some(&Space::Connector("dir".into())), "Person 1", Some("displayName")).unwrap();
    let line = &explanation.attributes[0];
    let winner = line.winner.as_ref().unwrap();
    assert_eq!(
        (winner.rule.as_str(), winner.contributor.as_ref().unwrap().connector.as_deref()),
        ("in-hr-user", Some("hr"))
    );
    assert_eq!(line.losers.len(), 1);
    assert_eq!((line.losers[0].rule.as_str(), line.losers[0].verdict.as_str()), ("in-crm-user", "lower precedence"));
    assert_eq!(line.losers[0].values.first().unwrap().to_string(), "Person One");
    let exported = &explanation.targets[0].attributes[0];
    assert_eq!(exported.winner.as_ref().unwrap().rule, "out-dir-user");
    assert_eq!(exported.winner.as_ref().unwrap().inputs[0].attribute, "displayName");
    assert!(explanation.text.iter().any(|line| line.contains("In from hr - User")), "{:#?}", explanation.text);
}

/// Why something is held, and which members of a group do not flow (SF19).
#[tokio::test]
async fn explain_tells_holds_and_waiting_members() {
    let lab = Lab::new();
    lab.hr.put_person(1);
    lab.hr.put_person(2);
    lab.hr.put("g", "group", &[("employeeId", "g"), ("displayName", "All"), ("member", "p1"), ("member", "p2")]);
    lab.dir.put("twin", "user", &[("mail", "person1@contoso.example"), ("displayName", "One"), ("enabled", "true")]);
    lab.dir.behave(|behaviour| {
        let roles = vec!["Global Administrator".to_owned()];
        behaviour.roles.insert("twin".into(), PrivilegeFact::Privileged { roles });
    });
    lab.good_cycle(CycleKind::Initial).await;
    let engine = lab.engine();
    let reading = engine.reading();
    let held = reading.explain_named(Some(&Space::Connector("hr".into())), "p1", None).unwrap();
    assert!(held.text.iter().any(|line| line.contains("Global Administrator")), "{:#?}", held.text);
    let group = reading.explain_named(Some(&Space::Connector("hr".into())), "g", Some("member")).unwrap();
    assert_eq!(group.waiting_members_total, 1, "{group:#?}");
    assert_eq!(group.waiting_members[0].code, "privileged");
    let subject = Subject::Connector(object(&reading, "hr", "g"));
    let preview = reading.preview(subject).unwrap();
    let members = &preview.targets[0].references[0];
    assert_eq!((members.values, members.flowing), (2, 1));
    assert_eq!(members.waiting, [("privileged".to_owned(), 1)].into());
}

/// A rule change is previewed on a private copy; the deployment does not notice.
#[tokio::test]
async fn changed_rules_are_previewed_on_a_copy() {
    let mut lab = Lab::new();
    lab.hr.put_person(1);
    lab.good_cycle(CycleKind::Initial).await;
    let before = std::fs::read(lab.folder.path().join("metasync.db")).unwrap();
    lab.settings.rules =
        lab.settings.rules.replace("title = \"[title]\"\ndepartment", "title = \"[displayName]\"\ndepartment");
    let (deployment, rules) = lab.configuration();
    let store = scratch_with_rules(&deployment, &rules, lab.now).unwrap();
    let reading = Reading::new(&store, &rules, lab.now);
    let preview = reading.preview(Subject::Connector(object(&reading, "hr", "p1"))).unwrap();
    let title = preview.targets[0].attributes.iter().find(|line| line.attribute == "title").unwrap();
    assert!(title.changed && title.old.is_empty(), "{title:?}");
    assert_eq!(std::fs::read(lab.folder.path().join("metasync.db")).unwrap(), before);
}

/// A name that fits several objects is not guessed.
#[tokio::test]
async fn an_ambiguous_name_lists_what_it_fits() {
    let lab = Lab::with(Settings::default());
    for anchor in ["a", "b"] {
        lab.hr.put(anchor, "user", &[("employeeId", anchor), ("displayName", "Ann")]);
    }
    lab.good_cycle(CycleKind::Initial).await;
    let engine = lab.engine();
    let found = engine.reading().find(&Space::Connector("hr".into()), "Ann");
    assert!(matches!(&found, Err(EngineError::Ambiguous { found, .. }) if found.len() == 2), "{found:?}");
    let missing = engine.reading().find(&Space::Metaverse, "Nobody");
    assert!(matches!(missing, Err(EngineError::NotFound { .. })));
    let status = engine.reading().status(engine.deployment()).unwrap();
    assert_eq!(status.connectors.len(), 3);
}
