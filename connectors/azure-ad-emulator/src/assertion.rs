//! Verifies a client assertion (A.1): a JWT signed with a certificate that is registered for the application. Takes
//! PS256 and the older RS256, the thumbprint as SHA-256 or SHA-1; refuses each broken part with its AADSTS number.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm};
use serde_json::Value;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::clock::Millis;
use crate::tenant_facts::Application;

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// Clocks may differ by this much.
const SKEW_S: i64 = 300;

/// What the client sent, and when.
pub(crate) struct Given<'a> {
    pub(crate) kind: &'a str,
    pub(crate) assertion: &'a str,
    pub(crate) now_s: Millis,
}

/// The AADSTS number and its sentence.
type Refusal = (u32, String);

/// Accepts an assertion for one of `audiences`, or says what is wrong with it.
pub(crate) fn verify(given: &Given<'_>, application: &Application, audiences: &[String]) -> Result<(), Refusal> {
    if given.kind != ASSERTION_TYPE {
        return Err((700_030, "The client_assertion_type is not supported.".to_owned()));
    }
    let malformed = || (50_027, "JWT token is invalid or malformed.".to_owned());
    let mut parts = given.assertion.split('.');
    let (Some(header), Some(claims), Some(signature), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(malformed());
    };
    let signed = &given.assertion[..header.len() + 1 + claims.len()];
    let header = json_part(header).ok_or_else(malformed)?;
    let claims = json_part(claims).ok_or_else(malformed)?;
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| malformed())?;

    let certificate = registered(&header, application)?;
    let algorithm: &dyn VerificationAlgorithm = match header["alg"].as_str() {
        Some("PS256") => &RSA_PSS_2048_8192_SHA256,
        Some("RS256") => &RSA_PKCS1_2048_8192_SHA256,
        _ => return Err(invalid_signature("The algorithm is not PS256 or RS256.")),
    };
    let (_, certificate) =
        X509Certificate::from_der(&certificate).map_err(|_| invalid_signature("The certificate cannot be read."))?;
    let not_after = certificate.validity().not_after.timestamp();
    UnparsedPublicKey::new(algorithm, &certificate.public_key().subject_public_key.data)
        .verify(signed.as_bytes(), &signature)
        .map_err(|_| invalid_signature("The key was found, but use of the key to verify the signature failed."))?;
    if not_after < given.now_s {
        return Err(invalid_signature("The certificate used to sign the client assertion is expired."));
    }
    check_claims(&claims, given.now_s, application, audiences)
}

fn invalid_signature(reason: &str) -> Refusal {
    (700_027, format!("Client assertion failed signature validation. {reason}"))
}

/// The DER of the registered certificate that the header's thumbprint names.
fn registered(header: &Value, application: &Application) -> Result<Vec<u8>, Refusal> {
    let unknown = || {
        let message =
            "The certificate with identifier used to sign the client assertion is not registered on application.";
        (700_027, message.to_owned())
    };
    let matches = |der: &Vec<u8>| match (header["x5t#S256"].as_str(), header["x5t"].as_str()) {
        (Some(thumbprint), _) => thumbprint == URL_SAFE_NO_PAD.encode(Sha256::digest(der)),
        (None, Some(thumbprint)) => thumbprint == URL_SAFE_NO_PAD.encode(Sha1::digest(der)),
        (None, None) => false,
    };
    let mut known = application.certificates.iter().filter_map(|text| STANDARD.decode(text).ok());
    known.find(matches).ok_or_else(unknown)
}

fn check_claims(claims: &Value, now_s: i64, application: &Application, audiences: &[String]) -> Result<(), Refusal> {
    let text = |name: &str| claims[name].as_str().unwrap_or_default();
    if !audiences.iter().any(|audience| audience.eq_ignore_ascii_case(text("aud"))) {
        let message = format!("Client assertion audience claim does not match Realm issuer. '{}'", text("aud"));
        return Err((700_023, message));
    }
    let client_id = application.client_id.to_string();
    if ["iss", "sub"].iter().any(|name| !text(name).eq_ignore_ascii_case(&client_id)) {
        let message = "Client assertion application identifier doesn't match 'client_id' parameter.";
        return Err((700_021, message.to_owned()));
    }
    let from = claims["nbf"].as_i64().unwrap_or(i64::MIN);
    let until = claims["exp"].as_i64();
    match until {
        Some(until) if from.saturating_sub(SKEW_S) <= now_s && now_s < until.saturating_add(SKEW_S) => Ok(()),
        _ => Err((700_024, "Client assertion is not within its valid time range.".to_owned())),
    }
}

fn json_part(part: &str) -> Option<Value> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

/// The base64 between the lines of a PEM text's first certificate; empty where there is none.
pub(crate) fn pem_body(pem: &str) -> String {
    let lines = pem.lines().map(str::trim).skip_while(|line| *line != "-----BEGIN CERTIFICATE-----").skip(1);
    lines.take_while(|line| *line != "-----END CERTIFICATE-----").collect()
}
