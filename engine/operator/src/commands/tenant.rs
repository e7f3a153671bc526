//! `metasync tenant`: a rehearsal tenant on a loopback address, until Ctrl-C. In a deployment whose Azure AD connector
//! points at a loopback address it needs no flags: it listens where the connector looks, and knows its application.

use crate::cli::TenantArgs;
use crate::connectors;
use crate::context::{Context, shown};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Report;
use azure_ad_emulator::seed::ApplicationSeed;
use azure_ad_emulator::{Guid, Knobs, RehearsalTenant, RunningTenant, Seed, SeedSource, TenantError, TenantOptions};
use connector_azure_ad::Credential;
use connector_contract::SecretReference;
use serde_json::{Value, json};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

/// Content of a new tenant, in the deployment's folder.
pub(crate) const SEED: &str = "tenant/seed.json";
/// The tenant as it is, in the deployment's folder.
pub(crate) const STATE: &str = "tenant/state.json";

/// What the connector asks for, and what a test of it may want besides. `check` names the ones that a live tenant needs.
const PERMISSIONS: [&str; 12] = [
    "User.ReadWrite.All",
    "User.RevokeSessions.All",
    "User-PasswordProfile.ReadWrite.All",
    "Group.ReadWrite.All",
    "GroupMember.ReadWrite.All",
    "Directory.Read.All",
    "Organization.Read.All",
    "OrgContact.Read.All",
    "RoleManagement.Read.Directory",
    "User-OnPremisesSyncBehavior.ReadWrite.All",
    "Group-OnPremisesSyncBehavior.ReadWrite.All",
    "ADSynchronization.ReadWrite.All",
];

pub(crate) async fn run(context: &Context, args: &TenantArgs) -> Result<Report, Failure> {
    let options = options(context, args)?;
    let state = options.state_file.clone();
    let tenant = start(options).await?;
    let pid_file = args.pid_file.as_ref().map(|path| PidFile::write(path)).transpose()?;
    announce(context, &tenant, state.as_deref());
    context.stopped().await;
    let writes = tenant.successful_writes();
    tenant.shutdown().await.map_err(|error| failure(&error))?;
    drop(pid_file);
    let text = "the rehearsal tenant stopped\n".to_owned();
    Ok(Report::new(Exit::Success, text, json!({ "successful_writes": writes })))
}

pub(crate) async fn start(options: TenantOptions) -> Result<RunningTenant, Failure> {
    for file in [&options.state_file, &options.request_log].into_iter().flatten() {
        if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(|error| Failure::file("cannot make the folder", folder, &error))?;
        }
    }
    RehearsalTenant::start(options).await.map_err(|error| failure(&error))
}

fn failure(error: &TenantError) -> Failure {
    Failure::new("tenant", error.to_string(), "")
}

/// What the deployment's own Azure AD connector says, where it looks at a loopback address.
#[derive(Default)]
struct Rehearsed {
    listen: Option<SocketAddr>,
    application: Option<(String, Credential)>,
}

pub(crate) fn options(context: &Context, args: &TenantArgs) -> Result<TenantOptions, Failure> {
    let folder = &context.folder;
    let rehearsed = rehearsed(context)?;
    let in_deployment = folder.join(sync_rules::CONFIGURATION_FILE).is_file();
    let standing = |name: &str| Some(folder.join(name)).filter(|_| in_deployment);
    let seed_file = args.seed.clone().or_else(|| standing(SEED).filter(|path| path.is_file()));
    let application = match (&args.client_id, &args.client_secret) {
        (Some(id), Some(secret)) => {
            let reference: SecretReference = secret.parse().map_err(|_| {
                Failure::new(
                    "secret-not-a-reference",
                    "--client-secret is not a reference to a secret",
                    "give env:NAME, file:PATH or credential:NAME",
                )
            })?;
            Some((id.clone(), Credential::Secret(reference)))
        }
        _ => rehearsed.application,
    };
    Ok(TenantOptions {
        listen: args.listen.or(rehearsed.listen).unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0))),
        state_file: args.state.clone().or_else(|| standing(STATE)),
        seed: seed(seed_file.as_deref(), application)?,
        request_log: args.request_log.clone(),
        knobs: knobs(&args.knob)?,
        ..TenantOptions::default()
    })
}

/// A deployment with mistakes, or none at all, gives nothing: the flags may be enough.
fn rehearsed(context: &Context) -> Result<Rehearsed, Failure> {
    if !context.folder.join(sync_rules::CONFIGURATION_FILE).is_file() {
        return Ok(Rehearsed::default());
    }
    let opened = context.open()?;
    for config in opened.deployment.connectors.iter().filter(|config| config.kind == "azure-ad") {
        let Ok(settings) = connectors::azure_ad(&config.settings, &opened.deployment.folder) else {
            continue;
        };
        let address =
            loopback(settings.graph_url.host_str().unwrap_or_default(), settings.graph_url.port_or_known_default());
        if let Some(listen) = address {
            return Ok(Rehearsed {
                listen: Some(listen),
                application: Some((settings.client_id, settings.credential)),
            });
        }
    }
    Ok(Rehearsed::default())
}

fn loopback(host: &str, port: Option<u16>) -> Option<SocketAddr> {
    let host = host.trim_matches(['[', ']']);
    let ip: IpAddr = if host == "localhost" { IpAddr::from([127, 0, 0, 1]) } else { host.parse().ok()? };
    ip.is_loopback().then_some(SocketAddr::new(ip, port?))
}

/// The seed file with the application added, so that the file itself holds no secret.
fn seed(file: Option<&Path>, application: Option<(String, Credential)>) -> Result<Option<SeedSource>, Failure> {
    let mut seed = match file {
        Some(path) => {
            let text = std::fs::read(path).map_err(|error| Failure::file("cannot read the seed", path, &error))?;
            let value: Value = serde_json::from_slice(&text).map_err(|error| seed_format(path, &error))?;
            Seed::from_json(value).map_err(|error| seed_format(path, &error))?
        }
        None => Seed::default(),
    };
    if let Some((client_id, credential)) = application {
        let resolve = |reference: &SecretReference| {
            reference
                .resolve()
                .map(|text| text.expose().to_owned())
                .map_err(|error| Failure::new("secret", format!("the application's credential: {error}"), ""))
        };
        let (client_secret, certificates) = match &credential {
            Credential::Secret(reference) => (resolve(reference)?, Vec::new()),
            Credential::Certificate { certificate, .. } => (String::new(), vec![resolve(certificate)?]),
            // Nobody on this machine gives out tokens for the tenant.
            Credential::ManagedIdentity(_) => return Ok(Some(SeedSource::Seed(Box::new(seed)))),
        };
        let client_id = Guid::parse(&client_id).ok_or_else(|| {
            Failure::new("client-id", format!("`{client_id}` is not an application id"), "it is a GUID")
        })?;
        let permissions = PERMISSIONS.map(str::to_owned).to_vec();
        let application =
            ApplicationSeed { client_id, client_secret, certificates, permissions, secret_expired: false };
        seed.applications.push(application);
    }
    Ok(Some(SeedSource::Seed(Box::new(seed))))
}

fn seed_format(path: &Path, error: &serde_json::Error) -> Failure {
    Failure::new(
        "seed-format",
        format!("{} is not a seed: {error}", path.display()),
        "the operator guide shows the format",
    )
}

/// `replication_delay_ms=2000`, `throttle={"writes":10}`: the knobs that the tenant has, with their JSON values.
fn knobs(texts: &[String]) -> Result<Knobs, Failure> {
    let mut all = serde_json::to_value(Knobs::default())
        .map_err(|error| Failure::new("knob", format!("the knobs cannot be listed: {error}"), ""))?;
    let known: Vec<String> = all.as_object().map(|knobs| knobs.keys().cloned().collect()).unwrap_or_default();
    for text in texts {
        let wrong =
            |why: String| Failure::new("knob", format!("--knob {text}: {why}"), format!("knobs: {}", known.join(", ")));
        let (name, value) = text.split_once('=').ok_or_else(|| wrong("write NAME=JSON".to_owned()))?;
        let value: Value =
            serde_json::from_str(value).map_err(|error| wrong(format!("the value is not JSON: {error}")))?;
        let knob = all.get_mut(name).ok_or_else(|| wrong(format!("there is no knob `{name}`")))?;
        match (knob.as_object_mut(), value) {
            // Parts of a group of knobs may be given alone.
            (Some(parts), Value::Object(changes)) => parts.extend(changes),
            (_, value) => *knob = value,
        }
    }
    serde_json::from_value(all).map_err(|error| Failure::new("knob", format!("--knob: {error}"), ""))
}

fn announce(context: &Context, tenant: &RunningTenant, state: Option<&Path>) {
    let place = state.map_or("in memory".to_owned(), |state| format!("kept in {}", shown(state)));
    let text = format!(
        "rehearsal tenant {}, {place}
  Graph      {}
  authority  {}/
  tokens     {}
  writes     {}
  admin page {base}/_tenant/
  knobs      curl -s {base}/_tenant/knobs; curl -s -X PATCH -d '{{\"replication_delay_ms\": 2000}}' {base}/_tenant/knobs
  log        curl -s {base}/_tenant/log
  state      curl -s {base}/_tenant/state
Ctrl-C stops it.
",
        tenant.tenant_id(),
        tenant.graph_url(),
        tenant.base_url(),
        tenant.token_url(),
        tenant.provisioning_url(),
        base = tenant.base_url(),
    );
    if context.output.json {
        // One line, at once: whoever started it waits for the addresses and not for the end.
        let document = json!({
            "tenant_id": tenant.tenant_id().to_string(),
            "graph_url": tenant.graph_url(),
            "authority_url": format!("{}/", tenant.base_url()),
            "token_url": tenant.token_url(),
            "provisioning_url": tenant.provisioning_url(),
            "state_file": state,
            "pid": std::process::id(),
        });
        context.output.data(&format!("{document}\n"));
    } else {
        context.output.data(&text);
    }
}

/// Goes with the process that wrote it.
struct PidFile(PathBuf);

impl PidFile {
    fn write(path: &Path) -> Result<Self, Failure> {
        let write = |path: &Path| std::fs::write(path, format!("{}\n", std::process::id()));
        write(path).map_err(|error| Failure::file("cannot write", path, &error))?;
        Ok(PidFile(path.to_path_buf()))
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            tracing::warn!(path = %self.0.display(), %error, "the pid file is left behind");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_addresses_are_rehearsed() {
        assert_eq!(loopback("127.0.0.1", Some(8080)), "127.0.0.1:8080".parse().ok());
        assert_eq!(loopback("[::1]", Some(8080)), "[::1]:8080".parse().ok());
        assert_eq!(loopback("localhost", Some(80)), "127.0.0.1:80".parse().ok());
        assert_eq!(loopback("graph.microsoft.com", Some(443)), None);
    }

    #[test]
    fn knobs_are_checked_by_name_and_kind() {
        let turned = knobs(&["replication_delay_ms=2000".into(), "throttle={\"writes\":7}".into()]).unwrap();
        assert_eq!(turned.replication_delay_ms, 2000);
        assert_eq!(turned.throttle.writes, 7);
        assert_eq!(turned.page_size, Knobs::default().page_size);
        for wrong in ["replication_delay", "nonsense=1", "page_size=\"x\"", "page_size=no"] {
            assert_eq!(knobs(&[wrong.into()]).unwrap_err().code, "knob", "{wrong}");
        }
    }
}
