//! Containers that rules provision: parents are made before what stands in them, and go after it, however the objects fall
//! into pages.

use super::setup::{Lab, RULES, Settings};
use crate::{CycleKind, RunOptions};

/// Units come from the source's contacts; a unit's and a person's `department` is the DN of the container.
fn rules() -> String {
    let units = include_str!("../../tests/systems/units.toml");
    let placed = RULES
        .replace("title = \"[title]\"\nsignInName", "title = \"[title]\"\ndepartment = \"[department]\"\nsignInName")
        .replacen(
            "[rule.flow]\nstamp = \"[employeeId]\"",
            "[rule.flow]\ndn = '\"CN=\" & [displayName] & \",\" & [department]'\nstamp = \"[employeeId]\"",
            1,
        );
    format!("{placed}{units}")
}

impl Lab {
    fn put_unit(&self, name: &str, above: &str) {
        let mut attributes = vec![("employeeId", name), ("displayName", name)];
        if !above.is_empty() {
            attributes.push(("department", above));
        }
        self.hr.put(name, "contact", &attributes);
    }

    fn put_worker(&self, number: usize, container: &str) {
        self.hr.put_person(number);
        self.hr.set(&format!("p{number}"), "department", &[container]);
    }

    /// One object in a page: what must go first never comes with what waits for it.
    async fn export_one_by_one(&self) -> Vec<String> {
        for profile in ["full-import", "full-synchronization"] {
            self.run("hr", profile).await;
        }
        let mut parts = self.parts();
        parts.limits.export_page = 1;
        let mut engine = crate::Engine::open(parts).unwrap();
        let report = engine.run_profile("dir", "export", &RunOptions::default()).await.unwrap();
        assert_eq!(report.status, crate::status::SUCCESS, "{report:#?}");
        self.written()
    }
}

fn hierarchy() -> Lab {
    let lab = Lab::with(Settings { rules: rules(), ..Settings::default() });
    // The people first: their numbers are lower than those of what they stand in.
    lab.put_worker(1, "OU=c,OU=b,OU=a");
    lab.put_worker(2, "OU=a");
    lab.put_unit("c", "OU=b,OU=a");
    lab.put_unit("b", "OU=a");
    lab.put_unit("a", "");
    lab
}

/// S30, R75: each object is sent once, when its container is there.
#[tokio::test]
async fn parents_are_created_before_what_stands_in_them() {
    let lab = hierarchy();
    lab.run("dir", "full-import").await;
    let writes = lab.export_one_by_one().await;
    let order =
        |name: &str| writes.iter().position(|write| write == name).unwrap_or_else(|| panic!("{name}: {writes:?}"));
    assert_eq!(writes.len(), 5, "nothing was refused and sent again: {writes:?}");
    assert!(order("create ou a") < order("create ou b"), "{writes:?}");
    assert!(order("create ou b") < order("create ou c"), "{writes:?}");
    assert!(order("create ou c") < order("create user 1"), "{writes:?}");
    assert!(order("create ou a") < order("create user 2"), "{writes:?}");
    // What the rules created is an object, although its class is a container's: it is confirmed and stays linked.
    lab.second_plan_is_empty().await;
    lab.hr.set("b", "displayName", &["B2"]);
    lab.hr.set("p1", "department", &["OU=c,OU=B2,OU=a"]);
    lab.hr.set("c", "department", &["OU=B2,OU=a"]);
    lab.good_cycle(CycleKind::Delta).await;
    assert_eq!(lab.dir.dn_of("stamp", "b").as_deref(), Some("OU=B2,OU=a"));
    assert_eq!(lab.dir.dn_of("stamp", "1").as_deref(), Some("CN=Person 1,OU=c,OU=B2,OU=a"));
    lab.second_plan_is_empty().await;
}

/// A container is deleted after all that stood in it: what is deleted too, and what moves elsewhere with the same export.
#[tokio::test]
async fn containers_are_deleted_after_what_stood_in_them() {
    let lab = hierarchy();
    lab.run("dir", "full-import").await;
    lab.export_one_by_one().await;
    lab.second_plan_is_empty().await;
    for gone in ["a", "b", "c", "p1"] {
        lab.hr.remove(gone);
    }
    lab.put_unit("d", "");
    lab.hr.set("p2", "department", &["OU=d"]);
    let writes = lab.export_one_by_one().await;
    assert_eq!(writes.len(), 6, "nothing was refused and sent again: {writes:?}");
    let names: Vec<String> = lab.dir.names();
    assert_eq!(names, ["CN=Person 2,OU=d", "OU=d"]);
    lab.second_plan_is_empty().await;
}

/// A container that others still use is refused by name, and keeps what stands in it.
#[tokio::test]
async fn a_container_that_is_not_empty_is_refused_by_name() {
    let lab = hierarchy();
    lab.run("dir", "full-import").await;
    lab.export_one_by_one().await;
    lab.second_plan_is_empty().await;
    lab.dir.put_at("foreign", "contact", Some("CN=somebody else's,OU=c,OU=b,OU=a"), &[]);
    lab.hr.remove("p1");
    lab.hr.remove("c");
    let report = lab.cycle(CycleKind::Delta).await;
    let export = report.runs.iter().find(|run| run.profile == "export").unwrap();
    assert_eq!(export.steps[0].first_errors[0].code, "unsupported-container-delete", "{export:#?}");
    assert_eq!(lab.dir.dn_of("stamp", "c").as_deref(), Some("OU=c,OU=b,OU=a"));
    lab.dir.remove("foreign");
    // A full import returns the container once more, no longer linked: its delete stays pending all the same.
    lab.good_cycle(CycleKind::Initial).await;
    assert_eq!(lab.dir.dn_of("stamp", "c"), None, "it is tried again by itself, and goes now");
}

/// T26: a container was created, nobody heard of it, and an import brings it before the next export looks for it. What is to stand
/// in it is created there, and not without a place.
#[tokio::test]
async fn what_stands_in_a_container_keeps_its_place_when_the_container_is_found_again() {
    let lab = Lab::with(Settings { rules: rules(), ..Settings::default() });
    lab.run("dir", "full-import").await;
    lab.put_unit("a", "");
    lab.put_worker(1, "OU=a");
    for profile in ["full-import", "full-synchronization"] {
        lab.run("hr", profile).await;
    }
    lab.export_is_lost(2).await;
    assert_eq!(lab.written(), ["create ou a"]);
    lab.run("dir", "full-import").await;
    lab.run("dir", "export").await;
    assert_eq!(lab.dir.names(), ["CN=Person 1,OU=a", "OU=a"]);
    lab.good_cycle(CycleKind::Delta).await;
    lab.second_plan_is_empty().await;
}

/// O16, S30: somebody waits to be made in a container that was deleted, by us or by somebody else. His wait keeps the place and
/// nothing more: the container is made again there, and he in it.
#[tokio::test]
async fn a_deleted_container_is_made_again_where_somebody_waits_for_it() {
    for by_us in [true, false] {
        let lab = Lab::with(Settings { rules: rules(), ..Settings::default() });
        lab.put_unit("a", "");
        lab.good_cycle(CycleKind::Initial).await;
        lab.put_worker(1, "OU=a");
        if by_us {
            lab.hr.remove("a");
        } else {
            lab.dir.remove(&lab.dir.anchor_of("stamp", "a").unwrap());
        }
        lab.cycle(CycleKind::Delta).await;
        lab.put_unit("a", "");
        lab.cycle(CycleKind::Delta).await;
        lab.cycle(CycleKind::Delta).await;
        assert_eq!(lab.dir.dn_of("stamp", "1").as_deref(), Some("CN=Person 1,OU=a"), "deleted by us: {by_us}");
        lab.second_plan_is_empty().await;
    }
}

/// S29: whoever was not made yet is made where he is wanted now, also when he was refused where he was wanted before.
#[tokio::test]
async fn who_was_never_made_is_made_where_he_is_wanted_now() {
    for is_refused in [false, true] {
        let lab = Lab::with(Settings { rules: rules(), ..Settings::default() });
        lab.put_worker(1, "OU=a");
        for profile in ["full-import", "full-synchronization"] {
            lab.run("hr", profile).await;
        }
        if is_refused {
            lab.run("dir", "export").await;
            lab.written();
        }
        lab.put_unit("b", "");
        lab.hr.set("p1", "department", &["OU=b"]);
        lab.cycle(CycleKind::Initial).await;
        assert_eq!(lab.written(), ["create ou b", "create user 1"], "refused before: {is_refused}");
        assert_eq!(lab.dir.dn_of("stamp", "1").as_deref(), Some("CN=Person 1,OU=b"));
        lab.second_plan_is_empty().await;
    }
}
