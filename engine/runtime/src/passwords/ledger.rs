//! What a pass has learned and not yet kept: versions that were noted, outcomes, lines of the log. Kept in groups, because a
//! directory's anchors are spread over the whole table, and each transaction writes every page that it touches. Losing a group loses
//! nothing: the watermark moves only when everything before it is kept, and what was pushed is then pushed again (SF22).

use super::Pass;
use crate::engine::EngineError;
use metaverse_schema::Anchor;
use std::time::{Duration, Instant};
use sync_rules::ConnectorName;
use sync_store::{PasswordLogLine, PasswordOutcomes, SettledPassword};

/// Users of one group.
const GROUP: usize = 2_000;
/// A group is kept after this long, however few it holds: what was sent is soon in the history.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(super) struct Ledger {
    source: Option<ConnectorName>,
    noted: Vec<(Anchor, Option<u64>)>,
    outcomes: Vec<PasswordOutcomes>,
    since: Option<Instant>,
    size: usize,
}

impl Ledger {
    fn begin(&mut self, source: &ConnectorName, more: usize) {
        self.source.get_or_insert_with(|| source.clone());
        self.since.get_or_insert_with(Instant::now);
        self.size += more;
    }

    /// Versions of a page; None: only something beside the password changed, and no push from before settles that (P25, P27).
    pub(super) fn note(&mut self, source: &ConnectorName, noted: &[(Anchor, Option<u64>)]) {
        self.begin(source, noted.len());
        for (user, version) in noted {
            if version.is_none() {
                self.outcomes.iter_mut().for_each(|kept| kept.settled.retain(|settled| settled.anchor != *user));
            }
            self.noted.push((user.clone(), *version));
        }
    }

    pub(super) fn add(
        &mut self,
        source: &ConnectorName,
        target: &str,
        settled: Vec<SettledPassword>,
        log: Vec<PasswordLogLine>,
    ) {
        if settled.is_empty() && log.is_empty() {
            return;
        }
        self.begin(source, log.len());
        match self.outcomes.iter_mut().find(|kept| kept.target == target) {
            Some(kept) => {
                kept.settled.extend(settled);
                kept.log.extend(log);
            }
            None => self.outcomes.push(PasswordOutcomes { target: target.to_owned(), settled, log }),
        }
    }

    fn is_due(&self) -> bool {
        self.size >= GROUP || self.since.is_some_and(|since| since.elapsed() >= PATIENCE)
    }
}

impl Pass {
    /// Keeps everything that was learned so far, in one transaction with its events.
    pub(super) fn keep(&mut self) -> Result<(), EngineError> {
        let ledger = std::mem::take(&mut self.ledger);
        let events = self.journal.take();
        match &ledger.source {
            Some(source) => Ok(self.store.keep_passwords(source, &ledger.noted, &ledger.outcomes, &events)?),
            None => Ok(self.store.add_password_events(&events)?),
        }
    }

    pub(super) fn keep_if_due(&mut self) -> Result<(), EngineError> {
        if self.ledger.is_due() { self.keep() } else { Ok(()) }
    }
}
