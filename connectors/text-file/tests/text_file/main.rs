//! The text-file connector on real files: what is read, what is refused, what is written.

mod changes;
mod export;
mod import;
mod passwords;

use connector_contract::{
    Connector, ConnectorError, ExportItem, ExportOperation, ExportOutcome, Exporter, FullImport, ImportEnd, ImportItem,
    ImportSink, Watermark,
};
use connector_text_file::{Format, ObjectTypes, Settings, TextFileConnector};
use metaverse_schema::{Attributes, ConnectorSchema, ObjectType, Plurality, ValueKind};
use std::path::{Path, PathBuf};

/// People with a textual anchor: `id`, and one attribute of each kind.
fn people(format: Format, path: PathBuf) -> Settings {
    let mut schema = ConnectorSchema::default().class("person", true);
    for (name, kind) in [
        ("id", ValueKind::Text),
        ("title", ValueKind::Text),
        ("number", ValueKind::Integer),
        ("active", ValueKind::Boolean),
        ("photo", ValueKind::Binary),
        ("manager", ValueKind::Reference),
    ] {
        schema = schema.attribute(name, kind, Plurality::Single, true);
    }
    schema = schema.attribute("mail", ValueKind::Text, Plurality::Multi, true);
    schema = schema.attribute("member", ValueKind::Reference, Plurality::Multi, true);
    Settings {
        format,
        anchor: "id".to_owned(),
        object_types: ObjectTypes::Fixed(ObjectType::new("person")),
        schema,
        ..Settings::active_directory_ldif(path)
    }
}

/// A folder with one file, and what an import of it gives.
struct Folder(tempfile::TempDir);

impl Folder {
    fn with(bytes: impl AsRef<[u8]>) -> Folder {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("f"), bytes).unwrap();
        Folder(folder)
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("f")
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.path()).unwrap()
    }

    fn people(&self, format: Format) -> TextFileConnector {
        TextFileConnector::new(people(format, self.path()))
    }
}

type Imported = Result<(Vec<ImportItem>, ImportEnd), ConnectorError>;

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.unwrap().block_on(future)
}

async fn gather(
    sink: (ImportSink, tokio::sync::mpsc::Receiver<connector_contract::ImportPage>),
    run: impl AsyncFnOnce(ImportSink) -> Result<ImportEnd, ConnectorError>,
) -> Imported {
    let (sink, mut pages) = sink;
    let reading = async {
        let mut items = Vec::new();
        while let Some(page) = pages.recv().await {
            assert!(page.items.len() <= 500);
            items.extend(page.items);
        }
        items
    };
    let (end, items) = tokio::join!(run(sink), reading);
    end.map(|end| (items, end))
}

fn import(connector: &TextFileConnector) -> Imported {
    block_on(gather(ImportSink::new(2), async |sink| connector.import_full(FullImport::default(), sink).await))
}

fn import_changes(connector: &TextFileConnector, since: &Watermark) -> Imported {
    block_on(gather(ImportSink::new(2), async |sink| connector.delta_import().unwrap().import_delta(since, sink).await))
}

/// One line an item, without the folder.
fn show(imported: &Imported, folder: &Path) -> String {
    let text = match imported {
        Err(error) => format!("{}: {error}\n", error.step_status()),
        Ok((items, end)) => {
            let place = |place: &Option<connector_contract::Place>| {
                place.as_ref().map_or("-".to_owned(), |place| place.dn.to_string())
            };
            let mut text: String = items
                .iter()
                .map(|item| match item {
                    ImportItem::Object(object) => {
                        let attributes = &object.attributes;
                        format!("{} {} {} {attributes:?}\n", object.object_type, object.anchor, place(&object.place))
                    }
                    ImportItem::Change(change) => {
                        let changes = &change.changes.0;
                        format!("change {} {} {changes:?}\n", change.anchor, place(&change.place))
                    }
                    ImportItem::Deleted { anchor, .. } => format!("deleted {anchor}\n"),
                    ImportItem::SubtreeLeft { container } => format!("left {container}\n"),
                    ImportItem::Same { .. } => panic!("no print was held"),
                    ImportItem::Unreadable(issue) => {
                        assert!(
                            issue.object.starts_with("f line ") || issue.object.starts_with("changes line "),
                            "{}",
                            issue.object
                        );
                        format!("{} {:?}: {}\n", issue.code, issue.anchor, issue.message)
                    }
                })
                .collect();
            end.notes.iter().for_each(|note| text += &format!("note {}: {}\n", note.code, note.message));
            text
        }
    };
    text.replace(&format!("{}/", folder.display()), "").replace(&folder.display().to_string(), "FOLDER")
}

fn objects(imported: &Imported) -> Vec<Attributes> {
    let (items, _) = imported.as_ref().unwrap();
    let object = |item: &ImportItem| match item {
        ImportItem::Object(object) => object.attributes.clone(),
        other => panic!("{other:?}"),
    };
    items.iter().map(object).collect()
}

fn send(connector: &TextFileConnector, operations: Vec<ExportOperation>) -> Result<Vec<ExportOutcome>, ConnectorError> {
    let item = |(id, operation)| ExportItem {
        id,
        object_type: ObjectType::new("person"),
        operation,
        named_by: metaverse_schema::Attributes::new(),
    };
    let items: Vec<ExportItem> = (0..).zip(operations).map(item).collect();
    let mut outcomes = block_on(connector.export(&items))?;
    outcomes.sort_by_key(|(id, _)| *id);
    assert_eq!(outcomes.len(), items.len());
    Ok(outcomes.into_iter().map(|(_, outcome)| outcome).collect())
}

/// `ok`, with the anchor of a create and the references that failed, or the code of the refusal.
fn verdicts(outcomes: &[ExportOutcome]) -> String {
    let verdict = |outcome: &ExportOutcome| match outcome {
        ExportOutcome::Accepted { anchor, failed_references } => {
            let failed: Vec<&str> = failed_references.iter().map(|(_, found)| found.code.as_str()).collect();
            format!("ok {} {}", anchor.as_ref().map_or(String::new(), ToString::to_string), failed.join(" "))
        }
        ExportOutcome::Refused(found) => format!("{} {}", found.code, found.message),
        ExportOutcome::NotSettled { message, .. } => format!("not settled {message}"),
    };
    outcomes.iter().map(verdict).map(|line| format!("{}\n", line.trim_end())).collect()
}
