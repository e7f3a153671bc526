//! What the engine is told of recorded answers (`directory-replication/golden`).

use super::*;
use directory_replication::drsuapi::{Changes, Stamp, changes};
use expect_test::{Expect, expect};
use std::path::Path;
use zeroize::Zeroizing;

fn golden(name: &str) -> Changes {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../directory-replication/golden");
    changes(&std::fs::read(folder.join(name)).unwrap()).unwrap()
}

fn opener() -> Opener {
    Opener { key: Arc::new(Zeroizing::new(*b"recorded session")), opened: Arc::default() }
}

fn check(answer: &Changes, looked: &Looked, expect: Expect) {
    let mut text = String::new();
    for object in &answer.objects {
        if let Some(change) = password_change(object, looked, &opener()) {
            text += &format!(
                "{}: excluded {:?}, version {}, must change {:?}, hash {}\n",
                change.object,
                change.excluded.as_deref().unwrap_or("no"),
                change.version,
                change.must_change,
                if change.hash.is_some() { "sealed" } else { "none" }
            );
        }
    }
    expect.assert_eq(&text);
}

#[test]
fn a_delta_tells_of_passwords_only() {
    check(
        &golden("delta"),
        &Looked::new(),
        expect![[r#"
        CN=Other,OU=Sales,DC=corp,DC=contoso,DC=example: excluded "no", version 2, must change Some(false), hash sealed
        CN=Leaver\0ADEL:60ce6530-033d-40fd-b673-7d5f40143840,CN=Deleted Objects,DC=corp,DC=contoso,DC=example: excluded "deleted", version 2, must change Some(true), hash none
    "#]],
    );
}

/// Groups and containers say nothing; krbtgt's key is not even handed over sealed.
#[test]
fn sf21_of_a_full_read_only_accounts_are_told_and_krbtgt_without_its_hash() {
    check(
        &golden("first-page"),
        &Looked::new(),
        expect![[r#"
        CN=Guest,CN=Users,DC=corp,DC=contoso,DC=example: excluded "the built-in guest", version 1, must change Some(true), hash none
        CN=krbtgt,CN=Users,DC=corp,DC=contoso,DC=example: excluded "krbtgt", version 1, must change Some(false), hash none
    "#]],
    );
}

/// SF20: a change of a machine's password does not say that it is a machine's; looking it up does.
#[test]
fn sf20_what_a_change_does_not_say_is_looked_up() {
    let answer = golden("delta");
    let unknown = unknown_accounts(&answer.objects);
    assert_eq!(unknown, [answer.objects[0].guid]);
    let machine = LookedUp { control: Some(0x1000), name: Some("PC1$".to_owned()) };
    let change = password_change(&answer.objects[0], &[(unknown[0], machine)].into(), &opener()).unwrap();
    assert_eq!(change.excluded.as_deref(), Some("computer account or managed service account"));
    assert!(change.hash.is_none());
    let person = LookedUp { control: Some(0x200), name: None };
    let change = password_change(&answer.objects[0], &[(unknown[0], person)].into(), &opener()).unwrap();
    assert!(change.excluded.is_none() && change.hash.is_some());
}

/// SF21: reading opens nothing, and every opening is counted, also one that fails.
#[test]
fn sf21_openings_are_counted() {
    let (answer, opener) = (golden("one-object"), opener());
    let user = &answer.objects[0];
    let hash = password_change(user, &Looked::new(), &opener).unwrap().hash.unwrap();
    assert_eq!(opener.opened.load(Ordering::Relaxed), 0);
    // MD4 over `Golden-Pass-1` in UTF-16LE, by another implementation.
    let expected = 0x4dc2_5f8e_8528_1067_7138_5341_4a13_c210_u128;
    assert_eq!(u128::from_be_bytes(*hash.open().unwrap().expose()), expected);
    assert_eq!(opener.opened.load(Ordering::Relaxed), 1);

    let other_key = Opener { key: Arc::new(Zeroizing::new([7; 16])), ..opener.clone() };
    let error = password_change(user, &Looked::new(), &other_key).unwrap().hash.unwrap().open().unwrap_err();
    assert!(error.to_string().contains("Golden Zoë") && error.message.contains("checksum"), "{error}");
    assert_eq!(opener.opened.load(Ordering::Relaxed), 2);

    let mut nameless = user.clone();
    nameless.sid = None;
    nameless.attributes.retain(|changed| changed.attribute != Attribute::ObjectSid);
    let error = password_change(&nameless, &Looked::new(), &opener).unwrap().hash.unwrap().open().unwrap_err();
    assert!(error.message.contains("security identifier"), "{error}");
}

/// P25, P27: only what stands beside the password changed.
#[test]
fn p27_a_change_of_pwd_last_set_alone() {
    let mut answer = golden("delta");
    let object = &mut answer.objects[0];
    object.attributes.retain(|changed| changed.attribute == Attribute::PwdLastSet);
    object.attributes[0].values = vec![vec![0; 8]];
    object.attributes[0].stamp = Some(Stamp { version: 9, changed: 0 });
    let change = password_change(object, &Looked::new(), &opener()).unwrap();
    assert_eq!((change.version, change.changed, change.must_change), (0, None, Some(true)));
    assert!(change.hash.is_none());
}
