//! One entry as the wire brought it: its DN with the identity in front, and its attributes as bytes, of which names and values are
//! pieces. Decides nothing about kinds: whether bytes are text is the schema's business (decode.rs), never that of their content.

use crate::ber::{BerError, OCTET_STRING, Reader, SEQUENCE, SET, element};
use ldap3::ResultEntry;
use ldap3::asn1::{PL, StructureTag};
use metaverse_schema::Guid;
use std::ops::Range;

/// An entry, or an answer that cannot be one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The plain DN.
    pub(crate) dn: String,
    /// From the extended form of the DN.
    pub(crate) guid: Option<Guid>,
    /// The list of attributes as it came, and what was added to it. Names and values are pieces of it.
    bytes: Vec<u8>,
    attributes: Vec<Described>,
    values: Vec<Piece>,
}

/// Part of an entry's bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Piece {
    at: u32,
    length: u32,
}

/// The first and the last value of a slice of an attribute, counted from 0; without a last one it goes to the end.
type ValueRange = (u32, Option<u32>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Described {
    name: Piece,
    range: Option<ValueRange>,
    /// Its part of the entry's values.
    values: Range<u32>,
    /// The whole of it as it came; empty when it was put together here.
    whole: Piece,
}

/// One attribute of an entry.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RawAttribute<'a> {
    /// Text, of which few ask: see `name`.
    name: &'a [u8],
    /// `range=from-to`, the end absent for `*`. In a DirSync answer 1-1 means values added, 0-0 values removed
    /// (MS-ADTS 3.1.1.3.4.1.3); in any other answer it is a slice of the values.
    pub(crate) range: Option<ValueRange>,
    /// No value at all means "cleared" in a DirSync answer.
    pub(crate) values: RawValues<'a>,
    /// The attribute's BER, name, options and values, as it came. Empty: some of the values came by other answers.
    pub(crate) whole: &'a [u8],
}

impl<'a> RawAttribute<'a> {
    /// Without options.
    pub(crate) fn name(&self) -> &'a str {
        // It was text when it was cut.
        std::str::from_utf8(self.name).unwrap_or_default()
    }
}

/// The values of one attribute, in the order of the answer.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RawValues<'a> {
    bytes: &'a [u8],
    pieces: &'a [Piece],
}

impl<'a> Iterator for RawValues<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (first, rest) = self.pieces.split_first()?;
        self.pieces = rest;
        Some(first.of(self.bytes))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.pieces.len(), Some(self.pieces.len()))
    }
}

impl ExactSizeIterator for RawValues<'_> {}

impl Piece {
    /// The piece that ends here, counted from where the bytes begin.
    fn ending(end: usize, length: usize) -> Piece {
        // The whole is no longer than 32 bits count; see `Entry::of_list`.
        Piece { at: end.saturating_sub(length) as u32, length: length as u32 }
    }

    fn of(self, bytes: &[u8]) -> &[u8] {
        let (at, length) = (self.at as usize, self.length as usize);
        // Every piece was cut from these bytes.
        bytes.get(at..at + length).unwrap_or_default()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EntryError {
    #[error("the server's answer is not a search entry: {0}")]
    Structure(&'static str),
    #[error("the server's answer is not a search entry: {0}")]
    Ber(#[from] BerError),
    #[error("the server returned a name that is not UTF-8")]
    NotText,
}

impl Entry {
    /// Of this name, extended or plain, and without attributes.
    pub(crate) fn named(name: &str) -> Entry {
        let (guid, dn) = split_extended(name);
        Entry { dn: dn.to_owned(), guid, bytes: Vec::new(), attributes: Vec::new(), values: Vec::new() }
    }

    /// Takes the content of a SearchResultEntry apart (RFC 4511 4.5.2).
    pub(crate) fn read(content: &[u8]) -> Result<Entry, EntryError> {
        let mut parts = Reader::new(content);
        let entry = Entry::named(text(parts.expect(OCTET_STRING)?)?);
        entry.of_list(parts.expect(SEQUENCE)?.to_vec())
    }

    /// Takes an entry of ldap3 apart; `None` for a referral, which this connector does not follow.
    pub(crate) fn from_wire(wire: ResultEntry) -> Result<Option<Entry>, EntryError> {
        if wire.is_ref() || wire.is_intermediate() {
            return Ok(None);
        }
        let mut parts = constructed(wire.0, "the entry")?.into_iter();
        let entry = Entry::named(text(&primitive(parts.next(), "the DN")?)?);
        let attributes = constructed(parts.next().ok_or(EntryError::Structure("no attributes"))?, "the attributes")?;
        let mut list = Vec::new();
        for attribute in attributes {
            let mut parts = constructed(attribute, "an attribute")?.into_iter();
            let name = primitive(parts.next(), "an attribute's name")?;
            let set = constructed(parts.next().ok_or(EntryError::Structure("no values"))?, "the values")?;
            let mut values = Vec::new();
            for value in set {
                values.extend(element(OCTET_STRING, &primitive(Some(value), "a value")?));
            }
            list.extend(element(SEQUENCE, &[element(OCTET_STRING, &name), element(SET, &values)].concat()));
        }
        entry.of_list(list).map(Some)
    }

    /// With the attributes of this list, which stays as it is: what is kept of it is where everything stands.
    fn of_list(self, list: Vec<u8>) -> Result<Entry, EntryError> {
        u32::try_from(list.len()).map_err(|_| TOO_LONG)?;
        let (mut attributes, mut values) = (Vec::with_capacity(40), Vec::with_capacity(64));
        let mut rest = Reader::new(&list);
        while !rest.is_empty() {
            let begin = rest.at();
            let content = rest.expect(SEQUENCE)?;
            let (end, inner) = (rest.at(), rest.at() - content.len());
            let mut attribute = Reader::new(content);
            let described = attribute.expect(OCTET_STRING)?;
            let (length, range) = described_as(described)?;
            let name = Piece { length: length as u32, ..Piece::ending(inner + attribute.at(), described.len()) };
            let set = attribute.expect(SET)?;
            let inner = inner + attribute.at() - set.len();
            let (first, mut set) = (values.len() as u32, Reader::new(set));
            while !set.is_empty() {
                let value = set.expect(OCTET_STRING)?;
                values.push(Piece::ending(inner + set.at(), value.len()));
            }
            let whole = Piece::ending(end, end - begin);
            attributes.push(Described { name, range, values: first..values.len() as u32, whole });
        }
        Ok(Entry { bytes: list, attributes, values, ..self })
    }

    fn piece(&mut self, bytes: &[u8]) -> Result<Piece, EntryError> {
        let at = u32::try_from(self.bytes.len()).map_err(|_| TOO_LONG)?;
        let length = u32::try_from(bytes.len()).map_err(|_| TOO_LONG)?;
        self.bytes.extend_from_slice(bytes);
        Ok(Piece { at, length })
    }

    fn view<'a>(&'a self, attribute: &'a Described) -> RawAttribute<'a> {
        let values = attribute.values.start as usize..attribute.values.end as usize;
        RawAttribute {
            name: attribute.name.of(&self.bytes),
            range: attribute.range,
            values: RawValues { bytes: &self.bytes, pieces: self.values.get(values).unwrap_or_default() },
            whole: attribute.whole.of(&self.bytes),
        }
    }

    pub(crate) fn attributes(&self) -> impl Iterator<Item = RawAttribute<'_>> {
        self.attributes.iter().map(|attribute| self.view(attribute))
    }

    /// Puts the whole of an attribute in the place of its first slice.
    pub(crate) fn complete(&mut self, index: usize, rest: &[Vec<u8>]) -> Result<(), EntryError> {
        let Some(slice) = self.attributes.get(index).map(|attribute| attribute.values.clone()) else {
            return Ok(());
        };
        let start = u32::try_from(self.values.len()).map_err(|_| TOO_LONG)?;
        self.values.extend_from_within(slice.start as usize..slice.end as usize);
        for value in rest {
            let piece = self.piece(value)?;
            self.values.push(piece);
        }
        let end = u32::try_from(self.values.len()).map_err(|_| TOO_LONG)?;
        if let Some(attribute) = self.attributes.get_mut(index) {
            attribute.values = start..end;
            (attribute.range, attribute.whole) = (None, Piece::default());
        }
        Ok(())
    }

    /// Windows sends `member` without values beside `member;range=0-1499`.
    pub(crate) fn drop_empty_twins(&mut self) {
        if self.attributes.iter().all(|attribute| !attribute.values.is_empty()) {
            return;
        }
        let full: Vec<String> = self
            .attributes()
            .filter(|attribute| attribute.values.len() > 0)
            .map(|attribute| attribute.name().to_ascii_lowercase())
            .collect();
        let twins: Vec<bool> = self
            .attributes()
            .map(|attribute| {
                attribute.range.is_none()
                    && attribute.values.len() == 0
                    && full.iter().any(|name| attribute.name().eq_ignore_ascii_case(name))
            })
            .collect();
        let mut twins = twins.into_iter();
        self.attributes.retain(|_| !twins.next().unwrap_or(false));
    }

    /// The values of an attribute in its plain form; names are compared without case.
    pub(crate) fn values(&self, name: &str) -> Option<RawValues<'_>> {
        self.attributes
            .iter()
            .find(|attribute| attribute.range.is_none() && self.is_named(attribute, name))
            .map(|attribute| self.view(attribute).values)
    }

    fn is_named(&self, attribute: &Described, name: &str) -> bool {
        attribute.name.length as usize == name.len()
            && attribute.name.of(&self.bytes).eq_ignore_ascii_case(name.as_bytes())
    }

    pub(crate) fn first(&self, name: &str) -> Option<&[u8]> {
        self.values(name).and_then(|mut values| values.next())
    }

    pub(crate) fn first_text(&self, name: &str) -> Option<&str> {
        self.first(name).and_then(|bytes| std::str::from_utf8(bytes).ok())
    }

    pub(crate) fn first_guid(&self, name: &str) -> Option<Guid> {
        self.first(name).and_then(|bytes| Guid::from_slice(bytes).ok())
    }

    pub(crate) fn texts(&self, name: &str) -> Vec<&str> {
        self.values(name).into_iter().flatten().filter_map(|bytes| std::str::from_utf8(bytes).ok()).collect()
    }

    /// `objectGUID`, or the identity in the extended DN.
    pub(crate) fn object_guid(&self) -> Option<Guid> {
        self.first_guid("objectGUID").or(self.guid)
    }

    pub(crate) fn is_deleted(&self) -> bool {
        self.first("isDeleted").is_some_and(|value| value.eq_ignore_ascii_case(b"TRUE"))
    }

    /// How long its attributes are.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Whether the attribute stands in the answer in any form, a cleared one included.
    pub(crate) fn mentions(&self, name: &str) -> bool {
        self.attributes.iter().any(|attribute| self.is_named(attribute, name))
    }
}

/// Places in an entry are counted in 32 bits.
const TOO_LONG: EntryError = EntryError::Structure("it is longer than 4 GiB");

fn constructed(tag: StructureTag, what: &'static str) -> Result<Vec<StructureTag>, EntryError> {
    match tag.payload {
        PL::C(parts) => Ok(parts),
        // An empty SET OF arrives as a primitive of no bytes from parsers that look at the content.
        PL::P(bytes) if bytes.is_empty() => Ok(Vec::new()),
        PL::P(_) => Err(EntryError::Structure(what)),
    }
}

fn primitive(tag: Option<StructureTag>, what: &'static str) -> Result<Vec<u8>, EntryError> {
    match tag.map(|tag| tag.payload) {
        Some(PL::P(bytes)) => Ok(bytes),
        _ => Err(EntryError::Structure(what)),
    }
}

fn text(bytes: &[u8]) -> Result<&str, EntryError> {
    std::str::from_utf8(bytes).map_err(|_| EntryError::NotText)
}

/// How long the name is that a description of an attribute begins with, and the range behind it.
fn described_as(described: &[u8]) -> Result<(usize, Option<ValueRange>), EntryError> {
    // As nearly all are: without options, and text without looking closer.
    if described.iter().all(|byte| byte.is_ascii() && *byte != b';') {
        return Ok((described.len(), None));
    }
    let (name, range) = split_options(text(described)?);
    Ok((name.len(), range))
}

/// `member;range=0-1499` -> (`member`, 0, 1499); `member;range=1500-*` has no end.
fn split_options(described: &str) -> (&str, Option<ValueRange>) {
    if !described.as_bytes().contains(&b';') {
        return (described, None);
    }
    let mut parts = described.split(';');
    let name = parts.next().unwrap_or(described);
    let range = parts.find_map(|option| {
        let bounds = option.strip_prefix("range=").or_else(|| option.strip_prefix("Range="))?;
        let (from, to) = bounds.split_once('-')?;
        let from = from.parse().ok()?;
        match to {
            "*" => Some((from, None)),
            to => Some((from, Some(to.parse().ok()?))),
        }
    });
    (name, range)
}

/// `<GUID=...>;<SID=...>;DN` -> the GUID and the DN. A DN in plain form stays as it is.
pub(crate) fn split_extended(name: &str) -> (Option<Guid>, &str) {
    let mut rest = name;
    let mut guid = None;
    while let Some(component) = rest.strip_prefix('<') {
        let Some((inner, after)) = component.split_once('>') else {
            break;
        };
        if let Some(text) = inner.strip_prefix("GUID=") {
            guid = guid_of(text);
        }
        rest = after.strip_prefix(';').unwrap_or(after);
    }
    (guid, rest)
}

/// The identity that an extended name in bytes begins with. None of a plain name.
pub(crate) fn leading_guid(name: &[u8]) -> Option<Guid> {
    let inner = name.strip_prefix(b"<GUID=")?;
    let end = inner.iter().position(|byte| *byte == b'>')?;
    guid_of(std::str::from_utf8(inner.get(..end)?).ok()?)
}

/// Both forms that servers write: `00112233-4455-...`, and the 32 hexadecimal digits of the stored bytes.
fn guid_of(text: &str) -> Option<Guid> {
    if text.contains('-') {
        return text.parse().ok();
    }
    let digits: &[u8; 32] = text.as_bytes().try_into().ok()?;
    let mut bytes = [0; 16];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |at: usize| pair.get(at).and_then(|digit| char::from(*digit).to_digit(16));
        *byte = (digit(0)? << 4 | digit(1)?) as u8;
    }
    Some(Guid::from_directory_bytes(bytes))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use ldap3::asn1::TagClass;

    impl Entry {
        /// The entry with one more attribute, laid out as it comes over the wire.
        pub(crate) fn with(self, name: &str, range: Option<ValueRange>, values: &[&[u8]]) -> Entry {
            let options = match range {
                None => String::new(),
                Some((from, None)) => format!(";range={from}-*"),
                Some((from, Some(to))) => format!(";range={from}-{to}"),
            };
            let values: Vec<u8> = values.iter().flat_map(|value| element(OCTET_STRING, value)).collect();
            let name = element(OCTET_STRING, format!("{name}{options}").as_bytes());
            let mut list = self.bytes.clone();
            list.extend(element(SEQUENCE, &[name, element(SET, &values)].concat()));
            self.of_list(list).unwrap()
        }

        pub(crate) fn without(self, names: &[&str]) -> Entry {
            let kept: Vec<&[u8]> = self
                .attributes()
                .filter(|attribute| !names.contains(&attribute.name()))
                .map(|attribute| attribute.whole)
                .collect();
            let list = kept.concat();
            self.of_list(list).unwrap()
        }

        /// Bytes that it takes.
        pub(crate) fn memory(&self) -> usize {
            self.dn.capacity()
                + self.bytes.capacity()
                + self.attributes.capacity() * size_of::<Described>()
                + self.values.capacity() * size_of::<Piece>()
        }

        pub(crate) fn of(mut self, guid: Guid) -> Entry {
            self.guid = Some(guid);
            self
        }
    }

    /// The content of a SearchResultEntry.
    fn content(name: &[u8], attributes: &[(&[u8], &[&[u8]])], set: u8) -> Vec<u8> {
        let list: Vec<u8> = attributes
            .iter()
            .flat_map(|(name, values)| {
                let values: Vec<u8> = values.iter().flat_map(|value| element(OCTET_STRING, value)).collect();
                element(SEQUENCE, &[element(OCTET_STRING, name), element(set, &values)].concat())
            })
            .collect();
        [element(OCTET_STRING, name), element(SEQUENCE, &list)].concat()
    }

    /// Both connections read the same entry alike: the one over ldap3, and the one for reading.
    #[test]
    fn two_ways_to_one_entry() {
        let name = "<GUID=44434241-4645-4847-494a-4b4c4d4e4f50>;<SID=S-1-5-7>;CN=Zo\u{eb},DC=x".as_bytes();
        let attributes: &[(&[u8], &[&[u8]])] = &[
            (b"objectGUID", &[b"ABCDEFGHIJKLMNOP"]),
            (b"member;range=0-1", &[b"CN=a", b"CN=b"]),
            (b"mail", &[]),
            (b"jpegPhoto", &[&[0xff; 300]]),
        ];
        let texts: Vec<(&str, &[&[u8]])> =
            attributes.iter().map(|(name, values)| (std::str::from_utf8(name).unwrap(), *values)).collect();
        let over_ldap3 = Entry::from_wire(wire(name, &texts)).unwrap().unwrap();
        let read = Entry::read(&content(name, attributes, SET)).unwrap();
        assert_eq!(read, over_ldap3);
        assert_eq!(read.attributes().map(|attribute| attribute.values.len()).collect::<Vec<_>>(), [1, 2, 0, 1]);
    }

    /// A slice and what was asked for after it are one attribute, and its empty twin is gone.
    #[test]
    fn a_completed_attribute_holds_all_its_values_in_order() {
        let mut entry =
            Entry::named("CN=g").with("member", None, &[]).with("member", Some((0, Some(1))), &[b"a", b"b"]);
        entry = entry.with("cn", None, &[b"g"]);
        entry.complete(1, &[b"c".to_vec(), b"d".to_vec()]).unwrap();
        entry.drop_empty_twins();
        let members: Vec<&[u8]> = entry.values("member").unwrap().collect();
        assert_eq!(members, [b"a", b"b", b"c", b"d"]);
        assert_eq!(entry.first_text("cn"), Some("g"));
        assert_eq!(entry.attributes().count(), 2);
    }

    fn leaf(bytes: &[u8]) -> StructureTag {
        StructureTag { class: TagClass::Universal, id: 4, payload: PL::P(bytes.to_vec()) }
    }

    fn node(id: u64, parts: Vec<StructureTag>) -> StructureTag {
        StructureTag { class: TagClass::Universal, id, payload: PL::C(parts) }
    }

    fn wire(name: &[u8], attributes: &[(&str, &[&[u8]])]) -> ResultEntry {
        let attributes = attributes
            .iter()
            .map(|(name, values)| {
                node(16, vec![leaf(name.as_bytes()), node(17, values.iter().map(|value| leaf(value)).collect())])
            })
            .collect();
        ResultEntry::new(node(4, vec![leaf(name), node(16, attributes)]))
    }

    #[test]
    fn bytes_stay_bytes_even_when_they_are_text() {
        // A GUID whose 16 bytes happen to be valid UTF-8 must stay a GUID.
        let guid = b"ABCDEFGHIJKLMNOP";
        let entry = Entry::from_wire(wire(
            "<GUID=44434241-4645-4847-494a-4b4c4d4e4f50>;<SID=S-1-5-7>;CN=Zoë,DC=x".as_bytes(),
            &[("objectGUID", &[guid]), ("jpegPhoto", &[&[0xff, 0xd8, 0xff]]), ("mail", &[])],
        ))
        .unwrap()
        .unwrap();
        assert_eq!(entry.dn, "CN=Zoë,DC=x");
        assert_eq!(entry.object_guid(), Some(Guid::from_directory_bytes(*guid)));
        assert_eq!(entry.guid, entry.first_guid("OBJECTGUID"));
        assert_eq!(entry.first("jpegPhoto"), Some(&[0xff, 0xd8, 0xff][..]));
        assert_eq!(entry.values("mail").map(|values| values.len()), Some(0));
        assert!(entry.mentions("Mail") && !entry.mentions("cn"));
    }

    #[test]
    fn ranges_are_told_from_names() {
        assert_eq!(split_options("member"), ("member", None));
        assert_eq!(split_options("member;range=0-1499"), ("member", Some((0, Some(1499)))));
        assert_eq!(split_options("member;range=1500-*"), ("member", Some((1500, None))));
        assert_eq!(split_options("member;lang-de;Range=1-1"), ("member", Some((1, Some(1)))));
        assert_eq!(split_options("member;range=x-1"), ("member", None));
        assert_eq!(split_options("userCertificate;binary"), ("userCertificate", None));
    }

    #[test]
    fn both_forms_of_a_guid_in_a_name() {
        let dashed = split_extended("<GUID=00112233-4455-6677-8899-aabbccddeeff>;CN=a");
        let plain = split_extended("<GUID=33221100554477668899aabbccddeeff>;<SID=01>;CN=a");
        assert_eq!(dashed, plain);
        assert_eq!(dashed.1, "CN=a");
        assert_eq!(split_extended("CN=a\\3Cb,DC=x"), (None, "CN=a\\3Cb,DC=x"));
        assert_eq!(split_extended("<GUID=zz>;CN=a"), (None, "CN=a"));
        assert_eq!(leading_guid(b"<GUID=33221100554477668899aabbccddeeff>;<SID=01>;CN=a"), plain.0);
        assert_eq!(leading_guid(b"<GUID=zz>;CN=a"), None);
        assert_eq!(leading_guid(b"CN=a,DC=x"), None);
        assert_eq!(split_extended("<GUID=é112233445566778899aabbccddeefff>;CN=a"), (None, "CN=a"));
    }

    #[test]
    fn an_answer_of_another_shape_is_an_error_not_a_panic() {
        let broken = [
            node(4, vec![]),
            leaf(b"x"),
            node(4, vec![leaf(b"CN=a")]),
            node(4, vec![leaf(b"CN=a"), node(16, vec![leaf(b"x")])]),
            node(4, vec![leaf(&[0xff]), node(16, vec![])]),
            node(
                4,
                vec![leaf(b"CN=a"), node(16, vec![node(16, vec![leaf(b"mail"), node(17, vec![node(17, vec![])])])])],
            ),
        ];
        for tag in broken {
            assert!(Entry::from_wire(ResultEntry::new(tag)).is_err());
        }
        for broken in [
            &b""[..],
            b"x",
            &element(OCTET_STRING, b"CN=a"),
            &[element(OCTET_STRING, b"CN=a"), element(SEQUENCE, b"x")].concat(),
            &[element(OCTET_STRING, &[0xff]), element(SEQUENCE, b"")].concat(),
            &content(b"CN=a", &[(b"mail", &[])], SEQUENCE),
            &content(b"CN=a", &[(b"ma\xffil", &[])], SET),
        ] {
            assert!(Entry::read(broken).is_err(), "{broken:?}");
        }
        let referral = StructureTag { class: TagClass::Application, id: 19, payload: PL::C(vec![]) };
        assert_eq!(Entry::from_wire(ResultEntry::new(referral)), Ok(None));
    }
}
