//! Values of a rule test, given the kind that the schema says. A text in the place of bytes is a GUID, a SID or base64.

use super::model::{ExpectedValue, ExpectedValues, GivenReference, GivenValues};
use crate::document::reader::{Report, Table, as_table};
use crate::suggest::did_you_mean;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use metaverse_schema::{Anchor, Dn, Guid, Plurality, Sid, Value, ValueKind};
use std::collections::BTreeMap;
use toml::Spanned;
use toml::de::DeValue;

/// An attribute as far as a value must know it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) kind: ValueKind,
    pub(super) plurality: Plurality,
}

/// The objects of a test by the names it gives them: their anchors, and the connector they are in.
pub(super) type Known = BTreeMap<String, (std::sync::Arc<str>, Anchor)>;

type Item<'d> = &'d Spanned<DeValue<'d>>;

/// The values of an attribute of a given object.
pub(super) fn given(
    report: &mut Report<'_>,
    name: &str,
    value: Item<'_>,
    shape: Shape,
    known: &Known,
    connector: &str,
) -> Option<GivenValues> {
    let items = items(report, name, value, shape)?;
    if shape.kind == ValueKind::Reference {
        let references: Vec<GivenReference> =
            items.iter().filter_map(|item| reference(report, name, item, known, connector)).collect();
        return (references.len() == items.len()).then_some(GivenValues::References(references));
    }
    let values: Vec<Value> = items.iter().filter_map(|item| plain(report, name, item, shape.kind)).collect();
    (values.len() == items.len()).then(|| GivenValues::Values(values.into_iter().collect()))
}

/// The values that are expected of an attribute.
pub(super) fn expected(
    report: &mut Report<'_>,
    name: &str,
    value: Item<'_>,
    shape: Shape,
    known: &Known,
) -> Option<ExpectedValues> {
    if let DeValue::Table(entries) = value.get_ref()
        && entries.contains_key("present")
    {
        let mut table = as_table(report, name, value, "this expectation")?;
        let present = table.boolean(report, "present");
        table.finish(report);
        return Some(match present? {
            true => ExpectedValues::Present,
            false => ExpectedValues::Exactly(Vec::new()),
        });
    }
    let items = items(report, name, value, shape)?;
    let values: Vec<ExpectedValue> =
        items.iter().filter_map(|item| expected_value(report, name, item, shape, known)).collect();
    (values.len() == items.len()).then_some(ExpectedValues::Exactly(values))
}

fn expected_value(
    report: &mut Report<'_>,
    name: &str,
    item: Item<'_>,
    shape: Shape,
    known: &Known,
) -> Option<ExpectedValue> {
    if shape.kind == ValueKind::Reference {
        let text = text_of(report, name, item)?;
        return known_object(report, &text, item, known).map(|_| ExpectedValue::Object(text));
    }
    if let DeValue::Table(_) = item.get_ref() {
        let table = as_table(report, name, item, "this value")?;
        return anchor_of(report, table, shape.kind, known).map(ExpectedValue::Value);
    }
    plain(report, name, item, shape.kind).map(ExpectedValue::Value)
}

/// `{ anchor_of = "ann" }`: the anchor, as an anchor stamp carries it: base64 of a GUID in a text, its bytes in a binary.
fn anchor_of(report: &mut Report<'_>, mut table: Table<'_>, kind: ValueKind, known: &Known) -> Option<Value> {
    let text = table.required_text(report, "anchor_of", "write { anchor_of = \"NAME\" } or { present = true }");
    table.finish(report);
    let text = text?;
    let Some((_, anchor)) = known.get(&text.value) else {
        unknown_object(report, &text.value, text.inner(), known);
        return None;
    };
    match (anchor, kind) {
        (Anchor::Guid(guid), ValueKind::Binary) => Some(Value::Binary(guid.as_directory_bytes().to_vec())),
        (Anchor::Guid(guid), ValueKind::Text) => Some(Value::text(STANDARD.encode(guid.as_directory_bytes()))),
        (Anchor::Text(anchor), ValueKind::Text) => Some(Value::text(anchor.clone())),
        _ => {
            let message = format!("the anchor of `{}` is no value of this attribute", text.value);
            report.error("test-value-invalid", text.inner(), message, "not of this kind", "write the value itself");
            None
        }
    }
}

/// One value, or the items of a list; several of them only where the attribute holds several.
fn items<'d>(report: &mut Report<'_>, name: &str, value: Item<'d>, shape: Shape) -> Option<Vec<Item<'d>>> {
    let DeValue::Array(list) = value.get_ref() else {
        return Some(vec![value]);
    };
    if shape.plurality == Plurality::Single && list.len() > 1 {
        let message = format!("`{name}` holds one value, and {} stand here", list.len());
        report.error("test-several-values", value.span(), message, "more than one", "give one value, or [] for none");
        return None;
    }
    Some(list.iter().collect())
}

fn plain(report: &mut Report<'_>, name: &str, item: Item<'_>, kind: ValueKind) -> Option<Value> {
    match (kind, item.get_ref()) {
        (ValueKind::Text, DeValue::String(text)) => Some(Value::text(text.as_ref())),
        (ValueKind::Boolean, DeValue::Boolean(truth)) => Some(Value::Boolean(*truth)),
        (ValueKind::Integer, DeValue::Integer(digits)) => {
            let number = i64::from_str_radix(digits.as_str(), digits.radix()).ok();
            if number.is_none() {
                let message = format!("`{name}` is a whole number of 64 bits");
                report.error("test-value-invalid", item.span(), message, "too large", "give a smaller number");
            }
            number.map(Value::Integer)
        }
        (ValueKind::Binary, DeValue::String(text)) => match binary_from_text(text) {
            Some(bytes) => Some(Value::Binary(bytes)),
            None => {
                let message = format!("`{name}` is binary, and this is no GUID, no SID and no base64");
                let help = "write a GUID (3f2504e0-4f89-11d3-9a0c-0305e82c3301), a SID (S-1-5-21-...) or base64";
                report.error("test-value-invalid", item.span(), message, "not bytes", help);
                None
            }
        },
        (ValueKind::Secret, _) => {
            let message = format!("`{name}` is a secret: it is never imported and no rule sets it");
            report.error("test-value-invalid", item.span(), message, "a secret", "remove this line");
            None
        }
        (kind, found) => {
            let wanted = match kind {
                ValueKind::Text => "a text in quotes",
                ValueKind::Boolean => "true or false",
                ValueKind::Integer => "a whole number",
                _ => "a text: a GUID, a SID or base64",
            };
            let message = format!("`{name}` is {kind} by the schema");
            let label = format!("this is a TOML {}", found.type_str());
            report.error("wrong-kind", item.span(), message, label, format!("write {wanted}"));
            None
        }
    }
}

/// Bytes that a person writes: a GUID, a SID or base64. Base64 has no hyphen, so the three are never confused.
pub fn binary_from_text(text: &str) -> Option<Vec<u8>> {
    if text.contains('-') {
        let guid = || text.parse::<Guid>().ok().map(|guid| guid.as_directory_bytes().to_vec());
        let sid = || text.parse::<Sid>().ok().map(|sid| sid.as_bytes().to_vec());
        return guid().or_else(sid);
    }
    STANDARD.decode(text).ok()
}

fn reference(
    report: &mut Report<'_>,
    name: &str,
    item: Item<'_>,
    known: &Known,
    connector: &str,
) -> Option<GivenReference> {
    let text = text_of(report, name, item)?;
    if text.contains('=') {
        return match text.parse::<Dn>() {
            Ok(dn) => Some(GivenReference::Dn(dn)),
            Err(error) => {
                let message = format!("`{name}` points at no DN: {error}");
                report.error("test-value-invalid", item.span(), message, "not a DN", "write a DN or an object's name");
                None
            }
        };
    }
    let space = known_object(report, &text, item, known)?;
    if *space != *connector {
        let message = format!("`{text}` is an object of `{space}`, and this one is in `{connector}`");
        let help = "a reference points at an object of the same connector";
        report.error("test-object-unknown", item.span(), message, "in another connector", help);
        return None;
    }
    Some(GivenReference::Object(text))
}

fn text_of(report: &mut Report<'_>, name: &str, item: Item<'_>) -> Option<String> {
    match item.get_ref() {
        DeValue::String(text) => Some(text.to_string()),
        other => {
            let message = format!("`{name}` is a reference");
            let label = format!("this is a TOML {}", other.type_str());
            report.error("wrong-kind", item.span(), message, label, "write the name of an object of this test");
            None
        }
    }
}

fn known_object<'k>(report: &mut Report<'_>, text: &str, item: Item<'_>, known: &'k Known) -> Option<&'k str> {
    match known.get(text) {
        Some((connector, _)) => Some(connector),
        None => {
            unknown_object(report, text, item.span(), known);
            None
        }
    }
}

pub(super) fn unknown_object(report: &mut Report<'_>, text: &str, span: std::ops::Range<usize>, known: &Known) {
    let message = format!("this test has no object `{text}`");
    let help = did_you_mean(text, known.keys().map(String::as_str));
    report.error("test-object-unknown", span, message, "unknown object", help);
}
