//! Containers: which ones an import moved, and which ones a space has. Objects below a moved container keep their own image
//! and get another DN; where rules read the DN, they are due again.

use crate::engine::Engine;
use crate::names::name_by_id;
use crate::reading::Reading;
use metaverse_schema::{AttributeName, Dn};
use serde::Serialize;
use std::collections::BTreeMap;
use sync_kernel::CsId;
use sync_rules::{ConnectorName, Direction, FlowSource, Rule, RuleSet};
use sync_store::{StagedItem, StoreError};

/// Objects of one page of a scan.
const PAGE: usize = 1_000;

/// The attribute by which expressions read an object's DN.
const DN: &str = "dn";

/// A container and where it stood before a page of an import.
pub(crate) struct Stood {
    container: CsId,
    dn: Option<String>,
}

impl Engine {
    /// Where the containers of a page stand before it is staged. Nothing, when no rule of the connector reads a DN.
    pub(crate) fn containers_of(
        &self,
        connector: &ConnectorName,
        schema: &metaverse_schema::ConnectorSchema,
        items: &[StagedItem],
    ) -> Result<Vec<Stood>, StoreError> {
        if !reads_dn(&self.rules, connector) {
            return Ok(Vec::new());
        }
        let mut stood = Vec::new();
        for item in items {
            let (anchor, object_type) = match item {
                StagedItem::Object(object) => (&object.anchor, &object.object_type),
                StagedItem::Change(change) => (&change.anchor, &change.object_type),
                _ => continue,
            };
            if !schema.is_container(object_type.as_str()) {
                continue;
            }
            for container in self.store.find_object(connector, &anchor.to_string())? {
                stood.push(Stood { container, dn: name_by_id(&self.store, container)?.dn });
            }
        }
        Ok(stood)
    }

    /// Makes everything below a container that moved due.
    pub(crate) fn follow_containers(&mut self, stood: Vec<Stood>) -> Result<(), StoreError> {
        for before in stood {
            if name_by_id(&self.store, before.container)?.dn != before.dn {
                self.store.mark_below_dirty(before.container)?;
            }
        }
        Ok(())
    }
}

fn reads_dn(rules: &RuleSet, connector: &str) -> bool {
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
