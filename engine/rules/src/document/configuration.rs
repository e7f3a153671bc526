//! Reads `metasync.toml`: the deployment, its connectors and run profiles, matching and guards. Never resolves a secret;
//! a secret that stands in the file is refused without being shown.

use super::reader::{Report, Table, Text, as_table, choose, read_text, read_texts, wrong_kind};
use crate::deployment::{ConnectorConfig, Deployment, Guards, PasswordSettings, RunProfile, StepType};
use crate::diagnostic::{is_reference, is_secret_key};
use crate::model::{AddressesChoice, ConnectorName, DeprovisionAction, Matching};
use crate::selection::Selections;
use crate::suggest::did_you_mean;
use metaverse_schema::{Setting, SettingValue, SettingsTable, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The kinds of connectors that this product brings.
pub const CONNECTOR_KINDS: [&str; 3] = ["active-directory", "azure-ad", "text-file"];

const STEPS: [(&str, StepType); 8] = [
    ("full-import", StepType::FullImport),
    ("full-synchronization", StepType::FullSynchronization),
    ("delta-import", StepType::DeltaImport),
    ("delta-synchronization", StepType::DeltaSynchronization),
    ("export", StepType::Export),
    ("full-import-and-delta-synchronization", StepType::FullImportAndDeltaSynchronization),
    ("full-import-and-full-synchronization", StepType::FullImportAndFullSynchronization),
    ("delta-import-and-delta-synchronization", StepType::DeltaImportAndDeltaSynchronization),
];

/// What `metasync.toml` says that decisions depend on.
#[derive(Debug, Clone)]
pub(crate) struct Decisions {
    pub(crate) matching: Matching,
    pub(crate) addresses: AddressesChoice,
    pub(crate) adopted: DeprovisionAction,
    pub(crate) grace_days: u32,
    pub(crate) without_recall: BTreeSet<ConnectorName>,
    pub(crate) parameters: BTreeMap<String, Value>,
    pub(crate) selections: Selections,
}

impl Decisions {
    /// What holds when nothing is said.
    pub(crate) fn unknown() -> Self {
        Decisions {
            matching: Matching::Review,
            addresses: AddressesChoice::Hold,
            adopted: DeprovisionAction::Detach,
            grace_days: GRACE_DAYS,
            without_recall: BTreeSet::new(),
            parameters: BTreeMap::new(),
            selections: Selections::new(),
        }
    }
}

/// Everything read, as far as it could be.
pub(crate) struct Configuration {
    pub(crate) deployment: Deployment,
    pub(crate) decisions: Decisions,
    /// Places of values that are secrets and must not be shown.
    pub(crate) secrets: Vec<Range<usize>>,
}

pub(crate) fn read(report: &mut Report<'_>, root: &DeTable<'_>, folder: &Path) -> Configuration {
    let mut secrets = Vec::new();
    let mut root = Table::new(root, 0..0, "metasync.toml");
    let mut deployment = Deployment {
        folder: folder.to_path_buf(),
        name: String::new(),
        store: folder.join("metasync.db"),
        connectors: Vec::new(),
        profiles: Vec::new(),
        guards: Guards::default(),
        staging: false,
        error_limit: 5_000,
        workers: 4,
        history_days: 7,
        never_sync_groups: Vec::new(),
        passwords: PasswordSettings::default(),
    };
    match root.table(report, "deployment", "[deployment]") {
        Some(table) => read_deployment(report, table, folder, &mut deployment),
        None => report.error(
            "key-missing",
            0..0,
            "metasync.toml needs a table [deployment]",
            "[deployment] is missing",
            "write [deployment] and name = \"...\"",
        ),
    }
    let mut decisions = Decisions::unknown();
    if let Some(table) = root.table(report, "parameters", "[parameters]") {
        read_parameters(report, &table, &mut decisions.parameters);
    }
    let matching = root.table(report, "matching", "[matching]");
    read_matching(report, matching, &mut decisions);
    if let Some(table) = root.table(report, "leaving", "[leaving]") {
        decisions.grace_days = read_leaving(report, table);
    }
    if let Some(table) = root.table(report, "guards", "[guards]") {
        deployment.guards = read_guards(report, table);
    }
    if let Some(connectors) = root.table(report, "connector", "[connector]") {
        for (name, span, value) in connectors.entries() {
            let connector = read_connector(report, name, span, value, &mut secrets, &mut decisions);
            deployment.connectors.extend(connector);
        }
    }
    let names: Vec<ConnectorName> = deployment.connectors.iter().map(|connector| connector.name.clone()).collect();
    for profile in root.tables(report, "profile", "this profile") {
        let read = read_profile(report, profile, &names, &deployment.profiles);
        deployment.profiles.extend(read);
    }
    add_default_profiles(&names, &mut deployment.profiles);
    if let Some(table) = root.table(report, "scope", "[scope]") {
        decisions.selections = super::selection::read(report, &table, Some(&names));
    }
    if let Some(table) = root.table(report, "never_sync", "[never_sync]") {
        deployment.never_sync_groups = read_never_sync(report, table, &names);
    }
    if let Some(table) = root.table(report, "passwords", "[passwords]") {
        deployment.passwords = read_passwords(report, table, &names);
    }
    root.finish(report);
    Configuration { deployment, decisions, secrets }
}

fn read_deployment(report: &mut Report<'_>, mut table: Table<'_>, folder: &Path, deployment: &mut Deployment) {
    if let Some(name) = table.required_text(report, "name", "give the deployment a name, such as \"contoso\"") {
        deployment.name = name.value;
    }
    deployment.staging = table.boolean(report, "staging").unwrap_or(false);
    if let Some(store) = table.text(report, "store") {
        deployment.store = folder.join(store.value);
    }
    let number = |limit: Option<i64>, default: u64| limit.and_then(|n| u64::try_from(n).ok()).unwrap_or(default);
    deployment.workers = usize::try_from(number(table.integer(report, "workers", 1..=256), 4)).unwrap_or(4);
    // R22: 0 and everything from 100,000 up is 100,000.
    deployment.error_limit = match number(table.integer(report, "error_limit", 0..=i64::MAX), 5_000) {
        0 => 100_000,
        limit => limit.min(100_000),
    };
    let days = number(table.integer(report, "history_days", 1..=3_650), 7);
    deployment.history_days = u32::try_from(days).unwrap_or(7);
    table.finish(report);
}

fn read_parameters(report: &mut Report<'_>, table: &Table<'_>, parameters: &mut BTreeMap<String, Value>) {
    for (name, span, value) in table.entries() {
        let read = match value.get_ref() {
            DeValue::String(text) => Some(Value::text(text.as_ref())),
            DeValue::Boolean(truth) => Some(Value::Boolean(*truth)),
            DeValue::Integer(digits) => i64::from_str_radix(digits.as_str(), digits.radix()).ok().map(Value::Integer),
            _ => None,
        };
        let known = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-');
        if name == "Connector.ID" || name.starts_with("Matching.") || name.is_empty() || !name.chars().all(known) {
            let message = format!("a parameter cannot be called `{name}`");
            let help =
                "Connector.ID and Matching.* are set by the engine; others have letters, digits, `.`, `_` and `-`";
            report.error("parameter-name-invalid", span, message, "not a parameter name", help);
        }
        match read {
            Some(value) => {
                parameters.insert(name.to_owned(), value);
            }
            None => {
                wrong_kind::<()>(report, name, value, "a text, a whole number, or true or false");
            }
        }
    }
}

fn read_matching(report: &mut Report<'_>, table: Option<Table<'_>>, decisions: &mut Decisions) {
    let mut by_sign_in_name = false;
    if let Some(mut table) = table {
        let modes = [("review", Matching::Review), ("automatic", Matching::Automatic), ("closed", Matching::Closed)];
        decisions.matching = table.choice(report, "mode", &modes).unwrap_or(Matching::Review);
        by_sign_in_name = table.boolean(report, "user_principal_name").unwrap_or(false);
        decisions.addresses = table.choice(report, "addresses", &ADDRESSES).unwrap_or(AddressesChoice::Hold);
        let actions = [("detach", DeprovisionAction::Detach), ("delete", DeprovisionAction::Delete)];
        let adopted = table.choice(report, "on_deprovision_adopted", &actions);
        decisions.adopted = adopted.unwrap_or(DeprovisionAction::Detach);
        table.finish(report);
    }
    decisions.parameters.insert(MATCH_SIGN_IN_NAME.to_owned(), Value::Boolean(by_sign_in_name));
}

/// The parameter that `[matching] user_principal_name` sets.
pub(crate) const MATCH_SIGN_IN_NAME: &str = "Matching.UserPrincipalName";

pub(crate) const ADDRESSES: [(&str, AddressesChoice); 3] = [
    ("hold", AddressesChoice::Hold),
    ("keep-cloud", AddressesChoice::KeepCloud),
    ("ad-wins", AddressesChoice::ActiveDirectoryWins),
];

/// The grace period where nothing is said (SF18).
pub(crate) const GRACE_DAYS: u32 = 7;

/// SF18: days between leaving scope and what follows from it in the targets.
pub(crate) fn read_leaving(report: &mut Report<'_>, mut table: Table<'_>) -> u32 {
    let days = table.integer(report, "grace_days", 0..=3_650);
    table.finish(report);
    days.and_then(|days| u32::try_from(days).ok()).unwrap_or(GRACE_DAYS)
}

fn read_guards(report: &mut Report<'_>, mut table: Table<'_>) -> Guards {
    let default = Guards::default();
    let mut number = |report: &mut Report<'_>, key, most: i64, default: u64| {
        let read = table.integer(report, key, 0..=most);
        read.and_then(|number| u64::try_from(number).ok()).unwrap_or(default)
    };
    let guards = Guards {
        objects: number(report, "objects", i64::MAX, default.objects),
        percent: number(report, "percent", 100, default.percent),
        at_least: number(report, "at_least", i64::MAX, default.at_least),
    };
    table.finish(report);
    guards
}

fn read_connector(
    report: &mut Report<'_>,
    name: &str,
    name_span: Range<usize>,
    value: &Spanned<DeValue<'_>>,
    secrets: &mut Vec<Range<usize>>,
    decisions: &mut Decisions,
) -> Option<ConnectorConfig> {
    let well_named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if name.is_empty() || !name.chars().all(well_named) || name == "mv" {
        let message = format!("a connector cannot be called `{name}`");
        let help = "use letters, digits, `-` and `_`; `mv` means the metaverse";
        report.error("connector-name-invalid", name_span.clone(), message, "not a connector name", help);
    }
    let what = format!("[connector.{name}]");
    let mut table = as_table(report, name, value, &what)?;
    let kind = table.required_text(report, "kind", &format!("one of: {}", CONNECTOR_KINDS.join(", ")));
    if let Some(kind) = &kind {
        let kinds = CONNECTOR_KINDS.map(|kind| (kind, ()));
        choose(report, "kind", kind, &kinds);
    }
    let settings = match table.raw("settings") {
        Some(settings) => match settings.get_ref() {
            DeValue::Table(entries) => read_settings(report, entries, settings.span(), secrets),
            _ => wrong_kind(report, "settings", settings, "a table").unwrap_or_default(),
        },
        None => SettingsTable { span: table.span.clone(), ..SettingsTable::default() },
    };
    if table.boolean(report, "recall") == Some(false) {
        decisions.without_recall.insert(Arc::from(name));
    }
    table.finish(report);
    Some(ConnectorConfig { name: Arc::from(name), kind: kind.map(|kind| kind.value).unwrap_or_default(), settings })
}

fn read_settings(
    report: &mut Report<'_>,
    entries: &DeTable<'_>,
    span: Range<usize>,
    secrets: &mut Vec<Range<usize>>,
) -> SettingsTable {
    let mut table = SettingsTable { span, ..SettingsTable::default() };
    for (key, value) in entries {
        let name = key.get_ref().as_ref();
        let setting = if is_secret_key(name) {
            read_secret_setting(report, name, key.span(), value, secrets)
        } else {
            read_setting(report, name, value, secrets)
        };
        if let Some(setting) = setting {
            table.entries.insert(name.to_owned(), setting);
        }
    }
    table
}

/// A setting that holds a secret names where it is. The value is neither kept nor shown.
fn read_secret_setting(
    report: &mut Report<'_>,
    name: &str,
    name_span: Range<usize>,
    value: &Spanned<DeValue<'_>>,
    secrets: &mut Vec<Range<usize>>,
) -> Option<Setting> {
    match value.get_ref() {
        DeValue::String(text) if is_reference(text) => read_setting(report, name, value, secrets),
        // `passwords = { privileged = false }` and `password_sync = true` hold no secret themselves.
        DeValue::Boolean(_) | DeValue::Table(_) => read_setting(report, name, value, secrets),
        _ => {
            secrets.push(value.span());
            let message = format!("`{name}` holds a secret; secrets do not belong into this file");
            let help =
                "write \"env:NAME\", \"file:PATH\" or \"credential:NAME\"; and change this secret, it has been on disk";
            report.error("secret-in-file", name_span, message, "a secret, not shown", help);
            None
        }
    }
}

fn read_setting(
    report: &mut Report<'_>,
    name: &str,
    value: &Spanned<DeValue<'_>>,
    secrets: &mut Vec<Range<usize>>,
) -> Option<Setting> {
    let read = match value.get_ref() {
        DeValue::String(text) => SettingValue::Text(text.to_string()),
        DeValue::Boolean(truth) => SettingValue::Boolean(*truth),
        DeValue::Integer(digits) => match i64::from_str_radix(digits.as_str(), digits.radix()) {
            Ok(number) => SettingValue::Integer(number),
            Err(_) => return wrong_kind(report, name, value, "a whole number of at most 64 bits"),
        },
        DeValue::Array(items) => {
            SettingValue::List(items.iter().filter_map(|item| read_setting(report, name, item, secrets)).collect())
        }
        DeValue::Table(entries) => SettingValue::Table(read_settings(report, entries, value.span(), secrets)),
        DeValue::Float(_) | DeValue::Datetime(_) => {
            return wrong_kind(report, name, value, "a text, a whole number, true or false, a list or a table");
        }
    };
    Some(Setting { value: read, span: value.span() })
}

/// A connector that was named, or a diagnostic.
pub(crate) fn known_connector(report: &mut Report<'_>, name: &Text, known: &[ConnectorName]) -> Option<ConnectorName> {
    find_connector(report, &name.value, name.span.clone(), known)
}

/// The same of a name that stands at `span`.
pub(crate) fn find_connector(
    report: &mut Report<'_>,
    name: &str,
    span: Range<usize>,
    known: &[ConnectorName],
) -> Option<ConnectorName> {
    let found = known.iter().find(|connector| ***connector == *name).cloned();
    if found.is_none() {
        report.error(
            "connector-unknown",
            span,
            format!("there is no connector `{name}`"),
            "unknown connector",
            did_you_mean(name, known.iter().map(|connector| &**connector)),
        );
    }
    found
}

fn read_profile(
    report: &mut Report<'_>,
    mut table: Table<'_>,
    connectors: &[ConnectorName],
    before: &[RunProfile],
) -> Option<RunProfile> {
    let name = table.required_text(report, "name", "give the profile a name, such as \"nightly\"");
    let connector = table.required_text(report, "connector", "name the connector it runs");
    let connector = connector.and_then(|connector| known_connector(report, &connector, connectors));
    let steps = table.raw("steps");
    let mut read = Vec::new();
    match steps.map(|steps| (steps, steps.get_ref())) {
        Some((_, DeValue::Array(items))) if !items.is_empty() => {
            for item in items.iter() {
                let step = read_text(report, "steps", item);
                read.extend(step.and_then(|step| choose(report, "steps", &step, &STEPS)));
            }
        }
        Some((value, _)) => {
            wrong_kind::<()>(report, "steps", value, "a list of at least one step, such as [\"full-import\"]");
        }
        None => {
            let help = "write for example steps = [\"full-import\", \"full-synchronization\"]";
            let span = table.span.clone();
            report.error("key-missing", span, "this profile needs `steps`", "`steps` is missing", help);
        }
    }
    table.finish(report);
    let (name, connector) = (name?, connector?);
    let twice = |profile: &&RunProfile| *profile.name == *name.value && profile.connector == connector;
    if before.iter().any(|profile| twice(&profile)) {
        let message = format!("connector `{connector}` has two profiles `{}`", name.value);
        report.error("profile-duplicate", name.span, message, "the second one", "give it another name");
        return None;
    }
    Some(RunProfile { name: Arc::from(name.value), connector, steps: read })
}

/// R3: five single-purpose profiles for every connector that has none of its own.
fn add_default_profiles(connectors: &[ConnectorName], profiles: &mut Vec<RunProfile>) {
    let own: Vec<ConnectorName> = profiles.iter().map(|profile| profile.connector.clone()).collect();
    for connector in connectors.iter().filter(|connector| !own.contains(connector)) {
        profiles.extend(STEPS.iter().take(5).map(|(name, step)| RunProfile {
            name: Arc::from(*name),
            connector: connector.clone(),
            steps: vec![*step],
        }));
    }
}

/// SF20.
fn read_never_sync(
    report: &mut Report<'_>,
    mut table: Table<'_>,
    connectors: &[ConnectorName],
) -> Vec<(ConnectorName, String)> {
    let mut groups = Vec::new();
    for mut entry in table.tables(report, "groups", "this entry of never_sync.groups") {
        let connector = entry.required_text(report, "connector", "name the connector whose space holds the group");
        let connector = connector.and_then(|connector| known_connector(report, &connector, connectors));
        let group = entry.required_text(report, "group", "write the DN of the group, or its anchor");
        entry.finish(report);
        if let (Some(connector), Some(group)) = (connector, group) {
            groups.push((connector, group.value));
        }
    }
    table.finish(report);
    groups
}

/// P20: passwords are synchronised between the connectors that are named here, and between no others.
fn read_passwords(report: &mut Report<'_>, mut table: Table<'_>, connectors: &[ConnectorName]) -> PasswordSettings {
    let mut named = |report: &mut Report<'_>, key: &'static str, help: &str| {
        let Some(value) = table.raw(key) else {
            let message = format!("[passwords] needs `{key}`");
            report.error("key-missing", table.span.clone(), message, format!("`{key}` is missing"), help);
            return Vec::new();
        };
        let mut found: Vec<(ConnectorName, Range<usize>)> = Vec::new();
        for text in read_texts(report, key, value).unwrap_or_default() {
            if let Some(connector) = known_connector(report, &text, connectors)
                && !found.iter().any(|(known, _)| *known == connector)
            {
                found.push((connector, text.span));
            }
        }
        found
    };
    let from = named(report, "from", "name the connectors whose passwords are read, such as from = [\"ad\"]");
    let to = named(report, "to", "name the connectors that are given them, such as to = [\"cloud\"]");
    for (connector, span) in to.iter().filter(|(connector, _)| from.iter().any(|(source, _)| source == connector)) {
        let message = format!("`{connector}` cannot both give passwords and take them");
        report.error("passwords-both-ways", span.clone(), message, "also named in `from`", "name it in one of the two");
    }
    let privileged = table.boolean(report, "privileged").unwrap_or(false);
    table.finish(report);
    let names = |found: Vec<(ConnectorName, Range<usize>)>| found.into_iter().map(|(connector, _)| connector).collect();
    PasswordSettings { from: names(from), to: names(to), privileged }
}
