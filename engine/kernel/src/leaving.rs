//! When a target object goes after its source left: at once after a deletion, after the grace period when it only left scope
//! (SF18). Decides the time and keeps the first one; what is done to the object is `outbound`'s.

use crate::desired::carry;
use crate::inputs::Run;
use crate::view::{DeleteCause, Grace, Ownership, PendingExport, PendingOperation};
use sync_rules::{Deprovision, DeprovisionAction, Rule};

const DAY: i64 = 86_400_000_000;

/// What a rule's object is to suffer: leaving scope and deletion in the source are separate settings. An object whose rule is
/// gone from the files is treated with the caution that ownership alone asks for.
pub(crate) fn departure_action(rule: Option<&Rule>, ownership: Ownership, cause: DeleteCause) -> DeprovisionAction {
    const UNKNOWN: Deprovision =
        Deprovision { provisioned: DeprovisionAction::Delete, adopted: DeprovisionAction::Detach };
    let settings = rule.map_or(UNKNOWN, |rule| if cause.is_leaving() { rule.leave } else { rule.deprovision });
    match ownership {
        Ownership::Provisioned => settings.provisioned,
        Ownership::Adopted => settings.adopted,
        Ownership::Joined => DeprovisionAction::Disconnect,
    }
}

/// The pending departure. The cause and the date that were found first stay, because a later pass only sees that the object has
/// no rule; but an object that left scope and is then deleted in its source has nothing left to wait for.
pub(crate) fn departure(
    before: Option<&PendingExport>,
    operation: PendingOperation,
    rule: Option<&Rule>,
    run: &Run<'_>,
) -> PendingExport {
    let Some((cause, ownership)) = cause_of(&operation) else { return carry(before, operation) };
    let first = before.and_then(|before| Some((cause_of(&before.operation)?.0, before.grace.as_ref())));
    match first {
        Some((first, grace)) if !first.is_leaving() || cause.is_leaving() => {
            let grace = grace.filter(|grace| grace.until > run.now).cloned();
            PendingExport { grace, ..carry(before, with_cause(operation, first)) }
        }
        _ => {
            let until = run.now.saturating_add(i64::from(run.rules.grace_days).saturating_mul(DAY));
            let waits = cause.is_leaving() && run.rules.grace_days > 0;
            let if_deleted = departure_action(rule, ownership, DeleteCause::DeletedInSource);
            PendingExport { grace: waits.then_some(Grace { until, if_deleted }), ..carry(before, operation) }
        }
    }
}

fn cause_of(operation: &PendingOperation) -> Option<(DeleteCause, Ownership)> {
    match operation {
        PendingOperation::Delete { cause, ownership } | PendingOperation::Detach { cause, ownership } => {
            Some((*cause, *ownership))
        }
        _ => None,
    }
}

fn with_cause(operation: PendingOperation, cause: DeleteCause) -> PendingOperation {
    match operation {
        PendingOperation::Delete { ownership, .. } => PendingOperation::Delete { cause, ownership },
        PendingOperation::Detach { ownership, .. } => PendingOperation::Detach { cause, ownership },
        other => other,
    }
}
