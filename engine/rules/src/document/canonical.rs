//! The canonical text of a rule set: the same for the same decisions, however the files are cut, ordered or commented.
//! It is rule-file TOML with `[matching]` and `[parameters]` before it, and reading it gives the rule set back.

use super::configuration::{Decisions, GRACE_DAYS, read_leaving};
use super::flows::MERGE_TYPES;
use super::metaverse::{Parameters, attribute_text, read as read_metaverse};
use super::reader::{Report, Table};
use super::rules::{Context, DEPROVISION_ACTIONS, LEAVE_ACTIONS};
use super::scope::operator_word;
use super::{check, precedence, rules};
use crate::diagnostic::Diagnostic;
use crate::model::{
    AddressesChoice, Clause, Direction, Flow, FlowSource, JoinGroup, LinkType, Matching, MergeType, MetaverseSchema,
    Rule, RuleSet, Takeover,
};
use metaverse_schema::{ObjectType, Value};
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::sync::Arc;

pub(crate) const MATCHING: [(&str, Matching); 3] =
    [("review", Matching::Review), ("automatic", Matching::Automatic), ("closed", Matching::Closed)];

/// A stored rule set that this version cannot read.
#[derive(Debug, thiserror::Error)]
#[error("the stored rule set cannot be read by this version: {} in `{file}`: {}", .first.code, .first.message)]
pub struct CanonicalError {
    pub file: Arc<str>,
    /// The first of what is wrong with it.
    pub first: Box<Diagnostic>,
}

pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            control if control.is_control() => {
                let _ = write!(quoted, "\\U{:08X}", control as u32);
            }
            plain => quoted.push(plain),
        }
    }
    quoted.push('"');
    quoted
}

fn word<T: PartialEq + Copy>(choices: &[(&'static str, T)], value: T) -> &'static str {
    choices.iter().find(|(_, known)| *known == value).map_or("", |(word, _)| word)
}

fn value_text(value: &Value) -> String {
    match value {
        Value::Integer(number) => number.to_string(),
        Value::Boolean(truth) => truth.to_string(),
        other => quoted(&other.to_string()),
    }
}

/// The canonical text. Rules stand by precedence, everything else by name; places, descriptions and comments are left out.
pub(crate) fn canonical_text(rule_set: &RuleSet) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "[matching]\nmode = {}", quoted(word(&MATCHING, rule_set.matching)));
    if rule_set.grace_days != GRACE_DAYS {
        let _ = writeln!(text, "\n[leaving]\ngrace_days = {}", rule_set.grace_days);
    }
    if !rule_set.without_recall.is_empty() {
        let names: Vec<String> = rule_set.without_recall.iter().map(|name| quoted(name)).collect();
        let _ = writeln!(text, "\n[recall]\noff = [{}]", names.join(", "));
    }
    super::selection::write(&mut text, &rule_set.selections);
    if !rule_set.parameters.is_empty() {
        text.push_str("\n[parameters]\n");
        for (name, value) in &rule_set.parameters {
            let _ = writeln!(text, "{} = {}", quoted(name), value_text(value));
        }
    }
    for (object_type, attributes) in &rule_set.metaverse.types {
        let _ = writeln!(text, "\n[metaverse.{}]", quoted(object_type.as_str()));
        for (name, attribute) in attributes {
            let _ = writeln!(text, "{} = {}", quoted(name.as_str()), quoted(&attribute_text(*attribute)));
        }
    }
    for (object_type, rule) in &rule_set.deletion {
        super::deletion::write(&mut text, object_type, rule);
    }
    for rule in &rule_set.rules {
        write_rule(&mut text, rule);
    }
    text
}

fn write_rule(text: &mut String, rule: &Rule) {
    let type_text = |object_type: &Option<ObjectType>| quoted(object_type.as_ref().map_or("*", ObjectType::as_str));
    let direction = match rule.direction {
        Direction::Inbound => "inbound",
        Direction::Outbound => "outbound",
    };
    let link = match rule.link {
        LinkType::Provision => "provision",
        LinkType::Join => "join",
        LinkType::StickyJoin => "sticky-join",
    };
    let _ = write!(
        text,
        "\n[[rule]]\nid = {}\nname = {}\ndirection = \"{direction}\"\nconnector = {}\nsource_type = {}\ntarget_type = {}\nlink = \"{link}\"\nprecedence = {}\n",
        quoted(&rule.id),
        quoted(&rule.name),
        quoted(&rule.connector),
        type_text(&rule.source_type),
        type_text(&rule.target_type),
        rule.precedence,
    );
    if rule.password_sync {
        text.push_str("password_sync = true\n");
    }
    if !rule.scope.is_empty() {
        let groups: Vec<String> = rule
            .scope
            .iter()
            .map(|group| {
                let clauses: Vec<String> = group.iter().map(|clause| quoted(&clause_text(clause))).collect();
                format!("[{}]", clauses.join(", "))
            })
            .collect();
        let _ = writeln!(text, "scope = [{}]", groups.join(", "));
    }
    rule.join.iter().for_each(|group| write_join(text, group));
    if !rule.flows.is_empty() {
        text.push_str("[rule.flow]\n");
        rule.flows.iter().for_each(|flow| write_flow(text, flow));
    }
    if let Some(takeover) = &rule.takeover {
        write_takeover(text, takeover);
    }
    if rule.direction == Direction::Outbound {
        let _ = writeln!(
            text,
            "[rule.deprovision]\nprovisioned = \"{}\"\nadopted = \"{}\"",
            word(&DEPROVISION_ACTIONS, rule.deprovision.provisioned),
            word(&DEPROVISION_ACTIONS, rule.deprovision.adopted)
        );
        if rule.leave != rule.deprovision {
            let _ = writeln!(
                text,
                "[rule.leave]\nprovisioned = \"{}\"\nadopted = \"{}\"",
                word(&LEAVE_ACTIONS, rule.leave.provisioned),
                word(&LEAVE_ACTIONS, rule.leave.adopted)
            );
        }
    }
    for limitation in &rule.limitations {
        let _ = writeln!(
            text,
            "[[rule.limitation]]\ncode = {}\nwhen = {}\nmessage = {}",
            quoted(&limitation.code),
            quoted(limitation.when.text()),
            quoted(&limitation.message)
        );
    }
}

/// As it is written in a rule file.
impl fmt::Display for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&clause_text(self))
    }
}

fn clause_text(clause: &Clause) -> String {
    let operands: Vec<String> = clause
        .operand
        .iter()
        .map(|operand| format!("\"{}\"", operand.to_string().replace('\\', "\\\\").replace('"', "\\\"")))
        .collect();
    let space = if operands.is_empty() { "" } else { " " };
    format!("{} {}{space}{}", clause.attribute, operator_word(clause.operator), operands.join("; "))
}

fn write_join(text: &mut String, group: &JoinGroup) {
    let _ = writeln!(text, "[[rule.join]]\ncriterion = {}", quoted(&group.criterion.to_string()));
    if let Some(object_type) = &group.target_type {
        let _ = writeln!(text, "target_type = {}", quoted(object_type.as_str()));
    }
    let clauses: Vec<String> = group
        .clauses
        .iter()
        .map(|clause| {
            let exact = if clause.exact && !group.criterion.is_exact() { ", case_sensitive = true" } else { "" };
            let (source, target) = (quoted(clause.source.text()), quoted(clause.target.text()));
            format!("{{ source = {source}, target = {target}{exact} }}")
        })
        .collect();
    let _ = writeln!(text, "clauses = [{}]", clauses.join(", "));
}

fn write_flow(text: &mut String, flow: &Flow) {
    let source = match &flow.source {
        FlowSource::Direct(name) => format!("direct = {}", quoted(name.as_str())),
        FlowSource::Constant(value) => format!("constant = {}", value_text(value)),
        FlowSource::Expression(expression) => format!("expression = {}", quoted(expression.text())),
    };
    let once = if flow.once { ", once = true" } else { "" };
    let merge = match flow.merge {
        MergeType::Update => String::new(),
        merge => format!(", merge = \"{}\"", word(&MERGE_TYPES, merge)),
    };
    let _ = writeln!(text, "{} = {{ {source}{once}{merge} }}", quoted(flow.target.as_str()));
}

fn write_takeover(text: &mut String, takeover: &Takeover) {
    text.push_str("[rule.takeover]\n");
    let named = [
        ("sign_in_name", &takeover.sign_in_name),
        ("enabled", &takeover.enabled),
        ("addresses", &takeover.addresses),
        ("stamp", &takeover.stamp),
    ];
    for (key, name) in named {
        if let Some(name) = name {
            let _ = writeln!(text, "{key} = {}", quoted(name.as_str()));
        }
    }
    let choice = match takeover.addresses_choice {
        AddressesChoice::Hold => "hold",
        AddressesChoice::KeepCloud => "keep-cloud",
        AddressesChoice::ActiveDirectoryWins => "ad-wins",
    };
    let _ = writeln!(
        text,
        "addresses_choice = \"{choice}\"\nrefuse_privileged = {}\nkeep_foreign_members = {}",
        takeover.refuse_privileged, takeover.keep_foreign_members
    );
    for never in &takeover.never {
        let _ = writeln!(
            text,
            "[[rule.takeover.never]]\ncode = {}\nwhen = {}\nremedy = {}",
            quoted(&never.code),
            quoted(never.when.text()),
            quoted(&never.remedy)
        );
    }
}

/// Reads a canonical text back, as `explain` does with the rule set that was applied.
pub fn read_canonical(text: &str) -> Result<RuleSet, CanonicalError> {
    let file: Arc<str> = Arc::from("the stored rule set");
    let (mut report, mut root) = Report::parse(file.clone(), text);
    let mut decisions = Decisions::unknown();
    let heads = [
        root.remove("matching"),
        root.remove("parameters"),
        root.remove("leaving"),
        root.remove("recall"),
        root.remove("scope"),
    ];
    if let Some(value) = &heads[4]
        && let Some(table) = super::reader::as_table(&mut report, "scope", value, "[scope]")
    {
        decisions.selections = super::selection::read(&mut report, &table, None);
    }
    if let Some(value) = &heads[2]
        && let Some(table) = super::reader::as_table(&mut report, "leaving", value, "[leaving]")
    {
        decisions.grace_days = read_leaving(&mut report, table);
    }
    if let Some(value) = &heads[3]
        && let Some(mut table) = super::reader::as_table(&mut report, "recall", value, "[recall]")
        && let Some(names) = table.raw("off").and_then(|names| super::reader::read_texts(&mut report, "off", names))
    {
        decisions.without_recall = names.into_iter().map(|name| Arc::from(name.value)).collect();
    }
    if let Some(value) = &heads[0]
        && let Some(mut table) = super::reader::as_table(&mut report, "matching", value, "[matching]")
    {
        decisions.matching = table.choice(&mut report, "mode", &MATCHING).unwrap_or(Matching::Review);
    }
    if let Some(value) = &heads[1]
        && let toml::de::DeValue::Table(entries) = value.get_ref()
    {
        decisions.parameters = read_parameters(&Table::new(entries, value.span(), "[parameters]"));
    }
    let mut metaverse = MetaverseSchema::default();
    read_metaverse(&mut report, &root, &mut metaverse);
    let parameters = Parameters(Some(&decisions.parameters));
    let deletion = super::deletion::read(&mut report, &root, &metaverse, None, parameters);
    let mut drafts = rules::read(
        &mut report,
        &root,
        Context { connectors: None, metaverse: &metaverse, decisions: &decisions, parameters },
    );
    let misplaced = precedence::settle(&mut drafts);
    match report.finish().into_iter().chain(misplaced).next() {
        Some(first) => Err(CanonicalError { file, first: Box::new(first) }),
        None => {
            let rules = drafts.into_iter().map(|draft| draft.rule).collect();
            let deletion = deletion.into_iter().map(|draft| (draft.object_type, draft.rule)).collect();
            Ok(check::build(rules, metaverse, deletion, decisions))
        }
    }
}

fn read_parameters(table: &Table<'_>) -> BTreeMap<String, Value> {
    use toml::de::DeValue;
    let mut parameters = BTreeMap::new();
    for (name, _, value) in table.entries() {
        let read = match value.get_ref() {
            DeValue::String(text) => Value::text(text.as_ref()),
            DeValue::Boolean(truth) => Value::Boolean(*truth),
            DeValue::Integer(digits) => Value::Integer(digits.as_str().parse().unwrap_or_default()),
            _ => continue,
        };
        parameters.insert(name.to_owned(), read);
    }
    parameters
}
