//! Counts what worlds held, so that no run passes on worlds in which nothing happens.

use std::collections::BTreeMap;

#[derive(Debug, Clone, Default)]
pub(crate) struct Tally(pub(crate) BTreeMap<String, u64>);

impl Tally {
    pub(crate) fn add(&mut self, what: &str, number: u64) {
        if number > 0 {
            *self.0.entry(what.to_owned()).or_default() += number;
        }
    }

    pub(crate) fn merge(&mut self, other: &Tally) {
        other.0.iter().for_each(|(what, number)| self.add(what, *number));
    }

    /// What there was too little of, for this many worlds; `wanted` is said for a thousand.
    pub(crate) fn missing(&self, worlds: u64, wanted: &[(&str, u64)]) -> Vec<String> {
        let mut missing = Vec::new();
        for (what, per_thousand) in wanted {
            let least = per_thousand * worlds / 1_000;
            let number = self.0.get(*what).copied().unwrap_or(0);
            if number < least {
                missing.push(format!("only {number} of {what}, at least {least} wanted"));
            }
        }
        missing
    }
}
