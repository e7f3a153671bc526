//! Reads when metaverse objects are deleted, `[metaverse_deletion.person]`, and writes it in its canonical form. Decides
//! nothing; the kernel asks.

use super::canonical::quoted;
use super::configuration::known_connector;
use super::metaverse::{MetaverseKinds, Parameters};
use super::reader::{Report, Table, as_table, read_texts};
use super::rules::{check_metaverse_type, read_condition};
use crate::model::{ConnectorName, DeletionRule, MetaverseSchema};
use metaverse_schema::ObjectType;
use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;
use toml::de::DeTable;

/// What one file says about one type.
pub(crate) struct Draft {
    pub(crate) object_type: ObjectType,
    pub(crate) rule: DeletionRule,
    span: Range<usize>,
}

#[derive(Clone, Copy, PartialEq)]
enum Word {
    ProvisioningLink,
    LastConnector,
    AnyOf,
    LastOf,
    Scripted,
}

const WORDS: [(&str, Word); 5] = [
    ("provisioning-link", Word::ProvisioningLink),
    ("last-connector", Word::LastConnector),
    ("any-of", Word::AnyOf),
    ("last-of", Word::LastOf),
    ("scripted", Word::Scripted),
];

/// The types that one file speaks of. `connectors`: those of `metasync.toml`, when they are known.
pub(crate) fn read(
    report: &mut Report<'_>,
    root: &DeTable<'_>,
    metaverse: &MetaverseSchema,
    connectors: Option<&[ConnectorName]>,
    parameters: Parameters<'_>,
) -> Vec<Draft> {
    let Some(value) = root.get("metaverse_deletion") else {
        return Vec::new();
    };
    let Some(types) = as_table(report, "metaverse_deletion", value, "[metaverse_deletion]") else {
        return Vec::new();
    };
    let mut drafts = Vec::new();
    for (name, span, value) in types.entries() {
        let object_type = ObjectType::new(name);
        check_metaverse_type(report, &object_type, &span, metaverse);
        if let Some(table) = as_table(report, name, value, "this deletion rule") {
            let kinds = MetaverseKinds { schema: metaverse, object_type: Some(&object_type), parameters };
            let rule = read_rule(report, table, connectors, &kinds);
            drafts.extend(rule.map(|rule| Draft { object_type: object_type.clone(), rule, span }));
        }
    }
    drafts
}

fn read_rule(
    report: &mut Report<'_>,
    mut table: Table<'_>,
    connectors: Option<&[ConnectorName]>,
    kinds: &MetaverseKinds<'_>,
) -> Option<DeletionRule> {
    let heading = table.span.clone();
    let missing = |report: &mut Report<'_>, key: &str, help: &str| {
        report.error("key-missing", heading.clone(), format!("this rule needs `{key}`"), format!("no `{key}`"), help);
    };
    if !table.entries().any(|(key, _, _)| key == "rule") {
        missing(report, "rule", "one of provisioning-link, last-connector, any-of, last-of, scripted");
    }
    let word = table.choice(report, "rule", &WORDS);
    let named = table.raw("connectors").and_then(|value| read_texts(report, "connectors", value));
    let when = table.text(report, "when");
    if let Some(word) = word {
        let wants_names = matches!(word, Word::AnyOf | Word::LastOf);
        if wants_names && named.as_ref().is_none_or(Vec::is_empty) {
            missing(report, "connectors", "name the connectors: connectors = [\"hr\"]");
        }
        if (word == Word::Scripted) && when.is_none() {
            missing(report, "when", "a condition on the attributes that remain: when = 'IsNull([employeeId])'");
        }
        for (key, given, wanted) in
            [("connectors", named.is_some(), wants_names), ("when", when.is_some(), word == Word::Scripted)]
        {
            if given && !wanted {
                let span = table.raw(key).map_or(heading.clone(), toml::Spanned::span);
                let message = format!("`{key}` says nothing with this rule");
                report.error("key-unknown", span, message, "not with this rule", "remove it, or choose another rule");
            }
        }
    }
    table.finish(report);
    let names: Vec<ConnectorName> = named
        .unwrap_or_default()
        .into_iter()
        .map(|text| {
            let known = connectors.and_then(|known| known_connector(report, &text, known));
            known.unwrap_or_else(|| Arc::from(text.value))
        })
        .collect();
    Some(match word? {
        Word::ProvisioningLink => DeletionRule::ProvisioningLink,
        Word::LastConnector => DeletionRule::LastConnector,
        Word::AnyOf => DeletionRule::AnyOf(names),
        Word::LastOf => DeletionRule::LastOf(names),
        Word::Scripted => DeletionRule::Scripted(read_condition(report, &when?, kinds)?),
    })
}

/// Adds what a file says; a type that another file, or this one, has spoken of is a mistake.
pub(crate) fn add(report: &mut Report<'_>, drafts: &mut Vec<Draft>, draft: Draft) {
    if drafts.iter().any(|known| known.object_type == draft.object_type) {
        let message = format!("when objects of `{}` are deleted is said in two files", draft.object_type);
        report.error("metaverse-deletion-conflict", draft.span, message, "the second one", "keep one of them");
        return;
    }
    drafts.push(draft);
}

/// The canonical form; the default is not written.
pub(crate) fn write(text: &mut String, object_type: &ObjectType, rule: &DeletionRule) {
    let list = |names: &[ConnectorName]| names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ");
    let body = match rule {
        DeletionRule::ProvisioningLink => return,
        DeletionRule::LastConnector => "rule = \"last-connector\"".to_owned(),
        DeletionRule::AnyOf(names) => format!("rule = \"any-of\"\nconnectors = [{}]", list(names)),
        DeletionRule::LastOf(names) => format!("rule = \"last-of\"\nconnectors = [{}]", list(names)),
        DeletionRule::Scripted(when) => format!("rule = \"scripted\"\nwhen = {}", quoted(when.text())),
    };
    let _ = writeln!(text, "\n[metaverse_deletion.{}]\n{body}", quoted(object_type.as_str()));
}
