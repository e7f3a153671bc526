//! What the kills came to: how many at which fail point in which step, and what was found afterwards.

use super::stages::STAGES;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Kills at random times, and losses of power, beside the fail points.
pub(super) const RANDOM: &str = "(random time)";
pub(super) const POWER: &str = "(power lost)";

/// The sum over all kills.
#[derive(Debug, Default)]
pub struct Tally {
    pub kills: usize,
    /// By fail point, then by stage.
    hits: BTreeMap<String, BTreeMap<usize, usize>>,
    /// Objects of the tenant that should be there and are not.
    pub lost: usize,
    /// Objects of the tenant that should not be there.
    pub doubled: usize,
    /// Stores that did not open, or not whole.
    pub corrupted: usize,
    /// Stores that hold something else than the undisturbed one.
    pub differing: usize,
    /// Next runs that did not end well.
    pub not_resumed: usize,
    /// Requests that had left before their row was kept.
    pub unknown_to_store: usize,
    pub problems: Vec<String>,
}

impl Tally {
    pub(super) fn hit(&mut self, point: &str, stage: usize) {
        self.kills += 1;
        *self.hits.entry(point.to_owned()).or_default().entry(stage).or_default() += 1;
    }

    pub fn hits_of(&self, point: &str) -> usize {
        self.hits.get(point).map_or(0, |stages| stages.values().sum())
    }

    pub fn is_clean(&self) -> bool {
        self.lost + self.doubled + self.corrupted + self.differing + self.not_resumed + self.unknown_to_store == 0
            && self.problems.is_empty()
    }

    /// The table, and the sums below it.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (number, stage) in STAGES.iter().enumerate() {
            let _ = writeln!(text, "{:>3}  {}", number + 1, stage.name);
        }
        let _ = write!(text, "\n{:<18}", "killed at");
        for number in 1..=STAGES.len() {
            let _ = write!(text, "{number:>5}");
        }
        text.push_str("    all\n");
        for (point, stages) in &self.hits {
            let _ = write!(text, "{point:<18}");
            for stage in 0..STAGES.len() {
                let _ = match stages.get(&stage) {
                    Some(hits) => write!(text, "{hits:>5}"),
                    None => write!(text, "    ."),
                };
            }
            let _ = writeln!(text, "{:>7}", self.hits_of(point));
        }
        let _ = writeln!(
            text,
            "\nkills {}  lost {}  doubled {}  corrupted {}  other content {}  not resumed {}  left before it was kept {}",
            self.kills,
            self.lost,
            self.doubled,
            self.corrupted,
            self.differing,
            self.not_resumed,
            self.unknown_to_store
        );
        for problem in &self.problems {
            let _ = writeln!(text, "{problem}");
        }
        text
    }
}
