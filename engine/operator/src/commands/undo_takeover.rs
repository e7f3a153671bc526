//! `metasync undo-takeover`: shows what giving existing objects back would write, in which order, and what stays (SF11); does it
//! with the digest that was shown, or with --yes. What may be undone, and how, is decided elsewhere.

use crate::cli::UndoTakeoverArgs;
use crate::commands::history;
use crate::context::{Context, operator};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Report;
use crate::render::undo;
use sync_runtime::{Engine, UndoEnd, UndoReport, UndoSheet, UndoTarget};

/// Shortest beginning of a digest that names it.
const SHORTEST: usize = 8;

pub(crate) async fn run(context: &Context, args: &UndoTakeoverArgs) -> Result<Report, Failure> {
    let mut engine = context.engine(context.open()?)?;
    let target = target(context, &engine, &args.what)?;
    let sheet = engine.plan_undo(&target).await?;
    let report = match (&args.apply, args.yes) {
        (None, false) => {
            let exit = if sheet.objects.iter().all(|object| object.decision.is_ok()) {
                Exit::Success
            } else {
                Exit::ObjectErrors
            };
            let text = undo::sheet(&sheet, &args.what, &context.option());
            Report::new(exit, text, undo::sheet_json(&sheet))
        }
        (digest, _) => {
            if let Some(digest) = digest {
                compare(digest, &sheet)?;
            }
            let done = engine.apply_undo(&sheet, &operator(), args.note.as_deref().unwrap_or_default()).await?;
            let text = undo::report(&sheet, &done, &args.what, &context.option());
            Report::new(exit_of(&done), text, undo::report_json(&sheet, &done))
        }
    };
    engine.close()?;
    Ok(report)
}

/// A run by its number as `history` shows it, else an object by anything it is known by.
fn target(context: &Context, engine: &Engine, text: &str) -> Result<UndoTarget, Failure> {
    let number = text.rsplit_once('/').map_or(text, |(_, number)| number);
    let is_run = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    if !is_run {
        return Ok(UndoTarget::Object(engine.reading().find_anywhere(text)?));
    }
    let run = history::find(engine.store(), text)?;
    let to = run.ended.unwrap_or_else(|| context.now());
    Ok(UndoTarget::Between { connector: run.connector, from: run.started, to })
}

/// The operator's word is about exactly what was shown.
fn compare(typed: &str, sheet: &UndoSheet) -> Result<(), Failure> {
    let typed = typed.trim().to_ascii_lowercase();
    let now = sheet.digest.as_str();
    if typed == now || (typed.len() >= SHORTEST && now.starts_with(&typed)) {
        return Ok(());
    }
    Err(Failure::new(
        "undo-changed",
        format!("what would be done now is not what has the digest {typed}; nothing was written"),
        "look at it again without --apply: something changed since, or another object was named",
    ))
}

fn exit_of(report: &UndoReport) -> Exit {
    let mut exit = Exit::Success;
    for result in &report.results {
        match &result.end {
            UndoEnd::NotSettled { .. } => return Exit::Stopped,
            UndoEnd::Refused(_) => exit = Exit::ObjectErrors,
            UndoEnd::Undone { .. } => {}
        }
    }
    exit
}
