//! With what the application signs in (A.1): a secret, a certificate, or the managed identity of the machine. Reads the
//! settings and resolves references when a token is needed; asks nobody for a token and keeps nothing resolved.

use crate::certificate::ClientCertificate;
use crate::settings::is_loopback;
use connector_contract::{Secret, SecretError, SecretReference};
use metaverse_schema::SettingsReader;
use reqwest::Url;
use sha2::{Digest, Sha256};
use std::net::Ipv4Addr;

const REFERENCE_HELP: &str = "write where it is read from: env:NAME, file:PATH or credential:NAME";
/// The instance metadata service of Azure's virtual machines (A.1).
const IMDS_URL: &str = "http://169.254.169.254/metadata/identity/oauth2/token";

/// How the application proves who it is. References are resolved each time a token is fetched, so that a renewed
/// secret or certificate is used without a restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    Secret(SecretReference),
    /// PEM: the certificate, and its RSA key in the same text or in one of its own.
    Certificate {
        certificate: SecretReference,
        key: Option<SecretReference>,
    },
    ManagedIdentity(ManagedIdentity),
}

/// Who gives the tokens of a managed identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ManagedIdentity {
    /// A virtual machine's metadata service.
    Imds { url: Url },
    /// App Service and its relatives: without an address here, the environment names it (`IDENTITY_ENDPOINT`).
    AppService { url: Option<Url>, header: SecretReference },
}

impl Credential {
    /// The same with every reference changed, such as a relative path put below the deployment's folder.
    pub fn map_references(self, change: impl Fn(SecretReference) -> SecretReference) -> Credential {
        match self {
            Credential::Secret(secret) => Credential::Secret(change(secret)),
            Credential::Certificate { certificate, key } => {
                Credential::Certificate { certificate: change(certificate), key: key.map(change) }
            }
            Credential::ManagedIdentity(ManagedIdentity::AppService { url, header }) => {
                Credential::ManagedIdentity(ManagedIdentity::AppService { url, header: change(header) })
            }
            Credential::ManagedIdentity(imds) => Credential::ManagedIdentity(imds),
        }
    }

    /// Where its secrets are read.
    pub(crate) fn references(&self) -> Vec<&SecretReference> {
        match self {
            Credential::Secret(secret) => vec![secret],
            Credential::Certificate { certificate, key } => std::iter::once(certificate).chain(key).collect(),
            Credential::ManagedIdentity(ManagedIdentity::Imds { .. }) => Vec::new(),
            Credential::ManagedIdentity(ManagedIdentity::AppService { header, .. }) => vec![header],
        }
    }

    /// In an operator's words.
    pub(crate) fn noun(&self) -> &'static str {
        match self {
            Credential::Secret(_) => "client secret",
            Credential::Certificate { .. } => "client certificate",
            Credential::ManagedIdentity(_) => "managed identity",
        }
    }

    /// Reads what is to be proved with now.
    pub(crate) fn resolve(&self) -> Result<Proof, CredentialError> {
        Ok(match self {
            Credential::Secret(reference) => Proof::Secret(reference.resolve()?),
            Credential::Certificate { certificate, key } => {
                let text = certificate.resolve()?;
                let key = key.as_ref().map(SecretReference::resolve).transpose()?;
                let both = ClientCertificate::read(text.expose(), key.as_ref().unwrap_or(&text).expose())
                    .map_err(CredentialError::Certificate)?;
                Proof::Certificate(Box::new(both))
            }
            Credential::ManagedIdentity(ManagedIdentity::Imds { url }) => {
                Proof::ManagedIdentity { url: url.clone(), header: None }
            }
            Credential::ManagedIdentity(ManagedIdentity::AppService { url, header }) => {
                let url = match url {
                    Some(url) => url.clone(),
                    None => identity_endpoint(std::env::var("IDENTITY_ENDPOINT").ok().as_deref())?,
                };
                Proof::ManagedIdentity { url, header: Some(header.resolve()?) }
            }
        })
    }
}

fn identity_endpoint(value: Option<&str>) -> Result<Url, CredentialError> {
    let text = value.ok_or(CredentialError::NoIdentityEndpoint)?;
    Url::parse(text).map_err(|error| CredentialError::IdentityEndpoint(error.to_string()))
}

/// A resolved credential, for one fetch of a token.
#[derive(Debug)]
pub(crate) enum Proof {
    Secret(Secret),
    Certificate(Box<ClientCertificate>),
    ManagedIdentity { url: Url, header: Option<Secret> },
}

impl Proof {
    /// What the breaker remembers of a credential (SF23): a digest, so that a changed one is seen without keeping it.
    pub(crate) fn digest(&self, tenant: &str, client_id: &str) -> [u8; 32] {
        let (kind, own): (&str, &[u8]) = match self {
            Proof::Secret(secret) => ("secret", secret.expose().as_bytes()),
            Proof::Certificate(certificate) => ("certificate", certificate.thumbprint()),
            Proof::ManagedIdentity { url, .. } => ("managed identity", url.as_str().as_bytes()),
        };
        let mut hasher = Sha256::new();
        for part in [tenant.as_bytes(), client_id.as_bytes(), kind.as_bytes(), own] {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        hasher.finalize().into()
    }
}

/// Why a credential cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CredentialError {
    #[error(transparent)]
    Reference(#[from] SecretError),
    #[error("{0}")]
    Certificate(String),
    #[error(
        "IDENTITY_ENDPOINT is not set: this process does not run in an App Service with a managed identity, or its address must stand in identity_url"
    )]
    NoIdentityEndpoint,
    #[error("IDENTITY_ENDPOINT is not a URL: {0}")]
    IdentityEndpoint(String),
}

/// Reads the credential's settings: exactly one kind.
pub(crate) fn read(reader: &mut SettingsReader<'_>) -> Option<Credential> {
    let secret = reference(reader, "client_secret");
    let certificate = reference(reader, "client_certificate");
    let key = reference(reader, "client_certificate_key");
    let identity = reader.text("managed_identity");
    let url = identity_url(reader);
    let header = reference(reader, "identity_header");
    let given = [secret.is_some(), certificate.is_some(), identity.is_some()].into_iter().filter(|given| *given);
    match given.count() {
        1 => {}
        0 => {
            // One answer for a missing and for a malformed reference would be two for one mistake.
            reader.required_text("client_secret", "write client_secret, client_certificate or managed_identity");
            return None;
        }
        _ => {
            let message = "client_secret, client_certificate and managed_identity exclude each other";
            reader.invalid("client_secret", message, "keep one of the three");
            return None;
        }
    }
    if key.is_some() && certificate.is_none() {
        reader.invalid("client_certificate_key", "a key without client_certificate", "name the certificate too");
    }
    if identity.is_none() && (url.is_some() || header.is_some()) {
        let help = "write managed_identity = \"imds\" or \"app-service\", or remove it";
        reader.invalid("identity_url", "identity_url and identity_header belong to a managed identity", help);
    }
    match (secret, certificate, identity.as_deref()) {
        (Some(secret), _, _) => Some(Credential::Secret(secret?)),
        (_, Some(certificate), _) => {
            Some(Credential::Certificate { certificate: certificate?, key: key.unwrap_or(None) })
        }
        (_, _, Some("imds")) => {
            let url = url.unwrap_or_else(|| Url::parse(IMDS_URL).ok());
            Some(Credential::ManagedIdentity(ManagedIdentity::Imds { url: url? }))
        }
        (_, _, Some("app-service")) => {
            let header = header.unwrap_or_else(|| Some(SecretReference::Environment("IDENTITY_HEADER".to_owned())));
            Some(Credential::ManagedIdentity(ManagedIdentity::AppService { url: url.flatten(), header: header? }))
        }
        (_, _, other) => {
            let message = format!("there is no managed identity `{}`", other.unwrap_or_default());
            let help = "write \"imds\" on a virtual machine, \"app-service\" in an App Service or function";
            reader.invalid("managed_identity", message, help);
            None
        }
    }
}

/// None: not given. Some(None): given and wrong, which is reported.
fn reference(reader: &mut SettingsReader<'_>, name: &'static str) -> Option<Option<SecretReference>> {
    let text = reader.text(name)?;
    match text.parse() {
        Ok(reference) => Some(Some(reference)),
        // The error says what a reference is and does not repeat the text, which may be the secret itself.
        Err(error) => {
            let error: SecretError = error;
            reader.invalid(name, error.to_string(), REFERENCE_HELP);
            Some(None)
        }
    }
}

/// A managed identity's address is on this machine or link-local: its tokens travel unencrypted.
fn identity_url(reader: &mut SettingsReader<'_>) -> Option<Option<Url>> {
    let text = reader.text("identity_url")?;
    let help = "write http://169.254.169.254/metadata/identity/oauth2/token, or leave it out";
    let url = match Url::parse(&text) {
        Ok(url) => url,
        Err(error) => {
            reader.invalid("identity_url", format!("`{text}` is not a URL: {error}"), help);
            return Some(None);
        }
    };
    let link_local = |host: &str| host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_link_local());
    let near = is_loopback(&url) || url.host_str().is_some_and(link_local);
    if near || url.scheme() == "https" {
        return Some(Some(url));
    }
    reader.invalid("identity_url", "tokens would travel readably over the network", help);
    Some(None)
}
