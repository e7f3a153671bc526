//! Reads what a test expects: of the link, the metaverse object and the exports of each named object.

use super::model::{Expectation, ExpectedAttribute, ExpectedExport, ExpectedOperation, Placed};
use super::read::{Context, attribute, by_object, read_dn, read_names};
use super::values::{self, Known, Shape, unknown_object};
use crate::document::reader::{Report, Table, as_table, choose, read_text, read_texts, wrong_kind};
use crate::model::{Direction, MetaverseAttribute, RuleId};
use crate::suggest::did_you_mean;
use metaverse_schema::{AttributeName, ConnectorSchema, ObjectType};
use std::collections::BTreeMap;
use std::ops::Range;
use toml::Spanned;
use toml::de::DeValue;

pub(super) fn read(
    report: &mut Report<'_>,
    table: &mut Table<'_>,
    context: Context<'_>,
    known: &Known,
) -> Vec<Expectation> {
    let mut read = Vec::new();
    for (name, span, expectation) in by_object(report, table, "expect", "this expectation") {
        if !known.contains_key(name) {
            unknown_object(report, name, span, known);
            continue;
        }
        read.push(read_expectation(report, name, span, expectation, context, known));
    }
    read
}

fn read_expectation(
    report: &mut Report<'_>,
    name: &str,
    span: Range<usize>,
    mut table: Table<'_>,
    context: Context<'_>,
    known: &Known,
) -> Expectation {
    let linked = placed(report, &mut table, "linked", |report, table| table.boolean(report, "linked"));
    let joined = placed(report, &mut table, "joined", |report, table| Some(read_names(report, table, "joined", known)));
    let metaverse_type = metaverse_type(report, &mut table, context);
    let error = placed(report, &mut table, "error", |report, table| {
        let text = table.text(report, "error")?;
        Some((text.value != "none").then_some(text.value))
    });
    let object_type = metaverse_type.as_ref().map(|placed| placed.value.clone());
    let expectation = Expectation {
        object: name.to_owned(),
        place: report.place(span.clone()),
        linked,
        joined,
        metaverse_type,
        in_scope: read_rules(report, &mut table, "in_scope", context),
        not_in_scope: read_rules(report, &mut table, "not_in_scope", context),
        error,
        metaverse: read_metaverse(report, &mut table, object_type.as_ref(), context, known),
        exports: read_exports(report, &mut table, context, known),
    };
    table.finish(report);
    if is_empty(&expectation) {
        let message = format!("nothing is expected of `{name}`");
        let help = "expect something: linked, joined, metaverse, export, in_scope, error";
        report.error("test-without-expectation", span, message, "expects nothing", help);
    }
    expectation
}

fn is_empty(expectation: &Expectation) -> bool {
    let Expectation { object: _, place: _, linked, joined, metaverse_type, in_scope, not_in_scope, .. } = expectation;
    let Expectation { error, metaverse, exports, .. } = expectation;
    linked.is_none()
        && joined.is_none()
        && metaverse_type.is_none()
        && error.is_none()
        && in_scope.is_empty()
        && not_in_scope.is_empty()
        && metaverse.is_empty()
        && exports.is_empty()
}

/// A value with the place of its line.
fn placed<'t, 'd, T>(
    report: &mut Report<'t>,
    table: &mut Table<'d>,
    key: &'static str,
    read: impl FnOnce(&mut Report<'t>, &mut Table<'d>) -> Option<T>,
) -> Option<Placed<T>> {
    let place = report.place(table.raw(key)?.span());
    read(report, table).map(|value| Placed { value, place })
}

fn metaverse_type(report: &mut Report<'_>, table: &mut Table<'_>, context: Context<'_>) -> Option<Placed<ObjectType>> {
    let text = table.text(report, "type")?;
    let types = &context.rules.metaverse.types;
    if !types.contains_key(text.value.as_str()) {
        let message = format!("the metaverse has no type `{}`", text.value);
        let help = did_you_mean(&text.value, types.keys().map(ObjectType::as_str));
        report.error("metaverse-type-unknown", text.inner(), message, "unknown type", help);
        return None;
    }
    Some(Placed { value: ObjectType::new(&text.value), place: report.place(text.span) })
}

fn read_rules(
    report: &mut Report<'_>,
    table: &mut Table<'_>,
    key: &'static str,
    context: Context<'_>,
) -> Vec<Placed<RuleId>> {
    let Some(value) = table.raw(key) else { return Vec::new() };
    let texts = read_texts(report, key, value).unwrap_or_default();
    let inbound = || context.rules.rules.iter().filter(|rule| rule.direction == Direction::Inbound);
    let mut rules = Vec::new();
    for text in texts {
        match inbound().find(|rule| *rule.id == *text.value) {
            Some(rule) => rules.push(Placed { value: rule.id.clone(), place: report.place(text.span) }),
            None => {
                let outbound = context.rules.rules.iter().any(|rule| *rule.id == *text.value);
                let message = match outbound {
                    true => format!("`{}` is an outbound rule; its effect is told by export", text.value),
                    false => format!("there is no inbound rule `{}`", text.value),
                };
                let ids: Vec<&str> = inbound().map(|rule| &*rule.id).collect();
                report.error(
                    "test-rule-unknown",
                    text.inner(),
                    message,
                    "unknown rule",
                    did_you_mean(&text.value, ids),
                );
            }
        }
    }
    rules
}

fn read_metaverse(
    report: &mut Report<'_>,
    table: &mut Table<'_>,
    object_type: Option<&ObjectType>,
    context: Context<'_>,
    known: &Known,
) -> Vec<ExpectedAttribute> {
    let Some(attributes) = table.table(report, "metaverse", "these metaverse attributes") else {
        return Vec::new();
    };
    let mut read = Vec::new();
    for (name, span, value) in attributes.entries() {
        let Some(found) = metaverse_attribute(context, object_type, name) else {
            let message = format!("the metaverse has no attribute `{name}`");
            let names: Vec<&str> =
                context.rules.metaverse.types.values().flat_map(BTreeMap::keys).map(AttributeName::as_str).collect();
            report.error("metaverse-attribute-unknown", span, message, "unknown attribute", did_you_mean(name, names));
            continue;
        };
        let shape = Shape { kind: found.kind, plurality: found.plurality };
        let place = report.place(span);
        if let Some(values) = values::expected(report, name, value, shape, known) {
            read.push(ExpectedAttribute { name: AttributeName::new(name), values, place });
        }
    }
    read.sort_by_key(|attribute| attribute.place.span.start);
    read
}

/// Of the named type; without one, of any.
fn metaverse_attribute(
    context: Context<'_>,
    object_type: Option<&ObjectType>,
    name: &str,
) -> Option<MetaverseAttribute> {
    match object_type {
        Some(object_type) => context.rules.metaverse.attribute(object_type.as_str(), name),
        None => context.rules.metaverse.types.values().find_map(|attributes| attributes.get(name).copied()),
    }
}

fn read_exports(
    report: &mut Report<'_>,
    table: &mut Table<'_>,
    context: Context<'_>,
    known: &Known,
) -> Vec<ExpectedExport> {
    let Some(exports) = table.table(report, "export", "these exports") else {
        return Vec::new();
    };
    let mut read = Vec::new();
    for (connector, span, value) in exports.entries() {
        let Some((name, schema)) = context.schemas.get_key_value(connector) else {
            let message = format!("there is no connector `{connector}`");
            let help = did_you_mean(connector, context.schemas.keys().map(|name| &**name));
            report.error("connector-unknown", span, message, "unknown connector", help);
            continue;
        };
        let mut export = ExpectedExport {
            connector: name.clone(),
            place: report.place(span),
            operation: None,
            dn: None,
            attributes: Vec::new(),
            complete: false,
            held: None,
            members_held: None,
        };
        match value.get_ref() {
            DeValue::String(_) => export.operation = read_operation(report, value),
            DeValue::Table(_) => {
                let Some(table) = as_table(report, connector, value, "this export") else { continue };
                read_export(report, table, &mut export, schema, known);
            }
            _ => {
                wrong_kind::<()>(report, connector, value, "an operation such as \"add\", or a table");
                continue;
            }
        }
        read.push(export);
    }
    read.sort_by_key(|export| export.place.span.start);
    read
}

fn read_operation(report: &mut Report<'_>, value: &Spanned<DeValue<'_>>) -> Option<Placed<ExpectedOperation>> {
    let text = read_text(report, "operation", value)?;
    let operation = choose(report, "operation", &text, &ExpectedOperation::WORDS)?;
    Some(Placed { value: operation, place: report.place(text.span) })
}

fn read_export(
    report: &mut Report<'_>,
    mut table: Table<'_>,
    export: &mut ExpectedExport,
    schema: &ConnectorSchema,
    known: &Known,
) {
    export.operation = table.raw("operation").and_then(|value| read_operation(report, value));
    export.dn = placed(report, &mut table, "dn", read_dn);
    export.complete = table.boolean(report, "complete").unwrap_or(false);
    export.held = placed(report, &mut table, "held", |report, table| {
        let value = table.raw("held")?;
        Some(read_texts(report, "held", value)?.into_iter().map(|text| text.value).collect())
    });
    export.members_held = placed(report, &mut table, "members_held", |report, table| {
        let members = table.table(report, "members_held", "these members")?;
        let mut codes = BTreeMap::new();
        for (name, span, value) in members.entries() {
            if !known.contains_key(name) {
                unknown_object(report, name, span, known);
                continue;
            }
            if let Some(code) = read_text(report, name, value) {
                codes.insert(name.to_owned(), code.value);
            }
        }
        Some(codes)
    });
    if let Some(attributes) = table.table(report, "attributes", "these attributes") {
        for (name, span, value) in attributes.entries() {
            let place = report.place(span.clone());
            let Some((kind, plurality)) = attribute(report, name, span, &export.connector, schema) else { continue };
            if let Some(values) = values::expected(report, name, value, Shape { kind, plurality }, known) {
                export.attributes.push(ExpectedAttribute { name: AttributeName::new(name), values, place });
            }
        }
        export.attributes.sort_by_key(|attribute| attribute.place.span.start);
    }
    table.finish(report);
    let says_nothing = export.operation.is_none()
        && export.dn.is_none()
        && export.attributes.is_empty()
        && export.held.is_none()
        && export.members_held.is_none();
    if says_nothing {
        let message = format!("nothing is expected of the export to `{}`", export.connector);
        let help = "expect something: operation, attributes, dn, held, members_held";
        report.error("test-without-expectation", export.place.span.clone(), message, "expects nothing", help);
    }
}
