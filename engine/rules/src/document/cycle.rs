//! Finds values that feed themselves: an attribute that flows into the metaverse, out again, and back into what it was
//! computed from. `ImportedValue` reads only what an import confirmed and is the way to say that such a loop is meant.

use super::rules::Draft;
use crate::diagnostic::{Diagnostic, Severity};
use crate::model::{Direction, Flow, FlowSource, Rule};
use metaverse_schema::ObjectType;
use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use std::collections::BTreeMap;

/// Attributes and the flows between them.
#[derive(Default)]
struct Dependencies<'d> {
    graph: DiGraph<String, (&'d Rule, &'d Flow)>,
    nodes: BTreeMap<String, NodeIndex>,
}

impl Dependencies<'_> {
    fn node(&mut self, space: &str, object_type: Option<&ObjectType>, attribute: &str) -> NodeIndex {
        let object_type = object_type.map_or("*", ObjectType::as_str);
        let name = format!("{space}:{object_type}.{attribute}");
        let graph = &mut self.graph;
        *self.nodes.entry(name.clone()).or_insert_with(|| graph.add_node(name))
    }
}

pub(crate) fn check(drafts: &[Draft]) -> Vec<Diagnostic> {
    let mut dependencies = Dependencies::default();
    for rule in drafts.iter().filter(|draft| !draft.disabled).map(|draft| &draft.rule) {
        let (source_space, target_space) = match rule.direction {
            Direction::Inbound => (&*rule.connector, "metaverse"),
            Direction::Outbound => ("metaverse", &*rule.connector),
        };
        for flow in &rule.flows {
            let target = dependencies.node(target_space, rule.target_type.as_ref(), flow.target.as_str());
            for attribute in read_attributes(flow) {
                let source = dependencies.node(source_space, rule.source_type.as_ref(), &attribute);
                dependencies.graph.add_edge(source, target, (rule, flow));
            }
        }
    }
    let graph = &dependencies.graph;
    let mut found = Vec::new();
    // A flow leads from one space to another, so a loop has at least two nodes.
    for component in tarjan_scc(graph).into_iter().filter(|component| component.len() >= 2) {
        let inside = |node: &NodeIndex| component.contains(node);
        let mut flows: Vec<(&Rule, &Flow)> = graph
            .edge_indices()
            .filter(|edge| graph.edge_endpoints(*edge).is_some_and(|(from, to)| inside(&from) && inside(&to)))
            .map(|edge| graph[edge])
            .collect();
        if flows.is_empty() {
            continue;
        }
        flows.sort_by_key(|(rule, flow)| (rule.precedence, flow.target.clone()));
        found.push(describe(&flows, component.iter().map(|node| graph[*node].clone()).collect()));
    }
    found
}

fn read_attributes(flow: &Flow) -> Vec<String> {
    match &flow.source {
        FlowSource::Direct(name) => vec![name.to_string()],
        FlowSource::Constant(_) => Vec::new(),
        FlowSource::Expression(expression) => expression.live_attributes().iter().map(ToString::to_string).collect(),
    }
}

fn describe(flows: &[(&Rule, &Flow)], mut attributes: Vec<String>) -> Diagnostic {
    attributes.sort();
    // A value that is only passed on comes back the same; a computed one may grow with every round.
    let computed = flows.iter().any(|(_, flow)| matches!(flow.source, FlowSource::Expression(_)));
    let mut rules: Vec<&str> = flows.iter().map(|(rule, _)| &*rule.id).collect();
    rules.dedup();
    let place = flows.last().map(|(_, flow)| flow.place.clone()).unwrap_or_default();
    Diagnostic {
        code: "rule-cycle",
        severity: if computed { Severity::Error } else { Severity::Warning },
        file: place.file,
        span: place.span,
        message: format!(
            "these attributes are computed from each other: {} (rules {})",
            attributes.join(", "),
            rules.join(", ")
        ),
        label: "closes the loop".to_owned(),
        help: "remove one of the flows, or read the source side with ImportedValue(\"...\") where the loop is meant"
            .to_owned(),
    }
}
