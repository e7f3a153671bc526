//! The before/after sheet of a takeover (SF11): attribute by attribute what the existing object holds and will hold, by the very
//! decision that a run makes; after the takeover, what it held and holds. Decides nothing itself, and writes nothing.

use crate::engine::EngineError;
use crate::pairs::{PairLine, PairState};
use crate::reading::Reading;
use metaverse_schema::{AttributeName, Attributes, AttributesDelta, Value, Values};
use serde::Serialize;
use std::collections::BTreeSet;
use sync_kernel::{CsId, CsObject, Hold, PendingOperation, ReferenceFlow, TargetPlan};
use sync_rules::ConnectorName;

/// Reference values that are told by name; of more only the number is.
const NAMED: usize = 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SheetChange {
    Kept,
    /// It had no value.
    Given,
    /// It keeps its values and gains some.
    AddedTo,
    Changed,
    Cleared,
}

impl SheetChange {
    pub fn code(self) -> &'static str {
        match self {
            SheetChange::Kept => "kept",
            SheetChange::Given => "given",
            SheetChange::AddedTo => "added to",
            SheetChange::Changed => "changed",
            SheetChange::Cleared => "cleared",
        }
    }

    /// Both as sets: no order, and no value twice.
    fn between(before: &Values, after: &Values) -> Self {
        let (old, new): (BTreeSet<&Value>, BTreeSet<&Value>) = (before.iter().collect(), after.iter().collect());
        match () {
            () if old == new => SheetChange::Kept,
            () if old.is_empty() => SheetChange::Given,
            () if new.is_empty() => SheetChange::Cleared,
            () if old.is_subset(&new) => SheetChange::AddedTo,
            () => SheetChange::Changed,
        }
    }
}

#[derive(Debug, Clone, Serialize)]
pub struct SheetLine {
    pub attribute: String,
    pub before: Values,
    pub after: Values,
    pub change: SheetChange,
    /// Why it stays although the source says otherwise, or what is to be known of it.
    pub note: Option<String>,
}

/// One takeover: of a candidate as if it were approved, of one that was sent as it was and is.
#[derive(Debug, Clone, Serialize)]
pub struct Sheet {
    pub pair: PairLine,
    pub lines: Vec<SheetLine>,
}

impl Reading<'_> {
    /// Sheets of these pairs. One that is held for a reason that an approval does not end has no lines: nothing will be written.
    pub fn sheets(&self, pairs: Vec<PairLine>) -> Result<Vec<Sheet>, EngineError> {
        let run = self.inputs_for_approved()?;
        let mut sheets = Vec::new();
        for pair in pairs {
            let Some(object) = self.store.object(pair.object)? else { continue };
            let lines = match (pair.state, self.store.kept_before(pair.object)?) {
                (PairState::TakenOver, Some(kept)) => {
                    compared(&kept.attributes, object.imported().unwrap_or(&Attributes::new()), &[])
                }
                (PairState::TakenOver, None) => Vec::new(),
                _ => {
                    let plan = self.decide_as_approved(&run, pair.mv, pair.object)?;
                    match plan.targets.iter().rfind(|target| target.connector == object.connector) {
                        Some(target) if target.target.is_some() => self.foreseen(&object, target)?,
                        _ => Vec::new(),
                    }
                }
            };
            sheets.push(Sheet { pair, lines });
        }
        Ok(sheets)
    }

    fn foreseen(&self, object: &CsObject, target: &TargetPlan) -> Result<Vec<SheetLine>, EngineError> {
        let nothing = Attributes::new();
        let before = object.imported().unwrap_or(&nothing);
        let mut sent = AttributesDelta::default();
        if let Some(
            PendingOperation::Update { changes, afterwards, .. } | PendingOperation::Restore { changes, afterwards },
        ) = target.pending.as_ref().map(|pending| &pending.operation)
        {
            sent.0.extend(changes.0.clone());
            sent.0.extend(afterwards.0.clone());
        }
        let mut after = before.clone();
        sent.apply(&mut after);
        let mut lines = compared(before, &after, &target.holds);
        for flow in target.references.iter().filter(|flow| flow.source != ReferenceFlow::NOBODY) {
            let line = self.reference(object, &target.connector, flow)?;
            // Nobody before and nobody after is nothing to tell.
            if !(line.before.is_empty() && line.after.is_empty() && line.note.is_none()) {
                lines.push(line);
            }
        }
        Ok(lines)
    }

    /// A manager by name; members by name as long as they are few.
    fn reference(
        &self,
        object: &CsObject,
        connector: &ConnectorName,
        flow: &ReferenceFlow,
    ) -> Result<SheetLine, EngineError> {
        let present = self.store.members(object.id, flow.target_attribute.as_str(), None, NAMED + 1)?;
        let before: BTreeSet<String> = present.iter().map(|member| member.name.clone()).collect();
        let (mut wanted, mut waiting) = (BTreeSet::new(), Vec::new());
        for member in self.store.members(flow.source, flow.source_attribute.as_str(), None, NAMED + 1)? {
            match self.counterpart(member.mv, connector)? {
                Some(name) => drop(wanted.insert(name)),
                None => waiting.push(member.name),
            }
        }
        let mut after: BTreeSet<String> =
            if flow.keep_foreign && !flow.single { before.clone() } else { BTreeSet::new() };
        after.extend(wanted);
        if after.is_empty() && flow.keep_foreign {
            after.clone_from(&before);
        }
        let values = |names: &BTreeSet<String>| names.iter().map(|name| Value::text(name.as_str())).collect::<Values>();
        let note = (!waiting.is_empty())
            .then(|| format!("follows when it is in the target: {}", waiting.join(", ")))
            .or_else(|| (before.len().max(after.len()) > NAMED).then(|| "more than are told here".to_owned()));
        let (before, after) = (values(&before), values(&after));
        let change = SheetChange::between(&before, &after);
        Ok(SheetLine { attribute: flow.target_attribute.to_string(), before, after, change, note })
    }

    /// What stands in the target for the same person or group: linked, or the candidate that it is held about.
    fn counterpart(
        &self,
        mv: Option<sync_kernel::MvId>,
        connector: &ConnectorName,
    ) -> Result<Option<String>, EngineError> {
        let Some(mv) = mv else { return Ok(None) };
        let links: Vec<CsId> = self.store.metaverse(mv)?.map(|object| object.links).unwrap_or_default();
        for id in links {
            if let Some(summary) = self.store.summary(id)?.filter(|summary| summary.connector == *connector) {
                return Ok(Some(summary.name));
            }
        }
        Ok(None)
    }
}

/// Everything that either side holds, in the order of the names.
fn compared(before: &Attributes, after: &Attributes, holds: &[Hold]) -> Vec<SheetLine> {
    let held = |name: &AttributeName| holds.iter().find(|hold| hold.attribute.as_deref() == Some(name.as_str()));
    let about_nothing = holds.iter().filter_map(|hold| hold.attribute.as_deref()).map(AttributeName::new);
    let names: BTreeSet<AttributeName> =
        before.iter().chain(after.iter()).map(|(name, _)| name.clone()).chain(about_nothing).collect();
    let values = |side: &Attributes, name: &AttributeName| side.get(name.as_str()).cloned().unwrap_or_default();
    let line = |name: AttributeName| {
        let (before, after) = (values(before, &name), values(after, &name));
        let note = held(&name).map(|hold| {
            let wanted = hold.wanted.as_deref().map_or(String::new(), |wanted| format!(", wanted {wanted}"));
            format!("{}{wanted}", hold.code)
        });
        let change = SheetChange::between(&before, &after);
        SheetLine { attribute: name.to_string(), before, after, change, note }
    };
    names.into_iter().map(line).collect()
}
