//! From a raw entry to an import item: the object's type by its most specific class, its place, its values, and what a
//! change entry says of each attribute. Does no I/O and does not know whether the object is in scope.

use crate::decode;
use crate::entry::{Entry, RawAttribute};
use crate::print::print;
use crate::schema::{Attribute, Attributes};
use connector_contract::{ImportItem, ImportedChange, ImportedObject, ObjectIssue, Place, Print};
use metaverse_schema::{
    Anchor, AttributeChange, Attributes as Image, AttributesDelta, Dn, Guid, ObjectType, Plurality, Value, Values,
};

/// Classes that are something of their own although their superior class may be selected: a computer, and the managed
/// service accounts derived from it, are users by inheritance only (SF20).
const OF_THEIR_OWN: &[&str] = &[
    "computer",
    "msDS-GroupManagedServiceAccount",
    "msDS-ManagedServiceAccount",
    "msDS-DelegatedManagedServiceAccount",
    "inetOrgPerson",
    "user",
    "group",
    "contact",
    "foreignSecurityPrincipal",
];

/// Classes of containers, with the type under which the engine knows them.
const CONTAINERS: &[(&str, &str)] = &[
    ("organizationalUnit", "organizationalUnit"),
    ("builtinDomain", "builtinDomain"),
    ("container", "container"),
    ("domainDNS", "domainDNS"),
    ("domain", "domainDNS"),
    ("lostAndFound", "container"),
    ("organization", "container"),
    ("locality", "container"),
    ("country", "container"),
    ("msExchSystemObjectsContainer", "container"),
];

/// `sAMAccountType` of a trust account (SAM_TRUST_ACCOUNT): of class user, and never one (SF20).
const TRUST_ACCOUNT: &[u8] = b"805306370";

/// What an object is to this connector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    Selected(ObjectType),
    Container(ObjectType),
    /// Of a class that is not imported.
    Other,
}

/// By the most specific class that is known or selected. `classes` stand as servers return them, the most specific last;
/// a class of the customer's own counts as what it is derived from.
pub(crate) fn kind(classes: &[&str], account_type: Option<&[u8]>, selected: &[String]) -> Kind {
    if account_type == Some(TRUST_ACCOUNT) {
        return Kind::Other;
    }
    for class in classes.iter().rev() {
        if let Some(selected) = selected.iter().find(|selected| selected.eq_ignore_ascii_case(class)) {
            return Kind::Selected(ObjectType::new(selected));
        }
        if let Some((_, name)) = CONTAINERS.iter().find(|(name, _)| name.eq_ignore_ascii_case(class)) {
            return Kind::Container(ObjectType::new(name));
        }
        if OF_THEIR_OWN.iter().any(|known| known.eq_ignore_ascii_case(class)) {
            return Kind::Other;
        }
    }
    Kind::Other
}

/// The filter for everything a step may have to know: selected classes and containers.
pub(crate) fn class_filter(selected: &[String]) -> String {
    let mut terms: String = selected
        .iter()
        .filter(|class| !class.eq_ignore_ascii_case("inetOrgPerson") || !selects_user(selected))
        .map(|class| format!("(objectClass={class})"))
        .collect();
    terms.push_str(crate::containers::CONTAINER_FILTER);
    // Computers are users by inheritance: hundreds of thousands of entries that nobody asked for.
    let wants_machines = selected
        .iter()
        .any(|class| class.eq_ignore_ascii_case("computer") || class.to_ascii_lowercase().starts_with("msds-"));
    if wants_machines { format!("(|{terms})") } else { format!("(&(!(objectClass=computer))(|{terms}))") }
}

fn selects_user(selected: &[String]) -> bool {
    selected.iter().any(|class| class.eq_ignore_ascii_case("user"))
}

/// How entries are to be read: what `range=1-1` means depends on the control that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// Linked values come as added (1-1) and removed (0-0).
    Incremental,
    Plain,
}

/// DirSync's marks on a linked attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Whole,
    Added,
    Removed,
}

fn mark(raw: RawAttribute<'_>, reading: Reading) -> Mark {
    match (reading, raw.range) {
        (Reading::Incremental, Some((1, Some(1)))) => Mark::Added,
        (Reading::Incremental, Some((0, Some(0)))) => Mark::Removed,
        _ => Mark::Whole,
    }
}

/// The entry's identity; every entry of every view has one.
pub(crate) fn identity(entry: &Entry) -> Result<Guid, ObjectIssue> {
    entry.object_guid().ok_or_else(|| ObjectIssue {
        code: "missing-anchor-component",
        object: entry.dn.clone(),
        anchor: None,
        message: "the domain controller returned it without objectGUID".to_owned(),
    })
}

pub(crate) fn dn(entry: &Entry, guid: Guid) -> Result<Dn, ObjectIssue> {
    entry.dn.parse().map_err(|error| ObjectIssue {
        code: "invalid-dn",
        object: entry.dn.clone(),
        anchor: Some(Anchor::Guid(guid)),
        message: format!("{error}"),
    })
}

fn place(entry: &Entry, dn: Dn) -> Place {
    Place { dn, parent: entry.first_guid("parentGUID").map(Anchor::Guid) }
}

/// The whole object as an import item: unreadable values make it unreadable, so that nothing is taken for absent.
pub(crate) fn whole(entry: &Entry, object_type: &ObjectType, attributes: &Attributes, reading: Reading) -> ImportItem {
    let known = identity(entry).map(|guid| (guid, print(entry, guid, object_type, attributes, reading)));
    known.map_or_else(ImportItem::Unreadable, |(guid, print)| {
        whole_as(entry, guid, print, object_type, attributes, reading)
    })
}

/// The same of an entry whose identity and print are known already.
pub(crate) fn whole_as(
    entry: &Entry,
    guid: Guid,
    print: Print,
    object_type: &ObjectType,
    attributes: &Attributes,
    reading: Reading,
) -> ImportItem {
    match image(entry, guid, object_type, attributes, reading) {
        Ok(object) => ImportItem::Object(ImportedObject { print: Some(print), ..object }),
        Err(issue) => ImportItem::Unreadable(issue),
    }
}

fn image(
    entry: &Entry,
    guid: Guid,
    object_type: &ObjectType,
    attributes: &Attributes,
    reading: Reading,
) -> Result<ImportedObject, ObjectIssue> {
    let dn = dn(entry, guid)?;
    let mut image = Image::new();
    for raw in entry.attributes() {
        if mark(raw, reading) == Mark::Removed {
            continue;
        }
        if let Some(attribute) = attributes.find(raw.name()) {
            let values = decode_all(entry, guid, attribute, raw)?;
            if !values.is_empty() {
                image.set(attribute.name.clone(), values);
            }
        }
    }
    if let Some(attribute) = attributes.find("objectGUID") {
        let bytes = guid.as_directory_bytes().to_vec();
        image.set(attribute.name.clone(), Value::Binary(bytes));
    }
    if let Some((attribute, name)) = own_name(entry, &dn, attributes)
        && image.get(attribute.name.as_str()).is_none()
    {
        image.set(attribute.name.clone(), name);
    }
    Ok(ImportedObject {
        anchor: Anchor::Guid(guid),
        object_type: object_type.clone(),
        place: Some(place(entry, dn)),
        attributes: image,
        print: None,
    })
}

/// The naming attribute, where it is imported. DirSync never returns it: its value is that of `name` (ad-protocols 1.4).
fn own_name<'a>(entry: &Entry, dn: &Dn, attributes: &'a Attributes) -> Option<(&'a Attribute, Value)> {
    let naming = dn.rdn().and_then(|rdn| rdn.assertions().first());
    let attribute = naming.and_then(|pair| attributes.find(&pair.attribute))?;
    Some((attribute, Value::text(entry.first_text("name")?)))
}

fn decode_all(entry: &Entry, guid: Guid, attribute: &Attribute, raw: RawAttribute<'_>) -> Result<Values, ObjectIssue> {
    raw.values
        .map(|bytes| {
            decode::value(attribute.kind, bytes).map_err(|bad| ObjectIssue {
                code: bad.code,
                object: entry.dn.clone(),
                anchor: Some(Anchor::Guid(guid)),
                message: format!("attribute `{}`: {}", attribute.name, bad.message),
            })
        })
        .collect()
}

/// What a change entry says of the selected attributes, and where the object stands now when it was moved or renamed; `None`
/// when it says nothing of either.
pub(crate) fn change(
    entry: &Entry,
    moved_to: Option<&Entry>,
    object_type: &ObjectType,
    attributes: &Attributes,
) -> Option<ImportItem> {
    let told = || {
        let guid = identity(entry)?;
        let mut changes = delta(entry, guid, attributes)?;
        let place = moved_to.map(|now| Ok(place(now, dn(now, guid)?))).transpose()?;
        if let Some((attribute, name)) = place.as_ref().and_then(|place| own_name(entry, &place.dn, attributes)) {
            let replaced = || AttributeChange::Replace(name.into());
            changes.0.entry(attribute.name.clone()).or_insert_with(replaced);
        }
        Ok((guid, place, changes))
    };
    match told() {
        Ok((_, None, changes)) if changes.is_empty() => None,
        Ok((guid, place, changes)) => Some(ImportItem::Change(ImportedChange {
            anchor: Anchor::Guid(guid),
            object_type: object_type.clone(),
            place,
            changes,
            whole_if_new: false,
        })),
        Err(issue) => Some(ImportItem::Unreadable(issue)),
    }
}

fn delta(entry: &Entry, guid: Guid, attributes: &Attributes) -> Result<AttributesDelta, ObjectIssue> {
    let mut delta = AttributesDelta::default();
    for raw in entry.attributes() {
        let Some(attribute) = attributes.find(raw.name()) else {
            continue;
        };
        // Always in the answer, and never a change.
        if attribute.name == "objectGUID" {
            continue;
        }
        let values = decode_all(entry, guid, attribute, raw)?;
        let slot = delta.0.entry(attribute.name.clone());
        match mark(raw, Reading::Incremental) {
            Mark::Whole => {
                // Beside value marks an empty whole says nothing: it stands for values kept in the older form.
                let marked = entry.attributes().any(|other| {
                    other.name().eq_ignore_ascii_case(raw.name()) && mark(other, Reading::Incremental) != Mark::Whole
                });
                if !(marked && values.is_empty()) {
                    slot.insert_entry(AttributeChange::Replace(values));
                }
            }
            marked => {
                let change = slot
                    .or_insert_with(|| AttributeChange::Update { add: Values::default(), remove: Values::default() });
                if let AttributeChange::Update { add, remove } = change {
                    *(if marked == Mark::Added { add } else { remove }) = values;
                }
            }
        }
    }
    // A single link that was pointed elsewhere comes as one removal or several and one addition: the addition is its value.
    for (name, change) in &mut delta.0 {
        let single = attributes.find(name.as_str()).is_some_and(|attribute| attribute.plurality == Plurality::Single);
        if single && let AttributeChange::Update { add, .. } = change {
            *change = AttributeChange::Replace(std::mem::take(add));
        }
    }
    Ok(delta)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain_controller::tests::guid;
    use expect_test::{Expect, expect};

    fn classes() -> Vec<String> {
        ["user", "inetOrgPerson", "group", "contact"].map(str::to_owned).to_vec()
    }

    type Raw<'a> = (&'a str, Option<(u32, Option<u32>)>, &'a [&'a [u8]]);

    fn entry(dn: &str, attributes: &[Raw<'_>]) -> Entry {
        let entry = Entry::named(dn).of(guid(1));
        attributes.iter().fold(entry, |entry, (name, range, values)| entry.with(name, *range, values))
    }

    fn known() -> Attributes {
        Attributes::built_in(&["objectGUID", "cn", "mail", "member", "manager", "userAccountControl", "proxyAddresses"])
    }

    const ADDED: Option<(u32, Option<u32>)> = Some((1, Some(1)));
    const REMOVED: Option<(u32, Option<u32>)> = Some((0, Some(0)));
    const A: &[u8] = b"<GUID=0a0a0a0a-0a0a-0a0a-0a0a-0a0a0a0a0a0a>;CN=a,DC=x";
    const B: &[u8] = b"<GUID=0b0b0b0b-0b0b-0b0b-0b0b-0b0b0b0b0b0b>;CN=b,DC=x";

    /// SF20: computers and managed service accounts are never users.
    #[test]
    fn the_most_specific_class_decides() {
        let decide = |classes_of: &[&str]| kind(classes_of, None, &classes());
        let user = ["top", "person", "organizationalPerson", "user"];
        assert_eq!(decide(&user), Kind::Selected("user".into()));
        assert_eq!(decide(&[&user[..], &["inetOrgPerson"]].concat()), Kind::Selected("inetOrgPerson".into()));
        assert_eq!(decide(&[&user[..], &["corpEmployee"]].concat()), Kind::Selected("user".into()));
        assert_eq!(decide(&[&user[..], &["computer"]].concat()), Kind::Other);
        for account in
            ["msDS-GroupManagedServiceAccount", "msDS-ManagedServiceAccount", "msDS-DelegatedManagedServiceAccount"]
        {
            assert_eq!(decide(&[&user[..], &["computer", account]].concat()), Kind::Other);
        }
        assert_eq!(kind(&user, Some(b"805306370"), &classes()), Kind::Other);
        assert_eq!(decide(&["top", "organizationalUnit"]), Kind::Container("organizationalUnit".into()));
        assert_eq!(decide(&["top", "domain", "domainDNS"]), Kind::Container("domainDNS".into()));
        assert_eq!(decide(&["top", "volume"]), Kind::Other);
        assert_eq!(decide(&[]), Kind::Other);
    }

    #[test]
    fn machines_are_left_out_by_the_server_unless_selected() {
        assert!(
            class_filter(&classes()).starts_with("(&(!(objectClass=computer))(|(objectClass=user)(objectClass=group)")
        );
        assert!(class_filter(&["computer".to_owned()]).starts_with("(|(objectClass=computer)"));
    }

    /// Without the print, which print.rs tests.
    fn check(mut item: Option<ImportItem>, expect: Expect) {
        if let Some(ImportItem::Object(object)) = &mut item {
            object.print = None;
        }
        expect.assert_eq(&item.map_or("nothing".to_owned(), |item| format!("{item:#?}")));
    }

    #[test]
    fn a_whole_object_has_its_values_by_kind_and_the_naming_attribute_from_name() {
        let entry = entry(
            "CN=Smith\\, Zoë,DC=x",
            &[
                ("name", None, &["Smith, Zoë".as_bytes()]),
                ("MAIL", None, &[b"z@x"]),
                ("member", ADDED, &[A, B]),
                ("member", REMOVED, &[A]),
                ("userAccountControl", None, &[b"512"]),
                ("parentGUID", None, &[guid(9).as_directory_bytes()]),
                ("notSelected", None, &[b"x"]),
            ],
        );
        let item = whole(&entry, &"group".into(), &known(), Reading::Incremental);
        check(
            Some(item),
            expect![[r#"
                Object(
                    ImportedObject {
                        anchor: 01010101-0101-0101-0101-010101010101,
                        object_type: group,
                        place: Some(
                            Place {
                                dn: CN=Smith\, Zoë,DC=x,
                                parent: Some(
                                    09090909-0909-0909-0909-090909090909,
                                ),
                            },
                        ),
                        attributes: {
                            cn: "Smith, Zoë",
                            mail: "z@x",
                            member: [
                                0a0a0a0a-0a0a-0a0a-0a0a-0a0a0a0a0a0a,
                                0b0b0b0b-0b0b-0b0b-0b0b-0b0b0b0b0b0b,
                            ],
                            objectGUID: b64(AQEBAQEBAQEBAQEBAQEBAQ==),
                            userAccountControl: 512,
                        },
                        print: None,
                    },
                )"#]],
        );
    }

    #[test]
    fn a_change_entry_sets_clears_adds_and_removes() {
        let entry = entry(
            "CN=g,DC=x",
            &[
                ("objectGUID", None, &[guid(1).as_directory_bytes()]),
                ("instanceType", None, &[b"4"]),
                ("mail", None, &[]),
                ("proxyAddresses", None, &[b"smtp:b@x", b"SMTP:a@x"]),
                ("member", ADDED, &[A]),
                ("member", REMOVED, &[B]),
                ("manager", REMOVED, &[A]),
                ("manager", ADDED, &[B]),
            ],
        );
        check(
            change(&entry, None, &"group".into(), &known()),
            expect![[r#"
                Change(
                    ImportedChange {
                        anchor: 01010101-0101-0101-0101-010101010101,
                        object_type: group,
                        place: None,
                        changes: AttributesDelta(
                            {
                                mail: Replace(
                                    [],
                                ),
                                manager: Replace(
                                    0b0b0b0b-0b0b-0b0b-0b0b-0b0b0b0b0b0b,
                                ),
                                member: Update {
                                    add: 0a0a0a0a-0a0a-0a0a-0a0a-0a0a0a0a0a0a,
                                    remove: 0b0b0b0b-0b0b-0b0b-0b0b-0b0b0b0b0b0b,
                                },
                                proxyAddresses: Replace(
                                    [
                                        "SMTP:a@x",
                                        "smtp:b@x",
                                    ],
                                ),
                            },
                        ),
                        whole_if_new: false,
                    },
                )"#]],
        );
    }

    #[test]
    fn an_entry_without_a_selected_attribute_changes_nothing() {
        let entry = entry(
            "CN=g,DC=x",
            &[("objectGUID", None, &[guid(1).as_directory_bytes()]), ("lastLogonTimestamp", None, &[b"1"])],
        );
        check(change(&entry, None, &"user".into(), &known()), expect!["nothing"]);
    }

    #[test]
    fn a_cleared_single_link_and_an_empty_whole_beside_marks() {
        let entry =
            entry("CN=g,DC=x", &[("manager", REMOVED, &[A, B]), ("member", ADDED, &[A]), ("member", None, &[])]);
        check(
            change(&entry, None, &"user".into(), &known()),
            expect![[r#"
                Change(
                    ImportedChange {
                        anchor: 01010101-0101-0101-0101-010101010101,
                        object_type: user,
                        place: None,
                        changes: AttributesDelta(
                            {
                                manager: Replace(
                                    [],
                                ),
                                member: Update {
                                    add: 0a0a0a0a-0a0a-0a0a-0a0a-0a0a0a0a0a0a,
                                    remove: [],
                                },
                            },
                        ),
                        whole_if_new: false,
                    },
                )"#]],
        );
    }

    /// Where it stands now, from what was looked up; what it is called now, from `name`, as DirSync returns no `cn`.
    #[test]
    fn a_renamed_object_comes_with_its_place_and_its_own_name() {
        let told = entry("CN=New,DC=x", &[("name", None, &[b"New"])]);
        let now = entry("CN=New,OU=a,DC=x", &[("parentGUID", None, &[guid(2).as_directory_bytes()])]);
        let Some(ImportItem::Change(change)) = change(&told, Some(&now), &"user".into(), &known()) else {
            panic!("it was renamed");
        };
        let place = change.place.expect("it was renamed");
        assert_eq!((place.dn.to_string().as_str(), place.parent), ("CN=New,OU=a,DC=x", Some(Anchor::Guid(guid(2)))));
        let own = AttributeChange::Replace(Value::text("New").into());
        assert_eq!(change.changes.0.into_iter().collect::<Vec<_>>(), [("cn".into(), own)]);
        // Moved under the same name: only the place is told.
        let moved = super::change(&entry("CN=New,DC=x", &[]), Some(&now), &"user".into(), &known());
        assert!(
            matches!(moved, Some(ImportItem::Change(change)) if change.place.is_some() && change.changes.is_empty())
        );
    }

    /// SF27: unreadable is not absent.
    #[test]
    fn a_value_that_does_not_fit_makes_the_object_unreadable() {
        let entry = entry("CN=u,DC=x", &[("userAccountControl", None, &[b"many"])]);
        let item = whole(&entry, &"user".into(), &known(), Reading::Plain);
        check(
            Some(item),
            expect![[r#"
                Unreadable(
                    ObjectIssue {
                        code: "invalid-numeric-value",
                        object: "CN=u,DC=x",
                        anchor: Some(
                            01010101-0101-0101-0101-010101010101,
                        ),
                        message: "attribute `userAccountControl`: the value is not a whole number of 64 bits",
                    },
                )"#]],
        );
    }
}
