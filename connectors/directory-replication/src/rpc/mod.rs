//! Connection-oriented remote calls (C706 chapter 12, MS-RPCE): one association with one server, without its socket. Hands out
//! what is to be sent and takes what came, PDU by PDU; never retries.

mod association;
mod pdu;

pub use association::Association;
pub use pdu::{HEADER_LENGTH, length_of};

use crate::auth::AuthError;
use crate::ndr::Malformed;

/// An interface that a server may offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interface {
    /// Its UUID as it stands on the wire.
    pub id: [u8; 16],
    /// Major version; the minor one is 0.
    pub version: u16,
}

/// The transfer syntax NDR 2.0.
pub(crate) const NDR: Interface = Interface {
    id: [0x04, 0x5d, 0x88, 0x8a, 0xeb, 0x1c, 0xc9, 0x11, 0x9f, 0xe8, 0x08, 0x00, 0x2b, 0x10, 0x48, 0x60],
    version: 2,
};

/// Faults with a meaning of their own (C706 appendix E, MS-RPCE 2.2.2.11).
pub mod fault {
    /// What Windows answers to a first request whose sign-in was refused, and to a caller that may not call.
    pub const ACCESS_DENIED: u32 = 5;
    /// What Samba answers to a first request whose sign-in was refused.
    pub const PROTOCOL_ERROR: u32 = 0x1c01_000b;
}

/// Why an association is of no more use. Where the server refuses one call by its own rules, that is in the answer instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RpcError {
    #[error("{0}")]
    Malformed(#[from] Malformed),
    #[error("the server refuses the bind (reason {0})")]
    BindRefused(u16),
    #[error("the server does not offer this interface (result {result}, reason {reason})")]
    ContextRefused { result: u16, reason: u16 },
    #[error("the server does not sign the headers of what it sends")]
    NoHeaderSigning,
    #[error("the server answered the bind without a word on signing in")]
    NoAuthentication,
    #[error("{0}")]
    Auth(#[from] AuthError),
    #[error("the server refuses the call with fault 0x{0:08x}")]
    Fault(u32),
    #[error("a signature does not fit: what came was changed on the way, or is not from the server")]
    Signature,
    #[error("an answer is longer than {0} bytes")]
    TooLong(usize),
}
