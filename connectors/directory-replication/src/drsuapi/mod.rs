//! The calls of directory replication (MS-DRSR): bind, changes, unbind. Requests of version 8 and answers of version 6, never
//! compressed, because nothing else is offered.

mod answer;
mod bind;
mod names;
mod prefixes;
mod request;
pub mod secret;

pub use answer::{Attribute, ChangedAttribute, ChangedObject, Changes, Stamp, changes};
pub use bind::{Bound, bind_request, bound, unbind_request};
pub use request::{ChangesRequest, Of, UsnVector};

use crate::ndr::Malformed;
use crate::rpc::Interface;
use metaverse_schema::Guid;

pub const DRSUAPI: Interface = Interface {
    id: [0x35, 0x42, 0x51, 0xe3, 0x06, 0x4b, 0xd1, 0x11, 0xab, 0x04, 0x00, 0xc0, 0x4f, 0xc2, 0xdc, 0xd2],
    version: 4,
};

/// Numbers of the operations.
pub mod operation {
    pub const BIND: u16 = 0;
    pub const UNBIND: u16 = 1;
    pub const GET_CHANGES: u16 = 3;
}

/// What the server says to a call, where it is not what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DrsError {
    #[error("{0}")]
    Malformed(#[from] Malformed),
    /// A Windows error code.
    #[error("the server refuses: error {0} (0x{0:x})")]
    Refused(u32),
    #[error("the server answers in version {0} of the protocol, which was not offered")]
    Version(u32),
}

/// Windows error codes that a caller knows the meaning of.
pub mod refusal {
    /// ERROR_INVALID_PARAMETER
    pub const INVALID_PARAMETER: u32 = 0x57;
    /// ERROR_DS_OBJ_NOT_FOUND
    pub const OBJECT_NOT_FOUND: u32 = 0x208d;
    /// ERROR_DS_DRA_BUSY
    pub const BUSY: u32 = 0x20ee;
    /// ERROR_DS_DRA_BAD_DN
    pub const BAD_DN: u32 = 0x20f7;
    /// ERROR_DS_DRA_BAD_NC
    pub const BAD_NAMING_CONTEXT: u32 = 0x20f8;
    /// ERROR_DS_DRA_ACCESS_DENIED
    pub const ACCESS_DENIED: u32 = 0x2105;
    /// ERROR_DS_DRA_SOURCE_DISABLED
    pub const SOURCE_DISABLED: u32 = 0x2108;
}

/// How far a replica knows the changes that were made on one domain controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    pub invocation: Guid,
    pub usn: u64,
}
