//! Step and run statuses (R24) and how grave each is (R23, R25). Names only; who ends with which status is decided by
//! the steps.

use serde::Serialize;

pub const SUCCESS: &str = "success";
pub const COMPLETED_NO_OBJECTS: &str = "completed-no-objects";
pub const COMPLETED_WARNINGS: &str = "completed-warnings";
pub const COMPLETED_TRANSIENT_OBJECTS: &str = "completed-transient-objects";
pub const COMPLETED_SYNC_ERRORS: &str = "completed-sync-errors";
pub const COMPLETED_EXPORT_ERRORS: &str = "completed-export-errors";
pub const COMPLETED_DISCOVERY_ERRORS: &str = "completed-discovery-errors";
pub const STOPPED_ERROR_LIMIT: &str = "stopped-error-limit";
pub const STOPPED_BY_OPERATOR: &str = "stopped-user-termination-from-wmi-or-ui";
pub const STOPPED_DELETION_THRESHOLD: &str = "stopped-deletion-threshold-exceeded";
/// The guard stage stopped an export for another kind than deletes (SF12).
pub const STOPPED_GUARD: &str = "stopped-guard";
/// A full import returned far fewer objects than the space holds (SF15).
pub const STOPPED_SHRUNKEN_READ: &str = "stopped-shrunken-read";
pub const STOPPED_SERVER: &str = "stopped-server";
/// The connector's own code ended in a way it must not.
pub const STOPPED_EXTENSION: &str = "stopped-extensible-extension-error";
pub const STOPPED_NOT_IMPLEMENTED: &str = "stopped-entry-point-not-implemented";
pub const NO_START_FULL_IMPORT_REQUIRED: &str = "no-start-full-import-required";
/// The deployment is in staging mode and exports nothing (G7).
pub const NO_START_STAGING_MODE: &str = "no-start-staging-mode";
/// A credential was refused, by this step or before, and is not tried again (SF23).
pub const NO_START_CREDENTIALS: &str = "no-start-credentials";
/// The connected system is another than the one that was let through (SF25).
pub const NO_START_SYSTEM_CHANGED: &str = "no-start-system-changed";

/// A group that selects who is synchronised is gone, was never imported, or has lost all members at once (SF13, SF15).
pub const NO_START_SCOPE_GROUP: &str = "no-start-scope-group-unreadable";

/// How a step, a run or a cycle ended, for exit codes and colours; later is worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    Success,
    /// All done, and something waits for an operator's say.
    Held,
    Warnings,
    /// Single objects are in error; the rest is done.
    Errors,
    /// The operator stopped it; the next run carries on.
    Interrupted,
    /// The guard stage stopped an export before its first byte.
    GuardStopped,
    /// The step could not start or could not finish.
    Stopped,
}

/// The severity of a status. An unknown one counts as stopped: nothing is taken for success that is not known to be.
pub fn severity_of_status(status: &str) -> Severity {
    match status {
        SUCCESS => Severity::Success,
        COMPLETED_NO_OBJECTS | COMPLETED_WARNINGS | COMPLETED_TRANSIENT_OBJECTS => Severity::Warnings,
        COMPLETED_SYNC_ERRORS | COMPLETED_EXPORT_ERRORS | COMPLETED_DISCOVERY_ERRORS => Severity::Errors,
        STOPPED_BY_OPERATOR => Severity::Interrupted,
        STOPPED_DELETION_THRESHOLD | STOPPED_GUARD | NO_START_SYSTEM_CHANGED => Severity::GuardStopped,
        _ => Severity::Stopped,
    }
}

/// Whether the following steps of the profile run (R7, R24).
pub(crate) fn continues(status: &str) -> bool {
    matches!(
        status,
        SUCCESS | COMPLETED_WARNINGS | COMPLETED_TRANSIENT_OBJECTS | COMPLETED_SYNC_ERRORS | COMPLETED_EXPORT_ERRORS
    )
}

/// The error limit in force (R22): absent is settled by the configuration, 0 and 100,000 or more mean 100,000.
pub(crate) fn error_limit(configured: u64) -> u64 {
    match configured {
        0 | 100_000.. => 100_000,
        limit => limit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R23: the gravest status of a run is its status.
    #[test]
    fn severities_rise_from_success_to_stopped() {
        let order = [
            SUCCESS,
            COMPLETED_WARNINGS,
            COMPLETED_SYNC_ERRORS,
            STOPPED_BY_OPERATOR,
            STOPPED_GUARD,
            "no-start-credentials",
        ];
        assert!(order.is_sorted_by_key(|status| severity_of_status(status)));
        assert_eq!(severity_of_status("something-new"), Severity::Stopped);
    }

    /// R7: a discovery error ends the profile; a synchronisation error does not.
    #[test]
    fn only_completed_steps_let_the_next_one_run() {
        assert!(continues(COMPLETED_SYNC_ERRORS));
        assert!(!continues(COMPLETED_DISCOVERY_ERRORS));
        assert!(!continues(STOPPED_SHRUNKEN_READ));
    }

    /// R22.
    #[test]
    fn the_error_limit_has_a_ceiling() {
        assert_eq!(
            [0, 1, 5_000, 99_999, 100_000, 7_000_000].map(error_limit),
            [100_000, 1, 5_000, 99_999, 100_000, 100_000]
        );
    }
}
