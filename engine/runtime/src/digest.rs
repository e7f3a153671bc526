//! The digest of a plan: what preview and run both show, so that they can be compared (invariant 2). Made of everything
//! the plan would change, and of nothing that only explains it.

use std::fmt::Write as _;
use sync_kernel::{Digest, ObjectPlan};

/// Of one object's plan. How the values came to be, what was read and which rules were in scope are left out: they are
/// recorded in a preview and not in a run.
pub fn plan_digest(plan: &ObjectPlan) -> Digest {
    let mut lines = Vec::new();
    let mut line = |text: String| lines.push(text);
    line(format!("promote {} remove {} state {:?}", plan.promote, plan.remove_subject, plan.state));
    if let Some(error) = &plan.error {
        line(format!("error {error:?}"));
    }
    line(format!("join {:?}", plan.join));
    for link in &plan.links {
        line(format!("link {link:?}"));
    }
    for metaverse in &plan.metaverse {
        line(format!("metaverse {:?} {} {:?}", metaverse.object, metaverse.object_type, metaverse.change));
    }
    for target in &plan.targets {
        let mut text = format!("target {} {:?} {:?}", target.connector, target.mv, target.target);
        // Writing to a text cannot fail.
        let _ = write!(
            text,
            " dropped {:?} link {:?} pending {:?} memory {:?} owned {:?} contributed {:?} references {:?} holds {:?}",
            target.dropped,
            target.link,
            target.pending,
            target.memory,
            target.owned,
            target.contributed,
            target.references,
            target.holds
        );
        line(text);
    }
    Digest::of_lines(&format!("plan {:?}", plan.subject), lines)
}

/// Of all plans of a synchronisation step, in whatever order they were made: what a preview of a rule change and the run's
/// report both show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct PlanSum {
    plans: u64,
    sum: u128,
}

impl PlanSum {
    pub(crate) fn add(&mut self, plan: &Digest) {
        self.plans += 1;
        // A plan's digest is 128 bits in hexadecimal; sums of them are the same in any order.
        self.sum = self.sum.wrapping_add(u128::from_str_radix(plan.as_str(), 16).unwrap_or_default());
    }

    pub(crate) fn text(self) -> String {
        Digest::of_lines("step", [format!("{} {:032x}", self.plans, self.sum)]).to_string()
    }
}
