//! Writes a world as LDIF (RFC 2849), for a domain controller that makes identities itself or for OpenLDAP, which stores
//! whatever it is given; and the schema that OpenLDAP needs for it. Holds no more than one object in memory.

use super::attribute::{ATTRIBUTES, Attribute, Definition};
use super::tree::ContainerKind;
use super::values::{Collected, Facts};
use super::{DOMAIN, Object, World};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::io::{self, Write};

/// For whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    /// What a domain controller lets be written. Links come last, as changes: their targets must exist. The account of the
    /// synchronisation is not among it: it must be there before, with a password.
    DomainController,
    /// Everything, for `slapadd -s`; with [`write_schema`].
    OpenLdap,
}

/// Attributes that a domain controller sets by itself.
const SET_BY_THE_SERVER: &[Attribute] = &[
    Attribute::Cn,
    Attribute::Ou,
    Attribute::Dc,
    Attribute::ObjectSid,
    Attribute::SAMAccountType,
    Attribute::PrimaryGroupID,
    Attribute::ObjectCategory,
    Attribute::PwdLastSet,
    Attribute::LastLogonTimestamp,
    Attribute::CodePage,
    Attribute::IsCriticalSystemObject,
    Attribute::LastKnownParent,
];

/// Whether the attribute of a domain controller has the world's value after [`write`].
pub fn is_written(attribute: Attribute) -> bool {
    let definition = attribute.definition();
    attribute == Attribute::ObjectClass
        || (!definition.system_only && definition.is_replicated() && !SET_BY_THE_SERVER.contains(&attribute))
}

/// Writes all objects.
pub fn write(world: &World, flavour: Flavour, out: &mut impl Write) -> io::Result<()> {
    for ordinal in 0..world.len() {
        if let Some(object) = world.object_at(ordinal).filter(|object| belongs(world, *object, flavour)) {
            entry(world, object, flavour, out)?;
        }
    }
    if flavour == Flavour::DomainController {
        for ordinal in 0..world.len() {
            if let Some(object) = world.object_at(ordinal).filter(|object| belongs(world, *object, flavour)) {
                links(world, object, out)?;
            }
        }
    }
    Ok(())
}

fn belongs(world: &World, object: Object, flavour: Flavour) -> bool {
    let given = match object {
        Object::Container(at) => world.container(at).is_some_and(|container| {
            matches!(container.kind, ContainerKind::Domain | ContainerKind::BuiltIn | ContainerKind::DeletedObjects)
        }),
        Object::Service => true,
        _ => false,
    };
    !world.is_gone(object) && (flavour == Flavour::OpenLdap || !given)
}

fn entry(world: &World, object: Object, flavour: Flavour, out: &mut impl Write) -> io::Result<()> {
    let facts = Facts::of(world, object);
    line(out, "dn", world.dn(object).as_bytes())?;
    let classes = facts.classes(world);
    match flavour {
        Flavour::DomainController => line(out, "objectClass", classes.last().copied().unwrap_or("top").as_bytes())?,
        Flavour::OpenLdap => {
            for class in classes.iter().chain(&["extensibleObject"]) {
                line(out, "objectClass", class.as_bytes())?;
            }
        }
    }
    for definition in ATTRIBUTES {
        let attribute = definition.attribute;
        let wanted = match flavour {
            Flavour::DomainController => is_written(attribute) && definition.link.is_none(),
            Flavour::OpenLdap => is_stored_by_openldap(definition),
        };
        if !wanted || attribute == Attribute::ObjectClass {
            continue;
        }
        let mut values = Collected::default();
        facts.emit(world, attribute, &mut values);
        for value in &values.0 {
            line(out, definition.name, value)?;
        }
    }
    writeln!(out)
}

fn links(world: &World, object: Object, out: &mut impl Write) -> io::Result<()> {
    let facts = Facts::of(world, object);
    for definition in ATTRIBUTES.iter().filter(|known| known.link.is_some_and(|link| link % 2 == 0)) {
        let mut values = Collected::default();
        facts.emit(world, definition.attribute, &mut values);
        if values.0.is_empty() {
            continue;
        }
        line(out, "dn", world.dn(object).as_bytes())?;
        writeln!(out, "changetype: modify\nadd: {}", definition.name)?;
        for value in &values.0 {
            line(out, definition.name, value)?;
        }
        writeln!(out, "-\n")?;
    }
    Ok(())
}

/// Writes what a domain controller that holds `before` must be told to hold `after`, which is `before` with more steps.
/// Renames of areas and of what stands in them belong into different steps.
pub fn write_changes(before: &World, after: &World, out: &mut impl Write) -> io::Result<()> {
    let from = before.steps();
    let mut touched = Vec::new();
    for step in from..after.steps() {
        let objects = (0..after.touched_len(step)).filter_map(|at| after.touched(step, at));
        touched.extend(objects.filter(|object| !after.is_touched_later(*object, step, after.steps())));
    }
    for object in &touched {
        if let Object::Container(_) = object {
            renamed(&before.dn(*object), &after.dn(*object), out)?;
        }
    }
    let created = |object: &&Object| after.is_created_since(**object, from);
    for object in touched.iter().filter(created) {
        entry(after, *object, Flavour::DomainController, out)?;
    }
    for object in touched.iter().filter(created) {
        links(after, *object, out)?;
    }
    for object in touched.iter().filter(|object| !created(object)) {
        match object {
            Object::User(number) if !after.is_deleted(*number) => changed(before, after, *number, out)?,
            Object::Group(number) => members(before, after, *number, out)?,
            _ => {}
        }
    }
    for object in touched.iter().filter(|object| after.is_gone(**object)) {
        line(out, "dn", before.dn(*object).as_bytes())?;
        writeln!(out, "changetype: delete\n")?;
    }
    Ok(())
}

fn renamed(from: &str, to: &str, out: &mut impl Write) -> io::Result<()> {
    // A name of the world has no other comma behind which an attribute begins.
    let starts = [",OU=", ",DC="].into_iter().filter_map(|start| to.find(start));
    let Some((name, superior)) = starts.min().map(|at| to.split_at(at)) else { return Ok(()) };
    line(out, "dn", from.as_bytes())?;
    writeln!(out, "changetype: modrdn")?;
    line(out, "newrdn", name.as_bytes())?;
    writeln!(out, "deleteoldrdn: 1")?;
    line(out, "newsuperior", superior.trim_start_matches(',').as_bytes())?;
    writeln!(out)
}

fn changed(before: &World, after: &World, user: u64, out: &mut impl Write) -> io::Result<()> {
    let person = after.person(user);
    let (old, new) = (before.dn(Object::User(user)), after.dn(Object::User(user)));
    if old != new {
        renamed(&old, &new, out)?;
    }
    let kinds = after.changes_since(&person, before.steps());
    let attributes = kinds.iter().flat_map(|kind| kind.attributes()).filter(|attribute| is_written(**attribute));
    let mut begun = false;
    for attribute in attributes {
        let (then, now) = (before.values(Object::User(user), *attribute), after.values(Object::User(user), *attribute));
        if then == now {
            continue;
        }
        if !begun {
            line(out, "dn", new.as_bytes())?;
            writeln!(out, "changetype: modify")?;
            begun = true;
        }
        writeln!(out, "replace: {}", attribute.name())?;
        for value in &now {
            line(out, attribute.name(), value)?;
        }
        writeln!(out, "-")?;
    }
    if begun { writeln!(out) } else { Ok(()) }
}

fn members(before: &World, after: &World, group: u64, out: &mut impl Write) -> io::Result<()> {
    let (added, removed) = after.group(group).changes(after, before.steps());
    let parts = [("add", added.collect::<Vec<_>>()), ("delete", removed.collect::<Vec<_>>())];
    if parts.iter().all(|(_, members)| members.is_empty()) {
        return Ok(());
    }
    line(out, "dn", after.dn(Object::Group(group)).as_bytes())?;
    writeln!(out, "changetype: modify")?;
    for (verb, members) in parts.iter().filter(|(_, members)| !members.is_empty()) {
        writeln!(out, "{verb}: member")?;
        for member in members {
            line(out, "member", after.dn(*member).as_bytes())?;
        }
        writeln!(out, "-")?;
    }
    writeln!(out)
}

fn line(out: &mut impl Write, name: &str, value: &[u8]) -> io::Result<()> {
    let first_is_safe = !matches!(value.first(), Some(b' ' | b':' | b'<'));
    let safe = value.iter().all(|byte| (b' '..0x7f).contains(byte)) && first_is_safe && value.last() != Some(&b' ');
    if safe {
        write!(out, "{name}: ")?;
        out.write_all(value)?;
        writeln!(out)
    } else {
        writeln!(out, "{name}:: {}", STANDARD.encode(value))
    }
}

/// Attributes that OpenLDAP's core, cosine and inetorgperson schemas define with the same use.
const KNOWN_TO_OPENLDAP: &[&str] = &[
    "objectClass",
    "cn",
    "ou",
    "name",
    "dc",
    "displayName",
    "givenName",
    "sn",
    "initials",
    "mail",
    "title",
    "telephoneNumber",
    "mobile",
    "streetAddress",
    "l",
    "st",
    "postalCode",
    "co",
    "c",
    "physicalDeliveryOfficeName",
    "employeeNumber",
    "manager",
    "description",
    "carLicense",
    "roomNumber",
    "departmentNumber",
    "personalTitle",
    "homePostalAddress",
    "uid",
    "internationalISDNNumber",
    "member",
];

fn is_stored_by_openldap(definition: &Definition) -> bool {
    let computed = definition.link.is_some_and(|link| link % 2 == 1) || definition.system_flags & 4 != 0;
    // The first is an abstract attribute there, of the second OpenLDAP checks the content.
    !computed && !matches!(definition.attribute, Attribute::DistinguishedName | Attribute::UserCertificate)
}

/// The schema for [`Flavour::OpenLdap`], to be included after core, cosine and inetorgperson.
pub fn write_schema(out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "# Attributes and classes of {DOMAIN}, for OpenLDAP. Object identifiers are of no registered arc.")?;
    for (number, definition) in ATTRIBUTES.iter().enumerate() {
        if KNOWN_TO_OPENLDAP.contains(&definition.name) || !is_stored_by_openldap(definition) {
            continue;
        }
        let (syntax, equality) = match definition.syntax {
            "2.5.5.1" => ("1.3.6.1.4.1.1466.115.121.1.12", "distinguishedNameMatch"),
            "2.5.5.8" => ("1.3.6.1.4.1.1466.115.121.1.7", "booleanMatch"),
            "2.5.5.9" | "2.5.5.16" => ("1.3.6.1.4.1.1466.115.121.1.27", "integerMatch"),
            "2.5.5.10" | "2.5.5.17" => ("1.3.6.1.4.1.1466.115.121.1.40", "octetStringMatch"),
            "2.5.5.11" => ("1.3.6.1.4.1.1466.115.121.1.24", "generalizedTimeMatch"),
            _ => ("1.3.6.1.4.1.1466.115.121.1.15", "caseIgnoreMatch"),
        };
        let single = if definition.single { " SINGLE-VALUE" } else { "" };
        writeln!(
            out,
            "attributetype ( 1.3.6.1.4.1.55555.1.{number} NAME '{}' EQUALITY {equality} SYNTAX {syntax}{single} )",
            definition.name
        )?;
    }
    for (number, (name, superior)) in [
        ("user", "organizationalPerson"),
        ("computer", "user"),
        ("contact", "organizationalPerson"),
        ("group", "top"),
        ("container", "top"),
        ("builtinDomain", "top"),
        ("lostAndFound", "top"),
        ("domainDNS", "domain"),
    ]
    .into_iter()
    .enumerate()
    {
        writeln!(out, "objectclass ( 1.3.6.1.4.1.55555.2.{number} NAME '{name}' SUP {superior} STRUCTURAL )")?;
    }
    Ok(())
}
