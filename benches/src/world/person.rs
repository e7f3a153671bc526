//! One user: name, place, addresses, and the dirt that real directories have (performance.md section 8: duplicate and missing
//! mail, addresses that differ in case, sign-in names that cannot be routed, and the like). Computed, never stored.

use super::churn::{ChangeKind, KINDS};
use super::mix::{Purpose, chance, draw, mix};
use super::names::{GIVEN, GIVEN_BEYOND_ASCII, Name, SURNAMES, SURNAMES_BEYOND_ASCII, SURNAMES_WITH_APOSTROPHE};
use super::{MAIL_DOMAIN, Object, TEAMS, World};

/// What makes a user hard to synchronise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dirt {
    /// The same `mail` and primary address as the user before.
    pub duplicate_mail: bool,
    /// A secondary address that the user before has as well.
    pub duplicate_proxy: bool,
    /// `mail` differs from the primary address in case.
    pub mail_case: bool,
    pub no_mail: bool,
    /// The sign-in name ends in `.local`.
    pub not_routable: bool,
    pub duplicate_upn: bool,
    /// `mail` is among no proxy address.
    pub mail_elsewhere: bool,
    /// A proxy address longer than the cloud takes.
    pub over_long: bool,
    /// A blank in the sign-in name.
    pub invalid_upn: bool,
    /// A value begins and ends with blanks.
    pub blanks: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Person {
    pub number: u64,
    pub given: Name,
    pub surname: Name,
    /// As at the beginning: addresses keep it.
    pub first_surname: Name,
    /// Written as `Surname, Given`: the comma must be escaped in a DN.
    pub comma: bool,
    /// `None`: outside the selected unit.
    pub team: Option<u8>,
    pub dirt: Dirt,
    pub disabled: bool,
    /// Marked with `adminDescription` as not for the cloud.
    pub excluded: bool,
    /// Has the attributes of Exchange.
    pub mailbox: bool,
    pub photo: bool,
    pub certificates: u8,
    /// Secondary addresses at the beginning, 1 to 5.
    pub aliases: u8,
    pub deleted: bool,
    /// A draw for everything that only has to look different.
    pub looks: u64,
    changes: [u16; KINDS],
}

impl Person {
    pub(super) fn of(world: &World, number: u64) -> Person {
        let options = world.options();
        let seed = options.seed;
        let base = draw(seed, Purpose::Person, number);
        let changes = world.changes_of(number, 0);
        let count = |kind: ChangeKind| u64::from(changes[kind as usize]);
        let (given, surname, _) = names(seed, number, 0);
        let later = count(ChangeKind::Surname);
        let outside = !world.is_inside(number);
        let team = (base >> 8) + 7 * count(ChangeKind::Move);
        Person {
            number,
            given,
            surname: if later == 0 { surname } else { names(seed, number, later).1 },
            first_surname: surname,
            comma: names(seed, number, 0).2,
            team: (!outside).then_some((team % u64::from(TEAMS)) as u8),
            dirt: dirt(seed, number, options.strict),
            disabled: chance(base >> 20, 3, 100) != (count(ChangeKind::Enabled) % 2 == 1),
            excluded: chance(base >> 24, 2, 100),
            mailbox: options.exchange && chance(base >> 28, 60, 100),
            photo: options.photos && chance(base >> 32, 40, 100),
            certificates: if chance(base >> 36, 10, 100) { 1 + ((base >> 40) % 3) as u8 } else { 0 },
            aliases: 1 + ((base >> 44) % 5) as u8,
            deleted: world.is_deleted(number),
            looks: base,
            changes,
        }
    }

    /// How often a kind of change happened.
    pub fn changed(&self, kind: ChangeKind) -> u16 {
        self.changes[kind as usize]
    }

    /// The value of `cn`. It ends with the user's number, which makes it unlike any other.
    pub(crate) fn write_name(&self, out: &mut Vec<u8>) {
        if self.comma {
            text(out, &[self.surname.shown, ", ", self.given.shown, " "]);
        } else {
            text(out, &[self.given.shown, " ", self.surname.shown, " "]);
        }
        number(out, self.number);
    }

    /// The same as it stands in a DN.
    pub(crate) fn write_escaped_name(&self, out: &mut Vec<u8>) {
        if self.comma {
            text(out, &[self.surname.shown, "\\, ", self.given.shown, " "]);
            number(out, self.number);
        } else {
            self.write_name(out);
        }
    }

    pub(crate) fn write_display_name(&self, out: &mut Vec<u8>) {
        if self.comma {
            text(out, &[self.surname.shown, ", ", self.given.shown]);
        } else {
            text(out, &[self.given.shown, " ", self.surname.shown]);
        }
    }

    /// The part of the address before the `@`, unlike any other's.
    pub(crate) fn write_local(&self, out: &mut Vec<u8>) {
        text(out, &[self.given.ascii, ".", self.first_surname.ascii, "."]);
        number(out, self.number);
    }

    /// The address that the user would have without any dirt.
    pub(crate) fn write_address(&self, out: &mut Vec<u8>) {
        self.write_local(out);
        text(out, &["@", MAIL_DOMAIN]);
    }

    /// The user whose address this one shares: the one before.
    fn twin(&self, world: &World) -> Person {
        world.person(self.number.saturating_sub(1))
    }

    /// The primary address without its prefix; of a user without mail nothing.
    pub(crate) fn write_primary(&self, world: &World, out: &mut Vec<u8>) {
        if self.dirt.duplicate_mail && self.number > 0 {
            self.twin(world).write_address(out);
        } else {
            self.write_address(out);
        }
    }

    /// The value of `mail`, which may differ from the primary address.
    pub(crate) fn write_mail(&self, world: &World, out: &mut Vec<u8>) {
        let from = out.len();
        if self.dirt.mail_elsewhere {
            text(out, &["moved."]);
        }
        self.write_primary(world, out);
        if self.dirt.mail_case
            && let Some(written) = out.get_mut(from..)
        {
            // Every other letter: neither all of one case nor the way it stands elsewhere.
            written.iter_mut().step_by(2).for_each(|byte| byte.make_ascii_uppercase());
        }
    }

    /// Claims a name or an address of the user before.
    pub(crate) fn claims_another(&self) -> bool {
        let Dirt { duplicate_mail, duplicate_proxy, duplicate_upn, .. } = self.dirt;
        self.number > 0 && (duplicate_mail || duplicate_proxy || duplicate_upn)
    }

    pub fn has_mail(&self) -> bool {
        !self.dirt.no_mail
    }

    /// How many values `proxyAddresses` has.
    pub(crate) fn addresses(&self) -> u64 {
        if self.has_mail() { 1 + u64::from(self.aliases) + u64::from(self.changed(ChangeKind::Alias)) } else { 0 }
    }

    /// Value `place` of `proxyAddresses`: the primary address, aliases, one user in ten with X.500 or SIP.
    pub(crate) fn write_proxy(&self, world: &World, place: u64, out: &mut Vec<u8>) {
        match place {
            0 => {
                text(out, &["SMTP:"]);
                self.write_primary(world, out);
            }
            1 if chance(self.looks >> 12, 1, 10) => {
                if self.looks & 1 == 0 {
                    text(out, &["X500:/o=Contoso/ou=Exchange Administrative Group/cn=Recipients/cn="]);
                    self.write_local(out);
                } else {
                    text(out, &["sip:"]);
                    self.write_address(out);
                }
            }
            1 if self.dirt.duplicate_proxy && self.number > 0 => self.twin(world).write_alias(2, out),
            1 if self.dirt.over_long => {
                text(out, &["smtp:"]);
                out.extend(std::iter::repeat_n(b'x', 300));
                text(out, &["@", MAIL_DOMAIN]);
            }
            _ => self.write_alias(place, out),
        }
    }

    fn write_alias(&self, place: u64, out: &mut Vec<u8>) {
        text(out, &["smtp:alias"]);
        number(out, place);
        text(out, &["."]);
        self.write_address(out);
    }

    pub(crate) fn write_upn(&self, world: &World, out: &mut Vec<u8>) {
        if self.dirt.duplicate_upn && self.number > 0 {
            self.twin(world).write_local(out);
        } else {
            if self.dirt.invalid_upn {
                text(out, &["on leave "]);
            }
            self.write_local(out);
        }
        text(out, &["@", if self.dirt.not_routable { "contoso.local" } else { MAIL_DOMAIN }]);
    }

    /// The manager before steps `from..`.
    pub fn manager_before(&self, world: &World, from: usize) -> Option<Object> {
        let since = world.changes_of(self.number, from)[ChangeKind::Manager as usize];
        let mut before = *self;
        before.changes[ChangeKind::Manager as usize] -= since;
        before.manager(world)
    }

    /// The manager: a tree of eight reports each, some pointing outside, one in ten thousand at itself, one cycle.
    pub fn manager(&self, world: &World) -> Option<Object> {
        let counts = world.counts();
        let moved = u64::from(self.changed(ChangeKind::Manager));
        if moved > 0 {
            let key = self.number ^ (moved << 48);
            return Some(Object::User(draw(world.options().seed, Purpose::Looks, key) % world.reports_end()));
        }
        let pick = (self.looks >> 16) % 10_000;
        if self.number == 0 {
            // 0 -> 9 -> 1 -> 0.
            return (counts.users > 9).then_some(Object::User(9));
        }
        if pick == 0 {
            return Some(Object::User(self.number));
        }
        if pick <= 100 {
            // Nobody there is ever deleted, as the manager must be there after any churn.
            return Some(Object::Service);
        }
        Some(Object::User((self.number / 8) % world.reports_end()))
    }
}

/// Given name, surname, and whether they are written with a comma.
fn names(seed: u64, number: u64, version: u64) -> (Name, Name, bool) {
    let drawn = draw(seed, Purpose::Name, number);
    let other = if version == 0 { drawn } else { draw(seed, Purpose::Name, number ^ (version << 48)) };
    let pick = |from: &'static [Name], draw: u64| from[(draw % from.len() as u64) as usize];
    let beyond = chance(drawn >> 8, 5, 100);
    let given = if beyond { pick(GIVEN_BEYOND_ASCII, drawn >> 16) } else { pick(GIVEN, drawn >> 16) };
    let mark = (drawn >> 32) % 200;
    let surname = if mark == 0 {
        pick(SURNAMES_WITH_APOSTROPHE, other >> 40)
    } else if beyond {
        pick(SURNAMES_BEYOND_ASCII, other >> 40)
    } else {
        pick(SURNAMES, other >> 40)
    };
    (given, surname, mark == 1)
}

fn dirt(seed: u64, number: u64, strict: bool) -> Dirt {
    // Independent draws out of two thousand, so that one user may have several kinds.
    let drawn = draw(seed, Purpose::Dirt, number);
    let at = |place: u64, parts: u64| chance(mix(drawn.wrapping_add(place)), parts, 2_000);
    Dirt {
        duplicate_mail: at(0, 6),
        duplicate_proxy: at(1, 6),
        mail_case: at(2, 40),
        no_mail: at(3, 20),
        not_routable: at(4, 20),
        duplicate_upn: !strict && at(5, 2),
        mail_elsewhere: at(6, 6),
        over_long: at(7, 1),
        invalid_upn: at(8, 2),
        blanks: at(9, 4),
    }
}

pub(crate) fn text(out: &mut Vec<u8>, parts: &[&str]) {
    for part in parts {
        out.extend_from_slice(part.as_bytes());
    }
}

/// A number in decimal digits.
pub(crate) fn number(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}
