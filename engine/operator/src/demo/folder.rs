//! The demo's deployment folder: sample directory, tenant seed and a made-up secret, all embedded or drawn. Never writes
//! into a folder that exists.

use crate::cli::MatchingMode;
use crate::failure::Failure;
use crate::init::{Answers, CloudAnswers, CloudMode, SourceAnswers};
use connector_contract::Secret;
use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use sync_rules::ShippedOptions;
use sync_rules::shipped::CloudSchema;

pub(crate) const DIRECTORY: &str = "directory.ldif";
const SAMPLE: &str = include_str!("../../demo/directory.ldif");
const PASSWORDS: &str = include_str!("../../demo/passwords.ldif");
const PASSWORD_FILE: &str = "passwords.ldif";
/// NT hashes of `ann.archer-in-AD-1` and `ann.archer-in-AD-2`, and when the second one is set.
const ANNS_FIRST: &str = "ntHash: BD2F6D5EB88890955C069B598DC3F338\nchanged: 2026-01-05T08:00:00Z";
const ANNS_SECOND: &str = "ntHash: 3C2A51B99DD63580993359601D48D6D4\nchanged: 2026-01-06T09:30:00Z";
/// What is written into metasync.toml for passwords.
pub(crate) const PASSWORD_SETTINGS: &str = r#"
[connector.ad.settings.passwords]
path = "passwords.ldif"
hash = "ntHash"
changed = "changed"

[passwords]
from = ["ad"]
to = ["cloud"]
"#;
const TENANT: &str = include_str!("../../demo/tenant.json");
const SECRET_FILE: &str = "client.secret";
const DEFAULT_FOLDER: &str = "metasync-demo";
/// Application of the sample; it exists in no tenant but the rehearsal one.
pub(crate) const CLIENT_ID: &str = "5b0c1f5e-3d0e-4c39-9c1f-0d5a6e7b8c9d";

pub(crate) struct DemoFolder {
    pub(crate) path: PathBuf,
    pub(crate) secret: Secret,
    pub(crate) mode: CloudMode,
}

impl DemoFolder {
    /// A fresh folder: the wanted one, or with a number behind its name where that exists.
    pub(crate) fn create(wanted: Option<&Path>, mode: CloudMode) -> Result<Self, Failure> {
        let wanted = wanted.unwrap_or(Path::new(DEFAULT_FOLDER));
        let path = fresh(wanted)?;
        let secret = draw_secret()?;
        let folder = DemoFolder { path, secret, mode };
        folder.write(DIRECTORY, SAMPLE.as_bytes(), 0o644)?;
        let tenant = folder.path.join("tenant");
        fs::create_dir(&tenant).map_err(|error| Failure::file("cannot make the folder", &tenant, &error))?;
        folder.write(crate::commands::tenant::SEED, folder.seed().as_bytes(), 0o644)?;
        folder.write(SECRET_FILE, format!("{}\n", folder.secret.expose()).as_bytes(), 0o600)?;
        Ok(folder)
    }

    pub(crate) fn is_graph(&self) -> bool {
        self.mode == CloudMode::Graph
    }

    /// The tenant before the story. In Connect mode its administrator has switched directory synchronisation on.
    fn seed(&self) -> String {
        let name = "\"displayName\": \"Contoso Example\"";
        match self.mode {
            CloudMode::Graph => TENANT.to_owned(),
            CloudMode::Connect { .. } => {
                TENANT.replacen(name, &format!("{name},\n    \"onPremisesSyncEnabled\": true"), 1)
            }
        }
    }

    fn write(&self, name: &str, content: &[u8], mode: u32) -> Result<(), Failure> {
        let path = self.path.join(name);
        let write = || {
            let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&path)?;
            file.write_all(content)
        };
        write().map_err(|error: std::io::Error| Failure::file("cannot write", &path, &error))
    }

    pub(crate) fn secret_file(&self) -> PathBuf {
        self.path.join(SECRET_FILE)
    }

    /// What `init` is told.
    pub(crate) fn answers(&self, graph_url: &str, authority_url: &str, tenant: &str) -> Answers {
        Answers {
            name: "contoso-demo".to_owned(),
            source: SourceAnswers::Ldif { file: PathBuf::from(DIRECTORY) },
            cloud: CloudAnswers {
                tenant: tenant.to_owned(),
                client_id: CLIENT_ID.to_owned(),
                client_secret: format!("file:{SECRET_FILE}"),
                graph_url: Some(graph_url.to_owned()),
                authority_url: Some(authority_url.to_owned()),
                mode: self.mode.clone(),
            },
            matching: MatchingMode::Review,
            staging: true,
            rules: ShippedOptions {
                cloud: if self.is_graph() { CloudSchema::Graph } else { CloudSchema::Connect },
                ..ShippedOptions::default()
            },
        }
    }

    /// The command line with which `init` writes the same.
    pub(crate) fn init_line(&self, answers: &Answers) -> String {
        let cloud = &answers.cloud;
        let url = |value: &Option<String>| value.clone().unwrap_or_default();
        format!(
            "init --yes --name {} \\\n    --source ldif --file {} \\\n    --goal {} --tenant {} \\\n    --client-id {} \\\n    \
             --client-secret {} \\\n    --graph-url {} --authority-url {}",
            answers.name,
            self.path.join(DIRECTORY).display(),
            if self.is_graph() { "attributes" } else { "one-password" },
            cloud.tenant,
            cloud.client_id,
            cloud.client_secret,
            url(&cloud.graph_url),
            url(&cloud.authority_url),
        )
    }

    /// What an operator does in an editor.
    pub(crate) fn switch_staging_off(&self) -> Result<(), Failure> {
        let path = self.path.join(sync_rules::CONFIGURATION_FILE);
        let text = fs::read_to_string(&path).map_err(|error| Failure::file("cannot read", &path, &error))?;
        let changed = text.replacen("\nstaging = true\n", "\nstaging = false\n", 1);
        if changed == text {
            return Err(Failure::new("demo-step", "metasync.toml does not say staging = true", ""));
        }
        fs::write(&path, changed).map_err(|error| Failure::file("cannot write", &path, &error))
    }

    /// Puts the file of hashes beside the directory, for its owner alone, and names it in metasync.toml.
    pub(crate) fn switch_passwords_on(&self) -> Result<(), Failure> {
        self.write(PASSWORD_FILE, PASSWORDS.as_bytes(), 0o600)?;
        let path = self.path.join(sync_rules::CONFIGURATION_FILE);
        let text = fs::read_to_string(&path).map_err(|error| Failure::file("cannot read", &path, &error))?;
        let text = format!("{text}{PASSWORD_SETTINGS}");
        fs::write(&path, text).map_err(|error| Failure::file("cannot write", &path, &error))
    }

    /// Ann changes her password in the directory.
    pub(crate) fn change_anns_password(&self) -> Result<(), Failure> {
        let path = self.path.join(PASSWORD_FILE);
        let text = fs::read_to_string(&path).map_err(|error| Failure::file("cannot read", &path, &error))?;
        let changed = text.replacen(ANNS_FIRST, ANNS_SECOND, 1);
        if changed == text {
            return Err(Failure::new("demo-step", "the file of passwords does not hold Ann's first one", ""));
        }
        fs::write(&path, changed).map_err(|error| Failure::file("cannot write", &path, &error))
    }

    /// The immutable ids that people of the sample directory have: their objectGUID in base64, as the file writes it.
    pub(crate) fn anchors(&self) -> Vec<String> {
        SAMPLE.lines().filter_map(|line| line.strip_prefix("objectGUID:: ")).map(str::to_owned).collect()
    }
}

fn fresh(wanted: &Path) -> Result<PathBuf, Failure> {
    for number in 1..1_000 {
        let path = match number {
            1 => wanted.to_path_buf(),
            number => {
                let mut name = wanted.file_name().unwrap_or_default().to_os_string();
                name.push(format!("-{number}"));
                wanted.with_file_name(name)
            }
        };
        match fs::create_dir(&path) {
            Ok(()) => return fs::canonicalize(&path).map_err(|error| Failure::file("cannot find", &path, &error)),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(Failure::file("cannot make the folder", &path, &error)),
        }
    }
    Err(Failure::new(
        "demo-folder",
        format!("{} and a thousand numbered ones exist", wanted.display()),
        "name another folder with --folder",
    ))
}

/// A secret that is as long as a real one and worth nothing.
fn draw_secret() -> Result<Secret, Failure> {
    let mut bytes = [0u8; 20];
    getrandom::fill(&mut bytes).map_err(|error| {
        Failure::new("randomness", format!("the operating system gave no random bytes: {error}"), "")
    })?;
    let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Secret::new(format!("rehearsal-{text}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_existing_folder_is_never_written_into() {
        let below = tempfile::tempdir().unwrap();
        let wanted = below.path().join("demo");
        let first = DemoFolder::create(Some(&wanted), CloudMode::Graph).unwrap();
        let second = DemoFolder::create(Some(&wanted), CloudMode::connect().unwrap()).unwrap();
        assert!(first.path.ends_with("demo") && second.path.ends_with("demo-2"));
        assert_ne!(first.secret.expose(), second.secret.expose());
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(first.secret_file()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let seed = fs::read_to_string(first.path.join(crate::commands::tenant::SEED)).unwrap();
        assert!(!seed.contains(first.secret.expose()), "the seed holds no secret");
        let synchronised = |folder: &DemoFolder| folder.seed().contains("onPremisesSyncEnabled");
        assert!(!synchronised(&first) && synchronised(&second));
    }
}
