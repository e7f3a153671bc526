//! What a rule change makes of exports: operations, values that a target would have afterwards, references, holds.

use super::compare::{Pair, Walk};
use super::{ChangeKind, ChangeLine};
use crate::names::{connector_object, metaverse_object};
use crate::preview::operation_name;
use metaverse_schema::{AttributeName, Attributes, AttributesDelta};
use std::collections::{BTreeMap, BTreeSet};
use sync_kernel::{CsObject, MvObject, PendingOperation};
use sync_rules::ConnectorName;
use sync_store::{HoldFilter, Store, StoreError};

/// References of one object that are counted.
const ROWS: usize = 100_000;
/// Holds of one object.
const HOLDS: usize = 1_000;

/// What is to be sent for one object.
#[derive(Default)]
struct Intention {
    operation: &'static str,
    after: Attributes,
    sent: BTreeSet<AttributeName>,
    /// Additions and removals by attribute.
    references: BTreeMap<AttributeName, (u64, u64)>,
}

impl Walk<'_> {
    /// Of an object that the target has already.
    pub(super) fn existing_export(&mut self, old: &Option<CsObject>, new: &Option<CsObject>) -> Result<(), StoreError> {
        let Some(object) = new.as_ref().or(old.as_ref()) else { return Ok(()) };
        let (was, is) = (intention(self.before, old.as_ref())?, intention(self.after, new.as_ref())?);
        let name = connector_object(object);
        let connector = object.connector.clone();
        self.intentions(&connector, &name, &was, &is);
        Ok(())
    }

    /// Of objects that are to be created, and what is held for a person in each target.
    pub(super) fn new_exports(&mut self, pair: &Pair) -> Result<(), StoreError> {
        let made = |store: &Store, side: &Option<MvObject>| -> Result<BTreeMap<ConnectorName, CsObject>, StoreError> {
            let mut made = BTreeMap::new();
            for id in side.iter().flat_map(|mv| &mv.links) {
                if let Some(object) = store.object(*id)?
                    && object.synchronised.is_none()
                    && object.staged.is_none()
                {
                    made.insert(object.connector.clone(), object);
                }
            }
            Ok(made)
        };
        let (old, new) = (made(self.before, &pair.0)?, made(self.after, &pair.1)?);
        let Some(mv) = pair.1.as_ref().or(pair.0.as_ref()) else { return Ok(()) };
        let name = metaverse_object(mv);
        for connector in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
            let was = intention(self.before, old.get(connector))?;
            let is = intention(self.after, new.get(connector))?;
            self.intentions(connector, &name, &was, &is);
        }
        let held =
            |store: &Store, side: &Option<MvObject>| -> Result<BTreeMap<ConnectorName, BTreeSet<String>>, StoreError> {
                let Some(mv) = side else { return Ok(BTreeMap::new()) };
                let filter = HoldFilter { mv: Some(mv.id), ..HoldFilter::default() };
                let mut held: BTreeMap<ConnectorName, BTreeSet<String>> = BTreeMap::new();
                for line in store.holds(&filter, HOLDS)? {
                    let attribute = line.hold.attribute.map_or(String::new(), |attribute| format!(" {attribute}"));
                    held.entry(line.connector).or_default().insert(format!("{}{attribute}", line.hold.code));
                }
                Ok(held)
            };
        let (old, new) = (held(self.before, &pair.0)?, held(self.after, &pair.1)?);
        for connector in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
            let text = |side: &BTreeMap<ConnectorName, BTreeSet<String>>| {
                side.get(connector)
                    .map(|codes| codes.iter().cloned().collect::<Vec<_>>().join(", "))
                    .unwrap_or_default()
            };
            let (was, is) = (text(&old), text(&new));
            if was != is {
                let mut line = ChangeLine::about(ChangeKind::Held, name.clone());
                line.connector = Some(connector.to_string());
                (line.from, line.to) = (was, is);
                self.told(&line);
            }
        }
        Ok(())
    }

    fn intentions(
        &mut self,
        connector: &ConnectorName,
        name: &crate::names::ObjectName,
        was: &Intention,
        is: &Intention,
    ) {
        let about = |kind| {
            let mut line = ChangeLine::about(kind, name.clone());
            line.connector = Some(connector.to_string());
            line
        };
        if was.operation != is.operation {
            let mut line = about(ChangeKind::Export);
            (line.from, line.to) = (was.operation.to_owned(), is.operation.to_owned());
            self.told(&line);
        }
        for attribute in was.sent.union(&is.sent) {
            let values = |side: &Intention| side.after.get(attribute.as_str()).cloned().unwrap_or_default();
            let (old, new) = (values(was), values(is));
            if old != new {
                let mut line = about(ChangeKind::ExportValue);
                line.attribute = Some(attribute.to_string());
                (line.old, line.new) = (old, new);
                self.told(&line);
            }
        }
        for attribute in was.references.keys().chain(is.references.keys()).collect::<BTreeSet<_>>() {
            let numbers = |side: &Intention| side.references.get(attribute).copied().unwrap_or_default();
            let (old, new) = (numbers(was), numbers(is));
            if old != new {
                let text = |(added, removed): (u64, u64)| format!("{added} to add, {removed} to remove");
                let mut line = about(ChangeKind::ExportReferences);
                line.attribute = Some(attribute.to_string());
                (line.from, line.to) = (text(old), text(new));
                self.told(&line);
            }
        }
    }
}

fn intention(store: &Store, object: Option<&CsObject>) -> Result<Intention, StoreError> {
    let Some(object) = object else { return Ok(Intention { operation: "none", ..Intention::default() }) };
    let mut intention =
        Intention { operation: "none", after: object.imported().cloned().unwrap_or_default(), ..Intention::default() };
    let mut delta = AttributesDelta::default();
    if let Some(pending) = &object.pending {
        // SF18: what waits for its day is no delete yet.
        intention.operation = match pending.grace {
            Some(_) => "leaving",
            None => operation_name(&pending.operation),
        };
        match &pending.operation {
            PendingOperation::Add { attributes } => {
                for (name, values) in attributes.iter() {
                    delta.set(name.clone(), values.clone());
                }
            }
            PendingOperation::Update { changes, afterwards, .. }
            | PendingOperation::Restore { changes, afterwards } => {
                delta.0.extend(changes.0.clone());
                delta.0.extend(afterwards.0.clone());
            }
            PendingOperation::Delete { .. } | PendingOperation::Detach { .. } => {}
        }
    }
    delta.apply(&mut intention.after);
    intention.sent = delta.0.into_keys().collect();
    for member in store.pending_members(object.id, None, ROWS)? {
        if matches!(member.state, "unconfirmed" | "in-flight") {
            continue;
        }
        let numbers = intention.references.entry(member.attribute).or_default();
        if member.add { numbers.0 += 1 } else { numbers.1 += 1 }
    }
    if intention.operation == "none" && !intention.references.is_empty() {
        intention.operation = "update";
    }
    Ok(intention)
}
