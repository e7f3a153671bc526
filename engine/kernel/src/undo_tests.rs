//! SF11: what undoing a takeover writes, what it leaves, and why it refuses.

use crate::view::{Ownership, Privilege};
use crate::*;
use expect_test::{Expect, expect};
use metaverse_schema::{Anchor, AttributeName, Attributes, Reference, Value, Values};
use std::collections::{BTreeMap, BTreeSet};

const DAY: i64 = 86_400_000_000;

/// `name=one,two; other=three`; `manager=@id` is a reference.
fn attributes(text: &str) -> Attributes {
    let mut attributes = Attributes::new();
    for part in text.split("; ").filter(|part| !part.is_empty()) {
        let (name, values) = part.split_once('=').unwrap();
        let value = |text: &str| match text.strip_prefix('@') {
            Some(id) => Value::Reference(Reference::Anchor(Anchor::Text(id.to_owned()))),
            None => Value::text(text),
        };
        attributes.set(name, values.split(',').map(value).collect::<Values>());
    }
    attributes
}

fn names(text: &str) -> BTreeSet<AttributeName> {
    text.split(' ').filter(|name| !name.is_empty()).map(AttributeName::new).collect()
}

/// As Connect mode tells it of users.
fn reach() -> UndoReach {
    UndoReach {
        first: names("displayName proxyAddresses usageLocation"),
        afterwards: names("otherMails manager"),
        mastered: names("displayName proxyAddresses"),
        stamp: Some("onPremisesImmutableId".into()),
        never: BTreeMap::from([("onPremisesDomainName".into(), "a fact of the tenant".to_owned())]),
    }
}

struct World {
    kept: KeptFacts,
    present: Option<Attributes>,
    reach: Option<UndoReach>,
    owned: BTreeSet<AttributeName>,
    facts: UndoFacts<'static>,
}

fn world(kept: &str, manager: Option<&str>, present: &str) -> World {
    static NONE: BTreeSet<AttributeName> = BTreeSet::new();
    let references = manager.map(|id| ("manager".into(), Anchor::Text(id.to_owned()))).into_iter().collect();
    World {
        kept: KeptFacts { at: 0, attributes: attributes(kept), references: Some(references) },
        present: Some(attributes(present)),
        reach: Some(reach()),
        owned: BTreeSet::new(),
        facts: UndoFacts {
            ownership: Some(Ownership::Adopted),
            kept: None,
            present: None,
            reach: None,
            authority: UndoAuthority::Engine,
            owned: &NONE,
            stamp: None,
            privilege: None,
            is_in_flight: false,
            is_begun: false,
            now: 10 * DAY,
        },
    }
}

impl World {
    fn told(&self) -> String {
        let facts = UndoFacts {
            kept: Some(&self.kept),
            present: self.present.as_ref(),
            reach: self.reach.as_ref(),
            owned: &self.owned,
            ..self.facts.clone()
        };
        match decide_undo(&facts) {
            Err(refusal) => refusal.code,
            Ok(plan) => {
                let values = |values: &Values| values.iter().map(Value::to_string).collect::<Vec<_>>().join(",");
                let line = |line: &UndoLine| {
                    let way = match &line.way {
                        UndoWay::Stays { reason } => format!("stays: {reason}"),
                        way => format!("{way:?}"),
                    };
                    format!(
                        "{}: {} | {} | {} ({way})\n",
                        line.attribute,
                        values(&line.kept),
                        values(&line.now),
                        values(line.will())
                    )
                };
                let mut told: String = plan.lines.iter().map(line).collect();
                let reference =
                    |change: &UndoReference| format!("{}{} ", if change.add { "+" } else { "-" }, change.target);
                let references: String = plan.references.iter().map(reference).collect();
                told.push_str(&format!(
                    "first {}, hands over {}, afterwards {}, references {references}stamp {}\n",
                    plan.first.0.len(),
                    plan.hands_over,
                    plan.afterwards.0.len(),
                    plan.stamp.0.len()
                ));
                told
            }
        }
    }
}

fn check(world: &World, expected: Expect) {
    expected.assert_eq(&world.told());
}

/// kept | now | will be: what came by the takeover goes back, addresses among the first; what the cloud's own people changed
/// since (a licence, a location that this engine never wrote) stays theirs, with the reason.
#[test]
fn sf11_what_came_by_the_takeover_goes_back_and_nothing_else() {
    let mut world = world(
        "displayName=Ann (cloud); proxyAddresses=SMTP:a@x,smtp:old@x",
        Some("boss"),
        "displayName=Ann; proxyAddresses=SMTP:a@x; manager=@chief; onPremisesImmutableId=QQ==; \
         onPremisesDomainName=corp; usageLocation=DE; otherMails=a@home; assignedSkus=E3",
    );
    check(
        &world,
        expect![[r#"
            assignedSkus:  | E3 | E3 (stays: only its system decides about it)
            displayName: Ann (cloud) | Ann | Ann (cloud) (First)
            manager: boss | chief | boss (Afterwards)
            onPremisesDomainName:  | corp | corp (stays: a fact of the tenant)
            onPremisesImmutableId:  | QQ== |  (Stamp)
            otherMails:  | a@home | a@home (stays: changed in its system since; this engine never wrote it)
            proxyAddresses: SMTP:a@x,smtp:old@x | SMTP:a@x | SMTP:a@x,smtp:old@x (First)
            usageLocation:  | DE | DE (stays: changed in its system since; this engine never wrote it)
            first 2, hands over true, afterwards 0, references -chief +boss stamp 1
        "#]],
    );
    // What rules gave it goes with it, also where others might have written it.
    world.owned = names("usageLocation otherMails");
    assert!(world.told().contains("first 3, hands over true, afterwards 1"), "{}", world.told());
    // Kept by a version that kept no references: they are left.
    world.kept.references = None;
    assert!(world.told().contains("references stamp"), "{}", world.told());
}

/// Each thing that cannot be undone is refused by its name, and only for as long as it is so.
#[test]
fn sf11_what_cannot_be_undone_is_refused_by_name() {
    let fresh = || world("displayName=A", None, "displayName=B; onPremisesImmutableId=QQ==");
    let told = |change: &dyn Fn(&mut World)| {
        let mut world = fresh();
        change(&mut world);
        world.told()
    };
    assert!(told(&|_| {}).contains("First"));
    assert_eq!(told(&|world| world.facts.ownership = Some(Ownership::Provisioned)), "undo-not-adopted");
    assert_eq!(told(&|world| world.facts.ownership = Some(Ownership::Joined)), "undo-not-adopted");
    assert_eq!(told(&|world| world.facts.ownership = None), "undo-not-adopted");
    assert_eq!(told(&|world| world.facts.now = 31 * DAY), "undo-kept-expired");
    assert_eq!(told(&|world| world.present = None), "undo-object-gone");
    assert_eq!(told(&|world| world.reach = None), "undo-unsupported");
    assert_eq!(told(&|world| world.facts.is_in_flight = true), "export-in-flight");
    assert_eq!(told(&|world| world.facts.authority = UndoAuthority::MovedAway), "limitation-cloud-managed-object");
    static ROLES: std::sync::LazyLock<Privilege> = std::sync::LazyLock::new(|| Privilege::Roles(vec!["Admin".into()]));
    assert_eq!(told(&|world| world.facts.privilege = Some(&ROLES)), "privileged");
    static UNREADABLE: std::sync::LazyLock<Privilege> = std::sync::LazyLock::new(|| Privilege::Unreadable("no".into()));
    assert_eq!(told(&|world| world.facts.privilege = Some(&UNREADABLE)), "privileged-unreadable");
    static KNOWN: std::sync::LazyLock<Values> = std::sync::LazyLock::new(|| Values::single(Value::text("WA==")));
    assert_eq!(told(&|world| world.facts.stamp = Some(&KNOWN)), "stale-anchor");
    // What was begun is carried on: its link is gone, its authority may have moved, its time may be over.
    let begun = |world: &mut World| {
        world.facts.is_begun = true;
        world.facts.ownership = None;
        world.facts.authority = UndoAuthority::MovedAway;
        world.facts.now = 31 * DAY;
    };
    assert!(told(&begun).contains("hands over false"), "{}", told(&begun));
}
