//! Says, by number, what a pass leaves to a later one, what it has taken over from an earlier one, and what nobody tries again by
//! itself (605, 606, 620 of 7.4). Decides nothing: what is owed follows from versions (SF22).

use super::{Pass, SourceReport};
use crate::text::counted;
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
                let to = &target.target;
                let one = format!("password of {source} is owed to {to} and sent again by later passes");
                let many = format!("passwords of {source} are owed to {to} and sent again by later passes");
                self.journal.note(605, counted(again, &one, &many));
            }
            if left > 0 {
                let to = &target.target;
                let one = format!("password of {source} is not sent to {to} again until it changes");
                let many = format!("passwords of {source} are not sent to {to} again until they change");
                self.journal.warn(620, counted(left, &one, &many));
            }
        }
    }

    /// Owed passwords that a target has taken at last.
    pub(super) fn tell_of_arrivals(&mut self, source: &ConnectorName, target: &str, arrived: u64) {
        if arrived > 0 {
            let one = format!("password of {source} that was owed to {target} has arrived");
            let many = format!("passwords of {source} that were owed to {target} have arrived");
            self.journal.note(606, counted(arrived, &one, &many));
        }
    }
}
