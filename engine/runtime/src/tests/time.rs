//! Rules that read the clock (SF28): what time alone changes is synchronised by the next delta, and no sooner.

use super::setup::{Lab, RULES, Settings};
use crate::CycleKind;

/// 1970-01-01 in the unit of Active Directory's dates: 100 nanoseconds since 1601.
const EPOCH: i64 = 116_444_736_000_000_000;
const SECOND: i64 = 1_000_000;

/// The title says until when somebody is here: the department follows it inbound, the sign-in name outbound, and whoever
/// has left the building by `kind` leaves the target too.
fn rules() -> String {
    let until = r#"DateFromNum(CNum([title]))"#;
    RULES
        .replace(
            "kind = \"[kind]\"\n",
            &format!(
                "kind = 'IIF(IsPresent([kind]), IIF(Now() >= DateFromNum(CNum([kind])), \"local\", \"here\"), NULL)'\n\
                 department = 'IIF(IsPresent([title]), IIF(Now() < {until}, \"present\", \"past\"), NULL)'\n"
            ),
        )
        .replace(
            "signInName = \"[signInName]\"\nenabled = \"[enabled]\"\nmanager = \"[manager]\"\n\n[[rule]]\nid = \"out-dir-group\"",
            &format!(
                "signInName = 'IIF(IsPresent([title]), IIF({until} > Now(), \"in\", \"out\"), NULL)'\nenabled = \"[enabled]\"\n\
                 manager = \"[manager]\"\n\n[[rule]]\nid = \"out-dir-group\""
            ),
        )
}

fn lab(now: i64) -> Lab {
    let mut lab = Lab::with(Settings { rules: rules(), ..Settings::default() });
    lab.now = now;
    for number in 1..=6 {
        lab.hr.put_person(number);
        let until = |seconds: i64| (EPOCH + seconds * SECOND * 10).to_string();
        let number = i64::try_from(number).unwrap();
        lab.hr.set(&format!("p{number}"), "title", &[&until(number * 100)]);
        if number > 3 {
            lab.hr.set(&format!("p{number}"), "kind", &[&until(number * 100 + 50)]);
        }
    }
    lab
}

/// SF28: a delta at any time equals a full synchronisation at that time, by inbound flows, outbound flows and scope.
#[tokio::test]
async fn sf28_a_delta_at_any_time_equals_a_full_synchronisation_at_that_time() {
    let mut lab = lab(0);
    lab.good_cycle(CycleKind::Initial).await;
    assert!(lab.dir.picture().iter().all(|line| line.contains("department=present") && line.contains("signInName=in")));
    let mut moved = 0;
    for seconds in [99, 100, 101, 200, 299, 300, 449, 450, 451, 500, 599, 600, 700] {
        lab.now = seconds * SECOND;
        lab.written();
        lab.good_cycle(CycleKind::Delta).await;
        let after_delta = lab.dir.picture();
        moved += lab.written().len();
        lab.good_cycle(CycleKind::Initial).await;
        assert_eq!(lab.written(), Vec::<String>::new(), "at {seconds}: a full cycle has nothing left to do");
        let fresh = self::lab(lab.now);
        fresh.good_cycle(CycleKind::Initial).await;
        assert_eq!(after_delta, fresh.dir.picture(), "at {seconds}");
    }
    assert!(lab.dir.picture().iter().all(|line| line.contains("department=past") && line.contains("signInName=out")));
    assert_eq!((lab.dir.picture().len(), moved), (3, 9), "three left, and six were changed once");
}

/// SF28: only what reads the clock is due: an expression that was not evaluated that far does not count.
#[tokio::test]
async fn sf28_only_what_is_due_is_decided_again() {
    let mut lab = Lab::with(Settings { rules: rules(), ..Settings::default() });
    (1..=20).for_each(|number| lab.hr.put_person(number));
    let until = (EPOCH + 100 * SECOND * 10).to_string();
    lab.hr.set("p7", "title", &[&until]);
    lab.now = 0;
    lab.good_cycle(CycleKind::Initial).await;
    lab.now = 100 * SECOND;
    let report = lab.run("crm", "delta-synchronization").await;
    let note = report.steps[0].notes.iter().find(|note| note.code == "due-by-the-clock").unwrap();
    assert_eq!(note.message, "metaverse objects decided again because their time has come: 1");
    // R76, R78: one in error is tried again by every step, whatever the clock says.
    lab.hr.set("p6", "title", &["not a number"]);
    lab.run("hr", "delta-import").await;
    for _ in 0..2 {
        let report = lab.run("hr", "delta-synchronization").await;
        assert_eq!((report.steps[0].processed, report.steps[0].errors), (1, 1));
    }
}
