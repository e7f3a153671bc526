//! Users of the shipped rule set with everything that a decision about them reads, answered from memory. Decides nothing
//! itself and measures nothing: it is what the measurements call.

use crate::mail_user;
use metaverse_schema::{Anchor, Attributes, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use sync_kernel::{
    ConnectorState, CsId, CsObject, ExportMemory, KeyHit, Link, MetaverseChange, MvId, MvObject, Neighbourhood,
    ObjectPlan, Ownership, PendingOperation, Privilege, Question, RunInputs, Staged, Subject, connector_keys, decide,
    metaverse_keys,
};
use sync_rules::shipped::{CloudSchema, Package};
use sync_rules::{FileText, Files, RuleSet, ShippedOptions, load, shipped_rules};

/// The shipped rules for one forest and one tenant, with everything that Exchange adds.
pub fn shipped() -> RuleSet {
    let options = ShippedOptions {
        packages: [Package::ExchangeHybrid].into(),
        cloud: CloudSchema::Provisioning,
        ..ShippedOptions::default()
    };
    let files = shipped_rules(&[("ad", "cloud")], &options);
    rules(files.into_iter().map(|(name, text)| FileText::text(name, text)).collect())
}

/// Rules from their texts, for a source `ad` and a target `cloud` with automatic matching.
///
/// # Panics
/// When the texts are no rules: a measurement of something else would be worse than none.
pub fn rules(texts: Vec<FileText>) -> RuleSet {
    let configuration = "[deployment]\nname = \"bench\"\n[matching]\nmode = \"automatic\"\n\
        [connector.ad]\nkind = \"active-directory\"\n[connector.cloud]\nkind = \"azure-ad\"\n";
    let files = Files { configuration: FileText::text("metasync.toml", configuration), rules: texts };
    let loaded = load(&files, PathBuf::from("."));
    loaded.rules.unwrap_or_else(|| panic!("{:#?}", loaded.diagnostics))
}

/// A run with these rules. No schema forbids a write, so that every flow reaches the pending export.
pub fn run(rules: RuleSet) -> RunInputs {
    RunInputs {
        rules: rules.into(),
        schemas: BTreeMap::new(),
        now: 1_780_000_000_000_000,
        rules_changed: false,
        trace: false,
        own_accounts: Vec::new(),
    }
}

/// One user, and what is known at each round of questions; the last round decides.
pub struct Case {
    pub subject: Subject,
    pub rounds: Vec<Neighbourhood>,
    /// The image that is decided about.
    pub image: Attributes,
}

impl Case {
    /// Decides with everything known.
    ///
    /// # Panics
    /// When something is not known after all.
    pub fn decide(&self, run: &RunInputs) -> ObjectPlan {
        let plan = self.rounds.last().map(|answers| decide(self.subject, answers, run));
        plan.and_then(Result::ok).unwrap_or_else(|| panic!("the neighbourhood is closed"))
    }

    /// Decides as a run does: once per round of questions. Returns the number of questions asked.
    pub fn decide_in_rounds(&self, run: &RunInputs) -> usize {
        self.rounds.iter().filter_map(|answers| decide(self.subject, answers, run).err()).map(|open| open.0.len()).sum()
    }
}

const SOURCE: CsId = CsId(1);
const TARGET: CsId = CsId(2);
const PERSON: MvId = MvId(1);

/// A user that nobody knows yet: joined to nobody, projected, provisioned.
pub fn created(number: u64, run: &RunInputs) -> Case {
    let image = mail_user(number);
    let object = CsObject { staged: Some(Staged::Image(image.clone())), ..source(number) };
    case(run, image, &[object], None)
}

/// The same user a day later, in the target since: one attribute has changed.
pub fn changed(number: u64, run: &RunInputs) -> Case {
    let before = mail_user(number);
    let plan = created(number, run).decide(run);
    let attributes = plan.metaverse.iter().find_map(|metaverse| match &metaverse.change {
        MetaverseChange::Set { attributes, .. } => Some(attributes.clone()),
        _ => None,
    });
    let target = plan.targets.iter().find_map(|target| {
        let PendingOperation::Add { attributes } = &target.pending.as_ref()?.operation else { return None };
        Some((attributes.clone(), target.owned.clone(), target.link.as_ref()?.0.clone()))
    });
    let (Some(attributes), Some((image, owned, rule))) = (attributes, target) else {
        panic!("the shipped rules project and provision this user: {plan:#?}")
    };
    let inbound = plan.links.iter().find_map(|change| change.link.as_ref()).map(|(_, rule, _)| rule.clone());
    let mut after = before.clone();
    after.set("title", Value::text("Director"));
    let own = CsObject {
        state: ConnectorState::Connected,
        link: inbound.map(|rule| Link { mv: PERSON, rule, ownership: Ownership::Joined }),
        synchronised: Some(before),
        staged: Some(Staged::Image(after.clone())),
        ..source(number)
    };
    let target = CsObject {
        id: TARGET,
        connector: "cloud".into(),
        anchor: Some(Anchor::Text(format!("object-{number}"))),
        dn: None,
        state: ConnectorState::Connected,
        link: Some(Link { mv: PERSON, rule, ownership: Ownership::Provisioned }),
        synchronised: Some(image),
        owned,
        ..source(number)
    };
    let person = MvObject { id: PERSON, object_type: "person".into(), attributes, links: vec![SOURCE, TARGET] };
    case(run, after, &[own, target], Some(person))
}

fn source(number: u64) -> CsObject {
    CsObject {
        id: SOURCE,
        connector: "ad".into(),
        object_type: "user".into(),
        anchor: Some(crate::anchor(number)),
        dn: crate::dn(number).parse().ok(),
        state: ConnectorState::Disconnected,
        link: None,
        synchronised: None,
        staged: None,
        pending: None,
        memory: ExportMemory::default(),
        owned: Default::default(),
        contributed: Default::default(),
        reference_counts: BTreeMap::from([("manager".into(), 1)]),
        privilege: Some(Privilege::None),
        approvals: Vec::new(),
        match_decisions: Vec::new(),
        in_never_sync_group: false,
        member_of: BTreeSet::new(),
        selected_by: BTreeSet::new(),
        generation: 1,
    }
}

/// Asks until all is known, and keeps what was known at each round.
fn case(run: &RunInputs, image: Attributes, objects: &[CsObject], person: Option<MvObject>) -> Case {
    let subject = Subject::Connector(SOURCE);
    let find = |id: CsId| objects.iter().find(|object| object.id == id).cloned();
    let mut answers = Neighbourhood::default();
    answers.answer_connector(SOURCE, find(SOURCE));
    let mut rounds = vec![answers.clone()];
    while let Err(open) = decide(subject, &answers, run) {
        for question in open.0 {
            match question {
                Question::Connector(id) => answers.answer_connector(id, find(id)),
                Question::Metaverse(id) => {
                    answers.answer_metaverse(id, person.clone().filter(|person| person.id == id))
                }
                Question::Occupant(connector, dn) => answers.answer_occupant(connector, dn, None),
                Question::Key(key, value) => {
                    let own = objects.iter().filter(|object| {
                        object.imported().is_some_and(|image| {
                            connector_keys(&run.rules, &object.connector, &object.object_type, image)
                                .contains(&(key, value.clone()))
                        })
                    });
                    let mut hits: Vec<KeyHit> = own.map(|object| KeyHit::Connector(object.id)).collect();
                    let known = person.as_ref().filter(|person| {
                        metaverse_keys(&run.rules, &person.object_type, &person.attributes)
                            .contains(&(key, value.clone()))
                    });
                    hits.extend(known.map(|person| KeyHit::Metaverse(person.id)));
                    answers.answer_key(key, value, hits);
                }
            }
        }
        rounds.push(answers.clone());
    }
    Case { subject, rounds, image }
}

/// Flows of the rules that are in scope for this user, both ways: what one decision weighs.
pub fn flows_in_scope(case: &Case, run: &RunInputs) -> usize {
    let traced = RunInputs { trace: true, ..run.clone() };
    let plan = case.decide(&traced);
    let inbound = plan.scopes.iter().filter(|scope| scope.in_scope).map(|scope| &scope.rule);
    let flows_of =
        |id: &sync_rules::RuleId| run.rules.rules.iter().find(|rule| rule.id == *id).map_or(0, |rule| rule.flows.len());
    let weighed = plan.targets.iter().flat_map(|target| &target.decisions);
    let outbound: usize = weighed.map(|decision| decision.losers.len() + usize::from(decision.winner.is_some())).sum();
    let references: usize = plan.targets.iter().map(|target| target.references.len()).sum();
    inbound.map(flows_of).sum::<usize>() + outbound + references
}
