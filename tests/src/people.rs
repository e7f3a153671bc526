//! Made-up people as an LDIF export of an Active Directory, for scenarios that need many.

use base64::Engine as _;
use std::fmt::Write as _;

/// An LDIF of one container with these users; user `n` is `personN@contoso.example`.
pub fn ldif(numbers: impl IntoIterator<Item = usize>) -> String {
    let base64 = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
    let mut ldif = String::from("version: 1\n\n");
    let _ = writeln!(
        ldif,
        "dn: OU=People,DC=corp,DC=contoso,DC=example\nobjectClass: top\nobjectClass: organizationalUnit\nobjectGUID:: {}\nou: People\n",
        base64(&guid(0))
    );
    for number in numbers {
        let mut sid = vec![1, 5, 0, 0, 0, 0, 0, 5];
        for part in [21u32, 11, 22, 33, 1000 + u32::try_from(number).expect("a small number")] {
            sid.extend_from_slice(&part.to_le_bytes());
        }
        let _ = writeln!(
            ldif,
            "dn: CN=Person {number},OU=People,DC=corp,DC=contoso,DC=example\nobjectClass: top\nobjectClass: person\n\
             objectClass: organizationalPerson\nobjectClass: user\nobjectGUID:: {}\nobjectSid:: {}\ncn: Person {number}\n\
             displayName: Person {number}\nsAMAccountName: person{number}\nuserPrincipalName: person{number}@contoso.example\n\
             mail: person{number}@contoso.example\nproxyAddresses: SMTP:person{number}@contoso.example\nuserAccountControl: 512\n",
            base64(&guid(number)),
            base64(&sid),
        );
    }
    ldif
}

/// The `objectGUID` of a user.
pub fn guid(number: usize) -> [u8; 16] {
    let mut guid = [0x5a; 16];
    guid[8..].copy_from_slice(&(number as u64).to_be_bytes());
    guid
}

/// The immutable id that goes with it.
pub fn immutable_id(number: usize) -> String {
    base64::engine::general_purpose::STANDARD.encode(guid(number))
}
