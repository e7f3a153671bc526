//! Reads an inventory from the bytes of a file, whatever wrote it: UTF-8 or UTF-16, with or without a byte order mark, a comma,
//! semicolon or tab between the fields, a `#TYPE` line first. A line that is not understood is named and left out; a file that
//! is none is refused with what to do.

use super::columns::{Column, Side, belongs_elsewhere, column};
use super::inventory::{CloudKind, CloudObject, Inventory, Person};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use metaverse_schema::Guid;
use std::collections::{BTreeMap, BTreeSet};

/// Lines that are told; a file of another kind would tell all of its lines.
const MOST_ISSUES: usize = 20;
/// How PowerShell writes a value that is a list, instead of the list.
const NO_LIST: [&str; 4] = ["System.", "Microsoft.ActiveDirectory.", "Microsoft.Graph.", "Microsoft.Online."];

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct ReadProblem {
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) remedy: String,
}

fn problem(code: &'static str, message: impl Into<String>, remedy: impl Into<String>) -> ReadProblem {
    ReadProblem { code, message: message.into(), remedy: remedy.into() }
}

/// Rows under their columns.
struct Rows {
    columns: BTreeMap<Column, usize>,
    /// Line and fields.
    rows: Vec<(usize, csv::StringRecord)>,
    issues: Vec<String>,
    /// By its titles it belongs to the other system.
    of_the_other_side: bool,
}

/// What both kinds of objects are made by.
pub(crate) trait FromRow: Sized {
    const SIDE: Side;
    /// One of each list must be there.
    const NEEDED: &'static [(&'static [Column], &'static str)];
    fn from_row(row: &Row<'_>) -> Option<Self>;
}

pub(crate) fn read<T: FromRow>(bytes: &[u8]) -> Result<Inventory<T>, ReadProblem> {
    let text = decoded(bytes)?;
    if text.trim().is_empty() {
        return Err(problem(
            "file-empty",
            "the file is empty",
            "export it again; `metasync assess --help` shows the commands",
        ));
    }
    if let Some(at) = text.find('\0') {
        let line = text[..at].matches('\n').count() + 1;
        let message = format!("the file is no text: there is a zero byte in line {line}");
        return Err(problem("file-not-text", message, "save it as CSV in UTF-8; a workbook is none"));
    }
    let rows = rows(&text, T::SIDE)?;
    if rows.of_the_other_side {
        let (this, flag) = match T::SIDE {
            Side::Directory => ("the tenant", "--cloud"),
            Side::Tenant => ("the directory", "--ad"),
        };
        let message = format!("by its columns it is an inventory of {this}");
        return Err(problem("files-swapped", message, format!("give it with {flag}, and the other file in its place")));
    }
    for (columns, title) in T::NEEDED {
        if !columns.iter().any(|column| rows.columns.contains_key(column)) {
            let remedy = format!("export it with the column {title}; `metasync assess --help` shows the commands");
            return Err(problem("column-missing", format!("the file has no column {title}"), remedy));
        }
    }
    let mut columns: BTreeSet<Column> = rows.columns.keys().copied().collect();
    let mut inventory = Inventory { objects: Vec::new(), columns: BTreeSet::new(), issues: rows.issues };
    if rows.rows.is_empty() && inventory.issues.is_empty() {
        inventory.issues.push("there is no line below the titles: nobody is in it".to_owned());
    }
    let mut lists_lost = BTreeSet::new();
    for (line, fields) in &rows.rows {
        let row = Row { line: *line, fields, columns: &rows.columns };
        lists_lost
            .extend(rows.columns.iter().filter(|(_, at)| is_no_list(fields.get(**at))).map(|(column, _)| *column));
        match T::from_row(&row) {
            Some(object) => inventory.objects.push(object),
            None => inventory.issues.push(format!("line {line}: there is no name in it")),
        }
    }
    // A column in which PowerShell wrote the type of a list instead of the list answers nothing.
    columns.retain(|column| !lists_lost.contains(column));
    for column in lists_lost {
        inventory.issues.push(format!(
            "column {column:?}: PowerShell wrote the type of a list instead of its values; join them with ';'"
        ));
    }
    inventory.columns = columns;
    let more = inventory.issues.len().saturating_sub(MOST_ISSUES);
    if more > 0 {
        inventory.issues.truncate(MOST_ISSUES);
        inventory.issues.push(format!("and {more} more"));
    }
    Ok(inventory)
}

fn is_no_list(field: Option<&str>) -> bool {
    field.is_some_and(|field| NO_LIST.iter().any(|start| field.starts_with(start)))
}

/// The text of the file. Without a byte order mark it is UTF-8, UTF-16 where zeros say so, or the code page of Windows.
pub(crate) fn decoded(bytes: &[u8]) -> Result<String, ReadProblem> {
    let wide = |bytes: &[u8], big: bool| -> Result<String, ReadProblem> {
        if !bytes.len().is_multiple_of(2) {
            let message = "the file is UTF-16 text that ends within a character: it is cut off";
            return Err(problem("file-cut-off", message, "export it again"));
        }
        let units = bytes.chunks(2).map(|pair| match (pair, big) {
            ([low, high], false) => u16::from_le_bytes([*low, *high]),
            ([high, low], true) => u16::from_be_bytes([*high, *low]),
            _ => 0xfffd,
        });
        char::decode_utf16(units)
            .collect::<Result<String, _>>()
            .map_err(|_| problem("file-not-text", "the file is no UTF-16 text", "save it as CSV in UTF-8"))
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => wide(rest, false),
        [0xfe, 0xff, rest @ ..] => wide(rest, true),
        [0xef, 0xbb, 0xbf, rest @ ..] => Ok(String::from_utf8_lossy(rest).into_owned()),
        [first, 0, ..] if *first != 0 => wide(bytes, false),
        [0, second, ..] if *second != 0 => wide(bytes, true),
        _ => match std::str::from_utf8(bytes) {
            Ok(text) => Ok(text.to_owned()),
            // Latin-1 is the part of Windows-1252 that names are written with.
            Err(_) => Ok(bytes.iter().map(|byte| char::from(*byte)).collect()),
        },
    }
}

fn rows(text: &str, side: Side) -> Result<Rows, ReadProblem> {
    // The reader counts a line too few behind `\r\n`.
    let text = text.replace("\r\n", "\n");
    let mut body = text.as_str();
    let mut skipped = 0;
    // `#TYPE` is Export-Csv of Windows PowerShell, `sep=;` is Excel.
    while let Some((first, rest)) = body.split_once('\n') {
        let is_preamble =
            first.starts_with("#TYPE") || first.to_ascii_lowercase().starts_with("sep=") || first.trim().is_empty();
        if !is_preamble {
            break;
        }
        (body, skipped) = (rest, skipped + 1);
    }
    if !body.bytes().filter(|byte| *byte == b'"').count().is_multiple_of(2) {
        return Err(problem(
            "quotation-open",
            "a quotation in the file is never closed",
            "export it again: it is cut off or was edited",
        ));
    }
    let heading = body.lines().next().unwrap_or_default();
    let mut reader =
        csv::ReaderBuilder::new().delimiter(separator(heading)).flexible(true).from_reader(body.as_bytes());
    let unreadable =
        |error: csv::Error| problem("file-not-csv", format!("the file is no table: {error}"), "export it as CSV");
    let titles = reader.headers().map_err(unreadable)?.clone();
    let mut columns = BTreeMap::new();
    for (at, title) in titles.iter().enumerate() {
        if let Some(column) = column(side, title) {
            // The first one of two counts: Get-ADUser writes `mail` and `EmailAddress`.
            columns.entry(column).or_insert(at);
        }
    }
    let (mut rows, mut issues) = (Vec::new(), Vec::new());
    for record in reader.records() {
        let record = record.map_err(unreadable)?;
        let line = record.position().map_or(0, |position| usize::try_from(position.line()).unwrap_or(0)) + skipped;
        if record.iter().all(|field| field.trim().is_empty()) {
            continue;
        }
        if record.len() == titles.len() {
            rows.push((line, record));
        } else {
            issues.push(format!("line {line}: {} fields where the title line has {}", record.len(), titles.len()));
        }
    }
    Ok(Rows { columns, rows, issues, of_the_other_side: belongs_elsewhere(side, &titles) })
}

/// What stands most often between the titles.
fn separator(heading: &str) -> u8 {
    let count = |separator: u8| heading.bytes().filter(|byte| *byte == separator).count();
    [b',', b';', b'\t'].into_iter().rev().max_by_key(|separator| count(*separator)).unwrap_or(b',')
}

/// One line under its columns.
#[derive(Debug)]
pub(crate) struct Row<'a> {
    line: usize,
    fields: &'a csv::StringRecord,
    columns: &'a BTreeMap<Column, usize>,
}

impl Row<'_> {
    fn text(&self, column: Column) -> &str {
        let field = self.columns.get(&column).and_then(|at| self.fields.get(*at)).unwrap_or_default().trim();
        if is_no_list(Some(field)) { "" } else { field }
    }

    fn owned(&self, column: Column) -> String {
        self.text(column).to_owned()
    }

    fn flag(&self, column: Column) -> Option<bool> {
        match self.text(column).to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" => Some(true),
            "false" | "0" | "no" => Some(false),
            _ => None,
        }
    }

    /// `SMTP:a@x;smtp:b@x`, `{SMTP:a@x, smtp:b@x}`; what is no mail address is left out.
    fn list(&self, column: Column) -> Vec<String> {
        let text = self.text(column).trim_start_matches('{').trim_end_matches('}');
        let parts = text.split([';', ',', '|']).flat_map(str::split_whitespace);
        parts.filter(|part| super::inventory::address(part).is_some()).map(str::to_owned).collect()
    }

    /// Base64 of a GUID, written as a GUID, in hexadecimal or in base64.
    fn anchor(&self, column: Column) -> String {
        let text = self.text(column);
        let guid =
            text.trim_matches(['{', '}']).parse::<Guid>().ok().map(|guid| STANDARD.encode(guid.as_directory_bytes()));
        let is_base64 = || STANDARD.decode(text).is_ok_and(|bytes| bytes.len() == 16);
        match guid {
            Some(anchor) => anchor,
            None if is_base64() => text.to_owned(),
            None => String::new(),
        }
    }
}

impl FromRow for Person {
    const SIDE: Side = Side::Directory;
    const NEEDED: &'static [(&'static [Column], &'static str)] = &[
        (&[Column::Account, Column::Name], "SamAccountName"),
        (&[Column::Mail, Column::SignInName, Column::Addresses], "EmailAddress"),
    ];

    fn from_row(row: &Row<'_>) -> Option<Person> {
        let (name, account) = (row.owned(Column::Name), row.owned(Column::Account));
        let named =
            [&account, &name].into_iter().any(|text| !text.is_empty()) || !row.text(Column::SignInName).is_empty();
        let consistency = row.anchor(Column::ConsistencyGuid);
        let control = row.text(Column::UserAccountControl).parse::<u32>().ok();
        named.then(|| Person {
            line: row.line,
            name,
            account,
            sign_in_name: row.owned(Column::SignInName),
            mail: row.owned(Column::Mail),
            addresses: row.list(Column::Addresses),
            enabled: row.flag(Column::Enabled).or(control.map(|control| control & 2 == 0)),
            anchor: if consistency.is_empty() { row.anchor(Column::ObjectGuid) } else { consistency },
            dn: row.owned(Column::Dn),
            alias: row.owned(Column::Alias),
            display_name: row.owned(Column::DisplayName),
            has_mailbox_guid: !row.text(Column::MailboxGuid).is_empty(),
            ..Person::default()
        })
    }
}

impl FromRow for CloudObject {
    const SIDE: Side = Side::Tenant;
    const NEEDED: &'static [(&'static [Column], &'static str)] = &[(&[Column::SignInName], "userPrincipalName")];

    fn from_row(row: &Row<'_>) -> Option<CloudObject> {
        let sign_in_name = row.owned(Column::SignInName);
        let is_guest =
            row.text(Column::UserType).eq_ignore_ascii_case("guest") || sign_in_name.to_uppercase().contains("#EXT#");
        let object_type = row.text(Column::ObjectType).to_ascii_lowercase();
        let kind = match object_type.as_str() {
            text if text.contains("contact") => CloudKind::Contact,
            text if text.contains("group") => CloudKind::Group,
            _ if is_guest => CloudKind::Guest,
            _ => CloudKind::User,
        };
        let last = row.text(Column::LastSynchronised);
        let licences = row.text(Column::Licences);
        let object = CloudObject {
            line: row.line,
            kind,
            deleted: !row.text(Column::Deleted).is_empty(),
            sign_in_name,
            display_name: row.owned(Column::DisplayName),
            mail: row.owned(Column::Mail),
            addresses: row.list(Column::Addresses),
            licensed: row.flag(Column::Licensed).or((!licences.is_empty()).then_some(true)),
            enabled: row.flag(Column::Enabled).or(row.flag(Column::Blocked).map(|blocked| !blocked)),
            anchor: row.owned(Column::ImmutableId),
            synchronised: row.flag(Column::Synchronised).or((!last.is_empty()).then_some(true)),
            roles: row
                .text(Column::Roles)
                .split(';')
                .map(str::trim)
                .filter(|role| !role.is_empty())
                .map(str::to_owned)
                .collect(),
            ..CloudObject::default()
        };
        (!object.name().is_empty()).then_some(object)
    }
}
