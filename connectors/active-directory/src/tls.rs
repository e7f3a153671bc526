//! Whom to trust: the authorities or pinned certificates of the settings, and what was wrong with a certificate that
//! was not accepted. Never accepts a certificate that neither an authority nor a pin vouches for.

use crate::ber::{self, BerError, Reader};
use crate::settings::Settings;
use crate::time::unix_seconds;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// Where distributions keep the system's authorities, in the order in which they are tried.
const SYSTEM_BUNDLES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum TrustError {
    #[error("the authority file `{path}` cannot be read: {message}")]
    Unreadable { path: PathBuf, message: String },
    #[error("the authority file `{0}` holds no certificate in PEM form")]
    Empty(PathBuf),
    #[error("the system has no file of certificate authorities")]
    NoSystemBundle,
    #[error("the TLS library refuses the settings: {0}")]
    Library(String),
}

/// Why a certificate was not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Distrust {
    UnknownAuthority,
    NameMismatch { expected: String, presented: Vec<String> },
    Expired,
    NotYetValid,
    NotPinned { fingerprint: String },
    Other(String),
}

impl Distrust {
    /// Stable code, what is wrong, and what to do.
    pub(crate) fn explain(&self) -> (&'static str, String, String) {
        match self {
            Distrust::UnknownAuthority => (
                "untrusted-certificate",
                "its certificate is signed by an authority that is not trusted here (unknown CA)".to_owned(),
                "put the PEM file of the authority that signs the domain controllers' certificates into `ca_files`"
                    .to_owned(),
            ),
            Distrust::NameMismatch { expected, presented } => (
                "certificate-name-mismatch",
                match presented.as_slice() {
                    [] => format!(
                        "its certificate names no host in its subject alternative names, `{expected}` is needed (name mismatch)"
                    ),
                    names => {
                        format!("its certificate is for {}, not for `{expected}` (name mismatch)", names.join(", "))
                    }
                },
                "write the server by a name in its certificate, give it a certificate with that name, or pin it with \
                 `certificate_sha256`"
                    .to_owned(),
            ),
            Distrust::Expired => (
                "certificate-expired",
                "its certificate has expired".to_owned(),
                "renew the domain controller's certificate".to_owned(),
            ),
            Distrust::NotYetValid => (
                "certificate-not-yet-valid",
                "its certificate is not valid yet".to_owned(),
                "compare the clocks of this machine and of the domain controller".to_owned(),
            ),
            Distrust::NotPinned { fingerprint } => (
                "certificate-not-pinned",
                format!(
                    "its certificate has the SHA-256 fingerprint {fingerprint}, which is not in `certificate_sha256`"
                ),
                "find out why it changed; if it was renewed, write the new fingerprint into `certificate_sha256`"
                    .to_owned(),
            ),
            Distrust::Other(message) => (
                "untrusted-certificate",
                format!("its certificate is not accepted: {message}"),
                "give the domain controller a valid server certificate".to_owned(),
            ),
        }
    }
}

/// What a connection showed of the server's certificate.
#[derive(Debug, Clone, Default)]
pub(crate) struct CertificateSeen {
    pub(crate) distrust: Option<Distrust>,
    /// End of validity, seconds since 1970.
    pub(crate) not_after: Option<i64>,
}

/// A TLS configuration, and where the verifier notes what it saw.
pub(crate) struct Trust {
    pub(crate) config: Arc<ClientConfig>,
    pub(crate) seen: Arc<Mutex<CertificateSeen>>,
}

/// Builds the trust of one connection.
pub(crate) fn trust(settings: &Settings) -> Result<Trust, TrustError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let seen = Arc::new(Mutex::new(CertificateSeen::default()));
    let authorities = if settings.pins.is_empty() {
        let roots = Arc::new(roots(&settings.ca_files)?);
        let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider.clone())
            .build()
            .map_err(|error| TrustError::Library(error.to_string()))?;
        Some(verifier)
    } else {
        None
    };
    let verifier =
        Verifier { authorities, pins: settings.pins.clone(), provider: provider.clone(), seen: seen.clone() };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| TrustError::Library(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(Trust { config: Arc::new(config), seen })
}

fn roots(files: &[PathBuf]) -> Result<RootCertStore, TrustError> {
    let mut roots = RootCertStore::empty();
    if files.is_empty() {
        let bundle = system_bundle().ok_or(TrustError::NoSystemBundle)?;
        // A distribution's bundle may hold certificates that the library does not take: the others count.
        roots.add_parsable_certificates(certificates(&bundle)?);
        return Ok(roots);
    }
    for file in files {
        for certificate in certificates(file)? {
            roots
                .add(certificate)
                .map_err(|error| TrustError::Unreadable { path: file.clone(), message: error.to_string() })?;
        }
    }
    Ok(roots)
}

fn system_bundle() -> Option<PathBuf> {
    let named = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
    named.into_iter().chain(SYSTEM_BUNDLES.iter().map(PathBuf::from)).find(|path| path.is_file())
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    let unreadable = |message: String| TrustError::Unreadable { path: path.to_owned(), message };
    let certificates = CertificateDer::pem_file_iter(path)
        .map_err(|error| unreadable(error.to_string()))?
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| unreadable(error.to_string()))?;
    if certificates.is_empty() {
        return Err(TrustError::Empty(path.to_owned()));
    }
    Ok(certificates)
}

#[derive(Debug)]
struct Verifier {
    /// None when pins alone decide.
    authorities: Option<Arc<WebPkiServerVerifier>>,
    pins: Vec<[u8; 32]>,
    provider: Arc<CryptoProvider>,
    seen: Arc<Mutex<CertificateSeen>>,
}

impl Verifier {
    fn verdict(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, (Distrust, Error)> {
        match &self.authorities {
            Some(authorities) => authorities
                .verify_server_cert(certificate, intermediates, name, ocsp, now)
                .map_err(|error| (distrust(&error, name), error)),
            None => {
                let fingerprint: [u8; 32] = Sha256::digest(certificate.as_ref()).into();
                if self.pins.contains(&fingerprint) {
                    return Ok(ServerCertVerified::assertion());
                }
                let fingerprint = fingerprint.iter().map(|byte| format!("{byte:02x}")).collect();
                let error = Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure);
                Err((Distrust::NotPinned { fingerprint }, error))
            }
        }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verdict = self.verdict(certificate, intermediates, name, ocsp, now);
        let not_after = not_after(certificate).ok().flatten();
        if let Ok(mut seen) = self.seen.lock() {
            seen.not_after = not_after;
            seen.distrust = verdict.as_ref().err().map(|(distrust, _)| distrust.clone());
        }
        verdict.map_err(|(_, error)| error)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

fn distrust(error: &Error, name: &ServerName<'_>) -> Distrust {
    let Error::InvalidCertificate(problem) = error else {
        return Distrust::Other(error.to_string());
    };
    match problem {
        CertificateError::UnknownIssuer => Distrust::UnknownAuthority,
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => Distrust::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Distrust::NotYetValid,
        CertificateError::NotValidForName => {
            Distrust::NameMismatch { expected: name.to_str().into_owned(), presented: Vec::new() }
        }
        CertificateError::NotValidForNameContext { presented, .. } => {
            Distrust::NameMismatch { expected: name.to_str().into_owned(), presented: presented.clone() }
        }
        _ => Distrust::Other(error.to_string()),
    }
}

/// The end of validity in a certificate (RFC 5280 4.1): Certificate { TBSCertificate { [0] version, serial, algorithm,
/// issuer, validity { notBefore, notAfter }, ... } }.
fn not_after(certificate: &[u8]) -> Result<Option<i64>, BerError> {
    let mut outer = Reader::new(Reader::new(certificate).expect(ber::SEQUENCE)?);
    let mut fields = Reader::new(outer.expect(ber::SEQUENCE)?);
    if fields.peek_tag() == Some(0xa0) {
        fields.next()?;
    }
    fields.expect(ber::INTEGER)?;
    fields.expect(ber::SEQUENCE)?;
    fields.expect(ber::SEQUENCE)?;
    let mut validity = Reader::new(fields.expect(ber::SEQUENCE)?);
    validity.next()?;
    let (_, end) = validity.next()?;
    Ok(std::str::from_utf8(end).ok().and_then(unix_seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(end: &[u8]) -> Vec<u8> {
        let validity = [ber::element(0x17, b"260101000000Z"), ber::element(0x17, end)].concat();
        let fields = [
            ber::element(0xa0, &ber::integer(2)),
            ber::integer(4711),
            ber::element(ber::SEQUENCE, &[]),
            ber::element(ber::SEQUENCE, &[]),
            ber::element(ber::SEQUENCE, &validity),
        ];
        ber::element(ber::SEQUENCE, &ber::element(ber::SEQUENCE, &fields.concat()))
    }

    /// SF26: the days a certificate has left.
    #[test]
    fn the_end_of_validity_is_read_from_the_certificate() {
        let whole = certificate(b"261122181737Z");
        assert_eq!(not_after(&whole), Ok(Some(1_795_371_457)));
        assert_eq!(not_after(&certificate(b"never")), Ok(None));
        for cut in 0..whole.len() {
            assert!(not_after(&whole[..cut]).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn an_authority_file_that_is_none_is_named() {
        let missing = roots(&[PathBuf::from("/nonexistent/ca.pem")]).unwrap_err();
        assert!(missing.to_string().contains("/nonexistent/ca.pem"));
    }
}
