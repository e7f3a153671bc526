//! Recorded answers of a domain controller, whole and damaged.

use super::*;
use crate::damage::{cut, flipped, golden};
use crate::drsuapi::refusal;
use expect_test::{Expect, expect};

/// Everything but the values of secrets.
fn check(name: &str, expect: Expect) {
    let answer = changes(&golden(name)).unwrap();
    let mut text = format!(
        "more {}, extended {}, {} cursors, to {} {}\n",
        answer.more,
        answer.extended,
        answer.cursors.len(),
        answer.to.object,
        answer.to.property
    );
    for object in &answer.objects {
        let rid = object.sid.as_ref().and_then(Sid::rid);
        text += &format!("{} rid {rid:?}\n", object.dn.replace('\n', "\\n"));
        for changed in &object.attributes {
            let version = changed.stamp.map(|stamp| stamp.version);
            let lengths: Vec<usize> = changed.values.iter().map(Vec::len).collect();
            text += &format!("    {:?} version {version:?}, values of {lengths:?} bytes\n", changed.attribute);
        }
    }
    expect.assert_eq(&text);
}

#[test]
fn one_object_whole() {
    check(
        "one-object",
        expect![[r#"
        more false, extended 1, 0 cursors, to 0 0
        CN=Golden Zoë,OU=Sales,DC=corp,DC=contoso,DC=example rid Some(1103)
            UserAccountControl version Some(4), values of [4] bytes
            UnicodePwd version Some(1), values of [36] bytes
            PwdLastSet version Some(1), values of [8] bytes
            ObjectSid version Some(1), values of [28] bytes
            SamAccountName version Some(1), values of [12] bytes
    "#]],
    );
    let answer = changes(&golden("one-object")).unwrap();
    let changed = answer.objects[0].attribute(Attribute::UnicodePwd).unwrap().stamp.unwrap().changed;
    // The day it was recorded.
    assert_eq!(changed.div_euclid(86_400), 20_783);
}

/// Of a change only what changed comes: no name of the account, no SID but the one in the object's name.
#[test]
fn a_change_of_a_password_a_state_and_a_deletion() {
    check(
        "delta",
        expect![[r#"
        more false, extended 0, 1 cursors, to 4003 4003
        CN=Other,OU=Sales,DC=corp,DC=contoso,DC=example rid Some(1104)
            UnicodePwd version Some(2), values of [36] bytes
            PwdLastSet version Some(2), values of [8] bytes
        CN=Golden Zoë,OU=Sales,DC=corp,DC=contoso,DC=example rid Some(1103)
            UserAccountControl version Some(4), values of [4] bytes
        CN=Leaver\0ADEL:60ce6530-033d-40fd-b673-7d5f40143840,CN=Deleted Objects,DC=corp,DC=contoso,DC=example rid Some(1105)
            IsDeleted version Some(1), values of [4] bytes
            UnicodePwd version Some(2), values of [] bytes
            PwdLastSet version Some(2), values of [] bytes
    "#]],
    );
}

#[test]
fn the_first_page_of_a_full_read() {
    check(
        "first-page",
        expect![[r#"
        more true, extended 0, 0 cursors, to 3858 0
        DC=corp,DC=contoso,DC=example rid Some(350055014)
            ObjectSid version Some(1), values of [24] bytes
        CN=Builtin,DC=corp,DC=contoso,DC=example rid Some(32)
            ObjectSid version Some(1), values of [12] bytes
        CN=Deleted Objects,DC=corp,DC=contoso,DC=example rid None
            IsDeleted version Some(1), values of [4] bytes
        CN=Domain Users,CN=Users,DC=corp,DC=contoso,DC=example rid Some(513)
            ObjectSid version Some(1), values of [28] bytes
            SamAccountName version Some(1), values of [24] bytes
        CN=Domain Guests,CN=Users,DC=corp,DC=contoso,DC=example rid Some(514)
            ObjectSid version Some(1), values of [28] bytes
            SamAccountName version Some(1), values of [26] bytes
        CN=Domain Computers,CN=Users,DC=corp,DC=contoso,DC=example rid Some(515)
            ObjectSid version Some(1), values of [28] bytes
            SamAccountName version Some(1), values of [32] bytes
        CN=Domain Controllers,CN=Users,DC=corp,DC=contoso,DC=example rid Some(516)
            ObjectSid version Some(1), values of [28] bytes
            SamAccountName version Some(1), values of [36] bytes
        CN=Guest,CN=Users,DC=corp,DC=contoso,DC=example rid Some(501)
            UserAccountControl version Some(1), values of [4] bytes
            UnicodePwd version Some(1), values of [] bytes
            PwdLastSet version Some(1), values of [8] bytes
            ObjectSid version Some(1), values of [28] bytes
            SamAccountName version Some(1), values of [10] bytes
        CN=krbtgt,CN=Users,DC=corp,DC=contoso,DC=example rid Some(502)
            UserAccountControl version Some(1), values of [4] bytes
            UnicodePwd version Some(1), values of [36] bytes
            PwdLastSet version Some(1), values of [8] bytes
            ObjectSid version Some(1), values of [28] bytes
            SamAccountName version Some(1), values of [12] bytes
        CN=Enterprise Read-only Domain Controllers,CN=Users,DC=corp,DC=contoso,DC=example rid Some(498)
            ObjectSid version Some(1), values of [28] bytes
            SamAccountName version Some(1), values of [78] bytes
        CN=Domain Admins,CN=Users,DC=corp,DC=contoso,DC=example rid Some(512)
            ObjectSid version Some(1), values of [28] bytes
            SamAccountName version Some(1), values of [26] bytes
        CN=Cert Publishers,CN=Users,DC=corp,DC=contoso,DC=example rid Some(517)
            ObjectSid version Some(1), values of [28] bytes
            SamAccountName version Some(1), values of [30] bytes
    "#]],
    );
}

#[test]
fn a_refusal_is_told_by_its_number() {
    for code in [refusal::ACCESS_DENIED, refusal::INVALID_PARAMETER, 1] {
        for length in [4, 8, 60, 200] {
            let mut answer = vec![0; length - 4];
            answer.extend(code.to_le_bytes());
            assert_eq!(changes(&answer), Err(DrsError::Refused(code)));
        }
    }
    assert!(matches!(changes(&[]), Err(DrsError::Malformed(_))));
    assert!(matches!(changes(&[0; 12]), Err(DrsError::Malformed(_))));
    let mut newer = golden("one-object");
    newer[..8].copy_from_slice(&[9, 0, 0, 0, 9, 0, 0, 0]);
    assert_eq!(changes(&newer), Err(DrsError::Version(9)));
}

/// The list ends where the head says, whatever its own pointers say.
#[test]
fn a_list_that_is_longer_than_announced_is_refused() {
    const ANNOUNCED_AT: usize = 112;
    let whole = golden("delta");
    assert_eq!(whole[ANNOUNCED_AT..ANNOUNCED_AT + 4], 3u32.to_le_bytes());
    for announced in 0..3u32 {
        let mut shorter = whole.clone();
        shorter[ANNOUNCED_AT..ANNOUNCED_AT + 4].copy_from_slice(&announced.to_le_bytes());
        assert!(matches!(changes(&shorter), Err(DrsError::Malformed(_))), "{announced}");
    }
}

#[test]
fn a_damaged_answer_is_refused_or_read_and_never_more_than_it_holds() {
    for name in ["one-object", "delta", "first-page"] {
        let whole = golden(name);
        let fields = changes(&whole).unwrap().objects.len();
        // Cut short, the last word is no return code; with a zero there instead, the content itself is missing.
        cut(&whole, |part| {
            let with_success = [&part[..part.len().saturating_sub(4)], &[0; 4]].concat();
            if let Ok(read) = changes(&with_success) {
                assert_eq!(read.objects.len(), fields, "{name}: {} bytes", part.len());
            }
        });
        flipped(&whole, |damaged| {
            if let Ok(read) = changes(damaged) {
                let held: usize = read
                    .objects
                    .iter()
                    .flat_map(|object| &object.attributes)
                    .flat_map(|a| &a.values)
                    .map(Vec::len)
                    .sum();
                assert!(held <= damaged.len() && read.objects.len() * 32 <= damaged.len());
                assert!(read.cursors.len() * 32 <= damaged.len());
            }
        });
    }
}
