//! The connector's settings as an operator writes them, read once into a checked type with every mistake reported
//! together. Never reads a secret itself and never touches the network.

use crate::credential::{self, Credential};
use crate::provisioning::ProvisioningSettings;
use connector_contract::{CredentialMark, SecretReference};
use metaverse_schema::{SettingProblem, SettingsReader, SettingsTable};
use reqwest::Url;
use std::path::PathBuf;
use std::time::Duration;

const GRAPH_URL: &str = "https://graph.microsoft.com/v1.0/";
const AUTHORITY_URL: &str = "https://login.microsoftonline.com/";
/// The public cloud's scope (A.1); a tenant on a loopback address plays that cloud.
const GRAPH_SCOPE: &str = "https://graph.microsoft.com/.default";

/// By which of the two ways the tenant is written. Reading goes over Microsoft Graph in both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The public API: objects stay managed in the cloud, and carry a stamp.
    Graph,
    /// The provisioning service of the official tool: objects become synchronised ones.
    Connect,
}

/// Checked settings of one Azure AD connector.
#[derive(Debug, Clone)]
pub struct Settings {
    pub mode: Mode,
    /// The tenant: its GUID or one of its verified domains.
    pub tenant: String,
    /// The application's ID; of a managed identity the user-assigned one's, empty for the machine's own.
    pub client_id: String,
    pub credential: Credential,
    /// Root of the Graph version in use; always ends with a slash.
    pub graph_url: Url,
    /// Root of the token service; always ends with a slash.
    pub authority_url: Url,
    /// What the token is asked for: `https://graph.microsoft.com/.default`.
    pub scope: String,
    /// PEM file with certificate authorities to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// HTTP proxy; the environment's proxy variables are not read. Loopback addresses never go through it.
    pub proxy: Option<Url>,
    pub connect_timeout: Duration,
    /// From sending a request to the last byte of its reply.
    pub request_timeout: Duration,
    /// HTTP/1.1 connections in use at a time.
    pub concurrency: usize,
    /// Longest time that one request waits for throttling and outages, all its retries together.
    pub max_wait: Duration,
    /// Longest time that a fresh object is waited for while it answers 404 (A.2).
    pub replication_wait: Duration,
    /// Writes that the service takes in `write_window` (A.8); kept to once it warns that they run out.
    pub write_limit: u32,
    pub write_window: Duration,
    /// Resource units that the service takes in `unit_window` (A.8: 3,500 to 8,000 in ten seconds, by the size of the tenant); kept to
    /// once it warns that they run out.
    pub unit_limit: u32,
    pub unit_window: Duration,
    /// Attempts of one request that the connection or a server fault broke; throttling does not count.
    pub attempts: u32,
    /// First pause where the service names none; doubled each time, at most one minute.
    pub backoff_base: Duration,
    /// Largest reply that is read, in bytes.
    pub max_reply_bytes: usize,
    /// Whether contacts are imported (needs OrgContact.Read.All).
    pub contacts: bool,
    /// Whether soft-deleted users may be restored (SF9).
    pub restore_deleted: bool,
    /// Whether to export although another tool synchronised into this tenant within a day (SF24).
    pub allow_other_writer: bool,
    /// The provisioning web service, which Connect mode writes through.
    pub provisioning: ProvisioningSettings,
}

impl Settings {
    /// Application, tenant, and where the proof comes from (SF23).
    pub(crate) fn credential_mark(&self) -> CredentialMark {
        let references = self.credential.references();
        let listed = |text: fn(&SecretReference) -> String, with: &str| {
            references.iter().map(|reference| text(reference)).collect::<Vec<_>>().join(with)
        };
        let proof = match references.is_empty() {
            true => "managed identity".to_owned(),
            false => listed(SecretReference::to_string, " and "),
        };
        CredentialMark {
            name: format!("application {} of tenant {}, {proof}", self.client_id, self.tenant),
            stamp: listed(SecretReference::stamp, " "),
        }
    }

    /// Reads the connector's table. All problems are returned together, settings that nobody knows included.
    pub fn read(table: &SettingsTable) -> Result<Settings, Vec<SettingProblem>> {
        let mut reader = SettingsReader::new(table);
        let mode = read_mode(&mut reader);
        let tenant = reader.required_text("tenant", "write the tenant's GUID or one of its verified domains");
        if !tenant.is_empty() && !is_plain_name(&tenant) {
            let message = format!("`{tenant}` is neither a tenant GUID nor a domain name");
            reader.invalid("tenant", message, "write something like `contoso.onmicrosoft.com`");
        }
        let credential = credential::read(&mut reader);
        let help = "write the application (client) ID of the app registration";
        let client_id = match &credential {
            Some(Credential::ManagedIdentity(_)) => reader.text("client_id").unwrap_or_default(),
            _ => reader.required_text("client_id", help),
        };
        if !client_id.is_empty() && !is_plain_name(&client_id) {
            let message = "the application ID has only letters, digits and hyphens";
            reader.invalid("client_id", message, "copy the application (client) ID of the app registration");
        }
        let allow_http = reader.boolean("allow_http").unwrap_or(false);
        let graph_url = read_url(&mut reader, "graph_url", GRAPH_URL, allow_http);
        let authority_url = read_url(&mut reader, "authority_url", AUTHORITY_URL, allow_http);
        let scope = reader.text("scope");
        let ca_file = reader.text("ca_file").map(PathBuf::from);
        let proxy = read_proxy(&mut reader);
        let seconds = |reader: &mut SettingsReader<'_>, name, default, least, most| {
            let number = bounded(reader, name, default, least, most);
            Duration::from_secs(number)
        };
        let connect_timeout = seconds(&mut reader, "connect_timeout_seconds", 10, 1, 300);
        let request_timeout = seconds(&mut reader, "request_timeout_seconds", 100, 1, 3600);
        let max_wait = seconds(&mut reader, "max_wait_seconds", 300, 0, 86_400);
        let replication_wait = seconds(&mut reader, "replication_wait_seconds", 60, 0, 3600);
        let write_limit = bounded(&mut reader, "write_limit", 3_000, 1, 1_000_000) as u32;
        let write_window = seconds(&mut reader, "write_window_seconds", 150, 1, 86_400);
        let unit_limit = bounded(&mut reader, "unit_limit", 8_000, 1, 10_000_000) as u32;
        let unit_window = seconds(&mut reader, "unit_window_seconds", 10, 1, 86_400);
        let concurrency = bounded(&mut reader, "concurrency", 4, 1, 8) as usize;
        let attempts = bounded(&mut reader, "attempts", 4, 1, 20) as u32;
        let max_reply_bytes = bounded(&mut reader, "max_reply_mebibytes", 64, 1, 1024) as usize * 1024 * 1024;
        let contacts = reader.boolean("contacts").unwrap_or(true);
        let restore_deleted = reader.boolean("restore_deleted").unwrap_or(true);
        let allow_other_writer = reader.boolean("allow_other_writer").unwrap_or(false);
        let provisioning = read_provisioning(&mut reader, allow_http, graph_url.as_ref());
        let is_anonymous = provisioning.as_ref().is_ok_and(|provisioning| provisioning.machine_id.is_none());
        if mode == Mode::Connect && is_anonymous {
            let help = "write a GUID that only this deployment has (`init` draws one): by it this deployment knows its own writes";
            reader.invalid("provisioning", "the setting `machine_id` is missing in the table `provisioning`", help);
        }
        let mut problems = reader.finish();
        let provisioning = provisioning.map_err(|mistakes| problems.extend(mistakes)).ok();
        match (credential, graph_url, authority_url, provisioning) {
            (Some(credential), Some(graph_url), Some(authority_url), Some(provisioning)) if problems.is_empty() => {
                Ok(Settings {
                    mode,
                    tenant,
                    client_id,
                    credential,
                    scope: scope.unwrap_or_else(|| default_scope(&graph_url)),
                    graph_url,
                    authority_url,
                    ca_file,
                    proxy,
                    connect_timeout,
                    request_timeout,
                    concurrency,
                    max_wait,
                    replication_wait,
                    write_limit,
                    write_window,
                    unit_limit,
                    unit_window,
                    attempts,
                    backoff_base: Duration::from_secs(1),
                    max_reply_bytes,
                    contacts,
                    restore_deleted,
                    allow_other_writer,
                    provisioning,
                })
            }
            _ => Err(problems),
        }
    }
}

fn read_mode(reader: &mut SettingsReader<'_>) -> Mode {
    match reader.text("mode").as_deref() {
        None | Some("graph") => Mode::Graph,
        Some("connect") => Mode::Connect,
        Some(other) => {
            let message = format!("there is no mode `{other}`");
            reader.invalid("mode", message, "write `mode = \"graph\"` or `mode = \"connect\"`");
            Mode::Graph
        }
    }
}

/// The table `provisioning`; a connector without one takes the defaults.
fn read_provisioning(
    reader: &mut SettingsReader<'_>,
    allow_http: bool,
    graph_url: Option<&Url>,
) -> Result<ProvisioningSettings, Vec<SettingProblem>> {
    let nothing = SettingsTable::default();
    ProvisioningSettings::read(reader.table("provisioning").unwrap_or(&nothing), allow_http, graph_url)
}

fn read_url(reader: &mut SettingsReader<'_>, name: &'static str, default: &str, allow_http: bool) -> Option<Url> {
    let text = reader.text(name).unwrap_or_else(|| default.to_owned());
    let with_slash = if text.ends_with('/') { text } else { format!("{text}/") };
    read_address(reader, name, &with_slash, allow_http)
}

/// An address that an access token may be sent to.
pub(crate) fn read_address(
    reader: &mut SettingsReader<'_>,
    name: &'static str,
    text: &str,
    allow_http: bool,
) -> Option<Url> {
    let url = match Url::parse(text) {
        Ok(url) => url,
        Err(error) => {
            let message = format!("`{text}` is not a URL: {error}");
            reader.invalid(name, message, "write an absolute URL that begins with https://");
            return None;
        }
    };
    let problem = if url.host_str().is_none() || !matches!(url.scheme(), "http" | "https") {
        Some("the URL has no host or is not an HTTP URL")
    } else if !url.username().is_empty() || url.password().is_some() {
        Some("credentials do not belong into the URL")
    } else if url.query().is_some() || url.fragment().is_some() {
        Some("the URL must not have a query or a fragment")
    } else if url.scheme() == "http" && !is_loopback(&url) && !allow_http {
        Some("plain http would send the access token readably over the network")
    } else {
        None
    };
    match problem {
        Some(problem) => {
            let help = "write an https:// URL (plain http is taken for loopback addresses, or with allow_http = true)";
            reader.invalid(name, problem, help);
            None
        }
        None => Some(url),
    }
}

fn read_proxy(reader: &mut SettingsReader<'_>) -> Option<Url> {
    let text = reader.text("proxy")?;
    match Url::parse(&text) {
        Ok(url) if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() => {
            reader.invalid("proxy", "the proxy must be an http:// or https:// URL", "write http://proxy.example:3128");
            None
        }
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            let help = "write the proxy without user and password; a proxy that asks for them is not supported";
            reader.invalid("proxy", "credentials do not belong into the proxy's URL", help);
            None
        }
        Ok(url) => Some(url),
        Err(error) => {
            let message = format!("the proxy is not a URL: {error}");
            reader.invalid("proxy", message, "write http://proxy.example:3128");
            None
        }
    }
}

pub(crate) fn bounded(reader: &mut SettingsReader<'_>, name: &'static str, default: u64, least: u64, most: u64) -> u64 {
    match reader.integer(name) {
        None => default,
        Some(number) => match u64::try_from(number) {
            Ok(number) if (least..=most).contains(&number) => number,
            _ => {
                let help = format!("write a number from {least} to {most}");
                reader.invalid(name, format!("`{name}` cannot be {number}"), &help);
                default
            }
        },
    }
}

/// Letters, digits, dots and hyphens: what a GUID or a domain name is made of, and nothing that changes a URL.
fn is_plain_name(text: &str) -> bool {
    text.len() <= 253
        && text.chars().all(|character| character.is_ascii_alphanumeric() || matches!(character, '.' | '-' | '_'))
        && text.chars().any(|character| character.is_ascii_alphanumeric())
}

/// Whether the URL's host is this machine by its address or by the name `localhost`.
pub(crate) fn is_loopback(url: &Url) -> bool {
    let Some(host) = url.host_str() else { return false };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost")
        || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn default_scope(graph_url: &Url) -> String {
    if is_loopback(graph_url) {
        GRAPH_SCOPE.to_owned()
    } else {
        format!("{}/.default", graph_url.origin().ascii_serialization())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::credential::ManagedIdentity;
    use connector_contract::SecretReference;
    use metaverse_schema::{Setting, SettingValue};

    pub(crate) fn example() -> Settings {
        Settings::read(&table(&minimal())).unwrap()
    }

    fn table(entries: &[(&str, SettingValue)]) -> SettingsTable {
        let mut table = SettingsTable::default();
        for (position, (name, value)) in entries.iter().enumerate() {
            let setting = Setting { value: value.clone(), span: position * 10..position * 10 + 5 };
            table.entries.insert((*name).to_owned(), setting);
        }
        table
    }

    fn text(text: &str) -> SettingValue {
        SettingValue::Text(text.to_owned())
    }

    fn minimal() -> Vec<(&'static str, SettingValue)> {
        vec![
            ("tenant", text("contoso.onmicrosoft.com")),
            ("client_id", text("6bf85cfa-ac8a-4be5-b5de-425a0d0dc016")),
            ("client_secret", text("env:GRAPH_SECRET")),
        ]
    }

    fn messages(entries: &[(&str, SettingValue)]) -> Vec<String> {
        let problems = Settings::read(&table(entries)).err().unwrap_or_default();
        problems.into_iter().map(|problem| format!("{} {}", problem.code, problem.message)).collect()
    }

    #[test]
    fn defaults_point_at_the_public_cloud() {
        let settings = Settings::read(&table(&minimal())).unwrap();
        assert_eq!(settings.graph_url.as_str(), GRAPH_URL);
        assert_eq!(settings.authority_url.as_str(), AUTHORITY_URL);
        assert_eq!(settings.scope, GRAPH_SCOPE);
        assert_eq!((settings.concurrency, settings.contacts), (4, true));
        assert_eq!(settings.replication_wait, Duration::from_secs(60));
    }

    #[test]
    fn every_mistake_is_reported_at_once() {
        let found = messages(&[
            ("mode", text("cloud")),
            ("tenant", text("contoso/../x")),
            ("client_secret", text("hunter2")),
            ("graph_url", text("http://graph.example/v1.0")),
            ("concurrency", SettingValue::Integer(40)),
            ("contacts", text("yes")),
            ("provisioning", SettingValue::Table(table(&[("build", text("new"))]))),
            ("colour", text("blue")),
        ]);
        let all = found.join("\n");
        assert_eq!(found.len(), 9, "{all}");
        for part in [
            "no mode `cloud`",
            "contoso/../x",
            "client_id",
            "env:NAME",
            "readably",
            "40",
            "contacts",
            "colour",
            "`new`",
        ] {
            assert!(all.contains(part), "{part} is missing in:\n{all}");
        }
        assert!(!all.contains("hunter2"), "a secret must not be repeated");
    }

    /// SF24: who writes through the provisioning service says who it is.
    #[test]
    fn connect_mode_needs_to_know_its_own_writes() {
        let mut entries = minimal();
        entries.push(("mode", text("connect")));
        assert!(messages(&entries).join("\n").contains("machine_id"));
        let machine = ("machine_id", text("0f0e0d0c-0b0a-4908-8706-050403020100"));
        entries.push(("provisioning", SettingValue::Table(table(&[machine]))));
        assert_eq!(Settings::read(&table(&entries)).unwrap().mode, Mode::Connect);
        assert_eq!(Settings::read(&table(&minimal())).unwrap().mode, Mode::Graph);
    }

    #[test]
    fn plain_http_is_for_loopback_or_by_choice() {
        let with = |url: &str, allow: bool| {
            let mut entries = minimal();
            entries.push(("graph_url", text(url)));
            entries.push(("allow_http", SettingValue::Boolean(allow)));
            Settings::read(&table(&entries)).is_ok()
        };
        assert!(with("http://127.0.0.1:8080/v1.0", false));
        assert!(with("http://[::1]:8080/v1.0", false));
        assert!(with("http://localhost:8080/v1.0", false));
        assert!(!with("http://10.0.0.1/v1.0", false));
        assert!(!with("http://127.0.0.1.evil.example/v1.0", false));
        assert!(with("http://10.0.0.1/v1.0", true));
        assert!(!with("https://user:word@graph.example/", false));
    }

    #[test]
    fn a_credential_is_one_of_three() {
        let tenant = || ("tenant", text("contoso.com"));
        let client = || ("client_id", text("11111111-2222-4333-8444-555555555555"));
        let read = |more: &[(&'static str, SettingValue)]| {
            let mut entries = vec![tenant()];
            entries.extend_from_slice(more);
            Settings::read(&table(&entries)).map(|settings| settings.credential)
        };
        let certificate = ("client_certificate", text("file:app.pem"));
        assert_eq!(
            read(&[client(), certificate.clone()]).unwrap(),
            Credential::Certificate { certificate: SecretReference::File("app.pem".into()), key: None }
        );
        // The machine's own identity needs no id; every other address would see the token.
        let identity = read(&[("managed_identity", text("imds"))]).unwrap();
        let Credential::ManagedIdentity(ManagedIdentity::Imds { url }) = identity else { panic!("{identity:?}") };
        assert_eq!(url.as_str(), "http://169.254.169.254/metadata/identity/oauth2/token");
        let service = read(&[("managed_identity", text("app-service"))]).unwrap();
        let header = SecretReference::Environment("IDENTITY_HEADER".to_owned());
        assert_eq!(service, Credential::ManagedIdentity(ManagedIdentity::AppService { url: None, header }));
        let refused = |more: &[(&'static str, SettingValue)]| {
            read(more).unwrap_err().into_iter().map(|problem| problem.message).collect::<Vec<_>>().join("; ")
        };
        assert!(refused(&[client(), certificate.clone(), ("client_secret", text("env:X"))]).contains("exclude"));
        assert!(refused(&[("managed_identity", text("azure"))]).contains("no managed identity `azure`"));
        let far = [("managed_identity", text("imds")), ("identity_url", text("http://10.0.0.1/token"))];
        assert!(refused(&far).contains("readably"));
        assert!(
            refused(&[client(), ("client_secret", text("env:X")), ("client_certificate_key", text("env:Y"))])
                .contains("a key without")
        );
        assert!(refused(&[certificate]).contains("client_id"), "an application has an id");
        assert!(refused(&[client()]).contains("client_secret"));
    }

    #[test]
    fn a_national_cloud_has_its_own_scope() {
        let mut entries = minimal();
        entries.push(("graph_url", text("https://graph.microsoft.us/v1.0")));
        let settings = Settings::read(&table(&entries)).unwrap();
        assert_eq!(settings.scope, "https://graph.microsoft.us/.default");
    }
}
