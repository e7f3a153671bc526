//! The operator's settings of one directory, checked into a type that later code can rely on. Reads no secret and
//! connects to nothing.

use crate::passwords::PasswordSettings;
use connector_contract::SecretReference;
use metaverse_schema::{Dn, Guid, Setting, SettingProblem, SettingValue, SettingsReader, SettingsTable};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The settings this connector knows, with what they mean, for `init` and the documentation.
pub const SETTINGS_HELP: &[(&str, &str)] = &[
    ("servers", "domain controllers in order of preference, `host` or `host:port`; one of them serves each step"),
    ("encryption", "`ldaps` (default), `starttls` or `none`"),
    ("allow_unencrypted", "true permits `encryption = \"none\"`: the password crosses the network in clear"),
    ("ca_files", "PEM files of the authorities that sign the domain controllers' certificates; default: the system's"),
    ("certificate_sha256", "fingerprints of the only certificates to accept, instead of an authority"),
    ("bind_user", "the account: `DOMAIN\\user`, `user@domain` or its DN"),
    ("password", "where its password is: `env:NAME`, `file:PATH` or `credential:NAME`"),
    ("base", "the domain's naming context; default: the one the domain controller names"),
    ("include_containers", "DNs or GUIDs of containers to import with everything below; default: the whole domain"),
    ("exclude_containers", "DNs or GUIDs of containers below them to leave out; the nearest of both lists decides"),
    ("object_classes", "object types to import; default: user, inetOrgPerson, group, contact"),
    ("attributes", "attributes to import; default: those that the shipped rules read"),
    ("view", "`auto` (default), `dirsync`, `object-security` or `usn`"),
    ("page_size", "entries in one page of a search, 1 to 1000; default 500"),
    ("connect_timeout_seconds", "default 15"),
    ("timeout_seconds", "longest wait for one answer; default 120"),
    ("passwords", "table: reading password hashes, with an account of its own; off without it"),
];

/// Object types that are imported when the operator names none.
pub(crate) const DEFAULT_CLASSES: &[&str] = &["user", "inetOrgPerson", "group", "contact"];

/// A checked configuration.
#[derive(Debug, Clone)]
pub struct Settings {
    pub(crate) servers: Vec<Server>,
    pub(crate) encryption: Encryption,
    /// Empty: the system's authorities.
    pub(crate) ca_files: Vec<PathBuf>,
    pub(crate) pins: Vec<[u8; 32]>,
    pub(crate) bind_user: String,
    /// Where in the settings that account stands, for messages about it.
    pub(crate) account_setting: &'static str,
    pub(crate) password: SecretReference,
    pub(crate) base: Option<Dn>,
    pub(crate) containers: Vec<ConfiguredContainer>,
    pub(crate) classes: Vec<String>,
    pub(crate) attributes: Vec<String>,
    pub(crate) view: ViewChoice,
    pub(crate) page_size: u32,
    pub(crate) connect_timeout: Duration,
    pub(crate) timeout: Duration,
    /// Reading password hashes: off unless configured.
    pub(crate) passwords: Option<PasswordSettings>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Server {
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encryption {
    Ldaps,
    StartTls,
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ViewChoice {
    Auto,
    Fixed(View),
}

/// How changes are read. Full and delta import use the same one (SF14).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum View {
    /// DirSync with the right Replicating Directory Changes: sees what a replica would.
    DirSync,
    /// DirSync with LDAP_DIRSYNC_OBJECT_SECURITY: sees what the account may read.
    ObjectSecurity,
    /// Ordinary searches, changes by `uSNChanged`: sees what the account may read.
    Usn,
}

impl View {
    pub(crate) fn name(self) -> &'static str {
        match self {
            View::DirSync => "dirsync",
            View::ObjectSecurity => "object-security",
            View::Usn => "usn",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<View> {
        [View::DirSync, View::ObjectSecurity, View::Usn].into_iter().find(|view| view.name() == name)
    }
}

impl fmt::Display for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A container as the operator wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConfiguredContainer {
    /// The text in the settings: the key by which a resolved GUID is found again (SF13).
    pub(crate) configured: String,
    pub(crate) name: ContainerName,
    pub(crate) include: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ContainerName {
    Dn(Dn),
    Guid(Guid),
}

impl Server {
    pub(crate) fn url(&self, encryption: Encryption) -> String {
        let (scheme, default_port) = match encryption {
            Encryption::Ldaps => ("ldaps", 636),
            Encryption::StartTls | Encryption::None => ("ldap", 389),
        };
        let port = self.port.unwrap_or(default_port);
        if self.host.contains(':') {
            format!("{scheme}://[{}]:{port}", self.host)
        } else {
            format!("{scheme}://{}:{port}", self.host)
        }
    }
}

impl Settings {
    /// Reads the connector's table; relative paths are below `folder`, the deployment's. Every problem is reported.
    pub fn read(table: &SettingsTable, folder: &Path) -> Result<Settings, Vec<SettingProblem>> {
        let mut reader = SettingsReader::new(table);
        let servers = servers(&mut reader);
        let encryption = encryption(&mut reader);
        let ca_files: Vec<PathBuf> =
            reader.texts("ca_files").unwrap_or_default().iter().map(|path| folder.join(path)).collect();
        let pins = pins(&mut reader);
        let bind_user = reader
            .required_text("bind_user", "name the account to sign in with, such as bind_user = 'CORP\\svc-metasync'");
        let password = password(&mut reader, folder);
        let base = reader.text("base").and_then(|text| match text.parse() {
            Ok(dn) => Some(dn),
            Err(error) => {
                reader.invalid("base", format!("{error}"), "write a DN such as \"DC=corp,DC=example,DC=com\"");
                None
            }
        });
        let mut containers = containers(&mut reader, "include_containers", true);
        containers.extend(self::containers(&mut reader, "exclude_containers", false));
        let classes = reader
            .texts("object_classes")
            .unwrap_or_else(|| DEFAULT_CLASSES.iter().map(|&class| class.to_owned()).collect());
        if classes.is_empty() {
            reader.invalid(
                "object_classes",
                "the list of object types is empty",
                "name at least one, such as \"user\"",
            );
        }
        let attributes = attributes(&mut reader);
        let view = view(&mut reader);
        let page_size = bounded(&mut reader, "page_size", 500, 1, 1000);
        let connect_timeout = bounded(&mut reader, "connect_timeout_seconds", 15, 1, 600);
        let timeout = bounded(&mut reader, "timeout_seconds", 120, 1, 3600);
        let (passwords, inner) = match reader.table("passwords").map(|table| PasswordSettings::read(table, folder)) {
            None => (None, Vec::new()),
            Some(Ok(passwords)) => (Some(passwords), Vec::new()),
            Some(Err(problems)) => (None, problems),
        };
        let mut problems = reader.finish();
        problems.extend(inner);
        if !problems.is_empty() {
            return Err(problems);
        }
        // A missing password reference is among the problems, so this cannot be reached without one.
        let Some(password) = password else {
            return Err(problems);
        };
        Ok(Settings {
            servers,
            encryption,
            ca_files,
            pins,
            bind_user,
            account_setting: "bind_user",
            password,
            base,
            containers,
            classes,
            attributes,
            view,
            page_size: page_size as u32,
            connect_timeout: Duration::from_secs(connect_timeout),
            timeout: Duration::from_secs(timeout),
            passwords,
        })
    }
}

const SERVERS_HELP: &str = "write servers = [\"dc1.corp.example.com\"]; a port may follow a colon";

fn servers(reader: &mut SettingsReader<'_>) -> Vec<Server> {
    if let Some(servers) = optional_servers(reader) {
        return servers;
    }
    reader.required_text("servers", SERVERS_HELP);
    Vec::new()
}

/// The servers, if any are named.
pub(crate) fn optional_servers(reader: &mut SettingsReader<'_>) -> Option<Vec<Server>> {
    let help = SERVERS_HELP;
    let texts = reader.texts("servers")?;
    if texts.is_empty() {
        reader.invalid("servers", "the list of servers is empty", help);
    }
    let mut servers = Vec::new();
    for text in texts {
        match server(&text) {
            Some(server) => servers.push(server),
            None => reader.invalid("servers", format!("`{text}` is not a host name with an optional port"), help),
        }
    }
    Some(servers)
}

fn server(text: &str) -> Option<Server> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']')?;
            (host, after.strip_prefix(':'))
        }
        None => match text.rsplit_once(':') {
            Some((host, _)) if host.contains(':') => (text, None),
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let port = match port {
        Some(port) => Some(port.parse().ok().filter(|port| *port != 0)?),
        None => None,
    };
    let plausible = !host.is_empty() && !host.contains(['/', '@', ' ', '?', '#', '\\']);
    plausible.then(|| Server { host: host.to_owned(), port })
}

fn encryption(reader: &mut SettingsReader<'_>) -> Encryption {
    let allowed = reader.boolean("allow_unencrypted").unwrap_or(false);
    match reader.text("encryption").as_deref() {
        None | Some("ldaps") => Encryption::Ldaps,
        Some("starttls") => Encryption::StartTls,
        Some("none") if allowed => Encryption::None,
        Some("none") => {
            reader.invalid(
                "encryption",
                "an unencrypted connection shows the password to everyone on the network",
                "use \"ldaps\" or \"starttls\"; for a test, add allow_unencrypted = true",
            );
            Encryption::Ldaps
        }
        Some(other) => {
            let message = format!("`{other}` is not a kind of encryption");
            reader.invalid("encryption", message, "write \"ldaps\", \"starttls\" or \"none\"");
            Encryption::Ldaps
        }
    }
}

fn pins(reader: &mut SettingsReader<'_>) -> Vec<[u8; 32]> {
    let mut pins = Vec::new();
    for text in reader.texts("certificate_sha256").unwrap_or_default() {
        match fingerprint(&text) {
            Some(pin) => pins.push(pin),
            None => reader.invalid(
                "certificate_sha256",
                format!("`{text}` is not a SHA-256 fingerprint"),
                "write 64 hexadecimal digits, with or without colons (openssl x509 -noout -fingerprint -sha256)",
            ),
        }
    }
    pins
}

fn fingerprint(text: &str) -> Option<[u8; 32]> {
    let digits: String = text.chars().filter(|character| *character != ':').collect();
    if digits.len() != 64 || !digits.is_ascii() {
        return None;
    }
    let mut bytes = [0u8; 32];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(bytes)
}

pub(crate) fn password(reader: &mut SettingsReader<'_>, folder: &Path) -> Option<SecretReference> {
    let help = "name where it is: password = \"env:NAME\", \"file:PATH\" or \"credential:NAME\"";
    let text = reader.required_text("password", help);
    if text.is_empty() {
        return None;
    }
    match text.parse::<SecretReference>() {
        Ok(SecretReference::File(path)) => Some(SecretReference::File(folder.join(path))),
        Ok(reference) => Some(reference),
        Err(error) => {
            // The text may be the password itself: it must not be repeated.
            reader.invalid("password", error.to_string(), help);
            None
        }
    }
}

fn containers(reader: &mut SettingsReader<'_>, name: &'static str, include: bool) -> Vec<ConfiguredContainer> {
    let mut containers = Vec::new();
    for configured in reader.texts(name).unwrap_or_default() {
        let parsed = match configured.parse::<Guid>() {
            Ok(guid) => Ok(ContainerName::Guid(guid)),
            Err(_) => configured.parse::<Dn>().map(ContainerName::Dn),
        };
        match parsed {
            Ok(ContainerName::Dn(dn)) if dn.rdn().is_none() => {
                reader.invalid(name, "a container's name is empty", "write its DN or its objectGUID");
            }
            Ok(parsed) => containers.push(ConfiguredContainer { configured, name: parsed, include }),
            Err(error) => reader.invalid(name, error.to_string(), "write the DN or the objectGUID of a container"),
        }
    }
    containers
}

fn attributes(reader: &mut SettingsReader<'_>) -> Vec<String> {
    let Some(names) = reader.texts("attributes") else {
        return crate::schema::default_attributes();
    };
    for name in &names {
        let plausible = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        if !plausible {
            reader.invalid("attributes", format!("`{name}` is not an attribute's name"), "write its LDAP display name");
        } else if crate::schema::is_secret(name) {
            let message = format!("`{name}` holds password material, which is never imported");
            reader.invalid("attributes", message, "leave it out; passwords have their own service");
        }
    }
    names
}

fn view(reader: &mut SettingsReader<'_>) -> ViewChoice {
    match reader.text("view").as_deref() {
        None | Some("auto") => ViewChoice::Auto,
        Some(name) => match View::from_name(name) {
            Some(view) => ViewChoice::Fixed(view),
            None => {
                let message = format!("`{name}` is not a view");
                reader.invalid("view", message, "write \"auto\", \"dirsync\", \"object-security\" or \"usn\"");
                ViewChoice::Auto
            }
        },
    }
}

fn bounded(reader: &mut SettingsReader<'_>, name: &'static str, default: i64, low: i64, high: i64) -> u64 {
    let number = reader.integer(name).unwrap_or(default);
    if (low..=high).contains(&number) {
        number as u64
    } else {
        reader.invalid(
            name,
            format!("`{name}` must lie between {low} and {high}"),
            &format!("the default is {default}"),
        );
        default as u64
    }
}

/// A table in the form that the rule crate hands over, for programs that configure a connector without a file.
pub fn settings_table(entries: &[(&str, SettingValue)]) -> SettingsTable {
    SettingsTable {
        entries: entries
            .iter()
            .map(|(name, value)| {
                let setting = Setting { value: value.clone(), span: 0..0 };
                ((*name).to_owned(), setting)
            })
            .collect(),
        span: 0..0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn text(value: &str) -> SettingValue {
        SettingValue::Text(value.to_owned())
    }

    fn list(values: &[&str]) -> SettingValue {
        SettingValue::List(values.iter().map(|value| Setting { value: text(value), span: 0..0 }).collect())
    }

    fn minimal() -> Vec<(&'static str, SettingValue)> {
        vec![
            ("servers", list(&["dc1.corp.example.com"])),
            ("bind_user", text("CORP\\svc")),
            ("password", text("env:AD_PASSWORD")),
        ]
    }

    fn problems(entries: &[(&str, SettingValue)], expect: Expect) {
        let seen = match Settings::read(&settings_table(entries), Path::new("/deployment")) {
            Ok(_) => "accepted".to_owned(),
            Err(problems) => {
                problems.iter().map(|problem| format!("{}: {}\n", problem.code, problem.message)).collect()
            }
        };
        expect.assert_eq(&seen);
    }

    #[test]
    fn few_settings_are_needed_and_the_defaults_are_safe() {
        let settings = Settings::read(&settings_table(&minimal()), Path::new("/d")).unwrap();
        assert_eq!(settings.encryption, Encryption::Ldaps);
        assert_eq!(settings.servers[0].url(settings.encryption), "ldaps://dc1.corp.example.com:636");
        assert_eq!(settings.classes, DEFAULT_CLASSES);
        assert_eq!(settings.view, ViewChoice::Auto);
        assert!(settings.attributes.iter().any(|name| name == "proxyAddresses"));
        assert!(!settings.attributes.iter().any(|name| name == "unicodePwd"));
    }

    #[test]
    fn every_mistake_is_reported_at_once() {
        problems(
            &[
                ("servers", list(&["dc1:99999", "ldap://x"])),
                ("encryption", text("none")),
                ("password", text("hunter2")),
                ("base", text("DC=")),
                ("include_containers", list(&["OU=a,,", "3f2504e0-4f89-11d3-9a0c-0305e82c3301"])),
                ("attributes", list(&["mail", "unicodePwd", "a b"])),
                ("view", text("all")),
                ("page_size", SettingValue::Integer(0)),
                ("certificate_sha256", list(&["AB:CD"])),
                ("bind_usr", text("x")),
            ],
            expect![[r#"
                setting-invalid: `dc1:99999` is not a host name with an optional port
                setting-invalid: `ldap://x` is not a host name with an optional port
                setting-invalid: an unencrypted connection shows the password to everyone on the network
                setting-invalid: `AB:CD` is not a SHA-256 fingerprint
                setting-missing: the setting `bind_user` is missing
                setting-invalid: a secret is named by `env:NAME`, `file:PATH` or `credential:NAME`; a secret itself does not belong in a configuration file
                setting-invalid: invalid-dn: `DC=`: the RDN has no value at character 4
                setting-invalid: invalid-dn: `OU=a,,`: an attribute type is expected at character 6
                setting-invalid: `unicodePwd` holds password material, which is never imported
                setting-invalid: `a b` is not an attribute's name
                setting-invalid: `all` is not a view
                setting-invalid: `page_size` must lie between 1 and 1000
                setting-unknown: there is no setting `bind_usr` here
            "#]],
        );
    }

    #[test]
    fn every_known_setting_is_described() {
        let mut entries = minimal();
        entries.push(("nonsense", text("x")));
        let found = Settings::read(&settings_table(&entries), Path::new("/d")).unwrap_err();
        let help = &found[0].help;
        for (name, meaning) in SETTINGS_HELP {
            assert!(help.contains(name) && !meaning.is_empty(), "{name} is not read");
        }
        assert_eq!(help.matches(", ").count() + 1, SETTINGS_HELP.len(), "{help}");
    }

    #[test]
    fn addresses() {
        let url = |text: &str| server(text).map(|server| server.url(Encryption::StartTls));
        assert_eq!(url("dc1:3389").as_deref(), Some("ldap://dc1:3389"));
        assert_eq!(url("[::1]:1389").as_deref(), Some("ldap://[::1]:1389"));
        assert_eq!(url("fe80::1").as_deref(), Some("ldap://[fe80::1]:389"));
        assert_eq!(url(""), None);
        assert_eq!(url("dc1:0"), None);
    }
}
