//! The HTTPS client with what it trusts: the system's certificate authorities and the operator's own. Sends nothing.
//!
//! The authorities of a system are some hundred files, and many commands send nothing: they are read on a thread of their own,
//! while everything else begins. Whoever sends first waits for it.

use crate::settings::Settings;
use connector_contract::{ConnectorError, ErrorKind};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use std::fmt;
use std::sync::{Arc, LazyLock};

/// How this product names itself to the service.
const USER_AGENT: &str = concat!("metasync/", env!("CARGO_PKG_VERSION"));
/// This machine, and the metadata service that only it can ask.
const PROXY_EXCEPTIONS: &str = "localhost,127.0.0.0/8,::1,169.254.0.0/16";

type Made = Result<reqwest::Client, ConnectorError>;
type Make = Box<dyn FnOnce() -> Made + Send>;

pub(crate) struct HttpClient(Arc<LazyLock<Made, Make>>);

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient").finish_non_exhaustive()
    }
}

impl HttpClient {
    /// Begins to make the client.
    ///
    /// # Errors
    /// When the operator's own authorities or proxy cannot be used: that is said before anything is done.
    pub(crate) fn prepare(settings: &Settings) -> Result<HttpClient, ConnectorError> {
        let own = own_authorities(settings).map_err(|problem| failed(problem, "correct the setting ca_file"))?;
        let builder = configured(settings)?;
        let make: Make = Box::new(move || {
            let tls = tls_config(own).map_err(|problem| failed(problem, ""))?;
            builder.tls_backend_preconfigured(tls).build().map_err(|error| failed(error.to_string(), ""))
        });
        let client = Arc::new(LazyLock::new(make));
        let ahead = Arc::clone(&client);
        // Where there is no thread for it, it is made when it is needed.
        let _made_ahead = std::thread::Builder::new().name("authorities".to_owned()).spawn(move || {
            LazyLock::force(&ahead);
        });
        Ok(HttpClient(client))
    }

    /// The client; waits until it is made.
    pub(crate) fn get(&self) -> Result<&reqwest::Client, &ConnectorError> {
        LazyLock::force(&self.0).as_ref()
    }
}

fn failed(message: String, remedy: &str) -> ConnectorError {
    let kind = ErrorKind::CannotStart { status: "no-start-configuration" };
    ConnectorError::new(kind, "preparing the HTTPS client", message, remedy)
}

/// Everything but TLS.
fn configured(settings: &Settings) -> Result<reqwest::ClientBuilder, ConnectorError> {
    let mut builder = reqwest::Client::builder()
        .http1_only()
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(USER_AGENT)
        .connect_timeout(settings.connect_timeout)
        .timeout(settings.request_timeout)
        .pool_max_idle_per_host(settings.concurrency)
        // The environment's proxy variables are not read: what is configured is what happens.
        .no_proxy();
    if let Some(proxy) = &settings.proxy {
        let proxy = reqwest::Proxy::all(proxy.clone())
            .map_err(|error| failed(error.to_string(), "correct the setting proxy"))?
            .no_proxy(reqwest::NoProxy::from_string(PROXY_EXCEPTIONS));
        builder = builder.proxy(proxy);
    }
    Ok(builder)
}

/// The certificates of the setting `ca_file`.
fn own_authorities(settings: &Settings) -> Result<rustls::RootCertStore, String> {
    let mut own = rustls::RootCertStore::empty();
    let Some(path) = &settings.ca_file else { return Ok(own) };
    let shown = path.display();
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| format!("ca_file {shown} cannot be read: {error}"))?;
    if certificates.is_empty() {
        return Err(format!("ca_file {shown} holds no certificate"));
    }
    for certificate in certificates {
        own.add(certificate).map_err(|error| format!("ca_file {shown} holds an unusable certificate: {error}"))?;
    }
    Ok(own)
}

/// TLS with ring, the system's certificate authorities and the operator's own. A machine without any still talks to
/// a tenant on a loopback address.
fn tls_config(own: rustls::RootCertStore) -> Result<rustls::ClientConfig, String> {
    let mut roots = own;
    let system = rustls_native_certs::load_native_certs();
    for problem in &system.errors {
        tracing::warn!(%problem, "a system certificate authority could not be read");
    }
    roots.add_parsable_certificates(system.certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be set up: {error}"))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
