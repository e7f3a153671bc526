//! What an operator decided about a pair: a source object, and an existing object of a target that it may be (SF5, SF11). Reads
//! what was decided; whether anything else speaks against a takeover is `takeover`'s to say.

use crate::outbound::LinkedTarget;
use crate::search::{hold, name};
use crate::view::{CsObject, Hold, MatchDecision, MatchVerdict};
use sync_rules::ConnectorName;

/// The decision about this candidate and any of the objects that are linked to the person. One that says no is stronger than
/// one that says yes: two source accounts that became one person were decided about one by one.
pub(crate) fn verdict_on(candidate: &CsObject, linked: &[LinkedTarget<'_>]) -> Option<MatchVerdict> {
    let about = |decision: &&MatchDecision| {
        decision.target.is(candidate) && linked.iter().any(|linked| decision.source.is(linked.object))
    };
    let verdicts: Vec<MatchVerdict> =
        candidate.match_decisions.iter().filter(about).map(|decision| decision.verdict).collect();
    verdicts.iter().copied().find(|verdict| verdict.says_no()).or_else(|| verdicts.first().copied())
}

/// A link of this direction whose pair an operator rejected since: it ends without a write. What the rules created themselves is no
/// match, and what is on its way is settled first.
pub(crate) fn is_let_go(linked: &LinkedTarget<'_>, all: &[LinkedTarget<'_>]) -> bool {
    linked.ownership == crate::view::Ownership::Adopted
        && !linked.object.is_in_flight()
        && verdict_on(linked.object, all).is_some_and(MatchVerdict::says_no)
}

/// SF5: held, and nothing is created beside it: a create would be refused, or make the person twice.
pub(crate) fn rejected(candidate: &CsObject, verdict: MatchVerdict) -> Hold {
    let what = match verdict {
        MatchVerdict::Undone => "the takeover of",
        MatchVerdict::Rejected | MatchVerdict::Approved => "the match with",
    };
    let done = if verdict == MatchVerdict::Undone { "undone" } else { "rejected" };
    hold(
        REJECTED,
        format!("{what} {} was {done} by an operator", name(candidate)),
        "`metasync match approve` takes that back; if they are two people, give each its own address and sign-in name",
        Some(candidate.id),
    )
}

/// SF11: whose takeover was undone is not created a second time either, also where the two have no key in common any longer.
pub(crate) fn undone_elsewhere(linked: &[LinkedTarget<'_>], connector: &ConnectorName) -> Option<Hold> {
    let is_undone = linked.iter().any(|linked| {
        linked.object.match_decisions.iter().any(|decision| {
            decision.verdict == MatchVerdict::Undone
                && decision.source.is(linked.object)
                && decision.target.connector == *connector
        })
    });
    is_undone.then(|| {
        hold(
            REJECTED,
            "its takeover was undone by an operator; nothing is created beside the object that it had".into(),
            "`metasync match approve` lets it be taken over again",
            None,
        )
    })
}

const REJECTED: &str = "match-rejected";
