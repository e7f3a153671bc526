//! Who is in scope, and that nobody else's hash is opened.

use super::world::{World, states};
use crate::{CycleKind, PassKind, Severity};
use metaverse_schema::Anchor;
use sync_kernel::PasswordState;

/// T39, P12, P14: everybody in scope once; then changes alone, and of nobody twice.
#[tokio::test]
async fn t39_p14_all_passwords_once_and_then_what_changed() {
    let world = World::settled(5).await;
    let report = world.pass().await;
    assert_eq!(states(&report), "dir: Success 5; owed 0");
    assert_eq!((report.sources[0].read, report.sources[0].opened), (5, 5));
    assert_eq!(report.sources[0].read_from.as_deref(), Some("dc1.corp.example"));
    assert!((1..=5).all(|number| world.signs_in(number, &format!("secret {number}"))));
    assert_eq!(world.source.calls(), ["everything"]);
    world.arrived();

    let quiet = world.pass().await;
    assert_eq!((states(&quiet), quiet.sources[0].opened), ("dir: ; owed 0".into(), 0));
    assert_eq!(world.source.calls(), ["changes"]);

    world.source.set("p3", "another");
    let report = world.pass().await;
    assert_eq!((states(&report), report.sources[0].opened), ("dir: Success 1; owed 0".into(), 1));
    assert_eq!(world.arrived(), ["3"]);
    assert!(world.signs_in(3, "another") && !world.signs_in(3, "secret 3"));
    assert_eq!(report.severity, Severity::Success);
}

/// SF21: of whom nothing may be known, nothing is opened; the counter is the source's own.
#[tokio::test]
async fn sf21_no_hash_is_opened_before_the_decision_on_its_user() {
    let world = World::settled(1).await;
    let hr = &world.lab.hr;
    hr.put("disabled", "user", &[("employeeId", "90"), ("displayName", "D"), ("mail", "d@x"), ("enabled", "false")]);
    hr.put("local", "user", &[("employeeId", "91"), ("kind", "local"), ("enabled", "true")]);
    hr.put("filtered", "user", &[("employeeId", "92"), ("kind", "filtered"), ("enabled", "true")]);
    for user in ["disabled", "local", "filtered", "unknown", "krbtgt"] {
        world.source.set(user, "never to be opened");
    }
    world.source.state().users.get_mut("krbtgt").unwrap().excluded = Some("krbtgt".into());
    world.lab.good_cycle(CycleKind::Delta).await;
    let report = world.pass().await;
    assert_eq!(
        states(&report),
        "dir: NoTargetConnection 1, NotInScope 3, SourceConnectorNotPresent 1, Success 1; owed 0"
    );
    assert_eq!((report.sources[0].read, report.sources[0].opened), (6, 1));
    assert_eq!(world.arrived(), ["1"]);
    // The reason is kept of those who are joined to somebody.
    let log = |user: &str| world.store().password_log("hr", "dir", &Anchor::Text(user.into()), 9).unwrap();
    assert_eq!(log("disabled")[0].state, PasswordState::NotInScope);
    assert!(log("disabled")[0].reason.contains("no inbound rule"), "{:?}", log("disabled"));
    assert!(log("local")[0].reason.contains("no outbound rule"), "{:?}", log("local"));
    assert!(log("unknown").is_empty() && log("krbtgt").is_empty());
}

/// SF20: the account that the deployment signs in with keeps its password, whatever the rules say; nobody opens its hash.
#[tokio::test]
async fn sf20_an_own_account_keeps_its_password() {
    let world = World::settled(2).await;
    world.lab.hr.behave(|behaviour| {
        behaviour.own_accounts = vec![connector_contract::OwnAccount {
            attribute: "employeeId".into(),
            value: metaverse_schema::Value::text("2"),
            name: "CORP\\svc-passwords".into(),
        }];
    });
    world.lab.cycle(CycleKind::Initial).await;
    let report = world.pass().await;
    assert_eq!((world.arrived(), report.sources[0].opened), (vec!["1".to_owned()], 1));
}

/// An operator may name one user: nothing else is read, and what the target has does not matter.
#[tokio::test]
async fn one_user_is_pushed_by_name() {
    let world = World::settled(3).await;
    let user = |name: &str| PassKind::User { source: "hr".into(), anchor: Anchor::Text(name.into()) };
    for _ in 0..2 {
        let report = world.try_pass(&user("p2")).await.unwrap();
        assert_eq!(world.arrived(), ["2"], "{report:#?}");
        assert_eq!(world.source.calls(), ["single p2"]);
    }
    let report = world.try_pass(&user("nobody")).await.unwrap();
    assert_eq!(states(&report), "dir: ; owed 0");
}

/// P20: everything again, also what the target has already.
#[tokio::test]
async fn p20_a_full_pass_pushes_everything_again() {
    let world = World::settled(4).await;
    world.pass().await;
    world.arrived();
    let report = world.try_pass(&PassKind::Full).await.unwrap();
    assert_eq!(world.arrived(), ["1", "2", "3", "4"]);
    assert_eq!(states(&report), "dir: Success 4; owed 0");
    assert_eq!(world.source.calls(), ["everything", "everything"]);
}
