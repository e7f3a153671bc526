//! Groups: sizes with a long tail, members by arithmetic progressions over the users, some groups in groups. A member's
//! place in its group is a slot; churn moves the window of slots, so that added and removed members are known at once.

use super::mix::{Purpose, chance, common_divisor, draw};
use super::{Object, World};

/// What a group is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupKind {
    Security,
    /// With addresses.
    MailSecurity,
    Distribution,
}

/// One group, without its members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group {
    pub number: u64,
    pub kind: GroupKind,
    /// Members that are users, at the beginning.
    pub size: u64,
    /// A group that is a member of this one.
    pub nested: Option<u64>,
}

/// One group in so many holds another group.
const NESTING_ONE_IN: u64 = 10;
/// How deep groups nest.
const DEPTH: u64 = 6;
/// One member in so many is outside the selected unit.
const OUTSIDE_ONE_IN: u64 = 100;

const LARGEST: u64 = 50_000;
const LARGE: u64 = 10_000;
const LARGE_GROUPS: u64 = 10;
/// Half of the groups are no larger.
const MEDIAN: f64 = 8.0;
/// The exponent of the long tail (Zipf).
const TAIL: f64 = 1.1;

impl Group {
    pub(super) fn of(world: &World, number: u64) -> Group {
        let looks = draw(world.options().seed, Purpose::Group, number);
        let kind = match looks % 10 {
            0..=6 => GroupKind::Security,
            7 => GroupKind::MailSecurity,
            _ => GroupKind::Distribution,
        };
        Group { number, kind, size: size(world, number), nested: nested(world, number) }
    }

    pub(crate) fn write_name(&self, out: &mut Vec<u8>) {
        const WORDS: [&str; 6] = ["Sales", "Projekt Größe", "Readers", "Everyone in", "Editors", "Équipe"];
        let word = WORDS[(self.number % 6) as usize];
        out.extend_from_slice(format!("{word} G{}", self.number).as_bytes());
    }

    pub fn has_mail(&self) -> bool {
        self.kind != GroupKind::Security
    }

    pub fn group_type(&self) -> i32 {
        // Global (2), and with the highest bit a security group (MS-ADTS 2.2.12).
        match self.kind {
            GroupKind::Distribution => 2,
            GroupKind::Security | GroupKind::MailSecurity => i32::MIN | 2,
        }
    }

    /// All members as they are now, in the order in which ranges are counted.
    pub fn members<'a>(&self, world: &'a World) -> impl Iterator<Item = Object> + use<'a> {
        let (low, high) = world.window(self.number, self.size, world.steps());
        self.nested.map(Object::Group).into_iter().chain(self.slots(world, low, high))
    }

    /// Members added and removed by steps `from..`, as far as they are there: who was deleted is not told of here.
    pub fn changes<'a>(
        &self,
        world: &'a World,
        from: usize,
    ) -> (impl Iterator<Item = Object> + use<'a>, impl Iterator<Item = Object> + use<'a>) {
        let (old_low, old_high) = world.window(self.number, self.size, from);
        let (low, high) = world.window(self.number, self.size, world.steps());
        (self.slots(world, old_high.max(low), high), self.slots(world, old_low, low.min(old_high)))
    }

    fn slots<'a>(&self, world: &'a World, low: u64, high: u64) -> impl Iterator<Item = Object> + use<'a> {
        let slots = Slots::of(world, self.number);
        (low..high).map(move |slot| slots.user(slot)).filter(|user| !world.is_deleted(*user)).map(Object::User)
    }
}

fn size(world: &World, number: u64) -> u64 {
    let counts = world.counts();
    match number {
        0 => LARGEST.min(counts.users / 2),
        _ if number <= LARGE_GROUPS => LARGE.min(counts.users / 10),
        _ => {
            let rank = (number - LARGE_GROUPS) as f64;
            let middle = (counts.groups / 2).max(1) as f64;
            let size = MEDIAN * (rank / middle).powf(-TAIL);
            (size as u64).clamp(1, LARGE.min(counts.users / 10))
        }
    }
}

/// Chains of groups below groups; the end of the first chain holds its beginning: a cycle.
fn nested(world: &World, number: u64) -> Option<u64> {
    let groups = world.counts().groups;
    if number % NESTING_ONE_IN != 3 {
        return None;
    }
    let link = number / NESTING_ONE_IN;
    let below = number + NESTING_ONE_IN;
    if link % DEPTH + 1 < DEPTH && below < groups {
        return Some(below);
    }
    if link + 1 == DEPTH {
        return Some(3);
    }
    let plain = number + 1;
    (plain < groups).then_some(plain)
}

/// How a group's slots are laid over the users: one progression inside the selected unit, one outside.
#[derive(Debug, Clone, Copy)]
struct Slots {
    inside: Walk,
    outside: Walk,
    first_outside: u64,
    phase: u64,
}

/// Visits every one of `count` numbers once before it repeats.
#[derive(Debug, Clone, Copy)]
struct Walk {
    start: u64,
    stride: u64,
    count: u64,
}

impl Walk {
    fn new(world: &World, key: u64, count: u64) -> Walk {
        let seed = world.options().seed;
        let count = count.max(1);
        let mut stride = draw(seed, Purpose::Stride, key) % count;
        while common_divisor(stride.max(1), count) != 1 || stride == 0 {
            stride = (stride + 1) % count.max(2);
            if count <= 2 {
                stride = 1;
                break;
            }
        }
        Walk { start: draw(seed, Purpose::Offset, key) % count, stride, count }
    }

    fn at(&self, place: u64) -> u64 {
        let moved = u128::from(self.stride) * u128::from(place) + u128::from(self.start);
        (moved % u128::from(self.count)) as u64
    }
}

impl Slots {
    fn of(world: &World, group: u64) -> Slots {
        let counts = world.counts();
        Slots {
            inside: Walk::new(world, 2 * group, counts.inside),
            outside: Walk::new(world, 2 * group + 1, counts.users - counts.inside),
            first_outside: counts.inside,
            phase: draw(world.options().seed, Purpose::Looks, group) % OUTSIDE_ONE_IN,
        }
    }

    fn user(&self, slot: u64) -> u64 {
        let outside = (slot + self.phase) / OUTSIDE_ONE_IN - self.phase / OUTSIDE_ONE_IN;
        if (slot + self.phase) % OUTSIDE_ONE_IN == OUTSIDE_ONE_IN - 1 {
            return self.first_outside + self.outside.at(outside);
        }
        self.inside.at(slot - outside)
    }
}

/// Whether a group carries a mark that keeps it out of the cloud.
pub(super) fn is_excluded(world: &World, number: u64) -> bool {
    chance(draw(world.options().seed, Purpose::Dirt, number ^ (1 << 41)), 2, 100)
}
