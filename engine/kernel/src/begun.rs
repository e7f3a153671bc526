//! What a decision had computed when it turned out that more must be known: the next attempt, with the answers added, takes it
//! up again. Holds values alone; whether they belong to the inputs at hand is compared, never assumed.

use crate::inbound::{Computed, Contribution};
use crate::view::{CsId, MvRef};
use metaverse_schema::ObjectType;

/// How far the decision of one subject is. Of use for that subject alone, and while answers are added to what is known and
/// none is replaced.
#[derive(Debug, Default)]
pub struct Begun(Option<Attempt>);

/// The attributes of one metaverse object, and what they were computed from.
#[derive(Debug)]
struct Attempt {
    object: MvRef,
    object_type: ObjectType,
    /// Each object with the rules that it is in scope of.
    contributions: Vec<(CsId, Vec<bool>)>,
    computed: Computed,
    /// What evaluating had announced by then (SF28).
    next_change: Option<i64>,
}

impl Begun {
    pub(crate) fn keep(
        &mut self,
        (object, object_type): (MvRef, &ObjectType),
        contributions: &[Contribution<'_>],
        computed: Computed,
        next_change: Option<i64>,
    ) {
        let contributions = contributions.iter().map(|one| (one.object.id, one.scope().to_vec())).collect();
        self.0 = Some(Attempt { object, object_type: object_type.clone(), contributions, computed, next_change });
    }

    /// What was kept, where it was computed from the same.
    pub(crate) fn resume(
        &mut self,
        (object, object_type): (MvRef, &ObjectType),
        contributions: &[Contribution<'_>],
    ) -> Option<(Computed, Option<i64>)> {
        let attempt = self.0.take_if(|attempt| {
            let those = attempt.contributions.iter().map(|(id, scope)| (*id, scope.as_slice()));
            attempt.object == object
                && attempt.object_type == *object_type
                && those.eq(contributions.iter().map(|one| (one.object.id, one.scope())))
        })?;
        Some((attempt.computed, attempt.next_change))
    }
}
