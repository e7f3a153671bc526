//! Attribute ids of replication: a number of the message's own table of OID prefixes in the upper half, the end of the OID in
//! the lower (MS-DRSR 5.16.4). Only the table of the same message says which attribute is meant.

use super::answer::Attribute;
use crate::ndr::{Malformed, Reader, Writer, count_of};

/// 1.2.840.113556.1.2 and 1.2.840.113556.1.4: Microsoft's attributes.
const OLD: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x14, 1, 2];
const NEW: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x14, 1, 4];

/// Of schemaInfo: its mark, a revision of 1, and the GUID of whoever changed the schema, which nobody is. It must be the last
/// entry of a table that we send; Samba refuses the table without one and does not look into it (ad-protocols 2.4).
const SCHEMA_INFO: &[u8] = &[0xff, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// The table that we send, with the numbers every domain controller uses for these two.
const OURS: [(u16, &[u8]); 3] = [(2, OLD), (9, NEW), (0, SCHEMA_INFO)];

const KNOWN: [(&[u8], u16, Attribute); 6] = [
    (NEW, 90, Attribute::UnicodePwd),
    (NEW, 221, Attribute::SamAccountName),
    (NEW, 146, Attribute::ObjectSid),
    (NEW, 96, Attribute::PwdLastSet),
    (NEW, 8, Attribute::UserAccountControl),
    (OLD, 48, Attribute::IsDeleted),
];

/// The ids of all attributes that are asked for, by our own table, in ascending order as a server may search them.
pub(super) fn asked() -> Vec<u32> {
    let mut ids: Vec<u32> = KNOWN
        .iter()
        .filter_map(|(prefix, end, _)| {
            let (number, _) = OURS.iter().find(|(_, ours)| ours == prefix)?;
            Some(u32::from(*number) << 16 | u32::from(*end))
        })
        .collect();
    ids.sort_unstable();
    ids
}

pub(super) fn put_head(writer: &mut Writer) {
    writer.u32(count_of(&OURS));
    writer.pointer();
}

pub(super) fn put(writer: &mut Writer) {
    writer.u32(count_of(&OURS));
    for (number, prefix) in OURS {
        writer.u32(u32::from(number));
        writer.u32(count_of(prefix));
        writer.pointer();
    }
    for (_, prefix) in OURS {
        writer.u32(count_of(prefix));
        writer.raw(prefix);
        writer.align(4);
    }
}

/// The prefixes of a message that we know something of.
pub(super) struct Prefixes(Vec<(u32, &'static [u8])>);

impl Prefixes {
    pub(super) fn none() -> Self {
        Prefixes(Vec::new())
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let what = "table of prefixes";
        let entries = reader.count(12, what)?;
        let mut numbers = Vec::with_capacity(entries);
        for _ in 0..entries {
            let number = reader.u32(what)?;
            reader.u32(what)?;
            if reader.pointer(what)? {
                numbers.push(number);
            }
        }
        let mut known = Vec::new();
        for number in numbers {
            let prefix = reader.counted(what)?;
            if let Some(prefix) = [OLD, NEW].into_iter().find(|known| *known == prefix) {
                known.push((number, prefix));
            }
        }
        Ok(Prefixes(known))
    }

    pub(super) fn attribute(&self, id: u32) -> Option<Attribute> {
        let (_, prefix) = self.0.iter().find(|(number, _)| *number == id >> 16)?;
        let known = KNOWN.iter().find(|(of, end, _)| of == prefix && u32::from(*end) == id & 0xffff)?;
        Some(known.2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_the_message_decides() {
        assert_eq!(asked(), [0x20030, 0x90008, 0x9005a, 0x90060, 0x90092, 0x900dd]);
        let mut writer = Writer::default();
        put(&mut writer);
        let bytes = writer.finish();
        let ours = Prefixes::read(&mut Reader::new(&bytes)).unwrap();
        assert_eq!(ours.attribute(0x9005a), Some(Attribute::UnicodePwd));
        assert_eq!(ours.attribute(0x2005a), None, "1.2.840.113556.1.2.90 is another attribute");
        let other = Prefixes(vec![(0x21, NEW), (9, OLD)]);
        assert_eq!(other.attribute(0x21_005a), Some(Attribute::UnicodePwd));
        assert_eq!(other.attribute(0x9005a), None);
        assert_eq!(other.attribute(0x90030), Some(Attribute::IsDeleted));
    }
}
