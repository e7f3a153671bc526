//! Outcomes of rule tests: which failed, with what was wanted and what was found, and the flows behind it.

use crate::render::objects::cut;
use crate::text::{counted, paragraph};
use serde_json::{Value, json};
use sync_rules::{SourcePlace, Sources};
use sync_runtime::{Because, Mismatch, TestOutcome};

/// The outcomes of one file.
pub(crate) struct FileOutcome {
    pub(crate) name: String,
    pub(crate) outcomes: Vec<TestOutcome>,
}

/// The texts that places point into.
#[derive(Clone, Copy)]
pub(crate) struct Places<'a> {
    pub(crate) tests: &'a Sources,
    pub(crate) rules: &'a Sources,
}

pub(crate) fn text(files: &[FileOutcome], places: Places<'_>) -> String {
    let mut text = String::new();
    let (mut tests, mut failed) = (0, 0);
    for file in files {
        text.push_str(&format!("{}\n", file.name));
        for outcome in &file.outcomes {
            tests += 1;
            if outcome.mismatches.is_empty() {
                text.push_str(&paragraph(&format!("passed  {}", outcome.name), 2));
                continue;
            }
            failed += 1;
            text.push_str(&paragraph(&format!("FAILED  {}", outcome.name), 2));
            for mismatch in &outcome.mismatches {
                text.push_str(&mismatch_text(mismatch, places));
            }
        }
    }
    let total = counted(tests, "test", "tests");
    text.push_str(&match failed {
        0 => format!("\n{total}, all passed\n"),
        failed => format!("\n{total}, {failed} failed\n"),
    });
    text
}

fn mismatch_text(mismatch: &Mismatch, places: Places<'_>) -> String {
    let step = if mismatch.step.is_empty() { String::new() } else { format!("{}: ", mismatch.step) };
    let object = if mismatch.object.is_empty() { String::new() } else { format!("{}: ", mismatch.object) };
    let place = place_text(&mismatch.place, places.tests);
    let mut text = paragraph(&format!("{place}: {step}{object}{}", mismatch.what), 4);
    text.push_str(&paragraph(&format!("wanted  {}", mismatch.wanted), 6));
    text.push_str(&paragraph(&format!("found   {}", mismatch.found), 6));
    for because in &mismatch.because {
        text.push_str(&because_text(because, places));
    }
    text
}

fn because_text(because: &Because, places: Places<'_>) -> String {
    let place = place_text(&because.place, places.rules);
    let told = format!("{}: {} gave {}: {}", because.verdict, because.rule_name, because.values, cut(&because.source));
    let mut text = paragraph(&told, 6);
    text.push_str(&paragraph(&format!("{}, {place}", because.rule), 8));
    text
}

fn place_text(place: &SourcePlace, sources: &Sources) -> String {
    match sources.line_and_column(&place.file, place.span.start) {
        Some((line, _)) => format!("{}:{line}", place.file),
        None => place.file.to_string(),
    }
}

fn line(place: &SourcePlace, sources: &Sources) -> Option<usize> {
    sources.line_and_column(&place.file, place.span.start).map(|(line, _)| line)
}

pub(crate) fn json(files: &[FileOutcome], places: Places<'_>) -> Value {
    let outcomes = || files.iter().flat_map(|file| &file.outcomes);
    let files: Vec<Value> = files
        .iter()
        .map(|file| {
            let tests: Vec<Value> = file.outcomes.iter().map(|outcome| outcome_json(outcome, places)).collect();
            json!({ "file": file.name, "tests": tests })
        })
        .collect();
    json!({
        "tests": outcomes().count(),
        "failed": outcomes().filter(|outcome| !outcome.mismatches.is_empty()).count(),
        "files": files,
    })
}

fn outcome_json(outcome: &TestOutcome, places: Places<'_>) -> Value {
    let mismatches: Vec<Value> = outcome
        .mismatches
        .iter()
        .map(|mismatch| {
            let because: Vec<Value> = mismatch
                .because
                .iter()
                .map(|because| {
                    let mut told = crate::output::to_json(because);
                    if let Some(fields) = told.as_object_mut() {
                        fields.insert("file".to_owned(), json!(&*because.place.file));
                        fields.insert("line".to_owned(), json!(line(&because.place, places.rules)));
                    }
                    told
                })
                .collect();
            json!({
                "step": mismatch.step,
                "object": mismatch.object,
                "what": mismatch.what,
                "file": &*mismatch.place.file,
                "line": line(&mismatch.place, places.tests),
                "wanted": mismatch.wanted,
                "found": mismatch.found,
                "because": because,
            })
        })
        .collect();
    json!({
        "name": outcome.name,
        "line": line(&outcome.place, places.tests),
        "passed": outcome.mismatches.is_empty(),
        "mismatches": mismatches,
    })
}
