//! Everything, what changed, single users; and where a read continues on another domain controller or on one that was set back.

use super::world::{Using, anchors, connector, domain, guid_of, opened, oracle, read, refused, samba_tool, source};
use connector_contract::Watermark;
use metasync_tests::lab::DOMAIN;
use metaverse_schema::Guid;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Issue 6: the hashes of 200 users and more equal the directory's own database; krbtgt, machines, managed service accounts and
/// the built-in accounts are told without a hash, and nothing is opened by reading (SF21).
#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::print_stdout, reason = "how long a full read takes is told with the test run")]
async fn sf21_the_hashes_of_everybody_equal_the_directorys_own() {
    let dc = domain("sf21_the_hashes_of_everybody_equal_the_directorys_own", 200);
    let connector = connector(&dc, &Using::default());
    let began = Instant::now();
    let whole = read(&connector, None).await.unwrap_or_else(|error| panic!("{error}"));
    println!("{} accounts read from Samba in {:?}", whole.changes.len(), began.elapsed());
    assert_eq!(whole.end.full_because, None);
    assert_eq!(whole.end.source, "dc1.corp.contoso.example");
    assert_eq!(source(&connector).opened(), 0, "reading opens nothing");

    let mut nobodys: Vec<String> = whole.told().into_iter().filter(|line| !line.ends_with("a person")).collect();
    nobodys.sort();
    assert_eq!(
        nobodys,
        [
            "CN=Administrator: no hash, the built-in administrator",
            "CN=DC1: no hash, domain controller account",
            "CN=Guest: no hash, the built-in guest",
            "CN=PC1: no hash, computer account or managed service account",
            "CN=gmsa: no hash, computer account or managed service account",
            "CN=krbtgt: no hash, krbtgt",
        ]
    );
    let versions: Vec<u64> = whole.changes.iter().filter(|change| change.hash.is_some()).map(|c| c.version).collect();
    assert!(versions.iter().all(|version| *version >= 1), "every hash has a version");
    let excluded: Vec<Guid> = whole
        .changes
        .iter()
        .filter(|change| change.excluded.is_some())
        .filter_map(|change| change.anchor.as_guid().copied())
        .collect();
    let people = opened(whole.changes);
    assert!(people.len() > 200, "{} hashes", people.len());
    let mut expected = oracle(&dc);
    expected.retain(|guid, _| !excluded.contains(guid));
    assert_eq!(people, expected);
    assert_eq!(source(&connector).opened(), people.len() as u64);
}

/// Issue 6: after a change, that user alone comes; what is no password does not come at all.
#[tokio::test(flavor = "multi_thread")]
async fn a_changed_user_is_the_only_one_in_the_next_delta() {
    let dc = domain("a_changed_user_is_the_only_one_in_the_next_delta", 20);
    let connector = connector(&dc, &Using::default());
    let whole = read(&connector, None).await.expect("a full read");
    let zoe = guid_of(&dc, "zoe");
    let before = whole.changes.iter().find(|change| change.anchor.as_guid() == Some(&zoe)).expect("zoe").version;

    let nothing = read(&connector, Some(&whole.end.watermark)).await.expect("a delta");
    assert_eq!(nothing.told(), [""; 0]);
    let modify = |account: &str, change: &str| {
        dc.seed(&format!("dn: CN={account},OU=Sales,{DOMAIN}\nchangetype: modify\n{change}\n"));
    };
    modify("Bob", "replace: displayName\ndisplayName: Robert");
    modify("Away", "replace: userAccountControl\nuserAccountControl: 512");
    let others = read(&connector, Some(&nothing.end.watermark)).await.expect("a delta");
    assert_eq!(others.told(), [""; 0], "a name and a state are no password");

    samba_tool(&dc, &["user", "setpassword", "zoe", "--newpassword=Zoe-Pass-2"]);
    let changed = read(&connector, Some(&others.end.watermark)).await.expect("a delta");
    assert_eq!(changed.told(), ["CN=Zoë Łukasz: hash, a person"]);
    let change = &changed.changes[0];
    assert_eq!((change.version, change.must_change), (before + 1, Some(false)));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs() as i64;
    assert!((now - 300..=now + 5).contains(&change.changed.expect("a time")), "{:?} against {now}", change.changed);
    assert!(changed.end.watermark.0.contains("\"version\":1") && !changed.end.watermark.0.contains("Zoe"));

    // P25, P27: must change with a new password, and by the flag alone.
    samba_tool(&dc, &["user", "setpassword", "bob", "--newpassword=Bob-Pass-2", "--must-change-at-next-login"]);
    modify("Away", "replace: pwdLastSet\npwdLastSet: 0");
    let flags = read(&connector, Some(&changed.end.watermark)).await.expect("a delta");
    assert_eq!(flags.told(), ["CN=Bob: hash, a person", "CN=Away: no hash, a person"]);
    assert!(flags.changes.iter().all(|change| change.must_change == Some(true)));
    assert_eq!((flags.changes[1].version, flags.changes[1].changed), (0, None));

    // SF20: the machine's new password does not say whose it is; the one who left is told as deleted.
    samba_tool(&dc, &["user", "setpassword", "PC1$", "--newpassword=Machine-Pass-2"]);
    samba_tool(&dc, &["user", "delete", "leaver"]);
    let nobodys = read(&connector, Some(&flags.end.watermark)).await.expect("a delta");
    assert_eq!(
        nobodys.told(),
        ["CN=PC1: no hash, computer account or managed service account", "CN=Leaver: no hash, deleted"]
    );
    let hash = changed.changes.into_iter().next().and_then(|change| change.hash).expect("a hash");
    assert_eq!(hash.open().expect("it opens").expose().to_vec(), oracle(&dc)[&zoe]);
    assert_eq!(source(&connector).opened(), 1);
}

/// SF22: single users by GUID, also those that no delta would bring; who is not there has no item.
#[tokio::test(flavor = "multi_thread")]
async fn sf22_single_users_are_read_by_themselves() {
    let dc = domain("sf22_single_users_are_read_by_themselves", 0);
    let connector = connector(&dc, &Using::default());
    let [zoe, bob, krbtgt] = ["zoe", "bob", "krbtgt"].map(|account| guid_of(&dc, account));
    let nobody = Guid::from_directory_bytes([7; 16]);
    let found = source(&connector).read_passwords_of(&anchors(&[bob, nobody, krbtgt, zoe])).await;
    let found = found.unwrap_or_else(|error| panic!("{error}"));
    let excluded: Vec<Option<&str>> = found.iter().map(|change| change.excluded.as_deref()).collect();
    assert_eq!(excluded, [None, Some("krbtgt"), None]);
    assert_eq!(source(&connector).opened(), 0);
    let hashes = opened(found);
    let database = oracle(&dc);
    assert_eq!(hashes.len(), 2);
    assert!(hashes.iter().all(|(guid, hash)| database[guid] == *hash));
    // The name and password of an account by its principal name.
    let principal = Using { account: "svc-passwords@corp.contoso.example", ..Using::default() };
    let found = source(&self::connector(&dc, &principal)).read_passwords_of(&anchors(&[zoe])).await;
    assert_eq!(found.unwrap_or_else(|error| panic!("{error}")).len(), 1);
    assert!(source(&connector).credential().is_some_and(|mark| mark.name.starts_with("CORP\\svc-passwords (file:")));
    let wrong = Using { password: "not-the-password", ..principal };
    let error = refused(&dc, &wrong).await;
    assert!(!error.to_string().contains("not-the-password"), "{error}");
}

/// SF17 and ad-protocols 4: a domain controller that was put back is read whole, and says so; another one goes on by what both
/// have in common; one without a common past is read whole.
#[tokio::test(flavor = "multi_thread")]
async fn sf17_set_back_or_another_domain_controller() {
    let dc = domain("sf17_set_back_or_another_domain_controller", 5);
    let older = dc.copy("sf17_set_back_or_another_domain_controller");
    let first = connector(&dc, &Using::default());
    let whole = read(&first, None).await.expect("a full read");
    samba_tool(&dc, &["user", "setpassword", "zoe", "--newpassword=Zoe-Pass-2"]);
    let changed = read(&first, Some(&whole.end.watermark)).await.expect("a delta");
    assert_eq!(changed.told(), ["CN=Zoë Łukasz: hash, a person"]);
    samba_tool(&dc, &["user", "setpassword", "bob", "--newpassword=Bob-Pass-2"]);

    // Another domain controller would have another invocation id and name, and the same cursors.
    let own = |watermark: &Watermark| {
        let text: serde_json::Value = serde_json::from_str(&watermark.0).expect("JSON");
        text["invocation"].as_str().expect("an id").to_owned()
    };
    let invocation = own(&changed.end.watermark);
    let stranger = "01234567-89ab-cdef-0123-456789abcdef";
    let read_elsewhere = changed
        .end
        .watermark
        .0
        .replacen(&format!("\"invocation\":\"{invocation}\""), &format!("\"invocation\":\"{stranger}\""), 1)
        .replace("dc1.corp", "dc9.corp");
    let other = read(&first, Some(&Watermark(read_elsewhere.clone()))).await.expect("a read by cursors");
    assert_eq!((other.told(), other.end.full_because), (vec!["CN=Bob: hash, a person".to_owned()], None));
    assert_eq!(own(&other.end.watermark), invocation);
    let unknown = Watermark(read_elsewhere.replace(&invocation, stranger));
    let other = read(&first, Some(&unknown)).await.expect("a full read");
    assert_eq!(other.changes.len(), whole.changes.len());
    assert!(other.end.full_because.is_some_and(|reason| reason.contains("no past in common with dc9.corp")));
    let restored = changed.end.watermark.0.replace(&invocation, stranger);
    let restored = read(&first, Some(&Watermark(restored))).await.expect("a full read");
    assert_eq!(restored.changes.len(), whole.changes.len());
    assert!(restored.end.full_because.is_some_and(|reason| reason.contains("restored")));

    dc.stop();
    older.launch();
    let second = connector(&older, &Using::default());
    let back = read(&second, Some(&changed.end.watermark)).await.expect("a full read");
    assert_eq!(back.changes.len(), whole.changes.len());
    assert!(back.end.full_because.as_deref().is_some_and(|reason| reason.contains("put back to an older state")));
    samba_tool(&older, &["user", "setpassword", "bob", "--newpassword=Bob-Pass-3"]);
    let next = read(&second, Some(&back.end.watermark)).await.expect("a delta");
    assert_eq!((next.told(), next.end.full_because), (vec!["CN=Bob: hash, a person".to_owned()], None));
}
