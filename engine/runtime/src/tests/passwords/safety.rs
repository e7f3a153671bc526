//! When no password leaves: staging, a full synchronisation that is to come, a closed tenant, a guard, a refused credential.

use super::world::{World, error, states};
use crate::{CycleKind, PassKind, Severity, close_breakers, status};
use connector_contract::{Closed, CredentialMark, ErrorKind, StateOfSystem};
use sync_kernel::Digest;
use sync_store::{Approved, Store};

/// P17, T39: a staging deployment pushes nothing, reads nothing, and goes on where it stopped.
#[tokio::test]
async fn p17_t39_staging_pushes_nothing_and_goes_on_where_it_stopped() {
    let mut world = World::settled(2).await;
    world.pass().await;
    world.arrived();
    world.source.calls();
    world.lab.settings.staging = true;
    world.source.set("p1", "in staging");
    let report = world.pass().await;
    assert_eq!(report.sources[0].paused.as_ref().unwrap().status, status::NO_START_STAGING_MODE);
    assert_eq!((world.arrived(), world.source.calls()), (Vec::new(), Vec::new()));
    world.lab.settings.staging = false;
    world.pass().await;
    assert_eq!((world.arrived(), world.source.calls()), (vec!["1".to_owned()], vec!["changes".to_owned()]));
}

/// P16, 613: what the metaverse says must be whole before passwords go by it.
#[tokio::test]
async fn p16_passwords_wait_for_the_full_synchronisation() {
    let mut world = World::settled(1).await;
    // Other rules: registered by any engine, applied by the next synchronisation.
    world.lab.settings.rules.push_str("\n[metaverse.thing]\nname = \"text\"\n");
    drop(world.lab.engine());
    let report = world.pass().await;
    assert_eq!(report.severity, Severity::Stopped);
    assert!(report.sources[0].paused.as_ref().unwrap().message.contains("full synchronisation of hr"));
    assert_eq!((world.arrived(), world.source.calls()), (Vec::new(), Vec::new()));
    assert_eq!(world.numbers(), [613]);
    world.lab.good_cycle(CycleKind::Delta).await;
    world.pass().await;
    assert_eq!(world.arrived(), ["1"]);
}

/// SF25, SF24: a tenant that is closed, or another than the one that was let through, gets no password.
#[tokio::test]
async fn sf25_no_password_goes_to_a_closed_or_changed_system() {
    let world = World::settled(1).await;
    let facts = |domain: &str| StateOfSystem {
        facts: [("verified domain contoso.com".to_owned(), domain.to_owned())].into(),
        closed: None,
    };
    let becomes = |state: StateOfSystem| world.lab.dir.behave(|behaviour| behaviour.system = Some(state));
    becomes(facts("Managed"));
    world.lab.hr.put_person(2);
    world.lab.good_cycle(CycleKind::Delta).await;
    let closed =
        Closed { status: "no-start-sync-disabled", message: "synchronisation is off".into(), remedy: "on".into() };
    becomes(StateOfSystem { closed: Some(closed), ..facts("Managed") });
    let report = world.pass().await;
    assert_eq!(report.sources[0].targets[0].paused.as_ref().unwrap().status, "no-start-sync-disabled");
    becomes(facts("Federated"));
    let report = world.pass().await;
    assert_eq!(report.severity, Severity::GuardStopped);
    assert_eq!((world.arrived(), world.source.calls()), (Vec::new(), Vec::new()));
    becomes(facts("Managed"));
    world.pass().await;
    assert_eq!(world.arrived(), ["1"]);
}

/// SF12: first passwords over the limit wait for the approval of exactly their list; everybody else's go on meanwhile.
#[tokio::test]
async fn sf12_first_passwords_over_the_limit_wait_for_their_approval() {
    let mut world = World::settled(2).await;
    world.pass().await;
    assert_eq!(world.arrived(), ["1", "2"]);
    for number in 3..=6 {
        world.lab.hr.put_person(number);
        world.source.set(&format!("p{number}"), "first");
    }
    world.lab.good_cycle(CycleKind::Delta).await;
    (world.lab.settings.guard_objects, world.lab.settings.guard_at_least) = (3, 3);
    world.source.set("p1", "changed meanwhile");
    let report = world.pass().await;
    assert_eq!((report.severity, world.arrived()), (Severity::GuardStopped, vec!["1".to_owned()]));
    let guard = report.sources[0].targets[0].guard.clone().unwrap();
    assert_eq!((guard.lines, guard.verdicts[0].limit), (4, 3));
    let waiting = crate::cycle::waiting_lists(&world.store(), &"dir".into()).unwrap();
    assert_eq!((waiting.len(), &*waiting[0].kind, waiting[0].lines), (1, "first-password", 4));

    // Another list has another digest: the approval of the first one lets nothing through.
    let approved = world.lab.engine().approve(&Digest::from_text(&guard.digest)).unwrap();
    assert_eq!(approved, Approved::FirstPasswords { connector: "dir".into(), users: 4 });
    world.lab.hr.put_person(7);
    world.source.set("p7", "first");
    world.lab.good_cycle(CycleKind::Delta).await;
    let report = world.pass().await;
    assert_eq!(world.arrived(), Vec::<String>::new());
    let guard = report.sources[0].targets[0].guard.clone().unwrap();
    assert_eq!(guard.lines, 5);
    world.lab.engine().approve(&Digest::from_text(&guard.digest)).unwrap();
    // An export in between does not use the approval up.
    world.lab.good_cycle(CycleKind::Delta).await;
    let report = world.pass().await;
    assert_eq!(world.arrived(), ["3", "4", "5", "6", "7"]);
    assert_eq!(states(&report), "dir: Success 5; owed 0");
    assert!(crate::cycle::waiting_lists(&world.store(), &"dir".into()).unwrap().is_empty());
}

/// SF12: a let-through list stays let through when its push broke off.
#[tokio::test]
async fn sf12_an_approved_list_is_not_asked_about_again_when_its_push_broke_off() {
    let mut world = World::settled(6).await;
    (world.lab.settings.guard_objects, world.lab.settings.guard_at_least) = (3, 3);
    let report = world.pass().await;
    let digest = report.sources[0].targets[0].guard.clone().unwrap().digest;
    world.lab.engine().approve(&Digest::from_text(&digest)).unwrap();
    world.target.state().fails = Some(error(ErrorKind::Connection, "away"));
    world.pass().await;
    world.target.state().fails = None;
    let report = world.pass().await;
    assert_eq!((world.arrived().len(), report.sources[0].targets[0].guard.is_none()), (6, true));
}

/// SF23: a refused credential is tried once; then not before its secret's source changed.
#[tokio::test]
async fn sf23_a_refused_source_credential_is_tried_once() {
    let world = World::settled(1).await;
    world.source.state().breaks = Some((0, error(ErrorKind::Credential, "data 52e")));
    let report = world.pass().await;
    assert_eq!(report.sources[0].paused.as_ref().unwrap().status, "no-start-credentials");
    for _ in 0..3 {
        let report = world.pass().await;
        let paused = report.sources[0].paused.clone().unwrap();
        assert!(paused.message.contains("CORP\\svc-passwords was refused and is not tried again"), "{paused:?}");
    }
    assert_eq!(world.source.calls(), ["everything"], "one attempt");
    assert!(world.numbers().contains(&612));
    world.source.state().stamp = "another file".into();
    world.pass().await;
    assert_eq!(world.source.calls(), ["everything"], "one more, and refused again");
    world.pass().await;
    assert_eq!(world.source.calls(), Vec::<String>::new());
    world.source.state().breaks = None;
    world.source.state().stamp = "a third one".into();
    world.pass().await;
    assert_eq!(world.arrived(), ["1"]);
}

/// SF23: the same for a target, and an operator's check closes it.
#[tokio::test]
async fn sf23_a_refused_target_credential_waits_for_a_check() {
    let world = World::settled(1).await;
    world.target.state().fails = Some(error(ErrorKind::Credential, "AADSTS7000215"));
    world.pass().await;
    assert_eq!(world.target.state().batches, 1);
    world.pass().await;
    assert_eq!(world.target.state().batches, 1, "one attempt");
    assert_eq!(world.target.state().pings, 0);
    world.target.state().fails = None;
    let parts = world.parts();
    let mut store = Store::open_for_passwords(&parts.deployment.store).unwrap();
    close_breakers(&mut store, &*parts.connectors["dir"]).unwrap();
    store.close().unwrap();
    world.pass().await;
    assert_eq!(world.arrived(), ["1"]);
}

/// Passwords go on beside a run, whatever it takes; but not beside another password synchronisation.
#[tokio::test]
async fn p10_a_pass_goes_on_beside_a_run_and_not_beside_another_one() {
    let world = World::settled(2).await;
    let engine = world.lab.engine();
    world.pass().await;
    assert_eq!(world.arrived(), ["1", "2"]);
    // A reader sees both, and the run closes its books afterwards.
    assert_eq!(world.store().password_totals("hr", "dir").unwrap().users, 2);
    engine.close().unwrap();
    let held = Store::open_for_passwords(&world.parts().deployment.store).unwrap();
    let refused = world.try_pass(&PassKind::Changes).await.unwrap_err();
    assert!(refused.to_string().contains("is in use by"), "{refused}");
    // And a run goes on beside it.
    world.lab.good_cycle(CycleKind::Delta).await;
    held.close().unwrap();
    world.lab.good_cycle(CycleKind::Delta).await;
    assert!(world.store().check_integrity().unwrap().is_empty());
}

/// SF23, across all loops: a credential that was refused in one import is tried by no other step, cycle or pass until its secret has
/// changed, and then once more.
#[tokio::test]
async fn sf23_a_credential_that_an_import_was_refused_is_left_alone_by_every_loop() {
    let world = World::settled(1).await;
    let behave = |refuses: bool, stamp: &str| {
        let mark = CredentialMark { name: "CORP\\svc (env:PW)".into(), stamp: stamp.into() };
        world.lab.hr.behave(|behaviour| (behaviour.credential, behaviour.refuses_sign_in) = (Some(mark), refuses));
    };
    let sign_ins = || std::mem::take(&mut world.lab.hr.state().sign_ins);
    behave(true, "env:PW 1111");
    world.lab.cycle(CycleKind::Delta).await;
    sign_ins();
    for _ in 0..3 {
        for step in ["full-import", "delta-import", "delta-import-and-delta-synchronization"] {
            let report = world.lab.run("hr", step).await;
            assert_eq!(report.status, status::NO_START_CREDENTIALS);
            let told = &report.steps[0].message;
            assert!(told.contains("CORP\\svc (env:PW) was refused and is not tried again"), "{told}");
        }
        world.lab.cycle(CycleKind::Delta).await;
    }
    assert_eq!(sign_ins(), 0);
    assert_eq!(world.store().breakers().unwrap()[0].message, "signing in: data 52e");
    // Another secret, and wrong again: one attempt.
    behave(true, "env:PW 2222");
    for _ in 0..3 {
        world.lab.run("hr", "full-import").await;
    }
    assert_eq!(sign_ins(), 1);
    behave(false, "env:PW 3333");
    world.lab.good_cycle(CycleKind::Delta).await;
    assert!(sign_ins() > 0 && world.store().breakers().unwrap().is_empty());
}

/// SF23: a target that is signed in to with the same credential for objects and for passwords is left alone by both; an operator's
/// check opens both.
#[tokio::test]
async fn sf23_passwords_and_exports_share_one_breaker() {
    let world = World::settled(1).await;
    world.target.state().fails = Some(error(ErrorKind::Credential, "AADSTS7000222"));
    world.pass().await;
    let mark = CredentialMark { name: "application 1".into(), stamp: String::new() };
    world.lab.dir.behave(|behaviour| behaviour.credential = Some(mark));
    world.lab.dir.state().sign_ins = 0;
    world.lab.hr.put_person(2);
    world.source.set("p2", "another");
    world.lab.cycle(CycleKind::Delta).await;
    for step in ["export", "full-import"] {
        assert_eq!(world.lab.run("dir", step).await.status, status::NO_START_CREDENTIALS);
    }
    // Roles of match candidates are not asked for either.
    world.lab.run("dir", "full-synchronization").await;
    assert_eq!(world.lab.dir.state().sign_ins, 0);
    let mut store = Store::open_for_passwords(&world.parts().deployment.store).unwrap();
    close_breakers(&mut store, &*world.lab.connectors()["dir"]).unwrap();
    store.close().unwrap();
    world.target.state().fails = None;
    world.lab.good_cycle(CycleKind::Delta).await;
    world.pass().await;
    assert_eq!(world.arrived(), ["1", "2"]);
}
