//! First passwords (SF12): users of a target who never got one are counted before the first byte leaves. Up to the limit of the
//! guard they are let through; more wait for an operator, and meanwhile everybody else's passwords go on.

use super::scope::Verdict;
use super::{Pass, PassKind, SourceReport};
use crate::engine::EngineError;
use crate::report::{GuardReport, SHOWN};
use metaverse_schema::Anchor;
use sync_kernel::{ApprovalList, GuardKind, GuardLine, PasswordDecision, decide_password, judge};
use sync_rules::ConnectorName;

impl Pass {
    /// Lets first passwords through, or says that they wait.
    pub(super) fn let_through(
        &mut self,
        source: &ConnectorName,
        target: &ConnectorName,
        kind: &PassKind,
        report: &mut SourceReport,
    ) -> Result<(), EngineError> {
        // An operator who names one user has said the word.
        if let PassKind::User { anchor, .. } = kind {
            let verdicts = self.decide_page(source, target, std::slice::from_ref(anchor))?;
            if verdicts.iter().any(|verdict| matches!(verdict, Verdict::NotLetThrough)) {
                self.store.let_passwords_through(source, target, std::slice::from_ref(anchor))?;
            }
            return Ok(());
        }
        let first = self.first_passwords(source, target)?;
        if first.is_empty() {
            self.store.clear_password_guard(target)?;
            return Ok(());
        }
        let users: Vec<Anchor> = first.iter().map(|(anchor, _)| anchor.clone()).collect();
        let lines: Vec<GuardLine> = first.into_iter().map(|(anchor, name)| line(source, &anchor, name)).collect();
        let held = self.store.space_size(target)?;
        let (_, over) = judge(target, &lines, held, &self.parts.deployment.guards);
        let Some(list) = over else {
            self.store.clear_password_guard(target)?;
            return Ok(self.store.let_passwords_through(source, target, &users)?);
        };
        let waiting = self.store.waiting_password_guard(target)?;
        if waiting.is_some_and(|waiting| waiting.digest == list.digest && waiting.approved.is_some()) {
            self.store.let_passwords_through(source, target, &users)?;
            return Ok(self.store.clear_password_guard(target)?);
        }
        let now = self.now();
        self.store.record_password_guard(target, &list, now)?;
        self.journal.warn(
            605,
            format!(
                "{} first passwords to {target} wait for an approval: `metasync approve {}`",
                list.lines.len(),
                list.digest
            ),
        );
        report.target(target).guard = Some(told(&list));
        Ok(())
    }

    /// Users in scope who never got a password of this target.
    fn first_passwords(
        &self,
        source: &ConnectorName,
        target: &ConnectorName,
    ) -> Result<Vec<(Anchor, String)>, EngineError> {
        let (mut first, mut after) = (Vec::new(), None);
        let members = self.members_of(source);
        let privileged = self.parts.deployment.passwords.privileged;
        loop {
            let page = self.store.password_candidates(source, target, after.as_ref(), self.parts.limits.page)?;
            let Some(last) = page.last().cloned() else { return Ok(first) };
            after = Some(last);
            for line in self.store.password_subjects(source, target, &page, &members)? {
                let decided = || decide_password(&line.subject, target, privileged, &self.inputs);
                if line.versions.is_none() && matches!(decided(), PasswordDecision::Push { .. }) {
                    first.push((line.anchor, line.name));
                }
            }
        }
    }
}

fn line(source: &str, anchor: &Anchor, name: String) -> GuardLine {
    GuardLine {
        kind: GuardKind::FirstPassword,
        counted_by: String::new(),
        object: anchor.to_string(),
        name,
        detail: format!("the first password, from {source}"),
    }
}

fn told(list: &ApprovalList) -> GuardReport {
    GuardReport {
        digest: list.digest.to_string(),
        approved: false,
        verdicts: list.verdicts.clone(),
        lines: list.lines.len() as u64,
        first_lines: list.lines.iter().take(SHOWN).cloned().collect(),
    }
}
