//! Whom an operator means: people by name, members of a group, whoever stands in a container or answers a condition. Names
//! add up, everything else narrows. Finds users of the target; decides nothing about them.

use super::users::{self, LinkedUser};
use crate::engine::EngineError;
use crate::names::{ObjectName, Space};
use crate::reading::Reading;
use metaverse_schema::{AttributeName, Dn, Value, Values};
use std::borrow::Cow;
use std::collections::BTreeSet;
use sync_kernel::{CsId, CsObject, LicenceObstacle, MvId, MvObject, Subject};
use sync_rules::{Computed, ConnectorName, Expression, Inputs, RuleSet, Single};
use sync_store::StoreError;

/// Members of one page of a group.
const PAGE: usize = 1_000;

/// Whom to license. Nothing of it set: everybody.
#[derive(Debug, Clone, Default)]
pub struct LicenceSelection {
    /// Sign-in name, address, DN, anchor or name, of the person or of one of its objects.
    pub names: Vec<String>,
    /// Members of all of these groups, by name, DN or anchor.
    pub groups: Vec<String>,
    /// Members of members too.
    pub nested: bool,
    /// Whoever has an object in one of these containers of a directory, or below.
    pub containers: Vec<Dn>,
    /// Whoever's metaverse object it is true of.
    pub condition: Option<Expression>,
    /// Only who has no licence at all. Asked of the target, so that it is looked at last.
    pub unlicensed: bool,
}

/// Who is meant.
#[derive(Debug, Default)]
pub(super) struct Selected {
    pub(super) users: Vec<LinkedUser>,
    /// Named, and nobody whom this engine writes there.
    pub(super) strangers: Vec<(ObjectName, LicenceObstacle)>,
    /// Members of the groups who are no users that this engine writes.
    pub(super) passed_over: u64,
}

pub(super) fn select(
    reading: &Reading<'_>,
    connector: &ConnectorName,
    selection: &LicenceSelection,
) -> Result<Selected, EngineError> {
    let mut selected = match selection.names.is_empty() {
        true => Selected { users: users::all(reading, connector)?, ..Selected::default() },
        false => named(reading, connector, &selection.names)?,
    };
    for group in &selection.groups {
        let members = members(reading, connector, group, selection.nested)?;
        let users: BTreeSet<MvId> = selected.users.iter().map(|user| user.mv).collect();
        let strange = |(person, _): &&(Option<MvId>, CsId)| !person.is_some_and(|person| users.contains(&person));
        selected.passed_over += members.iter().filter(strange).count() as u64;
        let people: BTreeSet<MvId> = members.iter().filter_map(|(person, _)| *person).collect();
        selected.users.retain(|user| people.contains(&user.mv));
    }
    if !selection.containers.is_empty() {
        known_containers(reading, &selection.containers)?;
        retain(&mut selected.users, |user| stands_in(reading, connector, user.mv, &selection.containers))?;
    }
    if let Some(condition) = &selection.condition {
        retain(&mut selected.users, |user| is_true(reading, condition, user.mv))?;
    }
    Ok(selected)
}

/// As `Vec::retain`, with a question that may fail.
fn retain(
    users: &mut Vec<LinkedUser>,
    mut keep: impl FnMut(&LinkedUser) -> Result<bool, EngineError>,
) -> Result<(), EngineError> {
    let mut kept = Vec::with_capacity(users.len());
    for user in users.drain(..) {
        if keep(&user)? {
            kept.push(user);
        }
    }
    *users = kept;
    Ok(())
}

fn named(reading: &Reading<'_>, connector: &ConnectorName, names: &[String]) -> Result<Selected, EngineError> {
    let (mut selected, mut seen) = (Selected::default(), BTreeSet::new());
    for name in names {
        let subject = reading.find_anywhere(name)?;
        let (person, object) = match subject {
            Subject::Metaverse(person) => (Some(person), None),
            Subject::Connector(id) => {
                let object = reading.store.object(id)?;
                (object.as_ref().and_then(|object| object.link.as_ref()).map(|link| link.mv), object)
            }
        };
        let found = match person {
            Some(person) => users::of_person(reading, connector, person)?,
            None => Vec::new(),
        };
        if found.is_empty() {
            let name = reading.name(subject)?;
            let obstacle = stranger(connector, object.as_ref(), &name);
            selected.strangers.push((name, obstacle));
        }
        selected.users.extend(found.into_iter().filter(|user| seen.insert(user.object.id)));
    }
    Ok(selected)
}

/// Found, and no user of the target that this engine writes.
fn stranger(connector: &ConnectorName, object: Option<&CsObject>, name: &ObjectName) -> LicenceObstacle {
    if name.object_type == "group" {
        return LicenceObstacle {
            code: "licence-not-synchronised",
            message: "it is a group, and users are given licences here".to_owned(),
            remedy: "--group names the members of a group".to_owned(),
        };
    }
    if object.is_some_and(|object| object.connector == *connector) {
        return LicenceObstacle {
            code: "licence-not-synchronised",
            message: "it belongs to the tenant alone, and nothing is written to such users".to_owned(),
            remedy: "give the licence on the tenant's own pages".to_owned(),
        };
    }
    LicenceObstacle {
        code: "licence-not-synchronised",
        message: format!("it is linked with no user of `{connector}`"),
        remedy: "`metasync explain` says why: out of scope, held, or waiting for the approval of a match".to_owned(),
    }
}

/// The members of a group, each as a person where it is one. A group of a directory comes before its like in the target.
fn members(
    reading: &Reading<'_>,
    target: &ConnectorName,
    name: &str,
    nested: bool,
) -> Result<Vec<(Option<MvId>, CsId)>, EngineError> {
    let mut connectors = reading.store.connectors();
    connectors.sort_by_key(|connector| connector == target);
    for connector in connectors {
        let subject = match reading.find(&Space::Connector(connector.clone()), name) {
            Ok(subject) => subject,
            Err(EngineError::NotFound { .. }) => continue,
            Err(error) => return Err(error),
        };
        let Subject::Connector(group) = subject else { continue };
        return match member_attribute(reading, &connector, group)? {
            Some(attribute) => flattened(reading, group, &attribute, nested),
            None => Err(EngineError::LinkRefused {
                code: "licence-group-empty",
                message: format!("{} has no member, as it was imported", reading.name(subject)?.text()),
                remedy: "name a group with members; a person is named without --group".to_owned(),
            }),
        };
    }
    Err(EngineError::NotFound { what: name.to_owned() })
}

/// The attribute that holds the group's members: the one that rules read, or by its usual names in a system that no rule reads
/// groups of. None: it has no member.
fn member_attribute(
    reading: &Reading<'_>,
    connector: &ConnectorName,
    group: CsId,
) -> Result<Option<AttributeName>, StoreError> {
    for attribute in [reading.rules.member_attribute(connector), "members".into(), "member".into()] {
        if count(reading, group, &attribute)? > 0 {
            return Ok(Some(attribute));
        }
    }
    Ok(None)
}

fn count(reading: &Reading<'_>, group: CsId, attribute: &AttributeName) -> Result<u64, StoreError> {
    let object = reading.store.object(group)?;
    Ok(object.and_then(|object| object.reference_counts.get(attribute).copied()).unwrap_or(0))
}

fn flattened(
    reading: &Reading<'_>,
    group: CsId,
    attribute: &AttributeName,
    nested: bool,
) -> Result<Vec<(Option<MvId>, CsId)>, EngineError> {
    let (mut found, mut seen, mut open) = (Vec::new(), BTreeSet::from([group]), vec![group]);
    while let Some(group) = open.pop() {
        let mut after = None;
        loop {
            let page = reading.store.members(group, attribute.as_str(), after, PAGE)?;
            let Some(last) = page.last().map(|member| member.id) else { break };
            after = Some(last);
            for member in page.into_iter().filter(|member| seen.insert(member.id)) {
                match nested && count(reading, member.id, attribute)? > 0 {
                    true => open.push(member.id),
                    false => found.push((member.mv, member.id)),
                }
            }
        }
    }
    Ok(found)
}

/// A container that no directory has selects nobody, and was mistyped.
fn known_containers(reading: &Reading<'_>, containers: &[Dn]) -> Result<(), EngineError> {
    for container in containers {
        let text = container.to_string();
        let mut known = false;
        for connector in reading.store.connectors() {
            known |= !reading.store.find_object(&connector, &text)?.is_empty();
        }
        if !known {
            return Err(EngineError::NotFound { what: text });
        }
    }
    Ok(())
}

fn stands_in(
    reading: &Reading<'_>,
    target: &ConnectorName,
    person: MvId,
    containers: &[Dn],
) -> Result<bool, EngineError> {
    for id in reading.store.metaverse(person)?.map(|person| person.links).unwrap_or_default() {
        let Some(object) = reading.store.object(id)?.filter(|object| object.connector != *target) else { continue };
        if object.dn.as_ref().is_some_and(|dn| containers.iter().any(|container| dn.is_within(container))) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_true(reading: &Reading<'_>, condition: &Expression, person: MvId) -> Result<bool, EngineError> {
    let Some(person) = reading.store.metaverse(person)? else { return Ok(false) };
    let inputs = Person { object: &person, rules: reading.rules, now: reading.now };
    match condition.compute(&inputs) {
        Ok(Computed::Values(values)) => Ok(values == [Single::Value(Value::Boolean(true))]),
        Ok(_) => Ok(false),
        Err(error) => Err(EngineError::LinkRefused {
            code: "licence-condition",
            message: format!("the condition cannot be computed: {} ({})", error.message, error.code),
            remedy: "try it with `metasync eval`; IsPresent([ATTRIBUTE]) guards what not everybody has".to_owned(),
        }),
    }
}

/// What a condition reads of a person.
struct Person<'a> {
    object: &'a MvObject,
    rules: &'a RuleSet,
    now: i64,
}

impl Inputs for Person<'_> {
    fn attribute(&self, name: &str) -> Option<Cow<'_, Values>> {
        let values = self.object.attributes.get(name).map(|value| Cow::Borrowed(&value.values));
        values.filter(|values| !values.is_empty())
    }

    fn parameter(&self, name: &str) -> Option<Value> {
        self.rules.parameters.get(name).cloned()
    }

    fn now(&self) -> i64 {
        self.now
    }
}
