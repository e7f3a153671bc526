//! Reads what changed, page by page, decides about each user, opens the hashes of those in scope and hands them on. The
//! watermark moves when the last page was noted: what is not delivered by then is owed by its version.

use super::events::instant;
use super::push::{Pusher, Wanted};
use super::scope::{InScope, Verdict};
use super::{Pass, Paused, SourceReport};
use crate::engine::EngineError;
use connector_contract::{ConnectorError, ErrorKind, NtHash, PasswordChange, PasswordReadEnd, PasswordSink, Watermark};
use metaverse_schema::Anchor;
use std::collections::HashSet;
use sync_kernel::PasswordState;
use sync_rules::ConnectorName;
use sync_store::{PasswordLogLine, SettledPassword};

/// Which of a page's users are pushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Push {
    /// Those whose target does not have what was seen.
    Owed,
    /// All: an operator named them.
    All,
}

impl Pass {
    pub(super) async fn read_and_push(
        &mut self,
        source: &ConnectorName,
        pushers: &mut [Pusher],
        report: &mut SourceReport,
    ) -> Result<(), EngineError> {
        let Some(connector) = self.connector(source) else { return Ok(()) };
        let since = self.store.password_watermark(source)?.map(|(value, _)| Watermark(value));
        if since.is_none() {
            self.journal.note(617, format!("all passwords of {source} are read"));
        }
        let is_full = since.is_none();
        let (sink, mut pages) = PasswordSink::bounded(self.parts.limits.pages);
        let reader = std::sync::Arc::clone(&connector);
        let reading = tokio::spawn(async move {
            match reader.password_source() {
                Some(source) => source.read_passwords(since.as_ref(), sink).await,
                None => Err(ConnectorError::cancelled("reading passwords")),
            }
        });
        let mut taken = Ok(());
        while let Some(page) = pages.recv().await {
            if self.parts.stop.is_stopped() {
                break;
            }
            let told_after = self.parts.limits.told_after.max(1);
            let before = report.read / told_after;
            taken = self.take_page(source, page, Push::Owed, pushers, report).await;
            if is_full && report.read / told_after > before {
                self.journal.note(619, format!("{} passwords of {source} were read so far", report.read));
            }
            if taken.is_err() {
                break;
            }
        }
        // A source that goes on reading for nobody stops at its next page.
        drop(pages);
        let end = reading.await.unwrap_or_else(|error| Err(lost(source, &error)));
        for pusher in &mut *pushers {
            self.flush(source, pusher, report).await?;
        }
        self.keep()?;
        taken?;
        if self.parts.stop.is_stopped() {
            return Ok(());
        }
        match end {
            Ok(end) => self.read_ended(source, end, is_full, report),
            Err(error) => self.read_failed(source, &error, is_full, report),
        }
    }

    fn read_ended(
        &mut self,
        source: &ConnectorName,
        end: PasswordReadEnd,
        is_full: bool,
        report: &mut SourceReport,
    ) -> Result<(), EngineError> {
        let now = self.now();
        self.store.password_read_ended(source, &end.watermark.0, &end.source, now)?;
        if is_full || end.full_because.is_some() {
            self.journal.note(623, format!("all passwords of {source} were read from {}", end.source));
        }
        if report.time_only > 0 {
            self.journal.note(
                668,
                format!("of {} users of {source} only the time of the last change differs", report.time_only),
            );
        }
        report.read_from = Some(end.source);
        report.full_because = end.full_because.or_else(|| is_full.then(|| "no earlier read".to_owned()));
        Ok(())
    }

    fn read_failed(
        &mut self,
        source: &ConnectorName,
        error: &ConnectorError,
        is_full: bool,
        report: &mut SourceReport,
    ) -> Result<(), EngineError> {
        let number = if is_full { 621 } else { 611 };
        self.journal.error(number, format!("passwords of {source} were not read to the end: {error}"));
        if error.kind == ErrorKind::FullImportRequired {
            self.store.start_passwords_over(source)?;
        }
        self.source_refused(source, error)?;
        report.paused = Some(Paused::from(error));
        Ok(())
    }

    pub(super) fn source_refused(&mut self, source: &ConnectorName, error: &ConnectorError) -> Result<(), EngineError> {
        let connector = self.connector(source);
        match connector.as_ref().and_then(|connector| connector.password_source()) {
            Some(reader) => self.refused(reader.credential().as_ref(), error),
            None => Ok(()),
        }
    }

    /// Notes, decides, opens and hands on; in parts, so that memory does not depend on the pages of a source.
    pub(super) async fn take_page(
        &mut self,
        source: &ConnectorName,
        page: Vec<PasswordChange>,
        push: Push,
        pushers: &mut [Pusher],
        report: &mut SourceReport,
    ) -> Result<(), EngineError> {
        let mut left = page.into_iter();
        loop {
            let part: Vec<PasswordChange> = left.by_ref().take(self.parts.limits.page.max(1)).collect();
            if part.is_empty() {
                return Ok(());
            }
            self.take_part(source, part, push, pushers, report).await?;
        }
    }

    async fn take_part(
        &mut self,
        source: &ConnectorName,
        part: Vec<PasswordChange>,
        push: Push,
        pushers: &mut [Pusher],
        report: &mut SourceReport,
    ) -> Result<(), EngineError> {
        if report.read_from.is_none() {
            report.read_from = self.reads_from(source);
        }
        report.read += part.len() as u64;
        report.time_only += part.iter().filter(|change| is_time_only(change)).count() as u64;
        // What lies at the directory's own accounts is nobody's password: it is neither noted nor opened.
        let (part, excluded): (Vec<_>, Vec<_>) = part.into_iter().partition(|change| change.excluded.is_none());
        for pusher in &*pushers {
            let target = report.target(&pusher.target);
            excluded.iter().for_each(|_| target.add(PasswordState::NotInScope));
        }
        drop(excluded);
        let noted: Vec<(Anchor, Option<u64>)> = part
            .iter()
            .map(|change| (change.anchor.clone(), (!is_time_only(change)).then_some(change.version)))
            .collect();
        self.ledger.note(source, &noted);
        // For each user, who is to be given the password: decided for all targets before anything is opened.
        let mut wanted: Vec<Vec<(usize, InScope)>> = part.iter().map(|_| Vec::new()).collect();
        for (at, pusher) in pushers.iter().enumerate() {
            let verdicts = self.decide_noted(source, &pusher.target, &noted)?;
            let mut others = Vec::new();
            for ((verdict, change), wanted) in verdicts.into_iter().zip(&part).zip(&mut wanted) {
                match verdict {
                    Verdict::InScope(user) if push == Push::All || user.owed => wanted.push((at, user)),
                    other => others.push((change.anchor.clone(), change.changed, other)),
                }
            }
            self.log_not_in_scope(source, &pusher.target, others, report)?;
        }
        let mut seen = HashSet::new();
        for (change, wanted) in part.into_iter().zip(wanted) {
            // Of a user who stands in a part twice, the last word counts; the other is owed until then.
            if !wanted.is_empty() && (seen.insert(change.anchor.clone()) || push == Push::All) {
                self.hand_on(source, change, wanted, pushers, report).await?;
            }
        }
        for (user, _) in noted.iter().filter(|(_, version)| version.is_none()) {
            pushers.iter_mut().for_each(|pusher| pusher.supersede(user));
        }
        self.keep_if_due()
    }

    /// Opens one hash and hands it to every target that is to have it.
    async fn hand_on(
        &mut self,
        source: &ConnectorName,
        change: PasswordChange,
        wanted: Vec<(usize, InScope)>,
        pushers: &mut [Pusher],
        report: &mut SourceReport,
    ) -> Result<(), EngineError> {
        // Only something beside the password changed: it is owed by now, and read by itself (P27).
        if is_time_only(&change) {
            return Ok(());
        }
        let PasswordChange { anchor, version, changed, must_change, hash, .. } = change;
        let opened: Result<NtHash, (PasswordState, String)> = match hash {
            None => Err((PasswordState::MissingAttribute, "the account has no password".to_owned())),
            Some(hash) => hash.open().map_err(|error| (PasswordState::Error, error.to_string())),
        };
        for (at, user) in wanted {
            let Some(pusher) = pushers.get_mut(at) else { continue };
            match &opened {
                Ok(hash) => {
                    let must_change = must_change.unwrap_or(false);
                    let wanted = Wanted { user, version, changed, must_change, is_superseded: false };
                    self.enqueue(source, pusher, wanted, hash.clone(), report).await?;
                }
                Err((state, reason)) => {
                    let target = pusher.target.clone();
                    let line = PasswordLogLine {
                        anchor: anchor.clone(),
                        name: user.name.clone(),
                        at: self.now(),
                        changed,
                        read_from: report.read_from.clone(),
                        state: *state,
                        reason: reason.clone(),
                    };
                    report.target(&target).add(*state);
                    pusher.is_done_with(&anchor);
                    let mut settled = Vec::new();
                    if *state == PasswordState::MissingAttribute {
                        // There is nothing to push until it changes.
                        settled.push(SettledPassword { anchor: anchor.clone(), version, to: user.to.clone() });
                    }
                    if *state == PasswordState::Error {
                        report.target(&target).error(&user.name, "password-unreadable", reason);
                        self.journal.error(667, format!("{}, changed {}: {reason}", user.name, instant(changed)));
                    }
                    self.ledger.add(source, &target, settled, vec![line]);
                }
            }
        }
        Ok(())
    }
}

/// Nothing is said of the password itself (P27).
fn is_time_only(change: &PasswordChange) -> bool {
    change.excluded.is_none() && change.hash.is_none() && change.version == 0
}

fn lost(source: &str, error: &tokio::task::JoinError) -> ConnectorError {
    ConnectorError::new(
        ErrorKind::CannotStart { status: crate::status::STOPPED_EXTENSION },
        format!("reading passwords of {source}"),
        format!("the reading task ended: {error}"),
        "report this to the connector's author",
    )
}
