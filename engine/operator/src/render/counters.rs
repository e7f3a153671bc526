//! The counters of a step (R33-R66) as a short sentence: `61 added, 3 unchanged`. Names only, no sums of unlike things.

use crate::text::{count, words};
use std::collections::BTreeMap;
use sync_runtime::StepReport;
use sync_store::StepRecord;

/// Counter and what is said of it. Counters that say the same are added up (`-flow` and `-no-flow`).
const LABELS: [(&str, &str); 40] = [
    ("export-add", "created"),
    ("export-update", "updated"),
    ("export-rename", "renamed"),
    ("export-delete", "deleted"),
    ("export-delete-add", "replaced"),
    ("export-failure", "refused"),
    ("export-detach", "detached"),
    ("stage-add", "added"),
    ("stage-update", "updated"),
    ("stage-rename", "renamed"),
    ("stage-delete", "gone"),
    ("stage-delete-add", "replaced"),
    ("stage-no-change", "unchanged"),
    ("stage-failure", "unreadable"),
    ("filtered-objects", "outside the scope"),
    ("filtered-deletions", "deletions outside the scope"),
    ("disconnector-projected-flow", "projected"),
    ("disconnector-projected-no-flow", "projected"),
    ("disconnector-projected-remove-mv", "projected and removed"),
    ("disconnector-joined-flow", "joined"),
    ("disconnector-joined-no-flow", "joined"),
    ("disconnector-joined-remove-mv", "joined and removed"),
    ("connector-flow", "changed"),
    ("connector-no-flow", "unchanged"),
    ("connector-flow-remove-mv", "removed from the metaverse"),
    ("connector-filtered-leave-mv", "left the scope"),
    ("connector-filtered-remove-mv", "left the scope"),
    ("connector-delete-leave-mv", "deleted"),
    ("connector-delete-remove-mv", "deleted"),
    ("connector-delete-add-processed", "replaced"),
    ("disconnector-filtered", "filtered"),
    ("disconnector-remains", "not joined"),
    ("flow-failure", "in error"),
    ("provisioned-add-flow", "to create"),
    ("provisioned-add-no-flow", "to create"),
    ("provisioned-rename-flow", "to rename"),
    ("provisioned-rename-no-flow", "to rename"),
    ("provisioned-delete-add-flow", "to replace"),
    ("provisioned-delete-add-no-flow", "to replace"),
    ("provisioned-disconnect", "let go"),
];

/// In the order of the table; counters it does not know come last, under their own names.
pub(crate) fn sentence(counters: &BTreeMap<String, u64>) -> String {
    let mut said: Vec<(&str, u64)> = Vec::new();
    for (code, label) in LABELS {
        let number = counters.get(code).copied().unwrap_or(0);
        match said.iter_mut().find(|(known, _)| *known == label) {
            Some((_, sum)) => *sum += number,
            None => said.push((label, number)),
        }
    }
    let mut parts: Vec<String> = said
        .into_iter()
        .filter(|(_, number)| *number > 0)
        .map(|(label, number)| format!("{} {label}", count(number)))
        .collect();
    let unknown =
        counters.iter().filter(|(code, number)| **number > 0 && !LABELS.iter().any(|(known, _)| known == code));
    parts.extend(unknown.map(|(code, number)| format!("{} {}", count(*number), words(code))));
    parts.join(", ")
}

/// Outbound flow counts every object that was looked at; what is said is only what will be sent.
fn outbound(counters: &BTreeMap<String, u64>) -> String {
    let mut counters = counters.clone();
    counters.remove("connector-no-flow");
    match counters.remove("connector-flow") {
        Some(updates) if updates > 0 => {
            counters.insert("to-update".to_owned(), updates);
        }
        _ => {}
    }
    sentence(&counters)
}

/// What a step did, all its counters.
pub(crate) fn step_sentence(step: &StepReport) -> String {
    let mut parts = vec![sentence(&step.staging), sentence(&step.inbound)];
    for (target, counters) in &step.outbound {
        let text = outbound(counters);
        if !text.is_empty() {
            parts.push(format!("to {target}: {text}"));
        }
    }
    parts.push(sentence(&step.export));
    let references = ["added", "removed", "held"].iter().filter_map(|name| {
        let number = step.references.get(*name).copied().filter(|number| *number > 0)?;
        Some(format!("{} {name}", count(number)))
    });
    let references: Vec<String> = references.collect();
    if !references.is_empty() {
        parts.push(format!("references: {}", references.join(", ")));
    }
    parts.retain(|part| !part.is_empty());
    if parts.is_empty() { "nothing to do".to_owned() } else { parts.join("; ") }
}

/// The same of a step that history recorded.
pub(crate) fn recorded_sentence(step: &StepRecord) -> String {
    let mut parts = vec![sentence(&step.counters.values)];
    for (target, counters) in &step.counters.outbound {
        let text = outbound(counters);
        if !text.is_empty() {
            parts.push(format!("to {target}: {text}"));
        }
    }
    parts.retain(|part| !part.is_empty());
    parts.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters(pairs: &[(&str, u64)]) -> BTreeMap<String, u64> {
        pairs.iter().map(|(name, number)| ((*name).to_owned(), *number)).collect()
    }

    #[test]
    fn like_counters_are_one_number_and_unknown_ones_keep_their_name() {
        let sum = counters(&[
            ("disconnector-projected-flow", 40),
            ("disconnector-projected-no-flow", 2),
            ("connector-no-flow", 1_000),
            ("something-new", 1),
            ("flow-failure", 0),
        ]);
        assert_eq!(sentence(&sum), "1,000 unchanged, 42 projected, 1 something new");
    }

    #[test]
    fn outbound_says_what_will_be_sent() {
        let sum = counters(&[("connector-flow", 3), ("connector-no-flow", 50), ("provisioned-add-flow", 2)]);
        assert_eq!(outbound(&sum), "2 to create, 3 to update");
        assert_eq!(outbound(&counters(&[("connector-no-flow", 50)])), "");
    }
}
