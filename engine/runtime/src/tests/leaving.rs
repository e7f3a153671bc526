//! SF18: leaving scope and deletion in the source are separate, and leaving scope has a grace period in which nothing happens.

use super::setup::{Lab, RULES, Settings, object};
use crate::{CycleKind, Severity, status};
use std::collections::BTreeMap;

pub(super) const DAY: i64 = 86_400_000_000;

fn lab() -> Lab {
    let lab = Lab::with(Settings { grace_days: 7, ..Settings::default() });
    (1..=3).for_each(|number| lab.hr.put_person(number));
    lab.hr.put("g1", "group", &[("employeeId", "g1"), ("displayName", "All"), ("member", "p1"), ("member", "p2")]);
    lab
}

/// What is held of the target, by code.
async fn held(lab: &Lab) -> BTreeMap<String, u64> {
    lab.engine().store().held_counts("dir").unwrap()
}

/// The operations that reached the target since the last look.
fn kinds(lab: &Lab) -> Vec<String> {
    lab.written().iter().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

/// Leaves by its attributes: the metaverse object stays.
fn filter(lab: &Lab) {
    lab.hr.set("p1", "kind", &["local"]);
}

/// Leaves the containers: the source object and the metaverse object are gone.
fn move_away(lab: &Lab) {
    lab.hr.hide("p1");
}

/// Nothing is written for seven days, whatever else changes; then the object leaves, without any other change.
#[tokio::test]
async fn sf18_what_leaves_scope_stays_as_it_is_until_its_day() {
    for leave in [filter as fn(&Lab), move_away] {
        let mut lab = lab();
        lab.good_cycle(CycleKind::Initial).await;
        let before = lab.dir.picture();
        leave(&lab);
        lab.hr.set("p1", "title", &["Chef"]);
        lab.written();
        let report = lab.good_cycle(CycleKind::Delta).await;
        assert_eq!((report.pending["dir"], report.held["dir"]["leaving-scope"]), (0, 1));
        assert_eq!(report.severity, Severity::Success, "time alone settles it");
        for day in 1..7 {
            lab.now = 1_000_000 + day * DAY;
            // Delta and full alike, and the group is decided again too.
            lab.hr.set("g1", "displayName", &[if day % 2 == 0 { "All" } else { "Everybody" }]);
            lab.good_cycle(if day % 2 == 0 { CycleKind::Delta } else { CycleKind::Initial }).await;
            let members = lab.dir.picture().into_iter().find(|line| line.starts_with("group")).unwrap();
            assert!(members.contains("member=->1|->2"), "{members}");
        }
        assert_eq!(lab.dir.picture(), before, "day six");
        lab.now = 1_000_000 + 7 * DAY;
        lab.written();
        lab.good_cycle(CycleKind::Delta).await;
        let after = lab.dir.picture();
        assert_eq!(after.len(), before.len() - 1);
        assert!(!after.iter().any(|line| line.contains("stamp=1 ")), "{after:?}");
        assert!(!held(&lab).await.contains_key("leaving-scope"));
        lab.second_plan_is_empty().await;
    }
}

/// Who comes back in time is the same object, of the same ownership, without an approval; what changed meanwhile is written.
#[tokio::test]
async fn sf18_returning_within_the_period_cancels_it_without_an_approval() {
    for leave in [filter as fn(&Lab), move_away] {
        let mut lab = lab();
        lab.dir.put(
            "c1",
            "user",
            &[("mail", "person1@contoso.example"), ("displayName", "Cloud"), ("enabled", "true")],
        );
        lab.good_cycle(CycleKind::Initial).await;
        // From here on every match would wait for an approval.
        lab.settings.matching = "review";
        lab.good_cycle(CycleKind::Initial).await;
        leave(&lab);
        lab.good_cycle(CycleKind::Delta).await;
        assert_eq!(held(&lab).await["leaving-scope"], 1);
        lab.written();
        lab.now += 6 * DAY;
        lab.hr.show("p1");
        lab.hr.set("p1", "kind", &[]);
        lab.hr.set("p1", "title", &["Chef"]);
        let report = lab.good_cycle(CycleKind::Delta).await;
        assert_eq!(lab.written(), vec!["update 1 title"]);
        assert!(report.waiting.is_empty() && held(&lab).await.is_empty(), "{report:#?}");
        let engine = lab.engine();
        let reading = engine.reading();
        let found = engine.store().object(object(&reading, "dir", "c1")).unwrap().unwrap();
        assert_eq!(found.link.unwrap().ownership, sync_kernel::Ownership::Adopted);
        drop(engine);
        // The date is forgotten too: it leaves again, and has seven days again.
        lab.now += DAY;
        leave(&lab);
        lab.good_cycle(CycleKind::Delta).await;
        lab.now += 6 * DAY;
        lab.written();
        lab.good_cycle(CycleKind::Delta).await;
        assert_eq!(lab.written(), Vec::<String>::new());
        lab.now += DAY;
        lab.good_cycle(CycleKind::Delta).await;
        assert_eq!(kinds(&lab)[0], "detach", "SF4: taken over, so it is let go");
    }
}

/// A deletion in the source has no period, and ends one that runs; by its own setting.
#[tokio::test]
async fn sf18_a_deletion_in_the_source_is_done_at_once() {
    let rules = RULES.replace(
        "[rule.deprovision]\nprovisioned = \"delete\"\n\n[rule.flow]\nstamp = \"[employeeId]\"\ndisplayName = \"[displayName]\"\nmail",
        "[rule.deprovision]\nprovisioned = \"delete\"\n\n[rule.leave]\nprovisioned = \"detach\"\n\n[rule.flow]\nstamp = \"[employeeId]\"\n\
         displayName = \"[displayName]\"\nmail",
    );
    assert!(rules.contains("[rule.leave]"));
    for leave in [None, Some(filter as fn(&Lab)), Some(move_away)] {
        let mut lab = lab();
        lab.settings.rules = rules.clone();
        lab.good_cycle(CycleKind::Initial).await;
        if let Some(leave) = leave {
            leave(&lab);
            lab.good_cycle(CycleKind::Delta).await;
            lab.now += DAY;
        }
        lab.written();
        lab.hr.remove("p1");
        lab.good_cycle(CycleKind::Delta).await;
        assert_eq!(kinds(&lab), vec!["delete"], "not detached, as leaving scope would");
        lab.second_plan_is_empty().await;
    }
    // And by itself leaving scope does the other thing, once its day has come.
    let mut lab = lab();
    lab.settings.rules = rules;
    lab.good_cycle(CycleKind::Initial).await;
    filter(&lab);
    lab.good_cycle(CycleKind::Delta).await;
    lab.written();
    lab.now += 7 * DAY;
    lab.good_cycle(CycleKind::Delta).await;
    assert_eq!(kinds(&lab), vec!["detach"]);
    lab.good_cycle(CycleKind::Delta).await;
    lab.second_plan_is_empty().await;
}

/// T24 (O54): who leaves the target's scope leaves its groups there, when the day has come and not before; who is back in scope is
/// a member again. Who is let go and not deleted is removed by a change of the group itself.
#[tokio::test]
async fn t24_a_member_that_leaves_the_target_leaves_its_group_and_returns_with_it() {
    let members = |lab: &Lab| {
        let picture = lab.dir.picture();
        let group = picture.iter().find(|line| line.starts_with("group")).unwrap();
        group.split_whitespace().find(|word| word.starts_with("member=")).unwrap().to_owned()
    };
    for (grace_days, is_let_go) in [(0, false), (0, true), (7, false), (7, true)] {
        let mut lab = lab();
        lab.settings.grace_days = grace_days;
        if is_let_go {
            lab.settings.rules =
                RULES.replace("[rule.deprovision]\nprovisioned = \"delete\"", "[rule.leave]\nprovisioned = \"detach\"");
        }
        lab.good_cycle(CycleKind::Initial).await;
        assert_eq!(members(&lab), "member=->1|->2");
        lab.written();
        filter(&lab);
        if grace_days > 0 {
            lab.good_cycle(CycleKind::Delta).await;
            assert_eq!((lab.written(), members(&lab)), (Vec::new(), "member=->1|->2".to_owned()));
            lab.now += i64::from(grace_days) * DAY;
        }
        lab.good_cycle(CycleKind::Delta).await;
        // The import that confirms it comes first.
        lab.good_cycle(CycleKind::Delta).await;
        assert_eq!(members(&lab), "member=->2");
        let expected = if is_let_go { vec!["detach", "update"] } else { vec!["delete"] };
        assert_eq!(kinds(&lab), expected, "{grace_days} days");
        lab.second_plan_is_empty().await;
        lab.hr.set("p1", "kind", &[]);
        lab.good_cycle(CycleKind::Delta).await;
        // SF3: who was let go is blocked there, and is enabled again by an operator alone.
        assert_eq!(lab.approve_everything(), usize::from(is_let_go));
        lab.good_cycle(CycleKind::Delta).await;
        lab.good_cycle(CycleKind::Delta).await;
        assert_eq!(members(&lab), "member=->1|->2", "{grace_days} days");
        lab.second_plan_is_empty().await;
    }
}

/// The guard counts what is due, when it is due: six that leave together stop nothing for seven days, and everything after.
#[tokio::test]
async fn sf18_the_guard_counts_when_the_day_has_come() {
    let mut lab = Lab::with(Settings { grace_days: 7, ..Settings::default() });
    (1..=20).for_each(|number| lab.hr.put_person(number));
    lab.good_cycle(CycleKind::Initial).await;
    lab.settings.guard_objects = 5;
    lab.settings.guard_at_least = 5;
    (1..=6).for_each(|number| lab.hr.set(&format!("p{number}"), "kind", &["local"]));
    lab.written();
    lab.good_cycle(CycleKind::Delta).await;
    lab.hr.set("p20", "title", &["Chef"]);
    lab.now += 6 * DAY;
    lab.good_cycle(CycleKind::Delta).await;
    assert_eq!(lab.written(), vec!["update 20 title"]);
    lab.now += DAY;
    let report = lab.cycle(CycleKind::Delta).await;
    assert_eq!((report.status.as_str(), lab.written().len()), (status::STOPPED_DELETION_THRESHOLD, 0));
    let export = report.runs.iter().find(|run| run.profile == "export").unwrap();
    let guard = export.steps[0].guard.as_ref().unwrap();
    assert!(guard.first_lines.iter().all(|line| line.detail.contains("left the scope")), "{guard:#?}");
    lab.approve_everything();
    lab.good_cycle(CycleKind::Delta).await;
    assert_eq!(lab.written().len(), 6);
}

/// A full import of a system that may hide objects deletes none (SF13, SF15); of one that is all there is, it does.
#[tokio::test]
async fn sf18_what_absence_means_the_connector_says() {
    for (out_of_sight, written) in [(true, Vec::new()), (false, vec!["delete"])] {
        let lab = lab();
        lab.hr.behave(|behaviour| behaviour.out_of_sight = out_of_sight);
        lab.good_cycle(CycleKind::Initial).await;
        lab.written();
        lab.hr.remove("p2");
        lab.good_cycle(CycleKind::Initial).await;
        assert_eq!(kinds(&lab), written, "out of sight: {out_of_sight}");
    }
}

/// A changed rule is leaving scope too, and its date stays when the cause is found again; an object that is out of sight of a full
/// import has the same period.
#[tokio::test]
async fn sf18_rule_changes_and_unseen_objects_have_the_same_period() {
    let mut lab = lab();
    lab.hr.behave(|behaviour| behaviour.out_of_sight = true);
    lab.good_cycle(CycleKind::Initial).await;
    lab.written();
    lab.settings.rules =
        RULES.replace("\"kind NOTEQUAL local\"", "\"kind NOTEQUAL local\", \"displayName NOTEQUAL Person 1\"");
    lab.good_cycle(CycleKind::Delta).await;
    lab.now += 3 * DAY;
    lab.hr.hide("p2");
    lab.run("hr", "full-import").await;
    lab.good_cycle(CycleKind::Initial).await;
    assert_eq!(held(&lab).await["leaving-scope"], 2);
    assert_eq!(lab.written(), Vec::<String>::new());
    lab.now += 4 * DAY;
    lab.good_cycle(CycleKind::Initial).await;
    assert_eq!(kinds(&lab), vec!["delete"]);
    lab.now += 3 * DAY;
    lab.good_cycle(CycleKind::Delta).await;
    assert_eq!(kinds(&lab), vec!["delete"]);
}

/// Preview and explanation tell the day, and preview decides as the run does, before and on the day (invariant 2).
#[tokio::test]
async fn sf18_preview_and_explain_tell_the_day() {
    let mut lab = lab();
    lab.now = 20_000 * DAY;
    lab.good_cycle(CycleKind::Initial).await;
    filter(&lab);
    lab.run("hr", "delta-import").await;
    lab.run("hr", "delta-synchronization").await;
    let told = |lab: &Lab| {
        let engine = lab.engine();
        let reading = engine.reading();
        reading.explain_named(None, "Person 1", None).unwrap().text.join("\n")
    };
    let text = told(&lab);
    assert!(text.contains("it left scope; leaves on 2024-10-11, and is left as it is until then"), "{text}");
    assert!(text.contains("leaves on 2024-10-11 (left the scope of the provisioning rule)"), "{text}");
    lab.now += 7 * DAY;
    let text = told(&lab);
    assert!(text.contains("delete is to be sent"), "{text}");
}
