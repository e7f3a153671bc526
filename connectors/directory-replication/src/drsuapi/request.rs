//! Asking for changes: of a naming context since a place, or all of one object (MS-DRSR 4.1.10.2.8, version 8).

use super::{Cursor, names, prefixes};
use crate::ndr::{Writer, count_of};
use metaverse_schema::Guid;

const VERSION: u32 = 8;
/// The caller holds a writable copy and asks at its first opportunity: what replicating partners say, and what was tried.
const FLAGS: u32 = 0x30;
/// EXOP_REPL_OBJ: one object, whatever its USN.
const ONE_OBJECT: u32 = 6;
/// A server cuts its answers near these; Samba takes about 1,000 objects whatever is asked for.
const MOST_BYTES: u32 = 16 << 20;

/// How far the changes of one domain controller's database were read (USN_VECTOR, MS-DRSR 5.209).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UsnVector {
    pub object: u64,
    pub reserved: u64,
    pub property: u64,
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub enum Of<'a> {
    /// Changes of a naming context, by its DN. With no place and no cursors: everything.
    NamingContext { dn: &'a str, invocation: Guid, from: UsnVector, seen: &'a [Cursor] },
    /// One object by its GUID, as it is.
    Object(Guid),
}

#[derive(Debug, Clone, Copy)]
pub struct ChangesRequest<'a> {
    pub handle: &'a [u8; 20],
    pub of: Of<'a>,
    /// Objects in one answer, about.
    pub most_objects: u32,
}

impl ChangesRequest<'_> {
    pub fn encode(&self) -> Vec<u8> {
        let nobody = Guid::from_directory_bytes([0; 16]);
        let (dn, guid, invocation, from, seen, extended) = match self.of {
            Of::NamingContext { dn, invocation, from, seen } => (dn, nobody, invocation, from, seen, 0),
            Of::Object(guid) => ("", guid, nobody, UsnVector::default(), &[][..], ONE_OBJECT),
        };
        let attributes = prefixes::asked();
        let mut writer = Writer::default();
        writer.raw(self.handle);
        writer.u32(VERSION);
        writer.u32(VERSION);
        writer.align(8);
        writer.raw(nobody.as_directory_bytes());
        writer.raw(invocation.as_directory_bytes());
        writer.pointer();
        for usn in [from.object, from.reserved, from.property] {
            writer.u64(usn);
        }
        if seen.is_empty() {
            writer.null()
        } else {
            writer.pointer()
        }
        for word in [FLAGS, self.most_objects, MOST_BYTES, extended] {
            writer.u32(word);
        }
        writer.u64(0);
        writer.pointer();
        writer.null();
        prefixes::put_head(&mut writer);
        // What the pointers point to, in their order.
        names::put(&mut writer, dn, guid);
        if !seen.is_empty() {
            writer.u32(count_of(seen));
            writer.align(8);
            for word in [1, 0, count_of(seen), 0] {
                writer.u32(word);
            }
            for cursor in seen {
                writer.raw(cursor.invocation.as_directory_bytes());
                writer.u64(cursor.usn);
            }
        }
        for word in [count_of(&attributes), 1, 0, count_of(&attributes)] {
            writer.u32(word);
        }
        for attribute in attributes {
            writer.u32(attribute);
        }
        prefixes::put(&mut writer);
        writer.finish()
    }
}
