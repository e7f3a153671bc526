//! The LDAP controls of Active Directory that this connector sends, and the two whose answers it reads.
//! Numbers and layouts are from MS-ADTS 3.1.1.3.4.1 and RFC 2696.

use crate::ber::{self, BerError, OCTET_STRING, Reader, SEQUENCE};

pub(crate) const DIRSYNC: &str = "1.2.840.113556.1.4.841";
pub(crate) const PAGED_RESULTS: &str = "1.2.840.113556.1.4.319";
const EXTENDED_DN: &str = "1.2.840.113556.1.4.529";
const SHOW_DELETED: &str = "1.2.840.113556.1.4.417";
const PERMISSIVE_MODIFY: &str = "1.2.840.113556.1.4.1413";

/// DirSync: only what the account may read; needs no replication right (LDAP_DIRSYNC_OBJECT_SECURITY).
const FLAG_OBJECT_SECURITY: i64 = 0x1;
/// DirSync: parents before children (LDAP_DIRSYNC_ANCESTORS_FIRST_ORDER). Samba accepts it and does not sort.
const FLAG_ANCESTORS_FIRST: i64 = 0x800;
/// DirSync: linked attributes as added and removed values (LDAP_DIRSYNC_INCREMENTAL_VALUES, 0x80000000 as a signed word).
const FLAG_INCREMENTAL_VALUES: i64 = -0x8000_0000;
/// Most bytes of one DirSync answer, as asked for; servers round it.
const DIRSYNC_MAX_BYTES: i64 = 1 << 20;

/// A request control. All of them are critical: an answer of a server that ignored one would mean something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Control {
    pub(crate) oid: &'static str,
    pub(crate) value: Option<Vec<u8>>,
}

/// A control of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ResponseControl {
    pub(crate) oid: String,
    pub(crate) value: Vec<u8>,
}

/// What a DirSync answer ends with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DirSyncEnd {
    pub(crate) more: bool,
    pub(crate) cookie: Vec<u8>,
}

/// Changes since `cookie`; everything when it is empty.
pub(crate) fn dirsync(object_security: bool, cookie: &[u8]) -> Control {
    let security = if object_security { FLAG_OBJECT_SECURITY } else { 0 };
    let flags = FLAG_INCREMENTAL_VALUES | FLAG_ANCESTORS_FIRST | security;
    let content = [ber::integer(flags), ber::integer(DIRSYNC_MAX_BYTES), ber::element(OCTET_STRING, cookie)].concat();
    Control { oid: DIRSYNC, value: Some(ber::element(SEQUENCE, &content)) }
}

pub(crate) fn parse_dirsync(value: &[u8]) -> Result<DirSyncEnd, BerError> {
    let mut sequence = Reader::new(Reader::new(value).expect(SEQUENCE)?);
    let more = sequence.integer()? != 0;
    sequence.integer()?;
    let cookie = sequence.expect(OCTET_STRING)?.to_vec();
    Ok(DirSyncEnd { more, cookie })
}

pub(crate) fn paged(size: u32, cookie: &[u8]) -> Control {
    let content = [ber::integer(i64::from(size)), ber::element(OCTET_STRING, cookie)].concat();
    Control { oid: PAGED_RESULTS, value: Some(ber::element(SEQUENCE, &content)) }
}

/// The cookie for the next page; empty after the last one.
pub(crate) fn parse_paged(value: &[u8]) -> Result<Vec<u8>, BerError> {
    let mut sequence = Reader::new(Reader::new(value).expect(SEQUENCE)?);
    sequence.integer()?;
    Ok(sequence.expect(OCTET_STRING)?.to_vec())
}

/// DNs as `<GUID=text>;<SID=text>;DN`: an object's identity with each name, so that references need no look-up.
pub(crate) fn extended_dn() -> Control {
    Control { oid: EXTENDED_DN, value: Some(ber::element(SEQUENCE, &ber::integer(1))) }
}

pub(crate) fn show_deleted() -> Control {
    Control { oid: SHOW_DELETED, value: None }
}

/// Adding a value that is there, or removing one that is not, is no error.
pub(crate) fn permissive_modify() -> Control {
    Control { oid: PERMISSIVE_MODIFY, value: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn dirsync_request_and_answer() {
        let value = dirsync(false, b"").value.unwrap();
        assert_eq!(hex(&value), "300d020480000800020310000004 00".replace(' ', ""));
        let value = dirsync(true, b"abc").value.unwrap();
        assert_eq!(hex(&value), "3010020480000801020310000004 03616263".replace(' ', ""));
        let end = parse_dirsync(&value).unwrap();
        assert_eq!(end, DirSyncEnd { more: true, cookie: b"abc".to_vec() });
        let last =
            ber::element(SEQUENCE, &[ber::integer(0), ber::integer(0), ber::element(OCTET_STRING, &[9; 300])].concat());
        assert_eq!(parse_dirsync(&last).unwrap(), DirSyncEnd { more: false, cookie: vec![9; 300] });
        assert!(parse_dirsync(&last[..20]).is_err());
        assert!(parse_dirsync(b"").is_err());
    }

    #[test]
    fn paged_request_and_answer() {
        assert_eq!(hex(&paged(1000, b"").value.unwrap()), "3006020203e80400");
        assert_eq!(parse_paged(&[0x30, 7, 2, 1, 0, 4, 2, 8, 9]).unwrap(), Vec::from([8, 9]));
        assert!(parse_paged(&[0x30, 3, 2, 1, 0]).is_err());
    }

    #[test]
    fn extended_dn_asks_for_the_text_form() {
        assert_eq!(hex(&extended_dn().value.unwrap()), "3003020101");
    }
}
