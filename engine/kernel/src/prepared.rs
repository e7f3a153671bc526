//! Rules as decisions go through them: which apply to a connector's objects of a type, their flows in order, and what a flow
//! gives to an object that has nothing of what it reads. Made once per rule set; knows no object and decides nothing.

use crate::evaluate::flow_outcome;
use crate::join::same_join;
use foldhash::fast::FixedState;
use metaverse_schema::{AttributeName, ObjectType, Value, ValueKind, Values};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::{Deref, DerefMut};
use std::sync::OnceLock;
use sync_rules::{ConnectorName, Direction, Flow, FlowSource, Inputs, MetaverseAttribute, Outcome, Rule, RuleSet};

/// A rule set and, from the first decision on, what is known of it beforehand. Whoever changes the rules makes that be found
/// out again, so it is never that of other rules.
#[derive(Debug, Clone)]
pub struct PreparedRules {
    rules: RuleSet,
    prepared: OnceLock<Prepared>,
}

impl From<RuleSet> for PreparedRules {
    fn from(rules: RuleSet) -> Self {
        PreparedRules { rules, prepared: OnceLock::new() }
    }
}

impl Deref for PreparedRules {
    type Target = RuleSet;

    fn deref(&self) -> &RuleSet {
        &self.rules
    }
}

impl DerefMut for PreparedRules {
    fn deref_mut(&mut self) -> &mut RuleSet {
        self.prepared.take();
        &mut self.rules
    }
}

impl PreparedRules {
    pub(crate) fn prepared(&self) -> &Prepared {
        self.prepared.get_or_init(|| Prepared::of(&self.rules))
    }
}

/// Where the values of an attribute stand in an [`Index`](crate::index::Index).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot(pub(crate) usize);

/// A slot for every attribute that a rule reads, but for `dn` and `rdn`, which an image does not hold.
#[derive(Debug, Clone, Default)]
pub(crate) struct Slots(HashMap<AttributeName, Slot, FixedState>);

impl Slots {
    pub(crate) fn of(&self, name: &str) -> Option<Slot> {
        self.0.get(name).copied()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Prepared {
    pub(crate) slots: Slots,
    groups: Vec<RuleGroup>,
    /// By rule: the first rule that looks for partners as this one does.
    joins: Vec<usize>,
    /// By type of the metaverse.
    references: HashMap<ObjectType, References, FixedState>,
}

/// The reference attributes of one type of metaverse objects: their rows are no values.
#[derive(Debug, Clone)]
pub(crate) struct References {
    /// In order.
    names: Vec<AttributeName>,
    /// By slot: whether it is that of one of them.
    sources: Vec<bool>,
    /// The same by rank of a target.
    targets: Vec<bool>,
}

impl References {
    fn of(declared: &BTreeMap<AttributeName, MetaverseAttribute>, slots: &Slots, targets: &[&AttributeName]) -> Self {
        let names: Vec<AttributeName> = declared
            .iter()
            .filter(|(_, attribute)| attribute.kind == ValueKind::Reference)
            .map(|(name, _)| name.clone())
            .collect();
        let mut sources = vec![false; slots.len()];
        names.iter().filter_map(|name| slots.of(name.as_str())).for_each(|Slot(position)| sources[position] = true);
        let targets = targets.iter().map(|target| names.binary_search(target).is_ok()).collect();
        References { names, sources, targets }
    }

    /// Whether the flow goes to one of them.
    pub(crate) fn has_target(&self, flow: &PreparedFlow) -> bool {
        self.targets.get(flow.rank) == Some(&true)
    }

    /// Whether a flow of `source` as it is reads one of them.
    pub(crate) fn has_source(&self, flow: &PreparedFlow, source: &AttributeName) -> bool {
        match &flow.reads {
            Reads::Attribute(Slot(position)) => self.sources.get(*position) == Some(&true),
            Reads::Attributes { .. } | Reads::Anything => self.names.binary_search(source).is_ok(),
        }
    }
}

/// The rules of one direction for a connector's objects of a type; outbound the type is the metaverse's.
#[derive(Debug, Clone)]
pub(crate) struct RuleGroup {
    direction: Direction,
    connector: ConnectorName,
    /// None: every type that no rule of the connector names.
    source_type: Option<ObjectType>,
    /// Positions in the rule set, ascending.
    pub(crate) members: Vec<usize>,
    /// By target, then precedence, then as the rules stand.
    pub(crate) flows: Vec<PreparedFlow>,
}

#[derive(Debug, Clone)]
pub(crate) struct PreparedFlow {
    /// Position of its rule in `members`.
    pub(crate) member: usize,
    /// Positions of the rule in the set and of the flow in the rule.
    rule: usize,
    flow: usize,
    /// Position of the target among all targets in order: the same for the same name in every group.
    pub(crate) rank: usize,
    pub(crate) reads: Reads,
    /// Of an expression: where what it reads stands, by position in [`sync_rules::Expression::reads`].
    pub(crate) places: Vec<Option<Slot>>,
}

/// What a flow reads, as far as it can be known beforehand.
#[derive(Debug, Clone)]
pub(crate) enum Reads {
    /// The values of one attribute, as they are.
    Attribute(Slot),
    /// Nothing but these attributes; without a value of any of them the outcome is this one.
    Attributes { slots: Vec<Slot>, otherwise: Outcome },
    /// It must be evaluated.
    Anything,
}

impl PreparedFlow {
    pub(crate) fn of<'r>(&self, rules: &'r RuleSet) -> (&'r Rule, &'r Flow) {
        let rule = &rules.rules[self.rule];
        (rule, &rule.flows[self.flow])
    }
}

impl Prepared {
    fn of(rules: &RuleSet) -> Self {
        let slots = slots(rules);
        let targets: BTreeSet<&AttributeName> =
            rules.rules.iter().flat_map(|rule| &rule.flows).map(|flow| &flow.target).collect();
        let targets: Vec<&AttributeName> = targets.into_iter().collect();
        let mut groups: Vec<RuleGroup> = Vec::new();
        for rule in &rules.rules {
            for source_type in [rule.source_type.as_ref(), None] {
                let known = groups.iter().any(|group| group.is_of(rule.direction, &rule.connector, source_type));
                if !known {
                    groups.push(RuleGroup {
                        direction: rule.direction,
                        connector: rule.connector.clone(),
                        source_type: source_type.cloned(),
                        members: Vec::new(),
                        flows: Vec::new(),
                    });
                }
            }
        }
        groups.iter_mut().for_each(|group| group.fill(rules, &slots, &targets));
        let first_alike = |rule: &Rule| rules.rules.iter().position(|first| same_join(first, rule));
        let joins = rules.rules.iter().map(|rule| first_alike(rule).unwrap_or_default()).collect();
        let types = rules.metaverse.types.iter();
        let references = types
            .map(|(object_type, declared)| (object_type.clone(), References::of(declared, &slots, &targets)))
            .collect();
        Prepared { slots, groups, joins, references }
    }

    /// S20: whether two rules of the set, by their positions, look for partners in the same way.
    pub(crate) fn join_alike(&self, one: usize, other: usize) -> bool {
        self.joins.get(one) == self.joins.get(other)
    }

    /// None: the metaverse has no such type.
    pub(crate) fn references(&self, object_type: &ObjectType) -> Option<&References> {
        self.references.get(object_type)
    }

    /// None: no rule of this direction and connector applies to any type.
    pub(crate) fn group(&self, direction: Direction, connector: &str, object_type: &ObjectType) -> Option<&RuleGroup> {
        let of = |wanted| self.groups.iter().find(|group| group.is_of(direction, connector, wanted));
        of(Some(object_type)).or_else(|| of(None))
    }
}

impl RuleGroup {
    fn is_of(&self, direction: Direction, connector: &str, source_type: Option<&ObjectType>) -> bool {
        self.direction == direction && *self.connector == *connector && self.source_type.as_ref() == source_type
    }

    fn fill(&mut self, rules: &RuleSet, slots: &Slots, targets: &[&AttributeName]) {
        for (position, rule) in rules.rules.iter().enumerate() {
            let applies = rule.source_type.is_none() || rule.source_type == self.source_type;
            if rule.direction != self.direction || rule.connector != self.connector || !applies {
                continue;
            }
            let member = self.members.len();
            self.members.push(position);
            for (number, flow) in rule.flows.iter().enumerate() {
                let rank = targets.binary_search(&&flow.target).unwrap_or_else(|rank| rank);
                let reads = reads(rule, flow, slots, rules);
                let places = match &flow.source {
                    FlowSource::Expression(read) => read.reads().iter().map(|name| slots.of(name.as_str())).collect(),
                    FlowSource::Direct(_) | FlowSource::Constant(_) => Vec::new(),
                };
                self.flows.push(PreparedFlow { member, rule: position, flow: number, rank, reads, places });
            }
        }
        self.flows.sort_by_key(|flow| (flow.rank, rules.rules[flow.rule].precedence));
    }
}

fn slots(rules: &RuleSet) -> Slots {
    let mut names: BTreeSet<AttributeName> = BTreeSet::new();
    for rule in &rules.rules {
        names.extend(rule.scope.iter().flatten().map(|clause| clause.attribute.clone()));
        for clause in rule.join.iter().flat_map(|group| &group.clauses) {
            names.extend(clause.source.attributes().into_iter().chain(clause.target.attributes()));
        }
        for flow in &rule.flows {
            match &flow.source {
                FlowSource::Direct(attribute) => drop(names.insert(attribute.clone())),
                FlowSource::Constant(_) => {}
                FlowSource::Expression(expression) => names.extend(expression.attributes()),
            }
        }
    }
    names.retain(|name| *name != "dn" && *name != "rdn");
    Slots(names.into_iter().enumerate().map(|(position, name)| (name, Slot(position))).collect())
}

fn reads(rule: &Rule, flow: &Flow, slots: &Slots, rules: &RuleSet) -> Reads {
    match &flow.source {
        FlowSource::Direct(attribute) => slots.of(attribute.as_str()).map_or(Reads::Anything, Reads::Attribute),
        FlowSource::Expression(expression) if expression.reads_values_alone() => {
            let known: Option<Vec<Slot>> =
                expression.attributes().iter().map(|attribute| slots.of(attribute.as_str())).collect();
            let nothing = Nothing { connector: &rule.connector, rules };
            match (known, flow_outcome(&flow.source, &nothing, &rule.id, flow.target.as_str())) {
                (Some(slots), Ok(otherwise)) => Reads::Attributes { slots, otherwise },
                // What fails fails when it is evaluated, and for the object that it is evaluated for.
                _ => Reads::Anything,
            }
        }
        _ => Reads::Anything,
    }
}

/// An object without any attribute.
struct Nothing<'a> {
    connector: &'a str,
    rules: &'a RuleSet,
}

impl Inputs for Nothing<'_> {
    fn attribute(&self, _: &str) -> Option<Cow<'_, Values>> {
        None
    }

    fn parameter(&self, name: &str) -> Option<Value> {
        crate::evaluate::parameter(self.rules, self.connector, name)
    }

    fn now(&self) -> i64 {
        0
    }
}
