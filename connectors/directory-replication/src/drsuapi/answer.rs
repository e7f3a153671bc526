//! The changes that came (MS-DRSR 4.1.10.2.11, version 6): which objects, which of the attributes that were asked for, and when
//! each was last changed. Values stay as they came; secrets among them stay encrypted.

use super::prefixes::Prefixes;
use super::request::UsnVector;
use super::{Cursor, DrsError, names};
use crate::ndr::{Malformed, Reader};
use metaverse_schema::{Guid, Sid};

const VERSION: u32 = 6;
/// An answer shorter than this has no content: a refusal.
const SHORTEST: usize = 60;
/// Seconds between 1601, from which replication counts, and 1970.
const SECONDS_1601_TO_1970: i64 = 11_644_473_600;

/// The attributes that are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attribute {
    UnicodePwd,
    SamAccountName,
    ObjectSid,
    PwdLastSet,
    UserAccountControl,
    IsDeleted,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// The database of the server that answered.
    pub invocation: Guid,
    /// Where the next request of this reading continues.
    pub to: UsnVector,
    /// How far the server knows every domain controller. It holds for us only once nothing more is to come.
    pub cursors: Vec<Cursor>,
    pub objects: Vec<ChangedObject>,
    /// More is to come.
    pub more: bool,
    /// What became of a request for one object: 1 is success.
    pub extended: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedObject {
    pub dn: String,
    pub guid: Guid,
    pub sid: Option<Sid>,
    /// Those that changed, of those that were asked for.
    pub attributes: Vec<ChangedAttribute>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedAttribute {
    pub attribute: Attribute,
    /// None: the attribute was cleared.
    pub values: Vec<Vec<u8>>,
    pub stamp: Option<Stamp>,
}

/// The last change of an attribute, wherever it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Counts up with each change.
    pub version: u32,
    /// Seconds since 1970, UTC.
    pub changed: i64,
}

impl ChangedObject {
    pub fn attribute(&self, attribute: Attribute) -> Option<&ChangedAttribute> {
        self.attributes.iter().find(|changed| changed.attribute == attribute)
    }
}

/// The fixed part of an object in the list, and which of its parts follow later.
struct Fixed {
    name: bool,
    attributes: bool,
    parent: bool,
    stamps: bool,
}

/// Reads an answer to [`super::ChangesRequest`].
pub fn changes(answer: &[u8]) -> Result<Changes, DrsError> {
    // The return code stands at the end, whatever else there is.
    let code = answer.last_chunk().map_or(0, |word| u32::from_le_bytes(*word));
    if code != 0 {
        return Err(DrsError::Refused(code));
    }
    if answer.len() < SHORTEST {
        return Err(Malformed { what: "answer without content", at: 0 }.into());
    }
    let what = "head of the changes";
    let mut reader = Reader::new(answer);
    let version = reader.u32(what)?;
    if version != VERSION || reader.u32(what)? != VERSION {
        return Err(DrsError::Version(version));
    }
    reader.align(8, what)?;
    reader.guid(what)?;
    let invocation = reader.guid(what)?;
    let context = reader.pointer(what)?;
    for _ in 0..3 {
        reader.u64(what)?;
    }
    let to = UsnVector { object: reader.u64(what)?, reserved: reader.u64(what)?, property: reader.u64(what)? };
    let vector = reader.pointer(what)?;
    reader.u32(what)?;
    let prefixes = reader.pointer(what)?;
    let extended = reader.u32(what)?;
    let announced = reader.u32(what)? as usize;
    reader.u32(what)?;
    let first = reader.pointer(what)?;
    let more = reader.pointer(what)?;
    // Sizes of the naming context, and the linked values, which stand behind the objects and hold no hash.
    for _ in 0..4 {
        reader.u32(what)?;
    }
    match reader.u32(what)? {
        0 => {}
        code => return Err(DrsError::Refused(code)),
    }
    if context {
        names::read(&mut reader)?;
    }
    let cursors = if vector { cursors(&mut reader)? } else { Vec::new() };
    let prefixes = if prefixes { Prefixes::read(&mut reader)? } else { Prefixes::none() };
    let objects = if first { objects(&mut reader, announced, &prefixes)? } else { Vec::new() };
    Ok(Changes { invocation, to, cursors, objects, more, extended })
}

/// UPTODATE_VECTOR_V2_EXT (MS-DRSR 5.167).
fn cursors(reader: &mut Reader<'_>) -> Result<Vec<Cursor>, Malformed> {
    let what = "up-to-dateness vector";
    reader.u32(what)?;
    reader.align(8, what)?;
    reader.u32(what)?;
    reader.u32(what)?;
    let count = reader.count(32, what)?;
    reader.u32(what)?;
    let mut cursors = Vec::with_capacity(count);
    for _ in 0..count {
        cursors.push(Cursor { invocation: reader.guid(what)?, usn: reader.u64(what)? });
        // When it was last heard of.
        reader.u64(what)?;
    }
    Ok(cursors)
}

/// The list (REPLENTINFLIST): the pointer to the next object is the first of each, so that all fixed parts come first, and
/// then what they point to, from the last object to the first.
fn objects(reader: &mut Reader<'_>, announced: usize, prefixes: &Prefixes) -> Result<Vec<ChangedObject>, Malformed> {
    let what = "list of objects";
    let mut fixed = Vec::new();
    let mut next = true;
    while next {
        if fixed.len() == announced {
            return Err(reader.malformed(what));
        }
        next = reader.pointer(what)?;
        let name = reader.pointer(what)?;
        reader.u32(what)?;
        reader.u32(what)?;
        let attributes = reader.pointer(what)?;
        reader.u32(what)?;
        fixed.push(Fixed { name, attributes, parent: reader.pointer(what)?, stamps: reader.pointer(what)? });
    }
    let mut objects = Vec::with_capacity(fixed.len());
    for part in fixed.iter().rev() {
        objects.push(object(reader, part, prefixes)?);
    }
    objects.reverse();
    Ok(objects)
}

fn object(reader: &mut Reader<'_>, fixed: &Fixed, prefixes: &Prefixes) -> Result<ChangedObject, Malformed> {
    if !fixed.name {
        return Err(reader.malformed("object without a name"));
    }
    let name = names::read(reader)?;
    let values = if fixed.attributes { attributes(reader)? } else { Vec::new() };
    if fixed.parent {
        reader.guid("parent of an object")?;
    }
    let stamps = if fixed.stamps { stamps(reader)? } else { Vec::new() };
    let attributes = values
        .into_iter()
        .enumerate()
        .filter_map(|(index, (id, values))| {
            let values = values.into_iter().map(<[u8]>::to_vec).collect();
            let stamp = stamps.get(index).copied();
            Some(ChangedAttribute { attribute: prefixes.attribute(id)?, values, stamp })
        })
        .collect();
    Ok(ChangedObject { dn: name.dn, guid: name.guid, sid: name.sid, attributes })
}

/// Ids and values of an object's attributes, in the order of their stamps.
type Values<'a> = Vec<(u32, Vec<&'a [u8]>)>;

fn attributes<'a>(reader: &mut Reader<'a>) -> Result<Values<'a>, Malformed> {
    let what = "attributes of an object";
    let count = reader.count(12, what)?;
    let mut heads = Vec::with_capacity(count);
    for _ in 0..count {
        let id = reader.u32(what)?;
        reader.u32(what)?;
        heads.push((id, reader.pointer(what)?));
    }
    let mut attributes = Vec::with_capacity(count);
    for (id, there) in heads {
        attributes.push((id, if there { values(reader)? } else { Vec::new() }));
    }
    Ok(attributes)
}

fn values<'a>(reader: &mut Reader<'a>) -> Result<Vec<&'a [u8]>, Malformed> {
    let what = "values of an attribute";
    let count = reader.count(8, what)?;
    let mut there = 0;
    for _ in 0..count {
        reader.u32(what)?;
        there += usize::from(reader.pointer(what)?);
    }
    let mut values = Vec::with_capacity(there);
    for _ in 0..there {
        values.push(reader.counted(what)?);
    }
    Ok(values)
}

/// PROPERTY_META_DATA_EXT_VECTOR (MS-DRSR 5.161).
fn stamps(reader: &mut Reader<'_>) -> Result<Vec<Stamp>, Malformed> {
    let what = "stamps of an object";
    reader.u32(what)?;
    reader.align(8, what)?;
    let count = reader.count(40, what)?;
    let mut stamps = Vec::with_capacity(count);
    for _ in 0..count {
        reader.align(8, what)?;
        let version = reader.u32(what)?;
        let seconds = reader.u64(what)?;
        reader.guid(what)?;
        reader.u64(what)?;
        let changed = i64::try_from(seconds).unwrap_or(i64::MAX).saturating_sub(SECONDS_1601_TO_1970);
        stamps.push(Stamp { version, changed });
    }
    Ok(stamps)
}

#[cfg(test)]
mod tests;
