//! Stored numbers of the kernel's enumerations. They are part of the file layout: never renumbered, only added to.

use crate::error::{Fault, Inner};
use sync_kernel::{ApprovalKind, ConnectorState, DeleteCause, MatchVerdict, Ownership, PendingOperation};
use sync_rules::DeprovisionAction;

fn unknown<T>(what: &str, code: i64) -> Inner<T> {
    Err(Fault::damaged(format!("unknown {what} {code}")))
}

pub(crate) const PLACEHOLDER: i64 = 5;
pub(crate) const CONTAINER: i64 = 6;

pub(crate) fn state(state: ConnectorState) -> i64 {
    match state {
        ConnectorState::Connected => 0,
        ConnectorState::ExplicitlyConnected => 1,
        ConnectorState::Disconnected => 2,
        ConnectorState::DisconnectedByFilter => 3,
        ConnectorState::ExplicitlyDisconnected => 4,
        ConnectorState::Placeholder => PLACEHOLDER,
        ConnectorState::Container => CONTAINER,
    }
}

pub(crate) fn state_of(code: i64) -> Inner<ConnectorState> {
    Ok(match code {
        0 => ConnectorState::Connected,
        1 => ConnectorState::ExplicitlyConnected,
        2 => ConnectorState::Disconnected,
        3 => ConnectorState::DisconnectedByFilter,
        4 => ConnectorState::ExplicitlyDisconnected,
        PLACEHOLDER => ConnectorState::Placeholder,
        CONTAINER => ConnectorState::Container,
        other => return unknown("connector state", other),
    })
}

pub(crate) fn ownership(ownership: Ownership) -> i64 {
    match ownership {
        Ownership::Provisioned => 0,
        Ownership::Adopted => 1,
        Ownership::Joined => 2,
    }
}

pub(crate) fn ownership_of(code: i64) -> Inner<Ownership> {
    Ok(match code {
        0 => Ownership::Provisioned,
        1 => Ownership::Adopted,
        2 => Ownership::Joined,
        other => return unknown("ownership", other),
    })
}

pub(crate) fn cause(cause: DeleteCause) -> i64 {
    match cause {
        DeleteCause::DeletedInSource => 0,
        DeleteCause::LeftContainerScope => 1,
        DeleteCause::NotSeen => 2,
        DeleteCause::FilteredByRule => 3,
        DeleteCause::RuleChanged => 4,
        DeleteCause::NeverSync => 5,
        DeleteCause::DisconnectedByOperator => 6,
        DeleteCause::NotSelected => 7,
    }
}

pub(crate) fn cause_of(code: i64) -> Inner<DeleteCause> {
    Ok(match code {
        0 => DeleteCause::DeletedInSource,
        1 => DeleteCause::LeftContainerScope,
        2 => DeleteCause::NotSeen,
        3 => DeleteCause::FilteredByRule,
        4 => DeleteCause::RuleChanged,
        5 => DeleteCause::NeverSync,
        6 => DeleteCause::DisconnectedByOperator,
        7 => DeleteCause::NotSelected,
        other => return unknown("cause", other),
    })
}

pub(crate) const ADD: i64 = 0;
pub(crate) const DELETE: i64 = 3;
pub(crate) const DETACH: i64 = 4;

pub(crate) fn operation(operation: &PendingOperation) -> i64 {
    match operation {
        PendingOperation::Add { .. } => ADD,
        PendingOperation::Update { .. } => 1,
        PendingOperation::Restore { .. } => 2,
        PendingOperation::Delete { .. } => DELETE,
        PendingOperation::Detach { .. } => DETACH,
    }
}

pub(crate) fn action(action: DeprovisionAction) -> i64 {
    match action {
        DeprovisionAction::Delete => 0,
        DeprovisionAction::Detach => 1,
        DeprovisionAction::Disconnect => 2,
        DeprovisionAction::Keep => 3,
        DeprovisionAction::ExplicitDisconnect => 4,
    }
}

pub(crate) fn action_of(code: i64) -> Inner<DeprovisionAction> {
    Ok(match code {
        0 => DeprovisionAction::Delete,
        1 => DeprovisionAction::Detach,
        2 => DeprovisionAction::Disconnect,
        3 => DeprovisionAction::Keep,
        4 => DeprovisionAction::ExplicitDisconnect,
        other => return unknown("deprovision action", other),
    })
}

pub(crate) fn approval(kind: ApprovalKind) -> i64 {
    match kind {
        ApprovalKind::Match => 0,
        ApprovalKind::SignInName => 1,
        ApprovalKind::WouldEnable => 2,
    }
}

pub(crate) fn approval_of(code: i64) -> Inner<ApprovalKind> {
    Ok(match code {
        0 => ApprovalKind::Match,
        1 => ApprovalKind::SignInName,
        2 => ApprovalKind::WouldEnable,
        other => return unknown("kind of approval", other),
    })
}

pub(crate) fn verdict(verdict: MatchVerdict) -> i64 {
    match verdict {
        MatchVerdict::Approved => 0,
        MatchVerdict::Rejected => 1,
        MatchVerdict::Undone => 2,
    }
}

pub(crate) fn verdict_of(code: i64) -> Inner<MatchVerdict> {
    Ok(match code {
        0 => MatchVerdict::Approved,
        1 => MatchVerdict::Rejected,
        2 => MatchVerdict::Undone,
        other => return unknown("word about a pair", other),
    })
}

/// States of `pending_export`.
pub(crate) const PENDING: i64 = 0;
pub(crate) const IN_FLIGHT: i64 = 1;
pub(crate) const REFUSED: i64 = 2;

/// States of `pending_reference`.
pub(crate) const REFERENCE_PENDING: i64 = 0;
pub(crate) const REFERENCE_IN_FLIGHT: i64 = 1;
pub(crate) const REFERENCE_UNCONFIRMED: i64 = 2;
pub(crate) const REFERENCE_REFUSED: i64 = 3;

/// States of `reference`.
pub(crate) const ROW_SYNCHRONISED: i64 = 0;
pub(crate) const ROW_ADDED: i64 = 1;
pub(crate) const ROW_REMOVED: i64 = 2;

/// Values of `head.staged`.
pub(crate) const STAGED_NONE: i64 = 0;
pub(crate) const STAGED_IMAGE: i64 = 1;
pub(crate) const STAGED_DELETED: i64 = 2;
pub(crate) const STAGED_REPLACED: i64 = 3;
