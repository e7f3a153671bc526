//! Checks among rules, and the rule set built of them: order, keys, canonical text and hash.

use super::canonical::canonical_text;
use super::configuration::Decisions;
use super::precedence::Position;
use super::rules::Draft;
use crate::diagnostic::{Diagnostic, Severity};
use crate::expression::Expression;
use crate::model::{
    Clause, ConnectorName, DeletionRule, Direction, JoinClause, JoinGroup, KeyDefinition, KeyId, KeySpace, Matching,
    MergeType, MetaverseSchema, Operator, Rule, RuleSet, SourcePlace,
};
use crate::places::RulePlaces;
use metaverse_schema::{AttributeName, ObjectType, Plurality};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

pub(crate) fn error(code: &'static str, place: &SourcePlace, message: String, label: &str, help: &str) -> Diagnostic {
    Diagnostic {
        code,
        severity: Severity::Error,
        file: place.file.clone(),
        span: place.span.clone(),
        message,
        label: label.to_owned(),
        help: help.to_owned(),
    }
}

/// Identifiers and precedence numbers are unique (S58), and merge types agree (S55).
pub(crate) fn among_rules(drafts: &[Draft], metaverse: &MetaverseSchema) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let mut ids: BTreeMap<&str, &Draft> = BTreeMap::new();
    let mut numbers: BTreeMap<u32, &Draft> = BTreeMap::new();
    for draft in drafts {
        if let Some(first) = ids.insert(&draft.rule.id, draft) {
            ids.insert(&draft.rule.id, first);
            let message =
                format!("two rules are called `{}`; the other one stands in {}", draft.rule.id, first.id_place.file);
            let help = "links and history name a rule by its id: give each its own";
            found.push(error("rule-id-duplicate", &draft.id_place, message, "the second one", help));
        }
        let Position::Number(number) = draft.position else { continue };
        if draft.disabled {
            continue;
        }
        if let Some(first) = numbers.insert(number, draft) {
            numbers.insert(number, first);
            let other = &first.rule.name;
            let message = format!("precedence {number} is taken by the rule `{other}` in {}", first.id_place.file);
            let help = "one number space serves all rules, inbound and outbound: choose a free one, or name the rule that \
                        this one stands `before` or `after`";
            found.push(error("precedence-duplicate", &draft.precedence_place, message, "taken", help));
        }
    }
    found.extend(merge_mixtures(drafts, metaverse));
    found
}

/// What a flow writes: an attribute of the metaverse, or of one connector's objects.
type Target<'a> = (Option<&'a ConnectorName>, &'a AttributeName);

/// S55: of all rules that may be in scope for one object. Inbound rules of any connectors may: they may be joined.
fn merge_mixtures(drafts: &[Draft], metaverse: &MetaverseSchema) -> Vec<Diagnostic> {
    let mut earlier: BTreeMap<Target<'_>, Vec<(&Rule, MergeType)>> = BTreeMap::new();
    let mut found = Vec::new();
    let mut rules: Vec<&Rule> = drafts.iter().filter(|draft| !draft.disabled).map(|draft| &draft.rule).collect();
    rules.sort_by_key(|rule| rule.precedence);
    for rule in rules {
        for flow in &rule.flows {
            let connector = (rule.direction == Direction::Outbound).then_some(&rule.connector);
            let others = earlier.entry((connector, &flow.target)).or_default();
            let contrary =
                others.iter().find(|(other, merge)| *merge != flow.merge && can_meet(rule, other, metaverse));
            if let Some((other, _)) = contrary {
                let message = format!(
                    "`{}` is merged in another way by the rule `{}`; all rules of one attribute merge alike",
                    flow.target, other.name
                );
                let help = "give all of them the same `merge`";
                found.push(error("merge-mixture", &flow.place, message, "another merge type", help));
            }
            others.push((rule, flow.merge));
        }
    }
    found
}

/// Whether two rules of one direction may write to one object: `*` is any type, and the scopes of outbound rules look at one
/// metaverse object and may exclude each other.
fn can_meet(one: &Rule, other: &Rule, metaverse: &MetaverseSchema) -> bool {
    let same_type = match (&one.target_type, &other.target_type) {
        (Some(one), Some(other)) => one == other,
        _ => true,
    };
    let excluded = one.direction == Direction::Outbound
        && !one.scope.is_empty()
        && !other.scope.is_empty()
        && one.scope.iter().all(|left| other.scope.iter().all(|right| excludes(left, right, one, metaverse)));
    same_type && !excluded
}

/// Whether no metaverse object is in both scope groups, as far as that can be told from a pair of clauses.
fn excludes(left: &[Clause], right: &[Clause], rule: &Rule, metaverse: &MetaverseSchema) -> bool {
    let is_single = |name: &AttributeName| {
        let of_type = rule.source_type.as_ref().and_then(|found| metaverse.attribute(found.as_str(), name.as_str()));
        of_type.is_some_and(|attribute| attribute.plurality == Plurality::Single)
    };
    let word = |clause: &Clause| clause.operand.first().map(|value| value.to_string().to_lowercase());
    left.iter().any(|left| {
        right.iter().filter(|right| right.attribute == left.attribute && is_single(&left.attribute)).any(
            |right| match (left.operator, right.operator) {
                (Operator::Equal, Operator::Equal) => word(left) != word(right),
                (Operator::Equal, Operator::NotEqual) | (Operator::NotEqual, Operator::Equal) => {
                    word(left) == word(right)
                }
                (Operator::IsNull, Operator::IsNotNull | Operator::Equal)
                | (Operator::IsNotNull | Operator::Equal, Operator::IsNull) => true,
                _ => false,
            },
        )
    })
}

/// Puts the rules in order, names their keys, and fixes text and hash.
pub(crate) fn build(
    mut rules: Vec<Rule>,
    metaverse: MetaverseSchema,
    deletion: BTreeMap<ObjectType, DeletionRule>,
    decisions: Decisions,
) -> RuleSet {
    rules.sort_by(|left, right| (left.precedence, &left.id).cmp(&(right.precedence, &right.id)));
    let mut definitions: BTreeMap<String, KeyDefinition> = BTreeMap::new();
    for rule in &rules {
        for group in &rule.join {
            for clause in &group.clauses {
                let (source, target) = key_definitions(rule, group, clause);
                definitions.insert(source.identity.clone(), source);
                definitions.insert(target.identity.clone(), target);
            }
        }
    }
    let keys: Vec<KeyDefinition> = definitions.into_values().collect();
    let position = |identity: &str| {
        let found = keys.binary_search_by(|key| key.identity.as_str().cmp(identity));
        KeyId(found.unwrap_or(usize::MAX))
    };
    for rule in &mut rules {
        let mut groups = std::mem::take(&mut rule.join);
        for group in &mut groups {
            let clauses = std::mem::take(&mut group.clauses);
            group.clauses = clauses
                .into_iter()
                .map(|mut clause| {
                    let (source, target) = key_definitions(rule, group, &clause);
                    clause.source_key = position(&source.identity);
                    clause.target_key = position(&target.identity);
                    clause
                })
                .collect();
        }
        rule.join = groups;
    }
    let mut rule_set = RuleSet {
        rules,
        metaverse,
        deletion,
        keys,
        parameters: decisions.parameters,
        matching: decisions.matching,
        grace_days: decisions.grace_days,
        without_recall: decisions.without_recall,
        selections: decisions.selections,
        hash: String::new(),
        text: String::new(),
        places: RulePlaces::default(),
    };
    sign(&mut rule_set);
    rule_set
}

/// Text and hash of what the rule set now says.
fn sign(rule_set: &mut RuleSet) {
    rule_set.text = canonical_text(rule_set);
    rule_set.hash = Sha256::digest(rule_set.text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
}

impl RuleSet {
    /// The same rules under another way of matching, as a rule test may ask for.
    pub fn with_matching(mut self, matching: Matching) -> RuleSet {
        self.matching = matching;
        sign(&mut self);
        self
    }
}

/// The two keys of a join clause: the metaverse's and the connector space's, by direction.
fn key_definitions(rule: &Rule, group: &JoinGroup, clause: &JoinClause) -> (KeyDefinition, KeyDefinition) {
    let target_type = match &group.target_type {
        Some(any) if *any == "*" => None,
        Some(object_type) => Some(object_type.clone()),
        None => rule.target_type.clone(),
    };
    let connector = KeySpace::Connector(rule.connector.clone());
    let (source_space, target_space) = match rule.direction {
        Direction::Inbound => (connector, KeySpace::Metaverse),
        Direction::Outbound => (KeySpace::Metaverse, connector),
    };
    (
        key_definition(source_space, rule.source_type.clone(), &clause.source, clause.exact),
        key_definition(target_space, target_type, &clause.target, clause.exact),
    )
}

fn key_definition(
    space: KeySpace,
    object_type: Option<ObjectType>,
    expression: &Expression,
    exact: bool,
) -> KeyDefinition {
    let space_text = match &space {
        KeySpace::Metaverse => "mv".to_owned(),
        KeySpace::Connector(name) => format!("cs:{name}"),
    };
    let type_text = object_type.as_ref().map_or("*", ObjectType::as_str);
    KeyDefinition {
        identity: format!("{space_text} {type_text} {}{}", expression.text().trim(), if exact { " exact" } else { "" }),
        exact,
        space,
        object_type,
        expression: expression.clone(),
    }
}
