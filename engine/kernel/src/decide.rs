//! Decides one object from end to end (S4): link, metaverse attributes, targets. Reads like the table of contents of a
//! synchronisation; its parts are in `join`, `inbound`, `life`, `outbound`, `search`, `desired` and `revisit`.

use crate::begun::Begun;
use crate::evaluate::ConnectorInputs;
use crate::inbound::{Contribution, compute_metaverse, inbound_scope};
use crate::index::{Index, differing};
use crate::inputs::{Run, RunInputs};
use crate::join::{JoinDecision, decide_join};
use crate::keys::SourceKeys;
use crate::life::{is_scripted_end, lives, nothing_is_left};
use crate::neighbourhood::{Neighbourhood, Question, Reader};
use crate::outbound::{LinkedTarget, MvState, TargetDecisions, decide_targets, ends_explicitly, let_go};
use crate::plan::{
    InboundCounter, LinkChange, LinkReason, MetaverseChange, MetaversePlan, ObjectError, ObjectPlan, ReadSet,
    RuleScope, Subject, TargetRef,
};
use crate::revisit::{Values, rejoin_by_new_keys, revisit_by_source_keys, revisit_by_target_keys, those_who_look_for};
use crate::selection::decide_selection;
use crate::view::{
    ConnectorState, CsId, CsObject, DeleteCause, Link, MvId, MvObject, MvRef, MvValue, OPERATOR_LINK, Ownership, Staged,
};
use metaverse_schema::{AttributeName, Attributes, ByName, ObjectType};
use std::collections::BTreeSet;
use sync_rules::{Direction, Rule, RuleId};

/// Passes of outbound and inbound processing over one object (S64).
const MAX_PASSES: usize = 10;

/// The neighbourhood is not closed yet: these questions must be answered first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undecided(pub BTreeSet<Question>);

/// Why a decision stops early.
#[derive(Debug)]
pub(crate) enum Stop {
    Missing,
    Error(ObjectError),
}

impl Stop {
    pub(crate) fn if_missing(reader: &Reader<'_>) -> Result<(), Stop> {
        if reader.missing.is_empty() { Ok(()) } else { Err(Stop::Missing) }
    }
}

impl From<ObjectError> for Stop {
    fn from(error: ObjectError) -> Self {
        Stop::Error(error)
    }
}

/// Decides a subject. `Err` names what must be known first; asking again with the answers added decides further. An error of
/// the object is a plan too: one that keeps everything as it is (R77, R78).
pub fn decide(subject: Subject, answers: &Neighbourhood, run: &RunInputs) -> Result<ObjectPlan, Undecided> {
    decide_further(subject, answers, run, &mut Begun::default())
}

/// The same, taking up what an earlier attempt at this subject left in `begun`: the plan is that of `decide`.
pub fn decide_further(
    subject: Subject,
    answers: &Neighbourhood,
    run: &RunInputs,
    begun: &mut Begun,
) -> Result<ObjectPlan, Undecided> {
    let run = Run::after(run, std::mem::take(begun));
    let decided = decide_in(subject, answers, &run);
    *begun = run.begun.into_inner();
    decided
}

fn decide_in(subject: Subject, answers: &Neighbourhood, run: &Run<'_>) -> Result<ObjectPlan, Undecided> {
    let mut reader = Reader::new(answers);
    let outcome = match subject {
        Subject::Connector(id) => decide_connector_object(id, &mut reader, run),
        Subject::Metaverse(id) => decide_metaverse_object(id, &mut reader, run),
    };
    let mut plan = match outcome {
        Ok(plan) => plan,
        Err(Stop::Missing) => return Err(Undecided(reader.missing)),
        Err(Stop::Error(error)) => failed(subject, error),
    };
    if !reader.missing.is_empty() {
        return Err(Undecided(reader.missing));
    }
    plan.reads = reader.into_read();
    Ok(plan)
}

fn empty(subject: Subject) -> ObjectPlan {
    ObjectPlan {
        subject,
        counter: None,
        promote: false,
        remove_subject: false,
        state: None,
        links: Vec::new(),
        metaverse: Vec::new(),
        targets: Vec::new(),
        error: None,
        scopes: Vec::new(),
        join: None,
        revisit: BTreeSet::new(),
        rejoin: BTreeSet::new(),
        facts_wanted: BTreeSet::new(),
        reads: ReadSet::default(),
    }
}

fn failed(subject: Subject, error: ObjectError) -> ObjectPlan {
    let counter = matches!(subject, Subject::Connector(_)).then_some(InboundCounter::FlowFailure);
    ObjectPlan { counter, error: Some(error), ..empty(subject) }
}

/// A metaverse object by itself: its links are what they are.
fn decide_metaverse_object(id: MvId, reader: &mut Reader<'_>, run: &Run<'_>) -> Result<ObjectPlan, Stop> {
    let mut plan = empty(Subject::Metaverse(id));
    let Some(object) = known(reader.metaverse(id))? else {
        return Ok(plan);
    };
    let cause = if run.rules_changed { DeleteCause::RuleChanged } else { DeleteCause::FilteredByRule };
    let change = Change {
        object: MvRef::Existing(id),
        object_type: object.object_type.clone(),
        lost: None,
        gained: None,
        cause,
    };
    settle_metaverse(change, &mut plan, reader, run)?;
    Ok(plan)
}

fn known<T>(answer: Option<T>) -> Result<T, Stop> {
    answer.ok_or(Stop::Missing)
}

/// A connector-space object with its pending import, if it has one.
fn decide_connector_object(id: CsId, reader: &mut Reader<'_>, run: &Run<'_>) -> Result<ObjectPlan, Stop> {
    let mut plan = empty(Subject::Connector(id));
    let Some(object) = known(reader.connector(id))? else {
        return Ok(plan);
    };
    if matches!(object.state, ConnectorState::Placeholder | ConnectorState::Container) {
        plan.promote = true;
        plan.remove_subject = matches!(object.staged, Some(Staged::Deleted(_)));
        return Ok(plan);
    }
    // Nothing is computed before this is known, as it would be computed again.
    let those = those_who_look_for(object, reader, run);
    Stop::if_missing(reader)?;
    match &object.staged {
        Some(Staged::Deleted(cause)) => decide_deleted(object, *cause, &mut plan, reader, run)?,
        Some(Staged::Image(image)) => decide_present(object, image, false, &mut plan, reader, run)?,
        Some(Staged::Replaced(image)) => decide_present(object, image, true, &mut plan, reader, run)?,
        None => {
            if let Some(image) = &object.synchronised {
                decide_present(object, image, false, &mut plan, reader, run)?;
            } else if let Some(link) = &object.link {
                // Provisioned and never imported: only its metaverse object can say anything new.
                let change = Change::of(link, None, None, standing_cause(run));
                settle_metaverse(change, &mut plan, reader, run)?;
                plan.counter = Some(InboundCounter::ConnectorNoFlow);
            } else {
                plan.counter = Some(InboundCounter::DisconnectorRemains);
            }
        }
    }
    revisit_by_target_keys(object, those, &mut plan);
    Ok(plan)
}

fn standing_cause(run: &Run<'_>) -> DeleteCause {
    if run.rules_changed { DeleteCause::RuleChanged } else { DeleteCause::FilteredByRule }
}

/// S33: an imported delete unlinks, recalls what the object contributed, and tests whether the metaverse object lives on.
fn decide_deleted(
    object: &CsObject,
    cause: DeleteCause,
    plan: &mut ObjectPlan,
    reader: &mut Reader<'_>,
    run: &Run<'_>,
) -> Result<(), Stop> {
    plan.promote = true;
    plan.remove_subject = true;
    plan.join = Some(LinkReason::Deleted);
    let Some(link) = &object.link else {
        plan.counter = Some(InboundCounter::DisconnectorRemains);
        return Ok(());
    };
    plan.links.push(LinkChange::cut(object.id));
    let removed = settle_metaverse(Change::of(link, Some(object.id), None, cause), plan, reader, run)?;
    plan.counter = Some(if removed.deleted {
        InboundCounter::ConnectorDeleteRemoveMv
    } else {
        InboundCounter::ConnectorDeleteLeaveMv
    });
    Ok(())
}

/// An object that is there: scope, link, flow.
fn decide_present(
    object: &CsObject,
    image: &Attributes,
    replaced: bool,
    plan: &mut ObjectPlan,
    reader: &mut Reader<'_>,
    run: &Run<'_>,
) -> Result<(), Stop> {
    plan.promote = true;
    let scope = inbound_scope(object, image, run);
    plan.scopes = scope.iter().map(|(_, rule, holds)| RuleScope { rule: rule.id.clone(), in_scope: *holds }).collect();
    let never = never_sync_reason(object, image, run);
    let selection = decide_selection(object, &run.rules);
    let in_scope: Vec<(usize, &Rule)> = match never {
        Some(_) => Vec::new(),
        None => scope.iter().filter(|(_, _, holds)| *holds).map(|(index, rule, _)| (*index, *rule)).collect(),
    };
    let kept = object
        .link
        .as_ref()
        .filter(|link| (!replaced || came_back(object, link, run)) && keeps_link(object, link, &in_scope, run))
        .filter(|_| object.state != ConnectorState::ExplicitlyConnected || never.is_none());
    if let Some(link) = kept {
        plan.join = Some(LinkReason::AlreadyLinked { rule: link.rule.clone() });
        plan.state = Some(object.state);
        let outcome = settle_metaverse(Change::of(link, None, None, standing_cause(run)), plan, reader, run)?;
        let is_cut = |change: &LinkChange| change.object == object.id && change.link.is_none() && !change.explicitly;
        if !outcome.deleted && plan.links.iter().any(is_cut) {
            // Its own outbound side let go of it: from now on it is like any other that nobody has, and is looked at as one.
            plan.state = Some(ConnectorState::Disconnected);
            plan.rejoin.insert(object.id);
        }
        plan.counter = Some(match outcome {
            Outcome { deleted: true, .. } => InboundCounter::ConnectorFlowRemoveMv,
            Outcome { changed: true, .. } => InboundCounter::ConnectorFlow,
            _ => InboundCounter::ConnectorNoFlow,
        });
        return Ok(());
    }
    let lost = object.link.as_ref();
    let choice = choose_link(object, image, never.as_deref(), &in_scope, lost, reader, run)?;
    let cause = match object.state {
        _ if never.is_some() => DeleteCause::NeverSync,
        ConnectorState::ExplicitlyDisconnected => DeleteCause::DisconnectedByOperator,
        // O33: a delete-add is a delete first; what is gone did not only leave scope.
        _ if replaced => DeleteCause::DeletedInSource,
        _ if !selection.is_selected() => DeleteCause::NotSelected,
        _ => standing_cause(run),
    };
    // As a connector's filter of old: nobody looks at it further.
    let not_selected = choice.reason == LinkReason::NoRule && !selection.is_selected();
    let filtered = never.is_some() || not_selected;
    (plan.join, plan.state) = match not_selected {
        true => (Some(LinkReason::NotSelected { reason: selection }), Some(ConnectorState::DisconnectedByFilter)),
        false => (Some(choice.reason), Some(choice.state)),
    };
    // The object it leaves, unless it joins the same one again by another rule.
    let mut left = None;
    if let Some(link) = lost {
        let rejoins = choice.joins.as_ref().is_some_and(|(mv, _, _)| *mv == MvRef::Existing(link.mv));
        if !rejoins {
            plan.links.push(LinkChange::cut(object.id));
            left = Some(settle_metaverse(Change::of(link, Some(object.id), None, cause), plan, reader, run)?);
        }
    }
    let Some((mv, rule, object_type)) = choice.joins else {
        plan.counter = Some(unlinked_counter(left.as_ref(), filtered, replaced));
        return Ok(());
    };
    let gained = Gained { object: object.id, rule: rule.clone() };
    plan.links.push(LinkChange::made(object.id, mv, rule, Ownership::Joined));
    let change = Change { object: mv, object_type, lost: None, gained: Some(gained), cause };
    let outcome = settle_metaverse(change, plan, reader, run)?;
    plan.counter = Some(if replaced && lost.is_some() {
        InboundCounter::ConnectorDeleteAddProcessed
    } else {
        linked_counter(mv, &outcome)
    });
    Ok(())
}

fn unlinked_counter(left: Option<&Outcome>, filtered: bool, replaced: bool) -> InboundCounter {
    match (left, filtered) {
        (None, true) => InboundCounter::DisconnectorFiltered,
        (None, false) => InboundCounter::DisconnectorRemains,
        (Some(_), _) if replaced => InboundCounter::ConnectorDeleteAddProcessed,
        (Some(outcome), _) if outcome.deleted => InboundCounter::ConnectorFilteredRemoveMv,
        (Some(_), _) => InboundCounter::ConnectorFilteredLeaveMv,
    }
}

fn linked_counter(mv: MvRef, outcome: &Outcome) -> InboundCounter {
    match (mv, outcome.deleted, outcome.changed) {
        (MvRef::New, true, _) => InboundCounter::DisconnectorProjectedRemoveMv,
        (MvRef::New, _, true) => InboundCounter::DisconnectorProjectedFlow,
        (MvRef::New, _, false) => InboundCounter::DisconnectorProjectedNoFlow,
        (MvRef::Existing(_), true, _) => InboundCounter::DisconnectorJoinedRemoveMv,
        (MvRef::Existing(_), _, true) => InboundCounter::DisconnectorJoinedFlow,
        (MvRef::Existing(_), _, false) => InboundCounter::DisconnectorJoinedNoFlow,
    }
}

/// SF20: the accounts the deployment signs in with, and members of never-sync groups.
pub(crate) fn never_sync_reason(object: &CsObject, image: &Attributes, run: &Run<'_>) -> Option<String> {
    if object.in_never_sync_group {
        return Some("it is a member of a never-sync group".into());
    }
    run.own_accounts
        .iter()
        .find(|(attribute, value, _)| image.get(attribute).is_some_and(|values| values.contains(value)))
        .map(|(_, _, name)| format!("it is {name}, an account that this deployment signs in with"))
}

/// S19: a link stays until the rule that made it leaves scope; a link made by an operator stays until it is undone, and one
/// made by an outbound rule is that direction's to end. What an operator disconnected is let go (O20).
fn keeps_link(object: &CsObject, link: &Link, in_scope: &[(usize, &Rule)], run: &Run<'_>) -> bool {
    if object.state == ConnectorState::ExplicitlyDisconnected {
        return false;
    }
    object.state == ConnectorState::ExplicitlyConnected
        || in_scope.iter().any(|(_, rule)| rule.id == link.rule)
        || run.rules.rules.iter().any(|rule| rule.id == link.rule && rule.direction == Direction::Outbound)
}

/// An object that its outbound rule brought back from the recycle bin returns as the rule's own type: the same object (SF9).
fn came_back(object: &CsObject, link: &Link, run: &Run<'_>) -> bool {
    run.rules.rules.iter().any(|rule| {
        rule.id == link.rule
            && rule.direction == Direction::Outbound
            && rule.target_type.as_ref() == Some(&object.object_type)
    })
}

struct Choice {
    joins: Option<(MvRef, RuleId, ObjectType)>,
    reason: LinkReason,
    state: ConnectorState,
}

fn choose_link(
    object: &CsObject,
    image: &Attributes,
    never: Option<&str>,
    in_scope: &[(usize, &Rule)],
    lost: Option<&Link>,
    reader: &mut Reader<'_>,
    run: &Run<'_>,
) -> Result<Choice, Stop> {
    let unlinked = |reason, state| Choice { joins: None, reason, state };
    if let Some(reason) = never {
        return Ok(unlinked(LinkReason::NeverSync { reason: reason.to_owned() }, ConnectorState::DisconnectedByFilter));
    }
    if object.state == ConnectorState::ExplicitlyDisconnected {
        return Ok(unlinked(LinkReason::ExplicitlyDisconnected, object.state));
    }
    let inputs = ConnectorInputs::of(object, image, run);
    let occupant = |reader: &mut Reader<'_>, mv: MvId| -> Result<Option<CsId>, Stop> {
        let Some(target) = known(reader.metaverse(mv))? else {
            return Ok(None);
        };
        target.links.iter().for_each(|link| {
            reader.connector(*link);
        });
        Stop::if_missing(reader)?;
        Ok(target.links.iter().copied().filter(|id| *id != object.id).find(|id| {
            reader.connector(*id).flatten().is_some_and(|linked| {
                linked.connector == object.connector && linked.link.as_ref().is_some_and(|link| link.mv == mv)
            })
        }))
    };
    let type_of = |rule: &Rule| rule.target_type.clone().unwrap_or_else(|| object.object_type.clone());
    let decision = decide_join(object.id, &inputs, in_scope, reader, occupant, run)?;
    let rule_at = |index: usize| &run.rules.rules[index];
    Ok(match decision {
        JoinDecision::Joined { rule, criterion, mv } => {
            let rule = rule_at(rule);
            let object_type =
                known(reader.metaverse(mv))?.map_or_else(|| type_of(rule), |target| target.object_type.clone());
            Choice {
                joins: Some((MvRef::Existing(mv), rule.id.clone(), object_type)),
                reason: LinkReason::Joined { rule: rule.id.clone(), criterion, mv },
                state: ConnectorState::Connected,
            }
        }
        JoinDecision::Project { rule } => {
            let rule = rule_at(rule);
            // An object whose joining rule left scope while another one projects keeps its metaverse object: the person is the same.
            // Whom an operator joined it to, and takes that back, is another person.
            let same = lost.filter(|link| &*link.rule != OPERATOR_LINK).map(|link| MvRef::Existing(link.mv));
            let object_type = type_of(rule);
            Choice {
                joins: Some((same.unwrap_or(MvRef::New), rule.id.clone(), object_type)),
                reason: LinkReason::Projected { rule: rule.id.clone() },
                state: ConnectorState::Connected,
            }
        }
        JoinDecision::Not(reason @ (LinkReason::Ambiguous { .. } | LinkReason::Occupied { .. })) => {
            return Err(Stop::Error(join_error(reason)));
        }
        JoinDecision::Not(reason) => unlinked(reason, ConnectorState::Disconnected),
    })
}

/// S18, S21: no guess between several, and no second object of one space on one metaverse object.
fn join_error(reason: LinkReason) -> ObjectError {
    let (message, rule) = match reason {
        LinkReason::Ambiguous { rule, criterion, candidates } => {
            let names = candidates.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            (format!("several metaverse objects match by {criterion}: {names}"), Some(rule))
        }
        LinkReason::Occupied { rule, mv, by } => {
            (format!("{mv} matches, but it already has {by} of the same connector space"), Some(rule))
        }
        _ => (String::new(), None),
    };
    ObjectError { code: "ambiguous-import-flow-from-multiple-connectors".into(), message, rule, attribute: None }
}

/// What happens to one metaverse object's links in this plan.
pub(crate) struct Change {
    pub(crate) object: MvRef,
    object_type: ObjectType,
    lost: Option<CsId>,
    gained: Option<Gained>,
    cause: DeleteCause,
}

#[derive(Clone)]
struct Gained {
    object: CsId,
    rule: RuleId,
}

impl Change {
    fn of(link: &Link, lost: Option<CsId>, gained: Option<Gained>, cause: DeleteCause) -> Self {
        // The type is the stored object's own; this one only serves an object that is not stored.
        Change { object: MvRef::Existing(link.mv), object_type: ObjectType::new(""), lost, gained, cause }
    }
}

#[derive(Debug, Default)]
struct Outcome {
    changed: bool,
    deleted: bool,
}

/// Computes a metaverse object and its targets until neither changes the other, and adds both to the plan.
fn settle_metaverse(
    change: Change,
    plan: &mut ObjectPlan,
    reader: &mut Reader<'_>,
    run: &Run<'_>,
) -> Result<Outcome, Stop> {
    // What was noted before belongs to another object.
    run.next_change.take();
    let previous: Option<&MvObject> = match change.object {
        MvRef::Existing(id) => known(reader.metaverse(id))?,
        MvRef::New => None,
    };
    let object_type = previous.map_or(&change.object_type, |object| &object.object_type).clone();
    let links: Vec<CsId> = previous.map(|object| object.links.clone()).unwrap_or_default();
    links.iter().chain(change.gained.as_ref().map(|gained| &gained.object)).for_each(|id| {
        reader.connector(*id);
    });
    Stop::if_missing(reader)?;
    let subject = match plan.subject {
        Subject::Connector(id) => Some(id),
        Subject::Metaverse(_) => None,
    };
    let mut linked: Vec<LinkedTarget<'_>> = Vec::new();
    let mut lost: Vec<&CsObject> = Vec::new();
    for id in links {
        let Some(Some(object)) = reader.connector(id) else {
            continue;
        };
        let is_cut = object.state == ConnectorState::ExplicitlyDisconnected;
        if is_cut && Some(id) != change.lost {
            plan.links.push(LinkChange { explicitly: true, ..LinkChange::cut(id) });
        }
        if is_cut || Some(id) == change.lost {
            lost.push(object);
        }
        if is_cut {
            plan.targets.extend(let_go(object, change.object, &object_type, run));
            continue;
        }
        if let Some(link) = object.link.as_ref().filter(|_| Some(id) != change.lost) {
            linked.push(LinkedTarget { object, rule: link.rule.clone(), ownership: link.ownership });
        }
    }
    if let Some(gained) = &change.gained
        && let Some(Some(object)) = reader.connector(gained.object)
    {
        linked.retain(|linked| linked.object.id != gained.object);
        linked.push(LinkedTarget { object, rule: gained.rule.clone(), ownership: Ownership::Joined });
    }

    // Inbound links as this plan found them; what outbound processing links is added for the next pass (S4.9).
    let base = linked;
    let mut adopted: Vec<LinkedTarget<'_>> = Vec::new();
    let mut ended = false;
    for _ in 0..MAX_PASSES {
        let all: Vec<LinkedTarget<'_>> = base.iter().chain(&adopted).cloned().collect();
        let contributions: Vec<Contribution<'_>> = all
            .iter()
            .filter_map(|linked| {
                let scopes = if Some(linked.object.id) == subject { plan.scopes.as_slice() } else { &[] };
                contributing_image(linked.object, subject, plan)
                    .map(|image| Contribution::new(linked.object, image, scopes, run))
            })
            .collect();
        let lives = !ended && lives(&object_type, &all, &contributions, &lost, run);
        let which = (change.object, &object_type);
        let resumed = run.begun.borrow_mut().resume(which, &contributions).filter(|_| lives);
        let (attributes, decisions) = match resumed {
            Some((computed, next_change)) => {
                next_change.into_iter().for_each(|instant| run.next_change.note(instant, run.now));
                computed
            }
            None if lives => compute_metaverse(&object_type, &contributions, previous, run)?,
            None => Default::default(),
        };
        let next_change = run.next_change.so_far();
        let alive = lives && !is_scripted_end(&object_type, &lost, &attributes, run)?;
        let (attributes, decisions) = if alive { (attributes, decisions) } else { Default::default() };
        let keys = SourceKeys::default();
        let state = MvState {
            object: change.object,
            object_type: &object_type,
            attributes: &attributes,
            index: &Index::of_metaverse(&attributes, &run.prepared.slots),
            keys: &keys,
            linked: base.clone(),
            deleted: (!alive).then_some(change.cause),
            cause: change.cause,
        };
        let targets = match decide_targets(&state, reader, run) {
            Err(Stop::Missing) => {
                // What is asked at the end can be asked by now: one round of questions less.
                let none = ByName::new();
                let before = previous.map_or(&none, |object| &object.attributes);
                let mut unused = empty(plan.subject);
                note_others(&change, &object_type, (before, &attributes, &keys), &mut unused, reader, run);
                if alive {
                    run.begun.borrow_mut().keep(which, &contributions, (attributes, decisions), next_change);
                }
                return Err(Stop::Missing);
            }
            outcome => outcome?,
        };
        let newly: Vec<LinkedTarget<'_>> = newly_linked(&targets, &base, reader);
        let ids = |links: &[LinkedTarget<'_>]| links.iter().map(|linked| linked.object.id).collect::<BTreeSet<_>>();
        if alive && ids(&newly) != ids(&adopted) {
            adopted = newly;
            continue;
        }
        if alive && nothing_is_left(&targets, &all) {
            // O15: provisioning ended the last link, and a rule that looks at links has nothing more to look at.
            ended = true;
            continue;
        }
        return finish_metaverse(
            change,
            object_type,
            previous,
            Settled { attributes, keys, decisions, alive, targets, base: &base },
            plan,
            reader,
            run,
        );
    }
    Err(Stop::Error(ObjectError {
        code: "extension-provisioning-call-limit-reached".into(),
        message: format!("inbound and outbound rules changed each other's result {MAX_PASSES} times"),
        rule: None,
        attribute: None,
    }))
}

/// The image an object contributes: the subject its new one, the others the one they were last synchronised with.
fn contributing_image<'a>(object: &'a CsObject, subject: Option<CsId>, plan: &ObjectPlan) -> Option<&'a Attributes> {
    if Some(object.id) == subject && plan.promote {
        return object.imported();
    }
    object.synchronised.as_ref()
}

/// Objects that outbound processing links in this plan: from the next pass on they contribute too.
fn newly_linked<'a>(
    targets: &TargetDecisions,
    base: &[LinkedTarget<'a>],
    reader: &mut Reader<'a>,
) -> Vec<LinkedTarget<'a>> {
    let mut newly = Vec::new();
    for target in &targets.targets {
        let (Some(TargetRef::Existing(id)), Some((rule, ownership))) = (&target.target, &target.link) else {
            continue;
        };
        if base.iter().any(|linked| linked.object.id == *id) {
            continue;
        }
        if let Some(Some(object)) = reader.connector(*id) {
            newly.push(LinkedTarget { object, rule: rule.clone(), ownership: *ownership });
        }
    }
    newly
}

struct Settled<'a> {
    attributes: ByName<MvValue>,
    /// Keys of `attributes`, as far as they were looked for.
    keys: SourceKeys,
    decisions: Vec<crate::plan::AttributeDecision>,
    alive: bool,
    targets: TargetDecisions,
    base: &'a [LinkedTarget<'a>],
}

fn finish_metaverse(
    change: Change,
    object_type: ObjectType,
    previous: Option<&MvObject>,
    settled: Settled<'_>,
    plan: &mut ObjectPlan,
    reader: &mut Reader<'_>,
    run: &Run<'_>,
) -> Result<Outcome, Stop> {
    let Settled { attributes, keys, decisions, alive, targets, base } = settled;
    let none = ByName::new();
    let before = previous.map_or(&none, |object| &object.attributes);
    let changed = note_others(&change, &object_type, (before, &attributes, &keys), plan, reader, run);
    let outcome = Outcome { changed: !changed.is_empty(), deleted: !alive };
    if !alive {
        // Every link of a deleted metaverse object ends (S34); what becomes of the targets stands in their plans.
        for linked in base {
            let replaced = plan.links.iter().any(|change| change.object == linked.object.id);
            let gained = change.gained.as_ref().is_some_and(|gained| gained.object == linked.object.id);
            if gained {
                plan.links.retain(|link| link.object != linked.object.id);
            }
            if !replaced || gained {
                let explicitly = ends_explicitly(linked, change.cause, run);
                plan.links.push(LinkChange { explicitly, ..LinkChange::cut(linked.object.id) });
            }
        }
    }
    let is_new = change.object == MvRef::New;
    let metaverse = match (alive, is_new) {
        (false, true) => None,
        (false, false) => Some(MetaverseChange::Delete { cause: change.cause }),
        (true, _) if !is_new && *before == attributes => Some(MetaverseChange::Unchanged),
        (true, _) => Some(MetaverseChange::Set { attributes, changed }),
    };
    if let Some(metaverse) = metaverse {
        let due = run.next_change.take().filter(|_| alive);
        plan.metaverse.push(MetaversePlan { object: change.object, object_type, change: metaverse, decisions, due });
    }
    plan.facts_wanted.extend(targets.facts_wanted);
    for target in targets.targets {
        record_link(&target.target, &target.link, &change, plan, base, reader, run);
        for dropped in &target.dropped {
            plan.links.push(LinkChange::cut(*dropped));
        }
        if !is_new || alive {
            plan.targets.push(target);
        }
    }
    Ok(outcome)
}

/// Notes in the plan whom the change of a metaverse object makes due. Returns the attributes whose values differ.
fn note_others(
    change: &Change,
    object_type: &ObjectType,
    (before, after, keys_after): (&ByName<MvValue>, &ByName<MvValue>, &SourceKeys),
    plan: &mut ObjectPlan,
    reader: &mut Reader<'_>,
    run: &Run<'_>,
) -> Vec<AttributeName> {
    let changed = differing(before, after);
    let values = Values { before, after, keys_after, changed: &changed };
    revisit_by_source_keys(change, object_type, &values, plan, reader, run);
    rejoin_by_new_keys(object_type, &values, plan, reader, run);
    changed
}

/// A link that outbound processing made, changed or ended.
fn record_link(
    target: &Option<TargetRef>,
    link: &Option<(RuleId, Ownership)>,
    change: &Change,
    plan: &mut ObjectPlan,
    base: &[LinkedTarget<'_>],
    reader: &mut Reader<'_>,
    run: &Run<'_>,
) {
    let Some(TargetRef::Existing(id)) = target else { return };
    let before = reader.connector(*id).flatten().and_then(|object| object.link.as_ref());
    let same = match (before, link) {
        (None, None) => true,
        (Some(before), Some((rule, ownership))) => {
            MvRef::Existing(before.mv) == change.object && before.rule == *rule && before.ownership == *ownership
        }
        _ => false,
    };
    // What is not among the links that this plan keeps was ended by whoever took it out.
    if same || (link.is_none() && !base.iter().any(|linked| linked.object.id == *id)) {
        return;
    }
    plan.links.retain(|known| known.object != *id);
    plan.links.push(match link {
        Some((rule, ownership)) => LinkChange::made(*id, change.object, rule.clone(), *ownership),
        None => {
            let explicitly =
                base.iter().any(|linked| linked.object.id == *id && ends_explicitly(linked, change.cause, run));
            LinkChange { explicitly, ..LinkChange::cut(*id) }
        }
    });
}
