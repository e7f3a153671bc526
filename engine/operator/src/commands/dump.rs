//! `metasync dump`: every object of the metaverse or of one connector space, a line of JSON each, for jq, a spreadsheet or a
//! database of the operator's own. Written page by page, so it needs no more memory for a million objects than for ten. Reads
//! only; a run may go on meanwhile.

use crate::cli::DumpArgs;
use crate::commands::preview::space;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Report, to_json};
use serde_json::{Map, Value, json};
use sync_kernel::{CsId, MvObject};
use sync_runtime::Space;
use sync_store::{MvSummary, ObjectSummary, Store, StoreError};

/// Objects that are read together.
const PAGE: usize = 1_000;

pub(crate) fn run(context: &Context, args: &DumpArgs) -> Result<Report, Failure> {
    if context.output.json {
        return Err(Failure::new(
            "usage",
            "`dump` prints a line of JSON for each object by itself",
            "leave out --json",
        ));
    }
    let opened = context.open()?;
    let store = context.read_store(&opened)?;
    match space(&args.space, &opened.connectors)? {
        Space::Metaverse => {
            let line = |summary: &MvSummary| match store.metaverse(summary.id)? {
                Some(object) => metaverse_line(&store, summary, &object).map(Some),
                None => Ok(None),
            };
            print_all(context, |last: Option<&MvSummary>| store.list_metaverse(last.map(|last| last.id), PAGE), line)?;
        }
        Space::Connector(connector) => {
            let page = |last: Option<&ObjectSummary>| store.list_objects(&connector, last.map(|last| last.id), PAGE);
            print_all(context, page, |summary| object_line(&store, summary).map(Some))?;
        }
    }
    Ok(Report::new(Exit::Success, String::new(), Value::Null))
}

/// Page after page, until there is none, or nobody reads on (`metasync dump mv | head`).
fn print_all<T>(
    context: &Context,
    page_after: impl Fn(Option<&T>) -> Result<Vec<T>, StoreError>,
    line: impl Fn(&T) -> Result<Option<Value>, StoreError>,
) -> Result<(), StoreError> {
    let mut page = page_after(None)?;
    while !page.is_empty() {
        let mut lines = String::new();
        for summary in &page {
            if let Some(line) = line(summary)? {
                put(&mut lines, &line);
            }
        }
        if !context.output.data(&lines) {
            break;
        }
        page = page_after(page.last())?;
    }
    Ok(())
}

fn put(lines: &mut String, line: &Value) {
    lines.push_str(&line.to_string());
    lines.push('\n');
}

/// What the system returned last, with the object's state; references by anchor, or by DN where that is all that is known.
fn object_line(store: &Store, summary: &ObjectSummary) -> Result<Value, StoreError> {
    let mut line = to_json(summary);
    let object = store.object(summary.id)?;
    let (mut attributes, mut references) = (Value::Object(Map::new()), Map::new());
    if let Some(object) = &object {
        if let Some(image) = object.imported() {
            attributes = to_json(image);
        }
        for name in object.reference_counts.keys() {
            references.insert(name.to_string(), Value::Array(targets(store, object.id, name.as_str())?));
        }
    }
    line["attributes"] = attributes;
    line["references"] = Value::Object(references);
    line["metaverse"] = object.and_then(|object| object.link).map_or(Value::Null, |link| to_json(&link.mv));
    Ok(line)
}

fn targets(store: &Store, object: CsId, attribute: &str) -> Result<Vec<Value>, StoreError> {
    let mut targets = Vec::new();
    let mut after = None;
    loop {
        let page = store.members(object, attribute, after, PAGE)?;
        let Some(last) = page.last().map(|member| member.id) else { return Ok(targets) };
        after = Some(last);
        targets.extend(page.into_iter().map(|member| json!(member.anchor.or(member.dn).unwrap_or(member.name))));
    }
}

/// Values with their contributor and rule.
fn metaverse_line(store: &Store, summary: &MvSummary, object: &MvObject) -> Result<Value, StoreError> {
    let mut attributes = Map::new();
    for (name, value) in &object.attributes {
        let line = json!({ "values": to_json(&value.values), "contributor": value.contributor, "rule": &*value.rule });
        attributes.insert(name.to_string(), line);
    }
    let mut links = Vec::new();
    for id in &summary.links {
        links.extend(
            store.summary(*id)?.map(
                |link| json!({ "id": link.id, "connector": &*link.connector, "anchor": link.anchor, "dn": link.dn }),
            ),
        );
    }
    Ok(json!({
        "id": summary.id,
        "object_type": summary.object_type,
        "name": summary.name,
        "attributes": attributes,
        "links": links,
    }))
}
