//! A plan as an operator reads it: scopes, the link and why, each attribute with its old and new value and how it came to
//! be, and what would be sent. Renders what the kernel decided; decides nothing itself.

use crate::digest::plan_digest;
use crate::engine::EngineError;
use crate::names::{ObjectName, connector_object, metaverse_object, name_by_id, name_by_mv};
use crate::reading::Reading;
use crate::report::Counters;
use crate::step::count;
use metaverse_schema::{AttributeChange, AttributeName, Attributes, AttributesDelta, ByName, Reference, Value, Values};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use sync_kernel::{
    AttributeDecision, Candidate, CsObject, DeleteCause, Hold, LinkReason, MetaverseChange, MetaversePlan, MvRef,
    MvValue, ObjectError, ObjectPlan, Ownership, PendingOperation, ReferenceVerdict, SelectionDecision, Staged,
    Subject, TargetPlan, TargetRef,
};
use sync_rules::{FlowSource, Rule, RuleSet};
use sync_store::StoreError;

/// Everything that synchronising one object would do.
#[derive(Debug, Clone, Serialize)]
pub struct Preview {
    /// A run that decides the same shows the same digest (invariant 2).
    pub digest: String,
    pub subject: ObjectName,
    /// `none`, `add`, `update`, `delete-add`, or `delete (cause)`.
    pub pending_import: String,
    pub scopes: Vec<ScopeLine>,
    pub join: Option<JoinLine>,
    pub metaverse: Vec<MetaversePreview>,
    pub targets: Vec<TargetPreview>,
    /// The object is in error and nothing of this is applied.
    pub error: Option<ObjectError>,
    /// Match candidates whose roles a run reads before it applies this.
    pub facts_wanted: Vec<ObjectName>,
}

#[derive(Debug, Clone, Serialize)]
pub struct ScopeLine {
    pub rule: String,
    pub name: String,
    pub in_scope: bool,
}

#[derive(Debug, Clone, Serialize)]
pub struct JoinLine {
    /// `joined`, `projected`, `already-linked`, `not-joined`, `ambiguous`, `never-sync`, `deleted`.
    pub kind: &'static str,
    /// A sentence.
    pub text: String,
    pub rule: Option<String>,
    pub criterion: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
pub struct MetaversePreview {
    /// None: it would be created.
    pub object: Option<ObjectName>,
    pub object_type: String,
    /// `create`, `update`, `none`, `delete`.
    pub change: &'static str,
    pub cause: Option<DeleteCause>,
    pub attributes: Vec<AttributeLine>,
}

#[derive(Debug, Clone, Serialize)]
pub struct TargetPreview {
    pub connector: String,
    /// None: it would be created, or there is nothing but what is held.
    pub object: Option<ObjectName>,
    pub object_type: String,
    pub dn: Option<String>,
    /// `none`, `add`, `update`, `takeover`, `rename`, `restore`, `delete`, `detach`.
    pub operation: &'static str,
    /// The day (UTC) before which the operation is not sent: the source object left scope (SF18).
    pub leaves_on: Option<String>,
    /// Why it is deleted or detached.
    pub cause: Option<DeleteCause>,
    pub link: Option<LinkLine>,
    /// Which join group found the object that this plan links, or that is held.
    pub matched_by: Option<String>,
    pub attributes: Vec<AttributeLine>,
    pub references: Vec<ReferenceLine>,
    pub holds: Vec<Hold>,
}

#[derive(Debug, Clone, Serialize)]
pub struct LinkLine {
    pub rule: String,
    pub rule_name: String,
    pub ownership: Ownership,
}

/// A reference attribute that flows; its rows are decided one by one at the end of a synchronisation.
#[derive(Debug, Clone, Serialize)]
pub struct ReferenceLine {
    pub attribute: String,
    pub rule: String,
    pub source: ObjectName,
    pub source_attribute: String,
    /// Values the source holds.
    pub values: u64,
    /// Of the first rows of a target that is there already: how many flow, and how many do not, by reason (SF19).
    pub flowing: u64,
    pub waiting: Counters,
}

/// Rows of a reference attribute that one preview looks at.
const PREVIEWED_ROWS: usize = 10_000;

/// One attribute before and after.
#[derive(Debug, Clone, Serialize)]
pub struct AttributeLine {
    pub attribute: String,
    pub old: Values,
    pub new: Values,
    pub changed: bool,
    /// Number of values, for a reference attribute: they are not in `old` and `new`.
    pub references: Option<u64>,
    pub winner: Option<CandidateLine>,
    pub losers: Vec<CandidateLine>,
}

/// One flow that could have set the attribute.
#[derive(Debug, Clone, Serialize)]
pub struct CandidateLine {
    pub rule: String,
    pub rule_name: String,
    pub precedence: u32,
    /// None: the metaverse object itself (outbound).
    pub contributor: Option<ObjectName>,
    pub values: Values,
    pub verdict: String,
    /// The attribute, constant or expression of the flow.
    pub source: String,
    /// Where the flow stands: `rules/20-ad-users.toml:44`.
    pub place: Option<String>,
    /// What the flow reads, with the values it read.
    pub inputs: Vec<InputLine>,
}

#[derive(Debug, Clone, Serialize)]
pub struct InputLine {
    pub attribute: String,
    pub values: Values,
}

pub(crate) fn render(reading: &Reading<'_>, plan: &ObjectPlan) -> Result<Preview, EngineError> {
    let store = reading.store;
    let subject_object = match plan.subject {
        Subject::Connector(id) => store.object(id)?,
        Subject::Metaverse(_) => None,
    };
    Ok(Preview {
        digest: plan_digest(plan).to_string(),
        subject: reading.name(plan.subject)?,
        pending_import: subject_object.as_ref().map_or_else(|| "none".into(), pending_import),
        scopes: plan
            .scopes
            .iter()
            .map(|scope| ScopeLine {
                rule: scope.rule.to_string(),
                name: rule_name(reading, &scope.rule),
                in_scope: scope.in_scope,
            })
            .collect(),
        join: plan.join.as_ref().map(|reason| join_line(reading, reason)).transpose()?,
        metaverse: plan
            .metaverse
            .iter()
            .map(|metaverse| metaverse_preview(reading, metaverse))
            .collect::<Result<_, _>>()?,
        targets: plan
            .targets
            .iter()
            .filter(|target| target.target.is_some() || !target.holds.is_empty() || !target.dropped.is_empty())
            .map(|target| target_preview(reading, plan, target))
            .collect::<Result<_, _>>()?,
        error: plan.error.clone(),
        facts_wanted: plan.facts_wanted.iter().map(|id| name_by_id(store, *id)).collect::<Result<_, _>>()?,
    })
}

fn pending_import(object: &CsObject) -> String {
    match &object.staged {
        None => "none".into(),
        Some(Staged::Image(_)) if object.synchronised.is_none() => "add".into(),
        Some(Staged::Image(_)) => "update".into(),
        Some(Staged::Replaced(_)) => "delete-add".into(),
        Some(Staged::Deleted(cause)) => format!("delete ({cause})"),
    }
}

fn rule<'r>(reading: &Reading<'r>, id: &str) -> Option<&'r Rule> {
    reading.rules.rules.iter().find(|rule| &*rule.id == id)
}

pub(crate) fn rule_name(reading: &Reading<'_>, id: &str) -> String {
    rule_name_in(reading.rules, id)
}

/// The name of a rule; of one that there is no longer, its id.
pub(crate) fn rule_name_in(rules: &RuleSet, id: &str) -> String {
    if id == sync_kernel::OPERATOR_LINK {
        return "an operator".to_owned();
    }
    rules.rules.iter().find(|rule| &*rule.id == id).map_or_else(|| id.to_owned(), |rule| rule.name.clone())
}

pub(crate) fn join_line(reading: &Reading<'_>, reason: &LinkReason) -> Result<JoinLine, StoreError> {
    let named = |id: &str| format!("`{}`", rule_name(reading, id));
    let line = |kind, text: String, rule: Option<&str>, criterion: Option<String>| JoinLine {
        kind,
        text,
        rule: rule.map(str::to_owned),
        criterion,
    };
    Ok(match reason {
        LinkReason::Joined { rule, criterion, mv } => {
            let name = name_by_mv(reading.store, *mv)?;
            let text = format!("joined to {} by {} ({criterion})", name.text(), named(rule));
            line("joined", text, Some(rule), Some(criterion.to_string()))
        }
        LinkReason::Projected { rule } => {
            let text = format!("projected into the metaverse by {}", named(rule));
            line("projected", text, Some(rule), None)
        }
        LinkReason::AlreadyLinked { rule } => {
            let text = format!("linked already, by {}", named(rule));
            line("already-linked", text, Some(rule), None)
        }
        LinkReason::Ambiguous { rule, criterion, candidates } => {
            let names: Vec<String> = candidates
                .iter()
                .map(|mv| Ok(name_by_mv(reading.store, *mv)?.text()))
                .collect::<Result<_, StoreError>>()?;
            let text = format!("not joined: {} match by {criterion}: {}", names.len(), names.join("; "));
            line("ambiguous", text, Some(rule), Some(criterion.to_string()))
        }
        LinkReason::Occupied { rule, mv, by } => {
            let (mv, by) = (name_by_mv(reading.store, *mv)?, name_by_id(reading.store, *by)?);
            let text = format!("not joined: {} already has {}", mv.text(), by.text());
            line("ambiguous", text, Some(rule), None)
        }
        LinkReason::NoRule => line("not-joined", "no rule in scope joins or projects it".into(), None, None),
        LinkReason::NoJoinValue { rule } => {
            let text = format!("not projected: it has no value of any join attribute of {}", named(rule));
            line("not-joined", text, Some(rule), None)
        }
        LinkReason::NeverSync { reason } => line("never-sync", format!("never synchronised: {reason}"), None, None),
        LinkReason::NotSelected { reason } => line("not-selected", selection_text(reading, reason)?, None, None),
        LinkReason::Deleted => line("deleted", "its import is a delete, so it is unlinked".into(), None, None),
        LinkReason::ExplicitlyDisconnected => {
            let text = "an operator or a rule disconnected it for good; `metasync disconnect CONNECTOR OBJECT --undo` lets it be joined again";
            line("not-joined", text.into(), None, None)
        }
    })
}

fn metaverse_preview(reading: &Reading<'_>, plan: &MetaversePlan) -> Result<MetaversePreview, EngineError> {
    let previous = match plan.object {
        MvRef::Existing(id) => reading.store.metaverse(id)?,
        MvRef::New => None,
    };
    let before = previous.as_ref().map(|object| &object.attributes);
    let none = ByName::new();
    let before = before.unwrap_or(&none);
    let (after, change, cause) = match &plan.change {
        MetaverseChange::Set { attributes, .. } if plan.object == MvRef::New => (attributes, "create", None),
        MetaverseChange::Set { attributes, .. } => (attributes, "update", None),
        MetaverseChange::Unchanged => (before, "none", None),
        MetaverseChange::Delete { cause } => (&none, "delete", Some(*cause)),
    };
    let decisions: BTreeMap<&AttributeName, &AttributeDecision> =
        plan.decisions.iter().map(|decision| (&decision.attribute, decision)).collect();
    let names: BTreeSet<&AttributeName> = before.keys().chain(after.keys()).chain(decisions.keys().copied()).collect();
    let mut attributes = Vec::new();
    for name in names {
        let values = |side: &ByName<MvValue>| side.get(name).map(|value| value.values.clone()).unwrap_or_default();
        let (old, new) = (values(before), values(after));
        let decision = decisions.get(name).copied();
        let (winner, losers) = candidates(reading, decision, Side::Inbound)?;
        let references = references_of(reading, plan.object_type.as_str(), name, after.get(name))?;
        attributes.push(AttributeLine {
            attribute: name.to_string(),
            changed: old != new || before.contains_key(name) != after.contains_key(name),
            old,
            new,
            references,
            winner,
            losers,
        });
    }
    Ok(MetaversePreview {
        object: previous.as_ref().map(metaverse_object),
        object_type: plan.object_type.to_string(),
        change,
        cause,
        attributes,
    })
}

/// Number of values of a reference attribute, as its contributor holds them.
fn references_of(
    reading: &Reading<'_>,
    object_type: &str,
    name: &AttributeName,
    value: Option<&MvValue>,
) -> Result<Option<u64>, StoreError> {
    let Some(value) = value else { return Ok(None) };
    let is_reference = reading
        .rules
        .metaverse
        .attribute(object_type, name.as_str())
        .is_some_and(|known| known.kind == metaverse_schema::ValueKind::Reference);
    if !is_reference {
        return Ok(None);
    }
    let source = rule(reading, &value.rule)
        .and_then(|rule| rule.flows.iter().find(|flow| flow.target == *name))
        .and_then(|flow| match &flow.source {
            FlowSource::Direct(source) => Some(source.clone()),
            _ => None,
        });
    let contributor = reading.store.object(value.contributor)?;
    Ok(Some(
        source.zip(contributor).and_then(|(source, object)| object.reference_counts.get(&source).copied()).unwrap_or(0),
    ))
}

/// Which side of the metaverse a decision is on: where its inputs come from.
enum Side<'a> {
    Inbound,
    Outbound(&'a ByName<MvValue>),
}

type Lines = (Option<CandidateLine>, Vec<CandidateLine>);

fn candidates(
    reading: &Reading<'_>,
    decision: Option<&AttributeDecision>,
    side: Side<'_>,
) -> Result<Lines, StoreError> {
    let Some(decision) = decision else {
        return Ok((None, Vec::new()));
    };
    let line = |candidate: &Candidate| candidate_line(reading, &decision.attribute, candidate, &side);
    Ok((decision.winner.as_ref().map(line).transpose()?, decision.losers.iter().map(line).collect::<Result<_, _>>()?))
}

fn candidate_line(
    reading: &Reading<'_>,
    attribute: &AttributeName,
    candidate: &Candidate,
    side: &Side<'_>,
) -> Result<CandidateLine, StoreError> {
    let contributor = candidate.contributor.map(|id| reading.store.object(id)).transpose()?.flatten();
    let flow = rule(reading, &candidate.rule).and_then(|rule| rule.flows.iter().find(|flow| flow.target == *attribute));
    let (source, reads) = match flow.map(|flow| &flow.source) {
        Some(FlowSource::Direct(source)) => (source.to_string(), vec![source.clone()]),
        Some(FlowSource::Constant(value)) => (format!("constant {value}"), Vec::new()),
        Some(FlowSource::Expression(expression)) => (expression.text().to_owned(), expression.attributes()),
        None => (String::new(), Vec::new()),
    };
    let inputs = reads
        .into_iter()
        .map(|name| InputLine {
            values: match side {
                Side::Inbound => contributor.as_ref().map(|object| input_of(object, name.as_str())).unwrap_or_default(),
                Side::Outbound(attributes) => {
                    attributes.get(&name).map(|value| value.values.clone()).unwrap_or_default()
                }
            },
            attribute: name.to_string(),
        })
        .collect();
    Ok(CandidateLine {
        rule: candidate.rule.to_string(),
        rule_name: rule_name(reading, &candidate.rule),
        precedence: candidate.precedence,
        contributor: contributor.as_ref().map(connector_object),
        values: candidate.values.clone(),
        verdict: candidate.verdict.clone(),
        source,
        place: reading.rules.places.flow(&candidate.rule, attribute.as_str()).map(ToString::to_string),
        inputs,
    })
}

fn input_of(object: &CsObject, name: &str) -> Values {
    match name {
        "dn" => object.dn.clone().map(|dn| Values::single(Value::Reference(Reference::Dn(dn)))).unwrap_or_default(),
        name => object.imported().and_then(|image| image.get(name)).cloned().unwrap_or_default(),
    }
}

fn target_preview(reading: &Reading<'_>, plan: &ObjectPlan, target: &TargetPlan) -> Result<TargetPreview, EngineError> {
    let object = match &target.target {
        Some(TargetRef::Existing(id)) => reading.store.object(*id)?,
        _ => None,
    };
    let (object_type, dn) = match (&target.target, &object) {
        (Some(TargetRef::New { object_type, dn }), _) => (object_type.to_string(), dn.clone()),
        (_, Some(object)) => (object.object_type.to_string(), object.dn.clone()),
        _ => (String::new(), None),
    };
    let operation = target.pending.as_ref().map(|pending| &pending.operation);
    Ok(TargetPreview {
        connector: target.connector.to_string(),
        object_type,
        dn: dn.map(|dn| dn.to_string()),
        operation: operation.map_or("none", operation_name),
        leaves_on: target.pending.as_ref().and_then(|pending| pending.grace.as_ref()).map(sync_kernel::Grace::date),
        cause: operation.and_then(cause_of),
        link: target.link.as_ref().map(|(rule, ownership)| LinkLine {
            rule: rule.to_string(),
            rule_name: rule_name(reading, rule),
            ownership: *ownership,
        }),
        matched_by: target.matched_by.as_ref().map(ToString::to_string),
        attributes: target_attributes(reading, plan, target, object.as_ref(), operation)?,
        references: reference_lines(reading, target)?,
        holds: target.holds.clone(),
        object: object.as_ref().map(connector_object),
    })
}

fn reference_lines(reading: &Reading<'_>, target: &TargetPlan) -> Result<Vec<ReferenceLine>, StoreError> {
    let rows = match &target.target {
        Some(TargetRef::Existing(id)) => reading.store.preview_references(*id, PREVIEWED_ROWS)?,
        _ => Vec::new(),
    };
    let mut lines = Vec::new();
    // Where nobody contributes any longer, no rows flow.
    for flow in target.references.iter().filter(|flow| flow.source != sync_kernel::ReferenceFlow::NOBODY) {
        let source = reading.store.object(flow.source)?;
        let (mut flowing, mut waiting) = (0, Counters::new());
        for row in rows.iter().filter(|row| row.attribute == flow.target_attribute) {
            match &row.verdict {
                ReferenceVerdict::Flows { .. } => flowing += 1,
                ReferenceVerdict::AfterCreate { .. } => count(&mut waiting, "after-create", 1),
                ReferenceVerdict::Held { code, .. } => count(&mut waiting, code, 1),
            }
        }
        lines.push(ReferenceLine {
            attribute: flow.target_attribute.to_string(),
            rule: flow.rule.to_string(),
            values: source
                .as_ref()
                .and_then(|source| source.reference_counts.get(&flow.source_attribute).copied())
                .unwrap_or(0),
            source: name_by_id(reading.store, flow.source)?,
            source_attribute: flow.source_attribute.to_string(),
            flowing,
            waiting,
        });
    }
    Ok(lines)
}

pub(crate) fn operation_name(operation: &PendingOperation) -> &'static str {
    match operation {
        PendingOperation::Add { .. } => "add",
        PendingOperation::Update { takeover: true, .. } => "takeover",
        PendingOperation::Update { rename: Some(_), .. } => "rename",
        PendingOperation::Update { .. } => "update",
        PendingOperation::Restore { .. } => "restore",
        PendingOperation::Delete { .. } => "delete",
        PendingOperation::Detach { .. } => "detach",
    }
}

/// Why an object is to go.
pub(crate) fn cause_of(operation: &PendingOperation) -> Option<DeleteCause> {
    match operation {
        PendingOperation::Delete { cause, .. } | PendingOperation::Detach { cause, .. } => Some(*cause),
        _ => None,
    }
}

/// What the target holds and what it would hold: everything that flows, whether it changes or not.
fn target_attributes(
    reading: &Reading<'_>,
    plan: &ObjectPlan,
    target: &TargetPlan,
    object: Option<&CsObject>,
    operation: Option<&PendingOperation>,
) -> Result<Vec<AttributeLine>, EngineError> {
    let nothing = Attributes::new();
    let image = object.and_then(CsObject::imported).unwrap_or(&nothing);
    let mut sent = AttributesDelta::default();
    match operation {
        Some(PendingOperation::Add { attributes }) => {
            for (name, values) in attributes.iter() {
                sent.set(name.clone(), values.clone());
            }
        }
        Some(
            PendingOperation::Update { changes, afterwards, .. } | PendingOperation::Restore { changes, afterwards },
        ) => {
            sent.0.extend(changes.0.clone());
            sent.0.extend(afterwards.0.clone());
        }
        _ => {}
    }
    let decisions: BTreeMap<&AttributeName, &AttributeDecision> =
        target.decisions.iter().map(|decision| (&decision.attribute, decision)).collect();
    let own = metaverse_after(reading, plan, target)?;
    let names: BTreeSet<&AttributeName> = sent.0.keys().chain(decisions.keys().copied()).collect();
    let mut lines = Vec::new();
    for name in names {
        let old = image.get(name.as_str()).cloned().unwrap_or_default();
        let (new, changed) = match sent.0.get(name) {
            Some(AttributeChange::Replace(values)) => (values.clone(), true),
            Some(AttributeChange::Update { .. }) => {
                let mut after = image.clone();
                sent.apply(&mut after);
                (after.get(name.as_str()).cloned().unwrap_or_default(), true)
            }
            None => (old.clone(), false),
        };
        let (winner, losers) = candidates(reading, decisions.get(name).copied(), Side::Outbound(&own))?;
        lines.push(AttributeLine { attribute: name.to_string(), old, new, changed, references: None, winner, losers });
    }
    Ok(lines)
}

/// The metaverse object that a target's values come from, as the plan leaves it.
fn metaverse_after(
    reading: &Reading<'_>,
    plan: &ObjectPlan,
    target: &TargetPlan,
) -> Result<ByName<MvValue>, StoreError> {
    let planned = plan.metaverse.iter().find(|metaverse| metaverse.object == target.mv);
    if let Some(MetaversePlan { change: MetaverseChange::Set { attributes, .. }, .. }) = planned {
        return Ok(attributes.clone());
    }
    Ok(match target.mv {
        MvRef::Existing(id) => reading.store.metaverse(id)?.map(|object| object.attributes).unwrap_or_default(),
        MvRef::New => ByName::new(),
    })
}

/// A selection with the names that the store knows its groups by.
pub(crate) fn selection_text(reading: &Reading<'_>, decision: &SelectionDecision) -> Result<String, StoreError> {
    let mut names: BTreeMap<&str, String> = BTreeMap::new();
    if let SelectionDecision::ByGroup(groups) = decision {
        for (connector, group) in
            reading.rules.selections.keys().flat_map(|name| groups.iter().map(move |of| (name, of)))
        {
            if let Some(id) = reading.store.find_object(connector, group)?.first() {
                names.insert(group, format!("`{}`", name_by_id(reading.store, *id)?.name));
            }
        }
    }
    Ok(decision.text(|group| names.get(group).cloned().unwrap_or_else(|| group.to_owned())))
}
