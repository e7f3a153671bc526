//! The application's certificate: reads it with its key from PEM, tells how long it is valid, and signs the assertion
//! that stands in place of a secret (A.1). Keeps the key in memory for one fetch of a token; never writes it anywhere.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use connector_contract::Secret;
use jiff::Timestamp;
use ring::rand::SystemRandom;
use ring::rsa::KeyPair;
use ring::signature::{KeyPair as _, RSA_PSS_SHA256};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, X509Certificate};

/// An assertion is good for this long; A.1 asks for five to ten minutes.
const ASSERTION_SECONDS: i64 = 600;

pub(crate) struct ClientCertificate {
    /// SHA-256 of the certificate's DER.
    thumbprint: [u8; 32],
    key: KeyPair,
    not_after: Timestamp,
}

/// A key is never shown.
impl std::fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientCertificate").field("not_after", &self.not_after).finish_non_exhaustive()
    }
}

impl ClientCertificate {
    /// The first certificate of one PEM text and the RSA key of another (the same text may hold both). Errors are
    /// sentences for the operator and repeat nothing of the texts.
    pub(crate) fn read(certificate: &str, key: &str) -> Result<ClientCertificate, String> {
        let der = CertificateDer::from_pem_slice(certificate.as_bytes())
            .map_err(|_| "client_certificate holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)")?;
        let (_, parsed) = X509Certificate::from_der(&der).map_err(|_| "client_certificate cannot be read")?;
        let not_after = Timestamp::from_second(parsed.validity().not_after.timestamp())
            .map_err(|_| "the end of client_certificate's validity is no time")?;
        let key = read_key(key)?;
        if key.public_key().as_ref() != parsed.public_key().subject_public_key.data.as_ref() {
            return Err("the private key does not belong to client_certificate".to_owned());
        }
        Ok(ClientCertificate { thumbprint: Sha256::digest(&der).into(), key, not_after })
    }

    pub(crate) fn thumbprint(&self) -> &[u8; 32] {
        &self.thumbprint
    }

    pub(crate) fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// The signed assertion (PS256): who asks (`client_id`), whom (`audience`, the token endpoint's URL), and when.
    /// `id` is fresh for each.
    pub(crate) fn assertion(
        &self,
        client_id: &str,
        audience: &str,
        id: &str,
        now: Timestamp,
    ) -> Result<Secret, String> {
        let header = serde_json::json!({
            "alg": "PS256", "typ": "JWT", "x5t#S256": URL_SAFE_NO_PAD.encode(self.thumbprint),
        });
        let seconds = now.as_second();
        let claims = serde_json::json!({
            "aud": audience, "iss": client_id, "sub": client_id, "jti": id,
            "nbf": seconds, "iat": seconds, "exp": seconds + ASSERTION_SECONDS,
        });
        let encode = |part: &serde_json::Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let signed = format!("{}.{}", encode(&header), encode(&claims));
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key
            .sign(&RSA_PSS_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
            .map_err(|_| "the assertion could not be signed with the private key")?;
        Ok(Secret::new(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))))
    }
}

fn read_key(text: &str) -> Result<KeyPair, String> {
    // Told apart because an encrypted key is the usual export, and its remedy another one.
    if text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") || text.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(
            "the private key is encrypted; write it without a passphrase (openssl pkey -in ENCRYPTED -out KEY) \
             into a file that only metasync can read"
                .to_owned(),
        );
    }
    let der = PrivateKeyDer::from_pem_slice(text.as_bytes())
        .map_err(|_| "no private key in PEM form beside client_certificate; name its file in client_certificate_key")?;
    let key = match &der {
        PrivateKeyDer::Pkcs8(der) => KeyPair::from_pkcs8(der.secret_pkcs8_der()),
        PrivateKeyDer::Pkcs1(der) => KeyPair::from_der(der.secret_pkcs1_der()),
        _ => return Err("the private key is not an RSA key; Azure AD takes RSA keys of 2048 bits and more".to_owned()),
    };
    key.map_err(|error| {
        format!("the private key cannot be used ({error}); Azure AD takes RSA keys of 2048 to 4096 bits")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::signature::{RSA_PSS_2048_8192_SHA256, UnparsedPublicKey};

    const CERTIFICATE: &str = include_str!("../tests/graph/sign_in/application.pem");
    const KEY: &str = include_str!("../tests/graph/sign_in/application.key.pem");
    const OTHER_KEY: &str = include_str!("../tests/graph/sign_in/other.key.pem");

    /// A.1: header and claims as documented, signed with the certificate's key, no padding anywhere.
    #[test]
    fn an_assertion_names_certificate_endpoint_and_application() {
        let certificate = ClientCertificate::read(CERTIFICATE, KEY).unwrap();
        let now: Timestamp = "2026-03-04T05:06:07Z".parse().unwrap();
        let assertion = certificate.assertion("app", "https://login.example/t/oauth2/v2.0/token", "id-1", now).unwrap();
        let (signed, signature) = assertion.expose().rsplit_once('.').unwrap();
        let (header, claims) = signed.split_once('.').unwrap();
        let part = |text: &str| -> serde_json::Value {
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
        };
        let der = CertificateDer::from_pem_slice(CERTIFICATE.as_bytes()).unwrap();
        let thumbprint = URL_SAFE_NO_PAD.encode(Sha256::digest(&der));
        assert_eq!(part(header), serde_json::json!({"alg": "PS256", "typ": "JWT", "x5t#S256": thumbprint}));
        let claims = part(claims);
        assert_eq!(claims["aud"], "https://login.example/t/oauth2/v2.0/token");
        assert_eq!((&claims["iss"], &claims["sub"], &claims["jti"]), (&"app".into(), &"app".into(), &"id-1".into()));
        let seconds = |name: &str| claims[name].as_i64().unwrap();
        assert_eq!((seconds("nbf"), seconds("exp")), (now.as_second(), now.as_second() + 600));
        let (_, parsed) = X509Certificate::from_der(&der).unwrap();
        let public = UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, &parsed.public_key().subject_public_key.data);
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        public.verify(signed.as_bytes(), &signature).unwrap();
        assert!(public.verify(header.as_bytes(), &signature).is_err());
    }

    #[test]
    fn both_may_stand_in_one_text_and_each_mistake_has_its_sentence() {
        let both = format!("{KEY}{CERTIFICATE}");
        assert!(ClientCertificate::read(&both, &both).is_ok());
        let problem = |certificate: &str, key: &str| ClientCertificate::read(certificate, key).unwrap_err();
        assert!(problem(KEY, KEY).contains("holds no certificate"));
        assert!(problem(CERTIFICATE, CERTIFICATE).contains("client_certificate_key"));
        assert!(problem(CERTIFICATE, OTHER_KEY).contains("does not belong"));
        let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
        assert!(problem(CERTIFICATE, encrypted).contains("without a passphrase"));
        let elliptic = "-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n";
        assert!(problem(CERTIFICATE, elliptic).contains("RSA"));
    }

    #[test]
    fn a_key_is_never_printed() {
        let certificate = ClientCertificate::read(CERTIFICATE, KEY).unwrap();
        assert_eq!(format!("{certificate:?}"), "ClientCertificate { not_after: 2126-11-02T01:37:39Z, .. }");
    }
}
