//! Gives every rule its precedence number. A rule that says one keeps it, as far as the rules before it leave it free; a
//! rule that stands `before` or `after` another takes that place and pushes the later ones on (S58, S59). The numbers
//! follow from the rules alone, never from files or their order.

use super::check::error;
use super::rules::Draft;
use crate::diagnostic::Diagnostic;
use crate::model::SourcePlace;
use crate::suggest::did_you_mean;
use std::collections::{BTreeMap, BTreeSet};

/// Where a rule stands among the others, as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Position {
    Number(u32),
    Before(Neighbour),
    After(Neighbour),
}

/// The rule that another one stands beside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Neighbour {
    pub(crate) id: String,
    pub(crate) place: SourcePlace,
}

impl Position {
    fn neighbour(&self) -> Option<&Neighbour> {
        match self {
            Position::Number(_) => None,
            Position::Before(neighbour) | Position::After(neighbour) => Some(neighbour),
        }
    }
}

/// Sets the number of every rule. Disabled rules have a place and take no number from others, so that a rule can stand
/// before the disabled one that it replaces.
pub(crate) fn settle(drafts: &mut [Draft]) -> Vec<Diagnostic> {
    let mut by_id: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, draft) in drafts.iter().enumerate() {
        by_id.entry(&draft.rule.id).or_insert(index);
    }
    let mut found = Vec::new();
    // Of each rule, the one it stands beside.
    let mut beside: Vec<Option<usize>> = vec![None; drafts.len()];
    for (index, draft) in drafts.iter().enumerate() {
        let Some(neighbour) = draft.position.neighbour() else { continue };
        beside[index] = by_id.get(neighbour.id.as_str()).copied();
        if beside[index].is_none() {
            let message = format!("there is no rule `{}` to stand beside", neighbour.id);
            let help = did_you_mean(&neighbour.id, by_id.keys().copied());
            found.push(error("precedence-rule-unknown", &neighbour.place, message, "unknown rule", &help));
        }
    }
    found.extend(circles(drafts, &beside));
    let numbers = numbers(drafts, &beside);
    for (draft, number) in drafts.iter_mut().zip(numbers) {
        draft.rule.precedence = number;
    }
    found
}

/// Rules that stand beside each other in a circle have no place at all; each circle is told once.
fn circles(drafts: &[Draft], beside: &[Option<usize>]) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let mut told: BTreeSet<usize> = BTreeSet::new();
    let mut seen: BTreeSet<usize> = BTreeSet::new();
    for start in 0..drafts.len() {
        let mut path: Vec<usize> = Vec::new();
        let mut next = Some(start);
        while let Some(index) = next.filter(|index| seen.insert(*index)) {
            path.push(index);
            next = beside[index];
        }
        // The walk ended at a rule that it had passed itself: what lies between is a circle.
        let Some(from) = next.and_then(|again| path.iter().position(|index| *index == again)) else { continue };
        let circle = &path[from..];
        let Some(first) = circle.iter().copied().min_by_key(|index| &drafts[*index].rule.id) else { continue };
        if !told.insert(first) {
            continue;
        }
        let mut ids: Vec<&str> = circle.iter().map(|index| &*drafts[*index].rule.id).collect();
        ids.sort_unstable();
        let message = format!("these rules stand beside each other in a circle: {}", ids.join(", "));
        let help = "give one of them a `precedence` number";
        found.push(error("precedence-cycle", &drafts[first].precedence_place, message, "leads back to itself", help));
    }
    found
}

/// The number of each rule, in the order of `drafts`.
fn numbers(drafts: &[Draft], beside: &[Option<usize>]) -> Vec<u32> {
    let mut before: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    let mut after: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (index, draft) in drafts.iter().enumerate() {
        let Some(neighbour) = beside[index] else { continue };
        match draft.position {
            Position::Before(_) => before.entry(neighbour).or_default().push(index),
            _ => after.entry(neighbour).or_default().push(index),
        }
    }
    // Several rules beside the same one stand in the order of their ids.
    for list in before.values_mut().chain(after.values_mut()) {
        list.sort_by_key(|index| &drafts[*index].rule.id);
    }
    let mut numbered: Vec<(u32, usize)> = drafts
        .iter()
        .enumerate()
        .filter_map(|(index, draft)| match draft.position {
            Position::Number(number) => Some((number, index)),
            _ => None,
        })
        .collect();
    numbered.sort_by_key(|(number, index)| (*number, &drafts[*index].rule.id));
    let mut numbers: Vec<u32> = vec![u32::MAX; drafts.len()];
    let mut free = 0;
    for (number, index) in numbered {
        free = free.max(number);
        let own_group = group(index, &before, &after);
        if let ([alone], true) = (own_group.as_slice(), drafts[index].disabled) {
            // Nobody stands beside it, so its place moves nobody.
            numbers[*alone] = number;
            continue;
        }
        for member in own_group {
            numbers[member] = free;
            if !drafts[member].disabled {
                free = free.saturating_add(1);
            }
        }
    }
    numbers
}

/// A rule with everything that stands before and after it, in order.
fn group(start: usize, before: &BTreeMap<usize, Vec<usize>>, after: &BTreeMap<usize, Vec<usize>>) -> Vec<usize> {
    enum Step {
        Open(usize),
        Write(usize),
    }
    let of = |map: &BTreeMap<usize, Vec<usize>>, index: usize| map.get(&index).cloned().unwrap_or_default();
    let mut written = Vec::new();
    let mut steps = vec![Step::Open(start)];
    while let Some(step) = steps.pop() {
        match step {
            Step::Write(index) => written.push(index),
            Step::Open(index) => {
                steps.extend(of(after, index).into_iter().rev().map(Step::Open));
                steps.push(Step::Write(index));
                steps.extend(of(before, index).into_iter().rev().map(Step::Open));
            }
        }
    }
    written
}
