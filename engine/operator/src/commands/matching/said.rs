//! `metasync match approve` and `reject`: keeps what an operator says about pairs, with who he is and why. Links nothing and sends
//! nothing; a pair that was taken over already is another command's.

use super::list::table_of;
use super::pairs;
use crate::assess::decoded;
use crate::cli::{MatchApproveArgs, MatchRejectArgs};
use crate::context::{Context, operator};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Report, to_json};
use crate::text::counted;
use serde_json::json;
use std::path::Path;
use sync_kernel::MatchVerdict;
use sync_rules::Matching;
use sync_runtime::{Engine, PairLine, PairState};
use sync_store::PairWord;

/// Pairs that are named by name when several are told.
const SHOWN: usize = 50;

/// A pair with what is to be said about it, and why.
type Saying<'p> = (&'p PairLine, MatchVerdict, String);

pub(crate) fn approve(context: &Context, connector: Option<&str>, args: &MatchApproveArgs) -> Result<Report, Failure> {
    let mut engine = context.engine(context.open()?)?;
    let lines = pairs::all(&engine.reading(), connector)?;
    let sayings: Vec<Saying<'_>> = match &args.file {
        Some(file) => from_file(file, &lines, &args.note)?,
        None if args.all => {
            let waiting = lines.iter().filter(|line| line.state == PairState::Waiting);
            waiting.map(|line| (line, MatchVerdict::Approved, args.note.clone())).collect()
        }
        None => args
            .pairs
            .iter()
            .map(|typed| Ok((pairs::named(&lines, typed)?, MatchVerdict::Approved, args.note.clone())))
            .collect::<Result<_, Failure>>()?,
    };
    say(context, &mut engine, &sayings, !args.all && args.file.is_none() || args.yes)
}

pub(crate) fn reject(context: &Context, connector: Option<&str>, args: &MatchRejectArgs) -> Result<Report, Failure> {
    let mut engine = context.engine(context.open()?)?;
    let lines = pairs::all(&engine.reading(), connector)?;
    let sayings: Vec<Saying<'_>> = args
        .pairs
        .iter()
        .map(|typed| Ok((pairs::named(&lines, typed)?, MatchVerdict::Rejected, args.note.clone())))
        .collect::<Result<_, Failure>>()?;
    say(context, &mut engine, &sayings, true)
}

/// All of it or nothing.
fn say(context: &Context, engine: &mut Engine, sayings: &[Saying<'_>], agreed: bool) -> Result<Report, Failure> {
    for (line, verdict, _) in sayings {
        may_be_said(line, *verdict)?;
    }
    if sayings.is_empty() {
        let text = "No pair waits: nothing was changed.\n".to_owned();
        return Ok(Report::new(Exit::Success, text, json!({ "done": true, "pairs": [] })));
    }
    let shown = shown(sayings, engine.rules().matching == Matching::Closed);
    let agreed = agreed || (context.output.is_interactive() && context.confirm(&shown, "keep this?")?);
    let by = operator();
    if agreed {
        let said = sayings.iter().map(|(line, verdict, note)| {
            (line.object, line.mv, PairWord { verdict: *verdict, by: by.clone(), note: note.clone() })
        });
        engine.store_mut().record_pair_decisions(&said.collect::<Vec<_>>(), context.now())?;
    }
    let option = context.option();
    let end = match agreed {
        true => format!("Kept. The next cycle decides by it:\n  metasync{option} cycle\n"),
        false => "Nothing was changed; --yes does it.\n".to_owned(),
    };
    let sayings: Vec<_> = sayings
        .iter()
        .map(|(line, verdict, note)| json!({ "pair": line.id, "connector": line.connector, "verdict": to_json(verdict), "note": note }))
        .collect();
    let json = json!({ "done": agreed, "by": by, "pairs": sayings });
    Ok(Report::new(Exit::Success, format!("{shown}{end}"), json))
}

fn shown(sayings: &[Saying<'_>], is_closed: bool) -> String {
    let mut text = String::new();
    for (verdict, title) in
        [(MatchVerdict::Approved, "To be taken over"), (MatchVerdict::Rejected, "Never to be matched")]
    {
        let lines: Vec<&PairLine> =
            sayings.iter().filter(|(_, said, _)| *said == verdict).map(|(line, _, _)| *line).collect();
        if lines.is_empty() {
            continue;
        }
        text.push_str(&format!("{title}: {}\n", counted(lines.len() as u64, "pair", "pairs")));
        text.push_str(&table_of(&lines[..lines.len().min(SHOWN)]));
        text.push('\n');
        let besides = |line: &&&PairLine| verdict == MatchVerdict::Approved && !pairs::held_codes(line).is_empty();
        if lines.iter().any(|line| besides(&line)) {
            text.push_str("What is also held waits for its own approval or its remedy: `metasync pending` has both.\n");
        }
        if verdict == MatchVerdict::Approved && is_closed {
            text.push_str(
                "Matching is closed: nothing is matched until `mode = \"review\"` stands under [matching].\n",
            );
        }
    }
    text
}

fn may_be_said(line: &PairLine, verdict: MatchVerdict) -> Result<(), Failure> {
    let names = pairs::text(line);
    match (line.state, verdict) {
        (PairState::TakenOver, MatchVerdict::Approved) => Err(Failure::new(
            "pair-taken-over",
            format!("{names} was taken over already"),
            "there is nothing to approve",
        )),
        (PairState::TakenOver, _) => Err(Failure::new(
            "pair-taken-over",
            format!(
                "{names} was taken over already; a rejection alone would leave the existing object as the takeover made it"
            ),
            "`metasync undo-takeover` gives it back what it held, and rejects the pair",
        )),
        (PairState::Held, MatchVerdict::Approved) => {
            let reasons: Vec<String> = line
                .holds
                .iter()
                .filter(|hold| hold.approvable.is_none())
                .map(|hold| format!("{} ({})", hold.code, hold.message))
                .collect();
            let remedy = line.holds.iter().find(|hold| hold.approvable.is_none()).map(|hold| hold.remedy.clone());
            Err(Failure::new(
                "pair-held",
                format!("{names} cannot be approved: {}", reasons.join("; ")),
                remedy.unwrap_or_default(),
            ))
        }
        _ => Ok(()),
    }
}

/// Rows of a list with their decisions; a row without one is passed over.
fn from_file<'p>(file: &Path, lines: &'p [PairLine], note: &str) -> Result<Vec<Saying<'p>>, Failure> {
    let bytes = std::fs::read(file).map_err(|error| Failure::file("cannot read", file, &error))?;
    let text = decoded(&bytes).map_err(|problem| Failure::new(problem.code, problem.message, problem.remedy))?;
    let heading = text.lines().next().unwrap_or_default();
    let separator = if heading.matches(';').count() > heading.matches(',').count() { b';' } else { b',' };
    let mut table = csv::ReaderBuilder::new().delimiter(separator).flexible(true).from_reader(text.as_bytes());
    let bad = |line: u64, what: String| {
        Failure::new(
            "match-file",
            format!("{}, line {line}: {what}; nothing was changed", file.display()),
            "take the list of `metasync match list --csv` and write approve or reject in its column `decision`",
        )
    };
    let titles = table.headers().map_err(|error| bad(1, error.to_string()))?.clone();
    let column = |name: &str| titles.iter().position(|title| title.trim().eq_ignore_ascii_case(name));
    let Some(pair) = column("pair") else { return Err(bad(1, "there is no column `pair`".to_owned())) };
    let Some(decision) = column("decision") else { return Err(bad(1, "there is no column `decision`".to_owned())) };
    let note_column = column("note");
    let mut sayings = Vec::new();
    for (line, record) in (2..).zip(table.records()) {
        let record = record.map_err(|error| bad(line, error.to_string()))?;
        let field = |at: Option<usize>| at.and_then(|at| record.get(at)).unwrap_or_default().trim();
        let verdict = match field(Some(decision)).to_lowercase().as_str() {
            "" => continue,
            "approve" | "approved" | "yes" => MatchVerdict::Approved,
            "reject" | "rejected" | "no" => MatchVerdict::Rejected,
            other => return Err(bad(line, format!("`{other}` is no decision: approve, reject, or nothing"))),
        };
        let found = pairs::named(lines, field(Some(pair))).map_err(|failure| bad(line, failure.message))?;
        let own = field(note_column);
        sayings.push((found, verdict, if own.is_empty() { note.to_owned() } else { own.to_owned() }));
    }
    Ok(sayings)
}
