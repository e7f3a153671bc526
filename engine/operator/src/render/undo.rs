//! The sheet of an undo: what an object held before its takeover, holds now and will hold; the order of the writes; what stays,
//! and why. Decides nothing.

use crate::text::{Table, counted, paragraph, time};
use metaverse_schema::{AttributesDelta, Values};
use serde_json::{Value, json};
use std::fmt::Write as _;
use sync_kernel::{UndoLine, UndoPlan, UndoRefusal, UndoWay};
use sync_runtime::{UndoEnd, UndoObject, UndoReport, UndoSheet};

pub(crate) fn sheet(sheet: &UndoSheet, what: &str, option: &str) -> String {
    let mut text = String::new();
    for object in &sheet.objects {
        heading(&mut text, object);
        match &object.decision {
            Ok(plan) => body(&mut text, object, plan),
            Err(refusal) => refused(&mut text, refusal),
        }
        text.push('\n');
    }
    let possible = sheet.objects.iter().filter(|object| object.decision.is_ok()).count() as u64;
    if possible == 0 {
        text.push_str("Nothing can be undone here. Nothing was written.\n");
        return text;
    }
    let _ = writeln!(
        text,
        "Nothing was written. This undoes the takeover of {}:\n  metasync{option} undo-takeover {} --apply {}",
        counted(possible, "object", "objects"),
        quoted(what),
        sheet.digest.as_str()
    );
    text
}

fn quoted(what: &str) -> String {
    if what.contains(' ') { format!("\"{what}\"") } else { what.to_owned() }
}

fn heading(text: &mut String, object: &UndoObject) {
    let person = object.person.as_ref().map(|person| format!(" for {}", person.name)).unwrap_or_default();
    let when = object.kept_at.map(|at| format!(", taken over {}", time(at))).unwrap_or_default();
    let begun = if object.is_begun { ", an undo of it was begun and is carried on" } else { "" };
    let _ = writeln!(text, "{}{person}{when}{begun}", object.object.text());
}

fn refused(text: &mut String, refusal: &UndoRefusal) {
    let _ = writeln!(text, "  cannot be undone: {}: {}", refusal.code, refusal.message);
    if !refusal.remedy.is_empty() {
        text.push_str(&paragraph(&refusal.remedy, 4));
    }
}

fn body(text: &mut String, object: &UndoObject, plan: &UndoPlan) {
    let restored: Vec<&UndoLine> = plan.lines.iter().filter(|line| line.is_restored()).collect();
    if restored.is_empty() {
        text.push_str("  every attribute is as it was\n");
    } else {
        let mut table = Table::new(&["attribute", "before", "now", "will be"]).indent(2);
        for line in &restored {
            table.row([line.attribute.to_string(), shown(&line.kept), shown(&line.now), shown(line.will())]);
        }
        text.push_str(&table.render());
    }
    text.push_str("  written in this order\n");
    for (place, step) in (1..).zip(steps(object, plan)) {
        let _ = writeln!(text, "    {place}. {step}");
    }
    text.push_str("  stays as it is\n");
    for (what, why) in &object.stays {
        let _ = writeln!(text, "    {what}: {why}");
    }
    for line in &plan.lines {
        if let UndoWay::Stays { reason } = &line.way {
            let _ = writeln!(
                text,
                "    {}: {} (before: {}): {reason}",
                line.attribute,
                shown(&line.now),
                shown(&line.kept)
            );
        }
    }
    if !object.memberships.is_empty() {
        let _ = writeln!(
            text,
            "    member of {}, where this deployment put it: the next cycle takes it out of groups that it synchronises",
            object.memberships.join(", ")
        );
    }
    if object.members > 0 {
        let _ = writeln!(text, "    {} that this deployment added", counted(object.members, "member", "members"));
    }
}

fn steps(object: &UndoObject, plan: &UndoPlan) -> Vec<String> {
    let mut steps = vec!["the link ends and the pair is rejected, until `metasync match approve`".to_owned()];
    if !plan.first.is_empty() {
        steps.push(format!("{}, while this deployment is still the master", names(&plan.first)));
    }
    if let (true, Some(flag)) = (plan.hands_over, &object.authority) {
        steps.push(format!("{flag} = true: the source of authority goes back to the cloud"));
    }
    let mut afterwards: Vec<String> = plan.afterwards.0.keys().map(ToString::to_string).collect();
    for change in &plan.references {
        let name = change.attribute.to_string();
        if !afterwards.contains(&name) {
            afterwards.push(name);
        }
    }
    if !afterwards.is_empty() {
        steps.push(afterwards.join(", "));
    }
    if !plan.stamp.is_empty() {
        steps.push(format!("{}, the anchor, last", names(&plan.stamp)));
    }
    steps
}

fn names(delta: &AttributesDelta) -> String {
    delta.0.keys().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn shown(values: &Values) -> String {
    if values.is_empty() {
        "-".to_owned()
    } else {
        values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }
}

pub(crate) fn report(sheet: &UndoSheet, report: &UndoReport, what: &str, option: &str) -> String {
    let mut text = String::new();
    let mut again = false;
    let mut undone = 0;
    for result in &report.results {
        let name = result.object.text();
        match &result.end {
            UndoEnd::Undone { left } => {
                undone += 1;
                let _ = writeln!(text, "{name}: undone");
                for line in left {
                    let _ = writeln!(
                        text,
                        "  {} is not as it was: {} instead of {}",
                        line.attribute,
                        shown(&line.now),
                        shown(&line.kept)
                    );
                }
            }
            UndoEnd::Refused(refusal) => {
                let _ = writeln!(text, "{name}: not undone");
                refused(&mut text, refusal);
            }
            UndoEnd::NotSettled { message } => {
                again = true;
                let _ = writeln!(text, "{name}: not settled: {message}");
            }
        }
    }
    let told_of_passwords = sheet
        .objects
        .iter()
        .any(|object| object.decision.is_ok() && object.stays.iter().any(|(what, _)| what == "password"));
    if undone > 0 && told_of_passwords {
        text.push_str("Set each of these users a password: the directory's is no longer pushed, and the last one stays in force.\n");
    }
    if undone > 0 {
        text.push_str("They are not taken over again until `metasync match approve` says so.\n");
    }
    if again {
        let _ = writeln!(text, "Run it again, it carries on:\n  metasync{option} undo-takeover {} --yes", quoted(what));
    }
    text
}

pub(crate) fn sheet_json(sheet: &UndoSheet) -> Value {
    json!({ "digest": sheet.digest.as_str(), "applied": false, "objects": objects(sheet) })
}

fn objects(sheet: &UndoSheet) -> Vec<Value> {
    sheet.objects.iter().map(object_json).collect()
}

fn object_json(object: &UndoObject) -> Value {
    let mut value = json!({
        "object": object.object,
        "person": object.person,
        "taken_over": object.kept_at,
        "begun": object.is_begun,
        "stays": object.stays.iter().map(|(what, why)| json!({ "what": what, "why": why })).collect::<Vec<_>>(),
        "memberships": object.memberships,
        "members": object.members,
    });
    match &object.decision {
        Ok(plan) => {
            value["steps"] = json!(steps(object, plan));
            value["attributes"] = Value::Array(plan.lines.iter().map(line_json).collect());
        }
        Err(refusal) => value["refused"] = json!(refusal),
    }
    value
}

fn line_json(line: &UndoLine) -> Value {
    let texts = |values: &Values| values.iter().map(ToString::to_string).collect::<Vec<_>>();
    let reason = match &line.way {
        UndoWay::Stays { reason } => Some(reason),
        _ => None,
    };
    json!({
        "attribute": line.attribute.to_string(),
        "before": texts(&line.kept),
        "now": texts(&line.now),
        "will_be": texts(line.will()),
        "restored": line.is_restored(),
        "stays_because": reason,
    })
}

pub(crate) fn report_json(sheet: &UndoSheet, report: &UndoReport) -> Value {
    let result = |result: &sync_runtime::UndoResult| {
        let (outcome, detail) = match &result.end {
            UndoEnd::Undone { left } => ("undone", json!({ "left": left.iter().map(line_json).collect::<Vec<_>>() })),
            UndoEnd::Refused(refusal) => ("refused", json!(refusal)),
            UndoEnd::NotSettled { message } => ("not-settled", json!({ "message": message })),
        };
        json!({ "object": result.object, "outcome": outcome, "detail": detail })
    };
    let results: Vec<Value> = report.results.iter().map(result).collect();
    json!({ "digest": sheet.digest.as_str(), "applied": true, "objects": objects(sheet), "results": results })
}
