//! Exit codes: one enum, one table, used by `--help`, the operator guide and the tests. Decides nothing about a run; it
//! only translates how one ended.

use serde::Serialize;
use sync_runtime::Severity;

/// How a command ended, for the shell and the scheduler. The order of the variants is the order of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Exit {
    Success,
    /// Wrong usage, or something inside metasync or its store failed.
    Failed,
    Configuration,
    /// Something needs an operator's word: a guard stopped, a list waits for `metasync approve`.
    Waiting,
    ObjectErrors,
    Stopped,
    TestsFailed,
    Interrupted,
}

pub(crate) const TABLE: [(Exit, &str); 8] = [
    (Exit::Success, "done; named limitations and held single values do not change that"),
    (Exit::Failed, "wrong usage, nothing found, or an error inside metasync or its store"),
    (Exit::Configuration, "mistakes in metasync.toml or the rules; nothing was run"),
    (Exit::Waiting, "a guard stopped the export, a list waits for `metasync approve`, or `assess` found what to mend"),
    (Exit::ObjectErrors, "completed, but single objects are in error"),
    (Exit::Stopped, "a step could not start or finish: connection, credential, rights, error limit"),
    (Exit::TestsFailed, "a rule test failed"),
    (Exit::Interrupted, "stopped by Ctrl-C at a clean place; the next run carries on"),
];

impl Exit {
    pub(crate) fn code(self) -> u8 {
        match self {
            Exit::Success => 0,
            Exit::Failed => 1,
            Exit::Configuration => 2,
            Exit::Waiting => 3,
            Exit::ObjectErrors => 4,
            Exit::Stopped => 5,
            Exit::TestsFailed => 6,
            Exit::Interrupted => 130,
        }
    }

    /// Of a run or a cycle. `lists_wait`: something in it can be let through by `metasync approve` and was not yet.
    /// A hold that nobody can approve (a limitation, a guest) is no reason for a nightly cycle to look failed.
    pub(crate) fn of_run(severity: Severity, lists_wait: bool) -> Exit {
        match severity {
            Severity::Stopped => Exit::Stopped,
            Severity::GuardStopped => Exit::Waiting,
            Severity::Interrupted => Exit::Interrupted,
            Severity::Errors => Exit::ObjectErrors,
            Severity::Success | Severity::Held | Severity::Warnings if lists_wait => Exit::Waiting,
            Severity::Success | Severity::Held | Severity::Warnings => Exit::Success,
        }
    }
}

/// The table as `--help` and the guide show it.
pub(crate) fn table() -> String {
    TABLE.iter().map(|(exit, meaning)| format!("{:>5}  {meaning}\n", exit.code())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn codes_are_documented_once_each() {
        expect![[r#"
            exit codes
                0  done; named limitations and held single values do not change that
                1  wrong usage, nothing found, or an error inside metasync or its store
                2  mistakes in metasync.toml or the rules; nothing was run
                3  a guard stopped the export, a list waits for `metasync approve`, or `assess` found what to mend
                4  completed, but single objects are in error
                5  a step could not start or finish: connection, credential, rights, error limit
                6  a rule test failed
              130  stopped by Ctrl-C at a clean place; the next run carries on
        "#]]
        .assert_eq(&format!("exit codes\n{}", table()));
        let guide = include_str!("../../../docs/operator-guide.md");
        for (exit, meaning) in TABLE {
            let row = format!("| {} | {meaning} |", exit.code());
            assert!(guide.contains(&row), "the operator guide lacks the row {row}");
        }
    }

    #[test]
    fn what_only_waits_for_its_cause_is_success_and_what_waits_for_a_word_is_not() {
        assert_eq!(Exit::of_run(Severity::Held, false), Exit::Success);
        assert_eq!(Exit::of_run(Severity::Warnings, false), Exit::Success);
        assert_eq!(Exit::of_run(Severity::Held, true), Exit::Waiting);
        assert_eq!(Exit::of_run(Severity::GuardStopped, false), Exit::Waiting);
        assert_eq!(Exit::of_run(Severity::Errors, true), Exit::ObjectErrors);
        assert_eq!(Exit::of_run(Severity::Stopped, true), Exit::Stopped);
        assert_eq!(Exit::of_run(Severity::Interrupted, true), Exit::Interrupted);
    }
}
