//! Finds the pairs that an operator means, and says in words how each stands. Decides nothing about them.

use crate::cli::{MatchKind, MatchState};
use crate::failure::Failure;
use crate::text::time;
use sync_rules::{ConnectorName, Direction, RuleSet};
use sync_runtime::{PairLine, PairSide, PairState, Reading};

/// Letters of a pair's name that name it where they are unique.
const SHORTEST: usize = 6;
/// Hits that an ambiguous name lists.
const LISTED: usize = 10;

/// The targets whose rules take existing objects over, or the one that was named.
pub(crate) fn targets(rules: &RuleSet, wanted: Option<&str>) -> Result<Vec<ConnectorName>, Failure> {
    let mut known: Vec<ConnectorName> = Vec::new();
    for rule in rules.rules.iter().filter(|rule| rule.direction == Direction::Outbound && !rule.join.is_empty()) {
        if !known.contains(&rule.connector) {
            known.push(rule.connector.clone());
        }
    }
    let Some(wanted) = wanted else { return Ok(known) };
    let names: Vec<&str> = known.iter().map(|name| &**name).collect();
    let named = known.iter().find(|name| &***name == wanted).cloned();
    named.map(|name| vec![name]).ok_or_else(|| {
        Failure::new(
            "connector-unknown",
            format!("no rule looks for existing objects in `{wanted}`"),
            format!("name one of: {}", names.join(", ")),
        )
    })
}

pub(crate) fn all(reading: &Reading<'_>, connector: Option<&str>) -> Result<Vec<PairLine>, Failure> {
    let mut lines = Vec::new();
    for target in targets(reading.rules, connector)? {
        lines.extend(reading.pairs(&target)?);
    }
    Ok(lines)
}

/// The pair that was typed: its name, or anything that tells one of its objects from all others.
pub(crate) fn named<'p>(lines: &'p [PairLine], typed: &str) -> Result<&'p PairLine, Failure> {
    let wanted = typed.trim().to_lowercase();
    let is_name = |line: &&PairLine| line.id == wanted || (wanted.len() >= SHORTEST && line.id.starts_with(&wanted));
    let mut found: Vec<&PairLine> = lines.iter().filter(is_name).collect();
    if found.is_empty() {
        found =
            lines.iter().filter(|line| is_side(&line.person, &wanted) || is_side(&line.existing, &wanted)).collect();
    }
    match found.as_slice() {
        [one] => Ok(one),
        [] => Err(Failure::new(
            "no-such-pair",
            format!("`{typed}` is no pair and neither object of one"),
            "`metasync match list` names the pairs; an object that matches nobody is in none",
        )),
        several => {
            let names: Vec<String> =
                several.iter().take(LISTED).map(|line| format!("{} {}", line.id, text(line))).collect();
            Err(Failure::new(
                "ambiguous",
                format!("`{typed}` fits {} pairs", several.len()),
                format!("name one by its first column: {}", names.join("; ")),
            ))
        }
    }
}

fn is_side(side: &PairSide, wanted: &str) -> bool {
    let object = &side.object;
    let bare = |address: &str| address.split_once(':').map_or(address, |(_, bare)| bare).to_lowercase();
    let texts = [Some(&object.name), object.anchor.as_ref(), object.dn.as_ref(), side.sign_in_name.as_ref()];
    texts.into_iter().flatten().any(|text| text.to_lowercase() == wanted)
        || side.addresses.iter().any(|address| address.to_lowercase() == wanted || bare(address) == wanted)
}

/// Both on one line.
pub(crate) fn text(line: &PairLine) -> String {
    format!("{} = {}", label(&line.person), label(&line.existing))
}

pub(crate) fn label(side: &PairSide) -> String {
    match &side.sign_in_name {
        Some(name) if *name != side.object.name => format!("{} ({name})", side.object.name),
        _ => side.object.name.clone(),
    }
}

pub(crate) fn is_of(line: &PairLine, kind: MatchKind) -> bool {
    let by = line.matched_by.as_deref().unwrap_or_default();
    match kind {
        MatchKind::Hard => matches!(by, "anchor" | "deleted-anchor"),
        MatchKind::Soft => matches!(by, "primary-smtp" | "sign-in-name"),
        MatchKind::Smtp => by == "primary-smtp",
        MatchKind::Upn => by == "sign-in-name",
        MatchKind::Review => line.holds.iter().any(|hold| hold.code == "secondary-address-match"),
        MatchKind::Place => by == "place",
    }
}

pub(crate) fn stands(line: &PairLine, states: &[MatchState]) -> bool {
    if states.is_empty() {
        return line.state != PairState::TakenOver;
    }
    states.iter().any(|state| {
        line.state
            == match state {
                MatchState::Waiting => PairState::Waiting,
                MatchState::Approved => PairState::Approved,
                MatchState::Rejected => PairState::Rejected,
                MatchState::Undone => PairState::Undone,
                MatchState::Closed => PairState::Closed,
                MatchState::Held => PairState::Held,
                MatchState::TakenOver => PairState::TakenOver,
            }
    })
}

/// What holds a pair beside the match itself, as codes.
pub(crate) fn held_codes(line: &PairLine) -> Vec<&str> {
    let own = ["match-candidate", "match-rejected", "matching-closed"];
    let mut codes: Vec<&str> = Vec::new();
    for hold in line.holds.iter().chain(&line.held_besides) {
        let code = hold.code.as_str();
        if !own.contains(&code) && !codes.contains(&code) {
            codes.push(code);
        }
    }
    codes
}

/// How it stands, with who said so and why.
pub(crate) fn standing(line: &PairLine) -> String {
    let mut text = line.state.code().to_owned();
    let says_so = matches!(line.state, PairState::Approved | PairState::Rejected | PairState::Undone);
    if let Some(word) = line.word.as_ref().filter(|_| says_so) {
        text.push_str(&format!(" by {}, {}", word.by, day(word.at)));
        if !word.note.is_empty() {
            text.push_str(&format!(": {}", word.note));
        }
    }
    let codes = held_codes(line);
    if !codes.is_empty() && line.state != PairState::TakenOver {
        text.push_str(&match line.state {
            PairState::Held => format!(": {}", codes.join(", ")),
            _ => format!("; also held: {}", codes.join(", ")),
        });
    }
    if let Some(at) = line.taken_over {
        text.push_str(&format!(" {}", day(at)));
    }
    text
}

fn day(microseconds: i64) -> String {
    time(microseconds).split(' ').next().unwrap_or_default().to_owned()
}
