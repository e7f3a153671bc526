//! Signing and sealing with NTLM, one stream each way (MS-NLMP 3.4.4.2).

use crate::auth::{Session, SessionKey};
use crate::crypto::{Rc4, hmac_md5, md5};
use std::ops::Range;
use zeroize::Zeroizing;

const SIGNATURE_LENGTH: usize = 16;

pub(super) struct NtlmSession {
    sent: Direction,
    received: Direction,
    key: SessionKey,
}

/// One direction: its keys and how much was said.
pub(super) struct Direction {
    signing: Zeroizing<[u8; 16]>,
    stream: Rc4,
    sequence: u32,
}

impl NtlmSession {
    pub(super) fn new(key: SessionKey) -> Self {
        NtlmSession {
            sent: Direction::new(&key, "client-to-server"),
            received: Direction::new(&key, "server-to-client"),
            key,
        }
    }
}

impl Direction {
    pub(super) fn new(key: &SessionKey, direction: &str) -> Self {
        let derived = |use_of_it: &str| {
            let text = format!("session key to {direction} {use_of_it} key magic constant\0");
            Zeroizing::new(md5(&[&key[..], text.as_bytes()]))
        };
        Direction { signing: derived("signing"), stream: Rc4::new(&derived("sealing")), sequence: 0 }
    }

    fn digest(&self, pdu: &[u8]) -> [u8; 16] {
        hmac_md5(&self.signing, &[&self.sequence.to_le_bytes(), pdu])
    }

    /// The signature's own eight bytes of digest are encrypted after the data, in the same stream.
    fn signature(&mut self, digest: [u8; 16]) -> [u8; SIGNATURE_LENGTH] {
        let mut signature = [0; SIGNATURE_LENGTH];
        signature[0] = 1;
        signature[4..12].copy_from_slice(&digest[..8]);
        self.stream.apply(&mut signature[4..12]);
        signature[12..].copy_from_slice(&self.sequence.to_le_bytes());
        self.sequence = self.sequence.wrapping_add(1);
        signature
    }

    fn encrypt(&mut self, pdu: &mut [u8], confidential: Range<usize>) {
        if let Some(part) = pdu.get_mut(confidential) {
            self.stream.apply(part);
        }
    }

    pub(super) fn seal(&mut self, pdu: &mut [u8], confidential: Range<usize>) -> [u8; SIGNATURE_LENGTH] {
        let digest = self.digest(pdu);
        self.encrypt(pdu, confidential);
        self.signature(digest)
    }

    pub(super) fn unseal(&mut self, pdu: &mut [u8], confidential: Range<usize>, signature: &[u8]) -> bool {
        self.encrypt(pdu, confidential);
        let digest = self.digest(pdu);
        let expected = self.signature(digest);
        // Without an early end: how much of it fits must not show in the time.
        let differing = expected.iter().zip(signature).fold(0, |sum, (one, other)| sum | (one ^ other));
        differing == 0 && signature.len() == SIGNATURE_LENGTH
    }
}

impl Session for NtlmSession {
    fn signature_length(&self) -> usize {
        SIGNATURE_LENGTH
    }

    fn seal(&mut self, pdu: &mut [u8], confidential: Range<usize>) -> Vec<u8> {
        self.sent.seal(pdu, confidential).to_vec()
    }

    fn unseal(&mut self, pdu: &mut [u8], confidential: Range<usize>, signature: &[u8]) -> bool {
        self.received.unseal(pdu, confidential, signature)
    }

    fn key(&self) -> SessionKey {
        self.key.clone()
    }
}
