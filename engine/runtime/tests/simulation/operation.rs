//! What happens in a world: drawn whole from the seed before anything runs, in words that mean the same whatever became of it so
//! far. So a twin lives through the same without the faults.

use crate::moments::Moment;
use crate::random::Random;
use crate::rules::CHANGES;
use std::collections::BTreeSet;

pub(crate) const PERSONS: usize = 7;
pub(crate) const GROUPS: usize = 3;
pub(crate) const CONNECTORS: [&str; 3] = ["hr", "crm", "dir"];
pub(crate) const TITLES: [&str; 4] = ["Chef", "Cook", "Baker", ""];
/// Containers by number: the second stands in the first.
pub(crate) const UNITS: usize = 3;
const HOUR: i64 = 3_600_000_000;
pub(crate) const DAY: i64 = 24 * HOUR;

/// Something that somebody does to a connected system.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Change {
    Put {
        crm: bool,
        person: usize,
    },
    /// hr comes to know somebody whom crm knows, and nothing else of him: what it adds is the link alone.
    Bare {
        person: usize,
    },
    Remove {
        crm: bool,
        person: usize,
    },
    Title {
        crm: bool,
        person: usize,
        title: usize,
    },
    Department {
        person: usize,
        department: usize,
    },
    /// `local` leaves the target, `filtered` leaves the metaverse.
    Kind {
        person: usize,
        kind: usize,
    },
    /// Out of the containers that are read, and back.
    Hide {
        person: usize,
        hidden: bool,
    },
    Until {
        person: usize,
        day: i64,
    },
    Manager {
        person: usize,
        manager: usize,
    },
    /// Numbers above those of the persons are groups; one of them never exists.
    Members {
        group: usize,
        members: Vec<usize>,
    },
    RemoveGroup {
        group: usize,
    },
    Name {
        person: usize,
        version: usize,
    },
    Place {
        person: usize,
        unit: usize,
    },
    Unit {
        unit: usize,
        exists: bool,
    },
    /// A container gets another name, and takes everything along.
    RenameUnit {
        unit: usize,
        version: usize,
    },
    /// The source tells something that the rules cannot take.
    Broken {
        person: usize,
    },
    /// Somebody else writes to the target.
    Drift {
        person: usize,
        title: usize,
    },
    TargetRemoved {
        person: usize,
    },
    /// The target refuses this person's names until further notice, and says that another try is pointless; or takes them again.
    Refuse {
        person: usize,
    },
    // From here on join keys are no longer unique and unchanged.
    Mail {
        person: usize,
        other: usize,
    },
    Number {
        crm: bool,
        person: usize,
        other: usize,
    },
    /// An object of the target that the engine did not create.
    Existing {
        person: usize,
        stamp: Option<usize>,
    },
    Role {
        person: usize,
        has: bool,
    },
    /// A second object of one source says that it is the same person; or is gone again.
    Double {
        crm: bool,
        person: usize,
        exists: bool,
    },
}

/// Something that an operator or the schedule does.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Step {
    Profile { connector: &'static str, profile: &'static str },
    Cycle { initial: bool },
}

/// An operator's word about one object.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Order {
    Join { connector: &'static str, person: usize, to: usize },
    UndoJoin { connector: &'static str, person: usize },
    Disconnect { connector: &'static str, person: usize },
    UndoDisconnect { connector: &'static str, person: usize },
}

/// What goes wrong while a step runs. A twin has none of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Fault {
    /// The process is lost.
    Lost {
        moment: Moment,
    },
    /// A full read breaks after so many objects.
    BrokenRead {
        after: usize,
    },
    /// A source cannot tell this person.
    Unreadable {
        crm: bool,
        person: usize,
    },
    ForgottenWatermark {
        connector: &'static str,
    },
    /// The target is unreliable.
    Weather {
        draws: u64,
        busy: u64,
        bad: u64,
    },
    RolesOutOfReach,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Operation {
    Change(Change),
    Step(Step, Option<Fault>),
    Wait { time: i64 },
    Approve,
    Rules { version: usize },
    Order(Order),
}

/// How well the objects of a world can be told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keys {
    /// Join keys are unique and unchanged, and nobody gives orders: a twin and a fresh deployment end in the same state.
    Unique,
    /// Several objects claim to be one person, and none of them ever says otherwise.
    Doubled,
    /// Anything.
    Wild,
}

/// A world before it begins.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) keys: Keys,
    /// Unique keys.
    pub(crate) calm: bool,
    pub(crate) has_units: bool,
    /// 0: dates end a membership of the target; 1: they change a value.
    pub(crate) dates: usize,
    pub(crate) grace_days: u32,
    pub(crate) reviews: bool,
    pub(crate) guard: Option<u64>,
    pub(crate) recalls: bool,
    pub(crate) shouts: bool,
    pub(crate) matches_itself: bool,
    /// The sources tell changes instead of whole objects.
    pub(crate) tells_changes: bool,
    pub(crate) delay: u32,
    pub(crate) read: usize,
    pub(crate) batch: usize,
    pub(crate) page: usize,
    /// Threads that decide: the same comes of any number.
    pub(crate) workers: usize,
    pub(crate) export_page: usize,
    pub(crate) shuffle: u64,
    /// Persons who stand in the target before the first run; nothing happens to them that ends a takeover.
    pub(crate) adopted: usize,
    pub(crate) operations: Vec<Operation>,
}

impl Plan {
    pub(crate) fn draw(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let random = &mut random;
        let keys = random.pick(&[Keys::Unique, Keys::Unique, Keys::Unique, Keys::Doubled, Keys::Wild, Keys::Wild]);
        let calm = keys == Keys::Unique;
        let mut plan = Plan {
            keys,
            calm,
            has_units: random.one_in(2),
            dates: random.below(2),
            grace_days: random.pick(&[0, 3]),
            reviews: random.one_in(4),
            guard: random.one_in(4).then(|| random.pick(&[2, 3, 4])),
            recalls: calm || !random.one_in(4),
            shouts: random.one_in(5),
            matches_itself: random.one_in(2),
            tells_changes: random.one_in(3),
            delay: random.pick(&[0, 0, 1, 2, 3]),
            read: 1 + random.below(6),
            batch: 1 + random.below(5),
            page: random.pick(&[1, 2, 3, 5, 100]),
            workers: if seed.is_multiple_of(2) { 1 } else { 3 },
            export_page: random.pick(&[1, 2, 4, 100]),
            shuffle: random.next() % 1_000,
            adopted: random.pick(&[0, 1, 2]),
            operations: Vec::new(),
        };
        // A place that outlives its source is told of no renamed container.
        plan.has_units &= plan.recalls;
        plan.populate(random);
        let length = 12 + random.below(24);
        for _ in 0..length {
            let operation = plan.operation(random);
            plan.operations.push(operation);
        }
        plan
    }

    fn change(&mut self, change: Change) {
        self.operations.push(Operation::Change(change));
    }

    fn populate(&mut self, random: &mut Random) {
        if self.has_units {
            (0..UNITS).for_each(|unit| self.change(Change::Unit { unit, exists: true }));
        }
        for person in 1..=PERSONS {
            if person <= self.adopted || !random.one_in(4) {
                self.change(Change::Put { crm: false, person });
            }
            if random.one_in(2) {
                self.change(Change::Put { crm: true, person });
            }
            if self.has_units {
                self.change(Change::Place { person, unit: random.below(UNITS + 1) });
            }
            if person > self.adopted && random.one_in(4) {
                self.change(Change::Kind { person, kind: random.below(2) });
            }
            if self.keys == Keys::Doubled && random.one_in(2) {
                self.change(Change::Double { crm: random.one_in(4), person, exists: true });
            }
            if random.one_in(3) {
                self.change(Change::Manager { person, manager: 1 + random.below(PERSONS) });
            }
        }
        for person in 1..=self.adopted {
            self.change(Change::Existing { person, stamp: None });
        }
        for group in 0..GROUPS {
            if random.one_in(2) {
                let members = members(random);
                self.change(Change::Members { group, members });
            }
        }
        if self.calm && self.adopted > 0 {
            // Whoever exports before the target was read creates what stands there already: not a question of faults.
            self.operations.push(Operation::Step(Step::Cycle { initial: true }, None));
        } else if !random.one_in(4) {
            let fault = self.fault(random);
            self.operations.push(Operation::Step(Step::Cycle { initial: true }, fault));
        }
    }

    fn operation(&self, random: &mut Random) -> Operation {
        match random.below(100) {
            0..56 => Operation::Change(self.drawn_change(random)),
            56..90 => {
                let fault = self.fault(random);
                Operation::Step(step(random), fault)
            }
            90..94 => Operation::Wait { time: random.pick(&[HOUR, DAY, 2 * DAY, 4 * DAY]) },
            94..97 => Operation::Approve,
            97..98 if self.keys == Keys::Wild => Operation::Order(order(random)),
            97..99 => Operation::Rules { version: random.below(CHANGES) },
            _ if self.keys == Keys::Wild => Operation::Order(order(random)),
            _ => Operation::Step(Step::Cycle { initial: false }, None),
        }
    }

    /// Persons to whom anything may happen.
    fn anybody(&self, random: &mut Random) -> usize {
        let first = if self.calm { self.adopted } else { 0 };
        1 + first + random.below(PERSONS - first)
    }

    fn drawn_change(&self, random: &mut Random) -> Change {
        let person = self.anybody(random);
        let crm = random.one_in(2);
        if self.keys == Keys::Doubled && random.one_in(3) {
            return match random.below(5) {
                0 => Change::Role { person, has: random.one_in(2) },
                1 => Change::Existing { person, stamp: None },
                _ => Change::Double { crm, person, exists: !random.one_in(3) },
            };
        }
        if self.keys == Keys::Wild && random.one_in(4) {
            return match random.below(5) {
                0 => Change::Mail { person, other: 1 + random.below(PERSONS) },
                1 => Change::Number { crm, person, other: 1 + random.below(PERSONS) },
                2 => Change::Role { person, has: random.one_in(2) },
                _ => Change::Existing { person, stamp: random.one_in(3).then(|| 1 + random.below(PERSONS + 2)) },
            };
        }
        match random.below(50) {
            0..6 => Change::Put { crm, person },
            6 => Change::Bare { person },
            7..11 => Change::Remove { crm, person },
            11..16 => Change::Title { crm, person, title: random.below(TITLES.len()) },
            16..18 => Change::Department { person, department: random.below(3) },
            18..21 => Change::Kind { person, kind: random.below(4) },
            21..23 => Change::Hide { person, hidden: random.one_in(2) },
            23..25 => Change::Until { person, day: i64::try_from(random.below(12)).unwrap_or(0) },
            25..27 => Change::Manager { person, manager: random.below(PERSONS + 1) },
            27..32 => Change::Members { group: random.below(GROUPS), members: members(random) },
            32 => Change::RemoveGroup { group: random.below(GROUPS) },
            33..35 => Change::Name { person: 1 + random.below(PERSONS), version: random.below(3) },
            35..37 if self.has_units => Change::Place { person, unit: random.below(UNITS + 1) },
            37 if self.has_units => Change::Unit { unit: random.below(UNITS), exists: random.one_in(2) },
            38 if self.has_units => Change::RenameUnit { unit: random.below(UNITS), version: random.below(2) },
            35..39 => Change::Title { crm, person, title: random.below(TITLES.len()) },
            39 => Change::Broken { person },
            40..42 => Change::Drift { person, title: random.below(3) },
            42..44 => Change::TargetRemoved { person },
            44..48 => Change::Kind { person, kind: random.below(4) },
            _ => Change::Refuse { person },
        }
    }

    fn fault(&self, random: &mut Random) -> Option<Fault> {
        Some(match random.below(22) {
            20.. => Fault::Unreadable { crm: random.one_in(2), person: 1 + random.below(PERSONS) },
            0..3 => Fault::Lost { moment: Moment::Any(1 + random.next() % 60) },
            3..6 => Fault::Lost { moment: Moment::Write(1 + random.next() % 12) },
            6 => Fault::BrokenRead { after: random.below(6) },
            7 => Fault::Unreadable { crm: random.one_in(2), person: 1 + random.below(PERSONS) },
            8 => Fault::ForgottenWatermark { connector: random.pick(&CONNECTORS) },
            9..13 => Fault::Weather {
                draws: random.next(),
                busy: random.pick(&[0, 20, 60]),
                bad: random.pick(&[20, 50, 90]),
            },
            13 if !self.calm => Fault::RolesOutOfReach,
            _ => return None,
        })
    }

    /// Persons and groups that nothing in this plan takes out of the target.
    pub(crate) fn stays(&self) -> BTreeSet<String> {
        let changes = || {
            self.operations.iter().filter_map(|operation| match operation {
                Operation::Change(change) => Some(change),
                _ => None,
            })
        };
        let versions = || self.operations.iter().any(|operation| matches!(operation, Operation::Rules { .. }));
        let leaves = |person: usize| {
            changes().any(|change| match change {
                Change::Remove { person: other, .. }
                | Change::Kind { person: other, .. }
                | Change::Hide { person: other, .. }
                | Change::Until { person: other, .. }
                | Change::TargetRemoved { person: other } => *other == person,
                Change::Title { person: other, title, .. } => {
                    *other == person && TITLES[*title] == "Baker" && versions()
                }
                _ => false,
            })
        };
        let group_leaves = |group: usize| changes().any(|change| *change == Change::RemoveGroup { group });
        let persons = (1..=PERSONS).filter(|person| !leaves(*person)).map(|person| person.to_string());
        let groups = (0..GROUPS).filter(|group| !group_leaves(*group)).map(|group| format!("g{group}"));
        persons.chain(groups).collect()
    }
}

fn members(random: &mut Random) -> Vec<usize> {
    let number = random.below(6);
    (0..number).map(|_| 1 + random.below(PERSONS + GROUPS + 1)).collect()
}

fn step(random: &mut Random) -> Step {
    let connector = random.pick(&CONNECTORS);
    match random.below(20) {
        0..6 => Step::Profile { connector, profile: "delta-import" },
        6..9 => Step::Profile { connector, profile: "full-import" },
        9..11 => Step::Profile { connector, profile: "delta-synchronization" },
        11 => Step::Profile { connector, profile: "full-synchronization" },
        12..15 => Step::Profile { connector: "dir", profile: "export" },
        15..19 => Step::Cycle { initial: false },
        _ => Step::Cycle { initial: true },
    }
}

fn order(random: &mut Random) -> Order {
    let connector = random.pick(&CONNECTORS);
    let person = 1 + random.below(PERSONS);
    match random.below(5) {
        0 | 1 => Order::Join { connector, person, to: 1 + random.below(PERSONS) },
        2 => Order::UndoJoin { connector, person },
        3 => Order::Disconnect { connector, person },
        _ => Order::UndoDisconnect { connector, person },
    }
}
