//! CSV: a header row, then one object a row. Reads it with the places of what is wrong, writes it back with every column.
//! Never takes a row with too few or too many fields for an object.

use crate::input::{broken, cannot_start};
use crate::record::{Modification, ModificationKind, Problem, Purpose, RawChange, RawRecord, Reading, problem};
use crate::{ObjectTypes, Settings};
use connector_contract::ConnectorError;
use csv::ByteRecord;
use metaverse_schema::Plurality;
use std::cell::RefCell;
use std::collections::{BTreeSet, VecDeque};
use std::io::{self, BufRead, Chain, Cursor, Read, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Read after the file's own last byte. If it comes out as a row of its own, every quotation of the file was closed.
const END_MARK: &[u8] = b"\0end of file\0";
const END: &[u8] = b"\n\0end of file\0\n";

pub(crate) struct CsvReader {
    reader: csv::Reader<Chain<Watched, Cursor<&'static [u8]>>>,
    passed: Rc<RefCell<Passed>>,
    path: PathBuf,
    header: Vec<String>,
    /// For each column: what its cells are.
    columns: Vec<Column>,
    separator: String,
    /// The row that was read ahead, to see whether another follows it.
    ahead: Option<ByteRecord>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Dn,
    ChangeType,
    Single,
    Multi,
    /// The anchor: never among the changes of a `modify` row.
    Anchor,
}

impl CsvReader {
    pub(crate) fn new(
        mut input: Box<dyn BufRead>,
        path: &Path,
        settings: &Settings,
        purpose: Purpose,
    ) -> Result<CsvReader, ConnectorError> {
        // Export-Csv of Windows PowerShell writes the .NET type first.
        let mut skipped_lines = 0;
        if input.fill_buf().map_err(|error| broken(path, &error))?.starts_with(b"#TYPE") {
            skipped_lines = 1;
            input.read_until(b'\n', &mut Vec::new()).map_err(|error| broken(path, &error))?;
        }
        let passed = Rc::new(RefCell::new(Passed { lines: skipped_lines, ..Passed::default() }));
        let source = Watched { input, passed: Rc::clone(&passed) };
        let mut reader = CsvReader {
            reader: csv::ReaderBuilder::new()
                .delimiter(settings.delimiter)
                .has_headers(false)
                .flexible(true)
                .from_reader(source.chain(Cursor::new(END))),
            passed,
            path: path.to_owned(),
            header: Vec::new(),
            columns: Vec::new(),
            separator: settings.multi_value_separator.clone(),
            ahead: None,
        };
        if let Some(header) = reader.row()? {
            reader.take_header(&header, settings, purpose)?;
            reader.ahead = reader.row()?;
        }
        Ok(reader)
    }

    pub(crate) fn header(&self) -> &[String] {
        &self.header
    }

    /// The next row; none after the last one.
    fn row(&mut self) -> Result<Option<ByteRecord>, ConnectorError> {
        let mut row = ByteRecord::new();
        let failed = |error: csv::Error| broken(&self.path, &io::Error::other(error));
        let more = self.reader.read_byte_record(&mut row).map_err(failed)?;
        if more && is_end(&row) && self.reader.read_byte_record(&mut ByteRecord::new()).map_err(failed)? {
            // SF15: the mark of the end inside the file would hide what follows.
            let remedy = "remove that row";
            return Err(cannot_start(&self.path, "no-start-file-format", "has a row of control characters", remedy));
        }
        Ok((more && !is_end(&row)).then_some(row))
    }

    fn take_header(&mut self, row: &ByteRecord, settings: &Settings, purpose: Purpose) -> Result<(), ConnectorError> {
        let wrong = |path: &Path, what: String| {
            let remedy = "the first row names the columns, in the encoding and with the delimiter of the settings";
            Err(cannot_start(path, "no-start-file-format", &what, remedy))
        };
        let mut seen = BTreeSet::new();
        for field in row {
            let Ok(name) = std::str::from_utf8(field) else {
                return wrong(&self.path, "has a header that is not UTF-8".to_owned());
            };
            let name = name.trim();
            if name.is_empty() || !seen.insert(name.to_lowercase()) {
                return wrong(&self.path, format!("has two columns, or none, by the name `{name}` in its header"));
            }
            self.header.push(name.to_owned());
        }
        let mut needed = vec![settings.anchor.as_str()];
        if purpose == Purpose::Changes {
            needed.push(&settings.change_type_column);
        }
        if let ObjectTypes::ByAttribute { attribute, .. } = &settings.object_types {
            needed.push(attribute);
        }
        for name in needed {
            if !seen.contains(&name.to_lowercase()) {
                return wrong(&self.path, format!("has no column `{name}` in its header"));
            }
        }
        let dn_column = dn_column(&self.header).unwrap_or("dn").to_lowercase();
        self.columns = self
            .header
            .iter()
            .map(|name| match name.to_lowercase() {
                name if name == dn_column => Column::Dn,
                name if name == settings.anchor.to_lowercase() => Column::Anchor,
                name if purpose == Purpose::Changes && name == settings.change_type_column.to_lowercase() => {
                    Column::ChangeType
                }
                name => column_of(settings, &name),
            })
            .collect();
        Ok(())
    }

    pub(crate) fn next(&mut self) -> Result<Option<Reading>, ConnectorError> {
        let Some(row) = self.ahead.take() else {
            return Ok(None);
        };
        self.ahead = self.row()?;
        let start = row.position().map_or(0, csv::Position::byte);
        let line = self.passed.borrow_mut().line_of(start);
        let cut = self.ahead.is_none() && self.passed.borrow().last != b'\n';
        let read = if swallowed_end(&row) {
            Err(problem("parse-error", "a quotation that starts in this row is never closed"))
        } else if cut {
            // SF15: the last field may be half a value.
            let message = "the file ends inside this row: it was cut, or lacks the last line ending";
            Err(problem("read-error", message))
        } else {
            self.record(&row, line)
        };
        Ok(Some(match read {
            Ok(record) => Reading::Record(record),
            Err(found) => Reading::Bad(found.at(&self.path, line, None)),
        }))
    }

    fn record(&self, row: &ByteRecord, line: u64) -> Result<RawRecord, Problem> {
        if row.len() != self.header.len() {
            let message = format!("{} fields in this row, {} columns in the header", row.len(), self.header.len());
            return Err(problem("parse-error", message));
        }
        let mut record = RawRecord { line, ..RawRecord::default() };
        let mut change_type = None;
        let mut modifications = Vec::new();
        for ((name, column), cell) in self.header.iter().zip(&self.columns).zip(row) {
            let Ok(text) = std::str::from_utf8(cell) else {
                let message = format!("`{name}` is not UTF-8; check the `encoding` setting");
                return Err(problem("parse-error", message));
            };
            let values: Vec<Vec<u8>> = match column {
                Column::Multi => text.split(&self.separator).map(|part| part.as_bytes().to_vec()).collect(),
                _ => vec![cell.to_vec()],
            };
            let values: Vec<Vec<u8>> = values.into_iter().filter(|value| !value.is_empty()).collect();
            match column {
                Column::ChangeType => change_type = Some(text.trim().to_lowercase()),
                Column::Dn => record.dn = Some(text.to_owned()).filter(|dn| !dn.is_empty()),
                _ => {}
            }
            if matches!(column, Column::Single | Column::Multi) {
                modifications.push(Modification {
                    kind: ModificationKind::Replace,
                    attribute: name.clone(),
                    values: values.clone(),
                });
            }
            if *column != Column::ChangeType {
                record.values.extend(values.into_iter().map(|value| (name.clone(), value)));
            }
        }
        record.change = match change_type.as_deref() {
            None => RawChange::Content,
            Some("add") => RawChange::Add,
            Some("delete") => RawChange::Delete,
            Some("modify") => RawChange::Modify(modifications),
            Some("") => return Err(problem("missing-change-type", "the row has no change type")),
            Some(other) => {
                let message = format!("the change type `{other}` is not add, modify or delete");
                return Err(problem("invalid-change-type", message));
            }
        };
        Ok(record)
    }
}

/// The column that carries the DN: csvde and Get-ADUser differ in its name.
pub(crate) fn dn_column(header: &[String]) -> Option<&str> {
    let find = |wanted: &str| header.iter().find(|name| name.eq_ignore_ascii_case(wanted));
    find("dn").or_else(|| find("distinguishedName")).map(String::as_str)
}

fn column_of(settings: &Settings, name: &str) -> Column {
    let mut definitions = settings.schema.attributes.values();
    match definitions.find(|definition| definition.name.as_str().to_lowercase() == name) {
        Some(definition) if definition.plurality == Plurality::Multi => Column::Multi,
        _ => Column::Single,
    }
}

fn is_end(row: &ByteRecord) -> bool {
    row.len() == 1 && row.get(0) == Some(END_MARK)
}

fn swallowed_end(row: &ByteRecord) -> bool {
    let last = row.iter().next_back();
    last.is_some_and(|field| field.windows(END_MARK.len()).any(|part| part == END_MARK))
}

/// Passes bytes on and remembers where lines ended. The CSV reader's own line numbers lag behind by one where lines end
/// with carriage return and line feed, and at empty lines.
struct Watched {
    input: Box<dyn BufRead>,
    passed: Rc<RefCell<Passed>>,
}

#[derive(Default)]
struct Passed {
    offset: u64,
    last: u8,
    /// Offsets of line feeds not yet counted, and whether a carriage return stood before.
    line_feeds: VecDeque<(u64, bool)>,
    lines: u64,
}

impl Passed {
    /// The line, from 1, of a row that the CSV reader found at `start`, which may be before empty lines.
    fn line_of(&mut self, mut start: u64) -> u64 {
        while let Some((at, after_return)) = self.line_feeds.front().copied() {
            let empty_line = at == start || (at == start + 1 && after_return);
            if at > start && !empty_line {
                break;
            }
            if empty_line {
                start = at + 1;
            }
            self.lines += 1;
            self.line_feeds.pop_front();
        }
        self.lines + 1
    }
}

impl Read for Watched {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(into)?;
        let mut passed = self.passed.borrow_mut();
        for byte in &into[..count] {
            if *byte == b'\n' {
                let end = (passed.offset, passed.last == b'\r');
                passed.line_feeds.push_back(end);
            }
            passed.last = *byte;
            passed.offset += 1;
        }
        Ok(count)
    }
}

/// Writes the rows under `header`; the DN goes to the column that carries it, values of one attribute into one cell.
pub(crate) fn write(
    out: &mut dyn Write,
    header: &[String],
    records: &[&RawRecord],
    settings: &Settings,
) -> io::Result<()> {
    let mut writer = csv::WriterBuilder::new().delimiter(settings.delimiter).from_writer(out);
    writer.write_record(header)?;
    for record in records {
        let cells = header.iter().map(|column| {
            let of_column = record.values.iter().filter(|(name, _)| name.eq_ignore_ascii_case(column));
            let cells: Vec<&[u8]> = of_column.map(|(_, value)| value.as_slice()).collect();
            cells.join(settings.multi_value_separator.as_bytes())
        });
        writer.write_record(cells)?;
    }
    writer.flush()
}
