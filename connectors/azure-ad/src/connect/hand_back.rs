//! Giving a synchronised object back to the cloud (SF11), in an order that can be broken off anywhere: what only
//! synchronisation can write (addresses) is written and seen in the tenant first; then the source of authority is moved; then
//! Graph writes what the service did not take, and clears the anchor. Every step looks at what is there, and does nothing that
//! was done already. An object that is the cloud's is never sent to the service.

use super::export::ConnectDesk;
use super::words::{anchor_attribute, kind_of, properties};
use crate::errors::problem;
use crate::export::{Outcomes, not_settled};
use crate::hand_back::{class_of, item};
use crate::import::whole_object;
use crate::provisioning::{SyncObject, SyncOutcome};
use crate::schema::{Class, IMMUTABLE_ID, SYNC_ENABLED, USER};
use crate::source_of_authority::{is_moved, move_authority};
use crate::throttle::Patience;
use crate::update;
use crate::urls;
use connector_contract::{
    Authority, ConnectorError, ExportItem, ExportOperation, ExportOutcome, ExportProblem, HandBackRequest,
};
use metaverse_schema::{
    Anchor, AttributeChange, AttributeName, Attributes, AttributesDelta, ObjectType, Value, Values,
};

const READING: &str = "reading objects that are to be handed back";

/// One object on its way; `outcome` is set once it is decided.
struct Work<'a> {
    request: &'a HandBackRequest,
    class: &'static Class,
    id: String,
    present: Attributes,
    is_moved: bool,
    outcome: Option<ExportOutcome>,
}

impl Work<'_> {
    fn is_synced(&self) -> bool {
        self.present.first(SYNC_ENABLED) == Some(&Value::Boolean(true))
    }

    fn refuse(&mut self, code: &str, attribute: Option<&str>, message: String, remedy: &str, retry: bool) {
        self.outcome = Some(ExportOutcome::Refused(problem(code, attribute, message, remedy, retry)));
    }
}

impl ConnectDesk {
    /// Whose each object is now.
    pub(crate) async fn authority(
        &self,
        objects: &[(ObjectType, Anchor)],
    ) -> Vec<(Anchor, Result<Authority, ExportProblem>)> {
        let known: Vec<(&'static Class, String, &Anchor)> = objects
            .iter()
            .filter_map(|(object_type, anchor)| Some((class_of(object_type)?, anchor.to_string(), anchor)))
            .collect();
        let asked: Vec<(&'static Class, &str)> = known.iter().map(|(class, id, _)| (*class, id.as_str())).collect();
        let moved = is_moved(&self.graph.graph, &asked).await;
        let mut answers = Vec::with_capacity(known.len());
        for ((class, id, anchor), moved) in known.iter().zip(moved) {
            let authority = match moved {
                Ok(true) => Ok(Authority::MovedAway),
                Ok(false) => match self.read_one(class, id).await {
                    Ok(Some(present)) if present.first(SYNC_ENABLED) == Some(&Value::Boolean(true)) => {
                        Ok(Authority::Engine)
                    }
                    Ok(Some(_)) => Ok(Authority::System),
                    Ok(None) => Err(gone(class, id)),
                    Err(error) => Err(unreadable(&error.to_string())),
                },
                Err(ExportOutcome::Refused(refusal)) => Err(refusal),
                Err(ExportOutcome::NotSettled { message, .. }) => Err(unreadable(&message)),
                Err(ExportOutcome::Accepted { .. }) => Err(unreadable("the service answered nothing")),
            };
            answers.push(((*anchor).clone(), authority));
        }
        answers
    }

    pub(crate) async fn hand_back(&self, requests: &[HandBackRequest]) -> Result<Outcomes, ConnectorError> {
        if requests.is_empty() {
            return Ok(Vec::new());
        }
        self.graph.graph.ready().await?;
        self.guard.pass(&self.graph.graph, &*self.service).await?;
        let mut outcomes = Outcomes::with_capacity(requests.len());
        let mut works = Vec::with_capacity(requests.len());
        for request in requests {
            match class_of(&request.object_type) {
                Some(class) => works.push(Work {
                    request,
                    class,
                    id: request.anchor.to_string(),
                    present: Attributes::new(),
                    is_moved: false,
                    outcome: None,
                }),
                None => {
                    let message = format!("objects of type {} cannot be handed back", request.object_type);
                    let refusal = problem("no-export-to-this-object-type", None, message, "", false);
                    outcomes.push((request.id, ExportOutcome::Refused(refusal)));
                }
            }
        }
        self.look(&mut works).await;
        self.write_first(&mut works).await;
        self.see_first(&mut works).await;
        self.move_to_cloud(&mut works).await;
        self.write_rest(&mut works).await;
        let done = || ExportOutcome::Accepted { anchor: None, failed_references: Vec::new() };
        outcomes.extend(works.into_iter().map(|work| (work.request.id, work.outcome.unwrap_or_else(done))));
        Ok(outcomes)
    }

    /// What each object holds, and whose it is.
    async fn look(&self, works: &mut [Work<'_>]) {
        let asked: Vec<(&'static Class, &str)> = works.iter().map(|work| (work.class, work.id.as_str())).collect();
        let moved = is_moved(&self.graph.graph, &asked).await;
        for (work, moved) in works.iter_mut().zip(moved) {
            match moved {
                Ok(moved) => work.is_moved = moved,
                Err(outcome) => work.outcome = Some(outcome),
            }
        }
        for work in open(works) {
            match self.read_one(work.class, &work.id).await {
                Ok(Some(present)) => work.present = present,
                Ok(None) => work.outcome = Some(ExportOutcome::Refused(gone(work.class, &work.id))),
                Err(error) => work.outcome = Some(not_settled(&error)),
            }
        }
    }

    /// While the engine masters them: everything at once, as the service takes it.
    async fn write_first(&self, works: &mut [Work<'_>]) {
        let mut objects = Vec::new();
        let mut senders = Vec::new();
        for work in open(works).filter(|work| work.is_synced() && !work.is_moved && !work.request.first.is_empty()) {
            match first_object(work) {
                Ok(object) => {
                    objects.push(object);
                    senders.push(work);
                }
                Err(refusal) => work.outcome = Some(ExportOutcome::Refused(refusal)),
            }
        }
        if objects.is_empty() {
            return;
        }
        let told = match self.service.provision(&objects).await {
            Ok(told) => told,
            Err(error) => objects
                .iter()
                .map(|_| SyncOutcome::NotSettled { may_have_arrived: false, message: error.to_string() })
                .collect(),
        };
        let mut told = told.into_iter();
        for work in senders {
            let lost = || SyncOutcome::NotSettled {
                may_have_arrived: true,
                message: "the service gave no result for it".to_owned(),
            };
            work.outcome = match told.next().unwrap_or_else(lost) {
                SyncOutcome::Accepted { .. } => None,
                SyncOutcome::Refused(refusal) => Some(ExportOutcome::Refused(refusal)),
                SyncOutcome::NotSettled { may_have_arrived, message } => {
                    Some(ExportOutcome::NotSettled { may_have_arrived, message })
                }
            };
        }
    }

    /// What nobody can write afterwards must stand in the tenant before the object changes hands: the service may have left an
    /// address out because another object has it (D.4).
    async fn see_first(&self, works: &mut [Work<'_>]) {
        for work in open(works).filter(|work| work.is_synced() && !work.is_moved) {
            let mut patience = Patience::new(self.graph.graph.settings());
            loop {
                match self.read_one(work.class, &work.id).await {
                    Ok(Some(present)) => work.present = present,
                    Ok(None) => {
                        work.outcome = Some(ExportOutcome::Refused(gone(work.class, &work.id)));
                        break;
                    }
                    Err(error) => {
                        work.outcome = Some(not_settled(&error));
                        break;
                    }
                }
                let Some((name, wanted)) = unseen(work) else { break };
                if let Some(pause) = patience.unseen() {
                    tokio::time::sleep(pause).await;
                    continue;
                }
                let held = work.present.get(name.as_str()).cloned().unwrap_or_default();
                let message = format!(
                    "the tenant does not hold `{name}` as it was: {} instead of {}; nothing was handed back",
                    told(&held),
                    told(&wanted)
                );
                let remedy = "find out who has the missing value now (`metasync search`), free it, and undo again: afterwards only \
                              the mailbox system could write it";
                work.refuse("undo-values-not-taken", Some(name.as_str()), message, remedy, false);
                break;
            }
        }
    }

    async fn move_to_cloud(&self, works: &mut [Work<'_>]) {
        let mut moving: Vec<&mut Work<'_>> = open(works).filter(|work| work.is_synced() && !work.is_moved).collect();
        let asked: Vec<(&'static Class, &str)> = moving.iter().map(|work| (work.class, work.id.as_str())).collect();
        let moved = move_authority(&self.graph.graph, &asked, true).await;
        for (work, moved) in moving.iter_mut().zip(moved) {
            match moved {
                Ok(()) => work.is_moved = true,
                Err(outcome) => work.outcome = Some(outcome),
            }
        }
    }

    /// What the service did not take, the manager, and last the stamp. Groups and contacts have none of it: Graph does not write
    /// what has a mailbox.
    async fn write_rest(&self, works: &mut [Work<'_>]) {
        let mut items: Vec<ExportItem> = Vec::new();
        let mut senders = Vec::new();
        for work in open(works).filter(|work| work.class.name == USER.name) {
            match self.read_one(work.class, &work.id).await {
                Ok(Some(present)) => {
                    let mut item = item(work.request);
                    if let ExportOperation::Update(update) = &mut item.operation {
                        update.changes = left_to_write(work, &present);
                    }
                    items.push(item);
                    senders.push(work);
                }
                Ok(None) => work.outcome = Some(ExportOutcome::Refused(gone(work.class, &work.id))),
                Err(error) => work.outcome = Some(not_settled(&error)),
            }
        }
        let mut outcomes: std::collections::BTreeMap<i64, ExportOutcome> =
            update::write_handed_back(&self.graph, &items).await.into_iter().collect();
        for work in senders {
            work.outcome = match outcomes.remove(&work.request.id) {
                // The tenant's replicas learn of a move one after another.
                Some(ExportOutcome::Refused(refusal)) if refusal.code == "limitation-synced-object" => {
                    let message = "the tenant does not show everywhere yet that the object was handed back".to_owned();
                    Some(ExportOutcome::NotSettled { may_have_arrived: true, message })
                }
                other => other,
            };
        }
    }

    async fn read_one(&self, class: &'static Class, id: &str) -> Result<Option<Attributes>, ConnectorError> {
        let path = urls::object_selecting(class, id, &class.select_properties());
        let found = self.graph.graph.find(&path, READING, class.right).await?;
        let entry = found.as_ref().and_then(serde_json::Value::as_object);
        Ok(entry.and_then(|entry| whole_object(class, entry).ok()).map(|object| object.attributes))
    }
}

fn open<'w, 'a>(works: &'w mut [Work<'a>]) -> impl Iterator<Item = &'w mut Work<'a>> {
    works.iter_mut().filter(|work| work.outcome.is_none())
}

fn gone(class: &Class, id: &str) -> ExportProblem {
    let message = format!("the {} {id} is not there", class.name);
    problem(
        "cd-missing-object",
        None,
        message,
        "there is nothing to give back; the next import tells whether it is gone",
        false,
    )
}

fn unreadable(message: &str) -> ExportProblem {
    problem("undo-unreadable", None, message, "try again when the tenant can be reached", true)
}

fn told(values: &Values) -> String {
    let texts: Vec<String> = values.iter().map(Value::to_string).collect();
    if texts.is_empty() { "nothing".to_owned() } else { texts.join(", ") }
}

/// What is to be held again, by attribute.
fn wanted(delta: &AttributesDelta) -> impl Iterator<Item = (&AttributeName, &Values)> {
    delta.0.iter().filter_map(|(name, change)| match change {
        AttributeChange::Replace(values) => Some((name, values)),
        AttributeChange::Update { .. } => None,
    })
}

/// A primary address and the list that it stands in go together: told one of them, the service makes up the other (D.3).
fn first_object(work: &Work<'_>) -> Result<SyncObject, ExportProblem> {
    let without_anchor = || {
        let message = format!("the {} {} has no source anchor that could be read", work.class.name, work.id);
        problem("missing-anchor-component", None, message, "run a full import", false)
    };
    let anchor = match work.class.name == USER.name {
        true => work.present.text(IMMUTABLE_ID),
        false => work.request.named_by.text(anchor_attribute(work.class)),
    };
    let anchor = anchor.filter(|anchor| !anchor.is_empty()).ok_or_else(without_anchor)?.to_owned();
    let kind = kind_of(work.class).ok_or_else(without_anchor)?;
    let mut all: Attributes = Attributes::new();
    let mut cleared: Vec<&AttributeName> = Vec::new();
    for (name, values) in wanted(&work.request.first) {
        all.set(name.clone(), values.clone());
        if values.is_empty() {
            cleared.push(name);
        }
    }
    for (one, other) in [("mail", "proxyAddresses"), ("proxyAddresses", "mail")] {
        if work.request.first.0.contains_key(one)
            && !work.request.first.0.contains_key(other)
            && let Some(held) = work.present.get(other)
        {
            all.set(other, held.clone());
        }
    }
    let none = Values::default();
    let named = all
        .iter()
        .map(|(name, values)| (name.as_str(), values))
        .chain(cleared.iter().filter(|name| all.get(name.as_str()).is_none()).map(|name| (name.as_str(), &none)));
    let mut object = SyncObject::set(kind, anchor);
    object.properties.extend(properties(work.class, named)?);
    Ok(object)
}

/// The first attribute that only the service writes and that the tenant does not show as wanted.
fn unseen(work: &Work<'_>) -> Option<(AttributeName, Values)> {
    let none = Values::default();
    let only_there = |name: &AttributeName| {
        let property = work.class.properties.iter().find(|property| property.name == name.as_str());
        property.is_some_and(|property| !property.writable)
    };
    wanted(&work.request.first)
        .filter(|(name, _)| only_there(name))
        .find(|(name, values)| work.present.get(name.as_str()).unwrap_or(&none) != *values)
        .map(|(name, values)| (name.clone(), values.clone()))
}

/// What Graph can write and is not as it was.
fn left_to_write(work: &Work<'_>, present: &Attributes) -> AttributesDelta {
    let none = Values::default();
    let mut left = AttributesDelta::default();
    for (name, values) in wanted(&work.request.first).chain(wanted(&work.request.afterwards)) {
        let is_writable = work.class.is_extension(name.as_str())
            || work.class.property(name.as_str()).is_some_and(|property| property.writable);
        if is_writable && present.get(name.as_str()).unwrap_or(&none) != values {
            left.set(name.clone(), values.clone());
        }
    }
    left
}
