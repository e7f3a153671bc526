//! Records the answers of a domain controller of the lab into `golden/`, for the tests and the fuzz targets. What is drawn is
//! fixed, so that the sealed conversation can be repeated byte for byte.
//!
//! `record ADDRESS ACCOUNT PASSWORD NAMING-CONTEXT GUID-OF-A-USER [FROM-USN]`; writes into the folder it is run in.

use directory_replication::auth::Auth;
use directory_replication::drsuapi::{self, ChangesRequest, DRSUAPI, Of, UsnVector, operation};
use directory_replication::endpoint_mapper::{self, ENDPOINT_MAPPER};
use directory_replication::ntlm::{Credential, Drawn, NtlmLogon};
use directory_replication::rpc::{Association, HEADER_LENGTH, Interface, length_of};
use metaverse_schema::Guid;
use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpStream;
use zeroize::Zeroizing;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// A connection that keeps what it says and hears.
struct Recorder {
    stream: TcpStream,
    association: Association,
    sent: Vec<u8>,
    received: Vec<u8>,
}

impl Recorder {
    fn open(address: &str, port: u16, interface: &Interface, auth: Option<Box<dyn Auth>>) -> Outcome<Self> {
        let (association, bind) = Association::bind(interface, auth)?;
        let stream = TcpStream::connect((address, port))?;
        let mut recorder = Recorder { stream, association, sent: Vec::new(), received: Vec::new() };
        recorder.send(&bind)?;
        let answer = recorder.pdu()?;
        if let Some(last) = recorder.association.bound(&answer)? {
            recorder.send(&last)?;
        }
        Ok(recorder)
    }

    fn send(&mut self, bytes: &[u8]) -> Outcome<()> {
        self.sent.extend(bytes);
        Ok(self.stream.write_all(bytes)?)
    }

    fn pdu(&mut self) -> Outcome<Vec<u8>> {
        let mut header = [0; HEADER_LENGTH];
        self.stream.read_exact(&mut header)?;
        let mut pdu = header.to_vec();
        pdu.resize(length_of(&header)?, 0);
        self.stream.read_exact(&mut pdu[HEADER_LENGTH..])?;
        self.received.extend(&pdu);
        Ok(pdu)
    }

    fn call(&mut self, operation: u16, stub: &[u8]) -> Outcome<Vec<u8>> {
        let request = self.association.request(operation, stub);
        self.send(&request)?;
        loop {
            let pdu = self.pdu()?;
            if let Some(answer) = self.association.receive(pdu)? {
                return Ok(answer);
            }
        }
    }
}

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, account, password, context, user, rest @ ..] = &arguments[..] else {
        return Err("record ADDRESS ACCOUNT PASSWORD NAMING-CONTEXT GUID-OF-A-USER [FROM-USN]".into());
    };
    let mut mapper = Recorder::open(address, endpoint_mapper::PORT, &ENDPOINT_MAPPER, None)?;
    let answer = mapper.call(endpoint_mapper::MAP, &endpoint_mapper::request(&DRSUAPI))?;
    std::fs::write("endpoint-mapper-answer", &answer)?;
    let port = endpoint_mapper::port(&answer)?.ok_or("no port")?;

    let (domain, user_name) = account.split_once('\\').ok_or("DOMAIN\\user")?;
    let credential = Credential {
        domain: domain.to_owned(),
        user: user_name.to_owned(),
        password: Zeroizing::new(password.clone()),
    };
    let drawn = Drawn { client_challenge: *b"recorded", session_key: Zeroizing::new(*b"recorded session") };
    let logon = NtlmLogon::new(credential, "metasync", "ldap/dc1", drawn);
    let mut service = Recorder::open(address, port, &DRSUAPI, Some(Box::new(logon)))?;
    let answer = service.call(operation::BIND, &drsuapi::bind_request(0))?;
    std::fs::write("bind-answer", &answer)?;
    let handle = drsuapi::bound(&answer)?.handle;

    let guid: Guid = user.parse()?;
    let from_usn: Option<u64> = rest.first().map(|usn| usn.parse()).transpose()?;
    let whole = |from: UsnVector, most_objects| {
        let of = Of::NamingContext { dn: context, invocation: Guid::from_directory_bytes([0; 16]), from, seen: &[] };
        ChangesRequest { handle: &handle, of, most_objects }.encode()
    };
    let one = ChangesRequest { handle: &handle, of: Of::Object(guid), most_objects: 1 }.encode();
    let answer = service.call(operation::GET_CHANGES, &one)?;
    std::fs::write("one-object", &answer)?;
    service.call(operation::UNBIND, &drsuapi::unbind_request(&handle))?;
    std::fs::write("conversation-sent", &service.sent)?;
    std::fs::write("conversation-received", &service.received)?;

    // The rest is not part of the recorded conversation.
    let credential = Credential {
        domain: domain.to_owned(),
        user: user_name.to_owned(),
        password: Zeroizing::new(password.clone()),
    };
    let drawn = Drawn { client_challenge: *b"recorded", session_key: Zeroizing::new(*b"recorded session") };
    let logon = NtlmLogon::new(credential, "metasync", "ldap/dc1", drawn);
    let mut service = Recorder::open(address, port, &DRSUAPI, Some(Box::new(logon)))?;
    let answer = service.call(operation::BIND, &drsuapi::bind_request(0))?;
    let handle = drsuapi::bound(&answer)?.handle;
    let first_page = whole(UsnVector::default(), 12);
    let first_page = [&handle[..], &first_page[20..]].concat();
    std::fs::write("first-page", service.call(operation::GET_CHANGES, &first_page)?)?;
    if let Some(usn) = from_usn {
        let changed = drsuapi::changes(&std::fs::read("first-page")?)?;
        let from = UsnVector { object: usn, reserved: 0, property: usn };
        let of = Of::NamingContext { dn: context, invocation: changed.invocation, from, seen: &[] };
        let delta = ChangesRequest { handle: &handle, of, most_objects: 1000 }.encode();
        std::fs::write("delta", service.call(operation::GET_CHANGES, &delta)?)?;
    }
    Ok(())
}
