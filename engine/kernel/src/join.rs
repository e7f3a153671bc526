//! Chooses the metaverse object that a connector-space object joins. Never creates one; see `decide` for projection.

use crate::decide::Stop;
use crate::evaluate::{ConnectorInputs, evaluate};
use crate::inputs::Run;
use crate::keys::SourceKeys;
use crate::neighbourhood::{KeyHit, Reader};
use crate::plan::{LinkReason, ObjectError};
use crate::view::{CsId, MvId};
use std::collections::BTreeSet;
use sync_rules::{Criterion, JoinGroup, LinkType, Outcome, Rule};

/// What joining came to.
pub(crate) enum JoinDecision {
    Joined { rule: usize, criterion: Criterion, mv: MvId },
    Project { rule: usize },
    Not(LinkReason),
}

/// Joins by the in-scope rules in ascending precedence; rules whose joins differ are an error of the object (S20). Each rule's groups are tried in order; a group that finds exactly
/// one object joins, none or several go on to the next (S14). If no group of any rule joined, the first rule that may
/// provision projects, when at least one of its join attributes has a value (S22). A metaverse object that already has
/// an object of this space is no target: the second one is in error and the first is untouched (S21).
pub(crate) fn decide_join(
    subject: CsId,
    inputs: &ConnectorInputs<'_>,
    in_scope: &[(usize, &Rule)],
    reader: &mut Reader<'_>,
    occupant: impl Fn(&mut Reader<'_>, MvId) -> Result<Option<CsId>, Stop>,
    run: &Run<'_>,
) -> Result<JoinDecision, Stop> {
    let rules: Vec<(usize, &Rule)> = in_scope.iter().copied().filter(|(_, rule)| !rule.join.is_empty()).collect();
    // All groups are asked about at once, so that one round of questions answers them.
    let keys = SourceKeys::default();
    for (_, rule) in &rules {
        for group in &rule.join {
            find(rule, group, (inputs, &keys), reader)?;
        }
    }
    Stop::if_missing(reader)?;
    let joining: Vec<&Rule> = rules.iter().map(|(_, rule)| *rule).collect();
    if let Some((one, other)) = differing_joins(&joining, run) {
        return Err(Stop::Error(ObjectError {
            code: AMBIGUOUS_RULES.into(),
            message: differing_text(one, other),
            rule: Some(one.id.clone()),
            attribute: None,
        }));
    }

    let mut ambiguous = None;
    for (index, rule) in &rules {
        for group in &rule.join {
            check_single_valued(group, inputs, rule)?;
            let hits = find(rule, group, (inputs, &keys), reader)?.unwrap_or_default();
            let hits: Vec<MvId> = hits.into_iter().collect();
            match hits.as_slice() {
                [] => {}
                [mv] => {
                    let taken = occupant(reader, *mv)?;
                    return Ok(match taken.filter(|by| *by != subject) {
                        Some(by) => JoinDecision::Not(LinkReason::Occupied { rule: rule.id.clone(), mv: *mv, by }),
                        None => JoinDecision::Joined { rule: *index, criterion: group.criterion.clone(), mv: *mv },
                    });
                }
                several => {
                    ambiguous.get_or_insert_with(|| LinkReason::Ambiguous {
                        rule: rule.id.clone(),
                        criterion: group.criterion.clone(),
                        candidates: several.to_vec(),
                    });
                }
            }
        }
    }
    if let Some(reason) = ambiguous {
        // Projecting beside several matches would make one more duplicate of a person that exists at least twice.
        return Ok(JoinDecision::Not(reason));
    }
    let Some((index, rule)) = in_scope.iter().copied().find(|(_, rule)| rule.link == LinkType::Provision) else {
        return Ok(JoinDecision::Not(LinkReason::NoRule));
    };
    let has_join_value = rule.join.is_empty()
        || rule.join.iter().flat_map(|group| &group.clauses).any(|clause| !keys.of(rule, clause, inputs).is_empty());
    Ok(if has_join_value {
        JoinDecision::Project { rule: index }
    } else {
        JoinDecision::Not(LinkReason::NoJoinValue { rule: rule.id.clone() })
    })
}

/// S20: two rules would look for different partners of one unlinked object.
pub(crate) const AMBIGUOUS_RULES: &str = "ambiguous-join-rules";

/// S20: of the in-scope rules with join conditions, the first two that do not say the same. Several rules may repeat one
/// join; which of two different ones is meant is not decided by precedence.
pub(crate) fn differing_joins<'r>(rules: &[&'r Rule], run: &Run<'_>) -> Option<(&'r Rule, &'r Rule)> {
    let position = |rule: &Rule| run.rules.rules.iter().position(|known| std::ptr::eq(known, rule));
    let alike = |one: &Rule, other: &Rule| match (position(one), position(other)) {
        (Some(one), Some(other)) => run.prepared.join_alike(one, other),
        _ => same_join(one, other),
    };
    let mut joining = rules.iter().copied().filter(|rule| !rule.join.is_empty());
    let first = joining.next()?;
    joining.find(|other| !alike(first, other)).map(|other| (first, other))
}

pub(crate) fn differing_text(one: &Rule, other: &Rule) -> String {
    format!(
        "the rules `{}` and `{}` are both in scope and join in different ways; give them the same join, or keep one out of scope",
        one.name, other.name
    )
}

pub(crate) fn same_join(left: &Rule, right: &Rule) -> bool {
    let target = |rule: &Rule, group: &JoinGroup| group.target_type.clone().or_else(|| rule.target_type.clone());
    left.join.len() == right.join.len()
        && left.join.iter().zip(&right.join).all(|(one, other)| {
            // The operator's own names of evidence do not matter; the others decide what a hit means.
            let same_meaning = one.criterion == other.criterion
                || matches!((&one.criterion, &other.criterion), (Criterion::Plain(_), Criterion::Plain(_)));
            same_meaning
                && target(left, one) == target(right, other)
                && one.clauses.len() == other.clauses.len()
                && one.clauses.iter().zip(&other.clauses).all(|(one, other)| {
                    one.source.text().trim() == other.source.text().trim()
                        && one.target.text().trim() == other.target.text().trim()
                        && one.exact == other.exact
                })
        })
}

/// The metaverse objects that all clauses of a group hit. None while an answer is missing; a clause without a source value
/// matches nothing (S16).
fn find(
    rule: &Rule,
    group: &JoinGroup,
    (inputs, keys): (&ConnectorInputs<'_>, &SourceKeys),
    reader: &mut Reader<'_>,
) -> Result<Option<BTreeSet<MvId>>, Stop> {
    let mut found: Option<BTreeSet<MvId>> = None;
    let mut complete = true;
    for clause in &group.clauses {
        let mut hits = BTreeSet::new();
        for value in keys.of(rule, clause, inputs).iter() {
            match reader.key(clause.target_key, value) {
                None => complete = false,
                Some(answers) => hits.extend(answers.iter().filter_map(|hit| match hit {
                    KeyHit::Metaverse(mv) => Some(*mv),
                    KeyHit::Connector(_) => None,
                })),
            }
        }
        found = Some(match found {
            None => hits,
            Some(before) => before.intersection(&hits).copied().collect(),
        });
    }
    Ok(complete.then(|| found.unwrap_or_default()))
}

/// S17: a join on several values is an error, not a guess.
fn check_single_valued(group: &JoinGroup, inputs: &ConnectorInputs<'_>, rule: &Rule) -> Result<(), Stop> {
    for clause in &group.clauses {
        if let Outcome::Values(values) = evaluate(&clause.source, inputs, &rule.id, clause.source.text())?
            && values.len() > 1
        {
            return Err(Stop::Error(ObjectError {
                code: "join-object-id-must-be-single-valued".into(),
                message: format!("the join key `{}` has {} values", clause.source.text(), values.len()),
                rule: Some(rule.id.clone()),
                attribute: Some(clause.source.text().to_owned()),
            }));
        }
    }
    Ok(())
}
