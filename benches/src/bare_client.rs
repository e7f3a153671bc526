//! The least that reads a directory over LDAP: one blocking connection, requests written by hand, answers skimmed or taken
//! apart in place. It is the limit that an import is measured against, and what tests ask servers with. Plain text only.

use crate::load_server::ber::{self, ENUMERATED, INTEGER, OCTETS, Reader, SEQUENCE};
use crate::load_server::request::{DIRSYNC, EXTENDED_DN, PAGED, SHOW_DELETED};
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs};

/// Why a request did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum BareError {
    #[error("the connection failed: {0}")]
    Io(#[from] std::io::Error),
    #[error("the server's answer cannot be read")]
    Malformed,
    #[error("the server refused: result {code}: {text}")]
    Refused { code: i64, text: String },
    #[error("`{0}` is no filter")]
    Filter(String),
}

impl From<ber::Malformed> for BareError {
    fn from(_: ber::Malformed) -> Self {
        BareError::Malformed
    }
}

/// A control of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Control {
    Paged {
        size: i64,
        cookie: Vec<u8>,
    },
    /// Flags as in MS-ADTS 3.1.1.3.4.1.3.
    DirSync {
        flags: i64,
        max_bytes: i64,
        cookie: Vec<u8>,
    },
    ExtendedDn,
    ShowDeleted,
}

/// DirSync: linked attributes as added and removed values, parents first.
pub const INCREMENTAL: i64 = -0x8000_0000 + 0x800;

/// One search.
#[derive(Debug, Clone)]
pub struct Query<'a> {
    pub base: &'a str,
    /// 0 base, 1 one level, 2 subtree.
    pub scope: i64,
    pub filter: &'a str,
    pub attributes: &'a [&'a str],
    pub controls: Vec<Control>,
}

/// How a search ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct End {
    pub entries: u64,
    pub bytes: u64,
    /// The first number of the answer's control: of DirSync, whether there is more.
    pub number: i64,
    /// The cookie of the answer's control; empty without one.
    pub cookie: Vec<u8>,
}

/// An entry, taken apart: names in lower case, options included.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    pub dn: String,
    pub attributes: BTreeMap<String, Vec<Vec<u8>>>,
}

pub struct BareClient {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// What of the buffer is received, and what of that is used up.
    filled: usize,
    used: usize,
    id: i64,
}

/// Room for what one read brings.
const ROOM: usize = 1 << 18;

impl BareClient {
    /// Connects and signs in.
    ///
    /// # Errors
    /// When the server is not there or refuses.
    pub fn connect(address: impl ToSocketAddrs, name: &str, password: &str) -> Result<BareClient, BareError> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let mut client = BareClient { stream, buffer: vec![0; ROOM], filled: 0, used: 0, id: 0 };
        let request = client.request(0x60, &[], |out| {
            ber::integer(out, INTEGER, 3);
            ber::octets(out, OCTETS, name.as_bytes());
            ber::octets(out, 0x80, password.as_bytes());
            Ok(())
        })?;
        client.stream.write_all(&request)?;
        let (at, length) = client.receive()?;
        let frame = client.buffer.get(at..at + length).ok_or(BareError::Malformed)?;
        done(frame, End::default()).map(|_| client)
    }

    /// Searches, and gives each entry's message to `take`.
    ///
    /// # Errors
    /// What the server refused, or what went wrong with the connection.
    pub fn search(&mut self, query: &Query<'_>, mut take: impl FnMut(&[u8])) -> Result<End, BareError> {
        let request = self.request(0x63, &query.controls, |out| {
            ber::octets(out, OCTETS, query.base.as_bytes());
            ber::integer(out, ENUMERATED, query.scope);
            ber::integer(out, ENUMERATED, 0);
            ber::integer(out, INTEGER, 0);
            ber::integer(out, INTEGER, 0);
            ber::octets(out, 0x01, &[0]);
            filter(query.filter, out)?;
            let names = ber::begin(out, SEQUENCE);
            query.attributes.iter().for_each(|name| ber::octets(out, OCTETS, name.as_bytes()));
            ber::end(out, names);
            Ok(())
        })?;
        self.stream.write_all(&request)?;
        let mut end = End::default();
        loop {
            let (at, length) = self.receive()?;
            let frame = self.buffer.get(at..at + length).ok_or(BareError::Malformed)?;
            end.bytes += length as u64;
            match operation(frame)? {
                0x64 => {
                    end.entries += 1;
                    take(frame);
                }
                0x73 => {}
                _ => return done(frame, end),
            }
        }
    }

    /// Searches to the end in pages of so many entries.
    ///
    /// # Errors
    /// As [`BareClient::search`].
    pub fn paged(&mut self, query: &Query<'_>, size: i64, mut take: impl FnMut(&[u8])) -> Result<End, BareError> {
        let mut total = End::default();
        loop {
            let mut page = query.clone();
            page.controls.push(Control::Paged { size, cookie: std::mem::take(&mut total.cookie) });
            let end = self.search(&page, &mut take)?;
            total.entries += end.entries;
            total.bytes += end.bytes;
            total.cookie = end.cookie;
            if total.cookie.is_empty() {
                return Ok(total);
            }
        }
    }

    /// Reads changes since a cookie to the end; everything when it is empty. The cookie of the end is the next one.
    ///
    /// # Errors
    /// As [`BareClient::search`].
    pub fn dirsync(
        &mut self,
        query: &Query<'_>,
        flags: i64,
        cookie: &[u8],
        mut take: impl FnMut(&[u8]),
    ) -> Result<End, BareError> {
        let mut total = End { cookie: cookie.to_vec(), ..End::default() };
        loop {
            let mut answer = query.clone();
            let cookie = std::mem::take(&mut total.cookie);
            answer.controls.push(Control::DirSync { flags, max_bytes: 1 << 20, cookie });
            let end = self.search(&answer, &mut take)?;
            total.entries += end.entries;
            total.bytes += end.bytes;
            total.cookie = end.cookie;
            if end.number == 0 {
                return Ok(total);
            }
        }
    }

    /// Entries of a search as values.
    ///
    /// # Errors
    /// As [`BareClient::search`].
    pub fn entries(&mut self, query: &Query<'_>) -> Result<Vec<Entry>, BareError> {
        let mut entries = Vec::new();
        self.paged(query, 500, |frame| entries.extend(Entry::read(frame)))?;
        Ok(entries)
    }

    fn request(
        &mut self,
        tag: u8,
        controls: &[Control],
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), BareError>,
    ) -> Result<Vec<u8>, BareError> {
        self.id += 1;
        let mut out = Vec::new();
        let message = ber::begin(&mut out, SEQUENCE);
        ber::integer(&mut out, INTEGER, self.id);
        let operation = ber::begin(&mut out, tag);
        write(&mut out)?;
        ber::end(&mut out, operation);
        if !controls.is_empty() {
            let list = ber::begin(&mut out, 0xa0);
            controls.iter().for_each(|control| control.write(&mut out));
            ber::end(&mut out, list);
        }
        ber::end(&mut out, message);
        Ok(out)
    }

    /// Waits for a whole message: where it begins, and its length.
    fn receive(&mut self) -> Result<(usize, usize), BareError> {
        loop {
            let rest = self.buffer.get(self.used..self.filled).unwrap_or_default();
            let need = match ber::header(rest) {
                Some((_, head, length)) if head + length <= rest.len() => {
                    let at = self.used;
                    self.used += head + length;
                    return Ok((at, head + length));
                }
                Some((_, head, length)) if length < 1 << 30 => head + length,
                Some(_) => return Err(BareError::Malformed),
                None => 0,
            };
            self.buffer.copy_within(self.used..self.filled, 0);
            self.filled -= self.used;
            self.used = 0;
            let wanted = need.max(self.filled + ROOM / 2);
            if self.buffer.len() < wanted {
                self.buffer.resize(wanted, 0);
            }
            let room = self.buffer.get_mut(self.filled..).unwrap_or_default();
            match self.stream.read(room)? {
                0 => return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into()),
                count => self.filled += count,
            }
        }
    }
}

fn operation(frame: &[u8]) -> Result<u8, BareError> {
    let mut message = Reader::new(Reader::new(frame).expect(SEQUENCE)?);
    message.next()?;
    message.peek().ok_or(BareError::Malformed)
}

/// The last word of an operation.
fn done(frame: &[u8], mut end: End) -> Result<End, BareError> {
    let mut message = Reader::new(Reader::new(frame).expect(SEQUENCE)?);
    message.next()?;
    let mut result = Reader::new(message.next()?.1);
    let code = result.integer(ENUMERATED)?;
    result.next()?;
    let text = String::from_utf8_lossy(result.expect(OCTETS)?).trim_end_matches('\0').to_owned();
    if code != 0 {
        return Err(BareError::Refused { code, text });
    }
    if message.is_empty() {
        return Ok(end);
    }
    let mut controls = Reader::new(message.next()?.1);
    while !controls.is_empty() {
        let mut control = Reader::new(controls.expect(SEQUENCE)?);
        let oid = control.text(OCTETS)?;
        if control.peek() == Some(0x01) {
            control.next()?;
        }
        if control.is_empty() || ![PAGED, DIRSYNC].contains(&oid) {
            continue;
        }
        let mut value = Reader::new(Reader::new(control.expect(OCTETS)?).expect(SEQUENCE)?);
        end.number = value.integer(INTEGER)?;
        if oid == DIRSYNC {
            value.integer(INTEGER)?;
        }
        end.cookie = value.expect(OCTETS)?.to_vec();
    }
    Ok(end)
}

impl Control {
    fn write(&self, out: &mut Vec<u8>) {
        let (oid, value) = match self {
            Control::Paged { size, cookie } => (PAGED, Some((vec![*size], Some(cookie)))),
            Control::DirSync { flags, max_bytes, cookie } => (DIRSYNC, Some((vec![*flags, *max_bytes], Some(cookie)))),
            Control::ExtendedDn => (EXTENDED_DN, Some((vec![1], None))),
            Control::ShowDeleted => (SHOW_DELETED, None),
        };
        let control = ber::begin(out, SEQUENCE);
        ber::octets(out, OCTETS, oid.as_bytes());
        ber::octets(out, 0x01, &[0xff]);
        if let Some((numbers, cookie)) = value {
            let mut content = Vec::new();
            let sequence = ber::begin(&mut content, SEQUENCE);
            numbers.iter().for_each(|number| ber::integer(&mut content, INTEGER, *number));
            if let Some(cookie) = cookie {
                ber::octets(&mut content, OCTETS, cookie);
            }
            ber::end(&mut content, sequence);
            ber::octets(out, OCTETS, &content);
        }
        ber::end(out, control);
    }
}

impl Entry {
    /// Takes an entry's message apart; `None` when it is none.
    pub fn read(frame: &[u8]) -> Option<Entry> {
        let mut entry = Entry::default();
        visit(
            frame,
            |dn| entry.dn = String::from_utf8_lossy(dn).into_owned(),
            |name, values| {
                let name = String::from_utf8_lossy(name).to_ascii_lowercase();
                entry.attributes.insert(name, values.map(<[u8]>::to_vec).collect());
            },
        )
        .ok()?;
        Some(entry)
    }
}

/// Copies every name and value of an entry's message into boxes of their own, as the least that a reader must do; how many
/// values that were.
///
/// # Errors
/// When the message is no entry.
pub fn decode(frame: &[u8]) -> Result<usize, BareError> {
    let mut owned: Vec<Box<[u8]>> = Vec::with_capacity(64);
    let (mut names, mut count) = (Vec::<Box<[u8]>>::with_capacity(40), 0);
    visit(
        frame,
        |_| {},
        |name, values| {
            names.push(name.into());
            owned.extend(values.map(Box::from));
        },
    )?;
    count += owned.len();
    std::hint::black_box((names, owned));
    Ok(count)
}

fn visit<'a>(
    frame: &'a [u8],
    mut dn: impl FnMut(&'a [u8]),
    mut attribute: impl FnMut(&'a [u8], Box<dyn Iterator<Item = &'a [u8]> + 'a>),
) -> Result<(), BareError> {
    let mut message = Reader::new(Reader::new(frame).expect(SEQUENCE)?);
    message.next()?;
    let mut entry = Reader::new(message.expect(0x64)?);
    dn(entry.expect(OCTETS)?);
    let mut list = Reader::new(entry.expect(SEQUENCE)?);
    while !list.is_empty() {
        let mut one = Reader::new(list.expect(SEQUENCE)?);
        let name = one.expect(OCTETS)?;
        let mut values = Reader::new(one.expect(ber::SET)?);
        attribute(name, Box::new(std::iter::from_fn(move || values.expect(OCTETS).ok())));
    }
    Ok(())
}

/// Writes a filter: `(&...)`, `(|...)`, `(!...)`, `=`, `>=`, `<=`, `:rule:=`, `*` and `\xx` in values.
fn filter(text: &str, out: &mut Vec<u8>) -> Result<(), BareError> {
    let rest = filter_at(text, out).ok_or_else(|| BareError::Filter(text.to_owned()))?;
    if rest.is_empty() { Ok(()) } else { Err(BareError::Filter(text.to_owned())) }
}

fn filter_at<'a>(text: &'a str, out: &mut Vec<u8>) -> Option<&'a str> {
    let inner = text.strip_prefix('(')?;
    let combined = match inner.chars().next()? {
        '&' => Some(0xa0),
        '|' => Some(0xa1),
        '!' => Some(0xa2),
        _ => None,
    };
    if let Some(tag) = combined {
        let begun = ber::begin(out, tag);
        let mut rest = inner.get(1..)?;
        while rest.starts_with('(') {
            rest = filter_at(rest, out)?;
        }
        ber::end(out, begun);
        return rest.strip_prefix(')');
    }
    let (item, rest) = inner.split_once(')')?;
    let (name, value) = item.split_once('=')?;
    if value == "*" {
        ber::octets(out, 0x87, name.as_bytes());
        return Some(rest);
    }
    if let Some((attribute, rule)) = name.strip_suffix(':').and_then(|name| name.split_once(':')) {
        let begun = ber::begin(out, 0xa9);
        ber::octets(out, 0x81, rule.as_bytes());
        ber::octets(out, 0x82, attribute.as_bytes());
        ber::octets(out, 0x83, &unescaped(value)?);
        ber::end(out, begun);
        return Some(rest);
    }
    if value.contains('*') {
        return parts_of(name, value, out).map(|()| rest);
    }
    let (tag, name) = match name.as_bytes().last()? {
        b'>' => (0xa5, name.get(..name.len() - 1)?),
        b'<' => (0xa6, name.get(..name.len() - 1)?),
        _ => (0xa3, name),
    };
    let begun = ber::begin(out, tag);
    ber::octets(out, OCTETS, name.as_bytes());
    ber::octets(out, OCTETS, &unescaped(value)?);
    ber::end(out, begun);
    Some(rest)
}

/// `begin*middle*end`.
fn parts_of(name: &str, value: &str, out: &mut Vec<u8>) -> Option<()> {
    let begun = ber::begin(out, 0xa4);
    ber::octets(out, OCTETS, name.as_bytes());
    let list = ber::begin(out, SEQUENCE);
    let parts: Vec<&str> = value.split('*').collect();
    for (place, part) in parts.iter().enumerate().filter(|(_, part)| !part.is_empty()) {
        let tag = if place == 0 {
            0x80
        } else if place + 1 == parts.len() {
            0x82
        } else {
            0x81
        };
        ber::octets(out, tag, &unescaped(part)?);
    }
    ber::end(out, list);
    ber::end(out, begun);
    Some(())
}

fn unescaped(value: &str) -> Option<Vec<u8>> {
    let mut parts = value.split('\\');
    let mut out = parts.next()?.as_bytes().to_vec();
    for part in parts {
        out.push(u8::from_str_radix(part.get(..2)?, 16).ok()?);
        out.extend_from_slice(part.get(2..)?.as_bytes());
    }
    Some(out)
}
