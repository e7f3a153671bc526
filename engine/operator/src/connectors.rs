//! The one place where kinds of connectors are named: turns what the configuration says into connectors, and their
//! setting problems into diagnostics at the place in `metasync.toml`. Connects to nothing.

use connector_active_directory::ActiveDirectory;
use connector_azure_ad::AzureAd;
use connector_contract::{Connector, ConnectorError, SecretReference};
use connector_text_file::TextFileConnector;
use metaverse_schema::{ConnectorSchema, SettingProblem, SettingsTable};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use sync_rules::{CONFIGURATION_FILE, ConnectorConfig, ConnectorName, Diagnostic, Severity};

pub(crate) type Connectors = BTreeMap<ConnectorName, Arc<dyn Connector>>;

/// All connectors that can be built, and every problem of all their settings.
pub(crate) fn build_connectors(configs: &[ConnectorConfig], folder: &Path) -> (Connectors, Vec<Diagnostic>) {
    let mut connectors = Connectors::new();
    let mut problems = Vec::new();
    for config in configs {
        match build(config, folder) {
            Ok(connector) => {
                connectors.insert(config.name.clone(), connector);
            }
            Err(found) => problems.extend(found.into_iter().map(|problem| diagnostic(config, problem))),
        }
    }
    (connectors, problems)
}

/// A secret that stood in the file was taken out by the loader, which said so: that it is missing now is no news.
pub(crate) fn is_repeated(problem: &Diagnostic, others: &[Diagnostic]) -> bool {
    let about_a_secret = problem.message.contains("secret`") || problem.message.contains("password`");
    problem.code == "setting-missing" && about_a_secret && others.iter().any(|other| other.code == "secret-in-file")
}

fn build(config: &ConnectorConfig, folder: &Path) -> Result<Arc<dyn Connector>, Vec<SettingProblem>> {
    match config.kind.as_str() {
        "active-directory" => Ok(Arc::new(active_directory(&config.settings, folder)?)),
        "azure-ad" => {
            let settings = azure_ad(&config.settings, folder)?;
            AzureAd::new(settings).map(|connector| Arc::new(connector) as Arc<dyn Connector>).map_err(|error| {
                vec![SettingProblem {
                    code: "setting-invalid",
                    message: format!("{}: {}", error.attempted, error.message),
                    span: config.settings.span.clone(),
                    help: error.remedy,
                }]
            })
        }
        "text-file" => {
            let settings = connector_text_file::Settings::read(&config.settings, folder)?;
            Ok(Arc::new(TextFileConnector::new(settings)))
        }
        // The loader has already named a kind that it does not know.
        _ => Err(Vec::new()),
    }
}

/// The schemas of all connectors as far as they are known without asking the connected systems: rule tests are typed by
/// them. A directory has its own schema; here it counts with the well-known one.
pub(crate) async fn known_schemas(
    configs: &[ConnectorConfig],
    connectors: &Connectors,
) -> Result<BTreeMap<ConnectorName, ConnectorSchema>, ConnectorError> {
    let mut schemas = BTreeMap::new();
    for (name, connector) in connectors {
        let config = configs.iter().find(|config| config.name == *name);
        let schema = match config.map(|config| config.kind.as_str()) {
            Some("active-directory") => metaverse_schema::active_directory::schema(),
            _ => connector.schema().await?,
        };
        schemas.insert(name.clone(), schema);
    }
    Ok(schemas)
}

/// An Active Directory connector with the given settings, for commands that ask the directory itself.
pub(crate) fn active_directory(
    settings: &SettingsTable,
    folder: &Path,
) -> Result<ActiveDirectory, Vec<SettingProblem>> {
    Ok(ActiveDirectory::new(connector_active_directory::Settings::read(settings, folder)?))
}

/// Relative paths are below the deployment's folder, wherever the process was started.
pub(crate) fn azure_ad(
    settings: &SettingsTable,
    folder: &Path,
) -> Result<connector_azure_ad::Settings, Vec<SettingProblem>> {
    let mut settings = connector_azure_ad::Settings::read(settings)?;
    settings.credential = settings.credential.map_references(|reference| below(reference, folder));
    settings.ca_file = settings.ca_file.map(|path| folder.join(path));
    Ok(settings)
}

fn below(reference: SecretReference, folder: &Path) -> SecretReference {
    match reference {
        SecretReference::File(path) => SecretReference::File(join(folder, path)),
        other => other,
    }
}

fn join(folder: &Path, path: PathBuf) -> PathBuf {
    if path.is_absolute() { path } else { folder.join(path) }
}

fn diagnostic(config: &ConnectorConfig, problem: SettingProblem) -> Diagnostic {
    let span = if problem.span.is_empty() { config.settings.span.clone() } else { problem.span };
    Diagnostic {
        code: problem.code,
        severity: Severity::Error,
        file: CONFIGURATION_FILE.into(),
        span,
        message: format!("connector `{}`: {}", config.name, problem.message),
        label: String::new(),
        help: problem.help,
    }
}
