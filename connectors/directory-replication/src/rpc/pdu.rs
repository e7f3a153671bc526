//! PDUs of an association: their common header (C706 12.6.3.1) and the security trailer (MS-RPCE 2.2.2.11).

use crate::ndr::Malformed;

/// Bytes before anything that depends on the kind of PDU; its length is among them.
pub const HEADER_LENGTH: usize = 16;
/// Security trailer without the token or signature that follows it.
pub(super) const TRAILER_LENGTH: usize = 8;
/// `auth_level` privacy: signed and encrypted.
const PRIVACY: u8 = 6;
/// Any number would do for the one security context of an association.
const CONTEXT: u32 = 1;

pub(super) const REQUEST: u8 = 0;
pub(super) const RESPONSE: u8 = 2;
pub(super) const FAULT: u8 = 3;
pub(super) const BIND: u8 = 11;
pub(super) const BIND_ACK: u8 = 12;
pub(super) const BIND_NAK: u8 = 13;
pub(super) const AUTH3: u8 = 16;

pub(super) const FIRST: u8 = 1;
pub(super) const LAST: u8 = 2;
/// In a bind and its answer: headers are signed too.
pub(super) const HEADER_SIGNING: u8 = 4;

/// The length of a PDU by its first [`HEADER_LENGTH`] bytes, those included. At most 65,535.
pub fn length_of(header: &[u8; HEADER_LENGTH]) -> Result<usize, Malformed> {
    let length = usize::from(u16::from_le_bytes([header[8], header[9]]));
    // Version 5.0, little endian, ASCII, IEEE: what everybody speaks.
    if header[0] != 5 || header[4] != 0x10 || length < HEADER_LENGTH {
        return Err(Malformed { what: "PDU header", at: 0 });
    }
    Ok(length)
}

/// The header's fields.
pub(super) struct Header {
    pub(super) kind: u8,
    pub(super) flags: u8,
    /// Bytes of token or signature at the end.
    pub(super) auth_length: usize,
    pub(super) call: u32,
}

impl Header {
    /// Of a whole PDU.
    pub(super) fn read(pdu: &[u8]) -> Result<Self, Malformed> {
        let malformed = Malformed { what: "PDU header", at: 0 };
        let header: &[u8; HEADER_LENGTH] = pdu.first_chunk().ok_or(malformed)?;
        if length_of(header)? != pdu.len() {
            return Err(malformed);
        }
        Ok(Header {
            kind: header[2],
            flags: header[3],
            auth_length: usize::from(u16::from_le_bytes([header[10], header[11]])),
            call: u32::from_le_bytes([header[12], header[13], header[14], header[15]]),
        })
    }
}

pub(super) fn header(kind: u8, flags: u8, call: u32) -> Vec<u8> {
    let mut pdu = vec![5, 0, kind, flags, 0x10, 0, 0, 0, 0, 0, 0, 0];
    pdu.extend(call.to_le_bytes());
    pdu
}

/// Writes the lengths of the PDU and of the token at its end into the header.
pub(super) fn set_lengths(pdu: &mut [u8], whole: usize, auth: usize) {
    let short = |length: usize| u16::try_from(length).unwrap_or(u16::MAX).to_le_bytes();
    if let Some(place) = pdu.get_mut(8..12) {
        place.copy_from_slice(&[short(whole), short(auth)].concat());
    }
}

pub(super) fn put_trailer(pdu: &mut Vec<u8>, auth_kind: u8, padding: u8) {
    pdu.extend([auth_kind, PRIVACY, padding, 0]);
    pdu.extend(CONTEXT.to_le_bytes());
}

/// The security trailer of a PDU: where it begins, how much padding lies before it, and the token after it.
pub(super) struct Trailer<'a> {
    pub(super) at: usize,
    pub(super) padding: usize,
    pub(super) token: &'a [u8],
}

impl<'a> Trailer<'a> {
    /// `None` where there is none, or not of this kind and of privacy.
    pub(super) fn read(pdu: &'a [u8], auth_length: usize, auth_kind: u8) -> Option<Self> {
        let token_at = pdu.len().checked_sub(auth_length)?;
        let at = token_at.checked_sub(TRAILER_LENGTH)?;
        let [kind, level, padding, ..] = *pdu.get(at..token_at)? else {
            return None;
        };
        let fits = auth_length > 0 && kind == auth_kind && level == PRIVACY;
        fits.then_some(Trailer { at, padding: usize::from(padding), token: pdu.get(token_at..)? })
    }
}
