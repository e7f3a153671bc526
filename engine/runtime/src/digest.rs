//! The digest of a plan: what preview and run both show, so that they can be compared (invariant 2). Made of everything
//! the plan would change, and of nothing that only explains it.

use std::hash::{Hash, Hasher};
use sync_kernel::{Digest, ObjectPlan, fingerprint};

/// Of one object's plan, for the operator.
pub fn plan_digest(plan: &ObjectPlan) -> Digest {
    Digest::of_number(plan_number(plan))
}

/// The same as a number: a step adds them up.
pub(crate) fn plan_number(plan: &ObjectPlan) -> u128 {
    fingerprint(&Effect(plan))
}

/// What the plan does. How the values came to be, what was read and which rules were in scope are left out: they are
/// recorded in a preview and not in a run.
struct Effect<'a>(&'a ObjectPlan);

impl Hash for Effect<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let plan = self.0;
        plan.subject.hash(state);
        (plan.promote, plan.remove_subject, plan.state).hash(state);
        (&plan.error, &plan.join, &plan.links).hash(state);
        state.write_usize(plan.metaverse.len());
        for metaverse in &plan.metaverse {
            (metaverse.object, &metaverse.object_type, &metaverse.change).hash(state);
        }
        state.write_usize(plan.targets.len());
        for target in &plan.targets {
            (&target.connector, target.mv, &target.target, &target.dropped, &target.link).hash(state);
            (&target.pending, &target.memory, &target.owned, &target.contributed).hash(state);
            (&target.references, &target.holds).hash(state);
        }
    }
}

/// Of all plans of a synchronisation step, in whatever order they were made: what a preview of a rule change and the run's
/// report both show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct PlanSum {
    plans: u64,
    sum: u128,
}

impl PlanSum {
    pub(crate) fn add(&mut self, plan: u128) {
        self.plans += 1;
        // Sums are the same in any order.
        self.sum = self.sum.wrapping_add(plan);
    }

    pub(crate) fn text(self) -> String {
        Digest::of_lines("step", [format!("{} {:032x}", self.plans, self.sum)]).to_string()
    }
}
