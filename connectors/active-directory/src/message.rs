//! The LDAP messages of a connection for reading (RFC 4511): the requests that it sends, and the server's answers taken
//! apart in place. Every length is checked against the bytes that are there. Does no I/O and keeps no password.

use crate::ber::{self, BOOLEAN, BerError, ENUMERATED, OCTET_STRING, Reader, SEQUENCE, element, enumerated, integer};
use crate::controls::{Control, ResponseControl};
use crate::directory::{DirectoryError, SearchRequest, SearchScope};
use bytes::BytesMut;
use ldap3::asn1::{ASNTag, write};
use zeroize::Zeroizing;

pub(crate) const BIND_RESPONSE: u8 = 0x61;
pub(crate) const SEARCH_ENTRY: u8 = 0x64;
pub(crate) const SEARCH_DONE: u8 = 0x65;
pub(crate) const EXTENDED_RESPONSE: u8 = 0x78;

const BIND: u8 = 0x60;
const SEARCH: u8 = 0x63;
const EXTENDED: u8 = 0x77;
const CONTROLS: u8 = 0xa0;
/// The simple form of a bind, and the name of an extended request: `[0]`, primitive.
const CONTEXT_0: u8 = 0x80;

const START_TLS: &[u8] = b"1.3.6.1.4.1.1466.20037";

/// Longest message that is accepted. One of a group with two million members has some 300 MiB.
pub(crate) const LONGEST_MESSAGE: usize = 1 << 30;

/// A message of the server: whose answer it is, what kind, and what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answer<'a> {
    /// 0: an unsolicited notification.
    pub(crate) id: i64,
    pub(crate) operation: u8,
    pub(crate) content: &'a [u8],
    controls: &'a [u8],
}

/// How an operation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) code: u32,
    pub(crate) text: String,
}

/// How long the message that begins here is; none when the bytes do not show it yet.
pub(crate) fn length_of(bytes: &[u8]) -> Result<Option<usize>, BerError> {
    let error = BerError { at: 0, length: bytes.len() };
    let (tag, first) = match bytes {
        [] => return Ok(None),
        [tag] => (*tag, None),
        [tag, first, ..] => (*tag, Some(*first)),
    };
    if tag != SEQUENCE {
        return Err(error);
    }
    let (head, content) = match first {
        None => return Ok(None),
        Some(short @ 0..=0x7f) => (2, usize::from(short)),
        Some(long) => {
            let count = usize::from(long & 0x7f);
            if count == 0 || count > 4 {
                return Err(error);
            }
            match bytes.get(2..2 + count) {
                None => return Ok(None),
                Some(digits) => (2 + count, digits.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte))),
            }
        }
    };
    if content > LONGEST_MESSAGE {
        return Err(error);
    }
    Ok(Some(head + content))
}

impl<'a> Answer<'a> {
    /// Takes one whole message apart.
    pub(crate) fn read(message: &'a [u8]) -> Result<Answer<'a>, BerError> {
        let mut parts = Reader::new(Reader::new(message).expect(SEQUENCE)?);
        let id = parts.integer()?;
        let (operation, content) = parts.next()?;
        // Active Directory puts the name of a Notice of Disconnection here, where only controls belong.
        let controls = if parts.peek_tag() == Some(CONTROLS) { parts.next()?.1 } else { &[] };
        Ok(Answer { id, operation, content, controls })
    }

    /// The result that an operation ended with (RFC 4511 4.1.9).
    pub(crate) fn outcome(&self) -> Result<Outcome, BerError> {
        let mut parts = Reader::new(self.content);
        let code = parts.number(ENUMERATED)?;
        parts.expect(OCTET_STRING)?;
        let text = String::from_utf8_lossy(parts.expect(OCTET_STRING)?).trim_end_matches('\0').to_owned();
        let code = u32::try_from(code).map_err(|_| BerError { at: 0, length: self.content.len() })?;
        Ok(Outcome { code, text })
    }

    pub(crate) fn controls(&self) -> Result<Vec<ResponseControl>, BerError> {
        let mut list = Reader::new(self.controls);
        let mut controls = Vec::new();
        while !list.is_empty() {
            let mut control = Reader::new(list.expect(SEQUENCE)?);
            let oid = String::from_utf8_lossy(control.expect(OCTET_STRING)?).into_owned();
            if control.peek_tag() == Some(BOOLEAN) {
                control.next()?;
            }
            let value = if control.is_empty() { Vec::new() } else { control.expect(OCTET_STRING)?.to_vec() };
            controls.push(ResponseControl { oid, value });
        }
        Ok(controls)
    }
}

/// A simple bind. The message holds the password, and is wiped when it is dropped.
pub(crate) fn bind(id: i32, name: &str, password: &str) -> Zeroizing<Vec<u8>> {
    let secret = Zeroizing::new(element(CONTEXT_0, password.as_bytes()));
    let content = Zeroizing::new([&integer(3)[..], &element(OCTET_STRING, name.as_bytes()), &secret].concat());
    let operation = Zeroizing::new(element(BIND, &content));
    let message = Zeroizing::new([&integer(i64::from(id))[..], &operation].concat());
    Zeroizing::new(element(SEQUENCE, &message))
}

pub(crate) fn start_tls(id: i32) -> Vec<u8> {
    message(id, &element(EXTENDED, &element(CONTEXT_0, START_TLS)), &[])
}

/// A search of everything that matches, without limits of its own.
pub(crate) fn search(id: i32, request: &SearchRequest) -> Result<Vec<u8>, DirectoryError> {
    let scope = match request.scope {
        SearchScope::Base => 0,
        SearchScope::Subtree => 2,
    };
    let names: Vec<u8> = request.attributes.iter().flat_map(|name| element(OCTET_STRING, name.as_bytes())).collect();
    let (never_dereferenced, no_limit) = (enumerated(0), integer(0));
    let content = [
        &element(OCTET_STRING, request.base.as_bytes())[..],
        &enumerated(scope),
        &never_dereferenced,
        &no_limit,
        &no_limit,
        &element(BOOLEAN, &[0]),
        &filter(&request.filter)?,
        &element(SEQUENCE, &names),
    ]
    .concat();
    Ok(message(id, &element(SEARCH, &content), &request.controls))
}

fn filter(text: &str) -> Result<BytesMut, DirectoryError> {
    let malformed = || DirectoryError::Malformed("a search filter of this connector is malformed".to_owned());
    let tag = ldap3::parse_filter(text).map_err(|_| malformed())?;
    let mut encoded = BytesMut::new();
    write::encode_into(&mut encoded, tag.into_structure()).map_err(|_| malformed())?;
    Ok(encoded)
}

fn message(id: i32, operation: &[u8], controls: &[Control]) -> Vec<u8> {
    let list: Vec<u8> = controls
        .iter()
        .flat_map(|control| {
            let value = control.value.as_deref().map(|value| element(OCTET_STRING, value)).unwrap_or_default();
            let critical = element(BOOLEAN, &[0xff]);
            element(SEQUENCE, &[element(OCTET_STRING, control.oid.as_bytes()), critical, value].concat())
        })
        .collect();
    let controls = if list.is_empty() { Vec::new() } else { element(CONTROLS, &list) };
    ber::element(SEQUENCE, &[&integer(i64::from(id))[..], operation, &controls].concat())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::controls;
    use crate::entry::Entry;

    /// A message of a server.
    pub(crate) fn from_server(id: i32, operation: u8, content: &[u8], controls: &[ResponseControl]) -> Vec<u8> {
        let list: Vec<u8> = controls
            .iter()
            .flat_map(|control| {
                let oid = element(OCTET_STRING, control.oid.as_bytes());
                element(SEQUENCE, &[oid, element(OCTET_STRING, &control.value)].concat())
            })
            .collect();
        let controls = if list.is_empty() { Vec::new() } else { element(CONTROLS, &list) };
        element(SEQUENCE, &[integer(i64::from(id)), element(operation, content), controls].concat())
    }

    pub(crate) fn result(code: i64, text: &str) -> Vec<u8> {
        [enumerated(code), element(OCTET_STRING, b""), element(OCTET_STRING, text.as_bytes())].concat()
    }

    pub(crate) fn entry(dn: &str, attributes: &[(&str, &[&[u8]])]) -> Vec<u8> {
        let list: Vec<u8> = attributes
            .iter()
            .flat_map(|(name, values)| {
                let values: Vec<u8> = values.iter().flat_map(|value| element(OCTET_STRING, value)).collect();
                element(SEQUENCE, &[element(OCTET_STRING, name.as_bytes()), element(ber::SET, &values)].concat())
            })
            .collect();
        [element(OCTET_STRING, dn.as_bytes()), element(SEQUENCE, &list)].concat()
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// As RFC 4511 4.5.1 and 4.1.11 lay a search with a control out, byte by byte.
    #[test]
    fn a_search_is_laid_out_as_the_standard_says() {
        let request = SearchRequest {
            base: "DC=x".to_owned(),
            scope: SearchScope::Subtree,
            filter: "(&(cn=a\\2ab)(!(mail=*)))".to_owned(),
            attributes: vec!["cn".to_owned()],
            controls: vec![controls::show_deleted()],
        };
        let expected = [
            "3054 020107",
            "6330 0404 44433d78 0a0102 0a0100 020100 020100 010100",
            "a013 a309 0402 636e 0403 612a62 a206 8704 6d61696c",
            "3004 0402 636e",
            "a01d 301b 0416 312e322e3834302e3131333535362e312e342e343137 0101ff",
        ]
        .concat()
        .replace(' ', "");
        assert_eq!(hex(&search(7, &request).unwrap()), expected);
        let broken = SearchRequest { filter: "(cn=a".to_owned(), ..request };
        assert!(matches!(search(7, &broken), Err(DirectoryError::Malformed(_))));
    }

    #[test]
    fn a_bind_and_starttls_are_laid_out_as_the_standard_says() {
        let bound = "3016 020101 6011 020103 0408 434f52505c737663 8002 7077".replace(' ', "");
        assert_eq!(hex(&bind(1, "CORP\\svc", "pw")), bound);
        let started = "301d 020101 7718 8016 312e332e362e312e342e312e313436362e3230303337".replace(' ', "");
        assert_eq!(hex(&start_tls(1)), started);
    }

    #[test]
    fn the_length_of_a_message_shows_in_its_first_bytes() {
        let long = from_server(3, SEARCH_ENTRY, &entry("CN=a", &[("cn", &[&[7; 70_000]])]), &[]);
        for cut in 0..5 {
            assert_eq!(length_of(&long[..cut]), Ok(None), "cut at {cut}");
        }
        assert_eq!(length_of(&long), Ok(Some(long.len())));
        assert_eq!(length_of(&long[..6]), Ok(Some(long.len())));
        for broken in [&b"HTTP"[..], &[0x30, 0x80], &[0x30, 0x85, 1, 1, 1, 1, 1], &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]]
        {
            assert!(length_of(broken).is_err(), "{broken:02x?}");
        }
    }

    /// Active Directory's Notice of Disconnection has its name where controls belong (ad-protocols 1.6).
    #[test]
    fn a_notice_of_disconnection_is_read_in_the_servers_own_layout() {
        let name = element(0x8a, b"1.3.6.1.4.1.1466.20036");
        let content = [integer(0), element(EXTENDED_RESPONSE, &result(52, "going down")), name].concat();
        let message = element(SEQUENCE, &content);
        let answer = Answer::read(&message).unwrap();
        assert_eq!((answer.id, answer.outcome().unwrap().text.as_str()), (0, "going down"));
        assert!(answer.controls().unwrap().is_empty());
    }

    /// Everything that may be done with a message, whatever it is.
    fn take_apart(message: &[u8]) -> usize {
        let Ok(answer) = Answer::read(message) else { return 0 };
        let _ = (answer.outcome(), length_of(message));
        let controls = answer.controls().unwrap_or_default();
        for control in &controls {
            let _ = (controls::parse_dirsync(&control.value), controls::parse_paged(&control.value));
        }
        Entry::read(answer.content).map_or(0, |entry| entry.memory())
    }

    /// Answers that were cut, and answers with bytes changed, are read or refused: nothing panics, and nothing takes more memory
    /// than what came has bytes, whatever lengths it announces.
    #[test]
    fn damaged_answers_are_refused_within_the_memory_of_what_came() {
        let dirsync = ResponseControl {
            oid: controls::DIRSYNC.to_owned(),
            value: element(SEQUENCE, &[integer(1), integer(0), element(OCTET_STRING, &[9; 300])].concat()),
        };
        let members: Vec<Vec<u8>> =
            (0..300).map(|number| format!("<GUID={number:032x}>;CN=m{number}").into_bytes()).collect();
        let members: Vec<&[u8]> = members.iter().map(Vec::as_slice).collect();
        let answers = [
            from_server(
                3,
                SEARCH_ENTRY,
                &entry(
                    "<GUID=00112233445566778899aabbccddeeff>;CN=g,DC=x",
                    &[("member;range=0-299", &members), ("mail", &[])],
                ),
                &[],
            ),
            from_server(3, SEARCH_DONE, &result(0, ""), std::slice::from_ref(&dirsync)),
            from_server(1, BIND_RESPONSE, &result(49, "80090308: LdapErr: DSID-0C090439, data 52e, v4563"), &[]),
        ];
        // A small generator of our own: the same damage in every run.
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state % below as u64) as usize
        };
        let (mut read, mut refused) = (0, 0);
        for answer in &answers {
            for cut in 0..answer.len() {
                assert!(Answer::read(&answer[..cut]).is_err(), "cut at {cut}");
            }
            for _ in 0..20_000 {
                let mut damaged = answer.clone();
                for _ in 0..=random(4) {
                    let at = random(damaged.len());
                    damaged[at] = if random(2) == 0 { random(256) as u8 } else { damaged[at] ^ (1 << random(8)) };
                }
                damaged.truncate(damaged.len() - random(3));
                let memory = take_apart(&damaged);
                assert!(memory <= 24 * damaged.len() + 4096, "{memory} bytes for {}", damaged.len());
                if memory > 0 { read += 1 } else { refused += 1 }
            }
        }
        assert!(read > 1_000 && refused > 1_000, "{read} read, {refused} refused");
    }
}
