//! Delta import: a file of LDIF change records, or of CSV rows with a change type, read once for each new content.
//! Never deletes by absence, and never goes on with the watermark when a record could not be read (R8).
//!
//! LDIF names objects by DN; the import file and earlier records of the same changes tell the anchor.

use crate::connector::Pages;
use crate::input::{self, Stamp, broken};
use crate::record::{
    Modification, ModificationKind, Problem, Purpose, RawChange, RawRecord, Reading, Records, problem,
};
use crate::vocabulary::Vocabulary;
use crate::{Format, Settings};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use connector_contract::{
    ConnectorError, DeletionCause, ErrorKind, ImportEnd, ImportItem, ImportNote, ImportedChange, Place, Watermark,
};
use metaverse_schema::{
    Anchor, AttributeChange, AttributeDefinition, AttributesDelta, Dn, ObjectType, Plurality, Rdn, Value, Values,
};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::Path;

const WATERMARK: &str = "changes:";
const NONE: &str = "changes:none";

/// The watermark after a full import. Changes that are not newer than the import file are in it already; newer ones
/// are still to come.
pub(crate) fn starting_point(settings: &Settings) -> Result<Option<Watermark>, ConnectorError> {
    let Some(path) = &settings.delta_path else {
        return Ok(None);
    };
    let written = |path: &Path| Stamp::of(path).ok().and_then(|stamp| stamp.modified);
    let included = match (written(path), written(&settings.path)) {
        (Some(changes), Some(content)) => changes <= content,
        _ => false,
    };
    let mark = if included { digest(path)? } else { NONE.to_owned() };
    Ok(Some(Watermark(mark)))
}

fn digest(path: &Path) -> Result<String, ConnectorError> {
    let mut hash = Sha256::new();
    let copied = File::open(path).and_then(|mut file| io::copy(&mut file, &mut hash));
    copied.map_err(|error| broken(path, &error))?;
    Ok(format!("{WATERMARK}{}", STANDARD.encode(hash.finalize())))
}

/// Anchors and types by normalised DN.
type Names = HashMap<String, (Anchor, ObjectType)>;

pub(crate) fn read_changes(
    vocabulary: &Vocabulary,
    since: &Watermark,
    mut pages: Pages,
) -> Result<ImportEnd, ConnectorError> {
    let settings = &vocabulary.settings;
    let path = settings.delta_path.as_deref().unwrap_or(&settings.path);
    if !since.0.starts_with(WATERMARK) {
        let message = "the watermark was not made from a file of changes";
        let kind = ErrorKind::FullImportRequired;
        return Err(ConnectorError::new(kind, input::reading(path), message, "run a full import"));
    }
    if !path.exists() {
        let message = format!("{} is not there: no changes", path.display());
        let code = "no-changes-file";
        return pages.end(Some(since.clone()), vec![ImportNote { code, message }]);
    }
    let before = Stamp::of(path).ok();
    let mark = Watermark(digest(path)?);
    if mark == *since {
        let message = format!("{} was read before", path.display());
        let code = "changes-already-read";
        return pages.end(Some(mark), vec![ImportNote { code, message }]);
    }
    let mut names = match settings.format {
        Format::Ldif => names(vocabulary)?,
        Format::Csv => Names::new(),
    };
    let mut records = Records::open(path, settings, Purpose::Changes)?;
    while let Some(reading) = records.next()? {
        let item = match reading {
            Reading::Bad(issue) => Some(ImportItem::Unreadable(issue)),
            Reading::Record(record) => match change(vocabulary, &record, &mut names) {
                Ok(item) => item,
                Err(found) => {
                    let mut issue = found.at(path, record.line, record.dn.as_deref());
                    issue.anchor = vocabulary.anchor(&record).ok();
                    Some(ImportItem::Unreadable(issue))
                }
            },
        };
        match item {
            Some(item) => pages.push(item)?,
            None => pages.filtered += 1,
        }
    }
    records.witness.unchanged(path)?;
    // Another file under the same name since its digest was taken: this content is read again next time.
    let same = Stamp::of(path).ok() == before;
    let watermark = if pages.issues == 0 && same { mark } else { since.clone() };
    pages.end(Some(watermark), Vec::new())
}

fn names(vocabulary: &Vocabulary) -> Result<Names, ConnectorError> {
    let settings = &vocabulary.settings;
    let mut names = Names::new();
    let mut records = Records::open(&settings.path, settings, Purpose::Content)?;
    while let Some(reading) = records.next()? {
        // What cannot be read has no anchor here; a change of it says so.
        let Reading::Record(record) = reading else { continue };
        let (Ok(Some(dn)), Ok(anchor)) = (vocabulary.dn(&record), vocabulary.anchor(&record)) else {
            continue;
        };
        if let Ok(Some(object_type)) = vocabulary.object_type(&record) {
            names.insert(dn.normalised(), (anchor, object_type));
        }
    }
    Ok(names)
}

/// The item that one record of changes is; none for an object of a class that is not imported.
fn change(vocabulary: &Vocabulary, record: &RawRecord, names: &mut Names) -> Result<Option<ImportItem>, Problem> {
    let dn = vocabulary.dn(record)?;
    let key = dn.as_ref().map(Dn::normalised).unwrap_or_default();
    if matches!(record.change, RawChange::Add) {
        let object = vocabulary.object(record)?;
        if let (Some(object), false) = (&object, key.is_empty()) {
            names.insert(key, (object.anchor.clone(), object.object_type.clone()));
        }
        return Ok(object.map(ImportItem::Object));
    }
    let known = || {
        names.get(&key).cloned().ok_or_else(|| {
            let message = format!(
                "no object of {} has this DN, so the change has no anchor; run a full import",
                vocabulary.settings.path.display()
            );
            problem("missing-anchor-component", message)
        })
    };
    let deleted = |anchor| {
        let cause = DeletionCause::DeletedInSource;
        Ok(Some(ImportItem::Deleted { anchor, cause }))
    };
    let csv = vocabulary.settings.format == Format::Csv;
    match &record.change {
        RawChange::Content | RawChange::Add => {
            Err(problem("missing-change-type", "a record of changes has a changetype"))
        }
        RawChange::Delete if csv => deleted(vocabulary.anchor(record)?),
        RawChange::Delete => {
            let (anchor, _) = known()?;
            names.remove(&key);
            deleted(anchor)
        }
        RawChange::Modify(modifications) => {
            let (anchor, object_type) = if csv {
                let Some(object_type) = vocabulary.object_type(record)? else {
                    return Ok(None);
                };
                (vocabulary.anchor(record)?, object_type)
            } else {
                known()?
            };
            let place = if csv { dn.map(|dn| Place { dn, parent: None }) } else { None };
            let changes = changes(vocabulary, modifications)?;
            Ok(Some(ImportItem::Change(ImportedChange { anchor, object_type, place, changes, whole_if_new: false })))
        }
        RawChange::Rename { new_rdn, delete_old_rdn, new_superior } => {
            let (anchor, object_type) = known()?;
            let bad = |error: metaverse_schema::DnError| problem("dn-not-ldap-conformant", error.to_string());
            let old = dn.unwrap_or_default();
            let rdn: Rdn = new_rdn.parse().map_err(bad)?;
            let superior: Option<Dn> = new_superior.as_deref().map(str::parse).transpose().map_err(bad)?;
            let parent = superior.or_else(|| old.parent()).unwrap_or_default();
            let new = parent.child(rdn.clone());
            move_names(names, &key, &new.normalised());
            let place = Some(Place { dn: new, parent: None });
            let changes = naming_changes(vocabulary, old.rdn().filter(|_| *delete_old_rdn), &rdn);
            Ok(Some(ImportItem::Change(ImportedChange { anchor, object_type, place, changes, whole_if_new: false })))
        }
    }
}

/// A renamed container takes what is below it along.
fn move_names(names: &mut Names, old: &str, new: &str) {
    let below = format!(",{old}");
    let moved: Vec<String> = names.keys().filter(|key| *key == old || key.ends_with(&below)).cloned().collect();
    for key in moved {
        if let Some(value) = names.remove(&key) {
            let prefix = key.strip_suffix(old).unwrap_or_default();
            names.insert(format!("{prefix}{new}"), value);
        }
    }
}

/// What a rename does to the naming attribute (RFC 4511 4.9).
fn naming_changes(vocabulary: &Vocabulary, old: Option<&Rdn>, new: &Rdn) -> AttributesDelta {
    let mut changes = AttributesDelta::default();
    for (rdn, adds) in old.into_iter().map(|old| (old, false)).chain([(new, true)]) {
        for pair in rdn.assertions() {
            let Some(definition) = vocabulary.find(&pair.attribute) else {
                continue;
            };
            let Ok(value) = vocabulary.value(definition, pair.value.as_bytes()) else {
                continue;
            };
            let kind = match (adds, definition.plurality) {
                (true, Plurality::Single) => ModificationKind::Replace,
                (true, Plurality::Multi) => ModificationKind::Add,
                (false, _) => ModificationKind::Delete,
            };
            combine(&mut changes, definition, kind, Values::single(value));
        }
    }
    changes
}

fn changes(vocabulary: &Vocabulary, modifications: &[Modification]) -> Result<AttributesDelta, Problem> {
    let mut changes = AttributesDelta::default();
    for modification in modifications {
        let Some(definition) = vocabulary.find(&modification.attribute) else {
            continue;
        };
        if definition.name == vocabulary.settings.anchor.as_str() {
            let message = format!("`{}` is the anchor, which never changes", definition.name);
            return Err(problem("invalid-attribute-value", message));
        }
        let raw: Vec<&[u8]> = modification.values.iter().map(Vec::as_slice).collect();
        let values = vocabulary.values(definition, &raw)?;
        let kind = match modification.kind {
            // A delete without values removes the attribute.
            ModificationKind::Delete if values.is_empty() => ModificationKind::Replace,
            kind => kind,
        };
        combine(&mut changes, definition, kind, values);
    }
    for (name, change) in &changes.0 {
        let added = match change {
            AttributeChange::Replace(values) => values.len(),
            AttributeChange::Update { add, .. } => add.len(),
        };
        let single = vocabulary.find(name.as_str()).is_some_and(|found| found.plurality == Plurality::Single);
        if single && added > 1 {
            let message = format!("`{name}` is single-valued and gets {added} values");
            return Err(problem("multi-single-mismatch", message));
        }
    }
    Ok(changes)
}

/// Modifications of one attribute follow one another; the delta says what they come to.
fn combine(delta: &mut AttributesDelta, definition: &AttributeDefinition, kind: ModificationKind, values: Values) {
    let change = delta.0.entry(definition.name.clone());
    let change =
        change.or_insert_with(|| AttributeChange::Update { add: Values::default(), remove: Values::default() });
    if kind == ModificationKind::Replace {
        *change = AttributeChange::Replace(values);
        return;
    }
    let each = |value: Value| match (&mut *change, kind) {
        (AttributeChange::Replace(kept), ModificationKind::Delete) => {
            kept.remove(&value);
        }
        (AttributeChange::Replace(kept), _) => {
            kept.insert(value);
        }
        (AttributeChange::Update { add, remove }, ModificationKind::Delete) => {
            add.remove(&value);
            remove.insert(value);
        }
        (AttributeChange::Update { add, remove }, _) => {
            remove.remove(&value);
            add.insert(value);
        }
    };
    values.into_iter().for_each(each);
}
