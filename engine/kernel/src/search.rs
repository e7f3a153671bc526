//! Looks for an existing object of a target that a metaverse object may belong to, by the join groups of its rule (S13, SF5-SF9).
//! Finds, or says why nothing may be found; takes nothing over, see `outbound`.

use crate::decide::Stop;
use crate::evaluate::MetaverseInputs;
use crate::inputs::Run;
use crate::join::{AMBIGUOUS_RULES, differing_joins, differing_text};
use crate::keys::SourceKeys;
use crate::neighbourhood::{KeyHit, Reader};
use crate::outbound::MvState;
use crate::scope::rule_in_scope;
use crate::takeover::as_text;
use crate::view::{ConnectorState, CsId, CsObject, Hold, MvId, MvRef, Staged};
use metaverse_schema::MatchKey;
use std::collections::BTreeSet;
use std::rc::Rc;
use sync_rules::{Criterion, Inputs, JoinClause, JoinGroup, Rule};

/// What looking for an existing object came to.
pub(crate) enum Search<'a> {
    Nothing,
    Candidate { object: &'a CsObject, criterion: Criterion },
    Held(Vec<Hold>),
}

/// Looks for an existing object by the rule's join groups in order. Unlike an inbound join, several hits end the search:
/// nothing is joined by a later criterion and nothing is created beside them.
pub(crate) fn search<'a>(
    mv: &MvState<'_>,
    rule: &Rule,
    in_scope: &[&Rule],
    reader: &mut Reader<'a>,
    run: &Run<'_>,
) -> Result<Search<'a>, Stop> {
    if let Some((one, other)) = differing_joins(in_scope, run) {
        let remedy =
            "give both rules the same join, or keep one of them out of scope; nothing is matched or created until then";
        return Ok(Search::Held(vec![hold(AMBIGUOUS_RULES, differing_text(one, other), remedy, None)]));
    }
    let inputs = mv.inputs(&rule.connector, run);
    let groups: Vec<KeyedGroup<'_>> =
        rule.join.iter().map(|group| KeyedGroup::new(rule, group, mv.keys, &inputs)).collect();
    let hits: Vec<(Vec<CsId>, Vec<MvId>)> =
        groups.iter().map(|group| (connector_hits(group, reader), same_key_elsewhere(mv, group, reader))).collect();
    Stop::if_missing(reader)?;
    for (objects, others) in &hits {
        objects.iter().for_each(|hit| {
            reader.connector(*hit);
        });
        others.iter().for_each(|other| {
            reader.metaverse(*other);
        });
    }
    Stop::if_missing(reader)?;

    for (group, (objects, others)) in rule.join.iter().zip(hits) {
        let found: Vec<&CsObject> = objects
            .into_iter()
            .filter_map(|hit| reader.connector(hit).flatten())
            .filter(|object| object.connector == rule.connector && object.anchor.is_some())
            .filter(|object| !matches!(object.staged, Some(Staged::Deleted(_))))
            .collect();
        let rivals: Vec<String> =
            others.into_iter().filter_map(|other| rival_name(other, mv, rule, reader, run)).collect();
        if let Some(outcome) = judge_group(mv, group, &found, &rivals) {
            return Ok(outcome);
        }
    }
    Ok(Search::Nothing)
}

fn judge_group<'a>(
    mv: &MvState<'_>,
    group: &JoinGroup,
    found: &[&'a CsObject],
    rivals: &[String],
) -> Option<Search<'a>> {
    let criterion = &group.criterion;
    let names = || found.iter().map(|object| name(object)).collect::<Vec<_>>().join(", ");
    let listed = |code: &str, message: String, remedy: &str| {
        let about = |object: &&CsObject| hold(code, message.clone(), remedy, Some(object.id));
        Some(Search::Held(if found.is_empty() {
            vec![hold(code, message.clone(), remedy, None)]
        } else {
            found.iter().map(about).collect()
        }))
    };
    if !rivals.is_empty() && !matches!(criterion, Criterion::ReviewOnly | Criterion::DeletedTwin) {
        return listed(
            "ambiguous-source",
            format!("another person of the metaverse has the same {criterion} key: {}", rivals.join(", ")),
            "give each account its own address and sign-in name; nothing is matched or created until then",
        );
    }
    match (criterion, found) {
        (_, []) => None,
        (Criterion::ReviewOnly, _) => listed(
            "secondary-address-match",
            format!("one of its addresses belongs to an existing object: {}", names()),
            "make it the primary address on both sides to match, or remove it on one side",
        ),
        (Criterion::DeletedTwin, _) => listed(
            "deleted-twin",
            deleted_twin_message(found),
            "restore that object in the recycle bin and match it, or delete it for good; nothing is created until then",
        ),
        (_, [object]) if object.state == ConnectorState::ExplicitlyDisconnected => {
            Some(Search::Held(vec![explicitly_disconnected(object, &criterion.to_string())]))
        }
        (_, [object]) => {
            let taken = object.link.as_ref().filter(|link| MvRef::Existing(link.mv) != mv.object);
            Some(match taken {
                Some(link) => Search::Held(vec![hold(
                    "candidate-taken",
                    format!("it matches {} by {criterion}, which is linked to {}", name(object), link.mv),
                    "two source accounts claim one existing object; correct the key on one of them",
                    Some(object.id),
                )]),
                None => Search::Candidate { object, criterion: criterion.clone() },
            })
        }
        (_, _) => listed(
            "ambiguous",
            format!("it matches {} existing objects by {criterion}: {}", found.len(), names()),
            "correct the key on all but one of them; nothing is matched or created until then",
        ),
    }
}

/// O20: an operator said that it belongs to nobody; it is neither matched nor created a second time.
pub(crate) fn explicitly_disconnected(object: &CsObject, criterion: &str) -> Hold {
    hold(
        "explicitly-disconnected",
        format!("it matches {} by {criterion}, which an operator disconnected", name(object)),
        "`metasync disconnect CONNECTOR OBJECT --undo` lets it be matched again",
        Some(object.id),
    )
}

/// SF9: with age and licences, which decide between the two ways out.
fn deleted_twin_message(found: &[&CsObject]) -> String {
    let described = found.iter().map(|object| {
        let image = object.imported();
        let since = image.and_then(|image| image.text("deletedDateTime")).unwrap_or("an unknown time");
        let licences = image.and_then(|image| image.get("assignedSkus")).map_or(0, |skus| skus.len());
        let licences = match licences {
            0 => "no licence".to_owned(),
            1 => "1 licence".to_owned(),
            several => format!("{several} licences"),
        };
        format!("{}, deleted {since}, {licences}", name(object))
    });
    format!(
        "an object with the same name or address is in the recycle bin: {}",
        described.collect::<Vec<_>>().join("; ")
    )
}

/// The name of another metaverse object with the same key, when the same rule would provision or match it too.
fn rival_name(other: MvId, mv: &MvState<'_>, rule: &Rule, reader: &mut Reader<'_>, run: &Run<'_>) -> Option<String> {
    let object = reader.metaverse(other).flatten()?;
    let inputs = MetaverseInputs::of(&object.attributes, &rule.connector, run);
    let is_rival =
        object.object_type == *mv.object_type && rule_in_scope(rule, |name| inputs.attribute(name), |_| false);
    is_rival.then(|| {
        let label = ["userPrincipalName", "displayName", "mail"].iter().find_map(|name| inputs.attribute(name));
        label.map_or_else(|| other.to_string(), |label| format!("{} ({other})", as_text(&label)))
    })
}

/// A join group with the values of its keys for one metaverse object.
struct KeyedGroup<'r> {
    group: &'r JoinGroup,
    /// By clause.
    values: Vec<Rc<[MatchKey]>>,
}

impl<'r> KeyedGroup<'r> {
    fn new(rule: &Rule, group: &'r JoinGroup, keys: &SourceKeys, inputs: &MetaverseInputs<'_>) -> Self {
        let values = group.clauses.iter().map(|clause| keys.of(rule, clause, inputs)).collect();
        KeyedGroup { group, values }
    }

    fn clauses(&self) -> impl Iterator<Item = (&JoinClause, &[MatchKey])> {
        self.group.clauses.iter().zip(self.values.iter().map(|values| &**values))
    }
}

/// The connector-space objects that all clauses of the group hit; a clause without a value hits nothing (S16).
fn connector_hits(group: &KeyedGroup<'_>, reader: &mut Reader<'_>) -> Vec<CsId> {
    let mut found: Option<BTreeSet<CsId>> = None;
    for (clause, values) in group.clauses() {
        let mut hits = BTreeSet::new();
        for value in values {
            hits.extend(reader.key(clause.target_key, value).unwrap_or_default().iter().filter_map(|hit| match hit {
                KeyHit::Connector(id) => Some(*id),
                KeyHit::Metaverse(_) => None,
            }));
        }
        found = Some(match found {
            None => hits,
            Some(before) => before.intersection(&hits).copied().collect(),
        });
    }
    found.unwrap_or_default().into_iter().collect()
}

/// Other metaverse objects with the same values of all the group's keys.
fn same_key_elsewhere(mv: &MvState<'_>, group: &KeyedGroup<'_>, reader: &mut Reader<'_>) -> Vec<MvId> {
    let mut found: Option<BTreeSet<MvId>> = None;
    for (clause, values) in group.clauses() {
        let mut hits = BTreeSet::new();
        for value in values {
            hits.extend(metaverse_hits(clause.source_key, value, reader));
        }
        found = Some(match found {
            None => hits,
            Some(before) => before.intersection(&hits).copied().collect(),
        });
    }
    let mut found = found.unwrap_or_default();
    if let MvRef::Existing(own) = mv.object {
        found.remove(&own);
    }
    found.into_iter().collect()
}

pub(crate) fn metaverse_hits(key: sync_rules::KeyId, value: &MatchKey, reader: &mut Reader<'_>) -> Vec<MvId> {
    let hits = reader.key(key, value).unwrap_or_default();
    hits.iter()
        .filter_map(|hit| match hit {
            KeyHit::Metaverse(mv) => Some(*mv),
            KeyHit::Connector(_) => None,
        })
        .collect()
}

pub(crate) fn hold(code: &str, message: String, remedy: &str, candidate: Option<CsId>) -> Hold {
    Hold {
        code: code.to_owned(),
        attribute: None,
        wanted: None,
        present: None,
        message,
        remedy: remedy.to_owned(),
        candidate,
        approvable: None,
    }
}

/// How an operator finds the object.
pub(crate) fn name(object: &CsObject) -> String {
    let image = object.imported();
    let label = ["userPrincipalName", "mail", "displayName"]
        .iter()
        .find_map(|attribute| image.and_then(|image| image.text(attribute)));
    let id = object.anchor.as_ref().map_or_else(|| object.id.to_string(), ToString::to_string);
    match label {
        Some(label) => format!("{} {label} ({id})", object.object_type),
        None => format!("{} {id}", object.object_type),
    }
}
