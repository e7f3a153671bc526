//! The export desk of Connect mode: makes of each item one object for the provisioning service, sends them in their order,
//! and tells what came of each. A takeover is proven by the anchor that the service answers with: is it another object than
//! the one the engine matched, nothing further is written. Everything may be sent a second time: the service knows objects
//! by their source anchor.

use super::guard::Guard;
use super::import::{Known, find_anchored};
use super::references::{Failed, Managers, after_takeover, with_references};
use super::returning::{Returns, not_deletable};
use super::service::Service;
use super::takeover::{self, FoundBy, Present};
use super::unseen::{self, Addition};
use super::words::{anchor_attribute, kind_of, properties};
use crate::create::{find_user, restore_is_off};
use crate::errors::problem;
use crate::export::{ExportDesk, Outcomes};
use crate::provisioning::{CloudAnchor, DirSyncFeatures, SyncKind, SyncObject, SyncOutcome};
use crate::schema::{CLOUD_MASTERED, Class, DELETED_USER, GROUP, SYNC_ENABLED, USER};
use crate::source_of_authority::move_authority;
use crate::urls;
use connector_contract::{
    ConnectorError, CreateRequest, ExportItem, ExportOperation, ExportOutcome, ExportProblem, ReferenceChange,
    UpdateRequest,
};
use jiff::Timestamp;
use metaverse_schema::{Anchor, AttributeChange, Attributes, AttributesDelta, ObjectType, Value, Values};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Objects in one call: the client cuts it further by bytes and links.
pub(crate) const BATCH: usize = 100;

/// The service's refusal of a deletion of what it does not know.
const NOTHING_TO_DELETE: &str = "cd-missing-object";

/// What an item must bring along: the anchor by which the service knows the object, and whether it masters it.
pub(crate) const NAMED_BY: &[&str] = &["onPremisesImmutableId", "sourceAnchor", SYNC_ENABLED, CLOUD_MASTERED];

#[derive(Debug)]
pub(crate) struct ConnectDesk {
    /// Graph's side: the guard, the recycle bin, and what is written of objects that are not synchronised yet.
    pub(super) graph: ExportDesk,
    pub(super) service: Arc<dyn Service>,
    known: Arc<Known>,
    pub(super) guard: Guard,
    returns: Returns,
}

/// What the service must answer for an object.
#[derive(Debug)]
enum Expected {
    /// Whatever it made or found: the anchor of a create.
    Anything,
    /// This very object (a takeover, a restore).
    This(CloudAnchor),
    /// An object that is synchronised already: nothing to prove.
    Known,
    /// Its deletion. That the service knows no such object is success where Graph knows none either.
    Gone { class: &'static Class, id: String },
}

/// An object that is to be sent.
#[derive(Debug)]
struct Ready {
    object: SyncObject,
    expected: Expected,
    /// References of a takeover, sent once it is proven.
    afterwards: Option<SyncObject>,
    failed: Failed,
    references: Vec<ReferenceChange>,
    /// Nothing but the anchor that it had before synchronisation was off speaks for it.
    returns: bool,
}

/// What was read around the items of one call.
#[derive(Debug)]
struct Around {
    features: DirSyncFeatures,
    present: BTreeMap<String, Present>,
    managers: Managers,
}

type Prepared = Result<Ready, ExportOutcome>;

impl ConnectDesk {
    pub(crate) fn new(graph: ExportDesk, service: Arc<dyn Service>, known: Arc<Known>) -> ConnectDesk {
        ConnectDesk { graph, service, known, guard: Guard::default(), returns: Returns::default() }
    }

    pub(crate) async fn export(&self, items: &[ExportItem]) -> Result<Outcomes, ConnectorError> {
        if items.is_empty() {
            return Ok(Vec::new());
        }
        self.graph.graph.ready().await?;
        self.guard.pass(&self.graph.graph, &*self.service).await?;
        let mut outcomes = Outcomes::with_capacity(items.len());
        // What is not synchronised is removed over Graph, the rest by the service; both in the engine's order.
        for run in items.chunk_by(|a, b| goes_over_graph(a) == goes_over_graph(b)) {
            outcomes.extend(match run.first() {
                Some(first) if goes_over_graph(first) => self.graph.write(run).await,
                _ => match self.send(run).await {
                    Ok(outcomes) => outcomes,
                    // An error says that nothing was sent, which is no longer true of the whole call.
                    Err(error) if !outcomes.is_empty() => {
                        run.iter().map(|item| (item.id, crate::export::not_settled(&error))).collect()
                    }
                    Err(error) => return Err(error),
                },
            });
        }
        Ok(outcomes)
    }

    async fn send(&self, items: &[ExportItem]) -> Result<Outcomes, ConnectorError> {
        let (mut prepared, managers) = self.prepare(items).await?;
        self.reclaim(items, &mut prepared).await;
        let returns: Vec<_> = prepared.iter().enumerate().filter_map(returning).collect();
        let others: Vec<usize> = returns.iter().map(|(place, ..)| *place).collect();
        if let Some((tried, outcome)) = self.returns.try_one(&*self.service, &returns).await? {
            others.into_iter().filter(|place| *place != tried).for_each(|place| prepared[place] = Err(outcome.clone()));
        }
        let mut outcomes = Outcomes::with_capacity(items.len());
        let (mut sent, mut ready) = (Vec::new(), Vec::new());
        for (item, prepared) in items.iter().zip(prepared) {
            match prepared {
                Ok(one) => {
                    sent.push(item);
                    ready.push(one);
                }
                Err(outcome) => outcomes.push((item.id, outcome)),
            }
        }
        let objects: Vec<SyncObject> = ready.iter().map(|one| one.object.clone()).collect();
        let told = if objects.is_empty() { Vec::new() } else { self.service.provision(&objects).await? };
        let mut told = told.into_iter();
        let (mut later, mut proven, mut added) = (Vec::new(), Vec::new(), Vec::new());
        for (item, one) in sent.into_iter().zip(ready) {
            let (number, told) = (item.id, told.next().unwrap_or_else(lost));
            match self.settle(&one, told).await {
                Ok(anchor) => {
                    added.extend(self.addition(item, &one, anchor.as_ref()));
                    if let Some(references) = one.afterwards.clone() {
                        later.push(references);
                        proven.push((number, anchor, one));
                    } else {
                        outcomes.push((number, accepted(anchor, one.failed)));
                    }
                }
                Err(outcome) => outcomes.push((number, outcome)),
            }
        }
        if !later.is_empty() {
            let unsent =
                |error: ConnectorError| SyncOutcome::NotSettled { may_have_arrived: false, message: error.to_string() };
            let told = match self.service.provision(&later).await {
                Ok(told) => told,
                Err(error) => later.iter().map(|_| unsent(error.clone())).collect(),
            };
            let mut told = told.into_iter();
            for (number, anchor, one) in proven {
                let failed = after_takeover(told.next().unwrap_or_else(lost), &one.references, one.failed);
                outcomes.push((number, accepted(anchor, failed)));
            }
        }
        self.look_for(added, &managers, &mut outcomes).await;
        if items
            .iter()
            .any(|item| matches!(item.operation, ExportOperation::Restore(_) | ExportOperation::Delete { .. }))
        {
            // The list of deleted users is behind now.
            self.graph.bin.changed().await;
        }
        Ok(outcomes)
    }

    /// References of an item to objects that the service may not know yet. A process that has just begun does not know what
    /// the one before it made.
    fn addition(&self, item: &ExportItem, one: &Ready, made: Option<&Anchor>) -> Option<Addition> {
        let class = class_written(&item.object_type)?;
        let is_late = |change: &&ReferenceChange| {
            let failed = one.failed.iter().any(|(failed, _)| failed == *change);
            change.add && !failed && (self.graph.is_young() || self.graph.is_fresh(&change.target.to_string()))
        };
        let changes: Vec<ReferenceChange> = references(item).iter().filter(is_late).cloned().collect();
        let object_id = made.or_else(|| target(item)).filter(|_| !changes.is_empty())?.to_string();
        let object = SyncObject::set(one.object.kind, one.object.source_anchor()?);
        Some(Addition { item: item.id, class, object_id, object, changes })
    }

    async fn look_for(&self, added: Vec<Addition>, managers: &Managers, outcomes: &mut Outcomes) {
        if added.is_empty() {
            return;
        }
        let mut late = unseen::settle(&self.graph.graph, &*self.service, added, managers).await;
        for (number, outcome) in outcomes {
            if let ExportOutcome::Accepted { failed_references, .. } = outcome {
                let missing = late.remove(number).unwrap_or_default();
                // What was refused by name already is not told a second time.
                let known = |change: &ReferenceChange| failed_references.iter().any(|(failed, _)| failed == change);
                let more: Vec<_> = missing.into_iter().filter(|(change, _)| !known(change)).collect();
                failed_references.extend(more);
            }
        }
    }

    /// What was given back once and is taken over again by an operator's word: its source of authority is moved back before
    /// anything of it is sent, which the service would pass over otherwise (A.11).
    async fn reclaim(&self, items: &[ExportItem], prepared: &mut [Prepared]) {
        let reclaimed: Vec<(usize, &'static Class, String)> = items
            .iter()
            .enumerate()
            .filter(|(place, item)| reclaims(item) && prepared.get(*place).is_some_and(Result::is_ok))
            .filter_map(|(place, item)| Some((place, class_written(&item.object_type)?, target(item)?.to_string())))
            .collect();
        let asked: Vec<(&'static Class, &str)> = reclaimed.iter().map(|(_, class, id)| (*class, id.as_str())).collect();
        let moved = move_authority(&self.graph.graph, &asked, false).await;
        for ((place, ..), moved) in reclaimed.iter().zip(moved) {
            if let Err(outcome) = moved {
                prepared[*place] = Err(outcome);
            }
        }
    }

    /// What each item becomes; its order is the items'. With the anchors of the managers that they name.
    async fn prepare(&self, items: &[ExportItem]) -> Result<(Vec<Prepared>, Managers), ConnectorError> {
        let taken_over = taken_over(items);
        // What the tenant lets be matched, asked for just before it matters.
        let features = match taken_over.is_empty() {
            true => DirSyncFeatures::default(),
            false => self.service.company().await?.features,
        };
        let present = takeover::read_present(&self.graph.graph, &taken_over).await;
        let around = Around { features, present, managers: self.managers(items).await };
        let has_new_users = items.iter().any(is_new_user);
        let bin = if has_new_users { Some(self.graph.bin.current(&self.graph.graph).await) } else { None };
        let now = Timestamp::now();
        let mut prepared = Vec::with_capacity(items.len());
        for item in items {
            // Without the look into the bin no user is created (SF9).
            let in_the_way = match &bin {
                Some(Ok(bin)) if is_new_user(item) => create_of(item)
                    .and_then(|request| bin.twin_of(&request.attributes, now))
                    .map(ExportOutcome::Refused),
                Some(Err(error)) if is_new_user(item) => Some(crate::export::not_settled(error)),
                _ => None,
            };
            prepared.push(match in_the_way {
                Some(outcome) => Err(outcome),
                None => self.prepare_one(item, &around),
            });
        }
        Ok((prepared, around.managers))
    }

    fn prepare_one(&self, item: &ExportItem, around: &Around) -> Prepared {
        let class = class_written(&item.object_type).ok_or_else(|| {
            let message = format!("Azure AD has no objects of type {} that could be written", item.object_type);
            refused("no-export-to-this-object-type", None, message, "")
        })?;
        let kind = kind_of(class).ok_or_else(|| {
            refused("no-export-to-this-object-type", None, "the provisioning service has no such objects", "")
        })?;
        if is_true(&item.named_by, CLOUD_MASTERED) && !reclaims(item) {
            // SF30.
            let message = format!("the source of authority of this {} was moved to the cloud", class.name);
            let remedy = "take it out of scope, or move its source of authority back (isCloudManaged = false)";
            return Err(refused("limitation-cloud-mastered", None, message, remedy));
        }
        match &item.operation {
            ExportOperation::Create(request) => {
                let anchor = source_anchor(class, &request.attributes)
                    .ok_or_else(|| refused_without_anchor(class, "a new object needs one"))?;
                let named = request.attributes.iter().map(|(name, values)| (name.as_str(), values));
                let object = with_properties(SyncObject::set(kind, anchor), class, named)?;
                let (object, failed) = with_references(object, class, &request.references, &around.managers);
                Ok(Ready {
                    object,
                    expected: Expected::Anything,
                    afterwards: None,
                    failed,
                    references: Vec::new(),
                    returns: false,
                })
            }
            ExportOperation::Update(request) => self.prepare_update(item, class, kind, request, around),
            ExportOperation::Restore(request) => {
                if !self.graph.graph.settings().restore_deleted {
                    return Err(restore_is_off());
                }
                self.prepare_restore(item, class, kind, request, around)
            }
            ExportOperation::Delete { .. } if item.named_by.first(SYNC_ENABLED) == Some(&Value::Boolean(false)) => {
                Err(ExportOutcome::Refused(not_deletable(class.name)))
            }
            ExportOperation::Delete { anchor: id } => {
                let anchor = source_anchor(class, &item.named_by)
                    .ok_or_else(|| refused_without_anchor(class, "it was not read back yet"))?;
                Ok(Ready {
                    object: SyncObject::delete(kind, anchor),
                    expected: Expected::Gone { class, id: id.to_string() },
                    afterwards: None,
                    failed: Vec::new(),
                    references: Vec::new(),
                    returns: false,
                })
            }
            ExportOperation::Detach { .. } => {
                let message = "a synchronised object cannot be let go by itself: it is deleted, or it stays";
                let remedy = "write adopted = \"delete\" or \"disconnect\" under [rule.deprovision]";
                Err(refused("limitation-detach", None, message, remedy))
            }
        }
    }

    fn prepare_update(
        &self,
        item: &ExportItem,
        class: &'static Class,
        kind: SyncKind,
        request: &UpdateRequest,
        around: &Around,
    ) -> Prepared {
        let id = request.anchor.to_string();
        if !is_takeover(item) {
            let anchor = source_anchor(class, &item.named_by)
                .ok_or_else(|| refused_without_anchor(class, "it was not read back yet"))?;
            if anchor_wanted(class, request).is_some_and(|wanted| wanted != anchor) {
                let message = format!("the {} {id} is synchronised under another anchor", class.name);
                let remedy =
                    "write the old anchor back in the directory; an anchor never changes after its first export";
                return Err(refused("source-anchor-changed", Some(anchor_attribute(class)), message, remedy));
            }
            let changes = whole_values(&request.changes, None)?;
            let named = changes.iter().map(|(name, values)| (*name, values));
            let object = with_properties(SyncObject::set(kind, anchor), class, named)?;
            let (object, failed) = with_references(object, class, &request.references, &around.managers);
            return Ok(Ready {
                object,
                expected: Expected::Known,
                afterwards: None,
                failed,
                references: Vec::new(),
                returns: false,
            });
        }
        let anchor = anchor_wanted(class, request)
            .or_else(|| source_anchor(class, &item.named_by))
            .ok_or_else(|| refused_without_anchor(class, "a takeover needs one"))?;
        let held = takeover::held(class, &id, &anchor, &around.present)?;
        let mut all = held.match_attributes();
        for (name, values) in whole_values(&request.changes, Some(&held.attributes))? {
            all.set(name, values);
        }
        takeover::complete(class, &mut all);
        let may_return = self.graph.graph.settings().provisioning.return_by_anchor;
        let found_by = takeover::evidence(class, &held, &all, &anchor, around.features, may_return)?;
        // None of these clears anything: what has no value on either side is not among them.
        let cleared = request.changes.0.keys().filter(|name| all.get(name.as_str()).is_none());
        let none = Values::default();
        let named =
            all.iter().map(|(name, values)| (name.as_str(), values)).chain(cleared.map(|name| (name.as_str(), &none)));
        let object = with_properties(SyncObject::set(kind, anchor.clone()), class, named)?;
        let ready = with_links_afterwards(object, anchor, class, kind, request, around);
        Ok(Ready { returns: found_by == FoundBy::FormerAnchor, ..ready })
    }

    /// D.6, H: an object of the bin comes back when its anchor is synchronised again.
    fn prepare_restore(
        &self,
        item: &ExportItem,
        class: &'static Class,
        kind: SyncKind,
        request: &UpdateRequest,
        around: &Around,
    ) -> Prepared {
        let id = request.anchor.to_string();
        let anchor = source_anchor(class, &item.named_by)
            .or_else(|| anchor_wanted(class, request))
            .ok_or_else(|| refused_without_anchor(class, "a restore needs it"))?;
        let mut all = takeover::held(class, &id, &anchor, &around.present)
            .map(|held| held.match_attributes())
            .unwrap_or_default();
        for (name, values) in whole_values(&request.changes, None)? {
            all.set(name, values);
        }
        let named = all.iter().map(|(name, values)| (name.as_str(), values));
        let object = with_properties(SyncObject::set(kind, anchor.clone()), class, named)?;
        Ok(with_links_afterwards(object, anchor, class, kind, request, around))
    }

    /// The answer for one object: the anchor of what was made, nothing for what was known, or what it comes to otherwise.
    async fn settle(&self, one: &Ready, told: SyncOutcome) -> Result<Option<Anchor>, ExportOutcome> {
        let cloud_anchor = match told {
            SyncOutcome::Accepted { cloud_anchor } => cloud_anchor,
            SyncOutcome::Refused(refusal) => {
                return match &one.expected {
                    Expected::Gone { class, id }
                        if refusal.code == NOTHING_TO_DELETE && self.is_gone(class, id).await =>
                    {
                        Ok(None)
                    }
                    _ => Err(ExportOutcome::Refused(refusal)),
                };
            }
            SyncOutcome::NotSettled { may_have_arrived, message } => {
                return Err(ExportOutcome::NotSettled { may_have_arrived, message });
            }
        };
        match (&one.expected, cloud_anchor) {
            (Expected::Known | Expected::Gone { .. }, _) => Ok(None),
            (Expected::Anything, Some(made)) => {
                self.graph.made(&made.object_id);
                Ok(Some(Anchor::Text(made.object_id)))
            }
            (Expected::Anything, None) => self.look_up(one).await.map(Some),
            (Expected::This(wanted), Some(made)) if made == *wanted => {
                self.graph.made(&made.object_id);
                Ok(None)
            }
            (Expected::This(wanted), made) => Err(ExportOutcome::Refused(another_object(wanted, made.as_ref()))),
        }
    }

    /// Whether Graph shows no such object any more: it was deleted by an earlier run that died before the answer, or by
    /// somebody else. An object in the recycle bin is gone. What cannot be read is not.
    async fn is_gone(&self, class: &'static Class, id: &str) -> bool {
        let path = urls::object_selecting(class, id, "id");
        matches!(self.graph.graph.find(&path, "looking for what is to be deleted", class.right).await, Ok(None))
    }

    /// The service took a new object and did not say which it became.
    async fn look_up(&self, one: &Ready) -> Result<Anchor, ExportOutcome> {
        let unsettled = |message: String| ExportOutcome::NotSettled { may_have_arrived: true, message };
        let anchor = one.object.source_anchor().unwrap_or_default();
        let found = match one.object.kind {
            SyncKind::User => find_user(&self.graph, anchor).await,
            kind => find_anchored(&*self.service, &self.known, kind, anchor).await,
        };
        match found {
            Ok(Some(found)) => Ok(found),
            Ok(None) => Err(unsettled("the service took the object and does not show it yet".to_owned())),
            Err(error) => Err(unsettled(error.to_string())),
        }
    }

    pub(crate) async fn find_created(
        &self,
        object_type: &ObjectType,
        create: &CreateRequest,
    ) -> Result<Option<Anchor>, ConnectorError> {
        let Some((class, kind)) = class_written(object_type).and_then(|class| Some((class, kind_of(class)?))) else {
            return Ok(None);
        };
        let Some(anchor) = source_anchor(class, &create.attributes) else { return Ok(None) };
        match kind {
            SyncKind::User => find_user(&self.graph, &anchor).await,
            kind => find_anchored(&*self.service, &self.known, kind, &anchor).await,
        }
    }

    /// The source anchors of the managers that these items name.
    async fn managers(&self, items: &[ExportItem]) -> Managers {
        let is_manager = |change: &&ReferenceChange| change.add && change.attribute.as_str() == "manager";
        let ids: BTreeSet<String> =
            items.iter().flat_map(references).filter(is_manager).map(|change| change.target.to_string()).collect();
        takeover::source_anchors(&self.graph.graph, ids.into_iter().collect()).await
    }
}

fn references(item: &ExportItem) -> &[ReferenceChange] {
    match &item.operation {
        ExportOperation::Create(request) => &request.references,
        ExportOperation::Update(request) | ExportOperation::Restore(request) => &request.references,
        ExportOperation::Delete { .. } | ExportOperation::Detach { .. } => &[],
    }
}

/// The object that an item changes.
fn target(item: &ExportItem) -> Option<&Anchor> {
    match &item.operation {
        ExportOperation::Create(_) => None,
        ExportOperation::Update(request) | ExportOperation::Restore(request) => Some(&request.anchor),
        ExportOperation::Delete { anchor } | ExportOperation::Detach { anchor } => Some(anchor),
    }
}

fn class_written(object_type: &ObjectType) -> Option<&'static Class> {
    // A deleted user becomes a user by its restore.
    let class = Class::named(object_type.as_str())?;
    Some(if class.name == DELETED_USER.name { USER } else { class })
}

fn is_new_user(item: &ExportItem) -> bool {
    item.object_type == USER.name && matches!(item.operation, ExportOperation::Create(_))
}

fn create_of(item: &ExportItem) -> Option<&CreateRequest> {
    match &item.operation {
        ExportOperation::Create(request) => Some(request),
        _ => None,
    }
}

fn is_true(attributes: &Attributes, name: &str) -> bool {
    attributes.first(name) == Some(&Value::Boolean(true))
}

/// A user or group that Graph mode made or took over and that was never synchronised: the service would not know it.
fn goes_over_graph(item: &ExportItem) -> bool {
    let removes = matches!(item.operation, ExportOperation::Delete { .. } | ExportOperation::Detach { .. });
    let writable = [USER.name, GROUP.name].contains(&item.object_type.as_str());
    removes && writable && !is_true(&item.named_by, SYNC_ENABLED) && !is_true(&item.named_by, CLOUD_MASTERED)
}

/// The object is there and not synchronised: writing it makes it so.
fn is_takeover(item: &ExportItem) -> bool {
    !is_true(&item.named_by, SYNC_ENABLED)
}

fn reclaims(item: &ExportItem) -> bool {
    matches!(&item.operation, ExportOperation::Update(request) if request.reclaims) && is_takeover(item)
}

/// What of the items must be read before it is written: class and object id.
fn taken_over(items: &[ExportItem]) -> Vec<(&'static Class, String)> {
    let read = |item: &ExportItem| match &item.operation {
        ExportOperation::Update(request)
            if is_takeover(item) && (reclaims(item) || !is_true(&item.named_by, CLOUD_MASTERED)) =>
        {
            Some((class_written(&item.object_type)?, request.anchor.to_string()))
        }
        ExportOperation::Restore(request) => Some((DELETED_USER, request.anchor.to_string())),
        _ => None,
    };
    items.iter().filter_map(read).collect()
}

fn source_anchor(class: &Class, attributes: &Attributes) -> Option<String> {
    attributes.text(anchor_attribute(class)).filter(|anchor| !anchor.is_empty()).map(str::to_owned)
}

/// The anchor that an update asks for; it is the stamp of a takeover.
fn anchor_wanted(class: &Class, request: &UpdateRequest) -> Option<String> {
    let wanted = |delta: &AttributesDelta| match delta.0.get(anchor_attribute(class))? {
        AttributeChange::Replace(values) => values.first().and_then(Value::as_text).map(str::to_owned),
        AttributeChange::Update { add, .. } => add.first().and_then(Value::as_text).map(str::to_owned),
    };
    wanted(&request.afterwards).or_else(|| wanted(&request.changes))
}

/// The values that attributes are to have. Single additions and removals need what the object holds.
fn whole_values<'a>(
    changes: &'a AttributesDelta,
    held: Option<&Attributes>,
) -> Result<Vec<(&'a str, Values)>, ExportOutcome> {
    let nothing = Attributes::new();
    let mut after = held.unwrap_or(&nothing).clone();
    for (name, change) in &changes.0 {
        if held.is_none() && matches!(change, AttributeChange::Update { .. }) {
            let message = format!("`{name}` is merged into what the object holds, which this service does not take");
            let remedy = "let the flow to it win instead of merging";
            return Err(refused("limitation-merge", Some(name.as_str()), message, remedy));
        }
    }
    changes.apply(&mut after);
    Ok(changes.0.keys().map(|name| (name.as_str(), after.get(name.as_str()).cloned().unwrap_or_default())).collect())
}

fn with_properties<'a>(
    mut object: SyncObject,
    class: &Class,
    attributes: impl Iterator<Item = (&'a str, &'a Values)>,
) -> Result<SyncObject, ExportOutcome> {
    object.properties.extend(properties(class, attributes).map_err(ExportOutcome::Refused)?);
    Ok(object)
}

/// An object of the tenant that is written with its anchor: first what it is matched and changed by, then, once the answer has
/// shown that it is this object, its references.
fn with_links_afterwards(
    object: SyncObject,
    anchor: String,
    class: &'static Class,
    kind: SyncKind,
    request: &UpdateRequest,
    around: &Around,
) -> Ready {
    let (references, failed) =
        with_references(SyncObject::set(kind, anchor), class, &request.references, &around.managers);
    Ready {
        object,
        expected: Expected::This(CloudAnchor::new(kind, &request.anchor.to_string())),
        afterwards: (references.properties.len() > 1).then_some(references),
        failed,
        references: request.references.clone(),
        returns: false,
    }
}

fn returning((place, one): (usize, &Prepared)) -> Option<(usize, &SyncObject, &CloudAnchor)> {
    match one {
        Ok(Ready { object, expected: Expected::This(wanted), returns: true, .. }) => Some((place, object, wanted)),
        _ => None,
    }
}

fn another_object(wanted: &CloudAnchor, made: Option<&CloudAnchor>) -> ExportProblem {
    let message = match made {
        Some(made) => {
            format!("the service matched {made} where this engine matched {wanted}; nothing further was written")
        }
        None => format!("the service took the object and did not say that it is {wanted}; nothing further was written"),
    };
    let remedy = "import in full and look at both objects; if the service made a second one, delete that one there and give \
                  both sides the same primary address";
    problem("matched-another-object", None, message, remedy, false)
}

fn refused_without_anchor(class: &Class, why: &str) -> ExportOutcome {
    let name = anchor_attribute(class);
    let message = format!("the {} has no source anchor: {why}", class.name);
    let remedy = "let the source anchor flow to it, or run a full import";
    ExportOutcome::Refused(problem("missing-anchor-component", Some(name), message, remedy, false))
}

fn refused(
    code: &str,
    attribute: Option<&str>,
    message: impl Into<String>,
    remedy: impl Into<String>,
) -> ExportOutcome {
    ExportOutcome::Refused(problem(code, attribute, message, remedy, false))
}

fn accepted(anchor: Option<Anchor>, failed_references: Vec<(ReferenceChange, ExportProblem)>) -> ExportOutcome {
    ExportOutcome::Accepted { anchor, failed_references }
}

fn lost() -> SyncOutcome {
    SyncOutcome::NotSettled { may_have_arrived: true, message: "the service gave no result for it".to_owned() }
}
