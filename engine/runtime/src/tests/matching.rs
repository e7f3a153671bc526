//! Existing objects of the target: matched, held, or left alone (SF1-SF8, SF20).

use super::setup::{Lab, Settings, object};
use crate::{CycleKind, Engine, RunOptions, Severity, status};
use connector_contract::{CredentialMark, OwnAccount, PrivilegeFact};
use metaverse_schema::Value;
use sync_kernel::{ApprovalKind, Ownership};
use sync_store::{Approved, HoldFilter, Store};

fn review() -> Lab {
    Lab::with(Settings { matching: "review", ..Settings::default() })
}

/// Puts a target user that person `number` matches by address.
fn twin(lab: &Lab, number: usize) {
    let mail = format!("PERSON{number}@contoso.example");
    let anchor = format!("twin-{number}");
    lab.dir.put(
        &anchor,
        "user",
        &[("mail", &mail), ("displayName", "In cloud"), ("title", "Kept"), ("enabled", "true")],
    );
}

/// SF5, SF1, SF2: candidates are listed; approved, they are joined by address whatever its case, keep what the source is
/// silent about, and get the stamp.
#[tokio::test]
async fn reviewed_approved_joined_exported() {
    let lab = review();
    (1..=4).for_each(|number| lab.hr.put_person(number));
    (1..=2).for_each(|number| twin(&lab, number));
    let report = lab.good_cycle(CycleKind::Initial).await;
    assert_eq!(report.severity, Severity::Held);
    assert_eq!(report.held["dir"]["match-candidate"], 2);
    let mut written = lab.written();
    written.sort();
    assert_eq!(written, ["create user 3", "create user 4"]);
    let list = report.waiting.iter().find(|list| list.kind == "match").unwrap();
    assert_eq!(list.lines, 2);

    let approved = lab.engine().approve(&sync_kernel::Digest::from_text(&list.digest)).unwrap();
    assert!(matches!(approved, Approved::Decisions { kind: ApprovalKind::Match, count: 2, .. }), "{approved:?}");
    let report = lab.good_cycle(CycleKind::Delta).await;
    assert_eq!(report.severity, Severity::Success);
    assert_eq!(lab.written().len(), 2);
    let state = lab.dir.state().objects.clone();
    assert_eq!(state.len(), 4);
    assert_eq!(state["twin-1"].attributes.text("stamp"), Some("1"));
    assert_eq!(state["twin-1"].attributes.text("title"), Some("Kept"));
    assert_eq!(state["twin-1"].attributes.text("displayName"), Some("Person 1"));
    let engine = lab.engine();
    let linked = engine.store().object(object(&engine.reading(), "dir", "twin-1")).unwrap().unwrap();
    assert_eq!(linked.link.unwrap().ownership, Ownership::Adopted);
    drop(engine);
    lab.second_plan_is_empty().await;
}

/// Two target objects with the same address: nothing is joined by any later criterion, nothing is created, both are listed.
#[tokio::test]
async fn an_ambiguous_match_is_held() {
    let lab = Lab::new();
    lab.hr.put_person(1);
    for anchor in ["one", "two"] {
        lab.dir.put(anchor, "user", &[("mail", "person1@contoso.example"), ("displayName", anchor)]);
    }
    let report = lab.good_cycle(CycleKind::Initial).await;
    assert_eq!(report.held["dir"]["ambiguous"], 2);
    assert_eq!(lab.written(), Vec::<String>::new());
    lab.dir.set("two", "mail", &["other@contoso.example"]);
    lab.good_cycle(CycleKind::Delta).await;
    assert_eq!(lab.dir.state().objects.len(), 2);
    assert_eq!(lab.dir.state().objects["one"].attributes.text("stamp"), Some("1"));
}

/// SF6: roles are read before deciding; who has one is neither matched nor doubled; unreadable counts as privileged; and
/// what changes is seen by the next synchronisation.
#[tokio::test]
async fn privileged_candidates_are_left_alone() {
    let lab = Lab::new();
    (1..=3).for_each(|number| lab.hr.put_person(number));
    (1..=3).for_each(|number| twin(&lab, number));
    let admin = PrivilegeFact::Privileged { roles: vec!["Global Administrator".into()] };
    lab.dir.behave(|behaviour| {
        behaviour.roles.insert("twin-1".into(), admin);
    });
    let report = lab.good_cycle(CycleKind::Initial).await;
    assert_eq!(report.held["dir"], [("privileged".to_owned(), 1)].into());
    assert_eq!(lab.written().len(), 2);

    lab.dir.behave(|behaviour| {
        behaviour.roles.clear();
        behaviour.roles_unreadable = true;
    });
    let report = lab.good_cycle(CycleKind::Delta).await;
    assert_eq!(report.held["dir"], [("privileged-unreadable".to_owned(), 1)].into());
    assert_eq!(lab.written().len(), 0);
    lab.dir.behave(|behaviour| behaviour.roles_unreadable = false);
    let report = lab.good_cycle(CycleKind::Delta).await;
    assert!(report.held["dir"].is_empty());
    assert_eq!(lab.written().len(), 1);
    assert_eq!(lab.dir.state().objects.len(), 3);
}

/// SF3: a takeover never enables a blocked account by itself.
#[tokio::test]
async fn a_blocked_account_is_not_enabled_by_a_takeover() {
    let lab = Lab::new();
    lab.hr.put_person(1);
    twin(&lab, 1);
    lab.dir.set("twin-1", "enabled", &["false"]);
    let report = lab.good_cycle(CycleKind::Initial).await;
    assert_eq!(report.held["dir"]["would-enable"], 1);
    assert_eq!(lab.written(), Vec::<String>::new());
    lab.approve_everything();
    lab.good_cycle(CycleKind::Delta).await;
    assert_eq!(lab.dir.state().objects["twin-1"].attributes.first("enabled"), Some(&Value::Boolean(true)));
}

/// SF4: an adopted object is detached and never deleted; one that was created is deleted.
#[tokio::test]
async fn ownership_decides_what_becomes_of_it() {
    let lab = Lab::new();
    (1..=2).for_each(|number| lab.hr.put_person(number));
    twin(&lab, 1);
    lab.good_cycle(CycleKind::Initial).await;
    lab.written();
    lab.hr.remove("p1");
    lab.hr.remove("p2");
    lab.good_cycle(CycleKind::Delta).await;
    let mut written = lab.written();
    written.sort();
    assert_eq!(written, ["delete new-1", "detach twin-1"]);
    assert_eq!(lab.dir.state().objects["twin-1"].attributes.first("enabled"), Some(&Value::Boolean(false)));
    lab.second_plan_is_empty().await;
}

/// SF20: the accounts the deployment signs in with are never synchronised, and `explain` says why.
#[tokio::test]
async fn own_accounts_stay() {
    let lab = Lab::new();
    (1..=2).for_each(|number| lab.hr.put_person(number));
    lab.hr.behave(|behaviour| {
        behaviour.own_accounts = vec![OwnAccount {
            attribute: "employeeId".into(),
            value: Value::text("2"),
            name: "CORP\\svc-metasync".into(),
        }];
    });
    lab.good_cycle(CycleKind::Initial).await;
    assert_eq!(lab.dir.texts("stamp"), ["1"]);
    let engine = lab.engine();
    let reading = engine.reading();
    let subject = sync_kernel::Subject::Connector(object(&reading, "hr", "p2"));
    let explanation = reading.explain(subject, None).unwrap();
    assert!(explanation.text.iter().any(|line| line.contains("svc-metasync")), "{:?}", explanation.text);
}

/// A deployment whose store is lost converges by the stamp, without creating anything twice (G10).
#[tokio::test]
async fn a_lost_store_creates_nothing_twice() {
    let lab = Lab::new();
    (1..=10).for_each(|number| lab.hr.put_person(number));
    lab.hr.put("g", "group", &[("employeeId", "g"), ("displayName", "All"), ("member", "p1"), ("member", "p2")]);
    twin(&lab, 1);
    lab.good_cycle(CycleKind::Initial).await;
    let before = lab.dir.picture();
    lab.written();
    std::fs::remove_file(lab.folder.path().join("metasync.db")).unwrap();
    lab.good_cycle(CycleKind::Initial).await;
    assert_eq!(lab.dir.picture(), before);
    assert!(lab.written().iter().all(|write| !write.starts_with("create")));
    lab.second_plan_is_empty().await;
}

/// SF6, SF16: a target whose import failed is not asked for roles in that cycle; what was read last stands, and nobody
/// waits for a system that does not answer.
#[tokio::test]
async fn a_target_that_does_not_answer_is_not_asked_for_roles() {
    let lab = Lab::new();
    lab.hr.put_person(1);
    twin(&lab, 1);
    let admin = PrivilegeFact::Privileged { roles: vec!["Global Administrator".into()] };
    lab.dir.behave(|behaviour| {
        behaviour.roles.insert("twin-1".into(), admin);
    });
    lab.good_cycle(CycleKind::Initial).await;
    lab.dir.behave(|behaviour| {
        behaviour.breaks_after = Some(0);
        behaviour.roles_unreadable = true;
    });
    let report = lab.cycle(CycleKind::Initial).await;
    assert_eq!(report.severity, Severity::Stopped);
    assert_eq!(report.held["dir"], [("privileged".to_owned(), 1)].into());
}

/// SF6: in a step of its own, too, a target that does not answer tells nothing: roles that were read stand, whose roles
/// were never read counts as privileged, and the target is waited for once. A target that answers without telling is
/// another matter.
#[tokio::test]
async fn sf06_roles_that_were_read_stand_while_the_target_is_out_of_reach() {
    let lab = Lab::new();
    (1..=3).for_each(|number| lab.hr.put_person(number));
    (1..=2).for_each(|number| twin(&lab, number));
    let admin = PrivilegeFact::Privileged { roles: vec!["Global Administrator".into()] };
    lab.dir.behave(|behaviour| {
        behaviour.roles.insert("twin-2".into(), admin);
    });
    for connector in ["hr", "dir"] {
        lab.run(connector, "full-import").await;
    }
    lab.run("hr", "full-synchronization").await;
    let reached = lab.run("hr", "full-synchronization").await;
    let held = |lab: &Lab| {
        let mut held = lab.engine().store().holds(&HoldFilter::default(), 10).unwrap();
        held.sort_by(|one, other| one.hold.code.cmp(&other.hold.code));
        held.into_iter().map(|line| line.hold.code).collect::<Vec<_>>()
    };
    assert_eq!(held(&lab), ["privileged"]);

    lab.dir.behave(|behaviour| behaviour.roles_out_of_reach = true);
    let alone = lab.run("hr", "full-synchronization").await;
    assert_eq!(alone.steps[0].digest, reached.steps[0].digest);
    let note = alone.steps[0].notes.iter().find(|note| note.code == "roles-not-read").unwrap();
    assert!(note.message.contains("`dir`") && note.message.contains("no answer"), "{note:?}");
    assert_eq!(held(&lab), ["privileged"]);

    (3..=4).for_each(|number| twin(&lab, number));
    lab.hr.put_person(4);
    for connector in ["hr", "dir"] {
        lab.run(connector, "full-import").await;
    }
    let before = lab.dir.state().role_calls;
    let mut parts = lab.parts();
    parts.limits.facts = 1;
    parts.limits.page = 1;
    let mut engine =
        Engine::with_store(parts, Store::open_or_create(&lab.folder.path().join("metasync.db")).unwrap()).unwrap();
    engine.run_profile("hr", "full-synchronization", &RunOptions::default()).await.unwrap();
    drop(engine);
    assert_eq!(lab.dir.state().role_calls - before, 1);
    assert_eq!(held(&lab), ["privileged", "privileged-unreadable", "privileged-unreadable"]);

    lab.dir.behave(|behaviour| {
        behaviour.roles_out_of_reach = false;
        behaviour.roles_unreadable = true;
    });
    lab.run("hr", "full-synchronization").await;
    assert_eq!(held(&lab), ["privileged-unreadable"; 3]);
}

/// SF23: a credential that is refused first when roles are read is tried once; no step and no other question about roles uses it until
/// its secret changes. Nothing was learned meanwhile: who has no role by what was read last is not held.
#[tokio::test]
async fn sf23_a_credential_that_is_refused_only_while_roles_are_read_is_left_alone_afterwards() {
    let lab = Lab::new();
    (1..=2).for_each(|number| lab.hr.put_person(number));
    (1..=2).for_each(|number| twin(&lab, number));
    for connector in ["hr", "dir"] {
        lab.run(connector, "full-import").await;
    }
    let behave = |refuses: bool, stamp: &str| {
        let mark = CredentialMark { name: "application 1".into(), stamp: stamp.into() };
        lab.dir.behave(|behaviour| (behaviour.credential, behaviour.refuses_sign_in) = (Some(mark), refuses));
    };
    let sign_ins = || std::mem::take(&mut lab.dir.state().sign_ins);
    let held = || {
        let held = lab.engine().store().holds(&HoldFilter::default(), 10).unwrap();
        held.into_iter().map(|line| line.hold.code).collect::<Vec<_>>()
    };
    behave(true, "secret 1");
    sign_ins();
    let report = lab.run("hr", "full-synchronization").await;
    assert_eq!(sign_ins(), 1, "one attempt");
    let note = report.steps[0].notes.iter().find(|note| note.code == "roles-not-read").unwrap();
    assert!(note.message.contains("`dir`") && note.message.contains("data 52e"), "{note:?}");
    assert_eq!(held(), ["privileged-unreadable"; 2]);
    let breaker = lab.engine().store().breakers().unwrap().remove(0);
    assert_eq!((breaker.credential.as_str(), breaker.remedy.as_str()), ("application 1", "check the password"));

    for _ in 0..2 {
        lab.run("hr", "full-synchronization").await;
        assert_eq!(lab.run("dir", "full-import").await.status, status::NO_START_CREDENTIALS);
    }
    assert_eq!(sign_ins(), 0, "roles are not asked for, nor anything else");

    behave(false, "secret 2");
    lab.run("hr", "full-synchronization").await;
    assert_eq!((sign_ins(), held()), (1, Vec::new()));
    assert!(lab.engine().store().breakers().unwrap().is_empty());
}
