//! The state of a connected system as a whole: an export stops when the system is closed, or not the one that was let through.
//! Imports go on, and nothing is deprovisioned because of it.

use super::setup::Lab;
use crate::{CycleKind, CycleReport, Severity, status};
use connector_contract::{Closed, StateOfSystem};
use sync_kernel::Digest;

fn tenant(domain: &str) -> StateOfSystem {
    StateOfSystem { facts: [("verified domain contoso.com".to_owned(), domain.to_owned())].into(), closed: None }
}

fn becomes(lab: &Lab, state: StateOfSystem) {
    lab.dir.behave(|behaviour| behaviour.system = Some(state));
}

/// How the export of a cycle ended, with its message.
fn export(report: &CycleReport) -> (&str, &str) {
    let export = report.runs.iter().find(|run| run.profile == "export").unwrap();
    (&export.steps[0].status, &export.steps[0].message)
}

/// SF25: stop, show, approve.
#[tokio::test]
async fn sf25_a_changed_system_is_shown_and_exports_wait_for_an_approval() {
    let lab = Lab::new();
    becomes(&lab, tenant("Managed"));
    lab.hr.put_person(1);
    lab.good_cycle(CycleKind::Initial).await;
    assert_eq!(lab.written().len(), 1, "the first state ever seen is let through");

    becomes(&lab, tenant("Federated"));
    lab.hr.put_person(2);
    lab.hr.remove("p1");
    let report = lab.cycle(CycleKind::Delta).await;
    assert_eq!(report.severity, Severity::GuardStopped);
    let (ended, message) = export(&report);
    assert_eq!(ended, status::NO_START_SYSTEM_CHANGED);
    assert!(message.contains("verified domain contoso.com: Managed -> Federated"), "{message}");
    assert_eq!(lab.written(), Vec::<String>::new(), "neither the create nor the delete");
    let imports = report.runs.iter().filter(|run| run.profile.ends_with("import"));
    assert!(imports.clone().count() >= 2 && imports.clone().all(|run| run.status == status::SUCCESS), "{report:#?}");
    let list = report.waiting.iter().find(|list| list.kind == "system-state").unwrap();
    assert_eq!((list.lines, &*list.first_lines[0].detail), (1, "verified domain contoso.com: Managed -> Federated"));

    // Another change has another digest; the one that was shown lets nothing through any more.
    let shown = list.digest.clone();
    becomes(&lab, tenant("Unverified"));
    assert_eq!(export(&lab.cycle(CycleKind::Delta).await).0, status::NO_START_SYSTEM_CHANGED);
    assert!(lab.engine().approve(&Digest::from_text(&shown)).is_err());
    becomes(&lab, tenant("Federated"));
    let again = lab.cycle(CycleKind::Delta).await;
    assert_eq!(again.waiting.iter().find(|list| list.kind == "system-state").unwrap().digest, shown);
    lab.engine().approve(&Digest::from_text(&shown)).unwrap();
    lab.good_cycle(CycleKind::Delta).await;
    assert_eq!(lab.written().len(), 2);
    // It stays let through.
    lab.hr.put_person(3);
    lab.good_cycle(CycleKind::Delta).await;
    assert_eq!(lab.written().len(), 1);
}

/// A system that is again as it was waits for nobody.
#[tokio::test]
async fn sf25_a_change_that_was_taken_back_needs_no_approval() {
    let lab = Lab::new();
    becomes(&lab, tenant("Managed"));
    lab.hr.put_person(1);
    lab.good_cycle(CycleKind::Initial).await;
    becomes(&lab, StateOfSystem::default());
    let report = lab.cycle(CycleKind::Delta).await;
    assert_eq!(export(&report).0, status::NO_START_SYSTEM_CHANGED, "a domain that is gone is a change too");
    becomes(&lab, tenant("Managed"));
    let report = lab.good_cycle(CycleKind::Delta).await;
    assert!(report.waiting.is_empty(), "{report:#?}");
}

/// SF24, SF25: a closed system is not written to, and nothing goes because of it; opened again, it gets what waited.
#[tokio::test]
async fn sf24_a_closed_system_is_not_written_to() {
    let lab = Lab::new();
    becomes(&lab, tenant("Managed"));
    (1..=3).for_each(|number| lab.hr.put_person(number));
    lab.good_cycle(CycleKind::Initial).await;
    lab.written();
    let closed = Closed { status: "no-start-other-writer", message: "another tool".into(), remedy: "stop it".into() };
    becomes(&lab, StateOfSystem { closed: Some(closed), ..tenant("Managed") });
    lab.hr.put_person(4);
    lab.hr.remove("p1");
    for _ in 0..2 {
        let report = lab.cycle(CycleKind::Delta).await;
        assert_eq!(export(&report), ("no-start-other-writer", "another tool"));
        assert_eq!((report.severity, lab.written().len()), (Severity::Stopped, 0));
    }
    assert_eq!(lab.dir.state().objects.len(), 3);
    becomes(&lab, tenant("Managed"));
    lab.good_cycle(CycleKind::Delta).await;
    assert_eq!(lab.written().len(), 2);
}
