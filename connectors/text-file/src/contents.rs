//! A file in memory while it is rewritten: its records, found by anchor and by DN, and the way back to the disk.
//! Never applies an export by itself; export.rs does.

use crate::input::{self, Stamp, cannot_start};
use crate::record::{Purpose, RawChange, RawRecord, Reading, Records};
use crate::vocabulary::Vocabulary;
use crate::{Format, ReferenceBy, ldif, table};
use connector_contract::{ConnectorError, ErrorKind};
use metaverse_schema::{Anchor, AttributeDefinition, Dn, Reference, ValueKind};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::io::{self, Write};

/// A file in memory, while it is rewritten.
pub(crate) struct Contents<'a> {
    pub(crate) vocabulary: &'a Vocabulary,
    pub(crate) header: Vec<String>,
    /// A deleted record leaves a hole, so that positions stay.
    pub(crate) records: Vec<Option<RawRecord>>,
    pub(crate) by_anchor: HashMap<Anchor, usize>,
    /// Anchors that more than one record carries: neither is touched.
    pub(crate) ambiguous: HashSet<Anchor>,
    pub(crate) by_dn: HashMap<String, usize>,
    pub(crate) stamp: Option<Stamp>,
    pub(crate) changed: bool,
}

impl<'a> Contents<'a> {
    pub(crate) fn load(vocabulary: &'a Vocabulary) -> Result<Contents<'a>, ConnectorError> {
        let settings = &vocabulary.settings;
        let target = settings.target();
        let stamp = Stamp::of(target).ok();
        let source = if stamp.is_some() { target } else { &settings.path };
        let mut records = Records::open(source, settings, Purpose::Content)?;
        let mut contents = Contents {
            vocabulary,
            header: records.header(),
            records: Vec::new(),
            by_anchor: HashMap::new(),
            ambiguous: HashSet::new(),
            by_dn: HashMap::new(),
            stamp,
            changed: false,
        };
        while let Some(reading) = records.next()? {
            let found = match reading {
                Reading::Record(record) if matches!(record.change, RawChange::Content | RawChange::Add) => {
                    contents.insert(record);
                    continue;
                }
                Reading::Record(record) => format!("has a change record at line {}", record.line),
                Reading::Bad(issue) => format!("cannot be read whole: {}", issue.message),
            };
            let remedy = "correct the record first: rewriting the file would lose it";
            return Err(cannot_start(source, "no-start-file-format", &found, remedy));
        }
        records.witness.unchanged(source)?;
        Ok(contents)
    }

    pub(crate) fn insert(&mut self, record: RawRecord) {
        let position = self.records.len();
        if let Ok(Some(dn)) = self.vocabulary.dn(&record) {
            self.by_dn.insert(dn.normalised(), position);
        }
        // A record without a readable anchor is kept as it is and cannot be addressed.
        if let Ok(anchor) = self.vocabulary.anchor(&record)
            && self.by_anchor.insert(anchor.clone(), position).is_some()
        {
            self.ambiguous.insert(anchor);
        }
        self.records.push(Some(record));
    }

    pub(crate) fn record(&self, position: usize) -> Option<&RawRecord> {
        self.records.get(position).and_then(Option::as_ref)
    }

    pub(crate) fn set_values(&self, record: &mut RawRecord, definition: &AttributeDefinition, raw: Vec<Vec<u8>>) {
        let is_other = |name: &str| self.vocabulary.find(name).is_none_or(|found| found.name != definition.name);
        record.values.retain(|(name, _)| is_other(name));
        let name = definition.name.as_str();
        record.values.extend(raw.into_iter().map(|value| (name.to_owned(), value)));
    }

    /// Sets the DN, and the column that carries it in CSV.
    pub(crate) fn set_dn(&self, record: &mut RawRecord, dn: &Dn) {
        record.dn = Some(dn.to_string());
        if self.vocabulary.settings.format == Format::Csv {
            let column = table::dn_column(&self.header).unwrap_or("dn");
            record.values.retain(|(name, _)| !name.eq_ignore_ascii_case(column));
            record.values.push((column.to_owned(), dn.to_string().into_bytes()));
        }
    }

    pub(crate) fn anchor_name(&self) -> &str {
        &self.vocabulary.settings.anchor
    }

    /// Values are one when their keys are equal: references and anchors by their normal form, all others to the byte.
    pub(crate) fn key(&self, definition: &AttributeDefinition, raw: &[u8]) -> Vec<u8> {
        match definition.kind {
            ValueKind::Reference => reference_key(self.vocabulary, raw).into_bytes(),
            _ if definition.name == self.anchor_name() => {
                let anchor = self.vocabulary.anchor_from(raw).map(|anchor| anchor.to_string().into_bytes());
                anchor.unwrap_or_else(|_| raw.to_vec())
            }
            _ => raw.to_vec(),
        }
    }

    /// How the file names the target: its present DN in the file, or as the engine knows it.
    pub(crate) fn reference_text(&self, reference: &Reference) -> Option<Vec<u8>> {
        let by_dn = self.vocabulary.settings.reference_by == ReferenceBy::Dn;
        let named = match reference {
            Reference::Anchor(anchor) if by_dn => {
                let record = self.by_anchor.get(anchor).and_then(|at| self.record(*at));
                record.and_then(|record| record.dn.clone())
            }
            Reference::Dn(dn) if !by_dn => {
                let record = self.by_dn.get(&dn.normalised()).and_then(|at| self.record(*at));
                record.and_then(|record| self.vocabulary.anchor(record).ok()).map(|anchor| anchor.to_string())
            }
            _ => Some(reference.to_string()),
        };
        named.map(String::into_bytes)
    }

    /// What stood below the old DN, and what refers to it or below it, goes along.
    pub(crate) fn follow_rename(&mut self, old: &Dn, new: &Dn) {
        let vocabulary = self.vocabulary;
        let by_dn = vocabulary.settings.reference_by == ReferenceBy::Dn;
        let hint = search_hint(old);
        let moved = |text: &[u8]| -> Option<Dn> {
            if !may_name(text, &hint) {
                return None;
            }
            let dn: Dn = std::str::from_utf8(text).ok()?.parse().ok()?;
            let own = dn.rdns().len().checked_sub(old.rdns().len())?;
            let rdns = dn.rdns()[..own].iter().chain(new.rdns()).cloned().collect();
            dn.is_within(old).then(|| Dn::from_rdns(rdns))
        };
        let mut below = Vec::new();
        for (position, record) in self.records.iter_mut().enumerate() {
            let Some(record) = record else { continue };
            if let Some(dn) = record.dn.as_ref().and_then(|dn| moved(dn.as_bytes())) {
                below.push((position, dn));
            }
            let references = record.values.iter_mut().filter(|(name, _)| by_dn && is_reference(vocabulary, name));
            for (_, value) in references {
                if let Some(dn) = moved(value) {
                    *value = dn.to_string().into_bytes();
                }
            }
        }
        for (position, dn) in below {
            let Some(mut record) = self.records.get_mut(position).and_then(Option::take) else {
                continue;
            };
            if let Ok(Some(before)) = vocabulary.dn(&record) {
                self.by_dn.remove(&before.normalised());
            }
            self.by_dn.insert(dn.normalised(), position);
            self.set_dn(&mut record, &dn);
            self.records[position] = Some(record);
        }
    }

    /// Replaces the file; `false` when it stands but its folder could not be flushed.
    pub(crate) fn write(&mut self) -> Result<bool, ConnectorError> {
        let settings = &self.vocabulary.settings;
        let mut records: Vec<RawRecord> = self.records.drain(..).flatten().collect();
        if settings.format == Format::Ldif {
            records.sort_by_cached_key(|record| hierarchy(self.vocabulary, record));
            for record in &mut records {
                record.values.sort_by_cached_key(|(name, _)| name.to_lowercase());
            }
        }
        let header = self.full_header(&records);
        let all: Vec<&RawRecord> = records.iter().collect();
        let write = |out: &mut dyn Write| -> io::Result<()> {
            match settings.format {
                Format::Ldif => ldif::write(out, &all),
                Format::Csv => table::write(out, &header, &all, settings),
            }
        };
        let mut bytes = Vec::new();
        write(&mut bytes).map_err(|error| {
            let attempted = format!("writing {}", settings.target().display());
            ConnectorError::new(ErrorKind::Protocol, attempted, error.to_string(), "")
        })?;
        let encoded = input::encode(bytes, settings.encoding);
        input::replace(settings.target(), self.stamp, |out| out.write_all(&encoded))
    }

    /// The columns of the file in their order, then DN, anchor and the others that were added, by name.
    pub(crate) fn full_header(&self, records: &[RawRecord]) -> Vec<String> {
        let mut header = self.header.clone();
        let has = |header: &[String], name: &str| header.iter().any(|known| known.eq_ignore_ascii_case(name));
        let used: BTreeSet<&str> =
            records.iter().flat_map(|record| &record.values).map(|(name, _)| name.as_str()).collect();
        let dn = used.contains("dn").then_some("dn");
        for name in dn.into_iter().chain([self.anchor_name()]).chain(used.iter().copied()) {
            if !has(&header, name) {
                header.push(name.to_owned());
            }
        }
        header
    }
}

pub(crate) fn is_reference(vocabulary: &Vocabulary, name: &str) -> bool {
    vocabulary.find(name).is_some_and(|definition| definition.kind == ValueKind::Reference)
}

pub(crate) fn reference_key(vocabulary: &Vocabulary, raw: &[u8]) -> String {
    let text = String::from_utf8_lossy(raw);
    match vocabulary.settings.reference_by {
        ReferenceBy::Dn => text.parse::<Dn>().map_or_else(|_| text.to_lowercase(), |dn| dn.normalised()),
        ReferenceBy::Anchor => {
            vocabulary.anchor_from(raw).map_or_else(|_| text.to_string(), |anchor| anchor.to_string())
        }
    }
}

/// Containers before what they contain, siblings by name.
fn hierarchy(vocabulary: &Vocabulary, record: &RawRecord) -> Vec<String> {
    match vocabulary.dn(record) {
        Ok(Some(dn)) => dn.rdns().iter().rev().map(|rdn| rdn.normalised()).collect(),
        _ => record.dn.iter().cloned().collect(),
    }
}

/// The longest run of plain letters and digits in the first RDN: a DN below it contains that run, or an escape.
fn search_hint(dn: &Dn) -> Vec<u8> {
    let value = dn.rdn().map_or("", |rdn| rdn.value());
    let runs = value.split(|c: char| !c.is_ascii_alphanumeric());
    runs.max_by_key(|run| run.len()).unwrap_or_default().as_bytes().to_vec()
}

fn may_name(text: &[u8], hint: &[u8]) -> bool {
    hint.is_empty() || text.contains(&b'\\') || text.windows(hint.len()).any(|part| part.eq_ignore_ascii_case(hint))
}
