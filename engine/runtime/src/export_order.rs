//! The order in which the objects of an export page are sent: what others stand in or point at goes first, and what
//! stands below others is removed first. Pure; cycles are broken, and the second pass mends what a broken one left (O56).

use metaverse_schema::Dn;
use petgraph::Graph;
use petgraph::algo::{condensation, toposort};
use petgraph::graph::NodeIndex;
use petgraph::visit::EdgeRef;
use std::collections::HashMap;
use sync_kernel::{CsId, PendingOperation};
use sync_store::{ExportEntry, ExportPhase};

/// Entries that are sent in one batch: those that change places with each other, otherwise one alone.
pub(crate) type Together = Vec<usize>;

/// Positions of the entries in layers: all of a layer may be on their way at once, a layer waits for the one before.
pub(crate) fn layers(entries: &[ExportEntry], phase: ExportPhase) -> Vec<Vec<Together>> {
    let mut graph: Graph<usize, ()> = Graph::with_capacity(entries.len(), entries.len());
    let nodes: Vec<NodeIndex> = (0..entries.len()).map(|position| graph.add_node(position)).collect();
    for (first, then) in dependencies(entries, phase) {
        graph.add_edge(nodes[first], nodes[then], ());
    }
    // Entries that depend on each other in a circle become one node, and with it one layer.
    let circles = condensation(graph, true);
    let Ok(order) = toposort(&circles, None) else {
        // A condensed graph has no circle left.
        return vec![(0..entries.len()).map(|position| vec![position]).collect()];
    };
    let mut depth: HashMap<NodeIndex, usize> = HashMap::new();
    let mut layers: Vec<Vec<Together>> = Vec::new();
    for node in order {
        let before = circles
            .edges_directed(node, petgraph::Direction::Incoming)
            .map(|edge| depth.get(&edge.source()).copied().unwrap_or(0) + 1)
            .max()
            .unwrap_or(0);
        depth.insert(node, before);
        if layers.len() <= before {
            layers.resize(before + 1, Vec::new());
        }
        let mut together = circles[node].clone();
        together.sort_unstable();
        layers[before].push(together);
    }
    layers.iter_mut().for_each(|layer| layer.sort_unstable());
    layers
}

/// Pairs of positions: the first is sent before the second.
fn dependencies(entries: &[ExportEntry], phase: ExportPhase) -> Vec<(usize, usize)> {
    let by_place: HashMap<String, usize> = entries
        .iter()
        .enumerate()
        .filter_map(|(position, entry)| Some((place_after(entry)?.normalised(), position)))
        .collect();
    let standing: HashMap<String, usize> = entries
        .iter()
        .enumerate()
        .filter(|(_, entry)| leaves(entry))
        .filter_map(|(position, entry)| Some((entry.dn.as_ref()?.normalised(), position)))
        .collect();
    let by_id: HashMap<CsId, usize> =
        entries.iter().enumerate().map(|(position, entry)| (entry.id, position)).collect();
    let mut pairs = Vec::new();
    for (position, entry) in entries.iter().enumerate() {
        let container = place_after(entry).and_then(|dn| dn.parent());
        if let Some(above) = container.and_then(|dn| by_place.get(&dn.normalised()).copied())
            && above != position
        {
            pairs.push(match phase {
                ExportPhase::Removals => (position, above),
                ExportPhase::Writes if moves(&entries[above]) => (above, position),
                ExportPhase::Writes => continue,
            });
        }
        // A name is free when its holder has left it.
        if phase == ExportPhase::Writes
            && moves(entry)
            && let Some(holder) = place_after(entry).and_then(|dn| standing.get(&dn.normalised()).copied())
            && holder != position
        {
            pairs.push((holder, position));
        }
        if phase == ExportPhase::Writes {
            // A system that references by name must know the name before it is used.
            let targets = entry.references.iter().filter(|reference| reference.add);
            pairs.extend(
                targets
                    .filter_map(|reference| by_id.get(&reference.member).copied())
                    .filter(|target| *target != position && moves(&entries[*target]))
                    .map(|target| (target, position)),
            );
        }
    }
    pairs
}

/// Where the object stands once it is sent.
fn place_after(entry: &ExportEntry) -> Option<&Dn> {
    match entry.pending.as_ref().map(|pending| &pending.operation) {
        Some(PendingOperation::Update { rename: Some(dn), .. }) => Some(dn),
        _ => entry.dn.as_ref(),
    }
}

/// Whether sending the entry frees the place where it stands.
fn leaves(entry: &ExportEntry) -> bool {
    matches!(
        entry.pending.as_ref().map(|pending| &pending.operation),
        Some(PendingOperation::Update { rename: Some(_), .. })
    )
}

/// Whether sending the entry makes or changes its place.
fn moves(entry: &ExportEntry) -> bool {
    matches!(
        entry.pending.as_ref().map(|pending| &pending.operation),
        Some(
            PendingOperation::Add { .. }
                | PendingOperation::Restore { .. }
                | PendingOperation::Update { rename: Some(_), .. }
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use metaverse_schema::{Anchor, Attributes, AttributesDelta};
    use sync_kernel::{DeleteCause, Ownership, PendingExport, SentState};
    use sync_store::ExportReference;

    fn entry(id: i64, dn: &str, operation: Option<PendingOperation>, members: &[i64]) -> ExportEntry {
        ExportEntry {
            id: CsId(id),
            object_type: "object".into(),
            anchor: None,
            dn: Some(dn.parse().unwrap()),
            mv: None,
            pending: operation.map(|operation| PendingExport { operation, state: SentState::Pending, grace: None }),
            references: members
                .iter()
                .map(|member| ExportReference {
                    attribute: "member".into(),
                    member: CsId(*member),
                    target: Anchor::Text(member.to_string()),
                    target_dn: None,
                    target_type: "object".into(),
                    add: true,
                })
                .collect(),
            was_in_flight: false,
            unanswered: Attributes::new(),
            more_references: false,
            waits_for: None,
            holds_others: false,
            reclaims: false,
            unseen: false,
        }
    }

    fn add() -> Option<PendingOperation> {
        Some(PendingOperation::Add { attributes: Attributes::new() })
    }

    fn delete() -> Option<PendingOperation> {
        Some(PendingOperation::Delete { cause: DeleteCause::DeletedInSource, ownership: Ownership::Provisioned })
    }

    fn rename(to: &str) -> Option<PendingOperation> {
        Some(PendingOperation::Update {
            rename: Some(to.parse().unwrap()),
            changes: AttributesDelta::default(),
            afterwards: AttributesDelta::default(),
            takeover: false,
        })
    }

    #[test]
    fn containers_are_made_before_what_stands_in_them_and_removed_after_it() {
        let adds = [
            entry(1, "CN=a,OU=inner,OU=outer", add(), &[]),
            entry(2, "OU=outer", add(), &[]),
            entry(3, "OU=inner,OU=outer", add(), &[]),
            entry(4, "CN=b", add(), &[]),
        ];
        assert_eq!(layers(&adds, ExportPhase::Writes), [vec![vec![1], vec![3]], vec![vec![2]], vec![vec![0]]]);
        let removals = adds.map(|entry| ExportEntry {
            pending: delete().map(|operation| PendingExport { operation, state: SentState::Pending, grace: None }),
            ..entry
        });
        assert_eq!(layers(&removals, ExportPhase::Removals), [vec![vec![0], vec![3]], vec![vec![2]], vec![vec![1]]]);
    }

    #[test]
    fn a_new_name_comes_before_its_use_and_a_circle_is_broken() {
        let entries = [
            entry(1, "CN=group", None, &[2]),
            entry(2, "CN=old", rename("CN=new"), &[]),
            entry(3, "CN=x", rename("CN=y"), &[4]),
            entry(4, "CN=v", rename("CN=w"), &[3]),
            // What stays where it is need not be waited for.
            entry(5, "CN=other", None, &[1]),
        ];
        assert_eq!(
            layers(&entries, ExportPhase::Writes),
            [vec![vec![1], vec![2, 3], vec![4]], vec![vec![0]]],
            "who points at each other goes together"
        );
    }

    /// T21 the other way round: who leaves a name goes before who takes it, and two that change places go in one batch.
    #[test]
    fn t21_a_name_is_left_before_it_is_taken_and_a_swap_goes_together() {
        let entries = [
            entry(1, "CN=x", add(), &[]),
            entry(2, "CN=b", rename("CN=x2"), &[]),
            entry(3, "CN=a", rename("CN=B"), &[]),
            entry(4, "CN=p", rename("CN=q"), &[]),
            entry(5, "CN=q", rename("CN=p"), &[]),
            // A change of case leaves no place.
            entry(6, "CN=case", rename("CN=Case"), &[]),
        ];
        assert_eq!(layers(&entries, ExportPhase::Writes), [vec![vec![0], vec![1], vec![3, 4], vec![5]], vec![vec![2]]]);
    }
}
