//! WCF's binary XML ([MC-NBFX], with the strings of [MC-NBFS]): bytes in, a tree out, and back. Pure. Never trusts a length,
//! a count or a depth of what it reads, and knows nothing of SOAP or of the service.

mod dictionary;
mod read;
mod text;
mod tree;
mod write;

#[cfg(test)]
mod tests;

pub(super) use read::decode;
pub(super) use tree::{Element, Name, Str};
pub(super) use write::encode;
