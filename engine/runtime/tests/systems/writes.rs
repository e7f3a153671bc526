//! Writes to a connected system in memory: what it takes, what it refuses, and what its answers are worth. It keeps references
//! whole, makes nothing in a container that is not there, and shares no code with a real connector.

use super::weather::Fate;
use super::{Behaviour, Directory, Entry, State, remove_references_to};
use async_trait::async_trait;
use connector_contract::{
    ConnectorError, CreateRequest, ErrorKind, ExportItem, ExportOperation, ExportOutcome, ExportProblem, Exporter,
    ReferenceChange, UpdateRequest,
};
use metaverse_schema::{Anchor, AttributeChange, Attributes, Dn, ObjectType, Reference, Value, Values};
use std::time::Duration;

#[async_trait]
impl Exporter for Directory {
    fn batch_size(&self) -> usize {
        self.state().behaviour.batch
    }

    fn named_by(&self) -> &'static [&'static str] {
        if self.state().behaviour.wants_stamps { &["stamp"] } else { &[] }
    }

    fn references_follow_creates(&self) -> bool {
        self.state().behaviour.references_apart
    }

    async fn export(&self, items: &[ExportItem]) -> Result<Vec<(i64, ExportOutcome)>, ConnectorError> {
        if self.state().is_busy() {
            let wait = ErrorKind::BackOff { wait: Duration::from_secs(30) };
            return Err(ConnectorError::new(wait, "writing", "too many requests", "try again later"));
        }
        let mut outcomes = Vec::new();
        for item in items {
            if let Some(problem) = self.unnamed(item) {
                outcomes.push((item.id, ExportOutcome::Refused(problem)));
                continue;
            }
            self.point(true).await;
            let fate = self.state().fate();
            let outcome = match fate {
                Fate::Refused => Some(ExportOutcome::Refused(problem("busy", "the object is locked at present", true))),
                Fate::Unsent => Some(unsettled(false)),
                Fate::Vanished => Some(unsettled(true)),
                Fate::Well => Some(self.write(&item.object_type, &item.operation)),
                Fate::Unanswered => {
                    self.write(&item.object_type, &item.operation);
                    Some(unsettled(true))
                }
                Fate::Silent => {
                    self.write(&item.object_type, &item.operation);
                    None
                }
            };
            self.point(true).await;
            outcomes.extend(outcome.map(|outcome| (item.id, outcome)));
        }
        Ok(outcomes)
    }

    async fn find_created(
        &self,
        object_type: &ObjectType,
        create: &CreateRequest,
    ) -> Result<Option<Anchor>, ConnectorError> {
        let key = create.attributes.text(self.key);
        let state = self.state();
        Ok(state
            .objects
            .iter()
            .find(|(_, entry)| {
                entry.object_type == *object_type && key.is_some() && entry.attributes.text(self.key) == key
            })
            .map(|(anchor, _)| Anchor::Text(anchor.clone())))
    }
}

impl Directory {
    fn write(&self, object_type: &ObjectType, operation: &ExportOperation) -> ExportOutcome {
        let mut state = self.state();
        match operation {
            ExportOperation::Create(create) => self.create(&mut state, object_type, create),
            ExportOperation::Update(update) | ExportOperation::Restore(update) => self.update(&mut state, update),
            ExportOperation::Delete { anchor } => {
                state.writes.push(format!("delete {anchor}"));
                if let Some(problem) = occupied(&state, &anchor.to_string()) {
                    return ExportOutcome::Refused(problem);
                }
                // What is gone is gone: that is success.
                if state.objects.remove(&anchor.to_string()).is_some() {
                    remove_references_to(&mut state, &anchor.to_string());
                    state.changes.push(anchor.to_string());
                }
                accepted(None)
            }
            ExportOperation::Detach { anchor } => {
                state.writes.push(format!("detach {anchor}"));
                if let Some(entry) = state.objects.get_mut(&anchor.to_string()) {
                    entry.attributes.set("enabled", Value::Boolean(false));
                    entry.attributes.remove("stamp");
                }
                state.changes.push(anchor.to_string());
                accepted(None)
            }
        }
    }

    fn create(&self, state: &mut State, object_type: &ObjectType, create: &CreateRequest) -> ExportOutcome {
        let key = create.attributes.text(self.key).unwrap_or_default().to_owned();
        state.writes.push(format!("create {object_type} {key}"));
        if let Some(problem) = refusal(state, &create.attributes)
            .or_else(|| orphaned(state, create.dn.as_ref()))
            .or_else(|| taken(state, None, create.dn.as_ref()))
        {
            return ExportOutcome::Refused(problem);
        }
        if state.objects.values().any(|entry| !key.is_empty() && entry.attributes.text(self.key) == Some(&key)) {
            state.doubled.push(format!("{object_type} {key}"));
        }
        let found = state.behaviour.matches_itself.then(|| self.unstamped(state, create)).flatten();
        let anchor = found.unwrap_or_else(|| {
            state.next += 1;
            format!("new-{}", state.next)
        });
        let found = state.objects.remove(&anchor);
        let is_new = found.is_none();
        let attributes = found.map(|entry| entry.attributes).unwrap_or_default();
        let mut entry = Entry { object_type: object_type.clone(), dn: create.dn.clone(), attributes };
        for (name, values) in create.attributes.iter() {
            entry.attributes.set(name.clone(), written(&state.behaviour, name.as_str(), values));
        }
        state.objects.insert(anchor.clone(), entry);
        state.changes.push(anchor.clone());
        if is_new && state.behaviour.delay > 0 {
            let delay = state.behaviour.delay + 1;
            state.unseen.insert(anchor.clone(), delay);
        }
        let failed = write_references(state, &anchor, &create.references);
        ExportOutcome::Accepted { anchor: Some(Anchor::Text(anchor)), failed_references: failed }
    }

    /// What is wrong with what an item brings along to name its object.
    fn unnamed(&self, item: &ExportItem) -> Option<ExportProblem> {
        let anchor = match &item.operation {
            ExportOperation::Create(_) => return None,
            ExportOperation::Update(update) | ExportOperation::Restore(update) => &update.anchor,
            ExportOperation::Delete { anchor } | ExportOperation::Detach { anchor } => anchor,
        };
        let state = self.state();
        let held = state.objects.get(&anchor.to_string()).and_then(|entry| entry.attributes.text("stamp"));
        let wants = state.behaviour.wants_stamps;
        (wants && item.named_by.text("stamp") != held).then(|| problem("unnamed", "another stamp, or none", false))
    }

    /// The object that a create becomes, where the system matches by primary address itself.
    fn unstamped(&self, state: &State, create: &CreateRequest) -> Option<String> {
        let mail = create.attributes.text("mail")?;
        let fits =
            |entry: &Entry| entry.attributes.text("mail") == Some(mail) && entry.attributes.text(self.key).is_none();
        state.objects.iter().find(|(_, entry)| fits(entry)).map(|(anchor, _)| anchor.clone())
    }

    fn update(&self, state: &mut State, update: &UpdateRequest) -> ExportOutcome {
        let anchor = update.anchor.to_string();
        let Some(entry) = state.objects.get(&anchor) else {
            state.writes.push(format!("update {anchor} (gone)"));
            return ExportOutcome::Refused(problem("cd-missing-object", "there is no such object", false));
        };
        let key = entry.attributes.text(self.key).unwrap_or(&anchor).to_owned();
        let names: Vec<String> = update
            .changes
            .0
            .keys()
            .chain(update.afterwards.0.keys())
            .map(ToString::to_string)
            .chain(update.references.iter().map(|change| {
                let sign = if change.add { '+' } else { '-' };
                format!("{sign}{}", change.attribute)
            }))
            .collect();
        state.writes.push(format!("update {key} {}", names.join(" ")));
        let mut changed = entry.attributes.clone();
        for delta in [&update.changes, &update.afterwards] {
            delta.apply(&mut changed);
            for (name, change) in &delta.0 {
                if let AttributeChange::Update { add, remove } = change {
                    let add = add.iter().map(|value| format!(" +{value}"));
                    let remove = remove.iter().map(|value| format!(" -{value}"));
                    state.writes.push(format!("values {name}{}", remove.chain(add).collect::<String>()));
                }
                let values = changed.get(name.as_str()).cloned().unwrap_or_default();
                changed.set(name.clone(), written(&state.behaviour, name.as_str(), &values));
            }
        }
        if let Some(problem) = refusal(state, &changed)
            .or_else(|| orphaned(state, update.dn.as_ref()))
            .or_else(|| taken(state, Some(&anchor), update.dn.as_ref()))
        {
            return ExportOutcome::Refused(problem);
        }
        if let Some(entry) = state.objects.get_mut(&anchor) {
            entry.attributes = changed;
        }
        if let Some(dn) = &update.dn {
            carry(state, &anchor, dn);
        }
        state.changes.push(anchor.clone());
        let failed = write_references(state, &anchor, &update.references);
        ExportOutcome::Accepted { anchor: None, failed_references: failed }
    }
}

/// Gives an object another DN, and what stands below it with it.
fn carry(state: &mut State, anchor: &str, to: &Dn) {
    let old = state.objects.get_mut(anchor).and_then(|entry| entry.dn.replace(to.clone()));
    for entry in state.objects.values_mut() {
        if let (Some(old), Some(place)) = (&old, &mut entry.dn)
            && place != to
            && place.is_within(old)
        {
            let below = &place.rdns()[..place.rdns().len() - old.rdns().len()];
            *place = Dn::from_rdns(below.iter().chain(to.rdns()).cloned().collect());
        }
    }
}

fn unsettled(may_have_arrived: bool) -> ExportOutcome {
    ExportOutcome::NotSettled { may_have_arrived, message: "the connection broke".into() }
}

fn accepted(anchor: Option<Anchor>) -> ExportOutcome {
    ExportOutcome::Accepted { anchor, failed_references: Vec::new() }
}

fn written(behaviour: &Behaviour, name: &str, values: &Values) -> Values {
    if !behaviour.shouts.contains(name) {
        return values.clone();
    }
    values
        .iter()
        .map(|value| match value.as_text() {
            Some(text) => Value::text(text.to_uppercase()),
            None => value.clone(),
        })
        .collect()
}

fn refusal(state: &State, attributes: &Attributes) -> Option<ExportProblem> {
    let name = attributes.text("displayName")?;
    let (code, retry) = state.behaviour.refuses.get(name)?;
    Some(problem(code, "refused by the test", *retry))
}

/// Nothing is created in a container that is not there; what has one RDN stands at the root.
fn orphaned(state: &State, dn: Option<&Dn>) -> Option<ExportProblem> {
    let parent = dn?.parent().filter(|parent| !parent.rdns().is_empty())?;
    let stands = state.objects.values().any(|entry| entry.dn.as_ref() == Some(&parent));
    (!stands).then(|| problem("non-existent-parent", "the container is not there", true))
}

/// Somebody else stands at the place already.
fn taken(state: &State, anchor: Option<&str>, dn: Option<&Dn>) -> Option<ExportProblem> {
    let place = dn.filter(|_| state.behaviour.unique_places)?.normalised();
    let stands = |(other, entry): (&String, &Entry)| {
        Some(other.as_str()) != anchor && entry.dn.as_ref().is_some_and(|dn| dn.normalised() == place)
    };
    let any = state.objects.iter().any(stands);
    any.then(|| problem("already-exists", "another object stands at that place", false))
}

/// No container goes while something stands in it.
fn occupied(state: &State, anchor: &str) -> Option<ExportProblem> {
    let dn = state.objects.get(anchor)?.dn.as_ref()?;
    let is_inside = |entry: &Entry| entry.dn.as_ref().and_then(Dn::parent).as_ref() == Some(dn);
    let any = state.objects.values().any(is_inside);
    any.then(|| problem("unsupported-container-delete", "the container is not empty", true))
}

fn problem(code: &str, message: &str, retry: bool) -> ExportProblem {
    ExportProblem { code: code.to_owned(), attribute: None, message: message.to_owned(), remedy: String::new(), retry }
}

/// Adds and removes references; one to an object that is not there fails by itself.
fn write_references(
    state: &mut State,
    anchor: &str,
    changes: &[ReferenceChange],
) -> Vec<(ReferenceChange, ExportProblem)> {
    let mut failed = Vec::new();
    for change in changes {
        if change.add && !state.objects.contains_key(&change.target.to_string()) {
            failed.push((change.clone(), problem("dn-attributes-failure", "the target is not there", true)));
            continue;
        }
        let value = Value::Reference(Reference::Anchor(change.target.clone()));
        if let Some(entry) = state.objects.get_mut(anchor) {
            let mut values = entry.attributes.get(change.attribute.as_str()).cloned().unwrap_or_default();
            if change.add {
                values.insert(value);
            } else {
                values.remove(&value);
            }
            entry.attributes.set(change.attribute.clone(), values);
        }
    }
    failed
}
