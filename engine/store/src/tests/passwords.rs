//! Versions of passwords: what is owed after what a target settled.

use super::support::*;
use crate::{PasswordOutcomes, SettledPassword};

/// SF22: a password that changes while its earlier version is on its way stays owed when that one arrives.
#[test]
fn sf22_a_version_that_was_noted_meanwhile_stays_owed() {
    let mut world = World::new();
    world.full("ad", &["a user cn=A,dc=x mail=a@x"]);
    world.full("cloud", &["c-a user - displayName=a"]);
    let store = &mut world.store;
    store.let_passwords_through("ad", "cloud", &[anchor("a")]).unwrap();
    store.keep_passwords("ad", &[(anchor("a"), Some(1)), (anchor("a"), Some(2))], &[], &[]).unwrap();
    for (version, owed) in [(1, 1), (2, 0)] {
        let settled = SettledPassword { anchor: anchor("a"), version, to: anchor("c-a") };
        let outcomes = PasswordOutcomes { target: "cloud".into(), settled: vec![settled], log: Vec::new() };
        store.keep_passwords("ad", &[], &[outcomes], &[]).unwrap();
        assert_eq!(store.password_totals("ad", "cloud").unwrap().owed, owed, "version {version} arrived");
    }
}
