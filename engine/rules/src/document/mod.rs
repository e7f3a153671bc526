//! From the texts of a deployment folder to its checked configuration and rules, with every mistake at once. Takes
//! texts, never opens a file.

#[cfg(test)]
mod bad_input_tests;
mod canonical;
mod check;
mod configuration;
mod cycle;
mod deletion;
#[cfg(test)]
mod expression_tests;
mod fingerprint;
mod flows;
mod join_key;
mod limits;
#[cfg(test)]
mod limits_tests;
mod metaverse;
mod precedence;
#[cfg(test)]
mod precedence_tests;
pub(crate) mod reader;
mod rules;
mod schema;
mod scope;
mod selection;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod value_tests;

use crate::deployment::{ConnectorConfig, Deployment};
use crate::diagnostic::{Diagnostic, Severity, Sources};
use crate::model::{ConnectorName, MetaverseSchema, RuleSet};
use crate::places::RulePlaces;
use metaverse::Parameters;
use reader::Report;
use rules::{Context, Draft};
use std::path::PathBuf;
use std::sync::Arc;
use toml::de::DeTable;

pub(crate) use canonical::MATCHING;
pub(crate) use fingerprint::fingerprint;
#[cfg(test)]
pub(crate) use scope::OPERATORS as SCOPE_OPERATORS;

pub use canonical::{CanonicalError, read_canonical};
pub use configuration::CONNECTOR_KINDS;
pub use limits::check_limits;
pub use schema::{check_against, check_groups};

/// The name of the configuration file in a deployment folder.
pub const CONFIGURATION_FILE: &str = "metasync.toml";
/// The folder of the rule files in a deployment folder.
pub const RULES_FOLDER: &str = "rules";

/// The files of a deployment, as they were found.
#[derive(Debug, Clone)]
pub struct Files {
    pub configuration: FileText,
    /// Any order: rules stand in order of their precedence.
    pub rules: Vec<FileText>,
}

#[derive(Debug, Clone)]
pub struct FileText {
    /// Relative to the deployment folder: `metasync.toml`, `rules/10-metaverse.toml`.
    pub name: Arc<str>,
    pub content: FileContent,
}

#[derive(Debug, Clone)]
pub enum FileContent {
    Text(String),
    /// Not UTF-8: the text up to the first bad byte.
    NotUtf8(String),
    Missing,
    /// There, and cannot be read; why.
    Unreadable(String),
}

impl FileText {
    pub fn text(name: impl Into<Arc<str>>, text: impl Into<String>) -> Self {
        FileText { name: name.into(), content: FileContent::Text(text.into()) }
    }
}

/// What loading came to. A half with an error in it is None; the other one may still serve.
#[derive(Debug, Clone)]
pub struct Loaded {
    pub deployment: Option<Deployment>,
    /// The connectors as far as they could be read, also when something else is wrong: their own settings can then be
    /// checked together with everything else.
    pub connectors: Vec<ConnectorConfig>,
    pub rules: Option<RuleSet>,
    /// By file and place.
    pub diagnostics: Vec<Diagnostic>,
    pub sources: Sources,
}

impl Loaded {
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }
}

/// Reads and checks everything. `folder` is the deployment folder, for paths that are relative to it.
pub fn load(files: &Files, folder: PathBuf) -> Loaded {
    let mut sources = Sources::default();
    let mut diagnostics = Vec::new();

    let mut configuration = None;
    if let Some(text) = usable(&files.configuration, &mut sources, &mut diagnostics) {
        let (mut report, root) = Report::parse(files.configuration.name.clone(), text);
        let read = configuration::read(&mut report, &root, &folder);
        for secret in &read.secrets {
            sources.mask(&files.configuration.name, secret.clone());
        }
        diagnostics.extend(report.finish());
        configuration = Some(read);
    }
    let configuration_holds = configuration.is_some() && !has_errors(&diagnostics);

    let mut rule_files: Vec<&FileText> = files.rules.iter().collect();
    rule_files.sort_by(|left, right| left.name.cmp(&right.name));
    let texts: Vec<(Arc<str>, &str)> = rule_files
        .into_iter()
        .filter_map(|file| Some((file.name.clone(), usable(file, &mut sources, &mut diagnostics)?)))
        .collect();
    let connectors: Option<Vec<ConnectorName>> = configuration.as_ref().map(|configuration| {
        let connectors = &configuration.deployment.connectors;
        connectors.iter().map(|connector| connector.name.clone()).collect()
    });
    let decisions = configuration.as_ref().map(|configuration| configuration.decisions.clone());
    let broken_rule_file = diagnostics.iter().any(|diagnostic| diagnostic.code.starts_with("file-"));
    let built = read_rules(&texts, connectors.as_deref(), decisions);
    let rules_hold = !has_errors(&built.1) && !broken_rule_file && configuration.is_some();
    diagnostics.extend(built.1);
    if texts.is_empty() && configuration.is_some() {
        diagnostics.push(Diagnostic {
            code: "no-rules",
            severity: Severity::Warning,
            file: files.configuration.name.clone(),
            span: 0..0,
            message: format!("there is no rule file in {RULES_FOLDER}/, so nothing will be synchronised"),
            label: String::new(),
            help: "`metasync init` writes the shipped rules".to_owned(),
        });
    }
    sources.sort(&mut diagnostics);
    let mut rules = built.0.filter(|_| rules_hold);
    if let Some(rules) = &mut rules {
        rules.places = RulePlaces::of(&rules.rules, &sources);
    }
    Loaded {
        connectors: configuration.as_ref().map(|read| read.deployment.connectors.clone()).unwrap_or_default(),
        deployment: configuration.filter(|_| configuration_holds).map(|read| read.deployment),
        rules,
        diagnostics,
        sources,
    }
}

fn has_errors(diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
}

/// The text of a file; what stands in the way of it is a diagnostic.
pub(crate) fn usable<'f>(
    file: &'f FileText,
    sources: &mut Sources,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<&'f str> {
    sources.add_name(file.name.clone());
    let (code, message, span, help) = match &file.content {
        FileContent::Text(text) => {
            add_source(sources, file, text);
            return Some(text);
        }
        FileContent::NotUtf8(readable) => {
            add_source(sources, file, readable);
            let message = format!("{} is not UTF-8 text from byte {} on", file.name, readable.len());
            let end = readable.len();
            ("file-not-utf8", message, end..end, "save it as UTF-8".to_owned())
        }
        FileContent::Missing => {
            let message = format!("{} does not exist", file.name);
            ("file-missing", message, 0..0, "`metasync init` writes a deployment".to_owned())
        }
        FileContent::Unreadable(why) => {
            let message = format!("{} cannot be read: {why}", file.name);
            ("file-unreadable", message, 0..0, "check its permissions".to_owned())
        }
    };
    diagnostics.push(Diagnostic {
        code,
        severity: Severity::Error,
        file: file.name.clone(),
        span,
        message,
        label: String::new(),
        help,
    });
    None
}

/// Rule files hold no settings; an expression may well compare an attribute called `passwordHint`.
fn add_source(sources: &mut Sources, file: &FileText, text: &str) {
    if *file.name == *CONFIGURATION_FILE {
        sources.add_masked(file.name.clone(), text);
    } else {
        sources.add(file.name.clone(), text);
    }
}

/// Reads all rule files and builds the rule set; the set is only meant to be used when there is no error.
fn read_rules(
    texts: &[(Arc<str>, &str)],
    connectors: Option<&[ConnectorName]>,
    decisions: Option<configuration::Decisions>,
) -> (Option<RuleSet>, Vec<Diagnostic>) {
    let mut parsed: Vec<(Report<'_>, DeTable<'_>)> =
        texts.iter().map(|(name, text)| Report::parse(name.clone(), text)).collect();
    let mut metaverse = MetaverseSchema::default();
    for (report, root) in &mut parsed {
        metaverse::read(report, root, &mut metaverse);
    }
    let unknown = decisions.is_none();
    let decisions = decisions.unwrap_or_else(configuration::Decisions::unknown);
    let context = Context {
        connectors,
        metaverse: &metaverse,
        decisions: &decisions,
        parameters: Parameters((!unknown).then_some(&decisions.parameters)),
    };
    let mut deletion: Vec<deletion::Draft> = Vec::new();
    for (report, root) in &mut parsed {
        for draft in deletion::read(report, root, &metaverse, connectors, context.parameters) {
            deletion::add(report, &mut deletion, draft);
        }
    }
    let mut drafts: Vec<Draft> = Vec::new();
    for (report, root) in &mut parsed {
        drafts.extend(rules::read(report, root, context));
    }
    let mut diagnostics: Vec<Diagnostic> = parsed.into_iter().flat_map(|(report, _)| report.finish()).collect();
    diagnostics.extend(precedence::settle(&mut drafts));
    diagnostics.extend(check::among_rules(&drafts, &metaverse));
    diagnostics.extend(cycle::check(&drafts));
    let rules = drafts.into_iter().filter(|draft| !draft.disabled).map(|draft| draft.rule).collect();
    let deletion = deletion.into_iter().map(|draft| (draft.object_type, draft.rule)).collect();
    let rule_set = check::build(rules, metaverse, deletion, decisions);
    (Some(rule_set), diagnostics)
}
