//! How the provisioning web service is reached and what a request says of its sender. The service is not a documented public
//! interface: all of this may change, so all of it can be set. Never reads a secret and never touches the network.

use crate::settings::{bounded, is_loopback, read_address};
use metaverse_schema::{Guid, SettingProblem, SettingsReader, SettingsTable};
use reqwest::Url;
use std::time::Duration;

const PATH: &str = "/provisioningservice.svc";
const URL: &str = "https://adminwebservice.microsoftonline.com/provisioningservice.svc";
/// Microsoft Entra AD Synchronization Service, in all clouds; the application needs ADSynchronization.ReadWrite.All.
const SCOPE: &str = "6bf85cfa-ac8a-4be5-b5de-425a0d0dc016/.default";
const APPLICATION_ID: &str = "1651564e-7ce4-4d99-88be-0a65050d8dc3";
/// Builds older than 2.5.79.0 are refused from 2026-10-01 on.
const BUILD: &str = "2.5.190.0";

/// Which operations write and read back objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApiVersion {
    /// `ProvisionAzureADSyncObjects`: a group's members are replaced as a whole, 50,000 at most.
    One,
    /// `ProvisionAzureADSyncObjects2`: members by difference, 250,000 at most.
    Two,
}

/// Checked settings of the provisioning web service.
#[derive(Debug, Clone)]
pub struct ProvisioningSettings {
    pub url: Url,
    /// What the token is asked for.
    pub scope: String,
    /// The client application that requests name.
    pub application_id: String,
    pub client_version: String,
    /// What the tenant shows as the machine that exported last; by it a deployment knows its own writes (SF24).
    pub machine_id: Option<String>,
    /// The build of the client; the service refuses old ones.
    pub build: String,
    pub protocol_version: String,
    pub api_version: ApiVersion,
    /// Whether groups and contacts that were synchronised before synchronisation was switched off are sent under their anchor
    /// again, as if the service found them by it (entra-protocols D.1 and G: not documented for groups and contacts).
    pub return_by_anchor: bool,
    /// Most objects in one request.
    pub batch_objects: usize,
    /// Largest request, in bytes; one object that is larger goes alone.
    pub batch_bytes: usize,
    /// Most links (members, managers) in one request, until the tenant says what it takes.
    pub batch_links: usize,
    /// Requests at a time.
    pub concurrency: usize,
    /// Objects that the service takes in `write_window`, over the whole tenant.
    pub write_limit: u32,
    pub write_window: Duration,
    /// Password hashes that the service takes in `write_window`.
    pub hash_limit: u32,
}

impl ProvisioningSettings {
    /// Reads the connector's table `provisioning`, which may be empty. All problems are returned together. A tenant whose
    /// Graph stands on a loopback address has its provisioning service there too.
    pub fn read(
        table: &SettingsTable,
        allow_http: bool,
        graph_url: Option<&Url>,
    ) -> Result<ProvisioningSettings, Vec<SettingProblem>> {
        let mut reader = SettingsReader::new(table);
        let beside = graph_url.filter(|url| is_loopback(url)).map(|url| url.origin().ascii_serialization());
        let default = beside.map_or_else(|| URL.to_owned(), |origin| format!("{origin}{PATH}"));
        let text = reader.text("url").unwrap_or(default);
        let url = read_address(&mut reader, "url", &text, allow_http);
        let scope = reader.text("scope").unwrap_or_else(|| SCOPE.to_owned());
        let application_id = read_guid(&mut reader, "application_id", APPLICATION_ID);
        let machine_id = reader.text("machine_id");
        let is_plain = |text: &String| text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_graphic());
        if machine_id.as_ref().is_some_and(|id| id.is_empty() || !is_plain(id)) {
            let message = "the machine's name has only letters, digits and signs, 64 at most";
            reader.invalid("machine_id", message, "write a GUID or a host name");
        }
        let client_version = read_version(&mut reader, "client_version", "8.0");
        let build = read_version(&mut reader, "build", BUILD);
        let protocol_version = read_version(&mut reader, "protocol_version", "2.0");
        let api_version = match bounded(&mut reader, "api_version", 2, 1, 2) {
            1 => ApiVersion::One,
            _ => ApiVersion::Two,
        };
        let return_by_anchor = reader.boolean("return_by_anchor").unwrap_or(true);
        let batch_objects = bounded(&mut reader, "batch_objects", 50, 1, 1_000) as usize;
        let batch_bytes = bounded(&mut reader, "batch_kibibytes", 1_024, 16, 65_536) as usize * 1024;
        let batch_links = bounded(&mut reader, "batch_links", 15_000, 1, 1_000_000) as usize;
        let concurrency = bounded(&mut reader, "concurrency", 2, 1, 8) as usize;
        let write_limit = bounded(&mut reader, "write_limit", 7_000, 1, 1_000_000) as u32;
        let write_window = Duration::from_secs(bounded(&mut reader, "write_window_seconds", 300, 1, 86_400));
        let hash_limit = bounded(&mut reader, "hash_limit", 7_000, 1, 1_000_000) as u32;
        let problems = reader.finish();
        match url {
            Some(url) if problems.is_empty() => Ok(ProvisioningSettings {
                url,
                scope,
                application_id,
                machine_id,
                client_version,
                build,
                protocol_version,
                api_version,
                return_by_anchor,
                batch_objects,
                batch_bytes,
                batch_links,
                concurrency,
                write_limit,
                write_window,
                hash_limit,
            }),
            _ => Err(problems),
        }
    }
}

fn read_guid(reader: &mut SettingsReader<'_>, name: &'static str, default: &str) -> String {
    let text = reader.text(name).unwrap_or_else(|| default.to_owned());
    if text.parse::<Guid>().is_err() {
        let help = format!("write a GUID, such as {default}");
        reader.invalid(name, format!("`{text}` is not a GUID"), &help);
    }
    text
}

/// Numbers with dots between them: they stand in HTTP headers.
fn read_version(reader: &mut SettingsReader<'_>, name: &'static str, default: &str) -> String {
    let text = reader.text(name).unwrap_or_else(|| default.to_owned());
    let is_number = |part: &str| !part.is_empty() && part.len() <= 9 && part.bytes().all(|byte| byte.is_ascii_digit());
    if !text.split('.').all(is_number) {
        let help = format!("write numbers with dots between them, such as {default}");
        reader.invalid(name, format!("`{text}` is not a version"), &help);
    }
    text
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use metaverse_schema::{Setting, SettingValue};

    pub(crate) fn example() -> ProvisioningSettings {
        ProvisioningSettings::read(&SettingsTable::default(), false, None).unwrap()
    }

    fn table(entries: &[(&str, SettingValue)]) -> SettingsTable {
        let setting = |value: &SettingValue| Setting { value: value.clone(), span: 0..1 };
        let entries = entries.iter().map(|(name, value)| ((*name).to_owned(), setting(value))).collect();
        SettingsTable { entries, span: 0..1 }
    }

    fn text(text: &str) -> SettingValue {
        SettingValue::Text(text.to_owned())
    }

    /// F4 of engine-semantics section 9, B.1 and B.4.
    #[test]
    fn defaults_are_those_of_the_public_cloud() {
        let settings = example();
        assert_eq!(settings.url.as_str(), "https://adminwebservice.microsoftonline.com/provisioningservice.svc");
        assert_eq!((settings.write_limit, settings.write_window.as_secs()), (7_000, 300));
        assert_eq!((settings.batch_links, settings.api_version), (15_000, ApiVersion::Two));
    }

    #[test]
    fn every_mistake_is_reported_at_once() {
        let problems = ProvisioningSettings::read(
            &table(&[
                ("url", text("http://service.example/provisioningservice.svc")),
                ("application_id", text("me")),
                ("machine_id", text("a b")),
                ("build", text("2.5\r\nx-evil: 1")),
                ("api_version", SettingValue::Integer(3)),
                ("colour", text("blue")),
            ]),
            false,
            None,
        );
        let found: Vec<String> = problems.unwrap_err().into_iter().map(|problem| problem.message).collect();
        for part in ["readably", "`me`", "64 at most", "not a version", "cannot be 3", "colour"] {
            assert!(found.iter().any(|message| message.contains(part)), "{part} is missing in {found:?}");
        }
        assert_eq!(found.len(), 6);
        let local = table(&[("url", text("http://127.0.0.1:8080/provisioningservice.svc"))]);
        assert!(ProvisioningSettings::read(&local, false, None).is_ok());
    }

    #[test]
    fn a_rehearsal_tenant_has_the_service_beside_graph() {
        let of = |graph: &str| {
            let graph = Url::parse(graph).unwrap();
            ProvisioningSettings::read(&SettingsTable::default(), false, Some(&graph)).unwrap().url.to_string()
        };
        assert_eq!(of("http://127.0.0.1:8443/v1.0/"), "http://127.0.0.1:8443/provisioningservice.svc");
        assert_eq!(of("https://graph.microsoft.com/v1.0/"), URL);
    }
}
