//! The text-file connector: full import, reading single objects, and the check. Never writes a file; export.rs does.

use crate::input::{self, cannot_start};
use crate::record::{Purpose, RawRecord, Reading, Records};
use crate::vocabulary::Vocabulary;
use crate::{Settings, delta, passwords};
use async_trait::async_trait;
use connector_contract::{
    Absence, Check, Connector, ConnectorError, DeltaImport, ErrorKind, Exporter, FullImport, ImportEnd, ImportItem,
    ImportNote, ImportPage, ImportSink, ObjectIssue, ObjectReader, PasswordSource, Severity, Watermark,
};
use metaverse_schema::{Anchor, ConnectorSchema};
use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use tokio::runtime::Handle;

/// Objects of one page, and values after which a page goes out earlier (large groups).
const PAGE_OBJECTS: usize = 500;
const PAGE_VALUES: usize = 50_000;
/// Records that `check` reads.
const CHECKED_RECORDS: usize = 100;

/// A file as a connected system.
pub struct TextFileConnector {
    pub(crate) vocabulary: Arc<Vocabulary>,
    /// Held while a file is rewritten: two exports at once would lose one another's changes.
    pub(crate) rewriting: Arc<Mutex<()>>,
    /// Password hashes that were opened.
    pub(crate) opened: Arc<AtomicU64>,
}

impl TextFileConnector {
    pub fn new(settings: Settings) -> Self {
        TextFileConnector {
            vocabulary: Arc::new(Vocabulary::new(settings)),
            rewriting: Arc::default(),
            opened: Arc::default(),
        }
    }

    /// As `new`, and writes `text` to the import file unless there is one: a sample that comes with a program.
    pub fn with_sample(settings: Settings, text: &str) -> Result<Self, ConnectorError> {
        if !settings.path.exists() {
            input::replace(&settings.path, None, |out| out.write_all(text.as_bytes()))?;
        }
        Ok(TextFileConnector::new(settings))
    }

    pub fn settings(&self) -> &Settings {
        &self.vocabulary.settings
    }

    /// Runs file work on a thread that may block.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        attempted: &'static str,
        work: impl FnOnce(&Vocabulary) -> Result<T, ConnectorError> + Send + 'static,
    ) -> Result<T, ConnectorError> {
        let vocabulary = Arc::clone(&self.vocabulary);
        let done = tokio::task::spawn_blocking(move || work(&vocabulary)).await;
        done.unwrap_or_else(|error| {
            let message = format!("the reading thread ended: {error}");
            Err(ConnectorError::new(ErrorKind::Protocol, attempted, message, ""))
        })
    }
}

#[async_trait]
impl Connector for TextFileConnector {
    async fn schema(&self) -> Result<ConnectorSchema, ConnectorError> {
        Ok(self.settings().offered_schema())
    }

    async fn check(&self) -> Check {
        let checked = self.blocking("checking a text file", |vocabulary| Ok(check(vocabulary))).await;
        checked.unwrap_or_else(|error| {
            let mut check = Check::default();
            add_error(&mut check, &error);
            check
        })
    }

    async fn import_full(&self, _request: FullImport, sink: ImportSink) -> Result<ImportEnd, ConnectorError> {
        let pages = Pages::new(sink);
        self.blocking("reading a text file", move |vocabulary| read_all(vocabulary, pages)).await
    }

    fn delta_import(&self) -> Option<&dyn DeltaImport> {
        self.settings().delta_path.as_ref().map(|_| self as &dyn DeltaImport)
    }

    fn object_reader(&self) -> Option<&dyn ObjectReader> {
        Some(self)
    }

    fn exporter(&self) -> Option<&dyn Exporter> {
        Some(self)
    }

    fn password_source(&self) -> Option<&dyn PasswordSource> {
        self.settings().passwords.as_ref().map(|_| self as &dyn PasswordSource)
    }
}

#[async_trait]
impl DeltaImport for TextFileConnector {
    async fn import_delta(&self, since: &Watermark, sink: ImportSink) -> Result<ImportEnd, ConnectorError> {
        let (pages, since) = (Pages::new(sink), since.clone());
        self.blocking("reading a text file of changes", move |vocabulary| {
            delta::read_changes(vocabulary, &since, pages)
        })
        .await
    }
}

#[async_trait]
impl ObjectReader for TextFileConnector {
    /// Reads the import file to its end for each call.
    async fn read_objects(&self, anchors: &[Anchor]) -> Result<Vec<ImportItem>, ConnectorError> {
        let wanted: HashSet<Anchor> = anchors.iter().cloned().collect();
        self.blocking("reading objects of a text file", move |vocabulary| {
            let mut found = Vec::new();
            let mut left = wanted;
            let mut records = Records::open(&vocabulary.settings.path, &vocabulary.settings, Purpose::Content)?;
            while let Some(reading) = records.next()? {
                let Reading::Record(record) = reading else { continue };
                let Ok(anchor) = vocabulary.anchor(&record) else {
                    continue;
                };
                if left.remove(&anchor) {
                    found.extend(item(vocabulary, &vocabulary.settings.path, &record));
                }
            }
            records.witness.unchanged(&vocabulary.settings.path)?;
            Ok(found)
        })
        .await
    }
}

/// Gathers items into pages and hands them over.
pub(crate) struct Pages {
    sink: ImportSink,
    handle: Handle,
    items: Vec<ImportItem>,
    values: usize,
    pub(crate) objects: u64,
    pub(crate) issues: u64,
    pub(crate) filtered: u64,
}

impl Pages {
    fn new(sink: ImportSink) -> Self {
        Pages { sink, handle: Handle::current(), items: Vec::new(), values: 0, objects: 0, issues: 0, filtered: 0 }
    }

    pub(crate) fn push(&mut self, item: ImportItem) -> Result<(), ConnectorError> {
        match &item {
            ImportItem::Unreadable(_) => self.issues += 1,
            ImportItem::Object(object) => {
                self.objects += 1;
                self.values += object.attributes.iter().map(|(_, values)| values.len()).sum::<usize>();
            }
            _ => self.objects += 1,
        }
        self.items.push(item);
        if self.items.len() >= PAGE_OBJECTS || self.values >= PAGE_VALUES {
            self.flush()?;
        }
        Ok(())
    }

    pub(crate) fn flush(&mut self) -> Result<(), ConnectorError> {
        self.values = 0;
        let items = std::mem::take(&mut self.items);
        self.handle.block_on(self.sink.send(ImportPage { items }))
    }

    pub(crate) fn end(
        mut self,
        watermark: Option<Watermark>,
        notes: Vec<ImportNote>,
    ) -> Result<ImportEnd, ConnectorError> {
        self.flush()?;
        let mut notes = notes;
        if self.filtered > 0 {
            notes.push(ImportNote {
                code: "other-classes",
                message: format!("{} records are of no class that this connector imports", self.filtered),
            });
        }
        // The file is all there is.
        let absence = Absence::Deleted;
        Ok(ImportEnd { watermark, filtered_objects: self.filtered, filtered_deletions: 0, notes, absence })
    }
}

/// The item that a record of a whole file is; none for a class that is not imported.
fn item(vocabulary: &Vocabulary, path: &Path, record: &RawRecord) -> Option<ImportItem> {
    let found = match vocabulary.whole_object(record) {
        Ok(object) => return object.map(ImportItem::Object),
        Err(found) => found,
    };
    let mut issue = found.at(path, record.line, record.dn.as_deref());
    issue.anchor = vocabulary.anchor(record).ok();
    Some(ImportItem::Unreadable(issue))
}

fn read_all(vocabulary: &Vocabulary, mut pages: Pages) -> Result<ImportEnd, ConnectorError> {
    let settings = &vocabulary.settings;
    let path = &settings.path;
    // Before the file itself is read: changes that arrive meanwhile belong to the next delta import.
    let watermark = delta::starting_point(settings)?;
    let mut records = Records::open(path, settings, Purpose::Content)?;
    let mut seen: HashSet<Anchor> = HashSet::new();
    while let Some(reading) = records.next()? {
        let record = match reading {
            Reading::Record(record) => record,
            Reading::Bad(issue) => {
                pages.push(ImportItem::Unreadable(issue))?;
                continue;
            }
        };
        match item(vocabulary, path, &record) {
            None => pages.filtered += 1,
            // R71: the first one stays.
            Some(ImportItem::Object(object)) if !seen.insert(object.anchor.clone()) => {
                pages.push(ImportItem::Unreadable(duplicate(path, &record, object.anchor)))?;
            }
            Some(item) => pages.push(item)?,
        }
    }
    records.witness.unchanged(path)?;
    if pages.objects == 0 && pages.issues == 0 && !settings.allow_empty {
        // SF15: an empty read is not the news that everything was deleted.
        let (what, remedy) = match pages.filtered {
            0 => ("has no records", "write the extract again, or set allow_empty = true if it may be empty"),
            _ => ("has no record of a class that is imported", "correct object_types or object_type_attribute"),
        };
        return Err(cannot_start(path, "no-start-file-empty", what, remedy));
    }
    pages.end(watermark, Vec::new())
}

fn duplicate(path: &Path, record: &RawRecord, anchor: Anchor) -> ObjectIssue {
    let message = format!("the anchor {anchor} stands in an earlier record of this file, which was kept");
    let found = crate::record::problem("duplicate-object", message);
    let mut issue = found.at(path, record.line, record.dn.as_deref());
    issue.anchor = Some(anchor);
    issue
}

fn add_error(check: &mut Check, error: &ConnectorError) {
    let message = format!("{}: {}", error.attempted, error.message);
    check.add(Severity::Error, error.step_status(), message, error.remedy.clone());
}

fn check(vocabulary: &Vocabulary) -> Check {
    let mut check = Check::default();
    let settings = &vocabulary.settings;
    check_content(vocabulary, &mut check);
    passwords::check(vocabulary, &mut check);
    if let Some(path) = &settings.delta_path {
        match Records::open(path, settings, Purpose::Changes) {
            Ok(_) => check.add(Severity::Ok, "file-readable", format!("{} can be read", path.display()), ""),
            Err(error) if error.step_status() == "no-start-file-not-found" => {
                let message = format!("{} is not there: no changes at present", path.display());
                check.add(Severity::Ok, "no-changes-file", message, "");
            }
            Err(error) => add_error(&mut check, &error),
        }
    }
    let target = settings.target();
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    // The temporary file goes when it is dropped.
    match tempfile::Builder::new().prefix(".metasync-").tempfile_in(folder) {
        Ok(_) => {
            let message = format!("{} can be rewritten", target.display());
            check.add(Severity::Ok, "folder-writable", message, "");
        }
        Err(error) => {
            let message = format!("exports to {} will fail: {error}", target.display());
            let remedy = format!("make {} writable for this user, if this connector exports", folder.display());
            check.add(Severity::Warning, "folder-not-writable", message, remedy);
        }
    }
    check
}

fn check_content(vocabulary: &Vocabulary, check: &mut Check) {
    let settings = &vocabulary.settings;
    let path = &settings.path;
    let mut records = match Records::open(path, settings, Purpose::Content) {
        Ok(records) => records,
        Err(error) => return add_error(check, &error),
    };
    let (mut objects, mut others, mut issues) = (0, 0, Vec::new());
    for _ in 0..CHECKED_RECORDS {
        match records.next() {
            Ok(None) => break,
            Err(error) => return add_error(check, &error),
            Ok(Some(Reading::Bad(issue))) => issues.push(issue),
            Ok(Some(Reading::Record(record))) => match item(vocabulary, path, &record) {
                None => others += 1,
                Some(ImportItem::Unreadable(issue)) => issues.push(issue),
                Some(_) => objects += 1,
            },
        }
    }
    if objects + others + issues.len() == 0 && !settings.allow_empty {
        let remedy = "write the extract again, or set allow_empty = true if it may be empty";
        check.add(Severity::Error, "no-start-file-empty", format!("{} has no records", path.display()), remedy);
        return;
    }
    let count = format!("{objects} objects and {others} records of other classes among the first {CHECKED_RECORDS}");
    check.add(Severity::Ok, "file-readable", format!("{}: {count}", path.display()), "");
    if let Some(first) = issues.first() {
        let message = format!("{} of the first records cannot be read; the first: {}", issues.len(), first.message);
        let remedy = "correct the record; until then a full import deletes nothing";
        check.add(Severity::Warning, first.code, message, remedy);
    }
}
