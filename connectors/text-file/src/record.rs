//! A record as it stands in a file, before any schema is applied, and the stream of them. Never typed, never judged
//! beyond the file format itself.

use crate::input::{Input, Witness};
use crate::{Format, Settings, ldif, table};
use connector_contract::{ConnectorError, ObjectIssue};
use std::path::Path;

/// One entry of a file. Values are bytes as the format carries them: LDIF values with base64 taken off, CSV cells as text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct RawRecord {
    /// Line of the file at which it starts, from 1.
    pub(crate) line: u64,
    pub(crate) dn: Option<String>,
    pub(crate) change: RawChange,
    /// Attribute descriptions as written, options included, with one value each, in the order of the file.
    pub(crate) values: Vec<(String, Vec<u8>)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum RawChange {
    /// A plain record, without a change type.
    #[default]
    Content,
    Add,
    Delete,
    Modify(Vec<Modification>),
    Rename {
        new_rdn: String,
        delete_old_rdn: bool,
        new_superior: Option<String>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Modification {
    pub(crate) kind: ModificationKind,
    pub(crate) attribute: String,
    pub(crate) values: Vec<Vec<u8>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ModificationKind {
    Add,
    Delete,
    Replace,
}

/// What is wrong with one record: a discovery code (R69) and the sentence for the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

pub(crate) fn problem(code: &'static str, message: impl Into<String>) -> Problem {
    let message = message.into();
    Problem { code, message }
}

impl Problem {
    /// Names the object as the operator finds it: file, line, DN.
    pub(crate) fn at(self, path: &Path, line: u64, dn: Option<&str>) -> ObjectIssue {
        let file = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
        let name = dn.map(|dn| format!(": {dn}")).unwrap_or_default();
        ObjectIssue {
            code: self.code,
            object: format!("{file} line {line}{name}"),
            anchor: None,
            message: format!("{} line {line}: {}", path.display(), self.message),
        }
    }
}

/// One step of the stream: a record, or why there is none and where.
#[derive(Debug)]
pub(crate) enum Reading {
    Record(RawRecord),
    Bad(ObjectIssue),
}

/// The records of one file, in its order, read as they are asked for.
pub(crate) struct Records {
    reader: Reader,
    pub(crate) witness: Witness,
}

enum Reader {
    Ldif(ldif::LdifReader),
    Csv(Box<table::CsvReader>),
}

/// Which columns a CSV file must have; LDIF has no columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Content,
    Changes,
}

impl Records {
    pub(crate) fn open(path: &Path, settings: &Settings, purpose: Purpose) -> Result<Records, ConnectorError> {
        let input = Input::open(path, settings.encoding)?;
        let witness = input.witness(path)?;
        let reader = match settings.format {
            Format::Ldif => Reader::Ldif(ldif::LdifReader::new(input.text, path)),
            Format::Csv => Reader::Csv(Box::new(table::CsvReader::new(input.text, path, settings, purpose)?)),
        };
        Ok(Records { reader, witness })
    }

    pub(crate) fn next(&mut self) -> Result<Option<Reading>, ConnectorError> {
        match &mut self.reader {
            Reader::Ldif(reader) => reader.next(),
            Reader::Csv(reader) => reader.next(),
        }
    }

    /// The columns of a CSV file.
    pub(crate) fn header(&self) -> Vec<String> {
        match &self.reader {
            Reader::Ldif(_) => Vec::new(),
            Reader::Csv(reader) => reader.header().to_vec(),
        }
    }
}
