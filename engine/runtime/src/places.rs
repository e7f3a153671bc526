//! Containers: which ones a space has, and whether rules read where objects stand. Objects below a moved container keep
//! their own image and get another DN; where rules read it, the store queues them with the page that moved it.

use crate::names::name_by_id;
use crate::reading::Reading;
use metaverse_schema::{AttributeName, Dn};
use serde::Serialize;
use std::collections::BTreeMap;
use sync_rules::{Direction, FlowSource, Rule, RuleSet};
use sync_store::StoreError;

/// Objects of one page of a scan.
const PAGE: usize = 1_000;

/// The attribute by which expressions read an object's DN.
const DN: &str = "dn";

/// Whether an inbound rule of the connector reads where its objects stand.
pub(crate) fn reads_dn(rules: &RuleSet, connector: &str) -> bool {
    let is_dn = |name: &AttributeName| *name == *DN;
    let reads = |rule: &Rule| {
        let in_scope = rule.scope.iter().flatten().any(|clause| is_dn(&clause.attribute));
        let in_join = rule
            .join
            .iter()
            .flat_map(|group| &group.clauses)
            .any(|clause| clause.source.attributes().iter().any(is_dn));
        let in_flow = rule.flows.iter().any(|flow| match &flow.source {
            FlowSource::Direct(source) => is_dn(source),
            FlowSource::Expression(expression) => expression.attributes().iter().any(is_dn),
            FlowSource::Constant(_) => false,
        });
        in_scope || in_join || in_flow
    };
    rules.rules.iter().filter(|rule| rule.direction == Direction::Inbound && &*rule.connector == connector).any(reads)
}

/// A container that objects of a space stand in.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct ContainerLine {
    pub dn: String,
    pub anchor: Option<String>,
    /// Objects that stand directly in it.
    pub objects: u64,
    /// Those, and the ones further below.
    pub below: u64,
}

impl Reading<'_> {
    /// The containers of a space that hold objects, directly or further below; parents before children.
    pub fn containers(&self, connector: &str) -> Result<Vec<ContainerLine>, StoreError> {
        let mut lines: BTreeMap<Vec<String>, (Dn, u64, u64)> = BTreeMap::new();
        let mut after = None;
        loop {
            let page = self.store.list_objects(connector, after, PAGE)?;
            let Some(last) = page.last().map(|object| object.id) else { break };
            after = Some(last);
            for dn in page.into_iter().filter_map(|object| object.dn?.parse::<Dn>().ok()) {
                let mut container = dn.parent();
                let mut directly = 1;
                while let Some(place) = container.filter(|place| !place.rdns().is_empty()) {
                    container = place.parent();
                    let key: Vec<String> = place.rdns().iter().rev().map(|rdn| rdn.normalised()).collect();
                    let line = lines.entry(key).or_insert((place, 0, 0));
                    line.1 += directly;
                    line.2 += 1;
                    directly = 0;
                }
            }
        }
        lines
            .into_values()
            .map(|(dn, objects, below)| {
                let dn = dn.to_string();
                let found = self.store.find_object(connector, &dn)?;
                let anchor = match found.as_slice() {
                    [one] => name_by_id(self.store, *one)?.anchor,
                    _ => None,
                };
                Ok(ContainerLine { dn, anchor, objects, below })
            })
            .collect()
    }
}
