//! The guard stage: counts what an export would do, kind by kind, before its first byte leaves, and stops it when a kind
//! is over its limit and nobody approved exactly that list (SF12, G1-G6). Sends nothing and decides no export.

use crate::engine::Engine;
use crate::event::Event;
use crate::report::{GuardReport, SHOWN};
use crate::status;
use crate::step::{End, StepRun};
use metaverse_schema::{AttributeName, ConnectorSchema};
use std::collections::BTreeSet;
use sync_kernel::planted::{Fault, is_planted};
use sync_kernel::{ApprovalList, GuardKind, GuardVerdict, judge};
use sync_rules::{Direction, RuleSet};
use sync_store::{GuardRoles, StoreError};

impl Engine {
    /// None: the export may go on.
    pub(crate) fn guard(&mut self, step: &mut StepRun) -> Result<Option<End>, StoreError> {
        if is_planted(Fault::SkipGuard) {
            return Ok(None);
        }
        let connector = step.connector.clone();
        let (over, held) = self.guarded(&connector)?;
        let Some(list) = over else {
            self.store.clear_guard_list(&connector)?;
            return Ok(None);
        };
        if self.store.consume_guard_approval(&connector, &list.digest)? {
            step.note("guard-approved", format!("an approved list of {} lines is exported", list.lines.len()));
            step.report.guard = Some(report(&list, true));
            return Ok(None);
        }
        self.store.record_guard_list(&connector, &list, step.now)?;
        step.emit(&Event::GuardStopped {
            connector: connector.to_string(),
            digest: list.digest.to_string(),
            verdicts: list.verdicts.clone(),
        });
        let end = stopped(&list, held);
        step.report.guard = Some(report(&list, false));
        Ok(Some(end))
    }

    /// How an export of what is pending now would be judged; None: it passes. Changes nothing.
    pub(crate) fn guard_report(&self, connector: &str) -> Result<Option<GuardReport>, StoreError> {
        let (over, _) = self.guarded(connector)?;
        Ok(over.map(|list| report(&list, false)))
    }

    /// The list that is over a limit, and how many objects the space holds.
    fn guarded(&self, connector: &str) -> Result<(Option<ApprovalList>, u64), StoreError> {
        let schema = self.store.schema(connector)?.unwrap_or_default();
        let roles =
            GuardRoles { small_group: self.deployment.guards.at_least, ..guard_roles(&self.rules, connector, &schema) };
        let guards = &self.deployment.guards;
        let over = |verdicts: Vec<GuardVerdict>| -> BTreeSet<GuardKind> {
            verdicts.into_iter().filter(|verdict| verdict.stopped).map(|verdict| verdict.kind).collect()
        };
        // A few changes pass in any space: it need not be counted. A first load is only counted, not listed.
        let counts = self.store.guard_counts(connector, &roles)?;
        if over(counts.verdicts(0, guards)).is_empty() {
            return Ok((None, 0));
        }
        let held = self.store.space_size(connector)?;
        let kinds = over(counts.verdicts(held, guards));
        if kinds.is_empty() {
            return Ok((None, held));
        }
        let lines = self.store.guard_lines(connector, &roles, &kinds)?;
        let (_, over) = judge(connector, &lines, held, guards);
        Ok((over, held))
    }
}

/// Which attributes of the target the guarded kinds are about: what the takeover settings of its rules name.
fn guard_roles(rules: &RuleSet, connector: &str, schema: &ConnectorSchema) -> GuardRoles {
    let outbound = || {
        rules
            .rules
            .iter()
            .filter(|rule| rule.direction == Direction::Outbound && &*rule.connector == connector)
            .filter_map(|rule| rule.takeover.as_ref())
    };
    GuardRoles {
        enabled: outbound().find_map(|takeover| takeover.enabled.clone()),
        sign_in_name: outbound().find_map(|takeover| takeover.sign_in_name.clone()),
        addresses: outbound().find_map(|takeover| takeover.addresses.clone()),
        stamp: outbound().find_map(|takeover| takeover.stamp.clone()),
        mail: schema.attributes.contains_key("mail").then(|| AttributeName::new("mail")),
        small_group: 0,
    }
}

fn report(list: &ApprovalList, approved: bool) -> GuardReport {
    GuardReport {
        digest: list.digest.to_string(),
        approved,
        verdicts: list.verdicts.clone(),
        lines: list.lines.len() as u64,
        first_lines: list.lines.iter().take(SHOWN).cloned().collect(),
    }
}

/// The status keeps its well-known name while deletes are among the stopped kinds (G2).
fn stopped(list: &ApprovalList, held: u64) -> End {
    let deletes = list.verdicts.iter().any(|verdict| matches!(verdict.kind, GuardKind::Delete | GuardKind::DeleteAdd));
    let counts: Vec<String> = list
        .verdicts
        .iter()
        .map(|verdict| {
            let kind = crate::step::counter_name(&verdict.kind);
            let by = if verdict.counted_by.is_empty() { String::new() } else { format!(" of {}", verdict.counted_by) };
            format!("{kind}{by}: {} (limit {})", verdict.count, verdict.limit)
        })
        .collect();
    End::because(
        if deletes { status::STOPPED_DELETION_THRESHOLD } else { status::STOPPED_GUARD },
        format!("nothing was exported; over the limits of a space of {held} objects: {}", counts.join(", ")),
        format!("look at the list, then `metasync approve {}`", list.digest),
    )
}
