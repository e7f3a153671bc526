//! What these tests share: a domain with an account for passwords, a connector to it, reading, and the oracle.

use base64::Engine as _;
use connector_active_directory::{ActiveDirectory, Settings, settings_table};
use connector_contract::{
    Connector, ConnectorError, PasswordChange, PasswordReadEnd, PasswordSink, PasswordSource, Watermark,
};
use metasync_tests::lab::{DOMAIN, DomainController, script};
use metaverse_schema::{Anchor, Guid, Setting, SettingValue};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// `svc-passwords` may read hashes, `svc-changes` and `svc-all` have one of the two rights, `svc-plain` none.
const ACCOUNTS: [&str; 5] = ["svc-sync", "svc-passwords", "svc-changes", "svc-all", "svc-plain"];
const PASSWORD: &str = "Svc-Pass-1";

const PEOPLE: &str = r#"
 {"dn": "OU=Sales", "class": "organizationalUnit"},
 {"dn": "CN=Zoë Łukasz,OU=Sales", "class": "user", "enabled": true, "password": "Zoe-Pass-1", "attributes": {"sAMAccountName": "zoe"}},
 {"dn": "CN=Bob,OU=Sales", "class": "user", "enabled": true, "password": "Bob-Pass-1", "attributes": {"sAMAccountName": "bob"}},
 {"dn": "CN=Away,OU=Sales", "class": "user", "enabled": false, "password": "Away-Pass-1", "attributes": {"sAMAccountName": "away"}},
 {"dn": "CN=Leaver,OU=Sales", "class": "user", "enabled": true, "password": "Leaver-Pass-1", "attributes": {"sAMAccountName": "leaver"}},
 {"dn": "CN=PC1,OU=Sales", "class": "computer", "nt_hash": "00112233445566778899aabbccddeeff",
   "attributes": {"sAMAccountName": "PC1$", "userAccountControl": "4096"}},
 {"dn": "CN=gmsa,OU=Sales", "class": "msDS-GroupManagedServiceAccount", "attributes": {"sAMAccountName": "gmsa$",
   "userAccountControl": "4096", "dNSHostName": "g.corp.contoso.example", "msDS-ManagedPasswordInterval": "30"}}"#;

/// A domain with these people, the accounts and their rights, and `more` users with a hash each.
pub(super) fn domain(test: &str, more: usize) -> DomainController {
    let accounts: Vec<String> = ACCOUNTS
        .iter()
        .map(|name| {
            format!(
                r#"{{"dn": "CN={name},CN=Users", "class": "user", "enabled": true, "password": "{PASSWORD}",
                "attributes": {{"sAMAccountName": "{name}", "userPrincipalName": "{name}@corp.contoso.example"}}}}"#
            )
        })
        .collect();
    let users: String = (1..=more)
        .map(|number| {
            // Hashes that differ in every byte; their passwords are nobody's business.
            let hash = (number as u128).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
            format!(
                r#",{{"dn": "CN=u{number:05},OU=Sales", "class": "user", "enabled": true, "nt_hash": "{hash:032x}",
                "attributes": {{"sAMAccountName": "u{number:05}"}}}}"#
            )
        })
        .collect();
    let dc = DomainController::start(test, &format!("[{},{PEOPLE}{users}]", accounts.join(",")));
    dc.rights(&["passwords", "svc-passwords"]);
    dc.rights(&["replication", "svc-changes"]);
    dc.rights(&["allow", "svc-all", DOMAIN, "(OA;;CR;1131f6ad-9c07-11d1-f79f-00c04fc2dcd2;;SID)"]);
    dc
}

fn text(value: &str) -> SettingValue {
    SettingValue::Text(value.to_owned())
}

fn list(values: &[&str]) -> SettingValue {
    SettingValue::List(values.iter().map(|value| Setting { value: text(value), span: 0..0 }).collect())
}

fn table(entries: &[(&str, SettingValue)]) -> SettingValue {
    SettingValue::Table(settings_table(entries))
}

/// How a connector differs from the one that reads with the right account.
#[derive(Clone)]
pub(super) struct Using<'a> {
    pub(super) account: &'a str,
    pub(super) password: &'a str,
    pub(super) rpc_port: Option<u16>,
    pub(super) timeout_seconds: i64,
    pub(super) servers: Vec<&'a str>,
}

impl Default for Using<'_> {
    fn default() -> Self {
        Using {
            account: "CORP\\svc-passwords",
            password: PASSWORD,
            rpc_port: None,
            timeout_seconds: 60,
            servers: Vec::new(),
        }
    }
}

pub(super) fn connector(dc: &DomainController, using: &Using<'_>) -> ActiveDirectory {
    let secret = |name: &str, secret: &str| {
        let path = dc.folder.join(name);
        std::fs::write(&path, secret).expect("the password file is written");
        text(&format!("file:{}", path.display()))
    };
    let mut passwords = vec![
        ("account", text(using.account)),
        ("password", secret(&format!("secret-{}", using.password.len()), using.password)),
    ];
    if let Some(port) = using.rpc_port {
        passwords.push(("rpc_port", SettingValue::Integer(i64::from(port))));
    }
    if !using.servers.is_empty() {
        passwords.push(("servers", list(&using.servers)));
    }
    let entries = [
        ("servers", list(&[&dc.address])),
        ("ca_files", list(&[dc.ca_file().to_str().expect("a plain path")])),
        ("bind_user", text("CORP\\svc-sync")),
        ("password", secret("secret-sync", PASSWORD)),
        ("connect_timeout_seconds", SettingValue::Integer(10)),
        ("timeout_seconds", SettingValue::Integer(using.timeout_seconds)),
        ("passwords", table(&passwords)),
    ];
    let settings = Settings::read(&settings_table(&entries), Path::new("/"));
    ActiveDirectory::new(settings.expect("the test's settings are right"))
}

pub(super) fn source(connector: &ActiveDirectory) -> &dyn PasswordSource {
    connector.password_source().expect("passwords are configured")
}

pub(super) struct Read {
    pub(super) changes: Vec<PasswordChange>,
    pub(super) end: PasswordReadEnd,
}

impl Read {
    /// What is told, by the first part of the DN.
    pub(super) fn told(&self) -> Vec<String> {
        self.changes
            .iter()
            .map(|change| {
                let name = change.object.split(',').next().unwrap_or_default().replace('\n', "\\0A");
                let name = name.split("\\0A").next().unwrap_or_default();
                let hash = if change.hash.is_some() { "hash" } else { "no hash" };
                format!("{name}: {hash}, {}", change.excluded.as_deref().unwrap_or("a person"))
            })
            .collect()
    }
}

pub(super) async fn read(connector: &ActiveDirectory, since: Option<&Watermark>) -> Result<Read, ConnectorError> {
    let (sink, mut pages) = PasswordSink::bounded(2);
    let collect = async {
        let mut changes = Vec::new();
        while let Some(page) = pages.recv().await {
            changes.extend(page);
        }
        changes
    };
    let (end, changes) = tokio::join!(source(connector).read_passwords(since, sink), collect);
    end.map(|end| Read { changes, end })
}

pub(super) async fn refused(dc: &DomainController, using: &Using<'_>) -> ConnectorError {
    read(&connector(dc, using), None).await.err().expect("the read is refused")
}

/// `samba-tool` on the domain controller's files.
pub(super) fn samba_tool(dc: &DomainController, arguments: &[&str]) {
    let output = Command::new("samba-tool")
        .args(arguments)
        .arg(format!("--configfile={}/etc/smb.conf", dc.folder_text()))
        .output()
        .expect("samba-tool runs");
    assert!(output.status.success(), "samba-tool {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The NT hashes of all accounts as the domain controller's database has them.
pub(super) fn oracle(dc: &DomainController) -> BTreeMap<Guid, Vec<u8>> {
    let folder = dc.folder_text();
    let arguments = [folder.as_str(), "--hashes", "--filter", "(unicodePwd=*)", "objectGUID", "unicodePwd"];
    let decode = |value: &serde_json::Value| {
        let text = value.as_str().expect("base64 text");
        base64::engine::general_purpose::STANDARD.decode(text).expect("base64")
    };
    script("dump.py", &arguments, None)
        .lines()
        .map(|line| {
            let object: serde_json::Value = serde_json::from_str(line).expect("dump.py prints JSON");
            let attributes = &object["attributes"];
            let guid = Guid::from_slice(&decode(&attributes["objectGUID"][0])).expect("a GUID");
            (guid, decode(&attributes["unicodePwd"][0]))
        })
        .collect()
}

pub(super) fn guid_of(dc: &DomainController, account: &str) -> Guid {
    let folder = dc.folder_text();
    let filter = format!("(sAMAccountName={account})");
    let line = script("dump.py", &[folder.as_str(), "--filter", &filter, "objectGUID"], None);
    let object: serde_json::Value = serde_json::from_str(line.trim()).expect("one object");
    let text = object["attributes"]["objectGUID"][0].as_str().expect("base64 text");
    let bytes = base64::engine::general_purpose::STANDARD.decode(text).expect("base64");
    Guid::from_slice(&bytes).expect("a GUID")
}

/// Opens every hash that was handed over.
pub(super) fn opened(changes: Vec<PasswordChange>) -> BTreeMap<Guid, Vec<u8>> {
    let mut opened = BTreeMap::new();
    for change in changes {
        if let Some(hash) = change.hash {
            let hash = hash.open().unwrap_or_else(|error| panic!("{error}"));
            let guid = *change.anchor.as_guid().expect("accounts have GUIDs");
            assert!(opened.insert(guid, hash.expose().to_vec()).is_none(), "{} came twice", change.object);
        }
    }
    opened
}

pub(super) fn anchors(guids: &[Guid]) -> Vec<Anchor> {
    guids.iter().copied().map(Anchor::from).collect()
}
