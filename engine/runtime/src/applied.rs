//! The rule set by which the stored state came to be: lineage is told by it, and not by files that were edited since.

use crate::engine::EngineError;
use sync_rules::{Deployment, RulePlaces, RuleSet, read_canonical};
use sync_store::{Store, StoreError};

/// Rules to explain by.
#[derive(Debug, Clone)]
pub struct AppliedRules {
    pub rules: RuleSet,
    /// The rule files say something else now.
    pub files_differ: bool,
    /// What an operator should know of it; empty where there is nothing.
    pub note: String,
}

/// Opens a deployment's store for reading, with the rules that were applied to it. `present` are those of the files: they
/// serve where none was applied yet, and where the stored ones cannot be read.
pub fn open_as_applied(
    deployment: &Deployment,
    present: &RuleSet,
    now: i64,
) -> Result<(Store, AppliedRules), EngineError> {
    let mut store = Store::open_read_only(&deployment.store)?;
    let applied = applied_rules(&store, present)?;
    store.register_rules(&applied.rules, now)?;
    Ok((store, applied))
}

pub(crate) fn applied_rules(store: &Store, present: &RuleSet) -> Result<AppliedRules, StoreError> {
    let as_they_are = |note: String, files_differ| AppliedRules { rules: present.clone(), files_differ, note };
    let Some(hash) = store.applied_rules()?.filter(|hash| *hash != present.hash) else {
        return Ok(as_they_are(String::new(), false));
    };
    let text = store.rule_set_text(&hash)?.unwrap_or_default();
    Ok(match read_canonical(&text) {
        Ok(mut rules) => {
            rules.places = RulePlaces::from_text(&store.rule_set_places(&hash)?.unwrap_or_default());
            let note = format!(
                "The rule files have changed since: this is told by the rules that were applied ({}), at the places \
                 where they stood. The next full synchronisation applies the files as they are now.",
                hash.get(..8).unwrap_or(&hash)
            );
            AppliedRules { rules, files_differ: true, note }
        }
        Err(error) => as_they_are(
            format!("The rule files have changed since, and this is told by them as they are now, because {error}."),
            true,
        ),
    })
}
