//! Export attribute flow: what the target is to hold, and which part of that must be sent. Desired minus held is the
//! pending export (design, invariant 1); what the target refused or changed is held, not sent again by itself.

use crate::evaluate::{MetaverseInputs, prepared_outcome};
use crate::inbound::{Record, Weighed};
use crate::inputs::Run;
use crate::merge::{MergeInputs, contributed_so_far, merge_into};
use crate::outbound::MvState;
use crate::plan::{AttributeDecision, ObjectError};
use crate::prepared::{PreparedFlow, References};
use crate::takeover::{as_text, is_approved};
use crate::view::{
    ApprovalKind, CsObject, ExportMemory, Hold, MemoryState, MvRef, MvValue, OwnedNames, Ownership, PendingExport,
    PendingOperation, ReferenceFlow, Remembered, SentState,
};
use metaverse_schema::{
    AttributeChange, AttributeName, Attributes, AttributesDelta, ByName, Dn, Reference, Value, Values,
};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use sync_rules::{AddressesChoice, Direction, Flow, FlowSource, MergeType, Outcome, Rule};

/// The outcome of the flows for one target object. An attribute that is not in `values` is not managed (S48) or is left
/// alone (S46); empty values mean that the target is to have none.
#[derive(Debug, Default)]
pub(crate) struct Desired {
    pub(crate) values: DesiredValues,
    /// Those of `values` that are merged into what the target holds (S57).
    pub(crate) merged: BTreeMap<AttributeName, MergeType>,
    pub(crate) dn: Option<Dn>,
    pub(crate) references: Vec<ReferenceFlow>,
    pub(crate) decisions: Vec<AttributeDecision>,
}

/// By attribute, in order.
#[derive(Debug, Default)]
pub(crate) struct DesiredValues(Vec<(AttributeName, Values)>);

impl DesiredValues {
    pub(crate) fn get(&self, name: &AttributeName) -> Option<&Values> {
        let position = self.0.binary_search_by(|(known, _)| known.cmp(name)).ok()?;
        self.0.get(position).map(|(_, values)| values)
    }
}

/// A flow that may give an attribute, with its rule.
type Contender<'a> = (&'a PreparedFlow, (&'a Rule, &'a Flow));

/// Evaluates the flows of the in-scope outbound rules for one target object, by precedence. The rules are of one
/// connector.
pub(crate) fn compute_desired(
    rules: &[&Rule],
    mv: &MvState<'_>,
    exists: bool,
    run: &Run<'_>,
) -> Result<Desired, ObjectError> {
    let attributes = mv.attributes;
    let Some(connector) = rules.first().map(|rule| &*rule.connector) else {
        return Ok(Desired::default());
    };
    let Some(group) = run.prepared.group(Direction::Outbound, connector, mv.object_type) else {
        return Ok(Desired::default());
    };
    let is_flowing = |position: &usize| rules.iter().any(|rule| std::ptr::eq(*rule, &run.rules.rules[*position]));
    let flowing: Vec<bool> = group.members.iter().map(is_flowing).collect();
    let reader = mv.inputs(connector, run);
    let references = run.prepared.references(mv.object_type);
    let mut desired = Desired::default();
    let mut flows: Vec<Contender<'_>> = Vec::new();
    for flows_of_target in group.flows.chunk_by(|one, next| one.rank == next.rank) {
        flows.clear();
        let here = flows_of_target.iter().filter(|flow| flowing[flow.member]);
        flows.extend(here.map(|flow| (flow, flow.of(&run.rules))));
        let flows = flows.as_slice();
        let Some((_, (_, Flow { target, .. }))) = flows.first() else { continue };
        if let Some(reference) = references.and_then(|known| reference_flow(target, flows, attributes, known, run)) {
            desired.references.push(reference);
            continue;
        }
        let merge = merge_type(target, flows)?;
        let (values, leaves_alone) = if !run.trace && nobody_gives(flows, mv) {
            (Values::default(), false)
        } else {
            let (weighed, decision) = weigh(target, (flows, merge), mv, exists, &reader, run)?;
            desired.decisions.extend(decision.map(|record| *record));
            weighed
        };
        if values.len() > 1 && run.is_single_valued(connector, target.as_str()) {
            return Err(ObjectError {
                code: "ambiguous-export-flow-to-single-valued-attribute".into(),
                message: format!("`{target}` of `{connector}` holds one value, and the flows give {}", values.len()),
                rule: flows.first().map(|(_, (rule, _))| rule.id.clone()),
                attribute: Some(target.to_string()),
            });
        }
        if *target == "dn" {
            desired.dn = dn_of(&values, flows)?;
        } else if !leaves_alone {
            if merge != MergeType::Update && !run.is_single_valued(connector, target.as_str()) {
                desired.merged.insert(target.clone(), merge);
            }
            // Flows stand in the order of their targets.
            desired.values.0.push((target.clone(), values));
        }
    }
    Ok(desired)
}

/// Whether no flow gives a value, and none says more than that.
fn nobody_gives(flows: &[Contender<'_>], mv: &MvState<'_>) -> bool {
    flows.iter().all(|(prepared, (_, flow))| !flow.once && mv.index.gives_nothing(prepared))
}

/// The values, whether the target is left alone, and, where traced, how it came about.
fn weigh(
    target: &AttributeName,
    (flows, merge): (&[Contender<'_>], MergeType),
    mv: &MvState<'_>,
    exists: bool,
    reader: &MetaverseInputs<'_>,
    run: &Run<'_>,
) -> Result<((Values, bool), Record), ObjectError> {
    let first_takes_all = merge == MergeType::Update && !run.trace;
    let mut weighed = Weighed::new(merge, run.trace);
    for (prepared, (rule, flow)) in flows {
        if weighed.is_settled() && !run.trace {
            break;
        }
        if flow.once && exists {
            weighed.pass_once(rule, None);
            continue;
        }
        let outcome = prepared_outcome(prepared, (rule, flow), mv.index, reader);
        let outcome = if weighed.is_settled() { outcome.unwrap_or(Outcome::Null) } else { outcome? };
        match outcome {
            Outcome::Values(values) if first_takes_all => return Ok(((values, false), None)),
            outcome => weighed.weigh(rule, None, outcome),
        }
    }
    let leaves_alone = weighed.leaves_alone();
    let (values, _, decision) = weighed.settle(target, None);
    Ok(((values, leaves_alone), decision))
}

/// S55: rules in scope together merge alike.
fn merge_type(target: &AttributeName, flows: &[Contender<'_>]) -> Result<MergeType, ObjectError> {
    let merge = flows.first().map_or(MergeType::Update, |(_, (_, flow))| flow.merge);
    match flows.iter().find(|(_, (_, flow))| flow.merge != merge) {
        None => Ok(merge),
        Some((_, (rule, _))) => Err(ObjectError {
            code: "ambiguous-merge-type".into(),
            message: format!("the rules in scope set `{target}` with different merge types (S55)"),
            rule: Some(rule.id.clone()),
            attribute: Some(target.to_string()),
        }),
    }
}

/// A flow of a reference attribute: its rows are decided one by one. None: it is no reference attribute.
fn reference_flow(
    target: &AttributeName,
    flows: &[Contender<'_>],
    attributes: &ByName<MvValue>,
    references: &References,
    run: &Run<'_>,
) -> Option<ReferenceFlow> {
    let (prepared, rule, source) = flows.iter().find_map(|(prepared, (rule, flow))| match &flow.source {
        FlowSource::Direct(source) => Some((prepared, rule, source)),
        _ => None,
    })?;
    if !references.has_source(prepared, source) {
        return None;
    }
    let contribution = attributes.get(source.as_str()).and_then(|value| {
        let contributed = run.rules.rules.iter().find(|inbound| inbound.id == value.rule)?;
        let source_attribute =
            contributed.flows.iter().find(|flow| flow.target == *source).and_then(|flow| match &flow.source {
                FlowSource::Direct(attribute) => Some(attribute.clone()),
                _ => None,
            })?;
        Some((value.contributor, source_attribute))
    });
    // Recalled, and managed all the same: no rows are wanted.
    let (source, source_attribute) = contribution.unwrap_or_else(|| (ReferenceFlow::NOBODY, target.clone()));
    Some(ReferenceFlow {
        target_attribute: target.clone(),
        source,
        source_attribute,
        rule: rule.id.clone(),
        single: run.is_single_valued(&rule.connector, target.as_str()),
        keep_foreign: false,
    })
}

fn dn_of(values: &Values, flows: &[Contender<'_>]) -> Result<Option<Dn>, ObjectError> {
    let parsed = match values.first() {
        None => return Ok(None),
        Some(Value::Reference(Reference::Dn(dn))) => return Ok(Some(dn.clone())),
        Some(other) => other.to_string().parse::<Dn>(),
    };
    parsed.map(Some).map_err(|error| ObjectError {
        code: "invalid-dn".into(),
        message: error.to_string(),
        rule: flows.first().map(|(_, (rule, _))| rule.id.clone()),
        attribute: Some("dn".into()),
    })
}

/// A target's state after the flows.
pub(crate) struct Difference {
    pub(crate) pending: Option<PendingExport>,
    pub(crate) memory: ExportMemory,
    pub(crate) owned: OwnedNames,
    pub(crate) contributed: BTreeMap<AttributeName, Values>,
    pub(crate) holds: Vec<Hold>,
}

/// How the target stands to this engine when the difference is taken.
pub(crate) struct Standing<'a> {
    pub(crate) target: &'a CsObject,
    pub(crate) mv: MvRef,
    pub(crate) ownership: Ownership,
    pub(crate) rule: &'a Rule,
    /// The link is made by this very plan.
    pub(crate) is_takeover: bool,
    /// The object is in the recycle bin and is brought back.
    pub(crate) is_restore: bool,
}

/// Desired minus held, for an object that exists in the target.
pub(crate) fn difference(standing: &Standing<'_>, desired: &Desired, run: &Run<'_>) -> Difference {
    let target = standing.target;
    let (nothing, no_values) = (Attributes::new(), Values::default());
    let image = target.imported().unwrap_or(&nothing);
    let takeover = standing.rule.takeover.as_ref();
    let stamp = takeover.and_then(|takeover| takeover.stamp.as_ref());
    let mut after = Difference {
        pending: None,
        memory: ExportMemory::default(),
        owned: target.owned.clone(),
        contributed: target.contributed.clone(),
        holds: Vec::new(),
    };
    let (mut changes, mut afterwards) = (AttributesDelta::default(), AttributesDelta::default());
    // All in the order of names, so they are gone through together.
    let (mut held, mut owned) = (image.iter().peekable(), target.owned.iter().peekable());
    for (attribute, wanted) in &desired.values.0 {
        while held.next_if(|(name, _)| *name < attribute).is_some() {}
        while owned.next_if(|name| *name < attribute).is_some() {}
        let present = held.next_if(|(name, _)| *name == attribute).map_or(&no_values, |(_, values)| values);
        let was_owned = owned.next_if(|name| *name == attribute).is_some();
        let delta = if stamp == Some(attribute) { &mut afterwards } else { &mut changes };
        if let Some(merge) = desired.merged.get(attribute) {
            let change = after.merge(standing, attribute, (*merge, wanted), present, run);
            delta.0.extend(change.map(|change| (attribute.clone(), change)));
            continue;
        }
        // A winner takes all, whoever contributed it.
        after.contributed.remove(attribute);
        let wanted = addresses_choice(standing, attribute, wanted, present);
        let is_owned = standing.ownership == Ownership::Provisioned || was_owned;
        if *wanted == *present {
            if !wanted.is_empty() && !was_owned {
                after.own(attribute);
            }
            continue;
        }
        if wanted.is_empty() && !is_owned {
            // SF1: nothing was ever contributed, so nothing is cleared.
            continue;
        }
        if !run.writable(&target.connector, attribute.as_str()) {
            after.holds.push(read_only(attribute, &wanted, present));
            continue;
        }
        if let Some(hold) = sign_in_name_hold(standing, attribute, &wanted, present) {
            after.holds.push(hold);
            continue;
        }
        if !wanted.is_empty() {
            after.own(attribute);
        }
        match target.memory.attributes.get(attribute) {
            Some(remembered) if remembered.wanted == *wanted && !standing.is_restore => {
                let still_held = match &remembered.state {
                    MemoryState::Unconfirmed => true,
                    MemoryState::Held { returned } => returned == present,
                };
                if still_held {
                    after.memory.attributes.insert(attribute.clone(), remembered.clone());
                    if remembered.state != MemoryState::Unconfirmed {
                        after.holds.push(not_reimported(attribute, &wanted, present));
                    }
                    continue;
                }
            }
            _ => {}
        }
        delta.set(attribute.clone(), wanted.into_owned());
    }
    let rename =
        desired.dn.clone().filter(|wanted| target.dn.as_ref().is_some_and(|dn| !dn.needs_no_rename_to(wanted)));
    let operation = if standing.is_restore {
        Some(PendingOperation::Restore { changes, afterwards })
    } else if changes.is_empty() && afterwards.is_empty() && rename.is_none() {
        None
    } else {
        let takeover = standing.is_takeover || is_takeover_pending(target);
        Some(PendingOperation::Update { rename, changes, afterwards, takeover })
    };
    after.pending = operation.map(|operation| carry(target.pending.as_ref(), operation));
    after
}

impl Difference {
    /// From now on a source has contributed to the attribute (SF1).
    fn own(&mut self, attribute: &AttributeName) {
        // The set is shared with the object's for as long as nothing is new in it.
        if !self.owned.contains(attribute) {
            Arc::make_mut(&mut self.owned).insert(attribute.clone());
        }
    }

    /// S57: merges the flows' values into the target's. Returns what must be sent.
    fn merge(
        &mut self,
        standing: &Standing<'_>,
        attribute: &AttributeName,
        (merge, given): (MergeType, &Values),
        present: &Values,
        run: &Run<'_>,
    ) -> Option<AttributeChange> {
        let target = standing.target;
        let remembered = target.memory.attributes.get(attribute).filter(|_| !standing.is_restore);
        let unconfirmed = remembered.filter(|remembered| remembered.state == MemoryState::Unconfirmed);
        let held = unconfirmed.map_or(present, |remembered| &remembered.wanted);
        let contributed = &contributed_so_far(target, attribute);
        let merged = merge_into(&MergeInputs { merge, given, present, held, contributed });
        if !merged.is_settled() && !run.writable(&target.connector, attribute.as_str()) {
            self.holds.push(read_only(attribute, &merged.wanted, present));
            return None;
        }
        if !merged.kept.is_empty() {
            self.own(attribute);
        }
        if merged.contributed.is_empty() {
            self.contributed.remove(attribute);
        } else {
            self.contributed.insert(attribute.clone(), merged.contributed.clone());
        }
        // Further single values are told on top of what was sent, so it stays known until it is confirmed.
        if let Some(unconfirmed) = unconfirmed {
            self.memory.attributes.insert(attribute.clone(), unconfirmed.clone());
        }
        if merged.is_settled() {
            return None;
        }
        if let Some(Remembered { wanted, state: MemoryState::Held { returned } }) = remembered
            && *wanted == merged.wanted
            && returned == present
        {
            self.memory.attributes.extend(remembered.map(|remembered| (attribute.clone(), remembered.clone())));
            self.holds.push(not_reimported(attribute, wanted, present));
            return None;
        }
        Some(merged.change())
    }
}

/// A takeover stays one until it was sent.
fn is_takeover_pending(target: &CsObject) -> bool {
    matches!(&target.pending, Some(PendingExport { operation: PendingOperation::Update { takeover: true, .. }, .. }))
}

/// What a create sends: every wanted value that can be written; what cannot is named.
pub(crate) fn addition(
    values: DesiredValues,
    connector: &str,
    run: &Run<'_>,
) -> (Attributes, Vec<Hold>, BTreeSet<AttributeName>) {
    let wanted = values.0.into_iter().filter(|(_, wanted)| !wanted.is_empty());
    let (writable, others): (Vec<_>, Vec<_>) =
        wanted.partition(|(attribute, _)| run.writable(connector, attribute.as_str()));
    let holds = others.iter().map(|(attribute, wanted)| read_only(attribute, wanted, &Values::default())).collect();
    let owned = writable.iter().map(|(attribute, _)| attribute.clone()).collect();
    (writable.into_iter().collect(), holds, owned)
}

/// Keeps what is known of sending, when the operation is the same; an object that may have been created stays in flight.
pub(crate) fn carry(before: Option<&PendingExport>, operation: PendingOperation) -> PendingExport {
    let state = match before {
        Some(before) if before.operation == operation => before.state.clone(),
        Some(PendingExport { state: SentState::InFlight, .. }) => SentState::InFlight,
        _ => SentState::Pending,
    };
    PendingExport { operation, state, grace: None }
}

fn addresses_choice<'w>(
    standing: &Standing<'_>,
    attribute: &AttributeName,
    wanted: &'w Values,
    present: &Values,
) -> Cow<'w, Values> {
    let keeps = standing.ownership == Ownership::Adopted
        && standing.rule.takeover.as_ref().is_some_and(|takeover| {
            takeover.addresses.as_ref() == Some(attribute) && takeover.addresses_choice == AddressesChoice::KeepCloud
        });
    if !keeps || wanted.is_empty() {
        return Cow::Borrowed(wanted);
    }
    let folded = |value: &Value| value.to_string().to_lowercase();
    let known: BTreeSet<String> = wanted.iter().map(folded).collect();
    // The kept addresses become secondary: the source's primary address wins.
    let kept = present.iter().filter(|value| !known.contains(&folded(value))).map(|value| match value.as_text() {
        Some(text) if text.starts_with("SMTP:") => Value::text(format!("smtp:{}", &text[5..])),
        _ => value.clone(),
    });
    Cow::Owned(wanted.iter().cloned().chain(kept).collect())
}

/// SF2: a takeover never changes a sign-in name by itself; a change of case alone does not matter.
fn sign_in_name_hold(
    standing: &Standing<'_>,
    attribute: &AttributeName,
    wanted: &Values,
    present: &Values,
) -> Option<Hold> {
    let takeover = standing.rule.takeover.as_ref()?;
    if standing.ownership != Ownership::Adopted || takeover.sign_in_name.as_ref() != Some(attribute) {
        return None;
    }
    // What comes back from the recycle bin was ours by its anchor, and its name there is mangled by the service.
    if standing.target.owned.contains(attribute) || present.is_empty() || standing.is_restore {
        return None;
    }
    let (new, old) = (as_text(wanted), as_text(present));
    if new.to_lowercase() == old.to_lowercase()
        || is_approved(standing.target, ApprovalKind::SignInName, standing.mv, Some(&new))
    {
        return None;
    }
    Some(Hold {
        code: "signin-name-change".into(),
        attribute: Some(attribute.to_string()),
        wanted: Some(new),
        present: Some(old),
        message: "the takeover would change the name this person signs in with".into(),
        remedy: "change it on either side so that both agree, or approve this list".into(),
        candidate: Some(standing.target.id),
        approvable: Some(ApprovalKind::SignInName),
    })
}

fn read_only(attribute: &AttributeName, wanted: &Values, present: &Values) -> Hold {
    Hold {
        code: "limitation-read-only".into(),
        attribute: Some(attribute.to_string()),
        wanted: Some(as_text(wanted)),
        present: Some(as_text(present)),
        message: format!("`{attribute}` cannot be written in this mode"),
        remedy: "a named limitation of this mode; the value stays as the connected system has it".into(),
        candidate: None,
        approvable: None,
    }
}

/// O47 with invariant 3: both values are shown; sent again when either changes.
fn not_reimported(attribute: &AttributeName, wanted: &Values, present: &Values) -> Hold {
    Hold {
        code: "exported-change-not-reimported".into(),
        attribute: Some(attribute.to_string()),
        wanted: Some(as_text(wanted)),
        present: Some(as_text(present)),
        message: "the connected system accepted the value and returned another one".into(),
        remedy: "look for a rule or another writer in the connected system; it is sent again when either side changes"
            .into(),
        candidate: None,
        approvable: None,
    }
}

/// An image with unconfirmed exports laid over it: what the target will hold if all arrives.
pub fn overlay(image: &Attributes, memory: &ExportMemory) -> Attributes {
    let mut overlaid = image.clone();
    for (attribute, remembered) in &memory.attributes {
        overlaid.set(attribute.clone(), remembered.wanted.clone());
    }
    overlaid
}
