//! The binary form of bodies: images, export memories, pending operations, metaverse objects, attribute sets, lists of keys.
//! Compact (variable-length numbers, interned attributes), versioned, and strict: what was not written by this codec is
//! reported as damage. Layout: one byte version, one byte form, then the form's content; the same value always gives the
//! same bytes.

use crate::codes;
use crate::db::Db;
use crate::error::{Fault, Inner};
use crate::in_order::{InOrder, Ranked};
use crate::names::METAVERSE;
use metaverse_schema::{
    Anchor, AttributeChange, AttributeName, Attributes, AttributesDelta, ByName, Dn, Guid, Reference, Value, ValueKind,
    Values,
};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use sync_kernel::{CsId, ExportMemory, MemoryState, MvValue, OwnedNames, PendingOperation, Remembered};

const VERSION: u8 = 1;

/// What a blob holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Image = 1,
    Memory = 2,
    Operation = 3,
    Metaverse = 4,
    AttributeSet = 5,
    Contributed = 6,
    Keys = 7,
}

/// A metaverse attribute with the run in which it got this value, contributor and rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredMvValue {
    pub(crate) value: MvValue,
    /// 0: outside a recorded run.
    pub(crate) run: i64,
}

/// 128 bits of SHA-256 over an encoded image. Attribute values are partly chosen by users, so a weaker hash will not do.
pub(crate) fn content_hash(encoded: &[u8]) -> [u8; 16] {
    let digest = Sha256::digest(encoded);
    let mut hash = [0; 16];
    hash.copy_from_slice(&digest[..16]);
    hash
}

struct Writer(Vec<u8>);

impl Writer {
    fn new(form: Form) -> Self {
        Writer(vec![VERSION, form as u8])
    }

    fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push((number as u8 & 0x7f) | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    fn length(&mut self, length: usize) {
        self.number(length as u64);
    }

    fn id(&mut self, id: i64) -> Inner<()> {
        let id = u64::try_from(id).map_err(|_| Fault::damaged(format!("negative number {id}")))?;
        self.number(id);
        Ok(())
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.length(bytes.len());
        self.0.extend_from_slice(bytes);
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Text(text) => self.bytes(text.as_bytes()),
            Value::Integer(number) => self.number(((number << 1) ^ (number >> 63)) as u64),
            Value::Boolean(truth) => self.0.push(u8::from(*truth)),
            Value::Binary(bytes) => self.bytes(bytes),
            Value::Reference(Reference::Anchor(Anchor::Guid(guid))) => {
                self.0.push(0);
                self.0.extend_from_slice(guid.as_directory_bytes());
            }
            Value::Reference(Reference::Anchor(Anchor::Text(text))) => {
                self.0.push(1);
                self.bytes(text.as_bytes());
            }
            Value::Reference(Reference::Dn(dn)) => {
                self.0.push(2);
                self.bytes(dn.to_string().as_bytes());
            }
        }
    }

    /// Values that tell their kind themselves.
    fn tagged(&mut self, values: &Values) -> Inner<()> {
        self.length(values.len());
        for value in values {
            self.0.push(u8::try_from(crate::names::kind_code(value.kind())?).unwrap_or(0));
            self.value(value);
        }
        Ok(())
    }
}

struct Reader<'a> {
    rest: &'a [u8],
    form: Form,
}

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8], form: Form) -> Inner<Self> {
        match bytes {
            [VERSION, found, rest @ ..] if *found == form as u8 => Ok(Reader { rest, form }),
            [VERSION, found, ..] => Err(Fault::damaged(format!("a stored {form:?} has the form {found}"))),
            [version, ..] => Err(Fault::damaged(format!("a stored {form:?} has the unknown codec version {version}"))),
            [] => Err(Fault::damaged(format!("a stored {form:?} is empty"))),
        }
    }

    fn fault(&self, what: &str) -> Fault {
        Fault::damaged(format!("a stored {:?} {what}", self.form))
    }

    fn byte(&mut self) -> Inner<u8> {
        match self.rest {
            [first, rest @ ..] => {
                self.rest = rest;
                Ok(*first)
            }
            [] => Err(self.fault("ends too early")),
        }
    }

    fn number(&mut self) -> Inner<u64> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(self.fault("holds an over-long number"))
    }

    fn id(&mut self) -> Inner<i64> {
        let number = self.number()?;
        i64::try_from(number).map_err(|_| self.fault("holds an impossible number"))
    }

    /// A count of things that take at least one byte each.
    fn length(&mut self) -> Inner<usize> {
        let number = self.number()?;
        match usize::try_from(number) {
            Ok(length) if length <= self.rest.len() => Ok(length),
            _ => Err(self.fault("is shorter than it says")),
        }
    }

    fn take(&mut self, length: usize) -> Inner<&'a [u8]> {
        match self.rest.split_at_checked(length) {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
            None => Err(self.fault("ends too early")),
        }
    }

    fn bytes(&mut self) -> Inner<&'a [u8]> {
        let length = self.length()?;
        self.take(length)
    }

    fn text(&mut self) -> Inner<&'a str> {
        let bytes = self.bytes()?;
        std::str::from_utf8(bytes).map_err(|_| self.fault("holds a text that is not UTF-8"))
    }

    fn flag(&mut self) -> Inner<bool> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.fault("holds a truth value that is neither")),
        }
    }

    fn dn(&mut self) -> Inner<Dn> {
        let text = self.text()?;
        text.parse().map_err(|error| self.fault(&format!("holds a malformed DN ({error})")))
    }

    fn value(&mut self, kind: ValueKind) -> Inner<Value> {
        Ok(match kind {
            ValueKind::Text => Value::Text(self.text()?.to_owned()),
            ValueKind::Integer => {
                let number = self.number()?;
                Value::Integer((number >> 1) as i64 ^ -((number & 1) as i64))
            }
            ValueKind::Boolean => Value::Boolean(self.flag()?),
            ValueKind::Binary => Value::Binary(self.bytes()?.to_vec()),
            ValueKind::Reference => match self.byte()? {
                0 => {
                    let bytes = self.take(16)?;
                    let guid = Guid::from_slice(bytes).map_err(|error| self.fault(&error.to_string()))?;
                    Value::Reference(Reference::Anchor(Anchor::Guid(guid)))
                }
                1 => {
                    let text = self.text()?;
                    let anchor = Anchor::text(text).map_err(|error| self.fault(&error.to_string()))?;
                    Value::Reference(Reference::Anchor(anchor))
                }
                2 => Value::Reference(Reference::Dn(self.dn()?)),
                _ => return Err(self.fault("holds an unknown kind of reference")),
            },
            ValueKind::Secret => return Err(self.fault("holds a secret")),
        })
    }

    fn tagged(&mut self) -> Inner<Values> {
        match self.length()? {
            1 => self.tagged_value().map(Values::single),
            several => (0..several).map(|_| self.tagged_value()).collect(),
        }
    }

    fn tagged_value(&mut self) -> Inner<Value> {
        let kind = match self.byte()? {
            1 => ValueKind::Text,
            2 => ValueKind::Integer,
            3 => ValueKind::Boolean,
            4 => ValueKind::Binary,
            5 => ValueKind::Reference,
            other => return Err(self.fault(&format!("holds a value of the unknown kind {other}"))),
        };
        self.value(kind)
    }

    fn finish(self) -> Inner<()> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.fault("has bytes behind its end")) }
    }
}

impl Db {
    /// An image. Values of one attribute that differ in kind are stored under one number each.
    pub(crate) fn encode_image(&self, space: i64, image: &Attributes) -> Inner<Vec<u8>> {
        let mut groups: BTreeMap<i64, Vec<&Value>> = BTreeMap::new();
        for (name, values) in image.iter() {
            for value in values {
                groups.entry(self.attribute_id(space, name, value.kind())?).or_default().push(value);
            }
        }
        let mut writer = Writer::new(Form::Image);
        writer.length(groups.len());
        for (id, values) in groups {
            writer.id(id)?;
            writer.length(values.len());
            values.into_iter().for_each(|value| writer.value(value));
        }
        Ok(writer.0)
    }

    pub(crate) fn decode_image(&self, space: i64, bytes: &[u8]) -> Inner<Attributes> {
        let mut reader = Reader::new(bytes, Form::Image)?;
        let count = reader.length()?;
        let mut collected = InOrder::with_room(count);
        for _ in 0..count {
            let (attribute, kind) = self.attribute_of(space, &mut reader)?;
            let Some(kind) = kind else { return Err(reader.fault("has values of an attribute without a kind")) };
            let values = match reader.length()? {
                1 => Values::single(reader.value(kind)?),
                several => (0..several).map(|_| reader.value(kind)).collect::<Inner<_>>()?,
            };
            if !values.is_empty() {
                collected.push(attribute, values);
            }
        }
        reader.finish()?;
        // One name has an entry for each kind of its values.
        Ok(Attributes::from_ordered(collected.finish(|all, values: Values| {
            for value in values {
                all.insert(value);
            }
        })))
    }

    fn attribute_of(&self, space: i64, reader: &mut Reader<'_>) -> Inner<(Ranked, Option<ValueKind>)> {
        let id = reader.id()?;
        let attribute = self.attribute(id)?;
        if attribute.space != space {
            return Err(reader.fault(&format!("names attribute {id}, which belongs to another space")));
        }
        Ok((Ranked { name: attribute.name, rank: attribute.rank }, attribute.kind))
    }

    /// Only names the attribute: the values that follow tell their kind themselves, and may be none.
    fn put_name(&self, writer: &mut Writer, space: i64, name: &AttributeName) -> Inner<()> {
        writer.id(self.any_attribute_id(space, name)?)
    }

    pub(crate) fn encode_memory(&self, space: i64, memory: &ExportMemory) -> Inner<Vec<u8>> {
        let mut writer = Writer::new(Form::Memory);
        writer.length(memory.attributes.len());
        for (name, remembered) in &memory.attributes {
            self.put_name(&mut writer, space, name)?;
            writer.tagged(&remembered.wanted)?;
            match &remembered.state {
                MemoryState::Unconfirmed => writer.0.push(0),
                MemoryState::Held { returned } => {
                    writer.0.push(1);
                    writer.tagged(returned)?;
                }
            }
        }
        Ok(writer.0)
    }

    pub(crate) fn decode_memory(&self, space: i64, bytes: &[u8]) -> Inner<ExportMemory> {
        let mut reader = Reader::new(bytes, Form::Memory)?;
        let mut memory = ExportMemory::default();
        for _ in 0..reader.length()? {
            let (Ranked { name, .. }, _) = self.attribute_of(space, &mut reader)?;
            let wanted = reader.tagged()?;
            let state = match reader.byte()? {
                0 => MemoryState::Unconfirmed,
                1 => MemoryState::Held { returned: reader.tagged()? },
                _ => return Err(reader.fault("has an unknown state")),
            };
            memory.attributes.insert(name, Remembered { wanted, state });
        }
        reader.finish()?;
        Ok(memory)
    }

    fn put_delta(&self, writer: &mut Writer, space: i64, delta: &AttributesDelta) -> Inner<()> {
        writer.length(delta.0.len());
        for (name, change) in &delta.0 {
            self.put_name(writer, space, name)?;
            match change {
                AttributeChange::Replace(values) => {
                    writer.0.push(0);
                    writer.tagged(values)?;
                }
                AttributeChange::Update { add, remove } => {
                    writer.0.push(1);
                    writer.tagged(add)?;
                    writer.tagged(remove)?;
                }
            }
        }
        Ok(())
    }

    fn get_delta(&self, reader: &mut Reader<'_>, space: i64) -> Inner<AttributesDelta> {
        let mut delta = AttributesDelta::default();
        for _ in 0..reader.length()? {
            let (Ranked { name, .. }, _) = self.attribute_of(space, reader)?;
            let change = match reader.byte()? {
                0 => AttributeChange::Replace(reader.tagged()?),
                1 => AttributeChange::Update { add: reader.tagged()?, remove: reader.tagged()? },
                _ => return Err(reader.fault("has an unknown change")),
            };
            delta.0.insert(name, change);
        }
        Ok(delta)
    }

    pub(crate) fn encode_operation(&self, space: i64, operation: &PendingOperation) -> Inner<Vec<u8>> {
        let mut writer = Writer::new(Form::Operation);
        writer.0.push(u8::try_from(codes::operation(operation)).unwrap_or(u8::MAX));
        match operation {
            PendingOperation::Add { attributes } => {
                writer.length(attributes.len());
                for (name, values) in attributes.iter() {
                    self.put_name(&mut writer, space, name)?;
                    writer.tagged(values)?;
                }
            }
            PendingOperation::Update { rename, changes, afterwards, takeover } => {
                writer.bytes(rename.as_ref().map(Dn::to_string).unwrap_or_default().as_bytes());
                writer.0.push(u8::from(*takeover));
                self.put_delta(&mut writer, space, changes)?;
                self.put_delta(&mut writer, space, afterwards)?;
            }
            PendingOperation::Restore { changes, afterwards } => {
                self.put_delta(&mut writer, space, changes)?;
                self.put_delta(&mut writer, space, afterwards)?;
            }
            PendingOperation::Delete { cause, ownership } | PendingOperation::Detach { cause, ownership } => {
                writer.id(codes::cause(*cause))?;
                writer.id(codes::ownership(*ownership))?;
            }
        }
        Ok(writer.0)
    }

    pub(crate) fn decode_operation(&self, space: i64, bytes: &[u8]) -> Inner<PendingOperation> {
        let mut reader = Reader::new(bytes, Form::Operation)?;
        let operation = match reader.byte()? {
            0 => {
                let mut attributes = Attributes::new();
                for _ in 0..reader.length()? {
                    let (Ranked { name, .. }, _) = self.attribute_of(space, &mut reader)?;
                    attributes.set(name, reader.tagged()?);
                }
                PendingOperation::Add { attributes }
            }
            1 => {
                let rename = reader.dn()?;
                PendingOperation::Update {
                    rename: rename.rdn().is_some().then_some(rename),
                    takeover: reader.flag()?,
                    changes: self.get_delta(&mut reader, space)?,
                    afterwards: self.get_delta(&mut reader, space)?,
                }
            }
            2 => PendingOperation::Restore {
                changes: self.get_delta(&mut reader, space)?,
                afterwards: self.get_delta(&mut reader, space)?,
            },
            tag @ (3 | 4) => {
                let (cause, ownership) = (codes::cause_of(reader.id()?)?, codes::ownership_of(reader.id()?)?);
                if tag == 3 {
                    PendingOperation::Delete { cause, ownership }
                } else {
                    PendingOperation::Detach { cause, ownership }
                }
            }
            _ => return Err(reader.fault("is of an unknown kind")),
        };
        reader.finish()?;
        Ok(operation)
    }

    pub(crate) fn encode_metaverse(&self, attributes: &BTreeMap<AttributeName, StoredMvValue>) -> Inner<Vec<u8>> {
        let mut writer = Writer::new(Form::Metaverse);
        writer.length(attributes.len());
        for (name, stored) in attributes {
            self.put_name(&mut writer, METAVERSE, name)?;
            writer.id(stored.value.contributor.0)?;
            writer.id(self.rule_id(&stored.value.rule)?)?;
            writer.id(stored.run)?;
            writer.tagged(&stored.value.values)?;
        }
        Ok(writer.0)
    }

    pub(crate) fn decode_metaverse(&self, bytes: &[u8]) -> Inner<BTreeMap<AttributeName, StoredMvValue>> {
        Ok(self.metaverse_of(bytes, |stored| stored)?.into_iter().collect())
    }

    /// The same without the runs, as the kernel sees it.
    pub(crate) fn decode_metaverse_values(&self, bytes: &[u8]) -> Inner<ByName<MvValue>> {
        Ok(ByName::from_ordered(self.metaverse_of(bytes, |stored| stored.value)?))
    }

    fn metaverse_of<T>(&self, bytes: &[u8], kept: impl Fn(StoredMvValue) -> T) -> Inner<Vec<(AttributeName, T)>> {
        let mut reader = Reader::new(bytes, Form::Metaverse)?;
        let count = reader.length()?;
        let mut collected = InOrder::with_room(count);
        for _ in 0..count {
            let (attribute, _) = self.attribute_of(METAVERSE, &mut reader)?;
            let contributor = CsId(reader.id()?);
            let rule = self.rule(reader.id()?)?;
            let run = reader.id()?;
            let values = reader.tagged()?;
            collected.push(attribute, kept(StoredMvValue { value: MvValue { values, contributor, rule }, run }));
        }
        reader.finish()?;
        Ok(collected.finish(|before, again| *before = again))
    }

    pub(crate) fn encode_attribute_set(&self, space: i64, names: &BTreeSet<AttributeName>) -> Inner<Vec<u8>> {
        let mut writer = Writer::new(Form::AttributeSet);
        writer.length(names.len());
        for name in names {
            writer.id(self.any_attribute_id(space, name)?)?;
        }
        Ok(writer.0)
    }

    /// The objects of a space have few different sets, each of which is taken apart once.
    pub(crate) fn decode_attribute_set(&self, space: i64, bytes: &[u8]) -> Inner<OwnedNames> {
        if let Some(known) = self.names.known_set(space, bytes) {
            return Ok(known);
        }
        let mut reader = Reader::new(bytes, Form::AttributeSet)?;
        let mut names = BTreeSet::new();
        for _ in 0..reader.length()? {
            names.insert(self.attribute_of(space, &mut reader)?.0.name);
        }
        reader.finish()?;
        let names = OwnedNames::new(names);
        self.names.remember_set(space, bytes, &names);
        Ok(names)
    }

    pub(crate) fn encode_contributed(
        &self,
        space: i64,
        contributed: &BTreeMap<AttributeName, Values>,
    ) -> Inner<Vec<u8>> {
        let mut writer = Writer::new(Form::Contributed);
        writer.length(contributed.len());
        for (name, values) in contributed {
            self.put_name(&mut writer, space, name)?;
            writer.tagged(values)?;
        }
        Ok(writer.0)
    }

    pub(crate) fn decode_contributed(&self, space: i64, bytes: &[u8]) -> Inner<BTreeMap<AttributeName, Values>> {
        let mut reader = Reader::new(bytes, Form::Contributed)?;
        let mut contributed = BTreeMap::new();
        for _ in 0..reader.length()? {
            let (Ranked { name, .. }, _) = self.attribute_of(space, &mut reader)?;
            contributed.insert(name, reader.tagged()?);
        }
        reader.finish()?;
        Ok(contributed)
    }
}

/// The keys that an object carries, in their order.
pub(crate) fn encode_keys(keys: &[(i64, Vec<u8>)]) -> Inner<Vec<u8>> {
    let mut writer = Writer::new(Form::Keys);
    writer.length(keys.len());
    for (key, value) in keys {
        writer.id(*key)?;
        writer.bytes(value);
    }
    Ok(writer.0)
}

pub(crate) fn decode_keys(bytes: &[u8]) -> Inner<Vec<(i64, Vec<u8>)>> {
    let mut reader = Reader::new(bytes, Form::Keys)?;
    let count = reader.length()?;
    let mut keys = Vec::with_capacity(count);
    for _ in 0..count {
        keys.push((reader.id()?, reader.bytes()?.to_vec()));
    }
    reader.finish()?;
    Ok(keys)
}

/// An anchor as the database orders it: one byte for its kind, then its bytes.
pub(crate) fn anchor_bytes(anchor: &Anchor) -> Vec<u8> {
    match anchor {
        Anchor::Guid(guid) => [b"g", guid.as_directory_bytes().as_slice()].concat(),
        Anchor::Text(text) => [b"t", text.as_bytes()].concat(),
    }
}

pub(crate) fn anchor_of(bytes: &[u8]) -> Inner<Anchor> {
    let bad = || Fault::damaged("a stored anchor is malformed");
    match bytes {
        [b'g', rest @ ..] => Guid::from_slice(rest).map(Anchor::Guid).map_err(|_| bad()),
        [b't', rest @ ..] => std::str::from_utf8(rest).ok().and_then(|text| Anchor::text(text).ok()).ok_or_else(bad),
        _ => Err(bad()),
    }
}

/// A value as a comparable blob: kind and bytes.
pub(crate) fn value_bytes(value: &Value) -> Inner<Vec<u8>> {
    let mut writer = Writer(Vec::new());
    writer.tagged(&Values::single(value.clone()))?;
    Ok(writer.0)
}

pub(crate) fn value_of(bytes: &[u8]) -> Inner<Value> {
    let mut reader = Reader { rest: bytes, form: Form::Image };
    let values = reader.tagged()?;
    reader.finish()?;
    values.into_iter().next().ok_or_else(|| Fault::damaged("a stored value is empty"))
}
