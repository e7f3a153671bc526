//! A recorded conversation said again, and what comes of a server that cheats, breaks off or speaks out of turn.

use super::*;
use crate::damage::{conversation_key, flipped, golden};
use crate::drsuapi::{self, ChangesRequest, DRSUAPI, Of, operation};
use crate::ntlm::{Credential, Drawn, NtlmLogon};
use crate::rpc::{fault, length_of};
use zeroize::Zeroizing;

/// The sign-in of the recorded conversation.
fn logon() -> Box<dyn Auth> {
    let credential = Credential {
        domain: "CORP".to_owned(),
        user: "svc-passwords".to_owned(),
        password: Zeroizing::new("Svc-Pass-1".to_owned()),
    };
    let drawn = Drawn { client_challenge: *b"recorded", session_key: conversation_key() };
    Box::new(NtlmLogon::new(credential, "metasync", "ldap/dc1", drawn))
}

/// A recorded stream, PDU by PDU.
fn pdus(name: &str) -> Vec<Vec<u8>> {
    let stream = golden(name);
    let mut pdus = Vec::new();
    let mut rest = &stream[..];
    while let Some(header) = rest.first_chunk() {
        let (pdu, after) = rest.split_at(length_of(header).unwrap());
        pdus.push(pdu.to_vec());
        rest = after;
    }
    assert!(rest.is_empty());
    pdus
}

/// An association that has signed in, and what the server still has to say.
fn signed_in() -> (Association, Vec<Vec<u8>>, Vec<u8>) {
    let mut received = pdus("conversation-received");
    let (mut association, mut sent) = Association::bind(&DRSUAPI, Some(logon())).unwrap();
    sent.extend(association.bound(&received.remove(0)).unwrap().unwrap());
    (association, received, sent)
}

/// The same draws give the same bytes, from the bind to the unbind, and the sealed answers open.
#[test]
fn a_recorded_conversation_is_said_again_byte_for_byte() {
    let (mut association, received, mut sent) = signed_in();
    let mut received = received.into_iter();
    assert_eq!(association.session_key().unwrap(), conversation_key());
    let mut call = |operation, stub: &[u8]| {
        sent.extend(association.request(operation, stub));
        loop {
            if let Some(answer) = association.receive(received.next().unwrap()).unwrap() {
                return answer;
            }
        }
    };
    let bound = call(operation::BIND, &drsuapi::bind_request(0));
    assert_eq!(bound, golden("bind-answer"));
    let handle = drsuapi::bound(&bound).unwrap().handle;
    let user = drsuapi::changes(&golden("one-object")).unwrap().objects[0].guid;
    let request = ChangesRequest { handle: &handle, of: Of::Object(user), most_objects: 1 };
    assert_eq!(call(operation::GET_CHANGES, &request.encode()), golden("one-object"));
    call(operation::UNBIND, &drsuapi::unbind_request(&handle));
    assert!(received.next().is_none());
    assert_eq!(sent, golden("conversation-sent"));
}

/// Whatever is changed on the way is noticed, and nothing of it is used.
#[test]
fn a_sealed_answer_is_used_only_as_it_was_sent() {
    let (_, received, _) = signed_in();
    let whole = &received[0];
    for bit in 0..whole.len() * 8 {
        let (mut association, _, _) = signed_in();
        association.request(operation::BIND, &drsuapi::bind_request(0));
        let mut damaged = whole.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(association.receive(damaged).is_err(), "bit {bit}");
    }
    let (mut association, _, _) = signed_in();
    association.request(operation::BIND, &drsuapi::bind_request(0));
    assert!(association.receive(whole.clone()).unwrap().is_some());
    assert_eq!(association.receive(whole.clone()), Err(unexpected().into()), "said twice");
}

/// An answer without protection is as good as forged; a fault may come without, and is an error.
#[test]
fn after_signing_in_nothing_unprotected_is_data() {
    let (mut association, _, _) = signed_in();
    association.request(operation::BIND, &drsuapi::bind_request(0));
    assert_eq!(association.receive(response(2, FIRST | LAST, b"forged")), Err(RpcError::Signature));
    let mut refused = header(FAULT, FIRST | LAST, 2);
    refused.extend([0; 8]);
    refused.extend(fault::ACCESS_DENIED.to_le_bytes());
    let whole = refused.len();
    set_lengths(&mut refused, whole, 0);
    assert_eq!(association.receive(refused.clone()), Err(RpcError::Fault(fault::ACCESS_DENIED)));
    refused.truncate(26);
    set_lengths(&mut refused, 26, 0);
    assert!(matches!(association.receive(refused), Err(RpcError::Malformed(_))));
}

fn response(call: u32, flags: u8, stub: &[u8]) -> Vec<u8> {
    let mut pdu = header(RESPONSE, flags, call);
    pdu.extend([0; 8]);
    pdu.extend(stub);
    let whole = pdu.len();
    set_lengths(&mut pdu, whole, 0);
    pdu
}

fn unprotected() -> Association {
    let (mut association, _) = Association::bind(&DRSUAPI, None).unwrap();
    association.request(0, &[]);
    association
}

#[test]
fn an_answer_is_put_together_in_turn_only() {
    let mut association = unprotected();
    assert_eq!(association.receive(response(2, FIRST, b"one ")), Ok(None));
    assert_eq!(association.receive(response(2, LAST, b"two")), Ok(Some(b"one two".to_vec())));
    for (call, flags) in [(2, LAST), (3, FIRST | LAST), (1, FIRST | LAST)] {
        let refused = unprotected().receive(response(call, flags, b"x"));
        assert_eq!(refused, Err(unexpected().into()), "call {call}, flags {flags}");
    }
    let mut twice = unprotected();
    assert_eq!(twice.receive(response(2, FIRST, b"one ")), Ok(None));
    assert_eq!(twice.receive(response(2, FIRST | LAST, b"again")), Err(unexpected().into()));
}

/// A server that never says "last" is not listened to for ever.
#[test]
fn an_answer_has_a_longest_length() {
    let mut association = unprotected();
    let stub = vec![0; 60_000];
    let mut flags = FIRST;
    let mut refusal = Ok(None);
    for _ in 0..=LONGEST_ANSWER / stub.len() {
        refusal = association.receive(response(2, flags, &stub));
        flags = 0;
    }
    assert_eq!(refusal, Err(RpcError::TooLong(LONGEST_ANSWER)));
    assert!(association.answer.len() <= LONGEST_ANSWER);
}

/// A long call goes out in pieces that any server takes, each padded to the cipher's block.
#[test]
fn a_long_call_is_cut_into_fragments() {
    let (mut association, _, _) = signed_in();
    let stub: Vec<u8> = (0..20_000u32).map(|byte| byte as u8).collect();
    let sent = association.request(operation::GET_CHANGES, &stub);
    let mut rest = &sent[..];
    let mut flags = Vec::new();
    while let Some(header) = rest.first_chunk() {
        let length = length_of(header).unwrap();
        assert!(length <= usize::from(FRAGMENT));
        let trailer = Trailer::read(&rest[..length], 16, 10).unwrap();
        assert_eq!((trailer.at - STUB_AT) % SEAL_BLOCK, 0);
        flags.push(header[3]);
        rest = &rest[length..];
    }
    assert_eq!(flags, [FIRST, 0, 0, LAST]);
}

fn answer_to_bind(change: impl Fn(&mut Vec<u8>)) -> Result<Option<Vec<u8>>, RpcError> {
    let (mut association, _) = Association::bind(&DRSUAPI, Some(logon())).unwrap();
    let mut answer = pdus("conversation-received").remove(0);
    change(&mut answer);
    association.bound(&answer)
}

#[test]
fn a_bind_that_is_refused_or_answered_with_less_is_told_apart() {
    assert!(answer_to_bind(|_| {}).is_ok());
    assert_eq!(answer_to_bind(|answer| answer[3] &= !HEADER_SIGNING), Err(RpcError::NoHeaderSigning));
    let without = answer_to_bind(|answer| {
        let auth = usize::from(u16::from_le_bytes([answer[10], answer[11]]));
        answer.truncate(answer.len() - auth - 8);
        let whole = answer.len();
        set_lengths(answer, whole, 0);
    });
    assert_eq!(without, Err(RpcError::NoAuthentication));
    let refused = answer_to_bind(|answer| {
        answer[2] = BIND_NAK;
        answer[16..18].copy_from_slice(&8u16.to_le_bytes());
    });
    assert_eq!(refused, Err(RpcError::BindRefused(8)));
    let context = answer_to_bind(|answer| {
        let address = usize::from(u16::from_le_bytes([answer[24], answer[25]]));
        let result = (26 + address).next_multiple_of(4) + 4;
        answer[result..result + 4].copy_from_slice(&[2, 0, 1, 0]);
    });
    assert_eq!(context, Err(RpcError::ContextRefused { result: 2, reason: 1 }));
}

#[test]
fn a_damaged_answer_to_the_bind_does_no_harm() {
    let whole = pdus("conversation-received").remove(0);
    for length in 0..whole.len() {
        assert!(answer_to_bind(|answer| answer.truncate(length)).is_err(), "{length} bytes");
        let relabelled = answer_to_bind(|answer| {
            answer.truncate(length);
            let auth = usize::from(u16::from_le_bytes([whole[10], whole[11]]));
            set_lengths(answer, length, auth);
        });
        assert!(relabelled.is_err(), "{length} bytes that say so");
    }
    flipped(&whole, |damaged| {
        let (mut association, _) = Association::bind(&DRSUAPI, Some(logon())).unwrap();
        drop(association.bound(damaged));
    });
}
