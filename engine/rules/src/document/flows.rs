//! Reads `[rule.flow]`: one flow for each target attribute, direct, constant or by expression.

use super::reader::{Report, Table, Text, as_table, read_text, wrong_kind};
use super::rules::{Head, check_metaverse_attribute, read_expression, read_once_expression};
use crate::expression::{Kind, KnownKind, Lookup};
use crate::model::{Direction, Flow, FlowSource, MergeType};
use metaverse_schema::{AttributeName, Plurality, Value, ValueKind};
use std::ops::Range;
use toml::Spanned;
use toml::de::DeValue;

pub(crate) const MERGE_TYPES: [(&str, MergeType); 3] = [
    ("update", MergeType::Update),
    ("merge", MergeType::Merge),
    ("merge-case-insensitive", MergeType::MergeCaseInsensitive),
];

pub(crate) fn read(report: &mut Report<'_>, table: &mut Table<'_>, head: &Head<'_>) -> Vec<Flow> {
    let Some(flows) = table.table(report, "flow", "the flows") else {
        return Vec::new();
    };
    let mut read = Vec::new();
    for (target, target_span, value) in flows.entries() {
        let target = AttributeName::new(target);
        if head.direction == Direction::Inbound {
            check_metaverse_attribute(report, &target, &target_span, &head.metaverse_kinds());
        }
        read.extend(read_flow(report, target, target_span, value, head));
    }
    read.sort_by(|left, right| left.target.cmp(&right.target));
    read
}

fn read_flow(
    report: &mut Report<'_>,
    target: AttributeName,
    target_span: Range<usize>,
    value: &Spanned<DeValue<'_>>,
    head: &Head<'_>,
) -> Option<Flow> {
    let mut flow = Flow {
        target,
        source: FlowSource::Constant(Value::Boolean(true)),
        merge: MergeType::Update,
        once: false,
        place: report.place(value.span()),
    };
    match value.get_ref() {
        DeValue::String(_) => {
            let text = read_text(report, flow.target.as_str(), value)?;
            read_computed(report, &mut flow, &text, head)?;
        }
        DeValue::Boolean(_) | DeValue::Integer(_) => read_constant(report, &mut flow, value, head)?,
        DeValue::Table(_) => {
            let mut table = as_table(report, flow.target.as_str(), value, "this flow")?;
            flow.merge = table.choice(report, "merge", &MERGE_TYPES).unwrap_or(MergeType::Update);
            flow.once = table.boolean(report, "once").unwrap_or(false);
            let direct = table.text(report, "direct");
            let constant = table.raw("constant");
            let expression = table.text(report, "expression");
            table.finish(report);
            match (direct, constant, expression) {
                (Some(direct), None, None) => read_direct(report, &mut flow, &direct, head)?,
                (None, Some(constant), None) => read_constant(report, &mut flow, constant, head)?,
                (None, None, Some(expression)) => read_computed(report, &mut flow, &expression, head)?,
                (None, None, None) => {
                    let message = format!("the flow to `{}` has no source", flow.target);
                    let help = "write direct = \"attribute\", constant = ..., or expression = \"...\"";
                    report.error("flow-without-source", value.span(), message, "no source", help);
                    return None;
                }
                _ => {
                    let message = format!("the flow to `{}` has more than one source", flow.target);
                    let help = "keep one of direct, constant and expression";
                    report.error("flow-several-sources", value.span(), message, "several sources", help);
                    return None;
                }
            }
        }
        _ => {
            return wrong_kind(report, flow.target.as_str(), value, "an expression, a constant or a table");
        }
    }
    check_merge(report, &flow, target_span, head);
    Some(flow)
}

/// A union cannot be held by one value (S56).
fn check_merge(report: &mut Report<'_>, flow: &Flow, span: Range<usize>, head: &Head<'_>) {
    let single = head.direction == Direction::Inbound
        && head
            .metaverse_kinds()
            .find(flow.target.as_str())
            .is_some_and(|attribute| attribute.plurality == Plurality::Single);
    if single && flow.merge != MergeType::Update {
        let message = format!("`{}` holds one value and cannot be merged", flow.target);
        let help = "declare it as multi, or leave `merge` out";
        report.error("merge-on-single-value", span, message, "single-valued", help);
    }
}

fn read_direct(report: &mut Report<'_>, flow: &mut Flow, text: &Text, head: &Head<'_>) -> Option<()> {
    let name = AttributeName::new(&text.value);
    flow.place = report.place(text.inner());
    let well_named = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ';');
    if text.value.is_empty() || !text.value.chars().all(well_named) {
        let message = format!("`{}` is not an attribute name", text.value);
        let help = "write the name without brackets: { direct = \"title\" }";
        report.error("flow-source-invalid", text.span.clone(), message, "not a name", help);
        return None;
    }
    if head.direction == Direction::Outbound {
        check_metaverse_attribute(report, &name, &text.inner(), &head.metaverse_kinds());
    }
    flow.source = FlowSource::Direct(name);
    Some(())
}

fn read_constant(
    report: &mut Report<'_>,
    flow: &mut Flow,
    value: &Spanned<DeValue<'_>>,
    head: &Head<'_>,
) -> Option<()> {
    let constant = match value.get_ref() {
        DeValue::String(text) => Value::text(text.as_ref()),
        DeValue::Boolean(truth) => Value::Boolean(*truth),
        DeValue::Integer(digits) => match i64::from_str_radix(digits.as_str(), digits.radix()) {
            Ok(number) => Value::Integer(number),
            Err(_) => return wrong_kind(report, "constant", value, "a whole number of at most 64 bits"),
        },
        _ => return wrong_kind(report, "constant", value, "a text, a whole number, or true or false"),
    };
    let known = KnownKind { kind: Some(constant.kind().into()), plurality: Some(Plurality::Single), nothing: false };
    flow.place = report.place(value.span());
    check_result(report, flow, known, head);
    flow.source = FlowSource::Constant(constant);
    Some(())
}

/// An expression; `[name]` alone is a direct flow.
fn read_computed(report: &mut Report<'_>, flow: &mut Flow, text: &Text, head: &Head<'_>) -> Option<()> {
    flow.place = report.place(text.inner());
    let direct = text.value.trim();
    if let Some(name) = direct.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'))
        && !name.contains(['[', ']'])
        && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ';'))
        && !name.is_empty()
    {
        let name = AttributeName::new(name);
        if head.direction == Direction::Outbound {
            check_metaverse_attribute(report, &name, &text.inner(), &head.metaverse_kinds());
        }
        flow.source = FlowSource::Direct(name);
        return Some(());
    }
    let (metaverse, blind) = (head.metaverse_kinds(), head.blind_kinds());
    let kinds: &dyn crate::expression::Kinds = match head.direction {
        Direction::Inbound => &blind,
        Direction::Outbound => &metaverse,
    };
    let read = if flow.once { read_once_expression } else { read_expression };
    let (expression, known) = read(report, text, kinds)?;
    if known.kind == Some(Kind::Reference) || is_reference_target(flow, head) {
        let message = format!("`{}` is a reference and cannot be computed", flow.target);
        let help = "references flow as they are: { direct = \"manager\" }; CStr([dn]) gives the text of a DN";
        report.error("reference-in-expression", text.inner(), message, "computed", help);
        return None;
    }
    check_result(report, flow, known, head);
    flow.source = FlowSource::Expression(expression);
    Some(())
}

fn is_reference_target(flow: &Flow, head: &Head<'_>) -> bool {
    head.direction == Direction::Inbound
        && head
            .metaverse_kinds()
            .find(flow.target.as_str())
            .is_some_and(|attribute| attribute.kind == ValueKind::Reference)
}

/// What comes out against what the metaverse attribute holds.
fn check_result(report: &mut Report<'_>, flow: &Flow, known: KnownKind, head: &Head<'_>) {
    use crate::expression::Kinds;
    if head.direction == Direction::Outbound {
        return;
    }
    if let Lookup::Known(kind, plurality) = head.metaverse_kinds().attribute(flow.target.as_str()) {
        mismatch(flow, known, kind, plurality).into_iter().for_each(|(code, message, label, help)| {
            report.error(code, flow.place.span.clone(), message, label, help);
        });
    }
}

/// Why a result does not fit a target attribute: code, message, label, help.
pub(crate) fn mismatch(
    flow: &Flow,
    known: KnownKind,
    kind: ValueKind,
    plurality: Plurality,
) -> Option<(&'static str, String, &'static str, String)> {
    let target = &flow.target;
    if let Some(given) = known.kind.filter(|given| *given != Kind::from(kind)) {
        let wanted = Kind::from(kind).with_article();
        let given = given.with_article();
        return Some((
            "flow-type-mismatch",
            format!("`{target}` holds {wanted}, and this gives {given}"),
            given,
            "convert it: CStr, CNum, CBool, ConvertToBase64, StringFromGuid, StringFromSid".to_owned(),
        ));
    }
    if known.plurality == Some(Plurality::Multi) && plurality == Plurality::Single {
        return Some((
            "flow-multi-values-to-single-value",
            format!("`{target}` holds one value, and this gives several"),
            "several values",
            "take one: Item([name],1), ItemOrNull, Join or Where".to_owned(),
        ));
    }
    None
}
