//! Gives the raw values of a record their kinds by the schema, and writes typed values back. Bad values are a problem of
//! that object (R69); nothing is guessed from the content.

use crate::record::{Problem, RawChange, RawRecord, problem};
use crate::{Format, ObjectTypes, ReferenceBy, Settings};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use connector_contract::{ImportedObject, Place};
use metaverse_schema::{
    Anchor, AnchorError, AttributeDefinition, Attributes, Dn, Guid, ObjectType, Plurality, Reference, Value, ValueKind,
    Values,
};
use std::collections::{BTreeMap, HashMap};

/// The settings with attribute names made findable without case, as directories compare them.
pub(crate) struct Vocabulary {
    pub(crate) settings: Settings,
    by_name: HashMap<String, AttributeDefinition>,
}

/// Bytes of one attribute's values, and the ranges in which a directory returned them.
#[derive(Default)]
struct Collected<'a> {
    values: Vec<&'a [u8]>,
    /// First and last index of each `;range=`; the last one is open (`*`).
    ranges: Vec<(u64, Option<u64>)>,
}

impl Vocabulary {
    pub(crate) fn new(settings: Settings) -> Self {
        let schema = settings.offered_schema();
        let definitions = schema.attributes.into_values();
        let by_name = definitions.map(|definition| (definition.name.as_str().to_lowercase(), definition));
        Vocabulary { by_name: by_name.collect(), settings }
    }

    /// The attribute that a description names: `userCertificate;binary` and `member;range=0-1499` are their base
    /// attributes; one with another option (`cn;lang-de`) is another attribute, which the schema does not know.
    pub(crate) fn find(&self, description: &str) -> Option<&AttributeDefinition> {
        let mut parts = description.split(';');
        let base = parts.next()?.to_lowercase();
        let transparent = |option: &str| option.eq_ignore_ascii_case("binary") || range_of(option).is_some();
        if parts.all(transparent) { self.by_name.get(&base) } else { None }
    }

    /// The object that a record is; none when it is of a class that the settings do not name.
    pub(crate) fn object(&self, record: &RawRecord) -> Result<Option<ImportedObject>, Problem> {
        let Some(object_type) = self.object_type(record)? else {
            return Ok(None);
        };
        let place = self.dn(record)?.map(|dn| Place { dn, parent: None });
        let anchor = self.anchor(record)?;
        let attributes = self.attributes(record)?;
        Ok(Some(ImportedObject { anchor, object_type, place, attributes, print: None }))
    }

    /// As `object`, for a file that is the whole picture: `changetype: add` is what ldifde writes before every entry,
    /// any other change has no place there.
    pub(crate) fn whole_object(&self, record: &RawRecord) -> Result<Option<ImportedObject>, Problem> {
        match record.change {
            RawChange::Content | RawChange::Add => self.object(record),
            _ => Err(problem(
                "invalid-change-type",
                "a change record in a file of whole objects; changes belong to the file that `delta_path` names",
            )),
        }
    }

    pub(crate) fn dn(&self, record: &RawRecord) -> Result<Option<Dn>, Problem> {
        let parse = |dn: &String| dn.parse::<Dn>();
        let parsed = record.dn.as_ref().map(parse).transpose();
        parsed.map_err(|error| problem("dn-not-ldap-conformant", error.to_string()))
    }

    /// The most specific known class; none when the object is of none of them.
    pub(crate) fn object_type(&self, record: &RawRecord) -> Result<Option<ObjectType>, Problem> {
        let (attribute, order) = match &self.settings.object_types {
            ObjectTypes::Fixed(object_type) => return Ok(Some(object_type.clone())),
            ObjectTypes::ByAttribute { attribute, order } => (attribute, order),
        };
        let carried: Vec<String> = record
            .values
            .iter()
            .filter(|(name, _)| name.eq_ignore_ascii_case(attribute))
            .map(|(_, value)| String::from_utf8_lossy(value).to_lowercase())
            .collect();
        if carried.is_empty() {
            let code = match self.settings.format {
                Format::Ldif => "missing-object-class",
                Format::Csv => "missing-object-type",
            };
            return Err(problem(code, format!("`{attribute}` has no value")));
        }
        let known = order.iter().find(|class| carried.contains(&class.as_str().to_lowercase()));
        Ok(known.cloned())
    }

    pub(crate) fn anchor(&self, record: &RawRecord) -> Result<Anchor, Problem> {
        let name = &self.settings.anchor;
        let definition = self.find(name);
        let of_anchor = record.values.iter().filter(|(description, _)| {
            definition.is_some()
                && self.find(description).map(|found| &found.name) == definition.map(|found| &found.name)
        });
        let mut values: Vec<&[u8]> = of_anchor.map(|(_, value)| value.as_slice()).collect();
        values.dedup();
        match values.as_slice() {
            [value] => self.anchor_from(value),
            [] => Err(problem("missing-anchor-component", format!("`{name}` has no value"))),
            _ => {
                let message = format!("`{name}` has {} values, an anchor has one", values.len());
                Err(problem("multi-valued-anchor-component", message))
            }
        }
    }

    /// An anchor as the anchor attribute or a reference by anchor carries it. A GUID is 16 bytes, their base64, or text.
    pub(crate) fn anchor_from(&self, value: &[u8]) -> Result<Anchor, Problem> {
        let text = std::str::from_utf8(value).ok().map(str::trim);
        match self.anchor_kind() {
            ValueKind::Binary => {
                let from_bytes = Guid::from_slice(value).ok();
                let from_text = || text.and_then(|text| text.parse::<Guid>().ok());
                let from_base64 = || STANDARD.decode(text?).ok().and_then(|bytes| Guid::from_slice(&bytes).ok());
                let guid = from_bytes.or_else(from_text).or_else(from_base64);
                guid.map(Anchor::Guid).ok_or_else(|| {
                    let message = format!("`{}` is no GUID ({} bytes)", self.settings.anchor, value.len());
                    problem("invalid-attribute-value", message)
                })
            }
            kind => {
                let text = match kind {
                    ValueKind::Integer => integer(&self.settings.anchor, value)?.to_string(),
                    _ => utf8(&self.settings.anchor, value)?.to_owned(),
                };
                Anchor::text(text).map_err(|error| {
                    let code = match error {
                        AnchorError::TooLong(_) => "anchor-too-long",
                        AnchorError::Empty => "missing-anchor-component",
                    };
                    problem(code, error.to_string())
                })
            }
        }
    }

    pub(crate) fn anchor_kind(&self) -> ValueKind {
        self.find(&self.settings.anchor).map_or(ValueKind::Text, |definition| definition.kind)
    }

    fn attributes(&self, record: &RawRecord) -> Result<Attributes, Problem> {
        let mut collected: BTreeMap<&str, (&AttributeDefinition, Collected<'_>)> = BTreeMap::new();
        for (description, value) in &record.values {
            let Some(definition) = self.find(description) else {
                continue;
            };
            let entry = collected.entry(definition.name.as_str());
            let (_, raw) = entry.or_insert_with(|| (definition, Collected::default()));
            raw.ranges.extend(description.split(';').filter_map(range_of));
            raw.values.push(value);
        }
        let mut attributes = Attributes::new();
        for (definition, raw) in collected.into_values() {
            complete_ranges(definition, raw.ranges)?;
            attributes.set(definition.name.clone(), self.values(definition, &raw.values)?);
        }
        Ok(attributes)
    }

    pub(crate) fn values(&self, definition: &AttributeDefinition, raw: &[&[u8]]) -> Result<Values, Problem> {
        let typed: Result<Values, Problem> = raw.iter().map(|value| self.value(definition, value)).collect();
        let typed = typed?;
        if definition.plurality == Plurality::Single && typed.len() > 1 {
            let message = format!("`{}` is single-valued and has {} values", definition.name, typed.len());
            return Err(problem("multi-single-mismatch", message));
        }
        Ok(typed)
    }

    pub(crate) fn value(&self, definition: &AttributeDefinition, raw: &[u8]) -> Result<Value, Problem> {
        let name = definition.name.as_str();
        match definition.kind {
            ValueKind::Text | ValueKind::Secret => Ok(Value::text(utf8(name, raw)?)),
            ValueKind::Integer => integer(name, raw).map(Value::Integer),
            ValueKind::Boolean => match utf8(name, raw)?.trim() {
                text if text.eq_ignore_ascii_case("true") => Ok(Value::Boolean(true)),
                text if text.eq_ignore_ascii_case("false") => Ok(Value::Boolean(false)),
                text => {
                    let message = format!("`{name}`: `{text}` is not TRUE or FALSE");
                    Err(problem("invalid-boolean-value", message))
                }
            },
            // The anchor's own value is the same 16 bytes, however it was written.
            ValueKind::Binary if name == self.settings.anchor => {
                let anchor = self.anchor_from(raw)?;
                let bytes = anchor.as_guid().map(|guid| guid.as_directory_bytes().to_vec());
                Ok(Value::Binary(bytes.unwrap_or_else(|| raw.to_vec())))
            }
            ValueKind::Binary if self.settings.format == Format::Csv => {
                let decoded = STANDARD.decode(raw.trim_ascii());
                let decoded = decoded.map_err(|error| problem("invalid-base64-value", format!("`{name}`: {error}")))?;
                Ok(Value::Binary(decoded))
            }
            ValueKind::Binary => Ok(Value::Binary(raw.to_vec())),
            ValueKind::Reference => self.reference(name, raw).map(Value::Reference),
        }
    }

    fn reference(&self, name: &str, raw: &[u8]) -> Result<Reference, Problem> {
        let invalid = |message: String| problem("invalid-reference-value", format!("`{name}`: {message}"));
        match self.settings.reference_by {
            // An object's own DN is a DN, however it refers to others.
            ReferenceBy::Anchor if name != "distinguishedName" => {
                let anchor = self.anchor_from(raw).map_err(|found| invalid(found.message))?;
                Ok(Reference::Anchor(anchor))
            }
            _ => {
                let text = std::str::from_utf8(raw).map_err(|_| invalid("is not UTF-8".to_owned()))?;
                match text.parse::<Dn>() {
                    Ok(dn) if dn.rdn().is_some() => Ok(Reference::Dn(dn)),
                    Ok(_) => Err(invalid("the DN is empty".to_owned())),
                    Err(error) => Err(invalid(error.to_string())),
                }
            }
        }
    }

    /// A typed value as the file carries it; none when its kind is not the attribute's. References are written by the
    /// exporter, which knows the other objects.
    pub(crate) fn raw(&self, definition: &AttributeDefinition, value: &Value) -> Option<Vec<u8>> {
        let csv = self.settings.format == Format::Csv;
        Some(match (definition.kind, value) {
            (ValueKind::Text, Value::Text(text)) => text.clone().into_bytes(),
            (ValueKind::Integer, Value::Integer(number)) => number.to_string().into_bytes(),
            (ValueKind::Boolean, Value::Boolean(truth)) => if *truth { "TRUE" } else { "FALSE" }.into(),
            (ValueKind::Binary, Value::Binary(bytes)) if csv => match Guid::from_slice(bytes) {
                Ok(guid) if definition.name == self.settings.anchor.as_str() => guid.to_string().into_bytes(),
                _ => STANDARD.encode(bytes).into_bytes(),
            },
            (ValueKind::Binary, Value::Binary(bytes)) => bytes.clone(),
            _ => return None,
        })
    }
}

fn utf8<'a>(name: &str, raw: &'a [u8]) -> Result<&'a str, Problem> {
    std::str::from_utf8(raw).map_err(|_| problem("invalid-attribute-value", format!("`{name}` is not UTF-8 text")))
}

fn integer(name: &str, raw: &[u8]) -> Result<i64, Problem> {
    let text = utf8(name, raw)?.trim();
    let number = text.parse::<i64>();
    number.map_err(|_| problem("invalid-numeric-value", format!("`{name}`: `{text}` is not a whole number of 64 bits")))
}

/// `range=0-1499`, or `range=1500-*` for the last part (MS-ADTS 3.1.1.3.1.3.3).
fn range_of(option: &str) -> Option<(u64, Option<u64>)> {
    let (name, range) = option.split_once('=')?;
    let (first, last) = range.split_once('-')?;
    let last = if last == "*" { None } else { Some(last.parse().ok()?) };
    name.eq_ignore_ascii_case("range").then_some((first.parse().ok()?, last))
}

/// SF15: a group of which the file has the first 1,500 members only is not a group of 1,500 members.
fn complete_ranges(definition: &AttributeDefinition, mut ranges: Vec<(u64, Option<u64>)>) -> Result<(), Problem> {
    if ranges.is_empty() {
        return Ok(());
    }
    ranges.sort_by_key(|(first, last)| (*first, last.unwrap_or(u64::MAX)));
    ranges.dedup();
    let mut next = Some(0);
    for (first, last) in &ranges {
        if next == Some(*first) {
            next = last.map(|last| last.saturating_add(1));
        }
    }
    match next {
        None => Ok(()),
        Some(next) => {
            let message =
                format!("`{}` is incomplete: the file lacks its values from number {next} on", definition.name);
            Err(problem("read-error", message))
        }
    }
}
