//! One association: the bind with its sign-in, then one call after another, cut into fragments, sealed, put together again.

use super::pdu::{
    AUTH3, BIND, BIND_ACK, BIND_NAK, FAULT, FIRST, HEADER_SIGNING, Header, LAST, REQUEST, RESPONSE, Trailer, header,
    put_trailer, set_lengths,
};
use super::{Interface, NDR, RpcError};
use crate::auth::{Auth, Session, SessionKey};
use crate::ndr::{Malformed, Reader};

/// The longest fragment we take and, unless the server takes less, send. Windows uses the same number.
const FRAGMENT: u16 = 5_840;
/// Every server takes this much (C706 12.6.3.6).
const SMALLEST_FRAGMENT: u16 = 1_432;
/// Header and fields of a request or response before its stub.
const STUB_AT: usize = 24;
/// Stubs are padded to this before they are encrypted.
const SEAL_BLOCK: usize = 16;
/// Room in a fragment for all that is not the stub.
const AROUND_STUB: usize = 64;
/// The longest answer that is put together. The largest we ask for are 16 MB (`drsuapi::ChangesRequest`).
const LONGEST_ANSWER: usize = 64 << 20;

/// An association with one server.
pub struct Association {
    call: u32,
    fragment: usize,
    auth: Option<Box<dyn Auth>>,
    session: Option<Protection>,
    /// The answer so far.
    answer: Vec<u8>,
    next_is_first: bool,
}

struct Protection {
    kind: u8,
    session: Box<dyn Session>,
}

impl Association {
    /// The bind to send. Without `auth` nothing is signed or encrypted.
    pub fn bind(interface: &Interface, auth: Option<Box<dyn Auth>>) -> Result<(Self, Vec<u8>), RpcError> {
        let mut association = Association {
            call: 1,
            fragment: usize::from(FRAGMENT),
            auth,
            session: None,
            answer: Vec::new(),
            next_is_first: true,
        };
        let signing = if association.auth.is_some() { HEADER_SIGNING } else { 0 };
        let mut pdu = header(BIND, FIRST | LAST | signing, association.call);
        pdu.extend([FRAGMENT.to_le_bytes(), FRAGMENT.to_le_bytes()].concat());
        // A new group of associations; one context, of one transfer syntax.
        pdu.extend([0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0]);
        for Interface { id, version } in [interface, &NDR] {
            pdu.extend(id);
            pdu.extend(u32::from(*version).to_le_bytes());
        }
        let mut token_length = 0;
        if let Some(auth) = &mut association.auth {
            let token = auth.start()?;
            put_trailer(&mut pdu, auth.kind(), 0);
            token_length = token.len();
            pdu.extend(token);
        }
        let whole = pdu.len();
        set_lengths(&mut pdu, whole, token_length);
        Ok((association, pdu))
    }

    /// Takes the answer to the bind. What is returned is to be sent; no answer comes to it: a sign-in that was refused shows
    /// as a fault of the first call.
    pub fn bound(&mut self, pdu: &[u8]) -> Result<Option<Vec<u8>>, RpcError> {
        let head = Header::read(pdu)?;
        let mut reader = Reader::from(pdu, super::HEADER_LENGTH);
        match head.kind {
            BIND_ACK => {}
            BIND_NAK => return Err(RpcError::BindRefused(reader.u16("refusal of a bind")?)),
            FAULT => return Err(fault(pdu)),
            _ => return Err(unexpected().into()),
        }
        let what = "answer to a bind";
        let takes = reader.u16(what)?;
        self.fragment = usize::from(takes.clamp(SMALLEST_FRAGMENT, FRAGMENT));
        reader.u16(what)?;
        reader.u32(what)?;
        let address = reader.u16(what)?;
        reader.take(usize::from(address), what)?;
        let results = reader.u32(what)? & 0xff;
        let (result, reason) = (reader.u16(what)?, reader.u16(what)?);
        if results != 1 || result != 0 {
            return Err(RpcError::ContextRefused { result, reason });
        }
        let Some(auth) = &mut self.auth else {
            return Ok(None);
        };
        if head.flags & HEADER_SIGNING == 0 {
            return Err(RpcError::NoHeaderSigning);
        }
        let kind = auth.kind();
        let trailer = Trailer::read(pdu, head.auth_length, kind).ok_or(RpcError::NoAuthentication)?;
        let finished = auth.finish(trailer.token)?;
        let mut last = header(AUTH3, FIRST | LAST, self.call);
        last.extend([0; 4]);
        put_trailer(&mut last, kind, 0);
        let (token, whole) = (finished.token.len(), last.len() + finished.token.len());
        last.extend(finished.token);
        set_lengths(&mut last, whole, token);
        self.session = Some(Protection { kind, session: finished.session });
        // The password has served.
        self.auth = None;
        Ok(Some(last))
    }

    /// The key of the session, once there is one.
    pub fn session_key(&self) -> Option<SessionKey> {
        self.session.as_ref().map(|protection| protection.session.key())
    }

    /// A call: all its fragments, to be sent in one go.
    pub fn request(&mut self, operation: u16, stub: &[u8]) -> Vec<u8> {
        self.call = self.call.wrapping_add(1);
        self.answer = Vec::new();
        self.next_is_first = true;
        let most = (self.fragment - AROUND_STUB) / SEAL_BLOCK * SEAL_BLOCK;
        let pieces: Vec<&[u8]> = if stub.is_empty() { vec![stub] } else { stub.chunks(most).collect() };
        let mut sent = Vec::with_capacity(stub.len() + pieces.len() * AROUND_STUB);
        for (index, piece) in pieces.iter().enumerate() {
            let first = if index == 0 { FIRST } else { 0 };
            let last = if index + 1 == pieces.len() { LAST } else { 0 };
            let mut pdu = header(REQUEST, first | last, self.call);
            pdu.extend(u32::try_from(stub.len()).unwrap_or(0).to_le_bytes());
            pdu.extend([0, 0]);
            pdu.extend(operation.to_le_bytes());
            pdu.extend(*piece);
            self.protect(&mut pdu, piece.len());
            sent.extend(pdu);
        }
        sent
    }

    fn protect(&mut self, pdu: &mut Vec<u8>, stub: usize) {
        let Some(Protection { kind, session }) = &mut self.session else {
            let whole = pdu.len();
            set_lengths(pdu, whole, 0);
            return;
        };
        let padding = stub.next_multiple_of(SEAL_BLOCK) - stub;
        pdu.resize(pdu.len() + padding, 0);
        let end = pdu.len();
        put_trailer(pdu, *kind, padding as u8);
        let signature = session.signature_length();
        let whole = pdu.len() + signature;
        set_lengths(pdu, whole, signature);
        let signature = session.seal(pdu, STUB_AT..end);
        pdu.extend(signature);
    }

    /// Takes one PDU of the answer to the last call; with its last one comes the whole answer.
    pub fn receive(&mut self, mut pdu: Vec<u8>) -> Result<Option<Vec<u8>>, RpcError> {
        let head = Header::read(&pdu)?;
        if head.kind == FAULT {
            // It may come without protection. It is only ever an error, never data.
            return Err(fault(&pdu));
        }
        let in_turn = head.call == self.call && (head.flags & FIRST != 0) == self.next_is_first;
        if head.kind != RESPONSE || !in_turn || pdu.len() < STUB_AT {
            return Err(unexpected().into());
        }
        let end = match &mut self.session {
            None => pdu.len(),
            Some(Protection { kind, session }) => {
                // What is not protected, or less than agreed upon, is as good as forged.
                let Some(trailer) = Trailer::read(&pdu, head.auth_length, *kind) else {
                    return Err(RpcError::Signature);
                };
                let (at, padding, signature) = (trailer.at, trailer.padding, trailer.token.to_vec());
                pdu.truncate(pdu.len() - signature.len());
                if at < STUB_AT || !session.unseal(&mut pdu, STUB_AT..at, &signature) {
                    return Err(RpcError::Signature);
                }
                at.checked_sub(padding).filter(|end| *end >= STUB_AT).ok_or_else(unexpected)?
            }
        };
        let stub = pdu.get(STUB_AT..end).ok_or_else(unexpected)?;
        if self.answer.len() + stub.len() > LONGEST_ANSWER {
            return Err(RpcError::TooLong(LONGEST_ANSWER));
        }
        self.answer.extend_from_slice(stub);
        self.next_is_first = false;
        Ok((head.flags & LAST != 0).then(|| std::mem::take(&mut self.answer)))
    }
}

fn unexpected() -> Malformed {
    Malformed { what: "PDU out of turn", at: 0 }
}

fn fault(pdu: &[u8]) -> RpcError {
    match Reader::from(pdu, STUB_AT).u32("fault") {
        Ok(status) => RpcError::Fault(status),
        Err(error) => error.into(),
    }
}

#[cfg(test)]
mod tests;
