//! Passwords that are owed and were not in what was read: of users who became eligible since (enabled, in scope, linked,
//! exported, restored, re-anchored, let through by a rule), whose last push did not arrive, or of whom only the time of the
//! last change differed. They are read singly (SF22). Also one user by name.

use super::push::Pusher;
use super::read::Push;
use super::scope::Verdict;
use super::{Pass, Paused, SourceReport};
use crate::engine::EngineError;
use metaverse_schema::Anchor;
use std::sync::Arc;
use sync_kernel::PasswordState;
use sync_rules::ConnectorName;

impl Pass {
    pub(super) async fn push_owed(
        &mut self,
        source: &ConnectorName,
        pushers: &mut [Pusher],
        report: &mut SourceReport,
    ) -> Result<(), EngineError> {
        if report.paused.is_some() {
            return Ok(());
        }
        for at in 0..pushers.len() {
            let mut after: Option<Anchor> = None;
            let target = pushers[at].target.clone();
            let before = report.target(&target).count(PasswordState::Success);
            loop {
                if self.parts.stop.is_stopped() || pushers[at].has_failed() {
                    break;
                }
                let page =
                    self.store.password_candidates(source, &target, after.as_ref(), self.parts.limits.singles)?;
                let Some(last) = page.last().cloned() else { break };
                after = Some(last);
                let owed = self.owed_of(source, &target, page, &pushers[at], report)?;
                if owed.is_empty() {
                    continue;
                }
                if !self.read_singly(source, &owed, Push::Owed, &mut pushers[at..=at], report).await? {
                    return Ok(());
                }
                self.flush(source, &mut pushers[at], report).await?;
                self.keep()?;
            }
            let arrived = report.target(&target).count(PasswordState::Success).saturating_sub(before);
            self.tell_of_arrivals(source, &target, arrived);
        }
        Ok(())
    }

    /// Of a page of candidates those in scope; why the others wait is kept.
    fn owed_of(
        &mut self,
        source: &ConnectorName,
        target: &ConnectorName,
        page: Vec<Anchor>,
        pusher: &Pusher,
        report: &mut SourceReport,
    ) -> Result<Vec<Anchor>, EngineError> {
        let verdicts = self.decide_page(source, target, &page)?;
        let (mut owed, mut others) = (Vec::new(), Vec::new());
        for (anchor, verdict) in page.into_iter().zip(verdicts) {
            match verdict {
                Verdict::InScope(user) if user.owed && !pusher.was_handed(&anchor) => owed.push(anchor),
                Verdict::InScope(_) | Verdict::NotLetThrough | Verdict::NoPassword => {}
                other => others.push((anchor, None, other)),
            }
        }
        // Told once; a pass that finds them again says nothing new, and counts nothing.
        let mut quiet = SourceReport::new(source);
        quiet.read_from = report.read_from.clone();
        self.log_not_in_scope(source, target, others, &mut quiet)?;
        Ok(owed)
    }

    /// Reads users singly and hands them on; false: the source failed, and the report says so.
    async fn read_singly(
        &mut self,
        source: &ConnectorName,
        users: &[Anchor],
        push: Push,
        pushers: &mut [Pusher],
        report: &mut SourceReport,
    ) -> Result<bool, EngineError> {
        let Some(connector) = self.connector(source) else { return Ok(false) };
        let (reader, wanted) = (Arc::clone(&connector), users.to_vec());
        let read = match reader.password_source() {
            Some(source) => source.read_passwords_of(&wanted).await,
            None => return Ok(false),
        };
        match read {
            Ok(changes) => {
                self.take_page(source, changes, push, pushers, report).await?;
                Ok(true)
            }
            Err(error) => {
                self.journal.error(664, format!("single passwords of {source} were not read: {error}"));
                self.source_refused(source, &error)?;
                report.paused = Some(Paused::from(&error));
                Ok(false)
            }
        }
    }

    /// One user whom an operator named, whatever its target has.
    pub(super) async fn push_user(
        &mut self,
        source: &ConnectorName,
        user: &Anchor,
        pushers: &mut [Pusher],
        report: &mut SourceReport,
    ) -> Result<(), EngineError> {
        self.read_singly(source, std::slice::from_ref(user), Push::All, pushers, report).await?;
        for pusher in pushers {
            self.flush(source, pusher, report).await?;
        }
        Ok(())
    }
}
