//! The published examples of NTLMv2 (MS-NLMP 4.2.4), and what is refused.

use super::messages::Challenge;
use super::session::Direction;
use super::{Credential, Drawn, NtlmLogon, one_way, proof, upper};
use crate::auth::{Auth, AuthError};
use crate::crypto::{Rc4, hmac_md5};
use zeroize::Zeroizing;

const NONCE: [u8; 8] = [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef];

fn user() -> Credential {
    Credential { domain: "Domain".to_owned(), user: "User".to_owned(), password: Zeroizing::new("Password".to_owned()) }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The example's `temp`: time zero, a client challenge of aa, the names of domain and server.
fn temp() -> Vec<u8> {
    let mut temp = vec![1, 1, 0, 0, 0, 0, 0, 0];
    temp.extend([0; 8]);
    temp.extend([0xaa; 8]);
    temp.extend([0; 4]);
    temp.extend(target());
    temp.extend([0; 8]);
    temp
}

/// The example's target information, without its end.
fn target() -> Vec<u8> {
    let mut values = vec![2, 0, 12, 0];
    values.extend(super::utf16("Domain"));
    values.extend([1, 0, 12, 0]);
    values.extend(super::utf16("Server"));
    values
}

/// The example's challenge (4.2.4.3) with these target values after its own.
fn challenge(flags: u32, more: &[u8]) -> Vec<u8> {
    let target = [&target()[..], more, &[0; 4]].concat();
    let length = (target.len() as u16).to_le_bytes();
    let mut message = b"NTLMSSP\0\x02\0\0\0".to_vec();
    message.extend([12, 0, 12, 0, 56, 0, 0, 0]);
    message.extend(flags.to_le_bytes());
    message.extend(NONCE);
    message.extend([0; 8]);
    message.extend([length, length].concat());
    message.extend(68u32.to_le_bytes());
    message.extend([6, 0, 0x70, 0x17, 0, 0, 0, 0x0f]);
    message.extend(super::utf16("Server"));
    message.extend(target);
    message
}

const FLAGS: u32 = 0xe28a_8233;

#[test]
fn ms_nlmp_4_2_4_keys_and_proof() {
    let key = one_way(&user());
    assert_eq!(hex(&key[..]), "0c868a403bfd7a93a3001ef22ef02e3f");
    let proof = proof(&key, &NONCE, &temp());
    assert_eq!(hex(&proof), "68cd0ab851e51c96aabc927bebef6a1c");
    let base = hmac_md5(&key, &[&proof]);
    assert_eq!(hex(&base), "8de40ccadbc14a82f15cb0ad0de95ca3");
    let mut wrapped = [0x55; 16];
    Rc4::new(&base).apply(&mut wrapped);
    assert_eq!(hex(&wrapped), "c5dad2544fc9799094ce1ce90bc9d03e");
}

/// 4.2.4.4: what is sealed and its signature. In a call the signature covers more than is encrypted; here both are the text.
#[test]
fn ms_nlmp_4_2_4_sealing() {
    let key = Zeroizing::new([0x55; 16]);
    let mut text = super::utf16("Plaintext");
    let whole = 0..text.len();
    let signature = Direction::new(&key, "client-to-server").seal(&mut text, whole.clone());
    assert_eq!(hex(&text), "54e50165bf1936dc996020c1811b0f06fb5f");
    assert_eq!(hex(&signature), "010000007fb38ec5c55d497600000000");

    assert!(Direction::new(&key, "client-to-server").unseal(&mut text.clone(), whole.clone(), &signature));
    for bit in 0..128 {
        let mut damaged = signature;
        damaged[bit / 8] ^= 1 << (bit % 8);
        let fits = Direction::new(&key, "client-to-server").unseal(&mut text.clone(), whole.clone(), &damaged);
        assert!(!fits, "bit {bit} of the signature");
    }
    assert!(!Direction::new(&key, "client-to-server").unseal(&mut text.clone(), whole.clone(), &signature[..15]));
    text[3] ^= 1;
    assert!(!Direction::new(&key, "client-to-server").unseal(&mut text, whole, &signature));
}

#[test]
fn the_example_challenge_is_read_and_answered_with_its_values() {
    let time = [7, 0, 8, 0, 1, 2, 3, 4, 5, 6, 7, 8];
    let message = challenge(FLAGS, &time);
    let challenge = Challenge::read(&message).unwrap();
    assert_eq!(challenge.nonce, NONCE);
    let temp = challenge.answer_to(&[0xaa; 8], "ldap/dc1").unwrap();
    assert_eq!(hex(&temp[8..16]), "0102030405060708", "the server's time comes back");
    let after = [&target()[..], &time, &[6, 0, 4, 0, 2, 0, 0, 0], &[10, 0, 16, 0], &[0; 16], &[9, 0, 16, 0]].concat();
    assert_eq!(hex(&temp[28..28 + after.len()]), hex(&after));
}

/// A server, or whoever stands between, cannot talk the client into less.
#[test]
fn what_is_weaker_is_refused() {
    let time = [7, 0, 8, 0, 1, 2, 3, 4, 5, 6, 7, 8];
    let refusal = |message: &[u8]| Challenge::read(message).err().map(|error| error.to_string()).unwrap_or_default();
    for (flag, word) in [
        (0x10, "signing"),
        (0x20, "encryption"),
        (0x0008_0000, "extended session security"),
        (0x2000_0000, "128 bits"),
        (0x4000_0000, "exchange of keys"),
    ] {
        let text = refusal(&challenge(FLAGS & !flag, &time));
        assert!(text.contains(word), "{text}");
    }
    assert!(refusal(&challenge(FLAGS, &[])).contains("no time"));
    let whole = challenge(FLAGS, &time);
    assert_eq!(refusal(&whole), "");
    for length in 0..whole.len() {
        assert_ne!(refusal(&whole[..length]), "", "cut at {length}");
    }
    let mut beyond = whole.clone();
    beyond[44..48].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_ne!(refusal(&beyond), "");
    assert_ne!(refusal(b"NTLMSSP\0\x01\0\0\0"), "");
}

/// A name that the message cannot hold is refused, and never cut.
#[test]
fn a_name_that_is_too_long_is_refused() {
    let message = challenge(FLAGS, &[7, 0, 8, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
    let finish = |user: String, service: &str| {
        let drawn = Drawn { client_challenge: [0xaa; 8], session_key: Zeroizing::new([0x55; 16]) };
        let credential = Credential { user, ..self::user() };
        let mut logon = NtlmLogon::new(credential, "metasync", service, drawn);
        logon.start().unwrap();
        logon.finish(&message).err()
    };
    assert_eq!(finish("u".to_owned(), "ldap/dc1"), None);
    assert_eq!(finish("u".repeat(40_000), "ldap/dc1"), Some(AuthError::TooLong("name of the user")));
    assert_eq!(finish("u".to_owned(), &"x".repeat(40_000)), Some(AuthError::TooLong("name of the service")));
}

#[test]
fn upper_case_is_one_character_for_one() {
    assert_eq!(upper("svc-straße.é"), "SVC-STRAßE.É");
}
