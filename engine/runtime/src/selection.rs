//! Whether the groups of `[scope]` can say who is synchronised. Nobody leaves scope because a group was deleted or cannot be read:
//! the step does not start, and says which group and what to do (SF13, SF15). Decides about no object.

use crate::engine::Engine;
use crate::status;
use crate::step::End;
use sync_rules::RuleSet;
use sync_store::{SelectionProblem, StoreError};

impl Engine {
    /// None: every group can be read.
    pub(crate) fn unreadable_selection(&self) -> Result<Option<End>, StoreError> {
        let problems = self.store.selection_problems()?;
        if problems.is_empty() {
            return Ok(None);
        }
        let messages: Vec<String> = problems.iter().map(|problem| selection_problem(problem, &self.rules)).collect();
        Ok(Some(End::because(
            status::NO_START_SCOPE_GROUP,
            format!("nothing was synchronised, and nobody leaves scope: {}", messages.join("; ")),
            "bring the group back and import it, or name another one: `metasync scope add-group` and `remove-group`",
        )))
    }
}

/// In a sentence: which group, called as it was when it was listed, and what is wrong with it.
pub fn selection_problem(problem: &SelectionProblem, rules: &RuleSet) -> String {
    let SelectionProblem { connector, group, known_members, is_empty } = problem;
    let named = rules.selections.get(connector).and_then(|selection| selection.groups.get(group));
    let name = match named.filter(|name| *name != group) {
        Some(name) => format!("{name} ({group})"),
        None => group.clone(),
    };
    let what = match (is_empty, known_members) {
        (true, known) => format!("has no member any longer, and had {known}"),
        (false, 0) => format!("was not imported from {connector} yet, or stands in a container that is not read"),
        (false, known) => format!("is gone from {connector} or cannot be read any longer; it had {known} members"),
    };
    format!("the group {name} of [scope.{connector}] {what}")
}
