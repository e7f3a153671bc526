//! What is told of passwords: events, the log of seven days, status; and that none of it, and nothing in the store, is a hash.

use super::world::{World, error, hash_of, states};
use crate::{CycleKind, PassKind, Reading, StopSignal, Watch, password_status, user_passwords, watch_passwords};
use connector_contract::ErrorKind;
use expect_test::expect;
use metaverse_schema::Anchor;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// 7.4: a batch between 650 and 651, in it a request and a result for each user, the hash not shown.
#[tokio::test]
async fn events_650_651_656_and_657_tell_each_user_and_no_hash() {
    let world = World::settled(2).await;
    world.pass().await;
    let told: String = world.events().iter().map(|event| format!("{} {}\n", event.number, event.message)).collect();
    expect![[r#"
        617 all passwords of hr are read
        650 2 passwords of hr go to dir
        656 password change request to dir: anchor new-1, Person 1, changed 2023-11-14T22:13:21Z, must change: no, hash not shown
        656 password change request to dir: anchor new-2, Person 2, changed 2023-11-14T22:13:21Z, must change: no, hash not shown
        657 password change result of dir: anchor new-1, Person 1, Success
        657 password change result of dir: anchor new-2, Person 2, Success
        651 2 passwords of hr were answered by dir
        623 all passwords of hr were read from dc1.corp.example
    "#]].assert_eq(&told);
}

/// 611, 652, 655: what a problem indicator is (P42), each with the reason.
#[tokio::test]
async fn p42_problems_have_their_numbers() {
    let world = World::settled(1).await;
    world.source.state().breaks = Some((0, error(ErrorKind::Connection, "no route")));
    world.pass().await;
    assert!(world.numbers().contains(&621), "a full read failed: {:?}", world.numbers());
    world.source.state().breaks = None;
    world.target.state().fails = Some(error(ErrorKind::Connection, "no tenant"));
    world.pass().await;
    assert!(world.numbers().contains(&652));
    world.source.state().breaks = Some((0, error(ErrorKind::Connection, "no route")));
    world.pass().await;
    assert!(world.numbers().contains(&611));
    let told = world.events().into_iter().find(|event| event.number == 652).unwrap().message;
    assert!(told.contains("no tenant"), "{told}");
}

/// 7.4: what is left to later passes, what has arrived from earlier ones, what nobody tries again, a hash that cannot be opened, and a
/// loop that was lost; each has its number.
#[tokio::test]
async fn events_605_606_614_620_and_667_tell_of_what_went_wrong_and_of_its_end() {
    let mut world = World::settled(4).await;
    let anchor = |number: usize| world.lab.dir.anchor_of("stamp", &number.to_string()).unwrap();
    world.target.state().refuses = [(anchor(1), true), (anchor(2), false)].into();
    world.source.state().users.get_mut("p3").unwrap().text = "damaged".into();
    let told = |world: &World| -> String {
        let events = world.events().into_iter().filter(|event| ![617, 623, 650, 651, 656, 657].contains(&event.number));
        events.map(|event| format!("{} {}\n", event.number, event.message)).collect()
    };
    world.pass().await;
    world.target.state().refuses.clear();
    world.pass().await;
    expect![[r#"
        667 Person 3, changed 2023-11-14T22:13:21Z: asking dc1: the hash does not fit its check sum; look at dc1
        605 2 passwords of hr are owed to dir and sent again by later passes
        620 1 passwords of hr are not sent to dir again until they change
        667 Person 3, changed 2023-11-14T22:13:21Z: asking dc1: the hash does not fit its check sum; look at dc1
        606 1 passwords of hr that were owed to dir have arrived
        605 1 passwords of hr are owed to dir and sent again by later passes
    "#]]
    .assert_eq(&told(&world));
    // The loop is lost, as by a kill, and started again.
    world.stop = StopSignal::new();
    let parts = world.parts();
    let lost =
        tokio::spawn(async move { watch_passwords(&parts, Watch { every: Duration::from_secs(60) }, |_| ()).await });
    while !world.numbers().contains(&601) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    lost.abort();
    let _lost = lost.await;
    world.lab.now += 1;
    world.stop.stop();
    watch_passwords(&world.parts(), Watch::default(), |_| ()).await.unwrap();
    let numbers = world.numbers();
    assert_eq!(numbers[numbers.len() - 4..], [614, 601, 602, 609]);
}

/// P38: idle for half an hour, the target is asked whether it is ready, and not more often.
#[tokio::test]
async fn p38_the_heartbeat_of_an_idle_target() {
    let mut world = World::settled(1).await;
    world.pass().await;
    world.pass().await;
    assert_eq!(world.target.state().pings, 0, "a push was heard of a moment ago");
    world.lab.now += 31 * 60 * 1_000_000;
    world.pass().await;
    world.pass().await;
    assert_eq!(world.target.state().pings, 1);
    assert_eq!(world.numbers().iter().filter(|number| [653, 654].contains(number)).count(), 2);
    world.lab.now += 31 * 60 * 1_000_000;
    world.target.state().fails = Some(error(ErrorKind::Connection, "gone"));
    let report = world.pass().await;
    assert!(world.numbers().contains(&655));
    assert!(report.sources[0].targets[0].paused.is_some());
}

/// P43: seven days, and then the versions alone are left.
#[tokio::test]
async fn p43_the_log_is_kept_for_seven_days() {
    let mut world = World::settled(1).await;
    world.pass().await;
    let user = Anchor::Text("p1".into());
    let day = 86_400_000_000;
    world.lab.now += 6 * day;
    world.pass().await;
    assert_eq!(world.store().password_log("hr", "dir", &user, 9).unwrap().len(), 1);
    world.lab.now += 2 * day;
    world.pass().await;
    assert!(world.store().password_log("hr", "dir", &user, 9).unwrap().is_empty());
    assert_eq!(world.store().password_totals("hr", "dir").unwrap().users, 1);
}

/// What stays as it is is said once.
#[tokio::test]
async fn a_user_who_waits_is_logged_once() {
    let world = World::settled(1).await;
    world.lab.hr.put("p2", "user", &[("employeeId", "2"), ("mail", "p2@x"), ("enabled", "false")]);
    world.source.set("p2", "x");
    world.lab.good_cycle(CycleKind::Delta).await;
    for _ in 0..3 {
        world.pass().await;
        world.try_pass(&PassKind::Full).await.unwrap();
    }
    assert_eq!(world.store().password_log("hr", "dir", &Anchor::Text("p2".into()), 9).unwrap().len(), 1);
}

#[tokio::test]
async fn status_tells_of_all_and_of_one() {
    let world = World::settled(2).await;
    world.lab.hr.set("p2", "enabled", &["false"]);
    world.lab.good_cycle(CycleKind::Delta).await;
    world.pass().await;
    let (deployment, rules) = world.lab.configuration();
    let mut store = world.store();
    store.learn_rules(&rules).unwrap();
    let reading = Reading::new(&store, &rules, world.lab.now);
    let status = password_status(&reading, &deployment, 10).unwrap();
    assert!(status.is_on && status.breakers.is_empty());
    let pair = &status.pairs[0];
    assert_eq!((pair.totals.users, pair.totals.owed, pair.open.len()), (1, 0, 1));
    assert_eq!(pair.last_read, Some(world.lab.now));
    let mut told = String::new();
    for user in ["p1", "p2"] {
        for found in user_passwords(&reading, &deployment, &"hr".into(), &Anchor::Text(user.into())).unwrap() {
            told.push_str(&format!(
                "{}: {} {}; changed {:?}, pushed {:?}, from {:?}, {:?}\n",
                found.anchor,
                found.state,
                found.reason,
                found.last_change,
                found.last_pushed,
                found.read_from,
                found.versions
            ));
        }
    }
    expect![[r#"
        p1: Success ; changed Some(1700000001000000), pushed Some(1000000), from Some("dc1.corp.example"), Some(UserVersions { seen: 1, pushed: Some(1), owed: false })
        p2: NotInScope no inbound rule with `password_sync = true` applies to the account; changed Some(1700000001000000), pushed None, from Some("dc1.corp.example"), None
    "#]].assert_eq(&told);
}

/// P10: pass after pass until it is stopped; a failed one is followed by the next.
#[tokio::test]
async fn p10_the_loop_makes_passes_until_it_is_stopped() {
    let mut world = World::settled(1).await;
    world.stop = StopSignal::new();
    let parts = world.parts();
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let told = {
        let (seen, stop, source) = (Arc::clone(&seen), world.stop.clone(), Arc::clone(&world.source));
        move |report: Result<&crate::PasswordReport, &crate::EngineError>| {
            let mut seen = seen.lock().unwrap();
            seen.push(states(report.unwrap()));
            source.set("p1", &format!("again {}", seen.len()));
            if seen.len() == 3 {
                stop.stop();
            }
        }
    };
    watch_passwords(&parts, Watch { every: Duration::from_millis(1) }, told).await.unwrap();
    assert_eq!(*seen.lock().unwrap(), vec!["dir: Success 1; owed 0"; 3]);
    let numbers = world.numbers();
    assert_eq!((numbers.first(), &numbers[numbers.len() - 2..]), (Some(&601), &[602, 609][..]));
}

/// P8, SF22, T39: after pushes, refusals and a breaker, no hash stands in any file of the deployment, in no encoding; a version,
/// an anchor and a time do.
#[tokio::test]
async fn p8_t39_no_hash_is_in_the_store_or_in_a_report() {
    let world = World::settled(4).await;
    let anchor = world.lab.dir.anchor_of("stamp", "2").unwrap();
    world.target.state().refuses.insert(anchor, false);
    let report = world.pass().await;
    world.target.state().fails = Some(error(ErrorKind::Credential, "refused"));
    world.source.set("p1", "secret 5");
    let second = world.pass().await;
    let mut texts = vec![format!("{report:?}{second:?}{:?}", world.events()).into_bytes()];
    texts.push(serde_json::to_vec(&(&report, &second)).unwrap());
    // As it lies there while it is open, log included.
    let held = Store::open_for_passwords(&world.parts().deployment.store).unwrap();
    for entry in std::fs::read_dir(world.lab.folder.path()).unwrap() {
        texts.push(std::fs::read(entry.unwrap().path()).unwrap());
    }
    held.close().unwrap();
    assert!(texts.iter().any(|text| contains(text, b"dc1.corp.example")), "the store was looked at");
    for number in 1..=5 {
        let secret = format!("secret {number}");
        for form in forms(&hash_of(&secret), &secret) {
            assert!(texts.iter().all(|text| !contains(text, &form)), "a form of {secret} was found");
        }
    }
}

use sync_store::Store;

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// What a hash or a password could be written as.
fn forms(hash: &[u8; 16], password: &str) -> Vec<Vec<u8>> {
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let list = format!("{hash:?}");
    vec![
        hash.to_vec(),
        hex.clone().into_bytes(),
        hex.to_uppercase().into_bytes(),
        wide(&hex),
        wide(&hex.to_uppercase()),
        list.trim_matches(['[', ']']).as_bytes().to_vec(),
        password.as_bytes().to_vec(),
        wide(password),
    ]
}
