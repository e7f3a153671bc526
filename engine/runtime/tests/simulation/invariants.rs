//! What must hold when a world has come to rest: the invariants of docs/architecture.md, checked on what the systems and the
//! store hold, and against worlds that lived through the same without the faults.

use crate::operation::{DAY, Keys, Plan, Step};
use crate::tally::Tally;
use crate::world::{Held, Nature, Violation, World, broken};
use std::collections::{BTreeMap, BTreeSet};
use sync_kernel::{ConnectorState, CsId, MemoryState, SentState, Subject};
use sync_runtime::Engine;
use sync_store::{FedState, HoldFilter, PendingFilter};

/// Cycles in which a world comes to rest: references follow creates, takeovers follow approvals, deletes follow what stood in the
/// way.
const MOST_CYCLES: usize = 16;

/// Runs a world to its end. The tally is worth something only where everything held.
pub(crate) fn check(plan: &Plan, told: bool, planted: impl Fn(bool)) -> (Held, Tally) {
    let mut world = World::new(plan, Nature::Faulty, told);
    planted(true);
    let held = lived(&mut world, planted);
    (held, std::mem::take(&mut world.tally))
}

fn lived(world: &mut World, planted: impl Fn(bool)) -> Held {
    world.live()?;
    world.mend();
    let mut engine = come_to_rest(world)?;
    partial_reads_stay_harmless(world, &engine)?;
    full_changes_nothing(world, &mut engine)?;
    differences_are_held(world, &engine)?;
    members_that_flow_are_there(&engine)?;
    everything_is_explained(world, &engine)?;
    integrity(&engine)?;
    if world.plan.keys != Keys::Wild {
        nobody_is_there_twice(&engine)?;
    }
    if !world.plan.calm {
        return Ok(());
    }
    planted(false);
    let end = End::of(world, &engine)?;
    drop(engine);
    let mut twin = World::new(&world.plan, Nature::Twin, world.told);
    twin.live()?;
    twin.mend();
    let engine = come_to_rest(&mut twin)?;
    end.equals(&End::of(&twin, &engine)?, "an uninterrupted twin ends in the same state")?;
    drop(engine);
    let mut fresh = world.fresh();
    let engine = come_to_rest(&mut fresh)?;
    end.equals(&End::of(&fresh, &engine)?, "a deployment that reads it all for the first time ends in the same state")
}

/// Cycles until nothing moves, grace periods and dates included. An operator approves what is to be approved.
fn come_to_rest(world: &mut World) -> Result<Engine, Violation> {
    // Dates pass in these days, and the grace periods that begin with them in those.
    world.now += 15 * DAY;
    let (mut engine, _) = world.engine()?;
    // A created object that two full imports do not return is gone.
    for _ in 0..2 {
        world.calm_step(&mut engine, &Step::Profile { connector: "dir", profile: "full-import" })?;
    }
    cycle_until_nothing_moves(world, &mut engine)?;
    drop(engine);
    world.now += 10 * DAY;
    let (mut engine, _) = world.engine()?;
    cycle_until_nothing_moves(world, &mut engine)?;
    Ok(engine)
}

fn cycle_until_nothing_moves(world: &mut World, engine: &mut Engine) -> Held {
    let mut cycles = 0;
    loop {
        cycles += 1;
        let approved = world.approve(engine)?;
        world.calm_step(engine, &Step::Cycle { initial: false })?;
        let open = open(world, engine)?;
        let writes = world.dir.state().writes.clone();
        if approved == 0 && writes.is_empty() && open.is_empty() && waiting(engine)? == 0 {
            return Ok(());
        }
        if cycles == MOST_CYCLES {
            places(world).iter().for_each(|line| world.say(&format!("  {line}")));
            let told = format!("after {cycles} cycles: sent {writes:?}, open {open:?}");
            return broken("the second plan is empty", told);
        }
    }
}

fn waiting(engine: &Engine) -> Result<usize, Violation> {
    let store = engine.store();
    Ok(store.approvable("dir")?.len() + usize::from(store.waiting_guard_list("dir")?.is_some()))
}

/// What is to be sent, or waits for an import. What the target refused for good only waits for a change.
fn open(world: &World, engine: &Engine) -> Result<Vec<String>, Violation> {
    let mut open = Vec::new();
    for line in engine.store().pending("dir", &PendingFilter::default(), None, 1_000)? {
        let refused = match &line.pending {
            Some(pending) => {
                matches!(pending.state, SentState::Refused { retry: false, .. }) || pending.grace.is_some()
            }
            None => line.references_added + line.references_removed + line.references_after_create == 0,
        };
        if !refused || world.plan.calm && line.references_refused > 0 {
            let references = format!("+{} -{}", line.references_added, line.references_removed);
            open.push(format!("{} {:?} {references}", line.name, line.pending));
        }
    }
    for object in objects(engine, "dir")? {
        let Some(object) = engine.store().object(object)? else { continue };
        let unconfirmed =
            object.memory.attributes.iter().filter(|(_, remembered)| remembered.state == MemoryState::Unconfirmed);
        open.extend(unconfirmed.map(|(name, _)| format!("{} {name} unconfirmed", object.id)));
    }
    Ok(open)
}

fn objects(engine: &Engine, connector: &str) -> Result<Vec<CsId>, Violation> {
    Ok(engine.store().list_objects(connector, None, 10_000)?.into_iter().map(|summary| summary.id).collect())
}

/// Invariant 6, seen from the end: an object that stands in its system is not held for deleted.
fn partial_reads_stay_harmless(world: &World, engine: &Engine) -> Held {
    for (connector, system) in [("hr", &world.hr), ("crm", &world.crm), ("dir", &world.dir)] {
        let state = system.state();
        for anchor in state.objects.keys().filter(|anchor| !state.behaviour.hidden.contains(*anchor)) {
            let found = engine.store().find_object(connector, anchor)?;
            let is_there = match found.first() {
                Some(id) => engine
                    .store()
                    .object(*id)?
                    .is_some_and(|object| object.imported().is_some() || object.state == ConnectorState::Container),
                None => false,
            };
            if !is_there {
                return broken(
                    "partial reads delete nothing",
                    format!("{anchor} stands in {connector}, and its space does not hold it"),
                );
            }
        }
    }
    Ok(())
}

/// Invariants 1, 3 and 4: a full cycle decides what the deltas decided. Where keys are not unique it may link what was taken or
/// ambiguous before (S19, S21); then the next one changes nothing.
fn full_changes_nothing(world: &mut World, engine: &mut Engine) -> Held {
    let mut before = End::of(world, engine)?;
    for _ in 0..6 {
        world.calm_step(engine, &Step::Cycle { initial: true })?;
        let writes = world.dir.state().writes.clone();
        let after = End::of(world, engine)?;
        if !world.plan.calm && after.links != before.links {
            world.tally.add("links made by a full synchronisation", 1);
            cycle_until_nothing_moves(world, engine)?;
            before = End::of(world, engine)?;
            continue;
        }
        before.equals(&after, "deltas equal full")?;
        let open = open(world, engine)?;
        if !writes.is_empty() || !open.is_empty() {
            return broken("the second plan is empty", format!("a full cycle sent {writes:?}, open {open:?}"));
        }
        return Ok(());
    }
    broken("deltas equal full", "full synchronisations go on to make links")
}

/// Invariant 3: what the target does not hold as wanted is listed as held, and nothing else is.
fn differences_are_held(world: &World, engine: &Engine) -> Held {
    let state = world.dir.state();
    for id in objects(engine, "dir")? {
        let Some(object) = engine.store().object(id)? else { continue };
        let (Some(link), Some(anchor)) = (&object.link, &object.anchor) else { continue };
        let (Some(metaverse), Some(there)) =
            (engine.store().metaverse(link.mv)?, state.objects.get(&anchor.to_string()))
        else {
            continue;
        };
        if object.pending.is_some() {
            continue;
        }
        let mut wanted: BTreeMap<&str, _> = BTreeMap::new();
        for name in ["displayName", "mail", "title"] {
            if let Some(value) = metaverse.attributes.get(name) {
                wanted.insert(name, value.values.clone());
            }
        }
        let filter = HoldFilter { mv: Some(link.mv), ..HoldFilter::default() };
        let held: BTreeSet<String> =
            engine.store().holds(&filter, 100)?.into_iter().filter_map(|line| line.hold.attribute).collect();
        for (name, values) in wanted {
            let differs = there.attributes.get(name) != Some(&values);
            if differs && !held.contains(name) {
                return broken(
                    "what the target does not hold is held",
                    format!("{anchor} {name}: wanted {values:?}, there is {:?}", there.attributes.get(name)),
                );
            }
        }
    }
    Ok(())
}

/// SF19: at rest each member of a source is in the target, or has a reason that is true now.
fn members_that_flow_are_there(engine: &Engine) -> Held {
    let store = engine.store();
    for target in objects(engine, "dir")? {
        for fed in store.fed_attributes(target)?.iter().filter(|fed| fed.attribute == *"member") {
            let members = store.fed_members(target, fed, None, 1_000)?;
            if let Some(member) = members.iter().find(|member| member.state == FedState::NotSynchronised) {
                let group = name(engine, target)?;
                return broken(
                    "a member that flows is there",
                    format!("{} in {group}: {}", member.name, member.message),
                );
            }
        }
    }
    Ok(())
}

/// Invariant 8: every metaverse value names a linked contributor and an inbound rule in whose scope it is.
fn everything_is_explained(world: &World, engine: &Engine) -> Held {
    let reading = engine.reading();
    let mut scopes: BTreeMap<CsId, BTreeSet<String>> = BTreeMap::new();
    for summary in engine.store().list_metaverse(None, 10_000)? {
        let Some(object) = engine.store().metaverse(summary.id)? else { continue };
        let errors = reading.preview(Subject::Metaverse(summary.id))?.error;
        for (name, value) in &object.attributes {
            let told = |what: &str| {
                broken("every value is explained", format!("{} {name} by {}: {what}", summary.name, value.rule))
            };
            let kept = !world.plan.recalls;
            if !object.links.contains(&value.contributor) && !kept {
                return told("its contributor is not linked");
            }
            if !scopes.contains_key(&value.contributor) && !kept {
                let preview = reading.preview(Subject::Connector(value.contributor))?;
                let holding = preview.scopes.into_iter().filter(|scope| scope.in_scope).map(|scope| scope.rule);
                scopes.insert(value.contributor, holding.collect());
            }
            let in_scope = scopes.get(&value.contributor).is_some_and(|rules| rules.contains(&*value.rule));
            if !in_scope && !kept && errors.is_none() {
                return told("the rule is not in scope");
            }
        }
        let explained = reading.explain(Subject::Metaverse(summary.id), None)?;
        if explained.text.is_empty() || explained.links.len() != object.links.len() {
            return broken("every value is explained", format!("{} has no explanation", summary.name));
        }
    }
    Ok(())
}

/// S4, S22: an object joins before it projects. As long as no key changes, there is one metaverse object of a key.
fn nobody_is_there_twice(engine: &Engine) -> Held {
    let mut known = BTreeSet::new();
    for summary in engine.store().list_metaverse(None, 10_000)? {
        let Some(object) = engine.store().metaverse(summary.id)? else { continue };
        let Some(key) = object.attributes.get("employeeId") else { continue };
        let key = format!("{} {:?}", object.object_type, key.values);
        if !known.insert(key.clone()) {
            return broken("nobody is there twice", key);
        }
    }
    Ok(())
}

fn integrity(engine: &Engine) -> Held {
    let findings = engine.store().check_integrity()?;
    match findings.is_empty() {
        true => Ok(()),
        false => broken("the store is whole", findings.join("; ")),
    }
}

/// Where a world ended, in words that do not depend on numbers.
pub(crate) struct End {
    target: Vec<String>,
    metaverse: Vec<String>,
    held: Vec<String>,
    links: Vec<String>,
}

impl End {
    fn of(world: &World, engine: &Engine) -> Result<Self, Violation> {
        let store = engine.store();
        let mut metaverse = Vec::new();
        let mut links = Vec::new();
        for summary in store.list_metaverse(None, 10_000)? {
            let Some(object) = store.metaverse(summary.id)? else { continue };
            let linked = object.links.iter().map(|id| name(engine, *id)).collect::<Result<BTreeSet<_>, _>>()?;
            links.push(format!("{linked:?}"));
            let mut line = format!("{} {linked:?}", object.object_type);
            for (attribute, value) in &object.attributes {
                let values: BTreeSet<String> = value.values.iter().map(ToString::to_string).collect();
                let contributor = name(engine, value.contributor)?;
                line.push_str(&format!(" {attribute}={values:?} by {} of {contributor}", value.rule));
            }
            metaverse.push(line);
        }
        let held = store
            .holds(&HoldFilter::default(), 10_000)?
            .into_iter()
            .map(|line| format!("{} {} {:?} {:?}", line.name, line.hold.code, line.hold.attribute, line.hold.wanted));
        let mut held: Vec<String> = held.collect();
        let members = store.held_counts("dir")?;
        held.extend(
            members
                .into_iter()
                .filter(|(code, _)| code.starts_with("members"))
                .map(|(code, number)| format!("{code} {number}")),
        );
        let mut end = End { target: places(world), metaverse, held, links };
        for lines in [&mut end.metaverse, &mut end.held, &mut end.links] {
            lines.sort();
        }
        Ok(end)
    }

    fn equals(&self, other: &End, invariant: &'static str) -> Held {
        for (what, one, two) in [
            ("target", &self.target, &other.target),
            ("metaverse", &self.metaverse, &other.metaverse),
            ("held", &self.held, &other.held),
        ] {
            let only = |lines: &[String], others: &[String]| -> Vec<String> {
                lines.iter().filter(|line| !others.contains(line)).cloned().collect()
            };
            let (left, right) = (only(one, two), only(two, one));
            if !left.is_empty() || !right.is_empty() || one.len() != two.len() {
                let told = format!("{what}\n    - {}\n    + {}", left.join("\n    - "), right.join("\n    + "));
                return broken(invariant, told);
            }
        }
        Ok(())
    }
}

/// What stands in the target, and where.
fn places(world: &World) -> Vec<String> {
    let state = world.dir.state();
    let place = |dn: &Option<metaverse_schema::Dn>| dn.as_ref().map_or_else(String::new, |dn| format!("{dn}: "));
    let lines = state.objects.values().map(|entry| format!("{}{}", place(&entry.dn), world.dir.line(&state, entry)));
    let mut lines: Vec<String> = lines.collect();
    lines.sort();
    lines
}

/// By connector and anchor; those of the target are drawn in the order of arrival, and mean nothing.
fn name(engine: &Engine, id: CsId) -> Result<String, Violation> {
    Ok(match engine.store().object(id)? {
        Some(object) if &*object.connector == "dir" => "dir".to_owned(),
        Some(object) => {
            format!("{}:{}", object.connector, object.anchor.map(|anchor| anchor.to_string()).unwrap_or_default())
        }
        None => "nobody".to_owned(),
    })
}
