//! Data for benchmarks: objects that look like a directory's, computed from their number alone, so that a million need
//! no memory. Measures nothing itself.

use metaverse_schema::{Anchor, Attributes, Guid, Value, Values};

/// The anchor of user `number`.
pub fn anchor(number: u64) -> Anchor {
    let mut bytes = [0x5a; 16];
    // Spread like real GUIDs: a sorted key would flatter every index.
    bytes[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
    bytes[8..].copy_from_slice(&number.to_be_bytes());
    Anchor::Guid(Guid::from_directory_bytes(bytes))
}

/// The selected attributes of user `number`: about 1 KB in 20 attributes, some with non-ASCII names.
pub fn user(number: u64) -> Attributes {
    let name = match number % 20 {
        0 => format!("Łucja Größe {number}"),
        1 => format!("O'Neil, Jack {number}"),
        _ => format!("Person {number}"),
    };
    let mail = format!("person{number}@contoso.example");
    let mut user = Attributes::new();
    for (attribute, value) in [
        ("cn", name.clone()),
        ("displayName", name.clone()),
        ("givenName", format!("Person{number}")),
        ("sn", "Example".to_owned()),
        ("mail", mail.clone()),
        ("userPrincipalName", mail.clone()),
        ("sAMAccountName", format!("p{number}")),
        ("department", format!("Department {}", number % 97)),
        ("title", "Engineer".to_owned()),
        ("company", "Contoso Example".to_owned()),
        ("telephoneNumber", format!("+49 40 {number:08}")),
        ("streetAddress", format!("Hafenstrasse {}", number % 200)),
        ("l", "Hamburg".to_owned()),
        ("postalCode", "20359".to_owned()),
        ("c", "DE".to_owned()),
        ("physicalDeliveryOfficeName", format!("Room {}", number % 500)),
    ] {
        user.set(attribute, Value::Text(value));
    }
    user.set("userAccountControl", Value::Integer(if number.is_multiple_of(33) { 514 } else { 512 }));
    let proxies: Values = (0..2 + number % 4)
        .map(|n| if n == 0 { format!("SMTP:{mail}") } else { format!("smtp:alias{n}.{mail}") })
        .map(Value::Text)
        .collect();
    user.set("proxyAddresses", proxies);
    user
}

/// The distinguished name of user `number`, in a tree of a hundred organizational units.
pub fn dn(number: u64) -> String {
    format!("CN=Person {number},OU=Team {},OU=Area {},DC=corp,DC=contoso,DC=example", number / 10 % 10, number % 10)
}
