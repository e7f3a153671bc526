//! The three messages of NTLM as bytes (MS-NLMP 2.2.1).

use super::utf16;
use crate::auth::AuthError;

const SIGNATURE: &[u8; 8] = b"NTLMSSP\0";
/// Windows 6.1, revision 15 of the protocol: what the fields are laid out for.
const VERSION: [u8; 8] = [6, 1, 0, 0, 0, 0, 0, 15];

const SIGN: u32 = 0x10;
const SEAL: u32 = 0x20;
const EXTENDED_SESSION_SECURITY: u32 = 0x0008_0000;
const TARGET_INFO: u32 = 0x0080_0000;
const WITH_VERSION: u32 = 0x0200_0000;
const BITS_128: u32 = 0x2000_0000;
const KEY_EXCHANGE: u32 = 0x4000_0000;
/// Besides: Unicode, request target, NTLM, always sign.
const OFFERED: u32 =
    0x8205 | SIGN | SEAL | EXTENDED_SESSION_SECURITY | TARGET_INFO | WITH_VERSION | BITS_128 | KEY_EXCHANGE;
const DEMANDED: [(u32, &str); 5] = [
    (SIGN, "signing"),
    (SEAL, "encryption"),
    (EXTENDED_SESSION_SECURITY, "extended session security"),
    (BITS_128, "keys of 128 bits"),
    (KEY_EXCHANGE, "an exchange of keys"),
];

/// Where fields and payload of an AUTHENTICATE message begin.
const MIC_AT: usize = 72;
const PAYLOAD_AT: usize = 88;

/// Kinds of values in the target information (MS-NLMP 2.2.2.1).
mod av {
    pub(super) const END: u16 = 0;
    pub(super) const FLAGS: u16 = 6;
    pub(super) const TIMESTAMP: u16 = 7;
    pub(super) const TARGET_NAME: u16 = 9;
    pub(super) const CHANNEL_BINDINGS: u16 = 10;
    /// In FLAGS: the client signs the three messages.
    pub(super) const SIGNED: u32 = 2;
}

pub(super) fn negotiate() -> Vec<u8> {
    let mut message = SIGNATURE.to_vec();
    message.extend(1u32.to_le_bytes());
    message.extend(OFFERED.to_le_bytes());
    // No domain and no workstation here.
    message.extend([0; 16]);
    message.extend(VERSION);
    message
}

/// What a CHALLENGE message says.
pub(super) struct Challenge<'a> {
    pub(super) flags: u32,
    pub(super) nonce: [u8; 8],
    /// The server's clock, as it must come back.
    time: [u8; 8],
    target: Vec<(u16, &'a [u8])>,
}

impl<'a> Challenge<'a> {
    pub(super) fn read(message: &'a [u8]) -> Result<Self, AuthError> {
        let malformed = AuthError::Malformed("challenge");
        let part = |at: usize, length: usize| at.checked_add(length).and_then(|end| message.get(at..end));
        let word = |at: usize| part(at, 4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes);
        let head = (part(0, 8), word(8), word(20), part(24, 8), part(40, 2), word(44));
        let (Some(signature), Some(2), Some(flags), Some(nonce), Some(length), Some(offset)) = head else {
            return Err(malformed);
        };
        if signature != SIGNATURE {
            return Err(malformed);
        }
        if let Some((_, missing)) = DEMANDED.iter().find(|(flag, _)| flags & flag == 0) {
            return Err(AuthError::Weak(missing));
        }
        let length = usize::from(u16::from_le_bytes(length.try_into().map_err(|_| malformed.clone())?));
        let target = part(offset as usize, length).ok_or_else(|| malformed.clone())?;
        let target = target_values(target)?;
        // Every domain controller since 2008 sends its time; without it there is no signature over the messages, and what was
        // agreed upon could have been weakened on the way.
        let time =
            target.iter().find(|(kind, _)| *kind == av::TIMESTAMP).and_then(|(_, value)| (*value).try_into().ok());
        Ok(Challenge {
            flags,
            nonce: nonce.try_into().map_err(|_| malformed)?,
            time: time
                .ok_or(AuthError::Weak("a signature over the messages of signing in (its challenge has no time)"))?,
            target,
        })
    }

    /// `temp` of NTLMv2: what the proof is over (MS-NLMP 3.3.2), with the server's values back and ours beside them.
    pub(super) fn answer_to(&self, client_challenge: &[u8; 8], service: &str) -> Result<Vec<u8>, AuthError> {
        let mut temp = vec![1, 1, 0, 0, 0, 0, 0, 0];
        temp.extend(self.time);
        temp.extend(client_challenge);
        temp.extend([0; 4]);
        let ours = [av::FLAGS, av::TARGET_NAME, av::CHANNEL_BINDINGS];
        for (kind, value) in self.target.iter().filter(|(kind, _)| !ours.contains(kind)) {
            put_value(&mut temp, *kind, value)?;
        }
        put_value(&mut temp, av::FLAGS, &av::SIGNED.to_le_bytes())?;
        // No TLS around this conversation: no binding.
        put_value(&mut temp, av::CHANNEL_BINDINGS, &[0; 16])?;
        put_value(&mut temp, av::TARGET_NAME, &utf16(service))?;
        put_value(&mut temp, av::END, &[])?;
        temp.extend([0; 4]);
        Ok(temp)
    }
}

fn target_values(mut bytes: &[u8]) -> Result<Vec<(u16, &[u8])>, AuthError> {
    let mut values = Vec::new();
    while let [a, b, c, d, rest @ ..] = bytes {
        let (kind, length) = (u16::from_le_bytes([*a, *b]), usize::from(u16::from_le_bytes([*c, *d])));
        if kind == av::END {
            return Ok(values);
        }
        let (value, rest) = rest.split_at_checked(length).ok_or(AuthError::Malformed("target information"))?;
        values.push((kind, value));
        bytes = rest;
    }
    Err(AuthError::Malformed("target information"))
}

fn put_value(to: &mut Vec<u8>, kind: u16, value: &[u8]) -> Result<(), AuthError> {
    let length = u16::try_from(value.len()).map_err(|_| AuthError::TooLong("name of the service"))?;
    to.extend(kind.to_le_bytes());
    to.extend(length.to_le_bytes());
    to.extend(value);
    Ok(())
}

/// Who signs in, as the server is told.
pub(super) struct Names<'a> {
    pub(super) domain: &'a str,
    pub(super) user: &'a str,
    pub(super) workstation: &'a str,
}

/// The AUTHENTICATE message, its signature still zero.
pub(super) fn authenticate(
    server_flags: u32,
    names: &Names<'_>,
    answer: &[u8],
    wrapped_key: &[u8; 16],
) -> Result<Vec<u8>, AuthError> {
    // LMv2 is zero where the server sent its time (MS-NLMP 3.1.5.1.2).
    let (domain, user, workstation) = (utf16(names.domain), utf16(names.user), utf16(names.workstation));
    let payload: [(&str, &[u8]); 6] = [
        ("answer", &[0; 24]),
        ("server's target information", answer),
        ("name of the domain", &domain),
        ("name of the user", &user),
        ("name of this machine", &workstation),
        ("key", wrapped_key),
    ];
    let mut message = SIGNATURE.to_vec();
    message.extend(3u32.to_le_bytes());
    let mut offset = PAYLOAD_AT;
    for (what, part) in payload {
        let length = u16::try_from(part.len()).map_err(|_| AuthError::TooLong(what))?;
        message.extend(length.to_le_bytes());
        message.extend(length.to_le_bytes());
        message.extend(u32::try_from(offset).map_err(|_| AuthError::TooLong(what))?.to_le_bytes());
        offset += part.len();
    }
    message.extend((OFFERED & server_flags | WITH_VERSION).to_le_bytes());
    message.extend(VERSION);
    message.extend([0; PAYLOAD_AT - MIC_AT]);
    for (_, part) in payload {
        message.extend(part);
    }
    Ok(message)
}

/// Puts the signature over the three messages where it was left zero.
pub(super) fn put_signature(message: &mut [u8], signature: &[u8; 16]) {
    if let Some(place) = message.get_mut(MIC_AT..PAYLOAD_AT) {
        place.copy_from_slice(signature);
    }
}
