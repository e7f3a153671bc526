//! `[scope]`: who is synchronised by pilot group and by name, and that a group which cannot be read makes nobody leave.

use super::setup::{Lab, Settings, object};
use crate::{CycleKind, Reading, Severity, status};
use std::collections::BTreeSet;
use sync_kernel::Subject;

const PILOT: &str = "[scope.hr]\neverybody = false\ngroups = [{ id = \"pilot\", name = \"Pilot\" }]\n";

fn lab(scope: &str) -> Lab {
    let lab = Lab::with(Settings { more: scope.to_owned(), ..Settings::default() });
    (1..=4).for_each(|number| lab.hr.put_person(number));
    lab
}

fn put_group(lab: &Lab, name: &str, members: &[&str]) {
    let mut attributes = vec![("employeeId", name), ("displayName", name)];
    attributes.extend(members.iter().map(|member| ("member", *member)));
    lab.hr.put(name, "group", &attributes);
}

/// Who is in the target, and nobody else.
fn check(lab: &Lab, expected: &[&str]) {
    let found: BTreeSet<String> = lab.dir.texts("stamp").into_iter().collect();
    assert_eq!(found, expected.iter().map(|stamp| (*stamp).to_owned()).collect::<BTreeSet<_>>());
}

fn explained(lab: &Lab, anchor: &str) -> String {
    let engine = lab.engine();
    let reading = Reading::new(engine.store(), engine.rules(), lab.now);
    let explanation = reading.explain(Subject::Connector(object(&reading, "hr", anchor)), None).unwrap();
    explanation.selections.into_iter().map(|line| line.text).collect()
}

/// Direct members alone are in scope; who joins or leaves the group follows with a delta, and nobody else is looked at.
#[tokio::test]
async fn a_pilot_group_selects_its_direct_members() {
    let lab = lab(PILOT);
    put_group(&lab, "inner", &["p2"]);
    put_group(&lab, "pilot", &["p1", "inner"]);
    lab.good_cycle(CycleKind::Delta).await;
    check(&lab, &["1", "inner"]);
    assert_eq!(explained(&lab, "p1"), "in scope: it is a member of `pilot`");
    let out = "out of scope: it is a member of no group of [scope], and not listed there by name";
    assert_eq!(explained(&lab, "p2"), out);

    lab.hr.set("pilot", "member", &["p1", "inner", "p3"]);
    lab.run("hr", "delta-import").await;
    let report = lab.run("hr", "delta-synchronization").await;
    assert_eq!(report.steps[0].processed, 2, "the group and the one who became a member: {report:#?}");
    lab.good_cycle(CycleKind::Delta).await;
    check(&lab, &["1", "3", "inner"]);
    lab.hr.set("pilot", "member", &["p3", "inner"]);
    lab.good_cycle(CycleKind::Delta).await;
    check(&lab, &["3", "inner"]);
    lab.second_plan_is_empty().await;
}

/// `nested = true`: members of members, also when they change deep below.
#[tokio::test]
async fn a_nested_pilot_group_reaches_members_of_members() {
    let lab = lab(&PILOT.replace("groups", "nested = true\ngroups"));
    put_group(&lab, "inner", &["p2"]);
    put_group(&lab, "pilot", &["p1", "inner"]);
    lab.good_cycle(CycleKind::Delta).await;
    check(&lab, &["1", "2", "inner"]);
    lab.hr.set("inner", "member", &["p4", "pilot"]);
    lab.good_cycle(CycleKind::Delta).await;
    check(&lab, &["1", "4", "inner"]);
    lab.second_plan_is_empty().await;
}

/// SF13: the group is known by its anchor, so another name or place changes nobody.
#[tokio::test]
async fn sf13_a_renamed_pilot_group_is_followed() {
    let lab = lab(PILOT);
    put_group(&lab, "pilot", &["p1"]);
    lab.good_cycle(CycleKind::Delta).await;
    lab.hr.set("pilot", "displayName", &["Wave one"]);
    lab.hr.set("pilot", "member", &["p1", "p2"]);
    lab.good_cycle(CycleKind::Delta).await;
    check(&lab, &["1", "2"]);
    assert_eq!(explained(&lab, "p2"), "in scope: it is a member of `Wave one`");
}

/// SF13, SF15: a group that is gone, or has no member any longer, obsoletes nobody: nothing is synchronised, with the reason, and
/// everything goes on when it is back.
#[tokio::test]
async fn sf13_sf15_a_pilot_group_that_cannot_be_read_obsoletes_nobody() {
    let gone = "is gone from hr or cannot be read any longer; it had 2 members";
    for (break_it, told) in [(None, gone), (Some(&[][..]), "has no member any longer, and had 2")] {
        let lab = lab(PILOT);
        put_group(&lab, "pilot", &["p1", "p2"]);
        lab.good_cycle(CycleKind::Delta).await;
        lab.written();
        match break_it {
            None => lab.hr.remove("pilot"),
            Some(members) => lab.hr.set("pilot", "member", members),
        }
        lab.hr.set("p1", "displayName", &["Ann"]);
        for connector in ["hr", "dir"] {
            lab.run(connector, "full-import").await;
        }
        for (connector, profile) in
            [("hr", "delta-synchronization"), ("hr", "full-synchronization"), ("dir", "full-synchronization")]
        {
            let report = lab.run(connector, profile).await;
            assert_eq!(report.steps[0].status, status::NO_START_SCOPE_GROUP, "{report:#?}");
            assert!(report.steps[0].message.contains(told), "{}", report.steps[0].message);
        }
        let report = lab.cycle(CycleKind::Initial).await;
        assert_eq!(report.severity, Severity::Stopped);
        assert_eq!(lab.written(), Vec::<String>::new());
        check(&lab, &["1", "2"]);
        // What is only read knows the same.
        assert!(explained(&lab, "p2").starts_with("in scope: it is a member of "), "{}", explained(&lab, "p2"));

        put_group(&lab, "pilot", &["p2", "p3"]);
        lab.good_cycle(CycleKind::Delta).await;
        check(&lab, &["2", "3"]);
        lab.second_plan_is_empty().await;
    }
}

/// A group that was never imported selects nobody, so nothing is synchronised until it is.
#[tokio::test]
async fn a_pilot_group_that_was_never_imported_stops_the_first_synchronisation() {
    let lab = lab(PILOT);
    let report = lab.cycle(CycleKind::Initial).await;
    assert_eq!(report.severity, Severity::Stopped);
    let report = lab.run("hr", "full-synchronization").await;
    let message = &report.steps[0].message;
    assert!(message.contains("the group Pilot (pilot) of [scope.hr] was not imported from hr yet"), "{message}");
    put_group(&lab, "pilot", &["p4"]);
    lab.good_cycle(CycleKind::Delta).await;
    check(&lab, &["4"]);
}

/// People by name: in beside the group, and out in spite of it; the list out is stronger.
#[tokio::test]
async fn people_are_in_and_out_by_name() {
    let scope = format!("{PILOT}users = [{{ id = \"p3\" }}]\nwithout = [{{ id = \"p2\" }}]\n");
    let lab = lab(&scope);
    put_group(&lab, "pilot", &["p1", "p2"]);
    lab.good_cycle(CycleKind::Delta).await;
    check(&lab, &["1", "3"]);
    assert_eq!(explained(&lab, "p3"), "in scope: [scope] lists it by name");
    assert_eq!(explained(&lab, "p2"), "out of scope: [scope] takes it out by name");
    lab.second_plan_is_empty().await;
}

/// SF18: who leaves the selection has the grace period, with the cause; who returns in time never left.
#[tokio::test]
async fn sf18_leaving_the_selection_has_a_grace_period() {
    const DAY: i64 = 86_400_000_000;
    let mut lab = Lab::with(Settings { more: PILOT.to_owned(), grace_days: 7, ..Settings::default() });
    (1..=3).for_each(|number| lab.hr.put_person(number));
    put_group(&lab, "pilot", &["p1", "p2", "p3"]);
    lab.good_cycle(CycleKind::Delta).await;
    lab.hr.set("pilot", "member", &["p1"]);
    lab.good_cycle(CycleKind::Delta).await;
    check(&lab, &["1", "2", "3"]);
    let cause = |lab: &Lab| {
        let engine = lab.engine();
        let reading = Reading::new(engine.store(), engine.rules(), lab.now);
        let explanation = reading.explain(Subject::Connector(object(&reading, "dir", "Person 2")), None).unwrap();
        explanation.text.join("\n")
    };
    assert!(cause(&lab).contains("no longer selected by [scope]"), "{}", cause(&lab));
    lab.hr.set("pilot", "member", &["p1", "p3"]);
    lab.now += 6 * DAY;
    lab.good_cycle(CycleKind::Delta).await;
    check(&lab, &["1", "2", "3"]);
    lab.now += 2 * DAY;
    lab.good_cycle(CycleKind::Delta).await;
    check(&lab, &["1", "3"]);
}

/// Invariant 4: whoever is on the list after a change of it, full and delta agree; and a list that is open is no list.
#[tokio::test]
async fn a_changed_list_is_synchronised_in_full() {
    let mut lab = lab("");
    lab.good_cycle(CycleKind::Delta).await;
    check(&lab, &["1", "2", "3", "4"]);
    lab.settings.more = "[scope.hr]\neverybody = true\n".to_owned();
    let report = lab.good_cycle(CycleKind::Delta).await;
    assert_eq!(
        report.runs.iter().flat_map(|run| &run.steps).filter(|step| step.step_type == "full-synchronization").count(),
        0
    );
    lab.settings.more = "[scope.hr]\neverybody = true\nwithout = [{ id = \"p2\" }]\n".to_owned();
    lab.good_cycle(CycleKind::Delta).await;
    check(&lab, &["1", "3", "4"]);
    lab.settings.more = "[scope.hr]\neverybody = false\nusers = [{ id = \"p2\" }]\n".to_owned();
    lab.good_cycle(CycleKind::Delta).await;
    check(&lab, &["2"]);
    lab.second_plan_is_empty().await;
}
