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

/// What the rules of key write-back do with `msDS-KeyCredentialLink` (MS-ADTS 2.2.20): behind the version and the entry of
/// the key's id they put the entry of the key's hash, which is that of all that follows.
#[test]
fn x75_bytes_and_thumbprints_of_key_writeback() {
    use sha2::{Digest as _, Sha256};
    let mut object = object();
    let version_and_id = [0, 2, 0, 0, 3, 0, 1, 0xaa, 0xbb, 0xcc];
    let rest = [4, 0, 3, 1, 2, 3, 4];
    object.attributes.add("key", Value::Binary([version_and_id.as_slice(), &rest].concat()));
    let text = r#"With($id,7+CNum(Mid([key],5,2)),With($rest,Mid([key],$id+1,Len([key])),
        IIF(CNum(Mid([key],1,1))=0,Left([key],$id) & CBin(Len(Thumbprint($rest)),2) & CBin(2,1) & Thumbprint($rest) & $rest,NULL)))"#;
    let wanted = [version_and_id.as_slice(), &[32, 0, 2], &Sha256::digest(rest), &rest].concat();
    assert_eq!(evaluated_on(&object, text), format!("{:?}", Value::Binary(wanted)));
    check_certificates(
        r#"
        CBin(258,2)
        CBin(-2,4)
        CBin(256,1)
        CBin(1,9)
        CBin([none],1)
        CNum(CBin(258,2))
        CNum(CBin(258,8)) + CNum(CBin(255,1) & CBin(0,1))
        CNum(CBin(-1,8))
        CNum([objectGUID])
        IsNumeric(CBin(1,4)) && IsNumeric([objectGUID]) = False
        Left(CBin(258,2),1)
        Left(CBin(258,2),-1)
        Right(CBin(258,2),1)
        Right(CBin(258,2),9)
        Mid(CBin(258,2),2)
        Mid(CBin(258,2),3,1)
        Len(Mid(CBin(258,2),1,0))
        Mid(CBin(258,2),1,0)
        CBin(1,1) & [none]
        [none] & CBin(1,1)
        CBin(1,1) & "x"
        [objectGUID] & [sn]
        "x" & CBin(1,1)
        Thumbprint([none])
        Thumbprint("x")
        "#,
        expect![[r#"
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
            CNum(CBin(258,2))
            => 258
            CNum(CBin(258,8)) + CNum(CBin(255,1) & CBin(0,1))
            => 513
            CNum(CBin(-1,8))
            => ! expression-conversion-failed: `CNum`: 8 bytes are not a number of at most 64 bits at `CNum(CBin(-1,8))`
            CNum([objectGUID])
            => ! expression-conversion-failed: `CNum`: 16 bytes are not a number of at most 64 bits at `CNum([objectGUID])`
            IsNumeric(CBin(1,4)) && IsNumeric([objectGUID]) = False
            => True
            Left(CBin(258,2),1)
            => b64(Ag==)
            Left(CBin(258,2),-1)
            => b64(AgE=)
            Right(CBin(258,2),1)
            => b64(AQ==)
            Right(CBin(258,2),9)
            => b64(AgE=)
            Mid(CBin(258,2),2)
            => b64(AQ==)
            Mid(CBin(258,2),3,1)
            => b64(AgE=)
            Len(Mid(CBin(258,2),1,0))
            => 0
            Mid(CBin(258,2),1,0)
            => Null
            CBin(1,1) & [none]
            => b64(AQ==)
            [none] & CBin(1,1)
            => b64(AQ==)
            CBin(1,1) & "x"
            => !! expression-type-mismatch `CBin(1,1) & "x"` a binary value and a text are never joined (convert one side: ConvertToBase64, StringFromGuid or StringFromSid)
            [objectGUID] & [sn]
            => ! expression-type-mismatch: `&` takes binary values, and this is a text at `[objectGUID] & [sn]`
            "x" & CBin(1,1)
            => !! expression-type-mismatch `"x" & CBin(1,1)` a text and a binary value are never joined (convert one side: ConvertToBase64, StringFromGuid or StringFromSid)
            Thumbprint([none])
            => Null
            Thumbprint("x")
            => !! expression-type-mismatch `"x"` `Thumbprint` takes as `value` a binary value, and this is a text (there is no conversion without a function)
        "#]],
    );
}
