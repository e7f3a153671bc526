//! What a step of churn changes: sets of objects that are arithmetic progressions, so that "which objects did this step
//! touch" and "did this step touch that object" are both answered without a list. A world's history is a list of steps.

use super::mix::{Purpose, draw};
use super::{AREAS, Attribute, Object, Person, World};
use std::sync::Arc;

/// One step of change, applied as if by administrators between two imports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// 1 % of the users and groups modified.
    Delta1,
    /// 1 % of the users deleted, 1 % created, 5 % of users and groups modified: the churn Microsoft names as typical.
    DeltaMs,
    /// The title of exactly so many users in scope.
    Users(u64),
    /// Members added to and removed from one group. Group 0 is the largest.
    Members { group: u64, add: u64, remove: u64 },
    /// One area of ten gets another name: a tenth of the users in scope stand below it.
    RenameArea(u8),
}

/// What a step did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Applied {
    pub created: u64,
    pub deleted: u64,
    /// Users of whom something changed that the connector may select.
    pub modified_users: u64,
    /// Users of whom only `comment` changed, which nothing selects.
    pub unselected_users: u64,
    pub modified_groups: u64,
    pub members_added: u64,
    pub members_removed: u64,
    pub renamed_containers: u64,
    /// `highestCommittedUSN` afterwards.
    pub usn: u64,
}

/// What changed of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// Only an attribute that nothing selects.
    Comment,
    Title,
    Department,
    Telephone,
    Office,
    /// One more proxy address.
    Alias,
    Manager,
    /// Enabled or disabled.
    Enabled,
    /// To another team.
    Move,
    /// Another surname: renames the object.
    Surname,
    Street,
}

impl ChangeKind {
    /// One change in ten is of nothing that is selected.
    fn drawn(draw: u64) -> ChangeKind {
        match draw % 20 {
            0 | 1 => ChangeKind::Comment,
            2..=6 => ChangeKind::Title,
            7..=9 => ChangeKind::Department,
            10..=12 => ChangeKind::Telephone,
            13 => ChangeKind::Office,
            14 => ChangeKind::Alias,
            15 => ChangeKind::Manager,
            16 => ChangeKind::Enabled,
            17 => ChangeKind::Move,
            18 => ChangeKind::Surname,
            _ => ChangeKind::Street,
        }
    }

    /// The replicated attributes that have another value afterwards.
    pub fn attributes(self) -> &'static [Attribute] {
        match self {
            ChangeKind::Comment => &[Attribute::Comment],
            ChangeKind::Title => &[Attribute::Title],
            ChangeKind::Department => &[Attribute::Department],
            ChangeKind::Telephone => &[Attribute::TelephoneNumber],
            ChangeKind::Office => &[Attribute::PhysicalDeliveryOfficeName, Attribute::Mobile],
            ChangeKind::Alias => &[Attribute::ProxyAddresses],
            ChangeKind::Manager => &[Attribute::Manager],
            ChangeKind::Enabled => &[Attribute::UserAccountControl],
            // The place of an object is no attribute of its own: `name` stands for it.
            ChangeKind::Move => &[Attribute::Name],
            ChangeKind::Surname => &[Attribute::Sn, Attribute::DisplayName, Attribute::Name, Attribute::Cn],
            ChangeKind::Street => &[Attribute::StreetAddress],
        }
    }
}

/// How often each kind of change happened to a user.
pub(super) const KINDS: usize = 11;

/// A step with what was known when it was applied.
#[derive(Debug, Clone)]
pub(super) struct StepRecord {
    step: Step,
    parts: Vec<Progression>,
    number: u64,
    /// The USN before the step; an object that it touches gets this plus one plus its ordinal.
    usn: u64,
    /// Users created before this step, and by it.
    created_before: u64,
    creates: u64,
}

/// Objects `start`, `start + stride`, ... of one kind.
#[derive(Debug, Clone, Copy)]
struct Progression {
    what: What,
    start: u64,
    stride: u64,
    count: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Modified,
    Deleted,
    Created,
    Group,
    Area,
}

impl Progression {
    fn new(what: What, start: u64, stride: u64, end: u64) -> Progression {
        let count = if start < end { (end - start).div_ceil(stride) } else { 0 };
        Progression { what, start, stride, count }
    }

    fn contains(&self, number: u64) -> bool {
        number >= self.start
            && (number - self.start).is_multiple_of(self.stride)
            && (number - self.start) / self.stride < self.count
    }

    fn nth(&self, at: u64) -> Object {
        let number = self.start + at * self.stride;
        match self.what {
            What::Modified | What::Deleted | What::Created => Object::User(number),
            What::Group => Object::Group(number),
            What::Area => Object::Container(super::tree::area((number % u64::from(AREAS)) as u8)),
        }
    }
}

/// Deleted users are one in so many of those that nobody reports to.
const DELETED_ONE_IN: u64 = 87;

impl World {
    fn parts_of(&self, step: Step, number: u64, created_before: u64, creates: u64) -> Vec<Progression> {
        let counts = self.counts();
        let at = |stride: u64, what: u64| draw(self.options().seed, Purpose::Step, number * 8 + what) % stride;
        let users = counts.users + created_before;
        match step {
            Step::Delta1 => vec![
                Progression::new(What::Modified, at(100, 0), 100, users),
                Progression::new(What::Group, at(100, 1), 100, counts.groups),
            ],
            Step::DeltaMs => vec![
                Progression::new(
                    What::Deleted,
                    self.reports_end() + at(DELETED_ONE_IN, 2),
                    DELETED_ONE_IN,
                    counts.users,
                ),
                Progression::new(What::Created, users, 1, users + creates),
                Progression::new(What::Modified, at(20, 3), 20, users),
                Progression::new(What::Group, at(20, 4), 20, counts.groups),
            ],
            Step::Users(wanted) => {
                let wanted = wanted.clamp(1, counts.inside);
                let stride = counts.inside / wanted;
                vec![Progression { what: What::Modified, start: at(stride, 5), stride, count: wanted }]
            }
            Step::Members { group, .. } => vec![Progression::new(What::Group, group, 1, counts.groups.min(group + 1))],
            Step::RenameArea(area) => {
                vec![Progression { what: What::Area, start: u64::from(area % AREAS), stride: 1, count: 1 }]
            }
        }
    }

    /// Users with smaller numbers have somebody who reports to them, and are never deleted.
    pub(super) fn reports_end(&self) -> u64 {
        self.counts().users.div_ceil(8)
    }

    /// Users that churn has created so far.
    pub fn created(&self) -> u64 {
        self.journal.last().map_or(0, |record| record.created_before + record.creates)
    }

    /// How many steps were applied.
    pub fn steps(&self) -> usize {
        self.journal.len()
    }

    /// `highestCommittedUSN`.
    pub fn usn(&self) -> u64 {
        match self.journal.last() {
            // Every object has a place of its own in a step, so the last one that there is ends it.
            Some(record) => record.usn + self.base_len() + record.created_before + record.creates,
            None => FIRST_USN + self.base_len(),
        }
    }

    /// `uSNCreated` of an object.
    pub fn usn_created(&self, object: Object) -> u64 {
        match object {
            Object::User(number) if number >= self.counts().users => {
                let created = number - self.counts().users;
                let by = self.journal.iter().find(|record| created < record.created_before + record.creates);
                by.map_or(0, |record| record.usn + 1 + self.ordinal(object))
            }
            _ => FIRST_USN + 1 + self.ordinal(object),
        }
    }

    /// `uSNChanged` of an object.
    pub fn usn_changed(&self, object: Object) -> u64 {
        let last = self.journal.iter().rev().find(|record| self.touches(record, object));
        last.map_or_else(|| self.usn_created(object), |record| record.usn + 1 + self.ordinal(object))
    }

    fn touches(&self, record: &StepRecord, object: Object) -> bool {
        let gone_before = match object {
            Object::User(number) => self.deleted_by(number).is_some_and(|step| step < record.number),
            _ => false,
        };
        !gone_before
            && record.parts.iter().any(|progression| match (progression.what, object) {
                (What::Modified | What::Deleted | What::Created, Object::User(number))
                | (What::Group, Object::Group(number)) => progression.contains(number),
                (What::Area, Object::Container(_)) => progression.nth(0) == object,
                _ => false,
            })
    }

    /// The step that deleted a user.
    fn deleted_by(&self, user: u64) -> Option<u64> {
        if self.journal.is_empty() || user < self.reports_end() || user >= self.counts().users {
            return None;
        }
        let deletes = |record: &&StepRecord| {
            record.parts.iter().any(|progression| progression.what == What::Deleted && progression.contains(user))
        };
        self.journal.iter().find(deletes).map(|record| record.number)
    }

    pub fn is_deleted(&self, user: u64) -> bool {
        self.deleted_by(user).is_some()
    }

    /// How often each kind of change happened to a user in steps `from..`.
    pub(super) fn changes_of(&self, user: u64, from: usize) -> [u16; KINDS] {
        let mut changes = [0; KINDS];
        for record in self.journal.iter().skip(from) {
            if let Some(kind) = self.change_of(record, user) {
                changes[kind as usize] += 1;
            }
        }
        changes
    }

    fn change_of(&self, record: &StepRecord, user: u64) -> Option<ChangeKind> {
        let modified =
            record.parts.iter().any(|progression| progression.what == What::Modified && progression.contains(user));
        if !modified || self.deleted_by(user).is_some_and(|step| step <= record.number) {
            return None;
        }
        if let Step::Users(_) = record.step {
            return Some(ChangeKind::Title);
        }
        let kind = ChangeKind::drawn(draw(self.options().seed, Purpose::Change, user ^ (record.number << 40)));
        // Who stands outside stays there: whether somebody enters or leaves is a step of its own.
        let outside = kind == ChangeKind::Move && !self.is_inside(user);
        Some(if outside { ChangeKind::Title } else { kind })
    }

    /// Whether a user belongs to the selected unit.
    pub fn is_inside(&self, user: u64) -> bool {
        user < self.counts().inside || user >= self.counts().users
    }

    /// The first and the last slot of a group's members after the first `steps` steps.
    pub(super) fn window(&self, group: u64, size: u64, steps: usize) -> (u64, u64) {
        let (mut low, mut high) = (0, size);
        for record in self.journal.iter().take(steps) {
            let touched =
                record.parts.iter().any(|progression| progression.what == What::Group && progression.contains(group));
            if touched {
                let (add, remove) = match record.step {
                    Step::Members { add, remove, .. } => (add, remove),
                    _ => (1, 1),
                };
                high += add;
                low = (low + remove).min(high);
            }
        }
        (low, high)
    }

    /// How many objects, repeated ones counted each time, one step has touched; they are numbered from 0.
    pub fn touched_len(&self, step: usize) -> u64 {
        let record = self.journal.get(step);
        record.map_or(0, |record| record.parts.iter().map(|progression| progression.count).sum())
    }

    /// The object that a step touched as number `at`; `None` when it was gone before, or is named again by this step.
    pub fn touched(&self, step: usize, at: u64) -> Option<Object> {
        let record = self.journal.get(step)?;
        let mut rest = at;
        for progression in &record.parts {
            if rest >= progression.count {
                rest -= progression.count;
                continue;
            }
            let object = progression.nth(rest);
            let Object::User(user) = object else { return Some(object) };
            let gone = self.deleted_by(user).is_some_and(|by| match progression.what {
                What::Deleted => by < record.number,
                _ => by <= record.number,
            });
            return (!gone).then_some(object);
        }
        None
    }

    /// Whether a later one of the steps before `to` touches the object as well.
    pub fn is_touched_later(&self, object: Object, step: usize, to: usize) -> bool {
        let later = self.journal.get(step + 1..to.min(self.journal.len())).unwrap_or_default();
        later.iter().any(|record| self.touches(record, object))
    }

    /// Whether steps `from..` created the object.
    pub fn is_created_since(&self, object: Object, from: usize) -> bool {
        let Object::User(number) = object else { return false };
        let known = self.journal.get(from).map_or_else(|| self.created(), |record| record.created_before);
        number >= self.counts().users + known
    }

    /// The kinds of changes that happened to a user in steps `from..`.
    pub fn changes_since(&self, person: &Person, from: usize) -> Vec<ChangeKind> {
        let counts = self.changes_of(person.number, from);
        ALL_KINDS.into_iter().filter(|kind| counts[*kind as usize] > 0).collect()
    }

    /// The first step that gave USNs of at least `usn`; `None` when some were given before all steps.
    pub fn steps_from_usn(&self, usn: u64) -> Option<usize> {
        if usn <= FIRST_USN + self.base_len() {
            return None;
        }
        let end = |record: &StepRecord| record.usn + self.base_len() + record.created_before + record.creates;
        Some(self.journal.iter().position(|record| end(record) >= usn).unwrap_or(self.journal.len()))
    }

    /// Changes the world, and says what that means.
    pub fn apply(&mut self, step: Step) -> Applied {
        let before = self.journal.len();
        let (number, created_before) = (before as u64, self.created());
        let creates = if step == Step::DeltaMs { self.counts().users / 100 } else { 0 };
        let parts = self.parts_of(step, number, created_before, creates);
        let record = StepRecord { step, parts, number, usn: self.usn(), created_before, creates };
        self.journal.push(record.clone());
        if let Step::RenameArea(area) = step {
            let at = super::tree::area(area % AREAS) as usize;
            if let Some(container) = Arc::make_mut(&mut self.containers).get_mut(at) {
                container.name = format!("Area {} renamed {}", area % AREAS, before + 1);
            }
        }
        let mut applied = Applied { usn: self.usn(), ..Applied::default() };
        for progression in &record.parts {
            for at in 0..progression.count {
                match (progression.what, progression.nth(at)) {
                    (What::Created, _) => applied.created += 1,
                    (What::Area, _) => applied.renamed_containers += 1,
                    (What::Deleted, Object::User(user)) => {
                        applied.deleted += u64::from(self.deleted_by(user) == Some(record.number));
                    }
                    (What::Modified, Object::User(user)) => match self.change_of(&record, user) {
                        Some(ChangeKind::Comment) => applied.unselected_users += 1,
                        Some(_) => applied.modified_users += 1,
                        None => {}
                    },
                    (What::Group, Object::Group(group)) => {
                        applied.modified_groups += 1;
                        let group = self.group(group);
                        let (added, removed) = group.changes(self, before);
                        applied.members_added += added.count() as u64;
                        applied.members_removed += removed.count() as u64;
                    }
                    _ => {}
                }
            }
        }
        applied
    }
}

const FIRST_USN: u64 = 10_000;

const ALL_KINDS: [ChangeKind; KINDS] = [
    ChangeKind::Comment,
    ChangeKind::Title,
    ChangeKind::Department,
    ChangeKind::Telephone,
    ChangeKind::Office,
    ChangeKind::Alias,
    ChangeKind::Manager,
    ChangeKind::Enabled,
    ChangeKind::Move,
    ChangeKind::Surname,
    ChangeKind::Street,
];
