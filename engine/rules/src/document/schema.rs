//! Checks a rule set against the schemas that connectors offer: names, kinds, what can be written.

use super::flows::mismatch;
use super::join_key;
use super::metaverse::{MetaverseKinds, Parameters};
use super::scope::unfit;
use crate::diagnostic::{Diagnostic, Severity};
use crate::expression::{Expression, Kinds, KnownKind, Lookup};
use crate::model::{ConnectorName, Direction, Flow, FlowSource, LinkType, Rule, RuleSet, SourcePlace, WatchedGroup};
use crate::suggest::did_you_mean;
use metaverse_schema::{
    AttributeDefinition, AttributeName, ConnectorSchema, ObjectType, Plurality, ValueKind, active_directory,
};
use std::collections::BTreeMap;

/// Everything that does not fit. Rules of connectors without a schema are passed over. Sorted by file and place.
pub fn check_against(rules: &RuleSet, schemas: &BTreeMap<ConnectorName, ConnectorSchema>) -> Vec<Diagnostic> {
    let well_known = active_directory::schema();
    let mut checker = Checker { rules, well_known: &well_known, found: Vec::new() };
    for rule in &rules.rules {
        if let Some(schema) = schemas.get(&rule.connector) {
            checker.rule(rule, schema);
        }
    }
    let mut found = checker.found;
    found.sort_by(|left, right| {
        (&left.file, left.span.start, left.code, &left.message).cmp(&(
            &right.file,
            right.span.start,
            right.code,
            &right.message,
        ))
    });
    found.dedup();
    found
}

/// Scope clauses about groups that the connector space does not have (S8): nobody is a member of them.
pub fn check_groups(rules: &RuleSet, missing: &[WatchedGroup]) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for rule in &rules.rules {
        for (clause, place) in rule.scope.iter().flatten().zip(rule.scope_places.iter().flatten()) {
            let group =
                clause.operand.first().map(ToString::to_string).filter(|_| clause.operator.is_about_membership());
            let Some(group) = group else { continue };
            if !missing.iter().any(|missing| missing.connector == rule.connector && missing.group == group) {
                continue;
            }
            found.push(Diagnostic {
                code: "scope-group-not-found",
                severity: Severity::Warning,
                file: place.file.clone(),
                span: place.span.clone(),
                message: format!("`{}` has no group `{group}`, so nobody is its member", rule.connector),
                label: "not imported".to_owned(),
                help: "write the group's DN or anchor as `metasync search` shows it, and import it".to_owned(),
            });
        }
    }
    found
}

/// The connector's side of a rule.
struct ConnectorKinds<'a> {
    schema: &'a ConnectorSchema,
    well_known: &'a ConnectorSchema,
    parameters: Parameters<'a>,
}

impl ConnectorKinds<'_> {
    fn find(&self, name: &str) -> Option<&AttributeDefinition> {
        self.schema.attributes.get(name).or_else(|| {
            // A directory without the schema extension of Exchange lacks attributes that the shipped rules read; they
            // are simply absent there, and no mistake.
            self.well_known.attributes.get(name).filter(|_| self.is_active_directory())
        })
    }

    fn help(&self, name: &str) -> String {
        let suggestion = did_you_mean(name, self.schema.attributes.keys().map(AttributeName::as_str));
        match (suggestion.is_empty(), self.is_active_directory()) {
            (true, true) => {
                "a forest has more attributes than are imported: add it to `attributes` of the connector".into()
            }
            _ => suggestion,
        }
    }

    fn is_active_directory(&self) -> bool {
        self.schema.attributes.contains_key("sAMAccountName")
    }
}

impl Kinds for ConnectorKinds<'_> {
    fn attribute(&self, name: &str) -> Lookup {
        match (name, self.find(name)) {
            ("dn", None) => Lookup::Known(ValueKind::Reference, Plurality::Single),
            ("rdn", None) => Lookup::Known(ValueKind::Text, Plurality::Single),
            (_, Some(definition)) => Lookup::Known(definition.kind, definition.plurality),
            (_, None) => Lookup::Missing { help: self.help(name) },
        }
    }

    fn parameter(&self, name: &str) -> Lookup {
        self.parameters.lookup(name)
    }
}

/// The attributes of one side of a join.
struct KeyKinds<'a> {
    kinds: &'a ConnectorKinds<'a>,
    is_looked_up: bool,
}

impl Kinds for KeyKinds<'_> {
    fn attribute(&self, name: &str) -> Lookup {
        match name {
            "dn" | "rdn" if self.is_looked_up => Lookup::Known(ValueKind::Reference, Plurality::Single),
            "dn" | "rdn" => Lookup::Known(ValueKind::Text, Plurality::Single),
            _ => self.kinds.attribute(name),
        }
    }

    fn parameter(&self, name: &str) -> Lookup {
        self.kinds.parameter(name)
    }
}

struct Checker<'a> {
    rules: &'a RuleSet,
    well_known: &'a ConnectorSchema,
    found: Vec<Diagnostic>,
}

impl Checker<'_> {
    fn report(
        &mut self,
        severity: Severity,
        code: &'static str,
        place: &SourcePlace,
        message: String,
        label: &str,
        help: String,
    ) {
        self.found.push(Diagnostic {
            code,
            severity,
            file: place.file.clone(),
            span: place.span.clone(),
            message,
            label: label.to_owned(),
            help,
        });
    }

    fn rule(&mut self, rule: &Rule, schema: &ConnectorSchema) {
        let parameters = Parameters(Some(&self.rules.parameters));
        let connector = ConnectorKinds { schema, well_known: self.well_known, parameters };
        let (connector_type, metaverse_type) = match rule.direction {
            Direction::Inbound => (&rule.source_type, &rule.target_type),
            Direction::Outbound => (&rule.target_type, &rule.source_type),
        };
        let metaverse =
            MetaverseKinds { schema: &self.rules.metaverse, object_type: metaverse_type.as_ref(), parameters };
        let group_types = rule.join.iter().filter_map(|group| group.target_type.as_ref());
        let group_types = group_types.filter(|_| rule.direction == Direction::Outbound);
        for class in connector_type.iter().chain(group_types) {
            self.class(rule, class, schema);
        }
        if rule.direction == Direction::Inbound {
            self.scope(rule, &connector);
        }
        self.creates(rule, schema);
        self.joins(rule, &connector, &metaverse);
        for flow in &rule.flows {
            match rule.direction {
                Direction::Inbound => self.inbound_flow(flow, &connector, &metaverse),
                Direction::Outbound => self.outbound_flow(rule, flow, &connector, &metaverse),
            }
        }
        self.takeover(rule, &connector);
    }

    fn class(&mut self, rule: &Rule, class: &ObjectType, schema: &ConnectorSchema) {
        if *class != "*" && !schema.classes.contains_key(class) {
            let message = format!("`{}` has no objects of type `{class}`", rule.connector);
            let is_active_directory = schema.attributes.contains_key("sAMAccountName");
            let help = if is_active_directory && self.well_known.classes.contains_key(class) {
                let connector = &rule.connector;
                format!("import it: add \"{class}\" to object_classes under [connector.{connector}.settings]")
            } else {
                did_you_mean(class.as_str(), schema.classes.keys().map(ObjectType::as_str))
            };
            self.report(Severity::Error, "class-unknown", &rule.place, message, "in this rule", help);
        }
    }

    /// A directory's own containers (`container`, the domain itself) are no objects of the metaverse and never created. What
    /// a mode merely cannot create (distribution groups in Graph mode) is a limitation of its objects, not of the rule.
    fn creates(&mut self, rule: &Rule, schema: &ConnectorSchema) {
        let Some(class) = rule.target_type.as_ref().filter(|_| rule.direction == Direction::Outbound) else {
            return;
        };
        let never = schema.classes.get(class).is_some_and(|class| class.container && !class.creatable);
        if never && rule.link == LinkType::Provision {
            let message =
                format!("objects of type `{class}` are containers of `{}` and are never created", rule.connector);
            let creatable = schema.classes.values().filter(|class| class.creatable);
            let names: Vec<&str> = creatable.map(|class| class.name.as_str()).collect();
            let help = format!("what can be created: {}", names.join(", "));
            self.report(Severity::Error, "class-not-creatable", &rule.place, message, "in this rule", help);
        }
    }

    fn unknown(&mut self, place: &SourcePlace, name: &str, help: String) {
        let message = format!("the connected system has no attribute `{name}`");
        self.report(Severity::Error, "attribute-unknown", place, message, "unknown attribute", help);
    }

    fn scope(&mut self, rule: &Rule, connector: &ConnectorKinds<'_>) {
        for (clauses, places) in rule.scope.iter().zip(&rule.scope_places) {
            for (clause, place) in clauses.iter().zip(places) {
                match connector.attribute(clause.attribute.as_str()) {
                    Lookup::Missing { help } => self.unknown(place, clause.attribute.as_str(), help),
                    Lookup::Known(kind, _) => {
                        if let Some((code, message, label, help)) = unfit(clause, kind) {
                            self.report(Severity::Error, code, place, message, label, help);
                        }
                    }
                    Lookup::Unknown => {}
                }
            }
        }
    }

    fn joins(&mut self, rule: &Rule, connector: &ConnectorKinds<'_>, metaverse: &MetaverseKinds<'_>) {
        for group in &rule.join {
            let is_list = join_key::only_lists(&group.criterion) && rule.direction == Direction::Outbound;
            for clause in &group.clauses {
                let (side, other, is_looked_up) = match rule.direction {
                    Direction::Inbound => (&clause.source, &clause.target, false),
                    Direction::Outbound => (&clause.target, &clause.source, true),
                };
                let Some(known) = self.expression(side, connector, &rule.place) else { continue };
                let place = side.place().unwrap_or(&rule.place).clone();
                // An object knows its own place, and no index does.
                let kinds = KeyKinds { kinds: connector, is_looked_up };
                if let Some(problem) = join_key::problem(side, known, &kinds, is_list) {
                    let help = problem.help.to_owned();
                    self.report(Severity::Error, problem.code, &place, problem.message, problem.label, help);
                    continue;
                }
                let of_metaverse = other.check(metaverse).ok().and_then(|known| known.kind);
                if let (Some(kind), Some(other)) = (known.kind, of_metaverse)
                    && kind != other
                {
                    let (kind, other) = (kind.with_article(), other.with_article());
                    let message = format!("{kind} of the connected system never equals {other} of the metaverse");
                    let help = "convert one side".to_owned();
                    self.report(Severity::Error, "join-type-mismatch", &place, message, kind, help);
                }
            }
        }
    }

    /// Checks an expression; its problems stand where its text stands.
    fn expression(&mut self, expression: &Expression, kinds: &dyn Kinds, fallback: &SourcePlace) -> Option<KnownKind> {
        let problems = match expression.check(kinds) {
            Ok(known) => return Some(known),
            Err(problems) => problems,
        };
        let place = expression.place().unwrap_or(fallback);
        for problem in problems {
            let mut place = place.clone();
            // A text with TOML escapes cannot be pointed into; then the whole of it is meant.
            if place.span.len() == expression.text().len() {
                place.span = place.span.start + problem.span.start..place.span.start + problem.span.end;
            }
            self.report(Severity::Error, problem.code, &place, problem.message, "in this expression", problem.help);
        }
        None
    }

    /// What a flow gives, as far as its source is known.
    fn given(&mut self, flow: &Flow, source: &dyn Kinds) -> Option<KnownKind> {
        match &flow.source {
            FlowSource::Constant(value) => {
                Some(KnownKind { kind: Some(value.kind().into()), plurality: Some(Plurality::Single), nothing: false })
            }
            FlowSource::Expression(expression) => self.expression(expression, source, &flow.place),
            FlowSource::Direct(name) => match source.attribute(name.as_str()) {
                Lookup::Known(kind, plurality) => {
                    Some(KnownKind { kind: Some(kind.into()), plurality: Some(plurality), nothing: false })
                }
                Lookup::Unknown => Some(KnownKind::default()),
                Lookup::Missing { help } => {
                    self.unknown(&flow.place, name.as_str(), help);
                    None
                }
            },
        }
    }

    fn fits(&mut self, flow: &Flow, known: KnownKind, kind: ValueKind, plurality: Plurality) {
        if let Some((code, message, label, help)) = mismatch(flow, known, kind, plurality) {
            self.report(Severity::Error, code, &flow.place, message, label, help);
        }
    }

    fn inbound_flow(&mut self, flow: &Flow, connector: &ConnectorKinds<'_>, metaverse: &MetaverseKinds<'_>) {
        if let Some(known) = self.given(flow, connector)
            && let Some(target) = metaverse.find(flow.target.as_str())
        {
            self.fits(flow, known, target.kind, target.plurality);
        }
    }

    fn outbound_flow(
        &mut self,
        rule: &Rule,
        flow: &Flow,
        connector: &ConnectorKinds<'_>,
        metaverse: &MetaverseKinds<'_>,
    ) {
        let Some(known) = self.given(flow, metaverse) else {
            return;
        };
        if flow.target == "dn" {
            return;
        }
        if let Some(reason) = connector.schema.never_written.get(flow.target.as_str()) {
            let message = format!("`{}` can never be written: {reason}", flow.target);
            let help = "remove the flow".to_owned();
            self.report(Severity::Error, "flow-target-never-written", &flow.place, message, "never written", help);
            return;
        }
        let Some(target) = connector.schema.attributes.get(flow.target.as_str()) else {
            let message = format!("the connected system has no attribute `{}`", flow.target);
            let label = format!("flows to `{}`", flow.target);
            let help = connector.help(flow.target.as_str());
            self.report(Severity::Error, "attribute-unknown", &flow.place, message, &label, help);
            return;
        };
        if target.kind == ValueKind::Secret {
            let message = format!("`{}` is a secret: the connector sets it itself, no rule does", flow.target);
            let help = "remove the flow".to_owned();
            self.report(Severity::Error, "flow-to-secret", &flow.place, message, "a secret", help);
            return;
        }
        self.fits(flow, known, target.kind, target.plurality);
        let class = rule.target_type.as_ref().map_or("", |class| class.as_str());
        // Where the connector states its limits by type, `check_limits` tells it with the reason.
        let limits = connector.schema.limits.iter().any(|limit| limit.class == class);
        if !target.writable && !limits && !self.rules.watches_addresses(rule, &flow.target) {
            let message = format!(
                "`{}` cannot be written in this mode; where it differs it is listed as a limitation",
                flow.target
            );
            let help = "keep the flow to have differences listed, or remove it".to_owned();
            self.report(Severity::Warning, "flow-target-read-only", &flow.place, message, "read-only", help);
        }
    }

    fn takeover(&mut self, rule: &Rule, connector: &ConnectorKinds<'_>) {
        let Some(takeover) = &rule.takeover else {
            return;
        };
        let named = [&takeover.sign_in_name, &takeover.enabled, &takeover.addresses, &takeover.stamp];
        for name in named.into_iter().flatten() {
            if !connector.schema.attributes.contains_key(name) {
                self.unknown(&rule.place, name.as_str(), connector.help(name.as_str()));
            }
        }
        for never in &takeover.never {
            self.expression(&never.when, connector, &rule.place);
        }
    }
}
