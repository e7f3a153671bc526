//! Test fixture: a small world in memory that answers questions and applies plans as the store would, and nothing more.

use crate::*;
use metaverse_schema::{Anchor, AttributeName, Attributes, ObjectType, Plurality, Value, ValueKind};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;
use sync_rules::*;

/// One source `ad` and one target `cloud`, with the shape of the shipped rules: project users, then match or create them.
pub(crate) struct World {
    pub(crate) run: RunInputs,
    pub(crate) objects: BTreeMap<CsId, CsObject>,
    pub(crate) metaverse: BTreeMap<MvId, MvObject>,
    next: i64,
}

fn expression(text: &str) -> Expression {
    Expression::parse(text).unwrap_or_else(|problems| panic!("{text}: {problems:?}"))
}

pub(crate) fn rule(
    id: &str,
    direction: Direction,
    connector: &str,
    types: (&str, &str),
    link: LinkType,
    precedence: u32,
) -> Rule {
    Rule {
        id: Arc::from(id),
        name: id.to_owned(),
        direction,
        connector: Arc::from(connector),
        source_type: Some(ObjectType::new(types.0)),
        target_type: Some(ObjectType::new(types.1)),
        link,
        precedence,
        scope: Vec::new(),
        scope_places: Vec::new(),
        join: Vec::new(),
        flows: Vec::new(),
        takeover: None,
        deprovision: Deprovision { provisioned: DeprovisionAction::Delete, adopted: DeprovisionAction::Detach },
        leave: Deprovision { provisioned: DeprovisionAction::Delete, adopted: DeprovisionAction::Detach },
        password_sync: false,
        limitations: Vec::new(),
        place: SourcePlace::default(),
    }
}

pub(crate) fn flow(target: &str, text: &str) -> Flow {
    let parsed = expression(text);
    let source = match parsed.as_direct() {
        Some(attribute) => FlowSource::Direct(attribute.clone()),
        None => FlowSource::Expression(parsed),
    };
    Flow { target: target.into(), source, merge: MergeType::Update, once: false, place: SourcePlace::default() }
}

pub(crate) fn clause(attribute: &str, operator: Operator, operand: &str) -> Clause {
    Clause { attribute: attribute.into(), operator, operand: vec![Value::text(operand)] }
}

impl World {
    pub(crate) fn new(matching: Matching) -> Self {
        let mut inbound = rule("in-user", Direction::Inbound, "ad", ("user", "person"), LinkType::Provision, 100);
        inbound.scope = vec![vec![clause("adminDescription", Operator::NotStartsWith, "Hidden")]];
        for (target, source) in [
            ("sourceAnchor", "[objectGUID]"),
            ("displayName", "[displayName]"),
            ("mail", "[mail]"),
            ("department", "[department]"),
            ("userPrincipalName", "[userPrincipalName]"),
            ("accountEnabled", "[enabled]"),
        ] {
            inbound.flows.push(flow(target, source));
        }
        let mut outbound = rule("out-user", Direction::Outbound, "cloud", ("person", "user"), LinkType::Provision, 200);
        outbound.scope = vec![vec![clause("sourceAnchor", Operator::IsNotNull, "")]];
        for (target, source) in [
            ("onPremisesImmutableId", "[sourceAnchor]"),
            ("displayName", "[displayName]"),
            ("mail", "[mail]"),
            ("department", "[department]"),
            ("userPrincipalName", "[userPrincipalName]"),
            ("accountEnabled", "[accountEnabled]"),
            ("proxyAddresses", "[mail]"),
        ] {
            outbound.flows.push(flow(target, source));
        }
        outbound.takeover = Some(Takeover {
            sign_in_name: Some("userPrincipalName".into()),
            enabled: Some("accountEnabled".into()),
            addresses: Some("proxyAddresses".into()),
            addresses_choice: AddressesChoice::Hold,
            stamp: Some("onPremisesImmutableId".into()),
            never: vec![NeverMatch {
                code: Arc::from("guest"),
                when: expression("[userType] = \"Guest\""),
                remedy: "none".into(),
            }],
            refuse_privileged: true,
            keep_foreign_members: true,
        });
        let mut keys = Vec::new();
        for (criterion, source, target) in [
            (Criterion::Anchor, "[sourceAnchor]", "[onPremisesImmutableId]"),
            (Criterion::PrimarySmtp, "[mail]", "[mail]"),
            (Criterion::ReviewOnly, "[mail]", "[secondary]"),
        ] {
            let exact = criterion.is_exact();
            let mut key = |space: KeySpace, object_type: &str, text: &str| {
                let identity = format!("{space:?} {object_type} {text} {exact}");
                if let Some(known) = keys.iter().position(|known: &KeyDefinition| known.identity == identity) {
                    return KeyId(known);
                }
                keys.push(KeyDefinition {
                    space,
                    object_type: Some(object_type.into()),
                    expression: expression(text),
                    exact,
                    identity,
                });
                KeyId(keys.len() - 1)
            };
            let source_key = key(KeySpace::Metaverse, "person", source);
            let target_key = key(KeySpace::Connector(Arc::from("cloud")), "user", target);
            let clause = JoinClause {
                source: expression(source),
                target: expression(target),
                exact: criterion.is_exact(),
                source_key,
                target_key,
            };
            outbound.join.push(JoinGroup { criterion, target_type: None, clauses: vec![clause] });
        }
        let text = MetaverseAttribute { kind: ValueKind::Text, plurality: Plurality::Single };
        let person = ["sourceAnchor", "displayName", "mail", "department", "userPrincipalName", "accountEnabled"]
            .iter()
            .map(|name| (AttributeName::new(name), text))
            .collect();
        let rules = RuleSet {
            rules: vec![inbound, outbound],
            metaverse: MetaverseSchema { types: [(ObjectType::new("person"), person)].into() },
            deletion: BTreeMap::new(),
            keys,
            parameters: BTreeMap::new(),
            matching,
            grace_days: 7,
            without_recall: BTreeSet::new(),
            selections: BTreeMap::new(),
            hash: "test".into(),
            text: String::new(),
            places: Default::default(),
        };
        let mut cloud = metaverse_schema::ConnectorSchema::default().class("user", true);
        for name in
            ["onPremisesImmutableId", "displayName", "mail", "department", "userPrincipalName", "accountEnabled"]
        {
            cloud = cloud.attribute(name, ValueKind::Text, Plurality::Single, true);
        }
        cloud = cloud.attribute("proxyAddresses", ValueKind::Text, Plurality::Multi, false);
        let run = RunInputs {
            rules: rules.into(),
            schemas: [(Arc::from("cloud"), cloud)].into(),
            now: 0,
            rules_changed: false,
            trace: false,
            own_accounts: Vec::new(),
        };
        World { run, objects: BTreeMap::new(), metaverse: BTreeMap::new(), next: 1 }
    }

    /// Imports an object: `name=value` pairs; `enabled` and `accountEnabled` become booleans.
    pub(crate) fn import(&mut self, connector: &str, anchor: &str, attributes: &str) -> CsId {
        let image: Attributes = attributes
            .split_whitespace()
            .filter_map(|pair| pair.split_once('='))
            .filter(|(name, _)| *name != "dn")
            .map(|(name, value)| {
                let value = match (name, value) {
                    ("enabled" | "accountEnabled", truth) => Value::Boolean(truth == "yes"),
                    (_, text) => Value::text(text.replace('_', " ")),
                };
                (AttributeName::new(name), value.into())
            })
            .collect();
        let dn = attributes.split_whitespace().find_map(|pair| pair.strip_prefix("dn=")).map(|dn| dn.parse().unwrap());
        let anchor = Anchor::Text(anchor.to_owned());
        if let Some(object) = self
            .objects
            .values_mut()
            .find(|object| *object.connector == *connector && object.anchor.as_ref() == Some(&anchor))
        {
            let (memory, _) = confirm_import(&object.memory, &object.contributed, &image);
            object.memory = memory;
            object.staged = Some(Staged::Image(image));
            object.dn = dn;
            object.generation += 1;
            return object.id;
        }
        let id = CsId(self.next);
        self.next += 1;
        self.objects.insert(
            id,
            CsObject {
                id,
                connector: Arc::from(connector),
                object_type: "user".into(),
                anchor: Some(anchor),
                dn,
                state: ConnectorState::Disconnected,
                link: None,
                synchronised: None,
                staged: Some(Staged::Image(image)),
                pending: None,
                memory: ExportMemory::default(),
                owned: Default::default(),
                contributed: Default::default(),
                reference_counts: BTreeMap::new(),
                privilege: Some(Privilege::None),
                approvals: Vec::new(),
                match_decisions: Vec::new(),
                in_never_sync_group: false,
                member_of: Default::default(),
                selected_by: Default::default(),
                generation: 0,
            },
        );
        id
    }

    pub(crate) fn delete(&mut self, id: CsId) {
        self.objects.get_mut(&id).unwrap().staged = Some(Staged::Deleted(DeleteCause::DeletedInSource));
    }

    pub(crate) fn plan(&self, subject: Subject) -> ObjectPlan {
        self.plan_in_rounds(subject).0
    }

    /// With the questions of each round.
    pub(crate) fn plan_in_rounds(&self, subject: Subject) -> (ObjectPlan, Vec<BTreeSet<Question>>) {
        let mut answers = Neighbourhood::default();
        let mut rounds = Vec::new();
        let mut begun = Begun::default();
        for _ in 0..10 {
            match decide_further(subject, &answers, &self.run, &mut begun) {
                Ok(plan) => {
                    let anew = decide(subject, &answers, &self.run);
                    assert_eq!(anew.as_ref(), Ok(&plan), "what was begun and taken up again is the same decision");
                    return (plan, rounds);
                }
                Err(Undecided(questions)) => {
                    questions.iter().for_each(|question| self.answer(question, &mut answers));
                    rounds.push(questions);
                }
            }
        }
        panic!("not decided after ten rounds");
    }

    /// With everything that it read.
    pub(crate) fn plan_with_answers(&self, subject: Subject) -> (ObjectPlan, Neighbourhood) {
        let plan = self.plan(subject);
        let mut answers = Neighbourhood::default();
        plan.reads.0.iter().for_each(|question| self.answer(question, &mut answers));
        (plan, answers)
    }

    fn answer(&self, question: &Question, answers: &mut Neighbourhood) {
        match question {
            Question::Connector(id) => answers.answer_connector(*id, self.objects.get(id).cloned()),
            Question::Metaverse(id) => answers.answer_metaverse(*id, self.metaverse.get(id).cloned()),
            Question::Occupant(space, dn) => {
                let at = |object: &&CsObject| {
                    object.connector == *space && object.dn.as_ref().is_some_and(|at| at.normalised() == *dn)
                };
                answers.answer_occupant(
                    space.clone(),
                    dn.clone(),
                    self.objects.values().find(at).map(|object| object.id),
                );
            }
            Question::Key(key, value) => {
                let mut hits = Vec::new();
                for object in self.objects.values() {
                    let keys = object
                        .imported()
                        .map(|image| connector_keys(&self.run.rules, &object.connector, &object.object_type, image));
                    if keys.is_some_and(|keys| keys.contains(&(*key, value.clone()))) {
                        hits.push(KeyHit::Connector(object.id));
                    }
                }
                for object in self.metaverse.values() {
                    if metaverse_keys(&self.run.rules, &object.object_type, &object.attributes)
                        .contains(&(*key, value.clone()))
                    {
                        hits.push(KeyHit::Metaverse(object.id));
                    }
                }
                answers.answer_key(*key, value.clone(), hits);
            }
        }
    }

    /// Synchronises one object, and whatever its plan asks to be looked at again.
    pub(crate) fn sync(&mut self, id: CsId) -> ObjectPlan {
        let plan = self.plan(Subject::Connector(id));
        self.apply(&plan);
        for mv in plan.revisit.clone() {
            let plan = self.plan(Subject::Metaverse(mv));
            self.apply(&plan);
        }
        plan
    }

    fn apply(&mut self, plan: &ObjectPlan) {
        if plan.error.is_some() {
            return;
        }
        let new_mv = MvId(self.next);
        self.next += 1;
        let resolve = |mv: MvRef| match mv {
            MvRef::Existing(id) => id,
            MvRef::New => new_mv,
        };
        if let Subject::Connector(id) = plan.subject {
            let object = self.objects.get_mut(&id).unwrap();
            if plan.promote
                && let Some(Staged::Image(image) | Staged::Replaced(image)) = object.staged.take()
            {
                object.synchronised = Some(image);
            }
        }
        for metaverse in &plan.metaverse {
            let id = resolve(metaverse.object);
            match &metaverse.change {
                MetaverseChange::Set { attributes, .. } => {
                    let object = self.metaverse.entry(id).or_insert_with(|| MvObject {
                        id,
                        object_type: metaverse.object_type.clone(),
                        attributes: Default::default(),
                        links: Vec::new(),
                    });
                    object.attributes = attributes.clone();
                }
                MetaverseChange::Unchanged => {}
                MetaverseChange::Delete { .. } => drop(self.metaverse.remove(&id)),
            }
        }
        for target in &plan.targets {
            let id = match &target.target {
                None => None,
                Some(TargetRef::Existing(id)) => Some(*id),
                Some(TargetRef::New { object_type, dn }) => {
                    let id = CsId(self.next);
                    self.next += 1;
                    self.objects.insert(
                        id,
                        CsObject {
                            id,
                            connector: target.connector.clone(),
                            object_type: object_type.clone(),
                            anchor: None,
                            dn: dn.clone(),
                            state: ConnectorState::Connected,
                            link: target.link.as_ref().map(|(rule, ownership)| Link {
                                mv: resolve(target.mv),
                                rule: rule.clone(),
                                ownership: *ownership,
                            }),
                            synchronised: None,
                            staged: None,
                            pending: None,
                            memory: ExportMemory::default(),
                            owned: Default::default(),
                            contributed: Default::default(),
                            reference_counts: BTreeMap::new(),
                            privilege: None,
                            approvals: Vec::new(),
                            match_decisions: Vec::new(),
                            in_never_sync_group: false,
                            member_of: Default::default(),
                            selected_by: Default::default(),
                            generation: 0,
                        },
                    );
                    Some(id)
                }
            };
            if let Some(object) = id.and_then(|id| self.objects.get_mut(&id)) {
                object.pending = target.pending.clone();
                object.memory = target.memory.clone();
                object.owned = target.owned.clone();
                object.contributed = target.contributed.clone();
            }
        }
        for change in &plan.links {
            if let Some(object) = self.objects.get_mut(&change.object) {
                object.state = match (&change.link, object.state) {
                    (Some(_), ConnectorState::ExplicitlyConnected) => ConnectorState::ExplicitlyConnected,
                    (Some(_), _) => ConnectorState::Connected,
                    (None, _) if change.explicitly => ConnectorState::ExplicitlyDisconnected,
                    (None, ConnectorState::ExplicitlyDisconnected) => ConnectorState::ExplicitlyDisconnected,
                    (None, _) => ConnectorState::Disconnected,
                };
                object.link = change.link.as_ref().map(|(mv, rule, ownership)| Link {
                    mv: resolve(*mv),
                    rule: rule.clone(),
                    ownership: *ownership,
                });
            }
        }
        for target in &plan.targets {
            target.dropped.iter().for_each(|id| drop(self.objects.remove(id)));
        }
        if let (Subject::Connector(id), Some(state)) = (plan.subject, plan.state) {
            self.objects.get_mut(&id).unwrap().state = state;
        }
        if let (Subject::Connector(id), true) = (plan.subject, plan.remove_subject) {
            self.objects.remove(&id);
        }
        let links: Vec<(MvId, CsId)> =
            self.objects.values().filter_map(|object| object.link.as_ref().map(|link| (link.mv, object.id))).collect();
        for object in self.metaverse.values_mut() {
            object.links = links.iter().filter(|(mv, _)| *mv == object.id).map(|(_, id)| *id).collect();
        }
    }

    /// Sends everything pending: the target takes it all and gives new objects an anchor.
    pub(crate) fn export(&mut self) {
        let mut gone = Vec::new();
        for object in self.objects.values_mut() {
            let Some(pending) = object.pending.take_if(|pending| pending.grace.is_none()) else { continue };
            let image = object.imported().cloned().unwrap_or_default();
            let mut remember = |values: &metaverse_schema::AttributesDelta| {
                let mut sent = overlay(&image, &object.memory);
                values.apply(&mut sent);
                for name in values.0.keys() {
                    let wanted = sent.get(name.as_str()).cloned().unwrap_or_default();
                    object
                        .memory
                        .attributes
                        .insert(name.clone(), Remembered { wanted, state: MemoryState::Unconfirmed });
                }
            };
            match pending.operation {
                PendingOperation::Add { attributes } => {
                    remember(&metaverse_schema::AttributesDelta::diff(&Attributes::new(), &attributes));
                    object.anchor = Some(Anchor::Text(format!("new-{}", object.id.0)));
                }
                PendingOperation::Update { changes, afterwards, .. }
                | PendingOperation::Restore { changes, afterwards } => {
                    remember(&changes);
                    remember(&afterwards);
                }
                PendingOperation::Delete { .. } => gone.push(object.id),
                PendingOperation::Detach { .. } => object.link = None,
            }
        }
        gone.iter().for_each(|id| drop(self.objects.remove(id)));
    }

    /// The target returns what was sent.
    pub(crate) fn confirm(&mut self) {
        let cloud: Vec<CsId> = self
            .objects
            .values()
            .filter(|object| &*object.connector == "cloud" && object.anchor.is_some())
            .map(|object| object.id)
            .collect();
        for id in cloud {
            let object = self.objects.get_mut(&id).unwrap();
            let before = object.imported().cloned().unwrap_or_default();
            let image = overlay(&before, &object.memory);
            object.memory = ExportMemory::default();
            object.staged = Some(Staged::Image(image));
            self.sync(id);
        }
    }
}

/// A plan as a few lines of text.
pub(crate) fn show(plan: &ObjectPlan) -> String {
    let mut text = String::new();
    if let Some(counter) = plan.counter {
        let _ = writeln!(text, "{counter:?}");
    }
    if let Some(error) = &plan.error {
        let _ = writeln!(text, "error {}: {}", error.code, error.message);
    }
    for metaverse in &plan.metaverse {
        let change = match &metaverse.change {
            MetaverseChange::Set { changed, .. } => format!("set {:?}", changed.iter().collect::<BTreeSet<_>>()),
            MetaverseChange::Unchanged => "unchanged".into(),
            MetaverseChange::Delete { cause } => format!("delete: {cause}"),
        };
        let _ = writeln!(text, "mv {change}");
    }
    for target in &plan.targets {
        let link =
            target.link.as_ref().map_or("no link".to_owned(), |(rule, ownership)| format!("{ownership:?} by {rule}"));
        let _ = writeln!(text, "{} {link}", target.connector);
        if let Some(pending) = &target.pending {
            let _ = writeln!(text, "  {:?} {:?}", pending.operation, pending.state);
        }
        for hold in &target.holds {
            let values = match (&hold.wanted, &hold.present) {
                (Some(wanted), Some(present)) => format!(" wanted {wanted:?} present {present:?}"),
                _ => String::new(),
            };
            let _ = writeln!(
                text,
                "  held {}{}{values}: {}",
                hold.code,
                hold.attribute.as_ref().map_or(String::new(), |a| format!(" {a}")),
                hold.message
            );
        }
    }
    text
}
