//! Undoing takeovers (SF11): reads how the objects stand, has the kernel decide, and carries out what an operator agreed to.
//! Guarded like an export: staging mode, the state of the connected system, roles. An object whose undo was begun is nobody's
//! until an operator approves its match anew.

use crate::engine::{Engine, EngineError};
use crate::facts::{candidates, read_facts};
use crate::names::{ObjectName, connector_object, name_by_id, name_by_mv};
use crate::status;
use connector_contract::{
    Authority, Connector, ExportOutcome, ExportProblem, HandBackReach, HandBackRequest, ImportItem, ReferenceChange,
};
use metaverse_schema::{Anchor, AttributeName, Attributes, ObjectType, Reference, Value, Values};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use sync_kernel::{
    CsId, CsObject, Digest, KeptFacts, MatchVerdict, MvId, Privilege, SentState, Subject, UndoAuthority, UndoFacts,
    UndoLine, UndoPlan, UndoReach, UndoRefusal, decide_undo,
};
use sync_rules::ConnectorName;
use sync_store::{KeptBefore, PairWord, Refusal, StoreError, UndoOutcome, UndoRecord, UndoState};

/// Objects whose standing is asked for at once.
const ASKED: usize = 200;

/// What an operator wants undone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UndoTarget {
    /// The takeovers for a person, or of one existing object.
    Object(Subject),
    /// All takeovers that were sent by a connector's runs between two instants.
    Between { connector: ConnectorName, from: i64, to: i64 },
}

/// What would be done, object by object.
#[derive(Debug, Clone)]
pub struct UndoSheet {
    /// Of exactly what would be written.
    pub digest: Digest,
    pub objects: Vec<UndoObject>,
}

/// One takeover that is to be undone.
#[derive(Debug, Clone)]
pub struct UndoObject {
    pub id: CsId,
    pub connector: ConnectorName,
    pub object: ObjectName,
    pub person: Option<ObjectName>,
    /// When it was taken over, in microseconds since 1970.
    pub kept_at: Option<i64>,
    /// An earlier undo of it broke off.
    pub is_begun: bool,
    pub decision: Result<UndoPlan, UndoRefusal>,
    /// What is not put back whatever it was: what, and what to do about it.
    pub stays: Vec<(String, String)>,
    /// What is set to give the source of authority back (`isCloudManaged`).
    pub authority: Option<String>,
    /// Groups to which this engine added it: the undo leaves it there, the next cycle takes it out.
    pub memberships: Vec<String>,
    /// Members that this engine added to it: they stay.
    pub members: u64,
    mv: Option<MvId>,
    object_type: ObjectType,
    anchor: Option<Anchor>,
    named_by: Attributes,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct UndoReport {
    pub results: Vec<UndoResult>,
}

#[derive(Debug, Clone)]
pub struct UndoResult {
    pub object: ObjectName,
    pub end: UndoEnd,
}

#[derive(Debug, Clone)]
pub enum UndoEnd {
    /// `left`: what should hold what it held before and does not.
    Undone {
        left: Vec<UndoLine>,
    },
    /// Nothing further was written; what was done stays and is found by the next attempt.
    Refused(UndoRefusal),
    NotSettled {
        message: String,
    },
}

/// How one object stands in its system.
struct Standing {
    present: Option<Attributes>,
    authority: Result<UndoAuthority, UndoRefusal>,
    privilege: Option<Privilege>,
}

impl Engine {
    /// What undoing would do; writes nothing, and asks the connected system.
    pub async fn plan_undo(&self, target: &UndoTarget) -> Result<UndoSheet, EngineError> {
        let mut objects = Vec::new();
        for (connector, ids) in self.undo_candidates(target)? {
            for asked in ids.chunks(ASKED) {
                objects.extend(self.plan_of(&connector, asked).await?);
            }
        }
        if objects.is_empty() {
            return Err(EngineError::LinkRefused {
                code: "undo-not-adopted",
                message: "nothing was taken over there whose earlier state is kept".to_owned(),
                remedy: "`metasync explain` shows what was kept before a takeover (for 30 days), `metasync history` the runs".to_owned(),
            });
        }
        let lines = objects.iter().flat_map(|object| {
            let told = match &object.decision {
                Ok(plan) => plan.told(),
                Err(refusal) => vec![format!("refused {}", refusal.code)],
            };
            let id = format!("{} {:?}", object.connector, object.anchor);
            told.into_iter().map(move |line| format!("{id} {line}"))
        });
        Ok(UndoSheet { digest: Digest::of_lines("undo", lines), objects })
    }

    /// Carries the sheet out, as far as it is not refused.
    ///
    /// # Errors
    /// When nothing may be written now at all: staging mode, or the state of the connected system.
    pub async fn apply_undo(&mut self, sheet: &UndoSheet, by: &str, note: &str) -> Result<UndoReport, EngineError> {
        if self.deployment.staging {
            return Err(EngineError::LinkRefused {
                code: status::NO_START_STAGING_MODE,
                message: "this deployment is in staging mode: it writes nothing".to_owned(),
                remedy: "set `staging = false` in metasync.toml".to_owned(),
            });
        }
        let word = PairWord { verdict: MatchVerdict::Undone, by: by.to_owned(), note: note.to_owned() };
        let mut report = UndoReport { results: Vec::new() };
        let mut by_connector: BTreeMap<ConnectorName, Vec<&UndoObject>> = BTreeMap::new();
        for object in &sheet.objects {
            match &object.decision {
                Ok(_) => by_connector.entry(object.connector.clone()).or_default().push(object),
                Err(refusal) => report
                    .results
                    .push(UndoResult { object: object.object.clone(), end: UndoEnd::Refused(refusal.clone()) }),
            }
        }
        for name in by_connector.keys() {
            let (_, connector) = self.known_connector(name)?;
            if let Some(end) = self.look_at_system_of(name, connector.as_ref()).await? {
                let message = format!("{name}: {}", end.message);
                return Err(EngineError::LinkRefused { code: "undo-system-closed", message, remedy: end.remedy });
            }
        }
        for (name, objects) in by_connector {
            let (_, connector) = self.known_connector(&name)?;
            let size = connector.exporter().map_or(1, |exporter| exporter.batch_size().max(1));
            for objects in objects.chunks(size) {
                if self.stop.is_stopped() {
                    return Err(EngineError::Interrupted);
                }
                let results = self.undo_some(&connector, objects, &word).await?;
                report.results.extend(results);
            }
        }
        Ok(report)
    }

    async fn undo_some(
        &mut self,
        connector: &Arc<dyn Connector>,
        objects: &[&UndoObject],
        word: &PairWord,
    ) -> Result<Vec<UndoResult>, EngineError> {
        let Some(system) = connector.hand_back() else { return Ok(Vec::new()) };
        let names = connector.exporter().map(|exporter| exporter.named_by()).unwrap_or_default();
        let pairs: Vec<(CsId, Option<MvId>)> = objects.iter().map(|object| (object.id, object.mv)).collect();
        // From here on nothing that this deployment does works against it.
        self.store.begin_undo(&pairs, names, word, self.clock.now())?;
        let ids: Vec<CsId> = objects.iter().map(|object| object.id).collect();
        // Committed before the first byte leaves.
        self.store.mark_undo_sent(&ids)?;
        let requests: Vec<HandBackRequest> = objects.iter().filter_map(|object| request(object)).collect();
        let mut answers: BTreeMap<i64, ExportOutcome> = match system.hand_back(&requests).await {
            Ok(answers) => answers.into_iter().collect(),
            Err(error) => {
                let message = error.to_string();
                let unsent = |request: &HandBackRequest| {
                    (request.id, ExportOutcome::NotSettled { may_have_arrived: false, message: message.clone() })
                };
                requests.iter().map(unsent).collect()
            }
        };
        let mut settled = Vec::new();
        let mut results = Vec::new();
        for object in objects {
            let answer = answers.remove(&object.id.0);
            let (outcome, end) = end_of(answer);
            settled.push((object.id, outcome));
            results.push(UndoResult { object: object.object.clone(), end });
        }
        self.store.settle_undo(&settled, self.clock.now())?;
        self.look_again(connector, objects, &mut results).await?;
        Ok(results)
    }

    /// Whether what was to be put back is there.
    async fn look_again(
        &self,
        connector: &Arc<dyn Connector>,
        objects: &[&UndoObject],
        results: &mut [UndoResult],
    ) -> Result<(), EngineError> {
        let anchors: Vec<Anchor> = objects.iter().filter_map(|object| object.anchor.clone()).collect();
        let present = read_present(connector, &anchors).await;
        for (object, result) in objects.iter().zip(results) {
            let UndoEnd::Undone { left } = &mut result.end else { continue };
            let (Ok(plan), Some(anchor)) = (&object.decision, &object.anchor) else { continue };
            let Ok(present) = &present else { continue };
            let Some((_, held)) = present.get(anchor) else { continue };
            for line in plan.lines.iter().filter(|line| line.is_restored()) {
                let now = held.get(line.attribute.as_str()).cloned().unwrap_or_default();
                if now != line.kept {
                    left.push(UndoLine { now, ..line.clone() });
                }
            }
        }
        Ok(())
    }

    /// Objects by connector.
    fn undo_candidates(&self, target: &UndoTarget) -> Result<BTreeMap<ConnectorName, Vec<CsId>>, EngineError> {
        let mut found: BTreeMap<ConnectorName, Vec<CsId>> = BTreeMap::new();
        match target {
            UndoTarget::Between { connector, from, to } => {
                let sent = self.store.taken_over(connector)?.into_iter();
                let mut ids: Vec<CsId> = sent.filter(|(_, at)| (*from..=*to).contains(at)).map(|(id, _)| id).collect();
                ids.sort();
                if !ids.is_empty() {
                    found.insert(connector.clone(), ids);
                }
            }
            UndoTarget::Object(Subject::Connector(id)) => {
                let object = self.store.object(*id)?.ok_or_else(|| EngineError::NotFound { what: id.to_string() })?;
                match &object.link {
                    // The account in the directory stands for its person.
                    Some(link) if !self.gives_back(&object.connector) => {
                        return self.undo_candidates(&UndoTarget::Object(Subject::Metaverse(link.mv)));
                    }
                    _ => _ = found.insert(object.connector.clone(), vec![*id]),
                }
            }
            UndoTarget::Object(Subject::Metaverse(mv)) => {
                let person =
                    self.store.metaverse(*mv)?.ok_or_else(|| EngineError::NotFound { what: mv.to_string() })?;
                let mut sources = Vec::new();
                for id in &person.links {
                    let Some(object) = self.store.object(*id)? else { continue };
                    if self.gives_back(&object.connector) {
                        found.entry(object.connector.clone()).or_default().push(*id);
                    } else {
                        sources.push(object);
                    }
                }
                self.begun_for(&sources, &mut found)?;
            }
        }
        Ok(found)
    }

    /// Objects that belonged to these sources until an undo was begun.
    fn begun_for(
        &self,
        sources: &[CsObject],
        found: &mut BTreeMap<ConnectorName, Vec<CsId>>,
    ) -> Result<(), EngineError> {
        for name in self.connectors.keys().filter(|name| self.gives_back(name)) {
            for word in self.store.pair_decisions(name)? {
                let is_ours = sources.iter().any(|source| word.decision.source.is(source));
                if !is_ours || word.decision.verdict != MatchVerdict::Undone {
                    continue;
                }
                let ids = found.entry(name.clone()).or_default();
                ids.extend(self.store.object_by_anchor(&word.decision.target)?.filter(|id| !ids.contains(id)));
            }
        }
        found.retain(|_, ids| !ids.is_empty());
        Ok(())
    }

    fn gives_back(&self, connector: &str) -> bool {
        self.connectors.get(connector).is_some_and(|connector| connector.hand_back().is_some())
    }

    async fn plan_of(&self, name: &ConnectorName, ids: &[CsId]) -> Result<Vec<UndoObject>, EngineError> {
        let (_, connector) = self.known_connector(name)?;
        let mut objects = Vec::new();
        for id in ids {
            objects.extend(self.store.object(*id)?);
        }
        let standings = self.standings(name, &connector, &objects).await?;
        let mut planned = Vec::with_capacity(objects.len());
        for (object, standing) in objects.iter().zip(standings) {
            planned.push(self.plan_one(&connector, object, standing)?);
        }
        Ok(planned)
    }

    fn plan_one(
        &self,
        connector: &Arc<dyn Connector>,
        object: &CsObject,
        standing: Standing,
    ) -> Result<UndoObject, EngineError> {
        let record = self.store.undo_of(object.id)?;
        let is_begun = record.as_ref().is_some_and(|record| record.state != UndoState::Done);
        let kept = self.store.kept_before(object.id)?;
        let reach = connector.hand_back().and_then(|system| system.reach(&object.object_type));
        let (owned, named_by) = self.known_of(connector, object, record.as_ref().filter(|_| is_begun))?;
        let mut groups = Vec::new();
        for group in self.store.added_to(object.id)? {
            groups.push(name_by_id(&self.store, group)?.name);
        }
        let decision = match (&record, standing.authority) {
            (Some(UndoRecord { state: UndoState::Done, .. }), _) if object.link.is_none() => Err(UndoRefusal {
                code: "undo-done".to_owned(),
                message: "its takeover was undone already".to_owned(),
                remedy: "`metasync match approve` lets it be taken over again".to_owned(),
            }),
            (_, Err(refusal)) => Err(refusal),
            (_, Ok(authority)) => {
                let facts = kept.clone().map(kept_facts);
                let known = reach.clone().map(kernel_reach);
                let stamp = known.as_ref().and_then(|reach| reach.stamp.as_ref());
                decide_undo(&UndoFacts {
                    ownership: object.link.as_ref().map(|link| link.ownership),
                    kept: facts.as_ref(),
                    present: standing.present.as_ref(),
                    reach: known.as_ref(),
                    authority,
                    owned: &owned,
                    stamp: stamp.and_then(|stamp| named_by.get(stamp.as_str())),
                    privilege: standing.privilege.as_ref(),
                    is_in_flight: matches!(&object.pending, Some(pending) if pending.state == SentState::InFlight),
                    is_begun,
                    now: self.clock.now(),
                })
            }
        };
        let mv = object.link.as_ref().map(|link| link.mv);
        Ok(UndoObject {
            id: object.id,
            connector: object.connector.clone(),
            object: connector_object(object),
            person: mv.map(|mv| name_by_mv(&self.store, mv)).transpose()?,
            kept_at: kept.map(|kept| kept.at),
            is_begun,
            decision,
            stays: reach.as_ref().map(|reach| reach.stays.clone()).unwrap_or_default(),
            authority: reach.and_then(|reach| reach.authority),
            memberships: groups,
            members: self.store.added_members(object.id)?,
            mv,
            object_type: object.object_type.clone(),
            anchor: object.anchor.clone(),
            named_by,
        })
    }

    /// What the engine contributed, and what names the object: now, or as it was when an undo was begun.
    fn known_of(
        &self,
        connector: &Arc<dyn Connector>,
        object: &CsObject,
        begun: Option<&UndoRecord>,
    ) -> Result<(BTreeSet<AttributeName>, Attributes), StoreError> {
        if let Some(record) = begun {
            return Ok((record.owned.clone(), record.named_by.clone()));
        }
        let names = connector.exporter().map(|exporter| exporter.named_by()).unwrap_or_default();
        let held = self.store.held_values(&[object.id], names)?.remove(&object.id).unwrap_or_default();
        Ok((self.store.contributed_names(object.id)?, held))
    }

    async fn standings(
        &self,
        name: &ConnectorName,
        connector: &Arc<dyn Connector>,
        objects: &[CsObject],
    ) -> Result<Vec<Standing>, EngineError> {
        let anchors: Vec<Anchor> = objects.iter().filter_map(|object| object.anchor.clone()).collect();
        let present = read_present(connector, &anchors).await;
        let asked: Vec<(ObjectType, Anchor)> =
            objects.iter().filter_map(|object| Some((object.object_type.clone(), object.anchor.clone()?))).collect();
        let authorities: BTreeMap<Anchor, Result<Authority, ExportProblem>> = match connector.hand_back() {
            Some(system) => system.authority(&asked).await.into_iter().collect(),
            None => BTreeMap::new(),
        };
        // Of users alone: a group that roles can be assigned to is never taken over.
        let ids = objects.iter().map(|object| object.id);
        let only_this: BTreeMap<ConnectorName, Arc<dyn Connector>> =
            BTreeMap::from([(name.clone(), Arc::clone(connector))]);
        let mut roles = read_facts(&only_this, candidates(&self.store, ids)?, self.limits.facts).await.facts;
        let standing = |object: &CsObject| {
            let found = object.anchor.as_ref().and_then(|anchor| present.as_ref().ok()?.get(anchor));
            // What lies in a recycle bin is not there.
            let held = found.filter(|(object_type, _)| *object_type == object.object_type);
            let authority = match (&present, object.anchor.as_ref().and_then(|anchor| authorities.get(anchor))) {
                (Err(refusal), _) => Err(refusal.clone()),
                (_, Some(Ok(authority))) => Ok(match authority {
                    Authority::Engine => UndoAuthority::Engine,
                    Authority::System => UndoAuthority::System,
                    Authority::MovedAway => UndoAuthority::MovedAway,
                }),
                (_, Some(Err(problem))) if problem.code != "cd-missing-object" => Err(refusal_of(problem)),
                _ => Ok(UndoAuthority::System),
            };
            Standing {
                present: held.map(|(_, attributes)| attributes.clone()),
                authority,
                privilege: roles.remove(&object.id).filter(|_| object.object_type.as_str() == "user"),
            }
        };
        Ok(objects.iter().map(standing).collect())
    }
}

type Present = BTreeMap<Anchor, (ObjectType, Attributes)>;

async fn read_present(connector: &Arc<dyn Connector>, anchors: &[Anchor]) -> Result<Present, UndoRefusal> {
    let unreadable = |message: String| UndoRefusal {
        code: "undo-unreadable".to_owned(),
        message,
        remedy: "try again when the connected system can be reached".to_owned(),
    };
    let Some(reader) = connector.object_reader() else {
        return Err(unreadable("the connector cannot read single objects".to_owned()));
    };
    let items = reader.read_objects(anchors).await.map_err(|error| unreadable(error.to_string()))?;
    let object = |item| match item {
        ImportItem::Object(object) => Some((object.anchor, (object.object_type, object.attributes))),
        _ => None,
    };
    Ok(items.into_iter().filter_map(object).collect())
}

fn refusal_of(problem: &ExportProblem) -> UndoRefusal {
    UndoRefusal { code: problem.code.clone(), message: problem.message.clone(), remedy: problem.remedy.clone() }
}

fn kept_facts(kept: KeptBefore) -> KeptFacts {
    let target = |(name, values): (&AttributeName, &Values)| match values.first() {
        Some(Value::Reference(Reference::Anchor(anchor))) => Some((name.clone(), anchor.clone())),
        _ => None,
    };
    KeptFacts {
        at: kept.at,
        references: kept.references.map(|links| links.iter().filter_map(target).collect()),
        attributes: kept.attributes,
    }
}

fn kernel_reach(reach: HandBackReach) -> UndoReach {
    let HandBackReach { first, afterwards, mastered, stamp, never, .. } = reach;
    UndoReach { first, afterwards, mastered, stamp, never }
}

fn request(object: &UndoObject) -> Option<HandBackRequest> {
    let (Ok(plan), Some(anchor)) = (&object.decision, &object.anchor) else { return None };
    let reference = |change: &sync_kernel::UndoReference| ReferenceChange {
        attribute: change.attribute.clone(),
        target: change.target.clone(),
        target_dn: None,
        target_type: object.object_type.clone(),
        add: change.add,
    };
    Some(HandBackRequest {
        id: object.id.0,
        object_type: object.object_type.clone(),
        anchor: anchor.clone(),
        named_by: object.named_by.clone(),
        first: plan.first.clone(),
        afterwards: plan.afterwards.clone(),
        references: plan.references.iter().map(reference).collect(),
        stamp: plan.stamp.clone(),
    })
}

fn end_of(answer: Option<ExportOutcome>) -> (UndoOutcome, UndoEnd) {
    let refused = |problem: ExportProblem| {
        let end = UndoEnd::Refused(refusal_of(&problem));
        let ExportProblem { code, attribute, message, remedy, retry } = problem;
        (UndoOutcome::Refused(Refusal { code, attribute, message, remedy, retry }), end)
    };
    match answer {
        Some(ExportOutcome::Accepted { failed_references, .. }) => match failed_references.into_iter().next() {
            None => (UndoOutcome::Done, UndoEnd::Undone { left: Vec::new() }),
            Some((_, problem)) => refused(problem),
        },
        Some(ExportOutcome::Refused(problem)) => refused(problem),
        Some(ExportOutcome::NotSettled { message, .. }) => (UndoOutcome::NotSettled, UndoEnd::NotSettled { message }),
        None => {
            let message = "the connector gave no outcome for it".to_owned();
            (UndoOutcome::NotSettled, UndoEnd::NotSettled { message })
        }
    }
}
