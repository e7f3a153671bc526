//! HTTPS: a server certificate of an own authority is taken with `ca_file` and refused by name without it. The
//! certificates in `tls/` are for 127.0.0.1 and for nothing but these tests.

use super::hostile::{Server, connector_at};
use connector_azure_ad::AzureAd;
use connector_contract::{Connector as _, Severity};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/graph/tls").join(name)
}

/// A TLS server that gives every request a token.
fn serve() -> u16 {
    let chain: Vec<_> = CertificateDer::pem_file_iter(file("server.pem")).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(file("server.key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let config = Arc::new(config);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let Ok(session) = rustls::ServerConnection::new(config.clone()) else { return };
            let mut stream = rustls::StreamOwned::new(session, stream);
            let mut buffer = [0u8; 8192];
            if stream.read(&mut buffer).is_ok_and(|read| read > 0) {
                let body = "{\"token_type\":\"Bearer\",\"expires_in\":3599,\"access_token\":\"t\",\"value\":[{\"id\":\"t1\"}]}";
                let reply = Server::json(body);
                let _ = stream.write_all(reply.as_bytes());
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
        }
    });
    port
}

fn https(port: u16, ca_file: Option<PathBuf>) -> (AzureAd, tempfile::NamedTempFile) {
    connector_at(&format!("https://127.0.0.1:{port}"), |settings| settings.ca_file = ca_file)
}

#[tokio::test]
async fn an_own_authority_is_trusted_by_choice_only() {
    let port = serve();
    let (connector, _secret) = https(port, Some(file("ca.pem")));
    let check = connector.check().await;
    assert_eq!(
        (check.findings[0].code.as_str(), check.findings[0].severity),
        ("connected", Severity::Ok),
        "{check:#?}"
    );

    let (connector, _secret) = https(port, None);
    let check = connector.check().await;
    assert_eq!(check.findings.len(), 1);
    let finding = &check.findings[0];
    assert_eq!((finding.code.as_str(), finding.severity), ("untrusted-certificate", Severity::Error), "{finding:?}");
    assert!(finding.remedy.contains("ca_file"), "{finding:?}");
}

#[tokio::test]
async fn an_unusable_authority_file_is_named() {
    let settings =
        |path: PathBuf| super::hostile::settings_at("https://127.0.0.1:9", |settings| settings.ca_file = Some(path)).0;
    for path in [file("missing.pem"), file("server.key.pem")] {
        let error = AzureAd::new(settings(path.clone())).unwrap_err();
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    }
}
