//! What a change of scope would do, tried on a copy of the store by the run's own steps: who comes and goes, what would be pending
//! for each target, and the guard's word now and on the day the grace period ends. Sends nothing and saves nothing.

use super::trial::{self, Counted, Person, Trial};
use crate::context::{Context, Opened};
use crate::failure::Failure;
use crate::output::to_json;
use crate::progress::Progress;
use crate::render::rule_change::pending_before_and_after;
use crate::text::{Table, count, counted, paragraph, time, words};
use connector_contract::Connector;
use serde_json::{Value, json};
use std::sync::Arc;
use sync_rules::{ConnectorName, RuleSet};
use sync_runtime::{RuleChangeRequest, RuleComparison, TargetChange};

/// Names of one list that are shown; `--json` has all.
const SHOWN: usize = 20;
const DAY: i64 = 86_400_000_000;

pub(crate) struct Effect {
    pub(crate) trial: Trial,
    counted: Counted,
    targets: Vec<TargetChange>,
    then: Vec<TargetChange>,
    /// When those who go leave their targets, in microseconds since 1970; None: at once.
    leaves: Option<i64>,
    grace_days: u32,
}

/// `reads`: the connector with its changed containers, which is read in full first.
pub(crate) async fn of(
    context: &Context,
    opened: &Opened,
    proposed: &RuleSet,
    connector: &str,
    reads: Option<(ConnectorName, Arc<dyn Connector>)>,
    offline: bool,
) -> Result<Effect, Failure> {
    let counted = if reads.is_some() { Counted::Read } else { Counted::Linked };
    let now = context.now();
    let request = RuleChangeRequest {
        deployment: &opened.deployment,
        present: &opened.rules,
        proposed,
        connectors: opened.connectors.clone(),
        reads,
        offline,
        now,
        events: Arc::new(Progress::new(context.output)),
        stop: context.stop.clone(),
    };
    let mut comparison = RuleComparison::make(&request).await?;
    let failed = |status: &str| status.starts_with("no-start-") || status.starts_with("stopped-");
    if let Some(step) = comparison.steps().iter().find(|step| failed(&step.status)) {
        return Err(Failure::new(
            "scope-not-tried",
            format!("{} could not be tried out ({}): {}", step.connector, step.status, step.message),
            "nothing was changed; mend it and try again",
        ));
    }
    let (before, after) = comparison.stores();
    let trial = trial::compare(before, after, connector, counted)?;
    let targets = comparison.targets()?;
    let then = comparison.targets_after_grace()?;
    let grace_days = proposed.grace_days;
    let leaves = (grace_days > 0).then(|| now.saturating_add(i64::from(grace_days).saturating_mul(DAY)));
    Ok(Effect { trial, counted, targets, then, leaves, grace_days })
}

/// Before the first import: nobody is in a target because of this deployment.
pub(crate) fn of_nothing(trial: Trial) -> Effect {
    Effect { trial, counted: Counted::Read, targets: Vec::new(), then: Vec::new(), leaves: None, grace_days: 0 }
}

impl Effect {
    pub(crate) fn text(&self, connector: &str) -> String {
        let Trial { comes, goes, stays } = &self.trial;
        let what = match self.counted {
            Counted::Read => "",
            Counted::Linked => "in scope: ",
        };
        let mut text = format!(
            "{connector}: {what}{} {}, {}\n",
            counted(*stays, "object stays,", "objects stay,"),
            counted(comes.len() as u64, "comes", "come"),
            counted(goes.len() as u64, "goes", "go"),
        );
        text.push_str(&people("Comes", comes));
        text.push_str(&people("Goes", goes));
        let exported = goes.iter().filter(|person| !person.exported.is_empty()).count() as u64;
        if exported > 0 {
            text.push_str(&paragraph(&self.leaving(exported), 0));
        }
        for target in &self.targets {
            text.push_str(&self.target(target));
        }
        text
    }

    /// SF18: what becomes of those who go, and when.
    fn leaving(&self, exported: u64) -> String {
        let who = counted(exported, "of those that go has an object", "of those that go have an object");
        match self.leaves {
            Some(day) => format!(
                "{who} in a target: it stays as it is for {} and leaves on {}, deleted there or detached, after the guard; whoever returns until then never left",
                counted(u64::from(self.grace_days), "day", "days"),
                date(day)
            ),
            None => format!("{who} in a target: the next export deletes or detaches it, after the guard"),
        }
    }

    fn target(&self, target: &TargetChange) -> String {
        let mut text = pending_before_and_after(target);
        text.push_str(&verdict("the guard", target));
        let then = self.then.iter().find(|then| then.connector == target.connector);
        if let (Some(day), Some(then)) = (self.leaves.filter(|_| !self.trial.goes.is_empty()), then) {
            text.push_str(&verdict(&format!("on {} the guard", date(day)), then));
        }
        text
    }

    pub(crate) fn json(&self, connector: &str, saved: bool) -> Value {
        let people = |list: &[Person]| -> Value { list.iter().map(Person::json).collect() };
        json!({
            "connector": connector,
            "saved": saved,
            "comes": people(&self.trial.comes),
            "goes": people(&self.trial.goes),
            "stays": self.trial.stays,
            "leaves_on": self.leaves.map(date),
            "targets": to_json(&self.targets),
            "targets_after_grace": to_json(&self.then),
        })
    }
}

/// `2026-12-03`, UTC (decision 0007).
fn date(microseconds: i64) -> String {
    time(microseconds).chars().take(10).collect()
}

fn verdict(whose: &str, target: &TargetChange) -> String {
    let Some(guard) = &target.guard else { return format!("  {whose} would let the export pass\n") };
    let mut text = format!("  {whose} would stop the export:\n");
    for verdict in guard.verdicts.iter().filter(|verdict| verdict.stopped) {
        let by = if verdict.counted_by.is_empty() { String::new() } else { format!(" of {}", verdict.counted_by) };
        let kind = words(&crate::render::runs::kind_name(&verdict.kind));
        text.push_str(&format!("    {kind}{by}: {} (limit {})\n", count(verdict.count), count(verdict.limit)));
    }
    text
}

fn people(title: &str, people: &[Person]) -> String {
    if people.is_empty() {
        return String::new();
    }
    let mut text = format!("{title}\n");
    let mut table = Table::new(&["", "", "", ""]);
    for person in people.iter().take(SHOWN) {
        table.row([person.name.clone(), person.object_type.clone(), person.exported_to(), person.dn.clone()]);
    }
    text.push_str(&table.render());
    if people.len() > SHOWN {
        text.push_str(&format!("  and {} more\n", count((people.len() - SHOWN) as u64)));
    }
    text
}
