//! What this crate promises of any bytes that a server, or somebody in between, may answer with: no panic, no endless work, no
//! more memory than a small multiple of what came. Each function is the body of a fuzz target (`tests/fuzz`) and of a plain
//! test over the saved corpus. In no shipped build.

use crate::auth::{Auth, SessionKey};
use crate::drsuapi::{Attribute, DRSUAPI, bound, changes};
use crate::endpoint_mapper::port;
use crate::ntlm::{Credential, Drawn, NtlmLogon};
use crate::rpc::{Association, HEADER_LENGTH, length_of};
use crate::secret::open_hash;
use zeroize::Zeroizing;

fn key() -> SessionKey {
    Zeroizing::new(*b"recorded session")
}

fn logon() -> Box<dyn Auth> {
    let credential = Credential {
        domain: "CORP".to_owned(),
        user: "svc-passwords".to_owned(),
        password: Zeroizing::new("Svc-Pass-1".to_owned()),
    };
    let drawn = Drawn { client_challenge: *b"recorded", session_key: key() };
    Box::new(NtlmLogon::new(credential, "metasync", "ldap/dc1", drawn))
}

/// Stubs, as every reader takes them. What is read is part of what came; secrets among it open or are refused.
pub fn answers(bytes: &[u8]) {
    let _ = (port(bytes), bound(bytes));
    let Ok(changes) = changes(bytes) else { return };
    let all = || changes.objects.iter().flat_map(|object| &object.attributes);
    let held: usize = all().flat_map(|changed| &changed.values).map(Vec::len).sum();
    let listed = changes.cursors.len() * 32 + changes.objects.len() * 32 + all().count() * 12;
    assert!(held + listed <= bytes.len(), "more was read than came");
    for changed in all().filter(|changed| changed.attribute == Attribute::UnicodePwd) {
        for value in &changed.values {
            let _ = open_hash(&key(), 1_103, value);
        }
    }
}

/// PDUs one after the other, to an association that signs in and to one that does not. What is put together is not longer
/// than what came.
pub fn associations(bytes: &[u8]) {
    for auth in [None, Some(logon())] {
        let Ok((mut association, _)) = Association::bind(&DRSUAPI, auth) else { return };
        let (mut rest, mut first) = (bytes, true);
        while let Some(header) = rest.first_chunk::<HEADER_LENGTH>() {
            let Ok(length) = length_of(header) else { return };
            let (pdu, after) = rest.split_at(length.min(rest.len()));
            rest = after;
            if first {
                if association.bound(pdu).is_err() {
                    return;
                }
                association.request(0, &[]);
                first = false;
                continue;
            }
            match association.receive(pdu.to_vec()) {
                Ok(Some(answer)) => {
                    assert!(answer.len() <= bytes.len(), "more was put together than came");
                    association.request(0, &[]);
                }
                Ok(None) => {}
                Err(_) => return,
            }
        }
    }
}

/// The server's token in signing in.
pub fn challenges(bytes: &[u8]) {
    let mut logon = logon();
    let _ = logon.start();
    if let Ok(finished) = logon.finish(bytes) {
        assert!(finished.token.len() <= 2 * bytes.len() + 512, "the answer grows with nothing that came");
    }
}

#[cfg(test)]
#[path = "../../../tests/fuzz/smoke.rs"]
mod smoke;

#[cfg(test)]
mod tests {
    use super::*;

    /// Issue 6: truncations and bit flips over recorded answers never panic and set no memory aside that nothing came for.
    #[test]
    fn any_answer_is_refused_or_part_of_what_came() {
        assert!(smoke::feed("directory_answers", 2_000, answers) > 10_000);
    }

    #[test]
    fn any_pdus_end_an_association_or_are_put_together() {
        assert!(smoke::feed("directory_associations", 2_000, associations) > 4_000);
    }

    #[test]
    fn any_challenge_is_refused_or_answered() {
        assert!(smoke::feed("directory_challenges", 2_000, challenges) > 2_000);
    }
}
