//! What the rules would have each connector write, as far as that can be said without an object: for asking, before the
//! first export, whether the connector's account may. Decides nothing about any object.

use connector_contract::IntendedExport;
use metaverse_schema::ObjectType;
use std::collections::{BTreeMap, BTreeSet};
use sync_rules::{ConnectorName, DeprovisionAction, Direction, LinkType, Rule, RuleSet};

/// By connector, one entry for each type of objects that outbound rules write to.
pub(crate) fn intended_exports(rules: &RuleSet) -> BTreeMap<ConnectorName, Vec<IntendedExport>> {
    let mut all: BTreeMap<ConnectorName, Vec<IntendedExport>> = BTreeMap::new();
    for rule in rules.rules.iter().filter(|rule| rule.direction == Direction::Outbound) {
        let intended = all.entry(rule.connector.clone()).or_default();
        for object_type in written_types(rules, rule) {
            let position = intended.iter().position(|one| one.object_type == object_type).unwrap_or(intended.len());
            if position == intended.len() {
                intended.push(IntendedExport::of(object_type));
            }
            add(&mut intended[position], rule);
        }
    }
    all
}

/// A rule for any type writes to what the connector's own objects of that metaverse type come from.
fn written_types(rules: &RuleSet, rule: &Rule) -> Vec<ObjectType> {
    match &rule.target_type {
        Some(named) => vec![named.clone()],
        None => rules
            .rules
            .iter()
            .filter(|other| other.direction == Direction::Inbound && other.connector == rule.connector)
            .filter(|other| rule.source_type.is_none() || other.target_type == rule.source_type)
            .filter_map(|other| other.source_type.clone())
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect(),
    }
}

fn add(intended: &mut IntendedExport, rule: &Rule) {
    let provisions = rule.link == LinkType::Provision;
    intended.creates |= provisions;
    intended.deletes |= provisions && rule.deprovision.provisioned == DeprovisionAction::Delete;
    for flow in rule.flows.iter().filter(|flow| !flow.once) {
        if flow.target == "dn" {
            intended.renames = true;
        } else {
            intended.attributes.insert(flow.target.clone());
        }
    }
}
