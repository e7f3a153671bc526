//! Counts what the worlds of one property held, prints it, and fails a property that passed on worlds where nothing happened.

use std::collections::BTreeMap;

#[derive(Debug, Clone, Default)]
pub(crate) struct Tally(BTreeMap<&'static str, u64>);

impl Tally {
    pub(crate) fn count(&mut self, what: &'static str) {
        self.add(what, 1);
    }

    pub(crate) fn add(&mut self, what: &'static str, number: u64) {
        *self.0.entry(what).or_default() += number;
    }

    pub(crate) fn merge(&mut self, other: &Tally) {
        other.0.iter().for_each(|(what, number)| self.add(what, *number));
    }

    /// Each of these happened at least so often. Asked for fewer worlds than usual, a run only tells what it held.
    #[expect(clippy::print_stdout, reason = "the counts of a run are part of what a property shows")]
    pub(crate) fn at_least(&self, property: &str, wanted: &[(&str, u64)]) {
        let shown: Vec<String> = self.0.iter().map(|(what, number)| format!("{what} {number}")).collect();
        println!("{property}: {}", shown.join(", "));
        let fewer = crate::number_from_environment("PROPTEST_CASES").is_some_and(|cases| cases < crate::USUAL_CASES);
        for (what, least) in wanted.iter().filter(|_| !fewer) {
            let number = self.0.get(what).copied().unwrap_or(0);
            assert!(number >= *least, "{property}: only {number} of {what}, at least {least} wanted: {self:?}");
        }
    }
}
