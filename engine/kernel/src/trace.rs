//! Why an object is in the scope of a rule or not, and what its join rules look up: the same clauses, values and keys that
//! `decide` goes by, told one by one for `explain`. Decides nothing.

use crate::evaluate::{ConnectorInputs, values_of};
use crate::inputs::{Run, RunInputs};
use crate::keys::key_values;
use crate::neighbourhood::Question;
use crate::scope::clause_of_object_holds;
use crate::selection::decide_selection;
use crate::view::CsObject;
use metaverse_schema::{Attributes, Values};
use sync_rules::{Clause, Criterion, Direction, Inputs, Rule, RuleId};

/// An inbound rule of an object's connector and type.
#[derive(Debug, Clone)]
pub struct ScopeTrace {
    pub rule: RuleId,
    /// Of no rule where `[scope]` does not select the object, whatever its clauses say.
    pub in_scope: bool,
    /// Groups in the order of the rule; of which one must hold whole.
    pub groups: Vec<Vec<ClauseTrace>>,
}

#[derive(Debug, Clone)]
pub struct ClauseTrace {
    pub clause: Clause,
    /// What the object has; none for a clause about a membership.
    pub values: Values,
    pub holds: bool,
}

/// A join group of a rule in scope.
#[derive(Debug, Clone)]
pub struct JoinTrace {
    pub rule: RuleId,
    pub criterion: Criterion,
    pub lookups: Vec<Lookup>,
}

/// One clause of a join group: what is looked for, and where.
#[derive(Debug, Clone)]
pub struct Lookup {
    pub source: String,
    pub target: String,
    pub values: Values,
    /// One for each value: what carries it.
    pub questions: Vec<Question>,
}

/// The scopes of all inbound rules for an object with this image, in order of precedence.
pub fn trace_scopes(object: &CsObject, image: &Attributes, inputs: &RunInputs) -> Vec<ScopeTrace> {
    let run = Run::new(inputs);
    let reader = ConnectorInputs::of(object, image, &run);
    let trace = |clause: &Clause| ClauseTrace {
        values: reader.attribute(clause.attribute.as_str()).map(|values| values.into_owned()).unwrap_or_default(),
        holds: clause_of_object_holds(
            clause,
            reader.attribute(clause.attribute.as_str()).as_deref(),
            &|group: &str| object.member_of.contains(group),
        ),
        clause: clause.clone(),
    };
    let is_selected = decide_selection(object, &inputs.rules).is_selected();
    inbound_rules(object, inputs)
        .map(|rule| {
            let groups: Vec<Vec<ClauseTrace>> =
                rule.scope.iter().map(|group| group.iter().map(trace).collect()).collect();
            let in_scope = is_selected
                && (groups.is_empty() || groups.iter().any(|group| group.iter().all(|clause| clause.holds)));
            ScopeTrace { rule: rule.id.clone(), in_scope, groups }
        })
        .collect()
}

/// What the join rules in scope look up for an object with this image, in the order in which they are tried.
pub fn trace_joins(object: &CsObject, image: &Attributes, inputs: &RunInputs) -> Vec<JoinTrace> {
    let in_scope: Vec<RuleId> = trace_scopes(object, image, inputs)
        .into_iter()
        .filter(|scope| scope.in_scope)
        .map(|scope| scope.rule)
        .collect();
    let run = Run::new(inputs);
    let reader = ConnectorInputs::of(object, image, &run);
    let rules = inbound_rules(object, inputs).filter(|rule| in_scope.contains(&rule.id));
    let groups = rules.flat_map(|rule| rule.join.iter().map(move |group| (rule, group)));
    groups
        .map(|(rule, group)| JoinTrace {
            rule: rule.id.clone(),
            criterion: group.criterion.clone(),
            lookups: group
                .clauses
                .iter()
                .map(|clause| Lookup {
                    source: clause.source.text().to_owned(),
                    target: clause.target.text().to_owned(),
                    values: values_of(&clause.source, &reader).unwrap_or_default(),
                    questions: key_values(&clause.source, clause.exact, &reader)
                        .into_iter()
                        .map(|value| Question::Key(clause.target_key, value))
                        .collect(),
                })
                .collect(),
        })
        .collect()
}

fn inbound_rules<'r>(object: &CsObject, inputs: &'r RunInputs) -> impl Iterator<Item = &'r Rule> {
    let (connector, object_type) = (object.connector.clone(), object.object_type.clone());
    inputs.rules.rules.iter().filter(move |rule| {
        rule.direction == Direction::Inbound
            && rule.connector == connector
            && rule.source_type.as_ref().is_none_or(|wanted| *wanted == object_type)
    })
}
