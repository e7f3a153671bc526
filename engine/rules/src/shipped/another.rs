//! The shipped rules of one more source for a deployment that exists: each stands after the last rule of its kind, so that
//! nothing that is there changes its order (S60).

use super::{ShippedOptions, packages, precedence_of, source_rules, tagged};
use crate::model::RuleSet;
use std::collections::BTreeSet;

/// Rule files for a source that `rules` does not know yet: name in the deployment folder, and text.
pub fn shipped_rules_for_another(source: &str, rules: &RuleSet, options: &ShippedOptions) -> Vec<(String, String)> {
    let mut taken: BTreeSet<u32> = rules.rules.iter().map(|rule| rule.precedence).collect();
    let mut files = source_rules(source, options);
    files.extend(packages::rules(&[source], &[], options));
    files.into_iter().map(|(name, text)| (name, tagged(&placed(&text, source, rules, &mut taken)))).collect()
}

/// The text with a place for each rule instead of the number that it has in a deployment of one source.
fn placed(text: &str, source: &str, rules: &RuleSet, taken: &mut BTreeSet<u32>) -> String {
    let mut placed = String::with_capacity(text.len());
    let mut id = String::new();
    for line in text.split_inclusive('\n') {
        if let Some(value) = line.strip_prefix("id = \"") {
            id = value.trim_end().trim_end_matches('"').to_owned();
        }
        match precedence_of(line) {
            None => placed.push_str(line),
            Some(number) => placed.push_str(&place(&id, number, source, rules, taken)),
        }
    }
    placed
}

/// Behind the last rule of this kind; where no other source has one, the next number that is free.
fn place(id: &str, number: u32, source: &str, rules: &RuleSet, taken: &mut BTreeSet<u32>) -> String {
    let kind = |id: &str, connector: &str| {
        ["in-from-", "out-to-"].into_iter().find_map(|direction| {
            let rest = id.strip_prefix(direction)?.strip_prefix(connector)?.strip_prefix('-')?;
            Some(format!("{direction}{rest}"))
        })
    };
    let own = kind(id, source);
    let last = rules.rules.iter().rev().find(|rule| own.is_some() && kind(&rule.id, &rule.connector) == own);
    match last {
        Some(rule) => format!("after = \"{}\"\n", rule.id),
        None => {
            let free = (number..=u32::MAX).find(|number| taken.insert(*number)).unwrap_or(number);
            format!("precedence = {free}\n")
        }
    }
}
