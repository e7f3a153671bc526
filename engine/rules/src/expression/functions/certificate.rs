//! Functions on X.509 certificates (X74), read by x509-parser and answered as .NET's X509Certificate2 answers them on
//! Windows. Never checks a signature, a chain or a date: rules read what stands in a certificate.

use super::certificate_names::{self as names, Name};
use super::{Accepts, Arguments, BINARY, Function, FunctionGroup, Gives, KindSet, Parameter, one, parameter};
use crate::expression::data::{Data, Fault, Scalar};
use crate::expression::evaluate::Evaluator;
use crate::expression::moment::Moment;
use crate::expression::types::Kind;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};
use sha2::Sha256;
use std::borrow::Cow;
use x509_parser::asn1_rs::ToDer as _;
use x509_parser::prelude::{FromDer as _, GeneralName, ParsedExtension, X509Certificate};

/// The bytes of the directory, or a certificate in its text form.
const CERTIFICATE: KindSet = BINARY.and(Kind::Text);
const NAME_TYPES: Accepts =
    Accepts::Word(&["SimpleName", "EmailName", "UpnName", "DnsName", "DnsFromAlternativeName", "UrlName"]);
/// szOID_NT_PRINCIPAL_NAME: the user principal name in a subject alternative name.
const PRINCIPAL_NAME: &str = "1.3.6.1.4.1.311.20.2.3";

type Answer = fn(&X509Certificate<'_>) -> Data<'static>;

pub(super) fn functions() -> Vec<Function> {
    let function = |name, parameters: &'static [Parameter], gives, run, doc| {
        Function::eager(name, FunctionGroup::Certificate, parameters, gives, run, doc)
    };
    let certificate = const { &[one("certificate", CERTIFICATE)] };
    let text = Gives::Kind(Kind::Text);
    let date = Gives::Kind(Kind::Date);
    vec![
        function(
            "IsCert",
            const { &[parameter("value", Accepts::Whole)] },
            Gives::Kind(Kind::Boolean),
            is_cert,
            "Whether the value is a certificate: DER bytes, or base64 with or without the lines of PEM. The other functions here fail the object when it is none.",
        ),
        function(
            "CertExtensionOids",
            certificate,
            Gives::Many(Kind::Text),
            |evaluator, a| answer(evaluator, a, extension_oids),
            "OIDs of the critical extensions.",
        ),
        function(
            "CertFormat",
            certificate,
            text,
            |e, a| answer(e, a, |_| Data::text("X509")),
            "`X509` for every certificate.",
        ),
        function(
            "CertFriendlyName",
            certificate,
            text,
            |e, a| answer(e, a, |_| Data::text("")),
            "The empty text: an alias is kept by the store of one computer and stands in no certificate.",
        ),
        function(
            "CertHashString",
            certificate,
            text,
            |e, a| answer(e, a, hash),
            "SHA-1 of the certificate in upper-case hexadecimal.",
        ),
        function("CertThumbprint", certificate, text, |e, a| answer(e, a, hash), "The same as `CertHashString`."),
        function(
            "CertIssuer",
            certificate,
            text,
            |e, a| answer(e, a, |c| Data::text(names::windows(&Name::read(c.issuer())))),
            "DN of the issuer as Windows writes it: the most specific part first, `, ` between them, `E` for the mail address and `S` for the state.",
        ),
        function(
            "CertIssuerDN",
            certificate,
            text,
            |e, a| answer(e, a, |c| Data::text(names::windows(&Name::read(c.issuer())))),
            "The same as `CertIssuer`.",
        ),
        function(
            "CertIssuerOid",
            certificate,
            text,
            |e, a| answer(e, a, |c| Name::read(c.issuer()).oid()),
            "OID of the type of the issuer's most specific part: 2.5.4.3 for a common name.",
        ),
        function(
            "CertSubject",
            certificate,
            text,
            |e, a| answer(e, a, |c| Data::text(names::windows(&Name::read(c.subject())))),
            "DN of the subject, written as `CertIssuer` does.",
        ),
        function(
            "CertSubjectNameDN",
            certificate,
            text,
            |e, a| answer(e, a, |c| Data::text(names::windows(&Name::read(c.subject())))),
            "The same as `CertSubject`.",
        ),
        function(
            "CertSubjectNameOid",
            certificate,
            text,
            |e, a| answer(e, a, |c| Name::read(c.subject()).oid()),
            "OID of the type of the subject's most specific part.",
        ),
        function(
            "CertNameInfo",
            const {
                &[
                    one("certificate", CERTIFICATE),
                    parameter("name", NAME_TYPES),
                    one("of_issuer", KindSet::of(Kind::Boolean)),
                ]
            },
            text,
            name_info,
            "One name of the subject, or of the issuer when the third argument is True: SimpleName is the common name, or the next best part; the others are taken from the alternative names first. NULL when there is none.",
        ),
        function(
            "CertKeyAlgorithm",
            certificate,
            text,
            |e, a| answer(e, a, key_algorithm),
            "OID of the key's algorithm: 1.2.840.113549.1.1.1 for RSA.",
        ),
        function(
            "CertPublicKeyOid",
            certificate,
            text,
            |e, a| answer(e, a, key_algorithm),
            "The same as `CertKeyAlgorithm`.",
        ),
        function(
            "CertPublicKeyParametersOid",
            certificate,
            text,
            |e, a| answer(e, a, key_algorithm),
            "The OID that the key's parameters belong to, which is that of its algorithm.",
        ),
        function(
            "CertKeyAlgorithmParams",
            certificate,
            text,
            |e, a| answer(e, a, key_parameters),
            "DER of the key algorithm's parameters in upper-case hexadecimal: 0500 for RSA. NULL when there are none.",
        ),
        function(
            "CertSerialNumber",
            certificate,
            text,
            |e, a| answer(e, a, |c| Data::text(upper_hex(c.raw_serial()))),
            "The serial number in upper-case hexadecimal, the highest byte first.",
        ),
        function(
            "CertSignatureAlgorithmOid",
            certificate,
            text,
            |e, a| answer(e, a, |c| Data::text(c.signature_algorithm.algorithm.to_id_string())),
            "OID of the algorithm of the signature: 1.2.840.113549.1.1.11 for RSA with SHA-256.",
        ),
        function(
            "CertVersion",
            certificate,
            text,
            |e, a| answer(e, a, |c| Data::text(c.version().0.saturating_add(1).to_string())),
            "The version as a text: `3` for nearly every certificate.",
        ),
        function(
            "CertNotAfter",
            certificate,
            date,
            |e, a| answer(e, a, |c| date_of(c.validity().not_after.timestamp())),
            "The date after which it is not valid, in UTC as every date here.",
        ),
        function(
            "CertNotBefore",
            certificate,
            date,
            |e, a| answer(e, a, |c| date_of(c.validity().not_before.timestamp())),
            "The date from which it is valid, in UTC.",
        ),
        function(
            "Thumbprint",
            const { &[one("value", BINARY)] },
            Gives::Kind(Kind::Binary),
            |evaluator, a| {
                let Some(bytes) = a.binary(0)? else {
                    return Ok(Data::Null);
                };
                evaluator.charge(bytes.len() as u64)?;
                Ok(Data::binary(Sha256::digest(bytes).to_vec()))
            },
            "SHA-256 of the bytes, as 32 bytes: the key hash of msDS-KeyCredentialLink (MS-ADTS 2.2.20). For key write-back; the public reference does not describe it.",
        ),
    ]
}

fn upper_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

/// DER as it is; otherwise base64, with white space and the lines of PEM taken out.
fn der<'s>(scalar: &'s Scalar<'_>) -> Option<Cow<'s, [u8]>> {
    /// A DER SEQUENCE, which no base64 text begins with.
    const SEQUENCE: u8 = 0x30;
    let text = match scalar {
        Scalar::Binary(bytes) if bytes.first() == Some(&SEQUENCE) && bytes.get(1) >= Some(&0x80) => {
            return Some(Cow::Borrowed(bytes));
        }
        Scalar::Binary(bytes) => std::str::from_utf8(bytes).ok()?,
        Scalar::Text(text) => text,
        _ => return None,
    };
    let encoded: String = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("-----"))
        .flat_map(str::chars)
        .filter(|character| !character.is_whitespace())
        .collect();
    STANDARD.decode(encoded).ok().map(Cow::Owned)
}

/// The whole of the bytes is one certificate.
fn read(der: &[u8]) -> Option<X509Certificate<'_>> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Some(certificate),
        _ => None,
    }
}

fn is_cert(evaluator: &mut Evaluator<'_>, a: &Arguments<'_, '_>) -> Result<Data<'static>, Fault> {
    for scalar in a.list(0) {
        evaluator.charge(scalar.weight())?;
        if der(scalar).as_deref().and_then(read).is_none() {
            return Ok(Data::boolean(false));
        }
    }
    Ok(Data::boolean(!a.is_null(0)))
}

fn answer(evaluator: &mut Evaluator<'_>, a: &Arguments<'_, '_>, answer: Answer) -> Result<Data<'static>, Fault> {
    with_certificate(evaluator, a, answer)
}

fn with_certificate(
    evaluator: &mut Evaluator<'_>,
    a: &Arguments<'_, '_>,
    answer: impl Fn(&X509Certificate<'_>) -> Data<'static>,
) -> Result<Data<'static>, Fault> {
    let Some(scalar) = a.scalar(0) else {
        return Ok(Data::Null);
    };
    if !CERTIFICATE.holds(scalar.kind()) {
        return Err(a.mismatch(0, scalar, "a certificate, binary or as base64"));
    }
    evaluator.charge(scalar.weight())?;
    match der(scalar).as_deref().and_then(read) {
        Some(certificate) => Ok(answer(&certificate)),
        None => {
            let message = format!("`{}`: the value is no X.509 certificate; guard it with IsCert", a.function.name);
            Err(Fault::new("expression-conversion-failed", message))
        }
    }
}

fn hash(certificate: &X509Certificate<'_>) -> Data<'static> {
    Data::text(upper_hex(&Sha1::digest(certificate.as_raw())))
}

fn key_algorithm(certificate: &X509Certificate<'_>) -> Data<'static> {
    Data::text(certificate.public_key().algorithm.algorithm.to_id_string())
}

fn key_parameters(certificate: &X509Certificate<'_>) -> Data<'static> {
    let parameters = certificate.public_key().algorithm.parameters.as_ref();
    parameters.and_then(|any| any.to_der_vec().ok()).map_or(Data::Null, |der| Data::text(upper_hex(&der)))
}

fn extension_oids(certificate: &X509Certificate<'_>) -> Data<'static> {
    let critical = certificate.extensions().iter().filter(|extension| extension.critical);
    Data::list(critical.map(|extension| Scalar::text(extension.oid.to_id_string())).collect())
}

fn date_of(seconds: i64) -> Data<'static> {
    Data::date(Moment::fixed(seconds.saturating_mul(1_000_000)))
}

fn name_info(evaluator: &mut Evaluator<'_>, a: &Arguments<'_, '_>) -> Result<Data<'static>, Fault> {
    let of_issuer = match a.scalar(2) {
        None => false,
        Some(Scalar::Boolean(truth)) => *truth,
        Some(other) => return Err(a.mismatch(2, other, "True or False")),
    };
    let wanted = a.word(1).unwrap_or("");
    with_certificate(evaluator, a, |certificate| {
        let found = certificate_name(certificate, wanted, of_issuer);
        found.map_or(Data::Null, Data::text)
    })
}

/// In the order in which .NET's GetNameInfo looks.
fn certificate_name(certificate: &X509Certificate<'_>, wanted: &str, of_issuer: bool) -> Option<String> {
    let name = Name::read(if of_issuer { certificate.issuer() } else { certificate.subject() });
    let alternatives = alternative_names(certificate, of_issuer);
    let alternative = |pick: fn(&GeneralName<'_>) -> Option<String>| alternatives.iter().find_map(|name| pick(name));
    let mail = |name: &GeneralName<'_>| match name {
        GeneralName::RFC822Name(mail) => Some((*mail).to_owned()),
        _ => None,
    };
    let dns = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(host) => Some((*host).to_owned()),
        _ => None,
    };
    match wanted {
        "SimpleName" => ["CN", "OU", "O", "E"]
            .iter()
            .find_map(|label| name.value(label))
            .or_else(|| name.first_value())
            .or_else(|| alternative(mail)),
        "EmailName" => alternative(mail).or_else(|| name.value("E")),
        "UpnName" => alternative(|name| match name {
            GeneralName::OtherName(oid, value) if oid.to_id_string() == PRINCIPAL_NAME => names::explicit_text(value),
            _ => None,
        }),
        "DnsName" => alternative(dns).or_else(|| name.value("CN")),
        "DnsFromAlternativeName" => alternative(dns),
        "UrlName" => alternative(|name| match name {
            GeneralName::URI(address) => Some((*address).to_owned()),
            _ => None,
        }),
        _ => None,
    }
}

fn alternative_names<'c>(certificate: &'c X509Certificate<'_>, of_issuer: bool) -> &'c [GeneralName<'c>] {
    let names = certificate.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::SubjectAlternativeName(names) if !of_issuer => Some(names.general_names.as_slice()),
        ParsedExtension::IssuerAlternativeName(names) if of_issuer => Some(names.general_names.as_slice()),
        _ => None,
    });
    names.unwrap_or_default()
}
