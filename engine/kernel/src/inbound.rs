//! Import attribute flow: a metaverse object's attributes as a pure function of the images linked to it (S40-S57).
//! Never edits a present value; it is computed anew each time, and the winner of precedence follows (S42).

use crate::evaluate::{ConnectorInputs, flow_outcome, prepared_outcome};
use crate::inputs::Run;
use crate::plan::{AttributeDecision, Candidate, ObjectError, RuleScope};
use crate::planted::{Fault, is_planted};
use crate::prepared::{PreparedFlow, RuleGroup};
use crate::scope::rule_in_scope;
use crate::selection::decide_selection;
use crate::view::{CsId, CsObject, MvObject, MvValue};
use metaverse_schema::{AttributeName, Attributes, ByName, ObjectType, Plurality, Value, ValueKind, Values, match_key};
use std::collections::BTreeSet;
use sync_rules::{Direction, Flow, FlowSource, Inputs, KeySpace, LinkType, MergeType, Outcome, Rule};

/// One linked object and the inbound rules it is in scope of.
pub(crate) struct Contribution<'a> {
    pub(crate) object: &'a CsObject,
    pub(crate) inputs: ConnectorInputs<'a>,
    pub(crate) rules: Vec<&'a Rule>,
    /// Of all rules for such objects, and by their position in it: which are in scope.
    group: Option<&'a RuleGroup>,
    in_scope: Vec<bool>,
}

/// The inbound rules of an object's connector and type, with whether each is in scope: none of an object that `[scope]` does
/// not select.
pub(crate) fn inbound_scope<'r>(
    object: &CsObject,
    image: &Attributes,
    run: &'r Run<'_>,
) -> Vec<(usize, &'r Rule, bool)> {
    let reader = ConnectorInputs::of(object, image, run);
    scope_by(object, &reader, run)
}

fn scope_by<'r>(object: &CsObject, reader: &ConnectorInputs<'_>, run: &'r Run<'_>) -> Vec<(usize, &'r Rule, bool)> {
    let members = inbound_group(object, run).map(|group| group.members.as_slice()).unwrap_or_default();
    let is_selected = decide_selection(object, &run.rules).is_selected();
    let judged = members.iter().map(|index| (*index, &run.rules.rules[*index])).map(|(index, rule)| {
        let is_member = |group: &str| object.member_of.contains(group);
        (index, rule, is_selected && rule_in_scope(rule, |name| reader.attribute(name), is_member))
    });
    judged.collect()
}

fn inbound_group<'r>(object: &CsObject, run: &'r Run<'_>) -> Option<&'r RuleGroup> {
    run.prepared.group(Direction::Inbound, &object.connector, &object.object_type)
}

impl<'a> Contribution<'a> {
    /// `scopes`: what is known of the scope for this very image; none is judged here.
    pub(crate) fn new(object: &'a CsObject, image: &'a Attributes, scopes: &[RuleScope], run: &'a Run<'_>) -> Self {
        let group = inbound_group(object, run);
        let inputs = match group {
            Some(_) => ConnectorInputs::indexed(object, image, run),
            None => ConnectorInputs::of(object, image, run),
        };
        let in_scope: Vec<bool> = match scopes {
            [] => scope_by(object, &inputs, run).iter().map(|(_, _, holds)| *holds).collect(),
            known => known.iter().map(|scope| scope.in_scope).collect(),
        };
        let members = group.map(|group| group.members.as_slice()).unwrap_or_default();
        let held = members.iter().zip(&in_scope).filter(|(_, holds)| **holds);
        let rules = held.map(|(position, _)| &run.rules.rules[*position]).collect();
        Contribution { object, inputs, rules, group, in_scope }
    }

    /// By the inbound rules of its connector and type: which are in scope.
    pub(crate) fn scope(&self) -> &[bool] {
        &self.in_scope
    }

    /// S31: whether this link keeps the metaverse object alive: the rule that made it is in scope and provisions or sticks.
    pub(crate) fn keeps_alive(&self, link_rule: &str) -> bool {
        self.rules
            .iter()
            .any(|rule| &*rule.id == link_rule && matches!(rule.link, LinkType::Provision | LinkType::StickyJoin))
    }
}

/// The attributes and, where traced, how each came to be.
pub(crate) type Computed = (ByName<MvValue>, Vec<AttributeDecision>);

/// Computes all attributes of a metaverse object from its contributions. `previous` serves `IgnoreThisFlow` alone.
pub(crate) fn compute_metaverse(
    object_type: &ObjectType,
    contributions: &[Contribution<'_>],
    previous: Option<&MvObject>,
    run: &Run<'_>,
) -> Result<Computed, ObjectError> {
    let mut remaining = remaining_flows(object_type, contributions, run);
    let has_flow = |name: &AttributeName| remaining.iter().any(|flows| flows.reach(name, run));
    let mut attributes: Vec<(AttributeName, MvValue)> = previous
        .into_iter()
        .filter(|_| !run.rules.without_recall.is_empty() || is_planted(Fault::ForgetRecall))
        .flat_map(|object| &object.attributes)
        .filter(|(name, value)| !has_flow(name) && stays_without_recall(object_type, name, value, contributions, run))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let references = run.prepared.references(object_type);
    let mut decisions = Vec::new();
    // Nothing is recorded and nothing stays, so what nobody gives needs no word.
    let passes_over = !run.trace && run.rules.without_recall.is_empty();
    let mut flows = Vec::new();
    while next_target(&mut remaining, &mut flows, run) {
        let flows = flows.as_slice();
        let Some(Contender { flow: Flow { target, .. }, prepared, .. }) = flows.first() else { continue };
        let (value, decision) = if references.is_some_and(|references| references.has_target(prepared)) {
            resolve_reference(target, flows, run.trace)
        } else if passes_over && nobody_gives(flows) {
            continue;
        } else {
            let present = previous
                .filter(|_| !run.rules.without_recall.is_empty())
                .and_then(|object| object.attributes.get(target.as_str()));
            let kept = present.filter(|value| stays_without_recall(object_type, target, value, contributions, run));
            resolve(object_type, target, flows, previous, kept, run)?
        };
        attributes.extend(value.map(|value| (target.clone(), value)));
        decisions.extend(decision.map(|record| *record));
    }
    let attributes = attributes.into_iter().collect();
    Ok((attributes, decisions))
}

/// A flow of a rule that the object is in scope of.
struct Contender<'a> {
    contribution: &'a Contribution<'a>,
    rule: &'a Rule,
    flow: &'a Flow,
    prepared: &'a PreparedFlow,
}

impl Contender<'_> {
    fn gives_nothing(&self) -> bool {
        self.contribution.inputs.index.as_ref().is_some_and(|index| index.gives_nothing(self.prepared))
    }

    fn outcome(&self) -> Result<Outcome, ObjectError> {
        let Contender { contribution: Contribution { inputs, .. }, rule, flow, prepared } = self;
        match &inputs.index {
            Some(index) => prepared_outcome(prepared, (rule, flow), index, inputs),
            None => flow_outcome(&flow.source, inputs, &rule.id, flow.target.as_str()),
        }
    }
}

/// The flows of one contribution that were not weighed yet, by target.
struct Remaining<'a> {
    contribution: &'a Contribution<'a>,
    flows: &'a [PreparedFlow],
    /// By member of the group: whether its flows go to this type of object.
    flowing: Vec<bool>,
}

impl Remaining<'_> {
    fn reach(&self, target: &AttributeName, run: &Run<'_>) -> bool {
        self.flows.iter().any(|flow| self.flowing[flow.member] && flow.of(&run.rules).1.target == *target)
    }
}

fn remaining_flows<'a>(
    object_type: &ObjectType,
    contributions: &'a [Contribution<'a>],
    run: &'a Run<'_>,
) -> Vec<Remaining<'a>> {
    let of = |contribution: &'a Contribution<'a>| {
        let group = contribution.group?;
        let flows_here = |(member, holds): (&usize, &bool)| {
            let target_type = &run.rules.rules[*member].target_type;
            *holds && target_type.as_ref().is_none_or(|wanted| wanted == object_type)
        };
        let flowing: Vec<bool> = group.members.iter().zip(&contribution.in_scope).map(flows_here).collect();
        flowing.contains(&true).then_some(Remaining { contribution, flows: &group.flows, flowing })
    };
    contributions.iter().filter_map(of).collect()
}

/// Takes the flows of the next attribute: one forest's rules stand before another's by precedence; two objects under one rule by
/// their number. False: there is none left.
fn next_target<'a>(remaining: &mut [Remaining<'a>], flows: &mut Vec<Contender<'a>>, run: &'a Run<'_>) -> bool {
    flows.clear();
    while flows.is_empty() {
        let Some(rank) = remaining.iter().filter_map(|from| from.flows.first()).map(|flow| flow.rank).min() else {
            return false;
        };
        for Remaining { contribution, flows: left, flowing } in remaining.iter_mut() {
            while let Some((prepared, others)) = left.split_first().filter(|(flow, _)| flow.rank == rank) {
                *left = others;
                if flowing[prepared.member] {
                    let (rule, flow) = prepared.of(&run.rules);
                    flows.push(Contender { contribution, rule, flow, prepared });
                }
            }
        }
    }
    if flows.len() > 1 && remaining.len() > 1 {
        flows.sort_by_key(|contender| (contender.rule.precedence, contender.contribution.object.id));
    }
    true
}

/// Whether no flow gives a value, and none says more than that.
fn nobody_gives(flows: &[Contender<'_>]) -> bool {
    let merge = flows.first().map(|contender| contender.flow.merge);
    let says_nothing = |contender: &Contender<'_>| {
        Some(contender.flow.merge) == merge && !contender.flow.once && contender.gives_nothing()
    };
    flows.iter().all(says_nothing)
}

/// S50: values of a connector without recall stay when their contributor is no longer linked or its rule has left scope. Rows of a
/// reference attribute are those of their contributor and go with it.
fn stays_without_recall(
    object_type: &ObjectType,
    name: &AttributeName,
    value: &MvValue,
    contributions: &[Contribution<'_>],
    run: &Run<'_>,
) -> bool {
    let contributes = || {
        contributions.iter().any(|contribution| {
            contribution.object.id == value.contributor && contribution.rules.iter().any(|rule| rule.id == value.rule)
        })
    };
    let is_kept = || {
        run.rules.rules.iter().any(|rule| rule.id == value.rule && run.rules.without_recall.contains(&rule.connector))
    };
    let attribute = || run.rules.metaverse.attribute(object_type.as_str(), name.as_str());
    let forgotten = is_planted(Fault::ForgetRecall);
    (!run.rules.without_recall.is_empty() || forgotten)
        && attribute().is_some_and(|attribute| attribute.kind != ValueKind::Reference)
        && (is_kept() || forgotten)
        && !contributes()
}

/// The record of a decision, where traced. Boxed, because it is large and most decisions have none.
pub(crate) type Record = Option<Box<AttributeDecision>>;

type Resolved = (Option<MvValue>, Record);

/// The first contributor that has any value wins all rows; without one, the first keeps the attribute, so that an emptied
/// group is seen as emptied. Rows are compared one by one at the end of the step.
fn resolve_reference(target: &AttributeName, flows: &[Contender<'_>], trace: bool) -> Resolved {
    let count = |contender: &Contender<'_>| match &contender.flow.source {
        FlowSource::Direct(source) => {
            contender.contribution.object.reference_counts.get(source.as_str()).copied().unwrap_or(0)
        }
        _ => 0,
    };
    let winner = flows.iter().position(|flow| count(flow) > 0).unwrap_or(0);
    let Some(Contender { contribution, rule, .. }) = flows.get(winner) else {
        return (None, None);
    };
    let value = MvValue { values: Values::default(), contributor: contribution.object.id, rule: rule.id.clone() };
    let decision = trace.then(|| {
        let candidate = |position: usize| {
            let Contender { contribution, rule, .. } = &flows[position];
            let rows = count(&flows[position]);
            let verdict = if position == winner {
                format!("won with {rows} references")
            } else {
                format!("lower precedence, {rows} references")
            };
            Candidate {
                rule: rule.id.clone(),
                precedence: rule.precedence,
                contributor: Some(contribution.object.id),
                values: Values::default(),
                verdict,
            }
        };
        Box::new(AttributeDecision {
            attribute: target.clone(),
            values: Values::default(),
            winner: Some(candidate(winner)),
            losers: (0..flows.len()).filter(|position| *position != winner).map(candidate).collect(),
        })
    });
    (Some(value), decision)
}

/// O9: text that an index holds is limited to so many UTF-16 units.
const INDEXED_LENGTH: usize = 448;

/// O10: the metaverse attribute must be able to hold the values.
fn check_constraints(
    object_type: &ObjectType,
    target: &AttributeName,
    values: &Values,
    rule: &Rule,
    run: &Run<'_>,
) -> Result<(), ObjectError> {
    let error = |code: &str, message: String| {
        Err(ObjectError {
            code: code.into(),
            message,
            rule: Some(rule.id.clone()),
            attribute: Some(target.to_string()),
        })
    };
    let attribute = || run.rules.metaverse.attribute(object_type.as_str(), target.as_str());
    if values.len() > 1 && attribute().is_some_and(|attribute| attribute.plurality == Plurality::Single) {
        let message = format!("`{target}` holds one value, and the flow gives {}", values.len());
        return error("flow-multi-values-to-single-value", message);
    }
    // No text has more UTF-16 units than bytes.
    let long = values.iter().filter_map(Value::as_text).filter(|text| text.len() > INDEXED_LENGTH);
    let longest = long.map(|text| text.encode_utf16().count()).max().unwrap_or(0);
    let is_indexed = || {
        run.rules.keys.iter().any(|key| {
            key.space == KeySpace::Metaverse
                && key.object_type.as_ref().is_none_or(|wanted| wanted == object_type)
                && key.expression.attributes().contains(target)
        })
    };
    if longest > INDEXED_LENGTH && is_indexed() {
        let message = format!(
            "`{target}` is a join key and holds at most {INDEXED_LENGTH} characters, and a value has {longest}"
        );
        return error("mv-constraint-violation", message);
    }
    Ok(())
}

fn resolve(
    object_type: &ObjectType,
    target: &AttributeName,
    flows: &[Contender<'_>],
    previous: Option<&MvObject>,
    without_recall: Option<&MvValue>,
    run: &Run<'_>,
) -> Result<Resolved, ObjectError> {
    let merge = flows.first().map_or(MergeType::Update, |contender| contender.flow.merge);
    if flows.iter().any(|contender| contender.flow.merge != merge) {
        return Err(ObjectError {
            code: "ambiguous-merge-type".into(),
            message: format!("the rules in scope set `{target}` with different merge types (S55)"),
            rule: flows.first().map(|contender| contender.rule.id.clone()),
            attribute: Some(target.to_string()),
        });
    }
    let gained = |contender: &Contender<'_>, values: Values| {
        let Contender { contribution, rule, .. } = contender;
        check_constraints(object_type, target, &values, rule, run)?;
        Ok(MvValue { values, contributor: contribution.object.id, rule: rule.id.clone() })
    };
    let first_takes_all = merge == MergeType::Update && !run.trace;
    let mut weighed = Weighed::new(merge, run.trace);
    for contender in flows {
        let Contender { contribution, rule, flow, .. } = contender;
        if weighed.is_settled() && !run.trace {
            break;
        }
        if flow.once && previous.is_some() {
            weighed.pass_once(rule, Some(contribution.object.id));
            continue;
        }
        let outcome = contender.outcome();
        // A loser is only evaluated to be shown; its error is no error of the object.
        let outcome = if weighed.is_settled() { outcome.unwrap_or(Outcome::Null) } else { outcome? };
        match outcome {
            Outcome::Values(values) if first_takes_all => return Ok((Some(gained(contender, values)?), None)),
            outcome => weighed.weigh(rule, Some(contribution.object.id), outcome),
        }
    }
    // S46 against S50: a value that nobody touches stays as long as the flow it came from is in scope; then it is recalled.
    let present = previous.filter(|_| weighed.leaves_alone());
    let kept = present.and_then(|object| object.attributes.get(target.as_str())).filter(|value| {
        without_recall.is_some()
            || flows.iter().any(|contender| {
                contender.contribution.object.id == value.contributor && contender.rule.id == value.rule
            })
    });
    // An authoritative null empties the attribute whoever filled it.
    let fallback = without_recall.filter(|_| !weighed.authoritative);
    let (values, winner, decision) = weighed.settle(target, kept.map(|value| &value.values));
    if values.is_empty() {
        let decision = decision.map(|decision| match fallback {
            Some(value) => Box::new(AttributeDecision { values: value.values.clone(), ..*decision }),
            None => decision,
        });
        return Ok((fallback.cloned(), decision));
    }
    let value = match winner {
        Some(position) => Some(gained(&flows[position], values)?),
        None => kept.cloned(),
    };
    Ok((value, decision))
}

/// Weighs candidates in order of precedence: what wins, and what is left alone (S43-S47, S54-S56).
pub(crate) struct Weighed {
    merge: MergeType,
    /// How many were weighed.
    weighed: usize,
    winner: Option<(usize, Values)>,
    /// What merges with the winner's.
    further: Vec<Values>,
    authoritative: bool,
    first_is_ignore: Option<bool>,
    /// A flow that applies once had its turn when the object was created.
    applied_once: bool,
    /// None: nobody wants to know how it came about.
    seen: Option<Vec<Candidate>>,
}

impl Weighed {
    pub(crate) fn new(merge: MergeType, trace: bool) -> Self {
        Weighed {
            merge,
            weighed: 0,
            winner: None,
            further: Vec::new(),
            authoritative: false,
            first_is_ignore: None,
            applied_once: false,
            seen: trace.then(Vec::new),
        }
    }

    /// No later candidate can change the outcome.
    pub(crate) fn is_settled(&self) -> bool {
        self.authoritative || (self.winner.is_some() && self.merge == MergeType::Update)
    }

    pub(crate) fn weigh(&mut self, rule: &Rule, contributor: Option<CsId>, outcome: Outcome) {
        let position = self.weighed;
        self.weighed += 1;
        let settled = self.is_settled();
        let verdict = match &outcome {
            Outcome::Values(_) if settled => "lower precedence",
            Outcome::Values(_) if self.winner.is_some() => "merged",
            Outcome::Values(_) => "won",
            Outcome::Null => "no value",
            Outcome::AuthoritativeNull => "authoritative null",
            Outcome::IgnoreThisFlow => "ignored",
        };
        self.authoritative |= outcome == Outcome::AuthoritativeNull && !settled;
        // Counts only where nobody gives a value.
        self.first_is_ignore.get_or_insert(verdict == "ignored");
        let values = if let Outcome::Values(values) = outcome { values } else { Values::default() };
        if let Some(seen) = &mut self.seen {
            seen.push(Candidate {
                rule: rule.id.clone(),
                precedence: rule.precedence,
                contributor,
                values: values.clone(),
                verdict: verdict.to_owned(),
            });
        }
        match verdict {
            "won" => self.winner = Some((position, values)),
            "merged" => self.further.push(values),
            _ => {}
        }
    }

    /// S53: the object exists, so the flow says nothing any more; what it once gave is not cleared by rules that give nothing.
    pub(crate) fn pass_once(&mut self, rule: &Rule, contributor: Option<CsId>) {
        self.applied_once = true;
        self.weigh(rule, contributor, Outcome::IgnoreThisFlow);
    }

    /// Whether the target keeps what it has: nobody gave a value, and the first word was `IgnoreThisFlow` (S46, S47) or a value
    /// was given once (S53). An `IgnoreThisFlow` behind a NULL changes nothing: the better rule has said that there is no value.
    pub(crate) fn leaves_alone(&self) -> bool {
        self.winner.is_none() && !self.authoritative && (self.first_is_ignore == Some(true) || self.applied_once)
    }

    /// The values, the winner's position, and, where traced, the record of it all.
    pub(crate) fn settle(self, target: &AttributeName, present: Option<&Values>) -> (Values, Option<usize>, Record) {
        let leaves_alone = self.leaves_alone();
        let position = self.winner.as_ref().map(|(position, _)| *position);
        let merged = |values| std::iter::once(values).chain(self.further);
        let values = match (self.winner, self.merge) {
            (Some((_, values)), MergeType::Update) => values,
            (Some((_, values)), MergeType::Merge) => merged(values).flatten().collect(),
            (Some((_, values)), MergeType::MergeCaseInsensitive) => merge_ignoring_case(merged(values)),
            (None, _) if leaves_alone => present.cloned().unwrap_or_default(),
            (None, _) => Values::default(),
        };
        let decision = self.seen.map(|mut seen| {
            let winner = position.map(|position| seen.remove(position));
            Box::new(AttributeDecision { attribute: target.clone(), values: values.clone(), winner, losers: seen })
        });
        (values, position, decision)
    }
}

/// The union in which no two values differ by case alone; the spelling of the best precedence survives (S56).
fn merge_ignoring_case(contributions: impl Iterator<Item = Values>) -> Values {
    let mut keys = BTreeSet::new();
    contributions.flatten().filter(|value| keys.insert(match_key(value))).collect()
}
