//! Names in certificates, and how Windows writes them (CertNameToStr, X500 with the reversed order that .NET asks for):
//! the order of parts is turned round, `, ` stands between them, and a value with a separator in it is quoted.

use crate::expression::data::Data;
use x509_parser::asn1_rs::{Any, FromDer as _, Tag};
use x509_parser::prelude::X509Name;

/// The labels of Windows; every other type is written `OID.` and its number.
const LABELS: [(&str, &str); 16] = [
    ("2.5.4.3", "CN"),
    ("2.5.4.4", "SN"),
    ("2.5.4.5", "SERIALNUMBER"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "S"),
    ("2.5.4.9", "STREET"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.12", "T"),
    ("2.5.4.13", "Description"),
    ("2.5.4.17", "PostalCode"),
    ("2.5.4.42", "G"),
    ("2.5.4.43", "I"),
    ("1.2.840.113549.1.9.1", "E"),
    ("0.9.2342.19200300.100.1.25", "DC"),
];

/// A name in the order of the certificate, the most general part first. Each part has one pair or several.
pub(super) struct Name(Vec<Vec<Pair>>);

struct Pair {
    oid: String,
    value: String,
}

impl Pair {
    fn label(&self) -> Option<&'static str> {
        LABELS.iter().find(|(oid, _)| *oid == self.oid).map(|(_, label)| *label)
    }
}

impl Name {
    pub(super) fn read(name: &X509Name<'_>) -> Self {
        let pair = |pair: &x509_parser::prelude::AttributeTypeAndValue<'_>| Pair {
            oid: pair.attr_type().to_id_string(),
            value: text(pair.attr_value()),
        };
        Name(name.iter_rdn().map(|rdn| rdn.iter().map(pair).collect()).collect())
    }

    fn pairs(&self) -> impl Iterator<Item = &Pair> {
        self.0.iter().rev().flatten()
    }

    /// The most specific value with this label.
    pub(super) fn value(&self, label: &str) -> Option<String> {
        self.pairs().find(|pair| pair.label() == Some(label)).map(|pair| pair.value.clone())
    }

    pub(super) fn first_value(&self) -> Option<String> {
        self.pairs().next().map(|pair| pair.value.clone())
    }

    /// OID of the type of the most specific part; NULL for the empty name.
    pub(super) fn oid(&self) -> Data<'static> {
        self.pairs().next().map_or(Data::Null, |pair| Data::text(pair.oid.clone()))
    }
}

pub(super) fn windows(name: &Name) -> String {
    let parts = name.0.iter().rev().map(|part| {
        let pairs: Vec<String> = part
            .iter()
            .map(|pair| {
                let label = pair.label().map_or_else(|| format!("OID.{}", pair.oid), str::to_owned);
                format!("{label}={}", quoted(&pair.value))
            })
            .collect();
        pairs.join(" + ")
    });
    parts.collect::<Vec<_>>().join(", ")
}

fn quoted(value: &str) -> String {
    let special = |c: char| matches!(c, ',' | '+' | '=' | '"' | '\n' | '<' | '>' | '#' | ';');
    if value.is_empty() || value.contains(special) || value.trim() != value {
        format!("\"{}\"", value.replace('"', "\"\""))
    } else {
        value.to_owned()
    }
}

/// A directory string in any of its encodings; other values as `#` and their bytes.
fn text(any: &Any<'_>) -> String {
    let bytes = any.data;
    let decoded = match any.tag() {
        Tag::BmpString => wide(bytes.chunks_exact(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]))),
        Tag::UniversalString => {
            wide(bytes.chunks_exact(4).map(|four| four.iter().fold(0_u32, |wide, byte| wide << 8 | u32::from(*byte))))
        }
        // Certificates that say T.61 mean Latin-1.
        Tag::T61String => Some(bytes.iter().map(|byte| char::from(*byte)).collect()),
        _ => std::str::from_utf8(bytes).ok().map(str::to_owned),
    };
    decoded.unwrap_or_else(|| bytes.iter().fold("#".to_owned(), |text, byte| text + &format!("{byte:02X}")))
}

fn wide(units: impl Iterator<Item = u32>) -> Option<String> {
    // Two units of UTF-16 for one character are legal in neither encoding and still met in the first.
    let units: Vec<u32> = units.collect();
    if units.iter().all(|unit| *unit <= 0xffff) {
        let units: Vec<u16> = units.iter().filter_map(|unit| u16::try_from(*unit).ok()).collect();
        return String::from_utf16(&units).ok();
    }
    units.into_iter().map(char::from_u32).collect()
}

/// `[0] EXPLICIT UTF8String`, the value of an other name.
pub(super) fn explicit_text(der: &[u8]) -> Option<String> {
    let (_, outer) = Any::from_der(der).ok()?;
    let (_, inner) = Any::from_der(outer.data).ok()?;
    Some(text(&inner))
}
