//! The outbound merge (S57): which values of a target attribute this engine adds and takes back, value by value. Never
//! touches a value that stood in the target without this engine.

use crate::view::{CsObject, PendingExport, PendingOperation, SentState};
use metaverse_schema::{AttributeChange, AttributeName, AttributesDelta, MatchKey, Value, Values, match_key};
use std::collections::BTreeSet;
use sync_rules::MergeType;

/// What is known of one merged attribute of a target.
pub(crate) struct MergeInputs<'a> {
    pub(crate) merge: MergeType,
    /// The union of the flows.
    pub(crate) given: &'a Values,
    /// What the last import returned.
    pub(crate) present: &'a Values,
    /// What the target holds as far as is known: `present`, or what was sent and not imported again.
    pub(crate) held: &'a Values,
    /// What this engine has contributed and not seen gone.
    pub(crate) contributed: &'a Values,
}

/// The outcome of a merge.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Merged {
    /// The whole that the target is to hold, foreign values with it.
    pub(crate) wanted: Values,
    pub(crate) add: Values,
    pub(crate) remove: Values,
    /// The wanted values that are this engine's.
    pub(crate) kept: Values,
    /// What this engine answers for afterwards: `kept`, and what it withdraws until an import shows it gone.
    pub(crate) contributed: Values,
}

impl Merged {
    pub(crate) fn is_settled(&self) -> bool {
        self.add.is_empty() && self.remove.is_empty()
    }

    pub(crate) fn change(&self) -> AttributeChange {
        AttributeChange::Update { add: self.add.clone(), remove: self.remove.clone() }
    }
}

/// Merges the flows' values into the target's. A given value that already stands there as somebody else's stays his; where
/// case does not matter, his spelling stays too.
pub(crate) fn merge_into(inputs: &MergeInputs<'_>) -> Merged {
    let MergeInputs { merge, given, present, held, contributed } = inputs;
    let ignores_case = *merge == MergeType::MergeCaseInsensitive;
    let foreign: Values = held.iter().filter(|value| !contributed.contains(value)).cloned().collect();
    let spellings: BTreeSet<MatchKey> =
        if ignores_case { foreign.iter().map(match_key).collect() } else { BTreeSet::new() };
    let is_foreign = |value: &Value| foreign.contains(value) || (ignores_case && spellings.contains(&match_key(value)));
    let kept: Values = given.iter().filter(|value| !is_foreign(value)).cloned().collect();
    let withdrawn = || contributed.iter().filter(|value| !kept.contains(value));
    let remove: Values = withdrawn().filter(|value| held.contains(value)).cloned().collect();
    let unseen = withdrawn().filter(|value| held.contains(value) || present.contains(value));
    Merged {
        add: kept.iter().filter(|value| !held.contains(value)).cloned().collect(),
        contributed: kept.iter().chain(unseen).cloned().collect(),
        wanted: foreign.into_iter().chain(kept.iter().cloned()).collect(),
        remove,
        kept,
    }
}

/// What this engine has contributed to an attribute. What is staged and was never sent, or was refused, is not contributed: when
/// it appears in the target, somebody else put it there.
pub(crate) fn contributed_so_far(target: &CsObject, attribute: &AttributeName) -> Values {
    let mut contributed = target.contributed.get(attribute).cloned().unwrap_or_default();
    let Some(PendingExport { operation, state, .. }) = &target.pending else { return contributed };
    if *state == SentState::InFlight {
        return contributed;
    }
    let unsent = |delta: &AttributesDelta| match delta.0.get(attribute) {
        Some(AttributeChange::Update { add, .. }) => add.clone(),
        _ => Values::default(),
    };
    if let PendingOperation::Update { changes, afterwards, .. } | PendingOperation::Restore { changes, afterwards } =
        operation
    {
        for value in unsent(changes).iter().chain(&unsent(afterwards)) {
            contributed.remove(value);
        }
    }
    contributed
}
