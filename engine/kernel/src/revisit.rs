//! Whom a plan makes due beside its subject: objects that share a join key with what changed. Decides nothing about them.

use crate::decide::Change;
use crate::evaluate::{ConnectorInputs, MetaverseInputs};
use crate::inputs::Run;
use crate::keys::SourceKeys;
use crate::neighbourhood::{KeyHit, Reader};
use crate::plan::ObjectPlan;
use crate::search::metaverse_hits;
use crate::view::{CsObject, MvId, MvRef, MvValue};
use metaverse_schema::{AttributeName, ByName, MatchKey, ObjectType};
use std::collections::BTreeSet;
use std::rc::Rc;
use sync_rules::{ConnectorName, Direction, Expression, JoinClause, KeyId, Rule};

/// All join clauses of a rule.
fn clauses(rule: &Rule) -> impl Iterator<Item = &JoinClause> {
    rule.join.iter().flat_map(|group| &group.clauses)
}

/// The attributes of a metaverse object before and after a plan, its keys afterwards, and which values differ.
pub(crate) struct Values<'a> {
    pub(crate) before: &'a ByName<MvValue>,
    pub(crate) after: &'a ByName<MvValue>,
    pub(crate) keys_after: &'a SourceKeys,
    /// In order.
    pub(crate) changed: &'a [AttributeName],
}

impl Values<'_> {
    /// Whether an expression reads an attribute whose values differ.
    fn touch(&self, expression: &Expression) -> bool {
        expression.reads_any(|name| self.changed.binary_search(name).is_ok())
    }
}

/// Others that share a join key with the old or the new attributes may now match, or be ambiguous no longer.
pub(crate) fn revisit_by_source_keys(
    change: &Change,
    object_type: &ObjectType,
    values: &Values<'_>,
    plan: &mut ObjectPlan,
    reader: &mut Reader<'_>,
    run: &Run<'_>,
) {
    let Values { before, after, keys_after, .. } = *values;
    let keys_before = SourceKeys::default();
    let rules = run.rules.rules.iter().filter(|rule| {
        rule.direction == Direction::Outbound && rule.source_type.as_ref().is_none_or(|wanted| wanted == object_type)
    });
    for rule in rules {
        for clause in clauses(rule).filter(|clause| values.touch(&clause.source)) {
            let keys = |attributes: &ByName<_>, known: &SourceKeys| {
                if attributes.is_empty() {
                    // There is no object, and nothing has no key.
                    return Rc::default();
                }
                known.of(rule, clause, &MetaverseInputs::of(attributes, &rule.connector, run))
            };
            let (old, new) = (keys(before, &keys_before), keys(after, keys_after));
            let gone = old.iter().filter(|value| !new.contains(value));
            let added = new.iter().filter(|value| !old.contains(value));
            for value in gone.chain(added) {
                plan.revisit.extend(metaverse_hits(clause.source_key, value, reader));
            }
        }
    }
    if let MvRef::Existing(own) = change.object {
        plan.revisit.remove(&own);
    }
}

/// Source objects that found nobody when they were looked at may join this object by a key that it has from now on. An object
/// of an ambiguous or occupied join is in error, stays queued, and is not searched for here.
pub(crate) fn rejoin_by_new_keys(
    object_type: &ObjectType,
    values: &Values<'_>,
    plan: &mut ObjectPlan,
    reader: &mut Reader<'_>,
    run: &Run<'_>,
) {
    let rules = run.rules.rules.iter().filter(|rule| {
        rule.direction == Direction::Inbound && rule.target_type.as_ref().is_none_or(|wanted| wanted == object_type)
    });
    let Values { before, after, .. } = *values;
    // Several rules look for one key.
    let (keys_before, keys_after) = (SourceKeys::default(), SourceKeys::default());
    let metaverse: ConnectorName = "".into();
    for rule in rules {
        for clause in clauses(rule).filter(|clause| values.touch(&clause.target)) {
            let keys = |attributes, known: &SourceKeys| {
                known.values(&clause.target, clause.exact, &metaverse, &MetaverseInputs::of(attributes, "", run))
            };
            let known = if before.is_empty() { Rc::default() } else { keys(before, &keys_before) };
            for value in keys(after, &keys_after).iter().filter(|value| !known.contains(value)) {
                let hits = reader.key(clause.source_key, value).unwrap_or_default();
                plan.rejoin.extend(hits.iter().filter_map(|hit| match hit {
                    KeyHit::Connector(id) => Some(*id),
                    KeyHit::Metaverse(_) => None,
                }));
            }
        }
    }
}

/// The metaverse objects that look for a target object that appeared, changed or left: by a key that it has or had.
pub(crate) fn those_who_look_for(object: &CsObject, reader: &mut Reader<'_>, run: &Run<'_>) -> BTreeSet<MvId> {
    let mut found = BTreeSet::new();
    if object.staged.is_none() {
        return found;
    }
    let images = [object.synchronised.as_ref(), object.imported()];
    // Several rules look for one key. What it is found by does not depend on the rule: the object stands in one space.
    let known = [SourceKeys::default(), SourceKeys::default()];
    let mut looked_for: BTreeSet<(KeyId, MatchKey)> = BTreeSet::new();
    for rule in run
        .rules
        .rules
        .iter()
        .filter(|rule| rule.direction == Direction::Outbound && rule.connector == object.connector)
    {
        for clause in clauses(rule) {
            for (image, known) in images.into_iter().zip(&known) {
                let Some(image) = image else { continue };
                let inputs = ConnectorInputs::of(object, image, run);
                for value in known.values(&clause.target, clause.exact, &object.connector, &inputs).iter() {
                    if looked_for.insert((clause.source_key, value.clone())) {
                        found.extend(metaverse_hits(clause.source_key, value, reader));
                    }
                }
            }
        }
    }
    found
}

/// They may find something else now, unless the plan settles them itself.
pub(crate) fn revisit_by_target_keys(object: &CsObject, those: BTreeSet<MvId>, plan: &mut ObjectPlan) {
    if object.staged.is_none() {
        return;
    }
    plan.revisit.extend(those);
    let settled: Vec<MvId> = plan
        .metaverse
        .iter()
        .filter_map(|metaverse| match metaverse.object {
            MvRef::Existing(id) => Some(id),
            MvRef::New => None,
        })
        .collect();
    settled.iter().for_each(|id| {
        plan.revisit.remove(id);
    });
}
