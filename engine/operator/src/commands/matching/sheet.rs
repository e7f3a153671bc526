//! `metasync match sheet`: what becomes of an existing object, attribute by attribute, before it is taken over; and after it, what it
//! held and holds (SF11). Reads only; the values are those that a run would decide.

use super::pairs::{self, label, standing};
use super::sheet_page::page;
use crate::cli::MatchSheetArgs;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Report, to_json};
use crate::text::{Table, count, counted};
use metaverse_schema::Values;
use serde_json::json;
use std::collections::BTreeSet;
use sync_runtime::{PairLine, PairState, Reading, Sheet, SheetChange, SheetLine};

const COLUMNS: [&str; 10] =
    ["pair", "connector", "state", "person", "existing", "attribute", "before", "after", "change", "note"];

pub(crate) fn run(context: &Context, connector: Option<&str>, args: &MatchSheetArgs) -> Result<Report, Failure> {
    let opened = context.open()?;
    let store = context.read_store(&opened)?;
    let reading = Reading::new(&store, &opened.rules, context.now());
    let lines = pairs::all(&reading, connector)?;
    let chosen: Vec<PairLine> = if args.pairs.is_empty() {
        let of_interest = [PairState::Waiting, PairState::Approved, PairState::Closed, PairState::TakenOver];
        lines.into_iter().filter(|line| of_interest.contains(&line.state) || is_approvable(line)).collect()
    } else {
        let mut named: Vec<PairLine> = Vec::new();
        for typed in &args.pairs {
            let line = pairs::named(&lines, typed)?;
            if named.iter().all(|known| known.id != line.id) {
                named.push(line.clone());
            }
        }
        named
    };
    let sheets = reading.sheets(chosen)?;
    let json = json!({ "sheets": to_json(&sheets) });
    if let Some(file) = &args.html {
        std::fs::write(file, page(&sheets)).map_err(|error| Failure::file("cannot write", file, &error))?;
        let text = format!("{} written to {}\n", counted(sheets.len() as u64, "sheet", "sheets"), file.display());
        return Ok(Report::new(Exit::Success, text, json));
    }
    let text = if args.csv { csv_table(&sheets)? } else { render(&sheets, args.limit, args.all) };
    Ok(Report::new(Exit::Success, text, json))
}

/// Held for nothing but what an operator may let through: its sheet helps him decide.
fn is_approvable(line: &PairLine) -> bool {
    line.state == PairState::Held && line.holds.iter().all(|hold| hold.approvable.is_some())
}

fn render(sheets: &[Sheet], limit: usize, all: bool) -> String {
    if sheets.is_empty() {
        return "No takeovers: nobody matches an existing object now, and none was taken over of late.\n".to_owned();
    }
    let mut text: String = sheets.iter().take(limit).map(|sheet| one(sheet, all)).collect::<Vec<_>>().join("\n");
    if sheets.len() > limit {
        text.push_str(&format!("\nand {} more sheets (--limit)\n", count((sheets.len() - limit) as u64)));
    }
    text
}

/// The title of a sheet, and whether it tells of the past.
pub(super) fn title(sheet: &Sheet) -> String {
    let pair = &sheet.pair;
    let by = pair.matched_by.as_ref().map_or(String::new(), |by| format!(", by {by}"));
    format!("{} takes over {} of {}{by}", label(&pair.person), label(&pair.existing), pair.connector)
}

pub(super) fn times(sheet: &Sheet) -> (&'static str, &'static str) {
    if sheet.pair.state == PairState::TakenOver { ("held before", "holds now") } else { ("holds", "will hold") }
}

fn one(sheet: &Sheet, all: bool) -> String {
    let pair = &sheet.pair;
    let mut text = crate::text::paragraph(&title(sheet), 0);
    text.push_str(&format!("  pair {}: {}\n", pair.id, standing(pair)));
    if sheet.lines.is_empty() {
        let reasons: Vec<&str> =
            pair.holds.iter().chain(&pair.held_besides).map(|hold| hold.message.as_str()).collect();
        text.push_str(&format!("  nothing will be written: {}\n", reasons.join("; ")));
        return text;
    }
    let (before, after) = times(sheet);
    let mut table = Table::new(&["attribute", before, after, "what"]);
    let told = |line: &&SheetLine| all || line.change != SheetChange::Kept || line.note.is_some();
    for line in sheet.lines.iter().filter(told) {
        table.row([line.attribute.clone(), values(&line.before), after_text(line), what(line)]);
    }
    text.push_str(&table.render());
    let kept: Vec<&str> = sheet.lines.iter().filter(|line| !told(line)).map(|line| line.attribute.as_str()).collect();
    if !kept.is_empty() {
        text.push_str(&crate::text::paragraph(&format!("stays as it is: {}", kept.join(", ")), 2));
    }
    text
}

pub(super) fn what(line: &SheetLine) -> String {
    match &line.note {
        Some(note) => format!("{}: {note}", line.change.code()),
        None => line.change.code().to_owned(),
    }
}

fn values(values: &Values) -> String {
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Of several values what goes and what comes, so that nobody must compare two lists.
pub(super) fn after_text(line: &SheetLine) -> String {
    if line.change == SheetChange::Kept || line.before.len().max(line.after.len()) < 2 {
        return values(&line.after);
    }
    let old: BTreeSet<String> = line.before.iter().map(ToString::to_string).collect();
    let new: BTreeSet<String> = line.after.iter().map(ToString::to_string).collect();
    let gone = old.difference(&new).map(|value| format!("- {value}"));
    let stays = old.intersection(&new).map(|value| format!("  {value}"));
    let comes = new.difference(&old).map(|value| format!("+ {value}"));
    gone.chain(stays).chain(comes).collect::<Vec<_>>().join("\n")
}

fn csv_table(sheets: &[Sheet]) -> Result<String, Failure> {
    let joined = |values: &Values| values.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    let write = || -> Result<Vec<u8>, csv::Error> {
        let mut table = csv::Writer::from_writer(Vec::new());
        table.write_record(COLUMNS)?;
        for sheet in sheets {
            let pair = &sheet.pair;
            for line in &sheet.lines {
                table.write_record([
                    &pair.id,
                    &pair.connector,
                    pair.state.code(),
                    &label(&pair.person),
                    &label(&pair.existing),
                    &line.attribute,
                    &joined(&line.before),
                    &joined(&line.after),
                    line.change.code(),
                    line.note.as_deref().unwrap_or_default(),
                ])?;
            }
        }
        table.into_inner().map_err(|error| error.into_error().into())
    };
    let bytes = write().map_err(|error| Failure::new("csv", format!("the sheets cannot be written: {error}"), ""))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
