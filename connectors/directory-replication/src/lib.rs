//! The replication protocol of Active Directory domain controllers (MS-DRSR), as much of it as reading password hashes takes:
//! bytes in, values out. No socket, clock or randomness; whoever speaks to a server stands in the connector beside it.
//!
//! Everything that comes from a server is checked against the bytes that are there before memory is set aside for it; the
//! fuzz targets in `tests/fuzz` hold that. In the order of a conversation: the data representation, remote calls and their
//! fragments, signing in, finding the port, the calls of replication, opening one secret.

mod ndr;

pub mod auth;
mod crypto;
pub mod ntlm;
pub mod rpc;

pub mod drsuapi;
pub mod endpoint_mapper;

pub use drsuapi::secret;
pub use ndr::Malformed;

// What any bytes of a server may do.
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;

#[cfg(test)]
mod damage;
