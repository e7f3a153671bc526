//! How passwords stand, for an operator: of each pair of source and target as a whole, and of one user. Reads only, also on a
//! store that was opened for reading.

use crate::engine::EngineError;
use crate::reading::Reading;
use metaverse_schema::Anchor;
use serde::Serialize;
use sync_kernel::{PasswordDecision, PasswordState, decide_password};
use sync_rules::{ConnectorName, Deployment};
use sync_store::{OpenBreaker, PasswordEvent, PasswordLogLine, PasswordTotals};

/// Events that `status` shows.
const EVENTS: usize = 10;

#[derive(Debug, Clone, Serialize)]
pub struct PasswordStatus {
    /// `[passwords]` names a source and a target.
    pub is_on: bool,
    pub staging: bool,
    pub privileged: bool,
    pub pairs: Vec<PairStatus>,
    /// Credentials that are not tried (SF23).
    pub breakers: Vec<OpenBreaker>,
    /// Problems first seen last: 0, 611, 652 and 655 among them (P42).
    pub events: Vec<PasswordEvent>,
}

#[derive(Debug, Clone, Serialize)]
pub struct PairStatus {
    pub source: String,
    pub target: String,
    /// When a read of the source ended last, microseconds UTC.
    pub last_read: Option<i64>,
    pub totals: PasswordTotals,
    /// First passwords that wait for `metasync approve`.
    pub waiting: Option<(String, u64)>,
    /// Users of whom something else than `Success` is logged last.
    pub open: Vec<UserPassword>,
}

/// What is known of one user's password and one target.
#[derive(Debug, Clone, Serialize)]
pub struct UserPassword {
    pub source: String,
    pub target: String,
    pub name: String,
    pub anchor: String,
    /// What holds now, by the rules that were applied: `Success` stands for "is pushed", or the state that it waits in.
    pub state: PasswordState,
    pub reason: String,
    pub versions: Option<UserVersions>,
    /// When the password was changed in the directory, as far as the log of seven days knows; microseconds UTC.
    pub last_change: Option<i64>,
    pub last_pushed: Option<i64>,
    pub read_from: Option<String>,
    /// Newest first.
    pub log: Vec<LoggedPassword>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct UserVersions {
    pub seen: u64,
    pub pushed: Option<u64>,
    pub owed: bool,
}

#[derive(Debug, Clone, Serialize)]
pub struct LoggedPassword {
    pub at: i64,
    pub state: PasswordState,
    pub reason: String,
}

/// Lines of one user's log.
const LOG: usize = 50;

pub fn password_status(
    reading: &Reading<'_>,
    deployment: &Deployment,
    limit: usize,
) -> Result<PasswordStatus, EngineError> {
    let store = reading.store;
    let mut pairs = Vec::new();
    for (source, target) in pairs_of(deployment) {
        let waiting = store.waiting_password_guard(&target)?.filter(|list| list.approved.is_none());
        let open = store.open_passwords(&source, &target, limit)?;
        pairs.push(PairStatus {
            last_read: store.password_watermark(&source)?.map(|(_, at)| at),
            totals: store.password_totals(&source, &target)?,
            waiting: waiting.map(|list| (list.digest.to_string(), list.lines.len() as u64)),
            open: open.iter().map(|line| logged(&source, &target, line)).collect(),
            source: source.to_string(),
            target: target.to_string(),
        });
    }
    let passwords = &deployment.passwords;
    Ok(PasswordStatus {
        is_on: passwords.is_on(),
        staging: deployment.staging,
        privileged: passwords.privileged,
        pairs,
        breakers: store.breakers()?,
        events: store.password_events(EVENTS)?,
    })
}

fn pairs_of(deployment: &Deployment) -> Vec<(ConnectorName, ConnectorName)> {
    let passwords = &deployment.passwords;
    passwords
        .from
        .iter()
        .flat_map(|source| passwords.to.iter().map(|target| (source.clone(), target.clone())))
        .collect()
}

fn logged(source: &str, target: &str, line: &PasswordLogLine) -> UserPassword {
    UserPassword {
        source: source.to_owned(),
        target: target.to_owned(),
        name: line.name.clone(),
        anchor: line.anchor.to_string(),
        state: line.state,
        reason: line.reason.clone(),
        versions: None,
        last_change: line.changed.map(|seconds| seconds.saturating_mul(1_000_000)),
        last_pushed: None,
        read_from: line.read_from.clone(),
        log: vec![LoggedPassword { at: line.at, state: line.state, reason: line.reason.clone() }],
    }
}

/// One user at every target of its source.
pub fn user_passwords(
    reading: &Reading<'_>,
    deployment: &Deployment,
    source: &ConnectorName,
    anchor: &Anchor,
) -> Result<Vec<UserPassword>, EngineError> {
    let inputs = reading.inputs()?;
    let members = reading.rules.member_attribute(source).to_string();
    let mut found = Vec::new();
    for (_, target) in pairs_of(deployment).into_iter().filter(|(from, _)| from == source) {
        let lines = reading.store.password_subjects(source, &target, std::slice::from_ref(anchor), &members)?;
        for line in lines {
            let log = reading.store.password_log(source, &target, anchor, LOG)?;
            let success = log.iter().find(|line| line.state == PasswordState::Success);
            let owed = line.versions.as_ref().is_some_and(|versions| versions.is_owed());
            let (state, reason) =
                match decide_password(&line.subject, &target, deployment.passwords.privileged, &inputs) {
                    PasswordDecision::Not { state, reason } => (state, reason),
                    PasswordDecision::Push { .. } if line.versions.is_none() => {
                        (PasswordState::NotInScope, "its first password was not let through yet".to_owned())
                    }
                    PasswordDecision::Push { inbound, outbound, .. } => match log.first() {
                        Some(last) if last.state != PasswordState::NotInScope || !owed => {
                            (last.state, last.reason.clone())
                        }
                        _ if owed => (PasswordState::Unknown, "it is pushed by the next pass".to_owned()),
                        _ => (PasswordState::Success, format!("by {inbound} and {outbound}")),
                    },
                };
            found.push(UserPassword {
                source: source.to_string(),
                target: target.to_string(),
                name: line.name,
                anchor: anchor.to_string(),
                state,
                reason,
                versions: line.versions.as_ref().map(|versions| UserVersions {
                    seen: versions.seen,
                    pushed: versions.pushed,
                    owed,
                }),
                last_change: log.iter().find_map(|line| line.changed).map(|seconds| seconds.saturating_mul(1_000_000)),
                last_pushed: success.map(|line| line.at),
                read_from: log.iter().find_map(|line| line.read_from.clone()),
                log: log
                    .into_iter()
                    .map(|line| LoggedPassword { at: line.at, state: line.state, reason: line.reason })
                    .collect(),
            });
        }
    }
    Ok(found)
}
