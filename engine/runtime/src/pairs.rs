//! The pairs of a target: every source object with the existing object that it may be, what stands between them, and what an operator
//! said (SF5). Reads what was decided and decides it once more as if the pair were approved; writes nothing.

use crate::engine::EngineError;
use crate::names::{ObjectName, connector_object, name_by_mv};
use crate::reading::Reading;
use metaverse_schema::{Attributes, Value, Values};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use sync_kernel::{
    ApprovalKind, CsId, CsObject, Digest, Hold, MatchVerdict, MvId, Ownership, PendingExport, RunInputs, TargetPlan,
};
use sync_store::{HoldFilter, PairDecision};

/// Holds that are read at most; a target with more has other worries than this list.
const MOST_HOLDS: usize = 1_000_000;
/// Letters of a pair's name.
const SHORT: usize = 10;
/// Held about an object that is none to be matched with.
const NO_PAIR: [&str; 1] = ["dn-occupied"];

/// How a pair stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PairState {
    /// For an operator's word.
    Waiting,
    /// The next synchronisation or export takes it over.
    Approved,
    Rejected,
    /// Its takeover was undone.
    Undone,
    /// `matching` is closed.
    Closed,
    /// Something else speaks against it, whatever an operator says.
    Held,
    TakenOver,
}

impl PairState {
    pub fn code(self) -> &'static str {
        match self {
            PairState::Waiting => "waiting",
            PairState::Approved => "approved",
            PairState::Rejected => "rejected",
            PairState::Undone => "undone",
            PairState::Closed => "closed",
            PairState::Held => "held",
            PairState::TakenOver => "taken-over",
        }
    }
}

/// One of the two objects, as an operator tells it from others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PairSide {
    pub object: ObjectName,
    pub sign_in_name: Option<String>,
    pub addresses: Vec<String>,
    pub enabled: Option<bool>,
    /// None: this side tells nothing about licences.
    pub licences: Option<u64>,
}

/// What an operator said about the pair last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WordSaid {
    pub verdict: MatchVerdict,
    pub by: String,
    pub note: String,
    /// Microseconds since 1970.
    pub at: i64,
}

#[derive(Debug, Clone, Serialize)]
pub struct PairLine {
    /// Names the pair in every list, as long as both objects have their anchors.
    pub id: String,
    pub connector: String,
    pub mv: MvId,
    pub object: CsId,
    pub person: PairSide,
    pub existing: PairSide,
    /// `anchor`, `primary-smtp`, `sign-in-name`, ...; none: found by nothing that matches.
    pub matched_by: Option<String>,
    pub state: PairState,
    /// What is held about it now.
    pub holds: Vec<Hold>,
    /// What an approval of the match alone leaves held.
    pub held_besides: Vec<Hold>,
    pub word: Option<WordSaid>,
    /// When the takeover was about to be sent, in microseconds since 1970.
    pub taken_over: Option<i64>,
}

impl Reading<'_> {
    /// Every pair of this target, by the name of the person. Those that were taken over are told as long as what was before is kept.
    pub fn pairs(&self, connector: &str) -> Result<Vec<PairLine>, EngineError> {
        let mut found: BTreeMap<(MvId, CsId), Vec<Hold>> = BTreeMap::new();
        let filter = HoldFilter { connector: Some(connector.into()), ..HoldFilter::default() };
        for line in self.store.holds(&filter, MOST_HOLDS)? {
            let Some(candidate) = line.hold.candidate else { continue };
            if !NO_PAIR.contains(&line.hold.code.as_str()) {
                found.entry((line.mv, candidate)).or_default().push(line.hold);
            }
        }
        let taken: BTreeMap<CsId, i64> = self.store.taken_over(connector)?.into_iter().collect();
        let pending = self.store.pending(connector, &Default::default(), None, usize::MAX)?;
        let about_to = pending.iter().filter(|line| line.pending.as_ref().is_some_and(PendingExport::is_takeover));
        let linked: BTreeSet<CsId> = about_to.map(|line| line.object).chain(taken.keys().copied()).collect();
        for id in linked {
            if let Some(link) = self.store.object(id)?.and_then(|object| object.link) {
                found.entry((link.mv, id)).or_default();
            }
        }
        let words = self.store.pair_decisions(connector)?;
        for word in &words {
            let (source, target) = (&word.decision.source, &word.decision.target);
            let source = self.store.object_by_anchor(source)?.map(|id| self.store.object(id)).transpose()?.flatten();
            let mv = source.and_then(|source| source.link).map(|link| link.mv);
            if let (Some(mv), Some(target)) = (mv, self.store.object_by_anchor(target)?) {
                found.entry((mv, target)).or_default();
            }
        }
        let run = self.inputs_for_approved()?;
        let mut lines = Vec::new();
        for ((mv, candidate), holds) in found {
            lines.extend(self.pair((mv, candidate), holds, &words, taken.get(&candidate).copied(), &run)?);
        }
        lines.sort_by(|one, other| (&one.person.object.name, &one.id).cmp(&(&other.person.object.name, &other.id)));
        Ok(lines)
    }

    fn pair(
        &self,
        (mv, candidate): (MvId, CsId),
        holds: Vec<Hold>,
        words: &[PairDecision],
        taken_over: Option<i64>,
        run: &RunInputs,
    ) -> Result<Option<PairLine>, EngineError> {
        let (Some(object), Some(person)) = (self.store.object(candidate)?, self.store.metaverse(mv)?) else {
            return Ok(None);
        };
        let mut sources = Vec::new();
        for id in &person.links {
            sources.extend(self.store.object(*id)?.filter(|source| source.connector != object.connector));
        }
        let about = |word: &&PairDecision| {
            word.decision.target.is(&object) && sources.iter().any(|source| word.decision.source.is(source))
        };
        // The last word; one that says no is stronger, as the decision has it.
        let said = words.iter().rev().filter(about).max_by_key(|word| word.decision.verdict.says_no());
        let word = said.map(|word| WordSaid {
            verdict: word.decision.verdict,
            by: word.by.clone(),
            note: word.note.clone(),
            at: word.at,
        });
        let plan = self.decide_as_approved(run, mv, candidate)?;
        let target = plan.targets.iter().rfind(|target| target.connector == object.connector);
        let is_ours = object.link.as_ref().is_some_and(|link| link.mv == mv && link.ownership == Ownership::Adopted);
        let is_let_through = object
            .approvals
            .iter()
            .any(|approval| approval.mv == mv && approval.kind == ApprovalKind::Match && approval.value.is_none());
        let state = state(&object, is_ours, is_let_through, word.as_ref().map(|word| word.verdict), &holds);
        let attributes: Attributes =
            person.attributes.iter().map(|(name, value)| (name.clone(), value.values.clone())).collect();
        let source = sources.first().map(connector_object);
        Ok(Some(PairLine {
            id: pair_name(&object, &sources),
            connector: object.connector.to_string(),
            mv,
            object: candidate,
            person: side(source.map_or_else(|| name_by_mv(self.store, mv), Ok)?, &attributes),
            existing: side(connector_object(&object), object.imported().unwrap_or(&Attributes::new())),
            matched_by: target.and_then(|target| target.matched_by.as_ref()).map(ToString::to_string),
            held_besides: target.map(held_besides).unwrap_or_default(),
            state,
            holds,
            word,
            taken_over: taken_over.filter(|_| is_ours),
        }))
    }
}

fn state(
    object: &CsObject,
    is_ours: bool,
    is_let_through: bool,
    word: Option<MatchVerdict>,
    holds: &[Hold],
) -> PairState {
    let is_pending = object.pending.as_ref().is_some_and(PendingExport::is_takeover);
    let has = |code: &str| holds.iter().any(|hold| hold.code == code);
    match word {
        Some(MatchVerdict::Rejected) => PairState::Rejected,
        Some(MatchVerdict::Undone) => PairState::Undone,
        _ if is_ours && !is_pending => PairState::TakenOver,
        _ if is_ours => PairState::Approved,
        _ if has("matching-closed") => PairState::Closed,
        _ if holds.iter().any(|hold| hold.approvable.is_none()) => PairState::Held,
        Some(MatchVerdict::Approved) => PairState::Approved,
        None if is_let_through => PairState::Approved,
        None => PairState::Waiting,
    }
}

/// What the takeover itself would leave out, without the named limitations of the mode.
fn held_besides(target: &TargetPlan) -> Vec<Hold> {
    target.holds.iter().filter(|hold| !hold.code.starts_with("limitation-")).cloned().collect()
}

/// The same in every store: made of what outlives both objects.
fn pair_name(object: &CsObject, sources: &[CsObject]) -> String {
    let ends = std::iter::once(object).chain(sources).map(|object| {
        let anchor = object.anchor.as_ref().map(ToString::to_string).unwrap_or_default();
        format!("{}:{anchor}", object.connector)
    });
    Digest::of_lines("pair", ends).as_str().chars().take(SHORT).collect()
}

fn side(object: ObjectName, attributes: &Attributes) -> PairSide {
    let text = |name: &str| attributes.text(name).map(str::to_owned);
    let mut addresses: Vec<String> =
        attributes.get("proxyAddresses").into_iter().flat_map(Values::iter).map(Value::to_string).collect();
    if addresses.is_empty() {
        addresses.extend(text("mail"));
    }
    let enabled = match attributes.first("accountEnabled") {
        Some(Value::Boolean(enabled)) => Some(*enabled),
        _ => None,
    };
    let skus = attributes.get("assignedSkus").map(|skus| skus.len() as u64);
    let is_tenants_user = attributes.get("userType").is_some() || attributes.get("onPremisesImmutableId").is_some();
    PairSide {
        sign_in_name: text("userPrincipalName"),
        addresses,
        enabled,
        licences: skus.or(is_tenants_user.then_some(0)),
        object,
    }
}
