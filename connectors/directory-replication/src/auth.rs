//! Signing in to an RPC server and protecting what is said afterwards, whatever the mechanism. NTLM is the one there is
//! (ntlm/); Kerberos fits the same shape: a token in the bind, one in the answer, one to finish, then a session.

use std::ops::Range;
use zeroize::Zeroizing;

/// The key of a session. Secrets in answers are encrypted under it a second time, below what the session seals.
pub type SessionKey = Zeroizing<[u8; 16]>;

/// Why signing in cannot go on. What the server made of the credential is not known here: it answers that with a fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    #[error("the server's {0} is malformed")]
    Malformed(&'static str),
    #[error("the server does not agree to {0}")]
    Weak(&'static str),
    #[error("the {0} is too long")]
    TooLong(&'static str),
}

/// One sign-in.
pub trait Auth: Send {
    /// `auth_type` of the security trailer (MS-RPCE 2.2.1.1.7): 10 NTLM, 9 negotiated, 16 Kerberos.
    fn kind(&self) -> u8;

    /// The token that goes with the bind.
    fn start(&mut self) -> Result<Vec<u8>, AuthError>;

    /// What follows from the server's token: the last token, and the session that holds from then on.
    fn finish(&mut self, answer: &[u8]) -> Result<Finished, AuthError>;
}

pub struct Finished {
    pub token: Vec<u8>,
    pub session: Box<dyn Session>,
}

/// A session: what is sent is encrypted and signed, what comes is checked and decrypted, each in the order of the wire.
pub trait Session: Send {
    /// Bytes of a signature.
    fn signature_length(&self) -> usize;

    /// Encrypts `confidential` of a PDU in place. The signature is over the whole PDU in clear.
    fn seal(&mut self, pdu: &mut [u8], confidential: Range<usize>) -> Vec<u8>;

    /// The reverse; `false` where the signature does not fit, and then nothing of the PDU may be used.
    fn unseal(&mut self, pdu: &mut [u8], confidential: Range<usize>, signature: &[u8]) -> bool;

    fn key(&self) -> SessionKey;
}
