//! What measurements are made with: objects that look like a directory's, computed from their number alone, so that a
//! million need no memory (`world`); a server that serves them and a reader with nothing around it; the driver of the scenarios (`driver`).

pub mod arguments;
pub mod bare_client;
pub mod deciding;
pub mod driver;
pub mod load_server;
pub mod world;

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

/// User `number` as a directory with Exchange keeps one: 60 attributes.
pub fn mail_user(number: u64) -> Attributes {
    let mut user = user(number);
    let guid = |seed: u64| {
        let mut bytes = [0x3c; 16];
        bytes[..8].copy_from_slice(&number.wrapping_mul(0xd134_2543_de82_ef95).wrapping_add(seed).to_le_bytes());
        Value::Binary(bytes.to_vec())
    };
    let mut sid = vec![1, 5, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0];
    sid.extend([7; 12]);
    sid.extend(u32::try_from(number % 1_000_000).unwrap_or(0).to_le_bytes());
    for (attribute, value) in [
        ("objectGUID", guid(1)),
        ("mS-DS-ConsistencyGuid", guid(1)),
        ("msExchMailboxGuid", guid(2)),
        ("objectSid", Value::Binary(sid)),
        ("pwdLastSet", Value::Integer(133_500_000_000_000_000 + number.cast_signed())),
        ("whenChanged", Value::text("20260301120000.0Z")),
        ("msExchRecipientTypeDetails", Value::Integer(1)),
        ("msExchRecipientDisplayType", Value::Integer(1_073_741_824)),
        ("msExchRemoteRecipientType", Value::Integer(4)),
        ("msExchHideFromAddressLists", Value::Boolean(false)),
        ("msExchRequireAuthToSendTo", Value::Boolean(false)),
        ("msExchBypassAudit", Value::Boolean(false)),
        ("msExchMailboxAuditEnable", Value::Boolean(true)),
        ("msExchELCMailboxFlags", Value::Integer(2)),
        ("msExchArchiveStatus", Value::Integer(0)),
        ("countryCode", Value::Integer(276)),
    ] {
        user.set(attribute, value);
    }
    for (attribute, text) in [
        ("mailNickname", format!("person{number}")),
        ("targetAddress", format!("SMTP:person{number}@contoso.mail.example")),
        ("legacyExchangeDN", format!("/o=Contoso/ou=Exchange/cn=Recipients/cn=person{number}")),
        ("initials", "P.".to_owned()),
        ("co", "Germany".to_owned()),
        ("st", "HH".to_owned()),
        ("employeeID", format!("E{number:07}")),
        ("employeeType", "permanent".to_owned()),
        ("preferredLanguage", "de-DE".to_owned()),
        ("mobile", format!("+49 170 {number:07}")),
        ("facsimileTelephoneNumber", format!("+49 40 9{number:07}")),
        ("homePhone", format!("+49 40 8{number:07}")),
        ("pager", format!("{number}")),
        ("ipPhone", format!("{}", 4000 + number % 1000)),
        ("wWWHomePage", format!("https://people.contoso.example/{number}")),
        ("info", "Likes long walks along the harbour.".to_owned()),
        ("description", "Imported from the personnel system".to_owned()),
        ("msDS-PhoneticDisplayName", format!("Person {number}")),
        ("msExchAssistantName", "Somebody Else".to_owned()),
        ("msExchUsageLocation", "DE".to_owned()),
        ("postOfficeBox", format!("PO {number}")),
    ] {
        user.set(attribute, Value::Text(text));
    }
    for slot in 1..=5 {
        user.set(format!("extensionAttribute{slot}").as_str(), Value::Text(format!("value {slot} of {number}")));
    }
    user
}

#[cfg(test)]
mod tests {
    use super::{deciding, mail_user};

    /// What `benches/decide-a-user` measures is what its name says.
    #[test]
    fn the_measured_user_has_sixty_attributes_and_is_projected_and_provisioned() {
        assert_eq!(mail_user(7).len(), 60);
        let run = deciding::run(deciding::shipped());
        let plan = deciding::created(7, &run).decide(&run);
        assert!(plan.error.is_none() && plan.targets.iter().any(|target| target.pending.is_some()), "{plan:#?}");
        let update = deciding::changed(7, &run).decide(&run);
        let sent: Vec<_> = update.targets.iter().filter_map(|target| target.pending.as_ref()).collect();
        assert_eq!(sent.len(), 1, "{update:#?}");
    }
}
