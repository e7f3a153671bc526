//! One entry as the wire brought it: its DN with the identity in front, and attribute values as bytes. Decides nothing
//! about kinds: whether bytes are text is the schema's business (decode.rs), never that of their content.

use ldap3::ResultEntry;
use ldap3::asn1::{PL, StructureTag};
use metaverse_schema::Guid;

/// An entry, or an answer that cannot be one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The plain DN.
    pub(crate) dn: String,
    /// From the extended form of the DN.
    pub(crate) guid: Option<Guid>,
    pub(crate) attributes: Vec<RawAttribute>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RawAttribute {
    /// Without options.
    pub(crate) name: String,
    /// `range=from-to`, the end absent for `*`. In a DirSync answer 1-1 means values added, 0-0 values removed
    /// (MS-ADTS 3.1.1.3.4.1.3); in any other answer it is a slice of the values.
    pub(crate) range: Option<(u32, Option<u32>)>,
    /// No value at all means "cleared" in a DirSync answer.
    pub(crate) values: Vec<Vec<u8>>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EntryError {
    #[error("the server's answer is not a search entry: {0}")]
    Structure(&'static str),
    #[error("the server returned a name that is not UTF-8")]
    NotText,
}

impl Entry {
    /// Takes an entry apart; `None` for a referral, which this connector does not follow.
    pub(crate) fn from_wire(entry: ResultEntry) -> Result<Option<Entry>, EntryError> {
        if entry.is_ref() || entry.is_intermediate() {
            return Ok(None);
        }
        let mut parts = constructed(entry.0, "the entry")?.into_iter();
        let name = text(primitive(parts.next(), "the DN")?)?;
        let list = constructed(parts.next().ok_or(EntryError::Structure("no attributes"))?, "the attributes")?;
        let attributes = list.into_iter().map(attribute).collect::<Result<_, _>>()?;
        let (guid, dn) = split_extended(&name);
        Ok(Some(Entry { dn: dn.to_owned(), guid, attributes }))
    }

    /// The values of an attribute in its plain form; names are compared without case.
    pub(crate) fn values(&self, name: &str) -> Option<&[Vec<u8>]> {
        self.attributes
            .iter()
            .find(|attribute| attribute.range.is_none() && attribute.name.eq_ignore_ascii_case(name))
            .map(|attribute| attribute.values.as_slice())
    }

    pub(crate) fn first(&self, name: &str) -> Option<&[u8]> {
        self.values(name).and_then(<[_]>::first).map(Vec::as_slice)
    }

    pub(crate) fn first_text(&self, name: &str) -> Option<&str> {
        self.first(name).and_then(|bytes| std::str::from_utf8(bytes).ok())
    }

    pub(crate) fn first_guid(&self, name: &str) -> Option<Guid> {
        self.first(name).and_then(|bytes| Guid::from_slice(bytes).ok())
    }

    pub(crate) fn texts(&self, name: &str) -> Vec<&str> {
        let values = self.values(name).unwrap_or_default();
        values.iter().filter_map(|bytes| std::str::from_utf8(bytes).ok()).collect()
    }

    /// `objectGUID`, or the identity in the extended DN.
    pub(crate) fn object_guid(&self) -> Option<Guid> {
        self.first_guid("objectGUID").or(self.guid)
    }

    pub(crate) fn is_deleted(&self) -> bool {
        self.first("isDeleted").is_some_and(|value| value.eq_ignore_ascii_case(b"TRUE"))
    }

    /// Whether the attribute stands in the answer in any form, a cleared one included.
    pub(crate) fn mentions(&self, name: &str) -> bool {
        self.attributes.iter().any(|attribute| attribute.name.eq_ignore_ascii_case(name))
    }
}

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

fn text(bytes: Vec<u8>) -> Result<String, EntryError> {
    String::from_utf8(bytes).map_err(|_| EntryError::NotText)
}

fn attribute(tag: StructureTag) -> Result<RawAttribute, EntryError> {
    let mut parts = constructed(tag, "an attribute")?.into_iter();
    let described = text(primitive(parts.next(), "an attribute's name")?)?;
    let set = constructed(parts.next().ok_or(EntryError::Structure("no values"))?, "the values")?;
    let values = set.into_iter().map(|value| primitive(Some(value), "a value")).collect::<Result<_, _>>()?;
    let (name, range) = split_options(&described);
    Ok(RawAttribute { name: name.to_owned(), range, values })
}

/// `member;range=0-1499` -> (`member`, 0, 1499); `member;range=1500-*` has no end.
fn split_options(described: &str) -> (&str, Option<(u32, Option<u32>)>) {
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

/// Both forms that servers write: `00112233-4455-...`, and the 32 hexadecimal digits of the stored bytes.
fn guid_of(text: &str) -> Option<Guid> {
    if text.contains('-') {
        return text.parse().ok();
    }
    if text.len() != 32 || !text.is_ascii() {
        return None;
    }
    let bytes: Option<Vec<u8>> = (0..16)
        .map(|index| text.get(2 * index..2 * index + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok()))
        .collect();
    bytes.and_then(|bytes| Guid::from_slice(&bytes).ok())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use ldap3::asn1::TagClass;

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
        assert_eq!(entry.values("mail"), Some(&[][..]));
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
        let referral = StructureTag { class: TagClass::Application, id: 19, payload: PL::C(vec![]) };
        assert_eq!(Entry::from_wire(ResultEntry::new(referral)), Ok(None));
    }
}
