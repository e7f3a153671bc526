//! Which property of Graph a key of this wire is (B.5), and in what form it is kept there. Names, anchors, addresses and
//! links have modules of their own.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::object::SyncValue;
use crate::schema::Kind;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Text,
    Flag,
    /// A list of one.
    OnlyItem,
    /// Base64 of a binary SID here, `S-1-...` there.
    SecurityIdentifier,
    /// `20190801164342.0Z` here, ISO 8601 there.
    GeneralizedTime,
    Texts,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Mapped {
    /// As a read-back spells it; compared without case.
    pub(super) key: &'static str,
    pub(super) property: &'static str,
    pub(super) form: Form,
}

const fn mapped(key: &'static str, property: &'static str, form: Form) -> Mapped {
    Mapped { key, property, form }
}

use Form::{Flag, GeneralizedTime, OnlyItem, SecurityIdentifier, Text, Texts};

const USER: &[Mapped] = &[
    mapped("AccountEnabled", "accountEnabled", Flag),
    mapped("DisplayName", "displayName", Text),
    mapped("GivenName", "givenName", Text),
    mapped("Surname", "surname", Text),
    mapped("Mobile", "mobilePhone", Text),
    mapped("TelephoneNumber", "businessPhones", OnlyItem),
    mapped("FacsimileTelephoneNumber", "faxNumber", Text),
    mapped("Title", "jobTitle", Text),
    mapped("Department", "department", Text),
    mapped("Company", "companyName", Text),
    mapped("EmployeeId", "employeeId", Text),
    mapped("EmployeeType", "employeeType", Text),
    mapped("PhysicalDeliveryOfficeName", "officeLocation", Text),
    mapped("StreetAddress", "streetAddress", Text),
    mapped("City", "city", Text),
    mapped("State", "state", Text),
    mapped("PostalCode", "postalCode", Text),
    mapped("Country", "country", Text),
    mapped("UsageLocation", "usageLocation", Text),
    mapped("PreferredLanguage", "preferredLanguage", Text),
    mapped("UserType", "userType", Text),
    mapped("OtherMail", "otherMails", Texts),
    mapped("DnsDomainName", "onPremisesDomainName", Text),
    mapped("OnPremisesSamAccountName", "onPremisesSamAccountName", Text),
    mapped("OnPremisesDistinguishedName", "onPremisesDistinguishedName", Text),
    // Without the second s, as the wire has it.
    mapped("OnPremiseSecurityIdentifier", "onPremisesSecurityIdentifier", SecurityIdentifier),
    mapped("LastPasswordChangeTimestamp", "lastPasswordChangeDateTime", GeneralizedTime),
];

const GROUP: &[Mapped] = &[
    mapped("DisplayName", "displayName", Text),
    mapped("Description", "description", Text),
    mapped("SecurityEnabled", "securityEnabled", Flag),
    mapped("PreferredLanguage", "preferredLanguage", Text),
    mapped("DnsDomainName", "onPremisesDomainName", Text),
    mapped("NetBiosName", "onPremisesNetBiosName", Text),
    mapped("OnPremisesSamAccountName", "onPremisesSamAccountName", Text),
    mapped("OnPremiseSecurityIdentifier", "onPremisesSecurityIdentifier", SecurityIdentifier),
];

const CONTACT: &[Mapped] = &[
    mapped("DisplayName", "displayName", Text),
    mapped("GivenName", "givenName", Text),
    mapped("Surname", "surname", Text),
    mapped("Title", "jobTitle", Text),
    mapped("Department", "department", Text),
    mapped("Company", "companyName", Text),
];

pub(super) fn table(kind: Kind) -> &'static [Mapped] {
    match kind {
        Kind::User => USER,
        Kind::Group => GROUP,
        Kind::Contact => CONTACT,
    }
}

pub(super) fn find(kind: Kind, key: &str) -> Option<&'static Mapped> {
    table(kind).iter().find(|mapped| mapped.key.eq_ignore_ascii_case(key))
}

/// The number of `extensionAttribute7`.
pub(super) fn extension_attribute(key: &str) -> Option<String> {
    let number: u32 = key.to_ascii_lowercase().strip_prefix("extensionattribute")?.parse().ok()?;
    (1..=15).contains(&number).then(|| format!("extensionAttribute{number}"))
}

/// The value as Graph keeps it. The error says what is wrong with it.
pub(super) fn to_graph(form: Form, value: &SyncValue) -> Result<Value, &'static str> {
    match (form, value) {
        (OnlyItem | Texts, SyncValue::Nil) => Ok(json!([])),
        (_, SyncValue::Nil) => Ok(Value::Null),
        (Text, SyncValue::Text(text)) => Ok(if text.is_empty() { Value::Null } else { json!(text) }),
        (Text, SyncValue::Long(number)) => Ok(json!(number.to_string())),
        (Flag, SyncValue::Flag(flag)) => Ok(json!(flag)),
        (Flag, SyncValue::Text(text)) if text.eq_ignore_ascii_case("true") => Ok(json!(true)),
        (Flag, SyncValue::Text(text)) if text.eq_ignore_ascii_case("false") => Ok(json!(false)),
        (OnlyItem, SyncValue::Text(text)) => Ok(if text.is_empty() { json!([]) } else { json!([text]) }),
        (Texts, SyncValue::Texts(texts)) => Ok(json!(texts)),
        (SecurityIdentifier, SyncValue::Binary(base64) | SyncValue::Text(base64)) => {
            let sid = STANDARD.decode(base64).ok().and_then(|bytes| sid_text(&bytes));
            sid.map(Value::String).ok_or("is not the base64 of a security identifier")
        }
        (GeneralizedTime, SyncValue::Text(text)) => {
            iso_time(text).map(Value::String).ok_or("is not a generalized time such as 20190801164342.0Z")
        }
        _ => Err("has a type that the attribute does not have"),
    }
}

/// The value as this wire has it; none where there is nothing to tell.
pub(super) fn from_graph(form: Form, value: &Value) -> Option<SyncValue> {
    match form {
        Text => value.as_str().map(|text| SyncValue::Text(text.to_owned())),
        Flag => value.as_bool().map(SyncValue::Flag),
        OnlyItem => value.get(0)?.as_str().map(|text| SyncValue::Text(text.to_owned())),
        Texts => {
            let texts = value.as_array()?.iter().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>();
            (!texts.is_empty()).then_some(SyncValue::Texts(texts))
        }
        SecurityIdentifier => {
            let bytes = sid_bytes(value.as_str()?)?;
            Some(SyncValue::Binary(STANDARD.encode(bytes)))
        }
        GeneralizedTime => {
            let digits: String = value.as_str()?.chars().filter(char::is_ascii_digit).take(14).collect();
            (digits.len() == 14).then(|| SyncValue::Text(format!("{digits}.0Z")))
        }
    }
}

/// [MS-DTYP] 2.4.2.2: revision, count, six bytes of authority, then little-endian sub-authorities.
fn sid_text(bytes: &[u8]) -> Option<String> {
    let (head, rest) = bytes.split_at_checked(8)?;
    if head[0] != 1 || rest.len() != usize::from(head[1]) * 4 || head[1] > 15 {
        return None;
    }
    let authority = head[2..].iter().fold(0_u64, |value, byte| (value << 8) | u64::from(*byte));
    let parts = rest.chunks_exact(4).map(|part| u32::from_le_bytes([part[0], part[1], part[2], part[3]]));
    let parts: String = parts.map(|part| format!("-{part}")).collect();
    Some(format!("S-1-{authority}{parts}"))
}

fn sid_bytes(text: &str) -> Option<Vec<u8>> {
    let mut parts = text.strip_prefix("S-1-")?.split('-');
    let authority: u64 = parts.next()?.parse().ok()?;
    let parts: Vec<u32> = parts.map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let mut bytes = vec![1, u8::try_from(parts.len()).ok()?];
    bytes.extend_from_slice(&authority.to_be_bytes()[2..]);
    parts.iter().for_each(|part| bytes.extend_from_slice(&part.to_le_bytes()));
    Some(bytes)
}

fn iso_time(text: &str) -> Option<String> {
    let digits = text.get(..14).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()))?;
    let rest = text.get(14..)?;
    if !rest.ends_with('Z') || !rest.trim_end_matches('Z').chars().all(|c| c == '.' || c.is_ascii_digit()) {
        return None;
    }
    let iso = format!(
        "{}-{}-{}T{}:{}:{}Z",
        &digits[..4],
        &digits[4..6],
        &digits[6..8],
        &digits[8..10],
        &digits[10..12],
        &digits[12..14]
    );
    iso.parse::<jiff::Timestamp>().is_ok().then_some(iso)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn security_identifiers_and_times_change_their_form_both_ways() {
        let sid = SyncValue::Binary("AQUAAAAAAAUVAAAAAQAAAAIAAAADAAAAUAQAAA==".to_owned());
        let text = to_graph(Form::SecurityIdentifier, &sid).unwrap();
        assert_eq!(text, "S-1-5-21-1-2-3-1104");
        assert_eq!(from_graph(Form::SecurityIdentifier, &text), Some(sid));
        let time = SyncValue::Text("20190801164342.0Z".to_owned());
        let text = to_graph(Form::GeneralizedTime, &time).unwrap();
        assert_eq!(text, "2019-08-01T16:43:42Z");
        assert_eq!(from_graph(Form::GeneralizedTime, &text), Some(time));
        for wrong in ["", "20191301164342.0Z", "2019-08-01", "20190801164342"] {
            assert!(to_graph(Form::GeneralizedTime, &SyncValue::Text(wrong.to_owned())).is_err(), "{wrong}");
        }
        for wrong in ["", "AQUAAA==", "AgAAAAAAAAU="] {
            assert!(to_graph(Form::SecurityIdentifier, &SyncValue::Binary(wrong.to_owned())).is_err(), "{wrong}");
        }
    }
}
