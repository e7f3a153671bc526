//! Compares what a step of a rule test expects to be exported with what is pending in the target's connector space.

use super::compare::{Atom, ROWS, Subjects, shown};
use crate::engine::EngineError;
use crate::preview::operation_name;
use metaverse_schema::{AttributeName, Attributes, AttributesDelta, Dn, ValueKind};
use std::collections::{BTreeMap, BTreeSet};
use sync_kernel::{CsId, CsObject, PendingOperation, Subject};
use sync_rules::{ExpectedExport, ExpectedOperation};
use sync_store::{HoldFilter, PendingMember, StoreError};

/// Holds of one person in one target that a test looks at.
const HOLDS: usize = 1_000;

/// What an export will make of the target object.
#[derive(Default)]
struct Outcome {
    operation: &'static str,
    dn: Option<Dn>,
    /// All attributes as they will be, references aside.
    after: Attributes,
    /// What is sent.
    sent: BTreeSet<AttributeName>,
    references: Vec<PendingMember>,
}

pub(super) fn compare_export(subjects: &mut Subjects<'_>, expected: &ExpectedExport) -> Result<(), EngineError> {
    let target = subjects.bench.stands_for(&subjects.expectation.object, &expected.connector);
    let store = subjects.bench.engine.store();
    let object = target.map(|id| store.object(id)).transpose()?.flatten();
    let outcome = match &object {
        Some(object) => outcome(subjects, object)?,
        None => Outcome { operation: "none", ..Outcome::default() },
    };
    let to = &expected.connector;
    if let Some(operation) = &expected.operation
        && operation.value.word() != outcome.operation
    {
        let found = match (&object, operation.value) {
            (None, ExpectedOperation::None) => String::new(),
            (None, _) => "none: there is no object of it".to_owned(),
            _ => outcome.operation.to_owned(),
        };
        let held = held_codes(subjects, to)?;
        let found = if held.is_empty() { found } else { format!("{found} (held: {})", shown(held.iter())) };
        let wanted = operation.value.word().to_owned();
        subjects.differs(format!("export to {to}"), &operation.place, wanted, found, None);
    }
    if let Some(dn) = &expected.dn
        && outcome.dn.as_ref() != Some(&dn.value)
    {
        let found = outcome.dn.as_ref().map_or("nothing".to_owned(), ToString::to_string);
        subjects.differs(format!("DN in {to}"), &dn.place, dn.value.to_string(), found, None);
    }
    compare_attributes(subjects, expected, target, &outcome)?;
    if let Some(held) = &expected.held {
        let found = held_codes(subjects, to)?;
        let wanted: BTreeSet<String> = held.value.iter().cloned().collect();
        if found != wanted {
            let (wanted, found) = (shown(wanted.iter()), shown(found.iter()));
            subjects.differs(format!("held for {to}"), &held.place, wanted, found, None);
        }
    }
    if let Some(members) = &expected.members_held {
        let found = members_held(subjects, target)?;
        if found != members.value {
            let text = |members: &BTreeMap<String, String>| {
                shown(members.iter().map(|(member, code)| format!("{member} ({code})")))
            };
            let (wanted, found) = (text(&members.value), text(&found));
            subjects.differs(format!("members held for {to}"), &members.place, wanted, found, None);
        }
    }
    Ok(())
}

fn outcome(subjects: &Subjects<'_>, object: &CsObject) -> Result<Outcome, StoreError> {
    let references: Vec<PendingMember> = subjects
        .bench
        .engine
        .store()
        .pending_members(object.id, None, ROWS)?
        .into_iter()
        .filter(|member| member.state != "unconfirmed")
        .collect();
    let mut after = sync_kernel::overlay(object.imported().unwrap_or(&Attributes::new()), &object.memory);
    let mut dn = object.dn.clone();
    let mut delta = AttributesDelta::default();
    let operation = object.pending.as_ref().map(|pending| &pending.operation);
    match operation {
        Some(PendingOperation::Add { attributes }) => {
            for (name, values) in attributes.iter() {
                delta.set(name.clone(), values.clone());
            }
        }
        Some(PendingOperation::Update { rename, changes, afterwards, .. }) => {
            dn = rename.clone().or(dn);
            delta.0.extend(changes.0.clone());
            delta.0.extend(afterwards.0.clone());
        }
        Some(PendingOperation::Restore { changes, afterwards }) => {
            delta.0.extend(changes.0.clone());
            delta.0.extend(afterwards.0.clone());
        }
        Some(PendingOperation::Delete { .. } | PendingOperation::Detach { .. }) | None => {}
    }
    delta.apply(&mut after);
    let sent = delta.0.into_keys().chain(references.iter().map(|member| member.attribute.clone())).collect();
    let operation = match operation {
        Some(_) if object.pending.as_ref().is_some_and(|pending| pending.grace.is_some()) => "leaving",
        Some(operation) => operation_name(operation),
        None if references.is_empty() => "none",
        None => "update",
    };
    Ok(Outcome { operation, dn, after, sent, references })
}

fn compare_attributes(
    subjects: &mut Subjects<'_>,
    expected: &ExpectedExport,
    target: Option<CsId>,
    outcome: &Outcome,
) -> Result<(), EngineError> {
    let schema = subjects.bench.engine.store().schema(&expected.connector)?.unwrap_or_default();
    let mut preview = None;
    for attribute in &expected.attributes {
        let found = match schema.kind_of(attribute.name.as_str()) {
            Some(ValueKind::Reference) => reference_atoms(subjects, target, &attribute.name, outcome)?,
            _ => {
                let values = outcome.after.get(attribute.name.as_str()).cloned().unwrap_or_default();
                values.into_iter().map(Atom::Value).collect()
            }
        };
        if subjects.holds(attribute, &found, &expected.connector) {
            continue;
        }
        if preview.is_none()
            && let Some(mv) = &subjects.mv
        {
            preview = Some(subjects.bench.engine.reading().preview(Subject::Metaverse(mv.id))?);
        }
        let line = preview
            .iter()
            .flat_map(|preview| &preview.targets)
            .filter(|target| *target.connector == *expected.connector)
            .flat_map(|target| &target.attributes)
            .find(|line| attribute.name == *line.attribute)
            .cloned();
        let (wanted, found) = (subjects.wanted_text(attribute), subjects.atoms_text(&found));
        let what = format!("{} in {}", attribute.name, expected.connector);
        subjects.differs(what, &attribute.place, wanted, found, line.as_ref());
    }
    if expected.complete {
        let named: BTreeSet<&AttributeName> = expected.attributes.iter().map(|attribute| &attribute.name).collect();
        let unnamed: Vec<&AttributeName> = outcome.sent.iter().filter(|name| !named.contains(name)).collect();
        if !unnamed.is_empty() {
            let found = shown(unnamed.iter().map(|name| name.as_str()));
            let what = format!("other attributes sent to {}", expected.connector);
            subjects.differs(what, &expected.place, "nothing".to_owned(), found, None);
        }
    }
    Ok(())
}

/// The objects that a reference attribute of the target will point at.
fn reference_atoms(
    subjects: &Subjects<'_>,
    target: Option<CsId>,
    attribute: &AttributeName,
    outcome: &Outcome,
) -> Result<BTreeSet<Atom>, StoreError> {
    let Some(target) = target else { return Ok(BTreeSet::new()) };
    let rows = subjects.bench.engine.store().members(target, attribute.as_str(), None, ROWS)?;
    let present = rows.into_iter().filter(|row| row.unsynchronised != Some("removed")).map(|row| row.id);
    let mut objects: BTreeSet<CsId> = present.collect();
    for change in outcome.references.iter().filter(|change| change.attribute == *attribute) {
        if change.add {
            objects.insert(change.member);
        } else {
            objects.remove(&change.member);
        }
    }
    Ok(objects.into_iter().map(Atom::Object).collect())
}

fn held_codes(subjects: &Subjects<'_>, connector: &str) -> Result<BTreeSet<String>, StoreError> {
    let Some(mv) = &subjects.mv else { return Ok(BTreeSet::new()) };
    let filter = HoldFilter { connector: Some(connector.into()), mv: Some(mv.id), ..HoldFilter::default() };
    Ok(subjects.bench.engine.store().holds(&filter, HOLDS)?.into_iter().map(|line| line.hold.code).collect())
}

fn members_held(subjects: &Subjects<'_>, target: Option<CsId>) -> Result<BTreeMap<String, String>, StoreError> {
    let Some(target) = target else { return Ok(BTreeMap::new()) };
    let waiting = subjects.bench.engine.store().waiting_members(target, None, ROWS)?;
    Ok(waiting.into_iter().map(|waiting| (subjects.name_of(waiting.member), waiting.code)).collect())
}
