//! `metasync check`: every mistake in the files at once, whether every system can be reached and read, and whether the
//! rules fit the schemas that the systems really have. Writes nothing.

use crate::cli::CheckArgs;
use crate::context::{Context, Opened};
use crate::diagnostics;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::intended::intended_exports;
use crate::output::{Report, to_json};
use crate::password_check::PasswordCheck;
use crate::text::{Table, count, counted};
use connector_contract::{CheckFinding, ConnectorError, Severity};
use metaverse_schema::ConnectorSchema;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use sync_rules::{ConnectorName, Diagnostic, Sources, check_against, check_groups, check_limits};
use sync_store::Store;

/// Good findings of one kind that are listed one by one.
const MOST_ALIKE: usize = 7;

/// What one connector said about itself and its system.
struct Examination {
    findings: Vec<CheckFinding>,
    schema: Option<ConnectorSchema>,
}

pub(crate) async fn run(context: &Context, args: &CheckArgs) -> Result<Report, Failure> {
    let examined = context.examine()?;
    let mut text = examined.drawn.text.clone();
    let mut diagnostics = vec![examined.drawn.json.clone()];
    let mut errors = examined.drawn.errors;
    let mut warnings = examined.drawn.warnings;
    let Some(opened) = examined.opened else {
        text.push_str(&summary(errors, warnings));
        let json = json!({ "diagnostics": joined(diagnostics), "connectors": {} });
        return Ok(Report::new(Exit::Configuration, text, json));
    };
    let mut connectors = BTreeMap::new();
    if !args.offline {
        connectors = examine(&opened).await;
        close_breakers(&opened, &connectors)?;
    }
    let (notes, findings) = rule_findings(&opened, &connectors).await;
    let known = diagnostics::list(&notes, &examined.sources);
    diagnostics.push(known.json);
    let limits = match notes.is_empty() {
        true => String::new(),
        false => format!("what the rules ask and cannot be done there\n{}\n", known.text),
    };
    let rules = diagnostics::draw(&findings, &examined.sources, context.colour());
    text.push_str(&rules.text);
    diagnostics.push(rules.json);
    errors += rules.errors;
    warnings += rules.warnings;
    let groups = draw_missing_groups(context, &opened, &examined.sources)?;
    text.push_str(&groups.text);
    diagnostics.push(groups.json);
    warnings += groups.warnings;
    text.push_str(&render(&opened, &connectors));
    text.push_str(&limits);
    let unreachable = connectors.values().any(|found| worst(&found.findings) == Severity::Error);
    warnings += connectors
        .values()
        .flat_map(|found| &found.findings)
        .filter(|finding| finding.severity == Severity::Warning)
        .count();
    let exit = match (errors, unreachable) {
        (0, false) => Exit::Success,
        (0, true) => Exit::Stopped,
        _ => Exit::Configuration,
    };
    if unreachable {
        text.push_str("not every system can be used as it is configured\n");
    }
    text.push_str(&summary(errors, warnings));
    let connectors: BTreeMap<String, Value> = connectors
        .iter()
        .map(|(name, found)| (name.to_string(), json!({ "findings": to_json(&found.findings) })))
        .collect();
    let json = json!({
        "deployment": opened.deployment.name,
        "staging": opened.deployment.staging,
        "rules": opened.rules.rules.len(),
        "precedence": precedence(&opened),
        "diagnostics": joined(diagnostics),
        "connectors": connectors,
    });
    Ok(Report::new(exit, text, json))
}

/// The rules in order, with the numbers that they came to have.
fn precedence(opened: &Opened) -> Value {
    let rules = &opened.rules.rules;
    rules
        .iter()
        .map(|rule| json!({ "number": rule.precedence, "rule": &*rule.id, "name": rule.name, "file": &*rule.place.file }))
        .collect()
}

fn joined(lists: Vec<Value>) -> Value {
    let items = lists.into_iter().filter_map(|list| match list {
        Value::Array(items) => Some(items),
        _ => None,
    });
    Value::Array(items.flatten().collect())
}

/// All connectors at once: an unreachable one makes nobody wait for the others.
async fn examine(opened: &Opened) -> BTreeMap<ConnectorName, Examination> {
    let mut intended = intended_exports(&opened.rules);
    let tasks: Vec<_> = opened
        .connectors
        .iter()
        .map(|(name, connector)| {
            let (name, connector) = (name.clone(), connector.clone());
            let intended = intended.remove(&name).unwrap_or_default();
            let passwords = PasswordCheck::of(opened);
            tokio::spawn(async move {
                let mut findings = connector.check().await.findings;
                // A system that cannot be reached has said so already; its schema would say it again.
                let schema = match worst(&findings) {
                    Severity::Error => None,
                    _ => match connector.schema().await {
                        Ok(schema) => Some(schema),
                        Err(error) => {
                            findings.push(unreadable_schema(&error));
                            None
                        }
                    },
                };
                if let Some(exporter) = connector.exporter().filter(|_| worst(&findings) < Severity::Error)
                    && !intended.is_empty()
                {
                    findings.extend(exporter.check_rights(&intended).await.findings);
                }
                findings.extend(passwords.check(&name, &*connector).await);
                (name, Examination { findings, schema })
            })
        })
        .collect();
    let mut examinations = BTreeMap::new();
    for (task, name) in tasks.into_iter().zip(opened.connectors.keys()) {
        let examination = match task.await {
            Ok((_, examination)) => examination,
            Err(error) => Examination {
                findings: vec![CheckFinding {
                    severity: Severity::Error,
                    code: "check-failed".to_owned(),
                    message: format!("the check itself broke off: {error}"),
                    remedy: "run it again with -vv and report what it logs".to_owned(),
                }],
                schema: None,
            },
        };
        examinations.insert(name.clone(), examination);
    }
    examinations
}

/// SF23: a connector that is in order may try its credentials again.
fn close_breakers(opened: &Opened, connectors: &BTreeMap<ConnectorName, Examination>) -> Result<(), Failure> {
    let path = &opened.deployment.store;
    let refused = match Store::open_read_only(path) {
        Ok(store) => store.breakers()?,
        // No store, or one that is being brought up to date: nothing was refused that this could know of.
        Err(_) => return Ok(()),
    };
    if refused.is_empty() {
        return Ok(());
    }
    let mut store = Store::open_for_passwords(path)?;
    for (name, connector) in &opened.connectors {
        if connectors.get(name).is_some_and(|found| worst(&found.findings) < Severity::Error) {
            sync_runtime::close_breakers(&mut store, &**connector)?;
        }
    }
    Ok(store.close()?)
}

fn unreadable_schema(error: &ConnectorError) -> CheckFinding {
    CheckFinding {
        severity: Severity::Error,
        code: "schema-unreadable".to_owned(),
        message: format!("{}: {}", error.attempted, error.message),
        remedy: error.remedy.clone(),
    }
}

fn worst(findings: &[CheckFinding]) -> Severity {
    findings.iter().map(|finding| finding.severity).max().unwrap_or(Severity::Ok)
}

/// The rules against the schemas that the systems have, and against what their modes can do: notes, and what should be mended.
/// What a mode can do is known without asking the system.
async fn rule_findings(
    opened: &Opened,
    connectors: &BTreeMap<ConnectorName, Examination>,
) -> (Vec<Diagnostic>, Vec<Diagnostic>) {
    let mut schemas: BTreeMap<ConnectorName, ConnectorSchema> =
        connectors.iter().filter_map(|(name, found)| Some((name.clone(), found.schema.clone()?))).collect();
    let mut found = check_against(&opened.rules, &schemas);
    for config in opened.deployment.connectors.iter().filter(|config| config.kind == "azure-ad") {
        if let Some(connector) = opened.connectors.get(&config.name).filter(|_| !schemas.contains_key(&config.name))
            && let Ok(schema) = connector.schema().await
        {
            schemas.insert(config.name.clone(), schema);
        }
    }
    found.extend(check_limits(&opened.rules, &schemas));
    found.into_iter().partition(|finding| finding.severity == sync_rules::Severity::Note)
}

/// Groups that scope clauses name and that were not imported; before the first import nothing is known of them.
fn draw_missing_groups(context: &Context, opened: &Opened, sources: &Sources) -> Result<diagnostics::Drawn, Failure> {
    let missing = match context.read_store(opened) {
        Ok(store) => store.watched_groups_missing()?,
        Err(failure) if failure.code == "no-store" => Vec::new(),
        Err(failure) => return Err(failure),
    };
    Ok(diagnostics::draw(&check_groups(&opened.rules, &missing), sources, context.colour()))
}

fn render(opened: &Opened, connectors: &BTreeMap<ConnectorName, Examination>) -> String {
    let deployment = &opened.deployment;
    let mut text = format!(
        "deployment {}: {}, {}{}\n\n",
        deployment.name,
        counted(deployment.connectors.len() as u64, "connector", "connectors"),
        counted(opened.rules.rules.len() as u64, "rule", "rules"),
        if deployment.staging { ", staging mode: nothing is exported" } else { "" }
    );
    for (name, found) in connectors {
        let kind = deployment.connectors.iter().find(|config| config.name == *name).map_or("", |config| &config.kind);
        text.push_str(&format!("{name} ({kind})\n"));
        let mut table = Table::new(&["", "", ""]);
        let alike = |finding: &CheckFinding| {
            found
                .findings
                .iter()
                .filter(|other| other.code == finding.code && other.severity == finding.severity)
                .count()
        };
        let mut told: Vec<&str> = Vec::new();
        for finding in &found.findings {
            // Twenty attributes that a forest does not have are one thing to know; --json has them all.
            let many = finding.severity == Severity::Ok && alike(finding) > MOST_ALIKE;
            if many && told.contains(&finding.code.as_str()) {
                continue;
            }
            told.push(&finding.code);
            let mark = match finding.severity {
                Severity::Ok => "ok",
                Severity::Warning => "warning",
                Severity::Error => "error",
            };
            let message = if many {
                format!("{}; and {} more of this kind", finding.message, count((alike(finding) - 1) as u64))
            } else if finding.remedy.is_empty() {
                finding.message.clone()
            } else {
                format!("{}\nwhat to do: {}", finding.message, finding.remedy)
            };
            table.row([mark.to_owned(), finding.code.clone(), message]);
        }
        text.push_str(&table.render());
        text.push('\n');
    }
    text
}

fn summary(errors: usize, warnings: usize) -> String {
    let errors = counted(errors as u64, "mistake in the files", "mistakes in the files");
    format!("{errors}, {}\n", counted(warnings as u64, "warning", "warnings"))
}
