//! May an existing object be taken over? Gathers every reason why not (SF1-SF8); an empty list is the only yes.
//! Never joins; see `outbound`.

use crate::desired::DesiredValues;
use crate::evaluate::{ConnectorInputs, MetaverseInputs, evaluate};
use crate::inputs::Run;
use crate::plan::ObjectError;
use crate::view::{Approval, ApprovalKind, CsObject, Hold, MatchVerdict, MvRef, MvValue, Privilege};
use metaverse_schema::{AttributeName, Attributes, ByName, Value, Values};
use std::collections::BTreeMap;
use sync_rules::{AddressesChoice, Criterion, Matching, MergeType, Outcome, Rule, Takeover};

/// What the flows want for the candidate, as far as takeover rules look at it.
pub(crate) struct Wanted<'a> {
    pub(crate) values: &'a DesiredValues,
    /// Attributes whose foreign values survive (S57).
    pub(crate) merged: &'a BTreeMap<AttributeName, MergeType>,
}

/// Holds on taking over `candidate`, and whether its roles must be read first. `verdict`: what an operator decided about the pair.
pub(crate) fn takeover_holds(
    rule: &Rule,
    criterion: &Criterion,
    candidate: &CsObject,
    (mv, verdict): (MvRef, Option<MatchVerdict>),
    wanted: &Wanted<'_>,
    run: &Run<'_>,
) -> Result<(Vec<Hold>, bool), ObjectError> {
    let mut holds = Vec::new();
    let mut facts_wanted = false;
    let nothing = Attributes::new();
    let image = candidate.imported().unwrap_or(&nothing);
    let about = |hold: Hold| Hold { candidate: Some(candidate.id), ..hold };
    if let Some(takeover) = &rule.takeover {
        let reader = ConnectorInputs::of(candidate, image, run);
        for never in &takeover.never {
            if is_true(&evaluate(&never.when, &reader, &rule.id, &never.code)?) {
                holds.push(about(hold(
                    &never.code,
                    format!("the existing object is never matched: {}", never.code),
                    &never.remedy,
                )));
            }
        }
        if takeover.refuse_privileged {
            facts_wanted = true;
            holds.extend(privilege_hold(candidate).map(about));
        }
        holds.extend(stale_anchor(takeover, criterion, image, wanted).map(about));
        holds.extend(would_enable(takeover, candidate, mv, image, wanted).map(about));
        holds.extend(addresses_lost(takeover, candidate, image, wanted, run).map(about));
    }
    // A candidate that nobody can let through is no candidate to approve.
    if holds.iter().all(|hold| hold.approvable.is_some()) {
        let is_approved =
            verdict == Some(MatchVerdict::Approved) || is_approved(candidate, ApprovalKind::Match, mv, None);
        holds.extend(matching_hold(run.matching(), criterion, is_approved).map(about));
    }
    Ok((holds, facts_wanted))
}

fn hold(code: &str, message: String, remedy: &str) -> Hold {
    Hold {
        code: code.to_owned(),
        attribute: None,
        wanted: None,
        present: None,
        message,
        remedy: remedy.to_owned(),
        candidate: None,
        approvable: None,
    }
}

/// SF6. Roles that could not be read, or were not read yet, count as privileged.
fn privilege_hold(candidate: &CsObject) -> Option<Hold> {
    let remedy = "remove the roles from this account for the takeover, or give the person another account; privileged accounts are matched neither softly nor hard";
    match &candidate.privilege {
        Some(Privilege::None) => None,
        Some(Privilege::Roles(roles)) => {
            Some(hold("privileged", format!("the existing account holds {}", roles.join(", ")), remedy))
        }
        Some(Privilege::Unreadable(reason)) => Some(hold(
            "privileged-unreadable",
            format!("its roles cannot be read, so it counts as privileged: {reason}"),
            "grant RoleManagement.Read.Directory to the application, then run the synchronisation again",
        )),
        None => Some(hold(
            "privileged-unreadable",
            "its roles have not been read yet, so it counts as privileged".into(),
            "run a synchronisation while the connected system can be reached",
        )),
    }
}

/// SF8: the candidate carries an anchor stamp that is not ours.
fn stale_anchor(takeover: &Takeover, criterion: &Criterion, image: &Attributes, wanted: &Wanted<'_>) -> Option<Hold> {
    let stamp = takeover.stamp.as_ref()?;
    let present = image.get(stamp.as_str())?;
    let ours = wanted.values.get(stamp);
    if *criterion == Criterion::Anchor || ours == Some(present) {
        return None;
    }
    Some(Hold {
        attribute: Some(stamp.to_string()),
        wanted: ours.map(as_text),
        present: Some(as_text(present)),
        ..hold(
            "stale-anchor",
            format!("the existing object carries another anchor in `{stamp}`"),
            "write that value into mS-DS-ConsistencyGuid of the person's account, or clear it on the existing object",
        )
    })
}

/// SF3.
fn would_enable(
    takeover: &Takeover,
    candidate: &CsObject,
    mv: MvRef,
    image: &Attributes,
    wanted: &Wanted<'_>,
) -> Option<Hold> {
    let enabled = takeover.enabled.as_ref()?;
    let blocked = image.first(enabled.as_str()) == Some(&Value::Boolean(false));
    let wants = wanted.values.get(enabled).and_then(Values::first) == Some(&Value::Boolean(true));
    if !blocked || !wants || is_approved(candidate, ApprovalKind::WouldEnable, mv, None) {
        return None;
    }
    Some(Hold {
        attribute: Some(enabled.to_string()),
        wanted: Some("True".into()),
        present: Some("False".into()),
        approvable: Some(ApprovalKind::WouldEnable),
        ..hold(
            "would-enable",
            "the existing account is blocked and the takeover would enable it".into(),
            "disable the source account, unblock the existing one, or approve this list",
        )
    })
}

/// SF1: addresses that only the existing object knows.
fn addresses_lost(
    takeover: &Takeover,
    candidate: &CsObject,
    image: &Attributes,
    wanted: &Wanted<'_>,
    run: &Run<'_>,
) -> Option<Hold> {
    let addresses = takeover.addresses.as_ref()?;
    if takeover.addresses_choice != AddressesChoice::Hold || !run.writable(&candidate.connector, addresses.as_str()) {
        return None;
    }
    if wanted.merged.contains_key(addresses) {
        return None;
    }
    let kept = wanted.values.get(addresses)?;
    let folded = |value: &Value| value.to_string().to_lowercase();
    let lost: Vec<String> = image
        .get(addresses.as_str())?
        .iter()
        .filter(|value| !kept.iter().any(|kept| folded(kept) == folded(value)))
        .map(Value::to_string)
        .collect();
    if lost.is_empty() {
        return None;
    }
    Some(Hold {
        attribute: Some(addresses.to_string()),
        wanted: Some(as_text(kept)),
        present: Some(lost.join(", ")),
        ..hold(
            "addresses-lost",
            format!("the takeover would drop {} that only the existing object has", lost.join(", ")),
            "add them to the source account, or choose `addresses = \"keep-cloud\"` or `\"ad-wins\"` under [matching]",
        )
    })
}

/// SF5. A key that this engine wrote itself needs nobody's say, and an operator's join is one.
fn matching_hold(matching: Matching, criterion: &Criterion, is_approved: bool) -> Option<Hold> {
    if matches!(criterion, Criterion::OwnKey | Criterion::Operator) {
        return None;
    }
    match matching {
        Matching::Automatic => None,
        Matching::Closed => Some(hold(
            "matching-closed",
            format!("it matches an existing object by {criterion}, and matching is closed"),
            "set `mode = \"review\"` under [matching] for the time of the takeover",
        )),
        Matching::Review if is_approved => None,
        Matching::Review => Some(Hold {
            approvable: Some(ApprovalKind::Match),
            ..hold(
                "match-candidate",
                format!("it matches an existing object by {criterion}"),
                "look at the list of candidates (`metasync pending`), then `metasync approve DIGEST`",
            )
        }),
    }
}

/// Whether an operator let this through, for exactly this pair and value.
pub(crate) fn is_approved(candidate: &CsObject, kind: ApprovalKind, mv: MvRef, value: Option<&str>) -> bool {
    let MvRef::Existing(mv) = mv else { return false };
    candidate.approvals.contains(&Approval { kind, mv, value: value.map(str::to_owned) })
}

/// The holds that are conditions on the metaverse object itself: the target system cannot hold it.
pub(crate) fn limitation_holds(
    rule: &Rule,
    attributes: &ByName<MvValue>,
    run: &Run<'_>,
) -> Result<Vec<Hold>, ObjectError> {
    let reader = MetaverseInputs::of(attributes, &rule.connector, run);
    let mut holds = Vec::new();
    for limitation in &rule.limitations {
        if is_true(&evaluate(&limitation.when, &reader, &rule.id, &limitation.code)?) {
            let code = format!("limitation-{}", limitation.code);
            let remedy = "nothing is written for this object; a limitation of this mode, or of what the source tells";
            holds.push(hold(&code, limitation.message.clone(), remedy));
        }
    }
    Ok(holds)
}

pub(crate) fn is_true(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Values(values) if values.first() == Some(&Value::Boolean(true)))
}

/// Values for people, in their fixed order.
pub(crate) fn as_text(values: &Values) -> String {
    values.iter().map(Value::to_string).collect::<Vec<_>>().join(", ")
}
