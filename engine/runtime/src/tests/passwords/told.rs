//! What is told of passwords: events, the log of seven days, status; and that none of it, and nothing in the store, is a hash.

use super::world::{World, error, hash_of, states};
use crate::{
    CycleKind, EngineError, PassKind, Reading, StopSignal, Watch, password_status, synchronise_passwords,
    user_passwords, watch_passwords,
};
use connector_contract::ErrorKind;
use expect_test::expect;
use metaverse_schema::Anchor;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use sync_store::StoreError;

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
        620 1 password of hr is not sent to dir again until it changes
        667 Person 3, changed 2023-11-14T22:13:21Z: asking dc1: the hash does not fit its check sum; look at dc1
        606 1 password of hr that was owed to dir has arrived
        605 1 password of hr is owed to dir and sent again by later passes
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

/// 619: a read of everything says how far it is; one of changes has no need to.
#[tokio::test]
async fn event_619_tells_how_far_a_full_read_is() {
    let world = World::settled(5).await;
    let mut parts = world.parts();
    parts.limits.told_after = 2;
    synchronise_passwords(&parts, &PassKind::Changes).await.unwrap();
    let told = |world: &World| -> Vec<String> {
        let events = world.events().into_iter().filter(|event| event.number == 619);
        events.map(|event| event.message).collect()
    };
    let both = ["2 passwords of hr were read so far", "4 passwords of hr were read so far"];
    assert_eq!(told(&world), both);
    (1..=5).for_each(|number| world.source.set(&format!("p{number}"), "another"));
    synchronise_passwords(&parts, &PassKind::Changes).await.unwrap();
    assert_eq!(told(&world), both);
}

/// 665: what is stored of a person is damaged; the pass breaks off, opens nobody's hash, and says so.
#[tokio::test]
async fn event_665_tells_of_a_store_that_failed_and_no_hash_is_opened() {
    let world = World::settled(2).await;
    let path = world.parts().deployment.store;
    let mut bytes = std::fs::read(&path).unwrap();
    let name = b"Person 1";
    let places: Vec<usize> = (0..bytes.len() - name.len()).filter(|at| bytes[*at..].starts_with(name)).collect();
    assert!(!places.is_empty(), "the store was closed, and its log with it");
    // No text in UTF-8 has this byte.
    places.iter().for_each(|at| bytes[*at] = 0xff);
    std::fs::write(&path, bytes).unwrap();
    let error = world.try_pass(&PassKind::Changes).await.unwrap_err();
    assert!(matches!(error, EngineError::Store(StoreError::Damaged { .. })), "{error}");
    let last = world.events().pop().unwrap();
    assert_eq!(last.number, 665);
    assert!(last.message.starts_with("the pass broke off: ") && last.message.contains("damaged"), "{}", last.message);
    assert_eq!((world.arrived(), world.source.calls()), (Vec::new(), Vec::new()));
}

/// What the log of the process says, as text.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// 607: a loop that cannot start has no store to write to; the log of the process says so.
#[tokio::test]
async fn event_607_a_loop_that_cannot_start_says_so_in_the_log() {
    let world = World::settled(1).await;
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let _logging = tracing::subscriber::set_default(subscriber);
    let mut parts = world.parts();
    parts.deployment.store = parts.deployment.store.with_file_name("another.db");
    let error = watch_passwords(&parts, Watch::default(), |_| panic!("no pass is made")).await.unwrap_err();
    assert!(matches!(error, EngineError::Store(StoreError::NotFound { .. })), "{error}");
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(text.contains("ERROR") && text.contains("event=607"), "{text}");
    assert!(text.contains("password synchronisation cannot start") && text.contains("another.db"), "{text}");
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
