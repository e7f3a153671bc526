//! Every example of the public function reference (learn.microsoft.com, "Microsoft Entra Connect Sync: Functions
//! Reference"), as it stands there, but for its known slips (X77): `Random` for RandomNum, and the sample of ReplaceChars
//! with `ö,o` for `ö:o`.

use super::{Object, evaluated_on, object};
use metaverse_schema::{Reference, Value};

/// Expression and outcome.
const EXAMPLES: [(&str, &str); 65] = [
    ("BitAnd(&HF, &HF7)", "7"),
    ("CBool([attrib1] = [attrib2])", "True"),
    ("CStr(CDate([employeeStartTime]) < CDate(\"2015-01-01\"))", "\"True\""),
    ("FormatDateTime(CDate(\"2013-01-10 4:00 PM -8\"),\"yyyy-MM-dd h:mm tt\")", "\"2013-01-11 12:00 AM\""),
    (
        "IIF(Contains([proxyAddresses],\"SMTP:\")>0,[proxyAddresses],Error(\"No primary SMTP address found.\"))",
        "[\"SMTP:john.doe@contoso.com\", \"smtp:jd@contoso.com\"]",
    ),
    ("ConvertFromBase64(\"SABlAGwAbABvACAAdwBvAHIAbABkACEA\")", "\"Hello world!\""),
    ("ConvertFromBase64(\"SGVsbG8gd29ybGQh\", UTF8)", "\"Hello world!\""),
    ("ConvertFromUTF8Hex(\"48656C6C6F20776F726C6421\")", "\"Hello world!\""),
    ("ConvertToBase64(\"Hello world!\")", "\"SABlAGwAbABvACAAdwBvAHIAbABkACEA\""),
    ("ConvertToUTF8Hex(\"Hello world!\")", "\"48656C6C6F20776F726C6421\""),
    (
        "CStr(CRef(\"CN=LC Services,CN=Microsoft,CN=lcspool01,CN=Pools,CN=RTC Service,\" & %Forest.LDAP%))",
        "\"CN=LC Services,CN=Microsoft,CN=lcspool01,CN=Pools,CN=RTC Service,DC=contoso,DC=com\"",
    ),
    ("CStr([dn])", "\"cn=Joe,ou=Atlanta,ou=GA,ou=US,dc=contoso,dc=com\""),
    ("FormatDateTime(DateAdd(\"m\", 3, CDate(\"2001-01-01\")),\"yyyy-MM-dd\")", "\"2001-04-01\""),
    ("FormatDateTime(DateFromNum([lastLogonTimestamp]),\"yyyy-MM-dd HH:mm:ss\")", "\"2012-01-01 23:00:00\""),
    ("FormatDateTime(DateFromNum(129699324000000000),\"yyyy-MM-dd HH:mm:ss\")", "\"2012-01-01 23:00:00\""),
    ("DNComponent(CRef([dn]),1)", "\"Joe\""),
    ("DNComponentRev(CRef([dn]),3)", "\"US\""),
    ("DNComponentRev(CRef([dn]),1,\"DC\")", "\"US\""),
    (
        "IIF(IsPresent([accountName]),[accountName],Error(\"AccountName is required\"))",
        "! sync-rule-error-function-triggered: AccountName is required at `Error(\"AccountName is required\")`",
    ),
    ("EscapeDNComponent(\"cn=\" & [displayName]) & \",\" & %Forest.LDAP%", "\"cn=Doe\\\\, John,DC=contoso,DC=com\""),
    ("FormatDateTime(CDate(\"12/25/2007\"),\"yyyy-MM-dd\")", "\"2007-12-25\""),
    ("FormatDateTime(DateFromNum([pwdLastSet]),\"yyyyMMddHHmmss.0Z\")", "\"20140905081453.0Z\""),
    ("Len(Guid())", "36"),
    ("IIF([employeeType]=\"Intern\",\"t-\" & [alias],[alias])", "\"t-jdoe\""),
    ("InStr(\"The quick brown fox\",\"quick\")", "5"),
    ("InStr(\"repEated\",\"e\",3,vbBinaryCompare)", "7"),
    ("InStrRev(\"abbcdbbbef\",\"bb\")", "7"),
    ("IsBitSet(&HF,4)", "True"),
    ("IIF(IsGuid([strAttribute]),CGuid([strAttribute]),NULL)", "b64(EREAAKqqIiK7uzMzzMxERA==)"),
    ("IsNull([none])", "True"),
    ("IsNullOrEmpty([displayName])", "False"),
    (
        "Switch(IsPresent([directManager]),[directManager], IsPresent([skiplevelManager]),[skiplevelManager], IsPresent([director]),[director])",
        "\"Boss\"",
    ),
    ("Mid(Item([proxyAddresses],Contains([proxyAddresses], \"SMTP:\")),6)", "\"john.doe@contoso.com\""),
    ("Join([proxyAddresses],\",\")", "\"SMTP:john.doe@contoso.com,smtp:jd@contoso.com\""),
    ("LCase(\"TeSt\")", "\"test\""),
    ("Left(\"John Doe\", 3)", "\"Joh\""),
    ("Len(\"John Doe\")", "8"),
    ("LTrim(\" Test \")", "\"Test \""),
    ("Mid(\"John Doe\", 3, 5)", "\"hn Do\""),
    ("Mid(\"John Doe\", 6, 999)", "\"Doe\""),
    ("NumFromDate(CDate(\"2012-01-01 23:00:00\"))", "129699324000000000"),
    ("PadLeft(\"User\", 10, \"0\")", "\"000000User\""),
    ("PadRight(\"User\", 10, \"0\")", "\"User000000\""),
    ("PCase(\"TEsT\")", "\"Test\""),
    ("PCase(LCase(\"TEST\"))", "\"Test\""),
    ("RandomNum(100,999) >= 100 && RandomNum(100,999) <= 999", "True"),
    ("RemoveDuplicates([proxyAddresses])", "[\"SMTP:john.doe@contoso.com\", \"smtp:jd@contoso.com\"]"),
    ("Replace([address],\"\\r\\n\",\", \")", "\"One Microsoft Way, Redmond, WA, USA\""),
    ("ReplaceChars(\"Räksmörgås\",%ReplaceString%)", "\"Raksmorgas\""),
    ("ReplaceChars(\"O’Neil\",%ReplaceString%)", "\"ONeil\""),
    ("Right(\"John Doe\", 3)", "\"Doe\""),
    ("RTrim(\" Test \")", "\" Test\""),
    ("Select($item,[otherPhone],Replace($item,\"-\",\"\"))", "[\"12\", \"34\", \"5\"]"),
    (
        "Split(\"SMTP:john.doe@contoso.com,smtp:jd@contoso.com\",\",\")",
        "[\"SMTP:john.doe@contoso.com\", \"smtp:jd@contoso.com\"]",
    ),
    (
        "Switch([city] = \"London\", \"English\", [city] = \"Rome\", \"Italian\", [city] = \"Paris\", \"French\", True, Error(\"Unknown city\"))",
        "\"Italian\"",
    ),
    ("Trim(\" Test \")", "\"Test\""),
    ("Trim([proxyAddresses])", "[\"SMTP:john.doe@contoso.com\", \"smtp:jd@contoso.com\"]"),
    ("UCase(\"TeSt\")", "\"TEST\""),
    ("Word(\"The quick brown fox\",3,\" \")", "\"brown\""),
    ("Word(\"This,string!has&many separators\",3,\",!&#\")", "\"has\""),
    // Those of the page on expressions.
    ("Word([proxyAddresses],1,\"@\") & \"@contoso.com\"", "[\"SMTP:john.doe@contoso.com\", \"smtp:jd@contoso.com\"]"),
    ("IIF(InStr([proxyAddresses],\"smtp:\")=1,NULL,[proxyAddresses])", "\"SMTP:john.doe@contoso.com\""),
    ("2*(5+3)", "16"),
    ("2*5+3", "13"),
    (
        "With($unExpiredCerts,Where($item,[userCertificate],CertNotAfter($item)>Now()),IIF(Count($unExpiredCerts)>0,$unExpiredCerts,NULL))",
        "Null",
    ),
];

fn john() -> Object {
    let mut object = object();
    let attributes = &mut object.attributes;
    for (name, value) in [
        ("attrib1", "a"),
        ("attrib2", "a"),
        ("employeeStartTime", "2014-09-01 08:00"),
        ("displayName", "Doe, John"),
        ("employeeType", "Intern"),
        ("alias", "jdoe"),
        ("strAttribute", "{00001111-aaaa-2222-bbbb-3333cccc4444}"),
        ("skiplevelManager", "Boss"),
        ("director", "Director"),
        ("address", "One Microsoft Way\r\nRedmond\r\nWA\r\nUSA"),
        ("city", "Rome"),
    ] {
        attributes.set(name, Value::text(value));
    }
    let addresses = ["SMTP:john.doe@contoso.com", "smtp:jd@contoso.com"].map(Value::text);
    attributes.set("proxyAddresses", addresses.into_iter().collect::<metaverse_schema::Values>());
    attributes.set("lastLogonTimestamp", Value::Integer(129_699_324_000_000_000));
    attributes.set("pwdLastSet", Value::Integer(130_543_784_930_000_000));
    let dn = "cn=Joe,ou=Atlanta,ou=GA,ou=US,dc=contoso,dc=com".parse().unwrap();
    attributes.set("dn", Value::Reference(Reference::Dn(dn)));
    object
}

#[test]
fn every_example_of_the_public_reference() {
    let object = john();
    let wrong: Vec<String> = EXAMPLES
        .iter()
        .filter_map(|(text, wanted)| {
            let seen = evaluated_on(&object, text);
            (seen != *wanted).then(|| format!("{text}\n=> {seen}\nnot {wanted}\n"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.concat());
}

/// The functions that the reference lists, each of which an expression may call.
#[test]
fn every_function_of_the_public_reference_exists() {
    let listed = "CertExtensionOids CertFormat CertFriendlyName CertHashString CertIssuer CertIssuerDN CertIssuerOid \
        CertKeyAlgorithm CertKeyAlgorithmParams CertNameInfo CertNotAfter CertNotBefore CertPublicKeyOid \
        CertPublicKeyParametersOid CertSerialNumber CertSignatureAlgorithmOid CertSubject CertSubjectNameDN \
        CertSubjectNameOid CertThumbprint CertVersion IsCert CBool CDate CGuid ConvertFromBase64 ConvertToBase64 \
        ConvertFromUTF8Hex ConvertToUTF8Hex CNum CRef CStr StringFromGuid StringFromSid DateAdd DateFromNum \
        FormatDateTime Now NumFromDate DNComponent DNComponentRev EscapeDNComponent IsBitSet IsDate IsEmpty IsGuid \
        IsNull IsNullOrEmpty IsNumeric IsPresent IsString BitAnd BitOr RandomNum Contains Count Item ItemOrNull Join \
        RemoveDuplicates Split Error IIF Select Switch Where With Guid InStr InStrRev LCase Left Len LTrim Mid PadLeft \
        PadRight PCase Replace ReplaceChars Right RTrim Trim UCase Word";
    // Those of the shipped rules that the reference leaves out (X34, X73, X75).
    let others = "ValueCount ImportedValue CBin Thumbprint";
    for name in listed.split_whitespace().chain(others.split_whitespace()) {
        assert!(crate::expression::functions::find(name).is_some(), "{name}");
    }
}
