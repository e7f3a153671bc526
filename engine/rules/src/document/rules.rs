//! Reads `[[rule]]` tables into checked rules. Every rule is read to its end, whatever is wrong with it; checks that
//! need other rules stand in `check`.

use super::configuration::{ADDRESSES, Decisions, known_connector};
use super::fingerprint::fingerprint;
use super::metaverse::{BlindKinds, MetaverseKinds, Parameters};
use super::precedence::{Neighbour, Position};
use super::reader::{Report, Table, Text, read_texts, wrong_kind};
use super::{flows, join_key, scope};
use crate::expression::{Expression, Kind, Kinds, KnownKind};
use crate::model::{
    Clause, ConnectorName, Criterion, Deprovision, DeprovisionAction, Direction, JoinClause, JoinGroup, KeyId,
    Limitation, LinkType, MetaverseSchema, NeverMatch, Rule, SourcePlace, Takeover,
};
use crate::suggest::did_you_mean;
use metaverse_schema::{AttributeName, ObjectType, Value};
use std::ops::Range;
use std::sync::Arc;
use toml::de::{DeTable, DeValue};

/// What reading a rule needs to know.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    /// None: `metasync.toml` could not be read, so no name can be called unknown.
    pub(crate) connectors: Option<&'a [ConnectorName]>,
    pub(crate) metaverse: &'a MetaverseSchema,
    pub(crate) decisions: &'a Decisions,
    pub(crate) parameters: Parameters<'a>,
}

/// A rule as read, with the places that checks among rules point at.
pub(crate) struct Draft {
    pub(crate) rule: Rule,
    pub(crate) disabled: bool,
    /// Its number is only known once all rules are: until then `rule.precedence` says nothing.
    pub(crate) position: Position,
    pub(crate) id_place: SourcePlace,
    pub(crate) precedence_place: SourcePlace,
}

/// A rule while it is being read: what its parts have in common.
pub(crate) struct Head<'a> {
    pub(crate) direction: Direction,
    pub(crate) connector: ConnectorName,
    pub(crate) metaverse_type: Option<ObjectType>,
    pub(crate) context: Context<'a>,
}

impl<'a> Head<'a> {
    /// The metaverse's side of this rule.
    pub(crate) fn metaverse_kinds(&'a self) -> MetaverseKinds<'a> {
        MetaverseKinds {
            schema: self.context.metaverse,
            object_type: self.metaverse_type.as_ref(),
            parameters: self.context.parameters,
        }
    }

    pub(crate) fn blind_kinds(&'a self) -> BlindKinds<'a> {
        BlindKinds(self.context.parameters)
    }
}

/// All rules of one file.
pub(crate) fn read(report: &mut Report<'_>, root: &DeTable<'_>, context: Context<'_>) -> Vec<Draft> {
    let mut root = Table::new(root, 0..0, "a rule file");
    root.raw("metaverse");
    root.raw("metaverse_deletion");
    let rules = root.tables(report, "rule", "this rule");
    root.finish(report);
    rules.into_iter().filter_map(|table| read_rule(report, table, context)).collect()
}

fn read_rule(report: &mut Report<'_>, mut table: Table<'_>, context: Context<'_>) -> Option<Draft> {
    let heading = table.span.clone();
    let id = table.required_text(report, "id", "a stable identifier such as \"in-from-ad-user-join\"");
    let name = table.required_text(report, "name", "what operators see, such as \"In from AD - User Join\"");
    table.text(report, "description");
    let disabled = table.boolean(report, "disabled").unwrap_or(false);
    if let Some(id) = &id {
        check_id(report, id);
    }
    let direction = read_direction(report, &mut table);
    let connector = table.required_text(report, "connector", "name a connector of metasync.toml").map(|text| {
        let known = context.connectors.and_then(|known| known_connector(report, &text, known));
        known.unwrap_or_else(|| Arc::from(text.value))
    });
    let source = read_type(report, &mut table, "source_type");
    let target = read_type(report, &mut table, "target_type");
    let links = [("provision", LinkType::Provision), ("join", LinkType::Join), ("sticky-join", LinkType::StickyJoin)];
    let link = table.choice(report, "link", &links).unwrap_or(LinkType::Join);
    let password_sync = table.boolean(report, "password_sync").unwrap_or(false);
    let (position, precedence_span) = read_position(report, &mut table);
    check_tag(report, &mut table, disabled);

    let metaverse_type = match direction {
        Some(Direction::Outbound) => &source,
        _ => &target,
    };
    if let Some((Some(object_type), span)) = metaverse_type {
        check_metaverse_type(report, object_type, span, context.metaverse);
    }
    let head = Head {
        direction: direction.unwrap_or(Direction::Inbound),
        connector: connector.clone().unwrap_or_else(|| Arc::from("")),
        metaverse_type: metaverse_type.as_ref().and_then(|(object_type, _)| object_type.clone()),
        context,
    };
    let (scope, scope_places) = read_scope(report, &mut table, &head);
    let join = read_joins(report, &mut table, &head);
    let flows = flows::read(report, &mut table, &head);
    let takeover = read_takeover(report, &mut table, &head);
    let deprovision = read_deprovision(report, &mut table, &head);
    let leave = read_leave(report, &mut table, &head, deprovision);
    let limitations = read_limitations(report, &mut table, &head);
    table.finish(report);
    if link == LinkType::Provision
        && let Some((None, span)) = &target
    {
        let message = "a rule that provisions must say what it creates";
        report.error("target-type-missing", span.clone(), message, "any type", "name one type instead of `*`");
    }
    Some(Draft {
        id_place: report.place(id.as_ref().map_or(heading.clone(), |id| id.span.clone())),
        precedence_place: report.place(precedence_span),
        disabled,
        position: position?,
        rule: Rule {
            id: Arc::from(id?.value),
            name: name?.value,
            direction: direction?,
            connector: connector?,
            source_type: source?.0,
            target_type: target?.0,
            link,
            precedence: 0,
            scope,
            scope_places,
            join,
            flows,
            takeover,
            deprovision,
            leave,
            password_sync,
            limitations,
            place: report.place(heading),
        },
    })
}

fn check_id(report: &mut Report<'_>, id: &Text) {
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if id.value.is_empty() || !id.value.chars().all(known) {
        let message = format!("`{}` is not a rule identifier", id.value);
        let help = "use letters, digits, `-`, `_` and `.`; the name may hold anything";
        report.error("rule-id-invalid", id.span.clone(), message, "not an identifier", help);
    }
}

fn read_direction(report: &mut Report<'_>, table: &mut Table<'_>) -> Option<Direction> {
    let help = "inbound (from the connector to the metaverse) or outbound";
    table.required_text(report, "direction", help).and_then(|text| {
        let choices = [("inbound", Direction::Inbound), ("outbound", Direction::Outbound)];
        super::reader::choose(report, "direction", &text, &choices)
    })
}

/// A type, or None for `*`.
fn read_type(
    report: &mut Report<'_>,
    table: &mut Table<'_>,
    key: &'static str,
) -> Option<(Option<ObjectType>, Range<usize>)> {
    let text = table.required_text(report, key, "an object type such as \"user\", or \"*\" for any")?;
    let object_type = (text.value != "*").then(|| ObjectType::new(&text.value));
    Some((object_type, text.span))
}

pub(crate) fn check_metaverse_type(
    report: &mut Report<'_>,
    name: &ObjectType,
    span: &Range<usize>,
    schema: &MetaverseSchema,
) {
    if !schema.types.contains_key(name) {
        let help = did_you_mean(name.as_str(), schema.types.keys().map(ObjectType::as_str));
        let message = format!("the metaverse has no type `{name}`");
        let help = format!("{help}; or declare it: [metaverse.{name}]");
        report.error("metaverse-type-unknown", span.clone(), message, "unknown type", help);
    }
}

/// The place of a rule: exactly one of a number, `before` and `after`; and where that stands.
fn read_position(report: &mut Report<'_>, table: &mut Table<'_>) -> (Option<Position>, Range<usize>) {
    let given: Vec<Range<usize>> =
        ["precedence", "before", "after"].iter().filter_map(|key| table.raw(key).map(toml::Spanned::span)).collect();
    let Some(span) = given.first().cloned() else {
        let help = "0 to 99 are for your own rules, the shipped ones start at 100; the lowest number wins. Or name the \
                    rule that this one stands `before` or `after`";
        let message = "this rule needs `precedence`";
        report.error("key-missing", table.span.clone(), message, "`precedence` is missing", help);
        return (None, table.span.clone());
    };
    if given.len() > 1 {
        let message = "a rule has one place: `precedence`, `before` or `after`";
        report.error("precedence-several", given[1].clone(), message, "a second place", "keep one of them");
        return (None, span);
    }
    let mut neighbour = |report: &mut Report<'_>, key| {
        let text = table.text(report, key)?;
        Some(Neighbour { place: report.place(text.inner()), id: text.value })
    };
    let position = match (neighbour(report, "before"), neighbour(report, "after")) {
        (Some(neighbour), _) => Some(Position::Before(neighbour)),
        (None, Some(neighbour)) => Some(Position::After(neighbour)),
        (None, None) => table
            .integer(report, "precedence", 0..=i64::from(u32::MAX))
            .and_then(|number| Some(Position::Number(u32::try_from(number).ok()?))),
    };
    (position, span)
}

/// S65: a shipped rule carries the fingerprint that it was written with.
fn check_tag(report: &mut Report<'_>, table: &mut Table<'_>, disabled: bool) {
    let Some(tag) = table.text(report, "tag") else { return };
    if disabled || tag.value == fingerprint(table.whole()) {
        return;
    }
    let help = "put the change into a rule of your own that stands `before` this one, and leave this one as it was or \
                disable it; or delete its `tag`, and the rule is yours";
    let message = "this shipped rule was changed, and a later version of it will not be taken over";
    report.warning("shipped-rule-changed", tag.span, message, "the tag of the rule as it was shipped", help);
}

type Scope = (Vec<Vec<Clause>>, Vec<Vec<SourcePlace>>);

fn read_scope(report: &mut Report<'_>, table: &mut Table<'_>, head: &Head<'_>) -> Scope {
    let mut scope = Scope::default();
    let Some(value) = table.raw("scope") else {
        return scope;
    };
    let DeValue::Array(groups) = value.get_ref() else {
        wrong_kind::<()>(
            report,
            "scope",
            value,
            "a list of groups: [[\"a EQUAL x\", \"b ISNULL\"], [\"c ISNOTNULL\"]]",
        );
        return scope;
    };
    let parameter = |name: &str| {
        if name == "Connector.ID" {
            return Ok(Value::text(&*head.connector));
        }
        match head.context.decisions.parameters.get(name) {
            Some(value) => Ok(value.clone()),
            None => Err(head.context.parameters.help(name)),
        }
    };
    for group in groups.iter() {
        let Some(texts) = read_texts(report, "scope", group) else {
            continue;
        };
        if texts.is_empty() {
            let help = "leave `scope` out for a rule that applies to all; inside a group all clauses must hold";
            report.error("scope-syntax", group.span(), "this scope group is empty", "no clause", help);
        }
        let (mut clauses, mut places) = (Vec::new(), Vec::new());
        for text in &texts {
            let Some(clause) = scope::read_clause(report, text, head.direction, &parameter) else {
                continue;
            };
            if head.direction == Direction::Outbound {
                let kinds = head.metaverse_kinds();
                check_metaverse_attribute(report, &clause.attribute, &attribute_place(text, &clause), &kinds);
                if let Some(known) = kinds.find(clause.attribute.as_str())
                    && let Some((code, message, label, help)) = scope::unfit(&clause, known.kind)
                {
                    report.error(code, text.inner(), message, label, help);
                }
            }
            clauses.push(clause);
            places.push(report.place(text.inner()));
        }
        // A group that lost a clause would be wider than meant; the rule set is refused anyway.
        scope.0.push(clauses);
        scope.1.push(places);
    }
    scope
}

fn attribute_place(text: &Text, clause: &Clause) -> Range<usize> {
    let start = text.value.find(clause.attribute.as_str()).unwrap_or(0);
    text.part(start..start + clause.attribute.as_str().len())
}

pub(crate) fn check_metaverse_attribute(
    report: &mut Report<'_>,
    name: &AttributeName,
    span: &Range<usize>,
    kinds: &MetaverseKinds<'_>,
) {
    if let crate::expression::Lookup::Missing { help } = kinds.attribute(name.as_str()) {
        let of = kinds.object_type.map_or(String::new(), |object_type| format!(" of type `{object_type}`"));
        let message = format!("the metaverse has no attribute `{name}`{of}");
        report.error("metaverse-attribute-unknown", span.clone(), message, "unknown attribute", help);
    }
}

/// Parses an expression and checks it against what is known of its attributes.
/// An expression that is computed again and again, and so draws no value (X49).
pub(crate) fn read_expression(
    report: &mut Report<'_>,
    text: &Text,
    kinds: &dyn Kinds,
) -> Option<(Expression, KnownKind)> {
    let (expression, known) = read_once_expression(report, text, kinds)?;
    if expression.draws() {
        let message = "Guid and RandomNum draw a value, and nothing keeps it here";
        let help = "draw it in a flow that is applied once: { expression = '...', once = true }";
        report.error("drawn-value-not-kept", text.inner(), message, "draws a value", help);
        return None;
    }
    Some((expression, known))
}

/// An expression whose value is kept: it may draw one.
pub(crate) fn read_once_expression(
    report: &mut Report<'_>,
    text: &Text,
    kinds: &dyn Kinds,
) -> Option<(Expression, KnownKind)> {
    let place = report.place(text.inner());
    let read = Expression::parse_at(&text.value, Some(place)).and_then(|expression| {
        let known = expression.check(kinds)?;
        Ok((expression, known))
    });
    match read {
        Ok(read) => Some(read),
        Err(problems) => {
            for problem in problems {
                let span = text.part(problem.span);
                let span = if span.is_empty() { text.span.clone() } else { span };
                report.error(problem.code, span, problem.message, "in this expression", problem.help);
            }
            None
        }
    }
}

/// A condition: its kind must be True or False.
pub(crate) fn read_condition(report: &mut Report<'_>, text: &Text, kinds: &dyn Kinds) -> Option<Expression> {
    let (expression, known) = read_expression(report, text, kinds)?;
    if let Some(kind) = known.kind.filter(|kind| *kind != Kind::Boolean) {
        let message = format!("a condition is True or False, and this is {}", kind.with_article());
        report.error("expression-type-mismatch", text.inner(), message, "not a condition", "compare it with something");
        return None;
    }
    Some(expression)
}

fn read_joins(report: &mut Report<'_>, table: &mut Table<'_>, head: &Head<'_>) -> Vec<JoinGroup> {
    let mut groups = Vec::new();
    for mut group in table.tables(report, "join", "this join group") {
        let span = group.span.clone();
        let criterion = group.text(report, "criterion");
        let target_type = group.text(report, "target_type").map(|text| ObjectType::new(text.value));
        let wanted = group.text(report, "when_parameter");
        let mut clauses = Vec::new();
        let is_list = head.direction == Direction::Outbound
            && criterion.as_ref().is_some_and(|text| join_key::only_lists(&read_criterion(&text.value)));
        if group.raw("clauses").is_some() {
            for mut clause in group.tables(report, "clauses", "this join clause") {
                clauses.extend(read_join_clause(report, &mut clause, is_list, head));
                clause.finish(report);
            }
        } else {
            clauses.extend(read_join_clause(report, &mut group, is_list, head));
        }
        // Asked for in both forms, so that neither counts as unknown when the other is used by mistake.
        let mixed = group.raw("clauses").is_some() && (group.raw("source").is_some() || group.raw("target").is_some());
        if mixed {
            let help = "write source and target, or clauses = [{ source = ..., target = ... }]";
            report.error("join-mixed", span.clone(), "a join group has clauses or one pair, not both", "both", help);
        }
        group.finish(report);
        let is_on = wanted.is_none_or(|name| is_switched_on(report, &name, head));
        if clauses.is_empty() || !is_on {
            continue;
        }
        let criterion = criterion.map_or_else(|| default_criterion(&clauses), |text| read_criterion(&text.value));
        for clause in &mut clauses {
            clause.exact |= criterion.is_exact();
        }
        if matches!(criterion, Criterion::DeletedAnchor | Criterion::DeletedTwin) && target_type.is_none() {
            let help = "write target_type = \"deletedUser\"";
            let message = format!("the criterion `{criterion}` looks at the recycle bin and needs its object type");
            report.error("join-without-type", span, message, "no target_type", help);
        }
        groups.push(JoinGroup { criterion, target_type, clauses });
    }
    groups
}

fn is_switched_on(report: &mut Report<'_>, name: &Text, head: &Head<'_>) -> bool {
    match head.context.decisions.parameters.get(&name.value) {
        Some(Value::Boolean(truth)) => *truth,
        Some(_) => {
            let message = format!("the parameter `{}` must be true or false", name.value);
            report.error("parameter-unknown", name.span.clone(), message, "not a switch", "set it to true or false");
            false
        }
        None if head.context.parameters.0.is_none() => true,
        None => {
            let message = format!("there is no parameter `{}`", name.value);
            let help = head.context.parameters.help(&name.value);
            report.error("parameter-unknown", name.span.clone(), message, "unknown parameter", help);
            false
        }
    }
}

fn read_join_clause(
    report: &mut Report<'_>,
    table: &mut Table<'_>,
    is_list: bool,
    head: &Head<'_>,
) -> Option<JoinClause> {
    let (source, target) = (table.text(report, "source"), table.text(report, "target"));
    let exact = table.boolean(report, "case_sensitive").unwrap_or(false);
    for (side, code, present) in [
        ("source", "join-without-source", source.is_some() || table.raw("source").is_some()),
        ("target", "join-without-target", target.is_some() || table.raw("target").is_some()),
    ] {
        if !present {
            let message = format!("a join compares two sides, and `{side}` is missing");
            let help = "write source = \"[objectSid]\" and target = \"[objectSid]\"";
            report.error(code, table.span.clone(), message, format!("no `{side}`"), help);
        }
    }
    let (metaverse, blind) = (head.metaverse_kinds(), head.blind_kinds());
    let (source_kinds, target_kinds): (&dyn Kinds, &dyn Kinds) = match head.direction {
        Direction::Inbound => (&blind, &metaverse),
        Direction::Outbound => (&metaverse, &blind),
    };
    let source = source.map(|text| (read_expression(report, &text, source_kinds), text));
    let target = target.map(|text| (read_expression(report, &text, target_kinds), text));
    let (Some((Some((source, source_kind)), _)), Some((Some((target, target_kind)), target_text))) = (source, target)
    else {
        return None;
    };
    if let (Some(left), Some(right)) = (source_kind.kind, target_kind.kind)
        && left != right
    {
        let (left, right) = (left.with_article(), right.with_article());
        let message = format!("{left} on one side never equals {right} on the other");
        report.error("join-type-mismatch", target_text.inner(), message, right, "convert one side");
        return None;
    }
    for side in [&source, &target] {
        if side.uses_now() {
            let message = "a join key is kept in an index and cannot depend on the time";
            let span = side.place().map_or(table.span.clone(), |place| place.span.clone());
            report.error("join-uses-now", span, message, "reads the clock", "use an attribute");
            return None;
        }
    }
    let (side, known) = match head.direction {
        Direction::Inbound => (&target, target_kind),
        Direction::Outbound => (&source, source_kind),
    };
    if let Some(problem) = join_key::problem(side, known, &metaverse, is_list) {
        let span = side.place().map_or(table.span.clone(), |place| place.span.clone());
        report.error(problem.code, span, problem.message, problem.label, problem.help);
        return None;
    }
    // Positions in the rule set's keys are given once all rules are known.
    let unset = KeyId(usize::MAX);
    Some(JoinClause { source, target, exact, source_key: unset, target_key: unset })
}

fn default_criterion(clauses: &[JoinClause]) -> Criterion {
    let pairs: Vec<String> = clauses.iter().map(|clause| format!("{} = {}", clause.source, clause.target)).collect();
    Criterion::Plain(Arc::from(pairs.join(" and ")))
}

fn read_criterion(text: &str) -> Criterion {
    let named = [
        Criterion::OwnKey,
        Criterion::Anchor,
        Criterion::PrimarySmtp,
        Criterion::SignInName,
        Criterion::ReviewOnly,
        Criterion::DeletedAnchor,
        Criterion::DeletedTwin,
    ];
    let found = named.into_iter().find(|criterion| criterion.to_string() == text);
    found.unwrap_or_else(|| Criterion::Plain(Arc::from(text)))
}

/// Reports a part that has no meaning on this side.
fn refuse_inbound(
    report: &mut Report<'_>,
    head: &Head<'_>,
    code: &'static str,
    what: &str,
    span: Range<usize>,
) -> bool {
    let inbound = head.direction == Direction::Inbound;
    if inbound {
        let message = format!("an inbound rule cannot have {what}: nothing is written to its source");
        let help = "it belongs to the outbound rule of the target";
        report.error(code, span, message, "on an inbound rule", help);
    }
    inbound
}

fn read_takeover(report: &mut Report<'_>, table: &mut Table<'_>, head: &Head<'_>) -> Option<Takeover> {
    let mut takeover = table.table(report, "takeover", "this takeover")?;
    let refused = refuse_inbound(report, head, "takeover-on-inbound", "a takeover", takeover.span.clone());
    let mut attribute = |report: &mut Report<'_>, key| {
        let text = takeover.text(report, key)?;
        Some(AttributeName::new(text.value))
    };
    let sign_in_name = attribute(report, "sign_in_name");
    let enabled = attribute(report, "enabled");
    let addresses = attribute(report, "addresses");
    let stamp = attribute(report, "stamp");
    let addresses_choice = takeover.choice(report, "addresses_choice", &ADDRESSES);
    let refuse_privileged = takeover.boolean(report, "refuse_privileged").unwrap_or(true);
    let keep_foreign_members = takeover.boolean(report, "keep_foreign_members").unwrap_or(true);
    let mut never = Vec::new();
    for mut entry in takeover.tables(report, "never", "this entry of takeover.never") {
        let code = entry.required_text(report, "code", "a short name of the hold, such as \"guest\"");
        let when = entry.required_text(report, "when", "a condition on the existing object");
        let remedy = entry.required_text(report, "remedy", "what the operator can do about it");
        entry.finish(report);
        let when = when.and_then(|when| read_condition(report, &when, &head.blind_kinds()));
        if let (Some(code), Some(when), Some(remedy)) = (code, when, remedy) {
            never.push(NeverMatch { code: Arc::from(code.value), when, remedy: remedy.value });
        }
    }
    takeover.finish(report);
    (!refused).then_some(Takeover {
        sign_in_name,
        enabled,
        addresses,
        addresses_choice: addresses_choice.unwrap_or(head.context.decisions.addresses),
        stamp,
        never,
        refuse_privileged,
        keep_foreign_members,
    })
}

pub(crate) const DEPROVISION_ACTIONS: [(&str, DeprovisionAction); 4] = [
    ("delete", DeprovisionAction::Delete),
    ("detach", DeprovisionAction::Detach),
    ("disconnect", DeprovisionAction::Disconnect),
    ("explicit-disconnect", DeprovisionAction::ExplicitDisconnect),
];

fn read_deprovision(report: &mut Report<'_>, table: &mut Table<'_>, head: &Head<'_>) -> Deprovision {
    let mut deprovision =
        Deprovision { provisioned: DeprovisionAction::Delete, adopted: head.context.decisions.adopted };
    let Some(mut given) = table.table(report, "deprovision", "this deprovision table") else {
        return deprovision;
    };
    refuse_inbound(report, head, "deprovision-on-inbound", "a deprovision table", given.span.clone());
    if let Some(action) = given.choice(report, "provisioned", &DEPROVISION_ACTIONS) {
        deprovision.provisioned = action;
    }
    if let Some(action) = given.choice(report, "adopted", &DEPROVISION_ACTIONS) {
        deprovision.adopted = action;
    }
    given.finish(report);
    deprovision
}

/// What follows from leaving scope may be gentler than what follows from a deletion.
pub(crate) const LEAVE_ACTIONS: [(&str, DeprovisionAction); 5] = [
    ("delete", DeprovisionAction::Delete),
    ("detach", DeprovisionAction::Detach),
    ("disconnect", DeprovisionAction::Disconnect),
    ("explicit-disconnect", DeprovisionAction::ExplicitDisconnect),
    ("keep", DeprovisionAction::Keep),
];

/// SF18: by itself the same as for a deletion.
fn read_leave(
    report: &mut Report<'_>,
    table: &mut Table<'_>,
    head: &Head<'_>,
    deprovision: Deprovision,
) -> Deprovision {
    let mut leave = deprovision;
    let Some(mut given) = table.table(report, "leave", "this leave table") else {
        return leave;
    };
    refuse_inbound(report, head, "leave-on-inbound", "a leave table", given.span.clone());
    if let Some(action) = given.choice(report, "provisioned", &LEAVE_ACTIONS) {
        leave.provisioned = action;
    }
    if let Some(action) = given.choice(report, "adopted", &LEAVE_ACTIONS) {
        leave.adopted = action;
    }
    given.finish(report);
    leave
}

fn read_limitations(report: &mut Report<'_>, table: &mut Table<'_>, head: &Head<'_>) -> Vec<Limitation> {
    let mut limitations = Vec::new();
    for mut entry in table.tables(report, "limitation", "this limitation") {
        let span = entry.span.clone();
        let refused = refuse_inbound(report, head, "limitation-on-inbound", "a limitation", span);
        let code = entry.required_text(report, "code", "a short name, such as \"distribution-group\"");
        let when = entry.required_text(report, "when", "a condition on the metaverse object");
        let message = entry.required_text(report, "message", "what operators read about it");
        entry.finish(report);
        let when = when.and_then(|when| read_condition(report, &when, &head.metaverse_kinds()));
        if let (false, Some(code), Some(when), Some(message)) = (refused, code, when, message) {
            limitations.push(Limitation { code: Arc::from(code.value), when, message: message.value });
        }
    }
    limitations
}
