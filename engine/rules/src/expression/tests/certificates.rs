//! The certificate functions (X74, X75), on two certificates made with OpenSSL: one of a person, expired on 2014-06-30,
//! with alternative names; one of a printer, with an elliptic key, issued by the first. Both are older than the test's
//! present, 2014-09-05.

use super::{Object, evaluated_on, object};
use expect_test::{Expect, expect};
use metaverse_schema::Value;
use std::fmt::Write as _;

const ANN: &str = include_str!("certificates/ann.pem");
const PRINTER: &str = include_str!("certificates/printer.pem");

fn der(pem: &str) -> Vec<u8> {
    use base64::Engine as _;
    let encoded: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    base64::engine::general_purpose::STANDARD.decode(encoded).unwrap()
}

pub(super) fn ann_der() -> Vec<u8> {
    der(ANN)
}

pub(super) fn with_certificates() -> Object {
    let mut object = object();
    let attributes = &mut object.attributes;
    attributes.add("ann", Value::Binary(der(ANN)));
    attributes.add("pem", Value::Binary(ANN.into()));
    attributes.add("text", Value::text(ANN.lines().filter(|line| !line.starts_with('-')).collect::<String>()));
    attributes.add("printer", Value::Binary(der(PRINTER)));
    attributes.add("cut", Value::Binary(der(ANN)[..300].to_vec()));
    attributes.add("longer", Value::Binary([der(ANN), vec![0]].concat()));
    for certificate in [ANN, PRINTER] {
        attributes.add("userCertificate", Value::Binary(der(certificate)));
    }
    object
}

fn check_certificates(table: &str, expect: Expect) {
    let object = with_certificates();
    let mut seen = String::new();
    for line in table.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let _ = writeln!(seen, "{line}\n=> {}", evaluated_on(&object, line));
    }
    expect.assert_eq(&seen);
}

#[test]
fn x74_what_stands_in_a_certificate() {
    check_certificates(
        r#"
        CertSubject([ann])
        CertIssuer([printer])
        CertSubject([printer])
        CertSubjectNameDN([ann]) = CertSubject([ann]) && CertIssuerDN([printer]) = CertIssuer([printer])
        CertSubjectNameOid([ann])
        CertSubjectNameOid([printer])
        CertIssuerOid([printer])
        CertThumbprint([ann])
        CertHashString([printer])
        CertSerialNumber([ann])
        CertSerialNumber([printer])
        CertVersion([ann])
        CertFormat([ann])
        CertFriendlyName([ann])
        CertExtensionOids([ann])
        CertExtensionOids([printer])
        CertKeyAlgorithm([ann])
        CertKeyAlgorithmParams([ann])
        CertPublicKeyOid([printer])
        CertPublicKeyParametersOid([printer])
        CertKeyAlgorithmParams([printer])
        CertSignatureAlgorithmOid([printer])
        FormatDateTime(CertNotBefore([ann]),"yyyy-MM-dd HH:mm:ss")
        FormatDateTime(CertNotAfter([ann]),"yyyy-MM-dd HH:mm:ss")
        CertNameInfo([ann],"SimpleName",False)
        CertNameInfo([ann],EmailName,False)
        CertNameInfo([ann],"UpnName",False)
        CertNameInfo([ann],"DnsName",False)
        CertNameInfo([ann],"DnsFromAlternativeName",False)
        CertNameInfo([ann],"UrlName",False)
        CertNameInfo([printer],"SimpleName",True)
        CertNameInfo([printer],"EmailName",True)
        CertNameInfo([printer],"DnsName",False)
        CertNameInfo([printer],"DnsFromAlternativeName",False)
        CertNameInfo([ann],"simplename",False)
        "#,
        expect![[r#"
            CertSubject([ann])
            => "E=ann@contoso.com, CN=Ann Smith, OU=Sales, O=\"Contoso, Ltd.\", S=Washington, C=US, DC=contoso, DC=com"
            CertIssuer([printer])
            => "E=ann@contoso.com, CN=Ann Smith, OU=Sales, O=\"Contoso, Ltd.\", S=Washington, C=US, DC=contoso, DC=com"
            CertSubject([printer])
            => "CN=Printer 7"
            CertSubjectNameDN([ann]) = CertSubject([ann]) && CertIssuerDN([printer]) = CertIssuer([printer])
            => True
            CertSubjectNameOid([ann])
            => "1.2.840.113549.1.9.1"
            CertSubjectNameOid([printer])
            => "2.5.4.3"
            CertIssuerOid([printer])
            => "1.2.840.113549.1.9.1"
            CertThumbprint([ann])
            => "E920AC7DCCECB7C42F7DB0B37E534D83E1B5BF43"
            CertHashString([printer])
            => "08376380D89C44BCA3F4F2C21DCE7FCFF85CBE33"
            CertSerialNumber([ann])
            => "00A1B2C3D4"
            CertSerialNumber([printer])
            => "07"
            CertVersion([ann])
            => "3"
            CertFormat([ann])
            => "X509"
            CertFriendlyName([ann])
            => Null
            CertExtensionOids([ann])
            => ["2.5.29.15", "2.5.29.19"]
            CertExtensionOids([printer])
            => Null
            CertKeyAlgorithm([ann])
            => "1.2.840.113549.1.1.1"
            CertKeyAlgorithmParams([ann])
            => "0500"
            CertPublicKeyOid([printer])
            => "1.2.840.10045.2.1"
            CertPublicKeyParametersOid([printer])
            => "1.2.840.10045.2.1"
            CertKeyAlgorithmParams([printer])
            => "06082A8648CE3D030107"
            CertSignatureAlgorithmOid([printer])
            => "1.2.840.113549.1.1.11"
            FormatDateTime(CertNotBefore([ann]),"yyyy-MM-dd HH:mm:ss")
            => "2013-01-01 00:00:00"
            FormatDateTime(CertNotAfter([ann]),"yyyy-MM-dd HH:mm:ss")
            => "2014-06-30 12:00:00"
            CertNameInfo([ann],"SimpleName",False)
            => "Ann Smith"
            CertNameInfo([ann],EmailName,False)
            => "ann.smith@contoso.com"
            CertNameInfo([ann],"UpnName",False)
            => "ann@upn.contoso.com"
            CertNameInfo([ann],"DnsName",False)
            => "ann.contoso.com"
            CertNameInfo([ann],"DnsFromAlternativeName",False)
            => "ann.contoso.com"
            CertNameInfo([ann],"UrlName",False)
            => "https://contoso.com/ann"
            CertNameInfo([printer],"SimpleName",True)
            => "Ann Smith"
            CertNameInfo([printer],"EmailName",True)
            => "ann@contoso.com"
            CertNameInfo([printer],"DnsName",False)
            => "Printer 7"
            CertNameInfo([printer],"DnsFromAlternativeName",False)
            => Null
            CertNameInfo([ann],"simplename",False)
            => !! expression-unknown-word `"simplename"` `simplename` is not one of the choices here (did you mean `SimpleName`?)
        "#]],
    );
}

#[test]
fn x74_forms_of_a_certificate_and_what_is_none() {
    check_certificates(
        r#"
        CertThumbprint([pem]) = CertThumbprint([ann]) && CertThumbprint([text]) = CertThumbprint([ann])
        IsCert([ann]) && IsCert([pem]) && IsCert([text]) && IsCert([userCertificate])
        IsCert([cut]) || IsCert([longer]) || IsCert([none]) || IsCert([sn]) || IsCert([objectGUID]) || IsCert(5)
        CertSubject([cut])
        CertNotAfter([sn]) > Now()
        CertSubject([none])
        CertSubject([userAccountControl])
        CertThumbprint([userCertificate])
        Count(Where($item,[userCertificate],CertNotAfter($item)>Now()))
        CertSubject(Item(Where($item,[userCertificate],CertNotAfter($item)>Now()),1))
        CertThumbprint(With($unExpiredCerts,Where($item,[userCertificate],CertNotAfter($item)>Now()),IIF(Count($unExpiredCerts)>0,$unExpiredCerts,NULL)))
        CertThumbprint(IIF (Count(Where($item,[userCertificate],CertNotAfter($item)>Now()))>0, Where($item,[userCertificate],CertNotAfter($item)>Now()),NULL))
        "#,
        expect![[r#"
            CertThumbprint([pem]) = CertThumbprint([ann]) && CertThumbprint([text]) = CertThumbprint([ann])
            => True
            IsCert([ann]) && IsCert([pem]) && IsCert([text]) && IsCert([userCertificate])
            => True
            IsCert([cut]) || IsCert([longer]) || IsCert([none]) || IsCert([sn]) || IsCert([objectGUID]) || IsCert(5)
            => False
            CertSubject([cut])
            => ! expression-conversion-failed: `CertSubject`: the value is no X.509 certificate; guard it with IsCert at `CertSubject([cut])`
            CertNotAfter([sn]) > Now()
            => ! expression-conversion-failed: `CertNotAfter`: the value is no X.509 certificate; guard it with IsCert at `CertNotAfter([sn])`
            CertSubject([none])
            => Null
            CertSubject([userAccountControl])
            => ! expression-type-mismatch: `CertSubject` takes a certificate, binary or as base64 as `certificate`, and this is a number at `CertSubject([userAccountControl])`
            CertThumbprint([userCertificate])
            => ["08376380D89C44BCA3F4F2C21DCE7FCFF85CBE33", "E920AC7DCCECB7C42F7DB0B37E534D83E1B5BF43"]
            Count(Where($item,[userCertificate],CertNotAfter($item)>Now()))
            => 1
            CertSubject(Item(Where($item,[userCertificate],CertNotAfter($item)>Now()),1))
            => "CN=Printer 7"
            CertThumbprint(With($unExpiredCerts,Where($item,[userCertificate],CertNotAfter($item)>Now()),IIF(Count($unExpiredCerts)>0,$unExpiredCerts,NULL)))
            => "08376380D89C44BCA3F4F2C21DCE7FCFF85CBE33"
            CertThumbprint(IIF (Count(Where($item,[userCertificate],CertNotAfter($item)>Now()))>0, Where($item,[userCertificate],CertNotAfter($item)>Now()),NULL))
            => "08376380D89C44BCA3F4F2C21DCE7FCFF85CBE33"
        "#]],
    );
}

#[test]
fn x75_bytes_and_thumbprints_of_key_writeback() {
    check_certificates(
        r#"
        Thumbprint([ann]) = CertThumbprint([ann])
        Thumbprint(CBin(97,1))
        CBin(258,2)
        CBin(-2,4)
        CBin(256,1)
        CBin(1,9)
        CBin([none],1)
        "#,
        expect![[r#"
            Thumbprint([ann]) = CertThumbprint([ann])
            => True
            Thumbprint(CBin(97,1))
            => "86F7E437FAA5A7FCE15D1DDCB9EAEAEA377667B8"
            CBin(258,2)
            => b64(AgE=)
            CBin(-2,4)
            => b64(/v///w==)
            CBin(256,1)
            => ! expression-invalid-argument: `CBin` cannot write 256 in 1 bytes at `CBin(256,1)`
            CBin(1,9)
            => ! expression-invalid-argument: `CBin` makes 1 to 8 bytes, not 9 at `CBin(1,9)`
            CBin([none],1)
            => Null
        "#]],
    );
}
