//! Prints: by which a full import knows an entry again without taking its values apart (contract: `Print`). A print covers
//! what an item is made of and nothing else, in the order of the answer: the same entry in another order is only looked at.

use crate::entry::{Entry, RawAttribute, leading_guid};
use crate::object::Reading;
use crate::schema::Attributes;
use connector_contract::Print;
use metaverse_schema::{Guid, ObjectType, ValueKind};
use sha2::{Digest, Sha256};

/// What the text under the hash says begins with it: to be raised when entries are understood in another way.
const VERSION: u8 = 2;

/// Begins an attribute that is written value by value. One that stands as it came begins with its tag, a SEQUENCE.
const BY_VALUE: u8 = 0;

/// The print of an entry as an item of this type. Objects that it names count by their identity: a rename of one of them, or of
/// a container above, is no change of this one. Where a container is told by name alone, the whole name counts.
pub(crate) fn print(
    entry: &Entry,
    guid: Guid,
    object_type: &ObjectType,
    attributes: &Attributes,
    reading: Reading,
) -> Print {
    let mut text = Text(Vec::with_capacity(2048));
    text.0.push(VERSION);
    text.0.push(match reading {
        Reading::Incremental => 1,
        Reading::Plain => 2,
    });
    text.0.extend_from_slice(attributes.fingerprint());
    text.0.extend_from_slice(guid.as_directory_bytes());
    text.piece(object_type.as_str().as_bytes());
    match entry.first_guid("parentGUID") {
        Some(_) => text.piece(own_name(&entry.dn).as_bytes()),
        None => text.piece(entry.dn.as_bytes()),
    }
    for attribute in entry.attributes() {
        // As it came it says everything, its lengths included, and need not be written anew. But where it names objects, it says
        // how they are called now.
        match attribute.whole.is_empty() || names_objects(attribute, attributes) {
            true => text.by_value(attribute, attributes),
            false => text.0.extend_from_slice(attribute.whole),
        }
    }
    let hash = Sha256::digest(&text.0);
    let mut print = [0; 16];
    print.iter_mut().zip(hash).for_each(|(byte, of_hash)| *byte = of_hash);
    Print(print)
}

/// Whether a value is the name of an object that carries its identity: of other attributes nobody need know the kind.
fn names_objects(attribute: RawAttribute<'_>, attributes: &Attributes) -> bool {
    let mut values = attribute.values;
    values.any(|value| value.starts_with(b"<GUID=")) && is_reference(attribute, attributes)
}

fn is_reference(attribute: RawAttribute<'_>, attributes: &Attributes) -> bool {
    attributes.find(attribute.name()).is_some_and(|known| known.kind == ValueKind::Reference)
}

/// What is hashed: pieces of different lengths, each after its length, so that no two entries run together.
struct Text(Vec<u8>);

impl Text {
    fn piece(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        self.0.extend_from_slice(bytes);
    }

    fn by_value(&mut self, attribute: RawAttribute<'_>, attributes: &Attributes) {
        self.0.push(BY_VALUE);
        self.piece(attribute.name().as_bytes());
        match attribute.range {
            None => self.0.push(b'-'),
            Some((from, to)) => {
                self.0.push(b'r');
                self.0.extend_from_slice(&from.to_le_bytes());
                self.0.extend_from_slice(&to.map_or(u64::MAX, u64::from).to_le_bytes());
            }
        }
        let is_reference = is_reference(attribute, attributes);
        self.0.extend_from_slice(&(attribute.values.len() as u64).to_le_bytes());
        for value in attribute.values {
            match leading_guid(value).filter(|_| is_reference) {
                Some(target) => {
                    self.0.push(b'g');
                    self.0.extend_from_slice(target.as_directory_bytes());
                }
                None => {
                    self.0.push(b'v');
                    self.piece(value);
                }
            }
        }
    }
}

/// The first RDN of a name, as it is written.
fn own_name(dn: &str) -> &str {
    let (mut is_escaped, mut is_quoted) = (false, false);
    for (at, byte) in dn.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            b',' | b';' if !is_quoted => return dn.get(..at).unwrap_or(dn),
            _ => {}
        }
    }
    dn
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain_controller::tests::guid;
    use crate::object::whole;
    use connector_contract::ImportItem;

    const DN: &str = "CN=Smith\\, Zoë,OU=People,DC=x";
    const MANAGER: &[u8] = b"<GUID=0a0a0a0a-0a0a-0a0a-0a0a-0a0a0a0a0a0a>;<SID=S-1-5-7>;CN=m,OU=People,DC=x";

    fn entry(dn: &str, manager: &[u8]) -> Entry {
        Entry::named(dn)
            .of(guid(1))
            .with("objectClass", None, &[b"top", b"user"])
            .with("parentGUID", None, &[guid(9).as_directory_bytes()])
            .with("mail", None, &[b"z@x"])
            .with("manager", Some((1, Some(1))), &[manager])
    }

    fn known() -> Attributes {
        Attributes::built_in(&["objectGUID", "cn", "mail", "manager", "proxyAddresses"])
    }

    fn printed(entry: &Entry, attributes: &Attributes) -> (Print, ImportItem) {
        let user = "user".into();
        let mut item = whole(entry, &user, attributes, Reading::Incremental);
        let print = print(entry, guid(1), &user, attributes, Reading::Incremental);
        if let ImportItem::Object(object) = &mut item {
            assert_eq!(object.print.take(), Some(print), "an item carries the print of its entry");
            // The print speaks of the container by its identity.
            object.place.as_mut().unwrap().dn = own_name(&entry.dn).parse().unwrap();
        }
        (print, item)
    }

    /// What is the same item has the same print: containers and objects that are named may be called something else by now.
    #[test]
    fn names_of_others_do_not_count() {
        let before = printed(&entry(DN, MANAGER), &known());
        let renamed = b"<GUID=0a0a0a0a-0a0a-0a0a-0a0a-0a0a0a0a0a0a>;<SID=S-1-5-7>;CN=m,OU=Staff,DC=x";
        assert_eq!(printed(&entry("CN=Smith\\, Zoë,OU=Staff,DC=x", renamed), &known()), before);
    }

    /// Whatever makes another item, or another object, makes another print.
    #[test]
    fn whatever_counts_in_an_item_counts_in_its_print() {
        let before = entry(DN, MANAGER);
        let (print_before, _) = printed(&before, &known());
        let others = [
            entry("CN=Smith,OU=People,DC=x", MANAGER),
            entry(DN, b"<GUID=0b0b0b0b-0b0b-0b0b-0b0b-0b0b0b0b0b0b>;<SID=S-1-5-7>;CN=m,OU=People,DC=x"),
            entry(DN, b"CN=m,OU=People,DC=x"),
            entry(DN, MANAGER).with("proxyAddresses", None, &[b"smtp:z@x"]),
            entry(DN, MANAGER).with("proxyAddresses", None, &[]),
            entry(DN, MANAGER).without(&["mail"]).with("mail", None, &[b"Z@x"]),
            entry(DN, MANAGER).without(&["parentGUID"]).with("parentGUID", None, &[guid(8).as_directory_bytes()]),
            entry(DN, MANAGER).without(&["manager"]).with("manager", Some((0, Some(0))), &[MANAGER]),
        ];
        let mut prints = vec![print_before];
        for other in &others {
            let (print, _) = printed(other, &known());
            assert!(!prints.contains(&print), "{other:?}");
            prints.push(print);
        }
        let user = "user".into();
        let of = |attributes: &Attributes, object_type: &ObjectType, reading, number| {
            print(&before, guid(number), object_type, attributes, reading)
        };
        for print in [
            of(&known(), &"inetOrgPerson".into(), Reading::Incremental, 1),
            of(&known(), &user, Reading::Plain, 1),
            of(&known(), &user, Reading::Incremental, 2),
            of(
                &Attributes::built_in(&["objectGUID", "cn", "manager", "proxyAddresses"]),
                &user,
                Reading::Incremental,
                1,
            ),
        ] {
            assert!(!prints.contains(&print));
            prints.push(print);
        }
    }

    /// Values that were asked for after the entry came stand in no bytes of it, and count all the same.
    #[test]
    fn what_was_asked_for_afterwards_counts() {
        let user = "user".into();
        let of = |rest: &[&[u8]]| {
            let mut entry = entry(DN, MANAGER).with("proxyAddresses", Some((0, Some(0))), &[b"smtp:a@x"]);
            let slice = entry.attributes().count() - 1;
            let rest: Vec<Vec<u8>> = rest.iter().map(|value| value.to_vec()).collect();
            entry.complete(slice, &rest).unwrap();
            print(&entry, guid(1), &user, &known(), Reading::Plain)
        };
        let prints = [of(&[]), of(&[b"smtp:b@x"]), of(&[b"smtp:c@x"]), of(&[b"smtp:b@", b"x"])];
        assert_eq!(of(&[b"smtp:b@x"]), prints[1]);
        for (at, print) in prints.iter().enumerate() {
            assert!(!prints[..at].contains(print), "{at}");
        }
    }

    #[test]
    fn the_own_name_ends_where_the_container_begins() {
        assert_eq!(own_name(DN), "CN=Smith\\, Zoë");
        assert_eq!(own_name("CN=\"a,b\",DC=x"), "CN=\"a,b\"");
        assert_eq!(own_name("CN=a\\\\,DC=x"), "CN=a\\\\");
        assert_eq!(own_name("DC=x"), "DC=x");
    }
}
