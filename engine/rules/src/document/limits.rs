//! What the rules ask of a connected system and its connector cannot do there: by rule and place, before anything is exported.
//! Compares rules with the limits that a connector states; asks no system and decides nothing about any object.

use crate::diagnostic::{Diagnostic, Severity};
use crate::model::{
    ConnectorName, DeprovisionAction, Direction, Flow, LinkType, MergeType, Rule, RuleSet, SourcePlace,
};
use metaverse_schema::{ConnectorSchema, ExportLimit, LimitedExport, ObjectType, Plurality, ValueKind};
use std::collections::BTreeMap;

/// An attribute that only the package `exchange-hybrid` brings; a target that has it can hold the others too.
const EXCHANGE_MARK: &str = "msExchMailboxGuid";

/// Every demand that meets a limit. A note is what the rule names itself, or what follows from a default; a warning or an error
/// is a demand that somebody should take back. Sorted by file and place.
pub fn check_limits(rules: &RuleSet, schemas: &BTreeMap<ConnectorName, ConnectorSchema>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for rule in rules.rules.iter().filter(|rule| rule.direction == Direction::Outbound) {
        let (Some(schema), Some(class)) = (schemas.get(&rule.connector), &rule.target_type) else { continue };
        of_rule(rule, class, schema, rules, &mut found);
    }
    for (name, schema) in schemas {
        let is_target = rules.rules.iter().any(|rule| rule.direction == Direction::Outbound && rule.connector == *name);
        if is_target {
            packages(rules, name, schema, &mut found);
        }
    }
    found.sort_by(|left, right| {
        let key = |one: &Diagnostic| (one.file.clone(), one.span.start, one.code);
        key(left).cmp(&key(right))
    });
    found.dedup();
    found
}

fn of_rule(rule: &Rule, class: &ObjectType, schema: &ConnectorSchema, rules: &RuleSet, found: &mut Vec<Diagnostic>) {
    for limitation in &rule.limitations {
        let place = limitation.when.place().unwrap_or(&rule.place);
        found.push(Diagnostic {
            code: "limitation-named",
            severity: Severity::Note,
            file: place.file.clone(),
            span: place.span.clone(),
            message: format!("{}: {} (rule `{}`)", limitation.code, limitation.message, rule.id),
            label: "such objects are listed, and not written".to_owned(),
            help: format!("`metasync pending {}` counts them", rule.connector),
        });
    }
    if let Some(limit) = schema.limit(class.as_str(), &LimitedExport::Anything) {
        // A rule that names the limitation itself asks for a list, and gets it.
        let severity = if rule.limitations.is_empty() { Severity::Warning } else { Severity::Note };
        found.push(told("class-not-writable", severity, &rule.place, rule, limit, "in this rule"));
        return;
    }
    for flow in rule.flows.iter().filter(|flow| flow.target != "dn") {
        of_flow(rule, flow, class, schema, rules, found);
    }
    let acts = [rule.deprovision.provisioned, rule.deprovision.adopted, rule.leave.provisioned, rule.leave.adopted];
    if rule.link == LinkType::Provision
        && acts.contains(&DeprovisionAction::Detach)
        && let Some(limit) = schema.limit(class.as_str(), &LimitedExport::Detach)
    {
        found.push(told("deprovision-cannot-detach", Severity::Note, &rule.place, rule, limit, "in this rule"));
    }
}

fn of_flow(
    rule: &Rule,
    flow: &Flow,
    class: &ObjectType,
    schema: &ConnectorSchema,
    rules: &RuleSet,
    found: &mut Vec<Diagnostic>,
) {
    if let Some(limit) = schema.limit(class.as_str(), &LimitedExport::Lacks(flow.target.clone())) {
        found.push(told("flow-target-not-of-type", Severity::Error, &flow.place, rule, limit, "no such attribute"));
        return;
    }
    if let Some(limit) = schema.limit(class.as_str(), &LimitedExport::Write(flow.target.clone())) {
        let severity = if rules.watches_addresses(rule, &flow.target) { Severity::Note } else { Severity::Warning };
        found.push(told("flow-target-read-only", severity, &flow.place, rule, limit, "read-only"));
    }
    let list = schema
        .attributes
        .get(&flow.target)
        .is_some_and(|definition| definition.plurality == Plurality::Multi && definition.kind != ValueKind::Reference);
    if list
        && flow.merge != MergeType::Update
        && let Some(limit) = schema.limit(class.as_str(), &LimitedExport::Merge)
    {
        found.push(told("flow-cannot-merge", Severity::Warning, &flow.place, rule, limit, "merges into a list"));
    }
}

fn told(
    code: &'static str,
    severity: Severity,
    place: &SourcePlace,
    rule: &Rule,
    limit: &ExportLimit,
    label: &str,
) -> Diagnostic {
    Diagnostic {
        code,
        severity,
        file: place.file.clone(),
        span: place.span.clone(),
        message: format!("{}: {} (rule `{}`)", limit.code, limit.message, rule.id),
        label: label.to_owned(),
        help: limit.remedy.clone(),
    }
}

/// Packages of shipped rules whose half for this target was left out, because its mode cannot hold what they write.
fn packages(rules: &RuleSet, name: &ConnectorName, schema: &ConnectorSchema, found: &mut Vec<Diagnostic>) {
    let inbound = || rules.rules.iter().filter(|rule| rule.direction == Direction::Inbound && rule.connector != *name);
    let exchange = LimitedExport::Write(EXCHANGE_MARK.into());
    let exchange = schema.limits.iter().find(|limit| limit.what == exchange);
    let brings_exchange = |rule: &&Rule| rule.flows.iter().any(|flow| flow.target == EXCHANGE_MARK);
    let devices = schema.limit("device", &LimitedExport::Anything);
    let brings_devices = |rule: &&Rule| rule.target_type.as_ref().is_some_and(|target| *target == "device");
    for (package, limit, rule) in [
        ("exchange-hybrid", exchange, inbound().find(brings_exchange)),
        ("devices", devices, inbound().find(brings_devices)),
    ] {
        let (Some(limit), Some(rule)) = (limit, rule) else { continue };
        found.push(Diagnostic {
            code: "package-not-written",
            severity: Severity::Note,
            file: rule.place.file.clone(),
            span: rule.place.span.clone(),
            message: format!(
                "{}: what the package `{package}` brings into the metaverse is not written to `{name}`: {}",
                limit.code, limit.message
            ),
            label: "in this rule".to_owned(),
            help: limit.remedy.clone(),
        });
    }
}
