//! `metasync history`: past runs, their steps and counters, and the errors of single objects.

use crate::cli::HistoryArgs;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Report, to_json};
use crate::render::counters::recorded_sentence;
use crate::text::{Table, count, duration, paragraph, time};
use serde_json::{Value, json};
use std::sync::Arc;
use sync_kernel::SentState;
use sync_store::{
    ErrorFilter, ErrorSubject, EventLevel, EventRecord, PendingFilter, RunFilter, RunRecord, StepRecord, Store,
};

/// Errors of one listing.
const ERRORS: usize = 1_000;

pub(crate) fn run(context: &Context, args: &HistoryArgs) -> Result<Report, Failure> {
    let opened = context.open()?;
    let store = context.read_store(&opened)?;
    if args.events {
        return password_events(&store, args.limit);
    }
    match &args.run {
        Some(wanted) => {
            let run = find(&store, wanted)?;
            one(&store, &run, args.errors)
        }
        None if args.errors => standing_errors(&store),
        None => list(&store, args.limit),
    }
}

fn list(store: &Store, limit: usize) -> Result<Report, Failure> {
    let runs = store.runs(&RunFilter { limit, ..RunFilter::default() })?;
    let said: Vec<EventRecord> = store.events(None, limit)?.into_iter().filter(|event| event.run.is_none()).collect();
    if runs.is_empty() {
        return Ok(Report::new(Exit::Success, "no run yet\n".to_owned(), json!({ "runs": [] })));
    }
    let mut table = Table::new(&["run", "profile", "started", ">time", "result"]).indent(0);
    for run in &runs {
        let sentences: Vec<String> = run.steps.iter().map(recorded_sentence).filter(|text| !text.is_empty()).collect();
        let result = match sentences.join("; ") {
            nothing if nothing.is_empty() => run.status.clone(),
            happened => format!("{}: {happened}", run.status),
        };
        table.row([
            format!("{}/{}", run.connector, run.number),
            run.profile.clone(),
            time(run.started),
            elapsed(run.started, run.ended),
            result,
        ]);
    }
    let mut text = table.render();
    if !said.is_empty() {
        text.push_str("\nBetween runs\n");
        let mut table = Table::new(&["when", "what", ""]);
        for event in &said {
            table.row([time(event.occurred), event.code.clone(), event.message.clone()]);
        }
        text.push_str(&table.render());
    }
    Ok(Report::new(Exit::Success, text, json!({ "runs": to_json(&runs), "events": to_json(&said) })))
}

/// The numbered events (7.4), newest first.
fn password_events(store: &Store, limit: usize) -> Result<Report, Failure> {
    let events = store.password_events(limit)?;
    let mut table = Table::new(&["when", ">event", "", "what"]).indent(0);
    for event in &events {
        let level = match event.level {
            EventLevel::Information => "",
            EventLevel::Warning => "warning",
            EventLevel::Error => "error",
        };
        table.row([time(event.at), event.number.to_string(), level.to_owned(), event.message.clone()]);
    }
    let text = if events.is_empty() { "no event yet\n".to_owned() } else { table.render() };
    Ok(Report::new(Exit::Success, text, json!({ "events": to_json(&events) })))
}

/// `cloud/7`, or `7` where only one connector has a run of that number.
pub(crate) fn find(store: &Store, wanted: &str) -> Result<RunRecord, Failure> {
    let (connector, number) = match wanted.rsplit_once('/') {
        Some((connector, number)) => (Some(connector), number),
        None => (None, wanted),
    };
    let number: u64 = number.parse().map_err(|_| {
        Failure::new("run-unknown", format!("`{wanted}` is not the number of a run"), "such as 7, or cloud/7")
    })?;
    let runs =
        store.runs(&RunFilter { connector: connector.map(Arc::from), limit: usize::MAX, ..RunFilter::default() })?;
    let mut found: Vec<RunRecord> = runs.into_iter().filter(|run| run.number == number).collect();
    match (found.pop(), found.as_slice()) {
        (None, _) => Err(Failure::new(
            "run-unknown",
            format!("there is no run {wanted}"),
            "`metasync history` lists them; they are kept for the days that metasync.toml says",
        )),
        (Some(run), []) => Ok(run),
        (Some(run), others) => {
            let names: Vec<String> =
                others.iter().chain(std::iter::once(&run)).map(|run| format!("{}/{number}", run.connector)).collect();
            Err(Failure::new("ambiguous", format!("several connectors have a run {number}"), names.join(", ")))
        }
    }
}

fn one(store: &Store, run: &RunRecord, errors: bool) -> Result<Report, Failure> {
    let mut text = format!(
        "run {}/{}, profile {}: {}\n{}, {}\n",
        run.connector,
        run.number,
        run.profile,
        run.status,
        time(run.started),
        elapsed(run.started, run.ended)
    );
    let mut json = to_json(run);
    let mut step_errors = Vec::new();
    for step in &run.steps {
        text.push_str(&step_part(step));
        if step.error_count == 0 {
            continue;
        }
        let found = store.step_errors(step.id)?;
        if errors {
            let mut table = Table::new(&["object", "code", "message"]).indent(4);
            for error in &found {
                let remedy = remedy(store, &run.connector, error.subject, &error.code)?;
                table.row([error.name.clone(), error.code.clone(), with_remedy(&error.message, remedy)]);
            }
            text.push_str(&table.render());
        } else {
            text.push_str("    --errors lists them\n");
        }
        step_errors.push(json!({ "step": step.number, "errors": to_json(&found) }));
    }
    if let Some(fields) = json.as_object_mut() {
        fields.insert("step_errors".to_owned(), Value::Array(step_errors));
    }
    Ok(Report::new(Exit::Success, text, json))
}

fn step_part(step: &StepRecord) -> String {
    let mut text = format!(
        "\n  step {}, {}: {}, {}\n",
        step.number,
        step.step_type,
        step.status,
        elapsed(step.started, step.ended)
    );
    let mut table = Table::new(&["", ">", ""]).indent(4);
    for (name, number) in step.counters.values.iter().filter(|(_, number)| **number > 0) {
        table.row([name.clone(), count(*number), String::new()]);
    }
    for (target, counters) in &step.counters.outbound {
        for (name, number) in counters.iter().filter(|(_, number)| **number > 0) {
            table.row([name.clone(), count(*number), format!("to {target}")]);
        }
    }
    text.push_str(&table.render());
    for note in &step.notes {
        text.push_str(&paragraph(&format!("{}: {}", note.code, note.message), 4));
    }
    if step.error_count > 0 {
        text.push_str(&format!("    {}\n", crate::text::counted(step.error_count, "error", "errors")));
    }
    text
}

/// `history --errors` without a run: what stands on objects now.
fn standing_errors(store: &Store) -> Result<Report, Failure> {
    let errors = store.errors(&ErrorFilter::default(), ERRORS)?;
    let mut remedies = Vec::with_capacity(errors.len());
    for error in &errors {
        remedies.push(remedy(store, &error.connector, Some(error.subject), &error.code)?);
    }
    let lines = errors.iter().zip(&remedies).map(|(error, remedy)| {
        let tried = crate::text::counted(error.retry_count + 1, "time", "times");
        let phase = crate::render::runs::kind_name(&error.phase);
        let head = format!(
            "{}: {} ({phase}, since {}, tried {tried})\n",
            error.connector,
            error.name,
            time(error.first_occurred)
        );
        let attribute = error.attribute.as_ref().map_or(String::new(), |attribute| format!(" {attribute}:"));
        let told = with_remedy(&format!("{}:{attribute} {}", error.code, error.message), remedy.clone());
        head + &told.lines().map(|line| paragraph(line, 2)).collect::<String>()
    });
    let lines: String = lines.collect();
    let text = if errors.is_empty() { "no object is in error\n".to_owned() } else { lines };
    let mut told = to_json(&errors);
    for (error, remedy) in told.as_array_mut().into_iter().flatten().zip(remedies) {
        error["remedy"] = json!(remedy);
    }
    Ok(Report::new(Exit::Success, text, json!({ "errors": told })))
}

/// What the target advised when it refused the export that an error is about, as long as that refusal stands.
fn remedy(
    store: &Store,
    connector: &str,
    subject: Option<ErrorSubject>,
    of_code: &str,
) -> Result<Option<String>, Failure> {
    let Some(ErrorSubject::Object(object)) = subject else { return Ok(None) };
    let filter = PendingFilter { object: Some(object), refused: true, ..PendingFilter::default() };
    let pending = store.pending(connector, &filter, None, 1)?;
    Ok(pending.into_iter().find_map(|line| match line.pending?.state {
        SentState::Refused { code, remedy, .. } if code == of_code && !remedy.is_empty() => Some(remedy),
        _ => None,
    }))
}

fn with_remedy(message: &str, remedy: Option<String>) -> String {
    match remedy {
        Some(remedy) => format!("{message}\nwhat to do: {remedy}"),
        None => message.to_owned(),
    }
}

fn elapsed(started: i64, ended: Option<i64>) -> String {
    match ended {
        Some(ended) => duration(ended.saturating_sub(started) as f64 / 1_000_000.0),
        None => "not ended".to_owned(),
    }
}
