//! A file as a source of password hashes, for rehearsals and tests without a domain controller: a column with the NT hash, and
//! one that says when the password was changed. The hash is no attribute: no import returns it, and no setting can make it one.
//!
//! Versions are told by the time of change alone, so whoever writes the file must let it rise with every new password: a hash
//! that is exchanged under an older time is not seen.

use crate::input::cannot_start;
use crate::record::{Purpose, RawRecord, Reading, Records};
use crate::vocabulary::Vocabulary;
use crate::{Format, ObjectTypes, Settings, TextFileConnector};
use async_trait::async_trait;
use connector_contract::{
    Check, ConnectorError, CredentialMark, ErrorKind, NtHash, PasswordChange, PasswordReadEnd, PasswordSink,
    PasswordSource, SealedHash, Severity, Watermark,
};
use jiff::Timestamp;
use metaverse_schema::{Anchor, ObjectType, SettingProblem, SettingsReader, SettingsTable};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::runtime::Handle;
use zeroize::Zeroizing;

/// Passwords of one page.
const PAGE: usize = 500;

/// Where passwords stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordColumns {
    /// The file, of the same format as the import's; none: the import's own.
    pub path: Option<PathBuf>,
    /// The NT hash, as 32 hexadecimal digits.
    pub hash: String,
    /// When the password was changed: as Active Directory writes `pwdLastSet`, or as 2026-11-26T05:00:00Z.
    pub changed: String,
    /// TRUE: to be changed at the next sign-in.
    pub must_change: Option<String>,
}

impl PasswordColumns {
    /// The table `passwords` of the settings: `hash`, `changed`, `must_change`, `path`.
    pub(crate) fn read(table: &SettingsTable, base_dir: &Path) -> (Self, Vec<SettingProblem>) {
        let mut reader = SettingsReader::new(table);
        let columns = PasswordColumns {
            path: reader.text("path").map(|path| base_dir.join(path)),
            hash: reader.required_text("hash", "name the column of the NT hash, such as hash = \"ntHash\""),
            changed: reader.required_text(
                "changed",
                "name the column with the time of the last change, such as changed = \"pwdLastSet\"",
            ),
            must_change: reader.text("must_change"),
        };
        if !columns.hash.is_empty() && columns.hash.eq_ignore_ascii_case(&columns.changed) {
            reader.invalid("changed", "the hash and its time cannot be one column", "name another column");
        }
        (columns, reader.finish())
    }

    /// The file as it is read for passwords: of a record only the anchor and these columns count.
    fn file(&self, settings: &Settings) -> Settings {
        Settings {
            path: self.path.clone().unwrap_or_else(|| settings.path.clone()),
            object_types: ObjectTypes::Fixed(ObjectType::new("user")),
            ..settings.clone()
        }
    }
}

/// A hash as it stands in the file.
struct Written {
    text: Zeroizing<Vec<u8>>,
    object: String,
    opened: Arc<AtomicU64>,
}

impl SealedHash for Written {
    fn open(self: Box<Self>) -> Result<NtHash, ConnectorError> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        let digits = self.text.trim_ascii();
        let digit = |byte: u8| (byte as char).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let mut bytes = Zeroizing::new([0u8; 16]);
        let mut is_hash = digits.len() == 32;
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
            match pair {
                [high, low] => match (digit(*high), digit(*low)) {
                    (Some(high), Some(low)) => *byte = high << 4 | low,
                    _ => is_hash = false,
                },
                _ => is_hash = false,
            }
        }
        if is_hash {
            return Ok(NtHash::new(*bytes));
        }
        Err(ConnectorError::new(
            ErrorKind::Protocol,
            format!("reading the password of {}", self.object),
            "its NT hash is not 32 hexadecimal digits",
            "write the MD4 of the password in UTF-16LE, as 32 hexadecimal digits",
        ))
    }
}

/// Where the next read continues: the latest time of change that was seen.
const WATERMARK: &str = "passwords 1 ";

#[async_trait]
impl PasswordSource for TextFileConnector {
    async fn read_passwords(
        &self,
        since: Option<&Watermark>,
        sink: PasswordSink,
    ) -> Result<PasswordReadEnd, ConnectorError> {
        let known = since.map(|mark| mark.0.strip_prefix(WATERMARK).and_then(|ticks| ticks.parse::<u64>().ok()));
        let (from, full_because) = match known {
            Some(None) => (0, Some("the watermark is not one of this connector".to_owned())),
            Some(Some(ticks)) => (ticks, None),
            None => (0, None),
        };
        let opened = Arc::clone(&self.opened);
        let handle = Handle::current();
        self.blocking("reading passwords of a text file", move |vocabulary| {
            let mut page = Vec::new();
            let mut latest = from;
            let source = each(vocabulary, &opened, &mut |change| {
                latest = latest.max(change.version);
                // A change of the same instant may have been written after the last read; a time of 0 tells nothing.
                if change.version >= from || change.version <= UNKNOWN {
                    page.push(change);
                }
                if page.len() < PAGE {
                    return Ok(());
                }
                handle.block_on(sink.send(std::mem::take(&mut page)))
            })?;
            handle.block_on(sink.send(page))?;
            Ok(PasswordReadEnd { watermark: Watermark(format!("{WATERMARK}{latest}")), full_because, source })
        })
        .await
    }

    async fn read_passwords_of(&self, anchors: &[Anchor]) -> Result<Vec<PasswordChange>, ConnectorError> {
        let wanted: HashSet<Anchor> = anchors.iter().cloned().collect();
        let opened = Arc::clone(&self.opened);
        self.blocking("reading single passwords of a text file", move |vocabulary| {
            let mut found = Vec::new();
            each(vocabulary, &opened, &mut |change| {
                if wanted.contains(&change.anchor) {
                    found.push(change);
                }
                Ok(())
            })?;
            Ok(found)
        })
        .await
    }

    fn reads_from(&self) -> Option<String> {
        let columns = self.settings().passwords.as_ref()?;
        Some(file_name(&columns.file(self.settings()).path))
    }

    fn opened(&self) -> u64 {
        self.opened.load(Ordering::Relaxed)
    }

    /// Nobody signs in to a file.
    fn credential(&self) -> Option<CredentialMark> {
        None
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// Version of a password of which no time is told (`pwdLastSet` is 0).
const UNKNOWN: u64 = 1;

/// Every record that names a user; returns the name of the file.
fn each(
    vocabulary: &Vocabulary,
    opened: &Arc<AtomicU64>,
    take: &mut dyn FnMut(PasswordChange) -> Result<(), ConnectorError>,
) -> Result<String, ConnectorError> {
    let Some(columns) = &vocabulary.settings.passwords else {
        return Err(ConnectorError::cancelled("reading passwords"));
    };
    let settings = columns.file(&vocabulary.settings);
    let mut records = Records::open(&settings.path, &settings, Purpose::Content)?;
    if settings.format == Format::Csv {
        let header = records.header();
        for column in [&columns.hash, &columns.changed].into_iter().chain(&columns.must_change) {
            if !header.iter().any(|name| name.eq_ignore_ascii_case(column)) {
                let what = format!("has no column `{column}` in its header");
                let remedy = "correct the file, or the table `passwords` of this connector's settings";
                return Err(cannot_start(&settings.path, "no-start-file-format", &what, remedy));
            }
        }
    }
    while let Some(reading) = records.next()? {
        // What cannot be read is reported by the import and by `check`.
        let Reading::Record(mut record) = reading else { continue };
        let Ok(anchor) = vocabulary.anchor(&record) else { continue };
        take(change(columns, &settings.path, &mut record, anchor, opened))?;
    }
    records.witness.unchanged(&settings.path)?;
    Ok(file_name(&settings.path))
}

fn change(
    columns: &PasswordColumns,
    path: &Path,
    record: &mut RawRecord,
    anchor: Anchor,
    opened: &Arc<AtomicU64>,
) -> PasswordChange {
    let named = record.dn.as_ref().map(|dn| format!(": {dn}")).unwrap_or_default();
    let object = format!("{} line {}{named}", file_name(path), record.line);
    let changed = text_of(record, &columns.changed);
    let ticks = changed.as_deref().and_then(ticks_of).unwrap_or(UNKNOWN);
    let flag = columns.must_change.as_ref().and_then(|column| text_of(record, column));
    let must_change = flag.is_some_and(|flag| flag.eq_ignore_ascii_case("true")) || changed.as_deref() == Some("0");
    let hash = record
        .values
        .iter_mut()
        .find(|(name, _)| name.eq_ignore_ascii_case(&columns.hash))
        .map(|(_, value)| Zeroizing::new(std::mem::take(value)));
    let hash = hash.map(|text| {
        Box::new(Written { text, object: object.clone(), opened: Arc::clone(opened) }) as Box<dyn SealedHash>
    });
    PasswordChange {
        anchor,
        object,
        excluded: None,
        version: ticks,
        changed: (ticks > UNKNOWN).then(|| seconds_of(ticks)),
        must_change: Some(must_change),
        hash,
    }
}

fn text_of(record: &RawRecord, column: &str) -> Option<String> {
    let found = record.values.iter().find(|(name, _)| name.eq_ignore_ascii_case(column));
    found.and_then(|(_, value)| std::str::from_utf8(value).ok()).map(|text| text.trim().to_owned())
}

/// Ticks of 100 ns in a second, and seconds from 1601 to 1970 (MS-DTYP 2.3.3).
const TICKS: i64 = 10_000_000;
const FROM_1601: i64 = 11_644_473_600;

/// A time of change as a directory counts it: ticks since 1601. 0 and -1 are no time.
fn ticks_of(text: &str) -> Option<u64> {
    if let Ok(ticks) = text.parse::<i64>() {
        return u64::try_from(ticks).ok().filter(|ticks| *ticks > UNKNOWN);
    }
    let at: Timestamp = text.parse().ok()?;
    let ticks = at.as_second().checked_add(FROM_1601)?.checked_mul(TICKS)?;
    u64::try_from(ticks + i64::from(at.subsec_nanosecond()) / 100).ok()
}

fn seconds_of(ticks: u64) -> i64 {
    i64::try_from(ticks).unwrap_or(i64::MAX) / TICKS - FROM_1601
}

/// How many passwords the file holds, and what is wrong with it; no hash is opened.
pub(crate) fn check(vocabulary: &Vocabulary, check: &mut Check) {
    if vocabulary.settings.passwords.is_none() {
        return;
    }
    let (mut passwords, mut timeless) = (0u64, 0u64);
    let opened = Arc::new(AtomicU64::new(0));
    let read = each(vocabulary, &opened, &mut |change| {
        passwords += u64::from(change.hash.is_some());
        timeless += u64::from(change.hash.is_some() && change.changed.is_none());
        Ok(())
    });
    match read {
        Err(error) => {
            let message = format!("{}: {}", error.attempted, error.message);
            check.add(Severity::Error, error.step_status(), message, error.remedy);
        }
        Ok(file) => {
            let hashes =
                |number: u64| if number == 1 { "1 password hash".into() } else { format!("{number} password hashes") };
            check.add(Severity::Ok, "passwords-readable", format!("{file}: {}", hashes(passwords)), "");
            let message = format!("{file} holds password hashes: it is for rehearsals, and as good as the passwords");
            let remedy = "let nobody but this user read it, and delete it when the rehearsal is over";
            check.add(Severity::Warning, "passwords-in-file", message, remedy);
            if timeless > 0 {
                let verb = if timeless == 1 { "has" } else { "have" };
                let message = format!("{} {verb} no readable time of change", hashes(timeless));
                let remedy = "write pwdLastSet as a directory counts it, or a time such as 2026-11-26T05:00:00Z";
                check.add(Severity::Warning, "passwords-without-time", message, remedy);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_a_directory_however_they_are_written() {
        assert_eq!(ticks_of("133772004000000000"), Some(133_772_004_000_000_000));
        assert_eq!(ticks_of("2024-11-27T03:00:00Z"), Some(133_771_500_000_000_000));
        assert_eq!(ticks_of("2024-11-27T03:00:00.0000001Z"), Some(133_771_500_000_000_001));
        assert_eq!(seconds_of(133_771_500_000_000_001), 1_732_676_400);
        for none in ["0", "-1", "yesterday", ""] {
            assert_eq!(ticks_of(none), None, "{none}");
        }
    }

    #[test]
    fn a_hash_is_32_digits_and_never_told() {
        let open = |text: &str| {
            let opened = Arc::new(AtomicU64::new(0));
            let written =
                Written { text: Zeroizing::new(text.into()), object: "f line 2".into(), opened: opened.clone() };
            let result = Box::new(written).open();
            assert_eq!(opened.load(Ordering::Relaxed), 1);
            result
        };
        let hash = open("a4F49C406510bdcab6824ee7c30fd852").unwrap();
        assert_eq!((hash.expose()[0], hash.expose()[15]), (0xa4, 0x52));
        for bad in [
            "a4f49c406510bdcab6824ee7c30fd85",
            "a4f49c406510bdcab6824ee7c30fd85x",
            "",
            "A4F49C406510BDCAB6824EE7C30FD85211",
        ] {
            let told = open(bad).unwrap_err().to_string();
            assert!(bad.is_empty() || !told.contains(bad), "{told}");
            assert!(told.contains("f line 2"), "{told}");
        }
    }
}
