//! Outbound decisions for one metaverse object: which target objects it is to have, by outbound join, provisioning or
//! deprovisioning (S24-S38), and what is held instead. Reads the metaverse object as just computed; never changes it.

use crate::decide::Stop;
use crate::desired::{Desired, Difference, Standing, addition, carry, compute_desired, difference};
use crate::evaluate::MetaverseInputs;
use crate::index::Index;
use crate::inputs::Run;
use crate::keys::SourceKeys;
use crate::leaving::{departure, departure_action};
use crate::neighbourhood::Reader;
use crate::pairs::{is_let_go, rejected, undone_elsewhere, verdict_on};
use crate::plan::{OutboundCounter, TargetPlan, TargetRef};
use crate::scope::rule_in_scope;
use crate::search::{Search, explicitly_disconnected, hold, name, search};
use crate::takeover::{Wanted, limitation_holds, takeover_holds};
use crate::view::{
    ConnectorState, CsId, CsObject, DeleteCause, ExportMemory, Hold, MemoryState, MvRef, MvValue, OPERATOR_LINK,
    OwnedNames, Ownership, PendingExport, PendingOperation, Remembered, SentState, Staged,
};
use metaverse_schema::{AttributeName, ByName, Dn, ObjectType, Values};
use std::collections::{BTreeMap, BTreeSet};
use sync_rules::{ConnectorName, Criterion, DeprovisionAction, Direction, Inputs, LinkType, Rule, RuleId};

/// A metaverse object as this plan leaves it.
pub(crate) struct MvState<'a> {
    pub(crate) object: MvRef,
    pub(crate) object_type: &'a ObjectType,
    pub(crate) attributes: &'a ByName<MvValue>,
    /// `attributes` by name.
    pub(crate) index: &'a Index<'a>,
    /// Keys of `attributes`.
    pub(crate) keys: &'a SourceKeys,
    /// Objects linked to it, as this plan leaves the links of the inbound side.
    pub(crate) linked: Vec<LinkedTarget<'a>>,
    /// Why it is deleted, when it is.
    pub(crate) deleted: Option<DeleteCause>,
    /// The cause given to a target that loses its rule while the metaverse object stays.
    pub(crate) cause: DeleteCause,
}

impl MvState<'_> {
    /// The object as the outbound expressions of a connector read it.
    pub(crate) fn inputs<'s>(&'s self, connector: &'s str, run: &'s Run<'_>) -> MetaverseInputs<'s> {
        MetaverseInputs { index: Some(self.index), ..MetaverseInputs::of(self.attributes, connector, run) }
    }
}

#[derive(Clone)]
pub(crate) struct LinkedTarget<'a> {
    pub(crate) object: &'a CsObject,
    pub(crate) rule: RuleId,
    pub(crate) ownership: Ownership,
}

/// What outbound processing decided, and what it needs known before it may be applied.
#[derive(Default)]
pub(crate) struct TargetDecisions {
    pub(crate) targets: Vec<TargetPlan>,
    pub(crate) facts_wanted: BTreeSet<CsId>,
}

/// Decides every target of one metaverse object, connector by connector in the order of their rules.
pub(crate) fn decide_targets(
    mv: &MvState<'_>,
    reader: &mut Reader<'_>,
    run: &Run<'_>,
) -> Result<TargetDecisions, Stop> {
    let mut decisions = TargetDecisions::default();
    for connector in target_connectors(mv.object_type, run) {
        let linked = mv.linked.iter().filter(|linked| linked.object.connector == connector);
        let (rejected, linked): (Vec<&LinkedTarget<'_>>, Vec<&LinkedTarget<'_>>) =
            linked.partition(|linked| is_let_go(linked, &mv.linked));
        let object_type = mv.object_type;
        decisions
            .targets
            .extend(rejected.iter().filter_map(|target| let_go(target.object, mv.object, object_type, run)));
        let in_scope = if mv.deleted.is_some() { Vec::new() } else { outbound_scope(mv, &connector, run) };
        let linker = linker(&in_scope);
        let outcome = match (linked.as_slice(), linker) {
            ([], None) => Some(held(mv, &connector, Vec::new())),
            ([], Some(rule)) => Some(decide_unlinked(mv, rule, &in_scope, reader, run, &mut decisions.facts_wanted)?),
            // Its own synchronisation, which is due, ends the link; until then it is no reason to take the object over.
            ([target], _) if is_undone(target) => Some(held(mv, &connector, Vec::new())),
            ([target], None) => deprovision(mv, target, run),
            ([target], Some(rule)) => {
                Some(decide_linked(mv, target, rule, &in_scope, reader, run, &mut decisions.facts_wanted)?)
            }
            (several, _) => Some(held(mv, &connector, vec![several_links(several)])),
        };
        decisions.targets.extend(outcome);
    }
    Ok(decisions)
}

/// An operator made the link and took that back (O20).
fn is_undone(linked: &LinkedTarget<'_>) -> bool {
    &*linked.rule == OPERATOR_LINK && linked.object.state != ConnectorState::ExplicitlyConnected
}

/// Connectors that have outbound rules for this type, in order of precedence.
fn target_connectors(object_type: &ObjectType, run: &Run<'_>) -> Vec<ConnectorName> {
    let mut connectors: Vec<ConnectorName> = Vec::new();
    for rule in outbound_rules(object_type, run) {
        if !connectors.contains(&rule.connector) {
            connectors.push(rule.connector.clone());
        }
    }
    connectors
}

/// The rule that looks for a partner: the first with join conditions. Where none has any, the first that provisions.
fn linker<'r>(in_scope: &[&'r Rule]) -> Option<&'r Rule> {
    in_scope.iter().copied().find(|rule| !rule.join.is_empty()).or_else(|| provisioner(in_scope))
}

/// The rule that creates the object when none is found.
fn provisioner<'r>(in_scope: &[&'r Rule]) -> Option<&'r Rule> {
    in_scope.iter().copied().find(|rule| rule.link == LinkType::Provision)
}

fn outbound_rules<'r>(object_type: &'r ObjectType, run: &'r Run<'_>) -> impl Iterator<Item = &'r Rule> {
    run.rules.rules.iter().filter(move |rule| {
        rule.direction == Direction::Outbound && rule.source_type.as_ref().is_none_or(|wanted| wanted == object_type)
    })
}

fn outbound_scope<'r>(mv: &MvState<'r>, connector: &ConnectorName, run: &'r Run<'_>) -> Vec<&'r Rule> {
    let inputs = mv.inputs(connector, run);
    let group = run.prepared.group(Direction::Outbound, connector, mv.object_type);
    let rules = group.into_iter().flat_map(|group| &group.members).map(|position| &run.rules.rules[*position]);
    rules.filter(|rule| rule_in_scope(rule, |name| inputs.attribute(name), |_| false)).collect()
}

/// Rules whose flows go to an object of this type.
fn flowing<'r>(in_scope: &[&'r Rule], object_type: &ObjectType) -> Vec<&'r Rule> {
    in_scope
        .iter()
        .copied()
        .filter(|rule| rule.target_type.as_ref().is_none_or(|wanted| wanted == object_type))
        .collect()
}

/// No object: only what is held. An empty list clears earlier holds.
fn held(mv: &MvState<'_>, connector: &ConnectorName, holds: Vec<Hold>) -> TargetPlan {
    TargetPlan { holds, ..nothing(mv.object, connector) }
}

fn nothing(mv: MvRef, connector: &ConnectorName) -> TargetPlan {
    TargetPlan {
        connector: connector.clone(),
        mv,
        target: None,
        dropped: Vec::new(),
        link: None,
        pending: None,
        memory: ExportMemory::default(),
        owned: OwnedNames::default(),
        contributed: BTreeMap::new(),
        references: Vec::new(),
        holds: Vec::new(),
        decisions: Vec::new(),
        counter: None,
        matched_by: None,
    }
}

fn several_links(linked: &[&LinkedTarget<'_>]) -> Hold {
    let names: Vec<String> = linked.iter().map(|linked| name(linked.object)).collect();
    hold(
        "ambiguous-link",
        format!("several objects of one connector space are linked to it: {}", names.join(", ")),
        "disconnect all but one; nothing is exported until then",
        None,
    )
}

/// Not linked, and a rule links: outbound join first, then provisioning (SF5, S26-S28).
fn decide_unlinked(
    mv: &MvState<'_>,
    rule: &Rule,
    in_scope: &[&Rule],
    reader: &mut Reader<'_>,
    run: &Run<'_>,
    facts_wanted: &mut BTreeSet<CsId>,
) -> Result<TargetPlan, Stop> {
    match search(mv, rule, in_scope, reader, run)? {
        Search::Held(holds) => Ok(held(mv, &rule.connector, holds)),
        Search::Candidate { object, criterion } => adopt(mv, rule, in_scope, object, criterion, run, facts_wanted),
        Search::Nothing => match (provisioner(in_scope), undone_elsewhere(&mv.linked, &rule.connector)) {
            (Some(_), Some(undone)) => Ok(held(mv, &rule.connector, vec![undone])),
            (Some(rule), None) => provision(mv, rule, in_scope, None, reader, run, facts_wanted),
            (None, _) => Ok(held(mv, &rule.connector, Vec::new())),
        },
    }
}

fn decide_linked(
    mv: &MvState<'_>,
    linked: &LinkedTarget<'_>,
    rule: &Rule,
    in_scope: &[&Rule],
    reader: &mut Reader<'_>,
    run: &Run<'_>,
    facts_wanted: &mut BTreeSet<CsId>,
) -> Result<TargetPlan, Stop> {
    let target = linked.object;
    let in_flight = target.is_in_flight();
    if target.anchor.is_none() && !in_flight {
        // Not exported yet: an object that has appeared in the target meanwhile is taken over instead of doubled.
        let mut plan = match search(mv, rule, in_scope, reader, run)? {
            Search::Held(holds) => held(mv, &rule.connector, holds),
            Search::Candidate { object, criterion } => adopt(mv, rule, in_scope, object, criterion, run, facts_wanted)?,
            Search::Nothing => match provisioner(in_scope) {
                Some(rule) => return provision(mv, rule, in_scope, Some(target), reader, run, facts_wanted),
                // S28: what joins only never creates, and what was to be created is not.
                None => held(mv, &rule.connector, Vec::new()),
            },
        };
        plan.dropped.push(target.id);
        return Ok(plan);
    }
    if target.anchor.is_none() {
        let rule = provisioner(in_scope).unwrap_or(rule);
        return provision(mv, rule, in_scope, Some(target), reader, run, facts_wanted);
    }
    if linked.ownership == Ownership::Joined && rule.takeover.is_some() {
        // Linked by an inbound rule or by an operator: writing to it is a takeover all the same.
        // What an operator joined needs nobody's approval as a match; everything else that speaks against it still does.
        let criterion = match target.state {
            ConnectorState::ExplicitlyConnected => Criterion::Operator,
            _ => Criterion::Anchor,
        };
        return adopt(mv, rule, in_scope, target, criterion, run, facts_wanted);
    }
    // The rule that made the link keeps it while it is in scope.
    let rule = in_scope.iter().copied().find(|candidate| candidate.id == linked.rule).unwrap_or(rule);
    let mut plan = flow(mv, rule, in_scope, target, linked.ownership, None, run)?;
    if is_inbound(&linked.rule, run) || &*linked.rule == OPERATOR_LINK {
        // Writing back to an object that contributes: its inbound rule keeps the link, and with it the metaverse object.
        // The same is true of a link that an operator made.
        plan.link = Some((linked.rule.clone(), linked.ownership));
    }
    Ok(plan)
}

fn is_inbound(rule: &RuleId, run: &Run<'_>) -> bool {
    run.rules.rules.iter().any(|known| known.id == *rule && known.direction == Direction::Inbound)
}

/// Takes over an existing object, unless anything speaks against it.
fn adopt(
    mv: &MvState<'_>,
    rule: &Rule,
    in_scope: &[&Rule],
    candidate: &CsObject,
    criterion: Criterion,
    run: &Run<'_>,
    facts_wanted: &mut BTreeSet<CsId>,
) -> Result<TargetPlan, Stop> {
    // Also what is held says by which evidence it was found.
    let held = |holds| TargetPlan { matched_by: Some(criterion.clone()), ..held(mv, &rule.connector, holds) };
    let verdict = verdict_on(candidate, &mv.linked);
    if let Some(verdict) = verdict.filter(|verdict| verdict.says_no()) {
        return Ok(held(vec![rejected(candidate, verdict)]));
    }
    // An object whose delete was staged and not sent is still ours: it returns without another approval.
    if let Some(PendingExport {
        operation: PendingOperation::Delete { ownership, .. } | PendingOperation::Detach { ownership, .. },
        ..
    }) = &candidate.pending
    {
        return flow(mv, rule, in_scope, candidate, *ownership, Some(criterion.clone()), run);
    }
    let target_type = rule.target_type.clone().unwrap_or_else(|| candidate.object_type.clone());
    // Before anything else is asked: what a reanimated account lacks is no limitation of the target, and filled in again it ends.
    if criterion == Criterion::DeletedAnchor {
        let lacking = lacking(&compute_desired(&flowing(in_scope, &target_type), mv, true, run)?, rule);
        if !lacking.is_empty() {
            return Ok(held(vec![incomplete(candidate, &lacking)]));
        }
    }
    let limitations = limitation_holds(rule, mv.attributes, run)?;
    if !limitations.is_empty() {
        return Ok(held(limitations));
    }
    let desired = compute_desired(&flowing(in_scope, &target_type), mv, true, run)?;
    let (holds, asks) = takeover_holds(
        rule,
        &criterion,
        candidate,
        (mv.object, verdict),
        &Wanted { values: &desired.values, merged: &desired.merged },
        run,
    )?;
    if asks {
        facts_wanted.insert(candidate.id);
    }
    if !holds.is_empty() {
        return Ok(held(holds));
    }
    // S34: a rule that neither creates nor takes over only links, and lets go again without a trace.
    let only_links = rule.link != LinkType::Provision && rule.takeover.is_none();
    let ownership = if only_links { Ownership::Joined } else { Ownership::Adopted };
    flow(mv, rule, in_scope, candidate, ownership, Some(criterion.clone()), run)
}

/// SF9: a restore writes only from a whole object. What this one lacks, in the target's words.
fn lacking(desired: &Desired, rule: &Rule) -> Vec<AttributeName> {
    let lacks = |name: &AttributeName| desired.values.get(name).is_none_or(Values::is_empty);
    let sign_in = rule.takeover.as_ref().and_then(|takeover| takeover.sign_in_name.clone());
    sign_in.into_iter().chain([AttributeName::new("mail")]).filter(lacks).collect()
}

/// A tombstone that was brought back is little more than a name.
fn incomplete(candidate: &CsObject, lacking: &[AttributeName]) -> Hold {
    let names: Vec<&str> = lacking.iter().map(AttributeName::as_str).collect();
    let message = format!(
        "its object lies in the recycle bin, and the account came back without {}: nothing is restored from half an account",
        names.join(" and ")
    );
    let remedy = "fill that in again in the source directory, with all that was lost there, and enable the account; the object then \
                  comes back with it";
    hold("reanimated-incomplete", message, remedy, Some(candidate.id))
}

/// Export attribute flow to a target that exists.
fn flow(
    mv: &MvState<'_>,
    rule: &Rule,
    in_scope: &[&Rule],
    target: &CsObject,
    ownership: Ownership,
    matched_by: Option<Criterion>,
    run: &Run<'_>,
) -> Result<TargetPlan, Stop> {
    let is_restore = matched_by == Some(Criterion::DeletedAnchor)
        || matches!(&target.pending, Some(PendingExport { operation: PendingOperation::Restore { .. }, .. }));
    let target_type = if is_restore {
        rule.target_type.clone().unwrap_or_else(|| target.object_type.clone())
    } else {
        target.object_type.clone()
    };
    let mut desired = compute_desired(&flowing(in_scope, &target_type), mv, true, run)?;
    let keep_foreign = ownership != Ownership::Provisioned
        && rule.takeover.as_ref().is_none_or(|takeover| takeover.keep_foreign_members);
    desired.references.iter_mut().for_each(|reference| reference.keep_foreign = keep_foreign);
    let link = Some((rule.id.clone(), ownership));
    let mut plan = TargetPlan {
        target: Some(TargetRef::Existing(target.id)),
        link,
        matched_by,
        ..held(mv, &rule.connector, Vec::new())
    };
    if matches!(target.staged, Some(Staged::Deleted(_))) {
        // Gone in the target; its own synchronisation unlinks it and decides again.
        plan.memory = target.memory.clone();
        plan.owned = target.owned.clone();
        plan.contributed = target.contributed.clone();
        plan.pending = target.pending.clone();
        plan.counter = Some(OutboundCounter::ConnectorNoFlow);
        return Ok(plan);
    }
    // What was to leave and returns was ours before: no takeover, and no approval (SF18).
    let returns = matches!(
        &target.pending,
        Some(PendingExport { operation: PendingOperation::Delete { .. } | PendingOperation::Detach { .. }, .. })
    );
    let is_takeover =
        target.link.is_none() || target.link.as_ref().is_some_and(|link| link.ownership == Ownership::Joined);
    let standing = Standing {
        target,
        mv: mv.object,
        ownership,
        rule,
        is_takeover: is_takeover && !returns && ownership == Ownership::Adopted,
        is_restore,
    };
    let Difference { pending, memory, owned, contributed, holds } = difference(&standing, &desired, run);
    let flows = pending.is_some() && pending != target.pending;
    plan.counter = Some(if flows { OutboundCounter::ConnectorFlow } else { OutboundCounter::ConnectorNoFlow });
    plan.pending = pending;
    plan.memory = memory;
    plan.owned = owned;
    plan.contributed = contributed;
    plan.holds = holds;
    plan.references = desired.references;
    plan.decisions = desired.decisions;
    Ok(plan)
}

/// Creates an object in the target, or refreshes one that was not exported yet (S26, S29).
fn provision(
    mv: &MvState<'_>,
    rule: &Rule,
    in_scope: &[&Rule],
    unexported: Option<&CsObject>,
    reader: &mut Reader<'_>,
    run: &Run<'_>,
    facts_wanted: &mut BTreeSet<CsId>,
) -> Result<TargetPlan, Stop> {
    let mut holds = limitation_holds(rule, mv.attributes, run)?;
    let Some(target_type) = rule.target_type.clone() else {
        return Ok(held(mv, &rule.connector, holds));
    };
    if holds.is_empty() && !run.creatable(&rule.connector, target_type.as_str()) {
        let message = format!("objects of type `{target_type}` cannot be created in this mode");
        holds.push(hold(
            "limitation-not-creatable",
            message,
            "a named limitation of this mode; nothing is written for this object",
            None,
        ));
    }
    let mut dropped: Vec<CsId> = unexported.iter().map(|target| target.id).collect();
    let is_in_flight = unexported.is_some_and(CsObject::is_in_flight);
    if !holds.is_empty() {
        return Ok(TargetPlan { dropped, ..held(mv, &rule.connector, holds) });
    }
    let desired = compute_desired(&flowing(in_scope, &target_type), mv, false, run)?;
    if let Some(dn) = &desired.dn {
        let occupant = reader.occupant(&rule.connector, dn.normalised());
        Stop::if_missing(reader)?;
        if let Some(occupant) = occupant.flatten().filter(|id| unexported.is_none_or(|target| target.id != *id)) {
            let object = reader.connector(occupant);
            Stop::if_missing(reader)?;
            // An object whose deletion was imported has left its place, also while its own turn is still to come.
            let has_left = object.flatten().is_some_and(|object| matches!(object.staged, Some(Staged::Deleted(_))));
            if !has_left {
                let mut plan = match object.flatten() {
                    Some(object) => meet_occupant(mv, rule, in_scope, object, dn, run, facts_wanted)?,
                    None => held(mv, &rule.connector, vec![dn_occupied(dn, occupant)]),
                };
                plan.dropped.extend(dropped);
                return Ok(plan);
            }
        }
    }
    let (attributes, holds, owned) = addition(desired.values, &rule.connector, run);
    // The object may exist already and only not have told so: what an earlier attempt gave is answered for as well.
    let mut contributed = unexported.map(|target| target.contributed.clone()).unwrap_or_default();
    for attribute in desired.merged.keys() {
        let given = attributes.get(attribute.as_str()).into_iter().flatten().cloned();
        let before = contributed.remove(attribute).unwrap_or_default();
        let all: Values = before.into_iter().chain(given).collect();
        if !all.is_empty() {
            contributed.insert(attribute.clone(), all);
        }
    }
    let has_flow = !attributes.is_empty();
    let operation = PendingOperation::Add { attributes };
    // What nobody has sent can begin anew elsewhere. What may have arrived stays at the place where it may stand, and is renamed
    // when it is found.
    let stays = unexported.filter(|target| is_in_flight || target.dn == desired.dn);
    if stays.is_some() {
        dropped.clear();
    }
    let before = unexported.and_then(|target| target.pending.as_ref());
    let counter = match before {
        Some(before) if before.operation == operation && stays.is_some() => OutboundCounter::ConnectorNoFlow,
        Some(_) => OutboundCounter::ConnectorFlow,
        None if has_flow => OutboundCounter::ProvisionedAddFlow,
        None => OutboundCounter::ProvisionedAddNoFlow,
    };
    Ok(TargetPlan {
        target: Some(match stays {
            Some(target) => TargetRef::Existing(target.id),
            None => TargetRef::New { object_type: target_type, dn: desired.dn },
        }),
        link: Some((rule.id.clone(), Ownership::Provisioned)),
        pending: Some(carry(before.filter(|_| stays.is_some()), operation)),
        dropped,
        owned: OwnedNames::new(owned),
        contributed,
        references: desired.references,
        decisions: desired.decisions,
        counter: Some(counter),
        ..held(mv, &rule.connector, holds)
    })
}

/// S27: somebody stands where the new object was to stand. An object of the same type that belongs to nobody (a container that
/// rules are to provision among them) may be the one that was to be created: a match by place, which waits for `matching` and every hold of a takeover as any other match does. A
/// place that is somebody else's stays his.
fn meet_occupant(
    mv: &MvState<'_>,
    rule: &Rule,
    in_scope: &[&Rule],
    occupant: &CsObject,
    dn: &Dn,
    run: &Run<'_>,
    facts_wanted: &mut BTreeSet<CsId>,
) -> Result<TargetPlan, Stop> {
    if occupant.state == ConnectorState::ExplicitlyDisconnected {
        return Ok(held(mv, &rule.connector, vec![explicitly_disconnected(occupant, "place")]));
    }
    let is_free = occupant.link.is_none()
        && occupant.anchor.is_some()
        && rule.target_type.as_ref() == Some(&occupant.object_type)
        && occupant.state != ConnectorState::Placeholder
        && !matches!(occupant.staged, Some(Staged::Deleted(_)));
    if !is_free {
        return Ok(held(mv, &rule.connector, vec![dn_occupied(dn, occupant.id)]));
    }
    adopt(mv, rule, in_scope, occupant, Criterion::Place, run, facts_wanted)
}

fn dn_occupied(dn: &Dn, occupant: CsId) -> Hold {
    let message = format!("another object already stands at {dn}");
    hold(
        "dn-occupied",
        message,
        "rename it, disconnect it from whom it belongs to, or change the DN flow",
        Some(occupant),
    )
}

/// What is wanted of a target that an operator disconnected, or whose match he rejected: nothing any longer.
pub(crate) fn let_go(object: &CsObject, mv: MvRef, object_type: &ObjectType, run: &Run<'_>) -> Option<TargetPlan> {
    outbound_rules(object_type, run).any(|rule| rule.connector == object.connector).then(|| TargetPlan {
        target: Some(TargetRef::Existing(object.id)),
        counter: Some(OutboundCounter::ProvisionedDisconnect),
        ..nothing(mv, &object.connector)
    })
}

/// S39: whether the end of this link is to last until an operator says otherwise.
pub(crate) fn ends_explicitly(linked: &LinkedTarget<'_>, cause: DeleteCause, run: &Run<'_>) -> bool {
    departure_action(made_by(linked, run), linked.ownership, cause) == DeprovisionAction::ExplicitDisconnect
}

/// The outbound rule that made the link, if the files still have it.
fn made_by<'r>(linked: &LinkedTarget<'_>, run: &'r Run<'_>) -> Option<&'r Rule> {
    run.rules.rules.iter().find(|rule| rule.id == linked.rule && rule.direction == Direction::Outbound)
}

/// No rule provisions the target any longer: by ownership it is deleted, detached or only let go (S34-S38, SF4). While the
/// metaverse object lives the link stays until the delete was sent, so that a wrong filter can be mended without loss.
fn deprovision(mv: &MvState<'_>, linked: &LinkedTarget<'_>, run: &Run<'_>) -> Option<TargetPlan> {
    let target = linked.object;
    if (is_inbound(&linked.rule, run) || &*linked.rule == OPERATOR_LINK) && mv.deleted.is_none() {
        // It contributes to the metaverse, or an operator joined it, so it stays; only what was to be written back to it
        // is not sent any longer.
        let unsent = target.pending.as_ref().is_some_and(|pending| pending.state != SentState::InFlight);
        return unsent.then(|| TargetPlan {
            target: Some(TargetRef::Existing(target.id)),
            link: Some((linked.rule.clone(), linked.ownership)),
            memory: target.memory.clone(),
            owned: target.owned.clone(),
            contributed: target.contributed.clone(),
            counter: Some(OutboundCounter::ConnectorFlow),
            ..held(mv, &target.connector, Vec::new())
        });
    }
    let base = held(mv, &target.connector, Vec::new());
    let cause = mv.deleted.unwrap_or(mv.cause);
    let ownership = linked.ownership;
    let made_by = made_by(linked, run);
    let action = departure_action(made_by, ownership, cause);
    let is_restore = matches!(&target.pending, Some(PendingExport { operation: PendingOperation::Restore { .. }, .. }));
    let operation = match action {
        _ if is_restore || matches!(target.staged, Some(Staged::Deleted(_))) => None,
        DeprovisionAction::Delete => Some(PendingOperation::Delete { cause, ownership }),
        DeprovisionAction::Detach => Some(PendingOperation::Detach { cause, ownership }),
        DeprovisionAction::Disconnect | DeprovisionAction::ExplicitDisconnect | DeprovisionAction::Keep => None,
    };
    let in_flight = target.is_in_flight();
    if target.anchor.is_none() && (!in_flight || operation.is_none()) {
        // S38: never exported, or of no more interest whether it was: nothing is exported now.
        return Some(TargetPlan {
            dropped: vec![target.id],
            counter: Some(OutboundCounter::ProvisionedDisconnect),
            ..base
        });
    }
    let keeps_link = (operation.is_some() || action == DeprovisionAction::Keep) && mv.deleted.is_none();
    Some(TargetPlan {
        target: Some(TargetRef::Existing(target.id)),
        link: keeps_link.then(|| (linked.rule.clone(), ownership)),
        pending: operation.map(|operation| departure(target.pending.as_ref(), operation, made_by, run)),
        memory: with_unanswered_create(target),
        owned: target.owned.clone(),
        contributed: target.contributed.clone(),
        counter: Some(OutboundCounter::ProvisionedDisconnect),
        ..base
    })
}

/// O28: a create whose answer is not known counts as sent. By what it sent the object is looked up before it is removed.
fn with_unanswered_create(target: &CsObject) -> ExportMemory {
    let mut memory = target.memory.clone();
    if let Some(PendingExport { operation: PendingOperation::Add { attributes }, .. }) = &target.pending {
        let sent = attributes.iter().map(|(name, wanted)| {
            (name.clone(), Remembered { wanted: wanted.clone(), state: MemoryState::Unconfirmed })
        });
        memory.attributes.extend(sent);
    }
    memory
}
