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

/// Positions of the entries in layers: all of a layer may be on their way at once, a layer waits for the one before.
pub(crate) fn layers(entries: &[ExportEntry], phase: ExportPhase) -> Vec<Vec<usize>> {
    let mut graph: Graph<usize, ()> = Graph::with_capacity(entries.len(), entries.len());
    let nodes: Vec<NodeIndex> = (0..entries.len()).map(|position| graph.add_node(position)).collect();
    for (first, then) in dependencies(entries, phase) {
        graph.add_edge(nodes[first], nodes[then], ());
    }
    // Entries that depend on each other in a circle become one node, and with it one layer.
    let circles = condensation(graph, true);
    let Ok(order) = toposort(&circles, None) else {
        // A condensed graph has no circle left.
        return vec![(0..entries.len()).collect()];
    };
    let mut depth: HashMap<NodeIndex, usize> = HashMap::new();
    let mut layers: Vec<Vec<usize>> = Vec::new();
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
        layers[before].extend(&circles[node]);
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
            pending: operation.map(|operation| PendingExport { operation, state: SentState::Pending }),
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
            more_references: false,
            name: dn.to_owned(),
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
        assert_eq!(layers(&adds, ExportPhase::Writes), [vec![1, 3], vec![2], vec![0]]);
        let removals = adds.map(|entry| ExportEntry {
            pending: delete().map(|operation| PendingExport { operation, state: SentState::Pending }),
            ..entry
        });
        assert_eq!(layers(&removals, ExportPhase::Removals), [vec![0, 3], vec![2], vec![1]]);
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
        assert_eq!(layers(&entries, ExportPhase::Writes), [vec![1, 2, 3, 4], vec![0]]);
    }
}
