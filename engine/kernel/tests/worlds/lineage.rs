//! What a metaverse object must be, computed a second time and in the plainest way: all flows in scope of all linked objects,
//! by precedence. And where every value comes from. Shares nothing with the kernel but the expression language.

use crate::world::World;
use metaverse_schema::{AttributeName, Attributes, ByName, Reference, Value, Values, match_key};
use std::borrow::Cow;
use std::collections::BTreeSet;
use sync_kernel::{
    AttributeDecision, CsId, CsObject, MetaverseChange, MvObject, MvValue, ObjectPlan, PendingOperation, Staged,
    TargetRef, rule_in_scope,
};
use sync_rules::{Direction, Flow, FlowSource, Inputs, MergeType, Outcome, Rule, RuleSet};

/// Reads an image as last synchronised, with what was exported and not seen again laid over it (S52).
struct Image<'a> {
    object: &'a CsObject,
    image: &'a Attributes,
}

impl Inputs for Image<'_> {
    fn attribute(&self, name: &str) -> Option<Cow<'_, Values>> {
        match self.object.memory.attributes.get(name) {
            Some(remembered) => Some(Cow::Borrowed(&remembered.wanted)).filter(|values| !values.is_empty()),
            None if name == "dn" => {
                let dn = self.object.dn.clone()?;
                Some(Cow::Owned(Values::single(Value::Reference(Reference::Dn(dn)))))
            }
            None => self.image.get(name).map(Cow::Borrowed),
        }
    }

    fn parameter(&self, _name: &str) -> Option<Value> {
        None
    }

    fn now(&self) -> i64 {
        0
    }
}

struct Metaverse<'a>(&'a ByName<MvValue>);

impl Inputs for Metaverse<'_> {
    fn attribute(&self, name: &str) -> Option<Cow<'_, Values>> {
        self.0.get(name).map(|value| Cow::Borrowed(&value.values))
    }

    fn parameter(&self, _name: &str) -> Option<Value> {
        None
    }

    fn now(&self) -> i64 {
        0
    }
}

fn outcome(source: &FlowSource, inputs: &dyn Inputs) -> Outcome {
    match source {
        FlowSource::Direct(attribute) => match inputs.attribute(attribute.as_str()) {
            Some(values) if !values.is_empty() => Outcome::Values(values.into_owned()),
            _ => Outcome::Null,
        },
        FlowSource::Constant(value) => Outcome::Values(Values::single(value.clone())),
        FlowSource::Expression(expression) => expression.evaluate(inputs).unwrap_or(Outcome::Null),
    }
}

fn is_reference(rules: &RuleSet, object_type: &str, attribute: &AttributeName) -> bool {
    rules
        .metaverse
        .attribute(object_type, attribute.as_str())
        .is_some_and(|definition| definition.kind == metaverse_schema::ValueKind::Reference)
}

/// One flow of one linked object, and what it gives by itself.
struct Given<'a> {
    contributor: CsId,
    rule: &'a Rule,
    flow: &'a Flow,
    outcome: Outcome,
    references: u64,
}

fn given<'a>(world: &'a World, object: &MvObject, attribute: &AttributeName) -> Vec<Given<'a>> {
    let mut all = Vec::new();
    for id in world.linked_to(object.id) {
        let contributor = &world.objects[&id];
        let Some(image) = &contributor.synchronised else { continue };
        let inputs = Image { object: contributor, image };
        let rules = world.run.rules.rules.iter().filter(|rule| {
            rule.direction == Direction::Inbound
                && rule.connector == contributor.connector
                && rule.source_type.as_ref().is_none_or(|wanted| *wanted == contributor.object_type)
                && rule.target_type.as_ref().is_none_or(|wanted| *wanted == object.object_type)
                && rule_in_scope(rule, |name| inputs.attribute(name), |_| false)
        });
        for rule in rules {
            for flow in rule.flows.iter().filter(|flow| flow.target == *attribute) {
                let references = match &flow.source {
                    FlowSource::Direct(source) => contributor.reference_counts.get(source).copied().unwrap_or(0),
                    _ => 0,
                };
                // A flow that applies once does not touch an object that is there.
                let outcome = if flow.once { Outcome::IgnoreThisFlow } else { outcome(&flow.source, &inputs) };
                all.push(Given { contributor: id, rule, flow, outcome, references });
            }
        }
    }
    all.sort_by_key(|given| (given.rule.precedence, given.contributor));
    all
}

/// Invariants 1 and 8: each value is what the flows in scope give, and its lineage names the flow that gives it. An attribute
/// that the first word of all leaves alone (IgnoreThisFlow, once) keeps what it has, and the lineage of that.
pub(crate) fn metaverse_follows_from_its_links(world: &World) {
    for object in world.metaverse.values() {
        let declared = &world.run.rules.metaverse.types[&object.object_type];
        for attribute in declared.keys() {
            let all = given(world, object, attribute);
            let actual = object.attributes.get(attribute);
            let what = || format!("{attribute} of {object:#?}");
            if is_reference(&world.run.rules, object.object_type.as_str(), attribute) {
                let winner = all.iter().find(|given| given.references > 0).or(all.first());
                let lineage = winner.map(|given| (given.contributor, &given.rule.id));
                assert_eq!(actual.map(|value| (value.contributor, &value.rule)), lineage, "{}", what());
                continue;
            }
            let giving: Vec<(&Given<'_>, &Values)> = all
                .iter()
                .take_while(|given| given.outcome != Outcome::AuthoritativeNull)
                .filter_map(|given| match &given.outcome {
                    Outcome::Values(values) => Some((given, values)),
                    _ => None,
                })
                .collect();
            let left_alone = giving.is_empty()
                && all.first().is_some_and(|given| given.outcome == Outcome::IgnoreThisFlow)
                && all.iter().all(|given| given.outcome != Outcome::AuthoritativeNull);
            if left_alone {
                continue;
            }
            let Some((winner, first)) = giving.first() else {
                assert_eq!(actual, None, "nobody gives {}", what());
                continue;
            };
            let lists = giving.iter().flat_map(|(_, values)| values.iter().cloned());
            let mut keys = BTreeSet::new();
            let wanted: Values = match winner.flow.merge {
                MergeType::Update => (*first).clone(),
                MergeType::Merge => lists.collect(),
                MergeType::MergeCaseInsensitive => lists.filter(|value| keys.insert(match_key(value))).collect(),
            };
            let wanted = MvValue { values: wanted, contributor: winner.contributor, rule: winner.rule.id.clone() };
            assert_eq!(actual, Some(&wanted), "{}", what());
        }
    }
}

/// Invariant 8 on the way out: every value of a pending export is what its decision says, the decision names the rule that
/// won, that rule is in scope and gives this value by itself, and every loser has a reason.
pub(crate) fn exported_values_have_lineage(world: &World, preview: &ObjectPlan) {
    for target in &preview.targets {
        if let Some(TargetRef::Existing(id)) = &target.target
            && matches!(world.objects.get(id).and_then(|object| object.staged.as_ref()), Some(Staged::Deleted(_)))
        {
            // Gone in its system: what is pending only waits for its own turn, and nothing is decided about it here.
            continue;
        }
        let metaverse = preview.metaverse.iter().find(|metaverse| metaverse.object == target.mv);
        let attributes = match (metaverse.map(|metaverse| &metaverse.change), target.mv) {
            (Some(MetaverseChange::Set { attributes, .. }), _) => attributes,
            (_, sync_kernel::MvRef::Existing(id)) => match world.metaverse.get(&id) {
                Some(object) => &object.attributes,
                None => continue,
            },
            _ => continue,
        };
        let sent: Vec<(&AttributeName, &Values)> = match target.pending.as_ref().map(|pending| &pending.operation) {
            Some(PendingOperation::Add { attributes }) => attributes.iter().collect(),
            Some(PendingOperation::Update { changes, afterwards, .. }) => [changes, afterwards]
                .into_iter()
                .flat_map(|delta| &delta.0)
                .filter_map(|(name, change)| match change {
                    metaverse_schema::AttributeChange::Replace(values) => Some((name, values)),
                    metaverse_schema::AttributeChange::Update { .. } => None,
                })
                .collect(),
            _ => continue,
        };
        for (attribute, values) in sent {
            let decision = target.decisions.iter().find(|decision| decision.attribute == *attribute);
            let Some(decision) = decision else { panic!("{attribute} is sent without a decision: {target:#?}") };
            assert_eq!(&decision.values, values, "{attribute} is sent as decided");
            explained(world, decision, &Metaverse(attributes));
        }
    }
}

fn explained(world: &World, decision: &AttributeDecision, inputs: &dyn Inputs) {
    assert!(decision.losers.iter().all(|loser| !loser.verdict.is_empty()));
    let Some(winner) = &decision.winner else {
        assert!(decision.values.is_empty(), "{decision:#?}");
        return;
    };
    let rule = world.run.rules.rules.iter().find(|rule| rule.id == winner.rule);
    let Some(rule) = rule else { panic!("an unknown rule won: {decision:#?}") };
    assert_eq!(rule.direction, Direction::Outbound);
    assert!(rule_in_scope(rule, |name| inputs.attribute(name), |_| false), "{decision:#?}");
    let gives = rule.flows.iter().any(|flow| {
        flow.target == decision.attribute && outcome(&flow.source, inputs) == Outcome::Values(winner.values.clone())
    });
    assert!(gives, "the winner does not give this value: {decision:#?}");
}
