//! Checks among rules, and the rule set built of them: order, keys, canonical text and hash.

use super::canonical::canonical_text;
use super::configuration::Decisions;
use super::precedence::Position;
use super::rules::Draft;
use crate::diagnostic::{Diagnostic, Severity};
use crate::expression::Expression;
use crate::model::{
    ConnectorName, DeletionRule, Direction, JoinClause, JoinGroup, KeyDefinition, KeyId, KeySpace, Matching, MergeType,
    MetaverseSchema, Rule, RuleSet, SourcePlace,
};
use metaverse_schema::{AttributeName, ObjectType};
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
pub(crate) fn among_rules(drafts: &[Draft]) -> Vec<Diagnostic> {
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
    found.extend(merge_mixtures(drafts));
    found
}

/// What a flow writes: the metaverse, or an object of a connector space.
type Target<'a> = (Option<&'a ConnectorName>, Option<&'a ObjectType>, &'a AttributeName);

fn merge_mixtures(drafts: &[Draft]) -> Vec<Diagnostic> {
    let mut first_of: BTreeMap<Target<'_>, (MergeType, &Rule)> = BTreeMap::new();
    let mut found = Vec::new();
    let mut rules: Vec<&Rule> = drafts.iter().filter(|draft| !draft.disabled).map(|draft| &draft.rule).collect();
    rules.sort_by_key(|rule| rule.precedence);
    for rule in rules {
        for flow in &rule.flows {
            let connector = (rule.direction == Direction::Outbound).then_some(&rule.connector);
            let target = (connector, rule.target_type.as_ref(), &flow.target);
            let (merge, first) = *first_of.entry(target).or_insert((flow.merge, rule));
            if merge != flow.merge {
                let message = format!(
                    "`{}` is merged in another way by the rule `{}`; all rules of one attribute merge alike",
                    flow.target, first.name
                );
                let help = "give all of them the same `merge`";
                found.push(error("merge-mixture", &flow.place, message, "another merge type", help));
            }
        }
    }
    found
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
        hash: String::new(),
        text: String::new(),
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
