//! Tells whether a plan wants what stands already, so that applying it can be left out. Compares the plan with the answers it was
//! made from; decides nothing, and knows nothing of what no answer tells.

use crate::neighbourhood::Neighbourhood;
use crate::plan::{MetaverseChange, ObjectPlan, Subject, TargetPlan, TargetRef};
use crate::view::{CsObject, MvRef};

impl ObjectPlan {
    /// Whether what these answers tell is as the plan wants it already: applied, it would change none of it. They must be those
    /// that the plan was made from. Holds, reference flows, errors, queues and instants are told by no answer.
    pub fn changes_nothing_of(&self, answers: &Neighbourhood) -> bool {
        let stays = match self.subject {
            Subject::Metaverse(_) => true,
            Subject::Connector(id) => answers
                .known_connector(id)
                .is_some_and(|object| object.staged.is_none() && self.state.is_none_or(|state| state == object.state)),
        };
        let is_quiet = self.error.is_none() && !self.remove_subject && self.links.is_empty();
        let bothers_nobody = self.revisit.is_empty() && self.rejoin.is_empty() && self.facts_wanted.is_empty();
        stays
            && is_quiet
            && bothers_nobody
            && self.metaverse.iter().all(|metaverse| metaverse.change == MetaverseChange::Unchanged)
            && self.targets.iter().all(|target| target_stays(target, answers))
    }
}

fn target_stays(plan: &TargetPlan, answers: &Neighbourhood) -> bool {
    let is_so = |object: &CsObject| {
        let same_link = plan.link.as_ref().is_none_or(|(rule, ownership)| {
            object.link.as_ref().is_some_and(|link| {
                MvRef::Existing(link.mv) == plan.mv && link.rule == *rule && link.ownership == *ownership
            })
        });
        same_link
            && object.pending == plan.pending
            && object.memory == plan.memory
            && object.owned == plan.owned
            && object.contributed == plan.contributed
    };
    plan.dropped.is_empty()
        && match &plan.target {
            None => true,
            Some(TargetRef::Existing(id)) => answers.known_connector(*id).is_some_and(is_so),
            Some(TargetRef::New { .. }) => false,
        }
}
