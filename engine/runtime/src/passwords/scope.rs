//! Decides about a page of users and one target, and says what became of those who are not in scope. Opens no hash.

use super::{Pass, report::SourceReport};
use crate::engine::EngineError;
use metaverse_schema::Anchor;
use sync_kernel::{PasswordDecision, PasswordState, decide_password, has_password};
use sync_rules::ConnectorName;
use sync_store::{PasswordLine, PasswordLogLine};

/// A user whose password may go to a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct InScope {
    pub(super) anchor: Anchor,
    pub(super) name: String,
    /// The object in the target.
    pub(super) to: Anchor,
    /// The target does not have the version that was seen last.
    pub(super) owed: bool,
}

/// What a page of users came to, in the order of the page.
pub(super) enum Verdict {
    InScope(InScope),
    /// In scope, and its first password waits for an operator's word (SF12).
    NotLetThrough,
    /// A group, a contact: nothing is told of it.
    NoPassword,
    Not {
        name: String,
        state: PasswordState,
        reason: String,
        is_known: bool,
    },
}

impl Pass {
    /// The attribute that holds a group's members in a source's space.
    pub(super) fn members_of(&self, source: &str) -> String {
        self.inputs.rules.member_attribute(source).to_string()
    }

    pub(super) fn decide_page(
        &self,
        source: &ConnectorName,
        target: &ConnectorName,
        users: &[Anchor],
    ) -> Result<Vec<Verdict>, EngineError> {
        let members = self.members_of(source);
        let lines = self.store.password_subjects(source, target, users, &members)?;
        Ok(lines.into_iter().map(|line| self.decide(line, target)).collect())
    }

    /// The same of users of whom this pass has just read something that is not kept yet.
    pub(super) fn decide_noted(
        &self,
        source: &ConnectorName,
        target: &ConnectorName,
        noted: &[(Anchor, Option<u64>)],
    ) -> Result<Vec<Verdict>, EngineError> {
        let users: Vec<Anchor> = noted.iter().map(|(user, _)| user.clone()).collect();
        let members = self.members_of(source);
        let lines = self.store.password_subjects(source, target, &users, &members)?;
        let decided = lines.into_iter().zip(noted).map(|(mut line, (_, version))| {
            if let Some(versions) = &mut line.versions {
                versions.note(*version);
            }
            self.decide(line, target)
        });
        Ok(decided.collect())
    }

    pub(super) fn decide(&self, line: PasswordLine, target: &str) -> Verdict {
        if line.subject.account.as_ref().is_some_and(|account| !has_password(&account.object_type)) {
            return Verdict::NoPassword;
        }
        let privileged = self.parts.deployment.passwords.privileged;
        match decide_password(&line.subject, target, privileged, &self.inputs) {
            PasswordDecision::Push { target: to, .. } => match line.versions {
                Some(versions) => {
                    Verdict::InScope(InScope { anchor: line.anchor, name: line.name, to, owed: versions.is_owed() })
                }
                None => Verdict::NotLetThrough,
            },
            PasswordDecision::Not { state, reason } => {
                let is_known = line.subject.account.as_ref().is_some_and(|account| account.link.is_some());
                Verdict::Not { name: line.name, state, reason, is_known }
            }
        }
    }

    /// Keeps why passwords that were read stay where they are. Users who are joined to nobody are counted and not listed: a
    /// directory has any number of them.
    pub(super) fn log_not_in_scope(
        &mut self,
        source: &ConnectorName,
        target: &ConnectorName,
        verdicts: Vec<(Anchor, Option<i64>, Verdict)>,
        report: &mut SourceReport,
    ) -> Result<(), EngineError> {
        let (now, read_from) = (self.now(), report.read_from.clone());
        let mut lines = Vec::new();
        for (anchor, changed, verdict) in verdicts {
            let Verdict::Not { name, state, reason, is_known } = verdict else { continue };
            report.target(target).add(state);
            if is_known {
                let read_from = read_from.clone();
                lines.push(PasswordLogLine { anchor, name, at: now, changed, read_from, state, reason });
            }
        }
        self.ledger.add(source, target, Vec::new(), lines);
        self.keep_if_due()
    }
}
