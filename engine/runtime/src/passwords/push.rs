//! Hashes on their way to one target: batches, several of them in flight, and what becomes of each user (P43). A batch that may
//! or may not have arrived is sent again by a later pass: giving a target the same hash twice changes nothing.

use super::events::instant;
use super::scope::InScope;
use super::{Pass, Paused, SourceReport};
use crate::engine::EngineError;
use crate::text::counted;
use connector_contract::{Connector, ConnectorError, NtHash, PasswordOutcome, PasswordPush};
use std::collections::HashMap;
use std::sync::Arc;
use sync_kernel::PasswordState;
use sync_rules::ConnectorName;
use sync_store::{PasswordLogLine, SettledPassword};
use tokio::task::JoinSet;

/// One password that a target is to have.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) user: InScope,
    pub(super) version: u64,
    pub(super) changed: Option<i64>,
    pub(super) must_change: bool,
    /// Something beside the password changed after it was handed over: what is on its way is not the last word (P27).
    pub(super) is_superseded: bool,
}

type Answer = Result<Vec<(i64, PasswordOutcome)>, ConnectorError>;

/// The way to one target.
pub(super) struct Pusher {
    pub(super) target: ConnectorName,
    connector: Arc<dyn Connector>,
    batch_size: usize,
    waiting: Vec<PasswordPush>,
    about: HashMap<i64, Wanted>,
    flying: JoinSet<(Vec<i64>, Answer)>,
    next: i64,
    /// Users that were handed over in this pass, whatever became of it.
    handed: std::collections::HashSet<metaverse_schema::Anchor>,
    /// The target as a whole failed: nothing more is sent in this pass.
    failed: bool,
}

impl Pusher {
    pub(super) fn was_handed(&self, user: &metaverse_schema::Anchor) -> bool {
        self.handed.contains(user)
    }

    /// Nothing of this user is sent in this pass any more.
    pub(super) fn is_done_with(&mut self, user: &metaverse_schema::Anchor) {
        self.handed.insert(user.clone());
    }

    /// What is on its way for this user does not settle what was read since.
    pub(super) fn supersede(&mut self, user: &metaverse_schema::Anchor) {
        let about = self.about.values_mut().filter(|wanted| wanted.user.anchor == *user);
        about.for_each(|wanted| wanted.is_superseded = true);
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failed
    }

    fn launch(&mut self) -> usize {
        let batch = std::mem::take(&mut self.waiting);
        let count = batch.len();
        if count == 0 {
            return 0;
        }
        let ids: Vec<i64> = batch.iter().map(|push| push.id).collect();
        let connector = Arc::clone(&self.connector);
        self.flying.spawn(async move {
            let answer = match connector.password_target() {
                Some(target) => target.set_passwords(batch).await,
                None => Err(ConnectorError::cancelled("pushing passwords")),
            };
            (ids, answer)
        });
        count
    }
}

impl Pass {
    pub(super) fn pushers(&self, source: &ConnectorName, targets: &[ConnectorName]) -> Vec<Pusher> {
        let pusher = |target: &ConnectorName| {
            let connector = self.connector(target)?;
            let batch_size = connector.password_target().map_or(1, |target| target.batch_size().max(1));
            tracing::debug!(%source, %target, batch_size, "passwords");
            Some(Pusher {
                target: target.clone(),
                connector,
                batch_size,
                waiting: Vec::new(),
                about: HashMap::new(),
                flying: JoinSet::new(),
                next: 0,
                handed: Default::default(),
                failed: false,
            })
        };
        targets.iter().filter_map(pusher).collect()
    }

    /// Hands one hash over; waits where as much as may be is on its way.
    pub(super) async fn enqueue(
        &mut self,
        source: &ConnectorName,
        pusher: &mut Pusher,
        wanted: Wanted,
        hash: NtHash,
        report: &mut SourceReport,
    ) -> Result<(), EngineError> {
        if pusher.failed {
            return Ok(());
        }
        let id = pusher.next;
        pusher.next += 1;
        pusher.handed.insert(wanted.user.anchor.clone());
        pusher.waiting.push(PasswordPush {
            id,
            anchor: wanted.user.to.clone(),
            hash,
            changed: wanted.changed,
            must_change: wanted.must_change,
        });
        pusher.about.insert(id, wanted);
        if pusher.waiting.len() < pusher.batch_size {
            return Ok(());
        }
        while pusher.flying.len() >= self.parts.limits.batches_in_flight.max(1) {
            self.land(source, pusher, report).await?;
        }
        self.send(source, pusher);
        Ok(())
    }

    fn send(&mut self, source: &ConnectorName, pusher: &mut Pusher) {
        if pusher.waiting.is_empty() || pusher.failed {
            return;
        }
        let (count, to) = (pusher.waiting.len() as u64, &pusher.target);
        let (one, many) = (format!("password of {source} goes to {to}"), format!("passwords of {source} go to {to}"));
        self.journal.note(650, counted(count, &one, &many));
        for push in &pusher.waiting {
            let Some(wanted) = pusher.about.get(&push.id) else { continue };
            self.journal.note(
                656,
                format!(
                    "password change request to {}: anchor {}, {}, changed {}, must change: {}, hash not shown",
                    pusher.target,
                    push.anchor,
                    wanted.user.name,
                    instant(push.changed),
                    if push.must_change { "yes" } else { "no" }
                ),
            );
        }
        pusher.launch();
    }

    /// Sends what waits and takes in every answer.
    pub(super) async fn flush(
        &mut self,
        source: &ConnectorName,
        pusher: &mut Pusher,
        report: &mut SourceReport,
    ) -> Result<(), EngineError> {
        if self.parts.stop.is_stopped() {
            // What was not sent stays owed.
            pusher.waiting.clear();
        }
        self.send(source, pusher);
        while !pusher.flying.is_empty() {
            self.land(source, pusher, report).await?;
        }
        pusher.waiting.clear();
        pusher.about.clear();
        Ok(())
    }

    /// Takes in the answer to one batch.
    async fn land(
        &mut self,
        source: &ConnectorName,
        pusher: &mut Pusher,
        report: &mut SourceReport,
    ) -> Result<(), EngineError> {
        let Some(landed) = pusher.flying.join_next().await else { return Ok(()) };
        let (ids, answer) = match landed {
            Ok(landed) => landed,
            Err(error) => {
                self.journal.error(615, format!("a batch to {} was lost: {error}", pusher.target));
                report.target(&pusher.target).add(PasswordState::Unknown);
                return Ok(());
            }
        };
        match answer {
            Ok(outcomes) => self.settle(source, pusher, ids, outcomes, report),
            Err(error) => self.batch_failed(source, pusher, &ids, &error, report),
        }
    }

    fn batch_failed(
        &mut self,
        source: &ConnectorName,
        pusher: &mut Pusher,
        ids: &[i64],
        error: &ConnectorError,
        report: &mut SourceReport,
    ) -> Result<(), EngineError> {
        let target = pusher.target.clone();
        let (one, many) = (format!("password of {source}"), format!("passwords of {source}"));
        let which = counted(ids.len() as u64, &one, &many);
        self.journal.error(652, format!("{which} did not reach {target}: {error}"));
        pusher.failed = true;
        pusher.waiting.clear();
        let lines: Vec<PasswordLogLine> = ids
            .iter()
            .filter_map(|id| pusher.about.remove(id))
            .map(|wanted| self.log_line(&wanted, PasswordState::Unknown, error.to_string(), report))
            .collect();
        for _ in &lines {
            report.target(&target).add(PasswordState::Unknown);
        }
        self.ledger.add(source, &target, Vec::new(), lines);
        if let Some(taker) = pusher.connector.password_target() {
            self.refused(taker.credential().as_ref(), error)?;
        }
        report.target(&target).paused = Some(Paused::from(error));
        Ok(())
    }

    fn log_line(
        &self,
        wanted: &Wanted,
        state: PasswordState,
        reason: String,
        report: &SourceReport,
    ) -> PasswordLogLine {
        PasswordLogLine {
            anchor: wanted.user.anchor.clone(),
            name: wanted.user.name.clone(),
            at: self.now(),
            changed: wanted.changed,
            read_from: report.read_from.clone(),
            state,
            reason,
        }
    }

    fn settle(
        &mut self,
        source: &ConnectorName,
        pusher: &mut Pusher,
        ids: Vec<i64>,
        outcomes: Vec<(i64, PasswordOutcome)>,
        report: &mut SourceReport,
    ) -> Result<(), EngineError> {
        let target = pusher.target.clone();
        let mut by_id: HashMap<i64, PasswordOutcome> = outcomes.into_iter().collect();
        let (mut settled, mut lines) = (Vec::new(), Vec::new());
        for id in ids {
            let Some(wanted) = pusher.about.remove(&id) else { continue };
            let (state, reason, is_settled) = match by_id.remove(&id) {
                Some(outcome) => became(outcome),
                None => (PasswordState::RetryRequestedByTarget, "the target did not answer for it".to_owned(), false),
            };
            let told = if reason.is_empty() { String::new() } else { format!(": {reason}") };
            let result = format!(
                "password change result of {target}: anchor {}, {}, {state}{told}",
                wanted.user.to, wanted.user.name
            );
            match state {
                PasswordState::Error => {
                    report.target(&target).error(&wanted.user.name, "password-refused", &reason);
                    report.target(&target).refused_for_good += u64::from(is_settled);
                    self.journal.error(657, result);
                }
                _ => self.journal.note(657, result),
            }
            report.target(&target).add(state);
            if is_settled && !wanted.is_superseded {
                settled.push(SettledPassword {
                    anchor: wanted.user.anchor.clone(),
                    version: wanted.version,
                    to: wanted.user.to.clone(),
                });
            }
            lines.push(self.log_line(&wanted, state, reason, report));
        }
        let one = format!("password of {source} was answered by {target}");
        let many = format!("passwords of {source} were answered by {target}");
        self.journal.note(651, counted(lines.len() as u64, &one, &many));
        self.ledger.add(source, &target, settled, lines);
        self.keep_if_due()
    }
}

/// The state, why, and whether the target is not asked again with the same password.
fn became(outcome: PasswordOutcome) -> (PasswordState, String, bool) {
    match outcome {
        PasswordOutcome::Accepted => (PasswordState::Success, String::new(), true),
        PasswordOutcome::Filtered { message } => (PasswordState::FilteredByTarget, message, true),
        PasswordOutcome::NotThere { message } => (PasswordState::TargetNotExportedToDirectory, message, false),
        PasswordOutcome::Refused { code, message, remedy, retry } => {
            let remedy = if remedy.is_empty() { String::new() } else { format!("; {remedy}") };
            let state = if retry { PasswordState::RetryRequestedByTarget } else { PasswordState::Error };
            (state, format!("{code}: {message}{remedy}"), !retry)
        }
    }
}
