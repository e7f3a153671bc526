//! What the deployment's engine decided about one object in the tenant, and whether that is what its class says. Reads decisions;
//! makes none.

use crate::assess::{Class, Line, Remark};
use std::collections::HashMap;
use sync_kernel::{CsId, CsObject, Hold, PendingOperation};

/// What would come of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// No rule takes it to the tenant.
    Nothing,
    Creates,
    TakesOver(CsId),
    Restores(CsId),
    /// Linked and written before.
    Synchronised(CsId),
    /// The tenant's object is to go.
    Leaves(CsId),
    Held(Vec<Hold>),
    Error(String),
}

/// `target`: the object that is linked in the tenant's space.
pub(super) fn verdict(target: Option<&CsObject>, holds: &[Hold], in_error: Option<&str>) -> Verdict {
    if let Some(message) = in_error {
        return Verdict::Error(message.to_owned());
    }
    let Some(target) = target else {
        return if holds.is_empty() { Verdict::Nothing } else { Verdict::Held(holds.to_vec()) };
    };
    match target.pending.as_ref().map(|pending| &pending.operation) {
        Some(PendingOperation::Add { .. }) => Verdict::Creates,
        Some(PendingOperation::Update { takeover: true, .. }) => Verdict::TakesOver(target.id),
        Some(PendingOperation::Restore { .. }) => Verdict::Restores(target.id),
        Some(PendingOperation::Delete { .. } | PendingOperation::Detach { .. }) => Verdict::Leaves(target.id),
        Some(PendingOperation::Update { .. }) | None => Verdict::Synchronised(target.id),
    }
}

impl Verdict {
    /// One word, by which they are counted.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Verdict::Nothing => "left out",
            Verdict::Creates => "create",
            Verdict::TakesOver(_) => "take over",
            Verdict::Restores(_) => "restore",
            Verdict::Synchronised(_) => "synchronised",
            Verdict::Leaves(_) => "leaves",
            Verdict::Held(_) => "held",
            Verdict::Error(_) => "error",
        }
    }

    /// `held: match-candidate, would-enable`.
    fn text(&self) -> String {
        match self {
            Verdict::Held(holds) => {
                let mut codes: Vec<&str> = holds.iter().map(|hold| hold.code.as_str()).collect();
                codes.dedup();
                format!("held: {}", codes.join(", "))
            }
            Verdict::Error(message) => format!("error: {message}"),
            other => other.word().to_owned(),
        }
    }

    /// With the sentence of what is held.
    fn explained(&self) -> String {
        match self {
            Verdict::Held(holds) => {
                let all: Vec<String> = holds.iter().map(|hold| format!("{}: {}", hold.code, hold.message)).collect();
                format!("held ({})", all.join("; "))
            }
            other => other.text(),
        }
    }
}

/// Holds of a takeover that an operator lets through, or that the operator's settings stand for.
const TAKEOVER: [&str; 4] = ["match-candidate", "matching-closed", "would-enable", "addresses-lost"];

/// Notes beside the class what the engine decided, and remarks on it where that is something else.
pub(super) fn compare(line: &mut Line, verdict: &Verdict, places: &HashMap<CsId, usize>) {
    let same = |id: &CsId| places.get(id).copied() == line.cloud_at;
    if !agrees(line, verdict, same) || !names_its_holds(line, verdict) {
        line.remarks.insert(Remark::RulesDecideOtherwise, verdict.explained());
    }
    line.engine = Some(verdict.text());
}

fn agrees(line: &Line, verdict: &Verdict, same: impl Fn(&CsId) -> bool) -> bool {
    let held = |codes: &[&str]| match verdict {
        Verdict::Held(holds) => {
            holds.iter().any(|hold| codes.contains(&hold.code.as_str()) && hold.candidate.as_ref().is_none_or(&same))
        }
        _ => false,
    };
    let would_take_over = match verdict {
        Verdict::TakesOver(id) => same(id),
        Verdict::Held(holds) => holds.iter().all(|hold| TAKEOVER.contains(&hold.code.as_str())) && held(&TAKEOVER),
        _ => false,
    };
    if line.remarks.contains_key(&Remark::NoSignInName) && held(&["limitation-no-sign-in-name"]) {
        return true;
    }
    match line.class {
        Class::Synchronised => matches!(verdict, Verdict::Synchronised(id) if same(id)) || would_take_over,
        Class::HardMatch | Class::SoftMatch => would_take_over,
        Class::UpnMatch => would_take_over || held(&["secondary-address-match"]),
        Class::SecondaryHit | Class::ContactTwin => held(&["secondary-address-match"]),
        Class::Ambiguous => held(&["ambiguous", "ambiguous-source", "candidate-taken"]),
        Class::StaleAnchor | Class::AnchorOfAnother => held(&["stale-anchor", "candidate-taken"]),
        Class::Privileged => held(&["privileged", "privileged-unreadable"]),
        Class::GuestTwin => held(&["guest", "foreign-identity", "secondary-address-match"]),
        Class::DeletedTwin => held(&["deleted-twin"]),
        Class::DeletedAnchor => {
            matches!(verdict, Verdict::Restores(id) if same(id))
                || held(&["match-candidate", "matching-closed", "reanimated-incomplete"])
        }
        Class::Created => *verdict == Verdict::Creates,
        Class::LeftOut => *verdict == Verdict::Nothing,
    }
}

/// What holds a takeover stands among the remarks.
fn names_its_holds(line: &Line, verdict: &Verdict) -> bool {
    let Verdict::Held(holds) = verdict else { return true };
    let is_takeover = matches!(line.class, Class::HardMatch | Class::SoftMatch | Class::UpnMatch);
    let named = |code: &str, remark: Remark| {
        !is_takeover || line.remarks.contains_key(&remark) || !holds.iter().any(|hold| hold.code == code)
    };
    named("would-enable", Remark::WouldEnable) && named("addresses-lost", Remark::AddressesLost)
}
