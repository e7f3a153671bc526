//! Runs and cycles as tables: what each step did, what the guard stopped, what is held and why, and the exact line that
//! lets a waiting list through.

use crate::render::counters::step_sentence;
use crate::render::holds::{self, Detail};
use crate::text::{Table, count, counted, duration, paragraph, words};
use std::collections::BTreeMap;
use sync_rules::RuleSet;
use sync_runtime::{CycleReport, GuardReport, RunReport, StepReport, WaitingList};

pub(crate) fn run(report: &RunReport, option: &str) -> String {
    let mut text = format!(
        "run {} of {}, profile {}: {}, {}\n\n",
        report.run,
        report.connector,
        report.profile,
        report.status,
        duration(seconds(report.started, report.ended))
    );
    text.push_str(&steps(std::slice::from_ref(report)));
    text.push_str(&details(std::slice::from_ref(report), option, false));
    text
}

pub(crate) fn cycle(report: &CycleReport, rules: &RuleSet, option: &str) -> String {
    let mut text = format!(
        "{} cycle: {}, {}{}\n\n",
        report.kind,
        report.status,
        duration(seconds(report.started, report.ended)),
        if report.staging_mode { "; staging mode, nothing was exported" } else { "" }
    );
    text.push_str(&steps(&report.runs));
    for skipped in &report.skipped {
        text.push_str(&paragraph(&format!("not run: {} {}, {}", skipped.connector, skipped.step, skipped.reason), 2));
    }
    if !report.skipped.is_empty() {
        text.push('\n');
    }
    text.push_str(&details(&report.runs, option, true));
    let state = state(report);
    if !state.is_empty() {
        text.push_str(&state);
        text.push('\n');
    }
    for (connector, held) in &report.held {
        text.push_str(&holds::tables(connector, held, rules, Detail::Reasons));
    }
    text.push_str(&waiting(&report.waiting, option));
    text
}

/// The step tables of one run or of a whole cycle.
fn steps(runs: &[RunReport]) -> String {
    let mut table = Table::new(&["connector", "step", "status", ">time", "what happened"]);
    for run in runs {
        for step in run.steps.iter().filter(|step| !step.replaced) {
            table.row([
                run.connector.clone(),
                step.step_type.to_owned(),
                step.status.clone(),
                duration(step.seconds),
                step_sentence(step),
            ]);
        }
    }
    format!("{}\n{}", table.render(), plans(runs))
}

/// The digest over the plans of each synchronisation that had something to decide: what `preview --rules` shows for the same rules.
fn plans(runs: &[RunReport]) -> String {
    let mut table = Table::new(&["connector", "step", "plans"]);
    for run in runs {
        for step in run.steps.iter().filter(|step| step.processed > 0) {
            if let Some(digest) = &step.digest {
                table.row([run.connector.clone(), step.step_type.to_owned(), digest.clone()]);
            }
        }
    }
    let text = table.render();
    if text.is_empty() { text } else { format!("{text}\n") }
}

/// Messages, errors and guards of the steps.
fn details(runs: &[RunReport], option: &str, lists_follow: bool) -> String {
    let mut text = String::new();
    for run in runs {
        for step in &run.steps {
            let part = step_details(&run.connector, step, run.run, option, lists_follow);
            if !part.is_empty() {
                text.push_str(&part);
                text.push('\n');
            }
        }
    }
    text
}

/// Notes that the guard's own lines repeat.
const GUARD_NOTES: &str = "guard-";

fn step_details(connector: &str, step: &StepReport, run: u64, option: &str, lists_follow: bool) -> String {
    let mut text = String::new();
    let stopped = step.guard.as_ref().is_some_and(|guard| !guard.approved);
    if let Some(guard) = &step.guard {
        text.push_str(&guard_stop(connector, guard, option, lists_follow));
    }
    // The guard has said what there is to say about a step that it stopped.
    if !step.message.is_empty() && !stopped {
        let instead = if step.replaced { "; another step did its work" } else { "" };
        text.push_str(&paragraph(&format!("{connector} {}: {}{instead}", step.step_type, step.message), 0));
    }
    if !step.remedy.is_empty() && !stopped && !step.replaced {
        text.push_str(&paragraph(&format!("what to do: {}", step.remedy), 2));
    }
    for note in step.notes.iter().filter(|note| !note.code.starts_with(GUARD_NOTES)) {
        text.push_str(&paragraph(&format!("{connector} {}: {} ({})", step.step_type, note.message, note.code), 0));
    }
    if !step.first_errors.is_empty() {
        text.push_str(&format!("Errors of {connector} {}\n", step.step_type));
        let mut table = Table::new(&["object", "code", "message"]);
        for error in &step.first_errors {
            let message = match &error.attribute {
                Some(attribute) => format!("{attribute}: {}", error.message),
                None => error.message.clone(),
            };
            table.row([error.object.clone(), error.code.clone(), message]);
        }
        text.push_str(&table.render());
        if step.errors > step.first_errors.len() as u64 {
            let rest = step.errors - step.first_errors.len() as u64;
            text.push_str(&format!(
                "  and {} more: metasync{option} history {connector}/{run} --errors\n",
                count(rest)
            ));
        }
    }
    text
}

fn guard_stop(connector: &str, guard: &GuardReport, option: &str, list_follows: bool) -> String {
    let mut text = if guard.approved {
        format!("The guard let an approved list through to {connector}\n")
    } else {
        format!("The guard stopped the export to {connector} before its first byte\n")
    };
    let mut table = Table::new(&["kind", "of", ">count", ">limit"]);
    for verdict in &guard.verdicts {
        table.row([
            words(&kind_name(&verdict.kind)),
            verdict.counted_by.clone(),
            count(verdict.count),
            count(verdict.limit),
        ]);
    }
    text.push_str(&table.render());
    if !guard.approved && !list_follows {
        text.push_str(&format!(
            "  {}; the whole of it: metasync{option} pending {connector}\n",
            counted(guard.lines, "change is in the list", "changes are in the list")
        ));
        text.push_str(&format!("  to let exactly this list through: metasync{option} approve {}\n", guard.digest));
    }
    text
}

/// An enum's name as it is serialised.
pub(crate) fn kind_name(kind: &impl serde::Serialize) -> String {
    match serde_json::to_value(kind) {
        Ok(serde_json::Value::String(name)) => name,
        _ => "unknown".to_owned(),
    }
}

/// `cloud: 12 to send, 0 unconfirmed, 1 in error`.
fn state(report: &CycleReport) -> String {
    let number = |map: &BTreeMap<String, u64>, connector: &str| map.get(connector).copied().unwrap_or(0);
    let mut text = String::new();
    for connector in report.errors.keys() {
        let mut parts = Vec::new();
        if report.pending.contains_key(connector) {
            parts.push(format!("{} to send", count(number(&report.pending, connector))));
            parts.push(format!("{} unconfirmed", count(number(&report.unconfirmed, connector))));
        }
        parts.push(format!("{} in error", count(number(&report.errors, connector))));
        text.push_str(&format!("{connector}: {}\n", parts.join(", ")));
    }
    text
}

/// Lists that wait for an operator, each with its first lines and its approval.
pub(crate) fn waiting(lists: &[WaitingList], option: &str) -> String {
    let mut text = String::new();
    for list in lists {
        text.push_str(&format!(
            "Waiting for your approval in {}: {}\n",
            list.connector,
            counted(list.lines, &list_name(&list.kind, true), &list_name(&list.kind, false)),
        ));
        let mut table = Table::new(&["name", "detail"]);
        for line in list.first_lines.iter().take(SHOWN_LINES) {
            table.row([line.name.clone(), line.detail.clone()]);
        }
        text.push_str(&table.render());
        let shown = list.first_lines.len().min(SHOWN_LINES) as u64;
        if list.lines > shown {
            let rest = count(list.lines - shown);
            text.push_str(&format!("  and {rest} more: metasync{option} pending {}\n", list.connector));
        }
        text.push_str(&format!("  metasync{option} approve {}\n\n", list.digest));
    }
    text
}

/// Lines of a waiting list in a summary.
const SHOWN_LINES: usize = 5;

fn list_name(kind: &str, one: bool) -> String {
    let (singular, plural) = match kind {
        "system-state" => ("change of the connected system itself", "changes of the connected system itself"),
        "first-password" => ("first password of a user", "first passwords of users"),
        "match" => ("match with an existing object", "matches with existing objects"),
        "sign-in-name" => ("change of a sign-in name", "changes of sign-in names"),
        "would-enable" => ("blocked account that would be enabled", "blocked accounts that would be enabled"),
        _ => ("guarded change", "guarded changes"),
    };
    if one { singular.to_owned() } else { plural.to_owned() }
}

fn seconds(started: i64, ended: i64) -> f64 {
    ended.saturating_sub(started) as f64 / 1_000_000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use sync_kernel::{GuardKind, GuardVerdict};
    use sync_runtime::{ErrorNote, Severity, WaitingLine};

    fn step(step_type: &'static str, status: &str) -> StepReport {
        StepReport {
            step_type,
            status: status.to_owned(),
            severity: sync_runtime::severity_of_status(status),
            message: String::new(),
            remedy: String::new(),
            seconds: 0.3,
            staging: BTreeMap::new(),
            inbound: BTreeMap::new(),
            outbound: BTreeMap::new(),
            export: BTreeMap::new(),
            references: BTreeMap::new(),
            processed: 0,
            rows_written: 0,
            store_steps: 0,
            errors: 0,
            first_errors: Vec::new(),
            notes: Vec::new(),
            guard: None,
            digest: None,
            held: BTreeMap::new(),
            replaced: false,
        }
    }

    fn report(steps: Vec<StepReport>) -> RunReport {
        RunReport {
            connector: "cloud".into(),
            profile: "export".into(),
            run: 7,
            status: steps[0].status.clone(),
            severity: Severity::Success,
            started: 0,
            ended: 300_000,
            steps,
            held: BTreeMap::new(),
        }
    }

    #[test]
    fn a_stopped_export_names_its_limits_and_the_line_that_lets_it_through() {
        let guard = GuardReport {
            digest: "0123456789abcdef".into(),
            approved: false,
            verdicts: vec![GuardVerdict {
                kind: GuardKind::Delete,
                counted_by: String::new(),
                count: 1_501,
                limit: 500,
                stopped: true,
            }],
            lines: 1_501,
            first_lines: Vec::new(),
        };
        let stopped = StepReport { guard: Some(guard), ..step("export", "stopped-deletion-threshold-exceeded") };
        expect![[r#"
            run 7 of cloud, profile export: stopped-deletion-threshold-exceeded, 0.3 s

              connector  step    status                                time  what happened
              cloud      export  stopped-deletion-threshold-exceeded  0.3 s  nothing to do

            The guard stopped the export to cloud before its first byte
              kind    count  limit
              delete  1,501    500
              1,501 changes are in the list; the whole of it: metasync --deployment d pending cloud
              to let exactly this list through: metasync --deployment d approve 0123456789abcdef

        "#]]
        .assert_eq(&run(&report(vec![stopped]), " --deployment d"));
    }

    /// Invariant 2: a synchronisation shows the digest that its preview showed; one that decided nothing has none to compare.
    #[test]
    fn a_synchronisation_shows_the_digest_of_its_plans() {
        let digest = Some("0123456789abcdef0123456789abcdef".to_owned());
        let decided = StepReport {
            processed: 12,
            inbound: [("connector-flow".to_owned(), 12)].into(),
            digest: digest.clone(),
            ..step("full-synchronization", "success")
        };
        let idle = StepReport { digest, ..step("delta-synchronization", "success") };
        expect![[r#"
            run 7 of cloud, profile export: success, 0.3 s

              connector  step                   status    time  what happened
              cloud      full-synchronization   success  0.3 s  12 changed
              cloud      delta-synchronization  success  0.3 s  nothing to do

              connector  step                  plans
              cloud      full-synchronization  0123456789abcdef0123456789abcdef

        "#]]
        .assert_eq(&run(&report(vec![decided, idle]), ""));
    }

    #[test]
    fn errors_are_named_with_their_attribute_and_the_rest_is_counted() {
        let failed = StepReport {
            errors: 25,
            first_errors: vec![ErrorNote {
                code: "AttributeValueMustBeUnique".into(),
                object: "Ann Archer".into(),
                message: "another object has this value".into(),
                attribute: Some("proxyAddresses".into()),
            }],
            export: [("export-update".to_owned(), 1_234), ("export-failure".to_owned(), 25)].into(),
            ..step("export", "completed-export-errors")
        };
        expect![[r#"
            run 7 of cloud, profile export: completed-export-errors, 0.3 s

              connector  step    status                    time  what happened
              cloud      export  completed-export-errors  0.3 s  1,234 updated, 25 refused

            Errors of cloud export
              object      code                        message
              Ann Archer  AttributeValueMustBeUnique  proxyAddresses: another object has this value
              and 24 more: metasync history cloud/7 --errors

        "#]]
        .assert_eq(&run(&report(vec![failed]), ""));
    }

    #[test]
    fn a_waiting_list_shows_its_first_lines_and_its_approval() {
        let line = |name: &str| WaitingLine {
            name: name.into(),
            detail: "it matches an existing object by primary-smtp".into(),
        };
        let list = WaitingList {
            digest: "0123456789abcdef".into(),
            connector: "cloud".into(),
            kind: "match".into(),
            lines: 1_200,
            first_lines: vec![line("Ann Archer"), line("Łukasz")],
        };
        expect![[r#"
            Waiting for your approval in cloud: 1,200 matches with existing objects
              name        detail
              Ann Archer  it matches an existing object by primary-smtp
              Łukasz      it matches an existing object by primary-smtp
              and 1,198 more: metasync pending cloud
              metasync approve 0123456789abcdef

        "#]]
        .assert_eq(&waiting(&[list], ""));
    }
}
