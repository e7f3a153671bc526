//! Reads test files: tests, their steps, the objects they are given. What they expect is read by `expect`.

use super::expect;
use super::model::{GivenChange, GivenObject, GivenValues, RuleTest, TestFile, TestStep};
use super::values::{self, Known, Shape, unknown_object};
use crate::diagnostic::{Diagnostic, Severity, Sources};
use crate::document::reader::{Report, Table, Text, as_table, read_texts};
use crate::document::{FileText, MATCHING, usable};
use crate::model::{ConnectorName, RuleSet};
use crate::suggest::did_you_mean;
use metaverse_schema::{Anchor, AttributeName, ConnectorSchema, Dn, Guid, ObjectType, Plurality, Rdn, ValueKind};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// The time of a test that names none.
const NOW: &str = "2026-01-01T00:00:00Z";
/// Where an object of a directory stands that names no DN.
const PLACE: &str = "OU=Test,DC=test,DC=example";

/// What reading the test files came to. With an error among the diagnostics no test may be carried out.
#[derive(Debug, Clone)]
pub struct LoadedTests {
    pub files: Vec<TestFile>,
    /// By file and place.
    pub diagnostics: Vec<Diagnostic>,
    pub sources: Sources,
}

impl LoadedTests {
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }
}

/// What the names in a test are looked up in.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) rules: &'a RuleSet,
    /// Of every connector of the deployment, as far as it is known without asking the connected system.
    pub(super) schemas: &'a BTreeMap<ConnectorName, ConnectorSchema>,
}

/// Reads and checks test files for a rule set. `schemas` has all connectors of the deployment; attributes and types are
/// typed by them.
pub fn load_tests(
    files: &[FileText],
    rules: &RuleSet,
    schemas: &BTreeMap<ConnectorName, ConnectorSchema>,
) -> LoadedTests {
    let context = Context { rules, schemas };
    let mut sources = Sources::default();
    let mut diagnostics = Vec::new();
    let mut read = Vec::new();
    for file in files {
        let Some(text) = usable(file, &mut sources, &mut diagnostics) else { continue };
        let (mut report, root) = Report::parse(file.name.clone(), text);
        let mut table = Table::new(&root, 0..0, "a test file");
        let mut names = BTreeSet::new();
        let mut tests = Vec::new();
        for test in table.tables(&mut report, "test", "this test") {
            tests.extend(read_test(&mut report, test, context, &mut names));
        }
        table.finish(&mut report);
        diagnostics.extend(report.finish());
        read.push(TestFile { name: file.name.clone(), tests });
    }
    sources.sort(&mut diagnostics);
    LoadedTests { files: read, diagnostics, sources }
}

fn read_test(
    report: &mut Report<'_>,
    mut table: Table<'_>,
    context: Context<'_>,
    names: &mut BTreeSet<String>,
) -> Option<RuleTest> {
    let place = report.place(table.span.clone());
    let mistakes = report.diagnostics.len();
    let name = table.required_text(report, "name", "say in a sentence what must be so");
    if let Some(name) = &name
        && !names.insert(name.value.clone())
    {
        let message = format!("two tests of this file are called `{}`", name.value);
        report.error("test-name-duplicate", name.span.clone(), message, "the second one", "give it its own name");
    }
    let matching = table.choice(report, "matching", &MATCHING);
    let settles = table.boolean(report, "settles").unwrap_or(false);
    let mut known = Known::new();
    let now =
        time(report, &mut table).or_else(|| NOW.parse::<jiff::Timestamp>().ok().map(|time| time.as_microsecond()));
    let mut now = now.unwrap_or_default();
    let further = table.tables(report, "step", "this step");
    let mut steps = vec![read_step(report, &mut table, context, &mut known, now, String::new())];
    table.finish(report);
    for mut step in further {
        now = time(report, &mut step).unwrap_or(now);
        let name = step.required_text(report, "name", "say in a sentence what happens");
        let name = name.map(|text| text.value).unwrap_or_default();
        steps.push(read_step(report, &mut step, context, &mut known, now, name));
        step.finish(report);
    }
    // Expectations that cannot be read have said so.
    let is_sound = report.diagnostics.len() == mistakes;
    if is_sound && !settles && steps.iter().all(|step| step.expect.is_empty()) {
        let help = "say what is expected: [test.expect.NAME], or settles = true";
        report.error(
            "test-without-expectation",
            place.span.clone(),
            "this test can never fail",
            "expects nothing",
            help,
        );
    }
    Some(RuleTest { name: name?.value, place, matching, settles, steps })
}

fn time(report: &mut Report<'_>, table: &mut Table<'_>) -> Option<i64> {
    let text = table.text(report, "now")?;
    match text.value.parse::<jiff::Timestamp>() {
        Ok(time) => Some(time.as_microsecond()),
        Err(error) => {
            let message = format!("`now` is no point in time: {error}");
            let help = format!("write it as ISO 8601 with its zone: now = \"{NOW}\"");
            report.error("test-time-invalid", text.inner(), message, "not a time", help);
            None
        }
    }
}

/// What the first step, which is the test itself, and the further ones have in common.
fn read_step(
    report: &mut Report<'_>,
    table: &mut Table<'_>,
    context: Context<'_>,
    known: &mut Known,
    now: i64,
    name: String,
) -> TestStep {
    let place = report.place(table.span.clone());
    let approve = table.boolean(report, "approve").unwrap_or(false);
    let export = table.boolean(report, "export").unwrap_or(true);
    let given = read_given(report, table, context, known);
    let change = read_changes(report, table, context, known, &given);
    let delete = read_names(report, table, "delete", known);
    let leave = read_names(report, table, "leave", known);
    let expect = expect::read(report, table, context, known);
    TestStep { name, place, now, approve, export, given, change, delete, leave, expect }
}

/// A table of tables by object name, in the order of the file.
pub(super) fn by_object<'d>(
    report: &mut Report<'_>,
    table: &mut Table<'d>,
    key: &'static str,
    what: &str,
) -> Vec<(&'d str, Range<usize>, Table<'d>)> {
    let Some(objects) = table.table(report, key, what) else {
        return Vec::new();
    };
    let mut read: Vec<_> = objects
        .entries()
        .filter_map(|(name, span, value)| Some((name, span, as_table(report, name, value, what)?)))
        .collect();
    read.sort_by_key(|(_, span, _)| span.start);
    read
}

fn read_given(
    report: &mut Report<'_>,
    table: &mut Table<'_>,
    context: Context<'_>,
    known: &mut Known,
) -> Vec<GivenObject> {
    // Two passes: an object may refer to one that stands below it.
    let mut heads = Vec::new();
    for (name, span, mut object) in by_object(report, table, "given", "this given object") {
        if known.contains_key(name) {
            let message = format!("the test has an object `{name}` already");
            let help = "give it another name, or put what happens to it under change";
            report.error("test-object-duplicate", span, message, "the second one", help);
            continue;
        }
        let connector = object.required_text(report, "connector", "name a connector of metasync.toml");
        let schema = connector.as_ref().and_then(|text| schema_of(report, text, context));
        let object_type = object.required_text(report, "type", "name one of the connector's object types");
        let anchor_text = object.text(report, "anchor");
        let (Some((connector, schema)), Some(object_type)) = (schema, object_type) else {
            // What follows cannot be understood; its keys are known all the same.
            for key in ["dn", "roles", "attributes"] {
                object.raw(key);
            }
            object.finish(report);
            known.insert(
                name.to_owned(),
                (connector.map_or_else(|| "".into(), |text| text.value.into()), derived(name)),
            );
            continue;
        };
        check_class(report, &object_type, &connector, schema);
        let anchor = anchor(report, anchor_text.as_ref(), schema, &connector, name);
        known.insert(name.to_owned(), (connector.clone(), anchor.clone()));
        heads.push((name, connector, schema, object_type, anchor, object));
    }
    let mut given = Vec::new();
    for (name, connector, schema, object_type, anchor, mut object) in heads {
        let dn = read_dn(report, &mut object).or_else(|| default_place(schema, name));
        let roles = read_list(report, &mut object, "roles").unwrap_or_default();
        let mut attributes = read_attributes(report, &mut object, &connector, schema, known);
        object.finish(report);
        // A directory tells the anchor as an attribute too.
        if let Anchor::Guid(guid) = &anchor
            && schema.kind_of("objectGUID") == Some(ValueKind::Binary)
        {
            let bytes = metaverse_schema::Value::Binary(guid.as_directory_bytes().to_vec());
            attributes.entry("objectGUID".into()).or_insert(GivenValues::Values(bytes.into()));
        }
        let object_type = ObjectType::new(&object_type.value);
        given.push(GivenObject { name: name.to_owned(), connector, object_type, anchor, dn, attributes, roles });
    }
    given
}

fn read_changes(
    report: &mut Report<'_>,
    table: &mut Table<'_>,
    context: Context<'_>,
    known: &Known,
    new: &[GivenObject],
) -> Vec<GivenChange> {
    let mut changes = Vec::new();
    for (name, span, mut change) in by_object(report, table, "change", "this change") {
        let Some((connector, _)) = known.get(name) else {
            unknown_object(report, name, span, known);
            continue;
        };
        if new.iter().any(|object| object.name == name) {
            let message = format!("`{name}` is new in this step and cannot change in it");
            let help = "give it as it is, or change it in a later step";
            report.error("test-object-duplicate", span, message, "new in this step", help);
        }
        let Some(schema) = context.schemas.get(connector) else { continue };
        let object_type = change.text(report, "type");
        if let Some(object_type) = &object_type {
            check_class(report, object_type, connector, schema);
        }
        let dn = read_dn(report, &mut change);
        let roles = read_list(report, &mut change, "roles");
        let attributes = read_attributes(report, &mut change, connector, schema, known);
        change.finish(report);
        let object_type = object_type.map(|text| ObjectType::new(&text.value));
        changes.push(GivenChange { name: name.to_owned(), object_type, dn, attributes, roles });
    }
    changes
}

pub(super) fn read_names(
    report: &mut Report<'_>,
    table: &mut Table<'_>,
    key: &'static str,
    known: &Known,
) -> Vec<String> {
    let Some(value) = table.raw(key) else { return Vec::new() };
    let names = read_texts(report, key, value).unwrap_or_default();
    let mut read = Vec::new();
    for name in names {
        if known.contains_key(&name.value) {
            read.push(name.value);
        } else {
            unknown_object(report, &name.value, name.inner(), known);
        }
    }
    read
}

pub(super) fn read_list(report: &mut Report<'_>, table: &mut Table<'_>, key: &'static str) -> Option<Vec<String>> {
    let value = table.raw(key)?;
    Some(read_texts(report, key, value)?.into_iter().map(|text| text.value).collect())
}

pub(super) fn schema_of<'a>(
    report: &mut Report<'_>,
    text: &Text,
    context: Context<'a>,
) -> Option<(ConnectorName, &'a ConnectorSchema)> {
    let found = context.schemas.get_key_value(text.value.as_str());
    if found.is_none() {
        let message = format!("there is no connector `{}`", text.value);
        let help = did_you_mean(&text.value, context.schemas.keys().map(|name| &**name));
        report.error("connector-unknown", text.inner(), message, "unknown connector", help);
    }
    found.map(|(name, schema)| (name.clone(), schema))
}

fn check_class(report: &mut Report<'_>, class: &Text, connector: &str, schema: &ConnectorSchema) {
    if !schema.classes.contains_key(class.value.as_str()) {
        let message = format!("`{connector}` has no objects of type `{}`", class.value);
        let help = did_you_mean(&class.value, schema.classes.keys().map(ObjectType::as_str));
        report.error("class-unknown", class.inner(), message, "unknown type", help);
    }
}

pub(super) fn read_dn(report: &mut Report<'_>, table: &mut Table<'_>) -> Option<Dn> {
    let text = table.text(report, "dn")?;
    match text.value.parse::<Dn>() {
        Ok(dn) => Some(dn),
        Err(error) => {
            let message = format!("`dn` is not a DN: {error}");
            report.error("test-value-invalid", text.inner(), message, "not a DN", "such as CN=Ann,OU=Staff,DC=test");
            None
        }
    }
}

fn read_attributes(
    report: &mut Report<'_>,
    table: &mut Table<'_>,
    connector: &str,
    schema: &ConnectorSchema,
    known: &Known,
) -> BTreeMap<AttributeName, GivenValues> {
    let mut read = BTreeMap::new();
    let Some(attributes) = table.table(report, "attributes", "these attributes") else {
        return read;
    };
    for (name, span, value) in attributes.entries() {
        let Some(definition) = attribute(report, name, span, connector, schema) else { continue };
        let shape = Shape { kind: definition.0, plurality: definition.1 };
        if let Some(values) = values::given(report, name, value, shape, known, connector) {
            read.insert(AttributeName::new(name), values);
        }
    }
    read
}

pub(super) fn attribute(
    report: &mut Report<'_>,
    name: &str,
    span: Range<usize>,
    connector: &str,
    schema: &ConnectorSchema,
) -> Option<(ValueKind, Plurality)> {
    match schema.attributes.get(name) {
        Some(definition) => Some((definition.kind, definition.plurality)),
        None => {
            let message = format!("`{connector}` has no attribute `{name}`");
            let help = did_you_mean(name, schema.attributes.keys().map(AttributeName::as_str));
            report.error("attribute-unknown", span, message, "unknown attribute", help);
            None
        }
    }
}

/// A directory's anchor is a GUID; a system without objectGUID has a text.
fn anchor(
    report: &mut Report<'_>,
    text: Option<&Text>,
    schema: &ConnectorSchema,
    connector: &str,
    name: &str,
) -> Anchor {
    let is_guid = schema.kind_of("objectGUID") == Some(ValueKind::Binary);
    let made = || if is_guid { derived(&format!("{connector}/{name}")) } else { Anchor::Text(name.to_owned()) };
    let Some(text) = text else {
        return made();
    };
    let read = match is_guid {
        true => text.value.parse::<Guid>().map(Anchor::Guid).map_err(|error| error.to_string()),
        false => Anchor::text(&*text.value).map_err(|error| error.to_string()),
    };
    read.unwrap_or_else(|message| {
        let help = if is_guid { "write a GUID, or leave the line out: one is made up" } else { "write a text" };
        report.error("test-value-invalid", text.inner(), message, "not an anchor", help);
        made()
    })
}

/// The same for the same name, always.
fn derived(name: &str) -> Anchor {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&Sha256::digest(name.as_bytes())[..16]);
    Anchor::Guid(Guid::from_directory_bytes(bytes))
}

fn default_place(schema: &ConnectorSchema, name: &str) -> Option<Dn> {
    let has_places = schema.classes.values().any(|class| class.container);
    let below: Dn = PLACE.parse().ok().filter(|_| has_places)?;
    Some(below.child(Rdn::new("CN", name)))
}
