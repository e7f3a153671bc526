//! May a takeover be undone, and what would an object hold then (SF11)? Compares what was kept before it with what the
//! connected system holds now. Restores what came by the takeover, and nothing that the system's own people changed since;
//! says of every difference that stays why it does. Writes nothing.

use crate::view::{Ownership, Privilege};
use metaverse_schema::{Anchor, AttributeName, Attributes, AttributesDelta, Reference, Value, Values};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// How long what was before a takeover is kept, in microseconds: 30 days.
pub const KEPT_FOR: i64 = 30 * 86_400_000_000;

/// What a connected system lets be put back of objects of one type.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UndoReach {
    /// Written while the engine is still the master, and when the object is the system's own again.
    pub first: BTreeSet<AttributeName>,
    pub afterwards: BTreeSet<AttributeName>,
    /// Changed by nobody but the engine while the object is taken over.
    pub mastered: BTreeSet<AttributeName>,
    pub stamp: Option<AttributeName>,
    pub never: BTreeMap<AttributeName, String>,
}

/// Whose the object is, as its system says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UndoAuthority {
    Engine,
    System,
    /// Somebody moved it away from the engine (SF30).
    MovedAway,
}

/// What was kept before the takeover.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptFacts {
    /// Microseconds since 1970.
    pub at: i64,
    pub attributes: Attributes,
    /// Single-valued references. None: the version that took it over kept none.
    pub references: Option<BTreeMap<AttributeName, Anchor>>,
}

/// Everything that the decision reads.
#[derive(Debug, Clone)]
pub struct UndoFacts<'a> {
    /// How the object came to be linked; none: it is not.
    pub ownership: Option<Ownership>,
    pub kept: Option<&'a KeptFacts>,
    /// As the system shows it now; none: it is not there.
    pub present: Option<&'a Attributes>,
    /// None: the connector cannot give such objects back.
    pub reach: Option<&'a UndoReach>,
    pub authority: UndoAuthority,
    /// Attributes to which the engine contributed a value.
    pub owned: &'a BTreeSet<AttributeName>,
    /// The stamp as the engine knows it.
    pub stamp: Option<&'a Values>,
    pub privilege: Option<&'a Privilege>,
    pub is_in_flight: bool,
    /// An earlier undo of it was begun and not finished.
    pub is_begun: bool,
    pub now: i64,
}

/// Why a takeover is not undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UndoRefusal {
    pub code: String,
    pub message: String,
    pub remedy: String,
}

/// What becomes of one attribute that is not as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "becomes")]
pub enum UndoWay {
    /// Written before the object changes hands.
    First,
    /// Written when it is the system's own again.
    Afterwards,
    /// The last write: what tied it to its source.
    Stamp,
    Stays {
        reason: String,
    },
}

/// An attribute that is not as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UndoLine {
    pub attribute: AttributeName,
    pub kept: Values,
    pub now: Values,
    #[serde(flatten)]
    pub way: UndoWay,
}

impl UndoLine {
    /// What it will hold.
    pub fn will(&self) -> &Values {
        if self.is_restored() { &self.kept } else { &self.now }
    }

    pub fn is_restored(&self) -> bool {
        !matches!(self.way, UndoWay::Stays { .. })
    }
}

/// One change of a reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UndoReference {
    pub attribute: AttributeName,
    pub target: Anchor,
    pub add: bool,
}

/// What undoing a takeover writes, in this order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UndoPlan {
    pub first: AttributesDelta,
    /// The source of authority goes back to the system.
    pub hands_over: bool,
    pub afterwards: AttributesDelta,
    pub references: Vec<UndoReference>,
    pub stamp: AttributesDelta,
    /// Every difference between what was and what is.
    pub lines: Vec<UndoLine>,
}

impl UndoPlan {
    /// Exactly what would be done, for the digest that an operator's word is bound to.
    pub fn told(&self) -> Vec<String> {
        let line = |line: &UndoLine| {
            format!("{} {:?} {} -> {}", line.attribute, line.way, shown(&line.now), shown(line.will()))
        };
        let mut told: Vec<String> = self.lines.iter().map(line).collect();
        told.push(format!("hands over: {}", self.hands_over));
        told
    }
}

fn shown(values: &Values) -> String {
    values.iter().map(|value| format!("{value:?}")).collect::<Vec<_>>().join(", ")
}

/// Whether, and what.
///
/// # Errors
/// The first reason why not, by name.
pub fn decide_undo(facts: &UndoFacts<'_>) -> Result<UndoPlan, UndoRefusal> {
    let refused = |code: &str, message: String, remedy: &str| {
        Err(UndoRefusal { code: code.to_owned(), message, remedy: remedy.to_owned() })
    };
    let Some(reach) = facts.reach else {
        let message = "objects of this type cannot be given back in this mode".to_owned();
        return refused(
            "undo-unsupported",
            message,
            "change it where it is managed; `metasync match reject` keeps it apart",
        );
    };
    if !facts.is_begun {
        match facts.ownership {
            Some(Ownership::Adopted) => {}
            Some(Ownership::Provisioned) => {
                let message = "this engine created it: there is no state before that".to_owned();
                return refused("undo-not-adopted", message, "take its person out of scope; it is deleted then");
            }
            Some(Ownership::Joined) | None => {
                let message = "it was not taken over".to_owned();
                return refused("undo-not-adopted", message, "`metasync explain` says what it is linked to, and why");
            }
        }
    }
    if facts.is_in_flight {
        let message = "an export of it was sent and not answered yet".to_owned();
        return refused("export-in-flight", message, "run the export again, or import, to settle it");
    }
    let Some(kept) = facts.kept else {
        let message = "nothing is kept of what it held before (kept for 30 days from the takeover on)".to_owned();
        return refused("undo-kept-expired", message, "put it back by hand where it is managed");
    };
    if !facts.is_begun && facts.now.saturating_sub(kept.at) > KEPT_FOR {
        let message = "what it held before was kept for 30 days, which are over".to_owned();
        return refused("undo-kept-expired", message, "put it back by hand where it is managed");
    }
    let Some(present) = facts.present else {
        let message = "the object is not there any more".to_owned();
        return refused("undo-object-gone", message, "there is nothing to give back; import, so that this is known");
    };
    match facts.privilege {
        None | Some(Privilege::None) => {}
        Some(Privilege::Roles(roles)) => {
            let message = format!("the account holds {} now", roles.join(", "));
            return refused("privileged", message, "remove the roles for the time of the undo");
        }
        Some(Privilege::Unreadable(reason)) => {
            let message = format!("its roles cannot be read, so it counts as privileged: {reason}");
            return refused("privileged-unreadable", message, "grant RoleManagement.Read.Directory to the application");
        }
    }
    if facts.authority == UndoAuthority::MovedAway && !facts.is_begun {
        let message =
            "somebody moved its source of authority to the cloud since: it is neither written nor deleted".to_owned();
        let remedy = "it is managed there already; `metasync match reject` keeps it apart";
        return refused("limitation-cloud-managed-object", message, remedy);
    }
    if let (Some(stamp), Some(known)) = (&reach.stamp, facts.stamp) {
        let (held, was) = (value(present, stamp), value(&kept.attributes, stamp));
        if !held.is_empty() && held != known && held != was {
            let message = format!("it carries another anchor now ({})", shown(held));
            return refused("stale-anchor", message, "import and synchronise: it belongs to somebody else by now");
        }
    }
    let mut plan = UndoPlan { hands_over: facts.authority == UndoAuthority::Engine, ..UndoPlan::default() };
    let references = kept.references.iter().flatten().map(|(name, _)| name);
    let names: BTreeSet<&AttributeName> = kept.attributes.names().chain(present.names()).chain(references).collect();
    for name in names {
        let is_reference = value(present, name).iter().any(|value| matches!(value, Value::Reference(_)));
        if is_reference || kept.references.as_ref().is_some_and(|kept| kept.contains_key(name.as_str())) {
            restore_reference(&mut plan, name, kept, present, reach, facts);
            continue;
        }
        let (was, now) = (value(&kept.attributes, name), value(present, name));
        if was == now {
            continue;
        }
        let way = way_of(name, reach, facts);
        match way {
            UndoWay::First => plan.first.set(name.clone(), was.clone()),
            UndoWay::Afterwards => plan.afterwards.set(name.clone(), was.clone()),
            UndoWay::Stamp => plan.stamp.set(name.clone(), was.clone()),
            UndoWay::Stays { .. } => {}
        }
        plan.lines.push(UndoLine { attribute: name.clone(), kept: was.clone(), now: now.clone(), way });
    }
    Ok(plan)
}

fn value<'a>(attributes: &'a Attributes, name: &AttributeName) -> &'a Values {
    static NONE: std::sync::LazyLock<Values> = std::sync::LazyLock::new(Values::default);
    attributes.get(name.as_str()).unwrap_or(&NONE)
}

/// What was changed by the takeover, or by exports since, goes back; what others changed is theirs.
fn way_of(name: &AttributeName, reach: &UndoReach, facts: &UndoFacts<'_>) -> UndoWay {
    let stays = |reason: &str| UndoWay::Stays { reason: reason.to_owned() };
    if reach.stamp.as_ref() == Some(name) {
        return UndoWay::Stamp;
    }
    if let Some(reason) = reach.never.get(name.as_str()) {
        return stays(reason);
    }
    let came_by_us = reach.mastered.contains(name.as_str()) || facts.owned.contains(name.as_str());
    match (reach.first.contains(name.as_str()), reach.afterwards.contains(name.as_str())) {
        (false, false) => stays("only its system decides about it"),
        _ if !came_by_us => stays("changed in its system since; this engine never wrote it"),
        (true, _) => UndoWay::First,
        (false, true) => UndoWay::Afterwards,
    }
}

/// A single-valued reference. Members are left: who was added to a group stays in it.
fn restore_reference(
    plan: &mut UndoPlan,
    name: &AttributeName,
    kept: &KeptFacts,
    present: &Attributes,
    reach: &UndoReach,
    facts: &UndoFacts<'_>,
) {
    if !reach.afterwards.contains(name.as_str()) {
        return;
    }
    let target = |value: &Value| match value {
        Value::Reference(Reference::Anchor(anchor)) => Some(anchor.clone()),
        _ => None,
    };
    let now = value(present, name).iter().find_map(target);
    let Some(references) = &kept.references else { return };
    let was = references.get(name.as_str()).cloned();
    if was == now {
        return;
    }
    let is_ours = !reach.mastered.is_empty() || facts.owned.contains(name.as_str());
    let way = match is_ours {
        true => UndoWay::Afterwards,
        false => UndoWay::Stays { reason: "changed in its system since; this engine never wrote it".to_owned() },
    };
    if is_ours {
        let change = |target: &Anchor, add| UndoReference { attribute: name.clone(), target: target.clone(), add };
        plan.references.extend(now.as_ref().map(|target| change(target, false)));
        plan.references.extend(was.as_ref().map(|target| change(target, true)));
    }
    let as_values =
        |anchor: Option<Anchor>| anchor.map(|anchor| Values::single(Value::Reference(Reference::Anchor(anchor))));
    plan.lines.push(UndoLine {
        attribute: name.clone(),
        kept: as_values(was).unwrap_or_default(),
        now: as_values(now).unwrap_or_default(),
        way,
    });
}
