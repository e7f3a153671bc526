//! Reads from a plan what kind of thing it decided, for the tally.

use crate::tally::Tally;
use crate::world::World;
use sync_kernel::{InboundCounter, LinkReason, MetaverseChange, MvRef, ObjectPlan};

/// What `preview` is about to do to `world`.
pub(crate) fn look(world: &World, preview: &ObjectPlan) -> Tally {
    let mut tally = Tally::default();
    match &preview.join {
        Some(LinkReason::Joined { .. }) => tally.count("joins"),
        Some(LinkReason::Projected { .. }) => tally.count("projections"),
        Some(LinkReason::NoRule | LinkReason::NoJoinValue { .. }) => tally.count("not joined"),
        _ => {}
    }
    match preview.counter {
        Some(InboundCounter::ConnectorFilteredLeaveMv | InboundCounter::ConnectorFilteredRemoveMv) => {
            tally.count("filtered")
        }
        Some(InboundCounter::ConnectorDeleteAddProcessed) => tally.count("delete-adds"),
        _ => {}
    }
    if let Some(error) = &preview.error {
        tally.count(match error.code.as_str() {
            "ambiguous-import-flow-from-multiple-connectors" if error.message.contains("already has") => "occupied",
            "ambiguous-import-flow-from-multiple-connectors" => "ambiguities",
            _ => "errors",
        });
    }
    for metaverse in &preview.metaverse {
        for decision in &metaverse.decisions {
            let verdicts = decision.winner.iter().chain(&decision.losers).map(|candidate| candidate.verdict.as_str());
            let merged = verdicts.clone().filter(|verdict| *verdict == "merged").count();
            tally.add("merges", u64::from(merged > 0));
            for (verdict, what) in
                [("authoritative null", "authoritative nulls"), ("ignored", "ignored"), ("no value", "no value")]
            {
                tally.add(what, verdicts.clone().filter(|known| *known == verdict).count() as u64);
            }
        }
        let MvRef::Existing(id) = metaverse.object else { continue };
        let Some(before) = world.metaverse.get(&id) else { continue };
        match &metaverse.change {
            MetaverseChange::Delete { .. } => tally.count("metaverse deletes"),
            MetaverseChange::Set { attributes, .. } => {
                // A value that its contributor no longer gives: another one stands in, or none.
                let recalled = before.attributes.iter().filter(|(name, value)| {
                    attributes.get(*name).is_none_or(|after| after.contributor != value.contributor)
                });
                tally.add("recalls", recalled.count() as u64);
            }
            MetaverseChange::Unchanged => {}
        }
    }
    for target in &preview.targets {
        tally.add("outbound joins", u64::from(target.target.is_some() && target.matched_by.is_some()));
        for hold in &target.holds {
            match hold.code.as_str() {
                "ambiguous" | "ambiguous-source" | "candidate-taken" => tally.count("ambiguities"),
                "stale-anchor" => tally.count("stale anchors"),
                _ => {}
            }
        }
    }
    tally
}
