//! `metasync preview --rules DIR`: what other rules would change, counted and listed, a page at a time or all as CSV.

use crate::cli::PreviewArgs;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Report, to_json};
use crate::progress::Progress;
use crate::render::rule_change::{self, Page};
use metaverse_schema::Values;
use serde_json::json;
use std::sync::Arc;
use sync_runtime::{ChangeLine, RuleChangeRequest, RuleComparison};

pub(super) async fn run(context: &Context, args: &PreviewArgs) -> Result<Report, Failure> {
    let Some(folder) = &args.rules else {
        return Err(Failure::new("usage", "name a connector and an object, or --rules DIR", ""));
    };
    let opened = context.open()?;
    let (proposed, _) = context.other_rules(folder)?;
    let request = RuleChangeRequest {
        deployment: &opened.deployment,
        present: &opened.rules,
        proposed: &proposed,
        connectors: opened.connectors.clone(),
        reads: None,
        offline: args.offline,
        now: context.now(),
        events: Arc::new(Progress::new(context.output)),
        stop: context.stop.clone(),
    };
    let comparison = RuleComparison::make(&request).await?;
    let wanted = |line: &ChangeLine| match &args.attribute {
        Some(asked) => line.attribute.as_ref() == Some(asked),
        None => true,
    };
    let mut table = csv::Writer::from_writer(Vec::new());
    let mut trouble = if args.csv { table.write_record(COLUMNS).err() } else { None };
    let mut page = Page { skipped: args.skip, lines: Vec::new(), matching: 0 };
    let report = comparison.walk(&mut |line| {
        if !wanted(line) {
            return;
        }
        page.matching += 1;
        if args.csv {
            if trouble.is_none() {
                trouble = table.write_record(record(line)).err();
            }
            // What is written goes out at once: the list may be longer than memory.
            if table.get_ref().len() > FLUSH {
                flush(context, &mut table);
            }
        } else if page.matching > args.skip && page.lines.len() < args.limit {
            page.lines.push(line.clone());
        }
    })?;
    if args.csv {
        if let Some(error) = trouble {
            return Err(Failure::new("csv", error.to_string(), ""));
        }
        flush(context, &mut table);
        return Ok(Report::new(Exit::Success, String::new(), json!(null)));
    }
    let document = json!({
        "change": to_json(&report),
        "skipped": args.skip,
        "matching": page.matching,
        "lines": to_json(&page.lines),
    });
    Ok(Report::new(Exit::Success, rule_change::text(&report, &page), document))
}

/// Bytes of CSV that are kept before they go out.
const FLUSH: usize = 64 * 1024;

const COLUMNS: [&str; 11] =
    ["kind", "type", "name", "place", "connector", "attribute", "old", "new", "old rule", "new rule", "number"];

fn record(line: &ChangeLine) -> [String; 11] {
    let texts = |values: &Values, text: &str| match text.is_empty() {
        true => values.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
        false => text.to_owned(),
    };
    let object = &line.object;
    let space = if object.connector.is_some() { "cs" } else { "mv" };
    [
        rule_change::kind_name(line.kind),
        object.object_type.clone(),
        object.name.clone(),
        object.dn.clone().or_else(|| object.anchor.clone()).unwrap_or_default(),
        line.connector.clone().unwrap_or_default(),
        line.attribute.clone().unwrap_or_default(),
        texts(&line.old, &line.from),
        texts(&line.new, &line.to),
        line.old_rule.clone().unwrap_or_default(),
        line.new_rule.clone().unwrap_or_default(),
        format!("{space}:{}", object.id),
    ]
}

fn flush(context: &Context, table: &mut csv::Writer<Vec<u8>>) {
    let empty = csv::Writer::from_writer(Vec::new());
    if let Ok(bytes) = std::mem::replace(table, empty).into_inner() {
        context.output.data(&String::from_utf8_lossy(&bytes));
    }
}
