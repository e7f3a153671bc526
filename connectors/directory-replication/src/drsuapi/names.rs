//! DSNAME: how replication names an object (MS-DRSR 5.50), with its GUID and, of accounts, its SID.

use crate::ndr::{Malformed, Reader, Writer};
use metaverse_schema::{Guid, Sid};

/// Length, GUID and room for a SID, before the DN.
const FIXED: u32 = 56;
const SID_ROOM: usize = 28;

pub(super) struct Name {
    pub(super) dn: String,
    pub(super) guid: Guid,
    pub(super) sid: Option<Sid>,
}

/// A name by DN, by GUID, or both.
pub(super) fn put(writer: &mut Writer, dn: &str, guid: Guid) {
    let units: Vec<u16> = dn.encode_utf16().collect();
    let length = u32::try_from(units.len()).unwrap_or(u32::MAX);
    writer.u32(length.saturating_add(1));
    writer.u32(length.saturating_add(1).saturating_mul(2).saturating_add(FIXED));
    writer.u32(0);
    writer.raw(guid.as_directory_bytes());
    writer.raw(&[0; SID_ROOM]);
    writer.u32(length);
    for unit in units {
        writer.raw(&unit.to_le_bytes());
    }
    writer.raw(&[0; 2]);
    writer.align(4);
}

pub(super) fn read(reader: &mut Reader<'_>) -> Result<Name, Malformed> {
    let what = "name of an object";
    let room = reader.count(2, what)?;
    reader.u32(what)?;
    let sid_length = reader.u32(what)? as usize;
    let guid = reader.guid(what)?;
    let sid = reader.take(SID_ROOM, what)?;
    let length = reader.u32(what)? as usize;
    let text = reader.take(room.saturating_mul(2), what)?;
    if length >= room.max(1) || sid_length > SID_ROOM {
        return Err(reader.malformed(what));
    }
    reader.skip_padding(4);
    let units = text.chunks_exact(2).take(length).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    let dn = char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
    let sid = sid.get(..sid_length).filter(|sid| !sid.is_empty()).and_then(|sid| Sid::from_slice(sid).ok());
    Ok(Name { dn, guid, sid })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_comes_back_as_it_was() {
        let guid = Guid::from_directory_bytes([7; 16]);
        for dn in ["", "CN=Zoë 🚀,DC=corp"] {
            let mut writer = Writer::default();
            put(&mut writer, dn, guid);
            let bytes = writer.finish();
            let name = read(&mut Reader::new(&bytes)).unwrap();
            assert_eq!((name.dn.as_str(), name.guid, name.sid), (dn, guid, None));
        }
    }

    #[test]
    fn a_name_longer_than_its_room_is_malformed() {
        let mut writer = Writer::default();
        put(&mut writer, "DC=x", Guid::from_directory_bytes([7; 16]));
        let whole = writer.finish();
        for (at, value) in [(8, 29u32), (56, 5), (56, u32::MAX), (0, u32::MAX)] {
            let mut bytes = whole.clone();
            bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
            assert!(read(&mut Reader::new(&bytes)).is_err(), "{value} at {at}");
        }
    }
}
