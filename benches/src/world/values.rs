//! The values of an attribute of an object, written one after the other into whoever asks: an LDAP answer, an LDIF file, a
//! list. Decides nothing about what was asked for.

use super::attribute::Attribute;
use super::churn::ChangeKind;
use super::group::{self, Group};
use super::mix::{Purpose, draw};
use super::names::{CITIES, TITLES};
use super::person::{Person, number, text};
use super::tree::ContainerKind;
use super::{DOMAIN, MAIL_DOMAIN, Object, World, write_guid};

/// Takes values.
pub trait ValueSink {
    /// One value, written by `write` at the end of what it is given.
    fn value(&mut self, write: impl FnOnce(&mut Vec<u8>));
    /// One value that names another object.
    fn reference(&mut self, world: &World, target: Object);
}

/// An object with all that its values follow from.
#[derive(Debug, Clone, Copy)]
pub enum Facts {
    Person(Person),
    Group(Group),
    Other(Object),
}

impl Facts {
    pub fn of(world: &World, object: Object) -> Facts {
        match object {
            Object::User(number) => Facts::Person(world.person(number)),
            Object::Group(number) => Facts::Group(world.group(number)),
            other => Facts::Other(other),
        }
    }

    pub fn object(&self) -> Object {
        match self {
            Facts::Person(person) => Object::User(person.number),
            Facts::Group(group) => Object::Group(group.number),
            Facts::Other(object) => *object,
        }
    }

    pub fn is_deleted(&self) -> bool {
        matches!(self, Facts::Person(person) if person.deleted)
    }

    /// Object classes from the most general to the most specific.
    pub fn classes(&self, world: &World) -> &'static [&'static str] {
        classes(world, self.object())
    }

    /// Writes all values of an attribute; of a linked one all members.
    pub fn emit(&self, world: &World, attribute: Attribute, sink: &mut impl ValueSink) {
        if emit_common(world, self, attribute, sink) {
            return;
        }
        match self {
            Facts::Person(person) if person.deleted => emit_tombstone(world, person, attribute, sink),
            Facts::Person(person) => emit_person(world, person, attribute, sink),
            Facts::Group(group) => emit_group(world, group, attribute, sink),
            Facts::Other(object) => emit_other(world, *object, attribute, sink),
        }
    }
}

/// Object classes from the most general to the most specific.
pub(crate) fn classes(world: &World, object: Object) -> &'static [&'static str] {
    match object {
        Object::Container(at) => world.container(at).map_or(&["top"], |container| container.classes),
        Object::User(_) | Object::Service => &["top", "person", "organizationalPerson", "user"],
        Object::Contact(_) => &["top", "person", "organizationalPerson", "contact"],
        Object::Computer(_) => &["top", "person", "organizationalPerson", "user", "computer"],
        Object::Group(_) => &["top", "group"],
    }
}

fn category(world: &World, object: Object) -> &'static str {
    match object {
        Object::User(_) | Object::Service | Object::Contact(_) => "Person",
        Object::Computer(_) => "Computer",
        Object::Group(_) => "Group",
        Object::Container(_) => match classes(world, object).last().copied() {
            Some("organizationalUnit") => "Organizational-Unit",
            Some("domainDNS") => "Domain-DNS",
            Some("builtinDomain") => "Builtin-Domain",
            Some("lostAndFound") => "Lost-And-Found",
            _ => "Container",
        },
    }
}

/// What every object has. Whether the attribute is one of those.
fn emit_common(world: &World, facts: &Facts, attribute: Attribute, sink: &mut impl ValueSink) -> bool {
    let object = facts.object();
    match attribute {
        Attribute::ObjectClass => {
            classes(world, object).iter().for_each(|class| sink.value(|out| text(out, &[class])));
        }
        Attribute::ObjectGUID => sink.value(|out| out.extend_from_slice(&world.guid(object))),
        Attribute::ObjectSid => {
            if let Some(sid) = world.sid(object) {
                sink.value(|out| out.extend_from_slice(&sid));
            }
        }
        Attribute::ParentGUID => {
            if let Some(parent) = world.parent(object) {
                sink.value(|out| out.extend_from_slice(&world.guid(Object::Container(parent))));
            }
        }
        Attribute::Name => sink.value(|out| write_rdn_value(world, facts, out)),
        Attribute::Cn if naming(world, object) == "CN" => sink.value(|out| write_rdn_value(world, facts, out)),
        Attribute::Ou if naming(world, object) == "OU" => sink.value(|out| write_rdn_value(world, facts, out)),
        Attribute::Dc if naming(world, object) == "DC" => sink.value(|out| write_rdn_value(world, facts, out)),
        Attribute::Cn | Attribute::Ou | Attribute::Dc => {}
        Attribute::DistinguishedName => sink.reference(world, object),
        Attribute::ObjectCategory => sink.value(|out| {
            text(out, &["CN=", category(world, object), ",CN=Schema,CN=Configuration,", DOMAIN]);
        }),
        Attribute::InstanceType => sink.value(|out| {
            // 4: writable here; 1 more: the head of a naming context.
            text(out, &[if object == Object::Container(super::tree::ROOT) { "5" } else { "4" }]);
        }),
        Attribute::WhenCreated => sink.value(|out| time(out, world.usn_created(object))),
        Attribute::WhenChanged => sink.value(|out| time(out, world.usn_changed(object))),
        Attribute::USNCreated => sink.value(|out| number(out, world.usn_created(object))),
        Attribute::USNChanged => sink.value(|out| number(out, world.usn_changed(object))),
        _ => return false,
    }
    true
}

fn naming(world: &World, object: Object) -> &'static str {
    match object {
        Object::Container(at) => world.container(at).map_or("CN", |container| container.naming),
        _ => "CN",
    }
}

fn write_rdn_value(world: &World, facts: &Facts, out: &mut Vec<u8>) {
    match facts {
        Facts::Person(person) => {
            person.write_name(out);
            if person.deleted {
                text(out, &["\nDEL:"]);
                write_guid(&world.guid(facts.object()), out);
            }
        }
        Facts::Group(group) => group.write_name(out),
        Facts::Other(object) => world.write_name(*object, out),
    }
}

/// A moment in 2024, later for greater numbers. GeneralizedTime as directories write it.
fn time(out: &mut Vec<u8>, usn: u64) {
    let second = usn % (28 * 86_400 * 12);
    let (day, of_day) = (second / 86_400, second % 86_400);
    let two =
        |out: &mut Vec<u8>, value: u64| out.extend_from_slice(&[b'0' + (value / 10) as u8, b'0' + (value % 10) as u8]);
    text(out, &["2024"]);
    for part in [day / 28 + 1, day % 28 + 1, of_day / 3_600, of_day / 60 % 60, of_day % 60] {
        two(out, part);
    }
    text(out, &[".0Z"]);
}

/// Accounts of a strict world need no password.
const PASSWORD_NOT_REQUIRED: u64 = 0x20;

fn account_control(world: &World, disabled: bool) -> u64 {
    512 + if disabled { 2 } else { 0 } + if world.options().strict { PASSWORD_NOT_REQUIRED } else { 0 }
}

/// What remains of a deleted user (MS-ADTS 3.1.1.5.5.1.1).
fn emit_tombstone(world: &World, person: &Person, attribute: Attribute, sink: &mut impl ValueSink) {
    match attribute {
        Attribute::IsDeleted | Attribute::IsRecycled => sink.value(|out| text(out, &["TRUE"])),
        Attribute::SAMAccountName | Attribute::Uid => sink.value(|out| account_name(person.number, out)),
        Attribute::UserAccountControl => sink.value(|out| number(out, account_control(world, person.disabled))),
        Attribute::LastKnownParent => sink.reference(world, Object::Container(world.container_of(person))),
        _ => {}
    }
}

fn account_name(user: u64, out: &mut Vec<u8>) {
    text(out, &["u"]);
    number(out, user);
}

fn pick<T: Copy>(from: &[T], draw: u64) -> Option<T> {
    from.get((draw % from.len().max(1) as u64) as usize).copied()
}

fn emit_person(world: &World, person: &Person, attribute: Attribute, sink: &mut impl ValueSink) {
    let user = person.number;
    let looks = person.looks;
    let version = |kind: ChangeKind| u64::from(person.changed(kind));
    // A value that a change replaced says the how-manieth it is.
    let versioned = |out: &mut Vec<u8>, kind: ChangeKind| {
        if version(kind) > 0 {
            text(out, &[" v"]);
            number(out, version(kind));
        }
    };
    let fixed = |sink: &mut _, value: &str| put(sink, value);
    let Some((city, state, postal, country, code, number_of_country)) = pick(CITIES, looks >> 50) else { return };
    match attribute {
        Attribute::DisplayName => sink.value(|out| person.write_display_name(out)),
        Attribute::GivenName => fixed(sink, person.given.shown),
        Attribute::Sn => fixed(sink, person.surname.shown),
        Attribute::Initials => sink.value(|out| {
            out.extend(person.given.ascii.bytes().next().map(|letter| letter.to_ascii_uppercase()));
            text(out, &["."]);
        }),
        Attribute::Mail if person.has_mail() => sink.value(|out| person.write_mail(world, out)),
        Attribute::UserPrincipalName => sink.value(|out| person.write_upn(world, out)),
        Attribute::SAMAccountName => sink.value(|out| account_name(user, out)),
        Attribute::SAMAccountType => fixed(sink, "805306368"),
        Attribute::ProxyAddresses => {
            (0..person.addresses()).for_each(|place| sink.value(|out| person.write_proxy(world, place, out)));
        }
        Attribute::Department => sink.value(|out| {
            text(out, &["Department "]);
            number(out, looks % 97);
            versioned(out, ChangeKind::Department);
        }),
        Attribute::Title => sink.value(|out| {
            let blank = if person.dirt.blanks { " " } else { "" };
            text(out, &[blank, pick(TITLES, looks >> 6).unwrap_or_default()]);
            versioned(out, ChangeKind::Title);
            text(out, &[blank]);
        }),
        Attribute::Company => fixed(sink, "Contoso Example"),
        Attribute::Division => sink.value(|out| {
            text(out, &["Division "]);
            number(out, looks % 7);
        }),
        Attribute::TelephoneNumber => sink.value(|out| {
            text(out, &["+49 40 "]);
            number(out, 1_000_000 + user % 9_000_000);
            text(out, &["-"]);
            number(out, version(ChangeKind::Telephone));
        }),
        Attribute::Mobile => sink.value(|out| {
            text(out, &["+49 170 "]);
            number(out, 1_000_000 + looks % 9_000_000);
            versioned(out, ChangeKind::Office);
        }),
        Attribute::StreetAddress => sink.value(|out| {
            text(out, &["Hafenstraße "]);
            number(out, 1 + looks % 200);
            versioned(out, ChangeKind::Street);
        }),
        Attribute::L => fixed(sink, city),
        Attribute::St => fixed(sink, state),
        Attribute::PostalCode => fixed(sink, postal),
        Attribute::Co => fixed(sink, country),
        Attribute::C => fixed(sink, code),
        Attribute::CountryCode => sink.value(|out| number(out, u64::from(number_of_country))),
        Attribute::PhysicalDeliveryOfficeName => sink.value(|out| {
            text(out, &["Building "]);
            number(out, looks % 30);
            text(out, &[", room "]);
            number(out, looks >> 5 & 511);
            versioned(out, ChangeKind::Office);
        }),
        Attribute::EmployeeID => sink.value(|out| {
            text(out, &["E"]);
            number(out, 1_000_000 + user);
        }),
        Attribute::EmployeeNumber => sink.value(|out| number(out, user)),
        Attribute::Manager => {
            if let Some(manager) = person.manager(world) {
                sink.reference(world, manager);
            }
        }
        Attribute::UserAccountControl => sink.value(|out| number(out, account_control(world, person.disabled))),
        Attribute::AccountExpires => fixed(sink, "9223372036854775807"),
        Attribute::PwdLastSet => {
            let moment = if world.options().strict { 0 } else { 133_500_000_000_000_000 + user * 10_000_000 };
            sink.value(|out| number(out, moment));
        }
        Attribute::PrimaryGroupID => fixed(sink, "513"),
        Attribute::Description => fixed(sink, "From the personnel system"),
        Attribute::AdminDescription if person.excluded => fixed(sink, "User_not for the cloud"),
        Attribute::ThumbnailPhoto if person.photo => {
            sink.value(|out| noise(world, user, 4_000 + looks % 6_000, &[0xff, 0xd8, 0xff, 0xe0], out));
        }
        Attribute::UserCertificate => (0..u64::from(person.certificates)).for_each(|place| {
            let key = user ^ ((place + 1) << 50);
            sink.value(|out| noise(world, key, 1_500, &[0x30, 0x82, 0x05, 0xd8], out));
        }),
        _ => emit_unselected(person, attribute, sink),
    }
}

/// What no shipped rule reads, and what Exchange adds.
fn emit_unselected(person: &Person, attribute: Attribute, sink: &mut impl ValueSink) {
    let user = person.number;
    let looks = person.looks;
    let with = |sink: &mut _, before: &str, after: &str| sink_number(sink, before, user, after);
    match attribute {
        Attribute::Comment => sink.value(|out| {
            text(out, &["Seen at the gate "]);
            number(out, u64::from(person.changed(ChangeKind::Comment)));
            text(out, &[" times since the last audit"]);
        }),
        Attribute::ScriptPath => put(sink, "logon\\staff.cmd"),
        Attribute::ProfilePath => with(sink, "\\\\files.corp.contoso.example\\profiles\\u", ""),
        Attribute::HomeDirectory => with(sink, "\\\\files.corp.contoso.example\\home\\u", ""),
        Attribute::HomeDrive => put(sink, "H:"),
        Attribute::UserWorkstations => with(sink, "PC", ""),
        Attribute::CodePage | Attribute::LastLogoff | Attribute::BadPasswordTime | Attribute::BadPwdCount => {
            put(sink, "0")
        }
        Attribute::LogonCount => sink.value(|out| number(out, looks % 5_000)),
        Attribute::LastLogon | Attribute::LastLogonTimestamp => {
            sink.value(|out| number(out, 133_600_000_000_000_000 + looks % 10_000_000_000_000));
        }
        Attribute::CarLicense => with(sink, "HH-C ", ""),
        Attribute::RoomNumber => sink.value(|out| number(out, looks >> 5 & 511)),
        Attribute::DepartmentNumber => sink.value(|out| number(out, 4_000 + looks % 97)),
        Attribute::PersonalTitle => put(sink, "Dr."),
        Attribute::HomePostalAddress => with(sink, "Uferweg ", ", 20459 Hamburg, Germany"),
        Attribute::Uid => with(sink, "u", ""),
        Attribute::AdminDisplayName => with(sink, "Person ", " of the personnel system"),
        Attribute::ExtensionName => put(sink, "personnel"),
        Attribute::InternationalISDNNumber => sink.value(|out| number(out, 49_400_000_000 + user)),
        _ if person.mailbox => emit_exchange(person, attribute, sink),
        _ => {}
    }
}

fn emit_exchange(person: &Person, attribute: Attribute, sink: &mut impl ValueSink) {
    let user = person.number;
    let numbered = |sink: &mut _, value: u64| sink_number(sink, "", value, "");
    match attribute {
        Attribute::LegacyExchangeDN => sink.value(|out| {
            text(out, &["/o=Contoso/ou=Exchange Administrative Group (FYDIBOHF23SPDLT)/cn=Recipients/cn="]);
            person.write_local(out);
        }),
        Attribute::MailNickname => sink.value(|out| person.write_local(out)),
        Attribute::HomeMDB => put(
            sink,
            "CN=DB01,CN=Databases,CN=Exchange Administrative Group (FYDIBOHF23SPDLT),CN=Administrative Groups,CN=Contoso,CN=Microsoft \
             Exchange,CN=Services,CN=Configuration,DC=corp,DC=contoso,DC=example",
        ),
        Attribute::TargetAddress => sink.value(|out| {
            text(out, &["SMTP:"]);
            person.write_local(out);
            text(out, &["@contoso.mail.onmicrosoft.com"]);
        }),
        Attribute::MsExchHomeServerName => put(
            sink,
            "/o=Contoso/ou=Exchange Administrative Group (FYDIBOHF23SPDLT)/cn=Configuration/cn=Servers/cn=MAIL01",
        ),
        Attribute::MsExchMailboxGuid => sink.value(|out| {
            out.extend_from_slice(&draw(user, Purpose::Bytes, 1).to_le_bytes());
            out.extend_from_slice(&draw(user, Purpose::Bytes, 2).to_le_bytes());
        }),
        Attribute::MsExchRecipientTypeDetails => numbered(sink, 1),
        Attribute::MsExchRecipientDisplayType => numbered(sink, 1_073_741_824),
        Attribute::MsExchVersion => numbered(sink, 88_218_628_259_840),
        Attribute::MsExchUserAccountControl => numbered(sink, 0),
        Attribute::MsExchPoliciesIncluded => {
            put(sink, "{26491cfc-9e50-4857-861b-0cb8df22b5d7}");
            sink_number(sink, "policy-", user % 9, "");
        }
        Attribute::MsExchTextMessagingState => {
            numbered(sink, 302_120_705);
            numbered(sink, 16_842_751);
        }
        Attribute::MsExchUMDtmfMap => {
            sink_number(sink, "emailAddress:", 200_000_000 + user, "");
            sink_number(sink, "lastNameFirstName:", 700_000_000 + user, "");
        }
        Attribute::MsExchWhenMailboxCreated => put(sink, "20240102030405.0Z"),
        Attribute::MsExchMDBRulesQuota => numbered(sink, 256),
        Attribute::MsExchElcMailboxFlags => numbered(sink, 130),
        Attribute::MsExchMobileMailboxFlags => numbered(sink, 1),
        Attribute::MsExchUserCulture => put(sink, "de-DE"),
        Attribute::MsExchArchiveQuota => numbered(sink, 104_857_600),
        Attribute::MsExchArchiveWarnQuota => numbered(sink, 94_371_840),
        Attribute::MsExchCalendarLoggingQuota => numbered(sink, 6_291_456),
        Attribute::MsExchDumpsterQuota => numbered(sink, 31_457_280),
        Attribute::MsExchDumpsterWarningQuota => numbered(sink, 20_971_520),
        Attribute::MDBUseDefaults | Attribute::MsExchMailboxAuditEnable => put(sink, "TRUE"),
        Attribute::MsExchHideFromAddressLists => put(sink, if user.is_multiple_of(50) { "TRUE" } else { "FALSE" }),
        Attribute::MsExchSafeSendersHash => sink.value(|out| {
            (0..4).for_each(|part| out.extend_from_slice(&draw(user, Purpose::Bytes, 8 + part).to_le_bytes()));
        }),
        Attribute::ExtensionAttribute1 => sink_number(sink, "cost centre ", 1_000 + user % 500, ""),
        Attribute::ExtensionAttribute2 => sink_number(sink, "badge ", user, ""),
        Attribute::ExtensionAttribute5 => put(sink, "permanent"),
        _ => {}
    }
}

fn put(sink: &mut impl ValueSink, value: &str) {
    sink.value(|out| text(out, &[value]));
}

fn sink_number(sink: &mut impl ValueSink, before: &str, value: u64, after: &str) {
    sink.value(|out| {
        text(out, &[before]);
        number(out, value);
        text(out, &[after]);
    });
}

/// Bytes that do not compress, behind a beginning of their kind.
fn noise(world: &World, key: u64, length: u64, head: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(head);
    for part in 0..(length.saturating_sub(head.len() as u64) / 8) {
        out.extend_from_slice(&draw(world.options().seed ^ key, Purpose::Bytes, part).to_le_bytes());
    }
}

fn emit_group(world: &World, group: &Group, attribute: Attribute, sink: &mut impl ValueSink) {
    let place = group.number;
    match attribute {
        Attribute::SAMAccountName => sink_number(sink, "G", place, ""),
        Attribute::SAMAccountType => put(sink, if group.group_type() < 0 { "268435456" } else { "268435457" }),
        Attribute::GroupType => sink.value(|out| text(out, &[&group.group_type().to_string()])),
        Attribute::DisplayName => sink.value(|out| group.write_name(out)),
        Attribute::Description => put(sink, "Owned by its manager"),
        Attribute::Mail if group.has_mail() => sink_number(sink, "g", place, &format!("@{MAIL_DOMAIN}")),
        Attribute::ProxyAddresses if group.has_mail() => {
            sink_number(sink, "SMTP:g", place, &format!("@{MAIL_DOMAIN}"));
            sink_number(sink, "smtp:list", place, &format!("@{MAIL_DOMAIN}"));
        }
        Attribute::AdminDescription if group::is_excluded(world, place) => put(sink, "Group_not for the cloud"),
        Attribute::ManagedBy => sink.reference(world, Object::User(place % world.reports_end())),
        Attribute::Member => group.members(world).for_each(|member| sink.reference(world, member)),
        _ => {}
    }
}

fn emit_other(world: &World, object: Object, attribute: Attribute, sink: &mut impl ValueSink) {
    match object {
        Object::Contact(place) => emit_contact(place, attribute, sink),
        Object::Computer(place) => emit_computer(world, place, attribute, sink),
        Object::Service => match attribute {
            Attribute::SAMAccountName => put(sink, super::SERVICE_ACCOUNT),
            Attribute::SAMAccountType => put(sink, "805306368"),
            Attribute::UserAccountControl => put(sink, "512"),
            Attribute::PrimaryGroupID => put(sink, "513"),
            _ => {}
        },
        Object::Container(at) => emit_container(world, at, attribute, sink),
        Object::User(_) | Object::Group(_) => {}
    }
}

fn emit_contact(place: u64, attribute: Attribute, sink: &mut impl ValueSink) {
    match attribute {
        Attribute::DisplayName => sink_number(sink, "Supplier ", place, ""),
        Attribute::GivenName => put(sink, "Sales"),
        Attribute::Sn => put(sink, "Supplier"),
        Attribute::Company => put(sink, "Fabrikam Example"),
        Attribute::Mail => sink_number(sink, "supplier", place, "@fabrikam.example"),
        Attribute::ProxyAddresses => sink_number(sink, "SMTP:supplier", place, "@fabrikam.example"),
        _ => {}
    }
}

fn emit_computer(world: &World, place: u64, attribute: Attribute, sink: &mut impl ValueSink) {
    match attribute {
        Attribute::SAMAccountName => sink_number(sink, "PC", place, "$"),
        Attribute::SAMAccountType => put(sink, "805306369"),
        Attribute::UserAccountControl => sink.value(|out| {
            number(out, 4_096 + if world.options().strict { PASSWORD_NOT_REQUIRED } else { 0 });
        }),
        Attribute::PrimaryGroupID => put(sink, "515"),
        Attribute::DNSHostName => sink_number(sink, "pc", place, ".corp.contoso.example"),
        Attribute::OperatingSystem => put(sink, "Windows 11 Enterprise"),
        _ => {}
    }
}

fn emit_container(world: &World, at: u32, attribute: Attribute, sink: &mut impl ValueSink) {
    let kind = world.container(at).map(|container| container.kind);
    match attribute {
        Attribute::IsCriticalSystemObject if matches!(kind, Some(ContainerKind::Domain | ContainerKind::BuiltIn)) => {
            put(sink, "TRUE");
        }
        Attribute::IsDeleted if kind == Some(ContainerKind::DeletedObjects) => put(sink, "TRUE"),
        Attribute::Description if kind == Some(ContainerKind::Corp) => put(sink, "What is synchronised"),
        _ => {}
    }
}

/// Values as a list, references as plain DNs.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Collected(pub Vec<Vec<u8>>);

impl ValueSink for Collected {
    fn value(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let mut value = Vec::new();
        write(&mut value);
        self.0.push(value);
    }

    fn reference(&mut self, world: &World, target: Object) {
        self.value(|out| world.write_dn(target, out));
    }
}

impl World {
    /// The values of an attribute, references as plain DNs.
    pub fn values(&self, object: Object, attribute: Attribute) -> Vec<Vec<u8>> {
        let mut values = Collected::default();
        Facts::of(self, object).emit(self, attribute, &mut values);
        values.0
    }
}
