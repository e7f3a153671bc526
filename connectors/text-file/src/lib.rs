//! Text files as a connected system: LDIF (RFC 2849) and CSV, read as a stream and rewritten whole.
//! Never decides what is synchronised, and never keeps a secret: attributes of kind secret are not offered, and the column of
//! password hashes, where the settings name one, is read for password synchronisation alone.
//!
//! What a file can and cannot tell: the last record must be complete (an empty line after it in LDIF, a line ending in
//! CSV), so a file cut inside a record is reported and obsoletes nothing. A file cut exactly between two records looks
//! like a shorter file; only the engine's guard stage sees that.
//!
//! Rewriting keeps every attribute and column that the schema does not know, and drops comments.

mod connector;
mod contents;
mod delta;
mod export;
mod input;
mod ldif;
mod passwords;
mod record;
mod settings;
mod table;
mod vocabulary;

pub use connector::TextFileConnector;
pub use passwords::PasswordColumns;
pub use settings::{Encoding, Format, ObjectTypes, ReferenceBy, Settings};
