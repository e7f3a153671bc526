//! Says, by number, what a pass leaves to a later one, what it has taken over from an earlier one, and what nobody tries again by
//! itself (605, 606, 620 of 7.4). Decides nothing: what is owed follows from versions (SF22).

use super::{Pass, SourceReport};
use sync_kernel::PasswordState;
use sync_rules::ConnectorName;

impl Pass {
    pub(super) fn tell_of_retries(&mut self, source: &ConnectorName, report: &SourceReport) {
        use PasswordState::{Error, RetryRequestedByTarget, TargetNotExportedToDirectory, Unknown};
        for target in &report.targets {
            let count = |states: &[PasswordState]| states.iter().map(|state| target.count(*state)).sum::<u64>();
            let left = target.refused_for_good;
            let again =
                count(&[RetryRequestedByTarget, TargetNotExportedToDirectory, Unknown, Error]).saturating_sub(left);
            if again > 0 {
                let text = format!(
                    "{again} passwords of {source} are owed to {} and sent again by later passes",
                    target.target
                );
                self.journal.note(605, text);
            }
            if left > 0 {
                let text =
                    format!("{left} passwords of {source} are not sent to {} again until they change", target.target);
                self.journal.warn(620, text);
            }
        }
    }

    /// Owed passwords that a target has taken at last.
    pub(super) fn tell_of_arrivals(&mut self, source: &ConnectorName, target: &str, arrived: u64) {
        if arrived > 0 {
            self.journal.note(606, format!("{arrived} passwords of {source} that were owed to {target} have arrived"));
        }
    }
}
