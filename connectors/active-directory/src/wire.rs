//! The directory over ldap3, for whoever writes: connecting with TLS, signing in, and each operation with a timeout. Takes
//! entries as raw BER (see entry.rs): ldap3's own reading guesses text from content and panics on a malformed answer.

use crate::connection::Connection;
use crate::controls::{Control, ResponseControl};
use crate::directory::{
    Directory, DirectoryError, DirectoryWrites, EntryStream, Modification, ModificationKind, SearchRequest, SearchScope,
};
use crate::entry::Entry;
use crate::errors;
use crate::searches::ReadingDirectory;
use crate::settings::{Encryption, Server, Settings};
use crate::tls::{self, CertificateSeen, Trust};
use async_trait::async_trait;
use connector_contract::{ConnectorError, ErrorKind, Secret};
use ldap3::controls::RawControl;
use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, LdapError, LdapResult, Mod, Scope};
use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// A server that accepted the credential.
#[derive(Clone)]
pub(crate) struct LdapDirectory {
    ldap: Ldap,
    timeout: Duration,
}

/// A signed-in connection and what was seen on the way.
pub(crate) struct Connected<D> {
    pub(crate) directory: D,
    pub(crate) url: String,
    pub(crate) certificate: CertificateSeen,
    /// Which of the addresses that the server's name stands for answered, where that is known.
    pub(crate) peer: Option<IpAddr>,
}

/// How a connection to one server is secured, and what it is called in messages.
struct Secured {
    url: String,
    attempted: String,
    trust: Option<Trust>,
}

impl Secured {
    fn new(settings: &Settings, server: &Server) -> Result<Secured, ConnectorError> {
        let url = server.url(settings.encryption);
        let attempted = format!("connecting to {url}");
        let trust = match settings.encryption {
            Encryption::None => None,
            Encryption::Ldaps | Encryption::StartTls => Some(tls::trust(settings).map_err(|error| {
                ConnectorError::new(
                    ErrorKind::CannotStart { status: "no-start-certificate-authority" },
                    attempted.clone(),
                    error.to_string(),
                    "name a readable PEM file in `ca_files`",
                )
            })?),
        };
        Ok(Secured { url, attempted, trust })
    }

    fn certificate(&self) -> CertificateSeen {
        let seen = self.trust.as_ref().and_then(|trust| trust.seen.lock().ok());
        seen.map(|seen| seen.clone()).unwrap_or_default()
    }

    fn failed(&self, error: &LdapError, settings: &Settings) -> ConnectorError {
        errors::not_connected(&self.attempted, error, &self.certificate(), settings)
    }
}

/// A directory that can be connected to.
#[async_trait]
pub(crate) trait SignIn: Directory + Sized {
    /// Connects to one server and signs in, once: a refused credential is not tried again (SF23).
    async fn sign_in(settings: &Settings, server: &Server) -> Result<Connected<Self>, ConnectorError>;
}

#[async_trait]
impl SignIn for ReadingDirectory {
    async fn sign_in(settings: &Settings, server: &Server) -> Result<Connected<Self>, ConnectorError> {
        let secured = Secured::new(settings, server)?;
        let tls = secured.trust.as_ref().map(|trust| Arc::clone(&trust.config));
        let mut connection = Connection::open(server, settings.encryption, tls, settings.connect_timeout)
            .await
            .map_err(|error| secured.failed(&error, settings))?;
        let (attempted, secret) = credential(settings, &secured.url)?;
        let outcome = connection
            .bind(&settings.bind_user, secret.expose(), settings.connect_timeout)
            .await
            .map_err(|error| errors::step_error(&attempted, &error))?;
        if outcome.code != 0 {
            return Err(errors::bind_refused(&attempted, outcome.code, &outcome.text, settings.account_setting));
        }
        let peer = connection.peer();
        let directory = ReadingDirectory::new(connection, settings.timeout);
        Ok(Connected { directory, certificate: secured.certificate(), url: secured.url, peer })
    }
}

/// What signing in is called in messages, and with what.
fn credential(settings: &Settings, url: &str) -> Result<(String, Secret), ConnectorError> {
    let attempted = format!("signing in to {url} as {}", settings.bind_user);
    match settings.password.resolve() {
        Ok(secret) => Ok((attempted, secret)),
        Err(error) => Err(ConnectorError::new(ErrorKind::Credential, attempted, error.to_string(), "")),
    }
}

#[async_trait]
impl SignIn for LdapDirectory {
    async fn sign_in(settings: &Settings, server: &Server) -> Result<Connected<Self>, ConnectorError> {
        let secured = Secured::new(settings, server)?;
        let mut options = LdapConnSettings::new()
            .set_conn_timeout(settings.connect_timeout)
            .set_starttls(settings.encryption == Encryption::StartTls);
        if let Some(trust) = &secured.trust {
            options = options.set_config(Arc::clone(&trust.config));
        }
        let (connection, ldap) = match LdapConnAsync::with_settings(options, &secured.url).await {
            Ok(pair) => pair,
            Err(error) => return Err(secured.failed(&error, settings)),
        };
        // The driver ends when the connection or the last handle does; operations in flight then fail by themselves.
        tokio::spawn(async move {
            if let Err(error) = connection.drive().await {
                tracing::debug!(%error, "an LDAP connection ended");
            }
        });
        let mut directory = LdapDirectory { ldap, timeout: settings.timeout };
        directory.bind(settings, &secured.url).await?;
        Ok(Connected { directory, certificate: secured.certificate(), url: secured.url, peer: None })
    }
}

impl LdapDirectory {
    async fn bind(&mut self, settings: &Settings, url: &str) -> Result<(), ConnectorError> {
        let (attempted, secret) = credential(settings, url)?;
        let answer =
            self.ldap.with_timeout(settings.connect_timeout).simple_bind(&settings.bind_user, secret.expose()).await;
        match answer {
            Ok(result) if result.rc == 0 => Ok(()),
            Ok(result) => Err(errors::bind_refused(&attempted, result.rc, &result.text, settings.account_setting)),
            Err(error) => Err(errors::step_error(&attempted, &lost(error, settings.connect_timeout))),
        }
    }

    fn handle(&self) -> Ldap {
        self.ldap.clone()
    }
}

/// Every error of ldap3 that is not a result code means that this connection is of no more use.
fn lost(error: LdapError, timeout: Duration) -> DirectoryError {
    match error {
        LdapError::Timeout { .. } => DirectoryError::Timeout(timeout),
        LdapError::LdapResult { result } => refusal(&result),
        LdapError::FilterParsing => {
            DirectoryError::Malformed("a search filter of this connector is malformed".to_owned())
        }
        LdapError::Io { source } => DirectoryError::Lost(source.to_string()),
        LdapError::EndOfStream => DirectoryError::Lost("the server closed it in the middle of a search".to_owned()),
        LdapError::OpSend { .. } | LdapError::ResultRecv { .. } => {
            DirectoryError::Lost("the server closed it".to_owned())
        }
        other => DirectoryError::Lost(other.to_string()),
    }
}

fn refusal(result: &LdapResult) -> DirectoryError {
    DirectoryError::Refused { code: result.rc, text: result.text.trim_end_matches('\0').to_owned() }
}

fn done(answer: Result<LdapResult, LdapError>, timeout: Duration) -> Result<(), DirectoryError> {
    match answer {
        Ok(result) if result.rc == 0 => Ok(()),
        Ok(result) => Err(refusal(&result)),
        Err(error) => Err(lost(error, timeout)),
    }
}

fn raw(controls: &[Control]) -> Vec<RawControl> {
    controls
        .iter()
        .map(|control| RawControl { ctype: control.oid.to_owned(), crit: true, val: control.value.clone() })
        .collect()
}

fn set(values: &[Vec<u8>]) -> HashSet<Vec<u8>> {
    values.iter().cloned().collect()
}

#[async_trait]
impl Directory for LdapDirectory {
    async fn search(&self, request: &SearchRequest) -> Result<Box<dyn EntryStream>, DirectoryError> {
        let scope = match request.scope {
            SearchScope::Base => Scope::Base,
            SearchScope::Subtree => Scope::Subtree,
        };
        let mut ldap = self.handle();
        ldap.with_timeout(self.timeout).with_controls(raw(&request.controls));
        #[cfg(feature = "fail-points")]
        fail::fail_point!("ldap-send");
        let stream = ldap
            .streaming_search(&request.base, scope, &request.filter, request.attributes.clone())
            .await
            .map_err(|error| lost(error, self.timeout))?;
        Ok(Box::new(LdapEntries { stream, timeout: self.timeout, ended: None }))
    }
}

#[async_trait]
impl DirectoryWrites for LdapDirectory {
    async fn add(&self, dn: &str, attributes: Vec<(String, Vec<Vec<u8>>)>) -> Result<(), DirectoryError> {
        let attributes: Vec<(Vec<u8>, HashSet<Vec<u8>>)> =
            attributes.into_iter().map(|(name, values)| (name.into_bytes(), values.into_iter().collect())).collect();
        #[cfg(feature = "fail-points")]
        fail::fail_point!("ldap-send");
        let answer = self.handle().with_timeout(self.timeout).add(dn, attributes).await;
        #[cfg(feature = "fail-points")]
        fail::fail_point!("ldap-reply");
        done(answer, self.timeout)
    }

    async fn modify(&self, dn: &str, changes: &[Modification], controls: Vec<Control>) -> Result<(), DirectoryError> {
        let mods = changes
            .iter()
            .map(|change| {
                let name = change.attribute.clone().into_bytes();
                let values = set(&change.values);
                match change.kind {
                    ModificationKind::Add => Mod::Add(name, values),
                    ModificationKind::Delete => Mod::Delete(name, values),
                    ModificationKind::Replace => Mod::Replace(name, values),
                }
            })
            .collect();
        let mut ldap = self.handle();
        ldap.with_timeout(self.timeout).with_controls(raw(&controls));
        #[cfg(feature = "fail-points")]
        fail::fail_point!("ldap-send");
        let answer = ldap.modify(dn, mods).await;
        #[cfg(feature = "fail-points")]
        fail::fail_point!("ldap-reply");
        done(answer, self.timeout)
    }

    async fn delete(&self, dn: &str) -> Result<(), DirectoryError> {
        #[cfg(feature = "fail-points")]
        fail::fail_point!("ldap-send");
        let answer = self.handle().with_timeout(self.timeout).delete(dn).await;
        #[cfg(feature = "fail-points")]
        fail::fail_point!("ldap-reply");
        done(answer, self.timeout)
    }

    async fn rename(&self, dn: &str, rdn: &str, superior: &str) -> Result<(), DirectoryError> {
        #[cfg(feature = "fail-points")]
        fail::fail_point!("ldap-send");
        let answer = self.handle().with_timeout(self.timeout).modifydn(dn, rdn, true, Some(superior)).await;
        #[cfg(feature = "fail-points")]
        fail::fail_point!("ldap-reply");
        done(answer, self.timeout)
    }
}

struct LdapEntries {
    stream: ldap3::SearchStream<'static, String, Vec<String>>,
    timeout: Duration,
    /// The controls of the final answer, once it came.
    ended: Option<Vec<ResponseControl>>,
}

#[async_trait]
impl EntryStream for LdapEntries {
    async fn next(&mut self) -> Result<Option<Entry>, DirectoryError> {
        // ldap3 must not be asked again after its end.
        while self.ended.is_none() {
            match self.stream.next().await.map_err(|error| lost(error, self.timeout))? {
                Some(wire) => match Entry::from_wire(wire) {
                    Ok(Some(entry)) => return Ok(Some(entry)),
                    Ok(None) => {}
                    Err(error) => return Err(DirectoryError::Malformed(error.to_string())),
                },
                None => {
                    let result = self.stream.finish().await;
                    #[cfg(feature = "fail-points")]
                    fail::fail_point!("ldap-page");
                    self.ended = Some(
                        result
                            .ctrls
                            .iter()
                            .map(|control| ResponseControl {
                                oid: control.1.ctype.clone(),
                                value: control.1.val.clone().unwrap_or_default(),
                            })
                            .collect(),
                    );
                    if result.rc != 0 {
                        return Err(refusal(&result));
                    }
                }
            }
        }
        Ok(None)
    }

    fn end_controls(&self) -> &[ResponseControl] {
        self.ended.as_deref().unwrap_or_default()
    }
}
